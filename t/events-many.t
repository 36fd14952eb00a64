#!/usr/bin/perl
# Many events to three subscribers, by two hosts: one slow, one dead for a while, one redirecting. None is lost, each
# device's stay in order, what comes twice has the same webhook-id. WAPOOL_EVENTS: how many.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Fault qw(fault_stack helper helper_end);
use Wapool::Process qw(wait_until);
use Wapool::Subscriber;

my $EVENTS  = $ENV{WAPOOL_EVENTS} // 10_000;
my $DEVICES = 5;                              # of each user
my $PATIENCE = 60 + $EVENTS / 50;

my $s = fault_stack(hosts => 2, env => { GATEWAY_ALLOW_PRIVATE => '127.0.0.1', DELIVERY_TIMEOUT_MS => 1000 },
	responders => [qw(device-webhook)]);
my %sub = map { $_ => Wapool::Subscriber->new } qw(slow dead redirecting);
my %user;

subtest 'registered'              => \&register;
subtest 'events under way'        => \&deliver;
subtest 'every event has its end' => \&ends;
subtest 'nothing lost, in order'  => \&check;
done_testing;

sub register {
	for my $name (sort keys %sub) {
		my $id = $s->unique_user;
		$s->psql("INSERT INTO users (id) VALUES ('$id')");
		is $s->http(PUT => '/api/webhook', token => $s->token($id), json => { url => $sub{$name}->url('/in') })->{status}, 201, $name;
		$user{$name} = { id => $id, devices => [map { $_->[0] }
				$s->psql("INSERT INTO devices (user_id) SELECT '$id' FROM generate_series(1, $DEVICES) RETURNING id")] };
	}
	$sub{slow}->answers('/in', { sleep => 0.01 });
	$sub{redirecting}->answers('/in', { status => 302, headers => { Location => $sub{redirecting}->url('/elsewhere') } });
	$sub{dead}->stop;
	return;
}

# A third of the events each, of all devices in turn, in batches as causes commit them, while helpers come
# of both hosts come and go: one is killed in the middle.
sub deliver {
	my $each = int $EVENTS / 3;
	my @helpers = map { helper($_, '--for', 3000, 'deliver') } $s->hosts;
	my $began = time;
	for (my $n = 1; $n <= $each; $n += 50) {
		my $last = $n + 49 < $each ? $n + 49 : $each;
		for my $name (sort keys %user) {
			my $devices = join ',', map { "'$_'" } @{ $user{$name}{devices} };
			$s->psql("SELECT event_emit('$user{$name}{id}', (ARRAY[$devices]::uuid[])[1 + n % $DEVICES], 'message.ack',
				jsonb_build_object('n', n)) FROM generate_series($n, $last) n");
		}
		$s->psql('NOTIFY wapool');
		if ($n > $each / 2 && $sub{dead}{pid}) { next }
		if ($n > $each / 2) {
			helper_end(shift @helpers, 'KILL');
			push @helpers, helper($s, '--for', 3000, 'deliver');
			$sub{dead}->start;
		}
	}
	is $s->psql_value('SELECT count(*) FROM outbox'), 3 * $each, 3 * $each . ' events are written';
	# what was killed is taken over, and time passes for what waits
	ok wait_until($PATIENCE, sub {
			$s->psql('UPDATE event_subscriptions SET retry_at = NULL WHERE retry_at IS NOT NULL');
			$s->psql(q{UPDATE event_lanes SET due_at = now() WHERE due_at > now() AND token IS NULL});
			$s->psql(q{UPDATE event_lanes SET lease_until = now() WHERE token IS NOT NULL AND lease_until < now() + interval '55 seconds'});
			$s->psql('NOTIFY wapool');
			sleep 0.2;
			return $s->psql_value("SELECT count(*) FROM deliveries d JOIN outbox o USING (seq)
				WHERE d.state = 'pending' AND o.user_id <> '$user{redirecting}{id}'") == 0 }),
		'all of the slow and the formerly dead one is delivered';
	note sprintf '%d events in %.1f s', 3 * $each, time - $began;
	# the redirecting one never takes anything: its owner is told in the end
	$s->psql("UPDATE event_subscriptions SET failing_since = now() - interval '121 hours' WHERE user_id = '$user{redirecting}{id}'");
	ok wait_until(30, sub {
			$s->psql(q{UPDATE event_lanes SET due_at = now() WHERE due_at > now() AND token IS NULL; NOTIFY wapool});
			sleep 0.2;
			return $s->psql_value("SELECT count(*) FROM deliveries WHERE state = 'pending'") == 0 }), 'the redirecting one is given up';
	is_deeply [map { helper_end($_) } @helpers], [0, 0], 'the helpers end well';
	return;
}

sub ends {
	my %state = map { ("$_->[0] $_->[1]" => $_->[2]) } $s->psql('SELECT user_id, state, count(*) FROM deliveries d
		JOIN outbox o USING (seq) GROUP BY 1, 2');
	my $each = int $EVENTS / 3;
	is_deeply \%state, { "$user{slow}{id} delivered" => $each, "$user{dead}{id} delivered" => $each,
			"$user{redirecting}{id} parked" => $each }, 'delivered, delivered, parked';
	is $s->psql_value('SELECT count(*) FROM event_lanes WHERE due_at IS NOT NULL OR token IS NOT NULL'), 0, 'no lane waits';
	is scalar $sub{redirecting}->requests('/elsewhere'), 0, 'nobody followed a redirect';
	return;
}

sub check {
	my $each = int $EVENTS / 3;
	for my $name (qw(slow dead)) {
		my (%first, %ids, %last, @disorder);
		my $twice = 0;
		for my $request ($sub{$name}->requests('/in')) {
			my ($n, $device, $id) = ($request->{json}{data}{n}, $request->{json}{device_id}, $request->{headers}{'webhook-id'});
			$ids{$n}{$id}++;
			if ($first{$n}++) { $twice++; next }
			push @disorder, "$n after $last{$device}" if ($last{$device} // 0) > $n;
			$last{$device} = $n;
		}
		is scalar keys %first, $each, "$name: none lost";
		is_deeply \@disorder, [], "$name: each device's in order";
		is_deeply [grep { keys %{ $ids{$_} } > 1 } sort keys %ids], [], "$name: whatever came twice has one webhook-id";
		note "$name: $twice came twice";
		cmp_ok $twice, '<=', 2 * $DEVICES * 4, "$name: no more than a killed helper explains";
	}
	return;
}
