-- Verify wapool:messages on pg
BEGIN;
SELECT id, user_id, device_id, instance_id, instance, request_key, state, gateway_id, error, quota_hour,
	quota_day, lease_until, created_at, updated_at FROM messages WHERE false;
SELECT instance_id, gateway_id, ack, at FROM early_acks WHERE false;
SELECT has_function_privilege('message_begin(uuid, text, boolean, uuid, text, text, text, interval, interval)', 'execute');
SELECT has_function_privilege('message_end(uuid, text, text, text)', 'execute');
SELECT has_function_privilege('message_ack(uuid, text, text)', 'execute');
SELECT has_function_privilege('messages_expire()', 'execute');
SELECT has_function_privilege('messages_prune(interval, interval, integer)', 'execute');
ROLLBACK;
