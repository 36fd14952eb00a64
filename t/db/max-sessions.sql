-- A server's sessions never exceed max_sessions, and sessions_ativas is always the truth.
BEGIN;
SELECT no_plan();

INSERT INTO waha_servers (nome, api_url, max_sessions, sessions_ativas) VALUES
	('small', 'http://small', 2, 99), ('large', 'http://large', 10, -5);
CREATE FUNCTION pg_temp.count_of(p_server text) RETURNS integer LANGUAGE sql AS $$
	SELECT sessions_ativas FROM waha_servers WHERE nome = p_server $$;
SELECT is((pg_temp.count_of('small'), pg_temp.count_of('large'))::text, '(0,0)', 'a new server has none, whatever was written');

-- beyond the limit --------------------------------------------------------------------------------------

SELECT make('a', 'provisioning', 'x', 'small');
SELECT make('b', 'assigned', 'x', 'small');
SELECT is(pg_temp.count_of('small'), 2, 'what is being made and what is used both count');
SELECT throws_ok($$INSERT INTO instances (name, server_id) VALUES ('c', server('small'))$$, '23514',
	format('server %s is full', server('small')), 'a third is refused');
SELECT throws_ok($$INSERT INTO instances (name, server_id) SELECT 'm' || n, server('large') FROM generate_series(1, 11) n$$,
	'23514', NULL, 'so are too many at once');
SELECT is(pg_temp.count_of('large'), 0, 'all of them');
SELECT throws_ok($$INSERT INTO instances (name, server_id) VALUES ('d', server('large'));
	UPDATE instances SET server_id = server('small') WHERE name = 'd'$$, '23514', NULL, 'and a move to where there is no room');
SELECT is_empty('SELECT wrong_counts()', 'the refused left the counts true');

-- the count follows every change -------------------------------------------------------------------------

SELECT make_many('l', 4, 'standby', 'large');
SELECT is(pg_temp.count_of('large'), 4, 'after inserts');
UPDATE instances SET lifecycle = 'retired' WHERE name IN ('l-1', 'l-2');
SELECT is(pg_temp.count_of('large'), 2, 'after retiring two');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'l-3';
SELECT is(pg_temp.count_of('large'), 2, 'a change of state that keeps the session keeps the count');
DELETE FROM instances WHERE name = 'l-3';
SELECT is(pg_temp.count_of('large'), 1, 'after a delete');
DELETE FROM instances WHERE name = 'l-1';
SELECT is(pg_temp.count_of('large'), 1, 'what was retired is not counted off again');
UPDATE instances SET server_id = server('large') WHERE name = 'a';
SELECT is((pg_temp.count_of('small'), pg_temp.count_of('large'))::text, '(1,2)', 'a move counts here and there');
UPDATE instances SET server_id = server('large'), lifecycle = 'retired' WHERE name = 'b' AND false;
UPDATE instances SET server_id = server('small') WHERE name = 'l-2';
SELECT is((pg_temp.count_of('small'), pg_temp.count_of('large'))::text, '(1,2)', 'a retired one moves without counting');
SELECT is_empty('SELECT wrong_counts()', 'all counts are true');

-- many at once, on several servers -------------------------------------------------------------------------

INSERT INTO waha_servers (nome, api_url, max_sessions) VALUES ('east', 'http://east', 300), ('west', 'http://west', 300);
SELECT throws_ok($$INSERT INTO instances (name, server_id) SELECT 'n' || n, server(CASE WHEN n % 4 = 0 THEN 'east' ELSE 'west' END)
	FROM generate_series(1, 404) n$$, '23514', format('server %s is full', server('west')), 'one server too few for its part');
SELECT is((pg_temp.count_of('east'), pg_temp.count_of('west'))::text, '(0,0)', 'refuses the statement, also what the other had room for');
INSERT INTO instances (name, server_id, lifecycle)
	SELECT 'n' || n, server(CASE WHEN n % 4 = 0 THEN 'east' ELSE 'west' END), CASE WHEN n > 400 THEN 'retired' ELSE 'provisioning' END
	FROM generate_series(1, 404) n;
SELECT is((pg_temp.count_of('east'), pg_temp.count_of('west'))::text, '(100,300)', 'each counts its own, and none that is retired');
SELECT is((SELECT count(*) FROM instance_events e JOIN instances i ON i.id = e.instance_id WHERE i.name ~ '^n\d+$'), 404::bigint,
	'each has its trail');
SELECT is((SELECT sum(n) FROM counters WHERE family = 'instances' AND label LIKE '%' || server('west') || '%'), 303::numeric,
	'and is counted for the metrics');
DELETE FROM instances WHERE name ~ '^n\d+$' AND server_id = server('west');
SELECT is((pg_temp.count_of('east'), pg_temp.count_of('west'))::text, '(100,0)', 'many that go, too');
SELECT is((SELECT sum(n) FROM counters WHERE family = 'instances' AND label LIKE '%' || server('west') || '%'), 0::numeric,
	'there as well');
SELECT is_empty('SELECT wrong_counts()', 'the counts are true');

-- room made is room again ----------------------------------------------------------------------------------

SELECT lives_ok($$INSERT INTO instances (name, server_id) VALUES ('c', server('small'))$$, 'there is room for one more again');
UPDATE waha_servers SET max_sessions = 1 WHERE nome = 'small';
SELECT is(pg_temp.count_of('small'), 2, 'a lower limit throws nobody out');
SELECT throws_ok($$INSERT INTO instances (name, server_id) VALUES ('e', server('small'))$$, '23514', NULL, 'but lets nobody in');
SELECT lives_ok($$UPDATE instances SET lifecycle = 'retired' WHERE name = 'c'$$, 'and leaving is always possible');

-- sessions_ativas written by hand -------------------------------------------------------------------------

SELECT server('large') AS server_id \gset
-- "Atualizar contador de sessões ativas" as printed
UPDATE public.waha_servers
SET sessions_ativas = sessions_ativas + 1
WHERE id = :'server_id';
SELECT is(pg_temp.count_of('large'), 2, 'the count is true already: adding one by hand changes nothing');
UPDATE waha_servers SET sessions_ativas = 0, prioridade = 3 WHERE nome = 'large';
SELECT is((SELECT (sessions_ativas, prioridade)::text FROM waha_servers WHERE nome = 'large'), '(2,3)',
	'other columns of the same statement are written');
SELECT is_empty('SELECT wrong_counts()', 'all counts are true');

SELECT * FROM finish();
ROLLBACK;
