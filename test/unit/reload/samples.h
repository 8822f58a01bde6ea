/* One message of every kind that RFC 6940 defines, and the odd forms that a codec must carry: for round trips, truncation,
 * mutation and the seeds of fuzzing. */
#ifndef TEST_RELOAD_SAMPLES_H
#define TEST_RELOAD_SAMPLES_H

#include "reload/body.h"

size_t samples_count(void);

/* What the sample is ("store_req, three models"); static storage. */
const char *samples_name(size_t index);

/* The body alone. It lives as long as the region. */
struct reload_body samples_body(size_t index, struct region *region);

/* A whole message with that body: Via List, destinations, options, extensions, certificates and a signature that verifies nowhere.
 * Appends to out. */
void samples_message(size_t index, struct buf *out);

#endif
