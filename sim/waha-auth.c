/* Linking: the QR and the pairing code. */
#include "waha.h"

#include "png.h"
#include "session.h"
#include "waha-await.h"
#include "waha-reply.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static void
answer_png(struct request *r, const char *qr)
{
	const char *accept = request_header(r, "Accept");
	struct text image = {0};
	unsigned char *encoded;

	png_draw(qr, &image);
	if (accept == NULL || strcmp(accept, "application/json") != 0) {
		r->type = "image/png";
		text_addn(&r->out, image.s, image.len);
	} else {
		encoded = malloc(image.len * 4 / 3 + 8);
		if (encoded == NULL)
			abort();
		EVP_EncodeBlock(
			encoded, (const unsigned char *)image.s, (int)image.len);
		text_addf(&r->out, "{\"mimetype\":\"image/png\",\"data\":\"%s\"}",
			(char *)encoded);
		free(encoded);
	}
	text_free(&image);
}

void
waha_auth_qr(struct request *r)
{
	const char *format = request_query(r, "format");
	const struct session *s = waha_await_status(r, r->seg[1], STATUS_SCAN_QR_CODE);

	if (s == NULL)
		return;
	if (format != NULL && strcmp(format, "raw") == 0)
		text_addf(&r->out, "{\"value\":\"%s\"}", s->qr);
	else
		answer_png(r, s->qr);
}

void
waha_auth_code(struct request *r)
{
	struct session *s = request_session(r, r->seg[1]);

	if (s == NULL || !session_running(s))
		waha_reply_not_running(r, r->seg[1]);
	else if (request_string(r, "phoneNumber") == NULL)
		waha_reply_invalid(r, "[\"phoneNumber must be a string\"]");
	else if (s->status != STATUS_SCAN_QR_CODE)
		waha_reply_wrong_status(r, s, "SCAN_QR_CODE");
	else
		text_addf(&r->out, "{\"code\":\"%s\"}", session_pairing_code(s));
}
