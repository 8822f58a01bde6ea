/* What liars do to the messages that they send and pass on, and what they send on top. */
#include "byzantine.h"

#include "alloc.h"
#include "base/mem.h"
#include "reload/body.h"
#include "reload/frame.h"
#include "reload/security.h"
#include "truth.h"

#define MESSAGE_OCTETS_MAX (1u << 20)
#define REMEMBERED 16                                            /* messages to replay */
#define NOBODYS_TOKEN ((UINT64_C(1) << 63) | 0x3fffffffffffffff) /* the server ignores what comes of it */
#define FLOOD_BURST 40
#define FLOOD_BURST_REAL 6 /* where each message costs real signatures */
#define LIFETIME_S 60      /* of its values: gone when it is long honest again */
#define CERTIFICATES_MAX 16

struct sim_liar {
    struct sim_node *node;
    enum sim_behavior behavior;
    bool lies;
    bool armed; /* its next deed is scheduled */
    struct seeded_entropy seed;
    struct entropy entropy;
    struct sim_tap tap;
    struct buf heard[REMEMBERED];
    unsigned heard_next;
};

const char *sim_behavior_name(enum sim_behavior behavior)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        SIM_BEHAVIORS(NAME)
#undef NAME
    };
    return behavior < SIM_BEHAVIOR_COUNT ? names[behavior] : "?";
}

static bool draw(struct sim_liar *liar, unsigned percent)
{
    return entropy_below(&liar->entropy, 100) < percent;
}

/* A message on its way out, taken apart. */
struct taken {
    struct region region;
    struct reload_message message;
    struct reload_body body;
    bool own; /* signed by the liar itself */
};

static bool take(const struct sim_liar *liar, struct slice octets, struct taken *t)
{
    struct fault fault;
    struct reload_models models = reload_models_default();
    struct security_signer self = security_own(liar->node->security);
    struct id node;
    region_init(&t->region, RELOAD_REGION_OCTETS_MAX);
    if (reload_message_decode(octets, &t->region, &t->message, &fault) != 0 ||
        reload_body_decode(&t->message, &models, &t->region, &t->body, &fault) != 0) {
        region_fini(&t->region);
        return false;
    }
    t->own = security_identity_matches(self.cert, &t->message.security.signature.identity, &node);
    return true;
}

/* The message with the changed body, under the liar's own signature. */
static enum sim_tap_verdict sign_anew(struct sim_liar *liar, struct taken *t, struct buf *ret_instead)
{
    struct buf body, contents;
    struct slice certificates[CERTIFICATES_MAX];
    size_t n = 0;
    struct reload_security block;
    buf_init(&body, MESSAGE_OCTETS_MAX);
    buf_init(&contents, MESSAGE_OCTETS_MAX);
    for (; n < t->message.security.certificate_count && n < CERTIFICATES_MAX; n++)
        certificates[n] = t->message.security.certificates[n].octets;
    int err = reload_body_encode(&t->body, &body);
    struct reload_contents whole = t->message.contents;
    whole.code = t->body.code;
    whole.body = buf_slice(&body);
    if (!err)
        err = reload_contents_encode(&whole, &contents);
    if (!err)
        err = security_sign_message(liar->node->security, t->message.header.overlay, t->message.header.transaction_id,
                                    buf_slice(&contents), certificates, n, &t->region, &block);
    if (!err)
        err = reload_message_encode_signed(&t->message.header, buf_slice(&contents), &block, ret_instead);
    buf_fini(&body);
    buf_fini(&contents);
    return err ? SIM_TAP_DROP : SIM_TAP_REPLACE;
}

static enum sim_tap_verdict replace_octets(struct slice message, struct buf *ret_instead)
{
    buf_slice_put(ret_instead, message);
    return SIM_TAP_REPLACE;
}

/* Some other node's Node-ID, or one that nobody has. */
static struct id other_id(struct sim_liar *liar)
{
    struct id id;
    const struct sim_world *world = liar->node->world;
    if (draw(liar, 70))
        return sim_world_node(world, (uint32_t)entropy_below(&liar->entropy, world->node_count))->id;
    entropy_fill(&liar->entropy, id.octets, sizeof id.octets);
    return id;
}

/* ---- forged signatures ---- */

/* The answer's Kinds, to be changed. NULL: no memory. */
static struct reload_kind_data *own_kinds(struct taken *t)
{
    struct reload_fetch_ans *answer = &t->body.fetch_ans;
    struct reload_kind_data *kinds = region_array(&t->region, answer->kind_count + 1, sizeof *kinds);
    if (!kinds)
        return NULL;
    for (size_t k = 0; k < answer->kind_count; k++)
        kinds[k] = answer->kinds[k];
    answer->kinds = kinds;
    return kinds;
}

/* Values of others in our answers get another content; our own signature is good. */
static bool spoil_values(struct taken *t)
{
    bool spoilt = false;
    struct reload_kind_data *kinds = own_kinds(t);
    for (size_t k = 0; kinds && k < t->body.fetch_ans.kind_count; k++) {
        struct reload_stored_data *values = region_array(&t->region, kinds[k].value_count + 1, sizeof *values);
        for (size_t i = 0; values && i < kinds[k].value_count; i++) {
            struct slice old = kinds[k].values[i].value.octets;
            uint8_t *octets = region_alloc(&t->region, old.n + 1);
            values[i] = kinds[k].values[i];
            if (!octets || !old.n)
                continue;
            memcpy(octets, old.p, old.n);
            octets[old.n / 2] ^= 1;
            values[i].value.octets = slice_of(octets, old.n);
            spoilt = true;
        }
        kinds[k].values = values ? values : kinds[k].values;
    }
    return spoilt;
}

static enum sim_tap_verdict forge(struct sim_liar *liar, struct taken *t, struct slice message, struct buf *ret_instead)
{
    if (t->own && t->message.contents.code == RELOAD_FETCH_ANS && spoil_values(t))
        return sign_anew(liar, t, ret_instead);
    if (draw(liar, 50))
        return SIM_TAP_PASS;
    /* The last octets of a message are those of its signature. */
    replace_octets(message, ret_instead);
    if (ret_instead->n)
        ret_instead->p[ret_instead->n - 1 - entropy_below(&liar->entropy, 8)] ^= 0x10;
    return SIM_TAP_REPLACE;
}

/* ---- wrong Node-IDs ---- */

static enum sim_tap_verdict impersonate(struct sim_liar *liar, struct taken *t, struct buf *ret_instead)
{
    if (!t->own)
        return SIM_TAP_PASS;
    switch (t->message.contents.code) {
    case RELOAD_JOIN_REQ:
        t->body.join_req.joining_peer_id = other_id(liar);
        break;
    case RELOAD_LEAVE_REQ:
        t->body.leave_req.leaving_peer_id = other_id(liar);
        break;
    case RELOAD_UPDATE_REQ: /* somebody else leaves, says who is still here */
        if (draw(liar, 70))
            return SIM_TAP_PASS;
        t->body = (struct reload_body){
            .code = RELOAD_LEAVE_REQ,
            .leave_req = {.leaving_peer_id = other_id(liar), .type = RELOAD_CHORD_LEAVE_FROM_PRED},
        };
        break;
    default:
        return SIM_TAP_PASS;
    }
    return sign_anew(liar, t, ret_instead);
}

/* ---- refusals, hidden entries ---- */

static bool answers_a_user(uint16_t code)
{
    return code == RELOAD_STORE_ANS || code == RELOAD_FETCH_ANS || code == RELOAD_STAT_ANS || code == RELOAD_FIND_ANS ||
           code == RELOAD_APP_ATTACH_ANS || code == RELOAD_ROUTE_QUERY_ANS;
}

static enum sim_tap_verdict refuse(struct sim_liar *liar, struct taken *t, struct buf *ret_instead)
{
    static const uint16_t codes[] = {RELOAD_ERROR_FORBIDDEN, RELOAD_ERROR_NOT_FOUND, RELOAD_ERROR_REQUEST_TIMEOUT,
                                     RELOAD_ERROR_DATA_TOO_OLD, RELOAD_ERROR_INVALID_MESSAGE};
    if (!t->own || !answers_a_user(t->message.contents.code))
        return SIM_TAP_PASS;
    t->body = (struct reload_body){
        .code = RELOAD_ERROR,
        .error = {codes[entropy_below(&liar->entropy, sizeof codes / sizeof codes[0])], slice_str("no")},
    };
    return sign_anew(liar, t, ret_instead);
}

static enum sim_tap_verdict hide(struct sim_liar *liar, struct taken *t, struct buf *ret_instead)
{
    struct security_signer self = security_own(liar->node->security);
    if (!t->own || t->message.contents.code != RELOAD_FETCH_ANS)
        return SIM_TAP_PASS;
    struct reload_kind_data *kinds = own_kinds(t);
    for (size_t k = 0; kinds && k < t->body.fetch_ans.kind_count; k++) {
        struct reload_stored_data *values = region_array(&t->region, kinds[k].value_count + 1, sizeof *values);
        size_t kept = 0;
        struct id node;
        for (size_t i = 0; values && i < kinds[k].value_count; i++)
            if (security_identity_matches(self.cert, &kinds[k].values[i].signature.identity, &node))
                values[kept++] = kinds[k].values[i];
        kinds[k].values = values;
        kinds[k].value_count = kept;
    }
    return kinds ? sign_anew(liar, t, ret_instead) : SIM_TAP_PASS;
}

/* ---- wrong routing ---- */

static enum sim_tap_verdict misroute(struct sim_liar *liar, struct taken *t, struct buf *ret_instead)
{
    struct id *ids = region_array(&t->region, 4, sizeof *ids);
    if (!t->own || !ids)
        return SIM_TAP_PASS;
    for (unsigned i = 0; i < 4; i++)
        ids[i] = other_id(liar);
    switch (t->message.contents.code) {
    case RELOAD_UPDATE_REQ:
        if (t->body.update_req.type == RELOAD_CHORD_PEER_READY)
            return SIM_TAP_PASS;
        t->body.update_req.predecessors = (struct reload_ids){ids, 2};
        t->body.update_req.successors = (struct reload_ids){ids + 2, 2};
        break;
    case RELOAD_ROUTE_QUERY_ANS:
        t->body.route_query_ans = ids[0];
        break;
    case RELOAD_PROBE_ANS:
        t->body.probe_ans.count = 0;
        break;
    default:
        return SIM_TAP_PASS;
    }
    return sign_anew(liar, t, ret_instead);
}

/* ---- the tap ---- */

static void remember(struct sim_liar *liar, struct slice message)
{
    struct buf *slot = &liar->heard[liar->heard_next++ % REMEMBERED];
    buf_clear(slot);
    buf_slice_put(slot, message);
}

static enum sim_tap_verdict change(struct sim_liar *liar, struct taken *t, struct slice message,
                                   struct buf *ret_instead)
{
    switch (liar->behavior) {
    case SIM_BEHAVIOR_FORGE:
        return forge(liar, t, message, ret_instead);
    case SIM_BEHAVIOR_IMPERSONATE:
        return impersonate(liar, t, ret_instead);
    case SIM_BEHAVIOR_REFUSE:
        return refuse(liar, t, ret_instead);
    case SIM_BEHAVIOR_HIDE:
        return hide(liar, t, ret_instead);
    case SIM_BEHAVIOR_MISROUTE:
        return misroute(liar, t, ret_instead);
    case SIM_BEHAVIOR_BLACKHOLE:
        return t->own ? SIM_TAP_PASS : SIM_TAP_DROP;
    case SIM_BEHAVIOR_GARBLE:
        if (t->own || draw(liar, 50))
            return SIM_TAP_PASS;
        replace_octets(message, ret_instead);
        ret_instead->p[entropy_below(&liar->entropy, ret_instead->n)] ^=
            (uint8_t)(1u << entropy_below(&liar->entropy, 8));
        return SIM_TAP_REPLACE;
    default:
        return SIM_TAP_PASS;
    }
}

static enum sim_tap_verdict message_goes(void *ctx, struct sim_node *from, struct sim_node *to, struct slice message,
                                         struct buf *ret_instead)
{
    struct sim_liar *liar = ctx;
    struct taken t;
    (void)from;
    (void)to;
    if (liar->behavior == SIM_BEHAVIOR_REPLAY && draw(liar, 30))
        remember(liar, message);
    if (!message.n || !take(liar, message, &t))
        return SIM_TAP_PASS;
    enum sim_tap_verdict verdict = change(liar, &t, message, ret_instead);
    region_fini(&t.region);
    return verdict;
}

/* ---- what it sends on top ---- */

static struct sim_node *victim(struct sim_liar *liar)
{
    struct sim_node *node = NULL, *chosen = NULL;
    unsigned n = 0;
    while (sim_node_neighbor(liar->node, n, &node)) {
        n++;
        if (entropy_below(&liar->entropy, n) == 0)
            chosen = node;
    }
    return chosen;
}

/* A value of its own signature at some number's place, or anywhere, under a key that may be another's. */
static void store_something(struct sim_liar *liar, bool as_other, size_t octets)
{
    char key[SIM_KEY_OCTETS_MAX + 1];
    struct id resource;
    uint8_t *value = sim_alloc(octets + 1);
    entropy_fill(&liar->entropy, resource.octets, sizeof resource.octets);
    entropy_fill(&liar->entropy, value, octets);
    sim_truth_key(as_other ? other_id(liar) : liar->node->id, entropy_u64(&liar->entropy), key);
    struct peer_item item = {
        .kind = RELOAD_KIND_VIPR_REGISTRATION,
        .key = slice_str(key),
        .exists = true,
        .value = slice_of(value, octets),
        .lifetime_s = LIFETIME_S,
    };
    peer_store(server_peer(liar->node->server), sim_node_now(liar->node), NOBODYS_TOKEN, resource, 0, &item, 1);
    mem_free(value);
}

static void flood(struct sim_liar *liar)
{
    struct peer *peer = server_peer(liar->node->server);
    bool real = liar->node->world->options->signatures == SIM_SIGNATURES_REAL;
    for (unsigned i = 0; i < (real ? FLOOD_BURST_REAL : FLOOD_BURST); i++) {
        struct id place;
        entropy_fill(&liar->entropy, place.octets, sizeof place.octets);
        if (i % 2)
            store_something(liar, false, 64);
        else
            peer_ping(peer, sim_node_now(liar->node), NOBODYS_TOKEN, (struct peer_target){false, place});
    }
}

/* The head of a frame that promises more than anybody takes; or octets without any sense. */
static void send_nonsense(struct sim_liar *liar, struct sim_node *to, bool oversized)
{
    uint8_t octets[256];
    entropy_fill(&liar->entropy, octets, sizeof octets);
    if (oversized) {
        octets[0] = RELOAD_FRAME_DATA;
        octets[5] = 0xff; /* the length's three octets */
    }
    sim_node_send_octets(liar->node, to, slice_of(octets, 8 + entropy_below(&liar->entropy, 240)));
}

static void act(struct sim_liar *liar)
{
    struct sim_node *to = victim(liar);
    const struct buf *old = &liar->heard[entropy_below(&liar->entropy, REMEMBERED)];
    switch (liar->behavior) {
    case SIM_BEHAVIOR_IMPERSONATE:
        store_something(liar, true, 64);
        break;
    case SIM_BEHAVIOR_REPLAY:
        if (to && old->n)
            sim_node_send_message(liar->node, to, buf_slice(old));
        break;
    case SIM_BEHAVIOR_OVERSIZE:
        store_something(liar, false, 1000 + entropy_below(&liar->entropy, 14000));
        if (to && draw(liar, 20))
            send_nonsense(liar, to, true);
        break;
    case SIM_BEHAVIOR_FLOOD:
        flood(liar);
        break;
    case SIM_BEHAVIOR_GARBLE:
        if (to && draw(liar, 50))
            send_nonsense(liar, to, false);
        break;
    default:
        break;
    }
    sim_node_settle(liar->node);
}

static void deed(void *ctx, struct sim_world *world)
{
    struct sim_liar *liar = ctx;
    liar->armed = liar->lies;
    if (!liar->lies)
        return;
    if (liar->node->server && liar->node->joined)
        act(liar);
    sim_world_at(world, world->now_us + entropy_between(&liar->entropy, SIM_SECOND / 2, 3 * SIM_SECOND), deed, liar);
}

/* ---- beginning and end ---- */

struct sim_liar *sim_liar_new(struct sim_node *node, uint64_t seed)
{
    struct sim_liar *liar = sim_alloc(sizeof *liar);
    liar->node = node;
    liar->seed.state = seed;
    liar->entropy = seeded_entropy_port(&liar->seed);
    liar->tap = (struct sim_tap){liar, message_goes};
    for (unsigned i = 0; i < REMEMBERED; i++)
        buf_init(&liar->heard[i], MESSAGE_OCTETS_MAX);
    return liar;
}

void sim_liar_free(struct sim_liar *liar)
{
    for (unsigned i = 0; i < REMEMBERED; i++)
        buf_fini(&liar->heard[i]);
    mem_free(liar);
}

void sim_liar_begin(struct sim_liar *liar, enum sim_behavior behavior)
{
    liar->behavior = behavior;
    liar->lies = true;
    sim_node_set_tap(liar->node, &liar->tap);
    if (!liar->armed) {
        liar->armed = true;
        sim_world_at(liar->node->world, liar->node->world->now_us + SIM_SECOND, deed, liar);
    }
}

void sim_liar_end(struct sim_liar *liar)
{
    liar->lies = false;
    sim_node_set_tap(liar->node, NULL);
}
