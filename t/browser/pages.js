// The rows of long lists (www/js/ops-pages.js), without a browser: random changes at the server, and what is shown in the end.

import assert from 'node:assert/strict';

import { Pages } from '../../www/js/ops-pages.js';
import { plan, test } from './lib/tap.js';

const PAGE = 50;
let seed = 7;

// The same numbers in every run.
const random = (n) => {
	seed = (seed * 1103515245 + 12345) % 2147483648;
	return Math.floor(seed / 65536) % n;
};

// A table in the order of names, asked as GET /admin/instances is: a cursor is the last row's place.
class Table {
	rows = [];
	#made = 0;

	add(n) {
		for (let i = 0; i < n; i++)
			this.rows.push({ id: `id-${this.#made++}`, nome: `n${String(random(100000)).padStart(5, '0')}` });
		this.rows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
	}

	remove(n) {
		for (let i = 0; i < n && this.rows.length; i++)
			this.rows.splice(random(this.rows.length), 1);
	}

	// As a session that is made anew under another name.
	rename(n) {
		for (let i = 0; i < n && this.rows.length; i++) {
			const { id } = this.rows.splice(random(this.rows.length), 1)[0];

			this.rows.push({ id, nome: `n${String(random(100000)).padStart(5, '0')}` });
			this.rows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
		}
	}

	page({ cursor, limit }) {
		assert.ok(limit <= 200, `${limit} rows are more than a page`);
		const from = cursor ? this.rows.findIndex((row) => keyOf(row) > cursor) : 0;
		const rows = from < 0 ? [] : this.rows.slice(from, from + limit);
		const more = from >= 0 && from + limit < this.rows.length;

		return [rows, more ? keyOf(rows.at(-1)) : null];
	}
}

const keyOf = (row) => `${row.nome}\n${row.id}`;

function load(pages, table) {
	const cursor = pages.rows.length ? pages.next : null;

	pages.add(...table.page({ cursor, limit: PAGE }), cursor);
}

// As many looks as there are pages, all of them in view.
function look(pages, table, times) {
	const node = { getBoundingClientRect: () => ({ top: 0, bottom: 10 }) };

	globalThis.innerHeight = 100;
	for (let n = 0; n < times; n++) {
		const again = pages.again(pages.rows.map(() => node));

		again?.take(...table.page(again));
	}
}

await test('whatever changes, a list that is looked at becomes what the server has, in order, each row once', () => {
	for (let round = 0; round < 60; round++) {
		const table = new Table();
		const pages = new Pages(keyOf);

		table.add(100 + random(600));
		for (let n = 1 + random(9); n > 0 && (pages.next || !pages.rows.length); n--)
			load(pages, table);
		for (let step = 0; step < 5; step++) {
			table.add(random(30));
			table.remove(random(30));
			table.rename(random(10));
			look(pages, table, random(4));
			assert.equal(new Set(pages.rows.map((row) => row.id)).size, pages.rows.length, 'each once');
			if (pages.next && random(2))
				load(pages, table);
		}
		look(pages, table, 40);
		assert.deepEqual(pages.rows, table.rows.slice(0, pages.rows.length), 'what is shown is what there is');
		assert.equal(pages.next === null, pages.rows.length === table.rows.length, 'and the end is known');
	}
});

await test('more came between two pages than one answer holds: nothing is lost', () => {
	const table = new Table();
	const pages = new Pages(keyOf);

	table.add(400);
	for (let n = 0; n < 6; n++)
		load(pages, table);
	table.add(900);
	look(pages, table, 60);
	assert.deepEqual(pages.rows, table.rows.slice(0, pages.rows.length));
});

await test('what is out of sight is not asked for', () => {
	const table = new Table();
	const pages = new Pages(keyOf);

	table.add(400);
	for (let n = 0; n < 6; n++)
		load(pages, table);
	globalThis.innerHeight = 100;
	const seen = (from, to) => pages.rows.map((row, n) => ({ getBoundingClientRect: () =>
		(n >= from && n < to ? { top: 0, bottom: 10 } : { top: 5000, bottom: 5010 }) }));
	assert.equal(pages.again(seen(100, 150)).cursor, keyOf(table.rows[99]), 'the page in view');
	assert.equal(pages.again(seen(300, 300)), null, 'none');
});

plan();
