/* The insides of the pool of media workers: the processes (media_host_process.c), and the sessions that they relay (media_host.c). */
#ifndef IO_MEDIA_HOST_PRIVATE_H
#define IO_MEDIA_HOST_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "io/media_host.h"
#include "io/media_ports.h"

#include <event2/event_struct.h>
#include <sys/types.h>

/* What waits for a worker that does not read. Beyond it, it is taken for hanging and ended. */
#define MEDIA_QUEUE_MESSAGES_MAX 8192

/* The ports of a worker on an address. */
struct host_ports {
    struct media_ports *free; /* NULL: no such address */
    uint32_t number;          /* of its pairs, with their ports added */
};

/* A process. */
struct host_worker {
    struct media_host *host;
    unsigned index;
    pid_t pid; /* 0: not running */
    int fd;    /* -1: not running */
    bool has_events;
    struct event read_event, write_event, start_event;
    unsigned silent_ticks; /* of the watch, without a word of it */
    struct mono died;
    struct list queue; /* of messages that its socket did not take yet */
    size_t queue_count;
    struct mono started;
    unsigned restarts;
    uint32_t session_count;
    uint32_t port_count; /* the measure of its load */
    uint32_t open_count; /* pairs that it has open, those that are free included */
    struct list sessions;
    struct host_ports ports[MEDIA_SIDES]
                           [2]; /* for IPv4 and for IPv6; where both sides have one address it is inside's */
    struct media_counters relay;
    struct media_worker_counters counters;
};

struct bound_port {
    struct host_ports *ports; /* NULL: not bound */
    uint16_t port;
    bool is_open; /* at the worker */
};

struct host_session {
    uint64_t id;
    struct host_worker *worker;
    struct list of_worker;
    bool is_closed; /* only its summary is waited for */
    uint32_t port_count;
    /* Of IPv4 and of IPv6: an offer may be of another family than what was agreed, and be refused. */
    struct bound_port bound[MEDIA_STREAMS_MAX][MEDIA_SIDES][2];
    uint8_t asked[MEDIA_STREAMS_MAX][MEDIA_SIDES]; /* which of them was asked for last */
    uint8_t *figures;                              /* the last message with them, as it came; NULL: none yet */
    size_t figures_octets;

    /* To go on with in another process: what was told to its worker, and what that told last of where it is. Both hold keys. */
    struct buf description; /* a command; empty: none was given */
    struct buf state;       /* as media_relay_export gives it; empty: none has come */
    unsigned resumed;       /* so many times, the last one at */
    struct mono resumed_at;
};

struct media_host {
    struct loop *loop;
    struct media_host_options options;
    media_host_event_fn *event;
    void *arg;
    struct media_port port;
    struct event watch_event;
    bool has_watch;
    struct map sessions;
    struct loop_timer *idle_timer; /* closes ports that nobody has wanted for long */
    struct host_worker workers[MEDIA_HOST_WORKERS_MAX];
    unsigned worker_count;
    struct media_host_counters counters;
    struct media_counters relay_before; /* of workers that are gone */
    struct media_worker_counters worker_before;
    struct media_counters relay; /* with these */
    struct media_worker_counters worker;
};

/* media_host_process.c */

/* Starts it. ERR_IO, ERR_NO_MEMORY. */
int media_host_start_worker(struct host_worker *w);

/* Ends it and waits for its end. */
void media_host_end_worker(struct host_worker *w);

/* Ends it as if it had died. */
void media_host_kill_worker(struct host_worker *w);

/* Sends a command, with two sockets or none (-1), which stay the caller's. A worker that is beyond its queue ends, and what is sent to one that does not run
 * is lost: its sessions are reported then. */
void media_host_command(struct host_worker *w, const struct media_control *command, const int fds[MEDIA_COMPONENTS]);

void media_host_send(struct host_worker *w, struct slice command, const int fds[MEDIA_COMPONENTS]);

/* media_host.c: what a worker says, that it is gone, and that another process has taken its place, or cannot (false). */
void media_host_said(struct host_worker *w, const struct media_control *message, struct slice octets);
void media_host_died(struct host_worker *w);
void media_host_replaced(struct host_worker *w, bool runs);

#endif
