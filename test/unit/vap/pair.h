/* A VAP client core and its servers in one process and in virtual time: octets travel in pieces of random sizes. */
#ifndef TEST_VAP_PAIR_H
#define TEST_VAP_PAIR_H

#include "testing.h"
#include "vap/client.h"
#include "vap/server.h"

#define SERVERS 2
#define VSERVICE 0x7eeb6a7036478351

/* How a server's upper side takes requests. */
enum manner {
    STORE,  /* success at once */
    REFUSE, /* with `refuse_err` */
    SIT     /* it does not answer */
};

struct side {
    struct vap_server *server;
    bool reachable;
    bool mute; /* what the client sends is lost on the way */
    uint64_t conn;
    uint64_t next_conn;
    enum manner manner;
    int refuse_err;
    unsigned vcrs[2]; /* stored, by direction */
    unsigned numbers;
    unsigned notified; /* acknowledged by the client */
    unsigned notify_failures;
    unsigned subscriptions;
    unsigned keys_wanted; /* subscriptions to keys of tickets */
    uint32_t keys_client, keys_subscription[8];
    char keys_domain[128];
    bool tells_keys;      /* all notifications are of keys */
    uint64_t waiting[64]; /* requests that it sits on */
    size_t waiting_count;
};

struct pair {
    struct vap_server_config server_config;
    struct vap_client_config config;
    struct vap_description description;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct now now;
    struct side sides[SERVERS];
    struct vap_client *client;
    bool plain; /* connections are without TLS */
    unsigned keys_subscribed[4], keys_refused[4];
    char keys[4][64], keys_reason[128];
    bool keep_routes;       /* answer Notify with success */
    unsigned results[1024]; /* by token: how many */
    int errs[1024];         /* by token: the last */
    unsigned codes[1024];
    unsigned good, bad;              /* results of call records */
    unsigned published, unpublished; /* results of numbers */
    unsigned online[SERVERS], offline[SERVERS], subscribed[SERVERS], revoked;
    bool final[SERVERS];
    unsigned alarms[16];
    unsigned stopped;
    unsigned connects[SERVERS];
    char route[256];
};

int pair_setup(void **state);
int pair_teardown(void **state);

/* After config was changed. */
void pair_start(struct pair *p, unsigned servers);

/* Lets everything happen that happens now. */
void pair_settle(struct pair *p);
void pair_pass_ms(struct pair *p, int64_t ms);

/* The connection breaks; a server that is not reachable refuses new ones. */
void pair_break(struct pair *p, unsigned server);

/* A server that lost all its state. */
void pair_restart_server(struct pair *p, unsigned server);

void pair_upload(struct pair *p, enum vap_direction direction, uint64_t token);

#endif
