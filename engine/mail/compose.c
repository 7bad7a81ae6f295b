/* The "message" object of a job becomes fields and pieces: headers in the order given, Subject, what the engine makes,
 * then text, or html, or both as alternatives.
 *
 * Jansson reads the JSON; it keeps the order of an object's members, refuses duplicates when asked, and NULs by itself.
 * Text is always quoted-printable, even when it is short ASCII: then no server needs 8BITMIME, no line is too long,
 * nothing a variable brings can change that, and the boundary below cannot occur in it, because "=_" is no
 * quoted-printable. */
#include "mail/parts.h"

#include "base/pack.h"

#include <jansson.h>

#define BOUNDARY "=_alternative"

static const char *const known_members[] = {"headers", "subject", "text", "html", "defaults", "attachments"};

static struct slice string_of(const json_t *value)
{
	return (struct slice){json_string_value(value), json_string_length(value)};
}

static bool members_check(json_t *object, struct mail_error *error)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof(known_members) / sizeof(known_members[0]); i++)
			known |= slice_is(slice_of(name), slice_of(known_members[i]));
		mail_field(error, "message.%s", name);
		if (!known)
			return mail_fail(error, "E_UNKNOWN_FIELD",
					 "a message has no such field; it has headers, subject, text, html, defaults "
					 "and attachments");
	}
	return true;
}

/* A member that must be text if it is there; text.ptr is NULL if not. */
static bool text_member(json_t *object, const char *name, struct slice *text, struct mail_error *error)
{
	json_t *value = json_object_get(object, name);

	*text = SLICE_NONE;
	mail_field(error, "message.%s", name);
	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value))
		return mail_fail(error, "E_SHAPE", "the field must be text");
	*text = string_of(value);
	return true;
}

static bool joined_list(struct fields *fields, struct slice name, json_t *list, struct slice joint,
			struct mail_error *error)
{
	struct outbuf value = {0};
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		if (i)
			outbuf_add(&value, joint);
		outbuf_add(&value, string_of(item));
	}
	bool ok = fields_add(fields, name, outbuf_slice(&value), error);

	outbuf_free(&value);
	return ok;
}

/* One field where the header allows one only (addresses with commas between them), else a field for each. */
static bool add_list(struct fields *fields, struct slice name, json_t *list, struct mail_error *error)
{
	const struct header_rule *rule = header_rule(name);
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) if (!json_is_string(item)) return mail_fail(
		error, "E_SHAPE", "a header's value is text, or a list of texts; item %zu is neither", i);
	if (json_array_size(list) && rule->joint.len)
		return joined_list(fields, name, list, rule->joint, error);
	json_array_foreach(list, i, item) if (!fields_add(fields, name, string_of(item), error)) return false;
	return true;
}

static bool add_header(struct fields *fields, struct slice name, json_t *value, struct mail_error *error)
{
	mail_field(error, "message.headers.%.*s", SLICE_ARG(name));
	if (header_rule(name)->origin == HEADER_MADE)
		return mail_fail(error, "E_HEADER", "%.*s is written by the engine and cannot be given",
				 SLICE_ARG(name));
	if (json_is_array(value))
		return add_list(fields, name, value, error);
	if (!json_is_string(value))
		return mail_fail(error, "E_SHAPE", "a header's value is text, or a list of texts");
	return fields_add(fields, name, string_of(value), error);
}

static bool add_headers(struct fields *fields, json_t *object, struct mail_error *error)
{
	json_t *headers = json_object_get(object, "headers"), *value;
	const char *name;

	mail_field(error, "message.headers");
	if (headers && !json_is_object(headers))
		return mail_fail(error, "E_SHAPE",
				 "headers must be an object: { \"From\": \"News <news@news.example>\" }");
	json_object_foreach(headers, name, value) if (!add_header(fields, slice_of(name), value, error)) return false;
	return true;
}

static bool add_subject(struct fields *fields, json_t *object, struct mail_error *error)
{
	struct slice subject;

	if (!text_member(object, "subject", &subject, error))
		return false;
	return !subject.ptr || fields_add(fields, SLICE("Subject"), subject, error);
}

static bool add_default(struct outbuf *pack, const char *name, json_t *value, struct mail_error *error)
{
	struct slice key = slice_of(name);

	mail_field(error, "message.defaults.%s", name);
	if (key.len == 0 || key.len > TEMPLATE_NAME_MAX)
		return mail_fail(error, "E_SHAPE", "a variable's name has 1 to %d bytes", TEMPLATE_NAME_MAX);
	if (json_is_string(value)) {
		pack_add(pack, PACK_TEXT, key, string_of(value));
	} else if (json_is_null(value)) {
		pack_add(pack, PACK_NULL, key, SLICE_NONE);
	} else {
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
		bool compound = json_is_object(value) || json_is_array(value);

		pack_add(pack, compound ? PACK_JSON : PACK_LITERAL, key, slice_of(text));
		free(text);
	}
	return true;
}

static bool add_defaults(struct message *message, json_t *object, struct mail_error *error)
{
	json_t *defaults = json_object_get(object, "defaults"), *value;
	struct outbuf pack = {0};
	const char *name;
	bool ok = true;

	mail_field(error, "message.defaults");
	if (defaults && !json_is_object(defaults) && !json_is_null(defaults))
		return mail_fail(error, "E_SHAPE", "defaults must be an object: { \"name\": \"friend\" }");
	json_object_foreach(defaults, name, value) ok = ok && add_default(&pack, name, value, error);
	message->defaults = arena_copy(&message->arena, outbuf_slice(&pack));
	outbuf_free(&pack);
	return ok;
}

static bool add_part(struct body *body, struct slice type, struct slice text, unsigned use, const char *field,
		     struct mail_error *error)
{
	body_add(body, SLICE("Content-Type: "));
	body_add(body, type);
	body_add(body, SLICE("; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"));
	body->column = 0;
	return body_template(body, text, use, field, error);
}

static bool add_plain(struct body *body, struct slice text, struct mail_error *error)
{
	return add_part(body, SLICE("text/plain"), text, 0, "message.text", error);
}

static bool add_html(struct body *body, struct slice html, struct mail_error *error)
{
	return add_part(body, SLICE("text/html"), html, BODY_HTML, "message.html", error);
}

static bool add_both(struct body *body, struct slice text, struct slice html, struct mail_error *error)
{
	body_add(body,
		 SLICE("Content-Type: multipart/alternative; boundary=\"" BOUNDARY "\"\r\n\r\n--" BOUNDARY "\r\n"));
	if (!add_plain(body, text, error))
		return false;
	body_add(body, SLICE("\r\n--" BOUNDARY "\r\n"));
	if (!add_html(body, html, error))
		return false;
	body_add(body, SLICE("\r\n--" BOUNDARY "--\r\n"));
	return true;
}

static bool add_body(struct body *body, json_t *object, struct mail_error *error)
{
	struct slice text, html;

	if (!text_member(object, "text", &text, error) || !text_member(object, "html", &html, error))
		return false;
	body_add(body, SLICE("MIME-Version: 1.0\r\n"));
	if (text.ptr && html.ptr)
		return add_both(body, text, html, error);
	if (text.ptr)
		return add_plain(body, text, error);
	if (html.ptr)
		return add_html(body, html, error);
	mail_field(error, "message");
	return mail_fail(error, "E_EMPTY", "there is neither text nor html");
}

static bool add_all(struct message *message, struct fields *fields, struct body *body, json_t *object,
		    struct mail_error *error)
{
	json_t *attachments = json_object_get(object, "attachments");

	if (!members_check(object, error))
		return false;
	mail_field(error, "message.attachments");
	if (attachments && !json_is_null(attachments) &&
	    !(json_is_array(attachments) && json_array_size(attachments) == 0))
		return mail_fail(error, "E_NOT_YET", "attachments are not possible yet; a raw message can have them");
	if (!add_headers(fields, object, error) || !add_subject(fields, object, error) ||
	    !add_defaults(message, object, error))
		return false;
	mail_field(error, "message.headers");
	if (!fields_end(fields, message, error) || !add_body(body, object, error))
		return false;
	message->pieces = body_end(body, &message->npieces);
	message->add_to = !fields_have(fields, SLICE("To"));
	message->shared &= !message->add_to;
	for (size_t i = 0; i < message->npieces; i++)
		message->shared &= message->pieces[i].name.len == 0;
	return true;
}

bool compose_compile(struct message *message, struct slice json, struct mail_error *error)
{
	struct fields fields = {.arena = &message->arena};
	struct body body = {.arena = &message->arena};
	json_error_t fault;
	json_t *object = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &fault);
	bool ok;

	mail_field(error, "message");
	if (!object)
		ok = mail_fail(error, "E_JSON", "line %d, column %d: %s", fault.line, fault.column, fault.text);
	else if (!json_is_object(object))
		ok = mail_fail(error, "E_SHAPE", "a message must be an object with headers, subject, text, html");
	else
		ok = add_all(message, &fields, &body, object, error);
	json_decref(object);
	fields_free(&fields);
	body_free(&body);
	return ok;
}
