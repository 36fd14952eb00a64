// Users, and what they do again and again.

import { person } from './browser.js';
import { env, eventually, sim, stack } from './stack.js';

let last = 0;
let phones = 0;

// Somebody who may log in: { email, password }. admin: an administrator.
export async function newUser({ admin = false } = {}) {
	const user = { email: `pessoa${++last}@example.com`, password: 'uma-senha-comprida' };
	await stack.add_user(user.email, user.password, ...admin ? ['--admin'] : []);
	return user;
}

export async function logIn(page, { email, password }, path = '/') {
	await page.goto(`${env.url}${path}`);
	await page.locator('#email').fill(email);
	await page.locator('#password').fill(password);
	await page.keyboard.press('Enter');
	await page.locator('#logout').waitFor();
}

// The name of the session that the user's device has; n: which of his devices, in the order they were made.
export async function sessionOf({ email }, n = 0) {
	return eventually(`${email} has a session`, () => stack.psql_value(`SELECT i.name FROM instances i
		JOIN users u ON u.id = i.assigned_to_user_id JOIN devices d ON d.id = i.device_id
		WHERE u.email = '${email}' ORDER BY d.created_at OFFSET ${n} LIMIT 1`));
}

// His phone scans the QR of that session, or types its code.
export async function scan(user, { phone = newPhone(), pushName = 'Maria', n = 0 } = {}) {
	const name = await sessionOf(user, n);
	await eventually(`${name} can be scanned`, async () => (await sim('GET', `sessions?name=${name}`))[0]?.status === 'SCAN_QR_CODE');
	await sim('POST', `sessions/${name}/scan`, { phone, pushName });
	return name;
}

export const newPhone = () => `55119${String(90000000 + ++phones)}`;

// On the Connect page.
export const button = (page, name) => page.getByRole('button', { name, exact: true });
export const sees = (page, name) => page.getByRole('heading', { name }).waitFor();
export const qr = (page) => page.getByRole('img', { name: /QR Code|QR code/ });

export const CONNECTED = /WhatsApp conectado/;

// Logged in, and the QR is there.
export async function atQr(options) {
	const who = await person(options);
	who.user = await newUser();
	await logIn(who.page, who.user);
	await who.page.getByRole('button', { name: /^(Conectar|Connect) WhatsApp$/ }).click();
	await qr(who.page).waitFor();
	return who;
}

// A page that can be put into the background and back: hide(page, true), hide(page, false). Call it before the page is opened.
export const hideable = (page) => page.addInitScript(() => {
	let hidden = false;
	Object.defineProperty(document, 'hidden', { get: () => hidden });
	window.hidePage = (now) => {
		hidden = now;
		document.dispatchEvent(new Event('visibilitychange'));
	};
});
export const hide = (page, hidden) => page.evaluate((now) => window.hidePage(now), hidden);
