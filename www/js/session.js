/* Who is logged in: a token in sessionStorage, so it ends with the tab. */

import { root } from './site.js';

const KEY = 'wapool.session';
const RETURN = 'wapool.return';
const WHY = 'wapool.why';

let timer;

/* { token, expiresAt (ms), user: { id, email, role } }, or null. */
export function session() {
	try {
		const found = JSON.parse(sessionStorage.getItem(KEY));

		return found && typeof found.token === 'string' && found.expiresAt > Date.now() ? found : null;
	} catch {
		return null;
	}
}

export function token() {
	return session()?.token ?? null;
}

export function isAdmin() {
	return session()?.user.role === 'admin';
}

/* With the answer of POST /api/auth/login. */
export function begin(login) {
	sessionStorage.setItem(KEY, JSON.stringify({
		token: login.token, expiresAt: Date.now() + login.expiresIn * 1000, user: login.user }));
	watch();
}

/* For pages that need somebody: the session, or null, and then the log-in page is on its way. */
export function need() {
	const found = session();

	if (found)
		watch();
	else
		end(sessionStorage.getItem(KEY) ? 'expired' : 'needed');
	return found;
}

/* Back to the log-in page. why: 'expired', 'needed', 'left'; but for 'left' one comes back to where one was. */
export function end(why) {
	clearTimeout(timer);
	sessionStorage.removeItem(KEY);
	/* what was under way when somebody left is refused, which is no other reason */
	if (sessionStorage.getItem(WHY) !== 'left') {
		sessionStorage.setItem(WHY, why);
		if (why === 'left')
			sessionStorage.removeItem(RETURN);
		else
			sessionStorage.setItem(RETURN, location.pathname + location.search + location.hash);
	}
	location.assign(root);
}

/* Why one is at the log-in page, told once. */
export function takeWhy() {
	const why = sessionStorage.getItem(WHY);

	sessionStorage.removeItem(WHY);
	return why;
}

/* Where to go after logging in: a page of ours, or null for this one. Told once. */
export function takeReturn() {
	const path = sessionStorage.getItem(RETURN);

	sessionStorage.removeItem(RETURN);
	if (!path)
		return null;

	const url = new URL(path, location.href);

	return url.origin === location.origin && url.href.startsWith(root) && url.pathname !== new URL(root).pathname
		? url.href : null;
}

/* A timer of a sleeping machine is late: the look at focus is not. */
function watch() {
	const left = (session()?.expiresAt ?? 0) - Date.now();

	clearTimeout(timer);
	timer = setTimeout(check, Math.min(Math.max(left, 0), 2 ** 31 - 1));
}

function check() {
	if (!sessionStorage.getItem(KEY))
		return;
	if (session())
		watch();
	else
		end('expired');
}

document.addEventListener('visibilitychange', () => {
	if (!document.hidden)
		check();
});
