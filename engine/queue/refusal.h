/* A refusal: why a job, or one recipient of it, is not taken in, for the submitter.
 *
 *     return refuse(refusal, "E_RANGE", "ttl", "expected 60 to 31536000 seconds, found %lld", ttl);
 *
 * code is for programs and never changes; field names the place as the job has it ("to[3].address", "frm"; empty: the
 * whole job); message is one sentence that says what was expected and what was found. Foreign bytes are printable in
 * all three. A value. */
#pragma once

#include "base/outbuf.h"

enum { REFUSAL_FIELD_MAX = 96, REFUSAL_MESSAGE_MAX = 320 };

struct refusal {
	bool retryable; /* the same job may be taken another time */
	char code[24], field[REFUSAL_FIELD_MAX], message[REFUSAL_MESSAGE_MAX];
};

/* Fills it in; code, field and the message are cut to their room, made valid UTF-8 on one line. False, always. */
bool refuse(struct refusal *refusal, const char *code, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* {"code":…,"field":…,"message":…,"retryable":false} */
void refusal_json(struct outbuf *out, const struct refusal *refusal);
