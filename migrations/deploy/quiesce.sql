-- Deploy wapool:quiesce to pg
BEGIN;

-- Before maintenance of gateways: from now on nothing is claimed or mended. False if it was so already.
-- What waits between two attempts to mend it waits no longer: it is stopped like the others.
CREATE FUNCTION quiesce_begin() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_begins boolean;
BEGIN
	UPDATE installation SET quiesced_at = clock_timestamp() WHERE quiesced_at IS NULL;
	v_begins := FOUND;
	-- in the order of health_write's locks; and surely before the walk begins, by whichever clock
	UPDATE instances SET work_next_at = clock_timestamp() - interval '1 minute' WHERE id IN
		(SELECT id FROM instances WHERE mending AND work_next_at > clock_timestamp() - interval '1 minute'
		ORDER BY id FOR NO KEY UPDATE);
	RETURN v_begins;
END $$;

-- One session that runs, leased: the next after that device, so that a walk over all of them reads each once,
-- by instances_one_per_device. One that could not be stopped is left alone for the rest of
-- its run, of which p_since tells the beginning.
CREATE FUNCTION quiesce_claim(p_after uuid, p_since timestamptz, p_lease interval) RETURNS SETOF instances
LANGUAGE sql AS $$
	WITH c AS MATERIALIZED (
		SELECT id FROM instances
		WHERE device_id > p_after
			AND lifecycle = 'assigned' AND status IN ('STARTING', 'SCAN_QR_CODE', 'WORKING')
			AND (work_lease_until IS NULL OR work_lease_until < clock_timestamp())
			AND work_next_at <= p_since AND quiesced()
		ORDER BY device_id
		LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE instances i SET work_token = gen_random_uuid(), work_lease_until = clock_timestamp() + p_lease
	FROM c WHERE i.id = c.id
	RETURNING i.*
$$;

-- What became of it. Fenced by the lease.
CREATE FUNCTION quiesce_done(p_instance uuid, p_token uuid, p_stopped boolean, p_reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_row instances;
BEGIN
	UPDATE instances SET work_token = NULL, work_lease_until = NULL, work_next_at = clock_timestamp(),
		status = CASE WHEN p_stopped THEN 'STOPPED' ELSE status END,
		status_seen_at = CASE WHEN p_stopped THEN clock_timestamp() ELSE status_seen_at END
	WHERE id = p_instance AND work_token = p_token AND lifecycle = 'assigned'
	RETURNING * INTO v_row;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO instance_events (instance_id, kind, from_state, to_state, reason, actor, epoch, user_id)
	VALUES (v_row.id, 'quiesce', 'stop', CASE WHEN p_stopped THEN 'stopped' ELSE 'failed' END, p_reason, actor(),
		v_row.epoch, v_row.assigned_to_user_id);
	RETURN true;
END $$;

-- The end of maintenance: what was connected is started again by the helpers, as many at a time as they
-- mend, spread over some seconds. Returns how many that are.
CREATE FUNCTION quiesce_end() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_n integer;
BEGIN
	UPDATE installation SET quiesced_at = NULL WHERE quiesced_at IS NOT NULL;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	-- locked in the order in which a look writes down what it saw
	WITH c AS MATERIALIZED (
		SELECT id FROM instances WHERE lifecycle = 'assigned' AND paired_at IS NOT NULL AND status = 'STOPPED'
		ORDER BY id FOR NO KEY UPDATE)
	UPDATE instances i SET mending = true, mend_rung = 'restart', mend_attempts = 0,
		work_next_at = clock_timestamp() + random() * interval '5 seconds'
	FROM c WHERE i.id = c.id;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_n;
END $$;

COMMIT;
