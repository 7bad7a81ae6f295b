/* A mail server of the simulated world, of RFC 5321 as it stands, with moods; and the judge of who talks to it.
 *
 *     struct receiver receiver = {.world = world, .pipelining = true, .moods = {.drop = 5}, .asked = ..., .who = ...};
 *     receiver_listen(&receiver, &address);
 *     ... the world turns ...
 *     assert(!receiver.complaint[0]);                     nobody broke the rules
 *     receiver_free(&receiver);                           after the world
 *
 * A command out of order, one that rides ahead without PIPELINING, a parameter that was not offered, a bare LF, octets
 * after QUIT: the first of these is the complaint. Recipients are numbers: RCPT TO:<r12@...> is number 12, and its
 * owner says what becomes of it. */
#pragma once

#include "ring_sim.h"

#include "base/outbuf.h"

enum receiver_word { RECEIVER_TAKES, RECEIVER_LATER, RECEIVER_NEVER };

/* Chances out of 1000, thrown for every reply. */
struct receiver_moods {
	unsigned say_421; /* 421 instead, and the end */
	unsigned drop;	  /* the end, or a reset, instead */
	unsigned mute;	  /* nothing any more */
	unsigned slow;	  /* after up to 20 s */
	unsigned refuse;  /* 4yz or 5yz to MAIL, DATA or the message */
	unsigned after;	  /* the end, right after the reply */
	unsigned greet;	  /* 554 or 421 instead of 220 */
	unsigned slower;  /* 450 to MAIL, with the words "too fast" */
};

struct receiver {
	struct sim_world *world; /* borrowed */
	bool pipelining, chunking, size, enhanced, helo_only;
	unsigned messages_max; /* MAIL commands a connection may have: more is a complaint; 0: any number */
	unsigned rcpt_max;     /* RCPT a message, likewise */
	unsigned calls_max;    /* connections at a time: the next hears 421; 0: any number */
	struct receiver_moods moods;
	enum receiver_word (*asked)(void *who, unsigned number);
	void (*taken)(void *who, unsigned number, struct slice message); /* stored, once more */
	void (*refused)(void *who, unsigned number);			 /* 5yz; RECEIVER_WHOM: for whom is not known */
	void *who;

	struct list calls; /* the receiver's, like all that follows */
	unsigned ncalls, nopen, nopen_max, nquits;
	char complaint[256];
};

#define RECEIVER_WHOM UINT32_MAX

void receiver_listen(struct receiver *receiver, const struct address *address);
void receiver_free(struct receiver *receiver);
