/* Sockets are made and set up by ordinary calls (five to seven of them for a connection; the kernel can do most of
 * it in the ring only from 6.11 on), everything after that goes through the ring.
 *
 * Closing is where such code goes wrong. A close while a receive is pending sends no FIN, because the pending
 * request holds the file. So a close cancels what is in flight, waits until all of it is home, and only then closes:
 * that sends the FIN, or a RST if the peer's bytes were left unread. IORING_OP_SHUTDOWN was rejected: it always goes
 * to a kernel thread. For abort the socket is first connected to nowhere (AF_UNSPEC), which resets a TCP connection
 * on every kernel and with both kinds of descriptors; SO_LINGER would have to be set through the ring (6.7), or
 * before it is known to be wanted. What nobody waits for asks for no completion unless it fails. */
#include "ring/ring_uring.h"

#include "base/check.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* The kernel gives a connection up when sent bytes stay unacknowledged, or the peer's window stays shut, for so
 * long: RFC 5321 4.5.3.2.5 gives each block of data 3 minutes. It does not count while nothing is on the way, so
 * the 10 minutes after the final dot are not touched; waiting is the sessions' business and their timers'. */
enum { USER_TIMEOUT_MS = 180000, IOV_MAX_KERNEL = 1024 };

static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

static int socket_file(const struct socket *socket)
{
	return socket->slot - 1;
}

static void *tagged(const void *pointer, enum tag tag)
{
	return (char *)(uintptr_t)pointer + tag;
}

static void entry_for(struct ring *ring, struct io_uring_sqe *entry, const void *pointer, enum tag tag)
{
	entry->flags |= ring->file_flags;
	io_uring_sqe_set_data(entry, tagged(pointer, tag));
}

static void entry_for_nobody(struct ring *ring, struct io_uring_sqe *entry)
{
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
	entry_for(ring, entry, NULL, TAG_NOBODY);
}

static void op_begin(struct op *op, struct socket *socket, enum op_kind kind)
{
	CHECK(op->done != NULL);
	CHECK(!op->inflight);
	CHECK(!socket->closing);
	op->inflight = true;
	op->kind = (uint8_t)kind;
	op->socket = socket;
	if (kind == OP_CLOSE)
		return;
	socket->inflight++;
	*(kind == OP_RECEIVE ? &socket->receiving : &socket->sending) = op;
}

/* All that was in flight is home. */
static void socket_end(struct ring *ring, struct socket *socket)
{
	if (socket->slot == 0) {
		ring_tell_later(ring, socket->closed, 0);
		return;
	}
	struct io_uring_sqe *entry = ring_entry(ring);

	/* The slot is an argument of its own here: with IOSQE_FIXED_FILE the kernel refuses. */
	if (ring->direct)
		io_uring_prep_close_direct(entry, (unsigned)socket_file(socket));
	else
		io_uring_prep_close(entry, socket_file(socket));
	io_uring_sqe_set_data(entry, tagged(socket->closed, TAG_OP));
}

void op_home(struct ring *ring, struct op *op, int result)
{
	struct socket *socket = op->socket;

	op->inflight = false;
	CHECK(socket->inflight > 0);
	socket->inflight--;
	*(op == socket->receiving ? &socket->receiving : &socket->sending) = NULL;
	if (socket->closing && socket->inflight == 0)
		socket_end(ring, socket);
	op->done(op, result);
}

void socket_closed(struct ring *ring, struct op *op)
{
	struct socket *socket = op->socket;

	CHECK(socket->closing && socket->inflight == 0);
	if (socket->slot != 0) {
		ring->nsockets--;
		if (ring->direct)
			ring->free_slots[ring->nfree++] = socket_file(socket);
	}
	*socket = (struct socket){0};
	op->inflight = false;
	op->done(op, 0);
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Options that can be refused without harm are not looked at: they are the kernel's courtesies. */
static int set_up(int fd, enum ring_kind kind, const struct sockaddr *to, const struct address *from)
{
	if (kind == RING_STREAM && to->sa_family != AF_UNIX) {
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	}
	if (!from || from->len == 0)
		return 0;
	struct address source = *from;

	if (source.sa.sa_family == AF_INET)
		source.in.sin_port = 0;
	else if (source.sa.sa_family == AF_INET6)
		source.in6.sin6_port = 0;
	if (kind == RING_STREAM) /* the port is chosen at connect, so that one can serve many destinations */
		set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	return bind(fd, &source.sa, source.len) < 0 ? -errno : 0;
}

/* Gives the descriptor to the ring's table; ours is closed in any case. */
static int take_slot(struct ring *ring, int fd)
{
	int slot = ring->free_slots[ring->nfree - 1];
	int result = io_uring_register_files_update(&ring->uring, (unsigned)slot, &fd, 1);

	close(fd);
	if (result < 0)
		return result;
	ring->nfree--;
	return slot;
}

/* The socket's place, or -errno. */
static int socket_make(struct ring *ring, enum ring_kind kind, const struct sockaddr *to, const struct address *from)
{
	int type = kind == RING_STREAM ? SOCK_STREAM : SOCK_DGRAM;

	if (ring->nsockets >= ring->sockets_max)
		return -EMFILE;
	int fd = socket(to->sa_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int result = set_up(fd, kind, to, from);

	if (result < 0) {
		close(fd);
		return result;
	}
	return ring->direct ? take_slot(ring, fd) : fd;
}

void ring_connect(struct ring *ring, struct connecting *connecting, struct socket *socket, enum ring_kind kind,
		  const struct sockaddr *to, const struct address *from)
{
	CHECK(socket->slot == 0);
	CHECK(socket->inflight == 0);
	op_begin(&connecting->op, socket, OP_CONNECT);
	int place = socket_make(ring, kind, to, from);

	if (place < 0) {
		ring_tell_later(ring, &connecting->op, place);
		return;
	}
	ring->nsockets++;
	socket->slot = place + 1;
	socket->datagram = kind == RING_DATAGRAM;
	struct io_uring_sqe *entry = ring_entry(ring);

	io_uring_prep_connect(entry, place, to, address_bytes(to));
	entry_for(ring, entry, &connecting->op, TAG_OP);
}

/* With MSG_WAITALL the kernel goes on after a short send by itself; a count that is short after all means that the
 * connection broke on the way. */
void ring_send(struct ring *ring, struct sending *sending, struct socket *socket, struct iovec *iov, unsigned niov)
{
	CHECK(socket->slot != 0);
	CHECK(niov <= IOV_MAX_KERNEL);
	op_begin(&sending->op, socket, OP_SEND);
	struct io_uring_sqe *entry = ring_entry(ring);

	if (niov == 1 && iov->iov_len <= INT32_MAX) {
		io_uring_prep_send(entry, socket_file(socket), iov->iov_base, iov->iov_len, MSG_WAITALL | MSG_NOSIGNAL);
	} else {
		sending->header = (struct msghdr){.msg_iov = iov, .msg_iovlen = niov};
		io_uring_prep_sendmsg(entry, socket_file(socket), &sending->header, MSG_WAITALL | MSG_NOSIGNAL);
	}
	entry_for(ring, entry, &sending->op, TAG_OP);
}

static void receive_arm(struct ring *ring, struct receive *receive)
{
	struct io_uring_sqe *entry = ring_entry(ring);

	io_uring_prep_recv_multishot(entry, socket_file(receive->op.socket), NULL, 0, 0);
	entry->flags |= IOSQE_BUFFER_SELECT;
	entry_for(ring, entry, &receive->op, TAG_RECEIVE);
}

void ring_receive(struct ring *ring, struct receive *receive, struct socket *socket)
{
	CHECK(receive->data != NULL);
	CHECK(socket->slot != 0);
	op_begin(&receive->op, socket, OP_RECEIVE);
	receive_arm(ring, receive);
}

/* A multishot receive may end at any time without a reason that concerns us: out of buffers, or the kernel wants
 * its turn. An empty datagram is not an end either. */
static bool receive_goes_on(const struct socket *socket, int result)
{
	return result > 0 || result == -ENOBUFS || (result == 0 && socket->datagram);
}

void receive_heard(struct ring *ring, struct receive *receive, int result, unsigned flags)
{
	struct socket *socket = receive->op.socket;

	if (flags & IORING_CQE_F_BUFFER) {
		unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

		if (result > 0 && !socket->closing)
			receive->data(receive, (struct slice){buffers_at(&ring->buffers, id), (size_t)result});
		buffers_give(&ring->buffers, id);
	}
	if (flags & IORING_CQE_F_MORE)
		return;
	if (socket->closing)
		op_home(ring, &receive->op, -ECANCELED);
	else if (receive_goes_on(socket, result))
		receive_arm(ring, receive);
	else
		op_home(ring, &receive->op, result);
}

/* By its name, which the kernel finds in a table. By the file (IORING_ASYNC_CANCEL_FD) it would look at everything that
 * is pending in the ring: with 10,000 connections open each close took longer than its mail. */
static void cancel(struct ring *ring, const struct op *op, enum tag tag)
{
	struct io_uring_sqe *entry = ring_entry(ring);

	io_uring_prep_cancel(entry, tagged(op, tag), 0);
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data(entry, tagged(NULL, TAG_NOBODY));
}

void ring_close(struct ring *ring, struct op *op, struct socket *socket, bool abort)
{
	op_begin(op, socket, OP_CLOSE);
	socket->closing = true;
	socket->closed = op;
	if (socket->slot != 0 && socket->sending)
		cancel(ring, socket->sending, TAG_OP);
	if (socket->slot != 0 && socket->receiving)
		cancel(ring, socket->receiving, TAG_RECEIVE);
	if (socket->slot != 0 && abort) {
		struct io_uring_sqe *entry = ring_entry(ring);

		io_uring_prep_connect(entry, socket_file(socket), &nowhere, sizeof(nowhere));
		entry_for_nobody(ring, entry);
	}
	if (socket->inflight == 0)
		socket_end(ring, socket);
}
