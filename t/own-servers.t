#!/usr/bin/perl
# Users with gateways of their own, of every kind, registered over the API: they are served from those, their phones
# and messages work there, and when those fail they fall back to the platform's within the same click.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Wapool::Test qw(stack burst eventually_ok free_instances invariants_ok);
use Wapool::Fault qw(sim);

use constant { SERVERS => '/api/waha/servers', CONNECT => '/api/whatsapp/connect', MINE => '/api/whatsapp/my-connection' };

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(env => { SERVER_LIMIT => 100, GATEWAY_ALLOW_PRIVATE => '127.0.0.0/8', GATEWAY_TIMEOUT_MS => 2000, POOL_TARGET => 8, POOL_LOW => 4 });
$s->wait_ready;
eventually_ok('the platform\'s instances stand by', sub { free_instances($s) >= 8 });
my $phones = 0;

for my $kind (qw(waha evolution1 evolution2 gowa)) {
	subtest "a gateway of one's own: $kind"      => sub { life($kind) };
	subtest "$kind fails, the platform serves"   => sub { falls_back($kind) };
}
subtest 'several of one\'s own, none of them there' => \&several;
subtest 'of several the one that works'             => \&one_works;
subtest 'timeout, retry_attempts and rate_limit of a row' => \&its_numbers;
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

sub key_of { return $s->sim_key }

# A user and what he asks.
sub somebody {
	my $id = $s->unique_user;
	my $token = $s->token($id);
	return ($id, sub { my ($method, $path, $json) = @_;
		return $s->http($method, $path, token => $token, timeout => 40, defined $json ? (json => $json) : ()) });
}

# Registers a simulated gateway of that kind as this user's own: (its name at the simulator, its id).
sub own {
	my ($ask, $kind) = @_;
	my $name = "own-$kind-" . ++$phones;
	my ($status) = sim($s, PUT => "/s/$name/_sim/kind", { kind => $kind });
	is $status, 200, 'there is such a gateway';
	my $answer = $ask->(POST => SERVERS, { nome => $name, api_url => $s->sim_url . "/s/$name", api_key => key_of($kind),
			kind => $kind =~ s/[0-9]\z//r, max_sessions => 2, rate_limit => 0 });
	is $answer->{status}, 201, 'registered' or diag $answer->{body};
	return ($name, $answer->{json}{id});
}

sub server_of {
	my ($user) = @_;
	return $s->psql_value("SELECT s.nome FROM instances i JOIN waha_servers s ON s.id = i.server_id
		WHERE i.assigned_to_user_id = '$user'");
}

sub life {
	my ($kind) = @_;
	my ($user, $ask) = somebody();
	my ($name, $id) = own($ask, $kind);
	my $test = $ask->(POST => SERVERS . "/$id/test")->{json};
	is $test->{result}, 'ok', 'Testar Conexão' or diag explain $test;
	my $answer = $ask->(POST => CONNECT, {});
	is $answer->{status}, 200, 'connect' or return diag $answer->{body};
	is server_of($user), $name, 'on his own gateway';
	my $session = $answer->{json}{instanceName};
	my $phone = '55119' . (20_000_000 + ++$phones);
	my ($status) = sim($s, POST => "/s/$name/_sim/sessions/$session/scan", { phone => $phone, pushName => 'Ana' });
	is $status, 200, 'his phone scans';
	eventually_ok('he is connected', sub { $ask->(GET => MINE)->{json}{connected} });
	like $ask->(GET => MINE)->{json}{phoneNumber}, qr/$phone/, 'with his phone';
	is $ask->(POST => '/api/messages/send', { to => '5511988887777', text => 'Oi' })->{status}, 200, 'he sends a message';
	is $ask->(DELETE => SERVERS . "/$id")->{status}, 409, 'a gateway in use is not removed';
	is $ask->(DELETE => SERVERS . "/$id?force=drain")->{status}, 202, 'but drained';
	is $ask->(GET => MINE)->{json}{connected}, JSON::PP::true, 'he stays connected meanwhile';
	is $ask->(POST => '/api/whatsapp/disconnect', {})->{status}, 200, 'until he leaves';
	eventually_ok('then it is gone', sub { $ask->(GET => SERVERS . "/$id")->{status} == 404 });
	my (undef, $left) = sim($s, GET => "/s/$name/_sim/sessions");
	is_deeply $left, [], 'and nothing is left at it';
	return;
}

sub falls_back {
	my ($kind) = @_;
	my ($user, $ask) = somebody();
	my ($name) = own($ask, $kind);
	eventually_ok('the platform has some for each of these', sub { free_instances($s) >= 5 });
	for my $fault ({ kind => 'status', status => 503 }, { kind => 'unauthorized' }, { kind => 'reset' }, { kind => 'garbage' }, { kind => 'hang' }) {
		sim($s, PUT => "/s/$name/_sim/faults", { faults => [$fault] });
		my $answer = $ask->(POST => CONNECT, {});
		is $answer->{status}, 200, "$fault->{kind}: the platform serves him" or diag $answer->{body};
		isnt server_of($user) // $name, $name, 'on a server of its own';
		$ask->(POST => '/api/whatsapp/disconnect', {});
		$s->psql("UPDATE waha_servers SET health = 'unknown', failures = 0 WHERE nome = '$name'");
	}
	return;
}

sub several {
	eventually_ok('the platform has some', sub { free_instances($s) >= 3 });
	for my $n (2, 3, 10) {
		my ($user, $ask) = somebody();
		$ask->(POST => SERVERS, { nome => "n$_", api_url => "https://gateway$_.invalid", prioridade => 10 - $_ % 10 }) for 1 .. $n;
		my $answer = $ask->(POST => CONNECT, {});
		is $answer->{status}, 200, "$n of no such name" or diag $answer->{body};
		is $s->psql_value("SELECT s.user_id IS NULL FROM instances i JOIN waha_servers s ON s.id = i.server_id
			WHERE i.assigned_to_user_id = '$user'"), 't', 'the platform serves';
	}
	return;
}

sub one_works {
	my ($user, $ask) = somebody();
	$ask->(POST => SERVERS, { nome => "n$_", api_url => "https://gateway$_.invalid", prioridade => 10 }) for 1 .. 3;
	my ($name) = own($ask, 'evolution2');
	is $ask->(POST => CONNECT, {})->{status}, 200, 'connect';
	is server_of($user), $name, 'on the one of his own that answers';
	return;
}

# Requests that a gateway itself has counted; of one route only, if it is named.
sub asked {
	my ($name, $route) = @_;
	my (undef, $stats) = sim($s, GET => "/s/$name/_sim/stats");
	my $n = 0;
	$n += $_->{count} for grep { defined $route ? $_->{route} eq $route : $_->{route} !~ m{\A/_sim/} } @{ $stats->{requests} };
	return $n;
}

# Three programs call it: the tester, connect and the helper.
sub its_numbers {
	my ($user, $ask) = somebody();
	my ($name, $id) = own($ask, 'waha');
	my $change = sub { my $answer = $ask->(PATCH => SERVERS . "/$id", { @_ }); is $answer->{status}, 200, "@_" or diag $answer->{body} };
	my $test = sub { return $ask->(POST => SERVERS . "/$id/test")->{json}{result} };
	eventually_ok('the helper has looked at it', sub { $ask->(GET => SERVERS . "/$id")->{json}{health} eq 'up' });
	$s->psql("UPDATE waha_servers SET check_next_at = 'infinity' WHERE id = '$id'");

	sim($s, PUT => "/s/$name/_sim/faults", { faults => [{ kind => 'status', status => 503, path => '/api/sessions' }] });
	for my $retries (0, 2) {
		$change->(retry_attempts => $retries);
		my $before = asked($name, '/api/sessions');
		isnt $test->(), 'ok', 'it fails';
		is asked($name, '/api/sessions') - $before, 1 + $retries, "after $retries repetitions";
	}
	sim($s, PUT => "/s/$name/_sim/faults", { faults => [{ kind => 'hang', path => '/api/sessions' }] });
	$change->(timeout => 1, retry_attempts => 0);
	is $test->(), 'timeout', 'a second is over before the two that all calls may take';

	sim($s, PUT => "/s/$name/_sim/faults", { faults => [] });
	$change->(timeout => 30, rate_limit => 8);
	my $before = asked($name);
	$s->psql("UPDATE waha_servers SET check_next_at = now() WHERE id = '$id'");
	my $token = $s->token($user);
	my @answers = burst($s, { method => 'POST', path => CONNECT, token => $token, json => {} },
		map { { method => 'POST', path => SERVERS . "/$id/test", token => $token, json => {} } } 1 .. 6);
	is_deeply [map { $_->{status} } @answers], [(200) x 7], 'all are answered' or diag explain [map { $_->{body} } @answers];
	my $calls = asked($name) - $before;
	cmp_ok $calls, '>', 0, "it was called $calls times";
	cmp_ok $calls, '<=', 8, 'and within a minute no more often than it allows, by all of them together';
	return;
}
