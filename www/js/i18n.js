/* The language of the page: Portuguese of Brazil, or English by the browser's wish or the switch. early.js has chosen. */

import pt from './text-pt.js';
import en from './text-en.js';

const texts = { pt: { ...pt }, en: { ...en } };

/* 'pt-BR' or 'en', as it stands in <html lang> and goes out as Accept-Language. */
export function language() {
	return document.documentElement.lang === 'en' ? 'en' : 'pt-BR';
}

/* Kept for the next visit. Every data-i18n is put anew, then `wapool:language` is fired at document for what
 * a page has made of numbers, dates and answers. */
export function setLanguage(tag) {
	document.documentElement.lang = tag === 'en' ? 'en' : 'pt-BR';
	try {
		localStorage.setItem('wapool.language', language());
	} catch {
		/* storage is switched off: it holds for this page */
	}
	translate(document);
	document.dispatchEvent(new CustomEvent('wapool:language', { detail: { language: language() } }));
}

/* A page's own texts: addTexts({ pt: { key: '…' }, en: { key: '…' } }). */
export function addTexts(more) {
	Object.assign(texts.pt, more.pt);
	Object.assign(texts.en, more.en);
}

/* t('sessions', { used: 3, max: 50 }): "{used} de {max}" with its places filled. With a number `n`, `key.one` goes
 * before `key` where the language says so. An unknown key stands for itself. */
export function t(key, params = {}) {
	const own = texts[language() === 'en' ? 'en' : 'pt'];
	const form = 'n' in params ? own[`${key}.${new Intl.PluralRules(language()).select(params.n)}`] : undefined;
	const text = form ?? own[key] ?? key;

	return text.replace(/\{(\w+)\}/g, (place, name) => (name in params ? shown(params[name]) : place));
}

function shown(value) {
	return typeof value === 'number' ? number(value) : String(value);
}

export function has(key) {
	return key in texts.pt;
}

/* Everything below root that names a key (dom.js, or written into the page). */
export function translate(root) {
	for (const element of root.querySelectorAll('[data-i18n]'))
		element.textContent = t(element.dataset.i18n, paramsOf(element));
	for (const element of root.querySelectorAll('[data-i18n-attrs]')) {
		for (const pair of element.dataset.i18nAttrs.split(' ')) {
			const [name, key] = pair.split(':');

			element.setAttribute(name, t(key, paramsOf(element)));
		}
	}
}

function paramsOf(element) {
	return element.dataset.i18nParams ? JSON.parse(element.dataset.i18nParams) : {};
}

export function number(value, options) {
	return new Intl.NumberFormat(language(), options).format(value);
}

/* A point in time (ISO 8601) as a person says it: "21 de nov., 03:10". */
export function date(iso, options = { dateStyle: 'medium', timeStyle: 'short' }) {
	return new Intl.DateTimeFormat(language(), options).format(new Date(iso));
}

/* "há 5 minutos", "in 2 hours". */
export function ago(iso, now = Date.now()) {
	const format = new Intl.RelativeTimeFormat(language(), { numeric: 'auto' });
	const seconds = (new Date(iso).getTime() - now) / 1000;
	const [size, unit] = [[86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']]
		.find(([least]) => Math.abs(seconds) >= least) || [1, 'second'];

	return format.format(Math.round(seconds / size), unit);
}
