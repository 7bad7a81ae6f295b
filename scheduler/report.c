/* What each report from a lane changes: its counts of connections first, then what it learns about its site. */
#include "scheduler/book.h"

#include "base/check.h"

static void slot_free(struct scheduler *scheduler)
{
	scheduler->slots_free++;
	book_feed_starved(scheduler);
}

static uint64_t rest_ms(struct scheduler *scheduler, const struct lane *lane, uint64_t delay_ms)
{
	return delay_ms ? delay_ms : retry_delay_ms(&lane->limits.retry, lane->failures + 1, 0, &scheduler->random);
}

static void close_one(struct scheduler *scheduler, struct lane *lane, bool idle)
{
	CHECK(lane->open > 0 && (!idle || lane->idle > 0));
	lane->open--;
	lane->idle -= idle;
	slot_free(scheduler);
}

void scheduler_report(struct scheduler *scheduler, struct lane *lane, const struct report *report, uint64_t now_ms)
{
	switch (report->kind) {
	case REPORT_OPENED:
		CHECK(lane->opening > 0);
		lane->opening--;
		lane->open++;
		lane->idle++;
		break;
	case REPORT_BUSY:
		CHECK(lane->idle > 0);
		lane->idle--;
		return; /* nothing becomes possible by it */
	case REPORT_IDLE:
		lane->idle++;
		CHECK(lane->idle <= lane->open);
		break;
	case REPORT_CLOSED: close_one(scheduler, lane, report->idle); break;
	case REPORT_UNREACHABLE:
		lane_failed(lane, rest_ms(scheduler, lane, report->delay_ms), report->why, now_ms);
		/* fall through */
	case REPORT_UNOPENED:
		CHECK(lane->opening > 0);
		lane->opening--;
		slot_free(scheduler);
		break;
	case REPORT_DELIVERED: lane_succeeded(lane, report->recipients, now_ms); break;
	case REPORT_SLOWER: lane_failed(lane, rest_ms(scheduler, lane, report->delay_ms), report->why, now_ms); break;
	}
	book_look(scheduler, lane->site);
}
