-- Verify wapool:balance on pg
BEGIN;
SELECT server_id, tat FROM server_rate WHERE false;
SELECT has_function_privilege('server_admit(uuid, interval, boolean)', 'execute');
SELECT has_function_privilege('server_drain(uuid, boolean)', 'execute');
SELECT drain_state(s) FROM waha_servers s WHERE false;
ROLLBACK;
