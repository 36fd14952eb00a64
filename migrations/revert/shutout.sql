-- Revert wapool:shutout from pg
BEGIN;
DROP TRIGGER webhooks_shut ON users;
DROP FUNCTION users_webhooks();
COMMIT;
