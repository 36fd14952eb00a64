#include <cjose/header.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jwt-int.h"

struct jwt_keys {
	bool secret;          /* what every `set` of it is */
	pthread_mutex_t lock; /* of `set` and each set's `users` */
	struct jwt_keyset *set;
};

void
jwt_keyset_free(struct jwt_keyset *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++) {
		cjose_jwk_t *jwk = set->key[i].jwk;

		if (set->secret)
			OPENSSL_cleanse(cjose_jwk_get_keydata(jwk, NULL),
				cjose_jwk_get_keysize(jwk, NULL) / 8);
		cjose_jwk_release(jwk);
		free(set->key[i].kid);
	}
	free(set);
}

struct jwt_keyset *
jwt_keyset_take(struct jwt_keys *keys)
{
	struct jwt_keyset *set;

	pthread_mutex_lock(&keys->lock);
	set = keys->set;
	set->users++;
	pthread_mutex_unlock(&keys->lock);
	return set;
}

void
jwt_keyset_drop(struct jwt_keys *keys, struct jwt_keyset *set)
{
	bool last;

	pthread_mutex_lock(&keys->lock);
	last = --set->users == 0;
	pthread_mutex_unlock(&keys->lock);
	if (last)
		jwt_keyset_free(set);
}

bool
jwt_same_kid(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const struct jwt_key *
jwt_keyset_find(
	const struct jwt_keyset *set, const char *alg, const char *kid, struct err *e)
{
	const struct jwt_key *found = NULL;
	bool known = false;
	size_t fit = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct jwt_key *key = &set->key[i];
		bool named = set->secret || kid == NULL || jwt_same_kid(key->kid, kid);

		known = known || named;
		if (named && strcmp(key->alg, alg) == 0) {
			found = key;
			fit++;
		}
	}
	if (fit == 1)
		return found;
	jwt_refuse(e, known ? "no key for it" : "an unknown key");
	if (!known && e != NULL)
		snprintf(e->cause, sizeof(e->cause), "kid");
	return NULL;
}

/* Wraps set, which is consumed also on failure. NULL passes through. */
static struct jwt_keys *
keys_of(struct jwt_keyset *set, struct err *e)
{
	struct jwt_keys *keys = set != NULL ? calloc(1, sizeof(*keys)) : NULL;

	if (keys == NULL) {
		if (set != NULL)
			err_set(e, ERR_NOMEM, "out of memory");
		jwt_keyset_free(set);
		return NULL;
	}
	pthread_mutex_init(&keys->lock, NULL);
	set->users = 1;
	keys->secret = set->secret;
	keys->set = set;
	return keys;
}

struct jwt_keys *
jwt_keys_hs256(const char *secret, struct err *e)
{
	struct jwt_keyset *set = NULL;
	size_t n = secret != NULL ? strlen(secret) : 0;

	if (n < JWT_SECRET_MIN) {
		err_set(e, ERR_CONFIG, "the JWT secret is too short: %d bytes at least",
			JWT_SECRET_MIN);
		return NULL;
	}
	set = calloc(1, sizeof(*set));
	if (set == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	set->secret = true;
	set->key[0] = (struct jwt_key){.alg = CJOSE_HDR_ALG_HS256,
		.sig_size = 32,
		.jwk = cjose_jwk_create_oct_spec((const uint8_t *)secret, n, NULL)};
	if (set->key[0].jwk == NULL) {
		err_set(e, ERR_NOMEM, "no memory for the JWT secret");
		jwt_keyset_free(set);
		return NULL;
	}
	set->count = 1;
	return keys_of(set, e);
}

struct jwt_keys *
jwt_keys_jwks_json(const char *json, size_t n, struct err *e)
{
	return keys_of(jwt_keyset_parse(json, n, e), e);
}

struct jwt_keys *
jwt_keys_jwks_file(const char *path, struct err *e)
{
	char *json = malloc(JWT_JWKS_MAX + 1);
	struct jwt_keys *keys = NULL;
	FILE *f = fopen(path, "re");
	size_t n = 0;

	if (json == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (f != NULL)
		n = fread(json, 1, JWT_JWKS_MAX + 1, f);
	if (f == NULL || ferror(f)) {
		err_set(e, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
		goto out;
	}
	keys = jwt_keys_jwks_json(json, n, e);
out:
	if (f != NULL)
		fclose(f);
	free(json);
	return keys;
}

void
jwt_keys_free(struct jwt_keys *keys)
{
	if (keys == NULL)
		return;
	jwt_keyset_drop(keys, keys->set);
	pthread_mutex_destroy(&keys->lock);
	free(keys);
}

bool
jwt_keys_replace_json(struct jwt_keys *keys, const char *json, size_t n, struct err *e)
{
	struct jwt_keyset *old, *set;

	if (keys->secret)
		return err_set(e, ERR_CONFIG, "a JWT secret cannot become a JWK set");
	set = jwt_keyset_parse(json, n, e);
	if (set == NULL)
		return false;
	set->users = 1;
	pthread_mutex_lock(&keys->lock);
	old = keys->set;
	keys->set = set;
	pthread_mutex_unlock(&keys->lock);
	jwt_keyset_drop(keys, old);
	return true;
}
