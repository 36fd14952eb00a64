// Front ends of others: the React component of seed 000, to the letter; <wapool-connect> on a page of another origin.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { transform } from 'sucrase';

import { finish, person } from './lib/browser.js';
import { env, eventually, sim, stack } from './lib/stack.js';
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

await finish();
