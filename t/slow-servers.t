#!/usr/bin/env perl
# A user whose gateways answer slowly, and well, so that they never count as down: nobody else waits for them.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Test qw(stack eventually eventually_ok free_instances lifecycle);
use Wapool::Fault qw(sim);

my $s = stack(env => { POOL_TARGET => 3, POOL_LOW => 1, POOL_STEP => 3, HEALTH_INTERVAL => 1, PROVISION_PARALLEL => 2,
	GATEWAY_ALLOW_PRIVATE => '127.0.0.0/8', GATEWAY_TIMEOUT_MS => 30_000 });
$s->wait_ready;
eventually_ok('the pool is filled', sub { free_instances($s) >= 3 });

my $slow = 'SELECT count(*) FROM waha_servers WHERE user_id IS NOT NULL';
my $mallory = $s->token($s->unique_user);
for my $n (1 .. 8) {
	sim($s, PUT => "/s/slow$n/_sim/faults", { faults => [{ kind => 'hang', rate => 1 }] });
	$s->http(POST => '/api/waha/servers', token => $mallory, json => { nome => "slow$n", kind => 'waha',
			api_url => $s->sim_url . "/s/slow$n", api_key => $s->sim_key, rate_limit => 0, timeout => 300 });
}
is $s->psql_value($slow), 8, 'eight servers that hang';
eventually_ok('are looked at', sub { $s->psql_value("$slow AND check_lease_until > now()") });

my $token = $s->token($s->unique_user);
my $name = $s->http(POST => '/api/whatsapp/connect', token => $token, json => {})->{json}{instanceName};
is $s->http(POST => '/api/whatsapp/disconnect', token => $token, json => {})->{status}, 200, 'somebody leaves';
eventually_ok('his instance is emptied', sub { lifecycle($s, $name) eq 'standby' });
is $s->psql_value("$slow AND (failures > 0 OR checked_at IS NOT NULL)"), 0, 'while not one of those looks has ended';
cmp_ok $s->psql_value("$slow AND check_lease_until > now()"), '<=', 2, 'and a user has two at a time';
$s->stop;
done_testing;
