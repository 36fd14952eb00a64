-- Revert wapool:operations from pg
BEGIN;
DROP FUNCTION parked_replay_one(uuid);
DROP FUNCTION parked_replay(uuid, uuid, uuid, text, integer);
DROP FUNCTION deliveries_shown(text, uuid, uuid, uuid, text, bigint, integer);
DROP FUNCTION url_host(text);
DROP INDEX deliveries_parked_all;
DROP FUNCTION pool_overview(integer);
DROP FUNCTION servers_shown(integer);
DROP FUNCTION pool_progress();
DROP TRIGGER drain_begins ON waha_servers;
DROP FUNCTION waha_servers_drain_begins();
ALTER TABLE waha_servers DROP COLUMN draining_from;
DROP FUNCTION rfc3339(timestamptz);
COMMIT;
