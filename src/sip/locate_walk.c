/* The way from a target to its hops (RFC 3263 section 4). It is walked from the beginning whenever an answer has come, until nothing is
 * missing: what is known already costs a look into a table. */
#include "base/text.h"
#include "sip/locate_private.h"

#include <stdio.h>

#define QUESTIONS_MAX 48 /* of one walk: names that lead to ever more names end there */

struct walk {
    struct sip_locator *l;
    struct now now;
    const struct look_up *look_up;
    const struct sip_target *target;
    const struct sip_locate_side *can;
    struct seeded_entropy choices;
    struct entropy entropy;
    unsigned questions;
    struct known *wait;
    struct sip_hops *hops;
};

/* NULL: not known yet, or it will not be. */
static const struct known *ask(struct walk *w, enum sip_dns_type type, const char *name)
{
    struct known *wait;
    if (w->questions++ >= QUESTIONS_MAX)
        return NULL;
    const struct known *k = sip_known_get(w->l, w->now, w->look_up, type, name, &wait);
    struct mono again = mono_after_ms(w->now.mono, 1000 * (int64_t)w->l->config.failure_ttl_s);
    w->hops->expires = mono_min(w->hops->expires, k && !mono_due(k->expires, w->now.mono) ? k->expires : again);
    if (!k && wait && !w->wait && !w->look_up->out_of_time)
        w->wait = wait;
    return k;
}

static uint16_t default_port(enum sip_transport transport)
{
    return transport == SIP_TLS ? SIP_TLS_PORT : SIP_PORT;
}

/* ---- hops ---- */

static void add_hop(struct walk *w, enum sip_transport transport, const struct addr *addr, uint16_t port)
{
    struct sip_hops *hops = w->hops;
    for (size_t i = 0; i < hops->n; i++) {
        const struct sip_hop *h = &hops->hop[i];
        if (h->transport == transport && h->addr.port == port && h->addr.family == addr->family &&
            memcmp(h->addr.ip, addr->ip, sizeof addr->ip) == 0)
            return;
    }
    if (hops->n == SIP_HOPS_MAX)
        return;
    struct sip_hop *hop = &hops->hop[hops->n++];
    *hop = (struct sip_hop){.transport = transport, .side = w->target->side, .addr = *addr};
    hop->addr.port = port;
    hop->tcp_too = transport == SIP_UDP && !w->target->has_transport && w->can->transports[SIP_TCP];
    /* The certificate must be for the domain that was asked for, wherever the DNS led (RFC 5922 4). */
    if (transport == SIP_TLS)
        text_lower(slice_str(w->target->host), hop->host);
}

/* The addresses of a name: both families by turns, so that one that does not work costs no more than one attempt. Each begins anywhere, so
 * that the load is shared. */
static void add_name(struct walk *w, enum sip_transport transport, const char *name, uint16_t port)
{
    const struct known *six = w->can->ip6 ? ask(w, SIP_DNS_AAAA, name) : NULL;
    const struct known *four = w->can->ip4 ? ask(w, SIP_DNS_A, name) : NULL;
    size_t n6 = six ? six->count : 0, n4 = four ? four->count : 0;
    uint64_t first6 = entropy_below(&w->entropy, n6), first4 = entropy_below(&w->entropy, n4);
    for (size_t i = 0; i < n6 || i < n4; i++) {
        if (i < n6)
            add_hop(w, transport, &six->records[(first6 + i) % n6].addr, port);
        if (i < n4)
            add_hop(w, transport, &four->records[(first4 + i) % n4].addr, port);
    }
}

/* ---- SRV (RFC 2782) ---- */

/* The next of the records that are left, of the lowest priority, by weight. */
static size_t pick_server(struct walk *w, const struct sip_dns_record *records, const bool *taken, size_t n)
{
    uint32_t priority = UINT32_MAX, sum = 0;
    for (size_t i = 0; i < n; i++)
        if (!taken[i] && records[i].priority < priority)
            priority = records[i].priority;
    for (size_t i = 0; i < n; i++)
        if (!taken[i] && records[i].priority == priority)
            sum += records[i].weight;
    uint64_t mark = entropy_below(&w->entropy, (uint64_t)sum + 1);
    size_t last = 0;
    /* Those of weight 0 come first: they are picked only by a mark of 0. */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            if (taken[i] || records[i].priority != priority || (records[i].weight == 0) != (pass == 0))
                continue;
            last = i;
            if (mark <= records[i].weight)
                return i;
            mark -= records[i].weight;
        }
    }
    return last;
}

/* True if there are such records, also one that says that there is no such service. */
static bool add_servers(struct walk *w, enum sip_transport transport, const char *name)
{
    bool taken[SIP_DNS_RECORDS_MAX] = {false};
    const struct known *k = ask(w, SIP_DNS_SRV, name);
    if (!k || k->err || !k->count)
        return false;
    for (size_t i = 0; i < k->count; i++) {
        size_t picked = pick_server(w, k->records, taken, k->count);
        const struct sip_dns_record *r = &k->records[picked];
        taken[picked] = true;
        if (r->name[0] && r->port)
            add_name(w, transport, r->name, r->port);
    }
    return true;
}

static bool add_service(struct walk *w, enum sip_transport transport, const char *host)
{
    static const char *const prefixes[] = {[SIP_UDP] = "_sip._udp", [SIP_TCP] = "_sip._tcp", [SIP_TLS] = "_sips._tcp"};
    char name[SIP_HOST_OCTETS_MAX + 16];
    snprintf(name, sizeof name, "%s.%s", prefixes[transport], host);
    return add_servers(w, transport, name);
}

/* ---- NAPTR (RFC 3263 4.1, RFC 3403) ---- */

static bool usable(const struct walk *w, enum sip_transport transport)
{
    return w->can->transports[transport] && (!w->target->secure || transport == SIP_TLS);
}

/* The transport that a record stands for, if we can use it. */
static bool record_transport(const struct walk *w, const struct sip_dns_record *r, enum sip_transport *ret_transport)
{
    static const char *const services[] = {[SIP_UDP] = "SIP+D2U", [SIP_TCP] = "SIP+D2T", [SIP_TLS] = "SIPS+D2T"};
    if (r->flags != 's' && r->flags != 'a')
        return false;
    for (enum sip_transport t = SIP_UDP; t <= SIP_TLS; t++) {
        if (usable(w, t) && r->name[0] && text_equal_nocase(slice_str(r->service), slice_str(services[t]))) {
            *ret_transport = t;
            return true;
        }
    }
    return false;
}

static bool comes_before(const struct sip_dns_record *a, const struct sip_dns_record *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->weight < b->weight;
}

/* In their order and preference. True if there is one that we can use. */
static bool add_pointers(struct walk *w, const struct known *k)
{
    const struct sip_dns_record *sorted[SIP_DNS_RECORDS_MAX];
    enum sip_transport transport;
    size_t n = 0;
    for (size_t i = 0; i < k->count; i++) {
        if (!record_transport(w, &k->records[i], &transport))
            continue;
        size_t at = n++;
        for (; at && comes_before(&k->records[i], sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &k->records[i];
    }
    for (size_t i = 0; i < n; i++) {
        (void)record_transport(w, sorted[i], &transport);
        if (sorted[i]->flags == 's')
            add_servers(w, transport, sorted[i]->name);
        else
            add_name(w, transport, sorted[i]->name, default_port(transport));
    }
    return n > 0;
}

/* ---- the whole ---- */

static bool parse_ip(const char *host, struct addr *ret_addr)
{
    char text[SIP_HOST_OCTETS_MAX + 3];
    bool bare6 = strchr(host, ':') && host[0] != '[';
    snprintf(text, sizeof text, "%s%s%s", bare6 ? "[" : "", host, bare6 ? "]" : "");
    struct slice s = slice_str(text);
    if (s.n && text[0] == '[' && text[s.n - 1] != ']')
        return false;
    return addr_parse(s, 1, ret_addr) == 0;
}

/* 4.1: what is taken when nothing says anything else; false if there is none. */
static bool default_transport(const struct walk *w, enum sip_transport *ret_transport)
{
    for (enum sip_transport t = SIP_UDP; t <= SIP_TLS; t++) {
        if (usable(w, t)) {
            *ret_transport = t;
            return true;
        }
    }
    return false;
}

/* A name without port, and nobody has said which transport. */
static void by_services(struct walk *w, const char *name, enum sip_transport fallback)
{
    const struct known *k = ask(w, SIP_DNS_NAPTR, name);
    if (w->wait)
        return;
    if (k && add_pointers(w, k))
        return;
    bool any = false;
    for (enum sip_transport t = SIP_UDP; t <= SIP_TLS; t++)
        if (usable(w, t) && add_service(w, t, name))
            any = true;
    if (!any && !w->wait)
        add_name(w, fallback, name, default_port(fallback));
}

static void run(struct walk *w)
{
    const struct sip_target *t = w->target;
    const char *host = t->maddr[0] ? t->maddr : t->host;
    char name[SIP_HOST_OCTETS_MAX + 1];
    struct addr addr;
    enum sip_transport transport = t->transport;
    if (t->has_transport && t->secure && transport == SIP_TCP)
        transport = SIP_TLS;
    if (t->has_transport ? !usable(w, transport) : !default_transport(w, &transport))
        return;
    uint16_t port = t->port ? t->port : default_port(transport);
    if (parse_ip(host, &addr)) {
        add_hop(w, transport, &addr, port);
        return;
    }
    snprintf(name, sizeof name, "%s", host);
    size_t n = strlen(name);
    if (n && name[n - 1] == '.')
        name[n - 1] = 0;
    if (t->port)
        add_name(w, transport, name, port);
    else if (!t->has_transport)
        by_services(w, name, transport);
    else if (!add_service(w, transport, name) && !w->wait)
        add_name(w, transport, name, port);
}

/* Addresses that failed a while ago come last. */
static void put_penalized_last(struct walk *w)
{
    struct sip_hop late[SIP_HOPS_MAX];
    size_t n = 0, late_count = 0;
    for (size_t i = 0; i < w->hops->n; i++) {
        if (sip_locate_is_penalized(w->l, w->now, &w->hops->hop[i]))
            late[late_count++] = w->hops->hop[i];
        else
            w->hops->hop[n++] = w->hops->hop[i];
    }
    for (size_t i = 0; i < late_count; i++)
        w->hops->hop[n++] = late[i];
}

struct known *sip_walk(struct sip_locator *l, struct now now, const struct look_up *look_up, struct sip_hops *ret_hops)
{
    struct walk w = {
        .l = l,
        .now = now,
        .look_up = look_up,
        .target = &look_up->target,
        .can = &l->sides[look_up->target.side],
        .choices = {look_up->seed},
        .hops = ret_hops,
    };
    w.entropy = seeded_entropy_port(&w.choices);
    ret_hops->n = 0;
    ret_hops->expires = MONO_NEVER;
    run(&w);
    if (!w.wait)
        put_penalized_last(&w);
    return w.wait;
}
