'use strict';

// The environment: WAHA as seed 000 names it, PostgreSQL by PGHOST and its neighbours, which both drivers read.
// SOCKET is where nginx finds us, WORKERS how many processes share it, DB_POOL the connections of each.
const env = process.env;

module.exports = {
	socket: env.SOCKET,
	workers: Number(env.WORKERS || 2),
	dbPool: Number(env.DB_POOL || 4),
	jwtSecret: env.JWT_SECRET,
	wahaUrl: env.WAHA_URL,
	wahaKey: env.WAHA_API_KEY,
	webhookSecret: env.WEBHOOK_SECRET,
	poolLow: Number(env.POOL_LOW || 5),
	claimLimit: Number(env.CLAIM_LIMIT || 30),
	connectDeadlineMs: Number(env.CONNECT_DEADLINE_MS || 25000),
};
