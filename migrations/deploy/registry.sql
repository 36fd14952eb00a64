-- Deploy wapool:registry to pg
BEGIN;

-- Servers as their owners keep them, over the API. A revision counts what a client may write; the
-- second of two changes made from the same one is refused.
ALTER TABLE waha_servers
	ADD COLUMN revision    bigint NOT NULL DEFAULT 1,
	ADD COLUMN removing_at timestamptz;
COMMENT ON COLUMN waha_servers.revision IS 'grows with each change that a client, or a hand, makes';
COMMENT ON COLUMN waha_servers.removing_at IS 'to be deleted when the last session has left';
CREATE INDEX waha_servers_removing ON waha_servers (removing_at) WHERE removing_at IS NOT NULL;

-- A gateway that is another one, or is asked with another key, has to show anew what it is. Sealing
-- moves a key and changes nothing.
CREATE FUNCTION waha_servers_revise() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	v_new_key boolean := nullif(NEW.api_key, '') IS NOT NULL AND NEW.api_key IS DISTINCT FROM OLD.api_key;
BEGIN
	IF NEW.kind <> OLD.kind AND OLD.sessions_ativas > 0 THEN
		RAISE EXCEPTION 'server % has sessions: its kind cannot change', OLD.nome
			USING ERRCODE = 'restrict_violation';
	END IF;
	IF NEW.revision = OLD.revision AND (v_new_key
		OR (NEW.user_id, NEW.nome, NEW.api_url, NEW.descricao, NEW.ativo, NEW.webhook_url, NEW.timeout,
			NEW.retry_attempts, NEW.rate_limit, NEW.prioridade, NEW.max_sessions, NEW.kind)
		IS DISTINCT FROM (OLD.user_id, OLD.nome, OLD.api_url, OLD.descricao, OLD.ativo, OLD.webhook_url, OLD.timeout,
			OLD.retry_attempts, OLD.rate_limit, OLD.prioridade, OLD.max_sessions, OLD.kind)) THEN
		NEW.revision := OLD.revision + 1;
	END IF;
	IF v_new_key OR (NEW.api_url, NEW.kind) IS DISTINCT FROM (OLD.api_url, OLD.kind) THEN
		NEW.health := 'unknown';
		NEW.health_reason := NULL;
		NEW.failures := 0;
		NEW.check_next_at := now();
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER revise BEFORE UPDATE OF user_id, nome, api_url, api_key, descricao, ativo, webhook_url, timeout,
	retry_attempts, rate_limit, prioridade, max_sessions, kind ON waha_servers
FOR EACH ROW EXECUTE FUNCTION waha_servers_revise();

-- Deletes events of a server's, p_most of them; true if none is left. A server may have millions, and each that its
-- instances' deletion would have to touch costs as much again.
CREATE FUNCTION registry_empty(p_server uuid, p_most integer DEFAULT 10000) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_n integer;
BEGIN
	DELETE FROM webhook_events
	WHERE id = ANY (ARRAY(SELECT id FROM webhook_events WHERE server_id = p_server LIMIT p_most));
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_n < p_most;
END $$;

-- Deletes a server without live sessions, with what is left of former ones. The row's lock is the one
-- that a new session's count takes, so none can slip in. What has more events than one call deletes is drained,
-- and goes with registry_sweep. Says what became of it.
CREATE FUNCTION registry_remove(p_id uuid, p_user uuid, p_admin boolean, p_revision bigint, p_drain boolean)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_revision bigint;
BEGIN
	IF EXISTS (SELECT FROM waha_servers WHERE id = p_id AND (p_admin OR user_id = p_user)) THEN
		PERFORM FROM waha_servers ORDER BY id FOR NO KEY UPDATE; -- the order of all who lock several
	END IF;
	SELECT revision INTO v_revision FROM waha_servers
	WHERE id = p_id AND (p_admin OR user_id = p_user) FOR UPDATE;
	IF NOT FOUND THEN
		RETURN 'absent';
	ELSIF p_revision NOT IN (0, v_revision) THEN
		RETURN 'stale';
	ELSIF NOT EXISTS (SELECT FROM instances WHERE server_id = p_id AND lifecycle <> 'retired') THEN
		IF registry_empty(p_id) THEN
			DELETE FROM instances WHERE server_id = p_id;
			DELETE FROM waha_servers WHERE id = p_id;
			RETURN 'removed';
		END IF;
	ELSIF NOT p_drain THEN
		RETURN 'busy';
	END IF;
	UPDATE waha_servers SET removing_at = coalesce(removing_at, now()) WHERE id = p_id;
	PERFORM server_drain(p_id);
	RETURN 'draining';
END $$;

-- Deletes what was to go and is empty now, and of the first that has too many events for that some of them: others
-- do not wait for it. How many are gone.
CREATE FUNCTION registry_sweep() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
	v_n  integer := 0;
BEGIN
	FOR v_id IN
		SELECT s.id FROM waha_servers s
		WHERE s.removing_at IS NOT NULL AND s.sessions_ativas = 0
		ORDER BY EXISTS (SELECT FROM webhook_events e WHERE e.server_id = s.id OFFSET 10000), s.removing_at
		LIMIT 100
	LOOP
		EXIT WHEN registry_remove(v_id, NULL, true, 0, true) <> 'removed';
		v_n := v_n + 1;
	END LOOP;
	RETURN v_n;
END $$;

COMMIT;
