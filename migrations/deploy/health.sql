-- Deploy wapool:health to pg
BEGIN;

-- The judgement on an instance, as the last look left it (lib/health.c decides, docs/health.md has
-- the table), and the repair that is under way.
ALTER TABLE instances
	ADD COLUMN health        text NOT NULL DEFAULT 'healthy' CHECK (health IN
	                         ('healthy', 'disconnected', 'degraded', 'stuck', 'corrupted', 'not_found')),
	ADD COLUMN health_reason text,
	ADD COLUMN health_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	ADD COLUMN bad_samples   integer NOT NULL DEFAULT 0,
	ADD COLUMN status_since  timestamptz NOT NULL DEFAULT clock_timestamp(),
	ADD COLUMN mending       boolean NOT NULL DEFAULT false,
	ADD COLUMN mend_attempts integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN instances.health_at IS 'since when it is in that health';
COMMENT ON COLUMN instances.bad_samples IS 'looks in a row that found trouble';
COMMENT ON COLUMN instances.status_since IS 'our time since which the gateway has said that status';
COMMENT ON COLUMN instances.mending IS 'a helper is to climb the ladder with it: restart, logout and restart, cleanup';
CREATE INDEX instances_mending ON instances (work_next_at) WHERE mending;

-- Looks that found trouble count only in a row that found the same: another status, or absence, begins
-- its own count, so that no single look at it decides anything.
CREATE FUNCTION instances_status_since() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status <> OLD.status THEN
		NEW.status_since := clock_timestamp();
	END IF;
	NEW.bad_samples := 0;
	RETURN NEW;
END $$;
CREATE TRIGGER status_since BEFORE UPDATE OF status, missing_since ON instances
FOR EACH ROW WHEN (OLD.status <> NEW.status OR (OLD.missing_since IS NULL) <> (NEW.missing_since IS NULL))
EXECUTE FUNCTION instances_status_since();

-- Whoever gets it next begins in good health. Named so that it runs after `transition`.
CREATE FUNCTION instances_fresh_health() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.lifecycle <> OLD.lifecycle THEN
		NEW.health := CASE NEW.lifecycle WHEN 'assigned' THEN 'disconnected' ELSE 'healthy' END;
		NEW.health_reason := NULL;
		NEW.health_at := clock_timestamp();
		NEW.bad_samples := 0;
		NEW.mending := false;
		NEW.mend_attempts := 0;
		NEW.status_since := clock_timestamp();
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER transition_health BEFORE UPDATE ON instances
FOR EACH ROW EXECUTE FUNCTION instances_fresh_health();

-- What the database knows about a server's instances, for the judgement. What changed hands since
-- p_age ago is left to the next look.
CREATE FUNCTION health_facts(p_server uuid, p_age interval) RETURNS TABLE (id uuid, name varchar,
	generation bigint, assigned boolean, paired boolean, state_ms bigint, bad_samples integer, health text,
	reason text, status varchar)
LANGUAGE sql STABLE AS $$
	SELECT i.id, i.name, i.generation, i.lifecycle = 'assigned', i.paired_at IS NOT NULL,
		(extract(epoch FROM clock_timestamp() - i.status_since) * 1000)::bigint,
		i.bad_samples, i.health, coalesce(i.health_reason, ''), i.status
	FROM instances i
	WHERE i.server_id = p_server AND i.lifecycle IN ('standby', 'assigned')
		AND i.lifecycle_at < statement_timestamp() - p_age
		AND NOT i.mending
$$;

-- True while most of what is owned at that server is missing, which is the server's fault. What stands
-- by does not count: it is made anew soon, and then proves nothing.
CREATE FUNCTION owned_are_missing(p_server uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT count(missing_since) >= 2 AND count(missing_since) * 2 > count(*)
	FROM instances WHERE server_id = p_server AND lifecycle = 'assigned'
$$;

-- Writes judgements down: [{"i": instance, "g": generation, "h": health, "r": reason, "b": bad samples,
-- "m": remedy}]. A change of health leaves a row in the trail. p_calm: remedies may be begun (not while
-- the trouble is the server's or our network's). Returns how many changed their health.
CREATE FUNCTION health_write(p_rows json, p_calm boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_new record;
	v_old instances;
	v_n   integer := 0;
BEGIN
	FOR v_new IN SELECT * FROM json_to_recordset(p_rows) AS x(i uuid, g bigint, h text, r text, b integer, m text)
		ORDER BY i
	LOOP
		SELECT * INTO v_old FROM instances
		WHERE id = v_new.i AND generation = v_new.g AND lifecycle IN ('standby', 'assigned')
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
		-- A phone that logged out is left to lost_claim, which asks the gateway once more.
		-- An admin's own is his to judge.
		IF p_calm AND (v_old.lifecycle = 'standby' OR v_old.origin = 'pool')
			AND (v_new.m = 'release' AND v_new.h = 'corrupted' AND NOT owned_are_missing(v_old.server_id)
				OR v_new.m = 'cleanup' AND v_old.paired_at IS NULL) THEN
			PERFORM because(v_new.h || ': ' || v_new.r);
			UPDATE instances SET lifecycle = 'recycling' WHERE id = v_old.id;
		END IF;
	END LOOP;
	RETURN v_n;
END $$;

-- Servers whose sessions may be mended: up, not more than a fifth of their sessions (at least 3) in
-- hands, and not while most servers look down, which is our own network.
CREATE VIEW mend_due AS
SELECT i.id, i.work_next_at
FROM instances i JOIN waha_servers s ON s.id = i.server_id AND s.health <> 'down'
WHERE i.mending AND i.lifecycle = 'assigned' AND i.work_next_at <= statement_timestamp()
	AND (i.work_lease_until IS NULL OR i.work_lease_until < statement_timestamp())
	AND (SELECT count(*) FROM instances w WHERE w.server_id = s.id AND w.work_token IS NOT NULL
			AND w.work_lease_until > statement_timestamp()) < greatest(3, s.sessions_ativas / 5)
	AND NOT (SELECT count(*) > 1 AND count(*) FILTER (WHERE health = 'down') * 2 > count(*)
		FROM waha_servers WHERE ativo);

CREATE FUNCTION mend_claim(p_lease interval) RETURNS SETOF instances
LANGUAGE sql AS $$
	WITH c AS MATERIALIZED (
		SELECT i.id FROM instances i
		WHERE i.id IN (SELECT id FROM mend_due) AND i.mending
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

-- What a step of the ladder came to. p_again NULL: it is well. p_counts: a failure was the session's own;
-- one of its server is no attempt. Fenced by the lease.
CREATE FUNCTION mend_step(p_instance uuid, p_token uuid, p_step text, p_reason text, p_ms bigint,
	p_again interval, p_counts boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_row instances;
BEGIN
	UPDATE instances SET work_token = NULL, work_lease_until = NULL, mending = p_again IS NOT NULL,
		mend_attempts = CASE WHEN p_again IS NULL THEN 0 WHEN p_counts THEN mend_attempts
			ELSE mend_attempts - 1 END,
		bad_samples = CASE WHEN p_again IS NULL THEN 0 ELSE bad_samples END,
		work_next_at = clock_timestamp() + coalesce(p_again, interval '0')
	WHERE id = p_instance AND work_token = p_token AND lifecycle = 'assigned'
	RETURNING * INTO v_row;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor, epoch, user_id,
		duration_ms)
	VALUES (v_row.id, 'repair', p_step, CASE WHEN p_again IS NULL THEN 'recovered' ELSE 'failed' END, p_reason,
		current_setting('application_name'), v_row.epoch, v_row.assigned_to_user_id, p_ms);
	RETURN true;
END $$;

COMMIT;
