/* Jobs of strangers. Whatever the bytes are: a job all of whose promises hold, or a refusal that says something; and no
 * address with which a command line could be bent. The input is the JSON; with a NUL in it, the raw message is behind
 * that. */
#include "queue/job.h"
#include "queue/mailbox.h"

#include "base/check.h"
#include "base/pack.h"
#include "base/utf8.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct slice pools[] = {{"bulk", 4}};
static const struct slice senders[] = {{"*@acme.example", 14}};
static const struct rights_tenant tenants[] = {{.name = {"acme", 4}, .from = senders, .nfrom = 1}};

static void check_refusal(const struct refusal *refusal)
{
	struct outbuf json = {0};

	CHECK(refusal->code[0] == 'E' && refusal->message[0]);
	CHECK(memchr(refusal->field, '\0', sizeof(refusal->field)));
	CHECK(memchr(refusal->message, '\0', sizeof(refusal->message)));
	CHECK(utf8_is_valid(slice_of(refusal->message)) && utf8_is_valid(slice_of(refusal->field)));
	CHECK(!strpbrk(refusal->message, "\r\n"));
	refusal_json(&json, refusal);
	json_decref(json_loadb(json.ptr, json.len, 0, NULL));
	outbuf_free(&json);
}

static void check_pack(struct slice pack)
{
	struct pack_entry entry;

	while (pack_next(&pack, &entry))
		CHECK(entry.name.len > 0);
	CHECK(pack.len == 0);
}

static void check_object(struct slice json)
{
	json_t *object = json.len ? json_loadb(json.ptr, json.len, 0, NULL) : json_object();

	CHECK(json_is_object(object));
	json_decref(object);
}

static void check_address(struct slice address)
{
	struct mailbox mailbox;

	CHECK(mailbox_read(address, &mailbox) == MAILBOX_FINE);
	CHECK(slice_is(mailbox_address(&mailbox), address));
	for (size_t i = 0; i < address.len; i++)
		CHECK((unsigned char)address.ptr[i] >= ' ' && address.ptr[i] != 0x7f);
}

static void check_addressee(const struct job *job, const struct addressee *addressee)
{
	if (addressee->refusal) {
		check_refusal(addressee->refusal);
		return;
	}
	check_address(addressee->address);
	CHECK(addressee->domain.len && slice_ends_nocase(addressee->address, addressee->domain));
	CHECK(addressee->expires_ms > addressee->not_before_ms);
	check_pack(addressee->vars);
	check_pack(addressee->headers);
	check_object(addressee->tags);
	CHECK(addressee->id.len <= JOB_ID_MAX && job->nrecipients > 0);
}

static void check_job(const struct job *job)
{
	CHECK(job->store.len ? job->nrecipients == 0 : job->nrecipients > 0);
	CHECK(job->nrefused == 0 || job->partial);
	CHECK(job->id.len <= JOB_ID_MAX && job->tenant.len <= JOB_TENANT_MAX);
	if (job->from.len && !memmem(job->from.ptr, job->from.len, "{{", 2))
		check_address(job->from);
	check_pack(job->vars_pack);
	check_object(job->vars);
	check_object(job->tags);
	for (unsigned i = 0; i < job->nrecipients; i++)
		check_addressee(job, &job->recipients[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice all = {(const char *)bytes, len}, text = slice_head(all, slice_find(all, '\0'));
	struct slice raw = text.len < len ? slice_skip(all, text.len + 1) : SLICE_NONE;
	struct job_limits limits = {.rights = {.pools = pools, .npools = 1, .tenants = tenants, .ntenants = 1}};
	struct job_origin origin = {.submitted_ms = 1795510800000};
	struct refusal refusal = {0};
	struct job job;

	if (job_read(&job, text, raw, &limits, &origin, &refusal))
		check_job(&job);
	else
		check_refusal(&refusal);
	job_free(&job);
	origin.begun = true; /* the same, read again after a crash */
	if (!job_read(&job, text, raw, &limits, &origin, &refusal))
		check_refusal(&refusal);
	job_free(&job);
	return 0;
}
