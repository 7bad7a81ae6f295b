/* Life and death are seen through a pidfd, which works alike for a child and for an adopted server, and is never
 * mistaken for another process of the same number.
 *
 * That no two servers work on the same files is ensured by a lock that the redis-server itself holds: the descriptor is
 * inherited over exec and kept until the process (and a child of it that rewrites the file) is gone. So an engine that
 * starts in the moment after another crashed either finds an answer on the socket, or waits, or holds the lock. A pid
 * file would be stale after a power cut; PR_SET_PDEATHSIG would take Redis down with a crash of ours. */
#include "queue/server.h"

#include "base/check.h"
#include "base/log.h"
#include "queue/aof.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOK_MS = 10,
	STUCK_MS_MAX = 60000, /* without progress while it starts or stops */
	BACKOFF_MS_MIN = 100,
	BACKOFF_MS_MAX = 5000,
	TAIL_BYTES = 800,
};

extern char **environ;

struct server {
	char *state, *fsync, *socket; /* owned */
	struct redis_server place;
	atomic_int pid;
	bool ours; /* our child: to be waited for */
	int pidfd; /* -1: none */
	int stop;  /* eventfd: readable when server_stop was called */
	bool watched;
	pthread_t watcher;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* True as soon as fd is readable, false after wait_ms. */
static bool readable(int fd, int wait_ms)
{
	struct pollfd waited = {.fd = fd, .events = POLLIN};

	return poll(&waited, 1, wait_ms) > 0;
}

static char *path_in(const struct server *server, const char *name)
{
	char *path;

	CHECK(asprintf(&path, "%s/%s", server->state, name) > 0);
	return path;
}

static uint64_t info_number(redisContext *redis, const char *section, const char *name)
{
	struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("INFO"), slice_of(section)}, 2);
	uint64_t n = 0;

	if (!slice_number(redis_sync_info(resp_text(reply), name), UINT64_MAX, &n))
		n = 0;
	if (reply)
		freeReplyObject(reply);
	return n;
}

enum answer { ANSWER_NONE, ANSWER_LOADING, ANSWER_READY };

/* Asks the socket who is there, and how far it is with loading. */
static enum answer server_answer(const struct server *server, int *pid, uint64_t *progress)
{
	struct timeval timeout = {2, 0};
	redisContext *redis = redisConnectUnixWithTimeout(server->socket, timeout);
	enum answer answer = ANSWER_NONE;

	CHECK(redis != NULL);
	if (redis->err == 0 && redisSetTimeout(redis, timeout) == REDIS_OK) {
		struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("PING")}, 1);

		if (reply)
			answer = resp_error(reply) == RESP_FINE ? ANSWER_READY : ANSWER_LOADING;
		if (reply)
			freeReplyObject(reply);
	}
	if (answer != ANSWER_NONE)
		*pid = (int)info_number(redis, "server", "process_id");
	if (answer == ANSWER_LOADING)
		*progress = info_number(redis, "persistence", "loading_loaded_bytes");
	redisFree(redis);
	return answer;
}

static void server_hold(struct server *server, int pid, bool ours)
{
	server->pidfd = pidfd_open(pid, 0);
	server->pid = pid;
	server->ours = ours;
}

/* An adopted server was started with the settings of another time. */
static void server_adopt(struct server *server, int pid)
{
	char why[RING_WHY_MAX];
	redisContext *redis = redis_sync_open(&server->place, 2000, why);
	struct slice set[] = {SLICE("CONFIG"), SLICE("SET"), SLICE("appendfsync"), slice_of(server->fsync)};

	server_hold(server, pid, false);
	log_info("adopting the redis-server that runs in %s already, process %d", server->state, pid);
	if (!redis)
		return;
	struct redisReply *reply = redis_sync_ask(redis, set, 4);

	if (!reply || resp_error(reply) != RESP_FINE)
		log_warning("redis-server, process %d, does not take appendfsync %s: %s", pid, server->fsync,
			    redis_sync_why(redis, reply, why));
	if (reply)
		freeReplyObject(reply);
	redisFree(redis);
}

/* Its last words: the end of its log into ours, the very last line into line. */
static void last_words(const struct server *server, char *line, size_t size)
{
	char *path = path_in(server, "redis.log");
	char bytes[TAIL_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t n = fd < 0 ? 0 : pread(fd, bytes, sizeof(bytes), end > TAIL_BYTES ? end - TAIL_BYTES : 0);
	struct slice tail = {bytes, n > 0 ? (size_t)n : 0};

	line[0] = '\0';
	if (end > TAIL_BYTES)
		slice_until(&tail, '\n');
	while (tail.len) {
		struct slice words = slice_trim(slice_until(&tail, '\n'));

		if (words.len == 0)
			continue;
		log_printable(line, size, words);
		log_error("redis.log: %s", line);
	}
	if (fd >= 0)
		close(fd);
	free(path);
}

/* Takes the lock that a living redis-server holds; -1 while one does. */
static int take_lock(const struct server *server)
{
	char *path = path_in(server, "redis.lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	free(path);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int spawn(const struct server *server, char **argv, int lock, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	char *log = path_in(server, "redis.log");

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_APPEND | O_CREAT, 0600);
	posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&files, lock, lock); /* this one stays open over exec */
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	/* A session of its own: Ctrl-C is for the engine, which stops it last. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	int error = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);

	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	free(log);
	return error;
}

static bool server_spawn(struct server *server, int lock, char *why)
{
	char *directory = path_in(server, "redis"), *log = path_in(server, "redis.log");
	char memory[32];
	pid_t pid;
	char *argv[] = {"redis-server",
			"--port",
			"0",
			"--unixsocket",
			server->socket,
			"--unixsocketperm",
			"700",
			"--dir",
			directory,
			"--appendonly",
			"yes",
			"--appendfsync",
			server->fsync,
			"--save",
			"",
			"--maxmemory",
			memory,
			"--maxmemory-policy",
			"noeviction",
			"--auto-aof-rewrite-min-size",
			"1gb",
			"--latency-tracking", /* a histogram of every command, those of functions too: 3 % */
			"no",
			"--daemonize",
			"no",
			"--logfile",
			log,
			NULL};

	snprintf(memory, sizeof(memory), "%llu",
		 (unsigned long long)sysconf(_SC_PHYS_PAGES) * (unsigned long long)sysconf(_SC_PAGESIZE) / 2);
	mkdir(directory, 0700);
	bool mended = aof_mend(directory, why) >= 0; /* we hold the lock: nobody writes to the files now */
	int error = mended ? spawn(server, argv, lock, &pid) : 0;

	if (error == ENOENT)
		snprintf(
			why, RING_WHY_MAX,
			"redis-server is not installed, and redis { server = \"embedded\" } starts it: apt-get install "
			"redis-server, or name a Redis of yours");
	else if (error)
		snprintf(why, RING_WHY_MAX, "starting redis-server: %s", strerror(error));
	else if (mended)
		server_hold(server, pid, true);
	free(directory);
	free(log);
	return mended && error == 0;
}

/* The process is gone: how it ended, in words. */
static void server_bury(struct server *server, char *how, size_t size)
{
	int status = 0;

	snprintf(how, size, "ended");
	if (server->ours && waitpid(server->pid, &status, 0) == server->pid) {
		if (WIFSIGNALED(status))
			snprintf(how, size, "was ended by signal %d", WTERMSIG(status));
		else
			snprintf(how, size, "ended with status %d", WEXITSTATUS(status));
	}
	if (server->pidfd >= 0)
		close(server->pidfd);
	server->pidfd = -1;
	server->pid = 0;
}

/* Waits until it takes commands; loading its files may take long, so what is bounded is the time without progress. */
static bool server_await(struct server *server, char *why)
{
	uint64_t progress = 0, before = 0, moved_ms = now_ms();
	char how[40], line[100];
	int pid = server->pid;

	while (now_ms() - moved_ms < STUCK_MS_MAX) {
		if (readable(server->stop, 0)) {
			snprintf(why, RING_WHY_MAX, "stopped while starting redis-server");
			return false;
		}
		if (server_answer(server, &pid, &progress) == ANSWER_READY)
			return true;
		if (progress != before)
			moved_ms = now_ms();
		before = progress;
		if (!readable(server->pidfd, LOOK_MS))
			continue;
		server_bury(server, how, sizeof(how));
		last_words(server, line, sizeof(line));
		snprintf(why, RING_WHY_MAX, "redis-server %s while starting; the end of %.60s/redis.log: %s", how,
			 server->state, line);
		return false;
	}
	snprintf(why, RING_WHY_MAX, "redis-server, process %d, has made no progress for a minute; see %.100s/redis.log",
		 server->pid, server->state);
	return false;
}

/* Adopts, or starts, whichever is right; true when it takes commands. */
static bool server_rise(struct server *server, char *why)
{
	uint64_t begin_ms = now_ms(), progress;
	int lock = -1, pid = 0;

	for (;;) {
		if (server_answer(server, &pid, &progress) != ANSWER_NONE) {
			server_adopt(server, pid);
			break;
		}
		lock = take_lock(server);
		if (lock >= 0)
			break;
		if (now_ms() - begin_ms > STUCK_MS_MAX || readable(server->stop, LOOK_MS)) {
			snprintf(why, RING_WHY_MAX,
				 "a redis-server of %.100s still runs (it holds redis.lock) but does not answer on "
				 "redis.sock; end it by "
				 "hand",
				 server->state);
			return false;
		}
	}
	bool risen = lock < 0 || server_spawn(server, lock, why);

	if (lock >= 0)
		close(lock); /* the child has it */
	return risen && server_await(server, why);
}

static void *watch(void *argument)
{
	struct server *server = argument;
	uint64_t backoff_ms = BACKOFF_MS_MIN;
	char how[40], why[RING_WHY_MAX];

	for (;;) {
		struct pollfd waited[] = {{.fd = server->stop, .events = POLLIN},
					  {.fd = server->pidfd, .events = POLLIN}};
		uint64_t since_ms = now_ms();

		if (server->pidfd >= 0) {
			poll(waited, 2, -1);
			if (waited[0].revents)
				return NULL;
			int pid = server->pid;

			server_bury(server, how, sizeof(how));
			log_error("redis-server, process %d, %s; starting it again", pid, how);
			last_words(server, why, sizeof(why));
		}
		backoff_ms = now_ms() - since_ms > STUCK_MS_MAX ? BACKOFF_MS_MIN : backoff_ms;
		if (readable(server->stop, (int)backoff_ms))
			return NULL;
		backoff_ms = backoff_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : backoff_ms * 2;
		if (!server_rise(server, why))
			log_error("%s", why);
	}
}

static bool name_socket(struct server *server, char *why)
{
	server->socket = path_in(server, "redis.sock");
	server->place.address.len = sizeof(server->place.address.un);
	server->place.address.un.sun_family = AF_UNIX;
	if (strlen(server->socket) < sizeof(server->place.address.un.sun_path)) {
		memcpy(server->place.address.un.sun_path, server->socket, strlen(server->socket) + 1);
		return true;
	}
	snprintf(why, RING_WHY_MAX,
		 "the path of a socket has at most %zu bytes, and %.80s... is longer: set a shorter state-dir",
		 sizeof(server->place.address.un.sun_path) - 1, server->socket);
	return false;
}

struct server *server_start(const char *state_path, struct slice fsync, char *why)
{
	struct server *server = calloc(1, sizeof(*server));

	CHECK(server != NULL);
	server->state = slice_copy(slice_of(state_path));
	server->fsync = slice_copy(fsync.len ? fsync : SLICE("always"));
	server->pidfd = -1;
	server->stop = eventfd(0, EFD_CLOEXEC);
	CHECK(server->stop >= 0);
	if (name_socket(server, why) && server_rise(server, why)) {
		CHECK(pthread_create(&server->watcher, NULL, watch, server) == 0);
		server->watched = true;
		return server;
	}
	server_stop(server);
	return NULL;
}

static void server_end(struct server *server)
{
	char how[40];

	if (server->pidfd < 0)
		return;
	pidfd_send_signal(server->pidfd, SIGTERM, NULL, 0);
	if (readable(server->pidfd, STUCK_MS_MAX)) {
		server_bury(server, how, sizeof(how));
		return;
	}
	log_error("redis-server, process %d, does not stop within a minute; it is left alone, see %s/redis.log",
		  server->pid, server->state);
	close(server->pidfd);
}

void server_stop(struct server *server)
{
	uint64_t one = 1;

	if (!server)
		return;
	CHECK(write(server->stop, &one, sizeof(one)) == sizeof(one));
	if (server->watched)
		pthread_join(server->watcher, NULL);
	server_end(server);
	close(server->stop);
	free(server->socket);
	free(server->fsync);
	free(server->state);
	free(server);
}

struct redis_server server_place(const struct server *server)
{
	return server->place;
}

int server_pid(const struct server *server)
{
	return server->pid;
}
