#include <ctype.h>
#include <math.h>
#include <string.h>

#include "lib/jwt-int.h"
#include "lib/uuid.h"

/* 2^53: every whole number up to it is exact as a double. */
#define SECONDS_MAX 9007199254740992.0

bool
jwt_uuid(const char *text, char out[37])
{
	out[0] = '\0';
	if (!uuid_valid(text))
		return false;
	for (int i = 0; i < 37; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	return true;
}

/* A NumericDate (RFC 7519 section 2), which may have a fraction: it is cut off. */
static bool
seconds(const json_t *value, int64_t *out)
{
	double s = json_number_value(value);

	if (!json_is_number(value) || !isfinite(s) || s < 0 || s > SECONDS_MAX)
		return false;
	*out = (int64_t)s;
	return true;
}

static bool
not_later(const json_t *value, int64_t limit)
{
	int64_t s;

	return value == NULL || (seconds(value, &s) && s <= limit);
}

static bool
times_ok(const json_t *p, int leeway_s, int64_t now_s, int64_t *exp, struct err *e)
{
	int64_t leeway = leeway_s < 0 ? 0 : leeway_s;

	if (leeway > JWT_LEEWAY_MAX)
		leeway = JWT_LEEWAY_MAX;
	if (!seconds(json_object_get(p, "exp"), exp))
		return jwt_refuse(e, "no time of expiry");
	if (now_s >= *exp + leeway)
		return jwt_refuse(e, "expired");
	if (!not_later(json_object_get(p, "nbf"), now_s + leeway))
		return jwt_refuse(e, "not valid yet");
	if (!not_later(json_object_get(p, "iat"), now_s + leeway))
		return jwt_refuse(e, "issued in the future");
	return true;
}

static bool
is_text(const json_t *value, const char *want)
{
	return json_is_string(value) && strcmp(json_string_value(value), want) == 0;
}

/* RFC 7519 section 4.1.3: a text or an array of texts. */
static bool
audience_has(const json_t *aud, const char *want)
{
	bool found = false;
	const json_t *one;
	size_t i;

	if (!json_is_array(aud))
		return is_text(aud, want);
	json_array_foreach(aud, i, one) {
		if (!json_is_string(one))
			return false;
		found = found || is_text(one, want);
	}
	return found;
}

static bool
parties_ok(const json_t *p, const struct jwt_rules *rules, struct err *e)
{
	const json_t *iss = json_object_get(p, "iss"), *aud = json_object_get(p, "aud");
	bool any_issuer = rules->issuer == NULL || *rules->issuer == '\0';
	bool no_audience = rules->audience == NULL || *rules->audience == '\0';

	if (any_issuer ? iss != NULL && !json_is_string(iss)
		       : !is_text(iss, rules->issuer))
		return jwt_refuse(e, "another issuer");
	if (aud == NULL && no_audience)
		return true;
	if (!audience_has(aud, no_audience ? "authenticated" : rules->audience))
		return jwt_refuse(e, "for another audience");
	return true;
}

/* Copies a text that may be absent or null. */
static bool
copy_text(const json_t *value, char *out, size_t size)
{
	const char *text = json_string_value(value);
	size_t n = text != NULL ? strlen(text) : 0;

	if (value == NULL || json_is_null(value))
		return true;
	if (text == NULL || n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	memcpy(out, text, n + 1);
	return true;
}

static bool
user_ok(const json_t *p, struct jwt_claims *out, struct err *e)
{
	const json_t *anonymous = json_object_get(p, "is_anonymous");
	const char *sub = json_string_value(json_object_get(p, "sub"));

	if (!copy_text(json_object_get(p, "role"), out->role, sizeof(out->role)))
		return jwt_refuse(e, "a bad role");
	if (is_text(json_object_get(p, "iss"), "supabase") ||
		strcmp(out->role, "anon") == 0 ||
		strcmp(out->role, "service_role") == 0)
		return jwt_refuse(e, "an API key, not a user");
	if (anonymous != NULL && !json_is_null(anonymous) && !json_is_false(anonymous))
		return jwt_refuse(e, "an anonymous user");
	if (!jwt_uuid(sub, out->sub))
		return jwt_refuse(e, "no UUID as its subject");
	if (!copy_text(json_object_get(p, "email"), out->email, sizeof(out->email)))
		return jwt_refuse(e, "a bad email");
	return true;
}

bool
jwt_claims_read(const json_t *payload, const struct jwt_rules *rules, int64_t now_s,
	struct jwt_claims *out, struct err *e)
{
	const json_t *app = json_object_get(payload, "app_metadata");

	if (!times_ok(payload, rules->leeway_s, now_s, &out->exp, e) ||
		!parties_ok(payload, rules, e) || !user_ok(payload, out, e))
		return false;
	out->is_admin = is_text(json_object_get(app, "role"), "admin");
	return true;
}
