#!/usr/bin/perl
# /api/waha/servers end to end: the life of a server, what it refuses, who is first of two, and "Testar Conexão".
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use Wapool::Process qw(slurp);
use Wapool::Test qw(stack sim faults burst problem_ok eventually_ok instance_of lifecycle free_instances invariants_ok server_id);

use constant SERVERS => '/api/waha/servers';

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

# users' servers may be at 127.0.0.1, nowhere else that is not public
my $s = stack(hosts => 2, env => { SERVER_LIMIT => 100, GATEWAY_ALLOW_PRIVATE => '127.0.0.1', GATEWAY_TIMEOUT_MS => 1500 });
$s->wait_ready;
eventually_ok('instances stand by', sub { free_instances($s) >= 5 });
my $admin = $s->admin_token($s->unique_user);
my $count = 0;

subtest 'the life of a server'                         => \&life;
subtest 'a key goes in and does not come out'          => \&keys_stay;
subtest 'a key does not follow a changed address'      => \&keys_do_not_move;
subtest 'lists, a page at a time'                      => \&lists;
subtest 'every wrong member is named'                  => \&wrong_members;
subtest 'hostile addresses'                            => \&hostile_urls;
subtest 'texts come back as they were'                 => \&texts;
subtest 'who changes what he has not read'             => \&revisions;
subtest 'a repetition of a POST'                       => \&idempotency;
subtest 'Testar Conexão'                               => \&test_connection;
subtest 'a server with sessions'                       => \&in_use;
subtest 'two at once'                                  => \&races;
invariants_ok($s, 'in the end');
unlike join('', map { slurp($_) } glob "$s->{var}/log/*"), qr/CANARY/, 'no key is in a log';
$s->stop;
done_testing;

# A user: a sub that asks as he does.
sub somebody {
	my ($id) = @_;
	my $token = $s->token($id // $s->unique_user);
	return sub { my ($method, $path, $json, %opt) = @_;
		return $s->http($method, SERVERS . $path, token => $token, defined $json ? (json => $json) : (), %opt) };
}

sub wish { return { nome => 'Servidor', api_url => 'https://waha' . ++$count . '.invalid', @_ } }

sub pointers { return [map { $_->{pointer} } @{ $_[0]{json}{errors} || [] }] }

sub life {
	my $ask = somebody();
	my $made = $ask->(POST => '', { nome => 'Servidor Principal', api_url => 'https://waha1.invalid',
			api_key => 'sua-api-key-CANARY', descricao => 'de produção', prioridade => 10, max_sessions => 50 });
	is $made->{status}, 201, 'added' or diag $made->{body};
	my $id = $made->{json}{id};
	is $made->{headers}{location}, SERVERS . "/$id", 'and where it is';
	my %seen = map { $_ => $made->{json}{$_} } qw(nome api_url api_key descricao ativo prioridade max_sessions timeout
		retry_attempts rate_limit sessions_ativas kind health);
	is_deeply \%seen, { nome => 'Servidor Principal', api_url => 'https://waha1.invalid', api_key => '****NARY',
		descricao => 'de produção', ativo => JSON::PP::true, prioridade => 10, max_sessions => 50, timeout => 30,
		retry_attempts => 3, rate_limit => 100, sessions_ativas => 0, kind => 'waha', health => 'unknown' }, 'as it was wished';
	is_deeply $ask->(GET => "/$id")->{json}{nome}, 'Servidor Principal', 'it can be read';
	my $changed = $ask->(PATCH => "/$id", { prioridade => 5, descricao => undef }, headers => {
			'Content-Type' => 'application/merge-patch+json' });
	is_deeply [@{ $changed->{json} }{qw(prioridade descricao nome api_key)}], [5, undef, 'Servidor Principal', '****NARY'],
		'a change touches what it names';
	my $replaced = $ask->(PUT => "/$id", { nome => 'Outro', api_url => 'https://waha1.invalid/v2' });
	is_deeply [@{ $replaced->{json} }{qw(nome prioridade max_sessions api_key)}], ['Outro', 0, 50, '****NARY'],
		'a replacement gives the others their defaults, and leaves the key';
	is $ask->(PATCH => "/$id", { api_key => undef })->{json}{api_key}, undef, 'null takes the key away';
	is $ask->(POST => "/$id/deactivate")->{json}{ativo}, JSON::PP::false, 'deactivated';
	is $ask->(POST => "/$id/drain")->{json}{draining}, JSON::PP::true, 'drained';
	my $active = $ask->(POST => "/$id/activate")->{json};
	is_deeply [@$active{qw(ativo draining)}], [JSON::PP::true, JSON::PP::false], 'active again';
	is $ask->(DELETE => "/$id")->{status}, 204, 'removed';
	problem_ok($ask->($_ eq 'POST' ? (POST => "/$id/drain") : ($_ => "/$id", $_ eq 'PATCH' ? {} : ())), 404, 'not-found', "then $_")
		for qw(GET PATCH DELETE POST);
	problem_ok($ask->(GET => '/not-a-uuid'), 404, 'not-found', 'an id that is none');
	return;
}

sub keys_stay {
	my $ask = somebody();
	my $id = $ask->(POST => '', wish(api_key => 'the-CANARY-key-0001', webhook_secret => 'the-CANARY-secret-01'))->{json}{id};
	my $row = "SELECT coalesce(api_key, '-') || ' ' || coalesce(webhook_secret, '-') || ' ' || left(api_key_sealed, 10) || ' '"
		. " || left(webhook_secret_sealed, 10) FROM waha_servers WHERE id = '$id'";
	is $s->psql_value($row), '- - sealed:v1: sealed:v1:', 'sealed in the table';
	for my $rq ([GET => ''], [GET => "/$id"], [PATCH => "/$id", { nome => 'x' }], [POST => "/$id/test"], [POST => '', { nome => 7, api_key => 'CANARY' }]) {
		unlike $ask->(@$rq)->{body}, qr/CANARY/, "$rq->[0] $rq->[1] shows nothing of it";
	}
	is $ask->(PATCH => "/$id", { api_key => 'short' })->{json}{api_key}, '****', 'of a short key not even the end';
	is_deeply pointers($ask->(PATCH => "/$id", { api_key => '****0001' })), ['/api_key'], 'the mask is no key';
	my $secret = $s->psql_value("SELECT webhook_secret_sealed FROM waha_servers WHERE id = '$id'");
	$ask->(PUT => "/$id", { nome => 'x', api_url => $ask->(GET => "/$id")->{json}{api_url} });
	is $s->psql_value("SELECT webhook_secret_sealed FROM waha_servers WHERE id = '$id'"), $secret, 'the secret stays';
	return;
}

# Who has stolen a token must not get a key by having it sent to himself.
sub keys_do_not_move {
	my $user = $s->unique_user;
	my $ask = somebody($user);
	my $id = $ask->(POST => '', wish(api_url => 'https://waha.invalid', api_key => 'the-CANARY-key-0002'))->{json}{id};
	my $row = sub { $s->psql_value("SELECT $_[0] FROM waha_servers WHERE id = '$id'") };
	my ($key, $secret) = map { $row->($_) } qw(api_key_sealed webhook_secret_sealed);
	for my $url ('https://thief.invalid', 'http://waha.invalid', 'https://waha.invalid:8443', 'https://waha.invalid.thief.invalid') {
		is_deeply pointers($ask->(PATCH => "/$id", { api_url => $url })), ['/api_key'], "a change to $url asks for the key";
		is_deeply pointers($ask->(PUT => "/$id", wish(api_url => $url))), ['/api_key'], 'so does a replacement';
	}
	my $asked = $ask->(PATCH => "/$id", { api_url => 'https://thief.invalid' }, headers => { 'Accept-Language' => 'en' });
	problem_ok($asked, 422, 'invalid-field', 'refused');
	like $asked->{json}{errors}[0]{detail}, qr/another address/, 'in English';
	like $ask->(PATCH => "/$id", { api_url => 'https://thief.invalid' })->{json}{errors}[0]{detail}, qr/outro endereço/, 'in Portuguese';
	is_deeply pointers($s->http(PATCH => SERVERS . "/$id", token => $admin, json => { api_url => 'https://thief.invalid' })), ['/api_key'],
		'an administrator is asked, too';
	is_deeply [map { $row->($_) } qw(api_url api_key_sealed)], ['https://waha.invalid', $key], 'nothing has changed';
	is $ask->(PATCH => "/$id", { api_url => $_ })->{status}, 200, "$_ is the same host"
		for 'https://waha.invalid/path', 'HTTPS://WAHA.invalid:443/', 'https://waha.invalid';
	is_deeply [map { $row->($_) } qw(api_key_sealed webhook_secret_sealed)], [$key, $secret], 'which keeps key and secret';
	my $moved = $ask->(PATCH => "/$id", { api_url => 'https://new.invalid', api_key => 'the-CANARY-key-0003' });
	is_deeply [@{ $moved->{json} }{qw(api_url api_key)}], ['https://new.invalid', '****0003'], 'with its key it moves';
	isnt $row->('webhook_secret_sealed'), $secret, 'and gets a new secret: the new host is told one';
	is $ask->(PATCH => "/$id", { api_url => 'https://newer.invalid', api_key => undef })->{status}, 200, 'or it gives the key up';
	is $ask->(PATCH => "/$id", { api_url => 'https://newest.invalid', webhook_secret => undef })->{status}, 200, 'without a key there is none to ask for';
	is $ask->(PATCH => "/$id", { api_url => 'https://last.invalid' })->{json}{webhook_secret_set}, JSON::PP::false, 'and no secret is made where none was';
	return;
}

sub lists {
	my $ask = somebody();
	my @made = map { $ask->(POST => '', wish(@$_))->{json} } [nome => 'Backup', prioridade => 5], [nome => 'Teste', ativo => \0],
		[nome => 'Principal', prioridade => 10], [nome => 'Outro', prioridade => 5], [nome => 'Zé', prioridade => 5];
	my @want = ('Principal', 'Backup', 'Outro', 'Zé', 'Teste');
	is_deeply [map { $_->{nome} } @{ $ask->(GET => '')->{json}{servers} }], \@want, 'by priority, then by name';
	my ($cursor, @got) = ('');
	do {
		my $page = $ask->(GET => "?limit=2$cursor")->{json};
		push @got, map { $_->{nome} } @{ $page->{servers} };
		$cursor = defined $page->{next} ? "&cursor=$page->{next}" : '';
	} while $cursor ne '';
	is_deeply \@got, \@want, 'page by page';
	my $two = $ask->(GET => '?limit=2')->{json};
	$ask->(DELETE => "/$two->{servers}[1]{id}");
	is_deeply [map { $_->{nome} } @{ $ask->(GET => "?cursor=$two->{next}")->{json}{servers} }], ['Outro', 'Zé', 'Teste'],
		'a page goes on although its last one is gone';
	# (helpers, who find none of them, leave them alone from now on)
	my $ids = join ', ', map { "'$_->{id}'" } @made;
	eventually_ok('no look is under way or to come', sub {
		$s->psql("UPDATE waha_servers SET check_next_at = 'infinity' WHERE id IN ($ids) AND check_lease_until IS NULL");
		0 == $s->psql_value("SELECT count(*) FROM waha_servers WHERE id IN ($ids) AND check_next_at <> 'infinity'") });
	$s->psql("UPDATE waha_servers SET health = CASE nome WHEN 'Outro' THEN 'down' ELSE 'unknown' END WHERE id IN ($ids)");
	my %filter = ('ativo=false' => ['Teste'], 'q=PRINC' => ['Principal'], 'kind=gowa' => [], 'health=down' => ['Outro'],
		'q=%25' => [], 'q=%27%20OR%201=1' => []);
	is_deeply [map { $_->{nome} } @{ $ask->(GET => "?$_")->{json}{servers} }], $filter{$_}, $_ for sort keys %filter;
	for my $bad ('limit=0', 'limit=101', 'limit=x', 'limit=', 'limit=1e1', 'ativo=1', 'health=x', 'cursor=x', 'cursor=', 'q=%ff', 'q=%00',
		'cursor=' . 'A' x 2000, 'cursor=MTAgeCB5') {
		problem_ok($ask->(GET => "?$bad"), 400, 'bad-request', $bad);
	}
	return;
}

sub wrong_members {
	my $ask = somebody();
	my %wrong = (nome => '', api_url => 'x', api_key => 'a b', descricao => 'x' x 2001, ativo => 'sim', webhook_url => 'ftp://x',
		webhook_secret => 'short', timeout => 0, retry_attempts => 21, rate_limit => -1, prioridade => 11, max_sessions => 1.5,
		kind => 'telegram');
	my $answer = $ask->(POST => '', \%wrong);
	problem_ok($answer, 422, 'invalid-field', 'all wrong');
	is_deeply [sort @{ pointers($answer) }], [sort map { "/$_" } keys %wrong], 'each is named';
	is_deeply pointers($ask->(POST => '', {})), ['/nome', '/api_url'], 'what is missing, too';
	is_deeply pointers($ask->(POST => '', wish('a/b~c' => 1))), ['/a~1b~0c'], 'an unknown one, as a JSON pointer';
	my %edges = (nome => ["x", 'é' x 255], timeout => [1, 300], prioridade => [0, 10], retry_attempts => [0, 20], descricao => ["a\nb", 'ã' x 2000]);
	for my $name (sort keys %edges) {
		is $ask->(POST => '', wish($name => $_))->{status}, 201, "$name at its edge" for @{ $edges{$name} };
	}
	for my $type ([nome => 1], [nome => undef], [nome => []], [ativo => 0], [timeout => '30'], [timeout => 1e300], [api_url => undef],
		[kind => {}], [nome => "a\x00b"], [nome => "a\x1bb"], [api_key => 'é'], [api_key => "a\r\nX: y"]) {
		cmp_ok $ask->(POST => '', wish(@$type))->{status}, '>=', 400, "$type->[0]: another type or form";
	}
	is $ask->(POST => '', undef, body => '[]', headers => { 'Content-Type' => 'application/json' })->{status}, 400, 'an array';
	is $ask->(POST => '', undef, body => 'nome=x', headers => { 'Content-Type' => 'application/x-www-form-urlencoded' })->{status}, 415, 'a form';
	is $ask->(POST => '', wish(descricao => 'x' x 20000))->{status}, 413, 'too much';
	return;
}

sub hostile_urls {
	my $ask = somebody();
	for my $url ('http://127.0.0.2', 'http://localhost.:22', 'http://0x7f.2', 'http://2130706434', 'http://0177.0.0.2', 'http://127.2',
		'http://[::1]', 'http://[::ffff:10.0.0.1]', 'http://10.0.0.1', 'http://169.254.169.254/latest', 'http://0', 'http://user@waha.example',
		'http://waha.example@10.0.0.1', 'http://waha.example\\@10.0.0.1', ' http://waha.example', "http://waha.example\n", 'http://wa ha.example',
		'javascript:alert(1)', 'file:///etc/passwd', 'gopher://x', 'http://waha.example:25', 'http://waha.example#x', 'http://waha.example?x=y',
		"http://127\x{3002}0\x{3002}0\x{3002}2", 'http:///x', '', 'http://' . 'a' x 3000) {
		is_deeply pointers($ask->(POST => '', wish(api_url => $url))), ['/api_url'], substr $url, 0, 40;
	}
	my $test = $ask->(POST => '/test', { api_url => 'http://10.0.0.1:3000' });
	is_deeply [@{ $test->{json} }{qw(success result reachable)}], [JSON::PP::false, 'blocked', JSON::PP::false], 'a test goes nowhere private';
	like $test->{json}{message}, qr/não é público/, 'and says so';
	# the names of this machine resolve to ::1 or 127.0.0.1: the second is open in this test
	my $id = $ask->(POST => '', wish())->{json}{id};
	$s->psql("UPDATE waha_servers SET api_url = 'http://10.0.0.1:3000' WHERE id = '$id'");
	is $ask->(POST => "/$id/test")->{json}{result}, 'blocked', 'nor one of a row that was written by hand';
	return;
}

sub texts {
	my $ask = somebody();
	for my $text ('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', q{'; DROP TABLE waha_servers; --}, '${7*7}{{7*7}}', "\x{1f600} é\x{202e}", '%s%n', '\\') {
		my $answer = $ask->(POST => '', wish(nome => $text, descricao => $text));
		is_deeply [@{ $answer->{json} }{qw(nome descricao)}], [$text, $text], $text;
		is $answer->{headers}{'content-type'}, 'application/json', 'as JSON';
		like $answer->{headers}{'x-content-type-options'}, qr/nosniff/, 'that no browser takes for a page';
	}
	return;
}

sub revisions {
	my $ask = somebody();
	my $made = $ask->(POST => '', wish());
	my ($id, $etag) = ($made->{json}{id}, $made->{headers}{etag});
	is $ask->(GET => "/$id")->{headers}{etag}, $etag, 'a read shows the revision';
	my $first = $ask->(PATCH => "/$id", { nome => 'A' }, headers => { 'If-Match' => $etag });
	is $first->{status}, 200, 'the first change';
	isnt $first->{headers}{etag}, $etag, 'makes another revision';
	problem_ok($ask->(PATCH => "/$id", { nome => 'B' }, headers => { 'If-Match' => $etag }), 412, 'precondition-failed', 'the second is told');
	problem_ok($ask->(PUT => "/$id", wish(), headers => { 'If-Match' => $etag }), 412, 'precondition-failed', 'also a replacement');
	problem_ok($ask->(DELETE => "/$id", undef, headers => { 'If-Match' => $etag }), 412, 'precondition-failed', 'and a removal');
	problem_ok($ask->(PATCH => "/$id", { nome => 'B' }, headers => { 'If-Match' => "W/$first->{headers}{etag}" }), 412, 'precondition-failed', 'a weak tag never fits');
	is $ask->(GET => "/$id")->{json}{nome}, 'A', 'nothing was lost';
	is $ask->(PATCH => "/$id", { nome => 'B' }, headers => { 'If-Match' => "\"x\", $first->{headers}{etag}" })->{status}, 200, 'one of several';
	is $ask->(PATCH => "/$id", { nome => 'C' }, headers => { 'If-Match' => '*' })->{status}, 200, 'any';
	$s->psql("UPDATE waha_servers SET nome = 'by hand' WHERE id = '$id'");
	my $now = $ask->(GET => "/$id");
	$s->psql("UPDATE waha_servers SET health = 'down', checked_at = now() WHERE id = '$id'");
	is $ask->(GET => "/$id")->{headers}{etag}, $now->{headers}{etag}, 'health is no revision';
	is $ask->(DELETE => "/$id", undef, headers => { 'If-Match' => $now->{headers}{etag} })->{status}, 204, 'removed as it was read';
	return;
}

sub idempotency {
	my $ask = somebody();
	my $body = '{"nome":"Um","api_url":"https://once.invalid"}';
	my @opt = (body => $body, headers => { 'Idempotency-Key' => 'once', 'Content-Type' => 'application/json' });
	my @answers = map { $ask->(POST => '', undef, @opt) } 1 .. 3;
	is_deeply [map { $_->{status} } @answers], [201, 201, 201], 'three times the same';
	is_deeply [map { $_->{json}{id} } @answers], [($answers[0]{json}{id}) x 3], 'one server';
	is $answers[1]{headers}{'idempotency-replayed'}, 'true', 'which the answer says';
	my $id = $answers[0]{json}{id};
	is $ask->(POST => "/$id/drain", undef, headers => { 'Idempotency-Key' => 'once' })->{status}, 202, 'the key is another at another address';
	problem_ok($ask->(POST => '', { nome => 'Dois', api_url => 'https://once.invalid' }, headers => { 'Idempotency-Key' => 'once' }),
		422, 'idempotency-reuse', 'another body');
	problem_ok($ask->(POST => '', { nome => 'Dois', api_url => 'https://once.invalid' }), 409, 'server-exists', 'a URL twice');
	is(somebody()->(POST => '', { nome => 'Dois', api_url => 'https://once.invalid' })->{status}, 201, 'another user may have it');
	return;
}

# --- "Testar Conexão" ---

sub result_of {
	my ($ask, %wish) = @_;
	my $answer = $ask->(POST => '/test', \%wish);
	is $answer->{status}, 200, 'the test is made' or diag $answer->{body};
	return $answer->{json};
}

sub test_connection {
	my $ask = somebody();
	my %good = (api_url => $s->sim_url, api_key => $s->sim_key);
	my $got = result_of($ask, %good);
	is_deeply [@$got{qw(success result reachable authorized kind message)}],
		[JSON::PP::true, 'ok', JSON::PP::true, JSON::PP::true, 'waha', 'Conexão bem-sucedida.'], 'a gateway';
	like $got->{version}, qr/^20\d\d\./, 'its version';
	cmp_ok $got->{sessions}, '>=', 5, 'its sessions';
	like $got->{latency_ms}, qr/^[0-9]+$/, 'its latency';
	is result_of($ask, %good, kind => 'waha', api_url => $s->sim_url . '///')->{result}, 'ok', 'of a kind that was named';
	my $closed = IO::Socket::INET->new(LocalAddr => '127.0.0.1') or die "bind: $!";    # ours, and does not listen
	my $port = $closed->sockport;
	my %want = (
		unauthorized    => [%good, api_key => 'another'],
		dns             => [api_url => 'http://name.invalid'],
		refused         => [api_url => "http://127.0.0.1:$port"],
		tls             => [%good, api_url => $s->sim_url =~ s/^http:/https:/r],
		'not-a-gateway' => [api_url => $s->http_url, api_key => 'x']);
	for my $result (sort keys %want) {
		my $failed = result_of($ask, @{ $want{$result} });
		is_deeply [@$failed{qw(success result)}], [JSON::PP::false, $result], $result;
		isnt $failed->{message}, $got->{message}, "says: $failed->{message}";
	}
	faults($s, { kind => 'hang' });
	is result_of($ask, %good, kind => 'waha')->{result}, 'timeout', 'timeout';
	faults($s, { kind => 'status', status => 500 });
	is result_of($ask, %good, kind => 'waha')->{result}, 'failed', 'an error of its own';
	faults($s, { kind => 'garbage' });
	is result_of($ask, %good, kind => 'waha')->{result}, 'not-a-gateway', 'garbage';
	faults($s);
	my $english = $ask->(POST => '/test', \%good, headers => { 'Accept-Language' => 'en' });
	is $english->{json}{message}, 'The connection works.', 'in English';
	is $ask->(POST => '/test', {})->{status}, 422, 'without a URL';
	my $saved = $ask->(POST => '', wish(%good))->{json}{id};
	is $ask->(POST => "/$saved/test")->{json}{result}, 'ok', 'a saved one, with its own key';
	is $s->psql_value("SELECT count(*) FROM waha_servers WHERE api_url LIKE 'http://name%'"), 0, 'a test stores nothing';
	return $ask->(DELETE => "/$saved?force=drain");
}

# --- Sessions ---

sub in_use {
	my $user = $s->unique_user;
	my ($ask, $token) = (somebody($user), $s->token($user));
	my $id = $ask->(POST => '', wish(api_url => $s->sim_url, api_key => $s->sim_key, max_sessions => 3))->{json}{id};
	my $connected = $s->http(POST => '/api/whatsapp/connect', token => $token, json => {});
	is $connected->{status}, 200, 'he connects' or diag $connected->{body};
	is $s->psql_value("SELECT server_id FROM instances WHERE assigned_to_user_id = '$user'"), $id, 'on his own server';
	is $ask->(GET => "/$id")->{json}{sessions_ativas}, 1, 'which counts it';
	problem_ok($ask->(DELETE => "/$id"), 409, 'server-in-use', 'it is not removed');
	problem_ok($ask->(DELETE => "/$id?force=yes"), 400, 'bad-request', 'another force');
	my $draining = $ask->(DELETE => "/$id?force=drain");
	is $draining->{status}, 202, 'but drained';
	is_deeply [@{ $draining->{json} }{qw(draining removing)}], [JSON::PP::true, JSON::PP::true], 'and will go';
	is $s->http(POST => '/api/whatsapp/disconnect', token => $token, json => {})->{status}, 200, 'he disconnects';
	eventually_ok('it has gone', sub { $ask->(GET => "/$id")->{status} == 404 });
	return;
}

# --- Races ---

sub request { my ($method, $path, $token, $json) = @_;
	return { method => $method, path => SERVERS . $path, token => $token, defined $json ? (json => $json) : () } }

sub races {
	my $user = $s->unique_user;
	my ($ask, $token) = (somebody($user), $s->token($user));
	my $id = $ask->(POST => '', wish())->{json}{id};
	is_deeply [sort map { $_->{status} } burst($s, map { request(DELETE => "/$id", $token) } 1 .. 4)], [204, 404, 404, 404],
		'of four who remove it one does';
	my $same = wish();
	is_deeply [sort map { $_->{status} } burst($s, map { request(POST => '', $token, $same) } 1 .. 4)], [201, 409, 409, 409],
		'of four who add a URL one does';
	$id = $ask->(POST => '', wish())->{json}{id};
	my @changes = burst($s, map { request(PATCH => "/$id", $token, { $_->[0] => $_->[1] }) } [nome => 'novo'], [prioridade => 9], [timeout => 7]);
	is_deeply [grep { $_->{status} != 200 && $_->{status} != 409 } @changes], [], 'three change three members at once';
	my $now = $ask->(GET => "/$id")->{json};
	my @got = @$now{qw(nome prioridade timeout)};
	my @want = map { $changes[$_]{status} == 200 ? ('novo', 9, 7)[$_] : ('Servidor', 0, 30)[$_] } 0 .. 2;
	is_deeply \@got, \@want, 'and none takes another\'s back';
	for my $round (1 .. 3) {
		my $him = $s->unique_user;
		my ($his, $his_token) = (somebody($him), $s->token($him));
		my $server = $his->(POST => '', wish(api_url => $s->sim_url, api_key => $s->sim_key))->{json}{id};
		my ($removed, $made) = burst($s, request(DELETE => "/$server", $his_token),
			{ method => 'POST', path => '/api/whatsapp/connect', token => $his_token, json => {} });
		like $removed->{status}, qr/^(204|409)$/, "removed while a session is made: $removed->{status}";
		like $made->{status}, qr/^(200|503)$/, 'he gets one, there or from the platform, or is asked to try again' or diag $made->{body};
		is $s->http(POST => '/api/whatsapp/connect', token => $his_token, json => {})->{status}, 200, 'then he does';
		is $s->psql_value("SELECT count(*) FROM instances i LEFT JOIN waha_servers s ON s.id = i.server_id WHERE s.id IS NULL"), 0,
			'no session without a server';
	}
	return;
}
