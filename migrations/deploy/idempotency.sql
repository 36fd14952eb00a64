-- Deploy wapool:idempotency to pg
BEGIN;

-- The answer to a request that carried an Idempotency-Key, per user and route. status NULL: the first
-- request is still running, until locked_until at the latest.
CREATE TABLE idempotency_keys (
	user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	route        text NOT NULL,
	key          text NOT NULL,
	fingerprint  text NOT NULL,
	token        uuid NOT NULL DEFAULT gen_random_uuid(),
	locked_until timestamptz NOT NULL,
	status       integer,
	body         text, -- sealed by programs that have the keys (lib/idempotency.c)
	created_at   timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (user_id, route, key)
);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);

-- 'new' (do it, then idempotency_end with the token), 'replay' (answer status and body), 'busy',
-- 'mismatch' (the key was used for another request), or 'full' (this user has p_most keys, and the next of
-- them is forgotten in retry_s seconds; none is forgotten early, or its request could be done twice). A first
-- request that died frees its key when its lock ends.
CREATE FUNCTION idempotency_begin(p_user uuid, p_email text, p_route text, p_key text,
	p_fingerprint text, p_lock interval, p_most integer DEFAULT 10000, p_ttl interval DEFAULT '24 hours',
	OUT outcome text, OUT token uuid, OUT status integer, OUT body text, OUT retry_s integer)
LANGUAGE plpgsql AS $$
DECLARE
	v_row  idempotency_keys;
	v_full boolean;
BEGIN
	PERFORM user_of(p_user, p_email);
	-- two at once may exceed it by one
	v_full := EXISTS (SELECT FROM idempotency_keys k WHERE k.user_id = p_user OFFSET p_most - 1);
	IF v_full AND NOT EXISTS (SELECT FROM idempotency_keys k
		WHERE k.user_id = p_user AND k.route = p_route AND k.key = p_key) THEN
		outcome := 'full';
		SELECT greatest(ceil(extract(epoch FROM min(k.created_at) + p_ttl - clock_timestamp())), 60) INTO retry_s
		FROM idempotency_keys k WHERE k.user_id = p_user;
		RETURN;
	END IF;
	INSERT INTO idempotency_keys AS k (user_id, route, key, fingerprint, locked_until)
	VALUES (p_user, p_route, p_key, p_fingerprint, clock_timestamp() + p_lock)
	ON CONFLICT (user_id, route, key) DO UPDATE
		SET token = gen_random_uuid(), locked_until = excluded.locked_until
		WHERE k.status IS NULL AND k.locked_until < clock_timestamp()
			AND k.fingerprint = excluded.fingerprint
	RETURNING k.token INTO idempotency_begin.token;
	IF FOUND THEN
		outcome := 'new';
		RETURN;
	END IF;
	SELECT * INTO v_row FROM idempotency_keys k
	WHERE k.user_id = p_user AND k.route = p_route AND k.key = p_key;
	-- NOT FOUND: it was dropped just now, and the caller may try again
	outcome := CASE WHEN NOT FOUND THEN 'busy'
		WHEN v_row.fingerprint IS DISTINCT FROM p_fingerprint THEN 'mismatch'
		WHEN v_row.status IS NULL THEN 'busy' ELSE 'replay' END;
	token := v_row.token; -- of the request that was answered: its body is sealed for it
	status := v_row.status;
	body := v_row.body;
END $$;

-- Stores the answer. False if the lock ended and somebody else has the key.
CREATE FUNCTION idempotency_end(p_user uuid, p_route text, p_key text, p_token uuid, p_status integer,
	p_body text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE idempotency_keys SET status = p_status, body = p_body
	WHERE user_id = p_user AND route = p_route AND key = p_key AND token = p_token AND status IS NULL;
	RETURN FOUND;
END $$;

-- Forgets a key whose request failed in a way that may be tried again as it is.
CREATE FUNCTION idempotency_drop(p_user uuid, p_route text, p_key text, p_token uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM idempotency_keys
	WHERE user_id = p_user AND route = p_route AND key = p_key AND token = p_token AND status IS NULL;
	RETURN FOUND;
END $$;

COMMIT;
