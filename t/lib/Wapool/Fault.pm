package Wapool::Fault;

# What the tests of faults share: a stack with a fast simulator, users by the dozen, a helper of one's
# own to kill, signed webhooks, and the invariants that must hold once the faults are over.

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA qw(hmac_sha512_hex);
use Exporter qw(import);
use File::Temp ();
use HTTP::Tiny;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Database qw(start_database);
use Wapool::Process qw(alive random_hex slurp wait_until);
use Wapool::Stack;

our @EXPORT_OK = qw(seeded fault_stack sim sim_sessions sim_session requests_seen faults no_faults user connect_user
	scan link_user is_clean_problem crowd crowd_end helper helper_end pool wait_pool time_passes leases_end
	invariants invariants_hold webhook_body webhook_post one lock_row unlock_row
	live post_event clean_answers stored_once);

use constant {
	WEBHOOK_SECRET => 'a webhook secret for tests',
	SCALE          => 20,        # of the simulator's time
	PATIENCE       => 30,        # seconds before a condition counts as never coming
};

my $json = JSON::PP->new->utf8->canonical;

# --- Chance ---

# Seeds rand, says with what, and says it again if the test fails. WAPOOL_SEED repeats a run.
my $seed;

sub seeded {
	$seed = $ENV{WAPOOL_SEED} // unpack 'N', pack 'H8', random_hex(4);
	srand $seed;
	note "WAPOOL_SEED=$seed";
	return $seed;
}

END {
	local $?;
	diag "WAPOOL_SEED=$seed" if defined $seed && !Test::More->builder->is_passing;
}

# --- The stack ---

# PostgreSQL, the simulator, all responders and nginx; the helper only with maintain => 1. env is for all of
# them, scale is the simulator's, qr_scale another for the life of its QRs; hosts => 2: a second set of responders,
# without a helper.
sub fault_stack {
	my (%opt) = @_;
	my $s = Wapool::Stack->new(env => {
			WEBHOOK_SECRET => WEBHOOK_SECRET, POOL_TARGET => 4, POOL_LOW => 2, POOL_STEP => 4,
			PROVISION_PARALLEL => 4, HEALTH_INTERVAL => 1, WAHA_MAX_SESSIONS => 60, %{ $opt{env} || {} } });
	start_database($s);
	$s->start_sim('--time-scale', $opt{scale} // SCALE, $opt{qr_scale} ? ('--qr-scale', $opt{qr_scale}) : ());
	$s->start_responders(@{ $opt{responders} || [] });
	$s->start_nginx;
	$s->another_host(helper => 0, responders => $opt{responders}) for 2 .. $opt{hosts} // 1;
	if ($opt{maintain}) {
		$s->start_maintain;
		wait_pool($s) or croak 'the pool was never filled';
	}
	return $s;
}

# --- The simulator ---

# A call to a simulated gateway, by default its control API: (status, decoded body).
sub sim {
	my ($s, $method, $path, $body) = @_;
	my $answer = HTTP::Tiny->new(timeout => 10)->request($method, $s->sim_url . $path, {
			headers => { 'Content-Type' => 'application/json', 'X-Api-Key' => $s->sim_key },
			defined $body ? (content => $json->encode($body)) : () });
	return ($answer->{status}, scalar eval { $json->decode($answer->{content}) });
}

# Its sessions by name.
sub sim_sessions {
	my ($s, $at) = @_;
	my ($status, $list) = sim($s, GET => ($at // '') . '/_sim/sessions');
	return unless $status == 200;
	return { map { $_->{name} => $_ } @$list };
}

sub sim_session { return sim_sessions($_[0], $_[2])->{ $_[1] } }

# How many requests of that method and route ("/api/sessions/*") it has answered, or taken.
sub requests_seen {
	my ($s, $method, $route, $at) = @_;
	my (undef, $stats) = sim($s, GET => ($at // '') . '/_sim/stats');
	my $n = 0;
	for my $line (@{ $stats->{requests} || [] }) {
		$n += $line->{count} if $line->{method} eq $method && $line->{route} eq $route;
	}
	return $n;
}

# Replaces the list of faults.
sub faults {
	my ($s, @faults) = @_;
	my ($status, $body) = sim($s, PUT => '/_sim/faults', { faults => \@faults });
	croak "faults: $status " . ($body->{error} // '') if $status != 200;
	return;
}

sub no_faults { return faults($_[0]) }

# --- Users ---

sub user {
	my ($s) = @_;
	my $id = $s->unique_user;
	return { id => $id, token => $s->token($id) };
}

sub connect_user {
	my ($s, $user, %opt) = @_;
	return $s->http(POST => '/api/whatsapp/connect', token => $user->{token}, json => {}, %opt);
}

# His phone scans what that session shows. True if it did.
sub scan {
	my ($s, $name, $phone, $at) = @_;
	my ($status) = sim($s, POST => ($at // '') . "/_sim/sessions/$name/scan", { phone => "$phone", pushName => 'Ana' });
	return $status == 200;
}

# A user whose phone is connected, as my-connection tells: his instance's name, or nothing.
sub link_user {
	my ($s, $user, $phone, $at) = @_;
	my $answer = connect_user($s, $user);
	my $name = $answer->{json}{instanceName};
	unless ($answer->{status} == 200 && $name && scan($s, $name, $phone, $at)) {
		diag "connect: $answer->{status} " . substr $answer->{body}, 0, 200;
		return;
	}
	my $connected = wait_until(PATIENCE, sub {
		$s->http(GET => '/api/whatsapp/my-connection', token => $user->{token})->{json}{connected} });
	return $connected ? $name : ();
}

# What is wrong with an answer that should be one of these problems, in words; '' if nothing is.
sub is_clean_problem {
	my ($answer, @statuses) = @_;
	my ($status, $type, $body) = ($answer->{status}, $answer->{headers}{'content-type'} // 'none', $answer->{json});
	return "status $status: $answer->{body}" unless grep { $_ == $status } @statuses;
	return "status $status, but type $type" unless $type =~ m{\Aapplication/problem\+json\b};
	return "status $status, but no JSON object" unless ref $body eq 'HASH';
	my @missing = grep { !length($body->{$_} // '') } qw(type title status detail error message requestId);
	return "status $status without @missing" if @missing;
	return "status $status, body says $body->{status}" if $body->{status} != $status;
	return "status $status without Retry-After" if $status =~ /\A50[34]\z/ && !$answer->{headers}{'retry-after'};
	return '';
}

# --- Crowds: children that do something again and again ---

# n children, each doing $do->($i, $say) until the time is over, and once at least, however slow the machine;
# what they say (a hash) crowd_end returns.
sub crowd {
	my ($n, $seconds, $do) = @_;
	my $crowd = { file => File::Temp->new, pids => [], until => time + $seconds };
	for my $i (1 .. $n) {
		my $random = int rand 2**31;
		my $pid = fork // croak "fork: $!";
		if ($pid) {
			push @{ $crowd->{pids} }, $pid;
			next;
		}
		$SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);    ## no critic
		srand $random;
		open my $out, '>>', $crowd->{file}->filename or POSIX::_exit(1);
		my $say = sub { syswrite $out, $json->encode({ child => $i, @_ }) . "\n" };
		my $ok = eval {
			do { $do->($i, $say) } while (time < $crowd->{until});
			1;
		};
		$say->(died => "$@") unless $ok;
		POSIX::_exit(0);
	}
	return $crowd;
}

# Waits for them (for a while) and returns what they said. One that hangs has "hung" said of it.
sub crowd_end {
	my ($crowd, $patience) = @_;
	my $end = $crowd->{until} + ($patience // PATIENCE);
	my @hung;
	for my $pid (@{ $crowd->{pids} }) {
		next if wait_until($end - time > 0 ? $end - time : 0, sub { !alive($pid) });
		kill 'KILL', $pid;
		waitpid $pid, 0;
		push @hung, { hung => $pid };
	}
	$crowd->{pids} = [];
	return (@hung, map { $json->decode($_) } split /\n/, slurp($crowd->{file}->filename));
}

# --- What crowds do ---

# One round of one user: connect, perhaps scan, look, perhaps disconnect. Says what he saw, and what is wrong
# with it: anything but 200 or a clean problem of those statuses.
sub live {
	my ($s, $user, $phone, $say, @refusals) = @_;
	my $seen = sub {
		my ($what, $answer) = @_;
		my $wrong = $answer->{status} == 200 ? ref $answer->{json} eq 'HASH' ? '' : 'no JSON'
			: is_clean_problem($answer, @refusals);
		$say->(what => $what, status => $answer->{status}, $wrong ? (wrong => $wrong) : ());
		return $answer->{status} == 200 && $answer->{json};
	};
	my $got = $seen->(connect => connect_user($s, $user));
	if ($got && $got->{qrCode} && rand() < 0.6) {
		scan($s, $got->{instanceName}, $phone);
		sleep 0.1 + rand 0.2;
	}
	$seen->(look => $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token}));
	$seen->(disconnect => $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {}))
		if rand() < 0.6;
	sleep rand($got ? 0.1 : 0.4);
	return;
}

# An event from outside, posted until it is answered 2xx: its id is said then.
sub post_event {
	my ($s, $say, @refusals) = @_;
	my $id = 'evt_' . random_hex(12);
	my $body = webhook_body(id => $id, event => 'message', session => 'nobody', payload => { body => 'oi' });
	for (1 .. 100) {
		my $answer = webhook_post($s, $body);
		if ($answer->{status} == 200) {
			$say->(event => $id);
			return;
		}
		my $wrong = is_clean_problem($answer, @refusals);
		$say->(what => 'webhook', status => $answer->{status}, $wrong ? (wrong => $wrong) : ());
		sleep 0.05;
	}
	return;
}

# What crowds of live and post_event saw is in good order, and enough of it.
sub clean_answers {
	my (@seen) = @_;
	my @wrong = map { $_->{wrong} // $_->{died} // ($_->{hung} ? 'a client hangs' : ()) } @seen;
	is scalar @wrong, 0, 'a request is answered, or refused in good order' or diag map { "$_\n" } @wrong[0 .. ($#wrong < 9 ? $#wrong : 9)];
	my %count;
	$count{"$_->{what} $_->{status}"}++ for grep { $_->{what} } @seen;
	note map { "$_: $count{$_}\n" } sort keys %count;
	cmp_ok $count{'connect 200'} // 0, '>=', 20, 'the load was one';
	return;
}

# --- A helper of one's own ---

my @helpers;

# Starts wapool-maintain with those arguments; its pid. It logs to the stack's helper.log.
sub helper {
	my ($s, @args) = @_;
	my $program = $s->program("$s->{build}/wapool-maintain", args => \@args);
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw(TERM INT HUP PIPE);    ## no critic
		open my $null, '<',  '/dev/null'                or POSIX::_exit(127);
		open my $log,  '>>', "$s->{var}/log/helper.log" or POSIX::_exit(127);
		POSIX::dup2(fileno $null, 0);
		POSIX::dup2(fileno $log, $_) for 1, 2;
		%ENV = %{ $program->{env} };    ## no critic
		my @as = Wapool::Process::as_user($program->{user});
		pop @as;    # its "--"
		@as = '/usr/bin/setpriv' unless @as;
		my @argv = (@as, '--pdeathsig=KILL', '--', @{ $program->{argv} });    # should we be killed, it goes too
		no warnings 'exec';
		chdir $program->{dir} and exec { $argv[0] } @argv;
		POSIX::_exit(127);
	}
	push @helpers, $pid;
	return $pid;
}

# Ends it with a signal (default TERM) and waits: its wait status, undef if it did not end in time (then it is
# killed).
sub helper_end {
	my ($pid, $signal, $patience) = @_;
	@helpers = grep { $_ != $pid } @helpers;
	kill $signal // 'TERM', $pid;
	my $status;
	my $ended = wait_until($patience // PATIENCE, sub { waitpid($pid, POSIX::WNOHANG()) == $pid && do { $status = $?; 1 } });
	return $status if $ended;
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return;
}

END {
	local $?;
	helper_end($_, 'KILL', 5) for @helpers;
}

# --- The pool ---

# How many instances are in each part of their life.
sub pool {
	my ($s) = @_;
	my %n = map { $_ => 0 } qw(provisioning standby assigned recycling retired);
	$n{ $_->[0] } = $_->[1] for $s->psql('SELECT lifecycle, count(*) FROM instances GROUP BY 1');
	return \%n;
}

# Waits until nothing is being made or emptied and at least so many (POOL_TARGET) are free.
sub wait_pool {
	my ($s, $free, $patience) = @_;
	$free //= $s->{env}{POOL_TARGET};
	return wait_until($patience // PATIENCE, sub {
		my $n = eval { pool($s) } || return;
		$n->{provisioning} + $n->{recycling} == 0 && $n->{standby} >= $free });
}

# As if some minutes had passed for pauses between attempts: what waits is due now. Leases stay.
sub time_passes {
	my ($s) = @_;
	# locked in the order of their ids, as whoever locks several does
	$s->psql(q{WITH s AS MATERIALIZED (SELECT id FROM waha_servers WHERE check_next_at > now() ORDER BY id FOR NO KEY UPDATE)
			UPDATE waha_servers w SET check_next_at = now() FROM s WHERE s.id = w.id;
		UPDATE instances SET work_next_at = now() WHERE work_next_at > now()});
	return;
}

# As if 90 seconds had passed for those whose holder is dead: only while no helper is at work, or for what
# nobody has touched for so many seconds.
sub leases_end {
	my ($s, $untouched) = @_;
	$untouched //= 0;
	$s->psql("UPDATE instances SET work_lease_until = now() - interval '1 second'
			WHERE work_lease_until > now() AND updated_at <= now() - interval '$untouched seconds';
		UPDATE waha_servers SET check_lease_until = now() - interval '1 second'
			WHERE check_lease_until > now() AND check_lease_until <= now() + interval '90 seconds' - interval '$untouched seconds'");
	return;
}

# One instance as a hash, by a name that it has or once had.
sub one {
	my ($s, $name) = @_;
	my @columns = qw(id name lifecycle epoch generation status work_token work_attempts last_error paired_at
		phone_number missing_since assigned_to_user_id);
	my ($row) = $s->psql('SELECT ' . join(', ', @columns) . " FROM instances WHERE id = (SELECT id FROM instances WHERE name = '$name'"
		. " UNION SELECT instance_id FROM instance_events WHERE kind = 'renamed' AND from_state = '$name' LIMIT 1)");
	return { map { $columns[$_] => $row->[$_] } 0 .. $#columns };
}

# Holds an instance's row locked until unlock_row.
sub lock_row {
	my ($s, $name) = @_;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);    ## no critic
		eval { $s->psql("SET application_name = 'lock_row'; BEGIN;"
			. " SELECT FROM instances WHERE name = '$name' FOR UPDATE; SELECT pg_sleep(60)") };
		POSIX::_exit(0);
	}
	wait_until(PATIENCE, sub { $s->psql_value(
		q{SELECT 1 FROM pg_stat_activity WHERE application_name = 'lock_row' AND wait_event = 'PgSleep'}) })
		or croak "$name could not be locked";
	return $pid;
}

sub unlock_row {
	my ($s, $pid) = @_;
	$s->psql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lock_row'});
	waitpid $pid, 0;
	return;
}

# --- Webhooks ---

# The body of one WAHA event. Give at least event and session.
sub webhook_body {
	my (%part) = @_;
	return $json->encode({
		id => 'evt_' . random_hex(12), timestamp => int(time * 1000), engine => 'NOWEB', me => undef,
		payload => {}, environment => { version => '2026.2.1' }, %part });
}

# Posts a body as the platform's gateway would: signed. secret => another key.
sub webhook_post {
	my ($s, $body, %opt) = @_;
	return $s->http(POST => $opt{path} // '/webhook', body => $body, timeout => $opt{timeout} // 30, headers => {
			'Content-Type' => 'application/json', 'X-Webhook-Hmac-Algorithm' => 'sha512',
			'X-Webhook-Hmac' => hmac_sha512_hex($body, $opt{secret} // WEBHOOK_SECRET) });
}

# The events of post_event that were answered 2xx, and those of the gateway, are stored once each.
sub stored_once {
	my ($s, @ids) = @_;
	my %stored = map { $_->[0] => $_->[1] } $s->psql(
		q{SELECT event_id, count(*) FROM webhook_events WHERE session = 'nobody' GROUP BY 1});
	cmp_ok scalar @ids, '>', 20, scalar(@ids) . ' events were answered 2xx';
	is_deeply [grep { ($stored{$_} // 0) != 1 } @ids], [], 'each is stored exactly once';
	my (undef, $stats) = sim($s, GET => '/_sim/stats');
	my $from_gateway = $s->psql_value(q{SELECT count(*) FROM webhook_events WHERE session <> 'nobody'});
	cmp_ok $from_gateway, '>=', $stats->{webhooks}{sent}, "so are the gateway's $stats->{webhooks}{sent}";
	return;
}

# --- Invariants ---

# Each query finds what must not be.
my @FORBIDDEN = (
	['one owner per instance, one instance per device', q{
		SELECT device_id, count(*) FROM instances WHERE device_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1}],
	['assigned means owned, and nothing else does', q{
		SELECT name, lifecycle FROM instances
		WHERE (lifecycle = 'assigned') <> (assigned_to_user_id IS NOT NULL AND device_id IS NOT NULL)}],
	['the device is its owner\'s', q{
		SELECT i.name FROM instances i JOIN devices d ON d.id = i.device_id WHERE d.user_id <> i.assigned_to_user_id}],
	['sessions_ativas is true', q{
		SELECT s.nome, s.sessions_ativas, count(i.id) FROM waha_servers s
		LEFT JOIN instances i ON i.server_id = s.id AND i.lifecycle <> 'retired'
		GROUP BY s.id HAVING s.sessions_ativas <> count(i.id)}],
	['and not above max_sessions', 'SELECT nome FROM waha_servers WHERE sessions_ativas > max_sessions'],
	['each epoch begins once', q{
		SELECT instance_id, epoch, count(*) FROM instance_events WHERE to_state = 'assigned'
		GROUP BY 1, 2 HAVING count(*) <> 1}],
	['no epoch is missing from the trail', q{
		SELECT i.name, i.epoch, count(e.id) FROM instances i
		LEFT JOIN instance_events e ON e.instance_id = i.id AND e.to_state = 'assigned'
		GROUP BY i.id HAVING count(e.id) <> i.epoch}],
	['who is assigned was emptied before', q{
		SELECT * FROM (SELECT instance_id, from_state, to_state,
			lag(to_state) OVER (PARTITION BY instance_id ORDER BY id) AS before FROM instance_events
			WHERE kind = 'transition') t
		WHERE from_state IS DISTINCT FROM before AND before IS NOT NULL}],
	['webhooks are stored once', q{
		SELECT event, event_id, count(*) FROM webhook_events WHERE event_id IS NOT NULL
		GROUP BY server_id, 1, 2 HAVING count(*) > 1}],
);

# What stands by must be stopped and nobody's at the gateway. Given `at`, only that gateway's.
sub standby_wrongs {
	my ($s, %opt) = @_;
	my $sessions = sim_sessions($s, $opt{at}) or return 'the simulator does not answer';
	my @wrong;
	my $where = $opt{at} ? "AND w.api_url LIKE '%$opt{at}'" : '';
	for my $row ($s->psql("SELECT i.name FROM instances i JOIN waha_servers w ON w.id = i.server_id
			WHERE i.lifecycle = 'standby' $where")) {
		my $session = $sessions->{ $row->[0] };
		push @wrong, !$session ? "$row->[0] stands by, but has no session"
			: $session->{status} ne 'STOPPED' ? "$row->[0] stands by, but is $session->{status}"
			: $session->{phone} || $session->{linked} ? "$row->[0] stands by with somebody's phone" : ();
	}
	return @wrong;
}

# Everything that is wrong, in words. owner_of => {phone => user id}: a phone is only in its owner's session.
sub invariants {
	my ($s, %opt) = @_;
	my @wrong = map {
		my ($what, $sql) = @$_;
		map { "not so: $what: " . join ' ', map { $_ // 'NULL' } @$_ } $s->psql($sql);
	} @FORBIDDEN;
	push @wrong, standby_wrongs($s, %opt);
	my $n = pool($s);
	push @wrong, map { "$n->{$_} stuck in $_" } grep { $n->{$_} } qw(provisioning recycling);
	push @wrong, "only $n->{standby} free" if $n->{standby} < ($opt{free} // $s->{env}{POOL_TARGET});
	push @wrong, stranger_wrongs($s, $opt{owner_of}) if $opt{owner_of};
	return @wrong;
}

sub stranger_wrongs {
	my ($s, $owner_of) = @_;
	my %user_of = map { $_->[0] => $_->[1] // '' } $s->psql('SELECT name, assigned_to_user_id FROM instances');
	my @wrong;
	for my $session (values %{ sim_sessions($s) }) {
		my $phone = $session->{phone} // next;
		my $user = $user_of{ $session->{name} } // 'unknown';
		push @wrong, "$session->{name} of $user holds another's phone" if ($owner_of->{$phone} // '') ne $user;
	}
	return @wrong;
}

# Waits until all of that holds; else says what does not.
sub invariants_hold {
	my ($s, %opt) = @_;
	my @wrong;
	wait_until($opt{patience} // PATIENCE, sub { @wrong = invariants($s, %opt); !@wrong });
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok !@wrong, $opt{name} // 'every invariant holds' or diag map { "$_\n" } @wrong[0 .. ($#wrong < 19 ? $#wrong : 19)];
	return !@wrong;
}

1;
