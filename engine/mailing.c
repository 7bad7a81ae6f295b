/* Two fetches, one after the other: the job's HASH field, then its body, unless another mailing has that body already.
 * What is fetched is kept for a minute after its last use, because the next lease of the same campaign comes soon; but
 * only so much of it, because a message of its own for each recipient is never asked for again. */
#include "mailing.h"

#include "delivery.h"

#include "base/check.h"
#include "queue/variables.h"
#include "scheduler/scheduler.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEEP_MS = 60 * 1000,
	KEEP_BYTES_MAX = 16 << 20, /* of messages as they are stored, and as much again compiled */
	MAILING_BYTES = 1024,	   /* what one takes beside its message, about */
	ROOM_BYTES = 8192	   /* of a message take the room of a record (worker.c) */
};

static void mailing_settle(struct mailing *mailing, enum mailing_state state)
{
	CHECK(mailing->state == MAILING_COMING && state != MAILING_COMING);
	mailing->state = state;
	struct list *link;

	while ((link = list_pop(&mailing->waiting)))
		delivery_prepared(delivery_of(link));
}

/* The body's state is known: so is the mailing's. */
static void mailing_take_body(struct mailing *mailing)
{
	const struct body *body = mailing->body;

	if (body->state == MAILING_MISSING)
		snprintf(mailing->why, sizeof(mailing->why), "the body sha256:%.64s is not in Redis any more",
			 body->sha);
	else if (body->state == MAILING_BROKEN)
		snprintf(mailing->why, sizeof(mailing->why), "%.200s", body->error.message);
	mailing_settle(mailing, body->state);
}

/* What it takes of the scheduler's room once it is here. */
static unsigned room_of(const struct body *body)
{
	return (unsigned)(body->bytes / ROOM_BYTES);
}

static void on_body(struct queue_fetch *fetch, struct slice value)
{
	struct body *body = LIST_OWNER(fetch, struct body, fetch);
	struct list *link;

	if (value.len == 0) {
		body->state = MAILING_MISSING;
	} else {
		struct message_limits limits = {.bytes_max = body->worker->config->queue.message_bytes_max};

		body->bytes = value.len;
		body->message = message_compile(value, &limits, &body->error);
		body->state = body->message ? MAILING_READY : MAILING_BROKEN;
		scheduler_take_room(body->worker->scheduler, room_of(body));
	}
	while ((link = list_pop(&body->waiting)))
		mailing_take_body(LIST_OWNER(link, struct mailing, of_body));
}

static struct body *body_hold(struct worker *worker, struct slice sha)
{
	struct map_node *node = map_find(&worker->bodies, sha);
	struct body *body = node ? MAP_OWNER(node, struct body, node) : NULL;

	if (!body) {
		body = calloc(1, sizeof(*body));
		CHECK(body != NULL);
		memcpy(body->sha, sha.ptr, sizeof(body->sha) - 1);
		body->worker = worker;
		list_init(&body->waiting);
		map_add(&worker->bodies, &body->node, (struct slice){body->sha, 64});
		body->fetch.fetched = on_body;
		queue_fetch_body(worker->queue, &body->fetch, map_key(&body->node));
	}
	body->refs++;
	return body;
}

static void body_release(struct body *body)
{
	CHECK(body->refs > 0);
	if (--body->refs > 0 || body->state == MAILING_COMING)
		return; /* one that is still coming is freed with its worker */
	map_remove(&body->worker->bodies, &body->node);
	scheduler_give_room(body->worker->scheduler, room_of(body));
	if (body->message)
		message_free(body->message);
	free(body);
}

static struct slice text_of(struct mailing *mailing, const json_t *meta, const char *name)
{
	const json_t *value = json_object_get(meta, name);

	if (!json_is_string(value))
		return SLICE_NONE;
	return arena_copy(&mailing->arena, (struct slice){json_string_value(value), json_string_length(value)});
}

static bool mailing_read(struct mailing *mailing, struct slice value, struct slice *sha)
{
	json_t *meta = json_loadb(value.ptr, value.len, 0, NULL);
	json_t *tags = json_object_get(meta, "tags"), *vars = json_object_get(meta, "vars");
	struct refusal refusal;
	bool whole;

	if (!json_is_object(meta)) {
		json_decref(meta);
		return false;
	}
	mailing->sender = text_of(mailing, meta, "from");
	mailing->campaign = text_of(mailing, meta, "campaign");
	mailing->transactional = slice_is(text_of(mailing, meta, "class"), SLICE("transactional"));
	mailing->require_tls = json_is_true(json_object_get(meta, "require_tls"));
	*sha = text_of(mailing, meta, "body");
	if (json_object_size(tags)) {
		char *text = json_dumps(tags, JSON_COMPACT);

		CHECK(text != NULL);
		mailing->tags = arena_copy(&mailing->arena, slice_of(text));
		free(text);
	}
	whole = !vars || variables_pack(vars, "vars", SIZE_MAX, &mailing->vars, &refusal);
	json_decref(meta);
	return whole && sha->len == 64;
}

static void on_job(struct queue_fetch *fetch, struct slice value)
{
	struct mailing *mailing = LIST_OWNER(fetch, struct mailing, fetch);
	struct slice sha;

	if (value.len == 0) {
		snprintf(mailing->why, sizeof(mailing->why), "what its job says is not in Redis any more");
		mailing_settle(mailing, MAILING_MISSING);
		return;
	}
	if (!mailing_read(mailing, value, &sha)) {
		snprintf(mailing->why, sizeof(mailing->why), "what its job says in Redis cannot be read");
		mailing_settle(mailing, MAILING_BROKEN);
		return;
	}
	mailing->body = body_hold(mailing->worker, sha);
	if (mailing->body->state == MAILING_COMING)
		list_push(&mailing->body->waiting, &mailing->of_body);
	else
		mailing_take_body(mailing);
}

static struct mailing *mailing_new(struct worker *worker, struct slice key, struct slice tenant, struct slice job)
{
	struct mailing *mailing = calloc(1, sizeof(*mailing));

	CHECK(mailing != NULL);
	mailing->worker = worker;
	mailing->key = arena_copy(&mailing->arena, key);
	mailing->tenant = arena_copy(&mailing->arena, tenant);
	mailing->job = arena_copy(&mailing->arena, job);
	list_init(&mailing->idle);
	list_init(&mailing->waiting);
	list_init(&mailing->of_body);
	map_add_far(&worker->mailings, &mailing->node, mailing->key);
	mailing->fetch.fetched = on_job;
	queue_fetch_job(worker->queue, &mailing->fetch, tenant, job);
	return mailing;
}

static void mailing_free(struct mailing *mailing);

/* It is no longer among those that nobody uses. */
static void mailing_wake(struct mailing *mailing)
{
	list_remove(&mailing->idle);
	mailing->worker->kept_bytes -= mailing->kept_bytes;
	mailing->kept_bytes = 0;
}

/* Nobody holds it, and it could not be made: perhaps somebody has mended since what was wrong. */
static bool is_worth_another_try(const struct mailing *mailing)
{
	return mailing->refs == 0 && (mailing->state == MAILING_MISSING || mailing->state == MAILING_BROKEN);
}

struct mailing *mailing_hold(struct worker *worker, struct slice tenant, struct slice job)
{
	char key[600];
	int n = snprintf(key, sizeof(key), "%.*s:%.*s", SLICE_ARG(tenant), SLICE_ARG(job));
	struct slice name = {key, (size_t)n};
	struct map_node *node = map_find(&worker->mailings, name);
	struct mailing *mailing = node ? MAP_OWNER(node, struct mailing, node) : NULL;

	if (mailing && is_worth_another_try(mailing)) {
		mailing_free(mailing);
		mailing = NULL;
	}
	if (!mailing)
		mailing = mailing_new(worker, name, tenant, job);
	mailing_wake(mailing);
	mailing->refs++;
	return mailing;
}

void mailing_wait(struct mailing *mailing, struct list *delivery_link)
{
	CHECK(mailing->state == MAILING_COMING);
	list_push(&mailing->waiting, delivery_link);
}

static void mailing_free(struct mailing *mailing)
{
	mailing_wake(mailing);
	list_remove(&mailing->of_body);
	map_remove(&mailing->worker->mailings, &mailing->node.node);
	if (mailing->body)
		body_release(mailing->body);
	outbuf_free(&mailing->vars);
	struct arena arena = mailing->arena;

	free(mailing);
	arena_free(&arena);
}

/* The one that was used longest ago goes, unless it was used after since_ms or is still being fetched: then it is
 * looked at later. */
static bool free_oldest(struct worker *worker, uint64_t since_ms)
{
	struct list *link = list_first(&worker->idle_mailings);
	struct mailing *mailing = link ? LIST_OWNER(link, struct mailing, idle) : NULL;

	if (!mailing || mailing->used_ms > since_ms)
		return false;
	if (mailing->state == MAILING_COMING) {
		list_remove(link);
		list_push(&worker->idle_mailings, link);
		return false;
	}
	mailing_free(mailing);
	return true;
}

/* What shares a message has its part of it. */
static size_t kept_bytes(const struct mailing *mailing)
{
	return MAILING_BYTES + (mailing->body ? mailing->body->bytes / mailing->body->refs : 0);
}

void mailing_release(struct mailing *mailing)
{
	struct worker *worker = mailing->worker;

	CHECK(mailing->refs > 0);
	if (--mailing->refs > 0)
		return;
	mailing->used_ms = worker_now_ms(worker);
	mailing->kept_bytes = kept_bytes(mailing);
	worker->kept_bytes += mailing->kept_bytes;
	list_push(&worker->idle_mailings, &mailing->idle);
	while (worker->kept_bytes > KEEP_BYTES_MAX && list_first(&worker->idle_mailings) != &mailing->idle &&
	       free_oldest(worker, UINT64_MAX))
		;
}

void mailings_age(struct worker *worker, uint64_t now_ms)
{
	while (now_ms > KEEP_MS && free_oldest(worker, now_ms - KEEP_MS))
		;
}

void mailings_free(struct worker *worker)
{
	MAP_EACH (node, &worker->mailings)
		mailing_free(MAP_OWNER(node, struct mailing, node));
	MAP_EACH (node, &worker->bodies) {
		struct body *body = MAP_OWNER(node, struct body, node);

		map_remove(&worker->bodies, &body->node);
		if (body->message)
			message_free(body->message);
		free(body);
	}
	map_free(&worker->mailings);
	map_free(&worker->bodies);
}
