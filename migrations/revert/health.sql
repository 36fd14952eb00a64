-- Revert wapool:health from pg
BEGIN;
DROP FUNCTION mend_step(uuid, uuid, text, text, bigint, interval, boolean);
DROP FUNCTION mend_claim(interval);
DROP VIEW mend_due;
DROP FUNCTION health_write(json, boolean);
DROP FUNCTION owned_are_missing(uuid);
DROP FUNCTION health_facts(uuid, interval);
DROP TRIGGER transition_health ON instances;
DROP FUNCTION instances_fresh_health();
DROP TRIGGER status_since ON instances;
DROP FUNCTION instances_status_since();
ALTER TABLE instances DROP COLUMN health, DROP COLUMN health_reason, DROP COLUMN health_at,
	DROP COLUMN bad_samples, DROP COLUMN status_since, DROP COLUMN mending, DROP COLUMN mend_attempts;
COMMIT;
