/* Inside of the module: records in memory, for the table and for the terminator that guards them. */
#ifndef PVP_VCR_PRIVATE_H
#define PVP_VCR_PRIVATE_H

#include "base/list.h"
#include "pvp/vcr.h"

struct pvp_vcr_client {
    size_t records; /* also those being written */
    size_t octets;
    char name[];
};

/* What one Node-ID did to a terminating record. */
struct pvp_attempt {
    struct pvp_attempt *next;
    struct id node_id;
    uint8_t failed;
    uint8_t pending;        /* handshakes under way; not stored */
    bool is_prover;         /* it proved the record, which is consumed since */
    struct mono blocked_at; /* when failed reached the limit; not stored: long ago after a restart */
};

/* Numbers are packed: the digits of an E.164 number as one integer, which no leading zero makes ambiguous; 0 is "no number". */
struct pvp_vcr {
    struct pvp_vcr *next_by_id;
    struct pvp_vcr *next_by_called;
    struct pvp_vcr **link_by_called; /* what points here; NULL: not in the index */
    struct heap_node node;           /* in `waiting` or in `expiring` */
    struct pvp_vcr_client *client;
    struct pvp_attempt *attempts;
    struct id id;
    uint64_t called;
    uint64_t calling;
    uint64_t vservice_id;
    struct wall start;
    struct wall stop;
    struct wall due;
    uint32_t writers; /* uploads whose write is under way */
    uint8_t direction;
    uint8_t state;
    uint8_t reason;
    uint8_t tries;
    uint8_t failed;           /* proofs by announced peers, in all */
    uint8_t pending;          /* … under way; not stored */
    uint8_t stranger_failed;  /* by strangers, in all */
    uint8_t stranger_pending; /* … under way; not stored */
    uint8_t answers;          /* given to the prover */
    bool is_live;             /* durable, and in the index by called number */
};

struct pvp_vcr_table {
    struct pvp_vcr_config config;
    const struct kv *kv;
    const struct entropy *entropy;
    const struct log *log;
    struct pvp_vcr_counters counters;
    struct pvp_vcr_totals totals; /* live records; `records` is those in the table, live or not */
    struct pvp_vcr **by_id;
    struct pvp_vcr **by_called;
    size_t buckets; /* of each; a power of two, or 0 */
    uint64_t seed[2];
    struct heap waiting;  /* originating, for Tv */
    struct heap expiring; /* everything that ended or is terminating */
    struct list uploads;  /* whose write is under way: struct upload */
    struct map clients;   /* name → struct pvp_vcr_client */
};

uint64_t pvp_number_pack(const struct e164 *number);
struct e164 pvp_number_unpack(uint64_t packed);

/* vcr_index.c: the two hash tables. */
int pvp_vcr_index_reserve(struct pvp_vcr_table *t); /* room for one more record */
void pvp_vcr_index_add_id(struct pvp_vcr_table *t, struct pvp_vcr *v);
void pvp_vcr_index_add_called(struct pvp_vcr_table *t, struct pvp_vcr *v);
void pvp_vcr_index_remove(struct pvp_vcr_table *t, struct pvp_vcr *v);
struct pvp_vcr *pvp_vcr_index_find(const struct pvp_vcr_table *t, const struct id *id);

/* Live records of a called number, in no order. */
struct pvp_vcr *pvp_vcr_index_first(const struct pvp_vcr_table *t, uint64_t called);
struct pvp_vcr *pvp_vcr_index_next(const struct pvp_vcr *v);

/* vcr_row.c: durable form. */
struct id pvp_vcr_digest(const struct pvp_vcr *v);
int pvp_vcr_row_put(struct pvp_vcr_table *t, const struct pvp_vcr *v);
int pvp_vcr_row_remove(struct pvp_vcr_table *t, const struct pvp_vcr *v);
int pvp_vcr_attempt_put(struct pvp_vcr_table *t, const struct pvp_vcr *v, const struct pvp_attempt *a);
int pvp_vcr_rows_load(struct pvp_vcr_table *t, struct now now);

/* vcr.c: for the loader. A record with its client, in no index yet. */
struct pvp_vcr *pvp_vcr_alloc(struct pvp_vcr_table *t, struct slice client);
void pvp_vcr_free(struct pvp_vcr_table *t, struct pvp_vcr *v);

/* Puts it into the index by called number, the heap that its state asks for, and the totals. */
int pvp_vcr_make_live(struct pvp_vcr_table *t, struct pvp_vcr *v, struct mono due);

/* The attempt of a Node-ID; adds it if asked to (NULL: no memory). */
struct pvp_attempt *pvp_vcr_attempt(struct pvp_vcr *v, const struct id *node_id, bool add);

/* Terminating: another state, without writing. */
void pvp_vcr_set_state(struct pvp_vcr_table *t, struct pvp_vcr *v, enum pvp_vcr_state state,
                       enum pvp_vcr_reason reason);

#endif
