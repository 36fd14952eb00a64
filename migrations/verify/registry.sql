-- Verify wapool:registry on pg
BEGIN;
SELECT revision, removing_at FROM waha_servers WHERE false;
SELECT has_function_privilege('registry_remove(uuid, uuid, boolean, bigint, boolean)', 'execute');
SELECT has_function_privilege('registry_empty(uuid, integer)', 'execute');
SELECT has_function_privilege('registry_sweep()', 'execute');
ROLLBACK;
