/*
 * qr-int: what qr.c and qr-svg.c share; for no other file.
 */
#ifndef WAPOOL_QR_INT_H
#define WAPOOL_QR_INT_H

#include <qrencode.h>

#include "lib/qr.h"

#define QR_QUIET 4 /* modules of white on each side (ISO/IEC 18004 section 6.3.8) */

/* The matrix of value; NULL and *e as qr.h says. Free with QRcode_free. */
QRcode *qr_matrix(const char *value, struct err *e);

/* True if the module at column x, row y is dark. */
static inline bool
qr_dark(const QRcode *qr, int x, int y)
{
	return (qr->data[y * qr->width + x] & 1) != 0;
}

#endif
