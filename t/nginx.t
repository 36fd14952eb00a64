#!/usr/bin/perl
# nginx: the files in nginx/, alone and in front of stub responders: routes, limits, nginx's own errors,
# CORS, headers, TLS, logs.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use File::Temp ();
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use Wapool::Process qw(random_hex run_program slurp wait_until);
use Wapool::Stack;
use Wapool::Stub;
use Wapool::Test qw(burst);

delete $ENV{WAPOOL_TRAFFIC};    # stubs answer here: not what the documents describe

my $root  = "$FindBin::Bin/..";
my $build = File::Temp->newdir('wapool-stub.XXXXXX', TMPDIR => 1);
my $s     = Wapool::Stack->new(build => "$build", https_port => 'free', origins => ['https://painel.example']);
my @names = $s->responder_names;
my $dead  = 'qr';    # never started: what nginx says of a dead responder
Wapool::Stub::install("$build", @names);

subtest 'the configuration is clean'         => \&configuration;
subtest 'routes, upstreams and handlers'     => \&routes;
subtest 'connections that are kept'          => \&keep_conn;
subtest 'nobody holds all threads'           => \&shares;
subtest 'no log format quotes a query'       => \&log_formats;
subtest 'texts agree with lib/message.c'     => \&texts;

$s->start_responders(grep { $_ ne $dead } @names);
$s->start_nginx;

subtest 'FastCGI parameters'                 => \&parameters;
subtest 'errors, in Portuguese and English'  => \&errors;
subtest 'requests that cannot be parsed'     => \&unparsable;
subtest 'language'                           => \&language;
subtest 'answers of responders pass'         => \&passing;
subtest 'CORS'                               => \&cors;
subtest 'security headers'                   => \&headers;
subtest 'pages'                              => \&pages;
subtest 'no page has code or style in it'    => \&inline;
subtest 'TLS'                                => \&tls;
subtest 'the access log'                     => \&access_log;
subtest 'limits'                             => \&limits;
subtest 'limits of addresses'                => \&address_limits;
$s->stop;
done_testing;

# --- The files ---

sub files { return map { $_ => slurp($_) } glob "$root/nginx/*.conf $root/nginx/demo.conf.in" }

# Without comments.
sub directives {
	my ($text) = @_;
	return $text =~ s/^\s*#(?!tls ).*$//mgr;
}

sub configuration {
	ok eval { $s->nginx->configure; 1 }, 'nginx -t takes the demo configuration' or diag $@;
	is $s->nginx->check, '', 'and has nothing to say about it';
	is try_site_sample(), '', 'the same for site.conf.sample';
	my %files = files();
	for my $file (sort keys %files) {
		unlike $files{$file}, qr/\t| $/m, "$file: no tabs, no trailing blanks";
	}
}

# nginx -t of the sample site with this test's certificate and ports.
sub try_site_sample {
	my ($cert, $key) = $s->certificate;
	my $site = slurp("$root/nginx/site.conf.sample");
	$site =~ s{\S+/fullchain\.pem}{$cert};
	$site =~ s{\S+/privkey\.pem}{$key};
	$site =~ s{listen (\[::\]:)?80;}{}g;
	$site =~ s{listen (\[::\]:)?443 ssl http2;}{listen 127.0.0.1:$s->{https_port} ssl http2;}
		while $site =~ /443 ssl/;
	$site =~ s{(listen 127[^;]+;)\s+listen 127[^;]+;}{$1};
	$site =~ s{/var/log/nginx}{$s->{var}/log};
	my $user = $> == 0 ? 'user www-data;' : '';
	my @temp = map { "${_}_temp_path $s->{reach}/nginx-tmp/$_;" } qw(client_body fastcgi proxy scgi uwsgi);
	my $conf = "$s->{var}/nginx/site-test.conf";
	Wapool::Process::spew($conf, $s->nginx->modules . " $user pid $s->{var}/run/site.pid; events { }\nhttp {\naccess_log off;\n@temp\n$site\n}\n");
	my (undef, $output) = run_program([$s->nginx->{program}, '-p', "$s->{var}/nginx/", '-e',
			"$s->{var}/log/site-error.log", '-c', $conf, '-t']);
	return join '', grep { !/syntax is ok|test is successful/ } split /^/, $output;
}

sub routes {
	my $server = directives(slurp("$root/nginx/wapool-server.conf"));
	my %passed = map { $_ => 1 } $server =~ /fastcgi_pass\s+(\w+);/g;
	my %upstream = slurp("$root/nginx/wapool-upstreams.conf") =~ m{^upstream (\w+)\s.*/([a-z-]+)\.sock}mg;
	is_deeply [sort keys %passed], [sort keys %upstream], 'every upstream has a location, and vice versa';
	for my $name (sort keys %upstream) {
		is $name, 'wapool_' . $upstream{$name} =~ tr/-/_/r, "$name is named after its socket";
	}
	my @handlers = sort map { m{([^/]+)\.c\z} } glob "$root/handlers/*.c";
	is_deeply \@handlers, [sort values %upstream], 'every handler has an upstream, and vice versa';
	my %described = map { $_ => 1 } slurp("$root/docs/openapi.yaml") =~ m{^\s*["']?(/[^\s:"']*)["']?:}mg;
	ok $described{$_}, "docs/openapi.yaml has $_" for grep { !/^\/_/ } $server =~ /location = (\S+)/g;
}

# docs/architecture.md, "Responders": what nginx repeats when a kept connection was closed by a restart.
sub keep_conn {
	my %files = files();
	my $server = directives($files{"$root/nginx/wapool-server.conf"});
	my %upstream = $files{"$root/nginx/wapool-upstreams.conf"} =~ /^upstream (\w+)\s+\{(.*?)\}/smg;
	my %kept;
	for my $location ($server =~ /^(location .*?^\})/smg) {
		next unless $location =~ /fastcgi_keep_conn\s+on;/;
		my ($name) = $location =~ /fastcgi_pass (\w+);/;
		my ($handler) = $upstream{$name} =~ m{/([a-z-]+)\.sock};
		my $changes = slurp("$root/handlers/$handler.c") =~ /^\t\{"(?:POST|PUT|PATCH|DELETE)", /m;
		is $location =~ /fastcgi_next_upstream error non_idempotent;/ ? 1 : 0, $changes ? 1 : 0,
			"$name: repeated after a restart" . ($changes ? ', though it changes something' : '');
		$kept{$name} = 1;
	}
	is_deeply [sort keys %kept], [qw(wapool_livez wapool_my_connection wapool_webhook)], 'where it pays, and may be repeated';
	for my $name (sort keys %upstream) {
		is $upstream{$name} =~ /keepalive \d+;/ ? 1 : 0, $kept{$name} // 0, "$name: keepalive only with keep_conn";
	}
	unlike directives($files{"$root/nginx/wapool-fastcgi.conf"}), qr/keep_conn|next_upstream/, 'not for all at once';
}

# Whose gateway or subscriber hangs on purpose holds the threads that wait for it: half of them at the most.
sub shares {
	my $server = directives(slurp("$root/nginx/wapool-server.conf"));
	my %waits = map { $_ => 1 } qw(connect qr messages device-webhook waha-servers);
	my %held;
	for my $location ($server =~ /^(location .*?^\})/smg) {
		my ($name) = $location =~ /fastcgi_pass wapool_(\w+);/ or next;
		my $handler = $name =~ tr/_/-/r;
		my ($most) = $location =~ /limit_conn wapool_token_conn (\d+);/ or next;
		next unless $waits{$handler};
		my ($threads) = slurp("$root/handlers/$handler.c") =~ /\.threads = (\d+),/;
		cmp_ok $most * 2, '<=', $threads, "$handler: one token's share";
		$held{$handler} = 1;
	}
	is_deeply \%held, \%waits, 'every responder that waits for what users own';
}

sub log_formats {
	my %files = files();
	my @formats = map { /^\s*(log_format\s[^;]*;)/mg } values %files;
	ok @formats > 0, 'there is a log format';
	for my $format (@formats) {
		unlike $format, qr/\$(request|request_uri|args|query_string|http_\w+|cookie_\w+|request_body|uri|arg_\w+)\b(?!_)/,
			'no query, no header, no body in it';
		like $format, qr/escape=json/, 'what it does quote is escaped';
	}
	for my $file (sort keys %files) {
		unlike $files{$file}, qr{access_log\s+(?!off;)\S+;}, "$file: no access_log in nginx's own format";
	}
}

sub texts {
	my $http = slurp("$root/nginx/wapool-http.conf");
	utf8::decode($http);
	my $c = slurp("$root/lib/message.c");
	utf8::decode($c);
	$c =~ s/"\s*\n\s*"//g;
	my $string = qr/"((?:[^"\\]|\\.)*)"/;
	my %ours;
	while ($c =~ /\{(\d+), \d+, "([a-z-]+)",\s*\{$string,\s*$string\},\s*\{$string,\s*$string\}\}/g) {
		$ours{$2} = { status => $1, title => [$3, $4], detail => [$5, $6] };
	}
	ok $ours{'not-found'}, 'lib/message.c was understood';
	my ($codes) = $http =~ /map \$status \$wapool_problem_code \{(.*?)\}/s;
	my %code = $codes =~ /(\d{3})\s+([a-z-]+);/g;
	$code{500} = 'internal';
	for my $status (grep { $ours{ $code{$_} } } sort keys %code) {
		is $ours{ $code{$status} }{status}, $status, "$code{$status} is a $status on both sides";
		is_deeply text_of($http, title => $status), $ours{ $code{$status} }{title}, "$code{$status}: title";
		is_deeply text_of($http, detail => $status), $ours{ $code{$status} }{detail}, "$code{$status}: detail";
	}
}

# [Portuguese, English] from a map of wapool-http.conf.
sub text_of {
	my ($http, $which, $status) = @_;
	my ($map) = $http =~ /\$wapool_problem_$which \{(.*?)^\}/sm;
	my ($default) = $map =~ /default "(.*?)";/;
	return [map { $map =~ /\b$_$status\s+"(.*?)";/ ? $1 : $default } qw(pt en)];
}

# --- Asking ---

sub raw {
	my ($bytes, $port) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port // $s->{http_port}, Timeout => 5)
		or die "connect: $@";
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{ALRM} = sub { die "no answer\n" };
	alarm 10;
	print {$socket} $bytes;
	my $answer = do { local $/ = undef; <$socket> } // '';
	alarm 0;
	my ($head, $body) = split /\r\n\r\n/, $answer, 2;
	my ($status) = ($head // '') =~ m{\AHTTP/1\.[01] (\d+)};
	my %header = map { /^([^:]+): (.*?)\r?$/ ? (lc $1 => $2) : () } split /\n/, $head // '';
	return { status => $status, headers => \%header, body => $body,
		json => scalar eval { JSON::PP->new->utf8->decode($body) } };
}

# One subtest's worth of looks at a problem that nginx made.
sub is_problem {
	my ($answer, $status, $code, $what, %expected) = @_;
	my $json = $answer->{json} || {};
	is $answer->{status}, $status, "$what: $status" or diag $answer->{body};
	is $answer->{headers}{'content-type'}, 'application/problem+json', "$what: content type";
	is_deeply [sort keys %$json], [sort qw(type title status detail instance error message requestId)],
		"$what: members" or diag $answer->{body};
	is $json->{type}, "urn:wapool:problem:$code", "$what: type";
	is $json->{status}, $status, "$what: its status";
	is $json->{error}, $json->{title}, "$what: error is the title";
	is $json->{message}, $json->{detail}, "$what: message is the detail";
	is $json->{requestId}, $answer->{headers}{'x-request-id'}, "$what: request id";
	is $answer->{headers}{'cache-control'}, 'no-store', "$what: not to be stored";
	is $answer->{headers}{'x-content-type-options'}, 'nosniff', "$what: security headers";
	is $json->{$_}, $expected{$_}, "$what: $_" for sort keys %expected;
	return;
}

# --- Behaviour ---

sub parameters {
	my $answer = $s->http(POST => '/api/whatsapp/connect?a=1', json => {}, headers => {
		'X-Request-Id' => 'mine-1234567890', Proxy => 'http://evil', 'Accept-Language' => 'en' });
	my $params = $answer->{json}{params};
	is $answer->{status}, 200, 'connect answers';
	is $params->{DOCUMENT_URI}, '/api/whatsapp/connect', 'DOCUMENT_URI';
	is $params->{QUERY_STRING}, 'a=1', 'QUERY_STRING';
	is $params->{REQUEST_METHOD}, 'POST', 'REQUEST_METHOD';
	is $params->{CONTENT_TYPE}, 'application/json', 'CONTENT_TYPE';
	is $params->{REMOTE_ADDR}, '127.0.0.1', 'REMOTE_ADDR';
	is $params->{HTTP_PROXY} // '', '', "a client's Proxy header is no setting";
	is $params->{HTTP_X_REQUEST_ID} // '', '', "a client's X-Request-Id is not trusted";
	like $params->{REQUEST_ID}, qr/\A[0-9a-f]{32}\z/, 'REQUEST_ID';
	is $answer->{headers}{'x-request-id'}, $params->{REQUEST_ID}, 'is the X-Request-Id of the answer, once';
	for my $path (qw(/api/auth/login /api/whatsapp/connect /api/v1/whatsapp/setup /api/whatsapp/disconnect
		/api/whatsapp/my-connection /webhook /webhook/0b9de1c2-58f8-4b1c-9a65-4a2bdfb0a4e1 /livez /readyz)) {
		my $got = $s->http(POST => $path);
		my $want = $path =~ m{^/webhook} ? 'webhook' : $path =~ /setup/ ? 'connect' : $path =~ /login/ ? 'auth-login' : ($path =~ m{([^/]+)\z})[0];
		is $got->{json}{program}, "./$want", "$path goes to $want";
	}
	is $s->http(POST => '/webhook', body => 'x' x 2_000_000)->{json}{bytes}, 2_000_000, 'a webhook of 2 MB';
	return;
}

sub errors {
	for my $lang (qw(pt-BR en)) {
		my $pt = $lang ne 'en';
		my $ask = sub {
			my ($method, $path, %opt) = @_;
			$opt{headers}{'Accept-Language'} = $lang;
			return $s->http($method, $path, %opt);
		};
		my $not_found = $pt ? 'Não encontrado' : 'Not found';
		for my $path (qw(/nothing /api/whatsapp/nothing /api/auth/ /webhook/a/b /api/whatsapp/connect/ /_problem)) {
			is_problem($ask->(GET => $path), 404, 'not-found', "$lang $path", instance => $path, title => $not_found);
		}
		for my $path ('/api/whatsapp/a%22b"c', '/api/whatsapp/a\\b', '/' . 'x' x 300, '/<script>') {
			(my $sent = $path) =~ s/(["<>\\])/sprintf '%%%02X', ord $1/ge if $path =~ /script/;
			my $answer = raw("GET $path HTTP/1.1\r\nHost: x\r\nAccept-Language: $lang\r\nConnection: close\r\n\r\n");
			is_problem($answer, 404, 'not-found', "$lang " . substr($path, 0, 20), instance => '/');
		}
		is_problem($ask->(GET => '/a?token=secret'), 404, 'not-found', "$lang query", instance => '/a');
		my %too_large = (title => $pt ? 'Requisição grande demais' : 'Request too large');
		is_problem($ask->(POST => '/api/auth/login', body => 'x' x 4097), 413, 'too-large', "$lang login", %too_large);
		is_problem($ask->(POST => '/webhook', body => 'x' x (2 * 1024 * 1024 + 1)), 413, 'too-large', "$lang webhook", %too_large);
		is_problem(raw("POST /api/whatsapp/connect HTTP/1.1\r\nHost: x\r\nAccept-Language: $lang\r\nConnection: close\r\n"
			. "Transfer-Encoding: chunked\r\n\r\n1400\r\n" . 'x' x 0x1400 . "\r\n0\r\n\r\n"), 413, 'too-large', "$lang chunked", %too_large);
		my $method = $ask->(POST => '/');
		is_problem($method, 405, 'method-not-allowed', "$lang POST to a page");
		is $method->{headers}{allow}, 'GET, HEAD', 'with Allow';
		is_problem($ask->(TRACE => '/api/whatsapp/connect'), 405, 'method-not-allowed', "$lang TRACE");
		my $dead_answer = $ask->(GET => '/api/whatsapp/qr');
		is_problem($dead_answer, 502, 'bad-gateway', "$lang dead responder", instance => '/api/whatsapp/qr',
			title => $pt ? 'Falha temporária' : 'Temporary failure');
		is $dead_answer->{headers}{'retry-after'}, 2, 'with Retry-After';
		is_problem($ask->(GET => '/livez?die=1'), 502, 'bad-gateway', "$lang responder that says nothing", instance => '/livez');
	}
	my $head = $s->http(HEAD => '/nothing');
	is $head->{status}, 404, 'HEAD: 404';
	is $head->{body} // '', '', 'and no body';
	return;
}

sub unparsable {
	for my $case (['en', 'Bad request'], ['', 'Requisição inválida']) {
		my ($lang, $title) = @$case;
		my $accept = $lang ? "Accept-Language: $lang\r\n" : '';
		is_problem(raw("GET /a HTTP/1.1\r\n${accept}Bad Header\r\n\r\n"), 400, 'bad-request', 'no Host', title => $title);
		is_problem(raw("GET /a HTTP/1.1\r\n${accept}Host: x\r\nHost: y\r\n\r\n"), 400, 'bad-request', 'two Hosts', title => $title);
		is_problem(raw("POST /livez HTTP/1.1\r\n${accept}Host: x\r\nContent-Length: z\r\n\r\n"), 400, 'bad-request', 'bad length', title => $title);
	}
	is_problem(raw("GARBAGE\r\n\r\n"), 400, 'bad-request', 'no request line', instance => '/');
	is_problem(raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 400, 'bad-request', 'TLS to the clear port', instance => '/');
	is_problem(raw("GET /" . 'a' x 20000 . " HTTP/1.1\r\nHost: x\r\n\r\n"), 414, 'uri-too-long', 'long address', instance => '/');
	is_problem(raw("GET /a HTTP/1.1\r\nHost: x\r\nX-A: " . 'a' x 20000 . "\r\n\r\n"), 431, 'headers-too-large', 'long header');
	is_problem(raw("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", $s->{https_port}), 400, 'bad-request', 'clear to the TLS port');
	is_problem(raw("POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n"), 501, 'not-implemented', 'unknown coding');
	is_problem(raw("GET /livez HTTP/3.1\r\nHost: x\r\n\r\n"), 505, 'http-version', 'unknown version');
	return;
}

sub language {
	my %expected = (
		'' => 'pt', '*' => 'pt', 'fr' => 'pt', 'pt' => 'pt', 'pt-BR,pt;q=0.9,en;q=0.8' => 'pt',
		'en' => 'en', 'EN-us' => 'en', 'en-US,en;q=0.9,pt;q=0.8' => 'en', 'fr, en;q=0.5' => 'en', 'den' => 'pt',
		'en, pt' => 'pt', 'en;q=0.3, pt' => 'pt', 'pt;q=0.5, en' => 'en', 'en;q=0.9, pt;q=0.2' => 'en',
		'pt-BR;q=0.9, en-GB;q=0.3' => 'pt');
	for my $accept (sort keys %expected) {
		my $answer = $s->http(GET => '/nothing', headers => { 'Accept-Language' => $accept });
		is $answer->{json}{title}, $expected{$accept} eq 'en' ? 'Not found' : 'Não encontrado', "'$accept'";
	}
	return;
}

sub passing {
	for my $status (400, 401, 404, 405, 409, 413, 422, 429, 500, 502, 503, 504) {
		my $answer = $s->http(GET => "/api/whatsapp/my-connection?status=$status");
		is $answer->{status}, $status, "a responder's $status";
		is $answer->{json}{type}, 'urn:stub', 'with its own body';
		is $answer->{headers}{'x-content-type-options'}, 'nosniff', 'and our headers';
		ok !defined $answer->{headers}{'retry-after'}, 'and no Retry-After of ours';
	}
	is length $s->http(GET => '/api/whatsapp/my-connection?size=600000')->{body}, 600_000, 'an answer larger than the buffers';
	is_deeply [grep { -f } glob "$s->{reach}/nginx-tmp/fastcgi/*"], [], 'none of it on disk';
	return;
}

sub cors {
	my $good = 'https://painel.example';
	my @allow = map { "access-control-allow-$_" } qw(origin methods headers);
	for my $path (qw(/api/auth/login /api/whatsapp/connect /api/v1/whatsapp/setup /api/whatsapp/disconnect
		/api/whatsapp/my-connection /api/whatsapp/qr)) {
		my %preflight = ('Access-Control-Request-Method' => 'POST', 'Access-Control-Request-Headers' => 'authorization');
		my $yes = $s->http(OPTIONS => $path, headers => { Origin => $good, %preflight });
		is $yes->{status}, 204, "$path: preflight";
		is $yes->{headers}{'access-control-allow-origin'}, $good, 'the origin is named';
		like $yes->{headers}{'access-control-allow-methods'}, qr/\bPOST\b/, 'methods';
		like $yes->{headers}{'access-control-allow-headers'}, qr/\b$_\b/, $_ for qw(Authorization Content-Type Idempotency-Key Accept-Language);
		like $yes->{headers}{'access-control-max-age'}, qr/\A\d+\z/, 'max-age';
		like $yes->{headers}{vary}, qr/\bOrigin\b/, 'Vary';
		for my $bad ('https://evil.example', 'http://painel.example', 'https://painel.example.evil', 'null', '') {
			my $no = $s->http(OPTIONS => $path, headers => { Origin => $bad, %preflight });
			is_deeply [grep { defined } @{ $no->{headers} }{@allow}], [], "$path: nothing for '$bad'";
			like $no->{headers}{vary}, qr/\bOrigin\b/, 'but Vary';
		}
	}
	for my $case ([GET => '/api/whatsapp/my-connection', 200], [GET => '/api/whatsapp/nothing', 404],
		[GET => '/api/whatsapp/qr', 502], [GET => '/api/whatsapp/my-connection?status=401', 401]) {
		my ($method, $path, $status) = @$case;
		my $answer = $s->http($method, $path, headers => { Origin => $good });
		is $answer->{status}, $status, "$path is $status";
		is $answer->{headers}{'access-control-allow-origin'}, $good, 'readable from the origin';
		like $answer->{headers}{'access-control-expose-headers'}, qr/X-Request-Id, Retry-After, RateLimit/, 'headers exposed';
		ok !defined $answer->{headers}{'access-control-allow-methods'}, 'preflight headers only in preflights';
		ok !defined $answer->{headers}{'access-control-allow-credentials'}, 'never with cookies';
		$answer = $s->http($method, $path, headers => { Origin => 'https://evil.example' });
		ok !defined $answer->{headers}{'access-control-allow-origin'}, 'not from another';
	}
	is $s->http(OPTIONS => '/api/whatsapp/nothing')->{status}, 404, 'OPTIONS of what does not exist';
	return;
}

sub headers {
	my %always = ('x-content-type-options' => 'nosniff', 'x-frame-options' => 'DENY',
		'referrer-policy' => 'no-referrer', server => 'nginx');
	for my $path (qw(/ /nothing /livez /webhook /api/whatsapp/qr /api/whatsapp/my-connection?status=500)) {
		my $got = $s->http(GET => $path)->{headers};
		is $got->{$_}, $always{$_}, "$path: $_" for sort keys %always;
		like $got->{'content-security-policy'}, $path eq '/' ? qr/script-src 'self'/ : qr/\Adefault-src 'none'; frame-ancestors 'none'; base-uri 'none'\z/, "$path: CSP";
		unlike $got->{'content-security-policy'}, qr/unsafe/, "$path: nothing unsafe";
		ok !ref $got->{$_}, "$path: $_ once" for sort keys %always, 'vary', 'x-request-id';
		ok !defined $got->{'strict-transport-security'}, "$path: no HSTS in clear";
	}
	return;
}

# www/ as wapool-pages.conf serves it.
sub pages {
	my %type = ('/' => 'text/html; charset=utf-8', '/js/layout.js' => 'text/javascript; charset=utf-8',
		'/css/wapool.css' => 'text/css; charset=utf-8', '/favicon.svg' => 'image/svg+xml; charset=utf-8');
	for my $path (sort keys %type) {
		my $got = $s->http(GET => $path, headers => { 'Accept-Encoding' => 'gzip' })->{headers};
		is $got->{'content-type'}, $type{$path}, "$path: type";
		is $got->{'cache-control'}, 'no-cache', "$path: asked for each time";
		is $got->{'content-encoding'}, $path =~ /svg/ ? undef : 'gzip', "$path: gzip";
		like $got->{vary}, qr/Accept-Encoding/, "$path: and Vary says so" unless $path =~ /svg/;
		like $got->{etag}, qr/\A(?:W\/)?"/, "$path: ETag";
		my $again = $s->http(GET => $path, headers => { 'If-None-Match' => $got->{etag} });
		is $again->{status}, 304, "$path: 304";
		is_deeply [@{ $again->{headers} }{qw(content-security-policy vary)}], [undef, undef],
			"$path: and what the browser has keeps its policy";
		is $got->{'x-content-type-options'}, 'nosniff', "$path: nosniff";
	}
	my $page = $s->http(GET => '/')->{headers};
	my %csp = map { split ' ', $_, 2 } split /; /, $page->{'content-security-policy'};
	is_deeply \%csp, { 'default-src' => "'none'", 'script-src' => "'self'", 'style-src' => "'self'",
		'img-src' => "'self' data: blob:", 'connect-src' => "'self'", 'base-uri' => "'none'", 'form-action' => "'none'",
		'frame-ancestors' => "'none'", 'require-trusted-types-for' => "'script'", 'trusted-types' => "'none'" },
		'what a page may do';
	is $page->{'cross-origin-opener-policy'}, 'same-origin', 'and who may hold on to its window';
	my $module = $s->http(GET => '/js/wapool-connect.js', headers => { Origin => 'https://painel.example' })->{headers};
	is $module->{'access-control-allow-origin'}, 'https://painel.example', "other people's pages may load <wapool-connect>";
	my $missing = $s->http(GET => '/nothing/at/all', headers => { Accept => 'text/html,application/xhtml+xml,*/*;q=0.8' });
	is $missing->{status}, 404, 'a wrong turn';
	like $missing->{headers}{'content-type'}, qr{\Atext/html}, 'leads a person to a page';
	like $missing->{headers}{'content-security-policy'}, qr/script-src 'self'/, 'that may do what pages may';
	is_problem($s->http(GET => '/nothing', headers => { Accept => '*/*' }), 404, 'not-found', 'and a program to a problem');
	is_problem($s->http(GET => '/js/nothing.js'), 404, 'not-found', 'a missing module');
	is $s->http(GET => "/$_")->{status}, 404, "$_ is not served" for qw(.git/config js/ css/ servers);
	return;
}

# Every file that a page or a module names is there, under the type that it is needed as.
sub inline {
	my @pages = glob "$root/www/*.html $root/www/*/*.html";
	for my $file (@pages) {
		my $html = slurp($file);
		my $path = $file =~ s{\A\Q$root\E/www}{}r =~ s{index\.html\z}{}r;
		unlike $html, qr/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:/i, "$path: no code, no style";
		for my $link ($html =~ /(?:src|href)="([^"#]+)"/g) {
			my $to = $link =~ m{\A/} ? $link : $path =~ s{[^/]*\z}{}r . $link;
			1 while $to =~ s{/\./}{/} || $to =~ s{/[^/]+/\.\./}{/};
			is $s->http(GET => $to)->{status}, 200, "$path: $link";
		}
	}
	for my $file (glob "$root/www/js/*.js") {
		my $js = slurp($file);
		my ($name) = $file =~ m{([^/]+)\z};
		unlike $js, qr/\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function)\b/, "$name: no HTML from strings, no eval";
		my @imports = grep { defined } $js =~ m{^(?:import|export)[^;]*?from '\./([^']+)'|\bimport\('\./([^']+)'\)}mg;
		is $s->http(GET => "/js/$_")->{status}, 200, "$name: $_" for @imports;
	}
	return;
}

# curl's exit status and output over TLS.
sub curl {
	my (@args) = @_;
	my (undef, undef, $ca) = $s->certificate;
	return run_program(['curl', '-sS', '-D', '-', '--noproxy', '*', '--cacert', $ca, '--max-time', 10, @args]);
}

sub tls {
	my $url = "https://localhost:$s->{https_port}";
	my ($status, $output) = curl('--tls-max', '1.2', "$url/livez");
	is $status, 0, 'TLS 1.2' or diag $output;
	like $output, qr/^strict-transport-security: max-age=63072000\r$/mi, 'with HSTS of two years';
	(undef, $output) = curl("$url/nothing");
	like $output, qr/^strict-transport-security:/mi, 'on errors too';
	is +(curl('--tlsv1.3', "$url/livez"))[0], 0, 'TLS 1.3';
	is +(curl("https://127.0.0.1:$s->{https_port}/livez"))[0], 0, 'the certificate is good for 127.0.0.1';
	my @weak = ('--ciphers', 'ALL:@SECLEVEL=0');
	isnt +(curl(@weak, '--tls-max', '1.1', '--tlsv1.0', "$url/livez"))[0], 0, 'not TLS 1.1';
	is +(curl(@weak, '--tls-max', '1.2', "$url/livez"))[0], 0, '(the same client may speak 1.2)';
	isnt +(curl('--tls-max', '1.2', '--ciphers', 'AES128-SHA:@SECLEVEL=0', "$url/livez"))[0], 0, 'no CBC, no RSA key exchange';
	my (undef, $session) = run_program(['openssl', 's_client', '-tls1_2', '-connect', "127.0.0.1:$s->{https_port}"], stdin => '');
	like $session, qr/Cipher\s*(is|:) ECDHE-ECDSA/, 's_client connects';
	unlike $session, qr/session ticket/i, 'no session tickets';
	return;
}

sub access_log {
	my $canary = 'canary' . random_hex(8);
	my @answers = ($s->http(GET => "/livez?token=$canary", token => $canary, headers => { Referer => "https://x/?$canary", Cookie => $canary }),
		$s->http(POST => "/nothing?$canary", body => $canary), $s->http(GET => '/a%0d%0ab"'));
	my $log;
	# an answer is sent before its line is written
	ok wait_until(10, sub { $log = $s->log_text('nginx-access'); !grep { $log !~ /"$_->{headers}{'x-request-id'}".*\n/ } @answers }),
		'each request has its line';
	unlike $log, qr/$canary/, 'no token, query, referer, cookie or body';
	my @lines = map { scalar eval { JSON::PP->new->utf8->decode($_) } } split /\n/, $log;
	is scalar(grep { !defined } @lines), 0, 'every line is JSON';
	my ($line) = grep { $_->{path} eq '/nothing' && $_->{method} eq 'POST' } @lines;
	is $line->{status}, 404, 'an error is logged under the path that was asked for';
	like $line->{requestId}, qr/\A[0-9a-f]{32}\z/, 'with its request id';
	return;
}

# A second nginx, with the rates of nginx/wapool-limits.conf.
sub limits {
	my $limited = Wapool::Stack->new(build => "$build", limits => 1);
	$limited->start_responders(qw(auth-login my-connection));
	$limited->start_nginx;
	my $login = sub { $limited->http(POST => '/api/auth/login', json => {}, @_) };
	# every two seconds one more passes
	my $refusal = sub { my $answer; for (1 .. 50) { $answer = $login->(@_); last if $answer->{status} == 429 } return $answer };
	is_deeply [map { $login->()->{status} } 1 .. 21], [(200) x 21], '21 logins at once pass';
	my $refused = $refusal->();
	is_problem($refused, 429, 'too-many-requests', 'then no more', title => 'Muitas requisições', instance => '/api/auth/login');
	like $refused->{headers}{'retry-after'}, qr/\A[1-9]\d*\z/, 'with Retry-After';
	my $english = $refusal->(headers => { 'Accept-Language' => 'en' });
	is_problem($english, 429, 'too-many-requests', 'in English', title => 'Too many requests');
	my ($mine, $other) = map { $limited->token($limited->unique_user) } 1, 2;
	my %count;
	for (1 .. 40) {    # many at once, or a slow machine keeps within the limit
		last if $count{429};
		$count{ $_->{status} }++ for burst($limited, ({ method => 'GET', path => '/api/whatsapp/my-connection', token => $mine }) x 30);
	}
	cmp_ok $count{200}, '>=', 61, 'a token has its burst';
	cmp_ok $count{429} // 0, '>', 0, 'and its limit';
	is $limited->http(GET => '/api/whatsapp/my-connection', token => $other)->{status}, 200, 'another token has its own';
	$limited->stop;
	return;
}

# Addresses as another proxy tells them, with zeros that text leaves out.
sub address_limits {
	my $limited = Wapool::Stack->new(build => "$build", limits => 1,
		more => 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;');
	$limited->start_responders('auth-login');
	$limited->start_nginx;
	my $login_from = sub {
		return $limited->http(POST => '/api/auth/login', json => {}, headers => { 'X-Forwarded-For' => $_[0] })->{status};
	};
	for my $form ('2001:db8::%x:0:0:1', '2001:db8:1::%x', '2001:db8:2:3:%x:5:6:7', '2001:db8:3:0:%x::1') {
		ok +(grep { $login_from->(sprintf $form, $_) == 429 } 1 .. 26), "$form: a /64 is one customer's";
	}
	is $login_from->($_), 200, "$_ is another's" for '2001:db8:0:1::1', '2001:db8:1:1::1', '2001:db8:2:4::1', '203.0.113.7';
	ok +(grep { $login_from->('203.0.113.7') == 429 } 1 .. 26), 'of IPv4 each address is one';
	is $login_from->('203.0.113.8'), 200, 'the next another';
	$limited->stop;
	return;
}
