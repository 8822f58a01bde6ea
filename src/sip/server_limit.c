/* How many server transactions each source has, so that one cannot take them all. A source is an
 * IPv4 address or an IPv6 /64, whatever the port. */
#include "base/mem.h"
#include "sip/transaction_core.h"

struct source {
    struct link link;
    struct addr ip;
    size_t servers;
};

static struct source *find(const struct sip_layer *l, const struct addr *ip, uint64_t hash)
{
    for (struct link *at = sip_table_first(&l->sources, hash); at; at = sip_table_next(at)) {
        struct source *source = CONTAINER_OF(at, struct source, link);
        if (addr_eq(&source->ip, ip))
            return source;
    }
    return NULL;
}

int sip_source_enter(struct sip_layer *l, const struct sip_flow *flow, struct source **ret_source)
{
    *ret_source = NULL;
    if (!l->config.servers_per_source_max || flow->is_configured)
        return 0;
    struct addr ip = flow->peer;
    ip.port = 0;
    if (ip.family == 6)
        memset(ip.ip + 8, 0, 8);
    uint64_t hash = sip_layer_hash(l, slice_of(ip.ip, sizeof ip.ip));
    struct source *source = find(l, &ip, hash);
    if (!source) {
        source = mem_alloc(sizeof *source);
        if (!source)
            return ERR_NO_MEMORY;
        source->ip = ip;
        sip_table_add(&l->sources, &source->link, hash);
    } else if (source->servers >= l->config.servers_per_source_max) {
        return ERR_LIMIT;
    }
    source->servers++;
    *ret_source = source;
    return 0;
}

void sip_source_leave(struct sip_layer *l, struct source *source)
{
    if (!source || --source->servers)
        return;
    sip_table_remove(&l->sources, &source->link);
    mem_free(source);
}
