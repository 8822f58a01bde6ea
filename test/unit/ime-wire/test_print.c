/* The tree writer: the same calls as text and as JSON. */
#include "testing.h"

#include "print.h"

static void build(bool json, struct buf *out)
{
    struct print p;
    print_init(&p, json, out);
    print_number(&p, "number", UINT64_MAX);
    print_object(&p, "group");
    print_bool(&p, "yes", true);
    print_code(&p, "code", 7, "store_req");
    print_code(&p, "unknown", 8, NULL);
    print_code_hex(&p, "kind", 16, 4, "K");
    print_number_hex(&p, "id", 0x2a, 4);
    print_end(&p);
    print_list(&p, "list");
    print_object(&p, NULL);
    print_octets(&p, "octets", slice_of("\x00\xff", 2));
    print_list(&p, "empty");
    print_end(&p);
    print_end(&p);
    print_object(&p, NULL);
    print_end(&p);
    print_code(&p, NULL, 1, "one");
    print_word(&p, NULL, "word");
    print_end(&p);
    print_time_ms(&p, "time", 1700000000000);
    print_time_ms(&p, "never", UINT64_MAX);
    print_fini(&p);
}

static void text_is_a_tree(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    build(false, &out);
    assert_slice_text(buf_slice(&out), "number: 18446744073709551615\n"
                                       "group:\n"
                                       "  yes: true\n"
                                       "  code: store_req (7)\n"
                                       "  unknown: 8\n"
                                       "  kind: K (0x00000010)\n"
                                       "  id: 0x0000002a\n"
                                       "list:\n"
                                       "  - octets: 00ff\n"
                                       "    empty: (none)\n"
                                       "  - (none)\n"
                                       "  - one (1)\n"
                                       "  - word\n"
                                       "time: 1700000000000 (2023-11-14T22:13:20Z)\n"
                                       "never: 18446744073709551615 (beyond all dates)\n");
    buf_fini(&out);
}

static void json_is_one_object(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    build(true, &out);
    assert_slice_text(buf_slice(&out), "{\"number\":18446744073709551615,"
                                       "\"group\":{\"yes\":true,\"code\":7,\"code_name\":\"store_req\",\"unknown\":8,"
                                       "\"kind\":16,\"kind_name\":\"K\",\"id\":\"0x0000002a\"},"
                                       "\"list\":[{\"octets\":\"00ff\",\"empty\":[]},{},1,\"word\"],"
                                       "\"time\":1700000000000,\"time_text\":\"2023-11-14T22:13:20Z\","
                                       "\"never\":18446744073709551615,\"never_text\":\"beyond all dates\"}\n");
    buf_fini(&out);
}

/* What a peer sent never reaches a terminal or a JSON parser as control characters or as broken UTF-8. */
static void text_from_outside_is_harmless(void **state)
{
    (void)state;
    static const struct {
        const char *octets;
        const char *text;
        const char *json;
    } cases[] = {
        {"plain", "t: \"plain\"\n", "{\"t\":\"plain\"}\n"},
        {"\"q\\", "t: \"\\\"q\\\\\"\n", "{\"t\":\"\\\"q\\\\\"}\n"},
        {"\xc3\xa9", "t: \"\xc3\xa9\"\n", "{\"t\":\"\xc3\xa9\"}\n"},
        {"\xf0\x9f\x93\x9e", "t: \"\xf0\x9f\x93\x9e\"\n", "{\"t\":\"\xf0\x9f\x93\x9e\"}\n"},
        {"\x1b[31m", "t_hex: 1b5b33316d\n", "{\"t_hex\":\"1b5b33316d\"}\n"},
        {"\x7f", "t_hex: 7f\n", "{\"t_hex\":\"7f\"}\n"},
        {"\xc2\x9b", "t_hex: c29b\n", "{\"t_hex\":\"c29b\"}\n"},                 /* a control character beyond ASCII */
        {"\xc0\xaf", "t_hex: c0af\n", "{\"t_hex\":\"c0af\"}\n"},                 /* not the shortest form */
        {"\xe0\x80\xaf", "t_hex: e080af\n", "{\"t_hex\":\"e080af\"}\n"},         /* nor this */
        {"\xed\xa0\x80", "t_hex: eda080\n", "{\"t_hex\":\"eda080\"}\n"},         /* a surrogate */
        {"\xf4\x90\x80\x80", "t_hex: f4908080\n", "{\"t_hex\":\"f4908080\"}\n"}, /* beyond Unicode */
        {"\xe2\x82", "t_hex: e282\n", "{\"t_hex\":\"e282\"}\n"},                 /* cut */
        {"", "t: \"\"\n", "{\"t\":\"\"}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int json = 0; json < 2; json++) {
            struct buf out;
            struct print p;
            buf_init(&out, 1000);
            print_init(&p, json, &out);
            print_text(&p, "t", slice_str(cases[i].octets));
            print_fini(&p);
            assert_slice_text(buf_slice(&out), json ? cases[i].json : cases[i].text);
            buf_fini(&out);
        }
}

static void long_octets_are_cut_for_people_alone(void **state)
{
    (void)state;
    uint8_t octets[33] = {0};
    for (int json = 0; json < 2; json++) {
        struct buf out;
        struct print p;
        buf_init(&out, 1000);
        print_init(&p, json, &out);
        print_octets(&p, "o", slice_of(octets, sizeof octets));
        print_octets(&p, "none", slice_of(octets, 0));
        print_fini(&p);
        assert_int_equal(out.n, json ? strlen("{\"o\":\"\",\"none\":\"\"}\n") + 66
                                     : strlen("o: … (33 octets)\nnone: (empty)\n") + 64);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_a_tree),
        cmocka_unit_test(json_is_one_object),
        cmocka_unit_test(text_from_outside_is_harmless),
        cmocka_unit_test(long_octets_are_cut_for_people_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
