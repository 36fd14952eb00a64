#include "fault.h"

#include "gateway.h"
#include "ids.h"
#include "mem.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MS 1000
#define DEFAULT_STATUS 503

static const char *const names[FAULT__MAX] = {
	"latency",        /* FAULT_LATENCY */
	"hang",           /* FAULT_HANG */
	"status",         /* FAULT_STATUS */
	"garbage",        /* FAULT_GARBAGE */
	"reset",          /* FAULT_RESET */
	"unauthorized",   /* FAULT_UNAUTHORIZED */
	"lock_timeout",   /* FAULT_LOCK_TIMEOUT */
	"ghost",          /* FAULT_GHOST */
	"delete_lingers", /* FAULT_DELETE_LINGERS */
	"stuck_starting", /* FAULT_STUCK_STARTING */
	"webhook_lost",   /* FAULT_WEBHOOK_LOST */
	"webhook_double", /* FAULT_WEBHOOK_DOUBLE */
	"silent",         /* FAULT_SILENT */
};

static bool
fits(const struct fault *f, const char *session, const char *path)
{
	if (f->session[0] != '\0' &&
		(session == NULL || strcmp(f->session, session) != 0))
		return false;
	if (f->path[0] != '\0' &&
		(path == NULL || strncmp(f->path, path, strlen(f->path)) != 0))
		return false;
	return true;
}

static bool
strikes(struct fault *f)
{
	if (f->rate < 1 && ids_fraction() >= f->rate)
		return false;
	f->hits++;
	return true;
}

const struct fault *
fault_roll(
	struct gateway *gw, enum fault_kind kind, const char *session, const char *path)
{
	struct fault *f = gw->faults.list, *end = f + gw->faults.count;

	for (; f != end; f++)
		if (f->kind == kind && fits(f, session, path) && strikes(f))
			return f;
	return NULL;
}

const struct fault *
fault_roll_request(struct gateway *gw, size_t i, const char *session, const char *path)
{
	struct fault *f = &gw->faults.list[i];

	if (f->kind >= FAULT_LOCK_TIMEOUT || !fits(f, session, path))
		return NULL;
	return strikes(f) ? f : NULL;
}

/* Copy an optional string member into out; false if it is no string or too long. */
static bool
take_string(const json_t *from, const char *key, char *out, size_t size)
{
	const json_t *v = json_object_get(from, key);

	if (v == NULL || json_is_null(v))
		return true;
	if (!json_is_string(v) || json_string_length(v) >= size)
		return false;
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return true;
}

/* Fill f from its JSON; the reason if it cannot be, else NULL. */
static const char *
parse_one(struct fault *f, const json_t *from)
{
	const char *kind = json_string_value(json_object_get(from, "kind"));
	const json_t *rate = json_object_get(from, "rate");
	const json_t *ms = json_object_get(from, "ms");
	const json_t *status = json_object_get(from, "status");
	double late = ms == NULL ? DEFAULT_MS : json_number_value(ms);
	json_int_t code = status == NULL ? DEFAULT_STATUS : json_integer_value(status);
	int i;

	for (i = 0; kind != NULL && i < FAULT__MAX && strcmp(kind, names[i]) != 0; i++)
		;
	if (kind == NULL || i == FAULT__MAX)
		return "unknown kind";
	f->kind = (enum fault_kind)i;
	f->rate = rate == NULL ? 1 : json_number_value(rate);
	if ((rate != NULL && !json_is_number(rate)) || !(f->rate >= 0 && f->rate <= 1))
		return "rate must be a number from 0 to 1";
	if ((ms != NULL && !json_is_number(ms)) || !(late >= 0 && late <= 3600000))
		return "ms must be a number from 0 to 3600000";
	if ((status != NULL && !json_is_integer(status)) || code < 200 || code > 599)
		return "status must be a number from 200 to 599";
	f->ms = (int64_t)late;
	f->status = (unsigned)code;
	if (!take_string(from, "session", f->session, sizeof f->session))
		return "session must be a string of 63 characters at most";
	if (!take_string(from, "path", f->path, sizeof f->path))
		return "path must be a string of 127 characters at most";
	return NULL;
}

char *
faults_set(struct faults *faults, const json_t *body)
{
	const json_t *list = json_object_get(body, "faults"), *one;
	struct faults fresh = {0};
	struct text why = {0};
	const char *wrong;
	size_t i;

	if (!json_is_array(list))
		return mem_copy("the body must be {\"faults\":[...]}");
	fresh.count = json_array_size(list);
	fresh.list = mem_zero((fresh.count + 1) * sizeof *fresh.list);
	json_array_foreach(list, i, one) {
		if ((wrong = parse_one(&fresh.list[i], one)) != NULL) {
			text_addf(&why, "faults[%zu]: %s", i, wrong);
			faults_clear(&fresh);
			return text_steal(&why);
		}
	}
	faults_clear(faults);
	*faults = fresh;
	return NULL;
}

void
faults_add_json(const struct faults *faults, struct text *out)
{
	const struct fault *f;
	size_t i;

	text_add(out, "{\"faults\":[");
	for (i = 0; i < faults->count; i++) {
		f = &faults->list[i];
		text_addf(out, "%s{\"kind\":\"%s\",\"rate\":%g,\"hits\":%llu",
			i > 0 ? "," : "", names[f->kind], f->rate, f->hits);
		if (f->session[0] != '\0') {
			text_add(out, ",\"session\":");
			text_json(out, f->session);
		}
		if (f->path[0] != '\0') {
			text_add(out, ",\"path\":");
			text_json(out, f->path);
		}
		if (f->kind == FAULT_LATENCY)
			text_addf(out, ",\"ms\":%lld", (long long)f->ms);
		if (f->kind == FAULT_STATUS)
			text_addf(out, ",\"status\":%u", f->status);
		text_add(out, "}");
	}
	text_add(out, "]}");
}

void
faults_clear(struct faults *faults)
{
	free(faults->list);
	faults->list = NULL;
	faults->count = 0;
}
