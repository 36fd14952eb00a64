-- Deploy wapool:work to pg
BEGIN;

-- The best of the platform's servers that answers and has room; NULL if there is none.
CREATE FUNCTION server_with_room() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
	SELECT f.server_id FROM servers_for(NULL) f JOIN waha_servers s ON s.id = f.server_id
	WHERE f.room > 0 AND s.health <> 'down'
	LIMIT 1
$$;

-- Orders one from another server, at once. False if that one has filled up meanwhile.
CREATE FUNCTION order_from(p_instance uuid, p_server uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE instances SET server_id = p_server, work_token = NULL, work_lease_until = NULL,
		work_next_at = clock_timestamp()
	WHERE id = p_instance AND lifecycle = 'provisioning';
	RETURN FOUND;
EXCEPTION WHEN check_violation OR foreign_key_violation THEN -- full, or removed meanwhile
	RETURN false;
END $$;

-- What was ordered from a server that is down, and is in nobody's hands, is ordered elsewhere while
-- another one has room. Returns how many were moved.
CREATE FUNCTION pool_reorder() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_id    uuid;
	v_other uuid;
	v_moved integer := 0;
BEGIN
	IF NOT EXISTS (SELECT FROM instances i JOIN waha_servers s ON s.id = i.server_id AND s.health = 'down'
		WHERE i.lifecycle = 'provisioning' AND i.origin = 'pool') THEN
		RETURN 0;
	END IF;
	-- Many moves in one transaction: all rows they count on are locked first, in the order of every move.
	PERFORM FROM waha_servers ORDER BY id FOR NO KEY UPDATE;
	FOR v_id IN
		SELECT i.id FROM instances i JOIN waha_servers s ON s.id = i.server_id AND s.health = 'down'
		WHERE i.lifecycle = 'provisioning' AND i.origin = 'pool'
			AND (i.work_lease_until IS NULL OR i.work_lease_until < clock_timestamp())
		LIMIT 100
		FOR NO KEY UPDATE OF i SKIP LOCKED
	LOOP
		v_other := server_with_room();
		EXIT WHEN v_other IS NULL OR NOT order_from(v_id, v_other);
		v_moved := v_moved + 1;
	END LOOP;
	RETURN v_moved;
END $$;

-- Orders new instances: rows in 'provisioning', which helpers then make at the gateways. Below
-- p_low free ones, p_step more, and enough to reach p_target; with p_top_up also up to p_target when
-- more than p_low are free. What is being made counts, so that helpers do not order twice; the lock
-- makes them one at a time. At most 1000 at once: more come with the next call. Returns how many
-- were ordered.
CREATE FUNCTION pool_refill(p_target integer, p_low integer, p_step integer, p_max integer,
	p_top_up boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_free   integer;
	v_coming integer;
	v_all    integer;
	v_want   integer := 0;
	v_made   integer;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('wapool.refill')) THEN
		RETURN 0;
	END IF;
	PERFORM drain_sweep();
	PERFORM pool_reorder();
	-- By indexes and the servers' own counts, so that it costs the same with ten instances and a million;
	-- in one statement, so that what moves meanwhile is counted once.
	SELECT free.n - w.n, coming.n INTO v_free, v_coming -- those who want one come again, and take theirs
	FROM (SELECT pool_wanted() AS n) AS w CROSS JOIN LATERAL (
		SELECT count(*) AS n
		FROM waha_servers s CROSS JOIN LATERAL (
			SELECT FROM instances i
			WHERE i.server_id = s.id AND i.lifecycle = 'standby' AND i.origin = 'pool'
			LIMIT p_target + p_low + w.n) AS i
		WHERE s.ativo AND s.draining_at IS NULL AND s.user_id IS NULL AND s.health <> 'down') AS free
	CROSS JOIN (
		SELECT count(*) AS n
		FROM instances i JOIN waha_servers s ON s.id = i.server_id
		WHERE i.lifecycle = 'provisioning' AND i.origin = 'pool' AND s.ativo AND s.draining_at IS NULL
			AND s.user_id IS NULL) AS coming;

	IF v_free + v_coming < p_low THEN
		v_want := greatest(p_step, p_target - v_free - v_coming);
	ELSIF p_top_up THEN
		v_want := p_target - v_free - v_coming;
	END IF;
	IF v_want <= 0 THEN
		RETURN 0;
	END IF;
	SELECT count(*) INTO v_all FROM instances i
	WHERE i.origin = 'pool' AND i.lifecycle <> 'retired'
		AND i.server_id IN (SELECT id FROM waha_servers WHERE user_id IS NULL);
	v_want := greatest(least(v_want, p_max - v_all, 1000), 0);

	-- Their counts are to be true until they are counted up: locked in the order of their ids, as a move
	-- locks them. Then every free place has its own turn in the order of servers_for, at the load that its
	-- server will have by then; one statement, since each writes every server's row once.
	PERFORM FROM waha_servers WHERE user_id IS NULL ORDER BY id FOR NO KEY UPDATE;
	PERFORM because('refill');
	INSERT INTO instances (name, server_id)
	SELECT pool_name(), place.id FROM (
		SELECT s.id
		FROM waha_servers s CROSS JOIN LATERAL generate_series(s.sessions_ativas,
			least(s.max_sessions, s.sessions_ativas + v_want) - 1) AS taken
		WHERE s.ativo AND s.draining_at IS NULL AND s.user_id IS NULL
		ORDER BY (s.health = 'down'), (random() >= server_share(s.up_since)), s.prioridade DESC,
			taken::float8 / greatest(s.max_sessions, 1), s.used_at NULLS FIRST, s.id
		LIMIT v_want) AS place;
	GET DIAGNOSTICS v_made = ROW_COUNT;
	RETURN v_made;
END $$;

-- Servers that may be given more work, and how many items more: those that are down wait until a look
-- at them succeeds, and of one server, or of all servers of one user, no more than p_per_server items are in
-- hands at a time, whatever the number of helpers. p_own: as is_of has it.
CREATE FUNCTION servers_at_work(p_per_server integer, p_own boolean DEFAULT NULL)
RETURNS TABLE (server_id uuid, room integer)
LANGUAGE sql STABLE AS $$
	SELECT s.id, p_per_server - l.n
	FROM waha_servers s CROSS JOIN LATERAL (
		SELECT count(*)::integer AS n FROM instances w
		WHERE w.server_id IN (SELECT s.id UNION ALL
				SELECT o.id FROM waha_servers o WHERE o.user_id = s.user_id AND o.id <> s.id)
			AND w.work_token IS NOT NULL AND w.work_lease_until > statement_timestamp()) AS l
	WHERE s.health <> 'down' AND l.n < p_per_server AND is_of(s.user_id, p_own)
$$;

-- True if an instance is being emptied for the last time, and nobody wants it made anew.
CREATE FUNCTION ends_here(i instances) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT i.lifecycle = 'recycling' AND (i.origin = 'admin'
		OR EXISTS (SELECT FROM waha_servers s WHERE s.id = i.server_id AND s.draining_at IS NOT NULL))
$$;

-- The oldest due item of one server, leased: it is the caller's until the lease ends or he says what
-- became of it. Taking it starts a new generation of the session under a new name (next_name), so that
-- neither webhooks of the former one nor commands to it that are still under way reach the next. What an
-- attempt that failed may have left at the gateway is an orphan, which a look finds (change `upkeep`). No
-- next_name: its session is only to be deleted.
CREATE FUNCTION work_take(p_server uuid, p_now timestamptz, p_lease interval) RETURNS SETOF instances
LANGUAGE sql AS $$
	WITH c AS MATERIALIZED (
		SELECT id FROM instances
		WHERE server_id = p_server AND lifecycle IN ('provisioning', 'recycling')
			AND work_next_at <= p_now
			AND (work_lease_until IS NULL OR work_lease_until < p_now)
		ORDER BY work_next_at
		LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE instances i
	SET work_token = gen_random_uuid(), work_lease_until = p_now + p_lease,
		work_attempts = i.work_attempts + 1, generation = i.generation + 1,
		next_name = CASE WHEN ends_here(i) THEN NULL WHEN i.origin <> 'pool' OR i.lifecycle = 'provisioning' AND i.work_attempts = 0
			THEN i.name ELSE pool_name() END
	FROM c
	WHERE i.id = c.id
	RETURNING i.*
$$;

-- Leases one item of whichever server has room for work.
CREATE FUNCTION work_claim(p_lease interval, p_per_server integer DEFAULT 8, p_own boolean DEFAULT NULL)
RETURNS SETOF instances
LANGUAGE plpgsql AS $$
DECLARE
	v_now    timestamptz := clock_timestamp(); -- a volatile function could not use an index
	v_server uuid;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('wapool.work')); -- who counts sees what others have just taken
	FOR v_server IN SELECT server_id FROM servers_at_work(p_per_server, p_own) ORDER BY random() LOOP
		RETURN QUERY SELECT * FROM work_take(v_server, v_now, p_lease);
		IF FOUND THEN
			RETURN;
		END IF;
	END LOOP;
END $$;

-- The session is made and empty: it stands by. What an administrator made and gave up, or what a server
-- that is being drained had, is not made anew: its session is gone, and it is retired. False if the lease went to somebody else.
CREATE FUNCTION work_done(p_instance uuid, p_token uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_was varchar;
	v_is  varchar;
BEGIN
	PERFORM FROM instances WHERE id = p_instance AND work_token = p_token
		AND lifecycle = 'recycling' AND next_name IS NULL FOR NO KEY UPDATE;
	IF FOUND THEN
		PERFORM because('emptied');
		PERFORM instance_retire(p_instance);
		RETURN true;
	END IF;
	PERFORM because('ready');
	SELECT name INTO v_was FROM instances WHERE id = p_instance;
	UPDATE instances SET lifecycle = 'standby', name = coalesce(next_name, name), next_name = NULL
	WHERE id = p_instance AND work_token = p_token AND lifecycle IN ('provisioning', 'recycling')
	RETURNING name INTO v_is;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF v_was <> v_is THEN -- so that the trail leads from a former name to what became of it
		INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor)
		VALUES (p_instance, 'renamed', v_was, v_is, 'a session''s name is never used again',
			current_setting('application_name'));
	END IF;
	RETURN true;
END $$;

-- It did not work: again after p_wait. What is only being made moves to another server with
-- room, if there is one; what must be emptied stays where its session is.
CREATE FUNCTION work_failed(p_instance uuid, p_token uuid, p_error text, p_wait interval,
	p_move boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_other uuid;
	v_found boolean;
BEGIN
	UPDATE instances SET work_token = NULL, work_lease_until = NULL, last_error = p_error,
		work_next_at = clock_timestamp() + p_wait
	WHERE id = p_instance AND work_token = p_token AND lifecycle IN ('provisioning', 'recycling');
	v_found := FOUND;
	IF v_found AND p_move THEN
		SELECT s.server_id INTO v_other
		FROM instances i CROSS JOIN servers_for(NULL) s
		WHERE i.id = p_instance AND i.lifecycle = 'provisioning' AND i.origin = 'pool'
			AND s.server_id <> i.server_id AND s.room > 0
		LIMIT 1;
		PERFORM order_from(p_instance, v_other) WHERE v_other IS NOT NULL;
	END IF;
	RETURN v_found;
END $$;

-- Assignments that nobody paired in time, released. Returns how many.
CREATE FUNCTION release_unpaired(p_ttl interval) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
	v_n   integer;
BEGIN
	PERFORM because('never paired', 'unpaired');
	WITH c AS MATERIALIZED (
		SELECT id FROM instances
		WHERE lifecycle = 'assigned' AND origin = 'pool' AND paired_at IS NULL
			AND assigned_at < v_now - p_ttl
			AND coalesce(pairing_asked_at, assigned_at) < v_now - p_ttl
		LIMIT 100
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE instances i SET lifecycle = 'recycling' FROM c WHERE i.id = c.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_n;
END $$;

-- Assignments whose phone is gone: paired, but the gateway wants a new pairing or gave up, and the
-- owner has not asked for a QR meanwhile. The helper asks the gateway again before it releases.
-- Leased like work, so that several helpers do not ask at once.
CREATE VIEW lost_due AS
SELECT i.id, i.status_seen_at, s.user_id AS server_user_id
FROM instances i JOIN waha_servers s ON s.id = i.server_id AND s.health <> 'down'
WHERE i.lost AND NOT quiesced()
	AND (i.pairing_asked_at IS NULL OR i.pairing_asked_at < statement_timestamp() - interval '5 minutes')
	AND i.work_next_at <= statement_timestamp()
	AND (i.work_lease_until IS NULL OR i.work_lease_until < statement_timestamp());

CREATE FUNCTION lost_claim(p_lease interval, p_own boolean DEFAULT NULL) RETURNS SETOF instances
LANGUAGE sql AS $$
	WITH c AS MATERIALIZED (
		SELECT i.id FROM instances i
		WHERE i.id IN (SELECT id FROM lost_due WHERE is_of(server_user_id, p_own)) AND i.lost
			AND (i.work_lease_until IS NULL OR i.work_lease_until < statement_timestamp())
		ORDER BY i.status_seen_at
		LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE instances i
	SET work_token = gen_random_uuid(), work_lease_until = clock_timestamp() + p_lease,
		work_attempts = i.work_attempts + 1
	FROM c
	WHERE i.id = c.id
	RETURNING i.*
$$;

-- Releases what is lost: if it still is, in the helper's hands, and its owner has not asked for a QR
-- meanwhile. What an administrator made stays his.
CREATE FUNCTION lost_release(p_instance uuid, p_token uuid, p_reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM instances WHERE id = p_instance AND work_token = p_token AND lost AND origin = 'admin'
	FOR NO KEY UPDATE;
	IF FOUND THEN
		PERFORM admin_unpaired(p_instance, p_reason);
		RETURN true;
	END IF;
	PERFORM because(p_reason, 'phone');
	UPDATE instances SET lifecycle = 'recycling'
	WHERE id = p_instance AND work_token = p_token AND lost
		AND (pairing_asked_at IS NULL OR pairing_asked_at < statement_timestamp() - interval '5 minutes');
	RETURN FOUND;
END $$;

-- The helper is done with it for now: not again before p_wait.
CREATE FUNCTION lost_later(p_instance uuid, p_token uuid, p_wait interval) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE instances SET work_token = NULL, work_lease_until = NULL,
		work_next_at = clock_timestamp() + p_wait
	WHERE id = p_instance AND work_token = p_token AND lifecycle = 'assigned';
	RETURN FOUND;
END $$;

COMMIT;
