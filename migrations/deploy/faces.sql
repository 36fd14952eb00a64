-- Deploy wapool:faces to pg
BEGIN;

-- The tables that seeds 001 and 003 know, as faces of `instances`, and who may see what through them.
-- Programs of the hosting reach them as the roles of PostgREST and Supabase: `authenticated`, whose token's
-- claims are in request.jwt.claims, and `service_role`, which sees all. Our own programs are the owner.

DO $$
DECLARE
	v_role text;
BEGIN
	FOREACH v_role IN ARRAY ARRAY['authenticated', 'service_role'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
		END IF;
	END LOOP;
EXCEPTION
	WHEN duplicate_object OR unique_violation THEN
		NULL; -- another database of this cluster is being deployed at this moment
	WHEN insufficient_privilege THEN
		RAISE EXCEPTION 'the roles authenticated and service_role are missing'
			USING HINT = 'As a superuser: CREATE ROLE authenticated NOLOGIN; CREATE ROLE service_role NOLOGIN;';
END $$;

-- Whose token it is; NULL without one.
CREATE FUNCTION request_user() RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT (nullif(current_setting('request.jwt.claims', true), '')::json->>'sub')::uuid
$$;

-- True for service_role, for the owner of the tables and for a superuser: not by current_user, which in a
-- SECURITY DEFINER function is its owner, but by the role that was set, or logged in.
CREATE FUNCTION sees_all() RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT pg_has_role(who, 'service_role', 'USAGE') OR pg_has_role(who, c.relowner, 'USAGE')
	FROM pg_class c, coalesce(nullif(current_setting('role', true), 'none'), session_user) AS who
	WHERE c.oid = 'public.instances'::regclass
$$;

-- waha_servers -----------------------------------------------------------------------------------------

ALTER TABLE waha_servers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON waha_servers TO authenticated
	USING (user_id = (SELECT request_user())) WITH CHECK (user_id = (SELECT request_user()));
CREATE POLICY everything ON waha_servers TO service_role USING (true) WITH CHECK (true);
-- The seed grants ALL. What that adds to these four is no way to rows: TRUNCATE, REFERENCES, TRIGGER.
GRANT SELECT, INSERT, UPDATE, DELETE ON waha_servers TO authenticated;
GRANT ALL ON waha_servers TO service_role;

-- Where a URL leads, as far as SQL can tell: less alike than it is, rather than more.
CREATE FUNCTION url_origin(p_url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT lower(substring(p_url FROM '^[^:]+://[^/?#\\]*')) $$;

-- What wapool finds out or seals is its own to write, whoever has been granted what. What is stored for one
-- host does not follow to another: who moves his server there gives the key again, as over the API. And he adds
-- no more servers than he may (change `limits`).
CREATE FUNCTION waha_servers_ours() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	v_is waha_servers;
BEGIN
	IF NOT row_security_active(TG_RELID) THEN
		RETURN NEW;
	ELSIF TG_OP = 'UPDATE' THEN
		v_is := OLD;
		IF NOT sees_all() AND url_origin(NEW.api_url) IS DISTINCT FROM url_origin(OLD.api_url) THEN
			v_is.api_key_sealed := NULL;
			v_is.webhook_secret_sealed := NULL;
			v_is.webhook_secret_former := NULL;
			NEW.api_key := CASE WHEN NEW.api_key IS DISTINCT FROM OLD.api_key THEN NEW.api_key END;
			NEW.webhook_secret := CASE WHEN NEW.webhook_secret IS DISTINCT FROM OLD.webhook_secret
				THEN NEW.webhook_secret END;
		END IF;
	ELSIF NOT sees_all() AND NEW.user_id = request_user()
		AND NOT server_room(NEW.user_id, (SELECT server_limit FROM installation)) THEN
		RAISE EXCEPTION 'as many servers as a user may have' USING ERRCODE = 'check_violation';
	ELSE
		v_is.health := 'unknown';
		v_is.failures := 0;
		v_is.check_next_at := now();
		v_is.revision := 1;
	END IF;
	NEW.api_key_sealed := v_is.api_key_sealed;
	NEW.webhook_secret_sealed := v_is.webhook_secret_sealed;
	NEW.webhook_secret_former := v_is.webhook_secret_former;
	NEW.webhook_secret_former_until := v_is.webhook_secret_former_until;
	NEW.health := v_is.health;
	NEW.health_reason := v_is.health_reason;
	NEW.failures := v_is.failures;
	NEW.checked_at := v_is.checked_at;
	NEW.check_next_at := v_is.check_next_at;
	NEW.check_lease_until := v_is.check_lease_until;
	NEW.version := v_is.version;
	NEW.started_at := v_is.started_at;
	NEW.draining_at := v_is.draining_at;
	NEW.draining_from := v_is.draining_from;
	NEW.removing_at := v_is.removing_at;
	NEW.revision := v_is.revision; -- what he changes counts: trigger `revise` comes after this one
	NEW.latency_ms := v_is.latency_ms;
	NEW.up_since := v_is.up_since;
	NEW.used_at := v_is.used_at;
	RETURN NEW;
END $$;
CREATE TRIGGER ours BEFORE INSERT OR UPDATE ON waha_servers
FOR EACH ROW EXECUTE FUNCTION waha_servers_ours();

-- A user known to the hosting may be new to us.
CREATE FUNCTION waha_servers_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NEW.user_id = request_user() THEN
		PERFORM ensure_user(NEW.user_id, NULL);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER owner_known BEFORE INSERT ON waha_servers
FOR EACH ROW EXECUTE FUNCTION waha_servers_owner();

-- TRUNCATE knows no rows, so whoever sees only his own must not.
CREATE FUNCTION waha_servers_no_truncate() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF NOT sees_all() THEN
		RAISE EXCEPTION 'not yours to truncate' USING ERRCODE = 'insufficient_privilege';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON waha_servers
FOR EACH STATEMENT EXECUTE FUNCTION waha_servers_no_truncate();

-- Seed 001: the best server for a new session of that user: as servers_for has it, with room. No keys. A
-- user who asks for himself (authenticated) is told of his own servers only: the platform's are none of
-- his business.
CREATE FUNCTION get_available_waha_server(user_uuid uuid) RETURNS TABLE (id uuid, user_id uuid, nome varchar,
	api_url text, kind text, ativo boolean, health text, webhook_url text, timeout integer,
	retry_attempts integer, rate_limit integer, prioridade integer, max_sessions integer,
	sessions_ativas integer)
LANGUAGE sql VOLATILE AS $$
	SELECT s.id, s.user_id, s.nome, s.api_url, s.kind, s.ativo, s.health, s.webhook_url, s.timeout,
		s.retry_attempts, s.rate_limit, s.prioridade, s.max_sessions, s.sessions_ativas
	FROM servers_for(user_uuid) WITH ORDINALITY AS f (server_id, room, own, idle, place)
	JOIN waha_servers s ON s.id = f.server_id
	WHERE f.room > 0
	ORDER BY f.place LIMIT 1
$$;

-- The words of the faces --------------------------------------------------------------------------------

ALTER TABLE instances ADD COLUMN banned_at timestamptz;
COMMENT ON COLUMN instances.banned_at IS
	'when a hand wrote the status banned: the faces show it until the session works again or another is written';

-- A status as the seeds write it: connected, connecting, disconnected, banned; others as they are.
CREATE FUNCTION face_status(p_status varchar, p_banned boolean) RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN p_status = 'WORKING' THEN 'connected' WHEN p_banned THEN 'banned'
		WHEN p_status IN ('STARTING', 'SCAN_QR_CODE') THEN 'connecting'
		WHEN p_status IN ('STOPPED', 'FAILED') THEN 'disconnected' ELSE p_status END
$$;

-- The other way; also by the words of Evolution API, which seed 003 writes as they come.
CREATE FUNCTION status_of_face(p_word varchar) RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN p_word IN ('connected', 'open') THEN 'WORKING' WHEN p_word = 'connecting' THEN 'STARTING'
		WHEN p_word IN ('disconnected', 'close', 'banned') THEN 'STOPPED' ELSE p_word END
$$;

-- What a face writes onto an instance: what is another than it was. Who sees it in the face may write it, as long as
-- it has the name by which he saw it: that is gone when it is another's. False if so.
CREATE FUNCTION face_write(p_instance uuid, p_name varchar, p_status_was varchar, p_status varchar,
	p_phone_was varchar, p_phone varchar, p_profile_was varchar, p_profile varchar) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_status boolean := p_status IS DISTINCT FROM p_status_was;
BEGIN
	UPDATE instances SET
		phone_number = CASE WHEN p_phone IS DISTINCT FROM p_phone_was THEN p_phone ELSE phone_number END,
		profile_name = CASE WHEN p_profile IS DISTINCT FROM p_profile_was THEN p_profile ELSE profile_name END,
		status = CASE WHEN v_status AND p_status IS DISTINCT FROM face_status(status, banned_at IS NOT NULL)
			THEN coalesce(status_of_face(p_status), status) ELSE status END,
		banned_at = CASE WHEN NOT v_status THEN banned_at
			WHEN p_status = 'banned' THEN coalesce(banned_at, clock_timestamp()) END
	WHERE id = p_instance AND name = p_name AND lifecycle IN ('provisioning', 'standby', 'assigned');
	RETURN FOUND;
END $$;

-- waha_sessions -----------------------------------------------------------------------------------------

ALTER TABLE instances ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON instances FOR SELECT TO authenticated USING (assigned_to_user_id = (SELECT request_user()));
CREATE POLICY everything ON instances FOR SELECT TO service_role USING (true);

-- Seed 001's table: the sessions that users have.
CREATE VIEW waha_sessions WITH (security_invoker = true) AS
SELECT i.id, i.assigned_to_user_id AS user_id, i.server_id AS waha_server_id, i.name::varchar(255) AS session_name,
	face_status(i.status, i.banned_at IS NOT NULL) AS status, i.phone_number, i.profile_name,
	NULL::text AS qr_code, i.last_connected_at, i.created_at, i.updated_at
FROM instances i
WHERE i.lifecycle = 'assigned';
COMMENT ON VIEW waha_sessions IS 'seed 001''s table, a face of instances: what users have';
COMMENT ON COLUMN waha_sessions.qr_code IS
	'always NULL: a QR lives for seconds and is as good as a key; GET /api/whatsapp/qr has the present one';

-- One more session of that user, on that server or the best one, with a device of its own. The session
-- is made at the gateway when its QR is first asked for.
CREATE FUNCTION waha_sessions_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v_server waha_servers;
	v_device uuid;
BEGIN
	NEW.user_id := coalesce(NEW.user_id, request_user());
	IF NOT sees_all() AND NEW.user_id IS DISTINCT FROM request_user() THEN
		RAISE EXCEPTION 'a session of another user' USING ERRCODE = 'insufficient_privilege';
	END IF;
	NEW.waha_server_id := coalesce(NEW.waha_server_id, (SELECT id FROM get_available_waha_server(NEW.user_id)));
	SELECT * INTO v_server FROM waha_servers WHERE id = NEW.waha_server_id;
	IF NOT FOUND OR v_server.user_id <> NEW.user_id OR v_server.user_id IS NULL AND NOT sees_all() THEN
		RAISE EXCEPTION 'no such server of that user' USING ERRCODE = 'foreign_key_violation';
	ELSIF v_server.draining_at IS NOT NULL THEN
		RAISE EXCEPTION 'server % is being drained', v_server.id USING ERRCODE = 'check_violation';
	END IF;
	PERFORM ensure_user(NEW.user_id, NULL);
	INSERT INTO devices (user_id, nome) VALUES (NEW.user_id, NEW.session_name) RETURNING id INTO v_device;
	PERFORM because('inserted as a session');
	INSERT INTO instances (id, name, server_id, origin, lifecycle, assigned_to_user_id, device_id, status,
		phone_number, profile_name, last_connected_at, generation)
	VALUES (coalesce(NEW.id, gen_random_uuid()), NEW.session_name, v_server.id, 'user', 'assigned', NEW.user_id,
		v_device, coalesce(status_of_face(NEW.status), 'STOPPED'), NEW.phone_number, NEW.profile_name,
		NEW.last_connected_at, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
	RETURNING id, created_at, updated_at INTO NEW.id, NEW.created_at, NEW.updated_at;
	NEW.qr_code := NULL;
	RETURN NEW;
END $$;
CREATE TRIGGER face_insert INSTEAD OF INSERT ON waha_sessions
FOR EACH ROW EXECUTE FUNCTION waha_sessions_insert();

CREATE FUNCTION waha_sessions_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF (NEW.id, NEW.user_id, NEW.waha_server_id, NEW.session_name)
		IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.waha_server_id, OLD.session_name) THEN
		RAISE EXCEPTION 'a session keeps its id, user, server and name: delete it and insert another'
			USING ERRCODE = 'check_violation';
	END IF;
	IF NOT face_write(OLD.id, OLD.session_name, OLD.status, NEW.status, OLD.phone_number, NEW.phone_number,
		OLD.profile_name, NEW.profile_name) THEN
		RETURN NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER face_update INSTEAD OF UPDATE ON waha_sessions
FOR EACH ROW EXECUTE FUNCTION waha_sessions_update();

-- Taken away from its owner, and emptied before anybody else gets it; unless it has another name by now, and with it
-- another owner: a statement may have waited since it saw the row.
CREATE FUNCTION face_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v_old json := to_json(OLD);
BEGIN
	PERFORM because('deleted as a row of ' || TG_TABLE_NAME, 'operator');
	UPDATE instances SET lifecycle = CASE lifecycle WHEN 'standby' THEN 'retired' ELSE 'recycling' END
	WHERE id = OLD.id AND name = coalesce(v_old->>'session_name', v_old->>'nome') AND lifecycle IN ('standby', 'assigned');
	RETURN CASE WHEN FOUND THEN OLD END;
END $$;
CREATE TRIGGER face_delete INSTEAD OF DELETE ON waha_sessions
FOR EACH ROW EXECUTE FUNCTION face_delete();

GRANT SELECT, INSERT, UPDATE, DELETE ON waha_sessions TO authenticated;
GRANT ALL ON waha_sessions TO service_role;
GRANT SELECT (id, name, server_id, lifecycle, assigned_to_user_id, status, banned_at, phone_number, profile_name,
	last_connected_at, created_at, updated_at) ON instances TO authenticated;

-- whatsapp_instances --------------------------------------------------------------------------------------

-- Seed 003's table: what stands by and what is assigned. Counters are what counts now: 0 when their window
-- is over (change `quotas`).
CREATE VIEW whatsapp_instances WITH (security_invoker = true) AS
SELECT i.id, i.name::varchar(255) AS nome, i.phone_number AS numero_telefone,
	face_status(i.status, i.banned_at IS NOT NULL) AS status, i.capacidade_hora::integer, i.capacidade_dia::integer,
	CASE WHEN i.quota_hour >= now.hour THEN i.msgs_enviadas_hora ELSE 0 END AS msgs_enviadas_hora,
	CASE WHEN i.quota_day >= now.day THEN i.msgs_enviadas_dia ELSE 0 END AS msgs_enviadas_dia,
	i.prioridade, i.ultima_msg_at, i.created_at, i.updated_at
FROM instances i
CROSS JOIN (SELECT quota_hour(statement_timestamp()) AS hour, quota_day(statement_timestamp()) AS day OFFSET 0) AS now
WHERE i.lifecycle IN ('standby', 'assigned');
COMMENT ON VIEW whatsapp_instances IS 'seed 003''s table, a face of instances: what stands by and what is assigned';

-- An instance of the platform's own, on the best server.
CREATE FUNCTION whatsapp_instances_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v_claim claim;
BEGIN
	IF NEW.id IS NOT NULL THEN
		RAISE EXCEPTION 'the database gives instances their ids' USING ERRCODE = 'feature_not_supported';
	ELSIF coalesce(NEW.nome, '') = '' THEN
		RAISE EXCEPTION 'an instance has a name' USING ERRCODE = 'not_null_violation';
	END IF;
	v_claim := admin_create(NEW.nome, NULL, NEW.numero_telefone);
	IF v_claim.outcome = 'taken' THEN
		RAISE EXCEPTION 'there is an instance of that name' USING ERRCODE = 'unique_violation';
	ELSIF v_claim.outcome <> 'claimed' THEN
		RAISE EXCEPTION 'no server has room' USING ERRCODE = 'check_violation';
	END IF;
	NEW.id := v_claim.instance_id;
	PERFORM face_write(NEW.id, NEW.nome, NULL, coalesce(NEW.status, 'disconnected'), NULL, NEW.numero_telefone, NULL, NULL);
	UPDATE instances SET capacidade_hora = coalesce(NEW.capacidade_hora, capacidade_hora),
		capacidade_dia = coalesce(NEW.capacidade_dia, capacidade_dia),
		prioridade = coalesce(NEW.prioridade, prioridade)
	WHERE id = NEW.id
	RETURNING capacidade_hora, capacidade_dia, prioridade, created_at, updated_at
	INTO NEW.capacidade_hora, NEW.capacidade_dia, NEW.prioridade, NEW.created_at, NEW.updated_at;
	NEW.status := coalesce(NEW.status, 'disconnected');
	NEW.msgs_enviadas_hora := 0;
	NEW.msgs_enviadas_dia := 0;
	RETURN NEW;
END $$;
CREATE TRIGGER face_insert INSTEAD OF INSERT ON whatsapp_instances
FOR EACH ROW EXECUTE FUNCTION whatsapp_instances_insert();

-- Counters are written as what is added to them: two who count at once both count.
CREATE FUNCTION whatsapp_instances_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v_hour timestamptz := quota_hour(statement_timestamp());
	v_day  date := quota_day(statement_timestamp());
	v_row  instances;
BEGIN
	IF (NEW.id, NEW.nome) IS DISTINCT FROM (OLD.id, OLD.nome) THEN
		RAISE EXCEPTION 'an instance keeps its id and name: delete it and insert another'
			USING ERRCODE = 'check_violation';
	END IF;
	SELECT * INTO v_row FROM instances WHERE id = OLD.id FOR NO KEY UPDATE;
	IF NOT face_write(OLD.id, OLD.nome, OLD.status, NEW.status, OLD.numero_telefone, NEW.numero_telefone, NULL, NULL) THEN
		RETURN NULL;
	END IF;
	UPDATE instances SET capacidade_hora = NEW.capacidade_hora, capacidade_dia = NEW.capacidade_dia,
		prioridade = NEW.prioridade, ultima_msg_at = NEW.ultima_msg_at,
		msgs_enviadas_hora = greatest(0, used_hour(v_row, v_hour) + NEW.msgs_enviadas_hora - OLD.msgs_enviadas_hora),
		msgs_enviadas_dia = greatest(0, used_day(v_row, v_day) + NEW.msgs_enviadas_dia - OLD.msgs_enviadas_dia),
		quota_hour = greatest(v_row.quota_hour, v_hour), quota_day = greatest(v_row.quota_day, v_day)
	WHERE id = OLD.id;
	RETURN NEW;
END $$;
CREATE TRIGGER face_update INSTEAD OF UPDATE ON whatsapp_instances
FOR EACH ROW EXECUTE FUNCTION whatsapp_instances_update();
CREATE TRIGGER face_delete INSTEAD OF DELETE ON whatsapp_instances
FOR EACH ROW EXECUTE FUNCTION face_delete();

-- Seed 003: counts one message sent. In one statement, so that no two lose one.
CREATE FUNCTION incrementar_contador_instancia(p_nome varchar) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v_hour timestamptz := quota_hour(statement_timestamp());
	v_day  date := quota_day(statement_timestamp());
BEGIN
	UPDATE instances i SET msgs_enviadas_hora = used_hour(i, v_hour) + 1,
		msgs_enviadas_dia = used_day(i, v_day) + 1, ultima_msg_at = now(),
		quota_hour = greatest(i.quota_hour, v_hour), quota_day = greatest(i.quota_day, v_day)
	WHERE i.name = p_nome AND i.lifecycle IN ('standby', 'assigned')
		AND (sees_all() OR i.assigned_to_user_id = request_user());
END $$;

-- Whose quota it is does not write it himself.
GRANT SELECT ON whatsapp_instances TO authenticated;
GRANT ALL ON whatsapp_instances TO service_role;
GRANT SELECT ON instances TO service_role;
GRANT SELECT (capacidade_hora, capacidade_dia, msgs_enviadas_hora, msgs_enviadas_dia, prioridade, ultima_msg_at,
	quota_hour, quota_day) ON instances TO authenticated;
GRANT SELECT (tz) ON installation TO authenticated, service_role;

-- A trigger's function runs as its owner for whoever may make a trigger of it: nobody else's triggers call these.
REVOKE EXECUTE ON FUNCTION waha_servers_owner(), waha_sessions_insert(), waha_sessions_update(), face_delete(),
	whatsapp_instances_insert(), whatsapp_instances_update() FROM PUBLIC;

-- clientes ----------------------------------------------------------------------------------------------

-- Whom messages go to, as far as it concerns us: which instance he is used to. A hosting that has such
-- a table keeps it as it is, and gets the column. Ours is known by its reference to users.
DO $$
BEGIN
	IF to_regclass('public.clientes') IS NULL THEN
		CREATE TABLE clientes (
			id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
			user_id             uuid REFERENCES users (id) ON DELETE CASCADE,
			instancia_preferida varchar(50),
			created_at          timestamptz NOT NULL DEFAULT now()
		) WITH (fillfactor = 80);
		COMMENT ON TABLE clientes IS 'wapool: whom messages go to, and by which instance he knows us';
		CREATE INDEX clientes_user_idx ON clientes (user_id);
	END IF;
	IF NOT EXISTS (SELECT FROM pg_attribute
		WHERE attrelid = 'clientes'::regclass AND attname = 'instancia_preferida' AND NOT attisdropped) THEN
		ALTER TABLE clientes ADD COLUMN instancia_preferida varchar(50); -- only its owner may
	END IF;
	IF EXISTS (SELECT FROM pg_constraint
		WHERE conrelid = 'clientes'::regclass AND confrelid = 'users'::regclass AND contype = 'f') THEN
		ALTER TABLE clientes ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON clientes TO authenticated
			USING (user_id = (SELECT request_user())) WITH CHECK (user_id = (SELECT request_user()));
		CREATE POLICY everything ON clientes TO service_role USING (true) WITH CHECK (true);
		GRANT SELECT, INSERT, UPDATE, DELETE ON clientes TO authenticated;
		GRANT ALL ON clientes TO service_role;
	END IF;
END $$;

-- waha_config -------------------------------------------------------------------------------------------

-- The one server of former times, if that table is there, becomes the platform's. Read as JSON, since not
-- every such table has every column. Returns how many were taken over: once.
CREATE FUNCTION waha_config_migrate() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_n integer;
BEGIN
	IF to_regclass('public.waha_config') IS NULL THEN
		RETURN 0;
	END IF;
	EXECUTE $sql$
		INSERT INTO waha_servers (user_id, nome, api_url, api_key, webhook_url, webhook_secret, timeout,
			retry_attempts, rate_limit, prioridade, max_sessions)
		SELECT NULL, 'Servidor Padrão', c->>'api_url', c->>'api_key', c->>'webhook_url', c->>'webhook_secret',
			least(greatest(coalesce((c->>'timeout')::integer, 30), 1), 300),
			least(greatest(coalesce((c->>'retry_attempts')::integer, 3), 0), 20),
			greatest(coalesce((c->>'rate_limit')::integer, 100), 0), 10, 50
		FROM (SELECT to_jsonb(w) AS c FROM waha_config w) AS old
		WHERE coalesce(c->>'id', '1') = '1' AND c->>'api_url' <> ''
		ON CONFLICT DO NOTHING$sql$;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_n;
END $$;
SELECT waha_config_migrate();

COMMIT;
