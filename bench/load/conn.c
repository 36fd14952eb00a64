#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/load/load.h"

#define FIRST_SIZE 16384

/* What a step that cannot go on waits for. */
enum step { STEP_DONE, STEP_WAIT_READ, STEP_WAIT_WRITE, STEP_BROKEN };

static void
watch(struct conn *c, const struct target *t, int op, bool write)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};

	if (op == EPOLL_CTL_MOD && c->wants_write == write)
		return;
	c->wants_write = write;
	if (epoll_ctl(t->epoll_fd, op, c->fd, &ev) != 0)
		err(1, "epoll_ctl");
}

void
conn_open(struct conn *c, const struct target *t)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)t->port)};
	int one = 1;

	if (inet_pton(AF_INET, t->host, &to.sin_addr) != 1)
		errx(1, "%s: not an address", t->host);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
		(connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
			errno != EINPROGRESS))
		err(1, "%s:%d", t->host, t->port);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (t->tls != NULL) {
		c->ssl = SSL_new(t->tls);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
			errx(1, "TLS");
		SSL_set_connect_state(c->ssl);
	}
	if (c->in == NULL) {
		c->size = FIRST_SIZE;
		c->in = malloc(c->size);
		if (c->in == NULL)
			err(1, "malloc");
	}
	c->len = 0;
	c->state = CONN_OPENING;
	watch(c, t, EPOLL_CTL_ADD, true);
}

void
conn_close(struct conn *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	c->ssl = NULL;
	c->fd = -1;
}

static enum step
step_of(const struct conn *c, int rc)
{
	if (c->ssl == NULL)
		return rc < 0 && (errno == EAGAIN || errno == EINTR) ? STEP_WAIT_READ
								     : STEP_BROKEN;
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return STEP_WAIT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STEP_WAIT_WRITE;
	default:
		/* what stays in the thread's queue would be taken for the next one's error */
		ERR_clear_error();
		return STEP_BROKEN;
	}
}

static enum step
handshake(struct conn *c)
{
	int rc = c->ssl != NULL ? SSL_do_handshake(c->ssl) : 1;

	return rc == 1 ? STEP_DONE : step_of(c, rc);
}

static enum step
write_some(struct conn *c)
{
	while (c->sent < c->shot->len) {
		const char *p = c->shot->bytes + c->sent;
		size_t left = c->shot->len - c->sent;
		int rc = c->ssl != NULL ? SSL_write(c->ssl, p, (int)left)
					: (int)write(c->fd, p, left);

		if (rc <= 0)
			return c->ssl == NULL && errno == EAGAIN ? STEP_WAIT_WRITE
								 : step_of(c, rc);
		c->sent += (size_t)rc;
	}
	return STEP_DONE;
}

/* Reads what is there; one byte is kept free for a zero. */
static enum step
read_some(struct conn *c)
{
	int rc, room;

	if (c->size - c->len < FIRST_SIZE / 2) {
		c->size *= 2;
		c->in = realloc(c->in, c->size);
		if (c->in == NULL)
			err(1, "realloc");
	}
	room = (int)(c->size - c->len - 1);
	rc = c->ssl != NULL ? SSL_read(c->ssl, c->in + c->len, room)
			    : (int)read(c->fd, c->in + c->len, (size_t)room);
	if (rc <= 0)
		return step_of(c, rc);
	c->len += (size_t)rc;
	c->in[c->len] = '\0';
	return STEP_DONE;
}

static void
reopen(struct conn *c, const struct target *t)
{
	conn_close(c);
	conn_open(c, t);
}

void
conn_send(
	struct conn *c, const struct target *t, const struct shot *shot, int64_t began)
{
	c->shot = shot;
	c->sent = 0;
	c->len = 0;
	c->began_ns = began;
	c->state = CONN_BUSY;
	/* a connection that broke meanwhile is found by the read that follows */
	watch(c, t, EPOLL_CTL_MOD, write_some(c) == STEP_WAIT_WRITE);
}

static bool
broke(struct conn *c, const struct target *t, int *status)
{
	bool busy = c->state == CONN_BUSY;

	reopen(c, t);
	*status = 0;
	return busy;
}

bool
conn_advance(struct conn *c, const struct target *t, int *status, const char **body)
{
	enum step s;
	bool last = false;
	long n;

	*body = "";
	if (c->state == CONN_OPENING) {
		s = handshake(c);
		if (s == STEP_BROKEN)
			errx(1, "no connection to %s:%d", t->host, t->port);
		if (s == STEP_DONE)
			c->state = CONN_IDLE;
		watch(c, t, EPOLL_CTL_MOD, s == STEP_WAIT_WRITE);
		return false;
	}
	if (c->state == CONN_BUSY && c->sent < c->shot->len) {
		s = write_some(c);
		watch(c, t, EPOLL_CTL_MOD, s == STEP_WAIT_WRITE);
		if (s == STEP_BROKEN)
			return broke(c, t, status);
	}
	while ((s = read_some(c)) == STEP_DONE) {
		n = c->state == CONN_BUSY
			? answer_length(c->in, c->len, status, body, &last)
			: -1;
		if (n < 0)
			return broke(c, t, status);
		if (n > 0) {
			c->state = CONN_IDLE;
			if (last)
				reopen(c, t);
			return true;
		}
	}
	return s == STEP_BROKEN && broke(c, t, status);
}
