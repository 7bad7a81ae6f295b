/* An admission: a job that may come in, and the words that are said about it to Redis: what all its recipients share
 * (meta), one record each, and the events of its beginning. Pure.
 *
 *     struct admission admission = {.job = &job, .message = message, .id = id, .entry = entry, …};
 *     if (!admission_check(&admission, &refusal)) reject …            no recipient refused, or "partial"
 *     admission_meta(&admission, &out);
 *     admission_item(&admission, before, recipient, …);               an item of hikyaku_expand
 *
 * The meta is a JSON object:
 *   v 1, id, tenant, campaign, class, pool, from (may have {{variables}}), body (SHA-256 of the stored message),
 *   vars, tags (JSON objects as they were given, where there are any), created, expires (ms), entry */
#pragma once

#include "mail/message.h"
#include "queue/job.h"

struct admission {
	struct job *job;	       /* borrowed; recipients are refused in it */
	const struct message *message; /* borrowed */
	struct slice hostname;	       /* ours: for hk.message_id and the like */
	struct slice id;	       /* the job's, or its entry's */
	struct slice entry;	       /* in the stream, as its submitter knows it */
	struct slice event;	       /* what begins the ids of its events: unique among all entries */
	struct slice sha;	       /* of the body */
	uint64_t created_ms;	       /* wall clock: when it was taken in */
	uint64_t accept;	       /* its number, once Redis gave it */
};

/* Asks the message and the sender about every recipient; those it cannot be filled in for are refused. False, and the
 * first refusal, when that refuses the job: partial is what job->partial says, or true for a job that began before. */
bool admission_check(struct admission *admission, bool partial, struct refusal *refusal);

void admission_meta(const struct admission *admission, struct outbuf *out);
/* Members of a JSON object, without its braces, that every event of this job has. */
void admission_common(const struct admission *admission, struct outbuf *out);
/* The data of the events `accepted` and `duplicate`. */
void admission_accepted(const struct admission *admission, struct outbuf *out);
void admission_duplicate(const struct admission *admission, struct outbuf *out);

/* One recipient as hikyaku_expand takes it: a kind and its texts. The texts are appended to bytes, one behind the
 * other, because bytes may move while it grows:
 *   "q"         list, delay_ms, expires_ms, record
 *   "+"         record: all else is as with the one before
 *   "rejected"  address, index, 0, event data
 * before: who is the item before this one in the same call, or NULL. */
struct admission_item {
	struct slice kind;
	unsigned ntexts;
	size_t lengths[4];
};
void admission_item(const struct admission *admission, const struct addressee *before,
		    const struct addressee *recipient, uint64_t now_ms, struct outbuf *bytes,
		    struct admission_item *item);
