/* The inside of a stream: what stream.c and bio.c share with context.c. */
#pragma once

#include "tls/context.h"

enum {
	TLS_RECORD_MAX = 16384,	       /* of plain text (RFC 8446 5.1) */
	TLS_HANDSHAKE_MAX = 256 * 1024 /* bytes a server may say before the handshake is over */
};

/* Where a record ends on the wire, and how much plain text it has. */
struct tls_mark {
	size_t wire, plain;
};

struct tls_stream {
	struct tls *tls; /* parent */
	SSL *ssl;	 /* owned */
	struct tls_key key;
	enum tls_check check;
	enum tls_state state;
	struct slice in;		    /* borrowed while fed: not read yet */
	size_t shaken;			    /* bytes heard in the handshake */
	struct outbuf out, wire;	    /* owned: to be taken; taken and perhaps in the kernel */
	struct tls_mark *marks;		    /* owned: of out, then of wire */
	unsigned nmarks, nwire, marks_size; /* of all; of those the ones in wire */
	bool taken;
	struct tls_peer peer;
};

/* Whether the certificate was taken for a name that is not the host's. Known once it has been judged. */
bool tls_stream_is_named_otherwise(const struct tls_stream *stream);

/* The world as OpenSSL sees it: reads what is in `in`, writes to `out` (FACTS.md: cheaper than memory BIOs). */
BIO *tls_bio_new(struct tls_stream *stream);
