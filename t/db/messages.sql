-- Messages out: who sends, what is reserved for it, and what becomes of both. (By hour and day: quotas.sql.)
BEGIN;
SELECT no_plan();

-- A connected instance of somebody's, for a device of that name.
CREATE FUNCTION pg_temp.connected(p_name text, p_owner text, p_hour integer DEFAULT 20, p_day integer DEFAULT 100) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make(p_name, 'standby');
	UPDATE instances SET lifecycle = 'assigned', assigned_to_user_id = somebody(p_owner), device_id = device(p_owner, p_name)
	WHERE name = p_name;
	UPDATE instances SET status = 'WORKING', paired_at = now(), capacidade_hora = p_hour, capacidade_dia = p_day
	WHERE name = p_name;
END $$;
CREATE FUNCTION pg_temp.say(p_who text, p_device text DEFAULT NULL, p_strategy text DEFAULT NULL, p_cliente text DEFAULT NULL,
	p_key text DEFAULT NULL, p_admin boolean DEFAULT false) RETURNS message_start LANGUAGE sql AS $$
	SELECT message_begin(somebody(p_who), NULL, p_admin, CASE WHEN p_device IS NOT NULL THEN device(p_who, p_device) END,
		p_cliente, p_strategy, p_key, '3 minutes') $$;
CREATE FUNCTION pg_temp.used(p_name text) RETURNS text LANGUAGE sql AS $$
	SELECT msgs_enviadas_hora || '/' || msgs_enviadas_dia FROM instances WHERE name = p_name $$;
CREATE FUNCTION pg_temp.state(p_message uuid) RETURNS text LANGUAGE sql AS $$ SELECT state FROM messages WHERE id = p_message $$;
CREATE FUNCTION pg_temp.why(m message_start) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', m.outcome, m.reason) $$;

-- reserved before it is sent ------------------------------------------------------------------------------

SELECT pg_temp.connected('one', 'ana', 3, 5);
SELECT * FROM pg_temp.say('ana') \gset m_
SELECT is(:'m_outcome'::text, 'ok', 'the only device sends');
SELECT is(:'m_name'::text, 'one', 'by its instance');
SELECT is(pg_temp.used('one'), '1/1', 'its quota is taken');
SELECT is(pg_temp.state(:'m_message_id'), 'sending', 'and the message written down');
SELECT is((:m_hour_limit, :m_hour_used, :m_day_limit, :m_day_used)::text, '(3,1,5,1)', 'the answer tells what is left');
SELECT is(:'m_hour_end'::timestamptz, quota_hour(clock_timestamp()) + interval '1 hour', 'and until when');
SELECT is(message_end(:'m_message_id', 'sent', 'g1', NULL), true, 'sent');
SELECT is(pg_temp.used('one'), '1/1', 'it counts');
SELECT is(message_end(:'m_message_id', 'failed', NULL, 'late'), false, 'decided once');
SELECT is(pg_temp.state(:'m_message_id'), 'sent', 'and for good');

SELECT message_id AS id FROM pg_temp.say('ana') \gset
SELECT is(pg_temp.used('one'), '2/2', 'a second one');
SELECT is(message_end(:'id', 'failed', NULL, 'refused'), true, 'surely did not go out');
SELECT is(pg_temp.used('one'), '1/1', 'and costs nothing');
SELECT is(message_end(:'id', 'failed', NULL, 'refused'), false, 'given back once');
SELECT is(pg_temp.used('one'), '1/1', 'no more than was taken');

SELECT message_id AS id FROM pg_temp.say('ana') \gset
UPDATE messages SET quota_hour = quota_hour - interval '1 hour', quota_day = quota_day - 1 WHERE id = :'id';
SELECT message_end(:'id', 'failed', NULL, 'refused');
SELECT is(pg_temp.used('one'), '2/2', 'what was taken of an hour that is over is not given back to this one');

-- full -----------------------------------------------------------------------------------------------------------

SELECT is((pg_temp.say('ana')).outcome, 'ok', 'the hour''s last');
SELECT is(pg_temp.why(pg_temp.say('ana')), 'unavailable hour', 'no more this hour');
SELECT is((pg_temp.say('ana')).retry_at, quota_hour(clock_timestamp()) + interval '1 hour', 'until the next one');
UPDATE instances SET quota_hour = quota_hour - interval '1 hour' WHERE name = 'one';
SELECT is((pg_temp.say('ana')).outcome, 'ok', 'an hour later');
SELECT is((pg_temp.say('ana')).outcome, 'ok', 'and the day''s last');
SELECT is(pg_temp.used('one'), '2/5', 'hours begin anew, the day goes on');
SELECT is(pg_temp.why(pg_temp.say('ana')), 'unavailable day', 'no more today');
SELECT is((pg_temp.say('ana')).retry_at, quota_day_end(quota_day(clock_timestamp())), 'until tomorrow');
UPDATE instances SET quota_hour = quota_hour + interval '1 hour', quota_day = quota_day + 1 WHERE name = 'one';
SELECT is((pg_temp.say('ana')).outcome, 'unavailable', 'a clock that was set back gives nothing twice');

-- a sender that died ----------------------------------------------------------------------------------------------

SELECT pg_temp.connected('two', 'bea');
SELECT message_id AS id FROM pg_temp.say('bea', p_key => 'k') \gset
SELECT is(messages_expire(), 0, 'one that is being sent is left alone');
UPDATE messages SET lease_until = clock_timestamp() - interval '1 second' WHERE id = :'id';
SELECT is(messages_expire(), 1, 'its sender died');
SELECT is(pg_temp.state(:'id'), 'unknown', 'nobody knows whether it went out');
SELECT is(pg_temp.used('two'), '1/1', 'so it counts');
SELECT is((pg_temp.say('bea', p_key => 'k')).outcome, 'repeat', 'its key sends nothing more');
SELECT is((pg_temp.say('bea', p_key => 'k')).state, 'unknown', 'and hears so');
SELECT is(message_end(:'id', 'failed', NULL, 'late'), false, 'a late failure proves nothing');
SELECT is(message_end(:'id', 'sent', 'g2', NULL), true, 'a late success does');
SELECT is(pg_temp.state(:'id'), 'sent', 'it was sent');
SELECT message_id AS id FROM pg_temp.say('bea', p_key => 'failed') \gset
SELECT message_end(:'id', 'failed', NULL, 'refused');
SELECT is((pg_temp.say('bea', p_key => 'failed')).outcome, 'ok', 'the key of one that surely did not go out may be tried again');
SELECT message_id AS id FROM pg_temp.say('bea', p_key => 'yesterday''s') \gset
SELECT message_end(:'id', 'sent', 'g3', NULL);
UPDATE messages SET created_at = created_at - interval '24 hours 1 second' WHERE id = :'id';
SELECT is((pg_temp.say('bea', p_key => 'yesterday''s')).outcome, 'ok', 'a key whose time is over is another message''s');
SELECT is((pg_temp.say('bea', p_key => 'yesterday''s')).outcome, 'repeat', 'which then has it');
SELECT is(pg_temp.state(:'id'), 'sent', 'the former one is what it was');

-- acknowledgements -------------------------------------------------------------------------------------------------

SELECT message_id AS id, instance_id AS instance FROM pg_temp.say('bea', p_key => 'thought failed') \gset
SELECT message_end(:'id', 'sent', 'late-1', NULL);
SELECT message_ack(:'instance', 'late-1', 'error');
SELECT is((pg_temp.say('bea', p_key => 'thought failed')).outcome, 'ok', 'one that its gateway calls failed may be tried again');
SELECT lives_ok(format('SELECT message_ack(%L, %L, %L)', :'instance', 'late-1', 'read'), 'that it arrived after all can be told');
SELECT is((SELECT state FROM messages WHERE gateway_id = 'late-1'), 'read', 'and is written down');
SELECT is((pg_temp.say('bea', p_key => 'thought failed')).outcome, 'repeat', 'the key is the second one''s');

SELECT is(message_acked(s, a), want, s || ' then ' || a || ' is ' || want) FROM (VALUES
	('sending', 'server', 'sent'), ('unknown', 'server', 'sent'), ('unknown', 'error', 'failed'), ('sent', 'pending', 'sent'),
	('sent', 'device', 'delivered'), ('delivered', 'server', 'delivered'), ('delivered', 'error', 'delivered'),
	('delivered', 'read', 'read'), ('read', 'device', 'read'), ('sent', 'played', 'read'), ('failed', 'server', 'failed')) AS t(s, a, want);
SELECT message_id AS id, instance_id AS of FROM pg_temp.say('bea') \gset
SELECT message_ack(:'of', 'early', 'device');
SELECT is((SELECT count(*) FROM early_acks), 1::bigint, 'one that comes before the answer is kept');
SELECT message_ack(:'of', 'early', 'server');
SELECT message_end(:'id', 'sent', 'early', NULL);
SELECT is(pg_temp.state(:'id'), 'delivered', 'and counts with the answer');
SELECT is((SELECT count(*) FROM early_acks), 0::bigint, 'once');
SELECT message_ack(:'of', 'early', 'read');
SELECT is(pg_temp.state(:'id'), 'read', 'later ones at once');
UPDATE messages SET state = 'sent' WHERE state = 'sending';
SELECT message_ack(:'of', 'stranger', 'read');
SELECT is((SELECT count(*) FROM early_acks), 0::bigint, 'while nothing is being sent none is kept');

-- which instance --------------------------------------------------------------------------------------------------

SELECT is(pg_temp.why(pg_temp.say('nobody')), 'unavailable none', 'who has no device');
SELECT is((message_begin(somebody('cid'), NULL, false, device('ana', 'one'), NULL, NULL, NULL, '1 minute')).outcome, 'no-device', 'another''s device');
SELECT pg_temp.connected(n, 'cid') FROM unnest(ARRAY['c1', 'c2', 'c3']) n;
SELECT is((pg_temp.say('cid')).outcome, 'which', 'several, none named');
SELECT is((pg_temp.say('cid', 'c2')).name, 'c2', 'a named one');
SELECT is((SELECT array_agg(n ORDER BY n) FROM (SELECT (pg_temp.say('cid', p_strategy => 'round_robin')).name AS n FROM generate_series(1, 3)) t),
	'{c1,c2,c3}', 'round_robin: each once');
UPDATE instances SET capacidade_dia = 10 WHERE name = 'c1';
UPDATE instances SET msgs_enviadas_dia = 2 WHERE name LIKE 'c_';
UPDATE instances SET prioridade = 2 WHERE name = 'c3';
SELECT is((pg_temp.say('cid', p_strategy => 'least_loaded')).name, 'c3', 'least_loaded: the smallest share of its day, then by priority');
UPDATE instances SET status = 'STARTING' WHERE name = 'c3';
SELECT is((pg_temp.say('cid', p_strategy => 'least_loaded')).name, 'c2', 'of those that are connected');
UPDATE instances SET missing_since = now() WHERE name = 'c2';
SELECT is((pg_temp.say('cid', p_strategy => 'least_loaded')).name, 'c1', 'and there');
SELECT is(pg_temp.why(pg_temp.say('cid', 'c3')), 'unavailable disconnected', 'a named one that is not is no other one''s turn');
UPDATE installation SET quiesced_at = now();
SELECT is(pg_temp.why(pg_temp.say('cid', 'c3')), 'unavailable maintenance', 'stopped for maintenance');
UPDATE installation SET quiesced_at = NULL;

-- sticky --------------------------------------------------------------------------------------------------------------

\set client 11111111-2222-4333-8444-555555555555
UPDATE instances SET status = 'WORKING', missing_since = NULL, capacidade_dia = 100, msgs_enviadas_dia = 0 WHERE name LIKE 'c_';
UPDATE instances SET msgs_enviadas_dia = 5 WHERE name IN ('c2', 'c3');
SELECT is((pg_temp.say('cid', p_cliente => :'client')).name, 'c1', 'a client''s first: the least loaded');
SELECT is((SELECT instancia_preferida FROM clientes WHERE id = :'client'), 'c1', 'is his from now on');
UPDATE instances SET msgs_enviadas_dia = 50 WHERE name = 'c1';
SELECT is((pg_temp.say('cid', p_cliente => :'client')).name, 'c1', 'also when it is the most loaded');
UPDATE instances SET banned_at = now(), status = 'FAILED' WHERE name = 'c1';
SELECT isnt((pg_temp.say('cid', p_cliente => :'client')).name, 'c1', 'not when it is banned');
SELECT isnt((SELECT instancia_preferida FROM clientes WHERE id = :'client'), 'c1', 'then another is his');
SELECT is((pg_temp.say('cid', p_cliente => 'x')).outcome, 'no-client', 'an id of another kind is none of ours');
SELECT is((pg_temp.say('cid', p_cliente => '17')).outcome, 'no-client', 'nor a number');
SELECT is(cliente_preferred(somebody('ana'), :'client'), NULL, 'another user does not see him');
SELECT cliente_prefers(somebody('ana'), :'client', 'one');
SELECT isnt((SELECT instancia_preferida FROM clientes WHERE id = :'client'), 'one', 'nor bind him');

-- no longer than needed ------------------------------------------------------------------------------------------

SELECT count(*) AS all FROM messages \gset
UPDATE messages SET created_at = clock_timestamp() - interval '31 days'
WHERE id IN (SELECT id FROM messages WHERE state <> 'sending' ORDER BY id LIMIT 3);
SELECT is(messages_prune('30 days', '40 days', 100), 0, 'none whose key may come again');
SELECT is(messages_prune('30 days', '1 day', 2), 2, 'so many at a time');
SELECT is(messages_prune('30 days', '1 day', 2), 1, 'then the rest');
SELECT is((SELECT count(*) FROM messages), :all - 3::bigint, 'the younger ones are there');
UPDATE messages SET created_at = clock_timestamp() - interval '31 days', state = 'sending', lease_until = now()
WHERE request_key IS NULL;
SELECT is(messages_prune('30 days', '1 day', 100), 0, 'one that is being sent is decided first');

-- who was disabled --------------------------------------------------------------------------------------------------

SELECT is(active_user(somebody('cid')), somebody('cid'), 'a user who is there');
SELECT is(active_user(:'client'), :'client'::uuid, 'or whom nobody knows yet');
UPDATE users SET disabled_at = now() WHERE id = somebody('cid');
SELECT throws_ok($$SELECT active_user(somebody('cid'))$$, '28000', 'the account is disabled', 'not one who was disabled');
SELECT throws_ok($$SELECT pg_temp.say('cid')$$, '28000', NULL, 'who sends nothing');
SELECT throws_ok($$SELECT pool_claim(somebody('cid'), NULL, NULL, 0)$$, '28000', NULL, 'claims nothing');
SELECT throws_ok($$SELECT device_add(somebody('cid'), NULL, NULL, 9)$$, '28000', NULL, 'adds nothing');
SELECT throws_ok($$SELECT idempotency_begin(somebody('cid'), NULL, '/r', 'k', 'f', '1 minute')$$, '28000', NULL, 'and repeats nothing');

SELECT * FROM finish();
ROLLBACK;
