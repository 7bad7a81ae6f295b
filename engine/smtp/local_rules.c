/* The pattern is compiled once, just in time where the machine allows it, and matched with limits: a careless pattern
 * against a reply made to provoke it would otherwise stop a worker for minutes. What a match needs is made for each one
 * and given back, since only refusals come here, and two threads must not share it.
 *
 * The verdict begins as the built-in one, so that a rule which only says "slower" keeps the category, and one which
 * only says "not to be suppressed" keeps everything. Rejected: rules for what was accepted. A message that was taken
 * has been delivered, whatever an operator thinks of the words, and saying otherwise would send it twice. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "smtp/local_rules.h"

#include "base/check.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MATCHES_MAX = 100000, DEPTH_MAX = 1000, HEAP_KB_MAX = 1024, PATTERN_MAX = 4096 };

struct local_code {
	pcre2_code *compiled; /* owned, like limits */
	pcre2_match_context *limits;
};

const char *local_action_name(enum local_action action)
{
	static const char *const names[] = {
#define X(name, text) text,
		LOCAL_ACTIONS(X)
#undef X
	};

	CHECK((unsigned)action < LOCAL_ACTION_COUNT);
	return names[action];
}

bool local_rule_compile(struct local_rule *rule, struct slice pattern, char why[LOCAL_WHY_MAX])
{
	PCRE2_SIZE at;
	int error;
	char text[128];

	rule->pattern = pattern;
	if (pattern.len == 0)
		return true;
	if (pattern.len > PATTERN_MAX) {
		snprintf(why, LOCAL_WHY_MAX, "it is longer than %d bytes", PATTERN_MAX);
		return false;
	}
	rule->code = calloc(1, sizeof(*rule->code));
	CHECK(rule->code != NULL);
	rule->code->compiled =
		pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, PCRE2_DOLLAR_ENDONLY, &error, &at, NULL);
	if (!rule->code->compiled) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof(text));
		snprintf(why, LOCAL_WHY_MAX, "%s, at its byte %zu", text, (size_t)at + 1);
		local_rule_free(rule);
		return false;
	}
	pcre2_jit_compile(rule->code->compiled, PCRE2_JIT_COMPLETE); /* without it matching is only slower */
	rule->code->limits = pcre2_match_context_create(NULL);
	CHECK(rule->code->limits != NULL);
	pcre2_set_match_limit(rule->code->limits, MATCHES_MAX);
	pcre2_set_depth_limit(rule->code->limits, DEPTH_MAX);
	pcre2_set_heap_limit(rule->code->limits, HEAP_KB_MAX);
	return true;
}

void local_rule_free(struct local_rule *rule)
{
	if (!rule->code)
		return;
	pcre2_code_free(rule->code->compiled);
	pcre2_match_context_free(rule->code->limits);
	free(rule->code);
	rule->code = NULL;
}

/* The reply as the pattern sees it. */
struct subject {
	char text[LOCAL_SUBJECT_MAX];
	size_t len;
};

static void subject_add(struct subject *subject, struct slice text)
{
	for (size_t i = 0; i < text.len && subject->len < LOCAL_SUBJECT_MAX; i++) {
		char c = text.ptr[i];

		subject->text[subject->len++] = c == '\n' || c == '\r' ? ' ' : c;
	}
}

static void subject_write(struct subject *subject, const struct heard *heard)
{
	char code[16];
	int n = snprintf(code, sizeof(code), "%u", heard->code);

	subject->len = 0;
	subject_add(subject, (struct slice){code, (size_t)n});
	if (heard->enhanced.len)
		subject_add(subject, SLICE(" "));
	subject_add(subject, heard->enhanced);
	if (heard->text.len)
		subject_add(subject, SLICE(" "));
	subject_add(subject, heard->text);
}

static bool pattern_fits(const struct local_code *code, const struct subject *subject)
{
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	int found;

	CHECK(match != NULL);
	found = pcre2_match(code->compiled, (PCRE2_SPTR)subject->text, subject->len, 0, 0, match, code->limits);
	pcre2_match_data_free(match);
	return found >= 0; /* 0: it has groups, and room for them is not wanted */
}

static bool site_fits(const struct local_rule *rule, struct slice site)
{
	for (unsigned i = 0; i < rule->nsites; i++)
		if (slice_is(rule->sites[i], site))
			return true;
	return rule->nsites == 0;
}

const struct local_rule *local_rules_find(const struct local_rules *rules, const struct heard *heard,
					  bool (*reached)(void *who, const struct local_rule *rule), void *who)
{
	struct subject subject = {.len = 0};

	if (heard->code / 100 != 4 && heard->code / 100 != 5)
		return NULL;
	for (unsigned i = 0; i < rules->count; i++) {
		const struct local_rule *rule = &rules->rule[i];

		if (!site_fits(rule, heard->provider) || (rule->stages && !(rule->stages & (1u << heard->stage))))
			continue;
		if (subject.len == 0)
			subject_write(&subject, heard);
		if (rule->code && !pattern_fits(rule->code, &subject))
			continue;
		if (rule->after_count == 0 || !reached || reached(who, rule))
			return rule;
	}
	return NULL;
}

/* Action and scope of each word; the scope where the rule says none. */
static const struct effect {
	enum action action;
	enum scope scope; /* SCOPE_COUNT: as the built-in rules have it */
} effects[LOCAL_ACTION_COUNT] = {
	[LOCAL_AS_BUILT_IN] = {ACTION_COUNT, SCOPE_COUNT},
	[LOCAL_LATER] = {ACTION_LATER, SCOPE_COUNT},
	[LOCAL_ELSEWHERE] = {ACTION_ELSEWHERE, SCOPE_CONNECTION},
	[LOCAL_SLOWER] = {ACTION_SLOWER, SCOPE_LANE},
	[LOCAL_NEVER] = {ACTION_NEVER, SCOPE_COUNT},
	[LOCAL_PAUSE] = {ACTION_LATER, SCOPE_SITE},
	[LOCAL_OTHER_MX] = {ACTION_ELSEWHERE, SCOPE_CONNECTION},
	[LOCAL_REST_SOURCE] = {ACTION_LATER, SCOPE_LANE},
};

struct verdict local_rule_verdict(const struct local_rule *rule, const struct heard *heard)
{
	struct verdict verdict = verdict_of(heard);
	const struct effect *effect = &effects[rule->action];

	verdict.rule = rule->name;
	if (effect->action != ACTION_COUNT)
		verdict.action = effect->action;
	if (rule->scope != SCOPE_COUNT)
		verdict.scope = rule->scope;
	else if (effect->scope != SCOPE_COUNT)
		verdict.scope = effect->scope;
	if (rule->category != CATEGORY_NONE)
		verdict.category = rule->category;
	if (rule->suppress != LOCAL_SUPPRESS_AS_BUILT_IN)
		verdict.suppress = rule->suppress == LOCAL_SUPPRESS;
	verdict.spare = rule->suppress == LOCAL_SUPPRESS_NOT;
	if (verdict.action != ACTION_NEVER || verdict.scope != SCOPE_RECIPIENT)
		verdict.suppress = false;
	if (verdict.action == ACTION_NEVER)
		verdict.retry_after_s = 0;
	else if (rule->for_ms)
		verdict.retry_after_s = (uint32_t)(rule->for_ms / 1000);
	return verdict;
}

struct local_tally *local_tally_new(const struct local_rule *rule)
{
	struct local_tally *tally = calloc(1, sizeof(*tally) + rule->after_count * sizeof(tally->met_ms[0]));

	CHECK(tally != NULL);
	CHECK(rule->after_count > 0 && rule->after_count <= LOCAL_AFTER_MAX);
	return tally;
}

bool local_tally_meet(struct local_tally *tally, const struct local_rule *rule, uint64_t now_ms)
{
	tally->met_ms[tally->next] = now_ms;
	tally->next = (tally->next + 1) % rule->after_count;
	if (tally->n < rule->after_count)
		tally->n++;
	return tally->n == rule->after_count && now_ms - tally->met_ms[tally->next] <= rule->after_ms;
}
