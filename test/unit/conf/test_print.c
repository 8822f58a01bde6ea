/* Printing: the example file is true (it parses to the defaults), and secrets stay inside. */
#include "sample.h"
#include "testing.h"

static void print_uncommented(struct buf *out)
{
    struct buf example;
    buf_init(&example, 100000);
    conf_print_defaults(&sample_table, &example);
    const char *line = buf_text(&example);
    for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
        bool text = line[0] == '#' && line[1] != ' ';
        buf_put(out, line + text, (size_t)(end - line) + 1 - text);
    }
    buf_fini(&example);
}

static void test_example_parses_when_uncommented(void **state)
{
    (void)state;
    struct buf text;
    struct buf errors;
    struct conf *c = NULL;
    buf_init(&text, 100000);
    buf_init(&errors, 100000);
    print_uncommented(&text);
    int err = conf_parse(&sample_table, "example", buf_slice(&text), &errors, &c);
    assert_string_equal(buf_text(&errors), "");
    assert_int_equal(err, 0);
    assert_true(conf_is_set(conf_section(c, "limits"), "interval"));
    assert_int_equal(conf_ms(conf_section(c, "limits"), "interval"), 3600000);
    assert_string_equal(conf_group_name(conf_next(c, "client", NULL)), "NAME");
    conf_free(c);
    buf_fini(&text);
    buf_fini(&errors);
}

static void test_example_documents_each_key(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 100000);
    conf_print_defaults(&sample_table, &text);
    assert_non_null(
        strstr(buf_text(&text), "\n# The threshold.\n# An integer from 1 to 255. Default: 24.\n#entropy = 24\n"));
    assert_non_null(strstr(buf_text(&text), "\n#[client NAME]\n"));
    for (const char *line = buf_text(&text); *line; line = strchr(line, '\n') + 1)
        assert_true(strchr(line, '\n') - line <= 80);
    buf_fini(&text);
}

static void test_effective_hides_secrets(void **state)
{
    (void)state;
    static const char file[] = "[ring]\nkey = 00ff\n[client a]\nuser = u\npassword = correct-horse\n";
    struct buf out;
    struct conf *c = NULL;
    buf_init(&out, 100000);
    assert_int_equal(conf_parse(&sample_table, "f", slice_str(file), &out, &c), 0);
    conf_print_effective(c, &out);
    assert_null(strstr(buf_text(&out), "00ff"));
    assert_null(strstr(buf_text(&out), "correct"));
    assert_non_null(strstr(buf_text(&out), "\nkey = (not shown)\n"));
    assert_non_null(strstr(buf_text(&out), "\nentropy = 24    ; default\n"));
    assert_non_null(strstr(buf_text(&out), "\n[client a]\nuser = u\npassword = (not shown)\n"));
    conf_free(c);
    buf_fini(&out);
}

static void assert_differs(const char *before, const char *after, const char *expected)
{
    struct buf out;
    struct conf *a = NULL, *b = NULL;
    buf_init(&out, 100000);
    assert_int_equal(conf_parse(&sample_table, "f", slice_str(before), &out, &a), 0);
    assert_int_equal(conf_parse(&sample_table, "f", slice_str(after), &out, &b), 0);
    conf_print_differences(a, b, &out);
    assert_string_equal(buf_text(&out), expected);
    conf_free(a);
    conf_free(b);
    buf_fini(&out);
}

static void test_differences(void **state)
{
    (void)state;
    assert_differs("# a\n[limits]\nentropy = 24\n", "[limits]\n# b\n", "");
    assert_differs("[limits]\nentropy = 25\n", "[limits]\noffset = 1\n",
                   "[limits] entropy: 24 instead of 25\n[limits] offset: 1 instead of -3\n");
    assert_differs("[ring]\ndomain = a.example\n", "[ring]\nnumber = +49\n",
                   "[ring] domain: not set any more\n[ring] number: +49\n");
    assert_differs("[ring]\nbootstrap = 192.0.2.1, 192.0.2.2\n", "[ring]\nbootstrap = 192.0.2.3, 192.0.2.2\n",
                   "[ring] bootstrap: 192.0.2.3 is new\n[ring] bootstrap: 192.0.2.1 is gone\n");
    assert_differs("[client a]\nuser = u\npassword = correct-horse\n[client b]\nuser = b\n",
                   "[client c]\nuser = c\npassword = other-horse\n[client a]\nuser = u\npassword = battery-staple\n",
                   "[client c]: the section is new\n[client c] user: c\n[client c] password: is set\n"
                   "[client a] password: another one\n[client b]: the section is gone\n");
}

static void test_manual_is_safe_for_roff(void **state)
{
    (void)state;
    static const struct conf_section section = {"s", false, ".first \\ word"};
    static const struct conf_table table = {.intro = "", .sections = &section, .section_count = 1, .key_count = 0};
    struct buf out;
    buf_init(&out, 1000);
    conf_print_man(&table, &out);
    assert_string_equal(buf_text(&out), ".SS [s]\n\\&.first \\e word\n");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_parses_when_uncommented), cmocka_unit_test(test_example_documents_each_key),
        cmocka_unit_test(test_effective_hides_secrets),         cmocka_unit_test(test_differences),
        cmocka_unit_test(test_manual_is_safe_for_roff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
