-- Deploy wapool:messages to pg
BEGIN;

-- One message out. Neither its text nor its recipient is kept.
CREATE TABLE messages (
	id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id     uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	device_id   uuid REFERENCES devices (id) ON DELETE SET NULL,
	instance_id uuid REFERENCES instances (id) ON DELETE SET NULL,
	instance    varchar(255) NOT NULL,
	request_key text,
	state       text NOT NULL DEFAULT 'sending' CHECK (state IN
	            ('sending', 'sent', 'delivered', 'read', 'failed', 'unknown')),
	gateway_id  text,
	error       text,
	quota_hour  timestamptz NOT NULL,
	quota_day   date NOT NULL,
	lease_until timestamptz,
	created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80, autovacuum_vacuum_insert_scale_factor = 0.05);
COMMENT ON COLUMN messages.state IS
	'sending (reserved, the gateway is being asked), sent, delivered, read, failed (surely not sent), unknown (may have been sent)';
COMMENT ON COLUMN messages.request_key IS 'the Idempotency-Key it came with: while one may have been sent, no second is';
CREATE UNIQUE INDEX messages_once ON messages (user_id, request_key)
	WHERE request_key IS NOT NULL AND state <> 'failed';
CREATE INDEX messages_user_idx ON messages (user_id);
CREATE INDEX messages_gateway_idx ON messages (instance_id, gateway_id);
CREATE INDEX messages_device_idx ON messages (device_id);
-- Those whose gateway_id is yet to be known (message_ack).
CREATE INDEX messages_undecided ON messages (instance_id) WHERE state IN ('sending', 'unknown');
CREATE INDEX messages_sending ON messages (lease_until) WHERE state = 'sending';
CREATE INDEX messages_created_idx ON messages (created_at);

-- Acknowledgements that came before the answer to the send.
CREATE TABLE early_acks (
	instance_id uuid NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
	gateway_id  text NOT NULL,
	ack         text NOT NULL,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (instance_id, gateway_id)
);
CREATE INDEX early_acks_at_idx ON early_acks (at);

-- Takes one of the instance's quota, if it is connected and has some left: the row lock makes it
-- exact for any number of senders.
CREATE FUNCTION quota_take(p_instance uuid, p_owners uuid[], p_hour timestamptz, p_day date)
RETURNS SETOF instances
LANGUAGE sql AS $$
	UPDATE instances i
	SET msgs_enviadas_hora = used_hour(i, p_hour) + 1, quota_hour = greatest(i.quota_hour, p_hour),
		msgs_enviadas_dia = used_day(i, p_day) + 1, quota_day = greatest(i.quota_day, p_day),
		ultima_msg_at = clock_timestamp(), chosen = nextval('chosen_seq')
	WHERE i.id = p_instance AND i.lifecycle = 'assigned' AND i.assigned_to_user_id = ANY (p_owners)
		AND i.status = 'WORKING' AND i.missing_since IS NULL
		AND used_hour(i, p_hour) < i.capacidade_hora AND used_day(i, p_day) < i.capacidade_dia
	RETURNING i.*
$$;

-- Gives one back that was surely not used; nothing if its window is over.
CREATE FUNCTION quota_return(p_instance uuid, p_hour timestamptz, p_day date) RETURNS void
LANGUAGE sql AS $$
	UPDATE instances
	SET msgs_enviadas_hora = greatest(msgs_enviadas_hora - (quota_hour = p_hour)::integer, 0),
		msgs_enviadas_dia = greatest(msgs_enviadas_dia - (quota_day = p_day)::integer, 0)
	WHERE id = p_instance AND (quota_hour = p_hour OR quota_day = p_day)
$$;

-- True if the table of clients is ours, which names a client's owner; a hosting's own need not.
CREATE FUNCTION clientes_are_ours() RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pg_constraint
		WHERE conrelid = 'public.clientes'::regclass AND confrelid = 'public.users'::regclass AND contype = 'f')
$$;

-- The instance that a client is bound to (seed 003's sticky). Of our own table, one that another user has
-- made known is none of his. The id has the type that the table gives it: 22P02 or 22003 for what is no such id.
CREATE FUNCTION cliente_preferred(p_user uuid, p_cliente text) RETURNS varchar
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_id clientes.id%TYPE := p_cliente;
BEGIN
	IF clientes_are_ours() THEN
		RETURN (SELECT instancia_preferida FROM clientes WHERE id = v_id AND (user_id = p_user OR user_id IS NULL));
	END IF;
	RETURN (SELECT instancia_preferida FROM clientes WHERE id = v_id);
END $$;

-- Binds him. In a hosting's own table no row is made, since only the hosting knows what a client is; and as
-- no owner is told there, what another user's instance has is left to it.
CREATE FUNCTION cliente_prefers(p_user uuid, p_cliente text, p_instance varchar) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_id   clientes.id%TYPE := p_cliente;
	v_name varchar := left(p_instance, 50);
BEGIN
	IF clientes_are_ours() THEN
		INSERT INTO clientes AS c (id, user_id, instancia_preferida) VALUES (v_id, p_user, v_name)
		ON CONFLICT (id) DO UPDATE SET instancia_preferida = excluded.instancia_preferida
		WHERE c.user_id = p_user OR c.user_id IS NULL;
	ELSE
		UPDATE clientes c SET instancia_preferida = v_name
		WHERE c.id = v_id AND c.instancia_preferida IS DISTINCT FROM v_name
			AND NOT EXISTS (SELECT FROM instances i WHERE left(i.name, 50) = c.instancia_preferida
				AND i.assigned_to_user_id <> ALL (ARRAY[p_user, platform_user()]));
	END IF;
END $$;

-- What a send begins with. outcome: 'ok'; 'repeat' (its key was used: state tells what became of it);
-- 'no-device'; 'which' (several devices, none named); 'no-client' (p_cliente is no id of clientes' kind);
-- 'unavailable' (reason: 'maintenance', 'none', 'disconnected', 'hour' or 'day'; retry_at says when a quota
-- begins anew).
CREATE TYPE message_start AS (
	outcome     text,
	message_id  uuid,
	instance_id uuid,
	name        varchar,
	server_id   uuid,
	device_id   uuid,
	epoch       bigint,
	state       text,
	reason      text,
	retry_at    timestamptz,
	hour_limit  integer,
	hour_used   integer,
	hour_end    timestamptz,
	day_limit   integer,
	day_used    integer,
	day_end     timestamptz
);

-- Why none of these can send: the mildest reason of all.
CREATE FUNCTION why_unavailable(p_owners uuid[], p_device uuid, p_hour timestamptz, p_day date)
RETURNS message_start
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_why message_start;
	v_all integer;
	v_up  integer;
	v_day integer;
BEGIN
	SELECT count(*), count(*) FILTER (WHERE status = 'WORKING' AND missing_since IS NULL),
		count(*) FILTER (WHERE status = 'WORKING' AND missing_since IS NULL AND used_day(i, p_day) < capacidade_dia)
	INTO v_all, v_up, v_day
	FROM instances i
	WHERE lifecycle = 'assigned' AND assigned_to_user_id = ANY (p_owners)
		AND (p_device IS NULL OR device_id = p_device);
	v_why.outcome := 'unavailable';
	v_why.reason := CASE WHEN v_all > 0 AND v_up = 0 AND quiesced() THEN 'maintenance' WHEN v_all = 0 THEN 'none' WHEN v_up = 0 THEN 'disconnected'
		WHEN v_day = 0 THEN 'day' ELSE 'hour' END;
	v_why.retry_at := CASE v_why.reason WHEN 'day' THEN quota_day_end(p_day)
		WHEN 'hour' THEN p_hour + interval '1 hour' END;
	RETURN v_why;
END $$;

-- The owner's instances in the order in which p_strategy tries them: sticky (the client's preferred one,
-- else as least_loaded), round_robin (the one chosen longest ago), least_loaded (carga_percentual,
-- then prioridade).
CREATE FUNCTION instances_by_strategy(p_owners uuid[], p_strategy text, p_preferred varchar, p_day date)
RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
	SELECT i.id FROM instances i
	WHERE i.lifecycle = 'assigned' AND i.assigned_to_user_id = ANY (p_owners)
		AND i.status = 'WORKING' AND i.missing_since IS NULL
	ORDER BY (p_strategy = 'sticky' AND left(i.name, 50) = p_preferred) DESC,
		CASE p_strategy WHEN 'round_robin' THEN i.chosen END,
		used_day(i, p_day)::float8 / greatest(i.capacidade_dia, 1), i.prioridade DESC, i.chosen
$$;

-- Chooses, reserves and writes down, in one statement. p_admin: the platform's instances, too.
CREATE FUNCTION message_begin(p_user uuid, p_email text, p_admin boolean, p_device uuid, p_cliente text,
	p_strategy text, p_key text, p_lease interval, p_keys interval DEFAULT '24 hours') RETURNS message_start
LANGUAGE plpgsql AS $$
DECLARE
	v_now    timestamptz := clock_timestamp();
	v_hour   timestamptz := quota_hour(v_now);
	v_day    date := quota_day(v_now);
	v_owners uuid[] := CASE WHEN p_admin THEN ARRAY[p_user, platform_user()] ELSE ARRAY[p_user] END;
	v_device uuid := p_device;
	v_pref   varchar;
	v_id     uuid;
	v_row    instances;
	v_old    messages;
	v_out    message_start;
BEGIN
	PERFORM user_of(p_user, p_email);
	IF p_key IS NOT NULL THEN
		-- Two of one key: the second waits here for the first's row, or finds it.
		PERFORM pg_advisory_xact_lock(hashtextextended(p_user || ' ' || p_key, 0));
		SELECT * INTO v_old FROM messages
		WHERE user_id = p_user AND request_key = p_key AND state <> 'failed';
		IF FOUND AND v_old.created_at < v_now - p_keys THEN
			-- Its time is over (IDEMPOTENCY_TTL): this is another message, that must not be taken for it.
			UPDATE messages SET request_key = NULL WHERE id = v_old.id;
		ELSIF FOUND THEN
			v_out.outcome := 'repeat';
			v_out.message_id := v_old.id;
			v_out.name := v_old.instance;
			v_out.device_id := v_old.device_id;
			v_out.state := CASE v_old.state WHEN 'sending' THEN 'unknown' ELSE v_old.state END;
			RETURN v_out;
		END IF;
	END IF;

	IF p_device IS NULL AND p_cliente IS NULL AND p_strategy IS NULL THEN
		SELECT CASE count(*) WHEN 1 THEN 'ok' WHEN 0 THEN 'no-device' ELSE 'which' END, min(d.id::text)::uuid
		INTO v_out.outcome, v_device
		FROM devices d WHERE d.user_id = p_user AND EXISTS (SELECT FROM instances WHERE device_id = d.id);
		IF v_out.outcome = 'which' THEN
			RETURN v_out;
		ELSIF v_out.outcome = 'no-device' THEN
			RETURN why_unavailable(ARRAY[p_user], NULL, v_hour, v_day);
		END IF;
	ELSIF p_device IS NOT NULL
		AND NOT EXISTS (SELECT FROM devices WHERE id = p_device AND user_id = ANY (v_owners)) THEN
		v_out.outcome := 'no-device';
		RETURN v_out;
	END IF;

	IF p_cliente IS NOT NULL THEN
		BEGIN
			v_pref := cliente_preferred(p_user, p_cliente);
		EXCEPTION WHEN invalid_text_representation OR numeric_value_out_of_range THEN
			v_out.outcome := 'no-client';
			RETURN v_out;
		END;
	END IF;
	IF v_device IS NOT NULL THEN
		SELECT t.* INTO v_row
		FROM instances i CROSS JOIN LATERAL quota_take(i.id, v_owners, v_hour, v_day) AS t
		WHERE i.device_id = v_device;
	ELSE
		IF p_strategy = 'round_robin' THEN -- one choice at a time is what makes it fair
			PERFORM pg_advisory_xact_lock(hashtextextended('wapool.round_robin ' || p_user, 0));
		END IF;
		FOR v_id IN SELECT * FROM instances_by_strategy(v_owners, coalesce(p_strategy, 'sticky'), v_pref, v_day) LOOP
			SELECT * INTO v_row FROM quota_take(v_id, v_owners, v_hour, v_day);
			EXIT WHEN FOUND;
		END LOOP;
	END IF;
	IF v_row.id IS NULL THEN
		RETURN why_unavailable(v_owners, v_device, v_hour, v_day);
	END IF;
	IF p_cliente IS NOT NULL AND v_pref IS DISTINCT FROM left(v_row.name, 50) THEN
		PERFORM cliente_prefers(p_user, p_cliente, v_row.name);
	END IF;

	INSERT INTO messages (user_id, device_id, instance_id, instance, request_key, quota_hour, quota_day, lease_until)
	VALUES (p_user, v_row.device_id, v_row.id, v_row.name, p_key, v_row.quota_hour, v_row.quota_day, v_now + p_lease)
	RETURNING id INTO v_out.message_id;
	v_out.outcome := 'ok';
	v_out.instance_id := v_row.id;
	v_out.name := v_row.name;
	v_out.server_id := v_row.server_id;
	v_out.device_id := v_row.device_id;
	v_out.epoch := v_row.epoch;
	v_out.hour_limit := v_row.capacidade_hora;
	v_out.hour_used := v_row.msgs_enviadas_hora;
	v_out.hour_end := v_row.quota_hour + interval '1 hour';
	v_out.day_limit := v_row.capacidade_dia;
	v_out.day_used := v_row.msgs_enviadas_dia;
	v_out.day_end := quota_day_end(v_row.quota_day);
	RETURN v_out;
END $$;

-- The state after an acknowledgement (as events out name them: error, pending, server, device, read,
-- played); it never goes back.
CREATE FUNCTION message_acked(p_state text, p_ack text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE
		WHEN p_ack IN ('read', 'played') THEN 'read'
		WHEN p_ack = 'device' AND p_state <> 'read' THEN 'delivered'
		WHEN p_ack IN ('pending', 'server') AND p_state IN ('sending', 'unknown') THEN 'sent'
		WHEN p_ack = 'error' AND p_state IN ('sending', 'unknown', 'sent') THEN 'failed'
		ELSE p_state END
$$;

-- What became of a send: 'sent', 'failed' (surely not sent: its quota comes back) or 'unknown'. Only while
-- it is being sent: a late answer finds it decided.
CREATE FUNCTION message_end(p_message uuid, p_state text, p_gateway_id text, p_error text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_row messages;
	v_ack text;
BEGIN
	UPDATE messages SET state = p_state, gateway_id = p_gateway_id, error = p_error, lease_until = NULL,
		updated_at = clock_timestamp()
	WHERE id = p_message AND (state = 'sending' OR state = 'unknown' AND p_state = 'sent')
	RETURNING * INTO v_row;
	IF NOT FOUND THEN
		RETURN false;
	ELSIF p_state = 'failed' THEN
		PERFORM quota_return(v_row.instance_id, v_row.quota_hour, v_row.quota_day);
	ELSIF p_gateway_id IS NOT NULL THEN
		DELETE FROM early_acks WHERE instance_id = v_row.instance_id AND gateway_id = p_gateway_id
		RETURNING ack INTO v_ack;
		IF FOUND THEN
			UPDATE messages SET state = message_acked(state, v_ack) WHERE id = p_message;
		END IF;
	END IF;
	RETURN true;
END $$;

-- A gateway tells how far a message has come.
CREATE FUNCTION message_ack(p_instance uuid, p_gateway_id text, p_ack text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	-- One that was told failed and has arrived after all leaves its key to the one that was sent in its place.
	UPDATE messages m SET state = message_acked(state, p_ack), updated_at = clock_timestamp(),
		request_key = CASE WHEN state <> 'failed' OR NOT EXISTS (SELECT FROM messages o WHERE o.user_id = m.user_id
			AND o.request_key = m.request_key AND o.state <> 'failed') THEN request_key END
	WHERE instance_id = p_instance AND gateway_id = p_gateway_id AND state <> message_acked(state, p_ack);
	IF NOT FOUND AND NOT EXISTS (SELECT FROM messages WHERE instance_id = p_instance AND gateway_id = p_gateway_id)
		AND EXISTS (SELECT FROM messages WHERE instance_id = p_instance AND state IN ('sending', 'unknown')) THEN
		INSERT INTO early_acks AS a (instance_id, gateway_id, ack) VALUES (p_instance, p_gateway_id, p_ack)
		ON CONFLICT (instance_id, gateway_id) DO UPDATE
			SET ack = CASE WHEN message_acked('sent', a.ack) = 'sent' THEN excluded.ack ELSE a.ack END;
	END IF;
END $$;

-- A sender that died: whether its message left, nobody knows, so its quota stays used.
CREATE FUNCTION messages_expire() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_n integer;
BEGIN
	UPDATE messages SET state = 'unknown', error = 'its sender ended before the answer came', lease_until = NULL,
		updated_at = clock_timestamp()
	WHERE state = 'sending' AND lease_until < clock_timestamp();
	GET DIAGNOSTICS v_n = ROW_COUNT;
	DELETE FROM early_acks WHERE at < clock_timestamp() - interval '1 hour';
	RETURN v_n;
END $$;

-- Deletes messages past p_events, but none whose key may still come again (p_keys), p_batch at the most.
CREATE FUNCTION messages_prune(p_events interval, p_keys interval, p_batch integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
	v_n   integer;
BEGIN
	WITH old AS (SELECT id FROM messages
		WHERE created_at < v_now - greatest(p_events, p_keys) AND state <> 'sending' LIMIT p_batch)
	DELETE FROM messages m USING old WHERE m.id = old.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_n;
END $$;

COMMIT;
