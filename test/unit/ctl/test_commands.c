/* The table of commands keeps its own rules; unknown words are explained; help and completion come from it. */
#include "ctl/args.h"
#include "ctl/help.h"
#include "testing.h"

static void test_table_keeps_its_rules(void **state)
{
    (void)state;
    for (size_t i = 0; ctl_command_at(i); i++) {
        const struct ctl_command *c = ctl_command_at(i);
        size_t args = 0;
        bool optional_seen = false;
        assert_true(c->programs);
        assert_int_equal(
            c->programs & ~(unsigned)(CTL_SERVER | CTL_ENROLL | CTL_AGENT | CTL_EDGE | CTL_PSTN | CTL_IMPAIR), 0);
        assert_non_null(c->help);
        for (const struct ctl_arg *arg = c->args; arg && arg->name; arg++, args++) {
            assert_non_null(arg->help);
            assert_true(arg->min <= arg->max);
            assert_true(arg->type != CTL_SWITCH || arg->flags & CTL_OPTION);
            if (arg->flags & CTL_OPTION)
                continue;
            /* What may be absent cannot stand before what may not. */
            assert_false(optional_seen && !(arg->flags & CTL_OPTIONAL));
            optional_seen = optional_seen || arg->flags & CTL_OPTIONAL;
        }
        assert_true(args <= CTL_ARGS_MAX);
        assert_true((c->rows == NULL) == (c->columns == NULL));
        for (size_t other = 0; other < i; other++)
            assert_string_not_equal(c->words, ctl_command_at(other)->words);
    }
}

static const struct ctl_command *find(const char *line, size_t *ret_own)
{
    char storage[200];
    const char *words[16];
    size_t n;
    assert_int_equal(ctl_split_line(line, storage, words, 16, &n), 0);
    return ctl_command_find(words, n, ret_own);
}

static void test_longest_match(void **state)
{
    (void)state;
    size_t own = 0;
    assert_string_equal(find("show pools", &own)->words, "show pools");
    assert_int_equal(own, 2);
    assert_string_equal(find("explain +4930123", &own)->words, "explain");
    assert_int_equal(own, 1);
    assert_string_equal(find("set ime validator local bucketentropy 3", &own)->words,
                        "set ime validator local bucketentropy");
    assert_int_equal(own, 5);
    assert_null(find("show", &own));
    assert_null(find("show pool", &own));
    assert_null(find("", &own));
}

static void assert_explained(const char *line, const char *expected)
{
    char storage[200];
    const char *words[16];
    size_t n;
    struct buf out;
    buf_init(&out, 10000);
    assert_int_equal(ctl_split_line(line, storage, words, 16, &n), 0);
    ctl_command_explain_unknown(words, n, &out);
    assert_string_equal(buf_text(&out), expected);
    buf_fini(&out);
}

static void test_unknown_words(void **state)
{
    (void)state;
    assert_explained("show pols", "no command `show pols`; did you mean `show pools`?");
    assert_explained("shwo routes", "no command `shwo`; did you mean `show routes`?");
    assert_explained("explian +4930123", "no command `explian`; did you mean `explain`?");
    assert_explained("ticket revoke", "no command `ticket revoke`; what may follow is: id, domain, number");
    assert_explained("ring", "no command `ring`; what may follow is: lookup, config, bans, ban, unban");
    assert_explained("xyzzyxyzzy", "no command `xyzzyxyzzy`; commands begin with: show, shutdown, explain, set, "
                                   "ticket, ring, wait, leave, enroll, agent, edge, impair");
}

static void test_programs(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    ctl_program_names(CTL_ENROLL, " and ", &out);
    assert_string_equal(buf_text(&out), "ime-enroll");
    buf_clear(&out);
    ctl_program_names(CTL_SERVER | CTL_ENROLL, " or ", &out);
    assert_string_equal(buf_text(&out), "ime-server or ime-enroll");
    buf_clear(&out);
    ctl_program_names(CTL_SERVER | CTL_ENROLL | CTL_AGENT, " and ", &out);
    assert_string_equal(buf_text(&out), "ime-server, ime-enroll and ime-agent");
    buf_fini(&out);
}

static void assert_usage(const char *line, const char *expected)
{
    size_t own;
    struct buf out;
    buf_init(&out, 10000);
    ctl_command_usage(find(line, &own), &out);
    assert_string_equal(buf_text(&out), expected);
    buf_fini(&out);
}

static void test_usage(void **state)
{
    (void)state;
    assert_usage("show status", "show status");
    assert_usage("explain", "explain NUMBER");
    assert_usage("set ime ticket password", "set ime ticket password [--file FILE] [--epoch N] [--as NAME]");
    assert_usage("enroll token add",
                 "enroll token add --server-id TEXT [--name NAME|IP]... [--expires DURATION] [--node-ids N]");
    assert_usage("show counters", "show counters [PREFIX] [--all]");
}

static void join(void *out, struct slice word)
{
    buf_printf(out, "%.*s ", SLICE_PRINT(word));
}

static void assert_completes(const char *line, const char *last, const char *expected)
{
    char storage[200];
    const char *words[16];
    size_t n;
    struct buf out;
    buf_init(&out, 10000);
    assert_int_equal(ctl_split_line(line, storage, words, 15, &n), 0);
    words[n++] = last;
    ctl_complete(words, n, join, &out);
    assert_string_equal(buf_text(&out), expected);
    buf_fini(&out);
}

static void test_completion(void **state)
{
    (void)state;
    assert_completes("", "s", "show shutdown set ");
    assert_completes("show", "c", "counters clients certificate calls ");
    assert_completes("set ime", "", "validator ticket ");
    assert_completes("ring config", "", "show load publish ");
    assert_completes("enroll token add", "--n", "--name --node-ids ");
    assert_completes("set ime ticket password", "-", "--file --epoch --as ");
    assert_completes("nonsense", "", "");
}

static void test_help(void **state)
{
    (void)state;
    const char *words[] = {"ticket", "revoke", "nothing"};
    struct buf out;
    buf_init(&out, 100000);
    ctl_help_list(&out);
    for (size_t i = 0; ctl_command_at(i); i++)
        assert_non_null(strstr(buf_text(&out), ctl_command_at(i)->words));
    buf_clear(&out);
    assert_int_equal(ctl_help_words(words, 2, &out), 0);
    assert_non_null(strstr(buf_text(&out), "ticket revoke domain DOMAIN [--as NAME]\n"));
    assert_null(strstr(buf_text(&out), "ticket rotate"));
    buf_clear(&out);
    assert_int_equal(ctl_help_words(words, 3, &out), ERR_NOT_FOUND);
    buf_clear(&out);
    ctl_help_man(&out);
    assert_non_null(strstr(buf_text(&out), "\n.B set ime validator local minimum\\-interval VALUE\n"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_keeps_its_rules),
        cmocka_unit_test(test_longest_match),
        cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
