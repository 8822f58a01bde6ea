/* Pages of a key ring as an edge takes them: any octets, cut into pages by two octets of length each. What is taken is a key ring with at most one
 * current epoch, and the same pages again change nothing; what is refused changes nothing. */
#include "base/mem.h"
#include "base/reader.h"
#include "ticket/keyset.h"

#include <stdlib.h>

/* A store that keeps nothing, and completes when it is told. */
static kv_done_fn *done;
static void *done_arg;

static int put(void *ctx, enum kv_table table, struct slice key, struct slice value)
{
    (void)ctx, (void)table, (void)key, (void)value;
    return 0;
}

static int erase(void *ctx, enum kv_table table, struct slice key)
{
    (void)ctx, (void)table, (void)key;
    return 0;
}

static void commit(void *ctx, kv_done_fn *fn, void *arg)
{
    (void)ctx;
    done = fn;
    done_arg = arg;
}

static int scan(void *ctx, enum kv_table table, kv_row_fn *row, void *arg)
{
    (void)ctx, (void)table, (void)row, (void)arg;
    return 0;
}

static const struct kv store = {.put = put, .remove = erase, .commit = commit, .scan = scan};

struct summary {
    struct keyring_epoch_info epochs[TICKET_EPOCH_MAX];
    size_t epoch_count, revoked;
};

static void look(const struct keyring *k, struct summary *s)
{
    size_t current = 0;
    mem_wipe(s, sizeof *s);
    s->epoch_count = keyring_list(k, s->epochs, TICKET_EPOCH_MAX);
    s->revoked = keyring_revoked_count(k);
    for (size_t i = 0; i < s->epoch_count; i++)
        current += s->epochs[i].is_current;
    if (current > 1)
        abort();
}

static bool is_same(const struct summary *a, const struct summary *b)
{
    if (a->epoch_count != b->epoch_count || a->revoked != b->revoked)
        return false;
    for (size_t i = 0; i < a->epoch_count; i++)
        if (a->epochs[i].epoch != b->epochs[i].epoch || a->epochs[i].is_current != b->epochs[i].is_current ||
            memcmp(a->epochs[i].fingerprint, b->epochs[i].fingerprint, sizeof a->epochs[i].fingerprint) != 0)
            return false;
    return true;
}

/* One page. True if it has taken effect. */
static bool take(struct keyset_receiver *r, struct keyring *k, struct slice page)
{
    static struct summary before, after;
    struct fault fault = {0, NULL};
    look(k, &before);
    int taken = keyset_receive(r, k, page, (struct wall){1767225600000}, NULL, NULL, &fault);
    look(k, &after);
    if (!is_same(&before, &after) || (taken && r->import && taken < 0) || (fault.rule && fault.octet > page.n))
        abort();
    if (taken)
        return false;
    kv_done_fn *fn = done;
    done = NULL;
    fn(done_arg, 0);
    return true;
}

static void take_all(struct keyring *k, struct slice input)
{
    static struct summary first, second;
    struct keyset_receiver receiver = {0};
    while (input.n >= 2) {
        size_t n = (size_t)input.p[0] << 8 | input.p[1];
        struct slice rest = slice_of(input.p + 2, input.n - 2);
        struct slice page = slice_of(rest.p, n < rest.n ? n : rest.n);
        if (take(&receiver, k, page) && receiver.next_page == 1) {
            look(k, &first);
            if (!take(&receiver, k, page))
                abort();
            look(k, &second);
            if (!is_same(&first, &second))
                abort();
        }
        input = slice_of(page.p + page.n, rest.n - page.n);
    }
    keyset_receiver_reset(&receiver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seeded_entropy seed = {.state = 1};
    const struct entropy entropy = seeded_entropy_port(&seed);
    const struct keyring_config config = {.granting_domain = slice_str("b.example"),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = 100,
                                          .kv = &store,
                                          .entropy = &entropy};
    struct keyring *k;
    if (keyring_new(&config, (struct wall){0}, &k))
        return 0;
    take_all(k, slice_of(data, size));
    keyring_free(k);
    return 0;
}
