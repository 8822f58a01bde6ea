/* Command lines: quoting, options, checks of values, secrets. */
#include "ctl/args.h"
#include "testing.h"

static void test_split(void **state)
{
    (void)state;
    static const char line[] = "  a \"b c\" 'd\\ \"e' f\\ g \"\" ";
    char storage[sizeof line];
    const char *words[8];
    size_t n = 0;
    assert_int_equal(ctl_split_line(line, storage, words, 8, &n), 0);
    assert_int_equal(n, 5);
    assert_string_equal(words[0], "a");
    assert_string_equal(words[1], "b c");
    assert_string_equal(words[2], "d\\ \"e");
    assert_string_equal(words[3], "f g");
    assert_string_equal(words[4], "");
    assert_int_equal(ctl_split_line("a 'b", storage, words, 8, &n), ERR_SYNTAX);
    assert_int_equal(ctl_split_line("a b c", storage, words, 2, &n), ERR_LIMIT);
}

/* Parses a line; on failure the reason is compared, on success the args are kept. */
static int take(const char *line, struct ctl_args *a, const char **ret_file, const char *expected)
{
    static char storage[2000];
    static const char *words[CTL_WORDS_MAX];
    size_t n = 0;
    struct buf why;
    buf_init(&why, 10000);
    assert_int_equal(ctl_split_line(line, storage, words, CTL_WORDS_MAX, &n), 0);
    int err = ctl_args_from_words(a, words, n, CTL_SERVER | CTL_ENROLL, ret_file, &why);
    assert_string_equal(buf_text(&why), expected);
    buf_fini(&why);
    return err;
}

static void assert_refused(const char *line, int err, const char *expected)
{
    struct ctl_args a;
    const char *file;
    assert_int_equal(take(line, &a, &file, expected), err);
}

static void test_values(void **state)
{
    (void)state;
    struct ctl_args a;
    const char *file;
    assert_int_equal(take("set ime validator local bucketentropy 255", &a, &file, ""), 0);
    assert_int_equal(ctl_args_integer(&a, "value"), 255);
    ctl_args_fini(&a);
    assert_int_equal(take("set ime validator local minimum-interval 1h30m", &a, &file, ""), 0);
    assert_int_equal(ctl_args_integer(&a, "value"), 5400000);
    ctl_args_fini(&a);
    assert_int_equal(take("enroll token add --name=a.example --server-id 'x 1' --name ::1 --node-ids 2", &a, &file, ""),
                     0);
    assert_string_equal(ctl_args_text(&a, "server-id"), "x 1");
    assert_string_equal(ctl_args_text_at(&a, "name", 0), "a.example");
    assert_string_equal(ctl_args_text_at(&a, "name", 1), "::1");
    assert_null(ctl_args_text_at(&a, "name", 2));
    assert_false(ctl_args_has(&a, "expires"));
    assert_int_equal(ctl_args_integer(&a, "node-ids"), 2);
    ctl_args_fini(&a);
    assert_int_equal(take("show counters --all pvp", &a, &file, ""), 0);
    assert_true(ctl_args_has(&a, "all"));
    assert_string_equal(ctl_args_text(&a, "prefix"), "pvp");
    ctl_args_fini(&a);
    assert_int_equal(take("show counters -- --all", &a, &file, ""), 0);
    assert_string_equal(ctl_args_text(&a, "prefix"), "--all");
    ctl_args_fini(&a);
}

/* A file's contents are an argument, its name is not. */
static void test_files(void **state)
{
    (void)state;
    struct ctl_args a;
    const char *file;
    struct buf why;
    buf_init(&why, 1000);
    assert_int_equal(take("ring config publish ring.xml --dry-run", &a, &file, ""), 0);
    assert_string_equal(file, "ring.xml");
    assert_false(ctl_args_has(&a, "file"));
    const struct ctl_arg *arg = ctl_command_apart(a.command);
    assert_string_equal(arg->name, "file");
    assert_int_equal(ctl_args_add(&a, arg, slice_of("a\0b", 3), &why), ERR_SYNTAX);
    assert_string_equal(buf_text(&why), "FILE must be a text file of 1 to 262144 octets");
    assert_int_equal(ctl_args_add(&a, arg, slice_str("\xff"), &why), ERR_SYNTAX);
    assert_int_equal(ctl_args_add(&a, arg, slice_str(""), &why), ERR_RANGE);
    assert_int_equal(ctl_args_add(&a, arg, slice_str("<a>\n\xc3\xbc</a>\n"), &why), 0);
    assert_string_equal(ctl_args_text(&a, "file"), "<a>\n\xc3\xbc</a>\n");
    ctl_args_fini(&a);
    buf_fini(&why);
    assert_refused("ring config publish", ERR_NOT_FOUND,
                   "FILE is missing: the configuration as `ring config show` prints it, edited; \"-\": standard input");
    assert_refused("ring config publish one two", ERR_SYNTAX, "too many arguments for `ring config publish`");
}

static void test_mistakes(void **state)
{
    (void)state;
    assert_refused("set ime validator local bucketentropy 256", ERR_RANGE,
                   "VALUE must be an integer from 1 to 255, not `256`");
    assert_refused("set ime validator local bucketentropy 0", ERR_RANGE,
                   "VALUE must be an integer from 1 to 255, not `0`");
    assert_refused("set ime validator local bucketentropy x", ERR_SYNTAX,
                   "VALUE must be an integer from 1 to 255, not `x`");
    assert_refused("set ime validator local bucketentropy", ERR_NOT_FOUND,
                   "VALUE is missing: the sum that a bucket must exceed; a validation is worth 12 or 8");
    assert_refused("set ime validator local minimum-interval 10", ERR_SYNTAX,
                   "VALUE must be a duration from 0 to 30d, not `10`");
    assert_refused("explain 0301234", ERR_SYNTAX,
                   "NUMBER must be a phone number as + and up to 15 digits, not `0301234`");
    assert_refused("explain +4930123 +4930124", ERR_SYNTAX, "too many arguments for `explain`");
    assert_refused("ticket revoke id 00ff", ERR_RANGE, "ID must be 32 hexadecimal digits, not `00ff`");
    assert_refused("ticket revoke id zz", ERR_SYNTAX, "ID must be 32 hexadecimal digits, not `zz`");
    assert_refused("ticket revoke domain -x-", ERR_SYNTAX, "DOMAIN must be a domain name, not `-x-`");
    assert_refused("enroll token add --server-id x --name 192.0.2.1:5", ERR_SYNTAX,
                   "--name must be a host name or an IP address, not `192.0.2.1:5`");
    assert_refused("enroll token add", ERR_NOT_FOUND,
                   "--server-id is missing: the server ID that may enroll, for example ime1.example.com");
    assert_refused("enroll token add --server-id", ERR_SYNTAX, "--server-id needs a value");
    assert_refused("enroll token add --server-id a --server-id b", ERR_EXISTS, "--server-id is given twice");
    assert_refused("enroll token add --servr-id a", ERR_NOT_FOUND,
                   "`enroll token add` has no option --servr-id; did you mean --server-id?");
    assert_refused("show counters --all=no", ERR_SYNTAX, "--all is given without a value");
    assert_refused(
        "show nothing", ERR_NOT_FOUND,
        "no command `show nothing`; what may follow is: status, counters, ring, peers, numbers, vcrs, pools, "
        "routes, validations, clients, certificate, settings, tickets, revocations, alarms, calls, trunks, prices");
}

static void test_secret_is_no_argument(void **state)
{
    (void)state;
    struct ctl_args a;
    const char *file;
    assert_int_equal(take("set ime ticket password --file /etc/pw --epoch 3", &a, &file, ""), 0);
    assert_string_equal(file, "/etc/pw");
    assert_false(ctl_args_has(&a, "password"));
    assert_int_equal(ctl_args_integer(&a, "epoch"), 3);

    struct buf why;
    buf_init(&why, 1000);
    const struct ctl_arg *password = &a.command->args[0];
    assert_int_equal(ctl_args_complete(&a, true, &why), ERR_NOT_FOUND);
    buf_clear(&why);
    assert_int_equal(ctl_args_add(&a, password, slice_str("short"), &why), ERR_RANGE);
    assert_string_equal(buf_text(&why), "PASSWORD must be 10 to 64 printable characters without spaces");
    assert_int_equal(ctl_args_add(&a, password, slice_str("with space in it"), &why), ERR_SYNTAX);
    assert_null(strstr(buf_text(&why), "space in it"));
    assert_int_equal(ctl_args_add(&a, password, slice_str("correct-horse"), &why), 0);
    assert_int_equal(ctl_args_complete(&a, true, &why), 0);
    buf_fini(&why);
    ctl_args_fini(&a);
    assert_refused("set ime ticket password correct-horse", ERR_SYNTAX,
                   "a password is never given as an argument; it is asked for, or read from --file FILE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_secret_is_no_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
