/* Lists that are paused are held in the scheduler when one is about to be leased from, not all at once: most lists of a
 * paused campaign are never looked at. A released one is offered again by the scheduler, which kept it.
 *
 * Whether a cancel means a record is first asked of its accept number and its time: what was submitted since fails the
 * first comparison, so a hundred remembered cancels cost new mail nothing to speak of. */
#include "controls.h"

#include "control_set.h"
#include "delivery.h"
#include "directory.h"
#include "outcome.h"
#include "target.h"

#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTED_MAX = 64, LEASES_UNDER_WAY_MS = 200 };

struct controls {
	pthread_mutex_t lock;	    /* around what follows */
	struct control_set *newest; /* counted; NULL: none yet */
	struct {
		uint64_t id, n;
	} counted[COUNTED_MAX];	     /* deliveries ended by the latest cancels */
	struct directory *directory; /* borrowed */
	_Atomic uint64_t generation;
	atomic_uint nworkers;
	_Atomic uint64_t applied[WORKERS_MAX];
};

/* The set */

static void set_drop(struct controls *controls, struct control_set *set)
{
	pthread_mutex_lock(&controls->lock);
	bool last = set && --set->refs == 0;

	pthread_mutex_unlock(&controls->lock);
	if (!last)
		return;
	control_set_free(set);
}

static struct control_set *set_take(struct controls *controls)
{
	pthread_mutex_lock(&controls->lock);
	struct control_set *set = controls->newest;

	if (set)
		set->refs++;
	pthread_mutex_unlock(&controls->lock);
	return set;
}

/* The keeper's end */

static void on_changed(void *who, uint64_t generation, const struct slice *texts, size_t n)
{
	struct controls *controls = who;
	struct control_set *set = control_set_read(generation, texts, n), *old;

	pthread_mutex_lock(&controls->lock);
	old = controls->newest;
	controls->newest = set;
	pthread_mutex_unlock(&controls->lock);
	atomic_store(&controls->generation, generation);
	set_drop(controls, old);
}

static uint64_t on_applied(void *who)
{
	struct controls *controls = who;
	unsigned n = atomic_load(&controls->nworkers);
	uint64_t least = atomic_load(&controls->generation);

	for (unsigned i = 0; i < n; i++) {
		uint64_t applied = atomic_load(&controls->applied[i]);

		least = applied < least ? applied : least;
	}
	return least;
}

static uint64_t on_cancelled(void *who, uint64_t id)
{
	struct controls *controls = who;
	uint64_t n = 0;

	pthread_mutex_lock(&controls->lock);
	for (unsigned i = 0; i < COUNTED_MAX; i++)
		n += controls->counted[i].id == id ? controls->counted[i].n : 0;
	pthread_mutex_unlock(&controls->lock);
	return n;
}

static void count(struct controls *controls, uint64_t id)
{
	unsigned place = id % COUNTED_MAX;

	pthread_mutex_lock(&controls->lock);
	if (controls->counted[place].id != id) {
		controls->counted[place].id = id;
		controls->counted[place].n = 0;
	}
	controls->counted[place].n++;
	pthread_mutex_unlock(&controls->lock);
}

struct controls *controls_new(void)
{
	struct controls *controls = calloc(1, sizeof(*controls));

	CHECK(controls != NULL);
	pthread_mutex_init(&controls->lock, NULL);
	return controls;
}

void controls_free(struct controls *controls)
{
	if (!controls)
		return;
	set_drop(controls, controls->newest);
	pthread_mutex_destroy(&controls->lock);
	free(controls);
}

static unsigned on_sites(void *who, struct slice *pairs, unsigned max, struct outbuf *text)
{
	const struct controls *controls = who;

	return directory_take(controls->directory, pairs, max, text);
}

struct desk_owner controls_owner(struct controls *controls, struct directory *directory)
{
	controls->directory = directory;
	return (struct desk_owner){on_changed, on_applied, on_cancelled, on_sites, controls};
}

void controls_followed(struct controls *controls, unsigned nworkers)
{
	atomic_store(&controls->nworkers, nworkers);
}

/* The workers' end */

static void know_lane(struct match_facts *facts, const struct lane *lane)
{
	const struct target *target = target_of(lane->site);
	const struct config_source *source = target ? target->sources[lane->source] : NULL;

	match_know(facts, MATCH_SITE, site_name(lane->site));
	match_know(facts, MATCH_SOURCE, source ? source->name : SLICE(""));
}

static bool pauses_lane(const struct control_set *set, const struct lane *lane)
{
	struct match_facts facts = {.known = 0};

	know_lane(&facts, lane);
	for (size_t i = 0; set && i < set->nentries; i++) {
		const struct control_entry *entry = &set->entries[i];

		if (entry->kind == CONTROL_PAUSE && match_tells(&entry->match, &facts) &&
		    match_fits(&entry->match, &facts))
			return true;
	}
	return false;
}

static bool pauses_list(const struct control_set *set, const struct ready *list, const struct lane *lane)
{
	struct match_facts facts = {.known = 0};

	match_know_list(&facts, ready_name(list));
	know_lane(&facts, lane);
	for (size_t i = 0; i < set->nentries; i++) {
		const struct control_entry *entry = &set->entries[i];

		/* What names a job is not for the whole list, what names a source is for the lane. */
		if (entry->kind == CONTROL_PAUSE && !match_has(&entry->match, MATCH_SOURCE) &&
		    match_tells(&entry->match, &facts) && match_fits(&entry->match, &facts))
			return true;
	}
	return false;
}

bool controls_hold(const struct worker *worker, struct ready *list, struct lane *lane)
{
	const struct control_set *set = worker->controls;

	if (!set || !set->pauses)
		return false;
	if (pauses_lane(set, lane)) /* a lane that is newer than the pause */
		scheduler_hold_lane(worker->scheduler, lane, true);
	else if (pauses_list(set, list, lane))
		scheduler_hold_list(worker->scheduler, list, true);
	else
		return false;
	return true;
}

static struct match_facts facts_of(const struct delivery *delivery)
{
	struct match_facts facts = {.known = 0};

	match_know_list(&facts, delivery->list);
	know_lane(&facts, delivery->lane);
	match_know(&facts, MATCH_JOB, delivery->record.job);
	match_know(&facts, MATCH_STATE, SLICE("queued"));
	return facts;
}

static bool is_before(const struct record *record, uint64_t accept, uint64_t since_ms)
{
	return record->accept <= accept || record->queued_ms < since_ms;
}

enum control_fate controls_meet(const struct delivery *delivery, struct slice *by)
{
	const struct control_set *set = delivery->worker->controls;
	enum control_fate fate = FATE_SEND;

	if (!set || (!set->pauses && !is_before(&delivery->record, set->accept, set->since_ms)))
		return FATE_SEND;
	struct match_facts facts = facts_of(delivery), cancelled = facts;

	/* A pause means the source it would go by, a cancel the one that has tried. */
	match_know(&cancelled, MATCH_SOURCE, record_source(&delivery->record));
	for (size_t i = 0; i < set->nentries; i++) {
		const struct control_entry *entry = &set->entries[i];

		if (entry->kind == CONTROL_PAUSE && fate == FATE_SEND && match_fits(&entry->match, &facts))
			fate = FATE_WAIT;
		if (entry->kind == CONTROL_CANCEL && is_before(&delivery->record, entry->accept, entry->since_ms) &&
		    match_fits(&entry->match, &cancelled)) {
			*by = slice_of(entry->by);
			count(delivery->worker->engine->controls, entry->id);
			return FATE_CANCELLED;
		}
	}
	return fate;
}

uint64_t controls_expiry_ms(const struct delivery *delivery)
{
	const struct control_set *set = delivery->worker->controls;
	uint64_t ends_ms = delivery_expires_ms(delivery);

	for (size_t i = 0; set && i < set->nentries; i++) {
		const struct control_entry *entry = &set->entries[i];

		if (entry->kind != CONTROL_GRACE)
			continue;
		struct match_facts facts = facts_of(delivery);
		uint64_t until_ms = entry->until_ms ? entry->until_ms : worker_wall_ms(delivery->worker);
		uint64_t from_ms =
			entry->since_ms > delivery->record.queued_ms ? entry->since_ms : delivery->record.queued_ms;

		if (until_ms > from_ms && match_fits(&entry->match, &facts))
			ends_ms += until_ms - from_ms;
	}
	return ends_ms;
}

/* What waits on the lane, one by one: those that are meant leave it. */
static void apply_to_waiting(struct lane *lane, struct list *waiting)
{
	LIST_EACH (link, waiting) {
		struct delivery *delivery = delivery_of(link);
		struct slice by;
		enum control_fate fate = controls_meet(delivery, &by);

		if (fate == FATE_SEND)
			continue;
		lane_remove(lane, link, delivery->urgent);
		if (fate == FATE_CANCELLED)
			outcome_cancelled(delivery, by);
		else
			delivery_return(delivery);
	}
}

static void apply_to_lane(struct worker *worker, struct lane *lane)
{
	scheduler_hold_lane(worker->scheduler, lane, pauses_lane(worker->controls, lane));
	apply_to_waiting(lane, &lane->urgent);
	apply_to_waiting(lane, &lane->ready);
	scheduler_look(worker->scheduler, lane);
}

/* Those that still are paused are held again when they are about to be leased from. */
static void release_lists(struct worker *worker, const struct domain *domain)
{
	LIST_EACH (link, &domain->lists) {
		struct ready *list = LIST_OWNER(link, struct ready, of_domain);

		if (list->held)
			scheduler_hold_list(worker->scheduler, list, false);
	}
}

/* A retry ends the rest of what it names, if it names receivers or sources and nothing else: who says "retry site=x"
 * has heard that x is back. One that names a campaign changes nothing for others. */
static bool wakes_lane(const struct worker *worker, const struct lane *lane, struct slice domain)
{
	const struct control_set *set = worker->controls;
	struct match_facts facts = {.known = 0};

	know_lane(&facts, lane);
	match_know(&facts, MATCH_DOMAIN, domain);
	for (size_t i = 0; i < set->nentries; i++) {
		const struct control_entry *entry = &set->entries[i];

		if (entry->kind == CONTROL_RETRY && entry->id > worker->retried && match_tells(&entry->match, &facts) &&
		    match_fits(&entry->match, &facts))
			return true;
	}
	return false;
}

static void wake(struct worker *worker)
{
	MAP_EACH (node, scheduler_domains(worker->scheduler)) {
		struct domain *domain = MAP_OWNER(node, struct domain, node);

		for (unsigned i = 0; domain->site && i < domain->site->nlanes; i++)
			if (wakes_lane(worker, domain->site->lanes[i], domain_name(domain)))
				target_wake(worker, domain->site->lanes[i]);
	}
	worker->retried = worker->controls->retried;
}

static void apply(struct worker *worker)
{
	if (worker->controls->retried > worker->retried)
		wake(worker);
	MAP_EACH (node, scheduler_domains(worker->scheduler))
		release_lists(worker, MAP_OWNER(node, struct domain, node));
	MAP_EACH (node, scheduler_sites(worker->scheduler)) {
		struct site *site = MAP_OWNER(node, struct site, node);

		for (unsigned i = 0; i < site->nlanes; i++)
			apply_to_lane(worker, site->lanes[i]);
	}
}

/* Records that were asked for before come in yet, and are to be counted. */
static void tell_applied(struct worker *worker)
{
	struct controls *controls = worker->engine->controls;

	if (!worker->controls_ms ||
	    (worker->nasked && worker_now_ms(worker) < worker->controls_ms + LEASES_UNDER_WAY_MS))
		return;
	worker->controls_ms = 0;
	atomic_store(&controls->applied[worker->number], worker->controls->generation);
}

void controls_follow(struct worker *worker)
{
	struct controls *controls = worker->engine->controls;
	uint64_t has = worker->controls ? worker->controls->generation : 0;

	if (!controls)
		return;
	if (atomic_load(&controls->generation) != has) {
		struct control_set *old = worker->controls;

		worker->controls = set_take(controls);
		set_drop(controls, old);
		apply(worker);
		worker->controls_ms = worker_now_ms(worker);
	}
	tell_applied(worker);
}

void controls_leave(struct worker *worker)
{
	struct controls *controls = worker->engine->controls;

	if (!controls)
		return;
	set_drop(controls, worker->controls);
	worker->controls = NULL;
	atomic_store(&controls->applied[worker->number], UINT64_MAX);
}
