#include "http.h"

#include "api.h"
#include "clock.h"
#include "control.h"
#include "mem.h"
#include "reply.h"
#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX (50u << 20) /* as WAHA's own limit */
#define CONNECTIONS_MAX 4096
#define IDLE_SECONDS 120u /* longer than any answer is late */
#define STACK_SIZE (1u << 20)
#define HANG_US 60000000 /* real: a hanging answer gives up */
#define HANG_LOOK_MS 200

static struct MHD_Daemon *daemon_;
static atomic_bool refusing;

/* The method as a literal that outlives the request. */
static const char *
intern(const char *method)
{
	static const char *const known[] = {
		"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"};
	size_t i;

	for (i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(method, known[i]) == 0)
			return known[i];
	return "OTHER";
}

static struct request *
request_new(struct MHD_Connection *conn, const char *url, const char *method)
{
	struct request *r = mem_zero(sizeof *r);
	const char *name = "default", *rest = url;
	char prefix[GATEWAY_NAME_MAX + 2];
	size_t n;

	if (strncmp(url, "/s/", 3) == 0) {
		n = strcspn(url + 3, "/");
		rest = url + 3 + n;
		name = prefix;
		if (n >= sizeof prefix)
			n = 0;
		memcpy(prefix, url + 3, n);
		prefix[n] = '\0';
	}
	r->conn = conn;
	r->method = intern(method);
	r->path = mem_copy(*rest == '\0' ? "/" : rest);
	r->type = "application/json; charset=utf-8";
	r->status = 200;
	r->gw = gateway_get(name);
	route_split(r);
	return r;
}

static void
request_free(struct request *r)
{
	json_decref(r->body);
	text_free(&r->raw);
	text_free(&r->out);
	free(r->path);
	free(r->split);
	free(r);
}

/* Find the answer. */
static void
run(struct request *r)
{
	if (r->gw == NULL) {
		reply_control_error(r, 404, "bad gateway name, or too many gateways");
		return;
	}
	pthread_mutex_lock(&r->gw->lock);
	r->epoch = r->gw->epoch;
	if (control_is(r))
		control_run(r);
	else
		api_run(r);
	if (r->gw->ending)
		r->end = REQUEST_RESET;
	stats_count(&r->gw->stats, r->method, r->route,
		r->end == REQUEST_ANSWER ? r->status : 0);
	pthread_mutex_unlock(&r->gw->lock);
}

static int
socket_of(const struct request *r)
{
	return MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD)
		->connect_fd;
}

/* Wait until the client gives up, or for a minute. */
static void
hang(const struct request *r)
{
	struct pollfd p = {.fd = socket_of(r), .events = POLLRDHUP};
	int64_t end = clock_us() + HANG_US;

	while (!atomic_load(&refusing) && clock_us() < end)
		if (poll(&p, 1, HANG_LOOK_MS) > 0)
			break;
}

/* End the connection with a RST instead of an answer. */
static enum MHD_Result
reset(const struct request *r)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	connect(socket_of(r), &nowhere, sizeof nowhere);
	return MHD_NO;
}

static enum MHD_Result
answer(struct request *r)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	size_t len = r->out.len;

	response = MHD_create_response_from_buffer(
		len, text_steal(&r->out), MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		return MHD_NO;
	if (len > 0)
		MHD_add_response_header(response, "Content-Type", r->type);
	MHD_add_response_header(response, "X-Simulated", "wapool-sim");
	control_headers(r, response);
	result = MHD_queue_response(r->conn, r->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct request *r = *state;

	(void)cls;
	(void)version;
	if (atomic_load(&refusing))
		return MHD_NO;
	if (r == NULL) {
		*state = request_new(conn, url, method);
		return MHD_YES;
	}
	if (*upload_size > 0) {
		if (r->raw.len + *upload_size > BODY_MAX)
			r->too_big = true;
		else
			text_addn(&r->raw, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	run(r);
	if (r->end == REQUEST_HANG)
		hang(r);
	return r->end == REQUEST_ANSWER ? answer(r) : reset(r);
}

static void
on_completed(void *cls, struct MHD_Connection *conn, void **state,
	enum MHD_RequestTerminationCode why)
{
	(void)cls;
	(void)conn;
	(void)why;
	if (*state != NULL)
		request_free(*state);
	*state = NULL;
}

/* A listening socket and the port it got; -1 with errno set. */
static int
listen_on(const char *address, int *port)
{
	struct sockaddr_in where = {.sin_family = AF_INET};
	socklen_t len = sizeof where;
	int fd, one = 1, error;

	where.sin_port = htons((uint16_t)*port);
	if (inet_pton(AF_INET, address, &where.sin_addr) != 1) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&where, sizeof where) != 0 ||
		listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *)&where, &len) != 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	*port = ntohs(where.sin_port);
	return fd;
}

int
http_start(const char *address, int port)
{
	int fd = listen_on(address, &port);

	if (fd < 0)
		return -1;
	daemon_ = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
			MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC,
		0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE, MHD_OPTION_END);
	if (daemon_ == NULL) {
		close(fd);
		return -1;
	}
	return port;
}

void
http_refuse(void)
{
	atomic_store(&refusing, true);
}

void
http_stop(void)
{
	MHD_stop_daemon(daemon_);
}
