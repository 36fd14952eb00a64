-- Deploy wapool:wants to pg
BEGIN;

-- Devices whose click found nothing free. The pool is refilled for them too: without it fifty who click at
-- once on a pool of five were served five at a time, each time they came again. Nothing that a crash may
-- not take: who still wants one comes again.
CREATE UNLOGGED TABLE pool_wants (
	device_id uuid PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
	asked_at  timestamptz NOT NULL
);
CREATE INDEX pool_wants_asked_at ON pool_wants (asked_at);

CREATE FUNCTION pool_want(p_device uuid) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO pool_wants (device_id, asked_at) VALUES (p_device, clock_timestamp())
	ON CONFLICT (device_id) DO UPDATE SET asked_at = excluded.asked_at
$$;

-- How many still want one: who was given one does not (claim_for forgets him), nor who has one by other ways,
-- nor who has not asked for 20 seconds (Retry-After is 2). Those are forgotten by prune().
CREATE FUNCTION pool_wanted() RETURNS integer
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT count(*) FROM pool_wants w WHERE w.asked_at > clock_timestamp() - interval '20 seconds'
		AND NOT EXISTS (SELECT FROM instances i WHERE i.device_id = w.device_id));
END $$;

COMMIT;
