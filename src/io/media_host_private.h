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

/* A process. */
struct host_worker {
    struct media_host *host;
    unsigned index;
    pid_t pid; /* 0: not running */
    int fd;    /* -1: not running */
    bool has_events;
    struct event read_event, write_event, start_event;
    struct list queue; /* of messages that its socket did not take yet */
    size_t queue_count;
    struct mono started;
    unsigned restarts;
    uint32_t session_count;
    uint32_t port_count; /* the measure of its load */
    struct list sessions;
    struct media_counters relay;
    struct media_worker_counters counters;
};

struct bound_port {
    struct media_ports *ports; /* NULL: not bound */
    uint16_t port;
};

struct host_session {
    uint64_t id;
    struct host_worker *worker;
    struct list of_worker;
    bool is_closed; /* only its summary is waited for */
    uint32_t port_count;
    struct bound_port bound[MEDIA_STREAMS_MAX][MEDIA_SIDES];
    uint8_t *figures; /* the last message with them, as it came; NULL: none yet */
    size_t figures_octets;
};

struct media_host {
    struct loop *loop;
    struct media_host_options options;
    media_host_event_fn *event;
    void *arg;
    struct media_port port;
    struct media_ports
        *ports[MEDIA_SIDES][2]; /* of IPv4 and of IPv6; the same object where both sides have one address */
    struct map sessions;
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

/* Sends a command, with two sockets or none (-1), which stay the caller's. A worker that is beyond its queue ends, and what is sent to one that does not run
 * is lost: its sessions are reported then. */
void media_host_command(struct host_worker *w, const struct media_control *command, const int fds[MEDIA_COMPONENTS]);

/* media_host.c: what a worker says, and that it is gone. */
void media_host_said(struct host_worker *w, const struct media_control *message, struct slice octets);
void media_host_died(struct host_worker *w);

#endif
