/* The pool: its numbers, long work, its history, its servers. */

import { fill, h, put, say, sayAttributes } from './dom.js';
import { ago, number, t } from './i18n.js';
import { NONE, cell, keep, of, stateOf, table } from './ops-parts.js';
import { plot } from './plot.js';
import { root } from './site.js';

const BRIEF = 3000;     // ms that a look at all servers may take without being told of

/* Of the overview: the member, and what is said beside it. */
const tiles = [
	{ id: 'free', key: 'tile.free', note: (o) => t('tile.free.note', { target: o.target, low: o.low }),
		look: (o) => (o.free === 0 ? 'bad' : o.free < o.low ? 'warn' : '') },
	{ id: 'assigned', key: 'tile.assigned', note: (o) => t('tile.assigned.note', { n: o.online }) },
	{ id: 'coming', key: 'tile.coming', value: (o) => o.provisioning + o.recycling,
		note: (o) => t('tile.coming.note', { made: o.provisioning, emptied: o.recycling }) },
	{ id: 'ill', key: 'tile.ill', note: () => t('tile.ill.note'), look: (o) => (o.ill > 0 ? 'warn' : '') },
	{ id: 'parked', key: 'tile.parked', value: (o) => o.events.parked, note: (o) => t('tile.parked.note', { n: o.events.pending }),
		look: (o) => (o.events.parked > 0 ? 'warn' : '') },
];

export function showPool(body) {
	const history = plot({ id: 'pool', label: 'pool.history', picture: 'admin/pool/history.svg', numbers: 'admin/pool/history',
		columns: { free: 'plot.free', freeMin: 'plot.freemin', provisioning: 'plot.provisioning', recycling: 'plot.recycling',
			assigned: 'plot.assigned', online: 'plot.online' } });
	const numbers = h('dl', { class: 'tiles', id: 'numbers' });
	const work = h('ul', { class: 'work', id: 'progress', role: 'list' });
	const workFrame = h('section', { class: 'card stack', 'aria-labelledby': 'work-title', hidden: true },
		h('h2', { id: 'work-title', i18n: 'work.title' }), work);
	const servers = serverTable();

	fill(body, h('div', { class: 'stack' }, h('h2', { class: 'unseen', i18n: 'ops.pool' }), numbers, workFrame,
		h('section', { class: 'card stack', 'aria-labelledby': 'history-title' },
			h('h2', { id: 'history-title', i18n: 'pool.history' }), history.node),
		h('section', { class: 'card stack', 'aria-labelledby': 'servers-title' },
			h('div', { class: 'head' }, h('h2', { id: 'servers-title', i18n: 'servers.title' }),
				h('a', { href: new URL('servers/', root).href, i18n: 'servers.manage' })),
			servers.node)));
	return {
		update(o) {
			keep(numbers, tiles, (tile) => tile.id, makeTile, (node, tile) => renewTile(node, tile, o));
			showWork(workFrame, work, o);
			servers.update(o);
		},
		leave() {
			history.stop();
			servers.leave();
		},
	};
}

/* --- Numbers --- */

function makeTile(tile) {
	return h('div', { class: 'tile', id: `tile-${tile.id}` }, h('dt', { i18n: tile.key }), h('dd', { class: 'tile-value' }),
		h('dd', { class: 'muted small' }));
}

function renewTile(node, tile, o) {
	const [, value, note] = node.children;

	node.className = `tile ${tile.look?.(o) ? `tile-${tile.look(o)}` : ''}`.trim();
	put(value, number(tile.value ? tile.value(o) : o[tile.id]));
	put(note, tile.note(o));
}

/* --- Long work --- */

/* A look at every server takes a moment, once a minute: only one that lasts is worth telling. */
function lasting(one, o) {
	return one.what !== 'sweep' || new Date(o.checkedAt) - new Date(one.since) > BRIEF;
}

function showWork(frame, list, o) {
	const items = o.progress.filter((one) => lasting(one, o));

	keep(list, items, (one) => `${one.what}-${one.serverId}`, makeWork, renewWork);
	frame.hidden = items.length === 0;
}

function makeWork() {
	return h('li', { class: 'work-item' }, h('p', { class: 'head' }, h('strong', {}), h('span', { class: 'tabular' })),
		h('progress', { class: 'bar' }), h('p', { class: 'muted small' }));
}

function renewWork(node, one) {
	const [head, bar, note] = node.children;
	const name = t(`work.${one.what}`, { server: one.server ?? '' });

	put(head.firstChild, name);
	put(head.lastChild, of(one.done, one.total));
	bar.max = Math.max(one.total, 1);
	bar.value = one.done;
	bar.setAttribute('aria-label', name);
	put(note, t('ops.since', { when: ago(one.since) }) + (one.failing ? ` · ${t('work.failing', { n: one.failing })}` : ''));
}

/* --- Servers --- */

function serverTable() {
	const { node, body } = table('servers.title', ['servers.name', 'servers.state', 'servers.sessions', 'servers.latency', 'servers.looked', null]);
	const more = h('p', { class: 'muted small', hidden: true });
	const open = new Map();     // by id: the plot below a server's row
	let latest = null;

	return {
		node: h('div', { class: 'stack' }, node, more),
		update,
		leave() {
			open.forEach((one) => one.plot.stop());
		},
	};

	function update(o) {
		latest = o;
		const items = o.servers.flatMap((one) => (open.has(one.id) ? [one, { id: `plot-${one.id}`, of: one.id }] : [one]));

		keep(body, items, (one) => one.id, (one) => (one.of ? open.get(one.of).row : makeServer(one, open, () => update(latest))),
			(row, one) => one.of || renewServer(row, one, open.has(one.id)));
		more.hidden = o.serverCount <= o.servers.length;
		say(more, 'servers.more', { shown: o.servers.length, all: o.serverCount });
	}
}

function makeServer(server, open, again) {
	const button = h('button', { class: 'button button-quiet', type: 'button', 'aria-expanded': 'false', i18n: 'servers.history',
		on: { click: () => toggle(server, open, again) } });

	button.id = `history-${server.id}`;
	return h('tr', {}, h('th', { scope: 'row' }, h('span', { class: 'name' }), ' ', h('span', { class: 'badge' }), h('div', { class: 'muted small' })),
		cell('servers.state'), cell('servers.sessions', h('div', { class: 'tabular' }), h('meter', { class: 'meter', min: 0, 'aria-hidden': 'true' }),
			h('div', { class: 'muted small' })),
		cell('servers.latency', h('span', { class: 'tabular' })), cell('servers.looked'), h('td', { class: 'row-end' }, button));
}

function toggle(server, open, again) {
	const before = open.get(server.id);

	if (before) {
		before.plot.stop();
		open.delete(server.id);
	} else {
		const made = plot({ id: server.id, label: 'servers.history', picture: `admin/servers/${server.id}/latency.svg`,
			numbers: `admin/servers/${server.id}/history`,
			columns: { latencyMs: 'plot.latency', latencyMaxMs: 'plot.latencymax', up: 'plot.up', sessions: 'servers.sessions' } });

		open.set(server.id, { plot: made, row: h('tr', { class: 'row-more' }, h('td', { colspan: '6' }, made.node)) });
	}
	again();
	document.getElementById(`history-${server.id}`)?.focus();
}

function renewServer(row, server, isOpen) {
	const [name, health, sessions, latency, looked, end] = row.children;
	const [count, meter, online] = sessions.lastChild.children;

	put(name.children[0], server.name);
	put(name.children[2], server.email ?? server.userId ?? '');
	put(name.children[1], { waha: 'WAHA', evolution: 'Evolution API', gowa: 'GOWA' }[server.kind]);
	fill(health.lastChild, serverState(server), server.health === 'down' && server.reason
		? h('div', { class: 'muted small', lang: 'en' }, server.reason) : null);
	put(count, of(server.sessions, server.max));
	meter.max = Math.max(server.max, 1);
	meter.value = Math.min(server.sessions, server.max);
	put(online, t('servers.online', { n: server.online, standby: server.standby }));
	put(latency.lastChild.firstChild, server.latencyMs === null ? NONE : `${number(server.latencyMs)} ms`);
	put(looked.lastChild, server.lastLookAt ? ago(server.lastLookAt) : t('servers.never'));
	end.firstChild.setAttribute('aria-expanded', String(isOpen));
	sayAttributes(end.firstChild, { 'aria-label': 'servers.history.of' }, { server: server.name });
}

function serverState(server) {
	if (!server.active)
		return stateOf('off', 'server.off');
	if (server.health === 'down')
		return stateOf('bad', 'server.down');
	if (server.frozenSince)
		return stateOf('bad', 'server.frozen');
	if (server.draining)
		return stateOf('warn', 'server.draining');
	return server.health === 'up' ? stateOf('ok', 'server.up') : stateOf('off', 'server.unknown');
}
