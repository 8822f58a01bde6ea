/* The defaults of an edge, and the texts that its options own. */
#include "edge/options.h"

#include "base/mem.h"
#include "base/text.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

void edge_options_default(struct edge_options *options)
{
    *options = (struct edge_options){
        .media_families = {{true, true}, {true, true}},
        .sensitivity = 3,
        .ring_ms = 3 * MINUTE,
        .idle_ms = 15 * MINUTE,
        .trunk_idle_ms = 10 * MINUTE,
        .retry_agent_ms = 10 * SECOND,
        .calls_max = 20000,
        .subscriptions_max = 20000,
        .requests_max = 40000,
        .calls_per_domain_max = 5000,
        .requests_per_domain_max = 2000,
        .trunks_max = 4096,
        .octets_max = (size_t)512 * 1024 * 1024,
        .late_ms = 500,
    };
}

void edge_options_fini(struct edge_options *options)
{
    for (size_t i = 0; i < options->domain_count; i++)
        mem_free(options->domains[i].name);
    for (size_t i = 0; i < options->agent_count; i++) {
        mem_free(options->agents[i].name);
        mem_free(options->agents[i].host);
        mem_free(options->agents[i].domain);
    }
    for (unsigned side = 0; side < EDGE_SIDES; side++) {
        for (unsigned transport = SIP_UDP; transport <= SIP_TLS; transport++)
            mem_free(options->points[side][transport]);
    }
    *options = (struct edge_options){0};
}

int edge_options_find_domain(const struct edge_options *options, struct slice name)
{
    for (size_t i = 0; i < options->domain_count; i++) {
        if (text_equal_nocase(slice_str(options->domains[i].name), name))
            return (int)i;
    }
    return -1;
}

/* NULL, too, if there is no text. */
static bool copy_lower(char **ret_text, const char *text)
{
    *ret_text = text ? mem_alloc(strlen(text) + 1) : NULL;
    if (*ret_text)
        text_lower(slice_str(text), *ret_text);
    return !text || *ret_text;
}

int edge_options_domain(struct edge_options *options, const char *name)
{
    if (!domain_is_valid(slice_str(name)))
        return ERR_SYNTAX;
    if (edge_options_find_domain(options, slice_str(name)) >= 0)
        return ERR_EXISTS;
    if (options->domain_count >= EDGE_DOMAINS_MAX)
        return ERR_LIMIT;
    if (!copy_lower(&options->domains[options->domain_count].name, name))
        return ERR_NO_MEMORY;
    options->domain_count++;
    return 0;
}

int edge_options_agent(struct edge_options *options, const struct edge_agent *agent)
{
    struct edge_agent *a = &options->agents[options->agent_count];
    if (options->agent_count >= EDGE_AGENTS_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < options->agent_count; i++) {
        if (!strcmp(options->agents[i].name, agent->name))
            return ERR_EXISTS;
    }
    *a = *agent;
    a->name = mem_strdup(agent->name);
    if (!copy_lower(&a->host, agent->host) || !copy_lower(&a->domain, agent->domain) || !a->name) {
        mem_free(a->name);
        mem_free(a->host);
        mem_free(a->domain);
        *a = (struct edge_agent){0};
        return ERR_NO_MEMORY;
    }
    options->agent_count++;
    return 0;
}

int edge_options_point(struct edge_options *options, enum edge_side side, enum sip_transport transport,
                       const char *host_port)
{
    char *text = mem_strdup(host_port);
    if (!text)
        return ERR_NO_MEMORY;
    mem_free(options->points[side][transport]);
    options->points[side][transport] = text;
    return 0;
}

int edge_options_own(struct edge_options *options, const struct addr *own)
{
    if (options->own_count >= sizeof options->own / sizeof options->own[0])
        return ERR_LIMIT;
    options->own[options->own_count++] = *own;
    return 0;
}

static int add_network(struct edge_network *networks, size_t *count, size_t max, const struct addr *network,
                       unsigned bits)
{
    if (*count >= max)
        return ERR_LIMIT;
    if (bits > (network->family == 4 ? 32U : 128U))
        return ERR_RANGE;
    networks[(*count)++] = (struct edge_network){*network, bits};
    return 0;
}

int edge_options_inside_network(struct edge_options *options, const struct addr *network, unsigned bits)
{
    return add_network(options->inside_networks, &options->inside_network_count,
                       sizeof options->inside_networks / sizeof options->inside_networks[0], network, bits);
}

int edge_options_outside_network(struct edge_options *options, const struct addr *network, unsigned bits)
{
    return add_network(options->outside_networks, &options->outside_network_count,
                       sizeof options->outside_networks / sizeof options->outside_networks[0], network, bits);
}
