-- The life of an instance: which moves there are, and what each leaves behind.
BEGIN;
SELECT no_plan();
SET LOCAL application_name = 'the test';

CREATE TEMPORARY TABLE states AS
SELECT unnest(ARRAY['provisioning', 'standby', 'assigned', 'recycling', 'retired']) AS s;

-- The whole of what is allowed, as the design draws it.
CREATE TEMPORARY TABLE allowed (f text, t text);
INSERT INTO allowed VALUES
	('provisioning', 'standby'), ('provisioning', 'retired'),
	('standby', 'assigned'), ('standby', 'recycling'), ('standby', 'retired'),
	('assigned', 'recycling'),
	('recycling', 'standby'), ('recycling', 'retired');
CREATE TEMPORARY VIEW moves AS
SELECT f.s AS f, t.s AS t, (f.s, t.s) IN (SELECT * FROM allowed) AS may
FROM states f CROSS JOIN states t;

-- nobody but the helper that emptied it ------------------------------------------------------------

SELECT make('held', 'assigned', 'hal');
UPDATE instances SET assigned_to_user_id = NULL WHERE name = 'held';
SELECT throws_ok($$UPDATE instances SET lifecycle = 'standby' WHERE name = 'held'$$, '23514', NULL,
	'a hand cannot put on standby what may still hold a phone');
SELECT is(lifecycle('held'), 'recycling', 'it waits to be emptied');

-- every pair, asked and tried ---------------------------------------------------------------------

SELECT is(instance_may_move(f, t), may,
	format('%s -> %s is %s', f, t, CASE WHEN may THEN 'in the table' ELSE 'not in the table' END))
FROM moves;

-- Makes an instance in state f and writes state t (with an owner where t wants one). 'moved', or the
-- SQLSTATE of the refusal.
CREATE FUNCTION pg_temp.try(f text, t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_name text := f || '-' || t;
BEGIN
	PERFORM make(v_name, f, v_name);
	PERFORM because('try');
	UPDATE instances SET lifecycle_at = clock_timestamp() - interval '90 seconds' WHERE name = v_name;
	UPDATE instances SET lifecycle = t,
		work_token = CASE WHEN t = 'standby' THEN gen_random_uuid() END, -- as the helper has it
		assigned_to_user_id = CASE WHEN t = 'assigned' THEN somebody(v_name) ELSE assigned_to_user_id END,
		device_id = CASE WHEN t = 'assigned' THEN device_of(somebody(v_name), NULL) ELSE device_id END
	WHERE name = v_name;
	RETURN 'moved';
EXCEPTION WHEN check_violation THEN
	RETURN SQLSTATE;
END $$;

SELECT is(pg_temp.try(f, t), CASE WHEN may OR f = t THEN 'moved' ELSE '23514' END,
	format('an UPDATE from %s to %s %s', f, t, CASE WHEN may THEN 'moves it'
		WHEN f = t THEN 'is no move' ELSE 'is refused' END))
FROM moves;

-- what a move leaves in the trail -------------------------------------------------------------------

SELECT is((SELECT (from_state, to_state, kind, reason, actor)::text FROM last_event(f || '-' || t)),
	format('(%s,%s,transition,try,"the test")', f, t), format('%s -> %s is in the trail', f, t))
FROM allowed;
SELECT ok((SELECT duration_ms >= 90000 AND duration_ms < 150000 FROM last_event(f || '-' || t)),
	format('%s -> %s tells how long it was %s', f, t, f))
FROM allowed;
SELECT is((SELECT epoch FROM last_event(f || '-' || t)), (instance(f || '-' || t)).epoch,
	format('%s -> %s tells the epoch', f, t))
FROM allowed;
SELECT is((SELECT user_id FROM last_event(f || '-' || t)), somebody(f || '-' || t),
	format('%s -> %s tells whose it was', f, t))
FROM allowed WHERE 'assigned' IN (f, t);
SELECT is((SELECT count(*) FROM instance_events WHERE instance_id = id_of(f || '-' || t)
	AND reason = 'try' AND from_state = f), 1::bigint, format('%s -> %s is there once', f, t))
FROM allowed;
SELECT is((SELECT count(*) FROM instance_events WHERE from_state = to_state), 0::bigint, 'no move, no entry');
SELECT is((SELECT count(*) FROM instance_events e JOIN instances i ON i.id = e.instance_id
	WHERE from_state IS NULL AND to_state <> 'provisioning'), 0::bigint, 'a life begins with its making');

SELECT because('');
SELECT make('by-hand', 'standby');
SELECT is((SELECT reason FROM last_event('by-hand')), 'by hand', 'who gives no reason did it by hand');

-- every write counts, also of many rows at once ------------------------------------------------------

SELECT make_many('crowd', 3, 'standby');
UPDATE instances SET lifecycle = 'recycling' WHERE name LIKE 'crowd-%';
SELECT is((SELECT count(*) FROM instance_events e JOIN instances i ON i.id = e.instance_id
	WHERE name LIKE 'crowd-%' AND to_state = 'recycling'), 3::bigint, 'three rows in one UPDATE, three entries');

-- is_pooled --------------------------------------------------------------------------------------------

SELECT make(format('%s of %s', s, o), s, format('%s of %s', s, o), 'p', o)
FROM states CROSS JOIN unnest(ARRAY['pool', 'admin', 'user']) o;
SELECT is((instance(format('%s of %s', s, o))).is_pooled, o = 'pool' AND s IN ('standby', 'assigned'),
	format('is_pooled of what is %s and came by %s', s, o))
FROM states CROSS JOIN unnest(ARRAY['pool', 'admin', 'user']) o;
UPDATE instances SET is_pooled = NOT is_pooled WHERE server_id = server('p');
SELECT is((SELECT count(*) FROM instances
	WHERE is_pooled <> (origin = 'pool' AND lifecycle IN ('standby', 'assigned'))), 0::bigint,
	'is_pooled written by hand stays the truth');
UPDATE instances SET origin = 'admin' WHERE name = 'standby of pool';
SELECT ok(NOT (instance('standby of pool')).is_pooled, 'what is taken out of the pool is out of it');

-- entering and leaving an assignment ------------------------------------------------------------------

SELECT make('phone', 'standby');
UPDATE instances SET lifecycle = 'assigned', assigned_to_user_id = somebody('ana'),
	device_id = device('ana', 'd') WHERE name = 'phone';
SELECT is((instance('phone')).epoch, 1::bigint, 'the first assignment is epoch 1');
SELECT ok((instance('phone')).assigned_at IS NOT NULL, 'it has its time');
UPDATE instances SET status = 'WORKING', status_at = now(), paired_at = now(), pairing_asked_at = now(),
	phone_number = '5511999999999@c.us', profile_name = 'Ana', work_token = gen_random_uuid(),
	work_lease_until = now() + interval '1 day', work_attempts = 3, work_next_at = now() + interval '1 day'
WHERE name = 'phone';
SELECT is((instance('phone')).phone_number, '5511999999999@c.us', 'a phone is connected');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'phone';
SELECT is((SELECT (assigned_to_user_id, device_id, assigned_at, pairing_asked_at, paired_at, phone_number,
	profile_name)::text FROM instance('phone')), '(,,,,,,)', 'leaving an assignment forgets all of its owner');
SELECT ok((SELECT work_token IS NULL AND work_lease_until IS NULL AND work_attempts = 0
	AND work_next_at <= clock_timestamp() FROM instance('phone')), 'and its emptying is due at once');
UPDATE instances SET missing_since = now(), last_error = 'x' WHERE name = 'phone';
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'phone';
SELECT is((SELECT (status, status_at, missing_since, last_error, epoch)::text FROM instance('phone')),
	'(STOPPED,,,,1)', 'standing by is stopped and clean; the epoch stays');
UPDATE instances SET assigned_to_user_id = somebody('bea') WHERE name = 'phone';
SELECT is((instance('phone')).epoch, 2::bigint, 'the next assignment is epoch 2');

-- the owner -----------------------------------------------------------------------------------------------

SELECT throws_ok(format($$UPDATE instances SET %s WHERE name = %L$$, what, which), '23514', NULL,
	format('%s: %s', which, why))
FROM (VALUES
	('phone', 'assigned_to_user_id = somebody(''cid'')', 'the owner does not change in place'),
	('phone', 'device_id = device(''bea'', ''other'')', 'nor does the device'),
	('phone', 'assigned_to_user_id = somebody(''cid''), device_id = device(''cid'', ''d'')', 'nor both at once'),
	('crowd-1', 'assigned_to_user_id = somebody(''cid'')', 'what is being emptied gets no owner'),
	('crowd-1', 'device_id = device(''cid'', ''d'')', 'nor a device'),
	('by-hand', 'device_id = device(''cid'', ''d'')', 'what stands by gets no device alone'),
	('provisioning of pool', 'assigned_to_user_id = somebody(''cid'')', 'what is being made gets no owner'),
	('retired of pool', 'assigned_to_user_id = somebody(''cid'')', 'what is retired gets no owner'),
	('by-hand', 'lifecycle = ''assigned''', 'assigned needs an owner')) AS wrong (which, what, why);
SELECT is((SELECT (lifecycle, assigned_to_user_id)::text FROM instance('phone')),
	format('(assigned,%s)', somebody('bea')), 'and nothing came of it');

UPDATE instances SET device_id = NULL WHERE name = 'phone';
SELECT is(lifecycle('phone'), 'recycling', 'taking away the device alone is a release too');

SELECT * FROM finish();
ROLLBACK;
