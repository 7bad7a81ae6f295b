/* One JSON object of counts; one JSON object a line for each address. */
#include "bench/sink/report.h"

#include "bench/sink/secure.h"

#include <stdio.h>

void sink_write_report(const struct sink *sink, const char *path)
{
	struct outbuf out = {0};
	FILE *file = path ? fopen(path, "w") : NULL;

	if (!file)
		return;
	sink_write_memory(sink, &out);
	fwrite(out.ptr, 1, out.len, file);
	fclose(file);
	outbuf_free(&out);
}

void sink_write_counts(const struct sink *sink)
{
	struct outbuf out = {0};

	outbuf_byte(&out, '{');
	outbuf_json_number(&out, "connections", sink->connections);
	outbuf_json_number(&out, "open", sink->open);
	outbuf_json_number(&out, "most_open", sink->most_open);
	outbuf_json_number(&out, "stalled", sink->stalled);
	outbuf_json_number(&out, "messages", sink->messages);
	outbuf_json_number(&out, "recipients", sink->recipients);
	outbuf_json_number(&out, "refused", sink->refused);
	outbuf_json_number(&out, "bytes", sink->bytes);
	outbuf_json_number(&out, "breaches", sink->breaches);
	outbuf_json_number(&out, "turned_away", sink->turned_away);
	outbuf_json_number(&out, "handshakes", secure_counts.handshakes);
	outbuf_json_number(&out, "resumed", secure_counts.resumed);
	outbuf_json_raw(&out, "senders", SLICE(""));
	senders_write(&sink->senders, &out);
	outbuf_add(&out, SLICE("}\n"));
	fwrite(out.ptr, 1, out.len, stdout);
	fflush(stdout);
	outbuf_free(&out);
}
