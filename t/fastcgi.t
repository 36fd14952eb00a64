#!/usr/bin/perl
# What lib/responder promises to the web server in front of it: CGI and FastCGI give the
# same bytes, no request is lost when a responder stops, and nothing a peer does takes
# a thread away for good.

use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Handle;
use JSON::PP qw(decode_json);
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep);
use lib dirname(__FILE__) . '/lib';
use FastCGI;

my $build = File::Spec->rel2abs($ENV{WAPOOL_BUILD} // 'build');
my $echo = "$build/t/responder/echo";
BAIL_OUT("$echo is not built: run make tests") unless -x $echo;

my $dir = tempdir('wapool-fastcgi-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $owner = $$;
my (%children, $serial);

$SIG{ALRM} = sub { diag 'hanging: giving up'; exit 1 };
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
alarm 600; # a guard against hanging, no measure

END {
	if ($$ == $owner) {
		my $status = $?;
		kill 'KILL', keys %children;
		waitpid $_, 0 for keys %children;
		$? = $status;
	}
}

# --- helpers

# A responder on a socket of its own: { pid, path, log, dir, listen }.
sub responder {
	my (%env) = @_;
	my $name = 'r' . ++$serial;
	my $r = { path => "$dir/$name.sock", log => "$dir/$name.log", dir => "$dir/$name" };
	mkdir $r->{dir};
	$r->{listen} = FastCGI::listen_on($r->{path});
	$r->{command} = delete $env{command} // [$echo];
	$r->{env} = { LOG_LEVEL => 'info', REQUEST_METHOD => undef, %env };
	return again($r);
}

# Starts the responder's program on the same socket.
sub again {
	my ($r) = @_;
	$r->{pid} = FastCGI::start($r->{command}, $r->{listen},
		err => $r->{log}, dir => $r->{dir}, env => $r->{env});
	$children{ $r->{pid} } = 1;
	return $r;
}

# Waits for the process; its exit status, or "signal N".
sub ended {
	my ($pid) = @_;
	waitpid $pid, 0;
	delete $children{$pid};
	return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
}

sub stop {
	my ($r, $signal) = @_;
	kill $signal // 'TERM', $r->{pid};
	return ended($r->{pid});
}

sub slurp {
	my ($file) = @_;
	open my $in, '<', $file or return '';
	local $/;
	return scalar(<$in>) // '';
}

# Waits until the condition holds; the alarm ends what never does.
sub until_true {
	my ($condition) = @_;
	sleep 0.005 until $condition->();
}

# Sends SIGTERM and waits until only the threads that have a request are left (one, unless told).
sub stop_the_idle {
	my ($r, $busy) = @_;
	my $threads = sub { scalar(() = glob "/proc/$r->{pid}/task/*") };
	until_true(sub { slurp($r->{log}) =~ /"start"/ });
	my $left = $threads->() - 4 + ($busy // 1); # it has four
	kill 'TERM', $r->{pid};
	until_true(sub { $threads->() <= $left });
}

# A connection that was just used and is kept. A responder hangs up on who says nothing for a second: so each
# asks as soon as it is connected.
sub kept {
	my ($r) = @_;
	my $c = FastCGI->connect($r->{path});
	is $c->ask('POST', '/echo', body => 'first', keep => 1)->{body}, 'first', 'ready';
	return $c;
}

# A connection on which that request was begun.
sub begun {
	my ($r, $path, %opt) = @_;
	my $c = FastCGI->connect($r->{path});
	$c->send(FastCGI::head(FastCGI::params('GET', $path, %opt)) . FastCGI::body());
	return $c;
}

sub touch {
	my ($file) = @_;
	open my $out, '>', $file or die "$file: $!";
}

# The same request as plain CGI: its output and exit status.
sub cgi {
	my ($method, $path, %opt) = @_;
	my $in = IO::Handle->new;
	open $in, '+>', undef or die $!;
	syswrite $in, $opt{body} // '';
	sysseek $in, 0, 0;
	open my $out, '+>', undef or die $!;
	my $pid = FastCGI::start([$echo], $in, out => $out, err => "$dir/cgi.log",
		dir => $dir, env => FastCGI::params($method, $path, %opt));
	my $status = ended($pid);
	sysseek $out, 0, 0;
	local $/;
	return (scalar(<$out>) // '', $status);
}

# --- one request

subtest 'CGI and FastCGI answer with the same bytes' => sub {
	my $r = responder();
	my $json = '{"text":"ol\u00e1","n":[1,2,{"a":null}]}';
	my @type = (CONTENT_TYPE => 'application/json; charset=utf-8');
	my @cases = (
		['POST', '/echo', body => "a\0b\r\n\r\nc"],
		['POST', '/echo', body => ''],
		['POST', '/echo'],
		['POST', '/echo', body => 'x' x 100000],
		['POST', '/echo', body => 'x' x 100001],
		['POST', '/echo', body => 'chunks', length => '',
			HTTP_TRANSFER_ENCODING => 'chunked'],
		['POST', '/echo', body => 'abc', length => '3x'],
		['GET', '/echo'],
		['HEAD', '/echo'],
		['HEAD', '/big', query => 'size=5000'],
		['GET', '/big', query => 'size=4194304'],
		['GET', '/big', query => 'size=4194305'],
		['GET', '/header', query => 'size=9000'],
		['GET', '/nothing'],
		['OPTIONS', '/echo'],
		['DELETE', '/echo'],
		['', '/echo'],
		['GET', '/none'],
		['HEAD', '/none', HTTP_ACCEPT_LANGUAGE => 'en'],
		['GET', '/none', HTTP_ACCEPT_LANGUAGE => 'en-GB, pt;q=0.5'],
		['GET', "/none\xff\"\n"],
		['POST', '/json', body => $json, @type],
		['POST', '/json', body => '{"a":1,"a":2}', @type],
		['POST', '/json', body => '{}', CONTENT_TYPE => 'text/plain'],
		['POST', '/json', @type],
		['POST', '/ignore', body => 'i' x 65536],
		['POST', '/ignore', body => 'i' x 65537],
	);
	for my $case (@cases) {
		my ($bytes, $status) = cgi(@$case);
		my $name = join ' ', map { length > 40 ? substr($_, 0, 10) . '...' : $_ }
			@$case;
		$name =~ s/[^ -~]/?/g;
		my $f = FastCGI::request($r->{path}, @$case);
		ok $f->{ended} && $status == 0 && length $bytes && $f->{out} eq $bytes, $name
			or diag "CGI: $bytes\nFastCGI: $f->{out}";
	}
	is stop($r), 0, 'exit status';
};

subtest 'methods, paths and headers' => sub {
	my $r = responder();
	my $ask = sub { FastCGI::request($r->{path}, @_) };

	my $a = $ask->('DELETE', '/echo');
	is $a->{status}, 405, 'unknown method';
	is $a->{headers}{allow}, 'GET, HEAD, OPTIONS, POST, PUT', 'Allow is sorted';
	is decode_json($a->{body})->{type}, 'urn:wapool:problem:method-not-allowed', 'problem';

	$a = $ask->('OPTIONS', '/json');
	is $a->{status}, 204, 'OPTIONS';
	is $a->{headers}{allow}, 'OPTIONS, POST', 'without GET no HEAD';

	$a = $ask->('GET', '/none', id => 'abcdefgh-1234');
	is $a->{status}, 404, 'unknown path';
	is $a->{headers}{'content-type'}, 'application/problem+json', 'problem+json';
	is $a->{headers}{'x-request-id'}, 'abcdefgh-1234', 'the request id comes back';
	is decode_json($a->{body})->{requestId}, 'abcdefgh-1234', 'also in the body';
	is decode_json($a->{body})->{instance}, '/none', 'instance is the path';

	$a = $ask->('GET', '/none', id => "bad id\"");
	like $a->{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/, 'a bad id is replaced';

	$a = $ask->('HEAD', '/big', query => 'size=5000');
	is $a->{headers}{'content-length'}, 5000, 'HEAD tells the length';
	is $a->{body}, '', 'HEAD has no body';

	$a = $ask->('GET', '/header', query => 'size=9000');
	is length $a->{headers}{'x-long'}, 9000, 'a response header of more than 8 kB';
	ok !exists $a->{headers}{'x-injected'}, 'no response splitting';

	$a = $ask->('GET', '/nothing');
	is $a->{status}, 500, 'a handler that does not answer is a 500';
	is decode_json($a->{body})->{status}, 500, 'with a body';
	is $ask->('GET', '/big', query => 'size=4194305')->{status}, 500, 'too big an answer';
	is stop($r), 0, 'exit status';
};

subtest 'long request headers and queries' => sub {
	my $r = responder();
	for my $n (127, 128, 8183, 8192, 70000) {
		my $a = FastCGI::request($r->{path}, 'GET', '/lengths',
			query => 'q' x $n, HTTP_X_LONG => 'h' x $n);
		my $got = decode_json($a->{body});
		ok $got->{header} == $n && $got->{query} == $n, "$n bytes";
	}
	is stop($r), 0, 'exit status';
};

subtest 'one log line per request, without what is private' => sub {
	my $r = responder();
	FastCGI::request($r->{path}, 'GET', '/wait/5511999998888-x', id => 'request-one');
	is stop($r), 0, 'exit status';
	my @lines = map { decode_json($_) } split /\n/, slurp($r->{log});
	my @requests = grep { $_->{event} eq 'request' } @lines;
	is @requests, 1, 'one line';
	is $requests[0]{requestId}, 'request-one', 'request id';
	is $requests[0]{method}, 'GET', 'method';
	is $requests[0]{status}, 500, 'status';
	like $requests[0]{us}, qr/^\d+$/, 'duration';
	unlike $requests[0]{path}, qr/99999/, 'no phone number';
	is_deeply [sort map { $_->{event} } @lines], ['request', 'start', 'stop'], 'events';
};

# --- bodies

subtest 'the limit is exact, and the connection survives a refusal' => sub {
	my $r = responder();
	my $full = join '', map { chr(33 + $_ % 90) } 1 .. 100000;
	my $c = FastCGI->connect($r->{path});
	my $a = $c->ask('POST', '/echo', body => $full, keep => 1);
	ok $a->{body} eq $full, 'a body of exactly the limit';
	$a = $c->ask('POST', '/echo', body => $full . 'x', keep => 1);
	is $a->{status}, 413, 'one byte more';
	is decode_json($a->{body})->{type}, 'urn:wapool:problem:too-large', 'problem';
	is $c->ask('POST', '/echo', body => 'next', keep => 1)->{body}, 'next', 'next request';
	is stop($r), 0, 'exit status';
};

subtest 'a body nobody wanted does not become the next request' => sub {
	my $r = responder();
	my $big = "\1\1\0\1\0\10\0\0" x 25000;
	my $c = FastCGI->connect($r->{path});
	is $c->ask('POST', '/none', body => $big, keep => 1)->{status}, 404, 'no such path';
	is $c->ask('PATCH', '/echo', body => $big, keep => 1)->{status}, 405, 'no such method';
	is $c->ask('POST', '/ignore', body => $big, keep => 1)->{status}, 413, 'too large';
	my $a = $c->ask('POST', '/ignore', body => 'small', keep => 1);
	is decode_json($a->{body})->{body}, 0, 'ignored';
	is $c->ask('POST', '/echo', body => 'next', keep => 1)->{body}, 'next', 'next request';
	is stop($r), 0, 'exit status';
};

subtest 'a body without end is not drained for ever, nor taken for requests' => sub {
	my $r = responder();
	my $params = FastCGI::params('POST', '/none', length => 17 << 20, PAD => '');
	$params->{PAD} = 'p' x (-length(FastCGI::head($params)) % 8);
	# records that libfcgi answers, at every place where it may go on reading
	my $body = pack('CCnnCC', 1, 11, 0, 0, 0, 0) x (17 << 17);
	my $bytes = FastCGI::head($params, 1) . FastCGI::body($body);    # takes longer than a new connection may be silent
	my $c = FastCGI->connect($r->{path});
	$c->send($bytes);
	is $c->response->{status}, 404, 'answered';
	ok $c->closed, 'nothing follows';
	is FastCGI::request($r->{path}, 'GET', '/echo')->{status}, 200, 'others are served';
	is stop($r), 0, 'exit status';
};

subtest 'CONTENT_LENGTH is empty or absent: the stream decides' => sub {
	my $r = responder();
	is FastCGI::request($r->{path}, 'POST', '/echo', body => 'abc', length => '')->{body},
		'abc', 'empty';
	my $params = FastCGI::params('POST', '/echo');
	delete $params->{CONTENT_LENGTH};
	my $c = FastCGI->connect($r->{path});
	$c->send(FastCGI::head($params) . FastCGI::body('abc'));
	is $c->response->{body}, 'abc', 'absent';
	is stop($r), 0, 'exit status';
};

subtest 'a truncated body is never handled' => sub {
	my $r = responder();
	my $head = FastCGI::head(FastCGI::params('POST', '/echo', length => 1000), 1);
	my $half = FastCGI::stream(FastCGI::STDIN_STREAM, 'x' x 500);
	my %broken = (
		'ends too early' => $half . FastCGI::record(FastCGI::STDIN_STREAM, ''),
		'is aborted' => $half . FastCGI::record(FastCGI::ABORT_REQUEST, ''),
		'stops in mid-record' => pack('CCnnCC', 1, 5, 1, 1000, 0, 0) . 'x' x 500,
		'stops between records' => $half,
	);
	for my $how (sort keys %broken) {
		my $c = FastCGI->connect($r->{path});
		$c->send($head . $broken{$how});
		shutdown $c->{socket}, 1;
		ok $c->closed, "$how: no answer";
	}
	until_true(sub { (() = slurp($r->{log}) =~ /"request dropped"/g) == keys %broken });
	unlike slurp($r->{log}), qr/"event":"request"/, 'no handler ran';
	is stop($r), 0, 'exit status';
};

# --- connections that are kept

subtest 'idle kept connections hold no thread' => sub {
	my $r = responder(THREADS => 2);
	my @kept = map { kept($r) } 1 .. 20;    # many more than there are threads
	is FastCGI::request($r->{path}, 'GET', '/echo')->{status}, 200, 'a new one is served';
	my @asked = @kept[0 .. 1];
	$_->send(FastCGI::head(FastCGI::params('GET', '/gate/2'), 1) . FastCGI::body()) for @asked;
	is_deeply [map { $_->response->{body} } @asked], [('open') x 2], 'two of them are served at the same time';
	close $_->{socket} for @kept[2 .. 9];
	is_deeply [map { $_->ask('POST', '/echo', body => 'again', keep => 1)->{body} } reverse @kept[10 .. 19]], [('again') x 10],
		'others go on when some have gone';
	is stop($r), 0, 'exit status';
	ok $_->closed, 'then they are closed' for @kept[10 .. 11];
};

# --- requests that are answered together

# A responder, of one thread unless told, which a request holds, and n connections that it keeps.
sub held {
	my ($n, $threads) = @_;
	my $r = responder(THREADS => $threads // 1, ECHO_TOGETHER => 1);
	my @kept = map { kept($r) } 1 .. $n;
	my $holder = begun($r, '/wait/hold');
	until_true(sub { -e "$r->{dir}/hold.in" });
	return ($r, $holder, @kept);
}

sub ask_together {
	my ($c, $path, $body) = @_;
	$c->send(FastCGI::head(FastCGI::params('POST', $path, length => length $body), 1) . FastCGI::body($body));
}

subtest 'who comes together gets an answer of his own' => sub {
	my ($r, $holder, @kept) = held(6);
	ask_together($kept[$_], '/together', "body $_") for 0 .. 2;
	ask_together($kept[3], '/echo', 'another route');
	ask_together($kept[4], '/together', 'x' x 101);
	$kept[5]->send(FastCGI::head(FastCGI::params('POST', '/together', length => 100), 1)
		. FastCGI::stream(FastCGI::STDIN_STREAM, 'cut'));
	shutdown $kept[5]{socket}, 1;
	touch("$r->{dir}/hold.go");
	is $holder->response->{body}, 'done', 'the one that held the thread';
	is $kept[$_]->response->{body}, "3 body $_", "number $_ of three" for 0 .. 2;
	is $kept[3]->response->{body}, 'another route', 'a route of its own';
	is $kept[4]->response->{status}, 413, 'one that is refused';
	ok $kept[5]->closed, 'one that broke off';
	is $kept[0]->ask('POST', '/together', body => 'alone', keep => 1)->{body}, '1 alone', 'the connections are kept';
	my %together = map { $_->{path} => $_->{together} } grep { $_->{event} eq 'request' } map { decode_json($_) } split /\n/, slurp($r->{log});
	is $together{'/echo'}, 5, 'the log tells how many shared the time';
	is stop($r), 0, 'exit status';
};

subtest 'who waits when the responder stops is answered' => sub {
	my ($r, $holder, @kept) = held(4);
	ask_together($kept[$_], '/together', "body $_") for 0 .. 3;
	kill 'TERM', $r->{pid};
	touch("$r->{dir}/hold.go");
	is $holder->response->{body}, 'done', 'the one that held the thread';
	is_deeply [map { $_->response->{body} } @kept], [map { "4 body $_" } 0 .. 3], 'all of them';
	is ended($r->{pid}), 0, 'exit status';
	ok $_->closed, 'then closed' for @kept;
};

subtest 'who comes while a request takes long is answered by another thread' => sub {
	my ($r, $holder, @kept) = held(2, 3);
	is $kept[$_]->ask('POST', '/together', body => "body $_", keep => 1)->{body}, "1 body $_", "kept connection $_" for 0, 1;
	my $second = begun($r, '/wait/second');
	until_true(sub { -e "$r->{dir}/second.in" });
	is FastCGI::request($r->{path}, 'POST', '/together', body => 'new')->{body}, '1 new', 'also when that one takes long too';
	touch("$r->{dir}/$_.go") for qw(second hold);
	is $_->response->{body}, 'done', 'the long ones' for $holder, $second;
	is $kept[0]->ask('POST', '/together', body => 'after', keep => 1)->{body}, '1 after', 'and after them';
	is stop($r), 0, 'exit status';
};

subtest 'as CGI each comes alone' => sub {
	local $ENV{ECHO_TOGETHER} = 1;
	my ($bytes, $status) = cgi('POST', '/together', body => 'cgi');
	like $bytes, qr/\r\n\r\n1 cgi\z/, 'one';
	is $status, 0, 'exit status';
};

# --- peers that misbehave

my $half_head = responder(THREADS => 1);
my $stuck = FastCGI->connect($half_head->{path});
$stuck->send(substr FastCGI::head(FastCGI::params('GET', '/echo')), 0, 20);

subtest 'silent peers do not keep the others from being served' => sub {
	my $r = responder();
	my @silent = map { FastCGI->connect($r->{path}) } 1 .. 6;
	is FastCGI::request($r->{path}, 'GET', '/echo')->{status}, 200, 'served';
	ok $_->closed, 'dropped' for @silent;
	is stop($r), 0, 'exit status';
};

subtest 'no FastCGI: the connection is closed and the thread lives on' => sub {
	my $r = responder(THREADS => 1);
	my @nonsense = ("GET / HTTP/1.0\r\n\r\n", "\0" x 64, pack('CCnnCC', 1, 4, 1, 0, 0, 0),
		pack('CCnnCC', 1, 1, 1, 8, 0, 0) . pack('nCx5', 9, 0),
		substr(FastCGI::head(FastCGI::params('GET', '/echo')), 0, 20));
	for my $bytes (@nonsense) {
		my $c = FastCGI->connect($r->{path});
		$c->send($bytes);
		shutdown $c->{socket}, 1;
		ok $c->closed, 'closed';
	}
	is FastCGI::request($r->{path}, 'GET', '/echo')->{status}, 200, 'served';
	is stop($r), 0, 'exit status';
};

subtest 'the client goes away while the answer is sent' => sub {
	my $r = responder(THREADS => 2);
	for (1 .. 4) {
		my $c = begun($r, '/big', query => 'size=4000000');
		$c->take(100);
		close $c->{socket};
	}
	until_true(sub { (() = slurp($r->{log}) =~ /"sent":0/g) == 4 });
	is FastCGI::request($r->{path}, 'GET', '/echo')->{status}, 200, 'served';
	is stop($r), 0, 'exit status';
};

subtest 'out of file descriptors: no thread is lost' => sub {
	my $r = responder();
	until_true(sub { slurp($r->{log}) =~ /"start"/ });
	opendir my $fds, "/proc/$r->{pid}/fd" or die "/proc: $!\n";
	my %used = map { $_ => 1 } readdir $fds;
	my @free = grep { !$used{$_} } 0 .. 255;
	my $limit = $free[2]; # leaves room for two connections
	stop($r);

	$r = responder(command => ['/bin/sh', '-c', "ulimit -S -n $limit; exec '$echo'"]);
	my @c = map { begun($r, "/wait/w$_") } 0 .. 3;
	until_true(sub { slurp($r->{log}) =~ /"accept postponed"/ });
	touch("$r->{dir}/w$_.go") for 0 .. 3;
	is $_->response->{body}, 'done', 'answered' for @c;

	is system("prlimit --pid $r->{pid} --nofile=256: >/dev/null 2>&1"), 0, 'it gets more';
	@c = map { begun($r, '/gate/4') } 1 .. 4;
	is_deeply [map { $_->response->{body} } @c], [('open') x 4], 'all four threads are alive';
	is stop($r), 0, 'exit status';
};

# --- stopping

for my $signal (qw(TERM INT USR1)) {
	subtest "SIG$signal: idle threads leave at once" => sub {
		my $r = responder();
		my $kept = kept($r);
		is stop($r, $signal), 0, 'exit status';
		ok $kept->closed, 'also the one that sits on a kept connection';
	};
}

subtest 'SIGTERM in mid-request: it is answered, new ones are left in the queue' => sub {
	my $r = responder();
	my $running = begun($r, '/wait/a');
	until_true(sub { -e "$r->{dir}/a.in" });
	my $old = $r->{pid};
	stop_the_idle($r);
	my $queued = begun($r, '/echo');
	touch("$r->{dir}/a.go");
	is $running->response->{body}, 'done', 'the running request';
	is ended($old), 0, 'exit status';
	again($r);
	is $queued->response->{status}, 200, 'the queued one, by the next process';
	is stop($r), 0, 'exit status of the next';
};

subtest 'SIGTERM: a kept connection gets the answer under way and no further one' => sub {
	my $r = responder();
	my ($first, $second) = map { kept($r) } 1 .. 2;
	$first->send(FastCGI::head(FastCGI::params('GET', '/wait/first'), 1) . FastCGI::body());
	until_true(sub { -e "$r->{dir}/first.in" });
	$second->send(FastCGI::head(FastCGI::params('GET', '/wait/second'), 1) . FastCGI::body());
	until_true(sub { -e "$r->{dir}/second.in" });
	stop_the_idle($r, 2);
	touch("$r->{dir}/first.go");
	is $first->response->{body}, 'done', 'answered';
	ok $first->closed, 'and closed, though the process still lives for another request';
	touch("$r->{dir}/second.go");
	is $second->response->{body}, 'done', 'which is answered too';
	is ended($r->{pid}), 0, 'exit status';
};

subtest 'signals in mid-body: it is neither cut nor lost' => sub {
	my $r = responder();
	my $c = kept($r);
	my $body = join '', 'a' .. 'zzz';
	my $params = FastCGI::params('POST', '/echo', body => $body);
	$c->send(FastCGI::head($params, 1)
		. FastCGI::stream(FastCGI::STDIN_STREAM, substr $body, 0, 3000));
	stop_the_idle($r);
	kill $_, $r->{pid} for qw(TERM INT USR1 TERM);
	$c->send(FastCGI::stream(FastCGI::STDIN_STREAM, substr $body, 3000, 4000));
	kill $_, $r->{pid} for qw(USR1 INT TERM);
	$c->send(FastCGI::body(substr $body, 7000));
	my $a = $c->response;
	is $a->{status}, 200, 'answered';
	ok $a->{body} eq $body, 'with the whole body';
	is ended($r->{pid}), 0, 'exit status';
};

subtest 'signals in mid-write: the answer is complete' => sub {
	my $r = responder();
	my $c = begun($r, '/big', query => 'size=4000000');
	my $first = $c->take(8);
	stop_the_idle($r);
	kill $_, $r->{pid} for qw(TERM INT USR1 TERM);
	my ($length, $padding) = (unpack 'CCnnCC', $first)[3, 4];
	my $head = $c->take($length);
	$c->take($padding);
	my $rest = $c->response;
	ok $rest->{ended}, 'to its end';
	my (undef, $body) = split /\r\n\r\n/, $head . $rest->{out}, 2;
	is length $body, 4000000, 'every byte';
	is ended($r->{pid}), 0, 'exit status';
};

subtest 'restarts under load lose no request' => sub {
	my $r = responder();
	my @clients = map { load_client($r->{path}) } 1 .. 4;
	for (1 .. 10) {
		my $lines = () = slurp($r->{log}) =~ /"event":"request"/g;
		until_true(sub {
			(() = slurp($r->{log}) =~ /"event":"request"/g) >= $lines + 50;
		});
		is stop($r), 0, 'stopped';
		again($r);
	}
	touch("$dir/enough");
	my ($good, $bad) = (0, 0);
	for my $client (@clients) {
		my ($g, $b) = split ' ', readline $client->{from};
		$good += $g;
		$bad += $b;
		ended($client->{pid});
	}
	cmp_ok $good, '>=', 500, "answers ($good)";
	is $bad, 0, 'failures';
	is stop($r), 0, 'exit status';
};

# A process that makes requests until there is a file "enough", then reports "good bad".
sub load_client {
	my ($path) = @_;
	pipe my $from, my $to or die $!;
	my $pid = fork() // die $!;
	if ($pid) {
		$children{$pid} = 1;
		return { pid => $pid, from => $from };
	}
	my ($good, $bad, $n) = (0, 0, 0);
	until (-e "$dir/enough") {
		my $body = 'b' x (++$n % 7 * 1000);
		my $a = FastCGI::request($path, 'POST', '/echo', body => $body);
		$a->{ended} && $a->{body} eq $body ? $good++ : $bad++;
	}
	syswrite $to, "$good $bad\n";
	POSIX::_exit(0);
}

# --- plain CGI and starting

subtest 'CGI: a web server that falls silent is not waited for without end' => sub {
	pipe my $in, my $silent or die $!;
	open my $out, '+>', "$dir/cgi.out" or die $!;
	my $env = FastCGI::params('POST', '/echo', length => 10, REQUEST_DEADLINE_MS => 500);
	my $pid = FastCGI::start([$echo], $in, out => $out, err => "$dir/cgi.log",
		env => $env);
	isnt ended($pid), 0, 'it ends and says so';
	is -s "$dir/cgi.out", 0, 'without an answer';
};

subtest 'CGI: the body ends with CONTENT_LENGTH, not with the pipe' => sub {
	pipe my $in, my $open or die $!;
	syswrite $open, 'body and more';
	open my $out, '+>', "$dir/cgi.out" or die $!;
	my $pid = FastCGI::start([$echo], $in, out => $out, err => "$dir/cgi.log",
		env => FastCGI::params('POST', '/echo', length => 4));
	is ended($pid), 0, 'exit status';
	my %a = FastCGI::parse(slurp("$dir/cgi.out"));
	is $a{body}, 'body', 'body';
};

subtest 'CGI: SIGTERM ends it' => sub {
	pipe my $in, my $silent or die $!;
	my $pid = FastCGI::start([$echo, '--help'], $in, err => "$dir/cgi.log", dir => $dir,
		env => FastCGI::params('GET', '/wait/cgi'));
	$children{$pid} = 1;
	until_true(sub { -e "$dir/cgi.in" });
	kill 'TERM', $pid;
	is ended($pid), 'signal 15', 'ended, though no query became an option';
};

subtest 'what cannot be served does not start' => sub {
	open my $null, '<', '/dev/null' or die $!;
	my %none = (REQUEST_METHOD => undef);
	my $pid = FastCGI::start([$echo], $null, err => "$dir/start.log", env => {%none});
	is ended($pid), 1, 'neither a socket nor a request';
	$pid = FastCGI::start([$echo], FastCGI::listen_on("$dir/x.sock"),
		err => "$dir/start.log", env => { %none, THREADS => 'many' });
	is ended($pid), 1, 'a bad setting';
	for my $line (split /\n/, slurp("$dir/start.log")) {
		my $said = decode_json($line);
		is $said->{event}, 'not started', $said->{reason};
	}
	for my $option (qw(--help --version)) {
		open my $out, '>', "$dir/option.out" or die $!;
		$pid = FastCGI::start([$echo, $option], $null, out => $out, env => {%none});
		is ended($pid), 0, $option;
		like slurp("$dir/option.out"), qr/wapool echo/, 'says what it is';
	}
	$pid = FastCGI::start([$echo, '--nonsense'], $null, err => "$dir/option.err",
		env => {%none});
	is ended($pid), 1, 'an unknown option';
};

subtest 'a peer that stops in mid-head holds its thread only for a while' => sub {
	is FastCGI::request($half_head->{path}, 'GET', '/echo')->{status}, 200, 'served';
	ok $stuck->closed, 'dropped';
	is stop($half_head), 0, 'exit status';
};

done_testing;
