/* A world for one session: messages, a wire, and a server that answers by dice and knows what it stored. session_test.c
 * turns it; server.c is the other end. */
#pragma once

#include "smtp/session.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGES_MAX = 16, RECIPIENTS_MAX = 5, BODY_MAX = 200000 };

struct message {
	struct tx tx;
	struct recipient recipients[RECIPIENTS_MAX];
	char addresses[RECIPIENTS_MAX][32], tag[16];
	bool stored[RECIPIENTS_MAX];
	struct outbuf wire;
	struct iovec body[3];
	uint64_t end;	    /* where in the stream its last octet ends; 0: not said */
	unsigned last_send; /* the latest send with octets of it */
	unsigned times_over;
};

/* How the server, and the wire, behave: in thousandths. */
struct manners {
	bool pipelining, chunking, swallows, helo_only, holds_refused;
	unsigned refuse, say_421, lose, mute, message_to_nobody, quit_early;
	unsigned window;
};

struct world {
	uint64_t seed, now_ms;
	struct random dice;
	struct manners manners;
	struct message messages[MESSAGES_MAX];
	unsigned nmessages, ngiven;

	struct session session;
	struct outbuf in_flight; /* what the session has said and the server has not read */
	size_t taken;		 /* of it, by the kernel */
	size_t send_left;	 /* of the send at hand, not taken */
	size_t send_bytes;
	bool sending, lost;
	uint64_t stream_said, stream_taken; /* octets in all */
	bool lost_in_flight;
	unsigned sends, commands;

	/* the server */
	struct outbuf line, data, replies;
	size_t replies_read;
	struct message *message; /* of the transaction at hand */
	bool accepted[RECIPIENTS_MAX], mail_open, mail_refused, in_data, closed, mute;
	bool held;	 /* a refused message, which it takes to be open still */
	uint64_t octets; /* of BDAT still to come */
	bool swallowing;
};

/* By the world's dice. */
static inline bool chance(struct world *world, unsigned thousandths)
{
	return random_below(&world->dice, 1000) < thousandths;
}

#define OUCH(world, ...)                                                         \
	do {                                                                     \
		print_message("seed %llu: ", (unsigned long long)(world)->seed); \
		fail_msg(__VA_ARGS__);                                           \
	} while (0)

/* One line of reply, or 421 instead, or none, as the dice fall; what the code would be. */
unsigned server_says(struct world *world, unsigned code, const char *tag);
/* Reads the first n bytes of what is in flight. */
void server_reads(struct world *world, size_t n);
