-- QRs that asking again would void, and servers that are asked while somebody waits for his scan.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.turn(p_name text, p_anew boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(sealed, CASE WHEN yours THEN 'yours' ELSE 'others' END)
	FROM pairing_turn(server('s'), p_name, p_anew, interval '8 seconds', interval '50 seconds') $$;
CREATE FUNCTION pg_temp.keep(p_name text, p_sealed text, p_life interval DEFAULT '45 seconds') RETURNS void
LANGUAGE sql AS $$ SELECT pairing_keep(server('s'), p_name, p_sealed, p_life) $$;

-- turns -------------------------------------------------------------------------------------------------

SELECT is(pg_temp.turn('p'), 'yours', 'nothing is kept: the first one asks the gateway');
SELECT is(pg_temp.turn('p'), 'others', 'who comes meanwhile waits');
SELECT is(pg_temp.turn('p', true), 'others', 'also if he thinks there is no run: one is being begun');
SELECT is(pg_temp.turn('q'), 'yours', 'another session is another matter');
SELECT pg_temp.keep('p', 'sealed-1');
SELECT is(pg_temp.turn('p'), 'sealed-1', 'then all see the same');
SELECT is(pg_temp.turn('p'), 'sealed-1', 'again and again');
SELECT is(pg_temp.turn('p', true), 'yours', 'unless the gateway has no run any more');
SELECT pg_temp.keep('p', 'sealed-2');
SELECT is(pg_temp.turn('p'), 'sealed-2', 'the new one is shown');
SELECT pg_temp.keep('p', 'sealed-3', '5 seconds');
SELECT is(pg_temp.turn('p'), 'yours', 'one that is about to end is not');
SELECT pg_temp.keep('p', NULL);
SELECT is(pg_temp.turn('p'), 'yours', 'a gateway that gave none is asked again');
UPDATE pairing_runs SET asked_until = clock_timestamp() - interval '1 second' WHERE name = 'p';
SELECT is(pg_temp.turn('p'), 'yours', 'so it is when who was asking died');
INSERT INTO pairing_runs VALUES (server('s'), 'old', 'x', now() - interval '2 hours', '-infinity');
SELECT pg_temp.keep('p', 'sealed-4');
SELECT is((SELECT string_agg(name, ' ' ORDER BY name) FROM pairing_runs), 'p q', 'what is long past is deleted');

-- looks -------------------------------------------------------------------------------------------------

UPDATE waha_servers SET kind = 'gowa' WHERE id = server('s');
SELECT make('one', 'assigned', 'ana');
SELECT make('two', 'assigned', 'bia');
SELECT make('three', 'assigned', 'caio', 'w');
UPDATE instances SET pairing_asked_at = now() WHERE name IN ('one', 'three');
CREATE FUNCTION pg_temp.due() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pairing_due('{gowa}') $$;
SELECT results_eq($$SELECT * FROM pairing_due('{gowa}')$$, $$SELECT server('s')$$, 'somebody waits at a server of that kind');
SELECT is((SELECT count(*) FROM pairing_due('{}')), 0::bigint, 'other kinds tell by themselves');
SELECT is((SELECT pairing_claim('{gowa}')), server('s'), 'one helper takes it');
SELECT is((SELECT count(*) FROM pairing_claim('{gowa}')), 0::bigint, 'no other does at the same time');
SELECT is(pg_temp.due(), 0::bigint, 'it is not due for now');
UPDATE pairing_looks SET next_at = now() - interval '1 second';
SELECT is(pg_temp.due(), 1::bigint, 'but soon again');
UPDATE waha_servers SET health = 'down' WHERE id = server('s');
SELECT is(pg_temp.due(), 0::bigint, 'not while it is down');
UPDATE waha_servers SET health = 'up' WHERE id = server('s');
UPDATE instances SET pairing_asked_at = now() - interval '5 minutes' WHERE name = 'one';
SELECT is(pg_temp.due(), 0::bigint, 'nor when nobody can be waiting any more');
UPDATE instances SET pairing_asked_at = now() WHERE name = 'one';

UPDATE instances SET assigned_at = now() - interval '1 minute' WHERE name IN ('one', 'two');
SELECT is(pairing_seen(server('s'), '1 millisecond', json_build_array(
	json_build_object('n', 'one', 'w', 'WORKING', 'p', '5511999990000@c.us', 'f', 'Ana'),
	json_build_object('n', 'two', 'w', 'SCAN_QR_CODE'), json_build_object('n', 'three', 'w', 'WORKING'),
	json_build_object('n', 'nobody', 'w', 'WORKING'))), 2, 'what the server says of those who wait there is written down');
SELECT is((SELECT (status, phone_number, paired_at IS NOT NULL)::text FROM instance('one')),
	'(WORKING,5511999990000@c.us,t)', 'a phone is connected');
SELECT is((instance('three')).status, 'STOPPED', 'another server''s are none of its business');
SELECT is(pg_temp.due(), 0::bigint, 'and nobody waits any more');
SELECT is(pairing_seen(server('s'), '1 millisecond', '[{"n": "one", "w": "STOPPED"}]'), 0,
	'of those who are paired the regular look tells');

SELECT * FROM finish();
ROLLBACK;
