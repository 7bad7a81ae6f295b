/* Local rules: which replies they fit, what they make of them, when they act, and that no pattern stops us. */
#include "smtp/local_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_reading.h"

static const char *const rules =
	"rule \"ts\" { site = { \"yahoo\" }  stage = { \"connect\", \"eom\" }  match = '^421 .*TS0[234]'  action = "
	"\"slower\"\n"
	"            scope = \"lane\"  rate = \"1/m\"  for = \"30m\"  after = \"3/1h\"  category = \"reputation\" }\n"
	"rule \"living\" { match = '(?i)replica 7 lags'  suppress = false }\n"
	"rule \"dead\" { site = { \"a\", \"b\" }  stage = { \"eom\" }  match = 'no such user'  action = \"never\"\n"
	"              scope = \"recipient\"  category = \"invalid-recipient\"  suppress = true }\n"
	"rule \"rest\" { match = 'source blocked'  action = \"rest-source\"  for = \"2h\" }\n"
	"rule \"stop\" { match = 'site closed'  action = \"pause\"  for = \"1h\" }\n"
	"rule \"other\" { match = 'node down'  action = \"other-mx\" }\n"
	"rule \"second\" { match = 'one 4.3.0 two$'  category = \"remote-error\"  action = \"later\" }\n";

static struct heard heard(enum stage stage, unsigned code, const char *enhanced, const char *text, const char *site)
{
	return (struct heard){stage, code, slice_of(enhanced), slice_of(text), slice_of(site)};
}

static const struct local_rule *found(const struct config *config, const struct heard *heard)
{
	return local_rules_find(&config->local, heard, NULL, NULL);
}

static void fits(const struct config *config, struct heard heard, const char *name)
{
	const struct local_rule *rule = found(config, &heard);

	assert_string_equal(rule ? rule->name : "", name);
}

static void test_which(void **state)
{
	struct config *config = accepted(rules);

	(void)state;
	fits(config, heard(STAGE_EOM, 421, "4.7.0", "[TS02] too much", "yahoo"), "ts");
	fits(config, heard(STAGE_CONNECT, 421, "", "a\n4.7.0 [TS03] too much", "yahoo"), "ts");
	fits(config, heard(STAGE_EOM, 421, "4.7.0", "[TS05] too much", "yahoo"), "");
	fits(config, heard(STAGE_RCPT, 421, "4.7.0", "[TS02] too much", "yahoo"), "");
	fits(config, heard(STAGE_EOM, 451, "4.7.0", "[TS02] too much", "yahoo"), "");
	fits(config, heard(STAGE_EOM, 421, "4.7.0", "[TS02] too much", "google"), "");
	fits(config, heard(STAGE_RCPT, 550, "5.1.1", "No such user, Replica 7 Lags", ""), "living");
	fits(config, heard(STAGE_EOM, 550, "", "no such user", "b"), "dead");
	fits(config, heard(STAGE_EOM, 550, "", "No such user", "b"), "");
	fits(config, heard(STAGE_EOM, 550, "", "no such user", "c"), "");
	fits(config, heard(STAGE_DATA, 451, "", "one\n4.3.0 two", "c"), "second");
	config_free(config);
}

/* What was accepted stays so, whatever the words. */
static void test_only_refusals(void **state)
{
	struct config *config =
		accepted("rule \"all\" { stage = { \"eom\", \"data\", \"connect\" }  action = \"never\" }");

	(void)state;
	fits(config, heard(STAGE_EOM, 250, "2.0.0", "queued", ""), "");
	fits(config, heard(STAGE_DATA, 354, "", "go ahead", ""), "");
	fits(config, heard(STAGE_EOM, 0, "", "", ""), "");
	fits(config, heard(STAGE_EOM, 450, "", "", ""), "all");
	config_free(config);
}

static struct verdict verdict(const struct config *config, struct heard heard)
{
	const struct local_rule *rule = found(config, &heard);

	assert_non_null(rule);
	return local_rule_verdict(rule, &heard);
}

static void is_verdict(struct verdict verdict, enum action action, enum scope scope, enum category category,
		       bool suppress, unsigned retry_after_s)
{
	assert_string_equal(action_name(verdict.action), action_name(action));
	assert_string_equal(scope_name(verdict.scope), scope_name(scope));
	assert_string_equal(category_name(verdict.category), category_name(category));
	assert_int_equal(verdict.suppress, suppress);
	assert_int_equal(verdict.retry_after_s, retry_after_s);
}

static void test_verdicts(void **state)
{
	struct config *config = accepted(rules);

	(void)state;
	is_verdict(verdict(config, heard(STAGE_EOM, 421, "4.7.0", "[TS02] x", "yahoo")), ACTION_SLOWER, SCOPE_LANE,
		   CATEGORY_REPUTATION, false, 1800);
	is_verdict(verdict(config, heard(STAGE_RCPT, 550, "5.1.1", "No such user, replica 7 lags", "")), ACTION_NEVER,
		   SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false, 0);
	is_verdict(verdict(config, heard(STAGE_EOM, 550, "", "no such user", "a")), ACTION_NEVER, SCOPE_RECIPIENT,
		   CATEGORY_INVALID_RECIPIENT, true, 0);
	is_verdict(verdict(config, heard(STAGE_EOM, 550, "5.3.0", "source blocked", "")), ACTION_LATER, SCOPE_LANE,
		   verdict_of(&(struct heard){STAGE_EOM, 550, SLICE("5.3.0"), SLICE("source blocked"), SLICE_NONE})
			   .category,
		   false, 7200);
	assert_int_equal(verdict(config, heard(STAGE_MAIL, 450, "", "site closed", "")).scope, SCOPE_SITE);
	assert_int_equal(verdict(config, heard(STAGE_MAIL, 450, "", "site closed", "")).retry_after_s, 3600);
	assert_int_equal(verdict(config, heard(STAGE_EOM, 450, "", "node down", "")).action, ACTION_ELSEWHERE);
	assert_int_equal(verdict(config, heard(STAGE_EOM, 450, "", "node down", "")).scope, SCOPE_CONNECTION);
	assert_string_equal(verdict(config, heard(STAGE_EOM, 450, "", "node down", "")).rule, "other");
	config_free(config);
}

/* Said to be suppressed without being refused for good: the built-in verdict is in the way, and it is not. */
static void test_suppress_needs_never(void **state)
{
	struct config *config = accepted("rule \"s\" { match = 'x'  suppress = true }");

	(void)state;
	assert_false(verdict(config, heard(STAGE_RCPT, 450, "", "x mailbox full", "")).suppress);
	assert_false(verdict(config, heard(STAGE_CONNECT, 550, "", "x no such user", "")).suppress);
	assert_true(verdict(config, heard(STAGE_RCPT, 550, "5.1.1", "x no such user", "")).suppress);
	config_free(config);
}

static bool is_never(void *who, const struct local_rule *rule)
{
	(void)rule;
	(*(unsigned *)who)++;
	return false;
}

/* A rule that does not act yet leaves the reply to those behind it. */
static void test_after(void **state)
{
	struct config *config = accepted("rule \"a\" { match = 'x'  action = later  after = \"3/1h\" }\n"
					 "rule \"b\" { match = 'x'  action = later }\n");
	struct heard reply = heard(STAGE_RCPT, 450, "", "x", "");
	const struct local_rule *rule = &config->local.rule[0];
	struct local_tally *tally = local_tally_new(rule);
	unsigned asked = 0;

	(void)state;
	assert_string_equal(local_rules_find(&config->local, &reply, is_never, &asked)->name, "b");
	assert_int_equal(asked, 1);
	assert_false(local_tally_meet(tally, rule, 1000));
	assert_false(local_tally_meet(tally, rule, 2000));
	assert_true(local_tally_meet(tally, rule, 3601000));  /* three in just an hour */
	assert_false(local_tally_meet(tally, rule, 3603000)); /* 2000, 3601000, 3603000: a second too far apart */
	assert_true(local_tally_meet(tally, rule, 3603001));
	free(tally);
	config_free(config);
}

/* A pattern that tries everything is given up, soon. */
static void test_cost_is_bounded(void **state)
{
	static char text[60000];
	struct config *config = accepted("rule \"bad\" { match = '^(([a-z])+.)+[A-Z]([a-z])+$'  action = later }\n"
					 "rule \"next\" { match = 'aaa'  action = later }\n");

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	fits(config, heard(STAGE_RCPT, 450, "", text, ""), "next");
	config_free(config);
}

/* Any bytes, as bytes. */
static void test_bytes(void **state)
{
	struct config *config = accepted("rule \"raw\" { match = '\\xff\\x00b$'  action = later }\n");
	struct heard reply = {STAGE_RCPT, 450, SLICE_NONE, SLICE("a\xff\0b"), SLICE_NONE};

	(void)state;
	fits(config, reply, "raw");
	reply.text = SLICE("a\xff\0c");
	fits(config, reply, "");
	config_free(config);
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
		cmocka_unit_test(test_which),	 cmocka_unit_test(test_only_refusals),
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_suppress_needs_never),
		cmocka_unit_test(test_after),	 cmocka_unit_test(test_cost_is_bounded),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
