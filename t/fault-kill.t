#!/usr/bin/perl
# kill -9: of responders and of the helper, at random under load and at each step of its work. Whatever
# dies, nothing is lost, nothing is given to two, and the pool comes back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Fault qw(clean_answers connect_user crowd crowd_end fault_stack faults helper helper_end
	invariants_hold leases_end link_user live lock_row no_faults one post_event requests_seen seeded sim
	sim_session stored_once time_passes unlock_row user wait_pool);
use Wapool::Process qw(wait_until);

use constant {
	USERS   => 20,
	SECONDS => 18,
	SLOWLY  => 8000,    # ms of latency before the time scale: a step takes 0.4 s
};

# The helper's calls for one item, each as [what, method, route].
my @MAKE  = (['create', POST => '/api/sessions'], ['look', GET => '/api/sessions/*']);
my @EMPTY = (['logout', POST => '/api/sessions/*/logout'], ['delete', DELETE => '/api/sessions/*'],
	['look that it is gone', GET => '/api/sessions/*'], @MAKE);
my $interrupted = 0;    # items that a dead helper left

seeded();
subtest 'everything is killed at random under load'       => \&random_kills;
subtest 'the helper is killed at each step of its work'   => \&steps;
done_testing;

# --- At random ---

# kill -9 here and there; how often of each. Each gets its turn, in any order. What a dead helper had claimed
# is free after a second, which stands for its 90.
sub kill_at_random {
	my ($s, $until) = @_;
	my (%killed, @orphans, @deck);
	while (time < $until) {
		sleep 0.2 + rand 0.5;
		@deck = shuffle(qw(connect connect disconnect webhook maintain)) unless @deck;
		my $name = shift @deck;
		my $pid = $s->pids($name) or next;
		my @tokens = $name eq 'maintain' ? claims($s) : ();
		$killed{$name}++ if kill 'KILL', $pid;
		push @orphans, [time, @tokens] if @tokens;
		free_claims($s, shift @orphans) while @orphans && $orphans[0][0] < time - 1;
	}
	return \%killed;
}

sub claims {
	my ($s) = @_;
	return map { $_->[0] } $s->psql('SELECT work_token FROM instances WHERE work_token IS NOT NULL');
}

sub free_claims {
	my ($s, $orphans) = @_;
	my (undef, @tokens) = @$orphans;
	$s->psql('UPDATE instances SET work_lease_until = now() WHERE work_token IN (' . join(', ', map { "'$_'" } @tokens) . ')');
	return;
}

sub random_kills {
	my $s = fault_stack(maintain => 1, env => { POOL_TARGET => 20, POOL_LOW => 15, POOL_STEP => 10 });
	my @users = map { user($s) } 1 .. USERS;
	my @phones = map { 5511900000000 + $_ } 1 .. USERS;
	my $crowd = crowd(USERS, SECONDS, sub { live($s, $users[$_[0] - 1], $phones[$_[0] - 1], $_[1], 502, 503, 504) });
	my $events = crowd(2, SECONDS, sub { post_event($s, $_[1], 502, 503, 504) });
	my $killed = kill_at_random($s, time + SECONDS);
	my @seen = (crowd_end($crowd), crowd_end($events));
	ok $killed->{$_}, "$_ was killed " . ($killed->{$_} // 0) . ' times' for qw(connect disconnect webhook maintain);
	clean_answers(@seen);
	recovered($s, { map { $phones[$_] => $users[$_]{id} } 0 .. $#users });
	stored_once($s, grep { defined } map { $_->{event} } @seen);
	is_deeply [grep { connect_user($s, $_)->{status} != 200 } @users], [], 'and every user is served';
	$s->stop;
	return;
}

# The faults are over. What the dead held is free when their leases end.
sub recovered {
	my ($s, $owner_of) = @_;
	$s->group('maintain')->stop;
	leases_end($s);
	time_passes($s);
	$s->start_maintain;
	invariants_hold($s, owner_of => $owner_of, patience => 25);
	return;
}

# --- Step by step ---

sub steps {
	my $s = fault_stack(env => { POOL_TARGET => 2, POOL_LOW => 0, GATEWAY_START_GRACE => 0 });
	is +($s->maintain)[0], 0, 'the pool is filled';
	ok wait_until(30, sub { wait_pool($s, 2, 0) || do { time_passes($s); $s->maintain; 0 } }), 'with two';
	for my $step (0 .. @MAKE) {
		my $name = ordered($s);
		killed_at($s, $name, 'making', $step, @MAKE);
		my $now = one($s, $name)->{name};
		$s->psql("UPDATE instances SET lifecycle = 'retired' WHERE name = '$now'");
		sim($s, DELETE => "/api/sessions/$_") for $name, $now;
	}
	my $phone = 5511911110000;
	for my $step (0 .. @EMPTY) {
		my $user = user($s);
		my $name = linked($s, $user, ++$phone);
		is $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {})->{status}, 200, "$name is released";
		killed_at($s, $name, 'recycling', $step, @EMPTY);
	}
	cmp_ok $interrupted, '>', 0, "$interrupted times it died at its work";
	invariants_hold($s, free => 2);
	$s->stop;
	return;
}

# A new row that waits to be made.
sub ordered {
	my ($s) = @_;
	$s->set_env(POOL_TARGET => 3);
	$s->maintain('refill');
	$s->set_env(POOL_TARGET => 2);
	return $s->psql_value(q{SELECT name FROM instances WHERE lifecycle = 'provisioning'});
}

sub linked {
	my ($s, $user, $phone) = @_;
	my $name = link_user($s, $user, $phone) or die 'nobody could connect';
	return $name;
}

# A helper at work on that item dies when it has made $step of its calls (all of them: while it writes down
# the end). The item stays its until the lease ends; then another finishes it.
sub killed_at {
	my ($s, $name, $doing, $step, @calls) = @_;
	my %before = map { $_->[0] => requests_seen($s, @$_[1, 2]) } @calls;
	my $at = $step < @calls ? "before its $calls[$step][0]" : 'before it says so';
	my $last = $step > 0 ? $calls[$step - 1] : undef;
	my $times = grep { "@$_[1, 2]" eq "@$last[1, 2]" } @calls[0 .. $step - 1];
	faults($s, { kind => 'latency', ms => SLOWLY, path => '/api/sessions' }); # the new one has another name
	my $pid = helper($s, qw(--for 60 recycle));
	my $lock;
	ok wait_until(30, sub {
		my $is = one($s, $name);
		return 1 if $is->{lifecycle} eq 'standby';    # it was faster than we could look
		return unless $is->{work_token};
		$lock //= lock_row($s, $name) if $step == @calls;
		return !$last || requests_seen($s, @$last[1, 2]) >= $before{ $last->[0] } + $times;
	}), "$doing: killed $at";
	sleep 0.1 if $lock;    # it waits for the row now
	helper_end($pid, 'KILL');
	unlock_row($s, $lock) if $lock;
	# a statement that it had sent may still end
	wait_until(30, sub { !$s->psql_value(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wapool-maintain'}) });
	no_faults($s);
	sleep 0.5;    # what it asked for may still be done
	taken_over($s, $name, $doing);
	return;
}

sub taken_over {
	my ($s, $name, $doing) = @_;
	my $was = one($s, $name);
	if ($was->{lifecycle} ne 'standby') {
		$interrupted++;
		ok $was->{work_token}, 'its claim stays';
		is +($s->maintain('recycle'))[0], 0, 'another helper passes by';
		is_deeply one($s, $name), $was, 'and leaves it alone';
		leases_end($s);
		time_passes($s);
		is +($s->maintain('recycle'))[0], 0, 'the lease is over: another comes';
		my $is = one($s, $name);
		is $is->{lifecycle}, 'standby', 'and finishes it';
		cmp_ok $is->{generation}, '>', $was->{generation}, 'as a new generation';
	}
	my $session = sim_session($s, one($s, $name)->{name}) || {};
	is_deeply [@$session{qw(status phone)}], ['STOPPED', undef], 'the session is stopped and empty';
	return;
}
