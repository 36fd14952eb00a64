-- Revert wapool:instances from pg
BEGIN;
DROP TABLE instance_events;
DROP TABLE instances;
DROP FUNCTION instances_count();
DROP FUNCTION server_count(uuid, integer);
DROP FUNCTION instances_audit();
DROP FUNCTION instances_begin();
DROP FUNCTION instances_transition();
DROP FUNCTION instance_may_move(text, text);
DROP FUNCTION actor();
DROP FUNCTION acting(text);
DROP FUNCTION because(text, text);
COMMIT;
