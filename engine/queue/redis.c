/* Two send buffers: one is in flight, the other takes what is asked meanwhile and leaves when the first is home; under
 * load this batches by itself. Commands are encoded straight into the buffer.
 *
 * All ends of a connection go one way: lose() closes the socket, and when its last op is home, on_closed() tells the
 * unanswered and rests. hiredis' own asynchronous mode, polled by the ring, was measured at twice the cost. */
#include "queue/redis.h"

#include "base/check.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BACKOFF_MS_MIN = 50,
	BACKOFF_MS_MAX = 2000,
	CONNECT_MS_MAX = 5000,
	PATIENCE_MS = 15000,
	KEEP_BYTES_MAX = 1 << 20, /* a larger buffer is given back after use */
};

/* RESTING → CONNECTING → GREETING → UP; every one but RESTING → CLOSING → RESTING, or CLOSED after redis_close. */
enum redis_state { REDIS_RESTING, REDIS_CONNECTING, REDIS_GREETING, REDIS_UP, REDIS_CLOSING, REDIS_CLOSED };

struct redis {
	struct ring *ring; /* borrowed */
	struct redis_setup setup;
	struct redis_owner owner;
	enum redis_state state;
	bool was_up;	  /* while closing: down is to be told */
	bool told_broken; /* since the last up */

	struct socket socket;
	struct connecting connecting;
	struct sending sending;
	struct receive receive;
	struct op closing;
	struct timer timer; /* resting: when to connect; connecting and later: patience */

	struct outbuf out[2];
	struct iovec iov;
	unsigned filling; /* which of out takes bytes now */
	bool sending_now; /* the other one is in flight */

	struct list asks; /* unanswered, oldest first */
	struct redis_ask login, selection, probe;
	struct resp_reader reader; /* new with each connection */

	uint64_t backoff_ms;
	struct random random;
	char why[RING_WHY_MAX];
	void (*closed)(void *who);
	void *closed_who;
};

static void lose(struct redis *redis, const char *why)
{
	if (redis->state == REDIS_CLOSING)
		return;
	CHECK(redis->state != REDIS_RESTING && redis->state != REDIS_CLOSED);
	redis->was_up = redis->state == REDIS_UP;
	redis->state = REDIS_CLOSING;
	snprintf(redis->why, sizeof(redis->why), "%s", why);
	ring_timer_stop(redis->ring, &redis->timer);
	ring_close(redis->ring, &redis->closing, &redis->socket, false);
}

static void broken(struct redis *redis, const struct redisReply *reply)
{
	char place[ADDRESS_TEXT_MAX], why[RING_WHY_MAX];

	address_text(&redis->setup.server.address, place);
	snprintf(why, sizeof(why),
		 "Redis at %.90s refuses us: \"%.70s\"; check user, password-file and database in redis { } and its "
		 "ACL",
		 place, resp_text(reply).ptr);
	lose(redis, why);
	redis->backoff_ms = BACKOFF_MS_MAX;
	if (!redis->told_broken && redis->owner.broken)
		redis->owner.broken(redis->owner.who, why);
	redis->told_broken = true;
}

static void deliver(struct redis *redis, const struct redisReply *reply)
{
	struct list *first = list_first(&redis->asks);
	enum resp_error error = resp_error(reply);

	if (!first) {
		lose(redis, "Redis answered what nobody asked");
	} else if (error == RESP_WAIT || error == RESP_MISSING) {
		lose(redis, resp_text(reply).ptr);
	} else if (error == RESP_BROKEN || (error != RESP_FINE && redis->state == REDIS_GREETING)) {
		broken(redis, reply);
	} else {
		struct redis_ask *ask = LIST_OWNER(first, struct redis_ask, link);

		if (error == RESP_FINE && redis->state == REDIS_UP)
			redis->backoff_ms = 0;
		list_remove(first);
		ask->replied(ask, reply);
	}
}

static void on_data(struct receive *receive, struct slice bytes)
{
	struct redis *redis = LIST_OWNER(receive, struct redis, receive);
	const struct redisReply *reply;
	int got = 0;

	if (redis->state == REDIS_CLOSING)
		return;
	ring_timer(redis->ring, &redis->timer, ring_now_ms(redis->ring) + redis->setup.patience_ms);
	resp_feed(&redis->reader, bytes);
	while (redis->state != REDIS_CLOSING && (got = resp_next(&redis->reader, &reply)) > 0)
		deliver(redis, reply);
	if (got < 0)
		lose(redis, resp_why(&redis->reader));
}

static void on_received(struct op *op, int result)
{
	struct redis *redis = LIST_OWNER(op, struct redis, receive.op);

	lose(redis, result == 0 ? "Redis closed the connection" : strerror(-result));
}

static void flush(struct redis *redis)
{
	struct outbuf *out = &redis->out[redis->filling];

	if (redis->sending_now || out->len == 0)
		return;
	redis->sending_now = true;
	redis->filling = !redis->filling;
	redis->iov = (struct iovec){out->ptr, out->len};
	ring_send(redis->ring, &redis->sending, &redis->socket, &redis->iov, 1);
}

static void outbuf_shrink(struct outbuf *out)
{
	if (out->size > KEEP_BYTES_MAX)
		outbuf_free(out);
	else
		outbuf_reset(out);
}

static void on_sent(struct op *op, int result)
{
	struct redis *redis = LIST_OWNER(op, struct redis, sending.op);
	struct outbuf *out = &redis->out[!redis->filling];
	bool whole = result >= 0 && (size_t)result == out->len;

	redis->sending_now = false;
	outbuf_shrink(out);
	if (redis->state == REDIS_CLOSING)
		return;
	if (whole)
		flush(redis);
	else
		lose(redis, result < 0 ? strerror(-result) : "the connection broke while sending");
}

/* The head of a command; the caller appends its arguments and calls flush. */
static struct outbuf *begin(struct redis *redis, struct redis_ask *ask, unsigned argc)
{
	struct outbuf *out = &redis->out[redis->filling];

	CHECK(ask->replied != NULL);
	if (list_is_empty(&redis->asks))
		ring_timer(redis->ring, &redis->timer, ring_now_ms(redis->ring) + redis->setup.patience_ms);
	list_init(&ask->link);
	list_push(&redis->asks, &ask->link);
	outbuf_byte(out, '*');
	outbuf_number(out, argc);
	outbuf_add(out, SLICE("\r\n"));
	return out;
}

static void ask_now(struct redis *redis, struct redis_ask *ask, const struct slice *argv, unsigned argc)
{
	struct outbuf *out = begin(redis, ask, argc);

	for (unsigned i = 0; i < argc; i++)
		resp_argument(out, argv[i]);
	flush(redis);
}

static void on_greeting(struct redis_ask *ask, const struct redisReply *reply)
{
	(void)ask;
	(void)reply; /* an error did not come here: see deliver */
}

static void on_probe(struct redis_ask *ask, const struct redisReply *reply)
{
	struct redis *redis = LIST_OWNER(ask, struct redis, probe);

	if (!reply)
		return;
	CHECK(redis->state == REDIS_GREETING);
	redis->state = REDIS_UP;
	redis->told_broken = false;
	redis->owner.up(redis->owner.who);
}

static void greet(struct redis *redis)
{
	const struct redis_server *server = &redis->setup.server;
	char digits[16];

	if (server->password.len && server->user.len)
		ask_now(redis, &redis->login, (struct slice[]){SLICE("AUTH"), server->user, server->password}, 3);
	else if (server->password.len)
		ask_now(redis, &redis->login, (struct slice[]){SLICE("AUTH"), server->password}, 2);
	if (server->database) {
		snprintf(digits, sizeof(digits), "%u", server->database);
		ask_now(redis, &redis->selection, (struct slice[]){SLICE("SELECT"), slice_of(digits)}, 2);
	}
	if (redis->setup.probe.len)
		ask_now(redis, &redis->probe, (struct slice[]){SLICE("DEL"), redis->setup.probe}, 2);
	else
		ask_now(redis, &redis->probe, (struct slice[]){SLICE("PING")}, 1);
}

static void on_connected(struct op *op, int result)
{
	struct redis *redis = LIST_OWNER(op, struct redis, connecting.op);

	if (redis->state == REDIS_CLOSING)
		return;
	if (result < 0) {
		lose(redis, strerror(-result));
		return;
	}
	redis->state = REDIS_GREETING;
	ring_receive(redis->ring, &redis->receive, &redis->socket);
	greet(redis);
}

static void connect_now(struct redis *redis)
{
	CHECK(redis->state == REDIS_RESTING);
	CHECK(list_is_empty(&redis->asks));
	CHECK(!redis->sending_now);
	redis->state = REDIS_CONNECTING;
	outbuf_reset(&redis->out[0]);
	outbuf_reset(&redis->out[1]);
	resp_reader_init(&redis->reader);
	ring_timer(redis->ring, &redis->timer, ring_now_ms(redis->ring) + CONNECT_MS_MAX);
	ring_connect(redis->ring, &redis->connecting, &redis->socket, RING_STREAM, &redis->setup.server.address.sa,
		     NULL);
}

/* Waits longer each time, and not in step with others. */
static void rest(struct redis *redis)
{
	uint64_t wait_ms = redis->backoff_ms < BACKOFF_MS_MIN ? BACKOFF_MS_MIN : redis->backoff_ms;

	redis->state = REDIS_RESTING;
	redis->backoff_ms = wait_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : wait_ms * 2;
	wait_ms = wait_ms / 2 + random_below(&redis->random, wait_ms / 2 + 1);
	ring_timer(redis->ring, &redis->timer, ring_now_ms(redis->ring) + wait_ms);
}

static void finish(struct redis *redis)
{
	redis->state = REDIS_CLOSED;
	redis->closed(redis->closed_who);
}

static void on_closed(struct op *op, int result)
{
	struct redis *redis = LIST_OWNER(op, struct redis, closing);
	struct list *link;

	(void)result;
	CHECK(redis->state == REDIS_CLOSING);
	resp_reader_free(&redis->reader);
	while ((link = list_pop(&redis->asks))) {
		struct redis_ask *ask = LIST_OWNER(link, struct redis_ask, link);

		ask->replied(ask, NULL);
	}
	if (redis->was_up)
		redis->owner.down(redis->owner.who, redis->why);
	if (redis->closed)
		finish(redis);
	else
		rest(redis);
}

static void on_timer(struct timer *timer, uint64_t now_ms)
{
	struct redis *redis = LIST_OWNER(timer, struct redis, timer);

	(void)now_ms;
	switch (redis->state) {
	case REDIS_RESTING:
		if (redis->closed)
			finish(redis);
		else
			connect_now(redis);
		break;
	case REDIS_CONNECTING: lose(redis, "no connection within 5 seconds"); break;
	case REDIS_GREETING:
	case REDIS_UP:
		if (!list_is_empty(&redis->asks))
			lose(redis, "Redis did not answer in time");
		break;
	case REDIS_CLOSING:
	case REDIS_CLOSED: break;
	}
}

struct redis *redis_open(struct ring *ring, const struct redis_setup *setup, const struct redis_owner *owner)
{
	struct redis *redis = calloc(1, sizeof(*redis));

	CHECK(redis != NULL);
	CHECK(owner->up != NULL && owner->down != NULL);
	redis->ring = ring;
	redis->setup = *setup;
	redis->owner = *owner;
	if (redis->setup.patience_ms == 0)
		redis->setup.patience_ms = PATIENCE_MS;
	redis->connecting.op.done = on_connected;
	redis->sending.op.done = on_sent;
	redis->receive.data = on_data;
	redis->receive.op.done = on_received;
	redis->closing.done = on_closed;
	redis->login.replied = redis->selection.replied = on_greeting;
	redis->probe.replied = on_probe;
	redis->random = random_seeded(random_secret());
	list_init(&redis->asks);
	timer_init(&redis->timer, on_timer);
	connect_now(redis);
	return redis;
}

void redis_close(struct redis *redis, void (*closed)(void *who), void *who)
{
	CHECK(redis->closed == NULL && closed != NULL);
	redis->closed = closed;
	redis->closed_who = who;
	if (redis->state == REDIS_RESTING)
		ring_timer(redis->ring, &redis->timer, ring_now_ms(redis->ring));
	else
		lose(redis, "closed");
}

void redis_free(struct redis *redis)
{
	if (!redis)
		return;
	CHECK(redis->state == REDIS_CLOSED);
	outbuf_free(&redis->out[0]);
	outbuf_free(&redis->out[1]);
	free(redis);
}

bool redis_is_up(const struct redis *redis)
{
	return redis->state == REDIS_UP;
}

void redis_ask(struct redis *redis, struct redis_ask *ask, const struct slice *argv, unsigned argc)
{
	CHECK(redis_is_up(redis));
	ask_now(redis, ask, argv, argc);
}

void redis_ask_encoded(struct redis *redis, struct redis_ask *ask, struct slice encoded, unsigned argc)
{
	CHECK(redis_is_up(redis));
	outbuf_add(begin(redis, ask, argc), encoded);
	flush(redis);
}
