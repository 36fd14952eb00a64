-- A hosting's own table of clients: numbered, with columns that only it can fill, and no owner.
BEGIN;
SELECT no_plan();

DROP TABLE clientes;
CREATE TABLE clientes (id bigint PRIMARY KEY, nome text NOT NULL, instancia_preferida varchar(50));
INSERT INTO clientes (id, nome) VALUES (1, 'Ana'), (2, 'Bea');
SELECT is(clientes_are_ours(), false, 'it is the hosting''s');

CREATE FUNCTION pg_temp.connected(p_name text, p_owner text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make(p_name, 'assigned', p_owner);
	UPDATE instances SET status = 'WORKING', paired_at = now(), device_id = device_of(somebody(p_owner), NULL) WHERE name = p_name;
END $$;
CREATE FUNCTION pg_temp.say(p_who text, p_cliente text, p_strategy text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(m.name, m.outcome) FROM message_begin(somebody(p_who), NULL, false, NULL, p_cliente, p_strategy, NULL, '1 minute') m $$;
CREATE FUNCTION pg_temp.preferred(p_id bigint) RETURNS varchar LANGUAGE sql AS $$
	SELECT instancia_preferida FROM clientes WHERE id = p_id $$;

SELECT pg_temp.connected('ana', 'ana'), pg_temp.connected('bea', 'bea');
SELECT is(pg_temp.say('ana', '1'), 'ana', 'a client by his number');
SELECT is(pg_temp.preferred(1), 'ana', 'is bound to the instance');
SELECT is(pg_temp.preferred(2), NULL, 'he alone');
SELECT is(pg_temp.say('ana', '3'), 'ana', 'one whom the hosting does not know is sent to');
SELECT is((SELECT count(*) FROM clientes), 2::bigint, 'and not made');
SELECT is(pg_temp.say('ana', somebody('ana')::text), 'no-client', 'a UUID is no number');
SELECT is(pg_temp.say('ana', '99999999999999999999'), 'no-client', 'nor is one too great');
SELECT is(pg_temp.say('bea', '1'), 'bea', 'another user sends to him');
SELECT is(pg_temp.preferred(1), 'ana', 'which leaves him where he is');
SELECT is(pg_temp.say('ana', NULL, 'round_robin'), 'ana', 'without a client the table is not asked');
UPDATE instances SET lifecycle = 'recycling' WHERE name = 'ana';
SELECT is(pg_temp.say('bea', '1'), 'bea', 'when that instance is nobody''s');
SELECT is(pg_temp.preferred(1), 'bea', 'he may be bound again');

SELECT * FROM finish();
ROLLBACK;
