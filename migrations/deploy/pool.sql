-- Deploy wapool:pool to pg
BEGIN;

-- What a claim runs is in plpgsql also where a function is one statement: a session plans it once. One in SQL that is
-- not inlined is planned at each call, which was a fifth of a claim.

CREATE SEQUENCE pool_name_seq;

-- A name that no session ever had (seed 000's form): pool-<epoch>-<n>.
CREATE FUNCTION pool_name() RETURNS varchar
LANGUAGE sql AS $$
	SELECT format('pool-%s-%s', extract(epoch FROM now())::bigint, nextval('pool_name_seq'))
$$;

-- Which wapool this is: sessions carry it, so that ours are told from those of others at the same gateway.
CREATE TABLE installation (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	id  uuid NOT NULL DEFAULT gen_random_uuid(),
	quiesced_at timestamptz
);
INSERT INTO installation DEFAULT VALUES;
COMMENT ON COLUMN installation.quiesced_at IS 'since when sessions are kept stopped for maintenance: nothing is claimed or mended';

CREATE FUNCTION quiesced() RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT quiesced_at IS NOT NULL FROM installation);
END $$;

-- What part of its share of new work a server gets: little when it has just come back after it was down,
-- growing to all of it over a minute.
CREATE FUNCTION server_share(p_up_since timestamptz) RETURNS float8
LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN p_up_since IS NULL THEN 1
		ELSE greatest(0.1, extract(epoch FROM clock_timestamp() - p_up_since) / 60) END
$$;

-- Servers that may serve this user's new work, best first: those that answer, then those last seen down
-- (never eject the last); his own, then the platform's; priority; load; who was given none for longest.
-- One that comes back takes its place in the order for its share of the calls, and else comes behind
-- the others. idle: it was given none for a moment, so that giving it some is to be noted (server_used).
CREATE FUNCTION servers_for(p_user uuid) RETURNS TABLE (server_id uuid, room integer, own boolean, idle boolean)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY
	SELECT s.id, s.max_sessions - s.sessions_ativas, s.user_id IS NOT NULL,
		coalesce(s.used_at < clock_timestamp() - interval '100 milliseconds', true)
	FROM waha_servers s
	WHERE s.ativo AND s.draining_at IS NULL AND (s.user_id IS NULL OR s.user_id = p_user)
	ORDER BY (s.health = 'down'), (s.user_id IS NULL), (random() >= server_share(s.up_since)),
		s.prioridade DESC, s.sessions_ativas::float8 / greatest(s.max_sessions, 1),
		s.used_at NULLS FIRST, s.id;
END $$;

-- Notes that a server was given work. Never waits: what another transaction is noting at this moment is as good.
CREATE FUNCTION server_used(p_server uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM waha_servers WHERE id = p_server FOR NO KEY UPDATE SKIP LOCKED;
	IF FOUND THEN
		UPDATE waha_servers SET used_at = clock_timestamp() WHERE id = p_server;
	END IF;
END $$;

-- What a claim hands out. outcome: 'own' (the device had one), 'claimed', 'empty' (none is
-- free), 'no-device' (not one of the user's), 'maintenance' (quiesced: nobody gets one). low: fewer than p_low stand by now.
CREATE TYPE claim AS (
	outcome     text,
	instance_id uuid,
	name        varchar,
	server_id   uuid,
	device_id   uuid,
	epoch       bigint,
	generation  bigint,
	status      varchar,
	phone       varchar,
	paired      boolean,
	low         boolean
);

-- Free is what a claim of anybody's could get: not what stands by on a server that is switched
-- off, down, or somebody's own. Counted server by server and no further than p_low.
CREATE FUNCTION pool_is_low(p_low integer) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT count(*) < p_low FROM (
		SELECT FROM waha_servers s CROSS JOIN LATERAL (
			SELECT FROM instances
			WHERE server_id = s.id AND lifecycle = 'standby' AND origin = 'pool' LIMIT p_low) AS i
		WHERE s.ativo AND s.draining_at IS NULL AND s.user_id IS NULL AND s.health <> 'down'
		LIMIT p_low) AS free);
END $$;

-- One free instance of that server to that device; its outcome is NULL if there is none. The materialised CTE
-- matters: with a plain sub-select a claim was seen to find nothing while rows were free.
CREATE FUNCTION pool_take(p_server uuid, p_user uuid, p_device uuid) RETURNS claim
LANGUAGE plpgsql AS $$
DECLARE
	v_claim claim;
BEGIN
	WITH c AS MATERIALIZED (
		SELECT id FROM instances
		WHERE server_id = p_server AND lifecycle = 'standby' AND origin <> 'admin'
		ORDER BY lifecycle_at
		LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE instances i
	SET lifecycle = 'assigned', assigned_to_user_id = p_user, device_id = p_device,
		pairing_asked_at = clock_timestamp()
	FROM c
	WHERE i.id = c.id AND i.lifecycle = 'standby'
	RETURNING 'claimed', i.id, i.name, i.server_id, i.device_id, i.epoch, i.generation, i.status, i.phone_number,
		i.paired_at IS NOT NULL INTO v_claim;
	RETURN v_claim;
END $$;

CREATE FUNCTION claim_of(p_outcome text, i instances, p_low integer) RETURNS claim
LANGUAGE sql STABLE AS $$
	SELECT (p_outcome, i.id, i.name, i.server_id, i.device_id, i.epoch, i.generation, i.status,
		i.phone_number, i.paired_at IS NOT NULL, pool_is_low(p_low))::claim
$$;

-- A new instance on a user's own server, at once his: nothing stands by there until he has released one.
-- Its generation is 0: whoever serves him has to make the session. Nothing if the server is full.
CREATE FUNCTION pool_make(p_server uuid, p_user uuid, p_device uuid) RETURNS claim
LANGUAGE plpgsql AS $$
DECLARE
	v_row instances;
BEGIN
	INSERT INTO instances (name, server_id, lifecycle, assigned_to_user_id, device_id, pairing_asked_at)
	VALUES (pool_name(), p_server, 'assigned', p_user, p_device, clock_timestamp())
	RETURNING * INTO v_row;
	RETURN claim_of('claimed', v_row, 0);
EXCEPTION WHEN check_violation OR foreign_key_violation THEN -- full, or removed meanwhile
	RETURN NULL;
END $$;

-- True if this user could be given one by a server that is none of those.
CREATE FUNCTION pool_has_other(p_user uuid, p_avoid uuid[]) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
	SELECT EXISTS (SELECT FROM servers_for(p_user) f
		WHERE f.server_id <> ALL (p_avoid)
			AND (f.own AND f.room > 0 OR EXISTS (SELECT FROM instances i
				WHERE i.server_id = f.server_id AND i.lifecycle = 'standby' AND i.origin <> 'admin')))
$$;

-- The device's instance: the one it has, or a free one, or a new one on its user's own server. Two clicks
-- at once queue on the device's row, so the second finds what the first got; the unique index stands
-- behind that. Who has never paired is moved away from a server that is being drained.
CREATE FUNCTION claim_for(p_user uuid, p_device uuid, p_low integer, p_avoid uuid[] DEFAULT '{}') RETURNS claim
LANGUAGE plpgsql AS $$
DECLARE
	v_device uuid := device_of(p_user, p_device);
	v_server record;
	v_claim  claim;
BEGIN
	IF v_device IS NULL THEN
		RETURN ROW('no-device', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, false)::claim;
	END IF;
	IF quiesced() THEN
		RETURN ROW('maintenance', NULL, NULL, NULL, v_device, NULL, NULL, NULL, NULL, false, false)::claim;
	END IF;
	PERFORM FROM devices WHERE id = v_device FOR NO KEY UPDATE;

	IF EXISTS (SELECT FROM instances WHERE device_id = v_device) THEN -- to look costs less than to begin an UPDATE
		UPDATE instances SET pairing_asked_at = clock_timestamp()
		WHERE device_id = v_device
		RETURNING 'own', id, name, server_id, device_id, epoch, generation, status, phone_number,
			paired_at IS NOT NULL, false INTO v_claim;
	END IF;
	IF v_claim.outcome = 'own' THEN
		IF v_claim.paired OR NOT EXISTS (SELECT FROM instances i JOIN waha_servers s ON s.id = i.server_id
				WHERE i.id = v_claim.instance_id AND i.origin <> 'admin' AND s.draining_at IS NOT NULL)
			OR NOT pool_has_other(p_user, '{}') THEN
			RETURN v_claim;
		END IF;
		PERFORM because('its server is being drained', 'drained');
		UPDATE instances SET lifecycle = 'recycling' WHERE id = v_claim.instance_id;
	END IF;

	PERFORM because('claimed');
	FOR v_server IN SELECT * FROM servers_for(p_user) f WHERE f.server_id <> ALL (p_avoid) LOOP
		v_claim := pool_take(v_server.server_id, p_user, v_device);
		IF v_claim.outcome IS NULL AND v_server.own AND v_server.room > 0 THEN
			v_claim := pool_make(v_server.server_id, p_user, v_device);
		END IF;
		IF v_claim.outcome IS NOT NULL THEN
			IF v_server.idle THEN
				PERFORM server_used(v_server.server_id);
			END IF;
			v_claim.low := pool_is_low(p_low);
			DELETE FROM pool_wants WHERE device_id = v_device;
			RETURN v_claim;
		END IF;
	END LOOP;
	PERFORM pool_want(v_device);
	RETURN ROW('empty', NULL, NULL, NULL, v_device, NULL, NULL, NULL, NULL, false, true)::claim;
END $$;

-- The same, counted (change `metrics`). outcome 'often': he has been given p_hour within an hour (NULL: there is no
-- such limit), and this device has none. His own servers count too: each claim is work for helpers, and rows.
CREATE FUNCTION pool_claim(p_user uuid, p_email text, p_device uuid, p_low integer,
	p_avoid uuid[] DEFAULT '{}', p_hour integer DEFAULT NULL) RETURNS claim
LANGUAGE plpgsql AS $$
DECLARE
	v_often boolean := p_hour IS NOT NULL AND claims_used(p_user, p_hour);
	v_claim claim := claim_for(user_of(p_user, p_email), p_device, p_low, CASE WHEN v_often
		THEN ARRAY(SELECT id FROM waha_servers) ELSE p_avoid END);
BEGIN
	IF v_often AND v_claim.outcome = 'empty' THEN
		v_claim.outcome := 'often';
		DELETE FROM pool_wants WHERE device_id = v_claim.device_id; -- the pool is not filled for him
	ELSIF p_hour IS NOT NULL AND v_claim.outcome = 'claimed' THEN
		PERFORM claim_counted(p_user, p_hour);
	END IF;
	PERFORM count_up('claims', v_claim.outcome);
	RETURN v_claim;
END $$;

-- Gives up an instance that never paired and cannot, and claims a fresh one for the same device.
-- If the epoch is over, or a phone is connected by now, it only tells what the device has.
-- p_avoid: servers that were tried; while no other can give one, he keeps what he has. With four of his own
-- among them the rest of those is not tried either: the platform's shall have time for him.
CREATE FUNCTION pool_swap(p_instance uuid, p_epoch bigint, p_reason text, p_low integer,
	p_avoid uuid[] DEFAULT '{}') RETURNS claim
LANGUAGE plpgsql AS $$
DECLARE
	v_user   uuid;
	v_device uuid;
	v_claim  claim;
BEGIN
	SELECT assigned_to_user_id, device_id INTO v_user, v_device
	FROM instances WHERE id = p_instance AND epoch = p_epoch AND lifecycle = 'assigned';
	IF NOT FOUND THEN
		RETURN ROW('no-device', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, false)::claim;
	END IF;
	PERFORM FROM devices WHERE id = v_device FOR NO KEY UPDATE;
	IF 4 <= (SELECT count(*) FROM waha_servers WHERE user_id = v_user AND id = ANY (p_avoid)) THEN
		p_avoid := p_avoid || ARRAY(SELECT id FROM waha_servers WHERE user_id = v_user);
	END IF;
	IF p_avoid <> '{}' AND NOT pool_has_other(v_user, p_avoid) THEN
		RETURN pool_claim(v_user, NULL, v_device, p_low);
	END IF;
	PERFORM because('swapped: ' || p_reason, 'swapped');
	UPDATE instances SET lifecycle = 'recycling', last_error = p_reason
	WHERE id = p_instance AND epoch = p_epoch AND lifecycle = 'assigned' AND paired_at IS NULL;
	v_claim := claim_for(v_user, v_device, p_low, p_avoid);
	PERFORM count_up('claims', CASE v_claim.outcome WHEN 'claimed' THEN 'swapped' ELSE v_claim.outcome END);
	RETURN v_claim;
END $$;

-- Gives the device's instance back. 'released', 'none' (it had none) or 'no-device'.
CREATE FUNCTION pool_release(p_user uuid, p_device uuid, p_reason text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	IF p_device IS NOT NULL
		AND NOT EXISTS (SELECT FROM devices WHERE id = p_device AND user_id = p_user) THEN
		RETURN 'no-device';
	END IF;
	PERFORM because(p_reason, 'user');
	UPDATE instances i SET lifecycle = 'recycling'
	FROM devices d
	WHERE d.user_id = p_user AND (d.id = p_device OR p_device IS NULL AND d.is_default)
		AND i.device_id = d.id AND i.lifecycle = 'assigned';
	RETURN CASE WHEN FOUND THEN 'released' ELSE 'none' END;
END $$;

-- Releases one assignment by its epoch: nothing if it is over already.
CREATE FUNCTION pool_release_epoch(p_instance uuid, p_epoch bigint, p_reason text, p_class text DEFAULT 'other')
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM because(p_reason, p_class);
	UPDATE instances SET lifecycle = 'recycling'
	WHERE id = p_instance AND epoch = p_epoch AND lifecycle = 'assigned';
	RETURN FOUND;
END $$;

-- Writes down the level: what the gateway answered about a session when asked p_age ago. What was
-- learnt since then is newer and stays. Fenced by generation. True if something changed.
CREATE FUNCTION instance_observe(p_instance uuid, p_generation bigint, p_age interval,
	p_status text, p_phone text, p_profile text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE instances SET status = p_status, status_seen_at = clock_timestamp(), missing_since = NULL,
		phone_number = CASE WHEN p_status = 'WORKING' THEN coalesce(left(p_phone, 64), phone_number) ELSE phone_number END,
		profile_name = CASE WHEN p_status = 'WORKING' THEN coalesce(left(p_profile, 255), profile_name) ELSE profile_name END,
		paired_at = CASE WHEN p_status = 'WORKING' THEN coalesce(paired_at, clock_timestamp()) ELSE paired_at END,
		pairing_asked_at = CASE WHEN p_status = 'WORKING' THEN NULL ELSE pairing_asked_at END,
		work_attempts = CASE WHEN p_status = 'WORKING' THEN 0 ELSE work_attempts END,
		last_connected_at = CASE WHEN p_status = 'WORKING' THEN clock_timestamp() ELSE last_connected_at END
	WHERE id = p_instance AND generation = p_generation AND lifecycle = 'assigned'
		AND (status_seen_at IS NULL OR status_seen_at < clock_timestamp() - p_age)
		AND (status <> p_status OR missing_since IS NOT NULL OR p_status = 'WORKING' AND paired_at IS NULL);
	RETURN FOUND;
END $$;

-- A start of ours may have come after the instance was emptied: what stands by must not run.
CREATE FUNCTION late_start(p_instance uuid, p_epoch bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM because('started late by its former owner');
	UPDATE instances SET lifecycle = 'recycling'
	WHERE id = p_instance AND epoch = p_epoch AND lifecycle = 'standby';
	RETURN FOUND;
END $$;

-- The end of a connect: what its owner was shown. A QR or code (p_pairing) means that what was
-- paired before is forgotten. False if the assignment is over: then the owner must ask again.
CREATE FUNCTION connect_finish(p_instance uuid, p_epoch bigint, p_age interval, p_status text,
	p_phone text, p_profile text, p_pairing boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_known boolean;
	v_row   record;
BEGIN
	-- Mostly a webhook was faster and has told all this: nothing is written then, nor locked, and nobody
	-- waits for the disk.
	SELECT status = p_status AND missing_since IS NULL
		AND CASE WHEN p_pairing THEN paired_at IS NULL ELSE pairing_asked_at IS NULL AND paired_at IS NOT NULL END
	INTO v_known FROM instances WHERE id = p_instance AND epoch = p_epoch AND lifecycle = 'assigned';
	IF v_known THEN
		RETURN true;
	END IF;
	SELECT generation, paired_at, pairing_asked_at, status_seen_at INTO v_row FROM instances
	WHERE id = p_instance AND epoch = p_epoch AND lifecycle = 'assigned' FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM late_start(p_instance, p_epoch);
		RETURN false;
	END IF;
	IF p_pairing AND v_row.paired_at IS NOT NULL
		AND v_row.status_seen_at < clock_timestamp() - p_age THEN
		UPDATE instances SET paired_at = NULL, phone_number = NULL, profile_name = NULL
		WHERE id = p_instance;
	END IF;
	IF NOT p_pairing AND v_row.pairing_asked_at IS NOT NULL THEN
		UPDATE instances SET pairing_asked_at = NULL WHERE id = p_instance;
	END IF;
	PERFORM instance_observe(p_instance, v_row.generation, p_age, p_status, p_phone, p_profile);
	RETURN true;
END $$;

-- The pool at a glance.
CREATE VIEW pool_status AS
SELECT count(*) FILTER (WHERE lifecycle = 'standby') AS free,
	count(*) FILTER (WHERE lifecycle = 'assigned') AS assigned,
	count(*) FILTER (WHERE lifecycle = 'provisioning') AS provisioning,
	count(*) FILTER (WHERE lifecycle = 'recycling') AS recycling,
	count(*) FILTER (WHERE lifecycle = 'retired') AS retired
FROM instances WHERE origin = 'pool';

COMMIT;
