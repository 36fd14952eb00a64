#!/usr/bin/perl
# What operators watch and do: the pool at a glance, its history as numbers and plots, an instance's trail and
# release, events that did not arrive; through nginx, against the simulated gateway.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Subscriber;
use Wapool::Test qw(stack scan eventually eventually_ok instance_of free_instances problem_ok server_id);

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(env => { POOL_TARGET => 3, POOL_LOW => 2, POOL_STEP => 2, POOL_MAX => 50, HEALTH_INTERVAL => 5,
		GATEWAY_ALLOW_PRIVATE => '127.0.0.1' });
$s->wait_ready;
my $ana = $s->admin_token($s->unique_user, email => 'ana@example.org');
eventually_ok('the pool is full', sub { free_instances($s) >= 3 });

subtest 'the pool at a glance'       => \&glance;
subtest 'an alarm'                   => \&alarm_shown;
subtest 'a server that is drained'   => \&drained;
subtest 'history as numbers'         => \&numbers;
subtest 'history as a plot'          => \&plots;
subtest 'one server\'s history'      => \&one_server;
subtest 'the trail of an instance'   => \&trail;
subtest 'an instance taken away'     => \&released;
subtest 'events that did not arrive' => \&parked;
$s->stop;
done_testing;

# --- Tools ---

sub ask {
	my ($method, $path, %opt) = @_;
	return $s->http($method, "/admin/$path", token => $ana, %opt);
}

sub pool { return ask(GET => 'pool')->{json} }

# A user with an instance: his token and the instance's name.
sub customer {
	my $id = $s->unique_user;
	my $token = $s->token($id);
	my $name = $s->http(POST => '/api/whatsapp/connect', token => $token, json => {})->{json}{instanceName};
	return { id => $id, token => $token, instance => $name };
}

# --- The pool ---

sub glance {
	eventually_ok('how fast its server answered', sub { defined pool()->{servers}[0]{latencyMs} });
	my $o = pool();
	is_deeply [@{$o}{qw(target low max assigned online recycling retired frozen)}], [3, 2, 50, 0, 0, 0, 0, undef], 'counts and settings';
	is $o->{free}, 3, 'what is free';
	like $o->{checkedAt}, qr/\A\d{4}-\d\d-\d\dT[\d:.]+Z\z/, 'when';
	is $o->{timeZone}, 'America/Sao_Paulo', 'the hosting\'s time zone';
	my ($server) = @{ $o->{servers} };
	is_deeply [@{$server}{qw(id kind health active draining sessions standby)}],
		[server_id($s), 'waha', 'up', JSON::PP::true(), JSON::PP::false(), 3, 3], 'its server';
	like pool()->{servers}[0]{lastLookAt}, qr/Z\z/, 'when it was looked at';
	eventually_ok('the helper', sub { pool()->{helper}{tasks}{sample} });
	is pool()->{helper}{hosts}, 1, 'on one host';
	my $him = customer();
	scan($s, $him->{instance}, '5511988880001');
	eventually_ok('one is in use and connected', sub { my $p = pool(); $p->{assigned} == 1 && $p->{online} == 1 });
	problem_ok(ask(POST => 'pool'), 405, 'method-not-allowed', 'another method');
	problem_ok(ask(GET => 'pool/else'), 404, 'not-found', 'another path');
	return;
}

# What the pool's member shows of an alarm that there is. The helper, which finds nothing wrong, may take the alarm
# away before it was seen.
sub raised {
	my ($member, $columns, $row) = @_;
	return eventually(sub {
		$s->psql("INSERT INTO alarms ($columns) $row ON CONFLICT DO NOTHING");
		my $shown = pool()->{$member};
		return ref $shown eq 'ARRAY' && !@$shown ? undef : $shown;
	});
}

sub alarm_shown {
	my $alarms = raised('alarms', 'kind, server_id, reason', "SELECT 'server', id, 'connection refused' FROM waha_servers");
	is_deeply [map { [@{$_}{qw(kind serverId server userId reason)}] } @$alarms],
		[['server', server_id($s), 'WAHA', undef, 'connection refused']], 'it names its server and why';
	$s->psql('DELETE FROM alarms');
	my $frozen = raised('frozen', 'kind, reason', "VALUES ('network', '2 of 3 servers look down')");
	is_deeply [@{$frozen}{qw(why reason)}], ['network', '2 of 3 servers look down'], 'one of the network freezes repairs';
	$s->psql('DELETE FROM alarms');
	is_deeply pool()->{alarms}, [], 'gone';
	return;
}

sub drained {
	my $id = server_id($s);
	my $before = pool()->{servers}[0]{sessions};
	is $s->http(POST => "/api/waha/servers/$id/drain", token => $ana, json => {})->{status}, 202, 'it begins';
	my ($work) = grep { $_->{what} eq 'drain' } @{ pool()->{progress} };
	my $total = $work->{total};
	is_deeply [@{$work}{qw(serverId server)}], [$id, 'WAHA'], 'it is told';
	# once a minute the helper tops up: it may have ordered one meanwhile
	ok $total == $before || $total == $before + 1, 'of so many' or diag "$total, not $before";
	eventually_ok('what stood by has left', sub {
		my ($now) = grep { $_->{what} eq 'drain' } @{ pool()->{progress} };
		$now && $now->{done} == $total - 1;
	});
	is $s->http(POST => "/api/waha/servers/$id/activate", token => $ana, json => {})->{status}, 200, 'back in service';
	eventually_ok('no draining, and the pool fills', sub {
		my $p = pool();
		!$p->{servers}[0]{draining} && $p->{free} >= 3;
	});
	return;
}

# --- History ---

# A day of samples, with a gap of two hours that begins six hours ago.
sub past {
	my $id = server_id($s);
	$s->psql(<<"SQL");
INSERT INTO pool_samples (step, at, target, low, free, free_min, making, recycling, assigned, online)
SELECT 600, sample_at(600, now()) - n * interval '10 minutes', 3, 2, 2.25, 1, 1, 0, 12345, 12000
FROM generate_series(1, 150) n WHERE n NOT BETWEEN 24 AND 36 ON CONFLICT DO NOTHING
SQL
	$s->psql(<<"SQL");
INSERT INTO server_samples (server_id, step, at, up, latency_ms, latency_max, sessions)
SELECT '$id', 600, at, (n > 3)::int, CASE WHEN n > 3 THEN 40 END, CASE WHEN n > 3 THEN 120 END, 15
FROM (SELECT at, row_number() OVER (ORDER BY at DESC) n FROM pool_samples WHERE step = 600 AND at < sample_at(600, now())) AS p
ON CONFLICT DO NOTHING
SQL
	return;
}

sub numbers {
	eventually_ok('the helper takes samples', sub { $s->psql_value('SELECT count(*) FROM pool_samples WHERE step = 60') > 0 });
	past();
	my $hour = ask(GET => 'pool/history')->{json};
	is_deeply [$hour->{range}, $hour->{step}, scalar @{ $hour->{points} }], ['hour', 60, 60], 'the last hour, if nothing is asked';
	my ($known) = grep { defined $_->{free} } @{ $hour->{points} };
	is $known->{target}, 3, 'with what was sampled';
	is $hour->{title}, 'Pool de instâncias: última hora', 'in words';
	like $hour->{description}, qr/livres: agora \d, mínimo \d, máximo \d/, 'at length';
	my $day = ask(GET => 'pool/history?range=day')->{json};
	is scalar @{ $day->{points} }, 144, 'a day';
	is_deeply [@{ $day->{points}[50] }{qw(free freeMin provisioning assigned)}], [2.25, 1, 1, 12345], 'means and the least';
	is scalar(grep { !defined $_->{free} } @{ $day->{points} }), 13, 'a gap is null';
	is scalar @{ ask(GET => 'pool/history?range=week')->{json}{points} }, 168, 'a week';
	problem_ok(ask(GET => 'pool/history?range=year'), 422, 'invalid-field', 'nothing else');
	return;
}

sub plots {
	my $answer = ask(GET => 'pool/history.svg?range=day');
	is $answer->{status}, 200, 'it answers';
	is $answer->{headers}{'content-type'}, 'image/svg+xml', 'an image';
	is $answer->{headers}{'content-language'}, 'pt-BR', 'in Portuguese';
	like $answer->{headers}{'content-security-policy'}, qr/default-src 'none'; style-src 'unsafe-inline'/, 'that may load nothing';
	my $svg = $answer->{body};
	utf8::decode($svg);
	like $svg, qr{\A<svg .*<title>Pool de instâncias: últimas 24 horas</title><desc>.*livres: agora .*sem dados: 13/144}s, 'with its text';
	like $svg, qr{<text[^>]*>15\.000</text>}, 'numbers as Brazilians write them';
	# of a week: in a day's, until half an hour after midnight, the word has no room at the edge
	my $week = ask(GET => 'pool/history.svg?range=week')->{body};
	utf8::decode($week);
	like $week, qr{<text[^>]*>(?:dom|seg|ter|qua|qui|sex|sáb) \d+</text>}, 'a day begins';
	my $english = ask(GET => 'pool/history.svg?range=day&theme=dark&width=390', headers => { 'Accept-Language' => 'en' });
	like $english->{body}, qr{viewBox="0 0 390 .*Pool of instances: last 24 hours}s, 'in English, so wide';
	unlike $english->{body}, qr/prefers-color-scheme/, 'in the theme asked for';
	problem_ok(ask(GET => 'pool/history.svg?theme=pink'), 422, 'invalid-field', 'no such theme');
	problem_ok(ask(GET => "pool/history.svg?width=$_"), 422, 'invalid-field', "width $_") for 0, 279, 1601, 'x', '';
	problem_ok(ask(GET => 'pool/history.svg?range=x'), 422, 'invalid-field', 'no such range');
	return;
}

sub one_server {
	my $id = server_id($s);
	$s->psql("UPDATE waha_servers SET nome = '<b>&' || chr(1) || 'fim' WHERE id = '$id'");
	my $svg = ask(GET => "servers/$id/latency.svg?range=day")->{body};
	utf8::decode($svg);
	like $svg, qr{<title>&lt;b&gt;&amp;\x{fffd}fim: }, 'a name is text';
	like $svg, qr/fora do ar/, 'when it was down is marked';
	# not which: where ten minutes end meanwhile, the latest are the helper's own
	like $svg, qr{<desc>.*média: agora \d+ ms, mínimo \d+ ms, máximo \d+ ms}, 'and said';
	my $day = ask(GET => "servers/$id/history?range=day")->{json};
	is_deeply [@{ $day->{points}[60] }{qw(up latencyMs latencyMaxMs sessions)}], [1, 40, 120, 15], 'as numbers';
	for my $what (qw(latency.svg history)) {
		problem_ok(ask(GET => "servers/$_/$what"), 404, 'not-found', "$what of $_") for $s->unique_user, 'nobody';
	}
	$s->psql("UPDATE waha_servers SET nome = 'WAHA' WHERE id = '$id'");
	return;
}

# --- Instances ---

sub trail {
	my $him = customer();
	my $first = ask(GET => "instances/$him->{instance}/events")->{json};
	is_deeply [$first->{nome}, $first->{next}], [$him->{instance}, undef], 'all of it';
	is_deeply [@{ $first->{events}[0] }{qw(kind from to reason userId epoch)}], ['transition', 'standby', 'assigned', 'claimed', $him->{id}, 1],
		'the newest first: whose it is';
	my (@pages, $cursor);
	for (1 .. 20) {
		my $page = ask(GET => "instances/$him->{instance}/events?limit=1" . ($cursor ? "&cursor=$cursor" : ''));
		push @pages, @{ $page->{json}{events} };
		$cursor = $page->{json}{next} // last;
		like $page->{headers}{link}, qr{</admin/instances/$first->{id}/events\?limit=1&cursor=\d+>; rel="next"}, 'leads on' if @pages == 1;
	}
	is_deeply \@pages, $first->{events}, 'page by page';
	problem_ok(ask(GET => 'instances/nobody/events'), 404, 'not-found', 'of nothing');
	problem_ok(ask(GET => "instances/$him->{instance}/events?$_"), 422, 'invalid-field', $_)
		for qw(limit=0 limit=201 limit=x cursor=x cursor= cursor=99999999999999999999);
	return;
}

sub released {
	my $him = customer();
	my $id = instance_of($s, $him->{id})->{id};
	my $answer = ask(POST => "instances/$him->{instance}/release", headers => { 'Idempotency-Key' => 'once' });
	is_deeply [$answer->{status}, $answer->{json}{nome}], [202, $him->{instance}], 'taken';
	is ask(POST => "instances/$id/release", headers => { 'Idempotency-Key' => 'once' })->{status}, 202, 'the same key again';
	is $s->http(GET => '/api/whatsapp/my-connection', token => $him->{token})->{json}{connected}, JSON::PP::false(), 'its user has none';
	eventually_ok('it is emptied and stands by', sub { $s->psql_value("SELECT lifecycle FROM instances WHERE id = '$id'") eq 'standby' });
	my ($event) = grep { ($_->{from} // '') eq 'assigned' } @{ ask(GET => "instances/$him->{instance}/events")->{json}{events} };
	is_deeply [@{$event}{qw(to reason actor)}], ['recycling', 'released by hand', 'ana@example.org'],
		'the trail tells who did it, by the name it had';
	problem_ok(ask(POST => "instances/$id/release"), 409, 'conflict', 'what nobody has');
	problem_ok(ask(POST => 'instances/nobody/release'), 404, 'not-found', 'what is not there');
	return;
}

# --- Events ---

# A customer whose webhook takes nothing, with so many events parked.
sub unheard {
	my ($hook, $path, $n) = @_;
	my $him = customer();
	is $s->http(PUT => '/api/webhook', token => $him->{token}, json => { url => $hook->url("$path?key=secret") })->{status}, 201,
		"$path is registered";
	my $device = $s->psql_value("SELECT device_id FROM instances WHERE assigned_to_user_id = '$him->{id}'");
	# at once, or the helper has them in hand
	$s->psql("BEGIN; SELECT event_emit('$him->{id}', '$device', 'message.received', '{\"text\": \"hush\"}') FROM generate_series(1, $n);"
		. " UPDATE deliveries SET state = 'parked', last_error = 'HTTP status 500', attempts = 9 WHERE device_id = '$device'; COMMIT");
	return { %$him, device => $device };
}

sub parked {
	my $hook = Wapool::Subscriber->new;
	my ($one, $two) = map { unheard($hook, "/$_", 2) } qw(one two);
	my $list = ask(GET => 'deliveries')->{json};
	is_deeply [map { $_->{userId} } @{ $list->{deliveries} }], [($two->{id}) x 2, ($one->{id}) x 2], 'of all users, the newest first';
	my ($row) = @{ $list->{deliveries} };
	like $row->{host}, qr/\A127\.0\.0\.1:\d+\z/, 'where to: the host';
	unlike ask(GET => 'deliveries')->{body}, qr/hush|secret/, 'no message, nothing else of the URL';
	is ask(GET => 'deliveries?state=pending')->{json}{next}, undef, 'pending ones';
	is_deeply [map { $_->{deviceId} } @{ ask(GET => "deliveries?user=$one->{id}")->{json}{deliveries} }], [($one->{device}) x 2], 'of one user';
	my $page = ask(GET => 'deliveries?limit=3');
	is scalar @{ $page->{json}{deliveries} }, 3, 'a page';
	like $page->{headers}{link}, qr{/admin/deliveries\?limit=3&cursor=\d+}, 'leads on';
	is scalar @{ ask(GET => "deliveries?cursor=$page->{json}{next}")->{json}{deliveries} }, 1, 'to the rest';
	problem_ok(ask(GET => "deliveries?$_"), 422, 'invalid-field', $_)
		for qw(state=delivered state= user=me type=x webhook=1 device=x limit=0 limit=201 cursor=x);

	is ask(POST => "deliveries/$row->{id}/replay")->{json}{replayed}, 1, 'one is sent again';
	eventually_ok('and arrives', sub { $s->psql_value("SELECT count(*) FROM deliveries WHERE state = 'delivered'") == 1 });
	problem_ok(ask(POST => "deliveries/$row->{id}/replay"), 404, 'not-found', 'once');
	problem_ok(ask(POST => 'deliveries/evt_nothing/replay'), 404, 'not-found', 'one that is not there');
	$s->psql("UPDATE event_subscriptions SET disabled_at = now() WHERE user_id = '$one->{id}'");
	my ($his) = @{ ask(GET => "deliveries?user=$one->{id}")->{json}{deliveries} };
	problem_ok(ask(POST => "deliveries/$his->{id}/replay"), 409, 'conflict', 'to a webhook that is disabled');
	is_deeply ask(POST => 'deliveries/replay', json => {})->{json}, { replayed => 1, remaining => 0, disabled => 2 }, 'all, but those';
	$s->psql("UPDATE event_subscriptions SET disabled_at = NULL");
	is_deeply ask(POST => 'deliveries/replay', json => { user => $two->{id} })->{json}, { replayed => 0, remaining => 0, disabled => 0 },
		'of a user who has none';
	is_deeply ask(POST => 'deliveries/replay', json => { user => $one->{id}, type => 'message.received' })->{json},
		{ replayed => 2, remaining => 0, disabled => 0 }, 'of one user and type';
	eventually_ok('they arrive', sub { $s->psql_value("SELECT count(*) FROM deliveries WHERE state <> 'delivered'") == 0 });
	problem_ok(ask(POST => 'deliveries/replay', json => $_), 422, 'invalid-field', 'a filter of nothing')
		for { user => 'me' }, { type => 'x' }, { device => 7 }, { webhook => [] };
	$hook->stop;
	return;
}
