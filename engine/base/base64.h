/* Base64 (RFC 4648 4), as lines of SMTP have it: no line ends, padded.
 *
 *     base64_add(&out, SLICE("Username:"));               appends VXNlcm5hbWU6
 *     if (!base64_read(&out, SLICE("VXNlcm5hbWU6"))) ...  appends Username:; false, and nothing, if it is none */
#pragma once

#include "base/outbuf.h"

void base64_add(struct outbuf *out, struct slice bytes);
bool base64_read(struct outbuf *out, struct slice text);
