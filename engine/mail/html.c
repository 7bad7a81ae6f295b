/* Five characters mean something in HTML, in text and in quoted attributes alike; all else goes through in runs. */
#include "mail/html.h"

/* What stands for a character of HTML that would mean something; empty for others. */
static struct slice html_entity(char c)
{
	switch (c) {
	case '&': return SLICE("&amp;");
	case '<': return SLICE("&lt;");
	case '>': return SLICE("&gt;");
	case '"': return SLICE("&quot;");
	case '\'': return SLICE("&#39;");
	}
	return SLICE_NONE;
}

void html_escape(struct outbuf *out, struct slice value)
{
	size_t begin = 0;

	for (size_t i = 0; i < value.len; i++) {
		struct slice entity = html_entity(value.ptr[i]);

		if (!entity.len)
			continue;
		outbuf_add(out, slice_skip(slice_head(value, i), begin));
		outbuf_add(out, entity);
		begin = i + 1;
	}
	outbuf_add(out, slice_skip(value, begin));
}
