/* The store in memory: for tests and simulation, with faults to order. Completions come when memory_store_turn is called, so that a test
 * decides what happens between writing and durability. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "base/kv.h"

struct memory_store;

int memory_store_new(struct memory_store **ret_store);
void memory_store_free(struct memory_store *store);

/* Valid as long as the store. */
const struct kv *memory_store_kv(struct memory_store *store);

/* Makes everything committed so far durable, as one transaction, and calls the completions. What the completions write and commit waits
 * for the next turn. Returns how many completions were called. */
size_t memory_store_turn(struct memory_store *store);

/* True if a commit waits. */
bool memory_store_waits(const struct memory_store *store);

/* The next `transactions` turns that have something to commit fail with this error: nothing of them is kept. */
void memory_store_fail(struct memory_store *store, size_t transactions, int err);

/* Every put and remove is refused with this error until it is called with 0: a store known to be unwritable. */
void memory_store_refuse(struct memory_store *store, int err);

/* Power loss: what is not durable is gone, pending completions are forgotten and never called. */
void memory_store_crash(struct memory_store *store);

/* Rows in a table, durable or not. */
size_t memory_store_count(const struct memory_store *store, enum kv_table table);

#endif
