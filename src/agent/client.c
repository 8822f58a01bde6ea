/* Requests of ours: sent, answered, and sent again with a password. */
#include "agent/internal.h"

#define SENT_OCTETS_MAX (SIP_MESSAGE_OCTETS_MAX + 8192)

void client_init(struct client *c, client_fn *heard, void *owner, struct trunk *trunk, uint32_t *cseq)
{
    *c = (struct client){.heard = heard, .owner = owner, .trunk = trunk, .cseq = cseq};
    buf_init(&c->sent, SENT_OCTETS_MAX);
}

/* ---- credentials ---- */

/* Adds one field if the trunk has asked for it. */
static void put_credentials(struct agent *a, struct trunk *t, const struct sip_message *m, enum sip_header header,
                            struct sip_edit *e)
{
    const struct agent_trunk_options *o = t->options;
    buf_clear(&a->text);
    if (!sip_digest_answer(&t->digest, a->ports.entropy, header, slice_str(o->user), slice_str(o->password),
                           m->method_text, m->uri, m->body, &a->text))
        sip_edit_set(e, header, region_copy(&a->scratch, buf_slice(&a->text)));
}

static bool has_password(const struct trunk *t)
{
    return t && t->options->user && t->options->password && t->options->side == AGENT_PSTN;
}

static bool was_asked(const struct trunk *t)
{
    return t->digest.asked[0].challenge.n || t->digest.asked[1].challenge.n;
}

/* cseq 0: as it is. Lives in the scratch region; empty: no memory. */
static struct slice with_credentials(struct agent *a, struct trunk *t, struct slice octets, uint32_t cseq)
{
    struct sip_message m;
    struct slice result = {0};
    struct buf out;
    if (sip_parse(&a->scratch, octets, SIP_STREAM, &m, NULL) < 0)
        return result;
    struct sip_edit *e = sip_edit_new(&a->scratch, &m);
    if (!e)
        return result;
    if (cseq)
        sip_edit_set(e, SIP_CSEQ, agent_print(a, "%u %.*s", cseq, SLICE_PRINT(m.method_text)));
    put_credentials(a, t, &m, SIP_AUTHORIZATION, e);
    put_credentials(a, t, &m, SIP_PROXY_AUTHORIZATION, e);
    buf_init(&out, SENT_OCTETS_MAX);
    if (!sip_edit_write(e, &out) && !out.err)
        result = region_copy(&a->scratch, buf_slice(&out));
    buf_fini(&out);
    return result;
}

static void put_shown(const struct sip_message *m, enum sip_header header, struct buf *out)
{
    for (const struct sip_field *f = sip_field_first(m, header); f; f = sip_field_next(m, f))
        buf_slice_put(out, f->line);
}

struct slice client_credentials_shown(struct agent *a, const struct client *c)
{
    struct sip_message m;
    if (!has_password(c->trunk) || !was_asked(c->trunk) ||
        sip_parse(&a->scratch, buf_slice(&c->sent), SIP_STREAM, &m, NULL) < 0)
        return (struct slice){0};
    buf_clear(&a->text);
    put_shown(&m, SIP_AUTHORIZATION, &a->text);
    put_shown(&m, SIP_PROXY_AUTHORIZATION, &a->text);
    return a->text.err ? (struct slice){0} : region_copy(&a->scratch, buf_slice(&a->text));
}

/* ---- sending ---- */

static int send(struct agent *a, struct client *c, const struct sip_hop *hop, struct slice octets)
{
    const uint64_t token = ++a->next_token;
    client_drop(a, c);
    sip_hop_copy(&c->hop, hop);
    c->unreachable = false;
    if (has_password(c->trunk))
        buf_slice_put(&c->sent, octets);
    int err = c->sent.err ? c->sent.err : map_set(&a->clients, slice_of(&token, sizeof token), c);
    if (!err) {
        c->token = token;
        err = sip_client_request(a->layer, a->now, hop, agent_point(a, (enum agent_side)hop->side, hop->transport),
                                 octets, token, &c->id);
    }
    if (err)
        client_drop(a, c);
    return err;
}

int client_send(struct agent *a, struct client *c, const struct sip_hop *hop, struct slice octets)
{
    struct slice with = {0};
    c->challenges = 0;
    if (has_password(c->trunk) && was_asked(c->trunk))
        with = with_credentials(a, c->trunk, octets, 0);
    return send(a, c, hop, with.n ? with : octets);
}

struct slice client_send_ack(struct agent *a, const struct sip_hop *hop, struct slice credentials)
{
    struct slice ack = buf_slice(&a->octets);
    const uint8_t *line_end = ack.n ? memchr(ack.p, '\n', ack.n) : NULL;
    if (a->octets.err || !line_end)
        return (struct slice){0};
    const size_t line = (size_t)(line_end - ack.p) + 1;
    buf_clear(&a->text);
    buf_put(&a->text, ack.p, line);
    buf_slice_put(&a->text, credentials);
    buf_put(&a->text, ack.p + line, ack.n - line);
    ack = a->text.err ? (struct slice){0} : region_copy(&a->scratch, buf_slice(&a->text));
    if (ack.n)
        sip_layer_send_ack(a->layer, a->now, hop, agent_point(a, (enum agent_side)hop->side, hop->transport), ack);
    return ack;
}

/* Reads what we have written ourselves, which has no Via yet. Lives in the scratch region. */
static int read_sent(struct agent *a, const struct client *c, struct sip_message *ret_request)
{
    struct sip_message m;
    struct sip_cursor cursor;
    const struct sip_field *from, *to, *cseq, *call_id;
    int err = sip_parse(&a->scratch, buf_slice(&c->sent), SIP_STREAM, &m, NULL);
    if (err)
        return err;
    from = sip_field_first(&m, SIP_FROM);
    to = sip_field_first(&m, SIP_TO);
    cseq = sip_field_first(&m, SIP_CSEQ);
    call_id = sip_field_first(&m, SIP_CALL_ID);
    if (!from || !to || !cseq || !call_id)
        return ERR_SYNTAX;
    m.call_id = call_id->value;
    m.max_forwards = 70;
    sip_cursor_init(&cursor, m.octets, from->value);
    if (!sip_read_address(&cursor, &m.from))
        return ERR_SYNTAX;
    sip_cursor_init(&cursor, m.octets, to->value);
    if (!sip_read_address(&cursor, &m.to))
        return ERR_SYNTAX;
    sip_cursor_init(&cursor, m.octets, cseq->value);
    err = sip_read_cseq(&cursor, &m.cseq);
    if (!err)
        *ret_request = m;
    return err;
}

/* A 401 or 407: true if it was sent again with the password, so that nobody needs to hear of it. Twice, for the nonce of the first answer may be
 * stale already. */
static bool answer_challenge(struct agent *a, struct client *c, const struct sip_message *response)
{
    struct sip_message sent;
    if (!has_password(c->trunk) || !c->cseq || c->challenges >= 2 || read_sent(a, c, &sent) < 0 ||
        sip_digest_challenged(&c->trunk->digest, &sent, response) < 0)
        return false;
    const struct sip_hop hop = c->hop;
    struct slice octets = with_credentials(a, c->trunk, buf_slice(&c->sent), *c->cseq + 1);
    const unsigned challenges = c->challenges + 1;
    if (!octets.n || send(a, c, &hop, octets) < 0)
        return false;
    c->challenges = challenges;
    *c->cseq += 1;
    if (c->sent_as)
        *c->sent_as = *c->cseq;
    return true;
}

void client_drop(struct agent *a, struct client *c)
{
    if (c->token)
        map_remove(&a->clients, slice_of(&c->token, sizeof c->token));
    c->token = 0;
    buf_fini(&c->sent);
    buf_init(&c->sent, SENT_OCTETS_MAX);
}

bool client_event(struct agent *a, const struct sip_event *event)
{
    struct client *c = map_get(&a->clients, slice_of(&event->token, sizeof event->token));
    if (!c)
        return false;
    unsigned status = event->kind == SIP_RESPONSE ? event->message->status : event->kind == SIP_TIMEOUT ? 408 : 503;
    c->unreachable = event->kind == SIP_UNREACHABLE;
    if (status >= 200) { /* its end; what it sent is still there for its owner to read */
        map_remove(&a->clients, slice_of(&c->token, sizeof c->token));
        c->token = 0;
        if ((status == 401 || status == 407) && event->kind == SIP_RESPONSE && answer_challenge(a, c, event->message))
            return true;
        if (event->kind == SIP_RESPONSE && status < 300 && has_password(c->trunk))
            sip_digest_accepted(&c->trunk->digest);
    }
    c->heard(a, c->owner, status, event->kind == SIP_RESPONSE ? event->message : NULL);
    return true;
}
