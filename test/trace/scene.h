/* A deterministic world of companies for traces: each has one composed server (src/server), a call agent (the VAP client core), a disk in
 * memory and a clock of its own, all in one process and in virtual time. Ring links, VAP connections and TLS-SRP channels are in-memory
 * pipes with latency; certificates and their signatures are real; the handshake of a channel succeeds if both sides have the same password.
 *
 * What the servers log and what the agents are told is written down, one line each: "[12030] A validation.proved number=…"
 * (milliseconds, company, event). Tests read these lines; SCENE_TRACE=1 in the environment prints them. Companies are numbered from 1
 * and lettered from A; A's server is the bootstrap server. */
#ifndef TRACE_SCENE_H
#define TRACE_SCENE_H

#include "base/heap.h"
#include "base/list.h"
#include "server/server.h"
#include "store/memory.h"
#include "ticket/keyset.h"
#include "vap/client.h"

#include <jansson.h>

#define SCENE_COMPANIES_MAX 8
#define SCENE_UPLOADS_MAX 64
#define SCENE_ROUTES_MAX 64
#define SCENE_NODES_MAX 4 /* Node-IDs of one server */
#define SCENE_MINUTE INT64_C(60000)
#define SCENE_HOUR (60 * SCENE_MINUTE)

struct scene;

/* What became of a call record or a number that the agent sent. */
struct answer {
    bool came;
    int err;
    unsigned code; /* of VAP */
    char reason[96];
};

/* A route that the agent was told of. */
struct told {
    char number[24];
    char uri[128];
    char ticket[512];
};

struct agent {
    struct vap_client *client; /* NULL: not connected and not trying */
    uint64_t vservice_id;
    char domain[64];
    char uri[128];
    enum vap_list_kind list_kind;
    const char *listed; /* the one domain on the list */
    bool refuses;       /* answers notifications with an error */
    bool online;
    struct answer uploads[SCENE_UPLOADS_MAX];
    size_t upload_count;
    struct answer numbers[SCENE_UPLOADS_MAX];
    size_t number_count;
    struct told told[SCENE_ROUTES_MAX];
    size_t told_count;

    /* In the agent's place, a border element with a copy of the keys of its company's tickets. */
    struct memory_store *copy_disk; /* outlives edge_stop */
    struct keyring *copy;
    struct keyset_receiver receiver;
    uint64_t keeping; /* the notification that waits for the disk */
};

struct company {
    struct scene *scene;
    unsigned number;
    char letter[2];
    struct id id;
    unsigned node_count;                          /* Node-IDs that it is to have: 1 unless a test says otherwise */
    bool has_node[SCENE_NODES_MAX];               /* a certificate for this further one lies on the disk */
    struct security *securities[SCENE_NODES_MAX]; /* of further ones */
    struct cert *certs[SCENE_NODES_MAX];          /* in place of those that live for more than a year */
    struct addr ring_address;
    struct addr pvp_address;
    struct memory_store *disk;
    struct security *security;
    struct numbers_hasher hasher;
    struct log log;
    struct server_options options;
    struct server *server; /* NULL: not running */
    struct ctl_server ctl;
    unsigned life;    /* how often it was started */
    int64_t clock_ms; /* how far its clock is ahead of the true time */
    int64_t disk_us;  /* from a commit to its completion */
    bool disk_hangs;  /* nothing is completed */
    bool disk_turns;  /* a completion is scheduled */
    bool fetches;     /* the newest configuration when it starts, as from the enrollment server */
    bool left;
    bool banned;
    unsigned configurations; /* SERVER_CONFIG effects */
    unsigned looked_up;      /* SERVER_LOOKED_UP effects */
    struct agent agent;
};

struct scene {
    struct now now; /* the true time */
    struct mono began;
    int64_t latency_us;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct company companies[SCENE_COMPANIES_MAX + 1];
    unsigned company_count;
    struct buf document; /* the configuration that a new server starts with */
    uint16_t sequence;
    unsigned authorities[2]; /* of the configuration; the first one issues */
    unsigned authority_count;
    struct heap events;
    struct list pipes;
    struct buf trace;
    size_t read; /* of the trace: where the line that was expected last ends */
    bool print;
    uint64_t next_conn;
    struct company *victim; /* crashes at this mark, before its effects leave */
    uint64_t crash_at;
    uint64_t marks; /* completions of disks, and events of VAP and PVP connections, so far */
};

/* ---- making it ---- */

/* So many companies; nothing runs yet, so that options may be changed. */
struct scene *scene_new(unsigned companies, uint64_t seed);
void scene_free(struct scene *scene);

/* 'A' … */
struct company *scene_company(struct scene *scene, char letter);

/* The server runs, with what is on its disk; its agent goes on trying to connect. */
void company_start(struct company *c);

/* The same, but a failure is returned, as it may be when memory is short. */
int company_try_start(struct company *c);

/* The process ends in good order: what was written is completed. */
void company_stop(struct company *c);

/* The process is killed or the power fails: what is not durable is lost. */
void company_crash(struct company *c);

/* The server, running or not, gets another certificate for its Node-ID, as from the enrollment server: it lives for so long from now on. Without
 * that its certificates live for more than a year. */
void company_renew(struct company *c, unsigned node, int64_t life_ms);

/* The agent appears: connects, publishes its VService, subscribes. Or goes away without a word. */
void agent_start(struct company *c);
void agent_stop(struct company *c);

/* The same for a border element, in the agent's place: it wants the keys of its company's tickets, and keeps a copy. Its account is
 * made by scene_grant_edge, before the server starts. */
void scene_grant_edge(struct company *c);
void edge_start(struct company *c);
void edge_stop(struct company *c);
void edge_told(struct company *c, const struct vap_client_effect *e);

/* All servers run and have joined, all agents are online. Asserts it. */
struct scene *scene_of(unsigned companies, uint64_t seed);

/* Another configuration of the ring, given to the disks of none: the document for scene_inform. The callback changes the copy. */
void scene_configure(struct scene *scene, void (*change)(struct scene *scene, struct config *config));

/* The same, with the other one of two authorities beside the first one, or in its place: this one (0, 1) issues from now on.
 * Numbers live for eight hours in the ring then: within an eighth of that servers sign anew. */
void scene_authorities(struct scene *scene, unsigned issues, bool both);

/* ---- what happens ---- */

void scene_run(struct scene *scene, int64_t ms);
bool scene_run_until(struct scene *scene, bool (*reached)(struct scene *scene), int64_t ms);

/* Runs until a line comes that begins with this event ("A route.learned") and contains this text, behind the one that was expected last.
 * Asserts that it does. */
void scene_expect(struct scene *scene, int64_t ms, const char *event, const char *text);

/* The same for so many lines in all, in any order with others. */
void scene_expect_count(struct scene *scene, int64_t ms, const char *event, const char *text, unsigned count);

/* One event. False if nothing more happens within an hour. */
bool scene_step(struct scene *scene);

/* How many such lines there are. */
unsigned scene_count(struct scene *scene, const char *event, const char *text);
bool scene_saw(struct scene *scene, const char *event, const char *text);
const char *scene_trace(struct scene *scene);
void scene_forget_trace(struct scene *scene);

/* The agent publishes a number; the index of its answer. */
size_t agent_publish(struct company *c, const char *number);
/* … and is told that it worked. Asserts it. */
void agent_publishes(struct company *c, const char *number);

/* A phone call as each side saw it. */
struct call {
    char from;
    char to; /* 0: nobody uploads the terminating record */
    const char *calling;
    const char *called;
    int64_t ended_ms;     /* so long ago, true time; 0: five seconds */
    int64_t lasted_ms;    /* 0: two minutes */
    int64_t start_off_ms; /* what the terminating side measured more */
    int64_t stop_off_ms;
    bool caller_lost; /* on the way to the terminating side */
};

/* Both agents upload their records, the terminating one first, and both are acknowledged. Asserts it. */
void scene_call(struct scene *scene, const struct call *call);

/* One side's record only; the index of its answer. */
size_t agent_upload(struct company *c, const struct call *call, enum vap_direction direction);

/* ---- asking ---- */

/* A command of imectl, with arguments in JSON ("{\"number\": \"+4911\"}", or NULL). The answer, or if it was refused its error, is the
 * caller's to decref; it is always well-formed. */
json_t *company_ask(struct company *c, const char *command, const char *arguments);
json_t *company_ask_refused(struct company *c, const char *command, const char *arguments);

/* Every `show` command and `explain` of the number answer with well-formed JSON. */
void company_shows(struct company *c, const char *number);

/* Whether explain has a step with this text, or any that it shows at all. */
bool company_explains(struct company *c, const char *number, const char *text);

uint64_t company_counter(struct company *c, const char *name);

/* Entropy of the default bucket of a domain's pool, or of the number's bucket. 0: there is none. */
unsigned company_pool(struct company *c, const char *domain, const char *bucket);
size_t company_routes(struct company *c, const char *number);

/* State of the record of the newest call to this number in this direction, "none" if there is none. Static storage. */
const char *company_vcr(struct company *c, const char *number, enum pvp_direction direction);

/* ---- between the files of the scene ---- */

struct now company_now(const struct company *c);
void scene_line(struct scene *scene, const struct company *c, const char *event, const char *text);
void company_drain(struct company *c);
void agent_drain(struct company *c);
void agent_tick(struct company *c);
void scene_edge_fini(struct company *c);
void scene_certify(struct company *c);
void scene_cut(struct company *c, bool agent_too);
int scene_hash(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number);
const struct key *scene_key(const struct company *c);
const struct cert *scene_cert(const struct company *c, unsigned node);
struct addr scene_node_address(const struct company *c, unsigned node);
void agent_connect(struct company *c, unsigned server);
void agent_send(struct company *c, unsigned server, struct slice octets);
void agent_disconnect(struct company *c, unsigned server);

#endif
