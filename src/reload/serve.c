/* Requests to us, by method: the simple ones are answered here, the others by the file of their concept. */
#include "reload/peer_internal.h"

static void ping_serve(struct peer *peer, struct now now, struct request *request)
{
    struct reload_body answer = {.code = RELOAD_PING_ANS};
    struct reload_extension digests;
    struct buf body, extension;
    answer.ping_ans.response_id = entropy_u64(&peer->ports.entropy);
    answer.ping_ans.time_ms = (uint64_t)now.wall.ms;
    buf_init(&body, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&extension, RELOAD_MESSAGE_OCTETS_MAX);
    struct reload_contents contents = {.code = RELOAD_PING_ANS, .extensions = &digests};
    if (peer_compare_serve(peer, now, request, &extension)) {
        digests = (struct reload_extension){COMPARE_EXTENSION, false, buf_slice(&extension)};
        contents.extension_count = 1;
    }
    reload_body_encode(&answer, &body);
    contents.body = buf_slice(&body);
    if (body.err || extension.err)
        peer->counters.memory_refused++;
    else
        peer_answer_contents(peer, now, request->reply, &contents, NULL, 0);
    buf_fini(&body);
    buf_fini(&extension);
}

uint32_t peer_uptime_s(const struct peer *peer, struct now now)
{
    return (uint32_t)(mono_since_us(now.mono, peer->started) / 1000000);
}

/* 6.4.2.5: what was asked for and is known, in the order asked. */
static void probe_serve(struct peer *peer, struct now now, struct request *request)
{
    struct slice asked = request->body.probe_req;
    struct reload_probe_info *items = region_array(request->region, asked.n ? asked.n : 1, sizeof *items);
    if (!items) {
        peer->counters.memory_refused++;
        return;
    }
    size_t n = 0;
    struct storage_view view;
    storage_view(peer->ports.storage, &view);
    for (size_t i = 0; i < asked.n; i++) {
        struct reload_probe_info info = {.type = asked.p[i]};
        if (info.type == RELOAD_PROBE_RESPONSIBLE_SET)
            info.value = (uint32_t)(peer_share_owned(peer) * 1e9);
        else if (info.type == RELOAD_PROBE_NUM_RESOURCES)
            info.value = view.resources > UINT32_MAX ? UINT32_MAX : (uint32_t)view.resources;
        else if (info.type == RELOAD_PROBE_UPTIME)
            info.value = peer_uptime_s(peer, now);
        else
            continue;
        items[n++] = info;
    }
    peer_answer_body(peer, now, request->reply,
                     &(struct reload_body){.code = RELOAD_PROBE_ANS, .probe_ans = {items, n}});
}

/* Requests that change nothing are simply served again when they come again. */
static bool is_repeatable(uint16_t code)
{
    switch (code) {
    case RELOAD_PING_REQ:
    case RELOAD_PROBE_REQ:
    case RELOAD_FETCH_REQ:
    case RELOAD_STAT_REQ:
    case RELOAD_FIND_REQ:
        return true;
    default:
        return false;
    }
}

void peer_serve_request(struct peer *peer, struct now now, struct request *request)
{
    uint16_t code = request->message->contents.code;
    if (!is_repeatable(code)) {
        if (peer_served_again(peer, now, request->reply))
            return;
        peer_served_begin(peer, now, request->reply);
    }
    switch (code) {
    case RELOAD_PING_REQ:
        ping_serve(peer, now, request);
        break;
    case RELOAD_PROBE_REQ:
        probe_serve(peer, now, request);
        break;
    case RELOAD_ATTACH_REQ:
        peer_attach_serve(peer, now, request);
        break;
    case RELOAD_APP_ATTACH_REQ:
        peer_app_attach_serve(peer, now, request);
        break;
    case RELOAD_STORE_REQ:
    case RELOAD_FETCH_REQ:
    case RELOAD_STAT_REQ:
    case RELOAD_FIND_REQ:
        peer_values_serve(peer, now, request);
        break;
    case RELOAD_JOIN_REQ:
        chord_admit_serve(peer, now, request);
        break;
    case RELOAD_LEAVE_REQ:
        chord_leave_serve(peer, now, request);
        break;
    case RELOAD_UPDATE_REQ:
        chord_update_serve(peer, now, request);
        break;
    case RELOAD_ROUTE_QUERY_REQ:
        chord_route_query_serve(peer, now, request);
        break;
    case RELOAD_CONFIG_UPDATE_REQ:
        config_update_serve(peer, now, request);
        break;
    default:
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_INVALID_MESSAGE, "a method that is not known here");
    }
}

int peer_err_of_error_code(uint16_t code)
{
    switch (code) {
    case RELOAD_ERROR_FORBIDDEN:
        return ERR_FORBIDDEN;
    case RELOAD_ERROR_NOT_FOUND:
        return ERR_NOT_FOUND;
    case RELOAD_ERROR_REQUEST_TIMEOUT:
        return ERR_TIMEOUT;
    case RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW:
    case RELOAD_ERROR_DATA_TOO_OLD:
        return ERR_CONFLICT;
    case RELOAD_ERROR_DATA_TOO_LARGE:
    case RELOAD_ERROR_MESSAGE_TOO_LARGE:
    case RELOAD_ERROR_RESPONSE_TOO_LARGE:
        return ERR_LIMIT;
    case RELOAD_ERROR_TTL_EXCEEDED:
        return ERR_UNREACHABLE;
    case RELOAD_ERROR_CONFIG_TOO_OLD:
    case RELOAD_ERROR_CONFIG_TOO_NEW:
    case RELOAD_ERROR_IN_PROGRESS:
        return ERR_WRONG_STATE;
    case RELOAD_ERROR_INVALID_MESSAGE:
        return ERR_SYNTAX;
    default:
        return ERR_UNSUPPORTED;
    }
}
