/* Packs are searched from the front each time: a recipient has a few variables of a few bytes, and a hash of them would
 * cost more to build than all searches of one message. */
#include "mail/values.h"

enum reserved { HK_ADDRESS, HK_LOCAL, HK_DOMAIN, HK_RCPT, HK_JOB, HK_VERP, HK_MESSAGE_ID, NRESERVED };

#define PREFIX SLICE("hk.")

static const struct slice reserved_names[NRESERVED] = {
	[HK_ADDRESS] = {"address", 7},
	[HK_LOCAL] = {"local", 5},
	[HK_DOMAIN] = {"domain", 6},
	[HK_RCPT] = {"rcpt", 4},
	[HK_JOB] = {"job", 3},
	[HK_VERP] = {"verp", 4},
	[HK_MESSAGE_ID] = {"message_id", 10},
};

static enum reserved reserved_of(struct slice name)
{
	unsigned i = 0;

	while (i < NRESERVED && !slice_is(reserved_names[i], slice_skip(name, PREFIX.len)))
		i++;
	return (enum reserved)i;
}

bool values_name_check(struct slice name, struct mail_error *error)
{
	if (!slice_starts(name, PREFIX) || reserved_of(name) < NRESERVED)
		return true;
	return mail_fail(
		error, "E_TEMPLATE",
		"{{%.*s}}: names that begin with hk. are reserved; there are hk.address, hk.local, hk.domain, hk.rcpt, "
		"hk.job, hk.verp and hk.message_id",
		SLICE_ARG(slice_head(name, 40)));
}

static bool is_verp_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
	       c == '_';
}

static void verp_escape(struct outbuf *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (is_verp_plain(c)) {
			outbuf_byte(out, (char)c);
			continue;
		}
		outbuf_byte(out, '+');
		outbuf_byte(out, hex[c >> 4]);
		outbuf_byte(out, hex[c & 15]);
	}
}

static struct slice verp(struct values *values, struct slice local, struct slice domain)
{
	if (values->verp.len == 0) {
		verp_escape(&values->verp, local);
		outbuf_byte(&values->verp, '=');
		verp_escape(&values->verp, domain);
	}
	return outbuf_slice(&values->verp);
}

static struct slice without_brackets(struct slice id)
{
	return id.len >= 2 ? slice_skip(slice_head(id, id.len - 1), 1) : id;
}

static struct slice reserved_value(struct values *values, enum reserved reserved)
{
	const struct merge *merge = values->merge;
	size_t at = slice_find_last(merge->address, '@');
	struct slice local = slice_head(merge->address, at), domain = slice_skip(merge->address, at + 1);

	switch (reserved) {
	case HK_ADDRESS: return merge->address;
	case HK_LOCAL: return local;
	case HK_DOMAIN: return domain;
	case HK_RCPT: return merge->rcpt;
	case HK_JOB: return merge->job;
	case HK_VERP: return verp(values, local, domain);
	case HK_MESSAGE_ID: return without_brackets(values->message_id);
	case NRESERVED: break;
	}
	return SLICE_NONE;
}

bool values_find(struct values *values, struct slice name, struct slice *value, struct mail_error *error)
{
	struct pack_entry entry;

	if (slice_starts(name, PREFIX)) {
		if (!values_name_check(name, error))
			return false;
		*value = reserved_value(values, reserved_of(name));
		return true;
	}
	if (!pack_find(values->merge->vars, name, &entry) && !pack_find(values->merge->job_vars, name, &entry) &&
	    !pack_find(values->defaults, name, &entry))
		return mail_fail(
			error, "E_VAR_MISSING",
			"{{%.*s}} has no value: it is not in the recipient's vars, the job's vars or the message's "
			"defaults",
			SLICE_ARG(slice_head(name, 100)));
	if (entry.kind == PACK_JSON)
		return mail_fail(
			error, "E_VAR_TYPE",
			"{{%.*s}} is a list or an object; text, a number, true, false or null can stand in a message",
			SLICE_ARG(slice_head(name, 100)));
	*value = entry.kind == PACK_NULL ? SLICE_NONE : entry.value;
	return true;
}

void values_reset(struct values *values, const struct merge *merge)
{
	values->merge = merge;
	values->message_id = SLICE_NONE;
	outbuf_reset(&values->verp);
}

void values_free(struct values *values)
{
	outbuf_free(&values->verp);
}
