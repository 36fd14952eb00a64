/* "Configurações > Servidores WAHA": the list, what can be done to a server, and the way to its form.
 * #new and #<id> are the form, so that Back leads to the list. */

import { ApiError, call } from './api.js';
import { ask, wordsFor } from './dialog.js';
import { fill, h, icon, icons, put, say } from './dom.js';
import { addTexts, ago, t } from './i18n.js';
import { announce, focusHeading, layout, title } from './layout.js';
import { showForm } from './server-form.js';
import { closing, kinds, noOutcome, outcome } from './server-test.js';
import { isAdmin, need } from './session.js';
import texts from './text-servers.js';

const API = 'api/waha/servers';
const PAGE = 20;
const CALM = 20000;     // ms between two looks at the list, and while a server is being emptied
const BUSY = 4000;

const main = document.getElementById('main');
const state = { rows: new Map(), wanted: PAGE, next: null, query: { q: '', user_id: '' }, timer: 0, look: 0, peak: new Map() };

addTexts(texts);
if (need()) {
	layout('servers.title');
	addEventListener('hashchange', () => route());
	document.addEventListener('wapool:language', () => location.hash.length < 2 && load());
	document.addEventListener('visibilitychange', () => !document.hidden && plan(0));
	route();
}

/* --- Where one is --- */

function route(news) {
	const hash = location.hash.slice(1);
	const id = /^(new|[0-9a-f-]{36})?$/.test(hash) ? hash : '';    // a link must not lead elsewhere in the API

	clearTimeout(state.timer);
	state.look++;
	state.list = null;
	if (id === '') {
		title('servers.title');
		showList(news);
	} else {
		title(id === 'new' ? 'form.add' : 'form.edit');
		showForm(main, id === 'new' ? null : id, leaveForm);
	}
}

/* server: what was saved. Without one nothing was, or (saved is undefined) it is gone. */
function leaveForm(server, saved) {
	const news = server ? t('server.saved', { name: server.nome }) : saved === false ? '' : t('server.gone');

	history.replaceState(null, '', location.pathname);
	route(news);
}

/* --- The list --- */

function showList(news) {
	state.rows.clear();
	state.news = h('p', { class: 'notice notice-ok', id: 'news', role: 'status', hidden: true });
	state.list = h('ul', { class: 'servers', i18nAttrs: { 'aria-label': 'servers.list' }, role: 'list' });
	state.more = h('button', { class: 'button', type: 'button', id: 'more', i18n: 'servers.more', hidden: true, on: { click: more } });
	fill(main,
		h('div', { class: 'page-head' },
			h('div', {}, h('h1', { i18n: 'servers.title' }),
				h('p', { class: 'lead', i18n: isAdmin() ? 'servers.lead.admin' : 'servers.lead' })),
			h('a', { class: 'button button-primary', id: 'add', href: '#new' }, icon(icons.plus), h('span', { i18n: 'servers.add' }))),
		isAdmin() ? filters() : null, state.news, state.list, state.more);
	tell(news);
	fill(state.list, h('li', { class: 'state-row' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), h('span', { i18n: 'loading' })));
	load();
	if (news)
		focusHeading(main);
}

function filters() {
	const search = h('input', { type: 'search', id: 'q', value: state.query.q, autocomplete: 'off' });
	const whose = h('select', { id: 'whose' },
		[['', 'servers.whose.all'], ['platform', 'servers.whose.platform']]
			.map(([value, key]) => h('option', { value, i18n: key, selected: value === state.query.user_id })));
	let pause;

	search.addEventListener('input', () => {
		clearTimeout(pause);
		pause = setTimeout(() => refine({ q: search.value.trim() }), 250);
	});
	whose.addEventListener('change', () => refine({ user_id: whose.value }));
	return h('form', { class: 'filters', role: 'search', on: { submit: (event) => event.preventDefault() } },
		h('div', { class: 'field' }, h('label', { for: 'q', i18n: 'servers.search' }), search),
		h('div', { class: 'field' }, h('label', { for: 'whose', i18n: 'servers.whose' }), whose));
}

function refine(change) {
	Object.assign(state.query, change);
	state.wanted = PAGE;
	load();
}

/* As many as are shown, in pages of the API's; later answers of an earlier look are dropped. */
async function load() {
	const look = ++state.look;

	clearTimeout(state.timer);
	try {
		const servers = [];
		let cursor = null;

		do {
			const page = await call('GET', API, { query: { ...state.query, cursor, limit: Math.min(100, state.wanted - servers.length) } });

			servers.push(...page.servers);
			cursor = page.next;
		} while (cursor && servers.length < state.wanted);
		if (look !== state.look || !state.list)
			return;
		state.next = cursor;
		show(servers);
		plan(servers.some((one) => one.draining || one.removing) ? BUSY : CALM);
	} catch (error) {
		if (!(error instanceof ApiError))
			throw error;
		if (look === state.look && state.list) {
			if (state.rows.size === 0)
				showFailure(error);
			plan((error.retryAfter ?? 5) * 1000);
		}
	}
}

function plan(ms) {
	clearTimeout(state.timer);
	if (state.list && !document.hidden)
		state.timer = setTimeout(load, ms);
}

function showFailure(error) {
	fill(state.list, h('li', {}, h('div', { class: 'card stack', role: 'alert' }, h('h2', { i18n: 'servers.failed' }),
		h('p', { class: 'muted' }, wordsFor(error).text),
		h('div', { class: 'actions' }, h('button', { class: 'button', type: 'button', i18n: 'retry', on: { click: load } })))));
}

/* Rows that stay are kept, with the focus in them and what a test of them said. */
function show(servers) {
	const gone = new Set(state.rows.keys());

	for (const server of servers) {
		gone.delete(server.id);
		if (!state.rows.has(server.id))
			state.rows.set(server.id, rowOf(server));
		update(state.rows.get(server.id), server);
	}
	gone.forEach((id) => state.rows.delete(id));
	const nodes = servers.map((server) => state.rows.get(server.id).node);

	if (nodes.length === 0)
		fill(state.list, nothing());
	else if (nodes.length !== state.list.children.length || nodes.some((node, place) => state.list.children[place] !== node))
		fill(state.list, nodes);
	state.more.hidden = !state.next;
}

/* The first of the new ones is where one goes on reading. */
async function more() {
	const before = state.rows.size;

	state.wanted += PAGE;
	await load();
	if (state.more.hidden)
		focusHeading(state.list.children[before]);
}

function nothing() {
	const searched = state.query.q || state.query.user_id;

	return h('li', { class: 'empty' }, h('h2', { i18n: searched ? 'servers.none' : 'servers.empty' }),
		h('p', { i18n: searched ? 'servers.none.text' : 'servers.empty.text' }));
}

function tell(text) {
	state.news.hidden = !text;
	put(state.news, text ?? '');
}

/* --- A server --- */

function rowOf(server) {
	const row = { server, id: server.id };
	const titleId = `server-${server.id}`;

	row.name = h('h2', { id: titleId });
	row.kind = h('span', { class: 'badge' });
	row.state = h('p', {});
	row.url = h('p', { class: 'mono small muted server-url' });
	row.text = h('p', { class: 'small server-text' });
	row.facts = h('dl', { class: 'facts' });
	row.drain = h('div', { class: 'drain' });
	row.result = h('div', { 'aria-live': 'polite' });
	row.test = action(row, 'server.test', () => test(row));
	row.menu = menu(row);
	row.node = h('li', { class: 'card server', 'aria-labelledby': titleId },
		h('div', { class: 'server-top' }, h('div', { class: 'server-name' }, row.name, row.kind), row.state),
		row.url, row.text, row.facts,
		h('div', { class: 'actions' },
			h('a', { class: 'button', href: `#${server.id}` }, icon(icons.pencil), h('span', { i18n: 'server.edit' }), of(row)),
			row.test, row.menu),
		row.drain, row.result);
	return row;
}

/* The name, for who hears "Edit" and sees no row. */
function of(row) {
	return h('span', { class: 'unseen' }, `: ${row.server.nome}`);
}

function action(row, key, click, look = '') {
	return h('button', { class: `button ${look}`.trim(), type: 'button', on: { click } }, h('span', { i18n: key }), of(row));
}

/* Opens and closes by itself (details); Escape and a click elsewhere close it too. */
function menu(row) {
	const list = h('div', { class: 'menu-list' });
	const details = h('details', { class: 'menu' },
		h('summary', { class: 'button' }, h('span', { i18n: 'server.more' }), of(row)), list);

	const refresh = () => fill(list, choices(row));
	// before it opens: 'toggle' comes later, and would take the button away that a quick Tab has reached
	details.firstChild.addEventListener('click', () => details.open || refresh());
	details.addEventListener('toggle', () => details.open && !list.firstChild && refresh());
	details.addEventListener('keydown', (event) => {
		if (event.key === 'Escape' && details.open) {
			details.open = false;
			details.firstChild.focus();
		}
	});
	details.addEventListener('focusout', (event) => {
		if (event.relatedTarget && !details.contains(event.relatedTarget))
			details.open = false;
	});
	return details;
}

document.addEventListener('click', (event) => {
	for (const open of document.querySelectorAll('details.menu[open]')) {
		if (!open.contains(event.target))
			open.open = false;
	}
});

function choices(row) {
	const { ativo, draining, removing } = row.server;
	const on = ativo && !draining && !removing;
	const choice = (key, act, look) => action(row, key, () => {
		row.menu.open = false;
		act(row);
	}, `button-quiet ${look ?? ''}`);

	return [
		draining || removing ? choice('server.stopdrain', activate) : null,
		!draining && !removing ? (on ? choice('server.deactivate', deactivate) : choice('server.activate', activate)) : null,
		draining || removing ? null : choice('server.drain', drain),
		removing ? null : choice('server.remove', remove, 'is-danger'),
	];
}

function update(row, server) {
	row.server = server;
	put(row.name, server.nome);
	put(row.kind, kinds[server.kind] ?? server.kind);
	put(row.url, server.api_url);
	put(row.text, server.descricao ?? '');
	row.text.hidden = !server.descricao;
	showState(row, server);
	fill(row.facts, facts(server).map(([key, ...value]) => h('div', {}, h('dt', { i18n: key }), h('dd', {}, value))));
	showDrain(row, server);
}

function showState(row, server) {
	const [look, key] = server.removing ? ['warn', 'server.removing'] : server.draining ? ['warn', 'server.draining']
		: !server.ativo ? ['off', 'server.off'] : { up: ['ok', 'server.up'], down: ['bad', 'server.down'] }[server.health]
		?? ['new', 'server.unknown'];

	row.state.className = `state state-${look}`;
	say(row.state, key);
}

function facts(server) {
	const { sessions_ativas: used, max_sessions: max } = server;
	const bar = h('meter', { class: 'meter', min: 0, max: Math.max(max, 1), value: Math.min(used, max), 'aria-hidden': 'true' });

	return [
		['server.sessions', t('server.sessions.of', { used, max }), bar],
		['server.priority', String(server.prioridade)],
		['server.key', server.api_key ? server.api_key.replace(/^\*+/, '••••') : t('server.key.none')],
		['server.version', server.version ?? '–'],
		['server.checked', server.checked_at ? ago(server.checked_at) : t('server.checked.never')],
		isAdmin() ? ['server.owner', server.user_id ?? t('server.owner.platform')] : null,
		server.health === 'down' && server.health_reason ? ['server.reason', h('span', { lang: 'en' }, server.health_reason)] : null,
	].filter(Boolean);
}

/* How far the emptying is, from the most sessions that were seen since this page began to look. */
function showDrain(row, server) {
	const left = server.sessions_ativas;

	if (!server.draining && !server.removing) {
		state.peak.delete(server.id);
		fill(row.drain);
		return;
	}

	const peak = Math.max(state.peak.get(server.id) ?? 0, left);

	state.peak.set(server.id, peak);
	fill(row.drain,
		h('progress', { class: 'bar', max: Math.max(peak, 1), value: peak ? peak - left : 1,
			'aria-label': t('server.left.bar', { name: server.nome }) }),
		left ? h('p', { class: 'small', i18n: 'server.left', i18nParams: { n: left } }) : h('p', { class: 'small', i18n: 'server.left.none' }));
}

/* --- What can be done to it --- */

async function test(row) {
	if (row.test.disabled)
		return;

	const word = row.test.firstChild;

	row.test.disabled = true;
	say(word, 'server.testing');
	tell('');
	try {
		const answer = await call('POST', `${API}/${row.id}/test`, { timeout: 70000 });

		fill(row.result, closing(outcome(answer)));
		plan(1500);
	} catch (error) {
		fill(row.result, closing(noOutcome(error)));
	} finally {
		row.test.disabled = false;
		say(word, 'server.test');
		row.test.focus();
	}
}

/* One command; the sentence that tells of it, or what went wrong, in the row. */
async function command(row, method, path, sentence, options) {
	try {
		const answer = await call(method, `${API}/${row.id}${path}`, options);

		fill(row.result);
		tell(t(sentence, { name: row.server.nome }));
		await load();
		if (!state.rows.has(row.id))
			focusHeading(main);
		else
			row.menu.firstChild.focus();
		return answer;
	} catch (error) {
		if (error.code === 'server-in-use')
			throw error;
		if (error.status === 404) {
			tell(t('server.gone'));
			load();
		} else {
			fill(row.result, closing(noOutcome(error)));
			announce(wordsFor(error).text);
		}
		return null;
	}
}

function activate(row) {
	return command(row, 'POST', '/activate', 'server.activated');
}

function deactivate(row) {
	return command(row, 'POST', '/deactivate', 'server.deactivated');
}

async function drain(row) {
	if (await ask({ title: 'server.drain.title', text: 'server.drain.text', params: { name: row.server.nome }, yes: 'server.drain' }))
		await command(row, 'POST', '/drain', 'server.drained');
}

/* Where people are connected, it is emptied first, if that is wanted. */
async function remove(row) {
	const params = { name: row.server.nome };

	if (!await ask({ title: 'server.remove.title', text: 'server.remove.text', params, yes: 'server.remove', danger: true }))
		return;
	try {
		await command(row, 'DELETE', '', 'server.removed');
	} catch {
		if (await ask({ title: 'server.force.title', text: 'server.force.text', params, yes: 'server.force.yes', danger: true }))
			await command(row, 'DELETE', '', 'server.removelater', { query: { force: 'drain' } });
	}
}
