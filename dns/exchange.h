/* An exchange: one question put to one server over a socket of its own, so that the kernel chooses the port and we the
 * id, both at random (RFC 5452). It ends with an answer, or without one and a reason.
 *
 *     exchange->done = on_exchange;
 *     exchange_start(exchange, ring, &(struct exchange_setup){...});
 *
 * done is called exactly once, from ring_turn, when the socket is closed and everything is home: the exchange may be
 * started again or freed then. What does not belong to the question is dropped and counted; too much of it ends the
 * exchange, because somebody is guessing.
 *
 * Sources: RFC 1035 4.2, RFC 7766 (length before a message over TCP), RFC 5452. */
#pragma once

#include "dns/packet.h"
#include "ring/ring.h"

enum { EXCHANGE_BAD_MAX = 32 };

struct exchange_setup {
	struct address server;
	struct slice name; /* borrowed until done */
	enum dns_type type;
	bool over_tcp;
	bool trusted; /* the server's word that an answer is secure counts */
	uint64_t deadline_ms;
};

struct exchange {
	void (*done)(struct exchange *exchange); /* set before exchange_start */
	/* For done: */
	struct answer *answer; /* owned; done takes it. NULL: none */
	const char *failure;   /* static: why there is none, such as "no answer" */
	bool timed_out;
	unsigned nbad; /* packets dropped */

	/* Its own. */
	struct exchange_setup setup;
	struct ring *ring; /* parent */
	struct socket socket;
	struct connecting connecting;
	struct sending sending;
	struct receive receive;
	struct op closing;
	struct timer timer;
	struct iovec iov;
	uint16_t id;
	bool ended;
	char *bytes; /* owned: what came over TCP, its length first */
	size_t bytes_len, bytes_size;
	char question[2 + PACKET_QUESTION_MAX];
};

void exchange_start(struct exchange *exchange, struct ring *ring, const struct exchange_setup *setup);
/* Ends it now; done is called as always, later. May be called more than once. */
void exchange_stop(struct exchange *exchange, const char *failure);
