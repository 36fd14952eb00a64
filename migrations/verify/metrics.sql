-- Verify wapool:metrics on pg
BEGIN;
SELECT family, label, shard, n FROM counters WHERE false;
SELECT host, task, at FROM helper_runs WHERE false;
SELECT outcome, i, suffix, label, value FROM look_histogram WHERE false;
SELECT has_function_privilege('count_up(text, text, bigint)', 'execute');
SELECT has_function_privilege('counters_fold()', 'execute');
SELECT has_function_privilege('count_look(boolean, bigint)', 'execute');
SELECT has_function_privilege('helper_ran(text, text[])', 'execute');
SELECT has_function_privilege('looks_now()', 'execute');
SELECT has_function_privilege('release_class()', 'execute');
ROLLBACK;
