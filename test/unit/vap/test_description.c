/* Service descriptions: the draft's own form, hostile XML, and the way back. */
#include "testing.h"
#include "vap/description.h"
#include "vap/message.h"

#define OPEN                                                                                   \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<service-description"                         \
    " xmlns=\"http://www.cisco.com/namespaces/saf-uc\" id=\"has7gg\" schemaVersion=\"1.0\">\n" \
    "<tns:vservice xmlns:tns=\"http://www.cisco.com/namespaces/viprtrunk\">\n"
#define CLOSE "</tns:vservice>\n</service-description>\n"
#define BASICS                                                                     \
    "<tns:DHTname>Quetzalcoatl</tns:DHTname>\n<tns:DIDCount>3670</tns:DIDCount>\n" \
    "<tns:domain>example.com</tns:domain>\n"
#define ROUTE                                                                                             \
    "<tns:route><tns:SIPURI>\n  sip:17ahhs7zpaksux6z5==@example.com:2371;maddr=192.0.2.4;transport=tcp\n" \
    "</tns:SIPURI></tns:route>\n"
#define WHITE \
    "<tns:whitelist><tns:domain>example.com</tns:domain><tns:domain>foo.example</tns:domain></tns:whitelist>\n"

static void test_the_form_of_the_draft(void **state)
{
    (void)state;
    struct vap_description d;
    struct fault fault;
    assert_int_equal(vap_description_parse(slice_str(OPEN BASICS WHITE ROUTE CLOSE), &d, &fault), 0);
    assert_string_equal(d.id, "has7gg");
    assert_string_equal(d.dht_name, VAP_PUBLIC_DHT);
    assert_int_equal(d.did_count, 3670);
    assert_string_equal(d.domain, "example.com");
    assert_int_equal(d.list_kind, VAP_LIST_WHITE);
    assert_int_equal(d.list_count, 2);
    assert_string_equal(d.list_domains[1], "foo.example");
    assert_int_equal(d.route_count, 1);
    assert_string_equal(d.routes[0], "sip:17ahhs7zpaksux6z5==@example.com:2371;maddr=192.0.2.4;transport=tcp");
    assert_true(vap_description_allows(&d, slice_str("Foo.Example")));
    assert_false(vap_description_allows(&d, slice_str("bar.example")));
    vap_description_fini(&d);
}

static void test_lists(void **state)
{
    (void)state;
    struct vap_description d;
    struct fault fault;
    const char *black = OPEN BASICS "<blacklist><domain>evil.example</domain></blacklist>" ROUTE CLOSE;
    assert_int_equal(vap_description_parse(slice_str(OPEN BASICS ROUTE CLOSE), &d, &fault), 0);
    assert_true(vap_description_allows(&d, slice_str("anything.example")));
    vap_description_fini(&d);
    assert_int_equal(vap_description_parse(slice_str(black), &d, &fault), 0);
    assert_false(vap_description_allows(&d, slice_str("evil.example")));
    assert_true(vap_description_allows(&d, slice_str("good.example")));
    vap_description_fini(&d);
}

static void test_strangers_are_ignored(void **state)
{
    (void)state;
    struct vap_description d;
    struct fault fault;
    const char *xml = OPEN BASICS
        "<!-- c --><x:y xmlns:x='urn:x'><x:route/></x:y><?pi?>"
        "<route a='b'><SIPURI>sip:<!-- c --><![CDATA[a&b]]></SIPURI><z/><SIPURI>sip:c</SIPURI></route>" CLOSE;
    assert_int_equal(vap_description_parse(slice_str(xml), &d, &fault), 0);
    assert_int_equal(d.route_count, 2);
    assert_string_equal(d.routes[0], "sip:a&b");
    assert_string_equal(d.routes[1], "sip:c");
    vap_description_fini(&d);
}

static void test_way_back(void **state)
{
    (void)state;
    static const char *routes[] = {"sip:a&b<c>\"d\"@example.com", "sip:b"};
    static const char *domains[] = {"evil.example"};
    const struct vap_description d = {
        .id = "a\"b\n",
        .schema_version = "1.0",
        .dht_name = "Quetzalcoatl",
        .did_count = 4294967295,
        .domain = "example.com",
        .list_kind = VAP_LIST_BLACK,
        .list_domains = domains,
        .list_count = 1,
        .routes = routes,
        .route_count = 2,
    };
    struct vap_description again;
    struct fault fault;
    struct buf first, second;
    buf_init(&first, 4096);
    buf_init(&second, 4096);
    vap_description_format(&d, &first);
    assert_int_equal(vap_description_parse(buf_slice(&first), &again, &fault), 0);
    assert_string_equal(again.id, d.id);
    assert_string_equal(again.routes[0], routes[0]);
    assert_int_equal(again.did_count, 4294967295);
    vap_description_format(&again, &second);
    assert_slice_equal(buf_slice(&first), buf_slice(&second));
    vap_description_fini(&again);
    buf_fini(&first);
    buf_fini(&second);
}

static void assert_refused(const char *xml, int err)
{
    struct vap_description d;
    struct fault fault = {0};
    assert_int_equal(vap_description_parse(slice_str(xml), &d, &fault), err);
    assert_non_null(fault.rule);
    assert_true(fault.octet <= strlen(xml));
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("", ERR_SYNTAX);
    assert_refused("<a", ERR_SYNTAX);
    assert_refused("<valinfo/>", ERR_SYNTAX);
    assert_refused("<service-description/>", ERR_SYNTAX);
    assert_refused(OPEN CLOSE, ERR_SYNTAX);
    assert_refused(OPEN BASICS CLOSE, ERR_SYNTAX);
    assert_refused(OPEN BASICS "<route/>" CLOSE, ERR_SYNTAX);
    assert_refused(OPEN BASICS "<route><SIPURI> </SIPURI></route>" CLOSE, ERR_RANGE);
    assert_refused(OPEN BASICS "<route><SIPURI><b/></SIPURI></route>" CLOSE, ERR_SYNTAX);
    assert_refused(OPEN BASICS "<domain>example.net</domain>" ROUTE CLOSE, ERR_SYNTAX);
    assert_refused(OPEN BASICS WHITE WHITE ROUTE CLOSE, ERR_SYNTAX);
    assert_refused(OPEN BASICS "<whitelist/>" ROUTE CLOSE, ERR_SYNTAX);
    assert_refused(OPEN "<DHTname>x</DHTname><DIDCount>-1</DIDCount><domain>a.b</domain>" ROUTE CLOSE, ERR_RANGE);
    assert_refused(OPEN "<DHTname>x</DHTname><domain>not a domain</domain>" ROUTE CLOSE, ERR_SYNTAX);
    assert_refused(OPEN "<domain>a.b</domain>" ROUTE CLOSE, ERR_SYNTAX);
}

static void test_document_types_and_entities_are_refused(void **state)
{
    (void)state;
    assert_refused("<!DOCTYPE service-description [<!ENTITY a \"aaaa\">]>" OPEN BASICS ROUTE CLOSE, ERR_SYNTAX);
    assert_refused("<!DOCTYPE x [<!ENTITY a \"b\">]><service-description><vservice><DHTname>&a;</DHTname><domain>a.b"
                   "</domain><route><SIPURI>x</SIPURI></route></vservice></service-description>",
                   ERR_SYNTAX);
    assert_refused("<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><service-description/>", ERR_SYNTAX);
    assert_refused(OPEN BASICS "<route><SIPURI>&xxe;</SIPURI></route>" CLOSE, ERR_SYNTAX);
}

static void test_limits(void **state)
{
    (void)state;
    struct vap_description d;
    struct fault fault;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_str(&b, OPEN BASICS);
    for (int i = 0; i < VAP_ROUTES_MAX; i++)
        buf_str(&b, "<route><SIPURI>sip:x</SIPURI></route>");
    size_t fits = b.n;
    buf_str(&b, CLOSE);
    assert_int_equal(vap_description_parse(buf_slice(&b), &d, &fault), 0);
    assert_int_equal(d.route_count, VAP_ROUTES_MAX);
    vap_description_fini(&d);
    b.n = fits;
    buf_str(&b, "<route><SIPURI>sip:x</SIPURI></route>" CLOSE);
    assert_int_equal(vap_description_parse(buf_slice(&b), &d, &fault), ERR_LIMIT);

    b.n = 0;
    while (b.n <= VAP_CONTENT_OCTETS_MAX)
        buf_u8(&b, ' ');
    assert_int_equal(vap_description_parse(buf_slice(&b), &d, &fault), ERR_LIMIT);

    /* Deep nesting and a long URI. */
    b.n = 0;
    for (int i = 0; i < 5000; i++)
        buf_str(&b, "<a>");
    assert_int_equal(vap_description_parse(buf_slice(&b), &d, &fault), ERR_SYNTAX);
    b.n = 0;
    buf_str(&b, OPEN BASICS "<route><SIPURI>");
    for (int i = 0; i <= VAP_URI_OCTETS_MAX; i++)
        buf_u8(&b, 'x');
    buf_str(&b, "</SIPURI></route>" CLOSE);
    assert_int_equal(vap_description_parse(buf_slice(&b), &d, &fault), ERR_RANGE);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_form_of_the_draft),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_strangers_are_ignored),
        cmocka_unit_test(test_way_back),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_document_types_and_entities_are_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
