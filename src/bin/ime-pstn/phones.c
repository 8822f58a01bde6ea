/* Phones over sockets: one call, or a phone that answers. */
#include "bin/daemon/keys.h"
#include "ctl/writer.h"
#include "io/loop.h"
#include "io/process.h"
#include "io/sip_host.h"
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_OCTETS_MAX 4096
#define PASSWORD_OCTETS_MAX 4096
#define MEDIA_PORT 9 /* discard (RFC 863): there is no media */
#define VOICES_MAX 8 /* at a time */
_Static_assert(VOICES_MAX <= PSTN_PHONE_PORTS_MAX, "each has a port");

struct run {
    const struct wishes *wishes;
    struct pstn_phone_options options;
    struct entropy entropy;
    struct log log;
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_task work;
    struct sip_host *sip;
    struct udp *ports[VOICES_MAX];
    struct pstn_phone *phone;
    struct sip_hop via;
    struct buf password;
    char point[ADDR_TEXT_OCTETS], via_text[ADDR_TEXT_OCTETS];
    uint64_t over;   /* calls */
    bool in_order;   /* the last one was answered and ended in order */
    bool registered; /* that was told */
    bool ending;     /* nothing more is to come */
    bool stopped;    /* the phone knows that */
};

/* ---- what is told ---- */

static const char *event_of(const struct pstn_phone_call *c)
{
    if (c->ended_at.ms)
        return c->answered_at.ms ? "ended" : "failed";
    return c->answered_at.ms ? "answered" : "ringing";
}

static const char *cause_of(const struct pstn_phone_call *c)
{
    if (!c->ended_at.ms)
        return NULL;
    if (c->answered_at.ms)
        return c->in_order ? "ended" : "lost";
    switch (c->status) {
    case 486:
    case 600:
        return "busy";
    case 487:
        return "cancelled";
    case 408:
    case 480:
        return "no-answer";
    case 404:
        return "no-number";
    case 503:
        return "unreachable";
    default:
        return "refused";
    }
}

static int64_t talk_ms(const struct pstn_phone_call *c)
{
    return c->answered_at.ms && c->ended_at.ms ? c->ended_at.ms - c->answered_at.ms : 0;
}

static void print_json(const struct pstn_phone_call *c)
{
    struct buf line;
    struct ctl_writer w;
    buf_init(&line, LINE_OCTETS_MAX);
    ctl_writer_init(&w, &line);
    ctl_put_text(&w, "event", event_of(c));
    ctl_put_text(&w, "from", c->from);
    ctl_put_text(&w, "to", c->to);
    ctl_put_boolean(&w, "rang", c->rang);
    ctl_put_unsigned(&w, "status", c->status);
    if (c->ended_at.ms) {
        ctl_put_text(&w, "cause", cause_of(c));
        ctl_put_text(&w, "ended_by", c->ended_by_us ? "us" : "them");
        ctl_put_boolean(&w, "in_order", c->in_order);
        ctl_put_integer(&w, "talk_ms", talk_ms(c));
        ctl_put_integer(&w, "begun_ms", c->begun_at.ms);
        ctl_put_integer(&w, "rang_ms", c->rang_at.ms);
        ctl_put_integer(&w, "answered_ms", c->answered_at.ms);
        ctl_put_integer(&w, "ended_ms", c->ended_at.ms);
    }
    if (c->ended_at.ms && c->has_voice) {
        ctl_put_unsigned(&w, "packets_sent", c->sent);
        ctl_put_unsigned(&w, "packets_received", c->received);
        ctl_put_unsigned(&w, "packets_lost", c->lost);
        ctl_put_unsigned(&w, "heard_hz", pstn_tone_hz(c->heard));
    }
    ctl_writer_end(&w);
    puts(buf_text(&line));
    buf_fini(&line);
}

static void print_words(const struct pstn_phone_call *c)
{
    printf("%s: from %s to %s", event_of(c), *c->from ? c->from : "unknown", c->to);
    if (c->answered_at.ms && c->ended_at.ms)
        printf(", %.3f s, %s hung up", (double)talk_ms(c) / 1000, c->ended_by_us ? "this phone" : "the other side");
    else if (c->ended_at.ms)
        printf(", %s (%u)", cause_of(c), c->status);
    if (c->ended_at.ms && c->has_voice && c->heard)
        printf(", heard %u Hz in %llu packets", pstn_tone_hz(c->heard), (unsigned long long)c->received);
    else if (c->ended_at.ms && c->has_voice)
        printf(", heard no tone in %llu packets", (unsigned long long)c->received);
    puts("");
}

static void on_news(void *arg, const struct pstn_phone_call *call)
{
    struct run *r = arg;
    if (r->wishes->json)
        print_json(call);
    else
        print_words(call);
    fflush(stdout);
    if (!call->ended_at.ms)
        return;
    r->over++;
    r->in_order = call->in_order && (!call->has_voice || call->heard == PSTN_TONE_CALLED);
    r->ending = r->ending || call->is_ours || (r->wishes->calls && r->over >= r->wishes->calls);
}

static void print_state(const struct run *r, const char *event, const char *words, const char *address)
{
    if (r->wishes->json)
        printf("{\"event\":\"%s\",\"address\":\"%s\"}\n", event, address);
    else
        printf("%s %s\n", words, address);
    fflush(stdout);
}

/* ---- the loop ---- */

static void stop(struct run *r)
{
    r->stopped = true;
    pstn_phone_stop(r->phone, loop_now(r->loop));
    loop_post(r->loop, &r->work, LOOP_STAGE_WORK);
}

static void turn(void *arg)
{
    struct run *r = arg;
    struct pstn_effect e;
    struct addr to;
    struct slice packet;
    size_t port;
    const struct now now = loop_now(r->loop);
    while (pstn_phone_next(r->phone, now, &e))
        sip_host_send(r->sip, e.hop, e.octets);
    while (pstn_phone_speak(r->phone, &port, &to, &packet))
        udp_send(r->ports[port], &to, packet);
    loop_timer_set(r->timer, pstn_phone_deadline(r->phone));
    if (!r->registered && pstn_phone_is_registered(r->phone)) {
        r->registered = true;
        print_state(r, "registered", "registered at", r->via_text);
    }
    if (!r->ending || !pstn_phone_is_quiet(r->phone))
        return;
    if (r->stopped)
        loop_stop(r->loop, 0);
    stop(r);
}

static void on_timer(void *arg)
{
    struct run *r = arg;
    pstn_phone_tick(r->phone, loop_now(r->loop));
    loop_post(r->loop, &r->work, LOOP_STAGE_WORK);
}

static void on_message(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct run *r = arg;
    pstn_phone_input(r->phone, loop_now(r->loop), flow, octets);
    loop_post(r->loop, &r->work, LOOP_STAGE_WORK);
}

static void on_unreachable(void *arg, const struct sip_hop *hop)
{
    struct run *r = arg;
    pstn_phone_unreachable(r->phone, loop_now(r->loop), hop);
    loop_post(r->loop, &r->work, LOOP_STAGE_WORK);
}

static void on_located(void *arg, uint64_t token, const struct sip_hops *hops)
{
    (void)arg; /* addresses only */
    (void)token;
    (void)hops;
}

/* The first signal hangs up, the second one does not wait for the answer. */
static void on_signal(void *arg, int signal_number)
{
    struct run *r = arg;
    (void)signal_number;
    if (r->ending)
        loop_stop(r->loop, 0);
    r->ending = true;
    stop(r);
}

/* UDP and TCP at the same port. */
static int listen_at(struct run *r)
{
    struct addr at = r->wishes->listen;
    int err = sip_host_listen(r->sip, 0, SIP_UDP, &at, NULL);
    if (err)
        return err;
    at = sip_host_addr(r->sip, 0, SIP_UDP, 0);
    err = sip_host_listen(r->sip, 0, SIP_TCP, &at, NULL);
    addr_format(&at, r->point);
    r->options.point = r->point;
    r->options.media = at;
    r->options.media.port = MEDIA_PORT;
    at.port = 0;
    sip_host_connect_from(r->sip, 0, &at, NULL);
    return err;
}

static void on_voice(void *arg, struct udp *udp, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct run *r = arg;
    (void)local;
    for (size_t i = 0; i < r->options.port_count; i++) {
        if (r->ports[i] == udp)
            pstn_phone_take(r->phone, i, peer, octets);
    }
}

/* A caller has one call, who answers several. */
static int open_ports(struct run *r)
{
    static const struct udp_handler handler = {.input = on_voice};
    const struct wishes *w = r->wishes;
    struct udp_options options = {.bind = w->listen, .log = &r->log};
    udp_limits_init(&options.limits);
    const size_t count = !w->tones ? 0 : w->calls_out ? 1 : VOICES_MAX;
    int err = 0;
    for (size_t i = 0; !err && i < count; i++) {
        options.bind.port = w->first_port ? (uint16_t)(w->first_port + i) : 0;
        err = udp_open(r->loop, &options, &handler, r, &r->ports[i]);
        if (err)
            break;
        r->options.ports[r->options.port_count++] = udp_addr(r->ports[i]);
    }
    return err;
}

static int open_all(struct run *r)
{
    static const struct sip_host_handler handler = {
        .message = on_message, .unreachable = on_unreachable, .located = on_located};
    struct sip_host_options options;
    sip_host_options_init(&options);
    options.entropy = &r->entropy;
    options.log = &r->log;
    loop_task_init(&r->work, turn, r);
    int err = loop_new(&r->loop);
    if (!err)
        err = loop_timer_new(r->loop, on_timer, r, &r->timer);
    if (!err)
        err = sip_host_new(r->loop, &options, &handler, r, &r->sip);
    if (!err)
        err = listen_at(r);
    if (!err)
        err = open_ports(r);
    if (!err)
        err = pstn_phone_new(&r->options, &r->entropy, &r->log, loop_now(r->loop), on_news, r, &r->phone);
    if (!err)
        err = loop_on_signal(r->loop, SIGINT, on_signal, r);
    if (!err)
        err = loop_on_signal(r->loop, SIGTERM, on_signal, r);
    return err;
}

static void close_all(struct run *r)
{
    sip_host_free(r->sip);
    for (size_t i = 0; i < VOICES_MAX; i++)
        udp_close(r->ports[i]);
    pstn_phone_free(r->phone);
    if (r->loop) {
        loop_task_cancel(&r->work);
        loop_timer_free(r->timer);
    }
    loop_free(r->loop);
}

static int read_password(struct run *r)
{
    const struct wishes *w = r->wishes;
    if (!w->password_file)
        return 0;
    int err = daemon_read_secret(w->password_file, 1, 128, &r->password, &r->options.password);
    if (err)
        fprintf(stderr, "ime-pstn: %s: a password must be in its first line, and nobody else may read it\n",
                w->password_file);
    return err;
}

static int place(struct run *r)
{
    const struct wishes *w = r->wishes;
    return pstn_phone_call(r->phone, loop_now(r->loop), &r->via, r->options.domain, w->from, w->to, w->talk_ms,
                           w->patience_ms);
}

int phone_run(const struct wishes *w)
{
    struct run r = {.wishes = w, .options = w->phone, .entropy = kernel_entropy(), .log = stderr_log(LEVEL_WARNING)};
    buf_init(&r.password, PASSWORD_OCTETS_MAX);
    addr_format(&w->via, r.via_text);
    r.via = (struct sip_hop){.transport = w->transport, .addr = w->via};
    r.options.domain = w->domain ? w->domain : r.via_text;
    r.options.registrar = w->has_via && !w->calls_out ? &r.via : NULL;
    int err = read_password(&r);
    if (!err)
        err = open_all(&r);
    if (!err && w->calls_out)
        err = place(&r);
    else if (!err)
        print_state(&r, "listening", "listening at", r.point);
    if (!err) {
        loop_post(r.loop, &r.work, LOOP_STAGE_WORK);
        err = loop_run(r.loop);
    } else {
        fprintf(stderr, "ime-pstn: %s\n", err_text(err));
    }
    close_all(&r);
    buf_fini_secret(&r.password);
    return err || (w->calls_out && !r.in_order) ? EXIT_FAILURE : EXIT_SUCCESS;
}
