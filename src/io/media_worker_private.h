/* The insides of a media worker: its process and control socket (media_worker.c), its ports (media_worker_ports.c). */
#ifndef IO_MEDIA_WORKER_PRIVATE_H
#define IO_MEDIA_WORKER_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "media/control.h"

/* A socket of a session. */
struct worker_port {
    struct list of_session;
    struct media_flow *flow;
    int fd;
    uint8_t family;
    struct mono visited; /* when it was empty, or nearly */
    uint32_t served;     /* the turn in which it was last ready */
    uint32_t overflowed; /* of the kernel's counter, that have been counted */
};

/* What the worker has to know of a session besides its relay. */
struct worker_session {
    struct list ports;
};

struct worker_receiving;

struct worker {
    int epoll;
    int control;
    bool control_is_full;   /* events wait until it is writable */
    struct now now;         /* of a moment ago */
    struct mono busy_since; /* all ports were empty then */
    uint32_t turn;
    struct media_relay *relay; /* NULL before it is configured */
    struct map sessions;       /* id → struct worker_session */
    struct worker_receiving *receiving;
    struct mono overload_until; /* in the past: it keeps up */
    struct media_worker_counters counters;
    struct mono next_counters;
    int timer;          /* wakes the loop for what is due */
    struct mono alarm;  /* what the timer is set to; MONO_NEVER: it is not */
    struct buf message; /* that the control socket did not take yet, if n */
};

int worker_ports_init(struct worker *w);
void worker_ports_fini(struct worker *w);

/* Takes over both sockets, also on failure. */
int worker_port_open(struct worker *w, uint64_t session, unsigned stream, enum media_side side,
                     const int fds[MEDIA_COMPONENTS]);

/* After a description: closes the ports of streams that are off, and gives the others room for what they are to receive. */
void worker_ports_described(struct worker *w, uint64_t session);

/* Closes all ports of a session. */
void worker_ports_close(struct worker *w, uint64_t session);

/* Receives from a port that is ready and sends what follows: a bounded number of packets. */
void worker_port_serve(struct worker *w, struct worker_port *port);

#endif
