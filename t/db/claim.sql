-- pool_claim: what a click gets.
BEGIN;
SELECT no_plan();

-- nothing there ------------------------------------------------------------------------------------

SELECT is((SELECT (outcome, name, epoch, low)::text FROM claims('ana')), '(empty,,,t)', 'an empty pool gives nothing');
SELECT is((claims('ana')).device_id, device_of(somebody('ana'), NULL), 'but his device is known already');

-- a first and a second click -------------------------------------------------------------------------

SELECT make('older', 'standby');
SELECT make('newer', 'standby');
SELECT is((SELECT (outcome, name, epoch, status, phone, paired)::text FROM claims('ana')),
	'(claimed,older,1,STOPPED,,f)', 'the one that has waited longest is handed out');
SELECT is((SELECT (outcome, name, epoch)::text FROM claims('ana')), '(own,older,1)',
	'a second click finds the first one''s, in the same epoch');
SELECT is((SELECT (lifecycle, assigned_to_user_id = somebody('ana'), pairing_asked_at IS NOT NULL)::text
	FROM instance('older')), '(assigned,t,t)', 'it is his, and a QR was asked for');
SELECT is((SELECT reason FROM last_event('older')), 'claimed', 'the trail says how');
UPDATE instances SET pairing_asked_at = NULL, paired_at = now(), phone_number = '5511@c.us', status = 'WORKING',
	generation = 7 WHERE name = 'older';
SELECT is((SELECT (outcome, status, phone, paired, generation)::text FROM claims('ana')),
	'(own,WORKING,5511@c.us,t,7)', 'and what is known of it comes along');
SELECT ok((instance('older')).pairing_asked_at IS NOT NULL, 'each click asks for a QR');

-- devices ----------------------------------------------------------------------------------------------

SELECT is((SELECT count(*) FROM devices WHERE user_id = somebody('ana')), 1::bigint, 'the default device was made once');
SELECT is((SELECT (outcome, name)::text FROM claims('ana', 'shop')), '(claimed,newer)', 'another device gets another instance');
SELECT is((claims('ana', 'shop')).device_id, device('ana', 'shop'), 'and keeps it');
SELECT is((SELECT (outcome, name, device_id)::text FROM pool_claim(somebody('bea'), NULL, device('ana', 'shop'), 0)),
	'(no-device,,)', 'a device of somebody else''s gets nothing');
SELECT is((SELECT outcome FROM pool_claim(somebody('bea'), NULL, gen_random_uuid(), 0)), 'no-device', 'nor does one that is not there');
SELECT is((SELECT count(*) FROM devices WHERE user_id = somebody('bea')), 0::bigint, 'and none is made for it');

-- a user nobody knew -----------------------------------------------------------------------------------

\set stranger 7f9c24e8-3b0a-4c7e-9d6f-2b1e8a5c4d30
SELECT make('third', 'standby');
SELECT is((SELECT (outcome, name)::text FROM pool_claim(:'stranger', 'novo@example.org', NULL, 0)), '(claimed,third)',
	'the first claim of a token''s user makes him');
SELECT is((SELECT email FROM users WHERE id = :'stranger'), 'novo@example.org', 'with the token''s e-mail');

-- only what stands by --------------------------------------------------------------------------------------

SELECT make('being-made', 'provisioning');
SELECT make('being-emptied', 'recycling');
SELECT make('gone', 'retired');
SELECT make('of-admin', 'standby', 'x', 's', 'admin');
SELECT is((claims('cid')).outcome, 'empty', 'not what is being made, emptied, retired, or an admin''s own');

-- low ------------------------------------------------------------------------------------------------------

SELECT make_many('low', 4, 'standby');
SELECT is((claims('l1', NULL, 3)).low, false, 'three left of a limit of three: not low');
SELECT is((claims('l2', NULL, 3)).low, true, 'two left: low');
SELECT is((claims('l2', NULL, 3)).low, false, 'who has his own wakes nobody');
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle = 'standby';

-- the order of servers -----------------------------------------------------------------------------------

INSERT INTO waha_servers (nome, api_url, prioridade, max_sessions, health, ativo, user_id) VALUES
	('busy', 'http://busy', 5, 4, 'up', true, NULL),
	('idle', 'http://idle', 5, 100, 'up', true, NULL),
	('minor', 'http://minor', 1, 100, 'unknown', true, NULL),
	('down', 'http://down', 10, 100, 'down', true, NULL),
	('off', 'http://off', 10, 100, 'up', false, NULL),
	('own', 'http://own', 0, 2, 'up', true, somebody('olga')),
	('own-down', 'http://own-down', 9, 2, 'down', true, somebody('olga')),
	('foreign', 'http://foreign', 10, 100, 'up', true, somebody('zoe'));
SELECT make_many(nome, 2, 'standby', nome) FROM waha_servers
WHERE nome IN ('busy', 'idle', 'minor', 'down', 'off', 'own', 'own-down', 'foreign');
SELECT results_eq(
	$$SELECT s.nome::text FROM servers_for(NULL) f JOIN waha_servers s ON s.id = f.server_id WHERE s.nome <> 's'$$,
	ARRAY['idle', 'busy', 'minor', 'down'],
	'by priority, then load; the one that is down comes last, the one switched off and others'' own are left out');
SELECT results_eq(
	$$SELECT s.nome::text FROM servers_for(somebody('olga')) f JOIN waha_servers s ON s.id = f.server_id WHERE s.nome <> 's'$$,
	ARRAY['own', 'idle', 'busy', 'minor', 'own-down', 'down'], 'who has servers of his own is served from those first');
SELECT is((SELECT room FROM servers_for(NULL) WHERE server_id = server('busy')), 2, 'room is what is not taken');

SELECT is((SELECT array_agg((claims('olga', 'd' || n)).name ORDER BY n)::text FROM generate_series(1, 11) n),
	'{own-1,own-2,idle-1,idle-2,busy-1,busy-2,minor-1,minor-2,own-down-1,own-down-2,down-1}',
	'and claims follow that order to the end');
SELECT is((SELECT array_agg((claims('paul', 'd' || n)).name ORDER BY n)::text FROM generate_series(1, 2) n),
	'{down-2,NULL}', 'the last server that has any is used though it looks down; then there is none');
SELECT is((SELECT count(*) FROM instances WHERE lifecycle = 'standby' AND server_id IN (server('off'), server('foreign'))),
	4::bigint, 'nobody got one of a server that is off, or is somebody else''s');
SELECT is((claims('quim', NULL, 1)).low, true, 'what nobody can be given does not count as free');

SELECT is((SELECT count(*) FROM (SELECT device_id FROM instances WHERE device_id IS NOT NULL
	GROUP BY 1 HAVING count(*) > 1) d), 0::bigint, 'no device has two');
SELECT is_empty('SELECT wrong_counts()', 'every server''s count is true');

SELECT * FROM finish();
ROLLBACK;
