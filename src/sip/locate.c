/* Look-ups: which are answered at once, which wait for the DNS and for how long; and addresses that failed. */
#include "base/text.h"
#include "sip/locate_private.h"

#include <stdio.h>

#define NAMES_MIN 64 /* more than one walk asks for: none of its answers gives way to another of them */

COUNTERS_DEFINE(sip_locate_counters, SIP_LOCATE_COUNTERS)

void sip_locate_config_init(struct sip_locate_config *config)
{
    *config = (struct sip_locate_config){
        .jobs_max = 1024,
        .names_max = 4096,
        .ttl_max_s = 86400,
        .failure_ttl_s = 10,
        .stale_s = 86400,
        .patience_ms = 4000,
        .penalty_ms = 60000,
        .penalties_max = 1024,
    };
}

int sip_locator_new(const struct sip_locate_config *config, const struct entropy *entropy,
                    struct sip_locator **ret_locator)
{
    struct sip_locator *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    l->config = *config;
    if (l->config.names_max < NAMES_MIN)
        l->config.names_max = NAMES_MIN;
    l->entropy = entropy;
    map_init(&l->by_name, l->config.names_max, config->seed);
    map_init(&l->by_query, l->config.names_max, config->seed);
    map_init(&l->penalties_by_addr, config->penalties_max, config->seed);
    list_init(&l->known);
    list_init(&l->asking);
    list_init(&l->jobs);
    list_init(&l->ready);
    list_init(&l->penalties);
    *ret_locator = l;
    return 0;
}

static void job_free(struct sip_locator *l, struct job *j)
{
    list_remove(&j->link);
    list_remove(&j->state);
    l->job_count--;
    mem_free(j);
}

static struct slice penalty_key(enum sip_transport transport, const struct addr *addr, uint8_t key[20])
{
    key[0] = (uint8_t)transport;
    key[1] = addr->family;
    key[2] = (uint8_t)(addr->port >> 8);
    key[3] = (uint8_t)addr->port;
    memcpy(key + 4, addr->ip, 16);
    return slice_of(key, 20);
}

static void penalty_free(struct sip_locator *l, struct penalty *p)
{
    uint8_t key[20];
    map_remove(&l->penalties_by_addr, penalty_key(p->transport, &p->addr, key));
    list_remove(&p->link);
    mem_free(p);
}

static void penalties_forget(struct sip_locator *l)
{
    LIST_EACH(it, &l->penalties)
        penalty_free(l, CONTAINER_OF(it, struct penalty, link));
}

void sip_locator_free(struct sip_locator *l)
{
    if (!l)
        return;
    LIST_EACH(job, &l->jobs)
        job_free(l, CONTAINER_OF(job, struct job, link));
    penalties_forget(l);
    sip_known_free_all(l);
    map_fini(&l->by_name);
    map_fini(&l->by_query);
    map_fini(&l->penalties_by_addr);
    mem_free(l);
}

void sip_locate_set_side(struct sip_locator *l, unsigned side, const struct sip_locate_side *can)
{
    if (side < SIP_LOCATE_SIDES_MAX)
        l->sides[side] = *can;
}

/* ---- targets ---- */

int sip_target_of_uri(const struct sip_uri *uri, unsigned side, struct sip_target *ret_target)
{
    struct sip_target target = {.side = side, .port = uri->port, .secure = uri->scheme == SIP_SCHEME_SIPS};
    struct slice value;
    if (uri->scheme != SIP_SCHEME_SIP && uri->scheme != SIP_SCHEME_SIPS)
        return ERR_UNSUPPORTED;
    if (!uri->host.n || uri->host.n > SIP_HOST_OCTETS_MAX)
        return ERR_RANGE;
    memcpy(target.host, uri->host.p, uri->host.n);
    if (sip_uri_param(uri, "maddr", &value)) {
        if (!value.n || value.n > SIP_HOST_OCTETS_MAX)
            return ERR_RANGE;
        memcpy(target.maddr, value.p, value.n);
    }
    if (sip_uri_param(uri, "transport", &value)) {
        if (!sip_transport_find(value, &target.transport))
            return ERR_UNSUPPORTED;
        target.has_transport = true;
    }
    *ret_target = target;
    return 0;
}

/* ---- look-ups ---- */

static void count_result(struct sip_locator *l, const struct sip_hops *hops)
{
    if (hops->n)
        l->counters.found++;
    else
        l->counters.nowhere++;
}

int sip_locate(struct sip_locator *l, struct now now, const struct sip_target *target, uint64_t token,
               struct sip_hops *ret_hops)
{
    if (target->side >= SIP_LOCATE_SIDES_MAX || !target->host[0])
        return ERR_RANGE;
    l->counters.asked++;
    struct look_up look_up = {.since = now.mono, .seed = entropy_u64(l->entropy), .target = *target};
    struct known *wait = sip_walk(l, now, &look_up, ret_hops);
    if (!wait) {
        l->counters.at_once++;
        count_result(l, ret_hops);
        return 0;
    }
    if (l->job_count >= l->config.jobs_max) {
        l->counters.refused_limit++;
        return ERR_LIMIT;
    }
    struct job *j = mem_alloc(sizeof *j);
    if (!j) {
        l->counters.memory_refused++;
        return ERR_NO_MEMORY;
    }
    j->token = token;
    j->look_up = look_up;
    list_append(&l->jobs, &j->link);
    list_append(&wait->waiting, &j->state);
    l->job_count++;
    return 1;
}

void sip_locate_cancel(struct sip_locator *l, uint64_t token)
{
    LIST_EACH(it, &l->jobs) {
        struct job *j = CONTAINER_OF(it, struct job, link);
        if (j->token == token)
            job_free(l, j);
    }
}

void sip_locate_tick(struct sip_locator *l, struct now now)
{
    LIST_EACH(it, &l->jobs) {
        struct job *j = CONTAINER_OF(it, struct job, link);
        if (!mono_due(mono_after_ms(j->look_up.since, l->config.patience_ms), now.mono))
            return;
        if (j->look_up.out_of_time)
            continue;
        j->look_up.out_of_time = true;
        l->counters.timeouts++;
        list_remove(&j->state);
        list_append(&l->ready, &j->state);
    }
}

struct mono sip_locate_deadline(const struct sip_locator *l)
{
    LIST_EACH(it, &l->jobs) {
        const struct job *j = CONTAINER_OF(it, struct job, link);
        if (!j->look_up.out_of_time)
            return mono_after_ms(j->look_up.since, l->config.patience_ms);
    }
    return MONO_NEVER;
}

/* True if it is complete; else it waits again. */
static bool finish(struct sip_locator *l, struct now now, struct job *j, struct sip_locate_effect *ret_effect)
{
    struct known *wait = sip_walk(l, now, &j->look_up, &l->found);
    if (wait) {
        list_append(&wait->waiting, &j->state);
        return false;
    }
    count_result(l, &l->found);
    *ret_effect = (struct sip_locate_effect){.kind = SIP_LOCATE_FOUND, .token = j->token, .hops = &l->found};
    job_free(l, j);
    return true;
}

bool sip_locate_next(struct sip_locator *l, struct now now, struct sip_locate_effect *ret_effect)
{
    for (;;) {
        struct list *link = list_pop(&l->asking);
        if (link) {
            const struct known *k = CONTAINER_OF(link, struct known, asking);
            *ret_effect =
                (struct sip_locate_effect){.kind = SIP_LOCATE_ASK, .query = k->query, .type = k->type, .name = k->name};
            return true;
        }
        link = list_pop(&l->ready);
        if (!link)
            return false;
        if (finish(l, now, CONTAINER_OF(link, struct job, state), ret_effect))
            return true;
    }
}

void sip_locate_forget(struct sip_locator *l)
{
    sip_known_forget_all(l);
    penalties_forget(l);
}

const struct sip_locate_counters *sip_locate_counters(const struct sip_locator *l)
{
    return &l->counters;
}

/* ---- addresses that failed ---- */

static struct penalty *penalty_of(const struct sip_locator *l, const struct sip_hop *hop)
{
    uint8_t key[20];
    return map_get(&l->penalties_by_addr, penalty_key(hop->transport, &hop->addr, key));
}

bool sip_locate_is_penalized(const struct sip_locator *l, struct now now, const struct sip_hop *hop)
{
    const struct penalty *p = penalty_of(l, hop);
    return p && !mono_due(p->until, now.mono);
}

void sip_locate_failed(struct sip_locator *l, struct now now, const struct sip_hop *hop)
{
    struct penalty *p = penalty_of(l, hop);
    uint8_t key[20];
    l->counters.penalties++;
    if (!p) {
        if (l->penalties_by_addr.n >= l->config.penalties_max && !list_empty(&l->penalties))
            penalty_free(l, CONTAINER_OF(l->penalties.next, struct penalty, link));
        p = mem_alloc(sizeof *p);
        if (!p || map_set(&l->penalties_by_addr, penalty_key(hop->transport, &hop->addr, key), p) != 0) {
            l->counters.memory_refused++;
            mem_free(p);
            return;
        }
        p->transport = hop->transport;
        p->addr = hop->addr;
        list_init(&p->link);
    }
    p->until = mono_after_ms(now.mono, l->config.penalty_ms);
    list_remove(&p->link);
    list_append(&l->penalties, &p->link);
}

void sip_locate_worked(struct sip_locator *l, const struct sip_hop *hop)
{
    struct penalty *p = penalty_of(l, hop);
    if (p)
        penalty_free(l, p);
}
