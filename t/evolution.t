#!/usr/bin/perl
# The button over an Evolution API of either version, which the environment names: users notice none of it.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha512_hex);
use JSON::PP ();
use POSIX qw(strftime);
use Test::More;

use Wapool::Process qw(slurp);
use Wapool::Test qw(stack sim sim_session scan faults problem_ok eventually_ok instance_of lifecycle present_name
	free_instances server_id read_and_shown qr_of_data_uri invariants_ok burst WEBHOOK_SECRET);
use Wapool::Subscriber;

use constant { MINE => '/api/whatsapp/my-connection', POOL => 3, READER => '5511988887777' };

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $json = JSON::PP->new->utf8->canonical;
my $sub  = Wapool::Subscriber->new;
my ($s, $kind, $phones);

for my $simulated (qw(evolution2 evolution1)) {
	$kind = $simulated;
	subtest $kind => \&all;
}
done_testing;

# A look every ten minutes: what is noticed sooner came by webhook.
sub all {
	$s = stack(scale => 10, env => { SIM_KIND => $kind, POOL_TARGET => POOL, POOL_LOW => 1, POOL_STEP => 1,
		EVOLUTION_MAX_SESSIONS => 40, HEALTH_INTERVAL => 600, GATEWAY_ALLOW_PRIVATE => '127.0.0.1' });
	subtest 'the environment makes the server'        => \&server;
	subtest 'connect, scan, connected by webhook'     => \&connection;
	subtest 'many clicks at once open one socket'     => \&one_socket;
	subtest 'a message comes in'                      => \&received;
	subtest 'a message goes out, and its acks follow' => \&sent;
	subtest 'disconnect'                              => \&disconnected;
	subtest 'logged out on the phone' => \&logged_out;
	subtest 'what a real one sends'   => \&replay;
	subtest 'no key and no QR is kept' => \&nothing_secret;
	invariants_ok($s, 'in the end');
	$s->stop;
	return;
}

# A user for whom an instance is free: the pool is small, and the helper may be late.
sub somebody {
	eventually_ok('one is free', sub { free_instances($s) > 0 });
	return $s->unique_user;
}

sub connect_as { return $s->http(POST => '/api/whatsapp/connect', token => $s->token($_[0]), json => {}) }

sub mine { return $s->http(GET => MINE, token => $s->token($_[0]))->{json} }

# A user whose phone (a new one) has scanned: (user, session).
sub connected {
	my ($phone) = @_;
	my $user = somebody();
	$s->http(PUT => '/api/webhook', token => $s->token($user), json => { url => $sub->url("/$user") });
	my $name = connect_as($user)->{json}{instanceName};
	scan($s, $name, $phone // '55119' . (30_000_000 + ++$phones));
	eventually_ok('connected', sub { mine($user)->{connected} });
	return ($user, $name);
}

sub server {
	eventually_ok('the pool is full', sub { free_instances($s) == POOL });
	my ($row) = $s->psql('SELECT count(*), min(kind), min(max_sessions), count(api_key), count(api_key_sealed) FROM waha_servers');
	is_deeply $row, [1, 'evolution', 40, 0, 1], 'one, of kind evolution, its key sealed';
	is scalar @{ sim($s, GET => 'sessions') }, POOL, 'which holds as many instances';
	return;
}

sub connection {
	my $user = somebody();
	my $answer = connect_as($user);
	is $answer->{status}, 200, 'connect' or diag $answer->{body};
	my $name = $answer->{json}{instanceName};
	like qr_of_data_uri($answer->{json}{qrCode}), qr/\A2@/, 'shows a QR';
	my ($read, $shown) = read_and_shown($s, $name, sub { qr_of_data_uri(connect_as($user)->{json}{qrCode}) });
	is $read, $shown, 'that of this moment';
	ok $answer->{json}{expiresIn} > 0 && $answer->{json}{expiresIn} <= 45, 'expiresIn' or diag $answer->{body};
	is mine($user)->{connected}, JSON::PP::false(), 'not connected yet';
	scan($s, $name, '5511930000000');
	eventually_ok('connected', sub { mine($user)->{connected} });
	like mine($user)->{phoneNumber}, qr/5511930000000/, 'with his phone';
	is $s->psql_value("SELECT count(*) > 0 FROM webhook_events WHERE session = '$name' AND event = 'connection.update'
		AND outcome = 'applied'"), 't', 'by webhook';
	is connect_as($user)->{json}{connected}, JSON::PP::true(), 'another click says so';
	return;
}

# Asked to connect while it opens a socket, it opens one more, and each has QRs of its own. generation counts them.
sub one_socket {
	my $user = somebody();
	my @answers = burst($s, map { { method => 'POST', path => '/api/whatsapp/connect', token => $s->token($user), json => {} } } 1 .. 6);
	is_deeply [map { $_->{status} } @answers], [(200) x 6], 'all are answered';
	my ($name, @others) = keys %{ { map { $_->{json}{instanceName} => 1 } @answers } };
	is scalar @others, 0, 'one instance';
	is sim_session($s, $name)->{generation}, 1, 'one socket';
	is scalar(grep { qr_of_data_uri($_->{json}{qrCode}) =~ /\A2@/ } @answers), 6, 'and a QR for all';
	is $s->http(POST => '/api/whatsapp/disconnect', token => $s->token($user))->{status}, 200, 'disconnect';
	return;
}

sub received {
	my ($user, $name) = connected();
	sim($s, POST => "sessions/$name/message", { from => READER, text => 'Olá, "mundo"' });
	eventually_ok('it is stored', sub {
		$s->psql_value("SELECT count(*) FROM webhook_events WHERE session = '$name' AND event = 'messages.upsert'") == 1 });
	my $data;
	eventually_ok('and told on', sub { ($data) = told($user) });
	is $data->{text}, 'Olá, "mundo"', 'with its text';
	like $data->{chat}, qr/\A@{[READER]}\@/, 'its chat';
	ok length $data->{messageId}, 'and its id';
	my $at = '/webhook/' . server_id($s);
	my $forged = { event => 'messages.upsert', instance => $name, apikey => 'guessed', data => {} };
	problem_ok $s->http(POST => $at, json => $forged), 401, 'bad-signature', 'a forged one';
	problem_ok $s->http(POST => $at, json => $forged, headers => { 'X-Wapool-Secret' => 'guessed' }), 401, 'bad-signature',
		'by either way';
	return;
}

sub sent {
	my ($user, $name) = connected();
	my $answer = $s->http(POST => '/api/messages/send', token => $s->token($user), json => { to => READER, text => 'Oi' });
	is $answer->{status}, 200, 'sent' or return diag $answer->{body};
	my $id = $answer->{json}{messageId};
	eventually_ok('read', sub { $s->http(GET => "/api/messages/$id", token => $s->token($user))->{json}{status} eq 'read' });
	return;
}

sub logged_out {
	my ($user, $name) = connected();
	sim($s, POST => "sessions/$name/logout");
	eventually_ok('he has no instance any more', sub { !instance_of($s, $user) });
	is mine($user)->{connected}, JSON::PP::false(), 'and is told so';
	comes_back($name);
	return;
}

sub disconnected {
	my ($user, $name) = connected();
	is $s->http(POST => '/api/whatsapp/disconnect', token => $s->token($user))->{status}, 200, 'disconnect';
	is mine($user)->{connected}, JSON::PP::false(), 'at once';
	comes_back($name);
	return;
}

# The messages that his subscriber was told of.
sub told {
	my ($user) = @_;
	return map { $_->{json}{data} } grep { $_->{json}{type} eq 'message.received' } $sub->requests("/$user");
}

# The instance stands by again, and nothing of its phone is left at the gateway.
sub comes_back {
	my ($name) = @_;
	eventually_ok('emptied for the next', sub { (lifecycle($s, $name) // '') =~ /\A(?:standby|retired)\z/ });
	my $session = sim_session($s, present_name($s, $name));
	ok !$session || !$session->{linked}, 'its session has no phone';
	return;
}

# The events of a whole life, posted in their order: as 2.3.7 sent them, as 1.8's source makes them. The gateway
# itself says nothing.
sub replay {
	my ($user, $name) = connected('5511900000001');
	faults($s, { kind => 'silent', session => $name });
	eventually_ok('what it had told has arrived', sub { sim($s, GET => 'stats')->{webhooks}{pending} == 0 });
	my $before = $s->psql_value("SELECT count(*) FROM webhook_events WHERE session = '$name'");
	my $file = $kind eq 'evolution1' ? 'evolution1-webhooks.jsonl' : 'evolution-webhooks.jsonl';
	my @life = grep { $_->{instance} eq 'loja-1' } map { $json->decode($_) } split /\n/, slurp("$FindBin::Bin/fixtures/$file");
	my $all = @life;
	my $post = poster($name);
	$post->(shift @life) until $life[0]{event} eq 'status.instance';
	is mine($user)->{connected}, JSON::PP::true(), 'then he is connected';
	like mine($user)->{phoneNumber}, qr/5511900000001/, 'with the phone they told of';
	eventually_ok('what was said to it is told on', sub { told($user) });
	is_deeply [map { $_->{text} } told($user)], ['oi, tudo bem?'], 'once, and what we say is not';
	sim($s, POST => "sessions/$name/logout");
	$post->($_) for @life;
	eventually_ok('in the end he has no instance', sub { !instance_of($s, $user) });
	is $s->psql_value("SELECT count(*) FROM webhook_events WHERE session = '$name'") - $before, $all, 'each is stored once';
	comes_back($name);
	faults($s);
	return;
}

# Each event carries its instance's key, which is as good as ours, and some a QR that nobody has scanned yet.
sub nothing_secret {
	my $holds = sub { $s->psql_value("SELECT count(*) FROM webhook_events WHERE payload::text LIKE '%$_[0]%'") };
	cmp_ok $holds->('"qrcode.updated"'), '>', 0, 'QRs were told';
	is $holds->($_), 0, "no $_ is stored" for '"apikey"', '"2@', 'base64,', substr WEBHOOK_SECRET, 0, 10;
	cmp_ok $holds->('mundo'), '>', 0, 'the rest is';
	return;
}

# Posts a recorded event as the gateway of that session would, a moment after the one before.
sub poster {
	my ($name) = @_;
	my ($id, $time) = (server_id($s), time + 1);
	my ($url, $generation) = ($s->http_url . "/webhook/$id",
		$s->psql_value("SELECT generation FROM instances WHERE name = '$name'"));
	my $key = $s->psql_value('SELECT id FROM installation') . '.' . substr hmac_sha512_hex($name, WEBHOOK_SECRET), 0, 32;
	my $n = 0;
	return sub {
		my %event = %{ $_[0] };
		$n++;
		my @at = gmtime $time + int $n / 10;
		@event{qw(instance apikey destination date_time)} = ($name, $key, "$url?generation=$generation",
			strftime('%Y-%m-%dT%H:%M:%S', @at) . sprintf '.%d00Z', $n % 10);
		my $answer = $s->http(POST => "/webhook/$id", json => \%event,
			headers => { $kind eq 'evolution2' ? ('X-Wapool-Secret' => WEBHOOK_SECRET) : () });
		return is($answer->{status}, 200, $event{event}) || diag $answer->{body};
	};
}
