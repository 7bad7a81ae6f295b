/* Reading the list. Nothing here calls a function: HASHes are read with HSCAN, a piece at a time, so that a list of
 * millions neither stops Redis nor fills this program's memory. What changes meanwhile is told or not, as it comes. */
#include "suppress.h"

#include "console.h"

#include "queue/time.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

enum { PIECE = 65536 };

static void put_time(struct outbuf *out, const char *name, uint64_t s)
{
	if (s)
		outbuf_json_number(out, name, s * 1000);
}

static void print_json(struct outbuf *out, struct slice address, struct slice tenant, const struct suppression *entry)
{
	outbuf_byte(out, '{');
	outbuf_json_text(out, "address", address);
	outbuf_json_raw(out, "suppressed", entry && !entry->counts ? SLICE("true") : SLICE("false"));
	if (entry) {
		outbuf_json_text(out, "tenant", tenant);
		outbuf_json_text(out, "reason", entry->reason);
		outbuf_json_text(out, "by", entry->by);
		put_time(out, "since", entry->since_s);
		put_time(out, "until", entry->until_s);
		if (entry->counts)
			outbuf_json_number(out, "verdicts", entry->verdicts);
	}
	outbuf_add(out, SLICE("}\n"));
}

static struct slice day(uint64_t s, char *room)
{
	return slice_head(time_text(s * 1000, room), 10);
}

static void print_text(struct outbuf *out, struct slice address, struct slice tenant, const struct suppression *entry)
{
	char since[TIME_TEXT_MAX], until[TIME_TEXT_MAX];

	outbuf_printf(out, "%-32.*s ", SLICE_ARG(address));
	if (!entry) {
		outbuf_printf(out, "not suppressed\n");
		return;
	}
	if (entry->counts)
		outbuf_printf(out, "not suppressed: %llu verdict%s so far, %.*s", (unsigned long long)entry->verdicts,
			      entry->verdicts == 1 ? "" : "s", SLICE_ARG(entry->reason));
	else
		outbuf_printf(out, "%.*s, by %.*s", SLICE_ARG(entry->reason), SLICE_ARG(entry->by));
	outbuf_printf(out, ", since %.*s", SLICE_ARG(day(entry->since_s, since)));
	if (entry->until_s)
		outbuf_printf(out, " until %.*s", SLICE_ARG(day(entry->until_s, until)));
	if (tenant.len)
		outbuf_printf(out, ", for tenant %.*s", SLICE_ARG(tenant));
	outbuf_byte(out, '\n');
}

static void print(struct suppress *suppress, struct slice address, struct slice tenant, const struct suppression *entry)
{
	if (suppress->arguments->json)
		print_json(&suppress->out, address, tenant, entry);
	else
		print_text(&suppress->out, address, tenant, entry);
	if (suppress->out.len >= PIECE) {
		console_print(&suppress->out);
		outbuf_reset(&suppress->out);
	}
}

static bool is_over(const struct suppression *entry)
{
	return entry->until_s && entry->until_s * 1000 <= console_wall_ms();
}

/* One command of the SCAN kind over a key: *cursor moves on. NULL when Redis did not answer. */
static struct redisReply *scan(struct suppress *suppress, const char *command, struct slice key, struct slice pattern,
			       char *cursor, size_t size)
{
	struct slice argv[] = {slice_of(command), key,		slice_of(cursor), SLICE("MATCH"), pattern,
			       SLICE("COUNT"),	  SLICE("1000")};
	struct redisReply *reply = client_ask(&suppress->client, argv, 7);

	if (reply)
		snprintf(cursor, size, "%.*s", SLICE_ARG(reply_text_at(reply, 0)));
	return reply;
}

/* A name as a pattern that fits it and nothing else. */
static void escape(struct outbuf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (slice_find(SLICE("*?[]\\^"), text.ptr[i]) < 6)
			outbuf_byte(out, '\\');
		outbuf_byte(out, text.ptr[i]);
	}
}

/* Tells the entries of a domain that fit; how many, or -1 when Redis did not answer. what: the address they are all of;
 * empty: made from the field. */
static int tell_domain(struct suppress *suppress, struct slice domain, struct slice pattern, struct slice what)
{
	struct outbuf key = {0}, address = {0};
	char cursor[32] = "0";
	int told = 0;

	outbuf_add(&key, suppress_key(suppress, domain, ":suppressed:"));
	outbuf_add(&key, domain);
	do {
		struct redisReply *reply = scan(suppress, "HSCAN", outbuf_slice(&key), pattern, cursor, sizeof(cursor));
		const struct redisReply *found = reply && reply->elements == 2 ? reply->element[1] : NULL;

		for (size_t i = 0; found && i + 1 < found->elements; i += 2) {
			struct slice local = reply_text_at(found, i), tenant = slice_until(&local, ':');
			struct suppression entry;

			if (!suppression_read(reply_text_at(found, i + 1), &entry) || is_over(&entry) ||
			    (what.len == 0 && entry.counts) ||
			    (suppress->reason.len && !slice_is(suppress->reason, entry.reason)))
				continue;
			outbuf_reset(&address);
			outbuf_printf(&address, "%.*s@%.*s", SLICE_ARG(local), SLICE_ARG(domain));
			print(suppress, what.len ? what : outbuf_slice(&address), tenant, &entry);
			told++;
		}
		told = reply ? told : -1;
		if (reply)
			freeReplyObject(reply);
	} while (told >= 0 && !slice_is(slice_of(cursor), SLICE("0")));
	outbuf_free(&key);
	outbuf_free(&address);
	return told;
}

bool suppress_check(struct suppress *suppress, const struct mailbox *mailbox)
{
	struct slice address = mailbox_address(mailbox);
	struct outbuf field = {0};
	int told = 0;

	/* Everybody's, then the tenant's, or whosever. */
	for (int pass = suppress->has_tenant ? 0 : 1; told >= 0 && pass < 2; pass++) {
		struct slice tenant = pass == 0 ? SLICE_NONE : suppress->tenant, found;
		int n;

		outbuf_reset(&field);
		suppression_field(&field, tenant, address);
		found = outbuf_slice(&field);
		outbuf_reset(&suppress->scratch);
		if (!suppress->has_tenant)
			outbuf_byte(&suppress->scratch, '*');
		escape(&suppress->scratch, found);
		n = tell_domain(suppress, mailbox_domain(mailbox), outbuf_slice(&suppress->scratch), address);
		told = n < 0 ? -1 : told + n;
	}
	if (told == 0)
		print(suppress, address, SLICE_NONE, NULL);
	outbuf_free(&field);
	return told >= 0;
}

/* All domains of a shard. */
static bool list_shard(struct suppress *suppress, unsigned shard, struct slice pattern)
{
	struct outbuf key = {0};
	char cursor[32] = "0";
	bool good = true;

	outbuf_add(&key, client_key(&suppress->client, "{%u}:suppressed", shard));
	do {
		struct redisReply *reply =
			scan(suppress, "ZSCAN", outbuf_slice(&key), SLICE("*"), cursor, sizeof(cursor));
		const struct redisReply *domains = reply && reply->elements == 2 ? reply->element[1] : NULL;

		good = reply != NULL;
		for (size_t i = 0; good && domains && i < domains->elements; i += 2)
			good = tell_domain(suppress, reply_text_at(domains, i), pattern, SLICE_NONE) >= 0;
		if (reply)
			freeReplyObject(reply);
	} while (good && !slice_is(slice_of(cursor), SLICE("0")));
	outbuf_free(&key);
	return good;
}

int suppress_list(struct suppress *suppress)
{
	const char *reason = argument_value(suppress->arguments, "--reason");
	struct outbuf pattern = {0};
	bool good = true;

	if (suppress->arguments->nwords > 1) {
		console_say("found an address after suppress list; hikyaku suppress check has those");
		return EXIT_USAGE;
	}
	suppress->reason = slice_of(reason);
	if (suppress->has_tenant) {
		escape(&pattern, suppress->tenant);
		outbuf_byte(&pattern, ':');
	}
	outbuf_byte(&pattern, '*');
	for (unsigned shard = 0; good && shard < suppress->nshards; shard++)
		good = list_shard(suppress, shard, outbuf_slice(&pattern));
	outbuf_free(&pattern);
	return good ? EXIT_DONE : suppress->client.status;
}
