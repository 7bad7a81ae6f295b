/* HTML: a value put into a page must not become part of its markup. */
#pragma once

#include "base/outbuf.h"

/* Appends the value with & < > " and ' as entities. */
void html_escape(struct outbuf *out, struct slice value);
