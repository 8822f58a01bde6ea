/* Links between the files of the peer: link.c, and what hangs on timers. Private to the peer. */
#ifndef RELOAD_PEER_LINK_H
#define RELOAD_PEER_LINK_H

#include "base/buf.h"
#include "base/heap.h"
#include "reload/chord_reach.h"
#include "reload/coordinate.h"
#include "reload/peer.h"

struct timer;
typedef void timer_fn(struct peer *peer, struct now now, struct timer *timer);

/* Sits in what waits; heap_node first. */
struct timer {
    struct heap_node node;
    timer_fn *fire;
};

/* ---- links (link.c) ---- */

enum link_state {
    LINK_CONNECTING,
    LINK_NAMELESS, /* which node of its certificate it is will be seen: accepted, or to a bootstrap node */
    LINK_UP,
    LINK_DRAINING
};

struct sent_frame {
    struct mono at;
    uint32_t sequence;
    uint32_t octets;
};

struct link {
    struct timer timer;
    uint64_t number; /* low 16 bits: its slot */
    struct id node;  /* zero until known (outgoing to a bootstrap node, LINK_NAMELESS) */
    struct addr addr;
    enum link_state state;
    bool incoming;
    bool bootstrap;
    bool member;              /* the node sent an Update: it is a peer, and may be routed through (6.5.1) */
    bool suspect;             /* no ack in time: out of the table until one comes */
    bool update_wanted;       /* send_update of its Attach */
    bool asked_by_us;         /* by our Attach; the other side need not want it */
    bool asked_by_them;       /* by an Attach of the node */
    bool update_due;          /* a neighbor that our next Updates go to */
    bool must_attach;         /* its certificate names several nodes: only Ping and Attach before an Attach (6.1.2) */
    const char *doomed;       /* to be closed for this reason as soon as the event is done; static. NULL: no */
    bool config_offered;      /* a Ping that offers our configuration is under way */
    bool heard_any;           /* received_last and received_mask hold */
    uint16_t config_sequence; /* of the node's own last message; CONFIG_SEQUENCE_ANY: unknown */
    uint8_t certificate_hash[SECURITY_HASH_OCTETS]; /* zero while connecting */
    struct mono since;                              /* of the state */
    struct mono heard;                              /* octets came */
    struct mono suspected;
    struct mono asked_update; /* of who is no member: when it was asked for one last; the beginning of time: never */
    struct mono asked_until;  /* when all requests that came are worked off at the rate that a link may have */
    uint32_t next_sequence;
    uint32_t received_last;
    uint32_t received_mask;  /* bit k: received_last - k came too, for the ack */
    struct sent_frame *sent; /* not acknowledged, oldest first; NULL when there is none */
    uint32_t sent_count;
    uint32_t sent_capacity;
    uint32_t sent_octets;
    int32_t srtt_us; /* RFC 6298; 0: not measured */
    int32_t rttvar_us;
    struct coordinate coordinate; /* as the node says */
    struct mono corrected;        /* when an Update told the node that it took us for an owner we are not */
    struct id begins;             /* the node is responsible from behind here, its predecessor; zero: not known */
    struct mono told;             /* when it said so, and the gap */
    float gap;                    /* between nodes where it stands, as a fraction of the ring; 0: not known */
    struct chord_reach reach;     /* whom the node is linked to */
    uint32_t shown;               /* table_additions when it was told last whom we are linked to */
    struct buf input;             /* the part of a frame that has come so far */
};

/* ---- who is there (link_identity.c) ---- */

struct link_identity {
    struct id node; /* zero: its messages will tell */
    uint8_t certificate_hash[SECURITY_HASH_OCTETS];
};

/* Judges the certificate of a link, counting why it is refused. `expected` may be zero. */
int peer_link_identify(struct peer *peer, struct now now, const struct addr *addr, struct slice certificate,
                       struct id expected, struct link_identity *ret_identity);

/* The node of a nameless link's certificate that has signed this message; an error if it is none, counted. */
int peer_link_signer(struct peer *peer, struct now now, const struct link *link, struct slice message,
                     struct id *ret_node);

struct link *peer_link_find(const struct peer *peer, uint64_t number);

/* The link that messages to this node take, or NULL. */
struct link *peer_link_to(const struct peer *peer, struct id node);

/* Asks for a connection; node zero: whoever is there. NULL (counted) at a limit. */
struct link *peer_link_connect(struct peer *peer, struct now now, const struct addr *addr, struct id node,
                               bool bootstrap);
void peer_link_close(struct peer *peer, struct now now, struct link *link, const char *reason);

/* Frames and sends a message. When the queue is full the message is dropped and the link is closed, but not before the event that is being
 * worked on is done: nobody has a link taken away by sending. */
void peer_link_send(struct peer *peer, struct now now, struct link *link, struct slice message);

/* Sets the timer anew, after something changed that it depends on. */
void peer_link_schedule(struct peer *peer, struct link *link);

/* Whether a link is being made to this node, or to this bootstrap address (or is there). */
bool peer_link_connecting(const struct peer *peer, struct id node);
bool peer_link_has_bootstrap(const struct peer *peer, const struct addr *addr);
void peer_links_close(struct peer *peer, struct now now, const char *reason);
void peer_links_fini(struct peer *peer);

/* Closes links to nodes that the configuration bans, or whose certificates are of an authority that it does not have any longer. */
void peer_links_judge(struct peer *peer, struct now now);

#endif
