/* Making routes; what they are is in dns.h. */
#pragma once

#include "dns/dns.h"

/* A copy, with one count, of head and of all it borrows: domain, reason, hosts and their names, route. */
struct routes *routes_make(const struct routes *head);
