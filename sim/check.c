/* The checker as one who watches: messages, requests and their ends, claims, routes. */
#include "check_internal.h"

#include "alloc.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "reload/header.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define ENTRIES_MAX 16000000u
#define SETTLE_US (2 * SIM_MINUTE) /* after a storm, before a healthy ring's bounds hold */
#define TTL_INITIAL 100            /* RFC 6940 6.3.2: initial-ttl's default */
#define TTL_OCTET 11               /* of the forwarding header */
#define HEADER_OCTETS 38

enum request_kind { REQUEST_LOOKUP, REQUEST_PUBLISH, REQUEST_CALL };
static const char *const request_names[] = {"look-up", "publication", "call record"};

static void keep(struct map *map, struct slice key, void *value)
{
    if (map_set(map, key, value) != 0)
        sim_die("no memory for checks");
}

/* ---- who is who ---- */

bool sim_check_honest(const struct sim_check *check, const struct sim_node *node)
{
    const struct sim_truth_node *known = sim_truth_find(check->truth, node->id);
    return known && known->honest;
}

bool sim_check_is_lost(const struct sim_check *check, const struct sim_node *node)
{
    const struct sim_truth_node *known = sim_truth_find(check->truth, node->id);
    return known && known->lost;
}

static void learn_certificate(struct sim_check *check, struct sim_node *node)
{
    uint8_t hash[SHA256_OCTETS];
    struct slice certificate = sim_identity_certificate(check->world->identities, node->index);
    if (!certificate.n)
        return;
    digest_sha256(certificate, hash);
    keep(&check->certificates, slice_of(hash, sizeof hash), node);
}

struct sim_node *sim_check_signer(struct sim_check *check, const uint8_t hash[32])
{
    struct slice key = slice_of(hash, SHA256_OCTETS);
    struct sim_node *node = map_get(&check->certificates, key);
    for (uint32_t i = 0; !node && i < check->world->node_count; i++)
        learn_certificate(check, sim_world_node(check->world, i));
    return node ? node : map_get(&check->certificates, key);
}

const struct place *sim_check_place(struct sim_check *check, struct id resource)
{
    return map_get(&check->places, id_slice(&resource));
}

static void learn_number(struct sim_check *check, uint32_t company, uint32_t k)
{
    struct id resources[SIM_COPIES];
    struct e164 number = sim_number(company, k);
    if (sim_truth_places(check->truth, &number, resources) != 0)
        sim_die("no places of %s", number.text);
    for (unsigned copy = 0; copy < SIM_COPIES; copy++) {
        struct slice key = id_slice(&resources[copy]);
        if (map_get(&check->places, key))
            continue;
        struct place *place = sim_alloc(sizeof *place);
        *place = (struct place){number, company, copy};
        keep(&check->places, key, place);
    }
}

/* ---- requests ---- */

static struct request *request_of(struct sim_check *check, enum request_kind kind, const struct sim_node *node,
                                  uint64_t token)
{
    uint64_t key[3] = {(uint64_t)kind, node->index, token};
    struct request *request = map_get(&check->requests, slice_of(key, sizeof key));
    if (!request) {
        request = sim_alloc(sizeof *request);
        keep(&check->requests, slice_of(key, sizeof key), request);
    }
    return request;
}

static void begun(struct sim_check *check, enum request_kind kind, const struct sim_node *node, uint64_t token)
{
    request_of(check, kind, node, token)->open++;
    check->requests_open++;
}

static void ended(struct sim_check *check, enum request_kind kind, const struct sim_node *node, uint64_t token)
{
    struct request *request = request_of(check, kind, node, token);
    request->ended++;
    if (request->open > 0) {
        request->open--;
        check->requests_open--;
        return;
    }
    sim_world_violation(check->world, "requests end once",
                        "%s %" PRIu64 " of node %" PRIu32 " has ended %" PRIu32 " times, once more than it was begun",
                        request_names[kind], token, node->index, request->ended);
}

void sim_check_ended(struct sim_check *check)
{
    struct map_iter it;
    map_iter_init(&it);
    while (check->requests_open && map_iter_next(&check->requests, &it)) {
        const struct request *request = it.value;
        uint64_t key[3];
        memcpy(key, it.key.p, sizeof key);
        const struct sim_node *node = sim_world_node(check->world, (uint32_t)key[1]);
        /* An agent whose server is gone for good goes on hoping. */
        if (request->open && (key[0] == REQUEST_LOOKUP || node->server))
            sim_world_violation(check->world, "requests end once", "%s %" PRIu64 " of node %" PRIu64 " has not ended",
                                request_names[key[0]], key[2], key[1]);
    }
}

/* ---- look-ups ---- */

/* It may end before whoever asks is told its token: in a ring of one's own values. */
static void lookup_begun(void *ctx, const struct sim_lookup *lookup)
{
    struct sim_check *check = ctx;
    begun(check, REQUEST_LOOKUP, lookup->node, lookup->token);
    if (check->asking)
        check->asking->token = lookup->token;
}

static bool ever_published(const struct sim_check *check, struct id node, const struct e164 *number)
{
    const struct sim_truth_node *known = sim_truth_find(check->truth, node);
    uint32_t company, k;
    if (!known || !sim_number_owner(number, &company, &k))
        return false;
    uint64_t key[2] = {known->company, k};
    return !known->honest || (known->company == company && map_get(&check->begun, slice_of(key, sizeof key)));
}

static void check_asked(struct sim_check *check, const struct sim_lookup *lookup)
{
    char node[ID_HEX_OCTETS];
    for (size_t i = 0; i < check->asked_count; i++) {
        struct asked *asked = &check->asked[i];
        if (asked->ended || asked->node != lookup->node->index || asked->token != lookup->token)
            continue;
        bool found = false;
        for (size_t c = 0; c < lookup->claimant_count; c++)
            found = found || id_eq(lookup->claimants[c].node_id, asked->owner);
        if (lookup->err || !found)
            sim_world_violation(check->world, "every number is found",
                                "node %" PRIu32
                                " asked for %s: error %s, %u copies answered, %zu claimants, %s is not one",
                                asked->node, asked->number.text, err_name(lookup->err), lookup->answered,
                                lookup->claimant_count, id_format(asked->owner, node));
        asked->ended = true;
        check->asked_open--;
        return;
    }
}

static void lookup_ended(void *ctx, const struct sim_lookup *lookup)
{
    struct sim_check *check = ctx;
    char node[ID_HEX_OCTETS];
    ended(check, REQUEST_LOOKUP, lookup->node, lookup->token);
    for (size_t i = 0; !lookup->err && i < lookup->claimant_count; i++)
        if (!ever_published(check, lookup->claimants[i].node_id, &lookup->number))
            sim_world_violation(check->world, "claims are real", "node %" PRIu32 " was told that %s claims %s",
                                lookup->node->index, id_format(lookup->claimants[i].node_id, node),
                                lookup->number.text);
    if (check->asked_open)
        check_asked(check, lookup);
}

/* ---- publications, calls, routes ---- */

static void publish_begun(void *ctx, struct sim_node *node, uint32_t k)
{
    struct sim_check *check = ctx;
    uint64_t key[2] = {node->index, k};
    begun(check, REQUEST_PUBLISH, node, k);
    if (!map_get(&check->begun, slice_of(key, sizeof key)))
        keep(&check->begun, slice_of(key, sizeof key), check);
    learn_number(check, node->index, k);
}

static int64_t lifetime_us(const struct sim_node *node)
{
    return (int64_t)server_config_of(node->server)->number_lifetime_s * SIM_SECOND;
}

static void publish_ended(void *ctx, struct sim_node *node, uint32_t k, int err, unsigned code)
{
    struct sim_check *check = ctx;
    (void)code;
    ended(check, REQUEST_PUBLISH, node, k);
    if (err || !node->server)
        return;
    struct e164 number = sim_number(node->index, k);
    int64_t now_us = check->world->now_us, until_us = now_us + lifetime_us(node);
    /* An agent that has restarted publishes again what is in the ring already. */
    if (sim_truth_find_publication(check->truth, &number, node->id))
        sim_truth_refreshed(check->truth, &number, node->id, until_us);
    else if (sim_truth_published(check->truth, &number, node->id, now_us, until_us) != 0)
        sim_die("no memory for checks");
}

static void publish_refreshed(void *ctx, struct sim_node *node, uint32_t k)
{
    struct sim_check *check = ctx;
    struct e164 number = sim_number(node->index, k);
    if (node->server)
        sim_truth_refreshed(check->truth, &number, node->id, check->world->now_us + lifetime_us(node));
}

static void call_uploaded(void *ctx, struct sim_node *node, uint64_t token, int err)
{
    struct sim_check *check = ctx;
    (void)err;
    struct request *request = request_of(check, REQUEST_CALL, node, token);
    if (request->ended++)
        sim_world_violation(check->world, "requests end once", "%s %" PRIu64 " of node %" PRIu32 " has ended twice",
                            request_names[REQUEST_CALL], token, node->index);
}

/* sip:<agent-id>@<domain>:<port>;… */
static bool uri_domain(struct slice uri, char *text, size_t octets)
{
    const uint8_t *at = uri.n ? memchr(uri.p, '@', uri.n) : NULL;
    if (!at)
        return false;
    size_t n = 0, left = uri.n - (size_t)(at + 1 - uri.p);
    while (n < left && n + 1 < octets && at[1 + n] != ':' && at[1 + n] != ';')
        n++;
    memcpy(text, at + 1, n);
    text[n] = '\0';
    return true;
}

static void route_learned(void *ctx, struct sim_node *node, const struct e164 *number, struct slice uri,
                          struct slice ticket)
{
    struct sim_check *check = ctx;
    char domain[128] = "";
    uint32_t company;
    (void)ticket;
    const char *why = uri_domain(uri, domain, sizeof domain)
                          ? sim_truth_refutes(check->truth, node->index, number, domain)
                          : "the route names no domain";
    if (why)
        sim_world_violation(check->world, "routes are proven", "company %" PRIu32 " learned %s at %s: %s", node->index,
                            number->text, domain, why);
    else if (sim_domain_owner(domain, &company))
        sim_truth_learned(check->truth, number, node->index, company);
}

/* ---- messages ---- */

bool sim_check_shows_number(struct slice octets)
{
    return octets.n && (memmem(octets.p, octets.n, SIM_NUMBER_DIGITS, sizeof SIM_NUMBER_DIGITS - 1) ||
                        memmem(octets.p, octets.n, SIM_DOMAIN_SUFFIX, sizeof SIM_DOMAIN_SUFFIX - 1));
}

static unsigned hops_allowed(const struct sim_check *check)
{
    if (check->storm || check->world->now_us < check->calm_us + SETTLE_US || check->world->joined < 2)
        return SIM_HOPS_STORM;
    /* Among eight nodes and fewer, what is sent through a bootstrap node on purpose (to look for another part of the ring) shows: the detour is
     * a link, and its answer may take as many. */
    unsigned bound = (unsigned)ceil(log2((double)check->world->joined));
    return bound > 3 ? bound : 4;
}

/* What it is and where it goes, for whoever looks for the cause. */
static void too_far(struct sim_check *check, const struct sim_message *message, unsigned hops)
{
    struct region region;
    struct reload_header header = {0};
    struct fault fault;
    char place[ID_HEX_OCTETS] = "-";
    region_init(&region, 1u << 20);
    if (reload_header_decode(message->octets, &region, &header, &fault) == 0 && header.destination_count) {
        const struct reload_destination *to = &header.destinations[0];
        struct slice octets = to->type == RELOAD_DESTINATION_NODE ? id_slice(&to->node) : to->octets;
        if (octets.n <= ID_OCTETS)
            hex_format(octets, place);
    }
    const uint8_t *code = message->octets.p + header.octets;
    const char *name =
        header.octets + 2 <= message->octets.n ? reload_code_name((uint16_t)(code[0] << 8 | code[1])) : NULL;
    sim_world_violation(check->world, "hops are bounded",
                        "a %s to %s %.8s went over %u links, the last one from node %" PRIu32 " to node %" PRIu32,
                        name ? name : "message",
                        header.destination_count ? reload_destination_name(header.destinations[0].type) : "nobody",
                        place, hops, message->from->index, message->to->index);
    region_fini(&region);
}

static void message(void *ctx, const struct sim_message *message)
{
    struct sim_check *check = ctx;
    if (message->octets.n < HEADER_OCTETS || !sim_check_honest(check, message->from))
        return;
    unsigned ttl = message->octets.p[TTL_OCTET], hops = ttl <= TTL_INITIAL ? TTL_INITIAL - ttl + 1 : 1;
    if (hops > hops_allowed(check))
        too_far(check, message, hops);
    if (sim_check_shows_number(message->octets))
        sim_world_violation(check->world, "numbers stay hidden", "in a message of node %" PRIu32 " to node %" PRIu32,
                            message->from->index, message->to->index);
}

static void log_line(void *ctx, struct sim_node *node, enum log_level level, const char *event, const char *text)
{
    struct sim_check *check = ctx;
    (void)level;
    if (sim_check_honest(check, node) && strncmp(event, "numbers.", 8) == 0 && strstr(text, "refused_quota"))
        sim_world_violation(check->world, "nobody is refused wrongly", "node %" PRIu32 ": %s %s", node->index, event,
                            text);
}

static void step(void *ctx, struct sim_world *world)
{
    struct sim_check *check = ctx;
    if (world->now_us < check->next_scan_us)
        return;
    check->next_scan_us = world->now_us + SIM_SCAN_US;
    sim_check_scan(check);
    sim_check_kept(check);
}

/* ---- making it ---- */

/* How the ring hides numbers, from the document that its signer made. */
static void learn_profile(struct sim_world *world, struct sim_truth *truth)
{
    struct config *config;
    struct config_fault fault;
    if (config_parse(sim_identities_document(world->identities), slice_str(SIM_OVERLAY), &config, &fault) != 0 ||
        sim_truth_profile(truth, config->instance_name, config->number_hash, config->number_hash_cost) != 0)
        sim_die("no profile of the ring");
    config_free(config);
}

struct sim_check *sim_check_new(struct sim_world *world, struct sim_truth *truth)
{
    struct sim_check *check = sim_alloc(sizeof *check);
    check->world = world;
    check->truth = truth;
    learn_profile(world, truth);
    check->lost_us = sim_alloc((world->node_count + 1) * sizeof *check->lost_us);
    check->share_owned = sim_alloc((world->node_count + 1) * sizeof *check->share_owned);
    check->share_duty = sim_alloc((world->node_count + 1) * sizeof *check->share_duty);
    check->parted_us = INT64_MIN / 2;
    struct map *maps[] = {&check->certificates, &check->verified, &check->places, &check->requests, &check->begun};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        map_init(maps[i], ENTRIES_MAX, i);
    for (uint32_t i = 0; i < world->node_count; i++)
        if (sim_truth_node(truth, sim_world_node(world, i)->id, i, true) != 0)
            sim_die("no memory for checks");
    check->observer = (struct sim_observer){
        .ctx = check,
        .step = step,
        .message = message,
        .lookup_begun = lookup_begun,
        .lookup_ended = lookup_ended,
        .publish_begun = publish_begun,
        .publish_ended = publish_ended,
        .publish_refreshed = publish_refreshed,
        .call_uploaded = call_uploaded,
        .route_learned = route_learned,
        .log = log_line,
    };
    sim_world_observe(world, &check->observer);
    return check;
}

static void free_values(struct map *map)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(map, &it))
        mem_free(it.value);
}

void sim_check_free(struct sim_check *check)
{
    if (!check)
        return;
    sim_world_unobserve(check->world, &check->observer);
    free_values(&check->places);
    free_values(&check->requests);
    struct map *maps[] = {&check->certificates, &check->verified, &check->places, &check->requests, &check->begun};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        map_fini(maps[i]);
    mem_free(check->lost_us);
    mem_free(check->share_owned);
    mem_free(check->share_duty);
    mem_free(check->asked);
    mem_free(check);
}

/* The shares that there were while the ring grew mean nothing any more. */
void sim_check_storm(struct sim_check *check, bool storm)
{
    if (check->storm == storm)
        return;
    check->storm = storm;
    if (!storm) {
        check->calm_us = check->world->now_us;
        return;
    }
    memset(check->share_owned, 0, check->world->node_count * sizeof *check->share_owned);
    memset(check->share_duty, 0, check->world->node_count * sizeof *check->share_duty);
    sim_check_scan(check); /* everybody's share of now, also of those who are down before the next one */
}

void sim_check_parted(struct sim_check *check, bool parted)
{
    check->parted_us = parted ? INT64_MAX / 2 : check->world->now_us;
}
