/* Answers that nobody waits for: one that crossed our CANCEL, that of a second phone, one that came when its INVITE had timed out long ago. The
 * phone is up, and would stay so: it is acknowledged, as often as it answers, and told goodbye once (RFC 3261 13.2.2.4). Everything that this
 * takes stands in the answer; what is kept is only that goodbye was said. */
#include "agent/internal.h"

struct late_answer {
    struct client bye;
    uint32_t cseq;
    struct timer timer; /* as long as the answer may be repeated */
    size_t key_octets;
    uint8_t key[]; /* sip_dialog_key */
};

static void late_free(struct agent *a, struct late_answer *l)
{
    map_remove(&a->late, slice_of(l->key, l->key_octets));
    agent_timer_stop(a, &l->timer);
    client_drop(a, &l->bye);
    mem_free(l);
}

static void late_due(struct agent *a, void *owner)
{
    late_free(a, owner);
}

static void late_bye_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct late_answer *l = owner;
    (void)response;
    if (status >= 200)
        client_drop(a, &l->bye);
}

/* NULL: there are too many, or no memory. The far side then ends its call itself, for want of an ACK (13.3.1.4). */
static struct late_answer *late_new(struct agent *a, struct slice key, struct trunk *trunk, uint32_t cseq)
{
    struct late_answer *l = mem_alloc(sizeof *l + key.n);
    if (!l)
        return NULL;
    l->cseq = cseq;
    l->key_octets = key.n;
    memcpy(l->key, key.p, key.n);
    client_init(&l->bye, late_bye_heard, l, trunk, &l->cseq);
    l->timer = (struct timer){.fire = late_due, .owner = l};
    if (map_set(&a->late, key, l) < 0 || agent_timer(a, &l->timer, LINGER_MS) < 0) {
        late_free(a, l);
        return NULL;
    }
    return l;
}

static void late_say_goodbye(struct agent *a, struct late_answer *l, struct sip_dialog *d, const struct sip_hop *hop)
{
    buf_clear(&a->octets);
    sip_dialog_begin_request(d, "BYE", l->cseq, &a->octets);
    sip_end(&a->octets, (struct slice){0});
    if (!a->octets.err)
        client_send(a, &l->bye, hop, buf_slice(&a->octets));
}

void late_answer(struct agent *a, const struct sip_hop *hop, struct trunk *trunk, const struct sip_message *response,
                 struct slice credentials)
{
    struct sip_dialog d;
    a->counters.answers_late++;
    if (sip_dialog_init_uac(&d, response, response) < 0)
        return;
    struct sip_hop to = end_hop_by(a, trunk, hop, &d);
    buf_clear(&a->text);
    sip_dialog_key(response->call_id, response->from.tag, response->to.tag, &a->text);
    struct slice key = a->text.err ? (struct slice){0} : region_copy(&a->scratch, buf_slice(&a->text));
    struct late_answer *known = key.n ? map_get(&a->late, key) : NULL;
    struct late_answer *l = known || !key.n ? known : late_new(a, key, trunk, response->cseq.number + 1);
    if (l) {
        buf_clear(&a->octets);
        sip_dialog_begin_request(&d, "ACK", response->cseq.number, &a->octets);
        sip_end(&a->octets, (struct slice){0});
        client_send_ack(a, &to, credentials);
        if (!known)
            late_say_goodbye(a, l, &d, &to);
    } else {
        a->counters.answers_late_refused++;
    }
    sip_dialog_fini(&d);
}

bool late_is_busy(const struct agent *a)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&a->late, &it)) {
        if (((const struct late_answer *)it.value)->bye.token)
            return true;
    }
    return false;
}

void late_free_all(struct agent *a)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&a->late, &it))
        late_free(a, it.value);
}
