/* AUTH: telling a relay who we are (RFC 4954, 4616). The mechanisms, without the dialogue around them.
 *
 *     enum auth_mechanism mechanism = auth_choose(session_caps(session));
 *     if (auth_answer(mechanism, &login, 0, SLICE_NONE, &out)) ...      what follows AUTH PLAIN, or its 334
 *
 * PLAIN, and LOGIN where a server has nothing else. Both say the password itself, so they are for TLS only, which the
 * session sees to. Rejected: CRAM-MD5, which makes servers keep the password readable; SCRAM-SHA-256 by libgsasl, which
 * brings GSSAPI and NTLM into a process that speaks with strangers, to protect a password that TLS protects. */
#pragma once

#include "smtp/caps.h"

#include "base/outbuf.h"

/* Who we are; an empty user: nobody, AUTH is not said. */
struct login {
	struct slice user, password; /* borrowed */
};

enum auth_mechanism { AUTH_NONE, AUTH_PLAIN, AUTH_LOGIN };

const char *auth_name(enum auth_mechanism mechanism);
/* The best that was offered; AUTH_NONE: none that we know. */
enum auth_mechanism auth_choose(const struct caps *caps);
/* Appends the answer to the n-th challenge (0: the first), in base64. False, and nothing, if the challenge is none that
 * the mechanism has: not base64, one too many, or words where there should be none. */
bool auth_answer(enum auth_mechanism mechanism, const struct login *login, unsigned n, struct slice challenge,
		 struct outbuf *out);
