/* A channel: the bytes of a connection, in clear or under TLS. Its owner hears and says plain text and need not know
 * which it is.
 *
 *     channel_begin(&conn->channel, ring, &owner, conn);     connected: bytes are heard from now on
 *     channel_say(&conn->channel, iov, niov);                one send at a time; owner.said when the kernel has it
 *     channel_secure(&conn->channel, tls, &demand, &plain);  after 220 to STARTTLS; owner.secured, or insecure
 *     channel_close(&conn->channel, &conn->closed);          everything comes home, op last
 *
 * The callbacks come from ring_turn, never from inside a call. After channel_close only said does, for a send that was
 * under way, and then the op of the close. */
#pragma once

#include "ring/ring.h"
#include "tls/tls.h"

struct channel_owner {
	void (*heard)(void *who, struct slice bytes); /* borrowed until return */
	/* The first n bytes of what was said are gone; fewer than all when the connection broke. */
	void (*said)(void *who, size_t n, int error);
	void (*lost)(void *who, int error); /* nothing more will be heard; 0: the server closed */
	void (*secured)(void *who);
	void (*insecure)(void *who, const char *why);
};

struct channel {
	struct socket socket;
	struct sending sending;
	struct receive receive;
	struct ring *ring; /* borrowed, like the next two */
	const struct channel_owner *owner;
	void *who;
	struct tls_stream *stream; /* owned; NULL: in clear */
	struct outbuf *plain;	   /* borrowed: scratch of the worker, for what a record says */
	struct iovec wire;
	bool sending_now, receiving, closing;
	bool saying;  /* something of the owner's is not gone yet */
	bool carries; /* ... and it is in the send at hand */
	bool secured;
};

void channel_begin(struct channel *channel, struct ring *ring, const struct channel_owner *owner, void *who);
/* Whether something may be said now. */
bool channel_is_free(const struct channel *channel);
void channel_say(struct channel *channel, struct iovec *iov, unsigned niov);
/* The handshake begins; nothing may be said before it is over. */
void channel_secure(struct channel *channel, struct tls *tls, const struct tls_demand *demand, struct outbuf *plain);
/* Who is at the other end; NULL in clear. */
const struct tls_peer *channel_peer(const struct channel *channel);
/* closed->done must be set; it may be connecting still. From then on the channel is silent. */
void channel_close(struct channel *channel, struct ring *ring, struct op *closed);
/* When it is closed: it may be begun anew. */
void channel_free(struct channel *channel);
