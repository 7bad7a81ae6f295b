/* One ring of provided buffers for all sockets: a thousand idle connections hold none. Since whatever came is told
 * and done with inside one turn, every buffer is back before the next; that is why running out (-ENOBUFS) is no
 * more than a pause. liburing 2.3 has no io_uring_setup_buf_ring, so the memory is mapped here. */
#include "ring/ring_uring.h"

#include "base/check.h"

#include <errno.h>
#include <sys/mman.h>

static void *map_bytes(size_t size)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

	return bytes == MAP_FAILED ? NULL : bytes;
}

int buffers_open(struct buffers *buffers, struct io_uring *uring, unsigned count, unsigned size)
{
	CHECK(count > 0 && count <= 32768 && (count & (count - 1)) == 0);
	CHECK(size > 0);
	*buffers = (struct buffers){.count = count, .size = size};
	buffers->ring = map_bytes(count * sizeof(struct io_uring_buf));
	buffers->bytes = map_bytes((size_t)count * size);
	if (!buffers->ring || !buffers->bytes)
		return -ENOMEM;
	struct io_uring_buf_reg registration = {
		.ring_addr = (uintptr_t)buffers->ring,
		.ring_entries = count,
	};
	int result = io_uring_register_buf_ring(uring, &registration, 0);

	if (result < 0)
		return result;
	io_uring_buf_ring_init(buffers->ring);
	for (unsigned id = 0; id < count; id++)
		buffers_give(buffers, id);
	buffers_publish(buffers);
	return 0;
}

void buffers_free(struct buffers *buffers)
{
	if (buffers->ring)
		munmap(buffers->ring, buffers->count * sizeof(struct io_uring_buf));
	if (buffers->bytes)
		munmap(buffers->bytes, (size_t)buffers->count * buffers->size);
	*buffers = (struct buffers){0};
}

void buffers_give(struct buffers *buffers, unsigned id)
{
	int mask = io_uring_buf_ring_mask(buffers->count);

	io_uring_buf_ring_add(buffers->ring, buffers_at(buffers, id), buffers->size, (unsigned short)id, mask,
			      (int)buffers->given++);
}

void buffers_publish(struct buffers *buffers)
{
	if (buffers->given > 0)
		io_uring_buf_ring_advance(buffers->ring, (int)buffers->given);
	buffers->given = 0;
}
