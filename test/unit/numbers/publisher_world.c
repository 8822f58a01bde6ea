/* The publisher's test world. */
#include "publisher_world.h"

static const struct wall start = {INT64_C(1772366400000)};
const struct e164 one = {"+11"}, two = {"+22"}, three = {"+33"}, four = {"+44"};
static const struct e164 *const all[WORLD_NUMBERS] = {&one, &two, &three, &four};

static int start_job(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct world *w = ctx;
    (void)profile;
    assert_true(w->job_count < 8);
    w->jobs[w->job_count] = job;
    w->hashed[w->job_count++] = *number;
    return 0;
}

static void derive_slots(struct world *w)
{
    w->slots_generation = numbers_resolver_generation(w->resolver);
    for (size_t n = 0; n < WORLD_NUMBERS; n++)
        assert_int_equal(numbers_slots_derive(numbers_resolver_profile(w->resolver), all[n], w->slots[n]), 0);
}

void world_make(struct world *w)
{
    const struct numbers_resolver_config resolver_config = NUMBERS_RESOLVER_CONFIG_DEFAULT;
    const struct numbers_hasher hasher = {start_job, w};
    assert_int_equal(numbers_resolver_new(&resolver_config, &w->profile, &hasher, &w->resolver), 0);
    derive_slots(w);
    const struct numbers_publisher_ports ports = {
        .resolver = w->resolver,
        .kv = memory_store_kv(w->disk),
        .entropy = seeded_entropy_port(&w->seed),
    };
    assert_int_equal(numbers_publisher_new(&w->config, &ports, &w->publisher), 0);
    assert_int_equal(numbers_publisher_load(w->publisher, w->now), 0);
}

void world_begin(struct world *w)
{
    *w = (struct world){
        .now = {{0}, start},
        .config = NUMBERS_PUBLISHER_CONFIG_DEFAULT,
        .profile = {.overlay = slice_str("ring.example"), .hash = CONFIG_HASH_SHA1, .cost = {1, 8, 1}},
        .seed = {7},
    };
    memset(w->config.self.octets, 0xab, ID_OCTETS);
    w->config.stores_per_s = 10;
    w->config.hold_s = 30 * 86400;
    buf_init(&w->trace, 65536);
    assert_int_equal(memory_store_new(&w->disk), 0);
}

void world_finish(struct world *w)
{
    numbers_publisher_free(w->publisher);
    numbers_resolver_free(w->resolver);
    memory_store_free(w->disk);
    buf_fini(&w->trace);
}

int64_t world_ms(const struct world *w)
{
    return w->now.mono.us / 1000;
}

/* Whose copy lies there, by the profile in use. */
static const struct numbers_slot *find_slot(struct world *w, struct id resource, struct sent *sent)
{
    if (w->slots_generation != numbers_resolver_generation(w->resolver))
        derive_slots(w);
    for (size_t n = 0; n < WORLD_NUMBERS; n++) {
        for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++) {
            if (!id_eq(w->slots[n][copy].resource, resource))
                continue;
            sent->number = all[n];
            sent->copy = copy;
            return &w->slots[n][copy];
        }
    }
    fail_msg("a store to a place where nothing belongs");
    return NULL;
}

static void take_store(struct world *w, const struct numbers_publisher_effect *effect)
{
    assert_true(w->sent_count < 64);
    struct sent *sent = &w->sent[w->sent_count++];
    sent->store = effect->store;
    sent->answered = false;
    const struct numbers_slot *slot = find_slot(w, effect->resource, sent);
    struct numbers_place place = {.resource = effect->resource};
    assert_int_equal(numbers_key_parse(effect->key, &place.node_id, &place.vservice_id), 0);
    assert_true(id_eq(place.node_id, w->config.self));
    if (effect->exists && !w->memory_is_short)
        assert_int_equal(numbers_open(slot->key, &place, effect->value), 0);
    assert_int_equal(effect->value.n, effect->exists ? 48 : 0);
    buf_printf(&w->trace, "[%lld] %s %s copy %u for %u s\n", (long long)world_ms(w),
               effect->exists ? "store" : "remove", sent->number->text, sent->copy, effect->lifetime_s);
}

static void drain(struct world *w)
{
    struct numbers_publisher_effect effect;
    while (numbers_publisher_next(w->publisher, &effect)) {
        if (effect.type == NUMBERS_STORE)
            take_store(w, &effect);
        else
            buf_printf(&w->trace, "[%lld] done %u: %s, %u copies\n", (long long)world_ms(w), (unsigned)effect.token,
                       numbers_outcome_name(effect.outcome), effect.copies);
    }
}

void world_settle(struct world *w)
{
    do {
        if (!w->disk_is_slow)
            memory_store_turn(w->disk);
        if (mono_due(numbers_publisher_deadline(w->publisher), w->now.mono))
            numbers_publisher_tick(w->publisher, w->now);
        drain(w);
    } while ((memory_store_waits(w->disk) && !w->disk_is_slow) ||
             mono_due(numbers_publisher_deadline(w->publisher), w->now.mono));
}

void world_set_time(struct world *w, struct mono t)
{
    w->now.mono = t;
    w->now.wall = wall_after_ms(start, t.us / 1000);
}

void world_run_to(struct world *w, int64_t until_ms)
{
    world_settle(w);
    struct mono until = {until_ms * 1000}, deadline;
    while ((deadline = numbers_publisher_deadline(w->publisher)).us <= until.us) {
        world_set_time(w, deadline);
        world_settle(w);
    }
    world_set_time(w, until);
    world_settle(w);
}

void world_publish(struct world *w, uint64_t token, const struct e164 *number)
{
    assert_int_equal(numbers_publish(w->publisher, w->now, token, number, VSERVICE), 0);
    world_settle(w);
}

void world_unpublish(struct world *w, uint64_t token, const struct e164 *number)
{
    assert_int_equal(numbers_unpublish(w->publisher, w->now, token, number, VSERVICE), 0);
    world_settle(w);
}

void world_reply(struct world *w, const struct e164 *number, unsigned copy, int err, uint16_t error_code)
{
    for (size_t i = w->sent_count; i-- > 0;) {
        struct sent *sent = &w->sent[i];
        if (sent->answered || sent->number != number || sent->copy != copy)
            continue;
        sent->answered = true;
        numbers_store_done(w->publisher, w->now, sent->store, err, error_code);
        world_settle(w);
        return;
    }
    fail_msg("no store of this copy is under way");
}

void world_reply_all(struct world *w)
{
    for (size_t i = 0; i < w->sent_count; i++)
        if (!w->sent[i].answered) {
            w->sent[i].answered = true;
            numbers_store_done(w->publisher, w->now, w->sent[i].store, 0, 0);
            world_settle(w);
        }
}

void world_run_answered_to(struct world *w, int64_t until_ms)
{
    world_settle(w);
    world_reply_all(w);
    struct mono until = {until_ms * 1000}, deadline;
    while ((deadline = numbers_publisher_deadline(w->publisher)).us <= until.us) {
        world_set_time(w, deadline);
        world_settle(w);
        world_reply_all(w);
    }
    world_set_time(w, until);
}

static struct numbers_info last_info;
static void keep_info(void *arg, const struct numbers_info *info)
{
    unsigned *count = arg;
    ++*count;
    last_info = *info;
}

const struct numbers_info *world_info_of(struct world *w, const struct e164 *number)
{
    unsigned count = 0;
    numbers_publisher_each_of(w->publisher, w->now, number, keep_info, &count);
    return count == 1 ? &last_info : NULL;
}

void world_assert_counts(struct world *w, unsigned publications, unsigned stored)
{
    struct numbers_publisher_view view;
    numbers_publisher_view(w->publisher, w->now, &view);
    assert_int_equal(view.publications, publications);
    assert_int_equal(view.stored, stored);
}

int64_t world_next_store_after(struct world *w, size_t sent_before)
{
    int64_t from = world_ms(w);
    while (w->sent_count == sent_before) {
        struct mono deadline = numbers_publisher_deadline(w->publisher);
        assert_true(deadline.us < INT64_MAX);
        world_set_time(w, deadline);
        world_settle(w);
    }
    return world_ms(w) - from;
}

void world_restart(struct world *w)
{
    memory_store_crash(w->disk);
    numbers_publisher_free(w->publisher);
    numbers_resolver_free(w->resolver);
    w->sent_count = 0;
    w->job_count = 0;
    buf_clear(&w->trace);
    world_make(w);
}

void world_end_job(struct world *w, size_t i, int err)
{
    struct numbers_slot slots[NUMBERS_COPIES];
    assert_int_equal(numbers_slots_derive(numbers_resolver_profile(w->resolver), &w->hashed[i], slots), 0);
    numbers_resolver_done(w->resolver, w->now, w->jobs[i], err, slots);
    world_settle(w);
}

void world_reply_all_of(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (w->sent[i].answered)
            continue;
        w->sent[i].answered = true;
        numbers_store_done(w->publisher, w->now, w->sent[i].store, 0, 0);
        world_settle(w);
    }
}
