-- Deploy wapool:users to pg
BEGIN;

CREATE DOMAIN user_role AS text CHECK (VALUE IN ('user', 'admin'));

-- A person. Made by wapoolctl, or at the first claim of somebody whose token comes
-- from another issuer (Supabase): then the password is NULL and login refuses him.
CREATE TABLE users (
	id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	email         text,
	password_hash text,
	role          user_role NOT NULL DEFAULT 'user',
	disabled_at   timestamptz,
	created_at    timestamptz NOT NULL DEFAULT now(),
	updated_at    timestamptz NOT NULL DEFAULT now()
);
-- An e-mail is a login only where there is a password. Of somebody whose token comes from another issuer
-- it is a label that the token claims, and takes nobody's login away.
CREATE UNIQUE INDEX users_login_key ON users (lower(email)) WHERE password_hash IS NOT NULL;
COMMENT ON COLUMN users.password_hash IS 'argon2id in PHC form; NULL: no login here';

-- A WhatsApp of a user: the handle that lasts while instances under it come and go.
CREATE TABLE devices (
	id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	nome       text,
	is_default boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX devices_user_id_idx ON devices (user_id);
CREATE UNIQUE INDEX devices_one_default ON devices (user_id) WHERE is_default;

-- The user's row, made if a token names somebody new. A token's e-mail is a label, its sub the identity.
CREATE FUNCTION ensure_user(p_user uuid, p_email text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM users WHERE id = p_user) THEN
		RETURN;
	END IF;
	INSERT INTO users (id, email) VALUES (p_user, nullif(p_email, ''))
	ON CONFLICT (id) DO NOTHING;
END $$;

-- The same id, unless that account was disabled: SQLSTATE 28000 then, which is answered 401. Tokens live on
-- until they expire; what a user asks for looks here. Who is not known is not disabled.
CREATE FUNCTION active_user(p_user uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF EXISTS (SELECT FROM users WHERE id = p_user AND disabled_at IS NOT NULL) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_authorization_specification', MESSAGE = 'the account is disabled';
	END IF;
	RETURN p_user;
END $$;

-- Both in one look, for what is asked often.
CREATE FUNCTION user_of(p_user uuid, p_email text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_disabled boolean;
BEGIN
	SELECT disabled_at IS NOT NULL INTO v_disabled FROM users WHERE id = p_user;
	IF NOT FOUND THEN
		PERFORM ensure_user(p_user, p_email);
	ELSIF v_disabled THEN
		PERFORM active_user(p_user);
	END IF;
	RETURN p_user;
END $$;

-- The user's device of that id, or with NULL his default one, made if need be.
-- NULL if the id is not one of his.
CREATE FUNCTION device_of(p_user uuid, p_device uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	IF p_device IS NOT NULL THEN
		SELECT id INTO v_id FROM devices WHERE id = p_device AND user_id = p_user;
		RETURN v_id;
	END IF;
	SELECT id INTO v_id FROM devices WHERE user_id = p_user AND is_default;
	IF v_id IS NULL THEN
		INSERT INTO devices (user_id, is_default) VALUES (p_user, true)
		ON CONFLICT DO NOTHING RETURNING id INTO v_id;
	END IF;
	IF v_id IS NULL THEN -- another request has just made it
		SELECT id INTO v_id FROM devices WHERE user_id = p_user AND is_default;
	END IF;
	RETURN v_id;
END $$;

COMMIT;
