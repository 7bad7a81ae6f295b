/* A small ring that is turned until the one answer is there, then libcurl until it is done. One at a time: there are
 * few such places, and a day to reach them. */
#include "report_post.h"

#include "report_mail.h"

#include "base/check.h"
#include "base/log.h"
#include "dns/inquiry.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SOCKETS = 16,
	BUFFERS = 32,
	BUFFER_SIZE = 4096,
	TURN_MS = 100,
	FAREWELL_TURNS = 20,
	POST_S = 30,
	HOST_MAX = 254
};

struct poster {
	const struct config *config; /* borrowed */
	bool (*go_on)(void *who);
	void *who;
	struct ring *ring; /* owned, like what follows */
	struct dns *dns;
	struct https *https;
	struct inquiry inquiry;
	struct https_request request;
	bool answered, done;
};

struct poster *poster_open(const struct config *config, bool (*go_on)(void *who), void *who)
{
	struct poster *poster = calloc(1, sizeof(*poster));
	char why[RING_WHY_MAX] = "there is no libcurl";

	CHECK(poster != NULL);
	*poster = (struct poster){.config = config, .go_on = go_on, .who = who, .https = https_open()};
	if (poster->https &&
	    ring_open(&poster->ring,
		      &(struct ring_setup){.sockets = SOCKETS, .buffers = BUFFERS, .buffer_size = BUFFER_SIZE},
		      why) == 0) {
		poster->dns = dns_open(poster->ring, &(struct dns_setup){.servers = config->dns.servers,
									 .nservers = config->dns.nservers,
									 .trusted = config->dns.trusted,
									 .own_name = config->hostname});
		return poster;
	}
	log_warning("posting reports on TLS: %s; it is tried again", why);
	https_close(poster->https);
	free(poster);
	return NULL;
}

void poster_close(struct poster *poster)
{
	if (!poster)
		return;
	inquiry_end(&poster->inquiry);
	dns_free(poster->dns);
	for (int i = 0; i < FAREWELL_TURNS; i++) /* what is in flight comes home */
		ring_turn(poster->ring, 1);
	ring_free(poster->ring);
	https_close(poster->https);
	free(poster);
}

static void on_answer(struct inquiry *inquiry)
{
	LIST_OWNER(inquiry, struct poster, inquiry)->answered = true;
}

/* Of one family; those that may be connected to. */
static void find_addresses(struct poster *poster, struct slice host, enum inquiry_kind kind)
{
	struct https_request *request = &poster->request;
	struct address found[HTTPS_ADDRESSES_MAX];

	poster->answered = false;
	poster->inquiry.answered = on_answer;
	inquiry_begin(&poster->inquiry, poster->dns, host, kind);
	while (!poster->answered && poster->go_on(poster->who) && ring_turn(poster->ring, TURN_MS) == 0)
		;
	unsigned n =
		poster->answered ? inquiry_addresses(&poster->inquiry, found, HTTPS_ADDRESSES_MAX, request->port) : 0;

	inquiry_end(&poster->inquiry);
	for (unsigned i = 0; i < n && request->naddresses < HTTPS_ADDRESSES_MAX; i++)
		if (poster->config->allow_private || !address_is_private(&found[i]))
			request->addresses[request->naddresses++] = found[i];
}

static void on_done(struct https_request *request)
{
	LIST_OWNER(request, struct poster, request)->done = true;
}

static bool is_done(struct poster *poster, char *why)
{
	struct https_request *request = &poster->request;

	poster->done = false;
	https_start(poster->https, request);
	while (!poster->done && poster->go_on(poster->who))
		https_turn(poster->https, TURN_MS);
	if (!poster->done)
		https_stop(poster->https, request);
	snprintf(why, HTTPS_WHY_MAX, "%s", poster->done ? request->why : "the engine stops");
	return poster->done && request->result == HTTPS_FINE;
}

bool poster_post(struct poster *poster, struct slice text, struct slice packed, char *why)
{
	struct tls_report_url url;
	char host[HOST_MAX], path[TLS_REPORT_URL_MAX + 2];

	if (!tls_report_url(text, &url)) {
		snprintf(why, HTTPS_WHY_MAX, "expected https://HOST/PATH");
		return false;
	}
	snprintf(host, sizeof(host), "%.*s", SLICE_ARG(url.host));
	for (char *at = host; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	snprintf(path, sizeof(path), "%.*s", SLICE_ARG(url.path.len ? url.path : SLICE("/")));
	poster->request = (struct https_request){.done = on_done,
						 .host = host,
						 .path = path,
						 .type = REPORT_TYPE,
						 .post = packed,
						 .port = url.port,
						 .timeout_s = POST_S};
	find_addresses(poster, slice_of(host), INQUIRY_IPV4);
	find_addresses(poster, slice_of(host), INQUIRY_IPV6);
	if (poster->request.naddresses)
		return is_done(poster, why);
	snprintf(why, HTTPS_WHY_MAX, "%.250s has no address that may be asked", host);
	return false;
}
