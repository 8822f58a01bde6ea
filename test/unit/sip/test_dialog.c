/* Dialogs as RFC 3261 section 12 has them: how both sides make one of the same two messages, what belongs to it, what its requests look like. */
#include "sip/dialog.h"

#include "base/mem.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#define INVITE_VIA "Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bKnashds8\r\n"
#define FROM "From: Alice <sip:alice@atlanta.example.com>;tag=1928301774\r\n"
#define CALL_ID "Call-ID: a84b4c76e66710\r\n"

static const char invite_text[] = "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n" INVITE_VIA "Max-Forwards: 70\r\n" FROM
                                  "To: Bob <sip:bob@biloxi.example.com>\r\n" CALL_ID "CSeq: 314159 INVITE\r\n"
                                  "Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>;x=\"a,b\"\r\n"
                                  "Record-Route: <sip:p0.example.com;lr>\r\n"
                                  "Contact: <sip:alice@pc33.atlanta.example.com>;q=0.7\r\nContent-Length: 0\r\n\r\n";

/* A message with its memory. */
struct parsed {
    struct region region;
    struct sip_message m;
    char text[4096];
};

static const struct sip_message *parse(struct parsed *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    region_fini(&p->region);
    region_init(&p->region, 1 << 20);
    assert_int_equal(sip_parse(&p->region, slice_str(p->text), SIP_DATAGRAM, &p->m, NULL), 0);
    assert_int_equal(sip_check(&p->m, NULL, NULL), 0);
    return &p->m;
}

/* A response to the INVITE; more: further fields. */
static const struct sip_message *response(struct parsed *p, unsigned status, const char *tag, const char *more)
{
    return parse(p,
                 "SIP/2.0 %u Reason\r\n" INVITE_VIA FROM "To: Bob <sip:bob@biloxi.example.com>;tag=%s\r\n" CALL_ID
                 "CSeq: 314159 INVITE\r\n%sContent-Length: 0\r\n\r\n",
                 status, tag, more);
}

/* A request of Bob's inside the dialog. */
static const struct sip_message *from_bob(struct parsed *p, const char *method, unsigned cseq, const char *more)
{
    return parse(
        p,
        "%s sip:alice@pc33.atlanta.example.com SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
        "From: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\r\nTo: Alice "
        "<sip:alice@atlanta.example.com>;tag=1928301774\r\n" CALL_ID "CSeq: %u %s\r\n%sContent-Length: 0\r\n\r\n",
        method, cseq, method, more);
}

/* A response of Bob's to a request inside the dialog. */
static const struct sip_message *answer_of_bob(struct parsed *p, unsigned status, const char *method, const char *more)
{
    return parse(p,
                 "SIP/2.0 %u Reason\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n" FROM
                 "To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\r\n" CALL_ID
                 "CSeq: 314160 %s\r\n%sContent-Length: 0\r\n\r\n",
                 status, method, more);
}

struct fixture {
    struct parsed invite, response, other;
    struct sip_dialog d;
    struct buf out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    buf_init(&f->out, 65535);
    parse(&f->invite, "%s", invite_text);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sip_dialog_fini(&f->d);
    region_fini(&f->invite.region);
    region_fini(&f->response.region);
    region_fini(&f->other.region);
    buf_fini(&f->out);
    free(f);
    return 0;
}

#define CONTACT "Contact: <sip:bob@192.0.2.4>\r\n"
#define ROUTES "Record-Route: <sip:p2.example.com;lr>\r\nRecord-Route: <sip:p1.example.com;lr>\r\n"

static void confirm(struct fixture *f)
{
    response(&f->response, 200, "a6c85cf", CONTACT ROUTES);
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
}

static const char *begun(struct fixture *f, const char *method, uint32_t cseq)
{
    buf_clear(&f->out);
    sip_dialog_begin_request(&f->d, method, cseq, &f->out);
    return buf_text(&f->out);
}

/* ---- 12.1 ---- */

/* 12.1.2: the route set is Record-Route of the response, in reverse order. */
static void test_client(void **state)
{
    struct fixture *f = *state;
    confirm(f);
    assert_int_equal(f->d.state, SIP_DIALOG_CONFIRMED);
    assert_string_equal(f->d.call_id, "a84b4c76e66710");
    assert_string_equal(f->d.local_tag, "1928301774");
    assert_string_equal(f->d.remote_tag, "a6c85cf");
    assert_string_equal(f->d.local_address, "Alice <sip:alice@atlanta.example.com>");
    assert_string_equal(f->d.remote_address, "Bob <sip:bob@biloxi.example.com>");
    assert_string_equal(f->d.remote_target, "sip:bob@192.0.2.4");
    assert_string_equal(f->d.routes, "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>");
    assert_int_equal(f->d.local_cseq, 314159);
    assert_false(f->d.has_remote_cseq);
}

/* 12.1.1: the route set is Record-Route of the request, in its order. */
static void test_server(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sip_dialog_init_uas(&f->d, &f->invite.m, slice_str("a6c85cf"), false), 0);
    assert_int_equal(f->d.state, SIP_DIALOG_EARLY);
    assert_string_equal(f->d.local_tag, "a6c85cf");
    assert_string_equal(f->d.remote_tag, "1928301774");
    assert_string_equal(f->d.local_address, "Bob <sip:bob@biloxi.example.com>");
    assert_string_equal(f->d.remote_address, "Alice <sip:alice@atlanta.example.com>");
    assert_string_equal(f->d.remote_target, "sip:alice@pc33.atlanta.example.com");
    assert_string_equal(f->d.routes,
                        "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>;x=\"a,b\", <sip:p0.example.com;lr>");
    assert_int_equal(f->d.remote_cseq, 314159);
    assert_int_equal(f->d.local_cseq, 0);
    sip_dialog_confirm(&f->d);
    assert_int_equal(f->d.state, SIP_DIALOG_CONFIRMED);
}

static void test_contact_is_needed(void **state)
{
    struct fixture *f = *state;
    response(&f->response, 200, "x", "");
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), ERR_SYNTAX);
    response(&f->response, 200, "x", "Contact: *\r\n");
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), ERR_SYNTAX);
    response(&f->response, 183, "x", "");
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    assert_string_equal(f->d.remote_target, "sip:bob@biloxi.example.com");
}

static void test_routes_have_a_limit(void **state)
{
    struct fixture *f = *state;
    char routes[2048] = CONTACT "Record-Route: <sip:p;lr>";
    for (int i = 1; i < SIP_ROUTES_MAX; i++)
        strcat(routes, ",<sip:p;lr>");
    strcat(routes, "\r\n");
    response(&f->response, 200, "x", routes);
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    sip_dialog_fini(&f->d);
    strcat(routes, "Record-Route: <sip:p;lr>\r\n");
    response(&f->response, 200, "x", routes);
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), ERR_LIMIT);
}

static void test_texts_have_a_limit(void **state)
{
    struct fixture *f = *state;
    static char tag[SIP_DIALOG_OCTETS_MAX + 1];
    memset(tag, 't', SIP_DIALOG_OCTETS_MAX);
    assert_int_equal(sip_dialog_init_uas(&f->d, &f->invite.m, slice_str(tag), true), ERR_LIMIT);
    tag[SIP_DIALOG_OCTETS_MAX / 2] = '\0';
    assert_int_equal(sip_dialog_init_uas(&f->d, &f->invite.m, slice_str(tag), true), 0);
    assert_string_equal(f->d.local_tag, tag);
}

/* Two forks answer: two dialogs of one INVITE. */
static void test_forks(void **state)
{
    struct fixture *f = *state;
    struct sip_dialog other;
    response(&f->response, 180, "one", CONTACT);
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    response(&f->other, 180, "two", CONTACT);
    assert_int_equal(sip_dialog_init_uac(&other, &f->invite.m, &f->other.m), 0);
    assert_true(sip_dialog_matches(&f->d, &f->response.m));
    assert_false(sip_dialog_matches(&f->d, &f->other.m));
    assert_true(sip_dialog_matches(&other, &f->other.m));
    response(&f->other, 200, "two", CONTACT);
    assert_int_equal(sip_dialog_answered(&other, &f->other.m), 0);
    assert_int_equal(other.state, SIP_DIALOG_CONFIRMED);
    assert_int_equal(f->d.state, SIP_DIALOG_EARLY);
    sip_dialog_fini(&other);
}

/* ---- what belongs to it ---- */

static void test_matching(void **state)
{
    struct fixture *f = *state;
    confirm(f);
    assert_true(sip_dialog_matches(&f->d, from_bob(&f->other, "BYE", 1, "")));
    assert_true(sip_dialog_matches(&f->d, answer_of_bob(&f->other, 200, "BYE", "")));
    assert_false(sip_dialog_matches(&f->d, &f->invite.m)); /* it has no To tag */
}

/* The same key of both sides' messages. */
static void test_key(void **state)
{
    struct fixture *f = *state;
    struct buf of_request, of_response;
    buf_init(&of_request, 256);
    buf_init(&of_response, 256);
    const struct sip_message *request = from_bob(&f->other, "BYE", 1, "");
    sip_dialog_key(request->call_id, request->to.tag, request->from.tag, &of_request);
    const struct sip_message *m = answer_of_bob(&f->response, 200, "BYE", "");
    sip_dialog_key(m->call_id, m->from.tag, m->to.tag, &of_response);
    assert_slice_equal(buf_slice(&of_request), buf_slice(&of_response));
    buf_clear(&of_response);
    sip_dialog_key(m->call_id, m->to.tag, m->from.tag, &of_response);
    assert_false(slice_eq(buf_slice(&of_request), buf_slice(&of_response)));
    buf_fini(&of_request);
    buf_fini(&of_response);
}

/* ---- 12.2.1.1 ---- */

static void test_request(void **state)
{
    struct fixture *f = *state;
    confirm(f);
    static const char rest[] = "Max-Forwards: 70\r\n"
                               "From: Alice <sip:alice@atlanta.example.com>;tag=1928301774\r\n"
                               "To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\r\nCall-ID: a84b4c76e66710\r\n";
    char expected[1024];
    snprintf(expected, sizeof expected, "BYE sip:bob@192.0.2.4 SIP/2.0\r\nRoute: %s\r\n%sCSeq: 314160 BYE\r\n",
             "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>", rest);
    assert_string_equal(begun(f, "BYE", 0), expected);
    assert_non_null(strstr(begun(f, "UPDATE", 0), "CSeq: 314161 UPDATE\r\n"));
    assert_non_null(strstr(begun(f, "ACK", 314159), "CSeq: 314159 ACK\r\n"));
    assert_int_equal(f->d.local_cseq, 314161);
    assert_slice_text(sip_dialog_next_hop(&f->d), "sip:p1.example.com;lr");
}

static void test_request_without_routes(void **state)
{
    struct fixture *f = *state;
    response(&f->response, 200, "a6c85cf", CONTACT);
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    assert_null(strstr(begun(f, "BYE", 0), "Route:"));
    assert_slice_text(sip_dialog_next_hop(&f->d), "sip:bob@192.0.2.4");
}

/* A strict router stands in the Request-URI, and the target is the last of the routes. */
static void test_strict_router(void **state)
{
    struct fixture *f = *state;
    response(&f->response, 200, "a6c85cf",
             CONTACT "Record-Route: <sip:p3.example.com>, <sip:p2.example.com;lr>, <sip:p1.example.com>\r\n");
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    const char *text = begun(f, "BYE", 0);
    assert_memory_equal(text, "BYE sip:p1.example.com SIP/2.0\r\n", 32);
    assert_non_null(strstr(text, "Route: <sip:p2.example.com;lr>, <sip:p3.example.com>, <sip:bob@192.0.2.4>\r\n"));
    assert_slice_text(sip_dialog_next_hop(&f->d), "sip:p1.example.com");
}

static void test_strict_router_alone(void **state)
{
    struct fixture *f = *state;
    response(&f->response, 200, "a6c85cf", CONTACT "Record-Route: <sip:p1.example.com>\r\n");
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    assert_non_null(strstr(begun(f, "BYE", 0), "Route: <sip:bob@192.0.2.4>\r\n"));
}

/* Requests of a server begin with a number of its own; a peer of RFC 2543 has no tag. */
static void test_requests_of_a_server(void **state)
{
    struct fixture *f = *state;
    parse(&f->other,
          "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 1\r\n"
          "f: sip:old@y;x=\"a;b\"\r\nt: <sip:b@x>\r\ni: 1\r\nCSeq: 1 INVITE\r\nm: <sip:old@1.2.3.4>\r\nl: 0\r\n\r\n");
    assert_int_equal(sip_dialog_init_uas(&f->d, &f->other.m, slice_str("mine"), true), 0);
    const char *text = begun(f, "BYE", 0);
    assert_non_null(strstr(text, "CSeq: 1 BYE\r\n"));
    assert_non_null(strstr(text, "From: <sip:b@x>;tag=mine\r\n"));
    assert_non_null(strstr(text, "To: sip:old@y;x=\"a;b\"\r\n"));
}

/* Folding and the tag go; everything else of an address stays. */
static void test_addresses(void **state)
{
    struct fixture *f = *state;
    parse(&f->other, "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 1\r\n"
                     "From: \"A \\\" B\"\r\n  <sip:a@y;user=phone> ; x=1;TAG=t ;flag\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\n"
                     "CSeq: 1 INVITE\r\nContact: sip:a@1.2.3.4\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(sip_dialog_init_uas(&f->d, &f->other.m, slice_str("mine"), true), 0);
    assert_string_equal(f->d.remote_address, "\"A \\\" B\" <sip:a@y;user=phone>;x=1;flag");
    assert_string_equal(f->d.remote_tag, "t");
    assert_string_equal(f->d.remote_target, "sip:a@1.2.3.4");
}

/* ---- 12.2.1.2, 13.2.2.4 ---- */

/* The 2xx sets route set and target anew. */
static void test_confirmation(void **state)
{
    struct fixture *f = *state;
    response(&f->response, 180, "a6c85cf", "");
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    assert_null(f->d.routes);
    response(&f->other, 200, "a6c85cf", "Contact: <sip:bob@192.0.2.5>\r\n" ROUTES);
    assert_int_equal(sip_dialog_answered(&f->d, &f->other.m), 0);
    assert_int_equal(f->d.state, SIP_DIALOG_CONFIRMED);
    assert_string_equal(f->d.remote_target, "sip:bob@192.0.2.5");
    assert_string_equal(f->d.routes, "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>");
}

/* Later, the target may change, the route set not. */
static void test_target_refresh_by_a_response(void **state)
{
    struct fixture *f = *state;
    confirm(f);
    answer_of_bob(&f->other, 200, "UPDATE", "Contact: <sip:bob@192.0.2.99>\r\nRecord-Route: <sip:new;lr>\r\n");
    assert_int_equal(sip_dialog_answered(&f->d, &f->other.m), 0);
    assert_string_equal(f->d.remote_target, "sip:bob@192.0.2.99");
    assert_string_equal(f->d.routes, "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>");
    answer_of_bob(&f->other, 200, "INFO", "Contact: <sip:bob@192.0.2.77>\r\n");
    assert_int_equal(sip_dialog_answered(&f->d, &f->other.m), 0);
    assert_string_equal(f->d.remote_target, "sip:bob@192.0.2.99");
}

static void test_failures(void **state)
{
    static const struct {
        unsigned status;
        enum sip_dialog_state state;
    } cases[] = {
        {488, SIP_DIALOG_CONFIRMED}, {408, SIP_DIALOG_ENDED}, {481, SIP_DIALOG_ENDED}, {500, SIP_DIALOG_CONFIRMED}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        confirm(f);
        assert_int_equal(sip_dialog_answered(&f->d, answer_of_bob(&f->other, cases[i].status, "INVITE", "")), 0);
        assert_int_equal(f->d.state, cases[i].state);
        sip_dialog_fini(&f->d);
    }
    response(&f->response, 180, "a6c85cf", CONTACT); /* 12.3: an early one ends with its INVITE */
    assert_int_equal(sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m), 0);
    assert_int_equal(sip_dialog_answered(&f->d, response(&f->other, 486, "a6c85cf", "")), 0);
    assert_int_equal(f->d.state, SIP_DIALOG_ENDED);
}

/* ---- 12.2.2 ---- */

static void test_order_of_requests(void **state)
{
    struct fixture *f = *state;
    confirm(f);
    assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "INFO", 7, "")), 0); /* the first may be any */
    assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "INFO", 9, "")), 0);
    assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "BYE", 8, "")), 500);
    assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "ACK", 7, "")), 0);
    assert_int_equal(f->d.remote_cseq, 9);
}

static void test_target_refresh_by_a_request(void **state)
{
    struct fixture *f = *state;
    confirm(f);
    assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "INFO", 1, "Contact: <sip:bob@no>\r\n")), 0);
    assert_string_equal(f->d.remote_target, "sip:bob@192.0.2.4");
    assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "INVITE", 2, "Contact: <sip:bob@new>\r\n")), 0);
    assert_string_equal(f->d.remote_target, "sip:bob@new");
    assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "UPDATE", 3, "Contact: <sip:bob\r\n")), 400);
    assert_string_equal(f->d.remote_target, "sip:bob@new");
    assert_int_equal(f->d.remote_cseq, 2);
    for (unsigned i = 3; i < 1000; i++) /* session timers do that for days */
        assert_int_equal(sip_dialog_receive(&f->d, from_bob(&f->other, "UPDATE", i, "Contact: <sip:bob@newer>\r\n")),
                         0);
}

/* ---- memory ---- */

static void test_without_memory(void **state)
{
    struct fixture *f = *state;
    int err = ERR_NO_MEMORY;
    response(&f->response, 180, "a6c85cf", CONTACT ROUTES);
    response(&f->other, 200, "a6c85cf", "Contact: <sip:bob@192.0.2.5>\r\n" ROUTES);
    for (unsigned long nth = 1; err; nth++) {
        assert_true(nth < 100);
        mem_fail_at(nth);
        err = sip_dialog_init_uac(&f->d, &f->invite.m, &f->response.m);
        mem_fail_at(0);
        assert_true(err == 0 || err == ERR_NO_MEMORY);
    }
    err = ERR_NO_MEMORY;
    for (unsigned long nth = 1; err; nth++) {
        assert_true(nth < 100);
        mem_fail_at(nth);
        err = sip_dialog_answered(&f->d, &f->other.m);
        mem_fail_at(0);
        assert_int_equal(f->d.state, err ? SIP_DIALOG_EARLY : SIP_DIALOG_CONFIRMED);
        assert_string_equal(f->d.remote_target, err ? "sip:bob@192.0.2.4" : "sip:bob@192.0.2.5");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contact_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_routes_have_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_have_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_matching, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_without_routes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strict_router, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strict_router_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_of_a_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_confirmation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_target_refresh_by_a_response, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_target_refresh_by_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("sip dialog", tests, NULL, NULL);
}
