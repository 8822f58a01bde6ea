/* The mapping service: what decodes must encode to the same octets, unless something in it was skipped; the server answers or refuses any message;
 * the client takes any stream, and every question has its one result. */
#include "mapping/client.h"
#include "mapping/server.h"

#include <stdlib.h>

static void check_message(struct slice octets)
{
    struct mapping_message m;
    struct fault fault = {0, NULL};
    struct buf again;
    const int err = mapping_decode(octets, &m, &fault);
    if (err && (!fault.rule || fault.octet > octets.n))
        abort();
    if (err)
        return;
    buf_init(&again, MAPPING_MESSAGE_OCTETS_MAX);
    mapping_encode(&m, &again);
    if (again.err || again.n > octets.n ||
        (again.n == octets.n && m.kind != MAPPING_SUCCESS && !slice_eq(buf_slice(&again), octets)))
        abort();
    buf_fini(&again);
}

static int open_port(void *ctx, const struct addr *inside)
{
    (void)ctx;
    return inside->port % 3 ? 0 : ERR_EXISTS;
}

static void close_port(void *ctx, const struct addr *inside)
{
    (void)ctx;
    (void)inside;
}

static void check_server(struct slice octets)
{
    static const struct mapping_port port = {NULL, NULL, open_port, close_port};
    struct now now = {{1000000}, {0}};
    struct mapping_server_config config;
    struct mapping_server *s;
    struct buf answer;
    mapping_server_config_init(&config);
    config.first = (struct addr){.family = 4, .port = 20000, .ip = {10, 0, 0, 5}};
    config.count = 7;
    if (mapping_server_new(&config, &port, NULL, &s) < 0)
        abort();
    buf_init(&answer, 1 << 20);
    while (octets.n) {
        int n = mapping_message_octets(octets);
        if (n <= 0 || (size_t)n > octets.n)
            break;
        buf_clear(&answer);
        if (mapping_server_answer(s, now, slice_of(octets.p, (size_t)n), &answer) == 0) {
            struct mapping_message m;
            if (mapping_decode(buf_slice(&answer), &m, NULL) < 0)
                abort();
        }
        octets = slice_of(octets.p + n, octets.n - (size_t)n);
        now.mono = mono_after_ms(now.mono, 100000);
        mapping_server_tick(s, now);
    }
    buf_fini(&answer);
    mapping_server_free(s);
}

static unsigned drain(struct mapping_client *c, struct now now)
{
    struct mapping_client_effect e;
    unsigned results = 0;
    while (mapping_client_next(c, &e)) {
        results += e.kind == MAPPING_CLIENT_RESULT;
        if (e.kind == MAPPING_CLIENT_CONNECT)
            mapping_client_connected(c, now);
    }
    return results;
}

static void check_client(struct slice octets)
{
    static const struct addr far[2] = {{.family = 4, .port = 5061, .ip = {192, 0, 2, 1}},
                                       {.family = 6, .port = 5061, .ip = {0x20, 1}}};
    struct now now = {{1000000}, {0}};
    struct mapping_client_config config;
    struct mapping_client *c;
    unsigned open = 0;
    mapping_client_config_init(&config);
    if (mapping_client_new(&config, NULL, &c) < 0)
        abort();
    for (size_t i = 0; i < 4; i++) {
        struct addr inside;
        open += mapping_client_ask(c, now, &far[i % 2], i, &inside) == 0;
        open -= drain(c, now);
        const size_t n = octets.n / 4 + 1 < octets.n ? octets.n / 4 + 1 : octets.n;
        mapping_client_input(c, now, slice_of(octets.p, n));
        octets = slice_of(octets.p + n, octets.n - n);
        open -= drain(c, now);
    }
    now.mono = mono_after_ms(now.mono, 60000);
    mapping_client_tick(c, now);
    open -= drain(c, now);
    if (open || mapping_client_waiting(c))
        abort();
    mapping_client_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    check_message(input);
    check_server(input);
    check_client(input);
    return 0;
}
