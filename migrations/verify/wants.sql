-- Verify wapool:wants on pg
BEGIN;
SELECT device_id, asked_at FROM pool_wants WHERE false;
SELECT has_function_privilege('pool_want(uuid)', 'execute');
SELECT has_function_privilege('pool_wanted()', 'execute');
ROLLBACK;
