/* Live updates: GET /api/whatsapp/events as a stream that mends itself. Stands alone, so that a page of somebody else's
 * may use it too. The contract, and every option: docs/live.md. */

const OPENING = 15000;    // ms until an answer must have begun
const SETTLED = 2000;     // ms after which nothing is under way any more that a new stream does not hear of
const SPREAD = 1000;      // ms over which pages come back that nginx sent away at the same moment
const LEAST = 1000;       // ms that a stream must have lasted to count as one
const LONGEST = 30000;    // ms between two attempts
const KEPT = 40;          // ids of events that are remembered; the server keeps 20 events

/* Server-sent events out of text that comes in pieces (the HTML standard, 9.2.6). tell({ type, data, id }) hears of each
 * event, an empty one like nchan's ping too (data is '' then); id is that of the last event that had one. */
export function parser(tell) {
	let rest = '', type = '', id = null, data = [];

	function line(text) {
		const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(text);

		if (text === '') {
			if (type || data.length)
				tell({ type: type || 'message', data: data.join('\n'), id });
			type = '';
			data = [];
		} else if (name === 'event') {
			type = value;
		} else if (name === 'data') {
			data.push(value);
		} else if (name === 'id' && !value.includes('\0')) {
			id = value;
		}
	}

	return function feed(text) {
		const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);    // a CR at the end may be half a line's end

		rest = lines.pop();
		lines.forEach(line);
	};
}

class Live {
	#options;
	#state = 'connecting';
	#lastId = null;
	#heardIds = new Set();    // of the last events
	#opens = 0;
	#failures = 0;
	#attempt = null;     // AbortController of the stream, or of the pause before the next
	#poll;

	constructor(options) {
		this.#options = {
			url: new URL('/api/whatsapp/events', import.meta.url).href,
			pollMs: 5000, syncMs: 60000, silenceMs: 45000, fetch: (...all) => fetch(...all),
			onSync() {}, onEvent() {}, onState() {}, onDenied() {}, ...options };
		this.#listen(true);
		this.#schedule();
		this.#run();
	}

	get state() {
		return this.#state;
	}

	close() {
		if (this.#state === 'closed')
			return;
		this.#become('closed');
		clearTimeout(this.#poll);
		this.#listen(false);
		this.#attempt?.abort();
	}

	async #run() {
		while (this.#state !== 'closed') {
			const pause = await this.#stream();

			if (this.#state !== 'closed')
				await this.#rest(pause);
		}
	}

	/* One stream from its beginning to its end. Resolves to the ms after which to try the next. */
	async #stream() {
		const attempt = this.#attempt = new AbortController();
		const watch = patience(attempt);
		let began = null;

		try {
			watch.wait(OPENING);
			const answer = await this.#open(attempt.signal);

			if (answer.status === 401 || answer.status === 403)
				return this.#denied(answer.status);
			if (!answer.ok)
				return this.#failed(answer.headers.get('Retry-After'));
			began = Date.now();
			this.#opened();
			await this.#read(answer.body, watch);
		} catch {
			/* aborted, cut off, or never begun: all the same */
		} finally {
			watch.stop();
			attempt.abort();    // an answer that was not read to its end would keep its connection
		}
		if (began === null || Date.now() - began < LEAST)
			return this.#failed();
		this.#failures = 0;
		return Math.random() * SPREAD;
	}

	async #open(signal) {
		const headers = { Accept: 'text/event-stream', Authorization: `Bearer ${await this.#options.token()}` };

		if (this.#lastId !== null)
			headers['Last-Event-ID'] = this.#lastId;
		return this.#options.fetch(this.#options.url, { headers, signal,
			cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' });
	}

	async #read(body, watch) {
		const feed = parser((event) => this.#heard(event));
		const reader = body.getReader();
		const decoder = new TextDecoder();

		for (;;) {
			watch.wait(this.#options.silenceMs);
			const { done, value } = await reader.read();

			if (done || this.#state === 'closed')
				return;
			feed(decoder.decode(value, { stream: true }));
		}
	}

	#heard({ data, id }) {
		let event = null;

		this.#lastId = id ?? this.#lastId;
		if (data && this.#known(id))
			return;
		try {
			event = JSON.parse(data);
		} catch {
			/* a ping, or something of later versions */
		}
		if (event && typeof event === 'object' && this.#state !== 'closed')
			this.#options.onEvent(event);
	}

	/* Who resumes gets all that the server has kept, also what he had before. */
	#known(id) {
		if (id === null || this.#heardIds.has(id))
			return id !== null;
		this.#heardIds.add(id);
		if (this.#heardIds.size > KEPT)
			this.#heardIds.delete(this.#heardIds.values().next().value);
		return false;
	}

	#opened() {
		const first = this.#opens++ === 0;

		this.#become('live');
		this.#schedule(SETTLED);
		this.#options.onSync(first ? 'open' : 'resumed');
	}

	#denied(status) {
		this.close();
		this.#options.onDenied(status);
	}

	#failed(retryAfter) {
		const seconds = Number.parseInt(retryAfter ?? '', 10) || 0;
		const most = Math.min(1000 * 2 ** this.#failures++, LONGEST);

		if (this.#state !== 'polling' && this.#state !== 'closed') {
			this.#become('polling');
			this.#tick();
		}
		return Math.max(200 + Math.random() * most, seconds * 1000);
	}

	/* Cut short by coming back: from another tab, from sleep, from being offline. */
	#rest(ms) {
		this.#attempt = new AbortController();
		return new Promise((done) => {
			const timer = setTimeout(done, ms);

			this.#attempt.signal.addEventListener('abort', () => {
				clearTimeout(timer);
				done();
			});
		});
	}

	#become(state) {
		if (this.#state === state)
			return;
		this.#state = state;
		this.#options.onState(state);
	}

	#schedule(ms = this.#state === 'live' ? this.#options.syncMs : this.#options.pollMs) {
		clearTimeout(this.#poll);
		if (this.#state !== 'closed')
			this.#poll = setTimeout(() => this.#tick(), ms);
	}

	#tick() {
		this.#schedule();
		this.#options.onSync('poll');
	}

	#listen(on) {
		const change = on ? 'addEventListener' : 'removeEventListener';

		globalThis[change]?.('online', this.#back);
		globalThis.document?.[change]('visibilitychange', this.#seen);
	}

	/* The network is there again: what looks like a stream may be none any more. */
	#back = () => {
		this.#failures = 0;
		this.#attempt?.abort();
	};

	#seen = () => {
		if (!document.hidden && this.#state === 'polling')
			this.#back();
	};
}

/* Aborts what takes longer than it may. */
function patience(attempt) {
	let timer;

	return {
		wait(ms) {
			clearTimeout(timer);
			timer = setTimeout(() => attempt.abort(), ms);
		},
		stop: () => clearTimeout(timer),
	};
}

/* Begins at once. Returns { state, close() }. */
export function live(options) {
	return new Live(options);
}
