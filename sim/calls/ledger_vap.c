/* What goes between an agent and its IME server: the routes that the agent acknowledges, the records that it sends. Read from the octets. */
#include "calls/ledger_private.h"

#include "alloc.h"
#include "base/mem.h"
#include "ticket/valinfo.h"

void sim_ledger_vap_init(struct sim_ledger *l)
{
    l->watches = sim_alloc(l->day->companies * sizeof *l->watches);
    for (uint32_t i = 0; i < l->day->companies; i++)
        for (unsigned k = 0; k < 2; k++)
            vap_framer_init(&l->watches[i].framers[k], VAP_MESSAGE_OCTETS_MAX);
    l->record_capacity = 2 * l->day->script_count + 1;
    l->records = sim_alloc(l->record_capacity * sizeof *l->records);
    map_init(&l->record_index, SIZE_MAX, l->day->world->options->seed);
}

void sim_ledger_vap_fini(struct sim_ledger *l)
{
    for (uint32_t i = 0; i < l->day->companies; i++)
        for (unsigned k = 0; k < 2; k++)
            vap_framer_fini(&l->watches[i].framers[k]);
    mem_free(l->watches);
    mem_free(l->records);
    map_fini(&l->record_index);
}

/* A new connection: what the old one left unanswered stays so. */
void sim_ledger_vap_begins(struct sim_ledger *l, uint32_t company, unsigned server)
{
    struct sim_vap_watch *w = &l->watches[company];
    (void)server;
    for (unsigned k = 0; k < 2; k++) {
        vap_framer_fini(&w->framers[k]);
        vap_framer_init(&w->framers[k], VAP_MESSAGE_OCTETS_MAX);
    }
    memset(w->pending, 0, sizeof w->pending);
}

/* ---- requests ---- */

static struct sim_pending *pending_new(struct sim_vap_watch *w, const struct vap_message *m)
{
    struct sim_pending *p = &w->pending[w->next++ % SIM_PENDING_MAX];
    *p = (struct sim_pending){.used = true, .transaction = m->transaction, .method = m->method};
    return p;
}

static uint32_t record_of(struct sim_ledger *l, uint32_t company, const struct vap_vcr *vcr)
{
    struct {
        uint32_t company, direction;
        uint64_t start, stop;
        struct e164 calling, called;
    } key;
    memset(&key, 0, sizeof key);
    key.company = company;
    key.direction = vcr->direction;
    key.start = vcr->start_ntp;
    key.stop = vcr->stop_ntp;
    memcpy(key.calling.text, vcr->calling.text, strlen(vcr->calling.text));
    memcpy(key.called.text, vcr->called.text, strlen(vcr->called.text));
    const struct slice octets = slice_of(&key, sizeof key);
    const uintptr_t known = (uintptr_t)map_get(&l->record_index, octets);
    if (known)
        return (uint32_t)known - 1;
    if (l->record_count == l->record_capacity) {
        l->record_capacity *= 2;
        l->records = sim_resize(l->records, l->record_capacity * sizeof *l->records);
    }
    l->records[l->record_count] = (struct sim_record_entry){.vcr = *vcr, .company = company};
    l->day->result->vcrs++;
    if (map_set(&l->record_index, octets, (void *)(uintptr_t)(l->record_count + 1)) != 0)
        sim_die("no memory for records");
    return l->record_count++;
}

static void uploads(struct sim_ledger *l, uint32_t company, const struct vap_message *m)
{
    const struct vap_vcr vcr = {.direction = m->direction,
                                .calling = m->calling,
                                .called = m->called,
                                .start_ntp = m->start_ntp,
                                .stop_ntp = m->stop_ntp};
    struct sim_pending *p = pending_new(&l->watches[company], m);
    p->record = record_of(l, company, &vcr);
    l->day->result->vcrs_again += l->records[p->record].sent++ > 0;
}

static void notifies(struct sim_ledger *l, uint32_t company, const struct vap_message *m)
{
    struct valinfo info;
    struct region region;
    region_init(&region, 4 * VALINFO_OCTETS_MAX);
    if (valinfo_parse(m->content, &region, &info, NULL) == 0)
        pending_new(&l->watches[company], m)->number = info.number;
    region_fini(&region);
}

/* ---- answers ---- */

static void succeeds(struct sim_ledger *l, uint32_t company, const struct vap_message *m, bool from_agent)
{
    struct sim_vap_watch *w = &l->watches[company];
    for (unsigned i = 0; i < SIM_PENDING_MAX; i++) {
        struct sim_pending *p = &w->pending[i];
        if (!p->used || memcmp(&p->transaction, &m->transaction, sizeof p->transaction) != 0 ||
            from_agent != (p->method == VAP_NOTIFY))
            continue;
        p->used = false;
        if (p->method == VAP_UPLOAD_VCR) {
            l->records[p->record].acknowledged = true;
            return;
        }
        int64_t *route = sim_ledger_route(l, company, &p->number);
        if (!route)
            sim_world_violation(l->day->world, "routes stay", "company %u learned a route to %s, which is nobody's",
                                company, p->number.text);
        else if (!*route) {
            *route = l->day->world->now_us;
            l->day->result->routes_learned++;
        }
        return;
    }
}

static void see(struct sim_ledger *l, uint32_t company, bool from_agent, struct slice octets)
{
    struct vap_message m;
    struct fault fault;
    if (vap_decode(octets, &m, &fault) != 0)
        return;
    if (m.kind == VAP_SUCCESS)
        succeeds(l, company, &m, from_agent);
    else if (m.kind == VAP_REQUEST && m.method == VAP_UPLOAD_VCR && from_agent)
        uploads(l, company, &m);
    else if (m.kind == VAP_REQUEST && m.method == VAP_NOTIFY && !from_agent)
        notifies(l, company, &m);
}

void sim_ledger_vap(struct sim_ledger *l, uint32_t company, unsigned server, bool from_agent, struct slice octets)
{
    struct vap_framer *f = &l->watches[company].framers[from_agent];
    struct slice message;
    (void)server;
    while (vap_framer_next(f, &octets, &message) == 1)
        see(l, company, from_agent, message);
}
