-- When streams of open pages end: with the first token of a user's, or with the user.
BEGIN;
SELECT no_plan();

SELECT is_empty('SELECT streams_over()', 'no stream, no end');
SELECT stream_begins(somebody('ana'), now() + interval '1 hour'), stream_begins(somebody('bia'), now() + interval '1 hour');
SELECT is_empty('SELECT streams_over()', 'tokens are good');
SELECT stream_begins(somebody('ana'), now() - interval '1 second');
SELECT stream_begins(somebody('ana'), now() + interval '1 hour');
SELECT results_eq('SELECT streams_over()', $$SELECT somebody('ana')$$, 'the first token that ends counts');
SELECT is_empty('SELECT streams_over()', 'once');
SELECT ok(EXISTS (SELECT FROM stream_ends WHERE user_id = somebody('ana')), 'who comes back soon has missed nothing');
SELECT stream_begins(somebody('ana'), now() + interval '1 hour');
UPDATE stream_ends SET at = at - interval '4 minutes';
SELECT is_empty('SELECT streams_over()', 'she came back');
SELECT stream_begins(somebody('ana'), now() - interval '1 second');
SELECT is((SELECT count(*) FROM streams_over()), 1::bigint, 'and goes');
UPDATE stream_ends SET at = at - interval '4 minutes';
SELECT is_empty('SELECT streams_over()', 'she does not come back');
SELECT is_empty($$SELECT FROM stream_ends WHERE user_id = somebody('ana')$$, '... and is told nothing any more');
UPDATE users SET disabled_at = now() WHERE id = somebody('bia');
SELECT results_eq('SELECT streams_over()', $$SELECT somebody('bia')$$, 'who is disabled does not wait for that');
UPDATE users SET disabled_at = NULL WHERE id = somebody('bia');
SELECT is_empty('SELECT streams_over()', 'who is enabled again has nothing to lose');
SELECT somebody('caio') AS caio \gset
DELETE FROM users WHERE id = :'caio';
SELECT results_eq('SELECT streams_over()', format('SELECT %L::uuid', :'caio'), 'nor does who is deleted');
SELECT stream_begins(gen_random_uuid(), now());
SELECT is((SELECT count(*) FROM streams_over()), 1::bigint, 'a user whom we do not know yet may have a token');
SELECT * FROM finish();
ROLLBACK;
