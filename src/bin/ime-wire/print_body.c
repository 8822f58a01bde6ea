/* Message bodies as trees, in the words of RFC 6940. */
#include "print_reload.h"

static void print_ids(struct print *p, const char *name, struct reload_ids ids)
{
    print_list(p, name);
    for (size_t i = 0; i < ids.count; i++)
        print_octets(p, NULL, id_slice(&ids.items[i]));
    print_end(p);
}

static void print_address(struct print *p, const char *name, const struct reload_address *a)
{
    char text[ADDR_TEXT_OCTETS];
    print_object(p, name);
    print_code(p, "type", a->type, reload_address_name(a->type));
    if (a->type == RELOAD_ADDRESS_IPV4 || a->type == RELOAD_ADDRESS_IPV6)
        print_word(p, "addr_port", addr_format(&a->addr, text));
    else
        print_octets(p, "value", a->other);
    print_end(p);
}

static void print_candidate(struct print *p, const struct reload_candidate *c)
{
    print_object(p, NULL);
    print_address(p, "addr_port", &c->address);
    print_code(p, "overlay_link", c->link, reload_link_name(c->link));
    print_text(p, "foundation", c->foundation);
    print_number(p, "priority", c->priority);
    print_code(p, "type", c->type, reload_candidate_name(c->type));
    if (c->type == RELOAD_CANDIDATE_SRFLX || c->type == RELOAD_CANDIDATE_RELAY)
        print_address(p, "rel_addr_port", &c->related);
    print_list(p, "extensions");
    for (size_t i = 0; i < c->extension_count; i++) {
        print_object(p, NULL);
        print_text(p, "name", c->extensions[i].name);
        print_text(p, "value", c->extensions[i].value);
        print_end(p);
    }
    print_end(p);
    print_end(p);
}

static void print_attach(struct print *p, bool application, const struct reload_attach *a)
{
    print_text(p, "ufrag", a->ufrag);
    print_text(p, "password", a->password);
    if (application)
        print_number(p, "application", a->application);
    print_text(p, "role", a->role);
    print_list(p, "candidates");
    for (size_t i = 0; i < a->candidate_count; i++)
        print_candidate(p, &a->candidates[i]);
    print_end(p);
    if (!application)
        print_bool(p, "send_update", a->send_update);
}

static void print_probe_req(struct print *p, struct slice types)
{
    print_list(p, "requested_info");
    for (size_t i = 0; i < types.n; i++)
        print_code(p, NULL, types.p[i], reload_probe_name(types.p[i]));
    print_end(p);
}

static void print_probe_ans(struct print *p, const struct reload_probe_ans *answer)
{
    print_list(p, "probe_info");
    for (size_t i = 0; i < answer->count; i++) {
        const struct reload_probe_info *info = &answer->items[i];
        print_object(p, NULL);
        print_code(p, "type", info->type, reload_probe_name(info->type));
        if (info->type >= RELOAD_PROBE_RESPONSIBLE_SET && info->type <= RELOAD_PROBE_UPTIME)
            print_number(p, "value", info->value);
        else
            print_octets(p, "value", info->other);
        print_end(p);
    }
    print_end(p);
}

static void print_leave_req(struct print *p, const struct reload_leave_req *l)
{
    print_octets(p, "leaving_peer_id", id_slice(&l->leaving_peer_id));
    if (l->type == RELOAD_CHORD_LEAVE_NONE)
        return;
    print_object(p, "ChordLeaveData");
    print_code(p, "type", l->type, reload_chord_leave_name(l->type));
    print_ids(p, l->type == RELOAD_CHORD_LEAVE_FROM_SUCC ? "successors" : "predecessors", l->nodes);
    print_end(p);
}

static void print_update_req(struct print *p, const struct reload_update_req *u)
{
    print_number(p, "uptime", u->uptime_s);
    print_code(p, "type", u->type, reload_chord_update_name(u->type));
    if (u->type >= RELOAD_CHORD_NEIGHBORS) {
        print_ids(p, "predecessors", u->predecessors);
        print_ids(p, "successors", u->successors);
    }
    if (u->type == RELOAD_CHORD_FULL)
        print_ids(p, "fingers", u->fingers);
}

static void print_config_update(struct print *p, const struct reload_config_update *c)
{
    print_code(p, "type", c->type, reload_config_update_name(c->type));
    if (c->type == RELOAD_CONFIG_UPDATE_CONFIG) {
        print_text(p, "config_data", c->config_data);
    } else if (c->type == RELOAD_CONFIG_UPDATE_KIND) {
        print_list(p, "kinds");
        for (size_t i = 0; i < c->kind_count; i++)
            print_text(p, NULL, c->kinds[i]);
        print_end(p);
    } else {
        print_octets(p, "value", c->config_data);
    }
}

static void print_store_ans(struct print *p, const struct reload_store_ans *answer)
{
    print_list(p, "kind_responses");
    for (size_t i = 0; i < answer->kind_count; i++) {
        print_object(p, NULL);
        print_kind(p, answer->kinds[i].kind);
        print_number(p, "generation_counter", answer->kinds[i].generation_counter);
        print_ids(p, "replicas", answer->kinds[i].replicas);
        print_end(p);
    }
    print_end(p);
}

/* Two errors carry structures (7.4.1.2); the others text. */
static void print_error(struct print *p, const struct reload_error *e)
{
    struct region region;
    struct fault fault;
    struct reload_store_ans answer;
    const uint32_t *kinds;
    size_t count;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    print_code(p, "error_code", e->code, reload_error_name(e->code));
    if (e->code == RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW &&
        reload_store_ans_decode(e->info, &region, &answer, &fault) == 0) {
        print_store_ans(p, &answer);
    } else if (e->code == RELOAD_ERROR_UNKNOWN_KIND &&
               reload_unknown_kinds_decode(e->info, &region, &kinds, &count, &fault) == 0) {
        print_list(p, "unknown_kinds");
        for (size_t i = 0; i < count; i++)
            print_number_hex(p, NULL, kinds[i], 4);
        print_end(p);
    } else {
        print_text(p, "error_info", e->info);
    }
    region_fini(&region);
}

static void print_fields(struct print *p, const struct reload_body *b)
{
    switch (b->code) {
    case RELOAD_PROBE_REQ:
        print_probe_req(p, b->probe_req);
        break;
    case RELOAD_PROBE_ANS:
        print_probe_ans(p, &b->probe_ans);
        break;
    case RELOAD_ATTACH_REQ:
    case RELOAD_ATTACH_ANS:
        print_attach(p, false, &b->attach);
        break;
    case RELOAD_APP_ATTACH_REQ:
    case RELOAD_APP_ATTACH_ANS:
        print_attach(p, true, &b->attach);
        break;
    case RELOAD_JOIN_REQ:
        print_octets(p, "joining_peer_id", id_slice(&b->join_req.joining_peer_id));
        print_octets(p, "overlay_specific_data", b->join_req.overlay_specific_data);
        break;
    case RELOAD_JOIN_ANS:
        print_octets(p, "overlay_specific_data", b->join_ans);
        break;
    case RELOAD_LEAVE_REQ:
        print_leave_req(p, &b->leave_req);
        break;
    case RELOAD_UPDATE_REQ:
        print_update_req(p, &b->update_req);
        break;
    case RELOAD_ROUTE_QUERY_REQ:
        print_bool(p, "send_update", b->route_query.send_update);
        print_destination(p, "destination", &b->route_query.destination);
        print_octets(p, "overlay_specific_data", b->route_query.overlay_specific_data);
        break;
    case RELOAD_ROUTE_QUERY_ANS:
        print_octets(p, "next_peer", id_slice(&b->route_query_ans));
        break;
    case RELOAD_PING_REQ:
        print_octets(p, "padding", b->ping_req);
        break;
    case RELOAD_PING_ANS:
        print_number_hex(p, "response_id", b->ping_ans.response_id, 8);
        print_time_ms(p, "time", b->ping_ans.time_ms);
        break;
    case RELOAD_CONFIG_UPDATE_REQ:
        print_config_update(p, &b->config_update);
        break;
    case RELOAD_LEAVE_ANS:
    case RELOAD_UPDATE_ANS:
    case RELOAD_CONFIG_UPDATE_ANS:
        break;
    case RELOAD_STORE_ANS:
        print_store_ans(p, &b->store_ans);
        break;
    case RELOAD_STORE_REQ:
    case RELOAD_FETCH_REQ:
    case RELOAD_FETCH_ANS:
    case RELOAD_STAT_REQ:
    case RELOAD_STAT_ANS:
    case RELOAD_FIND_REQ:
    case RELOAD_FIND_ANS:
        print_data_body(p, b);
        break;
    case RELOAD_ERROR:
        print_error(p, &b->error);
        break;
    default:
        print_octets(p, "octets", b->opaque);
    }
}

void print_body(struct print *p, const struct reload_body *body)
{
    print_object(p, "message_body");
    print_fields(p, body);
    print_end(p);
}
