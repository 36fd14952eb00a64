-- Verify wapool:samples on pg
BEGIN;
SELECT free, standby, assigned, online, provisioning, recycling, retired, ill FROM pool_now WHERE false;
SELECT step, at, n, target, low, free, free_min, making, recycling, assigned, online FROM pool_samples WHERE false;
SELECT server_id, step, at, n, up, latency_ms, latency_max, sessions FROM server_samples WHERE false;
SELECT latency_ms FROM waha_servers WHERE false;
SELECT has_function_privilege('sample_take(integer, integer, timestamptz)', 'execute');
SELECT has_function_privilege('samples_prune(integer)', 'execute');
SELECT has_function_privilege('sample_steps(text, timestamptz)', 'execute');
SELECT has_function_privilege('sample_ticks(text, timestamptz, timestamptz)', 'execute');
ROLLBACK;
