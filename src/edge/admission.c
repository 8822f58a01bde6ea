/* Who may begin something from outside. From the cheapest check to the dearest: how busy we are, the peer's rate and number of calls, whether there is a ticket
 * at all and a domain of ours is asked for, then the fields of the message, then the ticket itself, one HMAC, and last whether the message points at the
 * inside.
 *
 * Who has shown a good certificate hears why, so that its calls go elsewhere at once; others do not get here (edge.c). */
#include "edge/internal.h"

#include "base/text.h"

const char *edge_far_name(const struct sip_flow *flow)
{
    return flow->side == EDGE_INSIDE ? "inside" : flow->peer_domain ? flow->peer_domain : "-";
}

unsigned edge_judge(struct edge *e, const struct sip_message *m, const char *from, const struct alg_verdict *verdict)
{
    struct edge_counters *n = &e->counters;
    uint64_t *const counters[ALG_REFUSAL_COUNT] = {
        [ALG_REFUSED_METHOD] = &n->refused_method, [ALG_REFUSED_HEADERS] = &n->refused_headers,
        [ALG_REFUSED_BODY] = &n->refused_sdp,      [ALG_REFUSED_ADDRESS] = &n->refused_address,
        [ALG_REFUSED_SDP] = &n->refused_sdp,       [ALG_REFUSED_SRTP] = &n->refused_srtp,
        [ALG_REFUSED_MEDIA] = &n->refused_media,   [ALG_REFUSED_GLARE] = &n->blocked_offer,
        [ALG_REFUSED_SELF] = &n->refused_memory};
    const enum edge_notice notice = verdict->refusal == ALG_REFUSED_SRTP ? EDGE_NOTICE_SRTP_MISSING
                                    : verdict->refusal == ALG_REFUSED_SDP || verdict->refusal == ALG_REFUSED_ADDRESS ||
                                            verdict->refusal == ALG_REFUSED_MEDIA
                                        ? EDGE_NOTICE_SDP_REFUSED
                                        : EDGE_NOTICE_REQUEST_REFUSED;
    *counters[verdict->refusal] += 1;
    e->rule = verdict->rule;
    /* What stands behind the number in an answer is any text. */
    const struct slice what = m->is_request ? m->method_text : edge_print(e, "%u", m->status);
    edge_notice(&e->notices, e->ports.log, e->now, notice,
                "from=%s %s=%.*s octet=%zu rule=\"%s\" status=%u call_id=\"%.*s\"", from,
                m->is_request ? "method" : "answer", SLICE_PRINT(what), verdict->octet,
                verdict->rule ? verdict->rule : "", verdict->status, SLICE_PRINT(m->call_id));
    return verdict->status;
}

/* ---- the ticket ---- */

struct ticket_answer {
    uint64_t *counter;
    enum edge_cause cause;
};

static struct ticket_answer answer_to(struct edge *e, enum ticket_verdict verdict)
{
    struct edge_counters *n = &e->counters;
    const struct ticket_answer answers[TICKET_VERDICTS] = {
        [TICKET_GOOD] = {&n->tickets_good, EDGE_CAUSE_NONE},
        [TICKET_BAD_SYNTAX] = {&n->ticket_syntax, EDGE_CAUSE_INVALID_TICKET},
        [TICKET_BAD_EPOCH] = {&n->ticket_epoch, EDGE_CAUSE_INVALID_TICKET},
        [TICKET_BAD_INTEGRITY] = {&n->ticket_integrity, EDGE_CAUSE_INVALID_TICKET},
        [TICKET_NOT_YET_VALID] = {&n->ticket_not_yet_valid, EDGE_CAUSE_INVALID_TICKET},
        [TICKET_EXPIRED] = {&n->ticket_expired, EDGE_CAUSE_EXPIRED_TICKET},
        [TICKET_WRONG_NUMBER] = {&n->ticket_number, EDGE_CAUSE_INVALID_TICKET},
        [TICKET_WRONG_DOMAIN] = {&n->ticket_domain, EDGE_CAUSE_INVALID_TICKET},
        [TICKET_REVOKED] = {&n->ticket_revoked, EDGE_CAUSE_INVALID_TICKET},
    };
    return answers[verdict];
}

/* A certificate may be for several domains: the ticket must be for one of them. ret_domain lies in the scratch region. */
static enum ticket_verdict verify(struct edge *e, const struct keyring *keyring, const struct sip_flow *flow,
                                  struct slice text, const struct e164 *number, const char **ret_domain)
{
    struct ticket ticket = {0};
    struct ticket_use use = {.now = e->now.wall, .number = e164_slice(number), .domain = slice_str(flow->peer_domain)};
    enum ticket_verdict verdict = keyring_verify(keyring, text, &use, &ticket);
    if (verdict == TICKET_WRONG_DOMAIN && sip_flow_is_from(flow, ticket.granted_to)) {
        use.domain = slice_str(ticket.granted_to);
        verdict = keyring_verify(keyring, text, &use, NULL);
    }
    *ret_domain = verdict == TICKET_GOOD ? region_text(&e->scratch, slice_str(ticket.granted_to)) : NULL;
    return verdict == TICKET_GOOD && !*ret_domain ? TICKET_BAD_SYNTAX : verdict;
}

static void refuse_ticket(struct edge *e, const struct sip_event *event, const struct e164 *number,
                          enum ticket_verdict verdict)
{
    const struct ticket_answer a = answer_to(e, verdict);
    *a.counter += 1;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_TICKET_INVALID,
                "from=%s number=%s reason=%s call_id=\"%.*s\"", edge_far_name(event->flow), number->text,
                ticket_verdict_name(verdict), SLICE_PRINT(event->message->call_id));
    edge_refuse(e, event->server, 403, a.cause, ticket_verdict_text(verdict));
}

/* ---- limits ---- */

static int refuse(struct edge *e, const struct sip_event *event, uint64_t *counter, enum edge_notice notice,
                  unsigned status, enum edge_cause cause, const char *text)
{
    *counter += 1;
    edge_notice(&e->notices, e->ports.log, e->now, notice, "from=%s method=%.*s why=\"%s\" call_id=\"%.*s\"",
                edge_far_name(event->flow), SLICE_PRINT(event->message->method_text), text,
                SLICE_PRINT(event->message->call_id));
    edge_refuse(e, event->server, status, cause, text);
    return ERR_FORBIDDEN;
}

static bool is_full(const struct edge *e, enum sip_method method)
{
    switch (method) {
    case SIP_INVITE:
        return e->call_count >= e->options->calls_max;
    case SIP_SUBSCRIBE:
    case SIP_REFER:
        return e->subscription_count >= e->options->subscriptions_max;
    default:
        return e->request_count >= e->options->requests_max;
    }
}

int edge_room(struct edge *e, const struct sip_event *event)
{
    struct edge_counters *n = &e->counters;
    if (e->stopping)
        return refuse(e, event, &n->refused_busy, EDGE_NOTICE_LIMIT, 503, EDGE_CAUSE_REMOTE_DISABLED,
                      "the edge is being stopped");
    if (event->flow->side != EDGE_INSIDE && lateness_is_busy(&e->lateness, e->now.mono))
        return refuse(e, event, &n->refused_busy, EDGE_NOTICE_LIMIT, 503, EDGE_CAUSE_REMOTE_DISABLED,
                      "the edge is too busy");
    if (is_full(e, event->message->method))
        return refuse(e, event, &n->refused_calls, EDGE_NOTICE_LIMIT, 503, EDGE_CAUSE_REMOTE_DISABLED,
                      "there are too many calls or requests");
    return 0;
}

int edge_trunk_room(struct edge *e, const struct sip_event *event, struct edge_trunk *trunk)
{
    struct edge_counters *n = &e->counters;
    if (!trunk)
        return refuse(e, event, &n->refused_calls, EDGE_NOTICE_LIMIT, 503, EDGE_CAUSE_REMOTE_DISABLED,
                      "there are too many far domains");
    if (!edge_trunk_asks(trunk, e->now, e->options->requests_per_domain_max)) {
        trunk->refused++;
        return refuse(e, event, &n->refused_rate, EDGE_NOTICE_LIMIT, 503, EDGE_CAUSE_REMOTE_DISABLED,
                      "too many requests a second of one domain");
    }
    if (event->message->method == SIP_INVITE && trunk->calls >= e->options->calls_per_domain_max) {
        trunk->refused++;
        return refuse(e, event, &n->refused_domain_calls, EDGE_NOTICE_LIMIT, 503, EDGE_CAUSE_REMOTE_DISABLED,
                      "too many calls of one domain");
    }
    return 0;
}

/* ---- all of it ---- */

static int refuse_message(struct edge *e, const struct sip_event *event, const struct alg_verdict *verdict)
{
    const unsigned status = edge_judge(e, event->message, edge_far_name(event->flow), verdict);
    edge_refuse(e, event->server, status, EDGE_CAUSE_NONE, NULL);
    return ERR_FORBIDDEN;
}

int edge_check(struct edge *e, const struct sip_event *event)
{
    struct alg_verdict verdict;
    if (!alg_check_request(e->options, &e->limits, event->message, edge_side_of(event->flow->side), &verdict))
        return 0;
    return refuse_message(e, event, &verdict);
}

/* Before the ticket was looked at only a domain that is known already can be held to its rate: strangers make no trunks. */
static int admit_peer(struct edge *e, const struct sip_event *event)
{
    struct edge_trunk *known = edge_trunk_find(&e->trunks, slice_str(event->flow->peer_domain));
    int err = edge_room(e, event);
    return err || !known ? err : edge_trunk_room(e, event, known);
}

static int admit_ticket(struct edge *e, const struct sip_event *event, const struct keyring *keyring,
                        const struct sip_field *field, const struct e164 *number, const char **ret_domain)
{
    if (!keyring)
        return refuse(e, event, &e->counters.ticket_no_keys, EDGE_NOTICE_TICKET_INVALID, 403, EDGE_CAUSE_INVALID_TICKET,
                      "there are no keys for tickets of this domain");
    const enum ticket_verdict verdict = verify(e, keyring, event->flow, field->value, number, ret_domain);
    if (verdict != TICKET_GOOD) {
        refuse_ticket(e, event, number, verdict);
        return ERR_FORBIDDEN;
    }
    e->counters.tickets_good++;
    return 0;
}

int edge_admit(struct edge *e, const struct sip_event *event, unsigned *ret_domain, struct edge_trunk **ret_trunk)
{
    const struct sip_message *m = event->message;
    struct edge_counters *n = &e->counters;
    struct alg_verdict verdict;
    struct sip_uri uri;
    struct e164 number;
    const char *caller = NULL;
    int err = admit_peer(e, event);
    if (err)
        return err;
    const struct sip_field *ticket = sip_field_first(m, SIP_X_CISCO_VIPR_TICKET);
    if (!ticket)
        return refuse(e, event, &n->ticket_missing, EDGE_NOTICE_TICKET_MISSING, 403, EDGE_CAUSE_INVALID_TICKET,
                      "there is no ticket");
    const int domain = sip_uri_parse(m->uri, &uri, NULL) < 0 ? -1 : edge_options_find_domain(e->options, uri.host);
    if (domain < 0)
        return refuse(e, event, &n->refused_domain, EDGE_NOTICE_REQUEST_REFUSED, 404, EDGE_CAUSE_REMOTE_TRUNK_URI,
                      "the domain is not served here");
    if (!sip_uri_number(&uri, &number))
        return refuse(e, event, &n->refused_number, EDGE_NOTICE_REQUEST_REFUSED, 484, EDGE_CAUSE_REMOTE_NOT_E164,
                      "the called number is no +E.164 number");
    /* Where a message points is judged for nobody but who has a good ticket: the answer tells which addresses and names are of the inside. */
    const bool is_wrong = alg_check_request(e->options, &e->limits, m, EDGE_OUTSIDE, &verdict) != 0;
    if (is_wrong && verdict.refusal != ALG_REFUSED_ADDRESS)
        return refuse_message(e, event, &verdict);
    err = admit_ticket(e, event, e->ports.keyring ? e->ports.keyring(e->ports.keyring_ctx, (size_t)domain) : NULL,
                       ticket, &number, &caller);
    if (!err && is_wrong)
        err = refuse_message(e, event, &verdict);
    if (err)
        return err;
    const bool is_known = text_equal_nocase(slice_str(caller), slice_str(event->flow->peer_domain)) &&
                          edge_trunk_find(&e->trunks, slice_str(caller));
    *ret_trunk = edge_trunk_of(&e->trunks, e->now, slice_str(caller));
    *ret_domain = (unsigned)domain;
    return *ret_trunk && is_known ? 0 : edge_trunk_room(e, event, *ret_trunk);
}
