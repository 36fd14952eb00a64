#!/usr/bin/perl
# Maintenance: every session is stopped, nothing starts meanwhile, and all come back.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Test qw(stack scan sim sim_session faults problem_ok eventually_ok invariants_ok);

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

# a QR lasts for as long as one waits for his scan
my $s = stack(qr_scale => 1, env => { POOL_TARGET => 14, POOL_LOW => 4, HEALTH_INTERVAL => 1 });
my @devices = map { connected(5511700000000 + $_) } 1 .. 8;    # [user, instance]
my $waiting = $s->unique_user;
is $s->http(POST => '/api/whatsapp/connect', token => $s->token($waiting))->{status}, 200, 'one waits for a scan';

my ($status, $output) = $s->ctl('quiesce');
is $status, 1, 'without a terminal it is not begun by mistake';
is running(), 9, 'all run';

($status, $output) = $s->ctl('quiesce', '--yes');
is $status, 0, 'quiesce' or diag $output;
like $output, qr/^9 stopped, 0 could not be/m, 'nine are stopped';
is running(), 0, 'nothing runs at the gateway';
# their order is t/db/quiesce.sql's: one that a sweep writes down just then comes later
my @stopped = map { $_->[0] } $s->psql("SELECT instance_id FROM instance_events WHERE kind = 'quiesce' ORDER BY instance_id");
my @assigned = map { $_->[0] } $s->psql("SELECT id FROM instances WHERE lifecycle = 'assigned' ORDER BY id");
is_deeply \@stopped, \@assigned, 'each once';
is connections(), 0, 'users see that they are not connected';
problem_ok($s->http(POST => '/api/whatsapp/connect', token => $s->token($devices[0][0])), 503, 'maintenance', 'a click starts nothing');
my $click = $s->http(POST => '/api/whatsapp/connect', token => $s->token($s->unique_user));
problem_ok($click, 503, 'maintenance', 'nobody new either', { title => 'Em manutenção' });
is $click->{headers}{'retry-after'}, 60, 'and when to come again';
problem_ok($s->http(POST => '/api/messages/send', token => $s->token($devices[0][0]), json => { to => '5511988887777', text => 'Olá' }),
	503, 'maintenance', 'nothing is sent, for the same reason');
sleep 3;
is running(), 0, 'no sweep brings one back';
is +($s->ctl('quiesce', '--yes'))[0], 0, 'again is no error';

my $bad = $devices[3][1];
faults($s, { kind => 'hang', session => $bad });
($status, $output) = $s->ctl('resume');
is $status, 0, 'resume' or diag $output;
like $output, qr/^8 are being started/, 'eight are to come back';
eventually_ok('one that cannot be started keeps nobody waiting', sub { connections() == 7 });
isnt sim_session($s, $bad)->{status}, 'WORKING', 'it is away';
faults($s);
eventually_ok('all eight are connected', sub { connections() == 8 }, 90);
is $s->psql_value("SELECT count(*) FROM instances WHERE name IN (" . join(',', map { "'$_->[1]'" } @devices)
	. ") AND lifecycle = 'assigned' AND status = 'WORKING'"), 8, 'by the instances they had';
is $s->http(POST => '/api/whatsapp/connect', token => $s->token($waiting))->{status}, 200, 'who waited for a scan clicks again';
like +($s->ctl('resume'))[1], qr/^0 are/, 'a second resume does nothing';

# A helper has one in hand, and lets it go running in the midst of it.
eventually_ok('no helper has anything in hand', sub {
	$s->psql_value("SELECT count(*) FROM instances WHERE lifecycle = 'assigned' AND work_lease_until > now()") == 0;
}, 90);
held(60);
($status, $output) = $s->ctl('quiesce', '--yes', '--wait', 1);
is $status, 2, 'one is in a helper\'s hands for longer than is waited' or diag $output;
like $output, qr/^8 stopped, 0 could not be.*^wapoolctl: 1 .*run it again/ms, 'which is told';
is running(), 1, 'it runs';
held(5);
($status, $output) = $s->ctl('quiesce', '--yes');
is $status, 0, 'one that a helper lets go' or diag $output;
like $output, qr/^1 stopped, 0 could not be/m, 'is waited for, and stopped';
is running(), 0, 'nothing runs any more';
is +($s->ctl('resume'))[0], 0, 'resume';
eventually_ok('all eight are connected again', sub { connections() == 8 }, 90);
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

sub connected {
	my ($phone) = @_;
	my $user = $s->unique_user;
	my $answer;
	eventually_ok("$phone clicks", sub {
		$answer = $s->http(POST => '/api/whatsapp/connect', token => $s->token($user));
		$answer->{status} == 200;
	});
	scan($s, $answer->{json}{instanceName}, "$phone");
	eventually_ok('is connected', sub {
		$s->http(GET => '/api/whatsapp/my-connection', token => $s->token($user))->{json}{connected};
	});
	return [$user, $answer->{json}{instanceName}];
}

# A helper leases one for so many seconds, and writes it down later than a quiesce begins that follows.
sub held {
	my ($seconds) = @_;
	$s->psql("UPDATE instances SET work_token = gen_random_uuid(), work_lease_until = now() + interval '$seconds s',
		work_next_at = now() + interval '4 s' WHERE name = '$devices[5][1]'");
	return;
}

sub running { return scalar grep { $_->{status} ne 'STOPPED' } @{ sim($s, GET => 'sessions') } }

sub connections {
	return scalar grep { $s->http(GET => '/api/whatsapp/my-connection', token => $s->token($_->[0]))->{json}{connected} } @devices;
}
