-- Verify wapool:live on pg
BEGIN;

SELECT has_function_privilege('live_tell(uuid, uuid, text, text, timestamptz, json)', 'execute');
SELECT 1 / count(*) FROM pg_trigger WHERE tgrelid = 'devices'::regclass AND tgname = 'live';

ROLLBACK;
