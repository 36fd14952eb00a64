-- Health: judgements written down, what they set going, and the ladder's lease.
BEGIN;
SELECT no_plan();

-- Tools -----------------------------------------------------------------------------------------------------

-- One judgement, written down while all is calm or not; returns how many changed.
CREATE FUNCTION pg_temp.judge(p_name text, p_health text, p_reason text, p_remedy text DEFAULT 'none',
	p_bad integer DEFAULT 1, p_calm boolean DEFAULT true, p_older bigint DEFAULT 0) RETURNS integer LANGUAGE sql AS $$
	SELECT health_write(json_build_array(json_build_object('i', id, 'g', generation - p_older, 'e', epoch, 'h', p_health,
		'r', p_reason, 'b', p_bad, 'm', p_remedy)), p_calm)
	FROM instances WHERE name = p_name $$;
-- Somebody's whose phone is connected.
CREATE FUNCTION pg_temp.connected(p_name text, p_server text DEFAULT 's', p_origin text DEFAULT 'pool') RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid := make(p_name, 'assigned', p_name, p_server, p_origin);
BEGIN
	PERFORM instance_observe(v_id, 0, '0', 'WORKING', '5511988887777@c.us', 'Ana');
	RETURN v_id;
END $$;
-- A further one, in need of a restart and due now.
CREATE FUNCTION pg_temp.ill(p_name text, p_server text DEFAULT 's', p_origin text DEFAULT 'pool') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.connected(p_name, p_server, p_origin);
	PERFORM pg_temp.judge(p_name, 'stuck', 'Stuck in connecting state for 130 s', 'restart');
END $$;
CREATE FUNCTION pg_temp.mend() RETURNS text LANGUAGE sql AS $$ SELECT name FROM mend_claim('1 minute') $$;
-- How many helpers of so many that ask find something.
CREATE FUNCTION pg_temp.mend_many(p_helpers integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	v_n integer := 0;
BEGIN
	FOR n IN 1 .. p_helpers LOOP
		v_n := v_n + (pg_temp.mend() IS NOT NULL)::integer;
	END LOOP;
	RETURN v_n;
END $$;
CREATE FUNCTION pg_temp.step(p_name text, p_step text, p_reason text, p_again interval, p_counts boolean DEFAULT true)
RETURNS boolean LANGUAGE sql AS $$
	SELECT mend_step(id, work_token, p_step, p_reason, 1500, p_again, p_counts) FROM instances WHERE name = p_name $$;
-- A cleanup of it as it is now.
CREATE FUNCTION pg_temp.clean(p_name text, p_reason text, p_force boolean DEFAULT true) RETURNS SETOF instances LANGUAGE sql AS $$
	SELECT c.* FROM instances i, repair_cleanup(i.id, i.epoch, i.generation, p_reason, p_force, '1 minute') c
	WHERE i.name = p_name $$;
-- What the trail says of its health and repairs, oldest first.
CREATE FUNCTION pg_temp.trail(p_name text) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(format('%s %s>%s %s', kind, from_state, to_state, reason) ORDER BY id)
	FROM instance_events WHERE instance_id = id_of(p_name) AND kind IN ('health', 'repair') $$;

-- columns ------------------------------------------------------------------------------------------------------

SELECT col_type_is('instances', c, t, format('instances.%s is %s', c, t))
FROM (VALUES ('health', 'instance_health'), ('health_reason', 'text'), ('health_at', 'timestamp with time zone'),
	('bad_samples', 'integer'), ('status_since', 'timestamp with time zone'), ('mending', 'boolean'),
	('mend_attempts', 'integer')) AS wanted (c, t);
SELECT col_not_null('instances', c, format('instances.%s is never NULL', c))
FROM unnest(ARRAY['health', 'health_at', 'bad_samples', 'status_since', 'mending', 'mend_attempts']) c;
SELECT has_index('instances', 'instances_mending', 'work_next_at', 'what is to be mended is indexed');
SELECT make('new', 'provisioning');
SELECT is((SELECT (health, health_reason, bad_samples, mending, mend_attempts)::text FROM instance('new')),
	'(healthy,,0,f,0)', 'what an instance begins with');
SELECT lives_ok(format($$UPDATE instances SET health = %L WHERE name = 'new'$$, h), format('it may be %s', h))
FROM unnest(ARRAY['healthy', 'disconnected', 'degraded', 'stuck', 'corrupted', 'not_found']) h;
SELECT throws_ok(format($$UPDATE instances SET health = %L WHERE name = 'new'$$, h), '23514', NULL, format('but not %L', h))
FROM unnest(ARRAY['', 'Healthy', 'ill', 'unknown']) h;
UPDATE instances SET lifecycle = 'retired' WHERE name = 'new';

-- status_since ---------------------------------------------------------------------------------------------------

SELECT make('since', 'assigned', 'since');
UPDATE instances SET status_since = '2026-01-01', bad_samples = 2 WHERE name = 'since';
UPDATE instances SET status = 'STOPPED', profile_name = 'x', status_seen_at = clock_timestamp() WHERE name = 'since';
SELECT is((SELECT (status_since = '2026-01-01', bad_samples)::text FROM instance('since')), '(t,2)',
	'the same status again, or another column, is no change of status');
SELECT instance_observe(id_of('since'), 0, '0', 'STOPPED', NULL, NULL);
SELECT ok((instance('since')).status_since = '2026-01-01', 'nor is a look that learns nothing');
SELECT instance_observe(id_of('since'), 0, '0', 'STARTING', NULL, NULL);
SELECT ok((instance('since')).status_since > clock_timestamp() - interval '10 seconds', 'another status moves it');
SELECT is((instance('since')).bad_samples, 0, 'and looks that found trouble in the former one do not count any more');
UPDATE instances SET bad_samples = 2, status_since = '2026-01-01' WHERE name = 'since';
UPDATE instances SET missing_since = clock_timestamp() WHERE name = 'since';
SELECT is((SELECT (bad_samples, status_since = '2026-01-01')::text FROM instance('since')), '(0,t)',
	'absence is counted from its own first look');
UPDATE instances SET bad_samples = 2, missing_since = clock_timestamp() WHERE name = 'since';
SELECT is((instance('since')).bad_samples, 2, 'and on');
UPDATE instances SET missing_since = NULL WHERE name = 'since';
SELECT is((instance('since')).bad_samples, 0, 'one that is back has not been missing');

-- a transition begins in good health -------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.spoil(p_name text) RETURNS void LANGUAGE sql AS $$
	UPDATE instances SET health = 'stuck', health_reason = 'x', health_at = '2026-01-01', bad_samples = 3,
		status_since = '2026-01-01', mending = true, mend_attempts = 2 WHERE name = p_name $$;
CREATE FUNCTION pg_temp.health_of(p_name text) RETURNS text LANGUAGE sql AS $$
	SELECT (lifecycle, health, health_reason, bad_samples, mending, mend_attempts,
		health_at > clock_timestamp() - interval '10 seconds', status_since > clock_timestamp() - interval '10 seconds')::text
	FROM instances WHERE name = p_name $$;
SELECT make('moves', 'provisioning');
SELECT pg_temp.spoil('moves');
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'moves';
SELECT is(pg_temp.health_of('moves'), '(standby,healthy,"Stands by",0,f,0,t,t)', 'made: it stands by in good health, as a look would say');
SELECT pg_temp.spoil('moves');
UPDATE instances SET assigned_to_user_id = somebody('mo') WHERE name = 'moves';
SELECT is(pg_temp.health_of('moves'), '(assigned,disconnected,,0,f,0,t,t)', 'claimed: its owner waits for a QR, of the former trouble nothing is left');
SELECT pg_temp.spoil('moves');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'moves';
SELECT is(pg_temp.health_of('moves'), '(recycling,healthy,,0,f,0,t,t)', 'released: nothing is to be mended');
SELECT pg_temp.spoil('moves');
UPDATE instances SET lifecycle = 'retired' WHERE name = 'moves';
SELECT is(pg_temp.health_of('moves'), '(retired,healthy,,0,f,0,t,t)', 'retired: neither');

-- health_facts ------------------------------------------------------------------------------------------------------

SELECT make(s, s, 'f') FROM unnest(ARRAY['provisioning', 'standby', 'recycling', 'retired']) s;
SELECT pg_temp.connected('paired');
SELECT make('unpaired', 'assigned', 'unpaired');
SELECT pg_temp.connected('elsewhere', 'other');
SELECT make('claimed-just-now', 'assigned', 'cj');
SELECT pg_temp.connected('in-repair');
UPDATE instances SET mending = true, work_token = gen_random_uuid(), work_lease_until = clock_timestamp() + interval '1 minute'
WHERE name = 'in-repair';
UPDATE instances SET lifecycle_at = clock_timestamp() - interval '1 minute' WHERE name <> 'claimed-just-now';
UPDATE instances SET status_since = clock_timestamp() - interval '90 seconds', health = 'degraded', health_reason = 'Because',
	bad_samples = 2, generation = 7 WHERE name = 'paired';
SELECT is((SELECT array_agg(name::text ORDER BY name) FROM health_facts(server('s'), '30 seconds')),
	'{paired,since,standby,unpaired}',
	'what stands by or is somebody''s, of that server: not what changed hands since, not what is being mended');
SELECT is((SELECT (id = id_of('paired'), generation, assigned, paired, bad_samples, health, reason, status)::text
	FROM health_facts(server('s'), '30 seconds') WHERE name = 'paired'), '(t,7,t,t,2,degraded,Because,WORKING)', 'what is known of it');
SELECT ok((SELECT state_ms BETWEEN 90000 AND 120000 FROM health_facts(server('s'), '30 seconds') WHERE name = 'paired'),
	'and for how long it has been in that status');
SELECT is((SELECT array_agg(format('%s %s %s [%s]', name, assigned, paired, reason) ORDER BY name)
	FROM health_facts(server('s'), '30 seconds') WHERE name IN ('standby', 'unpaired')),
	'{"standby f f [Stands by]","unpaired t f []"}', 'nobody''s, and never paired');
SELECT ok(EXISTS (SELECT FROM health_facts(server('s'), '0') WHERE name = 'claimed-just-now'), 'a later list judges it');
UPDATE instances SET work_lease_until = clock_timestamp() - interval '1 second' WHERE name = 'in-repair';
SELECT ok(EXISTS (SELECT FROM health_facts(server('s'), '0') WHERE name = 'in-repair'), 'what only waits to be mended is judged');
UPDATE instances SET work_token = NULL, work_lease_until = NULL WHERE name = 'in-repair';

-- health_write: the record ------------------------------------------------------------------------------------------

SELECT pg_temp.connected('ana');
UPDATE instances SET health_at = clock_timestamp() - interval '1 minute' WHERE name = 'ana';
SELECT is(pg_temp.judge('ana', 'healthy', 'Connected', p_bad => 0), 1, 'a change');
SELECT is(pg_temp.judge('ana', 'healthy', 'Connected', p_bad => 0), 0, 'the same again is none');
UPDATE instances SET health_at = clock_timestamp() - interval '1 minute' WHERE name = 'ana';
SELECT is(pg_temp.judge('ana', 'degraded', 'Reconnecting for 1 s', p_bad => 1), 1, 'trouble is a change');
SELECT is(pg_temp.judge('ana', 'degraded', 'Reconnecting for 61 s', p_bad => 2), 0, 'more of it is none');
SELECT is((SELECT (health, health_reason, bad_samples)::text FROM instance('ana')), '(degraded,"Reconnecting for 61 s",2)',
	'but the reason and the count are today''s');
SELECT is(pg_temp.trail('ana'), ARRAY['health disconnected>healthy Connected', 'health healthy>degraded Reconnecting for 1 s'],
	'the trail has one row for each change');
SELECT is((SELECT (kind, actor, epoch, user_id = somebody('ana'), duration_ms BETWEEN 60000 AND 90000)::text FROM last_event('ana')),
	'(health,db.t,1,t,t)', 'with who, whose, and how long the state before lasted');
SELECT ok((instance('ana')).health_at > clock_timestamp() - interval '10 seconds', 'and the new one begins now');
UPDATE instances SET health_at = '2026-01-01' WHERE name = 'ana';
SELECT pg_temp.judge('ana', 'degraded', 'Reconnecting for 62 s', p_bad => 3);
SELECT ok((instance('ana')).health_at = '2026-01-01', 'one that goes on does not begin again');

UPDATE instances SET generation = 5 WHERE name = 'ana';
SELECT is(pg_temp.judge('ana', 'corrupted', 'Of a former session', 'release', 3, true, 1), 0, 'a former session''s judgement changes nothing');
SELECT is((SELECT (lifecycle, health, mending)::text FROM instance('ana')), '(assigned,degraded,f)', 'nothing at all');
SELECT is(pg_temp.judge(s, 'stuck', 'Late', 'cleanup'), 0, format('nor does a judgement on what is %s by now', s))
FROM unnest(ARRAY['provisioning', 'recycling', 'retired']) s;
SELECT is(health_write('[]', true), 0, 'no judgements, no changes');
SELECT is(health_write((SELECT json_agg(json_build_object('i', id, 'g', generation, 'e', epoch, 'h', 'degraded', 'r', 'Many', 'b', 1, 'm', 'none'))
	FROM instances WHERE name IN ('ana', 'paired', 'unpaired', 'standby')), true), 2, 'many at once: those that changed are counted');

-- health_write: what it sets going -----------------------------------------------------------------------------------

SELECT pg_temp.connected('c-' || n) FROM generate_series(1, 6) n;
SELECT pg_temp.connected('well-' || n) FROM generate_series(1, 12) n; -- or it would be the server's trouble
SELECT make('u-' || n, 'assigned', 'u' || n) FROM generate_series(1, 3) n;
SELECT make('n-' || n, 'standby') FROM generate_series(1, 3) n;
CREATE FUNCTION pg_temp.after(p_name text) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s %s', lifecycle, health, CASE WHEN mending THEN 'mending' ELSE 'left' END)
	FROM instances WHERE name = p_name $$;

SELECT pg_temp.judge('c-1', 'stuck', 'Stuck', 'restart', p_calm => false);
SELECT pg_temp.judge('c-2', 'corrupted', 'Gone', 'release', p_calm => false);
SELECT pg_temp.judge('u-1', 'stuck', 'Stuck', 'cleanup', p_calm => false);
SELECT pg_temp.judge('n-1', 'not_found', 'Gone', 'cleanup', p_calm => false);
SELECT is(ARRAY[pg_temp.after('c-1'), pg_temp.after('c-2'), pg_temp.after('u-1'), pg_temp.after('n-1')],
	ARRAY['assigned stuck left', 'assigned corrupted left', 'assigned stuck left', 'standby not_found left'],
	'while the trouble is the server''s it is written down, and nothing is done');

SELECT pg_temp.judge('c-1', 'stuck', 'Stuck', 'restart');
SELECT is(pg_temp.after('c-1'), 'assigned stuck mending', 'restart: a helper is to mend it');
SELECT pg_temp.judge('c-1', 'healthy', 'Connected', 'none');
SELECT is(pg_temp.after('c-1'), 'assigned healthy mending', 'only the helper ends that');
SELECT pg_temp.judge('n-2', 'corrupted', 'No such case', 'restart');
SELECT is(pg_temp.after('n-2'), 'standby corrupted left', 'nobody''s is never restarted');
SELECT instance_observe(id_of('c-3'), 0, '0', 'FAILED', NULL, NULL);
SELECT pg_temp.judge('c-3', 'degraded', 'Failed after it had been connected', 'restart');
SELECT is(pg_temp.after('c-3'), 'assigned degraded left', 'a phone that seems gone is left to lost_claim');
SELECT is((SELECT name FROM lost_claim('1 minute')), 'c-3', 'which has it');

SELECT pg_temp.judge('u-1', 'stuck', 'Stuck in connecting state for 31 s', 'cleanup');
SELECT is(pg_temp.after('u-1'), 'recycling healthy left', 'cleanup of one that never paired: it is made anew');
SELECT is((SELECT (kind, from_state, to_state, reason, user_id = somebody('u1'))::text FROM last_event('u-1')),
	'(transition,assigned,recycling,"stuck: Stuck in connecting state for 31 s",t)', 'the trail tells why');
SELECT pg_temp.judge('n-1', 'not_found', 'The gateway has no such session', 'cleanup');
SELECT is(pg_temp.after('n-1'), 'recycling healthy left', 'so is what stood by');
SELECT pg_temp.judge('c-2', 'stuck', 'No such case', 'cleanup');
SELECT is(pg_temp.after('c-2'), 'assigned stuck left', 'what was ever paired is not cleaned up behind its owner''s back');

SELECT pg_temp.judge('c-2', 'disconnected', 'Logged out on the phone', 'release');
SELECT is(pg_temp.after('c-2'), 'assigned disconnected left', 'logged out: the gateway is asked once more before a release');
SELECT pg_temp.judge('c-2', 'corrupted', 'The gateway lost a session that was connected', 'release');
SELECT is(pg_temp.after('c-2'), 'recycling healthy left', 'corrupted: released');
SELECT is((SELECT (reason, user_id = somebody('c-2'))::text FROM last_event('c-2')),
	'("corrupted: The gateway lost a session that was connected",t)', 'the trail tells why, and who lost it');

SELECT pg_temp.connected('of-admin', 's', 'admin');
SELECT make('of-admin-new', 'assigned', 'oan', 's', 'admin');
SELECT pg_temp.judge('of-admin', 'corrupted', 'Gone', 'release');
SELECT pg_temp.judge('of-admin-new', 'not_found', 'Gone', 'cleanup');
SELECT is(ARRAY[pg_temp.after('of-admin'), pg_temp.after('of-admin-new')],
	ARRAY['assigned corrupted left', 'assigned not_found left'], 'an admin''s own is his to judge');

-- When a gateway lost all it had, what stood by is soon made anew: what is owned is missing still.
SELECT pg_temp.connected('all-' || n, 'emptied') FROM generate_series(1, 3) n;
SELECT make('again-' || n, 'standby', NULL, 'emptied') FROM generate_series(1, 9) n;
UPDATE instances SET missing_since = clock_timestamp() - interval '5 minutes' WHERE name LIKE 'all-%';
SELECT pg_temp.judge('all-' || n, 'corrupted', 'The gateway lost a session that was connected', 'release', 3) FROM generate_series(1, 3) n;
SELECT is(pg_temp.after('all-' || n), 'assigned corrupted left', 'most of what is owned is missing: the server''s fault, nobody loses it')
FROM generate_series(1, 3) n;
UPDATE instances SET missing_since = NULL WHERE name IN ('all-1', 'all-2');
SELECT pg_temp.judge('all-' || n, 'healthy', 'Connected', p_bad => 0) FROM generate_series(1, 2) n;
SELECT pg_temp.judge('all-3', 'corrupted', 'The gateway lost a session that was connected', 'release', 3);
SELECT is(pg_temp.after('all-3'), 'recycling healthy left', 'the others are back, one is not: that one is gone');

-- mend_claim -----------------------------------------------------------------------------------------------------------

UPDATE instances SET mending = false;
SELECT is(pg_temp.mend(), NULL, 'nothing is to be mended');
SELECT pg_temp.ill('first');
SELECT pg_temp.ill('second');
UPDATE instances SET work_next_at = clock_timestamp() - interval '1 minute' WHERE name = 'first';
SELECT is(pg_temp.mend(), 'first', 'what has waited longest comes first');
SELECT is((SELECT (lifecycle, work_token IS NOT NULL, mend_attempts, work_attempts, epoch, generation, mending,
	work_lease_until > clock_timestamp() + interval '50 seconds')::text FROM instance('first')),
	'(assigned,t,1,0,1,0,t,t)', 'leased for a minute; it stays its owner''s, and the same session');
SELECT is(pg_temp.mend(), 'second', 'then the next');
SELECT is(pg_temp.mend(), NULL, 'what is leased is not due');
SELECT is((SELECT count(*) FROM lost_claim('1 minute')) + (SELECT count(*) FROM work_claim('1 minute', 100) w
	WHERE w.name IN ('first', 'second')), 0::bigint, 'for no other work either');
UPDATE instances SET work_lease_until = clock_timestamp() - interval '1 second' WHERE name = 'second';
SELECT (instance('second')).work_token AS late \gset
SELECT is(pg_temp.mend(), 'second', 'when the lease ends another takes it');
SELECT is((SELECT (mend_attempts, work_token <> :'late')::text FROM instance('second')), '(2,t)', 'as a second attempt, with a token of his own');

-- mend_step ------------------------------------------------------------------------------------------------------------

SELECT is(mend_step(id_of('second'), :'late', 'restart', 'late', 9, NULL, true), false, 'a late helper''s success does not count');
SELECT is(mend_step(id_of('second'), NULL, 'restart', 'x', 9, NULL, true), false, 'nor does one without a token');
SELECT is((SELECT (mending, mend_attempts, work_token IS NOT NULL)::text FROM instance('second')), '(t,2,t)', 'it is still the second one''s');
SELECT is(pg_temp.trail('second'), ARRAY['health disconnected>stuck Stuck in connecting state for 130 s'], 'and the trail has nothing of it');

SELECT is(pg_temp.step('second', 'restart', 'it stays STARTING', '10 minutes'), true, 'the step failed');
SELECT is((SELECT (mending, mend_attempts, work_token, work_lease_until, lifecycle, bad_samples)::text FROM instance('second')),
	'(t,2,,,assigned,1)', 'the lease is given back, the attempt counts, it is still to be mended');
SELECT ok((instance('second')).work_next_at > clock_timestamp() + interval '9 minutes', 'in ten minutes');
SELECT is(pg_temp.mend(), NULL, 'and not before');
SELECT is((SELECT (kind, from_state, to_state, reason, actor, epoch, user_id = somebody('second'), duration_ms)::text
	FROM last_event('second')), '(repair,restart,failed,"it stays STARTING",db.t,1,t,1500)', 'the trail tells the step, its end, why, whose and how long');
UPDATE instances SET work_next_at = clock_timestamp() WHERE name = 'second';
SELECT is(pg_temp.mend(), 'second', 'then it is tried again');
SELECT is(pg_temp.step('second', 'look', 'connection refused', '0', false), true, 'a failure that is the server''s');
SELECT is((instance('second')).mend_attempts, 2, 'is no attempt at the session');
SELECT is(pg_temp.mend(), 'second', 'again');
SELECT is(pg_temp.step('second', 'restart', '', NULL), true, 'and it works');
SELECT is((SELECT (mending, mend_attempts, bad_samples, work_token, work_lease_until, lifecycle, health)::text FROM instance('second')),
	'(f,0,0,,,assigned,stuck)', 'nothing is to be mended any more; its health is the next look''s to tell');
SELECT is((SELECT (from_state, to_state)::text FROM last_event('second')), '(restart,recovered)', 'the trail tells');
SELECT ok(EXISTS (SELECT FROM health_facts(server('s'), '0') WHERE name = 'second'), 'and the next look judges it again');

SELECT (instance('first')).work_token AS token \gset
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'first';
SELECT is(mend_step(id_of('first'), :'token', 'restart', '', 9, NULL, true), false, 'released meanwhile: the helper has no say any more');

-- The end of the ladder, for what a hand had inserted as for the pool's; an administrator's own is left to him.
SELECT pg_temp.ill('by-hand', 'handy', 'user'), pg_temp.ill('by-admin', 'handy', 'admin');
UPDATE instances SET mend_rung = 'logout', mend_attempts = 2 WHERE name IN ('by-hand', 'by-admin');
SELECT pg_temp.mend_many(2);
SELECT pg_temp.step(n, 'logout', 'it stays STARTING', '0') FROM unnest(ARRAY['by-hand', 'by-admin']) n;
SELECT is(ARRAY[(SELECT (lifecycle, mending)::text FROM instance('by-hand')), (SELECT (lifecycle, mending)::text FROM instance('by-admin'))],
	ARRAY['(recycling,f)', '(assigned,f)'], 'nothing gentler is left: released, or left alone');

-- bounded: a server's sessions are not all in repair at once ---------------------------------------------------------------

SELECT pg_temp.connected('small-well-' || n, 'small') FROM generate_series(1, 5) n;
SELECT pg_temp.ill('small-' || n, 'small') FROM generate_series(1, 5) n;
SELECT is(pg_temp.mend_many(5), 3, 'of a few sessions three at a time');
SELECT pg_temp.ill('other-1', 'other');
SELECT is(pg_temp.mend(), 'other-1', 'other servers'' go on');
SELECT name AS done FROM instances WHERE name LIKE 'small-%' AND work_token IS NOT NULL LIMIT 1 \gset
SELECT pg_temp.step(:'done', 'restart', '', NULL);
SELECT matches(pg_temp.mend(), '^small-', 'the next when one is done');
SELECT is(pg_temp.mend(), NULL, 'and no more');
UPDATE instances SET mending = false, work_lease_until = NULL, work_token = NULL;
SELECT make_many('large', 14, 'standby', 'large');
SELECT pg_temp.connected('large-well-' || n, 'large') FROM generate_series(1, 6) n;
SELECT pg_temp.ill('large-ill-' || n, 'large') FROM generate_series(1, 6) n;
SELECT is((SELECT sessions_ativas FROM waha_servers WHERE nome = 'large'), 26, 'of 26');
SELECT is(pg_temp.mend_many(6), 5, 'a fifth');
UPDATE instances SET mending = false, work_lease_until = NULL, work_token = NULL;

-- what is not the session's fault is not mended ----------------------------------------------------------------------------

SELECT pg_temp.ill('waits', 'b');
SELECT server(x) FROM unnest('{a,c,d}'::text[]) x;
UPDATE waha_servers SET ativo = nome IN ('a', 'b', 'c', 'd'), health = 'up';
UPDATE waha_servers SET health = 'down' WHERE nome = 'b';
SELECT is(pg_temp.mend(), NULL, 'on a server that is down it waits');
UPDATE waha_servers SET health = 'up' WHERE nome = 'b';
UPDATE waha_servers SET health = 'down' WHERE nome IN ('a', 'c', 'd');
SELECT is(pg_temp.mend(), NULL, 'most servers look down: our own network, nothing is touched');
SELECT is((SELECT count(*) FROM mend_due), 0::bigint, 'nor said to be due');
UPDATE waha_servers SET health = 'up' WHERE nome = 'a';
SELECT is((SELECT id FROM mend_due), id_of('waits'), 'half of them is not most');
SELECT is(pg_temp.mend(), 'waits', 'it is mended');
UPDATE instances SET work_token = NULL, work_lease_until = NULL WHERE name = 'waits';
UPDATE waha_servers SET ativo = nome = 'b';
SELECT is(pg_temp.mend(), 'waits', 'servers that are switched off have no vote');

-- the ladder: which rung comes next is in the database --------------------------------------------------------------------

UPDATE waha_servers SET ativo = true, health = 'up';
UPDATE instances SET mending = false, work_token = NULL, work_lease_until = NULL, missing_since = NULL, health = 'healthy';
SELECT pg_temp.ill('climbs');
CREATE FUNCTION pg_temp.rung(p_name text) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s %s', lifecycle, mend_rung, mend_attempts) FROM instances WHERE name = p_name $$;
CREATE FUNCTION pg_temp.fails(p_name text, p_counts boolean DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_rung text := (SELECT mend_rung FROM instances WHERE name = p_name);
BEGIN
	UPDATE instances SET work_next_at = '2026-01-01' WHERE name = p_name;
	PERFORM mend_claim('1 minute');
	PERFORM pg_temp.step(p_name, v_rung, 'it stays STARTING', '0', p_counts);
	RETURN pg_temp.rung(p_name);
END $$;
SELECT is(pg_temp.fails('climbs'), 'assigned restart 1', 'a restart failed');
SELECT is(pg_temp.fails('climbs', false), 'assigned restart 1', 'and one for which it is not to blame');
SELECT is(pg_temp.fails('climbs'), 'assigned restart 2', 'another');
SELECT is(pg_temp.fails('climbs'), 'assigned logout 0', 'the third: nothing gentler is left than a logout');

SELECT is(pg_temp.mend(), 'climbs', 'its turn');
SELECT (instance('climbs')).work_token AS token \gset
CREATE FUNCTION pg_temp.may_log_out(p_token uuid, p_name text DEFAULT 'climbs', p_epoch integer DEFAULT 1, p_generation integer DEFAULT 0)
RETURNS boolean LANGUAGE sql AS $$
	SELECT mend_logout(id_of('climbs'), p_token, p_name, p_epoch, p_generation, '1 minute') $$;
SELECT is(pg_temp.may_log_out(gen_random_uuid()), false, 'no logout under another''s token');
SELECT is(pg_temp.may_log_out(:'token', 'renamed'), false, 'nor under another name');
SELECT is(pg_temp.may_log_out(:'token', 'climbs', 2), false, 'nor in another assignment');
SELECT is(pg_temp.may_log_out(:'token', 'climbs', 1, 1), false, 'nor of another session');
UPDATE instances SET work_lease_until = clock_timestamp() - interval '1 second' WHERE name = 'climbs';
SELECT is(pg_temp.may_log_out(:'token'), false, 'nor after the lease');
UPDATE instances SET work_lease_until = clock_timestamp() + interval '1 minute', status = 'WORKING' WHERE name = 'climbs';
SELECT is(pg_temp.may_log_out(:'token'), false, 'nor of one that works by now');
SELECT ok((instance('climbs')).paired_at IS NOT NULL, 'its pairing is not touched by any of this');
UPDATE instances SET status = 'STARTING' WHERE name = 'climbs';
SELECT is(pg_temp.may_log_out(:'token'), true, 'but then it may');
SELECT is((SELECT (lifecycle, paired_at, phone_number, pairing_asked_at > clock_timestamp() - interval '1 minute')::text
	FROM instance('climbs')), '(assigned,,,t)', 'its owner keeps the instance, and has time to scan again');
SELECT pg_temp.step('climbs', 'logout', 'it stays STARTING', '0');
SELECT is(pg_temp.rung('climbs'), 'recycling restart 0', 'that failed too: it is made anew');
SELECT is((last_event('climbs')).reason, 'could not be mended', 'the trail tells why');
SELECT is((SELECT array_agg(from_state || '>' || to_state ORDER BY id) FROM instance_events
	WHERE instance_id = id_of('climbs') AND kind = 'repair'),
	'{restart>failed,restart>failed,restart>failed,restart>failed,logout>failed}', 'and each step');

SELECT pg_temp.connected('of-admin-2', 's', 'admin');
UPDATE instances SET mending = true, mend_rung = 'logout' WHERE name = 'of-admin-2';
SELECT pg_temp.fails('of-admin-2');
SELECT is((SELECT (lifecycle, mending)::text FROM instance('of-admin-2')), '(assigned,f)', 'an admin''s own is left for him');

SELECT pg_temp.ill('rescans');
SELECT pg_temp.mend();
SELECT pg_temp.step('rescans', 'restart', 'it waits for a scan', NULL);
SELECT is((SELECT (from_state, to_state)::text FROM last_event('rescans')), '(restart,unpaired)', 'settled, but not connected: no recovery');

-- alarms ---------------------------------------------------------------------------------------------------------------------

SELECT is((SELECT count(*) FROM alarms_judge(server('calm'))), 0::bigint, 'no trouble, no alarm');
SELECT pg_temp.connected('calm-' || n, 'calm') FROM generate_series(1, 5) n;
SELECT pg_temp.judge('calm-' || n, 'stuck', 'Stuck', 'restart', 3) FROM generate_series(1, 2) n;
SELECT is(is_frozen(server('calm')), false, 'two of five are two sessions'' trouble');
SELECT pg_temp.judge('calm-3', 'stuck', 'Stuck', 'restart', 3);
SELECT is(is_frozen(server('calm')), true, 'most of them: the server''s');
SELECT is((SELECT (raised, kind, reason)::text FROM alarms_judge(server('calm'))),
	'(t,sessions,"3 of 5 connected sessions are in trouble")', 'an alarm is raised');
SELECT is((SELECT count(*) FROM alarms_judge(server('calm'))), 0::bigint, 'once');
SELECT is((SELECT (kind, server_id = server('calm'), reason)::text FROM alarms), '(sessions,t,"3 of 5 connected sessions are in trouble")',
	'and stands to be read');
SELECT is((SELECT count(*) FROM mend_due JOIN instances USING (id) WHERE server_id = server('calm')), 0::bigint, 'repairs freeze');
UPDATE instances SET status = 'STOPPED' WHERE name = 'calm-1';
SELECT is((SELECT name FROM mend_due JOIN instances USING (id) WHERE server_id = server('calm')), 'calm-1',
	'but for one that merely is stopped: it is started');
SELECT is(mend_next(mend_rung, 3, 3), 'logout', 'at another time the next step would be a logout') FROM instance('calm-2');
SELECT is(freeze_is_old(server('calm')), false, 'a while is nothing');
UPDATE alarms SET since = clock_timestamp() - interval '16 minutes';
SELECT is(freeze_is_old(server('s')), false, 'nor of other servers');
SELECT is((SELECT string_agg(name, ' ' ORDER BY name) FROM mend_due JOIN instances USING (id) WHERE server_id = server('calm')), 'calm-1 calm-2 calm-3',
	'after a quarter of an hour restarts go on');
SELECT * FROM mend_claim('1 minute') WHERE server_id = server('calm') \gset frozen_
UPDATE instances SET mend_attempts = 3 WHERE id = :'frozen_id';
SELECT mend_step(:'frozen_id', :'frozen_work_token', 'restart', 'no answer', 1, '1 minute', true);
SELECT is((SELECT (mend_rung, mending)::text FROM instances WHERE id = :'frozen_id'), '(restart,t)', 'but nothing climbs to a logout');
UPDATE alarms SET since = clock_timestamp();
SELECT make('calm-new', 'assigned', 'cn', 'calm');
SELECT pg_temp.judge('calm-new', 'stuck', 'Stuck', 'cleanup', 3);
SELECT is(pg_temp.after('calm-new'), 'assigned stuck left', 'assignments stay');
SELECT is((SELECT count(*) FROM pg_temp.clean('calm-new', 'x', false)), 0::bigint, 'for setup too');
SELECT is((SELECT count(*) FROM alarms_judge(server('s'))), 0::bigint, 'a look at another server does not clear it');
SELECT pg_temp.judge('calm-' || n, 'healthy', 'Connected', 'none', 0) FROM generate_series(1, 3) n;
SELECT is((SELECT (raised, kind)::text FROM alarms_judge(server('calm'))), '(f,sessions)', 'over: cleared');
SELECT is((SELECT count(*) FROM alarms), 0::bigint, 'nothing is left');

UPDATE waha_servers SET ativo = nome IN ('a', 'b', 'c');
UPDATE waha_servers SET health = 'down', health_reason = 'connection refused' WHERE nome = 'a';
SELECT is((SELECT array_agg((raised, kind, reason)::text) FROM alarms_judge(server('a'))), ARRAY['(t,server,"connection refused")'], 'a server is down');
UPDATE waha_servers SET health = 'down' WHERE nome = 'b';
SELECT is((SELECT array_agg((kind, server_id IS NULL, reason)::text ORDER BY kind) FROM alarms_judge(server('b'))),
	ARRAY['(network,t,"2 of 3 servers look down")', '(server,f,"does not answer")'], 'most of them: our network');
SELECT is(is_frozen(server('c')), true, 'everything freezes, also where all is well');
UPDATE waha_servers SET health = 'up' WHERE nome IN ('a', 'b');
INSERT INTO waha_servers (user_id, nome, api_url, health)
SELECT somebody('ana'), 'hers ' || n, 'https://nowhere' || n || '.invalid', 'down' FROM generate_series(1, 9) n;
SELECT is(network_trouble(), NULL, 'servers that users have and that are not there: no trouble of ours');
DELETE FROM waha_servers WHERE nome LIKE 'hers %';
SELECT alarms_judge(server('a'));
SELECT is((SELECT array_agg(kind) FROM alarms), '{server}', 'over; the other server''s own is cleared by the look at it');
UPDATE waha_servers SET ativo = false WHERE nome = 'b';
SELECT alarms_judge(server('a'));
SELECT is((SELECT count(*) FROM alarms), 0::bigint, 'a server that is switched off has none');

-- repairs by hand --------------------------------------------------------------------------------------------------------------

SELECT pg_temp.connected('hand');
SELECT is((SELECT name FROM repair_claim(id_of('hand'), '1 minute')), 'hand', 'leased');
SELECT is((SELECT count(*) FROM repair_claim(id_of('hand'), '1 minute')), 0::bigint, 'once');
SELECT is((SELECT count(*) FROM pg_temp.clean('hand', 'x')), 0::bigint, 'for a cleanup too');
SELECT (instance('hand')).work_token AS token \gset
SELECT is(repair_note(id_of('hand'), gen_random_uuid(), 'restart', 'failed', 'x', 1), false, 'others may not write into its trail');
SELECT is(repair_note(id_of('hand'), :'token', 'restart', 'failed', 'x', 1), true, 'the holder may');
SELECT is(repair_done(id_of('hand'), gen_random_uuid(), true), false, 'nor give it back');
SELECT is(repair_done(id_of('hand'), :'token', true), true, 'given back');
SELECT is((SELECT (lifecycle, next_name <> name, work_token IS NOT NULL, generation)::text
	FROM pg_temp.clean('hand', 'cleaned up by hand')), '(recycling,t,t,1)', 'a cleanup takes it from its owner, and is leased at once');
SELECT is((SELECT count(*) FROM work_claim('1 minute', 100) WHERE id = id_of('hand')), 0::bigint, 'so that no helper does it too');
SELECT make('hand-admin', 'assigned', 'ha', 's', 'admin');
SELECT is((SELECT count(*) FROM pg_temp.clean('hand-admin', 'x')), 0::bigint, 'an admin''s own is not: it would be retired');

-- a cleanup is of what was looked at: somebody was asked, and took his time
CREATE FUNCTION pg_temp.clean_seen(p_seen instances) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM repair_cleanup(p_seen.id, p_seen.epoch, p_seen.generation, 'x', true, '1 minute') $$;
SELECT make('seen', 'assigned', 'before');
SELECT instance('seen') AS seen \gset
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'seen';
UPDATE instances SET generation = generation + 1, work_token = gen_random_uuid() WHERE name = 'seen';
SELECT is(pg_temp.clean_seen(:'seen'), 0::bigint, 'one that is being made anew since is left alone');
UPDATE instances SET lifecycle = 'standby' WHERE name = 'seen';
UPDATE instances SET work_token = NULL, generation = generation - 1 WHERE name = 'seen';
UPDATE instances SET assigned_to_user_id = somebody('after') WHERE name = 'seen';
SELECT is(pg_temp.clean_seen(:'seen'), 0::bigint, 'one that another has since too');
SELECT is((SELECT (lifecycle, assigned_to_user_id = somebody('after'))::text FROM instance('seen')), '(assigned,t)', 'he keeps it');
SELECT is(pg_temp.clean_seen(instance('seen')), 1::bigint, 'looked at again, it is cleaned up');

SELECT * FROM finish();
ROLLBACK;
