/* The stage: a layer whose messages and events are written down. */
#include "sip_stage.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 65535

static const char usual_via[] = "SIP/2.0/%s 192.0.2.9:5060;branch=z9hG4bK-1";

int stage_setup(void **state)
{
    struct sip_stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    sip_layer_config_init(&s->config);
    s->seeded.state = 1;
    s->entropy = seeded_entropy_port(&s->seeded);
    struct buf *const bufs[] = {&s->trace, &s->request, &s->cancel, &s->ack, &s->response, &s->arrived};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        buf_init(bufs[i], TEXT_MAX);
    *state = s;
    return 0;
}

int stage_teardown(void **state)
{
    struct sip_stage *s = *state;
    sip_layer_free(s->layer);
    struct buf *const bufs[] = {&s->trace, &s->request, &s->cancel, &s->ack, &s->response, &s->arrived};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        buf_fini(bufs[i]);
    free(s);
    return 0;
}

void stage_start(struct sip_stage *s, enum sip_transport transport)
{
    sip_layer_free(s->layer);
    s->layer = NULL;
    assert_int_equal(sip_layer_new(&s->config, &s->entropy, NULL, &s->layer), 0);
    s->hop = (struct sip_hop){.transport = transport};
    s->flow = (struct sip_flow){.transport = transport, .conn = transport == SIP_UDP ? 0 : 7};
    assert_int_equal(addr_parse(slice_str("192.0.2.9:5060"), 0, &s->hop.addr), 0);
    s->flow.peer = s->hop.addr;
    s->now = (struct now){{0}, {0}};
    buf_clear(&s->trace);
}

/* ---- the trace ---- */

static void note(struct sip_stage *s, const char *format, const char *text)
{
    buf_printf(&s->trace, "%6lld ", (long long)(s->now.mono.us / 1000));
    buf_printf(&s->trace, "%s%s\n", format, text);
}

static void keep(struct buf *at, struct slice octets)
{
    buf_clear(at);
    buf_slice_put(at, octets);
}

/* "INVITE", or "180" of a response. */
static const char *name_of(struct slice octets, char text[16])
{
    bool is_response = octets.n > 8 && memcmp(octets.p, "SIP/2.0 ", 8) == 0;
    struct slice rest = is_response ? slice_of(octets.p + 8, octets.n - 8) : octets;
    size_t n = 0;
    while (n < rest.n && n < 15 && rest.p[n] != ' ')
        n++;
    memcpy(text, rest.p, n);
    text[n] = '\0';
    return text;
}

static void sent(struct sip_stage *s, const struct sip_event *e)
{
    char name[16];
    name_of(e->octets, name);
    note(s, "> ", name);
    if (name[0] <= '9') {
        keep(&s->response, e->octets);
        s->answer = *e->hop;
    } else {
        keep(strcmp(name, "ACK") == 0 ? &s->ack : strcmp(name, "CANCEL") == 0 ? &s->cancel : &s->request, e->octets);
    }
}

static void told(struct sip_stage *s, const struct sip_event *e)
{
    char text[64];
    switch (e->kind) {
    case SIP_REQUEST:
        s->server = e->server;
        snprintf(text, sizeof text, "%.*s", SLICE_PRINT(e->message->method_text));
        break;
    case SIP_ACKED:
        snprintf(text, sizeof text, "ACK%s", e->server ? " of a transaction" : "");
        break;
    case SIP_CANCELLED:
        assert_int_equal(e->server, s->server);
        snprintf(text, sizeof text, "CANCEL");
        break;
    case SIP_RESPONSE:
        assert_int_equal(e->token, 42);
        snprintf(text, sizeof text, "%u", e->message->status);
        break;
    case SIP_ACK_MISSING:
        snprintf(text, sizeof text, "ACK_MISSING");
        break;
    case SIP_TIMEOUT:
        snprintf(text, sizeof text, "TIMEOUT");
        break;
    case SIP_UNREACHABLE:
        snprintf(text, sizeof text, "UNREACHABLE");
        break;
    case SIP_ANSWERED_LATE:
        snprintf(text, sizeof text, "late %u", e->message->status);
        break;
    default:
        fail();
    }
    note(s, "! ", text);
}

void stage_drain(struct sip_stage *s)
{
    struct sip_event e;
    while (sip_layer_next(s->layer, &e))
        if (e.kind == SIP_SEND)
            sent(s, &e);
        else
            told(s, &e);
    bool alive = sip_layer_clients(s->layer) || sip_layer_servers(s->layer);
    if (s->was_alive && !alive)
        note(s, "gone", "");
    s->was_alive = alive;
}

const char *stage_trace(struct sip_stage *s)
{
    static char text[TEXT_MAX + 1];
    assert_int_equal(s->trace.err, 0);
    snprintf(text, sizeof text, "%s", buf_text(&s->trace));
    buf_clear(&s->trace);
    return text;
}

void stage_run(struct sip_stage *s, int64_t ms)
{
    struct mono end = mono_after_ms(s->now.mono, ms);
    while (mono_due(sip_layer_deadline(s->layer), end)) {
        assert_true(mono_since_us(sip_layer_deadline(s->layer), s->now.mono) >= 0);
        s->now.mono = sip_layer_deadline(s->layer);
        sip_layer_tick(s->layer, s->now);
        stage_drain(s);
    }
    s->now.mono = end;
}

/* ---- client ---- */

void stage_request(struct sip_stage *s, const char *method)
{
    struct buf out;
    buf_init(&out, TEXT_MAX);
    sip_begin_request(&out, method, slice_str("sip:bob@example.com"));
    sip_put(&out, SIP_ROUTE, slice_str("<sip:p1.example.com;lr>, <sip:p2.example.com;lr>"));
    sip_put(&out, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put(&out, SIP_FROM, slice_str("Alice <sip:alice@example.org>;tag=88sja8x"));
    sip_put(&out, SIP_TO, slice_str("Bob <sip:bob@example.com>"));
    sip_put(&out, SIP_CALL_ID, slice_str("987asjd97y7atg"));
    sip_put_text(&out, SIP_CSEQ, "986759 %s", method);
    sip_end(&out, slice_of(NULL, 0));
    assert_int_equal(sip_client_request(s->layer, s->now, &s->hop, "192.0.2.1:5060", buf_slice(&out), 42, &s->client),
                     0);
    buf_fini(&out);
    s->was_alive = true;
    stage_drain(s);
}

static void answer(struct sip_stage *s, const struct buf *request, unsigned status)
{
    struct region region;
    struct sip_message m;
    struct buf out;
    region_init(&region, TEXT_MAX * 4);
    buf_init(&out, TEXT_MAX);
    assert_int_equal(sip_parse(&region, buf_slice(request), SIP_DATAGRAM, &m, NULL), 0);
    sip_begin_answer(&out, &m, status, NULL, slice_str("99sa0xk"));
    sip_end(&out, slice_of(NULL, 0));
    sip_layer_input(s->layer, s->now, &s->flow, buf_slice(&out));
    buf_fini(&out);
    region_fini(&region);
    stage_drain(s);
}

void stage_answer(struct sip_stage *s, unsigned status)
{
    answer(s, &s->request, status);
}

void stage_answer_cancel(struct sip_stage *s, unsigned status)
{
    answer(s, &s->cancel, status);
}

/* ---- server ---- */

void stage_arrive(struct sip_stage *s, const char *method)
{
    stage_arrive_as(s, &(struct arrival){.method = method});
}

void stage_arrive_as(struct sip_stage *s, const struct arrival *a)
{
    char via[128];
    struct buf out;
    snprintf(via, sizeof via, usual_via, sip_transport_name(s->flow.transport));
    buf_init(&out, TEXT_MAX);
    sip_begin_request(&out, a->method, slice_str("sip:+4930123456@example.org"));
    sip_put(&out, SIP_VIA, slice_str(a->via ? a->via : via));
    sip_put(&out, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put(&out, SIP_FROM, slice_str("<sip:bob@example.com>;tag=b0b"));
    sip_put(&out, SIP_TO, slice_str(a->to ? a->to : "<sip:+4930123456@example.org>"));
    sip_put(&out, SIP_CALL_ID, slice_str(a->call_id ? a->call_id : "call-1"));
    sip_put_text(&out, SIP_CSEQ, "%u %s", a->cseq ? a->cseq : 1, a->cseq_method ? a->cseq_method : a->method);
    buf_str(&out, a->more ? a->more : "");
    sip_end(&out, slice_of(NULL, 0));
    sip_layer_input(s->layer, s->now, &s->flow, buf_slice(&out));
    if (strcmp(a->method, "ACK") != 0 && strcmp(a->method, "CANCEL") != 0)
        keep(&s->arrived, buf_slice(&out));
    buf_fini(&out);
    s->was_alive = s->was_alive || sip_layer_servers(s->layer);
    stage_drain(s);
}

void stage_arrive_text(struct sip_stage *s, const char *text)
{
    sip_layer_input(s->layer, s->now, &s->flow, slice_str(text));
    s->was_alive = s->was_alive || sip_layer_servers(s->layer);
    stage_drain(s);
}

int stage_try_respond(struct sip_stage *s, unsigned status)
{
    struct buf out;
    const struct sip_message *request = sip_server_request(s->layer, s->server);
    buf_init(&out, TEXT_MAX);
    if (request)
        sip_begin_answer(&out, request, status, NULL, sip_server_tag(s->layer, s->server));
    else
        sip_begin_response(&out, status, NULL); /* it is answered already */
    sip_end(&out, slice_of(NULL, 0));
    int err = sip_server_respond(s->layer, s->now, s->server, buf_slice(&out));
    buf_fini(&out);
    stage_drain(s);
    return err;
}

void stage_respond(struct sip_stage *s, unsigned status)
{
    assert_int_equal(stage_try_respond(s, status), 0);
}

const char *stage_field(struct slice message, enum sip_header header)
{
    static char text[1024];
    struct region region;
    struct sip_message m;
    text[0] = '\0';
    region_init(&region, TEXT_MAX * 4);
    assert_int_equal(sip_parse(&region, message, SIP_DATAGRAM, &m, NULL), 0);
    const struct sip_field *field = sip_field_first(&m, header);
    if (field)
        snprintf(text, sizeof text, "%.*s", SLICE_PRINT(field->value));
    region_fini(&region);
    return text;
}
