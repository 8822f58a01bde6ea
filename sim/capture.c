/* Which flow of the capture is which link of the world. */
#include "capture.h"

#include "base/map.h"
#include "base/mem.h"
#include "pcap.h"

enum { FLOWS_MAX = 1 << 24 };

struct sim_capture {
    struct sim_world *world;
    struct sim_observer observer;
    struct sim_pcap *pcap;
    struct map flows; /* by the number of the link */
};

static struct slice key_of(const uint64_t *conn)
{
    return slice_of(conn, sizeof *conn);
}

static int64_t unix_us(const struct sim_capture *capture)
{
    return SIM_BEGAN_MS * 1000 + capture->world->now_us;
}

/* Over IPv6 if both ends have it; everybody has IPv4. */
static void on_connect(void *ctx, uint64_t conn, struct sim_node *from, struct sim_node *to)
{
    struct sim_capture *capture = ctx;
    bool ipv6 = from->ipv6 && to->ipv6;
    struct addr client = sim_address(from->index, ipv6, 0), server = sim_address(to->index, ipv6, SIM_RING_PORT);
    struct sim_pcap_flow *flow = sim_pcap_connect(capture->pcap, unix_us(capture), &client, &server);
    if (flow && map_set(&capture->flows, key_of(&conn), flow) != 0)
        sim_pcap_end(capture->pcap, flow, unix_us(capture));
}

static void on_accepted(void *ctx, uint64_t conn)
{
    struct sim_capture *capture = ctx;
    sim_pcap_accept(capture->pcap, map_get(&capture->flows, key_of(&conn)), unix_us(capture));
}

static void on_octets(void *ctx, uint64_t conn, unsigned from, struct slice octets)
{
    struct sim_capture *capture = ctx;
    sim_pcap_send(capture->pcap, map_get(&capture->flows, key_of(&conn)), unix_us(capture),
                  from ? SIM_PCAP_SERVER : SIM_PCAP_CLIENT, octets);
}

static void on_closed(void *ctx, uint64_t conn, unsigned by, enum sim_conn_closed how)
{
    struct sim_capture *capture = ctx;
    struct sim_pcap_flow *flow = map_get(&capture->flows, key_of(&conn));
    enum sim_pcap_end end = by ? SIM_PCAP_SERVER : SIM_PCAP_CLIENT;
    if (how == SIM_CLOSED)
        sim_pcap_close(capture->pcap, flow, unix_us(capture), end);
    else if (how == SIM_RESET)
        sim_pcap_reset(capture->pcap, flow, end);
}

static void on_gone(void *ctx, uint64_t conn)
{
    struct sim_capture *capture = ctx;
    sim_pcap_end(capture->pcap, map_remove(&capture->flows, key_of(&conn)), unix_us(capture));
}

int sim_capture_new(struct sim_world *world, const char *path, struct sim_capture **ret_capture)
{
    struct sim_capture *capture = mem_alloc(sizeof *capture);
    if (!capture)
        return ERR_NO_MEMORY;
    int err = sim_pcap_new(path, &capture->pcap);
    if (err) {
        mem_free(capture);
        return err;
    }
    capture->world = world;
    map_init(&capture->flows, FLOWS_MAX, 0);
    capture->observer = (struct sim_observer){.ctx = capture,
                                              .link_connect = on_connect,
                                              .link_accepted = on_accepted,
                                              .link_octets = on_octets,
                                              .link_closed = on_closed,
                                              .link_gone = on_gone};
    sim_world_observe(world, &capture->observer);
    *ret_capture = capture;
    return 0;
}

int sim_capture_free(struct sim_capture *capture)
{
    if (!capture)
        return 0;
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&capture->flows, &it))
        mem_free(it.value); /* still open when the world ended */
    map_fini(&capture->flows);
    int err = sim_pcap_free(capture->pcap);
    mem_free(capture);
    return err;
}
