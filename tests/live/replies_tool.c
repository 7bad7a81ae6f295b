/* Judges replies, one a line as STAGE<TAB>REPLY, and prints of each: action, scope, category, whether it suppresses,
 * the wait, the rule, the list and the URL it names, by tabs. Then, on stderr, what a judgement costs on this machine.
 *
 *     printf 'rcpt\t550 5.1.1 No such user\n' | build/tests/live/replies_tool */
#include "smtp/verdict.h"
#include "smtp/verdict_detail.h"

#include "tests/unit/verdict_reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 1 << 17, REPLIES_MAX = 1 << 16, ROUNDS_MS = 300 };

static struct kept {
	char *line; /* owned */
	struct heard heard;
} replies[REPLIES_MAX];
static size_t nreplies;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void read_all(void)
{
	static char line[LINE_MAX_BYTES];

	while (nreplies < REPLIES_MAX && fgets(line, sizeof(line), stdin)) {
		struct kept *kept = &replies[nreplies];

		line[strcspn(line, "\n")] = '\0';
		kept->line = strdup(line);
		struct slice rest = slice_of(kept->line), stage = slice_until(&rest, '\t');

		if (!kept->line || !stage_parse(&kept->heard.stage, stage) || !heard_read(&kept->heard, rest)) {
			fprintf(stderr, "replies_tool: line %zu is not STAGE<TAB>CODE TEXT: %.60s\n", nreplies + 1,
				line);
			exit(2);
		}
		nreplies++;
	}
}

static void print_verdict(const struct heard *heard)
{
	struct verdict verdict = verdict_of(heard);
	struct verdict_detail detail = verdict_detail_of(heard->text);

	printf("%s\t%s\t%s\t%d\t%u\t%s\t%.*s\t%.*s\n", action_name(verdict.action), scope_name(verdict.scope),
	       category_name(verdict.category), verdict.suppress, verdict.retry_after_s, verdict.rule,
	       SLICE_ARG(detail.list), SLICE_ARG(detail.url));
}

static void print_cost(void)
{
	double begin = now_ns(), spent;
	size_t judged = 0, bytes = 0;

	do {
		for (size_t i = 0; i < nreplies; i++, judged++) {
			verdict_of(&replies[i].heard);
			bytes += replies[i].heard.text.len;
		}
		spent = now_ns() - begin;
	} while (spent < ROUNDS_MS * 1e6);
	fprintf(stderr, "%.0f ns a reply of %.0f bytes\n", spent / (double)judged, (double)bytes / (double)judged);
}

int main(void)
{
	read_all();
	for (size_t i = 0; i < nreplies; i++)
		print_verdict(&replies[i].heard);
	if (nreplies > 0)
		print_cost();
	for (size_t i = 0; i < nreplies; i++)
		free(replies[i].line);
	return 0;
}
