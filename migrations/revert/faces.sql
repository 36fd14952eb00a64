-- Revert wapool:faces from pg
BEGIN;
DROP FUNCTION waha_config_migrate();
DO $$
BEGIN
	IF obj_description('clientes'::regclass) LIKE 'wapool: %' THEN
		DROP TABLE clientes;
	ELSE -- a hosting's own stays, with its column
		DROP POLICY IF EXISTS own ON clientes;
		DROP POLICY IF EXISTS everything ON clientes;
	END IF;
END $$;
REVOKE ALL ON installation, instances, waha_servers FROM authenticated, service_role;
DROP FUNCTION incrementar_contador_instancia(varchar);
DROP VIEW whatsapp_instances;
DROP FUNCTION whatsapp_instances_update();
DROP FUNCTION whatsapp_instances_insert();
DROP VIEW waha_sessions;
DROP FUNCTION face_delete();
DROP FUNCTION waha_sessions_update();
DROP FUNCTION waha_sessions_insert();
DROP POLICY everything ON instances;
DROP POLICY own ON instances;
ALTER TABLE instances DISABLE ROW LEVEL SECURITY;
DROP FUNCTION face_write(uuid, varchar, varchar, varchar, varchar, varchar, varchar, varchar);
DROP FUNCTION status_of_face(varchar);
DROP FUNCTION face_status(varchar, boolean);
ALTER TABLE instances DROP COLUMN banned_at;
DROP FUNCTION get_available_waha_server(uuid);
DROP TRIGGER no_truncate ON waha_servers;
DROP TRIGGER owner_known ON waha_servers;
DROP TRIGGER ours ON waha_servers;
DROP FUNCTION waha_servers_no_truncate();
DROP FUNCTION waha_servers_owner();
DROP FUNCTION waha_servers_ours();
DROP FUNCTION url_origin(text);
DROP POLICY everything ON waha_servers;
DROP POLICY own ON waha_servers;
ALTER TABLE waha_servers DISABLE ROW LEVEL SECURITY;
DROP FUNCTION sees_all();
DROP FUNCTION request_user();
COMMIT;
