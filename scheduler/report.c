/* What each report from a lane changes: its counts of connections first, then what it learns about its site. */
#include "scheduler/book.h"

#include "base/check.h"

static void slot_free(struct scheduler *scheduler, struct lane *lane)
{
	scheduler->slots_free++;
	lane_disconnect(lane);
	if (lane->site->traffic->namesakes)
		namesakes_call(lane->site->traffic->namesakes);
	book_feed_starved(scheduler);
}

static void close_one(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger,
		      const struct report *report)
{
	CHECK(exchanger->open > 0 && (!report->idle || exchanger->idle > 0));
	lane->open--;
	exchanger->open--;
	lane->idle -= report->idle;
	exchanger->idle -= report->idle;
	if (report->yields)
		namesakes_yielded(lane->site->traffic->namesakes, lane);
	slot_free(scheduler, lane);
}

/* One is being opened no more, well or not, and makes place for another one, if any was held up. */
static void opening_over(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger)
{
	CHECK(exchanger->opening > 0);
	lane->opening--;
	exchanger->opening--;
	if (!list_is_empty(&scheduler->unopened))
		scheduler->connects_owed += CONNECTS_REPLACED;
}

static void unopen_one(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger)
{
	opening_over(scheduler, lane, exchanger);
	slot_free(scheduler, lane);
}

static void count_idle(struct lane *lane, struct exchanger *exchanger, int change)
{
	CHECK((int)exchanger->idle + change >= 0);
	lane->idle = (unsigned)((int)lane->idle + change);
	exchanger->idle = (unsigned)((int)exchanger->idle + change);
	CHECK(exchanger->idle <= exchanger->open);
}

static void open_one(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger)
{
	opening_over(scheduler, lane, exchanger);
	lane->open++;
	exchanger->open++;
	count_idle(lane, exchanger, 1);
}

/* The connection it is about is still counted. */
static void refuse(struct lane *lane, struct exchanger *exchanger, const struct report *report, uint64_t now_ms)
{
	unsigned have = exchanger->open + exchanger->opening;

	exchanger_refused(exchanger, have ? have - 1 : 0, report->delay_ms, now_ms);
	lane_remember_why(lane, report->why);
}

static void deliver(struct lane *lane, struct exchanger *exchanger, const struct report *report, uint64_t now_ms)
{
	exchanger_accepted(exchanger, report->recipients + report->others, now_ms);
	if (report->recipients == 0)
		return;
	lane_succeeded(lane, report->recipients, now_ms);
	load_count(lane->site, report->recipients);
}

static void learn(struct lane *lane, struct exchanger *exchanger, const struct report *report, uint64_t now_ms)
{
	switch (report->kind) {
	case REPORT_CROWDED: refuse(lane, exchanger, report, now_ms); break;
	case REPORT_DELIVERED: deliver(lane, exchanger, report, now_ms); break;
	case REPORT_SLOWER:
		exchanger_slower(exchanger, report->recipients ? report->recipients : 1, report->delay_ms, now_ms);
		lane_remember_why(lane, report->why);
		break;
	case REPORT_REST:
		lane_rest(lane, report->delay_ms, now_ms);
		lane_remember_why(lane, report->why);
		break;
	default: CHECK(!"a report about a connection");
	}
}

void scheduler_report(struct scheduler *scheduler, struct lane *lane, const struct report *report, uint64_t now_ms)
{
	struct exchanger *exchanger = report->exchanger ? report->exchanger : lane_prepare(lane);

	CHECK(exchanger->lane == lane);
	switch (report->kind) {
	case REPORT_OPENED: open_one(scheduler, lane, exchanger); break;
	case REPORT_BUSY:
		count_idle(lane, exchanger, -1);
		exchanger->turn = ++lane->turns;
		return; /* nothing becomes possible by it */
	case REPORT_IDLE: count_idle(lane, exchanger, 1); break;
	case REPORT_CLOSED: close_one(scheduler, lane, exchanger, report); break;
	case REPORT_UNREACHABLE:
		refuse(lane, exchanger, report, now_ms);
		/* fall through */
	case REPORT_UNOPENED: unopen_one(scheduler, lane, exchanger); break;
	default: learn(lane, exchanger, report, now_ms);
	}
	book_look(scheduler, lane->site);
}

void scheduler_forgo(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger)
{
	lane_unconnect(lane);
	unopen_one(scheduler, lane, exchanger);
	book_look(scheduler, lane->site);
}

struct exchanger *scheduler_reroute(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger,
				    uint64_t now_ms)
{
	struct exchanger *other = scheduler->paused || lane->held ? NULL : lane_connects_to(lane, exchanger, now_ms);

	if (other)
		lane_reroute(lane, exchanger, other);
	return other;
}
