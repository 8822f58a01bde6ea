/* An edge between 10.1.0.0/16 and the Internet, and messages that pass it: shared by the tests of alg. */
#ifndef ALG_WORLD_H
#define ALG_WORLD_H

#include "testing.h"

#include "base/addr.h"
#include "edge/alg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct alg_world {
    struct edge_options options;
    struct region region;
    struct buf in, out;
};

static inline struct addr addr_of(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_str(text), 1, &a), 0);
    return a;
}

static inline void alg_world_init(struct alg_world *w)
{
    struct addr agent = addr_of("10.1.0.5:5060"), inside = addr_of("10.1.0.1"), outside = addr_of("198.51.100.7"),
                network = addr_of("203.0.113.0");
    char name[] = "agent", host[] = "agent.a.example";
    edge_options_default(&w->options);
    assert_int_equal(edge_options_domain(&w->options, "a.example"), 0);
    assert_int_equal(edge_options_agent(&w->options, &(struct edge_agent){name, agent, SIP_TCP, host, NULL}), 0);
    assert_int_equal(edge_options_point(&w->options, EDGE_INSIDE, SIP_TCP, "10.1.0.1:5060"), 0);
    assert_int_equal(edge_options_point(&w->options, EDGE_OUTSIDE, SIP_TLS, "edge.a.example:5061"), 0);
    inside.port = outside.port = 0;
    assert_int_equal(edge_options_own(&w->options, &inside), 0);
    assert_int_equal(edge_options_own(&w->options, &outside), 0);
    assert_int_equal(edge_options_inside_network(&w->options, &network, 24), 0);
    region_init(&w->region, (size_t)1 << 20);
    buf_init(&w->in, 65536);
    buf_init(&w->out, 65536);
}

static inline void alg_world_fini(struct alg_world *w)
{
    edge_options_fini(&w->options);
    region_fini(&w->region);
    buf_fini(&w->in);
    buf_fini(&w->out);
}

/* A message with its Content-Length: the text up to the empty line, and a body. */
static inline struct sip_message alg_world_message(struct alg_world *w, const char *head, const char *body)
{
    struct sip_message m;
    struct fault fault = {0};
    buf_clear(&w->in);
    buf_printf(&w->in, "%sContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
    struct slice octets = region_copy(&w->region, buf_slice(&w->in));
    if (sip_parse(&w->region, octets, SIP_STREAM, &m, &fault) < 0 || sip_check(&m, NULL, &fault) < 0)
        fail_msg("octet %zu: %s in %s", fault.octet, fault.rule, buf_text(&w->in));
    return m;
}

#endif
