/* MTA-STS: records, files and patterns as tables (RFC 8461 3.1, 3.2, 4.1). */
#include "tls/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *texts[3]; /* up to NULL */
	const char *id;	      /* NULL: there is no policy */
} records[] = {
	{{"v=STSv1; id=20160831085700Z;"}, "20160831085700Z"},
	{{"v=STSv1; id=20160831085700Z"}, "20160831085700Z"},
	{{"v=STSv1;id=1;"}, "1"},
	{{"v=STSv1 ; id=a1 ; "}, "a1"},
	{{"v=STSv1; a=b; id=2; c=d"}, "2"},
	{{"v=STSv1; id=1; id=2"}, "1"},
	{{"v=STSv1; id=12345678901234567890123456789012"}, "12345678901234567890123456789012"},
	{{"v=spf1 -all", "v=STSv1; id=3;"}, "3"},
	{{"v=STSv2; id=9", "v=STSv1; id=3;", "v=STSv10; id=4"}, "3"},
	{{0}, NULL},
	{{""}, NULL},
	{{"v=STSv1"}, NULL},
	{{"v=STSv1;"}, NULL},
	{{"v=STSv1; id="}, NULL},
	{{"v=STSv1; id"}, NULL},
	{{"v=STSv1; ID=1"}, NULL},
	{{"V=STSv1; id=1"}, NULL},
	{{"v=stsv1; id=1"}, NULL},
	{{" v=STSv1; id=1"}, NULL},
	{{"id=1; v=STSv1"}, NULL},
	{{"v=STSv1, id=1"}, NULL},
	{{"v=STSv1; id=1 2"}, NULL},
	{{"v=STSv1; id=1;; a=b"}, NULL},
	{{"v=STSv1; ; id=1"}, NULL},
	{{"v=STSv1; id=a-b"}, NULL},
	{{"v=STSv1; id=1; =b"}, NULL},
	{{"v=STSv1; id=1; a="}, NULL},
	{{"v=STSv1; id=1; a=b=c"}, NULL},
	{{"v=STSv1; id=1; a b=c"}, NULL},
	{{"v=STSv1; id=1; \x01=c"}, NULL},
	{{"v=STSv1; id=123456789012345678901234567890123"}, NULL},
	{{"v=STSv1; id=1", "v=STSv1; id=1"}, NULL},
	{{"v=STSv1; id=1", "v=STSv1; nothing"}, NULL},
};

static void test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct slice texts[3], id = SLICE_NONE;
		unsigned n = 0;

		for (; n < 3 && records[i].texts[n]; n++)
			texts[n] = slice_of(records[i].texts[n]);
		bool found = sts_id(texts, n, &id);

		if (found != (records[i].id != NULL) || (found && !slice_is(id, slice_of(records[i].id))))
			fail_msg("record %zu, \"%s\": found %d, \"%.*s\"", i, n ? records[i].texts[0] : "", found,
				 SLICE_ARG(id));
	}
}

#define HEAD "version: STSv1\nmode: enforce\n"

static const struct {
	const char *file;
	int mode; /* -1: it is none */
	uint32_t max_age_s;
	unsigned nmx;
	const char *about; /* in the sentence */
} files[] = {
	{HEAD "mx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n", STS_ENFORCE, 604800, 2, ""},
	{"version: STSv1\r\nmode: testing\r\nmx: a.example\r\nmax_age: 86400\r\n", STS_TESTING, 86400, 1, ""},
	{"version: STSv1\nmode: none\nmax_age: 86400", STS_NONE, 86400, 0, ""},
	{"max_age:1\nmx:a.example\nmode:enforce  \nversion:STSv1", STS_ENFORCE, 1, 1, ""},
	{HEAD "mode: none\nmax_age: 5\nmax_age: 6\nmx: a.example\nversion: STSv2\n", STS_ENFORCE, 5, 1, ""},
	{HEAD "mx: a.example\nmax_age: 9999999999\n", STS_ENFORCE, STS_AGE_S_MAX, 1, ""},
	{HEAD "mx: a.example\nmax_age: 0\nx-other: \xc3\xa4 b\n\n", STS_ENFORCE, 0, 1, ""},
	{"", -1, 0, 0, "1 to"},
	{"<html><body>no such page: 404</body></html>", -1, 0, 0, "a field and a colon"},
	{"\xef\xbb\xbf" HEAD "mx: a.example\nmax_age: 1\n", -1, 0, 0, "a field and a colon"},
	{"mode: enforce\nmx: a.example\nmax_age: 1\n", -1, 0, 0, "version: STSv1"},
	{"version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1\n", -1, 0, 0, "\"STSv2\""},
	{"version: STSv1\nmx: a.example\nmax_age: 1\n", -1, 0, 0, "mode:"},
	{"version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 1\n", -1, 0, 0, "mode:"},
	{"version: STSv1\nmode: report\nmx: a.example\nmax_age: 1\n", -1, 0, 0, "mode:"},
	{HEAD "mx: a.example\n", -1, 0, 0, "max_age"},
	{HEAD "mx: a.example\nmax_age: -1\n", -1, 0, 0, "max_age"},
	{HEAD "mx: a.example\nmax_age: 1d\n", -1, 0, 0, "max_age"},
	{HEAD "mx: a.example\nmax_age: 00000000001\n", -1, 0, 0, "max_age"},
	{HEAD "max_age: 1\n", -1, 0, 0, "one mx"},
	{HEAD "mx:\nmax_age: 1\n", -1, 0, 0, "a value"},
	{HEAD "mx: *\nmax_age: 1\n", -1, 0, 0, "mx to be"},
	{HEAD "mx: *.\nmax_age: 1\n", -1, 0, 0, "mx to be"},
	{HEAD "mx: a.*.example\nmax_age: 1\n", -1, 0, 0, "mx to be"},
	{HEAD "mx: .a.example\nmax_age: 1\n", -1, 0, 0, "mx to be"},
	{HEAD "mx: a.example.\nmax_age: 1\n", -1, 0, 0, "mx to be"},
	{HEAD "mx: a.example, b.example\nmax_age: 1\n", -1, 0, 0, "mx to be"},
	{HEAD "mx: [192.0.2.1]\nmax_age: 1\n", -1, 0, 0, "mx to be"},
	{"version: STSv1\rmode: enforce\rmx: a.example\rmax_age: 1\r", -1, 0, 0, "version: STSv1"},
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char why[STS_WHY_MAX] = "";
		struct sts_policy *policy = sts_policy_read(slice_of(files[i].file), why);

		if ((policy != NULL) != (files[i].mode >= 0))
			fail_msg("file %zu: %s; %s", i, policy ? "a policy" : "no policy", why);
		if (!policy) {
			if (!strstr(why, files[i].about))
				fail_msg("file %zu: expected a sentence with \"%s\", found \"%s\"", i, files[i].about,
					 why);
			continue;
		}
		if ((int)policy->mode != files[i].mode || policy->max_age_s != files[i].max_age_s ||
		    policy->nmx != files[i].nmx)
			fail_msg("file %zu: mode %s, max_age %u, %u mx", i, sts_mode_name(policy->mode),
				 policy->max_age_s, policy->nmx);
		sts_policy_free(policy);
	}
}

static void test_too_long(void **state)
{
	static char file[STS_FILE_MAX + 1];
	char why[STS_WHY_MAX];
	struct sts_policy *policy;

	(void)state;
	memset(file, '\n', sizeof(file));
	memcpy(file, HEAD "mx: a.example\nmax_age: 1\n", sizeof(HEAD "mx: a.example\nmax_age: 1\n") - 1);
	assert_null(sts_policy_read((struct slice){file, sizeof(file)}, why));
	policy = sts_policy_read((struct slice){file, sizeof(file) - 1}, why);
	assert_non_null(policy);
	sts_policy_free(policy);
}

static const struct {
	const char *host;
	bool named;
} hosts[] = {
	{"mail.example.com", true},
	{"MAIL.example.com", true},
	{"a.example.net", true},
	{"a.upper.example", true},
	{"a.b.example.net", false},
	{"example.net", false},
	{".example.net", false},
	{"mail.example.com.evil.example", false},
	{"amail.example.com", false},
	{"example.com", false},
	{"net", false},
	{"", false},
	{"xexample.net", false},
	{"mail.example.co", false},
};

static void test_hosts(void **state)
{
	char why[STS_WHY_MAX];
	struct sts_policy *policy = sts_policy_read(
		SLICE(HEAD "mx: mail.example.com\nmx: *.example.net\nmx: *.UPPER.example\nmax_age: 1\n"), why);

	(void)state;
	assert_non_null(policy);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (sts_policy_names(policy, slice_of(hosts[i].host)) != hosts[i].named)
			fail_msg("host \"%s\": expected %d", hosts[i].host, hosts[i].named);
	sts_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
