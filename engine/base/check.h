/* Assertions that stay on in production.
 *
 * A CHECK states what the program itself promises. One that does not hold is a bug of ours, and the
 * process ends at once: a wrong mail cannot be taken back. What comes from outside (a server, a job, a
 * packet) is never CHECKed; it is answered with an error. */
#pragma once

#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

/* Prints the broken promise and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line);
