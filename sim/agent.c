/* Call agents: agent.h. */
#include "agent.h"

#include "alloc.h"
#include "base/mem.h"
#include "base/text.h"
#include "conn.h"
#include "ticket/valinfo.h"

#include <inttypes.h>
#include <stdio.h>

#define PASSWORD "s3cret-of-agents"
#define RECONNECT_MS 60000
#define URI_OCTETS 160
#define CALLING_COUNTRY "49"
#define PUBLISHED_COUNTRY "883510" /* no country: international networks */
#define COMPANY_DIGITS 6
#define NUMBER_DIGITS 3
#define CLAIM_TOKEN UINT32_MAX /* of publications that are none of the company's numbers */
#define VSERVICE_BASE UINT64_C(0x1000000)

/* ---- whose is what ---- */

struct e164 sim_number(uint32_t company, uint32_t k)
{
    struct e164 number;
    char text[32];
    snprintf(text, sizeof text, "+" PUBLISHED_COUNTRY "%0*" PRIu32 "%0*" PRIu32, COMPANY_DIGITS, company, NUMBER_DIGITS,
             k);
    if (!e164_parse(slice_str(text), &number))
        sim_die("%s is no number", text);
    return number;
}

bool sim_number_owner(const struct e164 *number, uint32_t *ret_company, uint32_t *ret_k)
{
    struct slice text = e164_slice(number);
    size_t head = strlen("+" PUBLISHED_COUNTRY);
    uint64_t company, k;
    if (text.n != head + COMPANY_DIGITS + NUMBER_DIGITS || memcmp(text.p, "+" PUBLISHED_COUNTRY, head) != 0 ||
        u64_parse(slice_of(text.p + head, COMPANY_DIGITS), SIM_NODES_MAX, &company) < 0 ||
        u64_parse(slice_of(text.p + head + COMPANY_DIGITS, NUMBER_DIGITS), SIM_NUMBERS_MAX, &k) < 0)
        return false;
    *ret_company = (uint32_t)company;
    *ret_k = (uint32_t)k;
    return true;
}

const char *sim_domain(uint32_t company, char *text)
{
    snprintf(text, SIM_DOMAIN_OCTETS, "c%" PRIu32 ".example", company);
    return text;
}

bool sim_domain_owner(const char *domain, uint32_t *ret_company)
{
    const char *dot = strchr(domain, '.');
    uint64_t company;
    if (domain[0] != 'c' || !dot || strcmp(dot, ".example") != 0 ||
        u64_parse(slice_of(domain + 1, (size_t)(dot - domain - 1)), SIM_NODES_MAX, &company) < 0)
        return false;
    *ret_company = (uint32_t)company;
    return true;
}

uint64_t sim_vservice(uint32_t company)
{
    return VSERVICE_BASE + company;
}

/* ---- life ---- */

void sim_agent_init(struct sim_node *node)
{
    struct sim_agent *agent = sim_alloc(sizeof *agent);
    agent->node = node;
    agent->armed_us = INT64_MAX;
    agent->tick = (struct sim_tick){SIM_EVENT_AGENT, node};
    agent->numbers = sim_alloc(node->world->options->numbers);
    agent->wanted = sim_alloc(node->world->options->numbers * sizeof *agent->wanted);
    node->agent = agent;
    if (server_options_account(&node->options, "pbx", "agent", PASSWORD) != 0)
        sim_die("no memory for an account");
}

void sim_agent_fini(struct sim_node *node)
{
    if (!node->agent)
        return;
    vap_client_free(node->agent->client);
    mem_free(node->agent->numbers);
    mem_free(node->agent->wanted);
    mem_free(node->agent);
    node->agent = NULL;
}

/* Whether anybody would notice if they were not. */
static bool are_refreshed(const struct sim_world *world)
{
    return world->nature.number_lifetime_s != 0;
}

static void tell_published(struct sim_node *node, uint32_t k, int err, unsigned code)
{
    const struct sim_world *world = node->world;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->publish_ended)
            world->observers[i]->publish_ended(world->observers[i]->ctx, node, k, err, code);
}

static void tell_refreshed(struct sim_node *node, uint32_t k)
{
    const struct sim_world *world = node->world;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->publish_refreshed)
            world->observers[i]->publish_refreshed(world->observers[i]->ctx, node, k);
}

void sim_agent_start(struct sim_node *node)
{
    struct sim_agent *agent = node->agent;
    char domain[SIM_DOMAIN_OCTETS], uri[URI_OCTETS];
    const char *uris[1] = {uri};
    if (!agent || agent->client)
        return;
    snprintf(uri, sizeof uri, "sip:pbx@%s:5061;maddr=192.0.2.%u;transport=tcp", sim_domain(node->index, domain),
             node->index % 250 + 1);
    struct vap_description description = {
        .id = "pbx",
        .schema_version = "1.0",
        .dht_name = VAP_PUBLIC_DHT,
        .did_count = node->world->options->numbers,
        .domain = domain,
        .routes = uris,
        .route_count = 1,
    };
    struct vap_client_config config;
    vap_client_config_init(&config);
    config.user = "agent";
    config.password = PASSWORD;
    config.vservice_id = sim_vservice(node->index);
    config.description = &description;
    config.subscribe = true;
    config.reconnect_ms = RECONNECT_MS;
    config.report_refreshes = are_refreshed(node->world);
    if (vap_client_new(&config, &node->entropy, NULL, sim_node_now(node), &agent->client) != 0)
        sim_die("no memory for an agent");
    sim_agent_settle(node);
    for (uint32_t k = 0; are_refreshed(node->world) && k < node->world->options->numbers; k++)
        if (agent->wanted[k])
            sim_agent_publish(node, k);
}

void sim_agent_stop(struct sim_node *node)
{
    struct sim_agent *agent = node->agent;
    if (!agent || !agent->client)
        return;
    sim_conn_close_all(node->world, node->index, true, SIM_CLOSED);
    vap_client_free(agent->client);
    agent->client = NULL;
    agent->online = false;
    agent->armed_us = INT64_MAX;
    for (uint32_t k = 0; k < node->world->options->numbers; k++)
        if (agent->numbers[k] == SIM_NUMBER_ASKED)
            tell_published(node, k, ERR_CLOSED, 0);
    memset(agent->numbers, SIM_NUMBER_NONE, node->world->options->numbers);
}

/* ---- what it wants ---- */

static void published(struct sim_node *node, const struct vap_client_effect *e)
{
    uint32_t k = (uint32_t)e->token;
    if (e->token >= node->world->options->numbers || node->agent->numbers[k] == SIM_NUMBER_NONE)
        return; /* it was taken back meanwhile */
    bool asked = node->agent->numbers[k] == SIM_NUMBER_ASKED;
    if (asked || !e->err) /* a refresh that fails is tried again */
        node->agent->numbers[k] = e->err ? SIM_NUMBER_FAILED : SIM_NUMBER_PUBLISHED;
    if (asked)
        tell_published(node, k, e->err, e->code);
    else if (!e->err)
        tell_refreshed(node, k);
}

static void uploaded(struct sim_node *node, const struct vap_client_effect *e)
{
    const struct sim_world *world = node->world;
    node->agent->uploads_under_way--;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->call_uploaded)
            world->observers[i]->call_uploaded(world->observers[i]->ctx, node, e->token, e->err);
}

static void notified(struct sim_node *node, const struct vap_client_effect *e)
{
    const struct sim_world *world = node->world;
    struct valinfo info;
    struct region region;
    region_init(&region, 4 * VALINFO_OCTETS_MAX);
    bool good = valinfo_parse(e->octets, &region, &info, NULL) == 0;
    if (!good) {
        sim_world_violation(node->world, "routes are well-formed", "node %u: its agent is sent what is no route",
                            node->index);
    } else {
        node->agent->routes_told++;
        for (unsigned i = 0; i < world->observer_count; i++)
            if (world->observers[i]->route_learned)
                world->observers[i]->route_learned(world->observers[i]->ctx, node, &info.number,
                                                   info.route_count ? info.routes[0] : slice_of(NULL, 0), info.ticket);
    }
    region_fini(&region);
    vap_client_notify_done(node->agent->client, sim_node_now(node), e->notify, good);
}

static void take(struct sim_node *node, const struct vap_client_effect *e)
{
    struct sim_world *world = node->world;
    struct sim_conn_end *end;
    switch (e->kind) {
    case VAP_CLIENT_CONNECT:
        sim_conn_open(world, SIM_CONN_VAP, node->index, e->server, true, node->index);
        break;
    case VAP_CLIENT_SEND:
        if ((end = sim_conn_find(world, node->index, SIM_PORT_AGENT, e->server)) != NULL)
            sim_conn_send(world, end, e->octets);
        break;
    case VAP_CLIENT_DISCONNECT:
        if ((end = sim_conn_find(world, node->index, SIM_PORT_AGENT, e->server)) != NULL)
            sim_conn_close(world, end, SIM_CLOSED);
        break;
    case VAP_CLIENT_ONLINE:
        node->agent->online = true;
        break;
    case VAP_CLIENT_OFFLINE:
        node->agent->online = false;
        break;
    case VAP_CLIENT_UPLOADED:
        uploaded(node, e);
        break;
    case VAP_CLIENT_PUBLISHED:
        published(node, e);
        break;
    case VAP_CLIENT_NOTIFY:
        notified(node, e);
        break;
    case VAP_CLIENT_ALARM:
    case VAP_CLIENT_REVOKED:
    case VAP_CLIENT_SUBSCRIBED:
    case VAP_CLIENT_KEYS_SUBSCRIBED: /* of border elements */
    case VAP_CLIENT_KEYS_REFUSED:
    case VAP_CLIENT_KEYS:
    case VAP_CLIENT_STOPPED:
        break;
    }
}

static void arm(struct sim_node *node)
{
    struct sim_agent *agent = node->agent;
    int64_t due = sim_node_world_us(node, vap_client_deadline(agent->client));
    if (due >= agent->armed_us)
        return;
    agent->armed_us = due;
    sim_queue_add(&node->world->queue, due, &agent->tick);
}

void sim_agent_settle(struct sim_node *node)
{
    struct vap_client_effect e;
    while (node->agent->client && vap_client_next(node->agent->client, &e))
        take(node, &e);
    if (node->agent->client)
        arm(node);
}

void sim_agent_happen(struct sim_node *node)
{
    struct sim_agent *agent = node->agent;
    int64_t now = node->world->now_us;
    if (!agent->client || agent->armed_us != now)
        return;
    agent->armed_us = INT64_MAX;
    if (sim_node_world_us(node, vap_client_deadline(agent->client)) <= now)
        vap_client_tick(agent->client, sim_node_now(node));
    sim_agent_settle(node);
}

/* ---- numbers and calls ---- */

void sim_agent_publish(struct sim_node *node, uint32_t k)
{
    struct sim_agent *agent = node->agent;
    const struct sim_world *world = node->world;
    if (!agent || !agent->client || k >= world->options->numbers || agent->numbers[k] == SIM_NUMBER_ASKED ||
        agent->numbers[k] == SIM_NUMBER_PUBLISHED)
        return;
    agent->wanted[k] = true;
    struct e164 number = sim_number(node->index, k);
    if (agent->numbers[k] == SIM_NUMBER_FAILED)
        vap_client_forget_number(agent->client, &number);
    if (vap_client_publish_number(agent->client, sim_node_now(node), &number, k) != 0)
        return;
    agent->numbers[k] = SIM_NUMBER_ASKED;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->publish_begun)
            world->observers[i]->publish_begun(world->observers[i]->ctx, node, k);
    sim_agent_settle(node);
}

void sim_agent_forget(struct sim_node *node, uint32_t k)
{
    struct sim_agent *agent = node->agent;
    if (!agent || k >= node->world->options->numbers)
        return;
    agent->wanted[k] = false;
    if (!agent->client || agent->numbers[k] == SIM_NUMBER_NONE)
        return;
    struct e164 number = sim_number(node->index, k);
    bool asked = agent->numbers[k] == SIM_NUMBER_ASKED;
    vap_client_forget_number(agent->client, &number);
    agent->numbers[k] = SIM_NUMBER_NONE;
    if (asked)
        tell_published(node, k, ERR_CLOSED, 0);
    sim_agent_settle(node);
}

static void upload(struct sim_node *node, const struct sim_call *call, enum vap_direction direction)
{
    struct sim_agent *agent = node->agent;
    struct sim_world *world = node->world;
    bool received = direction == VAP_RECEIVED;
    char caller[32];
    if (!agent || !agent->client)
        return;
    /* Each side by its own clock. */
    int64_t ahead_ms = sim_node_now(node).wall.ms - sim_world_wall(world).ms;
    struct wall stop = {SIM_BEGAN_MS + call->ended_us / 1000 + ahead_ms};
    struct wall start = wall_after_ms(stop, -call->lasted_us / 1000);
    struct vap_vcr vcr = {
        .vservice_id = sim_vservice(node->index),
        .direction = direction,
        .called = sim_number(call->to, call->k),
        .start_ntp = wall_to_ntp(wall_after_ms(start, received ? call->start_off_ms : 0)),
        .stop_ntp = wall_to_ntp(wall_after_ms(stop, received ? call->stop_off_ms : 0)),
    };
    snprintf(caller, sizeof caller, "+" CALLING_COUNTRY "%0*" PRIu32, COMPANY_DIGITS, call->from);
    if (!(received && call->caller_lost) && !e164_parse(slice_str(caller), &vcr.calling))
        sim_die("%s is no number", caller);
    if (vap_client_upload(agent->client, sim_node_now(node), &vcr, ++world->next_token) != 0)
        return;
    agent->uploads_under_way++;
    sim_agent_settle(node);
}

void sim_agent_call(struct sim_world *world, const struct sim_call *call)
{
    if (!call->one_sided)
        upload(&world->nodes[call->to], call, VAP_RECEIVED);
    upload(&world->nodes[call->from], call, VAP_SENT);
}

void sim_agent_claim(struct sim_node *node, const struct sim_call *call)
{
    struct sim_agent *agent = node->agent;
    struct e164 number = sim_number(call->to, call->k);
    if (!agent || !agent->client)
        return;
    vap_client_publish_number(agent->client, sim_node_now(node), &number, CLAIM_TOKEN); /* again: it has it already */
    upload(node, call, VAP_RECEIVED);
}
