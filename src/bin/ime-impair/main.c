/* ime-impair: a bad Internet between edges, for labs. */
#include "program.h"

struct host {
    struct daemon daemon;
    struct relay relay;
};

static int start(struct host *h)
{
    struct daemon *d = &h->daemon;
    h->relay.daemon = d;
    int err = relay_start(&h->relay);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "impair.failed", "error=%s", err_name(err));
        return err;
    }
    log_event(&d->log, LEVEL_NOTICE, "starts", "version=%s ends=%zu", IME_VERSION, h->relay.end_count);
    return daemon_open_control(d, relay_handlers, relay_handler_count, &h->relay);
}

static void stop(struct host *h)
{
    if (h->relay.daemon)
        relay_stop(&h->relay);
}

static struct mono turn(struct host *h, struct now now)
{
    (void)now;
    if (h->relay.wants_shutdown)
        daemon_stop(&h->daemon);
    return heap_deadline(&h->relay.heap);
}

static void tick(struct host *h, struct now now)
{
    relay_tick(&h->relay, now);
}

static void fini(struct host *h)
{
    (void)h;
}

static const struct daemon_program program = {
    .name = "ime-impair",
    .word = "impair",
    .about = "Stands between the edges of a lab as a bad Internet does: packets and connections pass with loss, delay, "
             "jitter,\nreordering, at a low rate, or not at all, as `imectl impair set` says.\n",
    .ctl = CTL_IMPAIR,
    .table = &settings_table,
    .load = settings_load,
    .unload = settings_free,
    .start = start,
    .stop = stop,
    .fini = fini,
    .turn = turn,
    .tick = tick,
};

int main(int argc, char **argv)
{
    static struct host host;
    return daemon_main(&host.daemon, &program, &host, argc, argv);
}
