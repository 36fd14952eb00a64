#include "lib/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum type { TEXT, SECRET, NUMBER };

struct setting {
	const char *name, *alias;
	enum type type;
	size_t offset;
	const char *fallback;
	int min, max; /* of a NUMBER; for a SECRET min is its least length */
	const char *help;
};

#define AT(member) offsetof(struct config, member)

static const struct setting settings[] = {
	{"DATABASE_URL", "DB_URI", SECRET, AT(database_url), "", 0, 0,
		"PostgreSQL connection, as libpq reads it"},
	{"WAHA_URL", NULL, TEXT, AT(waha_url), "", 0, 0,
		"base URL of the platform's WAHA server"},
	{"WAHA_API_KEY", NULL, SECRET, AT(waha_api_key), "", 0, 0,
		"its key, sent as X-Api-Key"},
	{"WAHA_MAX_SESSIONS", NULL, NUMBER, AT(waha_max_sessions), "500", 1, 100000,
		"sessions that server may hold"},
	{"EVOLUTION_API_URL", NULL, TEXT, AT(evolution_api_url), "", 0, 0,
		"base URL of the platform's Evolution API"},
	{"EVOLUTION_API_KEY", NULL, SECRET, AT(evolution_api_key), "", 0, 0,
		"its global key, sent as apikey"},
	{"EVOLUTION_MAX_SESSIONS", NULL, NUMBER, AT(evolution_max_sessions), "500", 1,
		100000, "instances it may hold"},
	{"PUBLIC_URL", NULL, TEXT, AT(public_url), "", 0, 0,
		"where gateways reach this site, for /webhook"},
	{"WEBHOOK_SECRET", NULL, SECRET, AT(webhook_secret), "", 16, 0,
		"HMAC key of the platform's webhooks; made by wapool if unset"},
	{"JWT_SECRET", NULL, SECRET, AT(jwt_secret), "", 32, 0,
		"HS256 key of bearer tokens, 32 bytes or more"},
	{"JWKS_FILE", NULL, TEXT, AT(jwks_file), "", 0, 0,
		"JWK set with RS256 and ES256 keys, instead of JWT_SECRET"},
	{"JWKS_URL", NULL, TEXT, AT(jwks_url), "", 0, 0,
		"where to fetch that set, at most every 10 minutes"},
	{"JWT_ISSUER", NULL, TEXT, AT(jwt_issuer), "", 0, 0,
		"the iss a token must carry; unset: any"},
	{"JWT_AUDIENCE", NULL, TEXT, AT(jwt_audience), "", 0, 0,
		"the aud a token must carry; unset: 'authenticated', if it carries "
		"any"},
	{"JWT_TTL", NULL, NUMBER, AT(jwt_ttl_s), "3600", 60, 604800,
		"life of a token made by /api/auth/login, seconds"},
	{"SECRET_KEY_FILE", NULL, TEXT, AT(secret_key_file), "", 0, 0,
		"file with the 32-byte key (64 hex digits) that seals gateway keys"},
	{"POOL_TARGET", NULL, NUMBER, AT(pool_target), "10", 0, 100000,
		"instances that stand by after a start"},
	{"POOL_LOW", NULL, NUMBER, AT(pool_low), "5", 0, 100000,
		"with fewer free than this, more are made at once"},
	{"POOL_STEP", NULL, NUMBER, AT(pool_step), "10", 1, 10000, "how many more"},
	{"POOL_MAX", NULL, NUMBER, AT(pool_max), "10000", 1, 1000000,
		"instances of the pool, free or not, that are never exceeded"},
	{"PROVISION_PARALLEL", NULL, NUMBER, AT(provision_parallel), "8", 1, 64,
		"sessions made or emptied at the same time, by one helper and at one "
		"server"},
	{"CONNECT_DEADLINE_MS", NULL, NUMBER, AT(connect_deadline_ms), "25000", 500,
		90000, "how long connect waits for the QR code"},
	{"GATEWAY_TIMEOUT_MS", NULL, NUMBER, AT(gateway_timeout_ms), "20000", 100,
		120000, "longest single call to a gateway"},
	{"GATEWAY_START_GRACE", NULL, NUMBER, AT(gateway_start_grace_s), "300", 0,
		86400,
		"seconds after a gateway's start in which absence means nothing"},
	{"GATEWAY_ALLOW_PRIVATE", NULL, TEXT, AT(gateway_allow_private), "", 0, 0,
		"networks that are not public where users' servers may be, as "
		"10.1.0.0/16,fd00:1::/64"},
	{"UNPAIRED_TTL", NULL, NUMBER, AT(unpaired_ttl_s), "1800", 1, 604800,
		"seconds an assigned instance may stay unpaired before it is recycled"},
	{"HEALTH_INTERVAL", NULL, NUMBER, AT(health_interval_s), "60", 1, 3600,
		"seconds between two looks at each gateway"},
	{"HEALTH_ATTEMPTS", NULL, NUMBER, AT(health_attempts), "3", 1, 20,
		"restarts of an ill session before anything harsher"},
	{"HEALTH_RETRY_MS", NULL, NUMBER, AT(health_retry_ms), "2000", 10, 60000,
		"pause after the first failed repair, doubling, jittered"},
	{"HEALTH_TIMEOUT_MS", NULL, NUMBER, AT(health_timeout_ms), "15000", 500, 50000,
		"how long a restarted session may take to come back"},
	{"HEALTH_STUCK_S", NULL, NUMBER, AT(health_stuck_s), "30", 1, 3600,
		"seconds in STARTING after which a never paired session is stuck"},
	{"THREADS", NULL, NUMBER, AT(threads), "0", 0, 256,
		"threads of a responder; 0: what that responder needs"},
	{"DB_POOL", NULL, NUMBER, AT(db_pool), "4", 1, 64,
		"PostgreSQL connections of a process at the most"},
	{"DB_TIMEOUT_MS", NULL, NUMBER, AT(db_timeout_ms), "5000", 100, 10000,
		"longest single statement"},
	{"REQUEST_DEADLINE_MS", NULL, NUMBER, AT(request_deadline_ms), "10000", 500,
		25000, "longest request but a connect"},
	{"MESSAGE_RETENTION", NULL, NUMBER, AT(message_retention_h), "24", 0, 87600,
		"hours that bodies of received messages are kept"},
	{"EVENT_RETENTION", NULL, NUMBER, AT(event_retention_d), "30", 1, 3650,
		"days that gateway events and the audit trail are kept"},
	{"IDEMPOTENCY_TTL", NULL, NUMBER, AT(idempotency_ttl_h), "24", 1, 720,
		"hours that the answer to an Idempotency-Key is kept"},
	{"IDEMPOTENCY_KEYS", NULL, NUMBER, AT(idempotency_keys), "10000", 10, 1000000,
		"keys of one user that are kept at a time"},
	{"DELIVER_PARALLEL", NULL, NUMBER, AT(deliver_parallel), "8", 1, 64,
		"events delivered at the same time, by one helper"},
	{"DELIVERY_TIMEOUT_MS", NULL, NUMBER, AT(delivery_timeout_ms), "15000", 100,
		30000, "how long a subscriber may take to answer"},
	{"WEBHOOK_DISABLE_AFTER", NULL, NUMBER, AT(webhook_disable_after_h), "120", 1,
		720, "hours of failures after which a webhook is disabled"},
	{"DEVICE_LIMIT", NULL, NUMBER, AT(device_limit), "10", 1, 1000,
		"devices one user may have"},
	{"SERVER_LIMIT", NULL, NUMBER, AT(server_limit), "20", 1, 10000,
		"gateway servers of his own that one user may have"},
	{"CLAIM_LIMIT", NULL, NUMBER, AT(claim_limit), "30", 1, 100000,
		"instances that one user may be given in an hour"},
	{"OWN_WEBHOOKS_MB", NULL, NUMBER, AT(own_webhooks_mb), "64", 1, 1000000,
		"megabytes a day that webhooks of one user's own servers may bring"},
	{"LIVE_PUBLISH", NULL, TEXT, AT(live_publish), "", 0, 0,
		"nginx servers that pages hear live updates from, as "
		"unix:/run/wapool/live/publish.sock; unset: none"},
	{"TZ", NULL, TEXT, AT(tz), "America/Sao_Paulo", 0, 0,
		"time zone in which quotas' hours and days begin"},
	{"LOG_LEVEL", NULL, TEXT, AT(log_level), "info", 0, 0,
		"debug, info, warn or error"},
	{"CA_FILE", NULL, TEXT, AT(ca_file), "", 0, 0,
		"more certificates to trust when calling gateways (PEM)"},
};

#define NSETTINGS (sizeof(settings) / sizeof(settings[0]))

static bool
load_number(const struct setting *s, const char *value, int *out, struct err *e)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || n < s->min || n > s->max)
		return err_set(e, ERR_CONFIG,
			"%s=%.40s: a whole number from %d to %d, please", s->name,
			value, s->min, s->max);
	*out = (int)n;
	return true;
}

static bool
load_text(const struct setting *s, const char *value, char **out, struct err *e)
{
	if (s->type == SECRET && *value != '\0' && strlen(value) < (size_t)s->min)
		return err_set(e, ERR_CONFIG, "%s: too short, %d bytes at least",
			s->name, s->min);
	*out = strdup(value);
	return *out != NULL || err_set(e, ERR_NOMEM, "out of memory");
}

static bool
load_setting(struct config *c, const struct setting *s, struct err *e)
{
	const char *value = getenv(s->name);
	char *at = (char *)c + s->offset;

	if ((value == NULL || *value == '\0') && s->alias != NULL)
		value = getenv(s->alias);
	if (value == NULL || *value == '\0')
		value = s->fallback;
	if (s->type == NUMBER)
		return load_number(s, value, (int *)(void *)at, e);
	return load_text(s, value, (char **)(void *)at, e);
}

/* "" is no URL that is wrong, but none. */
static bool
check_url(const char *name, const char *url, struct err *e)
{
	return *url == '\0' || strncmp(url, "http://", 7) == 0 ||
		strncmp(url, "https://", 8) == 0 ||
		err_set(e, ERR_CONFIG, "%s: http:// or https:// is missing", name);
}

/* Rules that span settings. */
static bool
check_whole(const struct config *c, struct err *e)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	bool known = false;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		known = known || strcmp(c->log_level, levels[i]) == 0;
	if (!known)
		return err_set(e, ERR_CONFIG,
			"LOG_LEVEL=%.20s: debug, info, warn or error", c->log_level);
	if (!check_url("WAHA_URL", c->waha_url, e) ||
		!check_url("EVOLUTION_API_URL", c->evolution_api_url, e) ||
		!check_url("PUBLIC_URL", c->public_url, e))
		return false;
	if (*c->waha_url != '\0' && strcmp(c->waha_url, c->evolution_api_url) == 0)
		return err_set(e, ERR_CONFIG,
			"WAHA_URL, EVOLUTION_API_URL: one server is of one kind");
	return true;
}

bool
config_load(struct config *c, struct err *e)
{
	*c = (struct config){0};
	for (size_t i = 0; i < NSETTINGS; i++)
		if (!load_setting(c, &settings[i], e))
			goto out;
	if (check_whole(c, e))
		return true;
out:
	config_free(c);
	return false;
}

int
config_longest_ms(const struct config *c)
{
	int longest = c->request_deadline_ms > c->connect_deadline_ms
		? c->request_deadline_ms
		: c->connect_deadline_ms;

	return longest + 3 * c->db_timeout_ms;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < NSETTINGS; i++)
		if (settings[i].type != NUMBER)
			free(*(char **)(void *)((char *)c + settings[i].offset));
	*c = (struct config){0};
}

bool
config_help(size_t i, struct config_help *out)
{
	if (i >= NSETTINGS)
		return false;
	*out = (struct config_help){.name = settings[i].name,
		.alias = settings[i].alias,
		.fallback = settings[i].fallback,
		.help = settings[i].help,
		.secret = settings[i].type == SECRET};
	return true;
}
