-- Revert wapool:work from pg
BEGIN;
DROP FUNCTION lost_release(uuid, uuid, text);
DROP FUNCTION lost_later(uuid, uuid, interval);
DROP FUNCTION lost_claim(interval, boolean);
DROP VIEW lost_due;
DROP FUNCTION release_unpaired(interval);
DROP FUNCTION work_failed(uuid, uuid, text, interval, boolean);
DROP FUNCTION work_done(uuid, uuid);
DROP FUNCTION work_claim(interval, integer, boolean);
DROP FUNCTION work_take(uuid, timestamptz, interval);
DROP FUNCTION ends_here(instances);
DROP FUNCTION servers_at_work(integer, boolean);
DROP FUNCTION pool_refill(integer, integer, integer, integer, boolean);
DROP FUNCTION pool_reorder();
DROP FUNCTION order_from(uuid, uuid);
DROP FUNCTION server_with_room();
COMMIT;
