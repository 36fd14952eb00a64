-- Every statement that seeds 000, 001 and 003 print (but CREATE and ALTER), as it is printed with the
-- placeholders filled in: it runs, and does what the seed says. Then the same as the role of a hosting's
-- user, who sees and writes what is his.
BEGIN;
SELECT no_plan();

SELECT somebody('ana') AS user_id, somebody('bea') AS other \gset
CREATE FUNCTION pg_temp.as_user(p_id uuid) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('request.jwt.claims', json_build_object('sub', p_id, 'role', 'authenticated')::text, true) $$;

-- Seed 000 -------------------------------------------------------------------------------------------------

-- t/db/monitoring.sql has its statements. Its health row too:
SELECT make('nome-da-instancia', 'assigned', 'bea', 's000');
UPDATE instances
SET assigned_to_user_id = NULL, status = 'disconnected'
WHERE name = 'nome-da-instancia';
SELECT is(lifecycle('nome-da-instancia'), 'recycling', '000: released by hand');

-- Seed 001: servers -------------------------------------------------------------------------------------------

INSERT INTO public.waha_servers (
    user_id,
    nome,
    api_url,
    api_key,
    descricao,
    prioridade,
    max_sessions
) VALUES (
    :'user_id',
    'Servidor Principal',
    'https://waha1.seudominio.com',
    'sua-api-key',
    'Servidor principal de produção',
    10, -- Prioridade alta
    50  -- Máximo 50 sessões
);
INSERT INTO public.waha_servers (
    user_id,
    nome,
    api_url,
    prioridade,
    max_sessions
) VALUES (
    :'user_id',
    'Servidor Backup',
    'https://waha2.seudominio.com',
    5,  -- Prioridade média
    30
);
INSERT INTO public.waha_servers (
    user_id,
    nome,
    api_url,
    ativo,
    max_sessions
) VALUES (
    :'user_id',
    'Servidor de Teste',
    'https://waha-test.seudominio.com',
    false, -- Desativado por padrão
    10
);
PREPARE listar(uuid) AS
SELECT 
    nome,
    api_url,
    ativo,
    sessions_ativas,
    max_sessions,
    prioridade
FROM public.waha_servers
WHERE user_id = $1
ORDER BY prioridade DESC, nome;
SELECT results_eq(format('EXECUTE listar(%L)', :'user_id'),
	$$VALUES ('Servidor Principal'::varchar, 'https://waha1.seudominio.com', true, 0, 50, 10),
	  ('Servidor Backup', 'https://waha2.seudominio.com', true, 0, 30, 5),
	  ('Servidor de Teste', 'https://waha-test.seudominio.com', false, 0, 10, 0)$$,
	'001: the user''s servers, best first');
SELECT is((SELECT nome FROM public.get_available_waha_server(:'user_id')), 'Servidor Principal', '001: the best available one');
SELECT is((SELECT count(*) FROM get_available_waha_server(:'other')), (SELECT count(*) FROM waha_servers
	WHERE nome = 's000'), 'another user is not given hers, but the platform''s');

-- Seed 001: a session on a given server --------------------------------------------------------------------------

SELECT id AS server_id FROM waha_servers WHERE nome = 'Servidor Principal' \gset
INSERT INTO public.waha_sessions (
    user_id,
    waha_server_id,
    session_name,
    status
) VALUES (
    :'user_id',
    :'server_id',
    'sessao-cliente-001',
    'connecting'
);
UPDATE public.waha_servers
SET sessions_ativas = sessions_ativas + 1
WHERE id = :'server_id';
SELECT results_eq($$SELECT user_id, waha_server_id, session_name, status, phone_number, qr_code FROM waha_sessions
	WHERE session_name = 'sessao-cliente-001'$$,
	format($$VALUES (%L::uuid, %L::uuid, 'sessao-cliente-001'::varchar, 'connecting'::varchar, NULL::varchar, NULL::text)$$,
		:'user_id', :'server_id'), '001: the session is there');
SELECT is((SELECT sessions_ativas FROM waha_servers WHERE id = :'server_id'), 1, 'counted once, whoever counts');
SELECT is((SELECT (lifecycle, origin, assigned_to_user_id = :'user_id')::text FROM instance('sessao-cliente-001')),
	'(assigned,user,t)', 'it is an instance of hers');
SELECT is((SELECT d.nome FROM devices d JOIN instances i ON i.device_id = d.id WHERE i.name = 'sessao-cliente-001'),
	'sessao-cliente-001', 'with a device of its own');
INSERT INTO waha_sessions (user_id, waha_server_id, session_name, status)
VALUES (:'user_id', :'server_id', 'sessao-cliente-002', 'connecting');
SELECT is((SELECT count(DISTINCT device_id) FROM instances WHERE assigned_to_user_id = :'user_id'), 2::bigint,
	'a user may have many');
SELECT throws_ok(format($$INSERT INTO waha_sessions (user_id, waha_server_id, session_name, status)
	VALUES (%L, %L, 'sessao-cliente-002', 'connecting')$$, :'user_id', :'server_id'), '23505', NULL, 'a server has a name once');
SELECT throws_ok(format($$INSERT INTO waha_sessions (user_id, waha_server_id, session_name)
	VALUES (%L, %L, 'x')$$, :'other', :'server_id'), '23503', NULL, 'nobody gets a session on another user''s server');
INSERT INTO waha_sessions (user_id, session_name) VALUES (:'user_id', 'escolhida');
SELECT is((SELECT waha_server_id FROM waha_sessions WHERE session_name = 'escolhida'), :'server_id', 'without a server, the best one');
UPDATE waha_sessions SET status = 'connected', phone_number = '5511999999999@c.us', qr_code = 'data:image/png;base64,x'
WHERE session_name = 'sessao-cliente-002';
SELECT is((SELECT (s.status, s.phone_number, s.qr_code, i.status)::text FROM waha_sessions s JOIN instances i USING (id)
	WHERE session_name = 'sessao-cliente-002'), '(connected,5511999999999@c.us,,WORKING)', 'what is written is read; a QR is not kept');
SELECT throws_ok($$UPDATE waha_sessions SET session_name = 'y' WHERE session_name = 'sessao-cliente-002'$$, '23514', NULL,
	'a session keeps its name');
DELETE FROM waha_sessions WHERE session_name = 'sessao-cliente-002';
SELECT is((SELECT (lifecycle, origin, assigned_to_user_id, phone_number)::text FROM instance('sessao-cliente-002')),
	'(recycling,pool,,)', 'deleted, it is released and will be emptied');
SELECT release_unpaired('0');
SELECT is(lifecycle('sessao-cliente-001'), 'assigned', 'what a hand inserted is not taken away for not being paired');
SELECT columns_are('waha_sessions', ARRAY['id', 'user_id', 'waha_server_id', 'session_name', 'status', 'phone_number',
	'profile_name', 'qr_code', 'last_connected_at', 'created_at', 'updated_at']);

-- Seed 001: the scenarios, by position ---------------------------------------------------------------------------

INSERT INTO waha_servers VALUES (
    gen_random_uuid(), :'other', 'Principal',
    'https://waha-prod.com', 'key1',
    'Servidor principal', true,
    NULL, NULL, 30, 3, 100, 10, 100, 0,
    NOW(), NOW()
);
INSERT INTO waha_servers VALUES (
    gen_random_uuid(), :'other', 'Backup',
    'https://waha-backup.com', 'key2',
    'Servidor de backup', true,
    NULL, NULL, 30, 3, 100, 5, 50, 0,
    NOW(), NOW()
);
SELECT is((SELECT nome FROM get_available_waha_server(:'other')), 'Principal', '001, 1: the main one first');
UPDATE waha_servers SET max_sessions = 0 WHERE nome = 'Principal';
SELECT is((SELECT nome FROM get_available_waha_server(:'other')), 'Backup', 'when it is full, the backup');
UPDATE waha_servers SET max_sessions = 100, health = 'down' WHERE nome = 'Principal';
SELECT is((SELECT nome FROM get_available_waha_server(:'other')), 'Backup', 'when it fails, the backup');
SELECT somebody('cid') AS cid, somebody('dora') AS dora \gset
INSERT INTO waha_servers VALUES (gen_random_uuid(), :'cid', 'Brasil', 'https://waha-br.com', 'key', 'Servidor Brasil', true, NULL, NULL, 30, 3, 100, 10, 50, 0, NOW(), NOW());
INSERT INTO waha_servers VALUES (gen_random_uuid(), :'cid', 'EUA', 'https://waha-us.com', 'key', 'Servidor EUA', true, NULL, NULL, 30, 3, 100, 8, 50, 0, NOW(), NOW());
INSERT INTO waha_servers VALUES (gen_random_uuid(), :'cid', 'Europa', 'https://waha-eu.com', 'key', 'Servidor Europa', true, NULL, NULL, 30, 3, 100, 6, 50, 0, NOW(), NOW());
SELECT is((SELECT array_agg(nome ORDER BY prioridade DESC)::text FROM waha_servers WHERE user_id = :'cid'), '{Brasil,EUA,Europa}', '001, 2: by regions');
SELECT is((SELECT nome FROM get_available_waha_server(:'cid')), 'Brasil', 'the nearest first');
INSERT INTO waha_servers VALUES (gen_random_uuid(), :'dora', 'Produção', 'https://waha-p.com', 'key', 'Produção', true, NULL, NULL, 30, 3, 100, 10, 50, 0, NOW(), NOW());
INSERT INTO waha_servers VALUES (gen_random_uuid(), :'dora', 'Teste', 'https://waha-t.com', 'key', 'Teste', false, NULL, NULL, 30, 3, 100, 0, 50, 0, NOW(), NOW());
SELECT is((SELECT array_agg(nome::text) FROM servers_for(:'dora') f JOIN waha_servers s ON s.id = f.server_id
	WHERE s.user_id IS NOT NULL), ARRAY['Produção'], '001, 3: what is for tests is not used');

-- Seed 001: the singleton of former times ---------------------------------------------------------------------------

CREATE TABLE waha_config (id integer PRIMARY KEY, api_url text, api_key text, webhook_url text, webhook_secret text,
	timeout integer, retry_attempts integer, rate_limit integer);
INSERT INTO waha_config VALUES (1, 'https://waha-antigo.com', 'chave', 'https://app/webhook', 'segredo', 45, 2, 60);
SELECT is(waha_config_migrate(), 1, 'waha_config is taken over at the deploy');
SELECT is(waha_config_migrate(), 0, 'once');
SELECT is((SELECT (user_id, nome, api_key, timeout, retry_attempts, rate_limit, prioridade, max_sessions)::text
	FROM waha_servers WHERE api_url = 'https://waha-antigo.com'), '(,"Servidor Padrão",chave,45,2,60,10,50)', 'as the platform''s');
INSERT INTO public.waha_servers (
    user_id,
    nome,
    api_url,
    api_key,
    webhook_url,
    webhook_secret,
    timeout,
    retry_attempts,
    rate_limit,
    prioridade,
    max_sessions
)
SELECT 
    :'user_id' as user_id,
    'Servidor Padrão' as nome,
    api_url,
    api_key,
    webhook_url,
    webhook_secret,
    timeout,
    retry_attempts,
    rate_limit,
    10 as prioridade, -- Alta prioridade
    50 as max_sessions
FROM public.waha_config
WHERE id = 1;
SELECT is((SELECT (nome, timeout, rate_limit)::text FROM waha_servers
	WHERE api_url = 'https://waha-antigo.com' AND user_id = :'user_id'), '("Servidor Padrão",45,60)', '001: and by hand to a user');
SELECT lives_ok('DROP TABLE public.waha_config', '001: the old table may go');

-- Seed 003 ----------------------------------------------------------------------------------------------------

INSERT INTO waha_servers (nome, api_url, health, prioridade) VALUES ('plataforma', 'http://plataforma', 'up', 10);
SELECT lives_ok('SELECT * FROM whatsapp_instances LIMIT 1', '003: the table exists');
SELECT columns_are('whatsapp_instances', ARRAY['id', 'nome', 'numero_telefone', 'status', 'capacidade_hora', 'capacidade_dia',
	'msgs_enviadas_hora', 'msgs_enviadas_dia', 'prioridade', 'ultima_msg_at', 'created_at', 'updated_at']);
INSERT INTO whatsapp_instances (nome, numero_telefone, status) VALUES ('vendas', '5511988887777', 'disconnected');
SELECT results_eq($$SELECT numero_telefone, status, capacidade_hora, capacidade_dia, msgs_enviadas_hora, msgs_enviadas_dia,
	prioridade, ultima_msg_at FROM whatsapp_instances WHERE nome = 'vendas'$$,
	$$VALUES ('5511988887777'::varchar, 'disconnected'::varchar, 20, 100, 0, 0, 1, NULL::timestamptz)$$, '003: an instance, with its defaults');
SELECT is((SELECT (lifecycle, origin, assigned_to_user_id = platform_user(), device_id IS NOT NULL)::text FROM instance('vendas')),
	'(assigned,admin,t,t)', 'it is the platform''s');
SELECT throws_ok($$INSERT INTO whatsapp_instances (nome) VALUES ('vendas')$$, '23505', NULL, 'a name is there once');
INSERT INTO whatsapp_instances (nome, status, capacidade_hora, capacidade_dia, prioridade) VALUES ('grande', 'connected', 40, 500, 3);
SELECT is((SELECT (capacidade_hora, capacidade_dia, prioridade)::text FROM whatsapp_instances WHERE nome = 'grande'), '(40,500,3)', 'or with its own');
SELECT is((SELECT array_agg(nome::text) FROM whatsapp_instances WHERE status = 'connected'), '{grande}', 'the connected ones');
UPDATE whatsapp_instances SET status = 'open', updated_at = now() WHERE nome = 'vendas';
SELECT is((SELECT status FROM whatsapp_instances WHERE nome = 'vendas'), 'connected', 'Evolution''s word for it');
UPDATE whatsapp_instances SET status = 'banned' WHERE nome = 'vendas';
SELECT is((SELECT status FROM whatsapp_instances WHERE nome = 'vendas'), 'banned', 'banned');
UPDATE instances SET status = 'FAILED' WHERE name = 'vendas';
SELECT is((SELECT status FROM whatsapp_instances WHERE nome = 'vendas'), 'banned', 'and still so when the gateway says something else');
UPDATE whatsapp_instances SET status = 'connected' WHERE nome = 'vendas';
SELECT is((SELECT status FROM whatsapp_instances WHERE nome = 'vendas'), 'connected', 'until it is connected');

SELECT incrementar_contador_instancia('vendas');
SELECT incrementar_contador_instancia('vendas');
SELECT is((SELECT (msgs_enviadas_hora, msgs_enviadas_dia, ultima_msg_at = now())::text FROM whatsapp_instances WHERE nome = 'vendas'),
	'(2,2,t)', '003: two messages are counted');
UPDATE whatsapp_instances
SET
    msgs_enviadas_hora = msgs_enviadas_hora + 1,
    msgs_enviadas_dia = msgs_enviadas_dia + 1,
    ultima_msg_at = NOW()
WHERE nome = 'vendas';
SELECT is((SELECT (msgs_enviadas_hora, msgs_enviadas_dia)::text FROM whatsapp_instances WHERE nome = 'vendas'), '(3,3)', 'by the function''s own statement too');
SELECT is((SELECT (msgs_enviadas_hora, msgs_enviadas_dia)::text FROM whatsapp_instances WHERE nome = 'grande'), '(0,0)', 'on that instance only');
UPDATE instances SET quota_hour = quota_hour - interval '1 hour' WHERE name = 'vendas';
SELECT is((SELECT (msgs_enviadas_hora, msgs_enviadas_dia)::text FROM whatsapp_instances WHERE nome = 'vendas'), '(0,3)', 'an hour later the hour is new');
SELECT incrementar_contador_instancia('vendas');
SELECT is((SELECT (msgs_enviadas_hora, msgs_enviadas_dia)::text FROM instance('vendas')), '(1,4)', 'and counts from one');
DELETE FROM whatsapp_instances WHERE nome = 'grande';
SELECT is(lifecycle('grande'), 'recycling', 'deleted: emptied first');

INSERT INTO clientes (instancia_preferida) VALUES (NULL) RETURNING id AS cliente \gset
UPDATE clientes SET instancia_preferida = 'vendas' WHERE id = :'cliente';
SELECT is((SELECT instancia_preferida FROM clientes WHERE id = :'cliente'), 'vendas', '003: who is written from which');
SELECT is_empty('SELECT wrong_counts()', 'every server''s count is true');

-- As a user of the hosting's ------------------------------------------------------------------------------------

GRANT ALL ON public.waha_servers TO authenticated, service_role;
GRANT ALL ON public.waha_sessions TO authenticated, service_role;
SELECT pg_temp.as_user(:'other');
SET LOCAL ROLE authenticated;
SELECT is((SELECT array_agg(nome::text ORDER BY nome) FROM waha_servers), '{Backup,Principal}', 'a user sees his own servers');
SELECT is((SELECT count(*) FROM waha_servers WHERE api_key = 'sua-api-key'), 0::bigint, 'and nobody else''s key');
SELECT is((SELECT count(*) FROM waha_sessions), 0::bigint, 'nor sessions');
SELECT is((SELECT count(*) FROM whatsapp_instances), 0::bigint, 'nor instances');
SELECT is((SELECT nome FROM get_available_waha_server(:'other')), 'Backup', 'he is told his best server');
SELECT is_empty(format('SELECT * FROM get_available_waha_server(%L)', :'user_id'), 'and not hers');
INSERT INTO public.waha_servers (user_id, nome, api_url, prioridade, max_sessions)
VALUES (:'other', 'Servidor Backup', 'https://waha3.seudominio.com', 5, 30);
SELECT throws_ok(format($$INSERT INTO waha_servers (user_id, nome, api_url) VALUES (%L, 'dela', 'https://x')$$, :'user_id'),
	'42501', NULL, 'he makes none in her name');
SELECT throws_ok($$INSERT INTO waha_servers (nome, api_url) VALUES ('da plataforma', 'https://x')$$, '42501', NULL, 'nor in the platform''s');
UPDATE waha_servers SET health = 'up', sessions_ativas = -5, draining_at = now(), api_key_sealed = 'x', prioridade = 7
WHERE nome = 'Servidor Backup';
SELECT is((SELECT (health, sessions_ativas, draining_at, api_key_sealed, prioridade)::text FROM waha_servers
	WHERE nome = 'Servidor Backup'), '(unknown,0,,,7)', 'what is ours is not his to write');
SELECT throws_ok(format($$UPDATE waha_servers SET user_id = %L WHERE nome = 'Servidor Backup'$$, :'user_id'), '42501', NULL, 'he gives none away');
SELECT throws_ok('TRUNCATE waha_servers CASCADE', '42501', NULL, 'nor truncates');
SELECT throws_ok($$INSERT INTO waha_servers (user_id, nome, api_url) SELECT request_user(), 'n' || n, 'https://n' || n
	FROM generate_series(1, 18) n$$, '23514', NULL, 'nor makes more than SERVER_LIMIT, however many at once');
SELECT id AS his_server FROM waha_servers WHERE nome = 'Servidor Backup' \gset
INSERT INTO public.waha_sessions (
    user_id,
    waha_server_id,
    session_name,
    status
) VALUES (
    :'other',
    :'his_server',
    'sessao-cliente-001',
    'connecting'
);
UPDATE public.waha_servers
SET sessions_ativas = sessions_ativas + 1
WHERE id = :'his_server';
SELECT is((SELECT (sessions_ativas)::text FROM waha_servers WHERE id = :'his_server'), '1', 'he makes a session on his server');
SELECT is((SELECT array_agg((session_name, status)::text) FROM waha_sessions)::text, '{"(sessao-cliente-001,connecting)"}', 'and sees it');
SELECT is((SELECT nome FROM whatsapp_instances), 'sessao-cliente-001', 'in both faces');
SELECT throws_ok(format($$INSERT INTO waha_sessions (user_id, waha_server_id, session_name) VALUES (%L, %L, 'x')$$,
	:'user_id', :'server_id'), '42501', NULL, 'not in her name');
SELECT throws_ok(format($$INSERT INTO waha_sessions (user_id, waha_server_id, session_name) VALUES (%L, %L, 'x')$$,
	:'other', :'server_id'), '23503', NULL, 'nor on her server');
UPDATE waha_sessions SET status = 'connected';
DELETE FROM waha_sessions WHERE user_id = :'user_id';
SELECT is((SELECT incrementar_contador_instancia('vendas'))::text, '', 'the platform''s counters');
SELECT throws_ok($$INSERT INTO whatsapp_instances (nome) VALUES ('minha')$$, '42501', NULL, 'he makes no instance of the platform''s');
SELECT throws_ok($$UPDATE whatsapp_instances SET capacidade_dia = 10000$$, '42501', NULL, 'nor his own quota larger');
SELECT throws_ok(s, '42501', NULL, s) FROM unnest(ARRAY['SELECT work_token FROM instances', 'SELECT 1 FROM users',
	'UPDATE instances SET status = ''x''', 'DELETE FROM instances', 'SELECT 1 FROM webhook_events']) s;
SELECT pg_temp.as_user(NULL);
SELECT is((SELECT count(*) FROM waha_servers) + (SELECT count(*) FROM waha_sessions), 0::bigint, 'without a token there is nothing');
RESET ROLE;
SELECT is((SELECT msgs_enviadas_dia FROM instance('vendas')), 4, 'are not counted by him');
SELECT is((SELECT status FROM waha_sessions WHERE user_id = :'user_id' AND session_name = 'sessao-cliente-001'), 'connecting', 'hers are as they were');

-- What is stored for one host does not follow to another -------------------------------------------------------

UPDATE waha_servers SET api_key_sealed = 'sealed:v1:k', webhook_secret_sealed = 'sealed:v1:s' WHERE nome = 'Servidor Backup';
SELECT pg_temp.as_user(:'other');
SET LOCAL ROLE authenticated;
UPDATE waha_servers SET api_url = 'https://WAHA3.seudominio.com/other/path' WHERE nome = 'Servidor Backup';
SELECT is((SELECT api_key_sealed FROM waha_servers WHERE nome = 'Servidor Backup'), 'sealed:v1:k', 'to another path of its host a key follows');
UPDATE waha_servers SET api_url = 'https://waha3.seudominio.com.evil.example' WHERE nome = 'Servidor Backup';
SELECT is((SELECT (api_key_sealed, webhook_secret_sealed, webhook_secret_former)::text FROM waha_servers WHERE nome = 'Servidor Backup'),
	'(,,)', 'to another host neither key nor secret');
UPDATE waha_servers SET api_key = 'in clear' WHERE nome = 'Servidor Backup';
UPDATE waha_servers SET api_url = 'https://evil.example@waha3.seudominio.com' WHERE nome = 'Servidor Backup';
SELECT is((SELECT api_key FROM waha_servers WHERE nome = 'Servidor Backup'), NULL, 'nor one that is not sealed yet');
UPDATE waha_servers SET api_url = 'http://waha3.seudominio.com', api_key = 'given again' WHERE nome = 'Servidor Backup';
SELECT is((SELECT api_key FROM waha_servers WHERE nome = 'Servidor Backup'), 'given again', 'one that is given with it is used');
RESET ROLE;

-- As the hosting's back end -----------------------------------------------------------------------------------------

SET LOCAL ROLE service_role;
SELECT cmp_ok((SELECT count(DISTINCT user_id) FROM waha_servers), '>=', 4::bigint, 'service_role sees all servers');
SELECT cmp_ok((SELECT count(DISTINCT user_id) FROM waha_sessions), '>=', 2::bigint, 'all sessions');
SELECT incrementar_contador_instancia('vendas');
SELECT is((SELECT msgs_enviadas_dia FROM whatsapp_instances WHERE nome = 'vendas'), 5, 'counts');
INSERT INTO whatsapp_instances (nome, numero_telefone, status) VALUES ('suporte', NULL, 'disconnected');
INSERT INTO waha_sessions (user_id, waha_server_id, session_name, status)
SELECT :'user_id', id, 'na-plataforma', 'connecting' FROM waha_servers WHERE nome = 'plataforma';
SELECT is((SELECT count(*) FROM whatsapp_instances WHERE nome IN ('suporte', 'na-plataforma')), 2::bigint, 'and makes what the seeds make');
RESET ROLE;
SELECT is_empty('SELECT wrong_counts()', 'every server''s count is true');

SELECT * FROM finish();
ROLLBACK;
