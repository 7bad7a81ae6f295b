/* Values: from the text of the file to what the program keeps, and back to text. Each kind is a row: what it looks
 * like, how it is read, how it is printed. Numbers are decimal and nothing else: "010" would be 8 to some readers and
 * 10 to others, so it is refused. */
#include "config_values.h"

#include "base/check.h"
#include "queue/time.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A whole decimal number without leading zeros. */
static bool whole(struct slice text, uint64_t max, uint64_t *n, const char **why)
{
	if (text.len == 0 || text.ptr[0] < '0' || text.ptr[0] > '9')
		*why = text.len && text.ptr[0] == '-' ? "it may not be negative" : "a number is missing";
	else if (text.len > 1 && text.ptr[0] == '0')
		*why = "leading zeros are not allowed";
	else if (!slice_number(text, max, n))
		*why = "it is not a whole number, or too large";
	else
		return true;
	return false;
}

static uint64_t unit_ms(char unit)
{
	static const uint64_t ms[128] = {['s'] = 1000, ['m'] = 60000, ['h'] = 3600000, ['d'] = 86400000};

	return (unsigned char)unit < 128 ? ms[(unsigned char)unit] : 0;
}

bool config_duration(struct slice text, uint64_t *ms, const char **why)
{
	uint64_t n, unit = text.len ? unit_ms(text.ptr[text.len - 1]) : 0;

	if (unit == 0) {
		*why = "a duration ends in s, m, h or d";
		return false;
	}
	if (!whole(slice_head(text, text.len - 1), UINT32_MAX, &n, why))
		return false;
	*ms = n * unit;
	return true;
}

bool config_size(struct slice text, uint64_t *bytes, const char **why)
{
	static const char units[] = "kmg";
	const char *unit = text.len ? memchr(units, text.ptr[text.len - 1] | 0x20, 3) : NULL;
	uint64_t n;

	if (!whole(slice_head(text, text.len - (unit != NULL)), UINT32_MAX, &n, why))
		return false;
	*bytes = unit ? n << 10 * (unit - units + 1) : n;
	return true;
}

bool config_rate(struct slice text, struct rate *rate, const char **why)
{
	struct slice period = text, number = slice_until(&period, '/');
	uint64_t n, times = 1, unit = period.len ? unit_ms(period.ptr[period.len - 1]) : 0;

	if (number.len == text.len || unit == 0) {
		*why = "a rate looks like 100/s or 20/5m; the units are s, m, h and d";
		return false;
	}
	if (!whole(number, 1000000000, &n, why))
		return false;
	if (period.len > 1 && !whole(slice_head(period, period.len - 1), 1000000, &times, why))
		return false;
	if (n == 0 || times == 0) {
		*why = "0 makes no sense in a rate";
		return false;
	}
	*rate = (struct rate){.count = n, .period_ms = times * unit};
	rate->burst = n * 1000 / rate->period_ms;
	if (rate->burst == 0)
		rate->burst = 1;
	return true;
}

static bool in_bounds(const struct config_key *key, uint64_t n, const char **why)
{
	if (n >= key->min && (key->max == 0 || n <= key->max))
		return true;
	*why = n == 0 && key->min > 0 ? "0 makes no sense here" : "it is out of bounds";
	return false;
}

/* The position of the word in "none durable"; -1 if it is none of them. */
static int word_position(const char *words, struct slice text)
{
	struct slice rest = slice_of(words);

	for (int i = 0; rest.len; i++)
		if (slice_is(slice_until(&rest, ' '), text))
			return i;
	return -1;
}

struct reading {
	const struct config_key *key;
	const struct slice *texts; /* borrowed, but live as long as the configuration */
	unsigned ntexts;
	char *base; /* of the section's structure, or its limits */
	struct arena *arena;
	unsigned smtp_port;
	struct slice *at; /* the text that was wrong */
	const char **why;
};

static void *place_of(const struct reading *r)
{
	return r->base + r->key->offset;
}

static void set_count(const struct reading *r, unsigned n)
{
	memcpy(r->base + r->key->count_offset, &n, sizeof(n));
}

static bool read_text(struct reading *r)
{
	*(struct slice *)place_of(r) = r->texts[0];
	return true;
}

static bool read_texts(struct reading *r)
{
	struct slice *list = arena_alloc(r->arena, (r->ntexts + 1) * sizeof(*list));

	for (unsigned i = 0; i < r->ntexts; i++) {
		list[i] = *r->at = r->texts[i];
		*r->why = "an empty text is not allowed in a list";
		if (list[i].len == 0)
			return false;
	}
	*(struct slice **)place_of(r) = list;
	set_count(r, r->ntexts);
	return true;
}

static bool read_bool(struct reading *r)
{
	int yes = word_position("true yes on", r->texts[0]), no = word_position("false no off", r->texts[0]);

	*r->why = "it is neither true nor false";
	*(bool *)place_of(r) = yes >= 0;
	return yes >= 0 || no >= 0;
}

static bool read_number(struct reading *r)
{
	uint64_t n;

	if (!whole(r->texts[0], UINT32_MAX, &n, r->why) || !in_bounds(r->key, n, r->why))
		return false;
	*(unsigned *)place_of(r) = (unsigned)n;
	return true;
}

static bool read_big(struct reading *r)
{
	return whole(r->texts[0], INT64_MAX, place_of(r), r->why) &&
	       in_bounds(r->key, *(uint64_t *)place_of(r), r->why);
}

static bool read_int(struct reading *r)
{
	uint64_t n;

	if (!whole(r->texts[0], INT_MAX, &n, r->why) || !in_bounds(r->key, n, r->why))
		return false;
	*(int *)place_of(r) = (int)n;
	return true;
}

static bool read_amount(struct reading *r)
{
	if (!slice_is(r->texts[0], SLICE("unlimited")))
		return read_int(r);
	*(int *)place_of(r) = LIMIT_UNLIMITED;
	return true;
}

static bool read_rate(struct reading *r)
{
	if (!slice_is(r->texts[0], SLICE("unlimited")))
		return config_rate(r->texts[0], place_of(r), r->why);
	*(struct rate *)place_of(r) = (struct rate){.count = 0, .period_ms = 1000};
	return true;
}

static bool read_duration(struct reading *r)
{
	return config_duration(r->texts[0], place_of(r), r->why) && in_bounds(r->key, *(uint64_t *)place_of(r), r->why);
}

static bool read_seconds(struct reading *r)
{
	uint64_t ms;

	if (!config_duration(r->texts[0], &ms, r->why) || !in_bounds(r->key, ms, r->why))
		return false;
	*(int *)place_of(r) = (int)(ms / 1000);
	return true;
}

static bool read_size(struct reading *r)
{
	return config_size(r->texts[0], place_of(r), r->why) && in_bounds(r->key, *(uint64_t *)place_of(r), r->why);
}

static bool read_percent(struct reading *r)
{
	struct slice text = r->texts[0];
	uint64_t n;

	if (text.len && text.ptr[text.len - 1] == '%')
		text.len--;
	if (!whole(text, 100, &n, r->why) || !in_bounds(r->key, n, r->why))
		return false;
	*(int *)place_of(r) = (int)n;
	return true;
}

static bool read_schedule(struct reading *r)
{
	struct retry_schedule schedule = {0};

	*r->why = "it has more than 16 steps";
	if (r->ntexts > RETRY_STEPS_MAX)
		return false;
	for (unsigned i = 0; i < r->ntexts; i++) {
		*r->at = r->texts[i];
		if (!config_duration(r->texts[i], &schedule.step_ms[i], r->why) ||
		    !in_bounds(r->key, schedule.step_ms[i], r->why))
			return false;
	}
	schedule.nsteps = r->ntexts;
	*(struct retry_schedule *)place_of(r) = schedule;
	return true;
}

static bool read_word(struct reading *r)
{
	int position = word_position(r->key->words, r->texts[0]);

	*r->why = "it is none of them";
	memcpy(place_of(r), &position, sizeof(position));
	return position >= 0;
}

static bool read_name(struct reading *r)
{
	*r->why = "it is none of them";
	return word_position(r->key->words, r->texts[0]) >= 0 && read_text(r);
}

static bool read_ip(struct reading *r)
{
	struct address *address = place_of(r);

	*r->why = "it is not an IP address";
	return address_parse(address, r->texts[0], 0) && address->sa.sa_family != AF_UNIX && address_port(address) == 0;
}

static bool read_addresses(struct reading *r, struct address *list, unsigned max, uint16_t port)
{
	*r->why = "there are too many";
	if (r->ntexts > max)
		return false;
	*r->why = "it is not an IP address with a port";
	for (unsigned i = 0; i < r->ntexts; i++) {
		*r->at = r->texts[i];
		if (!address_parse(&list[i], r->texts[i], port) || list[i].sa.sa_family == AF_UNIX ||
		    address_port(&list[i]) == 0)
			return false;
	}
	set_count(r, r->ntexts);
	return true;
}

static bool read_routes(struct reading *r)
{
	struct address *list = arena_alloc(r->arena, (r->ntexts + 1) * sizeof(*list));

	*(struct address **)place_of(r) = list;
	return read_addresses(r, list, 32, (uint16_t)r->smtp_port);
}

static bool read_servers(struct reading *r)
{
	return read_addresses(r, place_of(r), 4, 53);
}

/* "1", "2/24h", "never". */
static bool read_threshold(struct reading *r)
{
	struct threshold *threshold = place_of(r);
	struct slice over = r->texts[0], number = slice_until(&over, '/');
	uint64_t n = 0;

	*threshold = (struct threshold){0};
	if (slice_is(r->texts[0], SLICE("never")))
		return true;
	if (!whole(number, 100, &n, r->why) ||
	    (number.len < r->texts[0].len && !config_duration(over, &threshold->over_ms, r->why)))
		return false;
	threshold->count = (unsigned)n;
	*r->why = n == 0 ? "0 makes no sense here" : "one verdict is not apart from itself";
	return n > 1 || (n == 1 && threshold->over_ms == 0);
}

static bool read_divert(struct reading *r)
{
	struct config *config = (struct config *)r->base;

	config->divert = DIVERT_NONE;
	if (r->texts[0].len == 0)
		return true;
	if (slice_is(r->texts[0], SLICE("discard"))) {
		config->divert = DIVERT_DISCARD;
		return true;
	}
	config->divert = DIVERT_ADDRESS;
	*r->why = "it is neither discard nor an IP address with a port";
	return address_parse(&config->divert_to, r->texts[0], (uint16_t)r->smtp_port) &&
	       config->divert_to.sa.sa_family != AF_UNIX && address_port(&config->divert_to) != 0;
}

static bool read_day(struct reading *r)
{
	char text[] = "yyyy-mm-ddT00:00:00Z";
	uint64_t ms;

	*r->why = "it is not a day such as 2026-12-01";
	if (r->texts[0].len != 10)
		return false;
	memcpy(text, r->texts[0].ptr, 10);
	if (time_read(slice_of(text), &ms))
		return false;
	*(int64_t *)place_of(r) = (int64_t)(ms / 86400000);
	return true;
}

static bool read_amounts(struct reading *r)
{
	unsigned *list = arena_alloc(r->arena, (r->ntexts + 1) * sizeof(*list));

	for (unsigned i = 0; i < r->ntexts; i++) {
		uint64_t n;

		*r->at = r->texts[i];
		if (!whole(r->texts[i], UINT32_MAX, &n, r->why) || !in_bounds(r->key, n, r->why))
			return false;
		list[i] = (unsigned)n;
	}
	*(unsigned **)place_of(r) = list;
	set_count(r, r->ntexts);
	return true;
}

static const struct kind_row {
	const char *looks; /* for people: what is expected */
	bool (*read)(struct reading *reading);
	size_t size; /* what a limit of this kind takes */
	bool is_list;
} kinds[KINDS] = {
	[KIND_TEXT] = {"a text", read_text, sizeof(struct slice), false},
	[KIND_TEXTS] = {"a list of texts", read_texts, 0, true},
	[KIND_BOOL] = {"true or false", read_bool, 0, false},
	[KIND_NUMBER] = {"a whole number", read_number, 0, false},
	[KIND_INT] = {"a whole number", read_int, sizeof(int), false},
	[KIND_AMOUNT] = {"unlimited or a whole number", read_amount, sizeof(int), false},
	[KIND_BIG] = {"a whole number", read_big, 0, false},
	[KIND_RATE] = {"unlimited or a rate such as 100/s or 20/5m", read_rate, sizeof(struct rate), false},
	[KIND_DURATION] = {"a duration such as 10s, 5m, 2h or 3d", read_duration, sizeof(uint64_t), false},
	[KIND_SECONDS] = {"a duration such as 10s or 5m", read_seconds, sizeof(int), false},
	[KIND_SIZE] = {"a size such as 64k or 25m", read_size, 0, false},
	[KIND_PERCENT] = {"a percentage", read_percent, sizeof(int), false},
	[KIND_SCHEDULE] = {"a list of up to 16 durations such as 20m", read_schedule, sizeof(struct retry_schedule),
			   true},
	[KIND_WORD] = {"one of:", read_word, sizeof(int), false},
	[KIND_NAME] = {"one of:", read_name, 0, false},
	[KIND_IP] = {"an IP address without a port", read_ip, 0, false},
	[KIND_ROUTES] = {"a list of addresses such as \"[192.0.2.25]:2525\"", read_routes, 0, true},
	[KIND_SERVERS] = {"a list of up to 4 addresses such as \"127.0.0.1:53\"", read_servers, 0, true},
	[KIND_DAY] = {"a day such as 2026-12-01", read_day, 0, false},
	[KIND_AMOUNTS] = {"a list of whole numbers", read_amounts, 0, true},
	[KIND_TIMES] = {"a number, a number and a time such as 2/24h, or never", read_threshold, 0, false},
	[KIND_DIVERT] = {"\"discard\", an address such as \"[127.0.0.1]:2525\", or nothing", read_divert, 0, false},
};

bool config_kind_is_list(enum config_kind kind)
{
	return kinds[kind].is_list;
}

size_t config_kind_size(enum config_kind kind)
{
	CHECK(kinds[kind].size > 0);
	return kinds[kind].size;
}

static void print_bound(const struct config_key *key, uint64_t n, struct outbuf *out)
{
	if (key->kind == KIND_DURATION || key->kind == KIND_SECONDS || key->kind == KIND_SCHEDULE)
		config_duration_print(n, out);
	else
		outbuf_printf(out, "%llu", (unsigned long long)n);
}

void config_key_expects(const struct config_key *key, struct outbuf *out)
{
	outbuf_printf(out, "%s", kinds[key->kind].looks);
	if (key->words)
		outbuf_printf(out, " %s", key->words);
	if (key->max) {
		outbuf_printf(out, ", from ");
		print_bound(key, key->min, out);
		outbuf_printf(out, " to ");
		print_bound(key, key->max, out);
	}
}

bool config_value_read(const struct config_key *key, const struct slice *texts, unsigned ntexts, void *base,
		       const struct config_value_room *room, struct slice *at, const char **why)
{
	struct reading reading = {key, texts, ntexts, base, room->arena, room->smtp_port, at, why};

	CHECK(ntexts > 0 || kinds[key->kind].is_list);
	if (ntexts > 0)
		*at = texts[0];
	return kinds[key->kind].read(&reading);
}
