#!/usr/bin/perl
# Live updates, end to end: gateway, webhook, PostgreSQL, nchan, and whoever has a page open.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use Wapool::Process qw(run_program slurp wait_until);
use Wapool::Stack;
use Wapool::Stream;
use Wapool::Test qw(sim scan faults eventually eventually_ok problem_ok instance_of free_instances present_name
	webhook WEBHOOK_SECRET);

use constant EVENTS => '/api/whatsapp/events';

my $s = Wapool::Stack->new(https_port => 'free', limits => 1, origins => ['https://painel.example'],
	stream_seconds => { short => 3 },
	env => { WEBHOOK_SECRET => WEBHOOK_SECRET, POOL_TARGET => 6, POOL_LOW => 6, HEALTH_INTERVAL => 2 });
$s->start_postgres;
$s->deploy;
$s->start_sim('--time-scale', 20);
$s->start_responders;
$s->start_maintain;
$s->start_nginx;
$s->wait_ready;
eventually_ok('instances stand by', sub { free_instances($s) >= 4 });

subtest 'who connects, hears of it as it happens'         => \&connected;
subtest 'nobody hears of another\'s device'               => \&apart;
subtest 'what was missed comes first'                     => \&resumed;
subtest 'ids that nginx does not have'                     => \&forged;
subtest 'what an event does not say'                      => \&discreet;
subtest 'the helper and operators are heard too'          => \&others;
subtest 'a device more, a device less'                    => \&devices;
subtest 'who asks the database is told by it'             => \&told_by_database;
subtest 'who may have a stream'                           => \&refusals;
subtest 'pages of other origins'                          => \&cors;
subtest 'over HTTP/2 and TLS'                             => \&http2;
subtest 'nobody publishes from the network'               => \&unreachable;
subtest 'a stream ends, and goes on if it may'            => \&ends;
subtest 'a busy stream ends with its token'                => \&outlived;
subtest 'so many streams and no more'                     => \&limits;
subtest 'nginx is reloaded, and killed'                   => \&reloaded;
subtest 'an nginx that hangs, one that is gone, and ours' => \&broken_publishers;
$s->stop;
done_testing;

# --- Users ---

my $phones = 0;

sub somebody {
	my $id = $s->unique_user;
	return { id => $id, token => $s->token($id) };
}

sub listen_as { return Wapool::Stream->new($s, token => $_[0]{token}, @_[1 .. $#_]) }

sub connect_as {
	my ($user) = @_;
	my $answer = $s->http(POST => '/api/whatsapp/connect', token => $user->{token}, json => {});
	is $answer->{status}, 200, 'connect' or diag $answer->{body};
	$user->{device} = $answer->{json}{deviceId};
	return $answer->{json}{instanceName};
}

sub scan_as {
	my ($user) = @_;
	return scan($s, instance_of($s, $user->{id})->{name}, sprintf '55119%08d', 10_000_000 + ++$phones);
}

sub drop { return sim($s, POST => 'sessions/' . instance_of($s, $_[0]{id})->{name} . '/drop', {}) }

sub ms_since { return int(1000 * (time - $_[0])) . ' ms' }

# --- What is heard ---

sub connected {
	my $user   = somebody();
	my $stream = listen_as($user);
	is $stream->{status}, 200, 'a stream';
	is_deeply $stream->{headers}{'content-type'}, ['text/event-stream; charset=utf-8'], 'of events';
	is_deeply $stream->{headers}{'cache-control'}, ['no-store'], 'that nobody keeps';
	connect_as($user);
	my $qr = $stream->event('qr.updated');
	is_deeply [@{ $qr->{data} }{qw(type deviceId status)}], ['qr.updated', $user->{device}, 'SCAN_QR_CODE'], 'there is a QR';
	my $scanned = time;
	scan_as($user);
	my $event = $stream->event('device.connected');
	is_deeply [@{ $event->{data} }{qw(type deviceId status)}], ['device.connected', $user->{device}, 'WORKING'], 'connected';
	like $event->{data}{at}, qr/\A20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z\z/, 'with the time';
	diag 'from the webhook\'s row to the page: ' . latency($event) . '; from the scan: ' . ms_since($scanned);
	my $answer = $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token});
	ok $answer->{json}{connected}, 'and so says who is asked then';
	$s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {});
	$event = $stream->event('device.disconnected');
	is $event->{data}{final}, JSON::PP::true, 'disconnected for good';
	ok !exists $event->{data}{status}, 'and no session any more';
	return;
}

# ms between the webhook's storing and the event's arrival, on one clock.
sub latency {
	my ($event) = @_;
	my $stored = $s->psql_value("SELECT extract(epoch FROM max(received_at)) FROM webhook_events"
		. " WHERE event = 'session.status' AND received_at <= to_timestamp($event->{at})");
	return int(1000 * ($event->{at} - $stored)) . ' ms';
}

sub apart {
	my ($ana, $bia) = (somebody(), somebody());
	my ($hers, $other) = (listen_as($ana), listen_as($bia));
	connect_as($_) for $ana, $bia;
	scan_as($ana);
	ok $hers->event('device.connected'), 'Ana hears of her phone';
	scan_as($bia);
	ok $other->event('device.connected'), 'Bia of hers, later';
	is_deeply [grep { $_->{data}{deviceId} ne $ana->{device} } $hers->all], [], 'Ana of nothing else';
	is_deeply [grep { $_->{data}{deviceId} ne $bia->{device} } $other->all], [], 'nor Bia';
	my $second = listen_as($ana);
	drop($ana);
	ok $_->event('device.disconnected'), 'every page of hers hears it' for $hers, $second;
	return;
}

sub resumed {
	my $user   = somebody();
	my $stream = listen_as($user);
	connect_as($user);
	scan_as($user);
	my $last = $stream->event('device.connected');
	$stream->close;
	my $witness = listen_as($user);
	drop($user);
	ok $witness->event('device.disconnected'), 'the phone is gone meanwhile';
	my $again = listen_as($user, last => $last->{id});
	my @missed = map { $_->{id} } $witness->all;
	my (%missed, @again, $event) = map { $_ => 1 } @missed;
	do {
		$event = $again->event;
		push @again, $event->{id} if $event;
	} while $event && $event->{id} ne $missed[-1];
	is_deeply [grep { $missed{$_} } @again], \@missed, 'what was missed, in its order, each once';
	is scalar(grep { $_ eq $last->{id} } @again), 1, 'with all that is kept';
	my $fresh = listen_as($user);
	$s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {});
	ok $fresh->event('device.disconnected'), 'who resumes nothing';
	is scalar(grep { $_->{at} && $_->{id} eq $missed[0] } $fresh->all), 0, '... hears nothing old';
	for my $id ('x', '1:2:3', '-1:0', '99999999999:0', '') {
		is listen_as($user, last => $id)->{status}, 200, "'$id' is no last event, and no reason for an error";
	}
	return;
}

# nchan dies, and all streams of that worker process with it, of two who resume at what it has no more.
sub forged {
	my $user = somebody();
	my $witness = listen_as($user);
	for my $id (map { ("$_:0", "$_:7") } 0, 1, time - 300, time, time + 9999) {
		my @streams = map { listen_as($user, last => $id) } 1 .. 3;
		is_deeply [grep { $_->{status} != 200 } @streams], [], "three streams from $id";
		$_->close for @streams;
	}
	connect_as($user);
	ok $witness->event('qr.updated'), 'an older stream still stands';
	unlike slurp("$s->{var}/log/nginx-error.log"), qr/exited on signal/, 'nginx lives';
	return;
}

sub discreet {
	my $user   = somebody();
	my $stream = listen_as($user);
	my $name   = connect_as($user);
	my $raw    = sim($s, GET => "sessions?name=$name")->[0];
	scan_as($user);
	$stream->event('device.connected');
	my $heard = JSON::PP->new->canonical->encode([map { $_->{data} } $stream->all]);
	unlike $heard, qr/55119|Maria|\Q$name\E|[0-9A-Za-z+\/]{40}/, 'no number, no name, no QR';
	my %known = map { $_ => 1 } qw(type deviceId status final health at);
	is_deeply [grep { !$known{$_} } map { keys %{ $_->{data} } } $stream->all], [], 'only the members that are documented';
	for my $log (qw(webhook connect maintain nginx-error nginx-access)) {
		unlike $s->log_text($log), qr/device\.connected/, "nothing of it in the log $log";
	}
	return;
}

sub others {
	my $user   = somebody();
	my $stream = listen_as($user);
	connect_as($user);
	ok $stream->event('qr.updated'), 'a QR';
	my ($status, $output) = $s->ctl('release', '--yes', instance_of($s, $user->{id})->{name});
	is $status, 0, 'wapoolctl release' or diag $output;
	is $stream->event('device.disconnected')->{data}{final}, JSON::PP::true, 'the QR on the screen is worth nothing any more';

	connect_as($user);
	scan_as($user);
	ok $stream->event('device.connected'), 'connected again';
	faults($s, { kind => 'webhook_lost', rate => 1 });
	drop_for_good($user);
	ok $stream->event('device.disconnected'), 'no webhook came: the helper has looked, and told';
	faults($s);
	return;
}

sub drop_for_good {
	my ($user) = @_;
	return sim($s, POST => 'sessions/' . instance_of($s, $user->{id})->{name} . '/logout', {});
}

sub devices {
	my $user   = somebody();
	my $stream = listen_as($user);
	my $answer = $s->http(POST => '/device/login', token => $user->{token}, json => {});
	is $answer->{status}, 200, 'a new device' or diag $answer->{body};
	my $id = $answer->{json}{device_id};
	is $stream->event('device.updated')->{data}{deviceId}, $id, 'is told of';
	$s->http(POST => '/device/logout', token => $user->{token}, json => { device_id => $id });
	is $stream->event('device.disconnected')->{data}{deviceId}, $id, 'and its end';
	return;
}

# What is rolled back is not told: t/pg/db-check.c.
sub told_by_database {
	my $user = somebody();
	connect_as($user);
	my $update = "UPDATE instances SET profile_name = '%s' WHERE assigned_to_user_id = '$user->{id}'";
	is told(sprintf $update, 'W'), '', 'who has no page open is not told of';
	my $stream = listen_as($user);
	my $text = told(sprintf $update, 'X');
	like $text, qr/INFO:\s+\{.*"device\.updated".*\}/, 'a connection that asks for it is told by the database';
	unlike $text, qr/"X"/, 'not what, but that';
	is told(sprintf($update, 'Y'), ''), '', 'others are not';
	return;
}

# What psql prints on a statement, besides its rows.
sub told {
	my ($sql, $options) = @_;
	my (undef, $output) = run_program(['psql', '-qAtX', $s->database_url, '-c', $sql],
		env => { PATH => $ENV{PATH}, PGOPTIONS => $options // '-c wapool.live=on' });
	return $output;
}

# --- Who may ---

sub refusals {
	my $user = somebody();
	my $ask = sub { $s->http($_[0] // 'GET', EVENTS, token => $_[1], headers => { Accept => $_[2] // 'text/event-stream' }) };
	problem_ok($ask->(), 401, 'unauthorized', 'without a token');
	problem_ok($ask->('GET', 'x.y.z'), 401, 'unauthorized', 'with one that is none');
	problem_ok($ask->('GET', $s->token($user->{id}, exp => time - 60)), 401, 'unauthorized', 'with one that is over');
	problem_ok($ask->('GET', $user->{token}, '*/*'), 406, 'not-acceptable', 'who does not ask for a stream');
	for my $method (qw(POST PUT DELETE)) {
		my $answer = $ask->($method, $user->{token});
		problem_ok($answer, 405, 'method-not-allowed', $method);
		is $answer->{headers}{allow}, 'GET, HEAD, OPTIONS', '... and what there is';
	}
	is $ask->('HEAD', $user->{token})->{status}, 200, 'HEAD: he may';
	is $ask->('HEAD')->{status}, 401, 'HEAD: he may not';
	return;
}

sub cors {
	my $user = somebody();
	my $stream = listen_as($user, headers => { Origin => 'https://painel.example' });
	is_deeply $stream->{headers}{'access-control-allow-origin'}, ['https://painel.example'], 'an origin of the list, once';
	is $stream->{headers}{'access-control-allow-credentials'}, undef, 'no cookies';
	$stream = listen_as($user, headers => { Origin => 'http://localhost' });
	is $stream->{status}, 200, 'our own';
	my $answer = $s->http(GET => EVENTS, token => $user->{token},
		headers => { Accept => 'text/event-stream', Origin => 'https://else.example' });
	problem_ok($answer, 403, 'forbidden', 'another one');
	is $answer->{headers}{'access-control-allow-origin'}, undef, '... and its page may not read that';
	$answer = $s->http(OPTIONS => EVENTS, headers => { Origin => 'https://painel.example',
		'Access-Control-Request-Method' => 'GET', 'Access-Control-Request-Headers' => 'authorization, last-event-id' });
	is $answer->{status}, 204, 'the preflight';
	like $answer->{headers}{'access-control-allow-headers'}, qr/\b$_\b/, "lets $_ through" for qw(Authorization Last-Event-ID);
	return;
}

sub http2 {
	my $user = somebody();
	my ($cert, $key, $ca) = $s->certificate;
	my $out  = "$s->{var}/h2";
	my $pid  = fork // die "fork: $!";
	exec 'curl', '-sN', '--http2', '-m', 60, '--cacert', $ca, '-H', "Authorization: Bearer $user->{token}", '-H', 'Accept: text/event-stream',
		'-o', $out, '-D', "$out.head", "https://localhost:$s->{https_port}" . EVENTS if !$pid;
	eventually_ok('a stream', sub { -e "$out.head" && slurp("$out.head") =~ m{^HTTP/2 200}m });
	connect_as($user);
	scan_as($user);
	eventually_ok('an event', sub { -e $out && slurp($out) =~ /"device\.connected"/ });
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return;
}

sub unreachable {
	my $user = somebody();
	my $stream = listen_as($user);
	my %json = (json => { type => 'device.connected' });
	for my $path ("/publish/$user->{id}", "/_live/long/$user->{id}", "/_live/short/$user->{id}") {
		for my $method (qw(GET POST)) {
			my $answer = $s->http($method => $path, token => $user->{token}, $method eq 'POST' ? %json : ());
			like $answer->{status}, qr/\A40[45]\z/, "$method $path: $answer->{status}";
		}
	}
	my (undef, $ports) = run_program(['ss', '-Hltnp']);
	my $nginx = join '|', $s->pids('nginx');
	my %port = map { $_ => 1 } map { /:([0-9]+)\s.*pid=(?:$nginx),/ ? $1 : () } split /\n/, $ports;
	is_deeply [sort keys %port], [sort $s->{http_port}, $s->{https_port}], 'nginx listens nowhere else';
	is sprintf('%04o', (stat "$s->{socket_dir}/live")[2] & 07777), '0700', 'and its socket is in a directory of ours';
	is_deeply [$stream->all], [], 'nobody heard anything';
	return;
}

# --- The end of a stream ---

sub ends {
	my $user = somebody();
	$user->{token} = $s->token($user->{id}, exp => time + 250);
	my $stream = listen_as($user);
	is $stream->{status}, 200, 'a stream of somebody whose token ends soon';
	ok $stream->ended, 'the server ends it after a while';
	$user->{token} = $s->token($user->{id});    # the page has a new one, and its streams last
	$stream = listen_as($user);
	connect_as($user);
	my $last = $stream->event('qr.updated');
	$stream->close;
	is $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {})->{status}, 200, 'disconnect';
	my $again = listen_as($user, last => $last->{id});
	ok $again->event('device.disconnected'), 'the next goes on' or diag grep { /"live\.publish"/ } split /^/, $s->log_text('disconnect');
	is location(exp => time + 3600), 'long', 'with time left a long one';
	is location(exp => time + 200), 'short', 'a short one when the token ends soon';
	is location(exp => time - 10), 'short', 'in the seconds of grace as well';
	is location(exp => time - 60), undef, 'and then none';

	$s->psql("UPDATE users SET disabled_at = now() WHERE id = '$user->{id}'");
	ok $again->ended, 'who was disabled loses his stream';
	problem_ok($s->http(GET => EVENTS, token => $user->{token}, headers => { Accept => 'text/event-stream' }),
		401, 'unauthorized', 'and gets no other');
	return;
}

# Each event lets nginx wait anew.
sub outlived {
	my $user  = somebody();
	my $other = somebody();
	my $hers  = listen_as($user);
	my $apart = listen_as($other);
	is $hers->{status}, 200, 'a stream';
	$s->psql("UPDATE stream_ends SET at = now() WHERE user_id = '$user->{id}'");    # as when the token was good until now
	eventually_ok('it ends, whatever happens on it', sub { something_happens_to($user); $hers->ended(1) });
	my $again = listen_as($user);
	is $again->{status}, 200, 'with a token that is good there is another';
	# (nginx's other worker may hear of the end only now: like a page, we open another then)
	ok eventually(sub { $again = listen_as($user) if $again->{over}; something_happens_to($user); $again->event('device.updated', 1) }),
		'which hears what happens';
	my @streams = map { listen_as($user) } 1 .. 5;
	$s->psql("UPDATE users SET disabled_at = now() WHERE id = '$user->{id}'");
	is_deeply [grep { !$_->ended } @streams, $again], [], 'all streams of who is disabled end at once';
	something_happens_to($other);
	ok $apart->event('device.updated'), "nobody else's";
	unlike slurp("$s->{var}/log/nginx-error.log"), qr/exited on signal/, 'nginx lives';
	return;
}

# Where the responder sends a token's owner, as plain CGI.
sub location {
	my (%claims) = @_;
	my (undef, $output) = run_program(["$s->{build}/handlers/events"], stdin => '', env => { %{ $s->environment },
		REQUEST_METHOD => 'GET', SCRIPT_NAME => EVENTS, DOCUMENT_URI => EVENTS, SERVER_PROTOCOL => 'HTTP/1.1',
		HTTP_ACCEPT => 'text/event-stream', HTTP_AUTHORIZATION => 'Bearer ' . $s->token($s->unique_user, %claims) });
	return $output =~ m{^X-Accel-Redirect: /_live/(\w+)/}m ? $1 : undef;
}

sub limits {
	my $user = somebody();
	my @streams = map { listen_as($user) } 1 .. 10;
	is_deeply [grep { $_->{status} != 200 } @streams], [], 'ten streams of one token';
	my $ask = sub { $s->http(GET => EVENTS, token => $user->{token}, headers => { Accept => 'text/event-stream' }) };
	my $answer = $ask->();
	problem_ok($answer, 429, 'too-many-requests', 'one more');
	ok $answer->{headers}{'retry-after'}, '... later';
	is $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token})->{status}, 200, 'other requests do not suffer';
	is listen_as(somebody())->{status}, 200, 'nor others';
	$_->close for @streams[0 .. 4];
	ok eventually(sub { listen_as($user)->{status} == 200 }), 'who closes some may open others';
	return;
}

# --- What breaks ---

sub reloaded {
	my $user   = somebody();
	my $stream = listen_as($user);
	kill 'HUP', scalar $s->pids('nginx');
	ok $stream->ended, 'a reload ends the stream';
	ok eventually(\&is_heard), 'soon another hears what happens';

	my $old = $s->pids('nginx');
	my @workers = $s->pids('nginx');
	kill 'KILL', @workers;
	ok eventually(sub { my $new = $s->pids('nginx'); $new && $new != $old }), 'killed, it is started again, whatever it left behind';
	ok eventually(sub { $s->http(GET => '/livez', timeout => 5)->{status} == 200 }), 'and serves';
	ok eventually(\&is_heard), 'and publishes';
	return;
}

# A stream of somebody's hears what happens to him. Not so if it came to a worker that leaves; like a page, we
# open another then.
sub is_heard {
	my $user   = somebody();
	my $stream = eval { listen_as($user) } or return;
	return if $stream->{status} != 200;
	something_happens_to($user);
	my $event = $stream->event('device.updated', 1);
	$stream->close;
	return $event;
}

# A device comes and goes, for good: one may only have so many.
sub something_happens_to {
	my ($user) = @_;
	my $id = $s->http(POST => '/device/login', token => $user->{token}, json => {})->{json}{device_id};
	$s->http(POST => '/device/logout', token => $user->{token}, json => { device_id => $id, remove => JSON::PP::true });
	return;
}

sub broken_publishers {
	my $hung = IO::Socket::UNIX->new(Local => "$s->{socket_dir}/hung.sock", Listen => 5) or die "hung.sock: $!";
	chmod 0666, "$s->{socket_dir}/hung.sock";
	my $was = counted();
	$s->set_env(LIVE_PUBLISH => "unix:$s->{socket_dir}/gone.sock unix:$s->{socket_dir}/hung.sock,unix:$s->{live_socket}");
	$s->reload_responders;
	my $user   = somebody();
	my $stream = listen_as($user);
	connect_as($user);
	my $name = instance_of($s, $user->{id})->{name};
	faults($s, { kind => 'silent', session => $name });    # or another QR's time is later than ours
	my $began = time;
	my $request = webhook($s, { event => 'session.status', session => $name, id => 'evt-live-1', timestamp => int(1000 * time),
		payload => { status => 'FAILED' } });
	my $answer = $s->http($request->{method}, $request->{path}, %$request);
	diag 'a webhook while two of three publishers are broken: ' . ms_since($began);
	is $answer->{status}, 200, 'a webhook is answered';
	is $s->psql_value("SELECT outcome FROM webhook_events WHERE event_id = 'evt-live-1'"), 'applied', 'and stored';
	ok $stream->event('device.updated'), 'who listens to an nginx that is well hears of it';
	eventually_ok('what failed is counted', sub { (counted()->{failed} // 0) > ($was->{failed} // 0) });
	eventually_ok('what did not as well', sub { counted()->{published} > $was->{published} });
	like $s->http(GET => '/metrics')->{body}, qr/^wapool_live_events_total\{outcome="failed"\} [1-9]/m, 'and /metrics says so';
	my $said = sub { scalar grep { /"live\.publish".*$_[0]\.sock/ } split /\n/, $s->log_text('connect') };
	eventually_ok("$_: it is in the log", sub { $said->($_) }) for qw(gone hung);
	is $said->($_), 1, "$_: ... once, not for every event" for qw(gone hung);
	return;
}

sub counted {
	return { map { @$_ } $s->psql("SELECT label, sum(n) FROM counters WHERE family = 'live' GROUP BY label") };
}
