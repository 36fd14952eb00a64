/*
 * svg: an SVG document, written by libxml2 into memory. Elements, attributes and texts are escaped by
 * the library; what XML 1.0 cannot hold (control characters, bytes that are no UTF-8) becomes U+FFFD.
 *
 * The first failure stays, so a sequence of calls is checked once, by svg_finish.
 * Thread-safety: a document belongs to one thread; libxml2 wants xmlInitParser() before
 * threads start.
 */
#ifndef WAPOOL_SVG_H
#define WAPOOL_SVG_H

#include <libxml/xmlwriter.h>
#include <stdbool.h>

#include "lib/buf.h"
#include "lib/err.h"

struct svg {
	xmlBufferPtr xml;
	xmlTextWriterPtr writer;
	bool failed;
};

/* Begins a document of that size in units, an image to screen readers. Its own attributes follow, and a
 * title, which is its name to them. End it with svg_finish in any case. */
void svg_begin(struct svg *s, int width, int height);

/* An element begins; attributes and content follow until svg_end. */
void svg_start(struct svg *s, const char *name);
void svg_end(struct svg *s);

void svg_attr(struct svg *s, const char *name, const char *value);
void svg_attrf(struct svg *s, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void svg_text(struct svg *s, const char *text);

/* An element that holds a text and nothing else. */
void svg_element(struct svg *s, const char *name, const char *text);

/* Ends what is open, appends the document to out, which is unchanged on failure, and frees:
 * ERR_NOMEM, ERR_TOO_LARGE. */
bool svg_finish(struct svg *s, struct buf *out, struct err *e);

#endif
