/* PVP handshakes as ime-server does them: streams on the loop, a record looked up by the terminator with all its limits, the exporter
 * value signed, everything released again. Against bare OpenSSL that does the same TLS-SRP handshake over the same kind of socket, with
 * fixed credentials and nothing around it. One at a time, both ends in one thread, so that a rate is that of client and server together. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "bench.h"

#include "crypt/key.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/tls_srp.h"
#include "pvp/terminator.h"
#include "store/memory.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/srp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNLIMITED 1000000000u

static const struct wall call_start = {INT64_C(1767225600250)};
static const struct wall call_stop = {INT64_C(1767225660750)};

/* ---- ours ---- */

struct ours {
    struct loop *loop;
    struct memory_store *store;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct key *key;
    struct pvp_identity identity;
    struct pvp_vcr_table *vcrs;
    struct pvp_terminator *terminator;
    struct tls_context *server, *client;
    struct listener *listener;
    char username[PVP_USERNAME_OCTETS_MAX + 1];
    char password[PVP_PASSWORD_OCTETS_MAX + 1];
    struct pvp_inbound *inbound;
    struct stream *outgoing;
    bool server_ready, client_ready, server_gone;
};

static int sign(void *ctx, struct slice data, struct buf *ret_signature)
{
    return key_sign(ctx, data, ret_signature);
}

static int refuse_all(void *ctx, struct slice certificate, const struct id *node_id, struct slice data,
                      struct slice signature, struct wall now)
{
    (void)ctx, (void)certificate, (void)node_id, (void)data, (void)signature, (void)now;
    return ERR_AUTH; /* the bench ends before an identity is checked */
}

static int find_service(void *ctx, const struct e164 *called, uint64_t vservice_id, struct pvp_service *ret_service)
{
    (void)ctx, (void)called, (void)vservice_id, (void)ret_service;
    return ERR_NOT_FOUND;
}

static int password_of(void *arg, struct stream *stream, struct slice username, struct buf *ret_password)
{
    struct ours *o = arg;
    struct pvp_credential credential;
    (void)stream;
    int err = pvp_inbound_lookup(o->inbound, loop_now(o->loop), username, &credential);
    if (!err)
        buf_str(ret_password, credential.password);
    mem_wipe(&credential, sizeof credential);
    return err;
}

static void server_ready(void *arg, struct stream *stream)
{
    struct ours *o = arg;
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    bench_need(stream_export(stream, PVP_EXPORTER_LABEL, exporter, sizeof exporter) == 0, "the exporter");
    pvp_inbound_handshake(o->inbound, loop_now(o->loop), PVP_HANDSHAKE_GOOD, exporter);
    o->server_ready = true;
}

static void client_ready(void *arg, struct stream *stream)
{
    struct ours *o = arg;
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    bench_need(stream_export(stream, PVP_EXPORTER_LABEL, exporter, sizeof exporter) == 0, "the exporter");
    o->client_ready = true;
}

static void ignore_input(void *arg, struct stream *stream, struct slice octets)
{
    (void)arg, (void)stream, (void)octets;
}

static void server_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct ours *o = arg;
    (void)stream, (void)reason, (void)detail;
    pvp_inbound_closed(o->inbound, loop_now(o->loop));
    o->server_gone = true;
}

static void client_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)arg, (void)stream, (void)reason;
    bench_need(false, detail);
}

static const struct stream_handler server_handler = {server_ready, ignore_input, NULL, server_closed};
static const struct stream_handler client_handler = {client_ready, ignore_input, NULL, client_closed};

static void accept_stream(void *arg, struct stream *stream)
{
    struct ours *o = arg;
    struct addr source = stream_peer_addr(stream);
    bench_need(pvp_inbound_new(o->terminator, loop_now(o->loop), &source, o, &o->inbound) == 0, "a connection");
    stream_set_handler(stream, &server_handler, o);
}

static void shake_ours(void *arg, unsigned long times)
{
    struct ours *o = arg;
    struct pvp_terminator_effect effect;
    struct stream_connect_options options = {.remote = listener_addr(o->listener),
                                             .srp_username = o->username,
                                             .srp_password = o->password,
                                             .stream = {.tls = o->client}};
    for (unsigned long i = 0; i < times; i++) {
        o->server_ready = o->client_ready = o->server_gone = false;
        bench_need(stream_connect(o->loop, &options, &client_handler, o, &o->outgoing) == 0, "connecting");
        while (!o->server_ready || !o->client_ready)
            loop_turn(o->loop, true);
        stream_close(o->outgoing);
        while (!o->server_gone)
            loop_turn(o->loop, true);
        while (pvp_terminator_next(o->terminator, &effect))
            continue;
    }
}

/* The call that both sides know, as the originator describes it and as the terminator keeps it. */
static void make_call(struct ours *o)
{
    struct pvp_vcr_record record = {.direction = PVP_TERMINATING,
                                    .called = {"+4930123456"},
                                    .calling = {"+14085551234"},
                                    .start = call_start,
                                    .stop = call_stop,
                                    .vservice_id = 7,
                                    .client = slice_str("pbx1")};
    bench_need(pvp_vcr_upload(o->vcrs, loop_now(o->loop), &record, NULL, NULL) == 0, "the upload");
    memory_store_turn(o->store);
    uint32_t r = PVP_LATTICE_MS_DEFAULT;
    struct pvp_username u = {.method = PVP_METHOD_A,
                             .vservice_id = 7,
                             .called = record.called,
                             .start_sketch = pvp_sketch(call_start, r),
                             .stop_sketch = pvp_sketch(call_stop, r)};
    pvp_caller_hint(&u.called, u.vservice_id, u.start_sketch, u.stop_sketch, &record.calling, u.caller_hint);
    pvp_username_format(&u, o->username);
    pvp_password_format(&record.calling, pvp_cell(call_start, r), pvp_cell(call_stop, r), o->password);
}

static void ours_init(struct ours *o)
{
    static const uint8_t certificate[600], mask_key[TLS_SRP_MASK_KEY_OCTETS] = {1};
    struct pvp_vcr_config vcr_config = PVP_VCR_CONFIG_DEFAULT;
    struct pvp_terminator_config config = PVP_TERMINATOR_CONFIG_DEFAULT;
    struct addr local;
    struct id node = {{1}};
    bench_need(loop_new(&o->loop) == 0 && memory_store_new(&o->store) == 0 && key_generate(KEY_EC_P256, &o->key) == 0,
               "loop, store and key");
    struct now now = loop_now(o->loop);
    const struct kv *kv = memory_store_kv(o->store);
    o->entropy = seeded_entropy_port(&o->seed);
    o->identity = (struct pvp_identity){o->key, {{2}}, slice_of(certificate, sizeof certificate), sign, refuse_all};
    bench_need(pvp_vcr_table_new(&vcr_config, kv, &o->entropy, NULL, now, &o->vcrs) == 0, "the table");
    config.interval_ms = 0;
    config.window_attempts_max = config.source_per_minute = config.node_per_minute = config.number_per_minute =
        UNLIMITED;
    struct pvp_terminator_ports ports = {
        .vcrs = o->vcrs, .identity = &o->identity, .service = {NULL, find_service}, .kv = kv, .entropy = &o->entropy};
    bench_need(pvp_terminator_new(&config, &ports, now, &o->terminator) == 0, "the terminator");
    bench_need(addr_parse(slice_str("127.0.0.1:1"), 0, &local) == 0, "an address");
    pvp_announce(o->terminator, now, &node, &local);
    local.port = 0;
    bench_need(tls_srp_server_new(mask_key, password_of, o, &o->server) == 0 && tls_srp_client_new(&o->client) == 0,
               "TLS-SRP");
    struct listener_options options = {.bind = local, .stream = {.tls = o->server}};
    bench_need(listener_open(o->loop, &options, accept_stream, o, &o->listener) == 0, "listening");
    make_call(o);
}

static void ours_fini(struct ours *o)
{
    listener_close(o->listener);
    pvp_terminator_free(o->terminator);
    pvp_vcr_table_free(o->vcrs);
    tls_context_free(o->server);
    tls_context_free(o->client);
    key_free(o->key);
    memory_store_free(o->store);
    loop_free(o->loop);
}

/* ---- bare OpenSSL ---- */

static char bare_username[] = "1;A;0000000000000007;+4930123456;0011223344556677;250;750;0";
static char bare_password[] = "+14085551234;441806400;441806415";
static char group[] = "2048";

struct bare {
    SSL_CTX *server, *client;
    int listener;
    struct sockaddr_in address;
};

static int username_received(SSL *ssl, int *alert, void *arg)
{
    (void)alert, (void)arg;
    return SSL_set_srp_server_param_pw(ssl, bare_username, bare_password, group) == 1 ? SSL_ERROR_NONE : SSL3_AL_FATAL;
}

static char *give_password(SSL *ssl, void *arg)
{
    (void)ssl, (void)arg;
    return OPENSSL_strdup(bare_password);
}

static SSL_CTX *make_context(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    bench_need(ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
                   SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) &&
                   SSL_CTX_set_cipher_list(ctx, "SRP-AES-128-CBC-SHA:@SECLEVEL=0"),
               "an SSL context");
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

static void bare_init(struct bare *b)
{
    socklen_t n = sizeof b->address;
    b->server = make_context(TLS_server_method());
    b->client = make_context(TLS_client_method());
    SSL_CTX_set_srp_username_callback(b->server, username_received);
    SSL_CTX_set_srp_username(b->client, bare_username);
    SSL_CTX_set_srp_client_pwd_callback(b->client, give_password);
    SSL_CTX_set_srp_strength(b->client, 2048);
    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    b->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bench_need(b->listener >= 0 && bind(b->listener, (struct sockaddr *)&b->address, n) == 0 &&
                   listen(b->listener, 16) == 0 && getsockname(b->listener, (struct sockaddr *)&b->address, &n) == 0,
               "listening");
}

static bool wants_more(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void shake_bare(void *arg, unsigned long times)
{
    struct bare *b = arg;
    for (unsigned long i = 0; i < times; i++) {
        int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bench_need(near >= 0 && connect(near, (struct sockaddr *)&b->address, sizeof b->address) == 0, "connecting");
        int far = accept(b->listener, NULL, NULL);
        bench_need(far >= 0 && fcntl(near, F_SETFL, O_NONBLOCK) == 0 && fcntl(far, F_SETFL, O_NONBLOCK) == 0,
                   "accepting");
        SSL *client = SSL_new(b->client), *server = SSL_new(b->server);
        bench_need(client && server && SSL_set_fd(client, near) && SSL_set_fd(server, far), "SSL objects");
        int client_done = 0, server_done = 0;
        while (client_done != 1 || server_done != 1) {
            if (client_done != 1)
                bench_need((client_done = SSL_connect(client)) == 1 || wants_more(client, client_done),
                           "the client's handshake");
            if (server_done != 1)
                bench_need((server_done = SSL_accept(server)) == 1 || wants_more(server, server_done),
                           "the server's handshake");
        }
        SSL_free(client);
        SSL_free(server);
        close(near);
        close(far);
    }
}

static void bare_fini(struct bare *b)
{
    close(b->listener);
    SSL_CTX_free(b->server);
    SSL_CTX_free(b->client);
}

int main(void)
{
    static struct ours ours = {.seed = {1}};
    static struct bare bare;
    ours_init(&ours);
    bare_init(&bare);
    struct bench_side subject = {"PVP handshake", shake_ours, &ours, 1};
    struct bench_side baseline = {"bare OpenSSL TLS-SRP", shake_bare, &bare, 1};
    bool good = bench_compare(&subject, &baseline, RATE_AT_LEAST, 0.8, 8);
    const struct pvp_terminator_counters *counters = pvp_terminator_counters(ours.terminator);
    bench_need(counters->proofs_good > 0 && counters->proofs_good == counters->lookups,
               "that every handshake was a proof");
    ours_fini(&ours);
    bare_fini(&bare);
    return !good;
}
