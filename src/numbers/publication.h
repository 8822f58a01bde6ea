/* Private: what the publisher keeps of one number. */
#ifndef NUMBERS_PUBLICATION_H
#define NUMBERS_PUBLICATION_H

#include "base/heap.h"
#include "base/map.h"
#include "numbers/pace.h"
#include "numbers/publisher.h"

/* In the heap from the publication's birth to its end (MONO_NEVER when nothing is due), so that setting one cannot fail. */
enum timer_kind {
    TIMER_COPY,   /* owner: a copy; its retry or refresh */
    TIMER_BEGIN,  /* owner: a publication; find its Resource-IDs and store */
    TIMER_ANSWER, /* … answer who waits */
    TIMER_HOLD    /* … it ends */
};
struct timer {
    struct heap_node node;
    enum timer_kind kind;
    void *owner;
};

enum copy_state {
    COPY_IDLE,    /* nothing to do, or the timer says when */
    COPY_QUEUED,  /* in publisher->urgent or ->routine */
    COPY_STORING, /* a store is under way */
};

struct copy {
    struct publication *owner;
    struct list link;
    struct timer timer;
    enum copy_state state;
    bool again; /* to be stored again as soon as the store under way is done */
    bool fresh; /* done as wanted since it was last asked for */
    bool failed;
    enum numbers_outcome outcome;
    uint16_t error_code;
    unsigned attempts;     /* in vain, since it was last stored or asked for */
    struct wall stored_at; /* 0: it is not in the ring */
    struct wall expires;
};

struct publication {
    struct numbers_publisher *publisher;
    struct e164 number;
    uint64_t vservice_id;
    unsigned node; /* number of the Node-ID that it belongs to */
    bool saved;    /* a row of it is durable */
    bool wanted;   /* false: to be removed */
    bool asked;    /* and not begun since */
    size_t saves;  /* under way: the publication must stay */
    struct wall held_until;
    struct wall row_stored_at; /* as the row has it */
    struct list waiters;
    size_t waiter_count; /* those whose save is under way included */
    struct numbers_wait wait;
    bool hashing;
    bool known; /* slots are */
    struct numbers_slot slots[NUMBERS_COPIES];
    struct copy copies[NUMBERS_COPIES];
    struct timer begin;
    struct timer answer;
    struct timer hold;
};

/* Somebody who is to be answered; first in a save, then in a publication, at last in publisher->results. */
struct waiter {
    struct list link;
    uint64_t token;
    bool wants; /* publish, or remove */
    enum numbers_outcome outcome;
    struct e164 number;
    uint64_t vservice_id;
    unsigned copies;
};

/* A store under way. */
struct store {
    struct list link; /* in publisher->unsent or ->unused */
    uint64_t id;
    struct copy *copy; /* NULL: nobody is interested any more */
    unsigned node;
    struct id resource;
    bool exists;
    uint32_t lifetime_s;
    char key[NUMBERS_KEY_OCTETS + 1];
    struct buf value;
};

struct numbers_publisher {
    struct numbers_publisher_config config;
    struct numbers_publisher_ports ports;
    struct id nodes[NUMBERS_NODES_MAX];
    bool has_node[NUMBERS_NODES_MAX];
    uint32_t node_counts[NUMBERS_NODES_MAX];     /* publications of each */
    struct wall signed_since[NUMBERS_NODES_MAX]; /* copies stored before may be signed with a certificate that ends */
    uint64_t generation;                         /* of the resolver's profile */
    struct map publications;                     /* by VServiceID and number */
    uint32_t publication_count;
    struct heap timers;
    struct list urgent;  /* copies that somebody waits for */
    struct list routine; /* refreshes and retries */
    uint32_t queued;
    struct pace pace;
    struct store *stores; /* config.in_flight_max */
    struct list unused;
    struct list unsent;
    uint32_t in_flight;
    uint64_t store_serial;
    struct list results;
    struct list saves; /* commits that somebody waits for */
    struct numbers_publisher_counters counters;
};

/* publication.c: life of a publication. */
#define PUBLICATION_KEY_OCTETS (8 + E164_OCTETS_MAX)
struct slice publication_key(uint64_t vservice_id, const struct e164 *number, uint8_t octets[PUBLICATION_KEY_OCTETS]);
struct publication *publication_find(const struct numbers_publisher *p, uint64_t vservice_id,
                                     const struct e164 *number);
/* NULL: no memory. */
struct publication *publication_new(struct numbers_publisher *p, unsigned node, uint64_t vservice_id,
                                    const struct e164 *number);
void publication_move(struct publication *pub, unsigned node);
/* Forgets it, its timers and the interest in its stores; who waits must have been answered. */
void publication_free(struct publication *pub);
unsigned publication_copies(const struct publication *pub, struct wall now);
void timer_set(struct numbers_publisher *p, struct timer *timer, struct mono due);

static inline bool copy_is_stored(const struct copy *copy, struct wall now)
{
    return copy->stored_at.ms != 0 && copy->expires.ms > now.ms;
}

/* saving.c: rows. save_wish makes the waiter's wish durable, and then ends in publisher_saved. */
void save_wish(struct publication *pub, struct waiter *waiter, struct wall held_until);
/* Notes in the row when the copies were stored. Nobody waits for it. */
void save_stored_at(struct publication *pub);
/* Notes that it belongs to another Node-ID, and is not in the ring under that. */
void save_moved(struct publication *pub);
void save_end(struct publication *pub);
void save_forget_all(struct numbers_publisher *p);

/* publisher.c */
void publisher_saved(struct publication *pub, struct waiter *waiter, struct wall held_until, int err);

#endif
