/* Bodies of several parts: what stands where, what is refused, and one part replaced with all around it as it came. */
#include "vector.h"

#include "base/mem.h"
#include "sip/edit.h"
#include "sip/multipart.h"

#define HEAD                                                                                                 \
    "INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\n" \
    "CSeq: 1 INVITE\r\nContent-Type: "

/* Unusual on purpose: preamble, padding, an epilogue with a delimiter in it, parts without header fields, a part that looks like an end. */
static const char body[] = "ignored\r\n"
                           "--x y  \r\n"
                           "\r\n"
                           "no head\r\n"
                           "--x y\r\n"
                           "Content-Type: text/plain\r\n"
                           "--x y\r\n"
                           "content-type : application/SDP;\r\n"
                           " a=b\r\n"
                           "Content-Disposition: session;handling=required\r\n"
                           "Content-Length: 5\r\n"
                           "X-Other:  kept  as it is\r\n"
                           "\r\n"
                           "v=0\r\n"
                           "\r\n"
                           "--x yz\r\n"
                           "--x y--z\r\n"
                           "\r\n"
                           "--x y-- \r\n"
                           "epilogue\r\n"
                           "--x y\r\n";
#define TYPE "multipart/mixed; boundary=\"x y\""

static void test_parts(void **state)
{
    (void)state;
    struct region region;
    struct sip_multipart m;
    struct fault fault = {0};
    region_init(&region, 65536);
    if (sip_multipart_parse(&region, slice_str(TYPE), slice_str(body), &m, &fault) < 0)
        fail_msg("octet %zu: %s", fault.octet, fault.rule);
    assert_int_equal(m.part_count, 3);
    assert_slice_text(m.boundary, "x y");
    assert_int_equal(m.parts[0].head.n, 0);
    assert_slice_text(m.parts[0].body, "no head");
    assert_int_equal(m.parts[0].type.n, 0);
    assert_slice_text(m.parts[1].head, "Content-Type: text/plain");
    assert_null(m.parts[1].body.p);
    assert_slice_text(m.parts[2].type, "application/SDP;\r\n a=b");
    assert_slice_text(m.parts[2].disposition, "session;handling=required");
    assert_slice_text(m.parts[2].length, "5");
    assert_slice_text(m.parts[2].body, "v=0\r\n\r\n--x yz\r\n--x y--z\r\n");
    region_fini(&region);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body;
        int err;
        size_t octet;
    } rows[] = {
        {"text/plain", "--a\r\n\r\n--a--", ERR_NOT_FOUND, 0},
        {"multipart", "", ERR_SYNTAX, 9},
        {"multipart/mixed", "--a\r\n\r\n--a--", ERR_SYNTAX, 15},
        {"multipart/mixed;boundary", "--\r\n\r\n----", ERR_SYNTAX, 24},
        {"multipart/mixed;boundary=\"\"", "--\r\n\r\n----", ERR_SYNTAX, 26},
        {"multipart/mixed;boundary=\"a \"", "--a\r\n\r\n--a--", ERR_SYNTAX, 26},
        {"multipart/mixed;boundary=a", "", ERR_TRUNCATED, 0},
        {"multipart/mixed;boundary=a", "--a\r\n\r\nx", ERR_TRUNCATED, 8},
        {"multipart/mixed;boundary=a", "--a--", ERR_SYNTAX, 0},
        {"multipart/mixed;boundary=a", "--a\r\nno colon\r\n\r\nx\r\n--a--", ERR_SYNTAX, 8},
        {"multipart/mixed;boundary=a", "--a\r\n: x\r\n\r\nx\r\n--a--", ERR_SYNTAX, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct region region;
        struct sip_multipart m;
        struct fault fault = {0};
        region_init(&region, 65536);
        int err = sip_multipart_parse(&region, slice_str(rows[i].type), slice_str(rows[i].body), &m, &fault);
        if (err != rows[i].err || fault.octet != rows[i].octet || (err != ERR_NOT_FOUND && !fault.rule))
            fail_msg("row %zu: %d at octet %zu: %s", i, err, fault.octet, fault.rule ? fault.rule : "-");
        region_fini(&region);
    }
}

static void test_limit(void **state)
{
    (void)state;
    struct region region;
    struct sip_multipart m;
    struct buf b;
    region_init(&region, 65536);
    buf_init(&b, 65536);
    for (unsigned i = 0; i <= SIP_PARTS_MAX; i++)
        buf_str(&b, "--a\n\nx\n");
    buf_str(&b, "--a--");
    assert_int_equal(sip_multipart_parse(&region, slice_str("multipart/mixed;boundary=a"), buf_slice(&b), &m, NULL),
                     ERR_LIMIT);
    buf_drop(&b, 7);
    assert_int_equal(sip_multipart_parse(&region, slice_str("multipart/mixed;boundary=a"), buf_slice(&b), &m, NULL), 0);
    assert_int_equal(m.part_count, SIP_PARTS_MAX);
    buf_fini(&b);
    region_fini(&region);
}

/* ---- in messages ---- */

struct fixture {
    struct region region;
    struct sip_message m;
    struct sip_body found;
    struct buf out;
};

static int find(struct fixture *f, const char *head, const char *content)
{
    char text[4096];
    snprintf(text, sizeof text, "%s\r\n\r\n%s", head, content);
    parse_good(&f->region, text, &f->m);
    struct slice kept = region_copy(&f->region, slice_str(text));
    assert_int_equal(sip_parse(&f->region, kept, SIP_DATAGRAM, &f->m, NULL), 0);
    buf_init(&f->out, 65536);
    return sip_body_find(&f->region, &f->m, "application", "sdp", &f->found, NULL);
}

static void end(struct fixture *f)
{
    buf_fini(&f->out);
    region_fini(&f->region);
}

static void test_single(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(find(&f, HEAD "application/sdp;x=y", "v=0\r\n"), 0);
    assert_int_equal(f.found.depth, 0);
    assert_slice_text(f.found.octets, "v=0\r\n");
    assert_int_equal(sip_body_replace(&f.m, &f.found, slice_str("new"), &f.out), 0);
    assert_string_equal(buf_text(&f.out), "new");
    end(&f);
    assert_int_equal(find(&f, HEAD "application/sdp\r\nContent-Encoding: gzip", "x"), ERR_UNSUPPORTED);
    end(&f);
    assert_int_equal(find(&f, HEAD "text/plain", "v=0\r\n"), ERR_NOT_FOUND);
    end(&f);
    assert_int_equal(find(&f, HEAD "application/sdp", ""), ERR_NOT_FOUND);
    end(&f);
    assert_int_equal(find(&f, HEAD "multipart/mixed;boundary=a", "--a\nContent-Type: application/sdp\n--a--"),
                     ERR_NOT_FOUND);
    end(&f);
    assert_int_equal(find(&f, HEAD "multipart/mixed;boundary=a", "--a\nContent-Type: application/sdp\n\n\n--a--"), 0);
    assert_int_equal(f.found.octets.n, 0);
    end(&f);
}

static void test_replaced(void **state)
{
    (void)state;
    struct fixture f;
    char wanted[1024];
    assert_int_equal(find(&f, HEAD TYPE, body), 0);
    assert_int_equal(f.found.depth, 1);
    assert_int_equal(sip_body_replace(&f.m, &f.found, slice_str("v=0\r\n\r\n--x yz\r\n--x y--z\r\nmore"), &f.out), 0);
    const char *at = strstr(body, "Length: 5"), *close = strstr(body, "\r\n--x y-- ");
    snprintf(wanted, sizeof wanted, "%.*sLength: 9%.*smore%s", (int)(at - body), body, (int)(close - at - 9), at + 9,
             close);
    assert_string_equal(buf_text(&f.out), wanted);
    buf_clear(&f.out);
    assert_int_equal(sip_body_replace(&f.m, &f.found, f.found.octets, &f.out), 0);
    assert_string_equal(buf_text(&f.out), body);
    buf_clear(&f.out);
    assert_int_equal(sip_body_replace(&f.m, &f.found, slice_str("a\n--x y\nb"), &f.out), ERR_CONFLICT);
    assert_int_equal(f.out.n, 0);
    end(&f);
}

static void test_nested(void **state)
{
    (void)state;
    struct fixture f;
    static const char nested[] = "--o\r\nContent-Type: multipart/alternative;boundary=i\r\nContent-Length: 83\r\n\r\n"
                                 "--i\r\nContent-Type: text/html\r\n\r\nv=1\r\n"
                                 "--i\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--i--\r\n\r\n--o--\r\n";
    assert_int_equal(find(&f, HEAD "multipart/mixed;boundary=o", nested), 0);
    assert_int_equal(f.found.depth, 2);
    assert_slice_text(f.found.octets, "v=0");
    assert_int_equal(sip_body_replace(&f.m, &f.found, slice_str("v="), &f.out), 0);
    assert_non_null(strstr(buf_text(&f.out), "Content-Length: 82\r\n"));
    assert_non_null(strstr(buf_text(&f.out), "\r\n\r\nv=\r\n--i--\r\n\r\n--o--\r\n"));
    buf_clear(&f.out);
    assert_int_equal(sip_body_replace(&f.m, &f.found, slice_str("--o"), &f.out), ERR_CONFLICT);
    assert_int_equal(sip_body_replace(&f.m, &f.found, slice_str("--i--"), &f.out), ERR_CONFLICT);
    end(&f);
}

static void test_too_deep(void **state)
{
    (void)state;
    for (unsigned depth = SIP_PART_DEPTH_MAX; depth <= SIP_PART_DEPTH_MAX + 1; depth++) {
        struct fixture f;
        struct buf b;
        buf_init(&b, 4096);
        for (unsigned i = 0; i < depth; i++)
            buf_printf(&b, "--%c\n%s%c\n\n", 'a' + (int)i,
                       i + 1 < depth ? "Content-Type: multipart/mixed;boundary=" : "Content-Type: application/sdp;x=",
                       'b' + (int)i);
        buf_str(&b, "v=0");
        for (unsigned i = depth; i-- > 0;)
            buf_printf(&b, "\n--%c--", 'a' + (int)i);
        assert_int_equal(find(&f, HEAD "multipart/mixed;boundary=a", buf_text(&b)),
                         depth > SIP_PART_DEPTH_MAX ? ERR_LIMIT : 0);
        buf_fini(&b);
        end(&f);
    }
}

static void test_encoded_part(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(find(&f, HEAD "multipart/mixed;boundary=a",
                          "--a\nContent-Type: application/sdp\nContent-Transfer-Encoding: base64\n\ndj0w\n--a--"),
                     ERR_UNSUPPORTED);
    end(&f);
    assert_int_equal(find(&f, HEAD "multipart/mixed;boundary=a",
                          "--a\nContent-Type: application/sdp\nContent-Transfer-Encoding: Binary\n\nv=0\n--a--"),
                     0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),    cmocka_unit_test(test_refused),      cmocka_unit_test(test_limit),
        cmocka_unit_test(test_single),   cmocka_unit_test(test_replaced),     cmocka_unit_test(test_nested),
        cmocka_unit_test(test_too_deep), cmocka_unit_test(test_encoded_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
