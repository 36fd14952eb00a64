#!/usr/bin/perl
# Canaries in every input: every route of every handler, every webhook, every answer of a gateway. None may sing in
# a log, in /metrics, in the public part of /health/instances, or in the body of an error. Routes are read from the
# handlers, so a new one is tested the day it comes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Test::More;

use Wapool::Fault qw(connect_user fault_stack helper helper_end link_user sim time_passes user wait_pool webhook_body webhook_post);
use Wapool::Process qw(random_hex slurp spew wait_until);

my %canary = map { $_ => "canary${_}x" . random_hex(6) }
	qw(password token apikey email text pushname cookie query agent referer idempotency claim hmac member gatewaymessage gatewayheader qr code title);
my %phone = (paired => '5511' . digits(9), pairing => '5521' . digits(9), sender => '5531' . digits(9), gateway => '5541' . digits(9));
sub digits { return join '', map { int rand 10 } 1 .. $_[0] }

my $s = fault_stack(env => {
		WEBHOOK_SECRET => 'canarysecretx' . random_hex(8), LOG_LEVEL => 'debug', CONNECT_DEADLINE_MS => 700, GATEWAY_TIMEOUT_MS => 300,
		REQUEST_DEADLINE_MS => 1000, POOL_TARGET => 4, POOL_LOW => 1, GATEWAY_ALLOW_PRIVATE => '127.0.0.0/8' });
$canary{secret} = $s->environment->{WEBHOOK_SECRET};
my $helper = helper($s, '--for', 600);
# with deadlines this short the gateway may seem to be down for a moment; nobody waits for its next look
wait_until(90, sub { time_passes($s); wait_pool($s, undef, 1) }) or BAIL_OUT('the pool was never filled');

my $json = JSON::PP->new->utf8->canonical;
my $user  = user($s);
my %bearer = (
	nobody => undef, user => $user->{token}, admin => $s->admin_token($s->unique_user, email => "$canary{email}\@example.com"),
	stranger => $s->token($s->unique_user, email => "$canary{email}\@example.com", claim => $canary{claim}),
	expired => $s->token($user->{id}, exp => 1, claim => $canary{claim}), nonsense => "$canary{token}.$canary{token}.$canary{token}");
my @bodies;    # of every answer that is an error
my $gateway = Gateway->start(\%canary, \%phone);

subtest 'a phone, its messages and its name'   => \&phone;
subtest 'every route, with every kind of body' => \&all_routes;
subtest 'every kind of webhook'                => \&webhooks;
subtest 'every kind of answer of a gateway'    => \&gateways;
subtest 'no error quotes one'                  => sub { silent('errors', join "\n", @bodies) };
subtest 'nor do /metrics and /health/instances' => \&public;
$s->restart_responder($_) for qw(webhook connect);
subtest 'nor does a log'                       => \&logs;
done_testing;

# --- Planting ---

sub ask {
	my ($method, $path, %opt) = @_;
	$opt{headers} = {
		Cookie => "s=$canary{cookie}", Referer => "https://x.example/?$canary{referer}", 'User-Agent' => $canary{agent},
		'X-Api-Key' => $canary{apikey}, 'Accept-Language' => "en;q=0.5, $canary{query}", 'X-Request-Id' => $canary{idempotency},
		%{ $opt{headers} || {} } };
	my $answer = $s->http($method, "$path?token=$canary{query}&deviceId=$canary{query}&cursor=$canary{query}&q=$canary{query}", timeout => 20, %opt);
	push @bodies, "$method $path: $answer->{body}" if $answer->{status} >= 400;
	return $answer;
}

sub phone {
	my $name = wait_until(60, sub { time_passes($s); scalar link_user($s, $user, $phone{paired}) }) or return fail('a phone connects');
	is +(sim($s, POST => "/_sim/sessions/$name/message", { from => $phone{sender}, text => $canary{text} }))[0], 200, 'a message comes';
	ok wait_until(20, sub { $s->psql_value(q{SELECT count(*) FROM webhook_events WHERE event = 'message'}) }), 'and is stored';
	$s->psql("UPDATE instances SET profile_name = '$canary{pushname}' WHERE name = '$name'");
	return;
}

# [METHOD, path] of every handler's table. A path is logged, so what stands in its place is no secret.
sub every_route {
	my @found;
	for my $file (glob "$s->{root}/handlers/*.c") {
		my $text = slurp($file);
		my %name = $text =~ /^#define (\w+) "(\/[^"]*)"/mg;
		push @found, [$1, $2 // $name{$3}] while $text =~ /^\t\{"([A-Z]+)", (?:"([^"]+)"|(\w+)), /mg;
	}
	return map { [$_->[0], $_->[1] =~ s/\{[^}]+\}/$s->unique_user/ger] } @found;
}

# What a client can write into a body: all members that the API knows, wrong and right, broken, and of another type.
sub every_body {
	my %all = (email => "$canary{email}\@example.com", password => $canary{password}, phoneNumber => $phone{pairing}, api_key => $canary{apikey},
		webhook_secret => $canary{secret}, token => $canary{token}, secret => $canary{secret}, text => $canary{text}, to => $phone{sender},
		url => "https://$canary{member}.example/$canary{token}?key=$canary{apikey}", odd => $canary{member});
	my %server = (nome => 'canaries', api_url => $gateway->{url}, api_key => $canary{apikey}, webhook_secret => $canary{secret});
	return (
		{ json => \%all }, { json => { %all, method => $canary{member}, deviceId => $canary{member}, nome => $canary{member} x 30, api_url => $canary{member},
				timeout => $canary{member}, events => [$canary{member}], kind => $canary{member}, url => [$canary{member}] } },
		{ json => { method => 'code', phoneNumber => $phone{pairing} } }, { json => { method => 'code', phoneNumber => "$phone{pairing}$canary{text}" } },
		{ json => \%server }, { json => { %server, api_url => "http://u:$canary{password}\@127.0.0.1/" } },
		{ body => substr($json->encode(\%all), 0, -3), headers => { 'Content-Type' => 'application/json' } },
		{ body => $json->encode([\%all]), headers => { 'Content-Type' => 'application/json' } },
		{ body => "password=$canary{password}", headers => { 'Content-Type' => 'application/x-www-form-urlencoded' } });
}

sub all_routes {
	my @routes = every_route();
	cmp_ok scalar @routes, '>=', 12, scalar(@routes) . ' routes';
	my %seen;
	for my $route (@routes) {
		my ($method, $path) = @$route;
		for my $who (sort keys %bearer) {
			my @auth = defined $bearer{$who} ? (token => $bearer{$who}) : ();
			my @wish = $method =~ /\A(?:GET|HEAD|DELETE)\z/ ? {} : every_body();
			@wish = @wish[0, -3] if @wish > 1 && $who !~ /\A(?:user|admin)\z/;
			$seen{ ask($method, $path, @auth, %$_, headers => { 'Idempotency-Key' => $canary{idempotency} . random_hex(4), %{ $_->{headers} || {} } })->{status} }++ for @wish;
		}
	}
	note join ', ', map { "$seen{$_} x $_" } sort keys %seen;
	ok $seen{$_}, "some were $_" for 200, 400, 401, 422;
	is $seen{599} // 0, 0, 'each was answered';
	return;
}

sub webhooks {
	my %inside = (from => "$phone{sender}\@c.us", body => $canary{text}, code => $canary{code}, qr => $canary{qr}, status => $canary{member},
		_data => { notifyName => $canary{pushname} });
	my %seen;
	for my $event ('message', 'session.status', 'status.instance', 'message.ack', 'qr', 'odd.event') {
		my $body = webhook_body(event => $event, session => 'nobody', payload => \%inside, me => { id => "$phone{sender}\@c.us", pushName => $canary{pushname} },
			metadata => { $canary{member} => $canary{member}, 'wapool.generation' => $canary{member} });
		for my $try ([$body, $canary{secret}], [$body, 'another secret'], [substr($body, 0, -2), $canary{secret}], ["[$body]", $canary{secret}]) {
			my $answer = webhook_post($s, $try->[0], secret => $try->[1], path => '/webhook');
			push @bodies, $answer->{body} if $answer->{status} >= 400;
			$seen{ $answer->{status} }++;
		}
	}
	ok $seen{$_}, "some were $_" for 200, 400, 401;
	return;
}

# A user of a server whose every word is a canary: he connects, the helper looks, an administrator tests.
sub gateways {
	helper_end($helper) // fail('the helper does not end');
	my $owner = user($s);
	connect_user($s, $owner);    # makes his row; what he got of the pool goes back
	$s->http(POST => '/api/whatsapp/disconnect', token => $owner->{token}, json => {});
	my $server = $s->psql_value("INSERT INTO waha_servers (user_id, nome, api_url, api_key, webhook_secret, max_sessions)
		VALUES ('$owner->{id}', 'odd', '$gateway->{url}', '$canary{apikey}', '$canary{secret}', 50) RETURNING id");
	$s->psql("INSERT INTO instances (name, server_id, origin, lifecycle) SELECT 'odd-' || g, '$server', 'user', 'standby' FROM generate_series(1, 12) g");
	for my $mode (Gateway::modes()) {
		$gateway->mode($mode);
		my $since = $s->psql_value("UPDATE waha_servers SET health = 'up', failures = 0, check_next_at = now(), check_lease_until = NULL
			WHERE id = '$server' RETURNING now()");
		for my $body ({}, { method => 'code', phoneNumber => $phone{pairing} }) {
			my $answer = $s->http(POST => '/api/whatsapp/connect', token => $owner->{token}, json => $body);
			push @bodies, $answer->{body} if $answer->{status} >= 400;
		}
		my $qr = $s->http(GET => '/api/whatsapp/qr', token => $owner->{token});
		push @bodies, $qr->{body} if $qr->{status} >= 400;
		my (undef, $said) = $s->maintain('reconcile');
		silent("$mode: a look", $said);
		is $s->psql_value("SELECT coalesce(checked_at > '$since', false) OR failures > 0 FROM waha_servers WHERE id = '$server'"), 't', "$mode: it was looked at";
		$s->http(POST => '/api/whatsapp/disconnect', token => $owner->{token}, json => {});
	}
	cmp_ok $gateway->requests, '>', 20, 'it was asked ' . $gateway->requests . ' times';
	silent('what is kept about the server', join ' ', map { $_ // '' } map { @$_ }
		$s->psql("SELECT health_reason FROM waha_servers UNION SELECT reason FROM instance_events UNION SELECT last_error FROM instances"));
	$gateway->stop;
	return;
}

# --- Listening ---

sub found_in {
	my ($text, %secret) = @_;
	return grep { index($text, $secret{$_}) >= 0 || index($text, substr encode_base64($secret{$_}, ''), 0, -4) >= 0 } sort keys %secret;
}

sub secrets {
	return (%canary, (map { ("phone $_" => $phone{$_}) } keys %phone),
		(map { ("token of $_" => $bearer{$_}) } grep { defined $bearer{$_} } keys %bearer), 'key of the gateway' => $s->sim_key);
}

sub silent {
	my ($what, $text) = @_;
	my %secret = secrets();
	my @found = found_in($text, %secret);
	return is("@found", '', $what) || diag map {
		my $secret = $secret{$_};
		my ($line) = grep { /\Q$secret\E/ } split /\n/, $text;
		"$_: " . substr($line // 'in base64', 0, 500) . "\n" } @found;
}

sub public {
	is join(' ', found_in("x$canary{text}y " . encode_base64($canary{apikey}), secrets())), 'apikey text', 'what is planted is found';
	my $metrics = $s->http(GET => '/metrics');
	is $metrics->{status}, 200, '/metrics';
	silent('/metrics', $metrics->{body});
	silent('/metrics as OpenMetrics', $s->http(GET => '/metrics', headers => { Accept => 'application/openmetrics-text' })->{body});
	silent("/health/instances for $_->[0]", $s->http(GET => '/health/instances', @$_[1 .. $#$_])->{body})
		for ['anyone'], ['a user', token => $user->{token}];
	my $list = $s->http(GET => '/health/instances', token => $bearer{admin});
	cmp_ok scalar @{ $list->{json}{instances} }, '>', 4, 'an administrator sees the instances';
	silent('and no canary either', $list->{body});
	return;
}

sub logs {
	my $bytes = 0;
	for my $log (glob "$s->{var}/log/*") {
		my $text = slurp($log);
		$bytes += length $text;
		silent($log =~ s{.*/}{}r, $text);
	}
	cmp_ok $bytes, '>', 50_000, "$bytes bytes were searched";
	return;
}

# --- A gateway that talks too much ---

package Gateway;

sub modes { return qw(unauthorized refused broken garbage inband sessions long) }

sub start {
	my ($class, $canary, $phone) = @_;
	my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64, ReuseAddr => 1) or die "listen: $@";
	my $self = bless { url => 'http://127.0.0.1:' . $listen->sockport, dir => "$s->{var}/run", canary => $canary, phone => $phone }, $class;
	$self->mode('sessions');
	$self->{pid} = fork // die "fork: $!";
	return $self if $self->{pid};
	$SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);    ## no critic
	while (my $client = $listen->accept) {
		eval { local $SIG{ALRM} = sub { die "slow\n" }; alarm 5; $self->serve($client); alarm 0; 1 } || alarm 0;
		close $client;
	}
	POSIX::_exit(0);
}

sub mode {
	my ($self, $mode) = @_;
	return main::spew("$self->{dir}/odd-mode", $mode, 0644);
}

sub requests { return length main::slurp("$_[0]{dir}/odd-count") }

sub stop {
	my ($self) = @_;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

sub serve {
	my ($self, $client) = @_;
	my ($head, $length) = ('', 0);
	while (my $line = <$client>) {
		last if $line =~ /\A\r?\n\z/;
		$head .= $line;
		$length = $1 if $line =~ /\AContent-Length: (\d+)/i;
	}
	read $client, my $body, $length if $length;
	open my $count, '>>', "$self->{dir}/odd-count" or die;
	print {$count} '.';
	close $count;
	my ($status, $text) = $self->answer($head =~ m{\A\S+ (\S+)}, main::slurp("$self->{dir}/odd-mode"));
	my $c = $self->{canary};
	print {$client} "HTTP/1.1 $status $c->{gatewaymessage}\r\nX-Odd: $c->{gatewayheader}\r\nLocation: https://$c->{gatewayheader}.example/\r\n"
		. "Content-Type: application/json\r\nConnection: close\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
	return;
}

sub answer {
	my ($self, $path, $mode) = @_;
	my ($c, $p) = @$self{qw(canary phone)};
	my $error = { statusCode => 500, message => "$c->{gatewaymessage} $c->{apikey} $p->{gateway}", error => $c->{gatewaymessage},
		exception => { message => $c->{gatewaymessage}, stack => $c->{gatewaymessage} } };
	return (401, $json->encode($error)) if $mode eq 'unauthorized';
	return (422, $json->encode($error)) if $mode eq 'refused';
	return (500, $json->encode($error)) if $mode eq 'broken';
	return (200, "<html>$c->{gatewaymessage} $c->{apikey}") if $mode eq 'garbage';
	return (200, $json->encode({ success => JSON::PP::false, %$error })) if $mode eq 'inband';
	return (200, '["' . $c->{gatewaymessage} x 200_000 . '"]') if $mode eq 'long';
	my $session = sub { { name => $_[0], status => 'SCAN_QR_CODE', me => { id => "$p->{gateway}\@c.us", pushName => $c->{pushname} }, config => { x => $c->{text} } } };
	return (200, $json->encode({ version => '2026.1.1', engine => $c->{member}, tier => $c->{member} })) if $path =~ /version/;
	return (200, $json->encode({ mimetype => 'text/plain', value => $c->{qr}, data => $c->{qr}, code => $c->{code} })) if $path =~ /qr|code/;
	return (200, $json->encode([map { $session->($_) } 'odd-1', 'odd-2', $c->{title}])) if $path =~ m{/sessions/?(?:\?|\z)};
	return (200, $json->encode($session->($path =~ m{/sessions/([^/?]+)} ? $1 : 'odd-1')));
}
