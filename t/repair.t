#!/usr/bin/perl
# Repairs: setup, the ladder rung by rung and what a helper that is killed on it leaves, freezes and alarms.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Wapool::Fault qw(connect_user fault_stack faults helper helper_end invariants_hold leases_end link_user
	no_faults one requests_seen scan sim sim_session time_passes user);
use Wapool::Process qw(wait_until);

use constant PATIENCE => 30;

# a QR must last for as long as three looks take; a look comes when it is asked for, and no second one before the helper ends
my $s = fault_stack(qr_scale => 4, env => { POOL_TARGET => 8, POOL_LOW => 2, GATEWAY_START_GRACE => 0, HEALTH_RETRY_MS => 100,
		HEALTH_INTERVAL => 3600, HEALTH_TIMEOUT_MS => 1500, CONNECT_DEADLINE_MS => 8000 });
my $phone = 5511955500000;
is +($s->maintain)[0], 0, 'the pool is filled';

subtest 'setup answers as connect does, and tells the health'     => \&setup;
subtest 'setup: a session that hangs gives way to a fresh one'    => \&setup_stuck;
subtest 'setup: a session that failed is restarted'               => \&setup_failed;
subtest 'ensure: what is well is left alone'          => \&ensure_well;
subtest 'ensure: a restart helps'                     => \&ensure_recovers;
subtest 'ensure: nothing helps, so it is made anew'   => \&ensure_cleans;
subtest 'ensure: its gateway lost it'                 => \&ensure_lost;
subtest 'a rate limit is nobody\'s fault'                         => \&too_many;
subtest 'a session that gives no QR is made anew'                 => \&no_qr;
subtest 'a deleted session that lingers is not handed out'        => \&lingers;
subtest 'a helper is killed at each rung: the next one goes on'   => \&killed;
subtest 'the last look is given its time'                         => \&last_look;
subtest 'missing for three minutes is told'                       => \&missing;
subtest 'most sessions hang at once: frozen, with an alarm'       => \&frozen;
subtest 'ensure: nobody loses one while it is frozen'  => \&ensure_frozen;
subtest 'most sessions are stopped: they are started all the same' => \&all_stopped;
invariants_hold($s, free => 0);
done_testing;

# --- Tools ---

sub setup_user {
	my ($user, %opt) = @_;
	return $s->http(POST => '/api/v1/whatsapp/setup', token => $user->{token}, $opt{body} ? () : (json => {}), %opt);
}

sub my_connection { return $s->http(GET => '/api/whatsapp/my-connection', token => $_[0]{token})->{json} }

# A user with a connected phone.
sub connected {
	my $who = user($s);
	$who->{name} = link_user($s, $who, ++$phone) or BAIL_OUT('nobody could connect');
	$who->{instance} = one($s, $who->{name})->{id};
	return $who;
}

sub column {
	my ($who, $columns) = @_;
	my ($row) = $s->psql("SELECT $columns FROM instances WHERE id = '$who->{instance}'");
	return join ' ', map { $_ // 'NULL' } @$row;
}

sub is_column {
	my ($who, $columns, $want, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $is;
	wait_until(PATIENCE, sub { ($is = column($who, $columns)) eq $want });
	return is $is, $want, $what;
}

sub trail {
	my ($who, $kind) = @_;
	return map { "$_->[0]: $_->[1]" } $s->psql("SELECT concat(from_state, '>', to_state), coalesce(reason, '')
		FROM instance_events WHERE instance_id = '$who->{instance}' AND kind = '$kind' ORDER BY id");
}

# The sessions of these do not come up any more, and are on their way to.
sub hang {
	my (@who) = @_;
	faults($s, map { +{ kind => 'stuck_starting', session => $_->{name} } } @who);
	sim($s, POST => "/api/sessions/$_->{name}/restart") for @who;
	ok wait_until(PATIENCE, sub { !grep { sim_session($s, $_->{name})->{status} ne 'STARTING' } @who }), 'they hang';
	is_column($_, 'status', 'STARTING', "$_->{name}: STARTING") for @who;
	$s->psql("UPDATE instances SET status_since = now() - interval '10 minutes' WHERE id IN ("
		. join(', ', map { "'$_->{instance}'" } @who) . ')');
	return;
}

# One look, and what it sets going.
sub health_once {
	time_passes($s);
	return is +($s->maintain('health'))[0], 0, 'the helper looks, and mends';
}

# --- Setup ---

sub setup {
	my $who = user($s);
	my %request = (body => '{"name":"Loja","instanceName":"user_1_whatsapp"}',
		headers => { 'Idempotency-Key' => 'setup-1', 'Content-Type' => 'application/json' });
	my $first = setup_user($who, %request);
	is $first->{status}, 200, 'further members of the body are tolerated' or diag $first->{body};
	like $first->{json}{qrCode}, qr{\Adata:image/png;base64,}, 'a QR';
	is_deeply $first->{json}{health}, { state => 'disconnected', recovered => JSON::PP::false, cleaned => JSON::PP::false },
		'it waits for a scan, and nothing had to be mended';
	my $again = setup_user($who, %request);
	is $again->{headers}{'idempotency-replayed'}, 'true', 'the same key: the stored answer';
	is_deeply $again->{json}, $first->{json}, 'to the letter';
	is connect_user($s, $who)->{json}{instanceName}, $first->{json}{instanceName}, 'connect finds the same instance';
	ok !exists connect_user($s, $who)->{json}{health}, 'and tells no health';
	ok scan($s, $first->{json}{instanceName}, ++$phone), 'he scans';
	ok wait_until(PATIENCE, sub { my_connection($who)->{connected} }), 'and is connected';
	my $then = setup_user($who)->{json};
	ok $then->{connected}, 'connected already';
	is $then->{health}{state}, 'healthy', 'and healthy';
	is setup_user({ token => 'none' })->{status}, 401, 'nobody else may';
	return;
}

sub setup_stuck {
	my $who = user($s);
	my $name = connect_user($s, $who)->{json}{instanceName};
	$who->{name} = $name;
	$who->{instance} = one($s, $name)->{id};
	hang($who);
	my $answer = setup_user($who);
	is $answer->{status}, 200, 'he is served' or diag $answer->{body};
	isnt $answer->{json}{instanceName}, $name, 'by another one';
	is_deeply $answer->{json}{health}, { state => 'disconnected', recovered => JSON::PP::false, cleaned => JSON::PP::true }, 'which is told';
	no_faults($s);
	is column($who, 'lifecycle'), 'recycling', 'the one that hangs is made anew';
	is +(trail($who, 'transition'))[-1], 'assigned>recycling: swapped: stuck in STARTING', 'the trail tells why';
	is +($s->maintain('recycle'))[0], 0, 'the helper passes by';
	return;
}

sub too_many {
	my $who = user($s);
	my $name = connect_user($s, $who)->{json}{instanceName};
	faults($s, { kind => 'status', status => 429 });
	my $answer = connect_user($s, $who);
	is $answer->{status}, 503, 'he is told to come again' or diag $answer->{body};
	ok $answer->{headers}{'retry-after'}, 'and when';
	no_faults($s);
	is connect_user($s, $who)->{json}{instanceName}, $name, 'he keeps his instance';
	$s->http(POST => '/api/whatsapp/disconnect', token => $who->{token}, json => {});
	is +($s->maintain)[0], 0, 'he leaves, and the pool is filled again';
	return;
}

sub setup_failed {
	my $who = user($s);
	my $name = connect_user($s, $who)->{json}{instanceName};
	is +(sim($s, POST => "/_sim/sessions/$name/drop", {}))[0], 200, 'its network goes';
	ok wait_until(PATIENCE, sub { sim_session($s, $name)->{status} eq 'FAILED' }), 'it failed';
	sim($s, POST => "/_sim/sessions/$name/restore", {});
	my $answer = setup_user($who);
	is $answer->{json}{instanceName}, $name, 'the same one' or diag $answer->{body};
	is_deeply $answer->{json}{health}, { state => 'disconnected', recovered => JSON::PP::true, cleaned => JSON::PP::false }, 'was recovered';
	return;
}

# --- The three in one ---

# What `wapoolctl ensure` tells: its status, and of healthy, cleaned and recovered those that are true.
sub ensure {
	my ($which) = @_;
	my ($status, $output) = $s->ctl('ensure', $which, '--json');
	$output =~ s/^\{"time":.*\n//mg;    # its log
	my $told = eval { JSON::PP->new->utf8->decode($output) } // return "$status $output";
	return join ' ', $status, grep { $told->{$_} } qw(healthy cleaned recovered);
}

sub ensure_well {
	my $who = connected();
	my $restarts = requests_seen($s, POST => '/api/sessions/*/restart');
	is ensure($who->{name}), '0 healthy', 'it is well';
	is requests_seen($s, POST => '/api/sessions/*/restart'), $restarts, 'and was not touched';
	is +($s->ctl('ensure', $who->{name}))[1], "$who->{name} is healthy\n", 'in words';
	my ($status, $output) = $s->ctl(qw(ensure nobody));
	is $status, 1, 'one that is not there';
	return like $output, qr/no such instance/, 'which is told';
}

sub ensure_recovers {
	my $who = connected();
	hang($who);
	no_faults($s);
	is ensure($who->{instance}), '0 healthy recovered', 'it is restarted, by its id as well';
	is column($who, 'lifecycle, status, paired_at IS NOT NULL'), 'assigned WORKING t', 'with its phone, still his';
	return is +(trail($who, 'repair'))[-1], 'restart>recovered: ', 'the trail tells';
}

sub ensure_cleans {
	my $who = connected();
	hang($who);
	$s->set_env(HEALTH_RETRY_MS => 2000, HEALTH_TIMEOUT_MS => 15_000);    # the defaults: recovery takes a minute
	my $restarts = requests_seen($s, POST => '/api/sessions/*/restart');
	is ensure($who->{name}), '0 healthy cleaned', 'a fresh one stands there';
	is requests_seen($s, POST => '/api/sessions/*/restart') - $restarts, 4, 'after three restarts, a logout and a restart';
	is column($who, 'lifecycle, assigned_to_user_id'), 'standby NULL', 'nobody has it';
	is +(trail($who, 'repair'))[-1] =~ s/:.*//r, 'logout>failed', 'the trail tells the last that was tried';
	like +(grep { /assigned>recycling/ } trail($who, 'transition'))[0], qr/recycling: stuck: ./, 'and why it was taken';
	$s->set_env(HEALTH_RETRY_MS => 100, HEALTH_TIMEOUT_MS => 1500);
	no_faults($s);
	return isnt connect_user($s, $who)->{json}{instanceName}, $who->{name}, 'his next click gives him another';
}

sub ensure_lost {
	my $who = connected();
	is +(sim($s, DELETE => "/api/sessions/$who->{name}"))[0], 200, 'the gateway loses it';
	is ensure($who->{name}), '2', 'one look is no verdict: it is still ill';
	is column($who, 'lifecycle'), 'assigned', 'and still his';
	is ensure($who->{name}), '0 healthy cleaned', 'three are: each attempt looks twice';
	return is column($who, 'lifecycle'), 'standby', 'a fresh one stands there';
}

# --- The sweep ---

# It says it shows a QR, and has none.
sub no_qr {
	my $who = user($s);
	$who->{name}     = connect_user($s, $who)->{json}{instanceName};
	$who->{instance} = one($s, $who->{name})->{id};
	is_column($who, 'status', 'SCAN_QR_CODE', 'it waits for a scan');
	faults($s, { kind => 'status', status => 500, path => "/api/$who->{name}/auth" });
	health_once();
	is column($who, q{health || ': ' || health_reason}), 'degraded: It gave no QR code (1 of 3 looks)', 'one bad sample is no verdict';
	health_once() for 1 .. 2;
	is column($who, 'lifecycle'), 'recycling', 'three are';
	no_faults($s);
	is_deeply [grep { /stuck/ } trail($who, 'health')], ['degraded>stuck: It gives no QR code'], 'the trail tells why';
	is +($s->maintain('recycle'))[0], 0, 'the helper passes by';
	return is column($who, 'lifecycle'), 'standby', 'it is made anew';
}

sub lingers {
	my $who = connected();
	faults($s, { kind => 'delete_lingers', session => $who->{name} });
	is $s->http(POST => '/api/whatsapp/disconnect', token => $who->{token}, json => {})->{status}, 200, 'he leaves';
	time_passes($s);
	is +($s->maintain('recycle'))[0], 0, 'the helper deletes his session';
	is column($who, 'lifecycle, last_error'), 'recycling deleted, but it is still there', 'an answer of 200 is not taken for it';
	cmp_ok requests_seen($s, DELETE => '/api/sessions/*'), '>=', 2, 'it was told more than once';
	no_faults($s);
	time_passes($s);
	is +($s->maintain('recycle'))[0], 0, 'again';
	is column($who, 'lifecycle'), 'standby', 'now it is gone';
	return is sim_session($s, $who->{name}), undef, 'also at the gateway';
}

sub missing {
	my $who = connected();
	is +(sim($s, DELETE => "/api/sessions/$who->{name}"))[0], 200, 'the gateway loses it';
	time_passes($s);
	is +($s->maintain('reconcile'))[0], 0, 'a look';
	is column($who, 'missing_since IS NOT NULL'), 't', 'misses it';
	isnt my_connection($who)->{status}, 'MISSING', 'one look is no verdict';
	$s->psql("UPDATE instances SET missing_since = now() - interval '4 minutes' WHERE id = '$who->{instance}'");
	my $told = my_connection($who);
	ok !$told->{connected}, 'not connected';
	is $told->{status}, 'MISSING', 'and why';
	return is connect_user($s, $who)->{status}, 200, 'a click makes it anew';
}

# --- Killed on the ladder ---

# rung => what it calls first
sub killed {
	my %first = (restart => '/api/sessions/*/restart', logout => '/api/sessions/*/logout');
	for my $rung (qw(restart logout)) {
		my $who = connected();
		hang($who);
		$s->set_env(HEALTH_TIMEOUT_MS => 6000);    # for so long it waits, and is killed meanwhile
		$s->psql("UPDATE instances SET mending = true, mend_rung = '$rung', work_next_at = now() WHERE id = '$who->{instance}'");
		my $before = requests_seen($s, POST => $first{$rung});
		my $doomed = helper($s, qw(--for 60 health));
		ok wait_until(PATIENCE, sub { requests_seen($s, POST => $first{$rung}) > $before }), "$rung: under way";
		helper_end($doomed, 'KILL');
		is column($who, 'lifecycle, mending, mend_rung, work_token IS NOT NULL'), "assigned t $rung t", 'killed: rung and lease are left';
		is column($who, 'paired_at IS NULL'), $rung eq 'logout' ? 't' : 'f', 'what a logout ended is on record before it is sent';
		time_passes($s);
		no_faults($s);
		is +($s->maintain('health'))[0], 0, 'another helper passes by';
		is column($who, 'work_token IS NOT NULL, mending'), 't t', 'and leaves it alone';
		leases_end($s);
		time_passes($s);
		is +($s->maintain('health'))[0], 0, 'the lease is over: another comes';
		is column($who, 'mending, work_token, lifecycle'), 'f NULL assigned', 'and finishes it';
		my $told = my_connection($who);
		is $told->{instanceName}, $who->{name}, 'it is still his';
		is !!$told->{connected}, $rung eq 'restart', $rung eq 'restart' ? 'and connected' : 'and waits for a scan';
		$s->set_env(HEALTH_TIMEOUT_MS => 1500);
	}
	return;
}

# Each answer comes after 0.2 s: that of the third look, begun after 1.4 s, when the 1.5 s are over.
sub last_look {
	my $who = connected();
	hang($who);
	faults($s, { kind => 'latency', ms => 4000, session => $who->{name}, path => '/api/sessions/' }, { kind => 'stuck_starting', session => $who->{name} });
	$s->set_env(HEALTH_RETRY_MS => 60_000);    # one attempt
	$s->psql("UPDATE instances SET mending = true, work_next_at = now() WHERE id = '$who->{instance}'");
	is +($s->maintain('health'))[0], 0, 'it is mended in vain';
	is_deeply [trail($who, 'repair')], ['restart>failed: it stays STARTING'], 'for what its gateway says of it';
	no_faults($s);
	$s->set_env(HEALTH_RETRY_MS => 100, HEALTH_TIMEOUT_MS => 6000);
	time_passes($s);
	is +($s->maintain('health'))[0], 0, 'again';
	$s->set_env(HEALTH_TIMEOUT_MS => 1500);
	return is column($who, 'mending, status'), 'f WORKING', 'it works';
}

# --- The server's trouble ---

sub alarms { return join '; ', map { "$_->[0]: $_->[1]" } $s->psql('SELECT kind, reason FROM alarms ORDER BY kind') }

sub frozen {
	my @all = map { +{ instance => $_->[0], name => $_->[1] } }
		$s->psql(q{SELECT id, name FROM instances WHERE lifecycle = 'assigned' AND paired_at IS NOT NULL});
	push @all, connected() while @all < 4;
	my ($n, $text) = (scalar @all, '');
	hang(@all);
	my $restarts = requests_seen($s, POST => '/api/sessions/*/restart');
	my $output;
	for (1 .. 3) {
		time_passes($s);
		(my $status, $output) = $s->maintain('health');
		is $status, 0, 'a look';
		$text .= $output;
	}
	is alarms(), "sessions: $n of $n connected sessions are in trouble", 'an alarm stands';
	is +(() = $text =~ /"event":"alarm"/g), 1, 'and was logged once' or diag $text;
	like $text, qr/"level":"error"[^\n]*"event":"alarm"[^\n]*"change":"raised"/, 'as an error';
	like $text, qr/"event":"alarm"[^\n]*"serverId":"[0-9a-f-]{36}","ownerId":""/, 'and where: at the platform\'s server';
	is requests_seen($s, POST => '/api/sessions/*/restart'), $restarts, 'nothing was restarted';
	is column($_, 'lifecycle, paired_at IS NOT NULL'), 'assigned t', "$_->{name} is still its owner's" for @all;
	no_faults($s);
	for my $one (@all) { sim($s, POST => "/api/sessions/$one->{name}/restart") }
	ok wait_until(PATIENCE, sub { !grep { sim_session($s, $_->{name})->{status} ne 'WORKING' } @all }), 'the gateway mends itself';
	is_column($_, 'status', 'WORKING', "$_->{name}: WORKING") for @all;
	time_passes($s);
	(undef, $output) = $s->maintain('health');
	is alarms(), '', 'no alarm any more';
	return like $output, qr/"event":"alarm"[^\n]*"change":"cleared"/, 'which is logged';
}

sub ensure_frozen {
	my @all = map { +{ instance => $_->[0], name => $_->[1] } }
		$s->psql(q{SELECT id, name FROM instances WHERE lifecycle = 'assigned' AND paired_at IS NOT NULL});
	hang(@all);
	for (1 .. 3) {
		time_passes($s);
		$s->maintain('health');
	}
	like alarms(), qr/\Asessions: /, 'an alarm stands';
	my $logouts = requests_seen($s, POST => '/api/sessions/*/logout');
	like ensure($all[0]{name}), qr/\A1 wapoolctl: [^\n]*may not be now/, 'it is refused';
	is requests_seen($s, POST => '/api/sessions/*/logout'), $logouts, 'nobody was logged out';
	is column($all[0], 'lifecycle, paired_at IS NOT NULL'), 'assigned t', 'it is still its owner\'s';
	no_faults($s);
	for my $one (@all) { sim($s, POST => "/api/sessions/$one->{name}/restart") }
	is_column($_, 'status', 'WORKING', "$_->{name}: WORKING") for @all;
	time_passes($s);
	is +($s->maintain('health'))[0], 0, 'a look';
	return is alarms(), '', 'no alarm any more';
}

sub all_stopped {
	my @all = map { +{ instance => $_->[0], name => $_->[1] } }
		$s->psql(q{SELECT id, name FROM instances WHERE lifecycle = 'assigned' AND paired_at IS NOT NULL});
	cmp_ok scalar @all, '>=', 4, scalar(@all) . ' are connected';
	sim($s, POST => "/api/sessions/$_->{name}/stop") for @all;
	is_column($_, 'status', 'STOPPED', "$_->{name}: STOPPED") for @all;
	for (1 .. 20) {
		last if 0 == grep { sim_session($s, $_->{name})->{status} ne 'WORKING' } @all;
		time_passes($s);
		$s->maintain('health');
	}
	is sim_session($s, $_->{name})->{status}, 'WORKING', "$_->{name} works again" for @all;
	return;
}
