/* A rule is taken apart once, into records with templates and flags; what a template means is decided when a name is
 * asked for. A made-up host is recognised by running its template backwards: mx.$ fits mx.d1.test with $ = d1.test,
 * and if the rule's pattern fits d1.test, the host exists. So 100,000 domains need no memory. */
#include "bench/nameserver/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rule rules[RULES_MAX];
static unsigned nrules;

const char rules_help[] =
	"usage: nameserver --listen ADDR:PORT [--rule 'PATTERN ANSWER']... [--rules FILE] [--counts]\n"
	"Prints `listening ADDR:PORT` when ready; port 0 takes a free one. SIGTERM ends it; --counts then prints "
	"counts.\n"
	"\n"
	"The first rule whose PATTERN (a glob, * and ?) fits the name answers; no rule fits: NXDOMAIN. Without any "
	"rule\n"
	"there is one: * mx 10 mx.$ 127.0.0.1. In a file each line is a rule; one that begins with # is a remark.\n"
	"ANSWER is a list of items, separated by `,` or `then`:\n"
	"  mx PREF HOST [ADDR...]   an MX; with addresses, HOST itself is answered for too\n"
	"  a ADDR... / aaaa ADDR... addresses of the name\n"
	"  cname NAME               \n"
	"  txt TEXT                 one string, up to the next item\n"
	"  nullmx / empty           MX 0 . (RFC 7505) / nothing of any type\n"
	"  nxdomain servfail refused formerr     that code\n"
	"  drop / lose PERCENT      no answer / none to that share of the questions\n"
	"  delay MS                 the answer comes later (UDP)\n"
	"  truncate                 over UDP only the TC bit; all over TCP\n"
	"  wrong-id wrong-question garbage       an answer to something else, or to nothing\n"
	"  ttl S                    of the records and of what is not there; 300\n"
	"  times N ITEM             the mx or address N times; # in HOST is 1 to N\n"
	"In HOST and NAME $ is the domain. In ADDR %[1-250] is a number chosen by the domain's name, always the same.\n"
	"  nameserver --listen 127.0.0.1:0 --rule 'd7.test delay 300 then servfail' \\\n"
	"             --rule '*.test mx 10 mx.$ 127.0.%[0-3].%[1-250], mx 20 mx2.$ 127.0.9.9'\n";

_Noreturn static void rule_refuse(struct slice text, const char *why)
{
	fprintf(stderr, "nameserver: rule `%.*s`: %s; see --help\n", SLICE_ARG(text), why);
	exit(2);
}

static struct slice next_word(struct slice *text)
{
	*text = slice_trim(*text);
	return slice_until(text, ' ');
}

static unsigned next_number(struct slice *text, unsigned max, struct slice rule)
{
	uint64_t n;

	if (!slice_number(next_word(text), max, &n))
		rule_refuse(rule, "a number is missing, or too large");
	return (unsigned)n;
}

static struct entry *rule_entry(struct rule *rule, uint16_t type, struct slice text)
{
	if (rule->nentries == ENTRIES_MAX)
		rule_refuse(text, "more than 16 records");
	struct entry *entry = &rule->entries[rule->nentries++];

	*entry = (struct entry){.type = type, .times = 1};
	return entry;
}

static void entry_addresses(struct entry *entry, struct slice item, struct slice text)
{
	while ((item = slice_trim(item)).len > 0) {
		if (entry->naddresses == ADDRESSES_MAX)
			rule_refuse(text, "more than 4 addresses in one item");
		entry->addresses[entry->naddresses++] = next_word(&item);
	}
	if (entry->naddresses == 0 && entry->type != TYPE_MX)
		rule_refuse(text, "an address is missing");
}

static void rule_record(struct rule *rule, uint16_t type, struct slice item, struct slice text)
{
	struct entry *entry = rule_entry(rule, type, text);

	if (type == TYPE_MX)
		entry->preference = (uint16_t)next_number(&item, 65535, text);
	if (type == TYPE_MX || type == TYPE_CNAME)
		entry->name = next_word(&item);
	if ((type == TYPE_MX || type == TYPE_CNAME) && entry->name.len == 0)
		rule_refuse(text, "a name is missing");
	if (type != TYPE_CNAME)
		entry_addresses(entry, item, text);
}

static void rule_item(struct rule *rule, struct slice item, struct slice text)
{
	struct slice word = next_word(&item);
	const struct {
		const char *word;
		uint16_t type;
	} records[] = {{"mx", TYPE_MX}, {"a", TYPE_A}, {"aaaa", TYPE_AAAA}, {"cname", TYPE_CNAME}};
	const struct {
		const char *word;
		unsigned rcode;
	} rcodes[] = {{"empty", 0}, {"formerr", 1}, {"servfail", 2}, {"nxdomain", 3}, {"refused", 5}};
	const struct {
		const char *word;
		bool *flag;
	} flags[] = {{"drop", &rule->drop},
		     {"truncate", &rule->truncate},
		     {"wrong-id", &rule->wrong_id},
		     {"wrong-question", &rule->wrong_question},
		     {"garbage", &rule->garbage}};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		if (slice_is(word, slice_of(records[i].word))) {
			rule_record(rule, records[i].type, item, text);
			return;
		}
	for (size_t i = 0; i < sizeof(rcodes) / sizeof(rcodes[0]); i++)
		if (slice_is(word, slice_of(rcodes[i].word))) {
			rule->rcode = rcodes[i].rcode;
			return;
		}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (slice_is(word, slice_of(flags[i].word))) {
			*flags[i].flag = true;
			return;
		}
	if (slice_is(word, SLICE("txt")))
		rule_entry(rule, TYPE_TXT, text)->name = slice_trim(item);
	else if (slice_is(word, SLICE("nullmx")))
		rule_entry(rule, TYPE_MX, text)->name = SLICE(".");
	else if (slice_is(word, SLICE("delay")))
		rule->delay_ms = next_number(&item, 60000, text);
	else if (slice_is(word, SLICE("lose")))
		rule->lose_percent = next_number(&item, 100, text);
	else if (slice_is(word, SLICE("ttl")))
		rule->ttl_s = next_number(&item, INT32_MAX, text);
	else if (slice_is(word, SLICE("times"))) {
		unsigned times = next_number(&item, 10000, text), before = rule->nentries;

		rule_item(rule, item, text);
		if (rule->nentries == before)
			rule_refuse(text, "`times` wants a record behind it");
		rule->entries[before].times = times;
	} else
		rule_refuse(text, "an item is none of those known");
}

/* The text must live on. */
void rules_add(struct slice text)
{
	struct slice rest = text;
	struct rule *rule = &rules[nrules];

	if (nrules == RULES_MAX)
		rule_refuse(text, "more than 512 rules");
	*rule = (struct rule){.pattern = next_word(&rest), .ttl_s = 300};
	nrules++;
	while ((rest = slice_trim(rest)).len > 0) {
		size_t end = slice_find(rest, ',');

		for (size_t i = 0; i + 6 <= end; i++)
			if (memcmp(rest.ptr + i, " then ", 6) == 0)
				end = i;
		rule_item(rule, slice_head(rest, end), text);
		rest = slice_skip(rest, end < rest.len && rest.ptr[end] == ' ' ? end + 6 : end + 1);
	}
}

void rules_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!file) {
		fprintf(stderr, "nameserver: cannot read rules from %s: %s\n", path, strerror(errno));
		exit(2);
	}
	while ((len = getline(&line, &size, file)) >= 0) {
		struct slice text = slice_trim((struct slice){line, (size_t)len});

		if (text.len > 0 && text.ptr[0] != '#')
			rules_add(slice_of(slice_copy(text)));
	}
	free(line);
	fclose(file);
}

static bool glob_fits(struct slice pattern, struct slice name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, from = 0;

	while (n < name.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			from = n;
		} else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == name.ptr[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++from;
		} else
			return false;
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}

/* Is name the host that the template makes of some domain? Then that domain, and the number # stands for. */
static bool host_fits(struct slice template, struct slice name, struct slice *domain, unsigned *index)
{
	*domain = name;
	*index = 0;
	while (template.len > 0 && name.len > 0) {
		if (template.ptr[0] == '$') {
			*domain = slice_head(name, name.len - (template.len - 1));
			return name.len >= template.len &&
			       slice_is(slice_skip(name, domain->len), slice_skip(template, 1));
		}
		if (template.ptr[0] == '#') {
			if (name.ptr[0] < '0' || name.ptr[0] > '9')
				return false;
			for (; name.len && name.ptr[0] >= '0' && name.ptr[0] <= '9'; name = slice_skip(name, 1))
				*index = *index * 10 + (unsigned)(name.ptr[0] - '0');
		} else if (template.ptr[0] != name.ptr[0])
			return false;
		else
			name = slice_skip(name, 1);
		template = slice_skip(template, 1);
	}
	return template.len == 0 && name.len == 0;
}

struct match rules_match(struct slice name)
{
	for (unsigned i = 0; i < nrules; i++) {
		struct match match = {.rule = &rules[i], .domain = name};

		for (unsigned k = 0; k < rules[i].nentries; k++) {
			const struct entry *entry = &rules[i].entries[k];

			if (entry->type != TYPE_MX || entry->naddresses == 0 ||
			    !host_fits(entry->name, name, &match.domain, &match.index))
				continue;
			match.host = entry;
			if (slice_find(entry->name, '$') == entry->name.len ||
			    glob_fits(rules[i].pattern, match.domain))
				return match;
		}
		match = (struct match){.rule = &rules[i], .domain = name};
		if (glob_fits(rules[i].pattern, name))
			return match;
	}
	return (struct match){.domain = name};
}
