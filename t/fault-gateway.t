#!/usr/bin/perl
# What gateways do to us: slow, silent, wrong, dead, restarted. The user gets an answer in time and keeps
# what is his; the pool comes back by itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Fault qw(connect_user crowd crowd_end fault_stack faults helper helper_end invariants_hold
	is_clean_problem link_user no_faults one pool requests_seen scan sim sim_session sim_sessions time_passes
	user wait_pool);
use Wapool::Process qw(wait_until);

use constant PATIENCE => 30;

# Longer than any CONNECT_DEADLINE_MS here, shorter than any wait that would go unnoticed.
use constant CLIENT_TIMEOUT => 8;

my $s = fault_stack(env => {
		POOL_TARGET => 6, POOL_LOW => 6, POOL_STEP => 4, CONNECT_DEADLINE_MS => 3000, GATEWAY_TIMEOUT_MS => 600,
		GATEWAY_START_GRACE => 30 });
my $helper = helper($s, '--for', 600);
recovers() or BAIL_OUT('the pool was never filled');

my $phone = 5511933300000;
my $eva = user($s);    # connected all the time
my $evas = linked($eva) or BAIL_OUT('nobody could connect');

# [kind, its settings, statuses a user may see]
my @FAULTS = (
	['latency',        { ms => 2000 },    200],
	['hang',           {},                504],
	['status',         { status => 503 }, 502, 503, 504],
	['status',         { status => 500 }, 502, 503, 504],
	['status',         { status => 429 }, 502, 503, 504],
	['lock_timeout',   {},                200, 502, 503, 504],    # 503: no time was left to swap it
	['garbage',        {},                502],
	['reset',          {},                502],
	['unauthorized',   {},                502],
	['ghost',          {},                502, 503, 504],
	['stuck_starting', {},                504],
	['delete_lingers', {},                200]);

subtest "fault: $_->[0] " . ($_->[1]{status} // ''), \&fault, @$_ for @FAULTS;
subtest 'one broken, never paired instance is swapped'      => \&swapped;
subtest 'one that is stuck is swapped at the second click'  => \&stuck;
subtest 'a QR asked for before a release is not shown after' => \&late_qr;
subtest 'lost webhooks: a look finds the truth'             => \&webhooks_lost;
subtest 'doubled webhooks count once'                       => \&webhooks_doubled;
subtest 'a gateway that is dead, and back'                  => \&dead;
subtest 'a gateway that restarts loses nothing'             => \&restarted;
subtest 'after all that'                                    => \&after;
done_testing;

sub my_connection {
	my ($user) = @_;
	return $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token}, timeout => CLIENT_TIMEOUT)->{json} || {};
}

sub disconnect {
	my ($user) = @_;
	return $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {}, timeout => CLIENT_TIMEOUT);
}

# Clicks until it works: where nothing is broken, a machine that pauses may still cost a click. The last answer.
sub connected {
	my ($user) = @_;
	my $answer;
	wait_until(PATIENCE, sub {
		time_passes($s);
		$answer = connect_user($s, $user, timeout => CLIENT_TIMEOUT);
		$answer->{status} == 200 });
	return $answer;
}

# The same with a phone of his: his instance's name.
sub linked {
	my ($user) = @_;
	++$phone;
	return wait_until(PATIENCE, sub { time_passes($s); scalar link_user($s, $user, $phone) });
}

sub timeouts {
	my ($connect_ms, $gateway_ms) = @_;
	$s->set_env(CONNECT_DEADLINE_MS => $connect_ms, GATEWAY_TIMEOUT_MS => $gateway_ms);
	$s->reload_responders;
	return;
}

# '' or what is wrong with an answer that may be 200 or one of those problems.
sub wrong_with {
	my ($answer, @statuses) = @_;
	my $success = grep { $_ == 200 } @statuses;
	return '' if $success && $answer->{status} == 200 && $answer->{json}{success};
	return is_clean_problem($answer, @statuses);
}

# Waits until the pool is at its target. The pauses between attempts (up to five minutes) are cut short.
sub recovers {
	return wait_until(PATIENCE, sub { time_passes($s); wait_pool($s, undef, 1) });
}

# --- One fault, everywhere ---

sub fault {
	my ($kind, $settings, @statuses) = @_;
	my ($new, $leaving) = (user($s), user($s));
	my $name = connected($leaving)->{json}{instanceName};
	my $works = "@statuses" eq '200';    # then a machine that pauses must not be what ends it
	timeouts(7000, 5000) if $works;
	faults($s, { kind => $kind, %$settings });
	is wrong_with(connect_user($s, $new, timeout => CLIENT_TIMEOUT), @statuses), '', 'a new user is answered in time';
	is wrong_with(connect_user($s, $eva, timeout => CLIENT_TIMEOUT), @statuses, 200), '', 'so is one who is connected';
	is disconnect($leaving)->{status}, 200, 'one may leave';
	ok wait_until(PATIENCE, sub {
		my $is = one($s, $name);
		$is->{lifecycle} eq 'standby' || $is->{work_attempts} > 0
			|| $s->psql_value('SELECT health FROM waha_servers') eq 'down' }), 'the helper meets it too';
	no_faults($s);
	timeouts(3000, 600) if $works;
	ok recovers(), 'the pool comes back' or diag explain pool($s);
	is wait_until(PATIENCE, sub { connect_user($s, $new)->{status} == 200 }), 1, 'the new user gets his QR';
	is disconnect($new)->{status}, 200, 'and leaves';
	ok wait_until(PATIENCE, sub { my_connection($eva)->{connected} }), 'who was connected is connected';
	is my_connection($eva)->{instanceName}, $evas, 'with the same instance';
	return;
}

# --- One instance only ---

# A locked session is refused after 5 s of the 25 s that connect has: likewise the last one here.
sub swapped {
	timeouts(5000, 4000);
	for my $faults ([{ kind => 'ghost' }], [{ kind => 'lock_timeout' }],
			[{ kind => 'latency', ms => 20000 }, { kind => 'status', status => 500 }]) {
		my $user = user($s);
		my $first = $s->psql_value(q{SELECT name FROM instances WHERE lifecycle = 'standby' ORDER BY lifecycle_at LIMIT 1});
		faults($s, map { { %$_, session => $first } } @$faults);
		my $answer = connect_user($s, $user, timeout => CLIENT_TIMEOUT);
		is $answer->{status}, 200, "$faults->[0]{kind}: connected at once" or diag $answer->{body};
		isnt $answer->{json}{instanceName}, $first, 'with another instance';
		is one($s, $first)->{assigned_to_user_id}, undef, 'the broken one is nobody\'s';
		no_faults($s);
		ok recovers(), 'and is made anew';
		disconnect($user);
	}
	faults($s, { kind => 'ghost', session => $evas });
	is is_clean_problem(connect_user($s, $eva, timeout => CLIENT_TIMEOUT), 502, 504), '', 'one that is paired is not swapped';
	no_faults($s);
	is my_connection($eva)->{instanceName}, $evas, 'but kept';
	timeouts(3000, 600);
	return;
}

sub stuck {
	my $user = user($s);
	faults($s, { kind => 'stuck_starting' });
	is is_clean_problem(connect_user($s, $user, timeout => CLIENT_TIMEOUT), 504), '', 'the first click waits in vain';
	my $first = my_connection($user)->{instanceName};
	ok $first, 'he keeps his instance: it may only be slow' or return;
	faults($s, { kind => 'stuck_starting', session => $first });
	my $answer;
	ok wait_until(PATIENCE, sub { $answer = connect_user($s, $user, timeout => CLIENT_TIMEOUT); $answer->{status} == 200 }),
		'but not for ever' or diag "$answer->{status} $answer->{body}";
	isnt $answer->{json}{instanceName}, $first, 'then he gets another';
	no_faults($s);
	disconnect($user);
	return;
}

# Ana asks for her QR of a slow gateway, and disconnects. Her instance is emptied and given to others
# before the gateway answers: with what they are to scan.
sub late_qr {
	timeouts(3000, 8000);
	my $ana = user($s);
	my $name = connected($ana)->{json}{instanceName};
	faults($s, { kind => 'latency', ms => 120000, path => "/api/$name/auth/qr" });
	my $asking = crowd(1, 0.1, sub {
		my $answer = $s->http(GET => '/api/whatsapp/qr', token => $ana->{token}, timeout => 20);
		$_[1]->(status => $answer->{status}, wrong => $answer->{status} == 200 ? 'a QR' : is_clean_problem($answer, 409, 503));
	});
	ok wait_until(10, sub { (sim($s, GET => '/_sim/faults'))[1]{faults}[0]{hits} }), 'Ana asks a slow gateway';
	no_faults($s);
	disconnect($ana);
	ok wait_until(10, sub { one($s, $name)->{lifecycle} eq 'standby' }), 'her instance is emptied';
	my @others;
	for (1 .. 20) {
		push @others, user($s);
		connect_user($s, $others[-1]);
		last if one($s, $name)->{lifecycle} eq 'assigned';
		sleep 0.05;
	}
	is one($s, $name)->{lifecycle}, 'assigned', 'another has it now';
	my ($seen) = crowd_end($asking);
	is $seen->{wrong}, '', "Ana is not shown the other's QR";
	disconnect($_) for @others;
	timeouts(3000, 600);
	ok recovers(), 'the pool comes back';
	return;
}

# --- Webhooks ---

sub webhooks_lost {
	my $user = user($s);
	faults($s, { kind => 'webhook_lost' });
	my $name = connected($user)->{json}{instanceName};
	ok scan($s, $name, ++$phone), 'a phone scans';
	ok wait_until(PATIENCE, sub { my_connection($user)->{connected} }), 'it is seen to be connected';
	is my_connection($user)->{phoneNumber}, "$phone\@c.us", 'with its number' or diag explain my_connection($user);
	sim($s, POST => "/_sim/sessions/$name/logout", {});
	ok wait_until(PATIENCE, sub { !my_connection($user)->{connected} }), 'it logs out: that is seen too';
	ok wait_until(PATIENCE, sub { one($s, $name)->{lifecycle} eq 'standby' }), 'and the instance is emptied';
	no_faults($s);
	return;
}

sub webhooks_doubled {
	my $user = user($s);
	my $doubled = (sim($s, GET => '/_sim/stats'))[1]{webhooks}{doubled};
	faults($s, { kind => 'webhook_double' });
	ok linked($user), 'a user connects';
	no_faults($s);
	cmp_ok +(sim($s, GET => '/_sim/stats'))[1]{webhooks}{doubled}, '>', $doubled, 'events came twice';
	is $s->psql_value(q{SELECT count(*) FROM (SELECT FROM webhook_events GROUP BY server_id, event, event_id
		HAVING count(*) > 1) t}), 0, 'none is stored twice';
	ok my_connection($user)->{connected}, 'he is connected';
	disconnect($user);
	return;
}

# --- Dead, restarted ---

sub dead {
	my ($waiting, $new) = (user($s), user($s));
	my $name = connected($waiting)->{json}{instanceName};
	ok recovers(), 'the pool is full';
	my $pid = $s->pids('sim');
	kill 'STOP', $pid;
	my $ok = eval {
		for my $user ($new, $waiting, $eva) {
			is is_clean_problem(connect_user($s, $user, timeout => CLIENT_TIMEOUT), 502, 504), '', 'connect ends in time';
		}
		is my_connection($eva)->{instanceName}, $evas, 'my-connection needs no gateway';
		is my_connection($waiting)->{instanceName}, $name, 'who waits keeps his instance';
		ok wait_until(PATIENCE, sub {
			time_passes($s);
			$s->psql_value('SELECT health FROM waha_servers') eq 'down' }), 'it is seen to be down';
		1;
	};
	kill 'CONT', $pid;
	die $@ unless $ok;
	ok recovers(), 'it is back, and the pool';
	is connected($_)->{status}, 200, 'connect works' for $new, $waiting;
	is my_connection($waiting)->{instanceName}, $name, 'on the instance he had';
	is wait_until(PATIENCE, sub { my_connection($eva)->{connected} }), JSON::PP::true, 'who was connected is';
	disconnect($_) for $new, $waiting;
	return;
}

sub restarted {
	my @users = map { user($s) } 1 .. 3;
	my %has = map { $_->{id} => linked($_) } @users;
	$has{ $eva->{id} } = $evas;
	ok recovers(), 'the pool is full';
	my $all = q{SELECT name, lifecycle, epoch, generation FROM instances ORDER BY name};
	my @before = $s->psql($all);
	my $started = $s->psql_value('SELECT started_at FROM waha_servers');
	my %seen = map { $_ => requests_seen($s, split / /) } 'DELETE /api/sessions/*', 'POST /api/sessions', 'POST /api/sessions/*/logout';
	is +(sim($s, POST => '/_sim/restart', { downMs => 30000 }))[0], 200, 'it restarts';
	ok wait_until(PATIENCE, sub {
		time_passes($s);
		$s->psql_value("SELECT health = 'up' AND started_at <> '$started' FROM waha_servers") eq 't' }), 'that is noticed';
	ok wait_until(PATIENCE, sub { !grep { !my_connection($_)->{connected} } $eva, @users }), 'everybody is connected again';
	sleep 2.5;    # two more looks
	my %now = map { $_ => requests_seen($s, split / /) } keys %seen;
	is_deeply \%now, \%seen, 'no session was deleted, made, or logged out';
	is_deeply [$s->psql($all)], \@before, 'nothing moved';
	is_deeply { map { $_->{id} => my_connection($_)->{instanceName} } $eva, @users }, \%has, 'and all have what they had';
	disconnect($_) for @users;
	return;
}

sub after {
	ok recovers(), 'the pool is full';
	invariants_hold($s);
	is helper_end($helper), 0, 'the helper ends in good order';
	unlike $s->log_text('responders.supervise'), qr/killed by signal|exit status/, 'no responder died';
	$s->stop;
	return;
}
