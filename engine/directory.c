/* The table of a worker has only hashes of what was told, with the day in them; it is its own, so nothing is locked to
 * look into it. Pending pairs are one buffer of length-prefixed texts under a lock that is held for a copy. */
#include "directory.h"

#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD = 1 << 16, PENDING_BYTES_MAX = 256 * 1024, NAME_BYTES_MAX = 1024, DAY_MS = 86400000 };

struct directory {
	pthread_mutex_t lock; /* around pending */
	struct outbuf pending;
	uint64_t *told[WORKERS_MAX]; /* owned: TOLD hashes each; only its worker looks at it */
};

struct directory *directory_new(void)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	CHECK(directory != NULL);
	pthread_mutex_init(&directory->lock, NULL);
	return directory;
}

void directory_free(struct directory *directory)
{
	if (!directory)
		return;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		free(directory->told[i]);
	outbuf_free(&directory->pending);
	pthread_mutex_destroy(&directory->lock);
	free(directory);
}

static void put(struct outbuf *out, struct slice text)
{
	uint16_t length = (uint16_t)text.len;

	outbuf_add(out, (struct slice){(const char *)&length, sizeof(length)});
	outbuf_add(out, text);
}

static struct slice get(struct slice *rest)
{
	uint16_t length;

	memcpy(&length, rest->ptr, sizeof(length));
	*rest = slice_skip(*rest, sizeof(length));
	struct slice text = slice_head(*rest, length);

	*rest = slice_skip(*rest, length);
	return text;
}

void directory_tell(struct worker *worker, struct slice domain, struct slice site)
{
	struct directory *directory = worker->engine->directory;
	uint64_t hash = slice_hash(domain), mark = hash ^ slice_hash(site) * 31 ^ worker_wall_ms(worker) / DAY_MS;

	if (!directory || domain.len > NAME_BYTES_MAX || site.len > NAME_BYTES_MAX)
		return;
	uint64_t **told = &directory->told[worker->number];

	if (!*told)
		*told = calloc(TOLD, sizeof(**told));
	CHECK(*told != NULL);
	if ((*told)[hash % TOLD] == mark)
		return;
	pthread_mutex_lock(&directory->lock);
	if (directory->pending.len < PENDING_BYTES_MAX) {
		put(&directory->pending, domain);
		put(&directory->pending, site);
		(*told)[hash % TOLD] = mark;
	}
	pthread_mutex_unlock(&directory->lock);
}

unsigned directory_take(struct directory *directory, struct slice *pairs, unsigned max, struct outbuf *text)
{
	unsigned n = 0;

	pthread_mutex_lock(&directory->lock);
	outbuf_reset(text);
	outbuf_add(text, outbuf_slice(&directory->pending));
	struct slice rest = outbuf_slice(text);

	while (rest.len && n + 2 <= max) {
		pairs[n++] = get(&rest);
		pairs[n++] = get(&rest);
	}
	outbuf_reset(&directory->pending);
	outbuf_add(&directory->pending, rest);
	pthread_mutex_unlock(&directory->lock);
	return n;
}
