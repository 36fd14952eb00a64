-- Revert wapool:registry from pg
BEGIN;
DROP FUNCTION registry_sweep();
DROP FUNCTION registry_remove(uuid, uuid, boolean, bigint, boolean);
DROP FUNCTION registry_empty(uuid, integer);
DROP TRIGGER revise ON waha_servers;
DROP FUNCTION waha_servers_revise();
ALTER TABLE waha_servers DROP COLUMN removing_at, DROP COLUMN revision;
COMMIT;
