-- Verify wapool:starts on pg
BEGIN;
SELECT server_id, name, token, until FROM start_turns WHERE false;
SELECT has_function_privilege('start_turn(uuid, text, interval)', 'execute');
SELECT has_function_privilege('start_end(uuid, uuid, text)', 'execute');
ROLLBACK;
