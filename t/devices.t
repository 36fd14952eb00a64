#!/usr/bin/perl
# Several WhatsApps of one user: each a device with an id that lasts, whatever happens under it.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use HTTP::Tiny;
use Test::More;

use Wapool::Process qw(random_hex);
use Wapool::Test qw(stack scan sim sim_session faults burst free_instances problem_ok eventually eventually_ok
	qr_of_data_uri read_and_shown invariants_ok);

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

use constant MANY => $ENV{WAPOOL_DEVICES} // 500;    # an even number

use constant POOL => 20;

my $s = stack(hosts => 2, env => { POOL_TARGET => POOL, POOL_LOW => 10, POOL_STEP => 20, HEALTH_INTERVAL => 1, GATEWAY_START_GRACE => 5,
	DEVICE_LIMIT => 4, WAHA_MAX_SESSIONS => 5000 });
my $next_phone = 5511800000000;
eventually_ok('instances stand by', sub { free_instances($s) >= POOL });

subtest 'one after the other'                    => \&several;
subtest 'a limit, also for many at once'         => \&limit;
subtest 'a device that comes to nothing'         => \&nothing;
subtest 'another\'s device is not there'         => \&others;
subtest 'bad input'                              => \&bad_input;
subtest 'logged out, connected again, removed'   => \&comes_and_goes;
subtest 'the id lasts while instances change'    => \&lasts;
subtest 'many devices send and receive at once'  => \&fifty;
subtest 'all of them come back after a restart'  => \&come_back;
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

sub login { my ($user, %body) = @_; return $s->http(POST => '/device/login', token => $s->token($user), json => \%body) }

sub logout { my ($user, %body) = @_; return $s->http(POST => '/device/logout', token => $s->token($user), json => \%body) }

sub list { my ($user) = @_; return $s->http(GET => '/device/list', token => $s->token($user))->{json}{devices} }

# Logs a device in and scans: its id.
sub connected {
	my ($user, %body) = @_;
	my $answer = login($user, %body);
	is $answer->{status}, 200, 'logged in' or diag $answer->{body};
	my $id = $answer->{json}{device_id};
	scan($s, $answer->{json}{instanceName}, '' . $next_phone++);
	eventually_ok('and connected', sub { (grep { $_->{device_id} eq $id && $_->{connected} } @{ list($user) }) == 1 });
	return $id;
}

sub several {
	my $user = $s->unique_user;
	is_deeply list($user), [], 'none at first';
	my $first = login($user, nome => 'Vendas');
	is $first->{status}, 200, 'the first';
	is $first->{json}{device_id}, $first->{json}{deviceId}, 'has an id, under both spellings';
	like qr_of_data_uri($first->{json}{qrCode}), qr/\A2@/, 'and a QR';
	my ($read, $shown) = read_and_shown($s, $first->{json}{instanceName}, sub {
		return qr_of_data_uri(login($user, device_id => $first->{json}{device_id})->{json}{qrCode}) });
	is $read, $shown, 'that of this moment';
	my $second = connected($user, nome => 'Suporte');
	my $code = login($user, method => 'code', phoneNumber => '+55 11 98888-0000');
	like $code->{json}{pairingCode}, qr/\A[A-Z0-9-]{8,9}\z/, 'a third by a code';
	my $list = list($user);
	is_deeply [map { $_->{nome} } @$list], ['Vendas', 'Suporte', undef], 'they are listed in their order';
	is_deeply [map { $_->{default} ? 1 : 0 } @$list], [1, 0, 0], 'the first is the default';
	is_deeply [map { $_->{connected} ? 1 : 0 } @$list], [0, 1, 0], 'one is connected';
	like $list->[1]{phoneNumber}, qr/\A55118/, 'and says by which phone';
	is $s->http(GET => "/api/whatsapp/my-connection?device_id=$second", token => $s->token($user))->{json}{connected},
		JSON::PP::true(), 'device_id in a query';
	is $s->http(GET => '/api/whatsapp/my-connection', token => $s->token($user))->{json}{deviceId},
		$first->{json}{device_id}, 'without one it is the default';
	my $again = login($user, device_id => $second);
	is $again->{json}{connected}, JSON::PP::true(), 'a connected one is connected';
	is scalar @{ list($user) }, 3, 'and no new one';
	return;
}

sub limit {
	my $user = $s->unique_user;
	my @answers = burst($s, map { +{ method => 'POST', path => '/device/login', token => $s->token($user), json => {} } } 1 .. 8);
	is scalar(grep { $_->{status} == 200 } @answers), 4, 'four of eight';
	my ($refused) = grep { $_->{status} != 200 } @answers;
	problem_ok($refused, 409, 'device-limit', 'the others are too many');
	is scalar @{ list($user) }, 4, 'four are listed';
	return;
}

sub nothing {
	my $user = $s->unique_user;
	faults($s, { kind => 'status', status => 500 });
	my $answer = login($user);
	cmp_ok $answer->{status}, '>=', 500, 'a gateway that fails';
	faults($s);
	cmp_ok scalar @{ list($user) }, '<=', 1, 'leaves nothing that another try would add to';
	my $key = random_hex(8);
	my @same = burst($s, map { +{ method => 'POST', path => '/device/login', token => $s->token($user), json => { nome => 'Um' },
		headers => { 'Idempotency-Key' => $key } } } 1 .. 3);
	# who comes while the first is being served is told so, who comes later is given its answer
	my %given = map { $_->{json}{device_id} => 1 } grep { $_->{status} == 200 } @same;
	is scalar keys %given, 1, 'three with one key: one is served' or diag join ' ', map { $_->{status} } @same;
	problem_ok($_, 409, 'idempotency-busy', 'or told to wait for it') for grep { $_->{status} != 200 } @same;
	is scalar(grep { ($_->{nome} // '') eq 'Um' } @{ list($user) }), 1, 'makes one device';
	return;
}

sub others {
	my ($user, $other) = ($s->unique_user, $s->unique_user);
	my $id = login($user)->{json}{device_id};
	problem_ok(login($other, device_id => $id), 404, 'device-not-found', 'to log in');
	problem_ok(logout($other, device_id => $id), 404, 'device-not-found', 'to log out');
	problem_ok(logout($other, device_id => $id, remove => JSON::PP::true()), 404, 'device-not-found', 'to remove');
	problem_ok($s->http(GET => "/api/whatsapp/my-connection?device_id=$id", token => $s->token($other)), 404,
		'device-not-found', 'to look at');
	problem_ok($s->http(POST => '/api/messages/send', token => $s->token($other),
		json => { to => '5511988887777', text => 'x', device_id => $id }), 404, 'device-not-found', 'to send by');
	is scalar @{ list($user) }, 1, 'it is still there';
	return;
}

sub bad_input {
	my $user = $s->unique_user;
	problem_ok(login($user, device_id => 'x'), 422, 'invalid-field', 'an id that is none');
	problem_ok(login($user, nome => ''), 422, 'invalid-field', 'an empty name');
	problem_ok(login($user, nome => 'é' x 101), 422, 'invalid-field', 'a name too long');
	problem_ok(login($user, method => 'code'), 422, 'invalid-field', 'a code without a phone');
	problem_ok(logout($user), 422, 'invalid-field', 'nothing to log out');
	problem_ok($s->http(GET => '/device/list'), 401, 'unauthorized', 'no token');
	is scalar @{ list($user) }, 0, 'no device came of it';
	return;
}

sub comes_and_goes {
	my $user = $s->unique_user;
	my $id = connected($user);
	is logout($user, device_id => $id)->{status}, 200, 'logged out';
	is list($user)->[0]{connected}, JSON::PP::false(), 'it is listed, not connected';
	is logout($user, device_id => $id)->{status}, 200, 'twice is no error';
	is connected($user, device_id => $id), $id, 'connected again, it is the same';
	my $answer = logout($user, device_id => $id, remove => JSON::PP::true());
	is $answer->{json}{removed}, JSON::PP::true(), 'removed';
	is_deeply list($user), [], 'it is gone';
	problem_ok(login($user, device_id => $id), 404, 'device-not-found', 'for good');
	return;
}

sub lasts {
	my $user = $s->unique_user;
	my $first = login($user);
	my ($id, $name) = @{ $first->{json} }{qw(device_id instanceName)};
	$s->psql("SELECT pool_swap(id, epoch, 'test', 0) FROM instances WHERE name = '$name'");
	my $second = login($user, device_id => $id);
	isnt $second->{json}{instanceName}, $name, 'another instance';
	is $second->{json}{device_id}, $id, 'the same device';
	return;
}

my @fifty;    # [user, device, instance]; WAPOOL_DEVICES of them

sub fifty {
	for my $n (1 .. MANY / 2) {
		my $user = $s->unique_user;
		for my $device (1, 2) {
			my $answer;
			eventually(sub { $answer = login($user); $answer->{status} == 200 }) or diag $answer->{body};
			push @fifty, [$user, @{ $answer->{json} }{qw(device_id instanceName)}];
			scan($s, $fifty[-1][2], '' . $next_phone++);
		}
	}
	eventually_ok('all are connected', sub {
		MANY == $s->psql_value("SELECT count(*) FROM instances WHERE status = 'WORKING' AND device_id IN ("
			. join(',', map { "'$_->[1]'" } @fifty) . ')');
	});
	my $before = $s->psql_value("SELECT count(*) FROM webhook_events WHERE event = 'message'");
	sim($s, POST => "sessions/$_->[2]/message", { from => '5511977776666', text => "para $_->[1]" }) for @fifty;
	my @answers = burst($s, map { +{ method => 'POST', path => '/api/messages/send', token => $s->token($_->[0]),
		json => { to => '5511988887777', text => 'Olá', device_id => $_->[1] } } } @fifty);
	is scalar(grep { $_->{status} == 200 } @answers), MANY, 'all are sent at once' or diag map { $_->{body} } grep { $_->{status} != 200 } @answers;
	my @wrong = grep { $answers[$_]{json}{deviceId} ne $fifty[$_][1] || $answers[$_]{json}{instanceName} ne $fifty[$_][2] } 0 .. MANY - 1;
	is "@wrong", '', 'each by its own device';
	eventually_ok('all are received', sub {
		$s->psql_value("SELECT count(*) FROM webhook_events WHERE event = 'message'") >= $before + MANY;
	});
	is $s->psql_value("SELECT count(*) FROM webhook_events e JOIN instances i ON i.id = e.instance_id WHERE e.event = 'message'"
		. " AND e.payload->'payload'->>'body' = 'para ' || i.device_id"), MANY, 'each by its own instance';
	return;
}

sub come_back {
	sim($s, POST => 'restart', { downMs => 200_000 });
	is(HTTP::Tiny->new(timeout => 2)->get($s->sim_url . '/ping')->{status}, 599, 'the gateway is away');
	eventually_ok('all are connected again', sub {
		my $all = eval { sim($s, GET => 'sessions?limit=2000') } || [];
		my @up = grep { $_->{status} eq 'WORKING' } @$all;
		my %up = map { $_->{name} => 1 } @up;
		MANY == grep { $up{ $_->[2] } } @fifty;
	}, 120);
	eventually_ok('and the list says so', sub {
		my %users = map { $_->[0] => 1 } @fifty;
		!grep { my $u = $_; grep { !$_->{connected} } @{ list($u) } } keys %users;
	}, 60);
	is $s->psql_value("SELECT count(*) FROM instances WHERE device_id IN (" . join(',', map { "'$_->[1]'" } @fifty) . ')'), MANY,
		'nobody has lost his device';
	return;
}
