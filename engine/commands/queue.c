/* For a person at night with eighty thousand stuck messages: first where they are and why, in as many lines as there
 * are sites and reasons, the largest first, each with the reply that most of them got; then each one, if asked. Groups
 * are kept in memory, recipients are not. */
#include "console.h"
#include "waiting_shown.h"

#include "base/check.h"
#include "queue/control.h"
#include "queue/time.h"

#include <stdlib.h>
#include <string.h>

enum { GROUPS_MAX = 100000, GROUPS_SHOWN = 30, REPLIES_MAX = 16, REPLY_MAX = 80, NAME_MAX_SHOWN = 40 };

struct said {
	char text[REPLY_MAX + 1];
	uint64_t n;
};

struct group {
	struct map_far node; /* by name, place and reason */
	char *key, *reason;  /* owned; the reason is empty where replies are */
	struct slice name;
	enum waiting_place place;
	uint64_t n, first_ms, last_ms; /* when the first and the last of them are due */
	uint64_t oldest_ms;
	unsigned attempts; /* the most any has had */
	struct said said[REPLIES_MAX];
	unsigned nsaid;
};

struct listing {
	const struct arguments *arguments;
	struct reasons reasons;
	struct map groups;
	struct outbuf key, text, out;
	uint64_t total, limit, shown;
	bool rows;
};

/* Groups */

static struct group *group_of(struct listing *listing, const struct waiting *waiting, const struct reason *reason)
{
	struct slice name = waiting->site.len ? waiting->site : waiting->parts.domain;
	struct slice why = reason->reply.len ? SLICE_NONE : reason->text;
	struct map_node *node;

	if (listing->groups.count >= GROUPS_MAX)
		name = SLICE("(others)");
	outbuf_reset(&listing->key);
	outbuf_printf(&listing->key, "%.*s\n%d\n%.*s", SLICE_ARG(name), waiting->place, SLICE_ARG(why));
	node = map_find(&listing->groups, outbuf_slice(&listing->key));
	if (node)
		return MAP_OWNER(node, struct group, node);
	struct group *group = calloc(1, sizeof(*group));

	CHECK(group != NULL);
	group->key = slice_copy(outbuf_slice(&listing->key));
	group->name = slice_head(slice_of(group->key), name.len);
	group->reason = slice_copy(why);
	group->place = waiting->place;
	map_add_far(&listing->groups, &group->node, slice_of(group->key));
	return group;
}

/* The reply is counted; when there are too many different ones, only those that came first. */
static void group_hear(struct group *group, struct slice reply)
{
	struct slice text = slice_head(reply, REPLY_MAX);
	unsigned i = 0;

	while (i < group->nsaid && !slice_is(slice_of(group->said[i].text), text))
		i++;
	if (i == REPLIES_MAX)
		return;
	if (i == group->nsaid) {
		memcpy(group->said[i].text, text.ptr, text.len);
		group->nsaid++;
	}
	group->said[i].n++;
}

static const struct said *most_said(const struct group *group)
{
	const struct said *most = &group->said[0];

	for (unsigned i = 1; i < group->nsaid; i++)
		if (group->said[i].n > most->n)
			most = &group->said[i];
	return group->nsaid ? most : NULL;
}

static void group_add(struct group *group, const struct waiting *waiting, const struct reason *reason)
{
	const struct record *record = &waiting->record;

	group->n++;
	if (reason->until_ms && (!group->first_ms || reason->until_ms < group->first_ms))
		group->first_ms = reason->until_ms;
	if (reason->until_ms > group->last_ms)
		group->last_ms = reason->until_ms;
	if (!group->oldest_ms || record->queued_ms < group->oldest_ms)
		group->oldest_ms = record->queued_ms;
	if (record->attempt > group->attempts)
		group->attempts = record->attempt;
	if (reason->reply.len)
		group_hear(group, reason->reply);
}

/* Rows */

static void write_until(struct outbuf *out, uint64_t ms, uint64_t now_ms)
{
	char room[TIME_TEXT_MAX];
	struct slice text = time_text(ms < TIME_MS_MAX ? ms : 0, room);

	if (!waiting_is_due(ms))
		outbuf_printf(out, "%-11s", "-");
	else if (ms < now_ms + 20 * 3600000ull)
		outbuf_printf(out, "%-11.8s", text.ptr + 11);
	else
		outbuf_printf(out, "%-11.11s", text.ptr + 5);
}

static void row_text(struct listing *listing, const struct waiting *waiting, const struct reason *reason)
{
	struct outbuf *out = &listing->out;

	outbuf_printf(out, "%-34.*s %-8s %3u  ", SLICE_ARG(waiting->record.address), waiting_place_name(waiting->place),
		      waiting->record.attempt);
	write_until(out, reason->until_ms, listing->reasons.now_ms);
	outbuf_printf(out, " job %.*s  ", SLICE_ARG(waiting->record.job));
	waiting_clean(out, reason->text);
	outbuf_byte(out, '\n');
}

static void row_json(struct listing *listing, const struct waiting *waiting, const struct reason *reason)
{
	struct outbuf *out = &listing->out;

	waiting_json(out, waiting, reason);
	outbuf_json_text(out, "class", waiting->parts.transactional ? SLICE("transactional") : SLICE("bulk"));
	outbuf_json_text(out, "domain", waiting->parts.domain);
	outbuf_add(out, SLICE("}\n"));
}

static bool on_waiting(void *who, const struct waiting *waiting)
{
	struct listing *listing = who;
	struct reason reason = reason_of(&listing->reasons, waiting, &listing->text);

	if (++listing->total % 1000 == 0)
		console_progress("reading", listing->total, 0);
	if (!listing->rows) {
		group_add(group_of(listing, waiting, &reason), waiting, &reason);
		return true;
	}
	if (listing->arguments->json)
		row_json(listing, waiting, &reason);
	else
		row_text(listing, waiting, &reason);
	if (++listing->shown % 100 == 0 || listing->shown == listing->limit) {
		bool read = console_print(&listing->out);

		outbuf_reset(&listing->out);
		return read && listing->shown != listing->limit;
	}
	return true;
}

/* The summary */

static int by_size(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

	return (x->n < y->n) - (x->n > y->n);
}

static struct group **sorted(const struct listing *listing)
{
	struct group **groups = calloc(listing->groups.count + 1, sizeof(struct group *));
	size_t n = 0;

	CHECK(groups != NULL);
	MAP_EACH (node, &listing->groups)
		groups[n++] = MAP_OWNER(node, struct group, node);
	qsort(groups, n, sizeof(struct group *), by_size);
	return groups;
}

static void group_text(struct listing *listing, const struct group *group)
{
	const struct said *said = most_said(group);
	struct outbuf *out = &listing->out;
	char age[32];

	outbuf_printf(out, "%9llu  %-*.*s %-8s %3u  ", (unsigned long long)group->n, NAME_MAX_SHOWN,
		      (int)(group->name.len < NAME_MAX_SHOWN ? group->name.len : NAME_MAX_SHOWN), group->name.ptr,
		      waiting_place_name(group->place), group->attempts);
	write_until(out, group->first_ms, listing->reasons.now_ms);
	outbuf_printf(out, " %-7s ",
		      console_span(listing->reasons.now_ms > group->oldest_ms
					   ? listing->reasons.now_ms - group->oldest_ms
					   : 0,
				   age, sizeof(age)));
	if (said && said->n < group->n)
		outbuf_printf(out, "%llu of them: ", (unsigned long long)said->n);
	waiting_clean(out, said ? slice_of(said->text) : slice_of(group->reason));
	outbuf_byte(out, '\n');
}

static void group_json(struct listing *listing, const struct group *group)
{
	const struct said *said = most_said(group);
	struct outbuf *out = &listing->out;

	outbuf_byte(out, '{');
	outbuf_json_number(out, "count", group->n);
	outbuf_json_text(out, "site", group->name);
	outbuf_json_text(out, "state", slice_of(waiting_place_name(group->place)));
	outbuf_json_number(out, "attempts_max", group->attempts);
	outbuf_json_number(out, "oldest", group->oldest_ms);
	if (group->first_ms)
		outbuf_json_number(out, "next", group->first_ms);
	if (group->last_ms)
		outbuf_json_number(out, "last", group->last_ms);
	if (group->reason[0])
		outbuf_json_text(out, "waits_for", slice_of(group->reason));
	if (said) {
		outbuf_json_text(out, "reply", slice_of(said->text));
		outbuf_json_number(out, "reply_count", said->n);
	}
	outbuf_add(out, SLICE("}\n"));
}

static void print_groups(struct listing *listing)
{
	struct group **groups = sorted(listing);
	size_t n = listing->groups.count;
	bool json = listing->arguments->json;

	if (!json)
		outbuf_printf(&listing->out, "%llu recipient%s wait\n", (unsigned long long)listing->total,
			      listing->total == 1 ? "" : "s");
	if (!json && n)
		outbuf_printf(&listing->out, "\n%9s  %-*s %-8s %5s %-11s %-7s %s\n", "waiting", NAME_MAX_SHOWN, "site",
			      "state", "tries", "next (UTC)", "oldest", "why");
	for (size_t i = 0; i < n && (json || i < GROUPS_SHOWN); i++)
		if (json)
			group_json(listing, groups[i]);
		else
			group_text(listing, groups[i]);
	if (!json && n > GROUPS_SHOWN)
		outbuf_printf(&listing->out, "and %zu more lines; --json has all\n", n - GROUPS_SHOWN);
	if (!json && n)
		outbuf_printf(&listing->out,
			      "\n--all lists each one; hikyaku retry tries them now, cancel ends them\n");
	console_print(&listing->out);
	free(groups);
}

static void listing_free(struct listing *listing)
{
	MAP_EACH (node, &listing->groups) {
		struct group *group = MAP_OWNER(node, struct group, node);

		free(group->key);
		free(group->reason);
		free(group);
	}
	map_free(&listing->groups);
	outbuf_free(&listing->key);
	outbuf_free(&listing->text);
	outbuf_free(&listing->out);
}

static int list(struct client *client, struct listing *listing, const struct match *match)
{
	struct queue_reader reader;
	bool all;

	reasons_read(&listing->reasons, client);
	queue_reader_open(&reader, client, match);
	if (listing->rows && !listing->arguments->json)
		outbuf_printf(&listing->out, "%-34s %-8s %5s %-11s %s\n", "recipient", "state", "tries", "next (UTC)",
			      "why");
	all = queue_reader_read(&reader, on_waiting, listing);
	console_progress_end();
	queue_reader_close(&reader);
	if (listing->rows)
		console_print(&listing->out);
	else if (all)
		print_groups(listing);
	reasons_free(&listing->reasons);
	return client->status;
}

static bool read_limit(struct listing *listing)
{
	const char *limit = argument_value(listing->arguments, "--limit");

	listing->rows = limit || argument_is_given(listing->arguments, "--all");
	if (!limit || (slice_number(slice_of(limit), UINT32_MAX, &listing->limit) && listing->limit > 0))
		return true;
	console_say("--limit \"%.40s\": expected a number from 1 on", limit);
	return false;
}

int command_queue(const struct arguments *arguments)
{
	struct listing listing = {.arguments = arguments};
	struct match match = {0};
	struct refusal refusal;
	struct client client;
	int status;

	if (arguments->nwords && (!match_words(&match, arguments->words, arguments->nwords, &refusal) ||
				  !control_check(SLICE("queue"), &match, &refusal))) {
		console_say("queue: %s", refusal.message);
		match_free(&match);
		return EXIT_USAGE;
	}
	status = read_limit(&listing) ? client_open(&client, arguments) : EXIT_USAGE;
	if (status == EXIT_DONE) {
		status = list(&client, &listing, arguments->nwords ? &match : NULL);
	}
	if (status != EXIT_USAGE)
		client_close(&client);
	listing_free(&listing);
	match_free(&match);
	return status;
}
