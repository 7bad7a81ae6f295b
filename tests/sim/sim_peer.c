/* A connection is a pair of pipes with delays. What the program sends is cut into pieces; each is taken by its
 * kernel at one moment and reaches the peer at a later one, so that a peer can answer before a long send is over,
 * and a connection can break with any part of it delivered. A reset may overtake what is under way. */
#include "sim_world.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sim_listener *sim_listener_find(const struct sim_world *world, const struct address *address,
				       enum ring_kind ring_kind)
{
	LIST_EACH (link, &world->listeners) {
		struct sim_listener *listener = LIST_OWNER(link, struct sim_listener, link);

		if (listener->ring_kind == ring_kind && address_is_equal(&listener->address, address))
			return listener;
	}
	return NULL;
}

void sim_listen(struct sim_world *world, const struct address *address, enum ring_kind ring_kind,
		const struct sim_peer_kind *kind, void *context)
{
	struct sim_listener *listener = sim_listener_find(world, address, ring_kind);

	CHECK(kind->received != NULL);
	if (!listener) {
		listener = calloc(1, sizeof(*listener));
		CHECK(listener != NULL);
		list_push(&world->listeners, &listener->link);
	}
	listener->address = *address;
	listener->ring_kind = ring_kind;
	listener->kind = kind;
	listener->context = context;
}

void sim_unlisten(struct sim_world *world, const struct address *address, enum ring_kind ring_kind)
{
	struct sim_listener *listener = sim_listener_find(world, address, ring_kind);

	if (!listener)
		return;
	list_remove(&listener->link);
	free(listener);
}

void sim_own_address(struct sim_world *world, const struct address *address)
{
	struct sim_listener *own = calloc(1, sizeof(*own));

	CHECK(own != NULL);
	own->address = *address;
	list_push(&world->own, &own->link);
}

struct sim_peer *sim_peer_new(struct sim_world *world, struct ring *ring, struct socket *socket,
			      const struct sim_listener *listener)
{
	struct sim_peer *peer = calloc(1, sizeof(*peer) + (listener ? listener->kind->state_size : 0));

	CHECK(peer != NULL);
	*peer = (struct sim_peer){.world = world, .ring = ring, .socket = socket, .refs = 1, .cut_ms = UINT64_MAX};
	peer->id = ++world->npeers;
	list_init(&peer->inbox);
	list_init(&peer->hearing_link);
	list_push(&world->peers, &peer->world_link);
	list_push(&ring->peers, &peer->ring_link);
	if (listener) {
		peer->kind = listener->kind;
		peer->context = listener->context;
	}
	return peer;
}

void sim_peer_unref(struct sim_peer *peer)
{
	CHECK(peer->refs > 0);
	if (--peer->refs > 0)
		return;
	list_remove(&peer->world_link);
	free(peer);
}

void sim_peer_forget(struct sim_peer *peer)
{
	while (!list_is_empty(&peer->inbox))
		sim_event_free(LIST_OWNER(list_first(&peer->inbox), struct sim_event, link));
	list_remove(&peer->hearing_link);
	list_remove(&peer->ring_link);
	peer->ring = NULL;
	peer->socket = NULL;
	sim_peer_unref(peer);
}

void *sim_peer_state(struct sim_peer *peer)
{
	return peer->state;
}

void *sim_peer_context(const struct sim_peer *peer)
{
	return peer->context;
}

struct sim_world *sim_peer_world(const struct sim_peer *peer)
{
	return peer->world;
}

static uint64_t later_of(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

void sim_tell_at(struct sim_peer *peer, enum sim_thing thing, uint64_t at_ms, int result)
{
	struct sim_event *event = sim_event_add(peer->world, thing, peer, at_ms);

	event->ring = peer->ring;
	event->serial = ++peer->serial[thing];
	event->result = result;
}

static void end_in(struct sim_peer *peer, uint64_t at_ms, int result)
{
	sim_event_add(peer->world, SIM_END_IN, peer, at_ms)->result = result;
}

static void end_out(struct sim_peer *peer, uint64_t at_ms, int result)
{
	sim_event_add(peer->world, SIM_END_OUT, peer, at_ms)->result = result;
}

/* The line breaks for both; each learns it in its own time. Nothing that is sent from now on arrives. */
static void line_breaks(struct sim_peer *peer, uint64_t at_ms)
{
	peer->snapped = true;
	end_in(peer, at_ms + sim_delay_ms(peer->world), -ECONNRESET);
	end_out(peer, at_ms + sim_delay_ms(peer->world), -ECONNRESET);
}

static void piece_add(struct sim_peer *peer, enum sim_thing thing, struct slice bytes, uint64_t taken_ms,
		      uint64_t at_ms)
{
	struct sim_event *event = sim_event_add(peer->world, thing, peer, at_ms);

	event->taken_ms = taken_ms;
	event->len = bytes.len;
	event->bytes = malloc(bytes.len ? bytes.len : 1);
	CHECK(event->bytes != NULL);
	if (bytes.len)
		memcpy(event->bytes, bytes.ptr, bytes.len);
}

static struct slice piece_cut(struct sim_world *world, struct slice bytes)
{
	struct slice piece = slice_head(bytes, SIM_PIECE_MAX);

	while (piece.len > 1 && sim_chance(world, world->faults.split))
		piece.len = 1 + sim_world_dice(world, piece.len - 1);
	return piece;
}

static void datagram_add(struct sim_peer *peer, enum sim_thing thing, struct slice bytes)
{
	struct sim_world *world = peer->world;

	if (sim_chance(world, world->faults.lose))
		return;
	do
		piece_add(peer, thing, bytes, world->now_ms, world->now_ms + sim_delay_ms(world));
	while (sim_chance(world, world->faults.repeat));
}

void sim_peer_take(struct sim_peer *peer, struct slice bytes)
{
	struct sim_world *world = peer->world;
	uint64_t taken_ms = world->now_ms;
	int size = (int)bytes.len;

	peer->send_planned = 0;
	if (peer->datagram) {
		datagram_add(peer, SIM_PIECE_OUT, bytes);
		peer->send_planned = bytes.len;
		bytes.len = 0;
	}
	if (peer->snapped)
		return; /* the reset on its way will say how the send ended */
	while (bytes.len > 0) {
		struct slice piece = piece_cut(world, bytes);

		if (sim_chance(world, world->faults.reset)) {
			line_breaks(peer, taken_ms);
			return;
		}
		peer->out_ms = later_of(peer->out_ms, taken_ms + sim_delay_ms(world));
		piece_add(peer, SIM_PIECE_OUT, piece, taken_ms, peer->out_ms);
		peer->send_planned += piece.len;
		bytes = slice_skip(bytes, piece.len);
		taken_ms += bytes.len > 0 ? sim_delay_ms(world) : 0;
	}
	sim_tell_at(peer, SIM_SENT, taken_ms, size);
}

size_t sim_peer_taken(const struct sim_peer *peer)
{
	const struct sim_world *world = peer->world;
	size_t taken = peer->send_planned;

	for (size_t i = 0; i < world->nheap; i++) {
		const struct sim_event *event = world->heap[i];

		if (event->peer == peer && event->thing == SIM_PIECE_OUT && event->taken_ms > world->now_ms)
			taken -= event->len;
	}
	return taken;
}

void sim_peer_cut(struct sim_peer *peer, bool reset)
{
	uint64_t at_ms = peer->world->now_ms + sim_delay_ms(peer->world);

	peer->cut_ms = peer->world->now_ms;
	if (!reset || !peer->open)
		at_ms = later_of(at_ms, peer->out_ms);
	if (peer->kind)
		end_out(peer, at_ms, reset ? -ECONNRESET : 0);
}

void sim_peer_send(struct sim_peer *peer, struct slice bytes)
{
	struct sim_world *world = peer->world;

	CHECK(peer->open);
	if (peer->mute || peer->snapped)
		return;
	if (peer->datagram) {
		datagram_add(peer, SIM_PIECE_IN, bytes);
		return;
	}
	while (bytes.len > 0) {
		struct slice piece = piece_cut(world, bytes);

		peer->in_ms = later_of(peer->in_ms, world->now_ms + sim_delay_ms(world));
		if (sim_chance(world, world->faults.reset)) {
			line_breaks(peer, peer->in_ms);
			return;
		}
		piece_add(peer, SIM_PIECE_IN, piece, 0, peer->in_ms);
		bytes = slice_skip(bytes, piece.len);
	}
}

static void peer_over(struct sim_peer *peer)
{
	peer->open = false;
	sim_peer_unref(peer);
}

void sim_peer_close(struct sim_peer *peer)
{
	CHECK(peer->open);
	peer->in_ms = later_of(peer->in_ms, peer->world->now_ms + sim_delay_ms(peer->world));
	if (!peer->mute)
		end_in(peer, peer->in_ms, 0);
	peer_over(peer);
}

void sim_peer_reset(struct sim_peer *peer)
{
	CHECK(peer->open);
	end_in(peer, peer->world->now_ms + sim_delay_ms(peer->world), -ECONNRESET);
	peer_over(peer);
}

void sim_peer_after(struct sim_peer *peer, uint64_t delay_ms, void (*act)(struct sim_peer *peer))
{
	CHECK(peer->open);
	sim_event_add(peer->world, SIM_PEER_ACT, peer, peer->world->now_ms + delay_ms)->peer_act = act;
}

void sim_peer_look(struct sim_peer *peer)
{
	bool something = !list_is_empty(&peer->inbox) || peer->ended;

	if (peer->receive && something && !peer->paused && list_is_empty(&peer->hearing_link))
		list_push(&peer->ring->hearing, &peer->hearing_link);
}

/* A piece at the program's socket. True: it was put into the inbox. */
static bool happen_piece_in(struct sim_peer *peer, struct sim_event *event)
{
	if (!peer->ring) { /* nobody there any more: the peer is told so */
		if (peer->open && !peer->datagram)
			end_out(peer, peer->world->now_ms + sim_delay_ms(peer->world), -ECONNRESET);
		return false;
	}
	if (peer->broken || peer->ended)
		return false;
	list_push(&peer->inbox, &event->link);
	sim_peer_look(peer);
	return true;
}

static void happen_end_in(struct sim_peer *peer, int result)
{
	if (!peer->ring || peer->broken)
		return;
	if (result < 0 && !peer->datagram) {
		peer->broken = true;
		peer->cut_ms = peer->world->now_ms;
		while (sim_world_dice(peer->world, 2) && !list_is_empty(&peer->inbox))
			sim_event_free(LIST_OWNER(peer->inbox.prev, struct sim_event, link));
		if (peer->sending) {
			size_t taken = sim_peer_taken(peer);

			sim_tell_at(peer, SIM_SENT, peer->world->now_ms, taken > 0 ? (int)taken : -ECONNRESET);
		}
	}
	if (!peer->ended) {
		peer->ended = true;
		peer->end = result;
	}
	sim_peer_look(peer);
}

static void happen_piece_out(struct sim_peer *peer, const struct sim_event *event)
{
	uint64_t at_ms = peer->world->now_ms + sim_delay_ms(peer->world);

	if (event->taken_ms > peer->cut_ms)
		return;
	if (peer->open)
		peer->kind->received(peer, (struct slice){event->bytes, event->len});
	else
		end_in(peer, at_ms, peer->datagram ? -ECONNREFUSED : -ECONNRESET);
}

static void happen_end_out(struct sim_peer *peer, int result)
{
	if (!peer->open)
		return;
	peer->open = false;
	if (peer->kind->closed)
		peer->kind->closed(peer, result < 0);
	sim_peer_unref(peer);
}

void sim_peer_happen(struct sim_peer *peer, struct sim_event *event)
{
	bool kept = false;

	sim_record(peer->world, event->thing, peer, event->result, (struct slice){event->bytes, event->len});
	switch (event->thing) {
	case SIM_ARRIVE:
		peer->open = true;
		peer->refs++;
		if (peer->kind->connected)
			peer->kind->connected(peer);
		break;
	case SIM_PIECE_IN: kept = happen_piece_in(peer, event); break;
	case SIM_END_IN: happen_end_in(peer, event->result); break;
	case SIM_RESUME:
		peer->paused = false;
		if (peer->ring)
			sim_peer_look(peer);
		break;
	case SIM_PIECE_OUT: happen_piece_out(peer, event); break;
	case SIM_END_OUT: happen_end_out(peer, event->result); break;
	case SIM_PEER_ACT:
		if (peer->open)
			event->peer_act(peer);
		break;
	default: CHECK(false);
	}
	if (!kept)
		sim_event_free(event);
}
