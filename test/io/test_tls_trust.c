/* Whom TLS shows which certificate, and which certificates of others it takes: SNI, domains and purposes of SIP (RFC 5922, 5924), revocation. */
#include "io/tls_private.h"
#include "meet.h"
#include "testing.h"

/* ---- which certificate is shown ---- */

static void test_sni(void **state)
{
    struct meeting *m = *state;
    static const char *const c_names[] = {"sip:c.example"}, *const d_names[] = {"d.example", "edge.d.example"};
    struct identity c, d, wild;
    struct slice trust;
    identity_init_names(&c, &m->ours, c_names, 1);
    identity_init_names(&d, &m->ours, d_names, 2);
    identity_init_usage(&wild, &m->ours, "*.w.example", NULL);
    const struct tls_identity further[] = {{buf_slice(&c.certificate_pem), buf_slice(&c.key_pem)},
                                           {buf_slice(&d.certificate_pem), buf_slice(&d.key_pem)},
                                           {buf_slice(&wild.certificate_pem), buf_slice(&wild.key_pem)}};
    struct tls_options server = meeting_options(m, TLS_SERVER, &trust);
    server.identities = further;
    server.identity_count = 3;
    meeting_set(m, &server, NULL);
    static const struct {
        const char *name;
        unsigned identity;
    } table[] = {{"a.example", 0}, {"c.example", 1},      {"C.Example", 1},
                 {"d.example", 2}, {"edge.d.example", 2}, {NULL, 0}};
    const struct cert *const certs[] = {m->server.cert, c.cert, d.cert};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_non_null(meet(m, table[i].name));
        assert_int_equal(stream_identity(meeting_last(m)->stream), table[i].identity);
        assert_slice_equal(stream_peer_certificate(m->far.stream), cert_der(certs[table[i].identity]));
    }
    /* Who asks for something else is shown the first, wildcards or not, and goes away. */
    assert_null(meet(m, "e.example"));
    assert_int_equal(m->far.reason, STREAM_TLS_WRONG_NAME);
    assert_null(meet(m, "x.w.example"));
    assert_int_equal(m->far.reason, STREAM_TLS_WRONG_NAME);
    identity_fini(&c);
    identity_fini(&d);
    identity_fini(&wild);
}

/* A name alone without its key, or too many: nothing changes. */
static void test_identities_that_are_refused(void **state)
{
    struct meeting *m = *state;
    struct slice trust;
    struct tls_identity further[TLS_IDENTITIES_MAX];
    struct tls_options server = meeting_options(m, TLS_SERVER, &trust);
    meeting_set(m, NULL, NULL);
    for (size_t i = 0; i < TLS_IDENTITIES_MAX; i++)
        further[i] = (struct tls_identity){server.certificate, server.key_pem};
    server.identities = further;
    server.identity_count = TLS_IDENTITIES_MAX;
    assert_int_equal(tls_context_reload(m->server_context, &server), ERR_LIMIT);
    server.identity_count = TLS_IDENTITIES_MAX - 1;
    assert_int_equal(tls_context_reload(m->server_context, &server), 0);
    further[5].key_pem = buf_slice(&m->client.key_pem);
    assert_int_equal(tls_context_reload(m->server_context, &server), ERR_CONFLICT);
    further[5].certificate = slice_str("nothing");
    assert_int_equal(tls_context_reload(m->server_context, &server), ERR_SYNTAX);
    assert_non_null(meet(m, "a.example"));
}

/* ---- domains and purposes ---- */

struct shown {
    const char *names[2];
    const char *usage;         /* of the first name only */
    enum stream_reason reason; /* STREAM_REASON_COUNT: it is taken */
};

static void make(struct meeting *m, const struct shown *s, struct identity *identity)
{
    if (s->usage)
        identity_init_usage(identity, &m->ours, s->names[0], s->usage);
    else
        identity_init_names(identity, &m->ours, s->names, s->names[1] ? 2 : 1);
}

#define TAKEN STREAM_REASON_COUNT
#define KP_SIP_DOMAIN "1.3.6.1.5.5.7.3.20"
#define KP_SERVER "1.3.6.1.5.5.7.3.1"
#define KP_CLIENT "1.3.6.1.5.5.7.3.2"
#define KP_CODE "1.3.6.1.5.5.7.3.3"

/* A client looks for the domain that it wants to talk to. */
static void test_servers_of_a_domain(void **state)
{
    struct meeting *m = *state;
    static const struct shown table[] = {
        {{"a.example"}, NULL, TAKEN},
        {{"sip:a.example"}, NULL, TAKEN},
        {{"x.example", "a.example"}, NULL, TAKEN},
        {{"sip:x.example", "a.example"}, NULL, STREAM_TLS_WRONG_NAME}, /* names count for nothing beside a URI of SIP */
        {{"*.example"}, NULL, STREAM_TLS_WRONG_NAME},
        {{"edge.a.example"}, NULL, STREAM_TLS_WRONG_NAME}, /* what is below the domain is not the domain */
        {{"127.0.0.1"}, NULL, STREAM_TLS_WRONG_NAME},
        {{"a.example"}, "", TAKEN},
        {{"a.example"}, KP_SIP_DOMAIN, TAKEN},
        {{"a.example"}, KP_SERVER, TAKEN},
        {{"a.example"}, KP_CODE " " KP_SIP_DOMAIN, TAKEN},
        {{"a.example"}, KP_CLIENT, STREAM_TLS_WRONG_PURPOSE},
        {{"a.example"}, KP_CODE, STREAM_TLS_WRONG_PURPOSE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct identity identity;
        struct slice trust;
        make(m, &table[i], &identity);
        struct tls_options server = meeting_options(m, TLS_SERVER, &trust);
        server.certificate = buf_slice(&identity.certificate_pem);
        server.key_pem = buf_slice(&identity.key_pem);
        meeting_set(m, &server, NULL);
        struct end *far = meet(m, "a.example");
        assert_string_equal(stream_reason_name(far ? TAKEN : m->far.reason), stream_reason_name(table[i].reason));
        assert_true(far || meeting_last(m)->reason == STREAM_TLS_REFUSED_BY_PEER);
        identity_fini(&identity);
    }
}

/* The client hears it by an alert, which what it has said already may overtake. */
static bool was_refused(const struct meeting *m)
{
    return m->far.reason == STREAM_TLS_REFUSED_BY_PEER || m->far.reason == STREAM_RESET;
}

/* A server takes what speaks for a domain, and whoever asks hears which. */
static void test_clients_of_a_domain(void **state)
{
    struct meeting *m = *state;
    static const struct shown table[] = {
        {{"b.example"}, "", TAKEN},
        {{"b.example"}, KP_SIP_DOMAIN, TAKEN},
        {{"b.example"}, KP_CLIENT, TAKEN},
        {{"b.example"}, KP_SERVER, TAKEN},
        {{"b.example"}, KP_CODE, STREAM_TLS_WRONG_PURPOSE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct identity identity;
        struct slice trust;
        make(m, &table[i], &identity);
        struct tls_options client = meeting_options(m, TLS_CLIENT, &trust);
        client.certificate = buf_slice(&identity.certificate_pem);
        client.key_pem = buf_slice(&identity.key_pem);
        meeting_set(m, NULL, &client);
        struct end *far = meet(m, "a.example");
        assert_string_equal(stream_reason_name(far ? TAKEN : meeting_last(m)->reason),
                            stream_reason_name(table[i].reason));
        assert_true(far || was_refused(m));
        identity_fini(&identity);
    }
}

/* An address is looked for as an address, and nothing else will do. */
static void test_servers_at_an_address(void **state)
{
    struct meeting *m = *state;
    struct identity identity;
    struct slice trust;
    identity_init_usage(&identity, &m->ours, "127.0.0.1", NULL);
    meeting_set(m, NULL, NULL);
    assert_null(meet(m, "127.0.0.1"));
    assert_int_equal(m->far.reason, STREAM_TLS_WRONG_NAME);
    struct tls_options server = meeting_options(m, TLS_SERVER, &trust);
    server.certificate = buf_slice(&identity.certificate_pem);
    server.key_pem = buf_slice(&identity.key_pem);
    meeting_set(m, &server, NULL);
    assert_non_null(meet(m, "127.0.0.1"));
    assert_null(meet(m, "127.0.0.1:5061")); /* no address, and no name of anybody */
    assert_int_equal(m->far.reason, STREAM_TLS_WRONG_NAME);
    identity_fini(&identity);
}

/* ---- revocation ---- */

/* The server has this list, and maybe demands one. */
static void serve_with_list(struct meeting *m, const struct buf *crl, bool demanded, bool stale_taken)
{
    struct slice trust, list = crl ? buf_slice(crl) : (struct slice){0};
    struct tls_options server = meeting_options(m, TLS_SERVER, &trust);
    server.crls = &list;
    server.crl_count = crl != NULL;
    server.crl_demanded = demanded;
    server.crl_stale_taken = stale_taken;
    meeting_set(m, &server, NULL);
}

static void assert_refused(struct meeting *m, enum stream_reason reason)
{
    assert_null(meet(m, "a.example"));
    assert_string_equal(stream_reason_name(meeting_last(m)->reason), stream_reason_name(reason));
    assert_true(was_refused(m));
}

static void test_revoked_clients(void **state)
{
    struct meeting *m = *state;
    struct authority foreign;
    struct buf none, ours, stale, stale_none, foreign_list;
    authority_init(&foreign, "our authority");
    pki_crl(&m->ours, NULL, -1, 1, &none);
    pki_crl(&m->ours, m->client.cert, -1, 1, &ours);
    pki_crl(&m->ours, m->client.cert, -2, -1, &stale);
    pki_crl(&m->ours, NULL, -2, -1, &stale_none);
    pki_crl(&foreign, m->client.cert, -1, 1, &foreign_list);
    serve_with_list(m, &none, true, false);
    assert_non_null(meet(m, "a.example"));
    serve_with_list(m, &ours, false, false);
    assert_refused(m, STREAM_TLS_REVOKED);
    serve_with_list(m, &stale, false, true); /* old, but what it has stays revoked */
    assert_refused(m, STREAM_TLS_REVOKED);
    serve_with_list(m, &stale_none, false, false);
    assert_refused(m, STREAM_TLS_NO_CRL);
    serve_with_list(m, &stale_none, true, true);
    assert_non_null(meet(m, "a.example"));
    serve_with_list(m, &foreign_list, false, false); /* an authority of that name, but not that authority */
    assert_non_null(meet(m, "a.example"));
    serve_with_list(m, &foreign_list, true, false);
    assert_refused(m, STREAM_TLS_NO_CRL);
    serve_with_list(m, NULL, true, false);
    assert_refused(m, STREAM_TLS_NO_CRL);
    buf_fini(&none);
    buf_fini(&ours);
    buf_fini(&stale);
    buf_fini(&stale_none);
    buf_fini(&foreign_list);
    authority_fini(&foreign);
}

static void test_revoked_server(void **state)
{
    struct meeting *m = *state;
    struct buf crl;
    struct slice trust, list;
    pki_crl(&m->ours, m->server.cert, -1, 1, &crl);
    list = buf_slice(&crl);
    struct tls_options client = meeting_options(m, TLS_CLIENT, &trust);
    client.crls = &list;
    client.crl_count = 1;
    meeting_set(m, NULL, &client);
    assert_int_equal(tls_context_crl_ends_at(m->client_context).ms / PKI_DAY_MS,
                     wall_after_ms(pki_now(), PKI_DAY_MS).ms / PKI_DAY_MS);
    assert_null(meet(m, "a.example"));
    assert_int_equal(m->far.reason, STREAM_TLS_REVOKED);
    assert_int_equal(meeting_last(m)->reason, STREAM_TLS_REFUSED_BY_PEER);
    list = slice_str("nothing");
    assert_int_equal(tls_context_reload(m->client_context, &client), ERR_SYNTAX);
    buf_fini(&crl);
}

/* ---- trust ---- */

/* As many as an operating system brings along: all count, and none is named to clients. */
static void test_many_authorities(void **state)
{
    struct meeting *m = *state;
    struct buf all;
    buf_init(&all, 1u << 20);
    for (int i = 0; i < 100; i++) {
        struct authority other;
        authority_init(&other, i % 3 ? "another authority" : "our authority");
        assert_int_equal(cert_to_pem(other.cert, &all), 0);
        authority_fini(&other);
    }
    struct slice trust, ours;
    struct tls_options server = meeting_options(m, TLS_SERVER, &ours);
    trust = buf_slice(&all);
    server.trust = &trust;
    meeting_set(m, &server, NULL);
    assert_refused(m, STREAM_TLS_UNKNOWN_CA);
    assert_int_equal(cert_to_pem(m->ours.cert, &all), 0);
    trust = buf_slice(&all);
    assert_int_equal(tls_context_reload(m->server_context, &server), 0);
    assert_non_null(meet(m, "a.example"));
    assert_int_equal(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(m->server_context->ssl_context)), 0);
    buf_fini(&all);
}

/* Contexts that have trust and lists in common, however long the first one lives. */
static void test_common_trust(void **state)
{
    struct meeting *m = *state;
    struct buf crl;
    struct slice trust, list;
    pki_crl(&m->ours, m->client.cert, -1, 1, &crl);
    list = buf_slice(&crl);
    struct tls_options server = meeting_options(m, TLS_SERVER, &trust), common = server;
    server.crls = &list;
    server.crl_count = 1;
    struct tls_context *first;
    assert_int_equal(tls_context_new(&server, &first), 0);
    common.trust = NULL;
    common.trust_count = 0;
    common.trust_of = first;
    meeting_set(m, &common, NULL);
    tls_context_free(first);
    assert_refused(m, STREAM_TLS_REVOKED);
    buf_fini(&crl);
}

/* A connection is asked again after its authority has lost its trust. */
static void test_verified_again(void **state)
{
    struct meeting *m = *state;
    struct authority foreign;
    struct slice trust;
    enum stream_reason reason = STREAM_REASON_COUNT;
    authority_init(&foreign, "another authority");
    meeting_set(m, NULL, NULL);
    assert_non_null(meet(m, "a.example"));
    struct stream *accepted = meeting_last(m)->stream;
    assert_true(stream_verify_again(accepted, m->server_context, &reason));
    assert_true(stream_verify_again(m->far.stream, m->client_context, &reason));
    struct tls_options server = meeting_options(m, TLS_SERVER, &trust);
    trust = cert_der(foreign.cert);
    assert_int_equal(tls_context_reload(m->server_context, &server), 0);
    assert_false(stream_verify_again(accepted, m->server_context, &reason));
    assert_string_equal(stream_reason_name(reason), "tls_unknown_ca");
    authority_fini(&foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sni, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_identities_that_are_refused, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_servers_of_a_domain, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_clients_of_a_domain, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_servers_at_an_address, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_revoked_clients, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_revoked_server, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_many_authorities, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_common_trust, meeting_set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_verified_again, meeting_set_up, meeting_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
