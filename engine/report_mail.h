/* The report of a domain's day on TLS, as it is sent (RFC 8460 5): packed, and the packed as a mail of ours.
 *
 *     report_pack(&packed, &report);
 *     report_mail(&raw, &letter);  report_job(&job, &letter, id);       the two halves of a job */
#pragma once

#include "tls/report.h"

struct report_letter {
	const struct tls_report *report;
	struct slice packed;
	const struct slice *addresses; /* naddresses, at least one: who gets it */
	unsigned naddresses;
	uint64_t from_ms, until_ms; /* the day */
	uint64_t now_ms;
};

/* What a post has as its type. */
#define REPORT_TYPE "application/tlsrpt+gzip"

/* Appends the report as JSON in gzip (RFC 1952). */
void report_pack(struct outbuf *out, const struct tls_report *report);
/* Appends the message. */
void report_mail(struct outbuf *out, const struct report_letter *letter);
/* Appends the JSON of the job that sends it. */
void report_job(struct outbuf *out, const struct report_letter *letter, struct slice id);
