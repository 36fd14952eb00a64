-- Deploy wapool:quotas to pg
BEGIN;

-- Hours and days of quotas are the hosting's own: the helper writes its TZ here.
ALTER TABLE installation
	ADD COLUMN tz text NOT NULL DEFAULT 'America/Sao_Paulo',
	ADD COLUMN quotas_at timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN installation.quotas_at IS 'the hour whose beginning the helpers have shown in the counters';
COMMENT ON COLUMN installation.tz IS 'the time zone in which quotas'' hours and days begin; kept by wapool-maintain from TZ';

CREATE FUNCTION installation_tz(p_tz text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM now() AT TIME ZONE p_tz; -- refuses a zone it does not know
	UPDATE installation SET tz = p_tz WHERE tz <> p_tz;
	RETURN FOUND;
END $$;

CREATE DOMAIN quota AS integer CHECK (VALUE >= 0);

-- Seed 003's columns, and the windows that they count. No index has them: a message sent stays HOT.
ALTER TABLE instances
	ADD COLUMN capacidade_hora    quota NOT NULL DEFAULT 20,
	ADD COLUMN capacidade_dia     quota NOT NULL DEFAULT 100,
	ADD COLUMN msgs_enviadas_hora integer NOT NULL DEFAULT 0,
	ADD COLUMN msgs_enviadas_dia  integer NOT NULL DEFAULT 0,
	ADD COLUMN prioridade         integer NOT NULL DEFAULT 1,
	ADD COLUMN ultima_msg_at      timestamptz,
	ADD COLUMN quota_hour         timestamptz,
	ADD COLUMN quota_day          date,
	ADD COLUMN chosen             bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN instances.quota_hour IS 'beginning of the hour that msgs_enviadas_hora counts';
COMMENT ON COLUMN instances.quota_day IS 'the day that msgs_enviadas_dia counts';
COMMENT ON COLUMN instances.chosen IS 'grows over all instances with each choice: the smallest is next in round_robin';
CREATE SEQUENCE chosen_seq;

-- The beginning of the running hour. Not by date_trunc of the local time alone: when clocks go back,
-- one local hour happens twice, and is two hours.
CREATE FUNCTION quota_hour(p_now timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT p_now - (l.t - date_trunc('hour', l.t))
	FROM installation n CROSS JOIN LATERAL (SELECT p_now AT TIME ZONE n.tz AS t) AS l
$$;

CREATE FUNCTION quota_day(p_now timestamptz) RETURNS date
LANGUAGE sql STABLE AS $$
	SELECT (p_now AT TIME ZONE tz)::date FROM installation
$$;

-- When the day after p_day begins.
CREATE FUNCTION quota_day_end(p_day date) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT (p_day + 1)::timestamp AT TIME ZONE tz FROM installation
$$;

-- What counts now of a counter whose window may be over. A window in the future (the clock was set
-- back) is kept: a quota is rather kept too long than given twice.
CREATE FUNCTION used_hour(i instances, p_hour timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN i.quota_hour >= p_hour THEN i.msgs_enviadas_hora ELSE 0 END
$$;

CREATE FUNCTION used_day(i instances, p_day date) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN i.quota_day >= p_day THEN i.msgs_enviadas_dia ELSE 0 END
$$;

-- The counters as seed 003's cron jobs leave them: 0 where the window is over, which is the running one from
-- now on, also if the clock is set back. What is sent does not depend on these: windows roll by the clock.
CREATE FUNCTION quotas_reset_hour() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_hour timestamptz := quota_hour(clock_timestamp());
	v_n    integer;
BEGIN
	UPDATE instances SET msgs_enviadas_hora = 0, quota_hour = v_hour
	WHERE msgs_enviadas_hora > 0 AND (quota_hour < v_hour OR quota_hour IS NULL);
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_n;
END $$;

CREATE FUNCTION quotas_reset_day() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_day date := quota_day(clock_timestamp());
	v_n   integer;
BEGIN
	UPDATE instances SET msgs_enviadas_dia = 0, quota_day = v_day
	WHERE msgs_enviadas_dia > 0 AND (quota_day < v_day OR quota_day IS NULL);
	GET DIAGNOSTICS v_n = ROW_COUNT;
	RETURN v_n;
END $$;

-- Both, once an hour, whoever of the helpers comes first: every instance is read.
CREATE FUNCTION quotas_roll() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	v_hour timestamptz := quota_hour(clock_timestamp());
BEGIN
	IF EXISTS (SELECT FROM installation WHERE quotas_at >= v_hour) THEN
		RETURN 0;
	END IF;
	UPDATE installation SET quotas_at = v_hour WHERE quotas_at < v_hour;
	RETURN CASE WHEN FOUND THEN quotas_reset_hour() + quotas_reset_day() ELSE 0 END;
END $$;

COMMIT;
