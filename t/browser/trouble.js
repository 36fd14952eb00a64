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

await test('the gateway is down: the page goes on by itself when it is back', async () => {
	const ana = await atStart();
	ana.expects(/connect: 50[234]/);
	await stack.stop_part('sim');
	await button(ana.page, 'Conectar WhatsApp').click();
	await sees(ana.page, 'Só mais um instante');
	await stack.start_sim('--time-scale', '20');
	await button(ana.page, 'Tentar agora').click();
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
	await sim('POST', `sessions/${name}/scan`, { phone: '5511987654321', pushName: 'Ana' });
	await eventually('the gateway knows', async () => (await sim('GET', `sessions?name=${name}`))[0].status === 'WORKING');
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
