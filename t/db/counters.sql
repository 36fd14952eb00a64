-- What is counted is what happened: in the same transaction, whoever does it, and nothing else.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.counted(p_family text, p_label text) RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(sum(n), 0)::bigint FROM counters WHERE family = p_family AND label = p_label $$;
-- Kinds of instances whose kept number is not the counted one.
CREATE FUNCTION pg_temp.wrong() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s: kept %s, are %s', label, k.n, c.n)
	FROM (SELECT label, sum(n) AS n FROM counters WHERE family = 'instances' GROUP BY 1) k
	FULL JOIN (SELECT instance_kind(i) AS label, count(*) AS n FROM instances i GROUP BY 1) c USING (label)
	WHERE coalesce(k.n, 0) <> coalesce(c.n, 0) $$;

-- Instances ------------------------------------------------------------------------------------------

SELECT make_many('free', 4, 'standby');
SELECT make('being-made', 'provisioning');
SELECT make('being-emptied', 'recycling');
SELECT make('admin-s', 'assigned', 'root', 's', 'admin');
SELECT make('gone', 'retired');
SELECT is_empty('SELECT pg_temp.wrong()', 'after births and moves the kept numbers are the true ones');
SELECT claims('ana');
UPDATE instances SET status = 'WORKING', paired_at = now() WHERE assigned_to_user_id = somebody('ana');
SELECT is(pg_temp.counted('instances', (SELECT instance_kind(i) FROM instances i WHERE assigned_to_user_id = somebody('ana'))), 1::bigint,
	'a connected phone is its own kind');
SELECT matches((SELECT instance_kind(i) FROM instances i WHERE assigned_to_user_id = somebody('ana')), ',online$', 'online');
UPDATE instances SET missing_since = now() WHERE assigned_to_user_id = somebody('ana');
SELECT matches((SELECT instance_kind(i) FROM instances i WHERE assigned_to_user_id = somebody('ana')), ',offline$', 'not while it is missing');
UPDATE instances SET health = 'stuck' WHERE assigned_to_user_id = somebody('ana');
DELETE FROM instances WHERE name = 'being-made';
SELECT is_empty('SELECT pg_temp.wrong()', 'changes of status, absence, health, and a deletion are followed');
SAVEPOINT before;
SELECT claims('bea');
ROLLBACK TO before;
SELECT is_empty('SELECT pg_temp.wrong()', 'what is rolled back was not counted');

-- Claims -----------------------------------------------------------------------------------------------

SELECT is(pg_temp.counted('claims', 'claimed'), 1::bigint, 'one claim so far');
SELECT claims('ana');
SELECT is(pg_temp.counted('claims', 'own'), 1::bigint, 'a second click finds its own');
SELECT pool_claim(somebody('ana'), NULL, '00000000-0000-4000-8000-000000000001', 0);
SELECT is(pg_temp.counted('claims', 'no-device'), 1::bigint, 'a device of nobody''s');
SELECT claims('bea');
SELECT pool_swap(i.id, i.epoch, 'stuck', 0) FROM instances i WHERE assigned_to_user_id = somebody('bea');
SELECT is((pg_temp.counted('claims', 'claimed'), pg_temp.counted('claims', 'swapped'))::text, '(2,1)',
	'an instance given for a broken one is a swap and no further claim');
SELECT is(pg_temp.counted('releases', 'swapped'), 1::bigint, 'the broken one''s release says so');
SELECT claims('cid');
SELECT claims('dora');
SELECT is(pg_temp.counted('claims', 'empty'), 1::bigint, 'nobody could be served once');
SELECT is((SELECT sum(n) FROM counters WHERE family = 'transitions' AND label = 'standby,assigned'), 5::numeric,
	'moves are counted: the admin''s, three claims and a swap');

-- The trail ----------------------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.class_of(p_reason text, p_class text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM because(p_reason, p_class);
	RETURN release_class();
END $$;
SELECT is(pg_temp.class_of('it was so', c), c, format('"%s" is counted as such', c)) FROM unnest(release_classes()) AS c;
SELECT is(pg_temp.class_of('5511999999999 says "x"', '5511999999999'), 'other', 'no other word becomes a label');
SELECT is(pg_temp.class_of('it was so', NULL), 'other', 'nor does none');
SELECT because(NULL);
UPDATE instances SET assigned_to_user_id = NULL WHERE assigned_to_user_id = somebody('cid');
SELECT is(pg_temp.counted('releases', 'operator'), 1::bigint, 'a release by hand is counted');
SELECT release_unpaired('0');
SELECT is(pg_temp.counted('releases', 'unpaired'), 1::bigint, 'who never paired loses it, as such');
SELECT pool_release(somebody('ana'), NULL, 'disconnected by its user');
SELECT is(pg_temp.counted('releases', 'user'), 1::bigint, 'who disconnects gives it back himself');
SELECT is(pg_temp.counted('releases', 'other'), 0::bigint, 'nothing of all that is of another class');
INSERT INTO instance_events (instance_id, kind, from_state, to_state)
VALUES (id_of('free-1'), 'repair', 'restart', 'recovered'), (id_of('free-1'), 'repair', 'logout', 'unpaired'),
	(id_of('free-1'), 'repair', '5511999999999', 'x"}');
SELECT is((pg_temp.counted('recoveries', 'restart,recovered'), pg_temp.counted('recoveries', 'logout,unpaired'),
	pg_temp.counted('recoveries', 'other,other'))::text, '(1,1,1)', 'repairs, and no word that is not known becomes a label');
DELETE FROM instance_events;
SELECT is(pg_temp.counted('recoveries', 'restart,recovered'), 1::bigint, 'pruning the trail takes nothing away');

-- Looks --------------------------------------------------------------------------------------------------

SELECT count_look(true, 40), count_look(true, 50), count_look(true, 51), count_look(true, 700000), count_look(false, 2000);
SELECT results_eq($$SELECT label, value FROM look_histogram WHERE outcome = 'ok' ORDER BY i$$,
	$$VALUES ('ok,0.05', 2::float8), ('ok,0.1', 3), ('ok,0.25', 3), ('ok,0.5', 3), ('ok,1.0', 3), ('ok,2.5', 3),
	  ('ok,5.0', 3), ('ok,10.0', 3), ('ok,30.0', 3), ('ok,+Inf', 4), ('ok', 700.141), ('ok', 4)$$,
	'buckets hold those below; then sum and count');
SELECT is((SELECT value FROM look_histogram WHERE outcome = 'failed' AND suffix = '_count'), 1::float8, 'failures apart');

-- Shards ---------------------------------------------------------------------------------------------------

SELECT is((SELECT count(DISTINCT shard) FROM counters WHERE shard <> 0), 1::bigint, 'a backend writes its own shard only');
INSERT INTO counters (family, label, shard, n) VALUES ('claims', 'own', 2147483647, 7), ('claims', 'odd', 2147483646, 3);
CREATE TEMP TABLE before AS SELECT family, label, sum(n) AS n FROM counters GROUP BY 1, 2;
SELECT is(counters_fold(), 2, 'shards of connections that are gone are folded');
SELECT results_eq('SELECT family, label, sum(n) FROM counters GROUP BY 1, 2 ORDER BY 1, 2', 'SELECT * FROM before ORDER BY 1, 2',
	'no number changes by it');
SELECT is((SELECT array_agg(DISTINCT shard <> 0 ORDER BY shard <> 0)::text FROM counters WHERE shard NOT IN (pg_backend_pid())), '{f}',
	'only the living keep theirs');

-- Helpers ----------------------------------------------------------------------------------------------------

INSERT INTO helper_runs VALUES ('old', 'refill', now() - interval '25 hours');
SELECT helper_ran('here', ARRAY['seal', 'refill']), helper_ran('here', ARRAY['refill']), helper_ran('there', '{}');
SELECT results_eq('SELECT host, task FROM helper_runs ORDER BY 1, 2', $$VALUES ('here', 'refill'), ('here', 'seal')$$,
	'a row per host and task; a host that is gone for a day is forgotten');

SELECT * FROM finish();
ROLLBACK;
