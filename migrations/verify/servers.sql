-- Verify wapool:servers on pg
BEGIN;
SELECT id, user_id, nome, api_url, api_key, descricao, ativo, webhook_url, webhook_secret, timeout,
	retry_attempts, rate_limit, prioridade, max_sessions, sessions_ativas, created_at, updated_at,
	kind, api_key_sealed, webhook_secret_sealed, health, health_reason, failures,
	checked_at, check_next_at, check_lease_until, version, started_at
FROM waha_servers WHERE false;
SELECT has_function_privilege('is_of(uuid, boolean)', 'execute');
ROLLBACK;
