-- Deploy wapool:metrics to pg
BEGIN;

-- What GET /metrics counts. A number is the sum of its shards, and a shard is a backend's: its process id is
-- its own as long as it lives, so a transaction that counts never waits for another one, and two cannot
-- deadlock whatever they count in whatever order. Shard 0 holds what backends that are gone have left
-- (counters_fold). What counts does so in the transaction that does the thing: both happen or none, whoever
-- does it (responder, CGI process, helper, a person with psql), and neither a restart nor pruning of
-- instance_events and webhook_events takes anything away.
CREATE TABLE counters (
	family text NOT NULL,
	label  text NOT NULL DEFAULT '',
	shard  integer NOT NULL DEFAULT 0,
	n      bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (family, label, shard)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
COMMENT ON COLUMN counters.label IS 'the values of the family''s labels, joined by commas';

CREATE FUNCTION count_up(p_family text, p_label text DEFAULT '', p_by bigint DEFAULT 1) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO counters AS c (family, label, shard, n)
	VALUES (p_family, p_label, pg_backend_pid(), p_by)
	ON CONFLICT (family, label, shard) DO UPDATE SET n = c.n + EXCLUDED.n;
END $$;

-- Takes the shards of backends that are gone into shard 0. One at a time. A row that somebody holds is left:
-- a new backend got the old one's process id. Returns how many shards.
CREATE FUNCTION counters_fold() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_n integer;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('wapool.counters')) THEN
		RETURN 0;
	END IF;
	WITH left_over AS MATERIALIZED (
		SELECT family, label, shard FROM counters
		WHERE shard <> 0 AND shard NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL)
		FOR UPDATE SKIP LOCKED),
	gone AS (
		DELETE FROM counters c USING left_over l
		WHERE (c.family, c.label, c.shard) = (l.family, l.label, l.shard)
		RETURNING c.family, c.label, c.n),
	folded AS (
		INSERT INTO counters AS c (family, label, n)
		SELECT family, label, sum(n) FROM gone GROUP BY family, label
		ON CONFLICT (family, label, shard) DO UPDATE SET n = c.n + EXCLUDED.n)
	SELECT count(*) INTO v_n FROM gone;
	RETURN v_n;
END $$;

-- Instances ------------------------------------------------------------------------------------------

-- How many there are of each kind is kept, not counted: a scrape of a million instances reads as much as
-- one of ten. `instances`: lifecycle, health, origin, server, and whether a phone is connected;
-- `transitions`: the moves themselves.
CREATE FUNCTION instance_kind(i instances) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT concat_ws(',', i.lifecycle, i.health, i.origin, i.server_id,
		CASE WHEN i.lifecycle = 'assigned' AND i.status = 'WORKING' AND i.missing_since IS NULL
			THEN 'online' ELSE 'offline' END)
$$;

CREATE FUNCTION instances_counted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO counters AS c (family, label, shard, n)
	SELECT 'instances', instance_kind(i), pg_backend_pid(), CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
	FROM rows i GROUP BY instance_kind(i)
	ON CONFLICT (family, label, shard) DO UPDATE SET n = c.n + EXCLUDED.n;
	RETURN NULL;
END $$;
CREATE TRIGGER counted_came AFTER INSERT ON instances REFERENCING NEW TABLE AS rows
FOR EACH STATEMENT EXECUTE FUNCTION instances_counted();
CREATE TRIGGER counted_went AFTER DELETE ON instances REFERENCING OLD TABLE AS rows
FOR EACH STATEMENT EXECUTE FUNCTION instances_counted();

-- One that may be of another kind now.
CREATE FUNCTION instance_recount(was instances, i instances) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_was text := instance_kind(was);
	v_is  text := instance_kind(i);
BEGIN
	-- one statement for all, since every claim pays for it
	IF was.lifecycle <> i.lifecycle THEN
		INSERT INTO counters AS c (family, label, shard, n)
		VALUES ('instances', v_was, pg_backend_pid(), -1), ('instances', v_is, pg_backend_pid(), 1),
			('transitions', was.lifecycle || ',' || i.lifecycle, pg_backend_pid(), 1)
		ON CONFLICT (family, label, shard) DO UPDATE SET n = c.n + EXCLUDED.n;
	ELSIF v_was <> v_is THEN
		PERFORM count_up('instances', v_was, -1), count_up('instances', v_is);
	END IF;
END $$;

-- Why assignments end, as one of a few words (because's p_class). Without a reason: by a person with psql.
CREATE FUNCTION release_classes() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT ARRAY['user', 'unpaired', 'phone', 'operator', 'swapped', 'gateway', 'unrecovered', 'missing', 'ill',
		'drained', 'other']
$$;
CREATE FUNCTION release_class() RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN coalesce(current_setting('wapool.reason', true), '') = '' THEN 'operator'
		WHEN current_setting('wapool.reason_class', true) = ANY (release_classes())
			THEN current_setting('wapool.reason_class', true)
		ELSE 'other' END
$$;

-- What the trail tells: releases, repairs and their outcome. The trigger has no WHEN clause: PostgreSQL
-- would parse it anew in each statement, for more than this costs.
CREATE FUNCTION instance_events_counted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.kind = 'repair' THEN
		PERFORM count_up('recoveries',
			CASE WHEN NEW.from_state IN ('look', 'restart', 'logout', 'release') THEN NEW.from_state ELSE 'other' END
			|| ',' || CASE WHEN NEW.to_state IN ('recovered', 'unpaired', 'failed') THEN NEW.to_state ELSE 'other' END);
	ELSIF NEW.kind = 'transition' AND NEW.from_state = 'assigned' THEN
		PERFORM count_up('releases', release_class());
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER counted AFTER INSERT ON instance_events
FOR EACH ROW EXECUTE FUNCTION instance_events_counted();

-- Events out: what became of a delivery, each time it changes.
CREATE FUNCTION deliveries_counted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM count_up('deliveries', NEW.state);
	RETURN NULL;
END $$;
CREATE TRIGGER counted AFTER UPDATE OF state ON deliveries
FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state <> 'pending') EXECUTE FUNCTION deliveries_counted();

-- Looks at servers ---------------------------------------------------------------------------------------

-- The upper bounds of the histogram, in seconds. lib/metrics.c writes them as they stand here.
CREATE VIEW look_bounds AS
SELECT * FROM (VALUES (1, 0.05, '0.05'), (2, 0.1, '0.1'), (3, 0.25, '0.25'), (4, 0.5, '0.5'), (5, 1, '1.0'),
	(6, 2.5, '2.5'), (7, 5, '5.0'), (8, 10, '10.0'), (9, 30, '30.0'), (10, 'Infinity'::float8, '+Inf'))
	AS b (i, seconds, le);

-- A look that took so long. Not in the look's own transaction: it has several, and ends with calls to the gateway.
CREATE FUNCTION count_look(p_ok boolean, p_ms bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_outcome text := CASE WHEN p_ok THEN 'ok' ELSE 'failed' END;
BEGIN
	PERFORM count_up('look', v_outcome || ',' || b.le)
	FROM (SELECT le FROM look_bounds WHERE p_ms / 1000.0 <= seconds ORDER BY i LIMIT 1) AS b;
	PERFORM count_up('look_ms', v_outcome, p_ms);
END $$;

-- The histogram as Prometheus wants it: buckets that include the ones below, sum, count.
CREATE VIEW look_histogram AS
WITH n AS (
	SELECT o.outcome, b.i, b.le,
		(sum((SELECT coalesce(sum(c.n), 0) FROM counters c
			WHERE c.family = 'look' AND c.label = o.outcome || ',' || b.le))
			OVER (PARTITION BY o.outcome ORDER BY b.i))::bigint AS n
	FROM look_bounds b CROSS JOIN (VALUES ('ok'), ('failed')) AS o (outcome))
SELECT outcome, i, '_bucket' AS suffix, outcome || ',' || le AS label, n::float8 AS value FROM n
UNION ALL
SELECT outcome, 98, '_sum', outcome, (SELECT coalesce(sum(c.n), 0) / 1000.0 FROM counters c
	WHERE c.family = 'look_ms' AND c.label = outcome)
FROM n WHERE le = '+Inf'
UNION ALL
SELECT outcome, 99, '_count', outcome, n FROM n WHERE le = '+Inf';

-- Helpers ------------------------------------------------------------------------------------------------

-- When a task last went well, by host. Hosts that are gone are forgotten after a day.
CREATE TABLE helper_runs (
	host text NOT NULL,
	task text NOT NULL,
	at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (host, task)
) WITH (fillfactor = 50);

CREATE FUNCTION helper_ran(p_host text, p_tasks text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	-- in the order of their names: two helpers of one host write the same rows
	INSERT INTO helper_runs (host, task) SELECT p_host, t FROM unnest(p_tasks) AS t ORDER BY t
	ON CONFLICT (host, task) DO UPDATE SET at = EXCLUDED.at;
	DELETE FROM helper_runs WHERE (host, task) IN (SELECT host, task FROM helper_runs
		WHERE at < clock_timestamp() - interval '1 day' FOR UPDATE SKIP LOCKED);
END $$;

-- Makes every look due now; a look that is done has moved check_next_at beyond the time returned.
CREATE FUNCTION looks_now() RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
BEGIN
	UPDATE waha_servers SET check_next_at = v_now
	WHERE id IN (SELECT id FROM waha_servers WHERE ativo AND check_next_at > v_now ORDER BY id FOR NO KEY UPDATE);
	RETURN v_now;
END $$;

-- What there is already, and a 0 for all that can be counted: a series that appears with its first event
-- has no rate for it.
INSERT INTO counters (family, label, n)
SELECT 'instances', instance_kind(i), count(*) FROM instances i GROUP BY 1, 2;
INSERT INTO counters (family, label)
SELECT 'transitions', f || ',' || t
	FROM unnest(ARRAY['provisioning', 'standby', 'assigned', 'recycling']) AS f,
		unnest(ARRAY['standby', 'assigned', 'recycling', 'retired']) AS t
	WHERE instance_may_move(f, t)
UNION ALL SELECT 'claims', o FROM unnest(ARRAY['own', 'claimed', 'empty', 'maintenance', 'no-device', 'often', 'swapped']) AS o
UNION ALL SELECT 'releases', r FROM unnest(release_classes()) AS r
UNION ALL SELECT 'recoveries', s || ',' || o FROM unnest(ARRAY['look', 'restart', 'logout', 'release']) AS s,
	unnest(ARRAY['recovered', 'unpaired', 'failed']) AS o
UNION ALL SELECT 'webhooks', o FROM unnest(ARRAY['applied', 'stale', 'former', 'unassigned', 'unknown-session',
	'kept', 'duplicate', 'refused']) AS o
UNION ALL SELECT 'deliveries', o FROM unnest(ARRAY['delivered', 'parked', 'skipped']) AS o
ON CONFLICT DO NOTHING;

COMMIT;
