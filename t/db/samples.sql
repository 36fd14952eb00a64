-- What is sampled, how minutes become steps of ten minutes and hours, and what is read of it.
BEGIN;
SELECT no_plan();

-- The pool now --------------------------------------------------------------------------------------------

SELECT make('free-1', 'standby');
SELECT make('free-2', 'standby', NULL, 't');
SELECT make('being-made', 'provisioning');
SELECT make('being-emptied', 'recycling');
SELECT make('anas', 'assigned', 'ana');
SELECT make('beas', 'assigned', 'bea');
SELECT make('admins', 'assigned', 'cid', 's', 'admin');
UPDATE instances SET status = 'WORKING', paired_at = now() WHERE name = 'anas';
UPDATE instances SET health = 'stuck' WHERE name = 'beas';

SELECT is(p::text, '(2,2,2,1,1,1,0,1)', 'free, standby, assigned, online, being made, emptied, retired, ill; an administrator''s is none of them')
FROM pool_now p;
UPDATE waha_servers SET draining_at = now() WHERE id = server('t');
SELECT is(free, 1::bigint, 'what stands by on a server that is drained is not free') FROM pool_now;
UPDATE waha_servers SET draining_at = NULL, health = 'down' WHERE id = server('t');
SELECT is((free, standby)::text, '(1,2)', 'nor on one that is down, though it stands by') FROM pool_now;
UPDATE waha_servers SET health = 'up' WHERE id = server('t');

-- A sample ------------------------------------------------------------------------------------------------

UPDATE waha_servers SET latency_ms = 40 WHERE id = server('s');
SELECT is(sample_take(10, 5, '2026-11-21T12:34:56Z'), 2, 'two servers are sampled');
SELECT is(sample_take(10, 5, '2026-11-21T12:34:59.9Z'), NULL, 'once a minute');
SELECT is((SELECT count(*) FROM pool_samples WHERE step = 60), 1::bigint, 'it is there once');
SELECT is((at, n, target, low, free, free_min, making, recycling, assigned, online)::text,
	('2026-11-21T12:34:00Z'::timestamptz, 1, 10, 5, 2, 2, 1, 1, 2, 1)::text, 'the pool of the minute')
FROM pool_samples WHERE step = 60;
SELECT is((up, latency_ms, latency_max, sessions)::text, '(1,40,40,6)', 'a server of the minute')
FROM server_samples WHERE step = 60 AND server_id = server('s');
SELECT is((up, latency_ms)::text, '(1,)', 'no latency of one that was never asked')
FROM server_samples WHERE step = 60 AND server_id = server('t');

UPDATE waha_servers SET latency_ms = 80 WHERE id = server('s');
SELECT make('free-3', 'standby');
SELECT sample_take(10, 5, '2026-11-21T12:35:01Z');
UPDATE waha_servers SET failures = 1 WHERE id = server('s');
SELECT sample_take(10, 5, '2026-11-21T12:36:00Z');
SELECT is(latency_ms, NULL, 'after a look that failed there is no latency')
FROM server_samples WHERE step = 60 AND server_id = server('s') AND at = '2026-11-21T12:36:00Z';
UPDATE waha_servers SET health = 'down', failures = 3 WHERE id = server('s');
SELECT sample_take(10, 5, '2026-11-21T12:41:00Z');
UPDATE waha_servers SET ativo = false WHERE id = server('t');
SELECT sample_take(10, 5, '2026-11-21T12:42:00Z');
SELECT is((SELECT count(*) FROM server_samples WHERE step = 60 AND server_id = server('t')), 4::bigint,
	'a server that is switched off is not sampled');

-- Ten minutes and hours ---------------------------------------------------------------------------------

SELECT results_eq($$SELECT at, n, round(free::numeric, 2), free_min FROM pool_samples WHERE step = 600 ORDER BY at$$,
	$$VALUES ('2026-11-21T12:30:00Z'::timestamptz, 3, 2.67, 2), ('2026-11-21T12:40:00Z', 2, 0.50, 0)$$,
	'ten minutes: the mean, and the least that was free');
SELECT results_eq($$SELECT n, round(free::numeric, 2), free_min FROM pool_samples WHERE step = 3600$$,
	$$VALUES (5, 1.80, 0)$$, 'an hour: weighed by the minutes that were sampled');
SELECT is((n, up, latency_ms, latency_max)::text, '(3,1,60,80)', 'a server''s ten minutes: mean and longest latency')
FROM server_samples WHERE step = 600 AND server_id = server('s') AND at = '2026-11-21T12:30:00Z';
SELECT is((n, round(up::numeric, 2), latency_ms, latency_max)::text, '(5,0.60,60,80)', 'its hour: up for three of five')
FROM server_samples WHERE step = 3600 AND server_id = server('s');
SELECT lives_ok($$SELECT samples_roll(600, 60, '2026-11-21T12:31:00Z')$$, 'made again');
SELECT is((SELECT count(*) FROM pool_samples WHERE step = 600), 2::bigint, 'nothing doubles');

-- Reading -------------------------------------------------------------------------------------------------

SELECT is((SELECT (count(*), min(at), max(at))::text FROM sample_steps('hour', '2026-11-21T12:42:30Z')),
	(60, '2026-11-21T11:43:00Z'::timestamptz, '2026-11-21T12:42:00Z'::timestamptz)::text,
	'an hour is 60 minutes, up to the one that has its sample');
SELECT is((SELECT max(at) FROM sample_steps('hour', '2026-11-21T12:43:01Z')), '2026-11-21T12:42:00Z'::timestamptz,
	'or that has ended');
SELECT is((SELECT (count(*), max(step))::text FROM sample_steps('day')), '(144,600)', 'a day is 144 steps of ten minutes');
SELECT is((SELECT (count(*), max(step))::text FROM sample_steps('week')), '(168,3600)', 'a week is 168 hours');
SELECT is_empty($$SELECT FROM sample_steps('year')$$, 'nothing else');

UPDATE installation SET tz = 'America/Sao_Paulo';
SELECT results_eq($$SELECT at, local FROM sample_ticks('hour', '2026-11-21T11:43:00Z', '2026-11-21T12:15:00Z')$$,
	$$VALUES ('2026-11-21T11:50:00Z'::timestamptz, '2026-11-21T08:50:00'::timestamp),
	  ('2026-11-21T12:00:00Z', '2026-11-21T09:00:00'), ('2026-11-21T12:10:00Z', '2026-11-21T09:10:00')$$,
	'an hour is marked every ten minutes, in the hosting''s time');
SELECT results_eq($$SELECT at FROM sample_ticks('week', '2026-11-18T02:00:00Z', '2026-11-20T12:00:00Z')$$,
	$$VALUES ('2026-11-18T03:00:00Z'::timestamptz), ('2026-11-19T03:00:00Z'), ('2026-11-20T03:00:00Z')$$,
	'a week at its midnights');
UPDATE installation SET tz = 'Europe/Berlin';
SELECT results_eq($$SELECT at, local FROM sample_ticks('day', '2026-10-24T21:30:00Z', '2026-10-25T08:30:00Z')$$,
	$$VALUES ('2026-10-24T22:00:00Z'::timestamptz, '2026-10-25T00:00:00'::timestamp),
	  ('2026-10-25T02:00:00Z', '2026-10-25T03:00:00'), ('2026-10-25T05:00:00Z', '2026-10-25T06:00:00'),
	  ('2026-10-25T08:00:00Z', '2026-10-25T09:00:00')$$,
	'a day whose clocks go back: four hours between two marks');
SELECT results_eq($$SELECT local FROM sample_ticks('day', '2026-03-28T23:30:00Z', '2026-03-29T05:00:00Z')$$,
	$$VALUES ('2026-03-29T03:00:00'::timestamp), ('2026-03-29T06:00:00')$$, 'and one whose clocks go forward');

-- Pruning -------------------------------------------------------------------------------------------------

DELETE FROM pool_samples;
DELETE FROM server_samples;
INSERT INTO pool_samples (step, at, target, low, free, free_min, making, recycling, assigned, online)
SELECT s, now() - a, 1, 1, 1, 1, 1, 1, 1, 1 FROM (VALUES (60, interval '2 hours 50 minutes'), (60, '3 hours 10 minutes'),
	(600, '1 day 23 hours'), (600, '2 days 1 hour'), (3600, '7 days 23 hours'), (3600, '8 days 1 hour')) AS v (s, a);
INSERT INTO server_samples (server_id, step, at, up, sessions)
SELECT server('s'), 60, now() - interval '4 hours' - n * interval '1 minute', 1, 1 FROM generate_series(1, 5) n;
SELECT is(samples_prune(3), 6, 'so many rows at a time');
SELECT is(samples_prune(3), 2, 'the rest');
SELECT is(samples_prune(3), 0, 'then nothing');
SELECT is((SELECT array_agg(step ORDER BY step) FROM pool_samples), ARRAY[60, 600, 3600], 'what is not stays');

SELECT * FROM finish();
ROLLBACK;
