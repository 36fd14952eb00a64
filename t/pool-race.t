#!/usr/bin/perl
# The pool under haste, on two hosts: a hundred users on fifty instances, many clicks of one user, connect
# against disconnect, and three helpers at once. What must hold at any moment is in Wapool::Test's invariants_ok.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use POSIX ();
use Test::More;

use Wapool::Test qw(stack stock sim scan faults burst problem_ok eventually eventually_ok instance_of
	free_instances invariants_ok SEED_EMPTY);

use constant {
	CONNECT    => '/api/whatsapp/connect',
	DISCONNECT => '/api/whatsapp/disconnect',
	ROOM       => 80,    # sessions the gateway may hold
	ROUNDS     => 7,     # of claims and releases under three helpers
};

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(hosts => 2, helper => 0, env => { POOL_TARGET => 50, POOL_LOW => 20, POOL_STEP => 10, WAHA_MAX_SESSIONS => ROOM,
	HEALTH_INTERVAL => 1 });

subtest 'a hundred users on fifty instances'      => \&hundred_on_fifty;
subtest 'the pool refills, as far as there is room' => \&refills;
subtest 'many clicks of one user: one instance'   => \&many_clicks;
subtest 'connect against disconnect'              => \&connect_against_disconnect;
subtest 'disconnected while connecting'           => \&disconnected_meanwhile;
subtest 'three helpers, claims, releases, faults' => \&three_helpers;
subtest 'the trail tells one owner per epoch'     => \&trail;
$s->stop;
done_testing;

# --- Requests ---

sub connects    { return map { +{ method => 'POST', path => CONNECT,    token => $s->token($_) } } @_ }
sub disconnects { return map { +{ method => 'POST', path => DISCONNECT, token => $s->token($_) } } @_ }

sub users { return map { $s->unique_user } 1 .. $_[0] }

sub names { return map { $_->{json}{instanceName} // () } @_ }

sub distinct { my %seen = map { $_ => 1 } @_; return scalar keys %seen }

# {status => how many}
sub statuses {
	my %count;
	$count{ $_->{status} }++ for @_;
	return \%count;
}

# Everything that no user has stands by, empty, and the gateway holds nothing that we do not know of.
sub comes_to_rest {
	my (%lifecycle, @sessions, @astir);
	eventually_ok('everything that nobody has stands by, stopped and empty', sub {
		%lifecycle = map { $_->[0] => $_->[1] } $s->psql('SELECT name, lifecycle FROM instances');
		@sessions  = @{ sim($s, GET => 'sessions') };
		@astir     = grep { my $l = $lifecycle{ $_->{name} } // 'standby';
			$l ne 'assigned' && ($l ne 'standby' || $_->{status} ne 'STOPPED' || $_->{phone} || $_->{linked}) } @sessions;
		return !@astir && !(grep { !$lifecycle{ $_->{name} } } @sessions) && !grep { !/\A(?:standby|assigned)\z/ } values %lifecycle;
	}) or diag map { "$_->{name} $_->{status} " . ($lifecycle{ $_->{name} } // '') . "\n" } @astir;
	is_deeply [map { $_->{name} } grep { !$lifecycle{ $_->{name} } } @sessions], [], 'no session that nobody knows';
	invariants_ok($s, 'at rest');
	return;
}

# --- Claims ---

my @hundred;

sub hundred_on_fifty {
	is stock($s), 50, 'fifty stand by';
	@hundred = users(100);
	my @answers = burst($s, connects(@hundred));
	is_deeply statuses(@answers), { 200 => 50, 503 => 50 }, 'fifty are served, fifty are not';
	my @served = grep { $answers[$_]{status} == 200 } 0 .. 99;
	is distinct(names(@answers[@served])), 50, 'fifty distinct instances';
	is_deeply [map { instance_of($s, $hundred[$_])->{name} } @served[0 .. 9]], [names(@answers[@served[0 .. 9]])],
		'each belongs to whom it was given';
	my @refused = grep { $_->{status} == 503 } @answers;
	problem_ok($_, 503, 'pool-empty', 'refused in the words of the seed', SEED_EMPTY) for @refused[0 .. 2];
	is scalar(grep { ($_->{headers}{'retry-after'} // 0) > 0 } @refused), 50, 'all with Retry-After';
	is $s->psql_value('SELECT count(*) FROM instances WHERE assigned_to_user_id IS NOT NULL'), 50, 'fifty are in use';
	invariants_ok($s, 'after the rush');
	return;
}

sub refills {
	$s->start_maintain;
	eventually_ok('as many are made as the gateway has room for', sub { free_instances($s) == ROOM - 50 });
	is scalar @{ sim($s, GET => 'sessions') }, ROOM, 'and no more';
	invariants_ok($s, 'with a full gateway');
	my @answers = burst($s, connects(@hundred));
	is_deeply statuses(@answers), { 200 => ROOM, 503 => 100 - ROOM }, 'all come again: those who have one find it';
	is distinct(names(grep { $_->{status} == 200 } @answers)), ROOM, 'distinct ones';
	is_deeply statuses(burst($s, disconnects(@hundred))), { 200 => 100 }, 'all disconnect';
	comes_to_rest();
	is free_instances($s), ROOM, 'all are free';
	return;
}

sub many_clicks {
	for my $clicks (2, 10) {
		my $user = $s->unique_user;
		my @answers = burst($s, connects(($user) x $clicks));
		is_deeply statuses(@answers), { 200 => $clicks }, "$clicks clicks at once: all are answered"
			or diag map { "$_->{body}\n" } grep { $_->{status} != 200 } @answers;
		is distinct(names(@answers)), 1, 'with the same instance';
		is $s->psql_value("SELECT count(*) FROM instances WHERE assigned_to_user_id = '$user'"), 1, 'he has that one';
		burst($s, disconnects($user));
	}
	return;
}

sub connect_against_disconnect {
	my $user = $s->unique_user;
	my (%connect, %disconnect);
	for (1 .. 15) {
		my ($c, $d, $c2, $d2) = burst($s, map { (connects($user), disconnects($user)) } 1, 2);
		$connect{ $_->{status} }++    for $c,  $c2;
		$disconnect{ $_->{status} }++ for $d, $d2;
		is distinct(map { $_->[0] } $s->psql("SELECT id FROM instances WHERE assigned_to_user_id = '$user'")) <= 1, 1,
			'never two instances' or last;
	}
	is_deeply \%disconnect, { 200 => 30 }, 'every disconnect succeeds';
	is_deeply [grep { !/\A(?:200|503)\z/ } keys %connect], [], 'a connect shows a QR or says: try again'
		or diag explain \%connect;
	my $answer = $s->http(POST => CONNECT, token => $s->token($user));
	is $answer->{status}, 200, 'in the end: connect' or diag $answer->{body};
	is instance_of($s, $user)->{name}, $answer->{json}{instanceName}, 'gives him what is his';
	is $s->http(POST => DISCONNECT, token => $s->token($user))->{status}, 200, 'and disconnect';
	ok !instance_of($s, $user), 'takes it';
	comes_to_rest();
	return;
}

# A click, and a disconnect from another window as soon as the click has claimed something: the click's answer.
sub click_and_leave {
	my ($user) = @_;
	my $leaver = fork // die "fork: $!";
	if ($leaver == 0) {
		eventually(sub { instance_of($s, $user) });
		burst($s, disconnects($user));
		POSIX::_exit(0);
	}
	my ($answer) = burst($s, connects($user));
	waitpid $leaver, 0;
	return $answer;
}

sub disconnected_meanwhile {
	my ($user) = users(1);
	faults($s, { kind => 'latency', path => '/api/sessions/', ms => 40_000 },    # 2 s each
		{ kind => 'status', status => 422, path => '/api/sessions/' });
	problem_ok(click_and_leave($user), 503, 'unavailable', 'his session breaks meanwhile: try again');
	faults($s);
	ok !instance_of($s, $user), 'he has nothing, as he wished';
	comes_to_rest();

	my $next = $s->psql_value("SELECT name FROM instances WHERE lifecycle = 'standby' ORDER BY lifecycle_at LIMIT 1");
	faults($s, { kind => 'latency', path => "/api/sessions/$next/start", ms => 100_000 });
	problem_ok(click_and_leave($user), 503, 'unavailable', 'his session starts when it is his no more: no QR');
	faults($s);
	ok !instance_of($s, $user), 'he has nothing';
	comes_to_rest();
	return;
}

# --- Helpers ---

# Two on one host, one on the other.
sub start_helpers {
	my ($one, $two) = $s->hosts;
	$one->group('maintain')->stop;
	$one->start_group('helpers', map { +{ %{ $one->maintain_program }, name => "maintain-$_" } } 1, 2);
	$two->start_group('helpers', $two->maintain_program);
	return;
}

# One round: users connect, some pair, some of those log out on the phone, the others disconnect.
sub churn {
	my ($round) = @_;
	my @users   = users(12);
	my @answers = burst($s, connects(@users));
	my @leak    = grep { $_->{json}{connected} } @answers;
	is_deeply [names(@leak)], [], "round $round: nobody is given somebody else's phone";
	is_deeply [grep { !/\A(?:200|502|503|504)\z/ } keys %{ statuses(@answers) }], [], "round $round: served, or told to wait"
		or diag explain [map { $_->{body} } grep { $_->{status} !~ /\A(?:200|502|503|504)\z/ } @answers];
	my @names = names(@answers);
	my $n = 0;
	for my $name (@names) {
		eval { scan($s, $name, sprintf '5521%04d%04d', $round, $n) } if ++$n % 2;
	}
	eval { sim($s, POST => "sessions/$_/logout") } for grep { --$n % 3 == 0 } @names;
	invariants_ok($s, "round $round");
	return \@users;
}

sub three_helpers {
	start_helpers();
	faults($s,
		{ kind => 'status', status => 500, rate => 0.1, path => '/api/sessions/' },
		{ kind => 'lock_timeout', rate => 0.1 }, { kind => 'latency', ms => 2000, rate => 0.3 },
		{ kind => 'webhook_lost', rate => 0.2 }, { kind => 'webhook_double', rate => 0.3 });
	my @everybody;
	for my $round (1 .. ROUNDS) {
		my $users = churn($round);
		burst($s, disconnects(@$users[0 .. 9]));    # two stay
		push @everybody, @$users;
	}
	faults($s);
	is_deeply statuses(burst($s, disconnects(@everybody))), { 200 => scalar @everybody }, 'the faults stop; all disconnect';
	comes_to_rest();
	cmp_ok free_instances($s), '>=', 50, 'the pool is back at its target';
	$_->group('helpers')->stop for $s->hosts;
	return;
}

sub trail {
	is_deeply [$s->psql(<<'SQL')], [], 'each epoch of an instance began once, for one user';
SELECT instance_id, epoch, count(*) FROM instance_events
WHERE kind = 'transition' AND to_state = 'assigned' GROUP BY 1, 2 HAVING count(*) > 1
SQL
	is_deeply [$s->psql(<<'SQL')], [], 'each state follows from the one before';
SELECT * FROM (SELECT instance_id, id, from_state, lag(to_state) OVER (PARTITION BY instance_id ORDER BY id) AS before
	FROM instance_events WHERE kind = 'transition') AS t
WHERE from_state IS DISTINCT FROM before
SQL
	is_deeply [$s->psql(<<'SQL')], [], 'nobody follows a user but by way of recycling';
SELECT * FROM (SELECT instance_id, from_state, to_state FROM instance_events WHERE kind = 'transition') AS t
WHERE from_state = 'assigned' AND to_state <> 'recycling' OR to_state = 'assigned' AND from_state <> 'standby'
SQL
	return;
}
