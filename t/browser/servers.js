// "Configurações > Servidores WAHA": the list, the form with every way through it, and what can be done to a server.

import assert from 'node:assert/strict';
import net from 'node:net';

import { accessible, finish, fits, person } from './lib/browser.js';
import { env, eventually, faults, sim, stack } from './lib/stack.js';
import { button, CONNECTED, logIn, newPhone, newUser, qr, scan, sees } from './lib/people.js';
import { test } from './lib/tap.js';

const KEY = env.simKey;
const card = (page, name) => page.getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) });
const news = (page, text) => page.getByRole('status').filter({ hasText: text }).waitFor();
let gateways = 0;

// A gateway of the simulator that nobody else uses: { name, url }.
function gateway() {
	const name = `g${++gateways}`;
	return { name, url: `${env.simUrl}/s/${name}` };
}

// Somebody who looks at the list.
async function atList({ admin, user, ...options } = {}) {
	const who = await person(options);
	who.user = user ?? await newUser({ admin });
	who.bodies = [];
	who.page.on('response', (answer) => {
		if (answer.url().includes('/api/')) who.bodies.push(answer.text().catch(() => ''));
	});
	await logIn(who.page, who.user);
	await who.page.goto(`${env.url}/servers/`);
	await sees(who.page, /Servidores WAHA|WAHA servers/);
	return who;
}

// Fills the form; what is left out stays as it is.
async function fillForm(page, { nome, url, key, descricao, prioridade, max, ativo }) {
	const fields = [['Nome', nome], ['URL', url], ['Chave da API', key], ['Descrição', descricao], ['Prioridade', prioridade],
		['Máximo de sessões', max]];
	for (const [label, value] of fields) {
		if (value !== undefined) await page.getByLabel(label, { exact: true }).fill(String(value));
	}
	if (ativo !== undefined) await page.getByLabel('Servidor ativo').setChecked(ativo);
}

async function addServer(page, values) {
	await page.getByRole('link', { name: 'Adicionar servidor' }).click();
	await fillForm(page, { key: KEY, ...values });
	await button(page, 'Salvar').click();
	await news(page, `${values.nome} foi salvo.`);
	return card(page, values.nome);
}

async function choose(page, name, action) {
	await card(page, name).getByText('Mais ações').click();
	await card(page, name).getByRole('button', { name: action }).click();
}

await test('the list of the seed: who has none is told that he needs none, then there are three', async () => {
	const { page, bodies } = await atList();
	await page.getByText('Você ainda não tem servidores').waitFor();
	await accessible(page, 'no server');
	await addServer(page, { nome: 'Servidor Backup', url: gateway().url, prioridade: 5, max: 30, descricao: 'O segundo' });
	await addServer(page, { nome: 'Servidor Principal', url: gateway().url, prioridade: 10, max: 50 });
	await addServer(page, { nome: 'Servidor de Teste', url: gateway().url, prioridade: 0, max: 10, ativo: false });
	await eventually('three, by priority', async () => (await page.getByRole('heading', { level: 2 }).allInnerTexts()).join()
		=== 'Servidor Principal,Servidor Backup,Servidor de Teste');
	await card(page, 'Servidor Principal').getByText('0 de 50').waitFor();
	await card(page, 'Servidor Backup').getByText('O segundo').waitFor();
	await card(page, 'Servidor de Teste').getByText('Desativado').waitFor();
	await eventually('the helper has looked at it', async () => {
		await page.reload();
		await card(page, 'Servidor Principal').waitFor();
		return card(page, 'Servidor Principal').getByText('Funcionando').isVisible();
	});
	await accessible(page, 'three servers');
	const everything = (await Promise.all(bodies)).join('\n') + await page.content();
	assert.ok(everything.includes(`****${KEY.slice(-4)}`), 'the end of the key is shown');
	assert.ok(!everything.includes(KEY), 'the key never comes back');
});

await test('what is wrong is said beside its field', async () => {
	const ana = await atList();
	const { page } = ana;
	ana.expects(/servers.test: 422/);
	await page.getByRole('link', { name: 'Adicionar servidor' }).click();
	await sees(page, 'Adicionar servidor');
	await accessible(page, 'the form');
	await button(page, 'Salvar').click();
	assert.equal(await page.getByText('Preencha este campo.').count(), 2);
	assert.equal(await page.evaluate(() => document.activeElement.id), 'nome', 'and he is led to it');
	await fillForm(page, { nome: 'X', url: 'waha1.seudominio.com', prioridade: 11, max: -1 });
	await button(page, 'Salvar').click();
	await page.getByText('Comece com http:// ou https://.').waitFor();
	await page.getByText('Um número de 0 a 10.').waitFor();
	await accessible(page, 'the form with complaints');
	await fillForm(page, { prioridade: 10, max: 5 });
	for (const url of ['https://user:pass@example.com', 'http://10.0.0.1']) {
		await fillForm(page, { url });
		await button(page, 'Testar conexão').click();
		await page.locator('#api_url-error, #test-result .notice').filter({ hasText: /\S/ }).first().waitFor();
	}
	await page.getByText('Endereço não permitido').waitFor();
});

await test('what only the service can know is said beside its field, too', async () => {
	const ana = await atList();
	ana.expects(/servers: (409|422)/);
	const { url } = gateway();
	await addServer(ana.page, { nome: 'Um', url });
	await ana.page.getByRole('link', { name: 'Adicionar servidor' }).click();
	await fillForm(ana.page, { nome: 'Dois', url });
	await button(ana.page, 'Salvar').click();
	await ana.page.getByText('Já existe um servidor com este endereço.').waitFor();
	await fillForm(ana.page, { url: `${gateway().url}?x=1` });
	await button(ana.page, 'Salvar').click();
	await ana.page.locator('#api_url-error').filter({ hasText: /\S/ }).waitFor();
	assert.equal(await ana.page.getByLabel('Nome', { exact: true }).inputValue(), 'Dois', 'nothing that was typed is lost');
});

await test('testing a connection tells each outcome', async () => {
	const { page } = await atList();
	const { url } = gateway();
	const closed = net.createServer().listen(0, '127.0.0.1');
	const port = await new Promise((resolve) => { closed.on('listening', () => resolve(closed.address().port)); });
	await new Promise((resolve) => { closed.close(resolve); });
	const outcomes = [
		['Conexão bem-sucedida', { url, key: KEY }],
		['Chave recusada', { url, key: 'outra-chave' }],
		['Endereço não encontrado', { url: 'http://nome.invalid', key: KEY }],
		['Conexão recusada', { url: `http://127.0.0.1:${port}` }],
		['Conexão segura falhou', { url: url.replace('http:', 'https:') }],
		['Não é um servidor conhecido', { url: env.httpUrl }],
		['Sem resposta', { url }, { kind: 'hang' }],
		['O servidor falhou', { url }, { kind: 'status', status: 500 }],
		['Não é um servidor conhecido', { url }, { kind: 'garbage' }],
	];
	await page.getByRole('link', { name: 'Adicionar servidor' }).click();
	await page.getByLabel('Tipo').selectOption('waha');
	for (const [words, values, fault] of outcomes) {
		await sim('PUT', 'faults', { faults: fault ? [fault] : [] }, `g${gateways}`);
		await fillForm(page, { key: KEY, ...values });
		await button(page, 'Testar conexão').click();
		await page.locator('#test-result').getByText(words, { exact: true }).waitFor();
		await page.locator('#test-result').getByText('Testando…').waitFor({ state: 'hidden' });
	}
	await sim('PUT', 'faults', { faults: [] }, `g${gateways}`);
	await accessible(page, 'an outcome');
	assert.equal(await stack.psql_value("SELECT count(*) FROM waha_servers WHERE api_url LIKE 'http://nome%'"), '0', 'nothing is stored');
});

await test('the test finds out what kind of gateway it is', async () => {
	const { page } = await atList();
	const { name, url } = gateway();
	await sim('PUT', 'kind', { kind: 'evolution2' }, name);
	await page.getByRole('link', { name: 'Adicionar servidor' }).click();
	await fillForm(page, { nome: 'Evolution', url, key: KEY });
	await button(page, 'Testar conexão').click();
	await page.getByText('É um servidor Evolution API: ajustamos o tipo.').waitFor();
	assert.equal(await page.getByLabel('Tipo').inputValue(), 'evolution');
	await button(page, 'Salvar').click();
	await card(page, 'Evolution').getByText('Evolution API').waitFor();
});

await test('a change keeps the key, and a test of what is saved uses it', async () => {
	const { page } = await atList();
	const { url } = gateway();
	await addServer(page, { nome: 'Antigo', url, prioridade: 3 });
	await card(page, 'Antigo').getByRole('link', { name: /Editar/ }).click();
	await sees(page, 'Editar servidor');
	assert.equal(await page.getByLabel('Chave da API', { exact: true }).inputValue(), '');
	await accessible(page, 'a saved server');
	await button(page, 'Testar conexão').click();
	await page.getByText('Conexão bem-sucedida').waitFor();
	await fillForm(page, { nome: 'Novo', prioridade: 7 });
	await button(page, 'Salvar').click();
	await news(page, 'Novo foi salvo.');
	await card(page, 'Novo').getByRole('button', { name: /Testar conexão/ }).click();
	await card(page, 'Novo').getByText('Conexão bem-sucedida').waitFor();
	await card(page, 'Novo').getByRole('button', { name: 'Fechar' }).click();
	await card(page, 'Novo').getByText('Conexão bem-sucedida').waitFor({ state: 'hidden' });
});

await test('who changes what somebody else has changed is told, and loses nothing by accident', async () => {
	const ana = await atList();
	ana.expects(/412/);
	const { url } = gateway();
	await addServer(ana.page, { nome: 'Meu', url });
	await card(ana.page, 'Meu').getByRole('link', { name: /Editar/ }).click();
	await sees(ana.page, 'Editar servidor');
	await stack.psql(`UPDATE waha_servers SET descricao = 'de outra janela' WHERE api_url = '${url}'`);
	await fillForm(ana.page, { nome: 'Meu mesmo' });
	await button(ana.page, 'Salvar').click();
	await ana.page.getByText('Nada foi salvo.').waitFor();
	await button(ana.page, 'Carregar como está agora').click();
	await eventually('as it is now', async () => (await ana.page.getByLabel('Descrição').inputValue()) === 'de outra janela');
});

await test('the form can be left in three ways, and nothing is saved', async () => {
	const { page } = await atList();
	for (const leave of [() => button(page, 'Cancelar').click(), () => button(page, 'Voltar aos servidores').click(), () => page.goBack()]) {
		await page.getByRole('link', { name: 'Adicionar servidor' }).click();
		await fillForm(page, { nome: 'Nunca', url: 'https://nunca.example.com' });
		await leave();
		await page.getByText('Você ainda não tem servidores').waitFor();
	}
});

await test('switched off, on, emptied with progress, and removed', async () => {
	const ana = await atList();
	const { page, context } = ana;
	const { name, url } = gateway();
	ana.expects(/answer: DELETE .*: 409/);    // in use
	await addServer(page, { nome: 'Principal', url, prioridade: 10, max: 3 });
	await choose(page, 'Principal', /^Desativar/);
	await news(page, 'não recebe mais sessões novas');
	await card(page, 'Principal').getByText('Desativado').waitFor();
	await choose(page, 'Principal', /^Ativar/);
	await news(page, 'Principal foi ativado.');

	const phone = await context.newPage();
	const kept = await page.evaluate(() => JSON.stringify(sessionStorage));
	await phone.goto(`${env.url}/favicon.svg`);
	await phone.evaluate((all) => Object.entries(JSON.parse(all)).forEach(([key, value]) => sessionStorage.setItem(key, value)), kept);
	await phone.goto(env.url);
	await button(phone, 'Conectar WhatsApp').click();
	await qr(phone).waitFor();
	const [session] = await eventually('his own gateway shows it', async () => {
		const found = await sim('GET', 'sessions?status=SCAN_QR_CODE', undefined, name);
		return found.length && found;
	});
	await sim('POST', `sessions/${session.name}/scan`, { phone: newPhone(), pushName: 'Ana' }, name);
	await sees(phone, CONNECTED);

	await choose(page, 'Principal', /^Esvaziar/);
	await page.getByRole('dialog').getByRole('button', { name: 'Esvaziar' }).click();
	await news(page, 'está sendo esvaziado');
	await card(page, 'Principal').getByText('Falta uma sessão').waitFor();
	await card(page, 'Principal').getByRole('progressbar').waitFor();
	await accessible(page, 'being emptied');

	await choose(page, 'Principal', /^Excluir/);
	await page.getByRole('dialog').getByRole('button', { name: 'Cancelar' }).click();
	await card(page, 'Principal').waitFor();
	await choose(page, 'Principal', /^Excluir/);
	await page.getByRole('dialog').getByRole('button', { name: 'Excluir' }).click();
	await page.getByRole('dialog', { name: 'Principal ainda está em uso' }).waitFor();
	await accessible(page, 'the second question');
	await page.getByRole('dialog').getByRole('button', { name: 'Esvaziar e excluir' }).click();
	await news(page, 'será excluído quando a última sessão sair');

	await button(phone, 'Desconectar').click();
	await phone.getByRole('dialog').getByRole('button', { name: 'Desconectar' }).click();
	await page.getByText('Você ainda não tem servidores').waitFor({ timeout: 30_000 });
});

await test('names and descriptions that are code are text', async () => {
	const { page } = await atList();
	const evil = '"><img src=x onerror="window.struck=1">{{1+1}}</li>';
	await addServer(page, { nome: evil, url: gateway().url, descricao: `${evil} 2` });
	await card(page, evil).getByText(`${evil} 2`).waitFor();
	await card(page, evil).getByRole('link', { name: /Editar/ }).click();
	await sees(page, 'Editar servidor');
	await button(page, 'Voltar aos servidores').click();
	await choose(page, evil, /^Excluir/);
	await page.getByRole('dialog', { name: `Excluir ${evil}?` }).waitFor();
	assert.equal(await page.evaluate(() => window.struck), undefined);
	assert.equal(await page.locator('img[src="x"]').count(), 0);
});

await test('what a gateway says of itself is text', async () => {
	const { page } = await atList();
	const evil = '<img src=x onerror="window.struck=1">';
	const { name, url } = gateway();
	await addServer(page, { nome: 'Hostil', url, ativo: false });
	await stack.psql(`UPDATE waha_servers SET health = 'down', health_reason = '${evil}', version = '${evil}' WHERE api_url = '${url}'`);
	await page.reload();
	await eventually('its reason and its version', async () => await card(page, 'Hostil').getByText(evil).count() === 2);
	await sim('PUT', 'faults', { faults: [{ kind: 'status', status: 500 }] }, name);
	await card(page, 'Hostil').getByRole('button', { name: /Testar conexão/ }).click();
	await card(page, 'Hostil').getByText('O servidor falhou').waitFor();
	assert.equal(await page.evaluate(() => window.struck), undefined);
	assert.equal(await page.locator('img[src="x"]').count(), 0);
});

await test('a server that is gone: the form and the list say so', async () => {
	const ana = await atList();
	ana.expects(/404/);
	const { url } = gateway();
	await addServer(ana.page, { nome: 'Breve', url });
	await addServer(ana.page, { nome: 'Outro', url: gateway().url });
	await card(ana.page, 'Breve').getByRole('link', { name: /Editar/ }).click();
	await sees(ana.page, 'Editar servidor');
	await stack.psql(`DELETE FROM waha_servers WHERE api_url = '${url}'`);
	await fillForm(ana.page, { nome: 'Ainda' });
	await button(ana.page, 'Salvar').click();
	await news(ana.page, 'Esse servidor não existe mais.');
	await card(ana.page, 'Outro').waitFor();
	await ana.page.goto(`${env.url}/servers/#00000000-0000-4000-8000-000000000000`);
	await news(ana.page, 'Esse servidor não existe mais.');
});

await test('a user sees his own servers, an administrator everybody\'s', async () => {
	const ana = await atList();
	const name = `Da Ana ${Date.now()}`;
	await addServer(ana.page, { nome: name, url: gateway().url });
	const beto = await atList();
	await beto.page.getByText('Você ainda não tem servidores').waitFor();
	const admin = await atList({ admin: true });
	await admin.page.getByLabel('Procurar por nome ou endereço').fill(name);
	await card(admin.page, name).waitFor();
	await eventually('only that one', async () => (await admin.page.getByRole('heading', { level: 2 }).count()) === 1);
	await admin.page.getByLabel('Procurar por nome ou endereço').fill('');
	await admin.page.getByLabel('De quem').selectOption('platform');
	await eventually('only the platform\'s', async () => (await card(admin.page, name).count()) === 0);
	await accessible(admin.page, 'the administrator\'s list');
});

await test('on a phone', async () => {
	const { page } = await atList({ width: 390 });
	await fits(page, 'no server');
	await addServer(page, { nome: 'Um servidor de nome muito comprido que não cabe numa linha só', url: `${gateway().url}`,
		descricao: 'palavracompridasemespaços'.repeat(12) });
	await fits(page, 'the list');
	await accessible(page, 'the list on a phone');
	await page.getByRole('link', { name: /Editar/ }).click();
	await sees(page, 'Editar servidor');
	await fits(page, 'the form');
});

await test('in English', async () => {
	const { page } = await atList({ lang: 'en-US' });
	await page.getByText('You have no servers yet').waitFor();
	await page.getByRole('link', { name: 'Add a server' }).click();
	await sees(page, 'Add a server');
	await page.getByRole('button', { name: 'Save' }).click();
	await accessible(page, 'in English');
	assert.doesNotMatch(await page.locator('main').innerText(), /servidor|Preencha|Salvar/i);
});

await test('the menu of a server by keyboard', async () => {
	const { page } = await atList();
	await addServer(page, { nome: 'Teclado', url: gateway().url });
	const menu = card(page, 'Teclado').locator('summary');
	await menu.focus();
	await page.keyboard.press('Enter');
	await card(page, 'Teclado').getByRole('button', { name: /^Excluir/ }).waitFor();
	await page.keyboard.press('Escape');
	await card(page, 'Teclado').getByRole('button', { name: /^Excluir/ }).waitFor({ state: 'hidden' });
	await page.keyboard.press('Enter');
	await card(page, 'Teclado').getByRole('button', { name: /^Desativar/ }).waitFor();
	await page.keyboard.press('Tab');
	await page.keyboard.press('Enter');
	await news(page, 'não recebe mais sessões novas');
});

await test('the list when the database is away: it says so, and comes by itself', async () => {
	const ana = await atList();
	ana.expects(/answer: GET .*: 50[03]/);
	await stack.stop_postgres();
	await ana.page.reload();
	await sees(ana.page, 'Não conseguimos carregar os servidores');
	await accessible(ana.page, 'not loaded');
	await stack.restart_postgres();
	await ana.page.getByText('Você ainda não tem servidores').waitFor();
});

await finish();
