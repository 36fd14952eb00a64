/* What all pages have: the header with navigation, language, theme and log-out; translated words; focus after a skip. */

import { fill, h, icon, icons, say, sayAttributes } from './dom.js';
import { language, setLanguage, t, translate } from './i18n.js';
import { end, isAdmin, session } from './session.js';
import { root } from './site.js';
import { setTheme, theme } from './theme.js';

/* Of the navigation: where, what, and who sees it. */
const places = [
	{ path: '', key: 'nav.connect' },
	{ path: 'servers/', key: 'nav.servers' },
	{ path: 'ops/', key: 'nav.ops', admin: true },
	{ path: 'embed/', key: 'nav.embed', admin: true },
];

/* Fills <header id="top"> and gives the page its title: layout('servers.title'). Call it again when somebody has logged in. */
export function layout(titleKey) {
	translate(document);
	fill(document.getElementById('top'),
		h('div', { class: 'top-inner' }, brand(), session() ? navigation() : null, tools()));
	title(titleKey);
}

let titled = () => {};

/* The title of the page, in the language of the moment. */
export function title(key, params) {
	titled = () => {
		document.title = `${t(key, params)} · wapool`;
	};
	titled();
}

document.addEventListener('wapool:language', () => titled());

function brand() {
	const mark = h('span', { class: 'brand-mark', 'aria-hidden': 'true' });

	return h('a', { class: 'brand', href: root }, mark, 'wapool');
}

function navigation() {
	const here = location.href.split(/[?#]/)[0].replace(/index\.html$/, '');
	const items = places.filter((place) => !place.admin || isAdmin()).map((place) => {
		const href = new URL(place.path, root).href;

		return h('li', {}, h('a', { href, i18n: place.key, 'aria-current': href === here ? 'page' : null }));
	});

	/* On a narrow screen it may be wider than the screen. */
	requestAnimationFrame(() => items.forEach((item) => item.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })));
	return h('nav', { class: 'nav', i18nAttrs: { 'aria-label': 'nav.label' } }, h('ul', {}, items));
}

function tools() {
	return h('div', { class: 'tools' }, languageButton(), themeButton(), session() ? account() : null);
}

/* Named in the language it switches to, as those who need it read it. */
function languageButton() {
	const button = h('button', { class: 'tool', type: 'button', id: 'language',
		on: { click: () => setLanguage(language() === 'en' ? 'pt-BR' : 'en') } });
	const show = () => {
		const other = language() === 'en' ? 'pt-BR' : 'en';

		button.lang = other;
		fill(button, h('span', { class: 'wide' }, other === 'en' ? 'English' : 'Português'),
			h('span', { class: 'narrow' }, other === 'en' ? 'EN' : 'PT'));
		button.title = other === 'en' ? 'English' : 'Português';
	};

	show();
	document.addEventListener('wapool:language', show);
	return button;
}

function themeButton() {
	const button = h('button', { class: 'tool', type: 'button', id: 'theme',
		on: { click: () => setTheme(theme() === 'dark' ? 'light' : 'dark') } });
	const show = () => {
		const key = theme() === 'dark' ? 'theme.light' : 'theme.dark';

		fill(button, icon(theme() === 'dark' ? icons.sun : icons.moon));
		sayAttributes(button, { 'aria-label': key, title: key });
	};

	show();
	document.addEventListener('wapool:theme', show);
	return button;
}

function account() {
	const leave = h('button', { class: 'tool', type: 'button', id: 'logout', on: { click: () => end('left') },
		i18nAttrs: { 'aria-label': 'logout' } }, icon(icons.leave));

	leave.append(say(h('span', { class: 'wide' }), 'logout'));
	return [h('span', { class: 'who', title: session().user.email }, session().user.email), leave];
}

/* The page's main heading, so that a screen reader begins where the eye does. */
export function focusHeading(within = document) {
	const heading = within.querySelector('h1, h2');

	if (heading) {
		heading.tabIndex = -1;
		heading.focus({ preventScroll: true });
	}
}

/* Says something to a screen reader and nobody else. The same sentence twice is said twice. */
export function announce(text) {
	const region = document.getElementById('announce')
		?? document.body.appendChild(h('div', { id: 'announce', class: 'unseen', role: 'status' }));

	region.textContent = '';
	setTimeout(() => {
		region.textContent = text;
	}, 50);
}
