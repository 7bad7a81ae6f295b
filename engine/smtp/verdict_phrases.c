/* Aho and Corasick's automaton over the literals of all phrases, as a table of what comes next for each state and each
 * byte that some literal has: one load a byte of text, however many rules there are. A phrase of several parts keeps
 * where each part was last found after the one before it, so that order and nearness cost no second look.
 *
 * Measured on 120 bytes of reply and 1500 literals: this takes half a microsecond with the folding of the words;
 * Vectorscan takes about as long for the search alone, and would be a megabyte of code and a dependency of which Debian
 * has two; a memmem a literal takes forty times as long. Two megabytes of table are the price; a text touches few lines
 * of it. */
#include "smtp/verdict_phrases.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { STATES_MAX = 32768, PARTS_MAX = 4096, LITERAL_MAX = 120 };

/* A literal within a phrase. */
struct part {
	uint16_t number; /* of the rule */
	uint16_t len;
	uint16_t next;	  /* other part with the same literal, 0: none */
	bool first, last; /* of its phrase; parts of one phrase have numbers one after the other */
};

struct state {
	uint16_t part;	  /* first of those whose literal ends here, 0: none */
	uint16_t shorter; /* state whose literals end here too, 0: none */
};

struct phrases {
	struct part parts[PARTS_MAX]; /* from 1 */
	unsigned nparts;
	unsigned nstates, nclasses;
	uint8_t class_of[256]; /* 0: of no literal */
	uint16_t *next;	       /* owned: [state * nclasses + class] */
	struct state *states;  /* owned */
	/* While it is built: the literals, in a tree with 256 ways. */
	uint16_t (*tree)[256]; /* owned; NULL when built */
};

struct phrases *phrases_new(void)
{
	struct phrases *phrases = calloc(1, sizeof(*phrases));

	CHECK(phrases != NULL);
	phrases->tree = calloc(STATES_MAX, sizeof(*phrases->tree));
	phrases->states = calloc(STATES_MAX, sizeof(*phrases->states));
	CHECK(phrases->tree != NULL);
	CHECK(phrases->states != NULL);
	phrases->nstates = 1;
	phrases->nclasses = 1;
	return phrases;
}

/* The literal goes into the tree byte by byte; its end is a state. */
static unsigned plant(struct phrases *phrases, struct slice literal)
{
	unsigned state = 0;

	for (size_t i = 0; i < literal.len; i++) {
		unsigned char c = (unsigned char)literal.ptr[i];
		uint16_t *way = &phrases->tree[state][c];

		if (*way == 0) {
			CHECK(phrases->nstates < STATES_MAX);
			*way = (uint16_t)phrases->nstates++;
		}
		if (phrases->class_of[c] == 0)
			phrases->class_of[c] = (uint8_t)phrases->nclasses++;
		state = *way;
	}
	return state;
}

/* As it stands in the text: a whole word has blanks about it, unless a '-' says that it goes on. Words of other
 * scripts are not told apart by blanks. */
static struct slice literal_of(struct slice part, char *room)
{
	bool left = part.ptr[0] != '-' && (part.ptr[0] & 0x80) == 0;
	bool right = part.ptr[part.len - 1] != '-' && (part.ptr[part.len - 1] & 0x80) == 0;
	size_t len = 0;

	if (part.ptr[0] == '-')
		part = slice_skip(part, 1);
	if (part.len > 0 && part.ptr[part.len - 1] == '-')
		part.len--;
	CHECK(part.len > 0);
	CHECK(part.len + 2 <= LITERAL_MAX);
	CHECK(slice_find(part, '-') == part.len); /* it means something at both ends only */
	if (left)
		room[len++] = ' ';
	memcpy(room + len, part.ptr, part.len);
	len += part.len;
	if (right)
		room[len++] = ' ';
	return (struct slice){room, len};
}

static void add_phrase(struct phrases *phrases, unsigned number, struct slice phrase)
{
	bool first = true;

	CHECK(phrase.len > 0);
	while (phrase.len > 0) {
		char room[LITERAL_MAX];
		struct slice literal = literal_of(slice_trim(slice_until(&phrase, '*')), room);
		unsigned at = plant(phrases, literal);

		CHECK(phrases->nparts + 1 < PARTS_MAX);
		phrases->parts[++phrases->nparts] = (struct part){
			.number = (uint16_t)number,
			.len = (uint16_t)literal.len,
			.next = phrases->states[at].part,
			.first = first,
			.last = phrase.len == 0,
		};
		phrases->states[at].part = (uint16_t)phrases->nparts;
		first = false;
	}
}

void phrases_add(struct phrases *phrases, unsigned number, const char *alternatives)
{
	struct slice rest = slice_of(alternatives);

	CHECK(phrases->tree != NULL);
	CHECK(number < PHRASES_RULES_MAX);
	while (rest.len > 0)
		add_phrase(phrases, number, slice_trim(slice_until(&rest, '|')));
}

/* The states in the order of their depth; each takes from the state of its longest proper end what it lacks itself. */
static void link_states(struct phrases *phrases, uint16_t *order, uint16_t *end_of)
{
	unsigned taken = 0, known = 1;

	while (taken < known) {
		unsigned state = order[taken++], end = end_of[state];
		uint16_t *row = phrases->next + (size_t)state * phrases->nclasses;

		for (unsigned c = 0; c < 256; c++) {
			unsigned class = phrases->class_of[c], child = phrases->tree[state][c];

			if (class == 0)
				continue;
			unsigned same = state ? phrases->next[(size_t)end * phrases->nclasses + class] : 0;

			row[class] = (uint16_t)(child ? child : same);
			if (child == 0)
				continue;
			end_of[child] = (uint16_t)same;
			phrases->states[child].shorter =
				phrases->states[same].part ? (uint16_t)same : phrases->states[same].shorter;
			order[known++] = (uint16_t)child;
		}
	}
}

void phrases_build(struct phrases *phrases)
{
	uint16_t *order = calloc(phrases->nstates, sizeof(*order));
	uint16_t *end_of = calloc(phrases->nstates, sizeof(*end_of));

	CHECK(phrases->tree != NULL);
	phrases->next = calloc((size_t)phrases->nstates * phrases->nclasses, sizeof(*phrases->next));
	CHECK(order != NULL);
	CHECK(end_of != NULL);
	CHECK(phrases->next != NULL);
	link_states(phrases, order, end_of);
	free(order);
	free(end_of);
	free(phrases->tree);
	phrases->tree = NULL;
}

/* Part p is found, and ends at the offset. */
static void on_part(const struct phrases *phrases, unsigned p, size_t end, uint16_t *ends, struct phrases_found *found)
{
	const struct part *part = &phrases->parts[p];

	if (!part->first) {
		size_t begin = end - part->len, before = ends[p - 1];

		/* Two words may share the blank between them. */
		if (before == 0 || begin + 1 < before || begin > before + PHRASES_GAP_MAX)
			return;
	}
	ends[p] = (uint16_t)end;
	if (part->last)
		found->bits[part->number / 64] |= UINT64_C(1) << (part->number % 64);
}

void phrases_find(const struct phrases *phrases, const struct verdict_words *words, struct phrases_found *found)
{
	uint16_t ends[PARTS_MAX];
	unsigned state = 0;

	CHECK(phrases->tree == NULL);
	memset(ends, 0, (phrases->nparts + 1) * sizeof(ends[0]));
	*found = (struct phrases_found){0};
	for (size_t i = 0; i < words->len; i++) {
		unsigned class = phrases->class_of[(unsigned char)words->text[i]];

		state = phrases->next[(size_t)state * phrases->nclasses + class];
		for (unsigned s = phrases->states[state].part ? state : phrases->states[state].shorter; s;
		     s = phrases->states[s].shorter)
			for (unsigned p = phrases->states[s].part; p; p = phrases->parts[p].next)
				on_part(phrases, p, i + 1, ends, found);
	}
}

size_t phrases_states(const struct phrases *phrases)
{
	return phrases->nstates;
}

size_t phrases_bytes(const struct phrases *phrases)
{
	return sizeof(*phrases) +
	       phrases->nstates * (phrases->nclasses * sizeof(*phrases->next) + sizeof(*phrases->states));
}
