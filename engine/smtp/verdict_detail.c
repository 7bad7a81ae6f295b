/* The wait is a number with a unit, in any of a dozen languages, not far behind a word that asks to come again: "100
 * messages in 60 seconds" tells a limit, not a wait. Numbers with units are rare, so the asking word is looked for only
 * behind one.
 *
 * A list is known by its name, or by what is said before it ("blocked using x.example"). The name is widened to the
 * host it stands in; one in a link counts only where there is no other. */
#include "smtp/verdict_detail.h"

#include <string.h>
#include <strings.h>

enum { ASKED_BEFORE_MAX = 72, WAIT_MAX_S = 7 * 86400, LOOKED_AT_MAX = 4096 };

static const struct unit {
	const char *name;
	uint32_t seconds;
} units[] = {
	{"sec", 1},	 {"seg", 1},	   {"sek", 1},	   {"сек", 1},	   {"秒", 1},	    {"min", 60},
	{"мин", 60},	 {"分", 60},	   {"hour", 3600}, {"hr", 3600},   {"heure", 3600}, {"stund", 3600},
	{"hora", 3600},	 {"ora ", 3600},   {"ore ", 3600}, {"godz", 3600}, {"hodin", 3600}, {"час", 3600},
	{"小时", 3600},	 {"小時", 3600},   {"時間", 3600}, {"day", 86400}, {"tag", 86400},  {"jour", 86400},
	{"dias", 86400}, {"giorn", 86400}, {"dni", 86400}, {"天", 86400},  {"s ", 1},	    {"m ", 60},
	{"h ", 3600},
};

/* Beginnings of words, but for those of other scripts. */
static const char *const asking[] = {
	" again", " retry",  " try",	" wait",  " back",   " delay",	" greylist", " graylist", " later",
	" slow",  " erneut", " noch",	" wart",  " reess",  " attend", " inten",    " reinten",  " esper",
	" tente", " aguard", " riprov", " ponow", " poczek", " sprob",	" zkus",     " pock",	  "повтор",
	"попроб", "подожд",  "через",	"请",	  "請",	     "稍",	"再",	     " defer",	  " grey"};
static const char *const asked_after[] = {"later", "后", "後", "以后", "以後", "before retry", "spater", "plus tard"};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_asked(const struct verdict_words *words, size_t from, size_t to)
{
	size_t begin = from > ASKED_BEFORE_MAX ? from - ASKED_BEFORE_MAX : 0;

	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++)
		if (memmem(words->text + begin, from - begin, asking[i], strlen(asking[i])))
			return true;
	for (size_t i = 0; i < sizeof(asked_after) / sizeof(asked_after[0]); i++) {
		size_t room = words->len - to < 24 ? words->len - to : 24;

		if (memmem(words->text + to, room, asked_after[i], strlen(asked_after[i])))
			return true;
	}
	return false;
}

/* Takes "05" and the blank behind it. */
static bool take_two_digits(struct slice *s, uint32_t *n)
{
	if (s->len < 3 || !is_digit(s->ptr[0]) || !is_digit(s->ptr[1]) || s->ptr[2] != ' ')
		return false;
	*n = (uint32_t)(s->ptr[0] - '0') * 10 + (uint32_t)(s->ptr[1] - '0');
	*s = slice_skip(*s, 3);
	return true;
}

/* "00:05:00", whose colons are blanks by now. */
static uint32_t clock_of(struct slice rest)
{
	uint32_t hours, minutes, seconds;

	if (!take_two_digits(&rest, &hours) || !take_two_digits(&rest, &minutes) || !take_two_digits(&rest, &seconds))
		return 0;
	return minutes < 60 && seconds < 60 ? hours * 3600 + minutes * 60 + seconds : 0;
}

/* "300 seconds", "5min", "300s"; *taken says how long it is. */
static uint32_t span_of(struct slice rest, size_t *taken)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < rest.len && digits < 6 && is_digit(rest.ptr[digits]))
		digits++;
	if (!slice_number(slice_head(rest, digits), 999999, &n))
		return 0;
	struct slice unit = slice_skip(rest, digits);

	if (unit.len > 0 && unit.ptr[0] == ' ')
		unit = slice_skip(unit, 1);
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++)
		if (slice_starts(unit, slice_of(units[u].name))) {
			*taken = (size_t)(unit.ptr - rest.ptr);
			n *= units[u].seconds;
			return n < WAIT_MAX_S ? (uint32_t)n : WAIT_MAX_S;
		}
	return 0;
}

uint32_t verdict_wait(const struct verdict_words *words)
{
	for (size_t i = 1; i < words->len; i++) {
		struct slice rest = {words->text + i, words->len - i};
		uint32_t wait;
		size_t taken = 8;

		if (!is_digit(words->text[i]) || words->text[i - 1] != ' ')
			continue;
		wait = clock_of(rest);
		if (wait == 0)
			wait = span_of(rest, &taken);
		if (wait > 0 && is_asked(words, i, i + taken))
			return wait;
	}
	return 0;
}

/* ---- What is named. */

static const char *const lists[] = {"spamhaus",	     "spamcop", "barracuda", "sorbs",	    "uceprotect",  "surbl",
				    "uribl",	     "abusix",	"mailspike", "senderscore", "invaluement", "nixspam",
				    "hostkarma",     "psbl",	"spamrats",  "spfbl",	    "abuseat",	   "cloudmark",
				    "backscatterer", "dnsbl",	"rbl."};
static const char *const said_before[] = {"blocked using ", "listed at ",      "listed in ", "listed by ",
					  "listed on ",	    "blacklisted by ", "list at "};

static bool is_of_host(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-';
}

/* The first place, in any case of letters; text.len if there is none. */
static size_t place_of(struct slice text, const char *what)
{
	struct slice wanted = slice_of(what);

	for (size_t i = 0; i + wanted.len <= text.len; i++)
		if ((text.ptr[i] | 32) == (wanted.ptr[0] | 32) && slice_starts_nocase(slice_skip(text, i), wanted))
			return i;
	return text.len;
}

static struct slice without_end(struct slice name)
{
	while (name.len > 0 && memchr(".,;:-)", name.ptr[name.len - 1], 6))
		name.len--;
	return name;
}

static struct slice host_around(struct slice text, size_t at)
{
	size_t begin = at, end = at;

	while (begin > 0 && is_of_host(text.ptr[begin - 1]))
		begin--;
	while (end < text.len && is_of_host(text.ptr[end]))
		end++;
	return without_end(slice_head(slice_skip(text, begin), end - begin));
}

static struct slice url_in(struct slice text)
{
	size_t at = place_of(text, "http://"), secure = place_of(text, "https://"), len = 0;
	struct slice rest = slice_skip(text, at < secure ? at : secure);

	while (len < rest.len && (unsigned char)rest.ptr[len] > ' ' && !strchr("<>\"", rest.ptr[len]))
		len++;
	return len > SLICE("https://").len ? without_end(slice_head(rest, len)) : SLICE_NONE;
}

static struct slice known_list(struct slice text)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		size_t at = place_of(text, lists[i]);

		if (at < text.len)
			return host_around(text, at);
	}
	return SLICE_NONE;
}

static struct slice list_in(struct slice text)
{
	for (size_t i = 0; i < sizeof(said_before) / sizeof(said_before[0]); i++) {
		size_t at = place_of(text, said_before[i]);
		struct slice name;

		if (at == text.len)
			continue;
		name = host_around(text, at + strlen(said_before[i]));
		if (slice_find(name, '.') < name.len)
			return name;
	}
	return known_list(text);
}

struct verdict_detail verdict_detail_of(struct slice text)
{
	struct verdict_detail detail;
	struct slice before, after;

	text = slice_head(text, LOOKED_AT_MAX);
	detail.url = url_in(text);
	if (detail.url.len == 0) {
		detail.list = list_in(text);
		return detail;
	}
	before = slice_head(text, (size_t)(detail.url.ptr - text.ptr));
	after = slice_skip(text, before.len + detail.url.len);
	detail.list = list_in(before);
	if (detail.list.len == 0)
		detail.list = list_in(after);
	if (detail.list.len == 0)
		detail.list = known_list(detail.url);
	return detail;
}
