/* The server's state model, method by method, in virtual time (sections 6 and 9). */
#include "harness.h"

static void test_register_gives_handle_and_keepalive(void **state)
{
    struct world *w = *state;
    uint32_t first, second;
    world_open(w, 1);
    world_open(w, 2);
    assert_int_equal(ask_register(w, 1, &first), 0);
    assert_int_equal(ask_register(w, 2, &second), 0);
    assert_int_not_equal(first, second);
    world_expect(w, "registered registered ");
    assert_int_equal(vap_server_client_count(w->server), 2);
}

static void test_register_with_handle_refreshes(void **state)
{
    struct world *w = *state;
    uint32_t handle;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, &handle), 0);
    for (int i = 0; i < 5; i++) {
        world_pass_ms(w, w->config.keepalive_ms - 1);
        ask_begin(w, VAP_REGISTER);
        tlv_put_u32(&w->message, TLV_CLIENT_HANDLE, handle);
        assert_int_equal(ask(w, 1), 0);
        assert_int_equal(w->answer.client_handle, handle);
    }
    assert_null(w->closed[1]);
    assert_int_equal(vap_server_counters(w->server)->refreshed, 5);
}

static void test_silence_ends_the_client(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    world_expect(w, "registered vservice:7 subscribed:7 ");
    world_pass_ms(w, w->config.keepalive_ms - 1);
    assert_null(w->closed[1]);
    world_pass_ms(w, 1);
    assert_non_null(w->closed[1]);
    world_expect(w, "unsubscribed:7 gone:7 unregistered ");
    assert_int_equal(vap_server_counters(w->server)->expired, 1);
}

static void test_a_connection_must_register(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    world_pass_ms(w, w->config.transaction_ms - 1);
    assert_null(w->closed[1]);
    world_pass_ms(w, 1);
    assert_non_null(w->closed[1]);
}

static void test_client_moves_to_a_new_connection(void **state)
{
    struct world *w = *state;
    uint32_t handle;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, &handle), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    world_expect(w, "registered vservice:7 subscribed:7 ");
    world_open(w, 2);
    ask_begin(w, VAP_REGISTER);
    tlv_put_u32(&w->message, TLV_CLIENT_HANDLE, handle);
    assert_int_equal(ask(w, 2), 0);
    assert_non_null(w->closed[1]);
    world_expect(w, "");
    assert_int_equal(vap_server_notify(w->server, w->now, 7, slice_str("<valinfo/>"), 5), 1);
    world_drain(w);
    assert_true(world_read(w, 2));
    assert_int_equal(w->answer.method, VAP_NOTIFY);
}

static void test_unregister_then_thirty_seconds(void **state)
{
    struct world *w = *state;
    uint32_t handle;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, &handle), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    world_expect(w, "registered vservice:7 ");
    ask_begin(w, VAP_UNREGISTER);
    tlv_put_u32(&w->message, TLV_CLIENT_HANDLE, handle);
    assert_int_equal(ask(w, 1), 0);
    world_expect(w, "gone:7 unregistered ");
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), VAP_UNREGISTERED);
    world_pass_ms(w, 29999);
    assert_null(w->closed[1]);
    world_pass_ms(w, 1);
    assert_non_null(w->closed[1]);
}

static void test_vservice_has_quota_and_lifetime(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    world_open(w, 2);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_register(w, 2, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(w->answer.quota_limit, 1000);
    assert_int_equal(w->answer.quota_current, 10);
    assert_int_equal(w->answer.dht_lifetime_s, 86400);
    assert_int_equal(ask_publish(w, 2, 8, 1, 1, description("b", 990)), 0);
    assert_int_equal(w->answer.quota_current, 1000);
    vap_server_closed(w->server, 1);
    world_drain(w);
    assert_int_equal(vap_server_quota_used(w->server, VAP_PUBLIC_DHT), 990);
}

static void assert_routes(struct world *w, uint64_t vservice, size_t instances, size_t routes, const char *last)
{
    struct vap_vservice_view view;
    assert_true(vap_server_vservice(w->server, vservice, &view));
    assert_int_equal(view.instance_count, instances);
    assert_int_equal(view.route_count, routes);
    assert_non_null(strstr(view.routes[routes - 1], last));
}

static void test_instances_of_one_vservice(void **state)
{
    struct world *w = *state;
    struct vap_vservice_view view;
    world_open(w, 1);
    world_open(w, 2);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_register(w, 2, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("one", 10)), 0);
    assert_int_equal(ask_publish(w, 2, 7, 2, 1, description("two", 20)), 0);
    assert_routes(w, 7, 2, 2, "sip:two@");
    assert_int_equal(vap_server_quota_used(w->server, VAP_PUBLIC_DHT), 20);

    /* The routes of an instance are replaced, the rest is that of the whole VService. */
    assert_int_equal(ask_publish(w, 1, 7, 1, 2, description("uno", 30)), 0);
    assert_routes(w, 7, 2, 2, "sip:uno@");
    assert_int_equal(vap_server_quota_used(w->server, VAP_PUBLIC_DHT), 30);

    vap_server_closed(w->server, 1);
    world_drain(w);
    assert_routes(w, 7, 1, 1, "sip:two@");
    vap_server_closed(w->server, 2);
    world_drain(w);
    assert_false(vap_server_vservice(w->server, 7, &view));
    world_expect(w, "registered registered vservice:7 vservice:7 vservice:7 unregistered gone:7 unregistered ");
}

static void test_instance_of_a_lost_connection_is_taken_over(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 3, description("a", 10)), 0);
    world_open(w, 2);
    assert_int_equal(ask_register(w, 2, NULL), 0);
    assert_int_equal(ask_publish(w, 2, 7, 1, 3, description("a", 10)), 0);
    world_expect(w, "registered vservice:7 registered vservice:7 ");
    vap_server_closed(w->server, 1);
    world_drain(w);
    world_expect(w, "unregistered ");
    assert_routes(w, 7, 1, 1, "sip:a@");
}

static void test_unpublish(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_publish(w, 1, 7, 2, 1, description("b", 10)), 0);
    for (uint64_t instance = 1; instance <= 3; instance++) {
        ask_begin(w, VAP_UNPUBLISH);
        tlv_put_service(&w->message, TLV_SERVICE_IDENTITY,
                        &(struct service_identity){SERVICE_VIPR_OLD, SUBSERVICE_VSERVICE, 7, instance});
        assert_int_equal(ask(w, 1), 0);
    }
    world_expect(w, "registered vservice:7 vservice:7 gone:7 ");
}

static void test_number_is_answered_when_it_is_stored(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_number(w, 1, 7, "+17325552496"), -1);
    assert_int_equal(ask_number(w, 1, 7, "+17325552497"), -1);
    world_expect(w, "registered vservice:7 number:+17325552496 number:+17325552497 ");
    assert_string_equal(w->dht, VAP_PUBLIC_DHT);

    /* In whatever order. */
    vap_server_complete(w->server, w->requests[1], 0, NULL);
    world_drain(w);
    assert_true(world_read(w, 1));
    assert_int_equal(w->answer.kind, VAP_SUCCESS);
    assert_int_equal(w->answer.transaction.octets[0], w->next_transaction);
    assert_int_equal(w->answer.quota_current, 10);
    assert_int_equal(w->answer.dht_lifetime_s, 86400);
    vap_server_complete(w->server, w->requests[0], ERR_UNREACHABLE, "two of three stores failed");
    world_drain(w);
    assert_true(world_read(w, 1));
    assert_int_equal(w->answer.error_code, VAP_PUBLICATION_FAILED);
    assert_slice_text(w->answer.reason, "two of three stores failed");
    /* Once only. */
    vap_server_complete(w->server, w->requests[0], 0, NULL);
    world_drain(w);
    assert_false(world_read(w, 1));
}

static void test_call_record_is_answered_when_it_is_durable(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_upload(w, 1, 7, "+17325552496"), -1);
    world_expect(w, "registered vservice:7 vcr:+17325552496 ");
    assert_true(w->last.vcr.vservice_id == 7);
    assert_int_equal(w->last.vcr.direction, VAP_SENT);
    assert_string_equal(w->last.vcr.calling.text, "+4989123456");
    assert_true(wall_from_ntp(w->last.vcr.start_ntp).ms == 1767225600000);
    assert_true(wall_from_ntp(w->last.vcr.stop_ntp).ms == 1767225660500);
    vap_server_complete(w->server, w->requests[0], 0, NULL);
    world_drain(w);
    assert_true(world_read(w, 1));
    assert_int_equal(w->answer.kind, VAP_SUCCESS);
    assert_int_equal(vap_server_counters(w->server)->vcrs_uploaded, 1);
}

static void test_record_outlives_its_connection(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_upload(w, 1, 7, "+17325552496"), -1);
    vap_server_closed(w->server, 1);
    world_drain(w);
    vap_server_complete(w->server, w->requests[0], 0, NULL);
    world_drain(w);
    assert_false(world_read(w, 1));
    assert_int_equal(vap_server_counters(w->server)->vcrs_uploaded, 1);
    assert_int_equal(vap_server_counters(w->server)->completions_late, 1);
}

static void test_caller_may_be_unknown(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    for (int with = 0; with < 2; with++) {
        ask_begin(w, VAP_UPLOAD_VCR);
        tlv_put_service(&w->message, TLV_SERVICE_IDENTITY, &(struct service_identity){SERVICE_VIPR_OLD, 3, 7, 0});
        tlv_put_u32(&w->message, TLV_CALL_DIRECTION, VAP_RECEIVED);
        tlv_put_time(&w->message, TLV_START_TIME, (struct wall){1767225600000});
        tlv_put_time(&w->message, TLV_STOP_TIME, (struct wall){1767225600000});
        tlv_put_text(&w->message, TLV_CALLED_NUM, "+17325552496");
        if (with)
            tlv_put_text(&w->message, TLV_CALLING_NUM, "");
        assert_int_equal(ask(w, 1), -1);
        assert_string_equal(w->last.vcr.calling.text, "");
        assert_int_equal(w->last.vcr.direction, VAP_RECEIVED);
    }
}

static void test_notify_goes_to_every_subscriber(void **state)
{
    struct world *w = *state;
    uint32_t first, second, other;
    for (uint64_t conn = 1; conn <= 3; conn++) {
        world_open(w, conn);
        assert_int_equal(ask_register(w, conn, NULL), 0);
    }
    assert_int_equal(ask_subscribe(w, 1, 7, &first), 0);
    assert_int_equal(ask_subscribe(w, 2, 8, &other), 0);
    assert_int_equal(ask_subscribe(w, 2, 7, &second), 0);
    buf_clear(&w->trace);
    assert_int_equal(vap_server_notify(w->server, w->now, 7, slice_str("<valinfo/>"), 99), 2);
    world_drain(w);
    assert_true(world_read(w, 1));
    assert_int_equal(w->answer.kind, VAP_REQUEST);
    assert_int_equal(w->answer.method, VAP_NOTIFY);
    assert_true(w->answer.has & VAP_HAS_INTEGRITY);
    assert_slice_text(w->answer.username, "alice");
    assert_int_equal(w->answer.subscription_id, first);
    assert_int_equal(w->answer.service.service, SERVICE_VIPR);
    assert_int_equal(w->answer.service.subservice, SUBSERVICE_NUMBER);
    assert_true(w->answer.service.vservice_id == 7);
    assert_true(w->answer.service.instance == SERVICE_INSTANCE_ALL);
    assert_slice_text(w->answer.content, "<valinfo/>");
    answer_success(w, 1);
    world_expect(w, "notified:99:ok:0 ");
    assert_true(world_read(w, 2));
    assert_int_equal(w->answer.subscription_id, second);
    answer_error(w, 2, VAP_UNKNOWN_SUBSCRIPTION, true);
    world_expect(w, "notified:99:forbidden:476 ");
    assert_false(world_read(w, 3));
}

static void test_notify_times_out_after_ti(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    buf_clear(&w->trace);
    assert_int_equal(vap_server_notify(w->server, w->now, 7, slice_str("<valinfo/>"), 1), 1);
    world_pass_ms(w, w->config.transaction_ms - 1);
    world_expect(w, "");
    world_pass_ms(w, 1);
    world_expect(w, "notified:1:timeout:0 ");
    /* The late answer belongs to nothing. */
    assert_true(world_read(w, 1));
    answer_success(w, 1);
    world_expect(w, "");
    assert_int_equal(vap_server_counters(w->server)->responses_discarded, 1);
}

static void test_notify_fails_with_its_connection(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    buf_clear(&w->trace);
    vap_server_notify(w->server, w->now, 7, slice_str("<valinfo/>"), 1);
    vap_server_closed(w->server, 1);
    world_drain(w);
    world_expect(w, "notified:1:closed:0 unsubscribed:7 unregistered ");
}

static void test_answers_need_integrity(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    buf_clear(&w->trace);
    vap_server_notify(w->server, w->now, 7, slice_str("<valinfo/>"), 1);
    world_drain(w);
    assert_true(world_read(w, 1));
    answer_error(w, 1, VAP_BAD_REQUEST, false); /* ignored */
    w->password = "wrong";
    answer_success(w, 1); /* ignored */
    world_expect(w, "");
    w->password = "wonder";
    answer_error(w, 1, VAP_INTEGRITY_CHECK_FAILURE, false); /* may come without */
    world_expect(w, "notified:1:forbidden:431 ");
    assert_int_equal(vap_server_counters(w->server)->responses_discarded, 2);
}

static void test_subscribing_again_gives_the_same_subscription(void **state)
{
    struct world *w = *state;
    uint32_t first, again, other;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, &first), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, &again), 0);
    assert_int_equal(ask_subscribe(w, 1, 8, &other), 0);
    assert_int_equal(first, again);
    assert_int_not_equal(first, other);
    ask_begin(w, VAP_UNSUBSCRIBE);
    tlv_put_u32(&w->message, TLV_SUBSCRIPTION_ID, first);
    assert_int_equal(ask(w, 1), 0);
    assert_int_equal(vap_server_notify(w->server, w->now, 7, slice_str("<valinfo/>"), 1), 0);
    assert_int_equal(vap_server_notify(w->server, w->now, 8, slice_str("<valinfo/>"), 1), 1);
}

static void test_ring_goes_away(void **state)
{
    struct world *w = *state;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_publish(w, 1, 8, 5, 1, description("b", 10)), 0);
    buf_clear(&w->trace);
    vap_server_revoke_dht(w->server, w->now, VAP_PUBLIC_DHT);
    world_drain(w);
    uint64_t seen = 0;
    for (int i = 0; i < 2; i++) {
        assert_true(world_read(w, 1));
        assert_int_equal(w->answer.method, VAP_PUBLISH_REVOKE);
        assert_int_equal(w->answer.service.subservice, SUBSERVICE_VSERVICE);
        assert_true(w->answer.has & VAP_HAS_CONTENT);
        seen += w->answer.service.vservice_id * 10 + w->answer.service.instance;
        answer_success(w, 1);
    }
    assert_int_equal(seen, 71 + 85);
    assert_int_equal(ask_number(w, 1, 7, "+17325552496"), VAP_UNREGISTERED);
    assert_int_equal(ask_publish(w, 1, 7, 1, 2, description("a", 10)), VAP_PUBLICATION_FAILED);
    assert_int_equal(vap_server_set_dht(w->server, VAP_PUBLIC_DHT, 1000, 86400), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 2, description("a", 10)), 0);
}

static void count_client(void *arg, const struct vap_client_view *view)
{
    (*(unsigned *)arg)++;
    assert_string_equal(view->user, "alice");
    assert_string_equal(view->name, "test/harness/1/here");
    assert_string_equal(view->label, "label");
    assert_string_equal(view->peer, "192.0.2.1:40000");
    assert_true(view->tls);
    assert_int_equal(view->instances, 1);
    assert_int_equal(view->subscriptions, 1);
    assert_int_equal(view->vcrs, 1);
    assert_int_equal(view->silent_ms, 1500);
    assert_int_equal(view->errors, 1);
}

static void count_vservice(void *arg, const struct vap_vservice_view *view)
{
    (*(unsigned *)arg)++;
    assert_string_equal(view->description->domain, "b.example");
}

static void test_views(void **state)
{
    struct world *w = *state;
    unsigned clients = 0, vservices = 0;
    world_open(w, 1);
    assert_int_equal(ask_register(w, 1, NULL), 0);
    assert_int_equal(ask_publish(w, 1, 7, 1, 1, description("a", 10)), 0);
    assert_int_equal(ask_subscribe(w, 1, 7, NULL), 0);
    assert_int_equal(ask_upload(w, 1, 7, "+17325552496"), -1);
    vap_server_complete(w->server, w->requests[0], 0, NULL);
    world_drain(w);
    assert_true(world_read(w, 1));
    assert_int_equal(ask_number(w, 1, 6, "+17325552496"), VAP_UNREGISTERED);
    world_pass_ms(w, 1500);
    vap_server_each_client(w->server, w->now, count_client, &clients);
    vap_server_each_vservice(w->server, count_vservice, &vservices);
    assert_int_equal(clients, 1);
    assert_int_equal(vservices, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(test_register_gives_handle_and_keepalive),
        T(test_register_with_handle_refreshes),
        T(test_silence_ends_the_client),
        T(test_a_connection_must_register),
        T(test_client_moves_to_a_new_connection),
        T(test_unregister_then_thirty_seconds),
        T(test_vservice_has_quota_and_lifetime),
        T(test_instances_of_one_vservice),
        T(test_instance_of_a_lost_connection_is_taken_over),
        T(test_unpublish),
        T(test_number_is_answered_when_it_is_stored),
        T(test_call_record_is_answered_when_it_is_durable),
        T(test_record_outlives_its_connection),
        T(test_caller_may_be_unknown),
        T(test_notify_goes_to_every_subscriber),
        T(test_notify_times_out_after_ti),
        T(test_notify_fails_with_its_connection),
        T(test_answers_need_integrity),
        T(test_subscribing_again_gives_the_same_subscription),
        T(test_ring_goes_away),
        T(test_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
