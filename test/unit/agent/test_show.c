/* imectl's commands about routes, numbers and services, through a control session of a whole agent. */
#include "agent/agent.h"
#include "base/mem.h"
#include "ctl/request.h"
#include "store/memory.h"
#include "testing.h"

#include <jansson.h>
#include <stdio.h>

#define DAY_MS INT64_C(86400000)

static struct scene {
    struct seeded_entropy seed;
    struct entropy entropy;
    struct now now;
    struct memory_store *store;
    struct agent_options options;
    struct agent_enrolled *enrolled;
    struct agent_routes *routes;
    struct agent_records *records;
    struct agent_alarms alarms;
    struct agent_provision *provision;
    struct agent_service *service;
    struct agent *agent;
    struct ctl_server server;
    struct ctl_session *session;
    json_t *answer;      /* the last one, whole */
    const char *message; /* of it: what was done, or why not */
    const char *file;    /* what imectl reads from a file */
} the_scene;

static void ready(void *arg)
{
    (void)arg;
}

static void add_trunk(struct scene *s, const char *name, enum agent_side side, const char *country)
{
    static char host[] = "192.0.2.9";
    char copy[32];
    struct agent_trunk_options trunk = {.name = copy, .side = side, .transport = SIP_UDP, .host = host};
    snprintf(copy, sizeof copy, "%s", name);
    agent_dial_plan_init(&trunk.plan);
    assert_int_equal(agent_dial_plan_set_country(&trunk.plan, slice_str(country)), 0);
    trunk.plan.plus = side == AGENT_PBX;
    assert_int_equal(agent_options_trunk(&s->options, &trunk), 0);
}

static void make_parts(struct scene *s)
{
    const struct kv *kv = memory_store_kv(s->store);
    const struct agent_route_watch watch = {agent_service_route_removed, &s->alarms};
    struct agent_routes_config routes;
    struct agent_records_config records;
    struct agent_fallback_profile profile;
    const struct agent_service_config service = {
        .name = "main",
        .domain = "a.example",
        .vservice_id = 7,
        .user = "agent",
        .password = "a password",
        .servers = 1,
        .server_names = {"ime1.a.example:5620"},
        .routes = {"sip:agent@a.example:5061;maddr=192.0.2.1;transport=tcp"},
        .route_count = 1,
    };
    size_t group;
    agent_routes_config_init(&routes);
    agent_records_config_init(&records);
    agent_fallback_profile_init(&profile);
    agent_alarms_init(&s->alarms, NULL);
    strcpy(profile.name, "default");
    assert_int_equal(agent_enrolled_new(&s->enrolled), 0);
    assert_int_equal(agent_enrolled_add_profile(s->enrolled, &profile), 0);
    assert_int_equal(agent_enrolled_add_group(s->enrolled, "berlin", "default", &group), 0);
    assert_int_equal(agent_enrolled_add_pattern(s->enrolled, group, slice_str("+493020XX")), 0);
    assert_int_equal(agent_trust_add_domain(s->enrolled, slice_str("bad.example"), false), 0);
    assert_int_equal(agent_routes_new(&routes, kv, &s->entropy, &watch, &s->routes), 0);
    assert_int_equal(agent_records_new(&records, kv, s->now, &s->records), 0);
    assert_int_equal(agent_provision_new(kv, s->enrolled, NULL, &s->provision), 0);
    const struct agent_service_parts parts = {
        agent_provision_enrolled(s->provision), s->routes, s->records, &s->alarms, &s->entropy, NULL};
    assert_int_equal(agent_service_new(&service, &parts, s->now, &s->service), 0);
}

static int setup(void **state)
{
    struct scene *s = &the_scene;
    const char *words = "";
    *s = (struct scene){.seed = {5}, .now = {{1000000}, {1767225600000}}};
    s->entropy = seeded_entropy_port(&s->seed);
    assert_int_equal(memory_store_new(&s->store), 0);
    make_parts(s);
    agent_options_default(&s->options);
    agent_short_numbers_default(&s->options.shorts);
    s->options.domain = mem_strdup("a.example");
    add_trunk(s, "pbx", AGENT_PBX, "49");
    add_trunk(s, "carrier", AGENT_PSTN, "49");
    const struct agent_ports ports = {.entropy = &s->entropy, .kv = memory_store_kv(s->store)};
    const struct agent_parts parts = {.enrolled = agent_provision_enrolled(s->provision),
                                      .provision = s->provision,
                                      .routes = s->routes,
                                      .records = s->records,
                                      .alarms = &s->alarms,
                                      .services = &s->service,
                                      .service_count = 1};
    assert_int_equal(agent_new(&s->options, &ports, &parts, s->now, &s->agent), 0);
    if (ctl_server_init(&s->server, CTL_AGENT, agent_handlers, agent_handler_count, s->agent, &words) < 0)
        fail_msg("%s", words);
    s->session = ctl_session_new(&s->server, ready, NULL);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    json_decref(s->answer);
    ctl_session_free(s->session);
    agent_free(s->agent);
    agent_service_free(s->service);
    agent_provision_free(s->provision);
    agent_routes_free(s->routes);
    agent_records_free(s->records);
    agent_enrolled_free(s->enrolled);
    agent_options_fini(&s->options);
    memory_store_free(s->store);
    return 0;
}

static void ticket_of(struct scene *s, const char *number, const char *domain, struct buf *ret_text)
{
    static const uint8_t key[TICKET_KEY_OCTETS] = {1, 2, 3};
    struct ticket_grant grant = {
        .granting_node = {{9}},
        .granting_domain = slice_str(domain),
        .granted_to = slice_str("a.example"),
        .not_before = s->now.wall,
        .not_after = wall_after_ms(s->now.wall, 365 * DAY_MS),
    };
    struct ticket ticket;
    assert_true(e164_parse(slice_str(number), &grant.number));
    assert_int_equal(ticket_make(&grant, 1, key, &s->entropy, &ticket), 0);
    assert_int_equal(ticket_format(&ticket, ret_text), 0);
}

static void learn(struct scene *s, const char *number, const char *domain)
{
    const struct agent_route_terms terms = {.trust = NULL};
    struct valinfo v = {.route_count = 1};
    struct buf text, xml;
    char uri[128];
    const char *reason;
    struct e164 learned;
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    buf_init(&xml, VALINFO_OCTETS_MAX);
    ticket_of(s, number, domain, &text);
    snprintf(uri, sizeof uri, "sip:agent@%s:5061;maddr=192.0.2.7;transport=tcp", domain);
    assert_true(e164_parse(slice_str(number), &v.number));
    v.ticket = buf_slice(&text);
    v.routes[0] = slice_str(uri);
    assert_int_equal(valinfo_format(&v, &xml), 0);
    assert_int_equal(agent_routes_learn(s->routes, s->now, buf_slice(&xml), &terms, NULL, NULL, &reason, &learned), 0);
    memory_store_turn(s->store);
    buf_fini(&text);
    buf_fini(&xml);
}

/* Asks as imectl does; the words of a command line. The result, or NULL when it was refused. */
static json_t *ask(struct scene *s, const char *line)
{
    char storage[256];
    const char *words[CTL_WORDS_MAX];
    struct ctl_args args;
    struct buf why, out;
    const char *file;
    size_t n;
    buf_init(&why, 1000);
    buf_init(&out, 10000);
    assert_int_equal(ctl_split_line(line, storage, words, CTL_WORDS_MAX, &n), 0);
    if (ctl_args_from_words(&args, words, n, CTL_AGENT, &file, &why) < 0)
        fail_msg("%s: %s", line, buf_text(&why));
    if (file)
        assert_int_equal(ctl_args_add(&args, ctl_command_apart(args.command), slice_str(s->file), &why), 0);
    assert_int_equal(ctl_request_encode(1, &args, &out), 0);
    buf_u8(&out, '\n');
    agent_set_now(s->agent, s->now);
    assert_int_equal(ctl_session_input(s->session, buf_slice(&out)), 0);
    memory_store_turn(s->store);
    struct slice answer = ctl_session_output(s->session);
    json_decref(s->answer);
    s->answer = json_loadb((const char *)answer.p, answer.n, 0, NULL);
    assert_non_null(s->answer);
    ctl_session_sent(s->session, answer.n);
    ctl_args_fini(&args);
    buf_fini(&why);
    buf_fini(&out);
    json_t *result = json_object_get(s->answer, "result");
    json_t *told = result ? result : json_object_get(s->answer, "error");
    s->message = json_string_value(json_object_get(told, "message"));
    return result;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

static const char *text_at(const json_t *result, const char *rows, size_t i, const char *key)
{
    return text_of(json_array_get(json_object_get(result, rows), i), key);
}

static size_t row_count(const json_t *result, const char *rows)
{
    return json_array_size(json_object_get(result, rows));
}

static void test_lists_and_searches(void **state)
{
    struct scene *s = *state;
    json_t *r = ask(s, "agent route list");
    assert_int_equal(row_count(r, "routes"), 0);
    learn(s, "+4989111", "b.example");
    learn(s, "+4989112", "c.example");
    learn(s, "+4930222", "b.example");
    r = ask(s, "agent route list --limit 2");
    assert_int_equal(row_count(r, "routes"), 2);
    assert_string_equal(text_at(r, "routes", 0, "number"), "+4930222");
    assert_string_equal(text_at(r, "routes", 0, "state"), "good");
    assert_string_equal(text_of(r, "go_on_with_after"), "+4989111");
    r = ask(s, "agent route list --after +4989111");
    assert_int_equal(row_count(r, "routes"), 1);
    assert_string_equal(text_of(r, "go_on_with_after"), "-");
    assert_int_equal(row_count(ask(s, "agent route search 4989"), "routes"), 2);
    assert_int_equal(row_count(ask(s, "agent route search +49"), "routes"), 3);
    assert_int_equal(row_count(ask(s, "agent route search b.example"), "routes"), 2);
    assert_int_equal(row_count(ask(s, "agent route search z.example"), "routes"), 0);
    assert_null(ask(s, "agent route search +1234567890123456"));
}

static void test_shows_and_changes(void **state)
{
    struct scene *s = *state;
    assert_null(ask(s, "agent route show +4989111"));
    assert_string_equal(s->message, "no route to this number was learned");
    learn(s, "+4989111", "b.example");
    s->now.wall.ms += 1000;
    learn(s, "+4989111", "c.example");
    json_t *r = ask(s, "agent route show +4989111");
    assert_non_null(strstr(text_of(r, "tried_first"), "c.example"));
    assert_string_equal(text_at(r, "routes", 1, "domain"), "b.example");
    assert_non_null(ask(s, "agent route disable +4989111 --domain c.example"));
    assert_string_equal(s->message, "routes to +4989111: disable done, durably");
    r = ask(s, "agent route show +4989111");
    assert_non_null(strstr(text_of(r, "tried_first"), "b.example"));
    assert_string_equal(text_at(r, "routes", 0, "state"), "disabled");
    assert_non_null(ask(s, "agent route enable +4989111"));
    memory_store_fail(s->store, 1, ERR_NO_SPACE);
    assert_null(ask(s, "agent route delete +4989111"));
    assert_string_equal(s->message, "it could not be written, and nothing has changed");
    assert_non_null(ask(s, "agent route delete +4989111"));
    assert_null(ask(s, "agent route delete +4989111"));
    assert_int_equal(agent_routes_count(s->routes), 0);
    r = ask(s, "show alarms");
    assert_string_equal(text_at(r, "alarms", 0, "alarm"), "RouteRemoved");
    assert_int_equal(row_count(r, "alarms"), 1);
}

static void test_exports(void **state)
{
    struct scene *s = *state;
    learn(s, "+4989111", "b.example");
    learn(s, "+4989112", "b.example");
    json_t *r = ask(s, "agent route export --limit 1");
    const char *csv = text_of(r, "csv");
    assert_ptr_equal(strstr(csv, "number,domain,node_id,learned_at,expires_at,enabled,uri,ticket\n+4989111,b.example,"),
                     csv);
    assert_string_equal(text_of(r, "after"), "+4989111");
    struct agent_route_list list;
    struct e164 number = {"+4989111"};
    assert_true(agent_routes_find(s->routes, s->now, &number, &list));
    assert_non_null(strstr(csv, list.routes[0].ticket));
    r = ask(s, "agent route export --after +4989111");
    assert_ptr_equal(strstr(text_of(r, "csv"), "+4989112,"), text_of(r, "csv"));
    assert_string_equal(text_of(r, "after"), "-");
}

static void test_numbers_are_tried_without_a_call(void **state)
{
    struct scene *s = *state;
    json_t *r = ask(s, "agent number test 089111");
    assert_string_equal(text_of(r, "result"), "+4989111");
    assert_string_equal(text_of(r, "trunk"), "pbx");
    assert_string_equal(text_of(r, "way"), "PSTN: no route was learned that can be used");
    assert_string_equal(text_at(r, "steps", 0, "step"), "dialed");
    assert_string_equal(text_at(r, "steps", 2, "number"), "+4989111");
    learn(s, "+4989111", "b.example");
    assert_non_null(strstr(text_of(ask(s, "agent number test 089111"), "way"), "direct, to b.example"));
    learn(s, "+4989112", "bad.example");
    assert_string_equal(text_of(ask(s, "agent number test 089112"), "way"),
                        "PSTN: the trust groups block the number or bad.example");
    r = ask(s, "agent number test 112");
    assert_string_equal(text_of(r, "result"), "112");
    assert_string_equal(text_of(r, "way"), "PSTN, as it is: an emergency or short number");
    r = ask(s, "agent number test 03020 --trunk carrier");
    assert_string_equal(text_of(r, "result"), "+493020");
    r = ask(s, "agent number test 0302011");
    assert_string_equal(text_of(r, "enrolled"), "by us: pattern +493020XX of group berlin, fallback profile default");
    r = ask(s, "agent number test +4930200 --trunk carrier --direction out");
    assert_string_equal(text_of(r, "result"), "030200");
    assert_null(ask(s, "agent number test 030 --direction out"));
    assert_null(ask(s, "agent number test 030 --direction up"));
    assert_null(ask(s, "agent number test 030 --trunk none"));
}

static void test_no_call_to_move(void **state)
{
    struct scene *s = *state;
    assert_null(ask(s, "agent fallback +4930201"));
    assert_string_equal(s->message, "no call from or to this number, nor with this Call-ID, is in progress");
    assert_null(ask(s, "agent return abc@192.0.2.1"));
    assert_string_equal(text_of(json_object_get(s->answer, "error"), "code"), "not_found");
}

static void test_enrolled_and_trust(void **state)
{
    struct scene *s = *state;
    json_t *r = ask(s, "agent enrolled list");
    assert_string_equal(text_at(r, "patterns", 0, "pattern"), "+493020XX");
    assert_string_equal(text_at(r, "patterns", 0, "group"), "berlin");
    assert_string_equal(text_at(r, "patterns", 0, "source"), "agent.conf");
    assert_int_equal(row_count(r, "patterns"), 1);
    assert_true(json_is_false(json_object_get(ask(s, "agent trust test bad.example"), "trusted")));
    assert_true(json_is_true(json_object_get(ask(s, "agent trust test good.example +4930"), "trusted")));
}

static int64_t number_of(const json_t *result, const char *key)
{
    return json_integer_value(json_object_get(result, key));
}

/* Whether this number of ours is one that is published. */
static bool is_published(const struct scene *s)
{
    struct agent_service_view service;
    struct agent_publish_view view;
    agent_service_view(s->service, &service);
    agent_publish_view(service.publish, &view);
    return view.count > 100;
}

static void test_provisions(void **state)
{
    struct scene *s = *state;
    json_t *r = ask(s, "agent enrolled add +494011X +4930 4930 +493020XX --group hamburg");
    assert_int_equal(number_of(r, "added"), 2);
    assert_int_equal(number_of(r, "failed"), 2);
    assert_string_equal(text_at(r, "failures", 0, "entry"), "4930");
    assert_string_equal(text_at(r, "failures", 1, "why"), "it is enrolled already, in the group berlin of agent.conf");
    assert_true(is_published(s));
    r = ask(s, "agent enrolled list");
    assert_int_equal(row_count(r, "patterns"), 3);
    assert_string_equal(text_at(r, "patterns", 1, "group"), "hamburg");
    assert_string_equal(text_at(r, "patterns", 1, "source"), "imectl");
    r = ask(s, "agent enrolled add +4930 --group hamburg");
    assert_int_equal(number_of(r, "unchanged"), 1);
    r = ask(s, "agent number test +4940112");
    assert_string_equal(text_of(r, "enrolled"), "by us: pattern +494011X of group hamburg, fallback profile default");
    assert_int_equal(number_of(ask(s, "agent excluded add +4940115"), "added"), 1);
    assert_string_equal(text_at(ask(s, "agent excluded list"), "excluded", 0, "number"), "+4940115");
    assert_int_equal(number_of(ask(s, "agent trust allow b.example"), "added"), 1);
    assert_true(json_is_true(json_object_get(ask(s, "agent trust test b.example"), "trusted")));
    r = ask(s, "agent trust test c.example");
    assert_true(json_is_false(json_object_get(r, "trusted")));
    assert_string_equal(text_of(r, "reason"), "no trust group has c.example, and others are trusted: so it is not");
    r = ask(s, "agent trust test b.example +4930");
    assert_string_equal(text_of(r, "reason"),
                        "b.example is trusted by the entry b.example in the group imectl-trusted-domains of imectl");
    r = ask(s, "agent trust list");
    assert_string_equal(text_of(r, "other_domains"), "blocked, since there are trusted ones");
    assert_string_equal(text_of(r, "other_numbers"), "trusted");
    assert_string_equal(text_at(r, "entries", 1, "group"), "imectl-trusted-domains");
    assert_int_equal(number_of(ask(s, "agent trust block +1900!"), "added"), 1);
    assert_string_equal(text_of(ask(s, "agent trust test b.example +19005550100"), "reason"),
                        "+19005550100 is blocked by the entry +1900! in the group imectl-blocked-prefixes of imectl");
    r = ask(s, "agent trust remove b.example +1900! bad.example");
    assert_int_equal(number_of(r, "removed"), 2);
    assert_non_null(strstr(text_at(r, "failures", 0, "why"), "it stands in agent.conf"));
    assert_null(ask(s, "agent enrolled remove"));
    assert_null(ask(s, "agent enrolled remove +4930 --group hamburg"));
    r = ask(s, "agent enrolled remove --group hamburg");
    assert_int_equal(number_of(r, "removed"), 2);
    assert_false(is_published(s));
    assert_int_equal(number_of(ask(s, "agent enrolled remove --group hamburg"), "failed"), 1);
    r = ask(s, "agent provision list");
    assert_int_equal(row_count(r, "entries"), 1);
    assert_string_equal(text_at(r, "entries", 0, "state"), "it holds");
    assert_non_null(
        strstr(text_of(ask(s, "agent provision export"), "sections"), "[excluded imectl]\nnumber = +4940115\n"));
    memory_store_fail(s->store, 1, ERR_NO_SPACE);
    assert_null(ask(s, "agent excluded remove +4940115"));
    assert_string_equal(s->message, "it could not be written, and nothing has changed");
    assert_int_equal(row_count(ask(s, "agent excluded list"), "excluded"), 1);
}

static void test_loads_files(void **state)
{
    struct scene *s = *state;
    s->file = "# ours\n+494011X\n\n  +494012X\tbremen # two\r\n+49X401\n12\n+4950 a b\n+494012X bremen\n";
    json_t *r = ask(s, "agent enrolled load - --group hamburg");
    assert_int_equal(number_of(r, "added"), 3);
    assert_int_equal(number_of(r, "unchanged"), 1);
    assert_int_equal(number_of(r, "failed"), 2);
    assert_int_equal(number_of(json_array_get(json_object_get(r, "failures"), 0), "line"), 6);
    assert_string_equal(text_at(r, "failures", 0, "entry"), "12");
    assert_string_equal(text_at(r, "failures", 1, "why"), "there is more in the line than an entry and a group");
    assert_string_equal(text_at(ask(s, "agent enrolled list"), "patterns", 2, "group"), "bremen");
    s->file = "b.example trusted\nc.example\n+1900! blocked premium\nbad.example trusted\n";
    r = ask(s, "agent trust load -");
    assert_int_equal(number_of(r, "added"), 2);
    assert_string_equal(text_at(r, "failures", 0, "why"), "`trusted` or `blocked` must follow");
    assert_string_equal(text_at(r, "failures", 1, "why"), "it is blocked, in agent.conf");
    r = ask(s, "agent trust list");
    assert_string_equal(text_at(r, "entries", 2, "group"), "premium");
    s->file = "+493020001";
    assert_int_equal(number_of(ask(s, "agent excluded load -"), "added"), 1);
}

static int reload(void *ctx, struct buf *report)
{
    int *err = ctx;
    buf_str(report, *err ? "agent.conf:3: a line is wrong\n" : "[agent] log-level: debug instead of info\n");
    return *err;
}

static void test_causes_and_reload(void **state)
{
    struct scene *s = *state;
    json_t *r = ask(s, "agent causes");
    assert_int_equal(row_count(r, "causes"), 17);
    assert_string_equal(text_at(r, "causes", 5, "text"), "no connection to the other side");
    for (size_t i = 0; i < 17; i++)
        assert_true(strlen(text_at(r, "causes", i, "advice")) > 40);
    assert_null(ask(s, "agent reload"));
    int err = 0;
    agent_free(s->agent);
    const struct agent_ports ports = {
        .entropy = &s->entropy, .kv = memory_store_kv(s->store), .reload = reload, .reload_ctx = &err};
    const struct agent_parts parts = {.enrolled = s->enrolled, .alarms = &s->alarms};
    assert_int_equal(agent_new(&s->options, &ports, &parts, s->now, &s->agent), 0);
    s->server.ctx = s->agent;
    assert_string_equal(text_of(ask(s, "agent reload"), "differences"), "[agent] log-level: debug instead of info\n");
    err = ERR_SYNTAX;
    assert_null(ask(s, "agent reload"));
    assert_string_equal(s->message, "agent.conf:3: a line is wrong\n");
    assert_null(ask(s, "agent enrolled add +4930")); /* it has no place for them */
}

static void test_adds_records(void **state)
{
    struct scene *s = *state;
    struct agent_records_view view;
    s->file = "{\"direction\": \"sent\", \"called\": \"089111\", \"start\": 1767225600, \"stop\": 1767225660}\n";
    assert_non_null(ask(s, "agent record add -"));
    assert_string_equal(s->message, "1 records kept, on their way to the IME server");
    agent_records_view(s->records, &view);
    assert_int_equal(view.kept, 1);
    s->file = "{}";
    assert_null(ask(s, "agent record add -"));
    assert_string_equal(s->message, "record 1: direction: sent or received");
}

static void test_counters(void **state)
{
    struct scene *s = *state;
    learn(s, "+4989111", "b.example");
    json_t *r = ask(s, "show counters --all");
    unsigned found = 0;
    for (size_t i = 0; i < row_count(r, "counters"); i++) {
        const char *name = text_at(r, "counters", i, "name");
        found += strcmp(name, "route.learned") == 0 || strcmp(name, "service.RoutesLearned") == 0 ||
                 strcmp(name, "vcr.added") == 0;
    }
    assert_int_equal(found, 3);
}

static void test_service_and_report(void **state)
{
    struct scene *s = *state;
    struct agent_service_effect e;
    while (agent_service_next(s->service, s->now, &e))
        if (e.kind == AGENT_SERVICE_CONNECT)
            agent_service_closed(s->service, s->now, e.server, AGENT_SERVICE_TLS_FAILED, "the certificate has ended");
    json_t *r = ask(s, "agent service show");
    assert_string_equal(text_at(r, "servers", 0, "state"), "offline");
    assert_string_equal(text_at(r, "servers", 0, "reason"), "the certificate has ended");
    assert_string_equal(text_at(r, "servers", 0, "vservice_id"), "0000000000000007");
    assert_string_equal(text_of(r, "main"), "unhealthy; 0 of 0 numbers of the quota used");
    r = ask(s, "show alarms --ringing");
    assert_string_equal(text_at(r, "alarms", 0, "alarm"), "TLSConnectionToIMEFailed");
    assert_string_equal(text_at(r, "alarms", 0, "state"), "rings");
    assert_non_null(strstr(text_of(r, "listing"), "What to do: "));
    r = ask(s, "show status");
    assert_string_equal(text_at(r, "warnings", 3, "name"), "TLSConnectionToIMEFailed");
    assert_string_equal(text_at(r, "warnings", 3, "text"), "ime1.a.example:5620: the certificate has ended");
    r = ask(s, "agent publish report");
    assert_int_equal(json_integer_value(json_object_get(r, "numbers")), 100);
    assert_int_equal(json_integer_value(json_object_get(r, "waiting")), 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_lists_and_searches),
        TEST(test_shows_and_changes),
        TEST(test_exports),
        TEST(test_numbers_are_tried_without_a_call),
        TEST(test_no_call_to_move),
        TEST(test_enrolled_and_trust),
        TEST(test_provisions),
        TEST(test_loads_files),
        TEST(test_causes_and_reload),
        TEST(test_adds_records),
        TEST(test_counters),
        TEST(test_service_and_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
