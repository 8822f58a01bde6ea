/* The media workers of ime-edge as its core wants them (media/port.h): processes of this same program that hold no key of TLS and no key of
 * tickets, one per processor; sessions are spread over them, ports are opened here and handed over.
 *
 * A worker that dies, or says nothing for patience_ms, is started anew at once, and its sessions go on in the new process: at their own ports, as they were
 * described last, and with the counters of their keys (rollovers, replay windows, indexes of SRTCP), latched addresses and figures that the worker told
 * after each description and every figures_ms. Such a state is some seconds old, which is sound: SRTP guesses the rollover counter right for 2^15 packets;
 * indexes of SRTCP that may have been used since are left out (srtp_import); and a packet of RTP that came in since brings its own number, which only
 * the very same packet would bring again. A session without a state, whose ports another program took meanwhile, or that has
 * outlived RESUMES_MAX workers within a minute, is reported as MEDIA_LOST: it may be what they die of. */
#ifndef IO_MEDIA_HOST_H
#define IO_MEDIA_HOST_H

#include "base/entropy.h"
#include "base/log.h"
#include "io/loop.h"
#include "media/control.h"
#include "media/port.h"

/* What a worker is started with: its first argument, which the program passes on to media_worker_main (io/media_worker.h). */
#define MEDIA_WORKER_ARGUMENT "--media-worker"

struct media_host;

typedef void media_host_event_fn(void *arg, const struct media_event *event);

/* clang-format off */
#define MEDIA_HOST_COUNTERS(X) \
    X(sessions) X(ports) /* now */ \
    X(sessions_opened) X(sessions_resumed) X(sessions_lost) X(sessions_refused) X(ports_exhausted) X(ports_busy) /* taken by another program */ \
    X(ports_opened) X(ports_closed) /* of the kernel: pairs; most calls find theirs open */ \
    X(workers_started) X(workers_died)
/* clang-format on */
COUNTERS_DECLARE(media_host_counters, MEDIA_HOST_COUNTERS)

#define MEDIA_HOST_WORKERS_MAX 64

struct media_host_options {
    unsigned workers;    /* 0: one per processor */
    const char *program; /* NULL: /proc/self/exe; tests have workers of their own */
    struct addr addresses[MEDIA_SIDES]
                         [2];    /* to bind to, of IPv4 and of IPv6; family 0: none. Their ports do not count */
    uint16_t port_min, port_max; /* for RTP and RTCP together, on each address */
    uint32_t port_rest_ms;       /* a port that was given back is not used again for so long */
    uint32_t port_idle_ms;       /* one that was not used again for so long behind that is closed */
    uint32_t sessions_max;
    uint32_t
        pairs_max; /* of ports, open at a worker, those that rest included; 0: as many as its limit of open files allows */
    uint32_t patience_ms;      /* a worker that has said nothing for so long is taken for hanging */
    uint32_t restart_pause_ms; /* one that dies within so long of its start is not started again before it is over */
    struct media_relay_options relay;
    const struct log *log; /* may be NULL */
};
void media_host_options_init(struct media_host_options *options);

/* Starts the workers. ERR_RANGE: no ports, or no addresses; ERR_IO, ERR_NO_MEMORY. Events come from the loop, never from within a call. */
int media_host_new(struct loop *loop, const struct media_host_options *options, const struct entropy *entropy,
                   media_host_event_fn *event, void *arg, struct media_host **ret_host);

/* Ends the workers and waits for them. NULL is allowed. */
void media_host_free(struct media_host *host);

/* For edge_ports. */
const struct media_port *media_host_port(struct media_host *host);

/* What can change while it runs: limits and times of relaying. */
void media_host_set_relay_options(struct media_host *host, const struct media_relay_options *options);

const struct media_host_counters *media_host_counters(const struct media_host *host);

/* The sums over all workers, those that died included; of a second ago. */
const struct media_counters *media_host_relay_counters(const struct media_host *host);
const struct media_worker_counters *media_host_worker_counters(const struct media_host *host);

/* One worker, for `show`; ERR_NOT_FOUND. */
struct media_host_worker {
    int pid; /* 0: not running */
    unsigned restarts;
    uint32_t sessions;
    struct media_counters relay; /* since it was started */
    struct media_worker_counters counters;
};
int media_host_worker(const struct media_host *host, unsigned index, struct media_host_worker *ret_worker);

#endif
