-- Deploy wapool:samples to pg
BEGIN;

ALTER TABLE waha_servers ADD COLUMN latency_ms integer;
COMMENT ON COLUMN waha_servers.latency_ms IS 'how long it took to answer the last look''s first question';

-- The pool now, from the kept counts: costs the same with ten instances and a million. free: what a claim
-- of anybody's could get. An administrator's own are no part of it.
CREATE VIEW pool_now AS
SELECT coalesce(sum(n.n) FILTER (WHERE n.pooled AND n.lifecycle = 'standby' AND s.ativo AND s.user_id IS NULL
		AND s.draining_at IS NULL AND s.health <> 'down'), 0)::bigint AS free,
	coalesce(sum(n.n) FILTER (WHERE n.lifecycle = 'standby'), 0)::bigint AS standby,
	coalesce(sum(n.n) FILTER (WHERE n.lifecycle = 'assigned'), 0)::bigint AS assigned,
	coalesce(sum(n.n) FILTER (WHERE n.lifecycle = 'assigned' AND n.online), 0)::bigint AS online,
	coalesce(sum(n.n) FILTER (WHERE n.lifecycle = 'provisioning'), 0)::bigint AS provisioning,
	coalesce(sum(n.n) FILTER (WHERE n.lifecycle = 'recycling'), 0)::bigint AS recycling,
	coalesce(sum(n.n) FILTER (WHERE n.lifecycle = 'retired'), 0)::bigint AS retired,
	coalesce(sum(n.n) FILTER (WHERE n.lifecycle = 'assigned'
		AND n.health NOT IN ('healthy', 'disconnected')), 0)::bigint AS ill
FROM (SELECT split_part(label, ',', 1) AS lifecycle, split_part(label, ',', 2) AS health,
		split_part(label, ',', 3) = 'pool' AS pooled, split_part(label, ',', 4)::uuid AS server_id,
		split_part(label, ',', 5) = 'online' AS online, sum(n) AS n
	FROM counters WHERE family = 'instances' AND split_part(label, ',', 3) <> 'admin'
	GROUP BY label) AS n
LEFT JOIN waha_servers s ON s.id = n.server_id;

-- Samples are of three widths: of a minute (kept for three hours), of ten minutes (two
-- days) and of an hour (eight days), told by step, in seconds. That bounds a server to some 700 rows however
-- long it runs. A coarser row is made anew from the finer ones each minute, so that making it twice, or
-- late, does no harm. A missing row is a gap: no helper ran.
CREATE TABLE pool_samples (
	step      integer NOT NULL CHECK (step IN (60, 600, 3600)),
	at        timestamptz NOT NULL,
	n         integer NOT NULL DEFAULT 1,
	target    integer NOT NULL,
	low       integer NOT NULL,
	free      real NOT NULL,
	free_min  integer NOT NULL,
	making    real NOT NULL,
	recycling real NOT NULL,
	assigned  real NOT NULL,
	online    real NOT NULL,
	PRIMARY KEY (step, at)
) WITH (fillfactor = 70);
COMMENT ON COLUMN pool_samples.n IS 'of how many minutes it is the mean';

-- up: the part of the time that it answered. A server without any latency in that time has NULL.
CREATE TABLE server_samples (
	server_id   uuid NOT NULL REFERENCES waha_servers (id) ON DELETE CASCADE,
	step        integer NOT NULL CHECK (step IN (60, 600, 3600)),
	at          timestamptz NOT NULL,
	n           integer NOT NULL DEFAULT 1,
	up          real NOT NULL,
	latency_ms  real,
	latency_max integer,
	sessions    real NOT NULL,
	PRIMARY KEY (server_id, step, at)
) WITH (fillfactor = 70);
CREATE INDEX server_samples_at_idx ON server_samples (step, at);

-- The beginning of the step that a moment is in.
CREATE FUNCTION sample_at(p_step integer, p_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT date_bin(p_step * interval '1 second', p_at, '2000-01-01T00:00:00Z')
$$;

-- One step of that width, made from the next finer ones.
CREATE FUNCTION samples_roll(p_step integer, p_finer integer, p_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	v_from timestamptz := sample_at(p_step, p_at);
	v_to   timestamptz := v_from + p_step * interval '1 second';
BEGIN
	INSERT INTO pool_samples AS p (step, at, n, target, low, free, free_min, making, recycling, assigned, online)
	SELECT p_step, v_from, sum(n), max(target), max(low), sum(free * n) / sum(n), min(free_min),
		sum(making * n) / sum(n), sum(recycling * n) / sum(n), sum(assigned * n) / sum(n),
		sum(online * n) / sum(n)
	FROM pool_samples WHERE step = p_finer AND at >= v_from AND at < v_to
	HAVING count(*) > 0
	ON CONFLICT (step, at) DO UPDATE SET n = EXCLUDED.n, target = EXCLUDED.target, low = EXCLUDED.low,
		free = EXCLUDED.free, free_min = EXCLUDED.free_min, making = EXCLUDED.making,
		recycling = EXCLUDED.recycling, assigned = EXCLUDED.assigned, online = EXCLUDED.online;
	INSERT INTO server_samples (server_id, step, at, n, up, latency_ms, latency_max, sessions)
	SELECT server_id, p_step, v_from, sum(n), sum(up * n) / sum(n),
		sum(latency_ms * n) / sum(n) FILTER (WHERE latency_ms IS NOT NULL), max(latency_max),
		sum(sessions * n) / sum(n)
	FROM server_samples WHERE step = p_finer AND at >= v_from AND at < v_to
	GROUP BY server_id
	ORDER BY server_id
	ON CONFLICT (server_id, step, at) DO UPDATE SET n = EXCLUDED.n, up = EXCLUDED.up,
		latency_ms = EXCLUDED.latency_ms, latency_max = EXCLUDED.latency_max, sessions = EXCLUDED.sessions;
END $$;

-- Takes this minute's sample, if nobody has: how many rows of servers are in it, NULL if it was there. What
-- is switched off, and users' own servers, are sampled too: their owners ask as well.
CREATE FUNCTION sample_take(p_target integer, p_low integer, p_at timestamptz DEFAULT clock_timestamp())
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_at timestamptz := sample_at(60, p_at);
	v_n  integer;
BEGIN
	IF EXISTS (SELECT FROM pool_samples WHERE step = 60 AND at = v_at) THEN
		RETURN NULL;
	END IF;
	INSERT INTO pool_samples (step, at, target, low, free, free_min, making, recycling, assigned, online)
	SELECT 60, v_at, p_target, p_low, free, free, provisioning, recycling, assigned, online FROM pool_now
	ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RETURN NULL; -- another helper, in the same instant
	END IF;
	INSERT INTO server_samples (server_id, step, at, up, latency_ms, latency_max, sessions)
	SELECT id, 60, v_at, (health = 'up')::integer, l.ms, l.ms, sessions_ativas
	FROM waha_servers s
	CROSS JOIN LATERAL (SELECT CASE WHEN s.health = 'up' AND s.failures = 0 THEN s.latency_ms END AS ms) AS l
	WHERE s.ativo AND s.health <> 'unknown'
	ON CONFLICT DO NOTHING;
	GET DIAGNOSTICS v_n = ROW_COUNT;
	PERFORM samples_roll(600, 60, v_at);
	PERFORM samples_roll(3600, 600, v_at);
	RETURN v_n;
END $$;

-- Deletes what is past its time: the pool's few rows, and of the servers' at most p_batch of each width. Returns
-- how many.
CREATE FUNCTION samples_prune(p_batch integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_now timestamptz := clock_timestamp();
	v_all integer := 0;
	v_n   integer;
	v_old record;
BEGIN
	FOR v_old IN SELECT * FROM (VALUES (60, interval '3 hours'), (600, interval '2 days'),
		(3600, interval '8 days')) AS k (step, age) LOOP
		DELETE FROM pool_samples WHERE step = v_old.step AND at < v_now - v_old.age;
		GET DIAGNOSTICS v_n = ROW_COUNT;
		v_all := v_all + v_n;
		DELETE FROM server_samples WHERE (server_id, step, at) IN (SELECT server_id, step, at FROM server_samples
			WHERE step = v_old.step AND at < v_now - v_old.age LIMIT p_batch FOR UPDATE SKIP LOCKED);
		GET DIAGNOSTICS v_n = ROW_COUNT;
		v_all := v_all + v_n;
	END LOOP;
	RETURN v_all;
END $$;

-- Reading ------------------------------------------------------------------------------------------------

-- The steps of a range: 'hour', 'day' or 'week', up to the last one that has ended or has its sample.
CREATE FUNCTION sample_steps(p_range text, p_now timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (step integer, at timestamptz)
LANGUAGE sql STABLE AS $$
	WITH w AS (SELECT * FROM (VALUES ('hour', 60, 60), ('day', 600, 144), ('week', 3600, 168))
			AS k (range, step, steps) WHERE range = p_range),
	l AS (SELECT w.*, sample_at(w.step, p_now) - w.step * interval '1 second'
			* (NOT EXISTS (SELECT FROM pool_samples p WHERE p.step = w.step AND p.at = sample_at(w.step, p_now)))::integer
			AS last FROM w)
	SELECT l.step, l.last - g * l.step * interval '1 second'
	FROM l CROSS JOIN LATERAL generate_series(l.steps - 1, 0, -1) AS g
$$;

-- Where the time axis of a range is marked: every ten minutes, three hours or day of the hosting's clock,
-- also where it was set forward or back in between.
CREATE FUNCTION sample_ticks(p_range text, p_from timestamptz, p_to timestamptz)
RETURNS TABLE (at timestamptz, local timestamp)
LANGUAGE sql STABLE AS $$
	SELECT DISTINCT ON (x.at) x.at, x.at AT TIME ZONE i.tz
	FROM installation i
	CROSS JOIN (SELECT CASE p_range WHEN 'hour' THEN interval '10 minutes' WHEN 'day' THEN interval '3 hours'
		ELSE interval '1 day' END AS every) AS k
	CROSS JOIN LATERAL generate_series(date_trunc('day', p_from AT TIME ZONE i.tz),
		p_to AT TIME ZONE i.tz + interval '1 hour', k.every) AS g (t)
	CROSS JOIN LATERAL (SELECT g.t AT TIME ZONE i.tz) AS x (at)
	WHERE x.at BETWEEN p_from AND p_to
	ORDER BY x.at
$$;

COMMIT;
