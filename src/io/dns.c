/* The DNS by way of c-ares, which knows of servers, repetitions and TCP; what the answers mean is sip/dns_message.h's. */
#include "io/dns.h"

#include "base/mem.h"
#include "sip/dns_message.h"

#define CARES_NO_DEPRECATED /* what is to take the place of ares_query is not in Debian 12 */
#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define EDNS_OCTETS 1232 /* fits into one packet on any path */
#define HOSTS_TTL_S 60
#define RESOLV_CONF "/etc/resolv.conf"

/* A socket of c-ares. */
struct dns_socket {
    struct list link;
    struct dns *dns;
    ares_socket_t fd;
    struct event event;
};

struct dns_query {
    struct list link; /* in dns.waiting, or in dns.done */
    struct dns *dns;
    dns_answer_fn *fn; /* NULL: canceled */
    void *arg;
    enum sip_dns_type type;
    char name[SIP_DNS_NAME_OCTETS_MAX + 1];
    struct mono deadline;
    bool with_ares; /* c-ares holds it: it is freed when c-ares is done with it */
    bool dropped;   /* by a channel that went away: it is to be asked again */
    struct sip_dns_reply *reply;
    struct sip_dns_answer answer;
};

/* Tells a file from what it was before. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t octets;
    struct timespec changed;
};

struct dns {
    struct loop *loop;
    struct dns_options options;
    bool has_library;
    ares_channel channel;
    bool has_channel;
    bool moving;         /* from one channel to another */
    struct stamp system; /* of resolv.conf, as the channel has read it */
    struct mono look_at;
    struct list sockets;
    struct list waiting; /* oldest first: all have the same patience */
    struct list done;    /* to be told */
    size_t count;        /* of queries with c-ares, canceled ones included, and of those in done */
    struct loop_timer *timer;
    struct loop_task tell_task;
};

void dns_options_init(struct dns_options *options)
{
    *options = (struct dns_options){
        .try_ms = 1000,
        .tries = 3,
        .query_ms = 4000,
        .queries_max = 1024,
        .hosts_file = true,
        .look_ms = 1000,
    };
}

/* ---- when to look at c-ares again ---- */

static void schedule(struct dns *dns)
{
    struct timeval span;
    struct mono due = MONO_NEVER, now = loop_now(dns->loop).mono;
    if (ares_timeout(dns->channel, NULL, &span))
        due = mono_after_us(now, (int64_t)span.tv_sec * 1000000 + span.tv_usec + 1000);
    if (!list_empty(&dns->waiting))
        due = mono_min(due, CONTAINER_OF(dns->waiting.next, struct dns_query, link)->deadline);
    loop_timer_set(dns->timer, due);
}

static void socket_event(evutil_socket_t fd, short what, void *arg)
{
    struct dns_socket *s = arg;
    struct dns *dns = s->dns; /* the socket may be gone afterwards */
    ares_process_fd(dns->channel, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    schedule(dns);
}

static struct dns_socket *socket_of(struct dns *dns, ares_socket_t fd)
{
    LIST_EACH(it, &dns->sockets) {
        struct dns_socket *s = CONTAINER_OF(it, struct dns_socket, link);
        if (s->fd == fd)
            return s;
    }
    struct dns_socket *s = mem_alloc(sizeof *s);
    if (!s)
        return NULL;
    s->dns = dns;
    s->fd = fd;
    event_assign(&s->event, loop_event_base(dns->loop), -1, 0, socket_event, s);
    list_append(&dns->sockets, &s->link);
    return s;
}

/* C-ares wants to know of these; neither: it closes the socket. */
static void socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns_socket *s = socket_of(arg, fd);
    if (!s)
        return; /* its question times out */
    event_del(&s->event);
    if (!readable && !writable) {
        list_remove(&s->link);
        mem_free(s);
        return;
    }
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
    event_assign(&s->event, loop_event_base(s->dns->loop), fd, what, socket_event, s);
    event_add(&s->event, NULL);
}

/* ---- queries ---- */

static void query_free(struct dns_query *q)
{
    list_remove(&q->link);
    q->dns->count--;
    mem_free(q->reply);
    mem_free(q);
}

/* It will be told of, from the loop. */
static void finish(struct dns_query *q)
{
    struct dns *dns = q->dns;
    list_remove(&q->link);
    list_append(&dns->done, &q->link);
    loop_post(dns->loop, &dns->tell_task, LOOP_STAGE_WORK);
}

static void tell(void *arg)
{
    struct dns *dns = arg;
    struct list done = {&done, &done};
    struct list *link;
    while ((link = list_pop(&dns->done)))
        list_append(&done, link);
    while ((link = list_pop(&done))) {
        struct dns_query *q = CONTAINER_OF(link, struct dns_query, link);
        dns_answer_fn *fn = q->fn;
        q->fn = NULL;
        fn(q->arg, q, &q->answer);
        if (!q->with_ares)
            query_free(q);
    }
}

static int status_err(int status)
{
    switch (status) {
    case ARES_ENODATA:
        return 0;
    case ARES_ENOTFOUND:
        return ERR_NOT_FOUND;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
        return ERR_TIMEOUT;
    case ARES_EBADRESP:
        return ERR_SYNTAX;
    case ARES_ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

static void answered(void *arg, int status, int timeouts, unsigned char *octets, int n)
{
    struct dns_query *q = arg;
    (void)timeouts;
    q->with_ares = false;
    if (!q->fn) {
        query_free(q);
        return;
    }
    if (q->dns->moving && status == ARES_EDESTRUCTION) {
        q->dropped = true;
        return;
    }
    q->answer = (struct sip_dns_answer){.err = status_err(status)};
    if (!q->answer.err || q->answer.err == ERR_NOT_FOUND)
        q->answer.ttl_s = SIP_DNS_NEGATIVE_TTL_S;
    if (octets && n > 0) {
        q->reply = mem_alloc(sizeof *q->reply);
        int err = q->reply ? sip_dns_decode(slice_of(octets, (size_t)n), q->type, q->reply, NULL) : ERR_NO_MEMORY;
        q->answer = err ? (struct sip_dns_answer){.err = err} : q->reply->answer;
    }
    finish(q);
}

static void follow_system(struct dns *dns);

static void due(void *arg)
{
    struct dns *dns = arg;
    struct mono now = loop_now(dns->loop).mono;
    follow_system(dns);
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    LIST_EACH(it, &dns->waiting) {
        struct dns_query *q = CONTAINER_OF(it, struct dns_query, link);
        if (!mono_due(q->deadline, now))
            break;
        q->answer = (struct sip_dns_answer){.err = ERR_TIMEOUT};
        finish(q);
    }
    schedule(dns);
}

/* Labels of 1 to 63 octets that names of hosts and services may have. */
static bool is_name(const char *name)
{
    size_t label = 0, n = strlen(name);
    if (n == 0 || n > SIP_DNS_NAME_OCTETS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !fine || label == 63)
            return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label > 0;
}

static bool is_among(const struct sip_dns_record *records, size_t count, const struct addr *addr)
{
    for (size_t i = 0; i < count; i++)
        if (addr_eq_ip(&records[i].addr, addr))
            return true;
    return false;
}

/* True if the system's hosts file has the name. */
static bool ask_hosts_file(struct dns_query *q, const char *name)
{
    struct hostent *host;
    size_t octets = q->type == SIP_DNS_A ? 4 : 16;
    if (!q->dns->options.hosts_file || q->type > SIP_DNS_AAAA ||
        ares_gethostbyname_file(q->dns->channel, name, q->type == SIP_DNS_A ? AF_INET : AF_INET6, &host) !=
            ARES_SUCCESS)
        return false;
    q->reply = mem_alloc(sizeof *q->reply);
    size_t n = 0;
    for (size_t i = 0; q->reply && n < SIP_DNS_RECORDS_MAX && host->h_addr_list[i]; i++) {
        struct addr *addr = &q->reply->records[n].addr;
        addr->family = octets == 4 ? 4 : 6;
        memcpy(addr->ip, host->h_addr_list[i], octets);
        n +=
            !is_among(q->reply->records, n, addr); /* newer versions of c-ares know localhost, whatever the file says */
    }
    ares_free_hostent(host);
    if (!n)
        return false;
    q->answer = (struct sip_dns_answer){.ttl_s = HOSTS_TTL_S, .records = q->reply->records, .count = n};
    return true;
}

static void ask_ares(struct dns_query *q)
{
    static const int types[] = {
        [SIP_DNS_A] = ns_t_a, [SIP_DNS_AAAA] = ns_t_aaaa, [SIP_DNS_SRV] = ns_t_srv, [SIP_DNS_NAPTR] = ns_t_naptr};
    q->with_ares = true;
    ares_query(q->dns->channel, q->name, ns_c_in, types[q->type], answered, q);
}

int dns_ask(struct dns *dns, enum sip_dns_type type, const char *name, dns_answer_fn *fn, void *arg,
            struct dns_query **ret_query)
{
    if (!is_name(name))
        return ERR_RANGE;
    if (dns->count >= dns->options.queries_max)
        return ERR_LIMIT;
    struct dns_query *q = mem_alloc(sizeof *q);
    if (!q)
        return ERR_NO_MEMORY;
    q->dns = dns;
    q->fn = fn;
    q->arg = arg;
    q->type = type;
    strcpy(q->name, name);
    q->deadline = mono_after_ms(loop_now(dns->loop).mono, dns->options.query_ms);
    list_append(&dns->waiting, &q->link);
    dns->count++;
    *ret_query = q;
    if (ask_hosts_file(q, name)) {
        finish(q);
        return 0;
    }
    follow_system(dns);
    ask_ares(q);
    schedule(dns);
    return 0;
}

void dns_cancel(struct dns_query *query)
{
    query->fn = NULL;
    list_remove(&query->link);
    if (!query->with_ares)
        query_free(query);
}

/* ---- channels ---- */

static int set_servers(const struct dns *dns, ares_channel channel)
{
    struct ares_addr_port_node nodes[DNS_SERVERS_MAX] = {0};
    size_t n = dns->options.server_count;
    if (!n)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const struct addr *addr = &dns->options.servers[i];
        nodes[i].next = i + 1 < n ? &nodes[i + 1] : NULL;
        nodes[i].family = addr->family == 4 ? AF_INET : AF_INET6;
        nodes[i].udp_port = nodes[i].tcp_port = addr->port;
        memcpy(&nodes[i].addr, addr->ip, addr->family == 4 ? 4 : 16);
    }
    return ares_set_servers_ports(channel, nodes) == ARES_SUCCESS ? 0 : ERR_NO_MEMORY;
}

static int open_channel(struct dns *dns, ares_channel *ret_channel)
{
    struct ares_options options = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = dns->options.try_ms,
        .tries = dns->options.tries,
        .ednspsz = EDNS_OCTETS,
        .sock_state_cb = socket_state,
        .sock_state_cb_data = dns,
        .udp_port = dns->options.system_port,
        .tcp_port = dns->options.system_port,
        .resolvconf_path = (char *)(uintptr_t)dns->options.resolv_conf, /* it is copied */
    };
    ares_channel channel;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
    mask |= dns->options.system_port ? ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT : 0;
    mask |= dns->options.resolv_conf ? ARES_OPT_RESOLVCONF : 0;
    int status = ares_init_options(&channel, &options, mask);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? ERR_NO_MEMORY : ERR_IO;
    int err = set_servers(dns, channel);
    if (err)
        ares_destroy(channel);
    else
        *ret_channel = channel;
    return err;
}

/* ---- the system's servers ---- */

static bool read_stamp(const struct dns *dns, struct stamp *ret_stamp)
{
    struct stat st;
    if (stat(dns->options.resolv_conf ? dns->options.resolv_conf : RESOLV_CONF, &st) < 0)
        return false;
    *ret_stamp = (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
    return true;
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->octets == b->octets &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* What the old servers have not answered is asked of the new ones. */
static void move_to(struct dns *dns, ares_channel channel)
{
    ares_channel old = dns->channel;
    dns->channel = channel;
    dns->moving = true;
    ares_destroy(old);
    dns->moving = false;
    LIST_EACH(it, &dns->waiting) {
        struct dns_query *q = CONTAINER_OF(it, struct dns_query, link);
        if (!q->dropped)
            continue;
        q->dropped = false;
        ask_ares(q);
    }
}

/* A laptop, a DHCP lease, an operator: where the DNS is may change while we run. Not from within a callback of c-ares. */
static void follow_system(struct dns *dns)
{
    struct mono now = loop_now(dns->loop).mono;
    struct stamp stamp;
    ares_channel channel;
    if (dns->options.server_count || !mono_due(dns->look_at, now))
        return;
    dns->look_at = mono_after_ms(now, dns->options.look_ms);
    if (!read_stamp(dns, &stamp) || is_same(&stamp, &dns->system)) /* not there: it is being replaced */
        return;
    if (open_channel(dns, &channel) < 0)
        return; /* the next look tries again */
    dns->system = stamp;
    log_event(dns->options.log, LEVEL_NOTICE, "dns.servers_changed", "file=%s",
              dns->options.resolv_conf ? dns->options.resolv_conf : RESOLV_CONF);
    move_to(dns, channel);
}

/* ---- the whole ---- */

static int open_first(struct dns *dns)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return ERR_NO_MEMORY;
    dns->has_library = true;
    dns->look_at = loop_now(dns->loop).mono;
    read_stamp(dns, &dns->system); /* before the file itself: a change in between is seen as one */
    int err = open_channel(dns, &dns->channel);
    dns->has_channel = !err;
    return err;
}

int dns_new(struct loop *loop, const struct dns_options *options, struct dns **ret_dns)
{
    if (options->server_count > DNS_SERVERS_MAX)
        return ERR_RANGE;
    struct dns *dns = mem_alloc(sizeof *dns);
    if (!dns)
        return ERR_NO_MEMORY;
    dns->loop = loop;
    dns->options = *options;
    list_init(&dns->sockets);
    list_init(&dns->waiting);
    list_init(&dns->done);
    loop_task_init(&dns->tell_task, tell, dns);
    int err = loop_timer_new(loop, due, dns, &dns->timer);
    if (!err)
        err = open_first(dns);
    if (err) {
        dns_free(dns);
        return err;
    }
    *ret_dns = dns;
    return 0;
}

static void drop(struct list *queries)
{
    LIST_EACH(it, queries)
        dns_cancel(CONTAINER_OF(it, struct dns_query, link));
}

void dns_free(struct dns *dns)
{
    if (!dns)
        return;
    drop(&dns->waiting);
    drop(&dns->done);
    if (dns->has_channel)
        ares_destroy(dns->channel); /* gives back what it holds, and closes its sockets */
    if (dns->has_library)
        ares_library_cleanup();
    loop_timer_free(dns->timer);
    loop_task_cancel(&dns->tell_task);
    mem_free(dns);
}
