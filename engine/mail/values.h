/* What {{names}} mean for one recipient.
 *
 * Reserved names first: hk.address, hk.local, hk.domain, hk.rcpt, hk.job, hk.message_id (without < and >) and hk.verp.
 * Then the recipient's variables, the job's, the message's defaults. null and "" are values.
 *
 * hk.verp is the recipient's address as part of another local part (variable envelope return path), the way list
 * managers have done it: local part, "=", domain, with every byte but letters, digits, "." "-" and "_" written as "+"
 * and two hex digits. bob@b.example is bob=b.example, and bob+x@b.example is bob+2Bx=b.example. To read one: cut off
 * what you put before it, split at the last "=" and undo the "+XX" (of either case: some servers fold letters). */
#pragma once

#include "mail/message.h"

#include "base/outbuf.h"

struct values {
	const struct merge *merge; /* borrowed */
	struct slice defaults;	   /* borrowed: a pack */
	struct slice message_id;   /* borrowed: with < and > */
	struct outbuf verp;	   /* owned: made when first asked for */
};

/* A name that can be looked up: not a reserved one that does not exist. */
bool values_name_check(struct slice name, struct mail_error *error);
/* The value, valid until the values are reset. False when there is none, or it is a list or an object. */
bool values_find(struct values *values, struct slice name, struct slice *value, struct mail_error *error);
/* For the next recipient. */
void values_reset(struct values *values, const struct merge *merge);
void values_free(struct values *values);
