/* The JSON writer: structure, escapes, octets that are no text. */
#include "base/counter.h"
#include "ctl/writer.h"
#include "testing.h"

#include <jansson.h>
#include <math.h>

#define SAMPLE_COUNTERS(X) X(good) X(bad)
COUNTERS_DECLARE(sample_counters, SAMPLE_COUNTERS)
COUNTERS_DEFINE(sample_counters, SAMPLE_COUNTERS)

static void test_structure(void **state)
{
    (void)state;
    struct buf out;
    struct ctl_writer w;
    struct addr none = {0}, a;
    struct id id = {{0xab, 1}};
    buf_init(&out, 10000);
    ctl_writer_init(&w, &out);
    ctl_put_integer(&w, "i", -5);
    ctl_put_unsigned(&w, "u", UINT64_MAX);
    ctl_put_boolean(&w, "b", true);
    ctl_put_real(&w, "r", 0.5);
    ctl_put_real(&w, "inf", (double)INFINITY);
    ctl_put_text(&w, "none", NULL);
    ctl_open_array(&w, "rows");
    ctl_open_object(&w, NULL);
    ctl_put_id(&w, "id", id);
    ctl_close(&w);
    ctl_open_object(&w, NULL);
    ctl_close(&w);
    ctl_put_integer(&w, NULL, 1);
    ctl_close(&w);
    assert_int_equal(addr_parse(slice_str("[::1]:5"), 0, &a), 0);
    ctl_put_addr(&w, "addr", &a);
    ctl_put_addr(&w, "no_addr", &none);
    ctl_put_time(&w, "x_at", (struct wall){0});
    ctl_put_time(&w, "y_at", (struct wall){1000});
    ctl_put_printf(&w, "p", "%d%%", 5);
    assert_int_equal(ctl_writer_end(&w), 0);
    assert_string_equal(
        buf_text(&out),
        "{\"i\":-5,\"u\":9223372036854775807,\"b\":true,\"r\":0.5,\"inf\":null,\"none\":null,\"rows\":[{\"id\":"
        "\"ab010000000000000000000000000000\"},{},1],\"addr\":\"[::1]:5\",\"no_addr\":null,\"x_at\":null,"
        "\"y_at\":\"1970-01-01T00:00:01Z\",\"p\":\"5%\"}");
    buf_fini(&out);
}

/* Any two octets as a text give JSON that a reader accepts. */
static void test_any_octets_give_json(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    for (unsigned v = 0; v < 0x10000; v++) {
        uint8_t text[6] = {(uint8_t)(v >> 8), (uint8_t)v, 0x80, 0xbf, 0x90, 'x'};
        struct ctl_writer w;
        buf_clear(&out);
        ctl_writer_init(&w, &out);
        ctl_put_slice(&w, "t", slice_of(text, sizeof text));
        assert_int_equal(ctl_writer_end(&w), 0);
        json_t *read = json_loadb((const char *)out.p, out.n, JSON_ALLOW_NUL, NULL);
        assert_non_null(read);
        json_decref(read);
    }
    buf_fini(&out);
}

static void test_text_survives(void **state)
{
    (void)state;
    static const char text[] = "a\"\\\n\x7f \xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\x9e";
    struct buf out;
    struct ctl_writer w;
    buf_init(&out, 10000);
    ctl_writer_init(&w, &out);
    ctl_put_text(&w, "t", text);
    assert_int_equal(ctl_writer_end(&w), 0);
    json_t *read = json_loadb((const char *)out.p, out.n, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(read, "t")), text);
    json_decref(read);
    buf_fini(&out);
}

static void test_limit_sticks(void **state)
{
    (void)state;
    struct buf out;
    struct ctl_writer w;
    buf_init(&out, 10);
    ctl_writer_init(&w, &out);
    ctl_put_text(&w, "key", "a long value");
    ctl_put_printf(&w, "key", "%s", "x");
    assert_int_equal(ctl_writer_end(&w), ERR_LIMIT);
    buf_fini(&out);
}

static void test_counters(void **state)
{
    (void)state;
    struct sample_counters counters = {.good = 3};
    struct buf out;
    struct ctl_writer w;
    buf_init(&out, 1000);
    ctl_writer_init(&w, &out);
    ctl_open_array(&w, "counters");
    ctl_put_counters(&w, "pvp", sample_counters_names, COUNTERS_VALUES(&counters));
    assert_int_equal(ctl_writer_end(&w), 0);
    assert_string_equal(buf_text(&out),
                        "{\"counters\":[{\"name\":\"pvp.good\",\"value\":3},{\"name\":\"pvp.bad\",\"value\":0}]}");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),     cmocka_unit_test(test_any_octets_give_json),
        cmocka_unit_test(test_text_survives), cmocka_unit_test(test_limit_sticks),
        cmocka_unit_test(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
