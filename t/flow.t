#!/usr/bin/perl
# The button, from the login to the disconnection: the three flows of its users, through nginx, against the
# simulated gateway.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use Wapool::Test qw(stack sim sim_session sim_generation scan faults problem_ok eventually eventually_ok
	instance_of lifecycle present_name free_instances read_and_shown qr_of_png qr_of_data_uri qr_of_svg webhook
	invariants_ok SEED_EMPTY);

use constant {
	CONNECT    => '/api/whatsapp/connect',
	DISCONNECT => '/api/whatsapp/disconnect',
	MINE       => '/api/whatsapp/my-connection',
	QR         => '/api/whatsapp/qr',
};

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack();
$s->wait_ready;

subtest 'ten instances stand by at the start'          => \&start;
my ($sleeper, $sleeper_instance) = connected_user();    # he never scans: see expired_qr
subtest 'fewer than five free: ten more'               => \&refill;
subtest 'login'                                        => \&login;
subtest 'flow 1: connect, scan, connected'             => \&first_connection;
subtest 'the QR of this moment, as PNG and as SVG'     => \&current_qr;
subtest 'a pairing code instead of a QR'               => \&pairing_code;
subtest 'English for who asks for it'                  => \&english;
subtest 'devices: his own, and nobody else\'s'         => \&devices;
subtest 'a client that gives up keeps its instance'    => \&given_up;
subtest 'flow 2: logged out on the phone'              => \&phone_logout;
subtest 'flow 2: the webhook status.instance'          => \&legacy_webhook;
subtest 'released by hand, emptied before anybody'     => \&released_by_hand;
subtest 'the operator\'s monitoring queries'           => \&monitoring;
subtest 'flow 3: a QR that expired'                    => \&expired_qr;
subtest 'disconnect; nobody gets it before it is empty' => \&recycled;
subtest 'who never pairs loses his instance'           => \&never_paired;
subtest 'a gateway that is too slow'                   => \&slow_gateway;
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

# --- Users ---

my $phones;

sub new_phone { return sprintf '55119%08d', 10_000_000 + ++$phones }

sub connect_as {
	my ($user, %opt) = @_;
	return $s->http(POST => CONNECT, token => $s->token($user), %opt);
}

sub mine { return $s->http(GET => MINE, token => $s->token($_[0]))->{json} }

# A user who has clicked: (his id, his instance's name).
sub connected_user {
	my $user = $s->unique_user;
	my $answer = connect_as($user);
	is $answer->{status}, 200, 'connect' or diag $answer->{body};
	return ($user, $answer->{json}{instanceName});
}

# A user whose phone is connected: (his id, his instance's name, his phone).
sub paired_user {
	my ($user, $name) = connected_user();
	my $phone = new_phone();
	scan($s, $name, $phone);
	eventually_ok('his phone is connected', sub { mine($user)->{connected} });
	return ($user, $name, $phone);
}

# The instance was emptied: it stands by, and what the gateway has under its name is a new session.
sub comes_back_empty {
	my ($name, $old_generation) = @_;
	my ($early, $stands);
	eventually_ok("$name stands by again", sub {
		$stands = lifecycle($s, $name) eq 'standby';
		my $session = sim_session($s, present_name($s, $name));
		$early ||= $stands && (!$session || $session->{linked} || defined $session->{phone});
		return $stands;
	});
	ok !$early, 'not before its session had no phone';
	my $now = present_name($s, $name);
	is sim_session($s, $now)->{status}, 'STOPPED', 'the session is stopped';
	cmp_ok sim_generation($s, $now), '>', $old_generation, 'and another than before';
	isnt $now, $name, 'under a name that nobody had';
	ok !sim_session($s, $name), 'the former one is gone';
	return;
}

# --- The pool ---

sub start {
	eventually_ok('ten are free', sub { free_instances($s) == 10 });
	is_deeply [map { "$_->{status} " . ($_->{phone} // 'empty') } @{ sim($s, GET => 'sessions') }],
		[('STOPPED empty') x 10], 'ten sessions at the gateway: stopped, empty';
	return;
}

sub refill {
	my ($taken, $all) = (10 - free_instances($s));
	connected_user() for $taken + 1 .. 5;
	is free_instances($s), 5, 'five are free';
	$all = $s->psql_value('SELECT count(*) FROM instances');
	is $all, 10, 'none was made';
	connected_user();
	eventually_ok('one less: ten more', sub { free_instances($s) >= 14 });
	return;
}

sub monitoring {
	my ($user, $name) = connected_user();
	$s->psql("UPDATE users SET email = 'maria\@example.com' WHERE id = '$user'");
	my ($row) = $s->psql(<<'SQL');
SELECT
  COUNT(*) as total,
  COUNT(*) FILTER (WHERE assigned_to_user_id IS NULL) as disponiveis,
  COUNT(*) FILTER (WHERE assigned_to_user_id IS NOT NULL) as em_uso
FROM instances
WHERE is_pooled = true;
SQL
	is $row->[0], $row->[1] + $row->[2], 'the pool: free and in use';
	cmp_ok $row->[2], '>', 0, 'some are in use';
	is $s->psql_value('SELECT COUNT(*) FROM instances WHERE is_pooled = true AND assigned_to_user_id IS NULL'),
		free_instances($s), 'free is what can be claimed';
	my %email = map { $_->[0] => $_->[3] } $s->psql(<<'SQL');
SELECT
  i.name,
  i.status,
  i.assigned_to_user_id,
  u.email
FROM instances i
LEFT JOIN users u ON i.assigned_to_user_id = u.id
WHERE i.is_pooled = true
ORDER BY i.name;
SQL
	is $email{$name}, 'maria@example.com', 'who uses which';
	return;
}

# --- Flow 1 ---

sub login {
	my $password = 'senha-de-exemplo';
	my ($status) = $s->ctl(\$password, qw(user add usuario@example.com --password-stdin));
	is $status, 0, 'there is a user';
	my $login = sub {
		my ($email, $word) = @_;
		return $s->http(POST => '/api/auth/login', json => { email => $email, password => $word });
	};
	my @refused = map { $login->(@$_) } ['usuario@example.com', 'outra-senha'], ['ninguem@example.com', $password];
	problem_ok($refused[0], 401, 'bad-login', 'a wrong password', { title => 'E-mail ou senha incorretos' });
	problem_ok($refused[1], 401, 'bad-login', 'an unknown e-mail');
	delete $_->{json}{requestId} for @refused;
	is_deeply $refused[0]{json}, $refused[1]{json}, 'look alike';

	my $answer = $login->('Usuario@Example.com', $password);
	is $answer->{status}, 200, 'the right password' or diag $answer->{body};
	is_deeply [sort keys %{ $answer->{json} }], [qw(expiresIn success token user)], 'what is answered';
	is $answer->{json}{expiresIn}, 3600, 'for an hour';
	is $answer->{json}{user}{email}, 'usuario@example.com', 'his e-mail';
	is $answer->{json}{user}{role}, 'user', 'his role';
	my $me = $s->http(GET => MINE, token => $answer->{json}{token});
	is $me->{status}, 200, 'the token opens the API';
	return;
}

sub first_connection {
	my $user = $s->unique_user;
	is_deeply mine($user), { success => JSON::PP::true, connected => JSON::PP::false, message => 'WhatsApp não conectado' },
		'before: not connected';
	problem_ok($s->http(GET => QR, token => $s->token($user)), 409, 'no-qr', 'before: no QR');

	my $answer = connect_as($user);
	my $body = $answer->{json};
	is $answer->{status}, 200, 'the click' or diag $answer->{body};
	is_deeply [sort keys %$body], [qw(deviceId expiresIn instanceName message method qrCode success)], 'what is answered';
	is $body->{success}, JSON::PP::true, 'success';
	is $body->{method}, 'qr', 'method';
	is $body->{message}, 'Escaneie o QR Code com seu WhatsApp', 'message';
	ok $body->{expiresIn} > 20 && $body->{expiresIn} <= 60, 'expiresIn: that of a first QR' or diag $body->{expiresIn};
	like $body->{instanceName}, qr/\Apool-[0-9]{10}-[0-9]+\z/, 'instanceName';
	like $body->{deviceId}, qr/\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z/, 'deviceId';
	is $answer->{headers}{'cache-control'}, 'no-store', 'not to be stored on the way';
	my ($name, $device) = @$body{qw(instanceName deviceId)};
	my ($read, $shown) = read_and_shown($s, $name, sub { qr_of_data_uri(connect_as($user)->{json}{qrCode}) });
	is $read, $shown, 'a phone reads what the gateway shows';

	my $mine = mine($user);
	is $mine->{connected}, JSON::PP::false, 'before the scan: not connected';
	is $mine->{status}, 'SCAN_QR_CODE', 'and waiting for it';

	my $phone = new_phone();
	scan($s, $name, $phone);
	eventually_ok('after the scan: connected', sub { mine($user)->{connected} });
	is_deeply mine($user), { success => JSON::PP::true, connected => JSON::PP::true, instanceName => $name, status => 'WORKING',
		phoneNumber => "$phone\@c.us", profileName => 'Maria', deviceId => $device }, 'to the letter';
	is_deeply connect_as($user)->{json}, { success => JSON::PP::true, connected => JSON::PP::true, instanceName => $name,
		status => 'WORKING', phoneNumber => "$phone\@c.us", deviceId => $device, message => 'WhatsApp já conectado' },
		'another click: connected already';
	problem_ok($s->http(GET => QR, token => $s->token($user)), 409, 'no-qr', 'and no QR any more');
	is $s->psql_value("SELECT count(*) FROM instances WHERE assigned_to_user_id = '$user'"), 1, 'one instance';
	return;
}

sub current_qr {
	my ($user, $name) = connected_user();
	my %accept = ('image/png' => \&qr_of_png, 'image/svg+xml' => \&qr_of_svg);
	for my $type (sort keys %accept) {
		my $answer;
		my ($read, $shown) = read_and_shown($s, $name, sub {
			$answer = $s->http(GET => QR, token => $s->token($user), headers => { Accept => $type });
			return $accept{$type}->($answer->{body});
		});
		is $answer->{headers}{'content-type'}, $type, "$type by Accept";
		is $read, $shown, 'a phone reads what the gateway shows';
		is $answer->{headers}{'cache-control'}, 'no-store', 'not to be stored on the way';
		like join(", ", map { ref ? @$_ : $_ } $answer->{headers}{vary}), qr{\bAccept(,|\z)}, 'differs by Accept';
	}
	is $s->http(GET => QR, token => $s->token($user))->{headers}{'content-type'}, 'image/png', 'PNG for who says nothing';

	# a minute and five seconds after the session began to show some, and five after it told of the second, that has
	# fifteen left; again if it has told of another one meanwhile
	my $answer;
	my ($read, $shown) = read_and_shown($s, $name, sub {
		for (1 .. 20) {
			$s->psql("UPDATE instances SET status_since = clock_timestamp() - interval '65 seconds',
				status_at = clock_timestamp() - interval '5 seconds' WHERE name = '$name'");
			$answer = $s->http(GET => QR, token => $s->token($user), headers => { Accept => 'application/json' });
			last if $s->psql_value("SELECT status_at <= clock_timestamp() - interval '5 seconds' FROM instances WHERE name = '$name'") eq 't';
		}
		return qr_of_data_uri($answer->{json}{qrCode});
	});
	is_deeply [sort keys %{ $answer->{json} }], [qw(deviceId expiresIn instanceName qrCode success)], 'JSON by Accept';
	is $read, $shown, 'a phone reads what the gateway shows';
	ok $answer->{json}{expiresIn} > 0 && $answer->{json}{expiresIn} <= 15, 'expiresIn' or diag $answer->{json}{expiresIn};
	is $s->http(GET => QR, token => $s->token($user), headers => { Accept => 'image/png;q=0.5, image/*' })
		->{headers}{'content-type'}, 'image/svg+xml', 'q-values count';
	return;
}

sub pairing_code {
	my $user = $s->unique_user;
	my $answer = connect_as($user, json => { method => 'code', phoneNumber => '+55 (11) 98765-4321' });
	my $body = $answer->{json};
	is $answer->{status}, 200, 'answered' or diag $answer->{body};
	is_deeply [sort keys %$body], [qw(deviceId instanceName message method pairingCode success)], 'what is answered';
	is $body->{method}, 'code', 'method';
	is $body->{pairingCode}, sim_session($s, $body->{instanceName})->{code}, 'the code of the gateway';
	is $body->{message}, 'Digite este código no seu WhatsApp', 'message';
	my $qr = connect_as($user)->{json};
	is $qr->{instanceName}, $body->{instanceName}, 'a QR instead: of the same instance';
	is $qr->{method}, 'qr', 'on second thoughts';
	return;
}

sub english {
	my $user = $s->unique_user;
	my @en = (token => $s->token($user), headers => { 'Accept-Language' => 'en-US,en;q=0.9,pt;q=0.5' });
	is $s->http(GET => MINE, @en)->{json}{message}, 'WhatsApp not connected', 'my-connection';
	is $s->http(POST => CONNECT, @en)->{json}{message}, 'Scan the QR code with your WhatsApp', 'connect';
	is $s->http(POST => DISCONNECT, @en)->{json}{message}, 'WhatsApp disconnected successfully', 'disconnect';
	problem_ok($s->http(GET => QR, @en), 409, 'no-qr', 'a problem', { title => 'No QR code' });
	return;
}

sub devices {
	my $user = $s->unique_user;
	my $default = connect_as($user)->{json};
	my $by_id = connect_as($user, json => { deviceId => $default->{deviceId} });
	is $by_id->{json}{instanceName}, $default->{instanceName}, 'his default device by its id';
	is connect_as($user, json => { deviceId => undef })->{json}{instanceName}, $default->{instanceName}, 'null means the same';

	my $second = $s->psql_value("INSERT INTO devices (user_id, nome) VALUES ('$user', 'Loja') RETURNING id");
	my $other = connect_as($user, json => { deviceId => $second })->{json};
	is $other->{deviceId}, $second, 'a second device';
	isnt $other->{instanceName}, $default->{instanceName}, 'has an instance of its own';
	is $s->http(GET => MINE . "?deviceId=$second", token => $s->token($user))->{json}{instanceName},
		$other->{instanceName}, 'my-connection tells of it';
	is $s->http(GET => QR . "?deviceId=$second", token => $s->token($user))->{status}, 200, 'it has a QR';

	my $stranger = $s->unique_user;
	for my $id ($second, $default->{deviceId}, $s->unique_user) {
		my @as = (token => $s->token($stranger));
		problem_ok(connect_as($stranger, json => { deviceId => $id }), 404, 'device-not-found', 'connect: not his');
		problem_ok($s->http(POST => DISCONNECT, @as, json => { deviceId => $id }), 404, 'device-not-found', 'disconnect: not his');
		problem_ok($s->http(GET => MINE . "?deviceId=$id", @as), 404, 'device-not-found', 'my-connection: not his');
		problem_ok($s->http(GET => QR . "?deviceId=$id", @as), 404, 'device-not-found', 'QR: not his');
	}
	ok !instance_of($s, $stranger), 'a stranger got nothing by that';
	$s->http(POST => DISCONNECT, token => $s->token($user), json => { deviceId => $second });
	is mine($user)->{instanceName}, $default->{instanceName}, 'disconnecting one leaves the other';
	return;
}

sub given_up {
	faults($s, { kind => 'latency', path => '/api/sessions/', ms => 30_000 });    # 1.5 s each
	my $user = $s->unique_user;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{http_port}) or die "connect: $@";
	print {$socket} 'POST ' . CONNECT . " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer "
		. $s->token($user) . "\r\n\r\n";
	my $has = eventually(sub { instance_of($s, $user) });
	close $socket;
	ok $has, 'he has an instance, and leaves before it shows anything';
	faults($s);
	my $answer = connect_as($user);
	is $answer->{json}{instanceName}, $has->{name}, 'he comes back and finds it' or diag $answer->{body};
	is $answer->{json}{method}, 'qr', 'with a QR';
	return;
}

# --- Flow 2 ---

sub phone_logout {
	my ($user, $name) = paired_user();
	my $generation = sim_generation($s, $name);
	sim($s, POST => "sessions/$name/logout");
	eventually_ok('he has it no more', sub { !instance_of($s, $user) });
	is mine($user)->{connected}, JSON::PP::false, 'he is not connected';
	comes_back_empty($name, $generation);
	return;
}

sub legacy_webhook {
	my ($user, $name) = paired_user();
	my $generation = sim_generation($s, $name);
	my $event = { event => 'status.instance', session => $name, payload => { status => 'disconnected' } };
	my $forged = webhook($s, $event, signature => '0' x 128);
	is $s->http(POST => $forged->{path}, %$forged)->{status}, 401, 'a forged one is refused';
	is instance_of($s, $user)->{name}, $name, 'and changes nothing';
	my $signed = webhook($s, $event, path => '/webhook');
	my $answer = $s->http(POST => $signed->{path}, %$signed);
	is $answer->{status}, 200, 'the true one is taken' or diag $answer->{body};
	ok !instance_of($s, $user), 'and releases at once';
	comes_back_empty($name, $generation);
	return;
}

# --- Flow 3 ---

sub expired_qr {
	eventually_ok('nobody scanned: the gateway gave up', sub { sim_session($s, $sleeper_instance)->{status} eq 'FAILED' });
	eventually_ok('and we know it', sub { mine($sleeper)->{status} eq 'FAILED' });
	my $generation = sim_generation($s, $sleeper_instance);
	my $answer = connect_as($sleeper);
	is $answer->{json}{instanceName}, $sleeper_instance, 'a click: the same instance' or diag $answer->{body};
	my ($read, $shown) = read_and_shown($s, $sleeper_instance, sub { qr_of_data_uri(connect_as($sleeper)->{json}{qrCode}) });
	is $read, $shown, 'with a QR of this moment';
	is sim_generation($s, $sleeper_instance), $generation, 'of the same session';
	scan($s, $sleeper_instance, new_phone());
	eventually_ok('scanned: connected', sub { mine($sleeper)->{connected} });
	return;
}

# --- Release ---

sub released_by_hand {
	my ($user, $name) = paired_user();
	my $generation = sim_generation($s, $name);
	$s->psql(<<"SQL");
UPDATE instances
SET assigned_to_user_id = NULL, status = 'disconnected'
WHERE name = '$name';
SQL
	ok !instance_of($s, $user), 'his no more';
	comes_back_empty($name, $generation);
	is mine($user)->{connected}, JSON::PP::false, 'he is not connected';
	return;
}

sub recycled {
	my ($user, $name, $phone) = paired_user();
	my $generation = sim_generation($s, $name);
	$s->group('maintain')->stop;

	for my $time ('once', 'twice') {
		is_deeply $s->http(POST => DISCONNECT, token => $s->token($user))->{json},
			{ success => JSON::PP::true, message => 'WhatsApp desconectado com sucesso' }, "disconnect, $time";
	}
	is mine($user)->{connected}, JSON::PP::false, 'he is not connected';
	is sim_session($s, $name)->{phone}, $phone, 'the session still has his phone';

	my $answer = { status => 200 };
	my %taken;
	while ($answer->{status} == 200 && keys %taken < 60) {
		$answer = connect_as($s->unique_user);
		$taken{ $answer->{json}{instanceName} } = 1 if $answer->{status} == 200;
	}
	problem_ok($answer, 503, 'pool-empty', 'others take all that is free', SEED_EMPTY);
	cmp_ok $answer->{headers}{'retry-after'} // 0, '>', 0, 'and are told to come back';
	ok !$taken{$name}, 'his was not among them';

	$s->maintain('recycle');
	comes_back_empty($name, $generation);
	my ($next, $got) = connected_user();
	is $got, present_name($s, $name), 'now somebody else gets it';
	is sim_session($s, $got)->{phone}, undef, 'with no phone';
	$s->start_maintain;
	eventually_ok('and more are made', sub { free_instances($s) >= 5 });
	return;
}

# --- The end of waiting ---

sub never_paired {
	my ($paired, $paired_instance)   = paired_user();
	my ($waiting, $waiting_instance) = connected_user();
	$s->set_env(UNPAIRED_TTL => 1);
	eventually_ok('he did not scan: released', sub { $s->maintain('recycle'); !instance_of($s, $waiting) });
	eventually_ok('and stands by for others', sub { lifecycle($s, $waiting_instance) eq 'standby' });
	is instance_of($s, $paired)->{name}, $paired_instance, 'who is paired keeps his';
	return;
}

sub slow_gateway {
	$s->set_env(CONNECT_DEADLINE_MS => 1000);
	$s->reload_responders;
	faults($s, { kind => 'stuck_starting' });
	my $user = $s->unique_user;
	my $answer = connect_as($user);
	problem_ok($answer, 504, 'gateway-slow', 'no QR in time');
	cmp_ok $answer->{headers}{'retry-after'} // 0, '>', 0, 'and he is told to come back';
	ok instance_of($s, $user), 'his instance is kept';
	faults($s);
	return;
}
