/* What the call agent knows of its PBXs and trunks, and the requests that it makes itself: the lower half of internal.h. */
#ifndef AGENT_TRUNK_INTERNAL_H
#define AGENT_TRUNK_INTERNAL_H

#include "agent/agent.h"
#include "base/heap.h"
#include "base/list.h"
#include "sip/digest.h"

#define TAG_OCTETS 17 /* 64 bits in hexadecimal and a NUL */
#define TRUNK_HOPS_MAX 8
#define URI_OCTETS_MAX 512
#define BINDING_Q_MAX 1000
#define REGISTERS_WAITING_MAX 16

struct trunk;

/* ---- time ---- */

struct timer {
    struct heap_node node;
    void (*fire)(struct agent *a, void *owner);
    void *owner;
};

/* ---- a request of ours ---- */

/* status: of the response, 408 for none in time, 503 for nowhere to send it. response NULL: none came. */
typedef void client_fn(struct agent *a, void *owner, unsigned status, const struct sip_message *response);

struct client {
    uint64_t token; /* 0: not under way */
    uint64_t id;    /* of the layer */
    client_fn *heard;
    void *owner;
    struct trunk *trunk; /* whose password answers a challenge; NULL: none does */
    uint32_t *cseq;      /* counts up if it is sent again with an answer to a challenge; NULL: it is not */
    uint32_t *sent_as;   /* is told the number then; may be NULL */
    struct sip_hop hop;
    struct buf sent;     /* as given to the layer; empty if nobody may ask for a password */
    unsigned challenges; /* answered */
    bool unreachable;    /* what 503 meant */
};

/* ---- who is there ---- */

enum registration { REGISTRATION_NONE, REGISTRATION_TRYING, REGISTRATION_GOOD, REGISTRATION_BAD };

/* One Contact that a PBX has registered (RFC 3261 10.3). */
struct binding {
    struct list link; /* in trunk.bindings or trunk.wanted */
    const char *uri;
    const char *call_id; /* of the REGISTER */
    uint32_t cseq;
    unsigned q; /* thousandths */
    struct mono end;
    struct sip_hop hop;  /* where its requests go */
    struct addr source;  /* where the REGISTER came from */
    bool has_translator; /* of addresses, on the way: what its messages name as its addresses are none that we reach */
    char texts[];
};

/* A PBX or a trunk to the PSTN. */
struct trunk {
    struct agent *agent;
    unsigned index;
    const struct agent_trunk_options *options;
    struct sip_hop hops[TRUNK_HOPS_MAX]; /* where it is, best first; none: not located, or not registered */
    size_t hop_count;
    unsigned misses; /* OPTIONS in a row without an answer */
    bool down;
    unsigned change_refusals; /* re-INVITEs that it has refused since it took one */
    struct mono fixed_until;  /* no call is moved there before: what it has begun with it keeps */
    struct client keepalive;
    struct timer keepalive_timer;
    uint32_t keepalive_cseq;

    struct sip_digest_client digest; /* what it has asked us for */

    /* Registration: ours there, or its here. */
    enum registration registration;
    struct client registering;
    struct timer register_timer; /* ours: the next one; its: the end of a binding */
    size_t calls;                /* that it has begun */
    uint32_t register_cseq;
    int64_t register_ms; /* ours: asked for; more than configured if the other side wants that */
    char register_call_id[2 * TAG_OCTETS];
    struct list bindings; /* its, best first: each is the hop of the same place in hops; all of them are durable */

    /* A REGISTER that is being written: others of the same PBX wait until it is. */
    bool writing;
    uint64_t writing_for; /* its transaction */
    struct list wanted;   /* the bindings, once they are durable */
    uint64_t waiting[REGISTERS_WAITING_MAX];
    size_t waiting_count;
};

/* client.c: requests of ours */
void client_init(struct client *c, client_fn *heard, void *owner, struct trunk *trunk, uint32_t *cseq);
int client_send(struct agent *a, struct client *c, const struct sip_hop *hop, struct slice octets);
void client_drop(struct agent *a, struct client *c);
bool client_event(struct agent *a, const struct sip_event *event); /* false: of a client that is gone */
/* The credentials in what it sent, as whole lines; empty: it had none. An ACK to a 2xx has those of its INVITE (RFC 3261 22.1): they are for that
 * method, and nobody may challenge an ACK. Lives in the scratch region. */
struct slice client_credentials_shown(struct agent *a, const struct client *c);
/* Sends the ACK in a->octets with such lines. What was sent, in the scratch region; empty: nothing was. */
struct slice client_send_ack(struct agent *a, const struct sip_hop *hop, struct slice credentials);

/* trunk.c: PBXs and trunks */
void trunks_init(struct agent *a);
void trunks_fini(struct agent *a);
void trunks_start(struct agent *a);
void trunks_stop(struct agent *a);
void trunk_located(struct trunk *t, const struct sip_hop *hops, size_t n);
bool trunk_is_usable(const struct trunk *t);
void trunk_heard(struct trunk *t); /* it is there */
/* A re-INVITE to it, in the middle of a call. If it refuses them by habit, it is spared for an hour. */
void trunk_change_refused(struct trunk *t, unsigned status);
void trunk_change_taken(struct trunk *t);
bool trunk_is_fixed(const struct trunk *t);
void trunk_ring(const struct trunk *t, enum agent_alarm alarm, const char *what);
void trunk_clear(const struct trunk *t, enum agent_alarm alarm);
/* Whose request it is: ERR_FORBIDDEN if nobody's that we know. NULL: from the IME side. */
int trunk_of_flow(struct agent *a, const struct sip_flow *flow, struct trunk **ret_trunk);
const char *trunk_domain(const struct trunk *t);
bool trunk_same_host(const struct addr *a, const struct addr *b); /* whatever the ports */

/* binding.c: what they have registered, in lists and in the store */
struct binding *binding_new(struct slice uri, struct slice call_id); /* NULL: no memory */
void binding_free(struct binding *b);                                /* out of its list, too; NULL is allowed */
void bindings_free(struct list *bindings);
int bindings_copy(const struct list *bindings, struct list *to); /* ERR_NO_MEMORY: some of them */
void bindings_drop_ended(const struct trunk *t, struct list *bindings);
int bindings_put(const struct trunk *t, const struct list *bindings); /* as its row; the caller commits */
/* Those that have not ended, of PBXs that still register. What cannot be read is counted, and skipped. ERR_NO_MEMORY, or the store's error. */
int bindings_load(struct agent *a);

/* registrar.c: PBXs that register here */
void registrar_init(struct trunk *t);
int registrar_load(struct agent *a); /* what was registered when the program ran last; as bindings_load */
void registrar_fini(struct trunk *t);
void registrar_receive(struct agent *a, const struct sip_event *event); /* a REGISTER came in */
bool registrar_knows(const struct trunk *t, const struct addr *source); /* it has registered from there */
/* Between us and what is reached at that hop addresses are translated. */
bool registrar_has_translator(const struct trunk *t, const struct sip_hop *hop);
/* The URI that it has registered for the hop of that number; NULL: it did not register. */
const char *registrar_contact(const struct trunk *t, size_t hop);

#endif
