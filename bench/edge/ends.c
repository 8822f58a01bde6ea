/* Both ends of many calls that pass something in the middle: another company's edge outside, which calls over one TLS connection with a
 * certificate, and a call agent inside, which answers over TCP. One process, so that it sees each call from both ends. It measures nothing but times
 * and outcomes: what the middle costs is for who runs it to see. Prints one object of JSON at the end.
 *
 *     ends --to 127.0.0.1:5061 --name a.example --certificate F --key F --ca F --inside 127.0.0.2:5060
 *          --called +49301001234 --domain a.example --rate 100 --calls 500 [--talk MS] [--ticket F] [--expect 403]
 *          [--offer F --answer F]     (session descriptions; without, calls have none) */
#include "base/entropy.h"
#include "base/text.h"
#include "io/file.h"
#include "io/sip_host.h"
#include "sip/dialog.h"

#include "../bench.h"

#include <string.h>
#include <unistd.h>

enum { INSIDE, OUTSIDE };
#define SPACE_OCTETS (64 * 1024)
#define END_MS 35000 /* what is not over so long after the last call began never will be */

enum call_state { CALL_NONE, CALL_INVITED, CALL_UP, CALL_LEAVING, CALL_DONE };

struct call {
    enum call_state state;
    struct sip_dialog dialog;
    struct mono begun;
    struct mono bye_at;
    int64_t rang_us, answered_us;
};

static struct {
    const char *name, *certificate, *key, *ca, *called, *domain;
    struct addr to, inside;
    unsigned long rate, calls, talk_ms, expect;
    struct buf ticket, offer, answer;
} given = {.talk_ms = 1000, .expect = 200};

static struct {
    struct loop *loop;
    struct loop_timer *timer;
    struct sip_host *host;
    struct sip_hop hop;
    struct call *calls;
    unsigned long begun, good, failed, leaving; /* leaving: calls whose BYE is the next to be sent */
    struct mono start, last;
    struct region region;
    struct buf out;
    char wrong[256]; /* the first message that was not to be */
} run;

/* ---- the called side ---- */

static void answer(const struct sip_hop *hop, const struct sip_message *m, unsigned status, bool described)
{
    char addr[ADDR_TEXT_OCTETS], tag[64];
    snprintf(tag, sizeof tag, "in%.*s", (int)(m->call_id.n < 40 ? m->call_id.n : 40), (const char *)m->call_id.p);
    for (char *p = tag; *p; p++)
        if (*p == '@')
            *p = '.';
    buf_clear(&run.out);
    sip_begin_answer(&run.out, m, status, NULL, slice_str(tag));
    if (m->method == SIP_INVITE)
        sip_put_text(&run.out, SIP_CONTACT, "<sip:%s@%s;transport=tcp>", given.called,
                     addr_format(&given.inside, addr));
    if (described)
        sip_put(&run.out, SIP_CONTENT_TYPE, slice_str("application/sdp"));
    sip_end(&run.out, described ? buf_slice(&given.answer) : (struct slice){0});
    bench_need(!run.out.err, "writing an answer");
    sip_host_send(run.host, hop, buf_slice(&run.out));
}

static void asked(const struct sip_flow *flow, const struct sip_message *m)
{
    const struct sip_hop hop = {
        .transport = flow->transport, .side = flow->side, .addr = flow->peer, .conn = flow->conn};
    switch (m->method) {
    case SIP_INVITE:
        answer(&hop, m, 180, false);
        answer(&hop, m, 200, given.answer.n > 0);
        break;
    case SIP_ACK:
        break;
    default:
        answer(&hop, m, 200, false);
    }
}

/* ---- the calling side ---- */

static void via(struct buf *b, unsigned long call, const char *what)
{
    sip_put_text(b, SIP_VIA, "SIP/2.0/TLS far.example;branch=z9hG4bK%s%lx.%d", what, call, (int)getpid());
}

static void begin(unsigned long i)
{
    struct call *c = &run.calls[i];
    char uri[512];
    snprintf(uri, sizeof uri, "sip:%s@%s;user=phone", given.called, given.domain);
    buf_clear(&run.out);
    sip_begin_request(&run.out, "INVITE", slice_str(uri));
    via(&run.out, i, "i");
    sip_put(&run.out, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put_text(&run.out, SIP_FROM, "\"Alice\" <sip:+4989200000@far.example;user=phone>;tag=out%lx.%d", i,
                 (int)getpid());
    sip_put_text(&run.out, SIP_TO, "<%s>", uri);
    sip_put_text(&run.out, SIP_CALL_ID, "%lu@%d.far.example", i, (int)getpid());
    sip_put(&run.out, SIP_CSEQ, slice_str("1 INVITE"));
    sip_put(&run.out, SIP_CONTACT, slice_str("<sip:alice@192.0.2.9:5061;transport=tls>"));
    sip_put_named(&run.out, "User-Agent", slice_str("Edge/1.2.3"));
    sip_put_named(&run.out, "Allow",
                  slice_str("INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, REFER, NOTIFY"));
    sip_put_named(&run.out, "Supported", slice_str("timer, replaces, 100rel"));
    if (given.ticket.n)
        sip_put(&run.out, SIP_X_CISCO_VIPR_TICKET, buf_slice(&given.ticket));
    if (given.offer.n)
        sip_put(&run.out, SIP_CONTENT_TYPE, slice_str("application/sdp"));
    sip_end(&run.out, buf_slice(&given.offer));
    bench_need(!run.out.err, "writing a request");
    c->state = CALL_INVITED;
    c->begun = loop_clock();
    sip_host_send(run.host, &run.hop, buf_slice(&run.out));
}

/* A request inside of the call, or the ACK of its answer. */
static void say(unsigned long i, const char *method, uint32_t cseq)
{
    buf_clear(&run.out);
    sip_dialog_begin_request(&run.calls[i].dialog, method, cseq, &run.out);
    via(&run.out, i, method);
    sip_end(&run.out, (struct slice){0});
    bench_need(!run.out.err, "writing a request");
    sip_host_send(run.host, &run.hop, buf_slice(&run.out));
}

/* Of a failure: to the Request-URI of the INVITE, with its branch. */
static void acknowledge(unsigned long i, const struct sip_message *m)
{
    char uri[512];
    const struct sip_field *to = sip_field_first(m, SIP_TO), *from = sip_field_first(m, SIP_FROM);
    snprintf(uri, sizeof uri, "sip:%s@%s;user=phone", given.called, given.domain);
    buf_clear(&run.out);
    sip_begin_request(&run.out, "ACK", slice_str(uri));
    via(&run.out, i, "i");
    sip_put(&run.out, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put(&run.out, SIP_FROM, from->value);
    sip_put(&run.out, SIP_TO, to->value);
    sip_put(&run.out, SIP_CALL_ID, m->call_id);
    sip_put(&run.out, SIP_CSEQ, slice_str("1 ACK"));
    sip_end(&run.out, (struct slice){0});
    bench_need(!run.out.err, "writing an ACK");
    sip_host_send(run.host, &run.hop, buf_slice(&run.out));
}

static void over(struct call *c, bool good)
{
    if (c->state > CALL_INVITED)
        sip_dialog_fini(&c->dialog);
    c->state = CALL_DONE;
    *(good ? &run.good : &run.failed) += 1;
    if (run.good + run.failed == given.calls)
        loop_stop(run.loop, 0);
}

static void wrong(struct call *c, const struct sip_message *m)
{
    if (!run.wrong[0])
        snprintf(run.wrong, sizeof run.wrong, "%.*s", SLICE_PRINT(m->start_line));
    over(c, false);
}

static void invited(unsigned long i, const struct sip_message *m)
{
    struct call *c = &run.calls[i];
    const int64_t us = mono_since_us(loop_clock(), c->begun);
    if (m->status > 100 && m->status < 200 && !c->rang_us)
        c->rang_us = us;
    if (m->status < 200)
        return;
    c->answered_us = us;
    if (m->status >= 300)
        acknowledge(i, m);
    if (m->status != given.expect) {
        wrong(c, m);
        return;
    }
    if (m->status >= 300) {
        over(c, true);
        return;
    }
    bench_need(sip_dialog_init_uac(&c->dialog, m, m) == 0, "a dialog");
    c->state = CALL_UP;
    c->bye_at = mono_after_ms(loop_now(run.loop).mono, (int64_t)given.talk_ms);
    say(i, "ACK", 1);
}

static void heard(const struct sip_message *m)
{
    char *end;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(m->call_id.n < 60 ? m->call_id.n : 60), (const char *)m->call_id.p);
    const unsigned long i = strtoul(text, &end, 10);
    if (*end != '@' || i >= given.calls)
        return;
    struct call *c = &run.calls[i];
    if (c->state == CALL_INVITED && m->method == SIP_INVITE)
        invited(i, m);
    else if (c->state == CALL_LEAVING && m->method == SIP_BYE && m->status >= 200) {
        if (m->status == 200)
            over(c, true);
        else
            wrong(c, m);
    }
}

/* ---- time ---- */

static void tick(void *arg)
{
    const struct mono now = loop_now(run.loop).mono;
    (void)arg;
    while (run.begun < given.calls && mono_since_us(now, run.start) >= (int64_t)(run.begun * 1000000 / given.rate)) {
        begin(run.begun++);
        run.last = now;
    }
    for (; run.leaving < run.begun; run.leaving++) {
        struct call *c = &run.calls[run.leaving];
        if (c->state == CALL_INVITED || (c->state == CALL_UP && !mono_due(c->bye_at, now)))
            break; /* those behind it began later */
        if (c->state != CALL_UP)
            continue;
        c->state = CALL_LEAVING;
        say(run.leaving, "BYE", 0);
    }
    if (run.begun == given.calls && mono_since_us(now, run.last) > (END_MS + (int64_t)given.talk_ms) * 1000) {
        run.failed = given.calls - run.good;
        loop_stop(run.loop, 0);
    }
    loop_timer_set(run.timer, mono_after_ms(now, 1));
}

/* ---- start ---- */

static void message(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct sip_message m;
    (void)arg;
    region_clear(&run.region);
    if (sip_parse(&run.region, octets, SIP_STREAM, &m, NULL) < 0 || sip_check(&m, NULL, NULL) < 0)
        snprintf(run.wrong, sizeof run.wrong, "a message that cannot be read: %.*s",
                 (int)(octets.n < 100 ? octets.n : 100), (const char *)octets.p);
    else if (m.is_request)
        asked(flow, &m);
    else
        heard(&m);
}

static void unreachable(void *arg, const struct sip_hop *hop)
{
    char addr[ADDR_TEXT_OCTETS];
    (void)arg;
    fprintf(stderr, "ends: no connection to %s\n", addr_format(&hop->addr, addr));
    loop_stop(run.loop, 1);
}

static struct tls_context *context(void)
{
    struct buf certificate, key, ca;
    struct tls_context *tls = NULL;
    buf_init(&certificate, SPACE_OCTETS);
    buf_init(&key, SPACE_OCTETS);
    buf_init(&ca, SPACE_OCTETS);
    bench_need(file_read(given.certificate, &certificate) == 0 && file_read(given.key, &key) == 0 &&
                   file_read(given.ca, &ca) == 0,
               "reading certificate, key and CA");
    const struct slice trust = buf_slice(&ca);
    const struct tls_options options = {.role = TLS_CLIENT,
                                        .peer = TLS_PEER_REQUIRED,
                                        .certificate = buf_slice(&certificate),
                                        .key_pem = buf_slice(&key),
                                        .trust = &trust,
                                        .trust_count = 1};
    bench_need(tls_context_new(&options, &tls) == 0, "TLS");
    buf_fini(&certificate);
    buf_fini_secret(&key);
    buf_fini(&ca);
    return tls;
}

static void read_text(const char *path, struct buf *text)
{
    buf_init(text, SPACE_OCTETS);
    bench_need(file_read(path, text) == 0, path);
    while (text->n && text->p[text->n - 1] == '\n' && text == &given.ticket)
        text->n--;
}

static bool take(const char *name, const char *value)
{
    static const struct {
        const char *name;
        const char **text;
        unsigned long *number;
        struct addr *addr;
        struct buf *file;
    } words[] = {
        {.name = "--to", .addr = &given.to},          {.name = "--inside", .addr = &given.inside},
        {.name = "--name", .text = &given.name},      {.name = "--certificate", .text = &given.certificate},
        {.name = "--key", .text = &given.key},        {.name = "--ca", .text = &given.ca},
        {.name = "--called", .text = &given.called},  {.name = "--domain", .text = &given.domain},
        {.name = "--rate", .number = &given.rate},    {.name = "--calls", .number = &given.calls},
        {.name = "--talk", .number = &given.talk_ms}, {.name = "--expect", .number = &given.expect},
        {.name = "--ticket", .file = &given.ticket},  {.name = "--offer", .file = &given.offer},
        {.name = "--answer", .file = &given.answer},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].name, name) != 0)
            continue;
        if (words[i].text)
            *words[i].text = value;
        if (words[i].number)
            *words[i].number = strtoul(value, NULL, 10);
        if (words[i].file)
            read_text(value, words[i].file);
        return !words[i].addr || addr_parse(slice_str(value), 0, words[i].addr) == 0;
    }
    return false;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_percentiles(const char *name, bool answered)
{
    int64_t *sorted = mem_alloc(given.calls * sizeof *sorted);
    size_t n = 0;
    bench_need(sorted != NULL, "memory");
    for (unsigned long i = 0; i < given.calls; i++) {
        const int64_t us = answered ? run.calls[i].answered_us : run.calls[i].rang_us;
        if (us)
            sorted[n++] = us;
    }
    qsort(sorted, n, sizeof *sorted, compare);
    printf(", \"%s_ms\": {\"p50\": %.3f, \"p99\": %.3f}", name, n ? (double)sorted[n / 2] / 1000 : 0,
           n ? (double)sorted[n * 99 / 100] / 1000 : 0);
    mem_free(sorted);
}

int main(int argc, char **argv)
{
    static const struct sip_host_handler handler = {.message = message, .unreachable = unreachable};
    static struct seeded_entropy seed = {7};
    static struct entropy entropy;
    struct sip_host_options options;
    for (int i = 1; i + 1 < argc; i += 2)
        if (!take(argv[i], argv[i + 1])) {
            fprintf(stderr, "ends: what is %s %s?\n", argv[i], argv[i + 1]);
            return 2;
        }
    if (!given.to.family || !given.inside.family || !given.rate || !given.calls || !given.ca || !given.certificate ||
        !given.key || !given.called || !given.domain || !given.name) {
        fprintf(stderr, "ends: something is missing: see the head of bench/edge/ends.c\n");
        return 2;
    }
    entropy = seeded_entropy_port(&seed);
    sip_host_options_init(&options);
    options.entropy = &entropy;
    run.calls = mem_alloc(given.calls * sizeof *run.calls);
    region_init(&run.region, 4 << 20);
    buf_init(&run.out, SIP_MESSAGE_OCTETS_MAX);
    struct tls_context *tls = context();
    bench_need(run.calls && loop_new(&run.loop) == 0, "a loop");
    bench_need(sip_host_new(run.loop, &options, &handler, NULL, &run.host) == 0, "a host");
    bench_need(sip_host_listen(run.host, INSIDE, SIP_TCP, &given.inside, NULL) == 0, "listening");
    sip_host_connect_from(run.host, OUTSIDE, &(struct addr){0}, tls);
    run.hop = (struct sip_hop){.transport = SIP_TLS, .side = OUTSIDE, .addr = given.to};
    snprintf(run.hop.host, sizeof run.hop.host, "%s", given.name);
    bench_need(loop_timer_new(run.loop, tick, NULL, &run.timer) == 0, "a timer");
    run.start = loop_now(run.loop).mono;
    tick(NULL);
    const int status = loop_run(run.loop);
    printf("{\"good\": %lu, \"failed\": %lu", run.good, run.failed);
    print_percentiles("ringing", false);
    print_percentiles("answered", true);
    printf(", \"wrong\": \"%s\"}\n", run.wrong);
    loop_timer_free(run.timer);
    sip_host_free(run.host);
    loop_turn(run.loop, false);
    loop_free(run.loop);
    tls_context_free(tls);
    return status;
}
