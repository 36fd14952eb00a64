// The files of www/ as they lie there: HTML by html-validate, modules by node's parser.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileSystemConfigLoader, HtmlValidate } from 'html-validate';

import { plan, test } from './lib/tap.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const www = path.join(here, '../../www');

const config = {
	root: true,
	extends: ['html-validate:recommended'],
	rules: {
		'long-title': 'off',
		'no-trailing-whitespace': 'off',
		'no-inline-style': 'error',    // the Content-Security-Policy refuses it
		'require-csp-nonce': 'off',
		'doctype-style': 'off',
	},
};

function files(dir, suffix) {
	return fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
		const name = path.join(dir, entry.name);
		if (entry.isDirectory()) return files(name, suffix);
		return entry.name.endsWith(suffix) ? [name] : [];
	});
}

const validator = new HtmlValidate(new FileSystemConfigLoader(config));

for (const file of files(www, '.html')) {
	await test(`${path.relative(www, file)} is valid HTML`, async () => {
		const { results } = await validator.validateFile(file);
		const found = results.flatMap(({ messages }) => messages.map((m) => `${m.line}:${m.column} ${m.message} (${m.ruleId})`));
		if (found.length) throw new Error(found.join('\n'));
	});
	await test(`${path.relative(www, file)} has no code in it`, async () => {
		const text = fs.readFileSync(file, 'utf8');
		const found = text.match(/<script(?![^>]*\ssrc=)[^>]*>|\son[a-z]+=|javascript:|<style|\sstyle=/gi);
		if (found) throw new Error(`the Content-Security-Policy refuses ${found.join(', ')}`);
	});
}

// The modules that a module imports, and those that they do, by their paths.
function imported(file, found = new Set()) {
	const text = fs.readFileSync(file, 'utf8');
	for (const [, name] of text.matchAll(/^import (?:[^;]* from )?'(\.\/[^']+)';/gm)) {
		const one = path.join(path.dirname(file), name);
		if (!found.has(one)) imported(one, found.add(one));
	}
	return found;
}

// Else a browser learns of each module only from the one that imports it: a journey to the server for each step.
for (const file of files(www, '.html')) {
	await test(`${path.relative(www, file)} names all modules that it will need`, async () => {
		const text = fs.readFileSync(file, 'utf8');
		// links of a page for wrong turns are absolute
		const local = (href) => (href.startsWith('/') ? path.join(www, href) : path.join(path.dirname(file), href));
		const [, start] = /<script type="module" src="([^"]+)">/.exec(text);
		const named = [...text.matchAll(/<link rel="modulepreload" href="([^"]+)">/g)].map(([, href]) => local(href));
		assert.deepEqual(named.sort(), [...imported(local(start))].sort());
	});
}

for (const file of files(www, '.js')) {
	await test(`${path.relative(www, file)} is a module without mistakes of form`, async () => {
		const { status, stderr } = spawnSync(process.execPath, ['--check', '--input-type=module', '-'],
			{ input: fs.readFileSync(file), encoding: 'utf8' });
		if (status !== 0) throw new Error(stderr);
	});
}

plan();
