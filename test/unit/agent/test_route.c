/* The table of learned routes: what is learned, in which order ways are tried, what is durable, what ends. */
#include "agent/route.h"
#include "base/mem.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>

#define DAY_MS INT64_C(86400000)
#define YEAR_MS (365 * DAY_MS)

static struct scene {
    struct seeded_entropy seed;
    struct entropy entropy;
    struct memory_store *store;
    struct agent_routes_config config;
    struct agent_routes *routes;
    struct now now;
    int last_err; /* of a completion */
    unsigned done;
    unsigned good;     /* of them without an error */
    char removed[256]; /* "+49… b.example expired;" */
    struct agent_route_list list;
    const char *reason;
    struct agent_enrolled *trust;
} the_scene;

static void on_removed(void *ctx, struct now now, const struct agent_route *route, enum agent_route_end end)
{
    struct scene *s = ctx;
    assert_int_equal(now.wall.ms, s->now.wall.ms);
    size_t n = strlen(s->removed);
    snprintf(s->removed + n, sizeof s->removed - n, "%s %s %s;", route->number.text, route->domain,
             agent_route_end_name(end));
}

static void on_done(void *arg, int err)
{
    struct scene *s = arg;
    s->last_err = err;
    s->done++;
    s->good += err == 0;
}

static void open_routes(struct scene *s)
{
    const struct agent_route_watch watch = {on_removed, s};
    assert_int_equal(agent_routes_new(&s->config, memory_store_kv(s->store), &s->entropy, &watch, &s->routes), 0);
}

static int setup(void **state)
{
    struct scene *s = &the_scene;
    *s = (struct scene){.seed = {5}, .now = {{1000000}, {1767225600000}}};
    s->entropy = seeded_entropy_port(&s->seed);
    agent_routes_config_init(&s->config);
    assert_int_equal(memory_store_new(&s->store), 0);
    open_routes(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    agent_routes_free(s->routes);
    memory_store_free(s->store);
    return 0;
}

static void restart(struct scene *s)
{
    memory_store_crash(s->store);
    agent_routes_free(s->routes);
    open_routes(s);
}

static void pass_ms(struct scene *s, int64_t ms)
{
    struct mono end = mono_after_ms(s->now.mono, ms);
    int64_t begin = s->now.mono.us;
    struct wall wall = s->now.wall;
    while (mono_due(agent_routes_deadline(s->routes), end)) {
        struct mono due = agent_routes_deadline(s->routes);
        if (due.us > s->now.mono.us)
            s->now.mono = due;
        s->now.wall.ms = wall.ms + (s->now.mono.us - begin) / 1000;
        agent_routes_tick(s->routes, s->now);
        memory_store_turn(s->store);
    }
    s->now.mono = end;
    s->now.wall.ms = wall.ms + ms;
}

static void ticket_of(struct scene *s, const char *number, const char *domain, uint8_t node, struct buf *ret_text)
{
    struct ticket_grant grant = {
        .granting_node = {{node}},
        .granting_domain = slice_str(domain),
        .granted_to = slice_str("a.example"),
        .not_before = s->now.wall,
        .not_after = wall_after_ms(s->now.wall, YEAR_MS),
    };
    static const uint8_t key[TICKET_KEY_OCTETS] = {1, 2, 3};
    struct ticket ticket;
    assert_true(e164_parse(slice_str(number), &grant.number));
    assert_int_equal(ticket_make(&grant, 7, key, &s->entropy, &ticket), 0);
    buf_clear(ret_text);
    assert_int_equal(ticket_format(&ticket, ret_text), 0);
}

/* Routes are separated by spaces. */
static int learn_text(struct scene *s, const char *number, struct slice ticket, const char *routes)
{
    struct valinfo v = {.ticket = ticket};
    struct buf xml;
    char copy[1024];
    char *rest = copy;
    char *uri;
    snprintf(copy, sizeof copy, "%s", routes);
    assert_true(e164_parse(slice_str(number), &v.number));
    while ((uri = strsep(&rest, " ")))
        v.routes[v.route_count++] = slice_str(uri);
    buf_init(&xml, VALINFO_OCTETS_MAX);
    assert_int_equal(valinfo_format(&v, &xml), 0);
    struct agent_route_terms terms = {slice_str("a.example"), s->trust};
    struct e164 learned;
    int err = agent_routes_learn(s->routes, s->now, buf_slice(&xml), &terms, on_done, s, &s->reason, &learned);
    assert_string_equal(learned.text, number);
    buf_fini(&xml);
    return err;
}

static int learn_from(struct scene *s, const char *number, const char *domain, uint8_t node)
{
    struct buf ticket;
    char uri[128];
    buf_init(&ticket, 2000);
    ticket_of(s, number, domain, node, &ticket);
    snprintf(uri, sizeof uri, "sip:agent@%s:5061;maddr=192.0.2.%u;transport=tcp", domain, node);
    int err = learn_text(s, number, buf_slice(&ticket), uri);
    buf_fini(&ticket);
    return err;
}

static void learn(struct scene *s, const char *number, const char *domain, uint8_t node)
{
    assert_int_equal(learn_from(s, number, domain, node), 0);
    memory_store_turn(s->store);
    assert_int_equal(s->last_err, 0);
}

static struct e164 number_of(const char *text)
{
    struct e164 number = {""};
    assert_true(e164_parse(slice_str(text), &number));
    return number;
}

static size_t find(struct scene *s, const char *text)
{
    struct e164 number = number_of(text);
    bool found = agent_routes_find(s->routes, s->now, &number, &s->list);
    assert_int_equal(found, s->list.n > 0);
    return s->list.n;
}

/* The domains of the ways to a number, in order: "b.example c.example". */
static void expect_order(struct scene *s, const char *number, const char *domains)
{
    char text[512] = "";
    find(s, number);
    for (size_t i = 0; i < s->list.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", s->list.routes[i].domain);
    assert_string_equal(text, domains);
}

static void test_counts_when_it_is_durable(void **state)
{
    struct scene *s = *state;
    assert_int_equal(learn_from(s, "+493020001", "b.example", 1), 0);
    assert_int_equal(s->done, 0);
    assert_int_equal(find(s, "+493020001"), 0);
    memory_store_turn(s->store);
    assert_int_equal(s->done, 1);
    assert_int_equal(find(s, "+493020001"), 1);
    const struct agent_route *r = &s->list.routes[0];
    assert_string_equal(r->domain, "b.example");
    assert_string_equal(r->uri, "sip:agent@b.example:5061;maddr=192.0.2.1;transport=tcp");
    assert_int_equal(r->node.octets[0], 1);
    assert_int_equal(r->learned_at.ms, s->now.wall.ms);
    assert_int_equal(r->expires_at.ms, s->now.wall.ms + YEAR_MS);
    assert_int_equal(find(s, "+49302000"), 0);
    assert_int_equal(find(s, "+4930200011"), 0);
}

static void test_failed_write_changes_nothing(void **state)
{
    struct scene *s = *state;
    memory_store_fail(s->store, 1, ERR_NO_SPACE);
    assert_int_equal(learn_from(s, "+493020001", "b.example", 1), 0);
    memory_store_turn(s->store);
    assert_int_equal(s->last_err, ERR_NO_SPACE);
    assert_int_equal(find(s, "+493020001"), 0);
    assert_int_equal(agent_routes_counters(s->routes)->not_stored, 1);
    memory_store_refuse(s->store, ERR_NO_SPACE);
    assert_int_equal(learn_from(s, "+493020001", "b.example", 1), ERR_NO_SPACE);
    memory_store_refuse(s->store, 0);
    learn(s, "+493020001", "b.example", 1);
    struct e164 number = number_of("+493020001");
    memory_store_fail(s->store, 1, ERR_IO);
    assert_int_equal(agent_routes_delete(s->routes, s->now, &number, slice_str(""), on_done, s), 0);
    memory_store_turn(s->store);
    assert_int_equal(s->last_err, ERR_IO);
    assert_int_equal(find(s, "+493020001"), 1);
}

static void test_ticket_comes_out_as_it_came_in(void **state)
{
    struct scene *s = *state;
    struct buf ticket;
    buf_init(&ticket, 2000);
    ticket_of(s, "+493020001", "b.example", 9, &ticket);
    assert_int_equal(learn_text(s, "+493020001", buf_slice(&ticket), "sip:x@b.example:5061;maddr=192.0.2.1"), 0);
    memory_store_turn(s->store);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(find(s, "+493020001"), 1);
        assert_slice_text(buf_slice(&ticket), s->list.routes[0].ticket);
        restart(s);
    }
    buf_fini(&ticket);
}

static void test_ticket_of_another_form_is_kept_whole(void **state)
{
    struct scene *s = *state;
    assert_int_equal(
        learn_text(s, "+493020001", slice_str("no/base64:of+ours"), "sip:x@B.Example:5061;maddr=192.0.2.1"), 0);
    memory_store_turn(s->store);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(find(s, "+493020001"), 1);
        assert_string_equal(s->list.routes[0].ticket, "no/base64:of+ours");
        assert_string_equal(s->list.routes[0].domain, "b.example");
        assert_true(id_is_zero(s->list.routes[0].node));
        restart(s);
    }
    /* Renewed by one that is longer. */
    assert_int_equal(learn_text(s, "+493020001", slice_str("another"), "sip:x@b.example:5061;maddr=192.0.2.1"), 0);
    memory_store_turn(s->store);
    assert_int_equal(agent_routes_count(s->routes), 1);
    find(s, "+493020001");
    assert_string_equal(s->list.routes[0].ticket, "another");
}

static void test_refuses_what_is_no_good(void **state)
{
    struct scene *s = *state;
    struct buf ticket;
    const char *good = "sip:x@b.example:5061;maddr=192.0.2.1";
    buf_init(&ticket, 2000);
    ticket_of(s, "+493020001", "b.example", 9, &ticket);
    assert_int_equal(learn_text(s, "+493020002", buf_slice(&ticket), good), ERR_FORBIDDEN);
    assert_string_equal(s->reason, "the ticket is for another number");
    assert_int_equal(learn_text(s, "+493020001", buf_slice(&ticket), "sip:x@b.example mailto:x"), ERR_SYNTAX);
    s->now.wall.ms += YEAR_MS;
    assert_int_equal(learn_text(s, "+493020001", buf_slice(&ticket), good), ERR_EXPIRED);
    s->now.wall.ms -= YEAR_MS;
    struct valinfo v = {.number = number_of("+493020001"), .ticket = buf_slice(&ticket), .route_count = 1};
    struct buf xml;
    v.routes[0] = slice_str(good);
    buf_init(&xml, VALINFO_OCTETS_MAX);
    assert_int_equal(valinfo_format(&v, &xml), 0);
    const struct agent_route_terms others = {slice_str("z.example"), NULL};
    struct e164 number;
    assert_int_equal(agent_routes_learn(s->routes, s->now, buf_slice(&xml), &others, NULL, NULL, &s->reason, &number),
                     ERR_FORBIDDEN);
    assert_string_equal(s->reason, "the ticket is granted to another domain");
    assert_int_equal(
        agent_routes_learn(s->routes, s->now, slice_str("<junk"), &others, NULL, NULL, &s->reason, &number),
        ERR_SYNTAX);
    assert_string_equal(number.text, "");
    assert_int_equal(agent_routes_counters(s->routes)->rejected, 5);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_ROUTE), 0);
    buf_fini(&xml);
    buf_fini(&ticket);
}

static void test_trust_groups_decide(void **state)
{
    struct scene *s = *state;
    assert_int_equal(agent_enrolled_new(&s->trust), 0);
    assert_int_equal(agent_trust_add_domain(s->trust, slice_str("bad.example"), false), 0);
    assert_int_equal(agent_trust_add_prefix(s->trust, slice_str("+4989!"), false), 0);
    assert_int_equal(learn_from(s, "+493020001", "bad.example", 1), ERR_FORBIDDEN);
    assert_string_equal(s->reason, "the trust groups block its domain");
    assert_int_equal(learn_from(s, "+498920001", "b.example", 1), ERR_FORBIDDEN);
    assert_string_equal(s->reason, "the trust groups block the number");
    learn(s, "+493020001", "b.example", 1);
    agent_enrolled_free(s->trust);
}

static void test_newest_good_way_comes_first(void **state)
{
    struct scene *s = *state;
    learn(s, "+493020001", "b.example", 1);
    pass_ms(s, 10000);
    learn(s, "+493020001", "c.example", 2);
    pass_ms(s, 10000);
    learn(s, "+493020001", "d.example", 3);
    expect_order(s, "+493020001", "d.example c.example b.example");
    struct agent_route d = s->list.routes[0], c = s->list.routes[1];
    agent_routes_failed(s->routes, s->now, &d, AGENT_CAUSE_CONNECTION_TIMEOUT);
    expect_order(s, "+493020001", "c.example b.example d.example");
    pass_ms(s, 10000);
    agent_routes_failed(s->routes, s->now, &c, AGENT_CAUSE_SOCKET_ERROR);
    expect_order(s, "+493020001", "b.example d.example c.example");
    assert_int_equal(s->list.routes[2].failed_at.ms, s->now.wall.ms);
    agent_routes_succeeded(s->routes, &d);
    expect_order(s, "+493020001", "d.example b.example c.example");
    assert_int_equal(s->list.routes[0].failed_at.ms, 0);
    pass_ms(s, s->config.retry_ms);
    expect_order(s, "+493020001", "d.example c.example b.example");
}

static void test_every_uri_is_a_way(void **state)
{
    struct scene *s = *state;
    struct buf ticket;
    buf_init(&ticket, 2000);
    ticket_of(s, "+493020001", "b.example", 9, &ticket);
    assert_int_equal(learn_text(s, "+493020001", buf_slice(&ticket),
                                "sip:x@b.example:5061;maddr=192.0.2.1 bad: sip:x@b.example:5061;maddr=192.0.2.2"),
                     0);
    memory_store_turn(s->store);
    restart(s);
    assert_int_equal(find(s, "+493020001"), 2);
    assert_non_null(strstr(s->list.routes[0].uri, "192.0.2.1"));
    agent_routes_failed(s->routes, s->now, &s->list.routes[0], AGENT_CAUSE_CONNECTION_TIMEOUT);
    find(s, "+493020001");
    assert_non_null(strstr(s->list.routes[0].uri, "192.0.2.2"));
    /* A ticket that is refused at one is refused at the other. */
    agent_routes_succeeded(s->routes, &s->list.routes[1]);
    agent_routes_failed(s->routes, s->now, &s->list.routes[0], AGENT_CAUSE_INVALID_TICKET);
    learn(s, "+493020001", "c.example", 2);
    expect_order(s, "+493020001", "c.example b.example b.example");
    pass_ms(s, DAY_MS - 1000);
    learn(s, "+493020001", "d.example", 2);
    expect_order(s, "+493020001", "d.example c.example b.example b.example");
    /* A new ticket makes it good again. */
    ticket_of(s, "+493020001", "b.example", 9, &ticket);
    pass_ms(s, 1000);
    assert_int_equal(learn_text(s, "+493020001", buf_slice(&ticket), "sip:x@b.example:5061;maddr=192.0.2.3"), 0);
    memory_store_turn(s->store);
    expect_order(s, "+493020001", "b.example d.example c.example");
    buf_fini(&ticket);
}

static void test_number_that_is_gone(void **state)
{
    static const enum agent_cause causes[] = {AGENT_CAUSE_NO_MATCHING_ROUTE, AGENT_CAUSE_REMOTE_UNAVAILABLE,
                                              AGENT_CAUSE_NOT_ENROLLED};
    struct scene *s = *state;
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        learn(s, "+493020001", "b.example", 1);
        learn(s, "+493020001", "c.example", 2);
        expect_order(s, "+493020001", "c.example b.example");
        struct agent_route c = s->list.routes[0];
        agent_routes_failed(s->routes, s->now, &c, causes[i]);
        expect_order(s, "+493020001", "b.example c.example"); /* until it is written */
        agent_routes_failed(s->routes, s->now, &c, causes[i]);
        memory_store_turn(s->store);
        expect_order(s, "+493020001", "b.example");
        assert_string_equal(s->removed, "+493020001 c.example unreachable;");
        s->removed[0] = 0;
        restart(s);
        expect_order(s, "+493020001", "b.example");
        agent_routes_failed(s->routes, s->now, &c, causes[i]); /* of a call that had begun before */
    }
}

static void test_ends_with_its_time(void **state)
{
    struct scene *s = *state;
    s->config.lifetime_ms = 10 * DAY_MS;
    restart(s);
    learn(s, "+493020001", "b.example", 1);
    pass_ms(s, 10 * DAY_MS - 1000);
    assert_int_equal(find(s, "+493020001"), 1);
    s->now.wall.ms += 1000;
    assert_int_equal(find(s, "+493020001"), 0); /* whether or not it has been swept out */
    pass_ms(s, 2 * 3600000);
    assert_int_equal(agent_routes_count(s->routes), 0);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_ROUTE), 0);
    assert_string_equal(s->removed, "+493020001 b.example expired;");
}

static void test_operator_disables_and_deletes(void **state)
{
    struct scene *s = *state;
    struct e164 number = number_of("+493020001");
    learn(s, "+493020001", "b.example", 1);
    learn(s, "+493020001", "c.example", 2);
    assert_int_equal(agent_routes_set_enabled(s->routes, s->now, &number, slice_str("C.example"), false, on_done, s),
                     0);
    assert_int_equal(agent_routes_delete(s->routes, s->now, &number, slice_str(""), on_done, s), ERR_CONFLICT);
    expect_order(s, "+493020001", "c.example b.example");
    memory_store_turn(s->store);
    expect_order(s, "+493020001", "b.example");
    restart(s);
    expect_order(s, "+493020001", "b.example");
    learn(s, "+493020001", "c.example", 2); /* renewed, and still disabled */
    expect_order(s, "+493020001", "b.example");
    assert_int_equal(agent_routes_set_enabled(s->routes, s->now, &number, slice_str(""), true, on_done, s), 0);
    memory_store_turn(s->store);
    assert_int_equal(find(s, "+493020001"), 2);
    assert_int_equal(agent_routes_set_enabled(s->routes, s->now, &number, slice_str("x.example"), true, on_done, s),
                     ERR_NOT_FOUND);
    assert_int_equal(agent_routes_delete(s->routes, s->now, &number, slice_str(""), on_done, s), 0);
    memory_store_turn(s->store);
    assert_int_equal(find(s, "+493020001"), 0);
    assert_int_equal(agent_routes_count(s->routes), 0);
    assert_int_equal(agent_routes_numbers(s->routes), 0);
    assert_int_equal(agent_routes_domains(s->routes), 0);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_ROUTE), 0);
    assert_int_equal(agent_routes_delete(s->routes, s->now, &number, slice_str(""), on_done, s), ERR_NOT_FOUND);
}

static void test_limits(void **state)
{
    struct scene *s = *state;
    for (uint8_t node = 1; node <= AGENT_ROUTES_PER_NUMBER_MAX; node++) {
        learn(s, "+493020001", "b.example", node);
        pass_ms(s, 1000);
    }
    learn(s, "+493020001", "b.example", 1); /* renewed: node 2 is the oldest now */
    pass_ms(s, 1000);
    learn(s, "+493020001", "z.example", 99);
    assert_int_equal(agent_routes_count(s->routes), AGENT_ROUTES_PER_NUMBER_MAX);
    assert_string_equal(s->removed, "+493020001 b.example replaced;");
    assert_int_equal(find(s, "+493020001"), AGENT_ROUTE_TRIES_MAX);
    assert_string_equal(s->list.routes[0].domain, "z.example");
    assert_int_equal(s->list.routes[1].node.octets[0], 1);
    assert_int_equal(s->list.routes[AGENT_ROUTE_TRIES_MAX - 1].node.octets[0], 3);

    s->config.routes_max = AGENT_ROUTES_PER_NUMBER_MAX + 1;
    restart(s);
    assert_int_equal(learn_from(s, "+493020002", "b.example", 1), 0);
    assert_int_equal(learn_from(s, "+493020003", "b.example", 1), ERR_LIMIT);
    memory_store_turn(s->store);
    assert_int_equal(learn_from(s, "+493020003", "b.example", 1), ERR_LIMIT);
    assert_int_equal(agent_routes_counters(s->routes)->limit_routes, 2);
    learn(s, "+493020002", "b.example", 1); /* one that is known may be renewed */
}

/* ---- lists ---- */

struct seen {
    char text[4096];
    size_t rows;
};

static void see(void *ctx, const struct agent_route *route)
{
    struct seen *seen = ctx;
    size_t n = strlen(seen->text);
    snprintf(seen->text + n, sizeof seen->text - n, "%s ", route->number.text);
    seen->rows++;
}

static void test_lists_in_pages(void **state)
{
    struct scene *s = *state;
    struct seen seen = {.rows = 0};
    struct e164 after;
    for (unsigned i = 0; i < 30; i++) {
        char number[32];
        snprintf(number, sizeof number, "+49%u020%02u", i % 3, (i * 7) % 30);
        if (i % 3)
            learn(s, number, i % 2 ? "b.example" : "c.example", 1);
    }
    learn(s, "+4910", "b.example", 1);
    struct agent_route_query query = {.prefix = slice_str("+491"), .limit = 4};
    assert_true(agent_routes_list(s->routes, &query, see, &seen, &after));
    assert_string_equal(seen.text, "+4910 +49102001 +49102004 +49102007 ");
    unsigned pages = 1;
    for (query.after = after; agent_routes_list(s->routes, &query, see, &seen, &after); query.after = after)
        pages++;
    assert_int_equal(pages, 2);
    assert_int_equal(seen.rows, 11);
    seen = (struct seen){.rows = 0};
    query = (struct agent_route_query){.domain = slice_str("C.Example"), .limit = 100};
    assert_false(agent_routes_list(s->routes, &query, see, &seen, &after));
    assert_int_equal(seen.rows, 10);
    seen = (struct seen){.rows = 0};
    query = (struct agent_route_query){.prefix = slice_str("+499"), .limit = 100};
    assert_false(agent_routes_list(s->routes, &query, see, &seen, &after));
    assert_int_equal(seen.rows, 0);
}

/* Far sides come and go; what they have in common is kept once, and goes with the last of them. */
static void test_far_sides(void **state)
{
    struct scene *s = *state;
    char number[32], domain[32];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 120; i++) {
            snprintf(number, sizeof number, "+4930%03u", i);
            snprintf(domain, sizeof domain, "b%u.example", i % 40);
            learn(s, number, domain, (uint8_t)(1 + i % 2));
        }
        assert_int_equal(agent_routes_domains(s->routes), 40);
        for (unsigned i = 0; i < 120; i += 1 + round % 2) {
            snprintf(number, sizeof number, "+4930%03u", i);
            struct e164 e164 = number_of(number);
            assert_int_equal(agent_routes_delete(s->routes, s->now, &e164, slice_str(""), NULL, NULL), 0);
            memory_store_turn(s->store);
        }
        assert_int_equal(agent_routes_domains(s->routes), round % 2 ? 20 : 0);
    }
    assert_int_equal(agent_routes_count(s->routes), 0);
}

static void test_bad_rows_are_left_alone(void **state)
{
    struct scene *s = *state;
    const struct kv *kv = memory_store_kv(s->store);
    learn(s, "+493020001", "b.example", 1);
    kv_put(kv, KV_AGENT_ROUTE, slice_str("short"), slice_str("junk"));
    kv_put(kv, KV_AGENT_ROUTE, slice_str("a key of a length that could be good"), slice_str("junk, but long enough"));
    kv_commit(kv, NULL, NULL);
    memory_store_turn(s->store);
    restart(s);
    assert_int_equal(agent_routes_counters(s->routes)->corrupt_rows, 2);
    assert_int_equal(find(s, "+493020001"), 1);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_ROUTE), 3);
}

/* A crash at any moment: what was acknowledged is there, and nothing is there half. */
static void test_crashes(void **state)
{
    struct scene *s = *state;
    unsigned learned = 0;
    char number[32];
    for (unsigned i = 0; i < 200; i++) {
        unsigned before = s->good;
        snprintf(number, sizeof number, "+4930%05u", i);
        assert_int_equal(learn_from(s, number, "b.example", 1), 0);
        if (entropy_below(&s->entropy, 3))
            memory_store_turn(s->store);
        else
            restart(s);
        assert_int_equal(find(s, number), s->good - before);
        learned += s->good - before;
    }
    restart(s);
    assert_int_equal(agent_routes_count(s->routes), learned);
    assert_true(learned > 100 && learned < 200);
}

static void test_lack_of_memory(void **state)
{
    static const struct agent_route_terms terms;
    struct scene *s = *state;
    for (unsigned long nth = 1; nth < 200; nth++) {
        struct buf ticket;
        buf_init(&ticket, 2000);
        ticket_of(s, "+493020001", "b.example", 1, &ticket);
        mem_fail_at(nth);
        struct valinfo v = {.number = number_of("+493020001"), .ticket = buf_slice(&ticket), .route_count = 1};
        struct buf xml;
        v.routes[0] = slice_str("sip:x@b.example:5061;maddr=192.0.2.1");
        buf_init(&xml, VALINFO_OCTETS_MAX);
        s->last_err = 1;
        int err = valinfo_format(&v, &xml);
        if (!err)
            err = agent_routes_learn(s->routes, s->now, buf_slice(&xml), &terms, on_done, s, &s->reason, &v.number);
        if (!err)
            memory_store_turn(s->store);
        mem_fail_at(0);
        memory_store_turn(s->store);
        buf_fini(&xml);
        buf_fini(&ticket);
        bool learned = s->last_err == 0;
        assert_int_equal(find(s, "+493020001"), learned);
        if (learned && nth > 20)
            return;
        restart(s);
        struct e164 number = number_of("+493020001");
        if (find(s, "+493020001"))
            assert_int_equal(agent_routes_delete(s->routes, s->now, &number, slice_str(""), NULL, NULL), 0);
        memory_store_turn(s->store);
    }
    fail_msg("it never worked");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_counts_when_it_is_durable),
        TEST(test_failed_write_changes_nothing),
        TEST(test_ticket_comes_out_as_it_came_in),
        TEST(test_ticket_of_another_form_is_kept_whole),
        TEST(test_refuses_what_is_no_good),
        TEST(test_trust_groups_decide),
        TEST(test_newest_good_way_comes_first),
        TEST(test_every_uri_is_a_way),
        TEST(test_number_that_is_gone),
        TEST(test_ends_with_its_time),
        TEST(test_operator_disables_and_deletes),
        TEST(test_limits),
        TEST(test_lists_in_pages),
        TEST(test_far_sides),
        TEST(test_bad_rows_are_left_alone),
        TEST(test_crashes),
        TEST(test_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
