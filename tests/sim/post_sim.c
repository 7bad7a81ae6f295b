/* A heap of events, each embedded in what it happens to: a lease under way, a connection, a message that waits to be
 * tried again. Between two events the scheduler is asked for actions until it has none, at most a turn's worth for each
 * millisecond. */
#include "post_sim.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	START_MS = 1000000,
	ACTIONS_A_TURN = 256,
	LEASE_MS = 2,
	DNS_MS = 20,
	CONNECT_MS = 10,
	SILENT_MS = 30000,
	LATER_MS = 300000,
	IDLE_MS = 10000,
	SERVFAIL_MS = 30000,
	TURN_MS_MAX = 1000
};

struct post_mail {
	struct post_event event; /* when it is due again */
	struct list link;	 /* on its lane's queue */
	struct post_list *list;
	struct domain *domain;
	uint64_t stamp_ms; /* when it was queued; 0: not known */
	bool known;	   /* tried before */
};

struct post_stamp {
	struct list link;
	uint64_t at_ms;
};

struct post_lease {
	struct post_event event;
	struct next next;
};

struct post_conn {
	struct post_event event;
	struct list idle; /* on its exchanger's list */
	struct lane *lane;
	struct exchanger *exchanger;
	struct post_site *site;
	struct post_mail *mail; /* on its way */
	enum post_answer answer;
	unsigned given;
};

struct post_question {
	struct post_event event;
	struct slice domain; /* of the same memory */
};

/* Events */

static bool is_sooner(const struct post_event *a, const struct post_event *b)
{
	return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->order < b->order);
}

static void heap_put(struct post_sim *sim, unsigned at, struct post_event *event)
{
	sim->heap[at] = event;
	event->at = at + 1;
}

static void heap_up(struct post_sim *sim, unsigned at, struct post_event *event)
{
	for (; at > 0 && is_sooner(event, sim->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_put(sim, at, sim->heap[(at - 1) / 2]);
	heap_put(sim, at, event);
}

static void heap_down(struct post_sim *sim, unsigned at, struct post_event *event)
{
	for (unsigned child = 2 * at + 1; child < sim->nheap; child = 2 * at + 1) {
		if (child + 1 < sim->nheap && is_sooner(sim->heap[child + 1], sim->heap[child]))
			child++;
		if (!is_sooner(sim->heap[child], event))
			break;
		heap_put(sim, at, sim->heap[child]);
		at = child;
	}
	heap_put(sim, at, event);
}

void post_sim_at(struct post_sim *sim, struct post_event *event, uint64_t due_ms)
{
	CHECK(event->at == 0 && due_ms >= sim->now_ms);
	if (sim->nheap == sim->room) {
		sim->room = sim->room ? 2 * sim->room : 1024;
		sim->heap = realloc(sim->heap, sim->room * sizeof(struct post_event *));
		CHECK(sim->heap != NULL);
	}
	event->due_ms = due_ms;
	event->order = sim->events++;
	heap_up(sim, sim->nheap++, event);
}

static void event_stop(struct post_sim *sim, struct post_event *event)
{
	struct post_event *last;
	unsigned at = event->at - 1;

	if (event->at == 0)
		return;
	event->at = 0;
	last = sim->heap[--sim->nheap];
	if (last == event)
		return;
	heap_down(sim, at, last);
	heap_up(sim, last->at - 1, last);
}

static void event_after(struct post_sim *sim, struct post_event *event, uint64_t ms,
			void (*happen)(struct post_sim *, struct post_event *))
{
	event->happen = happen;
	post_sim_at(sim, event, sim->now_ms + ms + random_below(&sim->random, ms / 8 + 1));
}

/* The queue */

static struct slice domain_of(struct slice list)
{
	slice_until(&list, ':');
	return slice_until(&list, ':');
}

/* "d3-17.test": domain 3 of site 17. */
static struct post_site *site_of(struct post_sim *sim, struct slice domain)
{
	uint64_t number;

	slice_until(&domain, '-');
	CHECK(slice_number(slice_until(&domain, '.'), sim->setup.sites - 1, &number));
	return &sim->sites[number];
}

struct post_list *post_sim_list(struct post_sim *sim, const char *name)
{
	struct map_node *node = map_find(&sim->lists, slice_of(name));

	if (node)
		return MAP_OWNER(node, struct post_list, node);
	struct post_list *list = calloc(1, sizeof(*list));

	CHECK(list != NULL);
	list->site = site_of(sim, domain_of(slice_of(name)));
	list->transactional = name[0] == 't';
	list_init(&list->stamps);
	map_add_far(&sim->lists, &list->node, slice_of(slice_copy(slice_of(name))));
	return list;
}

void post_sim_queue(struct post_sim *sim, const char *name, uint64_t messages)
{
	struct post_list *list = post_sim_list(sim, name);

	list->queued += messages;
	for (uint64_t i = 0; list->transactional && i < messages; i++) {
		struct post_stamp *stamp = malloc(sizeof(*stamp));

		CHECK(stamp != NULL);
		stamp->at_ms = sim->now_ms;
		list_push(&list->stamps, &stamp->link);
	}
	scheduler_offer(sim->scheduler, map_key(&list->node.node), sim->now_ms);
}

/* Back to its list, at the front: it has been tried, or not. */
static void mail_back(struct post_sim *sim, struct post_mail *mail)
{
	struct post_list *list = mail->list;

	list->queued++;
	list->known += mail->known;
	free(mail);
	scheduler_offer(sim->scheduler, map_key(&list->node.node), sim->now_ms);
}

static void on_mail_due(struct post_sim *sim, struct post_event *event)
{
	mail_back(sim, (struct post_mail *)event);
}

static struct post_mail *mail_take(struct post_list *list, struct domain *domain)
{
	struct post_mail *mail = calloc(1, sizeof(*mail));
	struct list *link = list_pop(&list->stamps);

	CHECK(mail != NULL);
	*mail = (struct post_mail){.list = list, .domain = domain, .known = list->known > 0};
	list->queued--;
	list->known -= mail->known;
	if (link) {
		struct post_stamp *stamp = LIST_OWNER(link, struct post_stamp, link);

		mail->stamp_ms = stamp->at_ms;
		free(stamp);
	}
	return mail;
}

/* It is not for now: tried again later. */
static void mail_later(struct post_sim *sim, struct post_mail *mail)
{
	struct domain *domain = mail->domain;

	mail->known = true;
	event_after(sim, &mail->event, LATER_MS, on_mail_due);
	scheduler_drop(sim->scheduler, domain);
}

/* There is nowhere to go for now: one bears the news, the lane rests. */
static void refuse_route(struct post_sim *sim, struct lane *lane, struct post_mail *mail)
{
	struct report rest = {.kind = REPORT_REST, .delay_ms = 60000};
	struct domain *domain = mail->domain;

	if (lane_is_resting(lane, sim->now_ms)) {
		mail_back(sim, mail);
		scheduler_drop(sim->scheduler, domain);
		return;
	}
	scheduler_report(sim->scheduler, lane, &rest, sim->now_ms);
	mail_later(sim, mail);
}

static void on_leased(struct post_sim *sim, struct post_event *event)
{
	struct post_lease *lease = (struct post_lease *)event;
	struct ready *ready = lease->next.list;
	struct post_list *list = MAP_OWNER(map_find(&sim->lists, ready_name(ready)), struct post_list, node);
	unsigned got = list->queued < lease->next.count ? (unsigned)list->queued : lease->next.count;

	for (unsigned i = 0; i < got; i++) {
		struct post_mail *mail = mail_take(list, ready->domain);

		scheduler_hold(sim->scheduler, ready->domain);
		if (lease->next.lane->site->unroutable)
			refuse_route(sim, lease->next.lane, mail);
		else
			lane_put(lease->next.lane, &mail->link, list->transactional);
	}
	scheduler_leased(sim->scheduler, ready, got, list->queued, sim->now_ms);
	free(lease);
}

static void act_lease(struct post_sim *sim, const struct next *next)
{
	struct post_lease *lease = calloc(1, sizeof(*lease));

	CHECK(lease != NULL);
	lease->next = *next;
	event_after(sim, &lease->event, LEASE_MS, on_leased);
}

static void act_return(struct post_sim *sim, struct lane *lane)
{
	struct list *link;

	while ((link = lane_pop(lane))) {
		struct post_mail *mail = LIST_OWNER(link, struct post_mail, link);
		struct domain *domain = mail->domain;

		mail_back(sim, mail);
		scheduler_drop(sim->scheduler, domain);
	}
	scheduler_look(sim->scheduler, lane);
}

/* Connections */

static void report(struct post_sim *sim, struct post_conn *conn, enum report_kind kind)
{
	struct report report = {.kind = kind, .exchanger = conn->exchanger, .idle = conn->mail == NULL};

	report.recipients = kind == REPORT_DELIVERED && conn->answer == POST_YES;
	report.others = kind == REPORT_DELIVERED && conn->answer != POST_YES;
	scheduler_report(sim->scheduler, conn->lane, &report, sim->now_ms);
}

static void conn_end(struct post_sim *sim, struct post_conn *conn)
{
	event_stop(sim, &conn->event);
	list_remove(&conn->idle);
	report(sim, conn, REPORT_CLOSED);
	free(conn);
}

static void on_conn_idled(struct post_sim *sim, struct post_event *event)
{
	conn_end(sim, (struct post_conn *)event);
}

static void conn_next(struct post_sim *sim, struct post_conn *conn, bool was_idle);

static void on_answered(struct post_sim *sim, struct post_event *event)
{
	struct post_conn *conn = (struct post_conn *)event;
	struct post_mail *mail = conn->mail;
	struct domain *domain = mail->domain;

	conn->lane->inflight--;
	if (conn->answer == POST_BROKE) {
		report(sim, conn, REPORT_CROWDED);
		mail_later(sim, mail);
		conn_end(sim, conn);
		return;
	}
	report(sim, conn, REPORT_DELIVERED);
	if (conn->answer == POST_YES) {
		mail->list->delivered++;
		conn->site->delivered++;
		sim->delivered++;
		free(mail);
		scheduler_drop(sim->scheduler, domain);
	} else {
		mail_later(sim, mail);
	}
	conn->mail = NULL;
	conn_next(sim, conn, false);
}

/* Half its time to the last byte, half to the reply. */
static void on_sent(struct post_sim *sim, struct post_event *event)
{
	struct post_conn *conn = (struct post_conn *)event;
	struct post_mail *mail = conn->mail;

	if (mail->stamp_ms && !mail->known && sim->setup.sent)
		sim->setup.sent(sim, sim->now_ms - mail->stamp_ms);
	conn->answer = sim->setup.asked ? sim->setup.asked(sim, conn->site, mail->known) : POST_YES;
	event_after(sim, &conn->event, conn->site->message_ms, on_answered);
}

static void conn_next(struct post_sim *sim, struct post_conn *conn, bool was_idle)
{
	struct lane *lane = conn->lane;
	bool urgent;

	list_remove(&conn->idle);
	event_stop(sim, &conn->event);
	if (conn->given >= lane->limits->messages_per_connection) {
		if (!was_idle)
			report(sim, conn, REPORT_IDLE);
		conn_end(sim, conn);
		return;
	}
	if (lane_offers(lane, was_idle, false, &urgent) && lane_take(lane, conn->exchanger, 1, sim->now_ms)) {
		if (was_idle)
			report(sim, conn, REPORT_BUSY);
		conn->mail = LIST_OWNER(lane_first_of(lane, urgent), struct post_mail, link);
		lane_remove(lane, &conn->mail->link, urgent);
		conn->given++;
		conn->site->attempts++;
		conn->mail->list->attempts++;
		lane->inflight++;
		event_after(sim, &conn->event, 1, on_sent);
		return;
	}
	if (!was_idle)
		report(sim, conn, REPORT_IDLE);
	list_push_front(&conn->exchanger->idlers, &conn->idle);
	event_after(sim, &conn->event, IDLE_MS, on_conn_idled);
	scheduler_look(sim->scheduler, lane);
}

static void on_connected(struct post_sim *sim, struct post_event *event)
{
	struct post_conn *conn = (struct post_conn *)event;

	if (conn->answer == POST_YES) {
		report(sim, conn, REPORT_OPENED);
		conn_next(sim, conn, true);
		return;
	}
	if (conn->answer == POST_CROWDED)
		report(sim, conn, REPORT_CROWDED);
	report(sim, conn, conn->answer == POST_CROWDED ? REPORT_UNOPENED : REPORT_UNREACHABLE);
	struct list *link = lane_pop(conn->lane); /* one bears the news */

	if (link)
		mail_later(sim, LIST_OWNER(link, struct post_mail, link));
	free(conn);
}

static void act_connect(struct post_sim *sim, const struct next *next)
{
	struct post_conn *conn = calloc(1, sizeof(*conn));

	CHECK(conn != NULL);
	conn->lane = next->lane;
	conn->exchanger = next->exchanger;
	conn->site = next->lane->site->target;
	list_init(&conn->idle);
	conn->answer = sim->setup.connected ? sim->setup.connected(sim, conn->site) : POST_YES;
	event_after(sim, &conn->event, conn->answer == POST_SILENT ? SILENT_MS : CONNECT_MS, on_connected);
}

static void act_send(struct post_sim *sim, const struct next *next)
{
	struct list *link = list_first(&next->exchanger->idlers);

	CHECK(link != NULL);
	conn_next(sim, LIST_OWNER(link, struct post_conn, idle), true);
}

/* The DNS */

static void on_resolved(struct post_sim *sim, struct post_event *event)
{
	struct post_question *question = (struct post_question *)event;
	struct post_site *site = site_of(sim, question->domain);
	char name[32], address[32];
	enum post_answer answer = sim->setup.resolved ? sim->setup.resolved(sim, site, question->domain) : POST_YES;
	struct exchanger_spec exchanger = {.address = slice_of(address)};
	struct site_spec spec = {.limits = &site->limits,
				 .nlanes = 1,
				 .sources = UINT64_MAX,
				 .exchangers = &exchanger,
				 .nexchangers = 1,
				 .routes_until_ms = sim->now_ms + 3600000};

	snprintf(name, sizeof(name), "s%u.test", site->number);
	snprintf(address, sizeof(address), "10.%u.%u.1:25", site->number / 256, site->number % 256);
	exchanger.address = slice_of(address);
	spec.name = slice_of(name);
	if (answer == POST_SERVFAIL) {
		spec.name = question->domain;
		spec.unroutable = true;
		spec.routes_until_ms = sim->now_ms + SERVFAIL_MS;
	}
	scheduler_routed(sim->scheduler, question->domain, &spec, sim->now_ms)->target = site;
	free(question);
}

static void act_ask(struct post_sim *sim, const struct domain *domain)
{
	struct post_question *question = calloc(1, sizeof(*question) + domain_name(domain).len + 1);
	char *text = (char *)(question + 1);

	CHECK(question != NULL);
	snprintf(text, domain_name(domain).len + 1, "%.*s", SLICE_ARG(domain_name(domain)));
	question->domain = (struct slice){text, domain_name(domain).len};
	event_after(sim, &question->event, DNS_MS, on_resolved);
}

/* The world */

static void act(struct post_sim *sim, const struct next *next)
{
	sim->actions++;
	switch (next->kind) {
	case NEXT_ASK: act_ask(sim, next->domain); break;
	case NEXT_LEASE: act_lease(sim, next); break;
	case NEXT_CONNECT: act_connect(sim, next); break;
	case NEXT_SEND: act_send(sim, next); break;
	case NEXT_RETURN: act_return(sim, next->lane); break;
	}
}

static void turn(struct post_sim *sim, uint64_t end_ms)
{
	struct next next;
	unsigned actions = 0;

	while (actions < ACTIONS_A_TURN && scheduler_next(sim->scheduler, &next, sim->now_ms)) {
		act(sim, &next);
		actions++;
	}
	uint64_t wait_ms = scheduler_wait_ms(sim->scheduler, sim->now_ms, TURN_MS_MAX);
	uint64_t until_ms = sim->now_ms + (actions == ACTIONS_A_TURN || wait_ms == 0 ? 1 : wait_ms);

	if (sim->nheap && sim->heap[0]->due_ms < until_ms)
		until_ms = sim->heap[0]->due_ms;
	if (until_ms <= sim->now_ms && actions)
		until_ms = sim->now_ms + 1; /* a turn is not for nothing */
	sim->now_ms = until_ms < end_ms ? until_ms : end_ms;
	sim->turns++;
	scheduler_tick(sim->scheduler, sim->now_ms);
	while (sim->nheap && sim->heap[0]->due_ms <= sim->now_ms) {
		struct post_event *event = sim->heap[0];

		event_stop(sim, event);
		event->happen(sim, event);
	}
}

struct post_sim *post_sim_begin(const struct post_sim_setup *setup)
{
	struct post_sim *sim = calloc(1, sizeof(*sim));

	CHECK(sim != NULL && setup->sites > 0);
	sim->setup = *setup;
	sim->random = random_seeded(setup->seed);
	sim->now_ms = sim->begun_ms = START_MS;
	sim->scheduler = scheduler_new(&(struct scheduler_setup){.slots = setup->slots,
								 .records = setup->records,
								 .seed = setup->seed,
								 .tenant_terms = setup->tenant_terms,
								 .who = setup->who},
				       START_MS);
	sim->sites = calloc(setup->sites, sizeof(*sim->sites));
	CHECK(sim->sites != NULL);
	for (unsigned i = 0; i < setup->sites; i++)
		sim->sites[i] =
			(struct post_site){.number = i, .message_ms = setup->message_ms, .limits = setup->limits};
	return sim;
}

void post_sim_run(struct post_sim *sim, uint64_t ms)
{
	uint64_t end_ms = sim->now_ms + ms;

	while (sim->now_ms < end_ms)
		turn(sim, end_ms);
}

static void free_stamps(struct post_list *list)
{
	struct list *link;

	while ((link = list_pop(&list->stamps)))
		free(LIST_OWNER(link, struct post_stamp, link));
}

/* All that waits begins with its event. */
static void free_event(struct post_event *event)
{
	if (event->borrowed)
		return;
	if (event->happen == on_sent || event->happen == on_answered)
		free(((struct post_conn *)event)->mail);
	free(event);
}

static void free_lanes(struct post_sim *sim)
{
	struct list *link;

	MAP_EACH (node, scheduler_sites(sim->scheduler)) {
		struct site *site = MAP_OWNER(node, struct site, node);

		for (unsigned i = 0; i < site->nlanes; i++)
			while ((link = lane_pop(site->lanes[i])))
				free(LIST_OWNER(link, struct post_mail, link));
	}
}

void post_sim_end(struct post_sim *sim)
{
	free_lanes(sim);
	scheduler_free(sim->scheduler);
	for (unsigned i = 0; i < sim->nheap; i++)
		free_event(sim->heap[i]);
	MAP_EACH (node, &sim->lists) {
		struct post_list *list = MAP_OWNER(node, struct post_list, node);

		free_stamps(list);
		free((char *)list->node.key);
		free(list);
	}
	map_free(&sim->lists);
	free(sim->sites);
	free(sim->heap);
	free(sim);
}
