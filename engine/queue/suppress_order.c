/* An entry of the stream may be executed again after a crash: putting an address where it is already changes its times
 * by the seconds between, and nothing else. */
#include "queue/suppress_order.h"

#include "queue/document.h"
#include "queue/mailbox.h"
#include "queue/suppression.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

enum { MATCH_BYTES_MAX = 1 << 18, FRONT = 3 };

struct wish {
	struct slice tenant, reason;
	struct outbuf texts; /* "domain\0field\0" for each address */
	unsigned naddresses;
};

static bool add_address(struct wish *wish, const json_t *value, struct refusal *refusal)
{
	struct slice text;
	struct mailbox mailbox;
	enum mailbox_fault fault;

	if (!document_text(value, "match.address", 1000, &text, refusal))
		return false;
	fault = mailbox_read(text, &mailbox);
	if (fault)
		return refuse(refusal, mailbox_fault_code(fault), "match.address", "address \"%.*s\" %s",
			      SLICE_ARG(slice_head(text, 100)), mailbox_fault_sentence(fault));
	outbuf_add(&wish->texts, mailbox_domain(&mailbox));
	outbuf_byte(&wish->texts, '\0');
	suppression_field(&wish->texts, wish->tenant, mailbox_address(&mailbox));
	outbuf_byte(&wish->texts, '\0');
	wish->naddresses++;
	return true;
}

static bool read_addresses(struct wish *wish, const json_t *value, struct refusal *refusal)
{
	size_t n = json_is_array(value) ? json_array_size(value) : 1;

	if (!value || n == 0 || n > SUPPRESSION_BATCH_MAX)
		return refuse(refusal, "E_CONTROL", "match.address",
			      "address: expected an address, or a list of 1 to %d; found %zu", SUPPRESSION_BATCH_MAX,
			      value ? n : 0);
	for (size_t i = 0; i < n; i++)
		if (!add_address(wish, json_is_array(value) ? json_array_get(value, i) : value, refusal))
			return false;
	return true;
}

static bool read_wish(struct wish *wish, json_t *root, struct refusal *refusal)
{
	static const char *const names[] = {"address", "tenant", "reason"};
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
	{
		if (strcmp(name, "tenant") == 0) {
			if (!document_text(value, "match.tenant", 64, &wish->tenant, refusal))
				return false;
		} else if (strcmp(name, "reason") == 0) {
			if (!document_text(value, "match.reason", SUPPRESSION_REASON_MAX, &wish->reason, refusal))
				return false;
		} else if (strcmp(name, "address") != 0) {
			return document_unknown("match", name, names, 3, refusal);
		}
	}
	if (slice_find(wish->tenant, ':') < wish->tenant.len)
		return refuse(refusal, "E_CONTROL", "match.tenant", "tenant: a name has no colon");
	if (wish->reason.len && !suppression_reason_is_fine(wish->reason))
		return refuse(refusal, "E_CONTROL", "match.reason",
			      "reason: expected at most %d printable characters without blanks at its ends",
			      SUPPRESSION_REASON_MAX);
	return read_addresses(wish, json_object_get(root, "address"), refusal);
}

/* Asks Redis and answers with the count. */
static bool carry_out(struct desk *desk, const struct control *control, const struct wish *wish, bool puts,
		      struct refusal *refusal)
{
	struct slice arguments[FRONT + 2 * SUPPRESSION_BATCH_MAX], rest = outbuf_slice(&wish->texts);
	uint64_t keep_s = control->for_ms ? control->for_ms / 1000 : desk->suppression_keep_s;
	char keep[24], more[40];
	unsigned n = 0;

	if (puts) {
		snprintf(keep, sizeof(keep), "%llu", (unsigned long long)keep_s);
		arguments[n++] = suppression_by_is_fine(control->by) ? control->by : SLICE("operator");
		arguments[n++] = wish->reason.len ? wish->reason : SLICE("by order");
		arguments[n++] = slice_of(keep);
	}
	while (rest.len)
		arguments[n++] = slice_until(&rest, '\0');
	struct redisReply *reply =
		caller_ask(desk->caller, puts ? "hikyaku_suppression_put" : "hikyaku_suppression_drop", arguments, n);
	bool ok = reply && reply->type == REDIS_REPLY_INTEGER;

	if (ok) {
		snprintf(more, sizeof(more), ",\"count\":%lld", reply->integer);
		desk_answer(desk, control, slice_of(more));
	} else if (reply) {
		refuse(refusal, "E_CONTROL", "", "%.*s", SLICE_ARG(slice_head(resp_text(reply), 200)));
	}
	if (reply)
		freeReplyObject(reply);
	return ok;
}

bool suppress_order(struct desk *desk, const struct control *control, struct refusal *refusal)
{
	bool puts = slice_is(control->what, SLICE("suppress"));
	json_t *root = document_read(control->match, MATCH_BYTES_MAX, refusal);
	struct wish wish = {0};
	bool ok = root && read_wish(&wish, root, refusal);

	if (ok && control->for_ms && !puts)
		ok = refuse(refusal, "E_CONTROL", "for", "for: an address is taken off the list at once");
	ok = ok && carry_out(desk, control, &wish, puts, refusal);
	outbuf_free(&wish.texts);
	json_decref(root);
	return ok;
}
