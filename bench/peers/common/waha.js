'use strict';

const { Pool } = require('undici');
const config = require('./config');

// WAHA's calls that the button needs, over connections that are kept.
const waha = new Pool(config.wahaUrl, { connections: 32, headersTimeout: 10000, bodyTimeout: 10000 });
const headers = { 'X-Api-Key': config.wahaKey, Accept: 'application/json' };

async function call(method, path) {
	const { statusCode, body } = await waha.request({ method, path, headers });
	const text = await body.text();
	if (statusCode >= 400) throw Object.assign(new Error(`WAHA answered ${statusCode}`), { gateway: statusCode });
	return JSON.parse(text);
}

module.exports = {
	start: (name) => call('POST', `/api/sessions/${encodeURIComponent(name)}/start`),
	restart: (name) => call('POST', `/api/sessions/${encodeURIComponent(name)}/restart`),
	state: (name) => call('GET', `/api/sessions/${encodeURIComponent(name)}`),
	qr: async (name) => (await call('GET', `/api/${encodeURIComponent(name)}/auth/qr?format=raw`)).value,
};
