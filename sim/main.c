/* wapool-sim: options, start, and a clean end. */
#include "api.h"
#include "clock.h"
#include "gateway.h"
#include "http.h"
#include "kind.h"
#include "sender.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct options {
	const char *bind;
	const char *api_key;
	long port;
	double scale, qr_scale;
	long servers;
};

static const char usage[] =
	"usage: wapool-sim [--port N] [--bind ADDRESS] [--api-key KEY]\n"
	"                  [--time-scale N] [--servers N] [--kind KIND]\n"
	"\n"
	"A simulated gateway, for tests and demonstrations. No WhatsApp is "
	"involved.\n"
	"\n"
	"  --port N        listen here; 0 picks a free port (default 3000; SIM_PORT)\n"
	"  --bind ADDRESS  IPv4 address to listen on (default 127.0.0.1)\n"
	"  --api-key KEY   ask for this key (default: none is asked; SIM_API_KEY)\n"
	"  --time-scale N  run simulated durations N times faster (default 1;\n"
	"                  SIM_TIME_SCALE)\n"
	"  --qr-scale N    but let QRs live only N times shorter\n"
	"  --servers N     make the gateways s1 to sN at start; any other is made "
	"when\n"
	"                  /s/<name>/ is first asked for (default 0)\n"
	"  --kind KIND     what gateways are unless told otherwise by PUT /_sim/kind\n"
	"                  (default waha; SIM_KIND)\n"
	"  --help          this text\n"
	"\n"
	"Gateway: http://ADDRESS:PORT/  or  /s/<name>/ for several.\n"
	"Control: http://ADDRESS:PORT/_sim/ in a browser, and its JSON API; loopback "
	"only.\n";

/* The number in text, or end the program saying what is wrong. */
static double
number(const char *what, const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= min && value <= max)) {
		fprintf(stderr, "wapool-sim: %s must be a number from %g to %g\n", what,
			min, max);
		exit(2);
	}
	return value;
}

static void
set_kind(const char *name)
{
	const struct kind *kind = kind_find(name);

	if (kind == NULL) {
		fprintf(stderr, "wapool-sim: no kind of gateway is called %s\n", name);
		exit(2);
	}
	gateway_default_kind(kind);
}

static void
parse_environment(struct options *o)
{
	const char *value;

	o->bind = "127.0.0.1";
	o->api_key = getenv("SIM_API_KEY");
	value = getenv("SIM_PORT");
	o->port = value ? (long)number("SIM_PORT", value, 0, 65535) : 3000;
	value = getenv("SIM_TIME_SCALE");
	o->scale = value ? number("SIM_TIME_SCALE", value, 0.01, 10000) : 1;
	o->servers = 0;
	o->qr_scale = 0;
	value = getenv("SIM_KIND");
	set_kind(value != NULL ? value : "waha");
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"port", required_argument, NULL, 'p'},
		{"bind", required_argument, NULL, 'b'},
		{"api-key", required_argument, NULL, 'k'},
		{"time-scale", required_argument, NULL, 't'},
		{"qr-scale", required_argument, NULL, 'q'},
		{"servers", required_argument, NULL, 's'},
		{"kind", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'p') {
			o->port = (long)number("--port", optarg, 0, 65535);
		} else if (c == 'b') {
			o->bind = optarg;
		} else if (c == 'k') {
			o->api_key = optarg;
		} else if (c == 't') {
			o->scale = number("--time-scale", optarg, 0.01, 10000);
		} else if (c == 'q') {
			o->qr_scale = number("--qr-scale", optarg, 0.01, 10000);
		} else if (c == 's') {
			o->servers =
				(long)number("--servers", optarg, 0, GATEWAY_MAX - 1);
		} else if (c == 'i') {
			set_kind(optarg);
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* As many files as we may have: each connection is one. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void
make_gateways(long servers)
{
	char name[24];
	long i;

	gateway_get("default");
	for (i = 1; i <= servers; i++) {
		snprintf(name, sizeof name, "s%ld", i);
		gateway_get(name);
	}
}

/* Run until told to end; the exit status. */
static int
serve(const struct options *o, const sigset_t *ends)
{
	int port, sig;

	make_gateways(o->servers);
	port = http_start(o->bind, (int)o->port);
	if (port < 0) {
		fprintf(stderr, "wapool-sim: cannot listen on %s:%ld: %s\n", o->bind,
			o->port, strerror(errno));
		gateways_end();
		return 1;
	}
	printf("wapool-sim listening on http://%s:%d\n", o->bind, port);
	fflush(stdout);
	sigwait(ends, &sig);
	http_refuse();
	gateways_end();
	http_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	struct options options;
	sigset_t ends;
	int status;

	parse_environment(&options);
	parse_options(&options, argc, argv);
	clock_set_scale(options.scale);
	clock_set_qr_scale(options.qr_scale);
	if (options.api_key != NULL && options.api_key[0] != '\0')
		api_set_key(options.api_key);
	raise_file_limit();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL); /* inherited by every thread */
	json_object_seed(0);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !senders_start()) {
		fputs("wapool-sim: cannot start the webhook senders\n", stderr);
		return 1;
	}
	status = serve(&options, &ends);
	senders_stop();
	gateways_free();
	curl_global_cleanup();
	return status;
}
