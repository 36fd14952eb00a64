-- What is asked often, or follows from a deletion, is found by an index: no table is read from end to end for it.
BEGIN;
SELECT no_plan();

SELECT is_empty($$
	SELECT format('%s of %s', c.conname, c.conrelid::regclass)
	FROM pg_constraint c
	WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
		AND NOT EXISTS (SELECT FROM pg_index i
			WHERE i.indrelid = c.conrelid AND i.indisvalid
				AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
				AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%s IS NOT NULL)',
					(SELECT a.attname FROM pg_attribute a
						WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]))))$$,
	'every foreign key has an index: to delete what it points to reads no other table whole');

-- Sequential scans of a table so far in this transaction.
CREATE FUNCTION pg_temp.scans(p_table regclass) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_xact_user_tables WHERE relid = p_table $$;
SET LOCAL enable_seqscan = off; -- these tables are small: what still scans has no index to use

SELECT make('busy', 'assigned');
SELECT is(pg_temp.scans('messages'), 0::bigint, 'nothing has been asked yet');
SELECT message_ack(id_of('busy'), 'written on the phone', 'read');
SELECT is(pg_temp.scans('messages'), 0::bigint, 'an ack of a message that is none of ours is told by indexes');
SELECT messages_expire();
SELECT is(pg_temp.scans('messages'), 0::bigint, 'so are senders that died');

SELECT pg_temp.scans('waha_servers') AS before \gset
SELECT count(*) FROM waha_servers s
WHERE nullif(s.api_key, '') IS NOT NULL OR nullif(s.webhook_secret, '') IS NOT NULL OR s.webhook_secret_sealed IS NULL;
SELECT is(pg_temp.scans('waha_servers'), :'before', 'keys that are to be sealed');
SELECT has_index('waha_servers', 'waha_servers_due', 'check_next_at', 'looks that are due');
SELECT has_index('waha_servers', 'waha_servers_draining', 'draining_at', 'servers that are being drained');

SELECT * FROM finish();
ROLLBACK;
