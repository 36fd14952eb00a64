/* A new key, and what is sealed with older ones sealed anew. Two steps, because every program
 * has to know the new key before anything is sealed with it. */
#include <sodium.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "lib/reseal.h"
#include "lib/seal.h"

static int
key_rotate(int argc, char **argv)
{
	const struct option options[] = {{NULL, NULL, NULL}};
	struct err e = ERR_INIT;
	int version;

	if (!take_options(&argc, argv, options) || argc != 1)
		return USAGE;
	if (sodium_init() < 0)
		return complain(TROUBLE, "libsodium cannot start");
	if (!seal_key_add(argv[0], &version, &e))
		return complain(TROUBLE, "%s", e.text);
	printf("%s has key %d now, and its older ones. Copy it to every host, restart "
	       "what "
	       "reads it,\nwait two minutes for helpers that cron started before, then "
	       "run: wapoolctl key reseal\n",
		argv[0], version);
	return DONE;
}

static int
key_reseal(int argc, char **argv)
{
	struct reseal r = {.done = 0};
	struct err e = ERR_INIT;
	struct app app;
	bool ok, more = true;
	int current;

	(void)argv;
	if (argc != 0)
		return USAGE;
	if (!ctl_open(&app, APP_DB | APP_SEAL))
		return TROUBLE;
	do
		ok = reseal_batch(&app, &r, &more, ctl_deadline(), &e);
	while (ok && more);
	current = seal_key_current(app.seal);
	app_close(&app);
	printf("%zu sealed anew with key %d, %zu cannot be opened\n", r.done, current,
		r.failed);
	if (!ok)
		return complain_err(&e);
	return r.failed == 0 ? DONE : NOT_WELL;
}

const struct command rotation_commands[] = {
	{"key reseal", "", "seal with the newest key what is sealed with older ones",
		key_reseal},
	{"key rotate", "PATH", "add a new key to a key file", key_rotate},
	{NULL, NULL, NULL, NULL},
};
