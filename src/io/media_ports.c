/* Free ports of one address: two queues, of those that are open and of the others, with the moment from which on each may be used. */
#include "io/media_ports.h"

#include "base/mem.h"

struct free_port {
    struct mono rested;
    uint16_t port;
};

struct queue {
    size_t first, n;
    struct free_port *ports;
};

struct media_ports {
    struct addr address;
    size_t capacity; /* of either queue: as many as there are pairs. Whoever gives one back has taken it */
    struct queue open, closed;
    struct free_port ports[];
};

int media_ports_new(const struct addr *address, const struct media_ports_range *range, const struct entropy *entropy,
                    struct media_ports **ret_ports)
{
    const size_t first = ((range->port_min + 1u) & ~1u) + 2 * (size_t)range->share;
    if (range->port_min == 0 || first + 1 > range->port_max)
        return ERR_RANGE;
    const size_t step = 2 * (size_t)range->shares, count = (range->port_max - 1 - first) / step + 1;
    struct media_ports *p = mem_alloc(sizeof *p + 2 * count * sizeof p->ports[0]);
    if (!p)
        return ERR_NO_MEMORY;
    p->address = *address;
    p->address.port = 0;
    p->capacity = count;
    p->open = (struct queue){.ports = p->ports};
    p->closed = (struct queue){.ports = p->ports + count, .n = count};
    for (size_t i = 0; i < count; i++) { /* shuffled as it grows */
        size_t k = (size_t)entropy_below(entropy, i + 1);
        p->closed.ports[i] = p->closed.ports[k];
        p->closed.ports[k] = (struct free_port){{INT64_MIN}, (uint16_t)(first + step * i)};
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

/* The first of them, if it has rested by then. */
static bool take(const struct media_ports *p, struct queue *q, struct mono by, struct free_port *ret_port)
{
    if (q->n == 0 || !mono_due(q->ports[q->first].rested, by))
        return false;
    *ret_port = q->ports[q->first];
    q->first = (q->first + 1) % p->capacity;
    q->n--;
    return true;
}

static void put(const struct media_ports *p, struct queue *q, struct free_port port)
{
    q->ports[(q->first + q->n++) % p->capacity] = port;
}

int media_ports_take(struct media_ports *p, struct mono now, uint16_t *ret_port, bool *ret_is_open)
{
    struct free_port port;
    const bool is_open = take(p, &p->open, now, &port);
    if (!is_open && !take(p, &p->closed, now, &port))
        return ERR_LIMIT;
    *ret_port = port.port;
    *ret_is_open = is_open;
    return 0;
}

void media_ports_give_back(struct media_ports *p, uint16_t port, struct mono rested, bool is_open)
{
    put(p, is_open ? &p->open : &p->closed, (struct free_port){rested, port});
}

bool media_ports_close_idle(struct media_ports *p, struct mono rested_before, uint16_t *ret_port)
{
    struct free_port port;
    if (!take(p, &p->open, rested_before, &port))
        return false;
    put(p, &p->closed, port);
    *ret_port = port.port;
    return true;
}

void media_ports_all_closed(struct media_ports *p)
{
    for (; p->open.n; p->open.n--) {
        put(p, &p->closed, p->open.ports[p->open.first]);
        p->open.first = (p->open.first + 1) % p->capacity;
    }
}
