/* The one place where the program gives up on itself. abort() leaves a core to look at. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "hikyaku: %s:%d: CHECK(%s) does not hold; this is a bug of the program, not of its input\n",
		file, line, condition);
	abort();
}
