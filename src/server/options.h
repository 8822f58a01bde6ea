/* What an IME server may be told: filled by the program from its configuration file, or by a test. Times are milliseconds. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "base/addr.h"
#include "base/id.h"

#define SERVER_NODES_MAX 16       /* Node-IDs of one server */
#define SERVER_KEY_DOMAINS_MAX 32 /* of one border element */

struct server_account {
    char *name;         /* of the client, as configured */
    char *user;         /* VAP user name */
    char *password;     /* a secret; wiped by server_options_fini */
    char **key_domains; /* of a border element: whose tickets' keys it has; then it may do nothing else */
    size_t key_domain_count;
};

struct server_options {
    const char *server_id; /* as enrolled; for people */

    /* Addresses under which others reach us. */
    struct addr ring_address;
    struct addr ring_other_address; /* in the other family of addresses; family 0: there is none */
    struct addr pvp_address;
    struct addr pvp_other_address;
    bool bootstrap;    /* may start the ring alone */
    unsigned node_ids; /* that it is to have: fewer in the ring raise an alert */

    /* VAP. */
    struct server_account *accounts;
    size_t account_count;
    uint32_t vap_keepalive_ms;
    uint32_t vap_transaction_ms;
    uint32_t vap_connections_max;
    uint32_t vap_vcrs_per_second; /* of one client */
    uint32_t vap_publishes_queued_max;

    /* Number records. */
    uint32_t store_rate; /* stores per second into the ring */
    uint32_t read_rate;  /* look-ups per second */

    /* Validation. */
    int64_t delay_min_ms; /* Tv: an originating record waits a random time between these */
    int64_t delay_max_ms;
    int64_t minimum_interval_ms; /* between validations of one called number, both sides */
    int64_t minimum_call_ms;     /* shorter calls are not used */
    int64_t vcr_lifetime_ms;     /* how long a record of a received call waits for its proof */
    int64_t retry_ms;            /* before a validation that met nobody is tried again */
    uint32_t retries_max;
    uint32_t bucket_entropy;
    uint32_t claimants_max; /* tried per number */
    uint32_t originating_sessions_max;
    uint32_t terminating_sessions_max;
    uint32_t pending_alert; /* validations waiting: more raise ValidationsPendingExceeded */
    uint32_t vcrs_max;

    /* Tickets and routes. */
    int64_t ticket_lifetime_ms;
    int64_t ticket_grace_ms;
    int64_t
        ticket_edge_wait_ms; /* so long a new epoch waits for border elements that do not have its key; 0: not at all */
    int64_t route_lifetime_ms;
};

/* Everything as the references want it; addresses and accounts are empty. */
void server_options_default(struct server_options *options);

/* Frees and wipes the accounts. */
void server_options_fini(struct server_options *options);

/* Adds an account; everything is copied. ERR_EXISTS for a user name given twice. */
int server_options_account(struct server_options *options, const char *name, const char *user, const char *password);

/* Makes the account that was added last one of a border element, for one more domain. ERR_LIMIT. */
int server_options_account_keys(struct server_options *options, const char *domain);

#endif
