/* The built-in sites: real exchangers lead to them, a configured site of the name goes before, and the table is sound.
 */
#include "providers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config_reading.h"

static const struct config_site *site_of(const struct config *config, const char *domain, const char *host)
{
	struct slice name = slice_of(host);

	return config_site_of(config, slice_of(domain), &name, host[0] != '\0');
}

static void exchangers_lead_to_sites(void **state)
{
	static const struct {
		const char *domain, *host, *site;
	} rows[] = {
		{"gmail.com", "gmail-smtp-in.l.google.com", "google"},
		{"company.test", "ALT1.ASPMX.L.GOOGLE.COM", "google"},
		{"hotmail.com", "hotmail-com.olc.protection.outlook.com", "microsoft"},
		{"company.test", "company-test.mail.protection.outlook.com", "microsoft-business"},
		{"yahoo.com", "mta5.am0.yahoodns.net", "yahoo"},
		{"yahoo.co.jp", "mx1.mail.yahoo.co.jp", "yahoo-japan"},
		{"yahoo.co.jp", "", "yahoo-japan"},
		{"icloud.com", "mx01.mail.icloud.com", "apple"},
		{"web.de", "mx-ha02.web.de", "gmx"},
		{"company.test", "mx00.kundenserver.de", "gmx"},
		{"wanadoo.fr", "smtp-in.orange.fr", "orange"},
		{"docomo.ne.jp", "mfsmax.docomo.ne.jp", "docomo"},
		{"company.test", "mxa-00000000.gslb.pphosted.com", "proofpoint"},
		{"company.test", "eu-smtp-inbound-1.mimecast.com", "mimecast"},
		{"company.test", "esa1.company.iphmx.com", "cisco"},
		{"company.test", "mx.company.test", ""},
		{"company.test", "google.com.test", ""},
		{"company.test", "notgoogle.com", ""},
	};
	struct config *config = accepted("hostname = a.test\n");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct config_site *site = site_of(config, rows[i].domain, rows[i].host);

		if (rows[i].site[0])
			assert_non_null(site);
		is(site ? site->name : SLICE(""), rows[i].site);
	}
	config_free(config);
}

static void figures_hold_and_say_where_from(void **state)
{
	struct config *config = accepted("domain \"*\" { connections = 7  window = 2 }\n");
	struct outbuf why = {0};
	struct limits limits = config_limits(config, SLICE("yahoo.com"), SLICE("yahoo"), SLICE_NONE, &why);

	(void)state;
	outbuf_byte(&why, '\0');
	assert_int_equal(limits.connections, 10);
	assert_int_equal(limits.messages_per_connection, 20);
	assert_int_equal(limits.window, 2);
	assert_non_null(strstr(why.ptr, "messages-per-connection 20: built-in: yahoo\n"));
	assert_non_null(strstr(why.ptr, "window 2: test.conf:1 domain \"*\"\n"));
	assert_non_null(strstr(why.ptr, "expires-after 5d: built-in\n"));
	outbuf_free(&why);
	config_free(config);
}

static void a_configured_site_goes_before_key_by_key(void **state)
{
	struct config *config = accepted("source \"a\" { address = 192.0.2.1 }\n"
					 "site \"yahoo\" { connections = 3  source \"a\" { connections = 2 } }\n"
					 "site \"google\" { mx = { \"*.mine.test\" } }\n");
	struct limits limits = config_limits(config, SLICE("yahoo.com"), SLICE("yahoo"), SLICE_NONE, NULL);

	(void)state;
	assert_int_equal(limits.connections, 3);
	assert_int_equal(limits.messages_per_connection, 20);
	limits = config_limits(config, SLICE("yahoo.com"), SLICE("yahoo"), SLICE("a"), NULL);
	assert_int_equal(limits.connections, 2);
	is(site_of(config, "yahoo.com", "mta5.am0.yahoodns.net")->name, "yahoo");
	assert_int_equal(site_of(config, "yahoo.com", "mta5.am0.yahoodns.net")->place->line, 2);
	is(site_of(config, "a.test", "mx.mine.test")->name, "google");
	assert_null(site_of(config, "gmail.com", "gmail-smtp-in.l.google.com")); /* its mx says what belongs to it */
	config_free(config);
}

/* A site of the file goes before a built-in one that fits as well, whatever its kind of pattern. */
static void the_first_site_is_meant(void **state)
{
	struct config *config =
		accepted("site \"mine\" { mx = { \"alt*.google.com\" } }\n"
			 "site \"ours\" { mx = { \"*.l.google.com\" }  domains = { \"*.here.test\" } }\n");

	(void)state;
	is(site_of(config, "a.test", "alt2.l.google.com")->name, "mine");
	is(site_of(config, "a.test", "aspmx.l.google.com")->name, "ours");
	is(site_of(config, "a.test", "smtp.google.com")->name, "google");
	is(site_of(config, "a.here.test", "smtp.google.com")->name, "ours");
	config_free(config);
}

static void the_table_is_sound(void **state)
{
	(void)state;
	for (unsigned i = 0; i < nproviders; i++) {
		const struct provider *provider = &providers[i];

		assert_true(provider->connections > 0 && provider->messages_per_connection > 0);
		assert_true(provider->mx[0] == '*' && strlen(provider->source) > 10);
		assert_null(strstr(provider->mx, "  "));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(provider->name, providers[j].name);
	}
}

static int end(void **state)
{
	(void)state;
	outbuf_free(&problems);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchangers_lead_to_sites),
		cmocka_unit_test(figures_hold_and_say_where_from),
		cmocka_unit_test(a_configured_site_goes_before_key_by_key),
		cmocka_unit_test(the_first_site_is_meant),
		cmocka_unit_test(the_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
