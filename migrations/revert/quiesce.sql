-- Revert wapool:quiesce from pg
BEGIN;
DROP FUNCTION quiesce_end();
DROP FUNCTION quiesce_done(uuid, uuid, boolean, text);
DROP FUNCTION quiesce_claim(uuid, timestamptz, interval);
DROP FUNCTION quiesce_begin();
COMMIT;
