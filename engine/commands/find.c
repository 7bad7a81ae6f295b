/* Where one recipient is: what of it waits, and what became of it lately. Events are read from the newest back, a
 * bounded number of them: the log has the older ones. */
#include "console.h"
#include "event_reader.h"
#include "waiting_shown.h"

#include "queue/mailbox.h"
#include "queue/time.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_SHOWN = 20, EVENTS_READ_MAX = 200000, LINES = EVENTS_SHOWN };

struct finding {
	const struct arguments *arguments;
	struct client client;
	struct slice address;
	struct reasons reasons;
	struct outbuf out, text;
	unsigned waiting, nevents;
	struct outbuf lines[LINES]; /* owned: of events, the newest first */
	unsigned long read;
};

static void write_time(struct outbuf *out, const char *name, uint64_t ms)
{
	char room[TIME_TEXT_MAX];
	struct slice text = time_text(ms < TIME_MS_MAX ? ms : 0, room);

	if (waiting_is_due(ms))
		outbuf_printf(out, "  %-10s %.10s %.8s\n", name, text.ptr, text.ptr + 11);
}

static void entry_text(struct finding *finding, const struct waiting *waiting, const struct reason *reason)
{
	const struct record *record = &waiting->record;
	struct slice reply = pack_get(record->extras, SLICE("e"));
	struct outbuf *out = &finding->out;

	outbuf_printf(out, "%.*s is %s\n  %-10s ", SLICE_ARG(record->address), waiting_place_name(waiting->place),
		      "why");
	waiting_clean(out, reason->text);
	outbuf_byte(out, '\n');
	write_time(out, "next", reason->until_ms);
	if (reply.len && reply.ptr != reason->text.ptr) {
		outbuf_printf(out, "  %-10s ", "last reply");
		waiting_clean(out, reply);
		outbuf_byte(out, '\n');
	}
	outbuf_printf(out, "  %-10s %.*s, recipient %u of it%s%.*s%s%.*s\n", "job", SLICE_ARG(record->job),
		      record->index, record->tenant.len ? ", tenant " : "", SLICE_ARG(record->tenant),
		      waiting->parts.campaign.len ? ", campaign " : "", SLICE_ARG(waiting->parts.campaign));
	if (waiting->site.len)
		outbuf_printf(out, "  %-10s %.*s\n", "site", SLICE_ARG(waiting->site));
	outbuf_printf(out, "  %-10s %u\n", "tries", record->attempt);
	write_time(out, "first try", record->first_attempt_ms);
	write_time(out, "submitted", record->queued_ms);
	write_time(out, "expires", record->expires_ms);
	outbuf_byte(out, '\n');
}

static void entry_json(struct finding *finding, const struct waiting *waiting, const struct reason *reason)
{
	waiting_json(&finding->out, waiting, reason);
	outbuf_add(&finding->out, SLICE("}\n"));
}

static bool on_waiting(void *who, const struct waiting *waiting)
{
	struct finding *finding = who;

	if (!slice_is_nocase(waiting->record.address, finding->address))
		return true;
	struct reason reason = reason_of(&finding->reasons, waiting, &finding->text);

	finding->waiting++;
	if (finding->arguments->json)
		entry_json(finding, waiting, &reason);
	else
		entry_text(finding, waiting, &reason);
	return true;
}

static bool on_event(void *who, const struct event_read *event)
{
	struct finding *finding = who;
	struct outbuf *line = &finding->lines[finding->nevents];

	finding->read++;
	if (!slice_is_nocase(event->to, finding->address))
		return finding->read < EVENTS_READ_MAX;
	if (finding->arguments->json) {
		char *text = json_dumps(event->all, JSON_COMPACT);

		outbuf_printf(line, "%s\n", text ? text : "{}");
		free(text);
	} else {
		event_text(event, line);
	}
	return ++finding->nevents < EVENTS_SHOWN;
}

static void read_events(struct finding *finding)
{
	unsigned shards = client_shards(&finding->client);

	for (unsigned shard = 0; shard < shards && finding->nevents < EVENTS_SHOWN; shard++) {
		char before[48] = "+";

		while (finding->client.redis &&
		       event_reader_back(&finding->client, shard, before, on_event, finding) > 0)
			;
	}
}

static void print(struct finding *finding)
{
	if (!finding->arguments->json && finding->nevents)
		outbuf_printf(&finding->out, "last events\n");
	for (unsigned i = finding->nevents; i-- > 0;)
		outbuf_add(&finding->out, outbuf_slice(&finding->lines[i]));
	console_print(&finding->out);
}

static int find(struct finding *finding, const struct match *match)
{
	struct queue_reader reader;

	reasons_read(&finding->reasons, &finding->client);
	queue_reader_open(&reader, &finding->client, match);
	queue_reader_read(&reader, on_waiting, finding);
	queue_reader_close(&reader);
	if (finding->client.redis)
		read_events(finding);
	reasons_free(&finding->reasons);
	if (finding->client.status)
		return finding->client.status;
	print(finding);
	if (finding->waiting || finding->nevents)
		return EXIT_DONE;
	console_say("nothing of %.*s waits, and none of the last %lu events is about it", SLICE_ARG(finding->address),
		    finding->read);
	return EXIT_FAILED;
}

static void finding_free(struct finding *finding)
{
	for (unsigned i = 0; i < LINES; i++)
		outbuf_free(&finding->lines[i]);
	outbuf_free(&finding->out);
	outbuf_free(&finding->text);
}

int command_find_recipient(const struct arguments *arguments)
{
	struct finding finding = {.arguments = arguments};
	struct mailbox mailbox;
	enum mailbox_fault fault = mailbox_read(slice_of(arguments->words[0]), &mailbox);
	struct match match;
	struct refusal refusal;
	char word[16 + MAILBOX_MAX];
	int status;

	if (fault) {
		console_say("find \"%.80s\": the address %s", arguments->words[0], mailbox_fault_sentence(fault));
		return EXIT_USAGE;
	}
	finding.address = mailbox_address(&mailbox);
	snprintf(word, sizeof(word), "domain=%.*s", SLICE_ARG(mailbox_domain(&mailbox)));
	if (!match_words(&match, (const char *const[]){word}, 1, &refusal))
		return EXIT_USAGE;
	status = client_open(&finding.client, arguments);
	if (status == EXIT_DONE)
		status = find(&finding, &match);
	client_close(&finding.client);
	match_free(&match);
	finding_free(&finding);
	return status;
}
