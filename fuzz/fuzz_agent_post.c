/* Call records as JSON: exactly one answer; 200 says how many are kept, 400 that none is; what is kept has a called number and does not stop before it
 * starts. */
#include "agent/post.h"

#include <stdlib.h>

enum { COMMITS_MAX = 2 * AGENT_POST_RECORDS_MAX };

/* A store that is done when it is told to. */
static struct {
    kv_done_fn *done[COMMITS_MAX];
    void *arg[COMMITS_MAX];
    size_t n;
} store;

static unsigned answers;
static struct agent_post_answer last;

static int put(void *ctx, enum kv_table table, struct slice key, struct slice value)
{
    (void)ctx, (void)table, (void)key, (void)value;
    return 0;
}

static int remove_row(void *ctx, enum kv_table table, struct slice key)
{
    (void)ctx, (void)table, (void)key;
    return 0;
}

static void commit(void *ctx, kv_done_fn *done, void *arg)
{
    (void)ctx;
    if (store.n == COMMITS_MAX)
        abort();
    store.done[store.n] = done;
    store.arg[store.n++] = arg;
}

static int scan(void *ctx, enum kv_table table, kv_row_fn *row, void *arg)
{
    (void)ctx, (void)table, (void)row, (void)arg;
    return 0;
}

static void turn(void)
{
    size_t n = store.n;
    store.n = 0;
    for (size_t i = 0; i < n; i++)
        if (store.done[i])
            store.done[i](store.arg[i], 0);
}

static void on_answer(void *arg, const struct agent_post_answer *answer)
{
    struct buf json;
    (void)arg;
    buf_init(&json, 4096);
    agent_post_format(answer, &json);
    if (json.err)
        abort();
    buf_fini(&json);
    answers++;
    last = *answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kv kv = {.put = put, .remove = remove_row, .commit = commit, .scan = scan};
    const struct now now = {{1000000}, {INT64_C(1767225600000)}};
    struct agent_short_numbers shorts;
    struct agent_dial_plan plan;
    struct agent_records_config config;
    struct agent_records *records;
    struct vap_vcr vcr;
    uint64_t token;
    size_t kept = 0;
    agent_dial_plan_init(&plan);
    agent_short_numbers_default(&shorts);
    agent_records_config_init(&config);
    if (agent_dial_plan_set_country(&plan, slice_str("49")) < 0 || agent_records_new(&config, &kv, now, &records) < 0)
        abort();
    answers = 0;
    agent_post(&(struct agent_post_target){records, 7, &plan, &shorts}, slice_of(data, size), on_answer, NULL);
    turn();
    while (agent_records_take(records, now, 7, &vcr, &token)) {
        kept++;
        if (!e164_is_valid(e164_slice(&vcr.called)) || vcr.stop_ntp < vcr.start_ntp)
            abort();
    }
    if (answers != 1 || kept != last.kept || (last.status == 200) != (last.error == NULL) ||
        (last.status == 400 && kept))
        abort();
    agent_records_free(records);
    store.n = 0;
    return 0;
}
