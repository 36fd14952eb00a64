-- pool_swap: a broken instance that never paired is given up for a fresh one, within one call.
BEGIN;
SELECT no_plan();

SELECT make('broken', 'standby');
SELECT make('fresh', 'standby');
SELECT claims('ana');
SELECT is((SELECT (outcome, name, epoch, low)::text FROM pool_swap(id_of('broken'), 1, 'it is FAILED', 1)),
	'(claimed,fresh,1,t)', 'a fresh one for a broken one');
SELECT is((SELECT (lifecycle, assigned_to_user_id, last_error)::text FROM instance('broken')),
	'(recycling,,"it is FAILED")', 'the broken one is on its way to be emptied');
SELECT is((SELECT reason FROM last_event('broken')), 'swapped: it is FAILED', 'and the trail tells why');
SELECT is((instance('fresh')).device_id, device_of(somebody('ana'), NULL), 'the device is the same');

SELECT is((SELECT (outcome, name)::text FROM pool_swap(id_of('broken'), 1, 'again', 0)), '(no-device,)',
	'when the epoch is over there is nothing to swap');
SELECT is((claims('ana')).name, 'fresh', 'and what the device has stays');
SELECT is((SELECT outcome FROM pool_swap(id_of('fresh'), 2, 'from the future', 0)), 'no-device', 'nor by an epoch that never was');
SELECT is(lifecycle('fresh'), 'assigned', 'a wrong epoch releases nothing');
SELECT is((SELECT outcome FROM pool_swap(gen_random_uuid(), 1, 'unknown', 0)), 'no-device', 'nor an instance that is not there');

-- Paired meanwhile: nothing is given up
UPDATE instances SET paired_at = now(), phone_number = '5511@c.us', status = 'WORKING' WHERE name = 'fresh';
SELECT is((SELECT (outcome, name, paired, epoch)::text FROM pool_swap(id_of('fresh'), 1, 'looked stuck', 0)),
	'(own,fresh,t,1)', 'a phone that is connected by now keeps its instance');
SELECT is(lifecycle('fresh'), 'assigned', 'it was not touched');

-- Nothing to swap for
UPDATE instances SET paired_at = NULL WHERE name = 'fresh';
SELECT is((SELECT (outcome, name, low)::text FROM pool_swap(id_of('fresh'), 1, 'broken', 1)), '(empty,,t)',
	'with none free the broken one goes all the same');
SELECT is(lifecycle('fresh'), 'recycling', 'it is being emptied');

-- A further device's stays that device's
SELECT make('shop-broken', 'standby');
SELECT make('shop-fresh', 'standby');
SELECT claims('ana', 'shop');
SELECT is((SELECT (name, device_id = device('ana', 'shop'))::text FROM pool_swap(id_of('shop-broken'), 1, 'x', 0)),
	'(shop-fresh,t)', 'the fresh one is for the device that had the broken one');

SELECT * FROM finish();
ROLLBACK;
