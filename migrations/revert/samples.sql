-- Revert wapool:samples from pg
BEGIN;
DROP FUNCTION sample_ticks(text, timestamptz, timestamptz);
DROP FUNCTION sample_steps(text, timestamptz);
DROP FUNCTION samples_prune(integer);
DROP FUNCTION sample_take(integer, integer, timestamptz);
DROP FUNCTION samples_roll(integer, integer, timestamptz);
DROP FUNCTION sample_at(integer, timestamptz);
DROP TABLE server_samples;
DROP TABLE pool_samples;
DROP VIEW pool_now;
ALTER TABLE waha_servers DROP COLUMN latency_ms;
COMMIT;
