-- Verify wapool:health on pg
BEGIN;
SELECT health, health_reason, health_at, bad_samples, status_since, mending, mend_attempts
FROM instances WHERE false;
SELECT id FROM mend_due WHERE false;
SELECT has_function_privilege('health_facts(uuid, interval)', 'execute');
SELECT has_function_privilege('health_write(json, boolean)', 'execute');
SELECT has_function_privilege('owned_are_missing(uuid)', 'execute');
SELECT has_function_privilege('mend_claim(interval)', 'execute');
SELECT has_function_privilege('mend_step(uuid, uuid, text, text, bigint, interval, boolean)', 'execute');
ROLLBACK;
