/* A question lives from the first look-up to the end of the fetch, if there is one; whoever asked may have been
 * answered long before. It is on its worker's list, for the end of the worker. */
#include "sts_ask.h"

#include "worker.h"

#include "base/check.h"
#include "dns/inquiry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_MAX = 16, ADDRESSES_MAX = 8, NAME_MAX_BYTES = 300 };

struct sts_question {
	struct list all; /* on its worker's */
	struct worker *worker;
	struct sts_ask *ask; /* NULL: answered */
	struct inquiry inquiry;
	struct sts_wait wait;
	struct address addresses[ADDRESSES_MAX];
	unsigned naddresses;
	char id[STS_ID_MAX + 1];
	struct slice domain; /* in name */
	char name[NAME_MAX_BYTES];
};

static void question_free(struct sts_question *question)
{
	inquiry_end(&question->inquiry);
	list_remove(&question->all);
	free(question);
}

static void answer(struct sts_question *question, struct sts_policy *policy)
{
	struct sts_ask *ask = question->ask;

	question->ask = NULL;
	ask->question = NULL;
	ask->answered(ask, policy);
}

static void on_fetched(struct message_to_ring *message)
{
	struct sts_question *question = MAP_OWNER(message, struct sts_question, wait.message);

	answer(question, question->wait.policy);
	question_free(question);
}

static void question_fetch(struct sts_question *question)
{
	bool waits = question->ask != NULL;

	inquiry_end(&question->inquiry);
	question->wait = (struct sts_wait){.message.arrive = on_fetched, .worker = question->worker};
	list_init(&question->wait.link);
	sts_fetch(question->worker->engine->sts, question->domain, slice_of(question->id), question->addresses,
		  question->naddresses, waits ? &question->wait : NULL);
	if (!waits)
		question_free(question);
}

static void host_inquire(struct sts_question *question, enum inquiry_kind kind);

/* Those that may be connected to. */
static void on_addresses(struct inquiry *inquiry)
{
	struct sts_question *question = LIST_OWNER(inquiry, struct sts_question, inquiry);
	struct address found[ADDRESSES_MAX];
	unsigned n = inquiry_addresses(inquiry, found, ADDRESSES_MAX, sts_port());

	for (unsigned i = 0; i < n && question->naddresses < ADDRESSES_MAX; i++)
		if (question->worker->config->allow_private || !address_is_private(&found[i]))
			question->addresses[question->naddresses++] = found[i];
	inquiry_end(inquiry);
	if (inquiry->kind == INQUIRY_IPV4)
		host_inquire(question, INQUIRY_IPV6);
	else
		question_fetch(question);
}

static void host_inquire(struct sts_question *question, enum inquiry_kind kind)
{
	char host[NAME_MAX_BYTES];
	int n = snprintf(host, sizeof(host), "mta-sts.%.*s", SLICE_ARG(question->domain));

	question->inquiry.answered = on_addresses;
	inquiry_begin(&question->inquiry, question->worker->dns, (struct slice){host, (size_t)n}, kind);
}

static void on_text(struct inquiry *inquiry)
{
	struct sts_question *question = LIST_OWNER(inquiry, struct sts_question, inquiry);
	struct slice texts[TEXTS_MAX], id = SLICE_NONE;
	struct sts_policy *policy;

	if (!sts_id(texts, inquiry_texts(inquiry, texts, TEXTS_MAX), &id))
		id = SLICE_NONE;
	memcpy(question->id, id.ptr ? id.ptr : "", id.len);
	enum sts_need need = sts_need(question->worker->engine->sts, question->domain, id, &policy);

	inquiry_end(inquiry);
	if (need == STS_WAIT)
		sts_policy_free(policy);
	else
		answer(question, policy);
	if (need == STS_GO_ON)
		question_free(question);
	else
		host_inquire(question, INQUIRY_IPV4);
}

void sts_ask(struct worker *worker, struct sts_ask *ask, struct slice domain)
{
	static const struct slice label = SLICE("_mta-sts.");
	struct sts_question *question = calloc(1, sizeof(*question));

	CHECK(question != NULL);
	CHECK(label.len + domain.len < sizeof(question->name));
	memcpy(question->name, label.ptr, label.len);
	memcpy(question->name + label.len, domain.ptr, domain.len);
	question->domain = (struct slice){question->name + label.len, domain.len};
	question->worker = worker;
	question->ask = ask;
	list_init(&question->wait.link);
	ask->question = question;
	list_push(&worker->sts_questions, &question->all);
	question->inquiry.answered = on_text;
	inquiry_begin(&question->inquiry, worker->dns, (struct slice){question->name, label.len + domain.len},
		      INQUIRY_TEXT);
}

void sts_asks_free(struct worker *worker)
{
	struct list *link;

	while ((link = list_first(&worker->sts_questions))) {
		struct sts_question *question = LIST_OWNER(link, struct sts_question, all);

		list_remove(&question->wait.link);
		question_free(question);
	}
}
