-- Deploy wapool:upkeep to pg
BEGIN;

-- Leases one server that is due for a look, and of those of one user at most two at a time.
CREATE FUNCTION server_check_claim(p_lease interval, p_own boolean DEFAULT NULL) RETURNS SETOF uuid
LANGUAGE sql AS $$
	WITH c AS MATERIALIZED (
		SELECT s.id FROM waha_servers s
		WHERE s.ativo AND s.check_next_at <= statement_timestamp()
			AND (s.check_lease_until IS NULL OR s.check_lease_until < statement_timestamp())
			AND is_of(s.user_id, p_own)
			AND (SELECT count(*) FROM waha_servers o
				WHERE o.user_id = s.user_id AND o.check_lease_until > statement_timestamp()) < 2
		ORDER BY s.check_next_at
		LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE waha_servers s SET check_lease_until = clock_timestamp() + p_lease
	FROM c WHERE s.id = c.id
	RETURNING s.id
$$;

-- The server did not answer, or refuses us. Three failures in a row make it down; looks at it come
-- every 2 s until then, and after that 30 s, 60 s, ... 300 s apart (with 20 % of jitter).
-- Returns its health.
CREATE FUNCTION server_failed(p_server uuid, p_reason text) RETURNS text
LANGUAGE sql AS $$
	UPDATE waha_servers SET failures = failures + 1, health_reason = p_reason,
		health = CASE WHEN failures + 1 >= 3 THEN 'down' ELSE health END,
		check_lease_until = NULL,
		check_next_at = clock_timestamp() + (0.8 + 0.4 * random()) * CASE
			WHEN failures + 1 < 3 THEN interval '2 seconds'
			ELSE least(interval '30 seconds' * 2 ^ least(failures - 2, 10), interval '300 seconds') END
	WHERE id = p_server
	RETURNING health
$$;

-- What one look found: the gateway's list against the table, in one statement. p_sessions:
-- [{"n": name, "w": status word, "p": phone, "f": profile}], where the word '' tells nothing; p_age: how long ago
-- the list was asked for. What was learnt since is newer and stays. Absence is judged late and with care: not within
-- p_grace of the gateway's start, not before p_absent has passed, and, of assigned ones, not while
-- most sessions are missing, which is the server's fault and no session's; standing ones are nobody's
-- and are made anew all the same.
CREATE FUNCTION server_reconcile(p_server uuid, p_version text, p_started timestamptz,
	p_interval interval, p_age interval, p_grace interval, p_absent interval, p_sessions json,
	OUT known integer, OUT missing integer, OUT changed integer, OUT recycled integer,
	OUT restarted boolean)
LANGUAGE plpgsql AS $$
DECLARE
	v_asked     timestamptz := clock_timestamp() - p_age;
	v_old_start timestamptz;
	v_suspect   boolean;
	v_n         integer;
BEGIN
	SELECT started_at INTO v_old_start FROM waha_servers WHERE id = p_server;
	restarted := coalesce(p_started <> v_old_start, false);

	-- Assigned: the level.
	SELECT count(*) FILTER (WHERE instance_observe(i.id, i.generation, p_age, left(l.w, 50), l.p, l.f))
	INTO changed
	FROM json_to_recordset(p_sessions) AS l(n text, w text, p text, f text)
	JOIN instances i ON i.server_id = p_server AND i.name = l.n
	WHERE i.lifecycle = 'assigned' AND i.assigned_at < v_asked AND l.w <> ''
		AND (i.status <> l.w OR i.missing_since IS NOT NULL OR l.w = 'WORKING' AND i.paired_at IS NULL);

	-- Standing by means stopped and empty. What is not may hold somebody's phone.
	PERFORM because('was not stopped and empty while standing by');
	UPDATE instances i SET lifecycle = 'recycling'
	FROM json_to_recordset(p_sessions) AS l(n text, w text, p text, f text)
	WHERE i.server_id = p_server AND i.name = l.n AND i.lifecycle = 'standby' AND i.lifecycle_at < v_asked
		AND (l.w <> 'STOPPED' OR l.p IS NOT NULL);
	GET DIAGNOSTICS recycled = ROW_COUNT;

	-- Missing ones, marked and, when there is no other explanation, given up.
	UPDATE instances SET missing_since = NULL
	WHERE server_id = p_server AND lifecycle IN ('standby', 'assigned') AND missing_since IS NOT NULL
		AND name IN (SELECT n FROM json_to_recordset(p_sessions) AS l(n text));
	UPDATE instances i SET missing_since = clock_timestamp()
	WHERE i.server_id = p_server AND i.lifecycle IN ('standby', 'assigned') AND i.missing_since IS NULL
		AND i.lifecycle_at < v_asked
		AND NOT EXISTS (SELECT FROM json_to_recordset(p_sessions) AS l(n text) WHERE l.n = i.name);
	SELECT count(*), count(*) FILTER (WHERE missing_since IS NOT NULL) INTO known, missing
	FROM instances WHERE server_id = p_server AND lifecycle IN ('standby', 'assigned');

	v_suspect := missing >= 4 AND missing * 2 > known;
	IF coalesce(p_started < clock_timestamp() - p_grace, true) THEN
		PERFORM because('the gateway lost its session', 'missing');
		UPDATE instances SET lifecycle = 'recycling'
		WHERE server_id = p_server AND missing_since < clock_timestamp() - p_absent
			AND (lifecycle = 'standby' OR NOT v_suspect AND lifecycle = 'assigned' AND paired_at IS NULL
				AND origin = 'pool');
		GET DIAGNOSTICS v_n = ROW_COUNT;
		recycled := recycled + v_n;
	END IF;

	UPDATE waha_servers SET health = 'up', failures = 0, version = p_version, started_at = p_started,
		health_reason = CASE WHEN v_suspect THEN format('%s of %s sessions are missing', missing, known) END,
		checked_at = clock_timestamp(), check_lease_until = NULL,
		check_next_at = clock_timestamp() + p_interval * (0.9 + 0.2 * random())
	WHERE id = p_server;
END $$;

-- Sessions of ours that no row knows: what an attempt left behind that timed out. Seen at two looks, a
-- session is one for good, since a name is written down before it is used and never used again.
CREATE TABLE orphans (
	server_id uuid NOT NULL REFERENCES waha_servers (id) ON DELETE CASCADE,
	name      text NOT NULL,
	seen_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (server_id, name)
);

-- Takes the names of all sessions of this wapool that a server lists; gives those to be deleted.
CREATE FUNCTION orphans_found(p_server uuid, p_names json) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
BEGIN
	DELETE FROM orphans o WHERE o.server_id = p_server
		AND NOT EXISTS (SELECT FROM json_array_elements_text(p_names) AS n WHERE n = o.name);
	INSERT INTO orphans (server_id, name)
	SELECT p_server, n FROM json_array_elements_text(p_names) AS n
	WHERE NOT EXISTS (SELECT FROM instances i
		WHERE i.server_id = p_server AND (i.name = n OR i.next_name = n) AND i.lifecycle <> 'retired')
	ON CONFLICT DO NOTHING;
	RETURN QUERY SELECT o.name FROM orphans o WHERE o.server_id = p_server AND o.seen_at < v_now
		AND NOT EXISTS (SELECT FROM instances i
			WHERE i.server_id = p_server AND (i.name = o.name OR i.next_name = o.name)
				AND i.lifecycle <> 'retired')
		LIMIT 20;
END $$;

-- What waits for a helper now, counted no further than p_most of each, and no more of one server
-- than may be in hands.
CREATE FUNCTION work_due(p_most integer, p_own boolean DEFAULT NULL) RETURNS integer
LANGUAGE sql STABLE AS $$
	SELECT ((SELECT coalesce(sum(due.n), 0)
			FROM servers_at_work(p_most, p_own) s CROSS JOIN LATERAL (
				SELECT count(*) AS n FROM (
					SELECT FROM instances i
					WHERE i.server_id = s.server_id AND i.lifecycle IN ('provisioning', 'recycling')
						AND i.work_next_at <= statement_timestamp()
						AND (i.work_lease_until IS NULL OR i.work_lease_until < statement_timestamp())
					LIMIT s.room) AS one) AS due)
		+ (SELECT count(*) FROM (SELECT FROM lost_due WHERE is_of(server_user_id, p_own) LIMIT p_most) AS lost)
		+ (SELECT count(*) FROM (
			SELECT FROM waha_servers
			WHERE ativo AND check_next_at <= statement_timestamp()
				AND (check_lease_until IS NULL OR check_lease_until < statement_timestamp())
				AND is_of(user_id, p_own)
			LIMIT p_most) AS looks))::integer
$$;

-- Deletes what is past its time, at most p_batch rows of each kind. Returns the rows touched; as
-- long as it is not 0 there may be more.
CREATE FUNCTION prune(p_messages interval, p_events interval, p_idempotency interval, p_batch integer)
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
	v_all integer := 0;
	v_n   integer;
BEGIN
	WITH old AS (SELECT id FROM webhook_events
		WHERE received_at < v_now - p_messages AND payload IS NOT NULL
			AND event LIKE 'message%' LIMIT p_batch)
	UPDATE webhook_events e SET payload = NULL FROM old WHERE e.id = old.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT id FROM webhook_events
		WHERE received_at < v_now - p_events LIMIT p_batch)
	DELETE FROM webhook_events e USING old WHERE e.id = old.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT id FROM instance_events
		WHERE at < v_now - p_events LIMIT p_batch)
	DELETE FROM instance_events e USING old WHERE e.id = old.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT user_id, route, key FROM idempotency_keys
		WHERE created_at < v_now - p_idempotency LIMIT p_batch)
	DELETE FROM idempotency_keys k USING old
	WHERE (k.user_id, k.route, k.key) = (old.user_id, old.route, old.key);
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT device_id FROM pool_wants
		WHERE asked_at < v_now - interval '1 minute' LIMIT p_batch FOR UPDATE SKIP LOCKED)
	DELETE FROM pool_wants w USING old WHERE w.device_id = old.device_id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_all + v_n;
END $$;

COMMIT;
