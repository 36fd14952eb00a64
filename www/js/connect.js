/* The start page of somebody who is logged in: a card with a <wapool-connect> for each of his numbers. */

import { call } from './api.js';
import { fill, h, icon, icons, put, say } from './dom.js';
import { ask } from './dialog.js';
import { addTexts, language, t } from './i18n.js';
import { focusHeading, title } from './layout.js';
import { live } from './live.js';
import { end, token } from './session.js';
import { api } from './site.js';
import './wapool-connect.js';

addTexts({
	pt: {
		'connect.title': 'Conectar WhatsApp',
		'connect.many': 'Seus números',
		'connect.main': 'Número principal',
		'connect.nth': 'Número {n}',
		'connect.add': 'Conectar outro número',
		'connect.add.title': 'Conectar outro número',
		'connect.add.name': 'Nome deste número',
		'connect.add.hint': 'Só para você reconhecer, por exemplo “Vendas”. Pode ficar em branco.',
		'connect.add.go': 'Continuar',
		'connect.remove': 'Remover',
		'connect.remove.title': 'Remover este número?',
		'connect.remove.text': '“{name}” sai desta página. Você pode conectar o número de novo quando quiser.',
		'connect.limit': 'Você conectou todos os {n} números que pode ter.',
		'connect.failed': 'Não conseguimos carregar os seus números',
		'connect.failed.text': 'Tentamos de novo sozinhos em alguns segundos.',
	},
	en: {
		'connect.title': 'Connect WhatsApp',
		'connect.many': 'Your numbers',
		'connect.main': 'Main number',
		'connect.nth': 'Number {n}',
		'connect.add': 'Connect another number',
		'connect.add.title': 'Connect another number',
		'connect.add.name': 'Name of this number',
		'connect.add.hint': 'For you to recognise it, such as “Sales”. May be empty.',
		'connect.add.go': 'Continue',
		'connect.remove': 'Remove',
		'connect.remove.title': 'Remove this number?',
		'connect.remove.text': '“{name}” leaves this page. You can connect the number again whenever you like.',
		'connect.limit': 'You have connected all the {n} numbers you may have.',
		'connect.failed': 'We could not load your numbers',
		'connect.failed.text': 'We try again by ourselves in a few seconds.',
	},
});

const listeners = new Set();    // of the stream: what the elements gave to live()
let page;                       // { main, list, foot, head, cards, limit, retry, stream }

export async function showConnect(main) {
	page = { main, cards: [], limit: 1,
		head: h('h1', { id: 'numbers', i18n: 'connect.many' }),
		list: h('div', { class: 'numbers' }),
		foot: h('div', { class: 'numbers-foot' }) };
	title('connect.title');
	fill(main, h('div', { class: 'page-head' }, page.head), page.list, page.foot);
	page.head.hidden = true;
	await load();
	listen();
	document.addEventListener('wapool:language', () => {
		page.cards.forEach((card) => card.element && (card.element.lang = language()));
	});
}

/* One stream for the page. Each element uses it as if it were its own (docs/live.md). */
function listen() {
	const all = (name) => (value) => listeners.forEach((one) => one[name]?.(value));

	page.stream = live({
		url: new URL('api/whatsapp/events', api).href,
		token,
		onSync: all('onSync'),
		onState: all('onState'),
		onDenied: () => end('expired'),
		onEvent: (event) => {
			if (!page.cards.some((card) => card.id() === event.deviceId))
				load();
			all('onEvent')(event);
		},
	});
}

function shared(options) {
	listeners.add(options);
	return { close: () => listeners.delete(options) };
}

/* The list of numbers, and again after a while if it cannot be had: nobody should have to reload. */
async function load() {
	clearTimeout(page.retry);
	try {
		const { devices, limit } = await call('GET', 'device/list');

		page.limit = limit;
		reconcile(devices);
	} catch (error) {
		if (page.cards.length === 0)
			showFailure();
		page.retry = setTimeout(load, (error.retryAfter ?? 5) * 1000);
	}
}

function showFailure() {
	fill(page.list, h('section', { class: 'card stack', role: 'alert' },
		h('h1', { i18n: 'connect.failed' }), h('p', { class: 'muted', i18n: 'connect.failed.text' }),
		h('div', { class: 'actions' },
			h('button', { class: 'button', type: 'button', i18n: 'retry', on: { click: load } }))));
}

/* Cards come and go with the list; those that stay are not touched, whatever they are in the middle of. */
function reconcile(devices) {
	if (page.cards.length === 0)
		fill(page.list);
	for (const card of [...page.cards]) {
		const device = devices.find((one) => one.device_id === card.id());

		if (device)
			card.device = device;
		else if (card.id())
			drop(card);
	}
	/* One that is unknown may be what an element is just getting: the stream is faster than its answer. */
	const unknown = page.cards.some((card) => card.element && !card.id()) ? []
		: devices.filter((device) => !page.cards.some((card) => card.id() === device.device_id));

	unknown.forEach((device) => add(cardOf(device)));
	if (page.cards.length === 0)
		add(cardOf(null));
	arrange();
}

function add(card) {
	page.cards.push(card);
	page.list.append(card.node);
}

function drop(card) {
	card.node.remove();
	page.cards = page.cards.filter((one) => one !== card);
}

/* One number is the whole page; several are a list with names. */
function arrange() {
	const many = page.cards.length > 1;
	const free = page.limit - page.cards.length;
	const adding = page.cards.some((card) => !card.id());
	const someConnected = page.cards.some((card) => card.element?.state === 'connected');

	page.head.hidden = !many;
	page.list.classList.toggle('is-many', many);
	page.cards.forEach((card, place) => label(card, place, many));
	fill(page.foot,
		free > 0 && !adding && (many || someConnected) && h('button', { class: 'button', type: 'button', id: 'add-number',
			on: { click: askName } }, icon(icons.plus), h('span', { i18n: 'connect.add' })),
		many && free <= 0 && h('p', { class: 'muted', i18n: 'connect.limit', i18nParams: { n: page.limit } }));
}

function label(card, place, many) {
	const { device } = card;

	card.top.hidden = !many || !card.element;    // while a name is asked for, that question is the heading
	card.node.classList.toggle('is-alone', !many);
	card.element?.setAttribute('heading-level', many ? '3' : '1');
	if (device?.nome || card.name)
		put(card.heading, device?.nome || card.name);
	else if (device?.default)
		say(card.heading, 'connect.main');
	else
		say(card.heading, 'connect.nth', { n: place + 1 });
	card.remove.hidden = !card.id() || device?.default !== false || card.element?.state === 'connected';
	card.remove.setAttribute('aria-label', `${t('connect.remove')}: ${card.heading.textContent}`);
}

/* A number of the list, or (null) the one that somebody connects for the first time. */
function cardOf(device, { name } = {}) {
	const card = { device, name, heading: h('h2', {}), remove: null, element: null, id: () => card.element?.deviceId ?? null };

	card.remove = h('button', { class: 'button button-quiet is-danger', type: 'button', i18n: 'connect.remove',
		on: { click: () => remove(card) } });
	card.top = h('div', { class: 'number-top' }, card.heading, card.remove);
	card.body = h('div', {});
	card.node = h('article', { class: 'card number' }, card.top, card.body);
	card.node.addEventListener('wapool:state', arrange);
	card.node.addEventListener('wapool:error', (event) => event.detail.status === 401 && end('expired'));
	card.node.addEventListener('wapool:connected', load);
	if (name === undefined)
		fill(card.body, card.element = button(device ? { 'device-id': device.device_id } : {}));
	return card;
}

function button(attributes) {
	const element = h('wapool-connect', { lang: language(), ...attributes });

	element.getToken = token;
	element.live = shared;
	return element;
}

/* --- Another number --- */

function askName() {
	const input = h('input', { id: 'number-name', maxlength: 100, autocomplete: 'off', 'aria-describedby': 'number-name-hint' });
	const card = cardOf(null, { name: '' });
	const form = h('form', { class: 'stack', method: 'post' },
		h('h2', { i18n: 'connect.add.title' }),
		h('div', { class: 'field' }, h('label', { for: 'number-name', i18n: 'connect.add.name' }), input,
			h('p', { class: 'field-hint', id: 'number-name-hint', i18n: 'connect.add.hint' })),
		h('div', { class: 'actions' },
			h('button', { class: 'button button-primary', i18n: 'connect.add.go' }),
			h('button', { class: 'button button-quiet', type: 'button', i18n: 'cancel', on: { click: () => giveUp(card) } })));

	form.addEventListener('submit', (event) => {
		event.preventDefault();
		card.name = input.value.trim();
		card.element = button({ 'new-device': true, autostart: true, 'device-name': card.name || null });
		card.element.addEventListener('wapool:cancelled', () => giveUp(card));
		fill(card.body, card.element);
		arrange();
	});
	fill(card.body, form);
	add(card);
	arrange();
	card.node.scrollIntoView({ block: 'nearest' });
	input.focus({ preventScroll: true });
}

function giveUp(card) {
	drop(card);
	arrange();
	document.getElementById('add-number')?.focus();
}

async function remove(card) {
	const name = card.heading.textContent;

	if (!await ask({ title: 'connect.remove.title', text: 'connect.remove.text', params: { name }, yes: 'connect.remove', danger: true }))
		return;
	/* First off the page: the stream tells of it before the answer does. */
	const device = card.id();

	drop(card);
	arrange();
	focusHeading(page.main);
	try {
		await call('POST', 'device/logout', { body: { device_id: device, remove: true } });
	} catch {
		load();
	}
}
