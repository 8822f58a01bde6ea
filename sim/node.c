/* One node: its lives, its clock, and what its server wants done (node.h). */
#include "node.h"

#include "alloc.h"
#include "base/mem.h"
#include "conn.h"
#include "lookup.h"
#include "tap.h"

#define HASH_US 20000    /* Argon2id of a number */
#define DERIVE_US 300000 /* PBKDF2 of a ticket password */
#define EFFECTS_MAX 1000000

/* A job of the hasher: carried in the octets of its event. */
struct sim_hash_job {
    struct numbers_profile profile;
    struct e164 number;
};

/* ---- clocks ---- */

static int64_t mono_us(const struct sim_node *node)
{
    int64_t elapsed = node->world->now_us - node->drift_from_us;
    return node->world->now_us + node->drift_us + (int64_t)((double)elapsed * node->clock_drift_ppm * 1e-6);
}

struct now sim_node_now(const struct sim_node *node)
{
    int64_t us = mono_us(node);
    return (struct now){{us + SIM_MONO_BEGAN_US}, {SIM_BEGAN_MS + us / 1000 + node->clock_offset_ms}};
}

int64_t sim_node_world_us(const struct sim_node *node, struct mono mono)
{
    int64_t shown = mono_us(node) + SIM_MONO_BEGAN_US;
    if (mono.us == INT64_MAX)
        return INT64_MAX;
    if (mono.us <= shown)
        return node->world->now_us;
    int64_t left = mono.us - shown;
    int64_t us = (int64_t)((double)left / (1 + node->clock_drift_ppm * 1e-6)) + 1;
    return us > INT64_MAX - node->world->now_us - 1 ? INT64_MAX : node->world->now_us + us;
}

void sim_node_set_clock(struct sim_node *node, int64_t offset_ms, double drift_ppm)
{
    node->drift_us = mono_us(node) - node->world->now_us;
    node->drift_from_us = node->world->now_us;
    node->clock_drift_ppm = drift_ppm;
    node->clock_offset_ms = offset_ms;
}

void sim_node_set_slow(struct sim_node *node, int64_t slow_us)
{
    node->slow_us = slow_us;
}

void sim_node_hang(struct sim_node *node, int64_t for_us)
{
    node->hangs_until_us = node->world->now_us + for_us;
}

/* ---- when it acts next ---- */

static void arm(struct sim_node *node)
{
    int64_t due = sim_node_world_us(node, server_deadline(node->server));
    if (due >= node->armed_us)
        return; /* the earlier call finds out that there is nothing to do yet */
    node->armed_us = due;
    sim_queue_add(&node->world->queue, due, &node->tick);
}

static void schedule(struct sim_node *node, struct sim_event *event, int64_t after_us)
{
    event->node = node;
    event->life = node->life;
    sim_event_schedule(node->world, event, node->world->now_us + after_us);
}

static void turn_disk_later(struct sim_node *node)
{
    struct sim_disk *disk = &node->disk;
    if (disk->turning || disk->hangs || !memory_store_waits(disk->store))
        return;
    disk->turning = true;
    schedule(node, sim_event_new(SIM_EVENT_DISK, 0),
             disk->mean_us / 2 + (int64_t)entropy_below(&node->world->entropy, disk->mean_us + 1));
}

void sim_node_disk_hangs(struct sim_node *node, bool hangs)
{
    node->disk.hangs = hangs;
    if (node->server)
        turn_disk_later(node);
}

/* ---- what its server wants ---- */

static int start_hash(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct sim_node *node = ctx;
    struct sim_hash_job what = {*profile, *number};
    struct sim_event *event = sim_event_new(SIM_EVENT_HASH, sizeof what + profile->overlay.n);
    what.profile.overlay.p = event->octets + sizeof what;
    memcpy(event->octets, &what, sizeof what);
    memcpy(event->octets + sizeof what, profile->overlay.p, profile->overlay.n);
    event->number = job;
    schedule(node, event, HASH_US);
    return 0;
}

static void hashed(struct sim_node *node, struct sim_event *event)
{
    struct sim_hash_job job; /* copied out: the octets of an event stand anywhere */
    struct numbers_slot slots[NUMBERS_COPIES];
    memcpy(&job, event->octets, sizeof job);
    int err = numbers_slots_derive(&job.profile, &job.number, slots);
    server_hashed(node->server, sim_node_now(node), event->number, err, slots);
}

static void derived(struct sim_node *node, struct keyring_job *job)
{
    keyring_job_run(job); /* its failure shows when it is installed */
    server_derived(node->server, sim_node_now(node), job);
}

static void connect_ring(struct sim_node *node, const struct server_effect *e)
{
    uint32_t to = 0;
    bool somebody = sim_address_node(node->world, &e->addr, &to);
    sim_conn_open(node->world, SIM_CONN_RING, node->index, e->conn, somebody, to);
}

static void connect_pvp(struct sim_node *node, const struct server_effect *e)
{
    uint32_t to = 0;
    bool somebody = sim_address_node(node->world, &e->addr, &to);
    struct sim_conn *conn = sim_conn_open(node->world, SIM_CONN_PVP, node->index, e->conn, somebody, to);
    conn->pvp = sim_alloc(sizeof *conn->pvp);
    memcpy(conn->pvp->username, e->username, strlen(e->username) + 1);
    memcpy(conn->pvp->password, e->password, strlen(e->password) + 1);
    entropy_fill(&node->world->entropy, conn->pvp->exporter, sizeof conn->pvp->exporter);
}

static enum sim_port port_of(enum server_effect_kind kind)
{
    switch (kind) {
    case SERVER_RING_SEND:
    case SERVER_RING_CLOSE:
        return SIM_PORT_RING;
    case SERVER_VAP_SEND:
    case SERVER_VAP_CLOSE:
        return SIM_PORT_VAP;
    default:
        return SIM_PORT_PVP;
    }
}

static void send(struct sim_node *node, const struct server_effect *e)
{
    struct sim_conn_end *end = sim_conn_find(node->world, node->index, port_of(e->kind), e->conn);
    if (!end)
        return;
    if (node->tap && e->kind == SERVER_RING_SEND)
        sim_tap_send(node, end, e->octets);
    else
        sim_conn_send(node->world, end, e->octets);
}

static void perform(struct sim_node *node, const struct server_effect *e)
{
    struct sim_world *world = node->world;
    struct sim_conn_end *end;
    switch (e->kind) {
    case SERVER_RING_CONNECT:
        connect_ring(node, e);
        break;
    case SERVER_PVP_CONNECT:
        connect_pvp(node, e);
        break;
    case SERVER_RING_SEND:
    case SERVER_VAP_SEND:
    case SERVER_PVP_SEND:
        send(node, e);
        break;
    case SERVER_RING_CLOSE:
    case SERVER_VAP_CLOSE:
    case SERVER_PVP_CLOSE:
        if ((end = sim_conn_find(world, node->index, port_of(e->kind), e->conn)) != NULL)
            sim_conn_close(world, end, SIM_CLOSED);
        break;
    case SERVER_DERIVE: {
        struct sim_event *event = sim_event_new(SIM_EVENT_DERIVE, 0);
        event->job = e->job;
        schedule(node, event, DERIVE_US);
        break;
    }
    case SERVER_LOOKED_UP:
        sim_lookup_ended(node, e->lookup);
        break;
    case SERVER_CONFIG:
        sim_identity_set_config(world->identities, node->security, e->config, sim_node_now(node).wall);
        sim_world_tell(world, node, SIM_NODE_CONFIGURED);
        break;
    case SERVER_JOINED:
        node->joined = true;
        node->joined_us = world->now_us;
        world->joined++;
        sim_world_ring_changed(world);
        sim_world_tell(world, node, SIM_NODE_JOINED);
        break;
    case SERVER_LEFT:
        node->left = true;
        break;
    case SERVER_NODE_LEFT:
        break;
    case SERVER_BANNED:
        node->banned = true;
        sim_world_ring_changed(world);
        sim_world_tell(world, node, SIM_NODE_BANNED);
        break;
    }
}

void sim_node_settle(struct sim_node *node)
{
    struct server_effect e;
    if (!node->server)
        return;
    struct now now = sim_node_now(node);
    for (unsigned i = 0; server_next(node->server, now, &e); i++) {
        if (i == EFFECTS_MAX)
            sim_die("node %u has no end of effects at %lld us", node->index, (long long)node->world->now_us);
        perform(node, &e);
    }
    if (node->left) {
        sim_node_end(node, SIM_END_STOP);
        sim_world_tell(node->world, node, SIM_NODE_LEFT);
        return;
    }
    turn_disk_later(node);
    arm(node);
}

/* ---- what happens to it ---- */

void sim_node_tick(struct sim_node *node)
{
    int64_t now = node->world->now_us;
    if (!node->server || node->armed_us != now)
        return; /* it was armed anew meanwhile */
    node->armed_us = INT64_MAX;
    if (sim_node_world_us(node, server_deadline(node->server)) > now) {
        arm(node);
        return;
    }
    server_tick(node->server, sim_node_now(node));
    sim_node_settle(node);
}

void sim_node_happen(struct sim_node *node, struct sim_event *event)
{
    bool current = node->server && event->life == node->life;
    if (event->type == SIM_EVENT_DISK && current && node->disk.hangs)
        node->disk.turning = false;
    else if (event->type == SIM_EVENT_DISK && current)
        sim_disk_turn(&node->disk);
    else if (event->type == SIM_EVENT_HASH && current)
        hashed(node, event);
    else if (event->type == SIM_EVENT_DERIVE && current)
        derived(node, event->job);
    else if (event->type == SIM_EVENT_DERIVE)
        keyring_job_free(event->job);
    sim_event_free(event);
    if (current)
        sim_node_settle(node);
}

/* ---- lives ---- */

static void write_log(void *ctx, enum log_level level, const char *event, const char *text)
{
    struct sim_node *node = ctx;
    const struct sim_world *world = node->world;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->log)
            world->observers[i]->log(world->observers[i]->ctx, node, level, event, text);
}

void sim_node_init(struct sim_world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    const struct sim_nature *nature = &world->nature;
    sim_entropy_init(&node->seed, world->options->seed, "node", index);
    node->entropy = seeded_entropy_port(&node->seed);
    const struct entropy *e = &node->entropy;
    node->world = world;
    node->index = index;
    entropy_fill(e, node->id.octets, sizeof node->id.octets);
    node->ipv6 = entropy_below(e, 1000000) < (uint64_t)(nature->ipv6 * 1e6);
    node->ring_address = sim_address(index, node->ipv6, SIM_RING_PORT);
    node->pvp_address = sim_address(index, node->ipv6, SIM_PVP_PORT);
    node->place.city = sim_city_draw(e);
    node->place.access_us = (uint32_t)entropy_between(e, nature->access_us_min, nature->access_us_max);
    sim_network_place(world, index, node->place);
    node->clock_offset_ms = entropy_between(e, -nature->clock_offset_ms, nature->clock_offset_ms);
    node->clock_drift_ppm = (double)entropy_between(e, -1000, 1000) * nature->clock_drift_ppm / 1000;
    node->drift_from_us = world->now_us;
    node->armed_us = INT64_MAX;
    node->tick = (struct sim_tick){SIM_EVENT_TICK, node};
    node->hasher = (struct numbers_hasher){start_hash, node};
    node->log = (struct log){write_log, node, LEVEL_ERROR};
    if (sim_disk_init(&node->disk, (uint32_t)entropy_between(e, nature->disk_us_min, nature->disk_us_max)) != 0)
        sim_die("no memory for a disk");
    server_options_default(&node->options);
    node->options.server_id = "";
    node->options.ring_address = node->ring_address;
    node->options.pvp_address = node->pvp_address;
    if (node->ipv6) {
        node->options.ring_other_address = sim_address(index, false, SIM_RING_PORT);
        node->options.pvp_other_address = sim_address(index, false, SIM_PVP_PORT);
    }
    node->options.bootstrap = index < sim_world_bootstraps(world);
}

void sim_node_fini(struct sim_node *node)
{
    if (node->server)
        sim_node_end(node, SIM_END_CRASH);
    server_options_fini(&node->options);
    sim_disk_fini(&node->disk);
}

struct slice sim_node_certificate(const struct sim_node *node)
{
    return sim_identity_certificate(node->world->identities, node->index);
}

/* The document that everybody is given with the certificate, unless the one on the disk is newer. All share what was parsed once. */
static struct config *load_config(struct sim_node *node)
{
    struct config *newest = sim_identities_config(node->world->identities), *stored = NULL;
    struct config_fault fault = {0};
    struct slice document;
    if (server_stored_config(memory_store_kv(node->disk.store), &document) != 0 ||
        slice_eq(document, newest->document) || config_parse(document, slice_str(SIM_OVERLAY), &stored, &fault) != 0)
        return config_share(newest);
    if (config_may_follow(newest, stored) == 0)
        return stored;
    config_free(stored);
    return config_share(newest);
}

static int make_server(struct sim_node *node)
{
    struct sim_world *world = node->world;
    struct now now = sim_node_now(node);
    struct config *config = load_config(node);
    int err = sim_identity_security_new(world->identities, node->index, config, now.wall, &node->security);
    if (err) {
        config_free(config);
        return err;
    }
    node->log.level = world->log_level;
    struct server_ports ports = {
        .entropy = &node->entropy,
        .log = world->log_level > LEVEL_ERROR ? &node->log : NULL,
        .kv = memory_store_kv(node->disk.store),
        .security = node->security,
        .hasher = &node->hasher,
    };
    err = server_new(&node->options, &ports, config, node->id,
                     sim_identity_certificate_end(world->identities, node->index), now, &node->server);
    if (err) {
        node->server = NULL;
        sim_disk_crash(&node->disk);
        sim_identity_security_free(world->identities, node->security);
        node->security = NULL;
    }
    return err;
}

int sim_node_start(struct sim_node *node)
{
    if (node->server)
        return 0;
    sim_network_darken(node->world, node, false);
    node->life++;
    node->left = node->joined = node->banned = false;
    node->armed_us = INT64_MAX;
    node->started_us = node->world->now_us;
    node->state = SIM_NODE_DOWN;
    int err = make_server(node);
    if (err)
        return err;
    node->state = SIM_NODE_UP;
    node->world->up++;
    sim_world_tell(node->world, node, SIM_NODE_STARTED);
    server_start(node->server, sim_node_now(node));
    sim_node_settle(node);
    return 0;
}

void sim_node_leave(struct sim_node *node)
{
    if (!node->server)
        return;
    server_leave(node->server, sim_node_now(node));
    sim_node_settle(node);
}

void sim_node_end(struct sim_node *node, enum sim_node_end how)
{
    struct sim_world *world = node->world;
    if (!node->server)
        return;
    sim_conn_close_all(world, node->index, false,
                       how == SIM_END_STOP    ? SIM_CLOSED
                       : how == SIM_END_CRASH ? SIM_RESET
                                              : SIM_FORGOTTEN);
    server_set_now(node->server, sim_node_now(node));
    if (how == SIM_END_STOP)
        sim_disk_sync(&node->disk);
    else
        sim_disk_crash(&node->disk);
    server_free(node->server);
    node->server = NULL;
    sim_identity_security_free(world->identities, node->security);
    node->security = NULL;
    memory_store_crash(node->disk.store);
    node->state = SIM_NODE_DOWN;
    node->armed_us = INT64_MAX;
    world->up--;
    if (node->joined) {
        world->joined--;
        sim_world_ring_changed(world);
    }
    node->joined = false;
    if (how == SIM_END_POWER)
        sim_network_darken(world, node, true);
    sim_lookup_drop(node);
    sim_world_tell(world, node, SIM_NODE_ENDED);
}

void sim_node_wipe(struct sim_node *node)
{
    uint32_t mean_us = node->disk.mean_us;
    if (node->server)
        return;
    sim_disk_fini(&node->disk);
    if (sim_disk_init(&node->disk, mean_us) != 0)
        sim_die("no memory for a disk");
}

size_t sim_node_records(const struct sim_node *node)
{
    return memory_store_count(node->disk.store, KV_RELOAD_DATA);
}
