/* Every message body: those of the forwarding layer and of CHORD-RELOAD here, the larger groups in attach.c and body_data.c. */
#include "reload/body.h"

#include "reload/codec.h"

/* ---- Probe, 6.4.2.5 ---- */

static bool probe_is_known(uint8_t type)
{
    return type >= RELOAD_PROBE_RESPONSIBLE_SET && type <= RELOAD_PROBE_UPTIME;
}

static void read_probe_ans(struct reader *r, struct region *region, struct reload_probe_ans *p)
{
    struct reader list = read_sub_opaque(r, 2, "probe_info, RFC 6940 6.4.2.5.2");
    struct reload_array array = {0};
    while (reader_left(&list)) {
        size_t at = list.at;
        struct reload_probe_info *i =
            reload_array_next(&array, &list, region, sizeof *i, UINT8_MAX, "number of probe_info, RFC 6940 6.4.2.5.2");
        if (!i)
            break;
        i->type = read_u8(&list, "ProbeInformation type, RFC 6940 6.4.2.5.2");
        if (!list.err && i->type == 0)
            reader_fail_at(&list, ERR_RANGE, at, "ProbeInformation type, RFC 6940 6.4.2.5.2");
        struct reader value = read_sub_opaque(&list, 1, "ProbeInformation length, RFC 6940 6.4.2.5.2");
        if (probe_is_known(i->type))
            i->value = read_u32(&value, "ProbeInformation value, RFC 6940 6.4.2.5.2");
        else
            i->other = read_slice(&value, reader_left(&value), "ProbeInformation value, RFC 6940 6.4.2.5.2");
        reader_close(&list, &value, "ProbeInformation length, RFC 6940 6.4.2.5.2");
    }
    reader_close(r, &list, "probe_info, RFC 6940 6.4.2.5.2");
    p->items = array.items;
    p->count = array.count;
}

static void put_probe_ans(struct buf *out, const struct reload_probe_ans *p)
{
    size_t mark = buf_open(out, 2);
    for (size_t i = 0; i < p->count; i++) {
        buf_u8(out, p->items[i].type);
        size_t value = buf_open(out, 1);
        if (probe_is_known(p->items[i].type))
            buf_u32(out, p->items[i].value);
        else
            buf_slice_put(out, p->items[i].other);
        buf_close(out, value, 1);
    }
    buf_close(out, mark, 2);
}

/* ---- Leave with ChordLeaveData, 6.4.2.2 and 10.9 ---- */

static void read_leave_req(struct reader *r, struct reload_leave_req *l)
{
    l->leaving_peer_id = reload_read_id(r, "leaving_peer_id, RFC 6940 6.4.2.2");
    struct reader data = read_sub_opaque(r, 2, "LeaveReq overlay_specific_data, RFC 6940 6.4.2.2");
    if (reader_left(&data)) {
        size_t at = data.at;
        l->type = read_u8(&data, "ChordLeaveData type, RFC 6940 10.9");
        if (l->type != RELOAD_CHORD_LEAVE_FROM_SUCC && l->type != RELOAD_CHORD_LEAVE_FROM_PRED)
            reader_fail_at(&data, ERR_UNSUPPORTED, at, "ChordLeaveData type, RFC 6940 10.9");
        l->nodes = reload_read_ids(&data, "ChordLeaveData list, RFC 6940 10.9");
    }
    reader_close(r, &data, "LeaveReq overlay_specific_data, RFC 6940 6.4.2.2");
}

static void put_leave_req(struct buf *out, const struct reload_leave_req *l)
{
    reload_put_id(out, l->leaving_peer_id);
    size_t mark = buf_open(out, 2);
    if (l->type != RELOAD_CHORD_LEAVE_NONE) {
        buf_u8(out, l->type);
        reload_put_ids(out, l->nodes);
    }
    buf_close(out, mark, 2);
}

/* ---- Update: ChordUpdate, 10.7 ---- */

static void read_update_req(struct reader *r, struct reload_update_req *u)
{
    u->uptime_s = read_u32(r, "ChordUpdate uptime, RFC 6940 10.7");
    size_t at = r->at;
    u->type = read_u8(r, "ChordUpdate type, RFC 6940 10.7");
    if (!r->err && (u->type < RELOAD_CHORD_PEER_READY || u->type > RELOAD_CHORD_FULL))
        reader_fail_at(r, ERR_UNSUPPORTED, at, "ChordUpdate type, RFC 6940 10.7");
    if (u->type >= RELOAD_CHORD_NEIGHBORS) {
        u->predecessors = reload_read_ids(r, "ChordUpdate predecessors, RFC 6940 10.7");
        u->successors = reload_read_ids(r, "ChordUpdate successors, RFC 6940 10.7");
    }
    if (u->type == RELOAD_CHORD_FULL)
        u->fingers = reload_read_ids(r, "ChordUpdate fingers, RFC 6940 10.7");
}

static void put_update_req(struct buf *out, const struct reload_update_req *u)
{
    buf_u32(out, u->uptime_s);
    buf_u8(out, u->type);
    if (u->type >= RELOAD_CHORD_NEIGHBORS) {
        reload_put_ids(out, u->predecessors);
        reload_put_ids(out, u->successors);
    }
    if (u->type == RELOAD_CHORD_FULL)
        reload_put_ids(out, u->fingers);
}

/* ---- ConfigUpdate, 6.5.4 ---- */

static void read_config_update(struct reader *r, struct region *region, struct reload_config_update *c)
{
    size_t at = r->at;
    c->type = read_u8(r, "ConfigUpdate type, RFC 6940 6.5.4.1");
    if (!r->err && c->type == 0)
        reader_fail_at(r, ERR_RANGE, at, "ConfigUpdate type, RFC 6940 6.5.4.1");
    struct reader rest = read_sub_opaque(r, 4, "ConfigUpdate length, RFC 6940 6.5.4.1");
    if (c->type == RELOAD_CONFIG_UPDATE_CONFIG)
        c->config_data = read_opaque(&rest, 3, "config_data, RFC 6940 6.5.4.1");
    else if (c->type == RELOAD_CONFIG_UPDATE_KIND)
        c->kinds = reload_read_opaques(&rest, 3, region, RELOAD_KIND_BLOCKS_MAX, &c->kind_count,
                                       "ConfigUpdate kinds, RFC 6940 6.5.4.1");
    else
        c->config_data = read_slice(&rest, reader_left(&rest), "ConfigUpdate value, RFC 6940 6.5.4.1");
    reader_close(r, &rest, "ConfigUpdate length, RFC 6940 6.5.4.1");
}

static void put_config_update(struct buf *out, const struct reload_config_update *c)
{
    buf_u8(out, c->type);
    size_t mark = buf_open(out, 4);
    if (c->type == RELOAD_CONFIG_UPDATE_CONFIG)
        buf_opaque(out, 3, c->config_data);
    else if (c->type == RELOAD_CONFIG_UPDATE_KIND)
        reload_put_opaques(out, 3, c->kinds, c->kind_count);
    else
        buf_slice_put(out, c->config_data);
    buf_close(out, mark, 4);
}

/* ---- all ---- */

static void read_body(struct reader *r, const struct reload_models *models, struct region *region,
                      struct reload_body *b)
{
    switch (b->code) {
    case RELOAD_PROBE_REQ:
        b->probe_req = read_opaque(r, 1, "requested_info, RFC 6940 6.4.2.5.1");
        break;
    case RELOAD_PROBE_ANS:
        read_probe_ans(r, region, &b->probe_ans);
        break;
    case RELOAD_ATTACH_REQ:
    case RELOAD_ATTACH_ANS:
        reload_read_attach(r, false, region, &b->attach);
        break;
    case RELOAD_APP_ATTACH_REQ:
    case RELOAD_APP_ATTACH_ANS:
        reload_read_attach(r, true, region, &b->attach);
        break;
    case RELOAD_JOIN_REQ:
        b->join_req.joining_peer_id = reload_read_id(r, "joining_peer_id, RFC 6940 6.4.2.1");
        b->join_req.overlay_specific_data = read_opaque(r, 2, "JoinReq overlay_specific_data, RFC 6940 6.4.2.1");
        break;
    case RELOAD_JOIN_ANS:
        b->join_ans = read_opaque(r, 2, "JoinAns overlay_specific_data, RFC 6940 6.4.2.1");
        break;
    case RELOAD_LEAVE_REQ:
        read_leave_req(r, &b->leave_req);
        break;
    case RELOAD_UPDATE_REQ:
        read_update_req(r, &b->update_req);
        break;
    case RELOAD_ROUTE_QUERY_REQ:
        b->route_query.send_update = reload_read_bool(r, "RouteQueryReq send_update, RFC 6940 6.4.2.4.1");
        reload_read_destination(r, &b->route_query.destination);
        b->route_query.overlay_specific_data =
            read_opaque(r, 2, "RouteQueryReq overlay_specific_data, RFC 6940 6.4.2.4.1");
        break;
    case RELOAD_ROUTE_QUERY_ANS:
        b->route_query_ans = reload_read_id(r, "next_peer, RFC 6940 10.8");
        break;
    case RELOAD_PING_REQ:
        b->ping_req = read_opaque(r, 2, "PingReq padding, RFC 6940 6.5.3.1");
        break;
    case RELOAD_PING_ANS:
        b->ping_ans.response_id = read_u64(r, "response_id, RFC 6940 6.5.3.2");
        b->ping_ans.time_ms = read_u64(r, "PingAns time, RFC 6940 6.5.3.2");
        break;
    case RELOAD_CONFIG_UPDATE_REQ:
        read_config_update(r, region, &b->config_update);
        break;
    case RELOAD_LEAVE_ANS:
    case RELOAD_UPDATE_ANS:
    case RELOAD_CONFIG_UPDATE_ANS:
        break;
    case RELOAD_ERROR:
        b->error.code = read_u16(r, "error_code, RFC 6940 6.3.3.1");
        b->error.info = read_opaque(r, 2, "error_info, RFC 6940 6.3.3.1");
        break;
    case RELOAD_STORE_REQ:
    case RELOAD_STORE_ANS:
    case RELOAD_FETCH_REQ:
    case RELOAD_FETCH_ANS:
    case RELOAD_STAT_REQ:
    case RELOAD_STAT_ANS:
    case RELOAD_FIND_REQ:
    case RELOAD_FIND_ANS:
        reload_read_data_body(r, models, region, b);
        break;
    default:
        b->opaque = read_slice(r, reader_left(r), "message_body, RFC 6940 6.3.3");
    }
}

int reload_body_decode(const struct reload_message *message, const struct reload_models *models, struct region *region,
                       struct reload_body *ret_body, struct fault *ret_fault)
{
    struct slice octets = message->contents.body;
    struct reader r = {
        .base = octets.p ? octets.p - message->body_octet : NULL,
        .at = message->body_octet,
        .end = message->body_octet + octets.n,
    };
    struct reload_body body = {.code = message->contents.code};
    read_body(&r, models, region, &body);
    if (reader_end(&r, "octets behind the end of the message_body, RFC 6940 6.3.3"))
        return reload_fault(&r, ret_fault);
    *ret_body = body;
    return 0;
}

int reload_body_encode(const struct reload_body *b, struct buf *out)
{
    switch (b->code) {
    case RELOAD_PROBE_REQ:
        buf_opaque(out, 1, b->probe_req);
        break;
    case RELOAD_PROBE_ANS:
        put_probe_ans(out, &b->probe_ans);
        break;
    case RELOAD_ATTACH_REQ:
    case RELOAD_ATTACH_ANS:
        reload_put_attach(out, false, &b->attach);
        break;
    case RELOAD_APP_ATTACH_REQ:
    case RELOAD_APP_ATTACH_ANS:
        reload_put_attach(out, true, &b->attach);
        break;
    case RELOAD_JOIN_REQ:
        reload_put_id(out, b->join_req.joining_peer_id);
        buf_opaque(out, 2, b->join_req.overlay_specific_data);
        break;
    case RELOAD_JOIN_ANS:
        buf_opaque(out, 2, b->join_ans);
        break;
    case RELOAD_LEAVE_REQ:
        put_leave_req(out, &b->leave_req);
        break;
    case RELOAD_UPDATE_REQ:
        put_update_req(out, &b->update_req);
        break;
    case RELOAD_ROUTE_QUERY_REQ:
        buf_u8(out, b->route_query.send_update);
        reload_destination_encode(&b->route_query.destination, out);
        buf_opaque(out, 2, b->route_query.overlay_specific_data);
        break;
    case RELOAD_ROUTE_QUERY_ANS:
        reload_put_id(out, b->route_query_ans);
        break;
    case RELOAD_PING_REQ:
        buf_opaque(out, 2, b->ping_req);
        break;
    case RELOAD_PING_ANS:
        buf_u64(out, b->ping_ans.response_id);
        buf_u64(out, b->ping_ans.time_ms);
        break;
    case RELOAD_CONFIG_UPDATE_REQ:
        put_config_update(out, &b->config_update);
        break;
    case RELOAD_LEAVE_ANS:
    case RELOAD_UPDATE_ANS:
    case RELOAD_CONFIG_UPDATE_ANS:
        break;
    case RELOAD_ERROR:
        buf_u16(out, b->error.code);
        buf_opaque(out, 2, b->error.info);
        break;
    case RELOAD_STORE_REQ:
    case RELOAD_STORE_ANS:
    case RELOAD_FETCH_REQ:
    case RELOAD_FETCH_ANS:
    case RELOAD_STAT_REQ:
    case RELOAD_STAT_ANS:
    case RELOAD_FIND_REQ:
    case RELOAD_FIND_ANS:
        reload_put_data_body(out, b);
        break;
    default:
        buf_slice_put(out, b->opaque);
    }
    return out->err;
}
