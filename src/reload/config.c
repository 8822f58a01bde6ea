/* Configurations as values: defaults, sequence numbers, who is banned. */
#include "reload/config.h"

#include "base/mem.h"

void config_init(struct config *c)
{
    *c = (struct config){
        .topology_plugin = slice_str("CHORD-RELOAD"),
        .node_id_length = ID_OCTETS,
        .self_signed_digest = slice_str("sha1"),
        .turn_density = 1,
        .clients_permitted = true,
        .chord_update_interval_s = 600,
        .chord_ping_interval_s = 3600,
        .chord_reactive = true,
        .max_message_size = RELOAD_MESSAGE_OCTETS_DEFAULT,
        .initial_ttl = RELOAD_TTL_DEFAULT,
        .overlay_reliability_timer_ms = 3000,
        .number_hash = CONFIG_HASH_SHA1,
        .number_hash_cost = {.passes = 3, .memory_kib = 64u << 10, .lanes = 1},
        .lattice_ms = 4000,
        .quota = 10000,
        .number_lifetime_s = 7 * 24 * 3600,
    };
}

struct config *config_share(struct config *c)
{
    c->shares++;
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    if (c->shares) {
        c->shares--;
        return;
    }
    /* The struct lies in its own region. */
    struct region region = c->region;
    if (c->shared_secret.n)
        mem_wipe((void *)(uintptr_t)c->shared_secret.p, c->shared_secret.n);
    region_fini(&region);
}

int config_sequence_cmp(uint16_t a, uint16_t b)
{
    if (a == b)
        return 0;
    uint32_t ahead = ((uint32_t)a + CONFIG_SEQUENCE_COUNT - b) % CONFIG_SEQUENCE_COUNT;
    return ahead <= CONFIG_SEQUENCE_COUNT / 2 ? 1 : -1;
}

uint16_t config_sequence_next(uint16_t sequence)
{
    return (uint16_t)(((uint32_t)sequence + 1) % CONFIG_SEQUENCE_COUNT);
}

int config_may_follow(const struct config *current, const struct config *next)
{
    if (!slice_eq(current->instance_name, next->instance_name))
        return ERR_FORBIDDEN;
    return config_sequence_cmp(next->sequence, current->sequence) > 0 ? 0 : ERR_CONFLICT;
}

bool config_is_bad_node(const struct config *config, struct id node)
{
    size_t low = 0, high = config->bad_node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = id_cmp(config->bad_nodes[middle], node);
        if (c == 0)
            return true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

const struct config_ban *config_ban_of(const struct config *config, struct id node)
{
    size_t low = 0, high = config->ban_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = id_cmp(config->bans[middle].node, node);
        if (c == 0)
            return &config->bans[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void config_log_bans(const struct log *log, const struct config *old, const struct config *next)
{
    char hex[ID_HEX_OCTETS];
    for (size_t i = 0; i < next->bad_node_count; i++) {
        struct id node = next->bad_nodes[i];
        const struct config_ban *ban = config_ban_of(next, node);
        if (config_is_bad_node(old, node))
            continue;
        log_event(log, LEVEL_NOTICE, "ring.ban", "node=%s server_id=%.*s reason=\"%.*s\"", id_format(node, hex),
                  SLICE_PRINT(ban ? ban->server_id : slice_str("-")), SLICE_PRINT(ban ? ban->reason : slice_str("")));
    }
    for (size_t i = 0; i < old->bad_node_count; i++)
        if (!config_is_bad_node(next, old->bad_nodes[i]))
            log_event(log, LEVEL_NOTICE, "ring.unban", "node=%s", id_format(old->bad_nodes[i], hex));
}

/* The number before the next dot; 0 behind the end. What is no digit ends the version. */
static uint32_t next_number(struct slice *rest)
{
    uint32_t n = 0;
    size_t i = 0;
    for (; i < rest->n && rest->p[i] >= '0' && rest->p[i] <= '9'; i++)
        n = n > UINT32_MAX / 10 - 1 ? UINT32_MAX : 10 * n + (uint32_t)(rest->p[i] - '0');
    bool more = i < rest->n && rest->p[i] == '.';
    *rest = more ? slice_of(rest->p + i + 1, rest->n - i - 1) : slice_of(NULL, 0);
    return n;
}

bool config_wants_newer(const struct config *config, const char *version)
{
    struct slice wanted = config->required_version, own = slice_str(version);
    while (wanted.n || own.n) {
        uint32_t a = next_number(&wanted), b = next_number(&own);
        if (a != b)
            return b < a;
    }
    return false;
}

uint32_t config_overlay_hash(const struct config *config)
{
    return reload_overlay_hash(config->instance_name);
}
