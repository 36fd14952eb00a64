#!/usr/bin/perl
# Events out, end to end: from what happens to a device to a signed POST at whoever subscribed, and what
# becomes of it when he does not take it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Encode ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Fault qw(fault_stack helper helper_end link_user sim user wait_pool);
use Wapool::Process qw(find_program run_program spew wait_until);
use Wapool::Subscriber;

my $s = fault_stack(env => { GATEWAY_ALLOW_PRIVATE => '127.0.0.1', DELIVERY_TIMEOUT_MS => 6000, POOL_TARGET => 3 },
	responders => [qw(connect disconnect my-connection webhook device-webhook)]);
my $sub = Wapool::Subscriber->new;
$s->start_maintain;
wait_pool($s);

subtest 'from a scan and a message to the subscriber'      => \&whole_way;
subtest 'an event leaves when it happens'                   => \&at_once;
subtest 'registering'                                      => \&registering;
subtest 'another\'s webhook does not exist'                => \&others;
subtest 'the signature, by other implementations'          => \&signature;
subtest 'a filter'                                         => \&filter;
subtest 'rotation: both secrets sign'                      => \&rotation;
subtest 'a test delivery tells what happened'              => \&test_delivery;
subtest 'retries keep the webhook-id and the order'        => \&retries;
subtest 'Retry-After is respected, within bounds'          => \&retry_after;
subtest 'a redirect is a failure and is not followed'      => \&redirect;
subtest '410 disables'                                     => \&gone;
subtest 'long failure disables, tells, and replay works'   => \&long_failure;
subtest 'parked after the last attempt, then replayed'     => \&parked;
subtest 'a slow subscriber keeps nobody waiting'           => \&slow;
subtest 'addresses that are not public'                    => \&guard;
subtest 'kill -9 in the middle of a delivery'              => \&killed;
subtest 'two helpers at once'                              => \&two_helpers;
subtest 'nothing secret in the logs'                       => \&logs;
done_testing;

# --- Tools ---

my %secrets;

# A user with a device, whose default webhook (or the device's, of => 'device') goes to that path.
sub subscriber {
	my ($path, %opt) = @_;
	my $id = $s->unique_user;
	my $token = $s->token($id);
	$s->psql("INSERT INTO users (id) VALUES ('$id')");
	my $device = $s->psql_value("SELECT device_of('$id', NULL)");
	my $at = ($opt{of} // '') eq 'device' ? "/device/$device/webhook" : '/api/webhook';
	my $answer = $s->http(PUT => $at, token => $token,
		json => { url => $sub->url($path), $opt{events} ? (events => $opt{events}) : () });
	is $answer->{status}, 201, "$path is registered" or diag $answer->{body};
	$secrets{$path} = $answer->{json}{secret};
	return { id => $id, token => $token, device => $device, at => $at, path => $path, secret => $answer->{json}{secret} };
}

# Something happens to his device: n events of that type, numbered from `from`.
sub happens {
	my ($who, $type, $n, $from) = @_;
	my ($first, $last) = ($from // 1, ($from // 1) + ($n // 1) - 1);
	$s->psql("SELECT event_emit('$who->{id}', '$who->{device}', '$type', jsonb_build_object('n', n))
		FROM generate_series($first, $last) n");
	$s->psql('NOTIFY wapool');
	return;
}

# The time of all next attempts has come.
sub due_now {
	$s->psql('UPDATE event_subscriptions SET retry_at = NULL');
	$s->psql('UPDATE event_lanes SET due_at = now() WHERE due_at > now() AND token IS NULL');
	$s->psql('NOTIFY wapool');
	return;
}

# Waits until his n-th attempt has been written down.
sub attempts {
	my ($who, $n) = @_;
	return wait_until(10, sub { $s->psql_value("SELECT max(attempts) FROM deliveries d JOIN outbox USING (seq)
		WHERE user_id = '$who->{id}'") >= $n && settled($who) });
}

sub settled { return $s->psql_value("SELECT count(*) FROM event_lanes WHERE token IS NOT NULL AND device_id = '$_[0]{device}'") == 0 }

# The first event of that type that came to that path.
sub first_of {
	my ($path, $type) = @_;
	my ($first) = grep { $_->{json}{type} eq $type } $sub->requests($path);
	return $first;
}

sub webhook_of {
	my ($who) = @_;
	return $s->http(GET => $who->{at}, token => $who->{token})->{json}{webhook};
}

sub states {
	my ($who) = @_;
	return join ' ', map { $_->[0] } $s->psql("SELECT state FROM deliveries d JOIN outbox o USING (seq)
		WHERE o.user_id = '$who->{id}' ORDER BY seq");
}

# Seconds until his lane is due.
sub wait_of {
	my ($who) = @_;
	return $s->psql_value("SELECT extract(epoch FROM due_at - now()) FROM event_lanes WHERE device_id = '$who->{device}'");
}

# --- The whole way ---

sub whole_way {
	my $user = user($s);
	my $answer = $s->http(PUT => '/api/webhook', token => $user->{token}, json => { url => $sub->url('/whole') });
	is $answer->{status}, 201, 'a default webhook before any device is there';
	my $secret = $secrets{'/whole'} = $answer->{json}{secret};
	link_user($s, $user, '5511977777777');
	# (a look may tell of its health in between)
	ok wait_until(15, sub { first_of('/whole', 'qr.updated') }), 'a QR is there to scan';
	my $connected = wait_until(15, sub { first_of('/whole', 'device.connected') });
	ok $connected, 'and a phone is connected' or return;
	my $device = $connected->{json}{device_id};
	is $device, $s->psql_value("SELECT id FROM devices WHERE user_id = '$user->{id}'"), 'with the device_id';
	like $connected->{json}{timestamp}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/, 'and when';
	like $connected->{json}{data}{phone}, qr/\A55\d+\@c\.us\z/, 'and whose it is';
	my $name = $connected->{json}{data}{instance};

	sim($s, POST => "/_sim/sessions/$name/message", { from => '5511888888888', text => 'Olá, "mundo"' });
	my $message = wait_until(15, sub { first_of('/whole', 'message.received') });
	ok $message, 'a message arrives' or return;
	is $message->{json}{data}{text}, 'Olá, "mundo"', 'with its text';
	like $message->{json}{data}{chat}, qr/5511888888888/, 'its chat';
	ok length $message->{json}{data}{$_}, "its $_" for qw(messageId gatewayEventId);
	is $message->{json}{device_id}, $device, 'and the same device_id';
	is Wapool::Subscriber::verified($_, $secret), 1, "$_->{json}{type} is signed" for $sub->requests('/whole');

	$s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {});
	my $gone = wait_until(15, sub { first_of('/whole', 'device.disconnected') });
	ok $gone && $gone->{json}{data}{final}, 'the end is told as final';
	sleep 1;
	is scalar(grep { $_->{json}{type} eq 'message.received' } $sub->requests('/whole')), 1,
		'message and message.any of the gateway are one event';
	return;
}

# The helper is woken by the cause and waits for no minute. How long that takes is told, not judged.
sub at_once {
	my $user = user($s);
	is $s->http(PUT => '/api/webhook', token => $user->{token}, json => { url => $sub->url('/at-once'), events => ['message.received'] })->{status},
		201, 'registered';
	my $name = link_user($s, $user, '5511966666666');
	$s->group('maintain')->stop;
	my $helper = helper($s, '--for', 600);
	my @took;
	for my $n (1 .. 20) {
		sleep 0.05 + rand 0.3;
		my $began = time;
		sim($s, POST => "/_sim/sessions/$name/message", { from => '5511888888888', text => "n $n" });
		my @got = $sub->wait_for('/at-once', $n);
		is scalar @got, $n, "message $n" or return;
		push @took, $got[-1]{at} - $began;
	}
	is helper_end($helper), 0, 'by the one helper that ran all the time';
	$s->start_maintain;
	@took = sort { $a <=> $b } @took;
	diag sprintf 'from the message to its subscriber: median %.0f ms, longest %.0f ms', map { 1000 * $_ } @took[9, 19];
	return;
}

# --- The API ---

sub registering {
	my $token = $s->token($s->unique_user);
	is $s->http(GET => '/api/webhook', token => $token)->{status}, 404, 'none at first';
	is $s->http(GET => '/api/webhook')->{status}, 401, 'nor for strangers';
	for my $bad ({}, { url => 5 }, { url => '' }, { url => 'ftp://example.com' }, { url => 'https://u:p@example.com/' },
		{ url => 'http://10.0.0.1/' }, { url => 'http://169.254.169.254/latest' }, { url => 'http://[::1]/' },
		{ url => 'http://2130706434/' }, { url => 'https://example.com:22/' }) {
		my $answer = $s->http(PUT => '/api/webhook', token => $token, json => $bad);
		is $answer->{status}, 422, 'refused: ' . ($bad->{url} // 'no url');
		is $answer->{json}{errors}[0]{pointer}, '/url', 'for its url';
	}
	for my $events ([], ['nosuch'], 'device.connected', [1]) {
		my $answer = $s->http(PUT => '/api/webhook', token => $token, json => { url => 'https://example.com/', events => $events });
		is_deeply [$answer->{status}, $answer->{json}{errors}[0]{pointer}], [422, '/events'], 'a filter of known types only';
	}
	my $made = $s->http(PUT => '/api/webhook', token => $token, json => { url => $sub->url('/r'), events => ['message.ack'] });
	is $made->{status}, 201, 'made';
	like $made->{json}{secret}, qr/\Awhsec_[A-Za-z0-9+\/]{43}=\z/, 'with a secret';
	my $got = $s->http(GET => '/api/webhook', token => $token);
	unlike $got->{body}, qr/whsec_|sealed/, 'which is never shown again';
	is_deeply $got->{json}{webhook}{events}, ['message.ack'], 'the filter is';
	is $got->{json}{webhook}{active}, JSON::PP::true(), 'it is active';
	my $changed = $s->http(PUT => '/api/webhook', token => $token, json => { url => $sub->url('/r2') });
	is_deeply [$changed->{status}, $changed->{json}{webhook}{url}, $changed->{json}{webhook}{events}, $changed->{json}{secret}],
		[200, $sub->url('/r2'), undef, undef], 'put again: another address, no filter, the same secret';
	unlike $s->psql_value('SELECT string_agg(secret_sealed, $$ $$) FROM event_subscriptions'), qr/whsec_/, 'sealed in the database';
	is $s->http(DELETE => '/api/webhook', token => $token)->{status}, 200, 'removed';
	is $s->http(DELETE => '/api/webhook', token => $token)->{status}, 200, 'twice, too';
	is $s->http(GET => '/api/webhook', token => $token)->{status}, 404, 'gone';
	is $s->http(POST => "/api/webhook/$_", token => $token)->{status}, 404, "$_: nothing there" for qw(test rotate deliveries/replay);
	return;
}

sub others {
	my $ana = subscriber('/ana', of => 'device');
	my $bea = $s->token($s->unique_user);
	for my $call (['GET', ''], ['PUT', '', { url => $sub->url('/bea') }], ['DELETE', ''], ['POST', '/test'], ['POST', '/rotate'],
		['GET', '/deliveries'], ['POST', '/deliveries/replay'], ['POST', '/deliveries/evt_1/replay']) {
		my ($method, $path, $json) = @$call;
		my $answer = $s->http($method => "/device/$ana->{device}/webhook$path", token => $bea, $json ? (json => $json) : ());
		is $answer->{status}, 404, "$method $path";
	}
	is $s->http(GET => "/device/nonsense/webhook", token => $bea)->{status}, 404, 'a device that is none';
	my $admin = $s->admin_token($s->unique_user);
	is $s->http(GET => "/device/$ana->{device}/webhook", token => $admin)->{json}{webhook}{url}, $sub->url('/ana'), 'an administrator sees it';
	is webhook_of($ana)->{url}, $sub->url('/ana'), 'and it is as it was';
	return;
}

# --- Signatures ---

# What Standard Webhooks' own library says to each [secret, request].
sub by_library {
	my (@cases) = @_;
	my $dir = "$FindBin::Bin/browser";
	-e "$dir/node_modules/.package-lock.json" or die "run `make node-modules` first\n";
	my $json = JSON::PP->new->utf8;
	my ($status, $output) = run_program([find_program('node'), "$dir/webhook.js"],
		stdin => join '', map { my ($secret, $rq) = @$_; $json->encode({ secret => $secret, headers => $rq->{headers},
			body => Encode::decode('UTF-8', $rq->{body}) }) . "\n" } @cases);
	is $status, 0, 'the library runs' or diag $output;
	return split /\n/, $output;
}

sub signature {
	my $ana = subscriber('/signed');
	happens($ana, 'device.connected');
	my ($got) = $sub->wait_for('/signed', 1);
	is Wapool::Subscriber::verified($got, $ana->{secret}), 1, 'Perl: right';
	my $h = $got->{headers};
	my $key = unpack 'H*', decode_base64($ana->{secret} =~ s/\Awhsec_//r);
	my ($status, $mac) = run_program(['sh', '-c',
			'openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -binary | openssl base64 -A', 'sh', $key],
		stdin => "$h->{'webhook-id'}.$h->{'webhook-timestamp'}.$got->{body}");
	is "v1,$mac", $h->{'webhook-signature'}, 'openssl: the same';
	is Wapool::Subscriber::verified({ %$got, body => "$got->{body} " }, $ana->{secret}), 0, 'another body is not signed by it';
	my %late = (%$h, 'webhook-timestamp' => $h->{'webhook-timestamp'} - 301);
	is_deeply [by_library([$ana->{secret}, $got], [$ana->{secret}, { %$got, body => "$got->{body} " }],
			['whsec_' . encode_base64('x' x 32, ''), $got], [$ana->{secret}, { %$got, headers => \%late }])],
		['yes', ('No matching signature found') x 2, 'Message timestamp too old'], 'Standard Webhooks\' own library: the same';
	like $h->{'webhook-id'}, qr/\Aevt_[0-9a-f]{32}\z/, 'the id has no dot';
	ok abs($h->{'webhook-timestamp'} - time) < 60, 'the time is now';
	is $h->{'content-type'}, 'application/json', 'JSON';
	is_deeply [sort keys %{ $got->{json} }], [qw(data device_id timestamp type)], 'the body';
	return;
}

sub filter {
	my $ana = subscriber('/filter', events => ['message.received', 'device.connected']);
	happens($ana, $_) for qw(message.ack device.connected qr.updated message.received instance.health);
	$sub->wait_for('/filter', 2);
	sleep 0.5;
	is join(' ', map { $_->{json}{type} } $sub->requests('/filter')), 'device.connected message.received', 'only what was asked for';
	is $s->psql_value("SELECT count(*) FROM outbox WHERE user_id = '$ana->{id}'"), 2, 'nothing else is written';
	return;
}

sub rotation {
	my $ana = subscriber('/rotate');
	my $answer = $s->http(POST => "$ana->{at}/rotate", token => $ana->{token});
	is $answer->{status}, 200, 'rotated';
	my $new = $answer->{json}{secret};
	like $new, qr/\Awhsec_/, 'a new secret';
	like $answer->{json}{formerSecretUntil}, qr/\A\d{4}-/, 'and how long the old one lives';
	happens($ana, 'device.connected');
	my ($got) = $sub->wait_for('/rotate', 1);
	is Wapool::Subscriber::verified($got, $_), 1, 'each of the two signs' for $ana->{secret}, $new;
	is scalar(split / /, $got->{headers}{'webhook-signature'}), 2, 'two signatures';
	is_deeply [by_library(map { [$_, $got] } $ana->{secret}, $new)], ['yes', 'yes'], 'also to Standard Webhooks\' own library';
	$s->psql("UPDATE event_subscriptions SET former_until = now() - interval '1 s' WHERE user_id = '$ana->{id}'");
	happens($ana, 'device.connected');
	(undef, $got) = $sub->wait_for('/rotate', 2);
	is_deeply [map { Wapool::Subscriber::verified($got, $_) } $ana->{secret}, $new], [0, 1], 'after that only the new one';
	$secrets{'/rotated'} = $new;
	return;
}

sub test_delivery {
	my $ana = subscriber('/test');
	$sub->answers('/test', { status => 204 }, { status => 500, body => 'segredo do assinante' }, { sleep => 8 });
	my $try = sub { $s->http(POST => "$ana->{at}/test", token => $ana->{token}) };
	my $good = $try->();
	is_deeply [@{ $good->{json} }{qw(success delivered status)}], [JSON::PP::true(), JSON::PP::true(), 204], 'it works';
	my ($got) = $sub->requests('/test');
	is $got->{json}{type}, 'webhook.test', 'a webhook.test';
	is Wapool::Subscriber::verified($got, $ana->{secret}), 1, 'signed like any other';
	my $bad = $try->();
	is_deeply [@{ $bad->{json} }{qw(delivered status reason)}], [JSON::PP::false(), 500, 'HTTP status 500'], 'it fails';
	unlike $bad->{body}, qr/segredo/, 'what the subscriber said is not shown';
	is $try->()->{json}{delivered}, JSON::PP::false(), 'it does not answer in time';
	is $s->psql_value("SELECT count(*) FROM outbox WHERE user_id = '$ana->{id}'"), 0, 'nothing is written down';
	return;
}

# --- Failures ---

sub retries {
	my $ana = subscriber('/retry');
	# (on a kept connection that breaks, libcurl tries another one at once)
	$sub->answers('/retry', { status => 500, headers => { Connection => 'close' } }, { close => 1 }, { status => 200 });
	happens($ana, 'device.connected', 3);
	$sub->wait_for('/retry', 1);
	ok attempts($ana, 1), 'a first attempt fails';
	my $wait = wait_of($ana);
	ok $wait > 0 && $wait <= 6, "the next one comes within five seconds and a fifth ($wait)";
	is scalar $sub->requests('/retry'), 1, 'the later events wait';
	due_now();
	$sub->wait_for('/retry', 2);
	ok attempts($ana, 2), 'a second one too';
	$wait = wait_of($ana);
	ok $wait > 230 && $wait <= 360, "then five minutes ($wait)";
	happens($ana, 'device.connected', 1, 4);
	sleep 0.5;
	is scalar $sub->requests('/retry'), 2, 'a new event does not overtake';
	like webhook_of($ana)->{failingSince}, qr/\A\d{4}-/, 'the owner sees that it fails';
	due_now();
	my @got = $sub->wait_for('/retry', 6);
	is join(' ', map { $_->{json}{data}{n} } @got), '1 1 1 2 3 4', 'in order, the first one until it is taken';
	is_deeply [map { $_->{headers}{'webhook-id'} } @got[0, 1]], [($got[2]{headers}{'webhook-id'}) x 2], 'under one webhook-id';
	is scalar(grep { Wapool::Subscriber::verified($_, $ana->{secret}) == 1 } @got), 6, 'each attempt signed';
	ok wait_until(5, sub { states($ana) eq join ' ', ('delivered') x 4 }), 'all delivered';
	is webhook_of($ana)->{failingSince}, undef, 'and the failures are forgotten';
	return;
}

sub retry_after {
	my $ana = subscriber('/after');
	$sub->answers('/after', { status => 503, headers => { 'Retry-After' => 120 } }, { status => 429, headers => { 'Retry-After' => 100_000_000 } }, {});
	happens($ana, 'device.connected');
	ok attempts($ana, 1), 'told to come back in two minutes';
	my $wait = wait_of($ana);
	ok $wait > 100 && $wait <= 120, "is done ($wait)";
	due_now();
	ok attempts($ana, 2), 'told to come back in three years';
	$wait = wait_of($ana);
	ok $wait > 300 && $wait <= 600, "is not ($wait)";
	due_now();
	ok wait_until(10, sub { states($ana) eq 'delivered' }), 'delivered in the end';
	return;
}

sub redirect {
	my $ana = subscriber('/redirect');
	$sub->answers('/redirect', { status => 307, headers => { Location => $sub->url('/elsewhere') } });
	happens($ana, 'device.connected');
	ok attempts($ana, 1), 'it redirects';
	is_deeply [states($ana), scalar $sub->requests('/elsewhere')], ['pending', 0], 'that is a failure, and nobody follows';
	is webhook_of($ana)->{lastError}, 'HTTP status 307', 'the owner sees why';
	return;
}

sub gone {
	my $ana = subscriber('/gone');
	$sub->answers('/gone', { status => 410 });
	happens($ana, 'device.connected', 2);
	ok wait_until(10, sub { !webhook_of($ana)->{active} }), 'disabled';
	is webhook_of($ana)->{disabledReason}, 'it answered 410 Gone', 'with the reason';
	ok wait_until(5, sub { states($ana) eq 'parked parked' }), 'what was under way is parked';
	happens($ana, 'device.connected', 1, 3);
	sleep 0.3;
	is_deeply [states($ana), scalar $sub->requests('/gone')], ['parked parked parked', 1], 'what comes later, too: nothing is sent';
	is $s->http(POST => "$ana->{at}/deliveries/replay", token => $ana->{token})->{status}, 409, 'no replay while it is disabled';
	ok wait_until(10, sub { $s->log_text('maintain') =~ /webhook\.disabled/ }), 'the log tells'; # a moment after the row
	return;
}

sub long_failure {
	my $ana = subscriber('/long');
	$sub->answers('/long', { status => 500 });
	happens($ana, 'device.connected', 3);
	ok attempts($ana, 1), 'it fails';
	ok webhook_of($ana)->{active}, 'which is no reason yet';
	$s->psql("UPDATE event_subscriptions SET failing_since = now() - interval '121 hours' WHERE user_id = '$ana->{id}'");
	due_now();
	ok wait_until(10, sub { !webhook_of($ana)->{active} }), 'after five days it is';
	like webhook_of($ana)->{disabledReason}, qr/nothing was delivered since .*HTTP status 500/, 'said in words';
	ok wait_until(5, sub { webhook_of($ana)->{parked} == 3 }), 'three are parked';
	$sub->answers('/long', { status => 200 });
	is $s->http(PUT => $ana->{at}, token => $ana->{token}, json => { url => $sub->url('/long') })->{status}, 200, 'registered again';
	my $before = () = $sub->requests('/long');
	is $s->http(POST => "$ana->{at}/deliveries/replay", token => $ana->{token})->{json}{replayed}, 3, 'replayed';
	my @got = $sub->wait_for('/long', $before + 3);
	is join(' ', map { $_->{json}{data}{n} } @got[-3 .. -1]), '1 2 3', 'in their order';
	return;
}

sub parked {
	my $ana = subscriber('/parked');
	$sub->answers('/parked', ({ status => 400 }) x 10, { status => 200 });
	happens($ana, 'device.connected', 2);
	for my $n (1 .. 10) {
		ok attempts($ana, $n), "attempt $n";
		due_now() if $n < 10;
	}
	my @got = $sub->wait_for('/parked', 11);
	is join(' ', map { $_->{json}{data}{n} } @got), join(' ', (1) x 10, 2), 'given up after ten, then the next one goes';
	my $list = $s->http(GET => "$ana->{at}/deliveries?state=parked", token => $ana->{token})->{json}{deliveries};
	is_deeply [map { [@{$_}{qw(type state attempts error deviceId)}] } @$list],
		[['device.connected', 'parked', 10, 'HTTP status 400', $ana->{device}]], 'parked, where its owner sees it';
	is $list->[0]{id}, $got[0]{headers}{'webhook-id'}, 'by its webhook-id';
	is $s->http(POST => "$ana->{at}/deliveries/$list->[0]{id}/replay", token => $ana->{token})->{status}, 200, 'replayed';
	(undef) = @got = $sub->wait_for('/parked', 12);
	is $got[-1]{headers}{'webhook-id'}, $list->[0]{id}, 'under the same id';
	ok wait_until(5, sub { states($ana) eq 'delivered delivered' }), 'delivered';
	is $s->http(POST => "$ana->{at}/deliveries/$_/replay", token => $ana->{token})->{status}, 404, "nothing to replay: $_"
		for $list->[0]{id}, 'evt_1', 'evt_' . '0' x 32;
	my $page = $s->http(GET => "$ana->{at}/deliveries?limit=1", token => $ana->{token})->{json};
	is scalar @{ $page->{deliveries} }, 1, 'a page';
	my $rest = $s->http(GET => "$ana->{at}/deliveries?limit=1&cursor=$page->{next}", token => $ana->{token})->{json};
	is_deeply [$rest->{deliveries}[0]{id}, $rest->{next}], [$list->[0]{id}, undef], 'and the next one, the last';
	is $s->http(GET => "$ana->{at}/deliveries?$_", token => $ana->{token})->{status}, 422, "$_ is refused"
		for qw(limit=0 limit=201 limit=x state=lost cursor=x);
	return;
}

sub slow {
	my @slow = map { my $who = subscriber("/slow$_"); $sub->answers("/slow$_", { sleep => 9 }); $who } 1 .. 3;
	my $ana = subscriber('/fast');
	happens($_, 'device.connected', 3) for @slow;
	$sub->wait_for("/slow$_", 1) for 1 .. 3;
	my $asked = scalar $sub->requests('/slow1');
	happens($ana, 'device.connected', 20);
	my @got = $sub->wait_for('/fast', 20);
	is join(' ', map { $_->{json}{data}{n} } @got), join(' ', 1 .. 20), 'the fast one has all of his';
	is scalar $sub->requests('/slow1'), $asked, 'while the slow ones still think';
	ok wait_until(20, sub { ($s->psql_value("SELECT string_agg(DISTINCT last_error, ' ') FROM deliveries d JOIN outbox USING (seq)
		WHERE user_id = '$slow[0]{id}'") // '') eq 'no answer in time' }), 'no answer in time is a failure';
	return;
}

sub guard {
	my $ana = subscriber('/guard');
	# a name may lead anywhere by the time it is dialled: here the row is changed behind the API's back
	$s->psql("UPDATE event_subscriptions SET url = 'http://127.0.0.2:$sub->{port}/guard' WHERE user_id = '$ana->{id}'");
	happens($ana, 'device.connected');
	ok attempts($ana, 1), 'an attempt is made';
	is scalar $sub->requests('/guard'), 0, 'and goes nowhere';
	like webhook_of($ana)->{lastError}, qr/public/, 'the owner sees why';
	return;
}

# --- Several, killed ---

sub killed {
	my $ana = subscriber('/killed');
	$s->group('maintain')->stop;
	$sub->answers('/killed', { sleep => 5 }, {});
	happens($ana, 'device.connected', 3);
	my $helper = helper($s, qw(--for 20 deliver));
	$sub->wait_for('/killed', 1);
	kill 'KILL', $helper;
	helper_end($helper, 0);
	is $s->psql_value("SELECT count(*) FROM event_lanes WHERE token IS NOT NULL AND device_id = '$ana->{device}'"), 1, 'its lease outlives it';
	$s->psql("UPDATE event_lanes SET lease_until = now() WHERE device_id = '$ana->{device}'");
	is helper_end(helper($s, 'deliver'), 0), 0, 'another goes on';
	my @got = $sub->requests('/killed');
	is join(' ', map { $_->{json}{data}{n} } @got), '1 1 2 3', 'at least once, in order';
	is $got[0]{headers}{'webhook-id'}, $got[1]{headers}{'webhook-id'}, 'the same event has the same webhook-id';
	is states($ana), 'delivered delivered delivered', 'none is lost';
	return;
}

sub two_helpers {
	my @who = map { subscriber("/two$_") } 1 .. 4;
	happens($_, 'device.connected', 50) for @who;
	my @helpers = map { helper($s, 'deliver') } 1 .. 2;
	is_deeply [map { helper_end($_, 0) } @helpers], [0, 0], 'both end well';
	for my $n (1 .. 4) {
		is join(' ', map { $_->{json}{data}{n} } $sub->requests("/two$n")), join(' ', 1 .. 50), "subscriber $n: each once, in order";
	}
	return;
}

sub logs {
	my $log = join '', map { $s->log_text($_) } qw(maintain device-webhook webhook nginx-access);
	ok length $log, 'there are logs';
	my @told = grep { index($log, $_) >= 0 } values %secrets, 'mundo', '5511888888888';
	is_deeply \@told, [], 'without secrets, texts and numbers';
	return;
}
