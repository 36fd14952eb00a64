-- Verify wapool:events on pg
BEGIN;
SELECT id, user_id, device_id, url, events, secret_sealed, former_sealed, former_until, disabled_at,
	disabled_reason, failures, failing_since, retry_at, delivered_at, last_error, created_at, updated_at
FROM event_subscriptions WHERE false;
SELECT seq, id, user_id, device_id, type, payload, once, at, created_at FROM outbox WHERE false;
SELECT seq, subscription_id, device_id, state, attempts, tried_at, last_error FROM deliveries WHERE false;
SELECT subscription_id, device_id, due_at, token, lease_until FROM event_lanes WHERE false;
SELECT subscription_id, user_id, device_id, pending, parked, oldest_pending FROM outbox_status WHERE false;
SELECT has_function_privilege('event_emit(uuid, uuid, text, jsonb, timestamptz, text)', 'execute');
SELECT has_function_privilege('lane_claim(interval, integer)', 'execute');
SELECT has_function_privilege('lane_next(uuid, uuid, uuid, interval)', 'execute');
SELECT has_function_privilege('deliveries_replay(uuid, uuid, integer, uuid, text)', 'execute');
SELECT has_function_privilege('events_prune(interval, interval, integer)', 'execute');
ROLLBACK;
