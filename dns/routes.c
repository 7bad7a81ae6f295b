/* Routes are one block: the fields, the slices of the hosts, the routes, the bytes of the names. They are held for as
 * long as a domain has mail, and there may be a hundred thousand domains, so they take what they need and not
 * ROUTES_MAX. */
#include "dns/routes.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum action action;
	enum category category;
	const char *enhanced;
} results[] = {
#define X(name, text, action, category, enhanced) {text, action, category, enhanced},
	ROUTES_RESULTS(X)
#undef X
};

static struct slice text_put(char **at, struct slice text)
{
	struct slice copy = {*at, text.len};

	if (text.len)
		memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return copy;
}

struct routes *routes_make(const struct routes *head)
{
	CHECK(head->nhosts <= ROUTES_MAX);
	CHECK(head->nroutes <= ROUTES_MAX);
	size_t names = head->domain.len, hosts_size = head->nhosts * sizeof(*head->hosts);
	size_t route_size = head->nroutes * sizeof(*head->route);

	for (unsigned i = 0; i < head->nhosts; i++)
		names += head->hosts[i].len;
	struct routes *routes = malloc(sizeof(*routes) + hosts_size + route_size + names);

	CHECK(routes != NULL);
	struct slice *hosts = (struct slice *)(routes + 1);
	struct route *route = (struct route *)(hosts + head->nhosts);
	char *at = (char *)(route + head->nroutes);

	*routes = *head;
	routes->refs = 1;
	routes->domain = text_put(&at, head->domain);
	for (unsigned i = 0; i < head->nhosts; i++)
		hosts[i] = text_put(&at, head->hosts[i]);
	if (head->nroutes)
		memcpy(route, head->route, route_size);
	routes->hosts = hosts;
	routes->route = route;
	return routes;
}

struct routes *routes_fixed(struct slice domain, const struct address *addresses, unsigned naddresses)
{
	char texts[ROUTES_MAX][ADDRESS_TEXT_MAX];
	struct slice hosts[ROUTES_MAX];
	struct route route[ROUTES_MAX];
	struct routes head = {.result = ROUTES_FOUND, .domain = domain, .hosts = hosts, .route = route};

	CHECK(naddresses > 0);
	head.nhosts = head.nroutes = naddresses < ROUTES_MAX ? naddresses : ROUTES_MAX;
	head.expires_ms = UINT64_MAX;
	snprintf(head.reason, sizeof(head.reason), "configured route");
	for (unsigned i = 0; i < head.nroutes; i++) {
		hosts[i] = address_ip_text(&addresses[i], texts[i]);
		route[i] = (struct route){.address = addresses[i], .preference = (uint16_t)i, .host = (uint16_t)i};
	}
	return routes_make(&head);
}

struct routes *routes_keep(struct routes *routes)
{
	CHECK(routes->refs > 0);
	routes->refs++;
	return routes;
}

void routes_free(struct routes *routes)
{
	if (!routes)
		return;
	CHECK(routes->refs > 0);
	if (--routes->refs == 0)
		free(routes);
}

const char *routes_result_name(enum routes_result result)
{
	CHECK(result < sizeof(results) / sizeof(results[0]));
	return results[result].name;
}

struct outcome routes_outcome(const struct routes *routes)
{
	CHECK(routes->result != ROUTES_FOUND);
	struct outcome outcome = {
		.verdict = {.action = results[routes->result].action,
			    .scope = SCOPE_SITE,
			    .category = results[routes->result].category,
			    .rule = "dns"},
		.stage = STAGE_DNS,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.text = slice_of(routes->reason),
	};

	snprintf(outcome.enhanced, sizeof(outcome.enhanced), "%s", results[routes->result].enhanced);
	return outcome;
}
