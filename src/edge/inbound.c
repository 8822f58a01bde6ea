/* Requests from outside go to the call agents: in their order, those of the called domain before those of all, those that have failed of late last. */
#include "edge/internal.h"

#include <stdio.h>

bool edge_is_agent(const struct edge *e, const struct addr *peer)
{
    for (size_t i = 0; i < e->options->agent_count; i++) {
        if (addr_eq_ip(&e->options->agents[i].addr, peer))
            return true;
    }
    return false;
}

/* Less is better; UINT_MAX: never. */
static unsigned rank(const struct edge_call *c, unsigned i)
{
    const struct edge *e = c->edge;
    const struct edge_agent *agent = &e->options->agents[i];
    const char *domain = c->domain < e->options->domain_count ? e->options->domains[c->domain].name : "";
    if (c->agents_tried & UINT32_C(1) << i || (agent->domain && strcmp(agent->domain, domain) != 0))
        return UINT32_MAX;
    const unsigned down = !mono_due(e->agents_down_until[i], e->now.mono);
    return (down * 2 + !agent->domain) * EDGE_AGENTS_MAX + i;
}

/* EDGE_AGENTS_MAX: none. */
static unsigned best_agent(const struct edge_call *c)
{
    unsigned best = UINT32_MAX, chosen = EDGE_AGENTS_MAX;
    for (unsigned i = 0; i < c->edge->options->agent_count; i++) {
        const unsigned r = rank(c, i);
        if (r < best) {
            best = r;
            chosen = i;
        }
    }
    return chosen;
}

bool edge_has_agent(const struct edge_call *c)
{
    return best_agent(c) < EDGE_AGENTS_MAX;
}

bool edge_next_agent(struct edge_call *c, struct sip_hop *ret_hop)
{
    const struct edge *e = c->edge;
    const unsigned chosen = best_agent(c);
    if (chosen == EDGE_AGENTS_MAX)
        return false;
    const struct edge_agent *agent = &e->options->agents[chosen];
    c->agents_tried |= UINT32_C(1) << chosen;
    c->agent = chosen;
    *ret_hop = (struct sip_hop){.transport = agent->transport, .side = EDGE_INSIDE, .addr = agent->addr};
    if (agent->host && agent->transport == SIP_TLS)
        snprintf(ret_hop->host, sizeof ret_hop->host, "%s", agent->host);
    return true;
}

void edge_agent_failed(struct edge *e, unsigned agent)
{
    e->counters.agents_unreachable++;
    e->agents_down_until[agent] = mono_after_ms(e->now.mono, e->options->retry_agent_ms);
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_AGENT_UNREACHABLE, "agent=%s",
                agent < e->options->agent_count ? e->options->agents[agent].name : "-");
}

void edge_agent_worked(struct edge *e, unsigned agent)
{
    e->agents_down_until[agent] = (struct mono){0};
}
