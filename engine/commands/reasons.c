/* An engine tells about once a second what its lanes wait for; only the lanes of sites that it shows are known, the
 * waiting ones before the others. */
#include "reasons.h"

#include "console.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { WORKERS = 64, NAME_ROOM = 128, FAR_MS = 86400000 };

static void read_workers(struct reasons *reasons, struct client *client, const char *instance)
{
	for (unsigned i = 0; i < WORKERS && client->redis; i++) {
		struct redisReply *reply = client_ask(
			client, (struct slice[]){SLICE("GET"), client_key(client, "status:%s:%u", instance, i)}, 2);
		struct slice text = reply_text(reply);
		json_t *worker = text.ptr ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;

		if (reply)
			freeReplyObject(reply);
		if (!worker)
			return;
		json_array_append_new(reasons->workers, worker);
	}
}

void reasons_read(struct reasons *reasons, struct client *client)
{
	char instance[NAME_ROOM];

	*reasons = (struct reasons){.workers = json_array(), .now_ms = console_wall_ms()};
	pauses_read(&reasons->pauses, client);
	reasons->alive = client_engine(client, instance, sizeof(instance));
	if (reasons->alive)
		read_workers(reasons, client, instance);
}

void reasons_free(struct reasons *reasons)
{
	pauses_free(&reasons->pauses);
	json_decref(reasons->workers);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* The lane of that site which is the reason: one that waits for something, if any does. */
static const json_t *lane_of(const struct reasons *reasons, struct slice name)
{
	const json_t *worker, *site, *lane, *found = NULL;
	size_t at, i, j;

	json_array_foreach(reasons->workers, at, worker) json_array_foreach(json_object_get(worker, "sites"), i, site)
	{
		if (!slice_is(slice_of(text_of(site, "site")), name))
			continue;
		json_array_foreach(json_object_get(site, "lanes"), j, lane)
		{
			const char *waits = text_of(lane, "waits");

			if (!found || (strcmp(waits, "nothing") != 0 && strcmp(waits, "mail") != 0))
				found = lane;
		}
	}
	return found;
}

static struct reason by_lane(const struct reasons *reasons, const struct waiting *waiting, struct outbuf *buffer)
{
	const json_t *lane = waiting->site.len ? lane_of(reasons, waiting->site) : NULL;
	const char *waits = lane ? text_of(lane, "waits") : "";
	struct reason reason = {.text = SLICE("its turn")};

	if (!reasons->alive)
		reason.text = SLICE("no engine runs");
	if (!reasons->alive || !lane || strcmp(waits, "nothing") == 0 || strcmp(waits, "mail") == 0)
		return reason;
	outbuf_printf(buffer, "%s: %s", waits, text_of(lane, "waits_for"));
	if (*text_of(lane, "why"))
		outbuf_printf(buffer, ": %.80s", text_of(lane, "why"));
	reason.text = outbuf_slice(buffer);
	reason.until_ms = (uint64_t)json_integer_value(json_object_get(lane, "until"));
	return reason;
}

static const struct pause *pause_over(const struct reasons *reasons, const struct waiting *waiting)
{
	struct match_facts facts = {.known = 0};

	match_know_list(&facts, waiting->list);
	match_know(&facts, MATCH_JOB, waiting->record.job);
	match_know(&facts, MATCH_SITE, waiting->site);
	return pauses_over(&reasons->pauses, &facts);
}

static struct reason by_time(const struct waiting *waiting)
{
	struct slice reply = pack_get(waiting->record.extras, SLICE("e"));
	struct reason reason = {.text = SLICE("not before its time"), .until_ms = waiting->due_ms};

	if (reply.len)
		reason.text = reason.reply = reply;
	else if (waiting->record.attempt)
		reason.text = SLICE("to be tried again");
	return reason;
}

struct reason reason_of(const struct reasons *reasons, const struct waiting *waiting, struct outbuf *buffer)
{
	const struct pause *pause = pause_over(reasons, waiting);
	struct reason reason = {.text = SLICE("an engine has it in hand")};

	outbuf_reset(buffer);
	if (waiting->place == WAITING_HELD) {
		reason.reply = pack_get(waiting->record.extras, SLICE("e"));
		outbuf_printf(buffer, "waits for hikyaku retry or cancel%s%.*s", reason.reply.len ? ": " : "",
			      SLICE_ARG(reason.reply));
		reason.text = outbuf_slice(buffer);
	} else if (pause && waiting->place != WAITING_LEASED) {
		outbuf_printf(buffer, "paused: ");
		pause_write(pause, buffer);
		reason = (struct reason){.text = outbuf_slice(buffer), .until_ms = pause->until_ms};
	} else if (waiting->place == WAITING_DEFERRED) {
		reason = by_time(waiting);
	} else if (waiting->place == WAITING_QUEUED) {
		reason = by_lane(reasons, waiting, buffer);
	} else if (waiting->place == WAITING_LEASED) {
		struct reason found = by_lane(reasons, waiting, buffer);

		reason = buffer->len ? found : reason; /* in hand, and waiting there */
	}
	return reason;
}
