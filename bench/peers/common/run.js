'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const config = require('./config');

// Runs `serve` in as many processes as configured, on one unix socket that nginx may write to. A worker that
// dies is replaced.
module.exports = function run(serve) {
	if (!cluster.isPrimary) {
		serve();
		return;
	}
	fs.rmSync(config.socket, { force: true });
	process.umask(0o000);
	let stopping = false;
	for (let i = 0; i < config.workers; i++) cluster.fork();
	cluster.on('exit', () => {
		if (!stopping) cluster.fork();
	});
	process.on('SIGTERM', () => {
		stopping = true;
		for (const worker of Object.values(cluster.workers)) worker.kill('SIGTERM');
		setTimeout(() => process.exit(0), 300);
	});
};
