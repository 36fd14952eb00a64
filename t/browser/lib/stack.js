// The stack that t/lib/Wapool/Browser.pm has started, and its methods: `await stack.psql_value('SELECT 1')` is Perl's
// $s->psql_value('SELECT 1'). One JSON line each way on fd 3; when that ends, so do we.

import net from 'node:net';
import readline from 'node:readline';

const socket = new net.Socket({ fd: 3, readable: true, writable: true });
const waiting = new Map();
let last = 0;

readline.createInterface({ input: socket }).on('line', (line) => {
	const { id, value, error } = JSON.parse(line);
	const { resolve, reject } = waiting.get(id);
	waiting.delete(id);
	if (error === undefined) resolve(value);
	else reject(new Error(error));
});
socket.on('close', () => process.exit(1));
socket.unref();

function call(method, args) {
	const id = ++last;
	socket.ref();
	socket.write(JSON.stringify({ id, method, args }) + '\n');
	return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
		.finally(() => { if (!waiting.size) socket.unref(); });
}

export const stack = new Proxy({}, { get: (_, method) => (...args) => call(method, args) });

export const env = {
	url: process.env.URL,
	httpUrl: process.env.HTTP_URL,
	simUrl: process.env.SIM_URL,
	simKey: process.env.SIM_KEY,
	artifacts: process.env.ARTIFACTS,
};

// The simulator's remote control: await sim('POST', 'sessions/NAME/scan', {phone: '5511…'}). server: another of its gateways.
export async function sim(method, path, body, server) {
	const answer = await fetch(`${env.simUrl}${server ? `/s/${server}` : ''}/_sim/${path}`, {
		method,
		headers: { 'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body),
	});
	const text = await answer.text();
	if (!answer.ok) throw new Error(`${method} /_sim/${path}: ${answer.status} ${text}`);
	return text === '' ? undefined : JSON.parse(text);
}

// Replaces the simulator's faults; none: all is well.
export const faults = (...list) => sim('PUT', 'faults', { faults: list });

// Polls until fn returns something true; returns that.
export async function eventually(what, fn, seconds = 30) {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const got = await fn();
		if (got) return got;
		if (Date.now() > end) throw new Error(`never: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}
