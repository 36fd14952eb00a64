-- The helper's work on instances that are being made or emptied: leased, fenced, tried again.
BEGIN;
SELECT no_plan();

-- Takes the next item; its name, or NULL. What it was given is kept in the table `lease`.
CREATE TEMPORARY TABLE lease (name text, token uuid, n serial);
CREATE FUNCTION pg_temp.take() RETURNS text LANGUAGE sql AS $$
	INSERT INTO lease (name, token) SELECT name, work_token FROM work_claim('1 minute') RETURNING name $$;
CREATE FUNCTION pg_temp.token(p_name text, p_nth integer DEFAULT 1) RETURNS uuid LANGUAGE sql AS $$
	SELECT token FROM lease WHERE name = p_name ORDER BY n OFFSET p_nth - 1 LIMIT 1 $$;

-- leasing ------------------------------------------------------------------------------------------------

SELECT is(pg_temp.take(), NULL, 'nothing to do');
SELECT make('first', 'provisioning');
SELECT make('second', 'recycling');
SELECT make(s, s) FROM unnest(ARRAY['standby', 'assigned', 'retired']) s;
SELECT is(pg_temp.take(), 'first', 'what has waited longest comes first');
SELECT is((SELECT (work_token = pg_temp.token('first'), work_attempts, generation,
	work_lease_until > clock_timestamp() + interval '50 seconds')::text FROM instance('first')),
	'(t,1,1,t)', 'it is leased for a minute, in a new generation of its session');
SELECT is(pg_temp.take(), 'second', 'then the next');
SELECT is(pg_temp.take(), NULL, 'the rest wants no work');

SELECT is(work_done(id_of('first'), pg_temp.token('first')), true, 'done');
SELECT is((SELECT (lifecycle, is_pooled, work_token, work_attempts)::text FROM instance('first')), '(standby,t,,0)', 'it stands by');
SELECT is((SELECT reason FROM last_event('first')), 'ready', 'the trail tells');
SELECT is(work_done(id_of('first'), pg_temp.token('first')), false, 'a second report is too late');

-- a helper that dies or is late ------------------------------------------------------------------------------

UPDATE instances SET work_lease_until = clock_timestamp() - interval '1 second' WHERE name = 'second';
SELECT is(pg_temp.take(), 'second', 'when the lease ends another takes it');
SELECT is((SELECT (work_attempts, generation)::text FROM instance('second')), '(2,2)', 'as a second attempt, in another generation');
SELECT isnt(pg_temp.token('second', 2), pg_temp.token('second', 1), 'with a token of his own');
SELECT is(work_done(id_of('second'), pg_temp.token('second', 1)), false, 'the late one''s success does not count');
SELECT is(work_failed(id_of('second'), pg_temp.token('second', 1), 'late', '1 hour', false), false, 'nor does his failure');
SELECT is((SELECT (lifecycle, work_token = pg_temp.token('second', 2), last_error)::text FROM instance('second')),
	'(recycling,t,)', 'the item is still the second one''s');
SELECT is(work_done(id_of('second'), NULL), false, 'no token, nothing done');
SELECT is(work_done(id_of('second'), pg_temp.token('second', 2)), true, 'who has the lease ends it');

-- failure ------------------------------------------------------------------------------------------------------

SELECT make('hard', 'provisioning');
SELECT pg_temp.take();
SELECT is(work_failed(id_of('hard'), pg_temp.token('hard'), 'the gateway answered 500', '10 minutes', true), true, 'it failed');
SELECT is((SELECT (lifecycle, work_token, work_lease_until, last_error, work_attempts)::text FROM instance('hard')),
	'(provisioning,,,"the gateway answered 500",1)', 'the lease is given back, the cause kept');
SELECT ok((instance('hard')).work_next_at > clock_timestamp() + interval '9 minutes', 'it is due in ten minutes');
SELECT is(pg_temp.take(), NULL, 'and not before');
UPDATE instances SET work_next_at = clock_timestamp() WHERE name = 'hard';
SELECT is(pg_temp.take(), 'hard', 'then it is tried again');
SELECT is((instance('hard')).work_attempts, 2, 'attempts are counted');
SELECT is(work_done(id_of('hard'), pg_temp.token('hard', 2)), true, 'and one day it works');
SELECT is((SELECT (work_attempts, last_error)::text FROM instances WHERE name LIKE 'pool-%' AND lifecycle = 'standby'
	ORDER BY lifecycle_at DESC LIMIT 1), '(0,)', 'all is forgotten');

-- to another server -----------------------------------------------------------------------------------------------

INSERT INTO waha_servers (nome, api_url, max_sessions, prioridade, health, user_id, ativo) VALUES
	('full', 'http://full', 0, 10, 'up', NULL, true), ('off', 'http://off', 9, 10, 'up', NULL, false),
	('private', 'http://private', 9, 10, 'up', somebody('zoe'), true), ('spare', 'http://spare', 1, 0, 'up', NULL, true);
SELECT make('movable', 'provisioning');
SELECT make('full-one', 'recycling');
SELECT pg_temp.take();
SELECT pg_temp.take();
SELECT is(work_failed(id_of('full-one'), pg_temp.token('full-one'), 'x', '10 minutes', true), true, 'a failed emptying');
SELECT is((instance('full-one')).server_id, server('s'), 'stays where its session is');
SELECT is(work_failed(id_of('movable'), gen_random_uuid(), 'x', '10 minutes', true), false, 'a stranger moves nothing');
SELECT is((instance('movable')).server_id, server('s'), 'it stayed');
SELECT is(work_failed(id_of('movable'), pg_temp.token('movable'), 'x', '10 minutes', true), true, 'a failed making');
SELECT is((instance('movable')).server_id, server('spare'), 'moves to the server that has room');
SELECT is_empty('SELECT wrong_counts()', 'both servers'' counts are true');
SELECT is(pg_temp.take(), 'movable', 'and is due there at once');
SELECT is(work_failed(id_of('movable'), pg_temp.token('movable', 2), 'x', '10 minutes', false), true, 'unless asked not to');
SELECT is((instance('movable')).server_id, server('spare'), 'it stays');
UPDATE instances SET lifecycle = 'retired' WHERE name IN ('movable', 'full-one');

-- a server that is down -----------------------------------------------------------------------------------------

SELECT make('there', 'recycling', 'x', 'd');
UPDATE waha_servers SET health = 'down' WHERE nome = 'd';
SELECT is(pg_temp.take(), NULL, 'work on a server that is down waits');
SELECT make('here', 'recycling');
SELECT is(pg_temp.take(), 'here', 'and is in nobody''s way');
UPDATE waha_servers SET health = 'up' WHERE nome = 'd';
SELECT is(pg_temp.take(), 'there', 'until the server answers');
UPDATE instances SET lifecycle = 'retired' WHERE name IN ('here', 'there');

-- no more than so many of one server at a time ------------------------------------------------------------------

SELECT make_many('wide', 6, 'recycling', 'wide');
SELECT is((SELECT count(*) FROM generate_series(1, 6) n CROSS JOIN LATERAL work_claim('1 minute', 4 + 0 * n)), 4::bigint,
	'four of one server are in hands, the rest waits');
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'wide-1';
SELECT is((SELECT name FROM work_claim('1 minute', 4)), 'wide-5', 'until one is done');
UPDATE instances SET work_lease_until = clock_timestamp() - interval '1 second' WHERE name = 'wide-2';
SELECT is((SELECT name FROM work_claim('1 minute', 4)), 'wide-2', 'or its lease ends');
SELECT make('narrow', 'recycling', 'x', 'narrow');
SELECT is((SELECT name FROM work_claim('1 minute', 4)), 'narrow', 'other servers'' work goes on');
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle = 'recycling';

-- work_due counts what a helper would find --------------------------------------------------------------------------

UPDATE waha_servers SET check_next_at = clock_timestamp() + interval '1 hour';
SELECT is(work_due(100), 0, 'nothing is due');
SELECT make_many('due', 5, 'recycling');
SELECT is(work_due(100), 5, 'five are due');
SELECT is(work_due(2), 2, 'counted no further than asked');
SELECT pg_temp.take();
SELECT is(work_due(100), 4, 'what is leased is not due');
UPDATE waha_servers SET health = 'down' WHERE nome = 's';
SELECT is(work_due(100), 0, 'nor is what a server that is down keeps waiting');
UPDATE waha_servers SET check_next_at = clock_timestamp() WHERE nome = 's';
SELECT is(work_due(100), 1, 'a look at a server is');

SELECT * FROM finish();
ROLLBACK;
