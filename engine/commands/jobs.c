/* Jobs are found by scanning for their public hashes: there is no list of them in Redis, because nobody who sends needs
 * one. The scan is bounded, and so is what is kept of it. */
#include "client.h"
#include "console.h"

#include "base/check.h"
#include "queue/time.h"

#include <stdlib.h>

enum { JOBS_MAX = 100000, JOBS_SHOWN = 100, PIPELINE = 200 };

enum {
	STATE,
	TOTAL,
	QUEUED,
	DEFERRED,
	HELD,
	DELIVERED,
	FAILED,
	EXPIRED,
	CANCELLED,
	SUPPRESSED,
	REJECTED,
	CREATED,
	FINISHED,
	FIELDS
};

static const char *const names[FIELDS] = {"state",     "total",	  "queued",  "deferred",  "held",
					  "delivered", "failed",  "expired", "cancelled", "suppressed",
					  "rejected",  "created", "finished"};

struct entry {
	char *name; /* owned: TENANT:ID */
	char *state;
	uint64_t values[FIELDS];
};

struct listing {
	struct client *client;
	struct entry *entries;
	unsigned n;
};

/* One page of the scan; the cursor of the next one, 0 at the end. */
static uint64_t scan(struct listing *listing, uint64_t cursor)
{
	struct client *client = listing->client;
	size_t front = client_key(client, "job:").len;
	char number[24];
	struct slice argv[] = {
		SLICE("SCAN"),	{number, (size_t)snprintf(number, sizeof(number), "%llu", (unsigned long long)cursor)},
		SLICE("MATCH"), client_key(client, "job:*"),
		SLICE("COUNT"), SLICE("1000")};
	struct redisReply *reply = client_ask(client, argv, 6), *found;

	cursor = reply_number_at(reply, 0);
	found = reply && reply->elements == 2 ? reply->element[1] : NULL;
	for (size_t i = 0; found && i < found->elements && listing->n < JOBS_MAX; i++) {
		struct slice name = slice_skip(reply_text_at(found, i), front);

		listing->entries = realloc(listing->entries, (listing->n + 1) * sizeof(*listing->entries));
		CHECK(listing->entries != NULL);
		listing->entries[listing->n++] = (struct entry){.name = slice_copy(name)};
	}
	if (reply)
		freeReplyObject(reply);
	return listing->n < JOBS_MAX ? cursor : 0;
}

static void take(struct entry *entry, const struct redisReply *reply)
{
	entry->state = slice_copy(reply_text_at(reply, STATE));
	for (size_t i = TOTAL; i < FIELDS; i++)
		entry->values[i] = reply_number_at(reply, i);
}

/* The fields of n jobs from there on, in one round trip. */
static bool fill(struct listing *listing, unsigned first, unsigned n)
{
	struct client *client = listing->client;
	struct slice argv[2 + FIELDS] = {SLICE("HMGET")};

	for (int i = 0; i < FIELDS; i++)
		argv[2 + i] = slice_of(names[i]);
	for (unsigned i = first; i < first + n; i++) {
		argv[1] = client_key(client, "job:%s", listing->entries[i].name);
		redis_sync_append(client->redis, argv, 2 + FIELDS);
	}
	for (unsigned i = first; i < first + n; i++) {
		struct redisReply *reply = redis_sync_reply(client->redis);

		if (!reply)
			return false;
		take(&listing->entries[i], reply);
		freeReplyObject(reply);
	}
	return true;
}

static int by_created(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->values[CREATED] < y->values[CREATED]) - (x->values[CREATED] > y->values[CREATED]);
}

static void print_json(const struct entry *entry, struct outbuf *out)
{
	struct slice id = slice_of(entry->name), tenant = slice_until(&id, ':');

	outbuf_byte(out, '{');
	outbuf_json_text(out, "job", id);
	outbuf_json_text(out, "tenant", tenant);
	outbuf_json_text(out, "state", slice_of(entry->state));
	for (int i = TOTAL; i < FIELDS; i++)
		if (i < CREATED || entry->values[i])
			outbuf_json_number(out, names[i], entry->values[i]);
	outbuf_add(out, SLICE("}\n"));
}

static void print_text(const struct entry *entry, struct outbuf *out)
{
	struct slice id = slice_of(entry->name), tenant = slice_until(&id, ':');
	const uint64_t *v = entry->values;
	char room[TIME_TEXT_MAX];

	outbuf_printf(out, "%.19s  %-9s %9llu %9llu %9llu %9llu  %.*s%s%.*s\n", time_text(v[CREATED], room).ptr,
		      entry->state, (unsigned long long)v[TOTAL], (unsigned long long)v[DELIVERED],
		      (unsigned long long)(v[FAILED] + v[EXPIRED] + v[CANCELLED] + v[SUPPRESSED] + v[REJECTED]),
		      (unsigned long long)(v[QUEUED] + v[DEFERRED] + v[HELD]), SLICE_ARG(id), tenant.len ? "  of " : "",
		      SLICE_ARG(tenant));
}

static void print(const struct listing *listing, bool json)
{
	struct outbuf out = {0};
	unsigned shown = json || listing->n < JOBS_SHOWN ? listing->n : JOBS_SHOWN;

	if (!json)
		outbuf_printf(&out, "%-19s  %-9s %9s %9s %9s %9s  %s\n", "created", "state", "total", "delivered",
			      "not", "waiting", "job");
	for (unsigned i = 0; i < shown; i++)
		if (json)
			print_json(&listing->entries[i], &out);
		else
			print_text(&listing->entries[i], &out);
	if (shown < listing->n)
		outbuf_printf(&out, "and %u older ones; --json lists all\n", listing->n - shown);
	console_print(&out);
	outbuf_free(&out);
}

static int list(struct client *client, bool json)
{
	struct listing listing = {.client = client};
	uint64_t cursor = 0;
	int status;

	do
		cursor = scan(&listing, cursor);
	while (cursor && client->redis);
	for (unsigned i = 0; client->redis && i < listing.n; i += PIPELINE)
		if (!fill(&listing, i, listing.n - i < PIPELINE ? listing.n - i : PIPELINE))
			client->status = EXIT_UNREACHABLE;
	status = client->status;
	if (status == EXIT_DONE) {
		qsort(listing.entries, listing.n, sizeof(*listing.entries), by_created);
		print(&listing, json);
	}
	for (unsigned i = 0; i < listing.n; i++) {
		free(listing.entries[i].name);
		free(listing.entries[i].state);
	}
	free(listing.entries);
	return status;
}

int command_jobs(const struct arguments *arguments)
{
	struct client client;
	int status = client_open(&client, arguments);

	if (status == EXIT_DONE)
		status = list(&client, arguments->json);
	client_close(&client);
	return status;
}
