/* Inside of the module: the steps of a verification, shared by those that hold one key and those that hold a key ring. */
#ifndef TICKET_CHECK_H
#define TICKET_CHECK_H

#include "ticket/ticket.h"

/* A ticket taken from its text: the octets are needed for the integrity. */
struct ticket_received {
    struct ticket ticket;
    struct buf octets; /* buf_fini it, also after a failure */
};

int ticket_receive(struct slice text, struct ticket_received *ret_received, struct fault *ret_fault);

/* One HMAC, compared in constant time. */
bool ticket_is_sealed(const struct ticket_received *received, const uint8_t key[TICKET_KEY_OCTETS]);

/* Validity period, number, domain, in this order. */
enum ticket_verdict ticket_check_use(const struct ticket *ticket, const struct ticket_use *use);

#endif
