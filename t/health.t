#!/usr/bin/perl
# Trouble on gateways, and that it goes away by itself: each kind is judged, said why, mended or its
# instance given up, step by step and on record; who is well is left alone.
#
# One gateway for each kind of trouble. All break at once; first helpers only look, then they mend.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Wapool::Fault qw(connect_user fault_stack helper helper_end invariants_hold one requests_seen scan sim
	sim_sessions user);
use Wapool::Process qw(wait_until);

use constant PATIENCE => 40;

# a QR must last until all are looked at
my $s = fault_stack(qr_scale => 1, responders => [qw(connect webhook my-connection)], env => {
		WAHA_URL => '', POOL_TARGET => 0, POOL_LOW => 0, HEALTH_INTERVAL => 1, GATEWAY_START_GRACE => 0,
		PROVISION_PARALLEL => 10, DB_POOL => 6, GATEWAY_TIMEOUT_MS => 3000 });

# Who lives on which gateway: connected ones, who is only asked to scan, and how many stand by. "well" is
# the neighbour whom nothing may happen to.
my %GATEWAYS = (
	killed   => { connected => [qw(ill well)] },
	stuck    => { connected => [qw(ill hopeless well)], waiting => ['new'] },
	stopped  => { connected => [qw(ill well)] },
	failed   => { connected => [qw(ill well)] },
	ghost    => { connected => [qw(works stopped well)] },
	gone     => { connected => [qw(ill well)], free => 1 },
	emptied  => { connected => [qw(one two three)], free => 4 },
	restarts => { connected => [qw(one two three)], free => 1 },
	refuses  => { connected => [qw(ill well)] },
	locked   => { connected => [qw(ill well)] },
	silent   => { connected => [qw(ill well)] });
my %person;    # "gateway ill" => { id, token, name of the instance, phone }
my $helper;
my ($began, %wells);

subtest 'everybody is well at first'                             => \&well_at_first;
subtest 'a helper that dies in mid-repair: another one goes on'  => \&killed;
subtest 'all kinds of trouble are judged, with a reason'         => \&judged;
subtest 'while a gateway is starting nothing is mended'          => \&not_calm;
mend_now();
subtest 'listed, but 404'                                        => \&ghost;    # while its first repair waits
subtest 'STOPPED under its owner: restarted'                     => \&stopped;
subtest 'STARTING for too long: restarted'                       => \&stuck;
subtest 'STARTING for too long, and never paired: given up'      => \&stuck_new;
subtest 'silent: seen and restarted without any event'           => \&silent;
subtest 'FAILED after a log-out on the phone: given up'          => \&failed;
subtest 'not listed any more'                                    => \&gone;
subtest 'a gateway that refuses us: no session pays for it'      => \&refuses;
subtest 'a gateway that restarts'                                => \&restarts;
subtest 'all sessions of a gateway are missing: nobody loses his' => \&emptied;
subtest 'lock time-outs: three attempts, then given up'          => \&locked;
subtest 'STARTING whatever is done: given up'                    => \&hopeless;
subtest 'in the end'                                             => \&in_the_end;
done_testing;

# --- Gateways and people ---

sub at { return "/s/$_[0]" }

sub name_of { return $person{ $_[0] }{name} }

# A call of a gateway's own API, with the key.
sub api {
	my ($gateway, $method, $path) = @_;
	my ($status) = sim($s, $method => at($gateway) . "/api/sessions/$path");
	return $status;
}

sub breaks {
	my ($gateway, @faults) = @_;
	my ($status) = sim($s, PUT => at($gateway) . '/_sim/faults', { faults => \@faults });
	return is $status, 200, "$gateway: " . (@faults ? join ' and ', map { $_->{kind} } @faults : 'no fault any more');
}

sub restarts_seen { return requests_seen($s, 'POST', '/api/sessions/*/restart', at($_[0])) }

# Who connects next is served by this one.
sub prefers {
	my ($gateway) = @_;
	$s->psql("UPDATE waha_servers SET prioridade = CASE nome WHEN '$gateway' THEN 10 ELSE 1 END");
	return;
}

sub settles {
	my ($gateway, $role, $phone) = @_;
	my $who = $person{"$gateway $role"} = { %{ user($s) }, phone => $phone };
	my $answer = connect_user($s, $who);
	$who->{name} = $answer->{json}{instanceName} // BAIL_OUT("connect: $answer->{status} $answer->{body}");
	$who->{id} = one($s, $who->{name})->{id};
	return $who;
}

sub populate {
	my $phone = 5511944400000;
	for my $gateway (sort keys %GATEWAYS) {
		my $here = $GATEWAYS{$gateway};
		my $n = @{ $here->{connected} } + @{ $here->{waiting} || [] } + ($here->{free} // 0);
		$s->psql("INSERT INTO waha_servers (rate_limit, nome, api_url, api_key) VALUES
				(0, '$gateway', '" . $s->sim_url . at($gateway) . "', '" . $s->sim_key . "');
			INSERT INTO instances (name, server_id) SELECT '$gateway-' || n, s.id
				FROM waha_servers s, generate_series(1, $n) n WHERE nome = '$gateway'");
	}
	my ($status, $output) = $s->maintain(qw(seal recycle));
	is $status, 0, 'sessions were made on each gateway' or diag $output;
	for my $gateway (sort keys %GATEWAYS) {
		prefers($gateway);
		settles($gateway, $_) for @{ $GATEWAYS{$gateway}{waiting} || [] };
		for my $role (@{ $GATEWAYS{$gateway}{connected} }) {
			my $who = settles($gateway, $role, ++$phone);
			scan($s, $who->{name}, $phone, at($gateway)) or BAIL_OUT("$who->{name} was not scanned");
		}
	}
	return;
}

sub my_connection {
	my ($key) = @_;
	return $s->http(GET => '/api/whatsapp/my-connection', token => $person{$key}{token})->{json} || {};
}

# What he is told, and that it is still his.
sub is_connected {
	my ($key) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $told;
	ok wait_until(PATIENCE, sub { $told = my_connection($key); $told->{connected} }), "$key: connected";
	is $told->{instanceName}, name_of($key), 'with the instance that he had';
	return is $told->{phoneNumber}, "$person{$key}{phone}\@c.us", 'and his phone';
}

sub is_disconnected {
	my ($key) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $told = my_connection($key);
	ok !$told->{connected}, "$key: not connected";
	return is $told->{instanceName}, name_of($key), 'it is still his';
}

# He is told that he has none; the instance is made anew, and he may connect again.
sub has_lost {
	my ($key) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $told = my_connection($key);
	ok !$told->{connected}, "$key: not connected";
	is $told->{instanceName}, undef, 'he has none any more';
	return ok wait_until(PATIENCE, sub {
		$s->psql(qq{UPDATE instances SET work_next_at = now() WHERE lifecycle = 'recycling' AND work_token IS NULL});
		one($s, name_of($key))->{lifecycle} eq 'standby' }), 'it is made anew';
}

# --- The database ---

sub column {
	my ($key, $columns) = @_;
	my ($row) = $s->psql("SELECT $columns FROM instances WHERE id = '$person{$key}{id}'");
	return join ' ', map { $_ // 'NULL' } @$row;
}

sub health { return column($_[0], q{health || ': ' || coalesce(health_reason, '')}) }

sub becomes {
	my ($key, $pattern) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $health;
	wait_until(PATIENCE, sub { $health = health($key); $health =~ $pattern });
	return like $health, $pattern, "$key: $pattern";
}

# What the trail says of it since things broke, of those kinds.
sub trail {
	my ($key, @kinds) = @_;
	my $kinds = join ', ', map { "'$_'" } @kinds ? @kinds : qw(health repair transition);
	return map { join ' ', map { $_ // '' } @$_ } $s->psql(
		"SELECT kind, from_state || '>' || to_state, reason FROM instance_events
		WHERE id > $began AND kind IN ($kinds) AND instance_id = '$person{$key}{id}' ORDER BY id");
}

# These are among what the trail says, in this order.
sub trail_has {
	my ($key, @patterns) = @_;
	my @rows = trail($key);
	my @left = @patterns;
	for my $row (@rows) {
		shift @left if @left && $row =~ $left[0];
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(!@left, "$key: each step is on record, in order") || diag "no $left[0] in\n", map { "$_\n" } @rows;
}

# Waits until the trail's last repair or transition is that.
sub comes_to {
	my ($key, $pattern) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @rows;
	ok wait_until(PATIENCE, sub { @rows = trail($key, qw(repair transition)); grep { $_ =~ $pattern } @rows }),
		"$key: $pattern" or diag map { "$_\n" } @rows, $s->log_text('helper') =~ /^(.*"mend".*)$/mg;
	return;
}

# n looks from now on at every server that is not down.
sub looks {
	my ($n) = @_;
	for (1 .. $n) {
		my $now = $s->psql_value(q{WITH due AS (UPDATE waha_servers SET check_next_at = now() WHERE health <> 'down' RETURNING 1)
			SELECT clock_timestamp() FROM (SELECT count(*) FROM due) d, pg_notify('wapool', '')});
		wait_until(PATIENCE, sub { $s->psql_value(
			"SELECT count(*) FROM waha_servers WHERE health <> 'down' AND checked_at < '$now'") == 0 }) or return;
	}
	return 1;
}

# As if it had been in its status for so long.
sub ages {
	my ($key, $status, $seconds) = @_;
	ok wait_until(PATIENCE, sub { column($key, 'status') eq $status }), "$key is $status";
	$s->psql("UPDATE instances SET status_since = now() - interval '$seconds seconds' WHERE name = '" . name_of($key) . q{'});
	return;
}

# Everything of the well ones that repairs change: whose they are, their sessions, how often those started.
sub state_of_wells {
	my %state;
	for my $key (grep { / well\z| works\z/ } keys %person) {
		my ($gateway) = split / /, $key;
		my $session = sim_sessions($s, at($gateway))->{ name_of($key) };
		$state{$key} = column($key, 'lifecycle, epoch, generation, paired_at, mend_attempts')
			. " $session->{status} $session->{phone} started $session->{generation} times";
	}
	return \%state;
}

# --- Before ---

sub well_at_first {
	populate();
	$helper = helper($s, '--for', 600, 'reconcile');
	for my $gateway (sort keys %GATEWAYS) {
		becomes("$gateway $_", qr/\Ahealthy: Connected\z/) for @{ $GATEWAYS{$gateway}{connected} };
	}
	becomes('stuck new', qr/\Adisconnected: Waits for a scan\z/);
	is_connected('stopped ill');
	is $s->psql_value(q{SELECT count(*) FROM instances WHERE lifecycle = 'standby'
		AND (health, coalesce(health_reason, 'Stands by')) <> ('healthy', 'Stands by')}), 0, 'what stands by is healthy too';
	is $s->psql_value('SELECT count(*) FROM instances WHERE mending'), 0, 'nothing is to be mended';
	is helper_end($helper), 0, 'the helper ends in good order';
	$began = $s->psql_value('SELECT max(id) FROM instance_events');
	%wells = %{ state_of_wells() };
	return;
}

# --- A helper is killed ---

sub killed {
	my $key = 'killed ill';
	breaks('killed', { kind => 'stuck_starting', session => name_of($key) });
	is api('killed', POST => name_of($key) . '/stop'), 201, 'its session stops';
	my $doomed = helper($s, '--for', 600);
	ok wait_until(PATIENCE, sub { restarts_seen('killed') }), 'a helper restarts it';
	helper_end($doomed, 'KILL');
	my $left = column($key, 'lifecycle, mending, mend_attempts, work_token, work_lease_until > now()');
	like $left, qr/\Aassigned t 1 [0-9a-f-]{36} t\z/, 'and dies: the lease is left';
	is_disconnected($key);

	$s->psql('UPDATE waha_servers SET check_lease_until = NULL');    # looks that died with it
	breaks('killed');
	$helper = helper($s, '--for', 600);
	ok looks(2), 'another one is at work';
	is column($key, 'lifecycle, mending, mend_attempts, work_token, work_lease_until > now()'), $left,
		'but leaves it alone as long as the lease lasts';
	is restarts_seen('killed'), 1, 'it was not restarted again';
	$s->psql("UPDATE instances SET work_lease_until = now() - interval '1 second' WHERE name = '" . name_of($key) . q{'});
	comes_to($key, qr/\Arepair restart>recovered/);
	is_connected($key);
	becomes($key, qr/\Ahealthy: Connected\z/);
	is_deeply [trail($key, qw(repair transition))], ['repair restart>recovered '], 'it was mended once, and stayed his';
	is column($key, 'mending, mend_attempts, work_token'), 'f 0 NULL', 'nothing is left of it';
	is helper_end($helper), 0, 'the helper ends in good order';
	is_deeply state_of_wells(), \%wells, 'the neighbours have not noticed';
	return;
}

# --- Looking ---

# Everything breaks. What a gateway that has just started says proves nothing yet: helpers judge only.
sub judged {
	$s->set_env(GATEWAY_START_GRACE => 3600);
	breaks('stuck', map { +{ kind => 'stuck_starting', session => name_of("stuck $_") } } qw(ill hopeless new));
	breaks('silent', { kind => 'silent', session => name_of('silent ill') });
	breaks('ghost', map { +{ kind => 'ghost', session => name_of("ghost $_") } } qw(works stopped));
	is api('stuck', POST => name_of("stuck $_") . '/restart'), 201, "stuck $_ starts and does not come up" for qw(ill hopeless new);
	is api($_, POST => name_of("$_ ill") . '/stop'), 201, "$_ ill is stopped" for qw(stopped silent refuses locked);
	is api('ghost', POST => name_of('ghost stopped') . '/stop'), 201, 'ghost stopped is stopped';
	breaks('locked', { kind => 'lock_timeout', session => name_of('locked ill') });
	is +(sim($s, POST => at('failed') . '/_sim/sessions/' . name_of('failed ill') . '/logout', {}))[0], 200,
		'failed ill logs out on his phone';
	my $free = $s->psql_value(q{SELECT name FROM instances WHERE name LIKE 'gone-%' AND lifecycle = 'standby'});
	$person{'gone free'} = { name => $free, id => one($s, $free)->{id} };
	is api('gone', DELETE => name_of("gone $_")), 200, "gone $_ is deleted" for qw(ill free);
	$s->psql("UPDATE waha_servers SET api_url = replace(api_url, '/emptied', '/void') WHERE nome = 'emptied'");

	$helper = helper($s, '--for', 600, 'reconcile');
	ok looks(2), 'helpers look';
	becomes("stuck $_", qr/\Adegraded: Reconnecting for \d+ s\z/) for qw(ill hopeless);
	becomes('stuck new', qr/\Adisconnected: Starting\z/);
	ages("stuck $_", STARTING => 130) for qw(ill hopeless);
	ages('stuck new', STARTING => 40);
	becomes("stuck $_", qr/\Astuck: Stuck in connecting state for 1[3-9]\d s\z/) for qw(ill hopeless);
	becomes('stuck new', qr/\Astuck: Stuck in connecting state for [4-9]\d s\z/);
	becomes($_, qr/\Adegraded: Stopped though a phone was connected\z/)
		for 'ghost stopped', map { "$_ ill" } qw(stopped silent refuses locked);
	becomes('failed ill', qr/\Adegraded: Failed after it had been connected\z/);
	becomes($_, qr/\Acorrupted: The gateway lost a session that was connected\z/)
		for 'gone ill', map { "emptied $_" } qw(one two three);
	becomes('gone free', qr/\Anot_found: The gateway has no such session\z/);
	is $s->psql_value(q{SELECT health_reason FROM waha_servers WHERE nome = 'emptied'}), '7 of 7 sessions are missing',
		'of the emptied gateway all are missing';
	is health($_), 'healthy: Connected', "$_: healthy" for 'ghost works', grep { / well\z/ } keys %person;
	return;
}

sub not_calm {
	ok looks(2), 'all are looked at twice more';
	is $s->psql_value('SELECT count(*) FROM instances WHERE mending'), 0, 'nothing is to be mended';
	is_deeply [$s->psql("SELECT kind, reason FROM instance_events WHERE id > $began AND kind <> 'health'
		AND instance_id NOT IN (SELECT id FROM instances WHERE name LIKE 'killed%')")], [], 'nobody lost anything';
	is_disconnected($_) for map { "$_ ill" } qw(stuck stopped silent refuses locked failed);
	is my_connection($_)->{instanceName}, name_of($_), "$_: still his" for 'gone ill', 'emptied one', 'stuck new';
	is_deeply state_of_wells(), \%wells, 'the neighbours have not noticed';
	is helper_end($helper), 0, 'the helper ends in good order';
	return;
}

# --- Mending ---

# The pauses of grace are over. The gateway of "refuses" begins to refuse us when a look has just asked for
# a repair; its session and the hopeless one have two failed attempts behind them.
sub mend_now {
	breaks('stuck', map { +{ kind => 'stuck_starting', session => name_of("stuck $_") } } qw(hopeless new));
	breaks('refuses', { kind => 'unauthorized' });
	$s->psql("UPDATE instances SET mending = true, mend_attempts = 2 WHERE name = '" . name_of('refuses ill') . "';
		UPDATE instances SET mending = true, mend_attempts = 2 WHERE name = '" . name_of('stuck hopeless') . q{'});
	$s->set_env(GATEWAY_START_GRACE => 0);
	$helper = helper($s, '--for', 600);
	return;
}

# One restart mends it.
sub recovers {
	my ($key, @health) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	comes_to($key, qr/\Arepair restart>recovered/);
	is_connected($key);
	becomes($key, qr/\Ahealthy: Connected\z/);
	trail_has($key, @health, qr/\Arepair restart>recovered/, qr/\Ahealth \w+>healthy Connected/);
	is_deeply [trail($key, qw(repair transition))], ['repair restart>recovered '], 'mended at once, and it stayed his';
	return is column($key, 'mending, mend_attempts, bad_samples, epoch'), 'f 0 0 1', 'nothing is left of it';
}

sub stopped {
	recovers('stopped ill', qr/\Ahealth healthy>degraded Stopped/);
	is restarts_seen('stopped'), 1, 'one restart';
	return;
}

sub stuck {
	recovers('stuck ill', qr/\Ahealth healthy>degraded /, qr/\Ahealth degraded>stuck Stuck in connecting state for 1\d\d s/);
	return;
}

sub stuck_new {
	comes_to('stuck new', qr/\Atransition assigned>recycling stuck: Stuck in connecting state for \d+ s/);
	has_lost('stuck new');
	trail_has('stuck new', qr/\Ahealth disconnected>stuck Stuck/, qr/\Atransition assigned>recycling/, qr/\Atransition recycling>standby ready/);
	is_deeply [trail('stuck new', 'repair')], [], 'nothing was tried: nobody loses a phone by it';
	return;
}

sub silent {
	recovers('silent ill', qr/\Ahealth healthy>degraded Stopped/);
	is $s->psql_value("SELECT count(*) FROM webhook_events WHERE session = '" . name_of('silent ill') . "'
			AND received_at > (SELECT at FROM instance_events WHERE id > $began AND kind = 'health'
				AND instance_id = (SELECT id FROM instances WHERE name = '" . name_of('silent ill') . q{') ORDER BY id LIMIT 1)}), 0,
		'no event told of it';
	return;
}

sub failed {
	comes_to('failed ill', qr/\Atransition assigned>recycling logged out on the phone/);
	has_lost('failed ill');
	trail_has('failed ill', qr/\Ahealth healthy>degraded Failed after it had been connected/,
		qr/\Atransition assigned>recycling logged out on the phone/, qr/\Atransition recycling>standby ready/);
	cmp_ok restarts_seen('failed'), '>=', 1, 'a restart showed that the phone is gone';
	is sim_sessions($s, at('failed'))->{ name_of('failed ill') }{phone}, undef, 'nothing of him is left there';
	return;
}

# What works is not touched, whatever else its gateway says. What does not is restarted, and looked for
# until the gateway knows it.
sub ghost {
	ok wait_until(PATIENCE, sub { restarts_seen('ghost') }), 'the stopped one is restarted';
	is_deeply [trail('ghost stopped', qw(repair transition))], [], 'that is not taken for success';
	breaks('ghost', { kind => 'ghost', session => name_of('ghost works') });
	recovers('ghost stopped', qr/\Ahealth healthy>degraded Stopped/);
	is_connected('ghost works');
	is_deeply [trail('ghost works')], [], 'the one that works is left alone';
	breaks('ghost');
	return;
}

sub gone {
	comes_to('gone ill', qr/\Atransition assigned>recycling corrupted: The gateway lost a session that was connected/);
	has_lost('gone ill');
	trail_has('gone ill', qr/\Ahealth healthy>degraded The gateway did not list it \(1 of 3 looks\)/,
		qr/\Ahealth degraded>corrupted The gateway lost/, qr/\Atransition assigned>recycling corrupted/,
		qr/\Atransition recycling>standby ready/);
	comes_to('gone free', qr/\Atransition recycling>standby ready/);
	is sim_sessions($s, at('gone'))->{ column("gone $_", 'name') }{status}, 'STOPPED', "gone $_ is there again" for qw(ill free);
	return;
}

sub refuses {
	my $key = 'refuses ill';
	ok wait_until(PATIENCE, sub { $s->psql_value(q{SELECT health FROM waha_servers WHERE nome = 'refuses'}) eq 'down' }),
		'it is taken for down';
	comes_to($key, qr/\Arepair \w+>failed WAHA answered 401/);
	is_deeply [grep { !/\Arepair \w+>failed WAHA answered 401\z/ } trail($key, qw(repair transition))], [], 'nothing else happened';
	is column($key, 'lifecycle, mending, mend_attempts, work_token'), 'assigned t 2 NULL',
		'its session waits to be mended, and no attempt was counted';
	is_disconnected($key);
	breaks('refuses');
	$s->psql("UPDATE instances SET work_next_at = now() WHERE name = '" . name_of($key) . q{'});
	ok wait_until(PATIENCE, sub {
		$s->psql(q{UPDATE waha_servers SET check_next_at = now() WHERE nome = 'refuses' AND health = 'down'});
		$s->psql_value(q{SELECT health FROM waha_servers WHERE nome = 'refuses'}) eq 'up' }), 'the key is right again';
	comes_to($key, qr/\Arepair restart>recovered/);
	is_connected($key);
	becomes($key, qr/\Ahealthy: Connected\z/);
	is_deeply [trail($key, 'transition')], [], 'it was his all the time';
	return;
}

sub restarts {
	my @who = map { "restarts $_" } qw(one two three);
	my $started = $s->psql_value(q{SELECT started_at FROM waha_servers WHERE nome = 'restarts'});
	is +(sim($s, POST => at('restarts') . '/_sim/restart', { downMs => 20000 }))[0], 200, 'it restarts';
	ok wait_until(PATIENCE, sub {
		$s->psql(q{UPDATE waha_servers SET check_next_at = now() WHERE nome = 'restarts' AND check_next_at > now() + interval '2 seconds'});
		$s->psql_value("SELECT health = 'up' AND started_at <> '$started' FROM waha_servers WHERE nome = 'restarts'") eq 't' }),
		'that is noticed';
	ok looks(2), 'it is looked at twice more';
	for my $key (@who) {
		is_connected($key);
		becomes($key, qr/\Ahealthy: Connected\z/);
		is_deeply [trail($key, qw(repair transition))], [], "$key: nothing was done";
	}
	is restarts_seen('restarts'), 0, 'no session was restarted by us';
	return;
}

# The gateway came up without its data. What stood by is made anew there; what is owned waits for the data.
sub emptied {
	my @who = map { "emptied $_" } qw(one two three);
	ok wait_until(PATIENCE, sub { $s->psql_value(
		q{SELECT count(*) FROM instances JOIN waha_servers s ON s.id = server_id
			WHERE nome = 'emptied' AND lifecycle = 'standby' AND generation > 1}) == 4 }),
		'what stood by is made anew';
	ok looks(4), 'it is looked at four times more';
	is health($_), 'corrupted: The gateway lost a session that was connected', "$_: still missing" for @who;
	is_deeply [trail($_, qw(repair transition))], [], "$_: still his, nothing was done" for @who;
	is my_connection($_)->{instanceName}, name_of($_), "$_: he is told so" for @who;
	$s->psql("UPDATE waha_servers SET api_url = replace(api_url, '/void', '/emptied') WHERE nome = 'emptied'");
	for my $key (@who) {
		becomes($key, qr/\Ahealthy: Connected\z/);
		is_connected($key);
		trail_has($key, qr/\Ahealth healthy>degraded The gateway did not list it/, qr/\Ahealth degraded>corrupted/,
			qr/\Ahealth corrupted>healthy Connected/);
	}
	is_deeply [map { trail($_, qw(repair transition)) } @who], [], 'nobody lost anything';
	is restarts_seen('emptied'), 0, 'nothing was restarted';
	return;
}

sub locked {
	my $key = 'locked ill';
	comes_to($key, qr/\Atransition assigned>recycling could not be mended/);
	is_deeply [trail($key, 'repair')], [('repair restart>failed WAHA answered 500') x 3, 'repair logout>failed WAHA answered 500'],
		'three gentle attempts, then a logout';
	breaks('locked');
	has_lost($key);
	trail_has($key, qr/\Ahealth healthy>degraded Stopped/, (qr/\Arepair restart>failed/) x 3, qr/\Arepair logout>failed/,
		qr/\Atransition assigned>recycling could not be mended/, qr/\Atransition recycling>standby ready/);
	is $s->psql_value(q{SELECT health FROM waha_servers WHERE nome = 'locked'}), 'up', 'its server is not blamed';
	prefers('locked');
	is connect_user($s, $person{$key})->{status}, 200, 'he may connect anew';
	return;
}

sub hopeless {
	my $key = 'stuck hopeless';
	comes_to($key, qr/\Atransition assigned>recycling could not be mended/);
	is_deeply [trail($key, 'repair')], ['repair restart>failed it stays STARTING', 'repair logout>failed it stays STARTING'],
		'the third attempt failed too, and a logout';
	has_lost($key);
	trail_has($key, qr/\Ahealth degraded>stuck Stuck/, qr/\Arepair restart>failed/, qr/\Arepair logout>failed/, qr/\Atransition assigned>recycling/,
		qr/\Atransition recycling>standby ready/);
	return;
}

# --- After ---

sub in_the_end {
	breaks('stuck');
	is_deeply state_of_wells(), \%wells, 'who was well was not touched';
	is_deeply [map { trail($_) } grep { / well\z/ } keys %person], [], 'nothing is on record about them';
	is_connected($_) for grep { / well\z/ } sort keys %person;
	ok wait_until(PATIENCE, sub { $s->psql_value(
		q{SELECT count(*) FROM instances WHERE health NOT IN ('healthy', 'disconnected') OR mending OR work_token IS NOT NULL}) == 0 }),
		'all are well, nothing is in hands';
	is helper_end($helper), 0, 'the helper ends in good order';
	is $s->psql_value("SELECT count(*) FROM instance_events WHERE kind IN ('health', 'repair')
		AND (duration_ms IS NULL OR duration_ms < 0 OR reason IS NULL OR actor <> 'wapool-maintain')"), 0,
		'every row of the trail tells how long, why and who';
	invariants_hold($s, at => at($_), free => 0, name => "$_: every invariant holds") for qw(emptied failed gone locked stuck);
	$s->stop;
	return;
}
