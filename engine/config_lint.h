/* The strict reading of a configuration file: everything but the values.
 *
 * It goes through the text with its includes, checks that sections, strings and comments are closed, that every section
 * and key is known and stands where it may, once, and that nothing of a later version is used; and it makes a clean
 * copy for libconfuse, one token a line, where line n came from places[n - 1].
 *
 *     if (config_lint("hikyaku.conf", &arena, &text, &problems)) cfg_parse_buf(cfg, text.clean.ptr);
 *     config_text_free(&text); */
#pragma once

#include "config_keys.h"
#include "config_token.h"

struct config_text {
	struct outbuf clean;		    /* owned; ends in NUL */
	const struct config_place **places; /* owned array; the places are the arena's */
	size_t nplaces, size;
};

enum { CONFIG_BYTES_MAX = 4 << 20, CONFIG_FILES_MAX = 64, CONFIG_INCLUDE_DEPTH_MAX = 8 };

/* False when something is wrong; each problem is a line in problems. Warnings go there too, with true. */
bool config_lint(const char *path, struct arena *arena, struct config_text *text, struct outbuf *problems);
/* The same for text at hand, which is named in the problems; includes are relative to it. */
bool config_lint_text(struct slice bytes, const char *path, struct arena *arena, struct config_text *text,
		      struct outbuf *problems);
void config_text_free(struct config_text *text);
