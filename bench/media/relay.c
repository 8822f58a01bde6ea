/* The media workers of ime-edge with so many streams, as ime-edge itself would have them: one worker. Prints its process, and where each stream is to be
 * sent to, inside and outside; then relays until the standard input ends.
 *
 *     media_relay SUITE INSIDE OUTSIDE PHONE FAR    < a line of keys per stream, an empty line */
#include "common.h"

#include "io/media_host.h"
#include "io/media_worker.h"
#include "io/process.h"

#include <event2/event.h>
#include <unistd.h>

struct stage {
    struct loop *loop;
    struct media_host *host;
    unsigned lost;
};

static void on_event(void *arg, const struct media_event *event)
{
    struct stage *stage = arg;
    stage->lost += event->kind == MEDIA_LOST;
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    struct stage *stage = arg;
    char octets[64];
    (void)what;
    if (read((int)fd, octets, sizeof octets) <= 0)
        loop_stop(stage->loop, stage->lost ? 1 : 0);
}

static void open_stream(const struct media_port *port, uint64_t id, const struct addr *phone, const struct addr *far,
                        const struct srtp_master *in, const struct srtp_master *out)
{
    struct addr inside, outside;
    char text[2][ADDR_TEXT_OCTETS];
    need(port->open(port->ctx, id) == 0 && port->bind(port->ctx, id, 0, MEDIA_INSIDE, 4, &inside) == 0 &&
             port->bind(port->ctx, id, 0, MEDIA_OUTSIDE, 4, &outside) == 0,
         "ports");
    struct media_session session = {
        .id = id,
        .sensitivity = 3,
        .stream_count = 1,
        .streams = {{.kind = MEDIA_RTP,
                     .is_audio = true,
                     .ptime_ms = 20,
                     .format_count = 1,
                     .formats = {{8, 8000, "PCMA"}},
                     .ends = {{.remote = *phone, .may_send = true},
                              {.remote = *far, .may_send = true, .in = *in, .out = *out}}}},
    };
    port->set(port->ctx, &session);
    printf("%s %s\n", addr_format(&inside, text[0]), addr_format(&outside, text[1]));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], MEDIA_WORKER_ARGUMENT) == 0)
        return media_worker_main();
    if (argc != 6)
        return 2;
    struct stage stage = {0};
    struct media_host_options options;
    struct entropy entropy = kernel_entropy();
    struct media_host_worker worker;
    struct srtp_master in, out;
    process_harden();
    media_host_options_init(&options);
    options.workers = 1;
    options.addresses[MEDIA_INSIDE][0] = address_of(argv[2]);
    options.addresses[MEDIA_OUTSIDE][0] = address_of(argv[3]);
    options.port_max = 65535;
    struct addr phone = address_of(argv[4]), far = address_of(argv[5]);
    need(loop_new(&stage.loop) == 0 &&
             media_host_new(stage.loop, &options, &entropy, on_event, &stage, &stage.host) == 0,
         "workers");
    media_host_worker(stage.host, 0, &worker);
    printf("%d\n", worker.pid);
    for (uint64_t id = 1; read_keys(argv[1], &in, &out); id++) {
        open_stream(media_host_port(stage.host), id, &phone, &far, &in, &out);
        loop_turn(stage.loop, false);
    }
    printf("ready\n");
    fflush(stdout);
    struct event *input = event_new(loop_event_base(stage.loop), STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &stage);
    event_add(input, NULL);
    int status = loop_run(stage.loop);
    event_free(input);
    media_host_free(stage.host);
    loop_free(stage.loop);
    return status;
}
