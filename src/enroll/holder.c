/* Servers in memory: who has which Node-IDs and certificates. Node-IDs are given once and for all. */
#include "enroll/internal.h"

#include "base/mem.h"

struct holder *holder_find(const struct enroll *e, struct slice server_id)
{
    return map_get(&e->holders, server_id);
}

int holder_new(struct enroll *e, struct slice server_id, struct holder **ret_holder)
{
    struct holder *holder = mem_alloc(sizeof *holder);
    if (!holder)
        return ERR_NO_MEMORY;
    memcpy(holder->server_id, server_id.p, server_id.n);
    int err = map_set(&e->holders, server_id, holder);
    if (err) {
        mem_free(holder);
        return err;
    }
    *ret_holder = holder;
    return 0;
}

void holder_drop_unused(struct enroll *e, struct holder *holder)
{
    for (size_t i = 0; i < CERT_NODE_IDS_MAX; i++)
        if (holder->newest[i])
            return;
    holder_shrink(e, holder, 0);
    map_remove(&e->holders, slice_str(holder->server_id));
    mem_free(holder);
}

int holder_extend(struct enroll *e, struct holder *holder, size_t count)
{
    for (size_t i = 0; i < count;) {
        struct id id;
        if (!id_is_zero(holder->node_ids[i])) {
            i++;
            continue;
        }
        entropy_fill(e->ports.entropy, id.octets, sizeof id.octets);
        /* Zero and all ones have meanings of their own (RFC 6940 11.4); others have an owner already with a chance of nearly nothing. */
        if (id_is_zero(id) || id_is_wildcard(id) || map_get(&e->node_ids, id_slice(&id)) || id_eq(id, e->signer_id))
            continue;
        int err = map_set(&e->node_ids, id_slice(&id), holder);
        if (err)
            return err;
        holder->node_ids[i] = id;
        if (holder->node_id_count <= i)
            holder->node_id_count = i + 1;
    }
    return 0;
}

void holder_shrink(struct enroll *e, struct holder *holder, size_t count)
{
    while (holder->node_id_count > count) {
        struct id *id = &holder->node_ids[--holder->node_id_count];
        map_remove(&e->node_ids, id_slice(id));
        *id = (struct id){{0}};
    }
}

static void note_newest(struct issued *issued)
{
    struct issued **newest = &issued->holder->newest[issued->first];
    if (!*newest || (*newest)->issued_at.ms <= issued->issued_at.ms)
        *newest = issued;
}

void holder_find_newest(struct enroll *e, struct holder *holder)
{
    memset(holder->newest, 0, sizeof holder->newest);
    LIST_EACH(link, &e->issued) {
        struct issued *issued = CONTAINER_OF(link, struct issued, link);
        if (issued->holder == holder)
            note_newest(issued);
    }
}

unsigned holder_allowance(const struct enroll *e, const struct holder *holder)
{
    unsigned allowed = e->options.node_ids > holder->allowed ? e->options.node_ids : holder->allowed;
    for (size_t i = 0; i < e->options.allowance_count; i++) {
        const struct enroll_allowance *a = &e->options.allowances[i];
        if (a->node_ids > allowed && slice_eq_str(slice_str(holder->server_id), a->server_id))
            allowed = a->node_ids;
    }
    return allowed > 1 ? allowed : 1;
}

int issued_new(struct enroll *e, struct holder *holder, const struct cert *cert, size_t first,
               const uint8_t serial[SERIAL_OCTETS], struct wall issued_at, struct issued **ret_issued)
{
    struct id ids[CERT_NODE_IDS_MAX];
    struct issued *issued = mem_alloc(sizeof *issued);
    if (!issued)
        return ERR_NO_MEMORY;
    *issued = (struct issued){
        .holder = holder,
        .first = first,
        .node_ids = cert_node_ids(cert, slice_str(e->options.overlay), ids, CERT_NODE_IDS_MAX),
        .issued_at = issued_at,
        .not_before = cert_not_before(cert),
        .not_after = cert_not_after(cert),
        .authority = cert_authority_key_id(cert),
    };
    memcpy(issued->serial, serial, SERIAL_OCTETS);
    int err = map_set(&e->issued_by_serial, slice_of(issued->serial, SERIAL_OCTETS), issued);
    if (err) {
        mem_free(issued);
        return err;
    }
    /* The store gives them by serial number; the list is by date. */
    struct list *after = e->issued.prev;
    while (after != &e->issued && CONTAINER_OF(after, struct issued, link)->issued_at.ms > issued_at.ms)
        after = after->prev;
    list_prepend(after, &issued->link);
    e->issued_count++;
    note_newest(issued);
    *ret_issued = issued;
    return 0;
}

void issued_drop(struct enroll *e, struct issued *issued)
{
    map_remove(&e->issued_by_serial, slice_of(issued->serial, SERIAL_OCTETS));
    list_remove(&issued->link);
    e->issued_count--;
    mem_free(issued);
}
