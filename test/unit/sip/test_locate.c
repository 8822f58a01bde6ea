/* From targets to hops, against a DNS of a few lines: the cases of RFC 3263 section 4, and what happens when the DNS does not answer. */
#include "sip/locate.h"
#include "testing.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct world {
    struct sip_locate_config config;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct sip_locator *locator;
    struct now now;
    const char *const *zone; /* lines "type name ttl data…", NULL at the end */
    int failure;             /* what the DNS does instead of answering; 1: nothing at all */
    struct buf asked;        /* "type name\n" */
    struct buf hops;         /* "transport address host\n" of the last look-up */
    unsigned found;
    struct mono expires;
    uint64_t queries[64]; /* that were not answered */
    size_t query_count;
};

static const struct sip_locate_side all = {{true, true, true}, true, true};
static const struct sip_locate_side four = {{true, true, true}, true, false};

static void make(struct world *w)
{
    assert_int_equal(sip_locator_new(&w->config, &w->entropy, &w->locator), 0);
    sip_locate_set_side(w->locator, 1, &all);
    sip_locate_set_side(w->locator, 2, &four);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    sip_locate_config_init(&w->config);
    w->config.seed = 7;
    w->seed.state = 1;
    w->entropy = seeded_entropy_port(&w->seed);
    w->now.mono.us = 1000000000;
    buf_init(&w->asked, 1u << 16);
    buf_init(&w->hops, 1u << 16);
    make(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    sip_locator_free(w->locator);
    buf_fini(&w->asked);
    buf_fini(&w->hops);
    free(w);
    return 0;
}

/* ---- the DNS ---- */

static bool read_record(const char *line, enum sip_dns_type type, const char *name, struct sip_dns_record *r,
                        uint32_t *ttl)
{
    char type_text[8], name_text[256], data[512], service[32], flags[8];
    unsigned a, b, port;
    *r = (struct sip_dns_record){0};
    assert_int_equal(sscanf(line, "%7s %255s %u %511[^\n]", type_text, name_text, ttl, data), 4);
    if (strcmp(type_text, sip_dns_type_name(type)) != 0 || strcmp(name_text, name) != 0)
        return false;
    if (type == SIP_DNS_A || type == SIP_DNS_AAAA) {
        assert_int_equal(addr_parse(slice_str(data), 1, &r->addr), 0);
        r->addr.port = 0;
    } else if (type == SIP_DNS_SRV) {
        assert_int_equal(sscanf(data, "%u %u %u %253s", &a, &b, &port, r->name), 4);
        r->port = (uint16_t)port;
    } else {
        assert_int_equal(sscanf(data, "%u %u %7s %31s %253s", &a, &b, flags, service, r->name), 5);
        r->flags = flags[0];
        strcpy(r->service, service);
    }
    if (type >= SIP_DNS_SRV) {
        r->priority = (uint16_t)a;
        r->weight = (uint16_t)b;
        if (strcmp(r->name, ".") == 0)
            r->name[0] = 0;
    }
    return true;
}

static void answer(struct world *w, uint64_t query, enum sip_dns_type type, const char *name)
{
    struct sip_dns_record records[SIP_DNS_RECORDS_MAX];
    struct sip_dns_answer a = {.err = w->failure, .records = records, .ttl_s = 60};
    for (size_t i = 0; !w->failure && w->zone && w->zone[i] && a.count < SIP_DNS_RECORDS_MAX; i++) {
        uint32_t ttl;
        if (read_record(w->zone[i], type, name, &records[a.count], &ttl)) {
            a.ttl_s = ttl;
            a.count++;
        }
    }
    sip_locate_answer(w->locator, w->now, query, &a);
}

static void put_hops(struct world *w, const struct sip_hops *hops)
{
    char text[ADDR_TEXT_OCTETS];
    w->found++;
    w->expires = hops->expires;
    buf_clear(&w->hops);
    for (size_t i = 0; i < hops->n; i++)
        buf_printf(&w->hops, "%s %s %s\n", sip_transport_name(hops->hop[i].transport),
                   addr_format(&hops->hop[i].addr, text), hops->hop[i].host);
}

static void drain(struct world *w)
{
    struct sip_locate_effect e;
    while (sip_locate_next(w->locator, w->now, &e)) {
        if (e.kind == SIP_LOCATE_FOUND) {
            put_hops(w, e.hops);
            continue;
        }
        buf_printf(&w->asked, "%s %s\n", sip_dns_type_name(e.type), e.name);
        if (w->failure == 1)
            w->queries[w->query_count++] = e.query;
        else
            answer(w, e.query, e.type, e.name);
    }
}

/* ---- asking ---- */

static struct sip_target target_of(const char *uri)
{
    struct sip_uri parsed;
    struct sip_target target;
    assert_int_equal(sip_uri_parse(slice_str(uri), &parsed, NULL), 0);
    assert_int_equal(sip_target_of_uri(&parsed, 1, &target), 0);
    return target;
}

static void locate_target(struct world *w, const struct sip_target *target)
{
    static struct sip_hops hops;
    unsigned before = w->found;
    buf_clear(&w->asked);
    buf_clear(&w->hops);
    int result = sip_locate(w->locator, w->now, target, 5, &hops);
    assert_in_range(result, 0, 1);
    if (result == 0)
        put_hops(w, &hops);
    drain(w);
    if (w->failure != 1)
        assert_int_equal(w->found, before + 1);
}

static void locate(struct world *w, const char *uri)
{
    struct sip_target target = target_of(uri);
    locate_target(w, &target);
}

#define EXPECT(w, uri, expected)                             \
    do {                                                     \
        locate(w, uri);                                      \
        assert_string_equal(buf_text(&(w)->hops), expected); \
    } while (0)
#define ASKED(w, expected) assert_string_equal(buf_text(&(w)->asked), expected)

/* ---- 4: addresses ---- */

static void test_addresses_need_no_dns(void **state)
{
    struct world *w = *state;
    EXPECT(w, "sip:a@192.0.2.1", "UDP 192.0.2.1:5060 \n");
    EXPECT(w, "sips:a@192.0.2.1", "TLS 192.0.2.1:5061 192.0.2.1\n");
    EXPECT(w, "sip:[2001:db8::1]:5070", "UDP [2001:db8::1]:5070 \n");
    EXPECT(w, "sip:192.0.2.1;transport=tcp", "TCP 192.0.2.1:5060 \n");
    EXPECT(w, "sip:192.0.2.1;transport=TLS", "TLS 192.0.2.1:5061 192.0.2.1\n");
    EXPECT(w, "sips:192.0.2.1;transport=tcp", "TLS 192.0.2.1:5061 192.0.2.1\n");
    EXPECT(w, "sips:192.0.2.1;transport=udp", "");
    ASKED(w, "");
    assert_int_equal(w->expires.us, MONO_NEVER.us);
    assert_int_equal(sip_locate_counters(w->locator)->at_once, 7);
}

/* The routes of tickets. */
static void test_maddr(void **state)
{
    struct world *w = *state;
    EXPECT(w, "sip:agent-b@b.example:5061;maddr=127.1.2.1;transport=tcp", "TCP 127.1.2.1:5061 \n");
    struct sip_target target = target_of("sip:agent-b@b.example:5061;maddr=127.1.2.1;transport=tcp");
    target.secure = true; /* its certificate must be for the domain, wherever it is */
    locate_target(w, &target);
    assert_string_equal(buf_text(&w->hops), "TLS 127.1.2.1:5061 b.example\n");
    EXPECT(w, "sip:agent@b.example;maddr=[2001:db8::2]", "UDP [2001:db8::2]:5060 \n");
    ASKED(w, "");
}

static void test_other_schemes_and_transports(void **state)
{
    struct sip_uri uri;
    struct sip_target target;
    (void)state;
    static const char *const refused[] = {"tel:+49300200000", "sip:a.example;transport=sctp", "mailto:a@b.example"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sip_uri_parse(slice_str(refused[i]), &uri, NULL), 0);
        assert_int_equal(sip_target_of_uri(&uri, 0, &target), ERR_UNSUPPORTED);
    }
}

/* ---- 4.1 and 4.2: names ---- */

/* The example of 4.1 and 4.2. */
static const char *const rfc_zone[] = {
    "NAPTR example.com 300 50 50 s SIPS+D2T _sips._tcp.example.com",
    "NAPTR example.com 300 90 50 s SIP+D2T _sip._tcp.example.com",
    "NAPTR example.com 300 100 50 s SIP+D2U _sip._udp.example.com",
    "SRV _sips._tcp.example.com 300 0 0 5061 server1.example.com",
    "SRV _sip._tcp.example.com 300 0 1 5060 server1.example.com",
    "SRV _sip._tcp.example.com 300 1 2 5070 server2.example.com",
    "SRV _sip._udp.example.com 300 0 0 5080 server2.example.com",
    "A server1.example.com 100 192.0.2.1",
    "A server2.example.com 300 192.0.2.2",
    NULL,
};

static void test_naptr(void **state)
{
    struct world *w = *state;
    w->zone = rfc_zone;
    EXPECT(w, "sip:user@example.com",
           "TLS 192.0.2.1:5061 example.com\nTCP 192.0.2.1:5060 \nTCP 192.0.2.2:5070 \nUDP 192.0.2.2:5080 \n");
    assert_int_equal(mono_since_us(w->expires, w->now.mono), 60000000); /* that there is no AAAA */
    EXPECT(w, "sips:user@example.com", "TLS 192.0.2.1:5061 example.com\n");
    ASKED(w, ""); /* it is known */
    struct sip_locate_side udp_tcp = {{true, true, false}, true, false};
    sip_locate_set_side(w->locator, 1, &udp_tcp);
    EXPECT(w, "sip:user@example.com", "TCP 192.0.2.1:5060 \nTCP 192.0.2.2:5070 \nUDP 192.0.2.2:5080 \n");
    assert_int_equal(mono_since_us(w->expires, w->now.mono), 100000000);
    EXPECT(w, "sips:user@example.com", "");
}

static void test_questions_of_a_name(void **state)
{
    struct world *w = *state;
    w->zone = rfc_zone;
    struct sip_target target = target_of("sip:user@example.com");
    target.side = 2;
    locate_target(w, &target);
    ASKED(w, "NAPTR example.com\nSRV _sips._tcp.example.com\nSRV _sip._tcp.example.com\nSRV _sip._udp.example.com\n"
             "A server1.example.com\nA server2.example.com\n");
}

/* A transport, and no port: SRV, without NAPTR. */
static void test_transport_given(void **state)
{
    struct world *w = *state;
    w->zone = rfc_zone;
    EXPECT(w, "sip:example.com;transport=tcp", "TCP 192.0.2.1:5060 \nTCP 192.0.2.2:5070 \n");
    ASKED(w, "SRV _sip._tcp.example.com\nAAAA server1.example.com\nA server1.example.com\nAAAA server2.example.com\n"
             "A server2.example.com\n");
    EXPECT(w, "sip:example.com;transport=tls", "TLS 192.0.2.1:5061 example.com\n");
    /* No SRV: addresses. */
    EXPECT(w, "sip:server1.example.com;transport=tcp", "TCP 192.0.2.1:5060 \n");
    EXPECT(w, "sip:nowhere.example.com;transport=tcp", "");
}

/* A port: addresses at once, the transport is the default. */
static void test_port_given(void **state)
{
    struct world *w = *state;
    w->zone = rfc_zone;
    EXPECT(w, "sip:server2.example.com:5099", "UDP 192.0.2.2:5099 \n");
    ASKED(w, "AAAA server2.example.com\nA server2.example.com\n");
    EXPECT(w, "sips:server2.example.com:5099", "TLS 192.0.2.2:5099 server2.example.com\n");
    EXPECT(w, "sip:example.com:5099", ""); /* it has no address */
}

static void test_without_naptr(void **state)
{
    struct world *w = *state;
    static const char *const zone[] = {
        "SRV _sip._udp.a.example 60 0 0 5062 s.a.example",
        "SRV _sips._tcp.a.example 60 0 0 5063 s.a.example",
        "A s.a.example 60 192.0.2.3",
        "A b.example 60 192.0.2.4",
        "NAPTR b.example 60 10 10 s SIP+D2X _sip._x.b.example", /* of no use to us */
        NULL,
    };
    w->zone = zone;
    EXPECT(w, "sip:a.example", "UDP 192.0.2.3:5062 \nTLS 192.0.2.3:5063 a.example\n");
    EXPECT(w, "sips:a.example", "TLS 192.0.2.3:5063 a.example\n");
    /* Nothing but addresses: default transport and port. */
    EXPECT(w, "sip:b.example", "UDP 192.0.2.4:5060 \n");
    ASKED(w, "NAPTR b.example\nSRV _sip._udp.b.example\nSRV _sip._tcp.b.example\nSRV _sips._tcp.b.example\n"
             "AAAA b.example\nA b.example\n");
    EXPECT(w, "sips:B.Example.", "TLS 192.0.2.4:5061 b.example.\n"); /* the case of names does not count */
    ASKED(w, "");
}

static void test_service_that_is_declared_absent(void **state)
{
    struct world *w = *state;
    static const char *const zone[] = {
        "SRV _sip._tcp.a.example 60 0 0 0 .",
        "A a.example 60 192.0.2.3",
        NULL,
    };
    w->zone = zone;
    EXPECT(w, "sip:a.example;transport=tcp", "");
    EXPECT(w, "sip:a.example;transport=udp", "UDP 192.0.2.3:5060 \n");
}

static void test_both_families_by_turns(void **state)
{
    struct world *w = *state;
    static const char *const zone[] = {
        "A a.example 60 192.0.2.1",
        "AAAA a.example 60 [2001:db8::1]",
        "AAAA a.example 60 [2001:db8::1]",
        NULL,
    };
    w->zone = zone;
    EXPECT(w, "sip:a.example:5060", "UDP [2001:db8::1]:5060 \nUDP 192.0.2.1:5060 \n"); /* each once */
    struct sip_target target = target_of("sip:a.example:5060");
    target.side = 2;
    locate_target(w, &target);
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:5060 \n");
}

/* RFC 2782: priorities in order, weights by chance. */
static void test_weights(void **state)
{
    struct world *w = *state;
    static const char *const zone[] = {
        "SRV _sip._udp.a.example 60 20 100 5060 d.a.example",
        "SRV _sip._udp.a.example 60 10 0 5060 a.a.example",
        "SRV _sip._udp.a.example 60 10 10 5060 b.a.example",
        "SRV _sip._udp.a.example 60 10 30 5060 c.a.example",
        "A a.a.example 60 192.0.2.1",
        "A b.a.example 60 192.0.2.2",
        "A c.a.example 60 192.0.2.3",
        "A d.a.example 60 192.0.2.4",
        NULL,
    };
    unsigned first[5] = {0};
    w->zone = zone;
    for (int i = 0; i < 4100; i++) {
        locate(w, "sip:a.example;transport=udp");
        const char *text = buf_text(&w->hops);
        assert_int_equal(w->hops.n, 4 * strlen("UDP 192.0.2.1:5060 \n"));
        first[text[12] - '0']++;
        assert_int_equal(text[3 * 20 + 12], '4'); /* the lower priority is last, always */
    }
    assert_in_range(first[1], 40, 200); /* 1 of 41 */
    assert_in_range(first[2], 850, 1150);
    assert_in_range(first[3], 2850, 3150);
    assert_int_equal(first[4], 0);
}

/* 18.1.1: whether a large request may go by TCP instead. */
static void test_who_said_udp(void **state)
{
    struct world *w = *state;
    struct sip_hops hops;
    static const struct {
        const char *uri;
        bool tcp_too;
    } table[] = {
        {"sip:192.0.2.1:5062", true}, {"sip:192.0.2.1;transport=udp", false}, {"sip:192.0.2.1;transport=tcp", false}};
    for (size_t i = 0; i < 3; i++) {
        struct sip_target target = target_of(table[i].uri);
        assert_int_equal(sip_locate(w->locator, w->now, &target, 5, &hops), 0);
        assert_int_equal(hops.hop[0].tcp_too, table[i].tcp_too);
    }
    struct sip_locate_side udp = {{true, false, false}, true, true};
    sip_locate_set_side(w->locator, 1, &udp);
    struct sip_target target = target_of(table[0].uri);
    assert_int_equal(sip_locate(w->locator, w->now, &target, 5, &hops), 0);
    assert_false(hops.hop[0].tcp_too);
}

/* ---- keeping, failing ---- */

static void pass(struct world *w, int64_t ms)
{
    w->now.mono = mono_after_ms(w->now.mono, ms);
    sip_locate_tick(w->locator, w->now);
}

static const char *const one_zone[] = {"A a.example 30 192.0.2.1", "SRV _sip._udp.b.example 0 1 1 7 a.example", NULL};

static void test_answers_are_kept_as_long_as_they_are_valid(void **state)
{
    struct world *w = *state;
    struct sip_target target = target_of("sip:a.example:5060");
    target.side = 2;
    w->zone = one_zone;
    locate_target(w, &target);
    ASKED(w, "A a.example\n");
    assert_int_equal(mono_since_us(w->expires, w->now.mono), 30000000);
    pass(w, 29999);
    locate_target(w, &target);
    ASKED(w, "");
    pass(w, 1);
    locate_target(w, &target);
    ASKED(w, "A a.example\n");
    sip_locate_forget(w->locator);
    locate_target(w, &target);
    ASKED(w, "A a.example\n");
    /* A lifetime of nothing is good for the look-up that asked, and for a second. */
    EXPECT(w, "sip:b.example;transport=udp", "UDP 192.0.2.1:7 \n");
    assert_int_equal(mono_since_us(w->expires, w->now.mono), 1000000);
}

static void test_stale_answers_serve_when_the_dns_fails(void **state)
{
    struct world *w = *state;
    struct sip_target target = target_of("sip:a.example:5060");
    target.side = 2;
    w->zone = one_zone;
    locate_target(w, &target);
    pass(w, 31000);
    w->failure = ERR_TIMEOUT;
    locate_target(w, &target);
    ASKED(w, "A a.example\n");
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:5060 \n");
    locate_target(w, &target); /* not asked again at once */
    ASKED(w, "");
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:5060 \n");
    pass(w, 10000);
    locate_target(w, &target);
    ASKED(w, "A a.example\n");
    pass(w, 86400000);
    locate_target(w, &target);
    assert_string_equal(buf_text(&w->hops), "");
    w->failure = 0;
    pass(w, 10000);
    locate_target(w, &target);
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:5060 \n");
    pass(w, 31000);
    w->failure = ERR_NOT_FOUND; /* that is an answer */
    locate_target(w, &target);
    assert_string_equal(buf_text(&w->hops), "");
}

/* It does not say that it fails: a look-up waits as long as it may, those that follow do not wait at all. */
static void test_stale_answers_serve_when_the_dns_is_silent(void **state)
{
    struct world *w = *state;
    struct sip_target target = target_of("sip:b.example;transport=udp");
    target.side = 2;
    w->zone = one_zone;
    locate_target(w, &target);
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:7 \n");
    pass(w, 31000);
    unsigned before = w->found;
    w->failure = 1;
    locate_target(w, &target);
    ASKED(w, "SRV _sip._udp.b.example\n");
    pass(w, 3999);
    drain(w);
    assert_int_equal(w->found, before);
    pass(w, 1);
    drain(w);
    assert_int_equal(w->found, before + 1);
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:7 \n");
    assert_int_equal(mono_since_us(w->expires, w->now.mono), 10000000); /* worth another question then */
    w->failure = ERR_TIMEOUT;
    for (size_t i = 0; i < w->query_count; i++)
        answer(w, w->queries[i], i ? SIP_DNS_A : SIP_DNS_SRV, "");
    w->query_count = 0;
    w->failure = 1;
    pass(w, 10000);
    locate_target(w, &target); /* that it fails is known by now: at once, while it is asked again */
    ASKED(w, "SRV _sip._udp.b.example\nA a.example\n");
    assert_int_equal(w->found, before + 2);
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:7 \n");
    w->failure = 0;
    answer(w, w->queries[0], SIP_DNS_SRV, "_sip._udp.b.example");
    answer(w, w->queries[1], SIP_DNS_A, "a.example");
    pass(w, 31000);
    w->failure = 1;
    locate_target(w, &target); /* it has answered: its word counts again */
    assert_int_equal(w->found, before + 2);
}

static void test_a_dns_that_never_answers(void **state)
{
    struct world *w = *state;
    w->failure = 1;
    w->zone = one_zone;
    locate(w, "sip:a.example:5060"); /* AAAA and A */
    locate(w, "sip:a.example:5061");
    ASKED(w, ""); /* under way already */
    assert_int_equal(w->query_count, 2);
    assert_int_equal(w->found, 0);
    pass(w, 3999);
    drain(w);
    assert_int_equal(w->found, 0);
    answer(w, w->queries[1], SIP_DNS_A, "a.example"); /* says nothing yet */
    w->failure = 0;
    answer(w, w->queries[1], SIP_DNS_A, "a.example"); /* such a question is no longer under way */
    assert_int_equal(sip_locate_deadline(w->locator).us, w->now.mono.us + 1000);
    pass(w, 1);
    drain(w);
    assert_int_equal(w->found, 2);
    assert_int_equal(sip_locate_deadline(w->locator).us, MONO_NEVER.us);
    assert_int_equal(sip_locate_counters(w->locator)->timeouts, 2);
}

/* One family answers, the other does not: what there is serves. */
static void test_half_an_answer(void **state)
{
    struct world *w = *state;
    w->failure = 1;
    w->zone = one_zone;
    locate(w, "sip:a.example:5060");
    w->failure = 0;
    answer(w, w->queries[1], SIP_DNS_A, "a.example");
    drain(w);
    assert_int_equal(w->found, 0);
    pass(w, 4000);
    drain(w);
    assert_int_equal(w->found, 1);
    assert_string_equal(buf_text(&w->hops), "UDP 192.0.2.1:5060 \n");
    assert_true(mono_since_us(w->expires, w->now.mono) <= 10000000);
}

static void test_cancel(void **state)
{
    struct world *w = *state;
    w->failure = 1;
    w->zone = one_zone;
    locate(w, "sip:a.example:5060");
    sip_locate_cancel(w->locator, 4);
    assert_true(sip_locate_deadline(w->locator).us != MONO_NEVER.us);
    sip_locate_cancel(w->locator, 5);
    assert_int_equal(sip_locate_deadline(w->locator).us, MONO_NEVER.us);
    w->failure = 0;
    for (size_t i = 0; i < w->query_count; i++)
        answer(w, w->queries[i], SIP_DNS_A, "a.example");
    drain(w);
    assert_int_equal(w->found, 0);
}

static void test_what_failed_comes_last(void **state)
{
    struct world *w = *state;
    w->zone = rfc_zone;
    struct sip_hop hop = {.transport = SIP_TCP};
    assert_int_equal(addr_parse(slice_str("192.0.2.1:5060"), 0, &hop.addr), 0);
    sip_locate_failed(w->locator, w->now, &hop);
    EXPECT(w, "sip:example.com;transport=tcp", "TCP 192.0.2.2:5070 \nTCP 192.0.2.1:5060 \n");
    pass(w, 59999);
    EXPECT(w, "sip:example.com;transport=tcp", "TCP 192.0.2.2:5070 \nTCP 192.0.2.1:5060 \n");
    pass(w, 1);
    EXPECT(w, "sip:example.com;transport=tcp", "TCP 192.0.2.1:5060 \nTCP 192.0.2.2:5070 \n");
    sip_locate_failed(w->locator, w->now, &hop);
    sip_locate_worked(w->locator, &hop);
    EXPECT(w, "sip:example.com;transport=tcp", "TCP 192.0.2.1:5060 \nTCP 192.0.2.2:5070 \n");
    /* As many as there may be; the oldest gives way. */
    for (unsigned i = 0; i < 3000; i++) {
        hop.addr.port = (uint16_t)(6000 + i);
        sip_locate_failed(w->locator, w->now, &hop);
    }
    assert_int_equal(sip_locate_counters(w->locator)->memory_refused, 0);
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    struct world *w = *state;
    struct sip_hops hops;
    char host[64];
    sip_locator_free(w->locator);
    w->config.jobs_max = 3;
    w->config.names_max = 64;
    make(w);
    w->failure = 1;
    struct sip_target target = target_of("sip:a.example:5060");
    for (int i = 0; i < 3; i++)
        assert_int_equal(sip_locate(w->locator, w->now, &target, 1, &hops), 1);
    assert_int_equal(sip_locate(w->locator, w->now, &target, 1, &hops), ERR_LIMIT);
    target.side = SIP_LOCATE_SIDES_MAX;
    assert_int_equal(sip_locate(w->locator, w->now, &target, 1, &hops), ERR_RANGE);
    pass(w, 4000);
    drain(w);
    w->query_count = 0;
    w->failure = 0;
    for (int i = 0; i < 500; i++) {
        snprintf(host, sizeof host, "sip:h%d.example:5060", i);
        locate(w, host);
    }
    ASKED(w, "AAAA h499.example\nA h499.example\n");
    locate(w, "sip:h499.example:5060");
    ASKED(w, "");
    locate(w, "sip:h1.example:5060"); /* gave way long ago */
    ASKED(w, "AAAA h1.example\nA h1.example\n");
}

/* Names that lead to ever more names. */
static void test_a_hostile_zone(void **state)
{
    struct world *w = *state;
    char lines[200][96];
    const char *zone[201];
    for (int i = 0; i < 32; i++)
        snprintf(lines[i], sizeof lines[i], "NAPTR evil.example 60 %d 0 s SIP+D2U _s%d.evil.example", i, i);
    for (int i = 32; i < 200; i++)
        snprintf(lines[i], sizeof lines[i], "SRV _s%d.evil.example 60 0 0 5060 h%d.evil.example", i % 32, i);
    for (int i = 0; i < 200; i++)
        zone[i] = lines[i];
    zone[200] = NULL;
    w->zone = zone;
    EXPECT(w, "sip:evil.example", "");
    assert_in_range(sip_locate_counters(w->locator)->queries, 32, 96); /* of more than 200 that it would take */
}

static void test_no_memory(void **state)
{
    struct world *w = *state;
    struct sip_hops hops;
    w->zone = rfc_zone;
    struct sip_target target = target_of("sip:user@example.com");
    for (unsigned long nth = 1; nth < 80; nth++) {
        sip_locator_free(w->locator);
        make(w);
        mem_fail_at(nth);
        int result = sip_locate(w->locator, w->now, &target, 5, &hops);
        if (result == 1)
            drain(w);
        mem_fail_at(0);
        pass(w, 4000);
        drain(w);
        assert_int_equal(sip_locate_deadline(w->locator).us, MONO_NEVER.us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_addresses_need_no_dns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_maddr, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_schemes_and_transports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_naptr, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_questions_of_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_transport_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_port_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_naptr, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_service_that_is_declared_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_both_families_by_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_weights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_said_udp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers_are_kept_as_long_as_they_are_valid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_answers_serve_when_the_dns_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_answers_serve_when_the_dns_is_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dns_that_never_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_failed_comes_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hostile_zone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
