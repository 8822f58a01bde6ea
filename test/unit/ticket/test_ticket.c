/* Tickets: what is encoded decodes to the same, every single bit counts, and the checks come in their order. */
#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "testing.h"
#include "ticket/ticket.h"
#include "tlv/tlv.h"

static const uint8_t key[TICKET_KEY_OCTETS] = {1, 2, 3};
static const struct wall not_before = {1767225600000};
static const struct wall not_after = {1767225600000 + INT64_C(31536000000)};

static struct ticket make(void)
{
    struct seeded_entropy seed = {7};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct ticket_grant grant = {.granting_domain = slice_str("B.Example"),
                                 .granted_to = slice_str("a.example"),
                                 .granting_node = {{9, 8, 7}},
                                 .not_before = not_before,
                                 .not_after = not_after};
    assert_true(e164_parse(slice_str("+4930123456"), &grant.number));
    struct ticket t;
    assert_int_equal(ticket_make(&grant, 3, key, &entropy, &t), 0);
    return t;
}

static struct ticket_use use_of(const char *number, const char *domain, int64_t ms)
{
    return (struct ticket_use){{ms}, slice_str(number), slice_str(domain)};
}

static void test_text_round_trip(void **state)
{
    (void)state;
    struct ticket t = make();
    struct ticket again;
    struct buf text;
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    assert_int_equal(ticket_format(&t, &text), 0);
    assert_int_equal(ticket_parse(buf_slice(&text), &again, NULL), 0);
    assert_int_equal(again.version, 1);
    assert_int_equal(again.epoch, 3);
    assert_memory_equal(again.unique_id, t.unique_id, sizeof t.unique_id);
    assert_int_equal(again.not_before.ms, not_before.ms);
    assert_int_equal(again.not_after.ms, not_after.ms);
    assert_string_equal(again.number.text, "+4930123456");
    assert_true(id_eq(again.granting_node, t.granting_node));
    assert_string_equal(again.granting_domain, "b.example");
    assert_string_equal(again.granted_to, "a.example");
    assert_memory_equal(again.integrity, t.integrity, sizeof t.integrity);

    struct buf second;
    buf_init(&second, TICKET_TEXT_OCTETS_MAX);
    assert_int_equal(ticket_format(&again, &second), 0);
    assert_slice_equal(buf_slice(&second), buf_slice(&text));
    buf_fini(&second);
    buf_fini(&text);
}

/* The integrity is the truncated HMAC over everything before its attribute: computed here by itself. */
static void test_integrity_is_the_reference_s(void **state)
{
    (void)state;
    struct ticket t = make();
    struct buf octets;
    buf_init(&octets, TICKET_OCTETS_MAX);
    assert_int_equal(ticket_encode(&t, &octets), 0);
    uint8_t mac[SHA256_OCTETS];
    hmac_sha256(slice_of(key, sizeof key), slice_of(octets.p, octets.n - 20), mac);
    assert_memory_equal(mac, octets.p + octets.n - 16, 16);
    static const uint8_t head[] = {0x60, 0x01, 0, 1, 1, 0, 0, 0, 0x60, 0x02, 0, 1, 3, 0, 0, 0, 0x60, 0x03, 0, 16};
    assert_memory_equal(octets.p, head, sizeof head);
    buf_fini(&octets);
}

static enum ticket_verdict verdict_on(struct slice octets, const struct ticket_use *use)
{
    struct buf text;
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    base64_append(&text, octets);
    enum ticket_verdict v = ticket_verify_with_key(buf_slice(&text), key, use, NULL);
    buf_fini(&text);
    return v;
}

static void test_every_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct ticket t = make();
    struct ticket_use use = use_of("+4930123456", "A.Example", not_before.ms + 1000);
    struct buf octets;
    buf_init(&octets, TICKET_OCTETS_MAX);
    assert_int_equal(ticket_encode(&t, &octets), 0);
    assert_int_equal(verdict_on(buf_slice(&octets), &use), TICKET_GOOD);
    for (size_t bit = 0; bit < 8 * octets.n; bit++) {
        octets.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum ticket_verdict v = verdict_on(buf_slice(&octets), &use);
        assert_true(v == TICKET_BAD_SYNTAX || v == TICKET_BAD_INTEGRITY);
        octets.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buf_fini(&octets);
}

static void test_checks_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        const char *domain;
        int64_t ms;
        enum ticket_verdict verdict;
    } cases[] = {
        {"+4930123456", "a.example", 1767225600000, TICKET_GOOD},
        {"+4930123456", "a.example", 1767225600000 + INT64_C(31536000000), TICKET_GOOD},
        {"+4930123456", "a.example", 1767225599999, TICKET_NOT_YET_VALID},
        {"+4930123456", "a.example", 1767225600001 + INT64_C(31536000000), TICKET_EXPIRED},
        {"+4930123457", "a.example", 1767225600000, TICKET_WRONG_NUMBER},
        {"+493012345", "a.example", 1767225600000, TICKET_WRONG_NUMBER},
        {"+4930123456", "c.example", 1767225600000, TICKET_WRONG_DOMAIN},
        {"+4930123456", "", 1767225600000, TICKET_WRONG_DOMAIN},
        {"+4930123457", "c.example", 1767225599999, TICKET_NOT_YET_VALID}, /* the period comes before the number */
        {"+4930123457", "c.example", 1767225600000, TICKET_WRONG_NUMBER},  /* the number before the domain */
    };
    struct ticket t = make();
    struct buf text;
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    assert_int_equal(ticket_format(&t, &text), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ticket_use use = use_of(cases[i].number, cases[i].domain, cases[i].ms);
        assert_int_equal(ticket_verify_with_key(buf_slice(&text), key, &use, NULL), cases[i].verdict);
    }
    struct ticket_use use = use_of("+4930123457", "c.example", 0);
    static const uint8_t other[TICKET_KEY_OCTETS] = {1, 2, 4};
    struct ticket explained;
    assert_int_equal(ticket_verify_with_key(buf_slice(&text), other, &use, &explained), TICKET_BAD_INTEGRITY);
    assert_string_equal(explained.granted_to, "a.example");
    buf_fini(&text);
}

/* What a fault says about changed octets. */
static void test_faults_have_places(void **state)
{
    (void)state;
    static const struct {
        size_t octet;
        uint8_t value;
        int err;
        size_t fault_octet;
        const char *rule;
    } cases[] = {
        {4, 2, ERR_UNSUPPORTED, 4, "ticket version is 1"},
        {12, 0, ERR_RANGE, 12, "ticket epoch is 1 to 255"},
        {5, 1, ERR_SYNTAX, 5, "attribute padding is zero, VAP 4"},
        {9, 0x09, ERR_SYNTAX, 8, "ticket epoch"},
        {19, 20, ERR_RANGE, 18, "ticket unique id"},
    };
    struct ticket t = make();
    struct buf octets;
    buf_init(&octets, TICKET_OCTETS_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault fault = {0};
        buf_clear(&octets);
        assert_int_equal(ticket_encode(&t, &octets), 0);
        octets.p[cases[i].octet] = cases[i].value;
        assert_int_equal(ticket_decode(buf_slice(&octets), &t, &fault), cases[i].err);
        assert_int_equal(fault.octet, cases[i].fault_octet);
        assert_string_equal(fault.rule, cases[i].rule);
    }
    struct fault fault = {0};
    assert_int_equal(ticket_parse(slice_str("AAA*"), &t, &fault), ERR_SYNTAX);
    assert_int_equal(fault.octet, 3);
    buf_fini(&octets);
}

static void test_truncated_and_extended(void **state)
{
    (void)state;
    struct ticket t = make();
    struct ticket out;
    struct buf octets;
    buf_init(&octets, TICKET_OCTETS_MAX + 4);
    assert_int_equal(ticket_encode(&t, &octets), 0);
    for (size_t n = 0; n < octets.n; n++)
        assert_int_equal(ticket_decode(slice_of(octets.p, n), &out, NULL), ERR_TRUNCATED);
    buf_u32(&octets, 0x60010000);
    assert_int_equal(ticket_decode(buf_slice(&octets), &out, NULL), ERR_SYNTAX);
    buf_fini(&octets);
}

static void test_nothing_else_can_be_granted(void **state)
{
    (void)state;
    struct seeded_entropy seed = {7};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct ticket t = make();
    struct ticket_grant grant = {.number = t.number,
                                 .granting_domain = slice_str("b.example"),
                                 .granted_to = slice_str("a example"),
                                 .not_before = not_before,
                                 .not_after = not_after};
    assert_int_equal(ticket_make(&grant, 3, key, &entropy, &t), ERR_RANGE);
    grant.granted_to = slice_str("a.example");
    grant.not_after = not_before;
    assert_int_equal(ticket_make(&grant, 3, key, &entropy, &t), ERR_RANGE);
    grant.not_after = not_after;
    assert_int_equal(ticket_make(&grant, 0, key, &entropy, &t), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_integrity_is_the_reference_s),
        cmocka_unit_test(test_every_flipped_bit_is_seen),
        cmocka_unit_test(test_checks_in_order),
        cmocka_unit_test(test_faults_have_places),
        cmocka_unit_test(test_truncated_and_extended),
        cmocka_unit_test(test_nothing_else_can_be_granted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
