/* A whole call through the transaction layer, as a back-to-back user agent has it: INVITE, 100, 180, 200, ACK, BYE, 200, each received on one
 * side and sent on the other, with all transactions, timers and copies; against libosip2 doing nothing but parse the seven messages that come
 * in. */
#include "bench.h"

#include "base/time.h"
#include "sip/edit.h"
#include "sip/transaction.h"

#include <osipparser2/osip_parser.h>

#define TEXT_MAX 4096
#define CALLS_PER_SECOND 500 /* in the layer's time: how many transactions it keeps meanwhile */

static const char sdp[] = "v=0\r\no=- 20518 0 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
                          "m=audio 54609 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
                          "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n"
                          "a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

struct relay {
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct sip_layer *layer;
    struct now now;
    struct sip_flow flow;
    struct sip_hop hop;
    struct buf out;     /* what the user writes */
    struct buf in;      /* what the network brings */
    struct buf request; /* the last that went out */
    unsigned long calls;
    uint64_t server;
    unsigned seen; /* events of this call */
};

/* A request, with the fields that phones send. */
static void write_request(struct buf *b, const char *method, unsigned long call, unsigned cseq, const char *via,
                          const char *body)
{
    buf_clear(b);
    buf_printf(b, "%s sip:+4930123456@192.0.2.1:5060;user=phone SIP/2.0\r\n%s", method, via);
    buf_printf(b, "Max-Forwards: 70\r\nFrom: \"Alice\" <sip:+4940654321@192.0.2.9>;tag=1928301774%lu\r\n", call);
    buf_str(b, "To: <sip:+4930123456@192.0.2.1;user=phone>\r\n");
    buf_printf(b, "Call-ID: 3848276298220188511-%lu@192.0.2.9\r\nCSeq: %u %s\r\n", call, cseq, method);
    buf_str(b, "Contact: <sip:+4940654321@192.0.2.9:5060;transport=udp>\r\nUser-Agent: Phone/1.2.3\r\n"
               "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, REFER, NOTIFY\r\n"
               "Supported: timer, replaces, 100rel\r\nP-Asserted-Identity: <sip:+4940654321@192.0.2.9>\r\n");
    if (*body)
        buf_str(b, "Content-Type: application/sdp\r\n");
    buf_printf(b, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

static void write_arrival(struct relay *r, const char *method, unsigned cseq, unsigned branch, const char *body)
{
    char via[128];
    snprintf(via, sizeof via, "Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK%lu-%u\r\n", r->calls, branch);
    write_request(&r->in, method, r->calls, cseq, via, body);
}

/* Of the far side, to what went out last. */
static void write_answer(struct relay *r, unsigned status, const char *body)
{
    struct slice sent = buf_slice(&r->request);
    const uint8_t *start = memmem(sent.p, sent.n, "\r\nVia", 5), *end = memmem(sent.p, sent.n, "Contact", 7);
    buf_clear(&r->in);
    buf_printf(&r->in, "SIP/2.0 %u Reason", status);
    buf_put(&r->in, start, (size_t)(end - start));
    buf_str(&r->in, "Contact: <sip:+4930123456@192.0.2.77:5060>\r\nServer: Trunk/7\r\n");
    if (*body)
        buf_str(&r->in, "Content-Type: application/sdp\r\n");
    buf_printf(&r->in, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

static void forward(struct relay *r, const struct sip_event *e)
{
    char method[16];
    uint64_t client;
    snprintf(method, sizeof method, "%.*s", SLICE_PRINT(e->message->method_text));
    write_request(&r->out, method, r->calls, 1, "", e->message->body.n ? sdp : "");
    int err = e->kind == SIP_ACKED
                  ? sip_layer_send_ack(r->layer, r->now, &r->hop, "192.0.2.1", buf_slice(&r->out))
                  : sip_client_request(r->layer, r->now, &r->hop, "192.0.2.1", buf_slice(&r->out), r->server, &client);
    bench_need(!err, "request");
}

static void pass_back(struct relay *r, const struct sip_event *e)
{
    const struct sip_message *request = sip_server_request(r->layer, e->token);
    buf_clear(&r->out);
    sip_begin_answer(&r->out, request, e->message->status, NULL, sip_server_tag(r->layer, e->token));
    sip_put(&r->out, SIP_CONTACT, slice_str("<sip:192.0.2.1:5060>"));
    if (e->message->body.n)
        sip_put(&r->out, SIP_CONTENT_TYPE, slice_str("application/sdp"));
    sip_end(&r->out, e->message->body);
    bench_need(!sip_server_respond(r->layer, r->now, e->token, buf_slice(&r->out)), "response");
}

static void drain(struct relay *r)
{
    struct sip_event e;
    while (sip_layer_next(r->layer, &e)) {
        r->seen++;
        if (e.kind == SIP_SEND && e.octets.p[0] != 'S') {
            buf_clear(&r->request);
            buf_slice_put(&r->request, e.octets);
        } else if (e.kind == SIP_REQUEST || e.kind == SIP_ACKED) {
            r->server = e.kind == SIP_REQUEST ? e.server : r->server;
            forward(r, &e);
        } else if (e.kind == SIP_RESPONSE) {
            pass_back(r, &e);
        }
    }
}

static void arrive(struct relay *r)
{
    sip_layer_input(r->layer, r->now, &r->flow, buf_slice(&r->in));
    drain(r);
}

static void call(struct relay *r)
{
    r->calls++;
    r->seen = 0;
    write_arrival(r, "INVITE", 1, 1, sdp);
    arrive(r);
    static const unsigned statuses[] = {100, 180, 200};
    for (size_t i = 0; i < 3; i++) {
        write_answer(r, statuses[i], statuses[i] == 200 ? sdp : "");
        arrive(r);
    }
    write_arrival(r, "ACK", 1, 2, "");
    arrive(r);
    write_arrival(r, "BYE", 2, 3, "");
    arrive(r);
    write_answer(r, 200, "");
    arrive(r);
    bench_need(r->seen == 14, "call"); /* seven in, seven out */
    r->now.mono = mono_after_us(r->now.mono, 1000000 / CALLS_PER_SECOND);
    sip_layer_tick(r->layer, r->now);
    drain(r);
}

static void relay_calls(void *arg, unsigned long times)
{
    for (unsigned long i = 0; i < times; i++)
        call(arg);
}

/* The same messages, parsed and thrown away. */
static void parse_messages(void *arg, unsigned long times)
{
    struct relay *r = arg;
    for (unsigned long i = 0; i < times; i++) {
        r->calls++;
        for (unsigned n = 0; n < 7; n++) {
            osip_message_t *m;
            static const char *const methods[] = {"INVITE", "ACK", "BYE"};
            if (n < 3)
                write_arrival(r, methods[n], 1, n, n ? "" : sdp);
            else
                write_answer(r, n == 6 ? 180 : 200, n == 3 ? sdp : "");
            bench_need(osip_message_init(&m) == 0, "libosip2");
            bench_need(osip_message_parse(m, (const char *)r->in.p, r->in.n) == 0, "libosip2's parser");
            osip_message_free(m);
        }
    }
}

static void prepare(struct relay *r)
{
    struct sip_layer_config config;
    *r = (struct relay){.hop = {.addr = {.family = 4, .port = 5060, .ip = {192, 0, 2, 77}}}};
    r->entropy = seeded_entropy_port(&r->seeded);
    r->flow.peer = r->hop.addr;
    r->flow.is_configured = true;
    buf_init(&r->out, TEXT_MAX);
    buf_init(&r->in, TEXT_MAX);
    buf_init(&r->request, TEXT_MAX);
    sip_layer_config_init(&config);
    bench_need(sip_layer_new(&config, &r->entropy, NULL, &r->layer) == 0, "layer");
    call(r);
}

int main(void)
{
    struct relay relay, parser;
    parser_init();
    prepare(&relay);
    prepare(&parser);
    struct bench_side subject = {.name = "calls through the SIP transaction layer", .run = relay_calls, .arg = &relay};
    struct bench_side baseline = {.name = "libosip2 parsing their messages", .run = parse_messages, .arg = &parser};
    bool good = bench_compare(&subject, &baseline, COST_AT_MOST, 1.0, 4);
    sip_layer_free(relay.layer);
    sip_layer_free(parser.layer);
    return good ? 0 : 1;
}
