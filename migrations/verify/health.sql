-- Verify wapool:health on pg
BEGIN;
SELECT health, health_reason, health_at, bad_samples, status_since, mending, mend_attempts, mend_rung
FROM instances WHERE false;
SELECT kind, server_id, since, reason FROM alarms WHERE false;
SELECT id FROM mend_due WHERE false;
SELECT has_function_privilege('health_facts(uuid, interval)', 'execute');
SELECT has_function_privilege('health_write(json, boolean)', 'execute');
SELECT has_function_privilege('owned_are_missing(uuid)', 'execute');
SELECT has_function_privilege('alarms_judge(uuid)', 'execute');
SELECT has_function_privilege('is_frozen(uuid)', 'execute');
SELECT has_function_privilege('mend_claim(interval, boolean)', 'execute');
SELECT has_function_privilege('mend_logout(uuid, uuid, text, bigint, bigint, interval)', 'execute');
SELECT has_function_privilege('mend_step(uuid, uuid, text, text, bigint, interval, boolean, integer)', 'execute');
SELECT has_function_privilege('repair_claim(uuid, interval)', 'execute');
SELECT has_function_privilege('repair_done(uuid, uuid, boolean)', 'execute');
SELECT has_function_privilege('repair_cleanup(uuid, bigint, bigint, text, boolean, interval)', 'execute');
ROLLBACK;
