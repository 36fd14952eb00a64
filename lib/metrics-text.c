/* The families of GET /metrics: where each comes from, and how it is written. */
#include <string.h>

#include "lib/db.h"
#include "lib/metrics-int.h"
#include "lib/version.h"

#define LABELS_MAX 3
/* servers with series of their own; more are only counted */
#define SERVERS_SHOWN "500"

#define OUTBOX_COUNTED "1000000"

enum type { COUNTER, GAUGE, HISTOGRAM, INFO };

/* key: as the statements below call it. name: without _total, _info and the like, which the
 * formats put in different places. unit: the name's end, or NULL. */
struct family {
	const char *key, *name;
	enum type type;
	const char *unit;
	const char *labels[LABELS_MAX];
	const char *help;
};

static const struct family families[] = {
	{"build", "wapool_build", INFO, NULL, {"version"}, "The version of wapool."},
	{"schema", "wapool_schema_changes", GAUGE, NULL, {NULL},
		"Migrations that the database has."},
	{"pool_target", "wapool_pool_target", GAUGE, NULL, {NULL},
		"Instances that should stand by (POOL_TARGET)."},
	{"pool_low", "wapool_pool_low", GAUGE, NULL, {NULL},
		"With fewer free than this more are made (POOL_LOW)."},
	{"pool_free", "wapool_pool_free", GAUGE, NULL, {NULL},
		"Instances that a claim of anybody's can get now."},
	{"pool_assigned", "wapool_pool_assigned", GAUGE, NULL, {NULL},
		"Instances of the pool that users have."},
	{"instances", "wapool_instances", GAUGE, NULL, {"lifecycle", "health"},
		"Instances by life cycle and by the last judgement on them."},
	{"online", "wapool_instances_online", GAUGE, NULL, {NULL},
		"Assigned instances whose phone is connected."},
	{"transitions", "wapool_instance_transitions", COUNTER, NULL, {"from", "to"},
		"Moves of instances in their life cycle."},
	{"claims", "wapool_claims", COUNTER, NULL, {"outcome"},
		"Requests for an instance by what came of them."},
	{"releases", "wapool_releases", COUNTER, NULL, {"reason"},
		"Assignments that ended, by why."},
	{"cleanups", "wapool_cleanups", COUNTER, NULL, {NULL},
		"Sessions deleted and made anew, because they were given back or "
		"were ill."},
	{"recoveries", "wapool_recoveries", COUNTER, NULL, {"step", "outcome"},
		"Steps taken to mend ill instances, by what came of them."},
	{"look", "wapool_look_duration_seconds", HISTOGRAM, "seconds",
		{"outcome", "le"}, "Looks at a server and all its sessions."},
	{"servers", "wapool_servers", GAUGE, NULL, {"owner", "health"},
		"Servers in service, of the platform and of users."},
	{"server_kind", "wapool_server", INFO, NULL, {"server", "kind"},
		"What kind of gateway a server of the platform is."},
	{"server_active", "wapool_server_active", GAUGE, NULL, {"server"},
		"1 if it is in service (ativo)."},
	{"server_up", "wapool_server_up", GAUGE, NULL, {"server"},
		"1 if it answered the last looks, 0 if it is down."},
	{"server_looked", "wapool_server_last_look_timestamp_seconds", GAUGE, "seconds",
		{"server"}, "When a look at it last succeeded."},
	{"server_sessions", "wapool_server_sessions", GAUGE, NULL, {"server"},
		"Sessions it holds."},
	{"server_max", "wapool_server_sessions_max", GAUGE, NULL, {"server"},
		"Sessions it may hold."},
	{"server_standby", "wapool_server_standby", GAUGE, NULL, {"server"},
		"Instances that stand by on it."},
	{"webhooks", "wapool_webhooks", COUNTER, NULL, {"outcome"},
		"Webhooks of gateways by what they did; refused: for their signature."},
	{"alarms", "wapool_alarms", GAUGE, NULL, {"kind", "owner"},
		"What is wrong now with a server, most of its sessions, or the "
		"network."},
	{"outbox", "wapool_outbox_events", GAUGE, NULL, {"state"},
		"Events that wait to be delivered, and those given up until a replay."},
	{"deliveries", "wapool_deliveries", COUNTER, NULL, {"outcome"},
		"Events handed on to subscribers, given up, or past their time."},
	{"live", "wapool_live_events", COUNTER, NULL, {"outcome"},
		"Live updates handed to an nginx, or lost to the pages there."},
	{"helper_ran", "wapool_helper_last_run_timestamp_seconds", GAUGE, "seconds",
		{"task"}, "When a task last went well, on whichever host."},
	{"helper_hosts", "wapool_helper_hosts", GAUGE, NULL, {NULL},
		"Hosts on which a helper has run within five minutes."},
};

#define NFAMILIES (sizeof(families) / sizeof(families[0]))

/* Every statement gives rows of (family, suffix, labels, value), each family in its order. To show
 * one thing more: a line above, and one here if no statement reads it yet. */
static const struct db_stmt sources[] = {
	{"metrics_program",
		"SELECT 'build', '', $1, 1"
		" UNION ALL SELECT 'schema', '', '', count(*) FROM sqitch.changes"
		" WHERE project = 'wapool'"
		" UNION ALL SELECT 'pool_target', '', '', $2::int"
		" UNION ALL SELECT 'pool_low', '', '', $3::int",
		3},
	{"metrics_counters",
		"SELECT family, '', label, sum(n) FROM counters"
		" WHERE family IN ('transitions', 'claims', 'releases', 'recoveries',"
		" 'webhooks', 'deliveries', 'live')"
		" GROUP BY family, label"
		" UNION ALL SELECT 'cleanups', '', '', sum(n) FROM counters"
		" WHERE family = 'transitions' AND label = 'recycling,standby'"
		" ORDER BY 1, 3",
		0},
	{"metrics_looks",
		"SELECT 'look', suffix, label, value FROM look_histogram"
		" ORDER BY outcome, i",
		0},
	{"metrics_instances",
		"WITH n AS MATERIALIZED ("
		"SELECT split_part(label, ',', 1) AS lifecycle,"
		" split_part(label, ',', 2) AS health,"
		" split_part(label, ',', 3) = 'pool' AS pooled,"
		" split_part(label, ',', 4)::uuid AS server,"
		" split_part(label, ',', 5) = 'online' AS online, sum(n) AS n"
		" FROM counters WHERE family = 'instances' GROUP BY label),"
		" kinds AS (SELECT lifecycle || ',' || health AS kind FROM n"
		" UNION SELECT l || ',' || h"
		" FROM unnest(ARRAY['provisioning', 'standby', 'assigned', 'recycling',"
		" 'retired']) AS l, unnest(ARRAY['healthy', 'disconnected', 'degraded',"
		" 'stuck', 'corrupted', 'not_found']) AS h)"
		" SELECT 'instances', '', kind, coalesce(sum(n), 0)"
		" FROM kinds LEFT JOIN n ON kind = lifecycle || ',' || health"
		" GROUP BY kind"
		" UNION ALL SELECT 'online', '', '', coalesce(sum(n), 0)"
		" FROM n WHERE online"
		" UNION ALL SELECT 'pool_assigned', '', '', coalesce(sum(n), 0)"
		" FROM n WHERE pooled AND lifecycle = 'assigned'"
		" UNION ALL SELECT 'pool_free', '', '', coalesce(sum(n), 0)"
		" FROM n JOIN waha_servers s ON s.id = server"
		" WHERE pooled AND lifecycle = 'standby'"
		" AND s.ativo AND s.user_id IS NULL AND s.health <> 'down'"
		" UNION ALL SELECT 'server_standby', '', s.id::text,"
		" coalesce(sum(n), 0)"
		" FROM (SELECT id FROM waha_servers WHERE user_id IS NULL ORDER BY id"
		" LIMIT " SERVERS_SHOWN ") s"
		" LEFT JOIN n ON server = s.id AND lifecycle = 'standby' GROUP BY s.id"
		" ORDER BY 1, 3",
		0},
	{"metrics_servers",
		"SELECT 'servers', '', o || ',' || h, count(s.id)::float8"
		" FROM unnest(ARRAY['platform', 'user']) AS o"
		" CROSS JOIN unnest(ARRAY['up', 'down', 'unknown']) AS h"
		" LEFT JOIN waha_servers s ON s.ativo AND s.health = h"
		" AND (s.user_id IS NULL) = (o = 'platform') GROUP BY o, h"
		" UNION ALL SELECT v.f, '', v.l, v.x"
		" FROM (SELECT * FROM waha_servers WHERE user_id IS NULL ORDER BY id"
		" LIMIT " SERVERS_SHOWN ") s CROSS JOIN LATERAL (VALUES"
		" ('server_kind', s.id || ',' || s.kind, 1::float8),"
		" ('server_active', s.id::text, s.ativo::int),"
		" ('server_up', s.id::text, CASE WHEN s.ativo THEN"
		" CASE s.health WHEN 'up' THEN 1 WHEN 'down' THEN 0 END END),"
		" ('server_looked', s.id::text, extract(epoch FROM s.checked_at)),"
		" ('server_sessions', s.id::text, s.sessions_ativas),"
		" ('server_max', s.id::text, s.max_sessions)) AS v (f, l, x)"
		" WHERE v.x IS NOT NULL ORDER BY 1, 3",
		0},
	{"metrics_alarms",
		"SELECT 'alarms', '', l, count(a.kind)"
		" FROM unnest(ARRAY['network,platform', 'server,platform',"
		" 'server,user', 'sessions,platform', 'sessions,user']) AS l"
		" LEFT JOIN (SELECT w.kind, s.user_id FROM alarms w"
		" LEFT JOIN waha_servers s ON s.id = w.server_id) a"
		" ON l = a.kind || CASE WHEN a.user_id IS NULL THEN ',platform'"
		" ELSE ',user' END GROUP BY l ORDER BY l",
		0},
	{"metrics_outbox", /* counted by partial indexes, and no further than that */
		"SELECT 'outbox', '', 'pending', count(*) FROM (SELECT FROM deliveries"
		" WHERE state = 'pending' LIMIT " OUTBOX_COUNTED ") AS p"
		" UNION ALL SELECT 'outbox', '', 'parked', count(*) FROM (SELECT FROM"
		" deliveries WHERE state = 'parked' LIMIT " OUTBOX_COUNTED ") AS p",
		0},
	{"metrics_helpers",
		"SELECT 'helper_ran', '', task, extract(epoch FROM max(at))"
		" FROM helper_runs GROUP BY task"
		" UNION ALL SELECT 'helper_hosts', '', '', count(DISTINCT host)"
		" FROM helper_runs"
		" WHERE at > statement_timestamp() - interval '5 minutes'"
		" ORDER BY 1, 3",
		0},
};

#define NSOURCES (sizeof(sources) / sizeof(sources[0]))

enum { FAMILY, SUFFIX, LABELS, VALUE };

static size_t
labels_of(const struct family *f)
{
	size_t n = 0;

	while (n < LABELS_MAX && f->labels[n] != NULL)
		n++;
	return n;
}

/* A label's value between quotes: backslash, quote and line feed are escaped in both formats. */
static void
add_value(struct buf *out, const char *value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (value[i] == '\n')
			buf_puts(out, "\\n");
		else if (value[i] == '"' || value[i] == '\\')
			buf_printf(out, "\\%c", value[i]);
		else
			buf_putc(out, value[i]);
	}
}

static void
add_labels(const struct family *f, const char *values, struct buf *out)
{
	size_t most = labels_of(f);
	const char *at = values, *end;

	for (size_t i = 0; i < most && at != NULL && *values != '\0'; i++) {
		/* the last one takes the rest, commas and all */
		end = i + 1 < most ? strchr(at, ',') : NULL;
		buf_printf(out, "%s%s=\"", i == 0 ? "{" : ",", f->labels[i]);
		add_value(out, at, end != NULL ? (size_t)(end - at) : strlen(at));
		buf_putc(out, '"');
		at = end != NULL ? end + 1 : NULL;
	}
	if (*values != '\0' && most > 0)
		buf_putc(out, '}');
}

/* What a sample's name ends in, where the row does not say. */
static const char *
sample_suffix(const struct family *f)
{
	return f->type == COUNTER ? "_total" : f->type == INFO ? "_info" : "";
}

/* OpenMetrics names a family without its samples' suffix and knows more types. */
static void
add_head(const struct family *f, enum metrics_format format, struct buf *out)
{
	static const char *const types[] = {[COUNTER] = "counter",
		[GAUGE] = "gauge",
		[HISTOGRAM] = "histogram",
		[INFO] = "info"};
	bool open = format == METRICS_OPENMETRICS;
	const char *suffix = open ? "" : sample_suffix(f);
	const char *type = !open && f->type == INFO ? "gauge" : types[f->type];

	buf_printf(out, "# HELP %s%s %s\n", f->name, suffix, f->help);
	buf_printf(out, "# TYPE %s%s %s\n", f->name, suffix, type);
	if (open && f->unit != NULL)
		buf_printf(out, "# UNIT %s %s\n", f->name, f->unit);
}

static void
add_sample(const struct family *f, const PGresult *r, int row, struct buf *out)
{
	const char *suffix = db_text(r, row, SUFFIX), *labels = db_text(r, row, LABELS);
	const char *value = db_text(r, row, VALUE);

	buf_printf(out, "%s%s", f->name,
		suffix != NULL && *suffix != '\0' ? suffix : sample_suffix(f));
	add_labels(f, labels != NULL ? labels : "", out);
	buf_printf(out, " %s\n", value != NULL ? value : "0");
}

bool
metrics_render(
	enum metrics_format f, PGresult *const *results, size_t n, struct buf *out)
{
	for (const struct family *one = families; one < families + NFAMILIES; one++) {
		bool headed = false;

		for (size_t i = 0; i < n; i++) {
			for (int row = 0; row < PQntuples(results[i]); row++) {
				const char *key = db_text(results[i], row, FAMILY);

				if (key == NULL || strcmp(key, one->key) != 0)
					continue;
				if (!headed)
					add_head(one, f, out);
				headed = true;
				add_sample(one, results[i], row, out);
			}
		}
	}
	if (f == METRICS_OPENMETRICS)
		buf_puts(out, "# EOF\n");
	return !out->failed;
}

const char *
metrics_content_type(enum metrics_format f)
{
	return f == METRICS_OPENMETRICS
		? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		: "text/plain; version=0.0.4; charset=utf-8";
}

bool
metrics_write(struct app *app, enum metrics_format f, deadline_t d, struct buf *out,
	struct err *e)
{
	char target[DB_PARAM_SIZE], low[DB_PARAM_SIZE];
	const char *params[] = {wapool_version,
		db_param_int(target, app->config.pool_target),
		db_param_int(low, app->config.pool_low)};
	PGresult *results[NSOURCES] = {NULL};
	struct db_conn *c = db_get(app->db, d, e);
	bool ok = c != NULL;

	for (size_t i = 0; i < NSOURCES && ok; i++) {
		results[i] = db_exec(
			c, d, &sources[i], sources[i].nparams > 0 ? params : NULL, e);
		ok = results[i] != NULL;
	}
	db_put(app->db, c);
	ok = ok &&
		(metrics_render(f, results, NSOURCES, out) ||
			err_set(e, ERR_TOO_LARGE, "the metrics do not fit"));
	for (size_t i = 0; i < NSOURCES; i++)
		PQclear(results[i]);
	return ok;
}
