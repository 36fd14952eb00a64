-- Revert wapool:limits from pg
BEGIN;
DROP FUNCTION claim_counted(uuid, integer);
DROP FUNCTION claims_used(uuid, integer);
DROP TABLE claim_turns;
DROP FUNCTION webhook_counted(text, uuid, integer, bigint);
DROP FUNCTION webhook_room(uuid, integer, bigint);
DROP TABLE webhook_intake;
DROP FUNCTION server_room(uuid, integer);
DROP FUNCTION installation_server_limit(integer);
REVOKE SELECT (server_limit) ON installation FROM authenticated, service_role;
ALTER TABLE installation DROP COLUMN server_limit;
COMMIT;
