/* A document: the JSON text of a job, read strictly, and what is asked of its values.
 *
 *     json_t *root = document_read(text, bytes_max, &refusal);      owned: json_decref
 *     if (!document_text(value, "campaign", 128, &campaign, &refusal)) return false;
 *
 * Strictly: one object and nothing behind it, no key twice, valid UTF-8 without NUL, at most DOCUMENT_DEPTH_MAX deep
 * and of a bounded number of values (a small text could otherwise become a large tree). Names are compared as they are.
 */
#pragma once

#include "queue/refusal.h"

#include <jansson.h>

enum { DOCUMENT_DEPTH_MAX = 32, DOCUMENT_VALUES_MAX = 1000000, DOCUMENT_CONTAINERS_MAX = 200000 };

/* NULL and the refusal: E_EMPTY, E_TOO_BIG, E_JSON, E_UTF8, E_DUPLICATE_KEY, E_TOO_DEEP, E_TOO_MANY, E_TYPE. */
json_t *document_read(struct slice text, size_t bytes_max, struct refusal *refusal);
/* What a value is, in words: "a string", "an object"... */
const char *document_kind(const json_t *value);
/* The bytes of a string. */
struct slice document_slice(const json_t *string);
/* A string of at most bytes_max bytes without control characters, borrowed from the document; else E_TYPE, E_TOO_LONG,
 * E_CRLF or E_CONTROL for that field. */
bool document_text(const json_t *value, const char *field, size_t bytes_max, struct slice *text,
		   struct refusal *refusal);
/* true or false; else E_TYPE. */
bool document_flag(const json_t *value, const char *field, bool *flag, struct refusal *refusal);
/* RFC 3339 with zone, or epoch milliseconds; else E_TYPE or E_TIME. */
bool document_time(const json_t *value, const char *field, uint64_t *ms, struct refusal *refusal);
/* An object whose compact JSON has at most bytes_max bytes, appended to out; else E_TYPE or E_TOO_BIG. */
bool document_object(const json_t *value, const char *field, size_t bytes_max, struct outbuf *out,
		     struct refusal *refusal);
/* Appends the object that has the members of both, the second's over the first's: a recipient's tags over its job's.
 * Both are objects that were checked before, or empty; nothing is appended when both are. */
void document_union(struct outbuf *out, struct slice object, struct slice over);
/* Appends the compact JSON of any value. */
void document_write(struct outbuf *out, const json_t *value);
/* The one of the names that was most likely meant, or NULL: at most a third of it may differ. */
const char *document_nearest(const char *found, const char *const *names, unsigned nnames);
/* E_UNKNOWN_FIELD for path, with the nearest of the names. */
bool document_unknown(const char *path, const char *found, const char *const *names, unsigned nnames,
		      struct refusal *refusal);
