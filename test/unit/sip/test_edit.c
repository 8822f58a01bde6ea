/* Edits: what is named changes, all else is the octets that came; new messages. (An edit without a change: test_rfc4475.c.) */
#include "vector.h"

#include "base/mem.h"
#include "sip/edit.h"

#include <string.h>

/* Unusual on purpose: folding, compact forms, odd white space, several values in a line. */
static const char invite[] = "INVITE sip:+4930123@a.example;user=phone SIP/2.0\r\n"
                             "v:  SIP/2.0/UDP one.example;branch=z9hG4bKa , SIP/2.0/TCP\r\n"
                             "  two.example\r\n"
                             "X-First :\tkept  as it is \r\n"
                             "Route: <sip:r1.example;lr>,\r\n"
                             "\t<sip:r2.example;lr>\r\n"
                             "Route:<sip:r3.example;lr>\r\n"
                             "f: \"A\" <sip:a@a.example>;tag=1\r\n"
                             "t: <sip:b@b.example>\r\n"
                             "i: call\r\n"
                             "CSeq: 1  INVITE\r\n"
                             "Subject:\r\n"
                             "c: application/sdp\r\n"
                             "l:  4\r\n"
                             "x-first: again\r\n"
                             "\r\n"
                             "v=0\n";

struct fixture {
    struct region region;
    struct sip_message m;
    struct sip_edit *e;
    struct buf out;
};

static void begin(struct fixture *f, const char *text)
{
    parse_good(&f->region, text, &f->m);
    f->e = sip_edit_new(&f->region, &f->m);
    assert_non_null(f->e);
    buf_init(&f->out, SIP_MESSAGE_OCTETS_MAX);
}

static void end(struct fixture *f)
{
    buf_fini(&f->out);
    region_fini(&f->region);
}

/* The message with each of the pairs' first text replaced by its second. */
static void assert_written(struct fixture *f, const char *const *pairs)
{
    char wanted[4096];
    snprintf(wanted, sizeof wanted, "%s", (const char *)f->m.octets.p);
    for (; pairs[0]; pairs += 2) {
        char *at = strstr(wanted, pairs[0]);
        assert_non_null(at);
        size_t old = strlen(pairs[0]), new = strlen(pairs[1]);
        memmove(at + new, at + old, strlen(at + old) + 1);
        memcpy(at, pairs[1], new);
    }
    assert_int_equal(sip_edit_write(f->e, &f->out), 0);
    assert_string_equal(buf_text(&f->out), wanted);
}

#define ASSERT_WRITTEN(f, ...) assert_written(f, (const char *const[]){__VA_ARGS__, NULL})

static void test_start_line(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, invite);
    sip_edit_uri(f.e, slice_str("sip:c@c.example"));
    sip_edit_uri(f.e, slice_str("sip:d@d.example"));
    ASSERT_WRITTEN(&f, "sip:+4930123@a.example;user=phone", "sip:d@d.example");
    sip_edit_status(f.e, 200, NULL);
    assert_int_equal(sip_edit_write(f.e, &f.out), ERR_WRONG_STATE);
    end(&f);
    begin(&f, "SIP/2.0 180 Klingelt\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 "
              "INVITE\r\n\r\n");
    sip_edit_status(f.e, 183, NULL);
    ASSERT_WRITTEN(&f, "180 Klingelt", "183 Session Progress");
    end(&f);
}

static void test_fields(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, invite);
    sip_edit_remove(f.e, sip_field_named(&f.m, "X-First"));
    sip_edit_value(f.e, sip_field_first(&f.m, SIP_CALL_ID), slice_str("other"));
    sip_edit_value(f.e, sip_field_first(&f.m, SIP_SUBJECT), slice_str(" one"));
    sip_edit_value(f.e, sip_field_first(&f.m, SIP_SUBJECT), slice_str(" two"));
    ASSERT_WRITTEN(&f, "X-First :\tkept  as it is \r\n", "", "i: call", "i: other", "Subject:", "Subject: two");
    end(&f);
}

static void test_set(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, invite);
    sip_edit_set(f.e, SIP_ROUTE, slice_str("<sip:x>"));
    sip_edit_set(f.e, SIP_MAX_FORWARDS, slice_str("69"));
    sip_edit_set(f.e, SIP_MAX_FORWARDS, slice_str("68"));
    sip_edit_set(f.e, SIP_CONTACT, slice_str("<sip:y>"));
    sip_edit_set_named(f.e, "X-FIRST", slice_str("one"));
    sip_edit_set_named(f.e, "User-Agent", slice_str("u"));
    ASSERT_WRITTEN(&f, "Route: <sip:r1.example;lr>,\r\n\t<sip:r2.example;lr>\r\nRoute:<sip:r3.example;lr>\r\n",
                   "Route: <sip:x>\r\n", "l:  4", "Max-Forwards: 68\r\nContact: <sip:y>\r\nUser-Agent: u\r\nl:  4",
                   "X-First :\tkept  as it is \r\n", "X-FIRST: one\r\n", "x-first: again\r\n", "");
    end(&f);
}

static void test_add(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, invite);
    sip_edit_prepend(f.e, SIP_VIA, slice_str("SIP/2.0/UDP first"));
    sip_edit_prepend(f.e, SIP_VIA, slice_str("SIP/2.0/UDP top"));
    sip_edit_prepend(f.e, SIP_RECORD_ROUTE, slice_str("<sip:rr>"));
    sip_edit_prepend(f.e, SIP_ROUTE, slice_str("<sip:r0>"));
    sip_edit_append(f.e, SIP_SUPPORTED, slice_str("timer"));
    sip_edit_append_named(f.e, "X-Last", slice_str(""));
    ASSERT_WRITTEN(&f, "v:  SIP", "Record-Route: <sip:rr>\r\nVia: SIP/2.0/UDP top\r\nVia: SIP/2.0/UDP first\r\nv:  SIP",
                   "Route: <sip:r1", "Route: <sip:r0>\r\nRoute: <sip:r1", "x-first: again\r\n",
                   "x-first: again\r\nSupported: timer\r\nX-Last: \r\n");
    sip_edit_remove_all(f.e, SIP_VIA);
    sip_edit_remove_all(f.e, SIP_ROUTE);
    sip_edit_append(f.e, SIP_ROUTE, slice_str("<sip:end>"));
    buf_clear(&f.out);
    ASSERT_WRITTEN(&f, "v:  SIP/2.0/UDP one.example;branch=z9hG4bKa , SIP/2.0/TCP\r\n  two.example\r\n",
                   "Record-Route: <sip:rr>\r\n",
                   "Route: <sip:r1.example;lr>,\r\n\t<sip:r2.example;lr>\r\nRoute:<sip:r3.example;lr>\r\n", "",
                   "x-first: again\r\n", "x-first: again\r\nSupported: timer\r\nX-Last: \r\nRoute: <sip:end>\r\n");
    end(&f);
}

/* One of several values, one parameter, one URI: the line around it stays. */
static void test_pieces(void **state)
{
    (void)state;
    struct fixture f;
    struct sip_via via;
    begin(&f, invite);
    struct sip_cursor c = sip_field_cursor(&f.m, sip_field_first(&f.m, SIP_VIA));
    assert_true(sip_read_via(&c, &via));
    sip_edit_replace(f.e, via.branch, slice_str("z9hG4bKb"));
    assert_true(sip_read_via(&c, &via));
    sip_edit_replace(f.e, via.host, slice_str("2.example"));
    sip_edit_replace(f.e, f.m.from.uri, slice_str("sip:anonymous@anonymous.invalid"));
    ASSERT_WRITTEN(&f, "z9hG4bKa", "z9hG4bKb", "  two.example", "  2.example", "sip:a@a.example",
                   "sip:anonymous@anonymous.invalid");
    end(&f);
}

/* A later change wins over those within its octets; what was removed stays removed. */
static void test_order(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, invite);
    const struct sip_field *from = sip_field_first(&f.m, SIP_FROM);
    sip_edit_replace(f.e, f.m.from.uri, slice_str("sip:x@x"));
    sip_edit_value(f.e, from, slice_str("<sip:y@y>"));
    sip_edit_replace(f.e, f.m.from.tag, slice_str("2"));
    ASSERT_WRITTEN(&f, "\"A\" <sip:a@a.example>;tag=1", "<sip:y@y>");
    sip_edit_remove(f.e, from);
    sip_edit_value(f.e, from, slice_str("<sip:z@z>"));
    buf_clear(&f.out);
    ASSERT_WRITTEN(&f, "f: \"A\" <sip:a@a.example>;tag=1\r\n", "");
    sip_edit_set(f.e, SIP_FROM, slice_str("<sip:w@w>"));
    buf_clear(&f.out);
    ASSERT_WRITTEN(&f, "f: \"A\" <sip:a@a.example>;tag=1", "From: <sip:w@w>");
    end(&f);
}

static void test_overlap(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct fixture f;
        begin(&f, invite);
        struct slice uri = f.m.uri;
        struct slice halves[2] = {slice_of(uri.p, 10), slice_of(uri.p + 5, 10)};
        sip_edit_replace(f.e, halves[late], slice_str("a"));
        sip_edit_replace(f.e, halves[!late], slice_str("b"));
        assert_int_equal(sip_edit_write(f.e, &f.out), ERR_CONFLICT);
        assert_int_equal(f.out.n, 0);
        end(&f);
    }
}

static void test_body(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, invite);
    sip_edit_body(f.e, slice_str("v=0\r\ns=longer\r\n"), (struct slice){NULL, 0});
    ASSERT_WRITTEN(&f, "l:  4", "l:  15", "\r\nv=0\n", "\r\nv=0\r\ns=longer\r\n");
    sip_edit_body(f.e, slice_str("x"), slice_str("text/plain"));
    buf_clear(&f.out);
    ASSERT_WRITTEN(&f, "c: application/sdp", "Content-Type: text/plain", "l:  4", "l:  1", "\r\nv=0\n", "\r\nx");
    sip_edit_body(f.e, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    buf_clear(&f.out);
    ASSERT_WRITTEN(&f, "c: application/sdp\r\n", "", "l:  4", "l:  0", "\r\nv=0\n", "\r\n");
    end(&f);
    begin(&f, "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 "
              "BYE\r\n\r\n");
    sip_edit_body(f.e, slice_str("x"), slice_str("text/plain"));
    ASSERT_WRITTEN(&f, "BYE\r\n\r\n", "BYE\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n\r\nx");
    end(&f);
}

/* No value brings another line with it. */
static void test_injection(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\r\nX: b", "a\nb", "a\rb", "a\r\n", "\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture f;
        begin(&f, invite);
        sip_edit_set(f.e, SIP_SUBJECT, slice_str(bad[i]));
        assert_int_equal(sip_edit_write(f.e, &f.out), ERR_RANGE);
        sip_put(&f.out, SIP_SUBJECT, slice_str(bad[i]));
        assert_int_equal(f.out.err, ERR_RANGE);
        buf_clear(&f.out);
        sip_put_text(&f.out, SIP_SUBJECT, "%s", bad[i]);
        assert_int_equal(f.out.err, ERR_RANGE);
        buf_clear(&f.out);
        sip_begin_request(&f.out, "BYE", slice_str(bad[i]));
        assert_int_equal(f.out.err, ERR_RANGE);
        end(&f);
    }
    struct fixture f;
    begin(&f, invite);
    sip_edit_set(f.e, SIP_SUBJECT, slice_str("a\r\n b"));
    ASSERT_WRITTEN(&f, "Subject:", "Subject: a\r\n b");
    end(&f);
}

static void edit_much(struct sip_edit *e, const struct sip_message *m)
{
    sip_edit_prepend(e, SIP_VIA, slice_str("SIP/2.0/UDP top"));
    sip_edit_uri(e, slice_str("sip:d@d.example"));
    sip_edit_set(e, SIP_ROUTE, slice_str("<sip:x>"));
    sip_edit_value(e, sip_field_first(m, SIP_CALL_ID), slice_str("other"));
    for (unsigned i = 0; i < 40; i++)
        sip_edit_append(e, SIP_SUPPORTED, slice_str("an-option-that-takes-some-room"));
    sip_edit_body(e, slice_str("xyz"), slice_str("text/plain"));
}

/* Each allocation fails once: the error comes out, nothing is half written. */
static void test_no_memory(void **state)
{
    (void)state;
    unsigned long nth = 1;
    for (int err = ERR_NO_MEMORY; err; nth++) {
        struct region region;
        struct sip_message m;
        struct buf out;
        region_init(&region, 65536);
        buf_init(&out, 65536);
        mem_fail_at(nth);
        err = sip_parse(&region, slice_str(invite), SIP_DATAGRAM, &m, NULL);
        struct sip_edit *e = err ? NULL : sip_edit_new(&region, &m);
        if (e)
            edit_much(e, &m);
        if (!err)
            err = e ? sip_edit_write(e, &out) : ERR_NO_MEMORY;
        mem_fail_at(0);
        assert_true(err == 0 || (err == ERR_NO_MEMORY && out.n == 0));
        buf_fini(&out);
        region_fini(&region);
    }
    assert_true(nth > 4);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f;
    static uint8_t large[SIP_MESSAGE_OCTETS_MAX];
    memset(large, 'a', sizeof large);
    begin(&f, invite);
    sip_edit_body(f.e, slice_of(large, sizeof large), (struct slice){NULL, 0});
    int err = sip_edit_write(f.e, &f.out);
    assert_true(err == ERR_LIMIT || err == ERR_NO_MEMORY); /* of the message, or of the region */
    assert_int_equal(f.out.n, 0);
    end(&f);
}

static void test_new_request(void **state)
{
    (void)state;
    struct region region;
    struct sip_message m;
    struct buf b;
    buf_init(&b, 4096);
    sip_begin_request(&b, "OPTIONS", slice_str("sip:b@b.example"));
    sip_put(&b, SIP_VIA, slice_str("SIP/2.0/UDP a.example;branch=z9"));
    sip_put_text(&b, SIP_MAX_FORWARDS, "%u", 70u);
    sip_put(&b, SIP_FROM, slice_str("<sip:a@a.example>;tag=1"));
    sip_put(&b, SIP_TO, slice_str("<sip:b@b.example>"));
    sip_put(&b, SIP_CALL_ID, slice_str("c"));
    sip_put_text(&b, SIP_CSEQ, "%u %s", 7u, "OPTIONS");
    sip_put_named(&b, "X-Thing", slice_str("y"));
    sip_end(&b, slice_str("body"));
    parse_good(&region, buf_text(&b), &m);
    assert_slice_text(m.body, "body");
    assert_int_equal(m.cseq.number, 7);
    assert_slice_text(sip_field_named(&m, "x-thing")->value, "y");
    region_fini(&region);
    buf_fini(&b);
}

static void test_answers(void **state)
{
    (void)state;
    static const char request[] = "INVITE sip:b SIP/2.0\r\nv: SIP/2.0/UDP a, SIP/2.0/UDP b\r\nVia: SIP/2.0/UDP c\r\n"
                                  "Record-Route: <sip:r;lr>\r\nf: <sip:a@a>;tag=1\r\nt: sip:b@b\r\nCall-ID: c\r\n"
                                  "CSeq: 1 INVITE\r\nTimestamp: 54\r\n\r\n";
#define COPIED "Via: SIP/2.0/UDP a, SIP/2.0/UDP b\r\nVia: SIP/2.0/UDP c\r\n"
#define REST "Call-ID: c\r\nCSeq: 1 INVITE\r\n"
    static const struct {
        unsigned status;
        const char *reason;
        const char *text;
    } rows[] = {
        {100, NULL,
         "SIP/2.0 100 Trying\r\n" COPIED "From: <sip:a@a>;tag=1\r\nTo: sip:b@b\r\n" REST "Timestamp: 54\r\n"},
        {180, "Klingelt",
         "SIP/2.0 180 Klingelt\r\n" COPIED
         "Record-Route: <sip:r;lr>\r\nFrom: <sip:a@a>;tag=1\r\nTo: sip:b@b;tag=2\r\n" REST},
        {486, NULL, "SIP/2.0 486 Busy Here\r\n" COPIED "From: <sip:a@a>;tag=1\r\nTo: sip:b@b;tag=2\r\n" REST},
    };
    struct fixture f;
    begin(&f, request);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_clear(&f.out);
        sip_begin_answer(&f.out, &f.m, rows[i].status, rows[i].reason, slice_str("2"));
        assert_string_equal(buf_text(&f.out), rows[i].text);
    }
    end(&f);
    begin(&f, "BYE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nRecord-Route: <sip:r;lr>\r\nFrom: <sip:a@a>;tag=1\r\n"
              "To: <sip:b@b>;tag=3\r\nCall-ID: c\r\nCSeq: 2 BYE\r\n\r\n");
    sip_begin_answer(&f.out, &f.m, 200, NULL, slice_str("2"));
    assert_string_equal(buf_text(&f.out), "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>;tag=1\r\n"
                                          "To: <sip:b@b>;tag=3\r\nCall-ID: c\r\nCSeq: 2 BYE\r\n");
    f.m.to = (struct sip_address){0}; /* the check did not come so far */
    buf_clear(&f.out);
    sip_begin_answer(&f.out, &f.m, 400, NULL, slice_str("2"));
    assert_non_null(strstr(buf_text(&f.out), "To: <sip:b@b>;tag=3\r\n"));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_line), cmocka_unit_test(test_fields), cmocka_unit_test(test_set),
        cmocka_unit_test(test_add),        cmocka_unit_test(test_pieces), cmocka_unit_test(test_order),
        cmocka_unit_test(test_overlap),    cmocka_unit_test(test_body),   cmocka_unit_test(test_injection),
        cmocka_unit_test(test_no_memory),  cmocka_unit_test(test_limits), cmocka_unit_test(test_new_request),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests_name("SIP edits", tests, NULL, NULL);
}
