/* An IP address and port, of either family. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/err.h"
#include "base/slice.h"

struct addr {
    uint8_t family; /* 4, 6, or 0 for none */
    uint16_t port;  /* host order */
    uint8_t ip[16]; /* network order; the first 4 octets for IPv4, the rest zero */
};

#define ADDR_TEXT_OCTETS 56

/* "192.0.2.1:6084" or "[2001:db8::1]:6084"; "-" for none. Always terminated; text has ADDR_TEXT_OCTETS octets. Returns text. */
const char *addr_format(const struct addr *a, char *text);

/* The address without the port. */
const char *addr_format_ip(const struct addr *a, char *text);

/* Address with port, as addr_format writes it; without a port, default_port is taken (0: the port is mandatory). */
int addr_parse(struct slice text, uint16_t default_port, struct addr *ret_addr);

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Whatever the ports are. */
static inline bool addr_eq_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

#endif
