#include "lib/app.h"

#include <curl/curl.h>
#include <jansson.h>
#include <libxml/parser.h>
#include <sodium.h>

#include "lib/auth.h"
#include "lib/db.h"
#include "lib/http.h"
#include "lib/jwt.h"
#include "lib/live.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/seal.h"
#include "lib/server-cache.h"

/* What the libraries want done once, before threads. */
static bool
init_libraries(struct err *e)
{
	json_object_seed(0);
	xmlInitParser();
	if (sodium_init() < 0)
		return err_set(e, ERR_INTERNAL, "libsodium cannot start");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_INTERNAL, "libcurl cannot start");
	return true;
}

static bool
open_db(struct app *app, const char *program, struct err *e)
{
	const struct config *c = &app->config;

	if (*c->database_url == '\0')
		return err_set(e, ERR_CONFIG, "DATABASE_URL is not set");
	app->db =
		db_pool_new(c->database_url, program, c->db_pool, c->db_timeout_ms, e);
	return app->db != NULL;
}

/* Whatever this program commits, pages that are open hear of it. */
static bool
open_live(struct app *app, struct err *e)
{
	const struct config *c = &app->config;

	if (*c->live_publish == '\0')
		return true;
	app->live = live_new(c->live_publish, c->ca_file, app->db, e);
	if (app->live != NULL)
		db_pool_news(app->db, live_publish, app->live);
	return app->live != NULL;
}

static bool
open_seal(struct app *app, struct err *e)
{
	if (*app->config.secret_key_file == '\0')
		return err_set(e, ERR_CONFIG,
			"SECRET_KEY_FILE is not set (make one: wapoolctl key create "
			"PATH)");
	app->seal = seal_key_load(app->config.secret_key_file, e);
	return app->seal != NULL;
}

static bool
open_http(struct app *app, struct err *e)
{
	app->http = http_new(app->config.ca_file, app->config.gateway_allow_private, e);
	return app->http != NULL;
}

bool
app_open(struct app *app, const char *program, unsigned needs, struct err *e)
{
	*app = (struct app){0};
	log_setup(program, LOG_INFO);
	if (!init_libraries(e) || !config_load(&app->config, e))
		goto out;
	log_setup(program, log_level_of(app->config.log_level));
	if ((needs & APP_DB) && (!open_db(app, program, e) || !open_live(app, e)))
		goto out;
	if ((needs & APP_SEAL) && !open_seal(app, e))
		goto out;
	if ((needs & APP_SERVERS) && (app->servers = server_cache_new()) == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	/* a JWK set may have to be fetched */
	if ((needs & (APP_HTTP | APP_AUTH)) && !open_http(app, e))
		goto out;
	if ((needs & APP_AUTH) && !auth_open(app, e))
		goto out;
	return true;
out:
	app_close(app);
	return false;
}

void
app_close(struct app *app)
{
	live_free(app->live);
	server_cache_free(app->servers);
	metrics_flush(app);
	jwt_keys_free(app->jwt);
	http_free(app->http);
	seal_key_free(app->seal);
	db_pool_free(app->db);
	config_free(&app->config);
	*app = (struct app){0};
}
