/* A request as a line of JSON: written by imectl, read by daemons. */
#ifndef CTL_REQUEST_H
#define CTL_REQUEST_H

#include "ctl/args.h"

/* Without the newline. Returns the buffer's error. */
int ctl_request_encode(int64_t id, const struct ctl_args *args, struct buf *out);

/* Checks everything against the table; the command must be one of these programs. ret_id is set as soon as it is known, to -1 before.
 * On failure a sentence goes to why, and nothing is left to free: ERR_SYNTAX, ERR_NOT_FOUND (no such command or argument), ERR_RANGE,
 * ERR_EXISTS, ERR_LIMIT, ERR_NO_MEMORY. The args are the caller's to fini. */
int ctl_request_decode(struct slice line, unsigned programs, int64_t *ret_id, struct ctl_args *ret_args,
                       struct buf *why);

#endif
