-- Deploy wapool:pairing to pg
BEGIN;

-- The QR of a pairing run at a gateway where asking for another ends the run (GOWA): all who ask while it
-- is good are shown the same. Sealed: whoever scans it has the session. A session's name is never used
-- again, so a row is of one assignment. Nothing that a crash may not take.
CREATE UNLOGGED TABLE pairing_runs (
	server_id   uuid NOT NULL REFERENCES waha_servers (id) ON DELETE CASCADE,
	name        varchar(255) NOT NULL,
	sealed      text,
	good_until  timestamptz NOT NULL DEFAULT '-infinity',
	asked_until timestamptz NOT NULL DEFAULT '-infinity',
	PRIMARY KEY (server_id, name)
);
COMMENT ON COLUMN pairing_runs.asked_until IS 'somebody is asking the gateway: a lease, in case he dies';

-- A sealed QR that is good for p_least more; or it is the caller's turn to ask the gateway (yours); or
-- neither: somebody else is asking. p_anew: what is kept is void, the gateway has no run.
CREATE FUNCTION pairing_turn(p_server uuid, p_name text, p_anew boolean, p_least interval, p_lease interval,
	OUT sealed text, OUT yours boolean)
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz;
	v_row pairing_runs;
BEGIN
	INSERT INTO pairing_runs (server_id, name) VALUES (p_server, p_name) ON CONFLICT DO NOTHING;
	SELECT * INTO STRICT v_row FROM pairing_runs r
	WHERE r.server_id = p_server AND r.name = p_name FOR UPDATE;
	v_now := clock_timestamp();
	yours := false;
	IF v_row.asked_until > v_now THEN
		RETURN;
	ELSIF NOT p_anew AND v_row.good_until > v_now + p_least THEN
		sealed := v_row.sealed;
		RETURN;
	END IF;
	UPDATE pairing_runs r SET asked_until = v_now + p_lease, sealed = NULL, good_until = '-infinity'
	WHERE r.server_id = p_server AND r.name = p_name;
	yours := true;
END $$;

-- The end of a turn: the QR, good for p_life; NULL if the gateway gave none.
CREATE FUNCTION pairing_keep(p_server uuid, p_name text, p_sealed text, p_life interval) RETURNS void
LANGUAGE sql AS $$
	UPDATE pairing_runs SET sealed = p_sealed, asked_until = '-infinity',
		good_until = CASE WHEN p_sealed IS NULL THEN '-infinity' ELSE clock_timestamp() + p_life END
	WHERE server_id = p_server AND name = p_name;
	DELETE FROM pairing_runs WHERE greatest(good_until, asked_until) < clock_timestamp() - interval '1 hour'
		AND (server_id, name) <> (p_server, p_name);
$$;

-- When a server that tells of no connections was last asked for somebody who waits.
CREATE UNLOGGED TABLE pairing_looks (
	server_id uuid PRIMARY KEY REFERENCES waha_servers (id) ON DELETE CASCADE,
	next_at   timestamptz NOT NULL
);

-- Servers of those kinds where somebody was shown a QR or a code that he may still use, and which
-- nobody has asked within the last two seconds.
CREATE FUNCTION pairing_due(p_kinds text[], p_own boolean DEFAULT NULL) RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
	SELECT s.id FROM waha_servers s LEFT JOIN pairing_looks l ON l.server_id = s.id
	WHERE s.kind = ANY (p_kinds) AND s.health <> 'down' AND is_of(s.user_id, p_own)
		AND (l.next_at IS NULL OR l.next_at <= statement_timestamp())
		AND EXISTS (SELECT FROM instances i
			WHERE i.server_id = s.id AND i.lifecycle = 'assigned' AND i.paired_at IS NULL
				AND i.pairing_asked_at > statement_timestamp() - interval '4 minutes')
$$;

-- Takes one of them; nobody else does for the next two seconds.
CREATE FUNCTION pairing_claim(p_kinds text[], p_own boolean DEFAULT NULL) RETURNS SETOF uuid
LANGUAGE sql AS $$
	INSERT INTO pairing_looks AS l (server_id, next_at)
	SELECT id, clock_timestamp() + interval '2 seconds' FROM pairing_due(p_kinds, p_own) AS id
	ORDER BY random() LIMIT 1
	ON CONFLICT (server_id) DO UPDATE SET next_at = excluded.next_at
		WHERE l.next_at <= statement_timestamp()
	RETURNING server_id
$$;

-- What such a server said when asked p_age ago, as [{"n": name, "w": status, "p": phone, "f": profile}],
-- onto those who wait. Returns how many changed.
CREATE FUNCTION pairing_seen(p_server uuid, p_age interval, p_sessions json) RETURNS integer
LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE instance_observe(i.id, i.generation, p_age, left(l.w, 50), l.p, l.f))::integer
	FROM json_to_recordset(p_sessions) AS l(n text, w text, p text, f text)
	JOIN instances i ON i.server_id = p_server AND i.name = l.n
	WHERE i.lifecycle = 'assigned' AND i.paired_at IS NULL AND i.assigned_at < clock_timestamp() - p_age
$$;

COMMIT;
