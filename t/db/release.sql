-- Giving an instance back: by its user, by an epoch, or because nobody paired it.
BEGIN;
SELECT no_plan();

-- by its user ---------------------------------------------------------------------------------------

SELECT make('one', 'assigned', 'ana');
SELECT is(pool_release(somebody('ana'), NULL, 'disconnected by its user'), 'released', 'his default device''s is released');
SELECT is(lifecycle('one'), 'recycling', 'it is being emptied');
SELECT is((SELECT reason FROM last_event('one')), 'disconnected by its user', 'the trail tells why');
SELECT is(pool_release(somebody('ana'), NULL, 'again'), 'none', 'a second time there is nothing');
SELECT is((SELECT count(*) FROM instance_events WHERE instance_id = id_of('one') AND to_state = 'recycling'),
	1::bigint, 'and nothing happens');
SELECT is(pool_release(somebody('bea'), NULL, 'x'), 'none', 'who has no device yet has nothing');
SELECT is(pool_release(gen_random_uuid(), NULL, 'x'), 'none', 'nor has who is not known');

SELECT make_many('shop', 2, 'standby');
SELECT claims('ana', 'shop');
SELECT claims('ana');
SELECT is(pool_release(somebody('bea'), device('ana', 'shop'), 'x'), 'no-device', 'another''s device is not his to release');
SELECT is(lifecycle('shop-1'), 'assigned', 'it stays');
SELECT is(pool_release(somebody('ana'), device('ana', 'shop'), 'x'), 'released', 'its owner releases it');
SELECT is((lifecycle('shop-1'), lifecycle('shop-2'))::text, '(recycling,assigned)', 'and no other device''s');

-- by epoch --------------------------------------------------------------------------------------------

SELECT make('two', 'assigned', 'cid');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'two';
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'two';
UPDATE instances SET assigned_to_user_id = somebody('dora') WHERE name = 'two';
SELECT is((instance('two')).epoch, 2::bigint, 'dora has it in epoch 2');
SELECT is(pool_release_epoch(id_of('two'), 1, 'late news of cid'), false, 'what comes late for cid''s epoch is refused');
SELECT is((SELECT (lifecycle, assigned_to_user_id = somebody('dora'))::text FROM instance('two')), '(assigned,t)', 'dora keeps it');
SELECT is(pool_release_epoch(id_of('two'), 2, 'the phone is gone'), true, 'her own epoch releases it');
SELECT is((SELECT (from_state, reason, epoch)::text FROM last_event('two')), '(assigned,"the phone is gone",2)', 'the trail tells why');
SELECT is(pool_release_epoch(id_of('two'), 2, 'again'), false, 'once');

-- nobody paired it --------------------------------------------------------------------------------------

SELECT make(n, 'assigned', n) FROM unnest(ARRAY['forgotten', 'recent', 'asks-again', 'paired']) n;
SELECT make('of-admin', 'assigned', 'adm', 's', 'admin');
UPDATE instances SET assigned_at = clock_timestamp() - interval '2 hours' WHERE lifecycle = 'assigned' AND name <> 'recent';
UPDATE instances SET pairing_asked_at = clock_timestamp() - interval '5 minutes' WHERE name = 'asks-again';
UPDATE instances SET paired_at = clock_timestamp() WHERE name = 'paired';
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'shop-2';
SELECT is(release_unpaired('30 minutes'), 1, 'one was never paired in time');
SELECT results_eq($$SELECT name::text FROM instances WHERE lifecycle = 'assigned' ORDER BY name$$,
	ARRAY['asks-again', 'of-admin', 'paired', 'recent'],
	'who was there lately, whose owner asks for QRs, who is paired and who is an admin''s stays');
SELECT is((SELECT reason FROM last_event('forgotten')), 'never paired', 'the trail tells why');
SELECT is(release_unpaired('30 minutes'), 0, 'nothing is left to do');

SELECT * FROM finish();
ROLLBACK;
