/* The API, from a page: token, language, deadline, and errors that say what happened. */

import { language } from './i18n.js';
import { end, token } from './session.js';
import { api } from './site.js';

/* What went wrong. `code` is the end of the problem's `type` (docs/api.md, Problem codes), or 'offline' (no answer came),
 * 'timeout', 'aborted' (by the caller), 'garbled' (an answer that is none). `status` is 0 without an answer. `title` and `detail` are
 * sentences in the page's language; `errors` are [{pointer, detail}]; `retryAfter` is in seconds, or null. */
export class ApiError extends Error {
	constructor(code, members = {}) {
		super(members.detail || members.title || code);
		this.name = 'ApiError';
		this.code = code;
		this.status = members.status ?? 0;
		this.title = members.title ?? '';
		this.detail = members.detail ?? '';
		this.errors = members.errors ?? [];
		this.requestId = members.requestId ?? null;
		this.retryAfter = members.retryAfter ?? null;
	}

	/* The complaint about a member of the body: error.field('api_url'), or ''. */
	field(name) {
		return this.errors.find((one) => one.pointer === `/${name}`)?.detail ?? '';
	}

	/* Whether the same request may succeed in a while without anybody doing anything. */
	get passing() {
		return ['offline', 'timeout'].includes(this.code) || this.status === 429 || this.status >= 502;
	}
}

/* One request. Resolves to { status, headers, data }: data is the JSON, a Blob for pictures, null without a body.
 *
 *   body      becomes JSON
 *   query     members become parameters; null and undefined are left out
 *   headers   more of them
 *   key       Idempotency-Key; absent: a new one for each POST. Give your own to repeat a call whose answer was lost
 *   signal    to abort it
 *   timeout   ms, 30000
 *   anonymous no token, and a 401 is an error like others; else a 401 ends the session
 *
 * Rejects with an ApiError and nothing else. */
export async function request(method, path, options = {}) {
	const watch = deadline(options.timeout ?? 30000, options.signal);

	try {
		const answer = await fetch(address(path, options.query), {
			method, headers: headersOf(method, options), signal: watch.signal,
			body: options.body === undefined ? undefined : JSON.stringify(options.body),
			cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer',
		});

		return await understood(answer, options);
	} catch (error) {
		throw error instanceof ApiError ? error : new ApiError(watch.why() ?? (isOffline(error) ? 'offline' : 'garbled'));
	} finally {
		watch.stop();
	}
}

/* The data alone. */
export async function call(method, path, options) {
	return (await request(method, path, options)).data;
}

function address(path, query = {}) {
	const url = new URL(path, api);

	for (const [name, value] of Object.entries(query)) {
		if (value !== undefined && value !== null && value !== '')
			url.searchParams.set(name, value);
	}
	return url;
}

function headersOf(method, options) {
	const headers = new Headers({ Accept: 'application/json', 'Accept-Language': language(), ...options.headers });
	const bearer = options.anonymous ? null : token();

	if (bearer)
		headers.set('Authorization', `Bearer ${bearer}`);
	if (options.body !== undefined && !headers.has('Content-Type'))
		headers.set('Content-Type', 'application/json');
	if (method === 'POST' && !options.anonymous)
		headers.set('Idempotency-Key', options.key ?? newKey());
	return headers;
}

/* 128 random bits. (crypto.randomUUID is there on HTTPS only.) */
export function newKey() {
	return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function deadline(ms, outer) {
	const controller = new AbortController();
	let why;
	const stop = (reason) => () => {
		why ??= reason;
		controller.abort();
	};
	const timer = setTimeout(stop('timeout'), ms);
	const aborted = stop('aborted');

	if (outer?.aborted)
		aborted();
	outer?.addEventListener('abort', aborted);
	return {
		signal: controller.signal,
		why: () => why,
		stop: () => {
			clearTimeout(timer);
			outer?.removeEventListener('abort', aborted);
		},
	};
}

/* fetch's own failures are TypeErrors; a body that breaks off or is no JSON is something else. */
function isOffline(error) {
	return error instanceof TypeError;
}

async function understood(answer, options) {
	const type = answer.headers.get('Content-Type') ?? '';

	if (!answer.ok)
		throw await problem(answer, type, options);
	if (answer.status === 204)
		return { status: 204, headers: answer.headers, data: null };

	const data = type.startsWith('image/') ? await answer.blob() : await answer.json();

	return { status: answer.status, headers: answer.headers, data };
}

async function problem(answer, type, options) {
	const body = type.includes('json') ? await answer.json().catch(() => ({})) : {};
	const code = /^urn:wapool:problem:([a-z-]+)$/.exec(body.type ?? '')?.[1] ?? 'garbled';
	const seconds = Number.parseInt(answer.headers.get('Retry-After') ?? '', 10);

	if (answer.status === 401 && !options.anonymous)
		end('expired');
	return new ApiError(code, { ...body, status: answer.status, retryAfter: Number.isFinite(seconds) ? seconds : null });
}
