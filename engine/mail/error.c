/* Two printf. The sentence is cut rather than allocated: nobody reads more than a line, and what it quotes comes from
 * outside and may be long. */
#include "mail/error.h"

#include <stdarg.h>
#include <stdio.h>

bool mail_field(struct mail_error *error, const char *format, ...)
{
	va_list args;

	if (!error)
		return false;
	va_start(args, format);
	vsnprintf(error->field, sizeof(error->field), format, args);
	va_end(args);
	return false;
}

bool mail_fail(struct mail_error *error, const char *code, const char *format, ...)
{
	va_list args;

	if (!error)
		return false;
	snprintf(error->code, sizeof(error->code), "%s", code);
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return false;
}
