#!/usr/bin/perl
# wapool-maintain: its command line, sealing, refilling, several at once, its end, and pruning.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Fault qw(connect_user fault_stack faults helper helper_end no_faults one pool requests_seen sim
	sim_sessions time_passes user wait_pool webhook_body webhook_post);
use Wapool::Process qw(random_hex run_program slurp spew wait_until);

use constant { PATIENCE => 20, KEY => 'a key written by hand', SECRET => 'a secret written by hand' };

my $s = fault_stack(env => { POOL_TARGET => 6, POOL_LOW => 4, POOL_STEP => 5 }, responders => [qw(connect webhook)]);

subtest 'the command line'                           => \&command_line;
subtest 'settings that are missing or wrong'         => \&settings;
subtest 'several at once do not double the pool'     => \&several;
subtest 'one task alone ends'                        => \&one_task;
subtest 'for some seconds'                           => \&for_seconds;
subtest 'a look writes nothing onto what stands by'  => \&left_alone;
subtest 'a key in clear works at once and is sealed' => \&sealing;
subtest 'altered or moved, a sealed key is refused'  => \&altered;
subtest 'the claim that crosses the line refills'    => \&refilling;
subtest 'SIGTERM: items are finished or released'    => \&terminated;
subtest 'pruning'                                    => \&pruning;
done_testing;

# wapool-maintain with those changes to its environment: (exit status, its lines). env => {…}
sub maintain {
	my ($change, @args) = @_;
	my %env = (%{ $s->environment }, %$change);
	delete @env{ grep { !defined $env{$_} } keys %env };
	my ($status, $output) = run_program(['./wapool-maintain', @args], dir => $s->{build}, as => 'www-data', env => \%env);
	return ($status, split /\n/, $output);
}

# --- Command line, settings ---

sub command_line {
	my ($status, @lines) = maintain({}, '--help');
	is $status, 0, '--help';
	like join("\n", @lines), qr/^usage: wapool-maintain /, 'says how it is used';
	like join("\n", @lines), qr/^\s+$_\s/m, "and names the task $_" for qw(seal refill recycle health reconcile deliver prune);
	($status, @lines) = maintain({}, '--version');
	is $status, 0, '--version';
	like "@lines", qr/^wapool-maintain \d+\.\d+\.\d+$/, 'says which';
	for my $bad (['--for'], ['--for', 0], ['--for', -1], ['--for', '5s'], ['--for', ''], ['--for', 9e9], ['nosuch'], ['--nosuch'],
		['seal', 'nosuch'], ['']) {
		($status, @lines) = maintain({}, @$bad);
		is $status, 100, "bad usage: @$bad";
		like "@lines", qr/usage: wapool-maintain /, 'says how it is used';
	}
	is $s->psql_value('SELECT count(*) FROM waha_servers'), 0, 'and nothing was done';
	return;
}

sub settings {
	my $short = spew("$s->{var}/short.key", "abc\n", 0644);
	for my $case (
		[{ DATABASE_URL    => undef },           qr/DATABASE_URL is not set/],
		[{ DATABASE_URL    => 'postgresql://[' }, qr/DATABASE_URL/],
		[{ SECRET_KEY_FILE => undef },           qr/SECRET_KEY_FILE is not set/],
		[{ SECRET_KEY_FILE => '/nonexistent' },  qr{/nonexistent}],
		[{ SECRET_KEY_FILE => $short },          qr/\Q$short\E|key/],
		[{ POOL_TARGET     => 'many' },          qr/POOL_TARGET=many/],
		[{ POOL_STEP       => 0 },               qr/POOL_STEP=0/],
		[{ WAHA_URL        => 'gateway:3000' },  qr/WAHA_URL/],
		[{ WEBHOOK_SECRET  => 'sesame' },        qr/WEBHOOK_SECRET/],
		[{ LOG_LEVEL       => 'loud' },          qr/LOG_LEVEL/]) {
		my ($change, $like) = @$case;
		my ($name) = %$change;
		my ($status, @lines) = maintain($change, 'prune');
		is $status, 111, "$name " . ($change->{$name} // 'missing') . ': it does not start';
		is scalar @lines, 1, 'and says why in one line' or diag join "\n", @lines;
		like $lines[0], $like, 'which is clear';
		unlike $lines[0], qr/sesame/, 'and tells no secret' if $name eq 'WEBHOOK_SECRET';
	}
	return;
}

# --- Several, one, for a while ---

sub several {
	my @pids = map { helper($s, qw(--for 10)) } 1 .. 6;
	is_deeply [map { helper_end($_, 0) } @pids], [(0) x 6], 'six helpers on an empty database end in good order';
	is_deeply pool($s), { standby => 6, map { $_ => 0 } qw(provisioning assigned recycling retired) }, 'the pool is at its target, not above';
	is scalar keys %{ sim_sessions($s) }, 6, 'so is the gateway';
	is requests_seen($s, POST => '/api/sessions'), 6, 'no session was made twice';
	is $s->psql_value('SELECT count(*) FROM waha_servers'), 1, 'the platform has one server';
	return;
}

# What other tasks would have to do is not waited for.
sub one_task {
	for my $task (qw(seal refill recycle health reconcile deliver prune)) {
		time_passes($s);
		$s->psql(q{INSERT INTO instances (name, server_id) SELECT 'one-task', id FROM waha_servers LIMIT 1}) if $task eq 'reconcile';
		my $pid = helper($s, $task);
		is helper_end($pid, 0, 10), 0, "$task, once";
		is one($s, 'one-task')->{lifecycle}, 'provisioning', 'does no other' if $task eq 'reconcile';
	}
	is +($s->maintain)[0], 0, 'all';
	is one($s, 'one-task')->{lifecycle}, 'standby', 'does the rest';
	return;
}

sub for_seconds {
	my $pid = helper($s, qw(--for 1));
	is helper_end($pid, 0, 10), 0, 'ends by itself';
	$pid = helper($s, qw(--for 600));
	$s->psql(q{INSERT INTO instances (name, server_id) SELECT 'for-seconds', id FROM waha_servers LIMIT 1});
	ok wait_until(10, sub { one($s, 'for-seconds')->{lifecycle} eq 'standby' }), 'does what comes meanwhile, unasked';
	is helper_end($pid, 'INT', 10), 0, 'SIGINT ends it as well';
	return;
}

# A claim passes by a row that somebody is writing: were all of them judged in writing by the first look at a pool that has
# just been filled, it would seem empty meanwhile.
sub left_alone {
	$s->psql(q{INSERT INTO instances (name, server_id) SELECT 'fresh-' || n, id FROM waha_servers, generate_series(1, 3) n});
	is +($s->maintain('recycle'))[0], 0, 'some are made';
	is_deeply [$s->psql(q{SELECT DISTINCT lifecycle, health, health_reason FROM instances WHERE name LIKE 'fresh-%'})],
		[['standby', 'healthy', 'Stands by']], 'they stand by, and are well';
	time_passes($s);
	my (undef, $output) = $s->maintain(qw(health reconcile));
	like $output, qr/"event":"look\.done"[^\n]*"changed":0/, 'a look';
	unlike $output, qr/"event":"look\.judged"/, 'has nothing to write down';
	return;
}

# --- Sealing ---

my $server;    # id of the server written by hand

sub row { return $s->psql_value("SELECT s::text FROM waha_servers s WHERE id = '$_[0]'") }

sub health {
	my ($id) = @_;
	$s->psql("UPDATE waha_servers SET health = 'unknown', failures = 0, checked_at = NULL, check_next_at = now() WHERE id = '$id'");
	$s->maintain('reconcile');
	my ($row) = $s->psql("SELECT health, failures, coalesce(health_reason, '') FROM waha_servers WHERE id = '$id'");
	return @$row;
}

# A webhook signed as the session at that gateway was told to.
sub signed_with {
	my ($secret) = @_;
	return webhook_post($s, webhook_body(event => 'message', session => 'nobody'), path => "/webhook/$server", secret => $secret)->{status};
}

# /s/keyed asks for the simulator's key, so a call that gets through proves that it was sent.
sub sealing {
	my ($url, $key) = ($s->sim_url . '/s/keyed', $s->sim_key);
	($server) = map { $_->[0] } $s->psql("INSERT INTO waha_servers (user_id, nome, api_url, api_key, descricao, webhook_secret, prioridade, max_sessions)
		VALUES (NULL, 'by hand', '$url', '$key', 'a server', '" . SECRET . "', 10, 40) RETURNING id");
	is +(health($server))[0], 'up', 'its key works at once';
	is signed_with(SECRET), 200, 'so does its secret';
	like row($server), qr/\Q$key\E/, 'both in clear';
	is +($s->maintain('seal'))[0], 0, 'the next pass';
	unlike row($server), qr/\Q$key\E|\Q${\SECRET}\E/, 'seals them';
	is_deeply [$s->psql("SELECT api_key, webhook_secret, api_key_sealed ~ '^sealed:v[0-9]+:', webhook_secret_sealed ~ '^sealed:v[0-9]+:'
		FROM waha_servers WHERE id = '$server'")], [[undef, undef, 't', 't']], 'nothing is left in clear';
	is +(health($server))[0], 'up', 'the key still works';
	is signed_with(SECRET), 200, 'so does the secret';
	is signed_with('another secret altogether'), 401, 'and no other';
	my $sealed = row($server);
	$s->maintain('seal');
	is row($server), $sealed, 'another pass changes nothing';
	$s->psql("UPDATE waha_servers SET api_key = '" . KEY . "' WHERE id = '$server'");
	isnt +(health($server))[0], 'up', 'a key written over it counts at once (this one is wrong)';
	$s->maintain('seal');
	unlike row($server), qr/\Q${\KEY}\E/, 'and is sealed in turn';
	$s->psql("UPDATE waha_servers SET api_key = '$key' WHERE id = '$server'");
	$s->maintain('seal');
	is +(health($server))[0], 'up', 'the right one again';
	($key) = map { $_->[0] } $s->psql(q{INSERT INTO waha_servers (nome, api_url) VALUES ('no secret', 'http://127.0.0.1:9') RETURNING id});
	$s->maintain('seal');
	is $s->psql_value("SELECT webhook_secret_sealed IS NOT NULL FROM waha_servers WHERE id = '$key'"), 't', 'who brings no secret gets one';
	$s->psql("DELETE FROM waha_servers WHERE id = '$key'");
	return;
}

sub refused {
	my ($id, $what) = @_;
	my $before = requests_seen($s, GET => '/api/server/status', '/s/keyed');
	my $log = spew("$s->{var}/refused.log", '', 0644);
	$s->psql("UPDATE waha_servers SET health = 'unknown', failures = 0, check_next_at = now() WHERE id = '$id';
		UPDATE waha_servers SET check_next_at = now() + interval '1 hour' WHERE id <> '$id'");    # others have the same gateway
	my ($status, $output) = $s->maintain('reconcile');
	is $status, 0, "$what: the helper goes on";
	my ($line) = grep { /\Q$id\E/ } split /\n/, $output;
	like $line, qr/altered, moved or sealed with another key/, 'it is logged, with the server' or diag $output;
	is requests_seen($s, GET => '/api/server/status', '/s/keyed'), $before, 'and the gateway was not asked';
	isnt $s->psql_value("SELECT failures FROM waha_servers WHERE id = '$id'"), 0, 'the failure counts';
	return;
}

sub altered {
	my $id = $server;
	my $good = $s->psql_value("SELECT api_key_sealed FROM waha_servers WHERE id = '$id'");
	my $bad = $good;
	substr($bad, length($bad) / 2, 1) =~ tr/A-Za-z0-9/B-ZAb-za1-90/;
	isnt $bad, $good, 'one letter is changed';
	$s->psql("UPDATE waha_servers SET api_key_sealed = '$bad' WHERE id = '$id'");
	refused($id, 'altered');
	# who verifies remembers a server for SERVER_CACHE_MS
	ok wait_until(2 * PATIENCE, sub { signed_with(SECRET) >= 400 }), 'its webhooks are not taken on trust';
	$s->psql("UPDATE waha_servers SET api_key_sealed = '$good' WHERE id = '$id'");
	is +(health($id))[0], 'up', 'as it was, it works';
	my ($other) = map { $_->[0] } $s->psql("INSERT INTO waha_servers (nome, api_url, api_key_sealed, prioridade)
		VALUES ('thief', '" . $s->sim_url . "/s/keyed/', '$good', 0) RETURNING id");
	refused($other, 'moved to another row');
	$s->psql("UPDATE waha_servers SET webhook_secret_sealed = api_key_sealed WHERE id = '$id'");
	refused($id, 'moved to another column');
	$s->psql("UPDATE waha_servers SET webhook_secret = '" . SECRET . "' WHERE id = '$id'; UPDATE waha_servers SET ativo = false WHERE id = '$other'");
	$s->maintain('seal');
	is +(health($id))[0], 'up', 'written again by hand, it works';
	return;
}

# --- Refilling ---

sub refilling {
	my $pid = helper($s, qw(--for 600));
	ok wait_pool($s), 'the pool is full';
	my $made = $s->psql_value('SELECT count(*) FROM instances');
	my ($free, @users) = (pool($s)->{standby});
	while ($free > 4) {
		push @users, user($s);
		is connect_user($s, $users[-1])->{status}, 200, "with $free free: a claim";
		$free--;
	}
	sleep 1.5;
	is $s->psql_value('SELECT count(*) FROM instances'), $made, 'at the line nothing is made';
	is connect_user($s, user($s))->{status}, 200, 'one more';
	ok wait_until(10, sub { pool($s)->{standby} >= 6 }), 'and the pool is filled, at once';
	cmp_ok $s->psql_value('SELECT count(*) FROM instances'), '>=', $made + 5, 'by a step';
	is helper_end($pid), 0, 'the helper ends';
	return;
}

# --- Its end ---

sub terminated {
	for my $fault ({ kind => 'latency', ms => 40_000 }, { kind => 'hang' }) {
		$s->set_env(GATEWAY_TIMEOUT_MS => 5000);    # a call lasts for 2 s, or 5: time to see it at work
		$s->psql(q{INSERT INTO instances (name, server_id) SELECT 'term-' || gen_random_uuid(), id FROM waha_servers WHERE ativo ORDER BY created_at LIMIT 1})
			for 1 .. 6;
		faults($s, $fault);
		my $pid = helper($s, qw(--for 600 recycle));
		ok wait_until(10, sub { $s->psql_value('SELECT count(*) FROM instances WHERE work_token IS NOT NULL') >= 3 }), "$fault->{kind}: at work";
		is helper_end($pid, 'TERM'), 0, 'SIGTERM ends it in good order';
		is $s->psql_value('SELECT count(*) FROM instances WHERE work_token IS NOT NULL'), 0, 'it keeps no claim';
		no_faults($s);
		ok wait_until(PATIENCE, sub { time_passes($s); $s->maintain; pool($s)->{provisioning} == 0 }), 'another does the rest';
	}
	return;
}

# --- Pruning ---

sub pruning {
	$s->set_env(MESSAGE_RETENTION => 24, EVENT_RETENTION => 30, IDEMPOTENCY_TTL => 24);
	my $id = user($s)->{id};
	$s->psql(qq{DELETE FROM webhook_events; DELETE FROM instance_events;
		INSERT INTO users (id) VALUES ('$id');
		INSERT INTO webhook_events (server_id, dedupe, event, outcome, payload, received_at)
		SELECT s.id, e || '|' || age, e, 'kept', '{"a":1}', now() - age::interval
		FROM (SELECT id FROM waha_servers LIMIT 1) s, unnest(ARRAY['message', 'message.any', 'session.status']) e,
			unnest(ARRAY['23 hours', '25 hours', '29 days', '31 days']) age;
		INSERT INTO instance_events (instance_id, kind, at)
		SELECT i.id, 'old', now() - age::interval FROM (SELECT id FROM instances LIMIT 1) i, unnest(ARRAY['29 days', '31 days']) age;
		INSERT INTO instance_events (instance_id, kind, at)
		SELECT i.id, 'old', now() - interval '40 days' FROM (SELECT id FROM instances LIMIT 1) i, generate_series(1, 2500);
		INSERT INTO outbox (user_id, device_id, type, payload, at, created_at)
		SELECT '$id', '$id', t, '{"text":"segredo"}', now(), now() - age::interval
		FROM unnest(ARRAY['message.received', 'device.connected']) t, unnest(ARRAY['23 hours', '25 hours', '31 days']) age;
		INSERT INTO messages (user_id, instance, state, quota_hour, quota_day, created_at)
		SELECT '$id', age, 'sent', now(), now(), now() - age::interval FROM unnest(ARRAY['29 days', '31 days']) age;
		INSERT INTO idempotency_keys (user_id, route, key, fingerprint, locked_until, created_at)
		SELECT '$id', '/x', age, 'f', now(), now() - age::interval FROM unnest(ARRAY['23 hours', '25 hours']) age});
	is +($s->maintain('prune'))[0], 0, 'prune';
	is_deeply [$s->psql(q{SELECT dedupe, payload IS NOT NULL FROM webhook_events WHERE session IS NULL ORDER BY 1})], [
		['message.any|23 hours', 't'], ['message.any|25 hours', 'f'], ['message.any|29 days', 'f'],
		['message|23 hours', 't'], ['message|25 hours', 'f'], ['message|29 days', 'f'],
		map { ["session.status|$_", 't'] } '23 hours', '25 hours', '29 days'], 'texts go after a day, events after a month';
	is $s->psql_value(q{SELECT count(*) FROM instance_events WHERE kind = 'old'}), 1, 'so does the trail, however long';
	is_deeply [$s->psql(qq{SELECT type, payload IS NOT NULL FROM outbox WHERE user_id = '$id' ORDER BY created_at DESC, type})],
		[['device.connected', 't'], ['message.received', 't'], ['device.connected', 't'], ['message.received', 'f']],
		'what was to be sent loses its text after a day, too';
	is_deeply [$s->psql(qq{SELECT instance FROM messages WHERE user_id = '$id'})], [['29 days']], 'messages sent go after a month';
	is_deeply [$s->psql('SELECT key FROM idempotency_keys')], [['23 hours']], 'and keys after a day';
	return;
}
