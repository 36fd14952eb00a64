-- Verify wapool:quiesce on pg
BEGIN;
SELECT has_function_privilege('quiesce_begin()', 'execute');
SELECT has_function_privilege('quiesce_claim(uuid, timestamptz, interval)', 'execute');
SELECT has_function_privilege('quiesce_done(uuid, uuid, boolean, text)', 'execute');
SELECT has_function_privilege('quiesce_end()', 'execute');
ROLLBACK;
