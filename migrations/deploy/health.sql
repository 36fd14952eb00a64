-- Deploy wapool:health to pg
BEGIN;

-- The judgement on an instance, as the last look left it (lib/health.c decides, docs/health.md has
-- the table), and the repair that is under way. Both begin anew with each transition (change `instances`).
CREATE DOMAIN instance_health AS text
	CHECK (VALUE IN ('healthy', 'disconnected', 'degraded', 'stuck', 'corrupted', 'not_found'));
CREATE DOMAIN mend_rung AS text CHECK (VALUE IN ('restart', 'logout', 'release'));
ALTER TABLE instances
	ADD COLUMN health        instance_health NOT NULL DEFAULT 'healthy',
	ADD COLUMN health_reason text,
	ADD COLUMN health_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	ADD COLUMN bad_samples   integer NOT NULL DEFAULT 0,
	ADD COLUMN status_since  timestamptz NOT NULL DEFAULT clock_timestamp(),
	ADD COLUMN mending       boolean NOT NULL DEFAULT false,
	ADD COLUMN mend_attempts integer NOT NULL DEFAULT 0,
	ADD COLUMN mend_rung     mend_rung NOT NULL DEFAULT 'restart';
COMMENT ON COLUMN instances.health_at IS 'since when it is in that health';
COMMENT ON COLUMN instances.bad_samples IS 'looks in a row that found trouble';
COMMENT ON COLUMN instances.status_since IS 'our time since which the gateway has said that status';
COMMENT ON COLUMN instances.mending IS 'a helper is to climb the ladder with it';
COMMENT ON COLUMN instances.mend_rung IS
	'where on the ladder: restart, logout (and restart), release (which deletes the session and makes it anew)';
CREATE INDEX instances_mending ON instances (work_next_at) WHERE mending;

-- What the database knows about a server's instances, for the judgement. What changed hands since
-- p_age ago, or is being mended at this moment, is left to the next look. What only waits to be mended is
-- judged: or a freeze would never see that its trouble is over.
CREATE FUNCTION health_facts(p_server uuid, p_age interval) RETURNS TABLE (id uuid, name varchar,
	generation bigint, epoch bigint, assigned boolean, paired boolean, state_ms bigint, bad_samples integer, health text,
	reason text, status varchar)
LANGUAGE sql STABLE AS $$
	SELECT i.id, i.name, i.generation, i.epoch, i.lifecycle = 'assigned', i.paired_at IS NOT NULL,
		(extract(epoch FROM clock_timestamp() - i.status_since) * 1000)::bigint,
		i.bad_samples, i.health, coalesce(i.health_reason, ''), i.status
	FROM instances i
	WHERE i.server_id = p_server AND i.lifecycle IN ('standby', 'assigned')
		AND i.lifecycle_at < statement_timestamp() - p_age
		AND NOT (i.mending AND i.work_token IS NOT NULL AND i.work_lease_until > statement_timestamp())
$$;

-- True while most of what is owned at that server is missing, which is the server's fault. What stands
-- by does not count: it is made anew soon, and then proves nothing.
CREATE FUNCTION owned_are_missing(p_server uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT count(missing_since) >= 2 AND count(missing_since) * 2 > count(*)
	FROM instances WHERE server_id = p_server AND lifecycle = 'assigned'
$$;

-- What is wrong now with a server or with the network as a whole, for people and for the freeze of repairs.
--   network   most servers look down at once: it is our own network
--   sessions  most of a server's connected sessions are in trouble at once: it is that server
--   server    it is down, for the reason told
-- While one of the first two stands nothing is logged out and nobody loses what he has.
CREATE TABLE alarms (
	kind      text NOT NULL CHECK (kind IN ('network', 'sessions', 'server')),
	server_id uuid REFERENCES waha_servers (id) ON DELETE CASCADE,
	since     timestamptz NOT NULL DEFAULT clock_timestamp(),
	reason    text NOT NULL,
	UNIQUE NULLS NOT DISTINCT (server_id, kind)
);
COMMENT ON COLUMN alarms.server_id IS 'NULL: all of them';

-- Most of the platform's servers look down: why, or NULL. One server alone is no network, and users' own tell
-- nothing: whoever registers a few that do not exist would end repairs for all.
CREATE FUNCTION network_trouble() RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT format('%s of %s servers look down', count(*) FILTER (WHERE health = 'down'), count(*))
	FROM waha_servers WHERE ativo AND user_id IS NULL
	HAVING count(*) > 1 AND count(*) FILTER (WHERE health = 'down') * 2 > count(*)
$$;

-- Most of a server's connected sessions are in trouble at once, three at the least: why, or NULL.
CREATE FUNCTION sessions_trouble(p_server uuid) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT format('%s of %s connected sessions are in trouble', n.ill, n.every)
	FROM (SELECT count(*) AS every,
			count(*) FILTER (WHERE health NOT IN ('healthy', 'disconnected') OR missing_since IS NOT NULL) AS ill
		FROM instances WHERE server_id = p_server AND lifecycle = 'assigned' AND paired_at IS NOT NULL) AS n
	WHERE n.ill >= 3 AND n.ill * 2 > n.every AND NOT quiesced()
$$;

CREATE FUNCTION alarms_wanted(p_server uuid) RETURNS TABLE (kind text, server_id uuid, reason text)
LANGUAGE sql STABLE AS $$
	SELECT 'network', NULL::uuid, network_trouble() WHERE network_trouble() IS NOT NULL
	UNION ALL
	SELECT 'sessions', s.id, sessions_trouble(s.id) FROM waha_servers s
	WHERE s.id = p_server AND s.ativo AND sessions_trouble(s.id) IS NOT NULL
	UNION ALL
	SELECT 'server', s.id, coalesce(s.health_reason, 'does not answer') FROM waha_servers s
	WHERE s.id = p_server AND s.ativo AND s.health = 'down'
$$;

-- Raises and clears what a look at that server changed. Each change is returned once, to one caller, who
-- logs it. A server that is switched off has no alarms.
CREATE FUNCTION alarms_judge(p_server uuid) RETURNS TABLE (raised boolean, kind text, server_id uuid, reason text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY DELETE FROM alarms a
	WHERE ((a.server_id = p_server OR a.server_id IS NULL)
			AND NOT EXISTS (SELECT FROM alarms_wanted(p_server) w
				WHERE w.kind = a.kind AND w.server_id IS NOT DISTINCT FROM a.server_id))
		OR a.server_id IN (SELECT id FROM waha_servers WHERE NOT ativo)
	RETURNING false, a.kind, a.server_id, a.reason;
	UPDATE alarms a SET reason = w.reason FROM alarms_wanted(p_server) w
	WHERE w.kind = a.kind AND w.server_id IS NOT DISTINCT FROM a.server_id AND w.reason <> a.reason;
	RETURN QUERY INSERT INTO alarms AS a (kind, server_id, reason)
	SELECT w.kind, w.server_id, w.reason FROM alarms_wanted(p_server) w
	ON CONFLICT DO NOTHING
	RETURNING true, a.kind, a.server_id, a.reason;
END $$;

-- True while nothing at that server may be logged out or taken away.
CREATE FUNCTION is_frozen(p_server uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT network_trouble() IS NOT NULL OR sessions_trouble(p_server) IS NOT NULL
$$;

-- A freeze protects pairings; it does not last for what costs none. After a quarter of an hour sessions are
-- restarted again, though nothing is logged out or taken away while it stands.
CREATE FUNCTION freeze_is_old(p_server uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM alarms
		WHERE kind IN ('network', 'sessions') AND (server_id = p_server OR server_id IS NULL))
		AND NOT EXISTS (SELECT FROM alarms
			WHERE kind IN ('network', 'sessions') AND (server_id = p_server OR server_id IS NULL)
				AND since > statement_timestamp() - interval '15 minutes')
$$;

-- Writes judgements down: [{"i": instance, "g": generation, "e": epoch, "h": health, "r": reason, "b": bad
-- samples, "m": remedy}]. A change of health leaves a row in the trail. What has changed hands, or was made
-- anew, since is not judged. p_calm: remedies may be begun. Returns how many changed their health.
CREATE FUNCTION health_write(p_rows json, p_calm boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_new record;
	v_old instances;
	v_n   integer := 0;
BEGIN
	FOR v_new IN SELECT * FROM json_to_recordset(p_rows)
		AS x(i uuid, g bigint, e bigint, h text, r text, b integer, m text) ORDER BY i
	LOOP
		SELECT * INTO v_old FROM instances
		WHERE id = v_new.i AND generation = v_new.g AND epoch = v_new.e AND lifecycle IN ('standby', 'assigned')
		FOR NO KEY UPDATE;
		CONTINUE WHEN NOT FOUND;
		UPDATE instances SET health = v_new.h, health_reason = v_new.r, bad_samples = v_new.b,
			health_at = CASE WHEN health <> v_new.h THEN clock_timestamp() ELSE health_at END,
			mending = mending OR p_calm AND v_new.m = 'restart' AND lifecycle = 'assigned' AND NOT lost
		WHERE id = v_old.id;
		IF v_old.health <> v_new.h THEN
			v_n := v_n + 1;
			INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor, epoch,
				user_id, duration_ms)
			VALUES (v_old.id, 'health', v_old.health, v_new.h, v_new.r, current_setting('application_name'),
				v_old.epoch, v_old.assigned_to_user_id,
				(extract(epoch FROM clock_timestamp() - v_old.health_at) * 1000)::bigint);
		END IF;
	END LOOP;
	IF p_calm THEN
		PERFORM health_remedies(p_rows);
	END IF;
	RETURN v_n;
END $$;

-- What needs no ladder is made anew at once: after all judgements are written, so that trouble of most is
-- seen as such. A phone that logged out is left to lost_claim, which asks the gateway once more. An
-- admin's own is his to judge.
CREATE FUNCTION health_remedies(p_rows json) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_new record;
BEGIN
	FOR v_new IN SELECT * FROM json_to_recordset(p_rows)
		AS x(i uuid, g bigint, e bigint, h text, r text, m text)
		WHERE m = 'cleanup' OR m = 'release' AND h = 'corrupted' ORDER BY i
	LOOP
		PERFORM because(v_new.h || ': ' || v_new.r, 'ill');
		UPDATE instances SET lifecycle = 'recycling'
		WHERE id = v_new.i AND generation = v_new.g AND epoch = v_new.e AND (lifecycle = 'standby'
			OR lifecycle = 'assigned' AND origin = 'pool' AND NOT is_frozen(server_id)
				AND (v_new.m = 'cleanup' AND paired_at IS NULL
					OR v_new.m = 'release' AND NOT owned_are_missing(server_id)));
	END LOOP;
END $$;

-- Whose turn on the ladder it is: at servers that are up, while not more than a fifth of a server's sessions
-- (at least 3) are in hands, and not while the trouble is the server's or the network's. One that merely is
-- stopped is started also when most of its neighbours are: that is how a gateway comes back. One that wants a
-- restart gets it when the trouble has lasted.
CREATE VIEW mend_due AS
SELECT i.id, i.work_next_at, s.user_id AS server_user_id
FROM instances i JOIN waha_servers s ON s.id = i.server_id AND s.health <> 'down'
WHERE i.mending AND i.lifecycle = 'assigned' AND i.work_next_at <= statement_timestamp()
	AND (i.work_lease_until IS NULL OR i.work_lease_until < statement_timestamp())
	AND (SELECT count(*) FROM instances w WHERE w.server_id = s.id AND w.work_token IS NOT NULL
			AND w.work_lease_until > statement_timestamp()) < greatest(3, s.sessions_ativas / 5)
	AND NOT quiesced()
	AND (i.mend_rung = 'restart' AND freeze_is_old(s.id)
		OR network_trouble() IS NULL
			AND (i.status = 'STOPPED' AND i.mend_rung = 'restart' OR sessions_trouble(s.id) IS NULL));

CREATE FUNCTION mend_claim(p_lease interval, p_own boolean DEFAULT NULL) RETURNS SETOF instances
LANGUAGE sql AS $$
	WITH c AS MATERIALIZED (
		SELECT i.id FROM instances i
		WHERE i.id IN (SELECT id FROM mend_due WHERE is_of(server_user_id, p_own)) AND i.mending
			AND (i.work_lease_until IS NULL OR i.work_lease_until < statement_timestamp())
		ORDER BY i.work_next_at
		LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE instances i
	SET work_token = gen_random_uuid(), work_lease_until = clock_timestamp() + p_lease,
		mend_attempts = i.mend_attempts + 1
	FROM c
	WHERE i.id = c.id
	RETURNING i.*
$$;

-- The moment before a logout: true if the lease is still ours, over the very session and assignment that it
-- was taken for, and nothing is frozen. From here on its pairing counts as lost, so that a helper that dies
-- leaves no record of a phone; the owner has his time to scan again, and keeps the instance.
CREATE FUNCTION mend_logout(p_instance uuid, p_token uuid, p_name text, p_epoch bigint, p_generation bigint,
	p_lease interval) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE instances SET paired_at = NULL, phone_number = NULL, profile_name = NULL,
		pairing_asked_at = clock_timestamp(), work_lease_until = clock_timestamp() + p_lease
	WHERE id = p_instance AND work_token = p_token AND work_lease_until > clock_timestamp()
		AND name = p_name AND epoch = p_epoch AND generation = p_generation AND lifecycle = 'assigned'
		AND status <> 'WORKING' AND NOT is_frozen(server_id);
	RETURN FOUND;
END $$;

-- One row of the trail about a repair, by whoever holds the lease.
CREATE FUNCTION repair_note(p_instance uuid, p_token uuid, p_step text, p_end text, p_reason text, p_ms bigint)
RETURNS boolean
LANGUAGE sql AS $$
	WITH n AS (
		INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor, epoch, user_id,
			duration_ms)
		SELECT id, 'repair', p_step, p_end, p_reason, current_setting('application_name'), epoch,
			assigned_to_user_id, p_ms
		FROM instances WHERE id = p_instance AND work_token = p_token
		RETURNING 1)
	SELECT EXISTS (SELECT FROM n)
$$;

-- The rung after a failed one: p_most restarts, one logout, then there is nothing gentler.
CREATE FUNCTION mend_next(p_rung text, p_attempts integer, p_most integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN p_rung = 'restart' AND p_attempts < p_most THEN 'restart'
		WHEN p_rung = 'restart' THEN 'logout' ELSE 'release' END
$$;

-- What a step of the ladder came to. p_again NULL: it is over; with a reason it works not, but waits for a
-- scan. p_counts: a failure was the session's own; one of its server is no attempt. While its server is frozen
-- nothing climbs. After the last rung it
-- is released, which deletes the session and makes it anew; an admin's own is left for him. Fenced by the
-- lease, and one transaction: whoever dies leaves a step done or not begun.
CREATE FUNCTION mend_step(p_instance uuid, p_token uuid, p_step text, p_reason text, p_ms bigint,
	p_again interval, p_counts boolean, p_most integer DEFAULT 3) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_row  instances;
	v_rung text;
BEGIN
	PERFORM repair_note(p_instance, p_token, p_step,
		CASE WHEN p_again IS NOT NULL THEN 'failed' WHEN p_reason = '' THEN 'recovered' ELSE 'unpaired' END,
		p_reason, p_ms);
	SELECT * INTO v_row FROM instances
	WHERE id = p_instance AND work_token = p_token AND lifecycle = 'assigned' FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	v_rung := CASE WHEN p_again IS NULL THEN 'restart'
		WHEN p_counts AND NOT is_frozen(v_row.server_id) THEN mend_next(v_row.mend_rung, v_row.mend_attempts, p_most) ELSE v_row.mend_rung END;
	UPDATE instances SET work_token = NULL, work_lease_until = NULL, mend_rung = v_rung,
		mending = p_again IS NOT NULL AND NOT (v_rung = 'release' AND origin = 'admin'),
		mend_attempts = CASE WHEN p_again IS NULL OR v_rung <> v_row.mend_rung THEN 0
			WHEN p_counts THEN mend_attempts ELSE mend_attempts - 1 END,
		bad_samples = CASE WHEN p_again IS NULL THEN 0 ELSE bad_samples END,
		work_next_at = clock_timestamp() + coalesce(p_again, interval '0')
	WHERE id = p_instance;
	IF v_rung = 'release' AND p_counts AND v_row.origin <> 'admin' THEN
		PERFORM because('could not be mended', 'unrecovered');
		UPDATE instances SET lifecycle = 'recycling' WHERE id = p_instance AND NOT is_frozen(server_id);
	END IF;
	RETURN true;
END $$;

-- Repairs by hand (lib/repair). The lease of one that somebody has or that stands by; nothing while
-- another one is at work on it.
CREATE FUNCTION repair_claim(p_instance uuid, p_lease interval) RETURNS SETOF instances
LANGUAGE sql AS $$
	UPDATE instances SET work_token = gen_random_uuid(), work_lease_until = clock_timestamp() + p_lease
	WHERE id = p_instance AND lifecycle IN ('standby', 'assigned')
		AND (work_lease_until IS NULL OR work_lease_until < clock_timestamp())
	RETURNING *
$$;

-- Gives the lease back. p_well: nothing is to be mended any more.
CREATE FUNCTION repair_done(p_instance uuid, p_token uuid, p_well boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE instances SET work_token = NULL, work_lease_until = NULL, mending = mending AND NOT p_well,
		mend_attempts = CASE WHEN p_well THEN 0 ELSE mend_attempts END,
		mend_rung = CASE WHEN p_well THEN 'restart' ELSE mend_rung END
	WHERE id = p_instance AND work_token = p_token AND lifecycle IN ('standby', 'assigned');
	RETURN FOUND;
END $$;

-- Takes it from its owner, if it has one, and leases the emptying of it, as work_take does. p_force false:
-- not while its server is frozen. Never what an administrator made: emptied, that would be retired. Fenced by
-- what the caller had looked at: who has it since, or a session made since, is not meant.
CREATE FUNCTION repair_cleanup(p_instance uuid, p_epoch bigint, p_generation bigint, p_reason text, p_force boolean,
	p_lease interval) RETURNS SETOF instances
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM instances WHERE id = p_instance AND epoch = p_epoch AND generation = p_generation
		AND lifecycle <> 'retired' AND origin <> 'admin' AND (work_lease_until IS NULL OR work_lease_until < clock_timestamp())
		AND (p_force OR lifecycle <> 'assigned' OR NOT is_frozen(server_id))
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM because(p_reason, CASE WHEN p_force THEN 'operator' ELSE 'ill' END);
	UPDATE instances SET lifecycle = 'recycling' WHERE id = p_instance AND lifecycle IN ('standby', 'assigned');
	RETURN QUERY UPDATE instances i
	SET work_token = gen_random_uuid(), work_lease_until = clock_timestamp() + p_lease,
		work_attempts = i.work_attempts + 1, generation = i.generation + 1,
		next_name = CASE WHEN i.origin = 'pool' THEN pool_name() ELSE i.name END
	WHERE id = p_instance
	RETURNING i.*;
END $$;

COMMIT;
