/* The companies' call agents, and the questions of their operators. */
#include "testing.h"
#include "ticket/valinfo.h"
#include "trace/scene.h"

#include <stdio.h>

/* ---- the agent ---- */

static struct vap_description describe(const struct agent *a, const char **uris, const char **listed)
{
    uris[0] = a->uri;
    listed[0] = a->listed;
    return (struct vap_description){
        .id = "pbx",
        .schema_version = "1.0",
        .dht_name = VAP_PUBLIC_DHT,
        .did_count = 20,
        .domain = a->domain,
        .list_kind = a->list_kind,
        .list_domains = listed,
        .list_count = a->list_kind == VAP_LIST_NONE ? 0 : 1,
        .routes = uris,
        .route_count = 1,
    };
}

void agent_start(struct company *c)
{
    struct agent *a = &c->agent;
    struct vap_client_config config;
    const char *uris[1], *listed[1];
    struct vap_description description = describe(a, uris, listed);
    assert_null(a->client);
    vap_client_config_init(&config);
    config.user = "agent";
    config.password = "s3cret-of-agents";
    config.vservice_id = a->vservice_id;
    config.description = &description;
    config.subscribe = true;
    config.reconnect_ms = 60000;
    config.attempts_max = 1;
    assert_int_equal(vap_client_new(&config, &c->scene->entropy, NULL, company_now(c), &a->client), 0);
    agent_drain(c);
}

void agent_stop(struct company *c)
{
    if (!c->agent.client)
        return;
    scene_cut(c, true);
    vap_client_free(c->agent.client);
    c->agent.client = NULL;
    c->agent.online = false;
}

static void told(struct company *c, const struct vap_client_effect *e)
{
    struct agent *a = &c->agent;
    struct region region;
    struct valinfo info;
    region_init(&region, 4 * VALINFO_OCTETS_MAX);
    int err = valinfo_parse(e->octets, &region, &info, NULL);
    if (err == ERR_NO_MEMORY) { /* as an agent that has none */
        region_fini(&region);
        vap_client_notify_done(a->client, company_now(c), e->notify, false);
        return;
    }
    assert_int_equal(err, 0);
    char text[192];
    snprintf(text, sizeof text, "number=%s uri=%.*s", info.number.text, SLICE_PRINT(info.routes[0]));
    scene_line(c->scene, c, a->refuses ? "agent.refuses" : "agent.told", text);
    if (!a->refuses) {
        assert_true(a->told_count < SCENE_ROUTES_MAX);
        struct told *t = &a->told[a->told_count++];
        snprintf(t->number, sizeof t->number, "%s", info.number.text);
        snprintf(t->uri, sizeof t->uri, "%.*s", SLICE_PRINT(info.routes[0]));
        snprintf(t->ticket, sizeof t->ticket, "%.*s", SLICE_PRINT(info.ticket));
    }
    region_fini(&region);
    vap_client_notify_done(a->client, company_now(c), e->notify, !a->refuses);
}

static void answered(struct company *c, struct answer *answer, const char *event, const struct vap_client_effect *e)
{
    char text[128];
    assert_false(answer->came);
    *answer = (struct answer){.came = true, .err = e->err, .code = e->code};
    snprintf(answer->reason, sizeof answer->reason, "%s", e->reason ? e->reason : "");
    snprintf(text, sizeof text, "%s code=%u reason=\"%s\"", e->err ? "refused" : "acknowledged", e->code,
             answer->reason);
    scene_line(c->scene, c, event, text);
}

static void take(struct company *c, const struct vap_client_effect *e)
{
    struct agent *a = &c->agent;
    switch (e->kind) {
    case VAP_CLIENT_CONNECT:
        agent_connect(c, e->server);
        break;
    case VAP_CLIENT_SEND:
        agent_send(c, e->server, e->octets);
        break;
    case VAP_CLIENT_DISCONNECT:
        agent_disconnect(c, e->server);
        break;
    case VAP_CLIENT_ONLINE:
        a->online = true;
        scene_line(c->scene, c, "agent.online", "");
        break;
    case VAP_CLIENT_OFFLINE:
        a->online = false;
        scene_line(c->scene, c, "agent.offline", e->reason ? e->reason : "");
        break;
    case VAP_CLIENT_UPLOADED:
        answered(c, &a->uploads[e->token], "agent.uploaded", e);
        break;
    case VAP_CLIENT_PUBLISHED:
        answered(c, &a->numbers[e->token], "agent.published", e);
        break;
    case VAP_CLIENT_NOTIFY:
        told(c, e);
        break;
    case VAP_CLIENT_ALARM:
        scene_line(c->scene, c, "agent.alarm", vap_alarm_name(e->alarm));
        break;
    case VAP_CLIENT_REVOKED:
        scene_line(c->scene, c, "agent.revoked", "");
        break;
    case VAP_CLIENT_SUBSCRIBED:
        scene_line(c->scene, c, "agent.subscribed", "");
        break;
    case VAP_CLIENT_KEYS_SUBSCRIBED:
    case VAP_CLIENT_KEYS_REFUSED:
    case VAP_CLIENT_KEYS:
        edge_told(c, e);
        break;
    case VAP_CLIENT_STOPPED:
        break;
    }
}

void agent_drain(struct company *c)
{
    struct vap_client_effect e;
    while (c->agent.client && vap_client_next(c->agent.client, &e))
        take(c, &e);
}

void agent_tick(struct company *c)
{
    struct agent *a = &c->agent;
    if (!a->client || !mono_due(vap_client_deadline(a->client), c->scene->now.mono))
        return;
    vap_client_tick(a->client, company_now(c));
    agent_drain(c);
}

/* ---- numbers and calls ---- */

static struct e164 e164(const char *text)
{
    struct e164 number;
    assert_true(e164_parse(slice_str(text), &number));
    return number;
}

size_t agent_publish(struct company *c, const char *number)
{
    struct agent *a = &c->agent;
    struct e164 parsed = e164(number);
    assert_true(a->number_count < SCENE_UPLOADS_MAX);
    size_t index = a->number_count++;
    assert_int_equal(vap_client_publish_number(a->client, company_now(c), &parsed, index), 0);
    agent_drain(c);
    return index;
}

static void run_until_answered(struct scene *scene, const struct answer *answer, int64_t ms)
{
    for (int64_t waited = 0; !answer->came && waited < ms; waited += 10)
        scene_run(scene, 10);
    assert_true(answer->came);
}

void agent_publishes(struct company *c, const char *number)
{
    const struct answer *answer = &c->agent.numbers[agent_publish(c, number)];
    run_until_answered(c->scene, answer, 20000);
    if (answer->err)
        fail_msg("%s is not published: %u %s", number, answer->code, answer->reason);
}

size_t agent_upload(struct company *c, const struct call *call, enum vap_direction direction)
{
    struct agent *a = &c->agent;
    int64_t ended_ms = call->ended_ms ? call->ended_ms : 5000;
    int64_t lasted_ms = call->lasted_ms ? call->lasted_ms : 120000;
    struct wall stop = wall_after_ms(company_now(c).wall, -ended_ms);
    struct wall start = wall_after_ms(stop, -lasted_ms);
    bool received = direction == VAP_RECEIVED;
    struct vap_vcr vcr = {
        .vservice_id = a->vservice_id,
        .direction = direction,
        .called = e164(call->called),
        .start_ntp = wall_to_ntp(wall_after_ms(start, received ? call->start_off_ms : 0)),
        .stop_ntp = wall_to_ntp(wall_after_ms(stop, received ? call->stop_off_ms : 0)),
    };
    if (call->calling && !(received && call->caller_lost))
        vcr.calling = e164(call->calling);
    assert_true(a->upload_count < SCENE_UPLOADS_MAX);
    size_t index = a->upload_count++;
    assert_int_equal(vap_client_upload(a->client, company_now(c), &vcr, index), 0);
    agent_drain(c);
    return index;
}

void scene_call(struct scene *scene, const struct call *call)
{
    struct answer *answers[2] = {NULL, NULL};
    if (call->to) {
        struct company *to = scene_company(scene, call->to);
        answers[0] = &to->agent.uploads[agent_upload(to, call, VAP_RECEIVED)];
    }
    struct company *from = scene_company(scene, call->from);
    answers[1] = &from->agent.uploads[agent_upload(from, call, VAP_SENT)];
    for (unsigned i = 0; i < 2; i++) {
        if (!answers[i])
            continue;
        run_until_answered(scene, answers[i], 5000);
        if (answers[i]->err)
            fail_msg("the record is not taken: %u %s", answers[i]->code, answers[i]->reason);
    }
}

/* ---- asking ---- */

static void nothing(void *arg)
{
    (void)arg;
}

/* The answer as a whole. */
static json_t *ask(struct company *c, const char *command, const char *arguments)
{
    struct ctl_session *session = ctl_session_new(&c->ctl, nothing, NULL);
    struct buf line;
    json_error_t error;
    assert_non_null(session);
    buf_init(&line, 65536);
    buf_str(&line, "{\"id\":7,\"command\":[");
    for (struct slice rest = slice_str(command); rest.n;) {
        const uint8_t *space = memchr(rest.p, ' ', rest.n);
        size_t n = space ? (size_t)(space - rest.p) : rest.n;
        buf_printf(&line, "\"%.*s\"%s", (int)n, (const char *)rest.p, space ? "," : "");
        rest = slice_of(rest.p + n + (space ? 1 : 0), rest.n - n - (space ? 1 : 0));
    }
    buf_printf(&line, "],\"args\":%s}\n", arguments ? arguments : "{}");
    server_set_now(c->server, company_now(c));
    assert_int_equal(ctl_session_input(session, buf_slice(&line)), 0);
    company_drain(c);
    for (unsigned i = 0; i < 6000 && !ctl_session_output(session).n; i++)
        scene_run(c->scene, 10);
    struct slice out = ctl_session_output(session);
    assert_true(out.n > 1);
    assert_int_equal(out.p[out.n - 1], '\n');
    json_t *answer = json_loadb((const char *)out.p, out.n, JSON_REJECT_DUPLICATES, &error);
    if (!answer)
        fail_msg("%s: %s in %.*s", command, error.text, SLICE_PRINT(out));
    assert_int_equal(json_integer_value(json_object_get(answer, "id")), 7);
    ctl_session_sent(session, out.n);
    ctl_session_free(session);
    buf_fini(&line);
    return answer;
}

static json_t *part(json_t *answer, bool ok, const char *command)
{
    if (json_is_true(json_object_get(answer, "ok")) != ok)
        fail_msg("%s: %s", command, json_dumps(answer, JSON_COMPACT));
    json_t *found = json_object_get(answer, ok ? "result" : "error");
    assert_true(json_is_object(found));
    json_incref(found);
    json_decref(answer);
    return found;
}

json_t *company_ask(struct company *c, const char *command, const char *arguments)
{
    return part(ask(c, command, arguments), true, command);
}

json_t *company_ask_refused(struct company *c, const char *command, const char *arguments)
{
    json_t *error = part(ask(c, command, arguments), false, command);
    assert_true(json_is_string(json_object_get(error, "code")));
    assert_true(json_is_string(json_object_get(error, "message")));
    return error;
}

void company_shows(struct company *c, const char *number)
{
    static const char *const commands[] = {"show status",      "show ring",     "show numbers",     "show vcrs",
                                           "show pools",       "show routes",   "show validations", "show clients",
                                           "show certificate", "show settings", "show tickets",     "show revocations",
                                           "show counters"};
    char arguments[64];
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        json_decref(company_ask(c, commands[i], NULL));
    json_decref(company_ask(c, "show counters", "{\"all\":true}"));
    snprintf(arguments, sizeof arguments, "{\"number\":\"%s\"}", number);
    static const char *const about[] = {"explain", "show numbers", "show vcrs", "show routes"};
    for (size_t i = 0; i < sizeof about / sizeof about[0]; i++)
        json_decref(company_ask(c, about[i], arguments));
}

bool company_explains(struct company *c, const char *number, const char *text)
{
    char arguments[64];
    bool found = false;
    size_t index;
    json_t *step;
    snprintf(arguments, sizeof arguments, "{\"number\":\"%s\"}", number);
    json_t *answer = company_ask(c, "explain", arguments);
    json_array_foreach(json_object_get(answer, "steps"), index, step)
        found = found || strstr(json_string_value(json_object_get(step, "text")), text);
    if (!found && c->scene->print)
        fprintf(stderr, "no \"%s\" in %s\n", text, json_dumps(answer, JSON_INDENT(1)));
    json_decref(answer);
    return found;
}

uint64_t company_counter(struct company *c, const char *name)
{
    size_t index;
    json_t *row;
    uint64_t value = 0;
    json_t *answer = company_ask(c, "show counters", "{\"all\":true}");
    bool found = false;
    json_array_foreach(json_object_get(answer, "counters"), index, row) {
        if (strcmp(json_string_value(json_object_get(row, "name")), name) != 0)
            continue;
        value = (uint64_t)json_integer_value(json_object_get(row, "value"));
        found = true;
    }
    if (!found)
        fail_msg("there is no counter %s", name);
    json_decref(answer);
    return value;
}

unsigned company_pool(struct company *c, const char *domain, const char *bucket)
{
    size_t index;
    json_t *row;
    unsigned entropy = 0;
    json_t *answer = company_ask(c, "show pools", NULL);
    json_array_foreach(json_object_get(answer, "pools"), index, row) {
        const char *of = json_string_value(json_object_get(row, "domain"));
        if (of && strcmp(of, domain) == 0 && strcmp(json_string_value(json_object_get(row, "bucket")), bucket) == 0)
            entropy = (unsigned)json_integer_value(json_object_get(row, "entropy"));
    }
    json_decref(answer);
    return entropy;
}

size_t company_routes(struct company *c, const char *number)
{
    char arguments[64];
    snprintf(arguments, sizeof arguments, "{\"number\":\"%s\"}", number);
    json_t *answer = company_ask(c, "show routes", arguments);
    size_t n = json_array_size(json_object_get(answer, "routes"));
    json_decref(answer);
    return n;
}

const char *company_vcr(struct company *c, const char *number, enum pvp_direction direction)
{
    static char state[32];
    char arguments[64];
    size_t index;
    json_t *row;
    snprintf(state, sizeof state, "none");
    snprintf(arguments, sizeof arguments, "{\"number\":\"%s\"}", number);
    json_t *answer = company_ask(c, "show vcrs", arguments);
    json_array_foreach(json_object_get(answer, "vcrs"), index, row) {
        const char *of = json_string_value(json_object_get(row, "direction"));
        const char *called = json_string_value(json_object_get(row, "called"));
        if (strcmp(state, "none") == 0 && (strcmp(of, "originating") == 0) == (direction == PVP_ORIGINATING) &&
            strcmp(called, number) == 0)
            snprintf(state, sizeof state, "%s", json_string_value(json_object_get(row, "state")));
    }
    json_decref(answer);
    return state;
}
