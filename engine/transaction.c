/* Composing: the first delivery decides the message; those behind it that get the same bytes at the same domain ride
 * along as further recipients (RFC 5321 4.5.4.1), up to what the server and the configuration allow. */
#include "transaction.h"

#include "conn.h"
#include "outcome.h"
#include "protection.h"
#include "target.h"
#include "underway.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { BAD_MAX = 64 /* messages in a row that cannot be composed, before others get a turn */ };

/* It is off its lane. From here on a crash may have to do with it: composing counts as begun. */
static void take_off(struct delivery *delivery)
{
	lane_remove(delivery->lane, &delivery->link, delivery->urgent);
	delivery->mark = underway_begin(delivery->worker->underway, delivery->lease, delivery->position);
}

static struct merge merge_of(const struct delivery *delivery, char *index_text)
{
	const struct record *record = &delivery->record;
	const struct mailing *mailing = delivery->mailing;
	struct slice rcpt = pack_get(record->extras, SLICE("r"));

	if (!rcpt.len)
		rcpt = (struct slice){index_text, (size_t)snprintf(index_text, 16, "%u", record->index)};
	return (struct merge){
		.address = record->address,
		.name = pack_get(record->extras, SLICE("n")),
		.rcpt = rcpt,
		.tenant = record->tenant,
		.job = record->job,
		.vars = pack_get(record->extras, SLICE("v")),
		.job_vars = outbuf_slice(&mailing->vars),
		.headers = pack_get(record->extras, SLICE("h")),
		.hostname = delivery->worker->config->hostname,
		.date_ms = record->queued_ms,
		.nonce = slice_hash(mailing->key) ^ record->accept << 20 ^
			 (message_is_shared(mailing->body->message) ? 0 : (uint64_t)record->index + 1),
	};
}

/* Writes the message and the sender for this delivery into the transaction; its recipients come after. */
static bool transaction_write(struct transaction *transaction, const struct delivery *delivery, enum wire_form form,
			      struct mail_error *error)
{
	char index_text[16];
	struct merge merge = merge_of(delivery, index_text);
	struct outbuf sender = {0};
	struct rendered rendered;
	bool ok = sender_render(delivery_sender(delivery), &merge, &sender, error);

	arena_expect(&transaction->arena, sender.len + 1);
	arena_expect(&transaction->arena, sizeof(struct recipient));
	arena_expect(&transaction->arena, sizeof(struct delivery *));
	ok = ok &&
	     message_render(delivery->mailing->body->message, &merge, form, &transaction->arena, &rendered, error);
	if (ok) {
		transaction->message_id = rendered.message_id;
		transaction->tx = (struct tx){
			.sender = arena_copy(&transaction->arena, outbuf_slice(&sender)),
			.body = rendered.iov,
			.nbody = rendered.niov,
			.wire_bytes = rendered.wire_bytes,
			.size = rendered.size,
			.eight_bit = rendered.eight_bit,
			.utf8 = rendered.utf8 || !utf8_is_ascii(delivery->record.address) ||
				!utf8_is_ascii(outbuf_slice(&sender)),
			.form = form,
		};
	}
	outbuf_free(&sender);
	return ok;
}

static void settle_unwritable(struct delivery *delivery, const struct mail_error *error)
{
	char text[400];
	int n = snprintf(text, sizeof(text), "%s: %s", error->code, error->message);
	struct attempt attempt = {.sender = delivery_sender(delivery), .site = site_name(delivery->lane->site)};
	struct outcome outcome = {
		.verdict = {.action = ACTION_NEVER, .scope = SCOPE_MESSAGE, .category = CATEGORY_CONTENT},
		.stage = STAGE_QUEUE,
		.origin = ORIGIN_LOCAL,
		.attempted = true,
		.enhanced = "5.6.0",
		.text = {text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1},
	};

	outcome_settle(delivery, &outcome, &attempt);
}

static struct attempt conn_attempt(const struct conn *conn, const struct domain *domain)
{
	struct attempt attempt = {
		.source = conn->source ? conn->source->name : SLICE_NONE,
		.source_ip = conn_local(conn),
		.mx = conn_mx(conn),
		.remote_ip = conn_remote(conn),
		.site = site_name(conn->lane->site),
		.connection = conn->number,
		.connected = true,
	};

	protection_write(conn, domain, attempt.tls);
	return attempt;
}

/* The connection is not what the domain demands: not a word of this one is said on it. */
static void settle_unprotected(struct delivery *delivery, const struct conn *conn)
{
	char why[PROTECTION_WHY_MAX];
	struct outcome outcome = protection_refusal(conn, delivery, why);
	struct attempt attempt = conn_attempt(conn, delivery->domain);

	attempt.sender = delivery_sender(delivery);
	outcome_settle(delivery, &outcome, &attempt);
}

/* May this one ride along with the first? */
static bool is_companion(const struct delivery *first, const struct delivery *other)
{
	return other->mailing == first->mailing && other->domain == first->domain &&
	       !pack_get(other->record.extras, SLICE("f")).len && !pack_get(other->record.extras, SLICE("h")).len;
}

/* The next of the lane, if it may. */
static struct delivery *companion(struct conn *conn, const struct delivery *first)
{
	struct list *link;

	carrier_fetch(conn);
	link = lane_first_of(conn->lane, first->urgent);
	return link && is_companion(first, delivery_of(link)) ? delivery_of(link) : NULL;
}

static unsigned recipients_max(const struct conn *conn, const struct delivery *first)
{
	unsigned most = conn->lane->limits->recipients_per_message, server = session_recipients_max(&conn->session);

	if (!message_is_shared(first->mailing->body->message) || sender_has_variables(delivery_sender(first)) ||
	    !is_companion(first, first) || session_form(&conn->session) == WIRE_BDAT)
		return 1;
	return server && server < most ? server : most;
}

/* The recipients of the transaction: the first, and its companions from the front of the lane. */
static void transaction_fill(struct transaction *transaction, struct conn *conn, struct delivery *first,
			     struct ticket *ticket)
{
	struct lane *lane = conn->lane;
	unsigned most = recipients_max(conn, first), n = 1;
	unsigned queued = (first->urgent ? lane->nurgent : lane->nready - lane->nurgent) + lane->aside;
	uint64_t now_ms = worker_now_ms(conn->worker);
	struct delivery *other;

	if (most > queued + 1)
		most = queued + 1;
	struct recipient *recipients = arena_alloc(&transaction->arena, most * sizeof(*recipients));

	transaction->deliveries = arena_alloc(&transaction->arena, most * sizeof(struct delivery *));
	memset(recipients, 0, most * sizeof(*recipients));
	transaction->deliveries[0] = first;
	carrier_give(conn, transaction, ticket);
	while (n < most && (other = companion(conn, first)) && lane_take(lane, conn->exchanger, 1, now_ms)) {
		take_off(other);
		transaction->deliveries[n++] = other;
	}
	for (unsigned i = 0; i < n; i++)
		recipients[i].address = transaction->deliveries[i]->record.address;
	transaction->tx.require_tls = requirement_is_said(conn, first);
	transaction->tx.recipients = recipients;
	transaction->tx.nrecipients = n;
	transaction->begun_ms = now_ms;
	transaction->nth = ++conn->given;
}

/* The first that may go on this connection. Mail of tenants that may have no other connection is set aside. */
static struct delivery *choose(struct conn *conn, struct ticket *ticket)
{
	struct lane *lane = conn->lane;
	bool urgent;

	carrier_fetch(conn);
	while (lane_offers(lane, conn->idle, conn->ntransactions > 0, &urgent)) {
		struct delivery *next = delivery_of(lane_first_of(lane, urgent));

		if (carrier_takes(conn, next->tenant, ticket))
			return next;
		tenant_set_aside(next->tenant, lane, &next->link, urgent, worker_now_ms(conn->worker));
	}
	return NULL;
}

/* NULL: it does not go on this connection, or not now. */
static struct transaction *begin(struct conn *conn, struct delivery *first)
{
	struct worker *worker = conn->worker;
	struct transaction *transaction;

	if (!protection_takes(conn, first) || requirement_goes_elsewhere(conn, first)) {
		session_quit(&conn->session, worker_now_ms(worker));
		return NULL;
	}
	transaction = pool_take(&worker->transactions);
	if (transaction && lane_take(conn->lane, conn->exchanger, 1, worker_now_ms(worker)) == 0) {
		pool_give(&worker->transactions, transaction);
		scheduler_look(worker->scheduler, conn->lane);
		return NULL;
	}
	return transaction;
}

/* False: the transaction is gone, and the delivery settled. */
static bool compose(struct transaction *transaction, struct conn *conn, struct delivery *first, struct ticket *ticket)
{
	uint64_t now_ms = worker_now_ms(conn->worker);
	bool suffices = protection_suffices(conn, first);
	struct mail_error error;

	if (suffices && transaction_write(transaction, first, session_form(&conn->session), &error)) {
		transaction_fill(transaction, conn, first, ticket);
		return true;
	}
	transaction_free(conn->worker, transaction);
	tenant_takes_back(first->tenant, ticket, now_ms);
	if (suffices)
		settle_unwritable(first, &error);
	else
		settle_unprotected(first, conn);
	lane_give(conn->lane, conn->exchanger, 1, now_ms);
	return false;
}

struct transaction *transaction_compose(struct conn *conn)
{
	struct ticket ticket;

	for (unsigned bad = 0; bad < BAD_MAX; bad++) {
		struct delivery *first = choose(conn, &ticket);
		struct transaction *transaction = first ? begin(conn, first) : NULL;

		if (first && !transaction)
			tenant_takes_back(first->tenant, &ticket, worker_now_ms(conn->worker));
		if (!transaction)
			return NULL;
		take_off(first);
		if (compose(transaction, conn, first, &ticket))
			return transaction;
	}
	return NULL;
}

void transaction_free(struct worker *worker, struct transaction *transaction)
{
	tx_clear(&transaction->tx);
	arena_free(&transaction->arena);
	pool_give(&worker->transactions, transaction);
}

struct attempt transaction_attempt(const struct transaction *transaction, const struct conn *conn)
{
	struct attempt attempt = conn_attempt(conn, transaction->deliveries[0]->domain);

	attempt.message_id = transaction->message_id;
	attempt.sender = transaction->tx.sender;
	attempt.took_ms = worker_now_ms(conn->worker) - transaction->begun_ms;
	attempt.size = transaction->tx.size;
	attempt.nth = transaction->nth;
	return attempt;
}
