/* The stage of the phone network. */
#include "pstn_stage.h"

const char *const phone_points[PHONES] = {"10.0.0.1:5060", "10.0.0.2:5060", "10.0.0.3:5060"};
const char *const carrier_points[2] = {"198.51.100.1:5060", "198.51.100.2:5060"};

struct addr address(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 0, &addr), 0);
    return addr;
}

static void on_news(void *arg, const struct pstn_phone_call *call)
{
    struct end *e = arg;
    e->last = *call;
    e->over += call->ended_at.ms != 0;
}

/* ---- the options: two carriers, three trunks ---- */

void add_trunk(struct stage *s, const char *name, unsigned carrier, const char *point, const char *range)
{
    struct pstn_options *o = &s->options;
    struct pstn_trunk_options *t = &o->trunks[o->trunk_count];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->carrier = carrier;
    t->place = (struct pstn_place){"49", "30"};
    t->transport = SIP_UDP;
    if (point)
        t->addr = address(point);
    assert_true(pstn_pattern_is_valid(slice_str(range)));
    snprintf(o->ranges[o->range_count].pattern, sizeof o->ranges[0].pattern, "%s", range);
    o->ranges[o->range_count++].trunk = (unsigned)o->trunk_count++;
}

struct stage *stage_new(void)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->now = (struct now){{1000000}, {INT64_C(1700000000000)}};
    s->seeded.state = 7;
    s->entropy = seeded_entropy_port(&s->seeded);
    list_init(&s->post);
    pstn_options_default(&s->options);
    for (unsigned i = 0; i < 2; i++) {
        struct pstn_carrier_options *c = &s->options.carriers[s->options.carrier_count++];
        snprintf(c->name, sizeof c->name, "carrier-%u", i + 1);
        snprintf(c->points[SIP_UDP], sizeof c->points[SIP_UDP], "%s", carrier_points[i]);
        c->setup = (struct pstn_span){200, 200};
        c->answer = (struct pstn_span){30, 30};
        c->release = (struct pstn_span){50, 50};
        c->tariff = (struct pstn_tariff){100, 20};
    }
    add_trunk(s, "a", 0, phone_points[ANN], "+4930100XXXX");
    add_trunk(s, "b", 1, phone_points[BOB], "+4930200*");
    add_trunk(s, "c", 0, phone_points[CARL], "+4930300*");
    for (unsigned i = 0; i < PHONES; i++)
        s->ends[i].options = (struct pstn_phone_options){
            .point = phone_points[i], .media = address(phone_points[i]), .ring = {3000, 3000}, .calls_max = 4};
    return s;
}

void stage_start(struct stage *s)
{
    assert_int_equal(pstn_network_new(&s->options, &s->entropy, NULL, s->now, &s->network), 0);
    for (unsigned i = 0; i < PHONES; i++)
        assert_int_equal(
            pstn_phone_new(&s->ends[i].options, &s->entropy, NULL, s->now, on_news, &s->ends[i], &s->ends[i].phone), 0);
}

int setup(void **state)
{
    *state = stage_new();
    return 0;
}

/* After a while nothing is left of whatever a test did. */
int teardown(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < PHONES; i++)
        pstn_phone_stop(s->ends[i].phone, s->now);
    stage_run(s, 1000);
    pstn_network_stop(s->network, s->now);
    stage_run(s, 300000);
    assert_true(pstn_network_is_quiet(s->network));
    for (unsigned i = 0; i < PHONES; i++) {
        assert_true(pstn_phone_is_quiet(s->ends[i].phone));
        pstn_phone_free(s->ends[i].phone);
    }
    pstn_network_free(s->network);
    free(s);
    return 0;
}

/* ---- messages and time ---- */

static void post(struct stage *s, struct addr from, const struct pstn_effect *e, unsigned side)
{
    struct mail *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_true(e->octets.n < sizeof m->text);
    m->from = from;
    m->to = e->hop->addr;
    m->side = side;
    m->n = e->octets.n;
    memcpy(m->text, e->octets.p, e->octets.n);
    list_append(&s->post, &m->link);
}

static bool happens(const struct stage *s, unsigned percent)
{
    return percent && entropy_below(&s->entropy, 100) < percent;
}

/* An octet changed, perhaps some taken out. */
static void change(const struct stage *s, struct mail *m)
{
    static const char octets[] = ";:,<>@=\r\n 0\"\377z9";
    const size_t at = (size_t)entropy_below(&s->entropy, m->n), left = m->n - at;
    const size_t n = entropy_below(&s->entropy, 2) ? 0 : (size_t)entropy_below(&s->entropy, left < 30 ? left : 30);
    m->text[at] = octets[entropy_below(&s->entropy, sizeof octets)];
    memmove(m->text + at, m->text + at + n, left - n);
    m->n -= n;
    m->text[m->n] = 0;
}

static void deliver(struct stage *s, const struct mail *m)
{
    struct sip_flow flow = {.transport = SIP_UDP, .peer = m->from, .local = m->to};
    const struct slice octets = slice_of(m->text, m->n);
    for (unsigned i = 0; i < PHONES; i++) {
        const struct addr here = address(phone_points[i]);
        if (!addr_eq(&here, &m->to))
            continue;
        if (i == BOB && !strncmp(m->text, "INVITE", 6))
            memcpy(s->to_bob, m->text, sizeof s->to_bob);
        pstn_phone_input(s->ends[i].phone, s->now, &flow, octets);
    }
    const struct addr pbx = address(PBX_POINT);
    if (addr_eq(&pbx, &m->to)) {
        memcpy(s->to_pbx, m->text, sizeof s->to_pbx);
        s->pbx_messages++;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct addr here = address(carrier_points[i]);
        const struct addr bob = address(phone_points[BOB]);
        if (!addr_eq(&here, &m->to))
            continue;
        if (s->swallow && addr_eq(&m->from, &bob)) {
            s->swallow--;
            continue;
        }
        flow.side = i;
        pstn_network_input(s->network, s->now, &flow, octets);
    }
}

/* To the phone that has that port. */
static void hear(struct stage *s, struct addr from, struct addr to, struct slice packet)
{
    for (unsigned i = 0; i < PHONES; i++) {
        const struct pstn_phone_options *o = &s->ends[i].options;
        for (size_t k = 0; k < o->port_count; k++) {
            if (addr_eq(&o->ports[k], &to) && !happens(s, s->lose_voice_percent) && !s->voices_stop)
                pstn_phone_take(s->ends[i].phone, s->now, k, &from, packet);
            if (o->has_video && addr_eq(&o->video_ports[k], &to))
                pstn_phone_take(s->ends[i].phone, s->now, o->port_count + k, &from, packet);
        }
    }
}

/* To a carrier that has that port. */
static bool relay(struct stage *s, struct addr from, struct addr to, struct slice packet)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct pstn_carrier_options *o = &s->options.carriers[i];
        for (size_t k = 0; k < 2 * (size_t)o->media_calls; k++) {
            const struct addr here = pstn_media_addr(o, k);
            if (!addr_eq(&here, &to))
                continue;
            pstn_network_take(s->network, s->now, i, k, &from, packet);
            return true;
        }
    }
    return false;
}

static void speak(struct stage *s, struct end *from)
{
    size_t port;
    struct addr to;
    struct slice packet;
    while (pstn_phone_speak(from->phone, &port, &to, &packet)) {
        const struct pstn_phone_options *o = &from->options;
        const struct addr at = port < o->port_count ? o->ports[port] : o->video_ports[port - o->port_count];
        s->voices += port < o->port_count;
        if (!relay(s, at, to, packet))
            hear(s, at, to, packet);
    }
}

static void give(struct stage *s)
{
    struct pstn_packet p;
    while (pstn_network_give(s->network, s->now, &p)) {
        s->relayed_to = p.to;
        memcpy(s->relayed, p.octets.p, p.octets.n);
        hear(s, pstn_media_addr(&s->options.carriers[p.carrier], p.port), p.to, p.octets);
    }
}

static bool drain_once(struct stage *s)
{
    struct pstn_effect e;
    struct list *it;
    bool any = false;
    while (pstn_network_next(s->network, s->now, &e))
        post(s, address(carrier_points[e.hop->side]), &e, e.hop->side);
    for (unsigned i = 0; i < PHONES; i++) {
        while (pstn_phone_next(s->ends[i].phone, s->now, &e))
            post(s, address(phone_points[i]), &e, 0);
        speak(s, &s->ends[i]);
    }
    give(s);
    if ((it = list_pop(&s->post))) {
        struct mail *m = CONTAINER_OF(it, struct mail, link);
        if (happens(s, s->change_percent))
            change(s, m);
        if (!happens(s, s->lose_percent))
            deliver(s, m);
        free(m);
        any = true;
    }
    return any;
}

void stage_run(struct stage *s, int64_t ms)
{
    const struct mono end = mono_after_ms(s->now.mono, ms);
    for (;;) {
        while (drain_once(s))
            ;
        struct mono due = mono_min(pstn_network_deadline(s->network), end);
        for (unsigned i = 0; i < PHONES; i++)
            due = mono_min(due, pstn_phone_deadline(s->ends[i].phone));
        if (due.us > s->now.mono.us) {
            s->now.wall.ms += due.us / 1000 - s->now.mono.us / 1000;
            s->now.mono = due;
        }
        pstn_network_tick(s->network, s->now);
        for (unsigned i = 0; i < PHONES; i++)
            pstn_phone_tick(s->ends[i].phone, s->now);
        if (mono_due(end, s->now.mono))
            break;
    }
    while (drain_once(s))
        ;
}

void call_through(struct stage *s, unsigned phone, unsigned carrier, const char *from, const char *to, int64_t talk_ms)
{
    const struct sip_hop via = {.transport = SIP_UDP, .addr = address(carrier_points[carrier])};
    assert_int_equal(
        pstn_phone_call(s->ends[phone].phone, s->now, &via, carrier_points[carrier], from, to, talk_ms, 60000), 0);
}

const struct pstn_record *newest(struct stage *s)
{
    const struct pstn_record *r = pstn_network_record(s->network, 0);
    assert_non_null(r);
    return r;
}

/* ---- a PBX that the test plays ---- */

void pbx_sends(struct stage *s, struct slice octets)
{
    const struct sip_flow flow = {.transport = SIP_UDP, .peer = address(PBX_POINT)};
    s->pbx_messages = 0;
    pstn_network_input(s->network, s->now, &flow, octets);
    stage_run(s, 1);
}

void pbx_requests(struct stage *s, const char *method, const char *uri, const char *to, unsigned cseq, const char *more,
                  const char *body)
{
    char text[4096];
    int n = snprintf(text, sizeof text,
                     "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP " PBX_POINT ";branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\n"
                     "From: <sip:+49301009999@pbx>;tag=pbx\r\nTo: %s\r\nCall-ID: pbx-call\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:pbx@" PBX_POINT ">\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                     method, uri, method, cseq, to, cseq, method, more,
                     *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof text);
    pbx_sends(s, slice_of(text, (size_t)n));
}

void pbx_responds(struct stage *s, const char *status, const char *more)
{
    static const enum sip_header copied[] = {SIP_VIA, SIP_FROM, SIP_TO, SIP_CALL_ID, SIP_CSEQ};
    static const char *const names[] = {"Via", "From", "To", "Call-ID", "CSeq"};
    char text[4096];
    int n = snprintf(text, sizeof text, "SIP/2.0 %s\r\n", status);
    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++) {
        const char *value = pbx_field(s, copied[i]);
        const bool is_tagged = copied[i] != SIP_TO || strstr(value, ";tag=");
        n += snprintf(text + n, sizeof text - (size_t)n, "%s: %s%s\r\n", names[i], value, is_tagged ? "" : ";tag=pbx");
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "%sContent-Length: 0\r\n\r\n", more);
    assert_true((size_t)n < sizeof text);
    pbx_sends(s, slice_of(text, (size_t)n));
}

/* What the last message to the PBX says in a field; "" if nothing. */
const char *pbx_field(struct stage *s, enum sip_header header)
{
    static char text[1024];
    struct region region;
    struct sip_message m;
    region_init(&region, 1 << 20);
    assert_int_equal(sip_parse(&region, slice_str(s->to_pbx), SIP_DATAGRAM, &m, NULL), 0);
    const struct sip_field *f = sip_field_first(&m, header);
    snprintf(text, sizeof text, "%.*s", f ? (int)f->value.n : 0, f ? (const char *)f->value.p : "");
    region_fini(&region);
    return text;
}

void pbx_dialog(struct stage *s, char to[512], char target[512])
{
    snprintf(to, 512, "%s", pbx_field(s, SIP_TO));
    const char *contact = pbx_field(s, SIP_CONTACT);
    snprintf(target, 512, "%.*s", (int)strcspn(contact + 1, ">"), contact + 1);
}

struct slice pbx_answers(struct stage *s, struct buf *out, enum sip_header header, const char *method, const char *uri,
                         const char *password)
{
    struct region region;
    struct sip_message request, response;
    struct sip_digest_client digest;
    char text[256];
    snprintf(text, sizeof text, "%s %s SIP/2.0\r\n\r\n", method, uri);
    region_init(&region, 1 << 20);
    sip_digest_client_init(&digest);
    assert_int_equal(sip_parse(&region, slice_str(text), SIP_DATAGRAM, &request, NULL), 0);
    assert_int_equal(sip_parse(&region, slice_str(s->to_pbx), SIP_DATAGRAM, &response, NULL), 0);
    assert_int_equal(sip_digest_challenged(&digest, &request, &response), 0);
    buf_clear(out);
    buf_printf(out, "%s: ", header == SIP_AUTHORIZATION ? "Authorization" : "Proxy-Authorization");
    assert_int_equal(sip_digest_answer(&digest, &s->entropy, header, slice_str("pbx"), slice_str(password),
                                       slice_str(method), slice_str(uri), (struct slice){0}, out),
                     0);
    buf_str(out, "\r\n");
    sip_digest_client_fini(&digest);
    region_fini(&region);
    return buf_slice(out);
}
