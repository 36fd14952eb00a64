/* What a client wants of a server: a body's members against a table of rules. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gateway.h"
#include "lib/guard.h"
#include "lib/registry.h"
#include "lib/uuid.h"

enum type { TEXT, TRUTH, NUMBER, URL, BASE_URL, KIND, KEY, SECRET };

/* Ranges are those of the table's CHECKs, or what its type and sense allow. For texts they
 * count characters. fallback is what a new server has without it. */
static const struct rule {
	const char *name;
	enum type type;
	int min, max;
	const char *fallback;
	enum message want;
} rules[REGISTRY__MAX] = {
	[REGISTRY_NOME] = {"nome", TEXT, 1, 255, NULL, MSG_WANT_NAME},
	[REGISTRY_API_URL] = {"api_url", BASE_URL, 1, 0, NULL, MSG_WANT_URL},
	[REGISTRY_DESCRICAO] = {"descricao", TEXT, 0, 2000, NULL, MSG_WANT_TEXT},
	[REGISTRY_ATIVO] = {"ativo", TRUTH, 0, 0, "true", MSG_WANT_TRUTH},
	[REGISTRY_WEBHOOK_URL] = {"webhook_url", URL, 0, 0, NULL, MSG_WANT_URL},
	[REGISTRY_TIMEOUT] = {"timeout", NUMBER, 1, 300, "30", MSG_WANT_NUMBER_IN},
	[REGISTRY_RETRY] = {"retry_attempts", NUMBER, 0, 20, "3", MSG_WANT_NUMBER_IN},
	[REGISTRY_RATE] = {"rate_limit", NUMBER, 0, 1000000, "100", MSG_WANT_NUMBER_IN},
	[REGISTRY_PRIORITY] = {"prioridade", NUMBER, 0, 10, "0", MSG_WANT_NUMBER_IN},
	[REGISTRY_MAX] = {"max_sessions", NUMBER, 0, 100000, "50", MSG_WANT_NUMBER_IN},
	[REGISTRY_KIND] = {"kind", KIND, 0, 0, "waha", MSG_WANT_KIND},
	[REGISTRY_KEY] = {"api_key", KEY, 0, 1024, NULL, MSG_WANT_KEY},
	[REGISTRY_SECRET] = {"webhook_secret", SECRET, 16, 255, NULL, MSG_WANT_SECRET},
};

/* Members that answers have and that nobody writes. */
static const char *const read_only[] = {"id", "user_id", "sessions_ativas", "health",
	"health_reason", "version", "checked_at", "draining", "removing",
	"webhook_secret_set", "created_at", "updated_at"};

/* A reading under way. */
struct reading {
	struct registry_entry *entry;
	const struct guard *guard;
	enum lang lang;
	json_t *faults; /* NULL once memory ran out */
};

static void
fault(struct reading *rd, const char *name, const char *detail)
{
	struct buf pointer;

	buf_init(&pointer, 8192);
	buf_putc(&pointer, '/');
	for (const char *p = name; *p != '\0'; p++) { /* RFC 6901 */
		if (*p == '~' || *p == '/')
			buf_puts(&pointer, *p == '~' ? "~0" : "~1");
		else
			buf_putc(&pointer, *p);
	}
	if (json_array_append_new(rd->faults,
		    json_pack("{s:s, s:s}", "pointer", buf_str(&pointer), "detail",
			    detail)) != 0) {
		json_decref(rd->faults);
		rd->faults = NULL;
	}
	buf_free(&pointer);
}

static void
fault_of(struct reading *rd, const char *name, enum message m)
{
	fault(rd, name, message_text(m, rd->lang));
}

/* The sentence of a number says its range. */
static void
fault_of_rule(struct reading *rd, const struct rule *rule, enum message m)
{
	char detail[200];

	snprintf(detail, sizeof(detail), "%s (%d - %d)", message_text(m, rd->lang),
		rule->min, rule->max);
	if (m == MSG_WANT_NUMBER_IN)
		fault(rd, rule->name, detail);
	else
		fault_of(rd, rule->name, m);
}

static void
put(struct reading *rd, enum registry_field f, const char *text)
{
	char **at = &rd->entry->value[f];

	if (*at != NULL)
		sodium_memzero(*at, strlen(*at));
	free(*at);
	*at = text != NULL ? strdup(text) : NULL;
	if (text != NULL && *at == NULL) {
		json_decref(rd->faults);
		rd->faults = NULL;
	}
}

/* Characters of a text that has no control characters but, if lines, line breaks and
 * tabs; -1 if it has. */
static int
text_length(const char *s, bool lines)
{
	int n = 0;

	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 &&
			!(lines && strchr("\n\r\t", *s) != NULL))
			return -1;
		n += (*s & 0xc0) != 0x80 && *s != 0x7f;
	}
	return n;
}

/* Visible ASCII: these travel in headers. A mask that came back is no key. */
static bool
is_key(const char *s, int min, int max)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x21 || s[i] > 0x7e)
			return false;
	return n >= (size_t)min && n <= (size_t)max && strncmp(s, "****", 4) != 0;
}

/* True if text may be that field's; else *why says what it should be. */
static bool
text_fits(struct reading *rd, const struct rule *rule, const char *text,
	enum message *why)
{
	struct err e = ERR_INIT;
	int n;

	*why = rule->want;
	switch (rule->type) {
	case TEXT:
		n = text_length(text, rule->max > 255);
		return n >= rule->min && n <= rule->max;
	case KEY:
	case SECRET:
		return is_key(text, rule->min, rule->max);
	case KIND:
		return gateway_of(text) != NULL;
	case BASE_URL: /* paths are appended to it */
		if (strchr(text, '?') != NULL)
			return false;
		if (guard_url(rd->guard, text, &e))
			return true;
		if (e.code == ERR_BLOCKED)
			*why = MSG_WANT_PUBLIC_URL;
		return false;
	case URL: /* told to the gateway, never called */
		return guard_url(NULL, text, NULL);
	default:
		return false;
	}
}

static void
read_field(struct reading *rd, enum registry_field f, const json_t *v)
{
	const struct rule *rule = &rules[f];
	char number[24];
	enum message why = rule->want;

	rd->entry->given[f] = true;
	if (json_is_null(v) &&
		(rule->fallback != NULL || rule->min == 0 || f >= REGISTRY_KEY)) {
		put(rd, f, rule->fallback);
	} else if (rule->type == TRUTH && json_is_boolean(v)) {
		put(rd, f, json_is_true(v) ? "true" : "false");
	} else if (rule->type == NUMBER && json_is_integer(v) &&
		json_integer_value(v) >= rule->min &&
		json_integer_value(v) <= rule->max) {
		snprintf(number, sizeof(number), "%lld",
			(long long)json_integer_value(v));
		put(rd, f, number);
	} else if (json_is_string(v) && rule->type != NUMBER && rule->type != TRUTH &&
		text_fits(rd, rule, json_string_value(v), &why)) {
		put(rd, f, json_string_value(v));
	} else {
		fault_of_rule(rd, rule, why);
	}
}

static int
field_of(const char *name)
{
	for (int i = 0; i < REGISTRY__MAX; i++)
		if (strcmp(name, rules[i].name) == 0)
			return i;
	return -1;
}

/* Members that no client may write, and those that do not exist. */
static void
refuse_others(struct reading *rd, const json_t *body, bool owner_ok)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)body, name, v) {
		bool known = false;

		if (rd->faults == NULL || field_of(name) >= 0 ||
			(owner_ok && strcmp(name, "user_id") == 0))
			continue;
		for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++)
			known = known || strcmp(name, read_only[i]) == 0;
		fault_of(rd, name, known ? MSG_READ_ONLY : MSG_NO_SUCH_FIELD);
	}
}

/* Whose a new server is: the platform's if an administrator names nobody. */
static void
read_owner(struct reading *rd, const json_t *body, const struct user *u)
{
	const json_t *v = json_object_get(body, "user_id");
	char *owner = rd->entry->owner;
	const size_t size = sizeof(rd->entry->owner);

	*owner = '\0';
	if (!u->admin)
		snprintf(owner, size, "%s", u->id);
	else if (v != NULL && !json_is_null(v) && uuid_valid(json_string_value(v)))
		snprintf(owner, size, "%s", json_string_value(v));
	else if (v != NULL && !json_is_null(v))
		fault_of(rd, "user_id", MSG_WANT_OWNER);
}

static void
put_random_secret(struct reading *rd)
{
	unsigned char random[32];
	char hex[65];

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	put(rd, REGISTRY_SECRET, hex);
	sodium_memzero(hex, sizeof(hex));
}

/* What an absent member means. */
static void
read_absent(struct reading *rd, enum registry_field f, enum registry_mode mode)
{
	if (mode == REGISTRY_CHANGE || (mode == REGISTRY_REPLACE && f >= REGISTRY_KEY))
		return;
	if (f == REGISTRY_SECRET)
		put_random_secret(rd);
	else if (f == REGISTRY_NOME || f == REGISTRY_API_URL)
		fault_of_rule(rd, &rules[f], rules[f].want);
	else
		put(rd, f, rules[f].fallback);
}

/* What is stored for one host is not for another. */
static void
guard_secrets(struct reading *rd, const char *former_url)
{
	struct registry_entry *entry = rd->entry;

	if (rd->faults == NULL ||
		guard_same_origin(former_url, entry->value[REGISTRY_API_URL]))
		return;
	if (entry->stored[REGISTRY_KEY] && !entry->given[REGISTRY_KEY])
		fault_of(rd, "api_key", MSG_WANT_KEY_AGAIN);
	if (entry->stored[REGISTRY_SECRET] && !entry->given[REGISTRY_SECRET]) {
		put_random_secret(rd);
		entry->given[REGISTRY_SECRET] = true;
	}
}

json_t *
registry_entry_read(struct registry_entry *entry, const json_t *body,
	enum registry_mode mode, const struct user *u, const struct guard *guard,
	enum lang lang)
{
	struct reading rd = {
		.entry = entry, .guard = guard, .lang = lang, .faults = json_array()};
	const bool secrets =
		entry->stored[REGISTRY_KEY] || entry->stored[REGISTRY_SECRET];
	char *former_url = secrets ? strdup(entry->value[REGISTRY_API_URL]) : NULL;

	if (secrets && former_url == NULL) {
		json_decref(rd.faults);
		rd.faults = NULL;
	}
	if (mode == REGISTRY_CREATE)
		read_owner(&rd, body, u);
	for (int f = 0; rd.faults != NULL && f < REGISTRY__MAX; f++) {
		const json_t *v = json_object_get(body, rules[f].name);

		if (v != NULL)
			read_field(&rd, (enum registry_field)f, v);
		else
			read_absent(&rd, (enum registry_field)f, mode);
	}
	if (rd.faults != NULL)
		refuse_others(&rd, body, mode == REGISTRY_CREATE && u->admin);
	if (secrets)
		guard_secrets(&rd, former_url);
	free(former_url);
	return rd.faults;
}

json_t *
registry_entry_read_test(struct registry_entry *entry, const json_t *body,
	const struct guard *guard, enum lang lang)
{
	static const enum registry_field wanted[] = {
		REGISTRY_API_URL, REGISTRY_KEY, REGISTRY_KIND};
	struct reading rd = {
		.entry = entry, .guard = guard, .lang = lang, .faults = json_array()};
	const char *name;
	json_t *v;

	for (size_t i = 0; rd.faults != NULL && i < 3; i++) {
		v = json_object_get(body, rules[wanted[i]].name);
		if (v != NULL && !(wanted[i] == REGISTRY_KIND && json_is_null(v)))
			read_field(&rd, wanted[i], v);
		else if (wanted[i] == REGISTRY_API_URL)
			fault_of(&rd, "api_url", MSG_WANT_URL);
	}
	json_object_foreach((json_t *)body, name, v) {
		int f = field_of(name);

		if (rd.faults != NULL && f != REGISTRY_API_URL && f != REGISTRY_KEY &&
			f != REGISTRY_KIND)
			fault_of(&rd, name, MSG_NO_SUCH_FIELD);
	}
	return rd.faults;
}

void
registry_entry_server(struct registry_entry *entry, struct server *out)
{
	static char none[] = "";
	char *key = entry->value[REGISTRY_KEY], *url = entry->value[REGISTRY_API_URL];
	const char *kind = entry->value[REGISTRY_KIND];

	for (size_t n = strlen(url); n > 0 && url[n - 1] == '/'; n--)
		url[n - 1] = '\0';
	*out = (struct server){.url = url,
		.key = key != NULL ? key : none,
		.webhook_secret = none,
		.webhook_url = none};
	if (kind != NULL)
		snprintf(out->kind, sizeof(out->kind), "%s", kind);
}

void
registry_entry_free(struct registry_entry *entry)
{
	if (entry == NULL)
		return;
	for (int i = 0; i < REGISTRY__MAX; i++) {
		if (entry->value[i] != NULL)
			sodium_memzero(entry->value[i], strlen(entry->value[i]));
		free(entry->value[i]);
		entry->value[i] = NULL;
	}
}
