-- Verify wapool:pairing on pg
BEGIN;
SELECT server_id, name, sealed, good_until, asked_until FROM pairing_runs WHERE false;
SELECT server_id, next_at FROM pairing_looks WHERE false;
SELECT has_function_privilege('pairing_turn(uuid, text, boolean, interval, interval)', 'execute');
SELECT has_function_privilege('pairing_keep(uuid, text, text, interval)', 'execute');
SELECT has_function_privilege('pairing_due(text[], boolean)', 'execute');
SELECT has_function_privilege('pairing_claim(text[], boolean)', 'execute');
SELECT has_function_privilege('pairing_seen(uuid, interval, json)', 'execute');
ROLLBACK;
