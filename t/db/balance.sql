-- servers_for, pool_claim, server_admit: who gets the work.
BEGIN;
SELECT no_plan();

UPDATE waha_servers SET ativo = false;
INSERT INTO waha_servers (nome, api_url, prioridade, max_sessions, health) VALUES
	('a', 'http://a', 10, 4, 'up'), ('b', 'http://b', 8, 4, 'up'), ('c', 'http://c', 8, 4, 'up');
CREATE FUNCTION pg_temp.best(p_user uuid DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(s.nome, ' ') FROM (SELECT * FROM servers_for(p_user)) f JOIN waha_servers s ON s.id = f.server_id $$;

-- priority, load, then who has waited longest ---------------------------------------------------------

UPDATE waha_servers SET used_at = now() - CASE nome WHEN 'b' THEN interval '1 s' ELSE interval '2 s' END;
SELECT is(pg_temp.best(), 'a c b', 'of two equals the one that was given none for longest');
SELECT server_used(server('c'));
SELECT is(pg_temp.best(), 'a b c', 'being given one puts it last');
SELECT make('b-1', 'standby', 'x', 'b');
SELECT is(pg_temp.best(), 'a c b', 'but load comes first');
UPDATE waha_servers SET used_at = now() - interval '1 hour' WHERE nome = 'b';
SELECT lives_ok($$SELECT claims('ana')$$, 'a claim');
SELECT ok(used_at > now() - interval '1 minute', 'is work given') FROM waha_servers WHERE nome = 'b';

-- slow start --------------------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.firsts(p_n integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM generate_series(1, p_n) n CROSS JOIN LATERAL
		(SELECT n, server_id FROM servers_for(CASE WHEN n > 0 THEN NULL::uuid END) LIMIT 1) f
	WHERE f.server_id = server('a') $$;
UPDATE waha_servers SET health = 'down' WHERE nome = 'a';
SELECT is(pg_temp.firsts(20), 0::bigint, 'a server that is down is not the first');
UPDATE waha_servers SET health = 'up' WHERE nome = 'a';
SELECT ok(up_since IS NOT NULL, 'its return is written down') FROM waha_servers WHERE nome = 'a';
SELECT cmp_ok(pg_temp.firsts(1000), '<', 250::bigint, 'and at first it gets little of what would be all its');
UPDATE waha_servers SET up_since = clock_timestamp() - interval '30 s' WHERE nome = 'a';
SELECT ok(pg_temp.firsts(1000) BETWEEN 350 AND 650, 'half of it after half a minute');
UPDATE waha_servers SET up_since = clock_timestamp() - interval '61 s' WHERE nome = 'a';
SELECT is(pg_temp.firsts(200), 200::bigint, 'and all of it after a minute');
UPDATE waha_servers SET health = 'unknown', up_since = NULL WHERE nome = 'a';
UPDATE waha_servers SET health = 'up' WHERE nome = 'a';
SELECT is(pg_temp.firsts(200), 200::bigint, 'a new server need not start slowly');
UPDATE waha_servers SET ativo = nome = 'a', up_since = clock_timestamp() WHERE nome IN ('a', 'b', 'c');
SELECT is(pg_temp.firsts(20), 20::bigint, 'nor does the only one');
UPDATE waha_servers SET ativo = true, up_since = NULL WHERE nome IN ('a', 'b', 'c');

-- a user's own servers --------------------------------------------------------------------------------

INSERT INTO waha_servers (nome, api_url, max_sessions, health, user_id)
VALUES ('olga-1', 'http://o1', 1, 'up', somebody('olga')), ('olga-2', 'http://o2', 1, 'up', somebody('olga'));
SELECT make_many('pool', 3, 'standby', 'a');
CREATE FUNCTION pg_temp.claimed_on(p_who text, p_device text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT nome FROM waha_servers WHERE id = (claims(p_who, p_device)).server_id);
END $$;
SELECT is((SELECT (outcome, generation)::text FROM claims('olga')), '(claimed,0)',
	'nothing stands by on her own server: one is made for her, whose session is yet to be made');
SELECT is((SELECT (s.user_id = somebody('olga'), i.lifecycle, i.epoch)::text
	FROM instances i JOIN waha_servers s ON s.id = i.server_id WHERE assigned_to_user_id = somebody('olga')),
	'(t,assigned,1)', 'it is on her own server');
SELECT is((SELECT outcome FROM claims('olga')), 'own', 'it is hers');
SELECT is((SELECT count(*) FROM instances i JOIN waha_servers s ON s.id = i.server_id WHERE s.user_id IS NOT NULL), 1::bigint,
	'and was made once');
SELECT matches(pg_temp.claimed_on('olga', 'second'), '^olga',
	'her second is on her other server');
SELECT is(pg_temp.claimed_on('olga', 'third'), 'a',
	'when hers are full she is served by the platform''s');
SELECT is(pg_temp.claimed_on('paul', 'd'), 'a', 'others never by hers');
SELECT is_empty('SELECT wrong_counts()', 'every server''s count is true');
SELECT is((SELECT count(*) FROM waha_servers WHERE sessions_ativas > max_sessions), 0::bigint, 'and no limit is exceeded');

-- servers that were tried are not tried again -------------------------------------------------------------

SELECT make_many('bb', 2, 'standby', 'b');
SELECT make_many('cc', 1, 'standby', 'c');
SELECT is((claims('rui')).server_id, server('a'), 'given one of a');
SELECT is((SELECT server_id FROM pool_swap(i.id, i.epoch, 'x', 0, ARRAY[server('a')])), server('c'), 'swapped for one of the next')
FROM instances i WHERE assigned_to_user_id = somebody('rui');
SELECT is((SELECT server_id FROM pool_swap(i.id, i.epoch, 'x', 0, ARRAY[server('a'), server('c')])), server('b'), 'and of the next')
FROM instances i WHERE assigned_to_user_id = somebody('rui');
SELECT is((SELECT (outcome, server_id = server('b'))::text
	FROM pool_swap(i.id, i.epoch, 'x', 0, ARRAY[server('a'), server('b'), server('c')])), '(own,t)', 'until there is none: he keeps the last')
FROM instances i WHERE assigned_to_user_id = somebody('rui');

-- rate_limit --------------------------------------------------------------------------------------------

UPDATE waha_servers SET rate_limit = 0 WHERE nome = 'a';
UPDATE waha_servers SET rate_limit = 60 WHERE nome = 'b';
UPDATE waha_servers SET rate_limit = 1 WHERE nome = 'c';
SELECT is((SELECT max(server_admit(server('a'), '0')) FROM generate_series(1, 200)), interval '0', '0 is no limit');
SELECT is((SELECT count(*) FROM server_rate), 0::bigint, 'and costs no row');
SELECT is((SELECT count(server_admit(server('b'), '0')) FROM generate_series(1, 200)), 15::bigint,
	'a quarter of a minute''s requests may come at once');
SELECT is((SELECT count(server_admit(server('b'), '59 seconds')) FROM generate_series(1, 200)), 45::bigint,
	'and in the minute that follows no more than the rest');
SELECT is(server_admit(server('b'), '1 s'), NULL, 'who would wait for longer than he can is told at once');
UPDATE server_rate SET tat = tat - interval '1 minute';
SELECT cmp_ok(server_admit(server('b'), '1 s'), '<=', interval '1 s', 'a refusal has taken nothing from those who come later');
SELECT is(server_admit(server('c'), '0'), interval '0', 'of one a minute the first goes');
SELECT is(server_admit(server('c'), '59 s'), NULL, 'the second does not go in the same minute');
SELECT ok(wait BETWEEN '59 s' AND '60 s', 'but a minute later') FROM server_admit(server('c'), '61 s') wait;
SELECT is(server_admit(gen_random_uuid(), '0'), interval '0', 'a server that has gone limits nobody');
UPDATE server_rate SET tat = now() - interval '1 minute';
SELECT is((SELECT count(server_admit(server('b'), '0', true)) FROM generate_series(1, 200)), 7::bigint,
	'who is patient takes half of what may come at once');
SELECT is((SELECT count(server_admit(server('b'), '0')) FROM generate_series(1, 200)), 8::bigint, 'and leaves the rest to the others');
SELECT is(server_admit(server('b'), '0', true), NULL, 'he waits until they have had enough');

SELECT * FROM finish();
ROLLBACK;
