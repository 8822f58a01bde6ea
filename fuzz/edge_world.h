/* The edge between 10.1.0.0/16 and the Internet whose rewriting is fuzzed. */
#ifndef EDGE_WORLD_H
#define EDGE_WORLD_H

#include "edge/alg.h"
#include "edge/alg_check.h"

#include <stdio.h>
#include <stdlib.h>

static inline void need_at(bool good, int line)
{
    if (good)
        return;
    fprintf(stderr, "line %d\n", line);
    abort();
}
#define need(good) need_at(good, __LINE__)

static inline struct addr edge_world_addr(const char *text)
{
    struct addr a;
    need(addr_parse(slice_str(text), 1, &a) == 0);
    return a;
}

static inline const struct edge_options *edge_world(void)
{
    static struct edge_options options;
    char name[] = "agent", host[] = "agent.a.example";
    struct addr own = edge_world_addr("198.51.100.7");
    if (options.domain_count)
        return &options;
    edge_options_default(&options);
    own.port = 0;
    need(!edge_options_domain(&options, "a.example") &&
         !edge_options_agent(&options,
                             &(struct edge_agent){name, edge_world_addr("10.1.0.5:5060"), SIP_TCP, host, NULL}) &&
         !edge_options_point(&options, EDGE_INSIDE, SIP_TCP, "10.1.0.1:5060") &&
         !edge_options_point(&options, EDGE_OUTSIDE, SIP_TLS, "edge.a.example:5061") &&
         !edge_options_own(&options, &own));
    return &options;
}

#endif
