/* Jobs, good and bad: each row of the table of bad jobs that concerns intake, with the code and the field it gets. The
 * numbers in the comments are that table's. */
#include "queue/job.h"

#include "queue/variables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW	 1795510800000ULL /* 2026-11-24T09:00:00Z */
#define OK_FROM	 "\"from\":\"b@s.example\""
#define OK_TO	 "\"to\":[\"u@d.test\"]"
#define JOB(...) "{" OK_FROM "," OK_TO __VA_ARGS__ "}"
#define TO(...)	 "{" OK_FROM ",\"to\":[" __VA_ARGS__ "]}"

static const struct slice acme_from[] = {{"*@Acme.example", 14}};
static const struct slice acme_pools[] = {{"bulk", 4}};
static const struct slice pools[] = {{"bulk", 4}, {"fast", 4}};
static const struct rights_tenant tenants[] = {
	{.name = {"acme", 4}, .from = acme_from, .nfrom = 1, .pools = acme_pools, .npools = 1},
	{.name = {"other", 5}},
};
static const struct job_limits plain = {.rights = {.pools = pools, .npools = 2}};
static const struct job_limits strict = {.rights = {.pools = pools, .npools = 2, .tenants = tenants, .ntenants = 2}};

static bool take(struct job *job, const char *text, const struct job_limits *limits, struct job_origin origin,
		 struct refusal *refusal)
{
	origin.submitted_ms = NOW;
	memset(refusal, 0, sizeof(*refusal));
	return job_read(job, slice_of(text), SLICE("From: a@s.example\r\n\r\nhi\r\n"), limits, &origin, refusal);
}

struct row {
	const char *text, *code, *field;
};

static void expect_row(const struct row *row, const struct job_limits *limits, struct job_origin origin)
{
	struct job job;
	struct refusal refusal;
	bool good = take(&job, row->text, limits, origin, &refusal);

	if (good || strcmp(refusal.code, row->code) != 0 || strcmp(refusal.field, row->field) != 0 || !*refusal.message)
		fail_msg("%.200s\n  expected %s at \"%s\", got %s at \"%s\": %s", row->text, row->code, row->field,
			 good ? "a job" : refusal.code, refusal.field, refusal.message);
	job_free(&job);
}

/* Group A: the text. */
static void json_is_strict(void **state)
{
	static const struct row rows[] = {
		{"", "E_EMPTY", ""},								     /* 1 */
		{" \r\n\t", "E_EMPTY", ""},							     /* 1 */
		{"hello", "E_JSON", ""},							     /* 2 */
		{"{not json", "E_JSON", ""},							     /* 2 */
		{"{\"from\":\"b@s.example\",", "E_JSON", ""},					     /* 3 */
		{"{\"from\":\"b@s.exam", "E_JSON", ""},						     /* 3 */
		{JOB() "x", "E_JSON", ""},							     /* 4 */
		{JOB() JOB(), "E_JSON", ""},							     /* 4 */
		{"[]", "E_TYPE", ""},								     /* 5 */
		{"\"job\"", "E_TYPE", ""},							     /* 5 */
		{"null", "E_TYPE", ""},								     /* 5 */
		{JOB("," OK_FROM), "E_DUPLICATE_KEY", "from"},					     /* 6 */
		{TO("{\"address\":\"a@b.c\",\"address\":\"x@y.z\"}"), "E_DUPLICATE_KEY", "address"}, /* 6 */
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "E_TOO_DEEP", ""},			     /* 7 */
		{"{\"from\":1," OK_TO "}", "E_TYPE", "from"},					     /* 8 */
		{JOB(",\"vars\":{\"a\":1e999}"), "E_RANGE", ""},				     /* 8 */
		{JOB(",\"vars\":{\"a\":99999999999999999999}"), "E_RANGE", ""},			     /* 8 */
		{JOB(",\"vars\":{\"a\":NaN}"), "E_JSON", ""},					     /* 8 */
		{JOB(",\"vars\":{\"a\":01}"), "E_JSON", ""},					     /* 8 */
		{JOB(",\"campaign\":\"\xff\""), "E_UTF8", ""},					     /* 9 */
		{JOB(",\"campaign\":\"\xc0\xaf\""), "E_UTF8", ""},				     /* 9 */
		{JOB(",\"campaign\":\"\\ud800\""), "E_JSON", ""},				     /* 9 */
		{JOB(",\"campaign\":\"\\udc00x\""), "E_JSON", ""},				     /* 9 */
		{JOB(",\"campaign\":\"a\\u0000b\""), "E_NUL", ""},				     /* 10 */
		{JOB(",\"a\\u0000b\":1"), "E_NUL", ""},						     /* 10 */
		{"\xef\xbb\xbf" JOB(), "E_JSON", ""},						     /* 11 */
		{"\xff\xfe{", "E_UTF8", ""},							     /* 11 */
		{JOB(",\"frm\":\"x\""), "E_UNKNOWN_FIELD", "frm"},				     /* 13 */
		{JOB(",\"version\":2"), "E_UNKNOWN_FIELD", "version"},				     /* 14 */
		{TO("{\"adress\":\"a@b.c\"}"), "E_REQUIRED", "to[0]"},				     /* 13 */
		{TO("{\"address\":\"a@b.c\",\"var\":{}}"), "E_UNKNOWN_FIELD", "to[0].var"},	     /* 13 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_row(&rows[i], &plain, (struct job_origin){0});
}

static void nearest_name(void **state)
{
	struct job job;
	struct refusal refusal;

	(void)state;
	assert_false(take(&job, JOB(",\"expries\":1"), &plain, (struct job_origin){0}, &refusal));
	assert_non_null(strstr(refusal.message, "\"expires\""));
	job_free(&job);
	assert_false(take(&job, JOB(",\"qqqqqqqq\":1"), &plain, (struct job_origin){0}, &refusal));
	assert_null(strstr(refusal.message, "meant"));
	job_free(&job);
}

/* UTF-16 has NUL bytes, a job may be larger than allowed, and a small text may hold many values. */
static void text_is_bounded(void **state)
{
	struct job job;
	struct refusal refusal;
	struct job_origin origin = {.submitted_ms = NOW};
	struct outbuf text = {0};

	(void)state;
	assert_false(job_read(&job, (struct slice){"{\0\"\0a\0", 6}, SLICE_NONE, &plain, &origin, &refusal));
	assert_string_equal(refusal.code, "E_UTF8");
	job_free(&job);

	assert_false(
		job_read(&job, SLICE(JOB()), SLICE_NONE, &(struct job_limits){.bytes_max = 10}, &origin, &refusal));
	assert_string_equal(refusal.code, "E_TOO_BIG"); /* 12 */
	assert_non_null(strstr(refusal.message, "at most 10"));
	job_free(&job);

	outbuf_add(&text, SLICE("{\"vars\":{\"a\":["));
	for (unsigned i = 0; i <= DOCUMENT_CONTAINERS_MAX; i++)
		outbuf_add(&text, SLICE("[],"));
	outbuf_add(&text, SLICE("[]]}}"));
	assert_false(job_read(&job, outbuf_slice(&text), SLICE_NONE, &plain, &origin, &refusal));
	assert_string_equal(refusal.code, "E_TOO_MANY");
	job_free(&job);
	outbuf_free(&text);
}

/* Group B: who. */
static void identity(void **state)
{
	static const struct row any[] = {
		{JOB(",\"id\":\"\""), "E_NAME", "id"},		/* 16 */
		{JOB(",\"id\":\"has blank\""), "E_NAME", "id"}, /* 16 */
		{JOB(",\"id\":\"\xc3\xa4\""), "E_NAME", "id"},	/* 16 */
		{JOB(",\"id\":\"a\\nb\""), "E_CRLF", "id"},	/* 16 */
		{JOB(",\"id\":7"), "E_TYPE", "id"},
		{JOB(",\"tenant\":\"a:b\""), "E_NAME", "tenant"},
		{JOB(",\"tenant\":\"a/b\""), "E_NAME", "tenant"},
		{JOB(",\"pool\":\"nowhere\""), "E_POOL", "pool"}, /* 49 */
		{JOB(",\"campaign\":\"a\\tb\""), "E_CONTROL", "campaign"},
		{JOB(",\"class\":\"urgent\""), "E_RANGE", "class"}, /* 50 */
		{JOB(",\"class\":true"), "E_TYPE", "class"},
		{JOB(",\"tags\":[1]"), "E_TYPE", "tags"},
		{JOB(",\"partial\":1"), "E_TYPE", "partial"},
		{JOB(",\"dedupe\":\"yes\""), "E_TYPE", "dedupe"},
		{JOB(",\"require_tls\":1"), "E_TYPE", "require_tls"},
	};
	static const struct row known[] = {
		{JOB(",\"tenant\":\"nobody\""), "E_TENANT", "tenant"},		       /* 18 */
		{JOB(",\"tenant\":\"acme\""), "E_SENDER", "from"},		       /* 20 */
		{"{\"from\":\"\"," OK_TO ",\"tenant\":\"acme\"}", "E_SENDER", "from"}, /* 20, 39 */
		{"{\"from\":\"x@acme.example\"," OK_TO ",\"tenant\":\"acme\",\"pool\":\"fast\"}", "E_POOL", "pool"},
		{"{\"from\":\"x@acme.example\",\"tenant\":\"acme\",\"to\":[{\"address\":\"a@b.c\",\"from\":\"x@evil."
		 "test\"}]}",
		 "E_SENDER", "to[0].from"},
		{"{\"from\":\"x@acme.example{{y}}@evil.test\"," OK_TO ",\"tenant\":\"acme\"}", "E_ADDRESS", "from"},
		{"{\"from\":\"{{x}}\"," OK_TO ",\"tenant\":\"acme\"}", "E_SENDER", "from"},
	};
	static const struct row forced[] = {
		{"{\"from\":\"x@acme.example\"," OK_TO ",\"tenant\":\"other\"}", "E_TENANT", "tenant"},
		{JOB(), "E_SENDER", "from"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++)
		expect_row(&any[i], &plain, (struct job_origin){0});
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		expect_row(&known[i], &strict, (struct job_origin){0});
	for (size_t i = 0; i < sizeof(forced) / sizeof(forced[0]); i++)
		expect_row(&forced[i], &strict, (struct job_origin){.tenant = SLICE("acme")});
	expect_row(&(struct row){JOB(",\"class\":\"bulk\""), "E_RANGE", "class"}, &plain,
		   (struct job_origin){.transactional = true});
}

/* A pool that is the tenant's own is not named: the tenant's lists are used. Unknown ones are told which there are. */
static void pools_of_jobs(void **state)
{
	static const char own[] = "{\"from\":\"x@acme.example\"," OK_TO ",\"tenant\":\"acme\",\"pool\":\"bulk\"}";
	static const char other[] = "{\"from\":\"x@acme.example\"," OK_TO ",\"tenant\":\"acme\",\"pool\":\"fast\"}";
	struct refusal refusal;
	struct job job;

	(void)state;
	assert_true(take(&job, JOB(",\"pool\":\"fast\""), &plain, (struct job_origin){0}, &refusal));
	assert_true(slice_is(job.pool, SLICE("fast")));
	job_free(&job);
	assert_true(take(&job, own, &strict, (struct job_origin){0}, &refusal));
	assert_int_equal(job.pool.len, 0);
	job_free(&job);
	assert_false(take(&job, other, &strict, (struct job_origin){0}, &refusal));
	assert_non_null(strstr(refusal.message, "may not use pool \"fast\"; expected one of: \"bulk\""));
	job_free(&job);
	assert_false(take(&job, JOB(",\"pool\":\"slow\""), &plain, (struct job_origin){0}, &refusal));
	assert_non_null(strstr(refusal.message, "expected one of: \"bulk\", \"fast\""));
	job_free(&job);
}

static void long_names(void **state)
{
	char text[512], name[140];
	static const struct {
		const char *key;
		int max;
	} rows[] = {{"id", 128}, {"tenant", 64}, {"campaign", 128}};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (int over = 0; over < 2; over++) {
			struct job job;
			struct refusal refusal;

			memset(name, 'n', sizeof(name));
			snprintf(text, sizeof(text), JOB(",\"%s\":\"%.*s\""), rows[i].key, rows[i].max + over, name);
			assert_int_equal(take(&job, text, &plain, (struct job_origin){0}, &refusal), !over);
			assert_string_equal(refusal.field, over ? rows[i].key : "");
			job_free(&job);
		}
}

/* Group C: the envelope. Every form of address is in mailbox_test.c; here it is told where it stands. */
static void envelope(void **state)
{
	static const struct row rows[] = {
		{"{" OK_TO "}", "E_REQUIRED", "from"},
		{"{\"from\":null," OK_TO "}", "E_TYPE", "from"},
		{"{" OK_FROM "}", "E_NO_RECIPIENTS", "to"}, /* 22 */
		{TO(""), "E_NO_RECIPIENTS", "to"},	    /* 22 */
		{"{" OK_FROM ",\"to\":\"u@d.test\"}", "E_TYPE", "to"},
		{TO("1"), "E_TYPE", "to[0]"},
		{TO("\"u@d.test\",null"), "E_TYPE", "to[1]"},
		{TO("{}"), "E_REQUIRED", "to[0]"},
		{TO("{\"address\":[\"a@b.c\"]}"), "E_TYPE", "to[0].address"},
		{TO("\"nobody\""), "E_ADDRESS", "to[0]"},						/* 24 */
		{TO("\"a@b.c\",\"x@y.z\",{\"address\":\"a@b@c.test\"}"), "E_ADDRESS", "to[2].address"}, /* 25 */
		{TO("\"u@d.test\\r\\nRCPT TO:<evil@d.test>\""), "E_CRLF", "to[0]"},			/* 32 */
		{TO("\"u\\u001b@d.test\""), "E_ADDRESS", "to[0]"},					/* 33 */
		{TO("\"Ann <a@d.test>\""), "E_ADDRESS", "to[0]"},					/* 34 */
		{"{\"from\":\"x\\r\\nRCPT TO:<evil@d.test>\"," OK_TO "}", "E_CRLF", "from"},		/* 32 */
		{"{\"from\":\"nobody\"," OK_TO "}", "E_ADDRESS", "from"},
		{"{\"from\":\"b+{{hk.verp@s.example\"," OK_TO "}", "E_TEMPLATE", "from"},
		{"{\"from\":\"b+{{hk.verp}}@localhost\"," OK_TO "}", "E_ADDRESS", "from"},
		{"{\"from\":\"b {{hk.verp}}@s.example\"," OK_TO "}", "E_ADDRESS", "from"},
		{TO("{\"address\":\"a@b.c\",\"id\":\"\"}"), "E_RANGE", "to[0].id"},
		{TO("{\"address\":\"a@b.c\",\"id\":4711}"), "E_TYPE", "to[0].id"}, /* 8 */
		{TO("{\"address\":\"a@b.c\",\"name\":\"a\\nb\"}"), "E_CRLF", "to[0].name"},
		{TO("{\"address\":\"a@b.c\",\"vars\":[]}"), "E_TYPE", "to[0].vars"},
		{TO("{\"address\":\"a@b.c\",\"vars\":{\"hk.rcpt\":1}}"), "E_VAR_NAME", "to[0].vars"},
		{TO("{\"address\":\"a@b.c\",\"vars\":{\"\":1}}"), "E_VAR_NAME", "to[0].vars"},
		{TO("{\"address\":\"a@b.c\",\"tags\":\"x\"}"), "E_TYPE", "to[0].tags"},
		{TO("{\"address\":\"a@b.c\",\"headers\":{\"X\":\"a\\r\\nBcc: e@v.il\"}}"), "E_CRLF",
		 "to[0].headers"},									  /* 54 */
		{TO("{\"address\":\"a@b.c\",\"headers\":{\"X Y\":\"a\"}}"), "E_HEADER", "to[0].headers"}, /* 55 */
		{TO("{\"address\":\"a@b.c\",\"headers\":{\"X:\":\"a\"}}"), "E_HEADER", "to[0].headers"},
		{TO("{\"address\":\"a@b.c\",\"headers\":{\"\":\"a\"}}"), "E_HEADER", "to[0].headers"},
		{TO("{\"address\":\"a@b.c\",\"headers\":{\"X\":[\"a\",1]}}"), "E_TYPE", "to[0].headers"},
		{TO("{\"address\":\"a@b.c\",\"from\":\"nobody\"}"), "E_ADDRESS", "to[0].from"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_row(&rows[i], &plain, (struct job_origin){0});
}

/* Group H, as far as a job says it. */
static void times(void **state)
{
	static const struct row rows[] = {
		{JOB(",\"expires\":\"tomorrow\""), "E_TIME", "expires"},	    /* 94 */
		{JOB(",\"expires\":\"2026-11-25T09:00:00\""), "E_TIME", "expires"}, /* 94 */
		{JOB(",\"expires\":1795597200"), "E_TIME", "expires"},		    /* 94: seconds */
		{JOB(",\"expires\":{}"), "E_TYPE", "expires"},
		{JOB(",\"expires\":\"2026-11-24T09:00:00Z\""), "E_RANGE", "expires"},
		{JOB(",\"expires\":\"2027-11-27T09:00:00Z\""), "E_RANGE", "expires"},		/* 96 */
		{JOB(",\"not_before\":\"2027-02-22T09:00:00.001Z\""), "E_RANGE", "not_before"}, /* 93 */
		{JOB(",\"not_before\":\"2026-11-26T09:00:00Z\",\"expires\":\"2026-11-25T09:00:00Z\""), "E_RANGE",
		 "expires"}, /* 95 */
		{TO("{\"address\":\"a@b.c\",\"not_before\":\"2027-03-24T09:00:00Z\"}"), "E_RANGE", "to[0].not_before"},
		{TO("{\"address\":\"a@b.c\",\"expires\":\"2026-01-01T00:00:00Z\"}"), "E_RANGE", "to[0].expires"},
		{"{" OK_FROM ",\"expires\":\"2026-11-25T09:00:00Z\",\"to\":[{\"address\":\"a@b.c\",\"not_before\":"
		 "\"2026-11-26T09:00:00Z\"}]}",
		 "E_RANGE", "to[0].expires"},
	};
	struct job job;
	struct refusal refusal;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_row(&rows[i], &plain, (struct job_origin){0});

	assert_true(
		take(&job, JOB(",\"not_before\":\"2027-02-22T09:00:00Z\""), &plain, (struct job_origin){0}, &refusal));
	assert_int_equal(job.not_before_ms, NOW + 90 * 86400000ULL);
	assert_int_equal(job.expires_ms, NOW + 95 * 86400000ULL); /* five days from its start */
	assert_int_equal(job.recipients[0].expires_ms, job.expires_ms);
	job_free(&job);
	assert_true(
		take(&job, JOB(",\"not_before\":\"1999-01-01T00:00:00Z\""), &plain, (struct job_origin){0}, &refusal));
	assert_int_equal(job.expires_ms, NOW + 5 * 86400000ULL);
	job_free(&job);
	assert_true(take(&job, TO("{\"address\":\"a@b.c\",\"not_before\":\"2026-12-24T09:00:00Z\"},\"x@y.z\""), &plain,
			 (struct job_origin){0}, &refusal));
	assert_int_equal(job.recipients[0].expires_ms, NOW + 35 * 86400000ULL);
	assert_int_equal(job.recipients[1].expires_ms, NOW + 5 * 86400000ULL);
	job_free(&job);
}

static void messages(void **state)
{
	static const struct row with_raw[] = {
		{JOB(",\"message\":{}"), "E_TWO_MESSAGES", "message"},
		{JOB(",\"message\":7"), "E_TYPE", "message"},
		{JOB(",\"message\":\"\""), "E_NAME", "message"},
		{JOB(",\"message\":\"sha256:12\""), "E_NAME", "message"},
		{JOB(",\"message\":{\"attachments\":[{}]}"), "E_NOT_YET", "message.attachments"},
		{JOB(",\"store\":\"x\""), "E_STORE", "store"},
		{JOB(",\"ttl\":60"), "E_STORE", "ttl"},
		{JOB(",\"ttl\":59"), "E_RANGE", "ttl"},
		{JOB(",\"ttl\":\"1d\""), "E_TYPE", "ttl"},
		{"{\"store\":\"sha256:x\"}", "E_NAME", "store"},
		{"{\"store\":\"a b\"}", "E_NAME", "store"},
	};
	static const struct {
		struct row row;
		const char *raw;
	} rows[] = {
		{{JOB(), "E_NO_MESSAGE", "message"}, NULL},
		{{JOB(",\"merge\":true,\"message\":{}"), "E_MERGE", "merge"}, NULL},
		{{"{\"store\":\"x\",\"message\":\"y\"}", "E_STORE", "message"}, NULL},
		{{JOB(), "E_EMPTY", "raw"}, ""},
		{{JOB(), "E_TOO_BIG", "raw"}, "more than ten bytes"}, /* 77 */
	};
	struct job_limits small = {.message_bytes_max = 10};
	struct job_origin origin = {.submitted_ms = NOW};

	(void)state;
	for (size_t i = 0; i < sizeof(with_raw) / sizeof(with_raw[0]); i++)
		expect_row(&with_raw[i], &plain, (struct job_origin){0});
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job job;
		struct refusal refusal;

		assert_false(
			job_read(&job, slice_of(rows[i].row.text), slice_of(rows[i].raw), &small, &origin, &refusal));
		assert_string_equal(refusal.code, rows[i].row.code);
		assert_string_equal(refusal.field, rows[i].row.field);
		job_free(&job);
	}
}

/* Everything a job may have, once. */
static void whole_job(void **state)
{
	static const char text[] =
		"{\"id\":\"news/7\",\"from\":\"b+{{hk.verp}}@News.Example\",\"to\":[\"ann@A.example\","
		"{\"address\":\"bob@b.example\",\"id\":\"4711\",\"name\":\"Bob "
		"B.\",\"vars\":{\"name\":\"Bob\",\"age\":41,"
		"\"price\":9.95,\"vip\":true,\"city\":null,\"items\":[1,{\"a\":\"b\"}],\"lines\":\"a\\r\\nb\"},"
		"\"tags\":{\"list\":\"x\"},\"from\":\"\",\"headers\":{\"X-A\":\"1\",\"X-B\":[\"2\",\"3\"]},"
		"\"not_before\":\"2026-11-25T09:00:00Z\",\"expires\":1795683600000}],"
		"\"vars\":{\"name\":\"friend\"},\"campaign\":\"nov\",\"tenant\":\"acme\",\"class\":\"transactional\","
		"\"expires\":\"2026-11-26T09:00:00Z\",\"tags\":{\"a\":[1,true]},\"merge\":true,\"require_tls\":true}";
	struct job job;
	struct refusal refusal;
	struct pack_entry entry;

	(void)state;
	if (!take(&job, text, &plain, (struct job_origin){0}, &refusal))
		fail_msg("%s: %s", refusal.field, refusal.message);
	assert_true(slice_is(job.id, SLICE("news/7")));
	assert_true(slice_is(job.from, SLICE("b+{{hk.verp}}@News.Example")));
	assert_true(slice_is(job.vars, SLICE("{\"name\":\"friend\"}")));
	assert_true(slice_is(job.tags, SLICE("{\"a\":[1,true]}")));
	assert_true(slice_is(job.campaign, SLICE("nov")) && slice_is(job.tenant, SLICE("acme")));
	assert_true(job.transactional && job.merge && !job.partial && !job.dedupe);
	assert_true(job.require_tls);
	assert_int_equal(job.message_kind, JOB_RAW);
	assert_int_equal(job.nrecipients, 2);
	struct addressee *ann = &job.recipients[0], *bob = &job.recipients[1];

	assert_true(slice_is(ann->address, SLICE("ann@a.example")) && slice_is(ann->domain, SLICE("a.example")));
	assert_int_equal(ann->expires_ms, NOW + 2 * 86400000ULL);
	assert_false(ann->has_from);
	assert_int_equal(bob->index, 1);
	assert_true(bob->has_from && bob->from.len == 0);
	assert_true(slice_is(bob->id, SLICE("4711")) && slice_is(bob->name, SLICE("Bob B.")));
	assert_true(slice_is(bob->tags, SLICE("{\"list\":\"x\"}")));
	assert_int_equal(bob->not_before_ms, NOW + 86400000ULL);
	assert_true(slice_is(pack_get(bob->vars, SLICE("name")), SLICE("Bob")));
	assert_true(pack_find(bob->vars, SLICE("age"), &entry) && entry.kind == PACK_LITERAL);
	assert_true(slice_is(entry.value, SLICE("41")));
	assert_true(slice_is(pack_get(bob->vars, SLICE("price")), SLICE("9.95")));
	assert_true(pack_find(bob->vars, SLICE("city"), &entry) && entry.kind == PACK_NULL);
	assert_true(pack_find(bob->vars, SLICE("items"), &entry) && entry.kind == PACK_JSON);
	assert_true(slice_is(entry.value, SLICE("[1,{\"a\":\"b\"}]")));
	assert_true(slice_is(pack_get(bob->vars, SLICE("lines")), SLICE("a\r\nb")));
	struct slice headers = bob->headers;

	assert_true(pack_next(&headers, &entry) && slice_is(entry.name, SLICE("X-A")));
	assert_true(pack_next(&headers, &entry) && slice_is(entry.value, SLICE("2")));
	assert_true(pack_next(&headers, &entry) && slice_is(entry.value, SLICE("3")));
	job_free(&job);
}

static void store_job(void **state)
{
	struct job job;
	struct refusal refusal;
	struct job_origin origin = {.submitted_ms = NOW};

	(void)state;
	assert_true(job_read(&job, SLICE("{\"store\":\"tpl\",\"message\":{\"subject\":\"x\"},\"ttl\":3600}"),
			     SLICE_NONE, &plain, &origin, &refusal));
	assert_true(slice_is(job.store, SLICE("tpl")));
	assert_int_equal(job.ttl_s, 3600);
	assert_int_equal(job.message_kind, JOB_OBJECT);
	assert_true(slice_is(job.message, SLICE("{\"subject\":\"x\"}")));
	assert_int_equal(job.nrecipients, 0);
	job_free(&job);
}

static void partial_and_dedupe(void **state)
{
	struct job job;
	struct refusal refusal;
	struct outbuf out = {0};

	(void)state;
	assert_true(take(&job,
			 "{" OK_FROM ",\"partial\":true,\"to\":[\"a@b.c\",\"bad\",{\"address\":\"x@y.z\",\"id\":1}]}",
			 &plain, (struct job_origin){0}, &refusal));
	assert_int_equal(job.nrecipients, 3);
	assert_int_equal(job.nrefused, 2);
	assert_null(job.recipients[0].refusal);
	assert_string_equal(job.recipients[1].refusal->field, "to[1]");
	assert_true(slice_is(job.recipients[1].address, SLICE("bad")));
	assert_string_equal(job.recipients[2].refusal->field, "to[2].id");
	assert_true(slice_is(job.recipients[2].address, SLICE("x@y.z")));
	job_free(&job);

	/* Without it the first is told, and all are counted. */
	assert_false(take(&job, TO("\"a@b.c\",\"bad\",\"worse\""), &plain, (struct job_origin){0}, &refusal));
	assert_string_equal(refusal.field, "to[1]");
	job_refusals_json(&out, &job, 100);
	assert_non_null(memmem(out.ptr, out.len, "to[2]", 5));
	outbuf_reset(&out);
	job_refusals_json(&out, &job, 1);
	assert_null(memmem(out.ptr, out.len, "to[2]", 5));
	outbuf_free(&out);
	job_free(&job);

	/* 40: twice is two mails, unless it is asked not to be. */
	assert_true(
		take(&job, TO("\"a@b.c\",\"A@b.c\",\"a@B.C\",\"a@b.c\""), &plain, (struct job_origin){0}, &refusal));
	assert_int_equal(job.nrecipients, 4);
	job_free(&job);
	assert_true(take(&job, "{" OK_FROM ",\"dedupe\":true,\"to\":[\"a@b.c\",\"A@b.c\",\"a@B.C\",\"q@b.c\"]}", &plain,
			 (struct job_origin){0}, &refusal));
	assert_int_equal(job.nrecipients, 3);
	assert_int_equal(job.recipients[2].index, 3);
	job_free(&job);
}

static void limits_hold(void **state)
{
	struct job job;
	struct refusal refusal;
	struct job_limits two = {.recipients_max = 2, .variables_bytes_max = 8};

	(void)state;
	assert_true(take(&job, TO("\"a@b.c\",\"a@b.c\""), &two, (struct job_origin){0}, &refusal));
	job_free(&job);
	assert_false(take(&job, TO("\"a@b.c\",\"a@b.c\",\"a@b.c\""), &two, (struct job_origin){0}, &refusal));
	assert_string_equal(refusal.code, "E_TOO_MANY"); /* 23, 92 */
	assert_non_null(strstr(refusal.message, "3 recipients, at most 2"));
	job_free(&job);
	assert_true(take(&job, TO("{\"address\":\"a@b.c\",\"vars\":{\"abc\":\"12345\"}}"), &two, (struct job_origin){0},
			 &refusal));
	job_free(&job);
	assert_false(take(&job, TO("{\"address\":\"a@b.c\",\"vars\":{\"abc\":\"123456\"}}"), &two,
			  (struct job_origin){0}, &refusal));
	assert_string_equal(refusal.code, "E_TOO_BIG"); /* 91 */
	assert_string_equal(refusal.field, "to[0].vars");
	job_free(&job);
}

/* What was accepted is not refused because the configuration changed since; what it cannot have any more is told of
 * its recipient. */
static void begun_job(void **state)
{
	struct job job;
	struct refusal refusal;
	struct job_limits small = strict;

	(void)state;
	small.recipients_max = 1;
	small.variables_bytes_max = 1;
	assert_true(take(&job, JOB(",\"tenant\":\"gone\",\"pool\":\"gone\",\"vars\":{\"a\":\"bcd\"}"), &small,
			 (struct job_origin){.begun = true}, &refusal));
	job_free(&job);
	assert_true(take(&job, TO("\"a@b.c\",\"bad\""), &small, (struct job_origin){.begun = true}, &refusal));
	assert_int_equal(job.nrefused, 1);
	job_free(&job);
}

static void streams(void **state)
{
	struct job job;
	struct refusal refusal;

	(void)state;
	assert_true(take(&job, JOB(), &plain, (struct job_origin){.transactional = true}, &refusal));
	assert_true(job.transactional);
	job_free(&job);
	assert_true(take(&job, "{\"from\":\"n@Acme.example\"," OK_TO "}", &strict,
			 (struct job_origin){.tenant = SLICE("acme")}, &refusal));
	assert_true(slice_is(job.tenant, SLICE("acme")));
	assert_false(job.transactional);
	job_free(&job);
	/* A refusal says whose job it was, as far as that was understood. */
	assert_false(
		take(&job, "{\"id\":\"x\",\"tenant\":\"t\",\"from\":1}", &plain, (struct job_origin){0}, &refusal));
	assert_true(slice_is(job.id, SLICE("x")) && slice_is(job.tenant, SLICE("t")));
	job_free(&job);
}

static void variables_again(void **state)
{
	struct outbuf pack = {0};

	(void)state;
	assert_true(variables_pack_text(SLICE("{\"a\":0.1,\"b\":1e20,\"c\":-7}"), &pack));
	assert_true(slice_is(pack_get(outbuf_slice(&pack), SLICE("a")), SLICE("0.1")));
	assert_true(slice_is(pack_get(outbuf_slice(&pack), SLICE("b")), SLICE("1e+20")));
	assert_true(slice_is(pack_get(outbuf_slice(&pack), SLICE("c")), SLICE("-7")));
	assert_false(variables_pack_text(SLICE("[1]"), &pack));
	assert_false(variables_pack_text(SLICE_NONE, &pack));
	outbuf_free(&pack);
}

/* Foreign text in a refusal is on one line, valid, and never longer than its room. */
static void refusal_text(void **state)
{
	struct refusal refusal;
	struct outbuf out = {0};
	char long_field[300];

	(void)state;
	memset(long_field, 'f', sizeof(long_field) - 1);
	long_field[sizeof(long_field) - 1] = '\0';
	assert_false(refuse(&refusal, "E_X", long_field, "a\r\nb\x1b%s", "\xff\xc3\xa4"));
	assert_int_equal(strlen(refusal.field), REFUSAL_FIELD_MAX - 1);
	assert_string_equal(refusal.message, "a??b??\xc3\xa4");
	refusal_json(&out, &refusal);
	outbuf_byte(&out, '\0');
	assert_non_null(strstr(out.ptr, "\"code\":\"E_X\""));
	assert_non_null(strstr(out.ptr, "\"retryable\":false}"));
	outbuf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_strict),  cmocka_unit_test(nearest_name),
		cmocka_unit_test(text_is_bounded), cmocka_unit_test(identity),
		cmocka_unit_test(pools_of_jobs),   cmocka_unit_test(long_names),
		cmocka_unit_test(envelope),	   cmocka_unit_test(times),
		cmocka_unit_test(messages),	   cmocka_unit_test(whole_job),
		cmocka_unit_test(store_job),	   cmocka_unit_test(partial_and_dedupe),
		cmocka_unit_test(limits_hold),	   cmocka_unit_test(begun_job),
		cmocka_unit_test(streams),	   cmocka_unit_test(variables_again),
		cmocka_unit_test(refusal_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
