/* Forms: what clients send, what is allowed besides, and everything that is wrong. */
#include "enroll/form.h"
#include "testing.h"

#include <stdio.h>

#define TYPE "multipart/form-data; boundary=B"
#define FIELD(name, value) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"

static struct form parse(const char *type, struct slice body)
{
    struct form form;
    struct fault fault = {0};
    assert_int_equal(form_parse(slice_str(type), body, &form, &fault), 0);
    return form;
}

static void assert_field(const struct form *form, const char *name, const char *value)
{
    const struct form_field *field = form_find(form, name);
    assert_non_null(field);
    assert_slice_text(field->value, value);
}

static void test_fields(void **state)
{
    static const char body[] = FIELD("username", "ime1.example.com")
        FIELD("password", "") "--B\r\ncontent-type: application/pkcs10\r\nCONTENT-DISPOSITION: Form-Data; "
                              "filename=\"a;b\"; name=csr\r\nX-More: yes\r\n\r\n"
                              "\x30\x00\r\n--\r\n--A\r\n-\r\n--B--\r\nepilogue";
    (void)state;
    struct form form = parse(TYPE, slice_of(body, sizeof body - 1));
    assert_int_equal(form.n, 3);
    assert_field(&form, "username", "ime1.example.com");
    assert_field(&form, "password", "");
    const struct form_field *csr = form_find(&form, "csr");
    assert_slice_text(csr->content_type, "application/pkcs10");
    assert_slice_equal(csr->value, slice_of("\x30\x00\r\n--\r\n--A\r\n-", 14));
    assert_null(form_find(&form, "nodeids"));
}

static void test_boundaries(void **state)
{
    static const char *const types[] = {
        "multipart/form-data;boundary=B",
        "Multipart/Form-Data; charset=utf-8; BOUNDARY=\"B\" ; x=y",
        "multipart/form-data; a=\"b;boundary=C\"; boundary=B",
    };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct form form = parse(types[i], slice_str("preamble\r\n" FIELD("x", "1") "--B-- \r\n"));
        assert_field(&form, "x", "1");
    }
    struct form form =
        parse("multipart/form-data; boundary=\"with space(')+_,-./:=?x\"",
              slice_str("--with space(')+_,-./:=?x \t\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n"
                        "--with space(')+_,-./:=?x--"));
    assert_field(&form, "x", "1");
    form = parse(TYPE, slice_str("--B--"));
    assert_int_equal(form.n, 0);
}

static void assert_refused(const char *type, const char *body, int err)
{
    struct form form = {.n = 77};
    struct fault fault = {0};
    assert_int_equal(form_parse(slice_str(type), slice_str(body), &form, &fault), err);
    assert_int_equal(form.n, 77);
    assert_non_null(fault.rule);
    assert_true(fault.octet <= strlen(body));
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("", "--B--", ERR_UNSUPPORTED);
    assert_refused("application/x-www-form-urlencoded", "a=b", ERR_UNSUPPORTED);
    assert_refused("multipart/form-data", "--B--", ERR_SYNTAX);
    assert_refused("multipart/form-data; boundary=", "--B--", ERR_SYNTAX);
    assert_refused("multipart/form-data; boundary=\"B", "--B--", ERR_SYNTAX);
    assert_refused("multipart/form-data; boundary=\"B\"C", "--B--", ERR_SYNTAX);
    assert_refused("multipart/form-data; boundary=\"B \"", "--B --", ERR_SYNTAX);
    assert_refused("multipart/form-data; boundary=B\x01", "--B--", ERR_SYNTAX);
    assert_refused(
        "multipart/form-data; boundary=1234567890123456789012345678901234567890123456789012345678901234567890x",
        "--B--", ERR_SYNTAX);
    assert_refused(TYPE, "", ERR_SYNTAX);
    assert_refused(TYPE, "no boundary", ERR_SYNTAX);
    assert_refused(TYPE, "--Bx\r\n", ERR_SYNTAX);
    assert_refused(TYPE, "--B", ERR_SYNTAX);
    assert_refused(TYPE, "--B\r\n", ERR_SYNTAX);
    assert_refused(TYPE, "--B\r\n\r\nvalue\r\n--B--", ERR_SYNTAX);
    assert_refused(TYPE, "--B\r\nno colon\r\n\r\nvalue\r\n--B--", ERR_SYNTAX);
    assert_refused(TYPE, "--B\r\nContent-Disposition: attachment; name=x\r\n\r\nvalue\r\n--B--", ERR_SYNTAX);
    assert_refused(TYPE, "--B\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--B--", ERR_SYNTAX);
    assert_refused(TYPE, "--B\r\nContent-Disposition: form-data; name=\"x\\\"y\"\r\n\r\nvalue\r\n--B--", ERR_SYNTAX);
    assert_refused(TYPE, FIELD("x", "value"), ERR_SYNTAX);
    assert_refused(TYPE, FIELD("x", "value") "--C--", ERR_SYNTAX);
}

static void test_limits(void **state)
{
    char body[FORM_FIELDS_MAX * 80 + 8192];
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < FORM_FIELDS_MAX; i++)
        n += (size_t)sprintf(body + n, FIELD("f", "v"));
    sprintf(body + n, "--B--");
    struct form form = parse(TYPE, slice_str(body));
    assert_int_equal(form.n, FORM_FIELDS_MAX);
    n += (size_t)sprintf(body + n, FIELD("f", "v"));
    sprintf(body + n, "--B--");
    assert_refused(TYPE, body, ERR_LIMIT);

    n = (size_t)sprintf(body, "--B\r\nContent-Disposition: form-data; name=x\r\nX: ");
    memset(body + n, 'x', FORM_HEADER_OCTETS_MAX);
    strcpy(body + n + FORM_HEADER_OCTETS_MAX, "\r\n\r\n1\r\n--B--");
    assert_refused(TYPE, body, ERR_LIMIT);
}

/* Every part of a good form: refused or read, never beyond its end (the sanitizers watch a copy of exact length). */
static void test_truncated(void **state)
{
    static const char body[] = "pre\r\n" FIELD("a", "1") FIELD("b", "2") "--B--";
    (void)state;
    for (size_t n = 0; n < sizeof body - 1; n++) {
        uint8_t *copy = test_malloc(n + 1);
        struct form form;
        struct fault fault = {0};
        memcpy(copy, body, n);
        assert_int_equal(form_parse(slice_str(TYPE), slice_of(copy, n), &form, &fault), ERR_SYNTAX);
        assert_non_null(fault.rule);
        test_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_boundaries), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
