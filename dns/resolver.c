/* A question is light and may wait; an exchange is heavy (socket, buffers) and there are questions_max of them. A
 * question has an exchange from its first try to its end.
 *
 * Which server: the one that answered last is asked first, so that a dead one costs a time-out once and not for every
 * question; the next try goes to the next. A connected socket that gets an ICMP error moves on at once if there is
 * another server, and otherwise waits its time: a server that is being restarted is back in a second.
 *
 * Rejected: one socket for all questions (one port to guess), and racing two servers (twice the load on them). */
#include "dns/resolver.h"

#include "base/check.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/random.h"
#include "dns/cache.h"
#include "dns/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES_MAX = 4, PATIENCE_MS = 1000, QUESTIONS_MAX = 1024, QUESTIONS_FEW = 16, LAG_MS = 2 };

/* In units of patience_ms; together with what TCP may add they are bounded by PATIENCE_TOTAL. */
static const unsigned patience[TRIES_MAX] = {1, 2, 4, 4};
enum { PATIENCE_TOTAL = 12, PATIENCE_TCP = 4 };

struct resolver {
	struct ring *ring; /* parent */
	struct address servers[DNS_SERVERS_MAX];
	unsigned nservers, favourite; /* the server asked first */
	bool trusted;		      /* all of them, wherever they are */
	unsigned patience_ms;
	bool leaving, closing;
	struct cache cache;
	struct map questions; /* all that are not answered */
	struct list waiting;  /* of them: without an exchange */
	struct pool slots;
	struct dns_counts counts;
};

/* A place in flight: an exchange and whose it is. */
struct slot {
	struct exchange exchange;
	struct question *question; /* NULL: let go of */
	struct resolver *resolver; /* parent */
};

struct question {
	struct map_node node;
	struct list link; /* while waiting */
	struct list queries;
	struct resolver *resolver; /* parent */
	struct slot *slot;	   /* owned; NULL while waiting */
	struct timer pause;	   /* until the next try */
	unsigned ntries, server;   /* the server of the try under way */
	unsigned refused;	   /* bit i: server i complained */
	uint64_t try_ends_ms, deadline_ms;
	enum dns_type type;
	struct slice name; /* in key */
	char failure[ANSWER_FAILURE_MAX];
	char key[CACHE_KEY_MAX];
};

struct resolver *resolver_open(struct ring *ring, const struct dns_setup *setup)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	CHECK(resolver != NULL);
	CHECK(setup->nservers <= DNS_SERVERS_MAX);
	resolver->ring = ring;
	resolver->nservers = setup->nservers ? setup->nservers : 1;
	resolver->servers[0] = address_v4((const unsigned char[]){127, 0, 0, 1}, 53); /* as resolv.conf(5) has it */
	for (unsigned i = 0; i < setup->nservers; i++)
		resolver->servers[i] = setup->servers[i];
	resolver->trusted = setup->trusted;
	resolver->patience_ms = setup->patience_ms ? setup->patience_ms : PATIENCE_MS;
	cache_init(&resolver->cache, &(struct cache_setup){
					     .answers_max = CACHE_ANSWERS_MAX,
					     .bytes_max = CACHE_BYTES_MAX,
					     .ttl_ms_min = setup->ttl_ms_min ? setup->ttl_ms_min : TTL_MS_MIN,
					     .secret = random_secret(),
				     });
	list_init(&resolver->waiting);
	pool_init(&resolver->slots, sizeof(struct slot), setup->questions_max ? setup->questions_max : QUESTIONS_MAX);
	return resolver;
}

static void question_free(struct question *question)
{
	struct resolver *resolver = question->resolver;

	while (list_pop(&question->queries))
		;
	ring_timer_stop(resolver->ring, &question->pause);
	list_remove(&question->link);
	map_remove(&resolver->questions, &question->node);
	free(question);
}

static void resolver_end(struct resolver *resolver)
{
	if (!resolver->closing || resolver->slots.taken > 0)
		return;
	pool_free(&resolver->slots);
	free(resolver);
}

static void slot_give(struct slot *slot)
{
	struct resolver *resolver = slot->resolver;

	pool_give(&resolver->slots, slot);
	resolver_end(resolver);
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	resolver_leave(resolver);
	MAP_EACH (node, &resolver->questions)
		question_free(MAP_OWNER(node, struct question, node));
	map_free(&resolver->questions);
	cache_free(&resolver->cache);
	resolver->closing = true;
	resolver_end(resolver);
}

/* A question without a place waits, and so it does for ever once there are none to be had. */
static void question_leave(struct question *question)
{
	struct slot *slot = question->slot;
	bool is_pausing = timer_is_set(&question->pause);

	ring_timer_stop(question->resolver->ring, &question->pause);
	question->slot = NULL;
	slot->question = NULL;
	if (is_pausing)
		pool_give(&question->resolver->slots, slot);
	else
		exchange_stop(&slot->exchange, "leaving");
}

bool resolver_leave(struct resolver *resolver)
{
	resolver->leaving = true;
	MAP_EACH (node, &resolver->questions) {
		struct question *question = MAP_OWNER(node, struct question, node);

		if (question->slot)
			question_leave(question);
	}
	return resolver->slots.taken == 0;
}

struct answer *resolver_known(struct resolver *resolver, struct slice name, enum dns_type type)
{
	return cache_find(&resolver->cache, name, type, ring_now_ms(resolver->ring));
}

struct dns_counts *resolver_counts(struct resolver *resolver)
{
	return &resolver->counts;
}

void resolver_unask(struct resolver *resolver, struct query *query)
{
	(void)resolver;
	list_remove(&query->link);
}

static void question_begin(struct question *question, struct slot *slot);

/* Answers to a thousand questions, each in three steps of the ring, would hold up mail that needs none: while we are
 * behind there are few under way. NULL: not now. */
static struct slot *slot_take(struct resolver *resolver)
{
	struct slot *slot;

	if (resolver->leaving)
		return NULL;
	if (resolver->slots.taken >= QUESTIONS_FEW && ring_lag_ms(resolver->ring) > LAG_MS)
		return NULL;
	slot = pool_take(&resolver->slots);
	if (slot)
		slot->resolver = resolver;
	return slot;
}

/* Its place goes to whoever has waited longest, and if there is more room now, more follow. */
static void slot_pass_on(struct slot *slot)
{
	struct resolver *resolver = slot->resolver;

	pool_give(&resolver->slots, slot);
	for (unsigned i = 0; i < 2 && !list_is_empty(&resolver->waiting) && (slot = slot_take(resolver)); i++)
		question_begin(LIST_OWNER(list_pop(&resolver->waiting), struct question, link), slot);
}

/* Tells everybody; the question is over before the first is told, so that they may ask it again. */
static void question_end(struct question *question, struct answer *answer)
{
	struct resolver *resolver = question->resolver;
	struct slot *slot = question->slot;
	struct list queries;
	struct list *link;

	cache_put(&resolver->cache, question->name, answer, ring_now_ms(resolver->ring));
	list_init(&queries);
	while ((link = list_pop(&question->queries)))
		list_push(&queries, link);
	question_free(question);
	slot_pass_on(slot);
	while ((link = list_pop(&queries))) {
		struct query *query = LIST_OWNER(link, struct query, link);

		query->answered(query, answer);
	}
	answer_free(answer);
}

static void question_fail(struct question *question)
{
	struct answer head = {.state = ANSWER_FAILED, .type = question->type, .rcode = 2};

	head.server = question->resolver->servers[question->server];
	snprintf(head.failure, sizeof(head.failure), "%s", question->failure);
	question_end(question, answer_make(&head, NULL, 0));
}

/* The next server that has not complained; false when all have. */
static bool question_choose(struct question *question)
{
	unsigned n = question->resolver->nservers,
		 from = question->ntries ? question->server + 1 : question->resolver->favourite;

	for (unsigned i = 0; i < n; i++) {
		unsigned server = (from + i) % n;

		if (question->refused >> server & 1)
			continue;
		question->server = server;
		return true;
	}
	return false;
}

static void on_exchange(struct exchange *exchange);

static void question_exchange(struct question *question, bool over_tcp, unsigned units)
{
	struct resolver *resolver = question->resolver;
	struct exchange *exchange = &question->slot->exchange;
	uint64_t ends_ms = ring_now_ms(resolver->ring) + units * (uint64_t)resolver->patience_ms;

	question->try_ends_ms = ends_ms < question->deadline_ms ? ends_ms : question->deadline_ms;
	exchange->done = on_exchange;
	exchange_start(exchange, resolver->ring,
		       &(struct exchange_setup){
			       .server = resolver->servers[question->server],
			       .name = question->name,
			       .type = question->type,
			       .over_tcp = over_tcp,
			       .trusted = resolver->trusted || dns_server_is_near(&resolver->servers[question->server]),
			       .deadline_ms = question->try_ends_ms,
		       });
}

static void question_try(struct question *question)
{
	struct resolver *resolver = question->resolver;

	if (question->ntries == TRIES_MAX || ring_now_ms(resolver->ring) >= question->deadline_ms ||
	    !question_choose(question)) {
		question_fail(question);
		return;
	}
	if (question->ntries++ == 0)
		resolver->counts.sent++;
	else
		resolver->counts.resent++;
	question_exchange(question, false, patience[question->ntries - 1]);
}

static void on_pause(struct timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	question_try(LIST_OWNER(timer, struct question, pause));
}

static void question_begin(struct question *question, struct slot *slot)
{
	struct resolver *resolver = question->resolver;

	slot->question = question;
	question->slot = slot;
	question->deadline_ms = ring_now_ms(resolver->ring) + PATIENCE_TOTAL * (uint64_t)resolver->patience_ms;
	question_try(question);
}

static void question_failure(struct question *question, const char *what)
{
	char server[ADDRESS_TEXT_MAX];

	address_text(&question->resolver->servers[question->server], server);
	snprintf(question->failure, sizeof(question->failure), "%.40s from %.48s", what, server);
}

/* It answered, but not to the point. */
static void question_refused(struct question *question, struct answer *answer)
{
	question_failure(question, answer->failure);
	question->refused |= 1u << question->server;
	answer_free(answer);
	question_try(question);
}

/* There was no answer. */
static void question_unanswered(struct question *question, const struct exchange *exchange)
{
	struct resolver *resolver = question->resolver;

	question_failure(question, exchange->failure);
	if (exchange->timed_out || resolver->nservers > 1)
		question_try(question);
	else
		ring_timer(resolver->ring, &question->pause, question->try_ends_ms);
}

static void on_exchange(struct exchange *exchange)
{
	struct slot *slot = LIST_OWNER(exchange, struct slot, exchange);
	struct question *question = slot->question;
	struct answer *answer = exchange->answer;

	slot->resolver->counts.bad_answers += exchange->nbad;
	if (!question) {
		answer_free(answer);
		slot_give(slot);
	} else if (!answer)
		question_unanswered(question, exchange);
	else if (answer->truncated && !exchange->setup.over_tcp) {
		answer_free(answer);
		slot->resolver->counts.over_tcp++;
		question_exchange(question, true, PATIENCE_TCP);
	} else if (answer->state == ANSWER_FAILED)
		question_refused(question, answer);
	else {
		slot->resolver->favourite = question->server;
		question_end(question, answer);
	}
}

static struct question *question_make(struct resolver *resolver, struct slice name, enum dns_type type)
{
	struct question *question = calloc(1, sizeof(*question));

	CHECK(question != NULL);
	struct slice key = cache_key(question->key, resolver->cache.setup.secret, name, type);

	question->resolver = resolver;
	question->type = type;
	question->name = slice_skip(key, key.len - name.len);
	list_init(&question->link);
	list_init(&question->queries);
	timer_init(&question->pause, on_pause);
	map_add(&resolver->questions, &question->node, key);
	return question;
}

void resolver_ask(struct resolver *resolver, struct query *query, struct slice name, enum dns_type type)
{
	char room[CACHE_KEY_MAX];
	struct map_node *node =
		map_find(&resolver->questions, cache_key(room, resolver->cache.setup.secret, name, type));
	struct question *question = node ? MAP_OWNER(node, struct question, node) : NULL;

	CHECK(!resolver->closing);
	if (question) {
		resolver->counts.coalesced++;
		list_push(&question->queries, &query->link);
		return;
	}
	question = question_make(resolver, name, type);
	list_push(&question->queries, &query->link);
	struct slot *slot = slot_take(resolver);

	if (!slot) {
		list_push(&resolver->waiting, &question->link);
		return;
	}
	question_begin(question, slot);
}
