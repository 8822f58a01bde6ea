/* Fragmentation and reassembly, RFC 6940 6.7. */
#include "reload/fragment.h"

#include "base/mem.h"

#include <assert.h>

COUNTERS_DEFINE(reload_reassembly_counters, RELOAD_REASSEMBLY_COUNTERS)

/* ---- cutting ---- */

int reload_cutter_init(struct reload_cutter *cutter, struct slice message, const struct reload_header *received,
                       const struct reload_header *header, size_t fragment_octets_max)
{
    struct slice rest = slice_of(message.p + received->octets, message.n - received->octets);
    size_t head = reload_header_encoded_octets(header);
    size_t pieces = 1;
    if (head + rest.n > fragment_octets_max) {
        if (fragment_octets_max < head + RELOAD_FRAGMENT_GROWTH_OCTETS + RELOAD_FRAGMENT_REST_OCTETS_MIN)
            return ERR_RANGE;
        size_t room = fragment_octets_max - RELOAD_FRAGMENT_GROWTH_OCTETS - head;
        pieces = (rest.n + room - 1) / room;
        bool beyond = (header->fragment & RELOAD_FRAGMENT_OFFSET) + rest.n > RELOAD_FRAGMENT_OFFSET;
        if (beyond || rest.n / pieces < RELOAD_FRAGMENT_REST_OCTETS_MIN)
            return ERR_RANGE;
    }
    *cutter = (struct reload_cutter){.rest = rest, .header = *header, .pieces = pieces};
    return 0;
}

int reload_cutter_next(struct reload_cutter *cutter, struct buf *out)
{
    if (cutter->done == cutter->pieces)
        return ERR_NOT_FOUND;
    /* The first rest % pieces ones are longer by one octet. */
    size_t n = cutter->rest.n / cutter->pieces + (cutter->done < cutter->rest.n % cutter->pieces);
    struct reload_header header = cutter->header;
    header.fragment += (uint32_t)cutter->at;
    if (cutter->done + 1 < cutter->pieces)
        header.fragment &= ~RELOAD_FRAGMENT_LAST;
    reload_header_encode(&header, n, out);
    buf_put(out, cutter->rest.p + cutter->at, n);
    cutter->at += n;
    cutter->done++;
    return out->err;
}

/* ---- reassembly ---- */

struct span {
    size_t start;
    size_t end;
};

/* A message of which pieces are here. */
struct incoming {
    struct list link;
    struct id neighbor;
    uint64_t transaction_id;
    struct mono deadline;
    struct slice header; /* octets of the first fragment's header, owned; n is 0 until it is here */
    uint8_t *rest;       /* what follows the header, with holes */
    size_t capacity;
    size_t total;  /* octets of rest; 0: the last fragment is not here yet */
    size_t octets; /* of memory, as counted in the reassembly */
    unsigned span_count;
    struct span spans[RELOAD_REASSEMBLY_GAPS_MAX]; /* what is here: ascending, apart from each other */
};

/* A fragment on its way in. */
struct piece {
    struct slice header;
    struct slice octets;
    struct span span;
    bool last;
};

void reload_reassembly_init(struct reload_reassembly *reassembly, size_t message_octets_max)
{
    *reassembly = (struct reload_reassembly){.message_octets_max = message_octets_max};
    list_init(&reassembly->messages);
}

static void drop(struct reload_reassembly *reassembly, struct incoming *m)
{
    list_remove(&m->link);
    reassembly->message_count--;
    reassembly->octets -= m->octets;
    mem_free((void *)(uintptr_t)m->header.p);
    mem_free(m->rest);
    mem_free(m);
}

void reload_reassembly_fini(struct reload_reassembly *reassembly)
{
    LIST_EACH(it, &reassembly->messages)
        drop(reassembly, CONTAINER_OF(it, struct incoming, link));
}

struct mono reload_reassembly_deadline(const struct reload_reassembly *reassembly)
{
    if (list_empty(&reassembly->messages))
        return MONO_NEVER;
    return CONTAINER_OF(reassembly->messages.next, struct incoming, link)->deadline;
}

void reload_reassembly_expire(struct reload_reassembly *reassembly, struct mono now)
{
    while (!list_empty(&reassembly->messages) && mono_due(reload_reassembly_deadline(reassembly), now)) {
        drop(reassembly, CONTAINER_OF(reassembly->messages.next, struct incoming, link));
        reassembly->counters.expired++;
    }
}

/* Counts memory before it is taken. */
static bool charge(struct reload_reassembly *reassembly, struct incoming *m, size_t octets)
{
    if (octets > RELOAD_REASSEMBLY_OCTETS_MAX - reassembly->octets)
        return false;
    reassembly->octets += octets;
    m->octets += octets;
    return true;
}

/* The message of this neighbor and transaction, made when it is not there. */
static int find(struct reload_reassembly *reassembly, struct mono now, struct id neighbor, uint64_t transaction_id,
                struct incoming **ret_incoming)
{
    unsigned from_neighbor = 0;
    LIST_EACH(it, &reassembly->messages) {
        struct incoming *m = CONTAINER_OF(it, struct incoming, link);
        if (!id_eq(m->neighbor, neighbor))
            continue;
        if (m->transaction_id == transaction_id) {
            *ret_incoming = m;
            return 0;
        }
        from_neighbor++;
    }
    if (reassembly->message_count >= RELOAD_REASSEMBLY_MESSAGES_MAX ||
        from_neighbor >= RELOAD_REASSEMBLY_PER_SOURCE_MAX ||
        sizeof(struct incoming) > RELOAD_REASSEMBLY_OCTETS_MAX - reassembly->octets)
        return ERR_LIMIT;
    struct incoming *m = mem_alloc(sizeof *m);
    if (!m)
        return ERR_NO_MEMORY;
    m->neighbor = neighbor;
    m->transaction_id = transaction_id;
    m->deadline = mono_after_ms(now, RELOAD_REASSEMBLY_LIFE_MS);
    charge(reassembly, m, sizeof *m);
    list_append(&reassembly->messages, &m->link);
    reassembly->message_count++;
    *ret_incoming = m;
    return 0;
}

/* Retransmissions may be cut elsewhere: pieces may overlap, but must agree. */
static bool contradicts(const struct incoming *m, const struct piece *p)
{
    if (p->last && m->total && m->total != p->span.end)
        return true;
    if (m->total && p->span.end > m->total)
        return true;
    for (unsigned i = 0; i < m->span_count; i++) {
        struct span s = m->spans[i];
        if (p->last && s.end > p->span.end)
            return true;
        size_t start = s.start > p->span.start ? s.start : p->span.start;
        size_t end = s.end < p->span.end ? s.end : p->span.end;
        if (start < end && memcmp(m->rest + start, p->octets.p + (start - p->span.start), end - start) != 0)
            return true;
    }
    return false;
}

static int make_room(struct reload_reassembly *reassembly, struct incoming *m, size_t octets)
{
    if (octets <= m->capacity)
        return 0;
    size_t capacity = octets > 2 * m->capacity ? octets : 2 * m->capacity;
    if (!charge(reassembly, m, capacity - m->capacity))
        return ERR_LIMIT;
    uint8_t *rest = mem_resize(m->rest, capacity);
    if (!rest)
        return ERR_NO_MEMORY; /* the charge stays with the message and goes with it */
    m->rest = rest;
    m->capacity = capacity;
    return 0;
}

/* Adds the span, joined with those that it touches. False when there would be too many. */
static bool note(struct incoming *m, struct span new)
{
    struct span spans[RELOAD_REASSEMBLY_GAPS_MAX];
    unsigned count = 0;
    unsigned i = 0;
    for (; i < m->span_count && m->spans[i].end < new.start; i++)
        spans[count++] = m->spans[i];
    for (; i < m->span_count && m->spans[i].start <= new.end; i++) {
        new.start = m->spans[i].start < new.start ? m->spans[i].start : new.start;
        new.end = m->spans[i].end > new.end ? m->spans[i].end : new.end;
    }
    if (count + 1 + (m->span_count - i) > RELOAD_REASSEMBLY_GAPS_MAX)
        return false;
    spans[count++] = new;
    for (; i < m->span_count; i++)
        spans[count++] = m->spans[i];
    memcpy(m->spans, spans, count * sizeof *spans);
    m->span_count = count;
    return true;
}

static int keep_header(struct reload_reassembly *reassembly, struct incoming *m, struct slice header)
{
    if (!charge(reassembly, m, header.n))
        return ERR_LIMIT;
    uint8_t *copy = mem_alloc(header.n);
    if (!copy)
        return ERR_NO_MEMORY;
    memcpy(copy, header.p, header.n);
    m->header = slice_of(copy, header.n);
    return 0;
}

static int add(struct reload_reassembly *reassembly, struct incoming *m, const struct piece *p)
{
    int err = make_room(reassembly, m, p->span.end);
    if (!err && p->span.start == 0 && !m->header.n)
        err = keep_header(reassembly, m, p->header);
    if (err)
        return err;
    if (p->octets.n) {
        if (!note(m, p->span))
            return ERR_LIMIT;
        memcpy(m->rest + p->span.start, p->octets.p, p->octets.n);
    }
    if (p->last)
        m->total = p->span.end;
    return 0;
}

static bool complete(const struct incoming *m)
{
    return m->total && m->header.n && m->span_count == 1 && m->spans[0].start == 0 && m->spans[0].end == m->total;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The first fragment's header, made that of the whole message. */
static int put_message(const struct incoming *m, struct buf *out)
{
    uint8_t *header = buf_extend(out, m->header.n);
    if (header) {
        memcpy(header, m->header.p, m->header.n);
        put_u32(header + RELOAD_FRAGMENT_OCTET, RELOAD_FRAGMENT_WHOLE);
        put_u32(header + RELOAD_LENGTH_OCTET, (uint32_t)(m->header.n + m->total));
    }
    buf_put(out, m->rest, m->total);
    return out->err;
}

int reload_reassembly_input(struct reload_reassembly *reassembly, struct mono now, struct id neighbor,
                            struct slice fragment, const struct reload_header *header, struct buf *ret_message)
{
    assert(header->octets <= fragment.n);
    if (reload_header_is_whole(header)) {
        buf_slice_put(ret_message, fragment);
        return ret_message->err;
    }
    reload_reassembly_expire(reassembly, now);
    struct piece p = {
        .header = slice_of(fragment.p, header->octets),
        .octets = slice_of(fragment.p + header->octets, fragment.n - header->octets),
        .last = (header->fragment & RELOAD_FRAGMENT_LAST) != 0,
    };
    p.span.start = header->fragment & RELOAD_FRAGMENT_OFFSET;
    p.span.end = p.span.start + p.octets.n;
    if (p.header.n + p.span.end > reassembly->message_octets_max) {
        reassembly->counters.limited++;
        return ERR_LIMIT;
    }
    struct incoming *m;
    int err = find(reassembly, now, neighbor, header->transaction_id, &m);
    if (!err && contradicts(m, &p)) {
        drop(reassembly, m);
        reassembly->counters.contradicted++;
        return ERR_CONFLICT;
    }
    if (!err)
        err = add(reassembly, m, &p);
    if (err) {
        reassembly->counters.limited++;
        return err;
    }
    if (!complete(m))
        return ERR_TRUNCATED;
    err = put_message(m, ret_message);
    drop(reassembly, m);
    reassembly->counters.completed++;
    return err;
}
