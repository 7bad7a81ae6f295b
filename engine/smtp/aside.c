/* What a session holds apart, because it mostly ends without: it is made at the first need of any of it. */
#include "smtp/dialogue.h"

#include "base/check.h"

#include <stdlib.h>

struct session_aside *dialogue_aside(struct session *session)
{
	if (!session->aside)
		session->aside = calloc(1, sizeof(*session->aside));
	CHECK(session->aside != NULL);
	return session->aside;
}

void aside_reset(struct session_aside *aside)
{
	if (!aside)
		return;
	outbuf_reset(&aside->pending);
	outbuf_reset(&aside->outcome_text);
	outbuf_reset(&aside->line_heard);
	aside->outcome = (struct outcome){0};
}

void aside_free(struct session_aside *aside)
{
	if (!aside)
		return;
	outbuf_free(&aside->pending);
	outbuf_free(&aside->outcome_text);
	outbuf_free(&aside->line_heard);
	outbuf_free(&aside->answer);
	scram_free(&aside->scram);
	free(aside);
}
