/* Senders: how many connections are at work for each of them at a time, told apart by the domain of MAIL. A connection
 * works for a sender from MAIL until the reply to its message, or whatever ends the transaction, has been sent.
 *
 *     senders_begin(&sink->senders, &receiver->carried, SLICE("a@one.test"));     MAIL was taken
 *     senders_answered(&sink->senders, &receiver->carried, has_mail);             all replies so far are on their way
 *     senders_leave(&sink->senders, &receiver->carried);                          the connection ends
 *
 * The first SENDERS_MAX domains are counted, others are not. */
#pragma once

#include "base/outbuf.h"
#include "base/slice.h"

enum { SENDERS_MAX = 64, SENDER_DOMAIN_MAX = 64 };

struct sender {
	char domain[SENDER_DOMAIN_MAX];
	size_t len;
	unsigned now, most; /* connections */
};

struct senders {
	struct sender sender[SENDERS_MAX];
	unsigned count;
};

/* For whom a connection works: bit i for the i-th. */
struct carried {
	uint64_t all, latest;
};

void senders_begin(struct senders *senders, struct carried *carried, struct slice address);
void senders_answered(struct senders *senders, struct carried *carried, bool has_mail);
void senders_leave(struct senders *senders, struct carried *carried);
/* {"one.test":3,…}: the most of each. */
void senders_write(const struct senders *senders, struct outbuf *out);
