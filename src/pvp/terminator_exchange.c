/* The answering side inside the channel: Hello, Request, and the answer, which leaves only when the record is durably consumed. */
#include "base/mem.h"
#include "base/text.h"
#include "pvp/terminator_private.h"
#include "ticket/valinfo.h"

static void refuse(struct pvp_inbound *in, enum pvp_refusal code)
{
    struct pvp_message m = {.type = PVP_REFUSAL, .code = code};
    struct buf octets;
    buf_init(&octets, PVP_MESSAGE_OCTETS_MAX);
    if (pvp_message_encode(&m, &octets) == 0)
        pvp_inbound_send(in, &octets);
    buf_fini(&octets);
    pvp_inbound_end(in);
}

/* The claim that the originator has looked up is that of one of our Node-IDs: that one proves, and grants. */
static const struct pvp_identity *identity_of(const struct pvp_inbound *in)
{
    const struct pvp_terminator_ports *ports = &in->terminator->ports;
    const struct pvp_identity *identity = NULL;
    if (ports->service.identity && in->is_understood)
        identity = ports->service.identity(ports->service.ctx, &in->username.called, in->username.vservice_id);
    return identity ? identity : ports->identity;
}

void pvp_inbound_greet(struct pvp_inbound *in, struct now now)
{
    struct buf octets;
    (void)now;
    buf_init(&octets, PVP_MESSAGE_OCTETS_MAX);
    if (pvp_hello_write(identity_of(in), PVP_ROLE_TERMINATOR, in->exporter, &octets) == 0)
        pvp_inbound_send(in, &octets);
    else
        refuse(in, PVP_REFUSED_LATER);
    buf_fini(&octets);
}

static void take_hello(struct pvp_inbound *in, const struct pvp_message *m, struct now now)
{
    struct pvp_terminator *t = in->terminator;
    bool expected = pvp_prover_is_stranger(&in->prover) || pvp_prover_may_be(&in->prover, &m->node_id);
    int err = pvp_hello_check(t->ports.identity, PVP_ROLE_ORIGINATOR, m, in->exporter, now.wall);
    if (err == ERR_NO_MEMORY) {
        refuse(in, PVP_REFUSED_LATER);
        return;
    }
    if (!expected || err) {
        char id[ID_HEX_OCTETS];
        t->counters.bad_identity++;
        log_event(t->ports.log, LEVEL_WARNING, "pvp.identity.refused", "node=%s announced=%d called=%s",
                  id_format(m->node_id, id), expected, in->username.called.text);
        pvp_inbound_report(in, PVP_INBOUND_BAD_IDENTITY, PVP_REFUSED_IDENTITY);
        refuse(in, PVP_REFUSED_IDENTITY);
        return;
    }
    if (m->major != PVP_VERSION_MAJOR) {
        refuse(in, PVP_REFUSED_VERSION);
        return;
    }
    in->node_id = m->node_id;
    in->stage = INBOUND_REQUEST;
}

/* The answer, ticket and all, into in->answer. */
static int write_answer(struct pvp_inbound *in, const struct pvp_service *service, struct wall now)
{
    struct pvp_terminator *t = in->terminator;
    struct buf ticket;
    struct buf xml;
    struct valinfo info = {.number = in->username.called};
    if (!service->route_count || !service->keyring)
        return ERR_WRONG_STATE;
    buf_init(&ticket, TICKET_TEXT_OCTETS_MAX);
    buf_init(&xml, VALINFO_OCTETS_MAX);
    info.route_count = service->route_count < VALINFO_ROUTES_MAX ? service->route_count : VALINFO_ROUTES_MAX;
    for (size_t i = 0; i < info.route_count; i++)
        info.routes[i] = service->routes[i];
    int err = keyring_issue_as(service->keyring, identity_of(in)->node_id, &in->username.called, slice_str(in->domain),
                               now, wall_after_ms(now, t->config.ticket_ms), &ticket, NULL);
    if (!err) {
        info.ticket = buf_slice(&ticket);
        err = valinfo_format(&info, &xml);
    }
    if (!err) {
        struct pvp_message m = {.type = PVP_ANSWER, .domain = service->domain, .valinfo = buf_slice(&xml)};
        buf_clear(&in->answer);
        err = pvp_message_encode(&m, &in->answer);
    }
    buf_fini(&ticket);
    buf_fini(&xml);
    return err;
}

static void send_answer(struct pvp_inbound *in)
{
    struct pvp_terminator *t = in->terminator;
    if (in->is_refusal) {
        t->counters.refused_domain++;
        pvp_inbound_report(in, PVP_INBOUND_REFUSED, PVP_REFUSED_DOMAIN);
        refuse(in, PVP_REFUSED_DOMAIN);
        return;
    }
    t->counters.answers++;
    t->counters.answers_repeated += in->is_repeated;
    pvp_inbound_report(in, PVP_INBOUND_PROVED, 0);
    pvp_inbound_send(in, &in->answer);
    pvp_inbound_end(in);
}

static void refuse_for_now(struct pvp_inbound *in, enum pvp_refusal code)
{
    struct pvp_terminator *t = in->terminator;
    if (code == PVP_REFUSED_NUMBER)
        t->counters.refused_number++;
    else
        t->counters.refused_later++;
    pvp_inbound_report(in, PVP_INBOUND_REFUSED, code);
    refuse(in, code);
}

/* The record is consumed, or the write failed and it is as before. */
static void consumed(void *arg, int err)
{
    struct pvp_inbound *in = arg;
    struct pvp_terminator *t = in->terminator;
    struct pvp_vcr *v = pvp_vcr_find(t->ports.vcrs, &in->vcr_id);
    if (err) {
        t->counters.write_failed++;
        if (v)
            pvp_guard_unconsume(t->ports.vcrs, v, &in->node_id, in->is_repeated);
        log_event(t->ports.log, LEVEL_ERROR, "pvp.consume.lost", "called=%s error=%s", in->username.called.text,
                  err_name(err));
    } else {
        t->counters.records_consumed += !in->is_repeated;
    }
    if (in->is_closed) {
        pvp_inbound_free(in);
        return;
    }
    in->stage = INBOUND_OVER;
    if (err)
        refuse_for_now(in, PVP_REFUSED_LATER);
    else
        send_answer(in);
}

static void consume(struct pvp_inbound *in)
{
    struct pvp_terminator *t = in->terminator;
    struct pvp_vcr *v = pvp_vcr_find(t->ports.vcrs, &in->vcr_id);
    int err = v ? pvp_guard_consume(t->ports.vcrs, v, &in->node_id, &in->is_repeated) : ERR_NOT_FOUND;
    if (err) {
        refuse_for_now(in, PVP_REFUSED_LATER);
        return;
    }
    in->stage = INBOUND_WRITING;
    kv_commit(t->ports.kv, consumed, in);
}

static void take_request(struct pvp_inbound *in, const struct pvp_message *m, struct now now)
{
    struct pvp_terminator *t = in->terminator;
    struct pvp_service service = {0};
    if (m->major != PVP_VERSION_MAJOR || !domain_is_valid(m->domain) ||
        !slice_eq(e164_slice(&m->called), e164_slice(&in->username.called))) {
        t->counters.bad_request++;
        refuse(in, m->major != PVP_VERSION_MAJOR ? PVP_REFUSED_VERSION : PVP_REFUSED_MALFORMED);
        return;
    }
    text_lower(m->domain, in->domain);
    int err = t->ports.service.find(t->ports.service.ctx, &in->username.called, in->username.vservice_id, &service);
    if (err) {
        refuse_for_now(in, err == ERR_NOT_FOUND ? PVP_REFUSED_NUMBER : PVP_REFUSED_LATER);
        return;
    }
    in->is_refusal = !pvp_domain_allowed(&service.list, slice_str(in->domain));
    err = in->is_refusal ? 0 : write_answer(in, &service, now.wall);
    if (err == ERR_FORBIDDEN) { /* the key ring's revocation list says so */
        in->is_refusal = true;
        err = 0;
    }
    if (err) {
        log_event(t->ports.log, LEVEL_ERROR, "pvp.answer.failed", "called=%s error=%s", in->username.called.text,
                  err_name(err));
        refuse_for_now(in, PVP_REFUSED_LATER);
        return;
    }
    consume(in);
}

void pvp_inbound_input(struct pvp_inbound *in, struct now now, struct slice octets)
{
    struct pvp_terminator *t = in->terminator;
    if (in->stage != INBOUND_HELLO && in->stage != INBOUND_REQUEST)
        return;
    buf_slice_put(&in->input, octets);
    while (in->stage == INBOUND_HELLO || in->stage == INBOUND_REQUEST) {
        struct pvp_message m;
        size_t n;
        int err = in->input.err ? in->input.err : pvp_message_decode(buf_slice(&in->input), &m, &n, NULL);
        if (err == ERR_TRUNCATED)
            return;
        if (err == ERR_NO_MEMORY) {
            refuse(in, PVP_REFUSED_LATER);
        } else if (!err && in->stage == INBOUND_HELLO && m.type == PVP_HELLO) {
            take_hello(in, &m, now);
        } else if (!err && in->stage == INBOUND_REQUEST && m.type == PVP_REQUEST) {
            take_request(in, &m, now);
        } else if (!err && m.type == PVP_REFUSAL) {
            pvp_inbound_end(in);
        } else {
            t->counters.bad_message++;
            refuse(in, PVP_REFUSED_MALFORMED);
        }
        if (!err)
            buf_drop(&in->input, n);
    }
}
