-- webhook_store: an event of a gateway is kept once, and applied in the gateway's order, to the right
-- generation of the right assignment.
BEGIN;
SELECT no_plan();

-- An event of server s about a session, p_ago on the gateway's clock.
CREATE FUNCTION pg_temp.event(p_key text, p_session text, p_status text DEFAULT NULL, p_ago interval DEFAULT '0',
	p_generation bigint DEFAULT NULL, p_release boolean DEFAULT false, p_phone text DEFAULT NULL,
	p_profile text DEFAULT NULL, p_event text DEFAULT 'session.status') RETURNS text LANGUAGE sql AS $$
	SELECT webhook_store(server('s'), p_key, p_event, p_key, 'r-' || p_key, p_session, clock_timestamp() - p_ago, p_generation,
		p_status, clock_timestamp() - p_ago, p_phone, p_profile, p_release, json_build_object('event', p_event)) $$;

SELECT make('one', 'assigned', 'ana');
UPDATE instances SET assigned_at = clock_timestamp() - interval '1 hour', generation = 4 WHERE name = 'one';

-- once --------------------------------------------------------------------------------------------------------

SELECT is(pg_temp.event('e1', 'one', 'SCAN_QR_CODE', '50 s', 4), 'applied', 'a first event is applied');
SELECT is(pg_temp.event('e1', 'one', 'WORKING', '40 s', 4), 'duplicate', 'its repetition is not, whatever it says');
SELECT is((instance('one')).status, 'SCAN_QR_CODE', 'nothing changed');
SELECT is((SELECT count(*) FROM webhook_events), 1::bigint, 'one row');
SELECT is((SELECT (server_id = server('s'), dedupe, event, event_id, request_id, session, instance_id = id_of('one'), epoch, outcome,
	payload->>'event')::text FROM webhook_events), '(t,e1,session.status,e1,r-e1,one,t,1,applied,session.status)', 'with all that is known');
SELECT is(webhook_store(server('other'), 'e1', 'session.status', NULL, NULL, 'one', NULL, NULL, 'WORKING', NULL, NULL, NULL, false, '{}'),
	'unknown-session', 'another server''s event of that id is another event, its session another session');

-- in the gateway's order -----------------------------------------------------------------------------------

SELECT is(pg_temp.event('e2', 'one', 'WORKING', '30 s', 4, false, '5511999999999@c.us', 'Ana'), 'applied', 'a phone is connected');
SELECT is((SELECT (status, phone_number, profile_name, paired_at = status_at, last_connected_at = status_at,
	pairing_asked_at)::text FROM instance('one')), '(WORKING,5511999999999@c.us,Ana,t,t,)', 'number, name and both times are known');
SELECT is(pg_temp.event('e3', 'one', 'SCAN_QR_CODE', '45 s', 4), 'stale', 'an older event that comes later changes nothing');
SELECT is((instance('one')).status, 'WORKING', 'it still works');
SELECT is(pg_temp.event('e4', 'one', 'STARTING', '20 s', 4), 'applied', 'a newer one does');
SELECT is((SELECT (status, phone_number, paired_at IS NOT NULL)::text FROM instance('one')), '(STARTING,5511999999999@c.us,t)',
	'a reconnect forgets nothing');
SELECT (instance('one')).paired_at AS paired_at \gset
SELECT pg_temp.event('e5', 'one', 'WORKING', '10 s', 4);
SELECT is((SELECT (paired_at = :'paired_at', phone_number)::text FROM instance('one')), '(t,5511999999999@c.us)',
	'working again is the same pairing, and an event without a number forgets none');

-- late news of a pairing: the status is past, the phone is not
SELECT make('late', 'assigned', 'lea');
UPDATE instances SET assigned_at = clock_timestamp() - interval '1 hour', pairing_asked_at = NULL WHERE name = 'late';
SELECT pg_temp.event('e20', 'late', 'STARTING', '10 s', 0);
SELECT is(pg_temp.event('e21', 'late', 'WORKING', '20 s', 0, false, '5511@c.us', 'Lea'), 'stale', 'WORKING that comes after what followed it');
SELECT is((SELECT (status, phone_number, profile_name, paired_at IS NOT NULL)::text FROM instance('late')), '(STARTING,5511@c.us,Lea,t)',
	'does not change the status, but who is paired is known');
UPDATE instances SET paired_at = NULL, phone_number = NULL, pairing_asked_at = clock_timestamp() - interval '15 s' WHERE name = 'late';
SELECT is(pg_temp.event('e22', 'late', 'WORKING', '20 s', 0, false, '5511@c.us'), 'stale', 'unless the owner asked for a new QR since');
SELECT ok((instance('late')).paired_at IS NULL, 'then it is forgotten');

-- of the right generation and assignment ----------------------------------------------------------------------

SELECT is(pg_temp.event('e6', 'one', 'FAILED', '5 s', 3), 'former', 'an earlier session of that name means nothing');
SELECT is(pg_temp.event('e7', 'one', 'FAILED', '5 s', 5), 'former', 'nor does one we have not made yet');
SELECT is(pg_temp.event('e8', 'one', 'FAILED', '15 s'), 'stale', 'without a generation the time decides');
UPDATE instances SET status_at = NULL WHERE name = 'one';
SELECT is(pg_temp.event('e9', 'one', 'FAILED', '2 hours'), 'former', 'before the assignment: a former owner''s');
SELECT is((instance('one')).status, 'WORKING', 'none of these was applied');
SELECT is((SELECT (outcome, epoch, instance_id = id_of('one'))::text FROM webhook_events WHERE dedupe = 'e9'), '(former,,t)',
	'what is not of this epoch is kept without one');
SELECT is(pg_temp.event('e10', 'one', 'STARTING', '59 minutes 30 s'), 'applied', 'clocks may differ by a little');

SELECT is(pg_temp.event('e11', 'nobody', 'WORKING'), 'unknown-session', 'a session nobody knows is kept all the same');
SELECT is(pg_temp.event('e12', NULL, 'WORKING'), 'unknown-session', 'so is an event of none');
SELECT make(s, s) FROM unnest(ARRAY['standby', 'provisioning', 'recycling']) s;
SELECT is(pg_temp.event('e13-' || s, s, 'WORKING', '0', NULL, false, '5511@c.us'), 'unassigned', format('an event of what is %s', s))
FROM unnest(ARRAY['standby', 'provisioning', 'recycling']) s;
SELECT is((SELECT count(*) FROM instances WHERE lifecycle <> 'assigned' AND (phone_number IS NOT NULL OR status <> 'STOPPED')), 0::bigint,
	'leaves no trace on it');

-- without a status ---------------------------------------------------------------------------------------------

SELECT is(pg_temp.event('m1', 'one', NULL, '0', 4, false, NULL, NULL, 'message'), 'kept', 'a message is kept');
SELECT is((SELECT (instance_id = id_of('one'), epoch)::text FROM webhook_events WHERE dedupe = 'm1'), '(t,1)', 'with whose it is');
SELECT is(pg_temp.event('m2', 'one', NULL, '0', 3, false, NULL, NULL, 'message'), 'former', 'a former session''s is marked');
SELECT is((SELECT epoch FROM webhook_events WHERE dedupe = 'm2'), NULL, 'and is nobody''s');

-- the end ------------------------------------------------------------------------------------------------------

UPDATE instances SET status_at = clock_timestamp() - interval '4 s' WHERE name = 'one';
SELECT is(pg_temp.event('r0', 'one', 'disconnected', '9 s', 4, true, NULL, NULL, 'status.instance'), 'stale', 'an old farewell releases nobody');
SELECT is(pg_temp.event('r1', 'one', 'disconnected', '3 s', 3, true, NULL, NULL, 'status.instance'), 'former', 'nor one of a former session');
SELECT is(lifecycle('one'), 'assigned', 'ana keeps it');
SELECT is(pg_temp.event('r2', 'one', 'disconnected', '2 s', 4, true, NULL, NULL, 'status.instance'), 'applied',
	'status.instance with disconnected');
SELECT is((SELECT (lifecycle, assigned_to_user_id, phone_number, status)::text FROM instance('one')), '(recycling,,,disconnected)',
	'releases the instance');
SELECT is((SELECT (reason, user_id = somebody('ana'))::text FROM last_event('one')), '("gateway: disconnected",t)', 'the trail tells why and whose');
SELECT is(pg_temp.event('r2', 'one', 'disconnected', '2 s', 4, true), 'duplicate', 'sent again it releases nobody else');
SELECT is(pg_temp.event('r3', 'one', 'disconnected', '1 s', 4, true), 'unassigned', 'nor does another of its kind');

-- far too long --------------------------------------------------------------------------------------------------

SELECT make('two', 'assigned', 'bea');
SELECT is(pg_temp.event('l1', 'two', 'WORKING', '0', NULL, false, repeat('5', 1000), repeat('é', 1000)), 'applied',
	'a far too long phone and name are not refused');
SELECT is((SELECT (length(phone_number), length(profile_name))::text FROM instance('two')), '(64,255)', 'but cut');
SELECT is(pg_temp.event('l2', repeat('s', 5000), 'WORKING'), 'unknown-session', 'nor is a far too long session');

-- a time in the future is the caller's to refuse; without any, ours counts
SELECT is(webhook_store(server('s'), 't1', 'session.status', NULL, NULL, 'two', NULL, NULL, 'FAILED', NULL, NULL, NULL, false, '{}'),
	'applied', 'an event without a time is as of now');
SELECT ok((SELECT status_at <= clock_timestamp() AND status_at > clock_timestamp() - interval '1 minute' FROM instance('two')), 'so it is');

-- the secret that it was verified with ---------------------------------------------------------------------------

CREATE FUNCTION pg_temp.verified(p_key text, p_secret text) RETURNS text LANGUAGE sql AS $$
	SELECT webhook_store(server('s'), p_key, 'message', p_key, NULL, 'two', NULL, NULL, NULL, NULL, NULL, NULL, false, '{}', NULL,
		(SELECT md5(p_secret || coalesce(api_key_sealed, '')) FROM waha_servers WHERE id = server('s'))) $$;
UPDATE waha_servers SET webhook_secret_sealed = 'sealed 1' WHERE id = server('s');
SELECT is(pg_temp.verified('v1', 'sealed 1'), 'kept', 'the server''s secret');
SELECT is(pg_temp.verified('v2', 'sealed 2'), 'unverified', 'one that it does not have');
UPDATE waha_servers SET webhook_secret_sealed = 'sealed 2' WHERE id = server('s');
SELECT is(pg_temp.verified('v2', 'sealed 2'), 'kept', 'now it has');
SELECT is(pg_temp.verified('v3', 'sealed 1'), 'kept', 'the former one counts for a while');
SELECT is(pg_temp.verified('v3', 'sealed 2'), 'duplicate', 'whichever signed it: it is the same event');
SELECT is(webhook_store(server('s'), 'v5', 'message', 'v5', NULL, 'two', NULL, NULL, NULL, NULL, NULL, NULL, false, '{}', NULL,
		md5('sealed 2' || 'another key')),
	'unverified', 'a row that had another key is read again: what was altered in it is not trusted');
UPDATE waha_servers SET webhook_secret_former_until = now() WHERE id = server('s');
SELECT is(pg_temp.verified('v4', 'sealed 1'), 'unverified', 'and no longer');
SELECT is(pg_temp.verified('v3', 'sealed 1'), 'unverified', 'not even for what was told before');
UPDATE waha_servers SET webhook_secret_former_until = now() + interval '1 hour', webhook_secret = 'in clear' WHERE id = server('s');
SELECT is(pg_temp.verified('v4', 'sealed 1'), 'unverified', 'a third one, in clear: the first is nobody''s');
SELECT is(pg_temp.verified('v4', 'sealed 2'), 'kept', 'the second is the former one by now');
SELECT is((SELECT count(*) FROM webhook_events WHERE dedupe LIKE 'v_'), 4::bigint, 'what was not verified is not stored');
INSERT INTO waha_servers (nome, api_url) VALUES ('gone', 'http://gone');
SELECT webhook_store(server('gone'), 'g', 'message', 'g', NULL, 'x', NULL, NULL, NULL, NULL, NULL, NULL, false, '{}');
SELECT is((SELECT count(*) FROM webhook_events WHERE dedupe = 'g'), 1::bigint, 'a server''s events');
SELECT set_config('test.gone', server('gone')::text, true);
DELETE FROM waha_servers WHERE id = server('gone');
SELECT is((SELECT count(*) FROM webhook_events WHERE dedupe = 'g'), 0::bigint, 'go with it');
SELECT is(webhook_store(current_setting('test.gone')::uuid, 'g', 'message', 'g', NULL, 'x', NULL, NULL, NULL, NULL, NULL, NULL, false, '{}'),
	'unverified', 'and no more are taken');

SELECT * FROM finish();
ROLLBACK;
