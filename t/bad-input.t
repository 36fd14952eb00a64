#!/usr/bin/perl
# What strangers, broken clients and attackers send: each is refused with its problem, tells nothing of what
# lies behind, stores nothing, and leaves the responders as they were.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use Test::More;

use Wapool::Test qw(stack burst problem_ok row_counts webhook);

use constant {
	LOGIN      => '/api/auth/login',
	CONNECT    => '/api/whatsapp/connect',
	DISCONNECT => '/api/whatsapp/disconnect',
	MINE       => '/api/whatsapp/my-connection',
	QR         => '/api/whatsapp/qr',
	WEBHOOK    => '/webhook',
	TOGETHER   => 15,    # requests sent at once
};

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

# No gateway and no helper: nothing but what is sent here changes anything.
my $s = stack(scale => 0, helper => 0, env => {
	WAHA_URL => 'http://127.0.0.1:1', WAHA_API_KEY => 'gateway-key-of-the-tests' });
$s->maintain('seal');

my $user   = $s->unique_user;
my $token  = $s->token($user);
my %before = map { $_ => scalar $s->pids($_) } $s->responder_names;

subtest 'tokens'                        => \&tokens;
subtest 'bodies that are no JSON object' => \&bodies;
subtest 'bodies too large'              => \&large_bodies;
subtest 'content types'                 => \&content_types;
subtest 'fields of connect'             => \&connect_fields;
subtest 'fields of login'               => \&login_fields;
subtest 'queries'                       => \&queries;
subtest 'webhooks without a signature'  => \&unsigned_webhooks;
subtest 'webhooks signed, but broken'   => \&broken_webhooks;
subtest 'paths that do not exist'       => \&paths;
subtest 'methods'                       => \&methods;
subtest 'HEAD, OPTIONS'                 => \&head_and_options;
subtest 'addresses too long'            => \&long_addresses;
subtest 'the same in English'           => \&english;
subtest 'the responders took no harm'   => \&unharmed;
$s->stop;
done_testing;

# --- Asking ---

# Sends the requests of a table, some at once. Rows: [name, request, status, code, {member => value}?, sub of the
# answer?]. Nothing may be stored meanwhile.
sub refused {
	my (@rows) = @_;
	my $stored = row_counts($s);
	my (@answers, @requests);
	@requests = map { $_->[1] } @rows;
	push @answers, burst($s, splice @requests, 0, TOGETHER) while @requests;
	for my $i (0 .. $#rows) {
		my ($name, undef, $status, $code, $more, $look) = @{ $rows[$i] };
		problem_ok($answers[$i], $status, $code, $name, $more);
		unlike $answers[$i]{body}, qr/gateway-key-of-the-tests/, "$name: not the gateway's key";
		$look->($answers[$i]) if $look;
	}
	is_deeply row_counts($s), $stored, 'nothing was stored';
	return;
}

sub request {
	my ($method, $path, %more) = @_;
	return { method => $method, path => $path, %more };
}

# With a good token.
sub by_user { return request(@_, token => $token) }

sub with_body {
	my ($path, $body, $type) = @_;
	return by_user(POST => $path, body => $body, headers => { 'Content-Type' => $type // 'application/json' });
}

# --- Tokens ---

# A token with that header and payload, signed by that function with that key.
sub forged {
	my ($header, $payload, $sign, $key) = @_;
	my $json = JSON::PP->new->utf8->canonical;
	my $signed = join '.', map { encode_base64url(ref $_ ? $json->encode($_) : $_) } $header, $payload;
	return "$signed." . ($sign ? encode_base64url($sign->($signed, $key // $s->jwt_secret)) : '');
}

sub bad_tokens {
	my $good = { sub => $user, aud => 'authenticated', role => 'authenticated', exp => time + 3600 };
	my ($head, $payload, $signature) = split /\./, $token;
	my $flipped = $signature =~ s/\A(.)/$1 eq 'A' ? 'B' : 'A'/er;
	my $stronger = encode_base64url(JSON::PP->new->utf8->encode({ %$good, app_metadata => { role => 'admin' } }));
	return (
		'not a token'          => 'hello',
		'two parts'            => "$head.$payload",
		'four parts'           => "$token.x",
		'empty parts'          => '..',
		'signature cut'        => substr($token, 0, -2),
		'signature missing'    => "$head.$payload.",
		'signature altered'    => "$head.$payload.$flipped",
		'payload altered'      => "$head.$stronger.$signature",
		'padding'              => "$token=",
		'header no JSON'       => forged('hello', $good, \&hmac_sha256),
		'payload no JSON'      => forged({ alg => 'HS256' }, 'hello', \&hmac_sha256),
		'payload an array'     => forged({ alg => 'HS256' }, [1], \&hmac_sha256),
		'payload twice exp'    => forged({ alg => 'HS256' }, qq({"sub":"$user","exp":1,"exp":99999999999}), \&hmac_sha256),
		'another key'          => forged({ alg => 'HS256', typ => 'JWT' }, $good, \&hmac_sha256, 'x' x 64),
		'empty key'            => forged({ alg => 'HS256', typ => 'JWT' }, $good, \&hmac_sha256, ''),
		'alg none'             => forged({ alg => 'none' }, $good),
		'alg None, signed'     => forged({ alg => 'None' }, $good, \&hmac_sha256),
		'no alg'               => forged({ typ => 'JWT' }, $good, \&hmac_sha256),
		'RS256 with the secret' => forged({ alg => 'RS256', typ => 'JWT' }, $good, \&hmac_sha256),
		'ES256 with the secret' => forged({ alg => 'ES256', typ => 'JWT' }, $good, \&hmac_sha256),
		'HS384'                => forged({ alg => 'HS384' }, $good, \&hmac_sha384),
		'HS512'                => forged({ alg => 'HS512' }, $good, \&hmac_sha512),
		'crit'                 => forged({ alg => 'HS256', crit => ['b64'], b64 => \0 }, $good, \&hmac_sha256),
		'expired'              => $s->token($user, exp => time - 3600),
		'no expiry'            => $s->token($user, exp => undef),
		'expiry a text'        => $s->token($user, exp => 'tomorrow'),
		'not valid yet'        => $s->token($user, nbf => time + 3600),
		'issued in the future' => $s->token($user, iat => time + 3600),
		'another audience'     => $s->token($user, aud => 'somebody-else'),
		'other audiences'      => $s->token($user, aud => ['a', 'b']),
		'Supabase anon'        => $s->token($user, role => 'anon'),
		'Supabase service_role' => $s->token($user, role => 'service_role'),
		'Supabase API key'     => $s->token(undef, iss => 'supabase', ref => 'abcdefghijklmnopqrst', role => 'anon', aud => undef),
		'Supabase anonymous'   => $s->token($user, is_anonymous => \1),
		'no subject'           => $s->token(undef),
		'subject no UUID'      => $s->token('maria'),
		'subject a number'     => $s->token(7),
		'subject and more'     => $s->token("$user' OR 1=1"),
		'very long'            => forged({ alg => 'HS256' }, { %$good, pad => 'x' x 5000 }, \&hmac_sha256, 'y' x 64));
}

sub tokens {
	my %bad = bad_tokens();
	my %route = (connect => ['POST', CONNECT], disconnect => ['POST', DISCONNECT], 'my-connection' => ['GET', MINE], qr => ['GET', QR]);
	my $challenge = sub { like $_[0]{headers}{'www-authenticate'} // '', qr/\ABearer\b/, 'with a challenge' };
	for my $name (sort keys %route) {
		my @ask = @{ $route{$name} };
		my @rows = map { ["$name: $_", request(@ask, token => $bad{$_})] } sort keys %bad;
		push @rows, ["$name: no token", request(@ask)];
		for my $header ('Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', $token, "Bearer\t$token", "Bearer $token $token", "Token $token") {
			push @rows, ["$name: Authorization: " . substr($header, 0, 8), request(@ask, headers => { Authorization => $header })];
		}
		refused(map { [@$_, 401, 'unauthorized', { title => 'Não autenticado', instance => $ask[1] }, $challenge] } @rows);
	}
	return;
}

# --- Bodies ---

# Bodies that are no JSON object, or not one that means one thing only.
sub no_object {
	return (
		'text'            => 'hello',
		'an array'        => '[]',
		'an array of one' => '[{"deviceId":null}]',
		'a string'        => '"text"',
		'a number'        => '7',
		'null'            => 'null',
		'a lone brace'    => '{',
		'cut'             => '{"deviceId":"',
		'trailing text'   => '{} x',
		'two objects'     => '{}{}',
		'trailing comma'  => '{"a":1,}',
		'single quotes'   => "{'a':1}",
		'a comment'       => '{/* */}',
		'NaN'             => '{"a":NaN}',
		'member twice'    => '{"deviceId":null,"deviceId":null}',
		'100 deep'        => '{"a":' x 100 . '1' . '}' x 100,
		'arrays 1000 deep' => '{"a":' . '[' x 1000 . ']' x 1000 . '}',
		'1000 deep, cut'  => '[' x 1000,
		'\u0000'          => '{"a":"x\u0000y"}',
		'\u0000 in a name' => '{"a\u0000":1}',
		'a NUL byte'      => "{\"a\":\"x\0y\"}",
		'a NUL at the end' => "{}\0",
		'a control byte'  => "{\"a\":\"x\ny\"}",
		'no UTF-8'        => "{\"a\":\"\xff\xfe\"}",
		'overlong UTF-8'  => "{\"a\":\"\xc0\xaf\"}",
		'a surrogate'     => "{\"a\":\"\xed\xa0\x80\"}",
		'half a surrogate' => '{"a":"\ud800"}',
		'UTF-16'          => "\xff\xfe{\0}\0",
		'a BOM'           => "\xef\xbb\xbf{}",
		'a form'          => 'email=a%40b.example&password=x',
		'XML'             => '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>');
}

sub bodies {
	my %body = no_object();
	for my $path (CONNECT, DISCONNECT, LOGIN) {
		refused(
			(map { ["$path: $_", with_body($path, $body{$_}), 400, 'bad-json', { instance => $path }] } sort keys %body),
			$path eq LOGIN ? ["$path: nothing", with_body($path, ''), 400, 'bad-json'] : ());
	}
	return;
}

sub large_bodies {
	my $json = sub { '{"a":"' . 'x' x ($_[0] - 8) . '"}' };
	refused(
		(map { ["$_: a byte too much", with_body($_, $json->(4097)), 413, 'too-large', { instance => $_ }] }
			CONNECT, DISCONNECT, LOGIN),
		(map { ["GET $_ with a body", by_user(GET => $_, body => 'x' x 2000, headers => { 'Content-Length' => 2000 }),
			413, 'too-large'] } MINE, QR));
	return;
}

sub content_types {
	my @types = ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonp',
		'application/json-patch+json', 'application/xml', 'json', '*/*', 'application/json/x', 'application/jso');
	for my $path (CONNECT, DISCONNECT, LOGIN) {
		refused(map { ["$path: $_", with_body($path, '{}', $_), 415, 'unsupported-media-type'] } @types);
	}
	my @good = burst($s, map { with_body(DISCONNECT, '{}', $_) } 'application/json;charset=utf-8', 'Application/JSON ; x=y');
	is_deeply [map { $_->{status} } @good], [200, 200], 'parameters and capitals are fine';
	return;
}

# --- Fields ---

# The rows of values that a member may not have: they are all 422 and point to it.
sub invalid {
	my ($path, $member, $other, @values) = @_;
	my $points = sub { is_deeply [map { $_->{pointer} } @{ $_[0]{json}{errors} }], ["/$member"], "$member: points to it" };
	return map {
		my $value = $_;
		my $shown = substr JSON::PP->new->canonical->ascii->allow_nonref->encode($value), 0, 40;
		["$path: $member $shown", by_user(POST => $path, json => { %$other, $member => $value }), 422, 'invalid-field',
			{ title => 'Campo inválido' }, $points]
	} @values;
}

sub no_uuid {
	return ('', 'x', 7, \1, [], {}, 'x' x 3000, "$user ", " $user", "{$user}", substr($user, 0, 35), "${user}0",
		$user =~ tr/-/_/r, "' OR 1=1 --", '../../etc/passwd', "\x{1F600}", '00000000-0000-0000-0000-00000000000g');
}

sub connect_fields {
	my @words   = ('', 'QR', 'sms', 'qr ', 7, \1, [], {}, undef, 'x' x 3000);
	my @numbers = ('', 'abc', '123', '1' x 16, '1' x 3000, 5511999999999, [], {}, \1, undef, '0511999999999', '5511-abc-9999',
		'+', '++5511999999999', "5511999999999\n", '5511999999999;5521999999999', "\x{661}" x 12, '5511999999999@c.us');
	refused(
		invalid(CONNECT, 'deviceId', {}, no_uuid()),
		invalid(DISCONNECT, 'deviceId', {}, no_uuid()),
		invalid(CONNECT, 'method', {}, @words),
		invalid(CONNECT, 'phoneNumber', { method => 'code' }, @numbers),
		['connect: a code for no number', by_user(POST => CONNECT, json => { method => 'code' }), 422, 'invalid-field'],
		["connect: a device that is not his", by_user(POST => CONNECT, json => { deviceId => $s->unique_user }),
			404, 'device-not-found'],
		["disconnect: a device that is not his", by_user(POST => DISCONNECT, json => { deviceId => $s->unique_user }),
			404, 'device-not-found'])
		if make_known();
	return;
}

# A first visit makes the user's row and device; what follows must store nothing more.
sub make_known {
	my ($answer) = burst($s, by_user(POST => CONNECT));
	return problem_ok($answer, 503, 'pool-empty', 'the pool is empty here');
}

sub login_fields {
	my @no_email = (undef, '', 'x', 7, [], {}, \1, '@', 'a@', '@b.example', 'a@b', 'a b@c.example', 'a@b@c.example', "a\@b.example\n",
		'a@.', 'x' x 3000 . '@b.example');
	refused(
		invalid(LOGIN, 'email', { password => 'x' }, @no_email),
		invalid(LOGIN, 'password', { email => 'a@b.example' }, undef, '', 7, [], {}, \1),
		['login: nothing', by_user(POST => LOGIN, json => {}), 422, 'invalid-field'],
		(map { ["login: $_", by_user(POST => LOGIN, json => { email => $_, password => 'x' x 3000 }), 401, 'bad-login'] }
			q(' OR 1=1--@b.example) =~ tr/ /_/r, '%@%.%', 'a@b.example', "\x{e9}\@b.example"));
	return;
}

sub queries {
	my @values = ('', 'x', '%', '%zz', '%00', "$user%00", "$user%0d%0aX-Injected:1", '%ff%fe', '%c0%af', '%0d%0a', 'x' x 2000,
		"$user%20", '%27%20OR%201%3D1', '[]', '%F0%9F%98%80');
	for my $path (MINE, QR) {
		refused(
			(map { ["$path: deviceId=" . substr($_, 0, 30), by_user(GET => "$path?deviceId=$_"), 422, 'invalid-field', {},
				sub { is $_[0]{headers}{'x-injected'}, undef, 'no header of theirs' }] } @values),
			["$path: a device that is not his", by_user(GET => "$path?deviceId=" . $s->unique_user), 404, 'device-not-found']);
	}
	my ($answer) = burst($s, by_user(GET => MINE . '?%00&&=&a=%ff&deviceid=x&' . 'b' x 2000));
	is $answer->{status}, 200, 'parameters that mean nothing are ignored' or diag $answer->{body};
	return;
}

# --- Webhooks ---

sub unsigned_webhooks {
	my $event = { event => 'message', session => 'pool-1-1', payload => {} };
	my %body = no_object();
	my @rows;
	for my $path (WEBHOOK, undef, WEBHOOK . '/' . $s->unique_user, WEBHOOK . '/x', WEBHOOK . '/' . 'x' x 64) {
		my @at = defined $path ? (path => $path) : ();
		my $name = $path // 'the server\'s own path';
		for my $signature (undef, '', 'x', '0' x 128, 'é' x 64, 'f' x 127, 'g' x 128, '0' x 5000) {
			push @rows, ["$name: signature " . substr($signature // 'none', 0, 10),
				webhook($s, $event, @at, signature => utf8_bytes($signature)), 401, 'bad-signature'];
		}
		push @rows, map { ["$name, unsigned: " . substr($_, 0, 10), webhook($s, $body{$_}, @at, signature => '0' x 128),
			401, 'bad-signature'] } sort keys %body;
	}
	refused(@rows);
	return;
}

sub utf8_bytes {
	my ($text) = @_;
	utf8::encode($text) if defined $text;
	return $text;
}

sub broken_webhooks {
	my %body = no_object();
	my @no_event = ({}, { event => '' }, { event => 7 }, { event => [] }, { event => 'x' x 101 }, { session => 'a', payload => {} });
	refused(
		(map { ["signed: $_", webhook($s, $body{$_}), 400, 'bad-json'] } sort keys %body),
		['signed: nothing', webhook($s, ''), 400, 'bad-json'],
		(map { my $w = webhook($s, $_); ["signed: $w->{body}", $w, 400, 'bad-json'] } @no_event),
		['signed, but text/plain', typed(webhook($s, { event => 'message' }), 'text/plain'), 415, 'unsupported-media-type']);
	return;
}

sub typed {
	my ($request, $type) = @_;
	$request->{headers}{'Content-Type'} = $type;
	return $request;
}

# --- Addresses ---

sub paths {
	my @unknown = qw(/api /api/ /api/whatsapp /api/whatsapp/ /api/whatsapp/connect/ /api/whatsapp/connect/x /api/whatsapp/Connect
		/api/whatsapp/nothing /api/auth /api/auth/logout /webhook/ /webhook/a/b /livez/ /readyz/x /.git/config /..%2f..%2fetc/passwd
		/api/whatsapp/connect%00 /api/whatsapp/connect%20 /api/whatsapp/connect.php /api/whatsapp/%ff /_problem /admin);
	push @unknown, '/webhook/' . 'x' x 65, '/webhook/%00', "/api/whatsapp/connect;x=1", '/api/whatsapp/"', '/<script>alert(1)</script>';
	refused(map { [$_, by_user(GET => $_), /%00|\.\./ ? (400, 'bad-request') : (404, 'not-found')] } @unknown);
	my @same = burst($s, map { request(POST => $_) } qw(/api/whatsapp/%63onnect //api//whatsapp/connect /api/x/../whatsapp/./connect));
	problem_ok($_, 401, 'unauthorized', 'an unusual spelling is the same place, and guarded') for @same;
	return;
}

sub methods {
	my %allowed = ((map { $_ => 'OPTIONS, POST' } CONNECT, DISCONNECT, LOGIN, WEBHOOK, WEBHOOK . '/' . $s->unique_user),
		(map { $_ => 'GET, HEAD, OPTIONS' } MINE, QR, '/livez', '/readyz'));
	my @rows;
	for my $path (sort keys %allowed) {
		for my $method (qw(GET POST PUT PATCH DELETE PROPFIND)) {
			next if $allowed{$path} =~ /\b$method\b/;
			push @rows, ["$method $path", by_user($method => $path), 405, 'method-not-allowed', { instance => $path },
				sub { is $_[0]{headers}{allow}, $allowed{$path}, "$method $path: Allow" }];
		}
		push @rows, ["TRACE $path", by_user(TRACE => $path), 405, 'method-not-allowed'];
	}
	refused(@rows);
	return;
}

sub head_and_options {
	my %head = (MINE, 200, QR, 409, '/livez', 200, '/nothing', 404);
	for my $path (sort keys %head) {
		my ($get, $answer) = burst($s, map { by_user($_ => $path) } 'GET', 'HEAD');
		is $answer->{status}, $head{$path}, "HEAD $path";
		is $get->{status}, $head{$path}, 'as GET';
		is $answer->{body}, '', 'without the body';
	}
	my @preflight = burst($s, map { request(OPTIONS => $_) } CONNECT, DISCONNECT, LOGIN, MINE, QR);
	is_deeply [map { "$_->{status}$_->{body}" } @preflight], [('204') x 5], 'OPTIONS: 204, no body, no token needed';
	return;
}

sub long_addresses {
	refused(
		['a long query', by_user(GET => MINE . '?a=' . 'x' x 20_000), 414, 'uri-too-long'],
		['a long path', by_user(GET => '/' . 'x' x 20_000), 414, 'uri-too-long'],
		['a long header', request(GET => MINE, token => 'x' x 20_000), 431, 'headers-too-large'],
		['a blank in the query', by_user(GET => MINE . '?a= b'), 400, 'bad-request'],
		['a broken escape', by_user(GET => '/api/whatsapp/%zz'), 400, 'bad-request'],
		['a tunnel', by_user(CONNECT => 'example.com:443'), 400, 'bad-request']);
	return;
}

sub english {
	my %en = (headers => { 'Accept-Language' => 'en', 'Content-Type' => 'application/json' });
	refused(
		['no token', request(GET => MINE, %en), 401, 'unauthorized', { title => 'Not authenticated', detail => 'Log in to continue.' }],
		['no JSON', by_user(POST => CONNECT, body => 'x', %en), 400, 'bad-json', { title => 'Invalid JSON' }],
		['a bad field', by_user(POST => CONNECT, json => { method => 'sms' }, %en), 422, 'invalid-field', { title => 'Invalid field' }],
		['no such place', by_user(GET => '/nothing', %en), 404, 'not-found', { title => 'Not found' }],
		['another method', by_user(GET => CONNECT, %en), 405, 'method-not-allowed', { title => 'Method not allowed' }]);
	return;
}

# --- Afterwards ---

sub unharmed {
	for my $name (sort keys %before) {
		is scalar $s->pids($name), $before{$name}, "$name is the process it was";
		unlike $s->log_text($name), qr/Sanitizer|assert|"level":"error"/i, 'and has nothing to complain about';
	}
	my $secrets = join '|', map { quotemeta } $token, $s->jwt_secret, 'gateway-key-of-the-tests', 'a-webhook-secret-of-the-tests';
	unlike join('', map { $s->log_text($_) } keys %before, 'nginx-access', 'nginx-error'), qr/$secrets/, 'no log holds a secret';
	is $s->http(GET => MINE, token => $token)->{status}, 200, 'my-connection answers';
	is $s->http(POST => DISCONNECT, token => $token)->{status}, 200, 'disconnect answers';
	is $s->http(POST => CONNECT, token => $token)->{status}, 503, 'connect answers';
	is $s->http(GET => QR, token => $token)->{status}, 409, 'qr answers';
	is $s->http(GET => '/livez')->{status}, 200, 'livez answers';
	my $event = webhook($s, { event => 'message', id => 'evt_1', session => 'x', payload => {} });
	is $s->http(POST => $event->{path}, %$event)->{status}, 200, 'webhook answers';
	return;
}
