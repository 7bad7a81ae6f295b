/* Asked of Redis each time: what an engine has in force is at most a moment behind it. */
#include "pauses.h"

#include "base/check.h"
#include "queue/time.h"

#include <jansson.h>
#include <stdlib.h>

static uint64_t number(const json_t *object, const char *name)
{
	double n = json_number_value(json_object_get(object, name));

	return n > 0 ? (uint64_t)n : 0;
}

static void add(struct pauses *pauses, const json_t *object)
{
	struct slice text = slice_of(json_string_value(json_object_get(object, "match")));
	const char *by = json_string_value(json_object_get(object, "by"));
	struct pause *pause = &pauses->pauses[pauses->n];
	struct refusal refusal;

	if (match_json(&pause->match, text, &refusal)) {
		pause->by = slice_copy(slice_of(by));
		pause->since_ms = number(object, "since");
		pause->until_ms = number(object, "until_ms");
		pause->hold_expiry = json_is_true(json_object_get(object, "hold"));
		pauses->n++;
	}
}

static void write_json(const struct pause *pause, struct outbuf *out)
{
	struct outbuf match = {0};

	match_write_json(&pause->match, &match);
	outbuf_byte(out, '{');
	outbuf_json_raw(out, "match", outbuf_slice(&match));
	outbuf_json_text(out, "by", slice_of(pause->by));
	outbuf_json_number(out, "since", pause->since_ms);
	if (pause->until_ms)
		outbuf_json_number(out, "until", pause->until_ms);
	if (pause->hold_expiry)
		outbuf_json_raw(out, "hold_expiry", SLICE("true"));
	outbuf_byte(out, '}');
	outbuf_free(&match);
}

void pauses_read(struct pauses *pauses, struct client *client)
{
	struct slice argv[] = {SLICE("FCALL"), SLICE("hikyaku_controls"), SLICE("1"), client_key(client, "{0}"),
			       SLICE("-1")};
	struct redisReply *reply = client_try(client, argv, 5);

	*pauses = (struct pauses){0};
	pauses->pauses = calloc(reply ? reply->elements + 1 : 1, sizeof(*pauses->pauses));
	CHECK(pauses->pauses != NULL);
	for (size_t i = 2; reply && i < reply->elements; i += 2) {
		struct slice text = reply_text_at(reply, i);
		json_t *object = json_loadb(text.ptr ? text.ptr : "", text.len, 0, NULL);

		if (slice_is(slice_of(json_string_value(json_object_get(object, "what"))), SLICE("pause")))
			add(pauses, object);
		json_decref(object);
	}
	outbuf_byte(&pauses->json, '[');
	for (size_t i = 0; i < pauses->n; i++) {
		if (i)
			outbuf_byte(&pauses->json, ',');
		write_json(&pauses->pauses[i], &pauses->json);
	}
	outbuf_add(&pauses->json, SLICE("]"));
	if (reply)
		freeReplyObject(reply);
}

void pauses_free(struct pauses *pauses)
{
	for (size_t i = 0; i < pauses->n; i++) {
		match_free(&pauses->pauses[i].match);
		free(pauses->pauses[i].by);
	}
	free(pauses->pauses);
	outbuf_free(&pauses->json);
}

const struct pause *pauses_over(const struct pauses *pauses, const struct match_facts *facts)
{
	for (size_t i = 0; i < pauses->n; i++)
		if (match_tells(&pauses->pauses[i].match, facts) && match_fits(&pauses->pauses[i].match, facts))
			return &pauses->pauses[i];
	return NULL;
}

static void write_time(struct outbuf *out, const char *word, uint64_t ms)
{
	char room[TIME_TEXT_MAX];
	struct slice text = time_text(ms < TIME_MS_MAX ? ms : 0, room);

	outbuf_printf(out, " %s %.10s %.8s", word, text.ptr, text.ptr + 11);
}

void pause_write(const struct pause *pause, struct outbuf *out)
{
	match_write_text(&pause->match, out);
	if (pause->by[0])
		outbuf_printf(out, " by %s", pause->by);
	write_time(out, "since", pause->since_ms);
	if (pause->until_ms)
		write_time(out, "until", pause->until_ms);
	if (pause->hold_expiry)
		outbuf_printf(out, ", expiry held");
}
