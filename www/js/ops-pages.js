/* The rows of a list, in the pages they came in, and which of them to ask for again: all while one question gets them,
 * then those in view, a page with each look. What is out of sight is as it was until somebody scrolls there. */

export const PAGE = 50;
const MOST = 200;    // what one question gets

export class Pages {
	#parts = [];    // { cursor, rows }: what comes after that cursor, up to the next one's
	#last = null;   // the part that was renewed last
	#keyOf;

	next = null;    // the cursor of what is not here yet

	/* keyOf(row): its place in the order, as text; a row whose key is another has moved. */
	constructor(keyOf) {
		this.#keyOf = keyOf;
	}

	get rows() {
		return this.#parts.flatMap((part) => part.rows);
	}

	/* True of a list that is renewed in parts. */
	get parted() {
		return this.rows.length > MOST;
	}

	clear() {
		this.#parts = [];
		this.next = null;
	}

	/* An answer: the first page, or the one after what is there. */
	add(rows, next, cursor) {
		if (!cursor)
			this.#parts = [];
		this.#parts.push({ cursor, rows: [] });
		this.#renew(this.#parts.at(-1), rows, next);
	}

	without(row) {
		this.#parts.forEach((part) => {
			part.rows = part.rows.filter((one) => one !== row);
		});
	}

	/* What to ask for again, { cursor, limit, take }: take(rows, next) is for its answer. Null: nothing is in view. nodes:
	 * the rows as they stand in the page. */
	again(nodes) {
		if (!this.parted)
			this.#parts = [{ cursor: null, rows: this.rows }];

		const seen = this.#inView(nodes);
		const part = seen[(seen.indexOf(this.#last) + 1) % seen.length];

		if (!part)
			return null;
		this.#last = part;
		/* Some more than there were, for what is new; at the end that belongs to the next page. */
		const more = part === this.#parts.at(-1) ? 0 : PAGE;

		return { cursor: part.cursor, limit: Math.min(Math.max(PAGE, part.rows.length + more), MOST),
			take: (rows, next) => this.#renew(part, rows, next) };
	}

	#inView(nodes) {
		let first = 0;

		if (this.#parts.length <= 1)
			return this.#parts;
		return this.#parts.filter(({ rows }) => {
			const [from, to] = [nodes[first], nodes[first + rows.length - 1]];

			first += rows.length;
			return from && to && from.getBoundingClientRect().top < innerHeight && to.getBoundingClientRect().bottom > 0;
		});
	}

	/* Up to where the next part begins, or if the answer ends before that, what it does not tell of stays as a part of
	 * its own. A row that has moved here stands nowhere else. */
	#renew(part, rows, next) {
		const place = this.#parts.indexOf(part);
		const later = new Set(this.#parts.slice(place + 1).flatMap((one) => one.rows.map(this.#keyOf)));
		const end = rows.findIndex((row) => later.has(this.#keyOf(row)));
		const before = part.rows;

		part.rows = end < 0 ? rows : rows.slice(0, end);
		if (later.size > 0 && end < 0 && next !== null)
			this.#parts.splice(place + 1, 0, { cursor: next, rows: before });

		const ids = new Set(part.rows.map((row) => row.id));

		if (place === this.#parts.length - 1)
			this.next = next;
		this.#parts.forEach((one) => {
			if (one !== part)
				one.rows = one.rows.filter((row) => !ids.has(row.id));
		});
		this.#parts = this.#parts.filter((one, n) => n === 0 || one.rows.length > 0);
	}
}
