-- Verify wapool:work on pg
BEGIN;
SELECT has_function_privilege('pool_refill(integer, integer, integer, integer, boolean)', 'execute');
SELECT has_function_privilege('work_claim(interval, integer, boolean)', 'execute');
SELECT has_function_privilege('work_done(uuid, uuid)', 'execute');
SELECT has_function_privilege('work_failed(uuid, uuid, text, interval, boolean)', 'execute');
SELECT has_function_privilege('release_unpaired(interval)', 'execute');
SELECT id, status_seen_at, server_user_id FROM lost_due LIMIT 0;
ROLLBACK;
