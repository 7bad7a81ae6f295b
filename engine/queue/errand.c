/* Two lists, waiting and asked. A loss moves an errand from asked back to waiting; up moves all of waiting to asked.
 * The words are copied into the send buffer: sending by reference would save one copy of some 20 KB and cost the rule
 * that a buffer stays until the kernel is done with it. */
#include "queue/errand.h"

#include "base/check.h"

enum { AGAIN_MS = 1000 };

static void ask_now(struct errand *errand)
{
	list_push(&errand->errands->asked, &errand->link);
	redis_ask_encoded(errand->errands->redis, &errand->ask, outbuf_slice(&errand->words), errand->count);
}

static void ask_waiting(struct errands *errands)
{
	struct list *link;

	while (redis_is_up(errands->redis) && (link = list_pop(&errands->waiting)))
		ask_now(LIST_OWNER(link, struct errand, link));
}

static void on_replied(struct redis_ask *ask, const struct redisReply *reply)
{
	struct errand *errand = LIST_OWNER(ask, struct errand, ask);

	list_remove(&errand->link);
	if (reply)
		errand->answered(errand, reply);
	else
		list_push(&errand->errands->waiting, &errand->link);
}

static void on_again(struct timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	ask_waiting(LIST_OWNER(timer, struct errands, again));
}

void errands_init(struct errands *errands, struct ring *ring, struct redis *redis)
{
	*errands = (struct errands){.ring = ring, .redis = redis};
	list_init(&errands->waiting);
	list_init(&errands->asked);
	timer_init(&errands->again, on_again);
}

void errands_up(struct errands *errands)
{
	ask_waiting(errands);
}

bool errands_are_over(const struct errands *errands)
{
	return list_is_empty(&errands->waiting) && list_is_empty(&errands->asked);
}

void errands_end(struct errands *errands)
{
	struct list *link;

	CHECK(list_is_empty(&errands->asked));
	ring_timer_stop(errands->ring, &errands->again);
	while ((link = list_pop(&errands->waiting))) {
		struct errand *errand = LIST_OWNER(link, struct errand, link);

		errand->answered(errand, NULL);
	}
}

void errand_init(struct errand *errand, void (*answered)(struct errand *errand, const struct redisReply *reply))
{
	struct outbuf words = errand->words;

	outbuf_reset(&words);
	*errand = (struct errand){.answered = answered, .words = words, .ask.replied = on_replied};
	list_init(&errand->link);
}

void errand_word(struct errand *errand, struct slice word)
{
	resp_argument(&errand->words, word);
	errand->count++;
}

void errand_number(struct errand *errand, uint64_t number)
{
	resp_number(&errand->words, number);
	errand->count++;
}

void errand_send(struct errands *errands, struct errand *errand)
{
	CHECK(list_is_empty(&errand->link));
	errand->errands = errands;
	if (redis_is_up(errands->redis))
		ask_now(errand);
	else
		list_push(&errands->waiting, &errand->link);
}

void errand_postpone(struct errand *errand)
{
	struct errands *errands = errand->errands;

	CHECK(list_is_empty(&errand->link));
	list_push(&errands->waiting, &errand->link);
	if (!timer_is_set(&errands->again))
		ring_timer(errands->ring, &errands->again, ring_now_ms(errands->ring) + AGAIN_MS);
}
