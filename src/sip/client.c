/* Client transactions (RFC 3261 17.1): requests sent, canceled, answered, and those whose way has gone. */
#include "base/mem.h"
#include "base/siphash.h"
#include "base/text.h"
#include "sip/transaction_core.h"

#define COOKIE "z9hG4bK" /* 8.1.1.7 */
#define BRANCH_OCTETS (sizeof COOKIE - 1 + 32)

/* Unique by its number, and not to be guessed: a response that has it comes from somebody who got the request. */
static struct slice make_branch(const struct sip_layer *l, uint64_t id, char text[BRANCH_OCTETS + 1])
{
    uint64_t words[2] = {id, siphash(l->secret, slice_of(&id, sizeof id))};
    memcpy(text, COOKIE, sizeof COOKIE - 1);
    hex_format(slice_of(words, sizeof words), text + sizeof COOKIE - 1);
    return slice_of(text, BRANCH_OCTETS);
}

/* Whether we have made it: what it says cannot be checked otherwise once its transaction is gone. */
static bool is_our_branch(const struct sip_layer *l, struct slice branch)
{
    const size_t cookie = sizeof COOKIE - 1;
    char text[BRANCH_OCTETS + 1];
    uint64_t words[2];
    if (branch.n != BRANCH_OCTETS || hex_parse(slice_of(branch.p + cookie, branch.n - cookie), (uint8_t *)words) < 0)
        return false;
    return mem_equal_secret(make_branch(l, words[0], text).p, branch.p, BRANCH_OCTETS);
}

/* Into l->scratch, with our Via on top. */
static int write_request(struct sip_layer *l, const struct sip_hop *hop, const char *sent_by, struct slice branch,
                         struct slice octets)
{
    struct buf *out = &l->scratch;
    const uint8_t *end = octets.n ? memmem(octets.p, octets.n, "\r\n", 2) : NULL;
    if (!end)
        return ERR_SYNTAX;
    size_t line = (size_t)(end - octets.p) + 2;
    buf_clear(out);
    buf_put(out, octets.p, line);
    buf_str(out, "Via: SIP/2.0/");
    buf_str(out, sip_transport_name(hop->transport));
    buf_str(out, " ");
    buf_str(out, sent_by);
    buf_str(out, ";branch=");
    buf_slice_put(out, branch);
    buf_str(out,
            hop->transport == SIP_TLS && hop->side >= l->config.shares_from_side ? ";rport;alias\r\n" : ";rport\r\n");
    buf_put(out, octets.p + line, octets.n - line);
    return out->err;
}

/* ---- life ---- */

static struct slice method_of(struct slice request)
{
    const uint8_t *space = request.n ? memchr(request.p, ' ', request.n) : NULL;
    return slice_of(request.p, space ? (size_t)(space - request.p) : 0);
}

/* Key: the branch, and the method, since a CANCEL has the branch of its INVITE (17.1.3). */
static struct client *new_client(struct slice branch, struct slice method, struct slice *ret_key)
{
    struct client *c = mem_alloc(sizeof *c + branch.n + 1 + method.n);
    if (!c)
        return NULL;
    c->branch_octets = branch.n;
    memcpy(c->key, branch.p, branch.n);
    c->key[branch.n] = ' ';
    memcpy(c->key + branch.n + 1, method.p, method.n);
    *ret_key = slice_of(c->key, branch.n + 1 + method.n);
    return c;
}

/* Takes the packet over. */
static int start(struct sip_layer *l, struct now now, uint64_t id, struct slice branch, struct packet *packet,
                 bool internal, uint64_t token)
{
    struct slice key, method = method_of(slice_of(packet->octets, packet->n));
    struct client *c = new_client(branch, method, &key);
    if (!c)
        goto no_memory;
    c->t.id = id;
    c->t.is_invite = sip_method_find(method) == SIP_INVITE;
    c->t.is_reliable = sip_transport_is_reliable(packet->hop.transport);
    c->t.is_internal = internal;
    c->token = token;
    c->t.layer = l;
    if (sip_client_wait(c, &packet->hop) || sip_transaction_start(l, &c->t, key))
        goto no_memory;
    c->t.packet = packet;
    l->counters.requests_out++;
    sip_packet_send(packet);
    if (c->t.is_invite)
        sip_client_invite_begin(c, now);
    else
        sip_client_request_begin(c, now);
    return 0;
no_memory:
    if (c)
        sip_client_wait_no_more(c);
    mem_free(c);
    sip_packet_drop(packet);
    return ERR_NO_MEMORY;
}

int sip_client_request(struct sip_layer *l, struct now now, const struct sip_hop *hop, const char *sent_by,
                       struct slice octets, uint64_t token, uint64_t *ret_client)
{
    char text[BRANCH_OCTETS + 1];
    enum sip_method method = sip_method_find(method_of(octets));
    if (!method_of(octets).n || method == SIP_ACK || method == SIP_CANCEL)
        return ERR_SYNTAX;
    if (l->clients_open >= l->config.clients_max || l->octets + octets.n > l->config.octets_max)
        return ERR_LIMIT;
    uint64_t id = ++l->last_id;
    struct slice branch = make_branch(l, id, text);
    int err = write_request(l, hop, sent_by, branch, octets);
    if (err)
        return err;
    struct packet *packet = sip_packet_new(l, hop, buf_slice(&l->scratch));
    if (!packet)
        return ERR_NO_MEMORY;
    err = start(l, now, id, branch, packet, false, token);
    if (!err)
        *ret_client = id;
    return err;
}

int sip_layer_send_ack(struct sip_layer *l, struct now now, const struct sip_hop *hop, const char *sent_by,
                       struct slice octets)
{
    char text[BRANCH_OCTETS + 1];
    (void)now;
    int err = write_request(l, hop, sent_by, make_branch(l, ++l->last_id, text), octets);
    if (err)
        return err;
    struct packet *packet = sip_packet_new(l, hop, buf_slice(&l->scratch));
    if (!packet)
        return ERR_NO_MEMORY;
    l->counters.requests_out++;
    sip_packet_send(packet);
    sip_packet_drop(packet);
    return 0;
}

static void drop(struct packet **packet)
{
    sip_packet_drop(*packet);
    *packet = NULL;
}

void sip_client_settled(struct client *c)
{
    bool is_acknowledging = c->t.is_invite && c->state == CLIENT_COMPLETED;
    sip_client_wait_no_more(c);
    drop(&c->cancel);
    if (!is_acknowledging || c->ack)
        drop(&c->t.packet);
}

void sip_client_free(struct client *c)
{
    sip_packet_drop(c->t.packet);
    sip_packet_drop(c->ack);
    sip_packet_drop(c->cancel);
    mem_free(c);
}

/* ---- ends ---- */

void sip_client_report(struct client *c, struct inbound *in)
{
    if (!c->t.is_internal)
        sip_inbound_report(c->t.layer, in,
                           (struct sip_event){.kind = SIP_RESPONSE, .client = c->t.id, .token = c->token});
    sip_inbound_drop(in);
}

void sip_client_report_late(struct sip_layer *l, struct inbound *in)
{
    const struct sip_message *m = &in->message;
    if (m->method == SIP_INVITE && m->status >= 200 && m->status < 300)
        sip_inbound_report(l, in, (struct sip_event){.kind = SIP_ANSWERED_LATE});
    sip_inbound_drop(in);
}

void sip_client_give_up(struct client *c, enum sip_event_kind kind)
{
    struct sip_layer *l = c->t.layer;
    if (!c->t.is_internal) {
        *(kind == SIP_TIMEOUT ? &l->counters.timeouts : &l->counters.unreachable) += 1;
        sip_transaction_report_end(&c->t, (struct sip_event){.kind = kind, .client = c->t.id, .token = c->token});
    }
    sip_transaction_end(&c->t);
}

/* ---- CANCEL (9.1) ---- */

/* To where the INVITE went, with its branch. */
int sip_client_send_cancel(struct client *c, struct now now)
{
    struct sip_layer *l = c->t.layer;
    struct slice nothing = slice_of(NULL, 0);
    int err = c->cancel ? 0 : sip_client_derive_cancel(c, nothing, &c->cancel);
    if (err)
        return err;
    c->cancel->holders++;
    err = start(l, now, ++l->last_id, slice_of(c->key, c->branch_octets), c->cancel, true, 0);
    if (!err)
        c->is_cancelled = true;
    return err;
}

int sip_client_cancel(struct sip_layer *l, struct now now, uint64_t client, struct slice reason)
{
    struct transaction *t = sip_transaction_find(l, client);
    if (!t || t->is_server || t->is_internal)
        return ERR_NOT_FOUND;
    struct client *c = CONTAINER_OF(t, struct client, t);
    if (!t->is_invite || c->state > CLIENT_PROCEEDING)
        return ERR_WRONG_STATE;
    if (!c->cancel) {
        int err = sip_client_derive_cancel(c, reason, &c->cancel);
        if (err)
            return err;
    }
    if (c->state == CLIENT_PROCEEDING && !c->is_cancelled)
        return sip_client_invite_cancel(c, now);
    return 0;
}

/* ---- what happens ---- */

void sip_client_receive(struct sip_layer *l, struct now now, struct inbound *in)
{
    const struct sip_message *m = &in->message;
    buf_clear(&l->key);
    buf_slice_put(&l->key, m->via.branch);
    buf_str(&l->key, " ");
    buf_slice_put(&l->key, m->cseq.method);
    struct transaction *t = l->key.err ? NULL : sip_transaction_find_key(l, buf_slice(&l->key));
    if (!t || t->is_server) {
        l->counters.responses_stray++;
        if (is_our_branch(l, m->via.branch))
            sip_client_report_late(l, in);
        else
            sip_inbound_drop(in);
        return;
    }
    struct client *c = CONTAINER_OF(t, struct client, t);
    if (l->config.may_answer && !t->is_internal &&
        !l->config.may_answer(l->config.may_answer_ctx, c->token, &in->flow)) {
        l->counters.responses_foreign++;
        sip_inbound_drop(in);
        return;
    }
    if (t->is_invite)
        sip_client_invite_receive(c, now, in);
    else
        sip_client_request_receive(c, now, in);
}

void sip_client_tick(struct client *c, struct now now)
{
    if (mono_due(c->t.end_at, now.mono)) {
        if (c->t.is_invite)
            sip_client_invite_expire(c, now);
        else
            sip_client_request_expire(c);
        return;
    }
    sip_transaction_repeat(&c->t);
    if (c->t.is_invite)
        sip_client_invite_resend(c, now);
    else
        sip_client_request_resend(c, now);
}
