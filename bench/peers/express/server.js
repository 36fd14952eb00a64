'use strict';

// Seed 000's routes with Express 5 and pg.

const express = require('express');
const { Pool } = require('pg');
const button = require('../common/button');
const config = require('../common/config');
const run = require('../common/run');
const sql = require('../common/statements');
const token = require('../common/token');
const webhook = require('../common/webhook');

function database() {
	const pool = new Pool({ max: config.dbPool });
	pool.on('error', () => {}); // an idle connection broke: the next query opens another
	const first = async (name, values) => (await pool.query({ name, text: sql[name], values })).rows[0];
	return {
		claim: (...values) => first('claim', values),
		finish: async (...values) => (await first('finish', values)).current,
		release: async (...values) => (await first('release', values)).outcome,
		connection: (...values) => first('connection', values),
		webhook: (values) => first('webhook', values),
		platform: async () => (await first('platform', [])).id,
		wake: () => pool.query(sql.wake).catch(() => {}),
	};
}

function authenticated(req, res, next) {
	req.user = token(req.headers.authorization);
	if (req.user) next();
	else res.status(401).set('WWW-Authenticate', 'Bearer').json(token.UNAUTHORIZED);
}

function receiver(db) {
	let platform;
	return async (req, res) => {
		if (!webhook.signatureOk(req.body, req.get('X-Webhook-Hmac')))
			return res.status(401).json({ error: 'Assinatura inválida', message: 'O webhook não foi assinado.' });
		const server = req.params.server ?? (platform ??= await db.platform());
		const params = webhook.params(server, req.body, req.get('X-Webhook-Request-Id'));
		if (!params) return res.status(400).json({ error: 'Requisição inválida', message: 'Falta "event".' });
		const { outcome, wake } = await db.webhook(params);
		if (wake || webhook.wantsHelper(outcome, params)) db.wake();
		return res.json({ success: true, duplicate: outcome === 'duplicate' });
	};
}

run(() => {
	const db = database();
	const app = express();
	app.disable('x-powered-by').disable('etag');

	app.post('/api/whatsapp/connect', authenticated, async (req, res) => {
		const { status, body, retryAfter } = await button.connect(db, req.user);
		if (retryAfter) res.set('Retry-After', String(retryAfter));
		res.status(status).json(body);
	});
	app.post('/api/whatsapp/disconnect', authenticated, async (req, res) => {
		res.json(await button.disconnect(db, req.user));
	});
	app.get('/api/whatsapp/my-connection', authenticated, async (req, res) => {
		res.json(button.connection(await db.connection(req.user.sub, null)));
	});
	const raw = express.raw({ type: () => true, limit: '2mb' });
	app.post('/webhook', raw, receiver(db));
	app.post('/webhook/:server', raw, receiver(db));
	app.use((error, req, res, next) => {
		if (res.headersSent) return next(error);
		if (error.code === token.DISABLED) return res.status(401).set('WWW-Authenticate', 'Bearer').json(token.UNAUTHORIZED);
		const status = error instanceof SyntaxError ? 400 : 503;
		res.status(status).json({ error: 'Falha', message: 'Tente novamente em alguns segundos.' });
	});

	const server = app.listen(config.socket);
	server.keepAliveTimeout = 75000;
});
