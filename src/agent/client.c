/* Requests of ours: sent, answered, and sent again with a password. */
#include "agent/internal.h"

#define SENT_OCTETS_MAX (SIP_MESSAGE_OCTETS_MAX + 8192)

void client_init(struct client *c, client_fn *heard, void *owner, struct trunk *trunk, uint32_t *cseq)
{
    *c = (struct client){.heard = heard, .owner = owner, .trunk = trunk, .cseq = cseq};
    buf_init(&c->sent, SENT_OCTETS_MAX);
}

int client_send(struct agent *a, struct client *c, const struct sip_hop *hop, struct slice octets)
{
    const uint64_t token = ++a->next_token;
    client_drop(a, c);
    c->hop = *hop;
    c->unreachable = false;
    buf_slice_put(&c->sent, octets);
    int err = c->sent.err ? c->sent.err : map_set(&a->clients, slice_of(&token, sizeof token), c);
    if (err)
        return err;
    c->token = token;
    err = sip_client_request(a->layer, a->now, hop, agent_point(a, (enum agent_side)hop->side, hop->transport), octets,
                             token, &c->id);
    if (err)
        client_drop(a, c);
    return err;
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
    }
    c->heard(a, c->owner, status, event->kind == SIP_RESPONSE ? event->message : NULL);
    return true;
}

int client_sent(struct agent *a, const struct client *c, struct sip_message *ret_request)
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
