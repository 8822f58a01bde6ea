/* The bindings of PBXs that register here, in memory and in the store: one row per PBX, under its name, with all of its Contacts, so that a REGISTER
 * is carried out as a whole or not at all.
 *
 * A row is not touched when a binding ends: it says itself when each does, and what has ended is not loaded. The time in it is of the wall. Connections
 * end with the program: a binding that was reached over one is loaded with the address in its Contact, which is connected to. */
#include "agent/internal.h"

#include "base/reader.h"

#define ROW_VERSION 1
#define ROW_OCTETS_MAX (64 * 1024)
#define GONE_OCTETS_MAX (64 * 1024) /* names of rows that are removed at one start; the rest goes at the next */

/* ---- in memory ---- */

struct binding *binding_new(struct slice uri, struct slice call_id)
{
    struct binding *b = mem_alloc(sizeof *b + uri.n + 1 + call_id.n + 1);
    if (!b)
        return NULL;
    list_init(&b->link);
    b->uri = b->texts;
    b->call_id = b->texts + uri.n + 1;
    memcpy(b->texts, uri.p, uri.n);
    if (call_id.n)
        memcpy(b->texts + uri.n + 1, call_id.p, call_id.n);
    return b;
}

void binding_free(struct binding *b)
{
    if (b)
        list_remove(&b->link);
    mem_free(b);
}

void bindings_free(struct list *bindings)
{
    LIST_EACH(it, bindings)
        binding_free(CONTAINER_OF(it, struct binding, link));
}

int bindings_copy(const struct list *bindings, struct list *to)
{
    LIST_EACH(it, bindings) {
        const struct binding *b = CONTAINER_OF(it, struct binding, link);
        struct binding *copy = binding_new(slice_str(b->uri), slice_str(b->call_id));
        if (!copy)
            return ERR_NO_MEMORY;
        copy->cseq = b->cseq;
        copy->q = b->q;
        copy->end = b->end;
        copy->hop = b->hop;
        copy->source = b->source;
        copy->has_translator = b->has_translator;
        list_append(to, &copy->link);
    }
    return 0;
}

void bindings_drop_ended(const struct trunk *t, struct list *bindings)
{
    LIST_EACH(it, bindings) {
        struct binding *b = CONTAINER_OF(it, struct binding, link);
        if (mono_due(b->end, t->agent->now.mono))
            binding_free(b);
    }
}

/* ---- rows ---- */

static void put_addr(struct buf *row, const struct addr *addr)
{
    buf_u8(row, addr->family);
    buf_put(row, addr->ip, sizeof addr->ip);
    buf_u16(row, addr->port);
}

static struct addr read_addr(struct reader *r)
{
    struct addr addr = {.family = read_u8(r, "family")};
    read_copy(r, addr.ip, sizeof addr.ip, "address");
    addr.port = read_u16(r, "port");
    if (addr.family != 4 && addr.family != 6)
        reader_fail(r, ERR_RANGE, "family");
    return addr;
}

static void encode(const struct trunk *t, const struct list *bindings, struct buf *row)
{
    const struct now now = t->agent->now;
    buf_u8(row, ROW_VERSION);
    buf_opaque(row, 2, slice_str(t->options->user));
    LIST_EACH(it, bindings) {
        const struct binding *b = CONTAINER_OF(it, struct binding, link);
        buf_opaque(row, 2, slice_str(b->uri));
        buf_opaque(row, 2, slice_str(b->call_id));
        buf_u32(row, b->cseq);
        buf_u16(row, (uint16_t)b->q);
        buf_u64(row, (uint64_t)(now.wall.ms + mono_since_us(b->end, now.mono) / 1000));
        buf_u8(row, (uint8_t)b->hop.transport);
        put_addr(row, &b->hop.addr);
        put_addr(row, &b->source);
        buf_u8(row, b->has_translator);
    }
}

/* Never longer than a REGISTER can ask for, should the clock of the wall have gone back. */
static struct mono end_of(const struct agent *a, struct wall end)
{
    int64_t ms = end.ms <= a->now.wall.ms ? 0 : end.ms - a->now.wall.ms;
    return mono_after_ms(a->now.mono, ms < a->options->register_max_ms ? ms : a->options->register_max_ms);
}

static int decode_binding(const struct trunk *t, struct reader *r, struct list *bindings)
{
    struct sip_uri parsed;
    struct slice uri = read_opaque(r, 2, "Contact");
    struct slice call_id = read_opaque(r, 2, "Call-ID");
    if (r->err || !uri.n || uri.n > URI_OCTETS_MAX || sip_uri_parse(uri, &parsed, NULL) < 0)
        return reader_fail(r, ERR_RANGE, "Contact");
    struct binding *b = binding_new(uri, call_id);
    if (!b)
        return ERR_NO_MEMORY;
    list_append(bindings, &b->link);
    b->cseq = read_u32(r, "CSeq");
    b->q = read_u16(r, "q");
    b->end = end_of(t->agent, (struct wall){(int64_t)read_u64(r, "end")});
    const uint8_t transport = read_u8(r, "transport");
    b->hop = (struct sip_hop){.transport = (enum sip_transport)transport, .side = AGENT_PBX, .addr = read_addr(r)};
    b->source = read_addr(r);
    b->has_translator = read_u8(r, "translator");
    if (transport > SIP_TLS || b->q > BINDING_Q_MAX)
        reader_fail(r, ERR_RANGE, "binding");
    return r->err;
}

/* ERR_NOT_FOUND: of another user than the PBX registers as now. */
static int decode(const struct trunk *t, struct slice row, struct list *bindings)
{
    struct reader r;
    size_t n = 0;
    int err = 0;
    reader_init(&r, row);
    if (read_u8(&r, "version") != ROW_VERSION)
        return ERR_UNSUPPORTED;
    struct slice user = read_opaque(&r, 2, "user");
    if (!r.err && !slice_eq_str(user, t->options->user))
        return ERR_NOT_FOUND;
    while (!err && reader_left(&r)) {
        if (n++ == TRUNK_HOPS_MAX)
            return ERR_RANGE;
        err = decode_binding(t, &r, bindings);
    }
    if (!n)
        reader_fail(&r, ERR_RANGE, "number of bindings");
    return err ? err : reader_end(&r, "end of bindings");
}

/* ---- the store ---- */

int bindings_put(const struct trunk *t, const struct list *bindings)
{
    const struct kv *kv = t->agent->ports.kv;
    struct buf row;
    if (list_empty(bindings))
        return kv_remove(kv, KV_AGENT_BINDING, slice_str(t->options->name));
    buf_init(&row, ROW_OCTETS_MAX);
    encode(t, bindings, &row);
    int err = row.err ? row.err : kv_put(kv, KV_AGENT_BINDING, slice_str(t->options->name), buf_slice(&row));
    buf_fini(&row);
    return err;
}

struct loading {
    struct agent *a;
    struct buf gone; /* names */
};

static struct trunk *owner_of(struct agent *a, struct slice name)
{
    for (size_t i = 0; i < a->trunk_count; i++) {
        const struct agent_trunk_options *o = a->trunks[i].options;
        if (o->side == AGENT_PBX && o->registers && o->user && slice_eq_str(name, o->name))
            return &a->trunks[i];
    }
    return NULL;
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct loading *l = arg;
    struct agent *a = l->a;
    struct trunk *t = owner_of(a, key);
    int err = t ? decode(t, value, &t->bindings) : ERR_NOT_FOUND;
    if (t && err)
        bindings_free(&t->bindings);
    else if (t)
        bindings_drop_ended(t, &t->bindings);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err && err != ERR_NOT_FOUND) {
        a->counters.registrations_corrupt++;
        log_event(a->ports.log, LEVEL_WARNING, "agent.pbx.corrupt", "name=%s error=%s", t->options->name,
                  err_name(err));
    } else if (err || list_empty(&t->bindings)) {
        buf_opaque(&l->gone, 2, key);
    }
    return 0;
}

static void remove_gone(struct agent *a, struct slice names)
{
    struct reader r;
    reader_init(&r, names);
    while (reader_left(&r)) {
        struct slice name = read_opaque(&r, 2, "name");
        if (!r.err)
            kv_remove(a->ports.kv, KV_AGENT_BINDING, name);
    }
    if (names.n)
        kv_commit(a->ports.kv, NULL, NULL);
}

int bindings_load(struct agent *a)
{
    struct loading l = {.a = a};
    buf_init(&l.gone, GONE_OCTETS_MAX);
    int err = kv_scan(a->ports.kv, KV_AGENT_BINDING, load_row, &l);
    if (!err)
        remove_gone(a, buf_slice(&l.gone));
    buf_fini(&l.gone);
    return err;
}
