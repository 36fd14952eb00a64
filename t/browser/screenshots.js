// Pictures of every page for the documents: light, dark, and as wide as a phone. What would differ from run to run (QR codes,
// counts of seconds, ports, times) is replaced, so that a picture changes when its page does.

import assert from 'node:assert/strict';
import fs from 'node:fs';

import { finish, person } from './lib/browser.js';
import { env, eventually, sim, stack } from './lib/stack.js';
import { button, CONNECTED, qr, scan, sees } from './lib/people.js';
import { test } from './lib/tap.js';

const OUT = process.env.OUT;
const MAX = 150 * 1024;    // bytes of a picture
const QR = `data:image/png;base64,${fs.readFileSync(new URL('fixtures/qr.png', import.meta.url)).toString('base64')}`;
const NOW = new Date('2026-03-12T10:00:00-03:00');
const LOOKS = [
	{ suffix: '', width: 1280, height: 800 },
	{ suffix: '-dark', width: 1280, height: 800, dark: true },
	{ suffix: '-phone', width: 390, height: 844 },
];

fs.mkdirSync(OUT, { recursive: true });

// One page in every look: reach(page, user) leads to it, settle(page) makes it the same each time.
async function pictures(name, user, reach, settle = async () => {}) {
	await test(name, async () => {
		for (const { suffix, ...look } of LOOKS) {
			const who = await person(look);
			await who.page.clock.setFixedTime(NOW);
			if (user) await logIn(who.page, user);
			await reach(who.page);
			await settle(who.page);
			const file = `${OUT}/${name}${suffix}.png`;
			await who.page.mouse.move(0, 0);
			await who.page.screenshot({ path: file, animations: 'disabled', caret: 'hide', fullPage: look.width < 500 });
			assert.ok(fs.statSync(file).size < MAX, `${file} is too big`);
			await who.close();
		}
	});
}

async function newUser(email, ...more) {
	await stack.add_user(email, 'uma-senha-comprida', ...more);
	return { email, password: 'uma-senha-comprida' };
}

async function logIn(page, { email, password }, path = '') {
	await page.goto(`${env.url}/${path}`);
	await page.locator('#email').fill(email);
	await page.locator('#password').fill(password);
	await page.keyboard.press('Enter');
	await page.locator('#logout').waitFor();
}

// In the open shadow roots of the page: fn(root, argument) for each.
const inShadows = (page, fn, argument) => page.locator('wapool-connect').evaluateAll(
	(elements, [source, value]) => elements.forEach((one) => (0, eval)(`(${source})`)(one.shadowRoot, value)), [fn.toString(), argument]);

async function connected(user, options) {
	const { page, ...who } = await person();
	await logIn(page, user);
	const another = page.getByRole('button', { name: 'Conectar outro número' });
	if (options.nome) {
		await another.click();
		await page.getByLabel('Nome deste número').fill(options.nome);
		await button(page, 'Continuar').click();
	} else {
		await button(page, 'Conectar WhatsApp').click();
	}
	await qr(page).waitFor();
	await scan(user, options);
	await eventually('connected', async () => (await page.getByRole('heading', { name: CONNECTED }).count()) === (options.n ?? 0) + 1);
	await who.context.close();
}

await pictures('login', null, async (page) => {
	await page.goto(env.url);
	await page.getByLabel('E-mail').fill('maria@example.com');
});

const maria = await newUser('maria@example.com');

await pictures('connect', maria, (page) => sees(page, 'Conecte o seu WhatsApp'));

await pictures('connect-qr', maria, async (page) => {
	await button(page, 'Conectar WhatsApp').or(qr(page)).first().waitFor();
	if (await button(page, 'Conectar WhatsApp').isVisible()) await button(page, 'Conectar WhatsApp').click();
	await qr(page).waitFor();
}, async (page) => {
	await qr(page).evaluate((image, src) => { image.src = src; }, QR);
	await page.getByText(/Novo código em \d+ s/).evaluate((line) => { line.textContent = 'Novo código em 42 s'; });
	await page.locator('wapool-connect .life span').evaluate((bar) => { bar.style.transform = 'scaleX(0.7)'; });
});

await pictures('connect-code', maria, async (page) => {
	await button(page, 'Conectar com um código').click();
	await page.getByLabel('Número do WhatsApp').fill('(11) 98765-4321');
	await button(page, 'Gerar código').click();
	await sees(page, 'Digite este código no celular');
}, (page) => page.locator('wapool-connect .code > span').first().evaluate((line) => { line.textContent = 'WZP4-7KQM'; }));

await scan(maria, { phone: '5511987654321', pushName: 'Maria Silva' });
await pictures('connected', maria, (page) => sees(page, CONNECTED));

const joao = await newUser('joao@example.com');
await test('two numbers of one user', async () => {
	await connected(joao, { phone: '5521988881111', pushName: 'Padaria do João' });
	await connected(joao, { phone: '5521977772222', pushName: 'Entregas', nome: 'Entregas', n: 1 });
});
await pictures('numbers', joao, (page) => eventually('two numbers', async () =>
	(await page.getByRole('heading', { name: CONNECTED }).count()) === 2));

const ana = await newUser('ana@example.com');
const superuser = ['as', 'postgres'];
await test('servers of one user', async () => {
	await stack.stop_part('maintain');
	await stack.psql(`INSERT INTO waha_servers (user_id, nome, api_url, api_key, descricao, prioridade, max_sessions, ativo)
		SELECT u.id, s.* FROM users u, (VALUES
			('Servidor Principal', 'https://waha1.seudominio.com', 'x', 'Servidor principal de produção', 10, 50, true),
			('Servidor Backup', 'https://waha2.seudominio.com', 'x', NULL, 5, 30, true),
			('Servidor de Teste', 'https://waha-test.seudominio.com', 'x', NULL, 0, 10, false)) s
		WHERE u.email = 'ana@example.com'`);
	await stack.maintain('seal');
	await stack.psql(`SET session_replication_role = replica; UPDATE waha_servers SET health = 'up', version = '2026.2.1',
		checked_at = '2026-03-12T09:59:48-03:00', sessions_ativas = CASE prioridade WHEN 10 THEN 15 WHEN 5 THEN 8 ELSE 0 END
		WHERE api_url LIKE '%seudominio.com'`, ...superuser);
});
await pictures('servers', ana, async (page) => {
	await page.goto(`${env.url}/servers/`);
	await page.getByRole('heading', { name: 'Servidor Principal' }).waitFor();
});
await pictures('server-form', ana, async (page) => {
	await page.route('**/api/waha/servers/test', (route) => route.fulfill({ json: { success: true, result: 'ok', reachable: true,
		authorized: true, kind: 'waha', version: '2026.2.1', latency_ms: 38, sessions: 12, message: '' } }));
	await page.goto(`${env.url}/servers/#new`);
	await page.getByLabel('Nome', { exact: true }).fill('Servidor Regional');
	await page.getByLabel('URL', { exact: true }).fill('https://waha3.seudominio.com');
	await page.getByLabel('Chave da API', { exact: true }).fill('0123456789abcdef');
	await button(page, 'Testar conexão').click();
	await page.getByText('Conexão bem-sucedida').waitFor();
}, (page) => page.evaluate(() => scrollTo(0, 0)));

await test('all pictures together are small', async () => {
	const sizes = fs.readdirSync(OUT).filter((name) => name.endsWith('.png')).map((name) => fs.statSync(`${OUT}/${name}`).size);
	assert.ok(sizes.reduce((a, b) => a + b, 0) < 3 * 1024 * 1024);
});

await finish();
