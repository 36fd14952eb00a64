'use strict';

const { createVerifier } = require('fast-jwt');
const config = require('./config');

// Bearer tokens: HS256 only, audience and expiry checked, verified ones remembered until they expire.
const verify = createVerifier({
	key: config.jwtSecret,
	algorithms: ['HS256'],
	allowedAud: 'authenticated',
	requiredClaims: ['exp', 'sub'],
	clockTolerance: 30000,
	cache: 10000,
	cacheKeyBuilder: (text) => text, // hashing it would cost ten times the look-up
});

// The claims, or null.
module.exports = function user(authorization) {
	if (!authorization || !/^bearer /i.test(authorization)) return null;
	try {
		return verify(authorization.slice(7).trim());
	} catch {
		return null;
	}
};

module.exports.UNAUTHORIZED = { error: 'Não autorizado', message: 'Entre novamente.' };

// What PostgreSQL says of an account that was disabled.
module.exports.DISABLED = '28000';
