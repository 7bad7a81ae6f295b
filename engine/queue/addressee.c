/* A table of keys with a function each. What a key means alone is checked here; how two of them agree (times), and how
 * they agree with the job, in job.c. */
#include "queue/addressee.h"

#include "queue/mailbox.h"
#include "queue/variables.h"

#include <stdio.h>
#include <string.h>

enum { ID_MAX = 128, NAME_MAX_BYTES = 255, SENDER_MAX = 512, HEADER_NAME_MAX = 126, PATH_MAX_BYTES = 64 };

/* Reading one: what all the functions below are given. */
struct reading {
	struct addressee *recipient;
	const struct addressee_limits *limits;
	struct arena *arena;
	struct outbuf *scratch;
	struct refusal refusal;
	char field[PATH_MAX_BYTES + 32]; /* "to[3].vars" */
	size_t prefix;			 /* of that, "to[3]" */
};

static struct slice keep(struct reading *reading, struct slice text)
{
	return text.len ? arena_copy(reading->arena, text) : SLICE("");
}

/* A mailbox for that field, its canonical form in the arena. */
static bool mailbox_for(struct slice text, const char *field, struct mailbox *mailbox, struct refusal *refusal)
{
	enum mailbox_fault fault = mailbox_read(text, mailbox);

	if (fault)
		return refuse(refusal, mailbox_fault_code(fault), field, "address %s", mailbox_fault_sentence(fault));
	return true;
}

static bool read_address(struct reading *reading, const json_t *value)
{
	struct addressee *recipient = reading->recipient;
	struct mailbox mailbox;

	if (!json_is_string(value))
		return refuse(&reading->refusal, "E_TYPE", reading->field, "expected an address as a string, found %s",
			      document_kind(value));
	recipient->address = keep(reading, slice_head(document_slice(value), MAILBOX_MAX + 2));
	if (!mailbox_for(document_slice(value), reading->field, &mailbox, &reading->refusal))
		return false;
	recipient->address = keep(reading, mailbox_address(&mailbox));
	recipient->domain = slice_skip(recipient->address, (size_t)mailbox.local_len + 1);
	recipient->utf8 = mailbox.utf8;
	return true;
}

static bool read_id(struct reading *reading, const json_t *value)
{
	struct slice text;

	if (!document_text(value, reading->field, ID_MAX, &text, &reading->refusal))
		return false;
	if (text.len == 0)
		return refuse(&reading->refusal, "E_RANGE", reading->field,
			      "is empty: leave it out to be named by index");
	reading->recipient->id = keep(reading, text);
	return true;
}

static bool read_name(struct reading *reading, const json_t *value)
{
	struct slice text;

	if (!document_text(value, reading->field, NAME_MAX_BYTES, &text, &reading->refusal))
		return false;
	reading->recipient->name = keep(reading, text);
	return true;
}

static bool read_vars(struct reading *reading, const json_t *value)
{
	outbuf_reset(reading->scratch);
	if (!variables_pack(value, reading->field, reading->limits->variables_bytes_max, reading->scratch,
			    &reading->refusal))
		return false;
	reading->recipient->vars = keep(reading, outbuf_slice(reading->scratch));
	return true;
}

static bool read_tags(struct reading *reading, const json_t *value)
{
	outbuf_reset(reading->scratch);
	if (!document_object(value, reading->field, reading->limits->tags_bytes_max, reading->scratch,
			     &reading->refusal))
		return false;
	reading->recipient->tags = keep(reading, outbuf_slice(reading->scratch));
	return true;
}

static bool read_from(struct reading *reading, const json_t *value)
{
	reading->recipient->has_from = true;
	return sender_read(value, reading->field, &reading->recipient->from, reading->arena, &reading->refusal);
}

/* RFC 5322 3.6.8: printable ASCII without the colon. */
static bool is_header_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':')
			return false;
	return name.len > 0 && name.len <= HEADER_NAME_MAX;
}

static bool add_header(struct reading *reading, struct slice name, const json_t *value)
{
	struct slice text;

	if (!document_text(value, reading->field, reading->limits->headers_bytes_max, &text, &reading->refusal))
		return false;
	pack_add(reading->scratch, PACK_TEXT, name, text);
	return true;
}

/* {"X-Part": "a", "X-List": ["b", "c"]} to a pack with an entry for each line. */
static bool read_headers(struct reading *reading, const json_t *value)
{
	const char *key;
	json_t *header, *line;
	size_t i;

	if (!json_is_object(value))
		return refuse(&reading->refusal, "E_TYPE", reading->field, "expected an object of headers, found %s",
			      document_kind(value));
	outbuf_reset(reading->scratch);
	json_object_foreach((json_t *)value, key, header)
	{
		struct slice name = slice_of(key);

		if (!is_header_name(name))
			return refuse(&reading->refusal, "E_HEADER", reading->field,
				      "\"%.60s\" is no header name: expected 1 to %d printable ASCII characters "
				      "without a colon",
				      key, HEADER_NAME_MAX);
		if (!json_is_array(header) && !add_header(reading, name, header))
			return false;
		json_array_foreach(header, i, line) if (!add_header(reading, name, line)) return false;
	}
	if (reading->scratch->len > reading->limits->headers_bytes_max)
		return refuse(&reading->refusal, "E_TOO_BIG", reading->field,
			      "headers have %zu bytes together, at most %zu are allowed", reading->scratch->len,
			      reading->limits->headers_bytes_max);
	reading->recipient->headers = keep(reading, outbuf_slice(reading->scratch));
	return true;
}

static bool read_not_before(struct reading *reading, const json_t *value)
{
	return document_time(value, reading->field, &reading->recipient->not_before_ms, &reading->refusal);
}

static bool read_expires(struct reading *reading, const json_t *value)
{
	return document_time(value, reading->field, &reading->recipient->expires_ms, &reading->refusal);
}

static const struct {
	const char *name;
	bool (*read)(struct reading *reading, const json_t *value);
} keys[] = {
	{"address", read_address}, {"id", read_id},	{"name", read_name},	   {"vars", read_vars},
	{"tags", read_tags},	   {"from", read_from}, {"headers", read_headers}, {"not_before", read_not_before},
	{"expires", read_expires},
};
enum { NKEYS = sizeof(keys) / sizeof(keys[0]) };

/* By hand: this happens four times a recipient, and snprintf took a tenth of all reading. */
static void set_field(struct reading *reading, const char *key)
{
	char *at = reading->field + reading->prefix;
	size_t len = strnlen(key, PATH_MAX_BYTES);

	*at++ = '.';
	memcpy(at, key, len);
	at[len] = '\0';
}

static bool read_key(struct reading *reading, const char *key, const json_t *value)
{
	const char *names[NKEYS];

	set_field(reading, key);
	for (unsigned i = 0; i < NKEYS; i++) {
		if (strcmp(key, keys[i].name) == 0)
			return keys[i].read(reading, value);
		names[i] = keys[i].name;
	}
	return document_unknown(reading->field, key, names, NKEYS, &reading->refusal);
}

static bool read_object(struct reading *reading, const json_t *object)
{
	const char *key;
	json_t *value, *address = json_object_get(object, "address");

	/* The address first: whatever else is wrong, the event about it can name the recipient. */
	if (!address)
		return refuse(&reading->refusal, "E_REQUIRED", reading->field, "has no \"address\"");
	if (!read_key(reading, "address", address))
		return false;
	json_object_foreach((json_t *)object, key, value)
	{
		if (value != address && !read_key(reading, key, value))
			return false;
	}
	return true;
}

bool addressee_read(struct addressee *recipient, const json_t *element, uint32_t index,
		    const struct addressee_limits *limits, struct arena *arena, struct outbuf *scratch)
{
	struct reading reading = {.recipient = recipient, .limits = limits, .arena = arena, .scratch = scratch};
	bool good;

	*recipient = (struct addressee){.index = index};
	reading.prefix = (size_t)snprintf(reading.field, sizeof(reading.field), "to[%u]", index);
	if (json_is_string(element))
		good = read_address(&reading, element);
	else if (json_is_object(element))
		good = read_object(&reading, element);
	else
		good = refuse(&reading.refusal, "E_TYPE", reading.field, "expected an address or an object, found %s",
			      document_kind(element));
	if (!good)
		addressee_refuse(recipient, &reading.refusal, arena);
	return good;
}

void addressee_refuse(struct addressee *recipient, const struct refusal *refusal, struct arena *arena)
{
	if (recipient->refusal)
		return;
	recipient->refusal = arena_alloc(arena, sizeof(*refusal));
	*recipient->refusal = *refusal;
}

/* The sender with "x.x" in the place of every {{variable}}: a name, a label, several labels could all stand there.
 * False if braces do not close. */
static bool fill_variables(struct slice text, struct outbuf *out)
{
	while (text.len) {
		if (!slice_starts(text, SLICE("{{"))) {
			outbuf_byte(out, *text.ptr);
			text = slice_skip(text, 1);
			continue;
		}
		const char *end = memmem(text.ptr, text.len, "}}", 2);

		if (!end)
			return false;
		outbuf_add(out, SLICE("x.x"));
		text = slice_skip(text, (size_t)(end - text.ptr) + 2);
	}
	return true;
}

static bool check_template(struct slice text, const char *field, struct refusal *refusal)
{
	struct outbuf filled = {0};
	struct mailbox mailbox;
	bool good = fill_variables(text, &filled);

	if (!good)
		refuse(refusal, "E_TEMPLATE", field, "has {{ without }}");
	else if (memchr(filled.ptr, '@', filled.len)) /* without one, the whole address comes from a variable */
		good = mailbox_for(outbuf_slice(&filled), field, &mailbox, refusal);
	outbuf_free(&filled);
	return good;
}

bool sender_read(const json_t *value, const char *field, struct slice *from, struct arena *arena,
		 struct refusal *refusal)
{
	struct mailbox mailbox;
	struct slice text;

	if (!document_text(value, field, SENDER_MAX, &text, refusal))
		return false;
	if (memmem(text.ptr, text.len, "{{", 2)) {
		*from = arena_copy(arena, text);
		return check_template(text, field, refusal);
	}
	if (text.len == 0) {
		*from = SLICE("");
		return true;
	}
	if (!mailbox_for(text, field, &mailbox, refusal))
		return false;
	*from = arena_copy(arena, mailbox_address(&mailbox));
	return true;
}
