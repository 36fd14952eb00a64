#!/usr/bin/perl
# Two gateways, one of them dead: the pool is made from the other, whatever "dead" looks like.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Fault qw(connect_user fault_stack helper helper_end invariants_hold pool sim time_passes user);
use Wapool::Process qw(wait_until);

subtest 'one resets connections'                      => \&dead, { kind => 'reset' };
subtest 'one answers 502, as a proxy does for it'     => \&dead, { kind => 'status', status => 502 };
subtest 'one hangs'                                   => \&dead, { kind => 'hang' };
subtest 'one goes down with sessions ordered from it' => \&down_with_orders;
subtest 'one hangs while much is to be made there'    => \&hangs_at_work;
done_testing;

# A stack whose gateways are /s/a and /s/b, registered by hand.
sub two_servers {
	my (%env) = @_;
	my $t = fault_stack(env => { WAHA_URL => '', POOL_TARGET => 6, POOL_LOW => 6, GATEWAY_TIMEOUT_MS => 500, %env },
		responders => [qw(connect webhook)]);
	for my $at (qw(/s/a /s/b)) {
		$t->psql("INSERT INTO waha_servers (nome, api_url, api_key, prioridade, max_sessions)
			VALUES ('$at', '" . $t->sim_url . "$at', '" . $t->sim_key . "', 5, 20)");
	}
	return $t;
}

sub dead {
	my ($dead) = @_;
	my $t = two_servers();
	sim($t, PUT => '/s/a/_sim/faults', { faults => [$dead] });
	my $pid = helper($t, '--for', 60);
	ok wait_until(20, sub { time_passes($t); pool($t)->{standby} >= 6 }), "$dead->{kind}: the pool is full all the same"
		or diag explain pool($t);
	is $t->psql_value(q{SELECT count(*) FROM instances i JOIN waha_servers s ON s.id = i.server_id
		WHERE s.nome = '/s/a' AND lifecycle = 'standby'}), 0, 'from the other one';
	my $user = user($t);
	ok wait_until(20, sub { connect_user($t, $user, timeout => 10)->{status} == 200 }), 'users are served';
	sim($t, PUT => '/s/a/_sim/faults', { faults => [] });
	ok wait_until(20, sub { time_passes($t); $t->psql_value(q{SELECT health FROM waha_servers WHERE nome = '/s/a'}) eq 'up' }),
		'it is back';
	helper_end($pid);
	$t->psql(q{UPDATE waha_servers SET up_since = up_since - interval '1 minute'}); # its slow start is over
	my $target = pool($t)->{standby} + 4;
	$t->set_env(POOL_TARGET => $target, GATEWAY_TIMEOUT_MS => 10_000);    # what fails now is not tried again
	$t->maintain;
	cmp_ok $t->psql_value(q{SELECT count(*) FROM instances i JOIN waha_servers s ON s.id = i.server_id
		WHERE s.nome = '/s/a' AND lifecycle = 'standby'}), '>=', 3, 'and takes its share';
	invariants_hold($t, at => $_, free => $target) for qw(/s/a /s/b);
	$t->stop;
	return;
}

# What was ordered from it before it was seen to be down must not count as coming for ever.
sub down_with_orders {
	my $t = two_servers();
	$t->maintain('refill');
	cmp_ok $t->psql_value(q{SELECT count(*) FROM instances i JOIN waha_servers s ON s.id = i.server_id
		WHERE s.nome = '/s/a' AND lifecycle = 'provisioning'}), '>=', 3, 'both are to make some';
	sim($t, PUT => '/s/a/_sim/faults', { faults => [{ kind => 'reset' }] });
	ok wait_until(20, sub {
		time_passes($t);
		$t->maintain('reconcile');
		$t->psql_value(q{SELECT health FROM waha_servers WHERE nome = '/s/a'}) eq 'down' }), 'one is seen to be down';
	my $pid = helper($t, '--for', 60);
	ok wait_until(20, sub { time_passes($t); pool($t)->{standby} >= 6 }), 'the other makes all';
	helper_end($pid);
	sim($t, PUT => '/s/a/_sim/faults', { faults => [] });
	$pid = helper($t, '--for', 60);
	ok wait_until(20, sub { time_passes($t); pool($t)->{standby} >= 6 }), 'when it is back, so is the pool';
	helper_end($pid);
	$t->stop;
	return;
}

# Two threads, and each would be held for longer than this test has patience.
sub hangs_at_work {
	my $t = two_servers(PROVISION_PARALLEL => 2, GATEWAY_TIMEOUT_MS => 30_000);
	$t->psql(q{UPDATE waha_servers SET max_sessions = 0 WHERE nome = '/s/b';
		UPDATE waha_servers SET check_next_at = now() + interval '1 hour' WHERE nome = '/s/a'});
	$t->maintain('refill');
	is $t->psql_value(q{SELECT count(*) FROM instances i JOIN waha_servers s ON s.id = i.server_id WHERE s.nome = '/s/a'}), 6,
		'it is to make all';
	sim($t, PUT => '/s/a/_sim/faults', { faults => [{ kind => 'hang' }] });
	my $pid = helper($t, '--for', 60);
	ok wait_until(15, sub { $t->psql_value(q{SELECT checked_at IS NOT NULL FROM waha_servers WHERE nome = '/s/b'}) eq 't' }),
		'the other is looked at meanwhile';
	is $t->psql_value('SELECT count(*) FROM instances WHERE work_lease_until > now()'), 1, 'one thread is held, and not both';
	helper_end($pid, 'KILL');
	$t->stop;
	return;
}
