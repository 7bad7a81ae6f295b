/* What is wrong with a message, in the submitter's terms.
 *
 * Whoever finds the fault says what it is, whoever knows the place names it, before or after:
 *
 *     return mail_fail(error, "E_CRLF", "the value has a line end; a header's value is one line");
 *     ...
 *     if (!header_write(...))
 *             return mail_field(error, "message.headers.%.*s", SLICE_ARG(name));
 *
 * Codes are the contract's (E_NO_FROM, E_VAR_MISSING, ...); "E_NOT_YET" is for what a later version will take. */
#pragma once

#include <stdbool.h>

struct mail_error {
	char code[32], field[96], message[256];
};

/* Names the field. Always false, to end a function with. error may be NULL here and below: nobody wants to know. */
bool mail_field(struct mail_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says what is wrong; a longer sentence is cut. Always false. */
bool mail_fail(struct mail_error *error, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
