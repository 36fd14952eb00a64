-- Verify wapool:faces on pg
BEGIN;
SELECT id, user_id, waha_server_id, session_name, status, phone_number, profile_name, qr_code, last_connected_at,
	created_at, updated_at FROM waha_sessions WHERE false;
SELECT id, nome, numero_telefone, status, capacidade_hora, capacidade_dia, msgs_enviadas_hora, msgs_enviadas_dia,
	prioridade, ultima_msg_at, created_at, updated_at FROM whatsapp_instances WHERE false;
SELECT id, instancia_preferida FROM clientes WHERE false;
SELECT has_function_privilege('get_available_waha_server(uuid)', 'execute');
SELECT has_function_privilege('incrementar_contador_instancia(varchar)', 'execute');
SELECT 1 / has_table_privilege('authenticated', 'waha_servers', 'select')::integer;
SELECT 1 / has_table_privilege('service_role', 'waha_sessions', 'insert')::integer;
ROLLBACK;
