-- Verify wapool:shutout on pg
BEGIN;
SELECT has_function_privilege('users_webhooks()', 'execute');
ROLLBACK;
