/* The name server's reply to a question, as bytes.
 *
 *     struct reply reply;
 *     if (reply_make(&reply, bytes, len, over_tcp)) send(reply.bytes, reply.len), later by reply.delay_ms
 *
 * Sources: RFC 1035 4, RFC 6891. */
#pragma once

#include "bench/nameserver/rules.h"

enum { REPLY_MAX = 65535, REPLY_UDP_MAX = 4096 };

struct reply {
	size_t len;
	unsigned delay_ms;
	unsigned char bytes[REPLY_MAX];
};

struct reply_counts {
	uint64_t questions, mx, a, aaaa, other, tcp, answered, truncated, dropped, bad;
};

extern struct reply_counts reply_counts;

/* False: no reply, because the question is none or the rule says so. */
bool reply_make(struct reply *reply, const unsigned char *question, size_t len, bool over_tcp);
