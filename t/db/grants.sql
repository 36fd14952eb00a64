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
SELECT * FROM finish();
ROLLBACK;
