/* Verdicts of replies, one a line, in order: what the engine would make of them. It needs no Redis and no
 * configuration.
 *
 * Read with read() and a buffer of its own, not with stdio: what is finished is written out before the program waits
 * for more, so that another program may hand it one reply at a time and get the verdict at once, and a file of a
 * million lines needs no more memory than its longest line. A line that is none is said with its number and answered
 * too, so that line n of the output always belongs to line n of the input. */
#include "client.h"
#include "console.h"
#include "heard_line.h"

#include "smtp/verdict_detail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 65536, LINE_MAX_BYTES = REPLY_BYTES_MAX + 4096 };

struct classifier {
	const struct config *config; /* borrowed */
	struct slice site;	     /* for lines that name none */
	bool json, explain;
	struct heard_line line;
	const struct local_rule *rule; /* of the operator, that decided; NULL: a built-in one */
	struct outbuf pending;	       /* of the input: a line that has not ended */
	struct outbuf out;
	const char *file;
	unsigned long long number; /* of the line at hand */
	bool too_long;		   /* what is pending began with more than a line may have */
	bool wrong, closed;	   /* a line was none; nobody reads what we print */
};

/* Of the operator's rules: where it is written and what it asks for. */
static void explain_local(const struct config *config, const struct local_rule *rule, struct outbuf *why)
{
	const struct config_place *place = config->rules[rule - config->local.rule].place;

	outbuf_printf(why, "; rule \"%s\" of %.*s:%u decided", rule->name, SLICE_ARG(place->file), place->line);
	if (rule->code)
		outbuf_printf(why, ", match = '%.*s'", SLICE_ARG(rule->pattern));
	if (rule->after_count)
		outbuf_printf(why, ", once it was met %u times within %llu s on a lane", rule->after_count,
			      (unsigned long long)rule->after_ms / 1000);
	if (rule->rate_count)
		outbuf_printf(why, ", with a rate of %llu in %llu s", (unsigned long long)rule->rate_count,
			      (unsigned long long)rule->rate_period_ms / 1000);
	if (rule->for_ms)
		outbuf_printf(why, ", for %llu s", (unsigned long long)rule->for_ms / 1000);
}

static void explain(struct classifier *classifier, const struct heard *heard, const struct verdict *verdict)
{
	struct verdict_detail detail = verdict_detail_of(heard->text);
	struct outbuf why = {0};

	outbuf_printf(&why, "heard at %s: code %u", stage_name(heard->stage), heard->code);
	if (heard->enhanced.len)
		outbuf_printf(&why, ", enhanced code %.*s", SLICE_ARG(heard->enhanced));
	if (heard->provider.len)
		outbuf_printf(&why, ", from %.*s", SLICE_ARG(heard->provider));
	if (classifier->rule)
		explain_local(classifier->config, classifier->rule, &why);
	else
		outbuf_printf(&why, "; built-in rule %s decided", verdict->rule);
	if (detail.list.len)
		outbuf_printf(&why, "; it names the blocklist %.*s", SLICE_ARG(detail.list));
	if (detail.url.len)
		outbuf_printf(&why, "; it says more at %.*s", SLICE_ARG(detail.url));
	if (classifier->json && detail.list.len)
		outbuf_json_text(&classifier->out, "blocklist", detail.list);
	if (classifier->json && detail.url.len)
		outbuf_json_text(&classifier->out, "url", detail.url);
	if (classifier->json)
		outbuf_json_text(&classifier->out, "why", outbuf_slice(&why));
	else
		outbuf_printf(&classifier->out, "    %.*s\n", SLICE_ARG(outbuf_slice(&why)));
	outbuf_free(&why);
}

static void print_json(struct classifier *classifier, const struct heard *heard, const struct verdict *verdict)
{
	struct outbuf *out = &classifier->out;

	outbuf_byte(out, '{');
	outbuf_json_text(out, "action", slice_of(action_name(verdict->action)));
	outbuf_json_text(out, "scope", slice_of(scope_name(verdict->scope)));
	outbuf_json_text(out, "category", slice_of(category_name(verdict->category)));
	outbuf_json_raw(out, "suppress", verdict->suppress ? SLICE("true") : SLICE("false"));
	outbuf_json_number(out, "retry_after", verdict->retry_after_s);
	outbuf_json_text(out, "rule", slice_of(verdict->rule));
	if (classifier->explain)
		explain(classifier, heard, verdict);
	outbuf_add(out, SLICE("}\n"));
}

static void print_text(struct classifier *classifier, const struct heard *heard, const struct verdict *verdict)
{
	struct outbuf *out = &classifier->out;

	outbuf_printf(out, "%-9s %-10s %-17s %s", action_name(verdict->action), scope_name(verdict->scope),
		      verdict->category ? category_name(verdict->category) : "-", verdict->rule);
	if (verdict->suppress)
		outbuf_add(out, SLICE(", suppress"));
	if (verdict->retry_after_s)
		outbuf_printf(out, ", again after %u s", verdict->retry_after_s);
	outbuf_byte(out, '\n');
	if (classifier->explain)
		explain(classifier, heard, verdict);
}

static void print_wrong(struct classifier *classifier, const char *why)
{
	classifier->wrong = true;
	console_say("%s:%llu: %s", classifier->file, classifier->number, why);
	if (classifier->json) {
		outbuf_byte(&classifier->out, '{');
		outbuf_json_text(&classifier->out, "error", slice_of(why));
		outbuf_add(&classifier->out, SLICE("}\n"));
	} else {
		outbuf_printf(&classifier->out, "error     %s\n", why);
	}
}

static void classify_line(struct classifier *classifier, struct slice text)
{
	char why[HEARD_WHY_MAX];
	struct heard heard;
	struct verdict verdict;

	classifier->number++;
	if (classifier->too_long) {
		print_wrong(classifier, "the line is longer than any reply may be");
		return;
	}
	if (!heard_line_read(&classifier->line, text, &heard, why)) {
		print_wrong(classifier, why);
		return;
	}
	if (heard.provider.len == 0)
		heard.provider = classifier->site;
	classifier->rule = local_rules_find(&classifier->config->local, &heard, NULL, NULL);
	verdict = classifier->rule ? local_rule_verdict(classifier->rule, &heard) : verdict_of(&heard);
	if (classifier->json)
		print_json(classifier, &heard, &verdict);
	else
		print_text(classifier, &heard, &verdict);
}

static void flush(struct classifier *classifier)
{
	if (!console_print(&classifier->out))
		classifier->closed = true;
	outbuf_reset(&classifier->out);
}

/* Bytes as they were read: whole lines are classified, the rest waits for its end. */
static void take(struct classifier *classifier, struct slice bytes)
{
	struct outbuf *pending = &classifier->pending;

	while (bytes.len) {
		size_t end = slice_find(bytes, '\n');
		struct slice piece = slice_head(bytes, end);

		if (pending->len + piece.len > LINE_MAX_BYTES)
			classifier->too_long = true;
		else if (pending->len || end == bytes.len)
			outbuf_add(pending, piece);
		if (end < bytes.len) {
			classify_line(classifier, pending->len ? outbuf_slice(pending) : piece);
			outbuf_reset(pending);
			classifier->too_long = false;
		}
		bytes = slice_skip(bytes, end + 1);
		if (classifier->out.len >= PIECE)
			flush(classifier);
	}
}

static bool classify_file(struct classifier *classifier, const char *file)
{
	bool is_input = strcmp(file, "-") == 0;
	int fd = is_input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	char bytes[PIECE];
	ssize_t n = -1;

	classifier->file = is_input ? "standard input" : file;
	classifier->number = 0;
	while (fd >= 0 && !classifier->closed) {
		n = read(fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		take(classifier, (struct slice){bytes, (size_t)n});
		flush(classifier);
	}
	if (n < 0)
		console_say("reading replies from %s: %s", classifier->file, strerror(errno));
	if (fd >= 0 && !is_input)
		close(fd);
	if (classifier->pending.len || classifier->too_long)
		take(classifier, SLICE("\n"));
	flush(classifier);
	return n >= 0;
}

int command_classify(const struct arguments *arguments)
{
	struct config *config = client_config(arguments);
	struct classifier classifier = {
		.config = config,
		.site = slice_of(argument_value(arguments, "--site")),
		.json = arguments->json,
		.explain = argument_is_given(arguments, "--explain"),
	};
	bool read_all = true;

	if (!config)
		return EXIT_USAGE;
	if (arguments->nwords == 0)
		read_all = classify_file(&classifier, "-");
	for (unsigned i = 0; i < arguments->nwords; i++)
		read_all &= classify_file(&classifier, arguments->words[i]);
	heard_line_free(&classifier.line);
	outbuf_free(&classifier.pending);
	outbuf_free(&classifier.out);
	config_free(config);
	return read_all && !classifier.wrong && !classifier.closed ? EXIT_DONE : EXIT_FAILED;
}
