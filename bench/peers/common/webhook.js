'use strict';

const { createHash, createHmac, timingSafeEqual } = require('node:crypto');
const config = require('./config');

// WAHA's webhooks: the signature over the raw body, and what webhook_store is told.

function signatureOk(raw, sent) {
	if (typeof sent !== 'string' || !/^[0-9a-f]{128}$/i.test(sent)) return false;
	const digest = createHmac('sha512', config.webhookSecret).update(raw).digest();
	return timingSafeEqual(digest, Buffer.from(sent, 'hex'));
}

const LEGACY = { connected: 'WORKING', open: 'WORKING', qrcode: 'SCAN_QR_CODE', connecting: 'STARTING' };
const ACKS = { '-1': 'error', 0: 'pending', 1: 'server', 2: 'device', 3: 'read', 4: 'played' };

function statusOf(event, payload) {
	const status = payload.status;
	if (event === 'session.status') {
		const last = payload.statuses?.at(-1);
		return { status, at: last?.status === status ? last.timestamp : null };
	}
	if (event === 'status.instance') return { status: LEGACY[status] ?? status, at: null };
	return { status: null, at: null };
}

function messageId(id) {
	const parts = String(id ?? '').split('_');
	return parts.length > 1 ? parts[2] : parts[0];
}

function told(event, id, payload) {
	const mid = messageId(payload.id);
	if (event === 'message' && !payload.fromMe)
		return { type: 'message.received', once: `message|${mid}`,
			data: { messageId: mid, chat: payload.from, text: payload.body, mediaUrl: payload.media?.url, gatewayEventId: id } };
	if (event === 'message.ack' && ACKS[payload.ack])
		return { type: 'message.ack', once: `ack|${ACKS[payload.ack]}|${mid}`,
			data: { messageId: mid, chat: payload.from, ack: ACKS[payload.ack] } };
	return null;
}

// The parameters of the statement; null if the body is no event.
function params(serverId, raw, requestId) {
	const text = raw.toString('utf8');
	const body = JSON.parse(text);
	const { event, id, session, timestamp, metadata, me } = body;
	const payload = body.payload ?? {};
	if (typeof event !== 'string' || event === '') return null;
	const { status, at } = statusOf(event, payload);
	const key = id ? `${event}|${id}` : requestId ? `request|${requestId}`
		: `body|${createHash('sha256').update(raw).digest('hex')}`;
	const tell = told(event, id, payload);
	return [serverId, key, event, id ?? null, requestId ?? null, session ?? payload.name ?? null, timestamp ?? null,
		metadata?.['wapool.generation'] ?? null, status, at ?? timestamp ?? null, me?.id ?? null, me?.pushName ?? null,
		event === 'status.instance' && payload.status === 'disconnected', text, tell && JSON.stringify(tell)];
}

// Whether the helper has something to do now: after a release, or when a phone may be gone.
function wantsHelper(outcome, values) {
	return outcome === 'applied' && (values[12] || values[8] === 'FAILED');
}

module.exports = { signatureOk, params, wantsHelper };
