/* Runs the VAP client core: its effects become connections and octets, what comes in becomes its input. */
#include "link.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "io/process.h"
#include "io/stream.h"
#include "io/tls.h"
#include "vap/message.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#define HOST_OCTETS 256

struct link_server {
    struct link *link;
    unsigned index;
    char host[HOST_OCTETS];
    uint16_t port;
    struct stream *stream;
    bool online;
};

struct link {
    const struct options *options;
    struct loop *loop;
    const struct link_handler *handler;
    void *arg;
    struct entropy entropy;
    struct log log;
    struct vap_client *client;
    struct tls_context *tls;
    struct loop_timer *timer;
    struct loop_timer *patience;
    int64_t give_up_ms; /* 0: never */
    struct loop_task work;
    struct link_server servers[VAP_SERVERS_MAX];
    bool stopping;
    bool stopped;
    enum exit_code code;
};

static void drain(void *arg);

void link_work(struct link *l)
{
    loop_post(l->loop, &l->work, LOOP_STAGE_WORK);
}

struct vap_client *link_client(struct link *l)
{
    return l->client;
}

enum exit_code link_exit_code(const struct link *l)
{
    return l->code;
}

void link_stop(struct link *l)
{
    if (l->stopping)
        return;
    l->stopping = true;
    vap_client_stop(l->client, loop_now(l->loop));
    link_work(l);
}

static void on_ready(void *arg, struct stream *stream)
{
    struct link_server *server = arg;
    (void)stream;
    vap_client_connected(server->link->client, loop_now(server->link->loop), server->index);
    link_work(server->link);
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct link_server *server = arg;
    (void)stream;
    vap_client_input(server->link->client, loop_now(server->link->loop), server->index, octets);
    link_work(server->link);
}

/* What its user can do about the end of a connection. */
static const char *advice(enum stream_reason reason)
{
    switch (reason) {
    case STREAM_TLS_SELF_SIGNED:
    case STREAM_TLS_UNKNOWN_CA:
        return "; no certificate of --ca has signed the server's";
    case STREAM_TLS_WRONG_NAME:
        return "; name the server as its certificate does, in --server or --tls-name";
    case STREAM_TLS_EXPIRED:
        return "; compare the clocks, then look at the server's certificate";
    case STREAM_TLS_PROTOCOL:
        return "; a listener without TLS needs --plain";
    default:
        return "";
    }
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct link_server *server = arg;
    char text[256];
    (void)stream;
    server->stream = NULL;
    snprintf(text, sizeof text, "%s%s", detail, advice(reason));
    vap_client_closed(server->link->client, loop_now(server->link->loop), server->index, text);
    link_work(server->link);
}

static const struct stream_handler stream_handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

/* Names are looked up at every attempt: they may have moved. */
static int resolve(const struct link_server *server, struct addr *ret_addr, const char **ret_why)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    snprintf(port, sizeof port, "%u", server->port);
    int failed = getaddrinfo(server->host, port, &hints, &found);
    if (failed == EAI_NONAME ||
        failed == EAI_ADDRFAMILY) { /* AI_ADDRCONFIG leaves out addresses of a loopback-only machine */
        hints.ai_flags = AI_NUMERICSERV;
        failed = getaddrinfo(server->host, port, &hints, &found);
    }
    if (failed) {
        *ret_why = gai_strerror(failed);
        return ERR_UNREACHABLE;
    }
    struct addr a = {.port = server->port};
    if (found->ai_family == AF_INET) {
        a.family = 4;
        memcpy(a.ip, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr, 4);
    } else {
        a.family = 6;
        memcpy(a.ip, &((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_addr, 16);
    }
    freeaddrinfo(found);
    *ret_addr = a;
    return 0;
}

static void connect_server(struct link *l, struct link_server *server)
{
    struct stream_connect_options options = {
        .peer_name = l->options->tls_name ? l->options->tls_name : server->host,
        .stream = {.tls = l->tls},
    };
    const char *why = "out of memory";
    int err = resolve(server, &options.remote, &why);
    if (!err)
        err = stream_connect(l->loop, &options, &stream_handler, server, &server->stream);
    if (err) {
        server->stream = NULL;
        vap_client_closed(l->client, loop_now(l->loop), server->index, why);
    }
}

static void say(const struct link *l, const struct link_server *server, const char *what, const char *reason)
{
    if (!l->options->quiet)
        fprintf(stderr, "ime-vcr: %s:%u: %s%s%s\n", server->host, server->port, what, *reason ? ": " : "", reason);
}

static void set_patience(struct link *l)
{
    bool online = l->servers[VAP_PRIMARY].online || l->servers[VAP_BACKUP].online;
    if (!l->give_up_ms || l->stopped)
        return;
    if (online)
        loop_timer_set(l->patience, MONO_NEVER);
    else
        loop_timer_set(l->patience, mono_after_ms(loop_now(l->loop).mono, l->give_up_ms));
}

static void out_of_patience(void *arg)
{
    struct link *l = arg;
    fprintf(stderr, "ime-vcr: no server was reached for %lld seconds\n", (long long)(l->give_up_ms / 1000));
    l->code = EXIT_FAILED;
    link_stop(l);
}

void link_give_up_after(struct link *l, int64_t ms)
{
    l->give_up_ms = ms;
    set_patience(l);
}

static void went_offline(struct link *l, struct link_server *server, const struct vap_client_effect *e)
{
    bool was_online = server->online;
    bool all_final = true;
    server->online = false;
    if (!l->stopping)
        say(l, server, e->final ? "given up" : was_online ? "connection lost" : "not reached", e->reason);
    if (was_online)
        set_patience(l);
    if (!e->final || l->stopping)
        return;
    server->port = 0; /* not used any more */
    for (unsigned i = 0; i < l->options->servers.n; i++)
        all_final = all_final && l->servers[i].port == 0;
    if (all_final) {
        if (!l->code)
            l->code = EXIT_FAILED;
        link_stop(l);
    }
}

static void alarm_rang(struct link *l, const struct link_server *server, const struct vap_client_effect *e)
{
    char text[256];
    const char *hint = "";
    if (e->alarm == VAP_ALARM_INVALID_CREDENTIALS) {
        l->code = EXIT_CREDENTIALS;
        hint = "; the server has another password for this user, or does not know the user";
    }
    snprintf(text, sizeof text, "%s%s", e->reason, hint);
    say(l, server, vap_alarm_name(e->alarm), text);
}

static void notified(struct link *l, const struct vap_client_effect *e)
{
    bool good = l->handler->notify && l->handler->notify(l->arg, e->octets);
    vap_client_notify_done(l->client, loop_now(l->loop), e->notify, good);
}

static void take(struct link *l, const struct vap_client_effect *e)
{
    struct link_server *server = &l->servers[e->server];
    switch (e->kind) {
    case VAP_CLIENT_CONNECT:
        connect_server(l, server);
        break;
    case VAP_CLIENT_SEND:
        if (server->stream && stream_write(server->stream, e->octets) < 0) {
            stream_close(server->stream);
            server->stream = NULL;
            vap_client_closed(l->client, loop_now(l->loop), e->server, "the server does not read what it is sent");
        }
        break;
    case VAP_CLIENT_DISCONNECT:
        if (server->stream)
            stream_finish(server->stream);
        server->stream = NULL;
        break;
    case VAP_CLIENT_ONLINE:
        server->online = true;
        set_patience(l);
        if (l->options->verbose)
            say(l, server, "connected", "");
        if (l->handler->online)
            l->handler->online(l->arg, e);
        break;
    case VAP_CLIENT_OFFLINE:
        went_offline(l, server, e);
        break;
    case VAP_CLIENT_UPLOADED:
        if (l->handler->uploaded)
            l->handler->uploaded(l->arg, e);
        break;
    case VAP_CLIENT_PUBLISHED:
        if (l->handler->published)
            l->handler->published(l->arg, e);
        break;
    case VAP_CLIENT_SUBSCRIBED:
        if (l->options->verbose)
            say(l, server, "subscribed", "");
        break;
    case VAP_CLIENT_NOTIFY:
        notified(l, e);
        break;
    case VAP_CLIENT_REVOKED:
        say(l, server, "the server's ring is not available; the service is published again later", "");
        break;
    case VAP_CLIENT_ALARM:
        alarm_rang(l, server, e);
        break;
    case VAP_CLIENT_KEYS_SUBSCRIBED: /* of border elements */
    case VAP_CLIENT_KEYS_REFUSED:
    case VAP_CLIENT_KEYS:
        break;
    case VAP_CLIENT_STOPPED:
        l->stopped = true;
        loop_timer_set(l->patience, MONO_NEVER);
        l->handler->stopped(l->arg);
        break;
    }
}

static void drain(void *arg)
{
    struct link *l = arg;
    struct vap_client_effect e;
    while (vap_client_next(l->client, &e))
        take(l, &e);
    loop_timer_set(l->timer, vap_client_deadline(l->client));
}

static void tick(void *arg)
{
    struct link *l = arg;
    vap_client_tick(l->client, loop_now(l->loop));
    link_work(l);
}

/* HOST, HOST:PORT, [IPv6]:PORT; an IPv6 address alone needs no brackets. */
static int set_server(struct link_server *server, const char *text)
{
    struct slice s = slice_str(text);
    struct slice host = s;
    uint64_t port = VAP_PORT;
    const char *colon = strrchr(text, ':');
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (!close || (close[1] && close[1] != ':'))
            return ERR_SYNTAX;
        host = slice_of(text + 1, (size_t)(close - text) - 1);
        colon = close[1] ? close + 1 : NULL;
    } else if (colon && strchr(text, ':') == colon) {
        host = slice_of(text, (size_t)(colon - text));
    } else {
        colon = NULL;
    }
    if (colon && (u64_parse(slice_str(colon + 1), 65535, &port) < 0 || !port))
        return ERR_SYNTAX;
    if (!host.n || host.n >= HOST_OCTETS)
        return ERR_SYNTAX;
    snprintf(server->host, sizeof server->host, "%.*s", SLICE_PRINT(host));
    server->port = (uint16_t)port;
    return 0;
}

static int make_tls(struct link *l)
{
    struct buf pem;
    if (l->options->plain)
        return 0;
    buf_init(&pem, 1 << 20);
    int err = file_read(l->options->ca, &pem);
    struct slice trust = buf_slice(&pem);
    if (!err)
        err = tls_context_new(
            &(struct tls_options){.role = TLS_CLIENT, .peer = TLS_PEER_REQUIRED, .trust = &trust, .trust_count = 1},
            &l->tls);
    if (err)
        fprintf(stderr, "ime-vcr: %s: %s\n", l->options->ca,
                err == ERR_SYNTAX ? "there is no certificate in it" : err_text(err));
    buf_fini(&pem);
    return err;
}

static int make_client(struct link *l, bool subscribe, int64_t did_count)
{
    const struct options *o = l->options;
    struct vap_client_config config;
    char host[65] = "-";
    char name[128];
    char id[17];
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "OpenIME/ime-vcr/%s/%s", IME_VERSION, host);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)o->vservice_id);
    bool black = o->blacklist.n > 0;
    const struct vap_description description = {
        .id = id,
        .schema_version = "1.0",
        .dht_name = o->dht,
        .did_count = did_count < 0 ? 0 : (uint32_t)did_count,
        .domain = o->domain,
        .list_kind = black            ? VAP_LIST_BLACK
                     : o->whitelist.n ? VAP_LIST_WHITE
                                      : VAP_LIST_NONE,
        .list_domains = (const char **)(uintptr_t)(black ? o->blacklist.values : o->whitelist.values),
        .list_count = black ? o->blacklist.n : o->whitelist.n,
        .routes = (const char **)(uintptr_t)o->routes.values,
        .route_count = o->routes.n,
    };
    vap_client_config_init(&config);
    config.name = name;
    config.label = o->domain ? o->domain : "ime-vcr";
    config.user = o->user;
    config.password = o->password;
    config.servers = (unsigned)o->servers.n;
    config.vservice_id = o->vservice_id;
    config.description = o->domain && did_count >= 0 ? &description : NULL;
    config.subscribe = subscribe;
    config.reconnect_ms = (int64_t)o->reconnect_s * 1000;
    config.window = o->window;
    return vap_client_new(&config, &l->entropy, o->verbose ? &l->log : NULL, loop_now(l->loop), &l->client);
}

int link_new(const struct options *o, struct loop *loop, bool subscribe, int64_t did_count,
             const struct link_handler *handler, void *arg, struct link **ret_link)
{
    struct link *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    l->options = o;
    l->loop = loop;
    l->handler = handler;
    l->arg = arg;
    l->entropy = kernel_entropy();
    l->log = stderr_log(LEVEL_DEBUG);
    loop_task_init(&l->work, drain, l);
    int err = 0;
    for (unsigned i = 0; i < o->servers.n && !err; i++) {
        l->servers[i].link = l;
        l->servers[i].index = i;
        err = set_server(&l->servers[i], o->servers.values[i]);
        if (err) {
            fprintf(stderr, "ime-vcr: --server: %s is no HOST:PORT\n", o->servers.values[i]);
            l->code = EXIT_USAGE;
        }
    }
    if (!err)
        err = make_tls(l);
    if (!err)
        err = loop_timer_new(loop, tick, l, &l->timer);
    if (!err)
        err = loop_timer_new(loop, out_of_patience, l, &l->patience);
    if (!err)
        err = make_client(l, subscribe, did_count);
    if (err) {
        link_free(l);
        return err;
    }
    link_work(l);
    *ret_link = l;
    return 0;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    loop_task_cancel(&l->work);
    for (unsigned i = 0; i < VAP_SERVERS_MAX; i++)
        if (l->servers[i].stream)
            stream_close(l->servers[i].stream);
    vap_client_free(l->client);
    loop_timer_free(l->timer);
    loop_timer_free(l->patience);
    tls_context_free(l->tls);
    mem_free(l);
}
