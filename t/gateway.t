#!/usr/bin/perl
# The contract of lib/gateway.h: the whole life of a session through the driver of every kind, against the
# simulator of that kind. What a kind cannot do is said in %kinds, and nowhere else.
use strict;
use warnings;

use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $build = $ENV{WAPOOL_BUILD} // 'build';
my ($sim, $drive) = ("$build/sim/wapool-sim", "$build/t/driver/drive");
-x $_ || BAIL_OUT("$_ is not built") for $sim, $drive;

# simulated as => driver, and what differs
my %kinds = (
	gowa       => {driver => 'gowa',      version => qr/\Av9\./, cannot => {stop => 1, own => 1}},
	waha       => {driver => 'waha',      version => qr/\A2026/},
	evolution1 => {driver => 'evolution', version => qr/\A1\./, cannot => {stop => 1, list_pairing => 1}},
	evolution2 => {driver => 'evolution', version => qr/\A2\./, cannot => {stop => 1}},
);
my $KEY = 'the-global-key';
my $dir = tempdir(CLEANUP => 1);
my ($pid, $url);
my $http = HTTP::Tiny->new(timeout => 30);

END {
	my $status = $?;
	if ($pid) { kill 'KILL', $pid; waitpid $pid, 0 }
	$? = $status;
}

sub start_sim {
	$pid = open my $out, '-|', $sim, '--port', 0, '--api-key', $KEY, '--time-scale', 20 or die "cannot run $sim: $!";
	my $line = <$out> // die 'the simulator does not start';
	($url) = $line =~ m{(http://\S+)} or die "no address in: $line";
	return $out;
}

# The control API of the gateway that is named as its kind.
sub control {
	my ($kind, $method, $path, $body) = @_;
	my $r = $http->request($method, "$url/s/$kind/_sim/$path",
		{$body ? (content => encode_json($body), headers => {'Content-Type' => 'application/json'}) : ()});
	$r->{success} or die "$method $path: $r->{status} $r->{content}";
	return decode_json($r->{content});
}

# One of its sessions, as it sees it.
sub simulated {
	my ($kind, $name) = @_;
	my ($session) = grep { $_->{name} eq $name } @{control($kind, GET => 'sessions')};
	return $session;
}

sub drive_with {
	my ($env, $kind, @args) = @_;
	local @ENV{keys %$env} = values %$env;
	my $key = delete $ENV{DRIVE_KEY} // $KEY;
	open my $out, '-|', $drive, $kinds{$kind}{driver}, "$url/s/$kind", $key, @args or die "cannot run $drive: $!";
	my $line = do { local $/; <$out> };
	close $out or die "$drive @args: status $?";
	return JSON::PP->new->utf8->decode($line);
}

my %our = (WEBHOOK_URL => 'http://127.0.0.1:9/webhook/x', WEBHOOK_SECRET => 'the-webhook-secret');
sub drive { return drive_with({%our}, @_) }

sub does {
	my ($kind, @args) = @_;
	my $got = drive($kind, @args);
	ok($got->{ok}, "@args") or diag "$kind: $got->{code}: $got->{why}";
	return $got;
}

sub refuses {
	my ($code, $kind, @args) = @_;
	my $got = drive($kind, @args);
	is($got->{ok} ? 'done' : $got->{code}, $code, "@args: $code") or diag $got->{why};
	return $got;
}

# Looks until the driver says that word; the last answer.
sub reaches {
	my ($kind, $name, $word) = @_;
	my $end = time + 15;
	my $got;
	do { $got = drive($kind, state => $name); sleep 0.05 }
		until ($got->{word} // '') eq $word || time > $end;
	is($got->{word}, $word, "$name is $word");
	return $got;
}

sub qr_of {
	my ($kind, $name) = @_;
	my $end = time + 15;
	my $got;
	do { $got = drive($kind, qr => $name); sleep 0.05 } until $got->{ok} || time > $end;
	return $got->{text};
}

sub pair {
	my ($kind, $name, $phone) = @_;
	does($kind, create => $name);
	does($kind, start => $name);
	reaches($kind, $name, 'SCAN_QR_CODE');
	control($kind, POST => "sessions/$name/scan", {phone => $phone, pushName => 'Ana'});
	return reaches($kind, $name, 'WORKING');
}

sub with_fault {
	my ($kind, $fault, $do) = @_;
	control($kind, PUT => 'faults', {faults => [$fault]});
	$do->();
	control($kind, DELETE => 'faults');
	return;
}

sub life {
	my ($kind) = @_;
	my $made = does($kind, create => 'life');
	my $state = reaches($kind, 'life', 'STOPPED');
	is($state->{phone}, '', 'nobody\'s');
	is($state->{pool}, $kinds{$kind}{cannot}{own} ? '' : '0f8fad5b-d9cb-469f-a165-70867728950e', 'and known to be ours');
	refuses(conflict => $kind, create => 'life');
	does($kind, start => 'life');
	reaches($kind, 'life', 'SCAN_QR_CODE');
	my ($qr, $real);
	for (1 .. 20) {    # again if it has changed meanwhile
		$qr = qr_of($kind, 'life');
		$real = simulated($kind, 'life');
		last if ($qr // '') eq $real->{qr};
	}
	is($qr, $real->{qr}, 'the QR of this moment');
	does($kind, start => 'life');
	is(simulated($kind, 'life')->{generation}, $real->{generation},
		'a start of what is started changes nothing');
	control($kind, POST => 'sessions/life/scan', {phone => '5511900000001', pushName => 'Ana'});
	$state = reaches($kind, 'life', 'WORKING');
	like($state->{phone}, qr/\A5511900000001\@/, 'with its phone');
	my ($row) = grep { $_->{name} eq 'life' } @{does($kind, 'list')->{list}};
	is($row->{word}, 'WORKING', 'in the list too');
	like($row->{phone}, qr/\A5511900000001\@/, 'with its phone');
	is($row->{pool}, $state->{pool}, 'and whose it is');
	does($kind, restart => 'life');
	reaches($kind, 'life', 'WORKING');
	does($kind, logout => 'life');
	does($kind, logout => 'life');
	isnt(drive($kind, state => 'life')->{word}, 'WORKING', 'logged out');
	does($kind, remove => 'life');
	refuses(not_found => $kind, state => 'life');
	does($kind, create => 'life');    # a name is free as soon as remove has answered
	does($kind, remove => 'life');
	return;
}

sub qr_renewal {
	my ($kind) = @_;
	does($kind, create => 'renew');
	does($kind, start => 'renew');
	reaches($kind, 'renew', 'SCAN_QR_CODE');
	my $first = qr_of($kind, 'renew');
	my $end = time + 20;
	my $next = $first;
	while ($next eq $first && time < $end) { sleep 0.2; $next = qr_of($kind, 'renew') // $first }
	isnt($next, $first, 'another QR after a while');
	my $code = does($kind, code => 'renew', '5511900000002')->{text};
	like($code, qr/\A[A-Z0-9]{4}-[A-Z0-9]{4}\z/, 'a pairing code');
	control($kind, POST => 'sessions/renew/scan', {phone => '5511900000002'});
	reaches($kind, 'renew', 'WORKING');
	does($kind, remove => 'renew');
	return;
}

sub pairing_kept {
	my ($kind) = @_;
	pair($kind, 'keeps', '5511900000003');
	if ($kinds{$kind}{cannot}{stop}) {
		refuses(conflict => $kind, stop => 'keeps');
		reaches($kind, 'keeps', 'WORKING');
	} else {
		does($kind, stop => 'keeps');
		reaches($kind, 'keeps', 'STOPPED');
		does($kind, start => 'keeps');
		like(reaches($kind, 'keeps', 'WORKING')->{phone}, qr/\A5511900000003\@/, 'the same phone');
	}
	does($kind, stop => 'absent');
	does($kind, remove => 'keeps');
	return;
}

sub messages {
	my ($kind) = @_;
	pair($kind, 'chat', '5511900000004');
	my $sent = does($kind, send => 'chat', '5511988887777', 'oi');
	like($sent->{id}, qr/\A3EB0[0-9A-F]+\z/, 'with WhatsApp\'s id');
	like(does($kind, send => 'chat', '12@g.us', 'oi')->{id}, qr/\A3EB0/, 'to a group');
	with_fault($kind, {kind => 'reset', session => 'chat'}, sub {
		my $lost = drive($kind, send => 'chat', '5511988887777', 'oi');
		ok(!$lost->{ok} && $lost->{unknown}, 'without an answer nobody knows whether it went out');
	});
	with_fault($kind, {kind => 'unauthorized', session => 'chat'}, sub {
		my $lost = drive($kind, send => 'chat', '5511988887777', 'oi');
		ok(!$lost->{ok} && !$lost->{unknown}, 'refused, it did not');
	});
	control($kind, POST => 'sessions/chat/logout', {});
	ok(!drive($kind, send => 'chat', '5511988887777', 'oi')->{ok}, 'not without a phone');
	does($kind, remove => 'chat');
	return;
}

sub logged_out_on_the_phone {
	my ($kind) = @_;
	pair($kind, 'gone', '5511900000005');
	control($kind, POST => 'sessions/gone/logout', {});
	my $state = reaches($kind, 'gone', $kind =~ /\A(?:evolution1|gowa)\z/ ? 'STOPPED' : 'FAILED');
	does($kind, restart => 'gone');
	reaches($kind, 'gone', 'SCAN_QR_CODE');
	does($kind, remove => 'gone');
	return;
}

sub absent {
	my ($kind) = @_;
	refuses(not_found => $kind, $_ => 'absent') for qw(state start restart);
	does($kind, $_ => 'absent') for qw(logout remove);
	ok(!drive($kind, qr => 'absent')->{ok}, 'no QR');
	is_deeply(does($kind, 'list')->{list}, [], 'an empty list');
	return;
}

sub webhooks {
	my ($kind) = @_;
	does($kind, create => 'hook');
	does($kind, webhook => 'hook');
	my $moved = drive_with({%our, WEBHOOK_URL => 'http://127.0.0.1:9/webhook/moved'}, $kind, webhook => 'hook');
	ok($moved->{ok}, 'set to another address') or diag $moved->{why};
	refuses(not_found => $kind, webhook => 'absent');
	does($kind, remove => 'hook');
	return;
}

sub troubles {
	my ($kind) = @_;
	like(does($kind, 'ping')->{version}, $kinds{$kind}{version}, 'its version');
	does($kind, create => 'trouble');
	is(drive_with({DRIVE_KEY => 'another'}, $kind, state => 'trouble')->{code}, 'unauthorized', 'another key');
	with_fault($kind, {kind => 'unauthorized'}, sub { refuses(unauthorized => $kind, 'list') });
	with_fault($kind, {kind => 'garbage'}, sub {
		refuses(protocol => $kind, 'list');
		refuses(protocol => $kind, start => 'trouble');
	});
	with_fault($kind, {kind => 'reset'}, sub { refuses(unavailable => $kind, 'list') });
	with_fault($kind, {kind => 'status', status => 502}, sub { refuses(unavailable => $kind, state => 'trouble') });
	with_fault($kind, {kind => 'hang'}, sub {
		is(drive_with({TIMEOUT_MS => 300}, $kind, 'list')->{code}, 'timeout', 'a hang ends by our clock');
	});
	with_fault($kind, {kind => 'ghost'}, sub { refuses(not_found => $kind, state => 'trouble') });
	does($kind, remove => 'trouble');
	return;
}

# of the package: a lexical's pipe is closed, and its program waited for, before END
our $running = start_sim();

for my $kind (sort keys %kinds) {
	control($kind, PUT => 'kind', {kind => $kind});
	subtest "$kind: no such session"          => sub { absent($kind) };
	subtest "$kind: from nothing to nothing"  => sub { life($kind) };
	subtest "$kind: QR renewal, pairing code" => sub { qr_renewal($kind) };
	subtest "$kind: stop keeps the pairing"   => sub { pairing_kept($kind) };
	subtest "$kind: messages"                 => sub { messages($kind) };
	subtest "$kind: logged out on the phone"  => sub { logged_out_on_the_phone($kind) };
	subtest "$kind: webhooks of a session"    => sub { webhooks($kind) };
	subtest "$kind: troubles"                 => sub { troubles($kind) };
}

subtest 'Evolution: connect is asked for no more than once' => sub {
	pair('evolution2', 'once', '5511900000006');
	control('evolution2', POST => 'sessions/once/drop', {});
	my $connects = sub {
		my ($line) = grep { $_->{route} eq '/instance/connect/*' } @{control('evolution2', GET => 'stats')->{requests}};
		return $line ? $line->{count} : 0;
	};
	my $before = $connects->();
	is(drive('evolution2', state => 'once')->{word}, 'STARTING', 'it reconnects by itself');
	does('evolution2', start => 'once');
	is($connects->(), $before, 'so it is left alone');
	control('evolution2', POST => 'sessions/once/restore', {});
	reaches('evolution2', 'once', 'WORKING');
	does('evolution2', remove => 'once');
};

done_testing;
