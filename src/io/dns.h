/* Questions to the DNS (c-ares): A, AAAA, SRV and NAPTR, with a time-out. Addresses may come from the system's hosts file. */
#ifndef IO_DNS_H
#define IO_DNS_H

#include "base/addr.h"
#include "base/log.h"
#include "io/loop.h"
#include "sip/dns.h"

struct dns;
struct dns_query;

#define DNS_SERVERS_MAX 8

struct dns_options {
    struct addr servers[DNS_SERVERS_MAX]; /* none: those of the system, as resolv_conf names them */
    size_t server_count;
    const char
        *resolv_conf; /* NULL: /etc/resolv.conf. Read again when it has changed, without losing a question. Borrowed */
    uint16_t system_port; /* of the servers that it names; 0: 53 */
    int64_t
        look_ms; /* whether it has changed is looked at with a question, or a late answer, not more often than that */
    int try_ms;  /* before the next server is asked; grows with each round */
    int tries;   /* rounds over all servers */
    int64_t query_ms;      /* for one question, whatever is tried: then ERR_TIMEOUT */
    size_t queries_max;    /* at a time */
    bool hosts_file;       /* addresses in /etc/hosts count before the DNS */
    const struct log *log; /* may be NULL */
};
void dns_options_init(struct dns_options *options);

int dns_new(struct loop *loop, const struct dns_options *options, struct dns **ret_dns);

/* Questions under way are dropped, without an answer. Not from within a callback. NULL is allowed. */
void dns_free(struct dns *dns);

/* Called once, from the loop. The answer is valid during the call only. */
typedef void dns_answer_fn(void *arg, struct dns_query *query, const struct sip_dns_answer *answer);

/* The query is gone after its answer. ERR_LIMIT (too many), ERR_RANGE (no domain name), ERR_NO_MEMORY. */
int dns_ask(struct dns *dns, enum sip_dns_type type, const char *name, dns_answer_fn *fn, void *arg,
            struct dns_query **ret_query);

/* No answer follows. */
void dns_cancel(struct dns_query *query);

#endif
