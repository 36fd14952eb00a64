#!/usr/bin/perl
# /admin/instances: what administrators make by name, from the first QR to its end, and their look at all
# others; through nginx, against the simulated gateway.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use MIME::Base64 ();
use Test::More;

use Wapool::Test qw(stack sim sim_session scan faults burst problem_ok eventually eventually_ok instance_of
	lifecycle free_instances read_and_shown qr_of_png qr_of_data_uri qr_of_svg invariants_ok);

use constant ALL => '/admin/instances';

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(hosts => 2, env => { POOL_TARGET => 3, POOL_LOW => 2, POOL_STEP => 2, CONNECT_DEADLINE_MS => 6000 });
$s->wait_ready;
my $ana = $s->admin_token($s->unique_user, email => 'ana@example.org');

subtest 'only for administrators'               => \&who;
subtest 'made, scanned, connected'              => \&whole_life;
subtest 'what cannot be a name'                 => \&bad_input;
subtest 'a name is there once'                  => \&names;
subtest 'two at once with one name'             => \&race;
subtest 'the same Idempotency-Key'              => \&idempotency;
subtest 'the QR as JSON, PNG and SVG'           => \&qrcode;
subtest 'restart and logout'                    => \&commands;
subtest 'a phone that leaves'                   => \&phone_leaves;
subtest 'deleted'                               => \&deleted;
subtest 'lists: filters and pages'              => \&lists;
subtest 'a user\'s instance is not his to scan' => \&users_own;
subtest 'a session of somebody else\'s'         => \&foreign_session;
subtest 'a gateway that shows no QR'            => \&no_qr;
subtest 'a gateway that fails'                  => \&gateway_fails;
subtest 'which server'                          => \&servers;
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

# --- Tools ---

sub ask {
	my ($method, $path, %opt) = @_;
	return $s->http($method, $path, token => $ana, %opt);
}

sub make {
	my ($name, %more) = @_;
	return ask(POST => ALL, json => { nome => $name, %more });
}

# One that is there, as GET shows it.
sub made {
	my ($name) = @_;
	my $answer = make($name);
	is $answer->{status}, 201, "$name is made" or diag $answer->{body};
	return ask(GET => ALL . "/$name")->{json};
}

sub one { return ask(GET => ALL . "/$_[0]")->{json} }

sub connected {
	my ($name, $phone) = @_;
	made($name);
	scan($s, $name, $phone);
	eventually_ok("$name is connected", sub { one($name)->{online} });
	return;
}

sub trail {
	my ($name) = @_;
	return map { join ' ', map { $_ // '-' } @$_ } $s->psql(<<"SQL");
SELECT kind, to_state, reason, actor FROM instance_events e JOIN instances i ON i.id = e.instance_id
WHERE i.name = '$name' ORDER BY e.id
SQL
}

# --- What it does ---

sub who {
	my $user = $s->token($s->unique_user);
	for my $route (['GET', ALL], ['POST', ALL], ['GET', ALL . '/x'], ['DELETE', ALL . '/x'], ['GET', ALL . '/x/qrcode'],
		['POST', ALL . '/x/restart'], ['POST', ALL . '/x/logout']) {
		my ($method, $path) = @$route;
		problem_ok($s->http($method, $path), 401, 'unauthorized', "$method $path: nobody");
		problem_ok($s->http($method, $path, token => $user, json => { nome => 'x' }), 403, 'forbidden', "$method $path: a user");
	}
	problem_ok(ask(PUT => ALL), 405, 'method-not-allowed', 'another method');
	problem_ok(ask(GET => ALL . '/x/else'), 404, 'not-found', 'another path');
	problem_ok(ask(GET => ALL . '/x'), 404, 'not-found', 'one that is not there');
	return;
}

sub whole_life {
	my $answer = make('Vendas-01', numero_telefone => '+55 (11) 98888-7777');
	is $answer->{status}, 201, 'made' or diag $answer->{body};
	my $body = $answer->{json};
	is $body->{nome}, 'Vendas-01', 'its name';
	is $body->{message}, 'Escaneie o QR Code para conectar', 'what to do';
	like qr_of_data_uri($body->{qrcode}), qr/\A2@/, 'a QR that a phone reads';
	my $one = one('Vendas-01');
	is_deeply [@{$one}{qw(nome status online origin lifecycle numero_telefone deviceId)}],
		['Vendas-01', 'disconnected', JSON::PP::false(), 'admin', 'assigned', '5511988887777', $body->{deviceId}], 'it is there';
	is ask(GET => ALL . "/$one->{id}")->{json}{nome}, 'Vendas-01', 'by its id too';
	scan($s, 'Vendas-01', '5511988887777');
	eventually_ok('connected', sub { one('Vendas-01')->{online} });
	is_deeply [@{ one('Vendas-01') }{qw(status gatewayStatus numero_telefone)}], ['connected', 'WORKING', '5511988887777@c.us'],
		'with its phone';
	like +(trail('Vendas-01'))[0], qr/transition assigned made by an administrator ana\@example\.org/, 'the trail tells who made it';
	is $s->psql_value(q{SELECT count(*) FROM instances WHERE origin = 'admin' AND is_pooled}), 0, 'it is none of the pool';
	return;
}

sub bad_input {
	problem_ok(ask(POST => ALL, json => { nome => $_ }), 422, 'invalid-field', "nome: $_")
		for '', 'a b', 'a/b', 'ação', 'x' x 65, '../x', 'pool-1795216239-1', "a\nb";
	problem_ok(ask(POST => ALL, json => {}), 422, 'invalid-field', 'no name');
	problem_ok(ask(POST => ALL, json => { nome => 7 }), 422, 'invalid-field', 'a number for a name');
	problem_ok(make('ok', numero_telefone => 'twelve'), 422, 'invalid-field', 'no telephone number');
	problem_ok(make('ok', numero_telefone => ['1']), 422, 'invalid-field', 'a list for a number');
	problem_ok(make('ok', server => 'nowhere'), 422, 'invalid-field', 'a server that is not there');
	problem_ok(make('ok', server => 5), 422, 'invalid-field', 'a number for a server');
	problem_ok(ask(POST => ALL, body => '{"nome"', headers => { 'Content-Type' => 'application/json' }), 400, 'bad-json', 'half a body');
	is ask(GET => ALL . '/ok')->{status}, 404, 'nothing was made';
	is sim_session($s, 'ok'), undef, 'nor at the gateway';
	return;
}

sub names {
	made('once');
	problem_ok(make('once'), 409, 'name-taken', 'a second time');
	return;
}

sub race {
	my @answers = burst($s, map { +{ method => 'POST', path => ALL, token => $ana, json => { nome => 'both' } } } 1 .. 4);
	is_deeply [sort map { $_->{status} } @answers], [201, 409, 409, 409], 'one makes it';
	is $s->psql_value(q{SELECT count(*) FROM instances WHERE name = 'both'}), 1, 'once';
	return;
}

sub idempotency {
	my %key = (headers => { 'Idempotency-Key' => 'a-key' });
	my $first = ask(POST => ALL, json => { nome => 'keyed' }, %key);
	my $again = ask(POST => ALL, json => { nome => 'keyed' }, %key);
	is $again->{status}, 201, 'the answer comes again';
	is $again->{body}, $first->{body}, 'the same';
	problem_ok(ask(POST => ALL, json => { nome => 'other' }, %key), 422, 'idempotency-reuse', 'not for another');
	return;
}

sub qrcode {
	made('shown');
	my $answer = ask(GET => ALL . '/shown/qrcode');
	is $answer->{status}, 200, 'as JSON' or diag $answer->{body};
	is_deeply [@{ $answer->{json} }{qw(nome connected)}], ['shown', JSON::PP::false()], 'its members';
	is qr_of_data_uri($answer->{json}{$_}), $answer->{json}{code}, $_ for qw(qrcode base64);
	my %form = ('application/json' => sub { qr_of_data_uri($_[0]{json}{qrcode}) },
		'image/png' => sub { qr_of_png($_[0]{body}) }, 'image/svg+xml' => sub { qr_of_svg($_[0]{body}) });
	for my $type (sort keys %form) {
		my ($read, $shown) = read_and_shown($s, 'shown', sub {
			$answer = ask(GET => ALL . '/shown/qrcode', headers => { Accept => $type });
			return $form{$type}->($answer);
		});
		is $answer->{headers}{'content-type'}, $type, "as $type";
		is $read, $shown, 'the QR is the gateway\'s';
	}
	scan($s, 'shown', '5511900000001');
	eventually_ok('connected', sub { one('shown')->{online} });
	$answer = ask(GET => ALL . '/shown/qrcode');
	is_deeply [@{ $answer->{json} }{qw(connected qrcode)}], [JSON::PP::true(), undef], 'nothing to scan any more';
	problem_ok(ask(GET => ALL . '/shown/qrcode', headers => { Accept => 'image/png' }), 409, 'no-qr', 'nor to draw');
	return;
}

sub commands {
	connected('worker', '5511900000002');
	my $answer = ask(POST => ALL . '/worker/restart');
	is $answer->{status}, 200, 'restarted' or diag $answer->{body};
	eventually_ok('it comes back with its phone', sub { one('worker')->{online} });
	like join("\n", trail('worker')), qr/command restart by hand ana\@example\.org/, 'the trail tells who did it';
	$answer = ask(POST => ALL . '/worker/logout');
	is $answer->{status}, 200, 'logged out' or diag $answer->{body};
	eventually_ok('its phone is gone', sub { !sim_session($s, 'worker')->{linked} });
	eventually_ok('which is known', sub { !one('worker')->{online} && !defined one('worker')->{pairedAt} });
	is one('worker')->{lifecycle}, 'assigned', 'the instance stays';
	is ask(GET => ALL . '/worker/qrcode')->{status}, 200, 'and can be scanned anew';
	my $free = $s->psql_value(q{SELECT name FROM instances WHERE lifecycle = 'standby' LIMIT 1});
	problem_ok(ask(POST => ALL . "/$free/$_"), 409, 'conflict', "$_ of one that stands by") for qw(restart logout);
	return;
}

sub phone_leaves {
	connected('leaver', '5511900000003');
	sim($s, POST => 'sessions/leaver/logout');
	eventually_ok('it is noticed', sub { my $one = one('leaver'); !$one->{online} && !defined $one->{pairedAt} });
	is one('leaver')->{lifecycle}, 'assigned', 'the instance stays the administrator\'s';
	my $answer = ask(GET => ALL . '/leaver/qrcode');
	is $answer->{status}, 200, 'it shows a QR again' or diag $answer->{body};
	scan($s, 'leaver', '5511900000004');
	eventually_ok('for another phone', sub { one('leaver')->{online} });
	return;
}

sub deleted {
	connected('mortal', '5511900000005');
	my $old = one('mortal');
	my $answer = ask(DELETE => ALL . '/mortal');
	is $answer->{status}, 202, 'taken down' or diag $answer->{body};
	eventually_ok('gone', sub { ask(GET => ALL . '/mortal')->{status} == 404 });
	is sim_session($s, 'mortal'), undef, 'at the gateway too';
	problem_ok(ask(DELETE => ALL . '/mortal'), 404, 'not-found', 'a second time');
	problem_ok(ask(GET => ALL . "/$old->{id}"), 404, 'not-found', 'by its id too');
	like $s->psql_value("SELECT string_agg(to_state || ' ' || actor, ', ' ORDER BY id) FROM instance_events
		WHERE instance_id = '$old->{id}' AND kind = 'transition'"), qr/recycling ana\@example\.org, retired wapool-maintain/,
		'its trail stays';
	my $new = made('mortal');
	isnt $new->{id}, $old->{id}, 'the name is free for another';
	is $new->{deviceId}, $old->{deviceId}, 'under the same device';
	is $new->{numero_telefone}, undef, 'without the former phone';
	return;
}

sub lists {
	my $all = ask(GET => ALL . '?limit=200')->{json};
	is $all->{next}, undef, 'all on one page';
	my @names = map { $_->{nome} } @{ $all->{instances} };
	is_deeply [grep { $_->{lifecycle} eq 'retired' } @{ $all->{instances} }], [], 'none that is gone';

	my ($path, @paged) = ALL . '?limit=3';
	while (defined $path) {
		my $page = ask(GET => $path);
		cmp_ok scalar @{ $page->{json}{instances} }, '<=', 3, 'a page' or last;
		push @paged, map { $_->{nome} } @{ $page->{json}{instances} };
		my ($link) = ($page->{headers}{link} // '') =~ /\A<([^>]+)>; rel="next"\z/;
		is $link, defined $page->{json}{next} ? ALL . "?limit=3&cursor=$page->{json}{next}" : undef, 'leads to the next';
		$path = $link;
	}
	my %pooled = map { $_ => 1 } grep { /\Apool-/ } @names, @paged;
	is_deeply [grep { !$pooled{$_} } @paged], [grep { !$pooled{$_} } @names], 'pages hold what the whole does, once';

	my %want = (
		'origin=admin'       => sub { $_->{origin} eq 'admin' },
		'lifecycle=standby'  => sub { $_->{lifecycle} eq 'standby' },
		'status=connected'   => sub { $_->{online} },
		'status=disconnected&origin=admin' => sub { !$_->{online} && $_->{origin} eq 'admin' },
		'health=disconnected&origin=admin' => sub { $_->{health} eq 'disconnected' },
		'q=LEAV'             => sub { $_->{nome} eq 'leaver' },
		'server=WAHA&origin=admin' => sub { $_->{server}{nome} eq 'WAHA' },
		'lifecycle=retired'  => sub { $_->{lifecycle} eq 'retired' && $_->{nome} =~ /~/ });
	for my $query (sort keys %want) {
		my @rows = @{ ask(GET => ALL . "?$query")->{json}{instances} };
		cmp_ok scalar @rows, '>', 0, "$query finds some";
		is scalar(grep { !$want{$query}->() } @rows), 0, 'and nothing else';
	}
	is_deeply ask(GET => ALL . '?server=nowhere')->{json}, { instances => [], next => undef }, 'a server that is not there';
	problem_ok(ask(GET => ALL . "?$_"), 422, 'invalid-field', $_)
		for qw(limit=0 limit=201 limit=x limit=-1 lifecycle=dead health=fine cursor=zzz cursor=%00 q=%ff);
	return;
}

sub users_own {
	my $user = $s->unique_user;
	$s->http(POST => '/api/whatsapp/connect', token => $s->token($user));
	my $name = instance_of($s, $user)->{name};
	is one($name)->{userId}, $user, 'an administrator sees whose it is';
	problem_ok(ask(GET => ALL . "/$name/qrcode"), 409, 'conflict', 'and cannot scan it');
	problem_ok(ask(DELETE => ALL . "/$name"), 409, 'conflict', 'nor delete it');
	is ask(POST => ALL . "/$name/restart")->{status}, 200, 'but restart it';
	return;
}

# A gateway's call past wapool.
sub gateway {
	my ($method, $path, $body) = @_;
	return HTTP::Tiny->new(no_proxy => '127.0.0.1')->request($method, $s->sim_url . $path, {
		headers => { 'X-Api-Key' => $s->sim_key, 'Content-Type' => 'application/json' },
		defined $body ? (content => $body) : () });
}

sub foreign_session {
	is gateway(POST => '/api/sessions', '{"name":"foreign","start":false}')->{status}, 201, 'somebody has one of that name there';
	problem_ok(make('foreign'), 409, 'name-taken', 'the name is taken');
	ok sim_session($s, 'foreign'), 'his session stays';
	is ask(GET => ALL . '/foreign')->{status}, 404, 'and none of ours is left';
	return;
}

sub no_qr {
	faults($s, { kind => 'stuck_starting', session => 'slow' });
	my $answer = make('slow');
	is $answer->{status}, 201, 'made all the same' or diag $answer->{body};
	is $answer->{json}{qrcode}, undef, 'without a QR';
	like $answer->{json}{message}, qr/peça-o de novo/, 'which is to be asked for again';
	faults($s);
	return;
}

sub gateway_fails {
	faults($s, { kind => 'status', status => 500 });
	problem_ok(make('unborn'), 502, 'gateway-failed', 'a gateway that fails');
	faults($s);
	is ask(GET => ALL . '/unborn')->{status}, 404, 'nothing is left of it';
	is make('unborn')->{status}, 201, 'and it can be made later';
	return;
}

sub servers {
	$s->psql(q{INSERT INTO waha_servers (nome, api_url, prioridade, max_sessions) VALUES ('dead', 'http://127.0.0.1:1', 10, 5)});
	is make('fallback')->{status}, 201, 'a dead server of high priority: the next one is taken';
	is one('fallback')->{server}{nome}, 'WAHA', 'which has it';
	problem_ok(make('there', server => 'dead'), 502, 'gateway-failed', 'the named server is not replaced by another');
	is make('here', server => 'WAHA')->{status}, 201, 'the named one makes it';
	$s->psql(q{UPDATE waha_servers SET max_sessions = sessions_ativas});
	problem_ok(make('homeless'), 503, 'no-room', 'no server has room');
	return;
}
