/* The edge's end of the mapping service: which inside address stands for which far one. Each inside address is one port of one address; the
 * program listens there as long as it stands for somebody. */
#ifndef MAPPING_SERVER_H
#define MAPPING_SERVER_H

#include "base/counter.h"
#include "base/log.h"
#include "base/time.h"
#include "mapping/message.h"

struct mapping_server;

#define MAPPING_POOL_MAX 16384

struct mapping_server_config {
    struct addr first;  /* the pool: this address and port, and `count` ports from there on */
    size_t count;       /* at most MAPPING_POOL_MAX, and up to port 65535 */
    int64_t timeout_ms; /* from the last question or call: then the address is closed. 1 s to a day */
    int64_t rest_ms;    /* and stands for nobody for so long */
    uint64_t seed;      /* of the table */
};
void mapping_server_config_init(struct mapping_server_config *config); /* no pool; the rest has defaults */

/* What the program does for it. */
struct mapping_port {
    void *ctx;
    /* Whether that far address may be called at all. NULL: any. */
    bool (*may_call)(void *ctx, const struct addr *far);
    /* Listens at an inside address: 0, or an error, at which another one is tried. */
    int (*open)(void *ctx, const struct addr *inside);
    void (*close)(void *ctx, const struct addr *inside);
};

/* clang-format off */
#define MAPPING_SERVER_COUNTERS(X) X(questions) X(made) X(refreshed) X(ended) X(refused_malformed) X(refused_far) X(refused_full) X(not_opened)
/* clang-format on */
COUNTERS_DECLARE(mapping_server_counters, MAPPING_SERVER_COUNTERS)

/* ERR_RANGE for a pool that is none. The port is copied; its ctx outlives the server. The log may be NULL. */
int mapping_server_new(const struct mapping_server_config *config, const struct mapping_port *port,
                       const struct log *log, struct mapping_server **ret_server);

/* Closes what is open. NULL is allowed. */
void mapping_server_free(struct mapping_server *s);

/* One message of one of our agents: appends the answer. 0; ERR_SYNTAX: it was none, close the connection. */
int mapping_server_answer(struct mapping_server *s, struct now now, struct slice message, struct buf *answer);

/* Whom the inside address stands for that a call came to; that keeps it. False: for nobody. */
bool mapping_server_find(struct mapping_server *s, struct now now, const struct addr *inside, struct addr *ret_far);

void mapping_server_tick(struct mapping_server *s, struct now now);
struct mono mapping_server_deadline(const struct mapping_server *s);

struct mapping_view {
    struct addr far, inside;
    struct wall since;
    uint64_t calls;  /* connections that were asked for with mapping_server_find */
    int64_t left_ms; /* until it ends, if nothing happens */
};
typedef void mapping_each_fn(void *ctx, const struct mapping_view *view);
void mapping_server_each(const struct mapping_server *s, struct now now, mapping_each_fn *each, void *ctx);
size_t mapping_server_count(const struct mapping_server *s);
const struct mapping_server_counters *mapping_server_counters(const struct mapping_server *s);

#endif
