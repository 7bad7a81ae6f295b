/* From the sections `rule` to local rules: words become enums, patterns are compiled, and what contradicts itself is
 * refused here, because on the day the rule is met it is too late. */
#include "config_read.h"

#include "base/check.h"

#include <string.h>

static bool action_parse(struct slice word, enum local_action *action)
{
	for (int i = 0; i < LOCAL_ACTION_COUNT; i++)
		if (slice_is(word, slice_of(local_action_name((enum local_action)i)))) {
			*action = (enum local_action)i;
			return true;
		}
	return false;
}

static enum scope scope_of(struct slice word)
{
	int i = 0;

	while (i < SCOPE_COUNT && !slice_is(word, slice_of(scope_name((enum scope)i))))
		i++;
	return (enum scope)i;
}

static enum category category_of(struct slice word)
{
	int i = CATEGORY_COUNT - 1;

	while (i > CATEGORY_NONE && !slice_is(word, slice_of(category_name((enum category)i))))
		i--;
	return (enum category)i;
}

static void read_stages(struct config_reading *reading, const struct config_rule *rule, struct local_rule *local)
{
	for (unsigned i = 0; i < rule->nstages; i++) {
		enum stage stage;

		if (stage_parse(&stage, rule->stages[i]) && stage <= STAGE_EOM)
			local->stages |= 1u << stage;
		else
			config_problem_at(reading, rule->place,
					  "stage \"%.*s\" in the rule \"%.*s\": expected connect, ehlo, starttls, "
					  "auth, mail, rcpt, data or eom",
					  SLICE_ARG(rule->stages[i]), SLICE_ARG(rule->name));
	}
}

/* How long and how often make sense only with what they belong to. */
static void check_times(struct config_reading *reading, const struct config_rule *rule, const struct local_rule *local)
{
	const char *wrong = NULL;

	if (rule->rate.count && local->action != LOCAL_SLOWER)
		wrong = "a rate goes with action = \"slower\" and no other";
	else if (rule->for_ms && (local->action == LOCAL_AS_BUILT_IN || local->action == LOCAL_NEVER ||
				  local->action == LOCAL_ELSEWHERE || local->action == LOCAL_OTHER_MX))
		wrong = "`for` goes with the actions later, slower, pause and rest-source";
	else if (rule->after.period_ms && !rule->after.count)
		wrong = "`after` is a number in a time, such as 3/1h";
	else if (rule->after.count > LOCAL_AFTER_MAX)
		wrong = "`after` counts to 100 at most";
	if (wrong)
		config_problem_at(reading, rule->place, "the rule \"%.*s\": %s", SLICE_ARG(rule->name), wrong);
}

static void check_effect(struct config_reading *reading, const struct config_rule *rule, const struct local_rule *local)
{
	const char *wrong = NULL;

	if (rule->match.len == 0 && rule->nsites == 0 && rule->nstages == 0)
		wrong = "it fits every reply; expected match, site or stage";
	else if (local->action == LOCAL_AS_BUILT_IN && local->scope == SCOPE_COUNT && !local->category &&
		 local->suppress == LOCAL_SUPPRESS_AS_BUILT_IN)
		wrong = "it changes nothing; expected action, scope, category or suppress";
	else if (local->suppress == LOCAL_SUPPRESS &&
		 ((local->action != LOCAL_NEVER && local->action != LOCAL_AS_BUILT_IN) ||
		  (local->scope != SCOPE_RECIPIENT && local->scope != SCOPE_COUNT)))
		wrong = "only a recipient that is refused for good can be suppressed: action = \"never\", scope = "
			"\"recipient\"";
	else if (local->action == LOCAL_PAUSE && local->scope != SCOPE_COUNT && local->scope != SCOPE_SITE &&
		 local->scope != SCOPE_LANE)
		wrong = "what can pause is a site or a lane";
	if (wrong)
		config_problem_at(reading, rule->place, "the rule \"%.*s\": %s", SLICE_ARG(rule->name), wrong);
}

static void read_rule(struct config_reading *reading, const struct config_rule *rule, struct local_rule *local)
{
	char why[LOCAL_WHY_MAX];

	*local = (struct local_rule){
		.name = arena_string(&reading->config->arena, rule->name),
		.sites = rule->sites,
		.nsites = rule->nsites,
		.scope = scope_of(rule->scope),
		.category = category_of(rule->category),
		.suppress = rule->suppress.len == 0		      ? LOCAL_SUPPRESS_AS_BUILT_IN
			    : slice_is(rule->suppress, SLICE("true")) ? LOCAL_SUPPRESS
								      : LOCAL_SUPPRESS_NOT,
		.rate_count = rule->rate.count,
		.rate_period_ms = rule->rate.period_ms,
		.for_ms = rule->for_ms,
		.after_count = (unsigned)rule->after.count,
		.after_ms = rule->after.period_ms,
	};
	CHECK(action_parse(rule->action, &local->action)); /* one of the words of its key, or empty */
	read_stages(reading, rule, local);
	check_times(reading, rule, local);
	check_effect(reading, rule, local);
	if (!local_rule_compile(local, rule->match, why))
		config_problem_at(reading, rule->match_place, "match = '%.*s' in the rule \"%.*s\": %s",
				  SLICE_ARG(slice_head(rule->match, 80)), SLICE_ARG(rule->name), why);
}

void config_read_local_rules(struct config_reading *reading)
{
	struct config *config = reading->config;

	config->local.rule = arena_alloc(&config->arena, (config->nrules + 1) * sizeof(*config->local.rule));
	for (unsigned i = 0; i < config->nrules; i++) {
		read_rule(reading, &config->rules[i], &config->local.rule[i]);
		config->local.count++;
	}
}

void config_free_local_rules(struct config *config)
{
	for (unsigned i = 0; i < config->local.count; i++)
		local_rule_free(&config->local.rule[i]);
}
