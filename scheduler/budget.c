/* The generic cell rate algorithm of pace.c, with its one instant in an atomic word and in nanoseconds, so that a token
 * of a fast rate still has a cost. The cost is rounded up: never a token more than allowed. A lock was not needed, and
 * counters per worker with a merge every second were rejected: a budget of one an hour has nothing to merge.
 *
 * New limits may be seen word by word by a thread that is taking: it then takes by a mixture of old and new once, which
 * is never more than the larger of both. */
#include "scheduler/budget.h"

#include "base/check.h"

#include <limits.h>

#define NS_A_MS 1000000ull
#define FAR_NS	(UINT64_MAX / 4)

void budget_init(struct budget *budget, uint64_t count, uint64_t period_ms, uint64_t burst, unsigned connections)
{
	atomic_init(&budget->full_ns, 0);
	atomic_init(&budget->connections, 0);
	atomic_init(&budget->wanted, 0);
	budget_limit(budget, count, period_ms, burst, connections);
}

void budget_limit(struct budget *budget, uint64_t count, uint64_t period_ms, uint64_t burst, unsigned connections)
{
	uint64_t cost_ns = 0, ahead_ns = 0;

	if (count) {
		__uint128_t ahead;

		if (!burst)
			burst = period_ms && count * 1000 / period_ms ? count * 1000 / period_ms : 1;
		cost_ns = (period_ms * NS_A_MS + count - 1) / count;
		cost_ns = cost_ns ? cost_ns : 1;
		ahead = (__uint128_t)cost_ns * burst;
		ahead_ns = ahead < FAR_NS ? (uint64_t)ahead : FAR_NS;
	}
	atomic_store_explicit(&budget->ahead_ns, ahead_ns, memory_order_relaxed);
	atomic_store_explicit(&budget->cost_ns, cost_ns, memory_order_relaxed);
	atomic_store_explicit(&budget->connections_max, connections, memory_order_relaxed);
}

/* Of n, with the bucket as it is: full again at full_ns. */
static unsigned tokens(const struct budget *budget, unsigned n, uint64_t full_ns, uint64_t now_ns)
{
	uint64_t cost_ns = atomic_load_explicit(&budget->cost_ns, memory_order_relaxed);
	uint64_t ahead_ns = atomic_load_explicit(&budget->ahead_ns, memory_order_relaxed);
	uint64_t used_ns = full_ns > now_ns ? full_ns - now_ns : 0;
	uint64_t free = cost_ns == 0 ? n : used_ns < ahead_ns ? (ahead_ns - used_ns) / cost_ns : 0;

	return free < n ? (unsigned)free : n;
}

unsigned budget_take(struct budget *budget, unsigned n, uint64_t now_ms)
{
	uint64_t cost_ns = atomic_load_explicit(&budget->cost_ns, memory_order_relaxed), now_ns = now_ms * NS_A_MS;
	uint64_t full_ns = atomic_load_explicit(&budget->full_ns, memory_order_relaxed), from_ns;
	unsigned free;

	if (cost_ns == 0)
		return n;
	do {
		from_ns = full_ns > now_ns ? full_ns : now_ns;
		free = tokens(budget, n, full_ns, now_ns);
		if (free == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&budget->full_ns, &full_ns, from_ns + free * cost_ns,
							memory_order_relaxed, memory_order_relaxed));
	return free;
}

unsigned budget_left(const struct budget *budget, unsigned n, uint64_t now_ms)
{
	return tokens(budget, n, atomic_load_explicit(&budget->full_ns, memory_order_relaxed), now_ms * NS_A_MS);
}

void budget_give(struct budget *budget, unsigned n)
{
	uint64_t back_ns = n * atomic_load_explicit(&budget->cost_ns, memory_order_relaxed);
	uint64_t full_ns = atomic_load_explicit(&budget->full_ns, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(&budget->full_ns, &full_ns,
						      full_ns > back_ns ? full_ns - back_ns : 0, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

uint64_t budget_next_ms(const struct budget *budget, uint64_t now_ms)
{
	uint64_t cost_ns = atomic_load_explicit(&budget->cost_ns, memory_order_relaxed);
	uint64_t ahead_ns = atomic_load_explicit(&budget->ahead_ns, memory_order_relaxed);
	uint64_t full_ns = atomic_load_explicit(&budget->full_ns, memory_order_relaxed), free_ns;

	if (cost_ns == 0 || full_ns + cost_ns <= now_ms * NS_A_MS + ahead_ns)
		return 0;
	free_ns = full_ns + cost_ns - ahead_ns;
	return (free_ns + NS_A_MS - 1) / NS_A_MS;
}

bool budget_connect(struct budget *budget)
{
	unsigned have = atomic_load_explicit(&budget->connections, memory_order_relaxed);
	unsigned most = atomic_load_explicit(&budget->connections_max, memory_order_relaxed);

	do {
		if (most && have >= most)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&budget->connections, &have, have + 1, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

void budget_disconnect(struct budget *budget)
{
	CHECK(atomic_fetch_sub_explicit(&budget->connections, 1, memory_order_relaxed) > 0);
}

unsigned budget_connections_left(const struct budget *budget)
{
	unsigned have = atomic_load_explicit(&budget->connections, memory_order_relaxed);
	unsigned most = atomic_load_explicit(&budget->connections_max, memory_order_relaxed);

	if (most == 0)
		return UINT_MAX;
	return have < most ? most - have : 0;
}

unsigned budget_connections_most(const struct budget *budget)
{
	return atomic_load_explicit(&budget->connections_max, memory_order_relaxed);
}

void budget_want(struct budget *budget, int change)
{
	unsigned before = atomic_fetch_add_explicit(&budget->wanted, (unsigned)change, memory_order_relaxed);

	CHECK(change > 0 || before > 0);
}

unsigned budget_wanted(const struct budget *budget)
{
	return atomic_load_explicit(&budget->wanted, memory_order_relaxed);
}

unsigned budget_connections_share(const struct budget *budget, unsigned parts)
{
	unsigned most = atomic_load_explicit(&budget->connections_max, memory_order_relaxed);

	if (most == 0)
		return UINT_MAX;
	return most > parts ? most / parts : 1;
}
