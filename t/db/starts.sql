-- start_turn: one at a time starts a session.
BEGIN;
SELECT no_plan();

CREATE TEMPORARY TABLE turns (n integer, token uuid);
CREATE FUNCTION pg_temp.turn(p_n integer, p_name text, p_lease interval DEFAULT '1 minute', p_server text DEFAULT 's')
RETURNS boolean LANGUAGE sql AS $$
	INSERT INTO turns SELECT p_n, start_turn(server(p_server), p_name, p_lease);
	SELECT token IS NOT NULL FROM turns WHERE n = p_n $$;
CREATE FUNCTION pg_temp.ends(p_n integer, p_name text) RETURNS void LANGUAGE sql AS $$
	SELECT start_end(token, server('s'), p_name) FROM turns WHERE n = p_n $$;

SELECT ok(pg_temp.turn(1, 'one'), 'the first has the turn');
SELECT ok(NOT pg_temp.turn(2, 'one'), 'the second has not');
SELECT ok(pg_temp.turn(3, 'two'), 'another session is another thing');
SELECT ok(pg_temp.turn(4, 'one', '1 minute', 'other'), 'so is one of that name elsewhere');
SELECT pg_temp.ends(2, 'one');
SELECT ok(NOT pg_temp.turn(5, 'one'), 'who has no turn ends none');
SELECT pg_temp.ends(1, 'one');
SELECT ok(pg_temp.turn(6, 'one', '-1 second'), 'when he is done the next has it');
SELECT ok(pg_temp.turn(7, 'one'), 'who dies holds it no longer than his lease');
SELECT pg_temp.ends(6, 'one');
SELECT ok(NOT pg_temp.turn(8, 'one'), 'and who was thought dead ends no other''s'); 
SELECT pg_temp.turn(9, 'three', '-1 second');
SELECT pg_temp.turn(10, 'four');
SELECT is((SELECT count(*) FROM start_turns WHERE name = 'three'), 0::bigint, 'what the dead left goes');

SELECT * FROM finish();
ROLLBACK;
