-- hooks_due, hook_seen: whose webhooks are looked at, and when; the secret before the present one.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.due(p_hook text DEFAULT 'one', p_server text DEFAULT 's') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM hooks_due(server(p_server), p_hook, 100) $$;
CREATE FUNCTION pg_temp.seen(p_name text, p_hook text DEFAULT 'one') RETURNS boolean LANGUAGE sql AS $$
	SELECT hook_seen(d.id, d.generation, d.hook) FROM hooks_due(server('s'), p_hook, 100) d WHERE d.name = p_name $$;

SELECT make('free', 'standby');
SELECT make('ordered', 'provisioning');
SELECT make('emptied', 'recycling');
SELECT make('paired', 'assigned', 'ana');
UPDATE instances SET paired_at = now() WHERE name = 'paired';
SELECT make('scanning', 'assigned', 'bea');
SELECT make('elsewhere', 'standby', 'x', 'other');
SELECT is(pg_temp.due(), 'free paired', 'new sessions, but none that somebody may be scanning, or that is in the making');
UPDATE instances SET assigned_at = now() - interval '6 minutes', pairing_asked_at = now() - interval '6 minutes' WHERE name = 'scanning';
SELECT is(pg_temp.due(), 'free paired scanning', 'that one later');
UPDATE instances SET missing_since = now() WHERE name = 'scanning';
SELECT is(pg_temp.due(), 'free paired', 'nor one that the gateway does not list');
UPDATE instances SET work_token = gen_random_uuid(), work_lease_until = now() + interval '1 minute' WHERE name = 'free';
SELECT is(pg_temp.due(), 'paired', 'nor one that a helper works on');
UPDATE instances SET work_token = NULL, work_lease_until = NULL WHERE name = 'free';
SELECT is((SELECT count(*) FROM hooks_due(server('s'), 'one', 1)), 1::bigint, 'no more than asked for');

SELECT ok(pg_temp.seen('free'), 'one is seen to be right');
SELECT is(pg_temp.due(), 'paired', 'and is left alone');
SELECT is(pg_temp.due('another'), 'free paired', 'until it is to be another');
UPDATE instances SET hook_at = now() - interval '61 minutes' WHERE name = 'free';
SELECT is(pg_temp.due(), 'free paired', 'or an hour has passed');
SELECT pg_temp.seen('free');
UPDATE waha_servers SET started_at = clock_timestamp() WHERE nome = 's';
SELECT is(pg_temp.due(), 'free paired', 'or its gateway has started since');
UPDATE waha_servers SET started_at = now() - interval '1 day' WHERE nome = 's';
UPDATE instances SET generation = generation + 1 WHERE name = 'free';
SELECT is(pg_temp.due(), 'free paired', 'or it was made anew');
SELECT is(hook_seen(id_of('free'), 0, 'late'), false, 'what is told of a former session changes nothing');

SELECT hook_seen(i.id, i.generation, NULL) FROM instance('free') i;
SELECT is(pg_temp.due(), 'paired', 'a failure is not repeated at once');
SELECT is(pg_temp.due('another'), 'paired', 'whatever it is to be');
UPDATE instances SET hook_at = now() - interval '6 minutes' WHERE name = 'free';
SELECT is(pg_temp.due(), 'free paired', 'but after five minutes');

-- The former secret
CREATE FUNCTION pg_temp.former() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s', webhook_secret_former, webhook_secret_former_until BETWEEN now() + interval '59 minutes'
		AND now() + interval '61 minutes') FROM waha_servers WHERE nome = 's' $$;
UPDATE waha_servers SET webhook_secret_sealed = 'sealed:v1:a' WHERE nome = 's';
SELECT is(pg_temp.former(), ' ', 'the first secret has none before it');
UPDATE waha_servers SET webhook_secret_sealed = 'sealed:v1:b', nome = nome WHERE nome = 's';
SELECT is(pg_temp.former(), 'sealed:v1:a t', 'the next one has, for an hour');
UPDATE waha_servers SET webhook_secret_sealed = 'sealed:v1:b', prioridade = 3 WHERE nome = 's';
SELECT is(pg_temp.former(), 'sealed:v1:a t', 'writing the same again changes nothing');

SELECT * FROM finish();
ROLLBACK;
