-- instance_observe and connect_finish: what a gateway answered when it was asked, written down unless
-- something newer is known.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.observe(p_name text, p_status text, p_age interval DEFAULT '0',
	p_generation bigint DEFAULT 0, p_phone text DEFAULT NULL, p_profile text DEFAULT NULL) RETURNS boolean
LANGUAGE sql AS $$ SELECT instance_observe(id_of(p_name), p_generation, p_age, p_status, p_phone, p_profile) $$;

-- the level ----------------------------------------------------------------------------------------------

SELECT make('one', 'assigned', 'ana');
SELECT is(pg_temp.observe('one', 'SCAN_QR_CODE'), true, 'a new status is a change');
SELECT is((SELECT (status, status_seen_at IS NOT NULL, paired_at)::text FROM instance('one')), '(SCAN_QR_CODE,t,)', 'written down');
SELECT is(pg_temp.observe('one', 'SCAN_QR_CODE'), false, 'the same again is none');
UPDATE instances SET pairing_asked_at = now() WHERE name = 'one';
SELECT is(pg_temp.observe('one', 'WORKING', '0', 0, '5511999999999@c.us', 'Ana'), true, 'a phone is connected');
SELECT is((SELECT (status, phone_number, profile_name, paired_at IS NOT NULL, last_connected_at IS NOT NULL,
	pairing_asked_at)::text FROM instance('one')), '(WORKING,5511999999999@c.us,Ana,t,t,)',
	'its number, name and time are known, and no QR is asked for any more');
SELECT (instance('one')).paired_at AS paired_at \gset
SELECT pg_temp.observe('one', 'STARTING');
SELECT is((SELECT (status, phone_number)::text FROM instance('one')), '(STARTING,5511999999999@c.us)', 'a flap forgets no phone');
SELECT pg_temp.observe('one', 'WORKING');
SELECT is((SELECT (phone_number, profile_name, paired_at = :'paired_at')::text FROM instance('one')),
	'(5511999999999@c.us,Ana,t)', 'nor does an answer without it; it is the same pairing');

-- older than what is known -------------------------------------------------------------------------------

UPDATE instances SET status_seen_at = clock_timestamp() - interval '3 seconds' WHERE name = 'one';
SELECT is(pg_temp.observe('one', 'FAILED', '5 seconds'), false, 'asked 5 s ago, but an event came 3 s ago: that is newer');
SELECT is((instance('one')).status, 'WORKING', 'the newer one stays');
SELECT is(pg_temp.observe('one', 'FAILED', '1 second'), true, 'asked 1 s ago: this is newer');

-- fenced -------------------------------------------------------------------------------------------------------

SELECT is(pg_temp.observe('one', 'WORKING', '0', 1), false, 'another generation of the session means nothing');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'one';
SELECT is(pg_temp.observe('one', 'WORKING', '0', 0, '5511@c.us'), false, 'nor does what is said after the release');
SELECT is((SELECT (status, phone_number)::text FROM instance('one')), '(FAILED,)', 'no number of the former owner comes back');
SELECT make('free', 'standby');
SELECT is(pg_temp.observe('free', 'WORKING'), false, 'standing by it has no status of an owner');

SELECT make('found', 'assigned', 'fay');
UPDATE instances SET missing_since = now(), status_seen_at = clock_timestamp() - interval '1 minute' WHERE name = 'found';
SELECT is(pg_temp.observe('found', 'STOPPED'), true, 'a missing session that answers');
SELECT ok((instance('found')).missing_since IS NULL, 'is found');

-- the end of a connect -------------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.finish_connect(p_epoch bigint, p_status text, p_pairing boolean, p_age interval DEFAULT '0')
RETURNS boolean LANGUAGE sql AS $$
	SELECT connect_finish(id_of('two'), p_epoch, p_age, p_status, '5511@c.us', NULL, p_pairing) $$;
SELECT make('two', 'assigned', 'bea');
UPDATE instances SET pairing_asked_at = now() WHERE name = 'two';
SELECT is(pg_temp.finish_connect(1, 'SCAN_QR_CODE', true), true, 'a QR was shown');
SELECT is((SELECT (status, pairing_asked_at IS NOT NULL)::text FROM instance('two')), '(SCAN_QR_CODE,t)', 'it waits for a scan');
SELECT is(pg_temp.finish_connect(2, 'WORKING', false), false, 'another epoch: the assignment is over');
SELECT is(pg_temp.finish_connect(1, 'WORKING', false), true, 'connected');
SELECT is((SELECT (status, paired_at IS NOT NULL, phone_number, pairing_asked_at)::text FROM instance('two')),
	'(WORKING,t,5511@c.us,)', 'nothing is asked for any more');

UPDATE instances SET status_seen_at = clock_timestamp() - interval '3 seconds' WHERE name = 'two';
SELECT is(pg_temp.finish_connect(1, 'SCAN_QR_CODE', true, '5 seconds'), true, 'a QR as of 5 s ago, connected 3 s ago');
SELECT is((SELECT (status, paired_at IS NOT NULL)::text FROM instance('two')), '(WORKING,t)', 'the phone that connected meanwhile stays');
SELECT is(pg_temp.finish_connect(1, 'SCAN_QR_CODE', true, '1 second'), true, 'a QR as of now');
SELECT is((SELECT (status, paired_at, phone_number)::text FROM instance('two')), '(SCAN_QR_CODE,,)',
	'means that the former pairing is over');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'two';
SELECT is(pg_temp.finish_connect(1, 'WORKING', false), false, 'released meanwhile: the owner must ask again');

-- A start that came late: after the release, after it was emptied
SELECT make('reused', 'assigned', 'ida');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'reused';
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'reused';
SELECT make('known', 'assigned');
UPDATE instances SET status = 'SCAN_QR_CODE', status_seen_at = clock_timestamp() WHERE name = 'known';
SELECT ctid || ' ' || xmax AS before FROM instances WHERE name = 'known' \gset
SAVEPOINT another_xid;
SELECT is(connect_finish(id_of('known'), 1, '0', 'SCAN_QR_CODE', NULL, NULL, true), true, 'what a webhook told before');
SELECT is((SELECT ctid || ' ' || xmax FROM instances WHERE name = 'known'), :'before',
	'is not written again: the row is not even locked');
SELECT is(connect_finish(id_of('known'), 1, '0', 'STARTING', NULL, NULL, true), true, 'what is news');
SELECT is((instance('known')).status, 'STARTING', 'is');
SELECT is(connect_finish(id_of('reused'), 1, '0', 'SCAN_QR_CODE', NULL, NULL, true), false, 'the assignment is over');
SELECT is(lifecycle('reused'), 'recycling', 'what was started while it stood by is emptied again');
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'reused';
UPDATE instances SET assigned_to_user_id = somebody('joe') WHERE name = 'reused';
SELECT is(connect_finish(id_of('reused'), 1, '0', 'WORKING', '5511@c.us', NULL, false), false, 'another has it by now');
SELECT is((SELECT (lifecycle, status, phone_number)::text FROM instance('reused')), '(assigned,STOPPED,)', 'his is not touched');

SELECT * FROM finish();
ROLLBACK;
