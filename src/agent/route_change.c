/* Changes of the table: each is written, and applied when it is durable. They are applied in the order in which they were written, which is
 * the order of the store's completions. */
#include "agent/route_private.h"
#include "base/mem.h"
#include "base/region.h"
#include "base/text.h"

enum change_kind { CHANGE_PUT, CHANGE_REMOVE, CHANGE_ENABLE, CHANGE_DISABLE };

/* What one change does to one route. */
struct change_item {
    enum change_kind kind;
    enum agent_route_end end; /* CHANGE_REMOVE */
    struct agent_slot slot;   /* CHANGE_PUT: loose; its text is ours until it is applied */
    uint8_t *blob;            /* owned */
    size_t blob_octets;
};

struct change {
    struct list link;
    struct agent_routes *table;
    agent_route_done_fn *done;
    void *arg;
    uint64_t key;
    bool put_only; /* nothing but one new or renewed route */
    size_t n;
    struct change_item items[AGENT_ROUTES_PER_NUMBER_MAX + 1];
};

static void change_free(struct change *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct change_item *item = &c->items[i];
        if (item->kind == CHANGE_PUT && item->slot.flags & ROUTE_TICKET_TEXT)
            mem_free(item->slot.text);
        mem_free(item->blob);
    }
    mem_free(c);
}

void agent_routes_free_changes(struct agent_routes *t)
{
    struct list *first;
    while ((first = list_pop(&t->changes))) {
        struct change *c = CONTAINER_OF(first, struct change, link);
        if (c->done)
            c->done(c->arg, ERR_CLOSED);
        change_free(c);
    }
}

static struct change *change_new(struct agent_routes *t, uint64_t key, agent_route_done_fn *done, void *arg)
{
    struct change *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->table = t;
    c->key = key;
    c->done = done;
    c->arg = arg;
    return c;
}

/* An item with its own copy of the blob; NULL without memory. */
static struct change_item *change_add(struct change *c, enum change_kind kind, struct slice blob)
{
    struct change_item *item = &c->items[c->n];
    item->blob = mem_alloc(blob.n);
    if (!item->blob)
        return NULL;
    memcpy(item->blob, blob.p, blob.n);
    item->blob_octets = blob.n;
    item->kind = kind;
    c->n++;
    return item;
}

/* Two changes of a number, of which one is more than a new route, are not written at a time: the later one could not see what the first
 * will have changed. */
static bool has_conflict(const struct agent_routes *t, uint64_t key, bool put_only)
{
    if (put_only && !t->other_count)
        return false;
    LIST_EACH(it, &t->changes) {
        const struct change *c = CONTAINER_OF(it, struct change, link);
        if (c->key == key && !(put_only && c->put_only))
            return true;
    }
    return false;
}

/* ---- when it is durable ---- */

static void tell_removed(struct agent_routes *t, uint32_t n, enum agent_route_end end)
{
    const struct agent_slot *slot = agent_slot_at(t, n);
    struct agent_route route;
    uint64_t *const counters[] = {&t->counters.expired, &t->counters.gone, &t->counters.deleted, &t->counters.replaced};
    (*counters[end])++;
    if (t->watch.removed &&
        agent_route_fill(t, slot, agent_origin_uri(agent_origin_blob(t, slot->origin), 0), false, &route))
        t->watch.removed(t->watch.ctx, t->now, &route, end);
}

static int apply_put(struct agent_routes *t, struct change_item *item)
{
    bool renewed = agent_routes_slot(t, item->slot.key, item->blob) != 0;
    int err = agent_routes_apply(t, &item->slot, slice_of(item->blob, item->blob_octets));
    item->slot.flags = 0; /* its text is the table's now */
    if (!err)
        *(renewed ? &t->counters.renewed : &t->counters.learned) += 1;
    return err;
}

static int apply_item(struct agent_routes *t, uint64_t key, struct change_item *item)
{
    if (item->kind == CHANGE_PUT)
        return apply_put(t, item);
    uint32_t n = agent_routes_slot(t, key, item->blob);
    if (!n)
        return 0;
    struct agent_slot *slot = agent_slot_at(t, n);
    switch (item->kind) {
    case CHANGE_ENABLE:
        slot->flags &= (uint8_t)~ROUTE_DISABLED;
        break;
    case CHANGE_DISABLE:
        slot->flags |= ROUTE_DISABLED;
        break;
    default:
        tell_removed(t, n, item->end);
        agent_routes_drop(t, n);
        break;
    }
    return 0;
}

static void change_done(void *arg, int err)
{
    struct change *c = arg;
    struct agent_routes *t = c->table;
    list_remove(&c->link);
    t->change_count--;
    t->put_count -= c->put_only;
    t->other_count -= !c->put_only;
    t->counters.not_stored += err != 0;
    for (size_t i = 0; i < c->n && !err; i++)
        err = apply_item(t, c->key, &c->items[i]);
    if (c->done)
        c->done(c->arg, err);
    change_free(c);
}

/* ---- writing ---- */

static int write_row(struct agent_routes *t, const struct agent_slot *slot, struct slice blob)
{
    uint8_t key[AGENT_ROUTE_KEY_OCTETS_MAX];
    struct buf row;
    buf_init(&row, AGENT_ORIGIN_OCTETS_MAX + AGENT_ROUTE_TICKET_OCTETS_MAX + TICKET_OCTETS_MAX);
    agent_route_row_encode(slot, blob, &row);
    int err = row.err;
    if (!err)
        err = kv_put(t->kv, KV_AGENT_ROUTE, agent_route_row_key(slot->key, blob.p, key), buf_slice(&row));
    buf_fini(&row);
    return err;
}

static int write_item(struct agent_routes *t, uint64_t key, const struct change_item *item)
{
    uint8_t octets[AGENT_ROUTE_KEY_OCTETS_MAX];
    struct slice blob = slice_of(item->blob, item->blob_octets);
    if (item->kind == CHANGE_PUT)
        return write_row(t, &item->slot, blob);
    if (item->kind == CHANGE_REMOVE)
        return kv_remove(t->kv, KV_AGENT_ROUTE, agent_route_row_key(key, blob.p, octets));
    struct agent_slot slot = *agent_slot_at(t, agent_routes_slot(t, key, blob.p));
    slot.flags = (uint8_t)((slot.flags & ~ROUTE_DISABLED) | (item->kind == CHANGE_DISABLE ? ROUTE_DISABLED : 0));
    return write_row(t, &slot, blob);
}

/* Takes the change over, also when it fails. */
static int change_write(struct agent_routes *t, struct change *c)
{
    int err = 0;
    for (size_t i = 0; i < c->n && !err; i++)
        err = write_item(t, c->key, &c->items[i]);
    if (err) {
        t->counters.not_stored++;
        change_free(c);
        return err;
    }
    c->put_only = c->n == 1 && c->items[0].kind == CHANGE_PUT;
    t->change_count++;
    t->put_count += c->put_only;
    t->other_count += !c->put_only;
    list_append(&t->changes, &c->link);
    kv_commit(t->kv, change_done, c);
    return 0;
}

static int check_room(struct agent_routes *t)
{
    if (t->change_count < AGENT_ROUTE_CHANGES_MAX)
        return 0;
    t->counters.limit_changes++;
    return ERR_LIMIT;
}

int agent_routes_remove(struct agent_routes *t, const uint32_t *slots, size_t n, enum agent_route_end end,
                        agent_route_done_fn *done, void *arg)
{
    uint64_t key = agent_slot_at(t, slots[0])->key;
    if (has_conflict(t, key, false))
        return ERR_CONFLICT;
    int err = check_room(t);
    struct change *c = err ? NULL : change_new(t, key, done, arg);
    if (!c)
        return err ? err : ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        struct change_item *item =
            change_add(c, CHANGE_REMOVE, agent_origin_blob(t, agent_slot_at(t, slots[i])->origin));
        if (!item) {
            change_free(c);
            return ERR_NO_MEMORY;
        }
        item->end = end;
    }
    return change_write(t, c);
}

/* ---- learning ---- */

/* What a document says, in the parts of a row. */
struct lesson {
    struct agent_slot slot;
    struct buf blob;
    bool is_ticket; /* of the form that we can read */
    struct ticket ticket;
    struct slice text; /* otherwise */
};

static int read_lesson_ticket(struct lesson *l, const struct valinfo *v, struct now now,
                              const struct agent_route_terms *terms, const char **ret_reason)
{
    struct fault fault;
    l->is_ticket = ticket_parse(v->ticket, &l->ticket, &fault) == 0;
    if (!l->is_ticket) {
        l->text = v->ticket;
        *ret_reason = "the ticket is too long or not printable";
        return v->ticket.n <= AGENT_ROUTE_TICKET_OCTETS_MAX && text_is_printable(v->ticket) ? 0 : ERR_RANGE;
    }
    *ret_reason = "the ticket is for another number";
    if (!slice_eq(e164_slice(&l->ticket.number), e164_slice(&v->number)))
        return ERR_FORBIDDEN;
    *ret_reason = "the ticket is granted to another domain";
    if (terms->granted_to.n && !text_equal_nocase(slice_str(l->ticket.granted_to), terms->granted_to))
        return ERR_FORBIDDEN;
    *ret_reason = "the ticket has expired";
    return l->ticket.not_after.ms > now.wall.ms ? 0 : ERR_EXPIRED;
}

/* The URIs that can be used; those that cannot are left out. The first one names the domain if the ticket does not. */
static int read_lesson_origin(struct lesson *l, const struct valinfo *v, const char **ret_reason)
{
    static const struct id no_node;
    bool any = false;
    for (size_t i = 0; i < v->route_count; i++) {
        struct route_uri uri;
        char domain[TICKET_DOMAIN_OCTETS_MAX + 1];
        if (v->routes[i].n > VALINFO_URI_OCTETS_MAX || route_uri_parse(v->routes[i], &uri, NULL) < 0 ||
            uri.domain.n > TICKET_DOMAIN_OCTETS_MAX)
            continue;
        if (!any) {
            buf_slice_put(&l->blob, l->is_ticket ? id_slice(&l->ticket.granting_node) : id_slice(&no_node));
            buf_str(&l->blob, l->is_ticket ? l->ticket.granting_domain : text_lower(uri.domain, domain));
            buf_u8(&l->blob, 0);
            buf_str(&l->blob, l->is_ticket ? l->ticket.granted_to : "");
            buf_u8(&l->blob, 0);
        }
        any = true;
        buf_slice_put(&l->blob, v->routes[i]);
        buf_u8(&l->blob, 0);
    }
    *ret_reason = "none of its routes is a usable SIP URI";
    return any ? l->blob.err : ERR_SYNTAX;
}

static int check_trust(const struct lesson *l, const struct valinfo *v, const struct agent_route_terms *terms,
                       const char **ret_reason)
{
    const char *domain = agent_origin_domain(buf_slice(&l->blob).p);
    if (!terms->trust)
        return 0;
    switch (agent_trust_check(terms->trust, slice_str(domain), &v->number)) {
    case AGENT_CAUSE_DOMAIN_BLOCKED:
        *ret_reason = "the trust groups block its domain";
        return ERR_FORBIDDEN;
    case AGENT_CAUSE_PREFIX_BLOCKED:
        *ret_reason = "the trust groups block the number";
        return ERR_FORBIDDEN;
    default:
        return 0;
    }
}

static int read_lesson(struct agent_routes *t, struct now now, const struct valinfo *v,
                       const struct agent_route_terms *terms, struct lesson *l, const char **ret_reason)
{
    int err = read_lesson_ticket(l, v, now, terms, ret_reason);
    if (!err)
        err = read_lesson_origin(l, v, ret_reason);
    if (!err)
        err = check_trust(l, v, terms, ret_reason);
    if (err)
        return err;
    struct wall end = wall_after_ms(now.wall, t->config.lifetime_ms);
    if (l->is_ticket && l->ticket.not_after.ms < end.ms)
        end = l->ticket.not_after;
    l->slot = (struct agent_slot){
        .key = agent_number_key(e164_slice(&v->number)),
        .learned_s = agent_route_seconds(now.wall),
        .expires_s = agent_route_seconds(end),
    };
    return 0;
}

/* The slot as a change's own. */
static int lesson_take(const struct lesson *l, struct agent_slot *ret_slot)
{
    struct agent_slot slot = l->slot;
    if (l->is_ticket) {
        agent_slot_set_ticket(&slot, &l->ticket);
    } else {
        slot.text = mem_alloc(l->text.n + 1);
        if (!slot.text)
            return ERR_NO_MEMORY;
        memcpy(slot.text, l->text.p, l->text.n);
        slot.flags |= ROUTE_TICKET_TEXT;
    }
    *ret_slot = slot;
    return 0;
}

/* The route of the number that was learned first, if there are as many as may be; 0: none has to go. */
static uint32_t one_too_many(const struct agent_routes *t, uint64_t key)
{
    const uint32_t *first = agent_index_get(&t->index, key);
    size_t count = 0;
    uint32_t oldest = 0;
    for (uint32_t n = first ? *first : 0; n; n = agent_slot_at(t, n)->next) {
        if (!oldest || agent_slot_at(t, n)->learned_s < agent_slot_at(t, oldest)->learned_s)
            oldest = n;
        count++;
    }
    return count >= AGENT_ROUTES_PER_NUMBER_MAX ? oldest : 0;
}

static int write_lesson(struct agent_routes *t, const struct lesson *l, agent_route_done_fn *done, void *arg)
{
    struct slice blob = buf_slice(&l->blob);
    uint64_t key = l->slot.key;
    uint32_t known = agent_routes_slot(t, key, blob.p);
    uint32_t victim = known ? 0 : one_too_many(t, key);
    if (!known && !victim && t->count + t->put_count >= t->config.routes_max) {
        t->counters.limit_routes++;
        return ERR_LIMIT;
    }
    if (has_conflict(t, key, !victim))
        return ERR_CONFLICT;
    int err = check_room(t);
    struct change *c = err ? NULL : change_new(t, key, done, arg);
    if (!c)
        return err ? err : ERR_NO_MEMORY;
    struct change_item *removed =
        victim ? change_add(c, CHANGE_REMOVE, agent_origin_blob(t, agent_slot_at(t, victim)->origin)) : NULL;
    struct change_item *put = change_add(c, CHANGE_PUT, blob);
    if (!put || (victim && !removed) || lesson_take(l, &put->slot) < 0) {
        change_free(c);
        return ERR_NO_MEMORY;
    }
    if (removed)
        removed->end = AGENT_ROUTE_REPLACED;
    if (known) /* what an operator has disabled stays disabled */
        put->slot.flags |= agent_slot_at(t, known)->flags & ROUTE_DISABLED;
    return change_write(t, c);
}

int agent_routes_learn(struct agent_routes *t, struct now now, struct slice valinfo,
                       const struct agent_route_terms *terms, agent_route_done_fn *done, void *arg,
                       const char **ret_reason, struct e164 *ret_number)
{
    struct region region;
    struct valinfo v = {.route_count = 0};
    struct fault fault;
    struct lesson l = {.is_ticket = false};
    t->now = now;
    region_init(&region, 2 * VALINFO_OCTETS_MAX);
    buf_init(&l.blob, AGENT_ORIGIN_OCTETS_MAX);
    *ret_reason = "the document is no ValInfo";
    int err = valinfo_parse(valinfo, &region, &v, &fault);
    *ret_number = v.number;
    if (!err)
        err = read_lesson(t, now, &v, terms, &l, ret_reason);
    if (err == ERR_SYNTAX || err == ERR_RANGE || err == ERR_EXPIRED || err == ERR_FORBIDDEN)
        t->counters.rejected++;
    if (!err) {
        err = write_lesson(t, &l, done, arg);
        *ret_reason = err_text(err);
    }
    buf_fini(&l.blob);
    region_fini(&region);
    return err;
}

/* ---- what an operator does ---- */

/* The slots of a number, or of a domain of it. */
static size_t slots_of(const struct agent_routes *t, uint64_t key, struct slice domain, uint32_t *ret_slots)
{
    const uint32_t *first = agent_index_get(&t->index, key);
    size_t count = 0;
    for (uint32_t n = first ? *first : 0; n && count < AGENT_ROUTES_PER_NUMBER_MAX; n = agent_slot_at(t, n)->next) {
        const char *name = agent_origin_domain(t->origins[agent_slot_at(t, n)->origin]->blob);
        if (!domain.n || text_equal_nocase(slice_str(name), domain))
            ret_slots[count++] = n;
    }
    return count;
}

int agent_routes_set_enabled(struct agent_routes *t, struct now now, const struct e164 *number, struct slice domain,
                             bool enabled, agent_route_done_fn *done, void *arg)
{
    uint32_t slots[AGENT_ROUTES_PER_NUMBER_MAX];
    uint64_t key = agent_number_key(e164_slice(number));
    size_t n = slots_of(t, key, domain, slots);
    t->now = now;
    if (!n)
        return ERR_NOT_FOUND;
    if (has_conflict(t, key, false))
        return ERR_CONFLICT;
    int err = check_room(t);
    struct change *c = err ? NULL : change_new(t, key, done, arg);
    if (!c)
        return err ? err : ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        if (!change_add(c, enabled ? CHANGE_ENABLE : CHANGE_DISABLE,
                        agent_origin_blob(t, agent_slot_at(t, slots[i])->origin))) {
            change_free(c);
            return ERR_NO_MEMORY;
        }
    }
    return change_write(t, c);
}

int agent_routes_delete(struct agent_routes *t, struct now now, const struct e164 *number, struct slice domain,
                        agent_route_done_fn *done, void *arg)
{
    uint32_t slots[AGENT_ROUTES_PER_NUMBER_MAX];
    size_t n = slots_of(t, agent_number_key(e164_slice(number)), domain, slots);
    t->now = now;
    return n ? agent_routes_remove(t, slots, n, AGENT_ROUTE_DELETED, done, arg) : ERR_NOT_FOUND;
}
