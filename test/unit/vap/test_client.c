/* The client core against server cores: everything that it keeps up by itself, through losses of every kind. */
#include "pair.h"

static void test_comes_up(void **state)
{
    struct pair *p = *state;
    struct vap_vservice_view view;
    pair_start(p, 1);
    assert_int_equal(p->online[0], 1);
    assert_int_equal(p->subscribed[0], 1);
    assert_true(vap_server_vservice(p->sides[0].server, VSERVICE, &view));
    assert_string_equal(view.routes[0], p->description.routes[0]);
    assert_int_equal(vap_server_client_count(p->sides[0].server), 1);
}

static void test_keeps_alive(void **state)
{
    struct pair *p = *state;
    pair_start(p, 1);
    pair_pass_ms(p, 24 * 3600 * 1000);
    assert_int_equal(p->connects[0], 1);
    assert_int_equal(vap_server_counters(p->sides[0].server)->expired, 0);
    assert_true(vap_client_counters(p->client)->refreshed > 1000);
}

static void test_uploads_in_a_window(void **state)
{
    struct pair *p = *state;
    p->config.window = 4;
    p->sides[0].manner = SIT;
    pair_start(p, 1);
    for (uint64_t i = 0; i < 10; i++)
        pair_upload(p, VAP_SENT, i);
    pair_settle(p);
    assert_int_equal(p->sides[0].waiting_count, 4);
    assert_int_equal(p->good, 0);
    vap_server_complete(p->sides[0].server, p->sides[0].waiting[2], 0, NULL);
    pair_settle(p);
    assert_int_equal(p->sides[0].waiting_count, 5);
    assert_int_equal(p->results[2], 1);
    assert_int_equal(vap_client_queued(p->client), 9);
    for (size_t i = 0; i < p->sides[0].waiting_count; i++) {
        vap_server_complete(p->sides[0].server, p->sides[0].waiting[i], 0, NULL);
        pair_settle(p);
    }
    assert_int_equal(p->good, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(p->results[i], 1);
}

static void test_queue_has_a_limit(void **state)
{
    struct pair *p = *state;
    p->config.queue_max = 2;
    p->sides[0].reachable = false;
    pair_start(p, 1);
    pair_upload(p, VAP_SENT, 0);
    pair_upload(p, VAP_SENT, 1);
    const struct vap_vcr vcr = {.called = {"+1"}};
    assert_int_equal(vap_client_upload(p->client, p->now, &vcr, 2), ERR_LIMIT);
}

static void test_reconnects_and_loses_nothing(void **state)
{
    struct pair *p = *state;
    p->sides[0].manner = SIT;
    pair_start(p, 1);
    for (uint64_t i = 0; i < 20; i++)
        pair_upload(p, VAP_SENT, i);
    pair_settle(p);
    assert_int_equal(p->sides[0].waiting_count, 20);
    p->sides[0].reachable = false;
    pair_break(p, 0);
    assert_int_equal(p->offline[0], 1);
    pair_pass_ms(p, 600000);
    unsigned attempts = p->connects[0];
    assert_in_range(attempts, 6, 15); /* at first after a second, then ever more rarely, up to every 120 s */
    assert_int_equal(p->good + p->bad, 0);
    p->sides[0].reachable = true;
    p->sides[0].manner = STORE;
    pair_pass_ms(p, 151000);
    assert_int_equal(p->good, 20);
    assert_int_equal(p->online[0], 2);
    assert_int_equal(p->subscribed[0], 2);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(p->results[i], 1);
}

static void test_no_answer_ends_the_connection_after_ti(void **state)
{
    struct pair *p = *state;
    pair_start(p, 1);
    pair_upload(p, VAP_SENT, 1);
    p->sides[0].mute = true;
    pair_settle(p);
    p->sides[0].mute = true;
    pair_pass_ms(p, p->config.transaction_ms - 1);
    assert_int_equal(p->offline[0], 0);
    pair_pass_ms(p, 1);
    assert_int_equal(p->offline[0], 1);
    p->sides[0].mute = false;
    pair_pass_ms(p, 10000);
    assert_int_equal(p->results[1], 1);
    assert_int_equal(p->errs[1], 0);
}

static void test_gives_up_a_record_that_never_gets_an_answer(void **state)
{
    struct pair *p = *state;
    p->sides[0].manner = SIT;
    pair_start(p, 1);
    pair_upload(p, VAP_SENT, 1);
    pair_pass_ms(p, (p->config.attempts_max - 1) * p->config.transaction_ms);
    assert_int_equal(p->results[1], 0);
    pair_pass_ms(p, p->config.attempts_max * 2000 + p->config.transaction_ms);
    assert_int_equal(p->results[1], 1);
    assert_int_equal(p->errs[1], ERR_TIMEOUT);
}

static void test_server_that_cannot_store(void **state)
{
    struct pair *p = *state;
    p->sides[0].manner = REFUSE;
    p->sides[0].refuse_err = ERR_NO_SPACE;
    pair_start(p, 1);
    pair_upload(p, VAP_SENT, 1);
    pair_settle(p);
    assert_int_equal(p->results[1], 0);
    pair_pass_ms(p, 100000);
    assert_int_equal(p->results[1], 1);
    assert_int_equal(p->errs[1], ERR_FORBIDDEN);
    assert_int_equal(p->codes[1], VAP_SERVER_ERROR);
}

static void test_overloaded_server_is_waited_for(void **state)
{
    struct pair *p = *state;
    p->server_config.vcrs_per_second = 10;
    p->server_config.vcr_burst = 10;
    pair_restart_server(p, 0);
    pair_start(p, 1);
    for (uint64_t i = 0; i < 200; i++)
        pair_upload(p, VAP_SENT, i);
    pair_settle(p);
    assert_int_equal(p->good, 10);
    pair_pass_ms(p, 200000);
    assert_int_equal(p->good, 200);
    assert_int_equal(p->bad, 0);
    assert_int_equal(p->sides[0].vcrs[VAP_SENT], 200);
    assert_int_equal(p->offline[0], 0);
}

static void test_bad_record_fails_at_once(void **state)
{
    struct pair *p = *state;
    p->sides[0].manner = REFUSE;
    p->sides[0].refuse_err = ERR_RANGE;
    pair_start(p, 1);
    pair_upload(p, VAP_SENT, 1);
    pair_settle(p);
    assert_int_equal(p->codes[1], VAP_BAD_REQUEST);
    assert_int_equal(p->alarms[VAP_ALARM_BAD_REQUEST], 1);
}

static void test_primary_and_backup(void **state)
{
    struct pair *p = *state;
    pair_start(p, 2);
    assert_int_equal(p->online[0], 1);
    assert_int_equal(p->online[1], 1);
    /* Subscribed at the primary only; sent calls to it only; received calls to both. */
    assert_int_equal(p->sides[0].subscriptions, 1);
    assert_int_equal(p->sides[1].subscriptions, 0);
    pair_upload(p, VAP_SENT, 1);
    pair_upload(p, VAP_RECEIVED, 2);
    pair_settle(p);
    assert_int_equal(p->sides[0].vcrs[VAP_SENT], 1);
    assert_int_equal(p->sides[0].vcrs[VAP_RECEIVED], 1);
    assert_int_equal(p->sides[1].vcrs[VAP_SENT], 0);
    assert_int_equal(p->sides[1].vcrs[VAP_RECEIVED], 1);
    assert_int_equal(p->good, 2);
}

static void test_backup_takes_over_and_hands_back(void **state)
{
    struct pair *p = *state;
    pair_start(p, 2);
    p->sides[0].reachable = false;
    pair_break(p, 0);
    assert_int_equal(p->sides[1].subscriptions, 1);
    pair_upload(p, VAP_SENT, 1);
    pair_settle(p);
    assert_int_equal(p->sides[1].vcrs[VAP_SENT], 1);
    p->sides[0].reachable = true;
    pair_pass_ms(p, 10000);
    assert_int_equal(p->online[0], 2);
    assert_int_equal(p->sides[0].subscriptions, 1);
    assert_int_equal(p->sides[1].subscriptions, 0);
    pair_upload(p, VAP_SENT, 2);
    pair_settle(p);
    assert_int_equal(p->sides[0].vcrs[VAP_SENT], 1);
    assert_int_equal(p->good, 2);
}

static void test_starts_with_the_backup_alone(void **state)
{
    struct pair *p = *state;
    p->sides[0].reachable = false;
    pair_start(p, 2);
    pair_upload(p, VAP_SENT, 1);
    pair_settle(p);
    assert_int_equal(p->good, 1);
    assert_int_equal(p->sides[1].vcrs[VAP_SENT], 1);
}

static void publish(struct pair *p, const char *number, uint64_t token)
{
    struct e164 e164;
    assert_true(e164_parse(slice_str(number), &e164));
    assert_int_equal(vap_client_publish_number(p->client, p->now, &e164, token), 0);
    assert_int_equal(vap_client_publish_number(p->client, p->now, &e164, token), ERR_EXISTS);
    pair_settle(p);
}

static void test_numbers_are_published_everywhere_and_refreshed(void **state)
{
    struct pair *p = *state;
    pair_start(p, 2);
    publish(p, "+49891", 1);
    publish(p, "+49892", 2);
    assert_int_equal(p->published, 2);
    assert_int_equal(p->sides[0].numbers, 2);
    assert_int_equal(p->sides[1].numbers, 2);
    pair_pass_ms(p, 10 * 86400000LL);
    assert_int_equal(p->published, 2); /* one result each */
    assert_in_range(p->sides[0].numbers, 2 + 2 * 13, 2 + 2 * 20);
    assert_in_range(p->sides[1].numbers, 2 + 2 * 13, 2 + 2 * 20);
}

static void test_refreshes_are_told_if_wanted(void **state)
{
    struct pair *p = *state;
    p->config.report_refreshes = true;
    pair_start(p, 1);
    publish(p, "+49891", 1);
    assert_int_equal(p->published, 1);
    pair_pass_ms(p, 10 * 86400000LL);
    assert_int_equal(p->published, p->sides[0].numbers);
    p->sides[0].manner = REFUSE;
    p->sides[0].refuse_err = ERR_IO;
    pair_pass_ms(p, 86400000LL);
    assert_true(p->unpublished > 0);
    p->sides[0].manner = STORE;
    p->errs[1] = 1;
    pair_pass_ms(p, 3600000LL);
    assert_int_equal(p->errs[1], 0);
}

static void test_number_that_cannot_be_published(void **state)
{
    struct pair *p = *state;
    p->sides[0].manner = REFUSE;
    p->sides[0].refuse_err = ERR_UNREACHABLE;
    pair_start(p, 1);
    publish(p, "+49891", 1);
    assert_int_equal(p->results[1], 0);
    pair_pass_ms(p, 3600000);
    assert_int_equal(p->results[1], 1);
    assert_int_equal(p->codes[1], VAP_PUBLICATION_FAILED);
    /* It is still tried: the ring may come back. */
    p->sides[0].manner = STORE;
    pair_pass_ms(p, 601000);
    assert_int_equal(p->sides[0].numbers, 1);
    assert_int_equal(p->results[1], 1);
}

static void test_forgotten_numbers(void **state)
{
    struct pair *p = *state;
    const struct e164 first = {"+49891"}, second = {"+49892"};
    p->sides[0].manner = SIT;
    pair_start(p, 1);
    publish(p, first.text, 1);
    assert_int_equal(vap_client_forget_number(p->client, &first), 0);
    assert_int_equal(vap_client_forget_number(p->client, &first), ERR_NOT_FOUND);
    pair_settle(p);
    assert_int_equal(p->errs[1], ERR_CLOSED);
    vap_server_complete(p->sides[0].server, p->sides[0].waiting[0], 0, NULL);
    pair_settle(p);
    publish(p, second.text, 2);
    assert_int_equal(vap_client_forget_number(p->client, &second), 0);
    /* Freed with the client, although its request is under way and its result was not taken. */
}

static void test_routes_are_notified(void **state)
{
    struct pair *p = *state;
    pair_start(p, 1);
    assert_int_equal(vap_server_notify(p->sides[0].server, p->now, VSERVICE, slice_str("<valinfo/>"), 5), 1);
    pair_settle(p);
    assert_string_equal(p->route, "<valinfo/>");
    assert_int_equal(p->sides[0].notified, 1);
    p->keep_routes = false;
    vap_server_notify(p->sides[0].server, p->now, VSERVICE, slice_str("<valinfo/>"), 6);
    pair_settle(p);
    assert_int_equal(p->sides[0].notify_failures, 1);
}

static void test_wrong_password_is_final(void **state)
{
    struct pair *p = *state;
    p->config.password = "guess";
    pair_start(p, 1);
    assert_true(p->final[0]);
    assert_int_equal(p->alarms[VAP_ALARM_INVALID_CREDENTIALS], 1);
    pair_pass_ms(p, 3600000);
    assert_int_equal(p->connects[0], 1);
}

static void test_unknown_user_is_final(void **state)
{
    struct pair *p = *state;
    p->config.user = "nobody";
    pair_start(p, 1);
    assert_true(p->final[0]);
    assert_int_equal(p->alarms[VAP_ALARM_INVALID_CREDENTIALS], 1);
}

static void test_server_that_forgot_everything(void **state)
{
    struct pair *p = *state;
    pair_start(p, 1);
    pair_upload(p, VAP_SENT, 1);
    pair_settle(p);
    pair_restart_server(p, 0);
    pair_upload(p, VAP_SENT, 2);
    pair_pass_ms(p, 5000);
    assert_int_equal(p->good, 2);
    assert_int_equal(p->online[0], 2);
}

static void test_ring_goes_and_comes_back(void **state)
{
    struct pair *p = *state;
    struct vap_vservice_view view;
    pair_start(p, 1);
    vap_server_revoke_dht(p->sides[0].server, p->now, VAP_PUBLIC_DHT);
    pair_settle(p);
    assert_int_equal(p->revoked, 1);
    assert_int_equal(p->alarms[VAP_ALARM_RING_INACTIVE], 1);
    pair_upload(p, VAP_SENT, 1);
    pair_pass_ms(p, p->config.reconnect_ms);
    assert_int_equal(p->results[1], 0);
    assert_true(p->alarms[VAP_ALARM_PUBLISH_FAILED] > 0);
    vap_server_set_dht(p->sides[0].server, VAP_PUBLIC_DHT, 1000, 86400);
    pair_pass_ms(p, 60000);
    assert_true(vap_server_vservice(p->sides[0].server, VSERVICE, &view));
    assert_int_equal(p->good, 1);
}

static void test_changed_description(void **state)
{
    struct pair *p = *state;
    struct vap_vservice_view view;
    pair_start(p, 2);
    p->description.did_count = 77;
    assert_int_equal(vap_client_set_description(p->client, p->now, &p->description), 0);
    pair_settle(p);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(vap_server_vservice(p->sides[i].server, VSERVICE, &view));
        assert_int_equal(view.description->did_count, 77);
        assert_int_equal(view.instance_count, 1);
    }
    assert_int_equal(p->offline[0], 0);
}

static void test_over_quota(void **state)
{
    struct pair *p = *state;
    p->description.did_count = 1001;
    pair_start(p, 1);
    assert_int_equal(p->alarms[VAP_ALARM_OVER_QUOTA], 1);
    assert_int_equal(p->online[0], 1);
}

static void test_without_a_vservice_of_its_own(void **state)
{
    struct pair *p = *state;
    p->config.description = NULL;
    pair_start(p, 1);
    assert_int_equal(p->online[0], 1);
    pair_upload(p, VAP_SENT, 1);
    pair_settle(p);
    assert_int_equal(p->codes[1], VAP_UNREGISTERED);
    assert_int_equal(p->online[0], 1);
    assert_int_equal(p->offline[0], 0);
}

static void test_stop_unregisters_and_finishes_everything(void **state)
{
    struct pair *p = *state;
    p->sides[0].manner = SIT;
    pair_start(p, 2);
    pair_upload(p, VAP_SENT, 1);
    publish(p, "+49891", 2);
    pair_settle(p);
    vap_client_stop(p->client, p->now);
    pair_settle(p);
    assert_int_equal(p->results[1], 1);
    assert_int_equal(p->errs[1], ERR_CLOSED);
    assert_int_equal(p->results[2], 1);
    assert_int_equal(p->stopped, 1);
    assert_int_equal(vap_server_client_count(p->sides[0].server), 0);
    assert_int_equal(vap_server_counters(p->sides[0].server)->unregistered, 1);
    const struct vap_vcr vcr = {.called = {"+1"}};
    assert_int_equal(vap_client_upload(p->client, p->now, &vcr, 9), ERR_CLOSED);
    pair_pass_ms(p, 3600000);
    assert_int_equal(p->connects[0], 1);
}

static void test_stop_with_a_silent_server(void **state)
{
    struct pair *p = *state;
    pair_start(p, 1);
    p->sides[0].mute = true;
    vap_client_stop(p->client, p->now);
    pair_settle(p);
    assert_int_equal(p->stopped, 0);
    pair_pass_ms(p, p->config.transaction_ms);
    assert_int_equal(p->stopped, 1);
}

static void test_server_that_does_not_speak_vap(void **state)
{
    struct pair *p = *state;
    pair_start(p, 1);
    vap_client_input(p->client, p->now, 0, slice_str("HTTP/1.1 400 Bad Request\r\n\r\n"));
    pair_settle(p);
    assert_int_equal(p->offline[0], 1);
    pair_pass_ms(p, 2000);
    assert_int_equal(p->online[0], 2);
}

/* Connections break and servers restart at random moments, one of two servers at a time: in the end every record has one good result and
 * is stored at least once. */
static void test_storm(void **state)
{
    struct pair *p = *state;
    p->config.window = 5;
    pair_start(p, 2);
    for (uint64_t token = 0; token < 500; token++) {
        pair_upload(p, token % 2 ? VAP_SENT : VAP_RECEIVED, token);
        unsigned which = (unsigned)entropy_below(&p->entropy, 2);
        struct side *side = &p->sides[which];
        switch (entropy_below(&p->entropy, 12)) {
        case 0:
            pair_break(p, which);
            break;
        case 1:
            pair_restart_server(p, which);
            break;
        case 2:
            side->reachable = !side->reachable;
            break;
        case 3:
            side->mute = !side->mute;
            break;
        case 4:
            vap_server_revoke_dht(side->server, p->now, VAP_PUBLIC_DHT);
            vap_server_set_dht(side->server, VAP_PUBLIC_DHT, 1000, 86400);
            break;
        default:
            break;
        }
        pair_pass_ms(p, (int64_t)entropy_below(&p->entropy, 5000));
    }
    for (unsigned i = 0; i < SERVERS; i++) {
        p->sides[i].reachable = true;
        p->sides[i].mute = false;
    }
    pair_pass_ms(p, 1800000);
    unsigned timed_out = 0;
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(p->results[i], 1);
        timed_out += p->errs[i] == ERR_TIMEOUT;
    }
    assert_int_equal(p->good + timed_out, 500);
    assert_true(timed_out < 50);
    assert_int_equal(vap_client_queued(p->client), 0);
    assert_int_equal(p->sides[0].subscriptions, 1);
    assert_int_equal(p->sides[1].subscriptions, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        T(test_comes_up),
        T(test_keeps_alive),
        T(test_uploads_in_a_window),
        T(test_queue_has_a_limit),
        T(test_reconnects_and_loses_nothing),
        T(test_no_answer_ends_the_connection_after_ti),
        T(test_gives_up_a_record_that_never_gets_an_answer),
        T(test_server_that_cannot_store),
        T(test_overloaded_server_is_waited_for),
        T(test_bad_record_fails_at_once),
        T(test_primary_and_backup),
        T(test_backup_takes_over_and_hands_back),
        T(test_starts_with_the_backup_alone),
        T(test_numbers_are_published_everywhere_and_refreshed),
        T(test_refreshes_are_told_if_wanted),
        T(test_number_that_cannot_be_published),
        T(test_forgotten_numbers),
        T(test_routes_are_notified),
        T(test_wrong_password_is_final),
        T(test_unknown_user_is_final),
        T(test_server_that_forgot_everything),
        T(test_ring_goes_and_comes_back),
        T(test_changed_description),
        T(test_over_quota),
        T(test_without_a_vservice_of_its_own),
        T(test_stop_unregisters_and_finishes_everything),
        T(test_stop_with_a_silent_server),
        T(test_server_that_does_not_speak_vap),
        T(test_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
