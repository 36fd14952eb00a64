#!/usr/bin/perl
# What gateways tell: verified, stored once, applied in the order of the gateway's clock. The fixture holds
# events as WAHA 2026.2.1 sent them (sessions, ids, phones and texts are invented): four sessions that pair,
# flap, expire, fail and stop, some messages, some deliveries repeated.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256_hex);
use File::Temp ();
use JSON::PP ();
use List::Util qw(max shuffle);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use Wapool::Process qw(slurp);
use Wapool::Test qw(stack burst problem_ok eventually_ok webhook sign server_id json_of WEBHOOK_SECRET);

use constant {
	GENERATION => 7,
	LIMIT      => 2 * 1024 * 1024,    # bytes of a body
	KILLS      => 3,
};

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(hosts => 2, scale => 0, helper => 0, responders => [qw(webhook my-connection)],
	env => { WAHA_URL => 'http://127.0.0.1:1', WAHA_API_KEY => 'gateway-key-of-the-tests' });
$s->maintain('seal');

my @captured = map { json_of($_) } split /\n/, slurp("$FindBin::Bin/fixtures/waha-webhooks.jsonl");
my %end      = (    # what the fixture's sessions have come to
	'loja-1' => 'WORKING 5511900000001@c.us',
	'loja-2' => 'SCAN_QR_CODE 5511900000001@c.us',
	'loja-3' => 'FAILED nobody',
	'loja-4' => 'STOPPED 5511900000001@c.us');

subtest 'replayed in order'                     => sub { replay(1, captured()) };
subtest "replayed shuffled, seed $_"            => \&replay_shuffled, $_ for 1 .. 3;
subtest 'every delivery doubled'                => sub { replay(1, map { ($_, $_) } captured()) };
subtest 'doubled and shuffled, 8 at a time'     => sub { srand 8; replay(8, shuffle(map { ($_, $_) } captured())) };
subtest 'tripled, all at once'                  => sub { srand 9; replay(1000, shuffle((captured()) x 3)) };
subtest 'my-connection tells what they told'    => \&my_connection;
subtest 'signatures'                            => \&signatures;
subtest 'the server is found by session and signature' => \&which_server;
subtest 'a secret ends when its row says so' => \&remembered;
subtest 'what makes an event the same'          => \&same_or_not;
subtest 'nothing that is signed is lost'        => \&kept;
subtest 'the order of the gateway\'s clock'     => \&clocks;
subtest 'late news of a pairing'                => \&late_pairing;
subtest 'a former session is not heard'         => \&former;
subtest 'bodies up to 2 MiB'                    => \&sizes;
subtest 'broken JSON is not stored'             => \&broken;
subtest 'what was acknowledged survives kill -9' => \&killed;
$s->stop;
done_testing;

# --- Events ---

my %owner;

# The captured events, moved so that the last of them happened just now, from sessions of our generation.
sub captured {
	my $shift = int(time * 1000) - 1000 - max(map { $_->{timestamp} } @captured);
	return map { +{ requestId => $_->{requestId}, body => later($_->{body}, $shift) } } @captured;
}

sub later {
	my ($body, $shift) = @_;
	my %body = %{ json_of(JSON::PP->new->utf8->encode($body)) };
	$body{timestamp} += $shift;
	$_->{timestamp} += $shift for @{ $body{payload}{statuses} || [] };
	$body{metadata}{'wapool.generation'} = '' . GENERATION;
	return \%body;
}

sub post {
	my ($event, %opt) = @_;
	my $request = webhook($s, $event, %opt);
	return $s->http(POST => $request->{path}, body => $request->{body}, headers => $request->{headers});
}

# A status of that session at that time (ms before now).
sub status_event {
	my ($session, $status, $ago, %more) = @_;
	my $at = int(time * 1000) - $ago;
	return { id => unique_id(), timestamp => $at, event => 'session.status', session => $session,
		metadata => { 'wapool.generation' => '' . GENERATION }, me => undef,
		payload => { name => $session, status => $status, statuses => [{ status => $status, timestamp => $at }] }, %more };
}

my $unique = 0;

sub unique_id { return sprintf 'evt_%026d', ++$unique }

# --- Instances and what is stored ---

# Assigned instances of those names and no events: the beginning of each story.
sub begin {
	my (@names) = @_;
	$s->psql('DELETE FROM instances; TRUNCATE webhook_events');
	assign($_, server_id($s)) for @names;
	return;
}

sub assign {
	my ($name, $server) = @_;
	$owner{$name} = $s->unique_user;
	$s->psql("SELECT ensure_user('$owner{$name}', NULL)");
	my $yesterday = "now() - interval '1 day'";
	$s->psql('INSERT INTO instances'
		. ' (name, server_id, lifecycle, assigned_to_user_id, assigned_at, pairing_asked_at, generation)'
		. " VALUES ('$name', '$server', 'assigned', '$owner{$name}', $yesterday, $yesterday, " . GENERATION . ')');
	return;
}

sub state_of {
	my ($name) = @_;
	return $s->psql_value("SELECT status || ' ' || coalesce(phone_number, 'nobody') FROM instances WHERE name = '$name'");
}

sub count { return $s->psql_value('SELECT count(*) FROM webhook_events WHERE ' . ($_[0] // 'true')) }

sub outcome { return $s->psql_value("SELECT outcome FROM webhook_events WHERE event_id = '$_[0]{id}'") }

# --- Replays ---

# Sends the events, so many at a time, and looks at the end.
sub replay {
	my ($together, @events) = @_;
	begin(sort keys %end);
	my %once = map { $_->{body}{event} . $_->{body}{id} => 1 } @events;
	my @requests = map { webhook($s, $_->{body}, request_id => $_->{requestId}) } @events;
	my @answers;
	push @answers, burst($s, splice @requests, 0, $together) while @requests;
	is_deeply [grep { $_->{status} != 200 } @answers], [], scalar @answers . ' deliveries are taken';
	is scalar(grep { !$_->{json}{duplicate} } @answers), scalar keys %once, 'each event is new once';
	is count(), scalar keys %once, 'and stored once';
	is_deeply { map { $_ => state_of($_) } keys %end }, \%end, 'status and phone are the last ones';
	is_deeply [map { $_->[0] } $s->psql('SELECT name FROM instances WHERE paired_at IS NOT NULL ORDER BY 1')],
		[qw(loja-1 loja-2 loja-4)], 'who was paired';
	is count('instance_id IS NULL'), 0, 'every event belongs to its instance';
	return;
}

sub replay_shuffled {
	my ($seed) = @_;
	srand $seed;
	return replay(1, shuffle(captured()));
}

sub my_connection {
	replay(1, captured());
	my %want = ('loja-1' => \1, 'loja-2' => \0, 'loja-3' => \0, 'loja-4' => \0);
	for my $name (sort keys %want) {
		my $mine = $s->http(GET => '/api/whatsapp/my-connection', token => $s->token($owner{$name}))->{json};
		is $mine->{instanceName}, $name, $name;
		is !!$mine->{connected}, !!${ $want{$name} }, ${ $want{$name} } ? 'is connected' : 'is not connected';
	}
	return;
}

# --- Signatures ---

sub signatures {
	begin('loja-1');
	my $event = status_event('loja-1', 'WORKING', 0);
	my $body  = JSON::PP->new->utf8->canonical->encode($event);
	my $good  = sign($body);
	my %bad   = (
		'none'           => undef,
		'empty'          => '',
		'wrong'          => $good =~ tr/0-9a-f/1-9a-f0/r,
		'cut'            => substr($good, 0, 127),
		'one digit more' => $good . '0',
		'first half'     => substr($good, 0, 64),
		'with a prefix'  => "sha512=$good",
		'another key'    => sign($body, 'another-webhook-secret'),
		'no key'         => sign($body, ''),
		'SHA-256'        => hmac_sha256_hex($body, WEBHOOK_SECRET),
		'of another body' => sign("$body "));
	for my $path ('/webhook', undef) {
		my @at = defined $path ? (path => $path) : ();
		problem_ok(post($body, @at, signature => $bad{$_}), 401, 'bad-signature', "refused: $_") for sort keys %bad;
		my $altered = $body =~ s/WORKING/STOPPED/gr;
		problem_ok(post($altered, @at, signature => $good), 401, 'bad-signature', 'refused: the body altered');
		my $other = webhook($s, $body, @at);
		$other->{headers}{'X-Webhook-Hmac-Algorithm'} = 'sha256';
		problem_ok($s->http(POST => $other->{path}, body => $body, headers => $other->{headers}), 401, 'bad-signature',
			'refused: another algorithm');
	}
	is count(), 0, 'nothing of it is stored';
	is state_of('loja-1'), 'STOPPED nobody', 'nor believed';

	is post($body, signature => uc $good)->{status}, 200, 'capital digits are fine';
	my $plain = webhook($s, status_event('loja-1', 'WORKING', 0));
	delete $plain->{headers}{'X-Webhook-Hmac-Algorithm'};
	is $s->http(POST => $plain->{path}, body => $plain->{body}, headers => $plain->{headers})->{status}, 200, 'so is no algorithm';
	is count(), 2, 'both are stored';
	return;
}

# Responders remember servers for some seconds. Whatever they remember, what counts is the row.
sub remembered {
	begin('loja-1');
	my @secret = map { "the secret number $_ of this server" } 1 .. 3;
	my $server = $s->psql_value("INSERT INTO waha_servers (nome, api_url, webhook_secret)
		VALUES ('Another WAHA', 'http://127.0.0.1:3', '$secret[0]') RETURNING id");
	$s->maintain('seal');
	my $statuses = sub { # of four at once, so that every responder has a say
		my ($key) = @_;
		my %seen = map { $_->{status} => 1 } burst($s, map {
			my $body = JSON::PP->new->utf8->canonical->encode(status_event('loja-1', 'SCAN_QR_CODE', 0));
			webhook($s, $body, path => "/webhook/$server", signature => sign($body, $key)) } 1 .. 4);
		return join ' ', sort keys %seen;
	};
	is $statuses->($secret[0]), '200', 'its secret';
	is $statuses->($secret[1]), '401', 'one that it has not yet';
	$s->psql("UPDATE waha_servers SET webhook_secret = '$secret[1]' WHERE id = '$server'");
	is $statuses->($secret[1]), '200', 'a new one counts at once';
	is $statuses->($secret[0]), '200', 'beside the former one';
	$s->maintain('seal');
	is $statuses->($_), '200', 'both also when it is sealed' for @secret[0, 1];
	$s->psql("UPDATE waha_servers SET webhook_secret_former_until = now() WHERE id = '$server'");
	is $statuses->($secret[0]), '401', 'until the time of the former one is over';
	$s->psql("UPDATE waha_servers SET webhook_secret = '$secret[2]' WHERE id = '$server'");
	$s->maintain('seal');
	is $statuses->($secret[2]), '200', 'the third';
	is $statuses->($secret[0]), '401', 'brings the first one back to nobody';
	my $stored = count("server_id = '$server'");
	$s->psql("DELETE FROM waha_servers WHERE id = '$server'");
	is $statuses->($secret[2]), '401', 'a server that is gone has none';
	ok $stored > 0, 'it had told something';
	is count("server_id = '$server'"), 0, 'which is gone with it';
	return;
}

sub which_server {
	begin('loja-1');
	my $secret = 'the-secret-of-another-server';
	my $other = $s->psql_value("INSERT INTO waha_servers (user_id, nome, api_url, api_key, webhook_secret)
		VALUES ('$owner{'loja-1'}', 'Meu WAHA', 'http://127.0.0.1:2', 'k', '$secret') RETURNING id");
	assign('minha-1', $other);
	my $sent = sub {
		my ($session, $key, $path) = @_;
		my $body = JSON::PP->new->utf8->canonical->encode(status_event($session, 'SCAN_QR_CODE', 0));
		return post($body, path => $path, signature => sign($body, $key));
	};
	my $server_of = sub { $s->psql_value('SELECT server_id FROM webhook_events ORDER BY id DESC LIMIT 1') };
	is $sent->('minha-1', $secret, '/webhook')->{status}, 200, 'his server, its signature';
	is $server_of->(), $other, 'is found';
	is state_of('minha-1'), 'SCAN_QR_CODE nobody', 'and believed';
	is $sent->('loja-1', WEBHOOK_SECRET, '/webhook')->{status}, 200, 'the platform\'s';
	is $server_of->(), server_id($s), 'is found';

	$s->psql("UPDATE instances SET status = 'STOPPED', status_at = NULL");
	my @refused = (
		$sent->('loja-1', $secret, '/webhook'), $sent->('loja-1', $secret, '/webhook/' . server_id($s)),
		$sent->('loja-1', WEBHOOK_SECRET, "/webhook/$other"), $sent->('loja-1', $secret, '/webhook/' . $s->unique_user),
		$sent->('loja-1', $secret, '/webhook/no-uuid'));
	problem_ok($_, 401, 'bad-signature', 'one server does not speak for another') for @refused;
	delete @{ $_->{json} }{qw(requestId instance)} for @refused;
	is_deeply $_->{json}, $refused[0]{json}, 'whether there is such a server cannot be seen' for @refused;
	is $sent->('loja-1', $secret, "/webhook/$other")->{status}, 200, 'a server may use any name';
	is state_of('loja-1'), 'STOPPED nobody', 'but another server\'s session is not meant';

	# More of the platform's than are tried: that which has the session comes first.
	$s->psql(q{INSERT INTO waha_servers (id, nome, api_url, api_key, webhook_secret)
		SELECT ('ffffffff-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Mais ' || n, 'http://127.0.0.1:3/' || n, 'k', 'the-secret-of-server-' || n
		FROM generate_series(1, 30) n});
	my $last = 'ffffffff-0000-4000-8000-000000000030';
	is $sent->('longe-1', 'the-secret-of-server-30', '/webhook')->{status}, 401, 'one of thirty servers, about nobody\'s session';
	assign('longe-1', $last);
	is $sent->('longe-1', 'the-secret-of-server-30', '/webhook')->{status}, 200, 'about its own';
	is $server_of->(), $last, 'it is found';
	$s->psql("DELETE FROM webhook_events; DELETE FROM instances; DELETE FROM waha_servers WHERE id = '$other' OR nome LIKE 'Mais %'");
	return;
}

# --- Once ---

sub same_or_not {
	begin('loja-1');
	my $message = { id => unique_id(), timestamp => int(time * 1000), event => 'message', session => 'loja-1',
		payload => { id => 'false_1', body => 'Bom dia' } };
	my %any     = (%$message, event => 'message.any');
	my $stored  = 0;
	my $is_new  = sub {
		my ($what, $expected, $event, %opt) = @_;
		my $answer = post($event, %opt);
		is $answer->{status}, 200, $what;
		is !!$answer->{json}{duplicate}, !$expected, $expected ? 'is new' : 'is the same';
		is count(), $stored += $expected, $expected ? 'stored' : 'not stored again';
	};
	$is_new->('message', 1, $message, request_id => 'r1');
	$is_new->('message.any with its id', 1, \%any, request_id => 'r2');
	$is_new->('message again', 0, $message, request_id => 'r1');
	$is_new->('its id in another delivery', 0, $message, request_id => 'r3');
	$is_new->('its id without a delivery\'s', 0, $message);

	my %old = (event => 'message', session => 'loja-1', payload => { body => 'Boa tarde' });
	$is_new->('without an id', 1, \%old, request_id => 'r4');
	$is_new->('the same delivery', 0, \%old, request_id => 'r4');
	$is_new->('another delivery', 1, \%old, request_id => 'r5');
	$is_new->('with neither', 1, \%old);
	$is_new->('the same bytes', 0, \%old);
	$is_new->('other bytes', 1, { %old, payload => { body => 'Boa noite' } });
	$is_new->('an id of another type', 1, { %old, id => 7 }, request_id => 'r6');
	return;
}

sub kept {
	begin('loja-1');
	my @events = map { +{ id => unique_id(), timestamp => int(time * 1000), %$_ } } (
		{ event => 'presence.update', session => 'loja-1', payload => { id => 'x' } },
		{ event => 'session.status', session => 'nobody-1', payload => { status => 'WORKING' } },
		{ event => 'message', session => 'loja-1', payload => undef },
		{ event => 'message', payload => {} },
		{ event => 'algo.novo', session => 'loja-1', payload => 'text' },
		{ event => 'session.status', session => 'loja-1', payload => { name => 'loja-1' } },
		{ event => 'session.status', session => 'loja-1', payload => { name => 'loja-1', status => 7 } },
		{ event => 'message', session => 'loja-1', payload => { body => "\x{1F600} ação" }, me => 'x', metadata => [] });
	is post($_)->{status}, 200, "$_->{event} is taken" for @events;
	is_deeply [map { outcome($_) } @events], [qw(kept unknown-session kept unknown-session kept kept kept kept)],
		'and stored for what it is';
	is state_of('loja-1'), 'STOPPED nobody', 'none of it is a status';
	my $stored = $s->psql_value("SELECT payload FROM webhook_events WHERE event_id = '$events[-1]{id}'");
	is json_of($stored)->{payload}{body}, "\x{1F600} ação", 'as it came';

	my $status = status_event('loja-1', 'PASSKEY_REQUIRED', 0);
	is post($status)->{status}, 200, 'a status that nobody knew';
	is state_of('loja-1'), 'PASSKEY_REQUIRED nobody', 'is kept and shown';
	return;
}

# --- Order ---

sub clocks {
	begin('loja-1');
	post(status_event('loja-1', 'SCAN_QR_CODE', 120_000));
	post(my $late = status_event('loja-1', 'STARTING', 180_000));
	is outcome($late), 'stale', 'what happened before';
	is state_of('loja-1'), 'SCAN_QR_CODE nobody', 'changes nothing when it comes after';
	for my $wrong ([-3_600_000, 'an hour ahead'], [-10 * 86_400_000, 'ten days ahead'], [int(time * 1000), 'in 1970'], [-9e15, 'in another era'],
		[9e15, 'before all time']) {
		my ($ago, $when) = @$wrong;
		$s->psql('UPDATE instances SET status_at = now()');
		post(status_event('loja-1', 'FAILED', $ago));
		is state_of('loja-1'), 'FAILED nobody', "a clock $when: taken for now";
		post(status_event('loja-1', 'SCAN_QR_CODE', 0));
		is state_of('loja-1'), 'SCAN_QR_CODE nobody', 'and nothing is frozen';
	}
	my $timeless = status_event('loja-1', 'WORKING', 0, me => { id => '5511900000003@c.us' });
	delete $timeless->{timestamp};
	delete $timeless->{payload}{statuses};
	$s->psql('UPDATE instances SET status_at = now()');
	post($timeless);
	is state_of('loja-1'), 'WORKING 5511900000003@c.us', 'no time: taken for now';
	return;
}

sub late_pairing {
	my %phone = map { $_ => { id => "551190000000$_\@c.us", pushName => "Loja $_" } } 6, 7;
	begin('loja-1');
	post(status_event('loja-1', 'FAILED', 60_000));
	post(status_event('loja-1', 'WORKING', 120_000, me => $phone{7}));
	post(status_event('loja-1', 'WORKING', 180_000, me => $phone{6}));
	is state_of('loja-1'), 'FAILED 5511900000007@c.us', 'the phone is the last one that was connected';
	is $s->psql_value("SELECT paired_at IS NOT NULL AND pairing_asked_at IS NULL FROM instances"), 't', 'so a phone is gone, not awaited';

	begin('loja-1');
	post(status_event('loja-1', 'SCAN_QR_CODE', 1000));
	$s->psql("UPDATE instances SET pairing_asked_at = now() - interval '1 second'");
	post(status_event('loja-1', 'WORKING', 60_000, me => $phone{6}));
	is state_of('loja-1'), 'SCAN_QR_CODE nobody', 'from before his last click: forgotten already';
	return;
}

sub former {
	begin('loja-1');
	my $old = status_event('loja-1', 'WORKING', 0, me => { id => '5511900000004@c.us' },
		metadata => { 'wapool.generation' => '' . (GENERATION - 1) });
	is post($old)->{status}, 200, 'an event of the session before this one is taken';
	is outcome($old), 'former', 'known for what it is';
	is $s->psql_value("SELECT epoch FROM webhook_events WHERE event_id = '$old->{id}'"), undef, 'and of no owner of today';
	my $message = { %$old, id => unique_id(), event => 'message', payload => { body => 'x' } };
	post($message);
	is outcome($message), 'former', 'so are its messages';
	my $legacy = status_event('loja-1', 'WORKING', 600_000, metadata => undef);
	$s->psql('UPDATE instances SET assigned_at = now()');
	post($legacy);
	is outcome($legacy), 'former', 'one that tells no generation: by its time';
	is state_of('loja-1'), 'STOPPED nobody', 'none changes anything';

	$s->psql("UPDATE instances SET assigned_to_user_id = NULL WHERE name = 'loja-1'");
	my $after = status_event('loja-1', 'WORKING', 0, me => { id => '5511900000005@c.us' });
	is post($after)->{status}, 200, 'an event after the release';
	is outcome($after), 'unassigned', 'is nobody\'s';
	is $s->psql_value("SELECT phone_number FROM instances WHERE name = 'loja-1'"), undef, 'and leaves no phone';
	return;
}

# --- Sizes, breakage ---

sub sizes {
	begin('loja-1');
	my $of = sub {
		my ($bytes) = @_;
		my $event = { id => unique_id(), event => 'message', session => 'loja-1', payload => { body => '' } };
		my $empty = length JSON::PP->new->utf8->canonical->encode($event);
		$event->{payload}{body} = 'x' x ($bytes - $empty);
		return post($event);
	};
	is $of->(1_900_000)->{status}, 200, '1.9 MB';
	is $of->(LIMIT)->{status}, 200, '2 MiB';
	is count(), 2, 'are stored';
	problem_ok($of->(LIMIT + 1), 413, 'too-large', 'a byte more is refused');
	is count(), 2, 'and not stored';
	return;
}

sub broken {
	begin('loja-1');
	my @broken = ('{"event":"message"', '[]', '', 'null', "{\"event\":\"\xff\"}", '{"event":"a","event":"b"}',
		'{"event":"a\u0000"}', '{"session":"loja-1"}');
	problem_ok(post($_), 400, 'bad-json', 'signed, but ' . ($_ eq '' ? 'nothing' : 'broken')) for @broken;
	is count(), 0, 'nothing is stored';
	return;
}

# --- kill -9 ---

# A gateway in a process of its own: sends events one after the other, each until it is acknowledged, writes
# down the acknowledged ids, and ends at TERM.
sub gateway {
	my ($file) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	my ($stop, $n) = (0, 0);
	local $SIG{TERM} = sub { $stop = 1 };
	open my $log, '>>', $file or POSIX::_exit(1);
	until ($stop) {
		my $event = { id => sprintf('evt_kill_%d_%06d', $$, ++$n), event => 'message', session => 'loja-1', payload => {} };
		my $answer = post($event);
		redo if !$stop && $answer->{status} != 200 && $n--;
		syswrite $log, "$event->{id}\n" if $answer->{status} == 200;
	}
	POSIX::_exit(0);
}

sub acknowledged { return split /\n/, slurp($_[0]) }

sub killed {
	begin('loja-1');
	my $acknowledged = File::Temp->new;
	my @gateways = map { gateway($acknowledged->filename) } 1 .. 3;
	for my $time (1 .. KILLS) {
		my $before = acknowledged($acknowledged);
		eventually_ok("events come in, time $time", sub { acknowledged($acknowledged) > $before + 20 });
		$s->restart_responder('webhook', 'KILL');
	}
	my $before = acknowledged($acknowledged);
	eventually_ok('and go on coming in', sub { acknowledged($acknowledged) > $before + 20 });
	kill 'TERM', @gateways;
	waitpid $_, 0 for @gateways;
	my @sent   = acknowledged($acknowledged);
	my %stored = map { $_->[0] => $_->[1] } $s->psql('SELECT event_id, count(*) FROM webhook_events GROUP BY 1');
	is_deeply [grep { ($stored{$_} // 0) != 1 } @sent], [], @sent . ' acknowledged events are stored, each once';
	cmp_ok scalar(keys %stored) - @sent, '<=', @gateways, 'besides those, at most one of each gateway\'s';
	return;
}
