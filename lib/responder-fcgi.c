/* The only file that includes libfcgi's header. */
#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/responder-int.h"
#include "lib/share.h"

#define LISTEN_FD 0
#define THREADS_MAX 256
#define STACK_SIZE (512u << 10)
#define FIRST_BYTE_MS 1000 /* a web server speaks as soon as it is connected */
#define READ_TIMEOUT_S 5   /* nor does it pause in the middle of a request */
#define WRITE_TIMEOUT_S 10 /* it may have to wait for its own client */
#define EMFILE_PAUSE_MS 100
#define STOP_GRACE_MS 5000
#define PATIENCE_NS 2000000 /* what may pass before others are served beside a turn */
#define RELIEF_MS 50        /* how soon a relief sees that it is not needed any more */

/*
 * Shared by the threads of a process; read-only but for the flags.
 *
 * All that a thread may wait for lies in one epoll set: the stop, the listening socket,
 * and the connections that nginx keeps open between requests (fastcgi_keep_conn), each of
 * which is told to one thread, once. So an idle connection holds no thread, and an event
 * wakes one.
 */
struct service {
	const struct responder *r;
	struct app *app;
	int stop_fd; /* readable once the process must stop */
	int epoll_fd;
	int relief_fd;    /* a timer: readable once the first thread is busy for long */
	atomic_bool busy; /* the first thread is, where the others are its relief */
	atomic_bool stopping;
	atomic_bool failed; /* a thread found the listening socket unusable */
};

/* One request that a thread has taken. */
struct turn {
	struct peer base; /* first, so that a peer * is a turn * */
	FCGX_Request fr;
	bool fresh; /* its connection is not in the epoll set yet */
};

/* What a thread was told of. */
struct ready {
	int fds[RESPONDER_AT_ONCE]; /* that have something to say */
	size_t n;
	bool stop;
};

static void
stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1); /* what multiwatch sends first */
}

void
responder_block_signals(void)
{
	sigset_t set;

	/* libfcgi's handlers have no SA_RESTART: a signal would cut short the read or
	 * write of whichever thread it hits, and with it somebody's request */
	stop_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

bool
responder_is_cgi(void)
{
	/* ms that a thread waits for the peer's EOF after an answer, instead of 2000 */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "200", 0);
	FCGX_Init();
	signal(SIGPIPE, SIG_IGN); /* FCGX_Init replaced it, even if it was ignored */
	return FCGX_IsCGI();
}

static ssize_t
fcgi_read(struct peer *p, char *into, size_t size)
{
	FCGX_Stream *in = ((struct turn *)p)->fr.in;
	int n;

	if (deadline_left(p->deadline) == 0)
		return -1;
	n = FCGX_GetStr(into, (int)size, in);
	/* a body that was cut looks like one that ended, but for this */
	return FCGX_GetError(in) != 0 ? -1 : n;
}

static bool
fcgi_write(struct peer *p, const char *bytes, size_t n)
{
	FCGX_Request *fr = &((struct turn *)p)->fr;

	/* closing both here sends the end of the request with the last bytes, before
	 * the log line is written; FCGX_Finish_r finds nothing left to do */
	return FCGX_PutStr(bytes, (int)n, fr->out) == (int)n &&
		FCGX_FClose(fr->err) == 0 && FCGX_FClose(fr->out) == 0;
}

/* Has one thread told, once, when there is something to read. */
static bool
expect(const struct service *s, int fd, int op)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = fd};

	return epoll_ctl(s->epoll_fd, op, fd, &ev) == 0;
}

/* Waits at most `ms` (-1: for ever) for something to read. A responder whose requests go
 * together takes what there is, any other one at a time, so that the rest is other threads'.
 * The listening socket comes last, for its new connection may have nothing to say yet; once
 * this process stops, it is the next one's. */
static void
wait_ready(const struct service *s, int ms, struct ready *out)
{
	struct epoll_event ev[RESPONDER_AT_ONCE];
	int most = s->r->run_all != NULL ? RESPONDER_AT_ONCE : 1, n;
	bool listener = false;

	*out = (struct ready){0};
	do
		n = epoll_wait(s->epoll_fd, ev, most, ms);
	while (n < 0 && errno == EINTR);
	for (int i = 0; i < n; i++)
		if (ev[i].data.fd == s->stop_fd)
			out->stop = true;
		else if (ev[i].data.fd == LISTEN_FD)
			listener = true;
		else
			out->fds[out->n++] = ev[i].data.fd;
	if (listener && !atomic_load(&s->stopping))
		out->fds[out->n++] = LISTEN_FD;
	if (n < 0)
		out->stop = true;
}

/* Pauses without becoming deaf to the stop. */
static void
pause_ms(const struct service *s, int ms)
{
	struct pollfd pfd = {.fd = s->stop_fd, .events = POLLIN};

	poll(&pfd, 1, ms);
}

/* Bounds every later read and write, which libfcgi leaves unbounded, and waits for the
 * first byte. Not interrupted by the stop: this connection was taken from the queue and
 * nobody else will answer it. */
static bool
is_talking(int fd)
{
	const struct timeval in = {.tv_sec = READ_TIMEOUT_S};
	const struct timeval out = {.tv_sec = WRITE_TIMEOUT_S};
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int rc;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &in, sizeof(in));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &out, sizeof(out));
	do
		rc = poll(&pfd, 1, FIRST_BYTE_MS);
	while (rc < 0 && errno == EINTR);
	return rc > 0;
}

/* The errors of accept that say nothing about the next attempt. */
static bool
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
		error == ENOBUFS;
}

static bool
is_passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED ||
		error == EPROTO || error == EPERM || error == ENETDOWN;
}

/* The listening socket is lost: ends the process, whose supervisor starts another. */
static void
give_up(struct service *s, int error)
{
	log_write(
		LOG_ERROR, "accept failed", LOG_STR("reason", strerrordesc_np(error)));
	atomic_store(&s->failed, true);
	kill(getpid(), SIGTERM);
}

/* A new connection that has something to say, or -1. */
static int
take_connection(struct service *s)
{
	int fd = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC), error = errno;

	if (fd < 0 && is_shortage(error)) {
		log_write(LOG_WARN, "accept postponed",
			LOG_STR("reason", strerrordesc_np(error)));
		pause_ms(s, EMFILE_PAUSE_MS);
	} else if (fd < 0 && !is_passing(error)) {
		give_up(s, error);
	}
	expect(s, LISTEN_FD, EPOLL_CTL_MOD); /* the next one is another thread's */
	if (fd < 0 || is_talking(fd))
		return fd;
	close(fd);
	return -1;
}

/*
 * Makes t->fr the request that has come on fd. False if there is none.
 *
 * FCGX_Accept_r would accept by itself, but then the connection could not be given its
 * timeouts before its head is read, and a peer that stops in mid-head would hold the
 * thread for ever. So it is handed the connection as if it were a kept one, and has no
 * listening socket of its own: after a bad head it fails instead of accepting.
 */
static bool
begin(struct service *s, struct turn *t, int fd)
{
	t->fresh = fd == LISTEN_FD;
	t->fr.ipcFd = t->fresh ? take_connection(s) : fd;
	t->fr.keepConnection = 1; /* read anew from the head */
	if (t->fr.ipcFd < 0 || FCGX_Accept_r(&t->fr) != 0)
		return false;
	t->base.env = t->fr.envp;
	return true;
}

/* The end of a request. A connection that nginx keeps goes back to where any thread finds it. */
static void
finish(struct service *s, struct turn *t)
{
	int fd;

	FCGX_Finish_r(&t->fr);
	fd = t->fr.ipcFd;
	t->fr.ipcFd = -1;
	if (fd >= 0 && !expect(s, fd, t->fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD))
		close(fd);
}

/* Answers what has come. */
static void
serve(struct service *s, struct turn *turns, const struct ready *ready)
{
	struct peer *peers[RESPONDER_AT_ONCE] = {NULL};
	size_t begun = 0;

	for (size_t i = 0; i < ready->n; i++)
		if (begin(s, &turns[begun], ready->fds[i])) {
			peers[begun] = &turns[begun].base;
			begun++;
		}
	responder_serve(s->r, s->app, peers, begun);
	for (size_t i = 0; i < begun; i++) {
		struct turn *t = &turns[i];

		/* while stopping, one more answer a connection: else those who go on asking
		 * would keep this process for ever */
		if (t->base.unread || atomic_load(&s->stopping))
			t->fr.keepConnection = 0;
		if (t->base.dropped)
			/* FCGX_Finish_r would send a well-formed empty answer */
			FCGX_Free(&t->fr, 1);
		else
			finish(s, t);
	}
}

static void
init_turns(struct turn *turns)
{
	for (size_t i = 0; i < RESPONDER_AT_ONCE; i++) {
		turns[i] =
			(struct turn){.base = {.read = fcgi_read, .write = fcgi_write}};
		FCGX_InitRequest(&turns[i].fr, -1, 0);
	}
}

/* Wakes a relief in ns; 0: never. */
static void
call_relief(const struct service *s, long ns)
{
	const struct itimerspec at = {.it_value.tv_nsec = ns};

	timerfd_settime(s->relief_fd, 0, &at, NULL);
}

/*
 * Where requests go together one thread takes them, so that they do: a second one that is
 * woken for each that comes would answer them one by one. The others are its relief, for
 * when it has to wait (PostgreSQL, a key set from its issuer) or has more than it can take.
 */
static void
serve_with_relief(struct service *s, struct turn *turns, const struct ready *ready)
{
	atomic_store(&s->busy, true);
	call_relief(s, ready->n < RESPONDER_AT_ONCE ? PATIENCE_NS : 1);
	serve(s, turns, ready);
	atomic_store(&s->busy, false);
	call_relief(s, 0);
}

static void *
worker(void *arg)
{
	struct service *s = arg;
	struct turn turns[RESPONDER_AT_ONCE];
	struct ready ready = {0};

	init_turns(turns);
	while (!ready.stop) {
		wait_ready(s, -1, &ready);
		if (s->r->run_all != NULL)
			serve_with_relief(s, turns, &ready);
		else
			serve(s, turns, &ready);
	}
	return NULL;
}

/* Waits until it is needed. False: the process stops. */
static bool
await_need(const struct service *s)
{
	struct pollfd fds[] = {{.fd = s->stop_fd, .events = POLLIN},
		{.fd = s->relief_fd, .events = POLLIN}};
	uint64_t times;
	ssize_t n = -1;

	while (n < 0) {
		poll(fds, 2, -1);
		if (fds[0].revents != 0)
			return false;
		n = read(s->relief_fd, &times, sizeof(times)); /* one of them gets it */
	}
	return true;
}

static void *
relief(void *arg)
{
	struct service *s = arg;
	struct turn turns[RESPONDER_AT_ONCE];
	struct ready ready = {0};

	init_turns(turns);
	while (!ready.stop && await_need(s))
		while (!ready.stop && atomic_load(&s->busy)) {
			wait_ready(s, RELIEF_MS, &ready);
			if (ready.n > 0)
				call_relief(s, PATIENCE_NS); /* of this one */
			serve(s, turns, &ready);
		}
	return NULL;
}

/* Answers what has come on kept connections while the threads were leaving. */
static void
serve_the_last(struct service *s)
{
	struct turn turns[RESPONDER_AT_ONCE];
	struct ready ready;

	init_turns(turns);
	epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, s->stop_fd, NULL);
	epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, LISTEN_FD, NULL);
	do {
		wait_ready(s, 0, &ready);
		serve(s, turns, &ready);
	} while (ready.n > 0);
}

static int
start_threads(struct service *s, pthread_t *threads, int wanted)
{
	pthread_attr_t attr;
	int n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	while (n < wanted &&
		pthread_create(&threads[n], &attr,
			s->r->run_all == NULL || n == 0 ? worker : relief, s) == 0)
		n++;
	pthread_attr_destroy(&attr);
	return n;
}

/* Waits for the threads, which finish the requests they have. */
static bool
join_threads(const struct service *s, pthread_t *threads, int n)
{
	const struct config *c = &s->app->config;
	deadline_t until = deadline_in(config_longest_ms(c) + STOP_GRACE_MS);
	struct timespec ts = {
		.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

	for (int i = 0; i < n; i++)
		if (pthread_clockjoin_np(threads[i], NULL, CLOCK_MONOTONIC, &ts) != 0)
			return false;
	return true;
}

static int
thread_count(const struct responder *r, const struct app *app)
{
	int n = app->config.threads > 0 ? app->config.threads : r->threads;

	if (n < 1)
		return 1;
	return n < THREADS_MAX ? n : THREADS_MAX;
}

static void
warn_unless_private(void)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	socklen_t n = sizeof(ss);

	/* who reaches the socket says who the client is, and libfcgi trusts it */
	if (getsockname(LISTEN_FD, (struct sockaddr *)&ss, &n) == 0 &&
		ss.ss_family != AF_UNIX)
		log_write(LOG_WARN, "not a unix socket",
			LOG_STR("reason",
				"whoever reaches this port speaks for nginx"));
}

/* Runs the threads until a signal; false if they could not all be started. */
static bool
run_threads(struct service *s)
{
	const uint64_t one = 1;
	pthread_t threads[THREADS_MAX];
	int wanted = thread_count(s->r, s->app), n, sig = 0;
	sigset_t set;
	bool ok;

	n = start_threads(s, threads, wanted);
	if (n == wanted) {
		log_write(LOG_INFO, "start", LOG_INT("threads", n));
		stop_signals(&set);
		sigwait(&set, &sig);
	} else {
		log_write(LOG_ERROR, "not started",
			LOG_STR("reason", "too few threads could be made"),
			LOG_INT("wanted", wanted), LOG_INT("made", n));
	}
	ok = n == wanted && !atomic_load(&s->failed);
	atomic_store(&s->stopping, true);
	if (write(s->stop_fd, &one, sizeof(one)) != sizeof(one) ||
		!join_threads(s, threads, n)) {
		/* threads still use what the caller would free */
		log_write(
			LOG_ERROR, "stop", LOG_STR("reason", "a request does not end"));
		_exit(1);
	}
	serve_the_last(s);
	log_write(LOG_INFO, "stop", LOG_INT("signal", sig));
	return ok;
}

/* The epoll set with what is in it from the start. */
static bool
open_service(struct service *s)
{
	struct epoll_event stop = {.events = EPOLLIN};
	int flags = fcntl(LISTEN_FD, F_GETFL);

	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->stop_fd = stop.data.fd = eventfd(0, EFD_CLOEXEC);
	s->relief_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	/* another process may take the connection that this one was told of: accept must not block */
	return s->epoll_fd >= 0 && s->stop_fd >= 0 && s->relief_fd >= 0 && flags >= 0 &&
		fcntl(LISTEN_FD, F_SETFL, flags | O_NONBLOCK) == 0 &&
		epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->stop_fd, &stop) == 0 &&
		expect(s, LISTEN_FD, EPOLL_CTL_ADD);
}

int
responder_run_fcgi(const struct responder *r, struct app *app)
{
	struct service s = {
		.r = r, .app = app, .stop_fd = -1, .epoll_fd = -1, .relief_fd = -1};
	struct share share;
	bool ok = false;

	share_init(&share, (thread_count(r, app) + 1) / 2);
	if (r->waits)
		app->share = &share;
	if (open_service(&s)) {
		warn_unless_private();
		ok = run_threads(&s);
	} else {
		log_write(LOG_ERROR, "not started",
			LOG_STR("reason", strerrordesc_np(errno)));
	}
	if (s.relief_fd >= 0)
		close(s.relief_fd);
	if (s.stop_fd >= 0)
		close(s.stop_fd);
	if (s.epoll_fd >= 0)
		close(s.epoll_fd);
	app->share = NULL;
	share_free(&share);
	return ok ? 0 : 1;
}
