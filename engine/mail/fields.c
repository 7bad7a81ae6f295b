/* What a header as a whole must be: the rules of each name, the counts, and the three that no field knows alone: a
 * From, a Message-ID that can be named elsewhere, a one-click URI. */
#include "mail/parts.h"

#include "mail/fill.h"

#include "base/utf8.h"

#include <string.h>

static bool is_named(const struct field *field, struct slice name)
{
	return slice_is_nocase(field->name, name);
}

static bool count_check(struct fields *fields, const struct header_rule *rule, size_t bytes, struct mail_error *error)
{
	fields->bytes += bytes;
	if (++fields->count > HEADERS_MAX)
		return mail_fail(error, "E_TOO_BIG", "there are more than %d header fields", HEADERS_MAX);
	if (bytes > HEADER_VALUE_MAX)
		return mail_fail(error, "E_TOO_BIG", "the header field has %zu bytes; it may have %d", bytes,
				 HEADER_VALUE_MAX);
	if (fields->bytes > HEADERS_BYTES_MAX)
		return mail_fail(error, "E_TOO_BIG", "all header fields together have more than %d bytes",
				 HEADERS_BYTES_MAX);
	if (!rule->once)
		return true;
	uint32_t bit = 1u << header_once_bit(rule);

	if (fields->seen & bit)
		return mail_fail(error, "E_HEADER",
				 "there is more than one %.*s; a message has one at most (RFC 5322 3.6)",
				 SLICE_ARG(rule->name));
	fields->seen |= bit;
	return true;
}

static void add(struct fields *fields, struct field field)
{
	outbuf_add(&fields->list, (struct slice){(const char *)&field, sizeof(field)});
}

static bool add_written(struct fields *fields, struct slice name, struct slice value, struct mail_error *error)
{
	struct outbuf out = {0};
	bool ok = header_write(&out, name, value, &fields->utf8, error);

	if (ok)
		add(fields, (struct field){.name = arena_copy(fields->arena, name),
					   .bytes = arena_copy(fields->arena, outbuf_slice(&out))});
	outbuf_free(&out);
	return ok;
}

bool fields_add(struct fields *fields, struct slice name, struct slice value, struct mail_error *error)
{
	if (!header_name_check(name, error))
		return false;
	if (template_has_tags(name))
		return mail_fail(error, "E_TEMPLATE", "a header's name cannot have variables");
	const struct header_rule *rule = header_rule(name);

	if (rule->origin == HEADER_DROPPED)
		return true;
	if (!count_check(fields, rule, name.len + value.len, error))
		return false;
	if (!template_has_tags(value))
		return add_written(fields, name, value, error);
	if (!fill_check(value, error))
		return false;
	fields->tagged = true;
	add(fields, (struct field){.name = arena_copy(fields->arena, name), .text = arena_copy(fields->arena, value)});
	return true;
}

bool fields_add_raw(struct fields *fields, struct slice name, struct slice bytes, struct mail_error *error)
{
	const struct header_rule *rule = header_rule(name);

	if (rule->origin == HEADER_DROPPED)
		return true;
	if (!count_check(fields, rule, bytes.len, error))
		return false;
	if (slice_is_nocase(name, SLICE("Received")) && ++fields->traces > HEADER_TRACES_MAX)
		return mail_fail(error, "E_HEADER",
				 "there are more than %d Received fields: the message goes in circles",
				 HEADER_TRACES_MAX);
	if (!utf8_is_ascii(bytes)) {
		if (!utf8_is_valid(bytes))
			return mail_fail(error, "E_UTF8", "%.*s has bytes that are not UTF-8; encode it (RFC 2047)",
					 SLICE_ARG(slice_head(name, 60)));
		fields->utf8 = true;
	}
	add(fields, (struct field){.name = name, .bytes = bytes});
	return true;
}

static const struct field *find(const struct fields *fields, struct slice name)
{
	const struct field *list = (const struct field *)(const void *)fields->list.ptr;

	for (size_t i = 0; i < fields->list.len / sizeof(*list); i++)
		if (is_named(&list[i], name))
			return &list[i];
	return NULL;
}

bool fields_have(const struct fields *fields, struct slice name)
{
	return find(fields, name) != NULL;
}

bool message_id_check(struct slice id, struct mail_error *error)
{
	size_t at = slice_find(id, '@');

	if (id.len >= 5 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>' && at > 1 && at < id.len - 2 &&
	    slice_find(id, ' ') == id.len && slice_find(id, '\t') == id.len &&
	    slice_find(slice_skip(id, 1), '<') == id.len - 1)
		return true;
	return mail_fail(error, "E_HEADER", "\"%.*s\" is no Message-ID; it must be <left@right>, without blanks",
			 SLICE_ARG(slice_head(id, 80)));
}

/* The value of a field that is written already: unfolded where it begins, which is all that an id needs. */
static struct slice written_value(const struct field *field)
{
	return slice_trim(slice_skip(field->bytes, slice_find(field->bytes, ':') + 1));
}

static bool find_message_id(const struct fields *fields, struct message *message, struct mail_error *error)
{
	const struct field *field = find(fields, SLICE("Message-ID"));

	if (!field)
		return true;
	message->message_id = field->text.len ? field->text : written_value(field);
	if (!field->text.len)
		return message_id_check(message->message_id, error);
	if (memmem(field->text.ptr, field->text.len, "hk.message_id", 13))
		return mail_fail(error, "E_TEMPLATE",
				 "Message-ID cannot be made of {{hk.message_id}}, which is made of it");
	return true;
}

static bool has_https(struct slice text)
{
	return memmem(text.ptr, text.len, "<https://", 9);
}

static bool check_unsubscribe(const struct fields *fields, struct message *message, struct mail_error *error)
{
	const struct field *uri = find(fields, SLICE("List-Unsubscribe"));

	if (!fields_have(fields, SLICE("List-Unsubscribe-Post")))
		return true;
	if (uri && has_https(uri->text.len ? uri->text : uri->bytes))
		return true;
	message->one_click = uri && uri->text.len;
	return message->one_click ||
	       mail_fail(error, "E_HEADER",
			 "List-Unsubscribe-Post wants a List-Unsubscribe with <https://...> (RFC 8058 3.1)");
}

bool header_waives(struct slice name, struct slice value)
{
	return slice_is_nocase(name, SLICE("TLS-Required")) && slice_is_nocase(slice_trim(value), SLICE("No"));
}

/* With variables in it nobody knows what it will say, and it counts for nothing. */
static bool has_waiver(const struct fields *fields)
{
	const struct field *field = find(fields, SLICE("TLS-Required"));

	return field && !field->text.len && header_waives(field->name, written_value(field));
}

bool fields_end(struct fields *fields, struct message *message, struct mail_error *error)
{
	if (!fields_have(fields, SLICE("From")))
		return mail_fail(error, "E_NO_FROM", "there is no From; every message needs one");
	if (!find_message_id(fields, message, error))
		return false;
	struct slice list = arena_copy(fields->arena, outbuf_slice(&fields->list));

	message->fields = (struct field *)(uintptr_t)list.ptr;
	message->nfields = list.len / sizeof(struct field);
	message->utf8 |= fields->utf8;
	message->eight_bit |= fields->utf8;
	message->add_date = !fields_have(fields, SLICE("Date"));
	message->shared = !fields->tagged;
	message->waives = has_waiver(fields);
	return message->raw || check_unsubscribe(fields, message, error);
}

void fields_free(struct fields *fields)
{
	outbuf_free(&fields->list);
}
