/* The lock is flock(2): the kernel lets go of it when the process ends, however it ends, so there is no stale lock to
 * clean up; the number written into the file is for people. It is closed on exec: the embedded redis-server outlives an
 * engine that crashes, and must not keep the next one out. */
#include "queue/state.h"

#include "base/check.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INSTANCE_MAX = 80 };

struct state {
	char *path; /* owned */
	int lock;
	char instance[INSTANCE_MAX + 1];
};

/* mkdir -p, private at the last step. */
static bool make_directory(char *path, char *why)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	snprintf(why, RING_WHY_MAX,
		 "making the state directory %.120s: %s; set state-dir to a place this user may write", path,
		 strerror(errno));
	return false;
}

static int open_in(const char *path, const char *name, int flags)
{
	char *full;

	CHECK(asprintf(&full, "%s/%s", path, name) > 0);
	int fd = open(full, flags | O_CLOEXEC, 0600);

	free(full);
	return fd;
}

static bool take_lock(struct state *state, char *why)
{
	char holder[16] = "";

	state->lock = open_in(state->path, "lock", O_RDWR | O_CREAT);
	if (state->lock < 0) {
		snprintf(why, RING_WHY_MAX, "opening %.120s/lock: %s; set state-dir to a place this user may write",
			 state->path, strerror(errno));
		return false;
	}
	if (flock(state->lock, LOCK_EX | LOCK_NB) < 0) {
		ssize_t n = read(state->lock, holder, sizeof(holder) - 1);

		holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
		snprintf(why, RING_WHY_MAX,
			 "the state directory %.120s is in use by another hikyaku, process %s; stop that one, or give "
			 "this one "
			 "another state-dir",
			 state->path, holder[0] ? holder : "unknown");
		return false;
	}
	int n = snprintf(holder, sizeof(holder), "%d\n", getpid());

	if (ftruncate(state->lock, 0) == 0 && pwrite(state->lock, holder, (size_t)n, 0) == n)
		return true;
	snprintf(why, RING_WHY_MAX, "writing %.120s/lock: %s", state->path, strerror(errno));
	return false;
}

/* Names travel in keys: letters, digits, '-', '.'. */
static bool is_name(const char *name)
{
	return name[0] &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")] == '\0';
}

static void make_name(char *name)
{
	char host[40] = "";

	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	snprintf(name, INSTANCE_MAX, "%s-%08x", is_name(host) ? host : "engine", (unsigned)random_secret());
}

static bool take_name(struct state *state, char *why)
{
	int fd = open_in(state->path, "instance", O_RDWR | O_CREAT);
	ssize_t n = fd < 0 ? -1 : read(fd, state->instance, INSTANCE_MAX);
	bool named = false;

	if (n >= 0) {
		state->instance[n] = '\0';
		state->instance[strcspn(state->instance, "\n")] = '\0';
		named = is_name(state->instance);
	}
	if (n >= 0 && !named) {
		make_name(state->instance);
		size_t len = strlen(state->instance);

		named = ftruncate(fd, 0) == 0 && pwrite(fd, state->instance, len, 0) == (ssize_t)len && fsync(fd) == 0;
	}
	if (!named)
		snprintf(why, RING_WHY_MAX, "keeping this engine's name in %.120s/instance: %s", state->path,
			 strerror(errno));
	if (fd >= 0)
		close(fd);
	return named;
}

struct state *state_open(struct slice path, char *why)
{
	struct state *state = calloc(1, sizeof(*state));

	CHECK(state != NULL);
	while (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	state->path = slice_copy(path);
	state->lock = -1;
	if (make_directory(state->path, why) && take_lock(state, why) && take_name(state, why))
		return state;
	state_close(state);
	return NULL;
}

void state_close(struct state *state)
{
	if (!state)
		return;
	if (state->lock >= 0)
		close(state->lock);
	free(state->path);
	free(state);
}

const char *state_path(const struct state *state)
{
	return state->path;
}

struct slice state_instance(const struct state *state)
{
	return slice_of(state->instance);
}
