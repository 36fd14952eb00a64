-- Revert wapool:hooks from pg
BEGIN;
DROP FUNCTION webhook_takes(waha_servers, text);
DROP FUNCTION hook_seen(uuid, bigint, text);
DROP FUNCTION hooks_due(uuid, text, integer);
DROP TRIGGER keep_former ON waha_servers;
DROP FUNCTION waha_servers_keep_former();
ALTER TABLE waha_servers DROP COLUMN webhook_secret_former, DROP COLUMN webhook_secret_former_until;
ALTER TABLE instances DROP COLUMN hook, DROP COLUMN hook_at;
COMMIT;
