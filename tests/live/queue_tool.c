/* The queue without mail, so that it can be measured, and killed while it works.
 *
 *     queue_tool fill   PLACE RECORDS LISTS [JOB]  takes in one job of so many recipients, over so many lists
 *     queue_tool drain  PLACE RECORDS [LATER]      a worker and a keeper: leases all, settles all as delivered (every
 *                                                  LATERth at first as later), until RECORDS are acknowledged
 *     queue_tool server STATE_DIR FSYNC            an embedded redis-server
 *
 * PLACE as in the configuration ("unix:/run/redis.sock"); prefix is hikyaku, shard 0. drain and server end early when
 * stdin does. Prints one JSON object a line. Environment: INSTANCE (default "tool"; another than that waits as a
 * standby), GROUP and EVENTS_MAX for events. */
#include "queue/keeper.h"
#include "queue/library.h"
#include "queue/promise.h"
#include "queue/queue.h"
#include "queue/server.h"
#include "queue/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/map.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	EXPAND = 250,
	INDEX_MAX = 1 << 20,
	LEASE_LISTS = 4,
	LEASES_MAX = 4,
	UNSETTLED_MAX = 8192,
	DRAIN_MS_MAX = 120000
};

static const struct slice prefix = {"hikyaku", 7}, base = {"hikyaku:{0}", 11};

static _Noreturn void fail(const char *why)
{
	fprintf(stderr, "queue_tool: %s\n", why);
	exit(1);
}

static struct redis_server place_of(const char *text)
{
	struct redis_server server = {0};

	if (!address_parse(&server.address, slice_of(text), 6379))
		fail("expected unix:/PATH or ADDRESS:PORT");
	return server;
}

static struct redisContext *dial(const struct redis_server *server)
{
	char why[RING_WHY_MAX];
	struct redisContext *redis = redis_sync_open(server, 5000, why);

	if (!redis || !library_sync(redis, why) || !library_agree(redis, prefix, 1, why))
		fail(why);
	return redis;
}

static void expect(struct redisReply *reply)
{
	if (!reply || resp_error(reply) != RESP_FINE)
		fail(reply ? resp_text(reply).ptr : "Redis is away");
	freeReplyObject(reply);
}

static struct slice text_of(char *room, const char *format, uint64_t n)
{
	return (struct slice){room, (size_t)snprintf(room, 64, format, (unsigned long long)n)};
}

/* Recipients from (included) to (not), one call. */
static void expand(struct redisContext *redis, struct slice job, uint64_t from, uint64_t to, unsigned lists,
		   uint64_t accept)
{
	struct outbuf records = {0}, names = {0};
	struct slice argv[8 + 5 * EXPAND] = {SLICE("FCALL"), SLICE("hikyaku_expand"), SLICE("1"),
					     base,	     SLICE("acme"),	      job};
	char room[4][64];
	time_t now = time(NULL);
	unsigned n = 8;
	size_t ends[2 * EXPAND + 1] = {0}, k = 0;

	argv[6] = text_of(room[0], "%llu", from);
	argv[7] = text_of(room[1], "%llu", to);
	for (uint64_t i = from; i < to; i++) {
		struct record record = {.index = (uint32_t)i,
					.queued_ms = (uint64_t)now * 1000,
					.expires_ms = (uint64_t)(now + 86400) * 1000,
					.accept = accept,
					.tenant = SLICE("acme"),
					.job = job,
					.address = text_of(room[2], "user%llu@a.example", i)};
		struct outbuf extras = {0};
		char variable[150];

		memset(variable, 'v', sizeof(variable));
		pack_add(&extras, PACK_TEXT, SLICE("v"), (struct slice){variable, sizeof(variable)});
		record.extras = outbuf_slice(&extras);
		record_encode(&records, &record);
		outbuf_free(&extras);
		ends[++k] = records.len;
		outbuf_printf(&names, "b:d%03u.example:acme:nov", (unsigned)(i % lists));
	}
	for (uint64_t i = from; i < to; i++) {
		size_t at = i - from, width = names.len / (to - from);

		argv[n++] = SLICE("q");
		argv[n++] = (struct slice){names.ptr + at * width, width};
		argv[n++] = SLICE("0");
		argv[n++] = SLICE("0");
		argv[n++] = (struct slice){records.ptr + ends[at], ends[at + 1] - ends[at]};
	}
	expect(redis_sync_ask(redis, argv, n));
	outbuf_free(&records);
	outbuf_free(&names);
}

static int fill(const char *place, uint64_t records, unsigned lists, const char *name)
{
	struct redis_server server = place_of(place);
	struct redisContext *redis = dial(&server);
	struct slice job = slice_of(name);
	char total[64];
	struct slice argv[] = {SLICE("FCALL"),
			       SLICE("hikyaku_begin"),
			       SLICE("1"),
			       base,
			       SLICE("acme"),
			       job,
			       SLICE("1-1"),
			       SLICE("hash"),
			       SLICE("0"),
			       SLICE("{}"),
			       SLICE("{}"),
			       SLICE("{}"),
			       SLICE("\"tenant\":\"acme\""),
			       SLICE("")};

	if (lists == 0 || lists > 999)
		fail("expected 1 to 999 lists");
	argv[8] = text_of(total, "%llu", records);
	struct redisReply *begun = redis_sync_ask(redis, argv, 14);
	uint64_t accept = resp_count(begun) == 3 ? resp_integer(resp_at(begun, 1)) : 0;

	expect(begun);
	for (uint64_t from = 0; from < records; from += EXPAND)
		expand(redis, job, from, from + EXPAND < records ? from + EXPAND : records, lists, accept);
	printf("{\"filled\":%llu}\n", (unsigned long long)records);
	redisFree(redis);
	return 0;
}

/* A list that may be leased from. */
struct ready {
	struct map_far node;
	struct list link; /* while it waits for its turn */
	char *name;	  /* owned */
	bool asked, more; /* in a lease call; changed meanwhile */
};

struct drain {
	struct ring *ring; /* owned, as all below */
	struct queue *queue;
	struct map lists;
	struct list waiting;
	unsigned asked; /* lists in lease calls */
	uint64_t leased, twice, settled, later, want, every, aways;
	uint8_t *seen; /* leased at an attempt: a byte each, the attempt plus 1 */
	struct outbuf data;
	bool fenced, done;
};

static void lease_more(struct drain *drain)
{
	struct lease_want wants[LEASE_LISTS];
	unsigned n = 0;
	struct list *link;

	while (drain->asked < LEASES_MAX * LEASE_LISTS && queue_unsettled(drain->queue) < UNSETTLED_MAX &&
	       n < LEASE_LISTS && (link = list_pop(&drain->waiting))) {
		struct ready *ready = LIST_OWNER(link, struct ready, link);

		ready->asked = true;
		ready->more = false;
		wants[n++] = (struct lease_want){slice_of(ready->name), LEASE_RECORDS_MAX / LEASE_LISTS};
	}
	drain->asked += n;
	queue_lease(drain->queue, wants, n);
}

static void on_changed(void *who, struct slice list)
{
	struct drain *drain = who;
	struct map_node *node = map_find(&drain->lists, list);
	struct ready *ready = node ? MAP_OWNER(node, struct ready, node) : calloc(1, sizeof(*ready));

	if (!node) {
		ready->name = slice_copy(list);
		list_init(&ready->link);
		map_add_far(&drain->lists, &ready->node, slice_of(ready->name));
	}
	ready->more = true;
	if (!ready->asked && list_is_empty(&ready->link))
		list_push(&drain->waiting, &ready->link);
}

static void make_event(struct drain *drain, const struct record *record, const char *stage)
{
	char address[80], index[16];

	outbuf_reset(&drain->data);
	outbuf_byte(&drain->data, '{');
	outbuf_json_number(&drain->data, "v", 1);
	snprintf(address, sizeof(address), "tool-%u-%u", record->index, record->attempt);
	outbuf_json_text(&drain->data, "event", slice_of(address));
	outbuf_json_number(&drain->data, "time", ring_wall_ms(drain->ring));
	outbuf_json_text(&drain->data, "tenant", record->tenant);
	snprintf(index, sizeof(index), "%u", record->index);
	outbuf_json_text(&drain->data, "rcpt", slice_of(index));
	outbuf_json_text(&drain->data, "domain", SLICE("a.example"));
	outbuf_json_number(&drain->data, "attempt", record->attempt + 1u);
	outbuf_json_text(&drain->data, "stage", slice_of(stage));
	outbuf_json_text(&drain->data, "reply", SLICE("250 2.0.0 Ok: queued as 4F9D195432C"));
	outbuf_json_number(&drain->data, "queued", record->queued_ms);
	outbuf_byte(&drain->data, '}');
}

static void settle_later(struct drain *drain, struct settlement *settlement, struct record *record)
{
	struct outbuf bytes = {0};

	record->attempt++;
	record_encode(&bytes, record);
	settlement->verb = SETTLE_LATER;
	settlement->type = SLICE("deferred");
	settlement->record = outbuf_slice(&bytes);
	settlement->delay_ms = 50;
	queue_settle(drain->queue, settlement);
	outbuf_free(&bytes);
	drain->later++;
}

static void on_leased(void *who, const struct leased *leased)
{
	struct drain *drain = who;
	struct record record;

	if (!record_decode(leased->record, &record) || record.index >= INDEX_MAX)
		fail("a leased record is not one that was filled in");
	drain->leased++;
	drain->twice += drain->seen[record.index] > record.attempt;
	drain->seen[record.index] = (uint8_t)(record.attempt + 1);
	make_event(drain, &record, "eom");
	struct settlement settlement = {.lease = leased->lease,
					.position = leased->position,
					.verb = SETTLE_FINAL,
					.list = leased->list,
					.tenant = record.tenant,
					.job = record.job,
					.index = record.index,
					.type = SLICE("delivered"),
					.to = record.address,
					.data = outbuf_slice(&drain->data)};

	if (drain->every && record.index % drain->every == 0 && record.attempt == 0) {
		settle_later(drain, &settlement, &record);
		return;
	}
	drain->settled++;
	queue_settle(drain->queue, &settlement);
}

static void on_lease_over(void *who, struct slice list, unsigned got, uint64_t remaining)
{
	struct drain *drain = who;
	struct map_node *node = map_find(&drain->lists, list);
	struct ready *ready = node ? MAP_OWNER(node, struct ready, node) : NULL;

	(void)got;
	CHECK(ready && ready->asked);
	ready->asked = false;
	drain->asked--;
	if (remaining > 0 || ready->more)
		list_push(&drain->waiting, &ready->link);
}

static void on_away(void *who, bool away)
{
	((struct drain *)who)->aways += away;
}

static void on_fenced(void *who)
{
	((struct drain *)who)->fenced = true;
}

static void on_closed(void *who)
{
	((struct drain *)who)->done = true;
}

static bool stdin_ended(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char bytes[16];

	return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0;
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Turns the ring until all is acknowledged. */
static void drain_all(struct drain *drain)
{
	uint64_t begin_ms = ring_now_ms(drain->ring), told = 0, cpu = cpu_us();

	while (drain->settled < drain->want || queue_unsettled(drain->queue)) {
		uint64_t passed_ms = ring_now_ms(drain->ring) - begin_ms;

		if (drain->fenced || passed_ms > DRAIN_MS_MAX || (drain->settled % 16 == 0 && stdin_ended()))
			break;
		lease_more(drain);
		if (ring_turn(drain->ring, 20) < 0)
			fail("the ring does not turn");
		if (drain->settled / 1000 != told) {
			told = drain->settled / 1000;
			printf("{\"settled\":%llu}\n", (unsigned long long)drain->settled);
			fflush(stdout);
		}
	}
	uint64_t ms = ring_now_ms(drain->ring) - begin_ms;

	printf("{\"settled\":%llu,\"unsettled\":%u,\"later\":%llu,\"twice\":%llu,\"aways\":%llu,\"fenced\":%d,\"ms\":%"
	       "llu,"
	       "\"per_second\":%llu,\"cpu_us_each\":%.2f}\n",
	       (unsigned long long)drain->settled, queue_unsettled(drain->queue), (unsigned long long)drain->later,
	       (unsigned long long)drain->twice, (unsigned long long)drain->aways, drain->fenced,
	       (unsigned long long)ms, (unsigned long long)(drain->settled * 1000 / (ms ? ms : 1)),
	       (double)(cpu_us() - cpu) / (double)(drain->settled ? drain->settled : 1));
}

static void drain_free(struct drain *drain)
{
	MAP_EACH (node, &drain->lists) {
		struct ready *ready = MAP_OWNER(node, struct ready, node);

		map_remove(&drain->lists, node);
		free(ready->name);
		free(ready);
	}
	map_free(&drain->lists);
	outbuf_free(&drain->data);
	free(drain->seen);
}

static struct slice setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return slice_of(value ? value : otherwise);
}

static int drain_command(const char *place, uint64_t want, uint64_t every)
{
	struct redis_server server = place_of(place);
	struct drain drain = {.want = want, .every = every, .seen = calloc(INDEX_MAX, 1)};
	struct slice instance = setting("INSTANCE", "tool"), group = setting("GROUP", "");
	struct keeper_setup keeping = {.server = server,
				       .prefix = prefix,
				       .instance = instance,
				       .sure = slice_is(instance, SLICE("tool")),
				       .policy = SLICE("retry"),
				       .groups = &group,
				       .ngroups = group.len > 0,
				       .keep_ms = 86400000};

	slice_number(setting("EVENTS_MAX", "0"), UINT64_MAX, &keeping.max);
	char why[RING_WHY_MAX];

	CHECK(drain.seen != NULL);
	list_init(&drain.waiting);
	redisFree(dial(&server));
	struct keeper *keeper = keeper_start(&keeping);

	if (!keeper_ready(keeper, 30000))
		fail("the shard is held by another engine");
	if (ring_open(&drain.ring, &(struct ring_setup){.sockets = 64, .buffers = 256, .buffer_size = 16384}, why) < 0)
		fail(why);
	struct queue_setup setup = {
		.server = server, .prefix = prefix, .instance = instance, .epoch = keeper_epoch(keeper)};

	drain.queue = queue_open(drain.ring, &setup,
				 &(struct queue_owner){.changed = on_changed,
						       .leased = on_leased,
						       .lease_over = on_lease_over,
						       .away = on_away,
						       .fenced = on_fenced,
						       .who = &drain});
	drain_all(&drain);
	queue_close(drain.queue, ring_now_ms(drain.ring) + 5000, on_closed, &drain);
	while (!drain.done && ring_turn(drain.ring, 20) == 0)
		;
	queue_free(drain.queue);
	ring_free(drain.ring);
	keeper_stop(keeper);
	drain_free(&drain);
	return 0;
}

static int server_command(const char *directory, const char *fsync)
{
	char why[RING_WHY_MAX], byte;
	struct state *state = state_open(slice_of(directory), why);

	if (!state)
		fail(why);
	struct server *server = server_start(state_path(state), slice_of(fsync), why);

	if (!server)
		fail(why);
	struct redis_server place = server_place(server);
	struct redisContext *redis = dial(&place);
	struct redis_promise promise = promise_of(redis);

	redisFree(redis);
	printf("{\"pid\":%d,\"instance\":\"%.*s\",\"promise\":\"%s\",\"error\":\"%s\"}\n", server_pid(server),
	       SLICE_ARG(state_instance(state)), promise_name(promise.kind), promise.error);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	server_stop(server);
	state_close(state);
	return 0;
}

static uint64_t number_of(const char *text)
{
	uint64_t n;

	if (!slice_number(slice_of(text), 100000000, &n))
		fail("expected a number");
	return n;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "fill") == 0 && argc >= 5)
		return fill(argv[2], number_of(argv[3]), (unsigned)number_of(argv[4]), argc > 5 ? argv[5] : "job");
	if (strcmp(command, "drain") == 0 && argc >= 4)
		return drain_command(argv[2], number_of(argv[3]), argc > 4 ? number_of(argv[4]) : 0);
	if (strcmp(command, "server") == 0 && argc == 4)
		return server_command(argv[2], argv[3]);
	fail("expected fill PLACE RECORDS LISTS [JOB], drain PLACE RECORDS [LATER], or server STATE_DIR FSYNC");
}
