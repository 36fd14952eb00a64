/* The log-in form of the start page. */

import { ApiError, call } from './api.js';
import { fill, h, put, say } from './dom.js';
import { wordsFor } from './dialog.js';
import { t } from './i18n.js';
import { focusHeading, title } from './layout.js';
import { begin, takeReturn, takeWhy } from './session.js';

/* Puts the form into main; calls done() when somebody has logged in and stays on this page. */
export function showLogin(main, done) {
	const why = takeWhy();
	const notice = h('p', { class: 'notice', role: 'status', hidden: !why });
	const email = field('email', 'email', 'username');
	const password = field('password', 'password', 'current-password');
	const problem = h('p', { class: 'notice notice-error', role: 'alert', id: 'login-problem', hidden: true });
	const submit = h('button', { class: 'button button-primary button-wide', i18n: 'login.submit' });
	const form = h('form', { class: 'stack', id: 'login', method: 'post', novalidate: true },
		email.row, password.row, problem, submit);

	if (why)
		say(notice, `login.${why}`);
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		if (!submit.disabled && complete(email, password))
			logIn({ email, password, problem, submit }, done);
	});
	title('login.title');
	fill(main, h('section', { class: 'card card-narrow', 'aria-labelledby': 'login-title' },
		h('h1', { id: 'login-title', i18n: 'login.title' }),
		h('p', { class: 'lead', i18n: 'login.lead' }), notice, form));
	if (why === 'expired' || why === 'needed')
		focusHeading(main);
}

function field(name, type, autocomplete) {
	const error = h('p', { class: 'field-error', id: `${name}-error`, hidden: true });
	const input = h('input', { id: name, name, type, autocomplete, required: true, maxlength: 320,
		'aria-describedby': `${name}-error`, autocapitalize: 'none', spellcheck: 'false' });

	input.addEventListener('input', () => complain({ input, error }, null));
	return { input, error, row: h('div', { class: 'field' },
		h('label', { for: name, i18n: `login.${name}` }), input, error) };
}

function complain({ input, error }, key) {
	error.hidden = !key;
	input.setAttribute('aria-invalid', key ? 'true' : 'false');
	if (key)
		say(error, key);
}

/* Marks what is empty and goes to the first of them. */
function complete(...fields) {
	const empty = fields.filter((one) => !one.input.value.trim());

	empty.forEach((one) => complain(one, `login.${one.input.name}.missing`));
	empty[0]?.input.focus();
	return empty.length === 0;
}

async function logIn({ email, password, problem, submit }, done) {
	problem.hidden = true;
	submit.disabled = true;
	say(submit, 'login.busy');
	try {
		begin(await call('POST', 'api/auth/login', { anonymous: true,
			body: { email: email.input.value.trim(), password: password.input.value } }));

		const back = takeReturn();

		if (back)
			location.replace(back);
		else
			done();
	} catch (error) {
		if (!(error instanceof ApiError))
			throw error;
		submit.disabled = false;
		say(submit, 'login.submit');
		problem.hidden = false;
		put(problem, sentence(error));
		if (error.code === 'bad-login')
			password.input.select();
	}
}

function sentence(error) {
	if (error.code === 'bad-login')
		return t('login.wrong');
	if (error.status === 429)
		return t('login.wait', { n: error.retryAfter ?? 5 });
	return wordsFor(error).text;
}
