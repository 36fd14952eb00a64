#!/usr/bin/perl
# The simulator's GOWA against what is known of the real one: answers, states, webhooks, faults.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256_hex);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Test qw(qr_of_png);

my $sim = ($ENV{WAPOOL_BUILD} // 'build') . '/sim/wapool-sim';
BAIL_OUT("$sim is not built") unless -x $sim;

my $PATIENCE = 15;    # seconds before a condition counts as never coming
my $json     = JSON::PP->new->utf8->canonical;
my %AUTH     = (Authorization => 'Basic ' . encode_base64('admin:pw', ''));
my ($sim_pid, $out);
$sim_pid = open($out, '-|', $sim, qw(--port 0 --kind gowa --time-scale 20 --api-key admin:pw)) or die "$sim: $!";
my ($base) = (readline($out) // '') =~ m{^wapool-sim listening on (http://127\.0\.0\.1:\d+)$}
	or BAIL_OUT('the simulator does not start');
my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 30, max_redirect => 0);

END {
	my $status = $?;
	kill 'KILL', $sim_pid if $sim_pid;
	close $out if $out;
	$? = $status;
}

# A call: the status, the decoded body (undef if it is no JSON), the raw answer.
sub call {
	my ($method, $path, $body, %headers) = @_;
	my %options = (headers => { %AUTH, %headers });
	if (defined $body) {
		$options{headers}{'Content-Type'} = 'application/json';
		$options{content} = $json->encode($body);
	}
	my $r = $http->request($method, $path =~ /^http:/ ? $path : $base . $path, \%options);
	return ($r->{status}, scalar eval { $json->decode($r->{content}) }, $r);
}

# "<status> <code> <message>" of an answer.
sub said {
	my ($status, $body, $r) = call(@_);
	return join ' ', $status, $body ? @$body{qw(code message)} : $r->{content};
}

sub results { return (call(@_))[1]{results} }

sub state_of { return results(GET => "/devices/$_[0]")->{state} }

sub control { return (call(@_[0, 1], $_[2] // {}))[1] }

sub eventually {
	my ($check) = @_;
	my $end = time + $PATIENCE;
	while (time < $end) {
		my $got = $check->();
		return $got if $got;
		sleep 0.02;
	}
	return;
}

sub paired {
	my ($name, %webhook) = @_;
	call(POST => '/devices', { device_id => $name, %webhook });
	call(GET => "/devices/$name/login");
	control(POST => "/_sim/sessions/$name/scan", { phone => '5511999990000', pushName => 'Maria' });
	eventually(sub { state_of($name) eq 'logged_in' }) or BAIL_OUT("$name does not connect");
	return;
}

subtest 'Basic authentication, but for health and pictures' => sub {
	my ($status, $body, $r) = call(GET => '/devices', undef, Authorization => 'Basic eDp5');
	is "$status $r->{content}", '401 Unauthorized', 'another key: plain text';
	is $body, undef, 'which is no JSON';
	is((call(GET => '/health', undef, Authorization => ''))[2]{content}, 'OK', 'health is for all');
	is results(GET => '/app/info')->{version}, 'v9.2.0', 'the version';
	like said(GET => '/nosuch'), qr{^404 Cannot GET /nosuch}, 'an unknown path';
};

subtest 'devices' => sub {
	is results(GET => '/devices'), undef, 'none are null';
	my $made = results(POST => '/devices', { device_id => 'a' });
	is_deeply [map { $made->{$_} } qw(id display_name jid state)], ['a', '', '', 'disconnected'], 'made with empty members';
	like $made->{created_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'and its time';
	is said(POST => '/devices', { device_id => 'a' }), '500 INTERNAL_SERVER_ERROR device a already exists', 'twice: a 500';
	is_deeply [sort keys %{ results(GET => '/devices')->[0] }], [qw(created_at id state)], 'listed without empty members';
	is said(GET => '/devices/zz'), '500 INTERNAL_SERVER_ERROR device zz not found', 'an unknown one: a 500';
	is said(GET => '/devices/zz/webhook'), '404 NOT_FOUND device not found', 'but of its webhook: a 404';
	is said(DELETE => '/devices/zz'), '200 SUCCESS Device removed', 'removing it succeeds';
	is said(DELETE => '/devices/a'), '200 SUCCESS Device removed', 'as does the other';
	like results(POST => '/devices', {})->{id}, qr/^device-/, 'without a name it gets one';
	control(POST => '/_sim/reset');
};

subtest 'pairing by a picture' => sub {
	call(POST => '/devices', { device_id => 'p' });
	is said(POST => '/devices/p/reconnect'), '500 INTERNAL_SERVER_ERROR device p client not initialized', 'nothing to reconnect';
	my $login = results(GET => '/devices/p/login');
	is_deeply [@$login{qw(device_id qr_duration)}], ['p', 30], 'login';
	my (undef, undef, $picture) = call(GET => $login->{qr_link}, undef, Authorization => '');
	is $picture->{headers}{'content-type'}, 'image/png', 'links to a picture, for all';
	my $raw = control(GET => '/_sim/sessions?name=p')->[0]{qr};
	is qr_of_png($picture->{content}), $raw, 'of the QR';
	is state_of('p'), 'connected', 'the socket is up, nobody is paired';
	ok !results(GET => '/devices/p/status')->{is_connected}, 'which `status` does not show';
	my $again = results(GET => '/devices/p/login');
	is said(GET => $login->{qr_link}), '404 Not Found', 'another login takes the picture away';
	isnt control(GET => '/_sim/sessions?name=p')->[0]{qr}, $raw, 'and the QR with it';
	control(POST => '/_sim/sessions/p/scan', { phone => '5511999990000', pushName => 'Maria' });
	ok eventually(sub { state_of('p') eq 'logged_in' }), 'scanned: logged in';
	my $device = results(GET => '/devices/p');
	is_deeply [@$device{qw(display_name phone_number jid)}], ['Maria', '5511999990000', '5511999990000:7@s.whatsapp.net'],
		'with its phone';
	is said(GET => '/devices/p/login'), '400 ALREADY_LOGGED_IN you are already logged in', 'no QR for it';
	is said(POST => '/devices/p/logout'), '200 SUCCESS Logout requested', 'logout';
	is results(GET => '/devices/p')->{jid}, undef, 'keeps the slot, without a phone';
	like said(POST => '/devices/p/reconnect'), qr/^500 .*is not logged in \(session deleted\)$/, 'nothing to reconnect';
	control(POST => '/_sim/reset');
};

subtest 'a run ends by itself' => sub {
	call(POST => '/devices', { device_id => 'p' });
	call(GET => '/devices/p/login');
	ok eventually(sub { state_of('p') eq 'disconnected' }), 'after 160 s: disconnected';
	call(GET => '/devices/p/login');
	control(POST => '/_sim/restart', { downMs => 100 });
	ok eventually(sub { (eval { state_of('p') } // '') eq 'disconnected' }), 'and with its process';
	sleep 0.3;
	is state_of('p'), 'disconnected', 'for good';
	control(POST => '/_sim/reset');
};

subtest 'pairing by a code' => sub {
	call(POST => '/devices', { device_id => 'p' });
	like said(POST => '/devices/p/login/code'), qr/^400 VALIDATION_ERROR/, 'a number is needed';
	my $code = results(POST => '/devices/p/login/code?phone=5511999990000')->{pair_code};
	like $code, qr/^[A-Z0-9]{4}-[A-Z0-9]{4}$/, 'a code';
	is control(GET => '/_sim/sessions?name=p')->[0]{code}, $code, 'of this run';
	control(POST => '/_sim/reset');
};

subtest 'a network that goes and comes' => sub {
	paired('p');
	control(POST => '/_sim/sessions/p/drop');
	is state_of('p'), 'disconnected', 'gone';
	ok results(GET => '/devices/p')->{jid}, 'still paired';
	is said(GET => '/devices/p/login') =~ s/ your.*//r, '500 SESSION_SAVED_ERROR', 'so there is no QR';
	control(POST => '/_sim/sessions/p/restore');
	ok eventually(sub { state_of('p') eq 'logged_in' }), 'back by itself';
	control(POST => '/_sim/restart', { downMs => 100 });
	ok eventually(sub { (eval { state_of('p') } // '') eq 'logged_in' }), 'also after a restart';
	control(POST => '/_sim/sessions/p/logout');
	is_deeply [@{ results(GET => '/devices/p') }{qw(state jid)}], ['disconnected', undef], 'logged out on the phone';
	control(POST => '/_sim/reset');
};

subtest 'sending is scoped to a device' => sub {
	my $hi = { phone => '5511988887777', message => 'oi' };
	like said(POST => '/send/message', $hi), qr/^400 DEVICE_ID_REQUIRED/, 'none at all: the name is missing';
	call(POST => '/devices', { device_id => 'idle' });
	like said(POST => '/send/message', $hi), qr/^401 AUTHENTICATION_ERROR/, 'the only one may go without, but is not logged in';
	paired('p');
	like said(POST => '/send/message', $hi), qr/^400 DEVICE_ID_REQUIRED/, 'one of two';
	like said(POST => '/send/message', $hi, 'X-Device-Id' => 'zz'), qr/^404 DEVICE_NOT_FOUND/, 'an unknown one';
	like results(POST => '/send/message', $hi, 'X-Device-Id' => 'p')->{message_id}, qr/^3EB0/, 'by its slot';
	like results(POST => '/send/message', $hi, 'X-Device-Id' => '5511999990000@s.whatsapp.net')->{message_id}, qr/^3EB0/,
		'by its JID';
	like said(POST => '/send/message', { phone => '5511988887777' }, 'X-Device-Id' => 'p'), qr/^400 VALIDATION_ERROR/, 'a text';
	control(POST => '/_sim/reset');
};

subtest 'webhooks' => sub {
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die "listen: $!";
	my $url = 'http://127.0.0.1:' . $listener->sockport . '/hook';
	paired('p', webhook_url => $url, webhook_secret => 's3cret', webhook_events => 'message,message.ack');
	is results(GET => '/devices/p/webhook')->{webhook_url}, $url, 'kept';
	control(POST => '/_sim/sessions/p/message', { from => '5511988887777', text => 'oi' });
	my ($headers, $body) = receive($listener);
	my $event = $json->decode($body);
	is_deeply [@$event{qw(event device_id session_id)}], ['message', '5511999990000@s.whatsapp.net', 'p'], 'a message';
	is_deeply [@{ $event->{payload} }{qw(body chat_id is_from_me)}],
		['oi', '5511988887777@s.whatsapp.net', JSON::PP::false()], 'what it says';
	is $headers->{'x-hub-signature-256'}, 'sha256=' . hmac_sha256_hex($body, 's3cret'), 'signed';
	call(POST => '/send/message', { phone => '5511988887777', message => 'oi' }, 'X-Device-Id' => 'p');
	my @acks = map { $json->decode((receive($listener))[1]) } 1 .. 2;
	is_deeply [sort map { $_->{payload}{receipt_type} } @acks], [qw(delivered read)], 'receipts of what is sent'; # in any order
	like said(PATCH => '/devices/p/webhook', {}), qr/^400 BAD_REQUEST webhook_url is required/, 'changing needs a URL';
	is results(PATCH => '/devices/p/webhook', { webhook_url => '' })->{webhook_url}, '', 'an empty one clears it';
	control(POST => '/_sim/reset');
};

subtest 'faults have its shape' => sub {
	call(POST => '/devices', { device_id => 'p' });
	my $fault = sub { call(PUT => '/_sim/faults', { faults => [{@_}] }) };
	$fault->(kind => 'status', status => 500, path => '/devices');
	is said(GET => '/devices'), '500 INTERNAL_SERVER_ERROR Simulated fault', 'an error';
	$fault->(kind => 'status', status => 429, path => '/devices');
	is said(GET => '/devices'), '429 WA_REACHOUT_TIMELOCK Simulated fault', 'too many';
	$fault->(kind => 'unauthorized', path => '/devices');
	is said(GET => '/devices'), '401 Unauthorized', 'no access';
	$fault->(kind => 'ghost');
	is said(GET => '/devices/p'), '500 INTERNAL_SERVER_ERROR device p not found', 'a ghost';
	is scalar @{ results(GET => '/devices') }, 1, 'is listed';
	$fault->(kind => 'stuck_starting', session => 'p');
	is said(GET => '/devices/p/login'), '504 GATEWAY_TIMEOUT context deadline exceeded', 'a login that hangs';
	$fault->(kind => 'latency', ms => 1);
	control(POST => '/_sim/reset');
};

done_testing;

# One request to a webhook: its headers and its body.
sub receive {
	my ($listener) = @_;
	local $SIG{ALRM} = sub { die "no webhook came\n" };
	alarm $PATIENCE;
	my $client = $listener->accept or die "accept: $!";
	my ($buffer, $length) = ('');
	while (!defined $length || length $buffer < $length) {
		sysread($client, $buffer, 65536, length $buffer) or last;
		$length = $+[0] + ($buffer =~ /^content-length: *(\d+)/im ? $1 : 0) if !defined $length && $buffer =~ /\r\n\r\n/;
	}
	alarm 0;
	syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
	return ({ map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () } split /\r\n/, $head }, $body);
}
