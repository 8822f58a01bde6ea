/* What a sub-command of ime-wire is: one file wire_<name>.c defines one of these, and main.c lists it. */
#ifndef IME_WIRE_WIRE_H
#define IME_WIRE_WIRE_H

#include "base/err.h"
#include "print.h"

struct wire_command {
    const char *name;
    const char *summary; /* for --help: "a RELOAD message (RFC 6940)" */
    bool is_raw;         /* standard input is one message as it is, not lines of hexadecimal */

    /* Decodes the octets of one line and prints them below the root that is open. When reencoded is not NULL, also appends what
     * the decoded structs encode to. 0, or an error with the fault filled; what was printed before the error stays (frames of a
     * stream), and groups are closed also then. */
    int (*decode)(struct slice octets, struct print *p, struct buf *reencoded, struct fault *ret_fault);

    /* Takes an option of its own ("--kind=0xf0000002:array") and returns true; NULL if there are none. */
    bool (*option)(const char *argument);
    const char *options_help; /* lines for --help, or NULL */
};

extern const struct wire_command wire_reload;
extern const struct wire_command wire_framed;
extern const struct wire_command wire_sip;
extern const struct wire_command wire_ticket;
extern const struct wire_command wire_vap;

#endif
