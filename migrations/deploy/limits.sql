-- Deploy wapool:limits to pg
BEGIN;

-- What one user may cause, where the database is the only one who can count it.

-- SERVER_LIMIT, written here by the helper: for who writes the table itself (authenticated).
ALTER TABLE installation ADD COLUMN server_limit integer NOT NULL DEFAULT 20;
COMMENT ON COLUMN installation.server_limit IS
	'how many servers a user may add by SQL; kept by wapool-maintain from SERVER_LIMIT';
GRANT SELECT (server_limit) ON installation TO authenticated, service_role;

CREATE FUNCTION installation_server_limit(p_most integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE installation SET server_limit = p_most WHERE server_limit <> p_most;
	RETURN FOUND;
END $$;

-- Whether that user may add one more server. Until this transaction ends nobody else adds one for him, so that
-- two at once do not both have the last place.
CREATE FUNCTION server_room(p_user uuid, p_most integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('wapool.servers ' || p_user, 0));
	RETURN (SELECT count(*) FROM waha_servers WHERE user_id = p_user) < p_most;
END $$;

-- What the servers of one user may still have stored: full_at is when a day's worth would be free again.
CREATE TABLE webhook_intake (
	user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	full_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Of the p_day bytes a day that webhooks of one user's own servers may bring, p_bytes: NULL if there is room for
-- them, else in how many seconds. What is not used is kept, up to a day's worth. Nobody is kept out who has used
-- nothing. Of the platform's servers nothing is counted: the operator knows their secrets, and nobody else.
CREATE FUNCTION webhook_room(p_server uuid, p_bytes integer, p_day bigint) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_now  timestamptz := clock_timestamp();
	v_over interval;
BEGIN
	SELECT w.full_at - v_now + interval '1 day' * (p_bytes::float8 / p_day - 1) INTO v_over
	FROM waha_servers s JOIN webhook_intake w ON w.user_id = s.user_id
	WHERE s.id = p_server AND w.full_at > v_now;
	RETURN CASE WHEN v_over > interval '0' THEN ceil(extract(epoch FROM v_over))::integer END;
END $$;

-- Counts what webhook_store has stored, in the same transaction; not what came again, nor what was refused. Who asked
-- for room at the same time may have gone over by as much as a host's threads bring at once. Returns p_outcome.
CREATE FUNCTION webhook_counted(p_outcome text, p_server uuid, p_bytes integer, p_day bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	v_now  timestamptz := clock_timestamp();
	v_cost interval := interval '1 day' * (p_bytes::float8 / p_day);
BEGIN
	IF p_outcome NOT IN ('duplicate', 'unverified') THEN
		INSERT INTO webhook_intake AS w (user_id, full_at)
		SELECT user_id, v_now + v_cost FROM waha_servers WHERE id = p_server AND user_id IS NOT NULL
		ON CONFLICT (user_id) DO UPDATE SET full_at = greatest(w.full_at, v_now) + v_cost;
	END IF;
	RETURN p_outcome;
END $$;

-- Instances that one user was given: full_at is when an hour's worth would be free again.
CREATE TABLE claim_turns (
	user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	full_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- True if he has had as many as he may have in an hour, of which what is not used is kept, up to an hour's worth.
-- Each that comes back has to be emptied at its gateway: who comes and goes all the time would empty the pool.
CREATE FUNCTION claims_used(p_user uuid, p_hour integer) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM claim_turns WHERE user_id = p_user
		AND full_at > clock_timestamp() + interval '1 hour' - interval '1 hour' / p_hour);
END $$;

-- He was given one.
CREATE FUNCTION claim_counted(p_user uuid, p_hour integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO claim_turns AS c (user_id, full_at) VALUES (p_user, clock_timestamp() + interval '1 hour' / p_hour)
	ON CONFLICT (user_id) DO UPDATE SET full_at = greatest(c.full_at, clock_timestamp()) + interval '1 hour' / p_hour;
END $$;

COMMIT;
