/* Sessions over the pool of media workers: the port of the edge's core. */
#include "io/media_host_private.h"

#include "base/mem.h"
#include "io/process.h"
#include "io/stream_private.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <unistd.h>

/* Ports that another program has are passed over, so many at a time. */
#define BINDS_MAX 64

/* What a worker has open besides ports: its control socket and timer, standard streams, what was sent to it and waits. */
#define DESCRIPTORS_OF_OTHERS 256

/* A session goes on in another process so often within so long: it may be what the processes die of. */
#define RESUMES_MAX 3
#define RESUMES_MS 60000

/* Its patience with workers, which tell their counters every second, is counted in so many ticks of our own. */
#define SILENT_TICKS_MAX 10

/* Ports that nobody wants are looked for so often, and so many of an address are closed then at most. */
#define IDLE_TICK_MS 1000
#define IDLE_CLOSED_MAX 256

COUNTERS_DEFINE(media_host_counters, MEDIA_HOST_COUNTERS)

void media_host_options_init(struct media_host_options *options)
{
    *options = (struct media_host_options){
        .port_min = 16384,
        .port_max = 32767,
        .port_rest_ms = 5000,
        .port_idle_ms = 60000,
        .sessions_max = 10000,
        .patience_ms = 10000,
        .restart_pause_ms = 1000,
    };
    media_relay_options_init(&options->relay);
}

/* ---- sessions ---- */

static struct host_session *find(const struct media_host *host, uint64_t id)
{
    struct host_session *s = map_get(&host->sessions, slice_of(&id, sizeof id));
    return s && !s->is_closed ? s : NULL;
}

static uint32_t pair_number(const struct bound_port *bound)
{
    return bound->ports ? bound->ports->number + bound->port : 0;
}

static void close_pair(struct host_worker *w, const struct bound_port *bound)
{
    const struct media_control command = {.kind = MEDIA_CONTROL_CLOSE, .pair = pair_number(bound)};
    w->open_count -= bound->is_open;
    w->host->counters.ports_closed++;
    media_host_command(w, &command, NULL);
}

/* All that a session may have bound. */
#define BOUND_MAX ((unsigned)(MEDIA_STREAMS_MAX * MEDIA_SIDES * 2))

static struct bound_port *bound_at(struct host_session *s, unsigned n)
{
    return &s->bound[n / (MEDIA_SIDES * 2)][n / 2 % MEDIA_SIDES][n % 2];
}

/* The one that a side of a stream uses: of the family of whom it sends to, or as was asked last. */
static struct bound_port *bound_for(struct host_session *s, unsigned stream, enum media_side side, uint8_t family)
{
    struct bound_port *bound = s->bound[stream][side];
    if (family && bound[family == 6].ports)
        return &bound[family == 6];
    return &bound[s->asked[stream][side]];
}

/* The worker may keep it open for another session. */
static void release(struct host_session *s, struct bound_port *bound, bool is_open)
{
    struct media_host *host = s->worker->host;
    if (!bound->ports)
        return;
    const struct mono rested = mono_after_ms(loop_now(host->loop).mono, host->options.port_rest_ms);
    media_ports_give_back(bound->ports->free, bound->port, rested, is_open && bound->is_open);
    bound->ports = NULL;
    s->port_count--;
    s->worker->port_count--;
    host->counters.ports--;
}

static void release_all(struct host_session *s)
{
    for (unsigned n = 0; n < BOUND_MAX && s->port_count; n++)
        release(s, bound_at(s, n), true);
}

/* The worker may not have what it was given: that is opened anew. */
static void close_all(struct host_session *s)
{
    for (unsigned n = 0; n < BOUND_MAX && s->port_count; n++) {
        struct bound_port *bound = bound_at(s, n);
        if (bound->ports)
            close_pair(s->worker, bound);
        release(s, bound, false);
    }
}

static void session_free(struct host_session *s)
{
    struct media_host *host = s->worker->host;
    release_all(s);
    list_remove(&s->of_worker);
    if (!s->is_closed) {
        s->worker->session_count--;
        host->counters.sessions--;
    }
    map_remove(&host->sessions, slice_of(&s->id, sizeof s->id));
    mem_free(s->figures);
    buf_fini_secret(&s->description);
    buf_fini_secret(&s->state);
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
    buf_init(&s->description, MEDIA_CONTROL_OCTETS_MAX);
    buf_init(&s->state, MEDIA_CONTROL_OCTETS_MAX);
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

/* Opens it here, and hands it over. */
static int open_pair(struct host_worker *w, struct bound_port *bound)
{
    const struct addr address = media_ports_address(bound->ports->free);
    int fds[MEDIA_COMPONENTS];
    int err = bind_pair(&address, bound->port, fds);
    if (err)
        return err;
    media_host_command(w, &(struct media_control){.kind = MEDIA_CONTROL_PAIR, .pair = pair_number(bound)}, fds);
    close(fds[0]);
    close(fds[1]);
    bound->is_open = w->fd >= 0;
    w->open_count += bound->is_open;
    w->host->counters.ports_opened++;
    return 0;
}

/* A worker has room for another pair; if need be, one that is free is closed for it, though it may rest still. */
static bool has_room(struct host_worker *w)
{
    for (unsigned n = 0; n < MEDIA_SIDES * 2 && w->open_count >= w->host->options.pairs_max; n++) {
        struct host_ports *ports = &w->ports[n / 2][n % 2];
        struct bound_port bound = {.ports = ports, .is_open = true};
        if (ports->free && media_ports_close_idle(ports->free, MONO_NEVER, &bound.port))
            close_pair(w, &bound);
    }
    return w->open_count < w->host->options.pairs_max;
}

/* A free pair that the worker has. */
static int take_pair(struct host_worker *w, struct host_ports *ports, struct bound_port *ret_bound)
{
    struct media_host *host = w->host;
    struct mono now = loop_now(host->loop).mono;
    int err = ERR_LIMIT;
    for (unsigned i = 0; i < BINDS_MAX; i++) {
        struct bound_port bound = {.ports = ports};
        err = media_ports_take(ports->free, now, &bound.port, &bound.is_open);
        if (err)
            break;
        if (!bound.is_open)
            err = has_room(w) ? open_pair(w, &bound) : ERR_LIMIT;
        if (!err) {
            *ret_bound = bound;
            return 0;
        }
        media_ports_give_back(ports->free, bound.port, mono_after_ms(now, host->options.port_rest_ms), false);
        if (err == ERR_LIMIT)
            break;
        if (err != ERR_EXISTS)
            return err;
        host->counters.ports_busy++;
        err = ERR_LIMIT;
    }
    host->counters.ports_exhausted++;
    return err;
}

static void close_idle(void *arg)
{
    struct media_host *host = arg;
    const struct mono now = loop_now(host->loop).mono;
    const struct mono rested_before = mono_after_ms(now, -(int64_t)host->options.port_idle_ms);
    for (unsigned i = 0; i < host->worker_count; i++) {
        for (unsigned n = 0; n < MEDIA_SIDES * 2; n++) {
            struct host_ports *ports = &host->workers[i].ports[n / 2][n % 2];
            struct bound_port bound = {.ports = ports, .is_open = true};
            for (unsigned left = ports->free ? IDLE_CLOSED_MAX : 0;
                 left && media_ports_close_idle(ports->free, rested_before, &bound.port); left--)
                close_pair(&host->workers[i], &bound);
        }
    }
    loop_timer_set(host->idle_timer, mono_after_ms(now, IDLE_TICK_MS));
}

/* NULL: none of that family on that side. */
static struct host_ports *ports_of(struct host_worker *w, enum media_side side, uint8_t family)
{
    struct host_ports *ports = &w->ports[side][family == 6];
    if (!ports->free && w->host->options.addresses[side][family == 6].family)
        ports = &w->ports[MEDIA_INSIDE][family == 6]; /* of the same address */
    return ports->free ? ports : NULL;
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
    struct host_ports *ports = ports_of(s->worker, side, family);
    struct bound_port *bound = &s->bound[stream][side][family == 6];
    if (!ports)
        return ERR_RANGE;
    if (!bound->ports) {
        int err = take_pair(s->worker, ports, bound);
        if (err)
            return err;
        s->port_count++;
        s->worker->port_count++;
        host->counters.ports++;
    }
    s->asked[stream][side] = family == 6;
    *ret_local = media_ports_address(ports->free);
    ret_local->port = bound->port;
    return 0;
}

/* ---- describing and closing ---- */

static void port_set(void *ctx, const struct media_session *session)
{
    struct host_session *s = find(ctx, session->id);
    if (!s)
        return;
    struct media_control command = {.kind = MEDIA_CONTROL_SET, .set.session = *session};
    for (unsigned i = 0; i < session->stream_count && i < MEDIA_STREAMS_MAX; i++)
        for (enum media_side side = MEDIA_INSIDE; session->streams[i].kind != MEDIA_OFF && side < MEDIA_SIDES; side++)
            command.set.pairs[i][side] =
                pair_number(bound_for(s, i, side, session->streams[i].ends[side].remote.family));
    buf_clear_secret(&s->description);
    if (media_control_encode(&command, &s->description) == 0)
        media_host_send(s->worker, buf_slice(&s->description), NULL);
    mem_wipe(&command, sizeof command);
    for (unsigned i = 0; i < session->stream_count && i < MEDIA_STREAMS_MAX; i++)
        for (unsigned n = 0; n < MEDIA_SIDES * 2 && session->streams[i].kind == MEDIA_OFF; n++)
            release(s, &s->bound[i][n / 2][n % 2], true);
}

static void port_close(void *ctx, uint64_t session)
{
    struct host_session *s = find(ctx, session);
    if (!s)
        return;
    media_host_command(s->worker, &(struct media_control){.kind = MEDIA_CONTROL_REMOVE, .id = session}, NULL);
    release_all(s);
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

static void keep_state(struct host_worker *w, uint64_t session, struct slice octets)
{
    struct host_session *s = map_get(&w->host->sessions, slice_of(&session, sizeof session));
    if (!s || s->worker != w || s->is_closed)
        return;
    buf_clear_secret(&s->state);
    buf_slice_put(&s->state, octets);
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
        close_all(s);
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
    w->silent_ticks = 0;
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
    case MEDIA_CONTROL_STATE:
        keep_state(w, message->state.session, message->state.octets);
        break;
    default: /* MEDIA_CONTROL_READY */
        log_event(w->host->options.log, LEVEL_INFO, "media.worker.ready", "worker=%u pid=%d", w->index, (int)w->pid);
    }
}

/* ---- sessions that outlive their worker ---- */

/* Only with the counters of its keys: without them numbers would be used twice. One that was never described has none. */
static bool can_resume(struct host_session *s)
{
    const struct mono now = loop_now(s->worker->host->loop).mono;
    if (s->is_closed || (s->description.n && !s->state.n) || s->state.err || s->description.err)
        return false;
    if (mono_since_us(now, s->resumed_at) >= RESUMES_MS * INT64_C(1000))
        s->resumed = 0;
    return s->resumed < RESUMES_MAX;
}

void media_host_died(struct host_worker *w)
{
    w->relay.sessions = 0;
    add_worker(&w->host->relay_before, &w->host->worker_before, w);
    w->relay = (struct media_counters){0};
    w->counters = (struct media_worker_counters){0};
    sum_up(w->host);
    for (unsigned n = 0; n < MEDIA_SIDES * 2; n++)
        if (w->ports[n / 2][n % 2].free)
            media_ports_all_closed(w->ports[n / 2][n % 2].free);
    w->open_count = 0;
    LIST_EACH(link, &w->sessions) {
        struct host_session *s = CONTAINER_OF(link, struct host_session, of_worker);
        for (unsigned n = 0; n < BOUND_MAX; n++)
            bound_at(s, n)->is_open = false;
        if (!can_resume(s))
            lose(s);
    }
}

/* The same ports, for both ends know them; the sockets have died with the worker. */
static int resume_ports(struct host_session *s)
{
    int err = 0;
    for (unsigned n = 0; n < BOUND_MAX && !err; n++) {
        struct bound_port *bound = bound_at(s, n);
        if (bound->ports)
            err = open_pair(s->worker, bound);
    }
    return err;
}

static int resume(struct host_session *s)
{
    struct host_worker *w = s->worker;
    if (s->state.n) {
        struct media_control command = {.kind = MEDIA_CONTROL_RESUME, .state = {s->id, buf_slice(&s->state)}};
        media_host_command(w, &command, NULL);
    }
    int err = resume_ports(s);
    if (err)
        return err;
    if (s->description.n)
        media_host_send(w, buf_slice(&s->description), NULL);
    s->resumed++;
    s->resumed_at = loop_now(w->host->loop).mono;
    w->host->counters.sessions_resumed++;
    return 0;
}

void media_host_replaced(struct host_worker *w, bool runs)
{
    unsigned resumed = 0, lost = 0;
    LIST_EACH(link, &w->sessions) {
        struct host_session *s = CONTAINER_OF(link, struct host_session, of_worker);
        if (runs && !s->is_closed && resume(s) == 0) {
            resumed++;
        } else {
            media_host_command(w, &(struct media_control){.kind = MEDIA_CONTROL_REMOVE, .id = s->id}, NULL);
            lost += !s->is_closed;
            lose(s);
        }
    }
    if (resumed || lost)
        log_event(w->host->options.log, LEVEL_WARNING, "media.sessions.resumed",
                  "worker=%u pid=%d sessions=%u lost=%u after_ms=%lld", w->index, (int)w->pid, resumed, lost,
                  (long long)mono_since_us(loop_now(w->host->loop).mono, w->died) / 1000);
}

/* Only time in which we were awake counts. */
static void watch_event(evutil_socket_t fd, short what, void *arg)
{
    struct media_host *host = arg;
    (void)fd;
    (void)what;
    for (unsigned i = 0; i < host->worker_count; i++) {
        struct host_worker *w = &host->workers[i];
        if (w->fd < 0 || ++w->silent_ticks < SILENT_TICKS_MAX)
            continue;
        log_event(host->options.log, LEVEL_ERROR, "media.worker.hangs", "worker=%u pid=%d", w->index, (int)w->pid);
        media_host_kill_worker(w);
    }
}

/* ---- the pool ---- */

static unsigned processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MEDIA_HOST_WORKERS_MAX ? MEDIA_HOST_WORKERS_MAX : (unsigned)n;
}

static bool has_address(const struct media_host *host, enum media_side side)
{
    return host->options.addresses[side][0].family || host->options.addresses[side][1].family;
}

/* One queue of ports per address, of which each worker has its share: both sides may have the same. */
static int prepare_ports(struct host_worker *w, const struct entropy *entropy)
{
    const struct media_host_options *o = &w->host->options;
    const struct media_ports_range range = {o->port_min, o->port_max, w->index, w->host->worker_count};
    int err = 0;
    for (unsigned n = 0; n < MEDIA_SIDES * 2 && !err; n++) {
        const struct addr *address = &o->addresses[n / 2][n % 2], *inside = &o->addresses[MEDIA_INSIDE][n % 2];
        struct host_ports *ports = &w->ports[n / 2][n % 2];
        ports->number = n << 16;
        if (address->family && (address == inside || !inside->family || !addr_eq_ip(address, inside)))
            err = media_ports_new(address, &range, entropy, &ports->free);
    }
    return err;
}

/* A worker that has no descriptor left for a port that it is given could not take the call either. */
static void fit_descriptors(struct media_host *host)
{
    struct media_host_options *o = &host->options;
    const size_t files = process_files_max(), others = DESCRIPTORS_OF_OTHERS;
    const size_t max = files > 2 * others ? (files - others) / MEDIA_COMPONENTS : others / MEDIA_COMPONENTS;
    size_t wanted = 0;
    for (unsigned n = 0; n < MEDIA_SIDES * 2; n++)
        if (host->workers[0].ports[n / 2][n % 2].free)
            wanted += (o->port_max + 1u - o->port_min) / 2u / host->worker_count;
    if (!o->pairs_max || o->pairs_max > max)
        o->pairs_max = (uint32_t)max;
    if (wanted > max)
        log_event(o->log, LEVEL_WARNING, "media.ports.fewer",
                  "pairs=%zu instead of %zu at each worker: the limit of open files is %zu", max, wanted, files);
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
    int err = has_address(host, MEDIA_INSIDE) && has_address(host, MEDIA_OUTSIDE) ? 0 : ERR_RANGE;
    host->worker_count = options->workers ? options->workers : processors();
    if (host->worker_count > MEDIA_HOST_WORKERS_MAX)
        host->worker_count = MEDIA_HOST_WORKERS_MAX;
    const unsigned pairs = (options->port_max + 1u - options->port_min) / 2u; /* each needs one at least */
    if (host->worker_count > pairs)
        host->worker_count = pairs ? pairs : 1;
    for (unsigned i = 0; i < host->worker_count; i++) {
        struct host_worker *w = &host->workers[i];
        *w = (struct host_worker){.host = host, .index = i, .fd = -1};
        list_init(&w->queue);
        list_init(&w->sessions);
    }
    for (unsigned i = 0; i < host->worker_count && !err; i++)
        err = prepare_ports(&host->workers[i], entropy);
    if (!err)
        fit_descriptors(host);
    for (unsigned i = 0; i < host->worker_count && !err; i++)
        err = media_host_start_worker(&host->workers[i]);
    if (!err)
        err = loop_timer_new(loop, close_idle, host, &host->idle_timer);
    if (!err) {
        event_assign(&host->watch_event, loop_event_base(loop), -1, EV_PERSIST, watch_event, host);
        host->has_watch = true;
        const uint32_t tick_ms = options->patience_ms / SILENT_TICKS_MAX;
        err = event_add(&host->watch_event, &(struct timeval){tick_ms / 1000, tick_ms % 1000 * 1000}) == 0
                  ? 0
                  : ERR_NO_MEMORY;
    }
    if (err) {
        media_host_free(host);
        return err;
    }
    loop_timer_set(host->idle_timer, mono_after_ms(loop_now(loop).mono, IDLE_TICK_MS));
    *ret_host = host;
    return 0;
}

void media_host_free(struct media_host *host)
{
    if (!host)
        return;
    if (host->has_watch)
        event_del(&host->watch_event);
    for (unsigned i = 0; i < host->worker_count; i++) {
        media_host_end_worker(&host->workers[i]);
        LIST_EACH(link, &host->workers[i].sessions)
            session_free(CONTAINER_OF(link, struct host_session, of_worker));
        for (unsigned n = 0; n < MEDIA_SIDES * 2; n++)
            media_ports_free(host->workers[i].ports[n / 2][n % 2].free);
    }
    loop_timer_free(host->idle_timer);
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
