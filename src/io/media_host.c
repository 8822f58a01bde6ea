/* Sessions over the pool of media workers: the port of the edge's core. */
#include "io/media_host_private.h"

#include "base/mem.h"
#include "io/stream_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

/* Ports that another program has are passed over, so many at a time. */
#define BINDS_MAX 64

COUNTERS_DEFINE(media_host_counters, MEDIA_HOST_COUNTERS)

void media_host_options_init(struct media_host_options *options)
{
    *options = (struct media_host_options){
        .port_min = 16384,
        .port_max = 32767,
        .port_rest_ms = 5000,
        .sessions_max = 10000,
    };
    media_relay_options_init(&options->relay);
}

/* ---- sessions ---- */

static struct host_session *find(const struct media_host *host, uint64_t id)
{
    struct host_session *s = map_get(&host->sessions, slice_of(&id, sizeof id));
    return s && !s->is_closed ? s : NULL;
}

static void give_back(struct host_session *s, unsigned stream, enum media_side side)
{
    struct media_host *host = s->worker->host;
    struct bound_port *bound = &s->bound[stream][side];
    if (!bound->ports)
        return;
    struct mono rested = mono_after_ms(loop_now(host->loop).mono, host->options.port_rest_ms);
    media_ports_give_back(bound->ports, bound->port, rested);
    bound->ports = NULL;
    s->port_count--;
    s->worker->port_count--;
    host->counters.ports--;
}

static void give_all_back(struct host_session *s)
{
    for (unsigned i = 0; i < MEDIA_STREAMS_MAX; i++)
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
            give_back(s, i, side);
}

static void session_free(struct host_session *s)
{
    struct media_host *host = s->worker->host;
    give_all_back(s);
    list_remove(&s->of_worker);
    if (!s->is_closed) {
        s->worker->session_count--;
        host->counters.sessions--;
    }
    map_remove(&host->sessions, slice_of(&s->id, sizeof s->id));
    mem_free(s->figures);
    mem_free(s);
}

static struct host_worker *least_loaded(struct media_host *host)
{
    struct host_worker *best = NULL;
    for (unsigned i = 0; i < host->worker_count; i++) {
        struct host_worker *w = &host->workers[i];
        if (w->fd < 0)
            continue;
        if (!best || w->port_count < best->port_count ||
            (w->port_count == best->port_count && w->session_count < best->session_count))
            best = w;
    }
    return best;
}

static int port_open(void *ctx, uint64_t session)
{
    struct media_host *host = ctx;
    struct slice key = slice_of(&session, sizeof session);
    struct host_worker *w = least_loaded(host);
    int err = 0;
    if (map_get(&host->sessions, key))
        return ERR_EXISTS;
    if (!w)
        err = ERR_UNREACHABLE;
    else if (host->counters.sessions >= host->options.sessions_max)
        err = ERR_LIMIT;
    struct host_session *s = err ? NULL : mem_alloc(sizeof *s);
    if (!err)
        err = s ? map_set(&host->sessions, key, s) : ERR_NO_MEMORY;
    if (err) {
        host->counters.sessions_refused++;
        mem_free(s);
        return err;
    }
    s->id = session;
    s->worker = w;
    list_append(&w->sessions, &s->of_worker);
    w->session_count++;
    host->counters.sessions++;
    host->counters.sessions_opened++;
    return 0;
}

/* ---- ports ---- */

/* A socket with that port of the address. As stream_bind_err. */
static int bind_socket(const struct addr *address, uint16_t port, int *ret_fd)
{
    static const int on = 1;
    struct addr local = *address;
    struct sockaddr_storage storage;
    local.port = port;
    socklen_t n = addr_to_socket(&local, &storage);
    int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    if (local.family == 6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&storage, n) != 0) {
        int err = stream_bind_err(errno);
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

static int bind_pair(const struct addr *address, uint16_t port, int fds[MEDIA_COMPONENTS])
{
    int err = bind_socket(address, port, &fds[0]);
    if (err)
        return err;
    err = bind_socket(address, (uint16_t)(port + 1), &fds[1]);
    if (err)
        close(fds[0]);
    return err;
}

/* A free pair, bound. */
static int take_pair(struct media_host *host, struct media_ports *ports, uint16_t *ret_port, int fds[MEDIA_COMPONENTS])
{
    struct addr address = media_ports_address(ports);
    struct mono now = loop_now(host->loop).mono;
    int err = ERR_LIMIT;
    for (unsigned i = 0; i < BINDS_MAX; i++) {
        uint16_t port;
        err = media_ports_take(ports, now, &port);
        if (err)
            break;
        err = bind_pair(&address, port, fds);
        if (!err) {
            *ret_port = port;
            return 0;
        }
        media_ports_give_back(ports, port, mono_after_ms(now, host->options.port_rest_ms));
        if (err != ERR_EXISTS)
            return err;
        host->counters.ports_busy++;
        err = ERR_LIMIT;
    }
    host->counters.ports_exhausted++;
    return err;
}

static int port_bind(void *ctx, uint64_t session, unsigned stream, enum media_side side, uint8_t family,
                     struct addr *ret_local)
{
    struct media_host *host = ctx;
    struct host_session *s = find(host, session);
    if (!s)
        return ERR_NOT_FOUND;
    if (stream >= MEDIA_STREAMS_MAX || (unsigned)side >= MEDIA_SIDES || (family != 4 && family != 6))
        return ERR_RANGE;
    struct media_ports *ports = host->ports[side][family == 6];
    struct bound_port *bound = &s->bound[stream][side];
    if (!ports)
        return ERR_RANGE;
    if (bound->ports != ports) {
        uint16_t port;
        int fds[MEDIA_COMPONENTS];
        int err = take_pair(host, ports, &port, fds);
        if (err)
            return err;
        give_back(s, stream, side);
        *bound = (struct bound_port){ports, port};
        s->port_count++;
        s->worker->port_count++;
        host->counters.ports++;
        struct media_control command = {.kind = MEDIA_CONTROL_PORT,
                                        .port = {.session = session, .stream = stream, .side = side}};
        media_host_command(s->worker, &command, fds);
        close(fds[0]);
        close(fds[1]);
    }
    *ret_local = media_ports_address(ports);
    ret_local->port = bound->port;
    return 0;
}

/* ---- describing and closing ---- */

static void port_set(void *ctx, const struct media_session *session)
{
    struct host_session *s = find(ctx, session->id);
    if (!s)
        return;
    struct media_control command = {.kind = MEDIA_CONTROL_SET, .session = *session};
    media_host_command(s->worker, &command, NULL);
    mem_wipe(&command, sizeof command);
    for (unsigned i = 0; i < session->stream_count && i < MEDIA_STREAMS_MAX; i++)
        if (session->streams[i].kind == MEDIA_OFF) {
            give_back(s, i, MEDIA_INSIDE);
            give_back(s, i, MEDIA_OUTSIDE);
        }
}

static void port_close(void *ctx, uint64_t session)
{
    struct host_session *s = find(ctx, session);
    if (!s)
        return;
    media_host_command(s->worker, &(struct media_control){.kind = MEDIA_CONTROL_REMOVE, .id = session}, NULL);
    give_all_back(s);
    s->is_closed = true;
    s->worker->session_count--;
    s->worker->host->counters.sessions--;
}

static int read_figures(const struct host_session *s, struct media_summary *ret_summary)
{
    struct media_control message;
    if (!s->figures || media_control_decode(slice_of(s->figures, s->figures_octets), &message, NULL) != 0)
        return ERR_NOT_FOUND;
    *ret_summary = message.event.summary;
    return 0;
}

static int port_figures(void *ctx, uint64_t session, struct media_summary *ret_summary)
{
    const struct host_session *s = find(ctx, session);
    return s ? read_figures(s, ret_summary) : ERR_NOT_FOUND;
}

/* ---- what workers say ---- */

/* The last event of a session that was closed, or lost. */
static void end_session(struct host_session *s, struct media_event *event)
{
    struct media_host *host = s->worker->host;
    event->session = s->id;
    if (event->kind == MEDIA_LOST)
        host->counters.sessions_lost++;
    session_free(s);
    host->event(host->arg, event);
}

static void lose(struct host_session *s)
{
    struct media_event event = {.kind = MEDIA_LOST};
    if (s->is_closed) { /* nobody misses it anymore: what was known is its summary */
        event.kind = MEDIA_SUMMARY;
        read_figures(s, &event.summary);
    }
    end_session(s, &event);
}

static void keep_figures(struct host_session *s, struct slice octets)
{
    uint8_t *figures = mem_resize(s->figures, octets.n);
    if (!figures)
        return; /* those before are better than none */
    memcpy(figures, octets.p, octets.n);
    s->figures = figures;
    s->figures_octets = octets.n;
}

static void said_event(struct host_worker *w, const struct media_event *event, struct slice octets)
{
    struct host_session *s = map_get(&w->host->sessions, slice_of(&event->session, sizeof event->session));
    if (!s || s->worker != w)
        return;
    if (event->kind == MEDIA_FIGURES) {
        keep_figures(s, octets);
    } else if (event->kind == MEDIA_SUMMARY) {
        struct media_event last = *event;
        if (s->is_closed)
            end_session(s, &last);
    } else if (!s->is_closed) {
        w->host->event(w->host->arg, event);
    }
}

static void said_refused(struct host_worker *w, uint64_t session, int err)
{
    struct host_session *s = map_get(&w->host->sessions, slice_of(&session, sizeof session));
    if (!s || s->worker != w)
        return;
    /* Closed before its worker heard of it: that is no failure. Otherwise half a session helps nobody. */
    if (!s->is_closed) {
        log_event(w->host->options.log, LEVEL_WARNING, "media.session.refused", "worker=%u session=%llu reason=%s",
                  w->index, (unsigned long long)session, err_name(err));
        media_host_command(w, &(struct media_control){.kind = MEDIA_CONTROL_REMOVE, .id = session}, NULL);
    }
    lose(s);
}

static void add(uint64_t *sum, const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += values[i];
}

static void add_worker(struct media_counters *relay, struct media_worker_counters *worker, const struct host_worker *w)
{
    add((uint64_t *)(void *)relay, COUNTERS_VALUES(&w->relay), COUNTERS_COUNT(media_counters));
    add((uint64_t *)(void *)worker, COUNTERS_VALUES(&w->counters), COUNTERS_COUNT(media_worker_counters));
}

static void sum_up(struct media_host *host)
{
    host->relay = host->relay_before;
    host->worker = host->worker_before;
    for (unsigned i = 0; i < host->worker_count; i++)
        add_worker(&host->relay, &host->worker, &host->workers[i]);
}

void media_host_said(struct host_worker *w, const struct media_control *message, struct slice octets)
{
    switch (message->kind) {
    case MEDIA_CONTROL_EVENT:
        said_event(w, &message->event, octets);
        break;
    case MEDIA_CONTROL_COUNTERS:
        w->relay = message->counters.relay;
        w->counters = message->counters.worker;
        sum_up(w->host);
        break;
    case MEDIA_CONTROL_REFUSED:
        said_refused(w, message->refused.session, message->refused.err);
        break;
    default: /* MEDIA_CONTROL_READY */
        log_event(w->host->options.log, LEVEL_INFO, "media.worker.ready", "worker=%u pid=%d", w->index, (int)w->pid);
    }
}

void media_host_died(struct host_worker *w)
{
    w->relay.sessions = 0;
    add_worker(&w->host->relay_before, &w->host->worker_before, w);
    w->relay = (struct media_counters){0};
    w->counters = (struct media_worker_counters){0};
    sum_up(w->host);
    while (!list_empty(&w->sessions))
        lose(CONTAINER_OF(w->sessions.next, struct host_session, of_worker));
}

/* ---- the pool ---- */

static unsigned processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MEDIA_HOST_WORKERS_MAX ? MEDIA_HOST_WORKERS_MAX : (unsigned)n;
}

/* One queue of ports per address: both sides may have the same. */
static int prepare_ports(struct media_host *host, const struct entropy *entropy)
{
    const struct media_host_options *o = &host->options;
    for (unsigned family = 0; family < 2; family++) {
        const struct addr *inside = &o->addresses[MEDIA_INSIDE][family];
        const struct addr *outside = &o->addresses[MEDIA_OUTSIDE][family];
        struct media_ports **ports = &host->ports[MEDIA_INSIDE][family];
        int err = inside->family ? media_ports_new(inside, o->port_min, o->port_max, entropy, ports) : 0;
        if (!err && inside->family && outside->family && addr_eq_ip(inside, outside))
            host->ports[MEDIA_OUTSIDE][family] = *ports;
        else if (!err && outside->family)
            err = media_ports_new(outside, o->port_min, o->port_max, entropy, &host->ports[MEDIA_OUTSIDE][family]);
        if (err)
            return err;
    }
    bool has_inside = host->ports[MEDIA_INSIDE][0] || host->ports[MEDIA_INSIDE][1];
    bool has_outside = host->ports[MEDIA_OUTSIDE][0] || host->ports[MEDIA_OUTSIDE][1];
    return has_inside && has_outside ? 0 : ERR_RANGE;
}

int media_host_new(struct loop *loop, const struct media_host_options *options, const struct entropy *entropy,
                   media_host_event_fn *event, void *arg, struct media_host **ret_host)
{
    struct media_host *host = mem_alloc(sizeof *host);
    if (!host)
        return ERR_NO_MEMORY;
    host->loop = loop;
    host->options = *options;
    host->event = event;
    host->arg = arg;
    host->port = (struct media_port){host, port_open, port_bind, port_set, port_close, port_figures};
    /* A closed session waits for its summary: there may be more than are open. */
    map_init(&host->sessions, 2 * (size_t)options->sessions_max, entropy_u64(entropy));
    host->options.relay.sessions_max = 2 * options->sessions_max;
    int err = prepare_ports(host, entropy);
    unsigned count = options->workers ? options->workers : processors();
    if (count > MEDIA_HOST_WORKERS_MAX)
        count = MEDIA_HOST_WORKERS_MAX;
    for (unsigned i = 0; i < count && !err; i++) {
        struct host_worker *w = &host->workers[host->worker_count++];
        w->host = host;
        w->index = i;
        w->fd = -1;
        list_init(&w->queue);
        list_init(&w->sessions);
        err = media_host_start_worker(w);
    }
    if (err) {
        media_host_free(host);
        return err;
    }
    *ret_host = host;
    return 0;
}

void media_host_free(struct media_host *host)
{
    if (!host)
        return;
    for (unsigned i = 0; i < host->worker_count; i++) {
        media_host_end_worker(&host->workers[i]);
        LIST_EACH(link, &host->workers[i].sessions)
            session_free(CONTAINER_OF(link, struct host_session, of_worker));
    }
    for (unsigned family = 0; family < 2; family++) {
        if (host->ports[MEDIA_OUTSIDE][family] != host->ports[MEDIA_INSIDE][family])
            media_ports_free(host->ports[MEDIA_OUTSIDE][family]);
        media_ports_free(host->ports[MEDIA_INSIDE][family]);
    }
    map_fini(&host->sessions);
    mem_free(host);
}

const struct media_port *media_host_port(struct media_host *host)
{
    return &host->port;
}

void media_host_set_relay_options(struct media_host *host, const struct media_relay_options *options)
{
    uint32_t sessions_max = host->options.relay.sessions_max;
    host->options.relay = *options;
    host->options.relay.sessions_max = sessions_max;
    struct media_control command = {.kind = MEDIA_CONTROL_CONFIGURE, .options = host->options.relay};
    for (unsigned i = 0; i < host->worker_count; i++)
        media_host_command(&host->workers[i], &command, NULL);
}

const struct media_host_counters *media_host_counters(const struct media_host *host)
{
    return &host->counters;
}

const struct media_counters *media_host_relay_counters(const struct media_host *host)
{
    return &host->relay;
}

const struct media_worker_counters *media_host_worker_counters(const struct media_host *host)
{
    return &host->worker;
}

int media_host_worker(const struct media_host *host, unsigned index, struct media_host_worker *ret_worker)
{
    if (index >= host->worker_count)
        return ERR_NOT_FOUND;
    const struct host_worker *w = &host->workers[index];
    *ret_worker = (struct media_host_worker){w->pid, w->restarts, w->session_count, w->relay, w->counters};
    return 0;
}
