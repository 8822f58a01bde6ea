/* The transaction layer under whatever comes in, between requests of ours, answers to them, answers of ours, and time that passes. The input
 * is a list of steps, each ended by an octet 0:
 *
 *     T500     so many milliseconds pass          I, O     we send an INVITE, another request
 *     A180…    our last request is answered, with these further octets before the end of the header
 *     C        we cancel the last INVITE          U        the way of our requests is gone
 *     R486     we answer the last request that came in
 *     S        what follows comes over a stream   D        … as datagrams
 *     M3       the third allocation of the next step fails
 *     else: a message that comes in
 *
 * Each request of ours ends once, each that came in is seen while it lives, and nothing stays for ever. */
#include "base/mem.h"
#include "sip/edit.h"
#include "sip/transaction.h"

#include <stdio.h>
#include <stdlib.h>

#define REQUESTS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct sip_layer *layer;
    struct now now;
    struct sip_flow flow;
    struct sip_hop hop;
    struct buf last; /* our last request as it was sent */
    uint64_t client;
    uint64_t server;
    unsigned fail_at; /* 0: never */
    unsigned sent;
    unsigned ends[REQUESTS_MAX];
    bool is_invite[REQUESTS_MAX];
    bool is_accepted[REQUESTS_MAX];
};

static void need(bool condition)
{
    if (!condition)
        abort();
}

/* Around what the layer does: the harness itself has memory. */
static void scarce(struct run *r)
{
    mem_fail_at(r->fail_at);
    r->fail_at = 0;
}

static void plenty(void)
{
    mem_fail_at(0);
}

static uint8_t touch(struct slice octets)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < octets.n; i++)
        sum = (uint8_t)(sum + octets.p[i]);
    return sum;
}

static void ended(struct run *r, const struct sip_event *e)
{
    size_t i = (size_t)e->token;
    need(i < r->sent);
    bool is_response = e->kind == SIP_RESPONSE;
    need(!r->ends[i] || (is_response && r->is_accepted[i] && e->message->status / 100 == 2));
    if (is_response && e->message->status < 200)
        return;
    if (is_response && e->message->status < 300 && r->is_invite[i])
        r->is_accepted[i] = true;
    r->ends[i] = 1;
}

static void drain(struct run *r)
{
    struct sip_event e;
    volatile uint8_t sum = 0;
    while (sip_layer_next(r->layer, &e)) {
        if (e.kind == SIP_SEND) {
            sum = (uint8_t)(sum + touch(e.octets));
            if (e.octets.n > 7 && (memcmp(e.octets.p, "INVITE ", 7) == 0 || memcmp(e.octets.p, "OPTIONS", 7) == 0)) {
                buf_clear(&r->last);
                buf_slice_put(&r->last, e.octets);
            }
            continue;
        }
        if (e.message)
            sum = (uint8_t)(sum + touch(e.message->octets) + touch(e.message->call_id));
        if (e.kind == SIP_REQUEST) {
            r->server = e.server;
            need(sip_server_request(r->layer, e.server) == e.message);
        } else if (e.kind == SIP_RESPONSE || e.kind == SIP_TIMEOUT || e.kind == SIP_UNREACHABLE) {
            ended(r, &e);
        }
    }
}

static void pass(struct run *r, uint64_t ms)
{
    struct mono end = mono_after_ms(r->now.mono, (int64_t)ms);
    while (mono_due(sip_layer_deadline(r->layer), end)) {
        r->now.mono = mono_max(r->now.mono, sip_layer_deadline(r->layer));
        scarce(r);
        sip_layer_tick(r->layer, r->now);
        plenty();
        need(sip_layer_deadline(r->layer).us > r->now.mono.us);
        drain(r);
    }
    r->now.mono = end;
}

static void request(struct run *r, const char *method)
{
    struct buf out;
    if (r->sent == REQUESTS_MAX)
        return;
    buf_init(&out, 1024);
    buf_printf(&out,
               "%s sip:b@x SIP/2.0\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 %s\r\n"
               "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
               method, method);
    r->is_invite[r->sent] = method[0] == 'I';
    scarce(r);
    int err = sip_client_request(r->layer, r->now, &r->hop, "192.0.2.1", buf_slice(&out), r->sent, &r->client);
    plenty();
    need(err == 0 || err == ERR_NO_MEMORY);
    r->sent += !err;
    buf_fini(&out);
}

static void input(struct run *r, struct slice octets)
{
    scarce(r);
    sip_layer_input(r->layer, r->now, &r->flow, octets);
    plenty();
}

static void answer(struct run *r, unsigned status, struct slice more)
{
    static const char via[] = "\r\nVia: ";
    struct buf out;
    struct slice sent = buf_slice(&r->last);
    if (!sent.n)
        return;
    const uint8_t *start = memmem(sent.p, sent.n, via, sizeof via - 1);
    const uint8_t *end = memmem(sent.p, sent.n, "Max-Forwards", 12);
    if (!start || !end)
        return;
    buf_init(&out, SIP_MESSAGE_OCTETS_MAX);
    buf_printf(&out, "SIP/2.0 %u X", status);
    buf_put(&out, start, (size_t)(end - start));
    buf_slice_put(&out, more);
    buf_str(&out, "Content-Length: 0\r\n\r\n");
    input(r, buf_slice(&out));
    buf_fini(&out);
}

static void respond(struct run *r, unsigned status)
{
    struct buf out;
    const struct sip_message *m = sip_server_request(r->layer, r->server);
    if (!m)
        return;
    buf_init(&out, 2 * SIP_MESSAGE_OCTETS_MAX);
    sip_begin_answer(&out, m, status, NULL, sip_server_tag(r->layer, r->server));
    sip_end(&out, slice_of(NULL, 0));
    scarce(r);
    if (!out.err)
        sip_server_respond(r->layer, r->now, r->server, buf_slice(&out));
    plenty();
    buf_fini(&out);
}

static void cancel(struct run *r)
{
    scarce(r);
    sip_client_cancel(r->layer, r->now, r->client, slice_str("SIP;cause=487"));
    plenty();
}

static unsigned number(struct slice *text)
{
    unsigned value = 0;
    while (text->n && *text->p >= '0' && *text->p <= '9' && value < 100000) {
        value = 10 * value + (unsigned)(*text->p - '0');
        *text = slice_of(text->p + 1, text->n - 1);
    }
    return value;
}

static unsigned status_of(unsigned value)
{
    return 100 + value % 600;
}

static void step(struct run *r, struct slice s)
{
    struct slice rest = s.n ? slice_of(s.p + 1, s.n - 1) : s;
    unsigned value = number(&rest);
    bool is_short = s.n && s.n < 8;
    char kind = s.n ? (char)s.p[0] : ' ';
    if (kind == 'T' && is_short)
        pass(r, value);
    else if ((kind == 'I' || kind == 'O') && s.n == 1)
        request(r, kind == 'I' ? "INVITE" : "OPTIONS");
    else if (kind == 'A' && s.n > 3 && s.p[1] <= '9')
        answer(r, status_of(value - 100), rest);
    else if (kind == 'C' && s.n == 1)
        cancel(r);
    else if (kind == 'M' && is_short)
        r->fail_at = value;
    else if (kind == 'U' && s.n == 1)
        sip_layer_unreachable(r->layer, r->now, &r->hop);
    else if (kind == 'R' && is_short)
        respond(r, status_of(value - 100));
    else if ((kind == 'S' || kind == 'D') && s.n == 1)
        r->flow.transport = r->hop.transport = kind == 'S' ? SIP_TCP : SIP_UDP;
    else
        input(r, s);
    drain(r);
}

/* Of what came in, only INVITEs may wait for their user. */
static void finish(struct run *r)
{
    r->fail_at = 0;
    pass(r, 1000000);
    need(sip_layer_clients(r->layer) == 0);
    for (unsigned i = 0; i < r->sent; i++)
        need(r->ends[i] == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seeded_entropy seeded = {1};
    struct entropy entropy = seeded_entropy_port(&seeded);
    struct sip_layer_config config;
    struct run r = {.hop = {.addr = {.family = 4, .port = 5060, .ip = {192, 0, 2, 9}}}};
    sip_layer_config_init(&config);
    config.servers_max = 20;
    r.flow.peer = r.hop.addr;
    buf_init(&r.last, SIP_MESSAGE_OCTETS_MAX);
    need(sip_layer_new(&config, &entropy, NULL, &r.layer) == 0);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, 0, size - at);
        size_t n = end ? (size_t)(end - data) - at : size - at;
        step(&r, slice_of(data + at, n));
        at += n + 1;
    }
    finish(&r);
    sip_layer_free(r.layer);
    buf_fini(&r.last);
    return 0;
}
