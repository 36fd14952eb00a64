-- Revert wapool:servers from pg
BEGIN;
DROP TABLE waha_servers;
DROP FUNCTION is_of(uuid, boolean);
DROP FUNCTION waha_servers_keep_count();
DROP FUNCTION waha_servers_came_back();
DROP FUNCTION waha_servers_start_count();
COMMIT;
