-- lost_claim: assignments whose phone seems gone, for the helper to look after.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.lost() RETURNS text LANGUAGE sql AS $$ SELECT name FROM lost_claim('1 minute') $$;
-- A paired assignment whose gateway says that word.
CREATE FUNCTION pg_temp.paired(p_name text, p_status text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make(p_name, 'assigned', p_name);
	UPDATE instances SET status = p_status, paired_at = clock_timestamp() - interval '1 day',
		status_seen_at = clock_timestamp() WHERE name = p_name;
END $$;

SELECT pg_temp.paired('status-' || s, s) FROM unnest(ARRAY['WORKING', 'STARTING', 'STOPPED', 'PASSKEY_REQUIRED']) s;
SELECT is(pg_temp.lost(), NULL, 'working, starting, stopped or something new: nobody is lost');
SELECT make('never-paired', 'assigned', 'np');
UPDATE instances SET status = 'FAILED' WHERE name = 'never-paired';
SELECT is(pg_temp.lost(), NULL, 'who never paired is not lost');

SELECT pg_temp.paired('failed', 'FAILED');
SELECT is(pg_temp.lost(), 'failed', 'paired, and the gateway gave up');
SELECT is(pg_temp.lost(), NULL, 'leased: not to two helpers');
SELECT is((SELECT (lifecycle, generation, work_attempts)::text FROM instance('failed')), '(assigned,0,1)',
	'it stays assigned, its session stays the same');
SELECT is((SELECT count(*) FROM work_claim('1 minute')), 0::bigint, 'and nobody empties it');

SELECT is(lost_later(id_of('failed'), gen_random_uuid(), '0'), false, 'a stranger''s token does not put it off');
SELECT is(lost_later(id_of('failed'), (instance('failed')).work_token, '10 minutes'), true, 'the helper is done for now');
SELECT is(pg_temp.lost(), NULL, 'not again before its time');
UPDATE instances SET work_next_at = clock_timestamp() WHERE name = 'failed';
SELECT is(pg_temp.lost(), 'failed', 'then again');
UPDATE instances SET work_lease_until = clock_timestamp() - interval '1 second' WHERE name = 'failed';
SELECT is(pg_temp.lost(), 'failed', 'and when a lease ends');
SELECT is((instance('failed')).work_attempts, 3, 'attempts are counted');

SELECT pg_temp.paired('wants-qr', 'SCAN_QR_CODE');
UPDATE instances SET pairing_asked_at = clock_timestamp() - interval '1 minute' WHERE name = 'wants-qr';
SELECT is(pg_temp.lost(), NULL, 'whose owner just asked for a QR is pairing, not lost');
UPDATE instances SET pairing_asked_at = clock_timestamp() - interval '6 minutes' WHERE name = 'wants-qr';
SELECT is(pg_temp.lost(), 'wants-qr', 'after five minutes he is');

SELECT pg_temp.paired('younger', 'FAILED');
SELECT pg_temp.paired('older', 'FAILED');
UPDATE instances SET status_seen_at = clock_timestamp() - interval '1 hour' WHERE name = 'older';
SELECT is((pg_temp.lost(), pg_temp.lost())::text, '(older,younger)', 'who is lost longest comes first');

-- An end of the assignment ends the lease
SELECT (instance('older')).work_token AS token \gset
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'older';
SELECT is(lost_later(id_of('older'), :'token', '1 hour'), false, 'released meanwhile: the helper has no say any more');
SELECT is((SELECT name FROM work_claim('1 minute')), 'older', 'it is due to be emptied');

UPDATE waha_servers SET check_next_at = clock_timestamp() + interval '1 hour';
SELECT is(work_due(10), 0, 'none is due');
SELECT pg_temp.paired('due', 'FAILED');
SELECT is(work_due(10), 1, 'work_due counts the lost too');

SELECT * FROM finish();
ROLLBACK;
