-- What one user may cause: servers, and what webhooks of his own servers may bring in a day.
BEGIN;
SELECT no_plan();

SELECT server('hers') AS hers, server('another') AS another, server('bias') AS bias \gset
SELECT ok(server_room(somebody('ana'), 1), 'there is room for a first server');
UPDATE waha_servers SET user_id = somebody('ana') WHERE id = :'hers';
SELECT ok(NOT server_room(somebody('ana'), 1), 'and none for a second');
SELECT ok(server_room(somebody('bia'), 1), 'which is no matter of others');
SELECT ok(installation_server_limit(3), 'the helper writes SERVER_LIMIT down');
SELECT ok(NOT installation_server_limit(3), 'once');

-- A thousand bytes a day.
UPDATE waha_servers SET user_id = somebody('ana') WHERE id = :'another';
UPDATE waha_servers SET user_id = somebody('bia') WHERE id = :'bias';
CREATE FUNCTION pg_temp.brings(p_server uuid, p_bytes integer, p_outcome text DEFAULT 'kept') RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	v_seconds integer := webhook_room(p_server, p_bytes, 1000);
BEGIN
	IF v_seconds IS NULL THEN
		PERFORM webhook_counted(p_outcome, p_server, p_bytes, 1000);
	END IF;
	RETURN v_seconds;
END $$;
SELECT is(pg_temp.brings(server('platform'), 1000000), NULL, 'the platform''s servers bring what they bring');
SELECT is(webhook_room(server('platform'), 1000000, 1000), NULL, 'as much as they like');
SELECT is(pg_temp.brings(:'hers', 600), NULL, 'some of the day''s worth');
SELECT ok(pg_temp.brings(:'hers', 600) BETWEEN 17280 - 60 AND 17280, 'what would be too much is told when it no longer is: a fifth of a day');
SELECT is(pg_temp.brings(:'hers', 400, 'duplicate'), NULL, 'what comes again');
SELECT is(pg_temp.brings(:'hers', 400, 'unverified'), NULL, 'or is not taken');
SELECT is(pg_temp.brings(:'hers', 400), NULL, 'takes nothing');
SELECT cmp_ok(pg_temp.brings(:'hers', 1), '>', 0, 'used up');
SELECT cmp_ok(pg_temp.brings(:'another', 1), '>', 0, 'also for his other servers');
SELECT is(pg_temp.brings(:'bias', 1000), NULL, 'not for anybody else''s');
UPDATE webhook_intake SET full_at = full_at - interval '12 hours' WHERE user_id = somebody('ana');
SELECT is(pg_temp.brings(:'hers', 499), NULL, 'half a day later half of it');
SELECT cmp_ok(pg_temp.brings(:'hers', 100), '>', 0, 'and no more');
UPDATE webhook_intake SET full_at = '2001-01-01' WHERE user_id = somebody('ana');
SELECT is(pg_temp.brings(:'hers', 1000), NULL, 'years later a day''s worth');
SELECT cmp_ok(pg_temp.brings(:'hers', 100), '>', 0, 'and no more');
UPDATE webhook_intake SET full_at = '2001-01-01' WHERE user_id = somebody('ana');
SELECT is(pg_temp.brings(:'hers', 1500), NULL, 'who has used nothing may bring something larger');
SELECT cmp_ok(pg_temp.brings(:'hers', 1), '>', 43200, 'and waits for it');

-- Three instances an hour.
SELECT make_many('p', 8, 'standby');
CREATE FUNCTION pg_temp.comes(p_who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_claim claim := pool_claim(somebody(p_who), NULL, NULL, 0, '{}', 3);
BEGIN
	PERFORM pool_release(somebody(p_who), NULL, 'goes');
	RETURN v_claim.outcome;
END $$;
SELECT is((SELECT string_agg(pg_temp.comes('eva'), ' ') FROM generate_series(1, 5)), 'claimed claimed claimed often often', 'no fourth');
SELECT is((SELECT count(*) FROM pool_wants), 0::bigint, 'and none is made for him');
SELECT is(pg_temp.comes('davi'), 'claimed', 'others have theirs');
UPDATE claim_turns SET full_at = full_at - interval '20 minutes' WHERE user_id = somebody('eva');
SELECT is((pool_claim(somebody('eva'), NULL, NULL, 0, '{}', 3)).outcome, 'claimed', 'twenty minutes later one');
SELECT is((pool_claim(somebody('eva'), NULL, NULL, 0, '{}', 3)).outcome, 'own', 'who keeps it needs no other');
SELECT is(pg_temp.comes('eva'), 'own', 'and may give it back');
UPDATE waha_servers SET user_id = somebody('eva'), max_sessions = 5 WHERE id = :'another';
SELECT is(pg_temp.comes('eva'), 'often', 'his own servers give him no more');
SELECT is((pool_claim(somebody('eva'), NULL, NULL, 0)).outcome, 'claimed', 'without a limit there is none');
SELECT * FROM finish();
ROLLBACK;
