'use strict';

// The statements wapool's own handlers send, word for word: what is compared is what runs them. Three differ: wapool's
// claim brings its server's row, which a peer has in its environment; a peer's webhook secret is not in the database, so
// there is no mark of it to check; and where wapool answers several my-connection at once, a peer asks for one.
module.exports = {
	claim:
		'SELECT c.outcome, c.instance_id, c.name, c.server_id, c.device_id, c.epoch, c.generation, c.status, c.paired, c.low' +
		" FROM pool_claim($1, $2, $3, $4::int, '{}', $5::int) c",
	finish: "SELECT connect_finish($1, $2::bigint, $3::bigint * interval '1 millisecond', $4, $5, $6, $7::boolean) AS current",
	release: "SELECT pool_release($1, $2, 'disconnected by its user') AS outcome",
	connection:
		"SELECT d.id, i.name, i.server_id, CASE WHEN i.missing_since < statement_timestamp() - interval '3 minutes' THEN 'MISSING'" +
		' ELSE i.status END AS status, i.phone_number, i.profile_name' +
		' FROM devices d LEFT JOIN instances i ON i.device_id = d.id' +
		' WHERE d.user_id = active_user($1) AND (d.id = $2::uuid OR $2::uuid IS NULL AND d.is_default)',
	webhook:
		'SELECT webhook_store($1, $2, $3, $4, $5, $6, to_timestamp($7::bigint / 1000.0), $8::bigint, $9,' +
		' to_timestamp($10::bigint / 1000.0), $11, $12, $13::boolean, $14::json, $15::jsonb) AS outcome, event_written() AS wake',
	platform: 'SELECT id FROM waha_servers WHERE user_id IS NULL ORDER BY created_at LIMIT 1',
	wake: 'NOTIFY wapool',
};
