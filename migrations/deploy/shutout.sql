-- Deploy wapool:shutout to pg
BEGIN;

-- Who is shut out hears no more of what he had connected, which stays: his webhooks, perhaps planted by whoever
-- had his token, are disabled with him, and enabled with him. What happens meanwhile is parked.
CREATE FUNCTION users_webhooks() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	v_why CONSTANT text := 'the account is disabled';
BEGIN
	IF NEW.disabled_at IS NOT NULL THEN
		UPDATE event_subscriptions SET disabled_at = clock_timestamp(), disabled_reason = v_why
		WHERE user_id = NEW.id AND disabled_at IS NULL;
	ELSE
		UPDATE event_subscriptions SET disabled_at = NULL, disabled_reason = NULL
		WHERE user_id = NEW.id AND disabled_reason = v_why;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER webhooks_shut AFTER UPDATE OF disabled_at ON users
FOR EACH ROW WHEN ((NEW.disabled_at IS NULL) <> (OLD.disabled_at IS NULL)) EXECUTE FUNCTION users_webhooks();

COMMIT;
