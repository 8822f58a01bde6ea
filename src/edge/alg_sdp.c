/* The exchange of offers and answers of one dialog: which description is which (RFC 3261 13.2.1, 3262 5, 3311 5), and where it stands in its message. */
#include "edge/alg_sdp_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "sip/multipart.h"

int alg_sdp_new(uint64_t session, unsigned sensitivity, struct alg_sdp **ret_sdp)
{
    struct alg_sdp *x = mem_alloc(sizeof *x);
    if (!x)
        return ERR_NO_MEMORY;
    x->agreed.id = session;
    x->agreed.sensitivity = sensitivity;
    *ret_sdp = x;
    return 0;
}

void alg_sdp_set_sensitivity(struct alg_sdp *x, unsigned sensitivity)
{
    x->agreed.sensitivity = sensitivity;
}

static struct alg_offer *copy_offer(const struct alg_offer *offer)
{
    struct alg_offer *copy = mem_alloc(alg_offer_octets(offer));
    uint8_t *told = mem_alloc(offer->told_octets);
    if (!copy || !told) {
        mem_free(copy);
        mem_free(told);
        return NULL;
    }
    memcpy(copy, offer, alg_offer_octets(offer));
    copy->told = told;
    memcpy(told, offer->told, offer->told_octets);
    return copy;
}

struct alg_sdp *alg_sdp_clone(const struct alg_sdp *x)
{
    struct alg_sdp *clone = mem_alloc(sizeof *clone);
    if (!clone)
        return NULL;
    *clone = *x;
    clone->offer = x->offer ? copy_offer(x->offer) : NULL;
    if (x->offer && !clone->offer) {
        alg_sdp_free(clone);
        return NULL;
    }
    return clone;
}

static void drop_offer(struct alg_sdp *x)
{
    alg_offer_free(x->offer);
    x->offer = NULL;
}

void alg_sdp_free(struct alg_sdp *x)
{
    if (!x)
        return;
    drop_offer(x);
    mem_wipe(x, sizeof *x);
    mem_free(x);
}

void alg_sdp_withdraw(struct alg_sdp *x)
{
    if (x->offer && !x->offer->is_final)
        drop_offer(x);
}

void alg_sdp_settle(struct alg_sdp *x)
{
    if (x->offer && x->offer->is_final)
        drop_offer(x);
}

const struct media_session *alg_sdp_session(const struct alg_sdp *x)
{
    return &x->agreed;
}

bool alg_sdp_waits(const struct alg_sdp *x)
{
    return x->offer && !x->offer->is_answered;
}

size_t alg_sdp_memory(const struct alg_sdp *x)
{
    return sizeof *x + (x->offer ? alg_offer_octets(x->offer) + x->offer->told_octets : 0);
}

/* ---- where it stands ---- */

struct survey {
    size_t descriptions;
    bool is_dark; /* one of them, or what may hold one, cannot be looked into */
};

static bool is_type(struct slice value, const char *type, const char *subtype)
{
    struct sip_cursor c;
    struct sip_media_type t;
    sip_cursor_init(&c, value, value);
    return sip_read_media_type(&c, &t) == 0 && text_equal_nocase(t.type, slice_str(type)) &&
           (!subtype || text_equal_nocase(t.subtype, slice_str(subtype)));
}

/* A part that says twice what it is is another thing to another reader. */
static bool says_twice(struct slice head)
{
    static const char name[] = "Content-Type";
    const size_t n = sizeof name - 1;
    unsigned count = 0;
    while (head.n) {
        struct slice line = text_cut(&head, '\n');
        const bool full = line.n > n && text_equal_nocase(slice_of(line.p, n), slice_str(name));
        const bool compact = line.n > 1 && (line.p[0] | 0x20) == 'c' && memchr(": \t", line.p[1], 3);
        count += full || compact;
    }
    return count > 1;
}

/* Parts of parts; what we cannot read may hold what somebody else can. */
static void survey_part(struct survey *s, struct region *region, const struct sip_part *part, unsigned depth)
{
    struct sip_multipart m;
    s->is_dark |= says_twice(part->head);
    if (is_type(part->type, "application", "sdp")) {
        s->descriptions++;
        s->is_dark |= part->encoded;
        return;
    }
    if (!is_type(part->type, "multipart", NULL))
        return;
    if (part->encoded || depth >= SIP_PART_DEPTH_MAX ||
        sip_multipart_parse(region, part->type, part->body, &m, NULL) < 0) {
        s->is_dark = true;
        return;
    }
    for (size_t i = 0; i < m.part_count && !s->is_dark; i++)
        survey_part(s, region, &m.parts[i], depth + 1);
}

static struct survey survey_body(struct region *region, const struct sip_message *m)
{
    const struct sip_field *type = sip_field_first(m, SIP_CONTENT_TYPE);
    const struct sip_field *encoding = sip_field_first(m, SIP_CONTENT_ENCODING);
    struct survey s = {0};
    if (!type || !m->body.n)
        return s;
    const struct sip_part all = {
        .body = m->body,
        .type = type->value,
        .encoded = encoding && !text_equal_nocase(encoding->value, slice_str("identity")),
    };
    survey_part(&s, region, &all, 0);
    return s;
}

static bool has_description(struct region *region, const struct sip_message *m)
{
    return survey_body(region, m).descriptions > 0;
}

/* ---- which it is ---- */

enum meaning { MEANS_NOTHING, MEANS_OFFER, MEANS_ANSWER, MEANS_GLARE, MEANS_TOO_SOON };

static bool is_of(const struct alg_offer *offer, const struct sip_message *transaction, bool in_response)
{
    return offer && offer->in_response == in_response && offer->cseq == transaction->cseq.number &&
           offer->method == (uint8_t)transaction->method;
}

/* RFC 3311 5.2, RFC 3261 14.2: one offer at a time. */
static enum meaning new_offer(const struct alg_offer *offer, enum edge_side from)
{
    if (!offer || offer->is_answered)
        return MEANS_OFFER;
    return offer->by == from ? MEANS_TOO_SOON : MEANS_GLARE;
}

static enum meaning meaning_of_request(const struct alg_offer *offer, enum edge_side from, const struct sip_message *m)
{
    const bool may_answer = offer && offer->in_response && offer->by != from;
    switch (m->method) {
    case SIP_INVITE:
    case SIP_UPDATE:
        return is_of(offer, m, false) && offer->by == from ? MEANS_OFFER : new_offer(offer, from);
    case SIP_ACK:
        return may_answer && offer->cseq == m->cseq.number ? MEANS_ANSWER : MEANS_NOTHING;
    case SIP_PRACK:
        if (is_of(offer, m, false) && offer->by == from)
            return MEANS_OFFER;
        return may_answer && !offer->is_answered ? MEANS_ANSWER : new_offer(offer, from);
    default:
        return MEANS_NOTHING;
    }
}

static bool is_reliable(const struct sip_message *m)
{
    return m->status >= 200 || sip_lists(m, SIP_REQUIRE, "100rel");
}

static enum meaning meaning_of_response(const struct alg_offer *offer, enum edge_side from, const struct sip_message *m,
                                        const struct sip_message *request, struct region *region)
{
    const bool takes_part =
        request->method == SIP_INVITE || request->method == SIP_UPDATE || request->method == SIP_PRACK;
    if (!takes_part || m->status >= 300 || (request->method != SIP_INVITE && m->status < 200))
        return MEANS_NOTHING;
    if (is_of(offer, request, false) && offer->by != from)
        return MEANS_ANSWER;
    if (request->method != SIP_INVITE || !is_reliable(m) || has_description(region, request))
        return MEANS_NOTHING;
    if (is_of(offer, request, true) && offer->by == from)
        return MEANS_OFFER;
    return offer && !offer->is_answered ? MEANS_NOTHING : MEANS_OFFER;
}

/* ---- a message passes ---- */

struct passage {
    const struct sip_message *m, *request;
    struct sip_edit *e;
    struct alg_exchange k;
    struct alg_verdict *verdict;
};

static int refuse(struct passage *p, const struct alg_refused *refused)
{
    const uint8_t *begin = p->m->octets.p;
    *p->verdict = (struct alg_verdict){
        .refusal = refused->refusal,
        .status = refused->status,
        .octet = refused->at ? (size_t)(refused->at - begin) : (size_t)(p->m->body.p - begin),
        .rule = refused->rule,
    };
    return ERR_FORBIDDEN;
}

static int refuse_body(struct passage *p, enum alg_refusal refusal, unsigned status, const char *rule)
{
    return refuse(p, &(struct alg_refused){refusal, status, NULL, rule});
}

/* The description in place of the one that came, which is the only one. */
static int replace(struct passage *p, const struct sip_body *body, struct slice text)
{
    struct buf whole;
    buf_init(&whole, SIP_MESSAGE_OCTETS_MAX);
    int err = sip_body_replace(p->m, body, text, &whole);
    if (!err)
        sip_edit_body(p->e, buf_slice(&whole), (struct slice){0});
    buf_fini_secret(&whole);
    if (err == ERR_NO_MEMORY)
        return err;
    return err ? refuse_body(p, ALG_REFUSED_BODY, 488, "body of several parts that a description does not fit") : 0;
}

/* What the old offer knows, if this is it once more: its keys, and that it was answered. */
static int pass_offer(struct passage *p, const struct sip_body *body)
{
    struct alg_sdp *x = p->k.x;
    const bool in_response = p->request != NULL;
    const struct sip_message *transaction = in_response ? p->request : p->m;
    const struct alg_offer *old = x->offer;
    const struct alg_told told = x->told[p->k.to];
    struct alg_offer *offer;
    struct slice text;
    if (old && !(is_of(old, transaction, in_response) && old->by == p->k.from))
        old = NULL;
    int err = alg_sdp_offer(&p->k, old, &offer, &text);
    if (!err)
        err = replace(p, body, text);
    else if (err == ERR_FORBIDDEN)
        return refuse(p, &p->k.refused);
    else
        return err;
    if (err || (old && old->is_answered)) {
        if (err)
            x->told[p->k.to] = told;
        alg_offer_free(offer);
        return err;
    }
    offer->by = p->k.from;
    offer->in_response = in_response;
    offer->method = (uint8_t)transaction->method;
    offer->cseq = transaction->cseq.number;
    drop_offer(x);
    x->offer = offer;
    return 0;
}

static int pass_answer(struct passage *p, const struct sip_body *body)
{
    struct alg_sdp *x = p->k.x;
    struct slice text;
    int err = alg_sdp_answer(&p->k, &text);
    if (err == ERR_FORBIDDEN)
        return refuse(p, &p->k.refused);
    if (!err)
        err = replace(p, body, text);
    if (err)
        return err;
    x->offer->is_answered = true;
    x->offer->is_final |= !p->request || is_reliable(p->m);
    x->agreed.is_early = !x->is_confirmed;
    return 0;
}

/* All of it: whoever wrote parts around a description meant them with it. */
static void take_out(struct passage *p, enum alg_sdp_kind *ret_kind)
{
    sip_edit_body(p->e, (struct slice){0}, (struct slice){0});
    *ret_kind = ALG_SDP_TAKEN;
}

/* What a message means for the exchange besides its description. */
static void pass_silence(struct passage *p, enum alg_sdp_kind *ret_kind)
{
    struct alg_sdp *x = p->k.x;
    const struct alg_offer *offer = x->offer;
    const bool failed =
        p->request && p->m->status >= 300 && (is_of(offer, p->request, false) || is_of(offer, p->request, true));
    /* An ACK that ought to have had the answer. */
    const bool unanswered = !p->request && p->m->method == SIP_ACK && offer && offer->in_response &&
                            offer->by != p->k.from && !offer->is_answered && offer->cseq == p->m->cseq.number;
    if ((failed && !offer->is_final) || unanswered) {
        drop_offer(x);
        *ret_kind = ALG_SDP_ENDED;
    }
}

static int pass_description(struct passage *p, const struct sip_body *body, enum alg_sdp_kind *ret_kind)
{
    struct sip_sdp sdp;
    struct fault fault = {0};
    const struct alg_offer *offer = p->k.x ? p->k.x->offer : NULL;
    enum meaning meaning = MEANS_NOTHING;
    if (p->k.x)
        meaning = p->request ? meaning_of_response(offer, p->k.from, p->m, p->request, p->k.region)
                             : meaning_of_request(offer, p->k.from, p->m);
    if (meaning == MEANS_NOTHING) {
        take_out(p, ret_kind);
        if (p->k.x)
            pass_silence(p, ret_kind);
        return 0;
    }
    if (meaning == MEANS_GLARE)
        return refuse_body(p, ALG_REFUSED_GLARE, 491, "offer while another one waits, RFC 3311 5.2");
    if (meaning == MEANS_TOO_SOON)
        return refuse_body(p, ALG_REFUSED_GLARE, 500, "offer before the last one is answered, RFC 3261 14.2");
    int err = sip_sdp_parse(p->k.region, body->octets, &sdp, &fault);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err) {
        const uint8_t *at = body->octets.p + (fault.octet < body->octets.n ? fault.octet : body->octets.n);
        return refuse(p, &(struct alg_refused){ALG_REFUSED_SDP, 400, at, fault.rule});
    }
    p->k.sdp = &sdp;
    err = meaning == MEANS_OFFER ? pass_offer(p, body) : pass_answer(p, body);
    if (!err)
        *ret_kind = meaning == MEANS_OFFER ? ALG_SDP_OFFER : ALG_SDP_ANSWER;
    return err;
}

/* A call that is answered is early no longer, whether its answer says anything of media or not. */
static void confirm(struct passage *p, enum alg_sdp_kind *ret_kind)
{
    struct alg_sdp *x = p->k.x;
    if (!x || !p->request || p->request->method != SIP_INVITE || p->m->status / 100 != 2)
        return;
    x->is_confirmed = true;
    if (x->offer && x->offer->is_answered && is_of(x->offer, p->request, false))
        x->offer->is_final = true;
    if (x->agreed.is_early) {
        x->agreed.is_early = false;
        *ret_kind = ALG_SDP_ANSWER;
    }
}

static int pass(struct passage *p, enum alg_sdp_kind *ret_kind)
{
    struct survey survey = survey_body(p->k.region, p->m);
    struct sip_body body;
    struct fault fault = {0};
    if (survey.is_dark)
        return refuse_body(p, ALG_REFUSED_BODY, 415, "body that cannot be looked into");
    if (survey.descriptions > 1)
        return refuse_body(p, ALG_REFUSED_BODY, 415, "more than one session description");
    if (!survey.descriptions) {
        if (p->k.x)
            pass_silence(p, ret_kind);
        return 0;
    }
    int err = sip_body_find(p->k.region, p->m, "application", "sdp", &body, &fault);
    if (err == ERR_NO_MEMORY)
        return err;
    return err ? refuse_body(p, ALG_REFUSED_BODY, 400, fault.rule ? fault.rule : "body of several parts")
               : pass_description(p, &body, ret_kind);
}

int alg_sdp_pass(struct alg_sdp *x, const struct alg_sdp_ports *ports, enum edge_side from, const struct sip_message *m,
                 const struct sip_message *request, struct region *region, struct sip_edit *e,
                 enum alg_sdp_kind *ret_kind, struct alg_verdict *ret_verdict)
{
    const enum edge_side to = from == EDGE_INSIDE ? EDGE_OUTSIDE : EDGE_INSIDE;
    struct passage p = {.m = m,
                        .request = request,
                        .e = e,
                        .k = {.x = x, .ports = ports, .from = from, .to = to, .region = region},
                        .verdict = ret_verdict};
    enum alg_sdp_kind kind = ALG_SDP_NONE;
    int err = pass(&p, &kind);
    if (err && err != ERR_FORBIDDEN) {
        refuse_body(&p, ALG_REFUSED_SELF, 503, "out of memory");
        return err;
    }
    if (err)
        return err;
    confirm(&p, &kind);
    *ret_kind = kind;
    return 0;
}
