/* How the programs of the bench reach Redis. */
#pragma once

#include "base/address.h"

#include <hiredis/hiredis.h>

/* Connected to the place that --redis names; fail ends the program. */
static inline redisContext *redis_at(const char *place, void (*fail)(const char *what, const char *why))
{
	struct address address;
	char ip[ADDRESS_TEXT_MAX];
	redisContext *context;

	if (!address_parse(&address, slice_of(place), 6379))
		fail("--redis", "expected unix:PATH or ADDRESS:PORT");
	if (address.sa.sa_family == AF_UNIX)
		context = redisConnectUnix(address.un.sun_path);
	else
		context = redisConnect(address_ip_text(&address, ip).ptr, address_port(&address));
	if (!context || context->err)
		fail("connecting to Redis", context ? context->errstr : "out of memory");
	return context;
}
