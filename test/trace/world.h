/* A small deterministic world for traces: virtual time, in-memory links with latency, and N ring peers with real certificates, the real
 * security module and storage in memory. Nodes are numbered from 1; node 1 is the bootstrap node and may start the ring.
 *
 * What goes over the links is written down, one line per message and hop: "[110] 2 > join_req 1" (milliseconds, sender, message,
 * receiver). Tests read these lines; WORLD_TRACE=1 in the environment prints them. */
#ifndef TRACE_WORLD_H
#define TRACE_WORLD_H

#include "base/heap.h"
#include "base/list.h"
#include "reload/fragment.h"
#include "reload/peer.h"
#include "store/memory.h"

#define WORLD_NODES_MAX 64
#define WORLD_KIND RELOAD_KIND_VIPR_REGISTRATION

struct world;

struct world_node {
    struct world *world;
    unsigned number;
    struct id id;
    struct addr addr;
    struct key *key;
    struct cert *cert;
    struct memory_store *kv;
    const struct config *config; /* in use; owned by the world */
    struct security *security;
    struct storage *storage;
    struct peer *peer;   /* NULL: not running */
    bool frozen;         /* runs, but nothing comes in or goes out: a machine that hangs */
    unsigned side;       /* nodes of different sides cannot reach each other */
    unsigned knows;      /* it remembers this node's address from before it was started; 0: none */
    unsigned redirect;   /* connections to its address reach this node instead; 0: itself */
    bool banned;         /* PEER_BANNED came */
    struct list results; /* PEER_RESULT effects that have come */
    unsigned app_attached;
    struct id app_node; /* of the last PEER_APP_ATTACHED */
    struct addr app_addr;
};

/* Sees every data message that a node sends over a link, and may put another one in its place. Returns true if it did. */
typedef bool world_tap_fn(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                          struct buf *ret_instead);

struct world {
    struct now now;
    struct mono began;
    int64_t latency_us;
    int64_t setup_us; /* what it takes to set up a connection, beside the latency */
    struct seeded_entropy seed;
    struct entropy entropy;
    struct world_node nodes[WORLD_NODES_MAX + 1];
    unsigned node_count;
    struct key *authority_key;
    struct cert *authority;
    struct key *signer_key;
    struct cert *signer;
    struct config *configs[512]; /* all documents that were ever in use */
    size_t config_count;
    struct heap events;
    struct list pipes;
    struct buf trace;
    world_tap_fn *tap;
    void *tap_ctx;
    unsigned apart[2]; /* these two cannot reach each other, all others can; 0: all can */
    unsigned firsts;   /* nodes 1 to this are bootstrap nodes that may start a ring; 0: node 1 alone */
    void (*tune)(struct peer_options *options); /* changes a node's options before it starts */
    bool print;
    uint64_t next_token;
    uint64_t messages; /* data frames sent in all */
};

struct world *world_new(uint64_t seed);
void world_free(struct world *world);

/* A node with this Node-ID; it does not run yet. Returns its number. */
unsigned world_add(struct world *world, struct id id);

/* Node-ID at this fraction of the ring: position/parts. */
struct id world_place(unsigned position, unsigned parts);

/* A node that runs, what it stored before included, and looks for the ring. */
void world_start(struct world *world, unsigned node);

/* The process is killed: its links go down, what is not durable is lost. */
void world_kill(struct world *world, unsigned node);

/* The link between two nodes breaks. False if there is none. */
bool world_cut(struct world *world, unsigned a, unsigned b);

/* Breaks all links between nodes of different sides. */
void world_split(struct world *world);

/* Lets time pass. */
void world_run(struct world *world, int64_t ms);
bool world_run_until(struct world *world, bool (*reached)(struct world *world), int64_t ms);

/* All running nodes have joined. */
bool world_all_joined(struct world *world);

/* All running nodes have joined and have the right neighbors: the nearest ones among those that run. */
bool world_is_right(struct world *world);

/* n nodes evenly spread, started one after the other. Asserts that they join. */
struct world *world_of(unsigned n, uint64_t seed);

/* The running node that is responsible for a place. */
unsigned world_owner(const struct world *world, struct id place);

/* Requests from a node. They wait for the result, which belongs to the world. */
const struct peer_result *world_store(struct world *world, unsigned node, struct id resource, const char *value);
const struct peer_result *world_fetch(struct world *world, unsigned node, struct id resource);
const struct peer_result *world_ping(struct world *world, unsigned node, struct peer_target target);
const struct peer_result *world_wait(struct world *world, unsigned node, uint64_t token);

/* The value of the fetched items that this node signed; "" if there is none. NUL-terminated. */
const char *world_value(const struct peer_result *result, struct id signer);

/* How many values a node holds for a resource, asked of its storage. */
size_t world_holds(struct world *world, unsigned node, struct id resource);

/* A message as this node would sign it. A zero header has all that is usual; what is set in it stays. */
void world_craft(struct world *world, unsigned signer, const struct reload_header *header,
                 const struct reload_body *body, struct buf *ret_message);

/* Delivers a message to a node as if it came over its link from another node. */
void world_inject(struct world *world, unsigned from, unsigned to, struct slice message);

/* The trace so far, and whether a line has this text (after the time). */
const char *world_trace(struct world *world);
bool world_saw(struct world *world, const char *text);
unsigned world_count(struct world *world, const char *text);
void world_forget_trace(struct world *world);

/* The certificate of another authority, or of another overlay, for this Node-ID. Free it with cert_free. */
struct cert *world_foreign_certificate(struct world *world, struct id id, bool foreign_authority, const char *overlay);

/* Gives a node that does not run yet a certificate that names a second Node-ID. */
void world_name_twice(struct world *world, unsigned node, struct id other);

/* A good certificate that names two nodes. Free it with cert_free. */
struct cert *world_double_certificate(struct world *world, struct id a, struct id b);

/* Spreads a new configuration: given to this node only. The callback changes the copy of the present one. */
void world_configure(struct world *world, unsigned node, void (*change)(struct world *world, struct config *config));

const struct peer_counters *world_counters(const struct world *world, unsigned node);

#endif
