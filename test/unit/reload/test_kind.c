/* The table of Kinds and the access control policies (RFC 6940 sections 7.3, 11.1, 14.6). */
#include "reload/kind.h"

#include "crypt/digest.h"
#include "testing.h"

static struct id filled(uint8_t octet)
{
    struct id id;
    memset(id.octets, octet, sizeof id.octets);
    return id;
}

static void test_hash_is_the_front_of_sha1(void **state)
{
    (void)state;
    static const uint8_t abc[ID_OCTETS] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a,
                                           0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c};
    struct id hash = kind_hash(slice_str("abc"));
    assert_memory_equal(hash.octets, abc, sizeof abc);
}

static void test_registered_kinds(void **state)
{
    (void)state;
    struct kind kind;
    assert_int_equal(kind_registered(slice_str("TURN-SERVICE"), &kind), 0);
    assert_int_equal(kind.id, 2);
    assert_int_equal(kind.model, RELOAD_MODEL_SINGLE);
    assert_int_equal(kind.access, KIND_NODE_MULTIPLE);
    assert_int_equal(kind.max_node_multiple, 20);
    assert_int_equal(kind_registered(slice_str("CERTIFICATE_BY_NODE"), &kind), 0);
    assert_int_equal(kind.id, 3);
    assert_int_equal(kind.model, RELOAD_MODEL_ARRAY);
    assert_int_equal(kind.access, KIND_NODE_MATCH);
    assert_int_equal(kind_registered(slice_str("CERTIFICATE_BY_USER"), &kind), 0);
    assert_int_equal(kind.id, 0x10);
    assert_int_equal(kind.access, KIND_USER_MATCH);
    assert_int_equal(kind_registered(slice_str("VIPR-REGISTRATION"), &kind), 0);
    assert_int_equal(kind.id, 0xf0000001u);
    assert_int_equal(kind.model, RELOAD_MODEL_DICTIONARY);
    assert_int_equal(kind_registered(slice_str("SIP-REGISTRATION"), &kind), ERR_NOT_FOUND);
    assert_string_equal(kind_name(0x10), "CERTIFICATE_BY_USER");
    assert_null(kind_name(0x11));
}

static void test_words(void **state)
{
    (void)state;
    enum reload_model model;
    enum kind_access access;
    for (int i = KIND_USER_MATCH; i <= KIND_NODE_KEY_MATCH; i++) {
        assert_int_equal(kind_access_parse(slice_str(kind_access_name((enum kind_access)i)), &access), 0);
        assert_int_equal(access, i);
    }
    assert_int_equal(kind_access_parse(slice_str("EXP-MATCH"), &access), ERR_UNSUPPORTED);
    assert_int_equal(kind_model_parse(slice_str("DICTIONARY"), &model), 0);
    assert_int_equal(model, RELOAD_MODEL_DICTIONARY);
    assert_int_equal(kind_model_parse(slice_str("unknown"), &model), ERR_UNSUPPORTED);
    assert_int_equal(kind_model_parse(slice_str("dictionary"), &model), ERR_UNSUPPORTED);
}

static void test_table_adds_replaces_and_refuses(void **state)
{
    (void)state;
    struct kind_table table = {0};
    struct kind kind = {100, RELOAD_MODEL_SINGLE, KIND_NODE_MATCH, 1, 10, 0};
    assert_int_equal(kind_add(&table, &kind), 0);
    kind.max_size = 20;
    assert_int_equal(kind_add(&table, &kind), 0);
    assert_int_equal(table.n, 1);
    assert_int_equal(kind_find(&table, 100)->max_size, 20);
    assert_null(kind_find(&table, 101));
    struct reload_models models = kind_models(&table);
    assert_int_equal(models.model_of(models.ctx, 100), RELOAD_MODEL_SINGLE);
    assert_int_equal(models.model_of(models.ctx, 101), RELOAD_MODEL_UNKNOWN);

    struct kind bad[] = {
        {0, RELOAD_MODEL_SINGLE, KIND_NODE_MATCH, 1, 10, 0},
        {101, RELOAD_MODEL_UNKNOWN, KIND_NODE_MATCH, 1, 10, 0},
        {101, RELOAD_MODEL_SINGLE, KIND_NODE_MATCH, 0, 10, 0},
        {101, RELOAD_MODEL_SINGLE, KIND_NODE_MATCH, KIND_COUNT_MAX + 1, 10, 0},
        {101, RELOAD_MODEL_SINGLE, KIND_NODE_MATCH, 1, KIND_SIZE_MAX + 1, 0},
        {101, RELOAD_MODEL_SINGLE, KIND_NODE_MULTIPLE, 1, 10, 0},
        {101, RELOAD_MODEL_SINGLE, KIND_NODE_MULTIPLE, 1, 10, 256},
        {101, RELOAD_MODEL_ARRAY, KIND_USER_NODE_MATCH, 1, 10, 0}, /* "only with dictionary types" */
        {101, RELOAD_MODEL_SINGLE, KIND_NODE_KEY_MATCH, 1, 10, 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(kind_add(&table, &bad[i]), ERR_RANGE);
    for (uint32_t id = 101; id < 100 + KINDS_MAX; id++) {
        kind.id = id;
        assert_int_equal(kind_add(&table, &kind), 0);
    }
    kind.id = 999;
    assert_int_equal(kind_add(&table, &kind), ERR_LIMIT);
}

static bool may(enum kind_access access, struct id resource, const char *key, struct id node, const char *user)
{
    struct kind kind = {100, RELOAD_MODEL_DICTIONARY, access, 1, 10, 3};
    return kind_may_write(&kind, resource, slice_str(key), node, user);
}

static void test_matches_by_user_and_node(void **state)
{
    (void)state;
    struct id node = filled(0x61), other = filled(0x62);
    struct id user_home = kind_hash(slice_str("a@b")), node_home = kind_hash(id_slice(&node));
    const char *key = "aaaaaaaaaaaaaaaa"; /* 16 times 0x61 */
    assert_true(may(KIND_USER_MATCH, user_home, "", other, "a@b"));
    assert_false(may(KIND_USER_MATCH, user_home, "", other, "c@b"));
    assert_false(may(KIND_USER_MATCH, kind_hash(slice_str("")), "", other, "")); /* nobody */
    assert_true(may(KIND_NODE_MATCH, node_home, "", node, ""));
    assert_false(may(KIND_NODE_MATCH, node_home, "", other, ""));
    assert_true(may(KIND_USER_NODE_MATCH, user_home, key, node, "a@b"));
    assert_false(may(KIND_USER_NODE_MATCH, user_home, key, other, "a@b"));
    assert_false(may(KIND_USER_NODE_MATCH, user_home, key, node, "c@b"));
    assert_false(may(KIND_USER_NODE_MATCH, user_home, "aaaaaaaaaaaaaaa", node, "a@b"));
}

static void test_node_key_match_has_one_spelling(void **state)
{
    (void)state;
    struct id node = filled(0xab), anywhere = filled(1);
    static const char good[] = "abababababababababababababababab+0123456789abcdef";
    static const char *const bad[] = {
        "ABABABABABABABABABABABABABABABAB+0123456789abcdef",
        "abababababababababababababababab+0123456789ABCDEF",
        "abababababababababababababababab-0123456789abcdef",
        "abababababababababababababababab+0123456789abcde",
        "abababababababababababababababab+0123456789abcdeff",
        "abababababababababababababababaa+0123456789abcdef",
        "abababababababababababababababab+0123456789abcdeg",
        "abababababababababababababababab",
        "",
    };
    assert_true(may(KIND_NODE_KEY_MATCH, anywhere, good, node, ""));
    assert_false(may(KIND_NODE_KEY_MATCH, anywhere, good, filled(0xac), ""));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(may(KIND_NODE_KEY_MATCH, anywhere, bad[i], node, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_the_front_of_sha1),
        cmocka_unit_test(test_registered_kinds),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_table_adds_replaces_and_refuses),
        cmocka_unit_test(test_matches_by_user_and_node),
        cmocka_unit_test(test_node_key_match_has_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
