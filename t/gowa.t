#!/usr/bin/perl
# The button over a GOWA: it tells of no connection, gives its QR as a picture, and begins a new pairing at
# every question. Users notice none of it.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use JSON::PP ();
use POSIX ();
use Test::More;

use Wapool::Test qw(stack sim sim_session scan faults problem_ok eventually_ok instance_of lifecycle
	free_instances qr_of_png qr_of_data_uri qr_of_svg invariants_ok);

use constant {
	CONNECT    => '/api/whatsapp/connect',
	DISCONNECT => '/api/whatsapp/disconnect',
	MINE       => '/api/whatsapp/my-connection',
	QR         => '/api/whatsapp/qr',
	POOL       => 3,
};

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

# Slow enough for the gateway's own QRs to live through a test.
my $s = stack(scale => 4, helper => 0, env => { WAHA_URL => '', SIM_KIND => 'gowa', POOL_TARGET => POOL, POOL_LOW => 1,
	POOL_STEP => 1, HEALTH_INTERVAL => 60 });
$s->psql("INSERT INTO waha_servers (nome, kind, api_url, api_key, max_sessions, rate_limit)
	VALUES ('gowa', 'gowa', '" . $s->sim_url . "', '" . $s->sim_key . "', 20, 100000)");
$s->maintain('seal');
$s->start_maintain;

subtest 'devices stand by'                              => \&start;
subtest 'connect, scan, connected'                      => \&connection;
subtest 'the QR stays the same while it is good'        => \&same_qr;
subtest 'many windows at once have one pairing run'     => \&one_run;
subtest 'a pairing code'                                => \&code;
subtest 'a run that ended with its gateway begins anew' => \&restarted;
subtest 'messages and receipts come in, signed'         => \&webhooks;
subtest 'disconnect; emptied before anybody gets it'    => \&recycled;
subtest 'a gateway in trouble'                          => \&trouble;
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

my $phones;

sub new_phone { return sprintf '55119%08d', 20_000_000 + ++$phones }

# A user for whom an instance is free: the pool is small, and the helper may be late.
sub somebody {
	eventually_ok('one is free', sub { free_instances($s) > 0 });
	return $s->unique_user;
}

sub connect_as { return $s->http(POST => CONNECT, token => $s->token($_[0]), json => $_[1] // {}) }

sub mine { return $s->http(GET => MINE, token => $s->token($_[0]))->{json} }

# How often the gateway was asked for a route since it started.
sub asked {
	my ($route) = @_;
	my $n = 0;
	$n += $_->{count} for grep { $_->{route} eq $route } @{ sim($s, GET => 'stats')->{requests} };
	return $n;
}

# What n children get, all at once.
sub at_once {
	my ($n, $do) = @_;
	my @pipes;
	for (1 .. $n) {
		my $pid = open(my $pipe, '-|') // die "fork: $!";
		if (!$pid) {
			binmode STDOUT;
			syswrite STDOUT, $do->();
			POSIX::_exit(0);
		}
		binmode $pipe;
		push @pipes, $pipe;
	}
	return map { local $/; my $got = readline $_; close $_; $got // '' } @pipes;
}

sub start {
	eventually_ok('the pool is full', sub { free_instances($s) == POOL });
	my $listed = sim($s, GET => 'sessions');
	is scalar @$listed, POOL, 'as many devices';
	is_deeply [grep { $_->{status} ne 'STOPPED' || $_->{linked} } @$listed], [], 'stopped, and nobody\'s';
	eventually_ok('the helper has looked', sub { $s->psql_value('SELECT version FROM waha_servers') eq 'v9.2.0' });
}

sub connection {
	my $user = somebody();
	my $answer = connect_as($user);
	is $answer->{status}, 200, 'connect' or diag $answer->{body};
	my $name = $answer->{json}{instanceName};
	my $raw = sim_session($s, $name)->{qr};
	is qr_of_data_uri($answer->{json}{qrCode}), $raw, 'shows the QR the gateway drew, drawn by us';
	ok $answer->{json}{expiresIn} > 0 && $answer->{json}{expiresIn} <= 45, 'expiresIn: as long as it is kept' or diag $answer->{body};
	is mine($user)->{connected}, JSON::PP::false(), 'not connected yet';
	is mine($user)->{status}, 'SCAN_QR_CODE', 'in our words';
	my $phone = new_phone();
	scan($s, $name, $phone);
	eventually_ok('connected within seconds, though no webhook tells', sub { mine($user)->{connected} }, 15);
	like mine($user)->{phoneNumber}, qr/$phone/, 'with his phone';
	is connect_as($user)->{json}{connected}, JSON::PP::true(), 'another click says so';
}

sub same_qr {
	my $user = somebody();
	my $first = qr_of_data_uri(connect_as($user)->{json}{qrCode});
	my $before = asked('/devices/*/login');
	for (1 .. 3) {
		my $png = $s->http(GET => QR, token => $s->token($user));
		is $png->{status}, 200, 'the QR of this moment' or diag $png->{body};
		is qr_of_png($png->{body}), $first, 'is the first one';
	}
	my $svg = $s->http(GET => QR, token => $s->token($user), headers => { Accept => 'image/svg+xml' });
	is qr_of_svg($svg->{body}), $first, 'also as SVG';
	is qr_of_data_uri(connect_as($user)->{json}{qrCode}), $first, 'also after another click';
	is asked('/devices/*/login'), $before, 'and the gateway was not asked again';
	unlike $s->psql_value("SELECT string_agg(sealed, ' ') FROM pairing_runs"), qr/2\@/, 'what is kept is sealed';
	$s->psql("UPDATE pairing_runs SET good_until = clock_timestamp() + interval '1 second'");
	my $next = qr_of_png($s->http(GET => QR, token => $s->token($user))->{body});
	isnt $next, $first, 'past its time there is another';
	is $next, sim_session($s, instance_of($s, $user)->{name})->{qr}, 'the current one';
}

# Each question would void the QR of the others.
sub one_run {
	my $user = somebody();
	connect_as($user);
	$s->psql('DELETE FROM pairing_runs');
	my $before = asked('/devices/*/login');
	faults($s, { kind => 'latency', path => '/devices', ms => 1000 });
	my @pngs = at_once(4, sub { $s->http(GET => QR, token => $s->token($user))->{body} });
	faults($s);
	my %seen = map { (eval { qr_of_png($_) } // "no QR: $_") => 1 } @pngs;
	is_deeply [keys %seen], [sim_session($s, instance_of($s, $user)->{name})->{qr}], 'all see the current QR';
	is asked('/devices/*/login') - $before, 1, 'of one run';
}

sub code {
	my $user = somebody();
	my $answer = connect_as($user, { method => 'code', phoneNumber => '5511999990000' });
	is $answer->{status}, 200, 'asked for' or diag $answer->{body};
	my $name = $answer->{json}{instanceName};
	is $answer->{json}{pairingCode}, sim_session($s, $name)->{code}, 'it is the gateway\'s';
	scan($s, $name, '5511999990000');
	eventually_ok('typed: connected', sub { mine($user)->{connected} }, 15);
}

sub restarted {
	my $user = somebody();
	my $first = qr_of_data_uri(connect_as($user)->{json}{qrCode});
	sim($s, POST => 'restart', { downMs => 200 });
	my $answer;
	eventually_ok('a click works again', sub { ($answer = connect_as($user))->{status} == 200 });
	my $again = qr_of_data_uri($answer->{json}{qrCode});
	isnt $again, $first, 'the QR that died with the gateway is not shown';
	is $again, sim_session($s, $answer->{json}{instanceName})->{qr}, 'but the current one';
}

sub webhooks {
	my $user = somebody();
	my $name = connect_as($user)->{json}{instanceName};
	scan($s, $name, new_phone());
	eventually_ok('connected', sub { mine($user)->{connected} }, 15);
	sim($s, POST => "sessions/$name/message", { from => '5511988887777', text => 'oi' });
	eventually_ok('a message is stored', sub {
		$s->psql_value("SELECT count(*) FROM webhook_events WHERE event = 'message' AND session = '$name'") == 1 });
	is $s->psql_value("SELECT payload->'payload'->>'body' FROM webhook_events WHERE session = '$name'"), 'oi', 'as it came';
	my $id = $s->psql_value('SELECT id FROM waha_servers');
	my $forged = $s->http(POST => "/webhook/$id", json => { event => 'message', session_id => $name },
		headers => { 'X-Hub-Signature-256' => 'sha256=' . '0' x 64 });
	problem_ok $forged, 401, 'bad-signature', 'a forged one';
	problem_ok $s->http(POST => "/webhook/$id", json => { event => 'message', session_id => $name }), 401, 'bad-signature',
		'an unsigned one';
}

sub recycled {
	my $user = somebody();
	my $name = connect_as($user)->{json}{instanceName};
	scan($s, $name, new_phone());
	eventually_ok('connected', sub { mine($user)->{connected} }, 15);
	is $s->http(POST => DISCONNECT, token => $s->token($user))->{status}, 200, 'disconnect';
	is mine($user)->{connected}, JSON::PP::false(), 'at once';
	eventually_ok('its device is gone', sub { !sim_session($s, $name) });
	eventually_ok('and the pool is full again', sub { free_instances($s) >= POOL });
	is_deeply [grep { $_->{linked} && $_->{status} ne 'WORKING' } @{ sim($s, GET => 'sessions') }], [],
		'nobody\'s phone is left behind';
}

sub trouble {
	my $user = somebody();
	faults($s, { kind => 'garbage', path => '/statics' });
	problem_ok connect_as($user), 502, 'gateway-failed', 'no picture';
	faults($s, { kind => 'unauthorized' });
	problem_ok connect_as($user), 502, 'gateway-failed', 'our key is refused';
	faults($s, { kind => 'status', status => 500, path => '/devices' });
	problem_ok connect_as($user), 502, 'gateway-failed', 'errors';
	faults($s);
	is connect_as($user)->{status}, 200, 'and when it is over, all is well';
}
