/* Our registration somewhere (RFC 3261 10.2): of a phone at its PBX, of a PBX at its trunk. It is asked for, kept, asked for again when it failed,
 * and taken back in the end. Private to src/pstn. */
#ifndef PSTN_REGISTRATION_H
#define PSTN_REGISTRATION_H

#include "pstn/leg.h"

/* Borrowed, for the life of the registration. */
struct ua_registration_options {
    struct sip_hop hop;
    const char *domain; /* host of the URIs */
    const char *user;
    struct ua_password *password;
    int64_t expires_ms; /* that are asked for */
};

struct ua_registration {
    struct ua *ua;
    struct ua_registration_options options;
    struct ua_client client;
    struct ua_timer timer; /* until it is asked for again */
    struct buf sent;
    char call_id[LEG_TAG_OCTETS];
    uint32_t cseq;
    unsigned challenges; /* of the request under way */
    int64_t retry_ms;    /* after the next failure */
    bool is_good;
    bool ending;
    unsigned status; /* of the last answer; 0: none yet */
};

void ua_registration_init(struct ua_registration *r, struct ua *u, const struct ua_registration_options *options);
void ua_registration_fini(struct ua_registration *r); /* before ua_fini */

void ua_registration_start(struct ua_registration *r); /* also again, when it seems to be forgotten there */
void ua_registration_stop(struct ua_registration *r);
static inline bool ua_registration_is_quiet(const struct ua_registration *r)
{
    return !r->client.token;
}

#endif
