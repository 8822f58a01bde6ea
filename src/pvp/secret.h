/* What TLS-SRP is keyed with: the username, which describes a call without naming its secrets, and the password made of them.
 * The texts are fixed to the bit in README.md. */
#ifndef PVP_SECRET_H
#define PVP_SECRET_H

#include "base/e164.h"
#include "base/err.h"
#include "base/time.h"
#include "pvp/sketch.h"

#define PVP_USERNAME_VERSION 1
#define PVP_USERNAME_OCTETS_MAX 80
#define PVP_PASSWORD_OCTETS_MAX 64
#define PVP_CALLER_HINT_OCTETS 8
#define PVP_TRIES 3

/* C (numbers hidden, times public) is reserved. */
enum pvp_method { PVP_METHOD_A = 'A', PVP_METHOD_B = 'B' };

/* What a success is worth: 12 or 8. */
unsigned pvp_method_worth(enum pvp_method method);

struct pvp_username {
    enum pvp_method method;
    uint64_t vservice_id;
    struct e164 called;
    uint8_t caller_hint[PVP_CALLER_HINT_OCTETS]; /* method A */
    struct wall instant;                         /* method B: inside the call, whole seconds */
    uint32_t start_sketch;
    uint32_t stop_sketch;
    unsigned try; /* 0 … PVP_TRIES-1: which of several calls that fit, nearest to the sketches first */
};

/* Writes the NUL-terminated text. */
const char *pvp_username_format(const struct pvp_username *u, char text[PVP_USERNAME_OCTETS_MAX + 1]);

/* Strict: what is accepted formats to the same text. Sketches must be below the lattice width. ERR_SYNTAX, ERR_RANGE,
 * ERR_UNSUPPORTED (other version or method); ret_fault may be NULL. */
int pvp_username_parse(struct slice text, uint32_t lattice_ms, struct pvp_username *ret_username,
                       struct fault *ret_fault);

/* First octets of HMAC-SHA256(called ‖ VServiceID ‖ start sketch ‖ stop sketch, caller). */
void pvp_caller_hint(const struct e164 *called, uint64_t vservice_id, uint32_t start_sketch, uint32_t stop_sketch,
                     const struct e164 *caller, uint8_t ret_hint[PVP_CALLER_HINT_OCTETS]);

/* "<caller or empty>;<start cell>;<stop cell>", NUL-terminated. A secret: wipe it. caller may be NULL (method B). */
const char *pvp_password_format(const struct e164 *caller, int64_t start_cell, int64_t stop_cell,
                                char text[PVP_PASSWORD_OCTETS_MAX + 1]);

#endif
