-- Deploy wapool:starts to pg
BEGIN;

-- Who starts a session of a gateway where starting it twice at the same time does harm (Evolution opens one
-- more socket each time it is asked, and has yet to say that it is at it). A session's name is never used
-- again. Nothing that a crash may not take.
CREATE UNLOGGED TABLE start_turns (
	server_id uuid NOT NULL REFERENCES waha_servers (id) ON DELETE CASCADE,
	name      varchar(255) NOT NULL,
	token     uuid NOT NULL,
	until     timestamptz NOT NULL,
	PRIMARY KEY (server_id, name)
);
COMMENT ON COLUMN start_turns.until IS 'a lease, in case he dies';

-- The token of the caller's turn; NULL while somebody else has it. What others left is cleared away.
CREATE FUNCTION start_turn(p_server uuid, p_name text, p_lease interval) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_token uuid;
BEGIN
	DELETE FROM start_turns t WHERE (t.server_id, t.name) IN (SELECT o.server_id, o.name FROM start_turns o
		WHERE o.until < clock_timestamp() LIMIT 10 FOR UPDATE SKIP LOCKED);
	INSERT INTO start_turns AS t (server_id, name, token, until)
	VALUES (p_server, p_name, gen_random_uuid(), clock_timestamp() + p_lease)
	ON CONFLICT (server_id, name) DO UPDATE SET token = excluded.token, until = excluded.until
		WHERE t.until < clock_timestamp()
	RETURNING token INTO v_token;
	RETURN v_token;
END $$;

-- The end of a turn.
CREATE FUNCTION start_end(p_token uuid, p_server uuid, p_name text) RETURNS void
LANGUAGE sql AS $$
	DELETE FROM start_turns WHERE server_id = p_server AND name = p_name AND token = p_token
$$;

COMMIT;
