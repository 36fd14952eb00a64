-- Verify wapool:operations on pg
BEGIN;
SELECT draining_from FROM waha_servers WHERE false;
SELECT what, server_id, done, total, failing, since FROM pool_progress() WHERE false;
SELECT has_function_privilege('pool_overview(integer)', 'execute');
SELECT has_function_privilege('deliveries_shown(text, uuid, uuid, uuid, text, bigint, integer)', 'execute');
SELECT has_function_privilege('parked_replay(uuid, uuid, uuid, text, integer)', 'execute');
SELECT has_function_privilege('parked_replay_one(uuid)', 'execute');
ROLLBACK;
