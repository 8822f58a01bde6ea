/* Who is named in messages: the same number as each side writes it, names and reasons as they came, and what people do not want to be known. */
#include "agent_stage.h"

#include <stdio.h>
#include <string.h>

#define NUMBER "+49302000001"

/* The PBX is in Berlin and dials as one does there; the carriers and other companies write +E.164. */
static int setup(void **state)
{
    struct stage *s = agent_stage_new();
    s->options.trunks[PBX].plan.plus = false;
    agent_stage_start(s);
    stage_learn(s, NUMBER, "b.example");
    *state = s;
    return 0;
}

/* A call with these fields, and the INVITE that it becomes. */
static void sends(struct stage *s, struct talk *caller, enum peer from, const char *user, const char *fields,
                  struct talk *called, enum peer to)
{
    talk_call_with(s, caller, from, user, fields);
    talk_heard(caller, "100");
    talk_called(s, called, to);
}

static void expect(struct stage *s, enum sip_header header, const char *value)
{
    assert_string_equal(stage_field(s, header), value);
}

#define FROM_PBX                                                                                \
    "P-Asserted-Identity: \"Ann\" <sip:0301001234@pbx>, <tel:+49-30-1001234>\r\n"               \
    "Remote-Party-ID: Ann <sip:0301001234@pbx>;party=calling;screen=yes\r\n"                    \
    "Diversion: \"Boss\" <sip:0301001111@pbx>;reason=unconditional;counter=1\r\n"               \
    "History-Info: <sip:0301001111@pbx;user=phone;cause=302?Reason=SIP%3Bcause%3D302>;index=1," \
    " <sip:ann@somewhere.example>;index=1.1\r\n"                                                \
    "Referred-By: <sip:0301001112@pbx>\r\n"

static void to_the_phone_network(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(s, &ann, PBX, "0309999999", FROM_PBX, &bob, CARRIER_1);
    expect(s, SIP_P_ASSERTED_IDENTITY,
           "\"Ann\" <sip:+49301001234@carrier-1;user=phone>, <sip:+49301001234@carrier-1;user=phone>");
    expect(s, SIP_REMOTE_PARTY_ID, "Ann <sip:+49301001234@carrier-1;user=phone>;party=calling;screen=yes");
    expect(s, SIP_DIVERSION, "\"Boss\" <sip:+49301001111@carrier-1;user=phone>;reason=unconditional;counter=1");
    expect(s, SIP_HISTORY_INFO,
           "<sip:+49301001111@carrier-1;user=phone;cause=302?Reason=SIP%3Bcause%3D302>;index=1,"
           " <sip:ann@somewhere.example>;index=1.1");
    expect(s, SIP_REFERRED_BY, "<sip:+49301001112@carrier-1;user=phone>");
    assert_slice_text(s->message.from.uri, "sip:+49301001234@carrier-1;user=phone");
    assert_slice_text(s->message.to.uri, "sip:+49309999999@carrier-1;user=phone");
}

static void to_another_company(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(s, &ann, PBX, "0302000001", FROM_PBX, &bob, FAR);
    expect(s, SIP_P_ASSERTED_IDENTITY,
           "\"Ann\" <sip:+49301001234@a.example;user=phone>, <sip:+49301001234@a.example;user=phone>");
    expect(s, SIP_DIVERSION, "\"Boss\" <sip:+49301001111@a.example;user=phone>;reason=unconditional;counter=1");
    assert_slice_text(s->message.from.uri, "sip:+49301001234@a.example;user=phone");
    assert_slice_text(s->message.to.uri, "sip:" NUMBER "@b.example;user=phone");
}

static void from_another_company(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    sends(s, &bob, FAR, "+49301001234",
          "P-Asserted-Identity: \"Bob\" <sip:" NUMBER "@b.example;user=phone>\r\n"
          "History-Info: <sip:+15551234@b.example;cause=302>;index=1\r\n",
          &ann, PBX);
    assert_slice_text(s->message.uri, "sip:0301001234@pbx;user=phone");
    assert_slice_text(s->message.from.uri, "sip:0302000001@pbx;user=phone");
    expect(s, SIP_P_ASSERTED_IDENTITY, "\"Bob\" <sip:0302000001@pbx;user=phone>");
    expect(s, SIP_HISTORY_INFO, "<sip:0015551234@pbx;user=phone;cause=302>;index=1");
}

/* Who has answered (RFC 3325 9.1), and who has taken over later (RFC 5876). */
static void who_is_connected(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    talk_answer(&bob, 180, "P-Asserted-Identity: <sip:+49309999999@carrier-1>\r\n");
    talk_heard(&ann, "180");
    expect(s, SIP_P_ASSERTED_IDENTITY, "<sip:0309999999@pbx;user=phone>");
    talk_accept(&ann, &bob);
    talk_request(&bob, "UPDATE", "P-Asserted-Identity: \"Cher\" <sip:+49309999998@carrier-1>\r\n", NULL);
    talk_asked(&ann, "UPDATE");
    expect(s, SIP_P_ASSERTED_IDENTITY, "\"Cher\" <sip:0309999998@pbx;user=phone>");
    talk_answer(&ann, 200, "P-Asserted-Identity: <sip:0301001234@pbx>\r\n");
    talk_heard(&bob, "200");
    expect(s, SIP_P_ASSERTED_IDENTITY, "<sip:+49301001234@carrier-1;user=phone>");
    stage_quiet(s);
}

static void of_messages(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_ask(s, &ann, PBX, "MESSAGE", "0302000001", "P-Asserted-Identity: <sip:0301001234@pbx>\r\n", "hello");
    talk_is_asked(s, &bob, FAR, "MESSAGE");
    expect(s, SIP_P_ASSERTED_IDENTITY, "<sip:+49301001234@a.example;user=phone>");
}

/* ---- privacy ---- */

static void unknown_to_another_company(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(s, &ann, PBX, "0302000001", "P-Preferred-Identity: <sip:0301001234@pbx>\r\nPrivacy: id;critical\r\n" FROM_PBX,
          &bob, FAR);
    expect(s, SIP_P_ASSERTED_IDENTITY, "");
    expect(s, SIP_P_PREFERRED_IDENTITY, "");
    expect(s, SIP_REMOTE_PARTY_ID, "");
    expect(s, SIP_PRIVACY, "id;critical");
    assert_string_equal(stage_record(s).calling.text, "+49301001234"); /* the record is ours */
}

/* A carrier needs to know whom it serves, and keeps it to itself. */
static void known_to_the_carrier(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(s, &ann, PBX, "0309999999", "Privacy: id\r\n" FROM_PBX, &bob, CARRIER_1);
    expect(s, SIP_PRIVACY, "id");
    expect(s, SIP_P_ASSERTED_IDENTITY,
           "\"Ann\" <sip:+49301001234@carrier-1;user=phone>, <sip:+49301001234@carrier-1;user=phone>");
}

static void nobody(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(
        s, &ann, PBX, "0302000001",
        "Privacy: user\r\nSubject: me\r\nUser-Agent: Ann's phone\r\nCall-Info: <http://ann>\r\nOrganization: Ann's\r\n",
        &bob, FAR);
    assert_memory_equal(stage_field(s, SIP_FROM), "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=", 50);
    assert_null(strstr(stage_text(s), "Ann"));
    assert_null(strstr(stage_text(s), "Subject"));
    /* What they say to one another from then on does not tell either. */
    talk_ring(&ann, &bob);
    talk_accept(&ann, &bob);
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    assert_null(strstr(stage_text(s), "+4930100"));
}

static void no_history(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(s, &ann, PBX, "0302000001", "Privacy: history\r\n" FROM_PBX, &bob, FAR);
    expect(s, SIP_HISTORY_INFO,
           "<sip:anonymous@anonymous.invalid>;index=1, <sip:anonymous@anonymous.invalid>;index=1.1");
    expect(s, SIP_DIVERSION, "\"Anonymous\" <sip:anonymous@anonymous.invalid>;reason=unconditional;counter=1");
}

/* An entry says for itself that it is not to be shown. */
static void one_of_the_history(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(s, &ann, PBX, "0302000001",
          "History-Info: <sip:0301001111@pbx?Reason=x&Privacy=history>;index=1, <sip:0301001112@pbx>;index=1.1\r\n"
          "Diversion: <sip:0301001111@pbx>;privacy=full, <sip:0301001112@pbx>;privacy=off\r\n"
          "Remote-Party-ID: <sip:0301001234@pbx>;privacy=full\r\n",
          &bob, FAR);
    expect(s, SIP_HISTORY_INFO,
           "<sip:anonymous@anonymous.invalid>;index=1, <sip:+49301001112@a.example;user=phone>;index=1.1");
    expect(s, SIP_DIVERSION,
           "<sip:anonymous@anonymous.invalid>;privacy=full, <sip:+49301001112@a.example;user=phone>;privacy=off");
    expect(s, SIP_REMOTE_PARTY_ID, "");
}

static void the_called_is_unknown(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    sends(s, &bob, FAR, "+49301001234", NULL, &ann, PBX);
    talk_answer(&ann, 200, "P-Asserted-Identity: <sip:0301001234@pbx>\r\nPrivacy: id\r\n");
    talk_heard(&bob, "200");
    expect(s, SIP_P_ASSERTED_IDENTITY, "");
    talk_ack(&bob);
    talk_asked(&ann, "ACK");
}

static void privacy_is_not_wanted(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    sends(s, &ann, PBX, "0302000001", "Privacy: none\r\n" FROM_PBX, &bob, FAR);
    expect(s, SIP_REMOTE_PARTY_ID, "Ann <sip:+49301001234@a.example;user=phone>;party=calling;screen=yes");
    assert_slice_text(s->message.from.uri, "sip:+49301001234@a.example;user=phone");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, agent_stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(to_the_phone_network),
        CASE(to_another_company),
        CASE(from_another_company),
        CASE(who_is_connected),
        CASE(of_messages),
        CASE(unknown_to_another_company),
        CASE(known_to_the_carrier),
        CASE(nobody),
        CASE(no_history),
        CASE(one_of_the_history),
        CASE(the_called_is_unknown),
        CASE(privacy_is_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
