/* The core as a whole: made from the store, freed, and what does not belong to one of its parts. */
#include "enroll/internal.h"

#include "base/mem.h"

COUNTERS_DEFINE(enroll_counters, ENROLL_COUNTERS)

int enroll_new(const struct enroll_options *options, const struct enroll_ports *ports, struct now now,
               struct enroll **ret_enroll)
{
    struct enroll *e = mem_alloc(sizeof *e);
    if (!e)
        return ERR_NO_MEMORY;
    e->options = *options;
    e->ports = *ports;
    e->now = now;
    e->started_at = now.wall;
    guard_init(&e->guard, entropy_u64(ports->entropy), options->failures_max, options->failures_refill_ms);
    list_init(&e->tokens);
    list_init(&e->issued);
    list_init(&e->waiting);
    map_init(&e->tokens_by_id, ENROLL_TOKENS_MAX, entropy_u64(ports->entropy));
    map_init(&e->issued_by_serial, SIZE_MAX, entropy_u64(ports->entropy));
    map_init(&e->holders, SIZE_MAX, entropy_u64(ports->entropy));
    map_init(&e->node_ids, SIZE_MAX, entropy_u64(ports->entropy));
    int err = enroll_load(e);
    if (err) {
        enroll_free(e);
        return err;
    }
    *ret_enroll = e;
    return 0;
}

void enroll_free(struct enroll *e)
{
    if (!e)
        return;
    struct list *link;
    while ((link = list_pop(&e->waiting))) {
        struct waiting *waiting = CONTAINER_OF(link, struct waiting, link);
        waiting->drop(waiting);
    }
    while (!list_empty(&e->tokens))
        token_drop(e, CONTAINER_OF(e->tokens.next, struct token, link));
    while (!list_empty(&e->issued))
        issued_drop(e, CONTAINER_OF(e->issued.next, struct issued, link));
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&e->holders, &it))
        mem_free(it.value);
    map_fini(&e->holders);
    map_fini(&e->node_ids);
    map_fini(&e->tokens_by_id);
    map_fini(&e->issued_by_serial);
    config_free(e->config);
    authority_fini(&e->active);
    authority_fini(&e->standby);
    cert_free(e->former_signer);
    key_free(e->signer_key);
    mem_free(e);
}

void enroll_set_options(struct enroll *e, const struct enroll_options *options)
{
    e->options = *options;
    e->guard.failures_max = options->failures_max;
    e->guard.refill_ms = options->failures_refill_ms;
}

void enroll_set_now(struct enroll *e, struct now now)
{
    e->now = now;
}

void enroll_written(struct enroll *e, int err)
{
    e->writes--;
    e->write_err = err;
    if (err)
        log_event(e->ports.log, LEVEL_ERROR, "enroll.store.failed", "error=%s", err_name(err));
}

bool enroll_settled(const struct enroll *e, int *ret_err)
{
    if (e->writes)
        return false;
    *ret_err = e->write_err;
    return true;
}

struct enroll_counters *enroll_counters(struct enroll *e)
{
    return &e->counters;
}

bool enroll_wants_shutdown(const struct enroll *e)
{
    return e->shutdown;
}
