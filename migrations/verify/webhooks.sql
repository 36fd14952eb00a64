-- Verify wapool:webhooks on pg
BEGIN;
SELECT id, server_id, dedupe, event, event_id, request_id, session, instance_id, epoch, gateway_at,
	received_at, outcome, payload
FROM webhook_events WHERE false;
ROLLBACK;
