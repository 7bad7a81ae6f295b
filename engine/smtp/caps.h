/* What a server offered in its EHLO reply (RFC 5321 4.1.1.1). Forgotten and read anew at every EHLO. */
#pragma once

#include "base/slice.h"

struct caps {
	bool esmtp; /* false: it was HELO, no extension may be used */
	bool pipelining, chunking, eight_bit, size, starttls, dsn, smtputf8, enhanced, binary, requiretls;
	bool auth_plain, auth_login, auth_scram;
	uint64_t size_max;				    /* 0: unlimited or not said (RFC 1870) */
	unsigned recipients_max, messages_max, domains_max; /* LIMITS (RFC 9422); 0: not said */
};

/* Reads the text of an EHLO reply: lines joined by '\n', the first being the host's name. Unknown keywords and bad
 * values are passed over. */
struct caps caps_parse(struct slice text);
