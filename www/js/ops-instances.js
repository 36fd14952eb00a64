/* Instances: a filter, a table, a page at a time, looked at anew with each look at the pool. What is asked for stands in the
 * address, so that Back leads to it. */

import { ApiError, call } from './api.js';
import { fill, h, put } from './dom.js';
import { ago, date, t } from './i18n.js';
import { announce } from './layout.js';
import { PAGE, Pages } from './ops-pages.js';
import { NONE, cell, choose, failed, howIs, keep, left, stateOf, table, waiting } from './ops-parts.js';

/* What the state filter means to the API. */
const states = {
	'': {},
	assigned: { lifecycle: 'assigned' },
	connected: { status: 'connected' },
	disconnected: { lifecycle: 'assigned', status: 'disconnected' },
	standby: { lifecycle: 'standby' },
	provisioning: { lifecycle: 'provisioning' },
	recycling: { lifecycle: 'recycling' },
	retired: { lifecycle: 'retired' },
	degraded: { health: 'degraded' },
	stuck: { health: 'stuck' },
	corrupted: { health: 'corrupted' },
	not_found: { health: 'not_found' },
};

const choices = [
	['', 'filter.all'], ['assigned', 'life.assigned'], ['connected', 'instance.online'], ['disconnected', 'instance.offline'],
	['standby', 'life.standby'], ['provisioning', 'life.provisioning'], ['recycling', 'life.recycling'], ['retired', 'life.retired'],
	{ key: 'filter.ill', options: ['degraded', 'stuck', 'corrupted', 'not_found'].map((one) => [one, `health.${one}`]) },
];

export function showInstances(body, query) {
	const wish = { state: query.get('state') in states ? query.get('state') : '', server: query.get('server') ?? '', q: query.get('q') ?? '' };
	const pages = new Pages((one) => `${one.nome}\n${one.id}`);
	const list = { turn: 0, busy: false, gone: false };    // turn: of the last wish; busy: it has no answer yet
	const state = choose('state', 'filter.state', choices, wish.state);
	const server = choose('server', 'filter.server', [['', 'filter.all']], wish.server);
	const text = h('input', { type: 'search', id: 'q', value: wish.q, autocomplete: 'off', maxlength: 80, spellcheck: 'false' });
	const found = table('instances.title', ['instances.name', 'filter.state', 'instances.user', 'filter.server', 'instances.age']);
	const place = h('div', { class: 'stack', id: 'instances' });
	const foot = h('div', { class: 'actions' });
	let pause = 0;

	fill(body, h('section', { class: 'card stack', 'aria-labelledby': 'instances-title' },
		h('div', { class: 'head' }, h('h2', { id: 'instances-title', i18n: 'instances.title' }),
			h('button', { class: 'button button-quiet', type: 'button', id: 'reload', i18n: 'ops.reload', on: { click: () => load() } })),
		h('form', { class: 'ops-filters', role: 'search', on: { submit: (event) => event.preventDefault() } }, state.field, server.field,
			h('div', { class: 'field' }, h('label', { for: 'q', i18n: 'filter.text' }), text)),
		place, foot));
	state.select.addEventListener('change', () => refine({ state: state.select.value }));
	server.select.addEventListener('change', () => refine({ server: server.select.value }));
	text.addEventListener('input', () => {
		clearTimeout(pause);
		pause = setTimeout(() => refine({ q: text.value.trim() }), 250);
	});
	left.list = location.hash || '#instances';
	load();
	return {
		update(o) {
			servers(server.select, o.servers, wish.server);
			follow();
		},
		leave() {
			clearTimeout(pause);
			list.gone = true;
		},
	};

	function refine(change) {
		const address = new URLSearchParams();

		Object.assign(wish, change);
		Object.entries(wish).forEach(([name, value]) => value && address.set(name, value));
		left.list = `#instances${address.size ? `?${address}` : ''}`;
		history.replaceState(null, '', left.list);
		load();
	}

	function ask(more) {
		return call('GET', 'admin/instances', { query: { ...states[wish.state], server: wish.server, q: wish.q, ...more } });
	}

	/* The first page, or with `on` the one after what is there. An answer that a later wish has overtaken is dropped. */
	async function load(on = null) {
		const turn = ++list.turn;

		list.busy = true;

		if (!on && pages.rows.length === 0)
			fill(place, waiting());
		place.setAttribute('aria-busy', 'true');
		try {
			const page = await ask({ limit: PAGE, cursor: on });

			if (turn !== list.turn || list.gone)
				return;
			pages.add(page.instances, page.next, on);
			show(on ? page.instances.length : 0);
		} catch (error) {
			if (!(error instanceof ApiError))
				throw error;
			if (turn === list.turn && !list.gone) {
				pages.clear();
				fill(place, failed(error, () => load(on)));
				fill(foot);
				delete foot.dataset.shown;
			}
		} finally {
			if (turn === list.turn)
				list.busy = false;
			place.removeAttribute('aria-busy');
		}
	}

	/* What is shown, as it is now, without a word: who reads, or has the focus in it, is not disturbed. */
	async function follow() {
		const { turn } = list;
		const again = list.busy ? null : pages.again(found.body.children);

		if (!again)
			return;
		try {
			const page = await ask({ limit: again.limit, cursor: again.cursor });

			if (turn !== list.turn || list.gone)
				return;
			again.take(page.instances, page.next);
			rows();
		} catch (error) {
			if (!(error instanceof ApiError))    // the look at the pool tells of an outage
				throw error;
		}
	}

	function rows() {
		const all = pages.rows;
		const more = pages.next !== null;
		const shown = `${all.length} ${more}`;

		if (all.length === 0)
			fill(place, h('div', { class: 'empty' }, h('h3', { i18n: 'instances.none' }), h('p', { i18n: 'instances.none.text' })));
		else if (!found.node.isConnected)
			fill(place, found.node);
		keep(found.body, all, (one) => one.id, makeRow, renewRow);
		if (foot.dataset.shown === shown)
			return;
		foot.dataset.shown = shown;
		fill(foot, h('p', { class: 'muted small', i18n: 'instances.shown', i18nParams: { n: all.length } }),
			more ? h('button', { class: 'button', type: 'button', id: 'more', i18n: 'ops.more', on: { click: () => load(pages.next) } }) : null);
	}

	/* added: how many are new at the end; the first of them gets the focus. */
	function show(added) {
		rows();
		if (added)
			found.body.children[pages.rows.length - added]?.querySelector('a').focus();
		else
			announce(t('instances.shown', { n: pages.rows.length }));
	}
}

/* The filter's servers, once they are known; the one of the address stays chosen. */
function servers(select, all, chosen) {
	if (select.dataset.known === String(all.length))
		return;
	select.dataset.known = String(all.length);
	fill(select, select.firstChild, all.map((one) => h('option', { value: one.id, selected: one.id === chosen }, one.name)));
	select.value = all.some((one) => one.id === chosen) ? chosen : '';
}

function makeRow(instance) {
	return h('tr', {}, h('th', { scope: 'row' }, h('a', { href: `#instances/${encodeURIComponent(instance.id)}`, class: 'name' })));
}

/* The cells are made anew if something has changed; the link, and the focus in it, stay. */
function renewRow(row, instance) {
	const [look, key] = howIs(instance);
	const since = instance.lifecycleAt;
	const seen = [instance.nome, key, instance.email, instance.server.nome, ago(since)].join('\n');

	if (row.dataset.seen === seen)
		return;
	row.dataset.seen = seen;
	put(row.querySelector('.name'), instance.nome);
	while (row.children.length > 1)
		row.lastChild.remove();
	row.append(
		cell('filter.state', stateOf(look, key)),
		cell('instances.user', instance.email ?? (instance.origin === 'admin' ? h('span', { class: 'muted', i18n: 'instance.admin' }) : NONE)),
		cell('filter.server', instance.server.nome),
		cell('instances.age', put(h('time', { datetime: since, title: date(since) }), ago(since))));
}
