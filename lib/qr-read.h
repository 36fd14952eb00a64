/*
 * qr-read: the value of a QR code from a picture that a program drew.
 *
 * For gateways that show a pairing reference only as a picture: it is read and drawn
 * again, so that people get our own PNG and SVG, and nothing of a gateway's bytes. The
 * picture must be a PNG, upright and undamaged: code words that do not check are refused,
 * never corrected. It may be hostile; what it asks of memory is bounded. Pure functions,
 * safe from any thread.
 */
#ifndef WAPOOL_QR_READ_H
#define WAPOOL_QR_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/err.h"

#define QR_PICTURE_SIDE_MAX 2048 /* pixels; GOWA draws 512 */

/* Appends the value of the n bytes of PNG. Error correction level M (what GOWA draws) and
 * numeric, alphanumeric and byte segments. False with ERR_PROTOCOL if it is no such
 * picture or its value is no text, ERR_TOO_LARGE if it is larger than the limit or out
 * cannot hold the value, ERR_NOMEM. The value stands in no error text. */
bool qr_read(const void *png, size_t n, struct buf *out, struct err *e);

#endif
