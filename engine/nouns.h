/* The words of the house.
 *
 * A *job* is what a submitter hands in: a sender, recipients, a message. Each recipient of it is a *delivery*, the
 * unit of the queue. Its *domain* is resolved to *routes* (an MX host and address each, in order), and those
 * routes say which *site*, the party at the other end, will take it. One of our *sources* (an address and an EHLO
 * name) and a site make a *lane*: limits and health are counted there. On a lane there are *connections*; on a
 * connection a *session* speaks, and in it one *transaction* after another (MAIL, RCPT, DATA; RFC 5321 3.3). The
 * *reply* to each command becomes a *verdict*: what it means, for whom. The *outcome* is what became of one
 * delivery: when, where, why. It travels back to the queue by value, where it is *settled* and becomes an *event*.
 *
 * noun          owned by                      lives
 * job           the job stream                until expanded
 * body          Redis; cached by workers      its jobs' expiry and grace
 * delivery      the lease                     from submission to its final state
 * domain        the worker's book             while it has mail, and its TTL
 * routes        the answer (counted)          while someone tries them
 * site          the scheduler                 until long idle
 * source        the configuration             the process
 * lane          its site                      with the site
 * connection    the slot pool                 connect ... last op home
 * transaction   its connection's window       until settled
 * reply         the receive buffer            while heard
 * verdict, outcome   values                   -
 *
 * This header has the enums they share, each with its names in nouns.c, made from one list. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

/* Where in the dialogue something was said. The name is the contract's. */
#define STAGES(X)                                                      \
	X(STAGE_CONNECT, "connect") /* before and with the greeting */ \
	X(STAGE_EHLO, "ehlo")                                          \
	X(STAGE_STARTTLS, "starttls")                                  \
	X(STAGE_AUTH, "auth")                                          \
	X(STAGE_MAIL, "mail")                                          \
	X(STAGE_RCPT, "rcpt")                                          \
	X(STAGE_DATA, "data")                                          \
	X(STAGE_EOM, "eom")	/* end of mail: after the last byte */ \
	X(STAGE_DNS, "dns")	/* before any connection */            \
	X(STAGE_QUEUE, "queue") /* our own decision: expiry, cancel */

/* What to do about it. */
#define ACTIONS(X)                                                                 \
	X(ACTION_DELIVERED, "delivered") /* accepted: only a 2yz at end of mail */ \
	X(ACTION_LATER, "later")	 /* this one again, after a while */       \
	X(ACTION_ELSEWHERE, "elsewhere") /* another host of the same site, now */  \
	X(ACTION_SLOWER, "slower")	 /* the receiver says we are too fast */   \
	X(ACTION_NEVER, "never")	 /* final */

/* For whom it holds. */
#define SCOPES(X)                                                        \
	X(SCOPE_RECIPIENT, "recipient")                                  \
	X(SCOPE_MESSAGE, "message")	  /* all recipients of it */     \
	X(SCOPE_CONNECTION, "connection") /* whatever is on it */        \
	X(SCOPE_LANE, "lane")		  /* this source at this site */ \
	X(SCOPE_SITE, "site")                                            \
	X(SCOPE_SENDER, "sender") /* this envelope sender */

/* The contract's list, in its order. */
#define CATEGORIES(X)                                      \
	X(CATEGORY_NONE, "")                               \
	X(CATEGORY_INVALID_RECIPIENT, "invalid-recipient") \
	X(CATEGORY_INACTIVE_MAILBOX, "inactive-mailbox")   \
	X(CATEGORY_MAILBOX_FULL, "mailbox-full")           \
	X(CATEGORY_BAD_DOMAIN, "bad-domain")               \
	X(CATEGORY_NO_ROUTE, "no-route")                   \
	X(CATEGORY_POLICY, "policy")                       \
	X(CATEGORY_SPAM_CONTENT, "spam-content")           \
	X(CATEGORY_REPUTATION, "reputation")               \
	X(CATEGORY_AUTH_FAILURE, "auth-failure")           \
	X(CATEGORY_PTR_OR_HELO, "ptr-or-helo")             \
	X(CATEGORY_RATE_LIMITED, "rate-limited")           \
	X(CATEGORY_GREYLISTED, "greylisted")               \
	X(CATEGORY_RELAY_DENIED, "relay-denied")           \
	X(CATEGORY_SENDER_REJECTED, "sender-rejected")     \
	X(CATEGORY_MESSAGE_TOO_LARGE, "message-too-large") \
	X(CATEGORY_CONTENT, "content")                     \
	X(CATEGORY_VIRUS, "virus")                         \
	X(CATEGORY_PROTOCOL, "protocol")                   \
	X(CATEGORY_TIMEOUT, "timeout")                     \
	X(CATEGORY_NETWORK, "network")                     \
	X(CATEGORY_TLS, "tls")                             \
	X(CATEGORY_REMOTE_ERROR, "remote-error")           \
	X(CATEGORY_EXPIRED, "expired")                     \
	X(CATEGORY_UNDETERMINED, "undetermined")

/* Who said it: the server, we ourselves, or nobody (assumed by policy). */
#define ORIGINS(X)                 \
	X(ORIGIN_REMOTE, "remote") \
	X(ORIGIN_LOCAL, "local")   \
	X(ORIGIN_ASSUMED, "assumed")

#define NOUN_ENUM(name, text) name,
enum stage { STAGES(NOUN_ENUM) STAGE_COUNT };
enum action { ACTIONS(NOUN_ENUM) ACTION_COUNT };
enum scope { SCOPES(NOUN_ENUM) SCOPE_COUNT };
enum category { CATEGORIES(NOUN_ENUM) CATEGORY_COUNT };
enum origin { ORIGINS(NOUN_ENUM) ORIGIN_COUNT };
#undef NOUN_ENUM

const char *stage_name(enum stage stage);
const char *action_name(enum action action);
const char *scope_name(enum scope scope);
const char *category_name(enum category category);
const char *origin_name(enum origin origin);
/* The stage of that name; false if there is none. */
bool stage_parse(enum stage *stage, struct slice name);

/* One TLSA record: what the DNS says of a host's certificate (RFC 6698 2.1). */
struct tlsa {
	uint8_t usage, selector, matching;
	struct slice data; /* borrowed; binary */
};

/* What a reply means. A value. */
struct verdict {
	enum action action;
	enum scope scope;
	enum category category;
	bool suppress;		/* says for good that the address is bad */
	uint32_t retry_after_s; /* the text asked for it; 0: it did not */
	const char *rule;	/* static: name of the rule that decided */
	bool spare;		/* an operator's rule says that the address is not to be suppressed for this */
};

enum { OUTCOME_TEXT_MAX = 1024, ENHANCED_MAX = 12 };

/* What became of one delivery in one attempt: whose words, at which step, what they were. A value but for the
 * text. */
struct outcome {
	struct verdict verdict;
	enum stage stage;
	enum origin origin;
	bool attempted;		     /* false: its turn did not come; the delivery goes back as it was */
	bool uncertain;		     /* the connection died between the last byte and the reply */
	uint16_t code;		     /* 0: no reply */
	char enhanced[ENHANCED_MAX]; /* "5.1.1", or empty */
	struct slice text;	     /* borrowed from the transaction; lines joined by '\n' */
};
