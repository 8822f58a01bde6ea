/* INVITEs of our own inside of dialogs: an end is told where the audio is now, or asked for an offer. One at a time, and never while another is under
 * way there in either direction (RFC 3261 14.1); one that crosses another is sent again after a while. */
#include "agent/fallback_private.h"

#define CROSSING_SHARE_MAX 200 /* of 10 ms: the most that 14.1 lets who has not made the Call-ID wait */

static void invite_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response);
static void again_due(struct agent *a, void *owner);

void party_init(struct party *p, struct agent *a, struct fallback *f)
{
    p->agent = a;
    p->fallback = f;
    buf_init(&p->said, SIP_SDP_TOLD_OCTETS_MAX);
    buf_init(&p->offered, SIP_SDP_TOLD_OCTETS_MAX);
    buf_init(&p->offer, SIP_SDP_TOLD_OCTETS_MAX);
    sip_sdp_told_init(&p->told);
    client_init(&p->invite, invite_heard, p, NULL, NULL);
    p->again = (struct timer){.fire = again_due, .owner = p};
}

void party_fini(struct party *p)
{
    agent_timer_stop(p->agent, &p->again);
    client_drop(p->agent, &p->invite);
    buf_fini(&p->said);
    buf_fini(&p->offered);
    buf_fini(&p->offer);
    sip_sdp_told_fini(&p->told);
    mem_free(p->word);
    p->word = NULL;
}

int party_said(struct party *p, struct slice description)
{
    buf_clear(&p->said);
    buf_slice_put(&p->said, description);
    return p->said.err;
}

static bool relays_sessions(const struct end *end)
{
    if (!end->call)
        return false;
    LIST_EACH(it, &end->call->relays) {
        const struct relay *r = CONTAINER_OF(it, struct relay, link);
        if ((r->from == end || r->to == end) && (r->method == SIP_INVITE || r->method == SIP_UPDATE))
            return true;
    }
    return false;
}

bool party_is_busy(const struct party *p)
{
    struct end *end = p->end;
    return p->invite.token || p->waits_for_ack || p->again.node.index || end->owes_ack ||
           sip_resend_runs(&end->accepted.resend) || relays_sessions(end);
}

static int send(struct party *p)
{
    struct end *end = p->end;
    struct agent *a = p->agent;
    struct sip_hop hop = end_hop(end);
    struct buf *out = &a->octets;
    buf_clear(out);
    sip_dialog_begin_request(&end->dialog, "INVITE", 0, out);
    struct slice contact = end_contact(a, end->side, hop.transport, end->tag);
    sip_put_text(out, SIP_CONTACT, "<%.*s>", SLICE_PRINT(contact));
    sip_put(out, SIP_ALLOW, slice_str(AGENT_ALLOW));
    if (p->word)
        sip_put_named(out, FALLBACK_HEADER, slice_str(p->word));
    if (p->offer.n)
        sip_put_text(out, SIP_CONTENT_TYPE, "application/sdp");
    sip_end(out, buf_slice(&p->offer));
    p->invite.trunk = end->trunk;
    p->invite.cseq = &end->dialog.local_cseq;
    return out->err ? out->err : client_send(a, &p->invite, &hop, buf_slice(out));
}

int party_ask(struct party *p, struct slice offer, const char *word, ask_fn *heard)
{
    char *copy = word ? mem_strdup(word) : NULL;
    if (word && !copy)
        return ERR_NO_MEMORY;
    mem_free(p->word);
    p->word = copy;
    buf_clear(&p->offer);
    buf_slice_put(&p->offer, offer);
    p->crossings = 0;
    p->crosses_until = mono_after_ms(p->agent->now.mono, MOVE_MS);
    int err = p->offer.err ? p->offer.err : send(p);
    if (!err)
        p->heard = heard;
    return err;
}

void party_cancel(struct party *p)
{
    agent_timer_stop(p->agent, &p->again);
    if (p->invite.token)
        sip_client_cancel(p->agent->layer, p->agent->now, p->invite.id, (struct slice){0});
    else
        p->heard = NULL;
}

void party_ask_no_more(struct party *p)
{
    party_cancel(p);
    p->heard = NULL;
}

/* The shares of time that 14.1 gives to who has made the Call-ID, and to the other, who takes the beginning of it first, and more each time: people are
 * talking, and until then they hear nothing. */
static void wait_again(struct party *p)
{
    const struct entropy *e = p->agent->ports.entropy;
    const unsigned most = p->crossings < 6 ? 5u << p->crossings : CROSSING_SHARE_MAX;
    const int64_t ms = p->end->dialog.is_uac ? 10 * entropy_between(e, 210, 400) : 10 * entropy_between(e, 1, most);
    p->crossings++;
    agent_timer(p->agent, &p->again, ms);
}

static void tell(struct party *p, unsigned status, const struct sip_message *response)
{
    ask_fn *heard = p->heard;
    p->heard = NULL;
    if (heard)
        heard(p, status, response);
    if (p->fallback)
        fallback_stirred(p->fallback->call);
}

static void again_due(struct agent *a, void *owner)
{
    struct party *p = owner;
    if (p->end->gone || !p->heard)
        return;
    if (relays_sessions(p->end)) /* that other one goes on */
        wait_again(p);
    else if (send(p) < 0)
        tell(p, 500, NULL);
    (void)a;
}

static void accepted(struct party *p, const struct sip_message *response)
{
    struct end *end = p->end;
    struct agent *a = p->agent;
    struct slice credentials = client_credentials_shown(a, &p->invite);
    sip_dialog_answered(&end->dialog, response);
    end->owes_ack = response->cseq.number;
    mem_free(end->credentials);
    end->credentials = NULL;
    char *text = credentials.n ? region_text(&a->scratch, credentials) : NULL;
    if (text)
        end->credentials = mem_strdup(text);
    if (response->body.n)
        party_said(p, response->body);
    p->waits_for_ack = !p->offer.n && p->heard;
    if (!p->waits_for_ack)
        relay_acknowledge(end, (struct slice){0});
    tell(p, response->status, response);
}

static void invite_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct party *p = owner;
    if (response)
        p->end->heard = a->now.mono;
    if (status < 200)
        return;
    if (response && status < 300)
        accepted(p, response);
    else if (status == 491 && p->heard && !mono_due(p->crosses_until, a->now.mono))
        wait_again(p);
    else
        tell(p, status, response);
}

int party_acknowledge(struct party *p, struct slice answer)
{
    p->waits_for_ack = false;
    if (!answer.n)
        return ERR_RANGE;
    relay_acknowledge(p->end, answer);
    return 0;
}
