/* What the workers counted apart is added up here, in an object by name. */
#include "scores_shown.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 };

static const struct {
	const char *kind, *title;
} tables[] = {{"campaign", "campaign"}, {"source", "source"}, {"site", "site"}};

static void add_number(json_t *object, const char *name, const json_t *value)
{
	json_int_t sum = json_integer_value(json_object_get(object, name)) + json_integer_value(value);

	json_object_set_new(object, name, json_integer(sum));
}

/* "nov of acme", "google" */
static void title_of(const json_t *score, struct outbuf *out)
{
	const char *tenant = json_string_value(json_object_get(score, "tenant"));
	const char *name = json_string_value(json_object_get(score, "name"));

	outbuf_add(out, slice_of(name ? name : ""));
	if (tenant)
		outbuf_printf(out, " of %s", tenant);
	outbuf_byte(out, '\0');
}

/* Adds up one worker's score under its title: "delivered", and each category. */
static void add_score(json_t *sums, const json_t *score)
{
	struct outbuf title = {0};
	const char *category;
	json_t *sum;
	json_t *value;

	title_of(score, &title);
	sum = json_object_get(sums, title.ptr);
	if (!sum && json_object_set_new(sums, title.ptr, json_object()) == 0)
		sum = json_object_get(sums, title.ptr);
	outbuf_free(&title);
	if (!sum)
		return;
	add_number(sum, "delivered", json_object_get(score, "delivered"));
	json_object_foreach(json_object_get(score, "refusals"), category, value)
	{
		add_number(sum, category, value);
		add_number(sum, "refused", value);
	}
}

struct line {
	const char *title;
	const json_t *sum;
	long long refused;
};

static int by_refused(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return y->refused < x->refused ? -1 : y->refused > x->refused;
}

static void print_line(const struct line *line, struct outbuf *out)
{
	const char *category, *before = ": ";
	const json_t *value;

	outbuf_printf(out, "%-32.60s %9lld delivered %7lld refused", line->title,
		      (long long)json_integer_value(json_object_get(line->sum, "delivered")), line->refused);
	json_object_foreach((json_t *)line->sum, category, value)
	{
		if (strcmp(category, "delivered") == 0 || strcmp(category, "refused") == 0)
			continue;
		outbuf_printf(out, "%s%lld %s", before, (long long)json_integer_value(value), category);
		before = ", ";
	}
	outbuf_byte(out, '\n');
}

static void print_table(const json_t *sums, const char *title, struct outbuf *out)
{
	size_t n = 0;
	struct line *lines = calloc(json_object_size(sums) + 1, sizeof(*lines));
	const char *name;
	json_t *sum;

	CHECK(lines != NULL);
	json_object_foreach((json_t *)sums, name, sum)
	{
		long long refused = json_integer_value(json_object_get(sum, "refused"));

		if (refused)
			lines[n++] = (struct line){name, sum, refused};
	}
	qsort(lines, n, sizeof(*lines), by_refused);
	if (n)
		outbuf_printf(out, "\n%s\n", title);
	for (size_t i = 0; i < n && i < SHOWN; i++)
		print_line(&lines[i], out);
	if (n > SHOWN)
		outbuf_printf(out, "and %zu more; --json lists them\n", n - SHOWN);
	free(lines);
}

void scores_show(const json_t *workers, struct outbuf *out)
{
	size_t at, i;
	const json_t *worker, *score;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		json_t *sums = json_object();

		CHECK(sums != NULL);
		json_array_foreach(workers, at, worker)
		{
			const json_t *scoreboard = json_object_get(worker, "scoreboard");

			json_array_foreach(json_object_get(scoreboard, tables[t].kind), i, score)
				add_score(sums, score);
		}
		print_table(sums, tables[t].title, out);
		json_decref(sums);
	}
}
