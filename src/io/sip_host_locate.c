/* Names for the SIP host: carries the locator's questions to the DNS, and the answers back. */
#include "io/sip_host_private.h"

#include "base/mem.h"

/* A question that is under way. */
struct host_question {
    struct list link;
    struct sip_host *host;
    uint64_t number; /* the locator's */
    struct dns_query *query;
};

static void drain(struct sip_host *h);

static void question_free(struct host_question *q)
{
    list_remove(&q->link);
    mem_free(q);
}

static void answered(void *arg, struct dns_query *query, const struct sip_dns_answer *answer)
{
    struct host_question *q = arg;
    struct sip_host *h = q->host;
    uint64_t number = q->number;
    (void)query;
    question_free(q);
    sip_locate_answer(h->locator, loop_now(h->loop), number, answer);
    drain(h);
}

static int ask(struct sip_host *h, const struct sip_locate_effect *e)
{
    struct host_question *q = mem_alloc(sizeof *q);
    if (!q)
        return ERR_NO_MEMORY;
    q->host = h;
    q->number = e->query;
    list_append(&h->questions, &q->link);
    int err = dns_ask(h->dns, e->type, e->name, answered, q, &q->query);
    if (err)
        question_free(q);
    return err;
}

/* Puts the questions and tells the results. */
static void drain(struct sip_host *h)
{
    struct sip_locate_effect e;
    while (sip_locate_next(h->locator, loop_now(h->loop), &e)) {
        if (e.kind == SIP_LOCATE_FOUND) {
            h->handler->located(h->arg, e.token, e.hops);
            continue;
        }
        struct sip_dns_answer none = {.err = ask(h, &e)};
        if (none.err)
            sip_locate_answer(h->locator, loop_now(h->loop), e.query, &none);
    }
    loop_timer_set(h->locate_timer, sip_locate_deadline(h->locator));
}

static void drain_later(void *arg)
{
    drain(arg);
}

static void due(void *arg)
{
    struct sip_host *h = arg;
    sip_locate_tick(h->locator, loop_now(h->loop));
    drain(h);
}

int sip_host_locate_init(struct sip_host *h)
{
    list_init(&h->questions);
    loop_task_init(&h->locate_task, drain_later, h);
    int err = sip_locator_new(&h->options.locate, h->options.entropy, &h->locator);
    if (!err)
        err = dns_new(h->loop, &h->options.dns, &h->dns);
    if (!err)
        err = loop_timer_new(h->loop, due, h, &h->locate_timer);
    return err;
}

void sip_host_locate_fini(struct sip_host *h)
{
    dns_free(h->dns);
    LIST_EACH(it, &h->questions)
        question_free(CONTAINER_OF(it, struct host_question, link));
    loop_timer_free(h->locate_timer);
    loop_task_cancel(&h->locate_task);
    sip_locator_free(h->locator);
}

void sip_host_side_changed(struct sip_host *h, unsigned side)
{
    const struct host_side *s = &h->sides[side];
    struct sip_locate_side can = {.transports = {[SIP_TCP] = s->connects, [SIP_TLS] = s->connects && s->tls}};
    can.ip4 = s->connects && s->local.family != 6;
    can.ip6 = s->connects && s->local.family != 4;
    for (size_t i = 0; i < h->point_count; i++) {
        if (h->points[i]->side != side)
            continue;
        struct addr addr = sip_host_point_addr(h->points[i]);
        can.ip4 = can.ip4 || addr.family == 4;
        can.ip6 = can.ip6 || addr.family == 6;
        if (h->points[i]->udp)
            can.transports[SIP_UDP] = true;
    }
    sip_locate_set_side(h->locator, side, &can);
}

int sip_host_locate(struct sip_host *h, const struct sip_target *target, uint64_t token, struct sip_hops *ret_hops)
{
    int result = sip_locate(h->locator, loop_now(h->loop), target, token, ret_hops);
    loop_post(h->loop, &h->locate_task, LOOP_STAGE_WORK);
    return result;
}

struct sip_locator *sip_host_locator(struct sip_host *h)
{
    loop_post(h->loop, &h->locate_task, LOOP_STAGE_WORK);
    return h->locator;
}
