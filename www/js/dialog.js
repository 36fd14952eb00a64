/* A question in a window of the page's own. */

import { h, say } from './dom.js';
import { t } from './i18n.js';

/* ask({ title: 'key', text: 'key', params, yes: 'key', no: 'key', danger: true, more: nodes }): true if it was answered with yes.
 * Escape, the backdrop and "no" are no; focus begins at "no" and returns to where it was. `more` goes below the text. */
export function ask({ title, text, params, yes, no = 'cancel', danger = false, more = [] }) {
	return new Promise((resolve) => {
		const before = document.activeElement;
		const refuse = h('button', { class: 'button', type: 'button', value: 'no', i18n: no, autofocus: true });
		const agree = h('button', { class: `button ${danger ? 'button-danger' : 'button-primary'}`, type: 'button', i18n: yes });
		const heading = h('h2', { id: 'dialog-title', i18n: title, i18nParams: params });
		const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text' },
			heading, say(h('p', { id: 'dialog-text' }), text, params), more,
			h('div', { class: 'actions actions-end' }, refuse, agree));

		refuse.addEventListener('click', () => dialog.close('no'));
		agree.addEventListener('click', () => dialog.close('yes'));
		dialog.addEventListener('click', (event) => {
			if (event.target === dialog)
				dialog.close('no');
		});
		dialog.addEventListener('close', () => {
			dialog.remove();
			before?.focus?.();
			resolve(dialog.returnValue === 'yes');
		});
		document.body.append(dialog);
		dialog.showModal();
	});
}

/* The words for an ApiError that a page has no better ones for: { title, text }. */
export function wordsFor(error) {
	const own = { offline: 'error.offline', timeout: 'error.timeout', garbled: 'error.garbled' }[error.code];

	return own ? { title: t(own), text: t(`${own}.text`) } : { title: error.title, text: error.detail };
}
