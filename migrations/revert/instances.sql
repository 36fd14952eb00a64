-- Revert wapool:instances from pg
BEGIN;
DROP TABLE instance_events;
DROP TABLE instances;
DROP FUNCTION instances_changed();
DROP FUNCTION instances_went();
DROP FUNCTION instances_came();
DROP FUNCTION servers_count(uuid[], bigint[]);
DROP FUNCTION instances_begin();
DROP FUNCTION instances_transition();
DROP FUNCTION instance_may_move(text, text);
DROP FUNCTION actor();
DROP FUNCTION acting(text);
DROP FUNCTION because(text, text);
DROP DOMAIN instance_origin;
DROP DOMAIN instance_name;
DROP DOMAIN instance_lifecycle;
COMMIT;
