/* A plot of the server's, as a picture with its text and its numbers. */

import { ApiError, call } from './api.js';
import { fill, h, say } from './dom.js';
import { date, number, t } from './i18n.js';
import { complaint } from './ops-parts.js';
import { theme } from './theme.js';

const RANGES = ['hour', 'day', 'week'];
const EVERY = { hour: 60000, day: 300000, week: 900000 };     // ms after which there may be something new

/* plot({ id, label: 'key', picture: 'admin/…svg', numbers: 'admin/…', columns: { free: 'key' } }): { node, stop }.
 * Follows the theme, the language and the width of where it stands. */
export function plot(options) {
	const state = { range: 'hour', timer: 0, turn: 0, url: null, width: 0 };
	const image = h('img', { class: 'plot', alt: '', hidden: true });
	const zone = h('p', { class: 'muted small', hidden: true });
	const wrong = h('div', {});
	const figures = h('div', { class: 'plot-numbers' });
	const details = h('details', { class: 'advanced' }, h('summary', { i18n: 'plot.numbers' }), figures);
	const frame = h('div', { class: 'plot-frame' }, image);
	const node = h('div', { class: 'stack' }, switcher(), frame, zone, wrong, details);
	const again = () => draw();
	const watcher = new ResizeObserver(() => {
		if (frame.clientWidth && Math.abs(frame.clientWidth - state.width) > 24)
			plan(150);
	});

	document.addEventListener('wapool:theme', again);
	document.addEventListener('wapool:language', again);
	document.addEventListener('visibilitychange', seen);
	details.addEventListener('toggle', () => details.open && tabulate());
	watcher.observe(frame);
	return { node, stop };

	function stop() {
		clearTimeout(state.timer);
		watcher.disconnect();
		document.removeEventListener('wapool:theme', again);
		document.removeEventListener('wapool:language', again);
		document.removeEventListener('visibilitychange', seen);
		state.turn++;
		show(null);
	}

	function seen() {
		if (!document.hidden)
			draw();
	}

	function plan(ms) {
		clearTimeout(state.timer);
		state.timer = setTimeout(draw, ms);
	}

	function switcher() {
		return h('fieldset', { class: 'switch' }, h('legend', { class: 'unseen', i18n: options.label }),
			RANGES.map((range) => h('label', {},
				h('input', { type: 'radio', name: `range-${options.id}`, value: range, checked: range === state.range,
					on: { change: () => turn(range) } }),
				h('span', { i18n: `plot.${range}` }))));
	}

	function turn(range) {
		state.range = range;
		draw();
	}

	function show(url) {
		if (state.url)
			URL.revokeObjectURL(state.url);
		state.url = url;
		if (url)
			image.src = url;
	}

	/* An answer that a later request has overtaken is dropped. */
	async function draw() {
		const turn = ++state.turn, range = state.range;

		clearTimeout(state.timer);
		if (document.hidden)
			return;
		state.width = frame.clientWidth;
		try {
			const width = Math.min(1600, Math.max(280, Math.round(state.width || 720)));
			const [picture, history] = await Promise.all([
				call('GET', options.picture, { query: { range, width, theme: theme() }, headers: { Accept: 'image/svg+xml' } }),
				call('GET', options.numbers, { query: { range } })]);

			if (turn !== state.turn)
				return;
			fill(wrong);
			show(URL.createObjectURL(picture));
			image.alt = `${history.title}. ${history.description}`;
			image.hidden = false;
			frame.classList.add('is-loaded');
			zone.hidden = history.timeZone === Intl.DateTimeFormat().resolvedOptions().timeZone;
			say(zone, 'plot.zone', { zone: history.timeZone });
			state.history = history;
			if (details.open)
				tabulate();
			plan(EVERY[range]);
		} catch (error) {
			if (!(error instanceof ApiError))
				throw error;
			if (turn !== state.turn)
				return;
			fill(wrong, complaint(error));
			plan(Math.max(10000, (error.retryAfter ?? 0) * 1000));
		}
	}

	function tabulate() {
		const { points, title, range, timeZone } = state.history ?? { points: [] };
		const names = Object.entries(options.columns);
		const when = { dateStyle: range === 'hour' ? undefined : 'short', timeStyle: 'short', timeZone };
		const row = (point) => h('tr', {}, h('th', { scope: 'row' }, date(point.at, when)), names.map(([name]) => h('td', {}, value(point[name]))));

		fill(figures, h('div', { class: 'rows-frame', tabindex: '0', role: 'region', 'aria-label': title ?? '' },
			h('table', { class: 'figures' },
				h('thead', {}, h('tr', {}, h('th', { scope: 'col', i18n: 'plot.time' }), names.map(([, key]) => h('th', { scope: 'col', i18n: key })))),
				h('tbody', {}, points.toReversed().map(row)))));
	}
}

function value(n) {
	return n === null ? t('plot.none') : number(n, { maximumFractionDigits: 1 });
}
