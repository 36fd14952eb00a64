-- Revert wapool:users from pg
BEGIN;
DROP FUNCTION device_of(uuid, uuid);
DROP FUNCTION user_of(uuid, text);
DROP FUNCTION active_user(uuid);
DROP FUNCTION ensure_user(uuid, text);
DROP TABLE devices;
DROP TABLE users;
DROP DOMAIN user_role;
COMMIT;
