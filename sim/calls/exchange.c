/* The phone network: exchange.h. */
#include "calls/exchange.h"

#include "alloc.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "base/text.h"
#include "pstn/network_private.h"

#include <stdio.h>

#define CALLS_MAX 20000
#define RECORDS_MAX 4000
#define WITHHELD_PERCENT 5
#define LOST_PERCENT 5
#define SPOILED_PERCENT 50
#define MEDIA_PORT 30000
#define PORTS_OF_CALL 4 /* two, each with one for RTCP behind it */
#define PORTS_OF_CARRIER (2 * (size_t)SIM_CARRIER_CALLS)

static void drain(struct sim_exchange *x)
{
    struct pstn_effect e;
    while (pstn_network_next(x->network, sim_day_now(x->day), &e))
        sim_wire_datagram(&x->day->wire, &x->sockets[e.hop->side], &e.hop->addr, e.octets);
    sim_waker_set(&x->waker, sim_day_world_us(x->day, pstn_network_deadline(x->network)));
}

static void tick(void *ctx)
{
    struct sim_exchange *x = ctx;
    pstn_network_tick(x->network, sim_day_now(x->day));
    drain(x);
}

static void datagram(void *ctx, unsigned side, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct sim_exchange *x = ctx;
    const struct sip_flow flow = {.transport = SIP_UDP, .side = side, .peer = *peer, .local = *local};
    pstn_network_input(x->network, sim_day_now(x->day), &flow, octets);
    drain(x);
}

static void datagram_failed(void *ctx, unsigned side, const struct addr *peer)
{
    struct sim_exchange *x = ctx;
    const struct sip_hop hop = {.transport = SIP_UDP, .side = side, .addr = *peer};
    pstn_network_unreachable(x->network, sim_day_now(x->day), &hop);
    drain(x);
}

static const struct sim_wire_user wire_user = {.datagram = datagram, .datagram_failed = datagram_failed};

/* ---- sound ---- */

static void sound(void *ctx, const struct addr *from, uint8_t *octets, size_t n)
{
    const struct sim_exchange_port *p = ctx;
    struct sim_exchange *x = p->exchange;
    const struct now now = sim_day_now(x->day);
    struct pstn_packet packet;
    pstn_network_take(x->network, now, p->carrier, p->number, from, slice_of(octets, n));
    while (pstn_network_give(x->network, now, &packet))
        sim_media_send(&x->day->media, &x->ports[packet.carrier * PORTS_OF_CARRIER + packet.port].port, &packet.to,
                       packet.octets.p, packet.octets.n);
}

static void open_ports(struct sim_exchange *x)
{
    x->port_count = SIM_CARRIERS * PORTS_OF_CARRIER;
    x->ports = sim_alloc(x->port_count * sizeof *x->ports);
    for (size_t i = 0; i < x->port_count; i++) {
        struct sim_exchange_port *p = &x->ports[i];
        p->exchange = x;
        p->carrier = (unsigned)(i / PORTS_OF_CARRIER);
        p->number = i % PORTS_OF_CARRIER;
        p->port = (struct sim_media_port){.addr = pstn_media_addr(&x->options.carriers[p->carrier], p->number),
                                          .zone = SIM_ZONE_CARRIER,
                                          .whose = p->carrier,
                                          .came = sound,
                                          .ctx = p};
        if (!sim_media_open(&x->day->media, &p->port))
            sim_die("a carrier's port is taken");
    }
}

/* ---- whose calls these are ---- */

static uint64_t hash_of(struct slice text)
{
    static const uint64_t seed[2] = {3, 4};
    return siphash(seed, text);
}

/* The rest of the line that begins so. */
static struct slice rest_of(struct slice octets, const char *begin)
{
    const size_t n = strlen(begin);
    const uint8_t *at = memmem(octets.p, octets.n, begin, n), *stop = octets.p + octets.n;
    const uint8_t *end = at ? memmem(at + n, (size_t)(stop - at) - n, "\r\n", 2) : NULL;
    return end ? slice_of(at + n, (size_t)(end - at) - n) : (struct slice){0};
}

void sim_exchange_saw(struct sim_exchange *x, struct slice invite, uint32_t call)
{
    x->seen[x->seen_count++ % SIM_CALLS_SEEN] =
        (struct sim_seen_call){.call_id = hash_of(rest_of(invite, "\r\nCall-ID: ")), .call = call};
}

/* Which of whose ports stand there. */
static bool find_slot(const struct sim_exchange *x, struct slice invite, uint32_t *ret_carrier, size_t *ret_slot)
{
    struct slice audio = rest_of(invite, "\r\nm=audio ");
    struct addr at;
    uint64_t port;
    if (u64_parse(text_cut(&audio, ' '), UINT16_MAX, &port) < 0 ||
        addr_parse(rest_of(invite, "\r\nc=IN IP4 "), (uint16_t)port, &at) != 0)
        return false;
    for (uint32_t k = 0; k < SIM_CARRIERS; k++) {
        const struct addr *first = &x->options.carriers[k].media;
        const size_t slot = (size_t)(port - first->port) / PORTS_OF_CALL;
        if (!addr_eq_ip(first, &at) || slot >= SIM_CARRIER_CALLS)
            continue;
        *ret_carrier = k;
        *ret_slot = slot;
        return true;
    }
    return false;
}

bool sim_exchange_whose(struct sim_exchange *x, struct slice invite, uint32_t *ret_call)
{
    uint32_t k;
    size_t slot;
    const struct pstn_call *c = find_slot(x, invite, &k, &slot) ? x->network->media[k][slot] : NULL;
    const uint64_t call_id = c && c->legs[CALLER] ? hash_of(slice_str(c->legs[CALLER]->dialog.call_id)) : 0;
    for (size_t i = 0; call_id && i < SIM_CALLS_SEEN; i++) {
        if (x->seen[i].call_id == call_id) {
            *ret_call = x->seen[i].call;
            return x->lately[k][slot] = true;
        }
    }
    if (call_id)
        x->lately[k][slot] = false;
    return false;
}

bool sim_exchange_was(const struct sim_exchange *x, struct slice invite)
{
    uint32_t k;
    size_t slot;
    return find_slot(x, invite, &k, &slot) && !x->network->media[k][slot] && x->lately[k][slot];
}

/* ---- what goes wrong with all of them ---- */

void sim_exchange_lose(struct sim_exchange *x, bool callers, bool digits, bool spoils)
{
    for (uint32_t k = 0; k < SIM_CARRIERS; k++) {
        x->options.carriers[k].lost_percent = callers ? 100 : LOST_PERCENT;
        x->options.carriers[k].digits_lost_percent = digits ? 100 : 0;
        x->options.carriers[k].shortened_percent = x->options.carriers[k].rewritten_percent =
            spoils ? SPOILED_PERCENT : 0;
    }
}

/* ---- carriers and trunks ---- */

static void add_carrier(struct sim_exchange *x, uint32_t k)
{
    struct pstn_carrier_options *c = &x->options.carriers[x->options.carrier_count++];
    *c = (struct pstn_carrier_options){.setup = {150, 900},
                                       .answer = {20, 200},
                                       .release = {20, 200},
                                       .withheld_percent = WITHHELD_PERCENT,
                                       .lost_percent = LOST_PERCENT};
    if (x->day->has_media) {
        c->media = sim_calls_addr(SIM_AT_CARRIER, k);
        c->media.port = MEDIA_PORT;
        c->media_calls = SIM_CARRIER_CALLS;
    }
    snprintf(c->name, sizeof c->name, "carrier-%u", k);
    addr_format(&x->sockets[k].addr, c->points[SIP_UDP]);
}

static void add_trunk(struct sim_exchange *x, uint32_t company, uint32_t k)
{
    const bool has_numbers = company % SIM_CARRIERS == k;
    const size_t n = x->options.trunk_count++;
    struct pstn_trunk_options *t = &x->options.trunks[n];
    *t = (struct pstn_trunk_options){.carrier = k,
                                     .place = {.country = "49", .area = "30"},
                                     .transport = SIP_UDP,
                                     .addr = sim_calls_addr(SIM_AT_AGENT_PSTN, company)};
    snprintf(t->name, sizeof t->name, "company-%u-%u", company, k);
    if (!has_numbers)
        return;
    struct pstn_range *r = &x->options.ranges[x->options.range_count++];
    const struct e164 first = sim_phone_number(company, 0);
    snprintf(r->pattern, sizeof r->pattern, "%.*sXXX", (int)(strlen(first.text) - 3), first.text);
    r->trunk = (unsigned)n;
}

struct sim_exchange *sim_exchange_new(struct sim_day *day)
{
    struct sim_exchange *x = sim_alloc(sizeof *x);
    x->day = day;
    sim_entropy_init(&x->seed, day->world->options->seed, "exchange", 0);
    x->entropy = seeded_entropy_port(&x->seed);
    x->host = (struct sim_wire_host){.user = &wire_user, .ctx = x};
    pstn_options_default(&x->options);
    x->options.calls_max = CALLS_MAX;
    x->options.records_max = RECORDS_MAX;
    for (uint32_t k = 0; k < SIM_CARRIERS; k++) {
        x->sockets[k] = (struct sim_wire_socket){
            .host = &x->host, .addr = sim_calls_addr(SIM_AT_CARRIER, k), .side = k, .group = SIM_GROUP_OF_CARRIER(k)};
        sim_wire_add(&day->wire, &x->sockets[k]);
        add_carrier(x, k);
    }
    for (uint32_t company = 0; company < day->companies; company++)
        for (uint32_t k = 0; k < SIM_CARRIERS; k++)
            add_trunk(x, company, k);
    sim_waker_init(&x->waker, day->world, tick, x);
    if (pstn_network_new(&x->options, &x->entropy, NULL, sim_day_now(day), &x->network) != 0)
        sim_die("no memory for a phone network");
    if (day->has_media)
        open_ports(x);
    sim_wire_start(&x->host);
    return x;
}

void sim_exchange_free(struct sim_exchange *x)
{
    if (!x)
        return;
    sim_wire_end(&x->day->wire, &x->host, true);
    for (size_t i = 0; i < x->port_count; i++)
        sim_media_close(&x->day->media, &x->ports[i].port);
    mem_free(x->ports);
    pstn_network_free(x->network);
    mem_free(x);
}
