/* An IME service of the call agent against real VAP server cores, in virtual time and over connections that break: publication, call
 * records, learned routes, and a restart with the same store. */
#include "agent/service.h"
#include "store/memory.h"
#include "testing.h"
#include "vap/server.h"

#include <stdio.h>
#include <stdlib.h>

#define VSERVICE UINT64_C(0x7eeb6a7036478351)
#define SERVERS 2
#define CALLS_MAX 4096
#define DAY_MS INT64_C(86400000)

struct side {
    struct vap_server *server;
    bool reachable;
    uint64_t conn; /* 0: none */
    uint64_t next_conn;
    bool storing;              /* else it sits on call records */
    int refuse;                /* numbers and records are refused with it */
    unsigned numbers;          /* publications */
    unsigned calls[CALLS_MAX]; /* how often each has come */
    unsigned notified;
    unsigned notify_failures;
};

static struct scene {
    struct seeded_entropy seed;
    struct entropy entropy;
    struct now now;
    struct memory_store *store;
    struct agent_enrolled *enrolled;
    struct agent_routes *routes;
    struct agent_records *records;
    struct agent_alarms alarms;
    struct agent_service_config config;
    struct agent_service *service;
    struct side sides[SERVERS];
    bool stopped;
    unsigned acknowledged; /* calls that were given and became durable */
    bool given[CALLS_MAX];
} the_scene;

/* ---- the world ---- */

static void new_server(struct scene *s, struct side *side)
{
    struct vap_server_config config;
    vap_server_config_init(&config);
    assert_int_equal(vap_server_new(&config, &s->entropy, NULL, &side->server), 0);
    assert_int_equal(vap_server_set_account(side->server, slice_str("agent"), slice_str("a password")), 0);
    assert_int_equal(vap_server_set_dht(side->server, VAP_PUBLIC_DHT, 1000, 86400), 0);
}

static void start_agent(struct scene *s)
{
    struct agent_routes_config routes;
    struct agent_records_config records;
    const struct agent_route_watch watch = {agent_service_route_removed, &s->alarms};
    const struct kv *kv = memory_store_kv(s->store);
    agent_routes_config_init(&routes);
    agent_records_config_init(&records);
    agent_alarms_init(&s->alarms, NULL);
    assert_int_equal(agent_routes_new(&routes, kv, &s->entropy, &watch, &s->routes), 0);
    assert_int_equal(agent_records_new(&records, kv, s->now, &s->records), 0);
    const struct agent_service_parts parts = {.enrolled = s->enrolled,
                                              .routes = s->routes,
                                              .records = s->records,
                                              .alarms = &s->alarms,
                                              .entropy = &s->entropy};
    assert_int_equal(agent_service_new(&s->config, &parts, s->now, &s->service), 0);
}

static void lose_connection(struct scene *s, unsigned i)
{
    struct side *side = &s->sides[i];
    if (side->conn)
        vap_server_closed(side->server, side->conn);
    side->conn = 0;
}

/* As by kill -9: what is not durable is gone. */
static void kill_agent(struct scene *s)
{
    memory_store_crash(s->store);
    agent_service_free(s->service);
    agent_routes_free(s->routes);
    agent_records_free(s->records);
    for (unsigned i = 0; i < SERVERS; i++)
        lose_connection(s, i);
}

static void add_group(struct agent_enrolled *e, const char *pattern)
{
    struct agent_fallback_profile profile;
    size_t group;
    agent_fallback_profile_init(&profile);
    strcpy(profile.name, "default");
    assert_int_equal(agent_enrolled_add_profile(e, &profile), 0);
    assert_int_equal(agent_enrolled_add_group(e, "all", "default", &group), 0);
    assert_int_equal(agent_enrolled_add_pattern(e, group, slice_str(pattern)), 0);
}

static int setup(void **state)
{
    struct scene *s = &the_scene;
    *s = (struct scene){.seed = {23}, .now = {{5000000}, {1767225600000}}};
    s->entropy = seeded_entropy_port(&s->seed);
    assert_int_equal(memory_store_new(&s->store), 0);
    assert_int_equal(agent_enrolled_new(&s->enrolled), 0);
    add_group(s->enrolled, "+493020XX");
    for (unsigned i = 0; i < SERVERS; i++) {
        s->sides[i].reachable = s->sides[i].storing = true;
        new_server(s, &s->sides[i]);
    }
    s->config = (struct agent_service_config){
        .name = "main",
        .domain = "a.example",
        .vservice_id = VSERVICE,
        .user = "agent",
        .password = "a password",
        .servers = 2,
        .server_names = {"ime1.a.example:5620", "ime2.a.example:5620"},
        .routes = {"sip:agent@a.example:5061;maddr=192.0.2.1;transport=tcp"},
        .route_count = 1,
    };
    start_agent(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    kill_agent(s);
    for (unsigned i = 0; i < SERVERS; i++)
        vap_server_free(s->sides[i].server);
    agent_enrolled_free(s->enrolled);
    memory_store_free(s->store);
    return 0;
}

static unsigned call_of_number(const struct e164 *called)
{
    return (unsigned)strtoul(called->text + 5, NULL, 10);
}

static void server_effect(struct scene *s, unsigned i, const struct vap_server_effect *e)
{
    struct side *side = &s->sides[i];
    switch (e->kind) {
    case VAP_SERVER_SEND:
        if (side->conn == e->conn)
            agent_service_input(s->service, s->now, i, e->octets);
        break;
    case VAP_SERVER_CLOSE:
        if (side->conn == e->conn) {
            side->conn = 0;
            agent_service_closed(s->service, s->now, i, AGENT_SERVICE_CLOSED, e->reason);
        }
        break;
    case VAP_SERVER_PUBLISH_NUMBER:
        side->numbers += !side->refuse;
        vap_server_complete(side->server, e->request, side->refuse, "refused here");
        break;
    case VAP_SERVER_UPLOAD_VCR:
        if (!side->storing)
            break;
        if (!side->refuse)
            side->calls[call_of_number(&e->vcr.called)]++;
        vap_server_complete(side->server, e->request, side->refuse, "refused here");
        break;
    case VAP_SERVER_NOTIFY_DONE:
        *(e->err ? &side->notify_failures : &side->notified) += 1;
        break;
    default:
        break;
    }
}

static void service_effect(struct scene *s, const struct agent_service_effect *e)
{
    struct side *side = &s->sides[e->server];
    switch (e->kind) {
    case AGENT_SERVICE_CONNECT:
        side->conn = side->reachable ? ++side->next_conn : 0;
        if (side->conn && vap_server_open(side->server, s->now, side->conn, true, "pipe") == 0)
            agent_service_connected(s->service, s->now, e->server);
        else
            agent_service_closed(s->service, s->now, e->server, AGENT_SERVICE_TCP_FAILED, "connection refused");
        break;
    case AGENT_SERVICE_SEND:
        if (side->conn)
            vap_server_input(side->server, s->now, side->conn, e->octets);
        break;
    case AGENT_SERVICE_DISCONNECT:
        lose_connection(s, e->server);
        break;
    case AGENT_SERVICE_STOPPED:
        s->stopped = true;
        break;
    }
}

/* Lets everything happen that happens now. */
static void settle(struct scene *s)
{
    for (bool quiet = false; !quiet;) {
        struct agent_service_effect e;
        struct vap_server_effect se;
        quiet = true;
        while (agent_service_next(s->service, s->now, &e)) {
            service_effect(s, &e);
            quiet = false;
        }
        for (unsigned i = 0; i < SERVERS; i++) {
            while (vap_server_next(s->sides[i].server, &se)) {
                server_effect(s, i, &se);
                quiet = false;
            }
        }
        if (memory_store_waits(s->store)) {
            memory_store_turn(s->store);
            quiet = false;
        }
    }
}

static void pass_ms(struct scene *s, int64_t ms)
{
    struct mono end = mono_after_ms(s->now.mono, ms);
    settle(s);
    for (unsigned steps = 0; steps < 1000000; steps++) {
        struct mono due = mono_min(agent_service_deadline(s->service), end);
        for (unsigned i = 0; i < SERVERS; i++)
            due = mono_min(due, vap_server_deadline(s->sides[i].server));
        if (due.us > s->now.mono.us) {
            s->now.wall.ms += (due.us - s->now.mono.us) / 1000;
            s->now.mono = due;
        }
        agent_service_tick(s->service, s->now);
        for (unsigned i = 0; i < SERVERS; i++)
            vap_server_tick(s->sides[i].server, s->now);
        settle(s);
        if (s->now.mono.us >= end.us)
            return;
    }
    fail_msg("a deadline does not move on");
}

static void break_connection(struct scene *s, unsigned i)
{
    if (!s->sides[i].conn)
        return;
    lose_connection(s, i);
    agent_service_closed(s->service, s->now, i, AGENT_SERVICE_CLOSED, "reset by peer");
}

static unsigned rang(const struct scene *s, enum agent_alarm alarm)
{
    return (unsigned)s->alarms.counts[alarm];
}

/* Whether its cause goes on. */
static bool rings(const struct scene *s, enum agent_alarm alarm)
{
    const struct agent_alarm_entry *e;
    for (size_t i = 0; (e = agent_alarm_at(&s->alarms, i)); i++)
        if (e->alarm == alarm && agent_alarm_rings(e))
            return true;
    return false;
}

/* ---- calls ---- */

struct giving {
    struct scene *scene;
    unsigned call;
};

static void call_kept(void *arg, int err)
{
    struct giving *g = arg;
    if (!err) {
        g->scene->given[g->call] = true;
        g->scene->acknowledged++;
    }
    free(g);
}

static void give_call(struct scene *s, unsigned call, enum vap_direction direction)
{
    struct giving *g = malloc(sizeof *g);
    struct vap_vcr vcr = {
        .vservice_id = VSERVICE,
        .direction = direction,
        .start_ntp = wall_to_ntp((struct wall){s->now.wall.ms - 60000}),
        .stop_ntp = wall_to_ntp(s->now.wall),
    };
    assert_non_null(g);
    *g = (struct giving){s, call};
    snprintf(vcr.called.text, sizeof vcr.called.text, "+4989%u", call);
    assert_int_equal(agent_records_add(s->records, &vcr, call_kept, g), 0);
}

static size_t kept(const struct scene *s)
{
    struct agent_records_view view;
    agent_records_view(s->records, &view);
    return view.kept;
}

/* ---- tests ---- */

static void test_comes_up_and_publishes(void **state)
{
    struct scene *s = *state;
    struct vap_vservice_view vservice;
    struct agent_service_view view;
    agent_service_view(s->service, &view);
    assert_int_equal(view.status, AGENT_SERVICE_UNKNOWN);
    pass_ms(s, 1000);
    agent_service_view(s->service, &view);
    assert_int_equal(view.status, AGENT_SERVICE_HEALTHY);
    assert_true(view.server[0].online && view.server[1].online);
    assert_int_equal(view.quota_limit, 1000);
    assert_true(vap_server_vservice(s->sides[0].server, VSERVICE, &vservice));
    assert_string_equal(vservice.description->domain, "a.example");
    assert_string_equal(vservice.routes[0], s->config.routes[0]);
    assert_int_equal(vservice.description->did_count, 100);
    assert_int_equal(s->sides[0].numbers, 100);
    assert_int_equal(s->sides[1].numbers, 100);
    assert_int_equal(rang(s, AGENT_ALARM_PUBLICATION_COMPLETED), 1);
    const struct agent_publish_report *report = agent_publish_report(view.publish);
    assert_int_equal(report->count, 100);
    assert_int_equal(report->failed, 0);
}

static void test_numbers_are_refreshed_and_failures_named(void **state)
{
    struct scene *s = *state;
    struct agent_service_view view;
    struct agent_publish_view publish;
    pass_ms(s, 10 * DAY_MS);
    agent_service_view(s->service, &view);
    assert_in_range(s->sides[0].numbers, 100 * 13, 100 * 20);
    unsigned runs = rang(s, AGENT_ALARM_PUBLICATION_COMPLETED);
    assert_in_range(runs, 10, 25);
    s->sides[0].refuse = s->sides[1].refuse = ERR_IO;
    pass_ms(s, 2 * DAY_MS);
    const struct agent_publish_report *report = agent_publish_report(view.publish);
    assert_int_equal(report->failed, 100);
    assert_int_equal(report->named, 100);
    assert_true(report->reason[0] != 0);
    assert_true(rang(s, AGENT_ALARM_PUBLISH_FAILED) > 0);
    assert_true(rings(s, AGENT_ALARM_PUBLISH_FAILED));
    s->sides[0].refuse = s->sides[1].refuse = 0;
    pass_ms(s, 2 * DAY_MS);
    assert_false(rings(s, AGENT_ALARM_PUBLISH_FAILED));
    agent_publish_view(view.publish, &publish);
    assert_int_equal(publish.published, 100);
    assert_int_equal(publish.failing, 0);
}

static void test_enrolled_numbers_change(void **state)
{
    struct scene *s = *state;
    struct agent_enrolled *other, *before = s->enrolled;
    struct agent_service_view view;
    struct agent_publish_view publish;
    struct vap_vservice_view vservice;
    pass_ms(s, 1000);
    assert_int_equal(agent_enrolled_new(&other), 0);
    add_group(other, "+4930201X");
    assert_int_equal(agent_enrolled_add_pattern(other, 0, slice_str("+49307777X")), 0);
    assert_int_equal(agent_trust_add_domain(other, slice_str("bad.example"), false), 0);
    assert_int_equal(agent_service_set_enrolled(s->service, s->now, other), 0);
    s->enrolled = other;
    agent_enrolled_free(before);
    pass_ms(s, 1000);
    assert_int_equal(s->sides[0].numbers, 100 + 10);
    agent_service_view(s->service, &view);
    agent_publish_view(view.publish, &publish);
    assert_int_equal(publish.count, 20);
    assert_int_equal(publish.published, 20);
    assert_int_equal(agent_publish_report(view.publish)->count, 20);
    assert_true(vap_server_vservice(s->sides[0].server, VSERVICE, &vservice));
    assert_int_equal(vservice.description->list_kind, VAP_LIST_BLACK);
    assert_string_equal(vservice.description->list_domains[0], "bad.example");
    /* Those that are not enrolled any more are not refreshed. */
    s->sides[0].numbers = 0;
    pass_ms(s, 10 * DAY_MS);
    assert_in_range(s->sides[0].numbers, 20 * 13, 20 * 20);
}

static void test_records_reach_the_server(void **state)
{
    struct scene *s = *state;
    pass_ms(s, 1000);
    for (unsigned i = 0; i < 1000; i++)
        give_call(s, i, i % 2 ? VAP_SENT : VAP_RECEIVED);
    settle(s);
    pass_ms(s, 60000);
    assert_int_equal(s->acknowledged, 1000);
    assert_int_equal(kept(s), 0);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_VCR), 0);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(s->sides[0].calls[i], 1);
        assert_int_equal(s->sides[1].calls[i], i % 2 ? 0 : 1); /* received calls to both */
    }
}

static void test_backup_takes_over(void **state)
{
    struct scene *s = *state;
    struct agent_service_view view;
    pass_ms(s, 1000);
    s->sides[0].reachable = false;
    break_connection(s, 0);
    pass_ms(s, 5000);
    assert_int_equal(rang(s, AGENT_ALARM_TCP_SETUP_FAILED) > 0, 1);
    agent_service_view(s->service, &view);
    assert_false(view.server[0].online);
    assert_string_equal(view.server[0].reason, "connection refused");
    assert_int_equal(view.status, AGENT_SERVICE_HEALTHY);
    give_call(s, 1, VAP_SENT);
    pass_ms(s, 1000);
    assert_int_equal(s->sides[1].calls[1], 1);
    s->sides[1].reachable = false;
    break_connection(s, 1);
    pass_ms(s, 1000);
    agent_service_view(s->service, &view);
    assert_int_equal(view.status, AGENT_SERVICE_UNHEALTHY);
    give_call(s, 2, VAP_SENT);
    pass_ms(s, 3600000);
    assert_int_equal(kept(s), 1);
    s->sides[0].reachable = true;
    pass_ms(s, 200000);
    assert_int_equal(s->sides[0].calls[2], 1);
    assert_int_equal(kept(s), 0);
}

static void test_refused_records_are_told_of(void **state)
{
    struct scene *s = *state;
    pass_ms(s, 1000);
    s->sides[0].refuse = ERR_RANGE;
    give_call(s, 1, VAP_SENT);
    pass_ms(s, 1000);
    assert_int_equal(kept(s), 0);
    assert_int_equal(agent_records_counters(s->records)->refused, 1);
    assert_int_equal(rang(s, AGENT_ALARM_RECORD_LOST), 1);
    s->sides[0].refuse = ERR_NO_SPACE; /* this passes */
    give_call(s, 2, VAP_SENT);
    pass_ms(s, 3600000);
    assert_int_equal(kept(s), 1);
    s->sides[0].refuse = 0;
    pass_ms(s, 200000);
    assert_int_equal(kept(s), 0);
    assert_int_equal(s->sides[0].calls[2], 1);
}

/* ---- routes ---- */

static void valinfo_of(struct scene *s, const char *number, const char *domain, const char *granted_to,
                       struct buf *ret_xml)
{
    static const uint8_t key[TICKET_KEY_OCTETS] = {1, 2, 3};
    struct ticket_grant grant = {
        .granting_node = {{9}},
        .granting_domain = slice_str(domain),
        .granted_to = slice_str(granted_to),
        .not_before = s->now.wall,
        .not_after = wall_after_ms(s->now.wall, 365 * DAY_MS),
    };
    struct valinfo v = {.route_count = 1};
    struct ticket ticket;
    struct buf text;
    char uri[128];
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    assert_true(e164_parse(slice_str(number), &grant.number));
    assert_int_equal(ticket_make(&grant, 1, key, &s->entropy, &ticket), 0);
    assert_int_equal(ticket_format(&ticket, &text), 0);
    snprintf(uri, sizeof uri, "sip:agent@%s:5061;maddr=192.0.2.7;transport=tcp", domain);
    v.number = grant.number;
    v.ticket = buf_slice(&text);
    v.routes[0] = slice_str(uri);
    buf_clear(ret_xml);
    assert_int_equal(valinfo_format(&v, ret_xml), 0);
    buf_fini(&text);
}

static bool has_route(struct scene *s, const char *text)
{
    struct agent_route_list list;
    struct e164 number = {""};
    assert_true(e164_parse(slice_str(text), &number));
    return agent_routes_find(s->routes, s->now, &number, &list);
}

static void test_learns_routes(void **state)
{
    struct scene *s = *state;
    struct side *side = &s->sides[0];
    struct buf xml;
    buf_init(&xml, VALINFO_OCTETS_MAX);
    pass_ms(s, 1000);
    valinfo_of(s, "+498912345", "b.example", "a.example", &xml);
    assert_int_equal(vap_server_notify(side->server, s->now, VSERVICE, buf_slice(&xml), 1), 1);
    settle(s);
    assert_int_equal(side->notified, 1);
    assert_true(has_route(s, "+498912345"));
    /* Not for us, and none that the disk would take. */
    valinfo_of(s, "+498912346", "b.example", "other.example", &xml);
    vap_server_notify(side->server, s->now, VSERVICE, buf_slice(&xml), 2);
    settle(s);
    assert_int_equal(side->notify_failures, 1);
    assert_int_equal(rang(s, AGENT_ALARM_REJECTED_ROUTES), 1);
    valinfo_of(s, "+498912347", "b.example", "a.example", &xml);
    memory_store_fail(s->store, 1, ERR_NO_SPACE);
    vap_server_notify(side->server, s->now, VSERVICE, buf_slice(&xml), 3);
    settle(s);
    assert_int_equal(side->notify_failures, 2);
    assert_int_equal(rang(s, AGENT_ALARM_ROUTE_NOT_STORED), 1);
    assert_false(has_route(s, "+498912346") || has_route(s, "+498912347"));
    /* Again, and the agent is killed before it is durable. */
    assert_int_equal(vap_server_notify(side->server, s->now, VSERVICE, buf_slice(&xml), 4), 1);
    struct vap_server_effect e;
    while (vap_server_next(side->server, &e))
        server_effect(s, 0, &e);
    struct agent_service_effect effect;
    while (agent_service_next(s->service, s->now, &effect))
        service_effect(s, &effect);
    kill_agent(s);
    start_agent(s);
    settle(s);
    assert_true(has_route(s, "+498912345"));
    assert_false(has_route(s, "+498912347"));
    assert_int_equal(side->notified, 1);
    pass_ms(s, 10000);
    assert_int_equal(vap_server_notify(side->server, s->now, VSERVICE, buf_slice(&xml), 5), 1);
    settle(s);
    assert_true(has_route(s, "+498912347"));
    /* The number moves away. */
    struct agent_route_list list;
    struct e164 number = {"+498912345"};
    assert_true(agent_routes_find(s->routes, s->now, &number, &list));
    agent_routes_failed(s->routes, s->now, &list.routes[0], AGENT_CAUSE_NO_MATCHING_ROUTE);
    settle(s);
    assert_int_equal(rang(s, AGENT_ALARM_ROUTE_REMOVED), 1);
    assert_false(has_route(s, "+498912345"));
    buf_fini(&xml);
}

static void test_stops(void **state)
{
    struct scene *s = *state;
    s->sides[0].storing = false;
    pass_ms(s, 1000);
    give_call(s, 1, VAP_SENT);
    pass_ms(s, 1000);
    agent_service_stop(s->service, s->now);
    pass_ms(s, 1000);
    assert_true(s->stopped);
    assert_int_equal(kept(s), 1);
    assert_int_equal(vap_server_client_count(s->sides[0].server), 0);
    kill_agent(s);
    s->sides[0].storing = true;
    start_agent(s);
    pass_ms(s, 1000);
    assert_int_equal(s->sides[0].calls[1], 1);
}

static void test_wrong_password(void **state)
{
    struct scene *s = *state;
    struct agent_service_view view;
    kill_agent(s);
    s->config.password = "another";
    start_agent(s);
    pass_ms(s, 3600000);
    agent_service_view(s->service, &view);
    assert_true(view.server[0].given_up);
    assert_int_equal(view.status, AGENT_SERVICE_UNHEALTHY);
    assert_int_equal(rang(s, AGENT_ALARM_INVALID_CREDENTIALS), 2);
}

/* A storm: connections break, servers sit, the agent is killed, the disk fails. Every call that was acknowledged reaches a server. */
static void test_storm(void **state)
{
    struct scene *s = *state;
    for (unsigned i = 0; i < 2000; i++) {
        struct side *side = &s->sides[entropy_below(&s->entropy, SERVERS)];
        give_call(s, i, entropy_below(&s->entropy, 2) ? VAP_SENT : VAP_RECEIVED);
        switch (entropy_below(&s->entropy, 40)) {
        case 0:
            side->reachable = !side->reachable;
            break;
        case 1:
        case 2:
            break_connection(s, (unsigned)(side - s->sides));
            break;
        case 3:
            side->storing = !side->storing;
            break;
        case 4:
            memory_store_fail(s->store, 1, ERR_IO);
            break;
        case 5: {
            struct agent_service_effect e;
            for (unsigned n = (unsigned)entropy_below(&s->entropy, 20); n && agent_service_next(s->service, s->now, &e);
                 n--)
                service_effect(s, &e);
            kill_agent(s);
            start_agent(s);
            break;
        }
        default:
            break;
        }
        pass_ms(s, (int64_t)entropy_below(&s->entropy, 3000));
    }
    for (unsigned i = 0; i < SERVERS; i++)
        s->sides[i].reachable = s->sides[i].storing = true;
    pass_ms(s, 600000);
    assert_int_equal(kept(s), 0);
    assert_true(s->acknowledged > 1500);
    for (unsigned i = 0; i < 2000; i++)
        if (s->given[i] && !s->sides[0].calls[i] && !s->sides[1].calls[i])
            fail_msg("call %u was lost", i);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_comes_up_and_publishes),  TEST(test_numbers_are_refreshed_and_failures_named),
        TEST(test_enrolled_numbers_change), TEST(test_records_reach_the_server),
        TEST(test_backup_takes_over),       TEST(test_refused_records_are_told_of),
        TEST(test_learns_routes),           TEST(test_stops),
        TEST(test_wrong_password),          TEST(test_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
