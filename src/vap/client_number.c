/* Numbers that are kept published (section 8.4.2): at every server, and again before the ring forgets them. */
#include "base/mem.h"
#include "vap/client_core.h"

#define LIFETIME_DEFAULT_S 86400
#define RETRY_FIRST_MS 5000
#define RETRY_MAX_MS 600000

int vap_client_publish_number(struct vap_client *c, struct now now, const struct e164 *e164, uint64_t token)
{
    if (c->stopping)
        return ERR_CLOSED;
    if (map_get(&c->numbers, e164_slice(e164)))
        return ERR_EXISTS;
    struct number *number = mem_alloc(sizeof *number);
    if (!number)
        return ERR_NO_MEMORY;
    number->e164 = *e164;
    number->token = token;
    list_init(&number->result.link);
    int err = map_set(&c->numbers, e164_slice(e164), number);
    for (unsigned i = 0; i < c->config.servers && !err; i++) {
        number->at[i].number = number;
        err = heap_set(&c->sessions[i].numbers, &number->at[i].due, now.mono);
    }
    if (err) {
        for (unsigned i = 0; i < c->config.servers; i++)
            heap_remove(&c->sessions[i].numbers, &number->at[i].due);
        map_remove(&c->numbers, e164_slice(e164));
        mem_free(number);
        return err;
    }
    vap_client_tick(c, now);
    return 0;
}

void vap_number_report(struct vap_client *c, struct number *number, int err, unsigned code, const char *reason)
{
    if (number->reported && !c->config.report_refreshes)
        return;
    number->reported = true;
    c->counters.numbers_failed += err != 0;
    number->result.e = (struct vap_client_effect){
        .kind = VAP_CLIENT_PUBLISHED,
        .token = number->token,
        .err = err,
        .code = code,
    };
    vap_note_push(c, &number->result, reason);
}

/* A forgotten number is freed when nothing refers to it any more: no request, and no result that is still to be taken. */
bool vap_number_free_forgotten(struct number *number)
{
    if (!number->forgotten || !list_empty(&number->result.link))
        return false;
    for (unsigned i = 0; i < VAP_SERVERS_MAX; i++)
        if (number->at[i].in_flight)
            return false;
    mem_free(number);
    return true;
}

void vap_number_free_all(struct vap_client *c)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&c->numbers, &it)) {
        struct number *number = it.value;
        list_remove(&number->result.link);
        mem_free(number);
    }
}

/* Half of the window is left to call records: a publication takes its time. */
bool vap_number_has_room(const struct session *s)
{
    return vap_session_has_room(s) && s->numbers_in_flight < (s->client->config.window + 1) / 2;
}

void vap_number_dispatch(struct session *s, struct now now)
{
    while (vap_number_has_room(s)) {
        struct heap_node *node = heap_pop_due(&s->numbers, now.mono);
        size_t mark;
        if (!node)
            return;
        struct publication *publication = CONTAINER_OF(node, struct publication, due);
        struct request *request = vap_request_begin(s, now, VAP_PUBLISH, REQUEST_NUMBER, &mark);
        if (!request) {
            heap_set(&s->numbers, node, mono_after_ms(now.mono, RETRY_FIRST_MS));
            return;
        }
        request->number = publication->number;
        publication->in_flight = true;
        s->numbers_in_flight++;
        vap_request_put_service(s, SUBSERVICE_NUMBER, s->client->instance);
        tlv_put_e164(&s->out, TLV_CALLED_NUM, &publication->number->e164);
        vap_request_send(s, mark);
    }
}

/* Some time well before the ring forgets it; spread, so that numbers published together are not refreshed together forever. */
static int64_t refresh_ms(const struct vap_client *c, uint32_t lifetime_s)
{
    int64_t lifetime_ms = (int64_t)(lifetime_s ? lifetime_s : LIFETIME_DEFAULT_S) * 1000;
    return lifetime_ms / 2 + (int64_t)entropy_below(c->entropy, (uint64_t)lifetime_ms / 4 + 1);
}

static int64_t retry_ms(unsigned failures)
{
    int64_t pause = RETRY_FIRST_MS << (failures < 8 ? failures : 8);
    return pause < RETRY_MAX_MS ? pause : RETRY_MAX_MS;
}

void vap_number_answered(struct session *s, struct now now, struct number *number, unsigned code, const char *reason,
                         const struct vap_message *m)
{
    struct vap_client *c = s->client;
    struct publication *publication = &number->at[s->index];
    publication->in_flight = false;
    if (vap_number_free_forgotten(number))
        return;
    int64_t pause;
    if (!code) {
        c->counters.numbers_published++;
        publication->failures = 0;
        pause = refresh_ms(c, m->dht_lifetime_s ? m->dht_lifetime_s : s->dht_lifetime_s);
        vap_number_report(c, number, 0, 0, NULL);
    } else {
        if (code == VAP_OVERLOADED)
            vap_session_hold(s, now);
        publication->failures++;
        pause = retry_ms(publication->failures);
        /* What only time can mend is tried again without end, but its result does not wait for that. */
        if (publication->failures >= c->config.attempts_max ||
            (code != VAP_PUBLICATION_FAILED && code != VAP_OVERLOADED))
            vap_number_report(c, number, ERR_FORBIDDEN, code, reason);
    }
    heap_set(&s->numbers, &publication->due, mono_after_ms(now.mono, pause));
    if (code == VAP_UNREGISTERED && c->version) {
        vap_alarm_raise(s, VAP_ALARM_OUT_OF_STEP, reason);
        vap_session_fail(s, now, reason);
    }
}

void vap_number_lost(struct session *s, struct now now, struct number *number)
{
    number->at[s->index].in_flight = false;
    if (!vap_number_free_forgotten(number))
        heap_set(&s->numbers, &number->at[s->index].due, now.mono);
}

int vap_client_forget_number(struct vap_client *c, const struct e164 *e164)
{
    struct number *number = map_remove(&c->numbers, e164_slice(e164));
    if (!number)
        return ERR_NOT_FOUND;
    for (unsigned i = 0; i < c->config.servers; i++)
        heap_remove(&c->sessions[i].numbers, &number->at[i].due);
    vap_number_report(c, number, ERR_CLOSED, 0, "forgotten");
    number->forgotten = true;
    if (c->taken_number == number)
        c->taken_number = NULL;
    vap_number_free_forgotten(number);
    return 0;
}
