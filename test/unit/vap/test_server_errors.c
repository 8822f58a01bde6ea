/* Every error code of the server, exactly when the draft says so, and every limit. */
#include "harness.h"

#include "base/mem.h"

static void open_registered(struct world *w, uint64_t conn)
{
    world_open(w, conn);
    assert_int_equal(ask_register(w, conn, NULL), 0);
}

static void put_service(struct world *w, uint16_t service, uint16_t subservice, uint64_t vservice)
{
    tlv_put_service(&w->message, TLV_SERVICE_IDENTITY,
                    &(struct service_identity){service, subservice, vservice, SERVICE_INSTANCE_ALL});
}

static void test_431_wrong_password(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    w->password = "guess";
    assert_int_equal(ask_register(w, 1, NULL), VAP_INTEGRITY_CHECK_FAILURE);
    assert_false(w->answer.has & VAP_HAS_INTEGRITY);
    assert_slice_text(w->answer.realm, "\"ViPR\"");
    assert_int_equal(vap_server_counters(w->server)->bad_integrity, 1);
    w->password = "wonder";
    assert_int_equal(ask_register(w, 1, NULL), 0);
}

static void test_436_unknown_user(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    w->user = "mallory";
    assert_int_equal(ask_register(w, 1, NULL), VAP_UNKNOWN_USERNAME);
    assert_false(w->answer.has & VAP_HAS_INTEGRITY);
    assert_int_equal(vap_server_counters(w->server)->unknown_user, 1);
}

static void test_guessing_ends_the_connection(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    w->password = "guess";
    for (unsigned i = 0; i < w->config.auth_failures_max; i++) {
        assert_null(w->closed[1]);
        assert_int_equal(ask_register(w, 1, NULL), VAP_INTEGRITY_CHECK_FAILURE);
    }
    assert_non_null(w->closed[1]);
}

/* Sends what is in w->message as it is and gives the error code. */
static int send_bare(struct world *w, uint64_t conn)
{
    vap_end(&w->message, w->mark);
    vap_server_input(w->server, w->now, conn, buf_slice(&w->message));
    world_drain(w);
    return world_read(w, conn) ? w->answer.error_code : -1;
}

static void test_400_without_integrity_or_user(void **state)
{
    struct world *w = *state;
    const struct vap_transaction transaction = {{77}};
    world_open(w, 1);
    ask_begin(w, VAP_REGISTER);
    vap_put_version(&w->message, 1, 0);
    assert_int_equal(send_bare(w, 1), VAP_BAD_REQUEST);
    /* What a stranger provokes is not signed: it would be something to try passwords on. */
    assert_false(w->answer.has & VAP_HAS_INTEGRITY);
    assert_int_equal(vap_server_counters(w->server)->missing_integrity, 1);

    buf_clear(&w->message);
    w->mark = vap_begin(&w->message, VAP_REGISTER, VAP_REQUEST, &transaction);
    vap_put_realm(&w->message);
    assert_int_equal(send_bare(w, 1), VAP_BAD_REQUEST);
    assert_int_equal(w->answer.transaction.octets[0], 77);
}

static void test_400_malformed(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    /* A bad value from somebody known: a signed answer that names the octet. */
    ask_begin(w, VAP_SUBSCRIBE);
    tlv_put(&w->message, TLV_SERVICE_IDENTITY, slice_of("abc", 3));
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    assert_true(w->answer.has & VAP_HAS_INTEGRITY);
    assert_non_null(memmem(w->answer.reason.p, w->answer.reason.n, "octet", 5));

    ask_begin(w, VAP_NOTIFY); /* no method of a server */
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    ask_begin(w, (enum vap_method)0x123);
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    assert_null(w->closed[1]);
}

static void test_400_wrong_realm(void **state)
{
    struct world *w = *state;
    const struct vap_transaction transaction = {{9}};
    open_registered(w, 1);
    buf_clear(&w->message);
    w->mark = vap_begin(&w->message, VAP_UNREGISTER, VAP_REQUEST, &transaction);
    w->next_transaction = 9;
    tlv_put_text(&w->message, TLV_USERNAME, "alice");
    tlv_put_text(&w->message, TLV_REALM, "example.com");
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
}

static void test_471_handles(void **state)
{
    struct world *w = *state;
    uint32_t handle;
    world_open(w, 1);
    ask_begin(w, VAP_REGISTER);
    tlv_put_u32(&w->message, TLV_CLIENT_HANDLE, 4711);
    assert_int_equal(ask(w, 1), VAP_BAD_CLIENT_HANDLE);
    assert_true(w->answer.has & VAP_HAS_INTEGRITY);

    assert_int_equal(ask_register(w, 1, &handle), 0);
    ask_begin(w, VAP_UNREGISTER);
    tlv_put_u32(&w->message, TLV_CLIENT_HANDLE, handle + 1);
    assert_int_equal(ask(w, 1), VAP_BAD_CLIENT_HANDLE);

    /* Bob cannot take over Alice's client. */
    w->user = "bob";
    w->password = "builder";
    world_open(w, 2);
    ask_begin(w, VAP_REGISTER);
    tlv_put_u32(&w->message, TLV_CLIENT_HANDLE, handle);
    assert_int_equal(ask(w, 2), VAP_BAD_CLIENT_HANDLE);
    assert_null(w->closed[1]);
}

static void test_472_versions(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    assert_int_equal(ask_publish(w, 1, 7, 1, 5, description("a", 10)), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 4, description("a", 10)), VAP_VERSION_TOO_LOW);
    assert_int_equal(ask_publish(w, 1, 7, 1, 5, description("b", 10)), VAP_VERSION_TOO_LOW);
    assert_int_equal(ask_publish(w, 1, 7, 1, 5, description("a", 10)), 0); /* nothing changed */
    assert_int_equal(ask_publish(w, 1, 7, 1, 6, description("a", 10)), 0); /* may rise nevertheless */
    assert_int_equal(ask_publish(w, 1, 7, 2, 1, description("b", 10)), 0); /* another instance */
}

static void test_474_everything_before_register(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), VAP_UNREGISTERED);
    assert_int_equal(ask_number(w, 1, 7, "+1732"), VAP_UNREGISTERED);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), VAP_UNREGISTERED);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), VAP_UNREGISTERED);
    ask_begin(w, VAP_UNSUBSCRIBE);
    tlv_put_u32(&w->message, TLV_SUBSCRIPTION_ID, 1);
    assert_int_equal(ask(w, 1), VAP_UNREGISTERED);
    ask_begin(w, VAP_UNREGISTER);
    assert_int_equal(ask(w, 1), VAP_UNREGISTERED);
    ask_begin(w, VAP_UNPUBLISH);
    put_service(w, SERVICE_VIPR, SUBSERVICE_VSERVICE, 7);
    assert_int_equal(ask(w, 1), VAP_UNREGISTERED);
    world_expect(w, "");
}

static void test_474_without_vservice(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    assert_int_equal(ask_number(w, 1, 7, "+1732"), VAP_UNREGISTERED);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), VAP_UNREGISTERED);
    world_expect(w, "registered ");
}

static void test_476_unknown_subscription(void **state)
{
    struct world *w = *state;
    uint32_t subscription;
    open_registered(w, 1);
    assert_int_equal(ask_subscribe(w, 1, 7, &subscription), 0);
    ask_begin(w, VAP_UNSUBSCRIBE);
    tlv_put_u32(&w->message, TLV_SUBSCRIPTION_ID, subscription + 1);
    assert_int_equal(ask(w, 1), VAP_UNKNOWN_SUBSCRIPTION);
    for (int i = 0; i < 2; i++) {
        ask_begin(w, VAP_UNSUBSCRIBE);
        tlv_put_u32(&w->message, TLV_SUBSCRIPTION_ID, subscription);
        assert_int_equal(ask(w, 1), i ? VAP_UNKNOWN_SUBSCRIPTION : 0);
    }
    ask_begin(w, VAP_UNSUBSCRIBE);
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
}

static void test_477_already_registered(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), VAP_ALREADY_REGISTERED);
    assert_int_equal(vap_server_client_count(w->server), 1);
}

static void test_478_versions_of_the_protocol(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    ask_begin(w, VAP_REGISTER);
    vap_put_version(&w->message, 2, 1);
    assert_int_equal(ask(w, 1), VAP_UNSUPPORTED_VERSION);
    assert_true(w->answer.has & VAP_HAS_VERSION);
    assert_int_equal(w->answer.version_major, 1);
    assert_int_equal(w->answer.version_minor, 0);
    ask_begin(w, VAP_REGISTER);
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST); /* no version at all */
    ask_begin(w, VAP_REGISTER);
    vap_put_version(&w->message, 1, 9);
    assert_int_equal(ask(w, 1), 0);
}

static void test_400_services(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    static const uint16_t unknown[][2] = {{101, 5}, {102, 3}, {99, 4}};
    for (size_t i = 0; i < 3; i++) {
        ask_begin(w, VAP_PUBLISH);
        put_service(w, unknown[i][0], unknown[i][1], 7);
        assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
        ask_begin(w, VAP_SUBSCRIBE);
        put_service(w, unknown[i][0], unknown[i][1], 7);
        assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    }
    ask_begin(w, VAP_SUBSCRIBE);
    put_service(w, SERVICE_VIPR, SUBSERVICE_VSERVICE, 7);
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    ask_begin(w, VAP_UNPUBLISH); /* numbers cannot be unpublished */
    put_service(w, SERVICE_VIPR, SUBSERVICE_NUMBER, 7);
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    ask_begin(w, VAP_PUBLISH); /* no number */
    put_service(w, SERVICE_VIPR, SUBSERVICE_NUMBER, 7);
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    ask_begin(w, VAP_PUBLISH); /* no version */
    put_service(w, SERVICE_VIPR, SUBSERVICE_VSERVICE, 7);
    tlv_put_text(&w->message, TLV_SERVICE_CONTENT, description("a", 1));
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    assert_int_equal(ask_publish(w, 1, 7, 1, 2, "<nonsense/>"), VAP_BAD_REQUEST);
    assert_int_equal(ask_publish(w, 1, 7, 1, 2, /* a route that no originator takes */
                                 "<service-description><vservice><DHTname>Quetzalcoatl</DHTname><DIDCount>1</DIDCount>"
                                 "<domain>a.example</domain><route><SIPURI>sip:x@a.example:5061</SIPURI></route>"
                                 "</vservice></service-description>"),
                     VAP_BAD_REQUEST);
    ask_begin(w, VAP_UPLOAD_VCR); /* no times */
    put_service(w, SERVICE_VIPR, SUBSERVICE_NUMBER, 7);
    tlv_put_text(&w->message, TLV_CALLED_NUM, "+1732");
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    ask_begin(w, VAP_UPLOAD_VCR); /* ends before it begins */
    put_service(w, SERVICE_VIPR, SUBSERVICE_NUMBER, 7);
    tlv_put_u32(&w->message, TLV_CALL_DIRECTION, VAP_SENT);
    tlv_put_time(&w->message, TLV_START_TIME, (struct wall){1767225600001});
    tlv_put_time(&w->message, TLV_STOP_TIME, (struct wall){1767225600000});
    tlv_put_text(&w->message, TLV_CALLED_NUM, "+1732");
    assert_int_equal(ask(w, 1), VAP_BAD_REQUEST);
    world_expect(w, "registered vservice:7 ");
}

static void test_481_ring(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    const char *xml = "<service-description id='x' schemaVersion='1.0'><vservice><DHTname>Private</DHTname>"
                      "<DIDCount>1</DIDCount><domain>a.example</domain><route>"
                      "<SIPURI>sip:x@a.example:5061;maddr=192.0.2.1;transport=tcp</SIPURI></route></vservice>"
                      "</service-description>";
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, xml), VAP_PUBLICATION_FAILED);
    assert_int_equal(vap_server_set_dht(w->server, "Private", 5, 60), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, xml), 0);
    assert_int_equal(w->answer.quota_limit, 5);
}

static void test_what_completions_mean(void **state)
{
    struct world *w = *state;
    static const struct {
        int err;
        int code;
    } table[] = {{ERR_NO_SPACE, VAP_SERVER_ERROR},
                 {ERR_IO, VAP_SERVER_ERROR},
                 {ERR_LIMIT, VAP_OVERLOADED},
                 {ERR_RANGE, VAP_BAD_REQUEST},
                 {ERR_NOT_FOUND, VAP_UNREGISTERED}};
    open_registered(w, 1);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(ask_upload(w, 1, 7, "+1732"), -1);
        vap_server_complete(w->server, w->last.request, table[i].err, NULL);
        world_drain(w);
        assert_true(world_read(w, 1));
        assert_int_equal(w->answer.error_code, table[i].code);
        assert_true(w->answer.has & VAP_HAS_INTEGRITY);
    }
    assert_int_equal(vap_server_counters(w->server)->vcrs_failed, 5);
}

static void test_another_user_on_the_connection(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    w->user = "bob";
    w->password = "builder";
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), VAP_BAD_REQUEST);
    open_registered(w, 2);
    w->user = "alice";
    w->password = "wonder";
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    w->user = "bob";
    w->password = "builder";
    assert_int_equal(ask_publish(w, 2, 7, 1, 2, description("stolen", 10)), VAP_BAD_REQUEST);
    ask_begin(w, VAP_UNPUBLISH);
    tlv_put_service(&w->message, TLV_SERVICE_IDENTITY,
                    &(struct service_identity){SERVICE_VIPR, SUBSERVICE_VSERVICE, 7, 1});
    assert_int_equal(ask(w, 2), VAP_BAD_REQUEST);
}

static void test_changed_password_and_removed_account(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    assert_int_equal(vap_server_set_account(w->server, slice_str("alice"), slice_str("new")), 0);
    w->password = "new"; /* the answer is signed with the new one, too */
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    w->password = "wonder";
    ask_begin(w, VAP_UNREGISTER);
    ask_send(w, 1);
    w->password = "new";
    assert_true(world_read(w, 1));
    assert_int_equal(w->answer.error_code, VAP_INTEGRITY_CHECK_FAILURE);
    buf_clear(&w->trace);
    vap_server_remove_account(w->server, slice_str("alice"));
    world_drain(w);
    assert_non_null(w->closed[1]);
    world_expect(w, "unsubscribed:7 unregistered ");
    world_open(w, 2);
    assert_int_equal(ask_register(w, 2, NULL), VAP_UNKNOWN_USERNAME);
}

/* The same octets again: the same request of somebody who knows the password; what it may do, it does twice at most. */
static void test_replayed_register_is_refused(void **state)
{
    struct world *w = *state;
    open_registered(w, 1);
    vap_server_input(w->server, w->now, 1, buf_slice(&w->message));
    world_drain(w);
    assert_true(world_read(w, 1));
    assert_int_equal(w->answer.error_code, VAP_ALREADY_REGISTERED);
}

static void test_limit_in_flight(void **state)
{
    struct world *w = *state;
    w->config.in_flight_max = 3;
    world_restart(w);
    open_registered(w, 1);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask_upload(w, 1, 7, "+1732"), -1);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), VAP_OVERLOADED);
    assert_int_equal(vap_server_counters(w->server)->limit_in_flight, 1);
    vap_server_complete(w->server, w->requests[0], 0, NULL);
    world_drain(w);
    assert_true(world_read(w, 1));
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), -1);
}

static void test_limit_rate_of_records(void **state)
{
    struct world *w = *state;
    w->config.vcrs_per_second = 2;
    w->config.vcr_burst = 3;
    world_restart(w);
    open_registered(w, 1);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask_upload(w, 1, 7, "+1732"), -1);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), VAP_OVERLOADED);
    world_pass_ms(w, 499);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), VAP_OVERLOADED);
    world_pass_ms(w, 1);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), -1);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), VAP_OVERLOADED);
    world_pass_ms(w, 20000); /* not more than the burst */
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask_upload(w, 1, 7, "+1732"), -1);
    assert_int_equal(ask_upload(w, 1, 7, "+1732"), VAP_OVERLOADED);
    assert_int_equal(vap_server_counters(w->server)->limit_vcr_rate, 4);
}

static void test_limit_publishes(void **state)
{
    struct world *w = *state;
    w->config.publishes_queued_max = 2;
    world_restart(w);
    open_registered(w, 1);
    open_registered(w, 2);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_number(w, 1, 7, "+1731"), -1);
    assert_int_equal(ask_number(w, 2, 7, "+1732"), -1);
    assert_int_equal(ask_number(w, 2, 7, "+1733"), VAP_PUBLICATION_FAILED);
    assert_int_equal(vap_server_counters(w->server)->limit_publishes, 1);
    vap_server_closed(w->server, 1); /* still being published */
    assert_int_equal(ask_number(w, 2, 7, "+1733"), VAP_UNREGISTERED);
    vap_server_complete(w->server, w->requests[0], 0, NULL);
    assert_int_equal(ask_publish(w, 2, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_number(w, 2, 7, "+1733"), -1);
}

static void test_limit_subscriptions_and_instances(void **state)
{
    struct world *w = *state;
    w->config.subscriptions_max = 1;
    w->config.instances_max = 1;
    world_restart(w);
    open_registered(w, 1);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    assert_int_equal(ask_subscribe(w, 1, 8, NULL), VAP_OVERLOADED);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 2, description("b", 10)), 0);
    assert_int_equal(ask_publish(w, 1, 7, 2, 1, description("a", 10)), VAP_OVERLOADED);
}

static void test_limit_notifies(void **state)
{
    struct world *w = *state;
    uint32_t handle, subscription;
    w->config.notifies_max = 1;
    world_restart(w);
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, &handle), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, &subscription), 0);
    const struct slice xml = slice_str("<valinfo/>");
    assert_int_equal(vap_server_notify_one(w->server, w->now, handle, subscription + 1, xml, 1), ERR_NOT_FOUND);
    assert_int_equal(vap_server_notify_one(w->server, w->now, handle, subscription, xml, 1), 0);
    assert_int_equal(vap_server_notify_one(w->server, w->now, handle, subscription, xml, 2), ERR_LIMIT);
    assert_int_equal(vap_server_notify(w->server, w->now, 7, xml, 2), 0);
    assert_int_equal(vap_server_counters(w->server)->limit_notifies, 2);
    world_drain(w);
    assert_true(world_read(w, 1));
    answer_success(w, 1);
    assert_int_equal(vap_server_notify_one(w->server, w->now, handle, subscription, xml, 2), 0);
}

static void test_limit_connections(void **state)
{
    struct world *w = *state;
    w->config.connections_max = 2;
    w->config.connections_per_user_max = 1;
    world_restart(w);
    open_registered(w, 1);
    world_open(w, 2);
    assert_int_equal(ask_register(w, 2, NULL), VAP_OVERLOADED);
    assert_int_equal(vap_server_open(w->server, w->now, 3, false, "-"), ERR_LIMIT);
    assert_int_equal(vap_server_open(w->server, w->now, 2, false, "-"), ERR_EXISTS);
    vap_server_closed(w->server, 1);
    assert_int_equal(ask_register(w, 2, NULL), 0);
}

static void test_limit_message_size(void **state)
{
    struct world *w = *state;
    static const uint8_t zeros[60000];
    open_registered(w, 1);
    ask_begin(w, VAP_SUBSCRIBE);
    tlv_put(&w->message, 0x9000, slice_of(zeros, sizeof zeros));
    assert_int_equal(ask(w, 1), VAP_TOO_LARGE);
    assert_false(w->answer.has & VAP_HAS_INTEGRITY);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0); /* the connection goes on */
    assert_int_equal(vap_server_counters(w->server)->oversized, 1);
}

static void test_what_is_no_vap(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    vap_server_input(w->server, w->now, 1, slice_str("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"));
    world_drain(w);
    assert_non_null(w->closed[1]);
    assert_int_equal(w->received[1].n, 0);
}

/* Whatever allocation fails: an error or a closed connection, never a crash or a lost effect. */
static void test_out_of_memory_anywhere(void **state)
{
    struct world *w = *state;
    for (unsigned long nth = 1; nth < 60; nth++) {
        world_restart(w);
        open_registered(w, 1);
        world_open(w, 2);
        ask_begin(w, VAP_REGISTER);
        vap_put_version(&w->message, 1, 0);
        struct vap_key key;
        assert_int_equal(vap_key_derive(slice_str("alice"), slice_str(VAP_REALM), slice_str("wonder"), &key), 0);
        vap_end_signed(&w->message, w->mark, &key);
        mem_fail_at(nth);
        vap_server_input(w->server, w->now, 2, buf_slice(&w->message));
        mem_fail_at(0);
        world_drain(w);
        ask_begin(w, VAP_PUBLISH);
        tlv_put_service(&w->message, TLV_SERVICE_IDENTITY,
                        &(struct service_identity){SERVICE_VIPR, SUBSERVICE_VSERVICE, 7, 1});
        tlv_put_u32(&w->message, TLV_SERVICE_VERSION, 1);
        tlv_put_text(&w->message, TLV_SERVICE_CONTENT, description("a", 10));
        vap_end_signed(&w->message, w->mark, &key);
        mem_fail_at(nth);
        vap_server_input(w->server, w->now, 1, buf_slice(&w->message));
        mem_fail_at(0);
        world_drain(w);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(test_431_wrong_password),
        T(test_436_unknown_user),
        T(test_guessing_ends_the_connection),
        T(test_400_without_integrity_or_user),
        T(test_400_malformed),
        T(test_400_wrong_realm),
        T(test_471_handles),
        T(test_472_versions),
        T(test_474_everything_before_register),
        T(test_474_without_vservice),
        T(test_476_unknown_subscription),
        T(test_477_already_registered),
        T(test_478_versions_of_the_protocol),
        T(test_400_services),
        T(test_481_ring),
        T(test_what_completions_mean),
        T(test_another_user_on_the_connection),
        T(test_changed_password_and_removed_account),
        T(test_replayed_register_is_refused),
        T(test_limit_in_flight),
        T(test_limit_rate_of_records),
        T(test_limit_publishes),
        T(test_limit_subscriptions_and_instances),
        T(test_limit_notifies),
        T(test_limit_connections),
        T(test_limit_message_size),
        T(test_what_is_no_vap),
        T(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
