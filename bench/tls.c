/* TLS of streams beside bare OpenSSL with the same certificates and versions: handshakes with certificates on both sides, handshakes that go on with an
 * earlier session, and SIP messages over one connection. Both ends are in this process; one unit of work is a handshake, or a message there. */
#include "base/entropy.h"
#include "base/text.h"
#include "bench.h"
#include "crypt/native.h"
#include "io/handshakes.h"
#include "io/sip_host.h"

#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW 50 /* messages under way: what comes together in a busy edge's turn */
#define SECONDS 4
#define NAME "b.example"
#define RESUME_MS 3600000

static struct loop *loop;
static char message[1024];

/* ---- certificates ---- */

struct identity {
    struct key *key;
    struct cert *cert;
    struct buf certificate_pem, key_pem;
};

static struct identity authority, a, b;
static struct slice trust;

static void times(struct wall *ret_from, struct wall *ret_until)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    *ret_from = (struct wall){now_ms - 86400000};
    *ret_until = (struct wall){now_ms + 86400000};
}

static void make_authority(void)
{
    const uint8_t serial[16] = {1};
    struct wall from, until;
    times(&from, &until);
    bench_need(key_generate(KEY_EC_P256, &authority.key) == 0, "a key");
    bench_need(cert_issue_authority(authority.key, "authority", from, until, serial, &authority.cert) == 0,
               "an authority");
    trust = cert_der(authority.cert);
}

static void make(struct identity *i, const char *name, uint8_t number)
{
    struct cert_request request = {.names = &name, .name_count = 1, .serial = {2, number}};
    times(&request.not_before, &request.not_after);
    bench_need(key_generate(KEY_EC_P256, &i->key) == 0, "a key");
    request.public_key = i->key;
    bench_need(cert_issue(authority.key, authority.cert, &request, &i->cert) == 0, "a certificate");
    buf_init(&i->certificate_pem, 1u << 16);
    buf_init(&i->key_pem, 1u << 16);
    bench_need(cert_to_pem(i->cert, &i->certificate_pem) == 0 && key_to_pem(i->key, &i->key_pem) == 0, "PEM");
}

static struct tls_context *context_new(enum tls_role role, const struct identity *i, bool resumes)
{
    const struct tls_options options = {.role = role,
                                        .purpose = TLS_PURPOSE_SIP,
                                        .certificate = buf_slice(&i->certificate_pem),
                                        .key_pem = buf_slice(&i->key_pem),
                                        .trust = &trust,
                                        .trust_count = 1,
                                        .resume_ms = resumes ? RESUME_MS : 0};
    struct tls_context *context;
    bench_need(tls_context_new(&options, &context) == 0, "a context");
    return context;
}

/* ---- handshakes of streams ---- */

struct meeting {
    struct tls_context *client, *server;
    struct listener *listener;
    struct stream *accepted;
    bool client_ready, server_ready, answered;
    bool resumes;
};

static void on_ready(void *arg, struct stream *stream)
{
    struct meeting *m = arg;
    if (stream != m->accepted) {
        m->client_ready = true;
        return;
    }
    m->server_ready = true;
    bench_need(stream_write(stream, slice_str("x")) == 0, "writing"); /* behind which the client has its ticket */
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct meeting *m = arg;
    (void)stream, (void)octets;
    m->answered = true;
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)arg, (void)stream, (void)reason;
    bench_need(false, detail);
}

static const struct stream_handler handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

static void on_accept(void *arg, struct stream *stream)
{
    struct meeting *m = arg;
    m->accepted = stream;
    stream_set_handler(stream, &handler, m);
}

static void meeting_open(struct meeting *m, bool resumes)
{
    struct handshakes_config config;
    struct handshakes *handshakes;
    handshakes_config_init(&config);
    config.per_second = config.burst = config.first_per_second = 1000000;
    bench_need(handshakes_new(loop, &config, &handshakes) == 0, "an order of handshakes");
    m->resumes = resumes;
    m->client = context_new(TLS_CLIENT, &a, resumes);
    m->server = context_new(TLS_SERVER, &b, resumes);
    const struct listener_options options = {
        .bind = {.family = 4, .ip = {127, 0, 0, 1}}, .handshakes = handshakes, .stream.tls = m->server};
    bench_need(listener_open(loop, &options, on_accept, m, &m->listener) == 0, "listening");
}

static void meeting_work(void *arg, unsigned long n)
{
    struct meeting *m = arg;
    const struct stream_connect_options options = {
        .remote = listener_addr(m->listener), .peer_name = NAME, .stream.tls = m->client};
    while (n--) {
        struct stream *stream;
        m->client_ready = m->server_ready = m->answered = false;
        bench_need(stream_connect(loop, &options, &handler, m, &stream) == 0, "connecting");
        while (!m->client_ready || !m->server_ready || !m->answered)
            bench_need(loop_turn(loop, true) == 0, "a turn");
        stream_close(stream);
        stream_close(m->accepted);
    }
}

/* ---- handshakes of bare OpenSSL ---- */

struct bare {
    SSL_CTX *client, *server;
    SSL_SESSION *session;
    bool resumes;
};

static void bare_identity(SSL_CTX *context, const struct identity *i)
{
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN); /* as ours: no chain is looked for at each handshake */
    bench_need(SSL_CTX_use_certificate(context, cert_native(i->cert)) == 1 &&
                   SSL_CTX_use_PrivateKey(context, key_native(i->key)) == 1 &&
                   X509_STORE_add_cert(SSL_CTX_get_cert_store(context), cert_native(authority.cert)) == 1 &&
                   SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1,
               "an identity");
}

static struct bare *kept_by; /* the one that is at work */

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept_by->session);
    kept_by->session = session;
    return 1;
}

static void bare_open(struct bare *s, bool resumes)
{
    s->resumes = resumes;
    s->client = SSL_CTX_new(TLS_client_method());
    s->server = SSL_CTX_new(TLS_server_method());
    bench_need(s->client && s->server, "contexts");
    bare_identity(s->client, &a);
    bare_identity(s->server, &b);
    SSL_CTX_set_verify(s->client, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify(s->server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(s->server, (const unsigned char *)"bench", 5);
    SSL_CTX_set_num_tickets(s->server, resumes ? 1 : 0);
    SSL_CTX_set_session_cache_mode(s->server, SSL_SESS_CACHE_OFF);
    if (!resumes)
        return;
    SSL_CTX_set_session_cache_mode(s->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(s->client, keep);
}

static void bare_pair(struct bare *s, SSL **ret_client, SSL **ret_server)
{
    int fds[2];
    SSL *client = SSL_new(s->client), *server = SSL_new(s->server);
    bench_need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0, "sockets");
    bench_need(client && server && SSL_set_fd(client, fds[0]) == 1 && SSL_set_fd(server, fds[1]) == 1, "sessions");
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    SSL_set_tlsext_host_name(client, NAME);
    SSL_set1_host(client, NAME);
    if (s->session)
        SSL_set_session(client, s->session);
    kept_by = s;
    while (SSL_do_handshake(client) != 1)
        (void)SSL_do_handshake(server);
    bench_need(SSL_do_handshake(server) == 1, "a handshake");
    *ret_client = client;
    *ret_server = server;
}

static void bare_close(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    close(fd);
}

static void bare_work(void *arg, unsigned long n)
{
    struct bare *s = arg;
    while (n--) {
        SSL *client, *server;
        char octet;
        bare_pair(s, &client, &server);
        bench_need(SSL_write(server, "x", 1) == 1 && SSL_read(client, &octet, 1) == 1, "an octet");
        bare_close(client);
        bare_close(server);
    }
}

/* ---- messages ---- */

struct talk {
    struct sip_host *from, *to;
    struct sip_hop hop;
    unsigned long received;
};

static void count(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct talk *t = arg;
    (void)flow;
    bench_need(octets.n == sizeof message, "a message");
    t->received++;
}

static void unreachable(void *arg, const struct sip_hop *hop)
{
    (void)arg, (void)hop;
    bench_need(false, "a way");
}

static void talk_open(struct talk *t)
{
    static const struct sip_host_handler host_handler = {.message = count, .unreachable = unreachable};
    static struct seeded_entropy seed = {7};
    static struct entropy entropy;
    static const char head[] =
        "INVITE sip:+49300200003@b.example SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n"
        "From: <sip:+49300100007@a.example>;tag=1\r\nTo: <sip:+49300200003@b.example>\r\n"
        "Call-ID: 0123456789abcdef\r\nCSeq: 1 INVITE\r\nContent-Length: %4zu\r\n\r\n";
    struct sip_host_options options;
    struct addr bind = {.family = 4, .ip = {127, 0, 0, 1}};
    memset(message, 'v', sizeof message);
    int n = snprintf(message, sizeof message, head, (size_t)0);
    snprintf(message, sizeof message, head, sizeof message - (size_t)n);
    message[n] = 'v';
    entropy = seeded_entropy_port(&seed);
    sip_host_options_init(&options);
    options.entropy = &entropy;
    bench_need(sip_host_new(loop, &options, &host_handler, t, &t->from) == 0, "a host");
    bench_need(sip_host_new(loop, &options, &host_handler, t, &t->to) == 0, "a host");
    bench_need(sip_host_listen(t->to, 0, SIP_TLS, &bind, context_new(TLS_SERVER, &b, true)) == 0, "listening");
    sip_host_connect_from(t->from, 0, &(struct addr){0}, context_new(TLS_CLIENT, &a, true));
    t->hop = (struct sip_hop){.transport = SIP_TLS, .addr = sip_host_addr(t->to, 0, SIP_TLS, 4), .host = NAME};
}

static void talk_work(void *arg, unsigned long n)
{
    struct talk *t = arg;
    unsigned long sent = t->received, end = t->received + n;
    while (t->received < end) {
        for (; sent < end && sent < t->received + WINDOW; sent++)
            sip_host_send(t->from, &t->hop, slice_of(message, sizeof message));
        bench_need(loop_turn(loop, true) == 0, "a turn");
    }
}

struct bare_talk {
    struct bare bare;
    SSL *from, *to;
};

/* Each message is written and read by itself. */
static void bare_talk_work(void *arg, unsigned long n)
{
    struct bare_talk *t = arg;
    char octets[sizeof message];
    for (unsigned long done = 0; done < n; done += WINDOW) {
        for (int i = 0; i < WINDOW; i++)
            bench_need(SSL_write(t->from, message, sizeof message) == (int)sizeof message, "writing");
        for (int i = 0; i < WINDOW; i++)
            bench_need(SSL_read(t->to, octets, sizeof octets) == (int)sizeof octets, "reading");
    }
}

int main(void)
{
    static struct meeting full, resumed;
    static struct bare bare_full, bare_resumed;
    static struct talk talk;
    static struct bare_talk bare_talk;
    bench_need(loop_new(&loop) == 0, "a loop");
    make_authority();
    make(&a, "a.example", 1);
    make(&b, NAME, 2);
    meeting_open(&full, false);
    meeting_open(&resumed, true);
    bare_open(&bare_full, false);
    bare_open(&bare_resumed, true);
    bare_open(&bare_talk.bare, false);
    bare_pair(&bare_talk.bare, &bare_talk.from, &bare_talk.to);
    talk_open(&talk);
    struct bench_side full_side = {"streams, full handshakes", meeting_work, &full, 1};
    struct bench_side bare_full_side = {"bare OpenSSL", bare_work, &bare_full, 1};
    struct bench_side resumed_side = {"streams, resumed", meeting_work, &resumed, 1};
    struct bench_side bare_resumed_side = {"bare OpenSSL", bare_work, &bare_resumed, 1};
    struct bench_side talk_side = {"SIP host, TLS, messages", talk_work, &talk, 1};
    struct bench_side bare_talk_side = {"SSL_write and SSL_read", bare_talk_work, &bare_talk, 1};
    bool good = bench_compare(&full_side, &bare_full_side, COST_AT_MOST, 1.25, SECONDS);
    good = bench_compare(&resumed_side, &bare_resumed_side, COST_AT_MOST, 1.5, SECONDS) && good;
    good = bench_compare(&resumed_side, &full_side, RATE_AT_LEAST, 1.3, SECONDS) && good;
    good = bench_compare(&talk_side, &bare_talk_side, COST_AT_MOST, 1, SECONDS) && good;
    return good ? 0 : 1;
}
