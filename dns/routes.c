/* Routes are one block: the fields, the slices of the hosts, the routes, what there is of security, the bytes of the
 * names and records and of the reason. They are held for as long as a domain has mail, and there may be a hundred
 * thousand domains, so they take what they need and not ROUTES_MAX. */
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

static const struct {
	const char *name, *meaning;
} securities[] = {
#define X(name, text, meaning) {text, meaning},
	SECURITIES(X)
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

static struct slice reason_of(const struct routes *head)
{
	return head->reason ? slice_of(head->reason) : SLICE("");
}

/* How many TLSA records its hosts have together, and how many bytes of text and data there are to copy. */
static size_t bytes_of(const struct routes *head, unsigned *nrecords)
{
	size_t bytes = head->domain.len + head->expanded.len + reason_of(head).len + 1;

	*nrecords = 0;
	for (unsigned i = 0; i < head->nhosts; i++) {
		bytes += head->hosts[i].len;
		if (!head->security)
			continue;
		bytes += head->security[i].base.len;
		*nrecords += head->security[i].nrecords;
		for (unsigned j = 0; j < head->security[i].nrecords; j++)
			bytes += head->security[i].records[j].data.len;
	}
	return bytes;
}

static void security_put(char **at, struct tlsa **records, struct host_security *copy, const struct host_security *from)
{
	*copy = *from;
	copy->base = text_put(at, from->base);
	copy->records = *records;
	for (unsigned i = 0; i < from->nrecords; i++) {
		**records = from->records[i];
		(*records)++->data = text_put(at, from->records[i].data);
	}
}

struct routes *routes_make(const struct routes *head)
{
	CHECK(head->nhosts <= ROUTES_MAX);
	CHECK(head->nroutes <= ROUTES_MAX);
	unsigned nrecords, nsecurity = head->security ? head->nhosts : 0;
	size_t bytes = bytes_of(head, &nrecords);
	struct routes *routes =
		malloc(sizeof(*routes) + head->nhosts * sizeof(struct slice) + head->nroutes * sizeof(struct route) +
		       nsecurity * sizeof(struct host_security) + nrecords * sizeof(struct tlsa) + bytes);

	CHECK(routes != NULL);
	struct slice *hosts = (struct slice *)(routes + 1);
	struct host_security *security = (struct host_security *)(hosts + head->nhosts);
	struct tlsa *records = (struct tlsa *)(security + nsecurity);
	struct route *route = (struct route *)(records + nrecords);
	char *at = (char *)(route + head->nroutes);

	*routes = *head;
	routes->refs = 1;
	routes->domain = text_put(&at, head->domain);
	routes->expanded = text_put(&at, head->expanded);
	routes->reason = text_put(&at, reason_of(head)).ptr;
	*at++ = '\0';
	for (unsigned i = 0; i < head->nhosts; i++)
		hosts[i] = text_put(&at, head->hosts[i]);
	for (unsigned i = 0; i < nsecurity; i++)
		security_put(&at, &records, &security[i], &head->security[i]);
	if (head->nroutes)
		memcpy(route, head->route, head->nroutes * sizeof(*route));
	routes->hosts = hosts;
	routes->route = route;
	routes->security = nsecurity ? security : NULL;
	return routes;
}

struct routes *routes_fixed(struct slice domain, const struct address *addresses, unsigned naddresses)
{
	char texts[ROUTES_MAX][ADDRESS_TEXT_MAX];
	struct slice hosts[ROUTES_MAX];
	struct route route[ROUTES_MAX];
	struct routes head = {.result = ROUTES_FOUND, .fixed = true, .domain = domain, .hosts = hosts, .route = route};

	CHECK(naddresses > 0);
	head.nhosts = head.nroutes = naddresses < ROUTES_MAX ? naddresses : ROUTES_MAX;
	head.expires_ms = UINT64_MAX;
	head.reason = "configured route";
	for (unsigned i = 0; i < head.nroutes; i++) {
		hosts[i] = address_ip_text(&addresses[i], texts[i]);
		route[i] = (struct route){
			.to = endpoint_of(&addresses[i]), .preference = (uint16_t)i, .host = (uint16_t)i};
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

struct address routes_address(const struct routes *routes, unsigned route)
{
	CHECK(route < routes->nroutes);
	return address_of(&routes->route[route].to.sa);
}

const struct host_security *routes_security(const struct routes *routes, unsigned host)
{
	static const struct host_security not_asked = {.kind = SECURITY_NOT_ASKED};

	return routes->security && host < routes->nhosts ? &routes->security[host] : &not_asked;
}

const char *security_name(enum security security)
{
	return securities[security].name;
}

const char *security_meaning(enum security security)
{
	return securities[security].meaning;
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
