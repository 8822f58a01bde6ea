/* Parsing: values of every type, defaults, and what is said about each kind of mistake. */
#include "base/mem.h"
#include "sample.h"
#include "testing.h"

static struct conf *parse_good(const char *text)
{
    struct buf errors;
    struct conf *c = NULL;
    buf_init(&errors, 10000);
    int err = conf_parse(&sample_table, "sample.conf", slice_str(text), &errors, &c);
    if (err)
        fail_msg("%d: %s", err, buf_text(&errors));
    assert_int_equal(errors.n, 0);
    buf_fini(&errors);
    return c;
}

static void assert_complaint(const char *text, const char *expected)
{
    struct buf errors;
    struct conf *c = NULL;
    buf_init(&errors, 100000);
    assert_int_equal(conf_parse(&sample_table, "f", slice_str(text), &errors, &c), ERR_SYNTAX);
    assert_null(c);
    assert_string_equal(buf_text(&errors), expected);
    buf_fini(&errors);
}

static void test_defaults(void **state)
{
    (void)state;
    struct conf *c = parse_good("");
    const struct conf_group *ring = conf_section(c, "ring");
    const struct conf_group *limits = conf_section(c, "limits");
    char text[ADDR_TEXT_OCTETS];
    struct addr listen = conf_addr(ring, "listen");
    assert_string_equal(addr_format(&listen, text), "0.0.0.0:6084");
    assert_int_equal(conf_count(ring, "bootstrap"), 0);
    assert_int_equal(conf_addr(ring, "bootstrap").family, 0);
    assert_false(conf_has(ring, "key"));
    assert_int_equal(conf_hex(ring, "key").n, 0);
    assert_null(conf_text(ring, "domain"));
    assert_int_equal(conf_choice(ring, "role"), 0);
    assert_int_equal(conf_integer(limits, "entropy"), 24);
    assert_int_equal(conf_integer(limits, "offset"), -3);
    assert_int_equal(conf_ms(limits, "interval"), 3600000);
    assert_int_equal(conf_integer(limits, "memory"), 64 << 20);
    assert_true(conf_boolean(limits, "strict"));
    assert_true(conf_has(limits, "entropy"));
    assert_false(conf_is_set(limits, "entropy"));
    assert_null(conf_next(c, "client", NULL));
    conf_free(c);
}

static void test_values_of_every_type(void **state)
{
    (void)state;
    struct conf *c = parse_good("\xef\xbb\xbf# comment\r\n"
                                "[ring]  ; the ring\r\n"
                                "listen = [::1]:7000\n"
                                "bootstrap = 192.0.2.1, 192.0.2.2:99\n"
                                "bootstrap=192.0.2.3\n"
                                "role = client ; not a server\n"
                                "key = 00fF7a\n"
                                "domain = a.example\n"
                                "number = +4930123\n"
                                "[limits]\n"
                                "  entropy: 255\n"
                                "offset = -10\n"
                                "interval = 1m30s\n"
                                "memory = 2K\n"
                                "strict = OFF\n");
    const struct conf_group *ring = conf_section(c, "ring");
    const struct conf_group *limits = conf_section(c, "limits");
    char text[ADDR_TEXT_OCTETS];
    struct addr a = conf_addr(ring, "listen");
    assert_string_equal(addr_format(&a, text), "[::1]:7000");
    assert_int_equal(conf_count(ring, "bootstrap"), 3);
    a = conf_addr_at(ring, "bootstrap", 0);
    assert_string_equal(addr_format(&a, text), "192.0.2.1:6084");
    a = conf_addr_at(ring, "bootstrap", 1);
    assert_string_equal(addr_format(&a, text), "192.0.2.2:99");
    assert_string_equal(conf_text_at(ring, "bootstrap", 2), "192.0.2.3");
    assert_null(conf_text_at(ring, "bootstrap", 3));
    assert_int_equal(conf_choice(ring, "role"), 2);
    assert_slice_equal(conf_hex(ring, "key"), slice_of("\x00\xff\x7a", 3));
    assert_string_equal(conf_text(ring, "domain"), "a.example");
    assert_string_equal(conf_text(ring, "number"), "+4930123");
    assert_int_equal(conf_integer(limits, "entropy"), 255);
    assert_true(conf_is_set(limits, "entropy"));
    assert_int_equal(conf_integer(limits, "offset"), -10);
    assert_int_equal(conf_ms(limits, "interval"), 90000);
    assert_int_equal(conf_integer(limits, "memory"), 2048);
    assert_false(conf_boolean(limits, "strict"));
    conf_free(c);
}

static void test_named_sections_keep_their_order(void **state)
{
    (void)state;
    struct conf *c = parse_good("[client pbx2]\nuser=b\n[ring]\n[client pbx1]\nuser=a\npassword = p;ssw#rd1\n");
    const struct conf_group *g = conf_next(c, "client", NULL);
    assert_string_equal(conf_group_name(g), "pbx2");
    assert_int_equal(conf_group_line(g), 1);
    assert_string_equal(conf_text(g, "user"), "b");
    g = conf_next(c, "client", g);
    assert_string_equal(conf_group_name(g), "pbx1");
    assert_string_equal(conf_text(g, "password"), "p;ssw#rd1");
    assert_null(conf_next(c, "client", g));
    conf_free(c);
}

static void test_unknown_words_get_the_nearest_known(void **state)
{
    (void)state;
    assert_complaint("[rnig]\nanything = 1\n", "f:1: no section [rnig]; did you mean [ring]?\n");
    assert_complaint("[ring]\n\nlisen = 1.2.3.4\n", "f:3: [ring]: no key `lisen`; did you mean `listen`?\n");
    assert_complaint("[limits]\nzzzzzzzz = 1\n",
                     "f:2: [limits]: no key `zzzzzzzz`; the keys are: entropy, offset, interval, "
                     "memory, strict\n");
    assert_complaint("[zzzzzzzz]\n", "f:1: no section [zzzzzzzz]; the sections are: [ring], [limits], [client NAME]\n");
}

static void test_bad_values_say_what_is_allowed(void **state)
{
    (void)state;
    assert_complaint("[limits]\nentropy = 256\n",
                     "f:2: [limits] entropy: must be an integer from 1 to 255, not `256`\n");
    assert_complaint("[limits]\nentropy = 0x10\n",
                     "f:2: [limits] entropy: must be an integer from 1 to 255, not `0x10`\n");
    assert_complaint("[limits]\nentropy = 99999999999999999999\n",
                     "f:2: [limits] entropy: must be an integer from 1 to 255, not `99999999999999999999`\n");
    assert_complaint("[limits]\noffset = --1\n",
                     "f:2: [limits] offset: must be an integer from -10 to 10, not `--1`\n");
    assert_complaint("[limits]\ninterval = 10\n",
                     "f:2: [limits] interval: must be a duration from 1s to 1d, not `10`\n");
    assert_complaint("[limits]\ninterval = 999ms\n",
                     "f:2: [limits] interval: must be a duration from 1s to 1d, not `999ms`\n");
    assert_complaint("[limits]\nmemory = 1\n", "f:2: [limits] memory: must be a size from 1K to 1024G, not `1`\n");
    assert_complaint("[limits]\nstrict = maybe\n", "f:2: [limits] strict: must be yes or no, not `maybe`\n");
    assert_complaint("[ring]\nrole = king\n", "f:2: [ring] role: must be peer, bootstrap or client, not `king`\n");
    assert_complaint("[ring]\nlisten = example.com\n",
                     "f:2: [ring] listen: must be an address as IP or IP:PORT (IPv6: [IP]:PORT), "
                     "not `example.com`\n");
    assert_complaint("[ring]\ndomain = -\n", "f:2: [ring] domain: must be a domain name, not `-`\n");
    assert_complaint("[ring]\nnumber = 0301234\n",
                     "f:2: [ring] number: must be a phone number as + and up to 15 digits, not `0301234`\n");
    assert_complaint("[ring]\nbootstrap = 192.0.2.1,,\n",
                     "f:2: [ring] bootstrap: must be an address as IP or IP:PORT (IPv6: [IP]:PORT), not ``\n"
                     "f:2: [ring] bootstrap: must be an address as IP or IP:PORT (IPv6: [IP]:PORT), not ``\n");
}

static void test_secrets_are_not_repeated(void **state)
{
    (void)state;
    assert_complaint("[client a]\nuser = a\npassword = short\n",
                     "f:3: [client a] password: must be a text of 8 to 64 printable characters\n");
    assert_complaint("[ring]\nkey = 00fg\n", "f:2: [ring] key: must be 4 to 8 hexadecimal digits\n");
}

static void test_structure(void **state)
{
    (void)state;
    assert_complaint("listen = 1\n", "f:1: `listen` stands before the first [section]\n");
    assert_complaint("[ring\n", "f:1: the section's name ends with `]`\n");
    assert_complaint("[ring] x\n", "f:1: nothing may follow the `]`\n");
    assert_complaint("[ring x]\n", "f:1: [ring] takes no name\n");
    assert_complaint("[client]\n", "f:1: [client] needs a name: [client NAME]\n");
    assert_complaint("[ring]\n[limits]\n[ring]\n", "f:3: [ring] is there already, in line 1\n");
    assert_complaint("[client a]\nuser=x\n[client a]\n", "f:3: [client a] is there already, in line 1\n");
    assert_complaint("[ring]\nlisten\n", "f:2: [ring] listen: has no value (for the default, leave the line out)\n");
    assert_complaint("[ring]\nlisten = ; nothing\n",
                     "f:2: [ring] listen: has no value (for the default, leave the line out)\n");
    assert_complaint("[limits]\nentropy = 1\nentropy = 2\n", "f:3: [limits] entropy: is there already, in line 2\n");
    assert_complaint("[client a]\n", "f:1: [client a]: needs the key `user`: Its name.\n");
    assert_complaint("[ring]\ndata = a\001b\n", "f:2: a control character (octet 8 of the line)\n");
}

static void test_all_errors_are_collected(void **state)
{
    (void)state;
    assert_complaint("[limits]\nentropy = a\nstrict = b\n[nowhere]\nx = 1\n[ring]\nrole = c\n",
                     "f:2: [limits] entropy: must be an integer from 1 to 255, not `a`\n"
                     "f:3: [limits] strict: must be yes or no, not `b`\n"
                     "f:4: no section [nowhere]; the sections are: [ring], [limits], [client NAME]\n"
                     "f:7: [ring] role: must be peer, bootstrap or client, not `c`\n");
}

static void test_limits(void **state)
{
    (void)state;
    struct buf text;
    struct buf errors;
    struct conf *c = NULL;
    buf_init(&text, 2 * CONF_FILE_OCTETS_MAX);
    buf_init(&errors, 100000);
    buf_str(&text, "[ring]\ndata = ");
    while (text.n < 3000)
        buf_str(&text, "long");
    assert_int_equal(conf_parse(&sample_table, "f", buf_slice(&text), &errors, &c), ERR_SYNTAX);
    assert_string_equal(buf_text(&errors), "f:2: the line has more than 2047 octets\n");

    buf_clear(&text);
    buf_clear(&errors);
    for (unsigned i = 0; i <= CONF_GROUPS_MAX; i++)
        buf_printf(&text, "[client c%u]\nuser = u\n", i);
    assert_int_equal(conf_parse(&sample_table, "f", buf_slice(&text), &errors, &c), ERR_SYNTAX);
    assert_non_null(strstr(buf_text(&errors), "more than 1024 sections\n"));

    buf_clear(&text);
    buf_clear(&errors);
    buf_str(&text, "[nowhere]\n");
    for (unsigned i = 0; i < 1000; i++)
        buf_str(&text, "[nowhere]\n");
    assert_int_equal(conf_parse(&sample_table, "f", buf_slice(&text), &errors, &c), ERR_SYNTAX);
    assert_non_null(strstr(buf_text(&errors), "f: and more errors\n"));
    size_t lines = 0;
    for (size_t i = 0; i < errors.n; i++)
        lines += errors.p[i] == '\n';
    assert_int_equal(lines, CONF_ERRORS_MAX + 1);

    buf_clear(&errors);
    assert_non_null(buf_extend(&text, CONF_FILE_OCTETS_MAX));
    assert_int_equal(conf_parse(&sample_table, "f", buf_slice(&text), &errors, &c), ERR_SYNTAX);
    assert_string_equal(buf_text(&errors), "f: the file has more than 1048576 octets\n");
    buf_fini(&text);
    buf_fini(&errors);
}

/* Whichever allocation fails, the parse reports it and leaks nothing. */
static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = "[ring]\nkey = 00ff\nbootstrap = 192.0.2.1, 192.0.2.2\n[client a]\nuser = x\n";
    int err = ERR_NO_MEMORY;
    unsigned long nth = 0;
    while (err) {
        struct conf *c = NULL;
        struct buf errors;
        buf_init(&errors, 10000);
        mem_fail_at(++nth);
        err = conf_parse(&sample_table, "f", slice_str(text), &errors, &c);
        mem_fail_at(0);
        assert_true(err == 0 || err == ERR_NO_MEMORY);
        assert_int_equal(c != NULL, err == 0);
        conf_free(c);
        buf_fini(&errors);
        assert_true(nth < 10000);
    }
    assert_true(nth > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values_of_every_type),
        cmocka_unit_test(test_named_sections_keep_their_order),
        cmocka_unit_test(test_unknown_words_get_the_nearest_known),
        cmocka_unit_test(test_bad_values_say_what_is_allowed),
        cmocka_unit_test(test_secrets_are_not_repeated),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_all_errors_are_collected),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
