/* Words in order; the glob is fnmatch's. The share is drawn from the address, so a repeated try meets the same fate. */
#include "bench/sink/rules.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static const char *const stages[] = {"connect", "ehlo", "mail", "rcpt", "data", "eom"};

static struct slice next_word(struct slice *line)
{
	*line = slice_trim(*line);
	return slice_until(line, ' ');
}

static bool fail(char *why, size_t why_size, const char *sentence, const char *line)
{
	snprintf(why, why_size, "rule \"%s\": %s", line, sentence);
	return false;
}

static bool copy(char *room, size_t size, struct slice text)
{
	if (text.len >= size)
		return false;
	memcpy(room, text.ptr, text.len);
	room[text.len] = '\0';
	return true;
}

static bool read_stage(struct rule *rule, struct slice word)
{
	for (unsigned i = 0; i < RULE_STAGES; i++)
		if (slice_is(word, slice_of(stages[i]))) {
			rule->stage = (enum rule_stage)i;
			return true;
		}
	return false;
}

/* The optional words before the answer; leaves *rest at the answer. */
static bool read_conditions(struct rule *rule, struct slice *rest)
{
	for (;;) {
		struct slice before = *rest = slice_trim(*rest), word = next_word(rest);
		uint64_t n = 0;

		if (word.len > 1 && word.ptr[word.len - 1] == '%') {
			if (!slice_number(slice_head(word, word.len - 1), 100, &n))
				return false;
			rule->share_percent = (unsigned)n;
		} else if (slice_is(word, SLICE("first")) || slice_is(word, SLICE("delay"))) {
			if (!slice_number(next_word(rest), 3600000, &n))
				return false;
			*(word.ptr[0] == 'f' ? &rule->first : &rule->delay_ms) = (unsigned)n;
		} else {
			*rest = before;
			return true;
		}
	}
}

bool rules_add(struct rules *rules, const char *line, char *why, size_t why_size)
{
	struct slice rest = slice_of(line);
	struct rule rule = {.kind = RULE_PASS};

	if (rules->count == RULES_MAX)
		return fail(why, why_size, "there are too many of them", line);
	if (!copy(rule.pattern, sizeof(rule.pattern), next_word(&rest)) || rule.pattern[0] == '\0')
		return fail(why, why_size, "a pattern comes first", line);
	if (!read_stage(&rule, next_word(&rest)))
		return fail(why, why_size, "the stage is connect, ehlo, mail, rcpt, data or eom", line);
	if (!read_conditions(&rule, &rest))
		return fail(why, why_size, "after %, first and delay comes a number", line);
	if (slice_is(rest, SLICE("drop")))
		rule.kind = RULE_DROP;
	else if (slice_is(rest, SLICE("mute")))
		rule.kind = RULE_MUTE;
	else if (rest.len)
		rule.kind = RULE_REPLY;
	if (!copy(rule.reply, sizeof(rule.reply), rest))
		return fail(why, why_size, "the reply is too long", line);
	rules->at_stage[rule.stage]++;
	rules->rule[rules->count++] = rule;
	return true;
}

static bool fits(const struct rule *rule, struct slice address, unsigned tries)
{
	char text[320];

	if (rule->first && tries >= rule->first)
		return false;
	if (rule->share_percent && slice_hash(address) / 7 % 100 >= rule->share_percent)
		return false;
	if (strcmp(rule->pattern, "*") == 0)
		return true;
	return copy(text, sizeof(text), address) && fnmatch(rule->pattern, text, 0) == 0;
}

const struct rule *rules_find(const struct rules *rules, enum rule_stage stage, struct slice address, unsigned tries)
{
	if (rules->at_stage[stage] == 0)
		return NULL;
	for (unsigned i = 0; i < rules->count; i++)
		if (rules->rule[i].stage == stage && fits(&rules->rule[i], address, tries))
			return &rules->rule[i];
	return NULL;
}

bool rules_count_tries(const struct rules *rules)
{
	for (unsigned i = 0; i < rules->count; i++)
		if (rules->rule[i].first)
			return true;
	return false;
}
