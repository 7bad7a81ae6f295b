/* The real ring at its limits and between threads: full tables, thousands of entries in a turn, a thousand
 * connections, sockets used again, messages to other rings, timers, and what it says when the kernel refuses. */
#include "ring_conn.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_slots_run_out(void **state)
{
	struct ring *ring = ring_for(4, 16, 1024);
	struct address address;
	int listener = peer_listen(&address, 64);
	struct conn *conns[5];

	(void)state;
	assert_int_equal(ring_sockets_max(ring), 4);
	for (int i = 0; i < 5; i++) {
		conns[i] = conn_new(ring);
		conn_connect(conns[i], &address);
		assert_int_equal(conns[i]->connected, i < 4 ? 0 : -EMFILE);
	}
	for (int i = 4; i >= 0; i--)
		conn_close(conns[i], i % 2);
	for (int i = 0; i < 4; i++) {
		conns[i]->connected = UNTOLD;
		conn_connect(conns[i], &address);
		assert_int_equal(conns[i]->connected, 0);
		conn_close(conns[i], false);
	}
	for (int i = 0; i < 5; i++)
		conn_free(conns[i]);
	close(listener);
	ring_free(ring);
}

/* Only an ordinary descriptor is one that the test can ask. */
static void test_stream_options(void **state)
{
	struct ring *ring = ring_for(4, 16, 1024);
	struct address address;
	int listener = peer_listen(&address, 4), value[2];
	struct conn *conn = conn_new(ring);

	(void)state;
	conn_connect(conn, &address);
	if (conn_ordinary) {
		getsockopt(conn->socket.slot - 1, IPPROTO_TCP, TCP_NODELAY, &value[0], &(socklen_t){4});
		getsockopt(conn->socket.slot - 1, IPPROTO_TCP, TCP_USER_TIMEOUT, &value[1], &(socklen_t){4});
		assert_true(value[0] == 1 && value[1] == 180000);
	}
	conn_close(conn, false);
	conn_free(conn);
	close(listener);
	ring_free(ring);
}

/* Closed before its connect is told, and without any connect. */
static void test_close_at_once(void **state)
{
	struct ring *ring = ring_for(4, 16, 1024);
	struct address address, foreign = address_v4("\xc0\0\2\1", 0);
	int listener = peer_listen(&address, 64);
	struct conn *conn = conn_new(ring);

	(void)state;
	ring_connect(ring, &conn->connecting, &conn->socket, RING_STREAM, &address.sa, &foreign);
	conn_close(conn, false);
	assert_int_equal(conn->connected, -EADDRNOTAVAIL);
	conn->connected = UNTOLD;
	ring_connect(ring, &conn->connecting, &conn->socket, RING_STREAM, &address.sa, NULL);
	conn_close(conn, true);
	assert_int_not_equal(conn->connected, UNTOLD);
	conn_close(conn, false);
	conn_free(conn);
	close(listener);
	ring_free(ring);
}

enum { CROWD = 1000 };

static void test_a_thousand_connections(void **state)
{
	struct ring *ring = ring_for(CROWD + 10, 256, 512);
	struct address address;
	int listener = peer_listen(&address, 4096), *peers = calloc(CROWD, sizeof(*peers));
	struct conn **conns = calloc(CROWD, sizeof(*conns));
	struct iovec iov = {"twelve bytes", 12};
	char got[16];

	(void)state;
	for (int i = 0; i < CROWD; i++) {
		conns[i] = conn_new(ring);
		ring_connect(ring, &conns[i]->connecting, &conns[i]->socket, RING_STREAM, &address.sa, NULL);
	}
	for (int i = 0; i < CROWD; i++) {
		TURN_UNTIL(ring, conns[i]->connected != UNTOLD);
		assert_int_equal(conns[i]->connected, 0);
		peers[i] = peer_accept(listener);
	}
	for (int i = 0; i < CROWD; i++) {
		ring_receive(ring, &conns[i]->receive, &conns[i]->socket);
		ring_send(ring, &conns[i]->sending, &conns[i]->socket, &iov, 1);
	}
	assert_int_equal(ring_turn(ring, 0), 0);
	for (int i = 0; i < CROWD; i++) {
		assert_int_equal(read(peers[i], got, 12), 12);
		assert_int_equal(write(peers[i], got, 12), 12);
	}
	for (int i = 0; i < CROWD; i++)
		TURN_UNTIL(ring, conns[i]->heard.len == 12 && conns[i]->sent == 12);
	for (int i = 0; i < CROWD; i++)
		ring_close(ring, &conns[i]->closing, &conns[i]->socket, i % 2);
	for (int i = 0; i < CROWD; i++) {
		TURN_UNTIL(ring, conns[i]->closed == 0);
		assert_int_equal(conns[i]->ended, -ECANCELED);
		assert_int_equal(peer_drain(peers[i]), i % 2 ? -ECONNRESET : 0);
		close(peers[i]);
		conn_free(conns[i]);
	}
	free(conns);
	free(peers);
	close(listener);
	ring_free(ring);
}

/* The same memory and the same slot, again and again, with bytes still coming in for the one before. */
static void test_used_again(void **state)
{
	struct ring *ring = ring_for(1, 16, 1024);
	struct address address;
	int listener = peer_listen(&address, 64);
	struct conn *conn = conn_new(ring);
	char line[16];

	(void)state;
	for (int i = 0; i < 200; i++) {
		int len = snprintf(line, sizeof(line), "generation %d", i);

		conn->connected = conn->ended = UNTOLD;
		outbuf_reset(&conn->heard);
		conn_connect(conn, &address);
		assert_int_equal(conn->connected, 0);
		int peer = peer_accept(listener);

		ring_receive(ring, &conn->receive, &conn->socket);
		assert_int_equal(write(peer, line, (size_t)len), len);
		TURN_UNTIL(ring, conn->heard.len >= (size_t)len);
		assert_true(slice_is(outbuf_slice(&conn->heard), (struct slice){line, (size_t)len}));
		assert_int_equal(write(peer, "late", 4), 4); /* will be in a turn with the close */
		conn_close(conn, i % 2);
		assert_int_equal(conn->ended, -ECANCELED);
		close(peer);
	}
	conn_free(conn);
	close(listener);
	ring_free(ring);
}

/* In the turn in which a stuck send gets through, what another socket received is told after it. */
static void test_sent_before_received(void **state)
{
	struct ring *ring = ring_for(4, 64, 1024);
	struct address address;
	int listener = peer_listen(&address, 64), size = 8 << 20, peers[2];
	struct conn *sender = conn_new(ring), *hearer = conn_new(ring);
	struct iovec iov = {calloc(1, (size_t)size), (size_t)size};
	char *sink = malloc(1 << 20);

	(void)state;
	conn_connect(sender, &address);
	peers[0] = peer_accept(listener);
	conn_connect(hearer, &address);
	peers[1] = peer_accept(listener);
	ring_receive(ring, &hearer->receive, &hearer->socket);
	ring_send(ring, &sender->sending, &sender->socket, &iov, 1);
	fcntl(peers[0], F_SETFL, O_NONBLOCK);
	for (int turns = 0; sender->sent == UNTOLD; turns++) {
		assert_true(turns < 5000);
		assert_int_equal(write(peers[1], "x", 1), 1); /* its completion is the first of the turn */
		while (read(peers[0], sink, 1 << 20) > 0)
			;
		assert_int_equal(ring_turn(ring, 1), 0);
	}
	assert_int_equal(sender->sent, size);
	assert_true(hearer->heard_at > sender->sent_at);
	conn_close(sender, false);
	conn_close(hearer, false);
	conn_free(sender);
	conn_free(hearer);
	free(iov.iov_base);
	free(sink);
	close(peers[0]);
	close(peers[1]);
	close(listener);
	ring_free(ring);
}

/* Numbered messages: they arrive all, and in order. */
enum { LETTERS = 10000 };

struct letter {
	struct message_to_ring message;
	unsigned number;
};

static unsigned letters_arrived;

static void on_letter(struct message_to_ring *message)
{
	assert_int_equal(((struct letter *)message)->number, letters_arrived);
	letters_arrived++;
}

static void test_wakes_overflow_the_queue(void **state)
{
	struct ring *one = ring_for(1, 2, 64), *two = ring_for(1, 2, 64);
	struct letter *letters = calloc(LETTERS, sizeof(*letters));

	(void)state;
	for (int to_itself = 0; to_itself < 2; to_itself++) {
		letters_arrived = 0;
		for (unsigned i = 0; i < LETTERS; i++) {
			letters[i] = (struct letter){{on_letter}, i};
			ring_wake(one, to_itself ? one : two, &letters[i].message);
		}
		assert_int_equal(letters_arrived, 0);
		assert_int_equal(ring_turn(one, 0), 0);
		TURN_UNTIL(two, to_itself || letters_arrived == LETTERS);
		assert_int_equal(letters_arrived, LETTERS);
	}
	free(letters);
	ring_free(one);
	ring_free(two);
}

/* Two threads, each with a ring of its own, and a ball between them. */
enum { BOUNCES = 2000 };

struct side {
	struct message_to_ring message; /* first: the ball names its side */
	struct ring *ring;
	struct side *other;
	atomic_uint *bounces;
	pthread_barrier_t *barrier;
};

static void on_bounce(struct message_to_ring *message)
{
	struct side *here = (struct side *)message;

	if (++*here->bounces < BOUNCES)
		ring_wake(here->ring, here->other->ring, &here->other->message);
	else
		*here->bounces = BOUNCES + 1;
}

static void *run_side(void *argument)
{
	struct side *side = argument;

	side->ring = ring_for(1, 2, 64);
	pthread_barrier_wait(side->barrier);
	if (side->message.arrive == NULL) {
		side->message.arrive = on_bounce;
		ring_wake(side->ring, side->other->ring, &side->other->message);
	}
	for (int turns = 0; turns < 20000 && *side->bounces < BOUNCES; turns++)
		if (ring_turn(side->ring, 20) < 0)
			break;
	pthread_barrier_wait(side->barrier); /* nobody sends to a ring that is gone */
	ring_free(side->ring);
	return NULL;
}

static void test_two_threads(void **state)
{
	atomic_uint bounces = 0;
	pthread_barrier_t barrier;
	struct side one = {.other = NULL, .bounces = &bounces, .barrier = &barrier};
	struct side two = {.message = {on_bounce}, .other = &one, .bounces = &bounces, .barrier = &barrier};
	pthread_t threads[2];

	(void)state;
	one.other = &two;
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&threads[0], NULL, run_side, &one), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, run_side, &two), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(bounces, BOUNCES + 1);
	pthread_barrier_destroy(&barrier);
}

struct bell {
	struct timer timer;
	uint64_t rung_ms;
};

static void on_bell(struct timer *timer, uint64_t now_ms)
{
	LIST_OWNER(timer, struct bell, timer)->rung_ms = now_ms;
}

static void test_time(void **state)
{
	struct ring *ring = ring_for(1, 2, 64);
	struct bell bell = {.timer.fire = on_bell}, stopped = bell;
	uint64_t start = ring_now_ms(ring);

	(void)state;
	assert_true(start > 0);
	assert_true(ring_wall_ms(ring) > 1500000000000);
	ring_timer(ring, &bell.timer, start + 50);
	ring_timer(ring, &stopped.timer, start + 20);
	ring_timer_stop(ring, &stopped.timer);
	for (int turns = 0; bell.rung_ms == 0; turns++) {
		assert_true(turns < 20); /* it sleeps, it does not poll */
		assert_int_equal(ring_turn(ring, 10000), 0);
	}
	assert_int_equal(bell.rung_ms, ring_now_ms(ring));
	assert_in_range(bell.rung_ms, start + 50, start + 1000);
	assert_int_equal(stopped.rung_ms, 0);
	start = ring_now_ms(ring);
	assert_int_equal(ring_turn(ring, 15), 0);
	assert_in_range(ring_now_ms(ring), start + 14, start + 1000);
	ring_free(ring);
}

/* Whoever does not turn is behind, and is not any more once it has turned for a while. */
static void test_lag(void **state)
{
	struct ring *ring = ring_for(1, 2, 64);
	int turns = 0;

	(void)state;
	assert_int_equal(ring_lag_ms(ring), 0);
	assert_int_equal(ring_turn(ring, 0), 0);
	usleep(50000);
	assert_int_equal(ring_turn(ring, 0), 0);
	assert_in_range(ring_lag_ms(ring), 40, 10000);
	while (ring_lag_ms(ring) >= 40) {
		assert_true(turns++ < 1000);
		assert_int_equal(ring_turn(ring, 5), 0);
	}
	ring_free(ring);
}

/* The kernel answers io_uring_setup with an error, as a container's seccomp profile makes it. */
static bool refuse_setup(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What becomes of act in a child: its exit status, or minus the signal. */
static int in_child(int (*act)(int), int argument)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		if (!freopen("/dev/null", "w", stderr))
			_exit(9);
		_exit(act(argument));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int open_refused(int error)
{
	struct ring_setup setup = {16, 16, 1024, conn_ordinary};
	struct ring *ring;
	char why[RING_WHY_MAX] = "";
	const char *say = error == EINVAL   ? "6.1"
			  : error == ENOMEM ? "ulimit -l"
			  : error == EMFILE ? "ulimit -n"
			  : error == EIO    ? "cannot be set up"
					    : "seccomp";

	if (!refuse_setup(error))
		return 8;
	if (ring_open(&ring, &setup, why) != -1)
		return 7;
	return strstr(why, say) || strstr(why, "io_uring_disabled") ? 0 : 6;
}

static void test_says_why(void **state)
{
	(void)state;
	assert_int_equal(in_child(open_refused, EPERM), 0);
	assert_int_equal(in_child(open_refused, ENOSYS), 0);
	assert_int_equal(in_child(open_refused, EINVAL), 0);
	assert_int_equal(in_child(open_refused, ENOMEM), 0);
	assert_int_equal(in_child(open_refused, EMFILE), 0);
	assert_int_equal(in_child(open_refused, EIO), 0);
}

/* Users' mistakes that the ring itself sees. */
static int break_rule(int rule)
{
	struct ring *ring = ring_for(4, 16, 1024);
	struct address address;
	struct conn *conn = conn_new(ring);
	struct iovec iov = {"x", 1};

	peer_listen(&address, 4);
	conn_connect(conn, &address);
	ring_receive(ring, &conn->receive, &conn->socket);
	if (rule == 1)
		ring_receive(ring, &conn->receive, &conn->socket);
	if (rule == 2)
		ring_free(ring);
	ring_close(ring, &conn->closing, &conn->socket, false);
	if (rule == 3)
		ring_close(ring, &conn->closing, &conn->socket, false);
	if (rule == 4)
		ring_send(ring, &conn->sending, &conn->socket, &iov, 1);
	return 0;
}

static void test_broken_rules_end_the_process(void **state)
{
	(void)state;
	assert_int_equal(in_child(break_rule, 0), 0);
	for (int rule = 1; rule <= 4; rule++)
		assert_int_equal(in_child(break_rule, rule), -SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_run_out),
		cmocka_unit_test(test_close_at_once),
		cmocka_unit_test(test_stream_options),
		cmocka_unit_test(test_a_thousand_connections),
		cmocka_unit_test(test_used_again),
		cmocka_unit_test(test_sent_before_received),
		cmocka_unit_test(test_wakes_overflow_the_queue),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_says_why),
		cmocka_unit_test(test_broken_rules_end_the_process),
	};

	return cmocka_run_group_tests_name("direct descriptors", tests, use_direct, NULL) +
	       cmocka_run_group_tests_name("ordinary descriptors", tests, use_ordinary, NULL);
}
