/* A batch is an errand whose words are encoded as the settlements come: one growing buffer per batch, none per
 * settlement. Batches rest after use, so in a steady state nothing is allocated.
 *
 * A batch is as large as 5 ms make it, because Redis pays for each job that a batch names (its counters are read and
 * written once), and with fsync always for each turn of its loop, in which it reads 16 KB of a connection (measured:
 * 13,000 a second in batches of 32, 50,000 in batches of 128).
 *
 * A batch that Redis answers with an error is asked again in a second for as long as it takes: each item is harmless to
 * repeat, and forgetting one would lose an outcome. */
#include "queue/settle.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>

enum { ITEMS_MAX = 128, BYTES_MAX = 256 << 10, WAIT_MS_MAX = 5 };

struct batch {
	struct errand errand;
	struct settle *settle; /* parent */
	struct outbuf head;    /* the first word of the item at hand */
	struct outbuf job;     /* tenant:job of the last item, which one of the same need not name again */
	unsigned items;
	uint32_t marks[ITEMS_MAX]; /* of the items */
};

static void batch_rest(struct batch *batch)
{
	if (batch->errand.words.size > 2 * BYTES_MAX)
		outbuf_free(&batch->errand.words);
	list_push_front(&batch->settle->resting, &batch->errand.link);
}

static void count(struct settle *settle, struct slice letters)
{
	for (size_t i = 0; i < letters.len; i++) {
		settle->done += letters.ptr[i] == 'O';
		settle->already += letters.ptr[i] == 'A';
		settle->stale += letters.ptr[i] == 'S';
	}
}

static void on_settled(struct errand *errand, const struct redisReply *reply)
{
	struct batch *batch = LIST_OWNER(errand, struct batch, errand);
	struct settle *settle = batch->settle;
	struct slice letters = resp_text(reply);
	uint64_t stale = settle->stale;

	if (!reply) {
		batch_rest(batch);
		return;
	}
	if (resp_error(reply) != RESP_FINE || letters.len != batch->items) {
		if (!settle->complained)
			log_error("settling %u deliveries: Redis answers \"%s\"; trying again", batch->items,
				  LOG_TEXT(letters));
		settle->complained = true;
		errand_postpone(errand);
		return;
	}
	settle->complained = false;
	count(settle, letters);
	settle->unsettled -= batch->items;
	for (unsigned i = 0; i < batch->items; i++)
		if (batch->marks[i])
			settle->acknowledged(settle, batch->marks[i]);
	batch_rest(batch);
	settle->settled(settle, settle->stale > stale);
}

static struct batch *batch_begin(struct settle *settle)
{
	struct list *link = list_pop(&settle->resting);
	struct batch *batch = link ? LIST_OWNER(link, struct batch, errand.link) : calloc(1, sizeof(*batch));

	CHECK(batch != NULL);
	batch->settle = settle;
	batch->items = 0;
	outbuf_reset(&batch->job);
	errand_init(&batch->errand, on_settled);
	errand_word(&batch->errand, SLICE("FCALL"));
	errand_word(&batch->errand, SLICE("hikyaku_settle"));
	errand_word(&batch->errand, SLICE("1"));
	errand_word(&batch->errand, settle->shard->base);
	errand_word(&batch->errand, settle->shard->instance);
	errand_number(&batch->errand, settle->shard->epoch);
	return batch;
}

/* queue.lua's letters for the types of events. */
static char letter_of(struct slice type)
{
	static const struct {
		struct slice type;
		char letter;
	} letters[] = {
		{SLICE("delivered"), 'd'}, {SLICE("deferred"), 'l'},  {SLICE("failed"), 'f'},
		{SLICE("expired"), 'e'},   {SLICE("cancelled"), 'c'}, {SLICE("suppressed"), 's'},
		{SLICE("rejected"), 'r'},  {SLICE("held"), 'h'},      {SLICE("uncertain"), 'u'},
		{SLICE(""), '-'},
	};

	for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (slice_is(type, letters[i].type))
			return letters[i].letter;
	CHECK(!"an event of no known type");
	return '-';
}

static bool is_same_job(const struct outbuf *named, const struct settlement *settlement)
{
	struct slice both = outbuf_slice(named);

	return both.len == settlement->tenant.len + 1 + settlement->job.len && slice_starts(both, settlement->tenant) &&
	       slice_is(slice_skip(both, settlement->tenant.len + 1), settlement->job);
}

static void batch_name_job(struct batch *batch, const struct settlement *settlement)
{
	if (is_same_job(&batch->job, settlement))
		return;
	outbuf_reset(&batch->job);
	outbuf_add(&batch->job, settlement->tenant);
	outbuf_byte(&batch->job, ':');
	outbuf_add(&batch->job, settlement->job);
	errand_word(&batch->errand, SLICE("j"));
	errand_word(&batch->errand, settlement->tenant);
	errand_word(&batch->errand, settlement->job);
}

/* Verb, event, position and lease in one word. */
static struct slice head_of(struct outbuf *head, const struct settlement *settlement)
{
	bool has_before = settlement->before_type.len > 0;

	CHECK(settlement->position <= UINT8_MAX);
	outbuf_reset(head);
	outbuf_byte(head, (char)(has_before ? settlement->verb - 'a' + 'A' : settlement->verb));
	outbuf_byte(head, letter_of(settlement->type));
	outbuf_byte(head, (char)settlement->position);
	outbuf_number(head, settlement->lease);
	return outbuf_slice(head);
}

/* An item has as many words as its verb needs (queue.lua): most are final, and Redis pays for each word. */
static void batch_add(struct batch *batch, const struct settlement *settlement)
{
	struct errand *errand = &batch->errand;

	batch_name_job(batch, settlement);
	errand_word(errand, head_of(&batch->head, settlement));
	errand_number(errand, settlement->index);
	errand_word(errand, settlement->to);
	errand_word(errand, settlement->data);
	if (settlement->verb != SETTLE_FINAL) {
		errand_number(errand, settlement->delay_ms);
		errand_word(errand, settlement->list);
		errand_word(errand, settlement->record);
	}
	if (settlement->before_type.len) {
		errand_word(errand, settlement->before_type);
		errand_word(errand, settlement->before_data);
	}
	batch->marks[batch->items++] = settlement->mark;
}

void settle_now(struct settle *settle)
{
	struct batch *batch = settle->filling;

	if (!batch)
		return;
	settle->filling = NULL;
	ring_timer_stop(settle->ring, &settle->timer);
	errand_send(settle->errands, &batch->errand);
}

void settle_add(struct settle *settle, const struct settlement *settlement)
{
	if (!settle->filling) {
		settle->filling = batch_begin(settle);
		ring_timer(settle->ring, &settle->timer, ring_now_ms(settle->ring) + WAIT_MS_MAX);
	}
	struct batch *batch = settle->filling;

	batch_add(batch, settlement);
	settle->unsettled++;
	if (batch->items >= ITEMS_MAX || batch->errand.words.len > BYTES_MAX)
		settle_now(settle);
}

static void on_time(struct timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	settle_now(LIST_OWNER(timer, struct settle, timer));
}

void settle_open(struct settle *settle, struct ring *ring, struct errands *errands, const struct shard *shard,
		 void (*settled)(struct settle *settle, bool fenced))
{
	*settle = (struct settle){.ring = ring, .errands = errands, .shard = shard, .settled = settled};
	list_init(&settle->resting);
	timer_init(&settle->timer, on_time);
}

void settle_free(struct settle *settle)
{
	struct list *link;

	ring_timer_stop(settle->ring, &settle->timer);
	if (settle->filling)
		batch_rest(settle->filling);
	settle->filling = NULL;
	while ((link = list_pop(&settle->resting))) {
		struct batch *batch = LIST_OWNER(link, struct batch, errand.link);

		outbuf_free(&batch->errand.words);
		outbuf_free(&batch->head);
		outbuf_free(&batch->job);
		free(batch);
	}
}
