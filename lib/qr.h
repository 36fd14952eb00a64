/*
 * qr: a pairing reference as a QR code (ISO/IEC 18004), for phones to scan.
 *
 * Error correction L and 8-bit mode, as WhatsApp's own pages use: the fewest modules
 * for a given reference, so each is as large as can be. Around it the quiet zone of 4
 * modules that the standard asks for, white, so that it also scans in dark mode.
 *
 * value is 1 to QR_VALUE_MAX bytes and a secret for as long as it is valid: it never
 * stands in an error text. Every function appends to out; on failure *e is set, and out
 * may hold a part unless said otherwise: ERR_INPUT (value NULL, empty or too long),
 * ERR_TOO_LARGE (out cannot hold it), ERR_NOMEM, ERR_INTERNAL (a library failed).
 *
 * Thread-safety: all functions from any thread; libxml2 wants xmlInitParser()
 * before threads start.
 */
#ifndef WAPOOL_QR_H
#define WAPOOL_QR_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/err.h"

#define QR_VALUE_MAX 2000 /* bytes; version 40-L would hold 2953 */
#define QR_SCALE_MAX 32   /* pixels per module */

/* A PNG, 1 bit per pixel, grayscale, scale_px pixels per module. scale_px 0 chooses the
 * least scale that makes the image 264 or more pixels wide (what WhatsApp's page
 * shows). ERR_INPUT also if scale_px is negative or above QR_SCALE_MAX. */
bool qr_png(const char *value, int scale_px, struct buf *out, struct err *e);

/* The same with scale 0 as a "data:image/png;base64,..." URI (RFC 2397). */
bool qr_data_uri(const char *value, struct buf *out, struct err *e);

/* An <svg> element with one <path>, one unit per module, that takes the size of its
 * container: to serve as image/svg+xml or to put into a page. title is what a screen
 * reader says, NULL for "QR code"; ERR_INPUT also if it is not valid UTF-8 or holds
 * control characters. out is unchanged on failure. */
bool qr_svg(const char *value, const char *title, struct buf *out, struct err *e);

#endif
