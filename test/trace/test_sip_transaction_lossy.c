/* Two layers and a network that loses, copies and reorders, whose connections break, with users who answer late, cancel and hang. Whatever the seed, what a user may
 * rely on holds: each request of his ends exactly once, each request of the other side is seen at most once (but for two connections), a 2xx is
 * acknowledged or its server learns that it is not, and in the end nothing is left alive. */
#include "base/mem.h"
#include "sip/edit.h"
#include "sip/session.h"
#include "sip/transaction.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLS 40
#define SEEDS 150
#define PACKETS_MAX 4096
/* The last copy of a request is sent half a second before its server may forget it (timers F and J). */
#define DELAY_MAX_US 499000
#define HOUR_US (INT64_C(3600) * 1000 * 1000)

enum party { CLIENT, SERVER };

/* One request, as both users see it. */
struct call {
    bool is_invite;
    enum sip_transport transport;
    int64_t start_us;
    int64_t cancel_us; /* INT64_MAX: never */
    /* the client's user */
    bool has_started;
    uint64_t client;
    unsigned ends;      /* failures, timeouts, unreachable; of other requests also 2xx */
    unsigned successes; /* 2xx to the INVITE */
    bool is_late;       /* there was one after its end */
    unsigned cancels;
    struct sip_confirmed confirmed;
    /* the server's user */
    unsigned seen;
    uint64_t server;
    int64_t answer_us;
    unsigned provisional; /* 0: none */
    unsigned final;
    bool is_answered;
    struct sip_accepted accepted;
    bool is_acknowledged, is_given_up;
};

struct in_flight {
    int64_t at_us;
    enum party to;
    enum sip_transport transport;
    struct slice octets;
};

struct world {
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct sip_layer *layers[2];
    struct now now;
    unsigned loss_percent, copy_percent;
    int64_t delay_max_us;
    int64_t stream_last_us[2];
    int64_t break_us; /* when the connection breaks next; INT64_MAX: never */
    unsigned breaks;  /* still to come */
    struct call calls[CALLS];
    struct in_flight flying[PACKETS_MAX];
    size_t flying_count;
};

static bool chance(struct world *w, unsigned percent)
{
    return entropy_below(&w->entropy, 100) < percent;
}

/* ---- network ---- */

static void fly(struct world *w, enum party to, enum sip_transport transport, struct slice octets)
{
    int64_t at = w->now.mono.us + entropy_between(&w->entropy, 0, w->delay_max_us);
    if (transport != SIP_UDP) { /* in order */
        at = at > w->stream_last_us[to] ? at : w->stream_last_us[to];
        w->stream_last_us[to] = at;
    }
    assert_true(w->flying_count < PACKETS_MAX);
    uint8_t *copy = malloc(octets.n);
    memcpy(copy, octets.p, octets.n);
    w->flying[w->flying_count++] = (struct in_flight){at, to, transport, slice_of(copy, octets.n)};
}

static void launch(struct world *w, enum party from, const struct sip_event *e)
{
    enum sip_transport transport = e->hop->transport;
    if (transport == SIP_UDP && chance(w, w->loss_percent))
        return;
    fly(w, !from, transport, e->octets);
    if (transport == SIP_UDP && chance(w, w->copy_percent))
        fly(w, !from, transport, e->octets);
}

/* The first of those that are due; of a stream's, in the order in which they were sent. */
static bool land_one(struct world *w)
{
    size_t best = w->flying_count;
    for (size_t i = 0; i < w->flying_count; i++)
        if (w->flying[i].at_us <= w->now.mono.us &&
            (best == w->flying_count || w->flying[i].at_us < w->flying[best].at_us))
            best = i;
    if (best == w->flying_count)
        return false;
    struct in_flight f = w->flying[best];
    memmove(&w->flying[best], &w->flying[best + 1], (w->flying_count - best - 1) * sizeof f);
    w->flying_count--;
    struct sip_flow flow = {.transport = f.transport, .conn = f.transport == SIP_UDP ? 0 : 1};
    assert_int_equal(addr_parse(slice_str(f.to == SERVER ? "192.0.2.1:5060" : "192.0.2.2:5060"), 0, &flow.peer), 0);
    sip_layer_input(w->layers[f.to], w->now, &flow, f.octets);
    free((void *)(uintptr_t)f.octets.p);
    return true;
}

/* ---- the client's user ---- */

static void write_request(const struct call *calls, const struct call *call, const char *method, struct buf *out)
{
    buf_init(out, 4096);
    sip_begin_request(out, method, slice_str("sip:b@192.0.2.2"));
    sip_put(out, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put(out, SIP_FROM, slice_str("<sip:a@192.0.2.1>;tag=a"));
    sip_put(out, SIP_TO, slice_str(strcmp(method, "ACK") == 0 ? "<sip:b@192.0.2.2>;tag=b" : "<sip:b@192.0.2.2>"));
    sip_put_text(out, SIP_CALL_ID, "%zu", (size_t)(call - calls));
    sip_put_text(out, SIP_CSEQ, "1 %s", method);
    sip_end(out, slice_of(NULL, 0));
}

static struct sip_hop hop_of(const struct call *call)
{
    struct sip_hop hop = {.transport = call->transport};
    addr_parse(slice_str("192.0.2.2:5060"), 0, &hop.addr);
    return hop;
}

static void start_call(struct world *w, struct call *call)
{
    struct buf out;
    struct sip_hop hop = hop_of(call);
    write_request(w->calls, call, call->is_invite ? "INVITE" : "OPTIONS", &out);
    call->has_started = true;
    assert_int_equal(sip_client_request(w->layers[CLIENT], w->now, &hop, "192.0.2.1", buf_slice(&out),
                                        (uint64_t)(call - w->calls), &call->client),
                     0);
    buf_fini(&out);
}

static void acknowledge(struct world *w, struct call *call, const struct sip_message *response)
{
    struct sip_hop hop = hop_of(call);
    struct slice ack = sip_confirmed_ack(&call->confirmed, response);
    if (!ack.n) {
        struct buf out;
        write_request(w->calls, call, "ACK", &out);
        assert_int_equal(sip_confirmed_keep(&call->confirmed, 1, buf_slice(&out)), 0);
        buf_fini(&out);
        ack = sip_confirmed_ack(&call->confirmed, response);
    }
    assert_int_equal(sip_layer_send_ack(w->layers[CLIENT], w->now, &hop, "192.0.2.1", ack), 0);
}

static struct call *call_of(struct world *w, const struct sip_message *m)
{
    char text[16];
    snprintf(text, sizeof text, "%.*s", SLICE_PRINT(m->call_id));
    return &w->calls[atoi(text)];
}

static void client_event(struct world *w, const struct sip_event *e)
{
    if (e->kind == SIP_ANSWERED_LATE) {
        struct call *late = call_of(w, e->message);
        assert_int_equal(late->ends, 1);
        late->is_late = true;
        acknowledge(w, late, e->message);
        return;
    }
    struct call *call = &w->calls[e->token];
    assert_true(e->client == call->client);
    if (e->kind == SIP_RESPONSE && e->message->status < 200) {
        assert_int_equal(call->ends + call->successes, 0);
    } else if (e->kind == SIP_RESPONSE && e->message->status < 300 && call->is_invite) {
        assert_int_equal(call->ends, 0);
        call->successes++;
        acknowledge(w, call, e->message);
    } else {
        assert_int_equal(call->successes, 0);
        call->ends++;
    }
}

/* What is on the way is lost, and the client's transport tells. */
static void break_connection(struct world *w)
{
    size_t kept = 0;
    struct sip_hop hop = hop_of(&(struct call){.transport = SIP_TCP});
    for (size_t i = 0; i < w->flying_count; i++)
        if (w->flying[i].transport == SIP_UDP)
            w->flying[kept++] = w->flying[i];
        else
            free((void *)(uintptr_t)w->flying[i].octets.p);
    w->flying_count = kept;
    w->break_us = --w->breaks ? w->now.mono.us + entropy_between(&w->entropy, 1, 10000000) : INT64_MAX;
    if (chance(w, 50))
        sip_layer_lost(w->layers[CLIENT], w->now, &hop);
    else
        sip_layer_unreachable(w->layers[CLIENT], w->now, &hop);
}

/* ---- the server's user ---- */

static void respond(struct world *w, struct call *call, unsigned status)
{
    struct buf out;
    const struct sip_message *request = sip_server_request(w->layers[SERVER], call->server);
    call->is_answered = status >= 200;
    if (!request)
        return;
    buf_init(&out, 4096);
    sip_begin_answer(&out, request, status, NULL, slice_str("b"));
    sip_end(&out, slice_of(NULL, 0));
    assert_int_equal(sip_server_respond(w->layers[SERVER], w->now, call->server, buf_slice(&out)), 0);
    if (call->is_invite && status >= 200 && status < 300)
        assert_int_equal(sip_accepted_start(&call->accepted, w->now, request, buf_slice(&out), 500, 4000), 0);
    buf_fini(&out);
}

static void server_event(struct world *w, const struct sip_event *e)
{
    struct call *call;
    switch (e->kind) {
    case SIP_REQUEST:
        call = call_of(w, e->message);
        /* Only what was sent over a second connection may be new again. */
        assert_true(call->seen++ == 0 || (call->transport == SIP_TCP && !call->is_invite));
        call->server = e->server;
        call->answer_us += w->now.mono.us;
        if (call->provisional)
            respond(w, call, call->provisional);
        break;
    case SIP_CANCELLED:
        call = call_of(w, e->message);
        assert_int_equal(call->cancels++, 0);
        assert_false(call->is_answered);
        respond(w, call, 487);
        break;
    case SIP_ACKED:
        call = call_of(w, e->message);
        if (sip_accepted_acked(&call->accepted, e->message))
            call->is_acknowledged = true;
        break;
    default:
        assert_int_equal(e->kind, SIP_ACK_MISSING);
    }
}

/* ---- time ---- */

static void drain(struct world *w)
{
    struct sip_event e;
    for (enum party p = CLIENT; p <= SERVER; p++)
        while (sip_layer_next(w->layers[p], &e))
            if (e.kind == SIP_SEND)
                launch(w, p, &e);
            else if (p == CLIENT)
                client_event(w, &e);
            else
                server_event(w, &e);
}

static void act(struct world *w, struct call *call)
{
    if (!call->has_started && call->start_us <= w->now.mono.us)
        start_call(w, call);
    if (call->has_started && call->cancel_us <= w->now.mono.us) {
        call->cancel_us = INT64_MAX;
        sip_client_cancel(w->layers[CLIENT], w->now, call->client, slice_str(""));
    }
    if (call->seen && !call->is_answered && call->answer_us <= w->now.mono.us) {
        respond(w, call, call->final);
    }
    enum sip_resend_step step = sip_accepted_tick(&call->accepted, w->now);
    if (step == SIP_RESEND_AGAIN)
        sip_server_respond(w->layers[SERVER], w->now, call->server, buf_slice(&call->accepted.resend.octets));
    else if (step == SIP_RESEND_GIVE_UP)
        call->is_given_up = true;
}

static int64_t min_us(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_us(const struct world *w)
{
    int64_t at = min_us(sip_layer_deadline(w->layers[CLIENT]).us, sip_layer_deadline(w->layers[SERVER]).us);
    at = min_us(at, w->break_us);
    for (size_t i = 0; i < w->flying_count; i++)
        at = min_us(at, w->flying[i].at_us);
    for (size_t i = 0; i < CALLS; i++) {
        const struct call *call = &w->calls[i];
        at = min_us(at, sip_accepted_deadline(&call->accepted).us);
        if (!call->has_started)
            at = min_us(at, call->start_us);
        else
            at = min_us(at, call->cancel_us);
        if (call->seen && !call->is_answered)
            at = min_us(at, call->answer_us);
    }
    return at;
}

static void run(struct world *w)
{
    for (int64_t at; (at = next_us(w)) != INT64_MAX;) {
        assert_true(at < HOUR_US);
        w->now.mono.us = at > w->now.mono.us ? at : w->now.mono.us;
        if (w->break_us <= w->now.mono.us)
            break_connection(w);
        drain(w);
        while (land_one(w))
            drain(w);
        for (size_t i = 0; i < CALLS; i++) {
            act(w, &w->calls[i]);
            drain(w);
        }
        for (enum party p = CLIENT; p <= SERVER; p++)
            sip_layer_tick(w->layers[p], w->now);
        drain(w);
    }
}

/* ---- drawn from the seed ---- */

static void draw_call(struct world *w, struct call *call)
{
    static const unsigned finals[] = {200, 200, 202, 302, 404, 486, 503, 603};
    int64_t second = 1000000;
    call->is_invite = chance(w, 60);
    call->transport = chance(w, 70) ? SIP_UDP : SIP_TCP;
    call->start_us = entropy_between(&w->entropy, 0, 20 * second);
    call->cancel_us = chance(w, 30) ? call->start_us + entropy_between(&w->entropy, 0, 10 * second) : INT64_MAX;
    call->provisional = chance(w, 50) ? chance(w, 50) ? 180 : 183 : 0;
    call->final = finals[entropy_below(&w->entropy, sizeof finals / sizeof finals[0])];
    call->answer_us = entropy_between(&w->entropy, 0, chance(w, 10) ? 300 * second : 5 * second);
    sip_confirmed_init(&call->confirmed);
    sip_accepted_init(&call->accepted);
}

static struct world *world_new(uint64_t seed)
{
    struct sip_layer_config config;
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->seeded.state = seed;
    w->entropy = seeded_entropy_port(&w->seeded);
    w->loss_percent = (unsigned)entropy_below(&w->entropy, 60);
    w->copy_percent = (unsigned)entropy_below(&w->entropy, 30);
    w->breaks = chance(w, 50) ? (unsigned)entropy_between(&w->entropy, 1, 5) : 0;
    w->break_us = w->breaks ? entropy_between(&w->entropy, 0, 20000000) : INT64_MAX;
    w->delay_max_us = entropy_between(&w->entropy, 0, DELAY_MAX_US);
    sip_layer_config_init(&config);
    config.seed = seed;
    for (enum party p = CLIENT; p <= SERVER; p++)
        assert_int_equal(sip_layer_new(&config, &w->entropy, NULL, &w->layers[p]), 0);
    for (size_t i = 0; i < CALLS; i++)
        draw_call(w, &w->calls[i]);
    return w;
}

static void check(const struct world *w, uint64_t seed)
{
    for (size_t i = 0; i < CALLS; i++) {
        const struct call *call = &w->calls[i];
        if (call->ends + (call->successes > 0) != 1)
            fail_msg("seed %llu call %zu: %u ends, %u successes", (unsigned long long)seed, i, call->ends,
                     call->successes);
        if (call->accepted.cseq && call->is_acknowledged == call->is_given_up)
            fail_msg("seed %llu call %zu: a 2xx neither acknowledged nor given up", (unsigned long long)seed, i);
        if (call->is_acknowledged && !call->successes && !call->is_late)
            fail_msg("seed %llu call %zu: acknowledged by nobody", (unsigned long long)seed, i);
    }
    for (enum party p = CLIENT; p <= SERVER; p++) {
        assert_int_equal(sip_layer_clients(w->layers[p]), 0);
        assert_int_equal(sip_layer_servers(w->layers[p]), 0);
        assert_int_equal(sip_layer_counters(w->layers[p])->refused_syntax, 0);
    }
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < CALLS; i++) {
        sip_confirmed_fini(&w->calls[i].confirmed);
        sip_accepted_fini(&w->calls[i].accepted);
    }
    for (enum party p = CLIENT; p <= SERVER; p++)
        sip_layer_free(w->layers[p]);
    free(w);
}

static void test_each_request_ends_once(void **state)
{
    unsigned successes = 0, ends = 0, given_up = 0, cancels = 0, late = 0;
    uint64_t unreachable = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = world_new(seed);
        run(w);
        check(w, seed);
        for (size_t i = 0; i < CALLS; i++) {
            successes += w->calls[i].successes > 0;
            ends += w->calls[i].ends;
            given_up += w->calls[i].is_given_up;
            cancels += w->calls[i].cancels;
            late += w->calls[i].is_late;
        }
        unreachable += sip_layer_counters(w->layers[CLIENT])->unreachable;
        world_free(w);
    }
    /* All of it happens in this test. */
    assert_int_equal(successes + ends, SEEDS * CALLS);
    assert_true(successes > 500 && ends > 500 && given_up > 0 && cancels > 100 && unreachable > 100 && late > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_ends_once),
    };
    return cmocka_run_group_tests_name("sip transactions over a bad network", tests, NULL, NULL);
}
