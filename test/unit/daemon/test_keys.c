/* Files with secrets in them, and the two ways to give a secret. */
#include "bin/daemon/keys.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct conf_section sections[] = {
    {"sample", false, "A daemon."},
    {"client", true, "One that may connect."},
};

static const struct conf_key keys[] = {
    DAEMON_KEY_DATA("sample", "/var/lib/sample", "Where its data is."),
    DAEMON_KEY_CONTROL("sample"),
    DAEMON_KEY_LOG_LEVEL("sample"),
    {"sample", "token", CONF_TEXT, CONF_SECRET, NULL, 1, 20, NULL, NULL, "Has no file of its own."},
    {"client", "password", CONF_TEXT, CONF_SECRET, NULL, 4, 8, NULL, NULL, "The password."},
    {"client", "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, NULL, "The file with the password."},
};

static const struct conf_table table = {
    .intro = "Sample.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

struct place {
    char folder[40], conf[60], secret[60];
    struct buf errors;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/ime-keys-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->conf, sizeof place->conf, "%s/sample.conf", place->folder);
    snprintf(place->secret, sizeof place->secret, "%s/secret", place->folder);
    buf_init(&place->errors, 10000);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    unlink(place->conf);
    unlink(place->secret);
    rmdir(place->folder);
    buf_fini(&place->errors);
    free(place);
    return 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

/* Writes the file and reads it; the errors must be these, "%s" standing for its path. */
static struct conf *read_conf(struct place *place, const char *text, mode_t mode, int err, const char *errors)
{
    struct conf *conf = NULL;
    char expected[500];
    write_file(place->conf, text, mode);
    buf_clear(&place->errors);
    assert_int_equal(daemon_read_conf(&table, place->conf, &place->errors, &conf), err);
    snprintf(expected, sizeof expected, errors, place->conf); /* NOLINT: the formats are literals of this file */
    assert_string_equal(buf_text(&place->errors), expected);
    return conf;
}

static void test_common_keys(void **state)
{
    struct conf *conf = read_conf(*state, "[sample]\nlog-level = debug\n", 0644, 0, "");
    const struct conf_group *g = conf_section(conf, "sample");
    assert_string_equal(conf_text(g, "data"), "/var/lib/sample");
    assert_string_equal(conf_text(g, "control"), "/run/ime/sample.sock");
    assert_int_equal(conf_choice(g, "log-level"), 4);
    conf_free(conf);
}

static void test_no_file(void **state)
{
    struct place *place = *state;
    struct conf *conf = NULL;
    assert_int_equal(daemon_read_conf(&table, "/nonexistent/sample.conf", &place->errors, &conf), ERR_NOT_FOUND);
    assert_string_equal(buf_text(&place->errors), "/nonexistent/sample.conf: there is no such file\n");
}

static void test_secret_in_an_open_file(void **state)
{
    static const char client[] = "[client one]\n[client two]\npassword = secret\n";
    conf_free(read_conf(*state, client, 0640, 0, ""));
    read_conf(*state, client, 0644, ERR_FORBIDDEN,
              "[client two] password: %s is open to everybody: chmod o= it, or use password-file\n");
    read_conf(*state, "[sample]\ntoken = secret\n", 0604, ERR_FORBIDDEN,
              "[sample] token: %s is open to everybody: chmod o= it\n");
    conf_free(read_conf(*state, "[client one]\npassword-file = /x\n", 0644, 0, ""));
}

/* The secret of [client one]. */
static void assert_secret(struct place *place, const char *lines, bool required, int err, const char *expected)
{
    char text[300], errors[300];
    const char *secret = "untouched";
    struct buf contents;
    snprintf(text, sizeof text, "[client one]\n%s\n", lines);
    struct conf *conf = read_conf(place, text, 0600, 0, "");
    buf_init(&contents, 4096);
    assert_int_equal(daemon_secret(conf_next(conf, "client", NULL), "client one", "password", required, 4, 8,
                                   &place->errors, &contents, &secret),
                     err);
    if (err) {
        snprintf(errors, sizeof errors, "[client one]: %s\n", expected);
        assert_string_equal(buf_text(&place->errors), errors);
        assert_string_equal(secret, "untouched");
    } else if (expected) {
        assert_string_equal(secret, expected);
    } else {
        assert_null(secret);
    }
    buf_fini_secret(&contents);
    conf_free(conf);
}

static void test_two_ways_to_give_a_secret(void **state)
{
    struct place *place = *state;
    char by_file[100], wrong[200];
    snprintf(by_file, sizeof by_file, "password-file = %s", place->secret);

    assert_secret(place, "password = inline", true, 0, "inline");
    assert_secret(place, "", false, 0, NULL);
    assert_secret(place, "", true, ERR_SYNTAX, "give either password-file or password");
    assert_secret(place, "password = inline\npassword-file = /x", false, ERR_SYNTAX,
                  "give either password-file or password");

    write_file(place->secret, "of-file\r\nsecond line\n", 0600);
    assert_secret(place, by_file, true, 0, "of-file");
    write_file(place->secret, "12345678", 0600);
    assert_secret(place, by_file, true, 0, "12345678");
    for (unsigned i = 0; i < 2; i++) {
        write_file(place->secret, i ? "123\nlong enough\n" : "123456789\n", 0600);
        snprintf(wrong, sizeof wrong, "%s: %s; it must hold 4 to 8 characters and have mode 0600", place->secret,
                 err_text(ERR_RANGE));
        assert_secret(place, by_file, true, ERR_RANGE, wrong);
    }
    write_file(place->secret, "of-file\n", 0640);
    snprintf(wrong, sizeof wrong, "%s: %s; it must hold 4 to 8 characters and have mode 0600", place->secret,
             err_text(ERR_FORBIDDEN));
    assert_secret(place, by_file, true, ERR_FORBIDDEN, wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_common_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secret_in_an_open_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_ways_to_give_a_secret, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
