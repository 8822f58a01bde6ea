/* The checkers bite: a healthy world has no violation; each thing broken on purpose is named by the rule that it breaks. */
#include "check_internal.h"

#include "scenario.h"
#include "testing.h"

#include <string.h>

#define NODES 6u
#define MANY 16u /* not all of them are neighbors */
#define NUMBERS 2u
#define ROWS_MAX 64
#define SHORT_S 300 /* lifetime of numbers */

struct scene {
    struct sim_options options;
    struct sim_nature nature;
    struct sim_world *world;
    struct sim_truth *truth;
    struct sim_check *check;
};

static unsigned count(const struct scene *s, const char *rule)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->world->result.violation_count && i < SIM_VIOLATIONS_MAX; i++)
        n += strcmp(s->world->result.violations[i].rule, rule) == 0;
    return n;
}

static int make_world(void **state, uint32_t nodes, uint32_t number_lifetime_s)
{
    struct scene *s = test_calloc(1, sizeof *s);
    sim_options_default(&s->options);
    s->options.seed = 42;
    s->options.nodes = nodes;
    s->options.numbers = NUMBERS;
    s->options.signatures = SIM_SIGNATURES_STAND_IN;
    sim_options_settle(&s->options);
    sim_nature_draw(&s->nature, s->options.seed);
    s->nature.number_lifetime_s = number_lifetime_s;
    s->world = sim_world_new(&s->options, &s->nature);
    assert_int_equal(sim_truth_new(&s->truth), 0);
    s->check = sim_check_new(s->world, s->truth);
    assert_true(sim_world_grow(s->world, 0, nodes, 10 * SIM_MINUTE));
    assert_true(sim_world_publish(s->world, 10 * SIM_MINUTE));
    sim_world_run(s->world, 2 * SIM_MINUTE);
    *state = s;
    return 0;
}

static int make(void **state)
{
    return make_world(state, NODES, 0);
}

static int make_short(void **state)
{
    return make_world(state, NODES, SHORT_S);
}

static int make_many(void **state)
{
    return make_world(state, MANY, 0);
}

static int drop(void **state)
{
    struct scene *s = *state;
    sim_check_free(s->check);
    sim_world_free(s->world);
    sim_truth_free(s->truth);
    test_free(s);
    return 0;
}

/* ---- rows behind the code's back ---- */

struct rows {
    const struct sim_publication *publication;
    struct id resource;
    unsigned n;
    uint8_t keys[ROWS_MAX][160];
    size_t key_octets[ROWS_MAX];
    uint8_t values[ROWS_MAX][512];
    size_t value_octets[ROWS_MAX];
};

static int note(void *arg, struct slice key, struct slice value)
{
    struct rows *rows = arg;
    if (memcmp(key.p, rows->resource.octets, ID_OCTETS) != 0 || rows->n == ROWS_MAX)
        return 0;
    assert_true(key.n <= sizeof rows->keys[0] && value.n <= sizeof rows->values[0]);
    memcpy(rows->keys[rows->n], key.p, key.n);
    memcpy(rows->values[rows->n], value.p, value.n);
    rows->key_octets[rows->n] = key.n;
    rows->value_octets[rows->n++] = value.n;
    return 0;
}

/* The rows at one node of the first publication's first copy. */
static unsigned find_rows(struct scene *s, struct sim_node *node, struct rows *rows)
{
    struct id places[SIM_COPIES];
    memset(rows, 0, sizeof *rows);
    rows->publication = sim_truth_publication(s->truth, 0);
    assert_int_equal(sim_truth_places(s->truth, &rows->publication->number, places), 0);
    rows->resource = places[0];
    assert_int_equal(kv_scan(memory_store_kv(node->disk.store), KV_RELOAD_DATA, note, rows), 0);
    return rows->n;
}

/* Takes it away at so many nodes. Returns at how many it was. */
static unsigned lose(struct scene *s, unsigned most)
{
    struct rows rows;
    unsigned lost = 0;
    for (uint32_t i = 0; i < NODES && lost < most; i++) {
        struct sim_node *node = sim_world_node(s->world, i);
        if (!find_rows(s, node, &rows))
            continue;
        lost++;
        for (unsigned k = 0; k < rows.n; k++)
            assert_int_equal(kv_remove(memory_store_kv(node->disk.store), KV_RELOAD_DATA,
                                       slice_of(rows.keys[k], rows.key_octets[k])),
                             0);
    }
    return lost;
}

static void test_a_healthy_world(void **state)
{
    struct scene *s = *state;
    char text[160] = "";
    assert_int_equal(sim_check_ring(s->check, text, sizeof text), 0);
    assert_int_equal(sim_check_copies(s->check, text, sizeof text), 0);
    assert_int_equal(s->world->result.records_live, NODES * NUMBERS * SIM_COPIES);
    sim_check_find_all(s->check, 3);
    sim_check_scan(s->check);
    sim_check_kept(s->check);
    sim_check_banned(s->check);
    sim_check_ended(s->check);
    sim_check_learned(s->check);
    struct sim_level before, after;
    sim_check_level(s->check, &before);
    sim_check_level(s->check, &after);
    sim_check_leaks(s->check, &before, &after);
    if (s->world->result.violation_count)
        fail_msg("%s: %s", s->world->result.violations[0].rule, s->world->result.violations[0].text);
}

static void test_a_copy_is_missing(void **state)
{
    struct scene *s = *state;
    char text[160] = "";
    assert_int_equal(lose(s, 1), 1);
    assert_int_equal(sim_check_copies(s->check, text, sizeof text), 1);
    assert_non_null(strstr(text, "does not hold it"));
    sim_check_kept(s->check);
    assert_int_equal(count(s, "what was acknowledged stays"), 0);
}

static void test_a_record_is_lost(void **state)
{
    struct scene *s = *state;
    assert_int_equal(lose(s, NODES), 3); /* its owner and two replicas */
    sim_check_kept(s->check);
    assert_int_equal(count(s, "what was acknowledged stays"), 1);
    sim_check_kept(s->check); /* said once */
    assert_int_equal(count(s, "what was acknowledged stays"), 1);
}

static void test_losses_that_excuse(void **state)
{
    struct scene *s = *state;
    struct rows rows;
    for (uint32_t i = 0; i < NODES; i++)
        if (find_rows(s, sim_world_node(s->world, i), &rows))
            sim_truth_lost(s->truth, sim_world_node(s->world, i)->id);
    sim_check_kept(s->check);
    assert_int_equal(count(s, "what was acknowledged stays"), 0);
    assert_true(sim_truth_publication(s->truth, 0)->excused[0]);
}

static void change_value(struct scene *s, size_t from_end)
{
    struct rows rows;
    for (uint32_t i = 0; i < NODES; i++) {
        struct sim_node *node = sim_world_node(s->world, i);
        if (!find_rows(s, node, &rows))
            continue;
        rows.values[0][rows.value_octets[0] - from_end] ^= 1;
        assert_int_equal(kv_put(memory_store_kv(node->disk.store), KV_RELOAD_DATA,
                                slice_of(rows.keys[0], rows.key_octets[0]),
                                slice_of(rows.values[0], rows.value_octets[0])),
                         0);
        return;
    }
    fail();
}

static void test_a_value_is_forged(void **state)
{
    struct scene *s = *state;
    change_value(s, 1);
    sim_check_scan(s->check);
    assert_int_equal(count(s, "stored values verify"), 1);
}

/* The same value, good signature and all, at another place or under another key. */
static void test_a_value_is_moved(void **state)
{
    struct scene *s = *state;
    struct rows rows;
    struct sim_node *node = NULL;
    for (uint32_t i = 0; i < NODES && !(node && rows.n); i++)
        if (find_rows(s, sim_world_node(s->world, i), &rows))
            node = sim_world_node(s->world, i);
    assert_non_null(node);
    rows.keys[0][3] ^= 1; /* of the Resource-ID */
    assert_int_equal(kv_put(memory_store_kv(node->disk.store), KV_RELOAD_DATA,
                            slice_of(rows.keys[0], rows.key_octets[0]), slice_of(rows.values[0], rows.value_octets[0])),
                     0);
    rows.keys[0][3] ^= 1;
    rows.keys[0][24] = rows.keys[0][24] == '0' ? '1' : '0'; /* of the Node-ID in the dictionary key */
    assert_int_equal(kv_put(memory_store_kv(node->disk.store), KV_RELOAD_DATA,
                            slice_of(rows.keys[0], rows.key_octets[0]), slice_of(rows.values[0], rows.value_octets[0])),
                     0);
    sim_check_scan(s->check);
    assert_int_equal(count(s, "stored values verify"), 2);
}

static void test_rows_show_a_number(void **state)
{
    struct scene *s = *state;
    struct sim_node *node = sim_world_node(s->world, 1);
    struct e164 number = sim_number(2, 0);
    struct buf key, value;
    buf_init(&key, 1000);
    buf_init(&value, 1000);
    buf_put(&key, node->id.octets, ID_OCTETS);
    buf_u32(&key, RELOAD_KIND_VIPR_REGISTRATION);
    buf_u32(&key, 0);
    buf_str(&key, "x");
    buf_u8(&value, 1);
    buf_u64(&value, 1);
    buf_u64(&value, 2);
    buf_u8(&value, 1);
    buf_u8(&value, 0);
    buf_u8(&value, 3);
    memset(buf_extend(&value, 32), 0, 32);
    buf_opaque(&value, 2, slice_str("s"));
    buf_opaque(&value, 4, e164_slice(&number));
    assert_int_equal(kv_put(memory_store_kv(node->disk.store), KV_RELOAD_DATA, buf_slice(&key), buf_slice(&value)), 0);
    sim_check_scan(s->check);
    assert_int_equal(count(s, "numbers stay hidden"), 1);
    assert_int_equal(count(s, "stored values verify"), 1); /* of an unknown signer, too */
    buf_fini(&key);
    buf_fini(&value);
}

/* One node has far more at another one than its quota. */
static void test_too_many_values(void **state)
{
    struct scene *s = *state;
    struct rows rows;
    struct sim_node *node = NULL;
    for (uint32_t i = 0; i < NODES && !(node && rows.n); i++)
        if (find_rows(s, sim_world_node(s->world, i), &rows))
            node = sim_world_node(s->world, i);
    assert_non_null(node);
    uint32_t quota = server_config_of(node->server)->quota;
    for (uint32_t i = 0; i < 7 * quota; i++) {
        memcpy(rows.keys[0], &i, sizeof i);
        assert_int_equal(kv_put(memory_store_kv(node->disk.store), KV_RELOAD_DATA,
                                slice_of(rows.keys[0], rows.key_octets[0]),
                                slice_of(rows.values[0], rows.value_octets[0])),
                         0);
    }
    s->world->result.violation_count = 0;
    sim_check_scan(s->check);
    assert_true(s->world->result.violation_count > quota);
    s->world->result.violation_count = 0; /* again, now that the rows are known: only the quota is left */
    sim_check_scan(s->check);
    assert_int_equal(count(s, "quotas hold"), 1);
    assert_int_equal(s->world->result.violation_count, 1);
}

/* ---- what observers are told ---- */

static void test_a_route_is_forged(void **state)
{
    struct scene *s = *state;
    struct e164 number = sim_number(3, 0);
    struct sim_node *node = sim_world_node(s->world, 1);
    struct slice uri = slice_str("sip:pbx@c3.example:5061;maddr=192.0.2.4;transport=tcp");
    struct slice ticket = slice_str("ticket");
    s->check->observer.route_learned(s->check, node, &number, uri, ticket);
    assert_int_equal(count(s, "routes are proven"), 1); /* nobody called */
    assert_int_equal(sim_truth_called(s->truth, &number, 1, 3, 1), 0);
    s->check->observer.route_learned(s->check, node, &number, uri, ticket);
    assert_int_equal(count(s, "routes are proven"), 1);
    s->check->observer.route_learned(s->check, node, &number, slice_str("sip:x@c4.example"), ticket);
    s->check->observer.route_learned(s->check, node, &number, slice_str("nothing"), ticket);
    assert_int_equal(count(s, "routes are proven"), 3);
}

static void test_calls_that_lead_nowhere(void **state)
{
    struct scene *s = *state;
    struct e164 number = sim_number(3, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sim_truth_called(s->truth, &number, 1, 3, i), 0);
    sim_check_learned(s->check);
    assert_int_equal(count(s, "calls are learned"), 1);
    sim_truth_learned(s->truth, &number, 1, 3);
    sim_check_learned(s->check);
    assert_int_equal(count(s, "calls are learned"), 1);
}

static void test_messages(void **state)
{
    struct scene *s = *state;
    uint8_t octets[200] = {0};
    struct sim_message message = {sim_world_node(s->world, 0), sim_world_node(s->world, 1), slice_of(octets, 200)};
    octets[11] = 100; /* TTL */
    s->check->observer.message(s->check, &message);
    assert_int_equal(s->world->result.violation_count, 0);
    octets[11] = 100 - 40;
    s->check->observer.message(s->check, &message);
    assert_int_equal(count(s, "hops are bounded"), 1);
    octets[11] = 100;
    memcpy(octets + 60, sim_number(1, 1).text, strlen(sim_number(1, 1).text));
    s->check->observer.message(s->check, &message);
    assert_int_equal(count(s, "numbers stay hidden"), 1);
    sim_truth_node(s->truth, message.from->id, 0, false); /* a liar may say what it likes */
    s->check->observer.message(s->check, &message);
    assert_int_equal(count(s, "numbers stay hidden"), 1);
}

static void test_requests_that_end_twice_or_never(void **state)
{
    struct scene *s = *state;
    struct sim_node *node = sim_world_node(s->world, 2);
    struct sim_lookup lookup = {.node = node, .token = 777777, .number = sim_number(1, 0)};
    s->check->observer.lookup_begun(s->check, &lookup);
    sim_check_ended(s->check);
    assert_int_equal(count(s, "requests end once"), 1);
    s->check->observer.lookup_ended(s->check, &lookup);
    assert_int_equal(count(s, "requests end once"), 1);
    s->check->observer.lookup_ended(s->check, &lookup);
    assert_int_equal(count(s, "requests end once"), 2);
    s->check->observer.call_uploaded(s->check, node, 5, 0);
    s->check->observer.call_uploaded(s->check, node, 5, 0);
    assert_int_equal(count(s, "requests end once"), 3);
    s->check->observer.publish_ended(s->check, node, 1, 0, 0);
    assert_int_equal(count(s, "requests end once"), 4);
}

static void test_a_claim_is_made_up(void **state)
{
    struct scene *s = *state;
    struct sim_node *node = sim_world_node(s->world, 2);
    struct numbers_claimant claimant = {.node_id = sim_world_node(s->world, 3)->id};
    struct sim_lookup lookup = {
        .node = node, .token = 888888, .number = sim_number(1, 0), .claimants = &claimant, .claimant_count = 1};
    s->check->observer.lookup_begun(s->check, &lookup);
    s->check->observer.lookup_ended(s->check, &lookup);
    assert_int_equal(count(s, "claims are real"), 1); /* node 3 is honest and has published no number of company 1 */
    claimant.node_id = sim_world_node(s->world, 1)->id;
    s->check->observer.lookup_begun(s->check, &lookup);
    s->check->observer.lookup_ended(s->check, &lookup);
    assert_int_equal(count(s, "claims are real"), 1);
    claimant.node_id.octets[0] ^= 1; /* nobody */
    s->check->observer.lookup_begun(s->check, &lookup);
    s->check->observer.lookup_ended(s->check, &lookup);
    assert_int_equal(count(s, "claims are real"), 2);
}

static void test_a_refusal_under_quota(void **state)
{
    struct scene *s = *state;
    s->check->observer.log(s->check, sim_world_node(s->world, 0), LEVEL_WARNING, "numbers.published",
                           "outcome=refused_quota");
    assert_int_equal(count(s, "nobody is refused wrongly"), 1);
}

/* ---- liveness ---- */

static void test_numbers_that_are_not_found(void **state)
{
    struct scene *s = *state;
    struct id stranger = {{1}};
    struct e164 nobodys = sim_number(5, 9);
    assert_int_equal(sim_truth_node(s->truth, stranger, 5, true), 0);
    assert_int_equal(sim_truth_published(s->truth, &nobodys, stranger, s->world->now_us, INT64_MAX), 0);
    sim_check_find_all(s->check, 2);
    assert_int_equal(count(s, "every number is found"), 2);
}

static void test_the_banned_who_are_not_out(void **state)
{
    struct scene *s = *state;
    sim_truth_banned(s->truth, sim_world_node(s->world, 4)->id, true);
    sim_check_banned(s->check);
    assert_true(count(s, "the banned are out") >= 2); /* links to it, and its values */
}

/* ---- where numbers live short ---- */

static void pass_lifetimes(struct scene *s, unsigned n)
{
    sim_world_run(s->world, (int64_t)n * SHORT_S * SIM_SECOND + SIM_GONE_US + SIM_MINUTE);
    sim_check_lifetimes(s->check);
}

static void let_go(struct scene *s, uint32_t company)
{
    struct sim_node *node = sim_world_node(s->world, company);
    struct e164 number = sim_number(company, 0);
    sim_truth_forgotten(s->truth, &number, node->id, s->world->now_us);
}

static void test_numbers_are_refreshed_or_go(void **state)
{
    struct scene *s = *state;
    char text[160] = "";
    sim_agent_forget(sim_world_node(s->world, 1), 0);
    let_go(s, 1);
    pass_lifetimes(s, 3);
    sim_check_kept(s->check);
    assert_int_equal(sim_check_copies(s->check, text, sizeof text), 0);
    assert_int_equal(s->world->result.records_live, (NODES * NUMBERS - 1) * SIM_COPIES);
    sim_check_find_all(s->check, 3);
    assert_int_equal(s->world->result.violation_count, 0);
}

static void test_a_number_is_not_refreshed(void **state)
{
    struct scene *s = *state;
    sim_agent_forget(sim_world_node(s->world, 1), 0); /* nobody else knows */
    pass_lifetimes(s, 1);
    assert_int_equal(count(s, "refreshed numbers stay"), 1);
    assert_int_equal(s->world->result.violation_count, 1);
}

static void test_a_number_does_not_go(void **state)
{
    struct scene *s = *state;
    let_go(s, 1); /* it goes on refreshing it */
    pass_lifetimes(s, 1);
    assert_true(count(s, "what is let go goes") >= SIM_COPIES);
    assert_int_equal(s->world->result.violation_count, count(s, "what is let go goes"));
}

static void test_a_node_is_outside(void **state)
{
    struct scene *s = *state;
    char text[160] = "";
    sim_node_end(sim_world_node(s->world, 2), SIM_END_CRASH);
    assert_true(sim_check_ring(s->check, text, sizeof text) > 0);
    assert_true(text[0]);
}

static void test_leaks(void **state)
{
    struct scene *s = *state;
    struct sim_level before = {.transactions = 0, .links = 5, .memory = 1 << 20, .nodes = NODES}, after = before;
    sim_check_leaks(s->check, &before, &after);
    assert_int_equal(s->world->result.violation_count, 0);
    after.transactions = 20;
    sim_check_leaks(s->check, &before, &after);
    assert_int_equal(count(s, "nothing leaks"), 1);
    after = before;
    after.links = 40;
    sim_check_leaks(s->check, &before, &after);
    assert_int_equal(count(s, "nothing leaks"), 2);
    after = before;
    after.memory = 1 << 26;
    sim_check_leaks(s->check, &before, &after);
    assert_int_equal(count(s, "nothing leaks"), 3);
}

/* Who is no neighbor asks a quiet link after minutes only. */
static void test_a_machine_is_gone(void **state)
{
    struct scene *s = *state;
    struct sim_level before, after;
    sim_check_level(s->check, &before);
    assert_int_equal(before.links, MANY - 1);
    sim_node_end(sim_world_node(s->world, 2), SIM_END_POWER);
    sim_check_level(s->check, &after);
    assert_int_equal(after.nodes, MANY - 1);
    assert_int_equal(after.links, MANY - 2);
}

int main(void)
{
#define BITES(test) cmocka_unit_test_setup_teardown(test, make, drop)
#define BITES_SHORT(test) cmocka_unit_test_setup_teardown(test, make_short, drop)
    const struct CMUnitTest tests[] = {
        BITES_SHORT(test_numbers_are_refreshed_or_go),
        BITES_SHORT(test_a_number_is_not_refreshed),
        BITES_SHORT(test_a_number_does_not_go),
        BITES(test_a_healthy_world),
        BITES(test_a_copy_is_missing),
        BITES(test_a_record_is_lost),
        BITES(test_losses_that_excuse),
        BITES(test_a_value_is_forged),
        BITES(test_a_value_is_moved),
        BITES(test_rows_show_a_number),
        BITES(test_too_many_values),
        BITES(test_a_route_is_forged),
        BITES(test_calls_that_lead_nowhere),
        BITES(test_messages),
        BITES(test_requests_that_end_twice_or_never),
        BITES(test_a_claim_is_made_up),
        BITES(test_a_refusal_under_quota),
        BITES(test_numbers_that_are_not_found),
        BITES(test_the_banned_who_are_not_out),
        BITES(test_a_node_is_outside),
        BITES(test_leaks),
        cmocka_unit_test_setup_teardown(test_a_machine_is_gone, make_many, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
