-- Who writes a face writes what he saw: a statement that had to wait finds instances that are others' by now.
BEGIN;
SELECT no_plan();

SELECT make('first', 'assigned', 'ana'), make('second', 'standby');
UPDATE instances SET assigned_to_user_id = somebody('ana'), device_id = device('ana', 'other') WHERE name = 'second';
UPDATE instances SET status = 'WORKING', phone_number = '5511900000001', profile_name = 'Ana' WHERE name IN ('first', 'second');
SELECT id_of('second') AS second \gset

-- While that statement is at its first row, her second one is released, made anew, and claimed by Bia.
CREATE FUNCTION pg_temp.meanwhile(p_row text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid := id_of('second');
BEGIN
	IF v_id IS NOT NULL THEN
		UPDATE instances SET lifecycle = 'recycling' WHERE id = v_id;
		PERFORM work_done(id, work_token) FROM work_claim('1 minute', 100);
		UPDATE instances SET assigned_to_user_id = somebody('bia'), device_id = NULL WHERE id = v_id;
		UPDATE instances SET status = 'WORKING', phone_number = '5511900000002', profile_name = 'Bia', banned_at = now() WHERE id = v_id;
	END IF;
	RETURN p_row <> '';
END $$;
CREATE FUNCTION pg_temp.second() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', lifecycle, email, i.status, phone_number, profile_name)
	FROM instances i LEFT JOIN users u ON u.id = assigned_to_user_id ORDER BY (name = 'first'), i.id LIMIT 1 $$;

SAVEPOINT before;
UPDATE waha_sessions SET phone_number = '5511999999999', profile_name = 'X', status = 'disconnected' WHERE pg_temp.meanwhile(session_name);
SELECT is(pg_temp.second(), 'assigned bia@example.org WORKING 5511900000002 Bia', 'what she writes is not written onto Bia''s');
SELECT is((SELECT phone_number FROM instance('first')), '5511999999999', 'but onto her own');
ROLLBACK TO before;
DELETE FROM waha_sessions WHERE pg_temp.meanwhile(session_name);
SELECT is(pg_temp.second(), 'assigned bia@example.org WORKING 5511900000002 Bia', 'nor is Bia''s deleted');
SELECT is(lifecycle('first'), 'recycling', 'hers is');
ROLLBACK TO before;
DELETE FROM whatsapp_instances WHERE pg_temp.meanwhile(nome) AND nome = 'second';
SELECT is(pg_temp.second(), 'assigned bia@example.org WORKING 5511900000002 Bia', 'nor by the other face');
ROLLBACK TO before;

-- Who writes one column does not put back what another had when he looked.
CREATE FUNCTION pg_temp.scanned(p_row text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE instances SET status = 'WORKING', phone_number = '5511900000003', profile_name = 'Ana Maria' WHERE name = p_row;
	RETURN true;
END $$;
UPDATE instances SET status = 'STOPPED', phone_number = NULL, profile_name = NULL WHERE name = 'first';
UPDATE waha_sessions SET profile_name = 'X' WHERE session_name = 'first' AND pg_temp.scanned(session_name);
SELECT is((SELECT (status, phone_number, profile_name)::text FROM instance('first')), '(WORKING,5511900000003,X)', 'a phone that came meanwhile stays');

-- What she has sent is hers.
UPDATE instances SET msgs_enviadas_hora = 7, msgs_enviadas_dia = 70, quota_hour = quota_hour(now()), quota_day = quota_day(now()),
	ultima_msg_at = now() WHERE name = 'second';
SELECT pg_temp.meanwhile('');
SELECT is((SELECT (msgs_enviadas_hora, msgs_enviadas_dia, quota_hour, quota_day, ultima_msg_at)::text FROM instances WHERE id = :'second'),
	'(0,0,,,)', 'whoever gets her session next begins to count');

SELECT * FROM finish();
ROLLBACK;
