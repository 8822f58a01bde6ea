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

struct run;

/* A port that media comes to. */
struct voice_port {
    struct run *run;
    size_t port;
    struct udp *udp; /* NULL: not opened */
};

struct run {
    const struct wishes *wishes;
    struct pstn_phone_options options;
    struct entropy entropy;
    struct log log;
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_task work;
    struct sip_host *sip;
    struct voice_port ports[2 * PSTN_PHONE_PORTS_MAX]; /* of voices, then of videos */
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
    static const char *const words[] = {[PSTN_PHONE_RINGING] = "ringing",
                                        [PSTN_PHONE_ANSWERED] = "answered",
                                        [PSTN_PHONE_MOVED] = "moved",
                                        [PSTN_PHONE_GAP] = "gap",
                                        [PSTN_PHONE_OVER] = "ended"};
    return c->event == PSTN_PHONE_OVER && !c->answered_at.ms ? "failed" : words[c->event];
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

static void put_gap(struct ctl_writer *w, const char *key, const struct pstn_gap *gap)
{
    ctl_open_object(w, key);
    ctl_put_integer(w, "at_ms", gap->at_ms);
    ctl_put_integer(w, "ms", gap->ms);
    ctl_close(w);
}

/* What was heard of the tone, and when not. */
static void put_voice(struct ctl_writer *w, const struct pstn_phone_call *c)
{
    const struct pstn_heard *h = &c->heard;
    ctl_put_unsigned(w, "packets_sent", c->sent);
    ctl_put_unsigned(w, "packets_received", c->received);
    ctl_put_unsigned(w, "packets_lost", c->lost);
    ctl_put_unsigned(w, "heard_hz", pstn_tone_hz(c->tone));
    ctl_put_integer(w, "first_tone_ms", h->first_ms);
    ctl_put_integer(w, "silent_at_end_ms", h->end_ms);
    ctl_put_integer(w, "longest_gap_ms", h->longest.ms);
    ctl_put_integer(w, "longest_gap_at_ms", h->longest.at_ms);
    ctl_put_unsigned(w, "gap_count", h->gap_count);
    ctl_put_integer(w, "gaps_ms", h->gaps_ms);
    ctl_open_array(w, "gaps");
    for (unsigned i = 0; i < h->kept; i++)
        put_gap(w, NULL, &h->gaps[i]);
    ctl_close(w);
    ctl_put_unsigned(w, "video_packets_sent", c->video_sent);
    ctl_put_unsigned(w, "video_packets_received", c->video_received);
    ctl_put_unsigned(w, "pictures_received", c->pictures);
    ctl_put_unsigned(w, "moves", c->moves);
    ctl_put_unsigned(w, "changes", c->changes);
    ctl_put_unsigned(w, "changes_refused", c->refused);
    ctl_put_unsigned(w, "faults", c->faults);
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
    if (c->event == PSTN_PHONE_MOVED) {
        ctl_put_addr(&w, "towards", &c->towards);
        ctl_put_boolean(&w, "video", c->has_video);
    }
    if (c->event == PSTN_PHONE_GAP && c->heard.kept)
        put_gap(&w, "gap", &c->heard.gaps[c->heard.kept - 1]);
    if (c->ended_at.ms && c->has_voice)
        put_voice(&w, c);
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
    if (c->event == PSTN_PHONE_MOVED)
        printf(", %s", c->has_video ? "with video" : "without video");
    if (c->event == PSTN_PHONE_GAP && c->heard.kept)
        printf(", %lld ms", (long long)c->heard.gaps[c->heard.kept - 1].ms);
    if (c->ended_at.ms && c->has_voice && c->tone)
        printf(", heard %u Hz in %llu packets, longest pause %lld ms", pstn_tone_hz(c->tone),
               (unsigned long long)c->received, (long long)c->heard.longest.ms);
    else if (c->ended_at.ms && c->has_voice)
        printf(", heard no tone in %llu packets", (unsigned long long)c->received);
    puts("");
}

static void on_news(void *arg, const struct pstn_phone_call *call)
{
    struct run *r = arg;
    if ((call->event == PSTN_PHONE_MOVED || call->event == PSTN_PHONE_GAP) && !r->wishes->watches)
        return;
    if (r->wishes->json)
        print_json(call);
    else
        print_words(call);
    fflush(stdout);
    if (call->event != PSTN_PHONE_OVER)
        return;
    r->over++;
    r->in_order = call->in_order && (!call->has_voice || call->tone == PSTN_TONE_CALLED);
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
        udp_send(r->ports[port].udp, &to, packet);
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

/* Says which address was not to be had. Returns err. */
static int told(const struct addr *at, int err)
{
    char text[ADDR_TEXT_OCTETS];
    addr_format(at, text);
    if (err)
        fprintf(stderr, "ime-pstn: %s: %s\n", text,
                err == ERR_EXISTS
                    ? "another program listens there: end it (ss -lntup tells which), or take another address"
                : err == ERR_UNREACHABLE ? "this is no address of this host"
                                         : err_text(err));
    return err;
}

/* UDP and TCP at the same port. */
static int listen_at(struct run *r)
{
    struct addr at = r->wishes->listen;
    int err = told(&at, sip_host_listen(r->sip, 0, SIP_UDP, &at, NULL));
    if (err)
        return err;
    at = sip_host_addr(r->sip, 0, SIP_UDP, 0);
    err = told(&at, sip_host_listen(r->sip, 0, SIP_TCP, &at, NULL));
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
    const struct voice_port *v = arg;
    (void)udp;
    (void)local;
    pstn_phone_take(v->run->phone, loop_now(v->run->loop), v->port, peer, octets);
}

/* A caller has one call, who answers several. Ports of videos come behind those of voices. */
static int open_ports(struct run *r)
{
    static const struct udp_handler handler = {.input = on_voice};
    const struct wishes *w = r->wishes;
    struct udp_options options = {.bind = w->listen, .log = &r->log};
    udp_limits_init(&options.limits);
    const size_t voices = !w->tones ? 0 : w->calls_out ? 1 : (size_t)w->voices;
    const size_t count = r->options.has_video ? 2 * voices : voices;
    for (size_t i = 0; i < count; i++) {
        options.bind.port = w->first_port ? (uint16_t)(w->first_port + i) : 0;
        struct voice_port *v = &r->ports[i];
        *v = (struct voice_port){.run = r, .port = i};
        int err = told(&options.bind, udp_open(r->loop, &options, &handler, v, &v->udp));
        if (err)
            return err;
        if (i < voices)
            r->options.ports[i] = udp_addr(v->udp);
        else
            r->options.video_ports[i - voices] = udp_addr(v->udp);
    }
    r->options.port_count = voices;
    return 0;
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
    for (size_t i = 0; i < 2 * PSTN_PHONE_PORTS_MAX; i++)
        udp_close(r->ports[i].udp);
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
    static struct run r;
    r = (struct run){.wishes = w, .options = w->phone, .entropy = kernel_entropy(), .log = stderr_log(LEVEL_WARNING)};
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
