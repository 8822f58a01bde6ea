/* Answers of DNS servers, octet by octet: aliases, pointers, what is cut off and what leads in circles. */
#include "base/buf.h"
#include "sip/dns_message.h"
#include "testing.h"

#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_SOA 6
#define TYPE_SRV 33
#define TYPE_NAPTR 35

static struct sip_dns_reply reply;

/* "\4host\4test" is a name without its end. */
static void put_name(struct buf *b, const char *labels)
{
    buf_put(b, labels, strlen(labels) + 1);
}

static void put_header(struct buf *b, uint16_t flags, uint16_t answers, uint16_t authorities, uint16_t type)
{
    buf_init(b, 65535);
    buf_u16(b, 7);
    buf_u16(b, flags);
    buf_u16(b, 1);
    buf_u16(b, answers);
    buf_u16(b, authorities);
    buf_u16(b, 0);
    put_name(b, "\4Host\4test"); /* at octet 12, "test" at 17 */
    buf_u16(b, type);
    buf_u16(b, 1);
}

/* With RDATA of so many octets, which the caller puts behind. */
static void put_record(struct buf *b, uint16_t type, uint32_t ttl, uint16_t octets)
{
    buf_u16(b, type);
    buf_u16(b, 1);
    buf_u32(b, ttl);
    buf_u16(b, octets);
}

static int decode(const struct buf *b, enum sip_dns_type type, struct fault *fault)
{
    return sip_dns_decode(buf_slice(b), type, &reply, fault);
}

static void put_srv_answer(struct buf *b)
{
    put_header(b, 0x8180, 3, 0, TYPE_SRV);
    put_name(b, "\4hOST\4TEST"); /* another spelling of the name */
    put_record(b, TYPE_CNAME, 50, 8);
    buf_put(b, "\5alias", 6);
    buf_u16(b, 0xc000 | 17);
    put_name(b, "\5alias\4test");
    put_record(b, TYPE_SRV, 40, 10);
    buf_u16(b, 1);
    buf_u16(b, 2);
    buf_u16(b, 5060);
    buf_put(b, "\1s", 2);
    buf_u16(b, 0xc000 | 17);
    put_name(b, "\5other\4test"); /* nobody asked for it */
    put_record(b, TYPE_SRV, 1, 7);
    buf_put(b, "\0\1\0\1\0\1", 6);
    buf_u8(b, 0);
}

static void test_alias_and_pointers(void **state)
{
    (void)state;
    struct buf b;
    put_srv_answer(&b);
    assert_int_equal(decode(&b, SIP_DNS_SRV, NULL), 0);
    assert_int_equal(reply.answer.err, 0);
    assert_int_equal(reply.answer.count, 1);
    assert_int_equal(reply.answer.ttl_s, 40);
    assert_int_equal(reply.records[0].priority, 1);
    assert_int_equal(reply.records[0].weight, 2);
    assert_int_equal(reply.records[0].port, 5060);
    assert_string_equal(reply.records[0].name, "s.test");
    buf_fini(&b);
}

static void test_every_cut_is_found(void **state)
{
    (void)state;
    struct buf b;
    put_srv_answer(&b);
    for (size_t n = 0; n < b.n; n++) {
        struct fault fault = {0};
        assert_int_equal(sip_dns_decode(slice_of(b.p, n), SIP_DNS_SRV, &reply, &fault), ERR_TRUNCATED);
        assert_non_null(fault.rule);
        assert_true(fault.octet <= n);
    }
    buf_fini(&b);
}

static void assert_refused(struct buf *b, enum sip_dns_type type, size_t octet)
{
    struct fault fault = {0};
    assert_int_equal(decode(b, type, &fault), ERR_SYNTAX);
    assert_int_equal(fault.octet, octet);
    buf_fini(b);
}

static void test_circles_and_pointers_ahead(void **state)
{
    (void)state;
    struct buf b;
    put_header(&b, 0x8180, 1, 0, TYPE_A);
    size_t at = b.n;
    buf_u16(&b, (uint16_t)(0xc000 | at)); /* to itself */
    assert_refused(&b, SIP_DNS_A, at + 2);
    put_header(&b, 0x8180, 1, 0, TYPE_A);
    buf_u16(&b, (uint16_t)(0xc000 | (at + 4)));
    assert_refused(&b, SIP_DNS_A, at + 2);
    put_header(&b, 0x8180, 1, 0, TYPE_A);
    buf_u8(&b, 0x80); /* no kind of label */
    buf_u8(&b, 12);
    assert_refused(&b, SIP_DNS_A, at + 2);
}

static void test_what_is_no_response(void **state)
{
    (void)state;
    struct buf b;
    put_header(&b, 0x0100, 0, 0, TYPE_A); /* a query */
    assert_refused(&b, SIP_DNS_A, 2);
    put_header(&b, 0x8180, 0, 0, TYPE_A);
    b.p[5] = 2; /* two questions */
    assert_refused(&b, SIP_DNS_A, 2);
    put_header(&b, 0x8180, 1, 0, TYPE_A);
    buf_u16(&b, 0xc000 | 12);
    put_record(&b, TYPE_A, 60, 5); /* an address of five octets */
    buf_put(&b, "\1\2\3\4\5", 5);
    assert_refused(&b, SIP_DNS_A, b.n - 1);
}

static void test_refusals_and_absence(void **state)
{
    (void)state;
    struct buf b;
    put_header(&b, 0x8182, 0, 0, TYPE_A); /* SERVFAIL */
    assert_int_equal(decode(&b, SIP_DNS_A, NULL), 0);
    assert_int_equal(reply.answer.err, ERR_IO);
    buf_fini(&b);
    for (uint16_t rcode = 0; rcode <= 3; rcode = (uint16_t)(rcode + 3)) {
        put_header(&b, 0x8180 | rcode, 0, 1, TYPE_A);
        buf_u16(&b, 0xc000 | 17);
        put_record(&b, TYPE_SOA, 900, 24);
        buf_put(&b, "\1n\0\0", 4);
        for (uint32_t i = 0; i < 4; i++)
            buf_u32(&b, 1000 + i);
        buf_u32(&b, 77); /* MINIMUM */
        assert_int_equal(decode(&b, SIP_DNS_A, NULL), 0);
        assert_int_equal(reply.answer.err, rcode ? ERR_NOT_FOUND : 0);
        assert_int_equal(reply.answer.count, 0);
        assert_int_equal(reply.answer.ttl_s, 77);
        buf_fini(&b);
    }
    put_header(&b, 0x8183, 0, 0, TYPE_A);
    assert_int_equal(decode(&b, SIP_DNS_A, NULL), 0);
    assert_int_equal(reply.answer.ttl_s, SIP_DNS_NEGATIVE_TTL_S);
    buf_fini(&b);
}

static void test_naptr(void **state)
{
    (void)state;
    struct buf b;
    put_header(&b, 0x8180, 2, 0, TYPE_NAPTR);
    static const char data[] = "\0\12\0\24\1S\7sip+D2u\0";
    for (int odd = 0; odd < 2; odd++) {
        buf_u16(&b, 0xc000 | 12);
        put_record(&b, TYPE_NAPTR, 0x80000000u, (uint16_t)(sizeof data - 1 + 3 + 2));
        buf_put(&b, data, sizeof data - 1);
        buf_put(&b, odd ? "\2 x" : "\2sx", 3);
        buf_u16(&b, 0xc000 | 12);
    }
    assert_int_equal(decode(&b, SIP_DNS_NAPTR, NULL), 0);
    assert_int_equal(reply.answer.count, 2);
    assert_int_equal(reply.answer.ttl_s, 0); /* RFC 2181 8 */
    const struct sip_dns_record *r = &reply.records[0];
    assert_int_equal(r->priority, 10);
    assert_int_equal(r->weight, 20);
    assert_int_equal(r->flags, 's');
    assert_string_equal(r->service, "SIP+D2U");
    assert_string_equal(r->name, "sx.host.test");
    assert_string_equal(reply.records[1].name, ""); /* a replacement that is no name: of no use */
    buf_fini(&b);
}

/* 127 labels of one octet are a name, of 253 octets; one more is none. */
static void test_longest_name(void **state)
{
    (void)state;
    for (unsigned labels = 127; labels <= 128; labels++) {
        struct buf b;
        buf_init(&b, 65535);
        buf_put(&b, "\0\7\x81\x80\0\1\0\0\0\0\0\0", 12);
        for (unsigned i = 0; i < labels; i++)
            buf_put(&b, "\1a", 2);
        buf_put(&b, "\0\0\1\0\1", 5);
        assert_int_equal(decode(&b, SIP_DNS_A, NULL), labels == 127 ? 0 : ERR_SYNTAX);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alias_and_pointers),
        cmocka_unit_test(test_every_cut_is_found),
        cmocka_unit_test(test_circles_and_pointers_ahead),
        cmocka_unit_test(test_what_is_no_response),
        cmocka_unit_test(test_refusals_and_absence),
        cmocka_unit_test(test_naptr),
        cmocka_unit_test(test_longest_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
