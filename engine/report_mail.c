/* The contact of a report is its sender, and the domain of that is who submits it; the two must agree (RFC 8460 5.3).
 * The mail says TLS-Required: No, for a report on TLS that fails must get through in spite of that. */
#include "report_mail.h"

#include "base/base64.h"
#include "base/check.h"

#include <time.h>
#include <zlib.h>

enum { LINE_BYTES = 57 };

void report_pack(struct outbuf *out, const struct tls_report *report)
{
	z_stream stream = {0};
	struct outbuf json = {0};

	tls_report_write(&json, report);
	CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	size_t room = deflateBound(&stream, json.len) + 32;

	stream.next_in = (Bytef *)json.ptr;
	stream.avail_in = (uInt)json.len;
	stream.next_out = (Bytef *)outbuf_room(out, room);
	stream.avail_out = (uInt)room;
	CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	out->len += stream.total_out;
	deflateEnd(&stream);
	outbuf_free(&json);
}

static void add_base64(struct outbuf *out, struct slice bytes)
{
	for (size_t at = 0; at < bytes.len; at += LINE_BYTES) {
		base64_add(out, slice_head(slice_skip(bytes, at), LINE_BYTES));
		outbuf_add(out, SLICE("\r\n"));
	}
}

static struct slice domain_of(struct slice address)
{
	return slice_skip(address, slice_find(address, '@') + 1);
}

static void write_head(struct outbuf *out, const struct report_letter *letter)
{
	const struct tls_report *report = letter->report;
	struct slice submitter = domain_of(report->contact);
	time_t now_s = (time_t)(letter->now_ms / 1000);
	struct tm tm;
	char date[64];

	gmtime_r(&now_s, &tm);
	CHECK(strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm) > 0);
	outbuf_printf(out, "From: %.*s\r\nTo: %.*s\r\nDate: %s\r\n", SLICE_ARG(report->contact),
		      SLICE_ARG(letter->addresses[0]), date);
	outbuf_printf(
		out, "Message-ID: <%.*s>\r\nSubject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%.*s>\r\n",
		SLICE_ARG(report->id), SLICE_ARG(report->domain), SLICE_ARG(submitter), SLICE_ARG(report->id));
	outbuf_printf(out, "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %.*s\r\nTLS-Required: No\r\n",
		      SLICE_ARG(report->domain), SLICE_ARG(submitter));
	outbuf_printf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
			   " boundary=\"tls-report\"\r\n\r\n");
}

void report_mail(struct outbuf *out, const struct report_letter *letter)
{
	const struct tls_report *report = letter->report;
	struct slice submitter = domain_of(report->contact);

	write_head(out, letter);
	outbuf_printf(
		out,
		"--tls-report\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
		"What came of TLS between %.*s and the mail hosts of %.*s on one day\r\n(RFC 8460): see the part that "
		"follows, which is for machines.\r\n",
		SLICE_ARG(submitter), SLICE_ARG(report->domain));
	outbuf_printf(out,
		      "--tls-report\r\nContent-Type: " REPORT_TYPE "\r\nContent-Transfer-Encoding: base64\r\n"
		      "Content-Disposition: attachment;\r\n filename=\"%.*s!%.*s!%llu!%llu.json.gz\"\r\n\r\n",
		      SLICE_ARG(submitter), SLICE_ARG(report->domain), (unsigned long long)letter->from_ms / 1000,
		      (unsigned long long)letter->until_ms / 1000 - 1);
	add_base64(out, letter->packed);
	outbuf_add(out, SLICE("--tls-report--\r\n"));
}

void report_job(struct outbuf *out, const struct report_letter *letter, struct slice id)
{
	outbuf_byte(out, '{');
	outbuf_json_text(out, "id", id);
	outbuf_json_text(out, "from", letter->report->contact);
	outbuf_add(out, SLICE(",\"to\":["));
	for (unsigned i = 0; i < letter->naddresses; i++) {
		outbuf_printf(out, i ? "," : "");
		outbuf_json_string(out, letter->addresses[i]);
	}
	outbuf_add(out, SLICE("]}"));
}
