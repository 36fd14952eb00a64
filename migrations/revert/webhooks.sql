-- Revert wapool:webhooks from pg
BEGIN;
DROP FUNCTION webhook_store(uuid, text, text, text, text, text, timestamptz, bigint, text, timestamptz,
	text, text, boolean, json, jsonb);
DROP FUNCTION instance_apply(instances, bigint, text, timestamptz, text, text, boolean);
DROP TABLE webhook_events;
COMMIT;
