/* Reading a vector of test/vectors, and a message that lives as long as its test. */
#ifndef TEST_SIP_VECTOR_H
#define TEST_SIP_VECTOR_H

#include "sip/message.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#define VECTOR_OCTETS_MAX 8192

/* The octets of test/vectors/<path>. */
static inline struct slice vector_read(const char *path, uint8_t octets[VECTOR_OCTETS_MAX])
{
    char name[4096];
    snprintf(name, sizeof name, "%s/test/vectors/%s", getenv("IME_SOURCE"), path);
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    size_t n = fread(octets, 1, VECTOR_OCTETS_MAX, f);
    assert_true(n > 0 && n < VECTOR_OCTETS_MAX && !ferror(f));
    fclose(f);
    return slice_of(octets, n);
}

/* A text that is a good message in a datagram. */
static inline void parse_good(struct region *region, const char *text, struct sip_message *m)
{
    struct fault fault = {0};
    region_init(region, 65536);
    if (sip_parse(region, slice_str(text), SIP_DATAGRAM, m, &fault) < 0 || sip_check(m, NULL, &fault) < 0)
        fail_msg("octet %zu: %s", fault.octet, fault.rule);
}

#endif
