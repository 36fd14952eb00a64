-- Revert wapool:metrics from pg
BEGIN;
DROP FUNCTION looks_now();
DROP FUNCTION helper_ran(text, text[]);
DROP TABLE helper_runs;
DROP VIEW look_histogram;
DROP FUNCTION count_look(boolean, bigint);
DROP VIEW look_bounds;
DROP TRIGGER counted ON instance_events;
DROP FUNCTION instance_events_counted();
DROP FUNCTION release_class(text);
DROP TRIGGER counted ON instances;
DROP TRIGGER counted_birth ON instances;
DROP FUNCTION instances_counted();
DROP FUNCTION instance_kind(instances);
DROP FUNCTION counters_fold();
DROP FUNCTION count_up(text, text, bigint);
DROP TABLE counters;
COMMIT;
