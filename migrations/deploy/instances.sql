-- Deploy wapool:instances to pg
BEGIN;

-- Words are domains here and not checks of the table: PostgreSQL reads a table's checks, generated columns and
-- triggers' conditions anew for every statement that writes a row, whatever it writes. A domain is checked where
-- its word is written.
CREATE DOMAIN instance_lifecycle AS text
	CHECK (VALUE IN ('provisioning', 'standby', 'assigned', 'recycling', 'retired'));
CREATE DOMAIN instance_origin AS text CHECK (VALUE IN ('pool', 'admin', 'user'));
CREATE DOMAIN instance_name AS varchar(255) CHECK (octet_length(VALUE) BETWEEN 1 AND 255);

-- One WhatsApp session on one gateway server. The canonical table; seeds 001's and
-- 003's tables are faces of it.
CREATE TABLE instances (
	id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name                instance_name NOT NULL,
	server_id           uuid NOT NULL REFERENCES waha_servers (id),
	origin              instance_origin NOT NULL DEFAULT 'pool',
	lifecycle           instance_lifecycle NOT NULL DEFAULT 'provisioning',
	lifecycle_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
	is_pooled           boolean NOT NULL DEFAULT false,
	assigned_to_user_id uuid REFERENCES users (id) ON DELETE SET NULL,
	device_id           uuid REFERENCES devices (id) ON DELETE SET NULL,
	assigned_at         timestamptz,
	epoch               bigint NOT NULL DEFAULT 0,
	generation          bigint NOT NULL DEFAULT 0,
	status              varchar(50) NOT NULL DEFAULT 'STOPPED',
	status_at           timestamptz,
	status_seen_at      timestamptz,
	pairing_asked_at    timestamptz,
	paired_at           timestamptz,
	phone_number        varchar(64),
	profile_name        varchar(255),
	last_connected_at   timestamptz,
	missing_since       timestamptz,
	next_name           varchar(255),
	work_token          uuid,
	work_lease_until    timestamptz,
	work_next_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
	work_attempts       integer NOT NULL DEFAULT 0,
	last_error          text,
	created_at          timestamptz NOT NULL DEFAULT now(),
	updated_at          timestamptz NOT NULL DEFAULT now(),
	lost                boolean NOT NULL DEFAULT false,
	CONSTRAINT instances_server_id_name_key UNIQUE (server_id, name),
	CONSTRAINT instances_owned_iff_assigned CHECK
		(num_nonnulls(assigned_to_user_id, device_id) = CASE lifecycle WHEN 'assigned' THEN 2 ELSE 0 END)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100);

COMMENT ON COLUMN instances.is_pooled IS
	'seed 000: part of the pool that users see, that is free (standby) or in use (assigned); kept by the trigger';
COMMENT ON COLUMN instances.epoch IS 'grows at each assignment: the fencing token of everything done for an owner';
COMMENT ON COLUMN instances.generation IS
	'grows each time the session is made at the gateway; its webhooks carry it back, so a former session''s are told apart';
COMMENT ON COLUMN instances.status IS 'the gateway''s own word: STOPPED, STARTING, SCAN_QR_CODE, WORKING, FAILED, or a new one';
COMMENT ON COLUMN instances.status_at IS 'the gateway''s time of that status: older events change nothing';
COMMENT ON COLUMN instances.status_seen_at IS 'our time of learning it';
COMMENT ON COLUMN instances.pairing_asked_at IS 'the last time its owner asked for a QR or a code';
COMMENT ON COLUMN instances.paired_at IS 'a phone was connected in this assignment, and nobody has asked for a new QR since';
COMMENT ON COLUMN instances.lost IS
	'a phone was connected, and the gateway no longer has it; kept by the trigger, so that other changes of status stay HOT';
COMMENT ON COLUMN instances.next_name IS
	'the session that is being made; it becomes the name when it is ready. A session''s name is never used again: a command that was under way to a former one for long finds nobody';
COMMENT ON COLUMN instances.work_token IS 'the helper''s claim on a row that is being made or emptied';

-- The second guard of "a user has one instance per device" (the first is the device's row lock).
CREATE UNIQUE INDEX instances_one_per_device ON instances (device_id) WHERE device_id IS NOT NULL;
-- Claims: the longest-waiting free instance of a server.
CREATE INDEX instances_standby ON instances (server_id, lifecycle_at)
	WHERE lifecycle = 'standby' AND origin <> 'admin';
-- The helper's work at a server, oldest first.
CREATE INDEX instances_work ON instances (server_id, work_next_at)
	WHERE lifecycle IN ('provisioning', 'recycling');
-- Items in a helper's hands, counted per server.
CREATE INDEX instances_leased ON instances (server_id) WHERE work_token IS NOT NULL;
-- By name, and pages of lists in the order of names.
CREATE INDEX instances_name_idx ON instances (name, id);
CREATE INDEX instances_user_idx ON instances (assigned_to_user_id) WHERE assigned_to_user_id IS NOT NULL;
-- Assigned instances that may need a release: never paired, or their phone is gone.
CREATE INDEX instances_unpaired ON instances (assigned_at) WHERE lifecycle = 'assigned' AND paired_at IS NULL;
CREATE INDEX instances_lost ON instances (work_next_at) WHERE lost;

-- What happened to an instance, when, why, by whom, and how long the state before lasted.
CREATE TABLE instance_events (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	instance_id uuid NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind        text NOT NULL,
	from_state  text,
	to_state    text,
	reason      text,
	actor       text,
	epoch       bigint,
	user_id     uuid,
	duration_ms bigint
);
CREATE INDEX instance_events_instance_idx ON instance_events (instance_id, id);
CREATE INDEX instance_events_at_idx ON instance_events (at);

-- The reason that the trail shows for this transaction's next transitions: a sentence, that may quote a
-- gateway, and what kind of reason that is, in one word, for who counts (change `metrics`).
CREATE FUNCTION because(p_reason text, p_class text DEFAULT 'other') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('wapool.reason', p_reason, true), set_config('wapool.reason_class', p_class, true);
END $$;

-- Who the trail shows for the rest of this transaction: a person who acts through a program. NULL: the
-- program itself.
CREATE FUNCTION acting(p_actor text) RETURNS void
LANGUAGE sql AS $$ SELECT set_config('wapool.actor', coalesce(p_actor, ''), true) $$;
CREATE FUNCTION actor() RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(current_setting('wapool.actor', true), ''), current_setting('application_name'))
$$;

-- The table of moves. Everything else is impossible, whoever asks.
CREATE FUNCTION instance_may_move(p_from text, p_to text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT (p_from, p_to) IN (
		('provisioning', 'standby'), ('provisioning', 'retired'),
		('standby', 'assigned'), ('standby', 'recycling'), ('standby', 'retired'),
		('assigned', 'recycling'),
		('recycling', 'standby'), ('recycling', 'retired'))
$$;

-- The one function that owns every transition: it reads the wish out of the row, leaves the
-- old state, enters the new one and refuses what is impossible. (Health is of change `health`.)
CREATE FUNCTION instances_transition() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.updated_at := now();
	-- Looks that found trouble count only in a row that found the same: another status, or absence, begins
	-- its own count, so that no single look at it decides anything.
	IF NEW.status <> OLD.status THEN
		NEW.status_since := clock_timestamp();
		NEW.bad_samples := 0;
	ELSIF (NEW.missing_since IS NULL) <> (OLD.missing_since IS NULL) THEN
		NEW.bad_samples := 0;
	END IF;

	-- Written by hand (seed 000): an owner taken away is a release, one given is a claim.
	IF OLD.lifecycle = 'assigned' AND NEW.lifecycle = 'assigned'
		AND (NEW.assigned_to_user_id IS NULL OR NEW.device_id IS NULL) THEN
		NEW.lifecycle := 'recycling';
	ELSIF OLD.lifecycle = 'standby' AND NEW.lifecycle = 'standby'
		AND NEW.assigned_to_user_id IS NOT NULL THEN
		NEW.lifecycle := 'assigned';
		NEW.device_id := coalesce(NEW.device_id, device_of(NEW.assigned_to_user_id, NULL));
	END IF;

	IF NEW.lifecycle = OLD.lifecycle THEN
		IF NEW.assigned_to_user_id IS DISTINCT FROM OLD.assigned_to_user_id
			OR NEW.device_id IS DISTINCT FROM OLD.device_id THEN
			RAISE EXCEPTION 'instance % is %: its owner cannot change in place', OLD.name, OLD.lifecycle
				USING ERRCODE = 'check_violation';
		END IF;
		NEW.is_pooled := NEW.origin = 'pool' AND NEW.lifecycle IN ('standby', 'assigned');
		NEW.lost := NEW.lifecycle = 'assigned' AND NEW.paired_at IS NOT NULL
			AND NEW.status IN ('FAILED', 'SCAN_QR_CODE');
		RETURN NEW;
	END IF;
	IF NOT instance_may_move(OLD.lifecycle, NEW.lifecycle) THEN
		RAISE EXCEPTION 'instance % cannot move from % to %', OLD.name, OLD.lifecycle, NEW.lifecycle
			USING ERRCODE = 'check_violation';
	END IF;

	IF NEW.lifecycle = 'standby' AND NEW.work_token IS NULL THEN
		RAISE EXCEPTION 'instance % can only be put on standby by the helper that emptied it', OLD.name
			USING ERRCODE = 'check_violation', HINT = 'Leave it recycling: wapool-maintain empties it.';
	END IF;

	IF OLD.lifecycle = 'assigned' THEN
		NEW.assigned_to_user_id := NULL;
		NEW.device_id := NULL;
		NEW.assigned_at := NULL;
		NEW.pairing_asked_at := NULL;
		NEW.paired_at := NULL;
		NEW.phone_number := NULL;
		NEW.profile_name := NULL;
		-- what its owner has sent (change `quotas`) is neither the next one's limit nor for him to see
		NEW.msgs_enviadas_hora := 0;
		NEW.msgs_enviadas_dia := 0;
		NEW.quota_hour := NULL;
		NEW.quota_day := NULL;
		NEW.ultima_msg_at := NULL;
		-- what a hand had inserted for its owner (waha_sessions) is the pool's when he leaves
		NEW.origin := CASE NEW.origin WHEN 'user' THEN 'pool' ELSE NEW.origin END;
	END IF;

	CASE NEW.lifecycle
	WHEN 'assigned' THEN
		NEW.epoch := OLD.epoch + 1;
		NEW.assigned_at := clock_timestamp();
	WHEN 'standby' THEN
		NEW.status := 'STOPPED';
		NEW.status_at := NULL;
		NEW.missing_since := NULL;
		NEW.last_error := NULL;
	ELSE
		NULL;
	END CASE;
	-- Whoever gets it next begins in good health.
	NEW.health := CASE NEW.lifecycle WHEN 'assigned' THEN 'disconnected' ELSE 'healthy' END;
	-- as a look would judge it (lib/health.c): one that finds nothing else has nothing to write, and locks no row
	-- that a claim then passes by
	NEW.health_reason := CASE NEW.lifecycle WHEN 'standby' THEN 'Stands by' END;
	NEW.health_at := clock_timestamp();
	NEW.bad_samples := 0;
	NEW.mending := false;
	NEW.mend_attempts := 0;
	NEW.mend_rung := 'restart';
	NEW.status_since := clock_timestamp();
	NEW.work_token := NULL;
	NEW.work_lease_until := NULL;
	NEW.work_attempts := 0;
	NEW.work_next_at := clock_timestamp();
	NEW.lifecycle_at := clock_timestamp();
	NEW.is_pooled := NEW.origin = 'pool' AND NEW.lifecycle IN ('standby', 'assigned');
	NEW.lost := NEW.lifecycle = 'assigned' AND NEW.paired_at IS NOT NULL
		AND NEW.status IN ('FAILED', 'SCAN_QR_CODE');
	RETURN NEW;
END $$;
CREATE TRIGGER transition BEFORE UPDATE ON instances
FOR EACH ROW EXECUTE FUNCTION instances_transition();

-- A new row begins at the beginning: what is made elsewhere is only adopted by the helper.
CREATE FUNCTION instances_begin() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.lifecycle = 'assigned' AND NEW.assigned_to_user_id IS NOT NULL THEN
		NEW.device_id := coalesce(NEW.device_id, device_of(NEW.assigned_to_user_id, NULL));
		NEW.assigned_at := coalesce(NEW.assigned_at, clock_timestamp());
		NEW.epoch := greatest(NEW.epoch, 1);
	END IF;
	NEW.is_pooled := NEW.origin = 'pool' AND NEW.lifecycle IN ('standby', 'assigned');
	NEW.lost := NEW.lifecycle = 'assigned' AND NEW.paired_at IS NOT NULL
		AND NEW.status IN ('FAILED', 'SCAN_QR_CODE');
	RETURN NEW;
END $$;
CREATE TRIGGER begin_life BEFORE INSERT ON instances
FOR EACH ROW EXECUTE FUNCTION instances_begin();

-- sessions_ativas = the server's instances that are not retired; never above max_sessions. Counts them up or
-- down by so many; rows of several servers are locked in the order of their ids, or two such changes in opposite
-- directions deadlock.
CREATE FUNCTION servers_count(p_servers uuid[], p_by bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF cardinality(p_servers) > 1 THEN
		PERFORM FROM waha_servers WHERE id = ANY (p_servers) ORDER BY id FOR NO KEY UPDATE;
	END IF;
	FOR n IN 1 .. cardinality(p_servers) LOOP
		UPDATE waha_servers SET sessions_ativas = sessions_ativas + p_by[n],
			used_at = CASE WHEN p_by[n] > 0 THEN clock_timestamp() ELSE used_at END
		WHERE id = p_servers[n] AND (p_by[n] < 0 OR sessions_ativas + p_by[n] <= max_sessions);
		IF NOT FOUND THEN
			RAISE EXCEPTION 'server % is full', p_servers[n]
				USING ERRCODE = 'check_violation', CONSTRAINT = 'waha_servers_max_sessions';
		END IF;
	END LOOP;
END $$;

-- What follows from rows that came or went, whatever their number: the trail and the servers' counts.
CREATE FUNCTION instances_came() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO instance_events (instance_id, kind, to_state, reason, actor, epoch, user_id)
	SELECT id, 'transition', lifecycle, nullif(current_setting('wapool.reason', true), ''), actor(), epoch,
		assigned_to_user_id
	FROM came;
	PERFORM servers_count(array_agg(c.server_id), array_agg(c.n)) FROM (
		SELECT server_id, count(*) AS n FROM came WHERE lifecycle <> 'retired' GROUP BY server_id) AS c
	HAVING count(*) > 0;
	RETURN NULL;
END $$;
CREATE TRIGGER came AFTER INSERT ON instances REFERENCING NEW TABLE AS came
FOR EACH STATEMENT EXECUTE FUNCTION instances_came();

CREATE FUNCTION instances_went() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM servers_count(array_agg(c.server_id), array_agg(-c.n)) FROM (
		SELECT server_id, count(*) AS n FROM went WHERE lifecycle <> 'retired' GROUP BY server_id) AS c
	HAVING count(*) > 0;
	RETURN NULL;
END $$;
CREATE TRIGGER went AFTER DELETE ON instances REFERENCING OLD TABLE AS went
FOR EACH STATEMENT EXECUTE FUNCTION instances_went();

-- What follows from a change of one: the trail, its server's count, what is counted for GET /metrics (change
-- `metrics`), and what its owner is told (change `events`). One trigger without a condition, for four with
-- theirs would cost each update more than it does itself.
CREATE FUNCTION instances_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.lifecycle <> OLD.lifecycle THEN
		INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor, epoch,
			user_id, duration_ms)
		VALUES (NEW.id, 'transition', OLD.lifecycle, NEW.lifecycle,
			coalesce(nullif(current_setting('wapool.reason', true), ''), 'by hand'),
			actor(), NEW.epoch,
			coalesce(NEW.assigned_to_user_id, OLD.assigned_to_user_id),
			(extract(epoch FROM NEW.lifecycle_at - OLD.lifecycle_at) * 1000)::bigint);
	END IF;
	IF OLD.lifecycle <> 'retired' AND NEW.lifecycle = 'retired' THEN
		PERFORM servers_count(ARRAY[OLD.server_id], ARRAY[-1]);
	ELSIF OLD.server_id <> NEW.server_id AND NEW.lifecycle <> 'retired' THEN
		PERFORM servers_count(ARRAY[OLD.server_id, NEW.server_id], ARRAY[-1, 1]);
	END IF;
	IF NEW.lifecycle <> OLD.lifecycle OR NEW.health <> OLD.health OR NEW.origin <> OLD.origin
		OR NEW.server_id <> OLD.server_id OR (NEW.status = 'WORKING') <> (OLD.status = 'WORKING')
		OR (NEW.missing_since IS NULL) <> (OLD.missing_since IS NULL) THEN
		PERFORM instance_recount(OLD, NEW);
	END IF;
	-- Instances are assigned STOPPED: a claim tells nothing.
	IF OLD.lifecycle = 'assigned' AND (NEW.status <> OLD.status OR NEW.lifecycle <> OLD.lifecycle
		OR NEW.health <> OLD.health OR NEW.phone_number IS DISTINCT FROM OLD.phone_number
		OR NEW.profile_name IS DISTINCT FROM OLD.profile_name
		OR NEW.status = 'SCAN_QR_CODE' AND NEW.status_at IS DISTINCT FROM OLD.status_at) THEN
		PERFORM instance_tell(OLD, NEW);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER UPDATE ON instances
FOR EACH ROW EXECUTE FUNCTION instances_changed();

COMMIT;
