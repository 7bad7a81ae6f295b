/* The calls of libcurl, found when they are first needed. It brings thirty libraries with it, and most commands and
 * many engines never fetch a policy: linked, it was 20 of the 28 ms that a command takes. */
#pragma once

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define CURL_CALLS(X)               \
	X(curl_global_init)         \
	X(curl_multi_init)          \
	X(curl_multi_cleanup)       \
	X(curl_multi_add_handle)    \
	X(curl_multi_remove_handle) \
	X(curl_multi_poll)          \
	X(curl_multi_perform)       \
	X(curl_multi_info_read)     \
	X(curl_multi_wakeup)        \
	X(curl_slist_append)        \
	X(curl_slist_free_all)      \
	X(curl_easy_init)           \
	X(curl_easy_cleanup)        \
	X(curl_easy_setopt)         \
	X(curl_easy_getinfo)        \
	X(curl_easy_strerror)

struct curl_calls {
#define X(name) __typeof__(name) *name;
	CURL_CALLS(X)
#undef X
};

/* NULL, and a line in the log: there is no libcurl, or none that has all of these. Any thread. */
const struct curl_calls *curl_calls(void);
