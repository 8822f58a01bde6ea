/* A storage under test and its surroundings. */
#include "storage_fixture.h"

#include "base/mem.h"

#include <stdio.h>

static struct id id_filled(uint8_t octet)
{
    struct id id;
    memset(id.octets, octet, sizeof id.octets);
    return id;
}

static bool responsible(void *ctx, struct id resource)
{
    (void)resource;
    return ((struct fixture *)ctx)->responsible;
}

static bool replica(void *ctx, struct id resource, struct id sender)
{
    const struct fixture *f = ctx;
    (void)resource;
    return f->replica_duty && !id_eq(sender, node_of(f->bob)); /* bob is nobody's predecessor */
}

static size_t replicas(void *ctx, struct id resource, struct id *ret_nodes, size_t max)
{
    (void)ctx;
    (void)resource;
    assert_true(max >= 2);
    ret_nodes[0] = id_filled(0x71);
    ret_nodes[1] = id_filled(0x72);
    return 2;
}

static bool allows(void *ctx, const struct storage_claim *claim)
{
    struct fixture *f = ctx;
    f->claim = *claim;
    f->claims++;
    return f->quota_granted;
}

static void make_storage(struct fixture *f)
{
    struct storage_ports ports = {.kv = *memory_store_kv(f->store), .security = f->security};
    assert_int_equal(storage_new(&f->options, &ports, &f->kinds, &f->storage), 0);
    storage_set_duty(f->storage, &(struct storage_duty){responsible, replica, replicas, f});
    storage_set_quota(f->storage, &(struct storage_quota){allows, f});
}

static void make_kinds(struct kind_table *kinds)
{
    static const char *const names[] = {"TURN-SERVICE", "CERTIFICATE_BY_NODE", "CERTIFICATE_BY_USER",
                                        "VIPR-REGISTRATION"};
    static const struct kind own[] = {
        {KIND_TEST_SINGLE, RELOAD_MODEL_SINGLE, KIND_NODE_MATCH, 1, 100, 0},
        {KIND_TEST_ARRAY, RELOAD_MODEL_ARRAY, KIND_NODE_MATCH, 8, 16, 0},
        {KIND_TEST_USERNODE, RELOAD_MODEL_DICTIONARY, KIND_USER_NODE_MATCH, 8, 100, 0},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct kind kind;
        assert_int_equal(kind_registered(slice_str(names[i]), &kind), 0);
        assert_int_equal(kind_add(kinds, &kind), 0);
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        assert_int_equal(kind_add(kinds, &own[i]), 0);
}

int fixture_set_up(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    struct id peer = id_filled(0x01), alice = id_filled(0xa1), bob = id_filled(0xb0);
    struct id carol[] = {id_filled(0xc1), id_filled(0xc2)};
    assert_non_null(f);
    assert_int_equal(memory_store_new(&f->store), 0);
    f->security = fake_security_new(&peer, 1, "peer@example.com");
    f->alice = fake_security_new(&alice, 1, "alice@example.com");
    f->bob = fake_security_new(&bob, 1, "bob@example.com");
    f->carol = fake_security_new(carol, 2, "carol@example.com");
    f->now = (struct now){{1000000}, {NOON_MS}};
    f->responsible = f->replica_duty = f->quota_granted = true;
    make_kinds(&f->kinds);
    storage_options_default(&f->options);
    region_init(&f->region, 64u << 20);
    make_storage(f);
    *state = f;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    storage_free(f->storage);
    memory_store_free(f->store);
    fake_security_free(f->security);
    fake_security_free(f->alice);
    fake_security_free(f->bob);
    fake_security_free(f->carol);
    region_fini(&f->region);
    mem_free(f);
    return 0;
}

void fixture_restart(struct fixture *f)
{
    storage_free(f->storage);
    make_storage(f);
    assert_int_equal(storage_load(f->storage, f->now), 0);
}

void fixture_advance(struct fixture *f, int64_t ms)
{
    f->now.mono.us += ms * 1000;
    f->now.wall.ms += ms;
}

struct id node_of(const struct security *security)
{
    return security_own(security).node;
}

struct id home_of(const struct security *security)
{
    struct id node = node_of(security);
    return kind_hash(id_slice(&node));
}

struct slice vipr_key(struct fixture *f, const struct security *security, uint64_t service)
{
    char hex[ID_HEX_OCTETS], key[64];
    snprintf(key, sizeof key, "%s+%016llx", id_format(node_of(security), hex), (unsigned long long)service);
    return region_copy(&f->region, slice_str(key));
}

/* ---- requests ---- */

void draft_begin(struct draft *d, struct fixture *f, struct id resource, uint8_t replica_number)
{
    *d = (struct draft){.fixture = f, .resource = resource};
    d->store.replica_number = replica_number;
    d->store.kinds = d->kinds;
}

void draft_kind(struct draft *d, uint32_t kind, uint64_t generation)
{
    const struct kind *known = kind_find(&d->fixture->kinds, kind);
    d->store.resource = id_slice(&d->resource);
    d->kinds[d->store.kind_count] = (struct reload_kind_data){
        .kind = kind,
        .generation_counter = generation,
        .model = known ? known->model : RELOAD_MODEL_UNKNOWN,
        .values = d->values[d->store.kind_count],
    };
    d->store.kind_count++;
}

static void add_certificate(struct draft *d, const struct security *signer)
{
    struct slice der = security_own(signer).cert->der;
    for (size_t i = 0; i < d->block.certificate_count; i++)
        if (slice_eq(d->certificates[i].octets, der))
            return;
    d->certificates[d->block.certificate_count++] = (struct reload_certificate){RELOAD_CERTIFICATE_X509, der};
    d->block.certificates = d->certificates;
}

void draft_sign(struct draft *d, struct security *signer, uint32_t kind, struct reload_stored_data *value)
{
    assert_int_equal(security_sign_value(signer, id_slice(&d->resource), kind, value, &d->fixture->region), 0);
}

struct reload_stored_data *draft_value(struct draft *d, struct security *signer, struct reload_value value,
                                       uint64_t storage_time_ms)
{
    size_t k = d->store.kind_count - 1;
    struct reload_stored_data *data = &d->values[k][d->kinds[k].value_count++];
    assert_true(d->kinds[k].value_count <= DRAFT_VALUES_MAX);
    value.model = d->kinds[k].model;
    *data = (struct reload_stored_data){.storage_time_ms = storage_time_ms, .lifetime_s = 3600, .value = value};
    draft_sign(d, signer, d->kinds[k].kind, data);
    add_certificate(d, signer);
    return data;
}

struct reload_value single(const char *text)
{
    return (struct reload_value){.exists = true, .octets = slice_str(text)};
}

struct reload_value indexed(uint32_t index, const char *text)
{
    return (struct reload_value){.index = index, .exists = true, .octets = slice_str(text)};
}

struct reload_value keyed(struct slice key, const char *text)
{
    return (struct reload_value){.key = key, .exists = true, .octets = slice_str(text)};
}

struct reload_value removed(struct reload_value value)
{
    value.exists = false;
    value.octets.n = 0;
    return value;
}

static void done(void *arg, const struct storage_outcome *outcome)
{
    struct answer *a = arg;
    a->count++;
    a->code = outcome->error_code;
    a->changed = outcome->changed;
    a->revision = outcome->revision;
    a->n = outcome->octets.n;
    assert_true(a->n <= sizeof a->octets);
    if (a->n)
        memcpy(a->octets, outcome->octets.p, a->n);
}

void draft_post(struct draft *d, struct security *requester, struct answer *ret_answer)
{
    struct security_signer signer = security_own(requester);
    *ret_answer = (struct answer){0};
    storage_store(d->fixture->storage, d->fixture->now, &(struct storage_request){&d->store, &d->block, &signer}, done,
                  ret_answer);
}

uint16_t draft_send(struct draft *d, struct security *requester)
{
    draft_post(d, requester, &d->fixture->last);
    memory_store_turn(d->fixture->store);
    assert_int_equal(d->fixture->last.count, 1);
    return d->fixture->last.code;
}

uint16_t store_one(struct fixture *f, struct security *signer, struct id resource, uint32_t kind, uint64_t generation,
                   struct reload_value value, uint64_t storage_time_ms)
{
    struct draft d;
    draft_begin(&d, f, resource, 0);
    draft_kind(&d, kind, generation);
    draft_value(&d, signer, value, storage_time_ms);
    return draft_send(&d, signer);
}

uint64_t answer_generation(struct fixture *f, const struct answer *answer)
{
    struct reload_store_ans ans;
    struct fault fault;
    assert_int_equal(reload_store_ans_decode(slice_of(answer->octets, answer->n), &f->region, &ans, &fault), 0);
    assert_int_equal(ans.kind_count, 1);
    return ans.kinds[0].generation_counter;
}

/* ---- reading ---- */

struct reload_kind_data fetch_all(struct fixture *f, struct id resource, uint32_t kind)
{
    static const struct reload_range whole = {0, RELOAD_ARRAY_END};
    const struct kind *known = kind_find(&f->kinds, kind);
    struct reload_specifier specifier = {.kind = kind, .model = known->model};
    if (known->model == RELOAD_MODEL_ARRAY) {
        specifier.indices = &whole;
        specifier.index_count = 1;
    }
    struct reload_fetch_req request = {id_slice(&resource), &specifier, 1};
    struct storage_certs certs;
    struct buf body;
    buf_init(&body, 1 << 20);
    assert_int_equal(storage_fetch(f->storage, f->now, &request, &f->region, &body, &certs), 0);

    struct reload_message message = {
        .contents = {.code = RELOAD_FETCH_ANS, .body = region_copy(&f->region, buf_slice(&body))}};
    struct reload_models models = kind_models(&f->kinds);
    struct reload_body decoded;
    struct fault fault;
    assert_int_equal(reload_body_decode(&message, &models, &f->region, &decoded, &fault), 0);
    buf_fini(&body);
    assert_int_equal(decoded.fetch_ans.kind_count, 1);
    return decoded.fetch_ans.kinds[0];
}

const char *text_at(struct fixture *f, const struct reload_kind_data *data, size_t i)
{
    assert_true(i < data->value_count);
    return data->values[i].value.exists ? region_text(&f->region, data->values[i].value.octets) : "-";
}
