/* A reply begins with the bytes of the question, so a name that ends in the name asked for ends in a pointer to it;
 * other names are written out. Records that find no room are left out: what is too long for UDP becomes the TC bit. */
#include "bench/nameserver/reply.h"

#include "base/random.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_SIZE = 12, OPT_SIZE = 11, NAME_TEXT_MAX = 512 };

struct question {
	char room[256];
	struct slice name; /* in room, lower case */
	uint16_t type;
	size_t end;	/* where it ends in the packet */
	size_t udp_max; /* what the asker takes */
	bool has_opt;
};

struct reply_counts reply_counts;

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(unsigned char *p, unsigned n)
{
	p[0] = (unsigned char)(n >> 8);
	p[1] = (unsigned char)n;
}

/* The name, type and EDNS size; false if it is no question. */
static bool question_read(struct question *question, const unsigned char *p, size_t len)
{
	size_t at = HEADER_SIZE, out = 0;

	if (len < HEADER_SIZE + 5 || (p[2] & 0xf8) != 0 || get16(p + 4) != 1)
		return false;
	while (at < len && p[at] != 0) {
		size_t label = p[at++];

		if (label > 63 || at + label >= len || out + label + 1 > sizeof(question->room))
			return false;
		if (out > 0)
			question->room[out++] = '.';
		for (size_t i = 0; i < label; i++, at++)
			question->room[out++] = (char)(p[at] >= 'A' && p[at] <= 'Z' ? p[at] + 32 : p[at]);
	}
	if (at + 5 > len)
		return false;
	question->name = (struct slice){question->room, out};
	question->type = get16(p + at + 1);
	question->end = at + 5;
	question->udp_max = 512;
	question->has_opt =
		get16(p + 10) > 0 && at + 5 + OPT_SIZE <= len && p[at + 5] == 0 && get16(p + at + 6) == TYPE_OPT;
	if (question->has_opt && get16(p + at + 8) > 512)
		question->udp_max = get16(p + at + 8) < REPLY_UDP_MAX ? get16(p + at + 8) : REPLY_UDP_MAX;
	return true;
}

/* The decimal digits of n at room; how many. */
static size_t digits(char *room, unsigned n)
{
	return (size_t)snprintf(room, 12, "%u", n);
}

/* The text of a template: $ is the domain, # the index, %[a-b] a number drawn by seed. */
static struct slice expand(char *room, struct slice template, struct slice domain, unsigned index, uint64_t seed)
{
	struct random random = random_seeded(seed);
	size_t len = 0;
	unsigned from, to;
	int used;

	for (; template.len > 0 && len + 300 < NAME_TEXT_MAX; template = slice_skip(template, 1)) {
		char text[40];

		snprintf(text, sizeof(text), "%.*s", SLICE_ARG(slice_head(template, sizeof(text) - 1)));
		if (template.ptr[0] == '$') {
			memcpy(room + len, domain.ptr, domain.len);
			len += domain.len;
		} else if (template.ptr[0] == '#')
			len += digits(room + len, index);
		else if (sscanf(text, "%%[%u-%u]%n", &from, &to, &used) == 2 && from <= to) {
			len += digits(room + len, from + (unsigned)random_below(&random, to - from + 1u));
			template = slice_skip(template, (size_t)used - 1);
		} else
			room[len++] = template.ptr[0];
	}
	return (struct slice){room, len};
}

/* In wire form, with a pointer to the question's name where it ends in that. Its length. */
static size_t name_put(unsigned char *p, struct slice name, const struct question *question)
{
	size_t len = 0;

	while (name.len > 0 && !slice_is(name, SLICE("."))) {
		if (question->name.len && slice_is(name, question->name)) {
			put16(p + len, 0xc000 | HEADER_SIZE);
			return len + 2;
		}
		struct slice label = slice_head(slice_until(&name, '.'), 63);

		p[len++] = (unsigned char)label.len;
		memcpy(p + len, label.ptr, label.len);
		len += label.len;
	}
	p[len++] = 0;
	return len;
}

/* One record about the name asked for. */
static void record_put(struct reply *reply, unsigned section, uint16_t type, unsigned ttl_s, const void *data,
		       size_t len)
{
	unsigned char *p = reply->bytes + reply->len;

	if (reply->len + 12 + len + OPT_SIZE > REPLY_MAX)
		return;
	put16(p, 0xc000 | HEADER_SIZE);
	put16(p + 2, type);
	put16(p + 4, 1);
	put16(p + 6, ttl_s >> 16);
	put16(p + 8, ttl_s);
	put16(p + 10, (unsigned)len);
	memcpy(p + 12, data, len);
	reply->len += 12 + len;
	put16(reply->bytes + section, get16(reply->bytes + section) + 1u);
}

enum { SECTION_ANSWER = 6, SECTION_AUTHORITY = 8, SECTION_ADDITIONAL = 10 };

static void address_put(struct reply *reply, const struct question *question, struct slice template, uint64_t seed,
			unsigned ttl_s)
{
	char text[NAME_TEXT_MAX];
	unsigned char ip[16];
	struct slice expanded = expand(text, template, SLICE_NONE, 0, seed);
	bool is_v6 = slice_find(expanded, ':') < expanded.len;

	text[expanded.len] = '\0';
	if (question->type == (is_v6 ? TYPE_AAAA : TYPE_A) && inet_pton(is_v6 ? AF_INET6 : AF_INET, text, ip) == 1)
		record_put(reply, SECTION_ANSWER, question->type, ttl_s, ip, is_v6 ? 16 : 4);
}

static void text_put(struct reply *reply, struct slice text, unsigned ttl_s)
{
	unsigned char data[256];

	text = slice_head(text, 255);
	data[0] = (unsigned char)text.len;
	memcpy(data + 1, text.ptr, text.len);
	record_put(reply, SECTION_ANSWER, TYPE_TXT, ttl_s, data, 1 + text.len);
}

static void entry_put(struct reply *reply, const struct question *question, const struct entry *entry, unsigned ttl_s)
{
	unsigned char data[NAME_TEXT_MAX + 2];
	char text[NAME_TEXT_MAX];
	uint64_t seed = slice_hash(question->name);

	for (unsigned n = 1; n <= entry->times; n++) {
		struct slice name = expand(text, entry->name, question->name, n, seed);

		put16(data, entry->preference);
		if (entry->type == TYPE_MX && question->type == TYPE_MX)
			record_put(reply, SECTION_ANSWER, TYPE_MX, ttl_s, data, 2 + name_put(data + 2, name, question));
		else if (entry->type == TYPE_CNAME)
			record_put(reply, SECTION_ANSWER, TYPE_CNAME, ttl_s, data, name_put(data, name, question));
		else if (entry->type == TYPE_TXT && question->type == TYPE_TXT)
			text_put(reply, entry->name, ttl_s);
		else if (entry->type != TYPE_MX)
			for (unsigned i = 0; i < entry->naddresses; i++)
				address_put(reply, question, entry->addresses[i], seed + n - 1, ttl_s);
	}
}

/* The records, or the SOA that says for how long there are none. */
static void records_put(struct reply *reply, const struct question *question, const struct match *match)
{
	unsigned char soa[22] = {0};
	unsigned ttl_s = match->rule ? match->rule->ttl_s : 300, rcode = match->rule ? match->rule->rcode : 3;

	if (match->host) {
		for (unsigned i = 0; i < match->host->naddresses; i++)
			address_put(reply, question, match->host->addresses[i],
				    slice_hash(match->domain) + match->index, ttl_s);
	} else {
		for (unsigned i = 0; match->rule && i < match->rule->nentries; i++)
			entry_put(reply, question, &match->rule->entries[i], ttl_s);
		reply->bytes[3] |= (unsigned char)rcode;
	}
	put16(soa + 18, ttl_s >> 16);
	put16(soa + 20, ttl_s);
	if (get16(reply->bytes + SECTION_ANSWER) == 0 && (reply->bytes[3] & 15) % 3 == 0)
		record_put(reply, SECTION_AUTHORITY, TYPE_SOA, ttl_s, soa, sizeof(soa));
}

static void opt_put(struct reply *reply)
{
	unsigned char *p = reply->bytes + reply->len;

	memset(p, 0, OPT_SIZE);
	put16(p + 1, TYPE_OPT);
	put16(p + 3, REPLY_UDP_MAX);
	reply->len += OPT_SIZE;
	put16(reply->bytes + SECTION_ADDITIONAL, 1);
}

/* Only the question again, without records. */
static void reply_begin(struct reply *reply, const struct question *question, const unsigned char *bytes)
{
	memcpy(reply->bytes, bytes, question->end);
	reply->bytes[2] = 0x84 | (bytes[2] & 1); /* answer, authoritative; RD as asked */
	reply->bytes[3] = 0x80;
	memset(reply->bytes + 6, 0, 6);
	reply->len = question->end;
}

static void reply_spoil(struct reply *reply, const struct rule *rule)
{
	if (rule->wrong_id)
		reply->bytes[0] ^= 0x55;
	if (rule->wrong_question)
		reply->bytes[HEADER_SIZE + 1] ^= 1;
	if (!rule->garbage)
		return;
	put16(reply->bytes + SECTION_ANSWER, 20); /* twenty records, the first one's name a pointer to itself */
	put16(reply->bytes + reply->len, 0xc000u | (unsigned)reply->len);
	reply->len += 2;
}

static void count_question(const struct question *question, bool over_tcp)
{
	reply_counts.tcp += over_tcp;
	switch (question->type) {
	case TYPE_MX: reply_counts.mx++; break;
	case TYPE_A: reply_counts.a++; break;
	case TYPE_AAAA: reply_counts.aaaa++; break;
	default: reply_counts.other++;
	}
}

bool reply_make(struct reply *reply, const unsigned char *bytes, size_t len, bool over_tcp)
{
	struct question question;

	reply_counts.questions++;
	if (!question_read(&question, bytes, len)) {
		reply_counts.bad++;
		return false;
	}
	count_question(&question, over_tcp);
	struct match match = rules_match(question.name);

	if (match.rule && (match.rule->drop || reply_counts.questions * 61 % 100 < match.rule->lose_percent)) {
		reply_counts.dropped++;
		return false;
	}
	reply_begin(reply, &question, bytes);
	reply->delay_ms = match.rule ? match.rule->delay_ms : 0;
	records_put(reply, &question, &match);
	if (!over_tcp && (reply->len + OPT_SIZE > question.udp_max || (match.rule && match.rule->truncate))) {
		reply_counts.truncated++;
		reply_begin(reply, &question, bytes);
		reply->bytes[2] |= 2;
	}
	if (question.has_opt)
		opt_put(reply);
	if (match.rule)
		reply_spoil(reply, match.rule);
	reply_counts.answered++;
	return true;
}
