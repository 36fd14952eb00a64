-- Revert wapool:devices from pg
BEGIN;
DROP FUNCTION device_unmake(uuid, uuid);
DROP FUNCTION device_remove(uuid, uuid);
DROP FUNCTION device_add(uuid, text, text, integer);
COMMIT;
