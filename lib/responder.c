#include "lib/responder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/responder-int.h"
#include "lib/version.h"

static void
print_settings(void)
{
	struct config_help h;

	puts("\nSettings, from the environment:");
	for (size_t i = 0; config_help(i, &h); i++)
		printf("  %-22s %s%s%s%s\n", h.name, h.help,
			*h.fallback != '\0' ? " [" : "", h.fallback,
			*h.fallback != '\0' ? "]" : "");
}

static void
print_help(const struct responder *r)
{
	printf("wapool %s: answers\n", r->name);
	for (const struct route *route = r->routes; route->path != NULL; route++)
		printf("  %-6s %s\n", route->method, route->path);
	printf("\nas a FastCGI responder if standard input is a listening unix socket, "
	       "as\n"
	       "CGI/1.1 otherwise. SIGTERM, SIGINT and SIGUSR1 end it once the "
	       "requests\n"
	       "in progress are answered.\n"
	       "\n  --help     print this\n  --version  print the version\n");
	print_settings();
}

/* Handles the command line. True if the program is done, with *status set. */
static bool
handle_arguments(const struct responder *r, int argc, char **argv, int *status)
{
	*status = 0;
	/* a CGI server turns a query without "=" into arguments, so they may be
	 * anybody's (RFC 3875 section 4.4) */
	if (argc < 2 || getenv("REQUEST_METHOD") != NULL)
		return false;
	if (strcmp(argv[1], "--help") == 0) {
		print_help(r);
	} else if (strcmp(argv[1], "--version") == 0) {
		printf("wapool %s %s\n", r->name, wapool_version);
	} else {
		fprintf(stderr, "%s: no argument but --help or --version\n", r->name);
		*status = 1;
	}
	return true;
}

int
responder_main(const struct responder *r, int argc, char **argv)
{
	struct app app = {0};
	struct err e = ERR_INIT;
	bool cgi;
	int status = 1;

	if (handle_arguments(r, argc, argv, &status))
		return status;
	log_setup(r->name, LOG_INFO);
	responder_block_signals();
	cgi = responder_is_cgi();
	if (!app_open(&app, r->name, r->needs, &e)) {
		log_write(LOG_ERROR, "not started", LOG_STR("reason", e.text));
		return 1;
	}
	status = cgi ? responder_run_cgi(r, &app) : responder_run_fcgi(r, &app);
	app_close(&app);
	return status;
}
