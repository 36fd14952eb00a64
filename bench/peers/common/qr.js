'use strict';

const zlib = require('node:zlib');
const QRCode = require('qrcode');

// A QR as a data URI. The library's own picture has 32 bits a pixel and takes five times as long as the code in it;
// this one has one.

const MODULE = 4; // pixels
const MARGIN = 4; // modules
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

const CRC = new Int32Array(256).map((_, n) => {
	let c = n;
	for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
	return c;
});

function chunk(type, data) {
	const out = Buffer.alloc(12 + data.length);
	out.writeUInt32BE(data.length, 0);
	out.write(type, 4, 'latin1');
	data.copy(out, 8);
	let crc = -1;
	for (let i = 4; i < 8 + data.length; i++) crc = CRC[(crc ^ out[i]) & 0xff] ^ (crc >>> 8);
	out.writeInt32BE(~crc, 8 + data.length);
	return out;
}

// One bit a pixel, white is 1; each row after a byte that says it is not filtered.
function pixels({ size, data }, width) {
	const row = 1 + Math.ceil(width / 8);
	const out = Buffer.alloc(row * width, 0xff);
	for (let y = 0; y < width; y++) out[y * row] = 0;
	for (let y = 0; y < size; y++) {
		const top = (y + MARGIN) * MODULE * row;
		for (let x = 0; x < size; x++) {
			if (!data[y * size + x]) continue;
			for (let p = (x + MARGIN) * MODULE, end = p + MODULE; p < end; p++) out[top + 1 + (p >> 3)] &= ~(0x80 >> (p & 7));
		}
		for (let i = 1; i < MODULE; i++) out.copy(out, top + i * row, top, top + row);
	}
	return out;
}

module.exports = function dataUri(text) {
	const { modules } = QRCode.create(text, { errorCorrectionLevel: 'L' });
	const width = (modules.size + 2 * MARGIN) * MODULE;
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width, 0);
	header.writeUInt32BE(width, 4);
	header[8] = 1; // bits a pixel, greyscale
	const png = Buffer.concat([SIGNATURE, chunk('IHDR', header),
		chunk('IDAT', zlib.deflateSync(pixels(modules, width), { level: 1 })), chunk('IEND', Buffer.alloc(0))]);
	return `data:image/png;base64,${png.toString('base64')}`;
};
