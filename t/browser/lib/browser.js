// One headless Chromium for a file of tests; a person is a fresh context with a page that is watched: console errors, CSP
// violations, exceptions and failed requests make the test fail unless it says that it expects them.
//
//   const ana = await person({ lang: 'en-US', dark: true, width: 390 });
//   await ana.page.goto(env.url);
//   ana.expects(/401/);

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

import { afterEach, onFailure, plan } from './tap.js';
import { env } from './stack.js';
import { note } from './traffic.js';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const people = new Set();
let browser;

// --- Chromium ---

async function launch() {
	const options = {
		executablePath: CHROMIUM,
		chromiumSandbox: process.getuid() !== 0,    // it refuses root
		args: [
			'--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
			'--disable-dev-shm-usage',    // /dev/shm is 64 MB in many containers
			'--force-color-profile=srgb', '--font-render-hinting=none',    // alike screenshots everywhere
			...process.env.SPKI ? [`--ignore-certificate-errors-spki-list=${process.env.SPKI}`] : [],
		],
	};
	try {
		return await chromium.launch(options);
	} catch (error) {
		// Containers often forbid user namespaces to everybody. Only our own pages are opened.
		if (!options.chromiumSandbox || !/sandbox/i.test(error.message)) throw error;
		return chromium.launch({ ...options, chromiumSandbox: false });
	}
}

// --- People ---

class Person {
	constructor(context, page) {
		this.context = context;
		this.page = page;
		this.trouble = [];
		// a page may ask for a QR in the moment it is scanned
		this.expected = [/^answer: GET .*\/api\/whatsapp\/qr\?\S*: 409$/];
	}

	// Trouble that matches is none, from now on.
	expects(...patterns) {
		this.expected.push(...patterns);
	}

	// For tests of what the watch itself finds, or to look before the end of a test.
	unexpected() {
		return this.trouble.filter((line) => !this.expected.some((pattern) => pattern.test(line)));
	}

	watch(page) {
		const own = (url) => url.startsWith(env.url);
		page.on('console', (message) => {
			const text = message.text();
			// requests are told of below, with their method
			if (message.type() !== 'error' || text.startsWith('Failed to load resource')) return;
			this.trouble.push(`console: ${text}`);
		});
		page.on('pageerror', (error) => this.trouble.push(`exception: ${error.stack ?? error}`));
		page.on('requestfailed', (request) => {
			const why = request.failure()?.errorText ?? '';
			if (!own(request.url()) || why === 'net::ERR_ABORTED') return;
			this.trouble.push(`request: ${request.method()} ${request.url()}: ${why}`);
		});
		page.on('response', (response) => {
			if (!own(response.url()) || response.status() < 400) return;
			this.trouble.push(`answer: ${response.request().method()} ${response.url()}: ${response.status()}`);
		});
	}

	async close() {
		people.delete(this);
		if (process.env.WAPOOL_TRACE) await this.context.tracing.stop({ path: `${env.artifacts}/trace-${Date.now()}.zip` });
		await this.context.close();
	}
}

// lang, dark, width, height, context: more of Playwright's options
export async function person({ lang = 'pt-BR', dark = false, width = 1280, height = 800, ...more } = {}) {
	browser ??= await launch();
	const context = await browser.newContext({
		locale: lang, timezoneId: 'America/Sao_Paulo', colorScheme: dark ? 'dark' : 'light',
		reducedMotion: 'reduce', viewport: { width, height }, ...more,
	});
	context.setDefaultTimeout(20_000);
	if (process.env.WAPOOL_TRACE) await context.tracing.start({ screenshots: true, snapshots: true });
	const who = new Person(context, undefined);
	context.on('page', (page) => who.watch(page));
	note(context);
	await context.addInitScript(() => {
		document.addEventListener('securitypolicyviolation', (event) =>
			console.error(`CSP: ${event.violatedDirective} refused ${event.blockedURI} in ${event.sourceFile}:${event.lineNumber}`));
	});
	who.page = await context.newPage();
	people.add(who);
	return who;
}

afterEach(async () => {
	const found = [...people].flatMap((who) => who.unexpected());
	await Promise.all([...people].map((who) => who.close()));
	nothing(found, 'the pages had trouble');
});

onFailure(async (name) => {
	const lines = [];
	for (const { page, trouble } of people) {
		const file = `${env.artifacts}/${name.replace(/[^A-Za-z0-9]+/g, '-')}-${lines.length}.png`;
		await page.screenshot({ path: file, fullPage: true, timeout: 5000 }).catch(() => {});
		const text = await page.locator('body').ariaSnapshot({ timeout: 2000 }).catch((error) => error.message);
		lines.push(`${page.url()} (${file})`, ...trouble, text);
	}
	return lines.join('\n');
});

// Ends the file: prints the plan and closes Chromium.
export async function finish() {
	await browser?.close();
	plan();
}

// --- What every page must be ---

function nothing(found, what) {
	if (found.length) throw new Error(`${what}:\n${found.join('\n')}`);
}

// The page has followed what changed before: two frames.
export const painted = (page) => page.evaluate(() =>
	new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));

// axe-core finds nothing serious, in light and in dark.
export async function accessible(page, what = page.url()) {
	await page.bringToFront();    // what is behind is not painted
	for (const colorScheme of ['light', 'dark']) {
		await page.emulateMedia({ colorScheme });
		// a page of ours follows in its own time
		await page.waitForFunction((scheme) => [undefined, scheme].includes(document.documentElement.dataset.theme), colorScheme);
		await painted(page);
		await page.evaluate(`${axeSource};0`);
		const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
		const found = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
			.flatMap(({ id, help, nodes }) => nodes.slice(0, 3).map((node) => `${id}: ${help}: ${node.html}\n${node.failureSummary}`));
		nothing(found, `${what}: axe-core, ${colorScheme}`);
	}
	await page.emulateMedia({ colorScheme: null });
}

// Nothing hangs out at the side: what is wider than the window.
export async function fits(page, what = page.url()) {
	const { width, window } = await page.evaluate(() => ({
		width: document.documentElement.scrollWidth, window: document.documentElement.clientWidth,
	}));
	assert.ok(width <= window, `${what}: ${width} px wide in a window of ${window}`);
}
