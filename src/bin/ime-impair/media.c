/* Packets: each port of an end's known address is a socket. What comes to one leaves by the socket of whoever sent it. */
#include "program.h"

#include "base/mem.h"

#define RECEIVE_OCTETS (256u << 10)
#define DATAGRAMS_PER_TURN 64

/* The socket that stands for the sender, so that the other end sees it where it expects it. */
static struct udp *sender(const struct relay *r, size_t from, uint16_t port)
{
    const struct end_options *o = r->ends[from].options;
    if (port < o->udp_first || port >= o->udp_first + o->udp_count)
        return NULL;
    return r->ends[from].ports[port - o->udp_first].udp;
}

static void on_packet(void *arg, struct udp *udp, const struct addr *peer, const struct addr *local,
                      struct slice octets)
{
    const struct media_port *m = arg;
    struct relay *r = m->relay;
    const size_t from = relay_end_at(r, peer);
    struct mono at;
    (void)udp;
    if (from == r->end_count || !addr_eq_ip(peer, &r->ends[from].options->real)) {
        r->counters.strangers++;
        return;
    }
    struct udp *out = sender(r, from, peer->port);
    if (!out) {
        r->counters.ports_unknown++;
        return;
    }
    struct impair_path *path = &r->paths[from][m->end];
    struct now now = daemon_now(r->daemon);
    struct addr to = r->ends[m->end].options->real;
    to.port = local->port;
    if (!impair_packet(path, now, octets.n, &r->entropy, &at))
        return;
    if (mono_due(at, now.mono)) {
        udp_send(out, &to, octets);
        return;
    }
    struct piece *piece = relay_piece(r, octets);
    if (!piece)
        return;
    piece->path = path;
    piece->udp = out;
    piece->to = to;
    if (relay_hold(r, piece, at))
        relay_piece_free(r, piece);
}

int media_open(struct relay *r, size_t end)
{
    static const struct udp_handler handler = {.input = on_packet};
    const struct end_options *o = r->ends[end].options;
    struct udp_options options = {.bind = o->known, .counters = &r->udp, .log = &r->daemon->log};
    int err = 0;
    udp_limits_init(&options.limits);
    options.limits.receive_octets = RECEIVE_OCTETS;
    options.limits.datagrams_per_turn = DATAGRAMS_PER_TURN;
    r->ends[end].ports = mem_alloc(o->udp_count * sizeof *r->ends[end].ports);
    if (!r->ends[end].ports)
        return ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < o->udp_count; i++) {
        struct media_port *m = &r->ends[end].ports[i];
        *m = (struct media_port){.relay = r, .end = end};
        options.bind.port = (uint16_t)(o->udp_first + i);
        err = udp_open(r->daemon->loop, &options, &handler, m, &m->udp);
        if (err || i == 0)
            daemon_log_listening(r->daemon, o->name, &options.bind, err);
    }
    return err;
}

void media_close(struct relay *r, size_t end)
{
    for (size_t i = 0; r->ends[end].ports && i < r->ends[end].options->udp_count; i++)
        udp_close(r->ends[end].ports[i].udp);
    mem_free(r->ends[end].ports);
    r->ends[end].ports = NULL;
}
