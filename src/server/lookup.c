/* Looking a number up without a validation: for operators, who want to know what the ring says, and for whoever measures it. */
#include "server/internal.h"

#include "base/mem.h"

#include <inttypes.h>

/* What the answer needs is there from the beginning, so that every look-up that began has its end. */
struct lookup {
    struct list link;
    uint64_t token; /* of the reader */
    struct e164 number;
    struct mono began;
    struct ctl_request *request; /* of imectl; NULL: of the program */
    struct out *out;             /* of the program: its effect */
};

struct lookup_result {
    struct server_lookup lookup;
    struct numbers_claimant claimants[NUMBERS_CLAIMANTS_MAX];
};

static void lookup_free(struct server *s, struct lookup *l)
{
    list_remove(&l->link);
    s->lookup_count--;
    mem_free(l->out);
    mem_free(l);
}

static int begin(struct server *s, const struct e164 *number, struct lookup **ret_lookup)
{
    if (!ring_is_up(s))
        return ERR_WRONG_STATE;
    if (s->lookup_count == LOOKUPS_MAX)
        return ERR_LIMIT;
    struct lookup *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    l->token = server_token(s);
    l->number = *number;
    l->began = s->now.mono;
    list_append(&s->lookups, &l->link);
    s->lookup_count++;
    *ret_lookup = l;
    return 0;
}

int server_look_up(struct server *s, struct now now, const struct e164 *number, uint64_t token)
{
    struct lookup *l;
    s->now = now;
    int err = begin(s, number, &l);
    if (err)
        return err;
    l->out = mem_alloc(sizeof *l->out + sizeof(struct lookup_result));
    err = l->out ? numbers_look_up(s->reader, now, l->token, number) : ERR_NO_MEMORY;
    if (err) {
        lookup_free(s, l);
        return err;
    }
    struct lookup_result *result = (void *)l->out->octets;
    result->lookup.token = token;
    l->out->effect = (struct server_effect){.kind = SERVER_LOOKED_UP, .lookup = &result->lookup};
    return 0;
}

static void tell_program(struct server *s, struct lookup *l, const struct numbers_reader_effect *found)
{
    struct lookup_result *result = (void *)l->out->octets;
    result->lookup = (struct server_lookup){
        .token = result->lookup.token,
        .err = found->err,
        .answered = found->answered,
        .claimants = result->claimants,
        .claimant_count = found->claimant_count,
        .discarded = found->discarded,
        .elapsed_us = mono_since_us(s->now.mono, l->began),
    };
    if (found->claimant_count)
        memcpy(result->claimants, found->claimants, found->claimant_count * sizeof *found->claimants);
    list_append(&s->out, &l->out->link);
    l->out = NULL;
}

static void tell_operator(const struct server *s, const struct lookup *l, const struct numbers_reader_effect *found)
{
    if (found->err) {
        ctl_refuse(l->request, found->err, "none of the three places of this number answered",
                   "`show ring` says how this server stands in the ring");
        return;
    }
    struct ctl_writer *w = ctl_reply_begin(l->request);
    ctl_put_text(w, "number", l->number.text);
    ctl_put_integer(w, "copies_answered", found->answered);
    ctl_put_integer(w, "copies", NUMBERS_COPIES);
    ctl_put_integer(w, "entries_discarded", found->discarded);
    ctl_put_integer(w, "elapsed_ms", mono_since_us(s->now.mono, l->began) / 1000);
    ctl_open_array(w, "claimants");
    for (size_t i = 0; i < found->claimant_count; i++) {
        const struct numbers_claimant *c = &found->claimants[i];
        ctl_open_object(w, NULL);
        ctl_put_id(w, "node_id", c->node_id);
        ctl_put_printf(w, "vservice_id", "%016" PRIx64, c->vservice_id);
        ctl_put_integer(w, "copies", c->copies);
        ctl_put_time(w, "stored_at", c->storage_time);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(l->request);
}

bool lookup_ended(struct server *s, const struct numbers_reader_effect *found)
{
    LIST_EACH(it, &s->lookups) {
        struct lookup *l = CONTAINER_OF(it, struct lookup, link);
        if (l->token != found->token)
            continue;
        if (l->request)
            tell_operator(s, l, found);
        else
            tell_program(s, l, found);
        lookup_free(s, l);
        return true;
    }
    return false;
}

void lookup_command(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct lookup *l;
    struct e164 number;
    if (!e164_parse(slice_str(ctl_args_text(ctl_request_args(request), "number")), &number)) {
        ctl_refuse(request, ERR_SYNTAX, NULL, NULL);
        return;
    }
    int err = begin(s, &number, &l);
    if (!err && (err = numbers_look_up_all(s->reader, s->now, l->token, &number)) != 0)
        lookup_free(s, l);
    if (err)
        ctl_refuse(request, err, err == ERR_WRONG_STATE ? "not in the ring yet" : NULL,
                   err == ERR_WRONG_STATE ? "`wait ring` waits for it" : NULL);
    else
        l->request = request;
}

void lookup_drop_all(struct server *s)
{
    LIST_EACH(it, &s->lookups) {
        struct lookup *l = CONTAINER_OF(it, struct lookup, link);
        if (l->request)
            ctl_refuse(l->request, ERR_CLOSED, "the daemon ends", NULL);
        lookup_free(s, l);
    }
}
