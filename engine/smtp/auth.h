/* AUTH: telling a relay who we are (RFC 4954, 4616, 7677). The mechanisms, without the dialogue around them.
 *
 *     enum auth_mechanism mechanism = auth_choose(session_caps(session), &login);
 *     if (auth_answer(mechanism, &login, 0, SLICE_NONE, &scram, &out)) ...      what follows AUTH PLAIN, or its 334
 *
 * SCRAM-SHA-256 where it is offered, for it proves the password without saying it, and has the relay prove that it
 * knows it; else PLAIN, and LOGIN where a server has nothing else, which both say the password itself. All of them
 * under TLS only, which the session sees to. Rejected: CRAM-MD5, which makes servers keep the password readable;
 * libgsasl, which brings GSSAPI and NTLM into a process that speaks with strangers, for a hundred lines over OpenSSL's
 * HMAC. */
#pragma once

#include "smtp/caps.h"
#include "smtp/scram.h"

#include "base/outbuf.h"

enum { LOGIN_NONCE_MAX = 33 };

/* Who we are; an empty user: nobody, AUTH is not said. */
struct login {
	struct slice user, password; /* borrowed */
	char nonce[LOGIN_NONCE_MAX]; /* for one login: nobody can guess it. Empty: SCRAM is not to be used */
};

enum auth_mechanism { AUTH_NONE, AUTH_PLAIN, AUTH_LOGIN, AUTH_SCRAM };

const char *auth_name(enum auth_mechanism mechanism);
/* The best that was offered and can say who we are; AUTH_NONE: none that we know. */
enum auth_mechanism auth_choose(const struct caps *caps, const struct login *login);
/* Appends the answer to the n-th challenge (0: the first), in base64. False, and nothing, if the challenge is none that
 * the mechanism has: not base64, one too many, words where there should be none, or a proof that proves nothing. scram
 * is the state of that one mechanism, zero before. */
bool auth_answer(enum auth_mechanism mechanism, const struct login *login, unsigned n, struct slice challenge,
		 struct scram *scram, struct outbuf *out);
/* Whether a server that lets us in with this has proved what it must. */
bool auth_is_mutual(enum auth_mechanism mechanism, const struct scram *scram);
