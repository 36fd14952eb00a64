-- Verify wapool:users on pg
BEGIN;
SELECT id, email, password_hash, role, disabled_at, created_at, updated_at FROM users WHERE false;
SELECT id, user_id, nome, is_default, created_at FROM devices WHERE false;
SELECT has_function_privilege('ensure_user(uuid, text)', 'execute');
SELECT has_function_privilege('active_user(uuid)', 'execute');
SELECT has_function_privilege('device_of(uuid, uuid)', 'execute');
ROLLBACK;
