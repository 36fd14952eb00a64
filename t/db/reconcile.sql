-- server_reconcile: one look at a gateway, its list of sessions against the table.
BEGIN;
SELECT no_plan();

-- A look at server s: its sessions as {name: status}, asked p_age ago, of a gateway that started p_up
-- ago. Grace 5 minutes, absence 2 minutes.
CREATE FUNCTION pg_temp.look(p_sessions json, p_age interval DEFAULT '0', p_up interval DEFAULT '1 day')
RETURNS text LANGUAGE sql AS $$
	SELECT (r.known, r.missing, r.changed, r.recycled)::text
	FROM server_reconcile(server('s'), '2026.2.1', clock_timestamp() - p_up, '60 seconds', p_age, '5 minutes',
		'2 minutes', (SELECT json_agg(json_build_object('n', key, 'w', value)) FROM json_each_text(p_sessions))) r $$;
-- Time passes for what is missing.
CREATE FUNCTION pg_temp.later(p_by interval) RETURNS void LANGUAGE sql AS $$
	UPDATE instances SET missing_since = missing_since - p_by, status_seen_at = status_seen_at - p_by,
		lifecycle_at = lifecycle_at - p_by, assigned_at = assigned_at - p_by $$;

-- all as it should be -----------------------------------------------------------------------------------

SELECT make('free', 'standby');
SELECT make('ana', 'assigned', 'ana');
SELECT make('making', 'provisioning');
SELECT is(pg_temp.look('{"free": "STOPPED", "ana": "STOPPED", "making": "STARTING", "stranger": "WORKING"}'), '(2,0,0,0)',
	'two are known, none is missing, nothing changed; what is being made and what is not ours are no concern');
SELECT is((SELECT (health, failures, version, health_reason)::text FROM waha_servers WHERE nome = 's'), '(up,0,2026.2.1,)',
	'the server is up');
SELECT ok((SELECT checked_at IS NOT NULL AND check_lease_until IS NULL
	AND check_next_at BETWEEN clock_timestamp() + interval '53 seconds' AND clock_timestamp() + interval '67 seconds'
	FROM waha_servers WHERE nome = 's'), 'the next look is in a minute, more or less');

-- the level of assigned ones -------------------------------------------------------------------------------

SELECT is((SELECT changed FROM server_reconcile(server('s'), 'v', now() - interval '1 day', '60 s', '0', '5 min', '2 min',
	'[{"n": "free", "w": "STOPPED"}, {"n": "ana", "w": "WORKING", "p": "5511999999999@c.us", "f": "Ana"}]')), 1, 'one changed');
SELECT is((SELECT (status, phone_number, profile_name, paired_at IS NOT NULL)::text FROM instance('ana')),
	'(WORKING,5511999999999@c.us,Ana,t)', 'the phone that connected while no webhook came is known now');
SELECT is(pg_temp.look('{"free": "STOPPED", "ana": "WORKING"}'), '(2,0,0,0)', 'the same again changes nothing');
SELECT is((instance('ana')).phone_number, '5511999999999@c.us', 'nor forgets it');
SELECT is(pg_temp.look('{"free": "STOPPED", "ana": ""}'), '(2,0,0,0)', 'it is there, and its state is not told: it stays what it was');
SELECT is((instance('ana')).status, 'WORKING', 'connected');
UPDATE instances SET status_seen_at = clock_timestamp() - interval '3 seconds',
	assigned_at = clock_timestamp() - interval '1 hour' WHERE name = 'ana';
SELECT is(pg_temp.look('{"free": "STOPPED", "ana": "FAILED"}', '10 seconds'), '(2,0,0,0)',
	'a list asked for 10 s ago knows less than an event of 3 s ago');
SELECT is(pg_temp.look('{"free": "STOPPED", "ana": "FAILED"}', '1 second'), '(2,0,1,0)', 'a newer one knows more');
SELECT pg_temp.look('{"free": "STOPPED", "ana": "WORKING"}');
SELECT make('bea', 'assigned', 'bea');
SELECT is(pg_temp.look('{"free": "STOPPED", "ana": "WORKING", "bea": "WORKING"}', '1 minute'), '(3,0,0,0)',
	'what a list says of before the assignment is not the owner''s');
SELECT ok((instance('bea')).paired_at IS NULL, 'bea is not taken for paired');
SELECT pg_temp.look('{"free": "STOPPED", "ana": "WORKING", "bea": "SCAN_QR_CODE"}');

-- standing by means stopped and empty ------------------------------------------------------------------------

SELECT make('runs', 'standby');
SELECT make('has-phone', 'standby');
SELECT make('just-now', 'standby');
UPDATE instances SET lifecycle_at = clock_timestamp() - interval '1 minute' WHERE name IN ('runs', 'has-phone');
SELECT is((SELECT (recycled, missing)::text FROM server_reconcile(server('s'), 'v', now() - interval '1 day', '60 s', '30 s', '5 min',
	'2 min', '[{"n": "free", "w": "STOPPED"}, {"n": "runs", "w": "SCAN_QR_CODE"}, {"n": "just-now", "w": "WORKING"},
	{"n": "has-phone", "w": "STOPPED", "p": "5511@c.us"}, {"n": "ana", "w": "WORKING"}, {"n": "bea", "w": "SCAN_QR_CODE"}]')),
	'(2,0)', 'what runs or has a phone while standing by is emptied');
SELECT is((lifecycle('runs'), lifecycle('has-phone'), lifecycle('just-now'), lifecycle('free'))::text,
	'(recycling,recycling,standby,standby)', 'not what the list is too old to judge');
SELECT is((SELECT reason FROM last_event('runs')), 'was not stopped and empty while standing by', 'the trail tells why');
UPDATE instances SET lifecycle = 'retired' WHERE name = 'just-now';
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name IN ('runs', 'has-phone');

-- missing ----------------------------------------------------------------------------------------------------

SELECT make('stays-' || n, 'assigned', 'w' || n) FROM generate_series(1, 6) n;
CREATE FUNCTION pg_temp.list_without(p_missing text[]) RETURNS json LANGUAGE sql AS $$
	SELECT json_object_agg(name, CASE WHEN paired_at IS NOT NULL THEN 'WORKING' WHEN lifecycle = 'standby' THEN 'STOPPED'
		ELSE 'SCAN_QR_CODE' END)
	FROM instances WHERE server_id = server('s') AND lifecycle IN ('standby', 'assigned') AND name <> ALL (p_missing) $$;
SELECT pg_temp.later('1 hour');
SELECT is(pg_temp.look(pg_temp.list_without('{free,ana,bea}')), '(11,3,6,0)', 'three are missing: marked, not given up');
SELECT is((SELECT array_agg(name::text ORDER BY name)::text FROM instances WHERE missing_since IS NOT NULL), '{ana,bea,free}', 'these');
SELECT is(pg_temp.look(pg_temp.list_without('{free,ana,bea}')), '(11,3,0,0)', 'still missing, still too early');
SELECT pg_temp.later('1 minute');
SELECT is(pg_temp.look(pg_temp.list_without('{ana,bea}')), '(11,2,0,0)', 'one is back');
SELECT ok((instance('free')).missing_since IS NULL, 'and forgiven');
SELECT pg_temp.later('1 minute');
SELECT is(pg_temp.look(pg_temp.list_without('{free,ana,bea}')), '(11,3,0,1)', 'missing for over two minutes and never paired: given up');
SELECT is((lifecycle('bea'), lifecycle('ana'), lifecycle('free'))::text, '(recycling,assigned,standby)',
	'who is paired is kept (his session may come back), who is missing anew too');
SELECT is((SELECT reason FROM last_event('bea')), 'the gateway lost its session', 'the trail tells why');
SELECT pg_temp.later('3 minutes');
SELECT is(pg_temp.look(pg_temp.list_without('{free,ana}')), '(10,2,0,1)', 'a missing one that stood by is made anew');
SELECT is(lifecycle('free'), 'recycling', 'it is being made');
SELECT make('of-admin', 'assigned', 'adm', 's', 'admin');
SELECT pg_temp.later('1 hour');
SELECT pg_temp.look(pg_temp.list_without('{ana,of-admin}'));
SELECT pg_temp.later('1 hour');
SELECT pg_temp.look(pg_temp.list_without('{ana,of-admin}'));
SELECT is(lifecycle('of-admin'), 'assigned', 'an admin''s own is his to judge');

-- a gateway that has just started --------------------------------------------------------------------------

SELECT pg_temp.look(pg_temp.list_without('{}'));
SELECT pg_temp.look(pg_temp.list_without('{runs}'));
SELECT pg_temp.later('1 hour');
SELECT pg_temp.look(pg_temp.list_without('{runs}'), '0', '4 minutes');
SELECT is(lifecycle('runs'), 'standby', 'within the grace after a start absence means nothing');
SELECT pg_temp.look(pg_temp.list_without('{runs}'), '0', '6 minutes');
SELECT is(lifecycle('runs'), 'recycling', 'after it, it does');
SELECT is((SELECT r.restarted FROM server_reconcile(server('s'), 'v', t, '60 s', '0', '5 min', '2 min', '[]') r), want, what)
FROM (VALUES (1, '2026-01-01 00:00Z'::timestamptz, true, 'another start than before is a restart'),
	(2, '2026-01-01 00:00Z', false, 'the same start is none'),
	(3, '2026-01-02 00:00Z', true, 'again')) AS t (n, t, want, what) ORDER BY n;

-- most are missing: that is the server's fault ---------------------------------------------------------------

SELECT pg_temp.look(pg_temp.list_without('{}'));
SELECT pg_temp.look('{}');
SELECT pg_temp.later('1 hour');
CREATE TEMPORARY TABLE owned AS SELECT id FROM instances WHERE lifecycle = 'assigned';
SELECT matches(pg_temp.look('{}'), '^\([0-9]+,[0-9]+,0,[1-9][0-9]*\)$', 'when most sessions are missing those that stood by are made anew');
SELECT is((SELECT count(*) FROM owned JOIN instances USING (id) WHERE lifecycle <> 'assigned'), 0::bigint, 'but nobody is given up');
SELECT is((SELECT health FROM waha_servers WHERE nome = 's'), 'up', 'the server does answer');
SELECT matches((SELECT health_reason FROM waha_servers WHERE nome = 's'), '^[0-9]+ of [0-9]+ sessions are missing$', 'and it says what is wrong');
SELECT is((SELECT count(*) FROM instances WHERE lifecycle IN ('standby', 'assigned') AND missing_since IS NULL), 0::bigint, 'all are marked');
SELECT pg_temp.look(pg_temp.list_without('{}'));
SELECT is((SELECT count(*) FROM instances WHERE lifecycle IN ('standby', 'assigned') AND missing_since IS NOT NULL), 0::bigint, 'when they are back all is well');
SELECT is((SELECT health_reason FROM waha_servers WHERE nome = 's'), NULL, 'and said so');

-- another server's instances are not touched ------------------------------------------------------------------

SELECT make('elsewhere', 'standby', 'x', 'other');
SELECT pg_temp.later('1 hour');
SELECT pg_temp.look(pg_temp.list_without('{}'));
SELECT ok((instance('elsewhere')).missing_since IS NULL, 'a session of another server is not missing here');

-- what a gateway says is never too long ---------------------------------------------------------------------

SELECT lives_ok($$SELECT server_reconcile(server('s'), 'v', NULL, '60 s', '0', '5 min', '2 min',
	json_build_array(json_build_object('n', 'stays-1', 'w', 'WORKING', 'p', repeat('5', 300), 'f', repeat('é', 500)),
		json_build_object('n', repeat('x', 500), 'w', repeat('y', 100))))$$, 'a far too long phone or name');
SELECT is((SELECT (length(phone_number), length(profile_name))::text FROM instance('stays-1')), '(64,255)', 'is cut');
SELECT lives_ok($$SELECT instance_observe(id_of('stays-2'), 0, '0', 'WORKING', repeat('5', 300), repeat('é', 500))$$, 'also in a single answer');

-- looks are leased, failures counted ------------------------------------------------------------------------

SELECT server('other');
UPDATE waha_servers SET check_next_at = clock_timestamp() + interval '1 hour';
SELECT is((SELECT count(*) FROM server_check_claim('90 seconds')), 0::bigint, 'no server is due');
UPDATE waha_servers SET check_next_at = clock_timestamp() - interval '1 second' WHERE nome = 's';
UPDATE waha_servers SET check_next_at = clock_timestamp() - interval '2 seconds' WHERE nome = 'other';
SELECT is((SELECT server_check_claim('90 seconds')), server('other'), 'who is due longest comes first');
SELECT is((SELECT server_check_claim('90 seconds')), server('s'), 'then the next');
SELECT is((SELECT count(*) FROM server_check_claim('90 seconds')), 0::bigint, 'each once');
UPDATE waha_servers SET check_lease_until = clock_timestamp() - interval '1 second' WHERE nome = 's';
SELECT is((SELECT server_check_claim('90 seconds')), server('s'), 'until the lease ends');
UPDATE waha_servers SET ativo = false, check_lease_until = NULL WHERE nome = 's';
SELECT is((SELECT count(*) FROM server_check_claim('90 seconds')), 0::bigint, 'one that is off is not looked at');

CREATE FUNCTION pg_temp.next_look() RETURNS float8 LANGUAGE sql AS $$
	SELECT extract(epoch FROM check_next_at - clock_timestamp())::float8 FROM waha_servers WHERE nome = 'other' $$;
SELECT is((server_failed(server('other'), 'x'), server_failed(server('other'), 'x'))::text, '(up,up)', 'two failures are no verdict');
SELECT ok(pg_temp.next_look() BETWEEN 0 AND 2.5, 'looks follow at once');
SELECT is(server_failed(server('other'), 'connection refused'), 'down', 'the third makes it down');
SELECT is((SELECT (health_reason, failures, check_lease_until)::text FROM waha_servers WHERE nome = 'other'), '("connection refused",3,)', 'with the cause');
SELECT is(pg_temp.next_look() > 20, true, 'looks become rarer');
SELECT server_failed(server('other'), 'x') FROM generate_series(1, 40);
SELECT ok(pg_temp.next_look() BETWEEN 200 AND 361, 'but never rarer than every five minutes');
SELECT server_reconcile(server('other'), 'v', NULL, '60 s', '0', '5 min', '2 min', '[]');
SELECT is((SELECT (health, failures, health_reason)::text FROM waha_servers WHERE nome = 'other'), '(up,0,)', 'one success makes it up again');

SELECT * FROM finish();
ROLLBACK;
