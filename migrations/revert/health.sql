-- Revert wapool:health from pg
BEGIN;
DROP FUNCTION repair_cleanup(uuid, bigint, bigint, text, boolean, interval);
DROP FUNCTION repair_done(uuid, uuid, boolean);
DROP FUNCTION repair_claim(uuid, interval);
DROP FUNCTION mend_step(uuid, uuid, text, text, bigint, interval, boolean, integer);
DROP FUNCTION mend_next(text, integer, integer);
DROP FUNCTION repair_note(uuid, uuid, text, text, text, bigint);
DROP FUNCTION mend_logout(uuid, uuid, text, bigint, bigint, interval);
DROP FUNCTION mend_claim(interval, boolean);
DROP VIEW mend_due;
DROP FUNCTION health_remedies(json);
DROP FUNCTION health_write(json, boolean);
DROP FUNCTION freeze_is_old(uuid);
DROP FUNCTION is_frozen(uuid);
DROP FUNCTION alarms_judge(uuid);
DROP FUNCTION alarms_wanted(uuid);
DROP FUNCTION sessions_trouble(uuid);
DROP FUNCTION network_trouble();
DROP TABLE alarms;
DROP FUNCTION owned_are_missing(uuid);
DROP FUNCTION health_facts(uuid, interval);
ALTER TABLE instances DROP COLUMN health, DROP COLUMN health_reason, DROP COLUMN health_at,
	DROP COLUMN bad_samples, DROP COLUMN status_since, DROP COLUMN mending, DROP COLUMN mend_attempts,
	DROP COLUMN mend_rung;
DROP DOMAIN mend_rung;
DROP DOMAIN instance_health;
COMMIT;
