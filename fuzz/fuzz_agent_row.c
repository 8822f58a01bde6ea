/* Rows of learned routes, as a damaged disk might give them: the first octet is the length of the key. What is taken is a route that can be
 * looked up, and its row is taken again for the same. */
#include "agent/route_private.h"
#include "base/mem.h"

#include <stdlib.h>

struct rows {
    struct slice key, value;
};

static int scan(void *ctx, enum kv_table table, kv_row_fn *row, void *arg)
{
    const struct rows *r = ctx;
    (void)table;
    return row(arg, r->key, r->value);
}

static void check_again(const struct agent_slot *slot, struct slice blob)
{
    uint8_t octets[AGENT_ROUTE_KEY_OCTETS_MAX];
    struct agent_slot again;
    struct slice blob_again;
    struct buf row;
    buf_init(&row, 1 << 16);
    agent_route_row_encode(slot, blob, &row);
    if (row.err || agent_route_row_decode(agent_route_row_key(slot->key, blob.p, octets), buf_slice(&row), &again,
                                          &blob_again) < 0)
        abort();
    if (again.key != slot->key || again.expires_s != slot->expires_s || !slice_eq(blob, blob_again))
        abort();
    if (again.flags & ROUTE_TICKET_TEXT)
        mem_free(again.text);
    buf_fini(&row);
}

/* The table finds what its rows hold. */
static void look_up(struct rows *r, const struct agent_slot *slot)
{
    static struct agent_route_list list;
    struct seeded_entropy seed = {1};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct agent_routes_config config;
    struct agent_routes *routes;
    const struct kv kv = {.ctx = r, .scan = scan};
    struct e164 number = agent_number_of_key(slot->key);
    agent_routes_config_init(&config);
    if (agent_routes_new(&config, &kv, &entropy, NULL, &routes) < 0)
        abort();
    bool found = agent_routes_find(routes, (struct now){{0}, {0}}, &number, &list);
    if (!agent_routes_knows(routes, &number) || found == (slot->flags & ROUTE_DISABLED || !slot->expires_s))
        abort();
    agent_routes_free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_slot slot;
    struct slice blob;
    if (!size || data[0] >= size)
        return 0;
    struct rows r = {slice_of(data + 1, data[0]), slice_of(data + 1 + data[0], size - 1 - data[0])};
    if (agent_route_row_decode(r.key, r.value, &slot, &blob) < 0)
        return 0;
    check_again(&slot, blob);
    look_up(&r, &slot);
    if (slot.flags & ROUTE_TICKET_TEXT)
        mem_free(slot.text);
    return 0;
}
