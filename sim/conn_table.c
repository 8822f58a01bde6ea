/* Ends of connections by node, port and id: linear probing, half full at the most. */
#include "conn.h"

#include "alloc.h"
#include "base/mem.h"

static uint64_t hash_of(uint32_t node, unsigned port, uint64_t id)
{
    uint64_t x = (id * 4 + port) * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)node << 32 ^ node;
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (x ^ x >> 32) | 1;
}

static uint64_t hash_end(const struct sim_conn_end *end)
{
    return hash_of(end->node, end->port, end->id);
}

void sim_conn_table_fini(struct sim_conn_table *table)
{
    mem_free(table->slots);
    *table = (struct sim_conn_table){0};
}

static void insert(struct sim_conn_table *table, uint64_t hash, struct sim_conn_end *end)
{
    size_t mask = table->capacity - 1, at = (size_t)(hash >> 1) & mask;
    while (table->slots[at].hash)
        at = (at + 1) & mask;
    table->slots[at] = (struct sim_conn_slot){hash, end};
}

static void grow(struct sim_conn_table *table)
{
    struct sim_conn_slot *old = table->slots;
    size_t n = table->capacity;
    table->capacity = n ? 2 * n : 1024;
    table->slots = sim_alloc(table->capacity * sizeof *table->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].hash)
            insert(table, old[i].hash, old[i].end);
    mem_free(old);
}

void sim_conn_table_add(struct sim_conn_table *table, struct sim_conn_end *end)
{
    if (2 * (table->n + 1) > table->capacity)
        grow(table);
    insert(table, hash_end(end), end);
    table->n++;
}

static size_t place_of(const struct sim_conn_table *table, uint32_t node, unsigned port, uint64_t id)
{
    uint64_t hash = hash_of(node, port, id);
    size_t mask = table->capacity - 1;
    if (!table->capacity)
        return SIZE_MAX;
    for (size_t at = (size_t)(hash >> 1) & mask; table->slots[at].hash; at = (at + 1) & mask) {
        const struct sim_conn_end *end = table->slots[at].end;
        if (table->slots[at].hash == hash && end->node == node && end->port == port && end->id == id)
            return at;
    }
    return SIZE_MAX;
}

struct sim_conn_end *sim_conn_table_find(const struct sim_conn_table *table, uint32_t node, enum sim_port port,
                                         uint64_t id)
{
    size_t at = place_of(table, node, port, id);
    return at == SIZE_MAX ? NULL : table->slots[at].end;
}

/* What comes behind moves up, so that no search ends at a hole. */
void sim_conn_table_remove(struct sim_conn_table *table, const struct sim_conn_end *end)
{
    size_t hole = place_of(table, end->node, end->port, end->id), mask = table->capacity - 1;
    if (hole == SIZE_MAX)
        return;
    table->n--;
    for (size_t at = (hole + 1) & mask; table->slots[at].hash; at = (at + 1) & mask) {
        size_t home = (size_t)(table->slots[at].hash >> 1) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = (struct sim_conn_slot){0};
}
