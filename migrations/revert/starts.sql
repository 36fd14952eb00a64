-- Revert wapool:starts from pg
BEGIN;
DROP FUNCTION start_end(uuid, uuid, text);
DROP FUNCTION start_turn(uuid, text, interval);
DROP TABLE start_turns;
COMMIT;
