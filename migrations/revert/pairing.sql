-- Revert wapool:pairing from pg
BEGIN;
DROP FUNCTION pairing_seen(uuid, interval, json);
DROP FUNCTION pairing_claim(text[], boolean);
DROP FUNCTION pairing_due(text[], boolean);
DROP TABLE pairing_looks;
DROP FUNCTION pairing_keep(uuid, text, text, interval);
DROP FUNCTION pairing_turn(uuid, text, boolean, interval, interval);
DROP TABLE pairing_runs;
COMMIT;
