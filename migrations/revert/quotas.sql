-- Revert wapool:quotas from pg
BEGIN;
DROP FUNCTION quotas_roll();
DROP FUNCTION quotas_reset_day();
DROP FUNCTION quotas_reset_hour();
DROP FUNCTION used_day(instances, date);
DROP FUNCTION used_hour(instances, timestamptz);
DROP FUNCTION quota_day_end(date);
DROP FUNCTION quota_day(timestamptz);
DROP FUNCTION quota_hour(timestamptz);
DROP SEQUENCE chosen_seq;
ALTER TABLE instances DROP COLUMN chosen, DROP COLUMN quota_day, DROP COLUMN quota_hour,
	DROP COLUMN ultima_msg_at, DROP COLUMN prioridade, DROP COLUMN msgs_enviadas_dia,
	DROP COLUMN msgs_enviadas_hora, DROP COLUMN capacidade_dia, DROP COLUMN capacidade_hora;
DROP DOMAIN quota;
DROP FUNCTION installation_tz(text);
ALTER TABLE installation DROP COLUMN quotas_at, DROP COLUMN tz;
COMMIT;
