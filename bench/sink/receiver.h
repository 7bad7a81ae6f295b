/* A receiver's side of one SMTP connection, for the sink: written apart from the engine's SMTP code, so that the two do
 * not share a mistake (RFC 5321, 2920, 3030).
 *
 * Bytes in, bytes out. It is strict where it is told to watch: what breaks RFC 2920's order is counted as a breach. */
#pragma once

#include "bench/sink/quota.h"
#include "bench/sink/rules.h"
#include "bench/sink/senders.h"

#include "base/map.h"
#include "base/outbuf.h"

/* An address the sink has seen, if it is asked to remember. */
struct remembered {
	struct map_far node;
	unsigned tries, copies;
	unsigned char sha256[32]; /* of the last message accepted for it, if asked for */
};

struct sink {
	struct rules rules;
	struct quotas quotas;
	struct senders senders;
	const char *ehlo; /* the extension lines, "250-PIPELINING\r\n...": as they are sent */
	const char *name;
	bool pipelining, chunking, helo_only, starttls, remember, hash;
	uint64_t size_max;
	unsigned recipients_max;
	struct map memory; /* struct remembered, by address */
	uint64_t connections, messages, recipients, refused, bytes, breaches;
	uint64_t turned_away;	/* connections */
	uint64_t open, stalled; /* connections now; of them, in a handshake that is never answered */
	uint64_t most_open;	/* at a time */
	uint64_t now_ms;	/* of this turn: monotonic */
};

enum receiver_end { RECEIVER_OPEN, RECEIVER_CLOSE, RECEIVER_MUTE };

/* STARTING: the reply to STARTTLS is on its way; whoever has sent it makes it SECURE. */
enum receiver_protection { RECEIVER_CLEAR, RECEIVER_STARTING, RECEIVER_SECURE };

struct receiver {
	struct sink *sink;	/* parent */
	struct quota *quota;	/* of its client here; NULL: none */
	struct carried carried; /* for whom it works now */
	uint8_t mode;
	bool greeted, has_mail, last_chunk;
	unsigned nrecipients, nheard;
	uint64_t chunk_left;
	struct outbuf line; /* owned: a command that came in pieces */
	struct outbuf to;   /* owned: accepted recipients, each ended by LF */
	char tail[5];
	unsigned ntail;
	unsigned delay_ms; /* of the replies now in out */
	enum receiver_end end;
	enum receiver_protection protection;
	void *digest; /* owned: EVP_MD_CTX while a message is hashed */
	struct wire_tail {
		bool line_start, dot;
	} unstuff;
};

void receiver_init(struct receiver *receiver, struct sink *sink, struct quota *quota, struct outbuf *out);
/* Takes all bytes; replies are appended to out. */
void receiver_take(struct receiver *receiver, struct slice bytes, struct outbuf *out);
void receiver_free(struct receiver *receiver);
/* Writes one line of JSON an address: {"to":…,"tries":…,"copies":…,"sha256":…}. */
void sink_write_memory(const struct sink *sink, struct outbuf *out);
void sink_free_memory(struct sink *sink);
