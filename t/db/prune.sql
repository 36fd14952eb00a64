-- prune: what is past its time goes, all else stays, and never much at once.
BEGIN;
SELECT no_plan();

SELECT make('one', 'assigned', 'ana');
DELETE FROM instance_events;
INSERT INTO webhook_events (server_id, dedupe, event, outcome, payload, received_at)
SELECT server('s'), format('%s %s', e, d), e, 'kept', '{"text": "hello"}', clock_timestamp() - d * interval '1 day'
FROM unnest(ARRAY['message', 'message.any', 'session.status']) e CROSS JOIN unnest(ARRAY[0, 2, 40]) d;
INSERT INTO instance_events (instance_id, kind, reason, at)
SELECT id_of('one'), 'transition', d || ' days', clock_timestamp() - d * interval '1 day' FROM unnest(ARRAY[0, 29, 31]) d;
INSERT INTO idempotency_keys (user_id, route, key, fingerprint, locked_until, created_at)
SELECT somebody('ana'), '/r', d || ' hours', 'f', now(), clock_timestamp() - d * interval '1 hour' FROM unnest(ARRAY[0, 23, 25]) d;

-- payloads for a day, events for 30, keys for 24 hours
SELECT is(prune('1 day', '30 days', '24 hours', 1000), 4 + 3 + 1 + 1,
	'touched: four bodies of messages, three events, one entry of the trail, one key');
SELECT results_eq('SELECT dedupe, payload IS NOT NULL FROM webhook_events ORDER BY dedupe',
	$$VALUES ('message 0', true), ('message 2', false), ('message.any 0', true), ('message.any 2', false),
	  ('session.status 0', true), ('session.status 2', true)$$,
	'messages of two days lose their text, other events keep theirs; after 40 days all are gone');
SELECT results_eq('SELECT reason FROM instance_events ORDER BY at DESC', ARRAY['0 days', '29 days'], 'the trail keeps 30 days');
SELECT results_eq('SELECT key FROM idempotency_keys ORDER BY created_at DESC', ARRAY['0 hours', '23 hours'], 'keys live for 24 hours');
SELECT is(prune('1 day', '30 days', '24 hours', 1000), 0, 'nothing is left to do');
SELECT is(lifecycle('one'), 'assigned', 'no instance was touched');

-- in batches -----------------------------------------------------------------------------------------------

INSERT INTO webhook_events (server_id, dedupe, event, outcome, received_at)
SELECT server('s'), 'b' || n, 'session.status', 'kept', clock_timestamp() - interval '40 days' FROM generate_series(1, 25) n;
SELECT is(prune('1 day', '30 days', '24 hours', 10), 10, 'ten at the most');
SELECT is(prune('1 day', '30 days', '24 hours', 10), 10, 'ten more');
SELECT is(prune('1 day', '30 days', '24 hours', 10), 5, 'the rest');
SELECT is(prune('1 day', '30 days', '24 hours', 10), 0, 'done');
SELECT is((SELECT count(*) FROM webhook_events), 6::bigint, 'the younger ones are all there');

-- What went can come again as new: a gateway does not repeat after weeks
SELECT is(webhook_store(server('s'), 'session.status 40', 'session.status', NULL, NULL, 'one', NULL, NULL, NULL, NULL, NULL, NULL, false, '{}'),
	'kept', 'an event that was pruned is not remembered');

SELECT * FROM finish();
ROLLBACK;
