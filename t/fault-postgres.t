#!/usr/bin/perl
# PostgreSQL restarts, is away, or is paused: users get a clean 503, nothing that was acknowledged is
# lost, and everything goes on by itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Fault qw(clean_answers connect_user crowd crowd_end fault_stack helper helper_end
	invariants_hold is_clean_problem leases_end link_user live post_event sim_sessions stored_once
	time_passes user wait_pool webhook_body webhook_post);
use Wapool::Process qw(alive wait_until);

use constant { USERS => 8, PHONE => 5511922200000, PASSWORD => 'a long enough password' };

my $s = fault_stack(env => { POOL_TARGET => 12, POOL_LOW => 6, POOL_STEP => 6 });
my $helper = helper($s, '--for', 600);
wait_pool($s) or BAIL_OUT('the pool was never filled');
$s->ctl(\(PASSWORD . "\n"), qw(user add ana@example.com --password-stdin));
my %pid = map { $_ => scalar $s->pids($_) } $s->responder_names;

subtest 'restarts under load'                                => \&restarts;
subtest 'away for some seconds'                              => \&away;
subtest 'paused: requests end by their deadlines'            => \&paused;
subtest 'slow for one statement: our fault, not WhatsApp\'s' => \&slow_statement;
subtest 'nothing of ours was restarted'                      => \&same_processes;
done_testing;

# Each kind of request to the database: [name, sub that makes it and returns the answer].
sub requests {
	my ($user) = @_;
	return (
		['my-connection', sub { $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token}, @_) }],
		['connect',       sub { connect_user($s, $user, @_) }],
		['disconnect',    sub { $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {}, @_) }],
		['qr',            sub { $s->http(GET => '/api/whatsapp/qr', token => $user->{token}, @_) }],
		['login',         sub { login(@_) }],
		['webhook',       sub { webhook_post($s, webhook_body(event => 'message', session => 'nobody'), @_) }]);
}

sub login {
	return $s->http(POST => '/api/auth/login', json => { email => 'ana@example.com', password => PASSWORD }, @_);
}

# Whether it works again.
sub back {
	my $user = user($s);
	return wait_until(20, sub { $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token})->{status} == 200 });
}

# --- Restarts ---

sub restarts {
	my @users = map { user($s) } 1 .. USERS;
	my $crowd = crowd(USERS, 12, sub { live($s, $users[$_[0] - 1], PHONE + $_[0], $_[1], 503) });
	my $events = crowd(2, 12, sub { post_event($s, $_[1], 503) });
	my $logins = crowd(1, 12, sub {
		my $answer = login();
		$_[1]->(what => 'login', status => $answer->{status},
			wrong => $answer->{status} == 200 ? '' : is_clean_problem($answer, 503));
		sleep 0.1;
	});
	for my $how (['INT', 'fast'], ['QUIT', 'immediate'], ['INT', 'fast again']) {
		sleep 2;
		my $old = wait_until(10, sub { $s->pids('postgres') }) or die $s->group('database')->log_tail;
		kill $how->[0], $old;
		my $again = wait_until(20, sub { my $new = $s->pids('postgres'); $new && $new != $old && $s->postgres->answers });
		ok $again, "PostgreSQL was restarted ($how->[1])";
	}
	my @seen = map { crowd_end($_) } $crowd, $events, $logins;
	delete $_->{wrong} for grep { defined $_->{wrong} && $_->{wrong} eq '' } @seen;
	clean_answers(@seen);
	stored_once($s, grep { defined } map { $_->{event} } @seen);
	sleep 3;
	leases_end($s, 3);    # the helper may have lost the answer to a claim, which is free after 90 s
	time_passes($s);
	invariants_hold($s, name => 'the helper goes on, and every invariant holds', free => 6, owner_of => { map { PHONE + $_ => $users[$_ - 1]{id} } 1 .. USERS });
	return;
}

# --- Away ---

sub away {
	my $user = user($s);
	my $phone = PHONE + 100;
	ok link_user($s, $user, $phone), 'a user is connected';
	$s->stop_postgres;
	for my $round (1, 2) {
		for my $request (requests($user)) {
			my ($name, $make) = @$request;
			# somebody waits in front of a screen: well before any deadline
			is is_clean_problem($make->(timeout => 4), 503), '', "$name says so at once ($round)";
		}
	}
	is $s->http(GET => '/readyz', timeout => 4)->{status}, 503, 'not ready';
	is $s->http(GET => '/livez', timeout => 4)->{status}, 200, 'but alive';
	ok alive($helper), 'the helper waits';
	$s->postgres->start;
	ok back(), 'it comes back';
	my $answer = $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token});
	ok $answer->{json}{connected}, 'the user is still connected';
	# each process fails fast for a moment after its last failure
	ok wait_until(10, sub { $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {})->{status} == 200 }),
		'and may go';
	ok wait_until(20, sub { !grep { ($_->{phone} // '') eq $phone } values %{ sim_sessions($s) } }),
		'the helper empties what he had';
	return;
}

# --- Paused ---

# Stops every process of PostgreSQL while $do runs, and for nothing longer.
sub while_paused {
	my ($do) = @_;
	my @pids = $s->pids('postgres');
	kill 'STOP', @pids;
	my $ok = eval { $do->(); 1 };
	my $error = $@;
	kill 'CONT', @pids;
	die $error unless $ok;
	return;
}

sub paused {
	$s->set_env(REQUEST_DEADLINE_MS => 1500, CONNECT_DEADLINE_MS => 1500, DB_TIMEOUT_MS => 1000);
	$s->reload_responders;
	my @users = map { user($s) } 1 .. 3;
	connect_user($s, $_) for @users;
	my @seen;
	while_paused(sub {
		my @crowds;
		for my $user (@users) {
			for my $request (requests($user)) {
				my ($name, $make) = @$request;
				push @crowds, crowd(1, 0.1, sub {
					my $answer = $make->(timeout => 10);
					$_[1]->(what => $name, wrong => is_clean_problem($answer, 503));
					sleep 0.2;
				});
			}
		}
		@seen = map { crowd_end($_, 10) } @crowds;
	});
	cmp_ok scalar @seen, '>=', 18, 'eighteen clients asked meanwhile';
	is_deeply [grep { $_->{wrong} || $_->{hung} || $_->{died} } @seen], [], 'each was refused in good order, in time'
		or diag explain \@seen;
	ok back(), 'it goes on';
	ok wait_until(10, sub { connect_user($s, $users[0])->{status} == 200 }), 'with connect';
	%pid = map { $_ => scalar $s->pids($_) } $s->responder_names;    # replaced for their settings
	return;
}

# --- Slow ---

# Reading the gateway's row takes longer than the request may: that must not be blamed on the gateway.
sub slow_statement {
	my $user = user($s);
	is connect_user($s, $user)->{status}, 200, 'a user has an instance';
	$s->set_env(CONNECT_DEADLINE_MS => 1000, DB_TIMEOUT_MS => 5000);
	$s->reload_responders;
	$s->psql(q{ALTER TABLE waha_servers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY slow ON waha_servers USING (current_setting('application_name') <> 'connect'
			OR (SELECT pg_sleep(3)::text) IS NOT NULL)});
	my $answer = connect_user($s, $user);
	$s->psql('DROP POLICY slow ON waha_servers; ALTER TABLE waha_servers NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY');
	is is_clean_problem($answer, 503), '', 'connect: unavailable';
	ok wait_until(10, sub { connect_user($s, $user)->{status} == 200 }), 'and available again';
	%pid = map { $_ => scalar $s->pids($_) } $s->responder_names;
	return;
}

# --- After all ---

sub same_processes {
	my %now = map { $_ => scalar $s->pids($_) } $s->responder_names;
	is_deeply \%now, \%pid, 'the responders are the same processes';
	ok alive($helper), 'the helper too';
	is helper_end($helper), 0, 'which ends in good order';
	unlike $s->log_text('responders.supervise'), qr/killed by signal|exit status/, 'none died';
	return;
}
