-- Verify wapool:devices on pg
BEGIN;
SELECT has_function_privilege('device_add(uuid, text, text, integer)', 'execute');
SELECT has_function_privilege('device_remove(uuid, uuid)', 'execute');
SELECT has_function_privilege('device_unmake(uuid, uuid)', 'execute');
ROLLBACK;
