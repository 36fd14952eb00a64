/* What the views of the operators' page have in common. */

import { ApiError } from './api.js';
import { wordsFor } from './dialog.js';
import { fill, h, say } from './dom.js';
import { number, t } from './i18n.js';

/* What stands where there is nothing. */
export const NONE = '–';

const kept = new WeakMap();

/* Where the list of instances was left, filter and all: the way back from one of them. */
export const left = { list: '#instances' };

/* Makes the children of parent those of the items, in their order: what is there stays, with the focus in it, and is renewed.
 * make(item) gives a node, renew(node, item) puts into it what changes. */
export function keep(parent, items, idOf, make, renew) {
	const before = kept.get(parent) ?? new Map();
	const now = new Map(items.map((item) => [idOf(item), before.get(idOf(item)) ?? make(item)]));
	const nodes = [...now.values()];
	const stay = new Set(nodes);

	/* What goes, goes first: or else what stays would be moved, and lose the focus. */
	[...parent.children].forEach((node) => stay.has(node) || node.remove());
	nodes.forEach((node, place) => {
		if (parent.children[place] !== node)
			parent.insertBefore(node, parent.children[place] ?? null);
	});
	items.forEach((item) => renew(now.get(idOf(item)), item));
	kept.set(parent, now);
}

/* Milliseconds in words: "350 ms", "12 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
export function lasted(ms) {
	const s = Math.round(ms / 1000);
	const two = (big, bigUnit, small, smallUnit) => `${number(big)} ${bigUnit}${small ? ` ${small} ${smallUnit}` : ''}`;

	if (ms < 1000)
		return `${number(Math.round(ms))} ms`;
	if (s < 60)
		return `${s} s`;
	if (s < 3600)
		return two(Math.floor(s / 60), 'min', s % 60, 's');
	if (s < 86400)
		return two(Math.floor(s / 3600), 'h', Math.floor(s % 3600 / 60), 'min');
	return two(Math.floor(s / 86400), 'd', Math.floor(s % 86400 / 3600), 'h');
}

/* A dot and a word. */
export function stateOf(look, key, params) {
	return h('span', { class: `state state-${look}`, i18n: key, i18nParams: params });
}

/* How an instance is, for the eye: [look, key]. */
export function howIs(instance) {
	if (instance.lifecycle !== 'assigned')
		return [instance.lifecycle === 'standby' ? 'ok' : 'off', `life.${instance.lifecycle}`];
	if (!['healthy', 'disconnected'].includes(instance.health))
		return [instance.health === 'degraded' ? 'warn' : 'bad', `health.${instance.health}`];
	if (instance.online) /* also before the first look has judged it */
		return ['ok', 'instance.online'];
	return instance.gatewayStatus === 'SCAN_QR_CODE' ? ['warn', 'instance.scan'] : ['off', 'instance.offline'];
}

/* Runs what a button starts: the button waits, and a failure is told in `where`. Resolves to what it gave, or null. */
export async function busy(button, where, run) {
	button.disabled = true;
	fill(where);
	try {
		return await run();
	} catch (error) {
		if (!(error instanceof ApiError))
			throw error;
		fill(where, complaint(error));
		return null;
	} finally {
		button.disabled = false;
	}
}

export function complaint(error) {
	const words = wordsFor(error);

	return h('div', { class: 'notice notice-error', role: 'alert' }, h('strong', {}, words.title), h('p', {}, words.text));
}

export function done(text) {
	return h('p', { class: 'notice notice-ok', role: 'status' }, text);
}

export function waiting() {
	return h('p', { class: 'waiting' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), h('span', { i18n: 'loading' }));
}

/* A list that could not be loaded. */
export function failed(error, again) {
	return h('div', { class: 'stack' }, complaint(error),
		h('div', { class: 'actions' }, h('button', { class: 'button', type: 'button', i18n: 'retry', on: { click: again } })));
}

/* Options of a <select>: [[value, key], …], or a group {key, options}. */
export function choose(id, labelKey, choices, value) {
	const option = ([one, key]) => h('option', { value: one, i18n: key, selected: one === value });
	const select = h('select', { id }, choices.map((one) => (Array.isArray(one) ? option(one)
		: h('optgroup', { i18nAttrs: { label: one.key } }, one.options.map(option)))));

	return { select, field: h('div', { class: 'field' }, h('label', { for: id, i18n: labelKey }), select) };
}

/* A table whose cells name their column, for narrow screens, where a row becomes a card. */
export function table(captionKey, columns) {
	const body = h('tbody', {});
	const node = h('table', { class: 'rows' }, h('caption', { class: 'unseen', i18n: captionKey }),
		h('thead', {}, h('tr', {}, columns.map((key) => (key ? h('th', { scope: 'col', i18n: key }) : h('td', {}))))), body);

	return { node: h('div', { class: 'rows-frame' }, node), body };
}

/* Of nothing ("–") a card has no line. */
export function cell(key, ...content) {
	return h('td', { class: content[0] === NONE ? 'is-none' : null }, key ? say(h('span', { class: 'cell-name', 'aria-hidden': 'true' }), key) : null, h('div', { class: 'cell' }, content));
}

/* "12 de 50". */
export function of(done, total) {
	return t('of', { done, total });
}
