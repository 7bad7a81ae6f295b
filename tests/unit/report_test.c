/* TLS reports: who wants one, and its words, field by field against the example of RFC 8460 (appendix B). */
#include "tls/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>

static const struct {
	const char *text, *addresses;
} records[] = {
	{"v=TLSRPTv1; rua=mailto:reports@example.com", "reports@example.com "},
	{"v=TLSRPTv1;rua=mailto:a@x.test,https://x.test/v1,mailto:b@x.test?subject=hi;x=y",
	 "a@x.test https://x.test/v1 b@x.test "},
	{"v=TLSRPTv1; x=y; rua=MAILTO:a@x.test", "a@x.test "},
	{"v=TLSRPTv1; rua=https://x.test/v1", "https://x.test/v1 "},
	{"v=TLSRPTv1; rua=HTTPS://x.test:8443,https://x.test/%2Ca?b", "HTTPS://x.test:8443 https://x.test/%2Ca?b "},
	{"v=TLSRPTv1; rua=http://x.test/v1,https://,https://a@x.test/,https://x.test:0/,https://x.test:99999/", ""},
	{"v=TLSRPTv1; rua=https://[::1]/v1,https://x.test:/,https://x.test?a,https://x.test/a b,https://x.test/\"", ""},
	{"v=TLSRPTv1; rua=mailto:a%40x.test,mailto:@x.test,mailto:a@,mailto:a b@x.test,mailto:", ""},
	{"v=TLSRPTv1;", ""},
	{"v=TLSRPTv1", ""},
	{"v=TLSRPTv2; rua=mailto:a@x.test", ""},
	{"rua=mailto:a@x.test; v=TLSRPTv1", ""},
	{"", ""},
};

static void wanted(const struct slice *texts, unsigned n, const char *expected)
{
	struct slice addresses[3];
	struct outbuf found = {0};
	unsigned naddresses = tls_report_places(texts, n, addresses, 3);

	for (unsigned i = 0; i < naddresses; i++)
		outbuf_printf(&found, "%.*s ", SLICE_ARG(addresses[i]));
	if (!slice_is(outbuf_slice(&found), slice_of(expected)))
		fail_msg("%.*s: expected %s, found %.*s", SLICE_ARG(texts[0]), expected,
			 SLICE_ARG(outbuf_slice(&found)));
	outbuf_free(&found);
}

static void test_who_wants_one(void **state)
{
	struct slice two[] = {SLICE("v=TLSRPTv1; rua=mailto:a@x.test"), SLICE("v=TLSRPTv1; rua=mailto:b@x.test")};
	struct slice among[] = {SLICE("v=spf1 -all"), SLICE("v=TLSRPTv1; rua=mailto:a@x.test")};
	struct slice many[] = {SLICE("v=TLSRPTv1;rua=mailto:a@x.test,mailto:b@x.test,mailto:c@x.test,mailto:d@x.test")};

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct slice text = slice_of(records[i].text);

		wanted(&text, 1, records[i].addresses);
	}
	wanted(two, 2, "");
	wanted(among, 2, "a@x.test ");
	wanted(many, 1, "a@x.test b@x.test c@x.test ");
}

static void test_parts_of_a_url(void **state)
{
	struct tls_report_url url;

	(void)state;
	assert_true(tls_report_url(SLICE("https://x.test:8443/a?b=c"), &url));
	assert_true(slice_is(url.host, SLICE("x.test")) && slice_is(url.path, SLICE("/a?b=c")) && url.port == 8443);
	assert_true(tls_report_url(SLICE("https://x.test"), &url));
	assert_true(slice_is(url.host, SLICE("x.test")) && url.path.len == 0 && url.port == 443);
}

static const char *text_at(const json_t *value, const char *name)
{
	const char *text = json_string_value(json_object_get(value, name));

	return text ? text : "";
}

static void test_words(void **state)
{
	const struct slice mx = SLICE("*.mail.company-y.example");
	const struct tls_failure failures[] = {
		{SLICE("certificate-expired"), SLICE("2001:db8::1"), SLICE("mx1.mail.company-y.example"),
		 SLICE("192.0.2.5"), SLICE_NONE, 100},
		{SLICE("validation-failure"), SLICE("198.51.100.62"), SLICE("mx-backup.mail.company-y.example"),
		 SLICE("203.0.113.58"), SLICE("no \"shared\" cipher"), 3},
	};
	struct outbuf policy = {0}, json = {0};

	(void)state;
	tls_report_describe(&policy, SLICE("version: STSv1\r\nmode: testing\r\nmx: *.mail.company-y.example\r\n\r\n"),
			    &mx, 1);
	tls_report_write(&json, &(struct tls_report){
					.organisation = SLICE("Company-X"),
					.contact = SLICE("sts-reporting@company-x.example"),
					.id = SLICE("5065427c-23d3-47ca-b6e0-946ea0e8c4be"),
					.domain = SLICE("company-y.example"),
					.from = SLICE("2016-04-01T00:00:00Z"),
					.until = SLICE("2016-04-01T23:59:59Z"),
					.parts = {[TLS_REPORT_STS] = {outbuf_slice(&policy), 5326, failures, 2, true},
						  [TLS_REPORT_NONE] = {.successes = 1, .any = true}},
				});
	json_t *report = json_loadb(json.ptr, json.len, 0, NULL);

	assert_non_null(report);
	assert_string_equal(text_at(report, "organization-name"), "Company-X");
	assert_string_equal(text_at(json_object_get(report, "date-range"), "end-datetime"), "2016-04-01T23:59:59Z");
	assert_string_equal(text_at(report, "contact-info"), "sts-reporting@company-x.example");
	json_t *policies = json_object_get(report, "policies"), *part = json_array_get(policies, 1);

	assert_int_equal(json_array_size(policies), 2);
	assert_string_equal(text_at(json_object_get(json_array_get(policies, 0), "policy"), "policy-type"),
			    "no-policy-found");
	json_t *applied = json_object_get(part, "policy"), *details = json_object_get(part, "failure-details");

	assert_string_equal(text_at(applied, "policy-type"), "sts");
	assert_string_equal(text_at(applied, "policy-domain"), "company-y.example");
	assert_int_equal(json_array_size(json_object_get(applied, "policy-string")), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(applied, "mx-host"), 0)),
			    "*.mail.company-y.example");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(part, "summary"), "total-failure-session-count")),
		103);
	assert_int_equal(json_array_size(details), 2);
	assert_string_equal(text_at(json_array_get(details, 0), "result-type"), "certificate-expired");
	assert_string_equal(text_at(json_array_get(details, 1), "failure-reason-code"), "no \"shared\" cipher");
	assert_null(json_object_get(json_array_get(details, 0), "failure-reason-code"));
	json_decref(report);
	outbuf_free(&policy);
	outbuf_free(&json);
}

static void test_policy_names(void **state)
{
	enum tls_report_policy policy;

	(void)state;
	for (unsigned i = 0; i < TLS_REPORT_POLICIES; i++) {
		assert_true(
			tls_report_policy_parse(&policy, slice_of(tls_report_policy_name((enum tls_report_policy)i))));
		assert_int_equal(policy, i);
	}
	assert_false(tls_report_policy_parse(&policy, SLICE("none")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_wants_one),
		cmocka_unit_test(test_parts_of_a_url),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_policy_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
