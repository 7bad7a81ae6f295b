/* Variables: the values that {{names}} in a message stand for, from a JSON object to a pack (base/pack.h).
 *
 *     {"name": "Ann", "age": 41, "vip": true, "city": null, "items": [1, 2]}
 *     t name Ann · l age 41 · l vip true · n city · j items [1,2]
 *
 * Text may have line breaks: where they may not stand is the message's business. Names are 1 to 255 bytes without
 * control characters; "hk" and "hk.…" are reserved. */
#pragma once

#include "queue/document.h"

#include "base/pack.h"

/* Appends the pack. bytes_max bounds the sum of names and values. E_TYPE, E_VAR_NAME or E_TOO_BIG, field first ("vars",
 * "to[3].vars"), and out as it was. */
bool variables_pack(const json_t *object, const char *field, size_t bytes_max, struct outbuf *out,
		    struct refusal *refusal);
/* The same for the text of an object that was checked before, such as "vars" in a job's meta. False if it is not one.
 */
bool variables_pack_text(struct slice json, struct outbuf *out);
