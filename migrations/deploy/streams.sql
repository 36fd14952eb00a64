-- Deploy wapool:streams to pg
BEGIN;

-- When the streams of a user's open pages have to end: with the first of the tokens that opened one, or at once when
-- he is disabled. nginx, which holds them, knows neither (docs/live.md). No foreign key: whom a token names
-- need not be known.
CREATE TABLE stream_ends (
	user_id uuid PRIMARY KEY,
	at      timestamptz NOT NULL,
	over    boolean NOT NULL DEFAULT false
);
CREATE INDEX stream_ends_at_idx ON stream_ends (at);
COMMENT ON TABLE stream_ends IS
	'users who may have a page open: of nobody else is told what happens (live_tell)';
COMMENT ON COLUMN stream_ends.over IS
	'they have ended; a page that comes back until `at` resumes, and missed nothing. nginx keeps events for two minutes';

-- One of his opens a stream with a token that is good until then. A row is written once per token.
CREATE FUNCTION stream_begins(p_user uuid, p_until timestamptz) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO stream_ends AS s (user_id, at) VALUES (p_user, p_until)
	ON CONFLICT (user_id) DO UPDATE SET at = excluded.at, over = false WHERE s.over OR excluded.at < s.at
$$;

-- Whose are to end now, each once: nginx ends all of a user's, and those with a good token come back.
CREATE FUNCTION streams_over() RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp(); -- a volatile function could not use an index
BEGIN
	DELETE FROM stream_ends WHERE user_id IN (
		SELECT user_id FROM stream_ends WHERE at <= v_now AND over LIMIT 500 FOR UPDATE SKIP LOCKED);
	RETURN QUERY UPDATE stream_ends SET over = true, at = v_now + interval '3 minutes' WHERE user_id IN (
		SELECT user_id FROM stream_ends WHERE at <= v_now AND NOT over LIMIT 500 FOR UPDATE SKIP LOCKED)
	RETURNING user_id;
END $$;

CREATE FUNCTION users_streams() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM stream_begins(OLD.id, clock_timestamp());
	RETURN NULL;
END $$;
CREATE TRIGGER streams_disabled AFTER UPDATE OF disabled_at ON users
FOR EACH ROW WHEN (NEW.disabled_at IS NOT NULL AND OLD.disabled_at IS NULL) EXECUTE FUNCTION users_streams();
CREATE TRIGGER streams_deleted AFTER DELETE ON users
FOR EACH ROW EXECUTE FUNCTION users_streams();

COMMIT;
