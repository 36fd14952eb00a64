-- Before maintenance: every session that runs is taken once, each in the time that one takes.
BEGIN;
SELECT no_plan();

-- Rows of instances read so far in this transaction.
CREATE FUNCTION pg_temp.rows_read() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
	WHERE relid = 'instances'::regclass $$;

SELECT server('s') IS NOT NULL AS there \gset
UPDATE waha_servers SET max_sessions = 1000 WHERE nome = 's';
SELECT make_many('busy', 200, 'assigned');
SELECT make('free', 'standby');
UPDATE instances SET status = 'WORKING', paired_at = now() WHERE lifecycle = 'assigned';
SELECT is((SELECT count(*) FROM quiesce_claim('00000000-0000-0000-0000-000000000000', clock_timestamp(), '1 minute')),
	0::bigint, 'nothing is taken before maintenance has begun');

UPDATE instances SET mending = true, work_next_at = clock_timestamp() + interval '1 minute' WHERE name = 'busy-7';
SELECT ok(quiesce_begin(), 'it begins');
ANALYZE instances;
SELECT ok(NOT quiesce_begin(), 'once');

SELECT device_id AS middle FROM instances WHERE lifecycle = 'assigned' ORDER BY device_id OFFSET 150 LIMIT 1 \gset
SELECT pg_temp.rows_read() AS read \gset
SELECT is((SELECT device_id FROM quiesce_claim(:'middle', clock_timestamp(), '1 minute')),
	(SELECT device_id FROM instances WHERE device_id > :'middle' ORDER BY device_id LIMIT 1),
	'a walk goes on with the next device');
SELECT cmp_ok(pg_temp.rows_read() - :read, '<', 20::bigint, 'and reads neither what lies behind it nor what is far ahead');
UPDATE instances SET work_token = NULL, work_lease_until = NULL WHERE work_token IS NOT NULL AND lifecycle = 'assigned';

-- A whole walk, as wapoolctl goes it: again from the beginning when it comes to the end.
CREATE FUNCTION pg_temp.walk(p_since timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	v_row instances;
	v_n integer := 0;
	v_after uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
	LOOP
		SELECT * INTO v_row FROM quiesce_claim(v_after, p_since, '1 minute');
		EXIT WHEN NOT FOUND;
		v_after := v_row.device_id;
		v_n := v_n + 1;
		PERFORM quiesce_done(v_row.id, v_row.work_token, v_row.name <> 'busy-9', 'maintenance');
	END LOOP;
	RETURN v_n;
END $$;
SELECT clock_timestamp() AS since \gset
UPDATE instances SET work_token = gen_random_uuid(), work_lease_until = now() + interval '1 hour' WHERE name = 'busy-5';
SELECT is(pg_temp.walk(:'since'), 199, 'all that nobody holds are taken, also one that waits between two attempts to mend it');
SELECT is((SELECT array_agg(instance_id ORDER BY id) FROM instance_events WHERE kind = 'quiesce'),
	(SELECT array_agg(id ORDER BY device_id) FROM instances WHERE lifecycle = 'assigned' AND name <> 'busy-5'), 'in the order of devices');
UPDATE instances SET work_token = NULL, work_lease_until = NULL WHERE name = 'busy-5';
SELECT is(pg_temp.walk(:'since'), 1, 'one that somebody held is taken once he lets go');
SELECT is((SELECT string_agg(name, ' ') FROM instances WHERE lifecycle = 'assigned' AND status <> 'STOPPED'), 'busy-9',
	'and stopped, but for one whose gateway did not');
SELECT is(pg_temp.walk(:'since'), 0, 'which the same run does not try again');
SELECT is(pg_temp.walk(clock_timestamp()), 1, 'and the next does');
SELECT is(quiesce_end(), 199, 'the end: all that were stopped are started again');

SELECT * FROM finish();
ROLLBACK;
