/* The order in which a revocation list has changed, so that others can be told of it piece by piece (keyset.h). */
#include "base/mem.h"
#include "ticket/keyring_private.h"
#include "ticket/keyset.h"

/* Withdrawals are remembered for those who are being told only: whoever has missed one is told the whole list again. */
#define WITHDRAWALS_MAX 1000

static void compact(struct keyring *k)
{
    size_t n = 0;
    for (size_t i = 0; i < k->entry_count; i++)
        if (k->entries[i].what)
            k->entries[n++] = k->entries[i];
    k->entry_count = n;
    k->entries_empty = k->withdrawals_from = 0;
}

int keyring_changes_make_room(struct keyring *k)
{
    if (!k->is_passed_on)
        return 0;
    if (k->entries_empty > 64 && k->entries_empty > k->entry_count / 2)
        compact(k);
    if (k->entry_count < k->entry_room)
        return 0;
    size_t room = k->entry_room ? 2 * k->entry_room : 64;
    struct keyring_entry *entries = mem_resize(k->entries, room * sizeof *entries);
    if (!entries)
        return ERR_NO_MEMORY;
    k->entries = entries;
    k->entry_room = room;
    return 0;
}

static size_t entry_after(const struct keyring *k, uint64_t order)
{
    size_t low = 0, high = k->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->entries[middle].order <= order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void empty_entry(struct keyring *k, const struct revocation *r)
{
    k->entries[entry_after(k, r->order) - 1].what = NULL;
    k->entries_empty++;
}

void keyring_changes_append(struct keyring *k, struct revocation *r)
{
    if (!k->is_passed_on)
        return;
    r->order = ++k->order;
    k->entries[k->entry_count++] = (struct keyring_entry){r->order, r};
}

static void forget_withdrawal(struct keyring *k)
{
    while (!k->entries[k->withdrawals_from].what || !k->entries[k->withdrawals_from].what->is_withdrawal)
        k->withdrawals_from++;
    struct keyring_entry *oldest = &k->entries[k->withdrawals_from];
    k->forgotten = oldest->order;
    mem_free(oldest->what);
    oldest->what = NULL;
    k->entries_empty++;
    k->withdrawal_count--;
}

void keyring_changes_withdraw(struct keyring *k, struct revocation *r)
{
    if (!k->is_passed_on) {
        mem_free(r);
        return;
    }
    empty_entry(k, r);
    if (keyring_changes_make_room(k)) { /* whoever is being told begins anew */
        k->forgotten = ++k->order;
        mem_free(r);
        return;
    }
    r->is_withdrawal = true;
    keyring_changes_append(k, r);
    if (++k->withdrawal_count > WITHDRAWALS_MAX)
        forget_withdrawal(k);
}

void keyring_changes_free(struct keyring *k)
{
    for (size_t i = 0; i < k->entry_count; i++)
        if (k->entries[i].what && k->entries[i].what->is_withdrawal)
            mem_free(k->entries[i].what);
    mem_free(k->entries);
}

void keyring_each_change(const struct keyring *k, uint64_t after, keyring_change_fn *each, void *arg)
{
    for (size_t i = entry_after(k, after); i < k->entry_count; i++) {
        const struct revocation *r = k->entries[i].what;
        if (!r)
            continue;
        const struct keyring_change change = {(enum keyring_revocation)r->name[0], slice_of(r->name + 1, r->octets - 1),
                                              r->since, r->is_withdrawal, r->order};
        if (!each(arg, &change))
            return;
    }
}

uint64_t keyring_last_change(const struct keyring *k)
{
    return k->order;
}

uint64_t keyring_forgotten_change(const struct keyring *k)
{
    return k->forgotten;
}

uint64_t keyring_epochs_version(const struct keyring *k)
{
    return k->epochs_version;
}
