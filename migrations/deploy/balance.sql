-- Deploy wapool:balance to pg
BEGIN;

-- Draining -------------------------------------------------------------------------------------------

CREATE INDEX waha_servers_draining ON waha_servers (draining_at) WHERE draining_at IS NOT NULL;

-- How far the draining of a server is: 'none', 'draining', or 'drained' (no session is left).
CREATE FUNCTION drain_state(s waha_servers) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN s.draining_at IS NULL THEN 'none'
		WHEN s.sessions_ativas = 0 THEN 'drained' ELSE 'draining' END
$$;

-- What must not stay on servers that are being drained, in nobody's hands yet: what stands by is emptied
-- and retired (see work_done), or retired at once where the gateway cannot be asked; what is only ordered
-- is ordered elsewhere, or no more. Assigned ones stay until their owners leave. At most 1000 of each in
-- one call; pool_refill calls it every time. Returns how many it took away.
CREATE FUNCTION drain_sweep() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_now   timestamptz := clock_timestamp();
	v_id    uuid;
	v_other uuid;
	v_n     integer;
BEGIN
	IF NOT EXISTS (SELECT FROM waha_servers s JOIN instances i ON i.server_id = s.id
		WHERE s.draining_at IS NOT NULL AND i.lifecycle IN ('standby', 'provisioning')) THEN
		RETURN 0;
	END IF;
	-- Many moves in one transaction: all rows they count on are locked first, in the order of every move.
	PERFORM FROM waha_servers ORDER BY id FOR NO KEY UPDATE;
	PERFORM because('its server is being drained', 'drained');
	WITH c AS MATERIALIZED (
		SELECT i.id, s.health FROM waha_servers s JOIN instances i ON i.server_id = s.id
		WHERE s.draining_at IS NOT NULL AND i.lifecycle = 'standby'
		LIMIT 1000
		FOR NO KEY UPDATE OF i SKIP LOCKED)
	UPDATE instances i SET lifecycle = CASE c.health WHEN 'down' THEN 'retired' ELSE 'recycling' END
	FROM c WHERE i.id = c.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	FOR v_id IN
		SELECT i.id FROM waha_servers s JOIN instances i ON i.server_id = s.id
		WHERE s.draining_at IS NOT NULL AND i.lifecycle = 'provisioning'
			AND (i.work_lease_until IS NULL OR i.work_lease_until < v_now)
		LIMIT 1000
		FOR NO KEY UPDATE OF i SKIP LOCKED
	LOOP
		v_other := server_with_room();
		IF v_other IS NULL OR NOT order_from(v_id, v_other) THEN
			UPDATE instances SET lifecycle = 'retired' WHERE id = v_id;
		END IF;
		v_n := v_n + 1;
	END LOOP;
	RETURN v_n;
END $$;

-- Begins to drain a server (again: no harm), or with p_drain false takes it back into service. New work
-- goes elsewhere from this moment on; what stands by leaves now, assigned sessions when their owners do.
-- Returns drain_state; NULL if there is no such server. The caller wakes the helper.
CREATE FUNCTION server_drain(p_server uuid, p_drain boolean DEFAULT true) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	v_row waha_servers;
BEGIN
	IF p_drain THEN -- as drain_sweep will, which must not have to wait for others while this one is locked
		PERFORM FROM waha_servers ORDER BY id FOR NO KEY UPDATE;
	END IF;
	UPDATE waha_servers SET updated_at = now(),
		draining_at = CASE WHEN p_drain THEN coalesce(draining_at, clock_timestamp()) END
	WHERE id = p_server;
	IF p_drain THEN
		PERFORM drain_sweep();
	END IF;
	SELECT * INTO v_row FROM waha_servers WHERE id = p_server;
	RETURN CASE WHEN FOUND THEN drain_state(v_row) END;
END $$;

-- Rate limits ----------------------------------------------------------------------------------------

-- When a server may be called next, for servers that have a limit. In GCRA's words the theoretical
-- arrival time.
CREATE TABLE server_rate (
	server_id uuid PRIMARY KEY REFERENCES waha_servers (id) ON DELETE CASCADE,
	tat       timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Admits one call to a server, for all processes and hosts: how long the caller has to wait before it,
-- which is no longer than p_longest; NULL if it would be longer, and then nothing is taken. rate_limit is
-- requests a minute, 0 is no limit. No minute, wherever it begins, has more than that: a quarter of them may
-- come at once, the others evenly. p_patient: users' calls go first, so that half of that quarter is left to them.
CREATE FUNCTION server_admit(p_server uuid, p_longest interval, p_patient boolean DEFAULT false) RETURNS interval
LANGUAGE plpgsql AS $$
DECLARE
	v_limit integer;
	v_burst integer;
	v_every interval;
	v_wait  interval;
BEGIN
	SELECT rate_limit INTO v_limit FROM waha_servers WHERE id = p_server;
	IF coalesce(v_limit, 0) = 0 THEN
		RETURN interval '0';
	END IF;
	v_burst := greatest(1, v_limit / 4);
	v_every := interval '1 minute' / (v_limit - v_burst + 1);
	IF p_patient THEN
		v_burst := greatest(1, v_burst / 2);
	END IF;
	INSERT INTO server_rate AS r (server_id, tat) VALUES (p_server, clock_timestamp() + v_every)
	ON CONFLICT (server_id) DO UPDATE SET tat = greatest(r.tat, clock_timestamp()) + v_every
		WHERE r.tat - v_every * (v_burst - 1) <= clock_timestamp() + p_longest
	RETURNING r.tat - v_every * v_burst - clock_timestamp() INTO v_wait;
	RETURN CASE WHEN FOUND THEN greatest(v_wait, interval '0') END;
END $$;

COMMIT;
