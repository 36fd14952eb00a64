// The operators' page: the pool as it is and was, instances and what is done to them, events that did not arrive.

import assert from 'node:assert/strict';

import { accessible, finish, fits, person } from './lib/browser.js';
import { env, eventually, sim, stack } from './lib/stack.js';
import { logIn, newUser } from './lib/people.js';
import { test } from './lib/tap.js';

const admin = await newUser({ admin: true });

// Somebody at that part of the page.
async function operator(hash = '', options = {}) {
	const who = await person(options);
	await logIn(who.page, admin);
	await who.page.goto(`${env.url}/ops/${hash}`);
	return who;
}

const api = async (method, path, token, body) => JSON.parse(await stack.api(method, path, token, JSON.stringify(body)));

// A customer with an instance: { id, token, instance }.
async function customer() {
	const id = await stack.unique_user();
	const token = await stack.token(id);
	const { instanceName } = await api('POST', '/api/whatsapp/connect', token, {});
	return { id, token, instance: instanceName };
}

const tile = (page, id) => page.locator(`#tile-${id} .tile-value`);
const said = (page, text) => page.locator('.notice').filter({ hasText: text }).waitFor();
const dialog = (page) => page.getByRole('dialog');

await eventually('the pool is full', async () => await stack.psql_value("SELECT count(*) FROM instances WHERE lifecycle = 'standby'") >= 4);

// --- Who ---

await test('it is for administrators', async () => {
	const { page } = await person();
	await logIn(page, await newUser());
	assert.equal(await page.getByRole('link', { name: 'Operação' }).count(), 0);
	await page.goto(`${env.url}/ops/`);
	await page.getByText('Esta página é só para administradores.').waitFor();
});

await test('who is not logged in logs in first, and comes back to where he was going', async () => {
	const { page } = await person();
	await page.goto(`${env.url}/ops/#instances`);
	await page.locator('#email').fill(admin.email);
	await page.locator('#password').fill(admin.password);
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { level: 2, name: 'Instâncias' }).waitFor();
});

// --- The pool ---

await test('the pool: its numbers follow by themselves', async () => {
	const { page } = await operator();
	await eventually('the free ones are shown', async () => await tile(page, 'free').textContent() === '4');
	await page.getByText('meta 4, mínimo 2').waitFor();
	const used = Number(await tile(page, 'assigned').textContent());
	await customer();
	await eventually('one more is in use', async () => Number(await tile(page, 'assigned').textContent()) === used + 1);
});

await test('its history is a picture with words and numbers, in the range, theme and language of the moment', async () => {
	const { page } = await operator();
	const picture = page.locator('img.plot');
	const asked = [];
	page.on('request', (request) => request.url().includes('.svg?') && asked.push(new URL(request.url()).searchParams));
	await eventually('there is a sample', async () => Number(await stack.psql_value('SELECT count(*) FROM pool_samples')) > 0);
	await picture.waitFor();
	assert.match(await picture.getAttribute('alt'), /^Pool de instâncias: última hora\. .*livres: /);
	await eventually('it is drawn', () => picture.evaluate((image) => image.complete && image.naturalWidth > 300));
	await page.getByRole('radio', { name: 'Semana' }).check();
	await eventually('a week', async () => /últimos 7 dias/.test(await picture.getAttribute('alt')));
	await page.locator('#theme').click();
	await eventually('dark', () => asked.at(-1)?.get('theme') === 'dark' && asked.at(-1)?.get('range') === 'week');
	await page.locator('#language').click();
	await eventually('English', async () => /last hour|last 7 days/.test(await page.locator('img.plot').getAttribute('alt') ?? ''));
	await page.getByText('Show the numbers').click();
	await page.getByRole('columnheader', { name: 'Fewest free' }).waitFor();
	await page.setViewportSize({ width: 500, height: 800 });
	await eventually('as wide as there is room', () => Number(asked.at(-1).get('width')) < 480);
});

await test('an alarm is shown while it lasts', async () => {
	const { page } = await operator();
	await tile(page, 'free').waitFor();
	/* The helper's next look would find nothing wrong and take it away: there is none for a while; one that is
	   under way may still do so, once. */
	await eventually('nobody looks at the server', async () => await stack.psql_value(`WITH later AS (
		UPDATE waha_servers SET check_next_at = now() + interval '1 day' WHERE nome = 'WAHA' AND check_lease_until IS NULL RETURNING 1)
		SELECT count(*) FROM later`) === '1');
	await eventually('it is shown', async () => {
		await stack.psql(`INSERT INTO alarms (kind, server_id, reason)
			SELECT 'server', id, 'connection refused' FROM waha_servers WHERE nome = 'WAHA' ON CONFLICT DO NOTHING`);
		return await page.locator('.notice').filter({ hasText: 'WAHA não responde' }).count() > 0;
	});
	await page.getByText('connection refused').waitFor();
	await accessible(page, 'with an alarm');
	await stack.psql('DELETE FROM alarms');
	await stack.psql("UPDATE waha_servers SET check_next_at = now() WHERE nome = 'WAHA'");
	await page.locator('#alarms').getByText('WAHA não responde').waitFor({ state: 'detached' });

	/* One at somebody's own server says whose it is. */
	await stack.psql(`INSERT INTO waha_servers (nome, api_url, user_id, check_next_at)
		SELECT 'Dela', 'https://dela.example', id, now() + interval '1 day' FROM users WHERE email = '${admin.email}'`);
	await stack.psql("INSERT INTO alarms (kind, server_id, reason) SELECT 'server', id, 'connection refused' FROM waha_servers WHERE nome = 'Dela'");
	await said(page, `Dela, servidor de ${admin.email}, não responde`);
	await page.getByText('só as conexões dele').waitFor();
	await page.getByRole('row', { name: /Dela/ }).getByText(admin.email).waitFor();
	await stack.psql("DELETE FROM waha_servers WHERE nome = 'Dela'");
	await page.locator('#alarms').getByText('servidor de').waitFor({ state: 'detached' });
});

await test('a server: its history below its row, its name as text', async () => {
	const name = '<img src=x onerror=alert(1)>';
	await stack.psql(`UPDATE waha_servers SET nome = '${name}'`);
	const { page } = await operator();
	const row = page.getByRole('row').filter({ hasText: name });
	await row.getByText('Funcionando').waitFor();
	const button = row.getByRole('button', { name: `Histórico de ${name}` });
	await button.click();
	const plot = page.locator('.row-more img.plot');
	await plot.waitFor();
	assert.ok((await plot.getAttribute('alt')).startsWith(`${name}: última hora`));
	assert.equal(await button.getAttribute('aria-expanded'), 'true');
	await accessible(page, 'with a server\'s history');
	await button.click();
	await plot.waitFor({ state: 'detached' });
	await stack.psql("UPDATE waha_servers SET nome = 'WAHA'");
});

await test('long work shows how far it is, and goes when it is done', async () => {
	const { page } = await operator();
	await tile(page, 'free').waitFor();
	await stack.psql("UPDATE waha_servers SET draining_at = now()");
	const bar = page.getByRole('progressbar', { name: 'Esvaziando o servidor WAHA' });
	await bar.waitFor();
	await stack.psql('UPDATE waha_servers SET draining_at = NULL');
	await bar.waitFor({ state: 'detached' });
});

await test('an outage is told, with how old the page is, and it goes on by itself', async () => {
	const who = await operator();
	const { page } = who;
	await tile(page, 'free').waitFor();
	who.expects(/answer: GET .*admin\/pool.*: 503/);
	await page.route('**/admin/pool', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json',
		body: JSON.stringify({ type: 'urn:wapool:problem:unavailable', title: 'Indisponível', status: 503, detail: 'Tente de novo.' }) }));
	await said(page, 'O que você vê é de');
	await page.unroute('**/admin/pool');
	await page.getByText('O que você vê é de').waitFor({ state: 'detached' });
});

await test('without a network the page tells how old it is, and goes on when it is back', async () => {
	const who = await operator();
	who.expects(/ERR_INTERNET_DISCONNECTED/);
	await tile(who.page, 'free').waitFor();
	await who.context.setOffline(true);
	await said(who.page, 'O que você vê é de');
	await who.context.setOffline(false);
	await who.page.getByText('O que você vê é de').waitFor({ state: 'detached' });
});

await test('a session that ends there leads back to there', async () => {
	const who = await operator('#events');
	const { page } = who;
	who.expects(/answer: .*: 401/);
	await page.getByText('Nenhum evento parado').waitFor();
	await page.evaluate(() => {
		const kept = JSON.parse(sessionStorage.getItem('wapool.session'));
		sessionStorage.setItem('wapool.session', JSON.stringify({ ...kept, token: `${kept.token}x` }));
	});
	await page.reload();
	await page.getByText('Entre de novo para continuar').waitFor();
	await page.locator('#email').fill(admin.email);
	await page.locator('#password').fill(admin.password);
	await page.keyboard.press('Enter');
	await page.getByText('Nenhum evento parado').waitFor();
});

// --- Instances ---

// Sixty free ones of a server that nobody looks at.
await stack.psql(`INSERT INTO waha_servers (nome, api_url, health, max_sessions, check_next_at)
	VALUES ('Outro', 'https://outro.example', 'up', 100, now() + interval '1 day')`);
await stack.psql(`INSERT INTO instances (name, server_id, lifecycle)
	SELECT 'massa-' || to_char(n, 'FM000'), id, 'standby' FROM waha_servers, generate_series(1, 60) n WHERE nome = 'Outro'`);

await test('instances: page by page, and filtered by text, server and state', async () => {
	const { page } = await operator('#instances?q=massa');
	const rows = page.locator('#instances tbody tr');
	await eventually('a page', async () => await rows.count() === 50);
	await page.getByRole('button', { name: 'Mostrar mais' }).click();
	await eventually('the rest', async () => await rows.count() === 60);
	assert.equal(await page.evaluate(() => document.activeElement.textContent), 'massa-051', 'the focus is where the new ones begin');
	await page.getByLabel('Nome contém').fill('massa-007');
	await eventually('one', async () => await rows.count() === 1);
	await page.getByLabel('Estado').selectOption('Em uso');
	await page.getByText('Nenhuma instância encontrada').waitFor();
	await page.getByLabel('Nome contém').fill('');
	await page.getByLabel('Estado').selectOption('Livre');
	await page.getByLabel('Servidor').selectOption('WAHA');
	await eventually('the pool\'s', async () => await rows.count() > 0 && !(await rows.allTextContents()).some((one) => one.includes('massa')));
	await rows.first().getByRole('link').click();
	await page.getByRole('heading', { name: 'O que aconteceu' }).waitFor();
	await page.goBack();
	await eventually('the filter is as it was', async () => await page.getByLabel('Estado').inputValue() === 'standby' && await rows.count() > 0);
	await page.getByLabel('Servidor').selectOption('Outro');
	await eventually('of the other server', async () => await rows.count() === 50);
});

await test('the list follows by itself, and who stands in it is not disturbed', async () => {
	const { page } = await operator('#instances?q=nova-');
	await page.getByText('Nenhuma instância encontrada').waitFor();
	await stack.psql("INSERT INTO instances (name, server_id, lifecycle) SELECT 'nova-1', id, 'standby' FROM waha_servers WHERE nome = 'Outro'");
	const link = page.getByRole('link', { name: 'nova-1' });
	await link.focus();
	await stack.psql("INSERT INTO instances (name, server_id, lifecycle) SELECT 'nova-0', id, 'standby' FROM waha_servers WHERE nome = 'Outro'");
	await page.getByRole('link', { name: 'nova-0' }).waitFor();
	await stack.psql("DELETE FROM instances WHERE name = 'nova-0'");
	await page.getByRole('link', { name: 'nova-0' }).waitFor({ state: 'detached' });
	assert.equal(await link.evaluate((one) => one === document.activeElement), true, 'the focus stays');
});

await test('a list of hundreds follows where one looks, a page at a time', async () => {
	await stack.psql("UPDATE waha_servers SET max_sessions = 1000 WHERE nome = 'Outro'");
	await stack.psql(`INSERT INTO instances (name, server_id, lifecycle)
		SELECT 'longa-' || to_char(n, 'FM000'), id, 'standby' FROM waha_servers, generate_series(1, 330) n WHERE nome = 'Outro'`);
	const { page } = await operator('#instances?q=longa');
	const rows = page.locator('#instances tbody tr');
	const names = () => rows.getByRole('link').allTextContents();
	const limits = [];
	page.on('request', (request) => /admin\/instances\?/.test(request.url()) && limits.push(Number(new URL(request.url()).searchParams.get('limit'))));
	for (let n = 50; n < 300; n += 50) {
		await eventually(`${n} rows`, async () => await rows.count() === n);
		await page.getByRole('button', { name: 'Mostrar mais' }).click();
	}
	await eventually('300 rows', async () => await rows.count() === 300);

	await page.getByRole('link', { name: 'longa-270' }).scrollIntoViewIfNeeded();
	await stack.psql("DELETE FROM instances WHERE name IN ('longa-271', 'longa-003')");
	await stack.psql("INSERT INTO instances (name, server_id, lifecycle) SELECT 'longa-269b', id, 'standby' FROM waha_servers WHERE nome = 'Outro'");
	await page.getByRole('link', { name: 'longa-269b' }).waitFor();
	await page.getByRole('link', { name: 'longa-271' }).waitFor({ state: 'detached' });
	await page.getByRole('link', { name: 'longa-005' }).scrollIntoViewIfNeeded();
	await page.getByRole('link', { name: 'longa-003' }).waitFor({ state: 'detached' });
	await stack.psql("INSERT INTO instances (name, server_id, lifecycle) SELECT 'longa-' || n, id, 'standby' FROM waha_servers, unnest(ARRAY['000a', '000b', '000c']) n WHERE nome = 'Outro'");
	await page.getByRole('link', { name: 'longa-000c' }).waitFor();
	const there = await names();
	assert.deepEqual(there, [...there].sort(), 'in their order');
	assert.equal(new Set(there).size, there.length, 'each once');
	const all = (await stack.psql_value("SELECT string_agg(name, ' ' ORDER BY name) FROM instances WHERE name LIKE 'longa%'")).split(' ');
	assert.deepEqual(there, all.slice(0, there.length), 'none is missing');
	assert.ok(Math.max(...limits) <= 200, `never more than a page: ${limits}`);
	await stack.psql("DELETE FROM instances WHERE name LIKE 'longa%'");
});

await test('what users, gateways and programs say is text, whatever it is', async () => {
	const evil = (where) => `<img src=x onerror="window.struck='${where}'">`;
	const { id, instance } = await customer();
	await sim('POST', `sessions/${instance}/scan`, { phone: '5511988880009', pushName: evil('profile') });
	await eventually('connected', async () => await stack.psql_value(`SELECT count(*) FROM instances WHERE name = '${instance}' AND status = 'WORKING'`) === '1');
	await eventually('no look at it is under way or to come: it would judge anew', async () => {
		await stack.psql("UPDATE waha_servers SET check_next_at = 'infinity' WHERE check_lease_until IS NULL");
		return await stack.psql_value("SELECT count(*) FROM waha_servers WHERE check_next_at <> 'infinity'") === '0';
	});
	const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
	await stack.psql(`UPDATE users SET email = ${quoted(evil('e-mail'))} WHERE id = '${id}'`);
	await stack.psql(`UPDATE instances SET last_error = ${quoted(evil('error'))}, health = 'degraded',
		health_reason = ${quoted(evil('health'))} WHERE name = '${instance}'`);
	await stack.psql(`INSERT INTO instance_events (instance_id, kind, to_state, reason, actor, epoch)
		SELECT id, 'repair', ${quoted(evil('step'))}, ${quoted(evil('reason'))}, ${quoted(evil('actor'))}, epoch FROM instances WHERE name = '${instance}'`);
	const { page } = await operator(`#instances?q=${instance}`);
	await page.getByText(evil('e-mail')).waitFor();
	await page.getByRole('link', { name: instance, exact: true }).click();
	for (const where of ['profile', 'error', 'health', 'e-mail', 'step', 'reason', 'actor']) await page.getByText(evil(where)).first().waitFor();
	assert.equal(await page.evaluate(() => window.struck), undefined);
	await stack.psql('UPDATE waha_servers SET check_next_at = now()');
	assert.equal(await page.locator('img[src="x"]').count(), 0);
});

await test('one is restarted after a question; its trail tells who did it', async () => {
	const { id, instance } = await customer();
	await sim('POST', `sessions/${instance}/scan`, { phone: '5511988880001' });
	const { page } = await operator(`#instances/${instance}`);
	await page.getByText('Conectada', { exact: true }).waitFor();
	await page.getByText('5511988880001', { exact: true }).waitFor();
	assert.equal(await page.getByText('Desconectada', { exact: true }).count(), 0, 'a judgement of before is not shown');
	await page.getByRole('button', { name: 'Reiniciar' }).click();
	await dialog(page).getByText('O telefone continua pareado.').waitFor();
	await accessible(page, 'the question');
	await page.keyboard.press('Escape');
	await dialog(page).waitFor({ state: 'detached' });
	assert.equal(await stack.psql_value("SELECT count(*) FROM instance_events WHERE kind = 'command'"), '0', 'no is no');
	await page.getByRole('button', { name: 'Reiniciar' }).click();
	await dialog(page).getByRole('button', { name: 'Reiniciar' }).click();
	await said(page, 'Instância reiniciada');
	await page.getByRole('row').filter({ hasText: 'comando' }).filter({ hasText: admin.email }).waitFor();
	assert.equal(await stack.psql_value(`SELECT lifecycle FROM instances WHERE assigned_to_user_id = '${id}'`), 'assigned');
});

await test('one is released after a question: its user loses it', async () => {
	const { id, instance } = await customer();
	const { page } = await operator(`#instances/${instance}`);
	await page.getByRole('button', { name: 'Liberar' }).click();
	await dialog(page).getByText('Não dá para desfazer.').waitFor();
	await dialog(page).getByRole('button', { name: 'Liberar' }).click();
	await said(page, 'A instância foi liberada');
	assert.equal(await stack.psql_value(`SELECT count(*) FROM instances WHERE assigned_to_user_id = '${id}'`), '0');
	await page.getByRole('row').filter({ hasText: 'liberada à mão' }).waitFor();
});

await test('a phone is logged out after a question', async () => {
	const { id, instance } = await customer();
	await sim('POST', `sessions/${instance}/scan`, { phone: '5511988880002' });
	const { page } = await operator(`#instances/${instance}`);
	await page.getByText('Conectada', { exact: true }).waitFor();
	await page.getByRole('button', { name: 'Desconectar telefone' }).click();
	await dialog(page).getByRole('button', { name: 'Desconectar telefone' }).click();
	await said(page, 'WhatsApp desconectado da instância');
	await eventually('its user has it no longer', async () =>
		await stack.psql_value(`SELECT count(*) FROM instances WHERE assigned_to_user_id = '${id}' AND status = 'WORKING'`) === '0');
});

await test('the QR of one that an administrator made, until a phone has scanned it', async () => {
	await api('POST', '/admin/instances', await stack.admin_token(await stack.unique_user()), { nome: 'vendas' });
	const { page } = await operator('#instances/vendas');
	await page.getByRole('button', { name: 'Mostrar QR Code' }).click();
	const picture = dialog(page).getByRole('img', { name: 'QR Code para conectar o WhatsApp' });
	await picture.waitFor();
	assert.match(await stack.qr_of_data_uri(await picture.getAttribute('src')), /^2@/, 'a phone reads it');
	await accessible(page, 'the QR');
	/* Between the last code and the first one of the session started again there is none to scan. */
	await eventually('a phone scans it', () => sim('POST', 'sessions/vendas/scan', { phone: '5511988880003' }).then(() => true, () => false));
	await dialog(page).getByText('Conectada!').waitFor();
	await dialog(page).getByRole('button', { name: 'Fechar' }).click();
	await eventually('nothing to scan', async () => await page.getByRole('button', { name: 'Mostrar QR Code' }).count() === 0);
});

await test('one that is not there', async () => {
	const who = await operator();
	who.expects(/answer: GET .*admin\/instances\/nada(\/events.*)?: 404/);
	await who.page.goto(`${env.url}/ops/#instances/nada`);
	await who.page.getByText('Essa instância não existe mais').waitFor();
	await who.page.getByRole('link', { name: 'Todas as instâncias' }).click();
	await who.page.getByRole('heading', { level: 2, name: 'Instâncias' }).waitFor();
});

// --- Events ---

// Events of that customer's that nobody took; nobody is there to take them again either.
async function park(user, n) {
	await stack.psql(`SELECT subscription_put('${user.id}', NULL, gen_random_uuid(), 'https://crm.invalid/hook?key=secret', NULL, 'sealed')`);
	await parkMore(user, n);
}

async function parkMore(user, n) {
	await stack.psql(`SELECT event_emit('${user.id}', device_of('${user.id}', NULL), 'instance.health', '{}') FROM generate_series(1, ${n})`);
	await stack.psql(`UPDATE deliveries SET state = 'parked', attempts = 9, last_error = '<b>HTTP status 500</b>'
		WHERE device_id = device_of('${user.id}', NULL)`);
}

const parked = () => stack.psql_value("SELECT count(*) FROM deliveries WHERE state = 'parked'");

await test('events that did not arrive: one is sent again, then all', async () => {
	await stack.stop_part('maintain');
	await park(await customer(), 3);
	const { page } = await operator('#events');
	const rows = page.locator('#events tbody tr');
	await eventually('three', async () => await rows.count() === 3);
	await rows.first().getByText('crm.invalid').waitFor();
	await rows.first().getByText('<b>HTTP status 500</b>').waitFor();
	assert.doesNotMatch(await page.locator('#events').textContent(), /secret/);
	await eventually('the tab tells how many', async () => /3/.test(await page.locator('#tab-events .count').textContent()));
	await rows.first().getByRole('button', { name: 'Reenviar' }).click();
	await said(page, 'Um evento voltou para a fila.');
	assert.equal(await parked(), '2');
	await page.getByRole('button', { name: 'Reenviar todos' }).click();
	await dialog(page).getByRole('button', { name: 'Reenviar todos' }).click();
	await said(page, '2 eventos voltaram para a fila.');
	await page.getByText('Nenhum evento parado').waitFor();
	assert.equal(await parked(), '0');
	await page.getByLabel('Evento', { exact: true }).selectOption('instance.health');
	await page.getByLabel('Estado').selectOption('Na fila');
	await eventually('they are in the queue', async () => await rows.count() === 3);
});

await test('an event that was sent again does not come back with an older answer', async () => {
	await stack.psql('DELETE FROM deliveries');
	const user = await customer();
	await park(user, 3);
	const { page } = await operator('#events');
	const rows = page.locator('#events tbody tr');
	await eventually('three', async () => await rows.count() === 3);
	const [answer] = await Promise.all([page.waitForResponse(/admin\/deliveries\?/), page.getByLabel('Evento', { exact: true }).selectOption('instance.health')]);
	const older = await answer.json();
	const held = [];
	let holding = true;
	await page.route('**/admin/deliveries?*', (route) => (holding ? held.push(route) : route.continue()));
	await parkMore(user, 1);
	await eventually('the list is asked for again', () => held.length > 0);
	await rows.first().getByRole('button', { name: 'Reenviar' }).click();
	await said(page, 'Um evento voltou para a fila.');
	assert.equal(await rows.count(), 2);
	await page.evaluate(() => document.activeElement.blur());    // the list does not change under who stands in it
	await Promise.all([page.waitForEvent('requestfinished', (request) => /admin\/deliveries\?/.test(request.url())), held.shift().fulfill({ json: older })]);
	await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
	assert.equal(await rows.count(), 2, 'it does not come back');
	holding = false;
	await Promise.all(held.map((route) => route.continue()));
	await eventually('and the new one comes', async () => await rows.count() === 3);
	await stack.psql('DELETE FROM deliveries');
});

await test('what cannot be sent says why', async () => {
	await park(await customer(), 2);
	await stack.psql('UPDATE event_subscriptions SET disabled_at = now()');
	await stack.psql("UPDATE deliveries SET state = 'parked'");
	const { page } = await operator('#events');
	await page.getByText('Webhook desativado: só o dono o reativa').first().waitFor();
	assert.equal(await page.locator('#events').getByRole('button', { name: 'Reenviar' }).count(), 0);
	await page.getByRole('button', { name: 'Reenviar todos' }).click();
	await dialog(page).getByRole('button', { name: 'Reenviar todos' }).click();
	await said(page, 'esperam um webhook ser reativado');
	await stack.start_maintain();
});

// --- For everybody ---

for (const width of [1280, 390]) {
	await test(`every part at ${width} px`, async () => {
		const { page } = await operator('', { width });
		for (const [hash, ready] of [['#pool', '#tile-free'], ['#instances', '#instances tbody tr'], ['#instances/massa-001', '.facts'], ['#events', '#events']]) {
			await page.goto(`${env.url}/ops/${hash}`);
			await page.locator(ready).first().waitFor();
			await fits(page, `${hash} at ${width}`);
			await accessible(page, `${hash} at ${width}`);
		}
	});
}

await test('in English', async () => {
	const { page } = await operator('', { lang: 'en-US' });
	await page.getByRole('heading', { level: 1, name: 'Operations' }).waitFor();
	await page.getByRole('link', { name: 'Instances', exact: true }).click();
	await page.getByLabel('Name contains').fill('massa-001');
	await page.getByRole('link', { name: 'massa-001' }).click();
	await page.getByRole('heading', { name: 'What happened' }).waitFor();
	assert.doesNotMatch(await page.locator('main').textContent(), /ção|ões/);
});

await test('by the keyboard alone', async () => {
	const { page } = await operator();
	await tile(page, 'free').waitFor();
	await page.locator('#tab-instances').focus();
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { level: 2, name: 'Instâncias' }).waitFor();
	await eventually('the heading has the focus', () => page.evaluate(() => document.activeElement.id === 'instances-title'));
	for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'q', 'refresh, state, server, text');
	await page.keyboard.type('massa-002');
	await eventually('it is found', async () => await page.locator('#instances tbody tr').count() === 1);
	await page.keyboard.press('Tab');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { level: 2, name: 'massa-002' }).waitFor();
});

await finish();
