-- pool_refill: when how many instances are ordered, and where.
BEGIN;
SELECT no_plan();

UPDATE waha_servers SET ativo = false;
INSERT INTO waha_servers (nome, api_url, max_sessions, health) VALUES ('s', 'http://s', 1000, 'up');
CREATE FUNCTION pg_temp.all_ready() RETURNS void LANGUAGE sql AS $$
	UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE lifecycle = 'provisioning' $$;
CREATE FUNCTION pg_temp.take(p_n integer) RETURNS void LANGUAGE sql AS $$
	UPDATE instances SET lifecycle = 'assigned', assigned_to_user_id = somebody(name),
		device_id = device_of(somebody(name), NULL)
	WHERE id IN (SELECT id FROM instances WHERE lifecycle = 'standby' LIMIT p_n) $$;

-- as seed 000 tells it: 10 at the start, 10 more below 5 -----------------------------------------------

SELECT is(pool_refill(10, 5, 10, 1000, false), 10, 'an empty pool orders its target');
SELECT is(pool_refill(10, 5, 10, 1000, false), 0, 'what is being made counts: no second order');
SELECT is(pool_refill(10, 5, 10, 1000, true), 0, 'not to top up either');
SELECT matches(name::text, '^pool-[0-9]{10}-[0-9]+$', 'the name is pool-<epoch>-<n>') FROM instances LIMIT 1;
SELECT is((SELECT count(DISTINCT name) FROM instances), 10::bigint, 'each its own');
SELECT is((SELECT (lifecycle, origin, is_pooled, generation)::text FROM instances LIMIT 1), '(provisioning,pool,f,0)', 'they are yet to be made');
SELECT is((SELECT array_agg(DISTINCT reason)::text FROM instance_events), '{refill}', 'and the trail tells why');

SELECT pg_temp.all_ready();
SELECT pg_temp.take(5);
SELECT is(pool_refill(10, 5, 10, 1000, false), 0, 'with 5 left nothing is ordered');
SELECT is((SELECT free FROM pool_status), 5::bigint, 'there are 5');
SELECT pg_temp.take(1);
SELECT is(pool_refill(10, 5, 10, 1000, false), 10, 'with 4 left 10 more are ordered');
SELECT pg_temp.all_ready();
SELECT is(pool_refill(10, 5, 10, 1000, true), 0, 'above the target nothing is ordered nor taken away');
SELECT is((SELECT free FROM pool_status), 14::bigint, 'there are 14');

-- between low and target ----------------------------------------------------------------------------------

SELECT pg_temp.take(7);
SELECT is(pool_refill(10, 5, 10, 1000, false), 0, '7 free: between low and target a claim orders nothing');
SELECT is(pool_refill(10, 5, 10, 1000, true), 3, 'the helper in its quiet time tops up to the target');
SELECT is(pool_refill(10, 5, 10, 1000, true), 0, 'once');

-- a step smaller than the gap; being emptied is not free ----------------------------------------------------

UPDATE instances SET lifecycle = 'retired' WHERE lifecycle IN ('standby', 'provisioning');
UPDATE instances SET lifecycle = 'recycling' WHERE lifecycle = 'assigned';
SELECT is(pool_refill(30, 5, 10, 1000, false), 30, 'a step that does not reach the target is made larger');
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle IN ('provisioning', 'recycling');

-- those who found nothing -----------------------------------------------------------------------------------

SELECT is((SELECT array_agg(DISTINCT (claims('late-' || g)).outcome)::text FROM generate_series(1, 25) g), '{empty}',
	'25 click on an empty pool');
SELECT is((claims('late-1')).outcome, 'empty', 'one of them twice');
SELECT is(pool_refill(10, 5, 10, 1000, false), 35, 'as many are ordered as they want, and the target');
SELECT is(pool_refill(10, 5, 10, 1000, false), 0, 'once');
SELECT pg_temp.all_ready();
SELECT is(pool_refill(10, 5, 10, 1000, true), 0, 'nor when they stand by, and he has not come yet');
SELECT is((SELECT count(*) FROM generate_series(1, 25) g WHERE (claims('late-' || g)).outcome = 'claimed'), 25::bigint,
	'they come again, and each has one');
SELECT is(pool_refill(10, 5, 10, 1000, true), 0, 'who has one wants no more: the pool is at its target');
UPDATE instances SET lifecycle = 'recycling' WHERE lifecycle = 'assigned';
SELECT is(pool_refill(10, 5, 10, 1000, true), 0, 'nor when he has given it back');
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle = 'standby';
SELECT is((claims('gone')).outcome, 'empty', 'one more clicks');
UPDATE pool_wants SET asked_at = clock_timestamp() - interval '21 seconds';
SELECT is(pool_refill(10, 5, 10, 1000, true), 10, 'who does not come again is not waited for');
UPDATE pool_wants SET asked_at = clock_timestamp() - interval '61 seconds';
SELECT cmp_ok(prune('1 day', '1 day', '1 day', 1000), '>', 0, 'and is forgotten');
SELECT is((SELECT count(*) FROM pool_wants), 0::bigint, 'by then all are');
UPDATE instances SET lifecycle = 'recycling' WHERE lifecycle = 'assigned';
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle IN ('provisioning', 'recycling');

-- limits ----------------------------------------------------------------------------------------------------

SELECT is(pool_refill(10, 5, 10, 7, false), 7, 'POOL_MAX is never exceeded');
SELECT is(pool_refill(100, 50, 10, 7, true), 0, 'and when it is reached nothing is ordered');
SELECT is(pool_refill(100, 50, 10, 3, true), 0, 'nor when it was lowered below what is there');
SELECT pg_temp.all_ready();
SELECT pg_temp.take(7);
SELECT is(pool_refill(10, 5, 10, 9, false), 2, 'those in use count against it');
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle IN ('provisioning', 'standby');

UPDATE waha_servers SET ativo = false;
SELECT is(pool_refill(10, 5, 10, 1000, false), 0, 'no server, no order');
INSERT INTO waha_servers (nome, api_url, max_sessions, prioridade, health) VALUES
	('best', 'http://best', 3, 9, 'up'), ('twin-a', 'http://twin-a', 8, 5, 'up'), ('twin-b', 'http://twin-b', 4, 5, 'up'),
	('down', 'http://down', 2, 10, 'down'), ('none', 'http://none', 0, 10, 'up');
INSERT INTO waha_servers (nome, api_url, max_sessions, prioridade, user_id)
VALUES ('private', 'http://private', 100, 10, somebody('zoe'));
CREATE TEMPORARY VIEW spread AS
SELECT s.nome::text, count(*) FROM instances i JOIN waha_servers s ON s.id = i.server_id
WHERE i.lifecycle = 'provisioning' GROUP BY 1 ORDER BY 1;
SELECT is(pool_refill(9, 5, 9, 1000, false), 9, 'nine for several servers');
SELECT results_eq('SELECT * FROM spread', $$VALUES ('best', 3::bigint), ('twin-a', 4::bigint), ('twin-b', 2::bigint)$$,
	'the best is filled, then two of one priority by their load, none on the one that is down');
SELECT is(pool_refill(100, 90, 10, 1000, false), 8, 'all servers'' room ends an order');
SELECT results_eq('SELECT * FROM spread',
	$$VALUES ('best', 3::bigint), ('down', 2::bigint), ('twin-a', 8::bigint), ('twin-b', 4::bigint)$$,
	'the one that is down only when there is no other; a user''s own never');
SELECT is_empty('SELECT wrong_counts()', 'every server''s count is true');

-- what cannot be handed out is not free -----------------------------------------------------------------------

SELECT pg_temp.all_ready();
UPDATE waha_servers SET ativo = false;
INSERT INTO waha_servers (nome, api_url, max_sessions, health) VALUES ('new', 'http://new', 50, 'up');
SELECT is((claims('late')).outcome, 'empty', 'when a server is switched off its instances are not handed out');
SELECT is(pool_refill(10, 5, 10, 1000, false), 11, 'and the pool is refilled elsewhere, for him too');
SELECT is(pool_refill(10, 5, 10, 1000, true), 0, 'once');
DELETE FROM pool_wants;

-- a server that goes down ---------------------------------------------------------------------------------------

UPDATE instances SET lifecycle = 'retired' WHERE lifecycle IN ('provisioning', 'standby');
UPDATE waha_servers SET ativo = false;
INSERT INTO waha_servers (nome, api_url, max_sessions, prioridade, health) VALUES
	('dying', 'http://dying', 50, 5, 'up'), ('spare', 'http://spare', 3, 0, 'up');
SELECT is(pool_refill(5, 2, 5, 1000, false), 5, 'five for the better server');
SELECT is((SELECT count(*) FROM work_claim('1 minute')), 1::bigint, 'one of them is in a helper''s hands');
SELECT is(pool_reorder(), 0, 'while it answers they stay');
UPDATE waha_servers SET health = 'down' WHERE nome = 'dying';
SELECT is(pool_reorder(), 3, 'when it is down those in nobody''s hands are ordered elsewhere, as many as have room');
SELECT results_eq('SELECT * FROM spread', $$VALUES ('dying', 2::bigint), ('spare', 3::bigint)$$, 'there they are');
SELECT is((SELECT count(*) FROM work_claim('1 minute') w CROSS JOIN generate_series(1, 1)), 1::bigint, 'and due at once');
SELECT is(pool_reorder(), 0, 'the rest waits');
SELECT is_empty('SELECT wrong_counts()', 'both servers'' counts are true');
SELECT pg_temp.all_ready();
SELECT is(pool_is_low(4), true, 'what stands by where nobody answers is not free');
SELECT is(pool_is_low(3), false, 'what stands by elsewhere is');
UPDATE waha_servers SET max_sessions = 50 WHERE nome = 'spare';
SELECT is(pool_refill(10, 5, 5, 1000, false), 7, 'so more is ordered where somebody answers');
SELECT is((SELECT count FROM spread WHERE nome = 'spare'), 7::bigint, 'there');

SELECT * FROM finish();
ROLLBACK;
