/* HTTPS, for a thread that has time: many requests at once, each to addresses the caller has found (no name is looked
 * up here), each verified for its host's name, none redirected, all bounded in time and size.
 *
 *     request->done = on_done;  request->host = "mta-sts.a.example";  request->path = "/.well-known/mta-sts.txt"; ...
 *     https_start(https, request);
 *     while (...) https_turn(https, wait_ms);      done is called from here, once for each
 *     https_wake(https);                           from any thread: ends the turn
 *
 * Nothing of an answer is kept for another one. $SSL_CERT_FILE and $SSL_CERT_DIR name what is trusted, as for mail. */
#pragma once

#include "base/address.h"
#include "base/outbuf.h"

enum { HTTPS_ADDRESSES_MAX = 8, HTTPS_WHY_MAX = 300 };

/* UNTRUSTED: the certificate is not one for the host. REFUSED: it answered, but not with what was asked for. */
enum https_result { HTTPS_FINE, HTTPS_UNREACHABLE, HTTPS_UNTRUSTED, HTTPS_REFUSED };

struct https_request {
	void (*done)(struct https_request *request);
	const char *host, *path; /* borrowed until done, like what follows */
	const char *type;	 /* the media type the answer must have; with a post, that the post has */
	struct slice post; /* what is posted; then any answer of 2xx is fine, and its body is not kept. ptr NULL: GET */
	uint16_t port;
	unsigned timeout_s;
	size_t most; /* bytes of the answer */
	struct address addresses[HTTPS_ADDRESSES_MAX];
	unsigned naddresses;
	/* For done: */
	enum https_result result;
	struct outbuf body; /* the caller's to free */
	char why[HTTPS_WHY_MAX];
	/* Its own. */
	void *easy, *resolved, *headers;
	bool too_long;
};

struct https;

/* NULL: libcurl would not begin. */
struct https *https_open(void);
/* Nothing may be under way. */
void https_close(struct https *https);
void https_start(struct https *https, struct https_request *request);
/* Takes one back: it is never done. */
void https_stop(struct https *https, struct https_request *request);
/* Waits until something happens, or wait_ms. */
void https_turn(struct https *https, unsigned wait_ms);
void https_wake(struct https *https);
