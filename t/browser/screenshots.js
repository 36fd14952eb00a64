// Pictures of every page for the documents: light, dark, and as wide as a phone. What would differ from run to run (QR codes,
// counts of seconds, ports, times) is replaced, so that a picture changes when its page does. Those of the operators' page tell the
// time: keep them only if more than that is new.

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

// On a phone the whole page, if it is not too long.
async function clip(page, { width }, tall) {
	const whole = await page.evaluate(() => document.documentElement.scrollHeight);
	return { x: 0, y: 0, width, height: width > 500 ? tall : Math.min(whole, 1800) };
}

// One page in every look: reach(page, user) leads to it, settle(page) makes it the same each time. now: what the page takes
// for the time; null: as it is. tall: how much of a long page is shown on a wide screen.
async function pictures(name, user, reach, { settle = async () => {}, now = NOW, tall = 800 } = {}) {
	await test(name, async () => {
		for (const { suffix, ...look } of LOOKS) {
			const who = await person(look);
			if (now) await who.page.clock.setFixedTime(now);
			if (user) await logIn(who.page, user);
			await reach(who.page);
			await settle(who.page);
			const file = `${OUT}/${name}${suffix}.png`;
			await who.page.mouse.move(0, 0);
			await who.page.screenshot({ path: file, animations: 'disabled', caret: 'hide', fullPage: true, clip: await clip(who.page, look, tall) });
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
}, { settle: async (page) => {
	await page.route('**/api/whatsapp/qr*', (route) => route.fulfill({ path: new URL('fixtures/qr.png', import.meta.url).pathname }));
	await qr(page).evaluate((image, src) => { image.src = src; }, QR);
	await page.getByText(/Novo código em \d+ s/).evaluate((line) => { line.textContent = 'Novo código em 42 s'; });
	await page.locator('wapool-connect .life span').evaluate((bar) => { bar.style.transform = 'scaleX(0.7)'; });
} });

await pictures('connect-code', maria, async (page) => {
	await button(page, 'Conectar com um código').click();
	await page.getByLabel('Número do WhatsApp').fill('(11) 98765-4321');
	await button(page, 'Gerar código').click();
	await sees(page, 'Digite este código no celular');
}, { settle: (page) => page.locator('wapool-connect .code > span').first().evaluate((line) => { line.textContent = 'WZP4-7KQM'; }) });

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
}, { tall: 1250 });

const admin = await newUser('admin@example.com', '--admin');
await test('an hour of the pool', async () => {
	await stack.psql("DELETE FROM waha_servers WHERE api_url LIKE '%seudominio.com'");
	await stack.psql(`DELETE FROM pool_samples; INSERT INTO pool_samples (step, at, target, low, free, free_min, making, recycling, assigned, online)
		SELECT 60, date_trunc('minute', now()) - i * interval '1 minute', 10, 5, f, f, (f < 7)::integer * 4, (i % 9 = 0)::integer, 18 - i / 5, 17 - i / 5
		FROM generate_series(0, 60) i, LATERAL (SELECT 6 + (i * 7 % 13) / 2 AS f) g`, ...superuser);
	await stack.psql(`SET session_replication_role = replica;
		UPDATE instances i SET name = 'pool-1773320400-' || n FROM (SELECT id, row_number() OVER (ORDER BY lifecycle, created_at, id) AS n FROM instances) k
		WHERE k.id = i.id`, ...superuser);
	await stack.psql("UPDATE instances SET health = 'healthy' WHERE status = 'WORKING'", ...superuser);
	await stack.psql("UPDATE waha_servers SET check_next_at = now() + interval '1 hour'", ...superuser);
});
await pictures('ops', admin, async (page) => {
	await page.goto(`${env.url}/ops/`);
	await page.locator('img.plot').waitFor();
	await eventually('it is drawn', () => page.locator('img.plot').evaluate((image) => image.complete && image.naturalWidth > 0));
}, { now: null, tall: 1250 });
await pictures('ops-instances', admin, async (page) => {
	await page.goto(`${env.url}/ops/#instances`);
	await page.getByText('pool-1773320400-1', { exact: true }).waitFor();
}, { now: null, tall: 1250 });
await pictures('ops-instance', admin, async (page) => {
	await page.goto(`${env.url}/ops/#instances/pool-1773320400-1`);
	await page.getByRole('heading', { name: 'pool-1773320400-1' }).waitFor();
	await page.waitForLoadState('networkidle').catch(() => {});
}, { now: null, tall: 1250 });
await test('all pictures together are small', async () => {
	const sizes = fs.readdirSync(OUT).filter((name) => name.endsWith('.png')).map((name) => fs.statSync(`${OUT}/${name}`).size);
	assert.ok(sizes.reduce((a, b) => a + b, 0) < 3 * 1024 * 1024);
});

await finish();
