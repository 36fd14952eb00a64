-- Two guards keep a device to one instance: the device's row lock, and behind it a unique index.
-- Here the lock is left out, as a careless statement would.
BEGIN;
SELECT no_plan();

SELECT make('first', 'standby');
SELECT make('second', 'standby');
SELECT claims('ana');
SELECT throws_ok($$SELECT pool_take(server('s'), somebody('ana'), device_of(somebody('ana'), NULL))$$,
	'23505', 'duplicate key value violates unique constraint "instances_one_per_device"',
	'the index refuses a second instance to a device');
SELECT throws_ok($$UPDATE instances SET lifecycle = 'assigned', assigned_to_user_id = somebody('ana'),
	device_id = device_of(somebody('ana'), NULL) WHERE name = 'second'$$, '23505', NULL, 'also to an UPDATE by hand');
SELECT throws_ok($$INSERT INTO instances (name, server_id, lifecycle, assigned_to_user_id)
	VALUES ('third', server('s'), 'assigned', somebody('ana'))$$, '23505', NULL, 'and to an INSERT');
SELECT is(lifecycle('second'), 'standby', 'the second one is still free');

-- An instance brought in with its owner begins an epoch like any other
INSERT INTO instances (name, server_id, lifecycle, assigned_to_user_id)
VALUES ('brought', server('s'), 'assigned', somebody('bea'));
SELECT is((SELECT (epoch, is_pooled, device_id = device_of(somebody('bea'), NULL), assigned_at IS NOT NULL)::text
	FROM instance('brought')), '(1,t,t,t)', 'what is inserted with an owner has an epoch, a device and a time');
SELECT is((SELECT (to_state, epoch, user_id)::text FROM last_event('brought')),
	format('(assigned,1,%s)', somebody('bea')), 'and is in the trail');

SELECT * FROM finish();
ROLLBACK;
