/* The functions of ring.h in the simulated world: the program's end of every connection. What is to be told waits in
 * the world's queue like everything else, and a turn tells what is due: first what was connected, sent, closed and
 * woken, then what was received, then the timers. Where the real ring may do as it likes, the dice decide. */
#include "sim_world.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

enum { STALLED_MAX = 100000, TURNS_PER_MS = 64 };
static const int64_t START_WALL_MS = 1767225600000; /* 2026-01-01 */

int ring_open(struct ring **opened, const struct ring_setup *setup, char *why)
{
	struct sim_world *world = sim_world_begun();
	struct ring *ring = calloc(1, sizeof(*ring));

	(void)why;
	CHECK(ring != NULL);
	CHECK(setup->sockets > 0 && setup->buffer_size > 0);
	ring->world = world;
	ring->setup = *setup;
	ring->now_ms = world->now_ms;
	list_init(&ring->ready);
	list_init(&ring->hearing);
	list_init(&ring->peers);
	wheel_init(&ring->wheel, ring->now_ms);
	list_push(&world->rings, &ring->link);
	*opened = ring;
	return 0;
}

static void events_drop(struct ring *ring)
{
	struct sim_world *world = ring->world;

	while (!list_is_empty(&ring->ready))
		sim_event_free(LIST_OWNER(list_first(&ring->ready), struct sim_event, link));
	for (size_t i = 0; i < world->nheap; i++) {
		struct sim_event *event = world->heap[i];

		if (event->ring != ring)
			continue;
		event->ring = NULL;
		event->thing = SIM_ACT; /* of nobody */
	}
}

void ring_free(struct ring *ring)
{
	CHECK(!ring->turning);
	CHECK(ring->nsockets == 0);
	CHECK(list_is_empty(&ring->peers));
	events_drop(ring);
	list_remove(&ring->link);
	free(ring);
}

void sim_ring_kill(struct ring *ring)
{
	while (!list_is_empty(&ring->peers)) {
		struct sim_peer *peer = LIST_OWNER(list_first(&ring->peers), struct sim_peer, ring_link);

		sim_peer_cut(peer, true);
		peer->connecting = NULL;
		peer->sending = NULL;
		peer->receive = NULL;
		sim_peer_forget(peer);
	}
	ring->nsockets = 0;
	ring_free(ring);
}

unsigned ring_sockets_max(const struct ring *ring)
{
	return ring->setup.sockets;
}

uint64_t ring_now_ms(const struct ring *ring)
{
	return ring->now_ms;
}

/* Work takes no time here. */
uint64_t ring_cpu_ms(const struct ring *ring)
{
	(void)ring;
	return 0;
}

uint64_t sim_world_wall_ms(const struct sim_world *world)
{
	return (uint64_t)(START_WALL_MS + (int64_t)world->now_ms + world->wall_shift_ms);
}

uint64_t ring_wall_ms(const struct ring *ring)
{
	return (uint64_t)(START_WALL_MS + (int64_t)ring->now_ms + ring->world->wall_shift_ms);
}

/* On a busy machine. */
uint64_t ring_lag_ms(struct ring *ring)
{
	struct sim_world *world = ring->world;

	return sim_chance(world, world->faults.late) ? random_below(&world->random, 50) : 0;
}

void ring_timer(struct ring *ring, struct timer *timer, uint64_t deadline_ms)
{
	timer_set(&ring->wheel, timer, deadline_ms);
}

void ring_timer_stop(struct ring *ring, struct timer *timer)
{
	timer_stop(&ring->wheel, timer);
}

static void op_begin(struct op *op, struct socket *socket, bool counts)
{
	CHECK(op->done != NULL);
	CHECK(!op->inflight);
	CHECK(!socket->closing);
	op->inflight = true;
	op->socket = socket;
	if (counts)
		socket->inflight++;
}

static void op_home(struct sim_peer *peer, struct op *op, enum sim_thing thing, int result)
{
	struct socket *socket = op->socket;

	CHECK(op->inflight);
	CHECK(socket == peer->socket && socket->world == peer);
	sim_record(peer->world, thing, peer, result, SLICE_NONE);
	op->inflight = false;
	socket->inflight--;
	if (socket->closing && socket->inflight == 0)
		sim_tell_at(peer, SIM_CLOSED, peer->world->now_ms + sim_world_dice(peer->world, 2), 0);
	op->done(op, result);
}

static bool is_ours(const struct sim_world *world, const struct address *from)
{
	struct address ours = *from;

	LIST_EACH (link, &world->own) {
		const struct address *own = &LIST_OWNER(link, struct sim_listener, link)->address;

		if (own->sa.sa_family == AF_INET6)
			ours.in6.sin6_port = own->in6.sin6_port;
		else
			ours.in.sin_port = own->in.sin_port;
		if (address_is_equal(own, &ours))
			return true;
	}
	return list_is_empty(&world->own);
}

/* Nothing, or why there will not even be a socket. */
static int refused_here(struct ring *ring, const struct address *from)
{
	if (ring->nsockets >= ring->setup.sockets || sim_chance(ring->world, ring->world->faults.exhaust))
		return -EMFILE;
	return from && from->len > 0 && !is_ours(ring->world, from) ? -EADDRNOTAVAIL : 0;
}

static void stream_connect(struct sim_peer *peer)
{
	struct sim_world *world = peer->world;
	uint64_t there_ms = world->now_ms + sim_delay_ms(world), back_ms = there_ms + sim_delay_ms(world);

	if (sim_chance(world, world->faults.vanish)) {
		peer->kind = NULL;
		sim_tell_at(peer, SIM_CONNECTED, world->now_ms + SIM_VANISH_MS, -ETIMEDOUT);
	} else if (!peer->kind || sim_chance(world, world->faults.refuse)) {
		peer->kind = NULL;
		sim_tell_at(peer, SIM_CONNECTED, back_ms, -ECONNREFUSED);
	} else {
		peer->mute = sim_chance(world, world->faults.mute);
		peer->out_ms = there_ms;
		peer->in_ms = back_ms;
		sim_event_add(world, SIM_ARRIVE, peer, there_ms);
		sim_tell_at(peer, SIM_CONNECTED, back_ms, 0);
	}
}

void ring_connect(struct ring *ring, struct connecting *connecting, struct socket *socket, enum ring_kind kind,
		  const struct sockaddr *to, const struct address *from)
{
	struct sim_world *world = ring->world;
	struct address there = address_of(to);

	CHECK(socket->slot == 0 && socket->inflight == 0);
	op_begin(&connecting->op, socket, true);
	CHECK(socket->world == NULL);
	struct sim_peer *peer = sim_peer_new(world, ring, socket, sim_listener_find(world, &there, kind));
	int refused = refused_here(ring, from);

	socket->world = peer;
	peer->connecting = connecting;
	peer->datagram = socket->datagram = kind == RING_DATAGRAM;
	if (refused < 0) {
		peer->kind = NULL;
		sim_tell_at(peer, SIM_CONNECTED, world->now_ms, refused);
		return;
	}
	ring->nsockets++;
	socket->slot = (int)peer->id;
	if (kind == RING_STREAM) {
		stream_connect(peer);
		return;
	}
	peer->open = peer->kind != NULL;
	peer->refs += peer->open;
	sim_tell_at(peer, SIM_CONNECTED, world->now_ms, 0);
}

static void gather(struct outbuf *out, const struct sending *sending)
{
	for (size_t i = 0; i < sending->header.msg_iovlen; i++) {
		const struct iovec *iov = &sending->header.msg_iov[i];

		outbuf_add(out, (struct slice){iov->iov_base, iov->iov_len});
	}
}

void ring_send(struct ring *ring, struct sending *sending, struct socket *socket, struct iovec *iov, unsigned niov)
{
	struct sim_peer *peer = socket->world;
	struct outbuf bytes = {0};

	op_begin(&sending->op, socket, true);
	CHECK(socket->slot != 0 && peer != NULL);
	CHECK(peer->ring == ring);
	CHECK(peer->connecting == NULL);
	CHECK(peer->sending == NULL);
	peer->sending = sending;
	sending->header = (struct msghdr){.msg_iov = iov, .msg_iovlen = niov};
	gather(&bytes, sending);
	peer->send_hash = slice_hash(outbuf_slice(&bytes));
	peer->send_planned = 0;
	if (peer->broken)
		sim_tell_at(peer, SIM_SENT, ring->world->now_ms, -EPIPE);
	else
		sim_peer_take(peer, outbuf_slice(&bytes));
	outbuf_free(&bytes);
}

void ring_receive(struct ring *ring, struct receive *receive, struct socket *socket)
{
	struct sim_peer *peer = socket->world;

	op_begin(&receive->op, socket, true);
	CHECK(receive->data != NULL);
	CHECK(socket->slot != 0 && peer != NULL);
	CHECK(peer->ring == ring);
	CHECK(peer->receive == NULL);
	peer->receive = receive;
	sim_peer_look(peer);
}

void ring_close(struct ring *ring, struct op *op, struct socket *socket, bool abort)
{
	struct sim_world *world = ring->world;

	op_begin(op, socket, false);
	socket->closing = true;
	socket->closed = op;
	if (!socket->world) /* it was never connected */
		socket->world = sim_peer_new(world, ring, socket, NULL);
	struct sim_peer *peer = socket->world;

	CHECK(peer->ring == ring);
	if (peer->connecting)
		sim_tell_at(peer, SIM_CONNECTED, world->now_ms, -ECANCELED);
	if (peer->sending) {
		size_t taken = peer->broken ? 0 : sim_peer_taken(peer);

		sim_tell_at(peer, SIM_SENT, world->now_ms, taken > 0 ? (int)taken : -ECANCELED);
	}
	if (peer->receive)
		sim_tell_at(peer, SIM_ENDED, world->now_ms, -ECANCELED);
	list_remove(&peer->hearing_link);
	sim_peer_cut(peer, abort || !list_is_empty(&peer->inbox)); /* TCP resets when bytes were left unread */
	if (socket->inflight == 0)
		sim_tell_at(peer, SIM_CLOSED, world->now_ms + sim_world_dice(world, 2), 0);
}

void ring_wake(struct ring *ring, struct ring *to, struct message_to_ring *message)
{
	struct sim_world *world = ring->world;
	uint64_t at_ms = world->now_ms + (to == ring ? 0 : sim_world_dice(world, 3));

	to->message_ms = at_ms > to->message_ms ? at_ms : to->message_ms;
	struct sim_event *event = sim_event_add(world, SIM_MESSAGE, NULL, to->message_ms);

	event->ring = to;
	event->who = message;
}

static void tell_sent(struct sim_peer *peer, int result)
{
	struct sending *sending = peer->sending;
	struct outbuf bytes = {0};

	gather(&bytes, sending);
	CHECK(slice_hash(outbuf_slice(&bytes)) == peer->send_hash); /* the owner kept its hands off */
	outbuf_free(&bytes);
	peer->sending = NULL;
	op_home(peer, &sending->op, SIM_SENT, result);
}

static void tell_closed(struct ring *ring, struct sim_peer *peer)
{
	struct socket *socket = peer->socket;
	struct op *op = socket->closed;

	CHECK(socket->closing && socket->inflight == 0);
	sim_record(ring->world, SIM_CLOSED, peer, 0, SLICE_NONE);
	ring->nsockets -= socket->slot != 0;
	*socket = (struct socket){0};
	sim_peer_forget(peer);
	op->inflight = false;
	op->done(op, 0);
}

static void tell(struct ring *ring, struct sim_event *event)
{
	struct sim_peer *peer = event->peer;

	if (event->thing == SIM_MESSAGE) {
		struct message_to_ring *message = event->who;

		sim_record(ring->world, SIM_MESSAGE, NULL, 0, SLICE_NONE);
		message->arrive(message);
	} else if (event->serial != peer->serial[event->thing] || peer->ring != ring) {
		return; /* something else came between */
	} else if (event->thing == SIM_CONNECTED) {
		struct connecting *connecting = peer->connecting;

		peer->connecting = NULL;
		op_home(peer, &connecting->op, SIM_CONNECTED, event->result);
	} else if (event->thing == SIM_SENT) {
		tell_sent(peer, event->result);
	} else if (event->thing == SIM_ENDED) {
		struct receive *receive = peer->receive;

		peer->receive = NULL;
		op_home(peer, &receive->op, SIM_ENDED, event->result);
	} else {
		tell_closed(ring, peer);
	}
}

/* One piece, or as much of it as a buffer holds; what is left of a stream's stays. */
static void tell_piece(struct ring *ring, struct sim_peer *peer)
{
	struct sim_event *event = LIST_OWNER(list_pop(&peer->inbox), struct sim_event, link);
	struct slice bytes = {event->bytes, event->len};

	for (bool more = true; more && peer->receive && !peer->socket->closing;) {
		struct slice piece = slice_head(bytes, ring->setup.buffer_size);

		bytes = peer->datagram ? SLICE_NONE : slice_skip(bytes, piece.len);
		more = bytes.len > 0;
		sim_record(ring->world, SIM_HEARD, peer, 0, piece);
		if (piece.len > 0)
			peer->receive->data(peer->receive, piece);
	}
	sim_event_free(event);
}

static void tell_heard(struct ring *ring, struct sim_peer *peer)
{
	struct sim_world *world = ring->world;

	if (sim_chance(world, world->faults.pause)) {
		peer->paused = true;
		sim_event_add(world, SIM_RESUME, peer, world->now_ms + 1 + sim_world_dice(world, 20));
		return;
	}
	while (peer->receive && !peer->socket->closing && !list_is_empty(&peer->inbox))
		tell_piece(ring, peer);
	if (!peer->receive || peer->socket->closing || !peer->ended)
		return;
	struct receive *receive = peer->receive;

	peer->receive = NULL;
	peer->ended = !peer->datagram; /* an error of a datagram is told once */
	op_home(peer, &receive->op, SIM_ENDED, peer->end);
}

static bool is_ready(const struct ring *ring)
{
	return !list_is_empty(&ring->ready) || !list_is_empty(&ring->hearing);
}

/* Nothing to tell: the clock moves on to the next thing, for whomever it is; unless it is another ring's turn now. */
static void wait_for(struct ring *ring, uint64_t wait_ms)
{
	struct sim_world *world = ring->world;

	LIST_EACH (link, &world->rings) {
		struct ring *other = LIST_OWNER(link, struct ring, link);

		wait_ms = wheel_wait_ms(&other->wheel, world->now_ms, wait_ms);
		if (is_ready(other))
			wait_ms = 0;
	}
	if (wait_ms == 0) {
		CHECK(world->stalled++ < STALLED_MAX); /* a ring is not turned, or nobody waits */
		return;
	}
	world->stalled = 0;
	world->now_ms = sim_world_next_ms(world, world->now_ms + wait_ms);
	if (sim_chance(world, world->faults.late))
		world->now_ms += sim_world_dice(world, 50);
	sim_world_run(world);
}

/* Both lists are taken over first: what is told may bring up more, and that is for the next turn. */
static void take_over(struct list *to, struct list *from)
{
	list_init(to);
	while (!list_is_empty(from))
		list_push(to, list_pop(from));
}

int ring_turn(struct ring *ring, uint64_t wait_ms_max)
{
	struct sim_world *world = ring->world;
	struct list ready, hearing;

	CHECK(!ring->turning);
	ring->turning = true;
	world->now_ms += ++world->turns % TURNS_PER_MS == 0; /* a turn is not for nothing */
	sim_world_run(world);
	if (!is_ready(ring))
		wait_for(ring, wait_ms_max);
	ring->now_ms = world->now_ms;
	take_over(&ready, &ring->ready);
	while (!list_is_empty(&ready)) {
		struct sim_event *event = LIST_OWNER(list_pop(&ready), struct sim_event, link);

		tell(ring, event);
		sim_event_free(event);
	}
	take_over(&hearing, &ring->hearing);
	while (!list_is_empty(&hearing))
		tell_heard(ring, LIST_OWNER(list_pop(&hearing), struct sim_peer, hearing_link));
	wheel_turn(&ring->wheel, ring->now_ms);
	ring->turning = false;
	return 0;
}
