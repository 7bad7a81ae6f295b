/* A book of one domain, filled from Redis, decides what must be asked: the same book as the engine's. Redis may be
 * away: then the policy is fetched, and it is said that what the engine keeps is not known. */
#include "sts_finder.h"

#include "client.h"
#include "console.h"
#include "https.h"
#include "routing.h"
#include "sts.h"

#include "dns/inquiry.h"
#include "queue/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REDIS_MS = 1000, TURN_MS = 100, PATIENCE_MS = 30000, TEXTS_MAX = 16, NAME_MAX_BYTES = 300 };

struct question {
	struct inquiry inquiry;
	bool answered;
};

static void __attribute__((format(printf, 2, 3))) add_why(struct sts_found *found, const char *format, ...)
{
	size_t len = strlen(found->why);
	va_list args;

	va_start(args, format);
	if (len && len + 2 < sizeof(found->why)) {
		memcpy(found->why + len, "; ", 3);
		len += 2;
	}
	vsnprintf(found->why + len, sizeof(found->why) - len, format, args);
	va_end(args);
}

static void on_answer(struct inquiry *inquiry)
{
	LIST_OWNER(inquiry, struct question, inquiry)->answered = true;
}

/* False: there was no answer in time. inquiry_end is the caller's. */
static bool inquire(struct question *question, struct route_finder *finder, const char *name, enum inquiry_kind kind)
{
	unsigned long long end = console_now_ms() + PATIENCE_MS;

	*question = (struct question){.inquiry = {.answered = on_answer}};
	inquiry_begin(&question->inquiry, finder->dns, slice_of(name), kind);
	while (!question->answered && console_now_ms() < end && ring_turn(finder->ring, TURN_MS) == 0)
		;
	return question->answered;
}

/* The id in the TXT record into room; empty: there is none. */
static void find_id(struct sts_found *found, struct route_finder *finder, struct slice domain,
		    char room[STS_ID_MAX + 1])
{
	struct question question;
	struct slice texts[TEXTS_MAX], id;
	char name[NAME_MAX_BYTES];

	snprintf(name, sizeof(name), "_mta-sts.%.*s", SLICE_ARG(domain));
	room[0] = '\0';
	if (inquire(&question, finder, name, INQUIRY_TEXT) &&
	    sts_id(texts, inquiry_texts(&question.inquiry, texts, TEXTS_MAX), &id))
		snprintf(room, STS_ID_MAX + 1, "%.*s", SLICE_ARG(id));
	else
		add_why(found, "%s has no record that speaks of a policy", name);
	inquiry_end(&question.inquiry);
}

static void recall(struct sts_found *found, struct sts_book *book, const struct config *config, struct slice domain)
{
	struct redis_server server = client_server(config);
	char why[RING_WHY_MAX];
	struct redisContext *redis = redis_sync_open(&server, REDIS_MS, why);
	struct redisReply *reply = NULL;
	struct outbuf key = {0};

	outbuf_printf(&key, "%.*s:{0}:sts", SLICE_ARG(config->redis.prefix));
	if (redis)
		reply = redis_sync_ask(redis, (struct slice[]){SLICE("HGET"), outbuf_slice(&key), domain}, 3);
	if (reply)
		sts_book_restore(book, domain, reply_text(reply), (int64_t)console_wall_ms());
	else
		add_why(found, "what the engine keeps is not known: %s",
			redis ? redis_sync_why(redis, NULL, why) : why);
	if (reply)
		freeReplyObject(reply);
	if (redis)
		redisFree(redis);
	outbuf_free(&key);
}

static void add_addresses(struct https_request *request, struct route_finder *finder, enum inquiry_kind kind)
{
	struct address some[HTTPS_ADDRESSES_MAX];
	struct question question;
	unsigned n = 0;

	if (inquire(&question, finder, request->host, kind))
		n = inquiry_addresses(&question.inquiry, some, HTTPS_ADDRESSES_MAX, request->port);
	inquiry_end(&question.inquiry);
	for (unsigned i = 0; i < n && request->naddresses < HTTPS_ADDRESSES_MAX; i++)
		if (finder->config->allow_private || !address_is_private(&some[i]))
			request->addresses[request->naddresses++] = some[i];
}

struct fetch {
	struct https_request request;
	bool done;
};

static void on_done(struct https_request *request)
{
	LIST_OWNER(request, struct fetch, request)->done = true;
}

/* The policy as its host has it now; NULL, and why, if it cannot be had. */
static struct sts_policy *fetch(struct sts_found *found, struct route_finder *finder, struct slice domain)
{
	struct https *https = https_open();
	struct sts_policy *policy = NULL;
	struct fetch fetch = {.done = false};
	char host[NAME_MAX_BYTES], why[STS_WHY_MAX];

	snprintf(host, sizeof(host), "mta-sts.%.*s", SLICE_ARG(domain));
	sts_request(&fetch.request, host);
	fetch.request.done = on_done;
	add_addresses(&fetch.request, finder, INQUIRY_IPV4);
	add_addresses(&fetch.request, finder, INQUIRY_IPV6);
	if (https && fetch.request.naddresses) {
		https_start(https, &fetch.request);
		while (!fetch.done)
			https_turn(https, TURN_MS);
	}
	if (!https)
		add_why(found, "libcurl would not begin");
	else if (!fetch.done)
		add_why(found, "%s has no address that may be asked", host);
	else if (fetch.request.result != HTTPS_FINE)
		add_why(found, "fetching it from %s: %s", host, fetch.request.why);
	else if (!(policy = sts_policy_read(outbuf_slice(&fetch.request.body), why)))
		add_why(found, "reading it from %s: %s", host, why);
	outbuf_free(&fetch.request.body);
	https_close(https);
	return policy;
}

static void take(struct sts_found *found, struct sts_book *book, struct slice domain)
{
	const struct sts_entry *entry = sts_book_entry(book, domain);
	struct sts_policy *policy = sts_entry_policy(entry, (int64_t)console_wall_ms());

	if (!policy)
		return;
	found->policy = sts_policy_keep(policy);
	found->fetched_ms = entry->fetched_ms;
	found->expires_ms = entry->expires_ms;
	memcpy(found->id, entry->id, sizeof(found->id));
}

void sts_find(struct sts_found *found, struct route_finder *finder, struct slice domain, const struct routes *routes)
{
	struct sts_book book = {0};
	struct sts_policy *policy;
	char id[STS_ID_MAX + 1];

	*found = (struct sts_found){.kept = true};
	if (!routing_asks_policy(finder->config, domain, routes)) {
		add_why(found, "the domain is not asked: %s",
			routes->result != ROUTES_FOUND ? "it has no route"
						       : "the configuration says so (route, relay, tls or sts)");
		return;
	}
	recall(found, &book, finder->config, domain);
	find_id(found, finder, domain, id);
	if (sts_book_need(&book, domain, slice_of(id), (int64_t)console_wall_ms(), &policy) != STS_GO_ON &&
	    (policy = fetch(found, finder, domain))) {
		sts_book_fetched(&book, domain, slice_of(id), policy, (int64_t)console_wall_ms());
		found->kept = false;
	}
	take(found, &book, domain);
	sts_book_free(&book);
}

void sts_found_free(struct sts_found *found)
{
	sts_policy_free(found->policy);
	found->policy = NULL;
}

void sts_print(const struct sts_found *found, struct outbuf *out)
{
	const struct sts_policy *policy = found->policy;
	char since[TIME_TEXT_MAX], until[TIME_TEXT_MAX];

	if (!policy) {
		outbuf_printf(out, "sts       no policy: %s\n", found->why);
		return;
	}
	outbuf_printf(out, "sts       mode %s%s", sts_mode_name(policy->mode), policy->nmx ? ":" : "");
	for (unsigned i = 0; i < policy->nmx; i++)
		outbuf_printf(out, "%s %.*s", i ? "," : "", SLICE_ARG(policy->mx[i]));
	outbuf_printf(out, "; id %s, max_age %u s, %s %.*s, until %.*s%s%s\n", found->id, policy->max_age_s,
		      found->kept ? "kept by the engine since" : "fetched just now,",
		      SLICE_ARG(time_text((uint64_t)found->fetched_ms, since)),
		      SLICE_ARG(time_text((uint64_t)found->expires_ms, until)), found->why[0] ? "; " : "", found->why);
}

void sts_print_json(const struct sts_found *found, struct outbuf *out)
{
	const struct sts_policy *policy = found->policy;

	outbuf_json_raw(out, "sts", SLICE("{"));
	if (policy) {
		outbuf_json_text(out, "mode", slice_of(sts_mode_name(policy->mode)));
		outbuf_json_raw(out, "mx", SLICE("["));
		for (unsigned i = 0; i < policy->nmx; i++) {
			outbuf_printf(out, i ? "," : "");
			outbuf_json_string(out, policy->mx[i]);
		}
		outbuf_byte(out, ']');
		outbuf_json_number(out, "max_age", policy->max_age_s);
		outbuf_json_text(out, "id", slice_of(found->id));
		outbuf_json_text(out, "from", found->kept ? SLICE("memory") : SLICE("host"));
		outbuf_json_number(out, "fetched", (uint64_t)found->fetched_ms);
		outbuf_json_number(out, "expires", (uint64_t)found->expires_ms);
	}
	if (found->why[0])
		outbuf_json_text(out, "why", slice_of(found->why));
	outbuf_byte(out, '}');
}
