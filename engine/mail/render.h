/* One recipient's message, as spans of the message's literals and of bytes made for this recipient, in order. Private
 * to this folder; message.c makes an iovec of it, or throws it away when only asked whether it could be made. */
#pragma once

#include "mail/parts.h"

/* Literal bytes of the message, or, with ptr NULL, scratch.bytes from at on. */
struct span {
	const char *ptr;
	size_t at, len;
};

struct render {
	const struct message *message; /* borrowed */
	const struct merge *merge;     /* borrowed */
	struct scratch *scratch;       /* borrowed: the message's */
	enum wire_form form;
	uint64_t size, wire_bytes;
	size_t column; /* octets in the line so far, stuffing apart */
	bool utf8, eight_bit;
	bool one_click, https; /* has List-Unsubscribe-Post; has the URI it wants */
};

/* Fills scratch->spans, bytes and message_id. False with error when this recipient cannot get it. */
bool render_run(struct render *render, struct mail_error *error);
