/* The ring: the only way this program touches the network and the clock while it works.
 *
 * Two implementations, chosen by the linker: ring_uring.c is the kernel (io_uring), tests/sim/ring_sim.c a seeded
 * world whose clock jumps. Ten functions, so that the second can be as honest as the first.
 *
 *     struct ring *ring;
 *     if (ring_open(&ring, &setup, &why) < 0) fail(why);
 *     ring_connect(ring, &conn->connecting, &conn->socket, RING_STREAM, &mx, &source);
 *     while (ring_turn(ring, 1000) == 0) ...
 *
 * Rules.
 *  1. An op handed to ring_*() belongs to the ring until op->done(op, result) is called: exactly once, from
 *     ring_turn, never from inside ring_*(). The op, its buffers and its socket live till then.
 *  2. Results are 0 or a count, or -errno.
 *  3. In one turn, what was sent and connected is told before what was received, so that "sent" is known
 *     before the reply to it.
 *  4. A socket is closed once, by ring_close; its op is the last of that socket to come home. Everything still
 *     in flight on it comes home first, with -ECANCELED.
 *  5. One ring, one thread: only ring_wake may be given another thread's ring.
 *  6. After ring_close no data is told any more. Nothing may be begun on a socket that is closing; when its op is
 *     home, the socket is "none" again and may be connected anew. */
#pragma once

#include "base/address.h"
#include "base/slice.h"
#include "base/timer.h"

#include <sys/uio.h>

struct ring;

/* One operation; embedded in its owner. done is set by whoever owns the op, before each use; the rest is the
 * ring's. */
struct op {
	void (*done)(struct op *op, int result);
	struct socket *socket;
	uint8_t kind;
	bool inflight;
};

/* One socket; embedded in its owner. All fields are the ring's; zero is "none". */
struct socket {
	int slot;	   /* descriptor + 1; 0: none */
	unsigned inflight; /* ops not home yet */
	bool closing, datagram;
	struct op *closed;		/* borrowed: the op of ring_close, told last */
	struct op *sending, *receiving; /* borrowed: what is in flight: a connect or a send, and a receive */
	void *world;			/* the implementation's own */
};

/* A receive that goes on until the peer or the socket ends. data is called, from ring_turn, with what came; the
 * bytes are borrowed until it returns. Then op.done once: 0 when the peer closed, else -errno. */
struct receive {
	struct op op;
	void (*data)(struct receive *receive, struct slice bytes);
};

/* Something handed to another thread's ring; arrive is called there, from its ring_turn. The sender gives the
 * message up. It leaves with the sender's next ring_turn; what one thread sends to another arrives in order. */
struct message_to_ring {
	void (*arrive)(struct message_to_ring *message);
};

/* The implementation's own memory for connecting and sending is part of the op's owner: */
struct connecting {
	struct op op; /* done: 0 connected, else -errno; then the socket is closed with ring_close all the same */
};
struct sending {
	struct op op; /* done: how many bytes the kernel took (all, or fewer when the connection broke), or -errno */
	struct msghdr header;
};

enum ring_kind { RING_STREAM, RING_DATAGRAM };

enum { RING_SOCKETS_MAX = 65536 /* what a worker asks for; direct descriptors go up to RLIMIT_NOFILE a ring */ };

struct ring_setup {
	unsigned sockets;     /* at most this many sockets at a time; cut to what the system allows */
	unsigned buffers;     /* receive buffers, a power of two */
	unsigned buffer_size; /* a longer datagram is cut to this */
	bool ordinary;	      /* use the process's descriptors, as kernels before 6.14 must in any case (for tests);
				 all rings and files of the process share their limit */
};

enum { RING_WHY_MAX = 256 };

/* A ring for the calling thread. On failure -1 and, in why (RING_WHY_MAX bytes), a sentence for the operator:
 * what does not work (io_uring disabled, limits) and what to change. */
int ring_open(struct ring **ring, const struct ring_setup *setup, char *why);
/* All sockets must be closed. */
void ring_free(struct ring *ring);
/* How many sockets this ring can hold. */
unsigned ring_sockets_max(const struct ring *ring);

/* Monotonic milliseconds, read once a turn; never 0. Wall clock milliseconds since 1970, likewise. */
uint64_t ring_now_ms(const struct ring *ring);
uint64_t ring_wall_ms(const struct ring *ring);
/* Processor time that the calling thread has used so far, in milliseconds. */
uint64_t ring_cpu_ms(const struct ring *ring);

/* How late we are: milliseconds from something having happened to its being told, as a question to the kernel now under
 * way, or that ended just now, has it. Another question is begun by asking, so that an idle ring is not woken for it.
 */
uint64_t ring_lag_ms(struct ring *ring);

/* Makes the socket and connects it; from may be NULL (any source address), otherwise its port is ignored.
 * Fails with -EMFILE when the ring is full, -EADDRNOTAVAIL when the source address is not ours. A datagram socket gets
 * a random local port. Streams have TCP_NODELAY. to is borrowed until done: an address of IPv4, IPv6 or a unix
 * socket. */
void ring_connect(struct ring *ring, struct connecting *connecting, struct socket *socket, enum ring_kind kind,
		  const struct sockaddr *to, const struct address *from);
/* Sends all of it, in order; short sends go on by themselves. The iovec (at most 1024 pieces) and what it points to
 * stay untouched until done. One send a socket at a time. A stream that takes nothing for three minutes is given up
 * by the kernel: -ETIMEDOUT. */
void ring_send(struct ring *ring, struct sending *sending, struct socket *socket, struct iovec *iov, unsigned niov);
/* Starts receiving; see struct receive. One a socket. */
void ring_receive(struct ring *ring, struct receive *receive, struct socket *socket);
/* Ends the socket: FIN, or RST when abort (and FIN too becomes RST if bytes of the peer were left unread, as TCP has
 * it). What was being sent stops where it is. op->done is called with 0 after all other ops of it are home. */
void ring_close(struct ring *ring, struct op *op, struct socket *socket, bool abort);

/* timer->fire is called from ring_turn at the deadline or up to a tick later. Later than before costs a store.
 * ring_timer_stop may be called on a timer that is not set. A timer needs no more than zeroes and its fire. */
void ring_timer(struct ring *ring, struct timer *timer, uint64_t deadline_ms);
void ring_timer_stop(struct ring *ring, struct timer *timer);

/* Hands a message to the ring of another thread (or the same). Never fails: it ends the process if the kernel
 * will not take it. */
void ring_wake(struct ring *ring, struct ring *to, struct message_to_ring *message);

/* One turn: submits what was asked for, waits for something to happen or wait_ms_max, tells everybody. Returns 0,
 * or -errno when the kernel refuses to go on. */
int ring_turn(struct ring *ring, uint64_t wait_ms_max);
