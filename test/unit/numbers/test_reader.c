/* The reader: unions of three copies, and peers that hide, forge, repeat and do not answer. */
#include "numbers/reader.h"

#include "base/mem.h"
#include "testing.h"

static const struct now now = {{0}, {INT64_C(1772366400000)}};
static const struct e164 number = {"+13475551212"};
static const struct numbers_profile profile = {.overlay = {(const uint8_t *)"ring.example", 12},
                                               .hash = CONFIG_HASH_SHA1};

struct fixture {
    struct numbers_resolver *resolver;
    struct numbers_reader *reader;
    struct numbers_slot slots[NUMBERS_COPIES];
    uint64_t fetches[NUMBERS_COPIES];
};

static struct seeded_entropy seed = {1};

static struct id node(uint8_t n)
{
    struct id id;
    memset(id.octets, n, ID_OCTETS);
    return id;
}

static void begin_with(struct fixture *f, const struct numbers_profile *used, const struct numbers_hasher *hasher,
                       uint32_t lookups_max, uint32_t in_flight_max)
{
    const struct numbers_resolver_config resolver_config = NUMBERS_RESOLVER_CONFIG_DEFAULT;
    const struct numbers_reader_config config = {lookups_max, in_flight_max, 1};
    assert_int_equal(numbers_resolver_new(&resolver_config, used, hasher, &f->resolver), 0);
    assert_int_equal(numbers_reader_new(&config, f->resolver, NULL, &f->reader), 0);
    assert_int_equal(numbers_slots_derive(used, &number, f->slots), 0);
}

static void begin(struct fixture *f, uint32_t lookups_max, uint32_t in_flight_max)
{
    begin_with(f, &profile, NULL, lookups_max, in_flight_max);
}

static void finish(struct fixture *f)
{
    numbers_reader_free(f->reader);
    numbers_resolver_free(f->resolver);
}

/* They go to the three places. */
static void take_fetches(struct fixture *f)
{
    struct numbers_reader_effect effect;
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        assert_true(numbers_reader_next(f->reader, &effect));
        assert_int_equal(effect.type, NUMBERS_FETCH);
        assert_true(id_eq(effect.resource, f->slots[i].resource));
        f->fetches[i] = effect.fetch;
    }
    assert_false(numbers_reader_next(f->reader, &effect));
}

/* Starts a look-up and takes the three fetches out. */
static void look_up(struct fixture *f, uint64_t token)
{
    assert_int_equal(numbers_look_up(f->reader, now, token, &number), 0);
    take_fetches(f);
}

/* An entry as its owner stores it at a copy's place. */
struct stored {
    char key[NUMBERS_KEY_OCTETS + 1];
    uint8_t value[64];
    struct numbers_entry entry;
};

static void store(struct stored *s, const struct fixture *f, unsigned copy, uint8_t owner, uint64_t vservice_id,
                  int64_t age_ms)
{
    const struct numbers_place place = {f->slots[copy].resource, node(owner), vservice_id};
    const struct entropy entropy = seeded_entropy_port(&seed);
    struct buf value;
    buf_init(&value, sizeof s->value);
    assert_int_equal(numbers_seal(f->slots[copy].key, &place, &entropy, &value), 0);
    memcpy(s->value, value.p, value.n);
    numbers_key_format(place.node_id, vservice_id, s->key);
    s->entry = (struct numbers_entry){
        .key = slice_of(s->key, NUMBERS_KEY_OCTETS),
        .value = slice_of(s->value, value.n),
        .signer = place.node_id,
        .storage_time = wall_after_ms(now.wall, -age_ms),
    };
    buf_fini(&value);
}

static void reply(struct fixture *f, unsigned copy, const struct numbers_entry *entries, size_t count)
{
    numbers_fetch_done(f->reader, now, f->fetches[copy], 0, entries, count);
}

static struct numbers_reader_effect found(struct fixture *f)
{
    struct numbers_reader_effect effect;
    assert_true(numbers_reader_next(f->reader, &effect));
    assert_int_equal(effect.type, NUMBERS_FOUND);
    return effect;
}

static void test_claimants_oldest_first(void **state)
{
    (void)state;
    struct fixture f;
    struct numbers_reader_effect effect;
    begin(&f, 10, 10);
    look_up(&f, 77);
    for (unsigned copy = 0; copy < 2; copy++) {
        struct stored young, old;
        store(&young, &f, copy, 1, 5, 1000 + copy);
        store(&old, &f, copy, 2, 6, 9000 + copy);
        const struct numbers_entry entries[] = {young.entry, old.entry};
        assert_false(numbers_reader_next(f.reader, &effect));
        reply(&f, copy, entries, 2);
    }
    effect = found(&f);
    assert_int_equal(effect.token, 77);
    assert_int_equal(effect.err, 0);
    assert_int_equal(effect.answered, 2);
    assert_true(effect.agreed);
    assert_int_equal(effect.discarded, 0);
    assert_int_equal(effect.claimant_count, 2);
    assert_true(id_eq(effect.claimants[0].node_id, node(2)));
    assert_int_equal(effect.claimants[0].vservice_id, 6);
    assert_int_equal(effect.claimants[0].storage_time.ms, now.wall.ms - 9001); /* the earlier of the two */
    assert_int_equal(effect.claimants[0].copies, 2);
    assert_true(id_eq(effect.claimants[1].node_id, node(1)));
    reply(&f, 2, NULL, 0); /* nobody waits for it any more */
    assert_false(numbers_reader_next(f.reader, &effect));
    finish(&f);
}

static int keep_job(void *ctx, uint64_t job, const struct numbers_profile *slow, const struct e164 *hashed)
{
    uint64_t *last_job = ctx;
    (void)slow;
    (void)hashed;
    *last_job = job;
    return 0;
}

/* By Argon2id each copy has a key of its own; who sealed with a hash of the number that is fast to compute is not heard. */
static void test_values_open_with_the_slow_hash_only(void **state)
{
    (void)state;
    struct numbers_profile slow = profile;
    slow.hash = CONFIG_HASH_ARGON2ID;
    slow.cost = (struct argon2_cost){.passes = 1, .memory_kib = 8, .lanes = 1};
    uint64_t job = 0;
    const struct numbers_hasher hasher = {keep_job, &job};
    struct fixture f, fast;
    begin_with(&f, &slow, &hasher, 10, 10);
    begin(&fast, 10, 10);
    struct numbers_reader_effect effect;
    assert_int_equal(numbers_look_up(f.reader, now, 1, &number), 0);
    assert_false(numbers_reader_next(f.reader, &effect));
    numbers_resolver_done(f.resolver, now, job, 0, f.slots);
    take_fetches(&f);
    for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++) {
        struct stored good, bad;
        store(&good, &f, copy, 1, 5, 10);
        memcpy(f.slots[copy].key, fast.slots[copy].key, AEAD_KEY_OCTETS);
        store(&bad, &f, copy, 2, 6, 10);
        const struct numbers_entry entries[] = {bad.entry, good.entry};
        reply(&f, copy, entries, 2);
    }
    effect = found(&f);
    assert_int_equal(effect.err, 0);
    assert_int_equal(effect.claimant_count, 1);
    assert_true(id_eq(effect.claimants[0].node_id, node(1)));
    assert_int_equal(effect.claimants[0].copies, 2);
    assert_int_equal(numbers_reader_counters(f.reader)->entries_not_opened, 2);
    finish(&f);
    finish(&fast);
}

static void test_nobody_claims_it(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 10, 10);
    look_up(&f, 1);
    for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++)
        reply(&f, copy, NULL, 0);
    struct numbers_reader_effect effect = found(&f);
    assert_int_equal(effect.err, 0);
    assert_int_equal(effect.claimant_count, 0);
    assert_int_equal(effect.answered, 3);
    finish(&f);
}

/* The peer of one copy hides a rival's entry, that of another is gone: the third still tells of it. */
static void test_hidden_entry_is_found_elsewhere(void **state)
{
    (void)state;
    struct fixture f;
    struct stored own, rival;
    begin(&f, 10, 10);
    look_up(&f, 1);
    store(&own, &f, 0, 1, 5, 10);
    reply(&f, 0, &own.entry, 1);
    numbers_fetch_done(f.reader, now, f.fetches[1], ERR_TIMEOUT, NULL, 0);
    store(&own, &f, 2, 1, 5, 10);
    store(&rival, &f, 2, 9, 7, 20);
    const struct numbers_entry entries[] = {own.entry, rival.entry};
    reply(&f, 2, entries, 2);
    struct numbers_reader_effect effect = found(&f);
    assert_int_equal(effect.err, 0);
    assert_int_equal(effect.answered, 2);
    assert_int_equal(effect.claimant_count, 2);
    assert_true(id_eq(effect.claimants[0].node_id, node(9)));
    assert_int_equal(effect.claimants[0].copies, 1);
    assert_int_equal(effect.claimants[1].copies, 2);
    assert_int_equal(numbers_reader_counters(f.reader)->copies_disagreed, 1);
    finish(&f);
}

static void reply_with(struct fixture *f, unsigned copy, const uint8_t *owners, size_t count)
{
    struct stored stored[4];
    struct numbers_entry entries[4];
    for (size_t i = 0; i < count; i++) {
        store(&stored[i], f, copy, owners[i], 5, 10);
        entries[i] = stored[i].entry;
    }
    reply(f, copy, entries, count);
}

/* In whatever order the copies come, those that have nothing, something else, or do not answer. */
static void test_two_that_agree_suffice(void **state)
{
    (void)state;
    static const struct {
        const uint8_t owners[NUMBERS_COPIES][3]; /* of the copies as they come; 0xff: it fails */
        unsigned ends_after;
        unsigned claimants;
        bool agreed;
    } cases[] =
        {
            {{{1}, {1}, {1}}, 2, 1, true},
            {{{1, 2}, {1, 2}, {0}}, 2, 2, true},
            {{{1, 2}, {2, 1}, {0}}, 2, 2, true},
            {{{0xff}, {1}, {1}}, 3, 1, false}, /* all have ended: nothing was left out */
            {{{1}, {0xff}, {1}}, 3, 1, false},
            {{{0}, {0}, {1}}, 3, 1, false}, /* that nobody claims it is not believed of two */
            {{{0}, {1}, {1}}, 3, 1, false},
            {{{1}, {1, 2}, {1}}, 3, 2, false}, /* two agree in the end, but the third has told us more */
            {{{1}, {2}, {3}}, 3, 3, false},
            {{{1}, {1, 2}, {1, 2}}, 3, 2, false},
        };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        struct numbers_reader_effect effect;
        begin(&f, 10, 10);
        look_up(&f, 1);
        for (unsigned k = 0; k < cases[i].ends_after; k++) {
            unsigned copy = (unsigned)(k + i) % NUMBERS_COPIES;
            const uint8_t *owners = cases[i].owners[k];
            assert_false(numbers_reader_next(f.reader, &effect));
            if (owners[0] == 0xff)
                numbers_fetch_done(f.reader, now, f.fetches[copy], ERR_UNREACHABLE, NULL, 0);
            else
                reply_with(&f, copy, owners, (size_t)(owners[0] != 0) + (owners[1] != 0));
        }
        effect = found(&f);
        assert_int_equal(effect.err, 0);
        assert_int_equal(effect.claimant_count, cases[i].claimants);
        assert_int_equal(effect.agreed, cases[i].agreed);
        finish(&f);
    }
}

static void test_all_copies_are_waited_for_if_asked(void **state)
{
    (void)state;
    struct fixture f;
    struct numbers_reader_effect effect;
    begin(&f, 10, 10);
    assert_int_equal(numbers_look_up_all(f.reader, now, 1, &number), 0);
    take_fetches(&f);
    for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++) {
        assert_false(numbers_reader_next(f.reader, &effect));
        reply_with(&f, copy, (const uint8_t[]){1}, 1);
    }
    effect = found(&f);
    assert_int_equal(effect.answered, 3);
    assert_int_equal(effect.claimants[0].copies, 3);
    assert_false(effect.agreed);
    finish(&f);
}

/* Entries that nobody stored do not count: two peers that make up the same one agree on nothing. */
static void test_made_up_entries_make_no_agreement(void **state)
{
    (void)state;
    struct fixture f;
    struct numbers_reader_effect effect;
    begin(&f, 10, 10);
    look_up(&f, 1);
    for (unsigned copy = 0; copy < 2; copy++) {
        struct stored made_up;
        store(&made_up, &f, copy, 7, 5, 10);
        made_up.entry.signer = node(8);
        reply(&f, copy, &made_up.entry, 1);
        assert_false(numbers_reader_next(f.reader, &effect));
    }
    reply_with(&f, 2, (const uint8_t[]){1}, 1);
    effect = found(&f);
    assert_int_equal(effect.claimant_count, 1);
    assert_true(id_eq(effect.claimants[0].node_id, node(1)));
    finish(&f);
}

static void test_no_copy_answers(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 10, 10);
    look_up(&f, 1);
    for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++)
        numbers_fetch_done(f.reader, now, f.fetches[copy], ERR_UNREACHABLE, NULL, 0);
    struct numbers_reader_effect effect = found(&f);
    assert_int_equal(effect.err, ERR_UNREACHABLE);
    assert_int_equal(effect.answered, 0);
    finish(&f);
}

static void test_forged_entries_are_left_out(void **state)
{
    (void)state;
    struct fixture f;
    struct stored good, other_signer, other_place, garbage, bad_key;
    begin(&f, 10, 10);
    look_up(&f, 1);
    store(&good, &f, 0, 1, 5, 10);
    store(&other_signer, &f, 0, 2, 5, 10);
    other_signer.entry.signer = node(3);
    store(&other_place, &f, 1, 4, 5, 10); /* sealed for copy 1, offered at copy 0 */
    store(&garbage, &f, 0, 5, 5, 10);
    garbage.entry.value = slice_str("made by somebody who does not know the number");
    store(&bad_key, &f, 0, 6, 5, 10);
    bad_key.entry.key = slice_str("6");
    const struct numbers_entry entries[] = {other_signer.entry, other_place.entry, garbage.entry,
                                            bad_key.entry,      good.entry,        good.entry};
    reply(&f, 0, entries, 6);
    reply(&f, 1, NULL, 0);
    reply(&f, 2, NULL, 0);
    struct numbers_reader_effect effect = found(&f);
    assert_int_equal(effect.claimant_count, 1);
    assert_true(id_eq(effect.claimants[0].node_id, node(1)));
    assert_int_equal(effect.claimants[0].copies, 1); /* repeated, but from one peer */
    assert_int_equal(effect.discarded, 5);
    const struct numbers_reader_counters *counters = numbers_reader_counters(f.reader);
    assert_int_equal(counters->entries_other_signer, 1);
    assert_int_equal(counters->entries_not_opened, 2);
    assert_int_equal(counters->entries_malformed, 1);
    finish(&f);
}

static void test_too_many_claimants_the_oldest_stay(void **state)
{
    (void)state;
    struct fixture f;
    enum { MANY = NUMBERS_CLAIMANTS_MAX + 10 };
    static struct stored stored[MANY];
    static struct numbers_entry entries[MANY];
    begin(&f, 10, 10);
    look_up(&f, 1);
    for (unsigned i = 0; i < MANY; i++) {
        store(&stored[i], &f, 0, (uint8_t)(i + 1), 5, (i * 31) % MANY); /* in mixed order of age */
        entries[i] = stored[i].entry;
    }
    reply(&f, 0, entries, MANY);
    reply(&f, 1, NULL, 0);
    reply(&f, 2, NULL, 0);
    struct numbers_reader_effect effect = found(&f);
    assert_int_equal(effect.claimant_count, NUMBERS_CLAIMANTS_MAX);
    assert_int_equal(effect.discarded, 10);
    for (unsigned i = 0; i < NUMBERS_CLAIMANTS_MAX; i++)
        assert_int_equal(effect.claimants[i].storage_time.ms, now.wall.ms - (MANY - 1) + i);
    finish(&f);
}

static void test_answers_that_nobody_waits_for(void **state)
{
    (void)state;
    struct fixture f;
    struct numbers_reader_effect effect;
    begin(&f, 10, 10);
    numbers_fetch_done(f.reader, now, 12345, 0, NULL, 0);
    look_up(&f, 1);
    reply(&f, 0, NULL, 0);
    reply(&f, 0, NULL, 0); /* twice */
    reply(&f, 0, NULL, 0);
    assert_false(numbers_reader_next(f.reader, &effect));
    reply(&f, 1, NULL, 0);
    reply(&f, 2, NULL, 0);
    found(&f);
    reply(&f, 2, NULL, 0); /* too late */
    assert_false(numbers_reader_next(f.reader, &effect));
    finish(&f);
}

static void test_lookups_wait_their_turn(void **state)
{
    (void)state;
    struct fixture f;
    struct numbers_reader_effect effect;
    begin(&f, 2, 1);
    look_up(&f, 1);
    assert_int_equal(numbers_look_up(f.reader, now, 2, &number), 0);
    assert_int_equal(numbers_look_up(f.reader, now, 3, &number), ERR_LIMIT);
    assert_false(numbers_reader_next(f.reader, &effect));
    for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++)
        reply(&f, copy, NULL, 0);
    unsigned fetches = 0;
    while (numbers_reader_next(f.reader, &effect))
        fetches += effect.type == NUMBERS_FETCH;
    assert_int_equal(fetches, 3);
    finish(&f); /* with one under way */
}

static void test_every_allocation_failing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 10, 10);
    for (unsigned long nth = 1; nth < 10; nth++) {
        mem_fail_at(nth);
        int err = numbers_look_up(f.reader, now, nth, &number);
        mem_fail_at(0);
        struct numbers_reader_effect effect;
        unsigned done = 0;
        while (numbers_reader_next(f.reader, &effect)) {
            if (effect.type == NUMBERS_FETCH)
                numbers_fetch_done(f.reader, now, effect.fetch, ERR_TIMEOUT, NULL, 0);
            else
                done++;
        }
        assert_int_equal(done, err ? 0 : 1);
    }
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claimants_oldest_first),
        cmocka_unit_test(test_values_open_with_the_slow_hash_only),
        cmocka_unit_test(test_nobody_claims_it),
        cmocka_unit_test(test_hidden_entry_is_found_elsewhere),
        cmocka_unit_test(test_two_that_agree_suffice),
        cmocka_unit_test(test_all_copies_are_waited_for_if_asked),
        cmocka_unit_test(test_made_up_entries_make_no_agreement),
        cmocka_unit_test(test_no_copy_answers),
        cmocka_unit_test(test_forged_entries_are_left_out),
        cmocka_unit_test(test_too_many_claimants_the_oldest_stay),
        cmocka_unit_test(test_answers_that_nobody_waits_for),
        cmocka_unit_test(test_lookups_wait_their_turn),
        cmocka_unit_test(test_every_allocation_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
