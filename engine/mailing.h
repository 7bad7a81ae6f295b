/* A mailing: what all recipients of a job share, as a worker keeps it: sender, tags, variables, and the compiled
 * message. Fetched from Redis when the first recipient of it is leased, kept while any is here and, if there is room,
 * a while longer.
 *
 *     delivery->mailing = mailing_hold(worker, tenant, job);
 *     if (mailing_state(...) == MAILING_COMING) mailing_wait(delivery->mailing, &delivery->link);
 *
 * Messages are shared between mailings by their SHA-256. */
#pragma once

#include "worker.h"

#include "mail/message.h"

enum mailing_state {
	MAILING_COMING, /* being fetched */
	MAILING_READY,
	MAILING_MISSING, /* its job or its body is not in Redis */
	MAILING_BROKEN,	 /* it cannot be read or compiled; error says why */
};

struct body {
	struct map_node node; /* by SHA-256 in hex */
	char sha[65];
	unsigned refs;
	enum mailing_state state;
	struct queue_fetch fetch;
	struct worker *worker;	 /* parent */
	struct message *message; /* owned once ready */
	size_t bytes;		 /* as it is stored */
	struct list waiting;	 /* mailings */
	struct mail_error error;
};

struct mailing {
	struct map_far node;   /* by "tenant:job" */
	struct list idle;      /* on the worker's list while nobody holds it */
	struct worker *worker; /* parent */
	enum mailing_state state;
	unsigned refs; /* deliveries */
	uint64_t used_ms;
	size_t kept_bytes; /* while nobody holds it: its part of the worker's */
	struct queue_fetch fetch;
	struct list waiting;				       /* deliveries, until it is ready */
	struct body *body;				       /* counted */
	struct list of_body;				       /* link: waits for its body */
	struct arena arena;				       /* owns the slices below */
	struct slice key, tenant, job, sender, campaign, tags; /* tags: a JSON object or empty */
	struct outbuf vars;				       /* owned: a pack */
	bool transactional;
	bool require_tls; /* as the job has it */
	char why[256];	  /* what is wrong, when missing or broken */
};

/* Found or begun; counted until mailing_release. */
struct mailing *mailing_hold(struct worker *worker, struct slice tenant, struct slice job);
void mailing_release(struct mailing *mailing);
/* Deliveries that wait for it are handed to delivery_prepared, in order, when its state is known. */
void mailing_wait(struct mailing *mailing, struct list *delivery_link);
/* Frees what has not been used for long. */
void mailings_age(struct worker *worker, uint64_t now_ms);
void mailings_free(struct worker *worker);
