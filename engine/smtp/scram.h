/* SCRAM-SHA-256, our end of it (RFC 5802, 7677): a proof that we know the password, which says nothing of it to whoever
 * does not, and theirs that they know it too. No channel binding. One login:
 *
 *     scram_first(&scram, user, nonce, &out);               our first message
 *     if (scram_final(&scram, password, challenge, &out))   ours in answer to the server's first
 *     if (scram_is_proved(&scram, challenge))               the server's last
 *     scram_free(&scram);
 *
 * Pure. Messages are as they are before base64. A challenge is foreign: its nonce must go on where ours ends, and what
 * it may cost us is bounded. */
#pragma once

#include "base/outbuf.h"

/* What RFC 7677 has as the least, and what we will do for a login: some 10 ms of a worker's time. */
enum { SCRAM_ITERATIONS_MIN = 4096, SCRAM_ITERATIONS_MAX = 50000, SCRAM_CHALLENGE_MAX = 1024, SCRAM_DIGEST = 32 };

/* Zero before its first login. */
struct scram {
	struct outbuf said;		       /* owned: what the proofs are about, as far as it was said */
	size_t nonce_at;		       /* in it */
	unsigned char signature[SCRAM_DIGEST]; /* what theirs must be */
	bool proved;			       /* theirs was that */
};

/* Whether both are such as SASLprep (RFC 4013) leaves alone: printable ASCII. Others are not for us. */
bool scram_can_say(struct slice user, struct slice password);
/* Begins anew. nonce: printable ASCII without commas, that nobody can guess. */
void scram_first(struct scram *scram, struct slice user, struct slice nonce, struct outbuf *out);
/* False, and nothing appended: the challenge is none, or asks for more than we do. */
bool scram_final(struct scram *scram, struct slice password, struct slice challenge, struct outbuf *out);
/* False: the other end does not know the password, or says that it does not. */
bool scram_is_proved(struct scram *scram, struct slice challenge);
void scram_free(struct scram *scram);
