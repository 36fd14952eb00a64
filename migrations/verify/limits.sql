-- Verify wapool:limits on pg
BEGIN;
SELECT server_limit FROM installation WHERE false;
SELECT user_id, full_at FROM webhook_intake WHERE false;
SELECT has_function_privilege('installation_server_limit(integer)', 'execute');
SELECT has_function_privilege('server_room(uuid, integer)', 'execute');
SELECT has_function_privilege('webhook_room(uuid, integer, bigint)', 'execute');
SELECT has_function_privilege('webhook_counted(text, uuid, integer, bigint)', 'execute');
SELECT user_id, full_at FROM claim_turns WHERE false;
SELECT has_function_privilege('claims_used(uuid, integer)', 'execute');
SELECT has_function_privilege('claim_counted(uuid, integer)', 'execute');
ROLLBACK;
