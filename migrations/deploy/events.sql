-- Deploy wapool:events to pg
BEGIN;

-- Where a user's events go: one webhook per device, or one for all devices that have none of their own
-- (device_id NULL). A row that is disabled keeps its place: its events are parked, never sent elsewhere.
CREATE TABLE event_subscriptions (
	id              uuid PRIMARY KEY,
	user_id         uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	device_id       uuid REFERENCES devices (id) ON DELETE CASCADE,
	url             text NOT NULL CHECK (url ~* '^https?://[^[:space:]]+$' AND length(url) <= 2048),
	events          text[] CHECK (events <> '{}'),
	secret_sealed   text NOT NULL,
	former_sealed   text,
	former_until    timestamptz,
	disabled_at     timestamptz,
	disabled_reason text,
	failures        integer NOT NULL DEFAULT 0,
	failing_since   timestamptz,
	retry_at        timestamptz,
	delivered_at    timestamptz,
	last_error      text,
	created_at      timestamptz NOT NULL DEFAULT now(),
	updated_at      timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT event_subscriptions_once UNIQUE NULLS NOT DISTINCT (user_id, device_id),
	CHECK ((former_sealed IS NULL) = (former_until IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX event_subscriptions_device_idx ON event_subscriptions (device_id);
COMMENT ON COLUMN event_subscriptions.events IS 'the types it wants; NULL: all';
COMMENT ON COLUMN event_subscriptions.former_sealed IS 'the secret before the last rotation, which signs too until former_until';
COMMENT ON COLUMN event_subscriptions.failures IS 'failed attempts in a row';
COMMENT ON COLUMN event_subscriptions.retry_at IS 'it does not answer, or asked for quiet: no attempt of any device before that';
COMMENT ON COLUMN event_subscriptions.delivered_at IS 'the last success, give or take ten seconds';

-- Events as they happened, written in the transaction of their cause. id is the webhook-id. payload is
-- the event's data; a message's is emptied after MESSAGE_RETENTION. once: what the same event would say
-- if a gateway sent it again under another id.
CREATE TABLE outbox (
	seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id         uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
	user_id    uuid NOT NULL,
	device_id  uuid NOT NULL,
	type       text NOT NULL,
	payload    jsonb,
	once       text,
	at         timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE UNIQUE INDEX outbox_once ON outbox (device_id, once) WHERE once IS NOT NULL;
CREATE INDEX outbox_created_idx ON outbox (created_at);
-- Bodies that MESSAGE_RETENTION will empty.
CREATE INDEX outbox_bodies ON outbox (created_at) WHERE payload IS NOT NULL AND type = 'message.received';
COMMENT ON COLUMN outbox.at IS 'when it happened, by the gateway''s clock where it tells; created_at is ours';

-- What became of an event at a subscription. Apart from outbox, since this row is written again and
-- again and that one is wide.
CREATE TABLE deliveries (
	seq             bigint NOT NULL REFERENCES outbox (seq) ON DELETE CASCADE,
	subscription_id uuid NOT NULL REFERENCES event_subscriptions (id) ON DELETE CASCADE,
	device_id       uuid NOT NULL,
	state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'parked', 'skipped')),
	attempts        integer NOT NULL DEFAULT 0,
	tried_at        timestamptz,
	last_error      text,
	PRIMARY KEY (seq, subscription_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
CREATE INDEX deliveries_subscription_idx ON deliveries (subscription_id, seq);
-- A lane's next event.
CREATE INDEX deliveries_pending ON deliveries (subscription_id, device_id, seq) WHERE state = 'pending';
CREATE INDEX deliveries_parked ON deliveries (subscription_id, seq) WHERE state = 'parked';
COMMENT ON COLUMN deliveries.state IS
	'pending; delivered; parked: given up, until somebody asks for a replay; skipped: its body is past MESSAGE_RETENTION';

-- The queue proper: a lane is a device's events to a subscription, one after the other. It is leased as
-- a whole, so that order is kept without looking for earlier events, and its row is small: due_at NULL
-- means nothing is pending. Whoever adds an event locks the row first, and so numbers of events grow in
-- the order of their commits.
CREATE TABLE event_lanes (
	subscription_id uuid NOT NULL REFERENCES event_subscriptions (id) ON DELETE CASCADE,
	device_id       uuid NOT NULL,
	due_at          timestamptz,
	token           uuid,
	lease_until     timestamptz,
	PRIMARY KEY (subscription_id, device_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100);
CREATE INDEX event_lanes_due ON event_lanes (due_at) WHERE due_at IS NOT NULL;

-- Writes an event down for whoever subscribed to it: the device's own subscription, else its user's default;
-- nothing at all if nobody did or wants that type. The subscription is kept from being deleted until the
-- transaction ends. True if something was written; event_written() then says so as long.
CREATE FUNCTION event_emit(p_user uuid, p_device uuid, p_type text, p_data jsonb,
	p_at timestamptz DEFAULT NULL, p_once text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_to  record;
	v_seq bigint;
BEGIN
	SELECT id, events, disabled_at INTO v_to FROM event_subscriptions
	WHERE user_id = p_user AND (device_id = p_device OR device_id IS NULL)
	ORDER BY device_id NULLS LAST LIMIT 1
	FOR KEY SHARE;
	IF NOT FOUND OR p_type <> ALL (v_to.events) THEN
		RETURN false;
	END IF;
	INSERT INTO event_lanes (subscription_id, device_id) VALUES (v_to.id, p_device)
	ON CONFLICT (subscription_id, device_id) DO UPDATE SET token = NULL WHERE false; -- locks the row
	INSERT INTO outbox (user_id, device_id, type, payload, once, at)
	VALUES (p_user, p_device, p_type, p_data, p_once, coalesce(p_at, clock_timestamp()))
	ON CONFLICT (device_id, once) WHERE once IS NOT NULL DO NOTHING
	RETURNING seq INTO v_seq;
	IF v_seq IS NULL THEN
		RETURN false; -- told before
	END IF;
	INSERT INTO deliveries (seq, subscription_id, device_id, state)
	VALUES (v_seq, v_to.id, p_device, CASE WHEN v_to.disabled_at IS NULL THEN 'pending' ELSE 'parked' END);
	IF v_to.disabled_at IS NULL THEN
		UPDATE event_lanes SET due_at = clock_timestamp()
		WHERE subscription_id = v_to.id AND device_id = p_device AND due_at IS NULL;
		PERFORM set_config('wapool.event_written', 'on', true);
	END IF;
	RETURN true;
END $$;

-- True if this transaction wrote an event that may leave: the helper wants to be woken.
CREATE FUNCTION event_written() RETURNS boolean
LANGUAGE sql AS $$ SELECT coalesce(current_setting('wapool.event_written', true), '') = 'on' $$;

-- What happens to a device, told from what happens to its instance: whoever wrote it, webhook, look at
-- the gateway, helper or hand. Told twice: to the webhook of its owner, and to the pages he has open
-- (live_tell), which hear of a QR that nobody scanned too.
CREATE FUNCTION instance_tell(was instances, i instances) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_final boolean := i.lifecycle <> 'assigned';
	v_at    timestamptz := CASE WHEN i.status_at IS DISTINCT FROM was.status_at THEN i.status_at END;
	v_type  text;
	v_data  jsonb;
	v_live  text := CASE WHEN v_final THEN 'device.disconnected'
		WHEN (was.status, was.phone_number, was.profile_name)
			IS DISTINCT FROM (i.status, i.phone_number, i.profile_name) THEN 'device.updated' END;
BEGIN
	IF NOT v_final AND i.health <> was.health THEN
		PERFORM event_emit(was.assigned_to_user_id, was.device_id, 'instance.health',
			jsonb_strip_nulls(jsonb_build_object('instance', i.name, 'health', i.health,
				'was', was.health, 'reason', i.health_reason)));
		PERFORM live_tell(was.assigned_to_user_id, was.device_id, 'instance.health', i.status, NULL,
			json_build_object('health', i.health));
	END IF;
	IF v_final AND (was.status = 'WORKING' OR was.paired_at IS NOT NULL)
		OR NOT v_final AND was.status = 'WORKING' AND i.status <> 'WORKING' THEN
		v_type := 'device.disconnected';
		v_data := jsonb_build_object('instance', was.name, 'final', v_final,
			'status', CASE WHEN NOT v_final THEN i.status END,
			'reason', CASE WHEN v_final THEN nullif(current_setting('wapool.reason', true), '') END);
	ELSIF NOT v_final AND i.status = 'WORKING' AND was.status <> 'WORKING' THEN
		v_type := 'device.connected';
		v_data := jsonb_build_object('instance', i.name, 'phone', i.phone_number, 'profile', i.profile_name);
	ELSIF NOT v_final AND i.status = 'SCAN_QR_CODE'
		AND (was.status, was.status_at) IS DISTINCT FROM (i.status, i.status_at) THEN
		v_type := 'qr.updated';
		v_data := jsonb_build_object('instance', i.name);
	END IF;
	IF v_type IS NOT NULL THEN
		PERFORM event_emit(was.assigned_to_user_id, was.device_id, v_type, jsonb_strip_nulls(v_data), v_at);
	END IF;
	IF coalesce(v_type, v_live) IS NOT NULL THEN
		PERFORM live_tell(was.assigned_to_user_id, was.device_id, coalesce(v_type, v_live),
			CASE WHEN NOT v_final THEN i.status END, v_at,
			CASE WHEN coalesce(v_type, v_live) = 'device.disconnected' THEN json_build_object('final', v_final) END);
	END IF;
END $$;

-- What a helper needs of a lane in its hands.
CREATE TYPE event_lane AS (
	subscription_id uuid,
	device_id       uuid,
	token           uuid,
	url             text,
	secret          text,
	former          text
);

-- What is pending in a lane of a disabled subscription is parked. The caller holds the lane's row.
CREATE FUNCTION lane_park(p_lane event_lanes) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE deliveries SET state = 'parked', last_error = coalesce(last_error, 'the webhook is disabled')
	WHERE subscription_id = p_lane.subscription_id AND device_id = p_lane.device_id AND state = 'pending';
	UPDATE event_lanes SET due_at = NULL, token = NULL, lease_until = NULL
	WHERE subscription_id = p_lane.subscription_id AND device_id = p_lane.device_id;
END $$;

-- Leases the lane that is due for longest. No more than p_each of one user are in hands at a
-- time (two that ask in the same instant may exceed it by one), so that one whose webhooks are slow does not
-- take every thread. Lanes that may not go now are put off on the way, each once.
CREATE FUNCTION lane_claim(p_lease interval, p_each integer) RETURNS SETOF event_lane
LANGUAGE plpgsql AS $$
DECLARE
	v_now  timestamptz := clock_timestamp(); -- a volatile function could not use an index
	v_lane event_lanes;
	v_to   event_subscriptions;
	v_wait timestamptz;
BEGIN
	FOR v_try IN 1 .. 200 LOOP
		WITH c AS MATERIALIZED (
			SELECT subscription_id, device_id FROM event_lanes
			WHERE due_at <= v_now AND (lease_until IS NULL OR lease_until < v_now)
			ORDER BY due_at
			LIMIT 1
			FOR NO KEY UPDATE SKIP LOCKED)
		UPDATE event_lanes l SET token = gen_random_uuid(), lease_until = v_now + p_lease
		FROM c
		WHERE l.subscription_id = c.subscription_id AND l.device_id = c.device_id
		RETURNING l.* INTO v_lane;
		IF NOT FOUND THEN
			RETURN;
		END IF;
		SELECT * INTO v_to FROM event_subscriptions WHERE id = v_lane.subscription_id;
		v_wait := CASE WHEN v_to.retry_at > v_now THEN v_to.retry_at
			WHEN (SELECT count(*) FROM event_subscriptions o JOIN event_lanes l ON l.subscription_id = o.id
				WHERE o.user_id = v_to.user_id AND l.lease_until > v_now) > p_each THEN v_now + interval '250 milliseconds' END;
		IF v_to.disabled_at IS NOT NULL THEN
			PERFORM lane_park(v_lane);
		ELSIF v_wait IS NOT NULL THEN
			UPDATE event_lanes SET due_at = v_wait, token = NULL, lease_until = NULL
			WHERE subscription_id = v_lane.subscription_id AND device_id = v_lane.device_id;
		ELSE
			RETURN NEXT ROW(v_to.id, v_lane.device_id, v_lane.token, v_to.url, v_to.secret_sealed,
				CASE WHEN v_to.former_until > v_now THEN v_to.former_sealed END)::event_lane;
			RETURN;
		END IF;
	END LOOP;
END $$;

-- Locks a lane that is still in its holder's hands. False if the lease went to somebody else.
CREATE FUNCTION lane_hold(p_subscription uuid, p_device uuid, p_token uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM event_lanes
	WHERE subscription_id = p_subscription AND device_id = p_device AND token = p_token
	FOR NO KEY UPDATE;
	RETURN FOUND;
END $$;

-- Gives the lane back: due after p_wait if something is pending. The caller holds its row, so that no
-- event can be added between the look and the writing.
CREATE FUNCTION lane_give_back(p_subscription uuid, p_device uuid, p_wait interval) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE event_lanes SET token = NULL, lease_until = NULL,
		due_at = CASE WHEN EXISTS (SELECT FROM deliveries d WHERE d.subscription_id = p_subscription
			AND d.device_id = p_device AND d.state = 'pending') THEN clock_timestamp() + p_wait END
	WHERE subscription_id = p_subscription AND device_id = p_device;
END $$;

-- The lane's next event, its lease renewed. Nothing if there is none, or the subscription was disabled or
-- deleted: the lane is given back then; nor if it is in other hands.
CREATE FUNCTION lane_next(p_subscription uuid, p_device uuid, p_token uuid, p_lease interval)
RETURNS TABLE (seq bigint, id uuid, type text, at timestamptz, data jsonb, attempts integer)
LANGUAGE plpgsql AS $$
BEGIN
	IF NOT lane_hold(p_subscription, p_device, p_token) THEN
		RETURN;
	ELSIF EXISTS (SELECT FROM event_subscriptions s WHERE s.id = p_subscription AND s.disabled_at IS NOT NULL) THEN
		PERFORM lane_park(l) FROM event_lanes l
		WHERE l.subscription_id = p_subscription AND l.device_id = p_device;
		RETURN;
	END IF;
	LOOP
		SELECT o.seq, o.id, o.type, o.at, o.payload, d.attempts INTO seq, id, type, at, data, attempts
		FROM deliveries d JOIN outbox o ON o.seq = d.seq
		WHERE d.subscription_id = p_subscription AND d.device_id = p_device AND d.state = 'pending'
		ORDER BY d.seq LIMIT 1;
		EXIT WHEN seq IS NULL OR data IS NOT NULL;
		UPDATE deliveries d SET state = 'skipped', last_error = 'its body is past MESSAGE_RETENTION'
		WHERE d.seq = lane_next.seq AND d.subscription_id = p_subscription;
	END LOOP;
	IF seq IS NULL THEN
		PERFORM lane_give_back(p_subscription, p_device, interval '0');
		RETURN;
	END IF;
	UPDATE event_lanes SET lease_until = clock_timestamp() + p_lease
	WHERE subscription_id = p_subscription AND device_id = p_device;
	RETURN NEXT;
END $$;

-- Stops early: somebody else, or the same helper later, goes on with it after p_wait.
CREATE FUNCTION lane_leave(p_subscription uuid, p_device uuid, p_token uuid, p_wait interval) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF NOT lane_hold(p_subscription, p_device, p_token) THEN
		RETURN false;
	END IF;
	PERFORM lane_give_back(p_subscription, p_device, p_wait);
	RETURN true;
END $$;

-- An attempt failed. Counts it, and disables the subscription when it said 410 (p_gone) or has failed
-- without a success for p_disable_after. p_quiet: nothing to any device of it before that, as it does not
-- answer at all; what else is due there is put off, unless it is in somebody's hands. True if this
-- disabled it.
CREATE FUNCTION subscription_failed(p_subscription uuid, p_error text, p_quiet interval, p_gone boolean,
	p_disable_after interval) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
	v_row event_subscriptions;
BEGIN
	UPDATE event_subscriptions SET failures = failures + 1, failing_since = coalesce(failing_since, v_now),
		last_error = p_error,
		retry_at = CASE WHEN p_quiet IS NOT NULL THEN greatest(retry_at, v_now + p_quiet) ELSE retry_at END
	WHERE id = p_subscription RETURNING * INTO v_row;
	IF p_quiet IS NOT NULL THEN
		WITH others AS MATERIALIZED (
			SELECT device_id FROM event_lanes
			WHERE subscription_id = p_subscription AND due_at < v_row.retry_at AND token IS NULL
			FOR NO KEY UPDATE SKIP LOCKED)
		UPDATE event_lanes l SET due_at = v_row.retry_at FROM others
		WHERE l.subscription_id = p_subscription AND l.device_id = others.device_id;
	END IF;
	UPDATE event_subscriptions SET disabled_at = v_now,
		disabled_reason = CASE WHEN p_gone THEN 'it answered 410 Gone'
			ELSE format('nothing was delivered since %s: %s', v_row.failing_since, p_error) END
	WHERE id = p_subscription AND disabled_at IS NULL
		AND (p_gone OR v_row.failing_since < v_now - p_disable_after);
	RETURN FOUND;
END $$;

-- What became of an attempt: 'delivered'; 'pending' (again after p_wait); 'parked' (given up). Fenced by
-- the lane's lease. Returns 'lost' if that is over, 'disabled' if the subscription was disabled by this,
-- else 'settled'. After a failure the lane is given back.
CREATE FUNCTION delivery_settle(p_subscription uuid, p_device uuid, p_token uuid, p_seq bigint, p_state text,
	p_error text, p_wait interval, p_quiet interval, p_gone boolean, p_disable_after interval) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	v_now      timestamptz := clock_timestamp();
	v_disabled boolean;
BEGIN
	-- The subscription before the lane, as whoever deletes it takes them.
	PERFORM FROM event_subscriptions WHERE id = p_subscription FOR KEY SHARE;
	IF NOT lane_hold(p_subscription, p_device, p_token) THEN
		RETURN 'lost';
	END IF;
	UPDATE deliveries SET state = p_state, attempts = attempts + 1, tried_at = v_now, last_error = p_error
	WHERE seq = p_seq AND subscription_id = p_subscription AND state = 'pending';
	IF p_state = 'delivered' THEN
		UPDATE event_subscriptions SET failures = 0, failing_since = NULL, retry_at = NULL, last_error = NULL,
			delivered_at = v_now
		WHERE id = p_subscription
			AND (failures > 0 OR delivered_at IS NULL OR delivered_at < v_now - interval '10 seconds');
		RETURN 'settled';
	END IF;
	v_disabled := subscription_failed(p_subscription, p_error, p_quiet, p_gone, p_disable_after);
	PERFORM lane_give_back(p_subscription, p_device, CASE WHEN v_disabled THEN interval '0' ELSE p_wait END);
	RETURN CASE WHEN v_disabled THEN 'disabled' ELSE 'settled' END;
END $$;

-- Lanes that wait for a helper now, counted up to p_most.
CREATE FUNCTION lanes_due(p_most integer) RETURNS integer
LANGUAGE sql STABLE AS $$
	SELECT count(*)::integer FROM (
		SELECT FROM event_lanes
		WHERE due_at <= statement_timestamp()
			AND (lease_until IS NULL OR lease_until < statement_timestamp())
		LIMIT p_most) AS due
$$;

-- Registers a webhook, or changes its address and filter and sets it going again. A new one gets p_id and
-- p_secret (sealed for that id); one that is there keeps its own. True if it is new.
CREATE FUNCTION subscription_put(p_user uuid, p_device uuid, p_id uuid, p_url text, p_events text[],
	p_secret text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	INSERT INTO event_subscriptions AS s (id, user_id, device_id, url, events, secret_sealed)
	VALUES (p_id, p_user, p_device, p_url, p_events, p_secret)
	ON CONFLICT ON CONSTRAINT event_subscriptions_once DO UPDATE
	SET url = excluded.url, events = excluded.events, disabled_at = NULL, disabled_reason = NULL,
		failures = 0, failing_since = NULL, retry_at = NULL, last_error = NULL, updated_at = now()
	RETURNING s.id INTO v_id;
	-- what waits for the next attempt goes at once
	WITH waiting AS MATERIALIZED (
		SELECT device_id FROM event_lanes
		WHERE subscription_id = v_id AND due_at > clock_timestamp() AND token IS NULL
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE event_lanes l SET due_at = clock_timestamp() FROM waiting
	WHERE l.subscription_id = v_id AND l.device_id = waiting.device_id;
	RETURN v_id = p_id;
END $$;

-- A new secret; the one it replaces signs too for p_overlap.
CREATE FUNCTION subscription_rotate(p_subscription uuid, p_secret text, p_overlap interval) RETURNS timestamptz
LANGUAGE sql AS $$
	UPDATE event_subscriptions SET former_sealed = secret_sealed, former_until = clock_timestamp() + p_overlap,
		secret_sealed = p_secret, updated_at = now()
	WHERE id = p_subscription
	RETURNING former_until
$$;

-- Sends what is parked again: the event of that id, or all with NULL, p_batch at the most. Each takes its
-- old place, before what is pending. p_device, p_type: only those. Returns how many.
CREATE FUNCTION deliveries_replay(p_subscription uuid, p_id uuid, p_batch integer, p_device uuid DEFAULT NULL,
	p_type text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_device uuid;
	v_n      integer;
	v_all    integer := 0;
BEGIN
	-- lane by lane: first its row, then its events, as everybody does
	FOR v_device IN
		SELECT DISTINCT d.device_id FROM deliveries d JOIN outbox o ON o.seq = d.seq
		WHERE d.subscription_id = p_subscription AND d.state = 'parked' AND (p_id IS NULL OR o.id = p_id)
			AND (p_device IS NULL OR d.device_id = p_device) AND (p_type IS NULL OR o.type = p_type)
		ORDER BY d.device_id
	LOOP
		PERFORM FROM event_lanes WHERE subscription_id = p_subscription AND device_id = v_device
		FOR NO KEY UPDATE;
		WITH again AS MATERIALIZED (
			SELECT d.seq FROM deliveries d JOIN outbox o ON o.seq = d.seq
			WHERE d.subscription_id = p_subscription AND d.device_id = v_device AND d.state = 'parked'
				AND o.payload IS NOT NULL AND (p_id IS NULL OR o.id = p_id)
				AND (p_type IS NULL OR o.type = p_type)
			ORDER BY d.seq LIMIT p_batch - v_all)
		UPDATE deliveries d SET state = 'pending', attempts = 0
		FROM again WHERE d.seq = again.seq AND d.subscription_id = p_subscription;
		GET DIAGNOSTICS v_n = ROW_COUNT;
		UPDATE event_lanes SET due_at = clock_timestamp()
		WHERE subscription_id = p_subscription AND device_id = v_device AND v_n > 0 AND token IS NULL;
		v_all := v_all + v_n;
		EXIT WHEN v_all >= p_batch;
	END LOOP;
	RETURN v_all;
END $$;

-- Empties bodies of messages past p_messages (an hour at the least, so that those just received can
-- leave), deletes events past p_events, forgets secrets whose overlap is over. At most p_batch rows of
-- each kind; returns the rows touched.
CREATE FUNCTION events_prune(p_messages interval, p_events interval, p_batch integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
	v_all integer := 0;
	v_n   integer;
BEGIN
	WITH old AS (SELECT seq FROM outbox
		WHERE created_at < v_now - greatest(p_messages, interval '1 hour') AND payload IS NOT NULL
			AND type = 'message.received' LIMIT p_batch)
	UPDATE outbox o SET payload = NULL FROM old WHERE o.seq = old.seq;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	WITH old AS (SELECT seq FROM outbox WHERE created_at < v_now - p_events LIMIT p_batch)
	DELETE FROM outbox o USING old WHERE o.seq = old.seq;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	v_all := v_all + v_n;

	UPDATE event_subscriptions SET former_sealed = NULL, former_until = NULL WHERE former_until < v_now;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_all + v_n;
END $$;

-- For operators: what is under way, and what nobody took.
CREATE VIEW outbox_status AS
SELECT s.id AS subscription_id, s.user_id, s.device_id, s.disabled_at, s.disabled_reason, s.failing_since,
	count(*) FILTER (WHERE d.state = 'pending') AS pending,
	count(*) FILTER (WHERE d.state = 'parked') AS parked,
	min(o.created_at) FILTER (WHERE d.state = 'pending') AS oldest_pending
FROM event_subscriptions s
LEFT JOIN deliveries d ON d.subscription_id = s.id AND d.state IN ('pending', 'parked')
LEFT JOIN outbox o ON o.seq = d.seq
GROUP BY s.id;

COMMIT;
