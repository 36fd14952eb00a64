/* www/js/live.js without a browser: a fetch that the test plays, and a clock of its own. */

import assert from 'node:assert/strict';

import { plan, test } from './lib/tap.js';
import { live, parser } from '../../www/js/live.js';

const encoder = new TextEncoder();

/* A page with a stream: what it heard, and the other end of each request. */
function page(options = {}) {
	const seen = { syncs: [], events: [], states: [], denied: [], requests: [] };
	const stream = live({
		url: 'http://here/events', token: () => 'a-token',
		onSync: (why) => seen.syncs.push(why), onEvent: (event) => seen.events.push(event),
		onState: (state) => seen.states.push(state), onDenied: (status) => seen.denied.push(status),
		fetch: (url, init) => new Promise((resolve, reject) => {
			init.signal.addEventListener('abort', () => reject(new Error('aborted')));
			seen.requests.push({ url, ...init, ...answers(resolve, init.signal), fail: () => reject(new TypeError('offline')) });
		}),
		...options,
	});

	return { ...seen, stream, last: () => seen.requests.at(-1) };
}

function answers(resolve, signal) {
	let writer;

	return {
		open() {
			const body = new ReadableStream({ start(controller) {
				writer = controller;
				signal.addEventListener('abort', () => {
					try {
						controller.error(new Error('aborted'));
					} catch { /* it was closed */ }
				});
			} });

			resolve(new Response(body, { status: 200, headers: { 'Content-Type': 'text/event-stream' } }));
		},
		send: (text) => writer.enqueue(encoder.encode(text)),
		end: () => writer.close(),
		answer: (status, headers = {}) => resolve(new Response('{}', { status, headers })),
	};
}

const settle = () => new Promise((done) => setImmediate(done));

/* Time that passes when the test says so, and pauses that are as long as they may be. */
const clock = { now: 0, timers: new Map(), next: 1 };
const real = { setTimeout, clearTimeout, now: Date.now, random: Math.random };

async function pass(ms) {
	const until = clock.now + ms;

	await settle();
	for (;;) {
		const [id, due] = [...clock.timers].sort((a, b) => a[1].at - b[1].at)[0] ?? [];

		if (!due || due.at > until)
			break;
		clock.now = due.at;
		clock.timers.delete(id);
		due.run();
		await settle();
	}
	clock.now = until;
	await settle();
}

async function timed(name, run) {
	await test(name, async () => {
		await settle();    // test() has a timer of its own
		globalThis.setTimeout = (run, ms = 0) => {
			clock.timers.set(clock.next, { at: clock.now + ms, run });
			return clock.next++;
		};
		globalThis.clearTimeout = (id) => clock.timers.delete(id);
		Date.now = () => clock.now;
		Math.random = () => 1;
		try {
			await run();
			await settle();
			assert.equal(clock.timers.size, 0, 'no timer is left behind');
		} finally {
			Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
			Date.now = real.now;
			Math.random = real.random;
			clock.timers.clear();
		}
	});
}

await test('the parser: pieces, comments, line ends of every kind, events without data', () => {
	const heard = [];
	const feed = parser((event) => heard.push(event));

	for (const piece of [': hi\n\n', 'id: 1:0\r', '\nevent: a\r\nda', 'ta: {"x":\r\ndata: 1}\r\n\r\n', 'event: ping\n\n', 'data: é\n\n', ':410: gone\n\n'])
		feed(piece);
	assert.deepEqual(heard, [
		{ type: 'a', data: '{"x":\n1}', id: '1:0' }, { type: 'ping', data: '', id: '1:0' }, { type: 'message', data: 'é', id: '1:0' }]);
});

await timed('it asks with the token, fetches the state once it is open, and hands events on', async () => {
	const p = page();

	await settle();
	assert.equal(p.last().headers.Authorization, 'Bearer a-token');
	assert.equal(p.last().headers['Last-Event-ID'], undefined);
	p.last().open();
	await settle();
	assert.deepEqual(p.syncs, ['open']);
	p.last().send('event: ping\n\nid: 7:0\nevent: qr.updated\ndata: {"type":"qr.up');
	p.last().send('dated","deviceId":"d"}\n\nid: 7:1\ndata: not JSON\n\n');
	await settle();
	assert.deepEqual(p.events, [{ type: 'qr.updated', deviceId: 'd' }]);
	assert.deepEqual(p.states, ['live']);
	p.stream.close();
});

await timed('a stream that ends goes on from its last event, without a word to the page but "resumed"', async () => {
	const p = page();

	await settle();
	p.last().open();
	await settle();
	p.last().send('id: 7:3\ndata: {}\n\n');
	await pass(2000);
	assert.deepEqual(p.syncs, ['open', 'poll'], 'once more: of what was just being written it did not hear');
	p.last().end();
	await pass(1100);
	assert.equal(p.requests.length, 2);
	assert.equal(p.last().headers['Last-Event-ID'], '7:3');
	p.last().open();
	await settle();
	assert.deepEqual([p.syncs, p.states], [['open', 'poll', 'resumed'], ['live']]);
	await pass(3000);
	assert.deepEqual(p.syncs, ['open', 'poll', 'resumed', 'poll'], 'and once more: a reloaded nginx may have lost something');
	p.stream.close();
});

await timed('while there is no stream it polls, and tries again later and later, but not too late', async () => {
	const p = page({ pollMs: 5000 });
	const began = clock.now;

	await settle();
	for (let i = 0; i < 12; i++) {
		p.last().fail();
		await pass(Math.min(2 ** i, 30) * 1000 + 200);
		assert.equal(p.requests.length, i + 2, `attempt ${i + 2}`);
		if (i >= 5)
			assert.ok(clock.now - began > 1000, 'not in a tight loop');
	}
	assert.ok(p.syncs.every((why) => why === 'poll'));
	assert.ok(p.syncs.length >= (clock.now - began) / 5000, `${p.syncs.length} polls`);
	p.last().open();
	await settle();
	assert.deepEqual(p.states, ['polling', 'live']);
	p.stream.close();
});

await timed('Retry-After is respected', async () => {
	const p = page();

	await settle();
	p.last().answer(429, { 'Retry-After': '20' });
	await pass(19000);
	assert.equal(p.requests.length, 1);
	await pass(2000);
	assert.equal(p.requests.length, 2);
	p.stream.close();
});

await timed('a stream that is silent for too long is given up; so is an answer that never begins', async () => {
	const p = page({ silenceMs: 45000 });

	await settle();
	p.last().open();
	for (let i = 0; i < 3; i++) {
		await pass(40000);
		p.last().send('event: ping\n\n');
	}
	assert.equal(p.requests.length, 1);
	await pass(47000);
	assert.equal(p.requests.length, 2);
	await pass(16500);
	assert.equal(p.requests.length, 3);
	p.stream.close();
});

await timed('a server that ends every stream at once is not asked in a tight loop', async () => {
	const p = page();

	await settle();
	for (let i = 0; i < 600; i++) {
		if (!p.last().signal.aborted) {
			p.last().open();
			await settle();
			p.last().end();
		}
		await pass(100);
	}
	assert.ok(p.requests.length <= 25, `${p.requests.length} requests in a minute`);
	p.stream.close();
});

await timed('401 and 403 end it and tell the page', async () => {
	for (const status of [401, 403]) {
		const p = page();

		await settle();
		p.last().answer(status);
		await pass(60000);
		assert.deepEqual([p.denied, p.stream.state, p.requests.length, p.syncs], [[status], 'closed', 1, []]);
	}
});

await timed('closed is closed: nothing is asked and nothing is told any more', async () => {
	const p = page();

	await settle();
	p.last().open();
	await settle();
	p.stream.close();
	p.stream.close();
	await pass(120000);
	assert.ok(p.last().signal.aborted);
	assert.deepEqual([p.requests.length, p.syncs, p.states], [1, ['open'], ['live', 'closed']]);
});

await timed('with a stream the state is still fetched once a minute', async () => {
	const p = page({ syncMs: 60000, silenceMs: 1000000 });

	await settle();
	p.last().open();
	await pass(2000);
	assert.deepEqual(p.syncs.splice(0), ['open', 'poll'], 'twice at first');
	await pass(185000);
	assert.deepEqual(p.syncs, ['poll', 'poll', 'poll']);
	p.stream.close();
});

plan();
