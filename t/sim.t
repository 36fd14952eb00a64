#!/usr/bin/perl
# The gateway simulator against what is known of WAHA: answers, states, webhooks, faults.
use strict;
use warnings;

use Digest::SHA qw(hmac_sha512_hex);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $sim = ($ENV{WAPOOL_BUILD} // 'build') . '/sim/wapool-sim';
BAIL_OUT("$sim is not built") unless -x $sim;

my $PATIENCE = 15;    # seconds before a condition counts as never coming
my $dir      = tempdir(CLEANUP => 1);
my $json     = JSON::PP->new->utf8->canonical;
my ($sim_pid, $hook_pid);

END {
	my $status = $?;
	for my $pid (grep { defined } $sim_pid, $hook_pid) {
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	$? = $status;
}

# --- a receiver of webhooks -------------------------------------------------------

# One answer per request; /fail<N>/... answers 500 to the first N deliveries.
sub receive_one {
	my ($client, $failed) = @_;
	my $buffer = '';
	my $length;
	while (!defined $length || length $buffer < $length) {
		sysread($client, $buffer, 65536, length $buffer) or return;
		next if defined $length || $buffer !~ /\r\n\r\n/;
		my ($n) = $buffer =~ /^content-length: *(\d+)/im;
		$length = $+[0] + ($n // 0) if $buffer =~ /\r\n\r\n/;
	}
	my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
	my ($path) = $head =~ m{^POST (\S+)};
	my %headers = map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () } split /\r\n/, $head;
	my $code = 200;
	$code = 500 if $path =~ m{^/fail(\d+)} && $failed->{$path}++ < $1;
	open my $log, '>>', "$dir/hooks" or die;
	print {$log} $json->encode(
		{path => $path, headers => \%headers, body => $body, code => $code}), "\n";
	close $log;
	syswrite $client, "HTTP/1.1 $code X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1', Listen => 64, ReuseAddr => 1) or die "listen: $!";
my $hook = 'http://127.0.0.1:' . $listener->sockport;

$hook_pid = fork // die;
if ($hook_pid == 0) {
	my %failed;
	$SIG{PIPE} = 'IGNORE';
	while (my $client = $listener->accept) {
		receive_one($client, \%failed);
		close $client;
	}
	require POSIX;
	POSIX::_exit(0);
}
close $listener;

# The deliveries so far that fit: a path, and anything the code says of the event.
sub hooks {
	my ($path, $fits) = @_;
	open my $log, '<', "$dir/hooks" or return;
	my @all = map { $json->decode($_) } grep { /\n\z/ } <$log>;
	$_->{event} = $json->decode($_->{body}) for @all;
	return grep { $_->{path} eq $path && (!$fits || $fits->($_->{event})) } @all;
}

# --- the simulator ----------------------------------------------------------------

$sim_pid = open(my $out, '-|', $sim, '--port', 0, '--time-scale', 40, '--api-key', 'k')
	or die "$sim: $!";
my ($base) = (readline($out) // '') =~ m{^wapool-sim listening on (http://127\.0\.0\.1:\d+)$}
	or BAIL_OUT('the simulator does not start');

my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 30, max_redirect => 0);

# A call: the status, the decoded body (undef if empty or no JSON), the raw answer.
sub call {
	my ($method, $path, $body, %headers) = @_;
	my %options = (headers => {'X-Api-Key' => 'k', %headers});
	if (defined $body) {
		$options{headers}{'Content-Type'} = 'application/json';
		$options{content} = ref $body ? $json->encode($body) : $body;
	}
	my $r = $http->request($method, $base . $path, \%options);
	return ($r->{status}, scalar eval { $json->decode($r->{content}) }, $r);
}

sub body_of { return (call(@_))[1] }

# Wait until the code returns something true; that, or undef.
sub eventually {
	my ($check) = @_;
	my $end = time + $PATIENCE;
	while (time < $end) {
		my $got = $check->();
		return $got if $got;
		sleep 0.01;
	}
	return undef;
}

sub status_of { return body_of(GET => "/api/sessions/$_[0]")->{status} // 'none' }

sub becomes {
	my ($name, $status) = @_;
	ok(eventually(sub { status_of($name) eq $status }), "$name becomes $status");
}

sub create {
	my ($name, $path, %more) = @_;
	my @hooks = $path ? {url => "$hook$path", events => ['*'], %more} : ();
	return call(POST => '/api/sessions',
		{name => $name, start => JSON::PP::true, config => {webhooks => \@hooks}});
}

sub pair {
	my ($name) = @_;
	becomes($name, 'SCAN_QR_CODE');
	my ($status) = call(POST => "/_sim/sessions/$name/scan",
		{phone => '5511999990000', pushName => 'Ana'});
	is($status, 200, "$name is scanned");
	becomes($name, 'WORKING');
}

# Two that take their time, looked at near the end.
create('expires', '/expires');
create('flaps', '/flaps');

subtest 'names, keys, unknown routes' => sub {
	my ($status, $body) = call(GET => '/api/sessions', undef, 'X-Api-Key' => 'wrong');
	is($status, 401, 'a wrong key');
	is_deeply($body, {message => 'Unauthorized', statusCode => 401}, 'and its body');
	is((call(GET => '/ping', undef, 'X-Api-Key' => ''))[0], 200, '/ping is open');
	is((call(GET => '/health'))[0], 422, '/health is Plus only');
	($status, $body) = call(GET => '/api/nosuch');
	is($status, 404, 'no such route');
	is($body->{message}, 'Cannot GET /api/nosuch', 'named');
	is((call(POST => '/api/sessions', '{"name":'))[0], 400, 'bad JSON');
	my $version = body_of(GET => '/api/server/version');
	is($version->{version}, '2026.2.1', 'version');
	is_deeply($version, body_of(GET => '/api/version'), 'and the old route');
	($status, $body) = call(GET => '/api/server/status');
	is_deeply([sort keys %$body], [qw(startTimestamp uptime worker)], 'server status');
};

subtest 'creating' => sub {
	my ($status, $body, $raw) = call(POST => '/api/sessions', {name => 'plain'});
	is($status, 201, 'created');
	is_deeply($body, {name => 'plain', status => 'STOPPED', config => undef,
		me => undef, presence => undef, timestamps => {activity => undef},
		engine => {}}, 'stopped unless told to start');
	($status, $body) = call(POST => '/api/sessions', {name => 'plain'});
	is($status, 422, 'twice');
	is($body->{message}, q{Session 'plain' already exists. Use PUT to update it.}, 'why');
	for my $bad ({name => 'a b'}, {name => 'x' x 55}, {name => 'y', start => 'yes'},
		{name => 'y', config => {webhooks => [{url => 'ftp://x', events => []}]}},
		{name => 'y', config => {webhooks => [{url => $hook, events => ['no']}]}}) {
		($status, $body) = call(POST => '/api/sessions', $bad);
		is($status, 400, 'refused');
		is(ref $body->{message}, 'ARRAY', 'with a list of reasons');
	}
	($status, $body) = call(POST => '/api/sessions', {});
	like($body->{name}, qr/^session_[0-9a-hjkmnp-tv-z]{26}$/, 'a generated name');
	my %listed = map { $_->{name} => $_ } @{body_of(GET => '/api/sessions?all=true')};
	ok($listed{plain}, 'listed with all=true');
	is($listed{plain}{assignedWorker}, 'default', 'with its worker');
	ok(!(grep { $_->{name} eq 'plain' } @{body_of(GET => '/api/sessions')}),
		'not without');
	is((call(GET => '/api/sessions?all=maybe'))[0], 400, 'all is a boolean');
};

subtest 'configuration' => sub {
	my %config = (metadata => {tenant => 't1'}, webhooks => [{url => "$hook/config",
		events => ['message'], hmac => {key => 's'},
		customHeaders => [{name => 'X-My', value => 'v'}]}]);
	call(POST => '/api/sessions', {name => 'conf', config => {%config, nosuch => 1}});
	is_deeply(body_of(GET => '/api/sessions/conf')->{config}, \%config,
		'kept, unknown members dropped');
	my ($status, $body) = call(PUT => '/api/sessions/conf',
		{config => {metadata => {}}});
	is($status, 200, 'updated');
	is_deeply($body->{config}, {metadata => {}}, 'replaced');
	is((call(PUT => '/api/sessions/nope', {}))[0], 404, 'unknown');
};

subtest 'what is unknown' => sub {
	my ($status, undef, $raw) = call(POST => '/api/sessions/nope/stop');
	is_deeply([$status, $raw->{content}], [201, ''], 'stop: 201 and empty');
	($status, undef, $raw) = call(DELETE => '/api/sessions/nope');
	is_deeply([$status, $raw->{content}], [200, ''], 'delete: 200 and empty');
	is((call(POST => "/api/sessions/nope/$_"))[0], 404, $_) for qw(start restart logout);
	is((call(GET => '/api/sessions/nope'))[0], 404, 'get');
	is((call(GET => '/api/sessions/nope/me'))[0], 404, 'me');
	($status, my $body) = call(GET => '/api/nope/auth/qr');
	is($status, 422, 'qr');
	is_deeply($body, {error => 'Session "nope" does not exist', session => 'nope'}, 'why');
};

subtest 'QR, scan, webhooks' => sub {
	my ($status, $body) = call(POST => '/api/sessions', {name => 'one',
		start => JSON::PP::true, config => {metadata => {tenant => 't1'},
		webhooks => [{url => "$hook/one", events => ['session.status'],
			hmac => {key => 'k3y'},
			customHeaders => [{name => 'X-My', value => 'v'}]}]}});
	is($body->{status}, 'STARTING', 'starting');
	is_deeply($body->{timestamps}, {}, 'no activity yet');
	($status, $body) = call(GET => '/api/one/auth/qr?format=raw');
	is($status, 200, 'the QR is waited for');
	like($body->{value}, qr{^2\@[\w+/=]+,[\w+/=]+,[\w+/=]+,[\w+/=]+$}, 'raw');
	my (undef, $image, $raw) = call(GET => '/api/one/auth/qr', undef,
		Accept => 'application/json');
	is($image->{mimetype}, 'image/png', 'as JSON');
	(undef, undef, $raw) = call(GET => '/api/one/auth/qr', undef,
		Accept => 'application/json, */*');
	is($raw->{headers}{'content-type'}, 'image/png', 'as PNG unless Accept is exact');
	like($raw->{content}, qr/^\x89PNG\r\n/, 'a PNG');
	($status, $body) = call(POST => '/api/one/auth/request-code',
		{phoneNumber => '5511999990000'});
	is($status, 201, 'a pairing code');
	like($body->{code}, qr/^[0-9A-Z]{4}-[0-9A-Z]{4}$/, 'in its shape');
	my ($seen) = @{body_of(GET => '/_sim/sessions?name=one')};
	like($seen->{qr}, qr/^2\@/, 'the control API shows the QR');
	is((call(POST => '/_sim/sessions/one/scan', {phone => 'x'}))[0], 400, 'bad phone');
	is((call(POST => '/_sim/sessions/one/scan',
		{phone => '5511999990000', qr => '2@other'}))[0], 409, 'a QR that is not shown');
	is((call(POST => '/_sim/sessions/one/scan',
		{phone => '5511999990000', pushName => 'Ana'}))[0], 200, 'scanned');
	is((call(POST => '/_sim/sessions/one/scan', {phone => '5511999990000'}))[0], 409,
		'not twice');
	becomes('one', 'WORKING');
	my $me = body_of(GET => '/api/sessions/one/me');
	is_deeply([@$me{qw(id pushName)}], ['5511999990000@c.us', 'Ana'], 'me');
	like($me->{lid}, qr/^\d{15}\@lid$/, 'with a lid');
	my ($last) = @{eventually(sub {
		my @got = hooks('/one', sub { $_[0]{payload}{status} eq 'WORKING' });
		@got && \@got;
	}) // []};
	my ($event, $headers) = @$last{qw(event headers)};
	is($headers->{'x-webhook-hmac'}, hmac_sha512_hex($last->{body}, 'k3y'), 'signed');
	is($headers->{'x-webhook-hmac-algorithm'}, 'sha512', 'by sha512');
	is($headers->{'x-webhook-timestamp'}, $event->{timestamp}, 'timestamp');
	like($headers->{'x-webhook-request-id'}, qr/^[0-9a-z]{17}$/, 'request id');
	is($headers->{'user-agent'}, 'WAHA/2026.2.1', 'user agent');
	is($headers->{'x-my'}, 'v', 'custom header');
	is_deeply([sort keys %$event], [qw(engine environment event id me metadata payload
		session timestamp)], 'the envelope');
	like($event->{id}, qr/^evt_[0-9a-hjkmnp-tv-z]{26}$/, 'its id');
	is_deeply($event->{metadata}, {tenant => 't1'}, 'metadata');
	is_deeply($event->{me}, $me, 'me');
	is_deeply([map { $_->{status} } @{$event->{payload}{statuses}}],
		[qw(SCAN_QR_CODE STARTING WORKING)], 'the last three statuses');
	my @times = map { $_->{timestamp} } @{$event->{payload}{statuses}};
	ok($times[0] < $times[1] && $times[1] < $times[2], 'in order');
	my $first;    # webhooks may overtake each other
	eventually(sub { ($first) = hooks('/one', sub { $_[0]{payload}{status} eq 'STARTING' &&
		@{$_[0]{payload}{statuses}} == 1 }) });
	is($first->{event}{me}, undef, 'me is null before the scan');
};

subtest 'start, stop, restart, logout, delete' => sub {
	is((call(POST => '/api/sessions/one/start'))[0], 201, 'start is idempotent');
	my ($status, $body) = call(POST => '/api/sessions/one/restart');
	is($body->{status}, 'STARTING', 'restarted');
	becomes('one', 'WORKING');
	ok(eventually(sub {
		grep { $_->{event}{payload}{status} eq 'WORKING' &&
			@{$_->{event}{payload}{statuses}} == 2 } hooks('/one');
	}), 'statuses began anew');
	($status, $body) = call(POST => '/api/sessions/one/stop');
	is($body->{status}, 'STOPPED', 'stopped');
	is((call(POST => '/api/sessions/one/stop'))[0], 201, 'twice');
	is((call(GET => '/api/sessions/one/me'))[0], 404, 'me of a stopped one');
	($status, $body) = call(GET => '/api/one/auth/qr');
	is($status, 422, 'no QR of a stopped one');
	is_deeply($body->{expected}, ['SCAN_QR_CODE'], 'what was expected');
	call(POST => '/api/sessions/one/start');
	becomes('one', 'WORKING');
	($status, $body) = call(POST => '/api/sessions/one/logout');
	is_deeply([$status, $body->{status}], [201, 'STARTING'], 'logged out, from scratch');
	becomes('one', 'SCAN_QR_CODE');
	is((call(DELETE => '/api/sessions/one'))[0], 200, 'deleted');
	is((call(GET => '/api/sessions/one'))[0], 404, 'gone');
};

subtest 'deprecated calls' => sub {
	my ($status, $body) = call(POST => '/api/sessions/start', {name => 'old'});
	is_deeply([$status, sort keys %$body], [201, qw(config name status)], 'start');
	($status, $body) = call(POST => '/api/sessions/start', {name => 'old'});
	is($body->{message}, q{Session 'old' is already started.}, 'already');
	is((call(POST => '/api/sessions/start', {}))[0], 422, 'no name');
	is((call(POST => '/api/sessions/stop', {name => 'old'}))[0], 201, 'stop');
	is(status_of('old'), 'STOPPED', 'stopped');
	my (undef, undef, $raw) = call(POST => '/api/sessions/logout', {name => 'old'});
	is_deeply([@$raw{qw(status content)}], [201, ''], 'logout');
	is((call(GET => '/api/sessions/old'))[0], 404, 'which deletes');
};

subtest 'one lifecycle call at a time' => sub {
	create('busy');
	my $kid = fork // die;
	if ($kid == 0) {
		HTTP::Tiny->new->request(POST => "$base/api/sessions/busy/restart",
			{headers => {'X-Api-Key' => 'k'}});
		require POSIX;
		POSIX::_exit(0);
	}
	is((call(POST => '/api/sessions/busy/restart'))[0], 201, 'waits its turn');
	waitpid $kid, 0;
	is(body_of(GET => '/_sim/sessions?name=busy')->[0]{generation}, 3, 'both were done');
	call(PUT => '/_sim/faults', {faults => [{kind => 'lock_timeout', session => 'busy'}]});
	my ($status, $body) = call(POST => '/api/sessions/busy/stop');
	is($status, 500, 'or times out');
	is($body->{exception}{message}, 'async-lock timed out in queue busy', 'saying so');
	call(DELETE => '/_sim/faults');
};

subtest 'messages' => sub {
	create('chat', '/chat');
	my ($status, $body) = call(POST => '/api/sendText', {chatId => '1', text => 'x'});
	is_deeply([$status, $body->{message}], [400, 'Session name is required'], 'no session');
	pair('chat');
	($status, $body) = call(POST => '/api/sendText',
		{session => 'chat', chatId => '79993334455', text => qq{"hi"\n}});
	is($status, 201, 'sent');
	is($body->{key}{remoteJid}, '79993334455@s.whatsapp.net', 'as NOWEB answers');
	my $id = "true_79993334455\@c.us_$body->{key}{id}";
	my $any = sub { $_[0]{event} eq 'message.any' && $_[0]{payload}{id} eq $id };
	ok(eventually(sub { hooks('/chat', $any) }), 'message.any');
	my ($sent) = hooks('/chat', $any);
	is_deeply([@{$sent->{event}{payload}}{qw(source body fromMe ack)}],
		['api', qq{"hi"\n}, JSON::PP::true, 0], 'of ours');
	my $ack = sub { $_[0]{event} eq 'message.ack' && $_[0]{payload}{id} eq $id };
	ok(eventually(sub { hooks('/chat', $ack) == 3 }), 'three acks');
	is_deeply([sort map { $_->{event}{payload}{ack} } hooks('/chat', $ack)], [1, 2, 3],
		'SERVER, DEVICE, READ');
	($status, $body) = call(POST => '/_sim/sessions/chat/message',
		{from => '5511988887777', text => 'yo'});
	is($status, 200, 'one arrives');
	my $in = sub { ($_[0]{payload}{id} // '') eq "false_5511988887777\@c.us_$body->{id}" };
	ok(eventually(sub { hooks('/chat', $in) == 2 }), 'message and message.any');
	my ($x, $y) = hooks('/chat', $in);
	is($x->{event}{id}, $y->{event}{id}, 'with one envelope id');
	isnt($x->{headers}{'x-webhook-request-id'}, $y->{headers}{'x-webhook-request-id'},
		'and two request ids');
	call(POST => '/api/sessions/chat/stop');
	($status, $body) = call(POST => '/api/sendText',
		{session => 'chat', chatId => '1', text => 'x'});
	is_deeply([$status, $body->{status}], [422, 'STOPPED'], 'not while stopped');
};

subtest 'webhook retries' => sub {
	create('retry', '/fail2/retry', events => ['session.status'], hmac => {key => 'z'});
	ok(eventually(sub { grep { $_->{code} == 200 } hooks('/fail2/retry') }), 'delivered');
	my @tries = hooks('/fail2/retry', sub { $_[0]{payload}{status} eq 'STARTING' });
	my %ids = map { $_->{headers}{'x-webhook-request-id'} => 1 } @tries;
	is(scalar keys %ids, 1, 'one request id over the tries');
	create('gives-up', '/fail99/up', retries => {attempts => 2, delaySeconds => 1});
	ok(eventually(sub { body_of(GET => '/_sim/stats')->{webhooks}{failed} >= 1 }),
		'or given up after the attempts');
	ok(hooks('/fail99/up') >= 2, 'which were made');
	call(DELETE => "/api/sessions/$_") for qw(retry gives-up);
};

subtest 'phone and network' => sub {
	create('net', '/net');
	is((call(POST => '/_sim/sessions/net/logout', {}))[0], 409, 'not linked');
	pair('net');
	call(POST => '/_sim/sessions/net/drop', {});
	is(status_of('net'), 'STARTING', 'no network: STARTING');
	ok(eventually(sub { hooks('/net', sub { $_[0]{payload}{status} eq 'STARTING' }) >= 5 }),
		'again and again');
	for (1 .. 20) {    # on a busy machine one may come when it has given up
		call(POST => '/_sim/sessions/net/restore', {});
		last if status_of('net') ne 'FAILED';
		call(POST => '/api/sessions/net/restart');
		eventually(sub { status_of('net') eq 'WORKING' });
		call(POST => '/_sim/sessions/net/drop', {});
	}
	becomes('net', 'WORKING');
	call(POST => '/_sim/sessions/net/logout', {});
	is(status_of('net'), 'FAILED', 'logged out on the phone: FAILED at once');
	call(POST => '/api/sessions/net/restart');
	becomes('net', 'SCAN_QR_CODE');
};

subtest 'faults on requests' => sub {
	my $fault = sub {
		my ($status) = call(PUT => '/_sim/faults', {faults => [{@_, path => '/api/'}]});
		is($status, 200, "fault $_[1]");
	};
	is((call(PUT => '/_sim/faults', {faults => [{kind => 'nosuch'}]}))[0], 400, 'unknown');
	is((call(PUT => '/_sim/faults', {faults => [{kind => 'hang', rate => 2}]}))[0], 400,
		'bad rate');
	$fault->(kind => 'status', status => 503);
	is((call(GET => '/api/version'))[0], 503, 'the status');
	is((call(GET => '/ping'))[0], 200, 'elsewhere nothing');
	is(body_of(GET => '/_sim/faults')->{faults}[0]{hits}, 1, 'hits are counted');
	$fault->(kind => 'garbage');
	my ($status, $body) = call(GET => '/api/version');
	is_deeply([$status, $body], [200, undef], '200 that is no JSON');
	$fault->(kind => 'reset');
	is((call(GET => '/api/version'))[0], 599, 'no answer');
	$fault->(kind => 'unauthorized');
	is((call(GET => '/api/version'))[0], 401, 'as if the key were wrong');
	$fault->(kind => 'latency', ms => 400);
	is((call(GET => '/api/version'))[0], 200, 'late');
	$fault->(kind => 'hang');
	my $hung = IO::Socket::INET->new($base =~ s{^http://}{}r) or die;
	print {$hung} "GET /api/version HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\n\r\n";
	is((call(GET => '/ping'))[0], 200, 'others are answered meanwhile');
	ok(!IO::Select->new($hung)->can_read(0.3), 'this one is not');
	close $hung;
	$fault->(kind => 'ghost', session => 'net');
	is((call(GET => '/api/sessions/net'))[0], 404, 'a ghost');
	ok((grep { $_->{name} eq 'net' } @{body_of(GET => '/api/sessions')}), 'that is listed');
	$fault->(kind => 'delete_lingers');
	is((call(DELETE => '/api/sessions/net'))[0], 200, 'deleted');
	is(status_of('net'), 'STOPPED', 'yet it lingers');
	call(DELETE => '/_sim/faults');
	is_deeply(body_of(GET => '/_sim/faults'), {faults => []}, 'none left');
};

subtest 'faults on sessions and webhooks' => sub {
	call(PUT => '/_sim/faults', {faults => [
		{kind => 'stuck_starting', session => 'stuck'},
		{kind => 'webhook_lost', session => 'lost'},
		{kind => 'silent', session => 'mute'},
		{kind => 'webhook_double', session => 'twin'}]});
	create($_, "/$_") for qw(stuck lost mute twin);
	becomes($_, 'SCAN_QR_CODE') for qw(lost mute twin);
	is(status_of('stuck'), 'STARTING', 'stuck');
	ok(eventually(sub { hooks('/twin') >= 4 }), 'doubled');
	is_deeply([scalar hooks('/lost'), scalar hooks('/mute')], [0, 0], 'lost, and silent');
	call(DELETE => '/_sim/faults');
	call(POST => '/api/sessions/stuck/restart');
	becomes('stuck', 'SCAN_QR_CODE');
	call(DELETE => "/api/sessions/$_") for qw(stuck lost mute twin);
};

subtest 'several gateways' => sub {
	is((call(POST => '/s/east/api/sessions', {name => 'plain'}))[0], 201,
		'the name is free elsewhere');
	is((call(GET => '/s/west/api/sessions/plain'))[0], 404, 'and unknown on a third');
	is(body_of(GET => '/s/east/api/server/status')->{worker}{id}, 'east', 'worker');
	is(body_of(GET => '/s/east/_sim/sessions')->[0]{server}, 'east', 'control as well');
	call(PUT => '/s/east/_sim/faults', {faults => [{kind => 'status', status => 502}]});
	is((call(GET => '/s/east/api/sessions'))[0], 502, 'faults of its own');
	is((call(GET => '/api/sessions'))[0], 200, 'only');
	call(POST => '/s/east/_sim/reset', {});
	is_deeply(body_of(GET => '/s/east/api/sessions?all=true'), [], 'reset');
	is((call(GET => '/s/a%20b/api/sessions'))[0], 404, 'a bad name');
};

subtest 'kinds of gateways' => sub {
	my ($status, $body) = call(GET => '/s/kinds/_sim/kind');
	is_deeply([$status, $body], [200, {kind => 'waha'}], 'WAHA unless told otherwise');
	is((call(PUT => '/s/kinds/_sim/kind', {kind => 'telegram'}))[0], 400, 'not any kind');
	is((call(PUT => '/s/kinds/_sim/kind', {kind => 'waha'}))[0], 200, 'the same again');
	is((call(GET => '/s/kinds/_sim/stats'))[1]{kind}, 'waha', 'told by the counters');
};

subtest 'restart of a gateway' => sub {
	my $at = '/s/again';
	call(POST => "$at/api/sessions", {name => $_, start => JSON::PP::true,
		config => {webhooks => [{url => "$hook/fail99/lost", events => ['*']}]}})
		for qw(r1 r2);
	call(POST => "$at/api/sessions", {name => 'r3'});
	ok(eventually(sub { body_of(GET => "$at/_sim/sessions?status=SCAN_QR_CODE&name=r1")->[0] }),
		'it runs');
	call(POST => "$at/_sim/sessions/r1/scan", {phone => '5511999990000'});
	ok(eventually(sub { body_of(GET => "$at/api/sessions/r1")->{status} eq 'WORKING' }),
		'it works');
	my $before = body_of(GET => "$at/api/server/status")->{startTimestamp};
	my ($status, $body) = call(POST => "$at/_sim/restart", {downMs => 120_000});    # 3 s
	is($body->{sessions}, 2, 'two ran');
	is((call(GET => "$at/api/sessions"))[0], 599, 'no answer while down');
	my $up = sub { my ($s, $b) = call(GET => "$at/api/sessions"); $s == 200 && [$b] };
	my $list = eventually($up);
	for (1 .. 20) {    # on a busy machine one may look too late
		last unless @{$list->[0]};
		eventually(sub { my $now = $up->(); $now && @{$now->[0]} == 2 });
		call(POST => "$at/_sim/restart", {downMs => 0});
		$list = eventually($up);
	}
	is_deeply($list, [[]], 'then an empty list');
	isnt(body_of(GET => "$at/api/server/status")->{startTimestamp}, $before,
		'startTimestamp changed');
	is(scalar @{body_of(GET => "$at/api/sessions?all=true")}, 3, 'all=true shows them');
	ok(eventually(sub { @{body_of(GET => "$at/api/sessions")} == 2 }), 'they come back');
	ok(eventually(sub { body_of(GET => "$at/api/sessions/r1")->{status} eq 'WORKING' }),
		'the linked one works');
	ok(body_of(GET => "$at/_sim/stats")->{webhooks}{dropped} >= 1, 'webhooks were lost');
	call(POST => "$at/_sim/reset", {});
};

subtest 'the page' => sub {
	my (undef, undef, $page) = call(GET => '/_sim/', undef, 'X-Api-Key' => '');
	is($page->{status}, 200, 'there');
	like($page->{content}, qr{<title>SIMULATED gateway</title>}, 'says what it is');
	unlike($page->{content}, qr/\son\w+=/, 'no inline events');
	like($page->{headers}{'content-security-policy'}, qr/default-src 'none'/, 'strict');
	is((call(GET => "/_sim/page.$_"))[0], 200, "page.$_") for qw(js css);
	is((call(GET => '/s/x/_sim'))[0], 302, 'with its slash');
};

subtest 'the QR is given up' => sub {
	becomes('expires', 'FAILED');
	my $shown = sub { $_[0]{payload}{status} eq 'SCAN_QR_CODE' };
	ok(eventually(sub { hooks('/expires', $shown) >= 6 }), 'every rotation is told');
	is(scalar hooks('/expires', $shown), 6, 'six in all');
	is(body_of(GET => '/_sim/sessions?name=expires')->[0]{qr}, undef, 'no QR is left');
};

subtest 'reconnecting is given up' => sub {
	call(POST => '/_sim/sessions/flaps/drop', {});
	call(POST => '/api/sessions/flaps/restart');
	becomes('flaps', 'FAILED');
	ok(eventually(sub { hooks('/flaps', sub { $_[0]{payload}{status} eq 'FAILED' &&
		$_[0]{payload}{statuses}[1]{status} eq 'STARTING' }) }), 'after STARTING');
	ok(eventually(sub { hooks('/flaps', sub { $_[0]{payload}{status} eq 'STARTING' }) == 61 }),
		'sixty times STARTING, after the first start');
};

subtest 'starting' => sub {
	my ($port) = $base =~ /:(\d+)$/;
	my $said = `"$sim" --port $port 2>&1`;
	is($? >> 8, 1, 'a port in use');
	like($said, qr/^wapool-sim: cannot listen on 127\.0\.0\.1:$port: /, 'is said');
	like(`"$sim" --help`, qr/--time-scale N/, '--help');
	$said = `"$sim" --time-scale 0 2>&1`;
	is($? >> 8, 2, 'a bad option');
};

subtest 'ending' => sub {
	kill 'TERM', $sim_pid;
	waitpid $sim_pid, 0;
	is($?, 0, 'a clean end, with sessions and webhooks in progress');
	undef $sim_pid;
};

done_testing;
