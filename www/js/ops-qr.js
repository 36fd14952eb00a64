/* The QR of an instance that an administrator made, in a window, until a phone has scanned it. */

import { ApiError, call } from './api.js';
import { wordsFor } from './dialog.js';
import { fill, h, put, say } from './dom.js';
import { t } from './i18n.js';
import { announce } from './layout.js';

const LOOK = 2500;       // ms between two looks whether it is connected
const ANEW = 20000;      // ms after which the QR is asked for again: gateways show another every 20 to 60 s

/* Resolves when the window is closed. */
export function showQr(instance) {
	return new Promise((resolve) => {
		const state = { gone: false, shownAt: 0, timer: 0 };
		const place = h('div', { class: 'qr' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }));
		const text = h('p', { role: 'status', i18n: 'qr.wait' });
		const close = h('button', { class: 'button', type: 'button', i18n: 'close', on: { click: () => dialog.close() } });
		const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'qr-title' },
			h('h2', { id: 'qr-title', i18n: 'qr.title', i18nParams: { name: instance.nome } }), place, text,
			h('div', { class: 'actions actions-end' }, close));

		dialog.addEventListener('close', () => {
			state.gone = true;
			clearTimeout(state.timer);
			dialog.remove();
			resolve();
		});
		document.body.append(dialog);
		dialog.showModal();
		turn();

		async function turn() {
			try {
				if (Date.now() - state.shownAt > ANEW)
					await showOne();
				else if ((await call('GET', `admin/instances/${instance.id}`)).online)
					connected();
			} catch (error) {
				if (!(error instanceof ApiError))
					throw error;
				put(text, wordsFor(error).text);
				if (!error.passing)
					return;
			}
			if (!state.gone)
				state.timer = setTimeout(turn, LOOK);
		}

		async function showOne() {
			const answer = await call('GET', `admin/instances/${instance.id}/qrcode`, { timeout: 100000 });

			if (state.gone)
				return;
			if (answer.connected) {
				connected();
				return;
			}
			state.shownAt = Date.now();
			fill(place, h('img', { src: answer.qrcode, alt: t('qr.alt'), width: '264', height: '264' }));
			say(text, 'qr.scan');
		}

		function connected() {
			state.gone = true;
			fill(place);
			say(text, 'qr.connected');
			announce(t('qr.connected'));
		}
	});
}
