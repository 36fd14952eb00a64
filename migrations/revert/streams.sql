-- Revert wapool:streams from pg
BEGIN;
DROP TRIGGER streams_deleted ON users;
DROP TRIGGER streams_disabled ON users;
DROP FUNCTION users_streams();
DROP FUNCTION streams_over();
DROP FUNCTION stream_begins(uuid, timestamptz);
DROP TABLE stream_ends;
COMMIT;
