/* Counters that threads share: the only thing they share. Relaxed atomics; a reader sees numbers that are each
 * right, though not all of one instant. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* One list makes the enum and the names. */
#define STATS(X)                                                                                         \
	X(ATTEMPTED, "attempted", "recipients a dialogue was begun for")                                 \
	X(DELIVERED, "delivered", "recipients accepted by their server")                                 \
	X(FAILED, "failed", "recipients refused for good")                                               \
	X(DEFERRED, "deferred", "attempts that will be repeated")                                        \
	X(UNCERTAIN, "uncertain", "messages whose last reply was lost")                                  \
	X(EXPIRED, "expired", "recipients given up for their age")                                       \
	X(CONNECTED, "connected", "connections made")                                                    \
	X(REFUSED, "refused", "connections that failed")                                                 \
	X(LEASED, "leased", "records taken from the queue")                                              \
	X(RETURNED, "returned", "records given back untried")                                            \
	X(SETTLED, "settled", "outcomes recorded in Redis")                                              \
	X(OPEN, "open", "connections open now")                                                          \
	X(INFLIGHT, "inflight", "recipients in dialogue now")                                            \
	X(ACCEPTED, "accepted", "jobs taken in")                                                         \
	X(REJECTED, "rejected", "jobs refused")                                                          \
	X(RESOLVED, "resolved", "domains looked up in DNS")                                              \
	X(TLS_NONE, "tls_none", "connections in clear")                                                  \
	X(TLS_ENCRYPTED, "tls_encrypted", "connections under TLS with a certificate nobody vouches for") \
	X(TLS_VERIFIED, "tls_verified", "connections under TLS with a certificate of the trust store")   \
	X(TLS_DANE, "tls_dane", "connections under TLS with a certificate of TLSA records")              \
	X(TLS_FAILED, "tls_failed", "connections whose STARTTLS or handshake failed")                    \
	X(TLS_HOST_MISMATCH, "tls_host_mismatch", "certificates for another name")                       \
	X(TLS_EXPIRED, "tls_expired", "certificates that are over")                                      \
	X(TLS_UNTRUSTED, "tls_untrusted", "certificates of an authority that is not trusted")            \
	X(TLS_TLSA_INVALID, "tls_tlsa_invalid", "certificates that no TLSA record describes")            \
	X(TLS_NO_HANDSHAKE, "tls_no_handshake", "handshakes that failed otherwise")

enum stat {
#define X(name, text, meaning) STAT_##name,
	STATS(X)
#undef X
		STAT_COUNT
};

struct stats {
	_Atomic uint64_t count[STAT_COUNT];
};

static inline void stat_add(struct stats *stats, enum stat stat, uint64_t n)
{
	atomic_fetch_add_explicit(&stats->count[stat], n, memory_order_relaxed);
}

static inline void stat_take(struct stats *stats, enum stat stat, uint64_t n)
{
	atomic_fetch_sub_explicit(&stats->count[stat], n, memory_order_relaxed);
}

static inline uint64_t stat_read(const struct stats *stats, enum stat stat)
{
	return atomic_load_explicit(&stats->count[stat], memory_order_relaxed);
}

/* "delivered"; "recipients accepted by their server". */
const char *stat_name(enum stat stat);
const char *stat_meaning(enum stat stat);
