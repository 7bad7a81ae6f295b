/* What the engine itself writes into a message: when, and which one (RFC 5322 3.6.1, 3.6.4). */
#pragma once

#include "base/outbuf.h"

/* "Tue, 24 Nov 2026 09:00:00 +0000"; appends. Years to 9999, later ones are held there. */
void stamp_date(struct outbuf *out, uint64_t wall_ms);
/* "<0k3f...@hostname>": thirteen characters that are the nonce and nothing else. Appends. */
void stamp_message_id(struct outbuf *out, uint64_t nonce, struct slice hostname);
