-- Revert wapool:messages from pg
BEGIN;
DROP FUNCTION messages_prune(interval, interval, integer);
DROP FUNCTION messages_expire();
DROP FUNCTION message_ack(uuid, text, text);
DROP FUNCTION message_end(uuid, text, text, text);
DROP FUNCTION message_acked(text, text);
DROP FUNCTION message_begin(uuid, text, boolean, uuid, text, text, text, interval, interval);
DROP FUNCTION instances_by_strategy(uuid[], text, varchar, date);
DROP FUNCTION why_unavailable(uuid[], uuid, timestamptz, date);
DROP TYPE message_start;
DROP FUNCTION cliente_prefers(uuid, text, varchar);
DROP FUNCTION cliente_preferred(uuid, text);
DROP FUNCTION clientes_are_ours();
DROP FUNCTION quota_return(uuid, timestamptz, date);
DROP FUNCTION quota_take(uuid, uuid[], timestamptz, date);
DROP TABLE early_acks;
DROP TABLE messages;
COMMIT;
