/* The phone network: exchange.h. */
#include "calls/exchange.h"

#include "alloc.h"
#include "base/mem.h"

#include <stdio.h>

#define CALLS_MAX 20000
#define RECORDS_MAX 1000
#define WITHHELD_PERCENT 5
#define LOST_PERCENT 5

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

static void add_carrier(struct sim_exchange *x, uint32_t k)
{
    struct pstn_carrier_options *c = &x->options.carriers[x->options.carrier_count++];
    *c = (struct pstn_carrier_options){.setup = {150, 900},
                                       .answer = {20, 200},
                                       .release = {20, 200},
                                       .withheld_percent = WITHHELD_PERCENT,
                                       .lost_percent = LOST_PERCENT};
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
    sim_wire_start(&x->host);
    return x;
}

void sim_exchange_free(struct sim_exchange *x)
{
    if (!x)
        return;
    sim_wire_end(&x->day->wire, &x->host, true);
    pstn_network_free(x->network);
    mem_free(x);
}
