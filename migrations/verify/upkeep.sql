-- Verify wapool:upkeep on pg
BEGIN;
SELECT has_function_privilege('server_check_claim(interval, boolean)', 'execute');
SELECT has_function_privilege('server_failed(uuid, text)', 'execute');
SELECT has_function_privilege(
	'server_reconcile(uuid, text, timestamptz, interval, interval, interval, interval, json)', 'execute');
SELECT has_function_privilege('work_due(integer, boolean)', 'execute');
SELECT has_function_privilege('prune(interval, interval, interval, integer)', 'execute');
ROLLBACK;
