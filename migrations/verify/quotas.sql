-- Verify wapool:quotas on pg
BEGIN;
SELECT capacidade_hora, capacidade_dia, msgs_enviadas_hora, msgs_enviadas_dia, prioridade, ultima_msg_at,
	quota_hour, quota_day, chosen FROM instances WHERE false;
SELECT tz, quotas_at FROM installation WHERE false;
SELECT has_function_privilege('installation_tz(text)', 'execute');
SELECT has_function_privilege('quotas_reset_hour()', 'execute');
SELECT has_function_privilege('quotas_reset_day()', 'execute');
SELECT has_function_privilege('quotas_roll()', 'execute');
ROLLBACK;
