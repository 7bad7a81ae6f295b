/* A site in a simulated world: the scheduler, unmodified, in the hands of a driver that does what it says, against mail
 * servers with hidden rules. Hours pass in milliseconds.
 *
 *     struct site_sim sim;
 *     site_sim_begin(&sim, &(struct site_sim_setup){.seed = 7, .hosts = hosts, .nhosts = 2, .messages = 2000, ...});
 *     site_sim_run(&sim, 3600 * 1000);             until all are delivered, at most for an hour
 *     assert(sim.delivered == 2000);
 *     site_sim_end(&sim);
 *
 * The driver is as the engine: a message that is refused for the lane's sake is deferred for as long as the lane says
 * and counted; connections stay open while there is mail for them and a little longer; everything takes its time. */
#pragma once

#include "scheduler/scheduler.h"

#include "base/random.h"

struct site_host;

enum site_word { SITE_YES, SITE_TOO_MUCH, SITE_TOO_MANY };

/* A server, as the test makes it: what it says to a connection, to the end of one, to a message. */
struct site_host {
	enum site_word (*connected)(struct site_host *host, uint64_t now_ms); /* NULL: yes */
	void (*closed)(struct site_host *host, uint64_t now_ms);	      /* of those it let in; NULL: nothing */
	enum site_word (*asked)(struct site_host *host, uint64_t now_ms);     /* NULL: yes */
	unsigned hint_s;						      /* named with "too much"; 0: nothing */
	unsigned preference;						      /* of its MX */
	void *rule;							      /* the test's */
};

struct site_sim_setup {
	uint64_t seed;
	struct site_host *hosts; /* borrowed, like all */
	unsigned nhosts;
	struct lane_limits limits;
	unsigned messages;
	unsigned message_ms;				    /* how long a message takes: half there, half back */
	void (*recall)(struct lane *lane, uint64_t now_ms); /* what is remembered from before; NULL: nothing */
};

enum { SITE_CONNS_MAX = 256, SITE_LATE_MS = 30 /* at most so much later than it takes, each way */ };

struct site_message {
	struct list link;
};

struct site_conn {
	struct list idle; /* on its exchanger's list */
	struct exchanger *exchanger;
	struct site_host *host;
	struct site_message *message; /* on its way; NULL: none */
	enum site_word word;	      /* of the server, on its way back */
	unsigned given;
	bool used, opened, busy, let_in;
	bool there;	 /* what is on its way has arrived */
	uint64_t due_ms; /* when the next thing happens to it; 0: nothing */
	uint64_t idle_until_ms;
};

struct site_sim {
	struct site_sim_setup setup;
	struct scheduler *scheduler;
	struct lane *lane;
	struct random random;
	uint64_t now_ms, begun_ms;
	struct site_message *messages; /* owned */
	struct list queued;	       /* in the ready list */
	struct list deferred;	       /* struct site_message, each with a due time in due_ms */
	uint64_t *deferred_ms;	       /* owned: by message */
	unsigned nqueued;
	struct site_conn conns[SITE_CONNS_MAX];
	unsigned nconns;		     /* of those, the first that were ever used */
	unsigned connects, connects_refused; /* so far */
	unsigned attempts, refused, delivered;
	uint64_t last_ms; /* of the latest delivery */
};

void site_sim_begin(struct site_sim *sim, const struct site_sim_setup *setup);
/* Until all is delivered, or the time is up. */
void site_sim_run(struct site_sim *sim, uint64_t most_ms);
void site_sim_end(struct site_sim *sim);
