-- Servers as their owners keep them: revisions, what a change of the gateway itself resets, removal.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.revision(p_server text) RETURNS bigint LANGUAGE sql AS $$
	SELECT revision FROM waha_servers WHERE nome = p_server $$;
CREATE FUNCTION pg_temp.removes(p_server text, p_as text DEFAULT NULL, p_revision bigint DEFAULT 0,
	p_drain boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
	SELECT registry_remove(server(p_server), CASE WHEN p_as <> 'admin' THEN somebody(p_as) END, p_as = 'admin',
		p_revision, p_drain) $$;
INSERT INTO waha_servers (nome, api_url, user_id, health, failures, health_reason) VALUES
	('hers', 'http://hers', somebody('ana'), 'up', 0, NULL), ('ours', 'http://ours', NULL, 'down', 3, 'refused');

-- Revisions -------------------------------------------------------------------------------------------

SELECT is(pg_temp.revision('hers'), 1::bigint, 'a server begins with its first revision');
UPDATE waha_servers SET descricao = 'x' WHERE nome = 'hers';
SELECT is(pg_temp.revision('hers'), 2::bigint, 'a change makes another');
UPDATE waha_servers SET descricao = 'x', prioridade = prioridade WHERE nome = 'hers';
SELECT is(pg_temp.revision('hers'), 2::bigint, 'writing what is there makes none');
UPDATE waha_servers SET timeout = 7, revision = revision + 1 WHERE nome = 'hers';
SELECT is(pg_temp.revision('hers'), 3::bigint, 'who counts by himself is not counted twice');
UPDATE waha_servers SET health = 'down', failures = 3, checked_at = now(), version = '2026', used_at = now(), sessions_ativas = 9
WHERE nome = 'hers';
SELECT is(pg_temp.revision('hers'), 3::bigint, 'what wapool finds out is none');
UPDATE waha_servers SET api_key = 'new' WHERE nome = 'hers';
SELECT is(pg_temp.revision('hers'), 4::bigint, 'a key written by hand is one');
UPDATE waha_servers SET api_key_sealed = 'sealed:v1:x', api_key = NULL WHERE nome = 'hers';
SELECT is(pg_temp.revision('hers'), 4::bigint, 'sealing it is none');

-- Another gateway -------------------------------------------------------------------------------------

SELECT is((SELECT (health, health_reason, failures)::text FROM waha_servers WHERE nome = 'hers'), '(unknown,,0)',
	'asked with another key, it has to show anew how it is');
UPDATE waha_servers SET check_next_at = 'infinity', prioridade = 3 WHERE nome = 'ours';
SELECT is((SELECT (health, failures)::text FROM waha_servers WHERE nome = 'ours'), '(down,3)', 'another priority changes nothing of that');
UPDATE waha_servers SET api_url = 'http://moved' WHERE nome = 'ours';
SELECT is((SELECT (health, health_reason, failures, check_next_at <= now())::text FROM waha_servers WHERE nome = 'ours'),
	'(unknown,,0,t)', 'another address does, and is looked at at once');
UPDATE waha_servers SET health = 'up', kind = 'gowa' WHERE nome = 'ours';
SELECT is((SELECT health FROM waha_servers WHERE nome = 'ours'), 'unknown', 'so does another kind');
SELECT make('there', 'standby', 'x', 'ours');
SELECT throws_ok($$UPDATE waha_servers SET kind = 'waha' WHERE nome = 'ours'$$, '23001', NULL,
	'with sessions its kind stays');
SELECT lives_ok($$UPDATE waha_servers SET api_url = 'http://ours' WHERE nome = 'ours'$$, 'its address need not');

-- Removal ---------------------------------------------------------------------------------------------

SELECT is(pg_temp.removes('hers', 'bea'), 'absent', 'another''s server is not there');
SELECT is(pg_temp.removes('ours', 'ana'), 'absent', 'nor is the platform''s, to a user');
SELECT is(registry_remove(gen_random_uuid(), NULL, true, 0, false), 'absent', 'nor one that is not');
SELECT is(pg_temp.removes('hers', 'ana', 1), 'stale', 'who has read an older revision is told');
SELECT make('live', 'assigned', 'ana', 'hers');
SELECT is(pg_temp.removes('hers', 'ana', 4), 'busy', 'with a live session it stays');
SELECT is((SELECT count(*) FROM waha_servers WHERE nome = 'hers' AND removing_at IS NULL AND draining_at IS NULL), 1::bigint,
	'as it was');
SELECT is(pg_temp.removes('hers', 'ana', 0, true), 'draining', 'unless it may be drained first');
SELECT is(pg_temp.removes('hers', 'ana', 0, true), 'draining', 'asking twice is no harm');
SELECT is((SELECT drain_state(s) FROM waha_servers s WHERE nome = 'hers'), 'draining', 'it is being drained');
SELECT is(lifecycle('live'), 'assigned', 'its owner keeps his session');
SELECT is(registry_sweep(), 0, 'it is not removed while he does');
SELECT is_empty(format('SELECT FROM servers_for(%L) WHERE server_id = %L', somebody('ana'), server('hers')),
	'and gets nothing new');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'live';
SELECT is(registry_sweep(), 0, 'nor while a session is being emptied');
SELECT work_done(id, work_token) FROM work_claim('1 minute', 100);
SELECT is(registry_sweep(), 1, 'then it is');
SELECT is((SELECT count(*) FROM waha_servers WHERE nome = 'hers'), 0::bigint, 'it is gone');
SELECT is((SELECT count(*) FROM instances WHERE name LIKE 'live%'), 0::bigint, 'with what was left of it');
SELECT is(registry_sweep(), 0, 'and nothing else goes');
SELECT is(pg_temp.removes('ours', 'admin'), 'busy', 'what stands by is a session too');
SELECT is(pg_temp.removes('ours', 'admin', 0, true), 'draining', 'an administrator drains the platform''s');
UPDATE waha_servers SET removing_at = NULL WHERE nome = 'ours';
SELECT work_done(id, work_token) FROM work_claim('1 minute', 100);
SELECT is((SELECT sessions_ativas FROM waha_servers WHERE nome = 'ours'), 0, 'it is empty');
SELECT is(registry_sweep(), 0, 'who was taken back stays');
SELECT is(pg_temp.removes('ours', 'admin'), 'removed', 'an empty one is removed at once');

-- With many events ----------------------------------------------------------------------------------------

INSERT INTO waha_servers (nome, api_url, user_id) VALUES ('much', 'http://much', somebody('ana')), ('little', 'http://little', somebody('ana'));
SELECT make('old', 'retired', 'ana', 'much');
INSERT INTO webhook_events (server_id, dedupe, event, outcome, instance_id)
SELECT server('much'), n, 'message', 'kept', id_of('old') FROM generate_series(1, 25000) n;
INSERT INTO webhook_events (server_id, dedupe, event, outcome) VALUES (server('little'), 'x', 'message', 'kept');
SELECT is(pg_temp.removes('much', 'ana'), 'draining', 'one with more events than can be deleted at once goes later');
UPDATE waha_servers SET removing_at = now() WHERE nome = 'little';
SELECT is(registry_sweep(), 1, 'another does not wait for it');
SELECT is((SELECT string_agg(nome, ' ') FROM waha_servers WHERE nome IN ('much', 'little')), 'much', 'which was the second');
SELECT is(registry_sweep(), 1, 'until there are few');
SELECT is((SELECT count(*) FROM webhook_events), 0::bigint, 'with all that was theirs');

SELECT * FROM finish();
ROLLBACK;
