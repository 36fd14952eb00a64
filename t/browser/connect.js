// The Connect page: what an end user sees from the click to the connected phone, and after it.

import assert from 'node:assert/strict';

import { accessible, finish, fits, painted, person } from './lib/browser.js';
import { env, eventually, sim, stack } from './lib/stack.js';
import { atQr, button, CONNECTED, hide, hideable, logIn, newPhone, newUser, qr, scan, sees, sessionOf } from './lib/people.js';
import { test } from './lib/tap.js';

// What the phone reads from the picture on the page.
async function readQr(page) {
	return stack.qr_of_data_uri(await qr(page).getAttribute('src'));
}

async function shownByGateway(name) {
	return (await sim('GET', `sessions?name=${name}`))[0].qr;
}

// A page that is loaded again has lost this.
const mark = (page) => page.evaluate(() => { window.sinceTheClick = true; });
const marked = async (page) => assert.equal(await page.evaluate(() => window.sinceTheClick), true, 'the page was not loaded again');

// Waits until every request of the page from now on has its answer, and the page has shown it.
function answered(page) {
	let open = 0;

	page.on('request', () => { open += 1; });
	for (const end of ['requestfinished', 'requestfailed']) page.on(end, () => { open -= 1; });
	return async () => {
		await eventually('all is answered', () => open === 0);
		await painted(page);
	};
}

async function atConnected(options) {
	const who = await atQr(options);
	who.session = await scan(who.user);
	await sees(who.page, /WhatsApp (conectado|connected)/);
	return who;
}

await test('from the log-in to the connected phone, without a reload', async () => {
	const ana = await person();
	const user = await newUser();
	await logIn(ana.page, user);
	await sees(ana.page, 'Conecte o seu WhatsApp');
	await mark(ana.page);
	await accessible(ana.page, 'before');
	await button(ana.page, 'Conectar WhatsApp').click();
	await qr(ana.page).waitFor();
	await accessible(ana.page, 'the QR');
	const name = await sessionOf(user);
	await eventually('a phone reads what the gateway shows', async () => (await readQr(ana.page)) === await shownByGateway(name));
	assert.doesNotMatch(await ana.page.evaluate(() => document.documentElement.outerHTML + document.querySelector('wapool-connect').shadowRoot.innerHTML),
		/inst[aâ]nc/i, 'nobody hears of instances');
	await scan(user, { phone: '5511987654321', pushName: 'Ana Souza' });
	await sees(ana.page, CONNECTED);
	await ana.page.getByText('+55 11 98765-4321').waitFor();
	await ana.page.getByText('Ana Souza').waitFor();
	await marked(ana.page);
	await accessible(ana.page, 'connected');
	await ana.page.reload();
	await sees(ana.page, CONNECTED);
});

await test('the QR renews by itself, and the new one can be scanned', async () => {
	const { page, user } = await atQr();
	const first = await qr(page).getAttribute('src');
	await mark(page);
	await eventually('another picture', async () => (await qr(page).getAttribute('src')) !== first);
	const name = await sessionOf(user);
	await eventually('it is the one of the gateway', async () => (await readQr(page)) === await shownByGateway(name));
	await scan(user);
	await sees(page, CONNECTED);
	await marked(page);
});

await test('the countdown begins where the service says', async () => {
	const { page } = await person({ ignoreHTTPSErrors: true });    // route.fetch() is node's own
	await page.route('**/api/whatsapp/connect', async (route) => {
		const response = await route.fetch();
		await route.fulfill({ response, json: { ...await response.json(), expiresIn: 999 } });
	});
	await logIn(page, await newUser());
	await button(page, 'Conectar WhatsApp').click();
	await page.getByText(/Novo código em 9\d\d s/).waitFor();
});

await test('a page that was in the background shows a code that is good', async () => {
	const ana = await person();
	const user = await newUser();
	ana.expects(/events/);
	await ana.page.route('**/api/whatsapp/events', (route) => route.abort());    // what is asleep hears nothing
	const quiet = answered(ana.page);
	await hideable(ana.page);
	await logIn(ana.page, user);
	await button(ana.page, 'Conectar WhatsApp').click();
	await qr(ana.page).waitFor();
	const name = await sessionOf(user);
	await hide(ana.page, true);
	await quiet();    // it may have asked for a new one just before
	const first = await readQr(ana.page);
	await eventually('the gateway shows another', async () => (await shownByGateway(name)) !== first);
	assert.equal(await readQr(ana.page), first, 'nobody looks, nobody asks');
	await hide(ana.page, false);
	await eventually('the page, too', async () => (await readQr(ana.page)) === await shownByGateway(name));
	await hide(ana.page, true);
	await scan(user);
	await hide(ana.page, false);
	await sees(ana.page, CONNECTED);
});

await test('who loads the page again while the QR is there sees it again', async () => {
	const { page, user } = await atQr();
	await page.reload();
	await qr(page).waitFor();
	await scan(user);
	await sees(page, CONNECTED);
});

await test('a pairing code instead of the QR', async () => {
	const { page } = await person({ width: 390 });
	const user = await newUser();
	await logIn(page, user);
	await button(page, 'Conectar com um código').click();
	const number = page.getByLabel('Número do WhatsApp');
	await accessible(page, 'the number');
	await number.fill('abc');
	await button(page, 'Gerar código').click();
	await page.getByText('Confira o número').waitFor();
	await accessible(page, 'the number, refused');
	await number.fill('(11) 98765-4321');
	await button(page, 'Gerar código').click();
	await sees(page, 'Digite este código no celular');
	const name = await sessionOf(user);
	const { code } = (await sim('GET', `sessions?name=${name}`))[0];
	await page.getByText(code, { exact: true }).waitFor();
	await fits(page);
	await accessible(page, 'the code');
	await scan(user, { phone: '5511987654321' });
	await sees(page, CONNECTED);
});

await test('a log-out on the phone shows at once', async () => {
	const { page, session } = await atConnected();
	await mark(page);
	await sim('POST', `sessions/${session}/logout`);
	await page.getByText('O WhatsApp foi desconectado.').waitFor({ timeout: 10_000 });
	await marked(page);
	await accessible(page, 'logged out');
	await button(page, 'Conectar WhatsApp').waitFor();
});

await test('a phone without a network: the page waits with the user, and tells when it is back', async () => {
	const { page, session } = await atConnected();
	await sim('POST', `sessions/${session}/drop`);
	await sees(page, 'Reconectando o WhatsApp…');
	await accessible(page, 'reconnecting');
	await sim('POST', `sessions/${session}/restore`);
	await sees(page, CONNECTED);
});

await test('a phone that stays away: the page says what to look at, and connecting again is a way out', async () => {
	const { page, context } = await person();
	const user = await newUser();
	await page.clock.install();
	await logIn(page, user);
	await button(page, 'Conectar WhatsApp').click();
	await qr(page).waitFor();
	const session = await scan(user);
	await sees(page, CONNECTED);
	await sim('POST', `sessions/${session}/drop`);
	await sees(page, 'Reconectando o WhatsApp…');
	await page.clock.fastForward(31_000);
	await page.getByText('Confira se o celular está ligado').waitFor();
	await button(page, 'Conectar de novo').click();
	await sees(page, 'Preparando o seu QR Code…');
	await sim('POST', `sessions/${session}/restore`);
	await sees(page, CONNECTED);
	assert.equal(await sessionOf(user), session, 'it is the same pairing');
	await context.close();
});

await test('disconnecting asks once, and no is no', async () => {
	const { page, user } = await atConnected();
	await button(page, 'Desconectar').click();
	const dialog = page.getByRole('dialog', { name: 'Desconectar este WhatsApp?' });
	await accessible(page, 'the question');
	await page.keyboard.press('Escape');
	await dialog.waitFor({ state: 'hidden' });
	await sees(page, CONNECTED);
	await button(page, 'Desconectar').click();
	await dialog.getByRole('button', { name: 'Desconectar' }).click();
	await sees(page, 'Conecte o seu WhatsApp');
	assert.equal(await stack.psql_value(`SELECT count(*) FROM instances i JOIN users u ON u.id = i.assigned_to_user_id
		WHERE u.email = '${user.email}'`), '0', 'it was given back');
});

await test('two users at once never see each other', async () => {
	const [ana, beto] = await Promise.all([atQr(), atQr()]);
	assert.notEqual(await readQr(ana.page), await readQr(beto.page));
	await scan(ana.user, { phone: '5511911111111', pushName: 'Ana' });
	await sees(ana.page, CONNECTED);
	await qr(beto.page).waitFor();
	await scan(beto.user, { phone: '5511922222222', pushName: 'Beto' });
	await sees(beto.page, CONNECTED);
	for (const [who, other] of [[ana, '91111-1111'], [beto, '92222-2222']].map(([who], i) => [who, ['92222-2222', '91111-1111'][i]])) {
		const text = await who.page.locator('main').innerText();
		assert.ok(!text.includes(other), text);
	}
	await sim('POST', `sessions/${await sessionOf(ana.user)}/logout`);
	await ana.page.getByText('O WhatsApp foi desconectado.').waitFor();
	await sees(beto.page, CONNECTED);
});

await test('two windows of one user tell the same', async () => {
	const { page, context, session } = await atConnected();
	const other = await context.newPage();
	const kept = await page.evaluate(() => JSON.stringify(sessionStorage));
	await other.goto(`${env.url}/404.html`);
	await other.evaluate((all) => Object.entries(JSON.parse(all)).forEach(([name, value]) => sessionStorage.setItem(name, value)), kept);
	await other.goto(env.url);
	await sees(other, CONNECTED);
	await sim('POST', `sessions/${session}/logout`);
	await Promise.all([page, other].map((one) => one.getByText('O WhatsApp foi desconectado.').waitFor()));
});

await test('several numbers are cards with names, and a name that is code is text', async () => {
	const { page, user, session } = await atConnected();
	const evil = '<img src=x onerror="window.struck=1">';
	await button(page, 'Conectar outro número').click();
	await page.getByLabel('Nome deste número').fill(evil);
	await accessible(page, 'its name');
	await stack.psql(`UPDATE devices SET nome = 'Loja' WHERE user_id = (SELECT id FROM users WHERE email = '${user.email}')`);
	await sim('POST', `sessions/${session}/drop`);
	await sees(page, 'Reconectando o WhatsApp…');
	await sim('POST', `sessions/${session}/restore`);
	await page.getByRole('heading', { name: 'Loja' }).waitFor();
	assert.equal(await page.getByRole('heading', { name: /^(Número 2|Conectar outro número)$/ }).count(), 1, 'one question, whatever happens beside it');
	await button(page, 'Continuar').click();
	await qr(page).waitFor();
	await scan(user, { n: 1, phone: newPhone(), pushName: evil });
	await page.getByRole('heading', { name: CONNECTED }).nth(1).waitFor();
	await page.getByRole('heading', { name: evil, exact: true }).waitFor();
	await eventually('the push name too', async () => (await page.getByText(evil, { exact: true }).count()) === 2);
	assert.equal(await page.evaluate(() => window.struck), undefined);
	await accessible(page, 'two numbers');
	await page.setViewportSize({ width: 390, height: 800 });
	await fits(page, 'two numbers on a phone');
});

await test('another number can be given up, and one is taken off the list after a question', async () => {
	const { page, user } = await atConnected();
	const devices = () => stack.psql_value(`SELECT count(*) FROM devices d JOIN users u ON u.id = d.user_id WHERE u.email = '${user.email}'`);
	await button(page, 'Conectar outro número').click();
	await button(page, 'Cancelar').click();
	await button(page, 'Conectar outro número').click();
	await button(page, 'Continuar').click();
	await qr(page).waitFor();
	await button(page, 'Cancelar').click();
	await button(page, 'Conectar outro número').waitFor();
	await eventually('nothing is left of it', async () => await devices() === '1');
	await stack.psql(`INSERT INTO devices (user_id, nome) SELECT id, 'Filial ' || n FROM users, generate_series(1, 9) n WHERE email = '${user.email}'`);
	await page.reload();
	await page.getByText('Você conectou todos os 10 números que pode ter.').waitFor();
	assert.equal(await button(page, 'Conectar outro número').count(), 0);
	await button(page, 'Remover: Filial 3').click();
	await accessible(page, 'the question');
	await page.getByRole('dialog').getByRole('button', { name: 'Cancelar' }).click();
	await page.getByRole('heading', { name: 'Filial 3' }).waitFor();
	await button(page, 'Remover: Filial 3').click();
	await page.getByRole('dialog').getByRole('button', { name: 'Remover' }).click();
	await page.getByRole('heading', { name: 'Filial 3' }).waitFor({ state: 'detached' });
	await button(page, 'Conectar outro número').waitFor();
	await eventually('it is gone', async () => await devices() === '9');
	await sees(page, CONNECTED);
});

await test('the keyboard alone is enough', async () => {
	const { page } = await person();
	const user = await newUser();
	const press = async (name) => {
		for (let i = 0; i < 40; i++) {
			await page.keyboard.press('Tab');
			const focused = await page.evaluate(() => {
				let element = document.activeElement;
				while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
				const outline = getComputedStyle(element).outlineStyle;
				return { text: (element.innerText || element.getAttribute('aria-label') || '').trim(), outline };
			});
			if (focused.text === name) {
				assert.notEqual(focused.outline, 'none', `${name}: the focus is seen`);
				return page.keyboard.press('Enter');
			}
		}
		throw new Error(`${name} cannot be reached by Tab`);
	};
	await page.goto(env.url);
	await page.getByLabel('E-mail').waitFor();
	await press('Ir para o conteúdo');
	await page.keyboard.press('Tab');
	await page.keyboard.type(user.email);
	await page.keyboard.press('Tab');
	await page.keyboard.type(user.password);
	await page.keyboard.press('Enter');
	await sees(page, 'Conecte o seu WhatsApp');
	await press('Conectar WhatsApp');
	await qr(page).waitFor();
	await press('Conectar com um código');
	await page.keyboard.type('11987654321');
	await page.keyboard.press('Enter');
	await sees(page, 'Digite este código no celular');
	await scan(user);
	await sees(page, CONNECTED);
	await press('Desconectar');
	await page.getByRole('dialog').waitFor();
	await page.keyboard.press('Tab');
	await page.keyboard.press('Enter');
	await sees(page, 'Conecte o seu WhatsApp');
});

await test('a network that goes away and comes back', async () => {
	const ana = await atQr();
	ana.expects(/ERR_INTERNET_DISCONNECTED/);
	await ana.context.setOffline(true);
	await ana.page.getByText('Sem internet.').waitFor();
	const name = await scan(ana.user);
	await eventually('the gateway knows', async () => (await sim('GET', `sessions?name=${name}`))[0].status === 'WORKING');
	await ana.context.setOffline(false);
	await sees(ana.page, CONNECTED);
	await ana.page.getByText('Sem internet.').waitFor({ state: 'hidden' });
});

await test('without live updates the page polls', async () => {
	const ana = await person();
	ana.expects(/events/);
	await ana.page.route('**/api/whatsapp/events', (route) => route.abort());
	const user = await newUser();
	await logIn(ana.page, user);
	await button(ana.page, 'Conectar WhatsApp').click();
	await qr(ana.page).waitFor();
	await scan(user);
	await sees(ana.page, CONNECTED);
});

await test('a token that the service refuses ends the session, and the log-in leads back', async () => {
	const ana = await atQr();
	ana.expects(/answer: .*: 401/);
	await ana.page.evaluate(() => {
		const kept = JSON.parse(sessionStorage.getItem('wapool.session'));
		sessionStorage.setItem('wapool.session', JSON.stringify({ ...kept, token: `${kept.token}x` }));
	});
	await ana.page.reload();
	await ana.page.getByText('Entre de novo para continuar').waitFor();
	await ana.page.getByLabel('E-mail').fill(ana.user.email);
	await ana.page.getByLabel('Senha').fill(ana.user.password);
	await ana.page.keyboard.press('Enter');
	await qr(ana.page).waitFor();
});

await test('a session that ends by the clock while the QR is there: who logs in again finds it', async () => {
	const { page } = await person();
	const user = await newUser();
	await page.clock.install();
	await logIn(page, user);
	await button(page, 'Conectar WhatsApp').click();
	await qr(page).waitFor();
	await page.clock.fastForward('01:00:05');
	await page.getByText('Entre de novo para continuar').waitFor();
	assert.equal(await qr(page).count(), 0, 'and no QR is left on the screen');
	await page.getByLabel('E-mail').fill(user.email);
	await page.getByLabel('Senha').fill(user.password);
	await page.keyboard.press('Enter');
	await qr(page).or(button(page, 'Conectar WhatsApp')).first().waitFor();
});

await test('in English, and changed while the QR is there', async () => {
	const { page, user } = await atQr({ lang: 'en-US', width: 390 });
	await sees(page, 'Scan the QR code with your phone');
	await fits(page);
	await button(page, 'PT').click();
	await sees(page, 'Leia o QR Code com o celular');
	await qr(page).waitFor();
	await scan(user);
	await sees(page, CONNECTED);
});

await finish();
