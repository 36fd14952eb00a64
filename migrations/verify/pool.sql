-- Verify wapool:pool on pg
BEGIN;
SELECT free, assigned, provisioning, recycling, retired FROM pool_status;
SELECT has_function_privilege('pool_claim(uuid, text, uuid, integer, uuid[], integer)', 'execute');
SELECT has_function_privilege('pool_swap(uuid, bigint, text, integer, uuid[])', 'execute');
SELECT has_function_privilege('pool_release(uuid, uuid, text)', 'execute');
SELECT has_function_privilege('pool_release_epoch(uuid, bigint, text, text)', 'execute');
ROLLBACK;
