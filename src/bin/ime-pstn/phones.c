/* Phones over sockets: one call, or a phone that answers. */
#include "base/text.h"
#include "ctl/writer.h"
#include "io/loop.h"
#include "io/process.h"
#include "io/sip_host.h"
#include "program.h"
#include "pstn/phone.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_MAX 86400
#define LINE_OCTETS_MAX 4096
#define TALK_MS 5000
#define MEDIA_PORT 9 /* discard (RFC 863): there is no media */

enum { GOOD = 0, FAILED = 1, USAGE = 2 };

struct wishes {
    struct addr listen, via;
    bool has_via, tcp, json;
    const char *domain; /* NULL: the address of `via` */
    const char *from, *to;
    bool talks; /* talk_ms was given */
    int64_t talk_ms, patience_ms;
    uint64_t calls; /* answer: ends after so many; 0: never */
    struct pstn_phone_options phone;
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
    struct pstn_phone *phone;
    char point[ADDR_TEXT_OCTETS];
    uint64_t over; /* calls */
    bool in_order; /* the last one was answered and ended in order */
    bool ending;
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
        ctl_put_integer(&w, "answered_ms", c->answered_at.ms);
        ctl_put_integer(&w, "ended_ms", c->ended_at.ms);
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
    r->in_order = call->in_order;
    r->ending = r->ending || call->is_ours || (r->wishes->calls && r->over >= r->wishes->calls);
}

static void print_listening(const struct run *r)
{
    if (r->wishes->json)
        printf("{\"event\":\"listening\",\"address\":\"%s\"}\n", r->point);
    else
        printf("listening at %s\n", r->point);
    fflush(stdout);
}

/* ---- the loop ---- */

static void turn(void *arg)
{
    struct run *r = arg;
    struct pstn_effect e;
    const struct now now = loop_now(r->loop);
    while (pstn_phone_next(r->phone, now, &e))
        sip_host_send(r->sip, e.hop, e.octets);
    loop_timer_set(r->timer, pstn_phone_deadline(r->phone));
    if (r->ending && pstn_phone_is_quiet(r->phone))
        loop_stop(r->loop, 0);
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
    pstn_phone_stop(r->phone, loop_now(r->loop));
    loop_post(r->loop, &r->work, LOOP_STAGE_WORK);
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

static int open_all(struct run *r)
{
    static const struct sip_host_handler handler = {on_message, on_unreachable, on_located};
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
    pstn_phone_free(r->phone);
    if (r->loop) {
        loop_task_cancel(&r->work);
        loop_timer_free(r->timer);
    }
    loop_free(r->loop);
}

static int place(struct run *r)
{
    const struct wishes *w = r->wishes;
    const struct sip_hop hop = {.transport = w->tcp ? SIP_TCP : SIP_UDP, .addr = w->via};
    char domain[ADDR_TEXT_OCTETS];
    addr_format(&w->via, domain);
    return pstn_phone_call(r->phone, loop_now(r->loop), &hop, w->domain ? w->domain : domain, w->from, w->to,
                           w->talk_ms, w->patience_ms);
}

static int run_phone(const struct wishes *w)
{
    struct run r = {.wishes = w, .options = w->phone, .entropy = kernel_entropy(), .log = stderr_log(LEVEL_WARNING)};
    int err = open_all(&r);
    if (!err && w->has_via)
        err = place(&r);
    else if (!err)
        print_listening(&r);
    if (!err) {
        loop_post(r.loop, &r.work, LOOP_STAGE_WORK);
        err = loop_run(r.loop);
    } else {
        fprintf(stderr, "ime-pstn: %s\n", err_text(err));
    }
    close_all(&r);
    return err || (w->has_via && !r.in_order) ? FAILED : GOOD;
}

/* ---- command lines ---- */

static int wrong(const char *what, const char *text)
{
    fprintf(stderr, "ime-pstn: %s %s\n", what, text);
    return USAGE;
}

/* "1.5" */
static bool read_seconds(const char *text, int64_t *ret_ms)
{
    struct slice rest = slice_str(text), whole = text_cut(&rest, '.');
    uint64_t seconds, ms = 0;
    if (u64_parse(whole, SECONDS_MAX, &seconds) < 0 || (rest.p && (rest.n > 3 || u64_parse(rest, 999, &ms) < 0)))
        return false;
    for (size_t i = rest.p ? rest.n : 3; i < 3; i++)
        ms *= 10;
    *ret_ms = (int64_t)(seconds * 1000 + ms);
    return true;
}

enum option_letter {
    JSON = 'j',
    LISTEN = 'l',
    VIA = 'v',
    SECONDS = 's',
    PATIENCE = 'p',
    DOMAIN = 'd',
    TRANSPORT = 't',
    DELAY = 'D',
    BUSY = 'b',
    CALLS = 'c',
    HELP = 'h'
};

/* One option into the wishes. False: the value is no good. */
static bool take_option(int option, const char *text, struct wishes *w)
{
    static const uint8_t any[16];
    switch (option) {
    case JSON:
        w->json = true;
        return true;
    case BUSY:
        w->phone.is_busy = true;
        return true;
    case DOMAIN:
        w->domain = text;
        return true;
    case LISTEN: /* one address: others are told it */
        return !addr_parse(slice_str(text), SIP_PORT, &w->listen) && memcmp(w->listen.ip, any, sizeof any) != 0;
    case VIA:
        w->has_via = true;
        return !addr_parse(slice_str(text), SIP_PORT, &w->via);
    case SECONDS:
        w->talks = true;
        return read_seconds(text, &w->talk_ms);
    case PATIENCE:
        return read_seconds(text, &w->patience_ms);
    case DELAY:
        if (!read_seconds(text, &w->phone.ring.low_ms))
            return false;
        w->phone.ring.high_ms = w->phone.ring.low_ms;
        return true;
    case CALLS:
        return !u64_parse(slice_str(text), UINT32_MAX, &w->calls);
    case TRANSPORT:
        w->tcp = !strcmp(text, "tcp");
        return w->tcp || !strcmp(text, "udp");
    default:
        return false;
    }
}

static const struct option call_options[] = {
    {"via", required_argument, NULL, VIA},
    {"seconds", required_argument, NULL, SECONDS},
    {"listen", required_argument, NULL, LISTEN},
    {"patience", required_argument, NULL, PATIENCE},
    {"domain", required_argument, NULL, DOMAIN},
    {"transport", required_argument, NULL, TRANSPORT},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};
static const struct option answer_options[] = {
    {"listen", required_argument, NULL, LISTEN}, {"seconds", required_argument, NULL, SECONDS},
    {"delay", required_argument, NULL, DELAY},   {"calls", required_argument, NULL, CALLS},
    {"busy", no_argument, NULL, BUSY},           {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},           {NULL, 0, NULL, 0},
};

/* GOOD, with helped if there is nothing more to do; else an exit code. */
static int read_options(int argc, char **argv, const struct option *options, const char *help, struct wishes *w,
                        bool *ret_helped)
{
    int option, index = 0;
    *w = (struct wishes){.patience_ms = 60000, .phone = {.ring = {1000, 1000}, .calls_max = 1000}};
    addr_parse(slice_str("127.0.0.1"), SIP_PORT, &w->listen);
    w->listen.port = 0; /* the kernel chooses */
    *ret_helped = false;
    while ((option = getopt_long(argc, argv, "h", options, &index)) != -1) {
        if (option == HELP) {
            fputs(help, stdout);
            *ret_helped = true;
            return GOOD;
        }
        if (option == '?')
            return USAGE;
        if (!take_option(option, optarg, w))
            return wrong("this is no good value:", optarg);
    }
    return GOOD;
}

int call_main(int argc, char **argv)
{
    static const char help[] =
        "Usage: ime-pstn call FROM TO --via ADDRESS [OPTION]...\n"
        "Places one call and says what became of it. Exit codes: 0 it was answered and ended in order, 1 not, 2 wrong "
        "usage.\n"
        "      --via ADDRESS        the PBX, agent or carrier that takes the call: address and port\n"
        "      --seconds N          hangs up so long after the answer (default 5; 0: leaves it to the other side)\n"
        "      --patience N         cancels when nobody has answered in so many seconds (default 60)\n"
        "      --listen ADDRESS     own address (default 127.0.0.1, a free port)\n"
        "      --domain NAME        host of the URIs (default: the address of --via)\n"
        "      --transport udp|tcp  (default udp)\n"
        "      --json               a line of JSON for each event\n";
    struct wishes w;
    bool helped;
    int status = read_options(argc, argv, call_options, help, &w, &helped);
    if (status || helped)
        return status;
    if (argc - optind != 2 || !w.has_via) {
        fputs(help, stderr);
        return USAGE;
    }
    if (!w.talks)
        w.talk_ms = TALK_MS;
    w.from = argv[optind];
    w.to = argv[optind + 1];
    return run_phone(&w);
}

int answer_main(int argc, char **argv)
{
    static const char help[] = "Usage: ime-pstn answer [NUMBER]... --listen ADDRESS [OPTION]...\n"
                               "Answers calls to the numbers (as they stand in the INVITE), or all calls.\n"
                               "      --listen ADDRESS  own address (default 127.0.0.1, a free port)\n"
                               "      --delay N         rings for so many seconds (default 1)\n"
                               "      --seconds N       hangs up so long after the answer (default: never)\n"
                               "      --busy            is busy instead\n"
                               "      --calls N         ends after so many calls\n"
                               "      --json            a line of JSON for each event\n";
    struct wishes w;
    bool helped;
    int status = read_options(argc, argv, answer_options, help, &w, &helped);
    if (status || helped)
        return status;
    w.phone.talk_ms = w.talk_ms;
    for (int i = optind; i < argc; i++) {
        if (w.phone.number_count == PSTN_PHONE_NUMBERS_MAX)
            return wrong("too many numbers:", argv[i]);
        w.phone.numbers[w.phone.number_count++] = argv[i];
    }
    return run_phone(&w);
}
