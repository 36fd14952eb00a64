/* The form of one gateway server: added, or changed with the revision it was read at. */

import { ApiError, call, request } from './api.js';
import { wordsFor } from './dialog.js';
import { fill, h, icon, icons, put, say } from './dom.js';
import { t } from './i18n.js';
import { focusHeading } from './layout.js';
import { kinds, noOutcome, notice, outcome } from './server-test.js';
import { isAdmin } from './session.js';

const API = 'api/waha/servers';

/* name, element, and what may be in it; the order is that of the form. */
const fields = [
	{ name: 'nome', wanted: true, maxlength: 255 },
	{ name: 'api_url', wanted: true, type: 'url', maxlength: 2048, inputmode: 'url', mono: true },
	{ name: 'kind', options: kinds },
	{ name: 'api_key', type: 'password', maxlength: 1024, mono: true },
	{ name: 'descricao', tag: 'textarea', maxlength: 2000 },
	{ name: 'ativo', type: 'checkbox', initial: true },
	{ name: 'prioridade', type: 'number', min: 0, max: 10, initial: 5, half: true },
	{ name: 'max_sessions', type: 'number', min: 0, max: 100000, initial: 50, half: true },
	{ name: 'timeout', type: 'number', min: 1, max: 300, initial: 30, advanced: true },
	{ name: 'retry_attempts', type: 'number', min: 0, max: 20, initial: 3, advanced: true },
	{ name: 'rate_limit', type: 'number', min: 0, max: 1000000, initial: 100, advanced: true },
	{ name: 'user_id', advanced: true, admin: true, mono: true, maxlength: 36, onlyNew: true },
];

/* Shows the form in main. id: a server's, or null for a new one. done(server, saved): it was saved (true), is gone
 * (null), or the person went back (false). Resolves when the form is there. */
export async function showForm(main, id, done) {
	const form = { main, id, done, server: null, etag: null, inputs: {}, rows: {}, kindTouched: false };

	if (id) {
		fill(main, h('p', { class: 'state-row' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), h('span', { i18n: 'loading' })));
		try {
			const { data, headers } = await request('GET', `${API}/${id}`);

			form.server = data.server ?? data;
			form.etag = headers.get('ETag');
		} catch (error) {
			if (error.status === 404) {
				done(null);
				return;
			}
			fill(main, failure(error, () => showForm(main, id, done), () => done(null, false)));
			return;
		}
	}
	draw(form);
}

function failure(error, again, back) {
	const words = wordsFor(error);

	return h('section', { class: 'card stack', role: 'alert' }, h('h1', {}, words.title), h('p', { class: 'muted' }, words.text),
		h('div', { class: 'actions' },
			h('button', { class: 'button button-primary', type: 'button', i18n: 'retry', on: { click: again } }),
			h('button', { class: 'button button-quiet', type: 'button', i18n: 'form.back', on: { click: back } })));
}

function draw(form) {
	const mine = fields.filter((field) => (!field.admin || isAdmin()) && (!field.onlyNew || !form.server));
	const row = (field) => rowOf(form, field);
	const simple = mine.filter((field) => !field.advanced);

	form.result = h('div', { id: 'test-result', 'aria-live': 'polite' });
	form.problem = h('div', { id: 'form-problem', role: 'alert' });
	form.test = h('button', { class: 'button', type: 'button', id: 'test', i18n: 'server.test', on: { click: () => test(form) } });
	form.save = h('button', { class: 'button button-primary', id: 'save', i18n: 'save' });
	form.node = h('form', { class: 'card stack', id: 'server', method: 'post', novalidate: true, on: {
		submit: (event) => {
			event.preventDefault();
			save(form);
		} } },
		simple.filter((field) => !field.half).map(row),
		h('div', { class: 'halves' }, simple.filter((field) => field.half).map(row)),
		h('details', { class: 'advanced' }, h('summary', { i18n: 'form.advanced' }),
			h('div', { class: 'thirds' }, mine.filter((field) => field.advanced).map(row))),
		h('div', { class: 'form-end' }, form.result, form.problem, h('div', { class: 'actions actions-form' }, form.test, h('span', { class: 'spring' }),
			h('button', { class: 'button', type: 'button', id: 'cancel', i18n: 'cancel', on: { click: () => form.done(null, false) } }),
			form.save)));
	fill(form.main, h('div', { class: 'column' },
		h('button', { class: 'button button-quiet button-back', type: 'button', on: { click: () => form.done(null, false) } },
			icon(icons.back), h('span', { i18n: 'form.back' })),
		h('h1', { i18n: form.server ? 'form.edit' : 'form.add' }), form.node));
	focusHeading(form.main);
}

/* --- Fields --- */

function rowOf(form, field) {
	const { name } = field;
	const error = h('p', { class: 'field-error', id: `${name}-error`, hidden: true });
	const hint = hintOf(form, field);
	const input = inputOf(form, field);

	form.inputs[name] = input;
	form.rows[name] = { error, input };
	input.setAttribute('aria-describedby', `${name}-hint ${name}-error`);
	input.addEventListener('input', () => complain(form, name, ''));
	if (name === 'kind')
		input.addEventListener('change', () => {
			form.kindTouched = true;
		});
	if (field.type === 'checkbox')
		return h('div', { class: 'field' }, h('label', { class: 'check' }, input,
			h('span', {}, h('strong', { i18n: `form.${name}` }), ' ', hint)), error);
	return h('div', { class: 'field' }, h('label', { for: name, i18n: `form.${name}` }), input, hint,
		name === 'api_key' && form.server?.api_key ? clearKey(form) : null, error);
}

function hintOf(form, { name }) {
	const hint = h('span', { class: 'field-hint', id: `${name}-hint`, i18n: `form.${name}.hint` });
	const last = form.server?.api_key?.replace(/^\*+/, '');

	if (name === 'api_key' && last)
		say(hint, 'form.api_key.keep', { last });
	else if (name === 'api_key' && form.server?.api_key)
		say(hint, 'form.api_key.short');
	return hint;
}

function clearKey(form) {
	form.clear = h('input', { type: 'checkbox', id: 'clear-key' });
	form.clear.addEventListener('change', () => {
		form.inputs.api_key.disabled = form.clear.checked;
	});
	return h('label', { class: 'check' }, form.clear, h('span', { i18n: 'form.api_key.clear' }));
}

function inputOf(form, field) {
	const { name, type, options } = field;
	const value = form.server ? form.server[name] : field.initial;
	const common = { id: name, name, autocomplete: type === 'password' ? 'new-password' : 'off', class: field.mono ? 'mono' : null,
		required: field.wanted, maxlength: field.maxlength, inputmode: type === 'number' ? 'numeric' : field.inputmode,
		spellcheck: name === 'descricao' ? null : 'false', autocapitalize: field.mono ? 'none' : null };

	if (options)
		return h('select', { id: name, name }, Object.entries(options).map(([word, text]) =>
			h('option', { value: word, selected: word === (value ?? 'waha') }, text)));
	if (field.tag === 'textarea')
		return h('textarea', { ...common, rows: 3 }, value ?? '');
	if (type === 'checkbox')
		return h('input', { id: name, name, type, checked: value });
	return h('input', { ...common, type: type ?? 'text', min: field.min, max: field.max, step: type === 'number' ? 1 : null,
		value: name === 'api_key' ? null : value });
}

function complain(form, name, text) {
	const row = form.rows[name];

	row.error.hidden = !text;
	put(row.error, text);
	row.input.setAttribute('aria-invalid', text ? 'true' : 'false');
}

/* What stands in a field, as the API wants it; undefined if it is to be left out. */
function valueOf(form, field) {
	const input = form.inputs[field.name];
	const text = input.value.trim();

	if (field.type === 'checkbox')
		return input.checked;
	if (field.type === 'number')
		return text === '' ? undefined : Number(text);
	if (field.name === 'api_key')
		return form.clear?.checked ? null : text || undefined;
	if (field.name === 'descricao')
		return text || null;
	return text || undefined;
}

function shown(form) {
	return fields.filter((field) => form.inputs[field.name]);
}

/* Mistakes that need no server to be seen. */
function mistake(form, field) {
	const value = valueOf(form, field);

	if (field.wanted && !value)
		return t('form.missing');
	if (field.name === 'api_url' && !/^https?:\/\//i.test(value))
		return t('form.url.bad');
	if (field.type === 'number' && !(Number.isInteger(value) && value >= field.min && value <= field.max))
		return t('form.range', { from: field.min, to: field.max });
	return '';
}

/* Marks what is wrong, of the fields named or of all; goes to the first. True if nothing is. */
function complete(form, names = null) {
	const wrong = shown(form).filter((field) => {
		const text = !names || names.includes(field.name) ? mistake(form, field) : '';

		complain(form, field.name, text);
		return text;
	});

	goTo(form, wrong[0]?.name);
	return wrong.length === 0;
}

function goTo(form, name) {
	const input = form.inputs[name];

	input?.closest('details')?.setAttribute('open', '');
	input?.focus();
}

/* --- Testing --- */

/* As it stands in the form. Without a key of its own the saved one is used, at the saved address only. */
async function test(form) {
	if (form.test.disabled || !complete(form, ['api_url']))
		return;

	const { api_url: url, kind, api_key: key } = form.inputs;
	const asSaved = form.server && !key.value && !form.clear?.checked
		&& url.value.trim() === form.server.api_url && kind.value === form.server.kind;
	const guess = !form.server && !form.kindTouched;

	form.test.disabled = true;
	say(form.test, 'server.testing');
	fill(form.result, h('p', { class: 'state-row' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), h('span', { i18n: 'server.testing' })));
	try {
		const answer = asSaved
			? await call('POST', `${API}/${form.id}/test`, { timeout: 70000 })
			: await call('POST', `${API}/test`, { timeout: 70000,
				body: { api_url: url.value.trim(), api_key: key.value || undefined, kind: guess ? undefined : kind.value } });

		fill(form.result, outcome(answer, remarks(form, answer, asSaved)));
	} catch (error) {
		showProblem(form, error, form.result);
	} finally {
		form.test.disabled = false;
		say(form.test, 'server.test');
	}
}

function remarks(form, answer, asSaved) {
	const { kind, api_key: key } = form.inputs;
	const more = [];

	if (answer.kind && answer.kind in kinds && answer.kind !== kind.value && !form.server) {
		kind.value = answer.kind;
		more.push(t('test.kind', { kind: kinds[answer.kind] }));
	}
	if (form.server?.api_key && !asSaved && !key.value && answer.result === 'unauthorized')
		more.push(t('form.newurl'));
	return more;
}

/* --- Saving --- */

async function save(form) {
	if (form.save.disabled || !complete(form))
		return;
	fill(form.problem);
	form.save.disabled = true;
	say(form.save, 'form.saving');
	try {
		const { data } = form.server
			? await request('PATCH', `${API}/${form.id}`, { body: changes(form), headers: { 'If-Match': form.etag } })
			: await request('POST', API, { body: Object.fromEntries(shown(form).map((field) => [field.name, valueOf(form, field)])) });

		form.done(data.server ?? data, true);
	} catch (error) {
		form.save.disabled = false;
		say(form.save, 'save');
		showProblem(form, error, form.problem);
	}
}

/* What differs from the server as it was read. */
function changes(form) {
	const changed = shown(form).map((field) => [field.name, valueOf(form, field)])
		.filter(([name, value]) => value !== undefined && (name === 'api_key' || value !== form.server[name]));

	return Object.fromEntries(changed);
}

function showProblem(form, error, place) {
	if (!(error instanceof ApiError))
		throw error;
	if (error.status === 404 && form.server) {
		form.done(null);
		return;
	}

	const known = error.errors.map((one) => [one.pointer.slice(1), one.detail]).filter(([name]) => form.inputs[name]);

	if (error.code === 'server-exists')
		known.push(['api_url', t('form.exists')]);
	if (error.code === 'server-in-use')
		known.push(['kind', t('form.inuse')]);
	known.forEach(([name, text]) => complain(form, name, text));
	fill(place, error.code === 'precondition-failed' ? changedElsewhere(form)
		: known.length ? notice('error', t('form.check'), []) : noOutcome(error));
	goTo(form, known[0]?.[0]);
}

function changedElsewhere(form) {
	const note = notice('warn', t('form.changed'), []);

	note.append(h('div', { class: 'actions' }, h('button', { class: 'button', type: 'button', i18n: 'form.reload',
		on: { click: () => showForm(form.main, form.id, form.done) } })));
	return note;
}
