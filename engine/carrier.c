/* A tenant that a connection carries already needs no other ticket for its next transaction there: the ticket is with
 * one of its transactions and goes from the one that ends to one that is still under way. */
#include "carrier.h"

#include "conn.h"
#include "transaction.h"

#include "base/check.h"

static struct transaction *of_conn(struct list *link)
{
	return LIST_OWNER(link, struct transaction, of_conn);
}

static struct tenant *tenant_of(const struct transaction *transaction)
{
	return transaction->deliveries[0]->tenant;
}

/* That many of the ready ones get a connection without another one being opened; this one is the next. */
static struct delivery *delivery_after(const struct lane *lane, unsigned passed)
{
	LIST_EACH (link, &lane->urgent)
		if (passed-- == 0)
			return delivery_of(link);
	LIST_EACH (link, &lane->ready)
		if (passed-- == 0)
			return delivery_of(link);
	return NULL;
}

/* The connection in question is counted as being opened, and may have been the only reason to think of the last one. */
static struct delivery *needs_another(const struct lane *lane)
{
	unsigned at_hand = lane->idle + lane->opening - 1;

	return delivery_after(lane, at_hand < lane->nready ? at_hand : lane->nready - 1);
}

/* False: nobody it would be for may have it. */
static bool find(struct carrier *carrier, struct lane *lane, uint64_t now_ms)
{
	bool has_mail = lane->nready > 0;

	CHECK(lane->opening > 0);
	while (lane->nready > 0) {
		struct delivery *delivery = needs_another(lane);

		if (tenant_grants_opening(delivery->tenant, lane, &carrier->ticket, now_ms)) {
			carrier->tenant = tenant_keep(delivery->tenant);
			return true;
		}
		tenant_set_aside(delivery->tenant, lane, &delivery->link, delivery->urgent, now_ms);
	}
	return !has_mail; /* without any nobody's is refused */
}

void carrier_open(struct worker *worker, struct lane *lane, struct exchanger *exchanger)
{
	struct carrier carrier = {.tenant = NULL};

	if (find(&carrier, lane, worker_now_ms(worker)))
		conn_open(worker, lane, exchanger, &carrier);
	else
		scheduler_forgo(worker->scheduler, lane, exchanger);
}

void carrier_begin(struct carrier *carrier, const struct carrier *found)
{
	*carrier = *found;
	list_init(&carrier->transactions);
}

/* It counts no more to whom it was opened for. */
static void let_go(struct conn *conn)
{
	struct carrier *carrier = &conn->carrier;
	struct tenant *tenant = carrier->tenant;

	if (!tenant)
		return;
	carrier->tenant = NULL;
	tenant_takes_back(tenant, &carrier->ticket, worker_now_ms(conn->worker));
	tenant_leave(tenant);
}

void carrier_opened(struct conn *conn)
{
	if (conn->opened)
		let_go(conn);
}

void carrier_end(struct conn *conn)
{
	CHECK(list_is_empty(&conn->carrier.transactions));
	let_go(conn);
}

/* The ticket that lets the connection carry its mail; NULL: it carries none. */
static struct ticket *ticket_for(struct conn *conn, const struct tenant *tenant)
{
	struct ticket *found = NULL;

	LIST_EACH (link, &conn->carrier.transactions) {
		struct transaction *transaction = of_conn(link);

		if (tenant_of(transaction) == tenant && (!found || transaction->ticket.budget))
			found = &transaction->ticket;
	}
	return found;
}

static void fetch_of(struct conn *conn, struct tenant *tenant, const struct ticket *ticket)
{
	struct list *first = lane_first(conn->lane);

	if ((!first || delivery_of(first)->tenant != tenant) &&
	    !tenant_yields(tenant, conn->lane, ticket, worker_now_ms(conn->worker)))
		tenant_fetch(tenant, conn->lane);
}

void carrier_fetch(struct conn *conn)
{
	if (!conn->lane->aside)
		return;
	if (conn->carrier.tenant)
		fetch_of(conn, conn->carrier.tenant, &conn->carrier.ticket);
	LIST_EACH (link, &conn->carrier.transactions)
		if (of_conn(link)->ticket.budget)
			fetch_of(conn, tenant_of(of_conn(link)), &of_conn(link)->ticket);
}

bool carrier_takes(struct conn *conn, struct tenant *tenant, struct ticket *ticket)
{
	struct carrier *carrier = &conn->carrier;
	const struct ticket *has = ticket_for(conn, tenant);
	uint64_t now_ms = worker_now_ms(conn->worker);

	*ticket = (struct ticket){.budget = NULL};
	if (has)
		return !tenant_yields(tenant, conn->lane, has, now_ms);
	if (carrier->tenant != tenant)
		return tenant_grants(tenant, conn->lane, ticket, now_ms);
	*ticket = carrier->ticket;
	ticket->since_ms = now_ms;
	carrier->ticket = (struct ticket){.budget = NULL};
	let_go(conn);
	return true;
}

void carrier_give(struct conn *conn, struct transaction *transaction, struct ticket *ticket)
{
	transaction->ticket = *ticket;
	list_push(&conn->carrier.transactions, &transaction->of_conn);
}

void carrier_over(struct conn *conn, struct transaction *transaction)
{
	struct tenant *tenant = tenant_of(transaction);
	struct ticket ticket = transaction->ticket, *next;

	list_remove(&transaction->of_conn);
	next = ticket.budget ? ticket_for(conn, tenant) : NULL;
	if (next)
		*next = ticket;
	else
		tenant_takes_back(tenant, &ticket, worker_now_ms(conn->worker));
}

void carrier_forget(struct delivery *delivery)
{
	if (delivery->tenant)
		tenant_leave(delivery->tenant);
	delivery->tenant = NULL;
}
