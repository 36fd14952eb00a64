#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "bench/load/load.h"

#define USAGE                                                                           \
	"usage: bench-load [-c CONNECTIONS] [-r RATE] [-d SECONDS] [-n REQUESTS]\n"     \
	"    [-w WARMUP_SECONDS] [-s SEED] [-m MEMBER] [-o OUT] [-p] PORT FILE\n"       \
	"\n"                                                                            \
	"Sends requests to 127.0.0.1:PORT, over TLS whose certificate it does not "     \
	"check, and prints\n"                                                           \
	"one line of JSON: how many, how many a second, by status, percentiles.\n"      \
	"FILE holds requests: each a line with its length, then so many bytes. They "   \
	"are sent in\n"                                                                 \
	"their order, again from the start after the last. Until SECONDS are over or "  \
	"REQUESTS are sent.\n"                                                          \
	"  -c  connections that are kept (1)\n"                                         \
	"  -r  open loop: RATE a second fall due, at random gaps drawn from SEED (1)\n" \
	"  -w  what is sent in the first WARMUP_SECONDS does not count\n"               \
	"  -m  counts the different values of this member of JSON answers\n"            \
	"  -o  a line for each answer: its X-Request-Id, status, microseconds\n"        \
	"  -p  in clear instead of TLS\n"                                               \
	"  -h  this text\n"

/* A whole number of that range; ends the program with what is wrong with it. */
static long
number_of(const char *text, const char *what, long least, long most)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < least || n > most)
		errx(2, "%s: \"%s\" is not a whole number from %ld to %ld", what, text,
			least, most);
	return n;
}

/* A number from 0 to `most`, or the program ends. */
static double
real_of(const char *text, const char *what, double most)
{
	char *end;
	double x;

	errno = 0;
	x = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !(x >= 0 && x <= most))
		errx(2, "%s: \"%s\" is not a number from 0 to %g", what, text, most);
	return x;
}

static FILE *
opened(const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		err(1, "%s", path);
	return f;
}

static void
usage(FILE *where, int status)
{
	fputs(USAGE, where);
	exit(status);
}

void
options_read(struct options *o, int argc, char **argv)
{
	static const struct option more[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int opt;

	*o = (struct options){.conns = 1, .seconds = 3600, .seed = 1};
	while ((opt = getopt_long(argc, argv, "c:r:d:n:w:s:m:o:ph", more, NULL)) != -1)
		switch (opt) {
		case 'c':
			o->conns = (int)number_of(optarg, "-c", 1, 10000);
			break;
		case 'r':
			o->rate = real_of(optarg, "-r", 1e6);
			break;
		case 'd':
			o->seconds = real_of(optarg, "-d", 86400);
			break;
		case 'n':
			o->most = (size_t)number_of(optarg, "-n", 1, 1000000000);
			break;
		case 'w':
			o->warmup = real_of(optarg, "-w", 3600);
			break;
		case 's':
			o->seed = number_of(optarg, "-s", 0, UINT32_MAX);
			break;
		case 'm':
			o->member = optarg;
			break;
		case 'o':
			o->out = opened(optarg);
			break;
		case 'p':
			o->clear = true;
			break;
		case 'h':
			usage(stdout, 0);
			break;
		default:
			usage(stderr, 2);
		}
	if (argc - optind != 2)
		usage(stderr, 2);
	o->port = (int)number_of(argv[optind], "PORT", 1, 65535);
	o->file = argv[optind + 1];
}
