/* MAIL may come before the reply to the message before it has been sent, and be another sender's: then the connection
 * works for both. */
#include "bench/sink/senders.h"

#include <string.h>

/* Found, or added; SENDERS_MAX: there is no room. */
static unsigned sender_of(struct senders *senders, struct slice domain)
{
	unsigned i = 0;

	while (i < senders->count &&
	       !slice_is((struct slice){senders->sender[i].domain, senders->sender[i].len}, domain))
		i++;
	if (i < senders->count || i == SENDERS_MAX || domain.len > SENDER_DOMAIN_MAX)
		return domain.len > SENDER_DOMAIN_MAX ? SENDERS_MAX : i;
	senders->sender[i] = (struct sender){.len = domain.len};
	if (domain.len)
		memcpy(senders->sender[i].domain, domain.ptr, domain.len);
	senders->count++;
	return i;
}

void senders_begin(struct senders *senders, struct carried *carried, struct slice address)
{
	size_t at = slice_find_last(address, '@');
	unsigned i = sender_of(senders, slice_skip(address, at < address.len ? at + 1 : address.len));
	struct sender *sender = &senders->sender[i];

	if (i == SENDERS_MAX)
		return;
	carried->latest = 1ull << i;
	if (carried->all & carried->latest)
		return;
	carried->all |= carried->latest;
	sender->now++;
	if (sender->now > sender->most)
		sender->most = sender->now;
}

static void keep(struct senders *senders, struct carried *carried, uint64_t kept)
{
	for (unsigned i = 0; carried->all & ~kept && i < senders->count; i++)
		senders->sender[i].now -= (carried->all & ~kept) >> i & 1;
	carried->all &= kept;
}

void senders_answered(struct senders *senders, struct carried *carried, bool has_mail)
{
	keep(senders, carried, has_mail ? carried->latest : 0);
}

void senders_leave(struct senders *senders, struct carried *carried)
{
	keep(senders, carried, 0);
}

void senders_write(const struct senders *senders, struct outbuf *out)
{
	outbuf_byte(out, '{');
	for (unsigned i = 0; i < senders->count; i++) {
		const struct sender *sender = &senders->sender[i];
		char domain[SENDER_DOMAIN_MAX + 1] = "";

		memcpy(domain, sender->domain, sender->len);
		outbuf_json_number(out, domain, sender->most);
	}
	outbuf_byte(out, '}');
}
