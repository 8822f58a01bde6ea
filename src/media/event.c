/* The words for why packets were refused. */
#include "media/event.h"

#define REFUSAL_NAME(name) #name,
const char *const media_refusal_names[MEDIA_REFUSAL_COUNT] = {MEDIA_REFUSALS(REFUSAL_NAME)};
