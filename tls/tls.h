/* TLS on a connection that somebody else owns (RFC 3207, 8446).
 *
 * No socket, no clock, no DNS: ciphertext goes in and comes out as bytes, and whoever has the connection moves them.
 *
 *     struct tls *tls = tls_new(NULL, why);                           one a worker
 *     struct tls_stream *stream = tls_start(tls, &demand);            after 220 to STARTTLS
 *     for (;;) {
 *             if (no send in flight && (wire = tls_take(stream)).len)  send(wire), and later tls_taken(stream, sent)
 *             state = tls_feed(stream, received, &plain);              plain: what the server said
 *             if (state == TLS_OPEN) tls_write(stream, iov, niov);     what we say
 *     }
 *
 * The demand says who the peer must be; a peer who is somebody else never gets further than the handshake. tls_peer
 * says who it was, also where anybody would do, for the event. Sessions are kept per host and demand, so that the next
 * handshake costs half; but not where another name than the host's was what let the peer in, so that this is always
 * known of an open stream. */
#pragma once

#include "nouns.h"

#include "base/outbuf.h"

#include <sys/uio.h>

struct tls;
struct tls_stream;

enum tls_check {
	CHECK_NOTHING, /* anybody: opportunistic */
	CHECK_NAME,    /* a certificate the trust store vouches for, with one of the names (RFC 5280, 6125) */
	CHECK_DANE     /* one that a TLSA record vouches for (RFC 7672); anybody if no record is usable */
};

/* Who the peer must be. All borrowed until tls_start returns. */
struct tls_demand {
	struct slice host; /* sent as SNI; sessions are kept under it; for DANE the base domain */
	enum tls_check check;
	const struct slice *names; /* any of them may be in the certificate; host alone if there are none */
	unsigned nnames;
	const struct tlsa *records;
	unsigned nrecords;
};

enum tls_state { TLS_SHAKING, TLS_OPEN, TLS_CLOSED, TLS_BROKEN };

/* What a handshake came to. The names are the result types of RFC 8460 4.3 where it has one. */
#define TLS_RESULTS(X)                                                                     \
	X(TLS_RESULT_FINE, "")                                                             \
	X(TLS_RESULT_HOST, "certificate-host-mismatch")                                    \
	X(TLS_RESULT_EXPIRED, "certificate-expired")                                       \
	X(TLS_RESULT_UNTRUSTED, "certificate-not-trusted")                                 \
	X(TLS_RESULT_TLSA, "tlsa-invalid")	      /* no record fits the certificate */ \
	X(TLS_RESULT_HANDSHAKE, "validation-failure") /* no common version or cipher, garbage, an alert */

enum tls_result {
#define X(name, text) name,
	TLS_RESULTS(X)
#undef X
};

const char *tls_result_name(enum tls_result result);

/* Who is at the other end. Texts are static but why. */
struct tls_peer {
	const char *protocol, *cipher; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384"; NULL before the handshake is over */
	bool verified, resumed;
	bool by_other_name; /* of the names demanded with CHECK_DANE it has another one than the host's */
	const char *by;	    /* "dane", "pkix", or "" if not verified */
	enum tls_result result;
	char why[160]; /* what was wrong with it; empty: nothing */
};

enum { TLS_WHY_MAX = 256 };

/* trust: a file of certificates to trust, NULL for the system's (which $SSL_CERT_FILE and $SSL_CERT_DIR override).
 * NULL on failure, with a sentence in why (TLS_WHY_MAX bytes). */
struct tls *tls_new(const char *trust, char *why);
/* All its streams must be freed. */
void tls_free(struct tls *tls);

/* Begins a handshake; its first bytes are ready for tls_take. Never NULL. */
struct tls_stream *tls_start(struct tls *tls, const struct tls_demand *demand);
void tls_stream_free(struct tls_stream *stream);

/* Bytes of the server; what they say is added to plain. The state afterwards; CLOSED and BROKEN are for good. */
enum tls_state tls_feed(struct tls_stream *stream, struct slice bytes, struct outbuf *plain);
/* What we say, all of it, as few records as hold it. Only when open. */
void tls_write(struct tls_stream *stream, const struct iovec *iov, unsigned niov);

/* The bytes for the server; they stay where they are until tls_taken says that the kernel has, or will never have, the
 * first n of them. Not to be asked meanwhile. Empty: nothing to send. */
struct slice tls_take(struct tls_stream *stream);
/* How many bytes of what tls_write was given are in records that are gone whole: only those can be read there. */
size_t tls_taken(struct tls_stream *stream, size_t n);

const struct tls_peer *tls_peer(const struct tls_stream *stream);

/* Whether OpenSSL can judge by this record: usage 2 or 3, known selector and matching type, a digest of the right
 * length, or the whole of a certificate or key (RFC 7672 3.1). */
bool tlsa_is_usable(const struct tlsa *record);
