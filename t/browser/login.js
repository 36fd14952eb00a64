// The log-in page and what all pages have: languages, themes, the end of a session, wrong turns.

import assert from 'node:assert/strict';

import { accessible, finish, fits, person } from './lib/browser.js';
import { env, stack } from './lib/stack.js';
import { logIn, newUser } from './lib/people.js';
import { test } from './lib/tap.js';

const heading = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();

await test('who is not logged in sees the form, in any theme and width', async () => {
	for (const width of [1280, 390, 320]) {
		const ana = await person({ width });
		await ana.page.goto(env.url);
		await heading(ana.page, 'Entrar');
		await fits(ana.page);
		if (width !== 320) await accessible(ana.page);
	}
});

await test('what is missing is said beside its field', async () => {
	const { page } = await person();
	await page.goto(env.url);
	await page.getByRole('button', { name: 'Entrar' }).click();
	await page.getByText('Digite o seu e-mail.').waitFor();
	await page.getByText('Digite a sua senha.').waitFor();
	assert.equal(await page.getByLabel('E-mail').evaluate((input) => input === document.activeElement), true);
	await accessible(page, 'with complaints');
	await page.getByLabel('E-mail').fill('a');
	await page.getByText('Digite o seu e-mail.').waitFor({ state: 'hidden' });
});

await test('a wrong password is told, and the right one opens', async () => {
	const ana = await person();
	const { email, password } = await newUser();
	ana.expects(/answer: POST .*login: 401/);
	await ana.page.goto(env.url);
	await ana.page.getByLabel('E-mail').fill(email);
	await ana.page.getByLabel('Senha').fill('outra-senha');
	await ana.page.keyboard.press('Enter');
	await ana.page.getByRole('alert').filter({ hasText: 'E-mail ou senha incorretos' }).waitFor();
	await accessible(ana.page, 'refused');
	await ana.page.getByLabel('Senha').fill(password);
	await ana.page.keyboard.press('Enter');
	await ana.page.getByRole('button', { name: 'Sair' }).waitFor();
});

await test('who leaves is out, also when he comes back', async () => {
	const { page } = await person();
	await logIn(page, await newUser());
	await page.getByRole('button', { name: 'Sair' }).click();
	await page.getByText('Você saiu da sua conta.').waitFor();
	assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage).includes('token')), false);
	await page.goto(`${env.url}/?again`);
	await heading(page, 'Entrar');
});

await test('too many tries: the page says how long to wait', async () => {
	const ana = await person();
	ana.expects(/answer: POST .*login: 429/);
	await ana.page.route('**/api/auth/login', (route) => route.fulfill({
		status: 429, headers: { 'Retry-After': '7' }, contentType: 'application/problem+json',
		body: JSON.stringify({ type: 'urn:wapool:problem:too-many-requests', title: 'x', status: 429, detail: 'y' }),
	}));
	await ana.page.goto(env.url);
	await ana.page.getByLabel('E-mail').fill('ana@example.com');
	await ana.page.getByLabel('Senha').fill('senha');
	await ana.page.keyboard.press('Enter');
	await ana.page.getByText('Aguarde 7 segundos').waitFor();
});

await test('without a network the page says so, and works when it is back', async () => {
	const ana = await person();
	const user = await newUser();
	ana.expects(/request: .*ERR_INTERNET_DISCONNECTED/);
	await ana.page.goto(env.url);
	await ana.context.setOffline(true);
	await ana.page.getByLabel('E-mail').fill(user.email);
	await ana.page.getByLabel('Senha').fill(user.password);
	await ana.page.keyboard.press('Enter');
	await ana.page.getByText('Confira a sua internet').waitFor();
	await ana.context.setOffline(false);
	await ana.page.getByRole('button', { name: 'Entrar' }).click();
	await ana.page.getByRole('button', { name: 'Sair' }).waitFor();
});

await test('a session that is over by the clock ends by itself', async () => {
	const { page } = await person();
	await page.clock.install();
	await logIn(page, await newUser());
	await page.clock.fastForward('01:00:05');
	await page.getByText('Entre de novo para continuar').waitFor();
});

await test('English by the wish of the browser, Portuguese by the switch, and it stays', async () => {
	const { page } = await person({ lang: 'en-US' });
	await page.goto(env.url);
	await heading(page, 'Log in');
	assert.equal(await page.getAttribute('html', 'lang'), 'en');
	await accessible(page, 'in English');
	await page.getByRole('button', { name: /Português|PT/ }).click();
	await heading(page, 'Entrar');
	await page.reload();
	await heading(page, 'Entrar');
	assert.equal(await page.getAttribute('html', 'lang'), 'pt-BR');
	assert.match(await page.title(), /^Entrar/);
});

await test('errors of the service come in the language of the page', async () => {
	const ana = await person({ lang: 'en-GB' });
	ana.expects(/answer: .*: 401/);
	await ana.page.goto(env.url);
	await ana.page.getByLabel('E-mail').fill('ninguem@example.com');
	await ana.page.getByLabel('Password').fill('senha');
	await ana.page.keyboard.press('Enter');
	await ana.page.getByText(/wrong|incorrect/i).waitFor();
});

await test("the theme is the system's until one is chosen", async () => {
	const { page } = await person({ dark: true });
	const scheme = (wanted) => page.waitForFunction((one) =>
		getComputedStyle(document.body).colorScheme === one && document.documentElement.dataset.theme === one, wanted);
	await page.goto(env.url);
	await scheme('dark');
	await page.emulateMedia({ colorScheme: 'light' });
	await scheme('light');
	await page.getByRole('button', { name: 'Usar tema escuro' }).click();
	await scheme('dark');
	await page.reload();
	await scheme('dark');
	await page.getByRole('button', { name: 'Usar tema claro' }).click();
	await page.reload();
	await scheme('light');
});

await test('a wrong turn shows a page, not a problem', async () => {
	const ana = await person({ width: 390 });
	ana.expects(/answer: GET .*: 404/);
	const answer = await ana.page.goto(`${env.url}/nada/aqui`);
	assert.equal(answer.status(), 404);
	await heading(ana.page, 'Página não encontrada');
	await accessible(ana.page);
	await fits(ana.page);
	await ana.page.getByRole('link', { name: 'Ir para o início' }).click();
	await heading(ana.page, 'Entrar');
});

await test('an e-mail that is code is text', async () => {
	const { page } = await person();
	const { email, password } = await newUser();
	const evil = `<img/src=x/onerror=window.struck=1>${email}`;
	await stack.psql(`UPDATE users SET email = '${evil}' WHERE email = '${email}'`);
	await logIn(page, { email: evil, password });
	await page.getByText(evil).first().waitFor();
	assert.equal(await page.evaluate(() => window.struck), undefined);
	assert.equal(await page.locator('img[src="x"]').count(), 0);
});

await finish();
