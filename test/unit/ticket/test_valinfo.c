/* ValInfo documents and the SIP URIs in them. */
#include "testing.h"
#include "ticket/valinfo.h"

static int parse(const char *xml, struct region *region, struct valinfo *v, struct fault *fault)
{
    region_init(region, 65536);
    return valinfo_parse(slice_str(xml), region, v, fault);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct valinfo v = {.ticket = slice_str("YWJj"), .route_count = 2};
    assert_true(e164_parse(slice_str("+17325552496"), &v.number));
    v.routes[0] = slice_str("sip:a&b@example.com:5061;maddr=192.0.2.1;transport=tcp");
    v.routes[1] = slice_str("sip:b@example.com:5061;maddr=[2001:db8::1];transport=tcp");
    struct buf xml;
    buf_init(&xml, VALINFO_OCTETS_MAX);
    assert_int_equal(valinfo_format(&v, &xml), 0);

    struct region region;
    struct valinfo again;
    region_init(&region, 65536);
    assert_int_equal(valinfo_parse(buf_slice(&xml), &region, &again, NULL), 0);
    assert_string_equal(again.number.text, "+17325552496");
    assert_slice_text(again.ticket, "YWJj");
    assert_int_equal(again.route_count, 2);
    assert_slice_equal(again.routes[0], v.routes[0]);
    assert_slice_equal(again.routes[1], v.routes[1]);
    region_fini(&region);
    buf_fini(&xml);
}

/* The shape of the draft's example: attributes on the root, white space around URIs, several URIs in a route. */
static void test_the_draft_s_shape(void **state)
{
    (void)state;
    struct region region;
    struct valinfo v;
    assert_int_equal(parse("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                           "<valinfo xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n"
                           " xsi:noNamespaceSchemaLocation=\"valinfo.xsd\">\n"
                           " <number>+17325552496</number>\n <ticket>7has</ticket>\n"
                           " <route><SIPURI>\n  sip:17$z5==@example.com:2371;maddr=192.0.2.3\n "
                           "</SIPURI><SIPURI>second</SIPURI></route>\n"
                           " <extension>x</extension></valinfo>",
                           &region, &v, NULL),
                     0);
    assert_int_equal(v.route_count, 2);
    assert_slice_text(v.routes[0], "sip:17$z5==@example.com:2371;maddr=192.0.2.3");
    region_fini(&region);
}

#define DOC(inner) "<valinfo>" inner "</valinfo>"
#define NUMBER "<number>+17325552496</number>"
#define TICKET "<ticket>7has</ticket>"
#define ROUTE "<route><SIPURI>sip:x</SIPURI></route>"

static void test_bad_documents(void **state)
{
    (void)state;
    static const struct {
        const char *xml;
        int err;
        const char *rule;
    } cases[] = {
        {"", ERR_TRUNCATED, "a valinfo"},
        {"<valinfo>", ERR_SYNTAX, "well-formed XML"},
        {"<other/>", ERR_SYNTAX, "the root element is valinfo, VAP 10.2"},
        {"<!DOCTYPE valinfo [<!ENTITY a \"b\">]>" DOC(NUMBER TICKET ROUTE), ERR_SYNTAX,
         "no document type in a valinfo"},
        {DOC(TICKET ROUTE), ERR_SYNTAX, "a valinfo has a number, VAP 10.2"},
        {DOC(NUMBER ROUTE), ERR_SYNTAX, "a valinfo has a ticket, VAP 10.2"},
        {DOC(NUMBER TICKET), ERR_SYNTAX, "a valinfo has a route, VAP 10.2"},
        {DOC(NUMBER NUMBER TICKET ROUTE), ERR_SYNTAX, "one number in a valinfo"},
        {DOC(NUMBER TICKET TICKET ROUTE), ERR_SYNTAX, "one ticket in a valinfo"},
        {DOC("<number>030</number>" TICKET ROUTE), ERR_RANGE, "number is E.164"},
        {DOC(NUMBER "<ticket><b/></ticket>" ROUTE), ERR_SYNTAX, "ticket in a valinfo, VAP 10.2"},
        {DOC(NUMBER "<ticket>&undeclared;</ticket>" ROUTE), ERR_SYNTAX, "well-formed XML"},
        {DOC(NUMBER TICKET "<route/>"), ERR_SYNTAX, "a route has a SIPURI, VAP 10.2"},
        {DOC(NUMBER TICKET "<route><SIPURI> </SIPURI></route>"), ERR_SYNTAX, "SIPURI in a route, VAP 10.2"},
        {DOC(NUMBER TICKET ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE ROUTE
                 ROUTE ROUTE),
         ERR_LIMIT, "number of routes in a valinfo"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct region region;
        struct valinfo v;
        struct fault fault = {0};
        assert_int_equal(parse(cases[i].xml, &region, &v, &fault), cases[i].err);
        assert_string_equal(fault.rule, cases[i].rule);
        region_fini(&region);
    }
}

static void test_route_uris(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        size_t octet;
    } cases[] = {
        {"sip:agent@example.com:5061;maddr=192.0.2.1;transport=tcp", 0, 0},
        {"SIP:17ahhs$7zpaksux6z5==@example.com:2371;maddr=1.2.3.4", 0, 0},
        {"sip:a%20b@example.com:1;transport=TCP;maddr=[2001:db8::1]", 0, 0},
        {"sips:agent@example.com:5061;maddr=192.0.2.1;transport=tcp", ERR_SYNTAX, 0},
        {"sip:@example.com:5061;maddr=192.0.2.1;transport=tcp", ERR_SYNTAX, 4},
        {"sip:a b@example.com:5061;maddr=192.0.2.1;transport=tcp", ERR_SYNTAX, 4},
        {"sip:a%2@example.com:5061;maddr=192.0.2.1;transport=tcp", ERR_SYNTAX, 4},
        {"sip:agent@exa_mple.com:5061;maddr=192.0.2.1;transport=tcp", ERR_SYNTAX, 10},
        {"sip:agent@example.com;maddr=192.0.2.1;transport=tcp", ERR_SYNTAX, 10},
        {"sip:agent@example.com:0;maddr=192.0.2.1;transport=tcp", ERR_RANGE, 22},
        {"sip:agent@example.com:65536;maddr=192.0.2.1;transport=tcp", ERR_RANGE, 22},
        {"sip:agent@example.com:5061;transport=tcp", ERR_SYNTAX, 40},
        {"sip:agent@example.com:5061;maddr=192.0.2;transport=tcp", ERR_SYNTAX, 27},
        {"sip:agent@example.com:5061;maddr=192.0.2.1:99;transport=tcp", ERR_SYNTAX, 27},
        {"sip:agent@example.com:5061;maddr=2001:db8::1;transport=tcp", ERR_SYNTAX, 27},
        {"sip:agent@example.com:5061;maddr=[2001:db8::1]:9;transport=tcp", ERR_SYNTAX, 27},
        {"sip:agent@example.com:5061;maddr=192.0.2.1;maddr=192.0.2.2", ERR_SYNTAX, 43},
        {"sip:agent@example.com:5061;maddr=192.0.2.1;transport=udp", ERR_SYNTAX, 43},
        {"sip:agent@example.com:5061;maddr=192.0.2.1;lr", ERR_SYNTAX, 43},
        {"sip:agent@example.com:5061;maddr=192.0.2.1;", ERR_SYNTAX, 43},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_uri uri;
        struct fault fault = {0};
        assert_int_equal(route_uri_parse(slice_str(cases[i].text), &uri, &fault), cases[i].err);
        if (cases[i].err)
            assert_int_equal(fault.octet, cases[i].octet);
    }
}

static void test_route_uri_parts(void **state)
{
    (void)state;
    struct route_uri uri;
    assert_int_equal(
        route_uri_parse(slice_str("sip:agent@b.example:5061;maddr=[2001:db8::1];transport=tcp"), &uri, NULL), 0);
    assert_slice_text(uri.agent_id, "agent");
    assert_slice_text(uri.domain, "b.example");
    assert_int_equal(uri.port, 5061);
    assert_int_equal(uri.address.family, 6);
    assert_int_equal(uri.address.port, 5061);
    struct buf text;
    buf_init(&text, VALINFO_URI_OCTETS_MAX);
    assert_int_equal(route_uri_format(&uri, &text), 0);
    assert_slice_text(buf_slice(&text), "sip:agent@b.example:5061;maddr=[2001:db8::1];transport=tcp");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_the_draft_s_shape),
        cmocka_unit_test(test_bad_documents),   cmocka_unit_test(test_route_uris),
        cmocka_unit_test(test_route_uri_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
