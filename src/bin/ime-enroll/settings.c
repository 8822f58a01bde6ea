/* Keys, bounds and defaults of enroll.conf. */
#include "settings.h"

#include "base/mem.h"
#include "base/text.h"
#include "bin/daemon/keys.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB INT64_C(1024)

#define ENROLL_PATH "/enroll"
#define LINK_PROTOCOL "TLS-TCP-FH-NO-ICE" /* link type 4, RFC 6940 6.6.1 */
#define REGION_OCTETS_MAX (4u << 20)
#define URL_OCTETS_MAX 512

static const struct conf_section sections[] = {
    {"enroll", false, "The enrollment server itself."},
    {"ring", false,
     "The configuration that all servers of the ring share. A change (then `systemctl reload ime-enroll`) makes the "
     "next sequence, which "
     "spreads by itself."},
    {"server", true, "What one server may, by its server ID."},
};

/* clang-format off */
static const struct conf_key keys[] = {
    {"enroll", "listen", CONF_ADDR, CONF_REQUIRED, NULL, 8443, 0, NULL, "192.0.2.10:8443",
     "Where servers connect by HTTPS."},
    {"enroll", "name", CONF_TEXT, CONF_REQUIRED | CONF_LIST, NULL, 1, 253, NULL, "enroll.example.net",
     "Host names and IP addresses of this server, for its HTTPS certificate. Servers are sent to the first one unless `url` says otherwise."},
    {"enroll", "url", CONF_TEXT, 0, NULL, 9, 500, NULL, "https://enroll.example.net:8443/enroll",
     "Where servers post their requests, as the ring's configuration tells them."},
    {"enroll", "overlay", CONF_DOMAIN, CONF_REQUIRED, NULL, 0, 0, NULL, "ime.example.net",
     "Name of the ring. It is in every certificate: it cannot be changed later."},
    DAEMON_KEY_DATA("enroll", "/var/lib/ime-enroll",
     "Folder of the database with the authority's key, the certificates and the tokens. Created with mode 0700."),
    DAEMON_KEY_CONTROL("enroll"),
    {"enroll", "ca-file", CONF_PATH, 0, "/var/lib/ime-enroll/ca.pem", 0, 0, NULL, NULL,
     "Where the authority's certificate is written (PEM), for servers and call agents to trust."},
    {"enroll", "authority-key", CONF_CHOICE, 0, "ec-p256", 0, 0, "ec-p256|rsa-2048", NULL,
     "Key type of a fresh authority and its configuration signer."},
    {"enroll", "authority-lifetime", CONF_DURATION, 0, "20y", DAY, 50 * 365 * DAY, NULL, NULL, "Of a fresh authority's certificate."},
    {"enroll", "certificate-lifetime", CONF_DURATION, 0, "1y", MINUTE, 10 * 365 * DAY, NULL, NULL,
     "Of the certificates that are issued. Servers renew them in time."},
    {"enroll", "token-lifetime", CONF_DURATION, 0, "1d", MINUTE, 366 * DAY, NULL, NULL,
     "How long a token may be used, unless `imectl enroll token add --expires` says otherwise."},
    {"enroll", "renew-grace", CONF_DURATION, 0, "30d", 0, 365 * DAY, NULL, NULL,
     "A server that could not renew its certificate in time may do so until this long after its end, with the same key. 0: never; it needs a new token."},
    {"enroll", "node-ids", CONF_INTEGER, 0, "1", 1, CERT_NODE_IDS_MAX, NULL, NULL,
     "Node-IDs that a server may have, each with a certificate of its own, unless its token or [server ID] say more. Each carries the load and has the quota of one server."},
    {"enroll", "failures", CONF_INTEGER, 0, "10", 1, 100000, NULL, NULL,
     "Wrong tokens that one source (an IPv4 address, an IPv6 /64) may show at once."},
    {"enroll", "failures-refill", CONF_DURATION, 0, "10s", 10, DAY, NULL, NULL, "After so long, one more."},
    DAEMON_KEY_LOG_LEVEL("enroll"),

    {"ring", "bootstrap", CONF_ADDR, CONF_REQUIRED | CONF_LIST, NULL, 6084, 0, NULL, "192.0.2.1:6084",
     "The bootstrap servers."},
    {"ring", "chord-update-interval", CONF_INTEGER, 0, "600", 1, 86400, NULL, NULL,
     "Seconds between updates to all neighbors (RFC 6940 10.7.4.1)."},
    {"ring", "chord-ping-interval", CONF_INTEGER, 0, "3600", 1, 86400, NULL, NULL,
     "Seconds between probes of the fingers (RFC 6940 10.7.4.2)."},
    {"ring", "chord-reactive", CONF_BOOLEAN, 0, "yes", 0, 0, NULL, NULL, "Whether updates are also sent at once when neighbors change."},
    {"ring", "overlay-reliability-timer", CONF_INTEGER, 0, "3000", 200, 15000, NULL, NULL,
     "Milliseconds until a request is sent again from end to end (RFC 6940 6.2.1)."},
    {"ring", "max-message-size", CONF_OCTETS, 0, "320K", 32 * KIB, RELOAD_MESSAGE_OCTETS_MAX, NULL, NULL,
     "Of one message of the ring. The configuration itself must fit into one; 320K is enough for the longest one, with thousands of bans."},
    {"ring", "number-hash", CONF_CHOICE, 0, "sha1", 0, 0, "sha1|argon2id", NULL,
     "How numbers become places in the ring. argon2id makes it slow to try all numbers, for everybody: see the next three keys."},
    {"ring", "argon2-passes", CONF_INTEGER, 0, "3", CONFIG_ARGON2_PASSES_MIN, CONFIG_ARGON2_PASSES_MAX, NULL, NULL, "Passes over the memory."},
    {"ring", "argon2-memory", CONF_OCTETS, 0, "64M", CONFIG_ARGON2_KIB_MIN * KIB, CONFIG_ARGON2_KIB_MAX * KIB, NULL, NULL,
     "Memory of one computation, in whole KiB."},
    {"ring", "argon2-lanes", CONF_INTEGER, 0, "1", CONFIG_ARGON2_LANES_MIN, CONFIG_ARGON2_LANES_MAX, NULL, NULL, "Parallel lanes."},
    {"ring", "lattice", CONF_DURATION, 0, "4s", CONFIG_LATTICE_MS_MIN, CONFIG_LATTICE_MS_MAX, NULL, NULL,
     "Start and end of a call, as two companies measured them, may be apart by up to half of this."},
    {"ring", "quota", CONF_INTEGER, 0, "10000", 1, CONFIG_QUOTA_MAX, NULL, NULL, "Numbers that one server may publish."},
    {"ring", "number-lifetime", CONF_DURATION, 0, "7d", CONFIG_NUMBER_LIFETIME_S_MIN * SECOND, CONFIG_NUMBER_LIFETIME_S_MAX * SECOND,
     NULL, NULL, "How long a published number stays in the ring without being refreshed, in whole seconds."},
    {"ring", "bad-node", CONF_HEX, CONF_LIST, NULL, ID_OCTETS, ID_OCTETS, NULL, "0123456789abcdef0123456789abcdef",
     "Node-IDs that are shut out of the ring and get no new certificate."},
    {"ring", "message-of-the-day", CONF_TEXT, 0, NULL, 1, 500, NULL, "Maintenance on Sunday from 02:00 UTC.",
     "A notice to the operators of all servers."},
    {"ring", "required-version", CONF_TEXT, 0, NULL, 1, 32, NULL, "1.0.0",
     "Servers with an older version warn their operators; they go on working."},

    {"server", "node-ids", CONF_INTEGER, 0, "1", 1, CERT_NODE_IDS_MAX, NULL, NULL, "Node-IDs that this server may have."},
};
/* clang-format on */

const struct conf_table settings_table = {
    .intro = "Configuration of ime-enroll. Try `ime-enroll --check` after a change.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static bool is_host(const char *text)
{
    uint8_t ip[16];
    return domain_is_valid(slice_str(text)) || inet_pton(AF_INET, text, ip) == 1 || inet_pton(AF_INET6, text, ip) == 1;
}

static int load_names(const struct conf_group *g, struct buf *errors, struct settings *s)
{
    for (size_t i = 0; i < conf_count(g, "name"); i++) {
        const char *name = conf_text_at(g, "name", i);
        if (!is_host(name) || s->name_count == ENROLL_NAMES_MAX - 1) {
            buf_printf(errors, "[enroll] name: %s: %s\n", name,
                       is_host(name) ? "too many names" : "neither a host name nor an IP address");
            return ERR_RANGE;
        }
        s->names[s->name_count++] = name;
    }
    /* Whoever finds the server by the overlay's name alone expects it in the certificate (RFC 6940 11.2). */
    bool there = false;
    for (size_t i = 0; i < s->name_count; i++)
        there = there || text_equal_nocase(slice_str(s->names[i]), slice_str(s->enroll.overlay));
    if (!there)
        s->names[s->name_count++] = s->enroll.overlay;
    return 0;
}

static int load_url(const struct conf_group *g, struct buf *errors, struct settings *s)
{
    struct slice *url = region_alloc(&s->region, sizeof *url);
    char *text = region_alloc(&s->region, URL_OCTETS_MAX);
    if (!url || !text)
        return ERR_NO_MEMORY;
    if (conf_has(g, "url")) {
        const char *given = conf_text(g, "url");
        if (strncmp(given, "https://", 8) != 0) {
            buf_printf(errors, "[enroll] url: it must begin with https://\n");
            return ERR_RANGE;
        }
        snprintf(text, URL_OCTETS_MAX, "%s", given);
    } else {
        bool bare_ipv6 = strchr(s->names[0], ':') != NULL;
        snprintf(text, URL_OCTETS_MAX, bare_ipv6 ? "https://[%s]:%u" ENROLL_PATH : "https://%s:%u" ENROLL_PATH,
                 s->names[0], s->listen.port);
    }
    *url = slice_str(text);
    s->ring.enrollment_servers = url;
    s->ring.enrollment_server_count = 1;
    return 0;
}

static uint32_t count_of(const struct conf_group *g, const char *key)
{
    return (uint32_t)conf_integer(g, key);
}

static struct slice text_of(const struct conf_group *g, const char *key)
{
    return conf_has(g, key) ? slice_str(conf_text(g, key)) : slice_of(NULL, 0);
}

static int id_cmp_for_sort(const void *a, const void *b)
{
    return memcmp(a, b, ID_OCTETS);
}

static int load_lists(const struct conf_group *g, struct settings *s)
{
    struct config *c = &s->ring;
    c->bootstrap_node_count = conf_count(g, "bootstrap");
    c->bootstrap_nodes = region_array(&s->region, c->bootstrap_node_count, sizeof *c->bootstrap_nodes);
    c->bad_node_count = conf_count(g, "bad-node");
    c->bad_nodes = region_array(&s->region, c->bad_node_count, sizeof *c->bad_nodes);
    c->link_protocols = region_alloc(&s->region, sizeof *c->link_protocols);
    if (!c->bootstrap_nodes || !c->bad_nodes || !c->link_protocols)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c->bootstrap_node_count; i++)
        c->bootstrap_nodes[i] = conf_addr_at(g, "bootstrap", i);
    for (size_t i = 0; i < c->bad_node_count; i++)
        memcpy(c->bad_nodes[i].octets, conf_hex_at(g, "bad-node", i).p, ID_OCTETS);
    qsort(c->bad_nodes, c->bad_node_count, sizeof *c->bad_nodes, id_cmp_for_sort);
    c->link_protocols[0] = slice_str(LINK_PROTOCOL);
    c->link_protocol_count = 1;
    return 0;
}

static int load_ring(struct settings *s)
{
    const struct conf_group *g = conf_section(s->conf, "ring");
    struct config *c = &s->ring;
    c->clients_permitted = false;
    c->no_ice = true;
    c->chord_update_interval_s = count_of(g, "chord-update-interval");
    c->chord_ping_interval_s = count_of(g, "chord-ping-interval");
    c->chord_reactive = conf_boolean(g, "chord-reactive");
    c->overlay_reliability_timer_ms = count_of(g, "overlay-reliability-timer");
    c->max_message_size = (uint32_t)conf_integer(g, "max-message-size");
    c->number_hash = conf_choice(g, "number-hash") == 1 ? CONFIG_HASH_ARGON2ID : CONFIG_HASH_SHA1;
    c->number_hash_cost = (struct argon2_cost){
        .passes = count_of(g, "argon2-passes"),
        .memory_kib = (uint32_t)(conf_integer(g, "argon2-memory") / KIB),
        .lanes = count_of(g, "argon2-lanes"),
    };
    c->lattice_ms = (uint32_t)conf_ms(g, "lattice");
    c->quota = count_of(g, "quota");
    c->number_lifetime_s = (uint32_t)(conf_ms(g, "number-lifetime") / SECOND);
    c->message_of_the_day = text_of(g, "message-of-the-day");
    c->required_version = text_of(g, "required-version");
    return load_lists(g, s);
}

/* What is said about single servers. */
static int load_allowances(struct settings *s)
{
    size_t n = 0;
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "server", g));)
        n++;
    struct enroll_allowance *allowances = region_array(&s->region, n, sizeof *allowances);
    if (n && !allowances)
        return ERR_NO_MEMORY;
    n = 0;
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "server", g));)
        allowances[n++] = (struct enroll_allowance){conf_group_name(g), count_of(g, "node-ids")};
    s->enroll.allowances = allowances;
    s->enroll.allowance_count = n;
    return 0;
}

static int load_all(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "enroll");
    s->listen = conf_addr(g, "listen");
    s->ca_file = conf_text(g, "ca-file");
    s->key_type = conf_choice(g, "authority-key") == 1 ? KEY_RSA_2048 : KEY_EC_P256;
    s->enroll = (struct enroll_options){
        .overlay = conf_text(g, "overlay"),
        .certificate_lifetime_ms = conf_ms(g, "certificate-lifetime"),
        .authority_lifetime_ms = conf_ms(g, "authority-lifetime"),
        .token_lifetime_ms = conf_ms(g, "token-lifetime"),
        .renew_grace_ms = conf_ms(g, "renew-grace"),
        .node_ids = count_of(g, "node-ids"),
        .failures_max = count_of(g, "failures"),
        .failures_refill_ms = conf_ms(g, "failures-refill"),
    };
    int err = load_allowances(s);
    if (!err)
        err = load_names(g, errors, s);
    if (!err)
        err = load_url(g, errors, s);
    if (!err)
        err = load_ring(s);
    if (!err && s->ring.number_hash == CONFIG_HASH_ARGON2ID &&
        s->ring.number_hash_cost.memory_kib < 8 * s->ring.number_hash_cost.lanes) {
        buf_printf(errors, "[ring] argon2-memory: each lane needs at least 8K\n");
        err = ERR_RANGE;
    }
    return err;
}

int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    struct settings *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->conf = conf;
    config_init(&s->ring);
    region_init(&s->region, REGION_OCTETS_MAX);
    int err = load_all(s, errors);
    if (err)
        settings_free(s);
    else
        *ret_settings = s;
    return err;
}

void settings_free(struct settings *s)
{
    region_fini(&s->region);
    mem_free(s);
}

bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key)
{
    *ret_key = !addr_eq(&now->listen, &next->listen)                    ? "listen"
               : strcmp(now->enroll.overlay, next->enroll.overlay) != 0 ? "overlay"
                                                                        : NULL;
    return !*ret_key;
}
