/* Server transactions (RFC 3261 17.2): requests that come in, once or again, their CANCELs, their answers. */
#include "base/mem.h"
#include "sip/transaction_core.h"

/* ---- life ---- */

void sip_server_settled(struct server *s)
{
    struct sip_layer *l = s->t.layer;
    if (!s->in)
        return;
    l->servers_open--;
    l->octets -= s->in->octets;
    sip_inbound_spend(l, s->in);
    s->in = NULL;
}

void sip_server_leave(struct server *s)
{
    struct sip_layer *l = s->t.layer;
    sip_server_settled(s);
    sip_table_remove(&l->merges, &s->by_merge);
    sip_source_leave(l, s->source);
    s->source = NULL;
}

static size_t octets_of(const struct server *s)
{
    return sizeof *s + s->t.key.n + s->merge.n + s->to_tag.n;
}

void sip_server_free(struct server *s)
{
    s->t.layer->octets -= octets_of(s);
    sip_packet_drop(s->t.packet);
    mem_free(s);
}

static struct slice put(uint8_t **at, struct slice text)
{
    uint8_t *begin = *at;
    if (text.n)
        memcpy(begin, text.p, text.n);
    *at += text.n;
    return slice_of(begin, text.n);
}

/* Holds the request if that succeeds. merge is empty if it is not to be compared with others. */
static int start(struct sip_layer *l, struct inbound *in, bool internal, struct slice merge, struct source *source,
                 struct server **ret_server)
{
    const struct sip_message *m = &in->message;
    struct slice key = sip_server_key(l, m, m->method);
    struct server *s = key.n ? mem_alloc(sizeof *s + key.n + merge.n + m->to.tag.n) : NULL;
    if (!s)
        return ERR_NO_MEMORY;
    uint8_t *at = s->texts;
    key = put(&at, key);
    s->merge = put(&at, merge);
    s->to_tag = put(&at, m->to.tag);
    s->t.id = l->last_id + 1;
    s->t.is_server = true;
    s->t.is_invite = m->method == SIP_INVITE;
    s->t.is_reliable = sip_transport_is_reliable(in->flow.transport);
    s->t.is_internal = internal;
    if (sip_transaction_start(l, &s->t, key)) {
        mem_free(s);
        return ERR_NO_MEMORY;
    }
    l->last_id++;
    l->servers_open++;
    s->source = source;
    sip_server_make_tag(l, m, s->tag);
    if (merge.n)
        sip_table_add(&l->merges, &s->by_merge, sip_layer_hash(l, merge));
    in->holders++;
    in->octets = in->region.used;
    s->in = in;
    l->octets += in->octets + octets_of(s);
    *ret_server = s;
    return 0;
}

static void begin(struct server *s, struct now now)
{
    if (s->t.is_invite)
        sip_server_invite_begin(s, now);
    else
        sip_server_request_begin(s, now);
}

/* ---- answers ---- */

void sip_server_send(struct server *s, struct packet *response)
{
    sip_packet_drop(s->t.packet);
    s->t.packet = response;
    s->t.layer->counters.responses_out++;
    sip_packet_send(response);
}

static int respond(struct server *s, struct now now, unsigned status, struct slice octets)
{
    const struct sip_hop *hop = s->in ? &s->in->hop : &s->t.packet->hop;
    struct packet *response = sip_packet_new(s->t.layer, hop, octets);
    if (!response)
        return ERR_NO_MEMORY;
    int err = s->t.is_invite ? sip_server_invite_respond(s, now, status, response)
                             : sip_server_request_respond(s, now, status, response);
    if (err)
        sip_packet_drop(response);
    return err;
}

int sip_server_answer(struct server *s, struct now now, unsigned status, struct slice to_tag)
{
    struct buf *out = &s->t.layer->scratch;
    buf_clear(out);
    sip_begin_answer(out, &s->in->message, status, NULL, to_tag);
    sip_end(out, slice_of(NULL, 0));
    return out->err ? out->err : respond(s, now, status, buf_slice(out));
}

static struct server *find(const struct sip_layer *l, uint64_t id)
{
    struct transaction *t = sip_transaction_find(l, id);
    return t && t->is_server && !t->is_internal ? CONTAINER_OF(t, struct server, t) : NULL;
}

/* 0: it is no response. */
static unsigned status_of(struct slice response)
{
    static const char start[] = "SIP/2.0 ";
    const size_t n = sizeof start - 1;
    unsigned status = 0;
    if (response.n < n + 3 || memcmp(response.p, start, n) != 0)
        return 0;
    for (size_t i = n; i < n + 3; i++) {
        if (response.p[i] < '0' || response.p[i] > '9')
            return 0;
        status = 10 * status + (unsigned)(response.p[i] - '0');
    }
    return status >= 100 && status < 700 ? status : 0;
}

int sip_server_respond(struct sip_layer *l, struct now now, uint64_t server, struct slice response)
{
    struct server *s = find(l, server);
    unsigned status = status_of(response);
    if (!s)
        return ERR_NOT_FOUND;
    return status ? respond(s, now, status, response) : ERR_SYNTAX;
}

void sip_server_forget(struct sip_layer *l, uint64_t server)
{
    struct server *s = find(l, server);
    if (s)
        sip_transaction_end(&s->t);
}

const struct sip_message *sip_server_request(const struct sip_layer *l, uint64_t server)
{
    const struct server *s = find(l, server);
    return s && s->in ? &s->in->message : NULL;
}

const struct sip_flow *sip_server_flow(const struct sip_layer *l, uint64_t server)
{
    const struct server *s = find(l, server);
    return s && s->in ? &s->in->flow : NULL;
}

struct slice sip_server_tag(const struct sip_layer *l, uint64_t server)
{
    const struct server *s = find(l, server);
    return s ? slice_of(s->tag, TAG_OCTETS) : slice_of(NULL, 0);
}

/* ---- requests ---- */

/* A request that the user does not see: without memory for the answer it is forgotten, and new when it comes again. */
static int answer_alone(struct server *s, struct now now, unsigned status, struct slice to_tag)
{
    begin(s, now);
    int err = sip_server_answer(s, now, status, to_tag);
    if (err)
        sip_transaction_end(&s->t);
    return err;
}

/* 8.2.2.2: the same request came by another way. It is answered here; its ACK is awaited as for any other. */
__attribute__((cold)) static void refuse_merged(struct sip_layer *l, struct now now, struct inbound *in,
                                                struct source *source)
{
    struct server *s;
    l->counters.merged++;
    if (start(l, in, true, slice_of(NULL, 0), source, &s)) {
        sip_source_leave(l, source);
        l->counters.refused_memory++;
        return;
    }
    answer_alone(s, now, 482, slice_of(s->tag, TAG_OCTETS));
}

/* Dialogs, which are calls in progress, have an eighth that new requests do not get. */
static size_t share(const struct inbound *in, size_t max)
{
    return in->message.to.tag.n ? max : max - max / 8;
}

static int enter(struct sip_layer *l, const struct inbound *in, struct source **ret_source)
{
    if (l->servers_open >= share(in, l->config.servers_max) ||
        l->octets + in->region.used > share(in, l->config.octets_max))
        return ERR_LIMIT;
    return sip_source_enter(l, &in->flow, ret_source);
}

static void receive_new(struct sip_layer *l, struct now now, struct inbound *in)
{
    struct source *source;
    struct server *s;
    struct slice merge = slice_of(NULL, 0);
    if (enter(l, in, &source)) {
        l->counters.refused_limit++;
        sip_server_refuse(l, in, 503, l->config.retry_after_s);
        return;
    }
    if (l->config.refuse_merged && !in->message.to.tag.n) {
        merge = sip_server_merge_key(l, &in->message);
        if (sip_server_find_merge(l, merge)) {
            refuse_merged(l, now, in, source);
            return;
        }
    }
    if (start(l, in, false, merge, source, &s)) {
        sip_source_leave(l, source);
        l->counters.refused_memory++;
        return;
    }
    begin(s, now);
    sip_inbound_report(l, in, (struct sip_event){.kind = SIP_REQUEST, .server = s->t.id});
}

static void receive_again(struct server *s, struct now now)
{
    s->t.layer->counters.retransmissions_in++;
    if (s->t.is_invite)
        sip_server_invite_repeated(s, now);
    else
        sip_server_request_repeated(s);
}

/* An ACK that matches none has a branch of its own: it is for a 2xx. */
static void receive_ack(struct sip_layer *l, struct now now, struct inbound *in)
{
    struct server *s = sip_server_match(l, &in->message, SIP_INVITE);
    uint64_t id = s ? s->t.id : 0;
    if (!s || sip_server_invite_acked(s, now))
        sip_inbound_report(l, in, (struct sip_event){.kind = SIP_ACKED, .server = id});
}

/* ---- CANCEL (9.2) ---- */

/* That of our last response with one, or that which the next will have if the user takes ours. */
static struct slice copy_tag(const struct server *invite, struct region *region)
{
    struct sip_message m;
    unsigned status;
    if (invite->t.packet &&
        sip_parse(region, slice_of(invite->t.packet->octets, invite->t.packet->n), SIP_DATAGRAM, &m, NULL) == 0 &&
        sip_check(&m, &status, NULL) == 0 && m.to.tag.n)
        return m.to.tag;
    return slice_of(invite->tag, TAG_OCTETS);
}

/* The limits are not for it: it ends what counts. */
static void receive_cancel(struct sip_layer *l, struct now now, struct inbound *in)
{
    struct server *invite = sip_server_match(l, &in->message, SIP_INVITE), *s;
    l->counters.cancels++;
    if (!invite) {
        l->counters.cancels_stray++;
        sip_server_refuse(l, in, 481, 0);
        return;
    }
    if (start(l, in, true, slice_of(NULL, 0), NULL, &s)) {
        l->counters.refused_memory++;
        return;
    }
    if (answer_alone(s, now, 200, copy_tag(invite, &in->region)) == 0 && invite->state == SERVER_PROCEEDING &&
        !invite->t.is_internal)
        sip_inbound_report(l, in, (struct sip_event){.kind = SIP_CANCELLED, .server = invite->t.id});
}

void sip_server_receive(struct sip_layer *l, struct now now, struct inbound *in)
{
    struct server *s;
    if (in->message.method == SIP_ACK) {
        receive_ack(l, now, in);
    } else if ((s = sip_server_match(l, &in->message, in->message.method))) {
        receive_again(s, now);
    } else if (in->message.method == SIP_CANCEL) {
        receive_cancel(l, now, in);
    } else {
        receive_new(l, now, in);
    }
    sip_inbound_drop(in);
}

void sip_server_tick(struct server *s, struct now now)
{
    if (!mono_due(s->t.end_at, now.mono))
        sip_server_invite_resend(s, now); /* others repeat nothing by themselves */
    else if (s->t.is_invite)
        sip_server_invite_expire(s);
    else
        sip_transaction_end(&s->t);
}
