/* TLS reports (RFC 8460): who wants them, and what one says. No DNS, no mail, no clock.
 *
 *     n = tls_report_places(texts, ntexts, places, 4);     of _smtp._tls.DOMAIN; 0: nobody wants one
 *     tls_report_write(&json, &report);                          the report of one domain's day */
#pragma once

#include "base/outbuf.h"

enum tls_report_policy { TLS_REPORT_NONE, TLS_REPORT_STS, TLS_REPORT_TLSA, TLS_REPORT_POLICIES };

/* Sessions that failed the same way. */
struct tls_failure {
	struct slice result; /* a result type of RFC 8460 4.3 */
	struct slice from_ip, mx, to_ip, reason;
	uint64_t count;
};

/* What came of sessions under one policy. All borrowed. */
struct tls_report_part {
	struct slice policy; /* members of a JSON object: tls_report_describe; empty: there was no policy */
	uint64_t successes;
	const struct tls_failure *failures;
	unsigned nfailures;
	bool any; /* false: nothing was met under it, the rest means nothing */
};

struct tls_report {
	struct slice organisation, contact, id, domain;
	struct slice from, until; /* the day, as RFC 3339 has it */
	struct tls_report_part parts[TLS_REPORT_POLICIES];
};

/* The places in the TXT records of _smtp._tls.DOMAIN (RFC 8460 3), mail addresses as such and https:// URLs whole:
 * borrowed from texts. 0 where there is not exactly one record of this kind, or none of its places is of those two. */
unsigned tls_report_places(const struct slice *texts, unsigned ntexts, struct slice *places, unsigned max);
/* The parts of such a URL: borrowed. path begins with "/", or is empty where the URL has none. False: it is not one of
 * a host with a name, or too long (TLS_REPORT_URL_MAX). */
enum { TLS_REPORT_URL_MAX = 400 };
struct tls_report_url {
	struct slice host, path;
	uint16_t port;
};
bool tls_report_url(struct slice text, struct tls_report_url *url);
/* "no-policy-found", "sts", "tlsa"; and back. */
const char *tls_report_policy_name(enum tls_report_policy policy);
bool tls_report_policy_parse(enum tls_report_policy *policy, struct slice name);
/* Appends "policy-string" (and "mx-host"), for struct tls_report_part.policy: of lines, empty ones left out, and of
 * patterns of hosts. */
void tls_report_describe(struct outbuf *out, struct slice lines, const struct slice *patterns, unsigned npatterns);
void tls_report_write(struct outbuf *out, const struct tls_report *report);
