/* The one request of a CGI process (RFC 3875), on standard input and output. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/responder-int.h"

/* What poll promises to take without blocking: a pipe's PIPE_BUF. */
#define PIECE 4096

struct cgi_peer {
	struct peer base; /* first, so that a peer * is a cgi_peer * */
	size_t left;      /* of the body: a CGI server need not close its end */
};

/* Waits for the descriptor; false if the deadline passes first. */
static bool
wait_for(int fd, short events, deadline_t until)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	int rc;

	do
		rc = poll(&pfd, 1, deadline_left(until));
	while (rc < 0 && errno == EINTR);
	return rc > 0;
}

static ssize_t
cgi_read(struct peer *p, char *into, size_t size)
{
	struct cgi_peer *c = (struct cgi_peer *)p;
	ssize_t n;

	if (size > c->left)
		size = c->left;
	if (size == 0)
		return 0;
	do {
		if (!wait_for(STDIN_FILENO, POLLIN, p->deadline))
			return -1;
		n = read(STDIN_FILENO, into, size);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n > 0)
		c->left -= (size_t)n;
	return n;
}

static bool
cgi_write(struct peer *p, const char *bytes, size_t n)
{
	/* the handler may have used up the request's time; the answer still has some */
	deadline_t until = deadline_in(10000);
	ssize_t done;

	(void)p;
	while (n > 0) {
		if (!wait_for(STDOUT_FILENO, POLLOUT, until))
			return false;
		done = write(STDOUT_FILENO, bytes, n < PIECE ? n : PIECE);
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
		}
	}
	return true;
}

static const char *
find_env(char *const *env, const char *name)
{
	const struct request only_env = {.env = env};

	return request_env(&only_env, name);
}

/* How much of standard input is this request's: RFC 3875 section 4.2. */
static size_t
body_size(char *const *env)
{
	const char *length = find_env(env, "CONTENT_LENGTH");

	if (length != NULL && *length >= '0' && *length <= '9')
		return strtoull(length, NULL, 10);
	/* the server unpacked the chunks and tells the end by closing */
	return find_env(env, "HTTP_TRANSFER_ENCODING") != NULL ? SIZE_MAX : 0;
}

/* Undoes what a FastCGI responder needs: a CGI process may be ended at any time. */
static void
default_signals(void)
{
	static const int stops[] = {SIGTERM, SIGINT, SIGUSR1};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		signal(stops[i], SIG_DFL);
		sigaddset(&set, stops[i]);
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int
responder_run_cgi(const struct responder *r, struct app *app)
{
	struct cgi_peer c = {
		.base = {.env = environ, .read = cgi_read, .write = cgi_write}};

	if (find_env(environ, "REQUEST_METHOD") == NULL) {
		log_write(LOG_ERROR, "not started",
			LOG_STR("reason",
				"standard input is no listening socket, and there "
				"is no CGI request; see --help"));
		return 1;
	}
	default_signals();
	c.left = body_size(environ);
	responder_serve(r, app, &(struct peer *){&c.base}, 1);
	return c.base.dropped ? 1 : 0;
}
