/* The names of the enums, from the lists in nouns.h. */
#include "nouns.h"

#include "base/check.h"

#define NOUN_NAME(name, text) text,
#define NOUN_NAMES(LIST, kind, count)                                 \
	const char *kind##_name(enum kind value)                      \
	{                                                             \
		static const char *const names[] = {LIST(NOUN_NAME)}; \
                                                                      \
		CHECK((unsigned)value < count);                       \
		return names[value];                                  \
	}

NOUN_NAMES(STAGES, stage, STAGE_COUNT)
NOUN_NAMES(ACTIONS, action, ACTION_COUNT)
NOUN_NAMES(SCOPES, scope, SCOPE_COUNT)
NOUN_NAMES(CATEGORIES, category, CATEGORY_COUNT)
NOUN_NAMES(ORIGINS, origin, ORIGIN_COUNT)

bool stage_parse(enum stage *stage, struct slice name)
{
	for (unsigned i = 0; i < STAGE_COUNT; i++)
		if (slice_is(name, slice_of(stage_name((enum stage)i)))) {
			*stage = (enum stage)i;
			return true;
		}
	return false;
}
