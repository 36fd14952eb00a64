-- Deploy wapool:webhooks to pg
BEGIN;

-- Every event that a gateway sent and that was answered 2xx, once. dedupe is the gateway's
-- (event, id), else its request id, else the body's hash.
-- server_id has no foreign key: its check would lock the server's row for each event, and thousands a
-- second share that one row. webhook_store looks at it, and whoever deletes a server deletes its events.
CREATE TABLE webhook_events (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	server_id   uuid NOT NULL,
	dedupe      text NOT NULL,
	event       text NOT NULL,
	event_id    text,
	request_id  text,
	session     text,
	instance_id uuid REFERENCES instances (id) ON DELETE SET NULL,
	epoch       bigint,
	gateway_at  timestamptz,
	received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	outcome     text NOT NULL,
	payload     json,
	CONSTRAINT webhook_events_once UNIQUE (server_id, dedupe)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX webhook_events_instance_idx ON webhook_events (instance_id, id);
CREATE INDEX webhook_events_received_idx ON webhook_events (received_at);
-- Bodies that MESSAGE_RETENTION will empty.
CREATE INDEX webhook_events_bodies ON webhook_events (received_at)
	WHERE payload IS NOT NULL AND event LIKE 'message%';
COMMENT ON COLUMN webhook_events.outcome IS
	'what it did: applied, stale (an older status than the known one), former (an earlier session of that name), unassigned, unknown-session, kept (nothing to apply)';
COMMENT ON COLUMN webhook_events.payload IS 'the body as it came, without keys and QRs; emptied after MESSAGE_RETENTION';

CREATE FUNCTION waha_servers_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM webhook_events WHERE server_id = OLD.id;
	RETURN NULL;
END $$;
CREATE TRIGGER gone AFTER DELETE ON waha_servers
FOR EACH ROW EXECUTE FUNCTION waha_servers_gone();
REVOKE EXECUTE ON FUNCTION waha_servers_gone() FROM PUBLIC; -- for nobody else's triggers (change `faces`)

-- A status that an event brought, onto the instance. Order is the gateway's clock, not arrival:
-- an older event changes nothing. i: what webhook_store reads of the instance; p_release: the event says the owner is gone for good.
CREATE FUNCTION instance_apply(i record, p_generation bigint, p_status text, p_at timestamptz,
	p_phone text, p_profile text, p_release boolean) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	IF p_generation IS NOT NULL AND p_generation <> i.generation THEN
		RETURN 'former';
	ELSIF i.lifecycle <> 'assigned' THEN
		RETURN 'unassigned';
	ELSIF p_generation IS NULL AND p_at < i.assigned_at - interval '1 minute' THEN
		RETURN 'former'; -- no generation to compare: clocks may differ by a minute
	ELSIF i.status_at IS NOT NULL AND p_at < i.status_at THEN
		-- Late news of a pairing: the status is past, the phone is not. Unless its owner has asked for
		-- a new QR since, or a later pairing is known.
		UPDATE instances SET paired_at = coalesce(paired_at, p_at), pairing_asked_at = NULL,
			phone_number = coalesce(left(p_phone, 64), phone_number),
			profile_name = coalesce(left(p_profile, 255), profile_name), last_connected_at = p_at
		WHERE id = i.id AND p_status = 'WORKING'
			AND (pairing_asked_at IS NULL OR pairing_asked_at < p_at)
			AND (paired_at IS NULL OR last_connected_at < p_at);
		RETURN 'stale';
	END IF;
	IF p_release THEN
		PERFORM because('gateway: ' || p_status, 'gateway');
	END IF;
	UPDATE instances SET status = p_status, status_at = p_at, status_seen_at = clock_timestamp(),
		missing_since = NULL,
		phone_number = CASE WHEN p_status = 'WORKING' THEN coalesce(left(p_phone, 64), phone_number) ELSE phone_number END,
		profile_name = CASE WHEN p_status = 'WORKING' THEN coalesce(left(p_profile, 255), profile_name) ELSE profile_name END,
		paired_at = CASE WHEN p_status = 'WORKING' THEN coalesce(paired_at, p_at) ELSE paired_at END,
		pairing_asked_at = CASE WHEN p_status = 'WORKING' THEN NULL ELSE pairing_asked_at END,
		work_attempts = CASE WHEN p_status = 'WORKING' THEN 0 ELSE work_attempts END,
		last_connected_at = CASE WHEN p_status = 'WORKING' THEN p_at ELSE last_connected_at END,
		lifecycle = CASE WHEN p_release AND i.origin <> 'admin' THEN 'recycling' ELSE lifecycle END
	WHERE id = i.id;
	IF p_release AND i.origin = 'admin' THEN
		PERFORM admin_unpaired(i.id, 'gateway: ' || p_status);
	END IF;
	RETURN 'applied';
END $$;

-- Stores an event, applies it and counts it, in one statement. 'duplicate' if it was stored before, else the
-- outcome (see the column). p_tell: what the owner's webhook is to hear of it beyond the status,
-- {"type", "data", "once"} (event_emit in change `events`). p_mark: the secret that it was verified with;
-- 'unverified', and nothing happens, if that is not the server's any more (webhook_takes in change `hooks`) or
-- the server is gone. So whoever verifies may remember secrets.
CREATE FUNCTION webhook_store(p_server uuid, p_dedupe text, p_event text, p_event_id text,
	p_request_id text, p_session text, p_at timestamptz, p_generation bigint, p_status text,
	p_status_at timestamptz, p_phone text, p_profile text, p_release boolean, p_payload json,
	p_tell jsonb DEFAULT NULL, p_mark text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	v_row      record; -- not all of it: each column read costs, and there are sixty
	v_id       bigint;
	v_outcome  text;
	v_applied  text;
	v_told     boolean;
BEGIN
	-- The instance first: then the event's row is written once, with what is to be expected of it.
	IF p_status IS NULL THEN
		SELECT id, name, origin, lifecycle, generation, epoch, assigned_at, assigned_to_user_id, device_id, status_at
		INTO v_row FROM instances WHERE server_id = p_server AND name = p_session;
	ELSE
		SELECT id, name, origin, lifecycle, generation, epoch, assigned_at, assigned_to_user_id, device_id, status_at
		INTO v_row FROM instances WHERE server_id = p_server AND name = p_session
		FOR NO KEY UPDATE;
	END IF;
	v_outcome := CASE WHEN v_row.id IS NULL THEN 'unknown-session'
		WHEN p_generation <> v_row.generation THEN 'former'
		-- a message without a generation: one from before this assignment is a former owner's
		WHEN p_status IS NULL AND p_generation IS NULL AND p_at < v_row.assigned_at - interval '1 minute' THEN 'former'
		WHEN p_status IS NULL THEN 'kept' ELSE 'applied' END;
	INSERT INTO webhook_events (server_id, dedupe, event, event_id, request_id, session, instance_id, epoch,
		gateway_at, outcome, payload)
	SELECT p_server, p_dedupe, p_event, p_event_id, p_request_id, p_session, v_row.id,
		CASE WHEN v_outcome <> 'former' THEN v_row.epoch END, p_at, v_outcome, p_payload
	FROM waha_servers s WHERE s.id = p_server AND webhook_takes(s, p_mark)
	ON CONFLICT ON CONSTRAINT webhook_events_once DO NOTHING
	RETURNING id INTO v_id;
	IF v_id IS NULL THEN
		IF NOT EXISTS (SELECT FROM waha_servers s JOIN webhook_events e ON e.server_id = s.id
			WHERE s.id = p_server AND e.dedupe = p_dedupe AND webhook_takes(s, p_mark)) THEN
			RETURN 'unverified';
		END IF;
		PERFORM count_up('webhooks', 'duplicate');
		RETURN 'duplicate';
	END IF;
	IF p_tell->>'type' = 'message.ack' THEN
		PERFORM message_ack(v_row.id, p_tell->'data'->>'messageId', p_tell->'data'->>'ack');
	END IF;
	IF p_tell IS NOT NULL AND v_outcome IN ('kept', 'applied') AND v_row.lifecycle = 'assigned' THEN
		v_told := event_emit(v_row.assigned_to_user_id, v_row.device_id, p_tell->>'type',
			jsonb_build_object('instance', v_row.name) || (p_tell->'data'), p_at, p_tell->>'once');
	END IF;
	IF v_outcome = 'applied' THEN
		v_applied := instance_apply(v_row, p_generation, p_status,
			coalesce(p_status_at, p_at, clock_timestamp()), p_phone, p_profile, p_release);
		IF v_applied <> v_outcome THEN
			v_outcome := v_applied;
			UPDATE webhook_events SET outcome = v_outcome,
				epoch = CASE WHEN v_outcome <> 'former' THEN epoch END WHERE id = v_id;
		END IF;
	END IF;
	-- what count_up would do, without a statement to call it
	INSERT INTO counters AS c (family, label, shard, n) VALUES ('webhooks', v_outcome, pg_backend_pid(), 1)
	ON CONFLICT (family, label, shard) DO UPDATE SET n = c.n + 1;
	RETURN v_outcome;
END $$;

COMMIT;
