/* One dialogue being played: what the script (../dialogue_test.c) and the client (client.c) share. */
#pragma once

#include "tests/unit/dialogue/script.h"

#include "smtp/session.h"

enum { PEOPLE_MAX = 8, IN_FLIGHT_MAX = 300000 };

enum split { WHOLE, BYTES, TURNS, SPLITS };

struct mail {
	struct tx tx;
	struct recipient recipients[PEOPLE_MAX];
	unsigned person[PEOPLE_MAX]; /* of each recipient */
	struct outbuf text, wire;    /* as it must arrive; as it is sent */
	struct iovec body;
	bool used;
};

struct person {
	unsigned message;
	struct slice address;
	char address_text[64];
	bool given, done; /* with the session; has an outcome that ends it (for this connection) */
	struct outcome outcome;
	char text[OUTCOME_TEXT_MAX];
};

struct play {
	const struct dialogue *dialogue;
	const struct script_part *part;
	bool pipelined;
	enum split split;

	struct session session;
	struct session_limits limits;
	uint64_t now_ms;
	struct person person[PEOPLE_MAX];
	unsigned npeople;
	struct mail mail[PEOPLE_MAX * 2];

	struct outbuf in_flight, said, transcript;
	bool sending, stopped;
	size_t send_bytes;

	unsigned at;	      /* the step */
	struct mail *message; /* of the transaction the server is in */
	uint64_t octets;      /* announced by BDAT */
	bool mail_refused;
	unsigned nasked, naccepted;
	char verb[8]; /* what the server heard last */
};

/* Ends the test: the transcript so far, where in the script, what was wrong. */
_Noreturn void play_fails(struct play *play, const char *what, struct slice about);

/* All that the script expects at the end of a connection is so. */
void play_expects(struct play *play);

/* Everybody who has no final outcome is to get mail again. The first call makes them: N people or N messages. */
void client_gathers(struct play *play);
/* "ann", "bob", ... */
const char *client_name(unsigned i);
/* A session begins. */
void client_connects(struct play *play);
/* What conn.c does after every event: gives, takes back, says, and asks for QUIT when nobody waits. True when something
 * was said; it is in play->in_flight. */
bool client_turn(struct play *play);
/* The socket is closed: a send that was under way comes home, and the last transactions with it. */
void client_hangs_up(struct play *play);
/* The session's memory is given back. */
void client_leaves(struct play *play);
