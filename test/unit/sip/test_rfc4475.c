/* The torture messages of RFC 4475: what each of them must lead to. Sections are the RFC's. */
#include "vector.h"

#include "sip/edit.h"

/* Which step refuses it. */
enum step { NOBODY, PARSE, CHECK, FIELD };

struct row {
    const char *name;
    const char *section;
    enum step refused_by;
    unsigned status;       /* by CHECK of a request: with which it is answered; 0: dropped */
    size_t octet;          /* where */
    const char *rule;      /* why */
    enum sip_header field; /* by FIELD: which */
    void (*look)(const struct sip_message *m);
};

/* ---- what the RFC points out in the good ones ---- */

static struct sip_address address_of(const struct sip_message *m, enum sip_header header)
{
    struct sip_address address = {0};
    const struct sip_field *f = sip_field_first(m, header);
    assert_non_null(f);
    struct sip_cursor c = sip_field_cursor(m, f);
    assert_true(sip_read_address(&c, &address));
    return address;
}

static struct sip_uri uri_of(struct slice text)
{
    struct sip_uri uri;
    assert_int_equal(sip_uri_parse(text, &uri, NULL), 0);
    return uri;
}

static void assert_unescaped(struct slice text, const char *plain, size_t n)
{
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(sip_unescape(text, &b), 0);
    assert_slice_equal(buf_slice(&b), slice_of(plain, n));
    buf_fini(&b);
}

static void assert_unquoted(struct slice text, const char *plain, size_t n)
{
    struct buf b;
    buf_init(&b, 1000);
    sip_unquote(text, &b);
    assert_slice_equal(buf_slice(&b), slice_of(plain, n));
    buf_fini(&b);
}

static size_t count(const struct sip_message *m, enum sip_header header)
{
    size_t n = 0;
    for (const struct sip_field *f = sip_field_first(m, header); f; f = sip_field_next(m, f))
        n++;
    return n;
}

static void look_wsinv(const struct sip_message *m)
{
    struct slice value;
    assert_int_equal(m->method, SIP_INVITE);
    struct sip_uri uri = uri_of(m->uri);
    assert_slice_text(uri.host, "chair-dnrc.example.com");
    assert_true(sip_uri_param(&uri, "unknownparam", &value));
    assert_slice_text(m->to.tag, "1918181833n");
    assert_slice_text(m->to.uri, "sip:vivekg@chair-dnrc.example.com");
    assert_unquoted(m->from.display, "J Rosenberg \\\"", 14);
    assert_slice_text(m->from.tag, "98asjd8");
    assert_int_equal(m->max_forwards, 68);
    assert_int_equal(m->cseq.number, 9);
    assert_slice_text(m->cseq.method, "INVITE");
    assert_int_equal(m->body.n, 150);

    /* two lines with three values, in their order */
    static const char *const hosts[] = {"192.0.2.2", "spindle.example.com", "192.168.255.111"};
    static const char *const branches[] = {"390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"};
    size_t n = 0;
    for (const struct sip_field *f = sip_field_first(m, SIP_VIA); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        for (struct sip_via via; sip_read_via(&c, &via); n++) {
            assert_slice_text(via.host, hosts[n]);
            assert_slice_text(via.branch, branches[n]);
            assert_slice_text(via.transport, n == 1 ? "TCP" : "UDP");
        }
    }
    assert_int_equal(n, 3);

    const struct sip_field *subject = sip_field_first(m, SIP_SUBJECT);
    assert_int_equal(subject->value.n, 0);
    struct buf b;
    buf_init(&b, 1000);
    sip_unfold(sip_field_named(m, "newfangledheader")->value, &b);
    assert_slice_text(buf_slice(&b), "newfangled value continued newfangled value");
    buf_fini(&b);
    assert_slice_text(sip_field_named(m, "UnknownHeaderWithUnusualValue")->value, ";;,,;;,;");

    struct sip_address route = address_of(m, SIP_ROUTE);
    struct sip_uri route_uri = uri_of(route.uri);
    assert_true(sip_uri_param(&route_uri, "lr", &value));
    struct sip_address contact = address_of(m, SIP_CONTACT);
    assert_unquoted(contact.display, "Quoted string \"\"", 16);
    assert_true(sip_param_find(contact.params, "newparam", &value));
    assert_slice_text(value, "newvalue");
    assert_true(sip_param_find(contact.params, "q", &value));
    assert_slice_text(value, "0.33");
}

static void look_intmeth(const struct sip_message *m)
{
    struct slice value;
    assert_slice_text(m->method_text, "!interesting-Method0123456789_*+`.%indeed'~");
    assert_int_equal(m->method, SIP_METHOD_OTHER);
    struct sip_uri uri = uri_of(m->uri);
    assert_slice_text(uri.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
    assert_slice_text(uri.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
    assert_slice_text(uri.host, "example.com");
    assert_slice_text(m->via.branch, "z9hG4bK-.!%66*_+`'~");
    assert_unquoted(m->to.display, "BEL:\007 NUL:\0 DEL:\177", 17);
    assert_slice_text(m->from.display, "token1~` token2'+_ token3*%!.-");
    assert_slice_text(m->from.uri, "sip:mundane@example.com");
    assert_slice_text(m->from.tag, "_token~1'+`*%!-.");
    assert_true(sip_param_find(m->from.params, "fromParam''~+*_!.-%", &value));
    assert_unquoted(value, "\xd1\x80\xd0\xb0\xd0\xb1\xd0\xbe\xd1\x82\xd0\xb0\xd1\x8e\xd1\x89\xd0\xb8\xd0\xb9", 20);
    assert_slice_text(m->call_id, "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_int_equal(m->cseq.number, 139122385);
    assert_int_equal(m->max_forwards, 255);
    assert_non_null(sip_field_named(m, "extensionHeader-!.%*+_`'~"));
}

static void look_esc01(const struct sip_message *m)
{
    struct sip_uri uri = uri_of(m->uri);
    assert_slice_text(uri.user, "sips%3Auser%40example.com");
    assert_unescaped(uri.user, "sips:user@example.com", 21);
    assert_slice_text(uri.host, "example.net");
    struct sip_uri to = uri_of(m->to.uri), plain = uri_of(slice_str("sip:user@example.com"));
    assert_true(sip_uri_equal(&to, &plain));
    assert_unescaped(uri_of(m->from.uri).user, "I have spaces", 13);
    struct sip_uri contact = uri_of(address_of(m, SIP_CONTACT).uri);
    struct sip_uri same = uri_of(slice_str("sip:caller@host5.example.net;lr;name=value%25%34%31"));
    assert_true(sip_uri_equal(&contact, &same));
    assert_unescaped(slice_str("value%25%34%31"), "value%41", 8); /* unescaped once, not twice */
}

static void look_escnull(const struct sip_message *m)
{
    assert_unescaped(uri_of(m->to.uri).user, "null-\0-null", 11);
    assert_int_equal(count(m, SIP_CONTACT), 2);
    assert_unescaped(uri_of(address_of(m, SIP_CONTACT).uri).user, "\0", 1);
}

/* "%" is a character of tokens like others: no "REGISTER", no "Contact". */
static void look_esc02(const struct sip_message *m)
{
    assert_slice_text(m->method_text, "RE%47IST%45R");
    assert_int_equal(m->method, SIP_METHOD_OTHER);
    assert_unquoted(m->to.display, "%Z%45", 5);
    assert_int_equal(count(m, SIP_CONTACT), 2);
    assert_non_null(sip_field_named(m, "C%6Fntact"));
    assert_slice_text(m->via.branch, "z9hG4bK209%fzsnel234");
}

static void look_lwsdisp(const struct sip_message *m)
{
    assert_slice_text(m->from.display, "caller");
    assert_slice_text(m->from.uri, "sip:caller@example.com");
}

static void look_longreq(const struct sip_message *m)
{
    assert_int_equal(count(m, SIP_VIA), 34);
    assert_int_equal(m->to.uri.n, 379);
    assert_int_equal(uri_of(m->to.uri).port, 6000);
    assert_slice_text(m->via.host, "sip33.example.com");
    assert_int_equal(m->body.n, 150);
}

static void look_dblreq(const struct sip_message *m)
{
    assert_int_equal(m->method, SIP_REGISTER);
    assert_int_equal(m->body.n, 0);
    assert_slice_text(m->call_id, "dblreq.0ha0isndaksdj99sdfafnl3lk233412");
    assert_memory_equal(m->octets.p + m->octets.n - 4, "\r\n\r\n", 4); /* what comes behind is no part of it */
}

static void look_semiuri(const struct sip_message *m)
{
    struct slice value;
    struct sip_uri uri = uri_of(m->uri);
    assert_unescaped(uri.user, "user;par=u@example.net", 22);
    assert_slice_text(uri.host, "example.com");
    assert_false(sip_uri_param(&uri, "par", &value));
}

static void look_transports(const struct sip_message *m)
{
    static const char *const transports[] = {"UDP", "SCTP", "TLS", "UNKNOWN", "TCP"};
    size_t n = 0;
    for (const struct sip_field *f = sip_field_first(m, SIP_VIA); f; f = sip_field_next(m, f), n++) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_via via;
        assert_true(sip_read_via(&c, &via));
        assert_slice_text(via.transport, transports[n]);
    }
    assert_int_equal(n, 5);
}

static void look_mpart01(const struct sip_message *m)
{
    struct sip_media_type type;
    struct slice boundary;
    struct sip_cursor c = sip_field_cursor(m, sip_field_first(m, SIP_CONTENT_TYPE));
    assert_int_equal(sip_read_media_type(&c, &type), 0);
    assert_slice_text(type.type, "multipart");
    assert_slice_text(type.subtype, "mixed");
    assert_true(sip_param_find(type.params, "boundary", &boundary));
    assert_slice_text(boundary, "7a9cbec02ceef655");
    assert_int_equal(m->body.n, 553);
    assert_memory_equal(m->body.p + m->body.n - 22, "--7a9cbec02ceef655--\r\n", 22);
}

static void look_unreason(const struct sip_message *m)
{
    assert_int_equal(m->status, 200);
    assert_slice_text(m->reason, "= 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe "
                                 "\xd0\xb4\xd0\xb5\xd0\xb2\xd1\x8f\xd0\xbd\xd0\xbe\xd1\x81\xd1\x82\xd0\xbe "
                                 "\xd0\xb4\xd0\xb5\xd0\xb2\xd1\x8f\xd1\x82\xd1\x8c - "
                                 "\xd0\xbf\xd1\x80\xd0\xbe\xd1\x81\xd1\x82\xd0\xbe\xd0\xb5");
}

static void look_noreason(const struct sip_message *m)
{
    assert_int_equal(m->status, 100);
    assert_int_equal(m->reason.n, 0);
}

/* The magic cookie with nothing behind: no transaction is known by it (transaction.h). */
static void look_badbranch(const struct sip_message *m)
{
    assert_slice_text(m->via.branch, "z9hG4bK");
}

static void look_unksm2(const struct sip_message *m)
{
    assert_int_equal(uri_of(m->to.uri).scheme, SIP_SCHEME_OTHER);
    assert_slice_text(uri_of(m->from.uri).scheme_text, "http");
    assert_slice_text(uri_of(address_of(m, SIP_CONTACT).uri).scheme_text, "name");
}

static void look_bext01(const struct sip_message *m)
{
    static const char *const ours[] = {"100rel", "norDoAnyProxiesSupportThis"};
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(sip_unsupported(m, SIP_REQUIRE, ours, 2, &b), 2);
    assert_slice_text(buf_slice(&b), "nothingSupportsThis, nothingSupportsThisEither");
    buf_clear(&b);
    assert_int_equal(sip_unsupported(m, SIP_PROXY_REQUIRE, ours, 2, &b), 1);
    assert_slice_text(buf_slice(&b), "noProxiesSupportThis");
    buf_fini(&b);
    assert_true(sip_lists(m, SIP_REQUIRE, "NothingSupportsThisEither"));
    assert_false(sip_lists(m, SIP_REQUIRE, "nothingSupports"));
}

static void look_invut(const struct sip_message *m)
{
    struct sip_media_type type;
    struct sip_cursor c = sip_field_cursor(m, sip_field_first(m, SIP_CONTENT_TYPE));
    assert_int_equal(sip_read_media_type(&c, &type), 0);
    assert_slice_text(type.subtype, "unknownformat");
}

static void look_regaut01(const struct sip_message *m)
{
    assert_slice_text(sip_field_first(m, SIP_AUTHORIZATION)->value, "NoOneKnowsThisScheme opaque-data=here");
}

static void look_bcast(const struct sip_message *m)
{
    assert_slice_text(m->via.host, "192.0.2.198");
    assert_int_equal(m->method, SIP_INVITE);
    struct sip_cursor c = sip_field_cursor(m, sip_field_next(m, sip_field_first(m, SIP_VIA)));
    struct sip_via second;
    assert_true(sip_read_via(&c, &second));
    assert_slice_text(second.host, "255.255.255.255");
}

static void look_zeromf(const struct sip_message *m)
{
    assert_int_equal(m->max_forwards, 0);
}

/* Without brackets the parameter is the header's, with them the URI's. */
static void look_cparam01(const struct sip_message *m)
{
    struct slice value;
    struct sip_address contact = address_of(m, SIP_CONTACT);
    assert_true(sip_param_find(contact.params, "unknownparam", &value));
    assert_slice_text(contact.uri, "sip:+19725552222@gw1.example.net");
}

static void look_cparam02(const struct sip_message *m)
{
    struct slice value;
    struct e164 number;
    struct sip_address contact = address_of(m, SIP_CONTACT);
    struct sip_uri uri = uri_of(contact.uri);
    assert_false(sip_param_find(contact.params, "unknownparam", &value));
    assert_true(sip_uri_param(&uri, "unknownparam", &value));
    assert_true(sip_uri_number(&uri, &number));
    assert_string_equal(number.text, "+19725552222");
}

static void look_regescrt(const struct sip_message *m)
{
    assert_slice_text(uri_of(address_of(m, SIP_CONTACT).uri).headers, "Route=%3Csip:sip.example.com%3E");
}

static void look_sdp01(const struct sip_message *m)
{
    assert_slice_text(sip_field_first(m, SIP_ACCEPT)->value, "text/nobodyKnowsThis");
}

static void look_inv2543(const struct sip_message *m)
{
    assert_int_equal(m->via.branch.n, 0);
    assert_int_equal(m->from.tag.n, 0);
    assert_null(sip_field_first(m, SIP_CONTENT_LENGTH));
    assert_int_equal(m->body.n, 105);
    assert_int_equal(m->max_forwards, 70);
    struct slice value;
    assert_true(sip_param_find(m->to.params, "user", &value));
}

/* ---- the table ---- */

/* clang-format off */
#define GOOD(name, section) {#name, section, .look = look_##name}
#define BAD(name, section, status, octet, rule) {#name, section, CHECK, status, octet, rule, SIP_OTHER_HEADER, NULL}
/* clang-format on */

static const struct row rows[] = {
    GOOD(wsinv, "3.1.1.1"),
    GOOD(intmeth, "3.1.1.2"),
    GOOD(esc01, "3.1.1.3"),
    GOOD(escnull, "3.1.1.4"),
    GOOD(esc02, "3.1.1.5"),
    GOOD(lwsdisp, "3.1.1.6"),
    GOOD(longreq, "3.1.1.7"),
    GOOD(dblreq, "3.1.1.8"),
    GOOD(semiuri, "3.1.1.9"),
    GOOD(transports, "3.1.1.10"),
    GOOD(mpart01, "3.1.1.11"),
    GOOD(unreason, "3.1.1.12"),
    GOOD(noreason, "3.1.1.13"),
    BAD(badinv01, "3.1.2.1", 400, 217, "parameter's name, RFC 3261 25.1"),
    BAD(clerr, "3.1.2.2", 400, 498, "body shorter than Content-Length, RFC 3261 18.3"),
    BAD(ncl, "3.1.2.3", 400, 326, "Content-Length, RFC 3261 20.14"),
    BAD(scalar02, "3.1.2.4", 400, 174, "CSeq, RFC 3261 20.16"),
    BAD(scalarlg, "3.1.2.5", 0, 198, "CSeq, RFC 3261 20.16"),
    BAD(quotbal, "3.1.2.6", 400, 78, "quoted string, RFC 3261 25.1"),
    BAD(ltgtruri, "3.1.2.7", 400, 7, "scheme, RFC 3261 25.1"),
    BAD(lwsruri, "3.1.2.8", 400, 28, "URI parameter, RFC 3261 25.1"),
    BAD(lwsstart, "3.1.2.9", 400, 7, "scheme, RFC 3261 25.1"),
    BAD(trws, "3.1.2.10", 400, 46, "white space behind the version, RFC 3261 7.1"),
    BAD(escruri, "3.1.2.11", 400, 28, "headers in the Request-URI, RFC 3261 19.1.1"),
    {"baddate", "3.1.2.12", FIELD, 0, 282, "Date, RFC 3261 20.17", SIP_DATE, NULL},
    {"regbadct", "3.1.2.13", FIELD, 0, 265, "URI with headers outside of brackets, RFC 3261 20.10", SIP_CONTACT, NULL},
    BAD(badaspec, "3.1.2.14", 400, 206, "address, RFC 3261 20.10: URI"),
    {"baddn", "3.1.2.15", PARSE, 0, 331, "empty line behind the header fields, RFC 3261 7", 0, NULL},
    BAD(badvers, "3.1.2.16", 505, 33, "SIP-Version, RFC 3261 7.1"),
    BAD(mismatch01, "3.1.2.17", 400, 165, "method in CSeq is another, RFC 3261 8.1.1.5"),
    BAD(mismatch02, "3.1.2.18", 400, 167, "method in CSeq is another, RFC 3261 8.1.1.5"),
    {"bigcode", "3.1.2.19", PARSE, 0, 8, "status, RFC 3261 7.2", 0, NULL},
    GOOD(badbranch, "3.2.1"),
    BAD(insuf, "3.3.1", 400, 35, "From missing, RFC 3261 8.1.1"),
    BAD(unkscm, "3.3.2", 416, 8, "scheme of the Request-URI, RFC 3261 8.2.2.1"),
    BAD(novelsc, "3.3.3", 416, 8, "scheme of the Request-URI, RFC 3261 8.2.2.1"),
    GOOD(unksm2, "3.3.4"),
    GOOD(bext01, "3.3.5"),
    GOOD(invut, "3.3.6"),
    GOOD(regaut01, "3.3.7"),
    BAD(multi01, "3.3.8", 400, 344, "more than one From, RFC 3261 7.3.1"),
    BAD(mcl01, "3.3.9", 400, 268, "more than one Content-Length, RFC 3261 7.3.1"),
    GOOD(bcast, "3.3.10"),
    GOOD(zeromf, "3.3.11"),
    GOOD(cparam01, "3.3.12"),
    GOOD(cparam02, "3.3.13"),
    GOOD(regescrt, "3.3.14"),
    GOOD(sdp01, "3.3.15"),
    GOOD(inv2543, "3.4.1"),
};

/* Nothing is changed: nothing changes. */
static void assert_lossless(const struct sip_message *m, struct region *region)
{
    struct buf out;
    buf_init(&out, SIP_MESSAGE_OCTETS_MAX);
    const struct sip_edit *e = sip_edit_new(region, m);
    assert_int_equal(sip_edit_write(e, &out), 0);
    assert_slice_equal(buf_slice(&out), m->octets);
    buf_fini(&out);
}

/* Each octet of the head belongs to the start line, to one field or to a line end, in that order. */
static void assert_complete(const struct sip_message *m)
{
    assert_ptr_equal(m->start_line.p, m->octets.p);
    const uint8_t *p = m->start_line.p + m->start_line.n + 2;
    for (size_t i = 0; i < m->field_count; i++) {
        assert_ptr_equal(m->fields[i].line.p, p);
        assert_int_equal(sip_header_find(m->fields[i].name), m->fields[i].header);
        p += m->fields[i].line.n;
    }
    assert_ptr_equal(m->body.p, p + 2);
    assert_ptr_equal(m->body.p + m->body.n, m->octets.p + m->octets.n);
}

/* All fields, or (of a bad one) the first that cannot be read. */
static enum step read_message(struct region *region, struct slice octets, struct sip_message *m, unsigned *status,
                              enum sip_header *field, struct fault *fault)
{
    if (sip_parse(region, octets, SIP_DATAGRAM, m, fault) < 0)
        return PARSE;
    assert_lossless(m, region);
    assert_complete(m);
    if (sip_check(m, status, fault) < 0)
        return CHECK;
    for (size_t i = 0; i < m->field_count; i++) {
        *field = m->fields[i].header;
        if (sip_check_field(m, &m->fields[i], fault) < 0)
            return FIELD;
    }
    return NOBODY;
}

static void test_row(void **state)
{
    const struct row *row = *state;
    static uint8_t octets[VECTOR_OCTETS_MAX];
    char path[64];
    struct region region;
    struct sip_message m;
    struct fault fault = {0};
    unsigned status = 0;
    enum sip_header field = SIP_OTHER_HEADER;
    region_init(&region, 65536);
    snprintf(path, sizeof path, "rfc4475/%s.dat", row->name);
    enum step step = read_message(&region, vector_read(path, octets), &m, &status, &field, &fault);
    if (fault.rule && !row->rule)
        fail_msg("refused at octet %zu: %s", fault.octet, fault.rule);
    assert_int_equal(step, row->refused_by);
    if (row->rule) {
        assert_string_equal(fault.rule, row->rule);
        assert_int_equal(fault.octet, row->octet);
    }
    if (step == CHECK && m.is_request)
        assert_int_equal(status, row->status);
    if (step == FIELD)
        assert_int_equal(field, row->field);
    if (row->look)
        row->look(&m);
    region_fini(&region);
}

/* With the empty line that its file lacks, it is refused for what the RFC made it for: a comma in a display name without quotes. */
static void test_baddn_whole(void **state)
{
    (void)state;
    static uint8_t octets[VECTOR_OCTETS_MAX];
    struct region region;
    struct sip_message m;
    struct fault fault = {0};
    unsigned status = 0;
    struct slice whole = vector_read("rfc4475/baddn.dat", octets);
    memcpy(octets + whole.n, "\r\n", 2);
    whole.n += 2;
    region_init(&region, 65536);
    assert_int_equal(sip_parse(&region, whole, SIP_DATAGRAM, &m, &fault), 0);
    assert_int_equal(sip_check(&m, &status, &fault), ERR_SYNTAX);
    assert_int_equal(status, 400);
    assert_string_equal(fault.rule, "address, RFC 3261 20.10");
    assert_slice_equal(slice_of(octets + fault.octet - 4, 6), slice_str("Bell, "));
    region_fini(&region);
}

/* Cut anywhere, a message is refused or (in its body, or in a datagram whose length is not given) shorter; nothing beyond its end is read. */
static void test_cut(void **state)
{
    (void)state;
    static uint8_t octets[VECTOR_OCTETS_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[64];
        snprintf(path, sizeof path, "rfc4475/%s.dat", rows[i].name);
        struct slice whole = vector_read(path, octets);
        for (size_t n = 0; n < whole.n; n++) {
            struct region region;
            struct sip_message m;
            struct fault fault = {0};
            uint8_t *copy = malloc(n + !n);
            assert_non_null(copy);
            memcpy(copy, whole.p, n);
            region_init(&region, 65536);
            if (sip_parse(&region, slice_of(copy, n), SIP_DATAGRAM, &m, &fault) == 0)
                sip_check(&m, NULL, NULL);
            else
                assert_true(fault.octet <= n && fault.rule);
            region_fini(&region);
            free(copy);
        }
    }
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 2];
    for (size_t i = 0; i < ROWS; i++) {
        union {
            const void *in;
            void *out;
        } row = {&rows[i]};
        tests[i] = (struct CMUnitTest){rows[i].name, test_row, NULL, NULL, row.out};
    }
    tests[ROWS] = (struct CMUnitTest){"baddn, whole", test_baddn_whole, NULL, NULL, NULL};
    tests[ROWS + 1] = (struct CMUnitTest){"cut anywhere", test_cut, NULL, NULL, NULL};
    return cmocka_run_group_tests_name("RFC 4475", tests, NULL, NULL);
}
