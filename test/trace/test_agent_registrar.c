/* Where a PBX is reached that registers: its Contacts, their order and their end, connections, translators of addresses (RFC 3261 10.3, 3581);
 * what of it is there after a restart. */
#include "agent_stage.h"

#include "agent/internal.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
    struct stage *s = agent_stage_new();
    struct agent_trunk_options *pbx = &s->options.trunks[PBX];
    mem_free(pbx->host);
    pbx->host = NULL;
    pbx->registers = true;
    pbx->user = mem_strdup("pbx");
    pbx->source_count = 1;
    assert_int_equal(addr_parse(slice_str("10.0.0.1"), 1, &pbx->sources[0]), 0);
    agent_options_point(&s->options, AGENT_PBX, SIP_TCP, "10.0.0.9:5060");
    agent_stage_start(s);
    *state = s;
    return 0;
}

/* ---- REGISTER ---- */

struct registering {
    const char *from;    /* NULL: 10.0.0.1:5060 */
    const char *sent_by; /* in Via, with parameters; NULL: the same */
    const char *contact; /* the value; NULL: it only asks */
    const char *more;    /* further fields; NULL: none */
    uint64_t conn;       /* 0: UDP */
    unsigned cseq;       /* 0: the next */
};

static void registers(struct stage *s, const struct registering *r)
{
    struct sip_flow flow = {.transport = r->conn ? SIP_TCP : SIP_UDP, .side = AGENT_PBX, .conn = r->conn};
    const char *from = r->from ? r->from : "10.0.0.1:5060";
    char text[STAGE_MESSAGE_OCTETS];
    assert_int_equal(addr_parse(slice_str(from), 0, &flow.peer), 0);
    s->branch++;
    snprintf(text, sizeof text,
             "REGISTER sip:a.example SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKr%u\r\nMax-Forwards: 70\r\n"
             "From: <sip:pbx@a.example>;tag=r\r\nTo: <sip:pbx@a.example>\r\nCall-ID: register\r\nCSeq: %u REGISTER\r\n"
             "%s%s%s%sContent-Length: 0\r\n\r\n",
             r->conn ? "TCP" : "UDP", r->sent_by ? r->sent_by : from, s->branch, r->cseq ? r->cseq : s->branch,
             r->contact ? "Contact: " : "", r->contact ? r->contact : "", r->contact ? "\r\n" : "",
             r->more ? r->more : "");
    s->to_strangers[0] = 0;
    stage_send_over(s, &flow, text);
}

/* The PBX answers from its usual address. */
static void registers_well(struct stage *s, const char *contact, const char *expected)
{
    registers(s, &(struct registering){.contact = contact});
    stage_take(s, PBX, "200");
    assert_string_equal(stage_field(s, SIP_CONTACT), expected);
}

/* Somebody calls; where the INVITE goes to that is not the PBX's usual address. */
static const struct sip_hop *calls(struct stage *s, struct talk *bob, const char *begins_with)
{
    s->to_strangers[0] = 0;
    talk_call(s, bob, CARRIER_1, "+49301001234");
    talk_heard(bob, "100");
    assert_memory_equal(s->to_strangers, begins_with, strlen(begins_with));
    return &s->stranger;
}

static void assert_at(const struct sip_hop *hop, const char *address)
{
    char text[ADDR_TEXT_OCTETS];
    assert_string_equal(addr_format(&hop->addr, text), address);
}

/* What was sent last to where the PBX is now is answered with 200 and that Contact; its ACK is what was sent there next. */
static void accepts(struct stage *s, struct talk *caller, const struct sip_flow *flow, const char *contact)
{
    char text[STAGE_MESSAGE_OCTETS];
    struct region region;
    struct sip_message m;
    region_init(&region, 1 << 20);
    assert_int_equal(sip_parse(&region, slice_str(s->to_strangers), SIP_DATAGRAM, &m, NULL), 0);
    snprintf(text, sizeof text,
             "SIP/2.0 200 OK\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s;tag=ann\r\nCall-ID: %.*s\r\nCSeq: 1 INVITE\r\n"
             "Contact: %s\r\nContent-Length: 0\r\n\r\n",
             SLICE_PRINT(sip_field_first(&m, SIP_VIA)->value), SLICE_PRINT(sip_field_first(&m, SIP_FROM)->value),
             SLICE_PRINT(sip_field_first(&m, SIP_TO)->value), SLICE_PRINT(sip_field_first(&m, SIP_CALL_ID)->value),
             contact);
    region_fini(&region);
    stage_send_over(s, flow, text);
    talk_heard(caller, "200");
    talk_ack(caller);
}

/* ---- where it is reached ---- */

static void at_its_contact(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    registers_well(s, "<sip:pbx@10.0.0.2:5070>;expires=600", "<sip:pbx@10.0.0.2:5070>;expires=600");
    assert_at(calls(s, &bob, "INVITE sip:+49301001234@10.0.0.2:5070 SIP/2.0\r\n"), "10.0.0.2:5070");
    /* What comes from there, or from where it registered, is its. */
    stage_send_from(
        s, AGENT_PBX, "10.0.0.2:5070",
        "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKo\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    assert_memory_equal(s->to_strangers, "SIP/2.0 200", 11);
}

/* The addresses that it knows are none here. */
static void behind_a_translator(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    registers(s, &(struct registering){.from = "10.0.0.1:61000",
                                       .sent_by = "192.168.1.2:5060;rport",
                                       .contact = "<sip:pbx@192.168.1.2:5060>"});
    assert_memory_equal(s->to_strangers, "SIP/2.0 200", 11);
    assert_at(&s->stranger, "10.0.0.1:61000");
    assert_at(calls(s, &bob, "INVITE sip:+49301001234@192.168.1.2:5060 SIP/2.0\r\n"), "10.0.0.1:61000");
    /* It answers with that address as well; so does what follows inside the dialog. */
    accepts(s, &bob, &(struct sip_flow){.transport = SIP_UDP, .side = AGENT_PBX, .peer = s->stranger.addr},
            "<sip:ann@192.168.1.2:5060>");
    assert_memory_equal(s->to_strangers, "ACK sip:ann@192.168.1.2:5060", 28);
    assert_at(&s->stranger, "10.0.0.1:61000");
}

/* The port of a connection is none to call back to: the connection itself is used, and afterwards the Contact. */
static void over_its_connection(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    registers(s, &(struct registering){
                     .from = "10.0.0.1:49152", .contact = "<sip:pbx@10.0.0.1:5080;transport=tcp>", .conn = 7});
    assert_memory_equal(s->to_strangers, "SIP/2.0 200", 11);
    const struct sip_hop *hop = calls(s, &bob, "INVITE sip:+49301001234@10.0.0.1:5080;transport=tcp SIP/2.0\r\n");
    assert_int_equal(hop->transport, SIP_TCP);
    assert_int_equal(hop->conn, 7);
    assert_at(hop, "10.0.0.1:5080");
    /* Also inside of dialogs, though the Contact there does not say that it is TCP. */
    struct sip_flow flow = {.transport = SIP_TCP, .side = AGENT_PBX, .conn = 7};
    assert_int_equal(addr_parse(slice_str("10.0.0.1:49152"), 0, &flow.peer), 0);
    accepts(s, &bob, &flow, "<sip:ann@10.0.0.1:5080>");
    assert_memory_equal(s->to_strangers, "ACK sip:ann@10.0.0.1:5080 ", 26);
    assert_int_equal(s->stranger.transport, SIP_TCP);
    assert_int_equal(s->stranger.conn, 7);
}

static void by_name(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    registers_well(s, "<sip:pbx@pbx.a.example>", "<sip:pbx@pbx.a.example>;expires=3600");
    talk_call(s, &bob, CARRIER_1, "+49301001234");
    talk_heard(&bob, "100");
    talk_called(s, &ann, PBX); /* where it registered from */
    assert_slice_text(s->message.uri, "sip:+49301001234@pbx.a.example");
}

/* ---- several ---- */

static void by_q(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    registers_well(s, "<sip:pbx@10.0.0.2>;q=0.5, <sip:pbx@10.0.0.1:5060>;q=0.75",
                   "<sip:pbx@10.0.0.1:5060>;expires=3600;q=0.750, <sip:pbx@10.0.0.2>;expires=3600;q=0.500");
    talk_call(s, &bob, CARRIER_1, "+49301001234");
    talk_heard(&bob, "100");
    talk_called(s, &ann, PBX);
    assert_string_equal(s->to_strangers, "");
    talk_answer(&ann, 503, NULL);
    talk_asked(&ann, "ACK");
    assert_memory_equal(s->to_strangers, "INVITE sip:+49301001234@10.0.0.2 ", 33);
    /* A better one, registered on its own. */
    registers_well(s, "<sip:pbx@10.0.0.3>",
                   "<sip:pbx@10.0.0.3>;expires=3600, <sip:pbx@10.0.0.1:5060>;expires=3600;q=0.750, "
                   "<sip:pbx@10.0.0.2>;expires=3600;q=0.500");
    assert_at(calls(s, &bob, "INVITE sip:+49301001234@10.0.0.3 "), "10.0.0.3:5060");
}

static void no_room(void **state)
{
    struct stage *s = *state;
    char contact[64];
    for (unsigned i = 0; i < 9; i++) {
        snprintf(contact, sizeof contact, "<sip:pbx@10.0.1.%u>;expires=%u", i, 600 + (i + 1) % 9 * 100);
        registers(s, &(struct registering){.contact = contact});
        stage_take(s, PBX, "200");
    }
    assert_non_null(strstr(stage_field(s, SIP_CONTACT), "<sip:pbx@10.0.1.8>;expires=600"));
    assert_null(strstr(stage_field(s, SIP_CONTACT), "<sip:pbx@10.0.1.0>")); /* the first of those there to end */
}

/* ---- their end ---- */

static void each_in_its_time(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    registers_well(s, "<sip:pbx@10.0.0.2>;expires=60, <sip:pbx@10.0.0.3>;q=0.1;expires=120",
                   "<sip:pbx@10.0.0.2>;expires=60, <sip:pbx@10.0.0.3>;expires=120;q=0.100");
    stage_run(s, 59999);
    assert_at(calls(s, &bob, "INVITE"), "10.0.0.2:5060");
    stage_run(s, 1);
    assert_at(calls(s, &bob, "INVITE"), "10.0.0.3:5060");
    registers_well(s, "<sip:pbx@10.0.0.3>;expires=0", "");
    talk_call(s, &bob, CARRIER_1, "+49301001234");
    talk_heard(&bob, "100");
    talk_heard(&bob, "503");
    talk_ack(&bob);
}

static void all_at_once(void **state)
{
    struct stage *s = *state;
    registers_well(s, "<sip:pbx@10.0.0.2>, <sip:pbx@10.0.0.3>",
                   "<sip:pbx@10.0.0.3>;expires=3600, <sip:pbx@10.0.0.2>;expires=3600");
    registers(s, &(struct registering){.contact = "*"});
    stage_take(s, PBX, "400"); /* only with Expires: 0 */
    registers(s, &(struct registering){.contact = "*, <sip:pbx@10.0.0.4>", .more = "Expires: 0\r\n"});
    stage_take(s, PBX, "400");
    registers(s, &(struct registering){.contact = "*", .more = "Expires: 0\r\n"});
    stage_take(s, PBX, "200");
    assert_string_equal(stage_field(s, SIP_CONTACT), "");
}

/* ---- what is refused changes nothing ---- */

static void what_came_before(void **state)
{
    struct stage *s = *state;
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.2>", .cseq = 10});
    stage_take(s, PBX, "200");
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.3>, <sip:pbx@10.0.0.2>;expires=0", .cseq = 9});
    stage_take(s, PBX, "500");
    stage_run(s, 32000); /* else it would be the first one by another way (RFC 3261 8.2.2.2) */
    registers(s, &(struct registering){.contact = "*", .more = "Expires: 0\r\n", .cseq = 10});
    stage_take(s, PBX, "500");
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.2>;q=0", .cseq = 11});
    stage_take(s, PBX, "200");
    assert_string_equal(stage_field(s, SIP_CONTACT), "<sip:pbx@10.0.0.2>;expires=3600;q=0.000");
}

static void too_short(void **state)
{
    struct stage *s = *state;
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.2>, <sip:pbx@10.0.0.3>;expires=59"});
    stage_take(s, PBX, "423");
    assert_string_equal(stage_field(s, SIP_MIN_EXPIRES), "60");
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.3>;expires=0"});
    stage_take(s, PBX, "200");
    assert_string_equal(stage_field(s, SIP_CONTACT), "");
}

static void not_from_there(void **state)
{
    struct stage *s = *state;
    registers(s, &(struct registering){.from = "10.0.0.66:5060", .contact = "<sip:pbx@10.0.0.66>"});
    assert_memory_equal(s->to_strangers, "SIP/2.0 403", 11);
}

/* ---- after a restart ---- */

/* It asks what it has registered. */
static void assert_registered(struct stage *s, const char *expected)
{
    registers_well(s, NULL, expected);
}

static void disk_turns(struct stage *s)
{
    s->disk_waits = false;
    stage_run(s, 0);
}

/* The program was away for so long. */
static void restart_after(struct stage *s, int64_t ms, bool crash)
{
    s->now.wall.ms += ms;
    s->now.mono.us += 1234567; /* a clock that has begun anew */
    agent_stage_restart(s, crash);
}

static void fails(struct stage *s, struct talk *bob)
{
    talk_call(s, bob, CARRIER_1, "+49301001234");
    talk_heard(bob, "100");
    talk_heard(bob, "503");
    talk_ack(bob);
}

static void is_known_again(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    for (unsigned i = 0; i < 4; i++) {
        registers_well(s, "<sip:pbx@10.0.0.3>;q=0.5;expires=1000, <sip:pbx@10.0.0.2:5070>;expires=600",
                       "<sip:pbx@10.0.0.2:5070>;expires=600, <sip:pbx@10.0.0.3>;expires=1000;q=0.500");
        stage_run(s, 100000);
        restart_after(s, 60000, i & 1);
        assert_int_equal(agent_counters(s->agent)->registrations_restored, 2);
        assert_at(calls(s, &bob, "INVITE sip:+49301001234@10.0.0.2:5070 SIP/2.0\r\n"), "10.0.0.2:5070");
        assert_registered(s, "<sip:pbx@10.0.0.2:5070>;expires=440, <sip:pbx@10.0.0.3>;expires=840;q=0.500");
        stage_run(s, 440000); /* nobody answers that call */
        while (!stage_is_quiet(s, CARRIER_1))
            stage_skip(s, CARRIER_1);
        assert_at(calls(s, &bob, "INVITE"), "10.0.0.3:5060");
    }
    /* Each of them is as it was: nothing old changes it. */
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.4>", .cseq = 1000});
    stage_take(s, PBX, "200");
    restart_after(s, 0, true);
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.4>;expires=0", .cseq = 999});
    stage_take(s, PBX, "500");
    registers(s, &(struct registering){.contact = "*", .more = "Expires: 0\r\n", .cseq = 1001});
    stage_take(s, PBX, "200");
    assert_int_equal(memory_store_count(s->store, KV_AGENT_BINDING), 0);
    restart_after(s, 0, true);
    assert_registered(s, "");
}

/* The way through a translator is there as before. A connection is not: its Contact is connected to. */
static void its_ways_after_a_restart(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    registers(s, &(struct registering){.from = "10.0.0.1:61000",
                                       .sent_by = "192.168.1.2:5060;rport",
                                       .contact = "<sip:pbx@192.168.1.2:5060>"});
    restart_after(s, 0, true);
    assert_at(calls(s, &bob, "INVITE sip:+49301001234@192.168.1.2:5060 SIP/2.0\r\n"), "10.0.0.1:61000");
    accepts(s, &bob, &(struct sip_flow){.transport = SIP_UDP, .side = AGENT_PBX, .peer = s->stranger.addr},
            "<sip:ann@192.168.1.2:5060>");
    assert_at(&s->stranger, "10.0.0.1:61000");
    registers(s, &(struct registering){
                     .from = "10.0.0.1:49152", .contact = "<sip:pbx@10.0.0.1:5080;transport=tcp>", .conn = 7});
    restart_after(s, 0, true);
    const struct sip_hop *hop = calls(s, &bob, "INVITE sip:+49301001234@10.0.0.1:5080;transport=tcp SIP/2.0\r\n");
    assert_int_equal(hop->transport, SIP_TCP);
    assert_int_equal(hop->conn, 0);
    assert_at(hop, "10.0.0.1:5080");
    /* Nobody is there: the next one is tried. */
    agent_unreachable(s->agent, s->now, &s->stranger);
    stage_run(s, 0);
    assert_at(&s->stranger, "10.0.0.1:61000");
}

/* A crash at each moment: while it is written nothing is acknowledged and nothing has changed; what was acknowledged stays. */
static void not_before_it_is_durable(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    s->disk_waits = true;
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.2>"});
    assert_true(stage_is_quiet(s, PBX));
    fails(s, &bob);
    s->disk_waits = false;
    agent_stage_restart(s, true);
    assert_registered(s, "");

    s->disk_waits = true;
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.2>"});
    disk_turns(s);
    agent_stage_restart(s, true); /* the answer was lost on its way */
    assert_registered(s, "<sip:pbx@10.0.0.2>;expires=3600");

    s->disk_waits = true;
    registers(s, &(struct registering){.contact = "*", .more = "Expires: 0\r\n"});
    assert_true(stage_is_quiet(s, PBX));
    assert_at(calls(s, &bob, "INVITE"), "10.0.0.2:5060");
    s->disk_waits = false;
    agent_stage_restart(s, true);
    assert_registered(s, "<sip:pbx@10.0.0.2>;expires=3600");

    s->disk_waits = true;
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.3>;expires=60"});
    stage_run(s, 61000); /* a disk that is so slow that it has ended */
    assert_true(stage_is_quiet(s, PBX));
    disk_turns(s);
    stage_skip(s, PBX);
    assert_registered(s, "<sip:pbx@10.0.0.2>;expires=3539");
}

static void cannot_be_written(void **state)
{
    struct stage *s = *state;
    const char *before = "<sip:pbx@10.0.0.2>;expires=3600";
    registers_well(s, "<sip:pbx@10.0.0.2>", before);
    memory_store_fail(s->store, 1, ERR_IO);
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.3>, <sip:pbx@10.0.0.2>;expires=0"});
    stage_take(s, PBX, "500");
    assert_registered(s, before);
    memory_store_refuse(s->store, ERR_NO_SPACE);
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.3>"});
    stage_take(s, PBX, "500");
    registers(s, &(struct registering){.contact = "*", .more = "Expires: 0\r\n"});
    stage_take(s, PBX, "500");
    assert_registered(s, before);
    memory_store_refuse(s->store, 0);
    assert_int_equal(agent_counters(s->agent)->registrations_unwritten, 3);
    assert_int_equal(agent_counters(s->agent)->registrations, 1);
    agent_stage_restart(s, true);
    assert_registered(s, before);
    registers_well(s, "<sip:pbx@10.0.0.2>;expires=0", "");
}

/* While one is written the others of the PBX wait; each is decided by what has become of those before. */
static void several_at_once(void **state)
{
    struct stage *s = *state;
    char contact[64];
    s->disk_waits = true;
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.2>"});
    for (unsigned i = 0; i < REGISTERS_WAITING_MAX; i++) {
        snprintf(contact, sizeof contact, "<sip:pbx@10.0.1.%u>;expires=%u", i % 2, i == 7 ? 59 : 100 + i);
        registers(s, &(struct registering){.contact = contact});
    }
    assert_true(stage_is_quiet(s, PBX));
    registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.4>"});
    stage_take(s, PBX, "503");
    assert_string_equal(stage_field(s, SIP_RETRY_AFTER), "1");
    memory_store_fail(s->store, 1, ERR_IO);
    disk_turns(s);
    stage_take(s, PBX, "500"); /* the first one */
    for (unsigned i = 0; i < REGISTERS_WAITING_MAX; i++)
        stage_take(s, PBX, i == 7 ? "423" : "200");
    stage_quiet(s);
    assert_registered(s, "<sip:pbx@10.0.1.1>;expires=115, <sip:pbx@10.0.1.0>;expires=114");
    agent_stage_restart(s, true);
    assert_registered(s, "<sip:pbx@10.0.1.1>;expires=115, <sip:pbx@10.0.1.0>;expires=114");
}

static void ends_while_away(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    registers_well(s, "<sip:pbx@10.0.0.2>;expires=60, <sip:pbx@10.0.0.3>;q=0.1;expires=120",
                   "<sip:pbx@10.0.0.2>;expires=60, <sip:pbx@10.0.0.3>;expires=120;q=0.100");
    restart_after(s, 60000, true);
    assert_at(calls(s, &bob, "INVITE"), "10.0.0.3:5060");
    restart_after(s, 60000, true);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_BINDING), 0);
    assert_int_equal(agent_counters(s->agent)->registrations_restored, 0);
    fails(s, &bob);
    /* Nothing is there for longer than can be asked for, whatever becomes of the clock. */
    registers_well(s, "<sip:pbx@10.0.0.2>;expires=60", "<sip:pbx@10.0.0.2>;expires=60");
    restart_after(s, -86400000, true);
    assert_registered(s, "<sip:pbx@10.0.0.2>;expires=3600");
}

static void put_row(struct stage *s, const char *name, struct slice row)
{
    const struct kv *kv = memory_store_kv(s->store);
    assert_int_equal(kv_put(kv, KV_AGENT_BINDING, slice_str(name), row), 0);
    kv_commit(kv, NULL, NULL);
    memory_store_turn(s->store);
}

/* PBXs that are not in the configuration any longer, do not register any longer, or as somebody else. */
static void belongs_to_nobody(void **state)
{
    struct stage *s = *state;
    struct agent_trunk_options *pbx = &s->options.trunks[PBX];
    char *user = pbx->user;
    registers_well(s, "<sip:pbx@10.0.0.2>", "<sip:pbx@10.0.0.2>;expires=3600");
    put_row(s, "former", slice_str("whatever"));
    put_row(s, "carrier-1", slice_str("whatever"));
    agent_stage_restart(s, true);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_BINDING), 1);
    assert_int_equal(agent_counters(s->agent)->registrations_corrupt, 0);
    pbx->user = mem_strdup("other");
    agent_stage_restart(s, true);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_BINDING), 0);
    mem_free(pbx->user);
    pbx->user = user;
    agent_stage_restart(s, true);
    assert_registered(s, "");
    registers_well(s, "<sip:pbx@10.0.0.2>", "<sip:pbx@10.0.0.2>;expires=3600");
    pbx->registers = false;
    agent_stage_restart(s, true);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_BINDING), 0);
    assert_int_equal(agent_counters(s->agent)->registrations_restored, 0);
}

/* Counted and skipped; the agent starts, and the PBX registers again. */
static void corrupt_rows(void **state)
{
    struct stage *s = *state;
    static const size_t version = 0, q = 1 + 2 + 3 + 2 + 16 + 2 + 8 + 4, transport = q + 2 + 8, family = transport + 1;
    const size_t places[] = {version, q, transport, family, family + 19};
    uint8_t row[256];
    struct slice stored;
    registers_well(s, "<sip:pbx@10.0.0.2>", "<sip:pbx@10.0.0.2>;expires=3600");
    assert_int_equal(kv_get(memory_store_kv(s->store), KV_AGENT_BINDING, slice_str("pbx"), &stored), 0);
    const size_t n = stored.n;
    assert_int_equal(n, family + 2 * 19 + 1);
    memcpy(row, stored.p, n);
    for (size_t i = 0; i < n; i++) {
        put_row(s, "pbx", slice_of(row, i));
        agent_stage_restart(s, true);
        assert_int_equal(agent_counters(s->agent)->registrations_corrupt, 1);
        assert_int_equal(agent_counters(s->agent)->registrations_restored, 0);
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const uint8_t good = row[places[i]];
        row[places[i]] = 99;
        put_row(s, "pbx", slice_of(row, n));
        agent_stage_restart(s, true);
        assert_int_equal(agent_counters(s->agent)->registrations_corrupt, 1);
        row[places[i]] = good;
    }
    assert_registered(s, "");
    put_row(s, "pbx", slice_of(row, n));
    agent_stage_restart(s, true);
    assert_int_equal(agent_counters(s->agent)->registrations_corrupt, 0);
    assert_registered(s, "<sip:pbx@10.0.0.2>;expires=3600");
}

/* In whichever allocation: answered with 500 or lost, and as it was before. */
static void no_memory(void **state)
{
    struct stage *s = *state;
    unsigned failed = 0;
    registers_well(s, "<sip:pbx@10.0.0.2>", "<sip:pbx@10.0.0.2>;expires=3600");
    for (unsigned long at = 1; at < 40; at++) {
        mem_fail_at(at);
        registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.3>;expires=60"});
        mem_fail_at(0);
        const bool answered = !stage_is_quiet(s, PBX);
        stage_skip(s, PBX);
        if (answered && strstr(stage_text(s), "SIP/2.0 500")) {
            failed++;
            assert_registered(s, "<sip:pbx@10.0.0.2>;expires=3600");
        }
        registers(s, &(struct registering){.contact = "<sip:pbx@10.0.0.3>;expires=0"});
        stage_take(s, PBX, "200");
    }
    assert_true(failed > 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, agent_stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(at_its_contact),
        CASE(behind_a_translator),
        CASE(over_its_connection),
        CASE(by_name),
        CASE(by_q),
        CASE(no_room),
        CASE(each_in_its_time),
        CASE(all_at_once),
        CASE(what_came_before),
        CASE(too_short),
        CASE(not_from_there),
        CASE(is_known_again),
        CASE(its_ways_after_a_restart),
        CASE(not_before_it_is_durable),
        CASE(cannot_be_written),
        CASE(several_at_once),
        CASE(ends_while_away),
        CASE(belongs_to_nobody),
        CASE(corrupt_rows),
        CASE(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
