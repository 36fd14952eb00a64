-- Idempotency-Key: the second request with a key gets the first one's answer, and never runs beside it.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.begin_as(p_who text, p_key text DEFAULT 'k', p_print text DEFAULT 'f', p_route text DEFAULT '/r')
RETURNS text LANGUAGE sql AS $$
	SELECT (outcome, status, body)::text
	FROM idempotency_begin(somebody(p_who), NULL, p_route, p_key, p_print, '1 minute') $$;
CREATE FUNCTION pg_temp.token(p_who text, p_key text DEFAULT 'k') RETURNS uuid LANGUAGE sql AS $$
	SELECT token FROM idempotency_keys WHERE user_id = somebody(p_who) AND key = p_key $$;

-- the life of a key -------------------------------------------------------------------------------------

SELECT is(pg_temp.begin_as('ana'), '(new,,)', 'the first runs');
SELECT is(pg_temp.begin_as('ana'), '(busy,,)', 'a second while it runs must wait');
SELECT is(pg_temp.begin_as('ana', 'k', 'other'), '(mismatch,,)', 'the key with another request is a mistake');
SELECT is(idempotency_end(somebody('ana'), '/r', 'k', gen_random_uuid(), 200, 'forged'), false, 'nobody else can answer for it');
SELECT is(idempotency_end(somebody('ana'), '/r', 'k', pg_temp.token('ana'), 201, '{"a":1}'), true, 'its answer is stored');
SELECT is(pg_temp.begin_as('ana'), '(replay,201,"{""a"":1}")', 'and given again');
SELECT is(pg_temp.begin_as('ana', 'k', 'other'), '(mismatch,201,"{""a"":1}")', 'but not to another request');
SELECT is(idempotency_end(somebody('ana'), '/r', 'k', pg_temp.token('ana'), 500, 'x'), false, 'it never changes');
SELECT is(idempotency_drop(somebody('ana'), '/r', 'k', pg_temp.token('ana')), false, 'nor is it forgotten');

SELECT is(pg_temp.begin_as('ana', 'K'), '(new,,)', 'another key is another');
SELECT is(pg_temp.begin_as('ana', 'k', 'f', '/other'), '(new,,)', 'so is another route');
SELECT is(pg_temp.begin_as('bea'), '(new,,)', 'and another user');

-- a first request that died --------------------------------------------------------------------------------

SELECT pg_temp.begin_as('cid');
SELECT pg_temp.token('cid') AS first \gset
UPDATE idempotency_keys SET locked_until = clock_timestamp() - interval '1 second' WHERE user_id = somebody('cid');
SELECT is(pg_temp.begin_as('cid', 'k', 'other'), '(mismatch,,)', 'a lock that ended frees the key for the same request only');
SELECT is(pg_temp.begin_as('cid'), '(new,,)', 'which may try again');
SELECT isnt(pg_temp.token('cid'), :'first'::uuid, 'with a token of its own');
SELECT is(pg_temp.begin_as('cid'), '(busy,,)', 'under a lock of its own');
SELECT is(idempotency_end(somebody('cid'), '/r', 'k', :'first', 200, 'late'), false, 'the first one''s late answer is refused');
SELECT is(idempotency_drop(somebody('cid'), '/r', 'k', :'first'), false, 'nor may it free the key');
SELECT is(idempotency_end(somebody('cid'), '/r', 'k', pg_temp.token('cid'), 200, 'second'), true, 'the second one''s is stored');
SELECT is(pg_temp.begin_as('cid'), '(replay,200,second)', 'and given again');
UPDATE idempotency_keys SET locked_until = clock_timestamp() - interval '1 day' WHERE user_id = somebody('cid');
SELECT is(pg_temp.begin_as('cid'), '(replay,200,second)', 'an answer does not end with its lock');

-- an answer that may be tried again -------------------------------------------------------------------------

SELECT pg_temp.begin_as('dora');
SELECT is(idempotency_drop(somebody('dora'), '/r', 'k', pg_temp.token('dora')), true, 'an answer not worth keeping frees the key');
SELECT is(pg_temp.begin_as('dora', 'k', 'other'), '(new,,)', 'for any request');

-- so many of one user's, no more -------------------------------------------------------------------------------------

SELECT is((SELECT string_agg(outcome, ' ' ORDER BY n) FROM generate_series(1, 4) n, LATERAL
	idempotency_begin(somebody('few'), NULL, '/r', 'k' || n, 'f', '1 minute', 3)), 'new new new full', 'a fourth of three is refused');
SELECT is((SELECT retry_s FROM idempotency_begin(somebody('few'), NULL, '/r', 'k4', 'f', '1 minute', 3, '2 hours')), 7200,
	'until the oldest is forgotten');
SELECT is((SELECT outcome FROM idempotency_begin(somebody('few'), NULL, '/r', 'k1', 'f', '1 minute', 3)), 'busy', 'those that are there work');
SELECT is((SELECT outcome FROM idempotency_begin(somebody('more'), NULL, '/r', 'k4', 'f', '1 minute', 3)), 'new', 'others are others');
SELECT idempotency_drop(somebody('few'), '/r', 'k2', pg_temp.token('few', 'k2'));
SELECT is((SELECT outcome FROM idempotency_begin(somebody('few'), NULL, '/r', 'k4', 'f', '1 minute', 3)), 'new', 'with room it is taken');

-- a user nobody knew, one who goes ----------------------------------------------------------------------------

\set stranger 7f9c24e8-3b0a-4c7e-9d6f-2b1e8a5c4d30
SELECT is((SELECT outcome FROM idempotency_begin(:'stranger', 'n@example.org', '/r', 'k', 'f', '1 minute')), 'new', 'a token''s user is made');
SELECT is((SELECT email FROM users WHERE id = :'stranger'), 'n@example.org', 'with his e-mail');
DELETE FROM users WHERE id = :'stranger';
SELECT is((SELECT count(*) FROM idempotency_keys WHERE user_id = :'stranger'), 0::bigint, 'his keys go with him');

SELECT * FROM finish();
ROLLBACK;
