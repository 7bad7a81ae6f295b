/* Plain sockets, non-blocking, with a long line before the door: a bench connects thousands at once. */
#include "bench/sink/listener.h"

#include "base/address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int listener_open(const char *text)
{
	struct address address;
	char room[ADDRESS_TEXT_MAX];
	int on = 1, fd;

	if (!address_parse(&address, slice_of(text), 0)) {
		fprintf(stderr, "sink: --listen %s: expected ADDRESS:PORT\n", text);
		return -1;
	}
	fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, &address.sa, address.len) < 0 || listen(fd, 4096) < 0) {
		fprintf(stderr, "sink: listening on %s: %s\n", text, strerror(errno));
		return -1;
	}
	getsockname(fd, &address.sa, &address.len);
	printf("listening %s\n", address_text(&address, room).ptr);
	return fd;
}

static bool is_loopback(const struct sockaddr_in *from)
{
	return from->sin_family == AF_INET && (ntohl(from->sin_addr.s_addr) >> 24) == 127;
}

int listener_take(int listener, struct sockaddr_in *from)
{
	socklen_t len = sizeof(*from);
	int fd, on = 1;

	while ((fd = accept4(listener, (struct sockaddr *)from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (is_loopback(from)) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			return fd;
		}
		close(fd);
		len = sizeof(*from);
	}
	return -1;
}
