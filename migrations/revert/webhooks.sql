-- Revert wapool:webhooks from pg
BEGIN;
DROP FUNCTION webhook_store(uuid, text, text, text, text, text, timestamptz, bigint, text, timestamptz,
	text, text, boolean, json, jsonb, text);
DROP FUNCTION instance_apply(record, bigint, text, timestamptz, text, text, boolean);
DROP TRIGGER gone ON waha_servers;
DROP FUNCTION waha_servers_gone();
DROP TABLE webhook_events;
COMMIT;
