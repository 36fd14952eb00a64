-- Revert wapool:operators from pg
BEGIN;
DROP FUNCTION instance_commanded(uuid, bigint, text, text);
DROP FUNCTION instance_release(uuid, bigint, text, text);
DROP FUNCTION admin_unpaired(uuid, text);
DROP FUNCTION admin_discard(uuid, bigint, text);
DROP FUNCTION instance_retire(uuid);
DROP INDEX instance_events_former;
DROP FUNCTION admin_move(uuid, bigint, uuid[], text);
DROP FUNCTION admin_ask(uuid);
DROP FUNCTION admin_create(varchar, uuid, text, text);
DROP INDEX devices_user_nome_idx;
DROP FUNCTION platform_device(text);
DROP INDEX instances_admin_name;
-- What the platform owned is released: the helper empties it.
DELETE FROM users WHERE id = platform_user();
DROP FUNCTION platform_user();
COMMIT;
