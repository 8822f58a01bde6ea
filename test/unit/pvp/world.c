/* Plays the network between an originator and a terminator. */
#include "world.h"

#include "base/mem.h"
#include "crypt/digest.h"

#include <stdio.h>

const struct wall world_begin = {1767225600000};

/* The signature of a test identity: a hash of its certificate (which is its Node-ID) and the data. */
static void sign_as(struct slice certificate, struct slice data, uint8_t mac[SHA256_OCTETS])
{
    hmac_sha256(certificate, data, mac);
}

static int test_sign(void *ctx, struct slice data, struct buf *ret_signature)
{
    const uint8_t *certificate = ctx;
    uint8_t mac[SHA256_OCTETS];
    sign_as(slice_of(certificate, ID_OCTETS), data, mac);
    buf_put(ret_signature, mac, sizeof mac);
    return ret_signature->err;
}

static int test_verify(void *ctx, struct slice certificate, const struct id *node_id, struct slice data,
                       struct slice signature, struct wall now)
{
    (void)ctx;
    (void)now;
    uint8_t mac[SHA256_OCTETS];
    sign_as(certificate, data, mac);
    bool good = slice_eq(certificate, id_slice(node_id)) && slice_eq(signature, slice_of(mac, sizeof mac));
    return good ? 0 : ERR_AUTH;
}

struct pvp_identity world_identity(uint8_t n)
{
    static uint8_t certificates[256][ID_OCTETS];
    memset(certificates[n], n, ID_OCTETS);
    struct pvp_identity identity = {.ctx = certificates[n],
                                    .certificate = slice_of(certificates[n], ID_OCTETS),
                                    .sign = test_sign,
                                    .verify = test_verify};
    memset(identity.node_id.octets, n, ID_OCTETS);
    return identity;
}

static int find_service(void *ctx, const struct e164 *called, uint64_t vservice_id, struct pvp_service *ret_service)
{
    struct world *w = ctx;
    (void)called;
    if (w->service_error)
        return w->service_error;
    if (vservice_id != VSERVICE)
        return ERR_NOT_FOUND;
    *ret_service = (struct pvp_service){slice_str("b.example"), w->routes, 1, w->b_list, w->keyring};
    return 0;
}

static void open_b(struct world *w)
{
    struct keyring_config keys = {.granting_domain = slice_str("b.example"),
                                  .granting_node = w->b.node_id,
                                  .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                  .revocations_max = 100,
                                  .kv = memory_store_kv(w->store),
                                  .entropy = &w->entropy};
    assert_int_equal(keyring_new(&keys, w->now.wall, &w->keyring), 0);
    if (!keyring_epoch(w->keyring)) {
        assert_int_equal(keyring_generate(w->keyring, 0, w->now.wall, NULL, NULL), 0);
        memory_store_turn(w->store);
    }
    const struct kv *kv = memory_store_kv(w->store);
    assert_int_equal(pvp_vcr_table_new(&w->vcr_config, kv, &w->entropy, NULL, w->now, &w->vcrs), 0);
    struct pvp_terminator_ports ports = {
        .vcrs = w->vcrs, .identity = &w->b, .service = {w, find_service, NULL}, .kv = kv, .entropy = &w->entropy};
    assert_int_equal(pvp_terminator_new(&w->config, &ports, w->now, &w->terminator), 0);
}

static void close_b(struct world *w)
{
    pvp_terminator_free(w->terminator);
    pvp_vcr_table_free(w->vcrs);
    keyring_free(w->keyring);
}

void world_open(struct world *w)
{
    *w = (struct world){.config = PVP_TERMINATOR_CONFIG_DEFAULT,
                        .vcr_config = PVP_VCR_CONFIG_DEFAULT,
                        .a_announces = true,
                        .a_address = {.family = 4, .port = 40000, .ip = {127, 1, 1, 1}}};
    w->now = (struct now){{0}, world_begin};
    w->seed.state = 1;
    w->entropy = seeded_entropy_port(&w->seed);
    w->a = world_identity(0xa);
    w->b = world_identity(0xb);
    w->routes[0] = slice_str("sip:agent@b.example:5061;maddr=192.0.2.2;transport=tcp");
    assert_int_equal(memory_store_new(&w->store), 0);
    open_b(w);
}

void world_close(struct world *w)
{
    close_b(w);
    memory_store_free(w->store);
}

void world_crash(struct world *w)
{
    memory_store_crash(w->store);
    close_b(w);
    open_b(w);
}

void world_pass_ms(struct world *w, int64_t ms)
{
    w->now.mono = mono_after_ms(w->now.mono, ms);
    w->now.wall = wall_after_ms(w->now.wall, ms);
    pvp_terminator_tick(w->terminator, w->now);
}

static struct e164 number(const char *text)
{
    struct e164 n = {0};
    if (text)
        assert_true(e164_parse(slice_str(text), &n));
    return n;
}

static void must_be_done(void *arg, int err)
{
    *(bool *)arg = true;
    assert_int_equal(err, 0);
}

struct keep {
    struct pvp_vcr_record record;
    struct id id;
};

static int keep_id(void *arg, const struct pvp_vcr *v)
{
    struct keep *keep = arg;
    struct pvp_vcr_record r;
    pvp_vcr_get(v, &r);
    if (r.start.ms == keep->record.start.ms && r.stop.ms == keep->record.stop.ms)
        keep->id = pvp_vcr_id(v);
    return 0;
}

struct id world_upload(struct world *w, const struct call *call)
{
    bool done = false;
    struct keep keep = {.record = {.direction = PVP_TERMINATING,
                                   .called = number(call->called),
                                   .calling = number(call->calling),
                                   .start = wall_after_ms(world_begin, call->start_ms),
                                   .stop = wall_after_ms(world_begin, call->stop_ms),
                                   .vservice_id = VSERVICE,
                                   .client = slice_str("pbx")}};
    assert_int_equal(pvp_vcr_upload(w->vcrs, w->now, &keep.record, must_be_done, &done), 0);
    memory_store_turn(w->store);
    assert_true(done);
    pvp_vcr_each(w->vcrs, &keep.record.called, keep_id, &keep);
    return keep.id;
}

/* The connection of one attempt. */
struct link {
    struct world *world;
    struct pvp_validation *validation;
    struct pvp_inbound *inbound;
    unsigned sends;
};

static void end_link(struct link *l)
{
    if (l->inbound)
        pvp_inbound_closed(l->inbound, l->world->now);
    l->inbound = NULL;
}

static void connect_link(struct link *l, const char *username, const char *password)
{
    struct world *w = l->world;
    struct pvp_credential credential;
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    w->connects++;
    entropy_fill(&w->entropy, exporter, sizeof exporter);
    if (pvp_inbound_new(w->terminator, w->now, &w->a_address, l, &l->inbound) < 0) {
        pvp_validation_connected(l->validation, w->now, PVP_CONNECT_UNREACHABLE, NULL);
        return;
    }
    if (pvp_inbound_lookup(l->inbound, w->now, slice_str(username), &credential) < 0) {
        end_link(l);
        pvp_validation_connected(l->validation, w->now, PVP_CONNECT_UNREACHABLE, NULL);
    } else if (strcmp(credential.password, password) == 0) {
        pvp_inbound_handshake(l->inbound, w->now, PVP_HANDSHAKE_GOOD, exporter);
        exporter[0] ^= w->relayed;
        pvp_validation_connected(l->validation, w->now, PVP_CONNECT_GOOD, exporter);
    } else {
        pvp_inbound_handshake(l->inbound, w->now, PVP_HANDSHAKE_BAD, NULL);
        end_link(l);
        pvp_validation_connected(l->validation, w->now, PVP_CONNECT_NOT_PROVED, NULL);
    }
}

/* B's effects; true if there was one. */
static bool step_b(struct link *l)
{
    struct world *w = l->world;
    struct pvp_terminator_effect e;
    if (!pvp_terminator_next(w->terminator, &e))
        return false;
    switch (e.kind) {
    case PVP_INBOUND_SEND:
        if (w->cut_after_sends && ++l->sends >= w->cut_after_sends) {
            end_link(l);
            pvp_validation_closed(l->validation, w->now);
        } else {
            /* In two pieces: nothing may depend on where a packet ends. */
            size_t half = e.octets.n / 2;
            pvp_validation_input(l->validation, w->now, slice_of(e.octets.p, half));
            pvp_validation_input(l->validation, w->now, slice_of(e.octets.p + half, e.octets.n - half));
        }
        break;
    case PVP_INBOUND_CLOSE:
        end_link(l);
        pvp_validation_closed(l->validation, w->now);
        break;
    case PVP_INBOUND_REPORT:
        w->report = e.report;
        break;
    }
    return true;
}

static void copy_result(struct outcome *o, const struct pvp_validation_result *r)
{
    o->outcome = r->outcome;
    o->method = r->method;
    o->worth = r->worth;
    o->attempts = r->attempts;
    o->code = r->code;
    snprintf(o->domain, sizeof o->domain, "%.*s", SLICE_PRINT(r->domain));
    snprintf(o->why, sizeof o->why, "%s", r->why);
    if (r->valinfo)
        snprintf(o->ticket, sizeof o->ticket, "%.*s", SLICE_PRINT(r->valinfo->ticket));
}

/* A's effects; true if there was one. */
static bool step_a(struct link *l, struct outcome *o, bool *over)
{
    struct pvp_validation_effect e;
    if (!pvp_validation_next(l->validation, &e))
        return false;
    switch (e.kind) {
    case PVP_VALIDATION_CONNECT: {
        char username[PVP_USERNAME_OCTETS_MAX + 1];
        char password[PVP_PASSWORD_OCTETS_MAX + 1];
        snprintf(username, sizeof username, "%s", e.username);
        snprintf(password, sizeof password, "%s", e.password);
        connect_link(l, username, password);
        break;
    }
    case PVP_VALIDATION_SEND:
        if (l->inbound)
            pvp_inbound_input(l->inbound, l->world->now, e.octets);
        break;
    case PVP_VALIDATION_CLOSE:
        end_link(l);
        break;
    case PVP_VALIDATION_RESULT:
        copy_result(o, &e.result);
        *over = true;
        break;
    }
    return true;
}

static struct pvp_validation_task task_of(const struct world *w, const struct call *call, const struct id *claimant)
{
    return (struct pvp_validation_task){.called = number(call->called),
                                        .calling = number(call->calling),
                                        .start = wall_after_ms(world_begin, call->start_ms),
                                        .stop = wall_after_ms(world_begin, call->stop_ms),
                                        .claimant = *claimant,
                                        .vservice_id = VSERVICE,
                                        .domain = slice_str("a.example"),
                                        .list = w->a_list};
}

struct outcome world_validate(struct world *w, const struct call *call, const struct pvp_identity *claimant)
{
    static const struct pvp_validation_config defaults = PVP_VALIDATION_CONFIG_DEFAULT;
    struct pvp_validation_config config = defaults;
    struct pvp_validation_task task = task_of(w, call, &claimant->node_id);
    struct outcome o = {.outcome = (enum pvp_outcome)99};
    struct link l = {.world = w};
    bool over = false;
    config.lattice_ms = w->config.lattice_ms;
    w->connects = 0;
    w->report = (struct pvp_inbound_report){0};
    if (w->a_announces)
        pvp_announce(w->terminator, w->now, &w->a.node_id, &w->a_address);
    mem_fail_at(w->fail_at);
    int err = pvp_validation_new(&config, &task, &w->a, &w->entropy, w->now, &l.validation);
    if (err) {
        assert_int_equal(w->fail_at ? ERR_NO_MEMORY : 0, err);
        mem_fail_at(0);
        o.outcome = PVP_INCONCLUSIVE;
        return o;
    }
    for (bool moved = true; moved && !over;) {
        moved = step_a(&l, &o, &over) || step_b(&l);
        if (!moved && !w->write_is_slow)
            moved = memory_store_turn(w->store) > 0;
    }
    if (!over) { /* something is slow: time decides */
        w->now.mono = pvp_validation_deadline(l.validation);
        pvp_validation_tick(l.validation, w->now);
        while (!over)
            assert_true(step_a(&l, &o, &over));
    }
    mem_fail_at(0);
    end_link(&l);
    while (step_b(&l))
        ;
    pvp_validation_free(l.validation);
    return o;
}

bool world_guess(struct world *w, const struct call *call, const char *password)
{
    struct pvp_validation_task task = task_of(w, call, &w->b.node_id);
    uint32_t r = w->config.lattice_ms;
    struct pvp_username u = {.method = PVP_METHOD_A,
                             .vservice_id = VSERVICE,
                             .called = task.called,
                             .start_sketch = pvp_sketch(task.start, r),
                             .stop_sketch = pvp_sketch(task.stop, r)};
    char username[PVP_USERNAME_OCTETS_MAX + 1];
    struct pvp_credential credential;
    struct pvp_inbound *in;
    pvp_caller_hint(&u.called, u.vservice_id, u.start_sketch, u.stop_sketch, &task.calling, u.caller_hint);
    pvp_username_format(&u, username);
    if (w->a_announces)
        pvp_announce(w->terminator, w->now, &w->a.node_id, &w->a_address);
    assert_int_equal(pvp_inbound_new(w->terminator, w->now, &w->a_address, NULL, &in), 0);
    assert_int_equal(pvp_inbound_lookup(in, w->now, slice_str(username), &credential), 0);
    bool good = strcmp(credential.password, password) == 0;
    pvp_inbound_handshake(in, w->now, good ? PVP_HANDSHAKE_GOOD : PVP_HANDSHAKE_BAD,
                          good ? (const uint8_t[PVP_EXPORTER_OCTETS]){0} : NULL);
    pvp_inbound_closed(in, w->now);
    struct pvp_terminator_effect e;
    while (pvp_terminator_next(w->terminator, &e))
        if (e.kind == PVP_INBOUND_REPORT)
            w->report = e.report;
    memory_store_turn(w->store);
    return good;
}
