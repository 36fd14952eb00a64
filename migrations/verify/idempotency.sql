-- Verify wapool:idempotency on pg
BEGIN;
SELECT user_id, route, key, fingerprint, token, locked_until, status, body, created_at
FROM idempotency_keys WHERE false;
ROLLBACK;
