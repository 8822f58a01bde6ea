/* TLS-SRP over real sockets, and the known answers of RFC 5054 appendix B. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/mem.h"
#include "base/text.h"
#include "ends.h"
#include "io/tls_srp.h"
#include "testing.h"

#include <openssl/srp.h>
#include <stdlib.h>

#define USERNAME "1;A;0123;+15551234567;aa;17;400;0"
#define PASSWORD "+15557654321;1000;2000"

struct world {
    struct ends ends;
    struct tls_context *server;
    struct tls_context *client;
    unsigned asked;
    int answer; /* instead of the password, if not 0 */
    struct addr asked_by;
};

static int password_of(void *arg, struct stream *stream, struct slice username, struct buf *ret_password)
{
    struct world *w = arg;
    w->asked++;
    w->asked_by = stream_peer_addr(stream);
    if (w->answer)
        return w->answer;
    if (!slice_eq_str(username, USERNAME))
        return ERR_NOT_FOUND;
    buf_str(ret_password, PASSWORD);
    return 0;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    static const uint8_t mask_key[TLS_SRP_MASK_KEY_OCTETS] = {7};
    ends_init(&w->ends);
    assert_int_equal(tls_srp_server_new(mask_key, password_of, w, &w->server), 0);
    assert_int_equal(tls_srp_client_new(&w->client), 0);
    ends_listen(&w->ends, w->server, NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    ends_fini(&w->ends);
    tls_context_free(w->server);
    tls_context_free(w->client);
    free(w);
    return 0;
}

static struct stream_connect_options options_for(struct world *w, const char *username, const char *password)
{
    struct stream_connect_options options = ends_connect_options(&w->ends, w->client);
    options.srp_username = username;
    options.srp_password = password;
    return options;
}

static void test_right_password(void **state)
{
    struct world *w = *state;
    w->ends.template.echo = true;
    struct stream_connect_options options = options_for(w, USERNAME, PASSWORD);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready && w->ends.accepted[0].ready);
    assert_int_equal(w->asked, 1);
    struct addr mine = stream_local_addr(w->ends.client.stream);
    assert_true(addr_eq(&w->asked_by, &mine));
    uint8_t a[32], b[32];
    assert_int_equal(stream_export(w->ends.client.stream, "EXPORTER-ime-pvp", a, sizeof a), 0);
    assert_int_equal(stream_export(w->ends.accepted[0].stream, "EXPORTER-ime-pvp", b, sizeof b), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(stream_peer_certificate(w->ends.client.stream).n, 0);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("over SRP")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.received.n == 8);
}

static void assert_refused(struct world *w, const char *username, const char *password)
{
    struct stream_connect_options options = options_for(w, username, password);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.closed && w->ends.accepted[0].closed);
    assert_false(w->ends.client.ready || w->ends.accepted[0].ready);
    assert_string_equal(stream_reason_name(w->ends.client.reason), "srp_failed");
    assert_string_equal(stream_reason_name(w->ends.accepted[0].reason), "srp_failed");
    assert_int_equal(w->ends.client_counters.srp_failed, 1);
    assert_int_equal(w->ends.server_counters.srp_failed, 1);
    assert_int_equal(w->asked, 1);
}

static void test_wrong_password(void **state)
{
    assert_refused(*state, USERNAME, "+15557654321;1000;2001");
}

static void test_unknown_username(void **state)
{
    assert_refused(*state, "1;A;nobody", PASSWORD);
}

static void test_failing_lookup_is_no_proof(void **state)
{
    struct world *w = *state;
    w->answer = ERR_LIMIT;
    struct stream_connect_options options = options_for(w, USERNAME, PASSWORD);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.closed && w->ends.accepted[0].closed);
    assert_int_equal(w->ends.client.reason, STREAM_TLS_PROTOCOL);
    assert_int_equal(w->ends.server_counters.srp_failed, 0);
}

static void test_two_users_at_once(void **state)
{
    struct world *w = *state;
    struct end second;
    end_init(&second, &w->ends);
    struct stream_connect_options options = options_for(w, USERNAME, PASSWORD);
    ends_connect(&w->ends, &options);
    options = options_for(w, "somebody else", "x");
    assert_int_equal(stream_connect(w->ends.loop, &options, &end_handler, &second, &second.stream), 0);
    TURN_UNTIL(&w->ends, w->ends.client.ready && second.closed);
    assert_int_equal(second.reason, STREAM_SRP_FAILED);
    end_fini(&second);
}

static void test_impossible_options(void **state)
{
    struct world *w = *state;
    char long_text[258];
    memset(long_text, 'x', 257);
    long_text[257] = '\0';
    const struct {
        const char *username, *password;
    } cases[] = {{NULL, "x"}, {"x", NULL}, {"", "x"}, {long_text, "x"}, {"x", long_text}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stream_connect_options options = options_for(w, cases[i].username, cases[i].password);
        struct stream *stream;
        assert_int_equal(stream_connect(w->ends.loop, &options, &end_handler, &w->ends.client, &stream), ERR_RANGE);
    }
}

static BIGNUM *number(const char *hex)
{
    BIGNUM *n = NULL;
    assert_int_equal(BN_hex2bn(&n, hex), strlen(hex));
    return n;
}

static void assert_number(BIGNUM *n, const char *hex)
{
    BIGNUM *wanted = number(hex);
    assert_int_equal(BN_cmp(n, wanted), 0);
    BN_free(wanted);
    BN_free(n);
}

/* RFC 5054 appendix B: I = "alice", P = "password123", 1024-bit group. */
static void test_rfc5054_appendix_b(void **state)
{
    (void)state;
    SRP_gN *group = SRP_get_default_gN("1024");
    assert_non_null(group);
    BIGNUM *salt = number("BEB25379D1A8581EB5A727673A2441EE"), *verifier = NULL;
    BIGNUM *a = number("60975527035CF2AD1989806F0407210BC81EDC04E2762A56AFD529DDDA2D4393");
    BIGNUM *b = number("E487CB59D31AC550471E81F00F6928E01DDA08E974A004F49E61F5D105284D20");
    assert_int_equal(SRP_create_verifier_BN("alice", "password123", &salt, &verifier, group->N, group->g), 1);
    BIGNUM *big_a = SRP_Calc_A(a, group->N, group->g);
    BIGNUM *big_b = SRP_Calc_B(b, group->N, group->g, verifier);
    BIGNUM *u = SRP_Calc_u(big_a, big_b, group->N);
    BIGNUM *x = SRP_Calc_x(salt, "alice", "password123");
    BIGNUM *client_key = SRP_Calc_client_key(group->N, big_b, group->g, x, a, u);
    BIGNUM *server_key = SRP_Calc_server_key(big_a, verifier, u, b, group->N);
    assert_int_equal(BN_cmp(client_key, server_key), 0);
    BN_free(server_key);
    assert_number(x, "94B7555AABE9127CC58CCF4993DB6CF84D16C124");
    assert_number(u, "CE38B9593487DA98554ED47D70A7AE5F462EF019");
    assert_number(verifier, "7E273DE8696FFC4F4E337D05B4B375BEB0DDE1569E8FA00A9886D8129BADA1F1"
                            "822223CA1A605B530E379BA4729FDC59F105B4787E5186F5C671085A1447B52A"
                            "48CF1970B4FB6F8400BBF4CEBFBB168152E08AB5EA53D15C1AFF87B2B9DA6E04"
                            "E058AD51CC72BFC9033B564E26480D78E955A5E29E7AB245DB2BE315E2099AFB");
    assert_number(big_a, "61D5E490F6F1B79547B0704C436F523DD0E560F0C64115BB72557EC44352E890"
                         "3211C04692272D8B2D1A5358A2CF1B6E0BFCF99F921530EC8E39356179EAE45E"
                         "42BA92AEACED825171E1E8B9AF6D9C03E1327F44BE087EF06530E69F66615261"
                         "EEF54073CA11CF5858F0EDFDFE15EFEAB349EF5D76988A3672FAC47B0769447B");
    assert_number(big_b, "BD0C61512C692C0CB6D041FA01BB152D4916A1E77AF46AE105393011BAF38964"
                         "DC46A0670DD125B95A981652236F99D9B681CBF87837EC996C6DA04453728610"
                         "D0C6DDB58B318885D7D82C7F8DEB75CE7BD4FBAA37089E6F9C6059F388838E7A"
                         "00030B331EB76840910440B1B27AAEAEEB4012B7D7665238A8E3FB004B117B58");
    assert_number(client_key, "B0DC82BABCF30674AE450C0287745E7990A3381F63B387AAF271A10D233861E3"
                              "59B48220F7C4693C9AE12B0A6F67809F0876E2D013800D6C41BB59B6D5979B5C"
                              "00A172B4A2A5903A0BDCAF8A709585EB2AFAFA8F3499B200210DCC1F10EB3394"
                              "3CD67FC88A2F39A4BE5BEC4EC0A3212DC346D7E474B29EDE8A469FFECA686E5A");
    BN_free(salt);
    BN_free(a);
    BN_free(b);
}

/* The group that is used is the 2048-bit one of RFC 5054 appendix A: its first and last octets, its generator. */
static void test_group(void **state)
{
    (void)state;
    SRP_gN *group = SRP_get_default_gN("2048");
    assert_non_null(group);
    assert_int_equal(BN_num_bits(group->N), 2048);
    assert_true(BN_is_word(group->g, 2));
    uint8_t octets[256];
    assert_int_equal(BN_bn2bin(group->N, octets), 256);
    static const uint8_t first[] = {0xac, 0x6b, 0xdb, 0x41, 0x32, 0x4a, 0x9a, 0x9b};
    static const uint8_t last[] = {0x0f, 0xa7, 0x11, 0x1f, 0x9e, 0x4a, 0xff, 0x73};
    assert_memory_equal(octets, first, sizeof first);
    assert_memory_equal(octets + sizeof octets - sizeof last, last, sizeof last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc5054_appendix_b),
        cmocka_unit_test(test_group),
        cmocka_unit_test_setup_teardown(test_right_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_username, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_lookup_is_no_proof, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_users_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_impossible_options, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
