-- Events: written with their cause for whoever subscribed, once, in order; lanes are leased, fenced and
-- kept in order; failures wait, park and disable.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.subscribe(p_user text, p_device uuid DEFAULT NULL, p_events text[] DEFAULT NULL) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v_id uuid := gen_random_uuid();
BEGIN
	PERFORM subscription_put(somebody(p_user), p_device, v_id, 'https://' || p_user || '.example.org/hook', p_events, 'sealed');
	RETURN (SELECT id FROM event_subscriptions WHERE user_id = somebody(p_user) AND device_id IS NOT DISTINCT FROM p_device);
END $$;
-- Types written for somebody since the last call, oldest first.
CREATE FUNCTION pg_temp.told(p_user text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_list text;
BEGIN
	SELECT string_agg(type, ' ' ORDER BY seq) INTO v_list FROM outbox WHERE user_id = somebody(p_user)
		AND seq > coalesce(current_setting('test.seen', true), '0')::bigint;
	PERFORM set_config('test.seen', (SELECT coalesce(max(seq), 0)::text FROM outbox), false);
	RETURN v_list;
END $$;
CREATE FUNCTION pg_temp.data(p_type text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT payload FROM outbox WHERE type = p_type ORDER BY seq DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.lane(p_sub uuid) RETURNS event_lanes LANGUAGE sql AS $$
	SELECT l FROM event_lanes l WHERE subscription_id = p_sub ORDER BY device_id LIMIT 1 $$;
CREATE FUNCTION pg_temp.states(p_sub uuid) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(state, ' ' ORDER BY seq) FROM deliveries WHERE subscription_id = p_sub $$;
CREATE FUNCTION pg_temp.settle(p_lane event_lane, p_seq bigint, p_state text, p_wait interval DEFAULT '5 s', p_quiet interval DEFAULT NULL,
	p_gone boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
	SELECT delivery_settle(p_lane.subscription_id, p_lane.device_id, p_lane.token, p_seq, p_state,
		CASE WHEN p_state <> 'delivered' THEN 'HTTP status 500' END, p_wait, p_quiet, p_gone, '120 hours') $$;
CREATE FUNCTION pg_temp.next(p_lane event_lane) RETURNS bigint LANGUAGE sql AS $$
	SELECT seq FROM lane_next(p_lane.subscription_id, p_lane.device_id, p_lane.token, '60 s') $$;

-- nobody subscribes ---------------------------------------------------------------------------------

SELECT make('one', 'assigned', 'ana');
SELECT (instance('one')).device_id AS device \gset
UPDATE instances SET status = 'WORKING', paired_at = now() WHERE name = 'one';
UPDATE instances SET status = 'STOPPED', paired_at = NULL WHERE name = 'one';
SELECT is((SELECT count(*) FROM outbox) + (SELECT count(*) FROM event_lanes), 0::bigint, 'nothing is written for nobody');
SELECT ok(NOT event_written(), 'and nobody need be woken');

-- what happens to a device ----------------------------------------------------------------------------

SELECT pg_temp.subscribe('ana') AS sub \gset
UPDATE instances SET status = 'SCAN_QR_CODE', status_at = now() WHERE name = 'one';
UPDATE instances SET status_at = now() + interval '20 s' WHERE name = 'one';
UPDATE instances SET pairing_asked_at = now() WHERE name = 'one';
SELECT is(pg_temp.told('ana'), 'qr.updated qr.updated', 'a QR, and its rotation');
SELECT ok(event_written(), 'the helper is to be woken');
UPDATE instances SET health = 'stuck', profile_name = 'A' WHERE name = 'one';
SELECT is(pg_temp.told('ana'), 'instance.health', 'a judgement while it is there is no new QR');
UPDATE instances SET health = 'healthy', profile_name = NULL WHERE name = 'one';
SELECT pg_temp.told('ana');
UPDATE instances SET status = 'WORKING', paired_at = now(), phone_number = '5511@c.us', profile_name = 'Ana' WHERE name = 'one';
SELECT is(pg_temp.told('ana'), 'device.connected', 'a phone is connected');
SELECT is(pg_temp.data('device.connected'), '{"instance": "one", "phone": "5511@c.us", "profile": "Ana"}', 'with whose it is');
SELECT is((SELECT count(*) FROM outbox WHERE payload::text ~ '2@'), 0::bigint, 'no event carries the QR itself');
UPDATE instances SET status = 'STARTING' WHERE name = 'one';
SELECT is(pg_temp.told('ana'), 'device.disconnected', 'it reconnects');
SELECT is(pg_temp.data('device.disconnected'), '{"instance": "one", "status": "STARTING", "final": false}', 'which is not the end');
UPDATE instances SET health = 'degraded', health_reason = 'slow' WHERE name = 'one';
SELECT is(pg_temp.told('ana'), 'instance.health', 'its health is told');
SELECT is(pg_temp.data('instance.health') - 'was', '{"instance": "one", "health": "degraded", "reason": "slow"}', 'with the reason');
SELECT pool_release(somebody('ana'), NULL, 'disconnected by its user');
SELECT is(pg_temp.told('ana'), 'device.disconnected', 'the end is told once more');
SELECT is(pg_temp.data('device.disconnected'), '{"instance": "one", "final": true, "reason": "disconnected by its user"}', 'as final');
SELECT is((SELECT count(DISTINCT device_id)::text || ' ' || bool_and(device_id = :'device') FROM outbox), '1 true', 'all of that device');
UPDATE instances SET status = 'WORKING' WHERE name = 'one';
UPDATE instances SET status = 'STOPPED' WHERE name = 'one';
SELECT is(pg_temp.told('ana'), NULL, 'what nobody has tells nobody');

-- to whom -------------------------------------------------------------------------------------------------

SELECT ok(NOT event_emit(somebody('bea'), :'device', 'x.y', '{}'), 'another user''s webhook does not hear of it');
SELECT pg_temp.subscribe('ana', :'device', ARRAY['message.received']) AS own \gset
SELECT ok(NOT event_emit(somebody('ana'), :'device', 'message.ack', '{}'), 'a device''s own webhook filters, and the default does not step in');
SELECT ok(event_emit(somebody('ana'), :'device', 'message.received', '{"text": "oi"}', now(), 'm|1'), 'what it wants is written');
SELECT ok(NOT event_emit(somebody('ana'), :'device', 'message.received', '{"text": "oi"}', now(), 'm|1'), 'once');
SELECT ok(event_emit(somebody('ana'), device('ana', 'two'), 'message.received', '{"text": "oi"}', now(), 'm|1'), 'another device''s is another');
SELECT is(pg_temp.states(:'own'), 'pending', 'one delivery');
SELECT is((SELECT due_at IS NOT NULL AND token IS NULL FROM pg_temp.lane(:'own')), true, 'its lane is due');
DELETE FROM event_subscriptions WHERE id = :'own';
SELECT is((SELECT count(*) FROM deliveries WHERE subscription_id = :'own'), 0::bigint, 'a deleted webhook''s deliveries go with it');
DELETE FROM event_subscriptions;
DELETE FROM outbox;

-- webhooks of gateways --------------------------------------------------------------------------------

SELECT make('msg', 'assigned', 'mia');
SELECT pg_temp.subscribe('mia') AS mia \gset
CREATE FUNCTION pg_temp.message(p_key text, p_once text, p_generation bigint DEFAULT 0, p_ago interval DEFAULT '0') RETURNS text LANGUAGE sql AS $$
	SELECT webhook_store(server('s'), p_key, 'message', p_key, NULL, 'msg', clock_timestamp() - p_ago, p_generation, NULL, NULL, NULL, NULL, false,
		'{}', jsonb_build_object('type', 'message.received', 'once', p_once, 'data', jsonb_build_object('text', 'oi'))) $$;
SELECT is(pg_temp.message('k1', 'm|1'), 'kept', 'a message');
SELECT is(pg_temp.message('k1', 'm|1'), 'duplicate', 'sent twice');
SELECT is(pg_temp.message('k2', 'm|1'), 'kept', 'or told as another event');
SELECT is(pg_temp.message('k3', 'm|3', 7), 'former', 'of a former session');
SELECT is(pg_temp.message('k4', 'm|4', NULL, '1 hour'), 'former', 'or from before the assignment');
SELECT is(pg_temp.told('mia'), 'message.received', 'becomes one event');
SELECT is(pg_temp.data('message.received'), '{"text": "oi", "instance": "msg"}', 'with its instance');
DELETE FROM event_subscriptions;
DELETE FROM outbox;

-- who is shut out ----------------------------------------------------------------------------------------

SELECT device('gil', 'a') AS a, device('gil', 'b') AS b \gset
SELECT pg_temp.subscribe('gil', :'a') AS own, pg_temp.subscribe('gil') AS sub \gset
UPDATE event_subscriptions SET disabled_at = now(), disabled_reason = 'another' WHERE id = :'own';
SELECT event_emit(somebody('gil'), :'b', 'message.received', '{}');
UPDATE users SET disabled_at = now() WHERE id = somebody('gil');
SELECT event_emit(somebody('gil'), :'b', 'message.received', '{}');
SELECT is((SELECT count(*) FROM lane_claim('60 s', 4)), 0::bigint, 'a disabled user''s webhook gets nothing more');
SELECT is(pg_temp.states(:'sub'), 'parked parked', 'it is kept');
UPDATE users SET disabled_at = NULL WHERE id = somebody('gil');
SELECT event_emit(somebody('gil'), :'b', 'message.received', '{}');
SELECT is((SELECT subscription_id FROM lane_claim('60 s', 4)), :'sub'::uuid, 'enabled again it goes on');
SELECT ok((SELECT disabled_at IS NOT NULL FROM event_subscriptions WHERE id = :'own'), 'what was disabled otherwise stays so');
DELETE FROM event_subscriptions WHERE user_id = somebody('gil');

-- one user's webhooks together hold no more lanes than allowed -----------------------------------------------

SELECT device('rui', 'a') AS a, device('rui', 'b') AS b \gset
SELECT pg_temp.subscribe('rui', :'a'), pg_temp.subscribe('rui', :'b'), pg_temp.subscribe('eva') \gset both_
SELECT event_emit(somebody('rui'), d, 'x', '{}') FROM unnest(ARRAY[:'a', :'b']::uuid[]) d;
SELECT event_emit(somebody('eva'), device('eva', 'a'), 'x', '{}');
SELECT is((SELECT string_agg(device_id::text, ' ') FROM lane_claim('60 s', 1)), :'a', 'a device with its own webhook');
SELECT is((SELECT device_id FROM lane_claim('60 s', 1)), device('eva', 'a'), 'his other one waits, who is next does not');
SELECT is((SELECT count(*) FROM lane_claim('60 s', 1)), 0::bigint, 'not for another webhook either');
DELETE FROM event_subscriptions WHERE user_id IN (somebody('rui'), somebody('eva'));

-- lanes: order, lease, fence -------------------------------------------------------------------------------

SELECT pg_temp.subscribe('lia') AS sub \gset
SELECT device('lia', 'a') AS a, device('lia', 'b') AS b \gset
SELECT event_emit(somebody('lia'), :'a', 'x.' || n, '{}') FROM generate_series(1, 3) n;
SELECT is(lanes_due(10), 1, 'three events of a device are one lane');
SELECT * FROM lane_claim('60 s', 4) \gset l1_
SELECT is((SELECT count(*) FROM lane_claim('60 s', 4)), 0::bigint, 'which one helper has at a time');
SELECT is(lanes_due(10), 0, 'it is not due meanwhile');
CREATE TEMP VIEW held AS SELECT ROW(l.subscription_id, l.device_id, l.token, '', '', '')::event_lane AS lane, l.* FROM event_lanes l WHERE token IS NOT NULL;
SELECT seq AS first FROM lane_next(:'l1_subscription_id', :'l1_device_id', :'l1_token', '60 s') \gset
SELECT is((SELECT type FROM outbox WHERE seq = :first), 'x.1', 'the oldest first');
SELECT is(pg_temp.settle(lane, :first, 'pending', '5 s'), 'settled', 'an attempt fails') FROM held;
SELECT is((SELECT (token, due_at > clock_timestamp() + interval '4 s')::text FROM pg_temp.lane(:'sub')), '(,t)', 'the lane waits, in nobody''s hands');
SELECT is(pg_temp.settle(ROW(:'l1_subscription_id', :'l1_device_id', :'l1_token', '', '', '')::event_lane, :first, 'delivered'), 'lost',
	'who no longer has it settles nothing');
SELECT is(pg_temp.states(:'sub'), 'pending pending pending', 'nothing changed');
SELECT event_emit(somebody('lia'), :'a', 'x.4', '{}');
SELECT is(lanes_due(10), 0, 'a new event does not overtake');
SELECT event_emit(somebody('lia'), :'b', 'y.1', '{}');
SELECT is((SELECT device_id FROM lane_claim('60 s', 4)), :'b'::uuid, 'another device goes on');
UPDATE event_lanes SET due_at = clock_timestamp() WHERE device_id = :'a';
SELECT is((SELECT device_id FROM lane_claim('60 s', 1)), NULL::uuid, 'but no more of one subscription than allowed');
SELECT ok((SELECT due_at > clock_timestamp() FROM event_lanes WHERE device_id = :'a'), 'it is put off');
UPDATE event_lanes SET due_at = clock_timestamp() WHERE device_id = :'a';
SELECT is((SELECT device_id FROM lane_claim('60 s', 2)), :'a'::uuid, 'with room it goes');
SELECT is(pg_temp.next(lane), :first::bigint, 'with the same event') FROM held WHERE device_id = :'a';
SELECT is(pg_temp.settle(lane, :first, 'delivered'), 'settled', 'the attempt succeeds') FROM held WHERE device_id = :'a';
SELECT is(pg_temp.states(:'sub'), 'delivered pending pending pending pending', 'delivered');
SELECT is((SELECT (failures, failing_since, delivered_at IS NOT NULL)::text FROM event_subscriptions WHERE id = :'sub'), '(0,,t)',
	'one success forgets the failures');
UPDATE event_lanes SET lease_until = clock_timestamp() - interval '1 s' WHERE device_id = :'a';
SELECT is((SELECT device_id FROM lane_claim('60 s', 4)), :'a'::uuid, 'a lease that ended is somebody else''s');
SELECT count(*) FROM held, LATERAL (SELECT pg_temp.settle(lane, pg_temp.next(lane), 'delivered') FROM generate_series(1, 4)) s WHERE device_id = :'a' \gset
SELECT is(pg_temp.next(lane), NULL::bigint, 'nothing is left') FROM held WHERE device_id = :'a';
SELECT is((SELECT (due_at, token)::text FROM event_lanes WHERE device_id = :'a'), '(,)', 'the lane sleeps');
SELECT event_emit(somebody('lia'), :'a', 'x.5', '{}');
SELECT is(lanes_due(10), 1, 'until the next event');

-- quiet, parked, disabled, replayed ---------------------------------------------------------------------------------

SELECT pg_temp.settle(lane, pg_temp.next(lane), 'delivered'), pg_temp.next(lane) FROM held WHERE device_id = :'b';
SELECT event_emit(somebody('lia'), :'b', 'y.2', '{}');
UPDATE event_lanes SET due_at = clock_timestamp() - interval '1 hour' WHERE device_id = :'a';
SELECT device_id FROM lane_claim('60 s', 4) \gset claimed_
SELECT is(:'claimed_device_id'::uuid, :'a'::uuid, 'the longest waiting first');
SELECT pg_temp.settle(lane, pg_temp.next(lane), 'pending', '5 s', '60 s') FROM held;
SELECT is((SELECT count(*) FROM event_lanes WHERE due_at < clock_timestamp() + interval '50 s'), 1::bigint,
	'one that does not answer is left in peace: its other lanes wait too');
SELECT is(lanes_due(10), 0, 'none is due');
SELECT ok((SELECT count(*) = 0 FROM lane_claim('60 s', 4)), 'nor claimed');
UPDATE event_subscriptions SET retry_at = NULL, failing_since = clock_timestamp() - interval '121 hours';
UPDATE event_lanes SET due_at = clock_timestamp() WHERE device_id = :'a';
SELECT device_id FROM lane_claim('60 s', 4) \gset claimed_
SELECT is(pg_temp.settle(lane, pg_temp.next(lane), 'pending'), 'disabled', 'five days of failures disable it') FROM held;
SELECT matches((SELECT disabled_reason FROM event_subscriptions WHERE id = :'sub'), 'nothing was delivered since .*: HTTP status 500', 'and say why');
UPDATE event_lanes SET due_at = clock_timestamp() WHERE due_at IS NOT NULL;
SELECT ok((SELECT count(*) = 0 FROM lane_claim('60 s', 4)), 'it gets nothing any more');
SELECT ok(event_emit(somebody('lia'), :'a', 'x.6', '{}'), 'what happens is kept');
SELECT is((SELECT count(*) FROM deliveries WHERE state = 'parked'), 3::bigint, 'parked, like what was pending');
SELECT is((SELECT (pending, parked)::text FROM outbox_status WHERE subscription_id = :'sub'), '(0,3)', 'where an operator sees it');
SELECT is(lanes_due(10), 0, 'no lane is due');
SELECT ok(NOT subscription_put(somebody('lia'), NULL, gen_random_uuid(), 'https://new.example.org', NULL, 'other'), 'registered again');
SELECT is((SELECT (id = :'sub', secret_sealed, disabled_at, failures)::text FROM event_subscriptions), '(t,sealed,,0)',
	'it works again, with the secret it had');
SELECT is(deliveries_replay(:'sub', (SELECT o.id FROM outbox o JOIN deliveries USING (seq) WHERE state = 'parked' ORDER BY seq LIMIT 1), 100), 1, 'one is replayed');
SELECT is(deliveries_replay(:'sub', gen_random_uuid(), 100), 0, 'one that is not there is not');
SELECT is(deliveries_replay(:'sub', NULL, 1), 1, 'so many at the most');
SELECT is(deliveries_replay(:'sub', NULL, 100), 1, 'the rest');
SELECT is((SELECT count(*) FROM deliveries WHERE state = 'pending'), 3::bigint, 'all are under way');
SELECT ok(lanes_due(10) > 0, 'their lanes are due');
SELECT device_id FROM lane_claim('60 s', 4) \gset claimed_
SELECT is(pg_temp.settle(lane, pg_temp.next(lane), 'parked', '0', NULL, true), 'disabled', '410 disables at once') FROM held;
SELECT is((SELECT disabled_reason FROM event_subscriptions), 'it answered 410 Gone', 'and says so');

-- secrets and retention ------------------------------------------------------------------------------------------

SELECT subscription_rotate(:'sub', 'sealed anew', '24 hours');
SELECT is((SELECT (secret_sealed, former_sealed)::text FROM event_subscriptions), '("sealed anew",sealed)', 'the former secret stays for a while');
SELECT subscription_put(somebody('lia'), NULL, gen_random_uuid(), 'https://new.example.org', NULL, 'other');
SELECT deliveries_replay(:'sub', NULL, 100);
SELECT former FROM lane_claim('60 s', 4) \gset r_
SELECT is(:'r_former'::text, 'sealed', 'and signs too');
UPDATE event_subscriptions SET former_until = clock_timestamp() - interval '1 s';
UPDATE event_lanes SET token = NULL, lease_until = NULL, due_at = clock_timestamp();
SELECT is((SELECT former FROM lane_claim('60 s', 4)), NULL, 'no longer than that');
SELECT events_prune('24 hours', '30 days', 100);
SELECT is((SELECT former_sealed FROM event_subscriptions), NULL, 'then it is forgotten');

DELETE FROM outbox;
DELETE FROM event_lanes;
SELECT event_emit(somebody('lia'), :'a', 'message.received', '{"text": "segredo"}');
SELECT event_emit(somebody('lia'), :'a', 'message.received', '{"text": "novo"}');
UPDATE outbox SET created_at = clock_timestamp() - interval '25 hours' WHERE payload->>'text' = 'segredo';
SELECT is(events_prune('24 hours', '30 days', 100), 1, 'a message is emptied when its time is over');
SELECT is((SELECT count(*) FROM outbox WHERE payload::text ~ 'segredo'), 0::bigint, 'its text is nowhere');
UPDATE event_lanes SET token = NULL, lease_until = NULL, due_at = clock_timestamp() WHERE device_id = :'a';
SELECT subscription_id, device_id, token FROM lane_claim('60 s', 4) \gset p_
SELECT is((SELECT data->>'text' FROM lane_next(:'p_subscription_id', :'p_device_id', :'p_token', '60 s')), 'novo', 'what was not delivered by then is skipped');
SELECT is(pg_temp.states(:'sub'), 'skipped pending', 'and says so');
UPDATE outbox SET created_at = clock_timestamp() - interval '31 days';
SELECT events_prune('24 hours', '30 days', 100);
SELECT is((SELECT count(*) FROM outbox) + (SELECT count(*) FROM deliveries), 0::bigint, 'after EVENT_RETENTION all is gone');

SELECT * FROM finish();
ROLLBACK;
