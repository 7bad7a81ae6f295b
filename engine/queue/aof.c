/* Mending walks the last file of the manifest once, command by command, and remembers where it last stood outside of a
 * transaction. redis-check-aof --fix does the same, but asks on the terminal, and checks the base file too, which takes
 * minutes where this takes a second.
 *
 * Whether Redis was restarted is told by its run_id, which is kept in a key of the shard. */
#include "queue/aof.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NUMBER_MAX = 24 };

/* The name of the file that Redis appends to: the last line of type i. Empty if there is none. */
static void last_file(const char *manifest, char *name, size_t size)
{
	FILE *file = fopen(manifest, "re");
	char line[512], found[256], type;

	name[0] = '\0';
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "file %255s seq %*u type %c", found, &type) == 2 && type == 'i')
			snprintf(name, size, "%s", found);
	if (file)
		fclose(file);
}

enum part { PART_WHOLE, PART_SHORT, PART_ALIEN };

/* Takes "*3" or "$12" and its line end off the front of *rest. */
static enum part take_number(struct slice *rest, char kind, uint64_t *number)
{
	size_t end = slice_find(slice_head(*rest, NUMBER_MAX), '\n');

	if ((rest->len && rest->ptr[0] != kind) || end == NUMBER_MAX)
		return PART_ALIEN;
	if (end == rest->len)
		return PART_SHORT;
	struct slice line = slice_skip(slice_until(rest, '\n'), 1);

	return slice_number(slice_trim(line), UINT32_MAX, number) ? PART_WHOLE : PART_ALIEN;
}

/* Takes one command off the front of *rest; word is its first argument. */
static enum part take_command(struct slice *rest, struct slice *word)
{
	uint64_t arguments, len;

	if (rest->ptr[0] == '#') { /* an annotation */
		if (slice_find(*rest, '\n') == rest->len)
			return PART_SHORT;
		*word = slice_until(rest, '\n');
		return PART_WHOLE;
	}
	enum part part = take_number(rest, '*', &arguments);

	for (uint64_t i = 0; part == PART_WHOLE && i < arguments; i++) {
		part = take_number(rest, '$', &len);
		if (part != PART_WHOLE)
			break;
		if (rest->len < len + 2)
			part = PART_SHORT;
		if (i == 0)
			*word = slice_head(*rest, len);
		*rest = slice_skip(*rest, len + 2);
	}
	return part;
}

/* A power cut may leave a file longer than what was written into it. */
static bool is_zeros(struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.ptr[i] != '\0')
			return false;
	return true;
}

/* How much of the file ends outside of a transaction; all of it, if there is in it what is no command: Redis shall
 * say so itself. */
static size_t whole_length(struct slice bytes)
{
	struct slice rest = bytes, word = SLICE_NONE;
	enum part part = PART_WHOLE;
	size_t whole = 0, here = 0;
	bool inside = false;

	while (rest.len && (part = take_command(&rest, &word)) == PART_WHOLE) {
		here = bytes.len - rest.len;
		if (slice_is_nocase(word, SLICE("MULTI")))
			inside = true;
		else if (slice_is_nocase(word, SLICE("EXEC")))
			inside = false;
		if (!inside)
			whole = here;
	}
	return part == PART_ALIEN && !is_zeros(slice_skip(bytes, here)) ? bytes.len : whole;
}

static int64_t mend_file(int fd, char *why)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0 || stat.st_size == 0)
		return 0;
	size_t size = (size_t)stat.st_size;
	void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (bytes == MAP_FAILED)
		return 0;
	madvise(bytes, size, MADV_SEQUENTIAL);
	size_t whole = whole_length((struct slice){bytes, size});

	munmap(bytes, size);
	if (whole == size)
		return 0;
	if (ftruncate(fd, (off_t)whole) == 0 && fsync(fd) == 0)
		return (int64_t)(size - whole);
	snprintf(why, RING_WHY_MAX, "cutting half a transaction off the append-only file: %s", strerror(errno));
	return -1;
}

int64_t aof_mend(const char *directory, char *why)
{
	char *manifest, *path, name[256];
	int64_t cut = 0;

	CHECK(asprintf(&manifest, "%s/appendonlydir/appendonly.aof.manifest", directory) > 0);
	last_file(manifest, name, sizeof(name));
	free(manifest);
	CHECK(asprintf(&path, "%s/appendonlydir/%s", directory, name) > 0);
	int fd = name[0] && !strchr(name, '/') ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd >= 0) {
		cut = mend_file(fd, why);
		close(fd);
	}
	if (cut > 0)
		log_info("%s: cut %lld bytes of an incomplete transaction, which nobody was told was done", path,
			 (long long)cut);
	free(path);
	return cut;
}

static void rewrite(struct redisContext *redis)
{
	struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("BGREWRITEAOF")}, 1);
	char why[RING_WHY_MAX];

	if (reply && resp_error(reply) == RESP_FINE)
		log_info("Redis was restarted: it rewrites its append-only file, so that no half transaction stays in "
			 "it");
	else if (!slice_starts(resp_text(reply), SLICE("ERR Background append only file rewriting")))
		log_warning(
			"Redis was restarted and does not rewrite its append-only file (%s): if it had crashed, run "
			"BGREWRITEAOF",
			redis_sync_why(redis, reply, why));
	if (reply)
		freeReplyObject(reply);
}

void aof_renew(struct redisContext *redis, struct slice base)
{
	struct redisReply *info = redis_sync_ask(redis, (struct slice[]){SLICE("INFO")}, 1);
	struct slice run = redis_sync_info(resp_text(info), "run_id");
	bool appends = slice_is(redis_sync_info(resp_text(info), "aof_enabled"), SLICE("1"));
	struct redisReply *before = NULL, *set = NULL;
	char key[160];

	snprintf(key, sizeof(key), "%.*s:run", SLICE_ARG(slice_head(base, 150)));
	if (run.len)
		before = redis_sync_ask(redis, (struct slice[]){SLICE("GET"), slice_of(key)}, 2);
	if (appends && resp_text(before).len && !slice_is(resp_text(before), run))
		rewrite(redis);
	if (before && !slice_is(resp_text(before), run))
		set = redis_sync_ask(redis, (struct slice[]){SLICE("SET"), slice_of(key), run}, 3);
	if (set)
		freeReplyObject(set);
	if (before)
		freeReplyObject(before);
	if (info)
		freeReplyObject(info);
}
