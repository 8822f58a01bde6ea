/* The parts of ime-impair: ends, the ways between them, and what is on its way.
 *
 * An end has an address at which others know it, and one at which it really is, as behind a static NAT that keeps ports. The relay is at the
 * first of the two, with the same ports, and passes on to the second what comes there; what end A sends to end B leaves from A's known address, so that B sees
 * A where it expects it. */
#ifndef IME_IMPAIR_PROGRAM_H
#define IME_IMPAIR_PROGRAM_H

#include "base/heap.h"
#include "base/list.h"
#include "bin/daemon/daemon.h"
#include "impair/path.h"
#include "io/udp.h"

#define ENDS_MAX 16
#define END_NAME_OCTETS 32          /* with the NUL */
#define END_TCP_MAX 8               /* ports of an end */
#define END_UDP_MAX 4096            /* the same */
#define HELD_OCTETS_MAX (64u << 20) /* of everything that is on its way; beyond, packets are lost */
#define CONNS_MAX 4096

/* ---- configuration (settings.c) ---- */

struct end_options {
    char name[END_NAME_OCTETS];
    struct addr known, real; /* ports do not count */
    uint16_t tcp[END_TCP_MAX];
    size_t tcp_count;
    uint16_t udp_first;
    size_t udp_count;
};

struct settings {
    const struct conf *conf;
    uint64_t seed; /* 0: the kernel's randomness */
    struct end_options ends[ENDS_MAX];
    size_t end_count;
};

extern const struct conf_table settings_table;
int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings);
void settings_free(struct settings *s);

/* ---- the relay ---- */

/* A port for packets: of an end's known address. */
struct media_port {
    struct relay *relay;
    size_t end;
    struct udp *udp;
};

struct end {
    const struct end_options *options;
    struct media_port *ports;
    struct listener *listeners[END_TCP_MAX];
};

/* One direction of a connection: what was read from `from` is to be written to `to`. */
struct conn;
struct direction {
    struct conn *conn;
    struct stream *from;
    size_t way_from, way_to;
    struct mono last;   /* nothing arrives before it */
    struct list pieces; /* on their way, in order */
    size_t octets;      /* of these */
    bool paused;        /* reading */
};

struct conn {
    struct list link;
    struct relay *relay;
    bool connected;
    struct direction directions[2]; /* of who connected, and back */
};

/* A packet, or a piece of a stream, that is on its way. */
struct piece {
    struct heap_node node;
    struct list link;            /* of a direction */
    struct direction *direction; /* NULL: a packet */
    struct impair_path *path;
    struct udp *udp; /* where a packet leaves */
    struct addr to;
    bool is_end; /* behind it the stream closes */
    size_t n;
    uint8_t octets[];
};

/* clang-format off */
#define RELAY_COUNTERS(X) \
    X(strangers) /* packets of none of the ends */ X(ports_unknown) /* their port is none of the end's */ X(held_full) \
    X(connections) X(connections_failed) X(connections_refused)
/* clang-format on */
COUNTERS_DECLARE(relay_counters, RELAY_COUNTERS)

struct relay {
    struct daemon *daemon;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct end ends[ENDS_MAX];
    size_t end_count;
    struct impair_path paths[ENDS_MAX + 1][ENDS_MAX + 1]; /* the last one: of everybody else */
    struct heap heap;                                     /* of pieces */
    size_t held, held_octets;
    struct list conns;
    size_t conn_count;
    struct udp_counters udp;
    struct stream_counters streams;
    struct relay_counters counters;
    struct wall started_at;
    bool wants_shutdown;
};

/* relay.c */
int relay_start(struct relay *r);
void relay_stop(struct relay *r);
void relay_tick(struct relay *r, struct now now);

/* Index of the end that really is, or is known, at this IP address; end_count: of none. */
size_t relay_end_at(const struct relay *r, const struct addr *address);
size_t relay_end_named(const struct relay *r, const char *name);
const char *relay_end_name(const struct relay *r, size_t end);
void relay_set(struct relay *r, size_t from, size_t to, const struct impair_settings *settings);

/* A piece of these octets; NULL: too much is on its way, or no memory. Held, it arrives at its time; ERR_NO_MEMORY: it is not held. */
struct piece *relay_piece(struct relay *r, struct slice octets);
int relay_hold(struct relay *r, struct piece *piece, struct mono at);
void relay_piece_free(struct relay *r, struct piece *piece);

/* media.c: packets. */
int media_open(struct relay *r, size_t end);
void media_close(struct relay *r, size_t end);

/* streams.c: connections. */
int streams_open(struct relay *r, size_t end);
void streams_close(struct relay *r);
bool streams_arrived(struct direction *d); /* its first pieces are due; false: its connection is gone */
void streams_resume(struct relay *r);      /* a cut may have ended */

/* show.c: commands. */
extern const struct ctl_handler relay_handlers[];
extern const size_t relay_handler_count;

#endif
