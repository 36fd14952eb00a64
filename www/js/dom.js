/* Elements without HTML: text is text, wherever it comes from. */

import { t } from './i18n.js';

/* h('button', { class: 'button', type: 'button', disabled: true, i18n: 'save', on: { click } }, child, …)
 *
 * i18n: a key of the texts, with i18nParams; stays translated when the language changes. i18nAttrs: the same for attributes,
 * { 'aria-label': 'close' }. on: listeners. Other members are attributes: true is empty, false, null and undefined
 * are left out. Children: nodes, strings, arrays; null and false are left out. */
export function h(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes)) {
		if (value === undefined || value === null || value === false)
			continue;
		if (name === 'on')
			Object.entries(value).forEach(([type, listener]) => element.addEventListener(type, listener));
		else if (name === 'i18n')
			say(element, value, attributes.i18nParams);
		else if (name === 'i18nAttrs')
			sayAttributes(element, value, attributes.i18nParams);
		else if (name !== 'i18nParams')
			element.setAttribute(name, value === true ? '' : value);
	}
	element.append(...flat(children));
	return element;
}

function flat(children) {
	return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/* The text of a key as the element's whole content, now and after a change of the language. */
export function say(element, key, params) {
	element.dataset.i18n = key;
	if (params)
		element.dataset.i18nParams = JSON.stringify(params);
	else
		delete element.dataset.i18nParams;
	element.textContent = t(key, params);
	return element;
}

export function sayAttributes(element, keys, params) {
	element.dataset.i18nAttrs = Object.entries(keys).map((pair) => pair.join(':')).join(' ');
	if (params)
		element.dataset.i18nParams = JSON.stringify(params);
	Object.entries(keys).forEach(([name, key]) => element.setAttribute(name, t(key, params)));
	return element;
}

/* Text that is no key of ours: a name, a sentence of the server's. */
export function put(element, text) {
	delete element.dataset.i18n;
	delete element.dataset.i18nParams;
	element.textContent = text;
	return element;
}

export function fill(parent, ...children) {
	parent.replaceChildren(...flat(children));
	return parent;
}

const SVG = 'http://www.w3.org/2000/svg';

/* A picture for the eye only, drawn with strokes in a box of 24: icon('M4 12h16'). */
export function icon(path) {
	const svg = document.createElementNS(SVG, 'svg');
	const line = document.createElementNS(SVG, 'path');

	svg.setAttribute('viewBox', '0 0 24 24');
	svg.setAttribute('class', 'icon');
	svg.setAttribute('aria-hidden', 'true');
	line.setAttribute('d', path);
	svg.append(line);
	return svg;
}

export const icons = {
	sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
	moon: 'M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5Z',
	leave: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
	plus: 'M12 5v14M5 12h14',
	check: 'M5 12.5l4.5 4.5L19 7.5',
	cross: 'M6 6l12 12M18 6L6 18',
	alert: 'M12 4 2.8 20h18.4L12 4ZM12 10v4.5M12 17.2v.1',
	pencil: 'M4 20l1-4L16 5l3 3L8 19l-4 1ZM14 7l3 3',
	back: 'M15 5l-7 7 7 7',
	trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5',
	refresh: 'M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6',
};
