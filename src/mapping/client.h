/* The call agent's end of the mapping service: asks which inside address stands for a far one, and keeps the answers while they are good. */
#ifndef MAPPING_CLIENT_H
#define MAPPING_CLIENT_H

#include "base/counter.h"
#include "base/log.h"
#include "base/time.h"
#include "mapping/message.h"

struct mapping_client;

struct mapping_client_config {
    int64_t answer_ms; /* until a question has its result, whatever happens */
    int64_t retry_ms;  /* after a failure no new connection is made for so long: questions fail at once */
    size_t far_max;    /* far addresses that are remembered; beyond, the one that was not asked for longest gives way */
    size_t waiting_max; /* questions without a result; beyond: ERR_LIMIT */
    uint64_t seed;
};
void mapping_client_config_init(struct mapping_client_config *config);

/* clang-format off */
#define MAPPING_CLIENT_COUNTERS(X) X(questions) X(known) X(asked) X(answered) X(refused) X(timeouts) X(connections) X(connections_failed) X(failed_at_once) X(answers_stray) X(malformed) X(refused_limit)
/* clang-format on */
COUNTERS_DECLARE(mapping_client_counters, MAPPING_CLIENT_COUNTERS)

/* The log may be NULL, else it outlives the client. */
int mapping_client_new(const struct mapping_client_config *config, const struct log *log,
                       struct mapping_client **ret_client);
void mapping_client_free(struct mapping_client *c); /* NULL is allowed */

/* 1: ret_inside is good now. 0: MAPPING_CLIENT_RESULT with the token follows. ERR_UNREACHABLE (the service could not be reached just before),
 * ERR_LIMIT, ERR_NO_MEMORY. */
int mapping_client_ask(struct mapping_client *c, struct now now, const struct addr *far, uint64_t token,
                       struct addr *ret_inside);

/* An inside address led nowhere: the next call asks again. */
void mapping_client_forget(struct mapping_client *c, const struct addr *far);

/* What happened on the connection that was asked for by MAPPING_CLIENT_CONNECT. closed also when it could not be made; it is not told of one
 * that MAPPING_CLIENT_DISCONNECT has ended. */
void mapping_client_connected(struct mapping_client *c, struct now now);
void mapping_client_input(struct mapping_client *c, struct now now, struct slice octets);
void mapping_client_closed(struct mapping_client *c, struct now now);

void mapping_client_tick(struct mapping_client *c, struct now now);
struct mono mapping_client_deadline(const struct mapping_client *c);

enum mapping_client_effect_kind {
    MAPPING_CLIENT_CONNECT,
    MAPPING_CLIENT_SEND,       /* octets */
    MAPPING_CLIENT_DISCONNECT, /* at once */
    MAPPING_CLIENT_RESULT      /* token, err, code (of ERR_FORBIDDEN: the service's), inside */
};

struct mapping_client_effect {
    enum mapping_client_effect_kind kind;
    struct slice octets; /* valid until the next call of any function */
    uint64_t token;
    int err;       /* 0; ERR_FORBIDDEN: the service refuses; ERR_TIMEOUT; ERR_UNREACHABLE */
    unsigned code; /* enum mapping_code; 0: none */
    struct addr inside;
};
bool mapping_client_next(struct mapping_client *c, struct mapping_client_effect *ret_effect);

bool mapping_client_is_up(const struct mapping_client *c);
size_t mapping_client_waiting(const struct mapping_client *c);
const struct mapping_client_counters *mapping_client_counters(const struct mapping_client *c);

#endif
