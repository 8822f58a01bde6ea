/* What the files of the peer share: its state, and how they call one another. Nobody else includes this.
 *
 * The way of a message: link.c unframes it and hands it to forward.c, which passes it on or, if it is for us, to deliver.c; that verifies
 * the signature and gives answers to transaction.c and requests to serve.c, which hands each to the file of its concept (attaching.c,
 * chord_join.c, chord_update.c, values.c, config_update.c …). What changes the routing table goes through chord.c, which tells the others
 * what the change means. */
#ifndef RELOAD_PEER_INTERNAL_H
#define RELOAD_PEER_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "reload/fragment.h"
#include "reload/peer_chord.h"

/* Fixed times of RFC 6940, and of ours where it leaves them open. */
#define REQUEST_TRANSMISSIONS 5     /* 6.2.1: the first and 4 more */
#define REQUEST_LIFETIME_MS 15000   /* 6.2.1 */
#define LINK_CONNECT_MS 10000       /* from PEER_CONNECT to peer_link_up */
#define LINK_RTO_INITIAL_US 3000000 /* before the first measurement */
#define LINK_RTO_MIN_US 1000000     /* RFC 6298 2.4: pauses of a busy machine are no failure */
#define LINK_RTO_MAX_US 10000000
#define LINK_SUSPECT_MS 30000        /* 6.6.5: kept that long after the RTO, then failed for good */
#define LINK_BACK_US 3000000         /* a suspect link is good again when an acknowledgement takes no longer */
#define LINK_SLOW_PROBE_MS 2000      /* until then it is asked so often */
#define LINK_YOUNG_MS 5000           /* two links to a node within it are a simultaneous connect */
#define LINK_DRAIN_MS 2000           /* what the other side sent on a duplicate before it noticed still arrives */
#define ATTACH_LINK_MS 5000          /* from AttachAns to the link */
#define SHUN_MS 10000                /* before a node that could not be attached to is tried again */
#define OPAQUE_LIFE_MS 30000         /* of via lists kept here: twice the life of a request */
#define UPDATE_MISSED_MS 15000       /* a link has been up for so long, and its node has not said that it is a peer */
#define UPDATE_DELAY_MS 20           /* changes of one moment go out as one Update */
#define UPDATE_PAUSE_MS 1000         /* between Updates that report changes: those of a wave go out together */
#define CONFIG_PUSH_INTERVAL_MS 5000 /* the document to one node */
#define CONFIG_AWAIT_MS 5000         /* for the document of the neighbor whose offer was taken */
#define CONFIG_FRESH_MS 5000         /* a new document: it is spreading from link to link */

/* Limits of ours. */
#define OPAQUE_IDS_MAX 1024
#define SERVED_MAX 4096
#define SERVED_OCTETS_MAX (4u << 20)
#define SHUNNED_MAX 32
#define ATTACHES_MAX 64
#define TRANSFERS_MAX 64
#define TRANSFER_WINDOW 8
#define TRANSFER_JOBS_MAX 4096
#define CANDIDATES_MAX 512 /* for fingers, between two rounds */
#define FINGERS_REJECTED_MAX 16
#define FINGER_UNKNOWN_MS 10000.0f /* a round trip of which nothing is known */
#define FINGERS_AFTER_MS 1000      /* from joining: the neighbors are known by then */
#define ADMISSIONS_MAX 32
#define CONFIG_PUSHES_MAX 16
#define REFUSED_MAX 64 /* requests without memory: more are never answered */
#define FRAMES_UNACKNOWLEDGED_MAX 4096
#define CANDIDATE_PRIORITY 2130706431u /* RFC 5245 4.1.2.1: host, highest local preference, component 1 */
#define CANDIDATE_PRIORITY_OTHER (CANDIDATE_PRIORITY - 256u) /* the next local preference */

#define EXTENSION_COORDINATES 0xf001 /* MessageExtensionType of ours (14.14), as our other private numbers */

/* ---- effects (effects.c) ---- */

struct queued_effect {
    struct list link;
    struct peer_effect effect;
    struct buf octets;
    struct region region; /* initialized when its limit is not 0 */
};

/* Not yet in the queue. */
struct peer_effect *peer_effect_new(struct peer *peer, enum peer_effect_type type);
void peer_effect_queue(struct peer *peer, struct peer_effect *effect);
struct region *peer_effect_region(struct peer_effect *effect);

/* Takes the octets over from the buffer. 0, or the buffer's error. */
int peer_effect_take(struct peer_effect *effect, struct buf *octets);
void peer_effect_connect(struct peer *peer, uint64_t link, const struct addr *addr, struct id node);
void peer_effect_close(struct peer *peer, uint64_t link, const char *reason);
void peer_effect_state(struct peer *peer);

/* Takes the octets over in any case. */
int peer_effect_send(struct peer *peer, uint64_t link, struct buf *octets);
void peer_effects_fini(struct peer *peer);

/* ---- the peer ---- */

struct shunned {
    struct id node;
    struct mono until;
};

struct candidate {
    struct id node;
    struct id via; /* who told of it */
    struct coordinate coordinate;
};

struct config_push {
    struct id node;
    struct mono at;
    uint16_t sequence;
};

struct application {
    uint16_t id;
    struct addr addr;
    struct addr other; /* of the other family; family 0: none */
};

/* A message to ourselves. */
struct looped {
    struct list order;
    struct buf message;
};

/* What a bootstrap node has said while we look for the ring. */
enum bootstrap_word {
    BOOTSTRAP_SILENT,
    BOOTSTRAP_GONE,    /* nobody answers at its address */
    BOOTSTRAP_OUTSIDE, /* it is in no ring and may not begin one */
    BOOTSTRAP_LOOKING  /* it is in no ring, and may begin one */
};

struct bootstrap {
    struct addr addr;
    uint64_t link;     /* that we opened to it last */
    struct id node;    /* who was there; zero before */
    struct id claimed; /* who said last, in an Attach, that it listens there; zero: nobody */
    enum bootstrap_word word;
    bool tried; /* in this round */
    bool asked;
};

struct join {
    struct timer timer;
    struct bootstrap *bootstraps;
    size_t bootstrap_count;
    size_t next;  /* to be tried first in this round */
    bool resting; /* between two rounds */
    struct mono began;
    struct mono asked;        /* for the admitting peer */
    struct id asked_node;     /* through whom */
    struct id admitting;      /* zero: not known */
    struct id updated_by;     /* who sent an Update before the admitting peer was known */
    size_t neighbors_pending; /* Attaches under way to those that the admitting peer named */
    unsigned failures;        /* rounds that came to nothing */
};

struct peer {
    struct peer_options options;
    struct peer_ports ports;
    const struct config *config;
    uint32_t overlay; /* of the forwarding header */
    struct peer_counters counters;
    enum peer_state state;
    enum peer_state told_state;
    enum peer_health told_health;
    struct now now; /* of the event that is, or was last, worked on */
    struct mono started;
    bool settling;

    struct heap timers;
    struct list effects;  /* struct queued_effect */
    struct list loopback; /* struct looped: handled when the event is done */
    struct list early;    /* struct early: came before we were a member */
    unsigned early_count;

    struct link **slots; /* by the low 16 bits of a link's number */
    size_t slot_count;
    struct link **by_node;  /* LINK_UP, sorted by Node-ID */
    struct id *by_node_ids; /* of these: a search touches no link */
    size_t by_node_count;
    size_t by_node_capacity;
    size_t link_count;
    uint64_t next_link;

    struct map transactions; /* by transaction id */
    struct list transaction_order;

    struct map served; /* requests of the last 15 s, by signer and transaction id */
    struct list served_order;
    size_t served_octets;
    struct timer served_timer;

    struct map rates; /* by Node-ID: who asks for how much */
    struct list rate_order;

    struct reload_reassembly reassembly;
    struct timer reassembly_timer;
    struct map opaque; /* via lists kept here, by opaque id */
    struct list opaque_order;
    struct timer opaque_timer;

    struct list attaches;
    size_t attach_count;
    struct shunned *shunned; /* SHUNNED_MAX of them, or NULL */
    struct application applications[PEER_APPLICATIONS_MAX];
    size_t application_count;

    struct chord_table table; /* the peers that are linked, answer, and have sent an Update */
    uint32_t table_additions; /* nodes that came to stay */
    struct mono neighbors_changed;
    struct join join;
    struct timer update_timer;
    struct timer repair_timer;
    struct timer stabilize_timer;
    struct timer finger_timer;
    struct mono updates_sent; /* that reported changes */
    double ring_size;         /* as estimated in the last round of fingers; 0 before */
    struct chord_cells cells;
    struct coordinate coordinate;
    struct candidate *candidates; /* CANDIDATES_MAX at the most, or NULL */
    size_t candidate_count;
    size_t candidate_capacity;
    unsigned finger_round;                   /* done since joining */
    bool fingers_asked;                      /* for their tables, in the last round */
    uint32_t rejected[FINGERS_REJECTED_MAX]; /* the ends of Node-IDs that were not worth a link; a ring */
    unsigned rejected_next;
    struct timer partition_timer;
    struct id partition_bootstrap; /* through which the last check went */
    size_t partition_at;           /* the bootstrap node of the last check */
    bool partition_unreachable;    /* it was not there */
    struct handover {
        struct timer timer;
        bool pending;
        struct id from;      /* what lies from here to our range was ours, or is no duty of ours */
        size_t skip;         /* so many predecessors have theirs from each other */
        unsigned runs;       /* so often has it been offered to those who are responsible */
        bool failed;         /* and not taken by one of them, in the last run */
        bool seeking;        /* who is responsible for what lies beyond our neighbors is being asked */
        struct id beyond;    /* up to there */
        struct id sought;    /* the place that is asked for */
        struct mono offered; /* when the neighbors had changed last, the last time that all was offered */
        bool all_offered;
    } handover;
    struct timer leave_timer;
    size_t leaves_pending;

    struct list transfers;
    size_t transfer_count;
    struct list newer; /* Fetches of what others have newer than we */
    struct list admissions;
    size_t admission_count;
    struct list pending_stores;
    struct list uppers;
    uint64_t refused
        [REFUSED_MAX]; /* tokens of requests for which there was no memory: their results are made when there is */
    size_t refused_count;

    struct mono config_since;      /* that it is in use */
    struct id config_awaited_from; /* a neighbor who has a newer one */
    struct mono config_awaited_until;
    struct mono refusal_log; /* of links: the next one is said from then on */
    unsigned refusals_unsaid;
    uint16_t offered_sequence; /* of the document that went up last; again after offer_again */
    struct mono offer_again;
    struct config_push *config_pushes; /* CONFIG_PUSHES_MAX of them, or NULL */
};

/* Works off the messages to ourselves; ends every event. */
void peer_settle(struct peer *peer, struct now now);
void peer_loopback_fini(struct peer *peer);

/* early.c. True if the message is kept until we are a member. */
bool peer_early_keep(struct peer *peer, const struct link *from, struct slice message);
void peer_early_take(struct peer *peer, struct now now);
void peer_early_drop(struct peer *peer);
void peer_reassembly_init(struct peer *peer);
void peer_reassembly_schedule(struct peer *peer);

#endif
