/* The processes of call agents: office.h. */
#include "calls/office.h"

#include "alloc.h"
#include "base/mem.h"
#include "calls/ledger.h"
#include "conn.h"
#include "ticket/valinfo.h"

#include <malloc.h>
#include <stdio.h>

#define AREA "30"
#define DISK_US_MEAN 3000
#define RECONNECT_MS 60000
#define EFFECTS_MAX 1000000
#define LOCAL_US_MIN 100
#define LOCAL_US_MAX 900
#define TRUNK_US_MIN 2000
#define TRUNK_US_MAX 9000
#define LOCAL_LOSS_PPM 50
#define WEIGHED_CALLS_MIN 3 /* fewer are lost in what else changes */
#define URI_OCTETS 160
#define RETURNS_NOT_ONE_OF 4 /* companies: their calls stay on the phone network */

static struct now now_of(const struct sim_office *o)
{
    return sim_node_now(o->node);
}

/* ---- what is configured ---- */

static void set_trunk(struct sim_office *o, const char *name, enum agent_side side, const struct addr *addr)
{
    char host[ADDR_TEXT_OCTETS];
    struct agent_trunk_options t = {.name = (char *)(uintptr_t)name, .side = side, .transport = SIP_UDP};
    t.host = (char *)(uintptr_t)addr_format_ip(addr, host);
    agent_dial_plan_init(&t.plan);
    if (agent_dial_plan_set_country(&t.plan, slice_str("49")) != 0)
        sim_die("no such country");
    snprintf(t.plan.area, sizeof t.plan.area, AREA);
    if (agent_options_trunk(&o->options, &t) != 0)
        sim_die("no memory for a trunk");
}

static void set_point(struct sim_office *o, enum agent_side side, enum sip_transport transport)
{
    char text[ADDR_TEXT_OCTETS];
    if (agent_options_point(&o->options, side, transport, addr_format(&o->sockets[side].addr, text)) != 0)
        sim_die("no memory for an address");
}

static void configure(struct sim_office *o)
{
    const struct sim_day *day = o->day;
    const struct addr pbx = sim_calls_addr(SIM_AT_PBX, o->company);
    agent_options_default(&o->options);
    o->options.domain = mem_strdup(o->domain);
    if (day->has_edges) {
        o->options.ime_transport = SIP_TCP;
        o->options.edge = sim_calls_addr(SIM_AT_EDGE_INSIDE, o->company);
    }
    o->options.journal_max = 4 * (size_t)day->script_count / day->companies + 1000;
    set_trunk(o, "pbx", AGENT_PBX, &pbx);
    for (uint32_t i = 0; i < SIM_CARRIERS; i++) {
        static const char *const names[SIM_CARRIERS] = {"carrier-0", "carrier-1"};
        const uint32_t k = (o->company + i) % SIM_CARRIERS;
        const struct addr carrier = sim_calls_addr(SIM_AT_CARRIER, k);
        set_trunk(o, names[k], AGENT_PSTN, &carrier);
    }
    set_point(o, AGENT_PBX, SIP_UDP);
    set_point(o, AGENT_PSTN, SIP_UDP);
    set_point(o, AGENT_IME, o->options.ime_transport);
}

static void enroll(struct sim_office *o)
{
    struct agent_fallback_profile profile;
    size_t group;
    agent_fallback_profile_init(&profile);
    snprintf(profile.name, sizeof profile.name, "default");
    if (o->day->has_media)
        profile.number = sim_phone_fallback(o->day, o->company);
    profile.return_ms = o->company % RETURNS_NOT_ONE_OF == 0 ? 0 : SIM_RETURN_US / 1000;
    int err = agent_enrolled_new(&o->enrolled);
    if (!err)
        err = agent_enrolled_add_profile(o->enrolled, &profile);
    if (!err)
        err = agent_enrolled_add_group(o->enrolled, "all", "default", &group);
    for (uint32_t k = 0; !err && k < o->day->world->options->numbers; k++) {
        const struct e164 number = sim_phone_number(o->company, k);
        err = agent_enrolled_add_pattern(o->enrolled, group, e164_slice(&number));
    }
    if (err)
        sim_die("the numbers of company %u cannot be enrolled: %s", o->company, err_name(err));
}

/* ---- the transport ---- */

static void drain(struct sim_office *o);

void sim_office_settle(struct sim_office *o)
{
    drain(o);
}

static void datagram(void *ctx, unsigned side, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct sim_office *o = ctx;
    sip_net_datagram(o->net, now_of(o), side, peer, local, octets);
    drain(o);
}

static void datagram_failed(void *ctx, unsigned side, const struct addr *peer)
{
    struct sim_office *o = ctx;
    sip_net_datagram_failed(o->net, now_of(o), side, peer);
    drain(o);
}

static bool accepted(void *ctx, unsigned side, const struct addr *peer, const struct addr *local, uint64_t *ret_id)
{
    struct sim_office *o = ctx;
    const struct addr source = {
        .family = peer->family, .port = 40000, .ip = {peer->ip[0], peer->ip[1], peer->ip[2], peer->ip[3]}};
    if (o->refuses ||
        sip_net_accepted(o->net, now_of(o), o->options.ime_transport, side, &source, local, true, ret_id) != 0)
        return false;
    drain(o);
    return true;
}

static void up(void *ctx, uint64_t id, const struct addr *local, const char *peer_domain)
{
    struct sim_office *o = ctx;
    sip_net_up(o->net, now_of(o), id, local, o->day->has_edges ? NULL : peer_domain);
    drain(o);
}

static void octets(void *ctx, uint64_t id, struct slice octets)
{
    struct sim_office *o = ctx;
    sip_net_input(o->net, now_of(o), id, octets);
    drain(o);
}

static void down(void *ctx, uint64_t id)
{
    struct sim_office *o = ctx;
    sip_net_down(o->net, now_of(o), id);
    drain(o);
}

static const struct sim_wire_user wire_user = {
    .datagram = datagram,
    .datagram_failed = datagram_failed,
    .accepted = accepted,
    .up = up,
    .octets = octets,
    .down = down,
};

static void perform_net(struct sim_office *o, const struct sip_net_effect *e)
{
    struct sim_wire *wire = &o->day->wire;
    switch (e->kind) {
    case SIP_NET_CONNECT:
        sim_wire_connect(wire, &o->sockets[e->hop->side], e->conn, &e->hop->addr, e->hop->host);
        break;
    case SIP_NET_WRITE:
        sim_wire_write(wire, &o->host, e->conn, e->octets);
        break;
    case SIP_NET_DATAGRAM:
        sim_wire_datagram(wire, &o->sockets[e->hop->side], &e->hop->addr, e->octets);
        break;
    case SIP_NET_CLOSE:
        sim_wire_close(wire, &o->host, e->conn);
        break;
    case SIP_NET_MESSAGE:
        agent_input(o->agent, now_of(o), e->flow, e->octets);
        break;
    case SIP_NET_UNREACHABLE:
        agent_unreachable(o->agent, now_of(o), e->hop);
        break;
    case SIP_NET_LOST:
        agent_lost(o->agent, now_of(o), e->hop);
        break;
    }
}

/* ---- VAP ---- */

static void vap_connected(void *ctx, unsigned server)
{
    struct sim_office *o = ctx;
    sim_ledger_vap_begins(o->day->ledger, o->company, server);
    agent_service_connected(o->service, now_of(o), server);
}

static void vap_input(void *ctx, unsigned server, struct slice octets)
{
    struct sim_office *o = ctx;
    sim_ledger_vap(o->day->ledger, o->company, server, false, octets);
    agent_service_input(o->service, now_of(o), server, octets);
}

static void vap_closed(void *ctx, unsigned server)
{
    struct sim_office *o = ctx;
    agent_service_closed(o->service, now_of(o), server, AGENT_SERVICE_CLOSED, "closed");
}

static void vap_settle(void *ctx)
{
    drain(ctx);
}

static void perform_vap(struct sim_office *o, const struct agent_service_effect *e)
{
    struct sim_world *world = o->day->world;
    struct sim_conn_end *end = sim_conn_find(world, o->node->index, SIM_PORT_AGENT, e->server);
    switch (e->kind) {
    case AGENT_SERVICE_CONNECT:
        sim_conn_open(world, SIM_CONN_VAP, o->node->index, e->server, true, o->node->index);
        break;
    case AGENT_SERVICE_SEND:
        sim_ledger_vap(o->day->ledger, o->company, e->server, true, e->octets);
        if (end)
            sim_conn_send(world, end, e->octets);
        break;
    case AGENT_SERVICE_DISCONNECT:
        if (end)
            sim_conn_close(world, end, SIM_CLOSED);
        break;
    case AGENT_SERVICE_STOPPED:
        break;
    }
}

/* ---- the agent ---- */

static void locate(struct sim_office *o, const struct agent_effect *e)
{
    const struct agent_trunk_options *t = &o->options.trunks[e->trunk];
    struct sip_hop hop = {.transport = SIP_UDP, .side = t->side};
    if (addr_parse(slice_str(t->host), SIP_PORT, &hop.addr) != 0)
        sim_die("%s is no address", t->host);
    agent_located(o->agent, now_of(o), e->trunk, &hop, 1);
}

static void perform(struct sim_office *o, const struct agent_effect *e)
{
    switch (e->kind) {
    case AGENT_SEND:
        sip_net_send(o->net, now_of(o), e->hop, e->octets);
        break;
    case AGENT_LOCATE:
        locate(o, e);
        break;
    case AGENT_MAPPING: /* their edges are inline */
        break;
    case AGENT_SOUND:
        sim_office_sound_send(o, e->sound, &e->to, e->octets);
        break;
    case AGENT_VAP:
        perform_vap(o, e->vap);
        break;
    case AGENT_STOPPED:
        o->stopped = true;
        break;
    }
}

static void turn_disk(void *ctx, struct sim_world *world)
{
    struct sim_office *o = ctx;
    (void)world;
    o->disk_turns = false;
    if (!o->agent)
        return;
    agent_set_now(o->agent, now_of(o));
    sim_disk_turn(&o->disk);
    drain(o);
}

static void turn_disk_later(struct sim_office *o)
{
    if (o->disk_turns || !memory_store_waits(o->disk.store))
        return;
    o->disk_turns = true;
    sim_world_at(o->day->world,
                 o->day->world->now_us + DISK_US_MEAN / 2 + (int64_t)entropy_below(&o->entropy, DISK_US_MEAN),
                 turn_disk, o);
}

static void end(struct sim_office *o, bool crash, bool silent);

static void drain(struct sim_office *o)
{
    struct agent_effect e;
    struct sip_net_effect n;
    bool any = true;
    for (unsigned i = 0; any; i++) {
        if (i == EFFECTS_MAX)
            sim_die("company %u has no end of effects", o->company);
        any = false;
        while (agent_next(o->agent, now_of(o), &e)) {
            perform(o, &e);
            any = true;
        }
        while (sip_net_next(o->net, now_of(o), &n)) {
            perform_net(o, &n);
            any = true;
        }
    }
    turn_disk_later(o);
    sim_waker_set(&o->waker, sim_node_world_us(o->node, mono_min(agent_deadline(o->agent), sip_net_deadline(o->net))));
    if (o->stopping && o->stopped)
        sim_waker_set(&o->waker, o->day->world->now_us); /* not from within what called us */
}

static void due(void *ctx)
{
    struct sim_office *o = ctx;
    if (!o->agent) {
        if (o->back_us && o->back_us <= o->day->world->now_us)
            sim_office_start(o);
        else if (o->back_us)
            sim_waker_set(&o->waker, o->back_us);
        return;
    }
    if (o->stopping && o->stopped) {
        end(o, false, false);
        sim_waker_set(&o->waker, o->back_us);
        return;
    }
    const struct now now = now_of(o);
    if (mono_due(agent_deadline(o->agent), now.mono))
        agent_tick(o->agent, now);
    if (mono_due(sip_net_deadline(o->net), now.mono))
        sip_net_tick(o->net, now);
    drain(o);
}

/* ---- life ---- */

static enum agent_cause check_ticket(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                     struct slice ticket)
{
    const struct sim_office *o = ctx;
    const struct ticket_use use = {.now = now.wall, .number = e164_slice(number), .domain = domain};
    const enum ticket_verdict verdict = keyring_verify(o->keyring, ticket, &use, NULL);
    return verdict == TICKET_GOOD      ? AGENT_CAUSE_NONE
           : verdict == TICKET_EXPIRED ? AGENT_CAUSE_EXPIRED_TICKET
                                       : AGENT_CAUSE_INVALID_TICKET;
}

static int open_keyring(struct sim_office *o)
{
    const struct now now = now_of(o);
    const struct keyring_config config = {.granting_domain = slice_str(o->domain),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = KEYRING_REVOCATIONS_MAX_DEFAULT,
                                          .hash_seed = entropy_u64(&o->entropy),
                                          .kv = memory_store_kv(o->disk.store),
                                          .entropy = &o->entropy};
    struct keyring_job *job;
    int err = keyring_new(&config, now.wall, &o->keyring);
    if (err || keyring_key(o->keyring, SIM_TICKET_EPOCH, now.wall))
        return err;
    err = keyring_prepare(o->keyring, SIM_TICKET_EPOCH, slice_str(SIM_TICKET_PASSWORD), &job);
    if (!err && !(err = keyring_job_run(job)))
        err = keyring_install(o->keyring, job, now.wall, NULL, NULL);
    return err;
}

static int open_service(struct sim_office *o)
{
    char uri[URI_OCTETS];
    struct buf text;
    buf_init(&text, sizeof uri);
    const struct addr ime = sim_calls_addr(o->day->has_edges ? SIM_AT_EDGE_OUTSIDE : SIM_AT_AGENT_IME, o->company);
    const struct route_uri route = {
        .agent_id = slice_str("agent"), .domain = slice_str(o->domain), .port = ime.port, .address = ime};
    int err = route_uri_format(&route, &text);
    snprintf(uri, sizeof uri, "%s", err ? "" : buf_text(&text));
    buf_fini(&text);
    const struct agent_service_config config = {.name = o->domain,
                                                .domain = o->domain,
                                                .vservice_id = sim_vservice(o->company),
                                                .user = SIM_OFFICE_USER,
                                                .password = SIM_OFFICE_PASSWORD,
                                                .servers = 1,
                                                .server_names = {"its IME server"},
                                                .routes = {uri},
                                                .route_count = 1,
                                                .reconnect_ms = RECONNECT_MS};
    const struct agent_service_parts parts = {.enrolled = o->enrolled,
                                              .routes = o->routes,
                                              .records = o->records,
                                              .alarms = &o->alarms,
                                              .entropy = &o->entropy};
    if (!err)
        err = agent_service_new(&config, &parts, now_of(o), &o->service);
    o->service_list[0] = o->service;
    return err;
}

static void write_log(void *ctx, enum log_level level, const char *event, const char *text)
{
    const struct sim_office *o = ctx;
    (void)level;
    fprintf(stderr, "%.3f agent %u: %s %s\n", (double)o->day->world->now_us / SIM_SECOND, o->company, event, text);
}

/* As ime-agent does it. */
static int make(struct sim_office *o)
{
    struct agent_routes_config routes;
    struct agent_records_config records;
    struct sip_net_config net;
    const struct kv *kv = memory_store_kv(o->disk.store);
    const struct agent_route_watch watch = {agent_service_route_removed, &o->alarms};
    agent_routes_config_init(&routes);
    agent_records_config_init(&records);
    agent_alarms_init(&o->alarms, NULL);
    sip_net_config_init(&net);
    net.seed = entropy_u64(&o->entropy);
    int err = agent_routes_new(&routes, kv, &o->entropy, &watch, &o->routes);
    if (!err)
        err = agent_records_new(&records, kv, now_of(o), &o->records);
    if (!err)
        err = open_keyring(o);
    if (!err)
        err = open_service(o);
    if (!err)
        err = sip_net_new(&net, NULL, &o->net);
    const struct agent_ports ports = {.entropy = &o->entropy,
                                      .kv = kv,
                                      .ticket = check_ticket,
                                      .ticket_ctx = o,
                                      .log = o->day->world->options->verbose ? &o->log : NULL,
                                      .sound = o->day->has_media ? &o->sound : NULL};
    const struct agent_parts parts = {.enrolled = o->enrolled,
                                      .routes = o->routes,
                                      .records = o->records,
                                      .alarms = &o->alarms,
                                      .services = o->service_list,
                                      .service_count = 1};
    return err ? err : agent_new(&o->options, &ports, &parts, now_of(o), &o->agent);
}

static void unmake(struct sim_office *o)
{
    const struct agent_counters *counters = agent_counters(o->agent);
    o->day->result->found_by_caller += counters->fallback_calls_by_caller;
    o->day->result->found_by_digits += counters->fallback_calls_by_digits;
    agent_free(o->agent);
    sip_net_free(o->net);
    agent_service_free(o->service);
    keyring_free(o->keyring);
    agent_records_free(o->records);
    agent_routes_free(o->routes);
    o->agent = NULL;
    o->net = NULL;
    o->service = NULL;
    o->keyring = NULL;
    o->records = NULL;
    o->routes = NULL;
}

static int64_t live_octets(void)
{
    const struct mallinfo2 memory = mallinfo2();
    return (int64_t)(memory.uordblks + memory.hblkhd);
}

/* What its calls took, beside an agent that begins with the same disk. */
static void weigh(struct sim_office *o, size_t calls, int64_t octets)
{
    const int64_t before = live_octets();
    int err = make(o);
    if (err)
        sim_die("the agent of company %u does not start: %s", o->company, err_name(err));
    const int64_t at_rest = live_octets() - before;
    unmake(o);
    if (octets <= at_rest)
        return;
    o->weighed_calls += calls;
    o->weighed_octets += (uint64_t)(octets - at_rest);
}

static void end(struct sim_office *o, bool crash, bool silent)
{
    const size_t calls = agent_calls(o->agent);
    sim_wire_end(&o->day->wire, &o->host, silent);
    sim_office_sound_close(o);
    sim_conn_close_all(o->day->world, o->node->index, true, crash ? SIM_RESET : SIM_CLOSED);
    agent_set_now(o->agent, now_of(o));
    if (crash)
        sim_disk_crash(&o->disk);
    else
        sim_disk_sync(&o->disk);
    const int64_t before = live_octets();
    unmake(o);
    const int64_t octets = before - live_octets();
    memory_store_crash(o->disk.store);
    if (crash && calls >= WEIGHED_CALLS_MIN)
        weigh(o, calls, octets);
    o->stopping = o->stopped = false;
}

void sim_office_start(struct sim_office *o)
{
    if (o->agent)
        return;
    o->back_us = 0;
    o->lives++;
    int err = make(o);
    if (err)
        sim_die("the agent of company %u does not start: %s", o->company, err_name(err));
    sim_wire_start(&o->host);
    agent_start(o->agent, now_of(o));
    drain(o);
}

void sim_office_set_tickets(struct sim_office *o)
{
    if (o->node->server &&
        server_ticket_password(o->node->server, now_of(o), o->domain, SIM_TICKET_EPOCH, SIM_TICKET_PASSWORD) == 0)
        sim_node_settle(o->node);
}

void sim_office_start_server(struct sim_office *o)
{
    if (sim_node_start(o->node) != 0)
        sim_die("the IME server of company %u does not start", o->company);
    sim_office_set_tickets(o);
}

void sim_office_crash(struct sim_office *o, bool silent, int64_t back_us)
{
    if (o->agent)
        end(o, true, silent);
    o->back_us = back_us;
    sim_waker_set(&o->waker, back_us);
}

void sim_office_restart(struct sim_office *o, int64_t back_us)
{
    if (!o->agent || o->stopping)
        return;
    o->stopping = true;
    o->back_us = back_us;
    agent_stop(o->agent, now_of(o));
    drain(o);
}

void sim_office_init(struct sim_office *o, struct sim_day *day, uint32_t company)
{
    static const enum sim_place_at places[AGENT_SIDES] = {SIM_AT_AGENT_PBX, SIM_AT_AGENT_PSTN, SIM_AT_AGENT_IME};
    const unsigned groups[AGENT_SIDES] = {SIM_GROUP_OF_PBX, SIM_GROUP_OF_PSTN_SIDE,
                                          day->has_edges ? SIM_GROUP_OF_EDGE_SIDE : SIM_GROUP_OF_IME(company)};
    *o = (struct sim_office){.day = day, .company = company, .node = sim_world_node(day->world, company)};
    sim_entropy_init(&o->seed, day->world->options->seed, "office", company);
    o->entropy = seeded_entropy_port(&o->seed);
    sim_domain(company, o->domain);
    o->host = (struct sim_wire_host){.user = &wire_user, .ctx = o, .node = o->node, .domain = o->domain};
    for (unsigned side = 0; side < AGENT_SIDES; side++) {
        o->sockets[side] = (struct sim_wire_socket){.host = &o->host,
                                                    .addr = sim_calls_addr(places[side], company),
                                                    .side = side,
                                                    .group = groups[side],
                                                    .delay_us = {LOCAL_US_MIN, LOCAL_US_MAX}};
        sim_wire_add(&day->wire, &o->sockets[side]);
    }
    o->sockets[AGENT_PBX].loss_ppm = LOCAL_LOSS_PPM;
    o->sockets[AGENT_PSTN].loss_ppm = SIM_TRUNK_LOSS_PPM;
    o->sockets[AGENT_PSTN].delay_us[0] = TRUNK_US_MIN;
    o->sockets[AGENT_PSTN].delay_us[1] = TRUNK_US_MAX;
    o->log = (struct log){write_log, o, LEVEL_DEBUG};
    sim_office_sound_init(o);
    sim_waker_init(&o->waker, day->world, due, o);
    if (sim_disk_init(&o->disk, DISK_US_MEAN) != 0)
        sim_die("no memory for a disk");
    configure(o);
    enroll(o);
    o->vap = (struct sim_vap_port){
        .ctx = o, .connected = vap_connected, .input = vap_input, .closed = vap_closed, .settle = vap_settle};
    o->node->vap = &o->vap;
    if (server_options_account(&o->node->options, "agent", SIM_OFFICE_USER, SIM_OFFICE_PASSWORD) != 0)
        sim_die("no memory for an account");
}

void sim_office_fini(struct sim_office *o)
{
    if (o->agent)
        end(o, true, true);
    o->node->vap = NULL;
    agent_enrolled_free(o->enrolled);
    agent_options_fini(&o->options);
    sim_disk_fini(&o->disk);
}

/* ---- looking at it ---- */

void sim_office_left(const struct sim_office *o, struct sim_office_left *ret_left)
{
    agent_left(o->agent, &ret_left->agent);
    ret_left->conns = sip_net_conns(o->net);
    ret_left->sounds = 0;
    LIST_EACH(it, &o->sounds)
        ret_left->sounds++;
}

int64_t sim_office_grown(struct sim_office *o)
{
    sim_wire_end(&o->day->wire, &o->host, false);
    sim_conn_close_all(o->day->world, o->node->index, true, SIM_CLOSED);
    sim_disk_sync(&o->disk);
    const int64_t before = live_octets();
    unmake(o);
    const int64_t without = live_octets();
    int err = make(o);
    if (err)
        sim_die("the agent of company %u does not start: %s", o->company, err_name(err));
    return before - without - (live_octets() - without);
}
