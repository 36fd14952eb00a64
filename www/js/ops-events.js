/* Events that did not arrive: whose, where to, why not; and sending them again, one or all. The list follows when their
 * number changes, a long one always, unless somebody stands in it. */

import { ApiError, call } from './api.js';
import { ask } from './dialog.js';
import { fill, h, put } from './dom.js';
import { ago, date, t } from './i18n.js';
import { announce } from './layout.js';
import { PAGE, Pages } from './ops-pages.js';
import { NONE, busy, cell, choose, done, failed, table, waiting } from './ops-parts.js';

const TYPES = ['device.connected', 'device.disconnected', 'qr.updated', 'message.received', 'message.ack', 'instance.health'];

export function showEvents(body, query, look) {
	const wish = { state: query.get('state') === 'pending' ? 'pending' : 'parked', type: TYPES.includes(query.get('type')) ? query.get('type') : '' };
	const pages = new Pages((one) => one.id);
	const list = { turn: 0, sent: 0, busy: false, gone: false, known: '' };
	const state = choose('state', 'filter.state', [['parked', 'events.parked'], ['pending', 'events.pending']], wish.state);
	const type = choose('type', 'events.type', [['', 'filter.all'], ...TYPES.map((one) => [one, one])], wish.type);
	const found = table('events.title', ['events.type', 'instances.user', 'events.host', 'events.when', 'events.why', null]);
	const said = h('div', { 'aria-live': 'polite' });
	const place = h('div', { class: 'stack', id: 'events' });
	const foot = h('div', { class: 'actions' });
	const all = h('button', { class: 'button', type: 'button', id: 'replay-all', hidden: true, i18n: 'events.all', on: { click: () => replayAll() } });

	fill(body, h('section', { class: 'card stack', 'aria-labelledby': 'events-title' },
		h('div', { class: 'head' }, h('h2', { id: 'events-title', i18n: 'events.title' }), all),
		h('p', { class: 'muted', i18n: 'events.lead' }),
		h('form', { class: 'ops-filters', on: { submit: (event) => event.preventDefault() } }, state.field, type.field),
		said, place, foot));
	state.select.addEventListener('change', () => refine({ state: state.select.value }));
	type.select.addEventListener('change', () => refine({ type: type.select.value }));
	load();
	return {
		update({ events }) {
			const now = `${events.parked} ${events.pending}`;

			if (!list.known)
				list.known = now;
			else if ((now !== list.known || pages.parted) && !list.busy && !place.contains(document.activeElement))
				follow(now);
		},
		leave() {
			list.gone = true;
		},
	};

	function refine(change) {
		const address = new URLSearchParams();

		Object.assign(wish, change);
		Object.entries(wish).forEach(([name, value]) => value && value !== 'parked' && address.set(name, value));
		history.replaceState(null, '', `#events${address.size ? `?${address}` : ''}`);
		fill(said);
		load();
	}

	function question(more) {
		return call('GET', 'admin/deliveries', { query: { ...wish, ...more } });
	}

	/* What is shown, as it is now; none fewer than there were. now: the number of all; known once it is followed. */
	async function follow(now) {
		const { turn, sent } = list;
		const again = pages.again(found.body.children);

		if (!again)
			return;
		try {
			const page = await question({ limit: again.limit, cursor: again.cursor });

			if (turn !== list.turn || sent !== list.sent || list.gone || place.contains(document.activeElement))
				return;
			again.take(page.deliveries, page.next);
			list.known = now;
			show();
		} catch (error) {
			if (!(error instanceof ApiError))    // the look at the pool tells of an outage
				throw error;
		}
	}

	async function load(on = null) {
		const turn = ++list.turn;

		list.busy = true;
		if (!on && pages.rows.length === 0)
			fill(place, waiting());
		try {
			const page = await question({ limit: PAGE, cursor: on });

			if (turn !== list.turn || list.gone)
				return;
			pages.add(page.deliveries, page.next, on);
			show();
		} catch (error) {
			if (!(error instanceof ApiError))
				throw error;
			if (turn === list.turn && !list.gone) {
				pages.clear();
				all.hidden = true;
				fill(place, failed(error, () => load(on)));
				fill(foot);
			}
		} finally {
			if (turn === list.turn)
				list.busy = false;
		}
	}

	function show() {
		all.hidden = wish.state !== 'parked' || pages.rows.length === 0;
		if (pages.rows.length === 0)
			fill(place, h('div', { class: 'empty' }, h('h3', { i18n: `events.none.${wish.state}` })));
		else
			fill(place, found.node);
		fill(found.body, pages.rows.map(rowOf));
		fill(foot, pages.next ? h('button', { class: 'button', type: 'button', i18n: 'ops.more', on: { click: () => load(pages.next) } }) : null);
	}

	function rowOf(event) {
		const row = h('tr', {}, h('th', { scope: 'row' }, h('span', { class: 'mono small' }, event.type)),
			cell('instances.user', event.email ?? event.userId),
			cell('events.host', event.host ?? NONE),
			cell('events.when', put(h('time', { datetime: event.createdAt, title: date(event.createdAt) }), ago(event.createdAt))),
			cell('events.why', event.error ? h('span', { lang: 'en' }, event.error) : NONE,
				event.attempts ? h('div', { class: 'muted small', i18n: 'events.attempts', i18nParams: { n: event.attempts } }) : null),
			h('td', { class: 'row-end' }, remedy(event)));

		return row;
	}

	/* The button that sends it again, or why there is none. */
	function remedy(event) {
		if (event.state !== 'parked')
			return null;
		if (event.disabled || event.expired)
			return h('span', { class: 'muted small', i18n: event.disabled ? 'events.disabled' : 'events.expired' });

		const button = h('button', { class: 'button button-quiet', type: 'button', i18n: 'events.replay', on: { click: () => replay(event, button) } });

		return button;
	}

	async function replay(event, button) {
		const answer = await busy(button, said, () => call('POST', `admin/deliveries/${event.id}/replay`));

		if (answer) {
			const place = pages.rows.indexOf(event);

			list.sent++;    // an answer under way still has it
			pages.without(event);
			show();
			fill(said, done(t('events.sent', { n: 1 })));
			(found.body.children[place]?.querySelector('button') ?? document.getElementById('events-title').closest('main')).focus();
			look();
		}
	}

	/* A thousand at a time, until nothing is left that can be sent. */
	async function replayAll() {
		if (!await ask({ title: 'events.all.title', text: wish.type ? 'events.all.type' : 'events.all.text', params: { type: wish.type }, yes: 'events.all' }))
			return;
		let sent = 0, answer = null;

		do {
			answer = await busy(all, said, () => call('POST', 'admin/deliveries/replay', { body: wish.type ? { type: wish.type } : {} }));
			sent += answer?.replayed ?? 0;
			if (answer)
				fill(said, done([t('events.sent', { n: sent }), answer.disabled ? t('events.left', { n: answer.disabled }) : ''].join(' ').trim()));
		} while (answer?.replayed && answer.remaining && !list.gone);
		if (list.gone)
			return;
		announce(t('events.sent', { n: sent }));
		await load();
		look();
	}
}
