-- Verify wapool:instances on pg
BEGIN;
SELECT id, name, server_id, origin, lifecycle, lifecycle_at, is_pooled, assigned_to_user_id, device_id,
	assigned_at, epoch, generation, status, status_at, status_seen_at, pairing_asked_at, paired_at, phone_number,
	profile_name, last_connected_at, missing_since, next_name, work_token, work_lease_until, work_next_at,
	work_attempts, last_error, created_at, updated_at
FROM instances WHERE false;
SELECT id, instance_id, at, kind, from_state, to_state, reason, actor, epoch, user_id, duration_ms
FROM instance_events WHERE false;
SELECT 1 / count(*) FROM pg_trigger WHERE tgrelid = 'instances'::regclass AND tgname = 'transition';
ROLLBACK;
