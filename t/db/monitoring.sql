-- The statements that seed 000 prints for operators, as it prints them: the numbers are true in each
-- state, and releasing by hand is as safe as by the API.
BEGIN;
SELECT no_plan();

SELECT make('being-made', 'provisioning');
SELECT make('livre-1', 'standby');
SELECT make('livre-2', 'standby');
SELECT make('livre-3', 'standby');
SELECT make('nome-da-instancia', 'assigned', 'ana');
SELECT make('em-uso', 'assigned', 'bea');
SELECT make('sendo-limpa', 'recycling');
SELECT make('aposentada', 'retired');
SELECT make('do-admin', 'assigned', 'cid', 's', 'admin');

PREPARE estatisticas AS
SELECT
  COUNT(*) as total,
  COUNT(*) FILTER (WHERE assigned_to_user_id IS NULL) as disponiveis,
  COUNT(*) FILTER (WHERE assigned_to_user_id IS NOT NULL) as em_uso
FROM instances
WHERE is_pooled = true;
PREPARE quem AS
SELECT
  i.name,
  i.status,
  i.assigned_to_user_id,
  u.email
FROM instances i
LEFT JOIN users u ON i.assigned_to_user_id = u.id
WHERE i.is_pooled = true
ORDER BY i.name;
PREPARE livres AS
SELECT COUNT(*) FROM instances
WHERE is_pooled = true AND assigned_to_user_id IS NULL;

SELECT results_eq('estatisticas', 'VALUES (5::bigint, 3::bigint, 2::bigint)',
	'total, disponiveis, em_uso: what is being made, emptied, retired or an admin''s is not counted');
SELECT results_eq('quem',
	$$SELECT v.name::instance_name, v.status, v.owner, v.email
	FROM (VALUES ('em-uso', 'STOPPED'::varchar, somebody('bea'), 'bea@example.org'),
	  ('livre-1', 'STOPPED', NULL, NULL), ('livre-2', 'STOPPED', NULL, NULL), ('livre-3', 'STOPPED', NULL, NULL),
	  ('nome-da-instancia', 'STOPPED', somebody('ana'), 'ana@example.org')) AS v (name, status, owner, email)$$,
	'who uses which');
SELECT results_eq('livres', 'VALUES (3::bigint)', 'how many are free');

-- Released by hand ----------------------------------------------------------------------------------

UPDATE instances SET paired_at = now(), phone_number = '5511999999999@c.us' WHERE name = 'nome-da-instancia';
UPDATE instances
SET assigned_to_user_id = NULL, status = 'disconnected'
WHERE name = 'nome-da-instancia';
SELECT is((SELECT (lifecycle, is_pooled, status, assigned_to_user_id, device_id, phone_number)::text
	FROM instance('nome-da-instancia')), '(recycling,f,disconnected,,,)',
	'a release by hand is a release: it will be emptied first');
SELECT results_eq('estatisticas', 'VALUES (4::bigint, 3::bigint, 1::bigint)', 'it is not counted as free');
SELECT is((SELECT (from_state, to_state, reason, user_id)::text FROM last_event('nome-da-instancia')),
	format('(assigned,recycling,"by hand",%s)', somebody('ana')), 'and the trail knows');

SELECT is((SELECT array_agg((claims('next-' || n)).name ORDER BY n)::text FROM generate_series(1, 4) n),
	'{livre-1,livre-2,livre-3,NULL}', 'nobody gets it while its phone may still be connected');
SELECT results_eq('livres', 'VALUES (0::bigint)', 'none is free now');

SELECT lives_ok($$UPDATE instances
	SET assigned_to_user_id = NULL, status = 'disconnected'
	WHERE name = 'nome-da-instancia'$$, 'doing it twice does no harm');
SELECT is(lifecycle('nome-da-instancia'), 'recycling', 'it is still being emptied');

-- Emptied by the helper it is free again
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'nome-da-instancia';
SELECT results_eq('livres', 'VALUES (1::bigint)', 'once emptied it is free');
SELECT is((instance('nome-da-instancia')).status, 'STOPPED', 'with a status of its own');

-- Assigned by hand ------------------------------------------------------------------------------------

UPDATE instances SET assigned_to_user_id = somebody('dora') WHERE name = 'nome-da-instancia';
SELECT is((SELECT (lifecycle, is_pooled, epoch)::text FROM instance('nome-da-instancia')),
	'(assigned,t,2)', 'an owner given by hand is an assignment');
SELECT is((instance('nome-da-instancia')).device_id, device_of(somebody('dora'), NULL), 'to his default device');
SELECT is((SELECT (outcome, name)::text FROM claims('dora')), '(own,nome-da-instancia)', 'and he finds it as his');
SELECT make('livre-4', 'standby');
SELECT throws_ok($$UPDATE instances SET assigned_to_user_id = somebody('dora') WHERE name = 'livre-4'$$,
	'23505', NULL, 'a second one for the same device is refused');

-- A user is deleted -----------------------------------------------------------------------------------

SELECT claims('eva', 'second phone');
SELECT is((SELECT count(*) FROM instances WHERE assigned_to_user_id = somebody('eva')), 1::bigint, 'eva has one');
SELECT make('livre-5', 'standby');
SELECT claims('eva');
SELECT somebody('eva') AS eva \gset
DELETE FROM users WHERE id = :'eva';
SELECT results_eq($$SELECT lifecycle::text, count(*) FROM instances WHERE name IN ('livre-4', 'livre-5') GROUP BY 1$$,
	$$VALUES ('recycling', 2::bigint)$$, 'deleting a user releases what all his devices had');
SELECT is((SELECT count(*) FROM devices WHERE user_id = :'eva'), 0::bigint, 'his devices are gone');
SELECT is((SELECT count(*) FROM instance_events WHERE user_id = :'eva' AND to_state = 'recycling'), 2::bigint,
	'the trail still knows whose they were');
DELETE FROM devices WHERE user_id = somebody('dora');
SELECT is(lifecycle('nome-da-instancia'), 'recycling', 'deleting a device releases its instance');

-- pool_status is the same at a glance -------------------------------------------------------------------

SELECT is((SELECT p::text FROM pool_status p), '(0,4,1,4,1)', 'free, assigned, provisioning, recycling, retired');

SELECT * FROM finish();
ROLLBACK;
