// A test is a name and an async function; TAP on standard output, one line per test, in order.
//
//   import { test, finish } from './lib/tap.js';
//   await test('two and two', async () => assert.equal(2 + 2, 4));
//   await finish();

const PATIENCE_MS = 120_000;    // before a test counts as hanging

let count = 0;
let failed = 0;
const after = [];
const whenFailed = [];

// What runs after each test; if it throws, that test has failed.
export function afterEach(fn) {
	after.push(fn);
}

// What runs, with the test's name, when one has failed; it returns lines to show.
export function onFailure(fn) {
	whenFailed.push(fn);
}

export function note(text) {
	process.stdout.write(String(text).replace(/^/gm, '# ') + '\n');
}

function diag(text) {
	process.stderr.write(String(text).replace(/^/gm, '# ') + '\n');
}

function withTimeout(promise) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no end after ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function outcome(fn) {
	try {
		await withTimeout(fn());
		return undefined;
	} catch (error) {
		return error;
	}
}

export async function test(name, fn) {
	const began = Date.now();
	let error = await outcome(fn);
	if (error) {
		for (const show of whenFailed) diag(await show(name).catch((e) => e.message));
	}
	for (const clean of after) {
		const late = await outcome(() => clean(name));
		error ??= late;
	}
	count += 1;
	if (error) failed += 1;
	process.stdout.write(`${error ? 'not ok' : 'ok'} ${count} - ${name.replaceAll('#', '\\#')}\n`);
	note(`${Date.now() - began} ms`);
	if (error) diag(error.stack ?? error);
}

// The plan, and the process's exit status.
export function plan() {
	process.stdout.write(`1..${count}\n`);
	process.exitCode = failed || !count ? 1 : 0;
}
