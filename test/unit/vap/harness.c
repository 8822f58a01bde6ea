/* The hand-driven clients around a VAP server core. */
#include "harness.h"

#include "base/mem.h"

#include <stdio.h>

static struct world the_world;

static void start(struct world *w)
{
    w->seeded.state = 42;
    w->entropy = seeded_entropy_port(&w->seeded);
    assert_int_equal(vap_server_new(&w->config, &w->entropy, NULL, &w->server), 0);
    assert_int_equal(vap_server_set_account(w->server, slice_str("alice"), slice_str("wonder")), 0);
    assert_int_equal(vap_server_set_account(w->server, slice_str("bob"), slice_str("builder")), 0);
    assert_int_equal(vap_server_set_dht(w->server, VAP_PUBLIC_DHT, 1000, 86400), 0);
    w->user = "alice";
    w->password = "wonder";
    w->request_count = 0;
    buf_clear(&w->trace);
    for (size_t i = 0; i < CONNS; i++) {
        buf_clear(&w->received[i]);
        w->closed[i] = NULL;
    }
}

int world_setup(void **state)
{
    struct world *w = &the_world;
    *w = (struct world){0};
    vap_server_config_init(&w->config);
    w->now = (struct now){{1000000}, {1767225600000}};
    for (size_t i = 0; i < CONNS; i++)
        buf_init(&w->received[i], 1 << 20);
    buf_init(&w->trace, 1 << 16);
    buf_init(&w->message, 1 << 17);
    buf_init(&w->raw, 1 << 17);
    start(w);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    vap_server_free(w->server);
    for (size_t i = 0; i < CONNS; i++)
        buf_fini(&w->received[i]);
    buf_fini(&w->trace);
    buf_fini(&w->message);
    buf_fini(&w->raw);
    return 0;
}

void world_restart(struct world *w)
{
    vap_server_free(w->server);
    start(w);
}

static void note_request(struct world *w, const struct vap_server_effect *e)
{
    assert_true(w->request_count < sizeof w->requests / sizeof w->requests[0]);
    w->requests[w->request_count++] = e->request;
    w->last = *e;
    snprintf(w->dht, sizeof w->dht, "%s", e->dht ? e->dht : "");
}

void world_drain(struct world *w)
{
    struct vap_server_effect e;
    while (vap_server_next(w->server, &e)) {
        switch (e.kind) {
        case VAP_SERVER_SEND:
            assert_true(e.octets.n > 0);
            buf_slice_put(&w->received[e.conn], e.octets);
            break;
        case VAP_SERVER_CLOSE:
            assert_null(w->closed[e.conn]);
            w->closed[e.conn] = e.reason;
            break;
        case VAP_SERVER_REGISTERED:
            buf_str(&w->trace, "registered ");
            break;
        case VAP_SERVER_UNREGISTERED:
            buf_str(&w->trace, "unregistered ");
            break;
        case VAP_SERVER_VSERVICE:
            buf_printf(&w->trace, "vservice:%llu ", (unsigned long long)e.vservice_id);
            break;
        case VAP_SERVER_VSERVICE_GONE:
            buf_printf(&w->trace, "gone:%llu ", (unsigned long long)e.vservice_id);
            break;
        case VAP_SERVER_SUBSCRIBED:
            buf_printf(&w->trace, "subscribed:%llu ", (unsigned long long)e.vservice_id);
            break;
        case VAP_SERVER_KEYS_WANTED:
        case VAP_SERVER_KEYS_UNWANTED:
            break; /* test_keys.c */
        case VAP_SERVER_UNSUBSCRIBED:
            buf_printf(&w->trace, "unsubscribed:%llu ", (unsigned long long)e.vservice_id);
            break;
        case VAP_SERVER_PUBLISH_NUMBER:
            note_request(w, &e);
            buf_printf(&w->trace, "number:%s ", e.number.text);
            break;
        case VAP_SERVER_UPLOAD_VCR:
            note_request(w, &e);
            buf_printf(&w->trace, "vcr:%s ", e.vcr.called.text);
            break;
        case VAP_SERVER_NOTIFY_DONE:
            w->last = e;
            buf_printf(&w->trace, "notified:%llu:%s:%u ", (unsigned long long)e.token, err_name(e.err), e.code);
            break;
        }
    }
}

void world_pass_ms(struct world *w, int64_t ms)
{
    struct mono end = mono_after_ms(w->now.mono, ms);
    for (int steps = 0; steps < 100000; steps++) {
        struct mono due = vap_server_deadline(w->server);
        struct mono next = mono_min(end, due.us < w->now.mono.us ? w->now.mono : due);
        w->now.wall.ms += (next.us - w->now.mono.us) / 1000;
        w->now.mono = next;
        vap_server_tick(w->server, w->now);
        world_drain(w);
        if (w->now.mono.us == end.us && !mono_due(vap_server_deadline(w->server), end))
            return;
    }
    fail_msg("the server's deadline does not move on");
}

void world_open(struct world *w, uint64_t conn)
{
    w->closed[conn] = NULL;
    buf_clear(&w->received[conn]);
    assert_int_equal(vap_server_open(w->server, w->now, conn, true, "192.0.2.1:40000"), 0);
}

void world_expect(struct world *w, const char *trace)
{
    assert_string_equal(buf_text(&w->trace), trace);
    buf_clear(&w->trace);
}

static struct vap_key key_of_user(const struct world *w)
{
    struct vap_key key;
    assert_int_equal(vap_key_derive(slice_str(w->user), slice_str(VAP_REALM), slice_str(w->password), &key), 0);
    return key;
}

void ask_begin(struct world *w, enum vap_method method)
{
    struct vap_transaction transaction = {{0}};
    transaction.octets[0] = ++w->next_transaction;
    buf_clear(&w->message);
    w->mark = vap_begin(&w->message, method, VAP_REQUEST, &transaction);
    tlv_put_text(&w->message, TLV_USERNAME, w->user);
    vap_put_realm(&w->message);
}

void ask_send(struct world *w, uint64_t conn)
{
    struct vap_key key = key_of_user(w);
    vap_end_signed(&w->message, w->mark, &key);
    assert_int_equal(w->message.err, 0);
    vap_server_input(w->server, w->now, conn, buf_slice(&w->message));
    world_drain(w);
}

bool world_read(struct world *w, uint64_t conn)
{
    struct buf *received = &w->received[conn];
    struct fault fault;
    struct vap_key key = key_of_user(w);
    if (received->n < VAP_HEADER_OCTETS)
        return false;
    size_t octets = VAP_HEADER_OCTETS + ((size_t)received->p[2] << 8 | received->p[3]);
    assert_true(octets <= received->n);
    buf_clear(&w->raw);
    buf_put(&w->raw, received->p, octets);
    buf_drop(received, octets);
    assert_int_equal(vap_decode(buf_slice(&w->raw), &w->answer, &fault), 0);
    assert_true(vap_realm_is_good(w->answer.realm));
    if (w->answer.has & VAP_HAS_INTEGRITY)
        assert_int_equal(vap_check_integrity(&w->answer, &key), 0);
    return true;
}

int ask(struct world *w, uint64_t conn)
{
    ask_send(w, conn);
    if (!world_read(w, conn))
        return -1;
    assert_int_equal(w->answer.transaction.octets[0], w->next_transaction);
    assert_int_not_equal(w->answer.kind, VAP_REQUEST);
    if (w->answer.kind == VAP_SUCCESS) {
        assert_true(w->answer.has & VAP_HAS_INTEGRITY);
        return 0;
    }
    assert_true(w->answer.has & VAP_HAS_ERROR);
    return w->answer.error_code;
}

int ask_register(struct world *w, uint64_t conn, uint32_t *ret_handle)
{
    ask_begin(w, VAP_REGISTER);
    tlv_put_text(&w->message, TLV_CLIENT_NAME, "test/harness/1/here");
    tlv_put_text(&w->message, TLV_CLIENT_LABEL, "label");
    vap_put_version(&w->message, 1, 0);
    int code = ask(w, conn);
    if (code == 0) {
        assert_true(w->answer.has & VAP_HAS_HANDLE);
        assert_int_equal(w->answer.keepalive_ms, w->config.keepalive_ms);
        if (ret_handle)
            *ret_handle = w->answer.client_handle;
    }
    return code;
}

static void put_service(struct world *w, uint16_t subservice, uint64_t vservice, uint64_t instance)
{
    tlv_put_service(&w->message, TLV_SERVICE_IDENTITY,
                    &(struct service_identity){SERVICE_VIPR, subservice, vservice, instance});
}

int ask_publish(struct world *w, uint64_t conn, uint64_t vservice, uint64_t instance, uint32_t version, const char *xml)
{
    ask_begin(w, VAP_PUBLISH);
    put_service(w, SUBSERVICE_VSERVICE, vservice, instance);
    tlv_put_u32(&w->message, TLV_SERVICE_VERSION, version);
    tlv_put_text(&w->message, TLV_SERVICE_CONTENT, xml);
    return ask(w, conn);
}

int ask_subscribe(struct world *w, uint64_t conn, uint64_t vservice, uint32_t *ret_subscription)
{
    ask_begin(w, VAP_SUBSCRIBE);
    put_service(w, SUBSERVICE_NUMBER, vservice, SERVICE_INSTANCE_ALL);
    int code = ask(w, conn);
    if (code == 0) {
        assert_true(w->answer.has & VAP_HAS_SUBSCRIPTION);
        if (ret_subscription)
            *ret_subscription = w->answer.subscription_id;
    }
    return code;
}

int ask_number(struct world *w, uint64_t conn, uint64_t vservice, const char *number)
{
    ask_begin(w, VAP_PUBLISH);
    put_service(w, SUBSERVICE_NUMBER, vservice, 1);
    tlv_put_text(&w->message, TLV_CALLED_NUM, number);
    return ask(w, conn);
}

int ask_upload(struct world *w, uint64_t conn, uint64_t vservice, const char *called)
{
    ask_begin(w, VAP_UPLOAD_VCR);
    put_service(w, SUBSERVICE_NUMBER, vservice, 0);
    tlv_put_u32(&w->message, TLV_CALL_DIRECTION, VAP_SENT);
    tlv_put_time(&w->message, TLV_START_TIME, (struct wall){1767225600000});
    tlv_put_time(&w->message, TLV_STOP_TIME, (struct wall){1767225660500});
    tlv_put_text(&w->message, TLV_CALLING_NUM, "+4989123456");
    tlv_put_text(&w->message, TLV_CALLED_NUM, called);
    return ask(w, conn);
}

void answer_success(struct world *w, uint64_t conn)
{
    struct vap_key key = key_of_user(w);
    buf_clear(&w->message);
    size_t mark = vap_begin(&w->message, (enum vap_method)w->answer.method, VAP_SUCCESS, &w->answer.transaction);
    vap_put_realm(&w->message);
    vap_end_signed(&w->message, mark, &key);
    vap_server_input(w->server, w->now, conn, buf_slice(&w->message));
    world_drain(w);
}

void answer_error(struct world *w, uint64_t conn, unsigned code, bool with_integrity)
{
    struct vap_key key = key_of_user(w);
    buf_clear(&w->message);
    size_t mark = vap_begin(&w->message, (enum vap_method)w->answer.method, VAP_ERROR, &w->answer.transaction);
    vap_put_realm(&w->message);
    vap_put_error(&w->message, code, vap_code_reason(code));
    if (with_integrity)
        vap_end_signed(&w->message, mark, &key);
    else
        vap_end(&w->message, mark);
    vap_server_input(w->server, w->now, conn, buf_slice(&w->message));
    world_drain(w);
}

const char *description(const char *name, unsigned did_count)
{
    static char xml[1024];
    snprintf(xml, sizeof xml,
             "<service-description xmlns=\"http://www.cisco.com/namespaces/saf-uc\" id=\"x\" schemaVersion=\"1.0\">"
             "<vservice><DHTname>" VAP_PUBLIC_DHT "</DHTname><DIDCount>%u</DIDCount><domain>b.example</domain>"
             "<route><SIPURI>sip:%s@b.example:5060;maddr=192.0.2.7;transport=tcp</SIPURI></route>"
             "</vservice></service-description>",
             did_count, name);
    return xml;
}
