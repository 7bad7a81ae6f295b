/* The ceiling: a bare io_uring client. No queue, no DNS, no composing, no parsing beyond the digits of a reply: what a
 * machine's kernel and the same sink allow, with the same bytes, connections and depth. The engine's figures are quoted
 * as a share of this.
 *
 *     bare --to 127.0.0.1:2525 --connections 1000 --messages 500000 --per-connection 100 --bytes 10240 [--window 8]
 *
 * Behind (the default): MAIL, RCPT, DATA of the next message leave with the end of the previous one. With --window N:
 * N transactions of MAIL, RCPT, BDAT LAST in each send. With --lock-step 1: one command at a time, as without
 * PIPELINING. With --recipients N, behind only, a message goes to so many. A message counts when its 250 has come.
 * Prints one JSON object with rate and CPU (its own process). */
#include "base/address.h"
#include "base/check.h"
#include "base/outbuf.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4096, BUFFER_SIZE = 1024, QUEUE = 4096, TO_MAX = 64, WINDOW_MAX = 16 };
enum kind { KIND_CONNECT, KIND_SEND, KIND_RECEIVE };
enum phase { PHASE_BANNER, PHASE_EHLO, PHASE_MAIL, PHASE_RCPT, PHASE_FIRST, PHASE_BODY, PHASE_QUIT };

#define MAIL_LINE "MAIL FROM:<bounce@bench.test> SIZE=10000\r\n"
#define RCPT_LINE "RCPT TO:<u1234@d123.test>\r\n"
#define DATA_LINE "DATA\r\n"

struct client {
	int fd;
	unsigned number, left; /* messages this connection still has to begin */
	enum phase phase;
	unsigned expected;   /* replies until the next send */
	unsigned delivering; /* messages whose 250 is among them */
	uint8_t at;	     /* position in a reply line */
	bool more;	     /* the line goes on with '-' */
	struct msghdr header;
	struct iovec iov[3 * WINDOW_MAX];
};

static struct {
	struct address to[TO_MAX];
	unsigned nto, connections, per_connection, window, lock_step, recipients;
	unsigned long messages, bytes;
} setup = {.recipients = 1, .connections = 1000, .per_connection = 100, .messages = 100000, .bytes = 10240};

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static char *buffers;
static struct outbuf body, group, bdat;
static unsigned long begun, delivered;
static unsigned alive;

static struct io_uring_sqe *next_sqe(struct client *client, enum kind kind)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	CHECK(sqe != NULL);
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)client | kind);
	return sqe;
}

static void receive(struct client *client)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	io_uring_prep_recv_multishot(sqe, client->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)client | KIND_RECEIVE);
}

static void send_pieces(struct client *client, unsigned n)
{
	struct io_uring_sqe *sqe = next_sqe(client, KIND_SEND);

	client->header = (struct msghdr){.msg_iov = client->iov, .msg_iovlen = n};
	io_uring_prep_sendmsg(sqe, client->fd, &client->header, MSG_WAITALL | MSG_NOSIGNAL);
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)client | KIND_SEND);
}

static struct iovec piece(struct slice text)
{
	return (struct iovec){(char *)text.ptr, text.len};
}

static bool begin_message(struct client *client)
{
	if (client->left == 0 || begun >= setup.messages)
		return false;
	client->left--;
	begun++;
	return true;
}

/* One piece, and one reply to it. */
static void say(struct client *client, enum phase phase, struct slice text)
{
	client->iov[0] = piece(text);
	client->phase = phase;
	client->expected = 1;
	send_pieces(client, 1);
}

static void say_quit(struct client *client)
{
	say(client, PHASE_QUIT, SLICE("QUIT\r\n"));
}

/* Window: as many whole transactions as it is deep, in one send. */
static void say_window(struct client *client)
{
	unsigned n = 0;

	client->delivering = 0;
	while (client->delivering < setup.window && begin_message(client)) {
		client->iov[n++] = piece(outbuf_slice(&bdat));
		client->iov[n++] = piece(outbuf_slice(&body));
		client->delivering++;
	}
	client->expected = 3 * client->delivering;
	if (n)
		send_pieces(client, n);
	else
		say_quit(client);
}

/* The envelope of the next message, or the end. */
static void say_envelope(struct client *client)
{
	if (!begin_message(client)) {
		say_quit(client);
		return;
	}
	if (setup.lock_step) {
		say(client, PHASE_MAIL, SLICE(MAIL_LINE));
		return;
	}
	say(client, PHASE_FIRST, outbuf_slice(&group));
	client->expected = 2 + setup.recipients;
}

/* Behind: the body, and with it the commands of the next message. */
static void say_body(struct client *client)
{
	client->iov[0] = piece(outbuf_slice(&body));
	client->iov[1] = piece(SLICE(".\r\n"));
	client->delivering = 1;
	client->expected = 1;
	client->phase = PHASE_BODY;
	if (!setup.lock_step && begin_message(client)) {
		client->iov[2] = piece(outbuf_slice(&group));
		client->expected = 3 + setup.recipients;
		send_pieces(client, 3);
	} else {
		send_pieces(client, 2);
	}
}

/* All replies to the last send are there. */
static void go_on(struct client *client)
{
	unsigned expected = client->phase == PHASE_BODY ? client->delivering : 0;

	delivered += expected;
	switch (client->phase) {
	case PHASE_BANNER: say(client, PHASE_EHLO, SLICE("EHLO bare.test\r\n")); return;
	case PHASE_EHLO:
		if (setup.window) {
			client->phase = PHASE_BODY;
			say_window(client);
		} else {
			say_envelope(client);
		}
		return;
	case PHASE_MAIL: say(client, PHASE_RCPT, SLICE(RCPT_LINE)); return;
	case PHASE_RCPT: say(client, PHASE_FIRST, SLICE(DATA_LINE)); return;
	case PHASE_FIRST: say_body(client); return;
	case PHASE_BODY:
		if (setup.window)
			say_window(client);
		else if (client->header.msg_iovlen == 3)
			say_body(client);
		else
			say_envelope(client);
		return;
	case PHASE_QUIT: return;
	}
}

static void open_client(struct client *client)
{
	const struct address *to = &setup.to[client->number % setup.nto];
	int on = 1;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(client->fd >= 0);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	client->phase = PHASE_BANNER;
	client->expected = 1;
	client->at = 0;
	client->left = setup.per_connection;
	struct io_uring_sqe *sqe = next_sqe(client, KIND_CONNECT);

	io_uring_prep_connect(sqe, client->fd, &to->sa, to->len);
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)client | KIND_CONNECT);
}

static void close_client(struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
	close(client->fd);
	if (begun < setup.messages)
		open_client(client);
	else
		alive--;
}

/* Counts complete replies: a line whose fourth byte is not '-'. */
static void take(struct client *client, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (client->at == 0 && bytes[i] >= '4') {
			fprintf(stderr, "bare: the sink refused: %.*s\n", (int)(n - i > 60 ? 60 : n - i), bytes + i);
			exit(1);
		}
		if (client->at == 3)
			client->more = bytes[i] == '-';
		client->at += client->at < 4;
		if (bytes[i] != '\n')
			continue;
		client->at = 0;
		if (!client->more && --client->expected == 0)
			go_on(client);
	}
}

static void on_received(struct client *client, const struct io_uring_cqe *cqe, unsigned *given)
{
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		take(client, buffers + (size_t)id * BUFFER_SIZE, (size_t)cqe->res);
		io_uring_buf_ring_add(buffer_ring, buffers + (size_t)id * BUFFER_SIZE, BUFFER_SIZE, (unsigned short)id,
				      io_uring_buf_ring_mask(BUFFERS), (int)(*given)++);
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (cqe->res == -ENOBUFS || cqe->res > 0)
		receive(client);
	else
		close_client(client);
}

static void on_completion(const struct io_uring_cqe *cqe, unsigned *given)
{
	uint64_t data = cqe->user_data;
	struct client *client = (struct client *)(uintptr_t)(data & ~(uint64_t)3);

	switch ((enum kind)(data & 3)) {
	case KIND_CONNECT:
		if (cqe->res < 0) {
			fprintf(stderr, "bare: connecting: %s\n", strerror(-cqe->res));
			exit(1);
		}
		receive(client);
		return;
	case KIND_RECEIVE: on_received(client, cqe, given); return;
	case KIND_SEND: return;
	}
}

static void turn(void)
{
	struct io_uring_cqe *cqe;
	struct __kernel_timespec wait = {.tv_sec = 1};
	unsigned head, n = 0, given = 0;

	io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &wait, NULL);
	io_uring_for_each_cqe(&ring, head, cqe)
	{
		on_completion(cqe, &given);
		n++;
	}
	io_uring_cq_advance(&ring, n);
	if (given)
		io_uring_buf_ring_advance(buffer_ring, (int)given);
}

static void open_ring(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
						  IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
					 .cq_entries = 32768};
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
	int error = io_uring_queue_init_params(QUEUE, &ring, &params);

	if (error < 0) {
		fprintf(stderr, "bare: io_uring: %s\n", strerror(-error));
		exit(1);
	}
	buffer_ring = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	buffers = malloc((size_t)BUFFERS * BUFFER_SIZE);
	CHECK(buffer_ring != MAP_FAILED && buffers != NULL);
	reg.ring_addr = (uintptr_t)buffer_ring;
	CHECK(io_uring_register_buf_ring(&ring, &reg, 0) == 0);
	io_uring_buf_ring_init(buffer_ring);
	for (unsigned i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(buffer_ring, buffers + (size_t)i * BUFFER_SIZE, BUFFER_SIZE, (unsigned short)i,
				      io_uring_buf_ring_mask(BUFFERS), (int)i);
	io_uring_buf_ring_advance(buffer_ring, BUFFERS);
}

/* A message of setup.bytes octets, lines of 70. */
static void write_messages(void)
{
	outbuf_add(&body, SLICE("Subject: bare\r\n\r\n"));
	while (body.len < setup.bytes) {
		for (int i = 0; i < 68; i++)
			outbuf_byte(&body, (char)('a' + i % 26));
		outbuf_add(&body, SLICE("\r\n"));
	}
	outbuf_add(&group, SLICE(MAIL_LINE RCPT_LINE));
	for (unsigned i = 1; i < setup.recipients; i++)
		outbuf_printf(&group, "RCPT TO:<u%u@d123.test>\r\n", i);
	outbuf_add(&group, SLICE(DATA_LINE));
	outbuf_printf(&bdat, MAIL_LINE RCPT_LINE "BDAT %zu LAST\r\n", body.len);
}

static bool read_options(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		unsigned long n = strtoul(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--to") == 0) {
			if (setup.nto == TO_MAX || !address_parse(&setup.to[setup.nto++], slice_of(argv[i + 1]), 0))
				return false;
		} else if (strcmp(argv[i], "--connections") == 0)
			setup.connections = (unsigned)n;
		else if (strcmp(argv[i], "--messages") == 0)
			setup.messages = n;
		else if (strcmp(argv[i], "--per-connection") == 0)
			setup.per_connection = (unsigned)n;
		else if (strcmp(argv[i], "--bytes") == 0)
			setup.bytes = n;
		else if (strcmp(argv[i], "--window") == 0)
			setup.window = (unsigned)n;
		else if (strcmp(argv[i], "--recipients") == 0)
			setup.recipients = (unsigned)n;
		else if (strcmp(argv[i], "--lock-step") == 0)
			setup.lock_step = (unsigned)n;
		else
			return false;
	}
	if ((setup.window || setup.lock_step) && setup.recipients != 1)
		return false;
	return argc % 2 == 1 && setup.recipients && setup.nto && setup.connections && setup.per_connection &&
	       setup.window <= WINDOW_MAX;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct timespec start, end;
	struct rusage used;

	if (!read_options(argc, argv)) {
		fprintf(stderr,
			"usage: bare --to ADDRESS:PORT... [--connections N] [--messages N] [--per-connection N] "
			"[--bytes N] [--window N] [--lock-step 1] [--recipients N]\n");
		return 2;
	}
	write_messages();
	open_ring();
	struct client *clients = aligned_alloc(64, setup.connections * ((sizeof(*clients) + 63) & ~63ul));

	CHECK(clients != NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < setup.connections; i++) {
		clients[i] = (struct client){.number = i};
		open_client(&clients[i]);
		alive++;
	}
	while (alive && delivered < setup.messages)
		turn();
	clock_gettime(CLOCK_MONOTONIC, &end);
	getrusage(RUSAGE_SELF, &used);
	double took = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	double cpu = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);

	printf("{\"messages\":%lu,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_us\":%.2f}\n", delivered, took,
	       (double)delivered / took, cpu * 1e6 / (double)delivered);
	return delivered == setup.messages ? 0 : 1;
}
