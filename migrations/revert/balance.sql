-- Revert wapool:balance from pg
BEGIN;
DROP FUNCTION server_admit(uuid, interval, boolean);
DROP TABLE server_rate;
DROP FUNCTION server_drain(uuid, boolean);
DROP FUNCTION drain_sweep();
DROP FUNCTION drain_state(waha_servers);
DROP INDEX waha_servers_draining;
COMMIT;
