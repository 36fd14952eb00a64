-- Revert wapool:upkeep from pg
BEGIN;
DROP FUNCTION prune(interval, interval, interval, integer);
DROP FUNCTION work_due(integer, boolean);
DROP FUNCTION orphans_found(uuid, json);
DROP TABLE orphans;
DROP FUNCTION server_reconcile(uuid, text, timestamptz, interval, interval, interval, interval, json);
DROP FUNCTION server_failed(uuid, text);
DROP FUNCTION server_check_claim(interval, boolean);
COMMIT;
