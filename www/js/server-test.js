/* "Testar conexão": what came out of it, in words. */

import { wordsFor } from './dialog.js';
import { h, icon, icons } from './dom.js';
import { has, number, t } from './i18n.js';

export const kinds = { waha: 'WAHA', evolution: 'Evolution API', gowa: 'GOWA' };

/* The notice for an answer of /test; more: sentences below. */
export function outcome(answer, more = []) {
	const good = answer.result === 'ok';
	const key = has(`test.${answer.result}`) ? `test.${answer.result}` : 'test.failed';
	const details = good ? factsOf(answer) : [t(`${key}.text`)];

	return notice(good ? 'ok' : 'error', t(key), [...details, ...more]);
}

/* The notice for a test that could not be made. */
export function noOutcome(error) {
	const words = wordsFor(error);

	return notice('error', words.title, [words.text]);
}

export function notice(look, heading, sentences) {
	return h('div', { class: `notice notice-${look}` }, h('strong', {}, heading),
		sentences.map((sentence) => h('p', {}, sentence)));
}

/* The same with a button that takes it away. */
export function closing(note) {
	const close = h('button', { class: 'tool notice-close', type: 'button', i18nAttrs: { 'aria-label': 'close' },
		on: { click: () => note.remove() } }, icon(icons.cross));

	note.append(close);
	note.classList.add('is-closing');
	return note;
}

function factsOf({ kind, version, latency_ms: ms, sessions }) {
	const params = { kind: kinds[kind] ?? kind, version, ms: ms ? `${number(ms)} ms` : t('test.atonce') };

	return [t(version ? 'test.ok.version' : 'test.ok.text', params),
		sessions === null ? null : t('test.ok.sessions', { n: sessions })].filter(Boolean);
}
