-- Deploy wapool:operators to pg
BEGIN;

-- The platform itself: the owner of the instances that its administrators make. Nobody can log in as it.
CREATE FUNCTION platform_user() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 'a3f1c2d4-7b60-4e58-9c1d-0f2b6e8d5a71'::uuid $$;
INSERT INTO users (id, disabled_at) VALUES (platform_user(), now());

-- An administrator calls his instances by their names alone (seed 003), so each name is there once.
CREATE UNIQUE INDEX instances_admin_name ON instances (name) WHERE origin = 'admin' AND lifecycle <> 'retired';

-- The platform's device of that name, which is the handle that lasts while instances of the name come
-- and go; a new one if the former is in use.
CREATE FUNCTION platform_device(p_name text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	SELECT d.id INTO v_id FROM devices d
	WHERE d.user_id = platform_user() AND d.nome = p_name
		AND NOT EXISTS (SELECT FROM instances i WHERE i.device_id = d.id)
	LIMIT 1;
	IF NOT FOUND THEN
		INSERT INTO devices (user_id, nome) VALUES (platform_user(), p_name) RETURNING id INTO v_id;
	END IF;
	RETURN v_id;
END $$;
CREATE INDEX devices_user_nome_idx ON devices (user_id, nome) WHERE nome IS NOT NULL;

-- An instance that an administrator makes, on that server, or with NULL on the best that has room: at
-- once assigned, to the platform. Its session is made by the caller, or by whoever asks for its QR
-- first. outcome: 'claimed', 'taken' (the name is in use), 'no-server' (not there, or switched off),
-- 'empty' (no room).
-- p_actor: who the trail shows; NULL: the program itself.
CREATE FUNCTION admin_create(p_name varchar, p_server uuid, p_number text, p_actor text DEFAULT NULL)
RETURNS claim
LANGUAGE plpgsql AS $$
DECLARE
	v_server  uuid;
	v_servers uuid[];
	v_row     instances;
BEGIN
	PERFORM acting(p_actor);
	-- Whoever comes second with a name waits here, and finds it taken.
	PERFORM pg_advisory_xact_lock(hashtextextended('wapool.name ' || p_name, 0));
	IF EXISTS (SELECT FROM instances WHERE name = p_name) THEN
		v_row.name := p_name;
		RETURN claim_of('taken', v_row, 0);
	END IF;
	v_servers := ARRAY(SELECT s.id FROM waha_servers s WHERE s.id = p_server AND s.ativo);
	IF p_server IS NULL THEN
		v_servers := ARRAY(SELECT f.server_id FROM servers_for(NULL) f WHERE f.room > 0);
	ELSIF v_servers = '{}' THEN
		RETURN claim_of('no-server', v_row, 0);
	END IF;
	PERFORM because('made by an administrator');
	FOREACH v_server IN ARRAY v_servers LOOP
		BEGIN
			-- The generation begins where none of a former instance of that name can be: late
			-- webhooks of its session shall not reach this one.
			INSERT INTO instances (name, server_id, origin, lifecycle, assigned_to_user_id, device_id,
				phone_number, generation, pairing_asked_at, health)
			VALUES (p_name, v_server, 'admin', 'assigned', platform_user(), platform_device(p_name),
				p_number, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, clock_timestamp(),
				'disconnected')
			RETURNING * INTO v_row;
			RETURN claim_of('claimed', v_row, 0);
		EXCEPTION WHEN check_violation THEN
			NULL; -- it has filled up meanwhile
		END;
	END LOOP;
	RETURN claim_of('empty', v_row, 0);
END $$;

-- The QR of an instance that an administrator made is asked for. outcome: 'own', or 'no-device': it is
-- none, or is being deleted.
CREATE FUNCTION admin_ask(p_instance uuid) RETURNS claim
LANGUAGE plpgsql AS $$
DECLARE
	v_row instances;
BEGIN
	UPDATE instances SET pairing_asked_at = clock_timestamp()
	WHERE id = p_instance AND origin = 'admin' AND lifecycle = 'assigned'
	RETURNING * INTO v_row;
	RETURN claim_of(CASE WHEN FOUND THEN 'own' ELSE 'no-device' END, v_row, 0);
END $$;

-- The server refused to make it: the next one that has room and was not tried yet. NULL if there is
-- none, or the instance is gone. What the attempt may have left behind is an orphan.
CREATE FUNCTION admin_move(p_instance uuid, p_epoch bigint, p_tried uuid[], p_reason text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_server uuid;
	v_was    uuid;
BEGIN
	SELECT server_id INTO v_was FROM instances
	WHERE id = p_instance AND epoch = p_epoch AND lifecycle = 'assigned' FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	FOR v_server IN SELECT f.server_id FROM servers_for(NULL) f
		WHERE f.room > 0 AND f.server_id <> ALL (p_tried) LOOP
		BEGIN
			UPDATE instances SET server_id = v_server WHERE id = p_instance;
			INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor, epoch)
			VALUES (p_instance, 'moved', v_was::text, v_server::text, p_reason, actor(), p_epoch);
			RETURN v_server;
		EXCEPTION WHEN check_violation OR unique_violation THEN
			NULL; -- full, or has one of that name
		END;
	END LOOP;
	RETURN NULL;
END $$;

-- Who had a name.
CREATE INDEX instance_events_former ON instance_events (from_state, id) WHERE kind = 'renamed';

-- The end of an instance that an administrator made: the row stays for its trail and gives its name
-- free, which is found there as a former one. For what is emptied, or was never made.
CREATE FUNCTION instance_retire(p_instance uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_was varchar;
	v_is  varchar;
BEGIN
	SELECT name INTO v_was FROM instances WHERE id = p_instance;
	UPDATE instances SET lifecycle = 'retired', next_name = NULL,
		name = left(v_was, 200) || '~' || left(p_instance::text, 8)
	WHERE id = p_instance
	RETURNING name INTO v_is;
	INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor)
	VALUES (p_instance, 'renamed', v_was, v_is, 'the name is free again', actor());
END $$;

-- Gives up what was never made at a gateway: nothing there has to be emptied.
CREATE FUNCTION admin_discard(p_instance uuid, p_epoch bigint, p_reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF NOT pool_release_epoch(p_instance, p_epoch, p_reason, 'operator') THEN
		RETURN false;
	END IF;
	PERFORM instance_retire(p_instance);
	RETURN true;
END $$;

-- The phone of an instance that an administrator made is gone: the instance stays his, and waits for
-- another phone.
CREATE FUNCTION admin_unpaired(p_instance uuid, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_row instances;
BEGIN
	SELECT * INTO v_row FROM instances WHERE id = p_instance;
	UPDATE instances SET paired_at = NULL, phone_number = NULL, profile_name = NULL WHERE id = p_instance;
	IF v_row.paired_at IS NOT NULL THEN
		INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor, epoch, user_id,
			duration_ms)
		VALUES (p_instance, 'unpaired', 'paired', 'unpaired', p_reason, actor(), v_row.epoch,
			v_row.assigned_to_user_id,
			(extract(epoch FROM clock_timestamp() - v_row.paired_at) * 1000)::bigint);
	END IF;
END $$;

-- Releases one assignment by hand; p_actor is who asked for it. NULL: the program itself.
CREATE FUNCTION instance_release(p_instance uuid, p_epoch bigint, p_reason text, p_actor text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM acting(p_actor);
	RETURN pool_release_epoch(p_instance, p_epoch, p_reason, 'operator');
END $$;

-- Writes down a command that was given by hand.
CREATE FUNCTION instance_commanded(p_instance uuid, p_epoch bigint, p_command text, p_actor text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM acting(p_actor);
	INSERT INTO instance_events (instance_id, kind, to_state, reason, actor, epoch)
	SELECT p_instance, 'command', p_command, 'by hand', actor(), p_epoch;
END $$;

COMMIT;
