-- Deploy wapool:devices to pg
BEGIN;

-- A further device of a user, whose first one is his default. NULL: he has p_limit already. The lock on
-- his row makes two requests at once count each other.
CREATE FUNCTION device_add(p_user uuid, p_email text, p_name text, p_limit integer) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	PERFORM user_of(p_user, p_email);
	PERFORM FROM users WHERE id = p_user FOR NO KEY UPDATE;
	INSERT INTO devices (user_id, nome, is_default)
	SELECT p_user, p_name, count(*) = 0 FROM devices WHERE user_id = p_user HAVING count(*) < p_limit
	RETURNING id INTO v_id;
	RETURN v_id;
END $$;

-- Takes a device away. Its instance goes back to the pool, as with a disconnect. False: not his.
CREATE FUNCTION device_remove(p_user uuid, p_device uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM because('device removed', 'user');
	DELETE FROM devices WHERE id = p_device AND user_id = p_user;
	RETURN FOUND;
END $$;

-- A device that a login made and that came to nothing: gone, unless an instance is its own by now.
CREATE FUNCTION device_unmake(p_user uuid, p_device uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM devices d WHERE d.id = p_device AND d.user_id = p_user
		AND NOT EXISTS (SELECT FROM instances WHERE device_id = d.id);
	RETURN FOUND;
END $$;

COMMIT;
