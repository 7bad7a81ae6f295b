/* The event stream for people: filtered, one event a line, or as JSON. A condition names any field an event may have;
 * its value is a pattern as the shell has them. */
#include "console.h"
#include "event_reader.h"

#include "queue/time.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { FOLLOW_MS = 1000, VALUE_MAX = 512 };

struct showing {
	const struct arguments *arguments;
	bool reader_left; /* of our output */
};

/* The field as text: of a number its digits. */
static const char *value_text(const json_t *value, char *room)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(room, VALUE_MAX, "%lld", (long long)json_integer_value(value));
	else
		snprintf(room, VALUE_MAX, "%s", json_is_true(value) ? "true" : "");
	return room;
}

static bool fits(const json_t *event, const char *condition)
{
	const char *equals = strchr(condition, '=');
	char name[64], room[VALUE_MAX];

	snprintf(name, sizeof(name), "%.*s", (int)(equals - condition), condition);
	return fnmatch(equals + 1, value_text(json_object_get(event, name), room), FNM_CASEFOLD) == 0;
}

static bool same_key(const char *a, const char *b)
{
	size_t n = (size_t)(strchr(a, '=') - a);

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Different keys must all fit; of the conditions with one key, one must. */
static bool wanted(const struct arguments *arguments, const json_t *event)
{
	for (unsigned i = 0; i < arguments->nwords; i++) {
		bool any = false;

		for (unsigned j = 0; j < arguments->nwords && !any; j++)
			any = same_key(arguments->words[i], arguments->words[j]) && fits(event, arguments->words[j]);
		if (!any)
			return false;
	}
	return true;
}

static enum colour colour_of(struct slice type)
{
	if (slice_is(type, SLICE("delivered")))
		return COLOUR_GOOD;
	if (slice_is(type, SLICE("failed")) || slice_is(type, SLICE("expired")) || slice_is(type, SLICE("rejected")))
		return COLOUR_BAD;
	if (slice_is(type, SLICE("deferred")) || slice_is(type, SLICE("uncertain")) || slice_is(type, SLICE("alarm")))
		return COLOUR_WARN;
	return COLOUR_PLAIN;
}

static void add(struct outbuf *out, const json_t *event, const char *name, const char *before)
{
	char room[VALUE_MAX];
	const char *text = value_text(json_object_get(event, name), room);

	if (!*text)
		return;
	outbuf_printf(out, "%s", before);
	for (; *text; text++)
		outbuf_byte(out, (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

void event_text(const struct event_read *event, struct outbuf *out)
{
	const char *colour = console_colour(stdout, colour_of(event->type));
	uint64_t ms = (uint64_t)json_integer_value(json_object_get(event->all, "time"));
	char room[TIME_TEXT_MAX];

	outbuf_printf(out, "%.23s  %s%-10.*s%s", time_text(ms < TIME_MS_MAX ? ms : 0, room).ptr, colour,
		      SLICE_ARG(event->type), *colour ? console_colour(stdout, COLOUR_PLAIN) : "");
	add(out, event->all, "to", "  ");
	add(out, event->all, "job", "  job ");
	add(out, event->all, "stage", "  ");
	add(out, event->all, "code", " ");
	add(out, event->all, "enhanced", " ");
	add(out, event->all, "category", " ");
	add(out, event->all, "reply", ": ");
	outbuf_byte(out, '\n');
}

static bool show(void *who, const struct event_read *event)
{
	struct showing *showing = who;
	struct outbuf out = {0};

	if (!wanted(showing->arguments, event->all))
		return true;
	if (showing->arguments->json) {
		char *text = json_dumps(event->all, JSON_COMPACT);

		outbuf_printf(&out, "%s\n", text ? text : "{}");
		free(text);
	} else {
		event_text(event, &out);
	}
	showing->reader_left = fwrite(out.ptr, 1, out.len, stdout) != out.len;
	outbuf_free(&out);
	return !showing->reader_left;
}

static int read_all(struct client *client, const struct arguments *arguments, uint64_t since_ms)
{
	struct showing showing = {arguments, false};
	struct event_reader reader;
	bool follow = argument_is_given(arguments, "--follow");
	int came;

	if (follow && !argument_is_given(arguments, "--since"))
		event_reader_at_end(&reader, client);
	else
		event_reader_open(&reader, client, since_ms);
	do {
		came = event_reader_next(&reader, follow ? FOLLOW_MS : 0, show, &showing);
		if (fflush(stdout) != 0)
			break;
	} while (came > 0 || (came == 0 && follow));
	event_reader_close(&reader);
	return client->status;
}

int command_events(const struct arguments *arguments)
{
	const char *since = argument_value(arguments, "--since");
	struct client client;
	uint64_t since_ms = 0;
	int status;

	for (unsigned i = 0; i < arguments->nwords; i++)
		if (!strchr(arguments->words[i], '=') || arguments->words[i][0] == '=') {
			console_say("found \"%.60s\", expected KEY=VALUE, such as type=failed or to=*@a.example",
				    arguments->words[i]);
			return EXIT_USAGE;
		}
	if (since && !console_time("--since", since, -1, &since_ms))
		return EXIT_USAGE;
	status = client_open(&client, arguments);
	if (status == EXIT_DONE)
		status = read_all(&client, arguments, since_ms);
	client_close(&client);
	return status;
}
