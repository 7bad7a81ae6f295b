/* Three steps. Stage and first digit give action and scope (what a reply can mean where it was said); the rows of
 * verdict_rules.c then name the category and may change both; last, what must hold whatever a row says: 421 ends a
 * connection, and only a permanent refusal of a recipient as invalid may suppress an address.
 *
 * Success is answered first, before any text is looked at, because nearly all replies are one. The text is folded
 * once into a buffer on the stack: what a server says after a kilobyte changes no verdict. */
#include "smtp/verdict.h"

#include "smtp/verdict_rules.h"

#include <string.h>

enum { TEXT_MAX = 1024 };

struct folded {
	char text[TEXT_MAX];
	size_t len;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes one to three digits; false if there are none. */
static bool take_number(struct slice *s)
{
	size_t n = 0;

	while (n < s->len && n < 3 && is_digit(s->ptr[n]))
		n++;
	*s = slice_skip(*s, n);
	return n > 0;
}

static bool take_byte(struct slice *s, char c)
{
	if (s->len == 0 || s->ptr[0] != c)
		return false;
	*s = slice_skip(*s, 1);
	return true;
}

void verdict_split(unsigned code, struct slice line, struct slice *enhanced, struct slice *text)
{
	struct slice rest = line;

	*enhanced = SLICE_NONE;
	*text = line;
	if (!take_byte(&rest, (char)('0' + code / 100)) || !take_byte(&rest, '.') || !take_number(&rest) ||
	    !take_byte(&rest, '.') || !take_number(&rest))
		return;
	if (code / 100 == 3 || (rest.len > 0 && rest.ptr[0] != ' ' && rest.ptr[0] != '\n'))
		return;
	*enhanced = slice_head(line, line.len - rest.len);
	take_byte(&rest, ' ');
	*text = rest;
}

static void fold(struct folded *folded, struct slice text)
{
	folded->len = text.len < TEXT_MAX ? text.len : TEXT_MAX;
	for (size_t i = 0; i < folded->len; i++) {
		char c = text.ptr[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		else if (c == '\t' || c == '\n' || c == '\r')
			c = ' ';
		folded->text[i] = c;
	}
}

/* The parts of one alternative, one after the other. */
static bool parts_fit(struct slice parts, const struct folded *folded)
{
	const char *at = folded->text, *end = folded->text + folded->len;

	while (parts.len > 0) {
		struct slice part = slice_until(&parts, '*');

		at = memmem(at, (size_t)(end - at), part.ptr, part.len);
		if (!at)
			return false;
		at += part.len;
	}
	return true;
}

static bool words_fit(const char *words, const struct folded *folded)
{
	struct slice rest = slice_of(words);

	if (rest.len == 0)
		return true;
	while (rest.len > 0)
		if (parts_fit(slice_until(&rest, '|'), folded))
			return true;
	return false;
}

static bool codes_fit(const char *codes, unsigned code)
{
	struct slice rest = slice_of(codes);

	while (rest.len > 0) {
		struct slice one = slice_until(&rest, ' ');
		uint64_t n;

		if (slice_number(one, 999, &n) && (n == code || (one.len == 1 && n == code / 100)))
			return true;
	}
	return false;
}

/* "x.7.*" fits "5.7.1"; "x.2.2" fits "4.2.2". */
static bool enhanced_fits(const char *list, struct slice enhanced)
{
	struct slice rest = slice_of(list), tail = slice_skip(enhanced, 1);

	if (rest.len == 0)
		return true;
	while (rest.len > 0 && enhanced.len > 0) {
		struct slice one = slice_skip(slice_until(&rest, ' '), 1);
		bool open = one.ptr[one.len - 1] == '*';

		if (open ? slice_starts(tail, slice_head(one, one.len - 1)) : slice_is(tail, one))
			return true;
	}
	return false;
}

static bool rule_fits(const struct verdict_rule *rule, const struct heard *heard, const struct folded *folded)
{
	return (rule->stages == 0 || rule->stages & (1u << heard->stage)) && codes_fit(rule->codes, heard->code) &&
	       enhanced_fits(rule->enhanced, heard->enhanced) && words_fit(rule->words, folded);
}

/* What stage and first digit say. Before MAIL nothing is about a message: another host may be better disposed
 * (REQUIREMENTS SES-7). */
static struct verdict by_stage(enum stage stage, unsigned code)
{
	struct verdict verdict = {.action = code / 100 == 5 ? ACTION_NEVER : ACTION_LATER};

	switch (stage) {
	case STAGE_CONNECT:
	case STAGE_EHLO:
		verdict.action = ACTION_ELSEWHERE;
		verdict.scope = SCOPE_CONNECTION;
		break;
	case STAGE_STARTTLS:
	case STAGE_AUTH:
		verdict.action = ACTION_LATER;
		verdict.scope = SCOPE_SITE;
		break;
	case STAGE_RCPT: verdict.scope = SCOPE_RECIPIENT; break;
	default: verdict.scope = SCOPE_MESSAGE;
	}
	return verdict;
}

/* Whatever the words: 421 takes the connection with it (RFC 5321 3.8), and another host may be tried as long as this
 * one has not had the message. */
static void hold_to_421(struct verdict *verdict, enum stage stage)
{
	if (verdict->action == ACTION_SLOWER)
		return;
	verdict->action = stage == STAGE_EOM || stage == STAGE_DATA ? ACTION_LATER : ACTION_ELSEWHERE;
	verdict->scope = SCOPE_CONNECTION;
}

/* "in 300 seconds", "after 5 min", "for 60 seconds": a number with a unit, wherever it stands. Zero if none. */
static uint32_t retry_after(const struct folded *folded)
{
	static const struct unit {
		struct slice name;
		uint32_t seconds;
	} units[] = {{{"sec", 3}, 1}, {{"s ", 2}, 1}, {{"min", 3}, 60}, {{"hour", 4}, 3600}};

	for (size_t i = 0; i < folded->len; i++) {
		struct slice rest = {folded->text + i, folded->len - i};
		uint64_t n;
		size_t digits = 0;

		while (digits < rest.len && digits < 5 && is_digit(rest.ptr[digits]))
			digits++;
		if (digits == 0 || (i > 0 && folded->text[i - 1] != ' '))
			continue;
		slice_number(slice_head(rest, digits), 99999, &n);
		rest = slice_skip(rest, digits);
		take_byte(&rest, ' ');
		for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++)
			if (slice_starts(rest, units[u].name) || slice_is(rest, slice_trim(units[u].name)))
				return (uint32_t)n * units[u].seconds;
	}
	return 0;
}

static struct verdict by_rules(const struct heard *heard)
{
	struct verdict verdict = by_stage(heard->stage, heard->code);
	const struct verdict_rule *rule = verdict_rules;
	struct folded folded;

	fold(&folded, heard->text);
	while (!rule_fits(rule, heard, &folded))
		rule++; /* the last row fits every 4yz and 5yz */
	verdict.rule = rule->name;
	verdict.category = rule->category;
	if (rule->action == ACTION_SLOWER || (rule->action != ACTION_COUNT && heard->stage >= STAGE_MAIL))
		verdict.action = rule->action;
	if (rule->scope != SCOPE_COUNT)
		verdict.scope = rule->scope;
	if (heard->code == 421)
		hold_to_421(&verdict, heard->stage);
	verdict.suppress = rule->suppress && verdict.action == ACTION_NEVER && verdict.scope == SCOPE_RECIPIENT;
	if (verdict.action == ACTION_LATER || verdict.action == ACTION_SLOWER)
		verdict.retry_after_s = retry_after(&folded);
	return verdict;
}

struct verdict verdict_of(const struct heard *heard)
{
	if (heard->code == 0)
		return (struct verdict){ACTION_LATER, SCOPE_CONNECTION, CATEGORY_NETWORK, .rule = "no-reply"};
	if (heard->code / 100 == 2 && heard->stage == STAGE_EOM)
		return (struct verdict){ACTION_DELIVERED, SCOPE_MESSAGE, CATEGORY_NONE, .rule = "accepted"};
	if (heard->code / 100 != 4 && heard->code / 100 != 5)
		return (struct verdict){ACTION_LATER, SCOPE_CONNECTION, CATEGORY_PROTOCOL, .rule = "out-of-place"};
	return by_rules(heard);
}
