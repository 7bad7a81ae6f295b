/* By its name of the ABI, which has not changed since 2006. It stays loaded: what it brings does not like to go. */
#include "curl_calls.h"

#include "base/log.h"

#include <dlfcn.h>
#include <pthread.h>

static struct curl_calls calls;
static bool found;

static void *call_of(void *library, const char *name)
{
	void *call = dlsym(library, name);

	if (!call)
		found = false;
	return call;
}

static void load(void)
{
	void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

	found = library != NULL;
	if (library)
		calls = (struct curl_calls){
#define X(name) .name = (__typeof__(name) *)call_of(library, #name),
			CURL_CALLS(X)
#undef X
		};
	if (!found)
		log_error("loading libcurl, which fetches MTA-STS policies: %s; install libcurl4", dlerror());
}

const struct curl_calls *curl_calls(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return found ? &calls : NULL;
}
