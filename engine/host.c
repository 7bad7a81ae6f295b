/* A map by address text. Silence is remembered for a minute, doubling to half an hour: long enough that ten thousand
 * messages do not knock on a dead door ten thousand times (RFC 5321 4.5.4.1), short enough to notice its return. */
#include "host.h"

#include "base/check.h"

#include <stdlib.h>

enum { DEAD_FIRST_MS = 60 * 1000, DEAD_MAX_MS = 30 * 60 * 1000, FORGET_MS = 60 * 60 * 1000 };

struct host *host_hold(struct worker *worker, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];
	struct slice name = address_text(address, text);
	struct map_node *node = map_find(&worker->hosts, name);
	struct host *host;

	if (node) {
		host = MAP_OWNER(node, struct host, node);
	} else {
		host = calloc(1, sizeof(*host));
		CHECK(host != NULL);
		name = address_text(address, host->name);
		map_add(&worker->hosts, &host->node, name);
	}
	host->refs++;
	host->used_ms = worker_now_ms(worker);
	return host;
}

void host_release(struct worker *worker, struct host *host)
{
	CHECK(host->refs > 0);
	host->refs--;
	host->used_ms = worker_now_ms(worker);
}

struct slice host_ip(const struct host *host)
{
	struct slice name = slice_of(host->name);

	if (slice_starts(name, SLICE("[")))
		return slice_head(slice_skip(name, 1), slice_find(name, ']') - 1);
	return slice_head(name, slice_find(name, ':'));
}

void host_failed(struct host *host, uint64_t now_ms)
{
	uint64_t rest_ms = DEAD_FIRST_MS;

	for (unsigned i = 0; i < host->failures && rest_ms < DEAD_MAX_MS; i++)
		rest_ms *= 2;
	host->failures++;
	host->dead_until_ms = now_ms + (rest_ms < DEAD_MAX_MS ? rest_ms : DEAD_MAX_MS);
}

void host_answered(struct host *host)
{
	host->failures = 0;
	host->dead_until_ms = 0;
}

void host_learn(struct host *host, const struct session *session)
{
	host->rset_needed |= session_found_rset_needed(session);
	host->pipelining_broken |= session_found_pipelining_broken(session);
	host->window_broken |= session_found_window_broken(session);
	host->window_proved |= session_found_window_proved(session);
}

void host_revive(struct worker *worker, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];
	struct map_node *node = map_find(&worker->hosts, address_text(address, text));

	if (node)
		MAP_OWNER(node, struct host, node)->dead_until_ms = 0;
}

bool host_is_dead(const struct worker *worker, const struct address *address, uint64_t now_ms)
{
	char text[ADDRESS_TEXT_MAX];
	struct map_node *node = map_find(&worker->hosts, address_text(address, text));

	return node && MAP_OWNER(node, struct host, node)->dead_until_ms > now_ms;
}

void hosts_age(struct worker *worker, uint64_t now_ms)
{
	MAP_EACH (node, &worker->hosts) {
		struct host *host = MAP_OWNER(node, struct host, node);

		if (host->refs || now_ms - host->used_ms < FORGET_MS)
			continue;
		map_remove(&worker->hosts, &host->node);
		free(host);
	}
}

void hosts_free(struct worker *worker)
{
	MAP_EACH (node, &worker->hosts)
		free(MAP_OWNER(node, struct host, node));
	map_free(&worker->hosts);
}
