-- Verify wapool:operators on pg
BEGIN;
SELECT 1 / count(*) FROM users WHERE id = platform_user();
SELECT has_function_privilege('platform_device(text)', 'execute');
SELECT has_function_privilege('admin_create(varchar, uuid, text, text)', 'execute');
SELECT has_function_privilege('admin_ask(uuid)', 'execute');
SELECT has_function_privilege('admin_move(uuid, bigint, uuid[], text)', 'execute');
SELECT has_function_privilege('instance_retire(uuid)', 'execute');
SELECT has_function_privilege('admin_discard(uuid, bigint, text)', 'execute');
SELECT has_function_privilege('admin_unpaired(uuid, text)', 'execute');
SELECT has_function_privilege('instance_release(uuid, bigint, text, text)', 'execute');
SELECT has_function_privilege('instance_commanded(uuid, bigint, text, text)', 'execute');
ROLLBACK;
