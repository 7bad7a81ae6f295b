/* An envelope sender for one recipient. What comes out must be an address, whatever went in: a blank, a bracket or a
 * line end in a value would otherwise become part of a command to somebody's server.
 *
 * The local part may exceed the 64 octets of RFC 5321 4.5.3.1.1: a VERP holds a whole address, and servers take it. */
#include "mail/fill.h"
#include "mail/party.h"
#include "mail/stamp.h"
#include "mail/template.h"

bool sender_has_variables(struct slice sender)
{
	return template_has_tags(sender);
}

static bool fill_sender(struct slice sender, const struct merge *merge, struct outbuf *out, struct mail_error *error)
{
	struct values values = {0};
	struct outbuf id = {0};

	values_reset(&values, merge);
	stamp_message_id(&id, merge->nonce, merge->hostname);
	values.message_id = outbuf_slice(&id);
	bool ok = fill(out, sender, HEADER_TOKENS, &values, error);

	values_free(&values);
	outbuf_free(&id);
	return ok;
}

bool sender_render(struct slice sender, const struct merge *merge, struct outbuf *out, struct mail_error *error)
{
	size_t begin = out->len;

	if (sender.len == 0)
		return true;
	if (!sender_has_variables(sender))
		outbuf_add(out, sender);
	else if (!fill_sender(sender, merge, out, error))
		goto fail;
	struct slice address = slice_skip(outbuf_slice(out), begin);

	if (party_address_is_valid(address))
		return true;
	mail_fail(error, "E_ADDRESS", "\"%.*s\" is not an address to send from; it must be local@domain",
		  SLICE_ARG(slice_head(address, 120)));
fail:
	out->len = begin;
	return mail_field(error, "from");
}
