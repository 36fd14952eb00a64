/* The page of operators: #pool, #instances, #instances/<name>, #events. What all of them show, and the one look
 * at the pool that goes on while the page is seen. */

import { ApiError, call } from './api.js';
import { wordsFor } from './dialog.js';
import { fill, h, icon, icons, put } from './dom.js';
import { addTexts, ago, date, t } from './i18n.js';
import { announce, focusHeading, layout, title } from './layout.js';
import { showEvents } from './ops-events.js';
import { showInstance } from './ops-instance.js';
import { showInstances } from './ops-instances.js';
import { keep } from './ops-parts.js';
import { showPool } from './ops-pool.js';
import { isAdmin, need } from './session.js';
import texts from './text-ops.js';

const EVERY = 5000;       // ms between two looks
const LATE = 180000;      // ms after which a helper that has done nothing is missed

const views = [
	{ name: 'pool', key: 'ops.pool', show: showPool },
	{ name: 'instances', key: 'ops.instances', show: showInstances },
	{ name: 'events', key: 'ops.events', show: showEvents },
];

const main = document.getElementById('main');
const state = { overview: null, seenAt: 0, error: null, timer: 0, view: null, waits: null };

addTexts(texts);
if (need()) {
	layout('ops.title');
	if (isAdmin())
		begin();
	else
		fill(main, h('div', { class: 'card stack' }, h('h1', { i18n: 'ops.title' }), h('p', { i18n: 'ops.admins' })));
}

function begin() {
	state.fresh = h('p', { class: 'muted small' });
	state.notices = h('div', { class: 'stack', id: 'alarms' });
	state.tabs = h('nav', { class: 'tabs', i18nAttrs: { 'aria-label': 'ops.views' } },
		h('ul', {}, views.map((one) => h('li', {}, tab(one)))));
	state.body = h('div', { id: 'view' });
	fill(main, h('div', { class: 'page-head' }, h('h1', { i18n: 'ops.title' }), state.fresh), state.notices, state.tabs, state.body);
	addEventListener('hashchange', () => route(true));
	document.addEventListener('wapool:language', () => {
		route(false);
		tell();
	});
	document.addEventListener('visibilitychange', () => !document.hidden && look());
	route(false);
	look();
}

function tab({ name, key }) {
	return h('a', { href: `#${name}`, id: `tab-${name}` }, h('span', { i18n: key }), h('span', { class: 'count', hidden: true }));
}

/* --- Where one is --- */

/* "#instances/a%20b?q=x": the view, what of it, and its query. */
function route(moved) {
	const [, name, rest, query] = /^#?([a-z]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(location.hash) ?? [];
	const view = views.find((one) => one.name === name) ?? views[0];
	const one = view.name === 'instances' && rest ? decode(rest) : null;

	state.view?.leave?.();
	for (const each of views) {
		const link = document.getElementById(`tab-${each.name}`);

		if (each === view)
			link.setAttribute('aria-current', 'page');
		else
			link.removeAttribute('aria-current');
	}
	title(view.key);
	fill(state.body);
	state.view = one !== null ? showInstance(state.body, one) : view.show(state.body, new URLSearchParams(query ?? ''), look);
	if (state.overview)
		state.view.update?.(state.overview);
	if (moved)
		focusHeading(state.body);
}

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/* --- The look --- */

async function look() {
	clearTimeout(state.timer);
	if (document.hidden || state.waits)
		return;
	try {
		state.waits = call('GET', 'admin/pool', { timeout: 15000 });
		state.overview = await state.waits;
		state.seenAt = Date.now();
		state.error = null;
		state.view.update?.(state.overview);
	} catch (error) {
		if (!(error instanceof ApiError))
			throw error;
		state.error = error;
	} finally {
		state.waits = null;
	}
	tell();
	state.timer = setTimeout(look, state.error ? Math.max(EVERY, (state.error.retryAfter ?? 0) * 1000) : EVERY);
}

/* The notices above all views, the counts in the tabs, and how fresh it all is. */
function tell() {
	const o = state.overview;

	keep(state.notices, [...(state.error ? [failure()] : []), ...(o ? wrongs(o) : [])], (one) => one.id, notice, renew);
	if (!o)
		return;
	count('events', o.events.parked);
	put(state.fresh, t('ops.fresh', { time: date(o.checkedAt, { timeStyle: 'medium' }) }));
}

function count(name, n) {
	const badge = document.getElementById(`tab-${name}`).lastChild;

	badge.hidden = n === 0;
	put(badge, n > 0 ? t('ops.count', { n }) : '');
}

function failure() {
	const words = wordsFor(state.error);

	return { id: 'failure', look: 'error', title: words.title, text: state.seenAt
		? t('ops.stale', { when: ago(new Date(state.seenAt).toISOString()), text: words.text }) : words.text };
}

/* What is wrong: alarms, a freeze, a helper that is missing. */
function wrongs(o) {
	const alarms = o.alarms.map((one) => ({ id: `${one.kind}-${one.serverId}`, look: one.userId ? 'warn' : 'error',
		title: t(`alarm.${one.kind}${one.userId ? '.own' : ''}`, { server: one.server ?? '', owner: one.email ?? one.userId }),
		text: t(one.userId ? 'alarm.own.text' : `alarm.${one.kind}.text`), detail: one.reason, since: one.since }));
	const quiet = !o.helper.lastRunAt || new Date(o.checkedAt) - new Date(o.helper.lastRunAt) > LATE;

	if (o.frozen?.why === 'maintenance')
		alarms.push({ id: 'maintenance', look: 'warn', title: t('alarm.maintenance'), text: t('alarm.maintenance.text'), since: o.frozen.since });
	if (quiet)
		alarms.push({ id: 'helper', look: 'error', title: t('alarm.helper'), text: t('alarm.helper.text'), since: o.helper.lastRunAt });
	return alarms;
}

/* Said once, when it is new: not again with each minute that passes. */
function notice(one) {
	announce(one.title);
	return h('div', { class: 'notice' }, h('p', { class: 'notice-title' }, icon(icons.alert), h('strong', {})), h('p', {}),
		h('p', { class: 'muted small' }));
}

function renew(node, one) {
	const [head, text, more] = node.children;

	node.className = `notice notice-${one.look}`;
	put(head.lastChild, one.title);
	put(text, one.text);
	fill(more, one.since ? t('ops.since', { when: ago(one.since) }) : null,
		one.detail ? [one.since ? ' · ' : '', h('span', { lang: 'en' }, one.detail)] : null);
}
