/* Who takes part in the scene: certificates, the ring's configuration, starting and stopping of servers. */
#include "base/mem.h"
#include "crypt/cert.h"
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>
#include <stdlib.h>

#define OVERLAY "ring.test"
#define LATENCY_US 10000
#define DISK_US 2000
#define WALL_BEGAN_MS INT64_C(1772366400000) /* 2026-03-01T12:00:00Z */

/* Places on the ring that are neither evenly spread nor in the order of the letters. */
static struct id place(unsigned number, unsigned node)
{
    static const uint8_t tops[SCENE_COMPANIES_MAX + 1] = {0, 0x10, 0x98, 0x55, 0xe0, 0x30, 0xc1, 0x77, 0x02};
    struct id id = {{0}};
    id.octets[0] = (uint8_t)(tops[number] + node * 0x53);
    id.octets[14] = (uint8_t)node;
    id.octets[15] = (uint8_t)number;
    return id;
}

/* ---- certificates: made once for all scenes of a program ---- */

#define AUTHORITIES 2 /* the second one takes the place of the first */

static struct {
    struct key *authority_keys[AUTHORITIES], *signer_key, *keys[SCENE_COMPANIES_MAX + 1];
    struct cert *authorities[AUTHORITIES], *signers[AUTHORITIES], *certs[SCENE_COMPANIES_MAX + 1][SCENE_NODES_MAX];
} pki;

static struct cert *issue_between(unsigned authority, const struct key *key, struct id id, const char *user,
                                  struct wall begin, struct wall end)
{
    struct cert *cert;
    struct cert_request request = {
        .public_key = key,
        .overlay = slice_str(OVERLAY),
        .node_ids = &id,
        .node_id_count = 1,
        .user = user,
        .not_before = begin,
        .not_after = end,
    };
    memcpy(request.serial, id.octets, sizeof request.serial);
    memcpy(request.serial + 2, &end, sizeof end);
    request.serial[0] &= 0x7f;
    request.serial[1] |= 1;
    assert_int_equal(cert_issue(pki.authority_keys[authority], pki.authorities[authority], &request, &cert), 0);
    return cert;
}

static struct cert *issue(unsigned authority, const struct key *key, struct id id, const char *user)
{
    return issue_between(authority, key, id, user, (struct wall){WALL_BEGAN_MS - 86400000},
                         (struct wall){WALL_BEGAN_MS + INT64_C(380) * 86400000});
}

static struct id signer_id(void)
{
    struct id id;
    memset(id.octets, 0xab, sizeof id.octets);
    return id;
}

static void pki_free(void)
{
    for (unsigned i = 0; i <= SCENE_COMPANIES_MAX; i++) {
        for (unsigned node = 0; node < SCENE_NODES_MAX; node++)
            cert_free(pki.certs[i][node]);
        key_free(pki.keys[i]);
    }
    key_free(pki.signer_key);
    for (unsigned i = 0; i < AUTHORITIES; i++) {
        cert_free(pki.signers[i]);
        cert_free(pki.authorities[i]);
        key_free(pki.authority_keys[i]);
    }
}

static void pki_new(void)
{
    const struct wall begin = {WALL_BEGAN_MS - 86400000}, end = {WALL_BEGAN_MS + INT64_C(500) * 86400000};
    if (pki.signer_key)
        return;
    assert_int_equal(key_generate(KEY_EC_P256, &pki.signer_key), 0);
    for (unsigned i = 0; i < AUTHORITIES; i++) {
        const uint8_t serial[16] = {(uint8_t)(i + 1)};
        assert_int_equal(key_generate(KEY_EC_P256, &pki.authority_keys[i]), 0);
        assert_int_equal(
            cert_issue_authority(pki.authority_keys[i], "test authority", begin, end, serial, &pki.authorities[i]), 0);
        pki.signers[i] = issue(i, pki.signer_key, signer_id(), "signer@ring.test");
    }
    atexit(pki_free);
}

void scene_certify(struct company *c)
{
    char user[32];
    if (pki.certs[c->number][0])
        return;
    snprintf(user, sizeof user, "ime-%s@ring.test", c->letter);
    assert_int_equal(key_generate(KEY_EC_P256, &pki.keys[c->number]), 0);
    for (unsigned node = 0; node < SCENE_NODES_MAX; node++)
        pki.certs[c->number][node] = issue(0, pki.keys[c->number], place(c->number, node), user);
}

const struct key *scene_key(const struct company *c)
{
    return pki.keys[c->number];
}

const struct cert *scene_cert(const struct company *c, unsigned node)
{
    return c->certs[node] ? c->certs[node] : pki.certs[c->number][node];
}

void company_renew(struct company *c, unsigned node, int64_t life_ms)
{
    char user[32];
    struct now now = company_now(c);
    struct wall end = wall_after_ms(c->scene->now.wall, life_ms);
    struct cert *old = c->certs[node];
    snprintf(user, sizeof user, "ime-%s@ring.test", c->letter);
    c->certs[node] = issue_between(c->scene->authorities[0], pki.keys[c->number], place(c->number, node), user,
                                   wall_after_ms(c->scene->now.wall, -SCENE_HOUR), end);
    struct security *security = node ? c->securities[node] : c->security;
    if (security)
        assert_int_equal(
            security_x509_set_own(security, scene_key(c), c->certs[node], place(c->number, node), now.wall), 0);
    if (security) {
        server_certificate_renewed(c->server, now, cert_not_after(scene_cert(c, 0)));
        company_drain(c);
    }
    cert_free(old);
}

/* Further Node-IDs listen at the ports behind the first one's. */
struct addr scene_node_address(const struct company *c, unsigned node)
{
    struct addr addr = c->ring_address;
    addr.port = (uint16_t)(addr.port + node);
    return addr;
}

/* ---- the ring's configuration ---- */

void scene_configure(struct scene *scene, void (*change)(struct scene *scene, struct config *config))
{
    struct config c;
    struct slice roots[AUTHORITIES];
    /* Of both authorities, so that who knows one of them believes it. */
    unsigned first = scene->authorities[0];
    const struct cert *signers[AUTHORITIES] = {pki.signers[first], pki.signers[1 - first]};
    struct slice link_protocol = slice_str("TLS");
    struct id signer = signer_id();
    struct kind kind;
    config_init(&c);
    c.instance_name = slice_str(OVERLAY);
    c.sequence = ++scene->sequence;
    for (unsigned i = 0; i < scene->authority_count; i++)
        roots[i] = cert_der(pki.authorities[scene->authorities[i]]);
    c.root_certs = roots;
    c.root_cert_count = scene->authority_count;
    c.bootstrap_nodes = &scene->companies[1].ring_address;
    c.bootstrap_node_count = 1;
    c.no_ice = true;
    c.clients_permitted = false;
    c.max_message_size = 16384;
    c.link_protocols = &link_protocol;
    c.link_protocol_count = 1;
    c.configuration_signers = &signer;
    c.configuration_signer_count = 1;
    c.kind_signers = &signer;
    c.kind_signer_count = 1;
    c.number_hash = CONFIG_HASH_ARGON2ID;
    c.number_hash_cost = (struct argon2_cost){.passes = 1, .memory_kib = 8, .lanes = 1};
    assert_int_equal(kind_registered(slice_str("VIPR-REGISTRATION"), &kind), 0);
    assert_int_equal(kind_add(&c.kinds, &kind), 0);
    if (change)
        change(scene, &c);
    buf_clear(&scene->document);
    assert_int_equal(
        config_build_for(&c, pki.signer_key, signers, first ? 2 : scene->authority_count, &scene->document), 0);
}

static void with_short_lives(struct scene *scene, struct config *config)
{
    (void)scene;
    config->number_lifetime_s = 8 * 3600;
}

void scene_authorities(struct scene *scene, unsigned issues, bool both)
{
    scene->authorities[0] = issues;
    scene->authorities[1] = 1 - issues;
    scene->authority_count = both ? 2 : 1;
    scene_configure(scene, with_short_lives);
}

/* ---- companies ---- */

static void write_log(void *ctx, enum log_level level, const char *event, const char *text)
{
    const struct company *c = ctx;
    (void)level;
    scene_line(c->scene, c, event, text);
}

static void company_init(struct scene *scene, unsigned number)
{
    struct company *c = &scene->companies[number];
    struct server_options *o = &c->options;
    c->scene = scene;
    c->number = number;
    c->letter[0] = (char)('A' + number - 1);
    c->id = place(number, 0);
    c->node_count = 1;
    c->ring_address = (struct addr){.family = 4, .port = 6084, .ip = {127, 1, (uint8_t)number, 1}};
    c->pvp_address = (struct addr){.family = 4, .port = 8470, .ip = {127, 1, (uint8_t)number, 1}};
    c->disk_us = DISK_US;
    c->log = (struct log){write_log, c, getenv("SCENE_DEBUG") ? LEVEL_DEBUG : LEVEL_INFO};
    c->hasher = (struct numbers_hasher){scene_hash, c};
    assert_int_equal(memory_store_new(&c->disk), 0);
    scene_certify(c);

    server_options_default(o);
    o->server_id = c->letter;
    o->ring_address = c->ring_address;
    o->pvp_address = c->pvp_address;
    o->bootstrap = number == 1;
    o->delay_min_ms = 1000;
    o->delay_max_ms = 2000;
    o->minimum_interval_ms = 10000;
    o->retry_ms = 30000;
    assert_int_equal(server_options_account(o, "pbx", "agent", "s3cret-of-agents"), 0);

    struct agent *agent = &c->agent;
    agent->vservice_id = number * UINT64_C(0x1111);
    char lower = (char)('a' + number - 1);
    snprintf(agent->domain, sizeof agent->domain, "%c.example", lower);
    snprintf(agent->uri, sizeof agent->uri, "sip:pbx@%c.example:5061;maddr=127.1.%u.9;transport=tcp", lower, number);
}

struct scene *scene_new(unsigned companies, uint64_t seed)
{
    struct scene *scene = mem_alloc(sizeof *scene);
    assert_non_null(scene);
    assert_true(companies <= SCENE_COMPANIES_MAX);
    pki_new();
    scene->now = (struct now){{1000000}, {WALL_BEGAN_MS}};
    scene->began = scene->now.mono;
    scene->latency_us = LATENCY_US;
    scene->seed.state = seed;
    scene->entropy = seeded_entropy_port(&scene->seed);
    scene->print = getenv("SCENE_TRACE") != NULL;
    heap_init(&scene->events);
    list_init(&scene->pipes);
    buf_init(&scene->trace, 64u << 20);
    buf_init(&scene->document, CONFIG_DOCUMENT_OCTETS_MAX);
    scene->authority_count = 1;
    scene->company_count = companies;
    for (unsigned i = 1; i <= companies; i++)
        company_init(scene, i);
    scene_configure(scene, NULL);
    return scene;
}

struct company *scene_company(struct scene *scene, char letter)
{
    unsigned number = (unsigned)(letter - 'A') + 1;
    assert_true(number >= 1 && number <= scene->company_count);
    return &scene->companies[number];
}

/* What is on the disk goes before the document that everybody begins with; one that is fetched may be newer. */
static int load_config(struct company *c, struct config **ret_config)
{
    struct slice document;
    struct config_fault fault = {0};
    if (c->fetches || server_stored_config(memory_store_kv(c->disk), &document) != 0)
        document = buf_slice(&c->scene->document);
    return config_parse(document, slice_str(OVERLAY), ret_config, &fault);
}

/* One that is not wanted any longer, but has a certificate, retires. */
static void add_node(struct company *c, unsigned number)
{
    struct security_options options;
    struct now now = company_now(c);
    struct server_node node = {
        .number = number,
        .self = place(c->number, number),
        .address = scene_node_address(c, number),
        .retires = number >= c->node_count,
    };
    security_options_default(&options);
    assert_int_equal(security_x509_new(&options, server_config_of(c->server), scene_key(c), scene_cert(c, number),
                                       node.self, now.wall, &node.security),
                     0);
    c->securities[number] = node.security;
    c->has_node[number] = true;
    assert_int_equal(server_node_add(c->server, now, &node), 0);
}

int company_try_start(struct company *c)
{
    struct config *config;
    struct security_options options;
    const char *words = NULL;
    struct now now = company_now(c);
    assert_null(c->server);
    int err = load_config(c, &config);
    if (err)
        return err;
    security_options_default(&options);
    err = security_x509_new(&options, config, scene_key(c), scene_cert(c, 0), c->id, now.wall, &c->security);
    if (err) {
        config_free(config);
        return err;
    }
    struct server_ports ports = {
        .entropy = &c->scene->entropy,
        .log = &c->log,
        .kv = memory_store_kv(c->disk),
        .security = c->security,
        .hasher = &c->hasher,
    };
    c->life++;
    c->options.node_ids = c->node_count;
    c->disk_turns = false;
    c->left = false;
    err = server_new(&c->options, &ports, config, c->id, cert_not_after(scene_cert(c, 0)), now, &c->server);
    if (err) {
        memory_store_crash(c->disk);
        security_x509_free(c->security);
        c->security = NULL;
        c->server = NULL;
        return err;
    }
    assert_int_equal(ctl_server_init(&c->ctl, CTL_SERVER, server_handlers, server_handler_count, c->server, &words), 0);
    server_start(c->server, now);
    for (unsigned node = 1; node < SCENE_NODES_MAX; node++)
        if (node < c->node_count || c->has_node[node])
            add_node(c, node);
    company_drain(c);
    return 0;
}

void company_start(struct company *c)
{
    assert_int_equal(company_try_start(c), 0);
}

static void forget_server(struct company *c)
{
    server_free(c->server);
    c->server = NULL;
    security_x509_free(c->security);
    c->security = NULL;
    for (unsigned node = 1; node < SCENE_NODES_MAX; node++) {
        security_x509_free(c->securities[node]);
        c->securities[node] = NULL;
    }
    c->disk_turns = false;
}

void company_stop(struct company *c)
{
    if (!c->server)
        return;
    scene_cut(c, false);
    server_set_now(c->server, company_now(c));
    while (memory_store_waits(c->disk))
        memory_store_turn(c->disk);
    forget_server(c);
    memory_store_crash(c->disk);
}

/* What waits for the disk is told that it failed, so that its memory is freed; nothing of what it does then is durable or leaves. */
void company_crash(struct company *c)
{
    if (!c->server)
        return;
    scene_cut(c, false);
    memory_store_fail(c->disk, SIZE_MAX, ERR_IO);
    for (unsigned i = 0; memory_store_waits(c->disk); i++) {
        assert_true(i < 10000);
        memory_store_turn(c->disk);
    }
    forget_server(c);
    memory_store_fail(c->disk, 0, 0);
    memory_store_crash(c->disk);
}

static bool all_joined(struct scene *scene)
{
    for (unsigned i = 1; i <= scene->company_count; i++)
        if (peer_state(server_peer(scene->companies[i].server)) != PEER_JOINED)
            return false;
    return true;
}

static bool all_online(struct scene *scene)
{
    for (unsigned i = 1; i <= scene->company_count; i++)
        if (!scene->companies[i].agent.online)
            return false;
    return true;
}

struct scene *scene_of(unsigned companies, uint64_t seed)
{
    struct scene *scene = scene_new(companies, seed);
    for (unsigned i = 1; i <= companies; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    assert_true(scene_run_until(scene, all_joined, 20000));
    assert_true(scene_run_until(scene, all_online, 20000));
    return scene;
}
