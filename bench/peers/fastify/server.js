'use strict';

// Seed 000's routes with Fastify 5 and postgres.js.

const fastify = require('fastify');
const postgres = require('postgres');
const button = require('../common/button');
const config = require('../common/config');
const run = require('../common/run');
const statements = require('../common/statements');
const token = require('../common/token');
const webhook = require('../common/webhook');

// What goes into a json parameter is text already.
const types = { json: { to: 114, from: [114, 3802], serialize: (text) => text, parse: JSON.parse } };

// postgres.js prepares what it is sent through unsafe() only when told so.
function database() {
	const sql = postgres({ max: config.dbPool, types, onnotice: () => {} });
	const first = async (name, values) => (await sql.unsafe(statements[name], values, { prepare: true }))[0];
	return {
		claim: (...values) => first('claim', values),
		finish: async (...values) => (await first('finish', values)).current,
		release: async (...values) => (await first('release', values)).outcome,
		connection: (...values) => first('connection', values),
		webhook: (values) => first('webhook', values),
		platform: async () => (await first('platform', [])).id,
		wake: () => sql.unsafe(statements.wake).catch(() => {}),
	};
}

const text = { type: 'string' };
const bool = { type: 'boolean' };

// Answers of a known shape are written by a compiled serialiser.
const CONNECTION = { type: 'object', properties: { success: bool, connected: bool, instanceName: text, status: text,
	phoneNumber: text, profileName: text, deviceId: text, message: text } };
const DONE = { type: 'object', properties: { success: bool, message: text } };
const STORED = { type: 'object', properties: { success: bool, duplicate: bool } };

function answers(schema) {
	return { response: { 200: schema } };
}

function authenticated(request, reply, done) {
	request.user = token(request.headers.authorization);
	if (request.user) done();
	else reply.code(401).header('WWW-Authenticate', 'Bearer').send(token.UNAUTHORIZED);
}

function receiver(db) {
	let platform;
	return async (request, reply) => {
		const raw = request.body;
		if (!webhook.signatureOk(raw, request.headers['x-webhook-hmac'])) {
			reply.code(401);
			return { error: 'Assinatura inválida', message: 'O webhook não foi assinado.' };
		}
		const server = request.params.server ?? (platform ??= await db.platform());
		const params = webhook.params(server, raw, request.headers['x-webhook-request-id']);
		if (!params) {
			reply.code(400);
			return { error: 'Requisição inválida', message: 'Falta "event".' };
		}
		const { outcome, wake } = await db.webhook(params);
		if (wake || webhook.wantsHelper(outcome, params)) db.wake();
		return { success: true, duplicate: outcome === 'duplicate' };
	};
}

run(() => {
	const db = database();
	const app = fastify({ bodyLimit: 2 << 20, keepAliveTimeout: 75000 });
	app.decorateRequest('user', null);
	// the signature is over the bytes, so the bytes are kept
	app.removeAllContentTypeParsers();
	app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body));

	app.post('/api/whatsapp/connect', { onRequest: authenticated }, async (request, reply) => {
		const { status, body, retryAfter } = await button.connect(db, request.user);
		if (retryAfter) reply.header('Retry-After', String(retryAfter));
		reply.code(status);
		return body;
	});
	app.post('/api/whatsapp/disconnect', { onRequest: authenticated, schema: answers(DONE) },
		(request) => button.disconnect(db, request.user));
	app.get('/api/whatsapp/my-connection', { onRequest: authenticated, schema: answers(CONNECTION) },
		async (request) => button.connection(await db.connection(request.user.sub, null)));
	app.post('/webhook', { schema: answers(STORED) }, receiver(db));
	app.post('/webhook/:server', { schema: answers(STORED) }, receiver(db));
	app.setErrorHandler((error, request, reply) => {
		if (error.code === token.DISABLED) return reply.code(401).header('WWW-Authenticate', 'Bearer').send(token.UNAUTHORIZED);
		return reply.code(error instanceof SyntaxError ? 400 : error.statusCode ?? 503)
			.send({ error: 'Falha', message: 'Tente novamente em alguns segundos.' });
	});

	app.listen({ path: config.socket });
});
