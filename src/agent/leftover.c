/* The goodbyes of calls in progress: rows, and what becomes of them after a restart. */
#include "agent/internal.h"

#include "base/reader.h"

#define ROW_VERSION \
    3              /* 2: the BYEs themselves stand in place of dialogs; 1: likewise, and no count of ends, always two */
#define ENDS_MAX 3 /* caller, called side, and the leg to the phone network of a call that moves */
#define ROW_OCTETS_MAX (64 * 1024)
#define KEEP_MS 200       /* rows of so long go to the disk together */
#define CSEQ_AHEAD 100000 /* requests inside the dialog may have gone on since the row was written */
#define CSEQ_MAX UINT32_C(0x7fffffff)
#define STEP_MS 100 /* after a restart so many calls are ended at a time */
#define STEP_CALLS 50

struct leftover_end {
    struct leftover *leftover;
    struct client client;
    struct trunk *trunk; /* NULL: IME, or it is no longer there */
    struct sip_hop hop;
    uint32_t cseq;
    struct buf bye;
    unsigned status; /* of its answer; 0: none yet */
};

struct leftover {
    struct list link; /* in agent.leftovers */
    uint64_t number;  /* of its row */
    struct vap_vcr vcr;
    bool has_vcr;    /* it went over the phone network */
    bool under_way;  /* the goodbyes are sent */
    bool is_corrupt; /* its row says nothing: it goes */
    unsigned pstn;   /* which end is the phone network's */
    unsigned end_count;
    struct leftover_end ends[ENDS_MAX];
};

static struct slice key_of(uint64_t number, uint8_t key[8])
{
    for (unsigned i = 0; i < 8; i++)
        key[i] = (uint8_t)(number >> (56 - 8 * i));
    return slice_of(key, 8);
}

/* ---- rows ---- */

static void put_text(struct buf *row, const char *text)
{
    buf_opaque(row, 2, slice_str(text));
}

static void encode_end(struct end *e, struct buf *row)
{
    const struct sip_hop hop = end_hop(e);
    const struct sip_dialog *d = &e->dialog;
    const uint32_t cseq = d->local_cseq < CSEQ_MAX - CSEQ_AHEAD ? d->local_cseq + CSEQ_AHEAD : CSEQ_MAX;
    buf_opaque(row, 1, slice_str(e->trunk ? e->trunk->options->name : ""));
    buf_u8(row, (uint8_t)hop.side);
    buf_u8(row, (uint8_t)hop.transport);
    buf_u8(row, hop.addr.family);
    buf_put(row, hop.addr.ip, sizeof hop.addr.ip);
    buf_u16(row, hop.addr.port);
    buf_opaque(row, 1, slice_str(hop.host));
    buf_u32(row, cseq);
    put_text(row, d->call_id);
    put_text(row, d->local_tag);
    put_text(row, d->remote_tag);
    put_text(row, d->local_address);
    put_text(row, d->remote_address);
    put_text(row, d->remote_target);
    put_text(row, d->routes ? d->routes : "");
}

static void encode(struct call *c, struct buf *row)
{
    const struct call_record *r = &c->record;
    struct end *leg = fallback_leg(c);
    struct fallback_leg_record record = {.is_ours = r->direction == CALL_OUTBOUND,
                                         .calling = r->calling,
                                         .called = r->called,
                                         .answered_at = r->answered_at};
    if (leg)
        fallback_leg_record(leg, &record);
    buf_u8(row, ROW_VERSION);
    buf_u8(row, record.called.text[0] && (leg || r->from == AGENT_PSTN || r->to == AGENT_PSTN));
    buf_u8(row, leg ? 2 : r->to == AGENT_PSTN);
    buf_u8(row, record.is_ours ? VAP_SENT : VAP_RECEIVED);
    buf_opaque(row, 1, e164_slice(&record.calling));
    buf_opaque(row, 1, e164_slice(&record.called));
    buf_u64(row, (uint64_t)record.answered_at.ms);
    buf_u8(row, leg ? 3 : 2);
    encode_end(&c->confirmed->ends[0], row);
    encode_end(&c->confirmed->ends[1], row);
    if (leg)
        encode_end(leg, row);
}

static void read_number(struct reader *r, struct e164 *ret_number)
{
    struct slice text = read_opaque(r, 1, "number");
    if (text.n && !e164_parse(text, ret_number))
        reader_fail(r, ERR_RANGE, "number");
}

static void read_host(struct reader *r, char host[SIP_HOST_OCTETS_MAX + 1])
{
    struct slice text = read_opaque(r, 1, "host");
    memcpy(host, text.p ? (const char *)text.p : "", text.n);
    host[text.n] = 0;
}

static struct trunk *find_trunk(struct agent *a, enum agent_side side, struct slice name)
{
    for (size_t i = 0; i < a->trunk_count; i++) {
        const struct agent_trunk_options *o = a->trunks[i].options;
        if (o->side == side && slice_eq_str(name, o->name))
            return &a->trunks[i];
    }
    return NULL;
}

static char *read_text(struct agent *a, struct reader *r)
{
    static char none[] = "";
    char *text = region_text(&a->scratch, read_opaque(r, 2, "text of a dialog"));
    if (!text)
        reader_fail(r, ERR_NO_MEMORY, "text of a dialog");
    return text ? text : none;
}

static void decode_dialog(struct agent *a, struct reader *r, struct leftover_end *e)
{
    struct sip_dialog d = {.state = SIP_DIALOG_CONFIRMED};
    d.call_id = read_text(a, r);
    d.local_tag = read_text(a, r);
    d.remote_tag = read_text(a, r);
    d.local_address = read_text(a, r);
    d.remote_address = read_text(a, r);
    d.remote_target = read_text(a, r);
    d.routes = read_text(a, r);
    sip_dialog_begin_request(&d, "BYE", e->cseq, &e->bye);
    sip_end(&e->bye, (struct slice){0});
    region_clear(&a->scratch);
}

static void decode_end(struct agent *a, uint8_t version, struct reader *r, struct leftover_end *e)
{
    struct slice trunk = read_opaque(r, 1, "trunk");
    e->hop.side = read_u8(r, "side");
    e->hop.transport = (enum sip_transport)read_u8(r, "transport");
    e->hop.addr.family = read_u8(r, "family");
    read_copy(r, e->hop.addr.ip, sizeof e->hop.addr.ip, "address");
    e->hop.addr.port = read_u16(r, "port");
    read_host(r, e->hop.host);
    e->cseq = read_u32(r, "CSeq");
    if (version == ROW_VERSION)
        decode_dialog(a, r, e);
    else
        buf_slice_put(&e->bye, read_opaque(r, 2, "BYE"));
    if (e->bye.err)
        reader_fail(r, e->bye.err, "BYE");
    if (e->hop.side >= AGENT_SIDES || e->hop.transport > SIP_TLS || !e->bye.n)
        reader_fail(r, ERR_RANGE, "end of a call");
    else
        e->trunk = find_trunk(a, (enum agent_side)e->hop.side, trunk);
}

static int decode(struct agent *a, struct slice row, struct leftover *l)
{
    struct reader r;
    reader_init(&r, row);
    const uint8_t version = read_u8(&r, "version");
    if (!version || version > ROW_VERSION)
        return ERR_UNSUPPORTED;
    l->has_vcr = read_u8(&r, "phone network");
    l->pstn = read_u8(&r, "end");
    l->vcr.direction = read_u8(&r, "direction") == VAP_SENT ? VAP_SENT : VAP_RECEIVED;
    read_number(&r, &l->vcr.calling);
    read_number(&r, &l->vcr.called);
    l->vcr.start_ntp = wall_to_ntp((struct wall){(int64_t)read_u64(&r, "answer")});
    l->end_count = version == 1 ? 2 : read_u8(&r, "ends");
    if (l->end_count < 2 || l->end_count > ENDS_MAX || l->pstn >= l->end_count)
        reader_fail(&r, ERR_RANGE, "ends");
    for (unsigned i = 0; i < l->end_count && !r.err; i++)
        decode_end(a, version, &r, &l->ends[i]);
    return r.err ? r.err : reader_end(&r, "end of a call in progress");
}

/* ---- while the agent runs ---- */

static void write_row(struct call *c)
{
    struct agent *a = c->agent;
    uint8_t key[8];
    struct buf row;
    const uint64_t number = c->kept_as ? c->kept_as : a->next_kept;
    buf_init(&row, ROW_OCTETS_MAX);
    encode(c, &row);
    if (!row.err && !kv_put(a->ports.kv, KV_AGENT_DIALOG, key_of(number, key), buf_slice(&row)) && !c->kept_as) {
        c->kept_as = a->next_kept++;
        a->counters.calls_kept++;
    }
    buf_fini(&row);
}

static void keep_due(struct agent *a, void *owner)
{
    struct list *it;
    (void)owner;
    while ((it = list_pop(&a->unkept)))
        write_row(CONTAINER_OF(it, struct call, keep_link));
    kv_commit(a->ports.kv, NULL, NULL);
}

void call_keep(struct call *c)
{
    struct agent *a = c->agent;
    if (c->kind != CALL_VOICE || c->state != CALL_UP || !list_empty(&c->keep_link) || !c->confirmed->ends[0].ready ||
        !c->confirmed->ends[1].ready)
        return;
    list_append(&a->unkept, &c->keep_link);
    if (!heap_has(&a->timers, &a->keep_timer.node))
        agent_timer(a, &a->keep_timer, KEEP_MS);
}

void call_keep_no_more(struct call *c)
{
    uint8_t key[8];
    list_remove(&c->keep_link);
    if (c->kept_as)
        kv_remove(c->agent->ports.kv, KV_AGENT_DIALOG, key_of(c->kept_as, key));
    c->kept_as = 0;
}

/* ---- after a restart ---- */

static void leftover_free(struct agent *a, struct leftover *l)
{
    list_remove(&l->link);
    for (unsigned i = 0; i < ENDS_MAX; i++) {
        client_drop(a, &l->ends[i].client);
        buf_fini(&l->ends[i].bye);
    }
    mem_free(l);
}

static void hand_in(struct agent *a, struct leftover *l)
{
    const unsigned status = l->ends[l->pstn].status;
    if (!l->has_vcr || !a->parts.records || status < 200 || status >= 300)
        return; /* it may have ended long before */
    l->vcr.vservice_id = a->vservice_id;
    l->vcr.stop_ntp = wall_to_ntp(a->now.wall);
    int err = agent_records_add(a->parts.records, &l->vcr, NULL, NULL);
    if (err)
        log_event(a->ports.log, LEVEL_WARNING, "agent.record.lost", "called=%s error=%s", l->vcr.called.text,
                  err_name(err));
}

static void ended(struct agent *a, struct leftover *l)
{
    uint8_t key[8];
    log_event(a->ports.log, LEVEL_NOTICE, "call.ended_after_restart", "called=%s caller=%u called_side=%u",
              l->vcr.called.text, l->ends[0].status, l->ends[1].status);
    a->counters.calls_left_over++;
    kv_remove(a->ports.kv, KV_AGENT_DIALOG, key_of(l->number, key));
    hand_in(a, l);
    kv_commit(a->ports.kv, NULL, NULL);
    leftover_free(a, l);
}

/* Once each has its answer. */
static void end_if_all(struct agent *a, struct leftover *l)
{
    for (unsigned i = 0; i < l->end_count; i++) {
        if (!l->ends[i].status)
            return;
    }
    ended(a, l);
}

static void bye_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct leftover_end *e = owner;
    struct leftover *l = e->leftover;
    (void)response;
    if (status < 200)
        return;
    client_drop(a, &e->client);
    e->status = status;
    end_if_all(a, l);
}

static void say_goodbye(struct agent *a, struct leftover *l)
{
    l->under_way = true;
    for (unsigned i = 0; i < l->end_count; i++) {
        struct leftover_end *e = &l->ends[i];
        client_init(&e->client, bye_heard, e, e->trunk, &e->cseq);
        if (client_send(a, &e->client, &e->hop, buf_slice(&e->bye)) < 0)
            e->status = 503;
    }
    end_if_all(a, l);
}

/* A row that cannot be read ends no call, and would be read again at each start. */
static void drop_corrupt(struct agent *a)
{
    uint8_t key[8];
    LIST_EACH(it, &a->leftovers) {
        struct leftover *l = CONTAINER_OF(it, struct leftover, link);
        if (!l->is_corrupt)
            continue;
        kv_remove(a->ports.kv, KV_AGENT_DIALOG, key_of(l->number, key));
        leftover_free(a, l);
    }
    kv_commit(a->ports.kv, NULL, NULL);
}

static void step(struct agent *a, void *owner)
{
    unsigned left = STEP_CALLS;
    (void)owner;
    LIST_EACH(it, &a->leftovers) {
        struct leftover *l = CONTAINER_OF(it, struct leftover, link);
        if (l->under_way)
            continue;
        if (!left--) {
            agent_timer(a, &a->leftover_timer, STEP_MS);
            return;
        }
        say_goodbye(a, l);
    }
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct agent *a = arg;
    struct leftover *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    list_append(&a->leftovers, &l->link);
    for (unsigned i = 0; i < ENDS_MAX; i++) {
        l->ends[i].leftover = l;
        buf_init(&l->ends[i].bye, ROW_OCTETS_MAX);
    }
    for (size_t i = 0; key.n == 8 && i < 8; i++)
        l->number = l->number << 8 | key.p[i];
    if (l->number >= a->next_kept && l->number < UINT64_MAX)
        a->next_kept = l->number + 1;
    int err = key.n == 8 ? decode(a, value, l) : ERR_RANGE;
    if (err == ERR_NO_MEMORY)
        return err;
    if (err) {
        l->is_corrupt = true;
        a->counters.calls_corrupt++;
        log_event(a->ports.log, LEVEL_WARNING, "call.corrupt", "row=%llu error=%s", (unsigned long long)l->number,
                  err_name(err));
    }
    return 0;
}

int call_leftovers_init(struct agent *a)
{
    a->keep_timer.fire = keep_due;
    a->leftover_timer.fire = step;
    a->next_kept = 1;
    return kv_scan(a->ports.kv, KV_AGENT_DIALOG, load_row, a);
}

void call_leftovers_start(struct agent *a)
{
    if (a->counters.calls_corrupt)
        drop_corrupt(a);
    if (!list_empty(&a->leftovers))
        agent_timer(a, &a->leftover_timer, 0);
}

void call_leftovers_fini(struct agent *a)
{
    LIST_EACH(it, &a->leftovers)
        leftover_free(a, CONTAINER_OF(it, struct leftover, link));
    agent_timer_stop(a, &a->keep_timer);
    agent_timer_stop(a, &a->leftover_timer);
}
