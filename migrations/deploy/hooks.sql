-- Deploy wapool:hooks to pg
BEGIN;

-- Each session tells its events to an address, signed with its server's secret. Gateways lose that at
-- times, and a secret may be changed: the helper compares what a session was last seen to have with what
-- it should have, and sets it anew where they differ, a few sessions at each look.
ALTER TABLE instances
	ADD COLUMN hook    text,
	ADD COLUMN hook_at timestamptz;
COMMENT ON COLUMN instances.hook IS
	'fingerprint of the webhook that its session had when it was last looked at; NULL: not looked at, or in vain';
COMMENT ON COLUMN instances.hook_at IS 'when that was';

-- The secret before the present one: sessions that have not been told of the change sign with it.
ALTER TABLE waha_servers
	ADD COLUMN webhook_secret_former       text,
	ADD COLUMN webhook_secret_former_until timestamptz;
COMMENT ON COLUMN waha_servers.webhook_secret_former IS
	'the sealed secret before the present one; webhooks signed with it are taken until webhook_secret_former_until';

CREATE FUNCTION waha_servers_keep_former() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.webhook_secret_former := OLD.webhook_secret_sealed;
	NEW.webhook_secret_former_until := clock_timestamp() + interval '1 hour';
	RETURN NEW;
END $$;
CREATE TRIGGER keep_former BEFORE UPDATE OF webhook_secret_sealed ON waha_servers
FOR EACH ROW WHEN (OLD.webhook_secret_sealed <> NEW.webhook_secret_sealed)
EXECUTE FUNCTION waha_servers_keep_former();

-- True if a webhook that was verified with that secret is to be taken now. A mark is the hash of a sealed secret,
-- the present one's or the former one's, with the sealed key beside it: a row of which one part was altered is
-- trusted in none; NULL: it was verified a moment ago with one that stands in clear, and the
-- sealed one is the former one until that is sealed.
CREATE FUNCTION webhook_takes(s waha_servers, p_mark text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_mark IS NULL OR p_mark = md5(s.webhook_secret_sealed || coalesce(s.api_key_sealed, ''))
		OR coalesce(s.webhook_secret, '') = '' AND s.webhook_secret_former_until > statement_timestamp()
			AND p_mark = md5(s.webhook_secret_former || coalesce(s.api_key_sealed, ''))
$$;

-- Sessions of a server whose webhooks are to be looked at, the longest unseen first. p_hook says what they
-- should be; they are looked at after each making, each change of it, each start of the gateway, and
-- once an hour; after a failure again in five minutes. Setting one restarts a session of WAHA: not while
-- somebody may be scanning.
CREATE FUNCTION hooks_due(p_server uuid, p_hook text, p_most integer)
RETURNS TABLE (id uuid, name varchar, generation bigint, hook text)
LANGUAGE sql STABLE AS $$
	SELECT i.id, i.name, i.generation, want.hook
	FROM waha_servers s JOIN instances i ON i.server_id = s.id
	CROSS JOIN LATERAL (SELECT md5(i.generation || '|' || p_hook) AS hook) AS want
	WHERE s.id = p_server AND i.lifecycle IN ('standby', 'assigned') AND i.missing_since IS NULL
		AND (i.work_lease_until IS NULL OR i.work_lease_until < statement_timestamp())
		AND (i.lifecycle = 'standby' OR i.paired_at IS NOT NULL
			OR coalesce(i.pairing_asked_at, i.assigned_at) < statement_timestamp() - interval '5 minutes')
		AND CASE WHEN i.hook_at IS NULL THEN true
			WHEN i.hook IS NULL THEN i.hook_at < statement_timestamp() - interval '5 minutes'
			ELSE i.hook <> want.hook OR i.hook_at < greatest(s.started_at, statement_timestamp() - interval '1 hour') END
	ORDER BY i.hook_at NULLS FIRST, i.id
	LIMIT p_most
$$;

-- What came of it: the session has that webhook; NULL: that could not be seen or done.
CREATE FUNCTION hook_seen(p_instance uuid, p_generation bigint, p_hook text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE instances SET hook = p_hook, hook_at = clock_timestamp()
	WHERE id = p_instance AND generation = p_generation;
	RETURN FOUND;
END $$;

COMMIT;
