/* Requests lie in one line per worker and are carried out when they are answered: at a time by the dice, in order, as
 * on a connection. While the queue is away the line stands still. A request that is carried out late is to its worker
 * the same as an answer that comes late, which is why one time is enough for both. */
#include "store_sim.h"

#include "base/check.h"
#include "queue/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUES_MAX = 8, DELAY_MS_MAX = 6 };

static struct server {
	struct sim_world *world;
	struct queue *queues[QUEUES_MAX];
	unsigned nqueues;
	uint64_t beat_ms;
	bool away;
} server;

enum request_kind { REQUEST_AWAY, REQUEST_CHANGED, REQUEST_LEASE, REQUEST_SETTLE, REQUEST_FETCH };

struct request {
	struct list link;
	enum request_kind kind;
	uint64_t at_ms;
	bool away, first;      /* AWAY; first: the connection is made, which may take until the queue is there */
	struct sim_list *list; /* CHANGED */
	unsigned nwants;       /* LEASE */
	struct lease_want wants[LEASE_LISTS_MAX];
	struct settlement settlement; /* SETTLE */
	struct queue_fetch *fetch;    /* FETCH: by the name in bytes */
	struct outbuf bytes;	      /* the texts of all these */
};

struct queue {
	struct ring *ring;
	struct queue_owner owner;
	struct list line; /* of struct request */
	struct timer timer;
	uint64_t last_ms; /* when the last one of the line is due */
	unsigned unsettled;
	bool is_away;
	uint64_t closing_ms; /* when to give up; 0: it is not being closed */
	void (*closed)(void *who);
	void *closed_who;
};

/* Requests */

static struct request *request_new(enum request_kind kind, size_t text_bytes)
{
	struct request *request = calloc(1, sizeof(*request));

	CHECK(request != NULL);
	request->kind = kind;
	outbuf_room(&request->bytes, text_bytes + 1); /* it must not move: slices point into it */
	return request;
}

static void request_free(struct request *request)
{
	list_remove(&request->link);
	outbuf_free(&request->bytes);
	free(request);
}

/* A text that lives as long as the request. */
static struct slice keep(struct request *request, struct slice text)
{
	if (!text.len)
		return SLICE_NONE;
	CHECK(request->bytes.len + text.len <= request->bytes.size);
	outbuf_add(&request->bytes, text);
	return (struct slice){request->bytes.ptr + request->bytes.len - text.len, text.len};
}

/* The next request that can be answered: while the queue is away, only the news of that. */
static struct request *queue_next(struct queue *queue)
{
	struct list *link = list_first(&queue->line);
	struct request *request = link ? LIST_OWNER(link, struct request, link) : NULL;

	return request && (!server.away || (request->kind == REQUEST_AWAY && !request->first)) ? request : NULL;
}

static void queue_wait(struct queue *queue)
{
	const struct request *next = queue_next(queue);
	uint64_t due_ms = next ? next->at_ms : 0;

	if (queue->closing_ms && (!due_ms || due_ms > queue->closing_ms))
		due_ms = list_is_empty(&queue->line) ? ring_now_ms(queue->ring) : queue->closing_ms;
	if (due_ms)
		ring_timer(queue->ring, &queue->timer, due_ms);
	else
		ring_timer_stop(queue->ring, &queue->timer);
}

static void queue_ask(struct queue *queue, struct request *request)
{
	uint64_t at_ms = sim_world_now_ms(server.world) + sim_world_dice(server.world, DELAY_MS_MAX);

	request->at_ms = queue->last_ms = at_ms > queue->last_ms ? at_ms : queue->last_ms;
	list_push(&queue->line, &request->link);
	queue_wait(queue);
}

static void tell_changed(struct queue *queue, struct sim_list *list)
{
	struct request *request = request_new(REQUEST_CHANGED, 0);

	request->list = list;
	queue_ask(queue, request);
}

void queue_sim_changed(struct sim_list *list)
{
	for (unsigned i = 0; i < server.nqueues; i++)
		tell_changed(server.queues[i], list);
}

/* Answers */

static void fetched(const struct request *request)
{
	request->fetch->fetched(request->fetch, store_value(outbuf_slice(&request->bytes)));
}

static void lease(struct queue *queue, const struct request *request)
{
	uint64_t number = store_lease();

	for (unsigned i = 0; i < request->nwants; i++) {
		struct sim_list *list = store_list(request->wants[i].list);
		unsigned got = store_take(number, list, request->wants[i].count, &queue->owner);

		queue->owner.lease_over(queue->owner.who, request->wants[i].list, got, list->count);
	}
}

static void away(struct queue *queue, bool is_away)
{
	queue->is_away = is_away;
	queue->owner.away(queue->owner.who, is_away);
	MAP_EACH (node, store_lists()) {
		struct sim_list *list = MAP_OWNER(node, struct sim_list, node);

		if (!is_away && list->count)
			tell_changed(queue, list);
	}
}

static void answer(struct queue *queue, struct request *request)
{
	const struct queue_owner *owner = &queue->owner;

	switch (request->kind) {
	case REQUEST_AWAY: away(queue, request->away); return;
	case REQUEST_CHANGED:
		if (!queue->closing_ms)
			owner->changed(owner->who, slice_of(request->list->name));
		return;
	case REQUEST_LEASE: lease(queue, request); return;
	case REQUEST_SETTLE:
		store_settle(&request->settlement);
		queue->unsettled--;
		if (request->settlement.mark)
			owner->acknowledged(owner->who, request->settlement.mark);
		return;
	case REQUEST_FETCH: fetched(request); return;
	}
}

/* One at a time: what it brings may change the line. */
static void on_due(struct timer *timer, uint64_t now_ms)
{
	struct queue *queue = LIST_OWNER(timer, struct queue, timer);
	struct request *request;

	while ((request = queue_next(queue)) && request->at_ms <= now_ms) {
		list_remove(&request->link);
		answer(queue, request);
		request_free(request);
	}
	if (queue->closing_ms && (list_is_empty(&queue->line) || queue->closing_ms <= now_ms)) {
		queue->closing_ms = 0;
		queue->closed(queue->closed_who);
		return;
	}
	queue_wait(queue);
}

/* queue.h */

struct queue *queue_open(struct ring *ring, const struct queue_setup *setup, const struct queue_owner *owner)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	struct request *hello = request_new(REQUEST_AWAY, 0);

	(void)setup;
	CHECK(queue != NULL && server.nqueues < QUEUES_MAX);
	*queue = (struct queue){.ring = ring, .owner = *owner, .is_away = true};
	list_init(&queue->line);
	timer_init(&queue->timer, on_due);
	server.queues[server.nqueues++] = queue;
	hello->first = true;
	queue_ask(queue, hello);
	return queue;
}

void queue_close(struct queue *queue, uint64_t deadline_ms, void (*done)(void *who), void *who)
{
	CHECK(!queue->closed);
	queue->closing_ms = deadline_ms;
	queue->closed = done;
	queue->closed_who = who;
	queue_wait(queue);
}

void queue_free(struct queue *queue)
{
	struct list *link;

	ring_timer_stop(queue->ring, &queue->timer);
	while ((link = list_first(&queue->line)))
		request_free(LIST_OWNER(link, struct request, link));
	for (unsigned i = 0; i < server.nqueues; i++)
		if (server.queues[i] == queue)
			server.queues[i] = server.queues[--server.nqueues];
	free(queue);
}

/* Changes are told as they come. */
void queue_look(struct queue *queue)
{
	(void)queue;
}

void queue_lease(struct queue *queue, const struct lease_want *wants, unsigned nwants)
{
	size_t bytes = 0, records = 0;

	CHECK(nwants > 0 && nwants <= LEASE_LISTS_MAX);
	for (unsigned i = 0; i < nwants; i++) {
		bytes += wants[i].list.len;
		records += wants[i].count;
	}
	CHECK(records <= LEASE_RECORDS_MAX);
	struct request *request = request_new(REQUEST_LEASE, bytes);

	request->nwants = nwants;
	for (unsigned i = 0; i < nwants; i++)
		request->wants[i] = (struct lease_want){keep(request, wants[i].list), wants[i].count};
	queue_ask(queue, request);
}

void queue_settle(struct queue *queue, const struct settlement *settlement)
{
	struct settlement copy = *settlement;
	struct slice *texts[] = {&copy.list, &copy.tenant, &copy.job,	      &copy.record,	&copy.type,
				 &copy.to,   &copy.data,   &copy.before_type, &copy.before_data};
	size_t bytes = 0;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bytes += texts[i]->len;
	struct request *request = request_new(REQUEST_SETTLE, bytes);

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = keep(request, *texts[i]);
	request->settlement = copy;
	queue->unsettled++;
	queue_ask(queue, request);
}

unsigned queue_unsettled(const struct queue *queue)
{
	return queue->unsettled;
}

bool queue_is_away(const struct queue *queue)
{
	return queue->is_away;
}

static void fetch_named(struct queue *queue, struct queue_fetch *fetch, const char *name)
{
	struct request *request = request_new(REQUEST_FETCH, strlen(name));

	request->fetch = fetch;
	keep(request, slice_of(name));
	queue_ask(queue, request);
}

void queue_fetch_body(struct queue *queue, struct queue_fetch *fetch, struct slice sha)
{
	char name[80];

	snprintf(name, sizeof(name), "body:%.*s", SLICE_ARG(sha));
	fetch_named(queue, fetch, name);
}

void queue_fetch_job(struct queue *queue, struct queue_fetch *fetch, struct slice tenant, struct slice job)
{
	char name[80];

	snprintf(name, sizeof(name), "job:%.*s:%.*s", SLICE_ARG(tenant), SLICE_ARG(job));
	fetch_named(queue, fetch, name);
}

void queue_put_status(struct queue *queue, struct slice json)
{
	(void)queue;
	CHECK(json.len > 2 && json.ptr[0] == '{' && json.ptr[json.len - 1] == '}');
}

/* keeper.h */

uint64_t keeper_beat_ms(const struct keeper *keeper)
{
	(void)keeper;
	return server.away ? server.beat_ms : sim_world_now_ms(server.world);
}

enum keeper_level keeper_level(const struct keeper *keeper)
{
	(void)keeper;
	return KEEPER_OK;
}

/* For the test */

void queue_sim_reset(struct sim_world *world)
{
	server = (struct server){.world = world};
}

bool queue_sim_is_idle(void)
{
	return server.nqueues == 0;
}

/* Before all that waits, but after earlier news. */
static void tell_away(struct queue *queue)
{
	struct request *request = request_new(REQUEST_AWAY, 0);
	struct list *before = queue->line.next;

	while (before != &queue->line && LIST_OWNER(before, struct request, link)->kind == REQUEST_AWAY)
		before = before->next;
	request->away = server.away;
	request->at_ms = sim_world_now_ms(server.world);
	list_insert(before, &request->link);
	queue_wait(queue);
}

void queue_sim_go_away(bool away)
{
	if (away == server.away)
		return;
	server.away = away;
	server.beat_ms = sim_world_now_ms(server.world);
	for (unsigned i = 0; i < server.nqueues; i++)
		tell_away(server.queues[i]);
}
