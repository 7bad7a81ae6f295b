/* Setting up a ring, and telling the operator in one sentence why the kernel would not.
 *
 * Direct descriptors (the ring's own table of sockets) do not count against the process's limit: 20,000 a ring, any
 * number of rings. But before Linux 6.13 a file taken out of that table was let go only after every request begun
 * before it had ended, whatever file that was for; with receives that stay for hours, closed sockets would pile up
 * for ever (liburing issue 1192). So older kernels get ordinary descriptors, at the same speed, up to RLIMIT_NOFILE.
 * A kernel is told by a feature that came with 6.14, not by its name. */
#include "ring/ring_uring.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

enum {
	SUBMISSIONS = 4096,
	COMPLETIONS = 32768,
	FEATURE_RW_ATTR = 1 << 16, /* IORING_FEAT_RW_ATTR, Linux 6.14; newer than liburing 2.3 */
	DESCRIPTORS_SPARE = 64,	   /* log, journal, rings, TLS files: for what is not a socket */
};

/* The number in /proc/sys/kernel/io_uring_disabled; 0 if there is none. */
static int io_uring_disabled(void)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int value = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%d", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static void why_refused(char *why, int error)
{
	struct utsname system = {0};

	uname(&system);
	if (error == ENOSYS || error == EPERM) {
		int disabled = io_uring_disabled();

		if (disabled)
			snprintf(why, RING_WHY_MAX,
				 "io_uring is switched off on this system (kernel.io_uring_disabled = %d); as root: "
				 "sysctl -w kernel.io_uring_disabled=0",
				 disabled);
		else
			snprintf(why, RING_WHY_MAX,
				 "io_uring is not allowed here (%s, Linux %.32s); in a container let its seccomp "
				 "profile "
				 "permit io_uring_setup, io_uring_enter and io_uring_register",
				 strerror(error), system.release);
	} else if (error == EINVAL) {
		snprintf(why, RING_WHY_MAX, "io_uring of Linux %.32s is too old; Linux 6.1 or newer is needed",
			 system.release);
	} else if (error == ENOMEM) {
		snprintf(why, RING_WHY_MAX,
			 "no memory for an io_uring; raise the locked memory limit (ulimit -l, LimitMEMLOCK=) or free "
			 "memory");
	} else if (error == EMFILE || error == ENFILE) {
		snprintf(why, RING_WHY_MAX,
			 "no descriptor left for an io_uring; raise the open files limit (ulimit -n, LimitNOFILE=)");
	} else {
		snprintf(why, RING_WHY_MAX, "io_uring cannot be set up on Linux %.32s: %s", system.release,
			 strerror(error));
	}
}

/* As many descriptors as we may have: the soft limit is a default for programs that use select. */
static unsigned descriptors_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	rlim_t soft = limit.rlim_cur;

	limit.rlim_cur = limit.rlim_max;
	if (soft != limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = soft;
	return limit.rlim_cur < 1 << 20 ? (unsigned)limit.rlim_cur : 1 << 20;
}

static int open_direct(struct ring *ring, unsigned count)
{
	int result = io_uring_register_files_sparse(&ring->uring, count);

	if (result < 0)
		return result;
	ring->free_slots = calloc(count, sizeof(*ring->free_slots));
	CHECK(ring->free_slots != NULL);
	for (unsigned slot = count; slot-- > 0;)
		ring->free_slots[ring->nfree++] = (int)slot;
	ring->direct = true;
	ring->file_flags = IOSQE_FIXED_FILE;
	return 0;
}

static int open_sockets(struct ring *ring, const struct ring_setup *setup)
{
	unsigned descriptors = descriptors_max();
	bool direct = !setup->ordinary && ring->uring.features & FEATURE_RW_ATTR;

	if (!direct)
		descriptors = descriptors > DESCRIPTORS_SPARE ? descriptors - DESCRIPTORS_SPARE : 1;
	ring->sockets_max = setup->sockets < descriptors ? setup->sockets : descriptors;
	return direct ? open_direct(ring, ring->sockets_max) : 0;
}

static int open_uring(struct ring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS,
	};
	int result = io_uring_queue_init_params(SUBMISSIONS, &ring->uring, &params);

	if (result < 0)
		return result;
	io_uring_register_ring_fd(&ring->uring); /* saves a look-up a turn; no harm without */
	return 0;
}

int ring_open(struct ring **opened, const struct ring_setup *setup, char *why)
{
	CHECK(setup->sockets > 0);
	struct ring *ring = calloc(1, sizeof(*ring));

	CHECK(ring != NULL);
	int result = open_uring(ring);

	if (result < 0)
		goto no_uring;
	result = open_sockets(ring, setup);
	if (result < 0)
		goto no_sockets;
	result = buffers_open(&ring->buffers, &ring->uring, setup->buffers, setup->buffer_size);
	if (result < 0)
		goto no_sockets;
	ring_read_clock(ring);
	wheel_init(&ring->wheel, ring->now_ms);
	*opened = ring;
	return 0;

no_sockets:
	io_uring_queue_exit(&ring->uring);
	buffers_free(&ring->buffers);
	free(ring->free_slots);
no_uring:
	free(ring);
	why_refused(why, -result);
	return -1;
}

void ring_free(struct ring *ring)
{
	CHECK(ring->nsockets == 0);
	CHECK(!ring->turning);
	io_uring_queue_exit(&ring->uring);
	buffers_free(&ring->buffers);
	free(ring->free_slots);
	free(ring->backlog);
	free(ring->later);
	free(ring);
}
