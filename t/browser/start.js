// The start page, and that the watch over pages sees what it is there for.

import assert from 'node:assert/strict';

import { accessible, finish, fits, person } from './lib/browser.js';
import { env, eventually } from './lib/stack.js';
import { test } from './lib/tap.js';

await test('the start page', async () => {
	const ana = await person();
	const answer = await ana.page.goto(env.url);
	assert.equal(answer.status(), 200);
	await accessible(ana.page);
	await fits(ana.page);
});

await test('the start page on a phone', async () => {
	const ana = await person({ width: 390 });
	await ana.page.goto(env.url);
	await fits(ana.page);
});

await test("the simulator's page", async () => {
	const ana = await person();
	await ana.page.goto(`${env.simUrl}/_sim/`);
	await ana.page.getByText('pool-').first().waitFor();
	await accessible(ana.page);
});

await test('a page that has trouble is found out', async () => {
	const ana = await person();
	await ana.page.route('**/troubled', (route) => route.fulfill({
		contentType: 'text/html',
		headers: { 'Content-Security-Policy': "default-src 'self'; script-src 'self' 'nonce-1'" },
		body: `<!DOCTYPE html><title>x</title><p>x<script>alert(1)</script>
			<script nonce="1">console.error('said'); fetch('/api/whatsapp/my-connection'); setTimeout(() => { throw new Error('thrown'); });</script>`,
	}));
	await ana.page.goto(`${env.url}/troubled`);
	for (const what of [/CSP: script-src/, /console: said/, /exception: .*thrown/, /answer: GET .*my-connection: 401/]) {
		await eventually(`${what} is found`, () => ana.unexpected().some((line) => what.test(line)));
	}
	ana.expects(/./);
});

await test('axe-core is at work', async () => {
	const ana = await person();
	await ana.page.goto(env.url);
	await ana.page.evaluate(() => document.body.append(document.createElement('button')));
	await assert.rejects(accessible(ana.page), /button-name/);
});

await finish();
