-- Revert wapool:idempotency from pg
BEGIN;
DROP FUNCTION idempotency_drop(uuid, text, text, uuid);
DROP FUNCTION idempotency_end(uuid, text, text, uuid, integer, text);
DROP FUNCTION idempotency_begin(uuid, text, text, text, text, interval, integer, interval);
DROP TABLE idempotency_keys;
COMMIT;
