/*
 * png: a small picture that stands for a QR code.
 *
 * It is valid and different for every value, but no scanner reads it: clients that show
 * a QR render the raw value.
 */
#ifndef SIM_PNG_H
#define SIM_PNG_H

#include "text.h"

/* Append a PNG drawn from value. */
void png_draw(const char *value, struct text *out);

#endif
