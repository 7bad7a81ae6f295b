/* In clear a send is the owner's own iovec, and nothing is copied. Under TLS there is one more step each way: what is
 * said becomes records, what is heard is taken out of them; records that TLS wants to send of itself (its handshake,
 * a new key) go whenever no send is under way. */
#include "channel.h"

#include "base/check.h"

#include <errno.h>

static void on_sent(struct op *op, int result);

static void send_records(struct channel *channel)
{
	if (channel->sending_now || channel->closing)
		return;
	struct slice wire = tls_take(channel->stream);

	if (wire.len == 0)
		return;
	channel->wire = (struct iovec){(char *)wire.ptr, wire.len};
	channel->carries = channel->saying;
	channel->sending_now = true;
	channel->sending.op.done = on_sent;
	ring_send(channel->ring, &channel->sending, &channel->socket, &channel->wire, 1);
}

static void on_sent(struct op *op, int result)
{
	struct channel *channel = LIST_OWNER(op, struct channel, sending.op);
	size_t n = result > 0 ? (size_t)result : 0;
	bool carried = channel->carries;

	channel->sending_now = channel->carries = false;
	if (channel->stream)
		n = tls_taken(channel->stream, n);
	channel->saying = channel->saying && !carried;
	if (carried)
		channel->owner->said(channel->who, n, result < 0 ? -result : 0);
	if (channel->stream && result >= 0)
		send_records(channel);
}

/* The state of TLS after some bytes. What a record said before the end counts. */
static void hear_records(struct channel *channel, struct slice bytes)
{
	enum tls_state state;

	outbuf_reset(channel->plain);
	state = tls_feed(channel->stream, bytes, channel->plain);
	send_records(channel); /* an alert, too */
	if (!channel->secured && state == TLS_OPEN) {
		channel->secured = true;
		channel->owner->secured(channel->who);
	}
	if (channel->plain->len && !channel->closing)
		channel->owner->heard(channel->who, outbuf_slice(channel->plain));
	if (channel->closing || state == TLS_OPEN || state == TLS_SHAKING)
		return;
	if (channel->secured)
		channel->owner->lost(channel->who, state == TLS_CLOSED ? 0 : EPROTO);
	else
		channel->owner->insecure(channel->who, tls_peer(channel->stream)->why);
}

static void on_data(struct receive *receive, struct slice bytes)
{
	struct channel *channel = LIST_OWNER(receive, struct channel, receive);

	if (channel->closing)
		return;
	if (channel->stream)
		hear_records(channel, bytes);
	else
		channel->owner->heard(channel->who, bytes);
}

static void on_received(struct op *op, int result)
{
	struct channel *channel = LIST_OWNER(op, struct channel, receive.op);

	channel->receiving = false;
	if (channel->closing)
		return;
	if (channel->stream && !channel->secured)
		channel->owner->insecure(channel->who, "the connection ended in the handshake");
	else
		channel->owner->lost(channel->who, -result);
}

void channel_begin(struct channel *channel, struct ring *ring, const struct channel_owner *owner, void *who)
{
	CHECK(!channel->stream && !channel->sending_now && !channel->receiving);
	channel->ring = ring;
	channel->owner = owner;
	channel->who = who;
	channel->closing = channel->saying = channel->carries = channel->secured = false;
	channel->receive.op.done = on_received;
	channel->receive.data = on_data;
	channel->receiving = true;
	ring_receive(ring, &channel->receive, &channel->socket);
}

bool channel_is_free(const struct channel *channel)
{
	return !channel->saying && (channel->secured || !channel->stream) && (channel->stream || !channel->sending_now);
}

void channel_say(struct channel *channel, struct iovec *iov, unsigned niov)
{
	CHECK(channel_is_free(channel) && !channel->closing);
	channel->saying = true;
	if (channel->stream) {
		/* If a send of TLS's own is under way, this one goes when that is home. */
		tls_write(channel->stream, iov, niov);
		send_records(channel);
		return;
	}
	channel->carries = channel->sending_now = true;
	channel->sending.op.done = on_sent;
	ring_send(channel->ring, &channel->sending, &channel->socket, iov, niov);
}

void channel_secure(struct channel *channel, struct tls *tls, const struct tls_demand *demand, struct outbuf *plain)
{
	CHECK(!channel->stream && !channel->sending_now);
	channel->plain = plain;
	channel->stream = tls_start(tls, demand);
	send_records(channel);
}

const struct tls_peer *channel_peer(const struct channel *channel)
{
	return channel->stream ? tls_peer(channel->stream) : NULL;
}

void channel_close(struct channel *channel, struct ring *ring, struct op *closed)
{
	channel->closing = true;
	ring_close(ring, closed, &channel->socket, false);
}

void channel_free(struct channel *channel)
{
	CHECK(!channel->sending_now && !channel->receiving);
	if (channel->stream)
		tls_stream_free(channel->stream);
	channel->stream = NULL;
}
