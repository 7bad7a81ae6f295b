/* The record is read as strictly as MTA-STS reads its own: one that is malformed asks for nothing. A mail address
 * with percent signs is passed over: addresses that need them are not worth a decoder. */
#include "tls/report.h"

static const char *const policies[TLS_REPORT_POLICIES] = {
	[TLS_REPORT_NONE] = "no-policy-found",
	[TLS_REPORT_STS] = "sts",
	[TLS_REPORT_TLSA] = "tlsa",
};

const char *tls_report_policy_name(enum tls_report_policy policy)
{
	return policies[policy];
}

bool tls_report_policy_parse(enum tls_report_policy *policy, struct slice name)
{
	for (unsigned i = 0; i < TLS_REPORT_POLICIES; i++)
		if (slice_is(name, slice_of(policies[i]))) {
			*policy = (enum tls_report_policy)i;
			return true;
		}
	return false;
}

/* What stands behind "v=TLSRPTv1;" in the one record that begins so. */
static bool only_record(const struct slice *texts, unsigned ntexts, struct slice *rest)
{
	static const struct slice version = SLICE("v=TLSRPTv1");
	unsigned n = 0;

	for (unsigned i = 0; i < ntexts; i++) {
		struct slice text = texts[i], first = slice_trim(slice_until(&text, ';'));

		if (!slice_is(first, version) || first.len == texts[i].len)
			continue;
		*rest = text;
		n++;
	}
	return n == 1;
}

static bool is_address(struct slice text)
{
	size_t at = slice_find(text, '@');

	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '%' || text.ptr[i] == '"')
			return false;
	return at > 0 && at + 1 < text.len && text.len <= 254;
}

static bool is_of_host(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* The port behind the host, if there is one. */
static bool read_port(struct slice *rest, uint16_t *port)
{
	struct slice digits = *rest;
	uint64_t n;

	*port = 443;
	if (!slice_starts(*rest, SLICE(":")))
		return true;
	digits = slice_skip(digits, 1);
	*rest = slice_skip(digits, slice_find(digits, '/'));
	if (!slice_number(slice_head(digits, slice_find(digits, '/')), UINT16_MAX, &n) || n == 0)
		return false;
	*port = (uint16_t)n;
	return true;
}

bool tls_report_url(struct slice text, struct tls_report_url *url)
{
	static const struct slice scheme = SLICE("https://");
	struct slice rest = slice_skip(text, scheme.len);
	size_t n = 0;

	if (!slice_starts_nocase(text, scheme) || text.len > TLS_REPORT_URL_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '"' || text.ptr[i] == '\\')
			return false;
	while (n < rest.len && is_of_host(rest.ptr[n]))
		n++;
	url->host = slice_head(rest, n);
	rest = slice_skip(rest, n);
	if (n == 0 || n > 253 || !read_port(&rest, &url->port))
		return false;
	url->path = rest;
	return rest.len == 0 || rest.ptr[0] == '/';
}

/* What stands behind "rua=" in the record. */
static bool only_places(const struct slice *texts, unsigned ntexts, struct slice *places)
{
	static const struct slice key = SLICE("rua=");
	struct slice rest;

	if (!only_record(texts, ntexts, &rest))
		return false;
	do
		*places = slice_trim(slice_until(&rest, ';'));
	while (rest.len && !slice_starts(*places, key));
	if (!slice_starts(*places, key))
		return false;
	*places = slice_skip(*places, key.len);
	return true;
}

unsigned tls_report_places(const struct slice *texts, unsigned ntexts, struct slice *places, unsigned max)
{
	static const struct slice scheme = SLICE("mailto:");
	struct tls_report_url url;
	struct slice field;
	unsigned n = 0;

	if (!only_places(texts, ntexts, &field))
		return 0;
	while (field.len && n < max) {
		struct slice place = slice_trim(slice_until(&field, ','));
		bool mail = slice_starts_nocase(place, scheme);

		if (mail)
			place = slice_skip(place, scheme.len);
		if (mail)
			place = slice_head(place, slice_find(place, '?'));
		if (mail ? is_address(place) : tls_report_url(place, &url))
			places[n++] = place;
	}
	return n;
}

/* A list of strings; empty ones are left out. */
static void write_strings(struct outbuf *out, const struct slice *texts, unsigned n)
{
	unsigned written = 0;

	outbuf_byte(out, '[');
	for (unsigned i = 0; i < n; i++) {
		if (texts[i].len == 0)
			continue;
		if (written++)
			outbuf_byte(out, ',');
		outbuf_json_string(out, texts[i]);
	}
	outbuf_byte(out, ']');
}

void tls_report_describe(struct outbuf *out, struct slice lines, const struct slice *patterns, unsigned npatterns)
{
	bool first = true;

	outbuf_add(out, SLICE("\"policy-string\":["));
	while (lines.len) {
		struct slice line = slice_trim(slice_until(&lines, '\n'));

		if (line.len == 0)
			continue;
		if (!first)
			outbuf_byte(out, ',');
		first = false;
		outbuf_json_string(out, line);
	}
	outbuf_byte(out, ']');
	if (npatterns == 0)
		return;
	outbuf_add(out, SLICE(",\"mx-host\":"));
	write_strings(out, patterns, npatterns);
}

static void write_failure(struct outbuf *out, const struct tls_failure *failure)
{
	outbuf_byte(out, '{');
	outbuf_json_text(out, "result-type", failure->result);
	if (failure->from_ip.len)
		outbuf_json_text(out, "sending-mta-ip", failure->from_ip);
	outbuf_json_text(out, "receiving-mx-hostname", failure->mx);
	if (failure->to_ip.len)
		outbuf_json_text(out, "receiving-ip", failure->to_ip);
	outbuf_json_number(out, "failed-session-count", failure->count);
	if (failure->reason.len)
		outbuf_json_text(out, "failure-reason-code", failure->reason);
	outbuf_byte(out, '}');
}

static void write_part(struct outbuf *out, const struct tls_report *report, enum tls_report_policy policy)
{
	const struct tls_report_part *part = &report->parts[policy];
	uint64_t failed = 0;

	for (unsigned i = 0; i < part->nfailures; i++)
		failed += part->failures[i].count;
	outbuf_add(out, SLICE("{\"policy\":{"));
	outbuf_json_text(out, "policy-type", slice_of(policies[policy]));
	outbuf_json_text(out, "policy-domain", report->domain);
	if (part->policy.len) {
		outbuf_byte(out, ',');
		outbuf_add(out, part->policy);
	}
	outbuf_add(out, SLICE("},\"summary\":{"));
	outbuf_json_number(out, "total-successful-session-count", part->successes);
	outbuf_json_number(out, "total-failure-session-count", failed);
	outbuf_byte(out, '}');
	for (unsigned i = 0; i < part->nfailures; i++) {
		outbuf_add(out, i == 0 ? SLICE(",\"failure-details\":[") : SLICE(","));
		write_failure(out, &part->failures[i]);
	}
	outbuf_add(out, part->nfailures ? SLICE("]}") : SLICE("}"));
}

void tls_report_write(struct outbuf *out, const struct tls_report *report)
{
	bool first = true;

	outbuf_byte(out, '{');
	outbuf_json_text(out, "organization-name", report->organisation);
	outbuf_add(out, SLICE(",\"date-range\":{"));
	outbuf_json_text(out, "start-datetime", report->from);
	outbuf_json_text(out, "end-datetime", report->until);
	outbuf_byte(out, '}');
	outbuf_json_text(out, "contact-info", report->contact);
	outbuf_json_text(out, "report-id", report->id);
	outbuf_add(out, SLICE(",\"policies\":["));
	for (unsigned i = 0; i < TLS_REPORT_POLICIES; i++) {
		if (!report->parts[i].any)
			continue;
		if (!first)
			outbuf_byte(out, ',');
		first = false;
		write_part(out, report, (enum tls_report_policy)i);
	}
	outbuf_add(out, SLICE("]}\n"));
}
