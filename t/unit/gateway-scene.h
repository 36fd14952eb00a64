/*
 * gateway-scene: the surroundings of a driver under test: a client, a fake server, and that
 * server's row. Every function ends the test on failure.
 */
#ifndef WAPOOL_T_GATEWAY_SCENE_H
#define WAPOOL_T_GATEWAY_SCENE_H

#include "lib/gateway.h"
#include "t/unit/fake-http.h"

#define POOL_ID "0f8fad5b-d9cb-469f-a165-70867728950e"

struct scene {
	struct http *h;
	struct fake f;
	struct server s;
	struct err e;
	char key[32], secret[32], hook[64];
};

/* A server of that kind that answers by the script. */
static inline void
scene_begin(struct scene *c, const char *kind, const char *key,
	const struct fake_step *steps, int nsteps)
{
	*c = (struct scene){.secret = "my-secret-key",
		.hook = "https://pool.example.org/webhook/1"};
	snprintf(c->key, sizeof(c->key), "%s", key);
	c->h = http_new("", "", NULL);
	fake_start(&c->f, steps, nsteps);
	c->s = (struct server){.pool_id = POOL_ID,
		.url = c->f.url,
		.key = c->key,
		.webhook_secret = c->secret,
		.webhook_url = c->hook,
		.timeout_ms = 10000,
		.retries = 2};
	snprintf(c->s.kind, sizeof(c->s.kind), "%s", kind);
}

/* No error text quotes an answer that holds CANARY. */
static inline void
end(struct scene *c)
{
	ck_assert_msg(strstr(c->e.text, "CANARY") == NULL, "an answer is quoted: %s",
		c->e.text);
	http_free(c->h);
	fake_stop(&c->f);
}

static inline deadline_t
soon(void)
{
	return deadline_in(20000);
}

#endif
