/* Tallies are found by rule, site and source. A rule is named by its address: the rules of an older configuration live
 * as long as the process, so no address is used twice, and a tally is never read with the numbers of another rule.
 * There are as many as there are lanes that had trouble lately; when they become too many, all are forgotten, which
 * only means that rules act a few refusals later. */
#include "judge.h"

#include "conn.h"

#include "base/check.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TALLIES_MAX = 10000, KEY_MAX = 512, SLOW_MS = 30 * 60 * 1000 };

struct entry {
	struct map_node node;
	struct local_tally *tally; /* owned */
	char key[];
};

struct hearing {
	struct conn *conn;
	struct judge *judge;
};

static struct slice key_of(const struct conn *conn, const struct local_rule *rule, char room[KEY_MAX])
{
	struct slice site = slice_head(site_name(conn->lane->site), 300);
	int n = snprintf(room, KEY_MAX, "%p %u %.*s", (const void *)rule, conn->lane->source, SLICE_ARG(site));

	return (struct slice){room, n < KEY_MAX ? (size_t)n : KEY_MAX - 1};
}

static struct entry *entry_make(struct judge *judge, const struct local_rule *rule, struct slice key)
{
	struct entry *entry;

	if (judge->tallies.count >= TALLIES_MAX) {
		log_warning("counting how often rules were met: more than %d lanes had trouble; counting begins anew",
			    TALLIES_MAX);
		judge_free(judge);
	}
	entry = malloc(sizeof(*entry) + key.len);
	CHECK(entry != NULL);
	memcpy(entry->key, key.ptr, key.len);
	entry->tally = local_tally_new(rule);
	map_add(&judge->tallies, &entry->node, (struct slice){entry->key, key.len});
	return entry;
}

/* Met often enough on this lane, this time counted? */
static bool on_reached(void *who, const struct local_rule *rule)
{
	struct hearing *hearing = who;
	char room[KEY_MAX];
	struct slice key = key_of(hearing->conn, rule, room);
	struct map_node *node = map_find(&hearing->judge->tallies, key);
	struct entry *entry = node ? MAP_OWNER(node, struct entry, node) : entry_make(hearing->judge, rule, key);

	return local_tally_meet(entry->tally, rule, worker_now_ms(hearing->conn->worker));
}

/* A rule with a rate slows the lane down by that, and not by what would be found out. */
static struct verdict obey(struct conn *conn, const struct local_rule *rule, const struct heard *heard)
{
	struct verdict verdict = local_rule_verdict(rule, heard);
	uint64_t now_ms = worker_now_ms(conn->worker);

	if (rule->rate_count) {
		lane_slow(conn->lane, rule->rate_count, rule->rate_period_ms,
			  now_ms + (rule->for_ms ? rule->for_ms : SLOW_MS));
		verdict.retry_after_s = 0;
	}
	return verdict;
}

struct verdict judge_hear(void *who, const struct heard *bare)
{
	struct conn *conn = who;
	struct worker *worker = conn->worker;
	struct heard heard = *bare;
	struct hearing hearing = {conn, &worker->judge};
	const struct local_rule *rule;

	heard.provider = site_name(conn->lane->site);
	rule = local_rules_find(&worker->config->local, &heard, on_reached, &hearing);
	return rule ? obey(conn, rule, &heard) : verdict_of(&heard);
}

void judge_free(struct judge *judge)
{
	MAP_EACH (node, &judge->tallies) {
		struct entry *entry = MAP_OWNER(node, struct entry, node);

		free(entry->tally);
		free(entry);
	}
	map_free(&judge->tallies);
	*judge = (struct judge){0};
}
