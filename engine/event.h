/* Events: the JSON that tells what became of a delivery (CONTRACT.md, "What became of it"). */
#pragma once

#include "delivery.h"

enum { PROTECTION_TEXT_MAX = 96 };

/* How an attempt was made, for the event; what is not known stays empty. Borrowed. */
struct attempt {
	struct slice source, source_ip, mx, remote_ip, site;
	struct slice message_id, sender;
	uint64_t took_ms, size, connection;
	unsigned nth;		       /* message on its connection, from 1 */
	bool connected;		       /* the fields of the connection mean something */
	char tls[PROTECTION_TEXT_MAX]; /* version, cipher, and by what the peer was verified; empty: no session */
};

/* The beginning of any event of this worker: "v", "event" and "time"; its end is up to the caller. */
void event_begin(struct outbuf *out, struct worker *worker);
/* An event `alarm` about the receiver at the other end of the connection, and a warning in the log. */
void event_alarm(const struct conn *conn, const char *alarm, enum category category, struct slice text);
/* The data object of an event about this delivery; outcome may be NULL. number is the attempt it was; next_ms, if not
 * 0, when the next one will be (wall clock). */
void event_write(struct outbuf *out, const struct delivery *delivery, const struct outcome *outcome,
		 const struct attempt *attempt, unsigned number, uint64_t next_ms);
