-- What operators see at a glance, and what they do with events that did not arrive.
BEGIN;
SELECT no_plan();

-- Long work -----------------------------------------------------------------------------------------------

SELECT make('free-1', 'standby');
UPDATE waha_servers SET check_next_at = now() + interval '1 hour';
SELECT is_empty('SELECT FROM pool_progress()', 'nothing is under way');

SELECT make_many('ordered', 3, 'provisioning');
UPDATE instances SET lifecycle_at = lifecycle_at - interval '1 minute', work_attempts = 2 WHERE name = 'ordered-1';
UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name = 'ordered-3';
SELECT is((SELECT (what, server_id, done, total, failing)::text FROM pool_progress()), '(refill,,2,4,1)',
	'two are being made, one of which fails; two were since the oldest was ordered');
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle = 'provisioning';
SELECT make_many('given-back', 2, 'recycling');
SELECT is((SELECT (what, total - done, failing)::text FROM pool_progress()), '(recycle,2,0)', 'two are being emptied');
UPDATE instances SET lifecycle = 'retired' WHERE lifecycle = 'recycling';

SELECT make_many('held', 4, 'assigned', 't');
UPDATE waha_servers SET check_next_at = now() + interval '1 hour';
SELECT server_drain(server('t'));
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'held-1';
UPDATE instances SET lifecycle = 'retired' WHERE name = 'held-1';
SELECT is((SELECT (what, server_id, done, total)::text FROM pool_progress()), format('(drain,%s,1,4)', server('t')),
	'one of the four that it had has left a server that is drained');
SELECT server_drain(server('t'));
SELECT is((SELECT draining_from FROM waha_servers WHERE id = server('t')), 4, 'a second order to drain begins nothing anew');
SELECT server_drain(server('t'), false);
SELECT is((SELECT draining_from FROM waha_servers WHERE id = server('t')), NULL, 'back in service');

UPDATE waha_servers SET check_next_at = now() - interval '1 second' WHERE id = server('t');
SELECT is((SELECT (what, done, total)::text FROM pool_progress()), '(sweep,1,2)', 'one of two servers is due for a look');
UPDATE waha_servers SET check_next_at = now() + interval '1 hour';

-- At a glance ---------------------------------------------------------------------------------------------

SELECT is((SELECT array_agg(k ORDER BY k) FROM json_object_keys(pool_overview(500)) k),
	ARRAY['alarms', 'assigned', 'checkedAt', 'events', 'free', 'frozen', 'helper', 'ill', 'online', 'progress',
		'provisioning', 'recycling', 'retired', 'serverCount', 'servers', 'standby', 'timeZone'], 'what is in it');
SELECT is((SELECT (o->>'free', o->>'assigned', o->'frozen' #>> '{}', o->>'alarms', o->'helper'->>'tasks')::text
	FROM pool_overview(500) o), '(2,3,,[],{})', 'a quiet day');
SELECT is((SELECT string_agg(concat_ws(' ', x->>'name', x->>'sessions', x->>'standby', x->>'online', x->>'draining'), ', ')
	FROM json_array_elements(pool_overview(500)->'servers') x), 's 2 2 0 false, t 3 0 0 false', 'its servers');
SELECT is(json_array_length(pool_overview(1)->'servers'), 1, 'so many at the most');
SELECT is(pool_overview(1)->>'serverCount', '2', 'and how many there are');

UPDATE instances SET paired_at = now(), health = 'stuck' WHERE lifecycle = 'assigned';
SELECT alarms_judge(server('t'));
SELECT is((SELECT (x->>'kind', x->>'server')::text FROM json_array_elements(pool_overview(500)->'alarms') x), '(sessions,t)',
	'an alarm names its server');
SELECT is((SELECT (x->>'userId', x->>'email')::text FROM json_array_elements(pool_overview(500)->'alarms') x), '(,)',
	'the platform''s is nobody''s');
UPDATE waha_servers SET user_id = somebody('ana') WHERE id = server('t');
SELECT is((SELECT (x->>'userId' = somebody('ana')::text, x->>'email')::text FROM json_array_elements(pool_overview(500)->'alarms') x),
	'(t,ana@example.org)', 'that of a user''s own server says whose it is');
SELECT is((SELECT x->>'email' FROM json_array_elements(pool_overview(500)->'servers') x WHERE x->>'name' = 't'), 'ana@example.org',
	'and so does the server');
UPDATE waha_servers SET user_id = NULL WHERE id = server('t');
SELECT isnt((SELECT x->>'frozenSince' FROM json_array_elements(pool_overview(500)->'servers') x WHERE x->>'name' = 't'), NULL,
	'where nothing is mended meanwhile');
UPDATE waha_servers SET health = 'down', health_reason = 'refused', latency_ms = 5, failures = 3;
SELECT alarms_judge(server('t'));
SELECT is(pool_overview(500)->'frozen'->>'why', 'network', 'most are down: repairs are frozen everywhere');
SELECT is((SELECT array_agg(x->>'latencyMs') FROM json_array_elements(pool_overview(500)->'servers') x), ARRAY[NULL, NULL],
	'a server that does not answer has no latency');
UPDATE installation SET quiesced_at = now() - interval '1 minute';
SELECT is(pool_overview(500)->'frozen'->>'why', 'maintenance', 'the longest first: maintenance');

SELECT helper_ran('host-1', ARRAY['seal', 'refill']), helper_ran('host-2', ARRAY['refill']);
SELECT is((SELECT (h->>'hosts', (SELECT string_agg(k, ' ' ORDER BY k) FROM json_object_keys(h->'tasks') k))::text
	FROM (SELECT pool_overview(500)->'helper' AS h) AS o), '(2,"refill seal")', 'helpers of two hosts');

-- Events that did not arrive ----------------------------------------------------------------------------

SELECT is(url_host(u), h, u) FROM (VALUES ('https://hooks.example/in?key=secret', 'hooks.example'),
	('http://user:pass@hooks.example:8080/', 'hooks.example:8080'), ('https://[2001:db8::1]:8443/x', '[2001:db8::1]:8443'),
	('https://hooks.example#x', 'hooks.example'), ('HTTPS://Hooks.Example', 'Hooks.Example')) AS v (u, h);

SELECT subscription_put(somebody('ana'), NULL, gen_random_uuid(), 'https://ana.example/in?key=secret', NULL, 'sealed');
SELECT subscription_put(somebody('bea'), NULL, gen_random_uuid(), 'https://bea.example/in', NULL, 'sealed');
SELECT event_emit(somebody('ana'), device('ana', 'one'), 'device.connected', '{"instance": "x"}'),
	event_emit(somebody('ana'), device('ana', 'two'), 'message.received', '{"text": "hush"}'),
	event_emit(somebody('ana'), device('ana', 'two'), 'message.received', '{"text": "hush"}'),
	event_emit(somebody('bea'), device('bea', 'one'), 'device.connected', '{"instance": "y"}');
UPDATE deliveries SET state = 'parked', attempts = 9, last_error = 'HTTP status 500';

PREPARE parked AS SELECT concat_ws(' ', shown->>'type', shown->>'email', shown->>'host', shown->>'error')
FROM deliveries_shown('parked', NULL, NULL, NULL, NULL, NULL, 100);
SELECT results_eq('parked', $$VALUES ('device.connected bea@example.org bea.example HTTP status 500'),
	('message.received ana@example.org ana.example HTTP status 500'), ('message.received ana@example.org ana.example HTTP status 500'),
	('device.connected ana@example.org ana.example HTTP status 500')$$, 'all users'', the newest first');
SELECT is((SELECT count(*) FROM deliveries_shown('parked', NULL, NULL, NULL, NULL, NULL, 100) WHERE shown::text ~ 'hush|secret'),
	0::bigint, 'never what they say, nor more of a URL than its host');
SELECT is((SELECT count(*) FROM deliveries_shown('parked', somebody('ana'), NULL, NULL, NULL, NULL, 100)), 3::bigint, 'of one user');
SELECT is((SELECT count(*) FROM deliveries_shown('parked', NULL, device('ana', 'two'), NULL, NULL, NULL, 100)), 2::bigint, 'of one device');
SELECT is((SELECT count(*) FROM deliveries_shown('parked', NULL, NULL, NULL, 'device.connected', NULL, 100)), 2::bigint, 'of one type');
SELECT is((SELECT count(*) FROM deliveries_shown('pending', NULL, NULL, NULL, NULL, NULL, 100)), 0::bigint, 'of another state');
SELECT is((SELECT array_agg(n) FROM (SELECT count(*) OVER () AS n, max(seq) OVER () FROM deliveries_shown('parked', NULL, NULL, NULL,
	NULL, (SELECT min(seq) + 2 FROM outbox), 1)) AS p), ARRAY[1::bigint], 'a page');

SELECT is(parked_replay_one((SELECT id FROM outbox WHERE device_id = device('bea', 'one'))), 'replayed', 'one is sent again');
SELECT is(parked_replay_one((SELECT id FROM outbox WHERE device_id = device('bea', 'one'))), 'none', 'once');
SELECT is(parked_replay_one(gen_random_uuid()), 'none', 'nor one that is not there');
UPDATE outbox SET payload = NULL WHERE seq = (SELECT min(seq) FROM outbox WHERE type = 'message.received');
SELECT is(parked_replay_one((SELECT id FROM outbox WHERE payload IS NULL)), 'expired', 'nor one whose body is gone');
UPDATE event_subscriptions SET disabled_at = now() WHERE user_id = somebody('ana');
SELECT is(parked_replay_one((SELECT id FROM outbox WHERE device_id = device('ana', 'one'))), 'disabled', 'nor to a webhook that is disabled');
SELECT is(parked_replay(NULL, NULL, NULL, NULL, 100)::text, '(0,0,2)', 'all: two wait for their webhook');
UPDATE event_subscriptions SET disabled_at = NULL;
SELECT is(parked_replay(NULL, NULL, NULL, NULL, 1)::text, '(1,1,0)', 'so many at the most, and what is left');
SELECT is(parked_replay(NULL, NULL, NULL, NULL, 100)::text, '(1,0,0)', 'then the rest');
SELECT is((SELECT count(*) FROM event_lanes WHERE due_at IS NOT NULL), 3::bigint, 'their lanes are awake');

UPDATE deliveries SET state = 'parked';
SELECT is(parked_replay(NULL, device('ana', 'two'), NULL, 'message.received', 100)::text, '(1,0,0)', 'by device and type');
SELECT is(parked_replay(somebody('bea'), NULL, NULL, NULL, 100)::text, '(1,0,0)', 'by user');
SELECT is((SELECT count(*) FROM deliveries WHERE state = 'parked'), 2::bigint, 'the others stay');

SELECT * FROM finish();
ROLLBACK;
