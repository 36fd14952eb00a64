/* For front-end developers: <wapool-connect> at work, with its colours and its events. */

import { fill, h, put } from './dom.js';
import { addTexts, date, language } from './i18n.js';
import { layout } from './layout.js';
import { live } from './live.js';
import { end, need, token } from './session.js';
import './wapool-connect.js';

addTexts({
	pt: {
		'embed.title': 'O botão nas suas páginas',
		'embed.lead': 'Um elemento que faz tudo o que vem depois do clique. Um módulo, sem dependências; docs/embedding.md conta o resto.',
		'embed.shown': 'Como o seu usuário vê',
		'embed.looks': 'Aparência',
		'embed.accent': 'Cor principal',
		'embed.radius': 'Cantos',
		'embed.code': 'O código',
		'embed.copy': 'Copiar',
		'embed.copied': 'Copiado',
		'embed.events': 'Eventos',
		'embed.events.none': 'Os eventos do elemento aparecem aqui.',
	},
	en: {
		'embed.title': 'The button in your pages',
		'embed.lead': 'One element does all that follows from the click. One module, no dependencies; docs/embedding.md tells the rest.',
		'embed.shown': 'As your user sees it',
		'embed.looks': 'Looks',
		'embed.accent': 'Main colour',
		'embed.radius': 'Corners',
		'embed.code': 'The code',
		'embed.copy': 'Copy',
		'embed.copied': 'Copied',
		'embed.events': 'Events',
		'embed.events.none': 'The element’s events appear here.',
	},
});

const KEPT = 20;    // events that are shown

if (need()) {
	layout('embed.title');
	show(document.getElementById('main'));
}

function show(main) {
	const button = h('wapool-connect', { lang: language() });
	const code = h('code', { class: 'mono', id: 'code' });
	const update = looks(button, code);

	button.getToken = token;
	button.live = live;
	document.addEventListener('wapool:language', () => {
		button.lang = language();
		update();
	});
	update();
	fill(main,
		h('div', { class: 'page-head' }, h('div', {}, h('h1', { i18n: 'embed.title' }), h('p', { class: 'lead', i18n: 'embed.lead' }))),
		h('div', { class: 'embed' },
			h('section', { class: 'card stack embed-shown', 'aria-labelledby': 'shown' },
				h('h2', { id: 'shown', class: 'embed-label', i18n: 'embed.shown' }), button),
			h('section', { class: 'card stack', 'aria-labelledby': 'looks' },
				h('h2', { id: 'looks', i18n: 'embed.looks' }), update.controls),
			h('section', { class: 'card stack', 'aria-labelledby': 'events' },
				h('h2', { id: 'events', i18n: 'embed.events' }), log(button)),
			h('section', { class: 'card stack embed-code', 'aria-labelledby': 'code-title' },
				h('div', { class: 'server-top' }, h('h2', { id: 'code-title', i18n: 'embed.code' }), copy(code)),
				h('pre', { tabindex: '0', role: 'group', 'aria-labelledby': 'code-title' }, code))));
}

/* The controls, and what puts their values onto the element and into the code. */
function looks(button, code) {
	const accent = h('input', { type: 'color', id: 'accent', value: '#0b6b4f' });
	const radius = h('input', { type: 'range', id: 'radius', min: 0, max: 26, value: 8 });
	let touched = false;
	const update = () => {
		if (touched) {
			button.style.setProperty('--wapool-accent', accent.value);
			button.style.setProperty('--wapool-on-accent', textOn(accent.value));
			button.style.setProperty('--wapool-radius', `${radius.value}px`);
		}
		put(code, source(touched ? [accent.value, textOn(accent.value), radius.value] : null));
	};

	for (const input of [accent, radius])
		input.addEventListener('input', () => {
			touched = true;
			update();
		});
	update.controls = h('div', { class: 'halves' },
		h('div', { class: 'field' }, h('label', { for: 'accent', i18n: 'embed.accent' }), accent),
		h('div', { class: 'field' }, h('label', { for: 'radius', i18n: 'embed.radius' }), radius));
	return update;
}

/* White or black, whichever is read better on it (WCAG's relative luminance). */
function textOn(colour) {
	const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
		.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));

	return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000000' : '#ffffff';
}

function source(chosen) {
	const home = new URL('..', import.meta.url).href;
	const origin = location.origin;
	const css = chosen ? ['', '<style>', '  wapool-connect {', `    --wapool-accent: ${chosen[0]};`,
		`    --wapool-on-accent: ${chosen[1]};`, `    --wapool-radius: ${chosen[2]}px;`, '  }', '</style>'] : [];

	return [
		`<script type="module" src="${home}js/wapool-connect.js"></script>`, '',
		`<wapool-connect base-url="${origin}" lang="${language()}"></wapool-connect>`, '',
		'<script type="module">',
		'  const button = document.querySelector("wapool-connect");',
		'  button.getToken = async () => (await fetch("/my-own/whatsapp-token")).text();',
		'  button.addEventListener("wapool:connected", (event) => console.log(event.detail));',
		'</script>', ...css].join('\n');
}

function copy(code) {
	const button = h('button', { class: 'button', type: 'button', id: 'copy' }, h('span', { i18n: 'embed.copy' }));

	button.addEventListener('click', async () => {
		await navigator.clipboard.writeText(code.textContent).catch(() => getSelection().selectAllChildren(code));
		fill(button, h('span', { i18n: 'embed.copied', role: 'status' }));
	});
	return button;
}

function log(button) {
	const list = h('ol', { class: 'embed-log', reversed: true }, h('li', { class: 'muted', id: 'no-events', i18n: 'embed.events.none' }));

	for (const type of ['state', 'connected', 'disconnected', 'cancelled', 'error'])
		button.addEventListener(`wapool:${type}`, (event) => {
			if (event.detail.status === 401)
				end('expired');
			list.querySelector('#no-events')?.remove();
			list.prepend(h('li', {}, h('span', { class: 'muted small' }, date(new Date(), { timeStyle: 'medium' })), ' ',
				h('strong', {}, event.type), ' ', h('span', { class: 'mono small' }, JSON.stringify(event.detail))));
			while (list.children.length > KEPT)
				list.lastChild.remove();
		});
	return list;
}
