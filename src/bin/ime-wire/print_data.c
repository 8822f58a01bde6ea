/* Store, Fetch, Stat and Find as trees, in the words of RFC 6940 section 7. */
#include "print_reload.h"

void print_kind(struct print *p, uint32_t kind)
{
    print_code_hex(p, "kind", kind, 4, reload_kind_name(kind));
}

/* What addresses a value in its model, 7.2. */
static void print_place(struct print *p, enum reload_model model, uint32_t index, struct slice key)
{
    if (model == RELOAD_MODEL_ARRAY)
        print_number(p, "index", index);
    if (model == RELOAD_MODEL_DICTIONARY)
        print_text(p, "key", key);
}

static void print_stored_data(struct print *p, const struct reload_stored_data *d)
{
    print_object(p, NULL);
    print_time_ms(p, "storage_time", d->storage_time_ms);
    print_number(p, "lifetime", d->lifetime_s);
    if (d->value.model == RELOAD_MODEL_UNKNOWN) {
        print_octets(p, "value_and_signature", d->opaque);
    } else {
        print_place(p, d->value.model, d->value.index, d->value.key);
        print_bool(p, "exists", d->value.exists);
        print_octets(p, "value", d->value.octets);
        print_signature(p, "signature", &d->signature);
    }
    print_end(p);
}

static void print_kind_data(struct print *p, const char *name, const char *counter,
                            const struct reload_kind_data *kinds, size_t count)
{
    print_list(p, name);
    for (size_t i = 0; i < count; i++) {
        print_object(p, NULL);
        print_kind(p, kinds[i].kind);
        print_word(p, "data_model", reload_model_name(kinds[i].model));
        print_number(p, counter, kinds[i].generation_counter);
        print_list(p, "values");
        for (size_t k = 0; k < kinds[i].value_count; k++)
            print_stored_data(p, &kinds[i].values[k]);
        print_end(p);
        print_end(p);
    }
    print_end(p);
}

static void print_specifier(struct print *p, const struct reload_specifier *s)
{
    print_object(p, NULL);
    print_kind(p, s->kind);
    print_word(p, "data_model", reload_model_name(s->model));
    print_number(p, "generation", s->generation);
    if (s->model == RELOAD_MODEL_ARRAY) {
        print_list(p, "indices");
        for (size_t i = 0; i < s->index_count; i++) {
            print_object(p, NULL);
            print_number(p, "first", s->indices[i].first);
            print_number(p, "last", s->indices[i].last);
            print_end(p);
        }
        print_end(p);
    } else if (s->model == RELOAD_MODEL_DICTIONARY) {
        print_list(p, "keys");
        for (size_t i = 0; i < s->key_count; i++)
            print_text(p, NULL, s->keys[i]);
        print_end(p);
    } else if (s->model == RELOAD_MODEL_UNKNOWN) {
        print_octets(p, "model_specifier", s->opaque);
    }
    print_end(p);
}

static void print_stored_meta(struct print *p, const struct reload_stored_meta *m)
{
    print_object(p, NULL);
    print_time_ms(p, "storage_time", m->storage_time_ms);
    print_number(p, "lifetime", m->lifetime_s);
    if (m->model == RELOAD_MODEL_UNKNOWN) {
        print_octets(p, "metadata", m->opaque);
    } else {
        print_place(p, m->model, m->index, m->key);
        print_bool(p, "exists", m->exists);
        print_number(p, "value_length", m->value_length);
        print_code(p, "hash_algorithm", m->hash_algorithm, reload_hash_name(m->hash_algorithm));
        print_octets(p, "hash_value", m->hash);
    }
    print_end(p);
}

static void print_stat_ans(struct print *p, const struct reload_stat_ans *answer)
{
    print_list(p, "kind_responses");
    for (size_t i = 0; i < answer->kind_count; i++) {
        const struct reload_kind_meta *k = &answer->kinds[i];
        print_object(p, NULL);
        print_kind(p, k->kind);
        print_word(p, "data_model", reload_model_name(k->model));
        print_number(p, "generation", k->generation);
        print_list(p, "values");
        for (size_t v = 0; v < k->value_count; v++)
            print_stored_meta(p, &k->values[v]);
        print_end(p);
        print_end(p);
    }
    print_end(p);
}

static void print_find_req(struct print *p, const struct reload_find_req *f)
{
    print_octets(p, "resource", f->resource);
    print_list(p, "kinds");
    for (size_t i = 0; i < f->kind_count; i++)
        print_code_hex(p, NULL, f->kinds[i], 4, reload_kind_name(f->kinds[i]));
    print_end(p);
}

static void print_find_ans(struct print *p, const struct reload_find_ans *f)
{
    print_list(p, "results");
    for (size_t i = 0; i < f->count; i++) {
        print_object(p, NULL);
        print_kind(p, f->results[i].kind);
        print_octets(p, "closest", f->results[i].closest);
        print_end(p);
    }
    print_end(p);
}

void print_data_body(struct print *p, const struct reload_body *b)
{
    switch (b->code) {
    case RELOAD_STORE_REQ:
        print_octets(p, "resource", b->store_req.resource);
        print_number(p, "replica_number", b->store_req.replica_number);
        print_kind_data(p, "kind_data", "generation_counter", b->store_req.kinds, b->store_req.kind_count);
        break;
    case RELOAD_FETCH_REQ:
    case RELOAD_STAT_REQ:
        print_octets(p, "resource", b->fetch_req.resource);
        print_list(p, "specifiers");
        for (size_t i = 0; i < b->fetch_req.specifier_count; i++)
            print_specifier(p, &b->fetch_req.specifiers[i]);
        print_end(p);
        break;
    case RELOAD_FETCH_ANS:
        print_kind_data(p, "kind_responses", "generation", b->fetch_ans.kinds, b->fetch_ans.kind_count);
        break;
    case RELOAD_STAT_ANS:
        print_stat_ans(p, &b->stat_ans);
        break;
    case RELOAD_FIND_REQ:
        print_find_req(p, &b->find_req);
        break;
    case RELOAD_FIND_ANS:
        print_find_ans(p, &b->find_ans);
        break;
    }
}
