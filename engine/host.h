/* A host: one MX address as this worker has come to know it. What it remembers makes the next connection better; it is
 * forgotten after an hour without use. */
#pragma once

#include "worker.h"

struct session;

struct host {
	struct map_node node; /* by address text */
	char name[ADDRESS_TEXT_MAX];
	unsigned refs; /* connections on it */
	uint64_t used_ms;
	uint64_t dead_until_ms;	    /* it did not answer: others are tried first till then */
	unsigned failures;	    /* in a row */
	uint64_t in_clear_until_ms; /* its TLS has failed: nothing is lost by not trying till then */
	bool rset_needed, pipelining_broken, window_broken, window_proved;
};

/* The host at that address, made if it is new; counted until host_release. */
struct host *host_hold(struct worker *worker, const struct address *address);
void host_release(struct worker *worker, struct host *host);
/* Its address without the port; borrowed. */
struct slice host_ip(const struct host *host);
/* It could not be talked to; it was talked to. */
void host_failed(struct host *host, uint64_t now_ms);
void host_answered(struct host *host);
/* What a session there has found, which ends. */
void host_learn(struct host *host, const struct session *session);
/* Known to be silent just now. Hosts nobody has tried are not. */
bool host_is_dead(const struct worker *worker, const struct address *address, uint64_t now_ms);
/* It may be asked again at once. */
void host_revive(struct worker *worker, const struct address *address);
/* Forgets what has not been used for long; called now and then. */
void hosts_age(struct worker *worker, uint64_t now_ms);
void hosts_free(struct worker *worker);
