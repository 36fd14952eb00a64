#!/usr/bin/perl
# Messages out: which instance sends, what it may send, and that nothing is said twice.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use POSIX ();
use Test::More;

use Wapool::Process qw(random_hex);
use Wapool::Test qw(stack scan sim sim_session faults burst problem_ok eventually eventually_ok hour_lasts
	instance_of invariants_ok);

use constant SEND => '/api/messages/send';

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(hosts => 2, env => { POOL_TARGET => 8, POOL_LOW => 4, GATEWAY_TIMEOUT_MS => 6000, HEALTH_INTERVAL => 2 });
my $next_phone = 5511900000000;

subtest 'a message goes out, and is followed to its reader' => \&sent;
subtest 'an hour\'s quota, also for many at once'     => \&hour_quota;
subtest 'a day\'s quota'                              => \&day_quota;
subtest 'the next hour begins with none'              => \&next_hour;
subtest 'what surely did not go out costs nothing'    => \&refused;
subtest 'what may have gone out is not said again'    => \&unknown;
subtest 'a sender that dies'                          => \&killed;
subtest 'who has nothing to send with is told why'    => \&nothing;
subtest 'bad input'                                   => \&bad_input;
subtest 'round_robin is fair'                         => \&round_robin;
subtest 'least_loaded'                                => \&least_loaded;
subtest 'sticky'                                      => \&sticky;
subtest 'a long random life against a simple model'   => \&model;
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

# --- Tools ---

# A user with so many connected devices: (user, [device ids], [instance names]).
sub connected_user {
	my ($n) = @_;
	my $user = $s->unique_user;
	$s->http(GET => '/device/list', token => $s->token($user));
	for my $i (1 .. $n // 1) {
		my $device = $i == 1 ? undef : new_device($user);
		my $answer = $s->http(POST => '/api/whatsapp/connect', token => $s->token($user),
			json => { defined $device ? (device_id => $device) : () });
		is $answer->{status}, 200, "device $i" or diag $answer->{body};
		scan($s, $answer->{json}{instanceName}, "" . $next_phone++);
	}
	eventually_ok("$user is connected", sub {
		$s->psql_value("SELECT count(*) FROM instances WHERE assigned_to_user_id = '$user' AND status = 'WORKING'") == ($n // 1);
	});
	my @rows = $s->psql("SELECT device_id, name FROM instances WHERE assigned_to_user_id = '$user' ORDER BY name");
	return ($user, [map { $_->[0] } @rows], [map { $_->[1] } @rows]);
}

sub new_device { return $s->psql_value("SELECT device_add('$_[0]', NULL, NULL, 10)") }

# A request to send, for burst.
sub wish {
	my ($user, %more) = @_;
	my $key = delete $more{key};
	return { method => 'POST', path => SEND, token => $s->token($user),
		json => { to => '5511988887777', text => 'Olá', %more },
		headers => { defined $key ? ('Idempotency-Key' => $key) : () } };
}

sub say_it { return (burst($s, wish(@_)))[0] }

sub quota { my ($name, $hour, $day) = @_; return $s->psql("UPDATE instances SET capacidade_hora = $hour, capacidade_dia = $day WHERE name = '$name'") }

sub used { return join '/', @{ ($s->psql("SELECT msgs_enviadas_hora, msgs_enviadas_dia FROM instances WHERE name = '$_[0]'"))[0] } }

# How often the gateway was asked to send, whatever it answered.
sub asked {
	my $n = 0;
	$n += $_->{count} for grep { $_->{route} =~ /sendText/ } @{ sim($s, GET => 'stats')->{requests} };
	return $n;
}

# --- Tests ---

sub sent {
	my ($user, $devices, $names) = connected_user();
	my $answer = say_it($user);
	is $answer->{status}, 200, 'is sent' or diag $answer->{body};
	is $answer->{json}{status}, 'sent', 'says so';
	is $answer->{json}{instanceName}, $names->[0], 'names the instance';
	is $answer->{json}{deviceId}, $devices->[0], 'and the device';
	is $answer->{json}{quota}{hour}{remaining}, 19, 'what is left of the hour';
	is $answer->{json}{quota}{day}{remaining}, 99, 'and of the day';
	like $answer->{headers}{ratelimit}, qr/\A"hour";r=19;t=[0-9]+, "day";r=99;t=[0-9]+\z/, 'in RateLimit, too';
	is $answer->{headers}{'ratelimit-policy'}, '"hour";q=20;w=3600, "day";q=100;w=86400', 'with its policy';
	ok length $answer->{json}{gatewayId}, 'the gateway\'s id';
	my $id = $answer->{json}{messageId};
	eventually_ok('its reader has read it', sub {
		$s->http(GET => "/api/messages/$id", token => $s->token($user))->{json}{status} eq 'read';
	});
	problem_ok($s->http(GET => "/api/messages/$id", token => $s->token($s->unique_user)), 404, 'not-found', 'nobody else\'s business');
	is $s->http(GET => "/api/messages/$id", token => $s->admin_token($s->unique_user))->{status}, 200, 'but an administrator\'s';
	is say_it($user, deviceId => $devices->[0])->{status}, 200, 'by its device';
	is say_it($user, to => '120363000000000000@g.us')->{status}, 200, 'to a group';
	return;
}

sub hour_quota {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user();
	quota($names->[0], 5, 100);
	my @answers = burst($s, map { wish($user) } 1 .. 12);
	is scalar(grep { $_->{status} == 200 } @answers), 5, 'five of twelve are sent';
	my ($refused) = grep { $_->{status} != 200 } @answers;
	problem_ok($refused, 429, 'quota-used', 'the others are refused');
	like $refused->{headers}{'retry-after'}, qr/\A[0-9]+\z/, 'with the time to come back';
	cmp_ok $refused->{headers}{'retry-after'}, '<=', 3600, 'which is within the hour';
	is used($names->[0]), '5/5', 'five are counted';
	return;
}

sub day_quota {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user();
	quota($names->[0], 20, 2);
	is say_it($user)->{status}, 200, $_ for 'one', 'two';
	my $refused = say_it($user);
	problem_ok($refused, 429, 'quota-used', 'no third one today', { detail => 'A cota de mensagens de hoje acabou.' });
	cmp_ok $refused->{headers}{'retry-after'}, '<=', 25 * 3600, 'until midnight';
	return;
}

sub next_hour {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user();
	quota($names->[0], 1, 100);
	is say_it($user)->{status}, 200, 'the hour\'s only one';
	is say_it($user)->{status}, 429, 'no more';
	$s->psql("UPDATE instances SET quota_hour = quota_hour - interval '1 hour' WHERE name = '$names->[0]'");
	is say_it($user)->{status}, 200, 'an hour later, without any job';
	is used($names->[0]), '1/2', 'the day goes on';
	$s->psql("UPDATE instances SET quota_hour = quota_hour - interval '1 hour', quota_day = quota_day - 1 WHERE name = '$names->[0]'");
	is +($s->maintain('reset-hourly', 'reset-daily'))[0], 0, 'the seed\'s jobs run';
	is used($names->[0]), '0/0', 'and show it';
	return;
}

sub refused {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user();
	faults($s, { kind => 'status', status => 422, path => '/api/sendText' });
	my $answer = say_it($user);
	problem_ok($answer, 502, 'gateway-failed', 'the gateway will not');
	is used($names->[0]), '0/0', 'nothing is counted';
	faults($s);
	my $key = random_hex(8);
	faults($s, { kind => 'status', status => 422, path => '/api/sendText' });
	is say_it($user, key => $key)->{status}, 502, 'with a key';
	faults($s);
	is say_it($user, key => $key)->{status}, 200, 'which may be tried again';
	is used($names->[0]), '1/1', 'and counts once';
	return;
}

sub unknown {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user();
	my $key = random_hex(8);
	faults($s, { kind => 'hang', path => '/api/sendText' });
	my $answer = say_it($user, key => $key);
	faults($s);
	is $answer->{status}, 202, 'a gateway that does not answer' or diag $answer->{body};
	is $answer->{json}{status}, 'unknown', 'leaves it unknown';
	is used($names->[0]), '1/1', 'it counts';
	my $before = asked();
	cmp_ok $before, '>', 0, 'the gateway was asked';
	my $again = say_it($user, key => $key);
	is $again->{body}, $answer->{body}, 'the same key hears the same';
	is asked(), $before, 'and the gateway hears nothing';
	is $s->http(GET => "/api/messages/$answer->{json}{messageId}", token => $s->token($user))->{json}{status}, 'unknown',
		'so it is kept';
	$before = asked();
	faults($s, { kind => 'reset', path => '/api/sendText' });
	is say_it($user)->{status}, 202, 'a connection that breaks';
	is asked(), $before + 1, 'is not tried once more, not even by a library';
	faults($s, { kind => 'garbage', path => '/api/sendText' });
	is say_it($user)->{status}, 202, 'an answer without sense';
	faults($s);
	return;
}

# A responder dies while it sends. True if it was sending.
sub crash_sending {
	my ($user) = @_;
	faults($s, { kind => 'latency', ms => 100_000, path => '/api/sendText' });    # 5 s
	my $pid = fork // die $!;
	if (!$pid) { burst($s, wish($user)); POSIX::_exit(0) }
	eventually(sub { sim($s, GET => 'faults')->{faults}[0]{hits} });
	my $sending = $s->psql_value("SELECT count(*) FROM messages WHERE user_id = '$user' AND state = 'sending'");
	$s->restart_responder('messages', 'KILL');
	waitpid $pid, 0;
	$s->psql("UPDATE messages SET lease_until = now() WHERE user_id = '$user' AND state = 'sending'; SELECT messages_expire()");
	faults($s);
	return $sending;
}

sub killed {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user();
	my ($key, $before) = (random_hex(8), asked());
	faults($s, { kind => 'latency', ms => 100_000, path => '/api/sendText' });    # 5 s
	my $pid = fork // die $!;
	if (!$pid) { burst($s, wish($user, key => $key)); POSIX::_exit(0) }
	eventually_ok('its gateway has it', sub { sim($s, GET => 'faults')->{faults}[0]{hits} });
	is $s->psql_value("SELECT count(*) FROM messages WHERE user_id = '$user' AND state = 'sending'"), 1, 'it is being sent';
	$s->restart_responder('messages', 'KILL');
	waitpid $pid, 0;
	faults($s);
	is used($names->[0]), '1/1', 'its quota stays taken';
	eventually_ok('its gateway is done with it', sub { asked() == $before + 1 });
	$s->psql("UPDATE idempotency_keys SET locked_until = now() WHERE user_id = '$user'");
	my $again = say_it($user, key => $key);
	is $again->{status}, 202, 'the same key' or diag $again->{body};
	is $again->{json}{status}, 'unknown', 'hears that nobody knows';
	is asked(), $before + 1, 'it is not sent again';
	$s->psql("UPDATE messages SET lease_until = now() WHERE user_id = '$user' AND state = 'sending'");
	$s->maintain('reset-hourly');
	is $s->psql_value("SELECT state FROM messages WHERE user_id = '$user'"), 'unknown', 'the helper writes it down';
	is used($names->[0]), '1/1', 'and it still counts';
	return;
}

sub nothing {
	my $user = $s->unique_user;
	problem_ok(say_it($user), 503, 'no-instance', 'no device yet');
	my (undef, $devices) = connected_user();
	problem_ok(say_it($user, deviceId => $devices->[0]), 404, 'device-not-found', 'another\'s device');
	my ($other, $own, $names) = connected_user();
	sim($s, POST => "sessions/$names->[0]/drop");
	eventually_ok('it flaps', sub { instance_of($s, $other)->{status} ne 'WORKING' });
	problem_ok(say_it($other), 503, 'no-instance', 'a disconnected one', { detail => 'O WhatsApp está desconectado. Reconecte-o para enviar.' });
	sim($s, POST => "sessions/$names->[0]/restore");
	my ($many) = connected_user(2);
	problem_ok(say_it($many), 422, 'invalid-field', 'two devices, none named');
	return;
}

sub bad_input {
	my ($user) = connected_user();
	my %bad = (
		'/to'        => { to => 'nobody' }, '/text' => { text => '' }, '/strategy' => { strategy => 'dice' },
		'/deviceId'  => { device_id => 'x' }, '/clienteId' => { clienteId => 'x' },
	);
	for my $pointer (sort keys %bad) {
		my $answer = say_it($user, %{ $bad{$pointer} });
		problem_ok($answer, 422, 'invalid-field', $pointer);
		is $answer->{json}{errors}[0]{pointer}, $pointer, 'is pointed at';
	}
	is say_it($user, text => 'x' x 4097)->{status}, 422, 'a text too long';
	is say_it($user, text => "\x{1F600}" x 4096)->{status}, 200, 'the longest one';
	is say_it($user, to => undef)->{status}, 422, 'nobody to send it to';
	problem_ok((burst($s, { method => 'POST', path => SEND, json => {} }))[0], 401, 'unauthorized', 'no token');
	return;
}

sub round_robin {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user(3);
	my %by;
	$by{ $_->{json}{instanceName} // "status $_->{status}" }++ for burst($s, map { wish($user, strategy => 'round_robin') } 1 .. 15);
	is_deeply \%by, { map { $_ => 5 } @$names }, 'fifteen at once: five each';
	quota($names->[0], 5, 100);
	%by = ();
	$by{ say_it($user, strategy => 'round_robin')->{json}{instanceName} }++ for 1 .. 4;
	is_deeply \%by, { map { $_ => 2 } @$names[1, 2] }, 'one that is full is left out';
	return;
}

sub least_loaded {
	hour_lasts(60);
	my ($user, $devices, $names) = connected_user(2);
	quota($names->[0], 100, 10);
	quota($names->[1], 100, 100);
	is say_it($user, strategy => 'least_loaded')->{json}{instanceName} ne '', 1, 'a first one';
	my %by;
	$by{ say_it($user, strategy => 'least_loaded')->{json}{instanceName} }++ for 1 .. 10;
	cmp_ok $by{ $names->[1] } // 0, '>=', 9, 'the one with the greater quota carries more';
	$s->psql("UPDATE instances SET msgs_enviadas_dia = 0, prioridade = CASE name WHEN '$names->[0]' THEN 9 ELSE 1 END WHERE assigned_to_user_id = '$user'");
	is say_it($user, strategy => 'least_loaded')->{json}{instanceName}, $names->[0], 'of equals the one with priority';
	return;
}

sub sticky {
	my ($user, $devices, $names) = connected_user(2);
	my $client = $s->unique_user;
	my $first = say_it($user, clienteId => $client)->{json}{instanceName};
	is say_it($user, clienteId => $client)->{json}{instanceName}, $first, 'the same again' for 1 .. 4;
	is $s->psql_value("SELECT instancia_preferida FROM clientes WHERE id = '$client'"), $first, 'is written down';
	my ($other) = grep { $_ ne $first } @$names;
	quota($first, 0, 100);
	is say_it($user, clienteId => $client)->{json}{instanceName}, $other, 'a full one is left';
	quota($first, 20, 100);
	is say_it($user, clienteId => $client)->{json}{instanceName}, $other, 'the new preference stays';
	my ($stranger) = connected_user();
	is say_it($stranger, clienteId => $client)->{status}, 200, 'another user\'s client of that id';
	is $s->psql_value("SELECT instancia_preferida FROM clientes WHERE id = '$client'"), $other, 'changes nothing for the first';
	return;
}

# Sends, refusals, crashes, resets and hours that pass, in random order, against counters kept here. (t/models.t
# does the same in SQL, with a clock that it sets.)
sub model {
	hour_lasts(180);
	my ($user, $devices, $names) = connected_user();
	my ($hour_limit, $day_limit) = (4, 12);
	my ($hour, $day) = (0, 0);
	quota($names->[0], $hour_limit, $day_limit);
	my $seed = $ENV{WAPOOL_SEED} // int rand 1e6;
	srand $seed;
	my @wrong;
	for my $step (1 .. 60) {
		my $dice = int rand 10.6;
		if ($dice < 6) {
			my $want = $hour < $hour_limit && $day < $day_limit ? 200 : 429;
			my $got = say_it($user)->{status};
			push @wrong, "step $step: $got, not $want" if $got != $want;
			if ($got == 200) { $hour++; $day++ }
		} elsif ($dice == 6) {
			faults($s, { kind => 'status', status => 422, path => '/api/sendText' });
			my $want = $hour < $hour_limit && $day < $day_limit ? 502 : 429;
			my $got = say_it($user)->{status};
			push @wrong, "step $step: refused with $got, not $want" if $got != $want;
			faults($s);
		} elsif ($dice == 7) {
			$s->psql('SELECT quotas_reset_hour(), quotas_reset_day()');
		} elsif ($dice == 8) {
			$s->psql("UPDATE instances SET quota_hour = quota_hour - interval '1 hour' WHERE name = '$names->[0]'");
			$hour = 0;
		} elsif ($dice == 10) {
			my $room = min($hour_limit - $hour, $day_limit - $day);
			crash_sending($user) or push @wrong, "step $step: nothing was being sent" if $room > 0;
			if ($room > 0) { $hour++; $day++ }
		} else {
			my @got = map { $_->{status} } burst($s, map { wish($user) } 1 .. 3);
			my $room = min($hour_limit - $hour, $day_limit - $day);
			my $ok = grep { $_ == 200 } @got;
			push @wrong, "step $step: @got with room for $room" if $ok != min(3, $room);
			$hour += $ok;
			$day += $ok;
		}
	}
	is join("\n", @wrong), '', "as the model has it (WAPOOL_SEED=$seed)";
	return;
}

sub min { return $_[0] < $_[1] ? $_[0] : $_[1] }
