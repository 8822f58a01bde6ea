/* Repeats of a request: each attempt begins with another hop, so that somebody who swallows what it should pass on keeps nobody from the
 * owner of a place, however attractive it makes itself to be asked first. */
#include "base/mem.h"
#include "testing.h"
#include "trace/crowd.h"

#include <stdio.h>

#define NODES 140
#define GAP_MS 500
#define REQUESTS 200
#define ATTEMPT_US 3000000 /* the overlay's reliability timer */
#define COORDINATES_EXTENSION 0xf001

static void grow(struct crowd *crowd)
{
    crowd_grow(crowd, NODES, GAP_MS);
    crowd_run(crowd, 60000);
    assert_true(crowd_all_joined(crowd));
}

static int honest_crowd(void **state)
{
    struct crowd *crowd = crowd_new(10, NODES);
    grow(crowd);
    *state = crowd;
    return 0;
}

static int disperse(void **state)
{
    crowd_free(*state);
    return 0;
}

/* The node that is responsible for a place. */
static unsigned owner_of(const struct crowd *crowd, struct id place)
{
    for (unsigned i = 0; i < crowd->count; i++)
        if (id_cmp(crowd->nodes[crowd->sorted[i]].id, place) >= 0)
            return crowd->sorted[i];
    return crowd->sorted[0];
}

/* ---- what comes by ---- */

/* Whether a message is a request that is being passed on, and which. */
struct passing {
    bool request;
    size_t via; /* nodes that it has come by */
    uint64_t transaction;
    uint16_t code;
};

static struct passing look_at(struct slice message)
{
    struct region region;
    struct reload_header header;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    assert_int_equal(reload_header_decode(message, &region, &header, &fault), 0);
    const uint8_t *contents = message.p + header.octets;
    struct passing passing = {
        .via = header.via_count,
        .transaction = header.transaction_id,
        .code = (uint16_t)(contents[0] << 8 | contents[1]),
    };
    passing.request = reload_code_is_request(passing.code);
    region_fini(&region);
    return passing;
}

/* In its place something comes that nobody can read. */
static bool swallow(struct buf *ret_instead)
{
    buf_init(ret_instead, 1);
    buf_u8(ret_instead, 0);
    return true;
}

/* ---- who is asked first swallows it ---- */

struct first_swallows {
    uint16_t code;
    unsigned asker;
    unsigned first; /* whom the asker has sent its first attempt; crowd->count: nobody yet */
    uint64_t transaction;
    unsigned swallowed;
};

static bool first_tap(void *ctx, struct crowd *crowd, unsigned from, unsigned to, struct slice message,
                      struct buf *ret_instead)
{
    struct first_swallows *s = ctx;
    struct passing passing = look_at(message);
    if (passing.code != s->code)
        return false;
    if (s->first == crowd->count && from == s->asker && !passing.via) {
        s->first = to;
        s->transaction = passing.transaction;
    }
    if (from != s->first || passing.transaction != s->transaction)
        return false;
    s->swallowed++;
    return swallow(ret_instead);
}

static void ask(struct crowd *crowd, uint16_t code, unsigned asker, struct id place)
{
    struct crowd_node *node = &crowd->nodes[asker];
    if (code == RELOAD_FETCH_REQ) {
        peer_fetch(node->peer, crowd->now, 1, place, RELOAD_KIND_VIPR_REGISTRATION);
        return;
    }
    char key[64], hex[ID_HEX_OCTETS];
    snprintf(key, sizeof key, "%s+0123456789abcdef", id_format(node->id, hex));
    struct peer_item item = {
        .kind = RELOAD_KIND_VIPR_REGISTRATION,
        .key = slice_str(key),
        .exists = true,
        .value = slice_str("value"),
        .lifetime_s = 3600,
    };
    peer_store(node->peer, crowd->now, 1, place, 0, &item, 1);
}

/* Of those that were swallowed, nine in ten reach the owner by the second attempt, and nearly all by one of the five: where few know the owner, and
 * all of these by the same node, more than the first hop would have to change. */
static void expect_owner_reached(struct crowd *crowd, uint16_t code)
{
    struct first_swallows s = {.code = code};
    unsigned swallowed = 0, by_second = 0, failed = 0;
    crowd->tap = first_tap;
    crowd->tap_ctx = &s;
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct id place;
        entropy_fill(&crowd->entropy, place.octets, ID_OCTETS);
        s.asker = crowd_random_node(crowd);
        s.first = crowd->count;
        s.swallowed = 0;
        ask(crowd, code, s.asker, place);
        struct peer_effect *effect = crowd_result(crowd, s.asker);
        const struct peer_result *result = effect->result;
        if (result->err == 0)
            assert_int_equal(crowd_find(crowd, result->responder), owner_of(crowd, place));
        failed += result->err != 0;
        swallowed += s.swallowed > 0;
        by_second += s.swallowed > 0 && result->err == 0 && result->elapsed_us < 2 * ATTEMPT_US;
        peer_effect_free(effect);
    }
    print_message("# of %u requests %u were swallowed; %u of these reached the owner by the second attempt, %u never\n",
                  REQUESTS, swallowed, by_second, failed);
    assert_true(swallowed > REQUESTS / 2);
    assert_true(by_second * 100 >= swallowed * 85);
    assert_true(failed * 100 <= swallowed);
    crowd->tap = NULL;
}

static void test_a_repeated_look_up_goes_another_way(void **state)
{
    expect_owner_reached(*state, RELOAD_FETCH_REQ);
}

static void test_a_repeated_store_goes_another_way(void **state)
{
    expect_owner_reached(*state, RELOAD_STORE_REQ);
}

/* ---- liars everywhere ---- */

#define LIARS 20 /* of so many nodes one */
#define LOOKUPS 500

static bool is_liar(unsigned node)
{
    return node % LIARS == 7;
}

/* Says in its Updates that it, and everybody whom it lists, is right here. A signature covers nothing in a crowd. */
static bool pose_as_near(struct slice message, struct buf *ret_instead)
{
    struct region region;
    struct reload_message decoded;
    struct fault fault;
    bool posed = false;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    if (reload_message_decode(message, &region, &decoded, &fault) == 0) {
        for (size_t i = 0; i < decoded.contents.extension_count && !posed; i++) {
            struct slice told = decoded.contents.extensions[i].contents;
            if (decoded.contents.extensions[i].type != COORDINATES_EXTENSION)
                continue;
            buf_init(ret_instead, RELOAD_MESSAGE_OCTETS_MAX);
            buf_slice_put(ret_instead, message);
            memset(ret_instead->p + (told.p - message.p), 0, told.n);
            posed = true;
        }
    }
    region_fini(&region);
    return posed;
}

static bool liar_tap(void *ctx, struct crowd *crowd, unsigned from, unsigned to, struct slice message,
                     struct buf *ret_instead)
{
    uint64_t *swallowed = ctx;
    (void)crowd, (void)to;
    if (!is_liar(from))
        return false;
    struct passing passing = look_at(message);
    if (passing.request && passing.via) {
        ++*swallowed;
        return swallow(ret_instead);
    }
    return passing.code == RELOAD_UPDATE_REQ && pose_as_near(message, ret_instead);
}

/* One in twenty swallows whatever it should pass on, and looks like the best way to everywhere. */
static void test_liars_that_look_near_keep_nobody_from_an_answer(void **state)
{
    (void)state;
    uint64_t swallowed = 0;
    struct crowd *crowd = crowd_new(12, NODES);
    crowd->tap = liar_tap;
    crowd->tap_ctx = &swallowed;
    grow(crowd);
    swallowed = 0;
    struct crowd_measure m = crowd_measure(crowd, LOOKUPS);
    print_message("# %u of %u look-ups failed; liars swallowed %u requests\n", m.failed, m.lookups,
                  (unsigned)swallowed);
    assert_true(swallowed > 100);
    assert_true(m.failed * 100 <= m.lookups);
    crowd_free(crowd);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_repeated_look_up_goes_another_way),
        cmocka_unit_test(test_a_repeated_store_goes_another_way),
        cmocka_unit_test(test_liars_that_look_near_keep_nobody_from_an_answer),
    };
    return cmocka_run_group_tests(tests, honest_crowd, disperse);
}
