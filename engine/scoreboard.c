/* A book for each kind: a map to find a name, a list to know which was counted longest ago. Counting is one look into
 * the map: what is sent by ten campaigns is in the cache. */
#include "scoreboard.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 200 };

struct score {
	struct map_node node;	   /* by tenant, line end, name */
	struct list link;	   /* in its book */
	struct slice tenant, name; /* in the key */
	uint64_t delivered, refused[CATEGORY_COUNT];
	char key[];
};

static const char *const kinds[SCORE_KINDS_COUNT] = {
#define X(name, text) text,
	SCORE_KINDS(X)
#undef X
};

static void forget(struct score_book *book, struct score *score)
{
	list_remove(&score->link);
	map_remove(&book->by_name, &score->node);
	free(score);
}

static struct score *score_of(struct list *link)
{
	return LIST_OWNER(link, struct score, link);
}

static struct score *make(struct score_book *book, struct slice key, size_t tenant_len)
{
	struct score *score = calloc(1, sizeof(*score) + key.len);

	CHECK(score != NULL);
	if (!book->recent.next)
		list_init(&book->recent);
	if (book->by_name.count >= SCORES_MAX)
		forget(book, score_of(list_first(&book->recent)));
	memcpy(score->key, key.ptr, key.len);
	score->tenant = (struct slice){score->key, tenant_len};
	score->name = (struct slice){score->key + tenant_len + 1, key.len - tenant_len - 1};
	list_init(&score->link);
	map_add(&book->by_name, &score->node, (struct slice){score->key, key.len});
	return score;
}

void scoreboard_count(struct scoreboard *scoreboard, enum score_kind kind, struct slice tenant, struct slice name,
		      const struct outcome *outcome)
{
	struct score_book *book = &scoreboard->books[kind];
	char room[2 * NAME_MAX_BYTES + 1];

	tenant = slice_head(tenant, NAME_MAX_BYTES);
	name = slice_head(name, NAME_MAX_BYTES);
	if (tenant.len)
		memcpy(room, tenant.ptr, tenant.len);
	room[tenant.len] = '\n';
	if (name.len)
		memcpy(room + tenant.len + 1, name.ptr, name.len);
	struct slice key = {room, tenant.len + 1 + name.len};
	struct map_node *node = map_find(&book->by_name, key);
	struct score *score = node ? MAP_OWNER(node, struct score, node) : make(book, key, tenant.len);

	if (outcome->verdict.action == ACTION_DELIVERED)
		score->delivered++;
	else
		score->refused[outcome->verdict.category]++;
	list_remove(&score->link);
	list_push(&book->recent, &score->link);
}

static void write_score(const struct score *score, struct outbuf *out)
{
	if (out->ptr[out->len - 1] != '[')
		outbuf_byte(out, ',');
	outbuf_byte(out, '{');
	if (score->tenant.len)
		outbuf_json_text(out, "tenant", score->tenant);
	outbuf_json_text(out, "name", score->name);
	outbuf_json_number(out, "delivered", score->delivered);
	outbuf_json_raw(out, "refusals", SLICE("{"));
	for (unsigned i = 0; i < CATEGORY_COUNT; i++)
		if (score->refused[i])
			outbuf_json_number(out, i ? category_name((enum category)i) : "none", score->refused[i]);
	outbuf_add(out, SLICE("}}"));
}

void scoreboard_write(const struct scoreboard *scoreboard, struct outbuf *out)
{
	outbuf_json_raw(out, "scoreboard", SLICE("{"));
	for (unsigned i = 0; i < SCORE_KINDS_COUNT; i++) {
		const struct list *recent = &scoreboard->books[i].recent;
		unsigned written = 0;

		outbuf_json_raw(out, kinds[i], SLICE("["));
		for (struct list *link = recent->prev; link && link != recent && written < SCORES_SHOWN;
		     link = link->prev, written++)
			write_score(score_of(link), out);
		outbuf_byte(out, ']');
	}
	outbuf_byte(out, '}');
}

void scoreboard_free(struct scoreboard *scoreboard)
{
	for (unsigned i = 0; i < SCORE_KINDS_COUNT; i++) {
		struct score_book *book = &scoreboard->books[i];

		while (book->by_name.count)
			forget(book, score_of(list_first(&book->recent)));
		map_free(&book->by_name);
	}
}
