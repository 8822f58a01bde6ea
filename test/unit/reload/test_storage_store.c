/* Store, check by check (RFC 6940 sections 7.3, 7.4.1.1, 7.4.1.2): each has its error, and changes nothing. */
#include "storage_fixture.h"

#define T0 ((uint64_t)NOON_MS)

/* What a refused request must leave as it was. */
static void assert_untouched(struct fixture *f, uint16_t code, uint16_t expected)
{
    struct storage_view view;
    storage_view(f->storage, &view);
    assert_int_equal(code, expected);
    assert_int_equal(view.entries, 0);
    assert_int_equal(view.octets, 0);
    assert_int_equal(view.resources, 0);
    assert_int_equal(view.certificates, 0);
    assert_int_equal(view.pending, 0);
    assert_int_equal(memory_store_count(f->store, KV_RELOAD_DATA), 0);
    assert_int_equal(memory_store_count(f->store, KV_RELOAD_META), 0);
}

static void assert_why(const struct fixture *f, const char *text)
{
    assert_slice_text(slice_of(f->last.octets, f->last.n), text);
}

static void test_stores_and_answers_with_generation_and_replicas(void **state)
{
    struct fixture *f = *state;
    struct id home = home_of(f->alice);
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_SINGLE, 0, single("one"), T0), 0);
    assert_true(f->last.changed);

    struct reload_store_ans ans;
    struct fault fault;
    assert_int_equal(reload_store_ans_decode(slice_of(f->last.octets, f->last.n), &f->region, &ans, &fault), 0);
    assert_int_equal(ans.kind_count, 1);
    assert_int_equal(ans.kinds[0].kind, KIND_TEST_SINGLE);
    assert_int_equal(ans.kinds[0].generation_counter, 1);
    assert_int_equal(ans.kinds[0].replicas.count, 2);

    struct reload_kind_data data = fetch_all(f, home, KIND_TEST_SINGLE);
    assert_int_equal(data.generation_counter, 1);
    assert_string_equal(text_at(f, &data, 0), "one");
    assert_int_equal(storage_counters(f->storage)->stores, 1);
}

static void test_not_responsible_is_not_found(void **state)
{
    struct fixture *f = *state;
    f->responsible = false;
    assert_untouched(f, store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0),
                     RELOAD_ERROR_NOT_FOUND);
    assert_int_equal(storage_counters(f->storage)->refused_responsibility, 1);
}

static void test_without_duty_everything_is_refused(void **state)
{
    struct fixture *f = *state;
    storage_set_duty(f->storage, &(struct storage_duty){0});
    assert_untouched(f, store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0),
                     RELOAD_ERROR_NOT_FOUND);
}

static void test_unknown_kinds_are_listed(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("x"), T0);
    draft_kind(&d, KIND_TEST_UNKNOWN, 0);
    draft_kind(&d, KIND_TEST_UNKNOWN + 1, 0);
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_UNKNOWN_KIND);

    const uint32_t *kinds;
    size_t n;
    struct fault fault;
    assert_int_equal(reload_unknown_kinds_decode(slice_of(f->last.octets, f->last.n), &f->region, &kinds, &n, &fault),
                     0);
    assert_int_equal(n, 2);
    assert_int_equal(kinds[0], KIND_TEST_UNKNOWN);
    assert_int_equal(kinds[1], KIND_TEST_UNKNOWN + 1);
}

static void test_stale_generation_gets_the_current_one(void **state)
{
    struct fixture *f = *state;
    struct id home = home_of(f->alice);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(store_one(f, f->alice, home, KIND_TEST_SINGLE, 0, single("x"), T0 + i), 0);
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_SINGLE, 2, single("stale"), T0 + 9),
                     RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW);
    assert_int_equal(answer_generation(f, &f->last), 3);
    struct reload_kind_data data = fetch_all(f, home, KIND_TEST_SINGLE);
    assert_string_equal(text_at(f, &data, 0), "x");
    assert_int_equal(data.generation_counter, 3);
    /* "if the generation counter is nonzero, it equals the current value": a future one is refused, too */
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_SINGLE, 4, single("future"), T0 + 9),
                     RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW);
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_SINGLE, 3, single("right"), T0 + 9), 0);
    assert_int_equal(answer_generation(f, &f->last), 4);
}

static void test_replay_and_older_are_too_old(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("first"), T0);
    assert_int_equal(draft_send(&d, f->alice), 0);
    assert_int_equal(draft_send(&d, f->alice), RELOAD_ERROR_DATA_TOO_OLD); /* the very same message again */
    assert_int_equal(store_one(f, f->alice, d.resource, KIND_TEST_SINGLE, 0, single("older"), T0 - 1),
                     RELOAD_ERROR_DATA_TOO_OLD);
    struct reload_kind_data data = fetch_all(f, d.resource, KIND_TEST_SINGLE);
    assert_string_equal(text_at(f, &data, 0), "first");
    assert_int_equal(data.generation_counter, 1);
    assert_int_equal(storage_counters(f->storage)->refused_too_old, 2);
}

static void test_replayed_append_is_too_old(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_ARRAY, 0);
    draft_value(&d, f->alice, indexed(RELOAD_ARRAY_END, "once"), T0);
    assert_int_equal(draft_send(&d, f->alice), 0);
    assert_int_equal(draft_send(&d, f->alice), RELOAD_ERROR_DATA_TOO_OLD);
    assert_int_equal(fetch_all(f, d.resource, KIND_TEST_ARRAY).value_count, 1);
}

static void test_removed_value_cannot_be_replayed(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("gone"), T0);
    assert_int_equal(draft_send(&d, f->alice), 0);
    assert_int_equal(store_one(f, f->alice, d.resource, KIND_TEST_SINGLE, 0, removed(single("")), T0 + 1), 0);
    assert_int_equal(draft_send(&d, f->alice), RELOAD_ERROR_DATA_TOO_OLD);
    struct reload_kind_data data = fetch_all(f, d.resource, KIND_TEST_SINGLE);
    assert_int_equal(data.value_count, 1);
    assert_false(data.values[0].value.exists);
    assert_int_equal(data.values[0].signature.identity.type, RELOAD_IDENTITY_CERT_HASH); /* signed, not made up */
}

static void test_value_beyond_max_size_is_too_large(void **state)
{
    struct fixture *f = *state;
    char text[102];
    memset(text, 'x', 101);
    text[101] = 0;
    assert_untouched(f, store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single(text), T0),
                     RELOAD_ERROR_DATA_TOO_LARGE);
    text[100] = 0;
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single(text), T0), 0);
}

static void test_more_than_max_count_is_too_large(void **state)
{
    struct fixture *f = *state;
    struct id home = home_of(f->alice);
    assert_untouched(f, store_one(f, f->alice, home, KIND_TEST_ARRAY, 0, indexed(8, "x"), T0),
                     RELOAD_ERROR_DATA_TOO_LARGE);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(store_one(f, f->alice, home, KIND_TEST_ARRAY, 0, indexed(RELOAD_ARRAY_END, "x"), T0 + i), 0);
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_ARRAY, 0, indexed(RELOAD_ARRAY_END, "x"), T0 + 9),
                     RELOAD_ERROR_DATA_TOO_LARGE);
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_ARRAY, 0, indexed(7, "y"), T0 + 10), 0);
}

static void test_dictionary_is_bounded_for_all_and_for_one_node(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    uint64_t time = T0;
    for (uint64_t i = 0; i < f->options.node_slot_max; i++)
        assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0,
                                   keyed(vipr_key(f, f->alice, i), "a"), time++),
                         0);
    assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0,
                               keyed(vipr_key(f, f->alice, 99), "a"), time++),
                     RELOAD_ERROR_DATA_TOO_LARGE);
    assert_why(f, "too many values of one node here");
    for (uint64_t i = 0; i < f->options.node_slot_max; i++) /* 32 of the Kind in all */
        assert_int_equal(store_one(f, f->bob, resource, RELOAD_KIND_VIPR_REGISTRATION, 0,
                                   keyed(vipr_key(f, f->bob, i), "b"), time++),
                         0);
    assert_int_equal(store_one(f, f->carol, resource, RELOAD_KIND_VIPR_REGISTRATION, 0,
                               keyed(vipr_key(f, f->carol, 1), "c"), time++),
                     RELOAD_ERROR_DATA_TOO_LARGE);
    assert_why(f, "more values than max-count");
}

static void test_removed_values_are_bounded_too(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    storage_free(f->storage);
    f->options.removed_per_slot_max = 2;
    f->storage = NULL;
    fixture_restart(f);
    for (uint64_t i = 0; i < 2; i++)
        assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0,
                                   removed(keyed(vipr_key(f, f->alice, i), "")), T0),
                         0);
    assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0,
                               removed(keyed(vipr_key(f, f->alice, 9), "")), T0),
                     RELOAD_ERROR_DATA_TOO_LARGE);
}

static void test_forged_signature_is_forbidden(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    struct reload_stored_data *value = draft_value(&d, f->alice, single("signed"), T0);
    value->value.octets = slice_str("forged");
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(storage_counters(f->storage)->refused_signature, 1);
    assert_int_equal(f->security->counters.refused_signature, 1);
}

static void test_signature_covers_resource_kind_and_time(void **state)
{
    struct fixture *f = *state;
    for (int what = 0; what < 3; what++) {
        struct draft d;
        draft_begin(&d, f, what == 0 ? (struct id){{9}} : home_of(f->alice), 0);
        draft_kind(&d, KIND_TEST_SINGLE, 0);
        struct reload_stored_data *value = draft_value(&d, f->alice, single("x"), T0);
        if (what == 0) /* signed for another resource */
            d.resource = home_of(f->alice);
        else if (what == 1) /* signed for another Kind */
            draft_sign(&d, f->alice, KIND_TEST_ARRAY, value);
        else
            value->storage_time_ms++;
        assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_FORBIDDEN);
    }
}

static void test_unsigned_value_is_forbidden(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    struct reload_stored_data *value = draft_value(&d, f->alice, single("x"), T0);
    value->signature = (struct reload_signature){.identity = {.type = RELOAD_IDENTITY_NONE}};
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(storage_counters(f->storage)->refused_unsigned, 1);
}

static void test_missing_certificate_is_forbidden(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("x"), T0);
    d.block.certificate_count = 0;
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(f->security->counters.refused_unknown, 1);
}

static void test_expired_and_banned_signers_are_forbidden(void **state)
{
    struct fixture *f = *state;
    fake_security_expire(f->security, (struct wall){NOON_MS - 1});
    assert_untouched(f, store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0),
                     RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(f->security->counters.refused_expired, 1);
    fake_security_expire(f->security, (struct wall){INT64_MAX});
    fake_security_ban(f->security, node_of(f->alice));
    assert_untouched(f, store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0),
                     RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(f->security->counters.refused_banned, 1);
}

/* A value signed by its owner, in a message of somebody else. */
static void test_requester_must_conform_too(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("x"), T0);
    assert_untouched(f, draft_send(&d, f->bob), RELOAD_ERROR_FORBIDDEN);
    assert_why(f, "the requester may not write here");
}

static void test_another_nodes_place_is_forbidden(void **state)
{
    struct fixture *f = *state;
    assert_untouched(f, store_one(f, f->bob, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0),
                     RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(storage_counters(f->storage)->refused_access, 1);
}

static void test_another_nodes_dictionary_key_is_forbidden(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    struct slice key = vipr_key(f, f->alice, 1);
    assert_untouched(f, store_one(f, f->bob, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(key, "x"), T0),
                     RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(key, "mine"), T0), 0);
    assert_int_equal(store_one(f, f->bob, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, removed(keyed(key, "")), T0 + 1),
                     RELOAD_ERROR_FORBIDDEN);
    struct reload_kind_data data = fetch_all(f, resource, RELOAD_KIND_VIPR_REGISTRATION);
    assert_int_equal(data.value_count, 1);
    assert_string_equal(text_at(f, &data, 0), "mine");
}

static void test_user_policies(void **state)
{
    struct fixture *f = *state;
    struct id alice_home = kind_hash(slice_str("alice@example.com"));
    struct id node = node_of(f->alice), other = node_of(f->bob);
    assert_int_equal(
        store_one(f, f->bob, alice_home, RELOAD_KIND_CERTIFICATE_BY_USER, 0, indexed(RELOAD_ARRAY_END, "c"), T0),
        RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(
        store_one(f, f->alice, alice_home, RELOAD_KIND_CERTIFICATE_BY_USER, 0, indexed(RELOAD_ARRAY_END, "c"), T0), 0);
    assert_int_equal(store_one(f, f->alice, alice_home, KIND_TEST_USERNODE, 0, keyed(id_slice(&other), "x"), T0),
                     RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(store_one(f, f->alice, alice_home, KIND_TEST_USERNODE, 0, keyed(id_slice(&node), "x"), T0), 0);
}

static void test_node_multiple_counts_from_one_to_its_maximum(void **state)
{
    struct fixture *f = *state;
    uint8_t name[ID_OCTETS + 1];
    struct id node = node_of(f->alice);
    memcpy(name, node.octets, ID_OCTETS);
    for (int i = 0; i <= 21; i++) {
        name[ID_OCTETS] = (uint8_t)i;
        uint16_t code = store_one(f, f->alice, kind_hash(slice_of(name, sizeof name)), RELOAD_KIND_TURN_SERVICE, 0,
                                  single("x"), T0);
        assert_int_equal(code, i >= 1 && i <= 20 ? 0 : RELOAD_ERROR_FORBIDDEN);
    }
}

/* cert_hash_node_id: each node of a certificate signs as itself only. */
static void test_certificate_with_several_nodes_signs_as_one(void **state)
{
    struct fixture *f = *state;
    struct id second = security_own(f->carol).cert->node_ids[1];
    assert_int_equal(store_one(f, f->carol, home_of(f->carol), KIND_TEST_SINGLE, 0, single("x"), T0), 0);
    struct reload_kind_data data = fetch_all(f, home_of(f->carol), KIND_TEST_SINGLE);
    assert_int_equal(data.values[0].signature.identity.type, RELOAD_IDENTITY_CERT_HASH_NODE_ID);
    assert_int_equal(store_one(f, f->carol, kind_hash(id_slice(&second)), KIND_TEST_SINGLE, 0, single("x"), T0),
                     RELOAD_ERROR_FORBIDDEN);
}

static void test_quota_refuses(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    f->quota_granted = false;
    assert_untouched(
        f,
        store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(vipr_key(f, f->alice, 1), "abc"), T0),
        RELOAD_ERROR_DATA_TOO_LARGE);
    assert_why(f, "quota of the Node-ID");
    assert_true(id_eq(f->claim.node, node_of(f->alice)));
    assert_int_equal(f->claim.usage.entries, 0);
    assert_int_equal(f->claim.adding_entries, 1);
    assert_int_equal(f->claim.adding_octets, 49 + 3 + 32);
    assert_false(f->claim.replica);
}

static void test_quota_is_asked_with_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    struct slice key = vipr_key(f, f->alice, 1);
    assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(key, "abc"), T0), 0);
    assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(key, "abcd"), T0 + 1), 0);
    assert_int_equal(f->claim.usage.entries, 1);
    assert_int_equal(f->claim.usage.octets, 49 + 3 + 32);
    assert_int_equal(f->claim.adding_entries, 0); /* it replaces its own */
    unsigned asked = f->claims;
    f->quota_granted = false; /* what is here can always be removed */
    assert_int_equal(
        store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, removed(keyed(key, "")), T0 + 2), 0);
    assert_int_equal(f->claims, asked);
    struct storage_usage usage;
    storage_usage(f->storage, node_of(f->alice), &usage);
    assert_int_equal(usage.entries, 0);
    assert_int_equal(usage.removed_entries, 1);
}

static void test_full_storage_refuses(void **state)
{
    struct fixture *f = *state;
    storage_free(f->storage);
    f->storage = NULL;
    f->options.entries_max = 1;
    fixture_restart(f);
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0), 0);
    assert_int_equal(store_one(f, f->bob, home_of(f->bob), KIND_TEST_SINGLE, 0, single("x"), T0),
                     RELOAD_ERROR_REQUEST_TIMEOUT);
    assert_int_equal(storage_counters(f->storage)->refused_full, 1);
}

/* What is being written counts until it is done, and no longer. */
static void test_octets_are_bounded_and_given_back(void **state)
{
    struct fixture *f = *state;
    storage_free(f->storage);
    f->storage = NULL;
    f->options.octets_max = 100; /* two values of 33 octets: the old one and its successor */
    fixture_restart(f);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0 + i), 0);
    memory_store_fail(f->store, 1, ERR_IO);
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0 + 10),
                     RELOAD_ERROR_REQUEST_TIMEOUT);
    assert_int_equal(store_one(f, f->bob, home_of(f->bob), KIND_TEST_SINGLE, 0, single("x"), T0), 0);
    assert_int_equal(store_one(f, f->carol, home_of(f->carol), KIND_TEST_SINGLE, 0, single("12"), T0 + 2), 0);
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("x"), T0 + 11),
                     RELOAD_ERROR_REQUEST_TIMEOUT);
    assert_why(f, "the storage of this peer is full");
}

static void test_malformed_requests(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("x"), T0);
    d.values[0][0].value.exists = false; /* with octets */
    draft_sign(&d, f->alice, KIND_TEST_SINGLE, &d.values[0][0]);
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_INVALID_MESSAGE);

    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_ARRAY, 0);
    draft_value(&d, f->alice, indexed(1, "x"), T0);
    draft_value(&d, f->alice, indexed(1, "y"), T0 + 1); /* two for one place */
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_INVALID_MESSAGE);

    draft_begin(&d, f, home_of(f->alice), 1);
    draft_kind(&d, KIND_TEST_SINGLE, 0); /* a copy with generation 0 */
    draft_value(&d, f->alice, single("x"), T0);
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_INVALID_MESSAGE);

    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    d.store.resource.n = 15;
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_INVALID_MESSAGE);
    d.store.resource.n = ID_OCTETS;
    d.store.kind_count = 0;
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_INVALID_MESSAGE);
    assert_int_equal(storage_counters(f->storage)->refused_malformed, 5);
}

/* "These operations MUST be atomic": the second value is bad, the first is not stored. */
static void test_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("good"), T0);
    draft_kind(&d, KIND_TEST_ARRAY, 0);
    draft_value(&d, f->alice, indexed(0, "good"), T0);
    draft_value(&d, f->alice, indexed(1, "bad"), T0)->value.octets = slice_str("BAD");
    assert_untouched(f, draft_send(&d, f->alice), RELOAD_ERROR_FORBIDDEN);
    d.kinds[1].value_count = 1;
    assert_int_equal(draft_send(&d, f->alice), 0);
    assert_int_equal(fetch_all(f, d.resource, KIND_TEST_SINGLE).value_count, 1);
    assert_int_equal(fetch_all(f, d.resource, KIND_TEST_ARRAY).value_count, 1);
}

static void test_arrays_are_sparse_and_append(void **state)
{
    struct fixture *f = *state;
    struct id home = home_of(f->alice);
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_ARRAY, 0, indexed(2, "X"), T0), 0);
    assert_int_equal(store_one(f, f->alice, home, KIND_TEST_ARRAY, 0, indexed(RELOAD_ARRAY_END, "Y"), T0 + 1), 0);
    struct reload_kind_data data = fetch_all(f, home, KIND_TEST_ARRAY);
    assert_int_equal(data.value_count, 4);
    assert_string_equal(text_at(f, &data, 0), "-");
    assert_true(reload_stored_data_is_unsigned(&data.values[0]));
    assert_string_equal(text_at(f, &data, 2), "X");
    assert_string_equal(text_at(f, &data, 3), "Y");
    assert_int_equal(data.values[3].value.index, 3); /* not the one it was sent with */
    struct security_signer signer;
    struct reload_security none = {0};
    assert_int_equal(security_verify_value(f->security, &none, id_slice(&home), KIND_TEST_ARRAY, &data.values[3],
                                           f->now.wall, &signer),
                     0);
}

/* ---- copies ---- */

static void send_copy(struct fixture *f, struct security *requester, uint64_t generation, const char *text,
                      uint64_t time, uint16_t expected)
{
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 1);
    draft_kind(&d, KIND_TEST_SINGLE, generation);
    draft_value(&d, f->alice, single(text), time);
    assert_int_equal(draft_send(&d, requester), expected);
}

static void test_copy_takes_the_generation_of_the_message(void **state)
{
    struct fixture *f = *state;
    f->responsible = false;
    send_copy(f, f->carol, 7, "copy", T0, 0);
    assert_int_equal(answer_generation(f, &f->last), 7);
    send_copy(f, f->carol, 9, "newer", T0 + 1, 0);
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.generation_counter, 9);
    assert_string_equal(text_at(f, &data, 0), "newer");
    struct storage_usage usage;
    storage_usage(f->storage, node_of(f->alice), &usage);
    assert_int_equal(usage.entries, 0);
    assert_int_equal(usage.replica_entries, 1);
    assert_true(f->claim.replica);
    assert_int_equal(storage_counters(f->storage)->replica_stores, 2);
}

/* A copy carries the counter on, but who sends copies cannot push it to its end. */
static void test_generation_cannot_be_pushed_far(void **state)
{
    struct fixture *f = *state;
    send_copy(f, f->carol, UINT64_MAX, "copy", T0, 0);
    assert_int_equal(answer_generation(f, &f->last), 1);
    send_copy(f, f->carol, 1 + (UINT64_C(1) << 32), "a long partition", T0 + 1, 0);
    assert_int_equal(answer_generation(f, &f->last), 1 + (UINT64_C(1) << 32));
    send_copy(f, f->carol, 2 + (UINT64_C(2) << 32), "too far", T0 + 2, 0);
    assert_int_equal(answer_generation(f, &f->last), 2 + (UINT64_C(1) << 32));
    assert_int_equal(storage_counters(f->storage)->generations_bounded, 2);
    f->responsible = true;
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("after"), T0 + 3), 0);
    assert_int_equal(answer_generation(f, &f->last), 3 + (UINT64_C(1) << 32));
}

/* Kept by somebody and sent as a copy long after it must have expired, or with a lifetime that was not its signer's. */
static void test_copy_lives_no_longer_than_its_signer_could_ask_for(void **state)
{
    struct fixture *f = *state;
    uint64_t max_ms = (uint64_t)f->options.lifetime_max_s * 1000;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 1);
    draft_kind(&d, KIND_TEST_SINGLE, 1);
    draft_value(&d, f->alice, single("old"), T0 - max_ms + 60000);
    d.values[0][0].lifetime_s = UINT32_MAX;
    assert_int_equal(draft_send(&d, f->carol), 0);
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.value_count, 1);
    assert_int_equal(data.values[0].lifetime_s, 60);
    fixture_advance(f, 61000);
    storage_tick(f->storage, f->now);
    assert_int_equal(draft_send(&d, f->carol), 0);
    assert_false(f->last.changed);
    data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_true(data.value_count == 0 || !data.values[0].value.exists);
    assert_int_equal(storage_counters(f->storage)->copies_too_old, 1);
}

/* Removed with a short lifetime: it does not come back when that ends before the value's own. */
static void test_removal_is_remembered_as_long_as_the_value_would_have_lived(void **state)
{
    struct fixture *f = *state;
    f->responsible = true;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, single("lives long"), T0);
    d.values[0][0].lifetime_s = 3600;
    assert_int_equal(draft_send(&d, f->alice), 0);
    draft_begin(&d, f, home_of(f->alice), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->alice, removed(single("")), T0 + 1);
    d.values[0][0].lifetime_s = 10;
    assert_int_equal(draft_send(&d, f->alice), 0);
    fixture_advance(f, 3000000);
    storage_tick(f->storage, f->now);
    send_copy(f, f->carol, 1, "lives long", T0, RELOAD_ERROR_DATA_TOO_OLD);
}

static void test_copy_without_duty_is_forbidden(void **state)
{
    struct fixture *f = *state;
    f->replica_duty = false;
    send_copy(f, f->carol, 7, "copy", T0, RELOAD_ERROR_FORBIDDEN);
    f->replica_duty = true;
    send_copy(f, f->bob, 7, "copy", T0, RELOAD_ERROR_FORBIDDEN); /* not a plausible sender */
    assert_untouched(f, f->last.code, RELOAD_ERROR_FORBIDDEN);
    assert_int_equal(storage_counters(f->storage)->refused_replica, 2);
}

static void test_copy_of_what_is_here_changes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("same"), T0), 0);
    uint64_t revision = f->last.revision;
    send_copy(f, f->carol, 1, "same", T0, 0);
    assert_false(f->last.changed);
    assert_int_equal(f->last.revision, revision);
    assert_false(memory_store_waits(f->store));
}

static void test_older_copy_does_not_overwrite(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("newer"), T0), 0);
    send_copy(f, f->carol, 5, "older", T0 - 1, RELOAD_ERROR_DATA_TOO_OLD); /* so that the sender fetches ours */
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_string_equal(text_at(f, &data, 0), "newer");
    assert_int_equal(data.generation_counter, 1);
}

/* What is newer in a message with older copies gets in. */
static void test_mixed_copies_are_merged(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_ARRAY, 0, indexed(0, "ours"), T0 + 5), 0);
    draft_begin(&d, f, home_of(f->alice), 2);
    draft_kind(&d, KIND_TEST_ARRAY, 3);
    draft_value(&d, f->alice, indexed(0, "older"), T0);
    draft_value(&d, f->alice, indexed(1, "new"), T0);
    assert_int_equal(draft_send(&d, f->carol), 0);
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_ARRAY);
    assert_string_equal(text_at(f, &data, 0), "ours");
    assert_string_equal(text_at(f, &data, 1), "new");
    assert_int_equal(storage_counters(f->storage)->replica_older_kept, 1);
}

static void test_forged_copy_is_forbidden(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_begin(&d, f, home_of(f->alice), 1);
    draft_kind(&d, KIND_TEST_SINGLE, 1);
    draft_value(&d, f->carol, single("not hers"), T0); /* a good signature of somebody who may not write here */
    assert_untouched(f, draft_send(&d, f->carol), RELOAD_ERROR_FORBIDDEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stores_and_answers_with_generation_and_replicas),
        TEST(test_not_responsible_is_not_found),
        TEST(test_without_duty_everything_is_refused),
        TEST(test_unknown_kinds_are_listed),
        TEST(test_stale_generation_gets_the_current_one),
        TEST(test_replay_and_older_are_too_old),
        TEST(test_replayed_append_is_too_old),
        TEST(test_removed_value_cannot_be_replayed),
        TEST(test_value_beyond_max_size_is_too_large),
        TEST(test_more_than_max_count_is_too_large),
        TEST(test_dictionary_is_bounded_for_all_and_for_one_node),
        TEST(test_removed_values_are_bounded_too),
        TEST(test_forged_signature_is_forbidden),
        TEST(test_signature_covers_resource_kind_and_time),
        TEST(test_unsigned_value_is_forbidden),
        TEST(test_missing_certificate_is_forbidden),
        TEST(test_expired_and_banned_signers_are_forbidden),
        TEST(test_requester_must_conform_too),
        TEST(test_another_nodes_place_is_forbidden),
        TEST(test_another_nodes_dictionary_key_is_forbidden),
        TEST(test_user_policies),
        TEST(test_node_multiple_counts_from_one_to_its_maximum),
        TEST(test_certificate_with_several_nodes_signs_as_one),
        TEST(test_quota_refuses),
        TEST(test_quota_is_asked_with_what_is_there),
        TEST(test_full_storage_refuses),
        TEST(test_octets_are_bounded_and_given_back),
        TEST(test_malformed_requests),
        TEST(test_all_or_nothing),
        TEST(test_arrays_are_sparse_and_append),
        TEST(test_copy_takes_the_generation_of_the_message),
        TEST(test_generation_cannot_be_pushed_far),
        TEST(test_copy_lives_no_longer_than_its_signer_could_ask_for),
        TEST(test_removal_is_remembered_as_long_as_the_value_would_have_lived),
        TEST(test_copy_without_duty_is_forbidden),
        TEST(test_copy_of_what_is_here_changes_nothing),
        TEST(test_older_copy_does_not_overwrite),
        TEST(test_mixed_copies_are_merged),
        TEST(test_forged_copy_is_forbidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
