/* TLS for the sink, on the sockets themselves: TLS 1.3 and 1.2, one certificate, sessions resumed by tickets or not.
 *
 *     if (!secure_setup("sink.crt", "sink.key", true)) fail();
 *     struct secure *secure = secure_begin(fd);            after the reply to STARTTLS
 *     ssize_t n = secure_read(secure, buffer, size);       as recv: 0 at the end, -1 and EAGAIN when nothing is there
 *     secure_end(secure);
 *
 * The handshake happens inside the first reads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct secure;

struct secure_counts {
	uint64_t handshakes, resumed;
};
extern struct secure_counts secure_counts;

/* Once, before any other. False with a line on stderr. */
bool secure_setup(const char *certificate, const char *key, bool tickets);
struct secure *secure_begin(int fd);
ssize_t secure_read(struct secure *secure, void *bytes, size_t size);
ssize_t secure_write(struct secure *secure, const void *bytes, size_t size);
/* Says goodbye if it can be said at once, and frees; NULL is none. The socket stays. */
void secure_end(struct secure *secure);
