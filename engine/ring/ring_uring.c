/* The ring over io_uring: SINGLE_ISSUER and DEFER_TASKRUN, so that nothing completes but inside our one system call
 * a turn, which submits, waits and keeps the time (without DEFER_TASKRUN io_uring is slower than epoll).
 *
 * user_data is the op itself and a tag. No generation is needed against stale completions: an op is told home only
 * with its last completion, and a socket is closed only when all its ops are home, so there is never one on its way
 * for an op or slot that could have been used again. Completions stay in the kernel's queue while they are told, in
 * two passes: receives last (rule 3). The tag, not the op, says which pass: by the second one the first has told
 * owners who may have used their op again.
 *
 * ring_*() only write entries; if the queue is full, to a backlog that the turn submits in order. */
#include "ring/ring_uring.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { PROBE_MS = 1, PROBE_KEEP_MS = 10 };

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void ring_read_clock(struct ring *ring)
{
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	ring->now_ms = now_ms > 0 ? now_ms : 1;
	ring->wall_ms = clock_ms(CLOCK_REALTIME);
}

unsigned ring_sockets_max(const struct ring *ring)
{
	return ring->sockets_max;
}

uint64_t ring_now_ms(const struct ring *ring)
{
	return ring->now_ms;
}

uint64_t ring_wall_ms(const struct ring *ring)
{
	return ring->wall_ms;
}

uint64_t ring_cpu_ms(const struct ring *ring)
{
	(void)ring;
	return clock_ms(CLOCK_THREAD_CPUTIME_ID);
}

void ring_timer(struct ring *ring, struct timer *timer, uint64_t deadline_ms)
{
	timer_set(&ring->wheel, timer, deadline_ms);
}

void ring_timer_stop(struct ring *ring, struct timer *timer)
{
	timer_stop(&ring->wheel, timer);
}

/* Room for one more in an array that doubles. */
static void *grown(void *array, unsigned count, unsigned *size, size_t each)
{
	if (count < *size)
		return array;
	*size = *size ? *size * 2 : 64;
	array = reallocarray(array, *size, each);
	CHECK(array != NULL);
	return array;
}

struct io_uring_sqe *ring_entry(struct ring *ring)
{
	struct io_uring_sqe *entry = ring->nbacklog == 0 ? io_uring_get_sqe(&ring->uring) : NULL;

	if (entry)
		return entry;
	ring->backlog = grown(ring->backlog, ring->nbacklog, &ring->backlog_size, sizeof(*ring->backlog));
	return &ring->backlog[ring->nbacklog++];
}

static struct later *later_entry(struct ring *ring)
{
	ring->later = grown(ring->later, ring->nlater, &ring->later_size, sizeof(*ring->later));
	return &ring->later[ring->nlater++];
}

void ring_tell_later(struct ring *ring, struct op *op, int result)
{
	*later_entry(ring) = (struct later){.op = op, .result = result};
}

void ring_wake(struct ring *ring, struct ring *to, struct message_to_ring *message)
{
	if (to == ring) {
		*later_entry(ring) = (struct later){.message = message};
		return;
	}
	struct io_uring_sqe *entry = ring_entry(ring);

	io_uring_prep_msg_ring(entry, to->uring.ring_fd, 0, (uintptr_t)message | TAG_MESSAGE, 0);
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(entry, TAG_WAKE);
}

/* Moves the backlog into the queue, submitting as often as that takes. False when the kernel takes no more now. */
static bool backlog_submit(struct ring *ring)
{
	unsigned moved = 0;
	bool taken = true;

	while (moved < ring->nbacklog && taken) {
		struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);

		if (entry)
			*entry = ring->backlog[moved++];
		else
			taken = io_uring_submit(&ring->uring) >= 0 && io_uring_sq_space_left(&ring->uring) > 0;
	}
	ring->nbacklog -= moved;
	for (unsigned i = 0; i < ring->nbacklog; i++)
		ring->backlog[i] = ring->backlog[moved + i];
	return taken;
}

/* A signal, the timeout, and a kernel that must be relieved of completions first are all in a day's work. */
static bool is_harmless(int result)
{
	return result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY;
}

static int submit_and_wait(struct ring *ring, uint64_t wait_ms_max)
{
	bool taken = ring->nbacklog == 0 || backlog_submit(ring);

	if (!taken || ring->nlater > 0 || wait_ms_max == 0)
		return io_uring_submit_and_get_events(&ring->uring);
	uint64_t wait_ms = wheel_wait_ms(&ring->wheel, clock_ms(CLOCK_MONOTONIC), wait_ms_max);
	struct __kernel_timespec timeout = {
		.tv_sec = (int64_t)(wait_ms / 1000),
		.tv_nsec = (long long)(wait_ms % 1000) * 1000000,
	};
	struct io_uring_cqe *first;

	return io_uring_submit_and_wait_timeout(&ring->uring, &first, 1, &timeout, NULL);
}

/* What was known already when it was asked for. What that brings up is for the next turn. */
static void tell_known(struct ring *ring)
{
	unsigned count = ring->nlater;

	for (unsigned i = 0; i < count; i++) {
		struct later later = ring->later[i];

		if (!later.op)
			later.message->arrive(later.message);
		else if (later.op->kind == OP_CLOSE)
			socket_closed(ring, later.op);
		else
			op_home(ring, later.op, later.result);
	}
	ring->nlater -= count;
	for (unsigned i = 0; i < ring->nlater; i++)
		ring->later[i] = ring->later[count + i];
}

/* Completions are told in the order in which they happen, a few a turn (20 since Linux 6.12): so a timeout of the
 * kernel's waits its turn behind all that we are behind with, and how late it comes says how much that is. Our own
 * timers do not. */
uint64_t ring_lag_ms(struct ring *ring)
{
	struct probe *probe = &ring->probe;
	uint64_t late_ms = probe->due_ms && ring->now_ms > probe->due_ms ? ring->now_ms - probe->due_ms : 0;

	if (!probe->due_ms) {
		struct io_uring_sqe *entry = ring_entry(ring);

		probe->wait = (struct __kernel_timespec){.tv_nsec = PROBE_MS * 1000000};
		probe->due_ms = ring->now_ms + PROBE_MS;
		io_uring_prep_timeout(entry, &probe->wait, 0, 0);
		io_uring_sqe_set_data64(entry, TAG_PROBE);
	}
	if (probe->told_ms + PROBE_KEEP_MS >= ring->now_ms && probe->lag_ms > late_ms)
		late_ms = probe->lag_ms;
	return late_ms;
}

static void probe_told(struct ring *ring)
{
	struct probe *probe = &ring->probe;

	probe->told_ms = ring->now_ms;
	probe->lag_ms = ring->now_ms > probe->due_ms ? ring->now_ms - probe->due_ms : 0;
	probe->due_ms = 0;
}

static void tell(struct ring *ring, const struct io_uring_cqe *cqe)
{
	void *pointer = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);

	switch ((enum tag)(cqe->user_data & TAG_MASK)) {
	case TAG_OP: {
		struct op *op = pointer;

		if (op->kind == OP_CLOSE)
			socket_closed(ring, op);
		else
			op_home(ring, op, cqe->res);
		return;
	}
	case TAG_MESSAGE: {
		struct message_to_ring *message = pointer;

		message->arrive(message);
		return;
	}
	case TAG_WAKE: CHECK(cqe->res >= 0); return; /* a message lost would be mail lost */
	case TAG_PROBE: probe_told(ring); return;
	case TAG_RECEIVE:
	case TAG_NOBODY:
	case TAG_MASK: return;
	}
}

static void tell_completed(struct ring *ring)
{
	struct io_uring_cq *queue = &ring->uring.cq;
	unsigned head = *queue->khead, count = io_uring_cq_ready(&ring->uring), receives = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct io_uring_cqe *cqe = &queue->cqes[(head + i) & queue->ring_mask];

		if ((cqe->user_data & TAG_MASK) == TAG_RECEIVE)
			receives++;
		else
			tell(ring, cqe);
	}
	for (unsigned i = 0; i < count && receives > 0; i++) {
		const struct io_uring_cqe *cqe = &queue->cqes[(head + i) & queue->ring_mask];

		if ((cqe->user_data & TAG_MASK) != TAG_RECEIVE)
			continue;
		receive_heard(ring, (void *)(uintptr_t)(cqe->user_data - TAG_RECEIVE), cqe->res, cqe->flags);
		receives--;
	}
	io_uring_cq_advance(&ring->uring, count);
	buffers_publish(&ring->buffers);
}

int ring_turn(struct ring *ring, uint64_t wait_ms_max)
{
	CHECK(!ring->turning);
	int result = submit_and_wait(ring, wait_ms_max);

	if (!is_harmless(result))
		return result;
	ring->turning = true;
	ring_read_clock(ring);
	tell_known(ring);
	tell_completed(ring);
	wheel_turn(&ring->wheel, ring->now_ms);
	ring->turning = false;
	return 0;
}
