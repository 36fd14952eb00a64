'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const config = require('./config');
const dataUri = require('./qr');
const waha = require('./waha');

// From a click to something to show. db: {claim, finish, wake}. Returns {status, body}.

const EMPTY = {
	error: 'Não há instâncias disponíveis no momento',
	message: 'Tente novamente em alguns segundos. Estamos criando mais instâncias.',
};

const OFTEN = { error: 'Muitas tentativas', message: 'Tente novamente mais tarde.' };

async function bringUp(claim) {
	const deadline = Date.now() + config.connectDeadlineMs;
	let restarted = false;
	if (claim.outcome === 'claimed') await waha.start(claim.name);
	for (let pause = 60; Date.now() < deadline; pause = Math.min(pause * 2, 500)) {
		const askedAt = Date.now();
		const session = await waha.state(claim.name);
		if (session.status === 'WORKING') return { session, askedAt };
		if (session.status === 'SCAN_QR_CODE') {
			try {
				return { session, askedAt, qr: await waha.qr(claim.name) };
			} catch (e) {
				if (e.gateway !== 422) throw e; // it has left that state meanwhile: look again
			}
		} else if (session.status === 'STOPPED') {
			await waha.start(claim.name);
		} else if (session.status === 'FAILED' && !restarted) {
			restarted = true;
			await waha.restart(claim.name);
		}
		await sleep(pause);
	}
	return null;
}

function shown(claim, phone, qrCode) {
	if (!qrCode)
		return {
			success: true,
			connected: true,
			instanceName: claim.name,
			status: 'WORKING',
			phoneNumber: phone,
			deviceId: claim.device_id,
			message: 'WhatsApp já conectado',
		};
	return {
		success: true,
		method: 'qr',
		qrCode,
		instanceName: claim.name,
		deviceId: claim.device_id,
		message: 'Escaneie o QR Code com seu WhatsApp',
	};
}

async function connect(db, user) {
	const claim = await db.claim(user.sub, user.email ?? '', null, config.poolLow, config.claimLimit);
	if (claim.low) db.wake();
	if (claim.outcome === 'often') return { status: 429, body: OFTEN, retryAfter: 60 };
	if (claim.outcome !== 'own' && claim.outcome !== 'claimed') return { status: 503, body: EMPTY, retryAfter: 2 };
	const up = await bringUp(claim);
	if (!up) return { status: 504, body: { error: 'WhatsApp demorou demais', message: 'Tente novamente.' }, retryAfter: 5 };
	const { session, askedAt, qr } = up;
	const qrCode = qr && dataUri(qr);
	const phone = session.me?.id ?? null;
	const current = await db.finish(claim.instance_id, claim.epoch, Date.now() - askedAt, session.status,
		phone, session.me?.pushName ?? null, Boolean(qr));
	if (!current) return { status: 503, body: EMPTY, retryAfter: 2 };
	return { status: 200, body: shown(claim, phone, qrCode) };
}

async function disconnect(db, user) {
	const outcome = await db.release(user.sub, null);
	if (outcome === 'released') db.wake();
	return { success: true, message: 'WhatsApp desconectado com sucesso' };
}

function connection(row) {
	if (row?.status === 'WORKING') {
		const body = { success: true, connected: true, instanceName: row.name, status: row.status, deviceId: row.id };
		if (row.phone_number) body.phoneNumber = row.phone_number;
		if (row.profile_name) body.profileName = row.profile_name;
		return body;
	}
	const body = { success: true, connected: false, message: 'WhatsApp não conectado' };
	if (row?.name) Object.assign(body, { instanceName: row.name, status: row.status });
	if (row) body.deviceId = row.id;
	return body;
}

module.exports = { connect, disconnect, connection };
