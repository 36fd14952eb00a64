// Front ends of others: the React component of seed 000, to the letter; <wapool-connect> on a page of another origin.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { transform } from 'sucrase';

import { accessible, finish, fits, person } from './lib/browser.js';
import { env, eventually, sim, stack } from './lib/stack.js';
import { CONNECTED, logIn, newUser, qr, sees } from './lib/people.js';
import { test } from './lib/tap.js';

const modules = new URL('node_modules/', import.meta.url);

function reactPage(token) {
	const component = fs.readFileSync(new URL('fixtures/WhatsAppConnector.tsx', import.meta.url), 'utf8');
	const { code } = transform(component, { transforms: ['typescript', 'jsx'], production: true });
	const umd = ['react', 'react-dom'].map((name) => fs.readFileSync(new URL(`${name}/umd/${name}.production.min.js`, modules), 'utf8'));
	return `<!DOCTYPE html><html lang="pt-BR"><title>React</title><div id="root"></div>
		${umd.map((script) => `<script>${script}</script>`).join('\n')}
		<script>
			const { useState } = React;
			const token = ${JSON.stringify(token)};
			${code}
			ReactDOM.createRoot(document.getElementById('root')).render(React.createElement(WhatsAppConnector));
		</script>`;
}

await test('the React component of the seed shows a QR that a phone reads', async () => {
	const ana = await person();
	const user = await stack.unique_user();
	const html = reactPage(await stack.token(user));
	await ana.page.route('**/react', (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body: html }));
	await ana.page.goto(`${env.url}/react`);
	await ana.page.getByRole('button', { name: 'Conectar WhatsApp' }).click();
	const shown = await ana.page.getByRole('img', { name: 'QR Code' }).getAttribute('src');
	const name = await stack.psql_value(`SELECT name FROM instances WHERE assigned_to_user_id = '${user}'`);
	const [session] = await sim('GET', `sessions?name=${name}`);
	assert.equal(await stack.qr_of_data_uri(shown), session.qr);
	await sim('POST', `sessions/${name}/scan`, { phone: '5511987654321', pushName: 'Ana' });
	await eventually('connected', async () =>
		(await stack.psql_value(`SELECT status FROM instances WHERE name = '${name}'`)) === 'WORKING');
});

// A page of somebody else, with a policy of its own, on a port that is, or is not, on our CORS list.
const host = http.createServer((request, response) => {
	const token = new URL(request.url, 'http://x').searchParams.get('token');
	response.writeHead(200, {
		'Content-Type': 'text/html; charset=utf-8',
		'Content-Security-Policy': `default-src 'none'; script-src ${env.url} 'nonce-1'; img-src data:; connect-src ${env.url}`,
	});
	response.end(`<!DOCTYPE html><html lang="pt-BR"><title>Loja</title><link rel="icon" href="data:,">
		<main><h1>Loja</h1><wapool-connect base-url="${env.url}/" token="${token}"></wapool-connect></main>
		<script type="module" src="${env.url}/js/wapool-connect.js"></script>
		<script nonce="1">
			window.heard = [];
			for (const type of ['state', 'connected', 'disconnected', 'error'])
				document.addEventListener('wapool:' + type, (event) => heard.push({ type, ...event.detail }));
		</script>`);
});

async function listen(port, address) {
	await new Promise((resolve) => { host.listen(port, address, resolve); });
	return `http://${address}:${host.address().port}`;
}

await test('<wapool-connect> on a page of another origin: from the click to the connected phone', async () => {
	const origin = await listen(Number(process.env.OTHER_PORT), '127.0.0.1');
	const ana = await person();
	const user = await stack.unique_user();
	await ana.page.goto(`${origin}/?token=${await stack.token(user)}`);
	await ana.page.getByRole('button', { name: 'Conectar WhatsApp' }).click();
	await qr(ana.page).waitFor();
	await accessible(ana.page);
	const name = await stack.psql_value(`SELECT name FROM instances WHERE assigned_to_user_id = '${user}'`);
	assert.equal(await stack.qr_of_data_uri(await qr(ana.page).getAttribute('src')), (await sim('GET', `sessions?name=${name}`))[0].qr);
	await sim('POST', `sessions/${name}/scan`, { phone: '5511987654321', pushName: 'Ana' });
	await sees(ana.page, CONNECTED);
	const heard = await ana.page.evaluate(() => window.heard);
	assert.deepEqual(heard.filter(({ type }) => type === 'connected').map(({ phoneNumber, profileName }) => [phoneNumber, profileName]),
		[['5511987654321@c.us', 'Ana']], 'the page around it is told, once');
	await ana.page.getByRole('button', { name: 'Desconectar' }).click();
	await ana.page.getByRole('dialog').getByRole('button', { name: 'Desconectar' }).click();
	await sees(ana.page, 'Conecte o seu WhatsApp');
	assert.equal((await ana.page.evaluate(() => window.heard)).filter(({ type, byUser }) => type === 'disconnected' && byUser).length, 1);
});

await test('its token has ended: it asks to log in, and goes on with a new one', async () => {
	const ana = await person();
	ana.expects(/401/);
	const user = await stack.unique_user();
	await ana.page.goto(`http://127.0.0.1:${process.env.OTHER_PORT}/?token=nonsense`);
	await sees(ana.page, 'Entre na sua conta');
	const token = await stack.token(user);
	await ana.page.evaluate((one) => { document.querySelector('wapool-connect').token = one; }, token);
	await ana.page.getByRole('button', { name: 'Conectar WhatsApp' }).waitFor();
});

await test('an origin that is not on the list gets nothing', async () => {
	const ana = await person();
	ana.expects(/CORS/, /ERR_FAILED/);
	await ana.page.goto(`http://localhost:${process.env.OTHER_PORT}/?token=${await stack.token(await stack.unique_user())}`);
	await eventually('it is refused', () => ana.trouble.some((line) => /CORS/.test(line)));
	assert.equal(await ana.page.getByRole('button').count(), 0);
});

await test('the page for front-end developers shows the button at work', async () => {
	const { page } = await person({ width: 390 });
	await logIn(page, await newUser());
	await page.goto(`${env.url}/embed/`);
	await page.getByRole('button', { name: 'Conectar WhatsApp' }).waitFor();
	await fits(page);
	await accessible(page);
});

host.close();
host.closeAllConnections();
await finish();
