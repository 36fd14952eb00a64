-- What operators do by hand: instances that an administrator makes, and their end.
BEGIN;
SELECT no_plan();

-- the platform ----------------------------------------------------------------------------------------

SELECT is((SELECT (email, password_hash, role, disabled_at IS NOT NULL)::text FROM users WHERE id = platform_user()),
	'(,,user,t)', 'the platform is a user who cannot log in');

-- making ------------------------------------------------------------------------------------------------

SELECT is((admin_create('vendas', NULL, NULL)).outcome, 'empty', 'without a server there is no room');
SELECT server('s');
SELECT is((SELECT (outcome, name, epoch, status, paired)::text FROM admin_create('vendas', NULL, '5511988887777')),
	'(claimed,vendas,1,STOPPED,f)', 'on the best server');
SELECT is((SELECT (origin, lifecycle, is_pooled, assigned_to_user_id = platform_user(), phone_number)::text
	FROM instance('vendas')), '(admin,assigned,f,t,5511988887777)', 'it is the platform''s, and not the pool''s');
SELECT is((SELECT nome FROM devices WHERE id = (instance('vendas')).device_id), 'vendas', 'with a device of its own');
SELECT is((SELECT (to_state, reason)::text FROM last_event('vendas')), '(assigned,"made by an administrator")',
	'the trail begins');
SELECT is((admin_create('vendas', NULL, NULL)).outcome, 'taken', 'a name is there once');
SELECT make('pool-1-1', 'standby');
SELECT is((admin_create('pool-1-1', NULL, NULL)).outcome, 'taken', 'also if the pool has it');
SELECT isnt((SELECT device_id FROM admin_create('suporte', NULL, NULL)), (instance('vendas')).device_id,
	'each has its own device');
SELECT is((SELECT actor FROM admin_create('estoque', NULL, NULL, 'ana@example.org') c, last_event(c.name)), 'ana@example.org',
	'the trail tells who made it');
SELECT acting(NULL);
SELECT throws_ok($$INSERT INTO instances (name, server_id, origin) VALUES ('vendas', server('t'), 'admin')$$,
	'23505', NULL, 'the database refuses a second one of that name, also elsewhere');

-- where -------------------------------------------------------------------------------------------------

SELECT server(name) FROM unnest(ARRAY['off', 'full', 't']) name;
SELECT is((admin_create('x', gen_random_uuid(), NULL)).outcome, 'no-server', 'a server that is not there');
UPDATE waha_servers SET ativo = false WHERE id = server('off');
SELECT is((admin_create('x', server('off'), NULL)).outcome, 'no-server', 'one that is switched off');
UPDATE waha_servers SET max_sessions = 0 WHERE id = server('full');
SELECT is((admin_create('x', server('full'), NULL)).outcome, 'empty', 'one that is full');
SELECT is((admin_create('named', server('t'), NULL)).server_id, server('t'), 'the one that is named');
SELECT is((SELECT count(*) FROM instances WHERE name = 'x'), 0::bigint, 'nothing stays of what was refused');
SELECT is(admin_move(id_of('named'), 1, ARRAY[server('t')], 'down'), server('s'), 'it moves to another');
SELECT is((SELECT (kind, to_state, reason)::text FROM last_event('named')),
	format('(moved,%s,down)', server('s')), 'the trail says so');
SELECT is(admin_move(id_of('named'), 1, ARRAY[server('t'), server('s')], 'down'), NULL, 'while one is left');
SELECT is(admin_move(id_of('named'), 9, '{}', 'down'), NULL, 'not for another assignment');
SELECT is_empty('SELECT * FROM wrong_counts()', 'the servers'' counts are true');

-- a phone that leaves -----------------------------------------------------------------------------------

UPDATE instances SET status = 'SCAN_QR_CODE', paired_at = now() - interval '1 hour', phone_number = '5511@c.us',
	work_token = gen_random_uuid() WHERE name = 'vendas';
SELECT ok((instance('vendas')).lost, 'its phone is gone');
SELECT ok(lost_release(id_of('vendas'), (instance('vendas')).work_token, 'logged out on the phone'), 'that is noticed');
SELECT is((SELECT (lifecycle, paired_at, phone_number, lost)::text FROM instance('vendas')), '(assigned,,,f)',
	'it stays the administrator''s, and waits for a phone');
SELECT is((SELECT (kind, reason)::text FROM last_event('vendas')), '(unpaired,"logged out on the phone")', 'the trail tells');
UPDATE instances SET status = 'WORKING', paired_at = now(), phone_number = '5511@c.us' WHERE name = 'vendas';
SELECT is(instance_apply(instance('vendas'), NULL, 'disconnected', now(), NULL, NULL, true), 'applied', 'a webhook says it is gone');
SELECT is((SELECT (lifecycle, status, paired_at, phone_number)::text FROM instance('vendas')), '(assigned,disconnected,,)',
	'it stays too');
UPDATE instances SET assigned_at = now() - interval '1 day' WHERE name = 'vendas';
SELECT is(release_unpaired('1 hour'), 0, 'and is not taken back when nobody pairs it');

SELECT is((SELECT (outcome, name, epoch, pairing_asked_at IS NOT NULL)::text
	FROM admin_ask(id_of('vendas')) a CROSS JOIN LATERAL (SELECT pairing_asked_at FROM instances WHERE id = a.instance_id) i),
	'(own,vendas,1,t)', 'whose QR is asked for');
SELECT is((admin_ask(make('of-ana', 'assigned', 'ana'))).outcome, 'no-device', 'a user''s instance is not an administrator''s to scan');

-- the end -----------------------------------------------------------------------------------------------

SELECT id_of('vendas') AS vendas, (instance('vendas')).device_id AS device, (instance('vendas')).generation AS generation \gset
SELECT is(instance_release(:'vendas', 2, 'deleted', 'ana'), false, 'another assignment is not touched');
SELECT is(instance_release(:'vendas', 1, 'deleted', 'ana'), true, 'deleted');
SELECT is((SELECT (lifecycle, name)::text FROM instance('vendas')), '(recycling,vendas)', 'its session is to be emptied');
SELECT is((SELECT (reason, actor)::text FROM last_event('vendas')), '(deleted,ana)', 'the trail tells who wanted it');
SELECT acting(NULL);
SELECT is((admin_create('vendas', NULL, NULL)).outcome, 'taken', 'the name is not free before that');
SELECT is((SELECT (w.id, w.name, w.next_name)::text FROM work_take(server('s'), clock_timestamp(), '1 minute') w),
	format('(%s,vendas,)', :'vendas'), 'a helper gets it, to be deleted and not made anew');
SELECT is(work_done(:'vendas', gen_random_uuid()), false, 'who has lost the lease cannot end it');
SELECT ok(work_done(:'vendas', (SELECT work_token FROM instances WHERE id = :'vendas')), 'the helper has emptied it');
SELECT is((SELECT (lifecycle, name, work_token)::text FROM instances WHERE id = :'vendas'),
	format('(retired,vendas~%s,)', left(:'vendas', 8)), 'it is retired, and its name free');
SELECT is((SELECT (kind, from_state)::text FROM instance_events WHERE instance_id = :'vendas' ORDER BY id DESC LIMIT 1),
	'(renamed,vendas)', 'by which the trail is found');
SELECT is((SELECT outcome FROM admin_create('vendas', NULL, NULL)), 'claimed', 'another may have it');
SELECT is((instance('vendas')).device_id, :'device', 'under the same device');
SELECT cmp_ok((instance('vendas')).generation, '>', :generation::bigint, 'in a generation that no webhook of the former one has');
SELECT is(admin_discard(id_of('vendas'), 1, 'never made'), true, 'what was never made is given up at once');
SELECT is((SELECT count(*) FROM instances WHERE name = 'vendas'), 0::bigint, 'and its name is free');
SELECT is_empty('SELECT * FROM wrong_counts()', 'the servers'' counts are true');

-- the pool's own ------------------------------------------------------------------------------------------

SELECT make('of-pool', 'assigned', 'bea');
SELECT ok(instance_release(id_of('of-pool'), 1, 'by hand', NULL), 'an instance of the pool is released by hand');
SELECT id_of('of-pool') AS of_pool \gset
SELECT ok(work_done(w.id, w.work_token), 'emptied') FROM work_take(server('s'), clock_timestamp(), '1 minute') w;
SELECT is((SELECT lifecycle FROM instances WHERE id = :'of_pool'), 'standby', 'and stands by again');

SELECT * FROM finish();
ROLLBACK;
