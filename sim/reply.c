#include "reply.h"

void
reply_begin(struct request *r, unsigned status)
{
	text_free(&r->out);
	r->status = status;
	r->type = "application/json; charset=utf-8";
}

void
reply_control_error(struct request *r, unsigned status, const char *message)
{
	reply_begin(r, status);
	text_add(&r->out, "{\"error\":");
	text_json(&r->out, message);
	text_add(&r->out, "}");
}

const char *
reply_reason(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 413:
		return "Payload Too Large";
	case 422:
		return "Unprocessable Entity";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Error";
	}
}
