/* Free ports of one address: a queue, with the moment from which on each may be used. */
#include "io/media_ports.h"

#include "base/mem.h"

struct free_port {
    struct mono rested;
    uint16_t port;
};

struct media_ports {
    struct addr address;
    size_t capacity; /* as many as there are pairs: whoever gives one back has taken it */
    size_t first, n;
    struct free_port queue[];
};

int media_ports_new(const struct addr *address, uint16_t port_min, uint16_t port_max, const struct entropy *entropy,
                    struct media_ports **ret_ports)
{
    unsigned first = (port_min + 1u) & ~1u;
    if (port_min == 0 || first + 1 > port_max)
        return ERR_RANGE;
    size_t count = (port_max + 1 - first) / 2;
    struct media_ports *p = mem_alloc(sizeof *p + count * sizeof p->queue[0]);
    if (!p)
        return ERR_NO_MEMORY;
    p->address = *address;
    p->address.port = 0;
    p->capacity = p->n = count;
    for (size_t i = 0; i < count; i++) { /* shuffled as it grows */
        size_t k = (size_t)entropy_below(entropy, i + 1);
        p->queue[i] = p->queue[k];
        p->queue[k] = (struct free_port){{INT64_MIN}, (uint16_t)(first + 2 * i)};
    }
    *ret_ports = p;
    return 0;
}

void media_ports_free(struct media_ports *p)
{
    mem_free(p);
}

struct addr media_ports_address(const struct media_ports *p)
{
    return p->address;
}

int media_ports_take(struct media_ports *p, struct mono now, uint16_t *ret_port)
{
    if (p->n == 0 || !mono_due(p->queue[p->first].rested, now))
        return ERR_LIMIT;
    *ret_port = p->queue[p->first].port;
    p->first = (p->first + 1) % p->capacity;
    p->n--;
    return 0;
}

void media_ports_give_back(struct media_ports *p, uint16_t port, struct mono rested)
{
    p->queue[(p->first + p->n++) % p->capacity] = (struct free_port){rested, port};
}
