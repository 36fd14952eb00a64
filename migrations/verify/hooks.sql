-- Verify wapool:hooks on pg
BEGIN;
SELECT hook, hook_at FROM instances WHERE false;
SELECT webhook_secret_former, webhook_secret_former_until FROM waha_servers WHERE false;
SELECT has_function_privilege('hooks_due(uuid, text, integer)', 'execute');
SELECT has_function_privilege('hook_seen(uuid, bigint, text)', 'execute');
ROLLBACK;
