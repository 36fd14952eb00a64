-- Deploy wapool:live to pg
BEGIN;

-- Tells whoever runs this transaction what a page of that user is to hear once it has committed: a message
-- with the SQLSTATE WLIVE (lib/news.c) with the event in it, the user in DETAIL, the type in HINT. It costs no
-- row and no lock, whichever function caused it. Only to who asked for it (wapool.live=on, as lib/db.c
-- does when there is somewhere to publish), and only of users who may have a page open (change `streams`): telling
-- nobody would cost an eighth of a connect. INFO, as that reaches the client whatever client_min_messages says, and no log.
CREATE FUNCTION live_tell(p_user uuid, p_device uuid, p_type text, p_status text, p_at timestamptz, p_more json)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('wapool.live', true) IS DISTINCT FROM 'on' OR p_user IS NULL OR p_device IS NULL THEN
		RETURN;
	ELSIF NOT EXISTS (SELECT FROM stream_ends WHERE user_id = p_user) THEN
		RETURN;
	END IF;
	RAISE INFO USING ERRCODE = 'WLIVE', DETAIL = p_user, HINT = p_type,
		MESSAGE = json_strip_nulls(json_build_object('type', p_type, 'deviceId', p_device, 'status', p_status,
			'final', p_more->'final', 'health', p_more->'health',
			'at', to_char(coalesce(p_at, clock_timestamp()) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
END $$;

-- A device more, less, or under another name. A WHEN clause would be parsed anew by each statement.
CREATE FUNCTION devices_live() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('wapool.live', true) = 'on' THEN
		PERFORM live_tell(coalesce(NEW.user_id, OLD.user_id), coalesce(NEW.id, OLD.id), 'device.updated', NULL, NULL, NULL);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER live AFTER INSERT OR UPDATE OF nome OR DELETE ON devices
FOR EACH ROW EXECUTE FUNCTION devices_live();

COMMIT;
