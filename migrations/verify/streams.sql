-- Verify wapool:streams on pg
BEGIN;
SELECT user_id, at FROM stream_ends WHERE false;
SELECT has_function_privilege('stream_begins(uuid, timestamptz)', 'execute');
SELECT has_function_privilege('streams_over()', 'execute');
SELECT has_function_privilege('users_streams()', 'execute');
ROLLBACK;
