-- What the tests here build their scenes from. t/db.t loads this once, into the schema tap of the
-- database that every test copies. People, servers and instances are known by their names:
-- somebody('ana') and server('s') are made when first mentioned.

CREATE FUNCTION tap.somebody(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	SELECT id INTO v_id FROM users WHERE email = p_name || '@example.org';
	IF v_id IS NULL THEN
		INSERT INTO users (email) VALUES (p_name || '@example.org') RETURNING id INTO v_id;
	END IF;
	RETURN v_id;
END $$;

-- A further device of somebody's, by its name.
CREATE FUNCTION tap.device(p_owner text, p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	SELECT id INTO v_id FROM devices WHERE user_id = somebody(p_owner) AND nome = p_name;
	IF v_id IS NULL THEN
		INSERT INTO devices (user_id, nome) VALUES (somebody(p_owner), p_name) RETURNING id INTO v_id;
	END IF;
	RETURN v_id;
END $$;

CREATE FUNCTION tap.server(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	SELECT id INTO v_id FROM waha_servers WHERE nome = p_name;
	IF v_id IS NULL THEN
		INSERT INTO waha_servers (nome, api_url, health)
		VALUES (p_name, 'http://' || p_name || '.example.org', 'up') RETURNING id INTO v_id;
	END IF;
	RETURN v_id;
END $$;

CREATE FUNCTION tap.instance(p_name text) RETURNS instances LANGUAGE sql AS $$
	SELECT i FROM instances i WHERE name = p_name $$;

CREATE FUNCTION tap.id_of(p_name text) RETURNS uuid LANGUAGE sql AS $$
	SELECT id FROM instances WHERE name = p_name $$;

CREATE FUNCTION tap.lifecycle(p_name text) RETURNS text LANGUAGE sql AS $$
	SELECT lifecycle FROM instances WHERE name = p_name $$;

-- An instance that came to that state the way they do; p_owner has it if it is assigned.
CREATE FUNCTION tap.make(p_name text, p_lifecycle text, p_owner text DEFAULT 'ana',
	p_server text DEFAULT 's', p_origin text DEFAULT 'pool') RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	INSERT INTO instances (name, server_id, origin) VALUES (p_name, server(p_server), p_origin)
	RETURNING id INTO v_id;
	IF p_lifecycle IN ('standby', 'assigned', 'recycling') THEN
		UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE id = v_id;
	END IF;
	IF p_lifecycle = 'assigned' THEN
		UPDATE instances SET assigned_to_user_id = somebody(p_owner) WHERE id = v_id;
	ELSIF p_lifecycle IN ('recycling', 'retired') THEN
		UPDATE instances SET lifecycle = p_lifecycle WHERE id = v_id;
	END IF;
	RETURN v_id;
END $$;

-- p_n of them: <prefix>-1, <prefix>-2, …
CREATE FUNCTION tap.make_many(p_prefix text, p_n integer, p_lifecycle text, p_server text DEFAULT 's')
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make(p_prefix || '-' || n, p_lifecycle, p_prefix || n, p_server)
	FROM generate_series(1, p_n) n ORDER BY n;
	RETURN p_n;
END $$;

-- A claim of somebody's, for his default device or the one of that name.
CREATE FUNCTION tap.claims(p_who text, p_device text DEFAULT NULL, p_low integer DEFAULT 0) RETURNS claim
LANGUAGE plpgsql AS $$
BEGIN
	RETURN pool_claim(somebody(p_who), NULL,
		CASE WHEN p_device IS NOT NULL THEN device(p_who, p_device) END, p_low);
END $$;

-- The last thing the trail says of an instance.
CREATE FUNCTION tap.last_event(p_name text) RETURNS instance_events LANGUAGE sql AS $$
	SELECT e FROM instance_events e WHERE instance_id = id_of(p_name) ORDER BY e.id DESC LIMIT 1 $$;

-- Servers whose own count of sessions is not the truth.
CREATE FUNCTION tap.wrong_counts() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s says %s, has %s', s.nome, s.sessions_ativas, count(i.id))
	FROM waha_servers s LEFT JOIN instances i ON i.server_id = s.id AND i.lifecycle <> 'retired'
	GROUP BY s.id HAVING s.sessions_ativas <> count(i.id) $$;
