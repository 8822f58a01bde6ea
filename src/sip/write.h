/* What writers of messages share. Private to src/sip. */
#ifndef SIP_WRITE_H
#define SIP_WRITE_H

#include "base/slice.h"

/* No line end but folding: nothing that one side says becomes a header field of another. */
bool sip_value_is_good(struct slice value);

#endif
