/* What the files of the real ring share; nobody else includes this, for it is the only header that sees liburing.
 *
 * ring_uring.c    the turn: submit, wait, tell
 * ring_open.c     setting up, and why it did not work
 * ring_sockets.c  connect, send, receive, close
 * ring_buffers.c  the receive buffers */
#pragma once

#include "ring/ring.h"

#include <liburing.h>

/* What user_data says besides the pointer, in its low bits (ops and messages are aligned to 8). Receives have a tag
 * of their own because they are told after everything else of the turn, when their op may not be looked at yet. */
enum tag { TAG_NOBODY, TAG_OP, TAG_RECEIVE, TAG_MESSAGE, TAG_WAKE, TAG_PROBE, TAG_MASK = 7 };

enum op_kind { OP_NONE, OP_CONNECT, OP_SEND, OP_RECEIVE, OP_CLOSE };

/* Equal buffers that the kernel takes for what it received, and that go back to it after they were told. */
struct buffers {
	struct io_uring_buf_ring *ring; /* owned: mapped */
	char *bytes;			/* owned: mapped */
	unsigned count, size;
	unsigned given; /* added since the last buffers_publish */
};

/* Something known already, to be told in the next turn: an op with its result, or a message to ourselves. */
struct later {
	struct op *op;			 /* borrowed; NULL: a message */
	struct message_to_ring *message; /* borrowed */
	int result;
};

/* A timeout of the kernel's: how long after it is up it is told. */
struct probe {
	struct __kernel_timespec wait;
	uint64_t due_ms; /* 0: none is under way */
	uint64_t told_ms, lag_ms;
};

struct ring {
	struct io_uring uring;
	uint64_t now_ms, wall_ms;
	uint8_t file_flags; /* of every entry that names a socket */
	bool direct;	    /* sockets live in the ring's own table, not in the process's */
	bool turning;
	unsigned nsockets, sockets_max;
	int *free_slots; /* owned; direct only: a stack */
	unsigned nfree;
	struct buffers buffers;
	struct io_uring_sqe *backlog; /* owned: entries the submission queue had no room for, in order */
	unsigned nbacklog, backlog_size;
	struct later *later; /* owned */
	unsigned nlater, later_size;
	struct wheel wheel;
	struct probe probe;
};

/* A submission entry, to be filled with io_uring_prep_*, then ring_entry_for. Valid until the next call. */
struct io_uring_sqe *ring_entry(struct ring *ring);
void ring_tell_later(struct ring *ring, struct op *op, int result);
void ring_read_clock(struct ring *ring);

/* An op of a socket is home: the ring lets go of it and tells its owner. */
void op_home(struct ring *ring, struct op *op, int result);
/* The close op is home: the socket is nothing again. */
void socket_closed(struct ring *ring, struct op *op);
/* Something came for a receive, or it ended. */
void receive_heard(struct ring *ring, struct receive *receive, int result, unsigned flags);

/* 0 or -errno. */
int buffers_open(struct buffers *buffers, struct io_uring *uring, unsigned count, unsigned size);
void buffers_free(struct buffers *buffers);
static inline char *buffers_at(const struct buffers *buffers, unsigned id)
{
	return buffers->bytes + (size_t)id * buffers->size;
}
/* Back to the kernel, with the next buffers_publish. */
void buffers_give(struct buffers *buffers, unsigned id);
void buffers_publish(struct buffers *buffers);
