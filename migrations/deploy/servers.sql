-- Deploy wapool:servers to pg
BEGIN;

-- Gateway servers. The first 17 columns are seed 001's, in its order, so that inserts
-- by position work. user_id NULL is a server of the platform, which serves everybody.
-- api_key and webhook_secret written in clear are used at once and sealed (moved to the
-- *_sealed columns) by the next pass of wapool-maintain.
CREATE TABLE waha_servers (
	id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id         uuid REFERENCES users (id) ON DELETE CASCADE,
	nome            varchar(255) NOT NULL CHECK (nome <> ''),
	api_url         text NOT NULL CHECK (api_url ~* '^https?://[^[:space:]]+$'),
	api_key         text,
	descricao       text,
	ativo           boolean NOT NULL DEFAULT true,
	webhook_url     text,
	webhook_secret  text,
	timeout         integer NOT NULL DEFAULT 30 CHECK (timeout BETWEEN 1 AND 300),
	retry_attempts  integer NOT NULL DEFAULT 3 CHECK (retry_attempts BETWEEN 0 AND 20),
	rate_limit      integer NOT NULL DEFAULT 100 CHECK (rate_limit >= 0),
	prioridade      integer NOT NULL DEFAULT 0 CHECK (prioridade BETWEEN 0 AND 10),
	max_sessions    integer NOT NULL DEFAULT 50 CHECK (max_sessions >= 0),
	sessions_ativas integer NOT NULL DEFAULT 0,
	created_at      timestamp NOT NULL DEFAULT now(),
	updated_at      timestamp NOT NULL DEFAULT now(),
	-- ours
	kind                  text NOT NULL DEFAULT 'waha' CHECK (kind IN ('waha', 'evolution', 'gowa')),
	api_key_sealed        text,
	webhook_secret_sealed text,
	health                text NOT NULL DEFAULT 'unknown' CHECK (health IN ('unknown', 'up', 'down')),
	health_reason         text,
	failures              integer NOT NULL DEFAULT 0,
	checked_at            timestamptz,
	check_next_at         timestamptz NOT NULL DEFAULT now(),
	check_lease_until     timestamptz,
	version               text,
	started_at            timestamptz,
	draining_at           timestamptz,
	up_since              timestamptz,
	used_at               timestamptz,
	CONSTRAINT waha_servers_user_id_api_url_key UNIQUE NULLS NOT DISTINCT (user_id, api_url)
) WITH (fillfactor = 70);
CREATE INDEX waha_servers_user_id_idx ON waha_servers (user_id);
CREATE INDEX waha_servers_ativo_idx ON waha_servers (ativo);
CREATE INDEX waha_servers_prioridade_idx ON waha_servers (prioridade);
-- What every helper asks for again and again: looks that are due; keys written in clear, secrets not made yet.
CREATE INDEX waha_servers_due ON waha_servers (check_next_at) WHERE ativo;
CREATE INDEX waha_servers_unsealed ON waha_servers (id)
	WHERE nullif(api_key, '') IS NOT NULL OR nullif(webhook_secret, '') IS NOT NULL OR webhook_secret_sealed IS NULL;
COMMENT ON COLUMN waha_servers.created_at IS
	'without a time zone, as the table that this one continues has it; nothing here decides by it';
COMMENT ON COLUMN waha_servers.started_at IS
	'when the gateway says it started; a change is a restart, after which absence of sessions means nothing for a while';
COMMENT ON COLUMN waha_servers.checked_at IS 'the last look at it that succeeded';
COMMENT ON COLUMN waha_servers.draining_at IS
	'since when it gets no new work; with no session left it is drained (server_drain, change `balance`)';
COMMENT ON COLUMN waha_servers.up_since IS 'when it came back after it was down: new work comes to it slowly at first';
COMMENT ON COLUMN waha_servers.used_at IS
	'the last time it was given work, to a tenth of a second: of equals, the one that has waited longest is next';

-- Whether a server of that owner is one that is asked for: p_own true: of the users' own, false: of the
-- platform's, NULL: of all. The helper's threads for the one never do the other: a user whose servers answer
-- slowly, and well, keeps nobody else waiting.
CREATE FUNCTION is_of(p_user uuid, p_own boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT p_own IS NULL OR (p_user IS NOT NULL) = p_own $$;

-- One that comes back after it was down starts slowly (see servers_for).
CREATE FUNCTION waha_servers_came_back() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.up_since := clock_timestamp();
	RETURN NEW;
END $$;
CREATE TRIGGER came_back BEFORE UPDATE OF health ON waha_servers
FOR EACH ROW WHEN (OLD.health = 'down' AND NEW.health = 'up')
EXECUTE FUNCTION waha_servers_came_back();

-- sessions_ativas is the database's own count: it follows the instances' rows (see
-- change `instances`). A statement that writes it by hand, as seed 001 does after
-- inserting a session, finds it already true and changes nothing.
CREATE FUNCTION waha_servers_keep_count() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		NEW.sessions_ativas := OLD.sessions_ativas;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER keep_count BEFORE UPDATE OF sessions_ativas ON waha_servers
FOR EACH ROW EXECUTE FUNCTION waha_servers_keep_count();

CREATE FUNCTION waha_servers_start_count() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.sessions_ativas := 0;
	RETURN NEW;
END $$;
CREATE TRIGGER start_count BEFORE INSERT ON waha_servers
FOR EACH ROW EXECUTE FUNCTION waha_servers_start_count();

COMMIT;
