/* The answers of the DNS: kept as long as they are valid, and somewhat longer for when it does not answer. */
#include "base/text.h"
#include "sip/locate_private.h"

static const char *const type_names[] = {
    [SIP_DNS_A] = "A", [SIP_DNS_AAAA] = "AAAA", [SIP_DNS_SRV] = "SRV", [SIP_DNS_NAPTR] = "NAPTR"};

const char *sip_dns_type_name(enum sip_dns_type type)
{
    return type_names[type];
}

/* Type and name in lower case. */
static struct slice key_of(enum sip_dns_type type, const char *name, char key[SIP_DNS_NAME_OCTETS_MAX + 2])
{
    size_t n = strlen(name);
    key[0] = (char)type;
    text_lower(slice_of(name, n), key + 1);
    return slice_of(key, 1 + n);
}

static struct slice query_key(const uint64_t *query)
{
    return slice_of(query, sizeof *query);
}

static void known_free(struct sip_locator *l, struct known *k)
{
    char key[SIP_DNS_NAME_OCTETS_MAX + 2];
    map_remove(&l->by_name, key_of(k->type, k->name, key));
    if (k->query)
        map_remove(&l->by_query, query_key(&k->query));
    list_remove(&k->used);
    list_remove(&k->asking);
    mem_free(k->records);
    mem_free(k);
}

/* The answer that was used longest ago and that nobody waits for gives way. */
static bool make_room(struct sip_locator *l)
{
    if (l->by_name.n < l->config.names_max)
        return true;
    LIST_EACH(it, &l->known) {
        struct known *k = CONTAINER_OF(it, struct known, used);
        if (!k->query) {
            known_free(l, k);
            return true;
        }
    }
    return false;
}

static struct known *known_new(struct sip_locator *l, enum sip_dns_type type, const char *name, struct slice key)
{
    struct known *k = make_room(l) ? mem_alloc(sizeof *k) : NULL;
    if (!k)
        return NULL;
    k->type = type;
    strcpy(k->name, name); /* the key had room for it */
    list_init(&k->asking);
    list_init(&k->waiting);
    list_init(&k->used);
    if (map_set(&l->by_name, key, k) != 0) {
        mem_free(k);
        return NULL;
    }
    list_append(&l->known, &k->used);
    return k;
}

static int ask(struct sip_locator *l, struct known *k)
{
    uint64_t query = ++l->last_query;
    int err = map_set(&l->by_query, query_key(&query), k);
    if (err)
        return err;
    k->query = query;
    list_append(&l->asking, &k->asking);
    l->counters.queries++;
    return 0;
}

/* What was asked for this look-up is good for it, however short it lives. */
static bool is_fresh(const struct known *k, struct now now, const struct look_up *look_up)
{
    return k->answered && (!mono_due(k->expires, now.mono) || (!k->query && k->since.us >= look_up->since.us));
}

/* RFC 8767 */
static bool is_stale(const struct known *k, struct now now)
{
    return k->answered && !k->err && k->count && !mono_due(k->stale_until, now.mono);
}

const struct known *sip_known_get(struct sip_locator *l, struct now now, const struct look_up *look_up,
                                  enum sip_dns_type type, const char *name, struct known **ret_wait)
{
    char key[SIP_DNS_NAME_OCTETS_MAX + 2];
    *ret_wait = NULL;
    if (strlen(name) > SIP_DNS_NAME_OCTETS_MAX)
        return NULL;
    struct slice slice = key_of(type, name, key);
    struct known *k = map_get(&l->by_name, slice);
    if (!k)
        k = known_new(l, type, name, slice);
    if (!k) {
        l->counters.memory_refused++;
        return NULL;
    }
    list_remove(&k->used);
    list_append(&l->known, &k->used);
    if (is_fresh(k, now, look_up)) {
        l->counters.cached++;
        return k;
    }
    if (!k->query && ask(l, k) != 0)
        l->counters.memory_refused++;
    if (is_stale(k, now) && (k->failing || look_up->out_of_time)) {
        l->counters.stale++;
        return k;
    }
    *ret_wait = k->query ? k : NULL;
    return NULL;
}

static int64_t ttl_ms(uint32_t seconds, uint32_t max)
{
    return 1000 * (int64_t)(seconds < 1 ? 1 : seconds > max ? max : seconds);
}

/* 0, or the answer cannot be kept. */
static int take_over(struct sip_locator *l, struct now now, struct known *k, const struct sip_dns_answer *answer)
{
    size_t count = answer->count < SIP_DNS_RECORDS_MAX ? answer->count : SIP_DNS_RECORDS_MAX;
    struct sip_dns_record *records = mem_alloc((count ? count : 1) * sizeof *records);
    if (!records) {
        l->counters.memory_refused++;
        return ERR_NO_MEMORY;
    }
    if (count)
        memcpy(records, answer->records, count * sizeof *records);
    mem_free(k->records);
    k->records = records;
    k->count = count;
    k->err = answer->err;
    k->expires = mono_after_ms(now.mono, ttl_ms(answer->ttl_s, l->config.ttl_max_s));
    k->stale_until = mono_after_ms(k->expires, 1000 * (int64_t)l->config.stale_s);
    k->answered = true;
    k->failing = false;
    return 0;
}

/* The DNS does not answer: what it said before serves on, if there is something. */
static void keep_old(struct sip_locator *l, struct now now, struct known *k, int err)
{
    l->counters.failures++;
    k->failing = true;
    if (is_stale(k, now)) {
        l->counters.stale++;
    } else {
        k->count = 0;
        k->err = err;
        k->answered = true;
    }
    k->expires = mono_after_ms(now.mono, ttl_ms(l->config.failure_ttl_s, l->config.ttl_max_s));
}

void sip_locate_answer(struct sip_locator *l, struct now now, uint64_t query, const struct sip_dns_answer *answer)
{
    struct known *k = map_remove(&l->by_query, query_key(&query));
    if (!k)
        return;
    bool is_answer = answer->err == 0 || answer->err == ERR_NOT_FOUND;
    k->query = 0;
    k->since = now.mono;
    list_remove(&k->asking);
    if (!is_answer || take_over(l, now, k, answer) != 0)
        keep_old(l, now, k, answer->err ? answer->err : ERR_NO_MEMORY);
    struct list *state;
    while ((state = list_pop(&k->waiting)))
        list_append(&l->ready, state);
}

void sip_known_forget_all(struct sip_locator *l)
{
    LIST_EACH(it, &l->known) {
        struct known *k = CONTAINER_OF(it, struct known, used);
        if (!k->query)
            known_free(l, k);
        else
            k->answered = false;
    }
}

void sip_known_free_all(struct sip_locator *l)
{
    LIST_EACH(it, &l->known)
        known_free(l, CONTAINER_OF(it, struct known, used));
}
