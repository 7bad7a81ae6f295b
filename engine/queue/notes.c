/* Each note is an errand of its own that frees itself. Batches were rejected: notes come one in a hundred recipients,
 * and Redis reads what is pipelined in one go anyway. */
#include "queue/notes.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>

struct note {
	struct errand errand;
	struct notes *notes; /* parent */
};

static void on_written(struct errand *errand, const struct redisReply *reply)
{
	struct note *note = LIST_OWNER(errand, struct note, errand);

	if (reply && resp_error(reply) != RESP_FINE)
		log_warning("writing down what happened: Redis answers \"%s\"; it is left out",
			    LOG_TEXT(resp_text(reply)));
	struct notes *notes = note->notes;

	notes->under_way--;
	outbuf_free(&errand->words);
	free(note);
	if (reply)
		notes->written(notes);
}

/* NULL when too many are under way: Redis is away, and will not want to hear of all of them. */
static struct errand *note_begin(struct notes *notes)
{
	struct note *note;

	if (notes->under_way >= NOTES_MAX)
		return NULL;
	note = calloc(1, sizeof(*note));
	CHECK(note != NULL);
	note->notes = notes;
	notes->under_way++;
	errand_init(&note->errand, on_written);
	return &note->errand;
}

void notes_open(struct notes *notes, struct errands *errands, const struct shard *shard, struct slice prefix,
		void (*written)(struct notes *notes))
{
	*notes = (struct notes){.errands = errands, .shard = shard, .prefix = prefix, .written = written};
}

void notes_free(struct notes *notes)
{
	outbuf_free(&notes->words);
}

void notes_suppress(struct notes *notes, const struct suppression_verdict *verdict)
{
	struct errand *errand = note_begin(notes);

	if (!errand)
		return;
	errand_word(errand, SLICE("FCALL"));
	errand_word(errand, SLICE("hikyaku_suppress"));
	errand_word(errand, SLICE("1"));
	errand_word(errand, notes->shard->base);
	errand_word(errand, suppression_domain(verdict->address));
	outbuf_reset(&notes->words);
	suppression_field(&notes->words, verdict->tenant, verdict->address);
	errand_word(errand, outbuf_slice(&notes->words));
	errand_word(errand, verdict->category);
	errand_number(errand, verdict->need);
	errand_number(errand, verdict->apart_s);
	errand_number(errand, verdict->keep_s);
	errand_number(errand, verdict->window_s);
	errand_send(notes->errands, errand);
}

static void words(struct errand *errand, const struct slice *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		errand_word(errand, list[i]);
}

void notes_event(struct notes *notes, struct slice type, struct slice data)
{
	struct errand *errand = note_begin(notes);

	if (!errand)
		return;
	outbuf_reset(&notes->words);
	outbuf_add(&notes->words, notes->shard->base);
	outbuf_add(&notes->words, SLICE(":events"));
	words(errand,
	      (struct slice[]){SLICE("XADD"), outbuf_slice(&notes->words), SLICE("*"), SLICE("type"), type,
			       SLICE("job"), SLICE_NONE, SLICE("to"), SLICE_NONE, SLICE("data"), data},
	      11);
	errand_send(notes->errands, errand);
}

void notes_order(struct notes *notes, struct slice what, struct slice match, struct slice by)
{
	struct errand *errand = note_begin(notes);

	if (!errand)
		return;
	outbuf_reset(&notes->words);
	outbuf_add(&notes->words, notes->prefix);
	outbuf_add(&notes->words, SLICE(":control"));
	words(errand,
	      (struct slice[]){SLICE("XADD"), outbuf_slice(&notes->words), SLICE("*"), SLICE("do"), what,
			       SLICE("match"), match, SLICE("by"), by},
	      9);
	errand_send(notes->errands, errand);
}

static struct slice hash_key(struct notes *notes, struct slice hash)
{
	outbuf_reset(&notes->words);
	outbuf_add(&notes->words, notes->shard->base);
	outbuf_byte(&notes->words, ':');
	outbuf_add(&notes->words, hash);
	return outbuf_slice(&notes->words);
}

void notes_put(struct notes *notes, struct slice hash, struct slice field, struct slice value)
{
	struct errand *errand = note_begin(notes);

	if (!errand)
		return;
	words(errand, (struct slice[]){SLICE("HSET"), hash_key(notes, hash), field, value}, 4);
	errand_send(notes->errands, errand);
}

void notes_add(struct notes *notes, struct slice hash, struct slice field, uint64_t n)
{
	struct errand *errand = note_begin(notes);

	if (!errand)
		return;
	words(errand, (struct slice[]){SLICE("HINCRBY"), hash_key(notes, hash), field}, 3);
	errand_number(errand, n);
	errand_send(notes->errands, errand);
}
