-- What a hosting's user (authenticated) may touch: wapool's own tables not at all, the others by row.
BEGIN;
SELECT no_plan();

-- Any column counts as much as the table.
SELECT ok(NOT has_table_privilege('authenticated', c.oid, p) AND NOT has_any_column_privilege('authenticated', c.oid, p),
	format('authenticated: no %s of %s', p, c.relname))
FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
	AND c.relname NOT IN ('waha_servers', 'waha_sessions', 'whatsapp_instances', 'instances', 'installation', 'clientes')
ORDER BY c.relname, p;
SELECT ok(NOT has_table_privilege('authenticated', c.oid, p), format('authenticated: no %s of %s', p, c.relname))
FROM pg_class c, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) p
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
	AND c.relname NOT IN ('waha_servers', 'waha_sessions', 'clientes')
ORDER BY c.relname, p;
SELECT ok(NOT has_any_column_privilege('authenticated', c, p), format('authenticated: no %s of %s', p, c))
FROM unnest(ARRAY['instances', 'installation', 'whatsapp_instances']) c, unnest(ARRAY['INSERT', 'UPDATE']) p;
SELECT set_eq($$SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity$$,
	ARRAY['waha_servers', 'instances', 'clientes'], 'what authenticated sees of is guarded by row');
-- Of his own server he writes what seed 001 lists, and its kind. Columns that are added later are wapool's too.
CREATE FUNCTION pg_temp.written_by_hand(p_user uuid) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	v_column record;
	v_was    jsonb;
	v_is     jsonb;
BEGIN
	FOR v_column IN SELECT attname AS name, atttypid::regtype AS type FROM pg_attribute
		WHERE attrelid = 'waha_servers'::regclass AND attnum > 17 AND NOT attisdropped AND attname <> 'kind' ORDER BY attnum
	LOOP
		v_was := (SELECT to_jsonb(s) - 'revision' - 'updated_at' FROM waha_servers s WHERE user_id = p_user);
		SET LOCAL ROLE authenticated;
		EXECUTE format('UPDATE waha_servers SET %I = %L', v_column.name, CASE v_column.type
			WHEN 'integer'::regtype THEN '77' WHEN 'bigint'::regtype THEN '77'
			WHEN 'timestamptz'::regtype THEN '2001-02-03Z' ELSE 'down' END);
		RESET ROLE;
		v_is := (SELECT to_jsonb(s) - 'revision' - 'updated_at' FROM waha_servers s WHERE user_id = p_user);
		IF v_is <> v_was THEN
			RETURN NEXT v_column.name;
		END IF;
	END LOOP;
END $$;
INSERT INTO waha_servers (user_id, nome, api_url) VALUES (somebody('ana'), 'hers', 'http://hers.example.org');
SELECT set_config('request.jwt.claims', json_build_object('sub', somebody('ana'))::text, true);
SELECT is_empty(format('SELECT pg_temp.written_by_hand(%L)', somebody('ana')), 'what wapool finds out about a server nobody else writes');
SELECT is((SELECT revision FROM waha_servers WHERE nome = 'hers'), 1::bigint, 'its revision only counts');

-- Who has been granted TRIGGER (seed 001's ALL) makes no trigger of what runs as the owner of the tables.
SELECT ok(NOT has_function_privilege('authenticated', p.oid, 'EXECUTE'), format('authenticated: no trigger of %s()', p.proname))
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND p.prorettype = 'trigger'::regtype;
SELECT * FROM finish();
ROLLBACK;
