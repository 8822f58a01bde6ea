/* A PBX in virtual time: ANN and BOB have phones behind it, CARL is what its trunk leads to. */
#include "pstn_stage.h"

static const struct pstn_pbx_options keeps = {.outside_line = "0", .keeps_outside_line = true};
static const struct pstn_pbx_options drops = {.outside_line = "9"};
static const struct pstn_pbx_options none = {.outside_line = ""};

static void add_extension(struct stage *s, unsigned phone, const char *extension, const char *number)
{
    static struct sip_hop registrar = {.transport = SIP_UDP};
    struct pstn_trunk_options *t = &s->options.trunks[phone];
    struct pstn_phone_options *o = &s->ends[phone].options;
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", extension);
    t->place = (struct pstn_place){"49", "30"};
    t->extension = t->user = extension;
    t->password = "secret of a phone";
    assert_true(e164_parse(slice_str(number), &t->number));
    registrar.addr = address(carrier_points[0]);
    o->registrar = &registrar;
    o->domain = "pbx.example";
    o->numbers[o->number_count++] = extension;
    o->password = "secret of a phone";
}

/* ANN is 201, BOB is 202, CARL's trunk leads outside. */
static int setup_pbx(void **state)
{
    setup(state);
    struct stage *s = *state;
    s->options.pbx = &keeps;
    s->options.carriers[0].setup = s->options.carriers[0].answer = s->options.carriers[0].release =
        (struct pstn_span){0, 0};
    s->options.range_count = 0;
    s->options.trunks[CARL].shows_extension = false;
    add_extension(s, ANN, "201", "+4930100201");
    add_extension(s, BOB, "202", "+4930100202");
    return 0;
}

static void start(struct stage *s)
{
    stage_start(s);
    stage_run(s, 1000);
}

static void expect_call(const struct stage *s, unsigned phone, const char *from, const char *to)
{
    const struct pstn_phone_call *c = &s->ends[phone].last;
    assert_true(c->in_order && !c->is_ours);
    assert_string_equal(c->from, from);
    assert_string_equal(c->to, to);
}

static void phones_register(void **state)
{
    struct stage *s = *state;
    start(s);
    assert_true(pstn_phone_is_registered(s->ends[ANN].phone));
    assert_true(pstn_phone_is_registered(s->ends[BOB].phone));
    assert_false(pstn_phone_is_registered(s->ends[CARL].phone));
    const uint64_t times = pstn_network_counters(s->network)->registrations;
    assert_int_equal(times, 2);
    stage_run(s, 600000); /* each for 60 s, and again when half of that is over */
    assert_in_range(pstn_network_counters(s->network)->registrations, 2 + 2 * 18, 2 + 2 * 21);
    pstn_phone_stop(s->ends[BOB].phone, s->now);
    stage_run(s, 1000);
    call_through(s, ANN, 0, "201", "202", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[ANN].last.status, 480);
}

static void wrong_password_registers_nobody(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.password = "guess";
    start(s);
    assert_false(pstn_phone_is_registered(s->ends[BOB].phone));
    assert_int_equal(pstn_network_counters(s->network)->refused_password, 2); /* at once, and half a second later */
    call_through(s, BOB, 0, "202", "201", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[BOB].last.status, 403);
    assert_int_equal(s->ends[ANN].over, 0);
}

static void inside(void **state)
{
    struct stage *s = *state;
    start(s);
    call_through(s, ANN, 0, "201", "202", 1000);
    stage_run(s, 10000);
    assert_true(s->ends[ANN].last.in_order);
    expect_call(s, BOB, "201", "202");
    assert_non_null(strstr(s->to_bob, "INVITE sip:202@10.0.0.2:5060 SIP/2.0\r\n")); /* by what it registered as */
    assert_string_equal(newest(s)->from, "201");
    assert_string_equal(newest(s)->to, "202");
    call_through(s, ANN, 0, "201", "203", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[ANN].last.status, 404);
}

static void outside(void **state)
{
    struct stage *s = *state;
    start(s);
    call_through(s, ANN, 0, "201", "00302005678", 1000);
    stage_run(s, 10000);
    assert_true(s->ends[ANN].last.in_order);
    expect_call(s, CARL, "+4930100201", "00302005678"); /* as it was dialed */
    assert_string_equal(newest(s)->to_trunk, "c");
}

static void outside_line_is_dropped(void **state)
{
    struct stage *s = *state;
    s->options.pbx = &drops;
    s->options.trunks[CARL].shows_extension = true;
    start(s);
    call_through(s, ANN, 0, "201", "90302005678", 1000);
    stage_run(s, 10000);
    expect_call(s, CARL, "201", "0302005678");
    call_through(s, ANN, 0, "201", "0302005678", 1000); /* no extension, no outside line */
    stage_run(s, 5000);
    assert_int_equal(s->ends[ANN].last.status, 404);
    call_through(s, ANN, 0, "201", "9", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[ANN].last.status, 404);
}

static void no_outside_line(void **state)
{
    struct stage *s = *state;
    s->options.pbx = &none;
    start(s);
    call_through(s, ANN, 0, "201", "112", 1000);
    stage_run(s, 10000);
    expect_call(s, CARL, "+4930100201", "112");
}

/* By its number, by its extension; nothing else, and not out again. */
static void from_outside(void **state)
{
    struct stage *s = *state;
    const char *called[] = {"+4930100202", "030100202", "100202", "202"};
    start(s);
    for (unsigned i = 0; i < 4; i++) {
        call_through(s, CARL, 0, "0302005678", called[i], 1000);
        stage_run(s, 10000);
        expect_call(s, BOB, "0302005678", "202");
        assert_int_equal(s->ends[BOB].over, i + 1);
    }
    call_through(s, CARL, 0, "0302005678", "+4930100203", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[CARL].last.status, 404);
    call_through(s, CARL, 0, "0302005678", "00301234", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[CARL].last.status, 404);
}

/* The trunk lets only those call that say their password; and somebody from nowhere is not let in as an extension without one. */
static void strangers(void **state)
{
    struct stage *s = *state;
    start(s);
    pbx_requests(s, "INVITE", "sip:202@pbx", "<sip:202@pbx>", 1, "", SDP("4000"));
    pbx_expect(s, "SIP/2.0 403 ");
    s->ends[ANN].options.user = "202"; /* a known user, somebody else's extension */
    call_through(s, ANN, 0, "201", "202", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[ANN].last.status, 403);
    assert_int_equal(s->ends[BOB].over, 0);
}

/* The PBX registers at its trunk, which is the test; it is asked for its password with INVITE, too. */
static void registers_outside(void **state)
{
    struct stage *s = *state;
    struct pstn_trunk_options *t = &s->options.trunks[CARL];
    t->addr = address(PBX_POINT);
    t->registers = true;
    t->user = "office";
    t->password = "secret of a trunk";
    start(s);
    pbx_expect(s, "REGISTER sip:10.0.0.4:5060 SIP/2.0\r\n");
    assert_string_equal(pbx_field(s, SIP_CONTACT), "<sip:office@198.51.100.1:5060>");
    stage_run(s, 32000); /* nobody answers: it is given up, and asked again */
    const unsigned before = s->pbx_messages;
    stage_run(s, 1000);
    assert_int_equal(s->pbx_messages, before + 1);
    pbx_responds(s, "401 Unauthorized",
                 "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256, qop=\"auth\"\r\n");
    pbx_expect(s, "REGISTER sip:10.0.0.4:5060 SIP/2.0\r\n");
    assert_memory_equal(pbx_field(s, SIP_AUTHORIZATION), "Digest username=\"office\"", 24);
    pbx_responds(s, "200 OK", "Contact: <sip:office@198.51.100.1:5060>;expires=100\r\n");
    assert_int_equal(s->pbx_messages, 0);
    stage_run(s, 49000);
    assert_int_equal(s->pbx_messages, 0);
    stage_run(s, 2000);
    assert_int_equal(s->pbx_messages, 2); /* half a second later again: nobody answers */
    pbx_responds(s, "200 OK", "Expires: 100\r\n");
    pstn_network_stop(s->network, s->now);
    stage_run(s, 1);
    assert_string_equal(pbx_field(s, SIP_EXPIRES), "0"); /* it is taken back */
}

/* The trunk was started anew: it does not know the PBX any more, and says so. */
static void registers_again(void **state)
{
    struct stage *s = *state;
    struct pstn_trunk_options *t = &s->options.trunks[CARL];
    t->addr = address(PBX_POINT);
    t->registers = true;
    t->user = "office";
    start(s);
    assert_string_equal(pbx_field(s, SIP_EXPIRES), "120");
    pbx_responds(s, "423 Interval Too Brief", "Min-Expires: 600\r\n");
    assert_string_equal(pbx_field(s, SIP_EXPIRES), "600");
    pbx_responds(s, "200 OK", "Expires: 600\r\n");
    call_through(s, ANN, 0, "201", "00302005678", 1000);
    stage_run(s, 10);
    pbx_expect(s, "INVITE sip:00302005678@10.0.0.4:5060 SIP/2.0\r\n");
    pbx_responds(s, "403 Forbidden", "");
    assert_int_equal(s->ends[ANN].last.status, 403);
    pbx_expect(s, "REGISTER sip:10.0.0.4:5060 SIP/2.0\r\n");
    pbx_responds(s, "200 OK", "Expires: 600\r\n");
}

/* A trunk that did not let us register is passed over for the next. */
static void second_trunk(void **state)
{
    struct stage *s = *state;
    add_trunk(s, "d", 0, phone_points[CARL], "+4930300*");
    s->options.range_count = 0;
    s->options.trunks[CARL].addr = address(PBX_POINT);
    s->options.trunks[CARL].registers = true;
    s->options.trunks[CARL].user = "office";
    start(s);
    pbx_responds(s, "403 Forbidden", "");
    call_through(s, ANN, 0, "201", "00302005678", 1000);
    stage_run(s, 10000);
    assert_true(s->ends[ANN].last.in_order);
    assert_string_equal(newest(s)->to_trunk, "d");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup_pbx, teardown)
    const struct CMUnitTest tests[] = {
        CASE(phones_register),
        CASE(wrong_password_registers_nobody),
        CASE(inside),
        CASE(outside),
        CASE(no_outside_line),
        CASE(outside_line_is_dropped),
        CASE(from_outside),
        CASE(strangers),
        CASE(registers_outside),
        CASE(registers_again),
        CASE(second_trunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
