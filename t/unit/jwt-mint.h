/*
 * jwt-mint: tokens and keys for the tests of lib/jwt, made with OpenSSL alone, so that
 * also what cjose would never make can be made. Every function ends the test on
 * failure; texts are the caller's to free.
 */
#ifndef WAPOOL_T_JWT_MINT_H
#define WAPOOL_T_JWT_MINT_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/jwt.h"
#include "t/unit/unit.h"

#define NOW 1700000000
#define SECRET "0123456789abcdef0123456789abcdef"
#define USER "0f8fad5b-d9cb-469f-a165-70867728950e"
#define SUB "\"sub\":\"" USER "\""
#define EXP "\"exp\":1700000600"
#define GOOD "{" SUB "," EXP "}"

/* Appends n bytes in base64url without padding (RFC 7515 appendix C). */
static inline void
mint_base64url(struct buf *out, const void *bytes, size_t n)
{
	size_t from = out->len;

	ck_assert(buf_base64(out, bytes, n));
	for (char *p = out->data + from; *p != '\0'; p++)
		*p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p);
	while (out->len > from && out->data[out->len - 1] == '=')
		out->data[--out->len] = '\0';
}

/* "<header>.<payload>", what is signed. */
static inline void
mint_input(struct buf *out, const char *header, const char *payload)
{
	buf_init(out, 1 << 20);
	mint_base64url(out, header, strlen(header));
	buf_putc(out, '.');
	mint_base64url(out, payload, strlen(payload));
}

static inline char *
mint_with(struct buf *input, const void *signature, size_t n)
{
	buf_putc(input, '.');
	mint_base64url(input, signature, n);
	ck_assert(!input->failed);
	return buf_steal(input);
}

static inline char *
mint_hmac(const EVP_MD *md, const char *secret, const char *header, const char *payload)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	struct buf input;

	mint_input(&input, header, payload);
	ck_assert_ptr_nonnull(HMAC(md, secret, (int)strlen(secret),
		(const unsigned char *)input.data, input.len, mac, &n));
	return mint_with(&input, mac, n);
}

static inline char *
mint_hs256(const char *header, const char *payload)
{
	return mint_hmac(EVP_sha256(), SECRET, header, payload);
}

/* A signature as OpenSSL makes it: of an EC key in DER. */
static inline size_t
mint_sign(EVP_PKEY *key, const char *input, size_t n, unsigned char signature[1024])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = 1024;

	ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	ck_assert_int_eq(
		EVP_DigestSign(ctx, signature, &size, (const unsigned char *)input, n),
		1);
	EVP_MD_CTX_free(ctx);
	return size;
}

/* Turns DER into r || s with `half` bytes each (RFC 7518 section 3.4: 32). */
static inline size_t
mint_raw(unsigned char *signature, size_t n, int half)
{
	const unsigned char *der = signature;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);

	ck_assert_ptr_nonnull(sig);
	ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, half), half);
	ck_assert_int_eq(
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + half, half), half);
	ECDSA_SIG_free(sig);
	return (size_t)half * 2;
}

/* RS256 or ES256, by the key; half 0 leaves an EC signature in DER. */
static inline char *
mint_pkey(EVP_PKEY *key, int half, const char *header, const char *payload)
{
	unsigned char signature[1024];
	struct buf input;
	size_t n;

	mint_input(&input, header, payload);
	n = mint_sign(key, input.data, input.len, signature);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && half > 0)
		n = mint_raw(signature, n, half);
	return mint_with(&input, signature, n);
}

static inline void
mint_member(
	struct buf *out, EVP_PKEY *key, const char *name, const char *param, int size)
{
	unsigned char bytes[1024];
	BIGNUM *n = NULL;

	ck_assert_int_eq(EVP_PKEY_get_bn_param(key, param, &n), 1);
	if (size == 0)
		size = BN_num_bytes(n);
	ck_assert_int_eq(BN_bn2binpad(n, bytes, size), size);
	buf_printf(out, "\"%s\":\"", name);
	mint_base64url(out, bytes, (size_t)size);
	buf_puts(out, "\"");
	BN_free(n);
}

/* The public key as a JWK; more: members to add, as `,"kid":"a"`. */
static inline char *
mint_jwk(EVP_PKEY *key, const char *more)
{
	bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
	int size = EVP_PKEY_get_bits(key) / 8;
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_printf(&out, "{\"kty\":\"%s\",", rsa ? "RSA" : "EC");
	if (!rsa)
		buf_printf(&out, "\"crv\":\"P-%d\",", EVP_PKEY_get_bits(key));
	mint_member(&out, key, rsa ? "n" : "x",
		rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X, rsa ? 0 : size);
	buf_puts(&out, ",");
	mint_member(&out, key, rsa ? "e" : "y",
		rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y, rsa ? 0 : size);
	buf_printf(&out, "%s}", more);
	ck_assert(!out.failed);
	return buf_steal(&out);
}

/* {"keys":[...]} of up to three JWKs, which are freed; the caller frees the text. */
static inline char *
mint_set(char *a, char *b, char *c)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_printf(&out, "{\"keys\":[%s%s%s%s%s]}", a, b != NULL ? "," : "",
		b != NULL ? b : "", c != NULL ? "," : "", c != NULL ? c : "");
	free(a);
	free(b);
	free(c);
	ck_assert(!out.failed);
	return buf_steal(&out);
}

static inline struct jwt_keys *
mint_keys(char *json)
{
	struct err e = ERR_INIT;
	struct jwt_keys *keys = jwt_keys_jwks_json(json, strlen(json), &e);

	ck_assert_msg(keys != NULL, "%s", e.text);
	free(json);
	return keys;
}

/* Asserts what verifying token, which is freed, gives: reason NULL for yes. */
static inline void
mint_check(struct jwt_keys *keys, const struct jwt_rules *rules, char *token,
	const char *reason, const char *what)
{
	struct jwt_claims c;
	struct err e = ERR_INIT;
	bool ok = jwt_verify(keys, rules, token, NOW, &c, &e);

	ck_assert_msg(ok == (reason == NULL), "%s: %s", what, ok ? "accepted" : e.text);
	ck_assert_str_eq(c.sub, ok ? USER : "");
	ck_assert_int_eq(e.code, ok ? ERR_NONE : ERR_UNAUTHORIZED);
	ck_assert_str_eq(e.cause,
		reason != NULL && strcmp(reason, "unknown key") == 0 ? "kid" : "");
	if (reason != NULL) {
		ck_assert_msg(strstr(e.text, reason) != NULL, "%s: %s", what, e.text);
		ck_assert_msg(strstr(e.text, "CANARY") == NULL, "%s: %s", what, e.text);
		ck_assert(!c.is_admin);
	}
	free(token);
}

#endif
