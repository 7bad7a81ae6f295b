/* A table of places and, in memory, a list of the free ones. A place is written lease last and cleared lease first, so
 * that whatever instant the process dies at, a place that counts is whole. */
#include "underway.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACES = 1 << 17, WORKERS = 64, BOOT_ID = 36 };
#define MAGIC "hikyaku underway 1"

struct place {
	_Atomic uint64_t lease; /* plus 1; 0: free */
	uint32_t position, unused;
};

struct table {
	char magic[24], boot[40];
	uint64_t epoch;
	struct place places[PLACES];
};

struct underway {
	struct table *table; /* mapped */
	uint32_t *free;	     /* owned: a stack of marks */
	unsigned nfree;
};

static void read_boot(char *boot)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot, BOOT_ID);

	boot[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static struct table *map_file(const char *state_path, unsigned worker, bool make)
{
	char path[4200];
	struct stat stat;
	struct table *table = MAP_FAILED;

	snprintf(path, sizeof(path), "%s/underway.%u", state_path, worker);
	int fd = open(path, make ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);

	if (fd >= 0 && (make ? ftruncate(fd, 0) == 0 && ftruncate(fd, sizeof(*table)) == 0
			     : fstat(fd, &stat) == 0 && stat.st_size == sizeof(*table)))
		table = mmap(NULL, sizeof(*table), make ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (make && table == MAP_FAILED)
		log_error("making %s, which keeps what is under way: %s; is the disk full, or the directory not ours?",
			  path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return table == MAP_FAILED ? NULL : table;
}

static void list_places(const struct table *table, struct outbuf *begun)
{
	for (unsigned i = 0; i < PLACES; i++) {
		uint64_t lease = atomic_load_explicit(&table->places[i].lease, memory_order_relaxed);

		if (!lease)
			continue;
		if (begun->len)
			outbuf_byte(begun, ',');
		outbuf_number(begun, lease - 1);
		outbuf_byte(begun, ':');
		outbuf_number(begun, table->places[i].position);
	}
}

bool underway_read(const char *state_path, uint64_t *epoch, struct outbuf *begun)
{
	char boot[BOOT_ID + 1];
	unsigned found = 0;

	read_boot(boot);
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		struct table *table = map_file(state_path, worker, false);

		if (!table)
			continue;
		bool known = memcmp(table->magic, MAGIC, sizeof(MAGIC)) == 0 && boot[0] &&
			     strncmp(table->boot, boot, sizeof(table->boot)) == 0;

		/* A file of an earlier run with more workers than the last one had is not of the last run. */
		if (known && table->epoch > *epoch) {
			*epoch = table->epoch;
			outbuf_reset(begun);
			found = 0;
		}
		if (known && table->epoch == *epoch) {
			list_places(table, begun);
			found++;
		}
		munmap(table, sizeof(*table));
	}
	return found > 0;
}

struct underway *underway_open(const char *state_path, unsigned worker, uint64_t epoch)
{
	struct table *table = map_file(state_path, worker, true);
	struct underway *underway;

	if (!table)
		return NULL;
	underway = malloc(sizeof(*underway));
	CHECK(underway != NULL);
	*underway = (struct underway){.table = table, .free = malloc(PLACES * sizeof(uint32_t))};
	CHECK(underway->free != NULL);
	while (underway->nfree < PLACES) {
		underway->free[underway->nfree] = PLACES - underway->nfree;
		underway->nfree++;
	}
	memcpy(table->magic, MAGIC, sizeof(MAGIC));
	read_boot(table->boot);
	table->epoch = epoch;
	return underway;
}

void underway_close(struct underway *underway)
{
	if (!underway)
		return;
	munmap(underway->table, sizeof(*underway->table));
	free(underway->free);
	free(underway);
}

uint32_t underway_begin(struct underway *underway, uint64_t lease, uint32_t position)
{
	CHECK(underway->nfree > 0); /* there are more places than records a worker may hold */
	uint32_t mark = underway->free[--underway->nfree];
	struct place *place = &underway->table->places[mark - 1];

	place->position = position;
	atomic_store_explicit(&place->lease, lease + 1, memory_order_release);
	return mark;
}

void underway_end(struct underway *underway, uint32_t mark)
{
	CHECK(mark > 0 && mark <= PLACES);
	struct place *place = &underway->table->places[mark - 1];

	CHECK(atomic_load_explicit(&place->lease, memory_order_relaxed) != 0);
	atomic_store_explicit(&place->lease, 0, memory_order_release);
	underway->free[underway->nfree++] = mark;
}
