/* A day of calls between phones that do what they like: answer, refuse, fall silent, cancel, send again, hold, go away without a word. Whatever
 * they do: each caller hears one end, each called phone that was answered hears goodbye, and nothing is left in the agent. The same seed
 * gives the same day. */
#include "agent_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PHONES 48
#define SEEDS 12
#define CALLS 250 /* begun in one day */

enum phone_state { FREE, CALLING, RINGING, UP, OVER };

struct phone {
    struct talk talk;
    enum phone_state state;
    bool calls;    /* it began the call */
    bool silent;   /* it went away without a word */
    bool answered; /* it sent or heard 2xx */
    bool ended;    /* it said or heard goodbye, or was told that it is over */
    bool cancelled;
    bool waits;      /* for what never comes, if it was lost */
    unsigned finals; /* final responses to its INVITE, without repetitions */
    unsigned last_final;
    int64_t next_ms; /* when it does something */
    char invite[STAGE_MESSAGE_OCTETS];
};

struct day {
    struct stage *s;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct phone *phones;
    int64_t at_ms;
    unsigned begun, up, failed;
    bool is_bad; /* messages may be anything */
};

static unsigned pick(struct day *d, unsigned below)
{
    return (unsigned)entropy_below(&d->entropy, below);
}

static struct phone *phone_free(struct day *d)
{
    for (unsigned i = 0; i < PHONES; i++) {
        if (d->phones[i].state == FREE) {
            memset(&d->phones[i], 0, sizeof d->phones[i]);
            return &d->phones[i];
        }
    }
    return NULL;
}

static struct phone *phone_of(struct day *d, enum peer peer, struct slice call_id)
{
    for (unsigned i = 0; i < PHONES; i++) {
        struct phone *p = &d->phones[i];
        if (p->state != FREE && p->talk.peer == peer && slice_eq_str(call_id, p->talk.call_id))
            return p;
    }
    return NULL;
}

static void later(struct day *d, struct phone *p, unsigned within_ms)
{
    p->next_ms = d->at_ms + 1 + pick(d, within_ms);
}

/* Until it is told; where messages are lost nobody is sure of that, and a phone is needed again. */
static void wait_long(struct day *d, struct phone *p)
{
    p->waits = true;
    p->next_ms = d->is_bad ? d->at_ms + 2 * 3600 * 1000 : INT64_MAX;
}

static void answer_to(struct phone *p, const char *request, unsigned status)
{
    static char kept[STAGE_MESSAGE_OCTETS];
    memcpy(kept, request, strlen(request) + 1);
    memcpy(p->talk.request, kept, strlen(kept) + 1);
    talk_answer(&p->talk, status, NULL);
}

/* ---- what phones do of their own accord ---- */

static void begin(struct day *d)
{
    static const char *const outbound[] = {"0302000001", "0302000002", "0309999999", "+15551234", "112"};
    static const enum peer callers[] = {PBX, PBX, PBX, CARRIER_1, CARRIER_2, FAR};
    struct phone *p = phone_free(d);
    if (!p)
        return;
    enum peer peer = callers[pick(d, 6)];
    char user[32];
    snprintf(user, sizeof user, "+4930100%04u", pick(d, 10000));
    p->calls = true;
    p->state = CALLING;
    d->begun++;
    later(d, p, 20000);
    talk_call(d->s, &p->talk, peer, peer == PBX ? outbound[pick(d, 5)] : user);
}

/* Half a minute of silence is what a phone takes for the end. */
static void hang_up(struct day *d, struct phone *p)
{
    p->ended = true;
    p->state = OVER;
    p->next_ms = d->at_ms + 70000;
    talk_request(&p->talk, "BYE", NULL, NULL);
}

static void act_up(struct day *d, struct phone *p)
{
    switch (pick(d, 6)) {
    case 0:
        later(d, p, 200000);
        talk_request(&p->talk, "INVITE", NULL, "v=0\r\n");
        break;
    case 1:
        later(d, p, 200000);
        talk_request(&p->talk, "INFO", NULL, "Signal=1");
        break;
    case 2: /* without a word */
        p->silent = true;
        p->state = OVER;
        p->next_ms = d->at_ms + 2 * 3600 * 1000;
        break;
    case 3:
        later(d, p, 3600 * 1000);
        break;
    default:
        hang_up(d, p);
    }
}

static void act(struct day *d, struct phone *p)
{
    static const unsigned finals[] = {200, 200, 200, 200, 486, 503, 480, 404, 603, 500};
    const bool waited = p->waits && (p->state == CALLING || p->state == RINGING);
    p->waits = false;
    if (waited) {
        p->state = FREE;
        return;
    }
    switch (p->state) {
    case CALLING: /* a caller loses patience */
        if (p->cancelled) {
            wait_long(d, p);
            break;
        }
        p->cancelled = true;
        later(d, p, 100000);
        talk_cancel(&p->talk);
        break;
    case RINGING:
        if (pick(d, 3) == 0) {
            later(d, p, 9000);
            answer_to(p, p->invite, pick(d, 2) ? 180 : 183);
            break;
        }
        p->last_final = finals[pick(d, 10)];
        p->answered = p->last_final == 200;
        p->state = p->answered ? UP : OVER;
        p->next_ms = d->at_ms + 40000 + pick(d, 600000);
        answer_to(p, p->invite, p->last_final);
        break;
    case UP:
        act_up(d, p);
        break;
    case OVER:
        p->state = FREE;
        break;
    case FREE:
        break;
    }
}

/* ---- what they hear ---- */

static void called(struct day *d, enum peer peer, struct sent *m)
{
    struct phone *p = phone_free(d);
    if (!p)
        return; /* nobody at home: silence */
    list_prepend(&d->s->inbox[peer], &m->link);
    talk_called(d->s, &p->talk, peer);
    snprintf(p->talk.tag, sizeof p->talk.tag, "t%u-%u", d->begun, (unsigned)(p - d->phones));
    char *tag = strstr(p->talk.local, ";tag=");
    snprintf(tag, 40, ";tag=%s", p->talk.tag);
    memcpy(p->invite, p->talk.request, sizeof p->invite);
    p->state = RINGING;
    if (pick(d, 12) == 0)
        wait_long(d, p); /* silent from the beginning */
    else
        later(d, p, 12000);
    answer_to(p, p->invite, 100);
}

static void asked(struct day *d, struct phone *p, const struct sip_message *m, const char *text)
{
    static const unsigned answers[] = {200, 200, 488, 491};
    if (p->silent)
        return;
    switch (m->method) {
    case SIP_INVITE:
        if (m->to.tag.n)
            answer_to(p, text, answers[pick(d, 4)]);
        break;
    case SIP_CANCEL:
        answer_to(p, text, 200);
        if (p->state == RINGING) {
            p->state = OVER;
            p->next_ms = d->at_ms + 40000;
            answer_to(p, p->invite, 487);
        }
        break;
    case SIP_BYE:
        p->ended = true;
        if (p->state != OVER) {
            p->state = OVER;
            p->next_ms = d->at_ms + 70000;
        }
        answer_to(p, text, 200);
        break;
    case SIP_ACK:
        break;
    default:
        answer_to(p, text, p->state == UP ? 200 : 481);
    }
}

static void told(struct day *d, struct phone *p, const struct sip_message *m)
{
    const bool first = m->cseq.number == 101;
    if (m->status < 200 || m->method == SIP_CANCEL)
        return;
    if (m->method != SIP_INVITE) {
        if (m->status == 481 || m->status == 408)
            p->ended = true;
        return;
    }
    if (first && p->state == CALLING) {
        p->finals++;
        p->last_final = m->status;
        p->answered = m->status < 300;
        *(p->answered ? &d->up : &d->failed) += 1;
        p->state = p->answered ? UP : OVER;
        p->next_ms = d->at_ms + (p->answered ? 40000 + pick(d, 600000) : 40000);
        if (p->answered) {
            const struct sip_field *contact = sip_field_first(m, SIP_CONTACT);
            const struct sip_field *to = sip_field_first(m, SIP_TO);
            struct sip_cursor c;
            struct sip_address address;
            assert_true(d->is_bad || contact);
            sip_cursor_init(&c, m->octets, contact ? contact->value : to->value);
            assert_true(sip_read_address(&c, &address) || d->is_bad);
            snprintf(p->talk.target, sizeof p->talk.target, "%.*s", c.err ? 0 : (int)address.uri.n,
                     (const char *)address.uri.p);
            snprintf(p->talk.remote, sizeof p->talk.remote, "%.*s", SLICE_PRINT(to->value));
        }
    } else if (first) {
        assert_true(d->is_bad || m->status == p->last_final); /* one end, however often it is told */
    }
    if (p->silent)
        return;
    unsigned cseq = p->talk.invite_cseq;
    p->talk.invite_cseq = m->cseq.number;
    talk_ack(&p->talk);
    p->talk.invite_cseq = cseq;
}

static void hear(struct day *d, enum peer peer)
{
    struct list *it = list_pop(&d->s->inbox[peer]);
    struct sent *m = CONTAINER_OF(it, struct sent, link);
    struct region region;
    struct sip_message message;
    struct fault fault;
    unsigned status;
    region_init(&region, 1 << 20);
    const bool good = !sip_parse(&region, slice_str(m->text), SIP_DATAGRAM, &message, &fault) &&
                      !sip_check(&message, &status, &fault);
    if (!good) { /* what came in was passed on: bodies and fields that nobody looks at may be anything */
        assert_true(d->is_bad);
        free(m);
        region_fini(&region);
        return;
    }
    struct phone *p = phone_of(d, peer, message.call_id);
    bool kept = false;
    if (message.is_request && !p && message.method == SIP_INVITE && !message.to.tag.n) {
        called(d, peer, m);
        kept = true; /* the stage has it now, or it is lost */
    } else if (p && message.is_request) {
        asked(d, p, &message, m->text);
    } else if (p) {
        told(d, p, &message);
    }
    if (!kept || d->s->taken != m)
        free(m);
    region_fini(&region);
}

static void listen_all(struct day *d)
{
    bool any;
    do {
        any = false;
        for (unsigned peer = 0; peer < PEERS; peer++) {
            while (!stage_is_quiet(d->s, (enum peer)peer)) {
                hear(d, (enum peer)peer);
                any = true;
            }
        }
    } while (any);
}

/* Messages take up to half a second. */
static void step(struct day *d, int64_t ms)
{
    stage_run(d->s, ms);
    d->at_ms += ms;
    listen_all(d);
    for (unsigned i = 0; i < PHONES; i++) {
        struct phone *p = &d->phones[i];
        if (p->state != FREE && p->next_ms <= d->at_ms)
            act(d, p);
        listen_all(d);
    }
}

static void pass(struct day *d, int64_t ms)
{
    for (; ms > 500; ms -= 500)
        step(d, 500);
    step(d, ms);
}

static void live(struct day *d)
{
    stage_learn(d->s, "+49302000001", "b.example");
    stage_learn(d->s, "+49302000002", "b.example");
    while (d->begun < CALLS) {
        if (pick(d, 4) == 0)
            begin(d);
        pass(d, 1 + pick(d, pick(d, 20) ? 4000 : 400000));
    }
    for (unsigned i = 0; i < 3000 && agent_calls(d->s->agent); i++)
        pass(d, 5000);
}

static struct day wake_up(unsigned seed, void **ret_stage)
{
    agent_stage_setup(ret_stage);
    struct day d = {.s = *ret_stage, .seeded = {seed}, .phones = calloc(PHONES, sizeof(struct phone))};
    assert_non_null(d.phones);
    return d;
}

static void days(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        void *stage;
        struct day d = wake_up(seed, &stage);
        d.entropy = seeded_entropy_port(&d.seeded);
        live(&d);
        if (agent_calls(d.s->agent))
            fail_msg("seed %u: %zu calls never end", seed, agent_calls(d.s->agent));
        for (unsigned i = 0; i < PHONES; i++) {
            const struct phone *p = &d.phones[i];
            if (p->state != FREE && !p->silent && p->answered && !p->ended)
                fail_msg("seed %u: nobody told %s that its call is over", seed, p->talk.call_id);
            assert_true(p->finals <= 1);
        }
        assert_true(d.up > CALLS / 10 && d.failed > CALLS / 20);
        free(d.phones);
        agent_stage_teardown(&stage);
    }
}

/* Messages are changed and lost on the way, memory runs out: nobody can promise anything to the phones any longer, but the agent lives on, and
 * in the end nothing of it is left (which the teardown checks). */
static void bad_days(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        void *stage;
        struct day d = wake_up(1000 + seed, &stage);
        d.entropy = seeded_entropy_port(&d.seeded);
        d.is_bad = true;
        d.s->trouble = &d.entropy;
        d.s->mutate_percent = seed % 3 ? 10 : 0;
        d.s->lose_percent = seed % 2 ? 5 : 0;
        d.s->starve_percent = seed % 4 ? 0 : 10;
        live(&d);
        d.s->trouble = NULL;
        free(d.phones);
        agent_stage_teardown(&stage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(days), cmocka_unit_test(bad_days)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
