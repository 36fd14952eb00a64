// Users, and what they do again and again.

import { env, stack } from './stack.js';

let last = 0;

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
