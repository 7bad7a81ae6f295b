/* What the streams of a worker share: OpenSSL's context, the trust store, and the sessions that may be resumed. */
#pragma once

#include "tls/tls.h"

#include "base/list.h"
#include "base/map.h"

#include <openssl/ssl.h>

enum { TLS_KEY_BYTES = 32, TLS_SESSIONS_MAX = 2048 };

/* Host and demand as one short key: a session made under a weaker demand must never be resumed under a stronger. */
struct tls_key {
	unsigned char bytes[TLS_KEY_BYTES];
};

struct tls {
	SSL_CTX *context; /* owned */
	struct map sessions;
	struct list oldest;    /* kept sessions, the one used longest ago first */
	struct outbuf scratch; /* of tls_write */
};

struct tls_key tls_key_of(const struct tls_demand *demand);
/* The session kept under it, borrowed; NULL if there is none. */
SSL_SESSION *tls_session_find(struct tls *tls, const struct tls_key *key);
/* Keeps one in place of an older one; takes the reference. */
void tls_session_keep(struct tls *tls, const struct tls_key *key, SSL_SESSION *session);
