/* Three steps. Stage and first digit give action and scope (what a reply can mean where it was said); the rules then
 * name the category and may change both; last, what must hold whatever a rule says: 421 ends a connection, and only a
 * permanent refusal of a recipient as invalid may suppress an address.
 *
 * Success is answered first, before any text is looked at, because nearly all replies are one. For the others the text
 * becomes words (verdict_words.c), one pass over them finds the phrases of all rules (verdict_phrases.c), and of the
 * rules that have none or had one found the first whose gate is open decides: its stages, codes and site.
 *
 * Rejected: regular expressions (a row of phrases is read by an administrator), and weights (nobody can say why they
 * said what they said). */
#include "smtp/verdict.h"

#include "base/check.h"
#include "smtp/verdict_detail.h"
#include "smtp/verdict_phrases.h"
#include "smtp/verdict_rules.h"

#include <pthread.h>
#include <string.h>

const struct verdict_table *const verdict_tables[] = {
	&verdict_rules_sure, &verdict_rules_sites,   &verdict_rules_source, &verdict_rules_message,
	&verdict_rules_way,  &verdict_rules_mailbox, &verdict_rules_codes,
};
const unsigned verdict_tables_count = sizeof(verdict_tables) / sizeof(verdict_tables[0]);

enum { CODES_MAX = 8, ENHANCED_LIST_MAX = 16, RULES_MAX = 256, ANY = 0xFFFF };

/* "x.7.1" without its class; detail may be ANY. */
struct status {
	uint16_t subject, detail;
};

/* What of a rule is not its words, ready to be compared. */
struct gate {
	const struct verdict_rule *rule;
	uint16_t codes[CODES_MAX]; /* whole codes, or first digits below 10 */
	struct status statuses[ENHANCED_LIST_MAX];
	uint8_t ncodes, nstatuses;
	int16_t site; /* phrase number of its marks; -1: anybody */
};

static struct {
	struct gate gates[RULES_MAX];
	unsigned count;
	struct phrases *phrases; /* numbers of the rules, and after them of the sites */
	struct phrases_found wordless;
} book;

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes one to three digits; false if there are none. */
static bool take_number(struct slice *s, uint16_t *number)
{
	size_t n = 0;

	*number = 0;
	while (n < s->len && n < 3 && is_digit(s->ptr[n]))
		*number = (uint16_t)(*number * 10 + s->ptr[n++] - '0');
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

/* ".1.10" */
static bool take_status(struct slice *s, struct status *status)
{
	return take_byte(s, '.') && take_number(s, &status->subject) && take_byte(s, '.') &&
	       take_number(s, &status->detail);
}

void verdict_split(unsigned code, struct slice line, struct slice *enhanced, struct slice *text)
{
	struct slice rest = line;
	struct status status;

	*enhanced = SLICE_NONE;
	*text = line;
	if (!take_byte(&rest, (char)('0' + code / 100)) || !take_status(&rest, &status))
		return;
	if (code / 100 == 3 || (rest.len > 0 && rest.ptr[0] != ' ' && rest.ptr[0] != '\n'))
		return;
	*enhanced = slice_head(line, line.len - rest.len);
	take_byte(&rest, ' ');
	*text = rest;
}

/* ---- The book of rules, made once. */

static void read_codes(struct gate *gate)
{
	struct slice rest = slice_of(gate->rule->codes);

	while (rest.len > 0) {
		uint64_t code;

		CHECK(slice_number(slice_until(&rest, ' '), 599, &code));
		CHECK(gate->ncodes < CODES_MAX);
		gate->codes[gate->ncodes++] = (uint16_t)code;
	}
	CHECK(gate->ncodes > 0);
}

static void read_statuses(struct gate *gate)
{
	struct slice rest = slice_of(gate->rule->enhanced);

	while (rest.len > 0) {
		struct slice one = slice_until(&rest, ' ');
		struct status status = {0, ANY};

		CHECK(gate->nstatuses < ENHANCED_LIST_MAX);
		CHECK(take_byte(&one, 'x') && take_byte(&one, '.') && take_number(&one, &status.subject));
		CHECK(take_byte(&one, '.') && (take_byte(&one, '*') || take_number(&one, &status.detail)));
		if (one.len > 0 || (status.detail == 0 && one.ptr[-1] == '*'))
			status.detail = ANY;
		gate->statuses[gate->nstatuses++] = status;
	}
}

static int16_t site_called(const char *name, unsigned nrules)
{
	if (name[0] == '\0')
		return -1;
	for (unsigned i = 0; i < verdict_sites_count; i++)
		if (strcmp(verdict_sites[i].name, name) == 0)
			return (int16_t)(nrules + i);
	CHECK(!"a rule names a site that is not in the list");
	return -1;
}

static unsigned count_rules(void)
{
	unsigned count = 0;

	for (unsigned t = 0; t < verdict_tables_count; t++)
		count += verdict_tables[t]->count;
	return count;
}

static void add_rule(const struct verdict_rule *rule, unsigned nrules)
{
	unsigned number = book.count++;
	struct gate *gate = &book.gates[number];

	gate->rule = rule;
	gate->site = site_called(rule->site, nrules);
	read_codes(gate);
	read_statuses(gate);
	if (rule->words[0])
		phrases_add(book.phrases, number, rule->words);
	else
		book.wordless.bits[number / 64] |= UINT64_C(1) << (number % 64);
}

static void make_book(void)
{
	unsigned nrules = count_rules();

	CHECK(nrules <= RULES_MAX);
	CHECK(nrules + verdict_sites_count <= PHRASES_RULES_MAX);
	book.phrases = phrases_new();
	for (unsigned t = 0; t < verdict_tables_count; t++)
		for (unsigned i = 0; i < verdict_tables[t]->count; i++)
			add_rule(&verdict_tables[t]->rules[i], nrules);
	for (unsigned i = 0; i < verdict_sites_count; i++)
		phrases_add(book.phrases, nrules + i, verdict_sites[i].marks);
	phrases_build(book.phrases);
}

/* ---- One reply. */

/* What the gates compare with. */
struct case_at_hand {
	const struct heard *heard;
	struct status status;
	bool has_status;
	struct phrases_found found;
};

static bool codes_fit(const struct gate *gate, unsigned code)
{
	for (unsigned i = 0; i < gate->ncodes; i++)
		if (gate->codes[i] == code || gate->codes[i] == code / 100)
			return true;
	return false;
}

static bool status_fits(const struct gate *gate, const struct case_at_hand *at_hand)
{
	for (unsigned i = 0; i < gate->nstatuses && at_hand->has_status; i++)
		if (gate->statuses[i].subject == at_hand->status.subject &&
		    (gate->statuses[i].detail == ANY || gate->statuses[i].detail == at_hand->status.detail))
			return true;
	return gate->nstatuses == 0;
}

static bool site_fits(const struct gate *gate, const struct case_at_hand *at_hand)
{
	return gate->site < 0 || phrases_has(&at_hand->found, (unsigned)gate->site) ||
	       slice_is(at_hand->heard->provider, slice_of(gate->rule->site));
}

static bool gate_is_open(const struct gate *gate, const struct case_at_hand *at_hand)
{
	unsigned stages = gate->rule->stages;

	return (stages == 0 || stages & (1u << at_hand->heard->stage)) && codes_fit(gate, at_hand->heard->code) &&
	       status_fits(gate, at_hand) && site_fits(gate, at_hand);
}

/* The last rule fits every 4yz and 5yz. */
static const struct verdict_rule *rule_for(const struct case_at_hand *at_hand)
{
	for (unsigned w = 0; w < (book.count + 63) / 64; w++) {
		uint64_t bits = at_hand->found.bits[w] | book.wordless.bits[w];

		for (; bits; bits &= bits - 1) {
			unsigned number = w * 64 + (unsigned)__builtin_ctzll(bits);

			if (number < book.count && gate_is_open(&book.gates[number], at_hand))
				return book.gates[number].rule;
		}
	}
	CHECK(!"the last rule did not fit");
	return NULL;
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

static bool may_suppress(enum suppress suppress, const struct case_at_hand *at_hand)
{
	struct status status = at_hand->status;
	bool coded = at_hand->has_status && status.subject == 1 &&
		     (status.detail == 1 || status.detail == 6 || status.detail == 10);

	return at_hand->heard->stage == STAGE_RCPT && at_hand->heard->code / 100 == 5 &&
	       (suppress == SUPPRESS || (suppress == SUPPRESS_IF_CODED && coded));
}

static void apply(struct verdict *verdict, const struct verdict_rule *rule, const struct case_at_hand *at_hand)
{
	enum stage stage = at_hand->heard->stage;

	verdict->rule = rule->name;
	verdict->category = rule->category;
	if (rule->action == ACTION_SLOWER || (rule->action != ACTION_BY_STAGE && stage >= STAGE_MAIL))
		verdict->action = rule->action;
	if (rule->scope != SCOPE_BY_STAGE &&
	    (stage >= STAGE_MAIL || rule->scope == SCOPE_LANE || rule->scope == SCOPE_SITE))
		verdict->scope = rule->scope;
	if (rule->category == CATEGORY_REPUTATION && at_hand->heard->code / 100 == 4)
		verdict->action = ACTION_SLOWER; /* "not yet" for what came before means: less of it */
	if (at_hand->heard->code == 421)
		hold_to_421(verdict, stage);
	verdict->suppress = may_suppress(rule->suppress, at_hand) && verdict->action == ACTION_NEVER &&
			    verdict->scope == SCOPE_RECIPIENT;
}

static struct verdict by_rules(const struct heard *heard)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct verdict verdict = by_stage(heard->stage, heard->code);
	struct case_at_hand at_hand = {.heard = heard};
	struct verdict_words words;

	pthread_once(&once, make_book);
	verdict_words_of(&words, heard->code, heard->text);
	phrases_find(book.phrases, &words, &at_hand.found);

	struct slice enhanced = slice_skip(heard->enhanced.len ? heard->enhanced : words.enhanced, 1);

	at_hand.has_status = enhanced.len > 0 && take_status(&enhanced, &at_hand.status);
	apply(&verdict, rule_for(&at_hand), &at_hand);
	if (verdict.action == ACTION_LATER || verdict.action == ACTION_SLOWER)
		verdict.retry_after_s = verdict_wait(&words);
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
