// What the pages asked and were answered, written down for t/traffic-check as Wapool::Client does, if WAPOOL_TRAFFIC names a
// directory: so docs/openapi.yaml is held to them, too.

import fs from 'node:fs';

import { env } from './stack.js';

const MAX = 64 * 1024;    // of a body
const dir = process.env.WAPOOL_TRAFFIC;
const API = /^\/(api|device|admin|health)\//;

async function exchange(request) {
	const response = await request.response();
	const url = new URL(request.url());
	// what a test answered in the service's place came from no address
	if (!response || !await response.serverAddr() || !API.test(url.pathname)) return undefined;
	const answer = response.headers();
	if (answer['content-type']?.startsWith('text/event-stream')) return undefined;
	const content = (await response.body()).toString('utf8');
	const { authorization, ...headers } = request.headers();
	return {
		method: request.method(), path: url.pathname + url.search, status: response.status(), test: process.argv[1],
		headers, answer, body: request.postData(), content: content.length > MAX || content.includes('\ufffd') ? null : content,
	};
}

// Watches a context. What is still on its way when the context is closed is not written down.
export function note(context) {
	if (!dir) return;
	context.on('requestfinished', async (request) => {
		if (!request.url().startsWith(env.url)) return;
		const line = await exchange(request).catch(() => undefined);
		if (line) fs.appendFileSync(`${dir}/${process.pid}.jsonl`, `${JSON.stringify(line)}\n`);
	});
}
