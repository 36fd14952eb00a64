-- The tables and columns that others rely on, and what they refuse.
BEGIN;
SELECT no_plan();

SELECT tables_are('public', ARRAY['alarms', 'claim_turns', 'clientes', 'counters', 'deliveries', 'devices', 'early_acks', 'event_lanes', 'event_subscriptions', 'helper_runs',
	'idempotency_keys', 'installation', 'instance_events', 'instances', 'messages', 'orphans', 'outbox', 'pairing_looks', 'pairing_runs', 'pool_samples', 'pool_wants', 'server_rate', 'server_samples', 'start_turns', 'stream_ends', 'users', 'waha_servers', 'webhook_events', 'webhook_intake']);
SELECT views_are('public', ARRAY['look_bounds', 'look_histogram', 'lost_due', 'mend_due', 'outbox_status', 'pool_now', 'pool_status', 'waha_sessions', 'whatsapp_instances']);

-- seed 001's table --------------------------------------------------------------------------------

SELECT results_eq(
	$$SELECT attname::text COLLATE "default" FROM pg_attribute
	  WHERE attrelid = 'waha_servers'::regclass AND attnum BETWEEN 1 AND 17 ORDER BY attnum$$,
	ARRAY['id', 'user_id', 'nome', 'api_url', 'api_key', 'descricao', 'ativo', 'webhook_url',
		'webhook_secret', 'timeout', 'retry_attempts', 'rate_limit', 'prioridade', 'max_sessions',
		'sessions_ativas', 'created_at', 'updated_at'],
	'the first 17 columns of waha_servers are the documented ones, in their order');
SELECT col_type_is('waha_servers', c, t, format('waha_servers.%s is %s', c, t))
FROM (VALUES ('id', 'uuid'), ('user_id', 'uuid'), ('nome', 'character varying(255)'), ('api_url', 'text'),
	('api_key', 'text'), ('descricao', 'text'), ('ativo', 'boolean'), ('webhook_url', 'text'),
	('webhook_secret', 'text'), ('timeout', 'integer'), ('retry_attempts', 'integer'),
	('rate_limit', 'integer'), ('prioridade', 'integer'), ('max_sessions', 'integer'),
	('sessions_ativas', 'integer'), ('created_at', 'timestamp without time zone'),
	('updated_at', 'timestamp without time zone')) AS documented (c, t);
SELECT has_index('waha_servers', 'waha_servers_user_id_idx', 'user_id', 'indexed by user_id');
SELECT has_index('waha_servers', 'waha_servers_ativo_idx', 'ativo', 'indexed by ativo');
SELECT has_index('waha_servers', 'waha_servers_prioridade_idx', 'prioridade', 'indexed by prioridade');

SELECT somebody('ana') AS user_id \gset

-- "Cenário 1" as printed, with the user's id filled in
INSERT INTO waha_servers VALUES (
    gen_random_uuid(), :'user_id', 'Principal',
    'https://waha-prod.com', 'key1',
    'Servidor principal', true,
    NULL, NULL, 30, 3, 100, 10, 100, 0,
    NOW(), NOW()
);
INSERT INTO waha_servers VALUES (
    gen_random_uuid(), :'user_id', 'Backup',
    'https://waha-backup.com', 'key2',
    'Servidor de backup', true,
    NULL, NULL, 30, 3, 100, 5, 50, 0,
    NOW(), NOW()
);
SELECT results_eq(
	$$SELECT nome::text, api_url, api_key, descricao, ativo, timeout, retry_attempts, rate_limit, prioridade,
	  max_sessions, sessions_ativas FROM waha_servers ORDER BY prioridade DESC$$,
	$$VALUES ('Principal', 'https://waha-prod.com', 'key1', 'Servidor principal', true, 30, 3, 100, 10, 100, 0),
	  ('Backup', 'https://waha-backup.com', 'key2', 'Servidor de backup', true, 30, 3, 100, 5, 50, 0)$$,
	'the insert by position puts every value where it belongs');

-- "Migração do Schema Antigo" as printed
CREATE TEMPORARY TABLE old_config AS
SELECT 1 AS id, 'https://antigo.example.org' AS api_url, 'k' AS api_key, NULL::text AS webhook_url,
	NULL::text AS webhook_secret, 20 AS timeout, 2 AS retry_attempts, 50 AS rate_limit;
ALTER TABLE old_config RENAME TO waha_config;
SELECT lives_ok(
	format($$INSERT INTO public.waha_servers (user_id, nome, api_url, api_key, webhook_url, webhook_secret,
	      timeout, retry_attempts, rate_limit, prioridade, max_sessions)
	SELECT %L::uuid as user_id, 'Servidor Padrão' as nome, api_url, api_key, webhook_url, webhook_secret,
	      timeout, retry_attempts, rate_limit, 10 as prioridade, 50 as max_sessions
	FROM waha_config WHERE id = 1$$, :'user_id'),
	'rows of the former singleton move over');

-- what waha_servers refuses -----------------------------------------------------------------------

SELECT throws_ok(
	format($$INSERT INTO waha_servers (user_id, nome, api_url) VALUES (%L, 'x', 'https://waha-prod.com')$$, :'user_id'),
	'23505', NULL, 'a user has a URL once');
SELECT lives_ok(
	$$INSERT INTO waha_servers (user_id, nome, api_url) VALUES (somebody('bea'), 'x', 'https://waha-prod.com')$$,
	'another user may have it too');
INSERT INTO waha_servers (nome, api_url) VALUES ('platform', 'https://waha.example.org');
SELECT throws_ok(
	$$INSERT INTO waha_servers (nome, api_url) VALUES ('platform again', 'https://waha.example.org')$$,
	'23505', NULL, 'the platform has a URL once, though its user_id is NULL');
SELECT throws_ok(
	format($$INSERT INTO waha_servers (nome, api_url, %s) VALUES ('n', 'http://n', %L)$$, col, val),
	'23514', NULL, format('%s = %s is refused', col, val))
FROM (VALUES ('prioridade', '11'), ('prioridade', '-1'), ('timeout', '0'), ('timeout', '301'),
	('retry_attempts', '-1'), ('retry_attempts', '21'), ('rate_limit', '-1'), ('max_sessions', '-1'),
	('kind', 'telegram'), ('health', 'fine')) AS bad (col, val);
SELECT throws_ok(format($$INSERT INTO waha_servers (nome, api_url) VALUES (%L, %L)$$, n, u),
	'23514', NULL, format('a server %L at %L is refused', n, u))
FROM (VALUES ('', 'http://a'), ('n', ''), ('n', 'a.example.org'), ('n', 'ftp://a'), ('n', 'http://a b'),
	('n', E'http://a\nb'), ('n', 'file:///etc/passwd')) AS bad (n, u);
SELECT is(
	(SELECT (health, kind, failures, ativo, sessions_ativas)::text FROM waha_servers WHERE nome = 'platform'),
	'(unknown,waha,0,t,0)', 'what a new server begins as');

-- users and devices ---------------------------------------------------------------------------------

INSERT INTO users (email, password_hash) VALUES ('login@example.org', 'x');
SELECT throws_ok($$INSERT INTO users (email, password_hash) VALUES ('LOGIN@example.org', 'y')$$, '23505', NULL,
	'a login is one user''s, in any case');
SELECT lives_ok($$INSERT INTO users DEFAULT VALUES; INSERT INTO users DEFAULT VALUES$$,
	'users without e-mail are many');
SELECT throws_ok($$INSERT INTO users (role) VALUES ('root')$$, '23514', NULL, 'roles are user and admin');
SELECT lives_ok($$INSERT INTO devices (user_id, is_default) VALUES (somebody('cid'), true),
	(somebody('cid'), false), (somebody('cid'), false)$$, 'a user has many devices');
SELECT throws_ok($$INSERT INTO devices (user_id, is_default) VALUES (somebody('cid'), true)$$, '23505', NULL,
	'but one default');

-- ensure_user, device_of ----------------------------------------------------------------------------

\set stranger 7f9c24e8-3b0a-4c7e-9d6f-2b1e8a5c4d30
\set other 7f9c24e8-3b0a-4c7e-9d6f-2b1e8a5c4d31
SELECT ensure_user(:'stranger', 'novo@example.org');
SELECT is((SELECT email FROM users WHERE id = :'stranger'), 'novo@example.org', 'a token''s user is made');
SELECT ensure_user(:'stranger', 'changed@example.org');
SELECT is((SELECT email FROM users WHERE id = :'stranger'), 'novo@example.org', 'once: his e-mail stays');
SELECT ensure_user(:'other', 'NOVO@example.org');
SELECT is((SELECT count(*) FROM users WHERE id = :'other' AND email = 'NOVO@example.org'), 1::bigint,
	'an e-mail that a token claims is a label: others may have it too');
SELECT ok(device_of(:'stranger', NULL) = device_of(:'stranger', NULL), 'the default device is made once');
SELECT is((SELECT count(*) FROM devices WHERE user_id = :'stranger'), 1::bigint, 'one row');
SELECT ok(device_of(:'other', device_of(:'stranger', NULL)) IS NULL, 'another''s device is nobody''s');

-- instances -----------------------------------------------------------------------------------------

SELECT index_is_unique('instances', 'instances_one_per_device');
SELECT has_index('instances', 'instances_standby', ARRAY['server_id', 'lifecycle_at'], 'free ones are indexed');
SELECT has_index('instances', 'instances_work', ARRAY['server_id', 'work_next_at'], 'work is indexed');
SELECT has_index('instances', 'instances_name_idx', ARRAY['name', 'id'], 'webhooks find a session by its name');
SELECT has_trigger('instances', t, format('trigger %s', t))
FROM unnest(ARRAY['transition', 'begin_life', 'came', 'went', 'changed']) t;
SELECT make('one', 'provisioning');
SELECT throws_ok($$INSERT INTO instances (name, server_id) VALUES ('one', server('s'))$$, '23505', NULL,
	'a server has a session''s name once');
SELECT lives_ok($$INSERT INTO instances (name, server_id) VALUES ('one', server('s2'))$$, 'another may have it too');
SELECT throws_ok($$INSERT INTO instances (name, server_id) VALUES ('', server('s'))$$, '23514', NULL, 'a name is not empty');
SELECT throws_ok($$INSERT INTO instances (name, server_id, lifecycle) VALUES ('x', server('s'), 'lost')$$,
	'23514', NULL, 'an unknown state is refused');
SELECT throws_ok($$INSERT INTO instances (name, server_id, lifecycle) VALUES ('x', server('s'), 'assigned')$$,
	'23514', NULL, 'assigned to nobody is refused');
SELECT throws_ok(
	$$INSERT INTO instances (name, server_id, assigned_to_user_id) VALUES ('x', server('s'), somebody('ana'))$$,
	'23514', NULL, 'so is an owner of what is being made');
SELECT throws_ok($$INSERT INTO instances (name, server_id, device_id) VALUES ('x', server('s'), device('ana', 'd'))$$,
	'23514', NULL, 'and a device without an owner');
SELECT throws_ok($$DELETE FROM waha_servers WHERE nome = 's'$$, '23503', NULL,
	'a server that has instances is not deleted');

SELECT is_empty($$
	SELECT oid::regprocedure::text FROM pg_proc
	WHERE pronamespace = 'public'::regnamespace AND provolatile = 'i' AND proparallel <> 's'$$,
	'what only computes may be computed in parallel');
SELECT is_empty($$
	SELECT oid::regprocedure::text FROM pg_proc
	WHERE pronamespace = 'public'::regnamespace AND prosecdef
		AND NOT coalesce('search_path=public, pg_temp' = ANY (proconfig), false)$$,
	'what runs with its owner''s rights finds its tables, and nobody else''s, by their names');


SELECT * FROM finish();
ROLLBACK;
