#!/usr/bin/perl
# Three gateways of three kinds, WAHA, Evolution API and GOWA, of priorities 10, 8 and 6 with few places each: filled,
# overflowing, one killed under load and back, one drained; a user's own gateway; a gateway with a rate limit. Nobody is
# lost, no limit exceeded.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Time::HiRes qw(sleep time);

use Wapool::Fault qw(clean_answers connect_user crowd crowd_end fault_stack helper helper_end invariants_hold is_clean_problem
	link_user pool scan seeded sim time_passes user);
use Wapool::Process qw(wait_until);

my %PRIORITY = (a => 10, b => 8, c => 6);
my %KIND     = (a => 'waha', b => 'evolution2', c => 'gowa');
my $PLACES   = 4;
my ($CLIENTS, $SECONDS) = (5, 9);

seeded();

my $s = fault_stack(env => { WAHA_URL => '', POOL_TARGET => 12, POOL_LOW => 1, POOL_STEP => 1, GATEWAY_TIMEOUT_MS => 8000,
		GATEWAY_ALLOW_PRIVATE => '127.0.0.0/8' },
	responders => [qw(connect disconnect my-connection webhook)]);
add_server($_, $PRIORITY{$_}, $PLACES, kind => $KIND{$_}) for sort keys %PRIORITY;
my $helper = helper($s, '--for', 600);
my (@users, %on);    # who connected, and the server he was on at first

subtest 'it fills'                                     => \&fill;
subtest 'users go to the best, and over to the next'   => \&overflow;
subtest 'one dies'                                     => \&killed;
subtest 'and comes back'                               => \&back;
subtest 'one dies and comes back among many clicks'    => \&under_load;
subtest 'one is drained'                               => \&drained;
subtest 'a user has a gateway of his own'              => \&own;
subtest 'a gateway with a rate limit'                  => \&limited;
helper_end($helper);
done_testing;

sub add_server {
	my ($name, $priority, $places, %more) = @_;
	my $url = $s->sim_url . "/s/$name";
	my ($key, $owner, $rate) = ($s->sim_key, $more{owner} ? "'$more{owner}'" : 'NULL', $more{rate} // 0);
	my $simulated = $more{kind} // 'waha';
	my ($status) = sim($s, PUT => "/s/$name/_sim/kind", { kind => $simulated });
	is $status, 200, "$name is of kind $simulated" if $status != 200;
	my $kind = $simulated =~ s/[0-9]\z//r;
	$s->psql("INSERT INTO waha_servers (nome, kind, api_url, api_key, prioridade, max_sessions, user_id, rate_limit, timeout)
		VALUES ('$name', '$kind', '$url', '$key', $priority, $places, $owner, $rate, 8)");
	return;
}

# How many of the sessions of each server are in that state: "a:4 b:2".
sub spread {
	my ($lifecycle) = @_;
	return join ' ', map { "$_->[0]:$_->[1]" } $s->psql("SELECT s.nome, count(*) FROM instances i
		JOIN waha_servers s ON s.id = i.server_id WHERE i.lifecycle = '$lifecycle' GROUP BY 1 ORDER BY 1");
}

sub server_of {
	my ($user) = @_;
	return $s->psql_value("SELECT s.nome FROM instances i JOIN waha_servers s ON s.id = i.server_id
		WHERE i.assigned_to_user_id = '$user->{id}'");
}

sub faults_at {
	my ($name, @faults) = @_;
	my ($status) = sim($s, PUT => "/s/$name/_sim/faults", { faults => \@faults });
	is $status, 200, "faults of $name are set" if $status != 200;
	return;
}

sub limits_hold {
	is $s->psql_value('SELECT count(*) FROM waha_servers WHERE sessions_ativas > max_sessions'), 0, 'no server has more than it may';
	is $s->psql_value(q{SELECT count(*) FROM waha_servers s WHERE sessions_ativas <> (SELECT count(*) FROM instances i
		WHERE i.server_id = s.id AND i.lifecycle <> 'retired')}), 0, 'and every count is true';
	return;
}

sub connects {
	my ($user, $name) = @_;
	my $answer = connect_user($s, $user, timeout => 30);
	is $answer->{status}, 200, $name or diag substr $answer->{body}, 0, 300;
	push @users, $user;
	return $answer;
}

sub fill {
	ok wait_until(60, sub { pool($s)->{standby} >= 12 }), 'the pool is full' or diag explain pool($s);
	is spread('standby'), 'a:4 b:4 c:4', 'each has as many as it may';
	limits_hold();
	return;
}

sub overflow {
	link_user($s, $_, '55119000000' . @users, '/s/a') and push @users, $_ for map { user($s) } 1 .. 2;
	is scalar @users, 2, 'two are connected';
	connects(user($s), 'one more') for 1 .. 3;
	is spread('assigned'), 'a:4 b:1', 'the best is used up first, then the next';
	limits_hold();
	return;
}

sub killed {
	faults_at('b', { kind => 'reset' });
	connects(user($s), 'a click while it is dead is served within the same request') for 1 .. 2;
	is server_of($_), 'c', 'by the next server' for @users[-2, -1];
	is server_of($users[0]), 'a', 'who is connected elsewhere notices nothing';
	ok wait_until(20, sub { time_passes($s); $s->psql_value(q{SELECT health FROM waha_servers WHERE nome = 'b'}) eq 'down' }),
		'it is seen to be down';
	limits_hold();
	return;
}

sub back {
	faults_at('b');
	ok wait_until(20, sub { time_passes($s); $s->psql_value(q{SELECT health FROM waha_servers WHERE nome = 'b'}) eq 'up' }), 'it is back';
	ok $s->psql_value(q{SELECT up_since IS NOT NULL FROM waha_servers WHERE nome = 'b'}), 'and starts slowly';
	connects(user($s), 'a click meanwhile is served');
	$s->psql(q{UPDATE waha_servers SET up_since = up_since - interval '1 minute'});
	ok wait_until(30, sub { time_passes($s); spread('recycling') eq '' }), 'what was given up has been emptied';
	connects(user($s), 'later the next one');
	is server_of($users[-1]), 'b', 'comes to it again';
	limits_hold();
	return;
}

# One visit of a user: he clicks, perhaps scans, looks, perhaps leaves. True if he was given one.
sub visit {
	my ($user, $phone, $say) = @_;
	my $seen = sub {
		my ($what, $answer) = @_;
		my $wrong = $answer->{status} == 200 ? '' : is_clean_problem($answer, 502, 503, 504);
		$say->(what => $what, status => $answer->{status}, $wrong ? (wrong => $wrong) : ());
		return $answer->{status} == 200 && $answer->{json};
	};
	my $got = $seen->(connect => connect_user($s, $user, timeout => 30));
	scan($s, $got->{instanceName}, $phone, "/s/$_") for $got && $got->{qrCode} && rand() < 0.5 ? sort keys %PRIORITY : ();
	sleep 0.1 + rand 0.2;
	$seen->(look => $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token}));
	$seen->(disconnect => $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {})) if rand() < 0.7;
	return $got ? 1 : 0;
}

# The most sessions that each gateway itself has had, beyond its places.
sub excess {
	my ($most) = @_;
	for my $name (sort keys %PRIORITY) {
		my (undef, $sessions) = sim($s, GET => "/s/$name/_sim/sessions");
		$most->{$name} = @{ $sessions || [] } if @{ $sessions || [] } > ($most->{$name} // $PLACES);
	}
	return;
}

sub under_load {
	my @crowd = map { user($s) } 1 .. $CLIENTS;
	my (%most, $state);
	my $began = time;
	my $served = 0;
	my $crowd = crowd($CLIENTS, $SECONDS, sub {
		my ($i, $say) = @_;
		do {    # on a slow machine he goes on until he has had his share of the least that is a load
			$served += visit($crowd[$i - 1], "551191000000$i", $say);
		} while ($served < 5 && time > $began + $SECONDS && time < $began + $SECONDS + 20);
	});
	while (time < $began + $SECONDS) {
		my $now = time < $began + 2 ? 'up' : time < $began + 5 ? 'dead' : 'back';
		# restarted while nothing gets through to it: what it makes just then and cannot tell would be one too many
		sim($s, POST => '/s/b/_sim/restart', { downMs => 100 }) if $now eq 'back' && $state ne 'back';
		faults_at('b', $now eq 'dead' ? { kind => 'reset' } : ()) if ($state // 'up') ne $now;
		$state = $now;
		time_passes($s);
		excess(\%most);
		sleep 0.2;
	}
	clean_answers(crowd_end($crowd));
	is_deeply \%most, {}, 'no gateway had more sessions than it has places for';
	is $s->http(GET => '/api/whatsapp/my-connection', token => $_->{token})->{json}{connected}, JSON::PP::true(),
		'who was connected elsewhere is' for @users[0, 1];
	$s->http(POST => '/api/whatsapp/disconnect', token => $_->{token}, json => {}) for @crowd;
	$s->psql(q{UPDATE waha_servers SET up_since = up_since - interval '1 minute'});
	my $kept = pool($s)->{assigned};
	ok wait_until(60, sub { time_passes($s); pool($s)->{standby} == 3 * $PLACES - $kept }), 'in the end all places are in use again'
		or diag explain pool($s);
	limits_hold();
	return;
}

sub drained {
	my ($leaving, $moving) = @users[0, 2];
	is server_of($moving), 'a', 'a user has not scanned yet';
	is $s->psql_value(q{SELECT server_drain(id) FROM waha_servers WHERE nome = 'a'}), 'draining', 'a is drained';
	connects($moving, 'his next click');
	isnt server_of($moving), 'a', 'moves him' or diag spread('standby');
	is server_of($leaving), 'a', 'who is connected stays';
	$s->http(POST => '/api/whatsapp/disconnect', token => $_->{token}, json => {}) for @users;
	ok wait_until(60, sub { time_passes($s);
		$s->psql_value(q{SELECT drain_state(s) FROM waha_servers s WHERE nome = 'a'}) eq 'drained' }), 'when all have left, it is drained'
		or diag explain [$s->psql(q{SELECT i.name, i.lifecycle, i.last_error FROM instances i JOIN waha_servers s ON s.id = i.server_id
			WHERE s.nome = 'a' AND lifecycle <> 'retired'})];
	my (undef, $left) = sim($s, GET => '/s/a/_sim/sessions');
	is scalar @{ $left // [] }, 0, 'nothing is left at its gateway';
	limits_hold();
	is $s->psql_value(q{SELECT server_drain(id, false) FROM waha_servers WHERE nome = 'a'}), 'none', 'it is taken back';
	ok wait_until(60, sub { time_passes($s); spread('standby') eq 'a:4 b:4 c:4' }), 'and filled again' or diag spread('standby');
	invariants_hold($s, at => "/s/$_", name => "every invariant holds at $_") for sort keys %PRIORITY;
	return;
}

sub own {
	my $user = user($s);
	$s->psql("INSERT INTO users (id) VALUES ('$user->{id}')");
	add_server('own', 1, 1, owner => $user->{id});
	connects($user, 'nothing stands by there: it is made while he waits');
	is server_of($user), 'own', 'on his own gateway';
	my $other = user($s);
	$s->psql("INSERT INTO users (id) VALUES ('$other->{id}')");
	add_server('broken', 1, 1, owner => $other->{id});
	faults_at('broken', { kind => 'status', status => 503 });
	connects($other, 'whose own gateway fails');
	is server_of($other), 'a', 'is served by the platform\'s';
	limits_hold();
	return;
}

sub limited {
	my $user = user($s);
	$s->psql("INSERT INTO users (id) VALUES ('$user->{id}')");
	add_server('slow', 1, 1, owner => $user->{id}, rate => 1);
	connects($user, 'whose own gateway may be called once a minute');
	is server_of($user), 'a', 'does not wait for it';
	my (undef, $stats) = sim($s, GET => '/s/slow/_sim/stats');
	my $calls = 0;
	$calls += $_->{count} for grep { $_->{route} !~ m{\A/_sim/} } @{ $stats->{requests} || [] };
	cmp_ok $calls, '<=', 1, 'and it was not called more often' or diag explain $stats->{requests};
	isnt $s->psql_value(q{SELECT health FROM waha_servers WHERE nome = 'slow'}), 'down', 'nor is it taken for dead';
	limits_hold();
	return;
}
