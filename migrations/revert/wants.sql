-- Revert wapool:wants from pg
BEGIN;
DROP FUNCTION pool_wanted();
DROP FUNCTION pool_want(uuid);
DROP TABLE pool_wants;
COMMIT;
