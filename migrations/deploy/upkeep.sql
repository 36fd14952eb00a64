-- Deploy wapool:upkeep to pg
BEGIN;

-- Grows with each release whose programs need this schema or a newer one: /readyz asks.
CREATE FUNCTION schema_version() RETURNS integer
LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$;

-- Leases one server that is due for a look.
CREATE FUNCTION server_check_claim(p_lease interval) RETURNS SETOF uuid
LANGUAGE sql AS $$
	WITH c AS MATERIALIZED (
		SELECT id FROM waha_servers
		WHERE ativo AND check_next_at <= clock_timestamp()
			AND (check_lease_until IS NULL OR check_lease_until < clock_timestamp())
		ORDER BY check_next_at
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
-- [{"n": name, "w": status word, "p": phone, "f": profile}]; p_age: how long ago the list was asked
-- for. What was learnt since is newer and stays. Absence is judged late and with care: not within
-- p_grace of the gateway's start, not before p_absent has passed, and not while most sessions are
-- missing, which is the server's fault and no session's.
CREATE FUNCTION server_reconcile(p_server uuid, p_version text, p_started timestamptz,
	p_interval interval, p_age interval, p_grace interval, p_absent interval, p_sessions json,
	OUT known integer, OUT missing integer, OUT changed integer, OUT recycled integer,
	OUT restarted boolean)
LANGUAGE plpgsql AS $$
DECLARE
	v_old_start timestamptz;
	v_suspect   boolean;
	v_n         integer;
BEGIN
	SELECT started_at INTO v_old_start FROM waha_servers WHERE id = p_server;
	restarted := v_old_start IS NOT NULL AND p_started IS DISTINCT FROM v_old_start;

	-- Asked first: IF NOT EXISTS would send a notice with every look.
	IF to_regclass('pg_temp.listed') IS NULL THEN
		CREATE TEMPORARY TABLE listed (n text, w text, p text, f text) ON COMMIT DELETE ROWS;
		CREATE INDEX listed_n ON listed (n);
	END IF;
	TRUNCATE listed;
	INSERT INTO listed SELECT n, w, p, f
	FROM json_to_recordset(p_sessions) AS x(n text, w text, p text, f text);
	ANALYZE listed;

	-- Assigned: the level.
	UPDATE instances i SET status = left(l.w, 50), status_seen_at = clock_timestamp(), missing_since = NULL,
		phone_number = CASE WHEN l.w = 'WORKING' THEN coalesce(left(l.p, 64), phone_number) ELSE phone_number END,
		profile_name = CASE WHEN l.w = 'WORKING' THEN coalesce(left(l.f, 255), profile_name) ELSE profile_name END,
		paired_at = CASE WHEN l.w = 'WORKING' THEN coalesce(paired_at, clock_timestamp()) ELSE paired_at END,
		pairing_asked_at = CASE WHEN l.w = 'WORKING' THEN NULL ELSE pairing_asked_at END,
		last_connected_at = CASE WHEN l.w = 'WORKING' THEN clock_timestamp() ELSE last_connected_at END
	FROM listed l
	WHERE i.server_id = p_server AND i.name = l.n AND i.lifecycle = 'assigned'
		AND (i.status_seen_at IS NULL OR i.status_seen_at < clock_timestamp() - p_age)
		AND i.assigned_at < clock_timestamp() - p_age
		AND (i.status <> l.w OR i.missing_since IS NOT NULL OR l.w = 'WORKING' AND i.paired_at IS NULL);
	GET DIAGNOSTICS changed = ROW_COUNT;

	-- Standing by means stopped and empty. What is not may hold somebody's phone.
	PERFORM because('was not stopped and empty while standing by');
	UPDATE instances i SET lifecycle = 'recycling'
	FROM listed l
	WHERE i.server_id = p_server AND i.name = l.n AND i.lifecycle = 'standby'
		AND i.lifecycle_at < clock_timestamp() - p_age
		AND (l.w <> 'STOPPED' OR l.p IS NOT NULL);
	GET DIAGNOSTICS recycled = ROW_COUNT;

	-- Missing ones, marked and, when there is no other explanation, given up.
	UPDATE instances i SET missing_since = CASE WHEN l.n IS NULL THEN clock_timestamp() END
	FROM instances j LEFT JOIN listed l ON l.n = j.name
	WHERE i.id = j.id AND j.server_id = p_server AND j.lifecycle IN ('standby', 'assigned')
		AND j.lifecycle_at < clock_timestamp() - p_age
		AND (l.n IS NULL) <> (j.missing_since IS NOT NULL);
	SELECT count(*), count(*) FILTER (WHERE missing_since IS NOT NULL) INTO known, missing
	FROM instances WHERE server_id = p_server AND lifecycle IN ('standby', 'assigned');

	v_suspect := missing >= 4 AND missing * 2 > known;
	IF NOT v_suspect AND coalesce(p_started < clock_timestamp() - p_grace, true) THEN
		PERFORM because('the gateway lost its session');
		UPDATE instances SET lifecycle = 'recycling'
		WHERE server_id = p_server AND missing_since < clock_timestamp() - p_absent
			AND (lifecycle = 'standby' OR lifecycle = 'assigned' AND paired_at IS NULL AND origin <> 'admin');
		GET DIAGNOSTICS v_n = ROW_COUNT;
		recycled := recycled + v_n;
	END IF;

	UPDATE waha_servers SET health = 'up', failures = 0, version = p_version, started_at = p_started,
		health_reason = CASE WHEN v_suspect THEN format('%s of %s sessions are missing', missing, known) END,
		checked_at = clock_timestamp(), check_lease_until = NULL,
		check_next_at = clock_timestamp() + p_interval * (0.9 + 0.2 * random())
	WHERE id = p_server;
END $$;

-- What waits for a helper now, counted no further than p_most of each.
CREATE FUNCTION work_due(p_most integer) RETURNS integer
LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM (
			SELECT FROM instances i JOIN waha_servers s ON s.id = i.server_id AND s.health <> 'down'
			WHERE i.lifecycle IN ('provisioning', 'recycling') AND i.work_next_at <= clock_timestamp()
				AND (i.work_lease_until IS NULL OR i.work_lease_until < clock_timestamp())
			LIMIT p_most) a)::integer
		+ (SELECT count(*) FROM (
			SELECT FROM instances
			WHERE lifecycle = 'assigned' AND paired_at IS NOT NULL
				AND status IN ('FAILED', 'SCAN_QR_CODE')
				AND (pairing_asked_at IS NULL OR pairing_asked_at < clock_timestamp() - interval '5 minutes')
				AND work_next_at <= clock_timestamp()
				AND (work_lease_until IS NULL OR work_lease_until < clock_timestamp())
			LIMIT p_most) b)::integer
		+ (SELECT count(*) FROM (
			SELECT FROM waha_servers
			WHERE ativo AND check_next_at <= clock_timestamp()
				AND (check_lease_until IS NULL OR check_lease_until < clock_timestamp())
			LIMIT p_most) c)::integer
$$;

-- Deletes what is past its time, at most p_batch rows of each kind. Returns the rows touched; as
-- long as it is not 0 there may be more.
CREATE FUNCTION prune(p_messages interval, p_events interval, p_idempotency interval, p_batch integer)
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_all integer := 0;
	v_n   integer;
BEGIN
	WITH old AS (SELECT id FROM webhook_events
		WHERE received_at < clock_timestamp() - p_messages AND payload IS NOT NULL
			AND event LIKE 'message%' LIMIT p_batch)
	UPDATE webhook_events e SET payload = NULL FROM old WHERE e.id = old.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT id FROM webhook_events
		WHERE received_at < clock_timestamp() - p_events LIMIT p_batch)
	DELETE FROM webhook_events e USING old WHERE e.id = old.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT id FROM instance_events
		WHERE at < clock_timestamp() - p_events LIMIT p_batch)
	DELETE FROM instance_events e USING old WHERE e.id = old.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT user_id, route, key FROM idempotency_keys
		WHERE created_at < clock_timestamp() - p_idempotency LIMIT p_batch)
	DELETE FROM idempotency_keys k USING old
	WHERE (k.user_id, k.route, k.key) = (old.user_id, old.route, old.key);
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_all + v_n;
END $$;

COMMIT;
