/* The insides of a media worker: its process and control socket (media_worker.c), its ports (media_worker_ports.c), what it sends (media_worker_send.c). */
#ifndef IO_MEDIA_WORKER_PRIVATE_H
#define IO_MEDIA_WORKER_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "media/control.h"

/* Packets that are received at once, and that are sent at once, at most. */
#define WORKER_BATCH 16

/* A socket. */
struct worker_port {
    struct media_flow *flow; /* NULL: of no session; what comes is dropped */
    int fd;
    uint8_t family;
    bool is_shut;        /* the kernel refuses what comes, as if nobody had the port */
    bool sends_apart;    /* the way out of it takes no message of several packets */
    int receive_octets;  /* what the kernel was asked to let wait in it */
    struct mono visited; /* when it was empty, or nearly */
    uint32_t served;     /* the turn in which it was last ready */
    uint32_t overflowed; /* of the kernel's counter, that have been counted */
};

/* Both sockets of a stream's side. They are opened once and serve one session after the other. */
struct worker_pair {
    uint32_t number;
    struct list of_session;
    struct worker_port ports[MEDIA_COMPONENTS];
};

/* What the worker has to know of a session besides its relay. */
struct worker_session {
    struct list pairs;
};

struct worker_receiving;
struct worker_sending;

struct worker {
    int epoll;
    int control;
    bool control_is_full;   /* events wait until it is writable */
    struct now now;         /* of a moment ago */
    struct mono busy_since; /* all ports were empty then */
    uint32_t turn;
    struct media_relay *relay; /* NULL before it is configured */
    struct map sessions;       /* id → struct worker_session */
    struct map pairs;          /* number → struct worker_pair */
    struct worker_receiving *receiving;
    struct worker_sending *sending;
    struct mono overload_until; /* in the past: it keeps up */
    struct media_worker_counters counters;
    struct mono next_counters;
    struct mono next_tell; /* not before, so that what happens to many sessions wakes the signalling process together */
    int timer;             /* wakes the loop for what is due */
    struct mono alarm;     /* what the timer is set to; MONO_NEVER: it is not */
    struct buf message;    /* that the control socket did not take yet, if n */
    struct buf state;      /* of a session that is told */
};

int worker_ports_init(struct worker *w);
void worker_ports_fini(struct worker *w);

/* Takes over both sockets, also on failure. */
int worker_pair_open(struct worker *w, uint32_t number, const int fds[MEDIA_COMPONENTS]);
void worker_pair_close(struct worker *w, uint32_t number);

/* The description, and the ports that it is to have. */
int worker_ports_set(struct worker *w, const struct media_session *session,
                     const uint32_t pairs[MEDIA_STREAMS_MAX][MEDIA_SIDES]);

/* All ports of a session are free for others; until then the kernel refuses what comes to them, behind the first packet. */
void worker_ports_release(struct worker *w, uint64_t session);

/* Receives from a port that is ready and sends what follows: a bounded number of packets. */
void worker_port_serve(struct worker *w, struct worker_port *port);

/* media_worker_send.c */

int worker_sending_init(struct worker *w); /* ERR_NO_MEMORY */

/* The octets stay where they are until the flush. It is the caller's before it receives again, or closes a port. */
void worker_send(struct worker *w, const struct media_packet *packet, uint8_t *octets);
void worker_send_flush(struct worker *w);

#endif
