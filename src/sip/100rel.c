/* Reliable provisional responses (RFC 3262). */
#include "sip/100rel.h"

static int read_field(const struct sip_message *m, enum sip_header header, struct sip_cursor *ret_cursor)
{
    const struct sip_field *field = sip_field_first(m, header);
    if (!field)
        return ERR_NOT_FOUND;
    sip_cursor_init(ret_cursor, m->octets, field->value);
    return 0;
}

/* ---- server ---- */

void sip_100rel_server_init(struct sip_100rel_server *s, uint32_t invite_cseq, uint32_t first)
{
    *s = (struct sip_100rel_server){.cseq = invite_cseq, .rseq = first - 1};
    sip_resend_init(&s->resend);
}

void sip_100rel_server_fini(struct sip_100rel_server *s)
{
    sip_resend_fini(&s->resend);
}

uint32_t sip_100rel_server_rseq(const struct sip_100rel_server *s)
{
    return s->rseq + 1;
}

int sip_100rel_server_sent(struct sip_100rel_server *s, struct now now, struct slice response, int64_t t1_ms)
{
    if (sip_100rel_server_waits(s))
        return ERR_WRONG_STATE;
    int err = sip_resend_start(&s->resend, now, response, t1_ms, 0);
    if (!err) {
        s->rseq++;
        s->is_outstanding = true;
    }
    return err;
}

/* A PRACK that comes again as a new request gets 481: what it acknowledges waits no more (section 3). After the final response, which stopped
 * the repetition, the last one may still be outstanding. */
unsigned sip_100rel_server_pracked(struct sip_100rel_server *s, const struct sip_message *prack)
{
    struct sip_cursor c;
    struct sip_rack rack;
    if (read_field(prack, SIP_RACK, &c) || sip_read_rack(&c, &rack))
        return 400;
    if (!s->is_outstanding || rack.rseq != s->rseq || rack.cseq.number != s->cseq ||
        !slice_eq_str(rack.cseq.method, "INVITE"))
        return 481;
    s->is_outstanding = false;
    sip_resend_stop(&s->resend);
    return 200;
}

void sip_100rel_server_final(struct sip_100rel_server *s)
{
    sip_resend_stop(&s->resend);
}

/* ---- client ---- */

void sip_100rel_client_init(struct sip_100rel_client *c, uint32_t invite_cseq)
{
    *c = (struct sip_100rel_client){.cseq = invite_cseq};
}

enum sip_100rel_taken sip_100rel_client_take(struct sip_100rel_client *c, const struct sip_message *response)
{
    struct sip_cursor cursor;
    uint32_t rseq;
    if (response->status <= 100 || response->status >= 200 || !sip_lists(response, SIP_REQUIRE, "100rel"))
        return SIP_100REL_PLAIN;
    if (response->cseq.number != c->cseq || read_field(response, SIP_RSEQ, &cursor) ||
        sip_read_number(&cursor, UINT32_MAX, &rseq) || !rseq)
        return SIP_100REL_BROKEN;
    if (c->rseq && rseq <= c->rseq)
        return SIP_100REL_AGAIN;
    if (c->rseq && rseq != c->rseq + 1)
        return SIP_100REL_GAP;
    c->rseq = rseq;
    return SIP_100REL_NEW;
}

void sip_100rel_client_rack(const struct sip_100rel_client *c, struct buf *out)
{
    buf_printf(out, "%u %u INVITE", c->rseq, c->cseq);
}
