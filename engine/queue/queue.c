/* One connection, and on it: a question for changed lists every 10 ms (at once again when the answer was full), leases
 * and fetches as errands, settlements as batches of errands.
 *
 * The sequence numbers of `changed` start at 0 again after each loss. A Redis that lost its last second counts from
 * less than we have seen, and lists that changed then would never be told; telling all of them again costs little.
 *
 * A lease number is worker and count, used once under an epoch: a lease of that number in Redis is this very one, asked
 * before its reply was lost. */
#include "queue/queue.h"

#include "base/check.h"
#include "base/log.h"
#include "queue/notes.h"

#include <stdlib.h>

enum { LOOK_MS = 10, CHANGED_MAX = 128, STATUS_SECONDS = 10, COUNT_BITS = 32 };

/* One call of hikyaku_lease. */
struct lease {
	struct errand errand;
	struct queue *queue; /* parent */
	uint64_t number;
};

struct fetch {
	struct errand errand;
	struct queue *queue;	    /* parent */
	struct queue_fetch *wanted; /* borrowed from its owner */
};

struct queue {
	struct ring *ring; /* borrowed */
	struct queue_setup setup;
	struct queue_owner owner;
	struct redis *redis; /* owned */
	struct errands errands;
	struct settle settle;
	struct notes notes;
	struct shard shard;
	struct outbuf base, probe; /* texts of shard.base and the connection's probe */
	struct outbuf words;	   /* scratch */
	uint32_t leases;	   /* how many were asked */
	struct list resting;	   /* owned leases */
	bool away, fenced;

	struct redis_ask look; /* hikyaku_changed */
	bool looking, look_again;
	uint64_t since[2];  /* of bulk, and of transactional mail */
	struct timer timer; /* the next look */

	struct redis_ask status;
	bool status_asked;

	bool closing, leaving; /* queue_close was called; the connection is being closed */
	struct timer deadline;
	void (*done)(void *who);
	void *done_who;
};

static void fence(struct queue *queue)
{
	if (queue->fenced)
		return;
	queue->fenced = true;
	ring_timer_stop(queue->ring, &queue->timer);
	queue->owner.fenced(queue->owner.who);
}

static void on_gone(void *who)
{
	struct queue *queue = who;

	queue->done(queue->done_who);
}

static void leave(struct queue *queue)
{
	if (queue->leaving)
		return;
	queue->leaving = true;
	ring_timer_stop(queue->ring, &queue->timer);
	ring_timer_stop(queue->ring, &queue->deadline);
	redis_close(queue->redis, on_gone, queue);
}

static void leave_if_over(struct queue *queue)
{
	if (queue->closing && errands_are_over(&queue->errands) && queue->settle.unsettled == 0)
		leave(queue);
}

void queue_look(struct queue *queue)
{
	struct outbuf *words = &queue->words;

	queue->look_again = queue->looking;
	if (queue->looking || queue->fenced || queue->closing || !redis_is_up(queue->redis))
		return;
	queue->looking = true;
	ring_timer_stop(queue->ring, &queue->timer);
	outbuf_reset(words);
	resp_argument(words, SLICE("FCALL"));
	resp_argument(words, SLICE("hikyaku_changed"));
	resp_argument(words, SLICE("1"));
	resp_argument(words, queue->shard.base);
	for (unsigned i = 0; i < 2; i++)
		resp_number(words, queue->since[i]);
	resp_number(words, CHANGED_MAX);
	redis_ask_encoded(queue->redis, &queue->look, outbuf_slice(words), 7);
}

static void on_look(struct redis_ask *ask, const struct redisReply *reply)
{
	struct queue *queue = LIST_OWNER(ask, struct queue, look);
	size_t n = resp_count(reply);

	queue->looking = false;
	if (!reply || queue->fenced || queue->closing)
		return;
	if (resp_error(reply) != RESP_FINE)
		log_error("asking for changed lists: Redis answers \"%s\"", LOG_TEXT(resp_text(reply)));
	for (size_t i = 0; i < n && i < 2; i++)
		queue->since[i] = resp_integer(resp_at(reply, i));
	for (size_t i = 2; i < n; i++)
		queue->owner.changed(queue->owner.who, resp_text(resp_at(reply, i)));
	if (n >= CHANGED_MAX + 2 || queue->look_again)
		queue_look(queue);
	else
		ring_timer(queue->ring, &queue->timer, ring_now_ms(queue->ring) + LOOK_MS);
}

static void on_timer(struct timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	queue_look(LIST_OWNER(timer, struct queue, timer));
}

static void on_deadline(struct timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	leave(LIST_OWNER(timer, struct queue, deadline));
}

static void lease_rest(struct lease *lease)
{
	list_push_front(&lease->queue->resting, &lease->errand.link);
}

/* The answer for one list begins at place; returns where the next one does, or 0 if this is none. */
static size_t lease_list(struct lease *lease, const struct redisReply *reply, size_t place)
{
	struct queue_owner *owner = &lease->queue->owner;
	size_t n = resp_count(reply);

	if (n - place < 3)
		return 0;
	struct leased leased = {.lease = lease->number, .list = resp_text(resp_at(reply, place))};
	uint64_t remaining = resp_integer(resp_at(reply, place + 1)), got = resp_integer(resp_at(reply, place + 2));

	place += 3;
	if (got > (n - place) / 2)
		return 0;
	for (uint64_t i = 0; i < got; i++, place += 2) {
		leased.position = (uint32_t)resp_integer(resp_at(reply, place));
		leased.record = resp_text(resp_at(reply, place + 1));
		owner->leased(owner->who, &leased);
	}
	owner->lease_over(owner->who, leased.list, (unsigned)got, remaining);
	return place;
}

static void lease_read(struct lease *lease, const struct redisReply *reply)
{
	size_t n = resp_count(reply), place = 0;

	do
		place = lease_list(lease, reply, place);
	while (place > 0 && place < n);
	if (place == 0)
		log_error("leasing: the answer of Redis is not what this version expects; is hikyaku_lease of another "
			  "one?");
}

static void on_lease(struct errand *errand, const struct redisReply *reply)
{
	struct lease *lease = LIST_OWNER(errand, struct lease, errand);
	struct queue *queue = lease->queue;
	enum resp_error error = resp_error(reply);

	if (error == RESP_FENCED)
		fence(queue);
	else if (error != RESP_FINE && !queue->closing) {
		log_error("leasing: Redis answers \"%s\"; trying again", LOG_TEXT(resp_text(reply)));
		errand_postpone(errand);
		return;
	} else if (reply && error == RESP_FINE)
		lease_read(lease, reply);
	lease_rest(lease);
	leave_if_over(queue);
}

static struct lease *lease_begin(struct queue *queue)
{
	struct list *link = list_pop(&queue->resting);
	struct lease *lease = link ? LIST_OWNER(link, struct lease, errand.link) : calloc(1, sizeof(*lease));

	CHECK(lease != NULL);
	lease->queue = queue;
	lease->number = (uint64_t)queue->setup.worker << COUNT_BITS | queue->leases++;
	errand_init(&lease->errand, on_lease);
	errand_word(&lease->errand, SLICE("FCALL"));
	errand_word(&lease->errand, SLICE("hikyaku_lease"));
	errand_word(&lease->errand, SLICE("1"));
	errand_word(&lease->errand, queue->shard.base);
	errand_word(&lease->errand, queue->shard.instance);
	errand_number(&lease->errand, queue->shard.epoch);
	errand_number(&lease->errand, lease->number);
	return lease;
}

void queue_lease(struct queue *queue, const struct lease_want *wants, unsigned nwants)
{
	unsigned records = 0;

	if (queue->fenced || queue->closing || nwants == 0)
		return;
	CHECK(nwants <= LEASE_LISTS_MAX);
	struct lease *lease = lease_begin(queue);

	for (unsigned i = 0; i < nwants; i++) {
		errand_word(&lease->errand, wants[i].list);
		errand_number(&lease->errand, wants[i].count);
		records += wants[i].count;
	}
	CHECK(records <= LEASE_RECORDS_MAX);
	errand_send(&queue->errands, &lease->errand);
}

void queue_settle(struct queue *queue, const struct settlement *settlement)
{
	settle_add(&queue->settle, settlement);
}

static void on_acknowledged(struct settle *settle, uint32_t mark)
{
	struct queue *queue = LIST_OWNER(settle, struct queue, settle);

	queue->owner.acknowledged(queue->owner.who, mark);
}

static void on_settled(struct settle *settle, bool fenced)
{
	struct queue *queue = LIST_OWNER(settle, struct queue, settle);

	if (fenced)
		fence(queue);
	leave_if_over(queue);
}

static void on_note(struct notes *notes)
{
	leave_if_over(LIST_OWNER(notes, struct queue, notes));
}

struct notes *queue_notes(struct queue *queue)
{
	return &queue->notes;
}

unsigned queue_unsettled(const struct queue *queue)
{
	return queue->settle.unsettled;
}

bool queue_is_away(const struct queue *queue)
{
	return queue->away;
}

static void on_fetched(struct errand *errand, const struct redisReply *reply)
{
	struct fetch *fetch = LIST_OWNER(errand, struct fetch, errand);
	struct queue *queue = fetch->queue;
	bool fine = resp_error(reply) == RESP_FINE;

	if (!fine)
		log_error("fetching from the queue: Redis answers \"%s\"", LOG_TEXT(resp_text(reply)));
	if (reply)
		fetch->wanted->fetched(fetch->wanted, fine ? resp_text(reply) : SLICE_NONE);
	outbuf_free(&errand->words);
	free(fetch);
	leave_if_over(queue);
}

static struct errand *fetch_begin(struct queue *queue, struct queue_fetch *wanted, struct slice command)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));

	CHECK(fetch != NULL);
	CHECK(wanted->fetched != NULL);
	fetch->queue = queue;
	fetch->wanted = wanted;
	errand_init(&fetch->errand, on_fetched);
	errand_word(&fetch->errand, command);
	return &fetch->errand;
}

void queue_fetch_body(struct queue *queue, struct queue_fetch *wanted, struct slice sha)
{
	struct errand *errand = fetch_begin(queue, wanted, SLICE("GET"));

	outbuf_reset(&queue->words);
	outbuf_add(&queue->words, queue->setup.prefix);
	outbuf_add(&queue->words, SLICE(":body:"));
	outbuf_add(&queue->words, sha);
	errand_word(errand, outbuf_slice(&queue->words));
	errand_send(&queue->errands, errand);
}

void queue_fetch_job(struct queue *queue, struct queue_fetch *wanted, struct slice tenant, struct slice job)
{
	struct errand *errand = fetch_begin(queue, wanted, SLICE("HGET"));

	outbuf_reset(&queue->words);
	outbuf_add(&queue->words, queue->shard.base);
	outbuf_add(&queue->words, SLICE(":job:"));
	outbuf_add(&queue->words, tenant);
	outbuf_byte(&queue->words, ':');
	outbuf_add(&queue->words, job);
	errand_word(errand, outbuf_slice(&queue->words));
	errand_word(errand, SLICE("meta"));
	errand_send(&queue->errands, errand);
}

static void on_status(struct redis_ask *ask, const struct redisReply *reply)
{
	(void)reply; /* the next one is a second away */
	LIST_OWNER(ask, struct queue, status)->status_asked = false;
}

void queue_put_status(struct queue *queue, struct slice json)
{
	struct outbuf key = {0};

	if (queue->status_asked || queue->leaving || !redis_is_up(queue->redis))
		return;
	outbuf_add(&key, queue->setup.prefix);
	outbuf_printf(&key, ":status:%.*s:%u", SLICE_ARG(queue->setup.instance), queue->setup.worker);
	outbuf_reset(&queue->words);
	resp_argument(&queue->words, SLICE("SET"));
	resp_argument(&queue->words, outbuf_slice(&key));
	resp_argument(&queue->words, json);
	resp_argument(&queue->words, SLICE("EX"));
	resp_number(&queue->words, STATUS_SECONDS);
	outbuf_free(&key);
	queue->status_asked = true;
	redis_ask_encoded(queue->redis, &queue->status, outbuf_slice(&queue->words), 5);
}

static void on_up(void *who)
{
	struct queue *queue = who;

	queue->away = false;
	queue->since[0] = queue->since[1] = 0;
	errands_up(&queue->errands);
	queue_look(queue);
	queue->owner.away(queue->owner.who, false);
}

static void on_down(void *who, const char *why)
{
	struct queue *queue = who;

	queue->away = true;
	if (queue->leaving)
		return;
	ring_timer_stop(queue->ring, &queue->timer);
	if (queue->setup.worker == 0) /* one line, not one a worker */
		log_warning("Redis is away (%s): nothing new is started, what runs finishes; trying to come back", why);
	queue->owner.away(queue->owner.who, true);
}

static void on_broken(void *who, const char *why)
{
	struct queue *queue = who;

	if (queue->owner.broken)
		queue->owner.broken(queue->owner.who, why);
	else
		log_error("%s", why);
}

struct queue *queue_open(struct ring *ring, const struct queue_setup *setup, const struct queue_owner *owner)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	CHECK(queue != NULL);
	*queue = (struct queue){.ring = ring, .setup = *setup, .owner = *owner, .away = true};
	outbuf_printf(&queue->base, "%.*s:{%u}", SLICE_ARG(setup->prefix), setup->shard);
	outbuf_printf(&queue->probe, "%.*s:{%u}:probe", SLICE_ARG(setup->prefix), setup->shard);
	queue->shard = (struct shard){outbuf_slice(&queue->base), setup->instance, setup->epoch};
	queue->look.replied = on_look;
	queue->status.replied = on_status;
	timer_init(&queue->timer, on_timer);
	timer_init(&queue->deadline, on_deadline);
	list_init(&queue->resting);
	queue->redis = redis_open(ring, &(struct redis_setup){setup->server, outbuf_slice(&queue->probe), 0},
				  &(struct redis_owner){on_up, on_down, on_broken, queue});
	errands_init(&queue->errands, ring, queue->redis);
	settle_open(&queue->settle, ring, &queue->errands, &queue->shard, on_settled);
	queue->settle.acknowledged = on_acknowledged;
	notes_open(&queue->notes, &queue->errands, &queue->shard, queue->setup.prefix, on_note);
	return queue;
}

void queue_close(struct queue *queue, uint64_t deadline_ms, void (*done)(void *who), void *who)
{
	CHECK(!queue->closing);
	queue->closing = true;
	queue->done = done;
	queue->done_who = who;
	settle_now(&queue->settle);
	ring_timer(queue->ring, &queue->deadline, deadline_ms);
	leave_if_over(queue);
}

void queue_free(struct queue *queue)
{
	struct list *link;

	if (!queue)
		return;
	CHECK(queue->leaving);
	errands_end(&queue->errands);
	settle_free(&queue->settle);
	notes_free(&queue->notes);
	while ((link = list_pop(&queue->resting))) {
		struct lease *lease = LIST_OWNER(link, struct lease, errand.link);

		outbuf_free(&lease->errand.words);
		free(lease);
	}
	redis_free(queue->redis);
	outbuf_free(&queue->base);
	outbuf_free(&queue->probe);
	outbuf_free(&queue->words);
	free(queue);
}
