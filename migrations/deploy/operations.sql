-- Deploy wapool:operations to pg
BEGIN;

-- A moment as the API writes it.
CREATE FUNCTION rfc3339(p_at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- Long work ----------------------------------------------------------------------------------------------

ALTER TABLE waha_servers ADD COLUMN draining_from integer;
COMMENT ON COLUMN waha_servers.draining_from IS 'how many sessions it had when its draining began: how far that is';

CREATE FUNCTION waha_servers_drain_begins() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.draining_from := CASE WHEN NEW.draining_at IS NOT NULL THEN OLD.sessions_ativas END;
	RETURN NEW;
END $$;
CREATE TRIGGER drain_begins BEFORE UPDATE OF draining_at ON waha_servers
FOR EACH ROW WHEN ((OLD.draining_at IS NULL) <> (NEW.draining_at IS NULL))
EXECUTE FUNCTION waha_servers_drain_begins();

-- What takes longer than a moment, and how far it is:
--   refill, recycle  instances that are being made, or emptied; done: those that were, since the oldest of
--                    these began to wait (an hour at the most, and as far as the last 50,000 events tell)
--   drain            a server's sessions that have left since its draining began
--   sweep            looks at servers that are due or under way; done: the other servers
-- failing: those that failed twice or more. Nothing under way is no row.
CREATE FUNCTION pool_progress() RETURNS TABLE (what text, server_id uuid, done bigint, total bigint, failing bigint,
	since timestamptz)
LANGUAGE sql STABLE AS $$
	SELECT CASE w.lifecycle WHEN 'provisioning' THEN 'refill' ELSE 'recycle' END, NULL::uuid, e.n, e.n + w.n,
		w.failing, w.since
	FROM (SELECT lifecycle, count(*) AS n, count(*) FILTER (WHERE work_attempts >= 2) AS failing,
			min(lifecycle_at) AS since
		FROM instances WHERE lifecycle IN ('provisioning', 'recycling') GROUP BY lifecycle) AS w
	CROSS JOIN LATERAL (SELECT count(*) AS n
		FROM (SELECT * FROM instance_events
			WHERE at >= greatest(w.since, statement_timestamp() - interval '1 hour')
			ORDER BY at DESC LIMIT 50000) AS late
		WHERE late.kind = 'transition' AND late.from_state = w.lifecycle) AS e
	UNION ALL
	(SELECT 'drain', s.id, greatest(s.draining_from - s.sessions_ativas, 0)::bigint,
		greatest(s.draining_from, s.sessions_ativas)::bigint, 0::bigint, s.draining_at
	FROM waha_servers s WHERE s.draining_at IS NOT NULL AND s.sessions_ativas > 0
	ORDER BY s.draining_at LIMIT 100)
	UNION ALL
	SELECT 'sweep', NULL, count(*) - count(*) FILTER (WHERE s.due), count(*),
		count(*) FILTER (WHERE s.due AND s.failures >= 2), min(s.check_next_at) FILTER (WHERE s.due)
	FROM (SELECT failures, check_next_at, (check_next_at <= statement_timestamp()
			OR check_lease_until > statement_timestamp()) AS due
		FROM waha_servers WHERE ativo) AS s
	HAVING count(*) FILTER (WHERE s.due) > 0
$$;

-- At a glance --------------------------------------------------------------------------------------------

-- Servers, those of the platform first: p_most at the most.
CREATE FUNCTION servers_shown(p_most integer) RETURNS json
LANGUAGE sql STABLE AS $$
	WITH held AS (
		SELECT split_part(label, ',', 4)::uuid AS server_id,
			sum(n) FILTER (WHERE label LIKE 'standby,%') AS standby,
			sum(n) FILTER (WHERE label LIKE 'assigned,%,online') AS online
		FROM counters WHERE family = 'instances' GROUP BY 1),
	shown AS (
		SELECT s.*, u.email, coalesce(h.standby, 0) AS standby, coalesce(h.online, 0) AS online,
			a.since AS frozen_at
		FROM waha_servers s LEFT JOIN held h ON h.server_id = s.id
		LEFT JOIN users u ON u.id = s.user_id
		LEFT JOIN alarms a ON a.server_id = s.id AND a.kind = 'sessions'
		ORDER BY s.user_id IS NOT NULL, s.nome, s.id LIMIT p_most)
	SELECT coalesce(json_agg(json_build_object('id', id, 'name', nome, 'kind', kind, 'userId', user_id,
		'email', email, 'health', health, 'reason', health_reason, 'active', ativo, 'draining', draining_at IS NOT NULL,
		'drainingSince', rfc3339(draining_at), 'frozenSince', rfc3339(frozen_at), 'sessions', sessions_ativas,
		'max', max_sessions, 'standby', standby, 'online', online, 'priority', prioridade,
		'latencyMs', CASE WHEN health = 'up' AND failures = 0 THEN latency_ms END,
		'lastLookAt', rfc3339(checked_at), 'nextLookAt', CASE WHEN ativo THEN rfc3339(check_next_at) END,
		'upSince', rfc3339(up_since), 'version', version)
		ORDER BY user_id IS NOT NULL, nome, id), '[]')
	FROM shown
$$;

-- Everything that an operator's first look is for, but for the settings.
CREATE FUNCTION pool_overview(p_most integer) RETURNS json
LANGUAGE sql STABLE AS $$
	SELECT json_build_object(
		'free', p.free, 'standby', p.standby, 'assigned', p.assigned, 'online', p.online,
		'provisioning', p.provisioning, 'recycling', p.recycling, 'retired', p.retired, 'ill', p.ill,
		'frozen', (SELECT json_build_object('why', f.why, 'since', rfc3339(f.since), 'reason', f.reason)
			FROM (SELECT 'maintenance' AS why, quiesced_at AS since, NULL AS reason FROM installation
				WHERE quiesced_at IS NOT NULL
				UNION ALL SELECT kind, since, reason FROM alarms WHERE kind = 'network') AS f
			ORDER BY f.since LIMIT 1),
		'alarms', (SELECT coalesce(json_agg(json_build_object('kind', a.kind, 'serverId', a.server_id,
				'server', a.nome, 'userId', a.user_id, 'email', u.email, 'since', rfc3339(a.since),
				'reason', a.reason) ORDER BY a.kind <> 'network', a.user_id IS NOT NULL, a.since), '[]')
			FROM (SELECT w.*, s.nome, s.user_id FROM alarms w LEFT JOIN waha_servers s ON s.id = w.server_id
				ORDER BY s.user_id IS NOT NULL, w.since LIMIT p_most) AS a
			LEFT JOIN users u ON u.id = a.user_id),
		'progress', (SELECT coalesce(json_agg(json_build_object('what', g.what, 'serverId', g.server_id,
				'server', s.nome, 'done', g.done, 'total', g.total, 'failing', g.failing,
				'since', rfc3339(g.since)) ORDER BY g.since), '[]')
			FROM pool_progress() AS g LEFT JOIN waha_servers s ON s.id = g.server_id),
		'servers', servers_shown(p_most),
		'serverCount', (SELECT count(*) FROM waha_servers),
		'events', json_build_object(
			'pending', (SELECT count(*) FROM (SELECT FROM deliveries WHERE state = 'pending' LIMIT 100000) AS d),
			'parked', (SELECT count(*) FROM (SELECT FROM deliveries WHERE state = 'parked' LIMIT 100000) AS d),
			'disabledWebhooks', (SELECT count(*) FROM event_subscriptions WHERE disabled_at IS NOT NULL)),
		'helper', (SELECT json_build_object('lastRunAt', rfc3339(max(h.at)),
				'hosts', (SELECT count(DISTINCT host) FROM helper_runs
					WHERE at > statement_timestamp() - interval '5 minutes'),
				'tasks', coalesce(json_object_agg(h.task, rfc3339(h.at)) FILTER (WHERE h.task IS NOT NULL), '{}'))
			FROM (SELECT task, max(at) AS at FROM helper_runs GROUP BY task) AS h),
		'timeZone', (SELECT tz FROM installation),
		'checkedAt', rfc3339(clock_timestamp()))
	FROM pool_now AS p
$$;

-- Events that did not arrive ----------------------------------------------------------------------------

-- Of all subscriptions, the newest first.
CREATE INDEX deliveries_parked_all ON deliveries (seq DESC, subscription_id) WHERE state = 'parked';

-- The host of a URL: what else stands there may be a secret of its owner.
CREATE FUNCTION url_host(p_url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT substring(p_url FROM '^[A-Za-z]+://(?:[^/?#@]*@)?(\[[^]/?#]*\](?::[0-9]+)?|[^/?#]*)')
$$;

-- Events of all users that are pending or parked, the newest first; NULL does not filter. Whose they are and
-- where they should go, never what they say.
CREATE FUNCTION deliveries_shown(p_state text, p_user uuid, p_device uuid, p_subscription uuid, p_type text,
	p_before bigint, p_most integer) RETURNS TABLE (seq bigint, shown json)
LANGUAGE sql STABLE AS $$
	SELECT d.seq, json_build_object('id', 'evt_' || replace(o.id::text, '-', ''), 'type', o.type, 'state', d.state,
		'userId', o.user_id, 'email', u.email, 'deviceId', o.device_id, 'webhookId', s.id, 'host', url_host(s.url),
		'disabled', s.disabled_at IS NOT NULL, 'expired', o.payload IS NULL, 'attempts', d.attempts,
		'createdAt', rfc3339(o.created_at), 'triedAt', rfc3339(d.tried_at), 'error', d.last_error)
	FROM deliveries d
	JOIN outbox o ON o.seq = d.seq
	JOIN event_subscriptions s ON s.id = d.subscription_id
	LEFT JOIN users u ON u.id = o.user_id
	WHERE d.state = p_state AND (p_user IS NULL OR s.user_id = p_user)
		AND (p_device IS NULL OR d.device_id = p_device)
		AND (p_subscription IS NULL OR d.subscription_id = p_subscription)
		AND (p_type IS NULL OR o.type = p_type) AND (p_before IS NULL OR d.seq < p_before)
	ORDER BY d.seq DESC
	LIMIT p_most
$$;

-- Sends what is parked again, of all subscriptions that the filter leaves, p_batch at the most; those that
-- are disabled are left alone: it would be parked again at once. Returns how many, how many of what the
-- filter means is left (counted up to p_batch), and how many of that waits for its webhook to be enabled.
CREATE FUNCTION parked_replay(p_user uuid, p_device uuid, p_subscription uuid, p_type text, p_batch integer,
	OUT replayed integer, OUT remaining integer, OUT disabled integer)
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	replayed := 0;
	FOR v_id IN SELECT s.id FROM event_subscriptions s
		WHERE s.disabled_at IS NULL AND (p_user IS NULL OR s.user_id = p_user)
			AND (p_subscription IS NULL OR s.id = p_subscription)
			AND EXISTS (SELECT FROM deliveries d WHERE d.subscription_id = s.id AND d.state = 'parked')
		ORDER BY s.id
	LOOP
		replayed := replayed + deliveries_replay(v_id, NULL, p_batch - replayed, p_device, p_type);
		EXIT WHEN replayed >= p_batch;
	END LOOP;
	SELECT count(*) FILTER (WHERE NOT l.off), count(*) FILTER (WHERE l.off) INTO remaining, disabled
	FROM (SELECT s.disabled_at IS NOT NULL AS off
		FROM deliveries d JOIN event_subscriptions s ON s.id = d.subscription_id JOIN outbox o ON o.seq = d.seq
		WHERE d.state = 'parked' AND o.payload IS NOT NULL AND (p_user IS NULL OR s.user_id = p_user)
			AND (p_device IS NULL OR d.device_id = p_device)
			AND (p_subscription IS NULL OR s.id = p_subscription) AND (p_type IS NULL OR o.type = p_type)
		LIMIT p_batch) AS l;
END $$;

-- One event, by its id: 'replayed', 'disabled' (its webhook is), 'expired' (its body is past
-- MESSAGE_RETENTION), or 'none': it is not parked.
CREATE FUNCTION parked_replay_one(p_id uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	v_row record;
BEGIN
	SELECT s.id, s.disabled_at, o.payload IS NULL AS expired INTO v_row
	FROM outbox o JOIN deliveries d ON d.seq = o.seq AND d.state = 'parked'
	JOIN event_subscriptions s ON s.id = d.subscription_id
	WHERE o.id = p_id LIMIT 1;
	IF NOT FOUND THEN
		RETURN 'none';
	ELSIF v_row.disabled_at IS NOT NULL THEN
		RETURN 'disabled';
	ELSIF v_row.expired THEN
		RETURN 'expired';
	END IF;
	RETURN CASE WHEN deliveries_replay(v_row.id, p_id, 1) > 0 THEN 'replayed' ELSE 'none' END;
END $$;

COMMIT;
