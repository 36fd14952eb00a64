#!/usr/bin/perl
# A soak: many instances on several gateways, people who come and go, faults at random, helpers killed and
# doubled. When it is over every invariant holds and the pool is at its target.
#
# A minute by default; WAPOOL_SOAK=SECONDS for longer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Fault qw(connect_user crowd crowd_end fault_stack helper helper_end invariants leases_end live scan seeded
	sim sim_sessions time_passes user wait_pool);
use Wapool::Process qw(wait_until);

use constant {
	INSTANCES => 200,
	GATEWAYS  => 4,
	PEOPLE    => 12,     # who come and go
	RESIDENTS => 24,     # who stay connected as long as the faults let them
	SECONDS   => $ENV{WAPOOL_SOAK} || 40,
	PATIENCE  => 200,    # more than the two minutes that a phone may take to come back
};

my @gateways = map { "g$_" } 1 .. GATEWAYS;
my @KINDS    = qw(latency status garbage reset unauthorized lock_timeout ghost delete_lingers stuck_starting webhook_lost
	webhook_double silent);

seeded();
my $s = fault_stack(scale => 60, env => {
		WAHA_URL => '', POOL_TARGET => INSTANCES - RESIDENTS, POOL_LOW => 20, POOL_STEP => 20, POOL_MAX => INSTANCES,
		GATEWAY_START_GRACE => 1, HEALTH_RETRY_MS => 50, HEALTH_TIMEOUT_MS => 1000, HEALTH_STUCK_S => 1, PROVISION_PARALLEL => 8,
		GATEWAY_TIMEOUT_MS => 2000, CONNECT_DEADLINE_MS => 4000, UNPAIRED_TTL => 30 });
$s->psql("INSERT INTO waha_servers (rate_limit, nome, api_url, api_key, max_sessions) VALUES (0, '$_', '" . $s->sim_url . "/s/$_', '"
	. $s->sim_key . q{', 100)}) for @gateways;
is +($s->maintain)[0], 0, 'the pool is filled';
ok filled(INSTANCES - RESIDENTS), 'with ' . (INSTANCES - RESIDENTS);
my @residents = residents();
is scalar @residents, RESIDENTS, RESIDENTS . ' are connected';
soak();
heals();
done_testing;

sub at { return "/s/$_[0]" }

# No helper runs yet: what has failed is tried again.
sub filled {
	my ($n) = @_;
	return wait_until(60, sub { wait_pool($s, $n, 0) || do { time_passes($s); $s->maintain; 0 } });
}

# The gateway that has that session.
sub gateway_of {
	my ($name) = @_;
	return $s->psql_value("SELECT s.nome FROM instances i JOIN waha_servers s ON s.id = i.server_id WHERE i.name = '$name'");
}

sub residents {
	my @who;
	for my $n (1 .. RESIDENTS) {
		my $who = { %{ user($s) }, phone => 5511966600000 + $n };
		# so fast, all QRs of a run are over after some seconds, perhaps before the phone is there
		push @who, $who if wait_until(20, sub {
			my $name = connect_user($s, $who)->{json}{instanceName};
			return $name && scan($s, $name, $who->{phone}, at(gateway_of($name)));
		});
	}
	return @who;
}

# One gateway gets a few faults at random; sometimes it restarts, or somebody logs out on his phone.
sub trouble {
	my $gateway = $gateways[rand @gateways];
	my $dice = rand;
	if ($dice < 0.1) {
		sim($s, POST => at($gateway) . '/_sim/restart', { downMs => 3000 });
		return 'restart';
	}
	if ($dice < 0.2) {
		my @linked = grep { $_->{phone} } values %{ sim_sessions($s, at($gateway)) || {} };
		return 'nobody to log out' unless @linked;
		sim($s, POST => at($gateway) . "/_sim/sessions/$linked[rand @linked]{name}/logout", {});
		return 'logout';
	}
	my @faults = map { +{ kind => $KINDS[rand @KINDS], rate => 0.1 + rand 0.5, ms => 20000 } } 1 .. 1 + rand 2;
	sim($s, PUT => at($gateway) . '/_sim/faults', { faults => \@faults });
	return map { $_->{kind} } @faults;
}

# Two helpers at the least; one is killed now and then and another one comes. What a dead one had claimed
# is free after a while.
sub soak {
	my @helpers = map { helper($s, '--for', SECONDS + 60) } 1 .. 2;
	my @people = map { user($s) } 1 .. PEOPLE;
	my $crowd = crowd(PEOPLE, SECONDS, sub { live($s, $people[$_[0] - 1], 5511977700000 + $_[0], $_[1], 502, 503, 504) });
	my ($killed, %seen, $round) = (0);
	for (my $until = time + SECONDS; time < $until; sleep 0.5 + rand) {
		$seen{$_}++ for trouble();
		sim($s, PUT => at($_) . '/_sim/faults', { faults => [] }) for $gateways[rand @gateways];
		leases_end($s, 6);
		next if ++$round % 4;
		helper_end(shift @helpers, 'KILL');
		push @helpers, map { helper($s, '--for', SECONDS + 60) } 1 .. (@helpers < 3 ? 1 + rand 2 : 1);
		$killed++;
	}
	my @said = crowd_end($crowd);
	my @wrong = map { $_->{wrong} // $_->{died} // ($_->{hung} ? 'a client hangs' : ()) } @said;
	is scalar @wrong, 0, 'every request was answered, or refused in good order' or diag map { "$_\n" } @wrong[0 .. ($#wrong < 9 ? $#wrong : 9)];
	cmp_ok scalar(grep { ($_->{what} // '') eq 'connect' && $_->{status} == 200 } @said), '>=', PEOPLE, 'people were served';
	cmp_ok $killed, '>=', 3, "$killed helpers were killed";
	cmp_ok scalar(keys %seen), '>=', 5, 'faults: ' . join ', ', map { "$seen{$_} $_" } sort keys %seen;
	helper_end($_, 'KILL') for @helpers;
	return;
}

# The faults are over: the leases of the dead end, and what waits is due.
sub heals {
	sim($s, PUT => at($_) . '/_sim/faults', { faults => [] }) for @gateways;
	leases_end($s);
	my $helper = helper($s, '--for', 600);
	my @wrong;
	wait_until(PATIENCE, sub {
		time_passes($s);
		sleep 0.5;
		@wrong = map { wrongs($_) } @gateways;
		!@wrong });
	is scalar @wrong, 0, 'every invariant holds, the pool is at its target' or diag map { "$_\n" } @wrong[0 .. ($#wrong < 19 ? $#wrong : 19)];
	is helper_end($helper), 0, 'the helper ends in good order';
	return;
}

# What is wrong yet: an invariant, a session of ours that nobody knows, one in repair, an alarm.
sub wrongs {
	my ($gateway) = @_;
	my @wrong = invariants($s, at => at($gateway), free => free_wanted());
	my %known = map { $_->[0] => 1 } $s->psql("SELECT i.name FROM instances i JOIN waha_servers s ON s.id = i.server_id
		WHERE s.nome = '$gateway' AND i.lifecycle <> 'retired'");
	push @wrong, map { "$gateway: nobody knows $_" } grep { !$known{$_} } keys %{ sim_sessions($s, at($gateway)) || {} };
	push @wrong, map { "alarm: $_->[0]" } $s->psql('SELECT reason FROM alarms');
	push @wrong, map { "$_->[0] is $_->[1]: $_->[2]" } $s->psql(q{SELECT name, health, coalesce(health_reason, '') FROM instances
		WHERE health NOT IN ('healthy', 'disconnected') OR mending});
	return @wrong;
}

# The target, or what POOL_MAX leaves.
sub free_wanted {
	my $assigned = $s->psql_value(q{SELECT count(*) FROM instances WHERE lifecycle = 'assigned'});
	my $room = INSTANCES - $assigned;
	return $room < INSTANCES - RESIDENTS ? $room : INSTANCES - RESIDENTS;
}
