/* A poll for each subject (campaign, tenant, source) and each thing it may be bad at. Polls are made with the first bad
 * meeting, so that a campaign nobody complains of costs nothing, and forgotten when there are too many. */
#include "watch.h"

#include "event.h"
#include "target.h"

#include "base/check.h"
#include "base/log.h"
#include "queue/notes.h"
#include "queue/record.h"
#include "scheduler/alarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLLS_MAX = 10000, KEY_MAX = 600, AGAIN_MS = 600000 /* after an alarm, before there can be another */ };

struct entry {
	struct map_node node;
	struct poll poll;
	uint64_t raised_ms;
	char key[];
};

/* What may be bad about it, and how it is called. */
struct vice {
	const char *name;
	enum category category;
	int percent;	     /* the configured bound; 0: not watched */
	unsigned voices_min; /* sites that must agree */
	unsigned heard_min;
	double raise;
};

/* Whom an alarm is about: one or two keys of a match. */
struct subject {
	const char *kind;
	struct slice campaign, tenant, source;
};

static struct poll_terms terms_of(const struct vice *vice, uint64_t window_ms)
{
	return (struct poll_terms){.bound = vice->percent / 100.0,
				   .raise = vice->raise,
				   .voices_min = vice->voices_min,
				   .heard_min = vice->heard_min,
				   .window_ms = window_ms};
}

static struct entry *entry_get(struct watch *watch, struct slice key, bool make)
{
	struct map_node *node = map_find(&watch->polls, key);
	struct entry *entry;

	if (node || !make)
		return node ? MAP_OWNER(node, struct entry, node) : NULL;
	if (watch->polls.count >= POLLS_MAX)
		watch_free(watch);
	entry = calloc(1, sizeof(*entry) + key.len);
	CHECK(entry != NULL);
	memcpy(entry->key, key.ptr, key.len);
	map_add(&watch->polls, &entry->node, (struct slice){entry->key, key.len});
	return entry;
}

static void write_match(struct outbuf *out, const struct subject *subject)
{
	outbuf_byte(out, '{');
	if (subject->campaign.len)
		outbuf_json_text(out, "campaign", subject->campaign);
	if (subject->tenant.len)
		outbuf_json_text(out, "tenant", subject->tenant);
	if (subject->source.len)
		outbuf_json_text(out, "source", subject->source);
	outbuf_byte(out, '}');
}

static void tell(struct worker *worker, const struct subject *subject, const struct vice *vice,
		 struct poll_figures figures)
{
	bool pauses = worker->config->alarms.pause;
	struct slice name = subject->source.len	    ? subject->source
			    : subject->campaign.len ? subject->campaign
						    : subject->tenant;
	struct outbuf match = {0}, text = {0}, data = {0};

	write_match(&match, subject);
	outbuf_printf(&text, "%s %.*s: %s, %u of the last %u at %u of %u sites, where %d %% are all right%s",
		      subject->kind, SLICE_ARG(name), vice->name, figures.met, figures.seen, figures.against,
		      figures.heard, vice->percent, pauses ? "; it is paused" : "");
	log_warning("%s", LOG_TEXT(outbuf_slice(&text)));
	event_begin(&data, worker);
	outbuf_json_text(&data, "alarm", slice_of(subject->kind));
	outbuf_json_raw(&data, "match", outbuf_slice(&match));
	outbuf_json_text(&data, "category", slice_of(category_name(vice->category)));
	outbuf_json_number(&data, "met", figures.met);
	outbuf_json_number(&data, "seen", figures.seen);
	outbuf_json_number(&data, "sites_against", figures.against);
	outbuf_json_number(&data, "sites", figures.heard);
	outbuf_json_number(&data, "bound_percent", (uint64_t)vice->percent);
	outbuf_json_raw(&data, "paused", pauses ? SLICE("true") : SLICE("false"));
	outbuf_json_text(&data, "text", outbuf_slice(&text));
	outbuf_byte(&data, '}');
	notes_event(queue_notes(worker->queue), SLICE("alarm"), outbuf_slice(&data));
	if (pauses)
		notes_order(queue_notes(worker->queue), SLICE("pause"), outbuf_slice(&match), SLICE("alarm"));
	outbuf_free(&match);
	outbuf_free(&text);
	outbuf_free(&data);
}

static void meet(const struct delivery *delivery, const struct subject *subject, const struct vice *vice, bool met)
{
	struct worker *worker = delivery->worker;
	struct poll_terms terms = terms_of(vice, worker->config->alarms.window_ms);
	uint64_t now_ms = worker_now_ms(worker);
	char key[KEY_MAX];

	if (vice->percent == 0)
		return;
	int n = snprintf(key, sizeof(key), "%s %d %.*s\n%.*s\n%.*s", subject->kind, vice->category,
			 SLICE_ARG(slice_head(subject->campaign, 200)), SLICE_ARG(slice_head(subject->tenant, 100)),
			 SLICE_ARG(slice_head(subject->source, 100)));
	struct entry *entry = entry_get(&worker->watch, (struct slice){key, (size_t)n}, met);

	if (!entry)
		return;
	if (entry->poll.raised && now_ms - entry->raised_ms > AGAIN_MS)
		poll_calm(&entry->poll);
	if (!poll_meet(&entry->poll, &terms, slice_hash(site_name(delivery->lane->site)), met, now_ms))
		return;
	entry->raised_ms = now_ms;
	tell(worker, subject, vice, poll_figures(&entry->poll, &terms));
}

static void meet_campaign(const struct delivery *delivery, const struct vice *vice, bool met)
{
	struct list_parts parts;
	struct subject campaign = {.kind = "campaign"}, tenant = {.kind = "tenant"};

	if (!list_parse(delivery->list, &parts))
		return;
	campaign.campaign = parts.campaign;
	campaign.tenant = tenant.tenant = parts.tenant;
	if (parts.campaign.len)
		meet(delivery, &campaign, vice, met);
	if (parts.tenant.len)
		meet(delivery, &tenant, vice, met);
}

static void meet_source(const struct delivery *delivery, const struct vice *vice, bool met)
{
	const struct config_source *source = target_of(delivery->lane->site)->sources[delivery->lane->source];
	struct subject subject = {.kind = "source", .source = source ? source->name : SLICE_NONE};

	if (source)
		meet(delivery, &subject, vice, met);
}

void watch_meet(const struct delivery *delivery, const struct outcome *outcome)
{
	const struct config *config = delivery->worker->config;
	const struct vice invalid = {
		"unknown recipients", CATEGORY_INVALID_RECIPIENT, config->alarms.invalid_percent, 1, 5, 8};
	const struct vice spam = {"called spam", CATEGORY_SPAM_CONTENT, config->alarms.spam_percent, 1, 5, 8};
	const struct vice refused = {
		"refused for its reputation", CATEGORY_REPUTATION, config->alarms.reputation_percent, 3, 1, 4};
	enum category category = outcome->verdict.category;
	bool accepted = outcome->verdict.action == ACTION_DELIVERED;

	if (outcome->origin != ORIGIN_REMOTE || outcome->uncertain)
		return;
	if (accepted && delivery->worker->watch.polls.count == 0)
		return; /* as nearly always: there is nothing it could be counted in */
	if (accepted || (category == CATEGORY_INVALID_RECIPIENT && outcome->verdict.action == ACTION_NEVER))
		meet_campaign(delivery, &invalid, !accepted);
	if (accepted || category == CATEGORY_SPAM_CONTENT)
		meet_campaign(delivery, &spam, !accepted);
	if (accepted || category == CATEGORY_REPUTATION)
		meet_source(delivery, &refused, !accepted);
}

void watch_free(struct watch *watch)
{
	MAP_EACH (node, &watch->polls)
		free(MAP_OWNER(node, struct entry, node));
	map_free(&watch->polls);
}
