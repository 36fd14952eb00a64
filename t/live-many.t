#!/usr/bin/perl
# Many open pages: what they cost nginx and the responders, and that each hears of its own.
# 200 streams; WAPOOL_STREAMS for more.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Test::More;

use Wapool::Process qw(slurp);
use Wapool::Stream;
use Wapool::Test qw(stack eventually);

use constant {
	STREAMS  => $ENV{WAPOOL_STREAMS} || 200,
	KIB_EACH => 50,     # of nginx, for an idle stream: some 22 were measured
	BURST    => 40,     # events to one user; 20 are kept
};

my $s = stack(scale => 0, helper => 0, responders => [qw(events my-connection livez)]);
my @users = map { my $id = $s->unique_user; { id => $id, token => $s->token($id) } } 1 .. STREAMS;
hear(Wapool::Stream->new($s, token => $s->token($_)), $_, 'warm') for $s->unique_user;    # caches are filled

my $before = nginx_kib();
$_->{stream} = Wapool::Stream->new($s, token => $_->{token}) for @users;
is scalar(grep { $_->{stream}{status} == 200 } @users), STREAMS, STREAMS . ' streams';
my $each = (nginx_kib() - $before) / STREAMS;
note sprintf '%.1f KiB of nginx for each', $each;
cmp_ok $each, '<', KIB_EACH, 'take little of nginx';
cmp_ok thread_count('events'), '<=', 5, 'and of the responder nothing: it has its four threads and main';
is $s->http(GET => '/api/whatsapp/my-connection', token => $users[0]{token})->{status}, 200, 'others are served';

publish($_->{id}, "for $_->{id}") for @users;
is scalar(grep { my $e = $_->{stream}->event; $e && $e->{data}{status} eq "for $_->{id}" } @users), STREAMS,
	'each hears what is for him';
is scalar(grep { $_->{stream}->all == 1 } @users), STREAMS, 'and nothing else';

my ($chatty) = @users;
publish($chatty->{id}, $_) for 1 .. BURST;
is scalar(grep { defined } map { $chatty->{stream}->event('device.updated') } 1 .. BURST), BURST, 'who listens hears all of a burst';
my @kept = Wapool::Stream->new($s, token => $chatty->{token}, last => ($chatty->{stream}->all)[0]{id});
1 while $kept[0]->event(undef, $kept[0]->all < 20 ? 30 : 2);
is scalar($kept[0]->all), 20, 'who comes back, the last twenty';

$_->{stream}->close for @users;
ok eventually(sub { Wapool::Stream->new($s, token => $users[1]{token})->{status} == 200 }), 'when all have gone, others may come';
unlike $s->log_text('nginx-error'), qr/\[(?:error|crit|alert|emerg)\]/, 'nginx had nothing to complain about';
$s->stop;
done_testing;

sub hear {
	my ($stream, $id, $text) = @_;
	publish($id, $text);
	return $stream->event;
}

# As lib/live.c does it.
sub publish {
	my ($id, $text) = @_;
	my $body   = qq({"type":"device.updated","deviceId":"$id","status":"$text","at":"2026-01-01T00:00:00.000Z"});
	my $socket = IO::Socket::UNIX->new(Peer => $s->{live_socket}) or die "$s->{live_socket}: $!";
	print {$socket} join "\r\n", "POST /publish/$id HTTP/1.1", 'Host: localhost', 'Connection: close',
		'Content-Type: application/json', 'X-EventSource-Event: device.updated', 'Content-Length: ' . length $body, '', $body;
	my $answer = do { local $/; <$socket> } // '';
	die "publish: $answer" unless $answer =~ m{\AHTTP/1\.1 20[12]};
	return;
}

sub nginx_kib {
	my $sum = 0;
	for my $pid ($s->pids('nginx')) {
		$sum += $1 if (eval { slurp("/proc/$pid/smaps_rollup") } // '') =~ /^Pss:\s+([0-9]+) kB/m;
	}
	return $sum;
}

sub thread_count {
	my ($name) = @_;
	my ($n) = slurp('/proc/' . scalar($s->pids($name)) . '/status') =~ /^Threads:\s+([0-9]+)/m;
	return $n;
}
