/* The page for people: three files, built into the program. */
#include "control.h"

#include <string.h>

#define EMBED(symbol, file)                                                            \
	__asm__(".section .rodata\n"                                                   \
		".global " #symbol "\n" #symbol ":\n.incbin \"" file "\"\n"            \
		".global " #symbol "_end\n" #symbol "_end:\n"                          \
		".byte 0\n.previous\n");                                               \
	extern const char symbol[], symbol##_end[]

EMBED(sim_page_html, "sim/page.html");
EMBED(sim_page_js, "sim/page.js");
EMBED(sim_page_css, "sim/page.css");

void
page_html(struct request *r)
{
	if (r->path[strlen(r->path) - 1] != '/') {
		r->status = 302;
		return;
	}
	r->type = "text/html; charset=utf-8";
	text_addn(&r->out, sim_page_html, (size_t)(sim_page_html_end - sim_page_html));
}

void
page_js(struct request *r)
{
	r->type = "text/javascript; charset=utf-8";
	text_addn(&r->out, sim_page_js, (size_t)(sim_page_js_end - sim_page_js));
}

void
page_css(struct request *r)
{
	r->type = "text/css; charset=utf-8";
	text_addn(&r->out, sim_page_css, (size_t)(sim_page_css_end - sim_page_css));
}
