-- Revert wapool:live from pg
BEGIN;

DROP TRIGGER live ON devices;
DROP FUNCTION devices_live(), live_tell(uuid, uuid, text, text, timestamptz, json);

COMMIT;
