/* The book is under one lock, held for moments: a worker looks something up, the thread writes down what it fetched.
 * Requests are handed over by a list and a wake-up; answers go by message to the rings of those who wait. What is to
 * be kept is marked, and written by a worker's connection to Redis, so that the thread needs none.
 *
 * Rejected: libcurl on the workers' rings (its sockets are its own), and a thread a fetch. */
#include "sts.h"

#include "https.h"
#include "worker.h"

#include "base/check.h"
#include "base/log.h"
#include "queue/notes.h"
#include "queue/redis_sync.h"
#include "queue/resp.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURN_MS = 1000, FETCH_S = 60, HOST_MAX = 300, CHANGES_MAX = 256 };

struct fetch {
	struct https_request get;
	struct list link; /* wanted, then under way */
	struct sts *sts;  /* parent */
	char id[STS_ID_MAX + 1], host[HOST_MAX];
	char domain[HOST_MAX];
};

/* Something for a worker to write down. */
struct change {
	struct list link;
	struct slice domain, value; /* of the same memory; a value of none: an alarm about the domain */
};

struct sts {
	pthread_mutex_t lock; /* of the book and the lists */
	struct sts_book book;
	struct list wanted, changes;
	bool stopping;
	pthread_t thread;
	/* The thread's: */
	struct https *https;
	struct ring *ring; /* opened by it, for the kernel wants one thread a ring; NULL: why says what is wrong */
	struct list fetches;
	pthread_barrier_t begun;
	char why[RING_WHY_MAX];
};

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint16_t sts_port(void)
{
	const char *text = getenv("HIKYAKU_STS_PORT");
	uint64_t port;

	return text && slice_number(slice_of(text), UINT16_MAX, &port) && port ? (uint16_t)port : 443;
}

void sts_request(struct https_request *request, const char *host)
{
	*request = (struct https_request){.host = host,
					  .path = "/.well-known/mta-sts.txt",
					  .type = "text/plain",
					  .port = sts_port(),
					  .timeout_s = FETCH_S,
					  .most = STS_FILE_MAX};
}

static void change_add(struct sts *sts, struct slice domain, struct slice value)
{
	struct change *change = malloc(sizeof(*change) + domain.len + value.len);
	char *bytes = (char *)(change + 1);

	CHECK(change != NULL);
	change->domain = (struct slice){bytes, domain.len};
	change->value = (struct slice){bytes + domain.len, value.len};
	memcpy(bytes, domain.ptr, domain.len);
	if (value.len)
		memcpy(bytes + domain.len, value.ptr, value.len);
	list_push(&sts->changes, &change->link);
}

/* Those who wait hear what holds now. With the lock. */
static void tell(struct sts *sts, struct sts_entry *entry)
{
	struct list *link;

	entry->fetching = false;
	while ((link = list_pop(&entry->waiting))) {
		struct sts_wait *wait = LIST_OWNER(link, struct sts_wait, link);

		wait->policy = sts_policy_keep(sts_entry_policy(entry, wall_ms()));
		if (atomic_load(&wait->worker->is_running))
			ring_wake(sts->ring, wait->worker->ring, &wait->message);
	}
}

static void fetch_failed(struct sts *sts, const struct fetch *fetch, const char *fault, const char *why)
{
	struct slice domain = slice_of(fetch->domain);

	log_warning("fetching the MTA-STS policy of %s: %s; what was known of it before goes on to hold", fetch->domain,
		    why);
	sts_book_entry(&sts->book, domain)->fault = fault;
	if (sts_book_failed(&sts->book, domain, slice_of(fetch->id), wall_ms()))
		change_add(sts, domain, SLICE_NONE);
}

static void fetch_read(struct sts *sts, const struct fetch *fetch)
{
	struct slice domain = slice_of(fetch->domain);
	char why[STS_WHY_MAX];
	struct sts_policy *policy = sts_policy_read(outbuf_slice(&fetch->get.body), why);
	struct outbuf value = {0};

	if (!policy) {
		fetch_failed(sts, fetch, "sts-policy-invalid", why);
		return;
	}
	sts_book_fetched(&sts->book, domain, slice_of(fetch->id), policy, wall_ms());
	sts_book_entry(&sts->book, domain)->fault = NULL;
	sts_entry_write(sts_book_entry(&sts->book, domain), &value);
	change_add(sts, domain, outbuf_slice(&value));
	outbuf_free(&value);
	log_info("the MTA-STS policy of %s: %s, %u mx, for %u s", fetch->domain, sts_mode_name(policy->mode),
		 policy->nmx, policy->max_age_s);
}

static void fetch_free(struct fetch *fetch)
{
	list_remove(&fetch->link);
	outbuf_free(&fetch->get.body);
	free(fetch);
}

static void on_fetched(struct https_request *get)
{
	struct fetch *fetch = LIST_OWNER(get, struct fetch, get);
	struct sts *sts = fetch->sts;

	pthread_mutex_lock(&sts->lock);
	if (get->result == HTTPS_FINE)
		fetch_read(sts, fetch);
	else
		fetch_failed(sts, fetch,
			     get->result == HTTPS_UNTRUSTED ? "sts-webpki-invalid" : "sts-policy-fetch-error",
			     get->why);
	tell(sts, sts_book_entry(&sts->book, slice_of(fetch->domain)));
	pthread_mutex_unlock(&sts->lock);
	fetch_free(fetch);
}

static void fetch_begin(struct sts *sts, struct fetch *fetch)
{
	list_push(&sts->fetches, &fetch->link);
	if (fetch->get.naddresses) {
		https_start(sts->https, &fetch->get);
		return;
	}
	snprintf(fetch->get.why, sizeof(fetch->get.why), "%.250s has no address that may be asked", fetch->host);
	fetch->get.result = HTTPS_UNREACHABLE;
	on_fetched(&fetch->get);
}

/* The next one wanted; NULL: none. */
static struct fetch *next_wanted(struct sts *sts, bool *stopping)
{
	pthread_mutex_lock(&sts->lock);
	struct list *link = list_pop(&sts->wanted);

	*stopping = sts->stopping;
	pthread_mutex_unlock(&sts->lock);
	return link ? LIST_OWNER(link, struct fetch, link) : NULL;
}

static void *sts_thread(void *argument)
{
	struct sts *sts = argument;
	struct ring_setup setup = {.sockets = 1, .buffers = 2, .buffer_size = 64};
	struct fetch *fetch;
	bool stopping;

	if (ring_open(&sts->ring, &setup, sts->why) < 0)
		sts->ring = NULL;
	pthread_barrier_wait(&sts->begun);
	while (sts->ring) {
		while ((fetch = next_wanted(sts, &stopping)))
			fetch_begin(sts, fetch);
		if (stopping)
			break;
		https_turn(sts->https, TURN_MS);
		ring_turn(sts->ring, 0);
	}
	return NULL;
}

struct sts *sts_start(void)
{
	struct sts *sts = calloc(1, sizeof(*sts));

	CHECK(sts != NULL);
	pthread_mutex_init(&sts->lock, NULL);
	list_init(&sts->wanted);
	list_init(&sts->changes);
	list_init(&sts->fetches);
	snprintf(sts->why, sizeof(sts->why), "libcurl would not begin");
	sts->https = https_open();
	if (sts->https) {
		pthread_barrier_init(&sts->begun, NULL, 2);
		CHECK(pthread_create(&sts->thread, NULL, sts_thread, sts) == 0);
		pthread_barrier_wait(&sts->begun);
		if (sts->ring)
			return sts;
		pthread_join(sts->thread, NULL);
	}
	log_error("starting to fetch MTA-STS policies: %s", sts->why);
	https_close(sts->https);
	free(sts);
	return NULL;
}

void sts_stop(struct sts *sts)
{
	struct list *link;

	if (!sts || sts->stopping)
		return;
	pthread_mutex_lock(&sts->lock);
	sts->stopping = true;
	pthread_mutex_unlock(&sts->lock);
	https_wake(sts->https);
	pthread_join(sts->thread, NULL);
	while ((link = list_first(&sts->fetches))) {
		struct fetch *fetch = LIST_OWNER(link, struct fetch, link);

		https_stop(sts->https, &fetch->get);
		fetch_free(fetch);
	}
}

void sts_free(struct sts *sts)
{
	struct list *link;

	if (!sts)
		return;
	sts_stop(sts);
	while ((link = list_pop(&sts->changes)))
		free(LIST_OWNER(link, struct change, link));
	while ((link = list_first(&sts->wanted)))
		fetch_free(LIST_OWNER(link, struct fetch, link));
	https_close(sts->https);
	ring_free(sts->ring);
	sts_book_free(&sts->book);
	free(sts);
}

bool sts_read(struct sts *sts, struct redisContext *redis, struct slice prefix)
{
	struct outbuf key = {0};

	outbuf_printf(&key, "%.*s:{0}:sts", SLICE_ARG(prefix));
	struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("HGETALL"), outbuf_slice(&key)}, 2);
	bool ok = reply && resp_error(reply) == RESP_FINE;
	int64_t now_ms = wall_ms();

	pthread_mutex_lock(&sts->lock);
	for (size_t i = 0; ok && i + 1 < resp_count(reply); i += 2) {
		struct slice domain = resp_text(resp_at(reply, i));

		if (sts_book_restore(&sts->book, domain, resp_text(resp_at(reply, i + 1)), now_ms))
			continue;
		struct redisReply *gone =
			redis_sync_ask(redis, (struct slice[]){SLICE("HDEL"), outbuf_slice(&key), domain}, 3);

		if (gone)
			freeReplyObject(gone);
	}
	pthread_mutex_unlock(&sts->lock);
	if (reply)
		freeReplyObject(reply);
	outbuf_free(&key);
	return ok;
}

static void alarm_write(struct notes *notes, struct slice domain)
{
	struct outbuf data = {0}, text = {0};

	outbuf_printf(&text,
		      "the MTA-STS policy of %.*s could not be fetched anew %d times in a row; when it is over, its "
		      "mail goes as if it had none",
		      SLICE_ARG(domain), STS_REFRESH_ALARM);
	outbuf_byte(&data, '{');
	outbuf_json_number(&data, "v", 1);
	outbuf_json_number(&data, "time", (uint64_t)wall_ms());
	outbuf_json_text(&data, "alarm", SLICE("sts-refresh"));
	outbuf_json_text(&data, "domain", domain);
	outbuf_json_text(&data, "text", outbuf_slice(&text));
	outbuf_byte(&data, '}');
	notes_event(notes, SLICE("alarm"), outbuf_slice(&data));
	outbuf_free(&data);
	outbuf_free(&text);
}

void sts_write(struct sts *sts, struct notes *notes)
{
	for (unsigned i = 0; sts && i < CHANGES_MAX; i++) {
		pthread_mutex_lock(&sts->lock);
		struct list *link = list_pop(&sts->changes);

		pthread_mutex_unlock(&sts->lock);
		if (!link)
			return;
		struct change *change = LIST_OWNER(link, struct change, link);

		if (change->value.len)
			notes_put(notes, SLICE("sts"), change->domain, change->value);
		else
			alarm_write(notes, change->domain);
		free(change);
	}
}

const char *sts_fault(struct sts *sts, struct slice domain)
{
	const char *fault = NULL;

	if (!sts)
		return NULL;
	pthread_mutex_lock(&sts->lock);
	struct map_node *node = map_find(&sts->book.entries, domain);

	if (node)
		fault = MAP_OWNER(node, struct sts_entry, node)->fault;
	pthread_mutex_unlock(&sts->lock);
	return fault;
}

enum sts_need sts_need(struct sts *sts, struct slice domain, struct slice id, struct sts_policy **policy)
{
	pthread_mutex_lock(&sts->lock);
	enum sts_need need = sts_book_need(&sts->book, domain, id, wall_ms(), policy);

	sts_policy_keep(*policy);
	pthread_mutex_unlock(&sts->lock);
	return need;
}

static struct fetch *fetch_make(struct sts *sts, struct slice domain, struct slice id, const struct address *addresses,
				unsigned naddresses)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));

	CHECK(fetch != NULL);
	fetch->sts = sts;
	snprintf(fetch->domain, sizeof(fetch->domain), "%.*s", SLICE_ARG(domain));
	snprintf(fetch->host, sizeof(fetch->host), "mta-sts.%.*s", (int)domain.len, domain.ptr);
	snprintf(fetch->id, sizeof(fetch->id), "%.*s", SLICE_ARG(id));
	sts_request(&fetch->get, fetch->host);
	fetch->get.done = on_fetched;
	for (unsigned i = 0; i < naddresses && i < HTTPS_ADDRESSES_MAX; i++)
		fetch->get.addresses[fetch->get.naddresses++] = addresses[i];
	return fetch;
}

void sts_fetch(struct sts *sts, struct slice domain, struct slice id, const struct address *addresses,
	       unsigned naddresses, struct sts_wait *wait)
{
	pthread_mutex_lock(&sts->lock);
	struct sts_entry *entry = sts_book_entry(&sts->book, domain);
	bool begin = !entry->fetching;

	entry->fetching = true;
	if (wait)
		list_push(&entry->waiting, &wait->link);
	if (begin) {
		struct fetch *fetch = fetch_make(sts, domain, id, addresses, naddresses);

		list_push(&sts->wanted, &fetch->link);
	}
	pthread_mutex_unlock(&sts->lock);
	if (begin)
		https_wake(sts->https);
}
