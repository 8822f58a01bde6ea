/* Calls as a stand-by has them (edge_take_call): what is taken is written as it was, goes on, and leaves nothing when it is over. */
#include "edge/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void same(void *ctx, struct slice row)
{
    const struct slice *input = ctx;
    need(slice_eq(row, *input));
}

static void drain(struct edge *e, struct now now)
{
    struct edge_effect effect;
    while (edge_next(e, now, &effect))
        continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct now now = {{1000000}, {INT64_C(1700000000000)}};
    struct seeded_entropy seeded = {7};
    const struct entropy entropy = seeded_entropy_port(&seeded);
    const struct edge_ports ports = {.entropy = &entropy};
    struct slice input = slice_of(data, size);
    struct edge_options options;
    struct edge_left left;
    struct edge *e;
    edge_options_default(&options);
    need(edge_options_domain(&options, "a.example") == 0);
    edge_options_point(&options, EDGE_INSIDE, SIP_TCP, "10.0.0.9:5060");
    edge_options_point(&options, EDGE_OUTSIDE, SIP_TLS, "edge.a.example:5061");
    need(edge_new(&options, &ports, now, &e) == 0);
    if (edge_take_call(e, now, input, NULL) == 0)
        need(edge_each_call(e, now, same, &input) == 0);
    for (unsigned i = 0; i < 1000 && e->call_count; i++) { /* nobody answers: it is found to be over */
        now.mono = mono_max(now.mono, edge_deadline(e));
        edge_tick(e, now);
        drain(e, now);
    }
    edge_left(e, &left);
    need(left.calls == 0 && left.dialogs == 0 && left.sessions == 0);
    edge_free(e);
    edge_options_fini(&options);
    return 0;
}
