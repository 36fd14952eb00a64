/*
 * png: a QR code as a picture, as gateways draw it: level M, 512 pixels.
 */
#ifndef SIM_PNG_H
#define SIM_PNG_H

#include "text.h"

/* Append a PNG of value's QR code. */
void png_draw(const char *value, struct text *out);

#endif
