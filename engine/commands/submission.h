/* A submission: the jobs that one `hikyaku submit` makes, and what became of them. */
#pragma once

#include "client.h"

struct submitted {
	char *id, *entry;    /* owned; id: the job's */
	uint64_t recipients; /* 0: not known (--job) */
	bool finished;
};

struct submission {
	const struct arguments *arguments; /* borrowed */
	struct client *client;		   /* borrowed */
	struct outbuf job, raw;		   /* the job at hand; the message */
	bool has_raw;
	struct submitted *jobs; /* owned array */
	unsigned njobs;
	uint64_t recipients; /* submitted so far */
};

/* The members that all jobs of the submission share, into an empty out: {"from":…, without the end. False: said. */
bool submission_begin(const struct arguments *arguments, struct outbuf *out);
/* Puts the job at hand into the stream; patient while it is full. id is "" when the job has none. */
bool submission_put(struct submission *submission, struct slice id, bool transactional, uint64_t recipients);
void submission_free(struct submission *submission);

/* Follows the events from where reader stands until all jobs have finished; EXIT_DONE, EXIT_UNDELIVERED, or lost. */
struct event_reader;
int submission_wait(struct submission *submission, struct event_reader *reader);
