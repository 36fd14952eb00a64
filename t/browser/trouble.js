// The Connect page when the back end is slow, empty, or gone: what it says, and that it goes on by itself.

import assert from 'node:assert/strict';

import { accessible, finish, fits, person } from './lib/browser.js';
import { env, eventually, faults, sim, stack } from './lib/stack.js';
import { atQr, button, CONNECTED, logIn, newUser, qr, scan, sees, sessionOf } from './lib/people.js';
import { test } from './lib/tap.js';

const free = async () => Number(await stack.psql_value("SELECT count(*) FROM instances WHERE lifecycle = 'standby'"));

// Logged in, and the Connect page is there.
async function atStart(options) {
	const who = await person(options);
	who.user = await newUser();
	await logIn(who.page, who.user);
	await sees(who.page, 'Conecte o seu WhatsApp');
	return who;
}

await test('nobody scans: after some runs the page asks whether somebody is there', async () => {
	const { page, user } = await atQr();
	await page.getByRole('heading', { name: 'O código expirou' }).waitFor({ timeout: 55_000 });
	await accessible(page, 'expired');
	await button(page, 'Mostrar novo código').click();
	await scan(user);
	await sees(page, CONNECTED);
});

await test('nobody types the code: it expires, and another one can be had', async () => {
	const { page, user } = await atStart();
	await button(page, 'Conectar com um código').click();
	await page.getByLabel('Número do WhatsApp').fill('(11) 98765-4321');
	await button(page, 'Gerar código').click();
	await sees(page, 'Digite este código no celular');
	await page.getByRole('heading', { name: 'O código expirou' }).waitFor({ timeout: 55_000 });
	await button(page, 'Mostrar novo código').click();
	await page.getByLabel('Número do WhatsApp').fill('(11) 98765-4321');
	await button(page, 'Gerar código').click();
	await sees(page, 'Digite este código no celular');
	await scan(user);
	await sees(page, CONNECTED);
});

await test('who has to wait is told why', async () => {
	const ana = await atStart();
	ana.expects(/connect: (429|503|504)/);
	for (const [code, status, words] of [
		['maintenance', 503, 'Estamos em manutenção.'], ['no-room', 503, 'Todas as conexões estão em uso agora.'],
		['unavailable', 503, 'se recuperando de uma falha'], ['too-many-requests', 429, 'muitos pedidos em pouco tempo'],
		['gateway-slow', 504, 'O WhatsApp está demorando'],
	]) {
		await ana.page.route('**/api/whatsapp/connect', (route) => route.fulfill({ status, headers: { 'Retry-After': '60' },
			contentType: 'application/problem+json', body: JSON.stringify({ type: `urn:wapool:problem:${code}`, title: 'x', status }) }));
		await button(ana.page, 'Conectar WhatsApp').click();
		await ana.page.getByText(words).waitFor();
		await button(ana.page, 'Cancelar').click();
		await ana.page.unroute('**/api/whatsapp/connect');
	}
});

await test('a slow gateway: the page says that it takes longer, and it can be left', async () => {
	const { page, user } = await atStart({ width: 390 });
	await faults({ kind: 'latency', path: '/api/sessions/', ms: 180_000 });    // 9 s each
	await button(page, 'Conectar WhatsApp').click();
	await page.getByText('Está demorando um pouco mais que de costume.').waitFor();
	await fits(page);
	await accessible(page, 'slow');
	await faults();
	await button(page, 'Cancelar').click();
	await button(page, 'Conectar WhatsApp').click();
	await qr(page).waitFor();
	await scan(user);
	await sees(page, CONNECTED);
});

await test('an empty pool: the page waits with the user, and the QR comes by itself', async () => {
	const ana = await atStart();
	ana.expects(/connect: 503/);
	await stack.stop_part('maintain');
	await stack.psql("UPDATE waha_servers SET ativo = false");
	await button(ana.page, 'Conectar WhatsApp').click();
	await sees(ana.page, 'Só mais um instante');
	await ana.page.getByText(/Tentamos de novo sozinhos em \d+ s/).waitFor();
	await accessible(ana.page, 'waiting');
	await stack.psql("UPDATE waha_servers SET ativo = true");
	await stack.start_maintain();
	await eventually('one is free', free);
	await qr(ana.page).waitFor({ timeout: 45_000 });
	await scan(ana.user);
	await sees(ana.page, CONNECTED);
});

// A page whose clock stands still but for tick(): { waited } is what went by. Its clicks are answered with that
// problem, and told to asked().
async function inVain(who, { path = 'api/whatsapp/connect', code, status, retryAfter, unless = () => false }) {
	const times = [];
	let now = 0;

	await who.page.route(`**/${path}`, (route) => {
		if (unless(route.request()))
			return route.continue();
		times.push(now);
		return route.fulfill({ status, headers: { 'Retry-After': `${retryAfter}` }, contentType: 'application/problem+json',
			body: JSON.stringify({ type: `urn:wapool:problem:${code}`, title: 'x', status }) });
	});
	return {
		times,
		freeze: () => who.page.clock.install(),
		async tick() {
			now += 1;
			await who.page.clock.runFor(1000);
			await who.page.getByText('Tentando de novo…').waitFor({ state: 'hidden' });
		},
	};
}

await test('a pool that stays empty: some two minutes of waiting, honestly told, then a button', async () => {
	for (const width of [1280, 390]) {
		const ana = await atStart({ width });
		const empty = await inVain(ana, { code: 'pool-empty', status: 503, retryAfter: 2 });
		const end = ana.page.getByRole('heading', { name: 'Não deu certo desta vez' });
		ana.expects(/connect: 503/);
		await empty.freeze();
		await button(ana.page, 'Conectar WhatsApp').click();
		await ana.page.getByText('Isso leva alguns segundos.').waitFor();
		await button(ana.page, 'Tentar agora').focus();
		for (let n = 0; n < 60; n++)
			await empty.tick();
		await ana.page.getByText('agora não há nenhuma livre. Pode levar uns dois minutos.').waitFor();
		await fits(ana.page);
		await accessible(ana.page, 'waiting for long');
		for (let n = 0; n < 90 && !await end.isVisible(); n++)
			await empty.tick();
		await end.waitFor();
		await ana.page.getByText('Esperamos dois minutos e nenhuma conexão ficou livre.').waitFor();
		assert.ok(empty.times.at(-1) > 100, `the last try was after ${empty.times.at(-1)} s`);
		const gaps = empty.times.slice(1).map((time, n) => time - empty.times[n]);
		assert.ok(Math.max(...gaps) <= 11 && gaps[0] <= 5 && gaps.at(-1) >= 8, `longer and longer: ${gaps}`);
		await fits(ana.page);
		await accessible(ana.page, 'given up');
		await ana.page.unroute('**/api/whatsapp/connect');
		await ana.page.clock.resume();
		await button(ana.page, 'Tentar de novo').click();
		await qr(ana.page).waitFor();
	}
});

await test('whoever has used up his keys connects without one; a long wait is told, and not waited', async () => {
	const ana = await atStart();
	ana.expects(/(connect|login): 429/);
	const keys = await inVain(ana, { code: 'idempotency-full', status: 429, retryAfter: 80_000,
		unless: (request) => !request.headers()['idempotency-key'] });
	await button(ana.page, 'Conectar WhatsApp').click();
	await qr(ana.page).waitFor();
	assert.equal(keys.times.length, 1, 'he was refused once');
	await button(ana.page, 'Cancelar').click();
	await ana.page.unroute('**/api/whatsapp/connect');

	await inVain(ana, { code: 'claims-used', status: 429, retryAfter: 1800 });
	await button(ana.page, 'Conectar WhatsApp').click();
	await ana.page.getByText('Foram muitos pedidos em pouco tempo. Tente de novo em 30 min.').waitFor();
	await accessible(ana.page, 'too often');

	/* A new number needs a key: without one a repeated request would make two. */
	await inVain(ana, { path: 'device/login', code: 'idempotency-full', status: 429, retryAfter: 80_000 });
	await ana.page.evaluate((token) => {
		const element = document.createElement('wapool-connect');
		element.setAttribute('new-device', '');
		element.setAttribute('autostart', '');
		element.token = token;
		document.querySelector('main').prepend(element);
	}, JSON.parse(await ana.page.evaluate(() => Object.values(sessionStorage).find((one) => one.includes('token')))).token);
	await ana.page.getByText('Esta conta atingiu o seu limite de pedidos por dia. Tente de novo em 23 h.').waitFor();
});

await test('the gateway is down: the page goes on by itself when it is back', async () => {
	const ana = await atStart();
	ana.expects(/connect: 50[234]/);
	await stack.stop_part('sim');
	await button(ana.page, 'Conectar WhatsApp').click();
	await sees(ana.page, 'Só mais um instante');
	await stack.start_sim('--time-scale', '20');
	/* Unless it has tried by itself in this moment, and the button is gone. */
	await button(ana.page, 'Tentar agora').click({ timeout: 5000 }).catch(() => {});
	await qr(ana.page).waitFor({ timeout: 45_000 });
});

await test('the database is away: whoever logs in is told, and is let in when it is back', async () => {
	const ana = await person();
	const user = await newUser();
	ana.expects(/login: 50[03]/);
	await ana.page.goto(env.url);
	await ana.page.getByLabel('E-mail').fill(user.email);
	await ana.page.getByLabel('Senha').fill(user.password);
	await stack.stop_postgres();
	await ana.page.keyboard.press('Enter');
	await ana.page.getByRole('alert').filter({ hasText: /tente de novo|novamente/i }).waitFor();
	await accessible(ana.page, 'refused');
	await stack.restart_postgres();
	await button(ana.page, 'Entrar').click();
	await sees(ana.page, 'Conecte o seu WhatsApp');
});

await test('the database goes while the QR is there: it stays, and the scan is seen when it is back', async () => {
	const ana = await atQr();
	ana.expects(/answer: GET .*: 50[03]/);
	const name = await sessionOf(ana.user);
	await stack.stop_postgres();
	const status = async () => (await sim('GET', `sessions?name=${name}`))[0].status;
	await eventually('there is a QR', async () => {    // on a slow machine the last one may be over: then others
		if (await status() === 'FAILED') await fetch(`${env.simUrl}/api/sessions/${name}/restart`, { method: 'POST', headers: { 'X-Api-Key': env.simKey } });
		return await status() === 'SCAN_QR_CODE';
	});
	await sim('POST', `sessions/${name}/scan`, { phone: '5511987654321', pushName: 'Ana' });
	await eventually('the gateway knows', async () => await status() === 'WORKING');
	assert.equal(await ana.page.getByText('Entrar').count(), 0, 'he is not thrown out');
	await stack.restart_postgres();
	await sees(ana.page, CONNECTED);
});

await test('the list cannot be loaded: the page says so, and tries again by itself', async () => {
	const ana = await person();
	const user = await newUser();
	ana.expects(/answer: GET .*: 50[03]/);
	await logIn(ana.page, user);
	await sees(ana.page, 'Conecte o seu WhatsApp');
	await stack.stop_postgres();
	await ana.page.reload();
	await sees(ana.page, 'Não conseguimos carregar os seus números');
	await accessible(ana.page, 'not loaded');
	await stack.restart_postgres();
	await sees(ana.page, 'Conecte o seu WhatsApp');
});

await test('nginx goes and comes back while the QR is there', async () => {
	const ana = await atQr();
	ana.expects(/ERR_CONNECTION|ERR_HTTP2|ERR_INCOMPLETE|ERR_NETWORK/);
	await stack.stop_part('nginx');
	await ana.page.getByText('Não estamos conseguindo falar com o serviço.').waitFor();
	await stack.start_nginx();
	await ana.page.getByText('Não estamos conseguindo falar com o serviço.').waitFor({ state: 'hidden' });
	await scan(ana.user);
	await sees(ana.page, CONNECTED);
});

await finish();
