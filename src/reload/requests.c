/* Requests of the layer above: each becomes a transaction, and its outcome a PEER_RESULT. */
#include "reload/peer_internal.h"

/* A request under way. Its result is allocated with it, so that it can always be told. */
struct upper {
    struct list order;
    struct peer_effect *effect;
    uint16_t code;
    struct id resource;
    uint32_t kind;
    answer_fn *fill;
};

static void upper_end(struct peer *peer, struct upper *upper, int err)
{
    upper->effect->result->err = err;
    peer_effect_queue(peer, upper->effect);
    list_remove(&upper->order);
    mem_free(upper);
}

/* ---- what the answer says ---- */

static void fill_store(struct peer_result *result, const struct outcome *outcome, struct region *region)
{
    const struct reload_store_ans *answer = &outcome->body->store_ans;
    if (!answer->kind_count)
        return;
    const struct reload_store_kind_response *kind = &answer->kinds[0];
    result->generation = kind->generation_counter;
    result->replicas = region_array(region, kind->replicas.count, sizeof *result->replicas);
    if (!result->replicas)
        return;
    result->replica_count = kind->replicas.count;
    if (kind->replicas.count)
        memcpy(result->replicas, kind->replicas.items, kind->replicas.count * sizeof *result->replicas);
}

/* Values whose signature does not hold are left out: whoever hides or forges others' values achieves nothing (7.4.2.2). */
static int fill_fetch(struct peer *peer, struct now now, const struct upper *upper, struct peer_result *result,
                      const struct outcome *outcome, struct region *region)
{
    const struct reload_fetch_ans *answer = &outcome->body->fetch_ans;
    if (!answer->kind_count || answer->kinds[0].kind != upper->kind)
        return 0;
    const struct reload_kind_data *data = &answer->kinds[0];
    const struct kind *kind = kind_find(&peer->config->kinds, upper->kind);
    result->generation = data->generation_counter;
    result->items = region_array(region, data->value_count, sizeof *result->items);
    if (!result->items)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < data->value_count; i++) {
        const struct reload_stored_data *value = &data->values[i];
        struct security_signer signer;
        if (reload_stored_data_is_unsigned(value))
            continue; /* made up for a gap: nobody stored it */
        int err = security_verify_value(peer->ports.security, &outcome->message->security, id_slice(&upper->resource),
                                        upper->kind, value, now.wall, &signer);
        if (err || !kind || !kind_may_write(kind, upper->resource, value->value.key, signer.node, signer.cert->user)) {
            peer->counters.value_signature_bad++;
            continue;
        }
        struct peer_item *item = &result->items[result->item_count++];
        *item = (struct peer_item){
            .kind = upper->kind,
            .index = value->value.index,
            .key = region_copy(region, value->value.key),
            .exists = value->value.exists,
            .value = region_copy(region, value->value.octets),
            .lifetime_s = value->lifetime_s,
            .storage_time = {(int64_t)value->storage_time_ms},
            .signer = signer.node,
            .resource = upper->resource,
        };
        if ((value->value.key.n && !item->key.p) || (value->value.octets.n && !item->value.p))
            return ERR_NO_MEMORY;
    }
    return 0;
}

static int fill_stat(const struct upper *upper, struct peer_result *result, const struct outcome *outcome,
                     struct region *region)
{
    const struct reload_stat_ans *answer = &outcome->body->stat_ans;
    if (!answer->kind_count || answer->kinds[0].kind != upper->kind)
        return 0;
    const struct reload_kind_meta *data = &answer->kinds[0];
    result->generation = data->generation;
    result->items = region_array(region, data->value_count, sizeof *result->items);
    if (!result->items)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < data->value_count; i++) {
        const struct reload_stored_meta *meta = &data->values[i];
        result->items[result->item_count++] = (struct peer_item){
            .kind = upper->kind,
            .index = meta->index,
            .key = region_copy(region, meta->key),
            .exists = meta->exists,
            .lifetime_s = meta->lifetime_s,
            .storage_time = {(int64_t)meta->storage_time_ms},
            .resource = upper->resource,
            .value_octets = meta->value_length,
            .value_hash = region_copy(region, meta->hash),
        };
    }
    return 0;
}

static int fill_find(struct peer_result *result, const struct outcome *outcome, struct region *region)
{
    const struct reload_find_ans *answer = &outcome->body->find_ans;
    result->items = region_array(region, answer->count, sizeof *result->items);
    if (!result->items)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->results[i].closest.n != ID_OCTETS)
            continue; /* none of this Kind */
        struct peer_item *item = &result->items[result->item_count++];
        *item = (struct peer_item){.kind = answer->results[i].kind, .exists = true};
        memcpy(item->resource.octets, answer->results[i].closest.p, ID_OCTETS);
    }
    return 0;
}

static void fill_probe(struct peer_result *result, const struct outcome *outcome)
{
    const struct reload_probe_ans *answer = &outcome->body->probe_ans;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->items[i].type == RELOAD_PROBE_RESPONSIBLE_SET)
            result->responsible_ppb = answer->items[i].value;
        else if (answer->items[i].type == RELOAD_PROBE_NUM_RESOURCES)
            result->num_resources = answer->items[i].value;
        else if (answer->items[i].type == RELOAD_PROBE_UPTIME)
            result->uptime_s = answer->items[i].value;
    }
}

static int fill(struct peer *peer, struct now now, const struct upper *upper, const struct outcome *outcome)
{
    struct peer_result *result = upper->effect->result;
    struct region *region = peer_effect_region(upper->effect);
    switch (upper->code) {
    case RELOAD_STORE_REQ:
        fill_store(result, outcome, region);
        return 0;
    case RELOAD_FETCH_REQ:
        return fill_fetch(peer, now, upper, result, outcome, region);
    case RELOAD_STAT_REQ:
        return fill_stat(upper, result, outcome, region);
    case RELOAD_FIND_REQ:
        return fill_find(result, outcome, region);
    case RELOAD_PROBE_REQ:
        fill_probe(result, outcome);
        return 0;
    case RELOAD_ROUTE_QUERY_REQ:
        result->next = outcome->body->route_query_ans;
        return 0;
    case RELOAD_APP_ATTACH_REQ:
        return peer_app_attach_address(peer, outcome->body, &result->addr) ? 0 : ERR_UNREACHABLE;
    default:
        return 0;
    }
}

static void answered(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    struct upper *upper = ctx;
    struct peer_result *result = upper->effect->result;
    result->error_code = outcome->error_code;
    result->responder = outcome->responder;
    result->elapsed_us = outcome->elapsed_us;
    result->error_info = region_copy(peer_effect_region(upper->effect), outcome->error_info);
    /* We know a Kind that the other peer does not: its configuration is behind (7.4.1.2). */
    if (outcome->error_code == RELOAD_ERROR_UNKNOWN_KIND && kind_find(&peer->config->kinds, upper->kind))
        config_push(peer, now, outcome->responder);
    upper_end(peer, upper, outcome->err ? outcome->err : fill(peer, now, upper, outcome));
}

/* ---- asking ---- */

static struct upper *upper_new(struct peer *peer, uint64_t token, uint16_t code, struct id resource, uint32_t kind)
{
    struct upper *upper = mem_alloc(sizeof *upper);
    struct peer_effect *effect = upper ? peer_effect_new(peer, PEER_RESULT) : NULL;
    if (effect)
        effect->result = region_alloc(peer_effect_region(effect), sizeof *effect->result);
    if (!effect || !effect->result) {
        peer->counters.memory_refused++;
        peer_effect_free(effect);
        mem_free(upper);
        if (peer->refused_count < REFUSED_MAX)
            peer->refused[peer->refused_count++] = token;
        return NULL;
    }
    effect->result->token = token;
    upper->effect = effect;
    upper->code = code;
    upper->resource = resource;
    upper->kind = kind;
    list_init(&upper->order);
    list_append(&peer->uppers, &upper->order);
    return upper;
}

/* Starts it, or ends it with the reason why not. */
static void upper_start(struct peer *peer, struct now now, struct upper *upper, const struct route *route,
                        const struct reload_body *body)
{
    peer->now = now;
    int err = peer->state == PEER_JOINED || peer->state == PEER_LEAVING ? 0 : ERR_WRONG_STATE;
    if (!err)
        err = peer_transaction_start(peer, now, route, body, answered, upper);
    if (err)
        upper_end(peer, upper, err);
    peer_settle(peer, now);
}

static struct route route_to(struct peer_target target)
{
    return (struct route){.is_node = target.is_node, .id = target.id};
}

static int store_body(struct peer *peer, struct now now, struct id *resource, uint64_t generation,
                      const struct peer_item *items, size_t count, struct region *region, struct reload_body *ret_body)
{
    struct reload_models models = kind_models(&peer->config->kinds);
    struct reload_kind_data *data = region_alloc(region, sizeof *data);
    struct reload_stored_data *values = region_array(region, count, sizeof *values);
    if (!count || !data || !values)
        return count ? ERR_NO_MEMORY : ERR_RANGE;
    *data =
        (struct reload_kind_data){items[0].kind, generation, models.model_of(models.ctx, items[0].kind), values, count};
    if (data->model == RELOAD_MODEL_UNKNOWN)
        return ERR_UNSUPPORTED;
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind != data->kind)
            return ERR_RANGE;
        values[i] = (struct reload_stored_data){
            .storage_time_ms = (uint64_t)now.wall.ms,
            .lifetime_s = items[i].lifetime_s,
            .value = {data->model, items[i].index, items[i].key, items[i].exists, items[i].value},
        };
        int err = security_sign_value(peer->ports.security, id_slice(resource), data->kind, &values[i], region);
        if (err)
            return err;
    }
    *ret_body = (struct reload_body){.code = RELOAD_STORE_REQ};
    ret_body->store_req = (struct reload_store_req){id_slice(resource), 0, data, 1};
    return 0;
}

void peer_store(struct peer *peer, struct now now, uint64_t token, struct id resource, uint64_t generation,
                const struct peer_item *items, size_t count)
{
    struct region region;
    struct reload_body body;
    struct upper *upper = upper_new(peer, token, RELOAD_STORE_REQ, resource, count ? items[0].kind : 0);
    if (!upper)
        return;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    int err = store_body(peer, now, &resource, generation, items, count, &region, &body);
    if (err)
        upper_end(peer, upper, err);
    else
        upper_start(peer, now, upper, &(struct route){.id = resource}, &body);
    region_fini(&region);
}

static void read_start(struct peer *peer, struct now now, uint64_t token, uint16_t code, struct id resource,
                       uint32_t kind)
{
    static const struct reload_range all = {0, RELOAD_ARRAY_END};
    struct upper *upper = upper_new(peer, token, code, resource, kind);
    if (!upper)
        return;
    struct reload_models models = kind_models(&peer->config->kinds);
    struct reload_specifier specifier = {.kind = kind, .model = models.model_of(models.ctx, kind)};
    if (specifier.model == RELOAD_MODEL_UNKNOWN) {
        upper_end(peer, upper, ERR_UNSUPPORTED);
        return;
    }
    if (specifier.model == RELOAD_MODEL_ARRAY) {
        specifier.indices = &all;
        specifier.index_count = 1;
    }
    struct reload_body body = {.code = code, .fetch_req = {id_slice(&resource), &specifier, 1}};
    upper_start(peer, now, upper, &(struct route){.id = resource}, &body);
}

void peer_fetch(struct peer *peer, struct now now, uint64_t token, struct id resource, uint32_t kind)
{
    read_start(peer, now, token, RELOAD_FETCH_REQ, resource, kind);
}

void peer_stat(struct peer *peer, struct now now, uint64_t token, struct id resource, uint32_t kind)
{
    read_start(peer, now, token, RELOAD_STAT_REQ, resource, kind);
}

void peer_find(struct peer *peer, struct now now, uint64_t token, struct id resource, uint32_t kind)
{
    struct upper *upper = upper_new(peer, token, RELOAD_FIND_REQ, resource, kind);
    struct reload_body body = {.code = RELOAD_FIND_REQ, .find_req = {id_slice(&resource), &kind, 1}};
    if (upper)
        upper_start(peer, now, upper, &(struct route){.id = resource}, &body);
}

void peer_ping(struct peer *peer, struct now now, uint64_t token, struct peer_target target)
{
    struct upper *upper = upper_new(peer, token, RELOAD_PING_REQ, target.id, 0);
    struct route route = route_to(target);
    if (upper)
        upper_start(peer, now, upper, &route, &(struct reload_body){.code = RELOAD_PING_REQ});
}

void peer_probe(struct peer *peer, struct now now, uint64_t token, struct peer_target target)
{
    static const uint8_t all[] = {RELOAD_PROBE_RESPONSIBLE_SET, RELOAD_PROBE_NUM_RESOURCES, RELOAD_PROBE_UPTIME};
    struct upper *upper = upper_new(peer, token, RELOAD_PROBE_REQ, target.id, 0);
    struct route route = route_to(target);
    struct reload_body body = {.code = RELOAD_PROBE_REQ, .probe_req = slice_of(all, sizeof all)};
    if (upper)
        upper_start(peer, now, upper, &route, &body);
}

void peer_route_query(struct peer *peer, struct now now, uint64_t token, struct id node, struct peer_target destination)
{
    struct upper *upper = upper_new(peer, token, RELOAD_ROUTE_QUERY_REQ, node, 0);
    struct reload_body body = {.code = RELOAD_ROUTE_QUERY_REQ};
    body.route_query.destination = destination.is_node ? reload_destination_node(destination.id)
                                                       : reload_destination_resource(id_slice(&destination.id));
    if (upper)
        upper_start(peer, now, upper, &(struct route){.is_node = true, .id = node}, &body);
}

void peer_app_attach(struct peer *peer, struct now now, uint64_t token, struct id node, uint16_t application,
                     struct addr own)
{
    struct upper *upper = upper_new(peer, token, RELOAD_APP_ATTACH_REQ, node, 0);
    struct reload_candidate candidates[2];
    struct reload_body body = {.code = RELOAD_APP_ATTACH_REQ};
    body.attach.application = application;
    body.attach.role = slice_str("active"); /* we connect to the address in the answer */
    body.attach.candidates = candidates;
    body.attach.candidate_count = peer_app_candidates(peer, application, own, candidates);
    if (upper)
        upper_start(peer, now, upper, &(struct route){.is_node = true, .id = node}, &body);
}

void peer_requests_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->uppers) {
        struct upper *upper = CONTAINER_OF(it, struct upper, order);
        peer_effect_free(upper->effect);
        mem_free(upper);
    }
}
