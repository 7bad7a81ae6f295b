/* A line is an address, or a JSON object as the contract has recipients. Addresses are checked with the engine's own
 * reader, so that what is refused here is what would be refused there, but with the line. */
#include "recipients.h"

#include "console.h"

#include "base/log.h"
#include "queue/mailbox.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(struct recipients *recipients, struct slice text, const char *why)
{
	if (recipients->file)
		console_say("%s:%llu: \"%s\" %s", recipients->path, (unsigned long long)recipients->line,
			    LOG_TEXT(text), why);
	else
		console_say("--to \"%s\" %s", LOG_TEXT(text), why);
	recipients->failed = true;
	return false;
}

static bool check_address(struct recipients *recipients, struct slice address)
{
	struct mailbox mailbox;
	enum mailbox_fault fault = mailbox_read(address, &mailbox);

	if (fault && !recipients->is_lax)
		return refuse(recipients, address, mailbox_fault_sentence(fault));
	return true;
}

static bool add_address(struct recipients *recipients, struct slice address, struct outbuf *out)
{
	if (!check_address(recipients, address))
		return false;
	outbuf_json_string(out, address);
	return true;
}

static bool add_object(struct recipients *recipients, struct slice text, struct outbuf *out)
{
	json_error_t error;
	json_t *object = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error), *address;
	char why[JSON_ERROR_TEXT_LENGTH + 40];
	bool good = false;

	address = json_object_get(object, "address");
	if (!object) {
		snprintf(why, sizeof(why), "is not JSON: %s", error.text);
		refuse(recipients, text, why);
	} else if (!json_is_string(address)) {
		refuse(recipients, text, "has no \"address\": expected {\"address\": \"a@b.example\", …}");
	} else {
		good = check_address(recipients, slice_of(json_string_value(address)));
	}
	if (good)
		outbuf_add(out, text);
	json_decref(object);
	return good;
}

static bool next_line(struct recipients *recipients, struct slice *text)
{
	ssize_t n;

	while (recipients->file && (n = getline(&recipients->text, &recipients->size, recipients->file)) >= 0) {
		recipients->line++;
		*text = slice_trim((struct slice){recipients->text, (size_t)n});
		if (text->len)
			return true;
	}
	if (recipients->file && ferror(recipients->file)) {
		console_say("reading %s: %s", recipients->path, strerror(errno));
		recipients->failed = true;
	}
	return false;
}

bool recipients_next(struct recipients *recipients, struct outbuf *out)
{
	const char *address = recipients->failed ? NULL : argument_next(recipients->arguments, "--to", &recipients->at);
	struct slice text;

	if (address)
		return add_address(recipients, slice_of(address), out);
	if (recipients->failed || !next_line(recipients, &text))
		return false;
	return text.ptr[0] == '{' ? add_object(recipients, text, out) : add_address(recipients, text, out);
}

/* To the end and back to the beginning. */
static void check_all(struct recipients *recipients)
{
	struct outbuf out = {0};

	while (recipients_next(recipients, &out)) {
		recipients->total++;
		outbuf_reset(&out);
	}
	outbuf_free(&out);
	recipients->at = 0;
	recipients->line = 0;
	if (recipients->file)
		rewind(recipients->file);
}

bool recipients_open(struct recipients *recipients, const struct arguments *arguments)
{
	bool is_file;

	*recipients = (struct recipients){
		.arguments = arguments,
		.path = argument_value(arguments, "--to-file"),
		.is_lax = argument_is_given(arguments, "--partial"),
	};
	if (recipients->path)
		recipients->file = strcmp(recipients->path, "-") == 0 ? stdin : fopen(recipients->path, "re");
	if (recipients->path && !recipients->file) {
		console_say("opening %s: %s", recipients->path, strerror(errno));
		return false;
	}
	is_file = !recipients->file || fseek(recipients->file, 0, SEEK_CUR) == 0;
	if (is_file)
		check_all(recipients);
	if (is_file && !recipients->failed && recipients->total == 0)
		console_say("there are no recipients: expected --to ADDRESS or --to-file FILE");
	return !recipients->failed && (!is_file || recipients->total > 0);
}

void recipients_close(struct recipients *recipients)
{
	if (recipients->file && recipients->file != stdin)
		fclose(recipients->file);
	free(recipients->text);
}
