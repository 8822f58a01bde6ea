/* ServiceIdentity (draft-jennings-vipr-vap-02 section 10.3.10): which VService, and which instance of it, a message speaks of. */
#ifndef TLV_SERVICE_H
#define TLV_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_IDENTITY_OCTETS 20

/* Sent. Some sections of the draft say 100: accepted as the same (service_is_vipr). */
#define SERVICE_VIPR 101
#define SERVICE_VIPR_OLD 100

#define SUBSERVICE_NUMBER 3
#define SUBSERVICE_VSERVICE 4

/* Ours, beyond the draft: the keys of a granting domain's tickets (doc/profile.md). The VServiceID is 0, the domain stands in an attribute of its own. */
#define SUBSERVICE_TICKET_KEYS 0xf001

/* The instance of subscriptions and notifications (sections 8.7, 9.9). */
#define SERVICE_INSTANCE_ALL UINT64_MAX

struct service_identity {
    uint16_t service;
    uint16_t subservice;
    uint64_t vservice_id;
    uint64_t instance;
};

static inline bool service_is_vipr(const struct service_identity *s)
{
    return s->service == SERVICE_VIPR || s->service == SERVICE_VIPR_OLD;
}

#endif
