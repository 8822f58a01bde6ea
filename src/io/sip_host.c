/* Sockets for the transport layer of SIP: carries out its effects, and tells it what the kernel says. */
#include "io/sip_host_private.h"

#include "base/mem.h"
#include "crypt/cert.h"

#define STREAM_QUEUE_OCTETS (1u << 20)
#define ACKNOWLEDGE_TIMEOUT_MS 20000 /* below the 32 s that a request waits for its answer */
#define UNREACHABLE_MAX 1024         /* told of in one turn */

void sip_host_options_init(struct sip_host_options *options)
{
    *options = (struct sip_host_options){.stream_queue_octets_max = STREAM_QUEUE_OCTETS};
    sip_net_config_init(&options->net);
    sip_locate_config_init(&options->locate);
    dns_options_init(&options->dns);
    udp_limits_init(&options->udp);
    handshakes_config_init(&options->handshakes);
}

static struct stream_options stream_options(struct sip_host *h, struct tls_context *tls)
{
    return (struct stream_options){
        .tls = tls,
        .connect_timeout_ms = h->options.net.connect_ms,
        .handshake_timeout_ms = h->options.net.accept_ms,
        .acknowledge_timeout_ms = ACKNOWLEDGE_TIMEOUT_MS,
        .queue_octets_max = h->options.stream_queue_octets_max,
        .counters = &h->stream_counters,
        .service = "sip",
        .log = h->options.log,
    };
}

/* ---- connections ---- */

struct host_conn *sip_host_conn_find(const struct sip_host *h, uint64_t number)
{
    size_t slot = sip_conn_slot(number);
    struct host_conn *c = slot < h->conn_slots ? h->conns[slot] : NULL;
    return c && c->number == number ? c : NULL;
}

static struct host_conn *conn_new(struct sip_host *h, uint64_t number)
{
    size_t slot = sip_conn_slot(number), slots = h->conn_slots;
    if (slot >= slots) {
        slots = slot < 16 ? 16 : 2 * slot;
        struct host_conn **conns = mem_resize(h->conns, slots * sizeof *conns);
        if (!conns)
            return NULL;
        memset(conns + h->conn_slots, 0, (slots - h->conn_slots) * sizeof *conns);
        h->conns = conns;
        h->conn_slots = slots;
    }
    struct host_conn *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->host = h;
    c->number = number;
    h->conns[slot] = c;
    return c;
}

void sip_host_conn_free(struct host_conn *c)
{
    c->host->conns[sip_conn_slot(c->number)] = NULL;
    mem_free(c);
}

/* ---- effects ---- */

/* A way that is gone. */
struct gone {
    bool was_up;
    struct sip_hop hop;
};

static void put_off(struct sip_host *h, const struct gone *gone)
{
    buf_put(&h->unreachable, gone, sizeof *gone);
    h->unreachable.err = 0; /* as many as that are not told apart: their requests time out */
    loop_post(h->loop, &h->net_task, LOOP_STAGE_WORK);
}

static void tell(const struct sip_host *h, const struct gone *gone)
{
    if (gone->was_up && h->handler->lost)
        h->handler->lost(h->arg, &gone->hop);
    else
        h->handler->unreachable(h->arg, &gone->hop);
}

static void way_gone(struct sip_host *h, const struct sip_net_effect *e, bool in_loop)
{
    const struct gone gone = {.was_up = e->kind == SIP_NET_LOST, .hop = *e->hop};
    if (e->is_away)
        sip_locate_failed(h->locator, loop_now(h->loop), e->hop);
    if (in_loop)
        tell(h, &gone);
    else
        put_off(h, &gone);
}

static const struct stream_handler conn_handler;

/* 0, or there will be no connection. */
static int connect_to(struct sip_host *h, uint64_t number, const struct sip_hop *hop)
{
    const struct host_side *side = &h->sides[hop->side % SIP_HOST_SIDES_MAX];
    if (hop->side >= SIP_HOST_SIDES_MAX || (hop->transport == SIP_TLS && !side->tls))
        return ERR_UNSUPPORTED;
    struct host_conn *c = conn_new(h, number);
    if (!c)
        return ERR_NO_MEMORY;
    struct stream_connect_options options = {
        .remote = hop->addr,
        .peer_name = hop->transport == SIP_TLS && hop->host[0] ? hop->host : NULL,
        .stream = stream_options(h, hop->transport == SIP_TLS ? side->tls : NULL),
    };
    if (side->local.family == hop->addr.family) {
        options.local = side->local;
        options.local.port = 0;
    }
    c->hop = *hop;
    c->tls = options.stream.tls;
    int err = stream_connect(h->loop, &options, &conn_handler, c, &c->stream);
    if (err)
        sip_host_conn_free(c);
    return err;
}

static void write_to(struct sip_host *h, uint64_t number, struct slice octets)
{
    struct host_conn *c = sip_host_conn_find(h, number);
    if (!c || stream_write(c->stream, octets) == 0)
        return;
    /* Who does not read what is sent does not get half of it either. */
    stream_close(c->stream);
    sip_host_conn_free(c);
    sip_net_down(h->net, loop_now(h->loop), number);
}

static const struct host_point *udp_point(const struct sip_host *h, unsigned side, uint8_t family)
{
    for (size_t i = 0; i < h->point_count; i++) {
        const struct host_point *p = h->points[i];
        if (p->udp && p->side == side && udp_addr(p->udp).family == family)
            return p;
    }
    return NULL;
}

static void send_datagram(struct sip_host *h, const struct sip_hop *hop, struct slice octets)
{
    const struct host_point *p = udp_point(h, hop->side, hop->addr.family);
    if (!p)
        sip_net_datagram_failed(h->net, loop_now(h->loop), hop->side, &hop->addr);
    else
        (void)udp_send(p->udp, &hop->addr, octets); /* what does not fit is lost and counted: it is UDP */
}

static void finish(struct sip_host *h, uint64_t number)
{
    struct host_conn *c = sip_host_conn_find(h, number);
    if (!c)
        return;
    stream_finish(c->stream);
    sip_host_conn_free(c);
}

/* Carries out what the core wants. From within a function of ours nothing is called back. */
static void drain(struct sip_host *h, bool in_loop)
{
    struct sip_net_effect e;
    if (h->draining)
        return;
    h->draining = true;
    while (sip_net_next(h->net, loop_now(h->loop), &e)) {
        switch (e.kind) {
        case SIP_NET_CONNECT:
            if (connect_to(h, e.conn, e.hop) != 0)
                sip_net_down(h->net, loop_now(h->loop), e.conn);
            break;
        case SIP_NET_WRITE:
            write_to(h, e.conn, e.octets);
            break;
        case SIP_NET_DATAGRAM:
            send_datagram(h, e.hop, e.octets);
            break;
        case SIP_NET_CLOSE:
            finish(h, e.conn);
            break;
        case SIP_NET_MESSAGE:
            h->handler->message(h->arg, e.flow, e.octets);
            break;
        case SIP_NET_UNREACHABLE:
        case SIP_NET_LOST:
            way_gone(h, &e, in_loop);
            break;
        }
    }
    h->draining = false;
    loop_timer_set(h->net_timer, sip_net_deadline(h->net));
}

void sip_host_drain(struct sip_host *h)
{
    drain(h, true);
}

static void tell_unreachable(void *arg)
{
    struct sip_host *h = arg;
    struct buf all = h->unreachable;
    buf_init(&h->unreachable, UNREACHABLE_MAX * sizeof(struct gone));
    for (size_t at = 0; at < all.n; at += sizeof(struct gone)) {
        struct gone gone;
        memcpy(&gone, all.p + at, sizeof gone);
        tell(h, &gone);
    }
    buf_fini(&all);
}

static void net_due(void *arg)
{
    struct sip_host *h = arg;
    sip_net_tick(h->net, loop_now(h->loop));
    drain(h, true);
}

/* ---- what streams say ---- */

static bool is_ip(const char *host)
{
    struct addr addr;
    return strchr(host, ':') || addr_parse(slice_str(host), 1, &addr) == 0;
}

/* The domains of the other side's certificate; of a connection of ours, the one that was verified. */
static void conn_ready(void *arg, struct stream *stream)
{
    struct host_conn *c = arg;
    struct sip_host *h = c->host;
    struct addr local = stream_local_addr(stream);
    struct slice certificate = stream_peer_certificate(stream);
    struct buf domains;
    if (!c->accepted)
        sip_locate_worked(h->locator, &c->hop);
    buf_init(&domains, CERT_DER_OCTETS_MAX);
    if (c->hop.host[0] && certificate.n && !is_ip(c->hop.host))
        buf_str(&domains, c->hop.host);
    else if (certificate.n && cert_domains(certificate, &domains) != 0)
        buf_clear(&domains);
    sip_net_set_identity(h->net, c->number, c->accepted ? stream_identity(stream) : 0);
    sip_net_up(h->net, loop_now(h->loop), c->number, &local, domains.n ? buf_text(&domains) : NULL);
    buf_fini(&domains);
    drain(h, true);
}

static void conn_input(void *arg, struct stream *stream, struct slice octets)
{
    struct host_conn *c = arg;
    struct sip_host *h = c->host;
    (void)stream;
    sip_net_input(h->net, loop_now(h->loop), c->number, octets);
    drain(h, true);
}

static void conn_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct host_conn *c = arg;
    struct sip_host *h = c->host;
    char peer[ADDR_TEXT_OCTETS];
    struct addr addr = stream_peer_addr(stream);
    if (!stream_reason_is_refusal(reason))
        log_event(h->options.log, LEVEL_DEBUG, "sip.connection.closed", "peer=%s reason=%s detail=\"%s\"",
                  addr_format(&addr, peer), stream_reason_name(reason), detail);
    uint64_t number = c->number;
    sip_host_conn_free(c);
    sip_net_down(h->net, loop_now(h->loop), number);
    drain(h, true);
}

static const struct stream_handler conn_handler = {
    .ready = conn_ready,
    .input = conn_input,
    .closed = conn_closed,
};

static bool is_known(const struct host_point *p, const struct addr *peer)
{
    const struct sip_host *h = p->host;
    return h->handler->is_known && h->handler->is_known(h->arg, p->side, peer);
}

static bool goes_first(void *arg, const struct addr *peer)
{
    return is_known(arg, peer);
}

/* Before anything is spent on the connection. */
static bool admits(void *arg, const struct addr *peer, enum stream_reason *ret_reason)
{
    const struct host_point *p = arg;
    enum sip_net_room room = sip_net_room(p->host->net, loop_now(p->host->loop), peer, is_known(p, peer));
    *ret_reason = room == SIP_NET_FULL ? STREAM_LIMIT_CONNECTIONS : STREAM_LIMIT_SOURCE;
    return room == SIP_NET_ROOM;
}

static void accepted(void *arg, struct stream *stream)
{
    struct host_point *p = arg;
    struct sip_host *h = p->host;
    struct addr peer = stream_peer_addr(stream), local = stream_local_addr(stream);
    uint64_t number;
    if (sip_net_accepted(h->net, loop_now(h->loop), p->transport, p->side, &peer, &local, is_known(p, &peer),
                         &number) != 0) {
        stream_close(stream);
        return;
    }
    struct host_conn *c = conn_new(h, number);
    if (c) {
        c->stream = stream;
        c->tls = p->tls;
        c->accepted = true;
        stream_set_handler(stream, &conn_handler, c);
    } else {
        stream_close(stream);
        sip_net_down(h->net, loop_now(h->loop), number);
    }
    drain(h, true);
}

/* ---- what UDP sockets say ---- */

static void datagram(void *arg, struct udp *udp, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct host_point *p = arg;
    (void)udp;
    sip_net_datagram(p->host->net, loop_now(p->host->loop), p->side, peer, local, octets);
    drain(p->host, true);
}

static void datagram_failed(void *arg, struct udp *udp, const struct addr *peer, int number)
{
    struct host_point *p = arg;
    (void)udp;
    (void)number;
    sip_net_datagram_failed(p->host->net, loop_now(p->host->loop), p->side, peer);
    drain(p->host, true);
}

static const struct udp_handler udp_handler = {.input = datagram, .failed = datagram_failed};

/* ---- the host ---- */

int sip_host_new(struct loop *loop, const struct sip_host_options *options, const struct sip_host_handler *handler,
                 void *arg, struct sip_host **ret_host)
{
    struct sip_host *h = mem_alloc(sizeof *h);
    if (!h)
        return ERR_NO_MEMORY;
    h->loop = loop;
    h->options = *options;
    h->handler = handler;
    h->arg = arg;
    h->options.net.seed = entropy_u64(options->entropy);
    h->options.locate.seed = entropy_u64(options->entropy);
    h->options.handshakes.seed = entropy_u64(options->entropy);
    loop_task_init(&h->net_task, tell_unreachable, h);
    sip_host_conns_init(h);
    buf_init(&h->unreachable, UNREACHABLE_MAX * sizeof(struct gone));
    int err = sip_host_locate_init(h);
    if (!err)
        err = sip_net_new(&h->options.net, options->log, &h->net);
    if (!err)
        err = loop_timer_new(loop, net_due, h, &h->net_timer);
    if (!err)
        err = handshakes_new(loop, &h->options.handshakes, &h->handshakes);
    if (err) {
        sip_host_free(h);
        return err;
    }
    *ret_host = h;
    return 0;
}

static void point_free(struct host_point *p)
{
    udp_close(p->udp);
    listener_close(p->listener);
    mem_free(p);
}

void sip_host_free(struct sip_host *h)
{
    if (!h)
        return;
    while (h->point_count)
        point_free(h->points[--h->point_count]);
    for (size_t i = 0; i < h->conn_slots; i++) {
        if (h->conns[i]) {
            stream_finish(h->conns[i]->stream);
            mem_free(h->conns[i]);
        }
    }
    mem_free(h->conns);
    handshakes_free(h->handshakes);
    sip_host_locate_fini(h);
    loop_timer_free(h->net_timer);
    loop_task_cancel(&h->net_task);
    loop_task_cancel(&h->verify_task);
    buf_fini(&h->unreachable);
    sip_net_free(h->net);
    mem_free(h);
}

int sip_host_listen(struct sip_host *h, unsigned side, enum sip_transport transport, const struct addr *bind,
                    struct tls_context *tls)
{
    if (h->point_count == SIP_HOST_POINTS_MAX)
        return ERR_LIMIT;
    if (side >= SIP_HOST_SIDES_MAX || (transport == SIP_TLS && !tls))
        return ERR_RANGE;
    struct host_point *p = mem_alloc(sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    *p = (struct host_point){.host = h, .side = side, .transport = transport, .tls = transport == SIP_TLS ? tls : NULL};
    int err;
    if (transport == SIP_UDP) {
        struct udp_options options = {
            .bind = *bind, .limits = h->options.udp, .counters = &h->udp_counters, .log = h->options.log};
        err = udp_open(h->loop, &options, &udp_handler, p, &p->udp);
    } else {
        struct listener_options options = {
            .bind = *bind,
            .connections_max = h->options.net.conns_max,
            .admits = admits,
            .handshakes = h->handshakes,
            .goes_first = goes_first,
            .stream = stream_options(h, p->tls),
        };
        err = listener_open(h->loop, &options, accepted, p, &p->listener);
    }
    if (err) {
        mem_free(p);
        return err;
    }
    h->points[h->point_count++] = p;
    sip_host_side_changed(h, side);
    return 0;
}

void sip_host_unlisten(struct sip_host *h, unsigned side, enum sip_transport transport, const struct addr *at)
{
    for (size_t i = 0; i < h->point_count; i++) {
        const struct host_point *p = h->points[i];
        const struct addr addr = sip_host_point_addr(p);
        if (p->side != side || p->transport != transport || !addr_eq(&addr, at))
            continue;
        point_free(h->points[i]);
        memmove(&h->points[i], &h->points[i + 1], (h->point_count - i - 1) * sizeof h->points[0]);
        h->point_count--;
        sip_host_side_changed(h, side);
        return;
    }
}

void sip_host_connect_from(struct sip_host *h, unsigned side, const struct addr *local, struct tls_context *tls)
{
    if (side >= SIP_HOST_SIDES_MAX)
        return;
    h->sides[side].local = *local;
    h->sides[side].tls = tls;
    h->sides[side].connects = true;
    sip_host_side_changed(h, side);
}

void sip_host_send(struct sip_host *h, const struct sip_hop *hop, struct slice octets)
{
    sip_net_send(h->net, loop_now(h->loop), hop, octets);
    drain(h, false);
}

void sip_host_close(struct sip_host *h, uint64_t conn)
{
    sip_net_close(h->net, loop_now(h->loop), conn);
    drain(h, false);
}

struct addr sip_host_point_addr(const struct host_point *p)
{
    return p->udp ? udp_addr(p->udp) : listener_addr(p->listener);
}

struct addr sip_host_addr(const struct sip_host *h, unsigned side, enum sip_transport transport, uint8_t family)
{
    for (size_t i = 0; i < h->point_count; i++) {
        const struct host_point *p = h->points[i];
        struct addr addr = sip_host_point_addr(p);
        if (p->side == side && p->transport == transport && (!family || addr.family == family))
            return addr;
    }
    return (struct addr){0};
}

size_t sip_host_conns(const struct sip_host *h)
{
    return sip_net_conns(h->net);
}

const struct sip_net_counters *sip_host_net_counters(const struct sip_host *h)
{
    return sip_net_counters(h->net);
}

const struct stream_counters *sip_host_stream_counters(const struct sip_host *h)
{
    return &h->stream_counters;
}

const struct handshakes *sip_host_handshakes(const struct sip_host *h)
{
    return h->handshakes;
}

const struct udp_counters *sip_host_udp_counters(const struct sip_host *h)
{
    return &h->udp_counters;
}
