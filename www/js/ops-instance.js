/* One instance: how it is, what can be done to it, and everything that happened to it. */

import { ApiError, call } from './api.js';
import { ask } from './dialog.js';
import { fill, h, icon, icons, put } from './dom.js';
import { ago, date, has, t } from './i18n.js';
import { announce } from './layout.js';
import { NONE, busy, cell, complaint, done, failed, howIs, lasted, left, stateOf, table, waiting } from './ops-parts.js';
import { showQr } from './ops-qr.js';

const EVERY = 5000;     // ms between two looks at it
const PAGE = 30;

/* What can be done to it: when, what it is called, and what is asked before. */
const commands = [
	{ id: 'qr', when: (one) => one.origin === 'admin' && one.lifecycle === 'assigned' && !one.online },
	{ id: 'restart', when: (one) => one.lifecycle === 'assigned', ask: true },
	{ id: 'logout', when: (one) => one.lifecycle === 'assigned', ask: true, danger: true },
	{ id: 'release', when: (one) => one.lifecycle === 'assigned', ask: true, danger: true },
];

export function showInstance(body, id) {
	const view = { id, instance: null, gone: false, timer: 0 };

	view.said = h('div', { 'aria-live': 'polite' });
	view.facts = h('dl', { class: 'facts' });
	view.head = h('div', { class: 'head' }, h('h2', { class: 'name' }), h('span', {}));
	view.actions = h('div', { class: 'actions' });
	view.trail = trail(view);
	view.card = h('section', { class: 'card stack' }, waiting());
	fill(body, h('div', { class: 'stack' },
		h('a', { class: 'button button-quiet button-back', href: left.list }, icon(icons.back), h('span', { i18n: 'instance.back' })),
		view.card, h('section', { class: 'card stack', 'aria-labelledby': 'trail-title' }, h('h2', { id: 'trail-title', i18n: 'trail.title' }), view.trail.node)));
	load(view);
	view.trail.load();
	return {
		leave() {
			view.gone = true;
			clearTimeout(view.timer);
		},
	};
}

async function load(view) {
	clearTimeout(view.timer);
	try {
		const instance = document.hidden ? view.instance : await call('GET', `admin/instances/${encodeURIComponent(view.id)}`);

		if (view.gone)
			return;
		if (instance)
			show(view, instance);
		view.timer = setTimeout(load, EVERY, view);
	} catch (error) {
		if (!(error instanceof ApiError))
			throw error;
		if (view.gone)
			return;
		if (error.status === 404)
			show(view, null);
		else if (!view.instance)
			fill(view.card, failed(error, () => load(view)));
		if (error.passing)
			view.timer = setTimeout(load, Math.max(EVERY, (error.retryAfter ?? 0) * 1000), view);
	}
}

function show(view, instance) {
	const before = view.instance;

	view.instance = instance;
	if (!instance) {
		fill(view.card, h('h2', { i18n: 'instance.gone' }), h('p', { class: 'muted', i18n: 'instance.gone.text' }));
		return;
	}
	if (!before)
		fill(view.card, view.head, view.said, view.facts, view.actions);
	put(view.head.firstChild, instance.nome);
	fill(view.head.lastChild, stateOf(...howIs(instance)));
	fill(view.facts, facts(instance).map(([key, ...value]) => h('div', {}, h('dt', { i18n: key }), h('dd', {}, value))));
	const can = commands.filter((one) => one.when(instance));

	if (!before || can.map((one) => one.id).join() !== view.can) {
		view.can = can.map((one) => one.id).join();
		fill(view.actions, can.map((one) => commandButton(view, one)));
	}
	if (before && before.lifecycleAt !== instance.lifecycleAt)
		view.trail.load();
}

function facts(one) {
	const time = (iso) => h('time', { datetime: iso, title: date(iso) }, ago(iso));

	return [
		['instances.user', one.origin === 'admin' ? h('span', { i18n: 'instance.admin' }) : one.email ?? one.userId ?? NONE],
		['fact.phone', one.numero_telefone ? one.numero_telefone.replace(/@.*/, '') : NONE],
		['fact.profile', one.profileName ?? NONE],
		['filter.server', one.server.nome],
		['fact.lifecycle', h('span', { i18n: `life.${one.lifecycle}` }), ', ', time(one.lifecycleAt)],
		['fact.health', h('span', { i18n: `health.${judged(one) ? one.health : 'pending'}` }), one.healthReason && !['healthy', 'disconnected'].includes(one.health) ? h('span', { class: 'muted small', lang: 'en' }, ` ${one.healthReason}`) : null],
		['fact.gateway', h('span', { class: 'mono' }, one.gatewayStatus), one.statusAt ? [', ', time(one.statusAt)] : null],
		one.pairedAt ? ['fact.paired', time(one.pairedAt)] : null,
		one.lastConnectedAt ? ['fact.connected', time(one.lastConnectedAt)] : null,
		['fact.created', time(one.createdAt)],
		one.lastError ? ['fact.error', h('span', { lang: 'en' }, one.lastError)] : null,
		['fact.id', h('span', { class: 'mono small' }, one.id)],
	].filter(Boolean);
}

/* False if its phone has come or gone since the last look: that judgement is past. */
function judged({ lifecycle, online, health }) {
	return lifecycle !== 'assigned' || health !== (online ? 'disconnected' : 'healthy');
}

/* --- What can be done to it --- */

function commandButton(view, command) {
	const button = h('button', { class: `button ${command.danger ? 'button-quiet is-danger' : ''}`.trim(), type: 'button', id: `do-${command.id}`,
		i18n: `do.${command.id}`, on: { click: () => run(view, command, button) } });

	return button;
}

async function run(view, command, button) {
	const { instance } = view;
	const params = { name: instance.nome };

	if (command.id === 'qr') {
		await showQr(instance);
		load(view);
		return;
	}
	if (command.ask && !await ask({ title: `do.${command.id}.title`, text: `do.${command.id}.text`, params, yes: `do.${command.id}`, danger: command.danger }))
		return;
	const answer = await busy(button, view.said, () => call('POST', `admin/instances/${instance.id}/${command.id}`, { timeout: 100000 }));

	if (answer)
		fill(view.said, done(answer.message));
	load(view);
	view.trail.load();
	if (button.isConnected)
		button.focus();
	else
		view.head.closest('main').focus();
}

/* --- What happened to it --- */

function trail(view) {
	const found = table('trail.title', ['trail.when', 'trail.what', 'trail.why', 'trail.who', 'trail.lasted']);
	const place = h('div', { class: 'stack' }, waiting());
	const foot = h('div', { class: 'actions' });
	const state = { turn: 0, next: null };

	async function load(on = null) {
		const turn = ++state.turn;

		try {
			const page = await call('GET', `admin/instances/${encodeURIComponent(view.id)}/events`, { query: { limit: PAGE, cursor: on } });

			if (turn !== state.turn || view.gone)
				return;
			state.next = page.next;
			if (on) {
				found.body.append(...page.events.map(eventRow));
			} else {
				fill(found.body, page.events.map(eventRow));
				fill(place, page.events.length ? found.node : h('p', { class: 'muted', i18n: 'trail.none' }));
			}
			fill(foot, page.next ? h('button', { class: 'button', type: 'button', i18n: 'trail.more', on: { click: () => load(state.next) } }) : null);
			if (on)
				announce(t('trail.loaded', { n: page.events.length }));
		} catch (error) {
			if (!(error instanceof ApiError))
				throw error;
			if (turn === state.turn && !view.gone)
				fill(place, error.status === 404 ? h('p', { class: 'muted', i18n: 'trail.none' }) : complaint(error));
		}
	}

	return { node: h('div', { class: 'stack' }, place, foot), load: () => load() };
}

/* A word of ours where there is one, else the program's own. */
function word(prefix, value) {
	return has(`${prefix}.${value}`) ? t(`${prefix}.${value}`) : value;
}

function what(event) {
	const named = (value) => (event.kind === 'health' ? word('health', value) : event.kind === 'transition' ? word('life', value) : word('step', value));

	if (event.from && event.to)
		return `${named(event.from)} → ${named(event.to)}`;
	return named(event.to ?? event.from ?? '');
}

function eventRow(event) {
	return h('tr', {},
		h('th', { scope: 'row' }, put(h('time', { datetime: event.at, title: date(event.at, { dateStyle: 'full', timeStyle: 'medium' }) }),
			date(event.at, { dateStyle: 'short', timeStyle: 'medium' }))),
		cell('trail.what', h('span', { class: 'muted small' }, word('kind', event.kind)), ' ', what(event)),
		cell('trail.why', event.reason ? reason(event.reason) : NONE),
		cell('trail.who', event.actor ?? NONE),
		cell('trail.lasted', event.durationMs === null ? NONE : lasted(event.durationMs)));
}

function reason(text) {
	return has(`reason.${text}`) ? t(`reason.${text}`) : h('span', { lang: 'en' }, text);
}
