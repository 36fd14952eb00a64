-- server_drain: new work goes elsewhere, what nobody has leaves, owners stay until they leave.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.state(p_server text) RETURNS text LANGUAGE sql AS $$
	SELECT drain_state(s) FROM waha_servers s WHERE nome = p_server $$;
INSERT INTO waha_servers (nome, api_url, health, prioridade, max_sessions) VALUES
	('old', 'http://old', 'up', 9, 20), ('new', 'http://new', 'up', 1, 20);
SELECT make('paired', 'assigned', 'ana', 'old');
UPDATE instances SET paired_at = now(), status = 'WORKING' WHERE name = 'paired';
SELECT make('scanning', 'assigned', 'bea', 'old');
SELECT make('free', 'standby', 'x', 'old');
SELECT make('ordered', 'provisioning', 'x', 'old');
SELECT make('being-made', 'provisioning', 'x', 'old');
UPDATE instances SET work_token = gen_random_uuid(), work_lease_until = clock_timestamp() + interval '1 minute'
WHERE name = 'being-made';
SELECT make('elsewhere', 'standby', 'x', 'new');
SELECT is(pg_temp.state('old'), 'none', 'a server is in service');

SELECT is(server_drain(server('old')), 'draining', 'then it is drained');
SELECT is(server_drain(server('old')), 'draining', 'asking twice is no harm');
SELECT is(server_drain(gen_random_uuid()), NULL, 'nor is a server that is not there');
SELECT is(lifecycle('free'), 'recycling', 'what stood by there is taken away');
SELECT is((last_event('free')).reason, 'its server is being drained', 'and the trail says why');
SELECT is((instance('ordered')).server_id, server('new'), 'what was ordered is ordered elsewhere');
SELECT is((instance('being-made')).server_id, server('old'), 'what is in a helper''s hands is left to him');
SELECT is((SELECT array_agg(lifecycle(n)) FROM unnest(ARRAY['paired', 'scanning']) n)::text, '{assigned,assigned}',
	'owners stay');
SELECT is_empty(format('SELECT FROM servers_for(NULL) WHERE server_id = %L', server('old')), 'nothing new goes there');
SELECT is((claims('cid')).name, 'elsewhere', 'a claim is served by another, whatever the priorities');
SELECT is((claims('ana')).name, 'paired', 'who is connected keeps what he has');
SELECT is((claims('bea')).name, 'scanning', 'who is not too, while there is nothing else');
SELECT make('fresh', 'standby', 'x', 'new');
SELECT is((SELECT (outcome, name)::text FROM claims('bea')), '(claimed,fresh)', 'and is moved when there is');
SELECT is(lifecycle('scanning'), 'recycling', 'the one he left will be emptied');

-- what came to stand by meanwhile
UPDATE instances SET lifecycle = 'standby' WHERE name = 'being-made';
SELECT pool_refill(2, 1, 2, 1000, true);
SELECT is(lifecycle('being-made'), 'recycling', 'what comes to stand by later is taken away by the next refill');
SELECT is((SELECT count(*) FROM instances WHERE lifecycle = 'provisioning' AND server_id = server('old')), 0::bigint,
	'and nothing is ordered there');

-- emptied, and not made anew
CREATE FUNCTION pg_temp.work() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	w instances;
BEGIN
	SELECT * INTO w FROM work_claim('1 minute', 100) i;
	RETURN w.lifecycle || ' ' || coalesce(w.next_name, 'no next') || ' ' || work_done(w.id, w.work_token);
END $$;
UPDATE instances SET work_next_at = 'infinity' WHERE name <> 'free' AND lifecycle IN ('recycling', 'provisioning');
SELECT is(pg_temp.work(), 'recycling no next true', 'what is emptied there is only deleted');
SELECT is((SELECT array_agg(lifecycle) FROM instances WHERE name LIKE 'free~%')::text, '{retired}', 'and retired');
UPDATE instances SET work_next_at = now() WHERE name = 'scanning';
SELECT * INTO TEMPORARY in_hands FROM work_claim('1 minute', 100);
SELECT server_drain(server('old'), false);
SELECT work_done(id, work_token) FROM in_hands;
SELECT is((SELECT i.lifecycle FROM instances i JOIN in_hands h ON h.id = i.id), 'retired',
	'what was deleted does not stand by though the server was taken back meanwhile');
SELECT server_drain(server('old'));

-- a gateway that cannot be asked any more
INSERT INTO waha_servers (nome, api_url, health) VALUES ('dead', 'http://dead', 'down');
SELECT make('unreachable', 'standby', 'x', 'dead');
SELECT is(server_drain(server('dead')), 'drained', 'a dead server with nobody on it is drained at once');
SELECT is(lifecycle('unreachable'), 'retired', 'what stood by held nobody''s phone');

-- the end, and back
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'paired';
UPDATE instances SET lifecycle = 'retired' WHERE server_id = server('old') AND lifecycle = 'recycling';
SELECT is(pg_temp.state('old'), 'drained', 'when the last session has left it is drained');
SELECT is(server_drain(server('old'), false), 'none', 'a server can be taken back');
SELECT is((SELECT server_id FROM servers_for(NULL) LIMIT 1), server('old'), 'and serves again');

-- nowhere else to go
UPDATE waha_servers SET ativo = false WHERE nome <> 'old';
SELECT make('last', 'provisioning', 'x', 'old');
SELECT server_drain(server('old'));
SELECT is(lifecycle('last'), 'retired', 'what was ordered and nobody else has room for is no longer wanted');
SELECT is_empty('SELECT wrong_counts()', 'every server''s count is true');

SELECT * FROM finish();
ROLLBACK;
