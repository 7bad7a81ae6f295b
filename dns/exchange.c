/* Connect, send, receive until the answer, the deadline or an error: whichever comes first ends the exchange, closes
 * the socket, and is told when the socket is gone. After the end everything that comes home is ignored.
 *
 * Over TCP the answer is collected in memory that grows with what has come, not with what was announced, so that a
 * length of 65,535 alone costs nothing. */
#include "dns/exchange.h"

#include "base/check.h"
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void on_closed(struct op *op, int result)
{
	struct exchange *exchange = LIST_OWNER(op, struct exchange, closing);

	(void)result;
	free(exchange->bytes);
	exchange->bytes = NULL;
	exchange->done(exchange);
}

static void exchange_end(struct exchange *exchange, struct answer *answer, const char *failure)
{
	if (exchange->ended) {
		answer_free(answer);
		return;
	}
	exchange->ended = true;
	exchange->answer = answer;
	exchange->failure = failure;
	ring_timer_stop(exchange->ring, &exchange->timer);
	exchange->closing.done = on_closed;
	ring_close(exchange->ring, &exchange->closing, &exchange->socket, exchange->setup.over_tcp);
}

void exchange_stop(struct exchange *exchange, const char *failure)
{
	exchange_end(exchange, NULL, failure);
}

static const char *errno_text(int result)
{
	switch (-result) {
	case ECONNREFUSED: return "nobody listens there";
	case ECONNRESET: return "connection reset";
	case EMFILE: return "no socket free";
	case ENETUNREACH:
	case EHOSTUNREACH: return "not reachable from here";
	case 0: return "connection closed before the answer";
	default: return "network error";
	}
}

/* One whole message: the answer, or something to drop. */
static void exchange_hear(struct exchange *exchange, struct slice message)
{
	struct answer *answer = NULL;
	enum packet_fault fault =
		packet_read(message, exchange->id, exchange->setup.name, exchange->setup.type, &answer);

	if (fault == PACKET_OK) {
		answer->server = exchange->setup.server;
		answer->secure = answer->secure && exchange->setup.trusted;
		exchange_end(exchange, answer, NULL);
		return;
	}
	exchange->nbad++;
	if (exchange->setup.over_tcp || exchange->nbad == EXCHANGE_BAD_MAX)
		exchange_end(exchange, NULL, fault == PACKET_GARBAGE ? "garbage" : "answers to other questions");
}

static void bytes_add(struct exchange *exchange, struct slice bytes)
{
	if (exchange->bytes_len + bytes.len > exchange->bytes_size) {
		exchange->bytes_size = 2 * (exchange->bytes_len + bytes.len);
		exchange->bytes = realloc(exchange->bytes, exchange->bytes_size);
		CHECK(exchange->bytes != NULL);
	}
	memcpy(exchange->bytes + exchange->bytes_len, bytes.ptr, bytes.len);
	exchange->bytes_len += bytes.len;
}

static void on_data(struct receive *receive, struct slice bytes)
{
	struct exchange *exchange = LIST_OWNER(receive, struct exchange, receive);

	if (exchange->ended)
		return;
	if (!exchange->setup.over_tcp) {
		exchange_hear(exchange, bytes);
		return;
	}
	bytes_add(exchange, slice_head(bytes, 2 + PACKET_TCP_MAX - exchange->bytes_len));
	if (exchange->bytes_len < 2)
		return;
	size_t want = (size_t)(uint8_t)exchange->bytes[0] << 8 | (uint8_t)exchange->bytes[1];

	if (exchange->bytes_len >= 2 + want)
		exchange_hear(exchange, (struct slice){exchange->bytes + 2, want});
}

static void on_receive_ended(struct op *op, int result)
{
	exchange_end(LIST_OWNER(op, struct exchange, receive.op), NULL, errno_text(result));
}

static void on_sent(struct op *op, int result)
{
	struct exchange *exchange = LIST_OWNER(op, struct exchange, sending.op);

	if (result < 0)
		exchange_end(exchange, NULL, errno_text(result));
}

static void on_connected(struct op *op, int result)
{
	struct exchange *exchange = LIST_OWNER(op, struct exchange, connecting.op);

	if (exchange->ended)
		return;
	if (result < 0) {
		exchange_end(exchange, NULL, errno_text(result));
		return;
	}
	exchange->receive.op.done = on_receive_ended;
	exchange->receive.data = on_data;
	ring_receive(exchange->ring, &exchange->receive, &exchange->socket);
	exchange->sending.op.done = on_sent;
	ring_send(exchange->ring, &exchange->sending, &exchange->socket, &exchange->iov, 1);
}

static void on_deadline(struct timer *timer, uint64_t now_ms)
{
	struct exchange *exchange = LIST_OWNER(timer, struct exchange, timer);

	(void)now_ms;
	exchange->timed_out = true;
	exchange_end(exchange, NULL, exchange->nbad ? "no answer but bad ones" : "no answer");
}

/* The question in wire form; over TCP its length goes first. */
static void question_write(struct exchange *exchange)
{
	char *message = exchange->question + 2;
	size_t len = packet_question(message, exchange->id, exchange->setup.name, exchange->setup.type,
				     exchange->setup.trusted);

	exchange->question[0] = (char)(len >> 8);
	exchange->question[1] = (char)len;
	exchange->iov =
		exchange->setup.over_tcp ? (struct iovec){exchange->question, len + 2} : (struct iovec){message, len};
}

void exchange_start(struct exchange *exchange, struct ring *ring, const struct exchange_setup *setup)
{
	void (*done)(struct exchange * exchange) = exchange->done;

	CHECK(done != NULL);
	CHECK(exchange->bytes == NULL);
	*exchange = (struct exchange){.done = done, .setup = *setup, .ring = ring};
	exchange->id = (uint16_t)random_secret();
	question_write(exchange);
	timer_init(&exchange->timer, on_deadline);
	ring_timer(ring, &exchange->timer, setup->deadline_ms);
	exchange->connecting.op.done = on_connected;
	ring_connect(ring, &exchange->connecting, &exchange->socket, setup->over_tcp ? RING_STREAM : RING_DATAGRAM,
		     &exchange->setup.server.sa, NULL);
}
