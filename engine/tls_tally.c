/* A map a worker, by domain, and in each a map of what is not written down yet, by the field it will be in. Writing is
 * adding, so that workers and engines need not know of each other; an addition that is asked again after a loss of the
 * connection may count twice, which a report can bear. */
#include "tls_tally.h"

#include "conn.h"
#include "policies.h"
#include "protection.h"
#include "sts.h"
#include "target.h"

#include "base/check.h"
#include "dns/inquiry.h"
#include "queue/notes.h"
#include "tls/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOMAINS_MAX = 50000, COUNTS_MAX = 100, NAME_BYTES = 300, REASON_MAX = 80, TEXTS_MAX = 16, PLACES_MAX = 4 };

/* ASKED: whether somebody wants to know is not known yet. */
enum interest { INTEREST_ASKED, INTEREST_NONE, INTEREST_THERE };

struct count {
	struct map_node node; /* by its field, which is of the same memory */
	uint64_t n;
};

struct entry {
	struct map_node node; /* by domain, which is in name */
	struct inquiry inquiry;
	enum interest interest;
	uint64_t day;		/* of all that follows */
	struct map counts;	/* not written yet */
	struct outbuf policies; /* fields and values not written yet, each with its length */
	bool described[TLS_REPORT_POLICIES];
	struct outbuf places; /* to be written; empty: they are, or there are none */
	char name[NAME_BYTES];
};

uint64_t tls_tally_day_ms(void)
{
	const char *text = getenv("HIKYAKU_REPORT_DAY_S");
	uint64_t seconds;

	return text && slice_number(slice_of(text), 86400, &seconds) && seconds ? seconds * 1000 : 86400000;
}

static void counts_clear(struct entry *entry)
{
	MAP_EACH (node, &entry->counts) {
		map_remove(&entry->counts, node);
		free(MAP_OWNER(node, struct count, node));
	}
}

static void entry_free(struct worker *worker, struct entry *entry)
{
	map_remove(&worker->tls_tallies, &entry->node);
	inquiry_end(&entry->inquiry);
	counts_clear(entry);
	map_free(&entry->counts);
	outbuf_free(&entry->policies);
	outbuf_free(&entry->places);
	free(entry);
}

void tls_tally_free(struct worker *worker)
{
	MAP_EACH (node, &worker->tls_tallies)
		entry_free(worker, MAP_OWNER(node, struct entry, node));
	map_free(&worker->tls_tallies);
}

static void on_text(struct inquiry *inquiry)
{
	struct entry *entry = LIST_OWNER(inquiry, struct entry, inquiry);
	struct slice texts[TEXTS_MAX], places[PLACES_MAX];
	unsigned n = tls_report_places(texts, inquiry_texts(inquiry, texts, TEXTS_MAX), places, PLACES_MAX);

	entry->interest = n ? INTEREST_THERE : INTEREST_NONE;
	for (unsigned i = 0; i < n; i++) {
		if (i)
			outbuf_byte(&entry->places, ' ');
		outbuf_add(&entry->places, places[i]);
	}
	inquiry_end(inquiry);
	if (n)
		return;
	counts_clear(entry);
	outbuf_free(&entry->policies);
}

/* To Redis. */
static void entry_write(struct worker *worker, struct entry *entry)
{
	struct notes *notes = queue_notes(worker->queue);
	struct slice policies = outbuf_slice(&entry->policies);
	char hash[40], field[NAME_BYTES + 2];

	snprintf(hash, sizeof(hash), "tlsrpt:%llu", (unsigned long long)entry->day);
	snprintf(field, sizeof(field), "r %s", entry->name);
	if (entry->places.len)
		notes_put(notes, slice_of(hash), slice_of(field), outbuf_slice(&entry->places));
	while (policies.len) {
		struct slice name = slice_until(&policies, '\n');

		notes_put(notes, slice_of(hash), name, slice_until(&policies, '\n'));
	}
	MAP_EACH (node, &entry->counts)
		notes_add(notes, slice_of(hash), map_key(node), MAP_OWNER(node, struct count, node)->n);
	counts_clear(entry);
	outbuf_reset(&entry->places);
	outbuf_reset(&entry->policies);
}

/* Another day, or the first one. */
static void entry_begin(struct worker *worker, struct entry *entry, uint64_t day)
{
	char name[NAME_BYTES + 16];
	int n = snprintf(name, sizeof(name), "_smtp._tls.%s", entry->name);

	inquiry_end(&entry->inquiry);
	counts_clear(entry);
	outbuf_reset(&entry->policies);
	outbuf_reset(&entry->places);
	memset(entry->described, 0, sizeof(entry->described));
	entry->day = day;
	entry->interest = INTEREST_ASKED;
	entry->inquiry.answered = on_text;
	inquiry_begin(&entry->inquiry, worker->dns, (struct slice){name, (size_t)n}, INQUIRY_TEXT);
}

static struct entry *entry_of(struct worker *worker, struct slice domain)
{
	struct map_node *node = map_find(&worker->tls_tallies, domain);
	struct entry *entry = node ? MAP_OWNER(node, struct entry, node) : NULL;
	uint64_t day = worker_wall_ms(worker) / tls_tally_day_ms();

	if (domain.len >= NAME_BYTES)
		return NULL;
	if (!entry) {
		if (worker->tls_tallies.count >= DOMAINS_MAX)
			tls_tally_free(worker); /* all ask again: rather that than to grow for ever */
		entry = calloc(1, sizeof(*entry));
		CHECK(entry != NULL);
		memcpy(entry->name, domain.ptr, domain.len);
		map_add(&worker->tls_tallies, &entry->node, (struct slice){entry->name, domain.len});
	}
	if (entry->day != day && entry->interest == INTEREST_THERE && entry->counts.count)
		entry_write(worker, entry);
	if (entry->day != day)
		entry_begin(worker, entry, day);
	return entry;
}

static void count_up(struct entry *entry, struct slice field)
{
	struct map_node *node = map_find(&entry->counts, field);
	struct count *count = node ? MAP_OWNER(node, struct count, node) : NULL;

	if (!count && entry->counts.count >= COUNTS_MAX)
		return;
	if (!count) {
		count = calloc(1, sizeof(*count) + field.len);
		CHECK(count != NULL);
		memcpy(count + 1, field.ptr, field.len);
		map_add(&entry->counts, &count->node, (struct slice){(char *)(count + 1), field.len});
	}
	count->n++;
}

/* ---- what is counted */

/* Under which policy the domain's mail goes to that host. fault: there would be one by MTA-STS, could it be had. */
static enum tls_report_policy policy_of(const struct conn *conn, const struct domain *domain,
					const struct sts_policy *sts, const char *fault)
{
	const struct host_security *security = routes_security(conn->routes, conn->routes->route[conn->route].host);

	if (security->kind == SECURITY_TLSA && protection_mx_is_signed(domain))
		return TLS_REPORT_TLSA;
	return fault || (sts && sts->mode != STS_NONE) ? TLS_REPORT_STS : TLS_REPORT_NONE;
}

/* A result type of RFC 8460 4.3, and why in other words; empty: it was as it should be. */
static const char *result_of(const struct conn *conn, enum tls_report_policy policy, const struct sts_policy *sts,
			     const char **why)
{
	const struct tls_peer *peer = channel_peer(&conn->channel);

	*why = "";
	if (target_of(conn->lane->site)->tls == TLS_DANE && policy != TLS_REPORT_TLSA)
		return "dane-required";
	if (!peer && !session_caps(&conn->session)->starttls)
		return "starttls-not-supported";
	if (!peer) {
		*why = "STARTTLS was refused";
		return "validation-failure";
	}
	*why = peer->why;
	if (!peer->protocol)
		return peer->result == TLS_RESULT_FINE ? "validation-failure" : tls_result_name(peer->result);
	if (policy != TLS_REPORT_STS)
		return "";
	if (!sts_policy_names(sts, conn_mx(conn))) {
		*why = "the policy does not name the host";
		return "validation-failure";
	}
	return tls_result_name(peer->result);
}

static void write_tlsa(struct outbuf *out, const struct host_security *security)
{
	for (unsigned i = 0; i < security->nrecords; i++) {
		const struct tlsa *record = &security->records[i];

		outbuf_printf(out, "%u %u %u ", record->usage, record->selector, record->matching);
		for (size_t j = 0; j < record->data.len; j++)
			outbuf_printf(out, "%02X", (unsigned char)record->data.ptr[j]);
		outbuf_byte(out, '\n');
	}
}

/* What the policy says, once a day. */
static void describe(struct entry *entry, const struct conn *conn, enum tls_report_policy policy,
		     const struct sts_policy *sts)
{
	const struct host_security *security = routes_security(conn->routes, conn->routes->route[conn->route].host);
	struct outbuf lines = {0};

	if (entry->described[policy] || policy == TLS_REPORT_NONE || (policy == TLS_REPORT_STS && !sts))
		return;
	entry->described[policy] = true;
	outbuf_printf(&entry->policies, "p %s %s\n", entry->name, tls_report_policy_name(policy));
	if (policy == TLS_REPORT_TLSA)
		write_tlsa(&lines, security);
	else
		outbuf_add(&lines, sts->file);
	tls_report_describe(&entry->policies, outbuf_slice(&lines), policy == TLS_REPORT_STS ? sts->mx : NULL,
			    policy == TLS_REPORT_STS ? sts->nmx : 0);
	outbuf_byte(&entry->policies, '\n');
	outbuf_free(&lines);
}

void tls_tally_note(const struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct list *link = lane_first(conn->lane);
	const struct target *target = target_of(conn->lane->site);

	if (worker->config->tls_reports.len == 0 || !link || target->tls == TLS_NONE || target->relay ||
	    !conn->routes->security)
		return;
	if (conn->lenient)
		return; /* it follows one that failed and was counted, and is held to nothing */
	if (!channel_peer(&conn->channel) && protection_wished(conn) == SESSION_CLEAR)
		return; /* its TLS failed a while ago, and that was counted */
	const struct domain *domain = delivery_of(link)->domain;
	const struct sts_policy *sts = policies_find(worker, domain_name(domain));
	const char *fault = sts ? NULL : sts_fault(worker->engine->sts, domain_name(domain));
	enum tls_report_policy policy = policy_of(conn, domain, sts, fault);
	struct entry *entry = entry_of(worker, domain_name(domain));
	struct slice local = conn->source ? conn_local(conn) : SLICE("-");
	char field[1200];
	const char *why = "", *result = policy == TLS_REPORT_STS && fault ? fault : result_of(conn, policy, sts, &why);

	if (!entry || entry->interest == INTEREST_NONE)
		return;
	int n = snprintf(field, sizeof(field), "c %s %s", entry->name, tls_report_policy_name(policy));

	if (*result)
		n = snprintf(field, sizeof(field), "c %s %s %s %.*s %.*s %.*s %.*s", entry->name,
			     tls_report_policy_name(policy), result, SLICE_ARG(local), SLICE_ARG(conn_mx(conn)),
			     SLICE_ARG(conn_remote(conn)), REASON_MAX, why);
	describe(entry, conn, policy, sts);
	count_up(entry, (struct slice){field, (size_t)n < sizeof(field) ? (size_t)n : sizeof(field) - 1});
}

void tls_tally_routed(struct worker *worker, struct slice domain, const struct site *site)
{
	const struct target *target = target_of(site);
	const struct routes *routes = target->routes;
	char field[1200];

	if (worker->config->tls_reports.len == 0 || target->tls == TLS_NONE || target->relay || !routes->security)
		return;
	for (unsigned i = 0; i < routes->nhosts; i++) {
		struct entry *entry = routes->security[i].kind == SECURITY_LOST ? entry_of(worker, domain) : NULL;

		if (!entry || entry->interest == INTEREST_NONE)
			continue;
		int n = snprintf(field, sizeof(field), "c %s %s dnssec-invalid - %.*s - %.*s", entry->name,
				 tls_report_policy_name(TLS_REPORT_TLSA), SLICE_ARG(routes->hosts[i]), REASON_MAX,
				 routes->result == ROUTES_FOUND ? "" : routes->reason);

		count_up(entry, (struct slice){field, (size_t)n < sizeof(field) ? (size_t)n : sizeof(field) - 1});
	}
}

void tls_tally_write(struct worker *worker)
{
	MAP_EACH (node, &worker->tls_tallies) {
		struct entry *entry = MAP_OWNER(node, struct entry, node);

		if (entry->interest == INTEREST_THERE && entry->counts.count)
			entry_write(worker, entry);
	}
}
